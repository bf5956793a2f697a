"""Callers who ring very often are flagged and wait for their turn; what replaces a call is written down."""

from __future__ import annotations

import time

from attrs import evolve
from conftest import ROBIN, call, started

from elaaoms.config import Config, Limits

ANNA = "+12025550177"


async def test_a_caller_above_the_limit_is_flagged_and_waits_but_nothing_is_dropped(config: Config) -> None:
    now = time.time()
    async with started(evolve(config, limits=Limits(calls_per_hour=3))) as platform:
        for n in range(5):
            event = call("I live in Leeds.", conversation_id=f"conv_{n}", at=now - 100 + n)
            assert (await platform.send(event)).status == 200
        for n in range(3):
            await platform.processed(f"conv_{n}")
        waiting = (await platform.api("GET", "/api/jobs?state=available")).data["jobs"]
        due = sorted(row[0] for row in platform.sql("SELECT run_at FROM jobs WHERE state = 'available'"))
        assert len(waiting) == 2
        assert due[0] - now > 1100  # a third of an hour
        assert due[1] - due[0] > 1100
        caller = (await platform.api("GET", f"/api/callers/{ROBIN.replace('+', '%2B')}")).data
        assert caller["flagged_at"] is not None
        await platform.takes(call("I live in York.", conversation_id="conv_anna", number=ANNA))
        other = (await platform.api("GET", f"/api/callers/{ANNA.replace('+', '%2B')}")).data
        assert other["flagged_at"] is None
        for job in waiting:  # the operator may hurry it
            await platform.api("POST", f"/api/jobs/{job['id']}/retry")
        for n in range(5):
            assert (await platform.processed(f"conv_{n}"))["extraction_status"] == "completed"


async def test_old_calls_that_are_imported_do_not_count(config: Config) -> None:
    now = time.time()
    async with started(evolve(config, limits=Limits(calls_per_hour=1))) as platform:
        for n in range(4):
            await platform.takes(call("I live in Leeds.", conversation_id=f"conv_{n}", at=now - 90_000 + n))


async def test_the_audit_trail_says_that_a_newer_body_took_a_calls_place(config: Config) -> None:
    now = time.time()
    async with started(config) as platform:
        await platform.takes(call("I live in Leeds.", at=now - 60))
        assert (await platform.api("GET", "/api/calls/conv_test")).data["audit"] == []
        newer = call("I live in York.", at=now - 60)
        newer["event_timestamp"] += 5
        await platform.takes(newer)
        (entry,) = (await platform.api("GET", "/api/calls/conv_test")).data["audit"]
        assert entry["action"] == "call.replaced"
        assert entry["details"] == {"bodies_before": 1, "facts": 1, "changed": True}
        assert "York" not in str(entry)
        assert [memory["content"] for memory in await platform.memories()] == ["The caller lives in York."]


async def test_the_audit_trail_is_only_added_to(config: Config) -> None:
    import sqlite3

    import pytest

    async with started(config) as platform:
        platform.sql("INSERT INTO audit (at, actor, action, subjects) VALUES (1, 'a', 'b', '[]')")
        for statement in ("UPDATE audit SET actor = 'c'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                platform.sql(statement)
