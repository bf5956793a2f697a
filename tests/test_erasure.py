"""After an erasure the caller's number, name and words are in no byte of the data, and the receipt proves it."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from attrs import evolve
from click.testing import CliRunner
from conftest import ROBIN, Platform, call, connected, secrets, started, varied

from elaaoms.cli import main
from elaaoms.config import Config, load, load_secrets
from elaaoms.daemon import Running, desk, running
from elaaoms.erasure import Eraser, naming
from elaaoms.errors import ServiceUnavailable
from elaaoms.identity import Address

ANNA = "+12025550177"
PLANTED = (
    "Robin Quackenbush",
    "XQZ-48151623",
    "Zanzibarstrasse",
    "peppermint marzipan",
    "quackenbush@example.com",
    "unicycle rental",
    "purple accordion",
    "Mirabelle",
    "tangerine velvet",
    "Dr. Oddenino",
    "hazelnut allergy",
    "Xylophone Lane",
    "ZQ-777-KESTREL",
    "marmalade kite",
    "Fennimore",
    "cobalt wheelbarrow",
    "trombone lessons",
    "Papua quilt",
    "gooseberry fool",
    "lantern parade",
)
SAID = (
    "Hi, my name is Robin Quackenbush.",
    "My order XQZ-48151623 still hasn't arrived.",
    "I live in Zanzibarstrasse.",
    "I love peppermint marzipan.",
    "My email is quackenbush@example.com.",
    "I am interested in the unicycle rental.",
    "My wife Mirabelle plays the purple accordion.",
    "My son Fennimore has a hazelnut allergy and takes trombone lessons.",
    "I saw Dr. Oddenino about the tangerine velvet in Xylophone Lane.",
    "My ticket is ZQ-777-KESTREL, for the marmalade kite and the cobalt wheelbarrow.",
    "I lost a Papua quilt at the lantern parade, and some gooseberry fool.",
)


def bytes_below(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def lived(platform: Platform) -> None:
    """A caller with calls, audio, memories, an edit, and somebody else beside."""
    await platform.takes(call(*SAID, conversation_id="conv_robin"))
    await platform.takes(call("My name is Robin Quackenbush.", conversation_id="conv_robin2"))
    audio = varied("audio", conversation_id="conv_robin")
    audio["data"]["full_audio"] = base64.b64encode(b"ID3 purple accordion" * 50).decode()
    answer = await platform.send(audio)
    await platform.settled(answer.data["job_id"])
    await platform.knows({"content": "Robin Quackenbush owns a unicycle rental."})
    await platform.takes(call("My name is Anna Example.", conversation_id="conv_anna", number=ANNA))


async def erased(platform: Platform, caller: str = ROBIN) -> dict[str, Any]:
    answer = await platform.api("DELETE", f"/api/callers/{caller.replace('+', '%2B')}")
    assert answer.status == 200, answer.body
    return dict(answer.data)


async def test_no_byte_of_a_caller_is_left_under_traffic(platform: Platform) -> None:
    await lived(platform)

    async def traffic() -> None:
        for number in range(30):
            event = call("I live in Leeds.", conversation_id=f"conv_t{number}", number=ANNA)
            assert (await platform.send(event)).status == 200

    before = bytes_below(platform.data)
    assert all(text.encode() in before for text in PLANTED)
    sending = asyncio.create_task(traffic())
    receipt = await erased(platform)
    await sending
    left = bytes_below(platform.data)
    assert [text for text in (*PLANTED, ROBIN, ROBIN[1:]) if text.encode() in left] == []
    assert receipt["removed"]["calls"] == 2
    assert receipt["removed"]["greetings"] == 2  # for the agent that had the calls, and for any other
    assert receipt["removed"]["archived files"] == 3
    assert not (await platform.initiation()).variables["caller_known"]
    assert (await platform.initiation(ANNA)).variables["caller_name"] == "Anna Example"
    assert (await platform.api("GET", f"/api/callers/{ROBIN.replace('+', '%2B')}")).status == 404


async def test_the_receipt_is_signed_and_names_nothing(platform: Platform) -> None:
    await lived(platform)
    receipt = await erased(platform)
    assert not any(text in json.dumps(receipt) for text in (*PLANTED, ROBIN))
    assert (await platform.api("POST", "/api/erasures/check", receipt)).data["genuine"]
    forged = {**receipt, "removed": {}}
    assert not (await platform.api("POST", "/api/erasures/check", forged)).data["genuine"]
    (listed,) = (await platform.api("GET", "/api/erasures")).data["erasures"]
    assert listed["receipt"] == receipt


async def test_an_erased_conversation_that_is_delivered_again_is_taken_and_not_kept(
    platform: Platform,
) -> None:
    event = call(*SAID, conversation_id="conv_robin")
    await platform.takes(event)
    await erased(platform)
    again = await platform.send(event)
    assert (again.status, again.data["duplicate"], again.data["job_id"]) == (200, True, None)
    assert b"Quackenbush" not in bytes_below(platform.data)
    assert platform.count("calls") == 0
    await platform.takes(call("My name is Robin Baker.", conversation_id="conv_new"))
    assert (await platform.initiation()).variables["caller_name"] == "Robin Baker"


class Away:
    """Another place that cannot be reached at first."""

    name = "elsewhere"

    def __init__(self) -> None:
        self.reachable = False
        self.asked: list[str] = []

    async def erase(self, caller: str, conversations: Sequence[str]) -> Mapping[str, Any]:
        self.asked.append(caller)
        if not self.reachable:
            raise ServiceUnavailable("it is down")
        return {"memories": len(conversations)}


async def test_an_erasure_that_was_interrupted_goes_on(platform: Platform, daemon: Running) -> None:
    await platform.takes(call(*SAID, conversation_id="conv_robin"))
    services, away = daemon.services, Away()
    eraser = Eraser(
        services.database,
        services.archive,
        services.calls,
        services.memories,
        services.queue,
        services.directory,
        services.audit,
        elsewhere=[away],
        clock=services.clock,
    )
    caller = await services.directory.find(ROBIN)
    assert caller is not None
    open_one = await eraser.erase(caller.caller, actor="admin")
    assert (open_one.waits_for, open_one.receipt) == ("elsewhere", None)
    assert b"Quackenbush" not in bytes_below(platform.data)
    away.reachable = True
    assert await eraser.resume() == 1
    (done,) = await eraser.listed()
    assert done.receipt is not None
    assert done.receipt["elsewhere"] == {"elsewhere": {"memories": 1}}
    assert done.receipt["removed"]["calls"] == 1
    assert away.asked == [caller.caller] * 2
    assert await eraser.resume() == 0


async def test_two_callers_become_one_and_stay_so(platform: Platform) -> None:
    await platform.takes(call("My name is Robin Baker.", conversation_id="conv_1"))
    await platform.takes(call("I live in Leeds.", conversation_id="conv_2", number=ANNA))
    path = f"/api/callers/{ANNA.replace('+', '%2B')}/merge"
    merged = await platform.api("POST", path, {"into": ROBIN})
    assert merged.data["calls"] == 2
    assert (await platform.initiation(ANNA)).variables["caller_name"] == "Robin Baker"
    await platform.takes(call("I moved to York.", conversation_id="conv_3", number=ANNA))
    contents = {entry["content"] for entry in await platform.memories("status=active")}
    assert contents == {"The caller's name is Robin Baker.", "The caller lives in York."}
    assert (await platform.api("POST", path, {"into": ROBIN})).status == 409
    await erased(platform, ANNA)
    assert await platform.memories() == []
    assert not (await platform.initiation()).variables["caller_known"]


async def test_a_merge_survives_a_restart(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(call("My name is Robin Baker.", conversation_id="conv_1"))
        await platform.takes(call("I live in Leeds.", conversation_id="conv_2", number=ANNA))
        await platform.api("POST", f"/api/callers/{ANNA.replace('+', '%2B')}/merge", {"into": ROBIN})
    async with started(config) as platform:
        assert (await platform.initiation(ANNA)).variables["caller_name"] == "Robin Baker"


async def test_an_export_holds_everything_and_its_page_is_harmless(platform: Platform) -> None:
    from elaaoms.export import page

    hostile = "My name is <img src=x onerror=alert(1)>."
    await platform.takes(call(hostile, "I live in Leeds.", conversation_id="conv_1"))
    answer = await platform.api("GET", f"/api/callers/{ROBIN.replace('+', '%2B')}/export")
    data = answer.data
    assert data["calls"][0]["turns"][1]["text"] == hostile
    assert data["memories"][0]["evidence"]
    assert data["calls"][0]["files"]
    html = page(data)
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_the_commands_list_export_erase_and_check(tmp_path: Path) -> None:
    def run(*arguments: str, fails: bool = False) -> str:
        done = CliRunner().invoke(main, [*arguments, "-c", str(tmp_path / "elaaoms.toml")])
        assert (done.exit_code != 0) == fails, done.output
        return done.stderr if fails else done.stdout

    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    asyncio.run(_remembers(tmp_path))
    assert ROBIN in run("callers", "list")
    assert "The caller lives in Leeds." in run("callers", "show", ROBIN)
    assert json.loads(run("callers", "export", ROBIN))["caller"]["address"] == ROBIN
    assert run("callers", "export", ROBIN, "--html").startswith("<!doctype html>")
    receipt = run("callers", "erase", ROBIN, "--yes")
    (tmp_path / "receipt.json").write_text(receipt)
    assert run("callers", "receipt", str(tmp_path / "receipt.json")) == "The receipt is genuine.\n"
    (tmp_path / "receipt.json").write_text(receipt.replace('"calls": 1', '"calls": 2'))
    assert "not signed here" in run("callers", "receipt", str(tmp_path / "receipt.json"), fails=True)
    assert "no such caller" in run("callers", "show", ROBIN, fails=True)


async def _remembers(folder: Path) -> None:
    config, given = load(folder / "elaaoms.toml"), load_secrets(folder, {})
    free = evolve(config, server=evolve(config.server, port=0, admin_port=0))
    tokens = {
        "webhook_secret": given.webhook_secrets[0],
        "tool_token": given.tool_token,
        "admin_token": given.admin_token,
    }
    async with running(free, given) as up, connected(up.url, up.admin_url, free.data, **tokens) as platform:
        await platform.takes(call("I live in Leeds."))


# -- what belongs to nobody's call ---------------------------------------------------------


async def test_a_held_body_that_names_the_caller_is_removed_and_others_stay(platform: Platform) -> None:
    await platform.takes(call("I live in Leeds.", conversation_id="conv_robin"))
    named = {
        "number": b'{"type": "post_call_transcription", "data": {"external_number": "+12025550142"}}',
        "part of a number": b'{"type": "post_call_transcription", "x": "112025550142"}',
        "conversation": b'{"type": "post_call_transcription", "call": "conv_robin',
        "another conversation": b'{"type": "post_call_transcription", "about": "conv_robin_2"',
        "somebody else": b'{"type": "post_call_transcription", "external_number": "+12025550177"}',
    }
    for body in named.values():
        assert (await platform.send(body)).data["extraction_status"] == "held"
    receipt = await erased(platform)
    assert receipt["removed"]["held bodies"] == 2
    left = bytes_below(platform.data / "payloads")
    assert {name for name, body in named.items() if body in left} == {
        "part of a number",
        "another conversation",
        "somebody else",
    }
    held = (await platform.api("GET", "/api/held")).data["held"]
    assert len(held) == 3
    assert all((platform.data / entry["path"]).is_file() for entry in held)
    assert (await platform.api("GET", "/health")).data["dependencies"]["database"]["held"] == 3


@pytest.mark.parametrize(
    ("address", "body", "found"),
    [
        (Address("user", "crm-7"), b'{"user_id": "crm-7"}', True),
        (Address("user", "crm-7"), b'{"user_id": "crm-71"}', False),
        (Address("user", "7"), b'{"turn": 7}', False),
        (Address("user", "Zoë"), b'{"user_id": "Zo\\u00eb"}', True),
        (Address("user", "Zoë"), '{"user_id": "Zoë"}'.encode(), True),
        (Address("user", 'a"b'), b'{"user_id": "a\\"b"}', True),
        (Address("user", ".*"), b'{"user_id": "anybody"}', False),
        (Address("tel", "+12025550142"), b"tel:12025550142@sip", True),
        (Address("tel", "+12025550142"), b"120255501420", False),
    ],
)
def test_a_caller_is_found_in_a_body_however_it_is_written(
    address: Address, body: bytes, found: bool
) -> None:
    pattern = naming(address, [])
    assert pattern is not None
    assert bool(pattern.search(body)) is found
    assert naming(Address("key", "caller_1"), []) is None


async def test_a_call_that_is_archived_without_a_row_is_erased_with_the_others(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(call("I live in Leeds.", conversation_id="conv_1"))
        await platform.takes(call("My name is Robin Quackenbush.", conversation_id="conv_2"))
    with closing(sqlite3.connect(config.data / "elaaoms.db")) as database:  # as after a crash
        database.execute("PRAGMA secure_delete = ON")
        for table in ("events", "calls", "facts", "memories"):
            database.execute(f"DELETE FROM {table} WHERE conversation_id = 'conv_2'")  # noqa: S608
        database.commit()
    async with desk(config, secrets()) as (url, token), ClientSession() as session:  # no daemon adopted it
        path = f"{url}/api/callers/{ROBIN.replace('+', '%2B')}"
        async with session.delete(path, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 200
            assert (await answer.json())["data"]["removed"]["calls"] == 2
    assert b"Quackenbush" not in bytes_below(config.data)
    async with started(config) as platform:
        assert platform.count("calls") == 0
