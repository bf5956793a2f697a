"""What is proposed to be folded away says nothing that is still true, and folding it changes nothing else."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner
from conftest import ROBIN, Platform, call, started

from elaaoms.cli import main
from elaaoms.compact import folds
from elaaoms.config import Config, load, load_secrets


def memory(number: int, content: str = "", **more: Any) -> dict[str, Any]:
    return {
        "id": f"mem_{number}",
        "content": content or f"Fact {number}.",
        "category": "factual",
        "agent_id": None,
        "event_date": None,
        "importance": 5,
        "reinforcements": 0,
        "first_heard": f"2026-11-{number:02d}T10:00:00Z",
        "last_heard": f"2026-11-{number:02d}T10:00:00Z",
        "status": "superseded" if "superseded_by" in more else "active",
        "superseded_by": None,
        "conflict_with": None,
        "pinned": False,
    } | more


def proposed(*memories: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(fold.memory["id"], fold.reason, fold.kept["id"]) for fold in folds(memories)]


def test_a_chain_is_folded_from_its_oldest_end() -> None:
    chain = (memory(3), memory(2, superseded_by="mem_3"), memory(1, superseded_by="mem_2"))
    assert proposed(*chain) == [("mem_1", "superseded", "mem_2"), ("mem_2", "superseded", "mem_3")]


def test_what_ended_a_memory_that_stays_is_not_folded_or_that_would_stand_again() -> None:
    for reason in ({"importance": 8}, {"pinned": True}):
        first = memory(1, superseded_by="mem_2", **reason)
        assert proposed(memory(3), memory(2, superseded_by="mem_3"), first) == []


def test_what_counts_or_is_pinned_or_contradicted_is_never_proposed() -> None:
    for reason in ({"importance": 8}, {"importance": 10}, {"pinned": True}, {"conflict_with": "mem_9"}):
        assert proposed(memory(2), memory(1, superseded_by="mem_2", **reason)) == []
        both = (memory(1, "Likes tea.", **reason), memory(2, "Likes tea!", **reason))
        assert proposed(*both) == []


def test_twins_fold_into_the_one_that_weighs_more() -> None:
    assert proposed(memory(1, "Likes the tea.", reinforcements=2), memory(2, "Likes tea")) == [
        ("mem_2", "duplicate", "mem_1")
    ]
    for other in ({"category": "issue"}, {"agent_id": "agent_1"}, {"event_date": "2026-01-01"}):
        assert proposed(memory(1, "Likes tea."), memory(2, "Likes tea.", **other)) == []


def test_a_word_that_tells_is_no_twin() -> None:
    for one, other in (
        ("Has a son.", "Had a son."),
        ("Likes tea.", "Does not like tea."),
        ("Order 41 is late.", "Order 42 is late."),
    ):
        assert proposed(memory(1, one), memory(2, other)) == []


async def test_the_command_proposes_and_folds_only_when_told(tmp_path: Any) -> None:
    run = CliRunner().invoke
    assert run(main, ["init", str(tmp_path)]).exit_code == 0
    path = tmp_path / "elaaoms.toml"
    config: Config = load(path)
    secrets = load_secrets(config.folder, {})
    async with started(config, given=secrets) as platform:
        ours = type(platform)(
            platform.url, platform.admin_url, platform.data, platform.session,
            secrets.webhook_secrets[0], secrets.tool_token, secrets.admin_token, platform.up,
        )  # fmt: skip
        await ours.takes(call("I live in Leeds.", conversation_id="conv_1"))
        await ours.takes(call("I've moved to York.", conversation_id="conv_2"))
    command = ["callers", "compact", "-c", str(path), ROBIN]
    shown = await _run([*command, "--json"])
    assert [row["content"] for row in json.loads(shown)] == ["The caller lives in Leeds."]
    assert "Nothing has changed" in await _run(command)
    assert "Folded: 1." in await _run([*command, "--yes"])
    assert "nothing to fold" in await _run(command)
    left = json.loads(await _run(["memories", "list", "-c", str(path), "--caller", ROBIN, "--json"]))
    assert [m["content"] for m in left if m["status"] == "active"] == ["The caller lives in York."]


async def _run(arguments: list[str]) -> str:
    import asyncio

    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


async def test_what_was_pinned_since_the_proposal_is_not_folded(platform: Platform) -> None:
    await platform.knows({"content": "Likes tea."}, {"content": "Likes the tea.", "importance": 8})
    ids = dict(platform.sql("SELECT content, id FROM memories"))
    path = f"/api/memories/{ids['Likes tea.']}"
    await platform.api("PATCH", path, {"pinned": True})
    assert (await platform.api("DELETE", f"{path}?unless_kept=1")).status == 409
    assert (
        await platform.api("DELETE", f"/api/memories/{ids['Likes the tea.']}?unless_kept=1")
    ).status == 409
    await platform.api("PATCH", path, {"pinned": False})
    assert (await platform.api("DELETE", f"{path}?unless_kept=1")).status == 200
    assert (await platform.api("DELETE", f"/api/memories/{ids['Likes the tea.']}")).status == 200
