"""The audit trail: what the operator did and what agents were told, by whom, of what, when; only ever added to."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import AGENT, ROBIN, Platform, call, started

from elaaoms.audit import MOST_TOLD, Accesses, Entry, SQLiteAuditTrail
from elaaoms.config import Config
from elaaoms.daemon import Running
from elaaoms.database import Database
from elaaoms.errors import StorageUnavailable

SAM = "+12025550143"


async def trail(platform: Platform, subject: str | None = None) -> list[dict[str, Any]]:
    about = "" if subject is None else f"?subject={quote(subject, safe='')}"
    found: list[dict[str, Any]] = (await platform.api("GET", f"/api/audit{about}")).data["entries"]
    return found


async def test_everything_that_the_operator_does_to_a_memory_stands_in_the_trail(platform: Platform) -> None:
    await platform.takes(call("I live in Leeds."))
    (memory,) = await platform.memories("status=active")
    path = f"/api/memories/{memory['id']}"
    await platform.api("PATCH", path, {"pinned": True})
    await platform.api("PATCH", path, {"pinned": False})
    edited = (await platform.api("PATCH", path, {"content": "The caller lives in York."})).data
    await platform.api("POST", f"{path}/restore")
    await platform.api("DELETE", path)
    entries = await trail(platform, memory["id"])
    assert [entry["action"] for entry in reversed(entries)] == [
        "memory.pinned",
        "memory.unpinned",
        "memory.edited",
        "memory.restored",
        "memory.forgotten",
    ]
    assert {entry["actor"] for entry in entries} == {"admin"}
    assert all(memory["caller"] in entry["subjects"] for entry in entries)
    (edit,) = await trail(platform, edited["id"])
    assert edit["action"] == "memory.edited"
    assert [entry["id"] for entry in await trail(platform, ROBIN)] == [entry["id"] for entry in entries]
    assert "York" not in str(entries)


async def test_whatever_the_operator_does_to_a_caller_stands_in_the_trail(platform: Platform) -> None:
    await platform.takes(call("I live in Leeds.", conversation_id="conv_a"))
    await platform.knows({"content": "The caller likes tea."}, caller=SAM)
    await platform.api("GET", f"/api/callers/{quote(ROBIN)}/export")
    await platform.api("POST", "/api/replay", {"conversation_id": "conv_a", "adopt": True})
    await platform.api("POST", f"/api/callers/{quote(SAM)}/merge", {"into": ROBIN})
    receipt = (await platform.api("DELETE", f"/api/callers/{quote(ROBIN)}")).data
    done = await trail(platform, receipt["caller"])
    assert [entry["action"] for entry in reversed(done)][:4] == [
        "caller.exported",
        "call.replay_adopted",
        "caller.merged",
        "caller.erased",
    ]
    (erased,) = await trail(platform, receipt["erasure"])
    assert erased["details"]["removed"] == receipt["removed"]
    (adopted,) = await trail(platform, "conv_a")
    assert adopted["details"]["provider"] == "rules"
    assert [entry["action"] for entry in await trail(platform)][-1] == "memory.added"


async def test_a_decision_that_is_refused_leaves_no_entry(platform: Platform) -> None:
    await platform.takes(call("I live in Leeds."))
    (memory,) = await platform.memories("status=active")
    assert (await platform.api("POST", f"/api/memories/{memory['id']}/restore")).status == 409
    assert await trail(platform) == []


async def test_what_agents_are_told_of_shared_memories_is_kept_in_batches(
    platform: Platform, daemon: Running
) -> None:
    await platform.knows({"content": "The caller is allergic to peanuts.", "importance": 9})
    await platform.knows({"content": "The caller likes peanuts with beer.", "agent_id": AGENT})
    shared = next(memory for memory in await platform.memories() if memory["shared"])
    for agent in (AGENT, AGENT, "agent_two"):
        assert (await platform.search("allergic to peanuts", agent_id=agent)).json["found"]
    assert await daemon.services.accesses.keep() == 2
    entries = [entry for entry in await trail(platform, shared["id"]) if entry["action"] == "memory.told"]
    assert {entry["actor"]: entry["details"]["times"] for entry in entries} == {
        f"agent {AGENT}": 2,
        "agent agent_two": 1,
    }
    assert all(entry["subjects"] == [shared["id"]] for entry in entries)
    assert await daemon.services.accesses.keep() == 0


async def test_accesses_that_were_not_kept_yet_are_kept_at_the_end(config: Config) -> None:
    async with started(config) as platform:
        await platform.knows({"content": "The caller is allergic to peanuts.", "importance": 9})
        await platform.search("allergic to peanuts")
    async with started(config) as platform:
        assert [entry["action"] for entry in await trail(platform)] == ["memory.told", "memory.added"]


async def test_accesses_that_the_database_refuses_wait_for_the_next_time(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "elaaoms.db") as database:
        accesses = Accesses(database, SQLiteAuditTrail(database), clock=lambda: 0.0)
    accesses.told(AGENT, ["mem_a"])
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await accesses.keep()


async def test_accesses_are_collected_in_bounded_memory(platform: Platform, daemon: Running) -> None:
    accesses = daemon.services.accesses
    accesses.told(AGENT, (f"mem_{number}" for number in range(MOST_TOLD + 10)))
    accesses.told(AGENT, ["mem_0"])
    assert await accesses.keep() == 1
    (entry,) = await trail(platform)
    assert (entry["details"]["times"], len(entry["subjects"])) == (MOST_TOLD, MOST_TOLD)


async def test_the_trail_is_read_page_by_page_without_gaps(platform: Platform, daemon: Running) -> None:
    services = daemon.services

    def entries(tx: sqlite3.Connection) -> None:
        for number in range(5):
            subjects = ("mem_a",) if number % 2 else ("mem_a", "mem_b")
            services.audit.note(tx, Entry(at=number, actor="admin", action=f"a{number}", subjects=subjects))

    await services.database.write(entries)
    seen: list[str] = []
    after = ""
    while True:
        page = (await platform.api("GET", f"/api/audit?subject=mem_a&limit=2{after}")).data
        seen += [entry["action"] for entry in page["entries"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == ["a4", "a3", "a2", "a1", "a0"]
    assert [entry["action"] for entry in await trail(platform, "mem_b")] == ["a4", "a2", "a0"]


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
async def test_an_entry_is_neither_changed_nor_removed(platform: Platform, statement: str) -> None:
    await platform.knows({"content": "The caller likes tea."})
    with pytest.raises(sqlite3.DatabaseError, match="only added to"):
        platform.sql(statement)
