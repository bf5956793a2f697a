"""The audit trail: what the operator did and what agents were told, by whom, of what, when; only ever added to."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from conftest import AGENT, ROBIN, Platform, call, started

from elaaoms.audit import MANY_WAITING, SEEN, SHOWN, TOLD, Accesses, Entry
from elaaoms.audit.sqlite import SQLiteAuditTrail
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
        "call.remembered",
        "memory.pinned",
        "memory.unpinned",
        "memory.edited",
        "memory.restored",
        "memory.forgotten",
    ]
    *decisions, learnt = entries
    assert {entry["actor"] for entry in decisions} == {"admin"}
    assert learnt["actor"].startswith("job ")
    assert learnt["details"]["added"] == [memory["id"]]
    assert all(memory["caller"] in entry["subjects"] for entry in entries)
    restored, edit = await trail(platform, edited["id"])  # what was restored stands beside it from then on
    assert (restored["action"], edit["action"]) == ("memory.restored", "memory.edited")
    assert (edit["details"]["added"], edit["details"]["superseded"]) == ([edited["id"]], [memory["id"]])
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
    assert [entry["action"] for entry in reversed(done)][:5] == [
        "call.remembered",
        "caller.exported",
        "call.replay_adopted",
        "caller.merged",
        "caller.erased",
    ]
    assert await trail(platform, ROBIN) == done  # by the number of somebody who is erased
    (erased,) = await trail(platform, receipt["erasure"])
    assert erased["details"]["removed"] == receipt["removed"]
    (adopted,) = await trail(platform, "conv_a")
    assert adopted["details"]["provider"] == "rules"
    assert [entry["action"] for entry in await trail(platform)][-2:] == ["memory.added", "call.remembered"]


async def test_a_decision_that_is_refused_leaves_no_entry(platform: Platform) -> None:
    await platform.takes(call("I live in Leeds."))
    (memory,) = await platform.memories("status=active")
    before = await trail(platform)
    assert (await platform.api("POST", f"/api/memories/{memory['id']}/restore")).status == 409
    assert await trail(platform) == before


async def accesses(platform: Platform, **query: str) -> list[dict[str, Any]]:
    """What the trail says of accesses, oldest first, once everything that waits is kept."""
    assert platform.up is not None
    await platform.up.services.accesses.keep()
    found: list[dict[str, Any]] = (await platform.api("GET", f"/api/audit?{urlencode(query)}")).data[
        "entries"
    ]
    return [entry for entry in reversed(found) if entry["action"] in (SEEN, SHOWN, TOLD)]


async def test_who_was_shown_whose_memories_stands_in_the_trail(platform: Platform) -> None:
    await platform.knows(
        {"content": "The caller is allergic to peanuts.", "importance": 9},
        {"content": "The caller likes peanuts with beer.", "agent_id": AGENT},
    )
    await platform.knows({"content": "The caller plays the tuba."}, caller=SAM)
    ids = dict(platform.sql("SELECT content, id FROM memories"))
    shared, own, sams = (
        next(ids[text] for text in ids if word in text) for word in ("allergic", "beer", "tuba")
    )
    robin, sam = [
        (await platform.api("GET", f"/api/callers/{quote(number)}")).data["caller"] for number in (ROBIN, SAM)
    ]
    await platform.takes(call("Hello.", conversation_id="conv_a"))  # what this agent heard itself is prepared
    for agent in (AGENT, AGENT, "agent_two"):
        assert (await platform.initiation(agent_id=agent)).variables["caller_known"]
        assert (await platform.search("allergic to peanuts", agent_id=agent)).json["found"]
    assert (await platform.initiation("+12025550198")).variables["caller_known"] is False
    assert not (await platform.search("tuba", "+12025550198")).json["found"]
    await platform.search("tuba", SAM)

    entries = await accesses(platform)
    told = {
        (entry["actor"], entry["action"]): (set(entry["subjects"]), entry["details"]["times"])
        for entry in entries
    }
    assert told[f"agent {AGENT}", SHOWN] == ({robin, shared, own}, 2)
    assert told["agent agent_two", SHOWN] == ({robin, shared}, 1)
    assert shared in told["agent agent_two", TOLD][0]
    about = [entry["actor"] for entry in await accesses(platform, subject=own)]
    assert about
    assert "agent agent_two" not in about
    assert all(sam not in entry["subjects"] for entry in await accesses(platform, subject=ROBIN))
    (only,) = await accesses(platform, subject=sams)
    assert (only["actor"], only["subjects"]) == (f"agent {AGENT}", [sam, sams])
    assert {entry["actor"] for entry in await accesses(platform, agent="agent_two")} == {"agent agent_two"}
    assert await accesses(platform, agent="agent_three") == []
    assert not any(word in str(entries) for word in ("peanuts", "tuba", ROBIN[1:], SAM[1:]))


async def test_a_contradiction_that_is_told_counts_for_both_sides(platform: Platform) -> None:
    await platform.takes(call("I'm allergic to peanuts.", conversation_id="conv_a", at=time.time() - 86400))
    await platform.takes(call("No, I'm not allergic to peanuts.", conversation_id="conv_b"))
    both = [row[0] for row in platform.sql("SELECT id FROM memories WHERE conflict_with IS NOT NULL")]
    assert len(both) == 2
    assert (await platform.search("peanuts", limit=1)).json["found"]
    (entry,) = await accesses(platform, subject=both[0], agent=AGENT)
    assert set(both) <= set(entry["subjects"])


async def test_what_the_operator_looks_at_stands_in_the_trail(platform: Platform) -> None:
    await platform.takes(call("I live in Leeds.", conversation_id="conv_a"))
    await platform.knows({"content": "The caller plays the tuba."}, caller=SAM)
    ids = dict(platform.sql("SELECT id, content FROM memories"))
    leeds = next(name for name, content in ids.items() if "Leeds" in content)
    tuba = next(name for name, content in ids.items() if "tuba" in content)
    for path in (
        f"/api/memories/{leeds}",
        "/api/calls/conv_a",
        f"/api/memories?caller={quote(ROBIN)}&q=Leeds",
        f"/api/callers/{quote(ROBIN)}/export",
    ):
        assert (await platform.api("GET", path)).status == 200
        seen = (await accesses(platform, subject=leeds))[-1]
        assert (seen["actor"], seen["action"]) == ("admin", SEEN), path
    assert await accesses(platform, subject=tuba) == []
    await platform.memories()
    assert len(await accesses(platform, subject=tuba, actor="admin")) == 1


async def test_entries_are_found_by_the_time_of_which_they_tell(platform: Platform, daemon: Running) -> None:
    services, day = daemon.services, 86_400.0

    def entries(tx: sqlite3.Connection) -> None:
        for number in range(40):
            late = -5 if number % 3 == 0 else 0  # an access is written after what was done meanwhile
            entry = Entry(at=number * day / 4 + late, actor="admin", action=f"a{number}", subjects=("mem_a",))
            services.audit.note(tx, entry)

    await services.database.write(entries)
    for query in ("", "&subject=mem_a", "&actor=admin"):
        answer = await platform.api("GET", f"/api/audit?since=1970-01-03&until=1970-01-05T12:00{query}")
        times = [entry["at"] for entry in answer.data["entries"]]
        assert len(times) == 11, query
        assert max(times) < "1970-01-05T12:00:00Z"
        assert min(times) >= "1970-01-03T00:00:00Z"
    for wrong in ("since=yesterday", "until=2026-13-01", "agent=a&actor=admin"):
        assert (await platform.api("GET", f"/api/audit?{wrong}")).status == 400


async def test_accesses_are_let_go_in_time_and_nothing_else_is(platform: Platform, daemon: Running) -> None:
    services, now = daemon.services, time.time()

    def entries(tx: sqlite3.Connection) -> None:
        for age in (400, 366, 364, 40):
            for action in (SHOWN, "memory.edited"):
                at = now - age * 86_400.0
                entry = Entry(at=at, actor="agent a", action=action, subjects=("mem_a", f"mem_{age}"))
                services.audit.note(tx, entry)

    await services.database.write(entries)
    assert await services.audit.prune(before=now - 365 * 86_400.0) == 2
    left = [(entry.action, round((now - entry.at) / 86_400)) for entry in await services.audit.page()]
    assert left == [
        ("memory.edited", 40), (SHOWN, 40), ("memory.edited", 364), (SHOWN, 364), ("memory.edited", 366),
        ("memory.edited", 400),
    ]  # fmt: skip
    assert len(await services.audit.about("mem_a")) == 6
    assert platform.count("audit_subjects") == 12
    with pytest.raises(sqlite3.DatabaseError, match="only added to"):
        platform.sql(f"DELETE FROM audit WHERE at > {now - 20 * 86_400.0} OR action = 'memory.edited'")  # noqa: S608


async def test_accesses_that_were_not_kept_yet_are_kept_at_the_end(config: Config) -> None:
    async with started(config) as platform:
        await platform.knows({"content": "The caller is allergic to peanuts.", "importance": 9})
        await platform.search("allergic to peanuts")
    async with started(config) as platform:
        assert [entry["action"] for entry in await trail(platform)] == [TOLD, "memory.added"]


async def test_a_process_that_ends_badly_is_said_to_have_lost_its_last_accesses(config: Config) -> None:
    async with started(config) as platform:
        assert await trail(platform) == []  # a first start misses nothing
        await platform.knows({"content": "The caller plays the tuba."})
    (config.data / "elaaoms.stopped").unlink()
    async with started(config) as platform:
        gap, *_ = await trail(platform)
    assert (gap["action"], gap["actor"], gap["details"]) == (
        "audit.interrupted",
        "elaaoms",
        {"seconds_at_most": 10},
    )


async def test_accesses_that_the_database_refuses_wait_for_the_next_time(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "elaaoms.db") as database:
        trail = SQLiteAuditTrail(database)
        accesses = Accesses(database, trail, clock=lambda: 0.0)
    accesses.note("agent a", TOLD, "caller_a", ["mem_a"])
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await accesses.keep()
        assert accesses.size == 2
    async with Database.open(tmp_path / "elaaoms.db") as database:
        later = Accesses(database, SQLiteAuditTrail(database), clock=lambda: 0.0)
        later._waiting, later.size = accesses._waiting, accesses.size
        assert await later.keep() == 1
        assert later.size == 0
        assert await later.keep() == 0


async def test_accesses_are_collected_in_bounded_memory_and_what_is_lost_is_said(tmp_path: Path) -> None:
    lost: list[int] = []
    async with Database.open(tmp_path / "elaaoms.db") as database:
        trail = SQLiteAuditTrail(database)
        accesses = Accesses(database, trail, clock=lambda: 7.0, lost=lost.append, most=3000)
        for caller in range(30):
            accesses.note("agent a", SHOWN, f"caller_{caller}", (f"mem_{caller}_{n}" for n in range(200)))
        assert accesses.size == 3000
        assert accesses.many
        assert sum(lost) == 30 * 201 - 3000 - 15 * 200  # a caller who is not noted at all is one access
        assert await accesses.keep() == 15 + 1
        (said,) = await trail.page(actor="elaaoms")
        assert (said.action, said.details) == ("audit.lost", {"accesses": sum(lost)})
        rows = await database.fetch("SELECT count(*) AS n FROM audit_subjects")
        assert rows[0]["n"] == 3000
        accesses.note("agent a", SHOWN, "caller_0", ["mem_a"])
        assert await accesses.keep() == 1
    assert MANY_WAITING < 3000


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


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "UPDATE audit_subjects SET subject = 'nobody'",
        "DELETE FROM audit_subjects",
    ],
)
async def test_an_entry_is_neither_changed_nor_removed(platform: Platform, statement: str) -> None:
    await platform.knows({"content": "The caller likes tea."})
    with pytest.raises(sqlite3.DatabaseError, match="only added to"):
        platform.sql(statement)
