"""Calls that arrive together are recorded as if each had come alone."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

from attrs import evolve
from conftest import Platform, call, started, varied

from elaaoms.config import Config, Limits, Server

CALLERS = ("+12025550111", "+12025550112", "+12025550113", None)
RINGS_OFTEN = "+12025550119"


def events() -> tuple[list[Any], list[Any]]:
    """New calls, recordings, failures and what is held; then the same again, and newer bodies of known calls."""
    now = time.time()
    new = [
        call(f"I live in town {n}.", conversation_id=f"conv_{n}", number=CALLERS[n % 4], at=now - 9_000 + n)
        for n in range(40)
    ]
    again = [new[n] for n in range(0, 40, 5)]
    again += [
        call("I moved.", conversation_id=f"conv_{n}", number=CALLERS[n % 4], at=now - 9_000 + n)
        | {"event_timestamp": int(now)}
        for n in range(0, 40, 8)
    ]
    new += [
        call("Me again.", conversation_id=f"conv_often_{n}", number=RINGS_OFTEN, at=now - 100 + n)
        for n in range(8)
    ]
    new += [varied("audio", conversation_id=f"conv_{n}") for n in range(0, 40, 10)]
    new += [varied("failure_twilio", conversation_id=f"conv_failed_{n}") for n in range(3)]
    erased = call("Hello.", conversation_id="conv_erased")
    return [*new, erased, b"not an event"], [*again, erased]


def recorded(platform: Platform, since: float) -> dict[str, list[Any]]:
    """What was recorded, without what depends on the order of arrival."""
    return {
        name: sorted(map(repr, platform.sql(sql)))
        for name, sql in {
            "events": "SELECT conversation_id, type, size, event_timestamp, job IS NULL FROM events",
            "calls": "SELECT conversation_id, agent_id, caller IS NULL, channel, direction, language, failure FROM calls",
            "callers": "SELECT address, language, calls, flagged_at IS NULL FROM callers",
            "jobs": "SELECT kind, lock IS NULL, count(*) FROM jobs GROUP BY 1, 2",
            "later": f"SELECT count(*) FROM jobs WHERE run_at > {since + 300}",  # noqa: S608
            "tallies": "SELECT name, count FROM tallies WHERE name IN ('calls', 'callers', 'events', 'held')",
        }.items()
    }


async def test_a_burst_is_recorded_like_one_after_the_other(tmp_path: Path) -> None:
    phases = events()
    since = time.time()
    found = []
    for name, at_once in (("alone", False), ("together", True)):
        config = Config(
            data_dir=str(tmp_path / name),
            server=Server(port=0, admin_port=0),
            limits=Limits(calls_per_hour=5),
        )
        async with started(config) as platform:
            assert (await platform.send(call("Hello.", conversation_id="conv_erased"))).status == 200
            await platform.processed("conv_erased")
            caller = platform.sql("SELECT caller FROM callers")[0][0]
            assert (await platform.api("DELETE", f"/api/callers/{caller}")).status == 200
            for sent in phases:
                if at_once:
                    random.Random(7).shuffle(sent)  # noqa: S311
                    answers = await asyncio.gather(*map(platform.send, sent))
                else:
                    answers = [await platform.send(event) for event in sent]
                assert {answer.status for answer in answers} == {200}
            found.append(recorded(platform, since))
            assert platform.count("callers") == 4
            assert found[-1]["later"] == ["(3,)"]
            erased = platform.sql("SELECT count(*) FROM calls WHERE conversation_id = 'conv_erased'")
            assert erased == [(0,)]
    alone, together = found
    assert together == alone


async def test_identical_events_at_the_same_instant_are_one_call_and_one_job(config: Config) -> None:
    async with started(evolve(config, limits=Limits(calls_per_hour=0))) as platform:
        same = call("I live in Leeds.")
        answers = await asyncio.gather(*(platform.send(same) for _ in range(40)))
        assert {answer.status for answer in answers} == {200}
        assert len({answer.data["job_id"] for answer in answers}) == 1
        assert sum(not answer.data["duplicate"] for answer in answers) == 1
        assert [platform.count(table) for table in ("events", "calls", "jobs", "callers")] == [1, 1, 1, 1]


async def test_a_burst_of_somebody_who_was_merged_is_filed_under_who_they_are(config: Config) -> None:
    first, second = "+12025550121", "+12025550122"
    async with started(config) as platform:
        for number in (first, second):
            await platform.takes(call("I live in Leeds.", conversation_id=f"conv{number[1:]}", number=number))
        merged = await platform.api(
            "POST", f"/api/callers/{first.replace('+', '%2B')}/merge", {"into": second}
        )
        assert merged.status == 200, merged.body
        calls = [call("Me again.", conversation_id=f"conv_{n}", number=first) for n in range(20)]
        answers = await asyncio.gather(*map(platform.send, calls))
        assert {answer.status for answer in answers} == {200}
        assert platform.count("callers") == 1
        assert platform.sql("SELECT count(DISTINCT caller), count(*) FROM calls") == [(1, 22)]
        assert platform.sql("SELECT count(DISTINCT lock) FROM jobs WHERE lock IS NOT NULL") <= [(2,)]
