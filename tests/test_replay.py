"""Archived calls are read again by another model, and nothing changes before somebody wants it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from attrs import evolve
from click.testing import CliRunner
from conftest import Platform, call, connected, started
from fakes import FakeLanguageModels
from test_extraction import HOME, INVENTED, LINES, ORDER, daemon, memory, told

from elaaoms.cli import main
from elaaoms.config import Config, load, load_secrets
from elaaoms.daemon import running
from elaaoms.memory import Category, Fact, Heard
from elaaoms.replay import compare

LATE = memory("Order XYZ-789 is late.", "My order XYZ-789 is late", 1, category="issue", importance=7)


async def replayed(platform: Platform, **more: Any) -> dict[str, Any]:
    answer = await platform.api("POST", "/api/replay", {"conversation_id": "conv_test", **more})
    assert answer.status == 200, answer.body
    return dict(answer.data)


async def contents(platform: Platform) -> set[str]:
    return {entry["content"] for entry in await platform.memories("status=active")}


async def test_a_replay_shows_what_would_be_different_and_changes_nothing(tmp_path: Path) -> None:
    fake = FakeLanguageModels(told(ORDER))
    async with daemon(tmp_path, fake, "openai") as platform:
        await platform.takes(call(*LINES))
        fake.answer = told(LATE, HOME, INVENTED)
        done = await replayed(platform, provider="anthropic", model="another")
        kept = await contents(platform)
        charges = (await platform.api("GET", "/api/calls/conv_test")).data["charges"]
    assert fake.requests[-1].body["model"] == "another"
    assert kept == {ORDER["content"]}
    assert (done["adopted"], done["provider"], done["model"]) == (False, "anthropic", "another")
    assert done["reworded"] == [{"before": ORDER["content"], "after": LATE["content"]}]
    assert (done["added"], done["removed"], done["same"]) == ([HOME["content"]], [], [])
    assert done["after"] == {"facts": 2, "dropped": {"number not in evidence": 1}, "groundedness": 0.667}
    assert done["usd"] == charges[-1]["usd"] > 0


async def test_an_adopted_replay_takes_the_place_of_what_was_known(tmp_path: Path) -> None:
    fake = FakeLanguageModels(told(ORDER))
    async with daemon(tmp_path, fake, "openai") as platform:
        await platform.takes(call(*LINES))
        fake.answer = told(HOME)
        done = await replayed(platform, adopt=True)
        assert done["adopted"]
        assert await contents(platform) == {HOME["content"]}
        again = await replayed(platform)
    assert (again["same"], again["added"], again["removed"]) == ([HOME["content"]], [], [])


async def test_a_replay_is_not_reminded_of_what_the_call_itself_taught(tmp_path: Path) -> None:
    fake = FakeLanguageModels(told(ORDER))
    async with daemon(tmp_path, fake, "openai") as platform:
        await platform.takes(call(*LINES))
        await replayed(platform)
    assert "(none)" in fake.requests[-1].user


async def test_what_cannot_be_replayed_is_said(config: Config) -> None:
    async with started(config) as platform:
        unknown = await platform.api("POST", "/api/replay", {"conversation_id": "conv_nowhere"})
        model = await platform.api("POST", "/api/replay", {"conversation_id": "conv_nowhere", "model": "x"})
        again = await platform.api("POST", "/api/calls/conv_nowhere/reprocess")
    assert (unknown.status, model.status, again.status) == (404, 400, 404)


async def test_reprocessing_replaces_what_a_call_taught(tmp_path: Path) -> None:
    fake = FakeLanguageModels(told(ORDER))
    async with daemon(tmp_path, fake, "openai") as platform:
        await platform.takes(call(*LINES))
        fake.answer = told(HOME)
        job = (await platform.api("POST", "/api/calls/conv_test/reprocess")).data["job_id"]
        await platform.settled(job)
        assert await contents(platform) == {HOME["content"]}


async def remembers(folder: Path, text: str) -> None:
    """A daemon with the configuration in `folder` processes one call."""
    settings, given = load(folder / "elaaoms.toml"), load_secrets(folder, {})
    free = evolve(settings, server=evolve(settings.server, port=0, admin_port=0))
    tokens = {
        "webhook_secret": given.webhook_secrets[0],
        "tool_token": given.tool_token,
        "admin_token": given.admin_token,
    }
    async with (
        running(free, given) as up,
        connected(up.url, up.admin_url, free.data, **tokens) as platform,
    ):
        await platform.takes(call(text))


def test_the_command_prints_the_difference(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(main, ["init", str(tmp_path)]).exit_code == 0
    config = ["-c", str(tmp_path / "elaaoms.toml")]
    asyncio.run(remembers(tmp_path, "Hi, my name is Robin Baker."))
    shown = runner.invoke(main, ["replay", *config, "--provider", "rules", "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "conv_test: 1 facts before, 1 now, 1 the same, 0.0000 US dollars" in shown.output
    machine = runner.invoke(main, ["replay", *config, "conv_test", "--json", "--dry-run"])
    assert json.loads(machine.output)[0]["same"] == ["The caller's name is Robin Baker."]


def heard(content: str, turn: int, category: Category = Category.FACTUAL) -> Heard:
    fact = Fact(category=category, content=content, importance=5, turn=turn)
    return Heard(key=content, fact=fact, source="call", heard_at=1.0)


def test_facts_are_paired_by_what_they_say_then_by_where_they_stand() -> None:
    before = [heard("A.", 1), heard("B.", 2), heard("C.", 3)]
    after = [heard("b.", 5), heard("A was so.", 1), heard("D.", 3, Category.ISSUE)]
    found = compare(before, after)
    assert found.same == ("B.",)
    assert found.reworded == (("A.", "A was so."),)
    assert (found.added, found.removed) == (("D.",), ("C.",))
