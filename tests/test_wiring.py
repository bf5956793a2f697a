"""An agent is wired up, compared and put back: exactly what was promised changes, whatever fails on the way."""

from __future__ import annotations

import copy
import json
import re
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import evolve
from conftest import TOOL_TOKEN, Platform
from fakes_elevenlabs import (
    API_KEY,
    FakeElevenLabs,
    agent,
    fails,
    loses_the_answer,
)
from test_cli import beside
from test_daemon import install

from elaaoms import config as settings
from elaaoms import wiring
from elaaoms.cli import live
from elaaoms.elevenlabs import ElevenLabs, connected
from elaaoms.errors import ElaaomsError
from elaaoms.wiring import Journal, Setup, Wish

AGENT = "agent_0001fictional"
OTHER_TOOL = {
    "type": "webhook",
    "name": "book_lesson",
    "description": "Book a lesson.",
    "api_schema": {
        "url": "https://shop.example.com/book",
        "request_body_schema": {"type": "object", "properties": {}},
    },
}
WISH = Wish(public_url="https://memory.example.com", token=TOOL_TOKEN, stranger="Hello!")


def busy_agent() -> dict[str, Any]:
    """An agent with a tool, variables, overrides and webhooks of its owner's own."""
    found = agent(AGENT)
    config = found["conversation_config"]["agent"]
    config["prompt"]["tool_ids"] = ["tool_theirs"]
    config["dynamic_variables"]["dynamic_variable_placeholders"] = {"plan": "gold", "caller_name": "Sam"}
    platform = found["platform_settings"]
    platform["overrides"]["conversation_config_override"]["agent"]["language"] = True
    platform["workspace_overrides"] = {
        "conversation_initiation_client_data_webhook": {
            "url": "https://shop.example.com/init",
            "request_headers": {},
        },
        "webhooks": {"post_call_webhook_id": "wh_theirs", "events": ["audio"], "transcript_format": "json"},
    }
    return found


@pytest.fixture(params=["fresh", "busy"])
def fake(request: pytest.FixtureRequest) -> FakeElevenLabs:
    fake = FakeElevenLabs(agent(AGENT) if request.param == "fresh" else busy_agent())
    fake.tools["tool_theirs"] = copy.deepcopy(OTHER_TOOL)
    fake.webhooks["wh_theirs"] = {
        "name": "shop",
        "webhook_url": "https://shop.example.com/calls",
        "auth_type": "hmac",
        "is_disabled": False,
        "is_auto_disabled": False,
        "created_at_unix": 1,
        "webhook_secret": "wsec_theirs",
        "retry_enabled": False,
    }
    return fake


@pytest.fixture
async def server(fake: FakeElevenLabs) -> AsyncIterator[str]:
    async with TestServer(fake.app) as running:
        yield str(running.make_url("")).rstrip("/")


@pytest.fixture
async def api(server: str) -> AsyncIterator[ElevenLabs]:
    async with connected(API_KEY, server) as client:
        yield client


class Desk:
    """Somebody who runs `setup` on one machine, again and again."""

    def __init__(self, api: ElevenLabs, folder: Path) -> None:
        self.api = api
        self.data = folder / "data"
        self.secret_file = folder / "secrets" / "webhook_secret"
        self.said: list[str] = []

    def setup(self, *, dry_run: bool = False) -> Setup:
        self.said = []
        journal = Journal.open(self.data)
        return Setup(self.api, journal, secret_file=self.secret_file, say=self.said.append, dry_run=dry_run)

    async def wire(self, wish: Wish = WISH, *, dry_run: bool = False) -> str:
        await self.setup(dry_run=dry_run).wire(AGENT, wish)
        return "\n".join(self.said)

    async def undo(self, *, dry_run: bool = False) -> str:
        await self.setup(dry_run=dry_run).undo(AGENT)
        return "\n".join(self.said)


@pytest.fixture
def desk(api: ElevenLabs, tmp_path: Path) -> Desk:
    return Desk(api, tmp_path)


def changed(before: Any, after: Any, path: str = "") -> dict[str, Any]:
    """Every leaf that differs, by its path, with its new value."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = {}
        for key in before.keys() | after.keys():
            found |= changed(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
        return found
    return {} if before == after else {path: after}


async def test_a_diff_of_the_agent_shows_what_was_promised_and_nothing_else(
    fake: FakeElevenLabs, desk: Desk
) -> None:
    before = fake.state()
    await desk.wire()
    after = fake.state()
    (secret,) = after["secrets"]
    (tool,) = after["tools"].keys() - {"tool_theirs"}
    (webhook,) = after["webhooks"].keys() - {"wh_theirs"}
    difference = changed(before["agents"][AGENT], after["agents"][AGENT])
    del difference["version_id"]
    busy = "tool_theirs" in before["agents"][AGENT]["conversation_config"]["agent"]["prompt"]["tool_ids"]
    variables = "conversation_config.agent.dynamic_variables.dynamic_variable_placeholders"
    init = "platform_settings.workspace_overrides.conversation_initiation_client_data_webhook"
    post = "platform_settings.workspace_overrides.webhooks"
    header = {"X-Elaaoms-Token": {"secret_id": secret}}
    promised: dict[str, Any] = {
        f"{variables}.caller_known": False,
        f"{variables}.memory_greeting": "Hello!",
        **{f"{variables}.{name}": "" for name in ("caller_memory", "last_call_summary", "caller_context")},
        "conversation_config.agent.prompt.tool_ids": ["tool_theirs", tool] if busy else [tool],
        "platform_settings.overrides.enable_conversation_initiation_client_data_from_webhook": True,
    }
    url = "https://memory.example.com/webhook/client-data"
    events = ["transcript", "call_initiation_failure"]
    if busy:
        promised |= {f"{init}.url": url, f"{init}.request_headers.X-Elaaoms-Token": header["X-Elaaoms-Token"]}
        promised |= {f"{post}.post_call_webhook_id": webhook, f"{post}.events": ["audio", *events]}
    else:
        promised |= {f"{variables}.caller_name": ""}
        promised |= {init: {"url": url, "request_headers": header}}
        promised |= {post: {"post_call_webhook_id": webhook, "events": events}}
    assert difference == promised
    assert (after["tools"]["tool_theirs"], after["webhooks"]["wh_theirs"], after["settings"]) == (
        before["tools"]["tool_theirs"],
        before["webhooks"]["wh_theirs"],
        before["settings"],
    )
    assert fake.secrets[secret]["value"] == TOOL_TOKEN
    assert after["webhooks"][webhook]["retry_enabled"] is True


async def test_the_webhook_s_secret_is_kept_at_once_and_no_secret_is_said(
    fake: FakeElevenLabs, desk: Desk
) -> None:
    desk.secret_file.parent.mkdir()
    desk.secret_file.write_text("wsec_of_before\n")
    said = await desk.wire()
    (made,) = [one for key, one in fake.webhooks.items() if key != "wh_theirs"]
    assert desk.secret_file.read_text() == f"wsec_of_before\n{made['webhook_secret']}\n"
    files = [desk.secret_file, *(desk.data / "elevenlabs").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    texts = said + "".join(path.read_text() for path in (desk.data / "elevenlabs").iterdir())
    assert made["webhook_secret"] not in texts
    assert TOOL_TOKEN not in texts
    assert TOOL_TOKEN not in repr(WISH)


async def test_twice_in_a_row_changes_nothing_the_second_time(fake: FakeElevenLabs, desk: Desk) -> None:
    await desk.wire()
    state, asked = fake.state(), len(fake.changes())
    said = await desk.wire()
    assert fake.state() == state
    assert len(fake.changes()) == asked
    assert said.count("as it should be") == 4


@pytest.mark.parametrize("fault", [fails(500), loses_the_answer], ids=["refused", "answer lost"])
@pytest.mark.parametrize("wish", [WISH, evolve(WISH, workspace=True)], ids=["agent", "workspace"])
async def test_a_failure_at_any_step_is_mended_by_running_it_again(
    fake: FakeElevenLabs, desk: Desk, fault: Any, wish: Wish
) -> None:
    fake.fault = failing = _Failing(fault)
    failures = 0
    while not failing.armed:  # until a run in which there was nothing left to spoil
        failing.armed = True
        try:
            await desk.wire(wish)
        except ElaaomsError:
            failures += 1
    assert len(failing.spoilt) >= failures >= 4
    fake.fault = None
    said = await desk.wire(wish)
    assert said.count("as it should be") == (5 if wish.workspace else 4)
    ours = [one for key, one in fake.webhooks.items() if key != "wh_theirs"]
    tools = [one for one in fake.tools.values() if one["name"] == "search_memory"]
    assert (len(ours), len(tools), len(fake.secrets)) == (1, 1, 1)
    assert ours[0]["webhook_secret"] in desk.secret_file.read_text().splitlines()
    assert ours[0]["retry_enabled"] is True


class _Failing:
    """Once armed, spoils the first changing request of a kind that it has not spoilt before."""

    def __init__(self, fault: Any) -> None:
        self.fault = fault
        self.spoilt: list[str] = []
        self.armed = False

    async def __call__(self, request: Any, answer: Any) -> Any:
        kind = f"{request.method} {re.sub(r'_[0-9]+fictional', '', request.path)}"
        if self.armed and request.method != "GET" and kind not in self.spoilt:
            self.armed = False
            self.spoilt.append(kind)
            return await self.fault(request, answer)
        return await answer()


async def test_undo_leaves_everything_as_it_was(fake: FakeElevenLabs, desk: Desk) -> None:
    before = fake.state()
    await desk.wire(evolve(WISH, edit_prompt=True, greets=True, speaks=True))
    assert "nothing" not in await desk.undo(dry_run=True)
    assert fake.secrets
    await desk.undo()
    after = fake.state()
    for state in (before, after):
        del state["agents"][AGENT]["version_id"]
    assert after == before
    with pytest.raises(ElaaomsError, match="did not set"):
        await desk.undo()


async def test_undo_of_the_workspace_gives_its_settings_back(fake: FakeElevenLabs, desk: Desk) -> None:
    before = fake.state()
    await desk.wire(evolve(WISH, workspace=True))
    settings = fake.settings
    assert settings["conversation_initiation_client_data_webhook"]["url"].endswith("/webhook/client-data")
    own = fake.agents[AGENT]["platform_settings"]["workspace_overrides"]
    assert own == before["agents"][AGENT]["platform_settings"]["workspace_overrides"]
    await desk.undo()
    assert fake.settings == before["settings"]


@pytest.mark.parametrize("fault", [fails(500), loses_the_answer], ids=["refused", "answer lost"])
async def test_undo_that_is_cut_off_goes_on(fake: FakeElevenLabs, desk: Desk, fault: Any) -> None:
    before = fake.state()
    await desk.wire()
    fake.fault = failing = _Failing(fault)
    for _ in range(10):
        failing.armed = True
        try:
            await desk.undo()
        except ElaaomsError:
            continue
        break
    assert failing.spoilt
    assert not Journal.open(desk.data).agents
    after = fake.state()
    for state in (before, after):
        del state["agents"][AGENT]["version_id"]
    assert after == before


async def test_undo_keeps_what_somebody_changed_since(fake: FakeElevenLabs, desk: Desk) -> None:
    await desk.wire(evolve(WISH, edit_prompt=True))
    config = fake.agents[AGENT]["conversation_config"]["agent"]
    config["prompt"]["tool_ids"].append("tool_later")
    config["dynamic_variables"]["dynamic_variable_placeholders"]["later"] = "x"
    config["prompt"]["prompt"] += "\nBe brief."
    fake.tools["tool_later"] = copy.deepcopy(OTHER_TOOL)
    await desk.undo()
    config = fake.agents[AGENT]["conversation_config"]["agent"]
    assert config["prompt"]["tool_ids"][-1] == "tool_later"
    assert config["dynamic_variables"]["dynamic_variable_placeholders"]["later"] == "x"
    assert "caller_memory" not in json.dumps(config)
    assert config["prompt"]["prompt"].endswith("Be brief.")


async def test_a_dry_run_changes_nothing_and_shows_everything(fake: FakeElevenLabs, desk: Desk) -> None:
    before = fake.state()
    said = await desk.wire(dry_run=True)
    assert fake.state() == before
    assert fake.changes() == []
    assert not desk.data.exists()
    for word in (
        "secret",
        "tool search_memory: made",
        "webhook",
        "enable_conversation_initiation",
        "(new tool)",
    ):
        assert word in said


async def test_the_prompt_is_only_touched_when_that_is_asked_for(fake: FakeElevenLabs, desk: Desk) -> None:
    config = fake.agents[AGENT]["conversation_config"]["agent"]
    prompt, first = config["prompt"]["prompt"], config["first_message"]
    await desk.wire()
    assert (config["prompt"]["prompt"], config["first_message"]) == (prompt, first)
    await desk.wire(evolve(WISH, edit_prompt=True))
    await desk.wire(evolve(WISH, edit_prompt=True))
    assert config["prompt"]["prompt"] == f"{prompt}\n\n{wiring.SNIPPET}"
    assert config["first_message"] == "{{memory_greeting}}"


async def test_a_new_token_reaches_the_secret_and_a_disabled_webhook_is_switched_on(
    fake: FakeElevenLabs, desk: Desk
) -> None:
    await desk.wire()
    (secret,) = fake.secrets.values()
    (webhook,) = [one for key, one in fake.webhooks.items() if key != "wh_theirs"]
    webhook["is_auto_disabled"] = True
    await desk.wire(evolve(WISH, token="another-token-of-the-tests"))
    assert secret["value"] == "another-token-of-the-tests"
    assert webhook["is_auto_disabled"] is False


async def test_what_an_operator_should_know_is_said(fake: FakeElevenLabs, desk: Desk) -> None:
    fake.other_branches[AGENT] = [{"id": "agtbrch_2", "name": "Trial", "current_live_percentage": 20.0}]
    fake.agents[AGENT]["conversation_config"]["agent"]["first_message"] = (
        "Hi {{nobody_knows}}, {{ system__time }}"
    )
    said = await desk.wire()
    assert "branch 'Trial' takes 20 % of the traffic" in said
    assert "{{nobody_knows}}, which elaaoms does not supply" in said
    assert "system__time" not in said.split("uses")[1]
    assert "anybody on the web may talk to this agent" in said
    assert "POST /api/initiation" in await desk.wire(evolve(WISH, edit_prompt=True))


def test_elevenlabs_needs_an_https_address() -> None:
    for url in ("", "http://127.0.0.1:8000"):
        with pytest.raises(ElaaomsError, match="https"):
            evolve(WISH, public_url=url)


# -- the commands ----------------------------------------------------------------------------


def configured(folder: Path, server: str, public_url: str = "https://memory.example.com") -> Path:
    path = install(folder)
    text = re.sub(r"(?m)^api_url = .*$", f'api_url = "{server}"', path.read_text())
    path.write_text(re.sub(r"(?m)^public_url = .*$", f'public_url = "{public_url}"', text))
    key = folder / "secrets" / "elevenlabs_api_key"
    key.write_text(API_KEY)
    key.chmod(0o600)
    return path


@pytest.mark.parametrize("fake", ["fresh"], indirect=True)
async def test_setup_and_check_tell_one_story(
    fake: FakeElevenLabs, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configured(tmp_path, server)
    done = await beside("setup", AGENT, "-c", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert wiring.SNIPPET in done.stdout

    async def checked(*more: str) -> dict[str, str]:
        told = await beside("check", "-c", path, "--json", "--agent", AGENT, *more)
        rows = json.loads(told.stdout)
        assert (told.returncode == 0) == all(row["status"] != "fail" for row in rows)
        return {f"{row['subject']} {row['status']}": row["text"] for row in rows if row["subject"] != "port"}

    found = await checked()
    assert "wired as it should be" in found["agent ok"]
    assert "cannot be reached" in found["public url fail"]  # example.com has no such host
    # Somebody saves the agent in the dashboard, and ElevenLabs gives the webhook up.
    fake.agents[AGENT]["platform_settings"]["workspace_overrides"][
        "conversation_initiation_client_data_webhook"
    ] = None
    (webhook,) = [one for key, one in fake.webhooks.items() if key != "wh_theirs"]
    webhook |= {"is_auto_disabled": True, "most_recent_failure_error_code": 401}
    webhook["most_recent_failure_timestamp"] = 4_000_000_000
    (tool,) = [one for one in fake.tools.values() if one["name"] == "search_memory"]
    tool["api_schema"]["method"] = "GET"
    found = await checked()
    assert "conversation_initiation_client_data_webhook: null" in found["agent fail"]
    assert "disabled it after too many failures" in found["webhook fail"]
    assert "signature was refused" in found["webhook warn"]
    assert "--fix mends it" in found["tool fail"]
    found = await checked("--fix")
    assert {"agent fail", "webhook fail", "tool fail"} & found.keys() == set()
    # The secret on this machine is not the webhook's.
    (tmp_path / "secrets" / "webhook_secret").write_text("wsec_another_0123456789\n")
    assert "every event is refused" in (await checked())["webhook fail"]


async def test_the_public_address_is_tried_as_elevenlabs_would(platform: Platform) -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPMovedPermanently("https://www.example.com/health")

    async def somebody(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    assert await live.public(platform.url) == ("ok", "public url", f"{platform.url} leads to elaaoms")
    for answer, said in (
        (elsewhere, "redirects to https://www.example.com/health"),
        (somebody, "not by elaaoms"),
    ):
        app = web.Application()
        app.router.add_get("/health", answer)
        async with TestServer(app) as running:
            status, _, text = await live.public(str(running.make_url("")).rstrip("/"))
            assert (status, said in text) == ("fail", True), text
    async with TestServer(web.Application(), scheme="https") as running:
        url = str(running.make_url("")).rstrip("/")
        assert (await live.public(url))[0] == "fail"


@pytest.mark.parametrize("fake", ["fresh"], indirect=True)
async def test_a_clock_that_is_off_is_told(fake: FakeElevenLabs, server: str, tmp_path: Path) -> None:
    async def dated(_: web.Request, answer: Any) -> web.StreamResponse:
        found: web.StreamResponse = await answer()
        found.headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(minutes=20), usegmt=True)
        return found

    fake.fault = dated
    config = settings.load(configured(tmp_path, server, public_url=""))
    found = [one async for one in live.examine(config, None, fix=False, say=print)]
    assert [one[:2] for one in found] == [("ok", "elevenlabs"), ("fail", "clock")]
    assert re.search(r"by 1(199|200) s: set it", found[1][2])


@pytest.mark.parametrize("fake", ["fresh"], indirect=True)
async def test_an_agent_that_nobody_set_up_and_a_wrong_id_are_told(
    fake: FakeElevenLabs, server: str, tmp_path: Path
) -> None:
    path = configured(tmp_path, server)
    told = await beside("check", "-c", path, "--agent", AGENT)
    assert told.returncode == 1
    assert f"`elaaoms setup {AGENT}` mends it" in told.stdout
    missing = await beside("setup", "agent_nobody", "-c", path, "--dry-run")
    assert missing.returncode == 1
    assert missing.stderr.startswith("Error: ElevenLabs does not know")
    assert fake.changes() == []
