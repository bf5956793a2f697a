"""What an operator decides about a memory holds, whatever is heard, replayed or worked out again later."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner
from conftest import Platform, call

from elaaoms.cli import main
from elaaoms.config import load, load_secrets
from elaaoms.daemon import running

HOME = "I live in Leeds."
MOVED = "I moved to York."


async def heard(platform: Platform, text: str, number: int) -> None:
    await platform.takes(call(text, conversation_id=f"conv_{number}", at=1_790_000_000 + number * 1000))


async def active(platform: Platform) -> set[str]:
    return {entry["content"] for entry in await platform.memories("status=active")}


async def one(platform: Platform, content: str) -> dict[str, Any]:
    (found,) = [entry for entry in await platform.memories() if entry["content"] == content]
    return found


@pytest.fixture
async def moved(platform: Platform) -> Platform:
    """A caller who moved: one memory ended by another."""
    await heard(platform, HOME, 1)
    await heard(platform, MOVED, 2)
    assert await active(platform) == {"The caller lives in York."}
    return platform


async def again(platform: Platform) -> None:
    """Every call is read again, which works all memories out anew."""
    for number in (1, 2):
        job = (await platform.api("POST", f"/api/calls/conv_{number}/reprocess")).data["job_id"]
        await platform.settled(job)
    await heard(platform, "I hate phone menus.", 0)  # a call that arrives late


async def test_a_forgotten_memory_leaves_no_word_and_does_not_come_back(moved: Platform) -> None:
    york = await one(moved, "The caller lives in York.")
    gone = (await moved.api("DELETE", f"/api/memories/{york['id']}")).data
    assert (gone["status"], gone["content"], gone["source_quote"]) == ("forgotten", "[forgotten]", "")
    assert not moved.sql("SELECT 1 FROM facts WHERE content LIKE '%York%' OR quote LIKE '%York%'")
    assert not moved.sql("SELECT 1 FROM memories WHERE content LIKE '%York%' OR source_quote LIKE '%York%'")
    assert await active(moved) >= {"The caller lives in Leeds."}
    await again(moved)
    assert not any("York" in content for content in await active(moved))
    assert "York" not in json.dumps((await moved.initiation()).json)


async def test_a_restored_memory_stands_beside_what_had_ended_it(moved: Platform) -> None:
    leeds = await one(moved, "The caller lives in Leeds.")
    assert leeds["status"] == "superseded"
    restored = (await moved.api("POST", f"/api/memories/{leeds['id']}/restore")).data
    assert (restored["status"], restored["superseded_by"], restored["valid_until"]) == ("active", None, None)
    both = {"The caller lives in Leeds.", "The caller lives in York."}
    assert await active(moved) == both
    await again(moved)
    assert await active(moved) >= both
    twice = await moved.api("POST", f"/api/memories/{leeds['id']}/restore")
    assert twice.status == 409


async def test_what_is_said_after_a_restoration_ends_a_memory_as_ever(moved: Platform) -> None:
    leeds = await one(moved, "The caller lives in Leeds.")
    await moved.api("POST", f"/api/memories/{leeds['id']}/restore")
    await moved.takes(call("I moved to Bath.", conversation_id="conv_later", at=time.time() + 60))
    assert await active(moved) == {"The caller lives in Bath."}


async def test_an_edit_takes_the_place_of_a_memory_and_keeps_its_row(moved: Platform) -> None:
    york = await one(moved, "The caller lives in York.")
    edited = (
        await moved.api("PATCH", f"/api/memories/{york['id']}", {"content": "The caller lives in New York."})
    ).data
    assert edited["heard_by"] == york["heard_by"]
    assert await active(moved) == {"The caller lives in New York."}
    assert (await one(moved, "The caller lives in York."))["superseded_by"] == edited["id"]
    await again(moved)
    assert "The caller lives in New York." in await active(moved)
    assert "The caller lives in York." not in await active(moved)
    await moved.takes(call("I moved to Bath.", conversation_id="conv_later", at=time.time() + 60))
    assert "The caller lives in New York." not in await active(moved)


async def test_a_pin_survives_and_importance_can_be_changed(moved: Platform) -> None:
    york = await one(moved, "The caller lives in York.")
    pinned = (await moved.api("PATCH", f"/api/memories/{york['id']}", {"pinned": True})).data
    assert pinned["pinned"]
    await again(moved)
    assert (await one(moved, "The caller lives in York."))["pinned"]
    changed = (await moved.api("PATCH", f"/api/memories/{york['id']}", {"importance": 9})).data
    assert (changed["importance"], changed["shared"], changed["pinned"]) == (9, True, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "mem_unknown", {"content": "x"}, 404),
        ("DELETE", "mem_unknown", None, 404),
        ("POST", "mem_unknown/restore", None, 404),
    ],
)
async def test_an_unknown_memory_is_said_to_be_unknown(
    platform: Platform, method: str, path: str, body: Any, status: int
) -> None:
    assert (await platform.api(method, f"/api/memories/{path}", body)).status == status


async def test_a_wrong_change_is_refused(moved: Platform) -> None:
    york = await one(moved, "The caller lives in York.")
    path = f"/api/memories/{york['id']}"
    for body in (
        {"content": ""},
        {"content": " \n"},
        {"importance": 11},
        {"colour": "red"},
        {"category": "x"},
    ):
        assert (await moved.api("PATCH", path, body)).status == 400, body
    leeds = await one(moved, "The caller lives in Leeds.")
    assert (await moved.api("PATCH", f"/api/memories/{leeds['id']}", {"content": "x"})).status == 409


def test_the_commands_do_the_same(tmp_path: Path) -> None:
    def run(*arguments: str, input: bytes | None = None) -> str:
        done = CliRunner().invoke(main, [*arguments, "-c", str(tmp_path / "elaaoms.toml")], input=input)
        assert done.exit_code == 0, done.output
        return done.stdout

    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    asyncio.run(_once(tmp_path))
    memory_id = run("memories", "add", "+12025550142", "Prefers tea.", "--category", "preference").split(":")[
        0
    ]
    edited = run("memories", "edit", memory_id, "Prefers green tea.").split(":")[0]
    assert run("memories", "pin", edited) == "Pinned.\n"
    assert run("memories", "restore", memory_id).startswith("Prefers tea.\nIf what had ended it is wrong: ")
    assert run("memories", "forget", edited, "--yes") == f"{edited} is forgotten.\n"
    lines = b'{"caller": "+12025550142", "content": "Owns a boat.", "key": "1"}\n'
    assert run("memories", "import", "-", input=lines) == "1 memories imported, 0 were there before.\n"
    assert run("memories", "import", "-", input=lines) == "0 memories imported, 1 were there before.\n"
    listed = json.loads(run("memories", "list", "--status", "active", "--json"))
    assert {entry["content"] for entry in listed} == {"Prefers tea.", "Owns a boat."}
    wrong = CliRunner().invoke(
        main, ["memories", "import", "-", "-c", str(tmp_path / "elaaoms.toml")], input=lines + b"{}\n"
    )
    assert wrong.exit_code == 1
    assert "line 2" in wrong.stderr


async def _once(folder: Path) -> None:
    """A daemon that ran once, so that there is a database."""
    config = load(folder / "elaaoms.toml")
    free = evolve(config, server=evolve(config.server, port=0, admin_port=0))
    async with running(free, load_secrets(folder, {})):
        pass
