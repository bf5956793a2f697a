"""However much waits or arrives, who is on the phone is answered, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing

from conftest import call, started, varied
from victim import victim

from elaaoms.config import Config


async def test_the_phone_is_answered_in_time_while_ten_thousand_jobs_are_pending(config: Config) -> None:
    async with victim(config) as (platform, _):
        await platform.takes(varied("inbound_twilio"))
        path = "conv_0001harbour/conv_0001harbour_transcription.json"
        with closing(sqlite3.connect(config.data / "elaaoms.db", timeout=10)) as database, database:
            database.executemany(
                "INSERT INTO jobs (kind, args, max_attempts, run_at, lock, created_at) VALUES (?, ?, 4, 1, ?, 1)",
                [("remember", json.dumps({"path": path}), f"lock_{n % 5000}") for n in range(10_000)],
            )
        await platform.send(call("I live in Leeds.", conversation_id="conv_wakes"))
        took = []
        for _ in range(50):
            begun = time.monotonic()
            answer = await platform.initiation()
            assert answer.variables["caller_known"] is True  # not the stranger of a missed deadline
            took.append(time.monotonic() - begun)
            begun = time.monotonic()
            assert "cannot be looked up" not in (await platform.search("order")).json["result"]
            took.append(time.monotonic() - begun)
        left = platform.sql("SELECT count(*) FROM jobs WHERE state = 'available'")[0][0]
        print(f"p99 {sorted(took)[-2] * 1000:.0f} ms with {left} jobs left")
        assert max(took) < 1.5
        assert left


async def test_a_hundred_deliveries_at_once_and_two_hundred_replays_are_one_call(config: Config) -> None:
    async with started(config) as platform:
        event = call("I live in Leeds.")
        at_once = await asyncio.gather(*(platform.send(event) for _ in range(100)))
        assert {answer.status for answer in at_once} == {200}
        assert sum(not answer.data["duplicate"] for answer in at_once) == 1
        await platform.processed("conv_test")
        for _ in range(2):
            replays = await asyncio.gather(*(platform.send(event) for _ in range(100)))
            assert all(answer.status == 200 and answer.data["duplicate"] for answer in replays)
        assert [platform.count(table) for table in ("events", "calls", "jobs", "memories")] == [1, 1, 1, 1]
        assert len(platform.files()) == 1


async def test_finished_jobs_are_pruned_and_the_calls_and_their_evidence_stay(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(call("I live in Leeds."))
        assert platform.up is not None
        assert await platform.up.services.queue.prune(finished_before=time.time() + 1) == 1
        assert platform.count("jobs") == 0
        found = (await platform.api("GET", "/api/calls/conv_test")).data
        assert found["extraction_status"] == "completed"
        assert found["memories"][0]["evidence"][0]["quote"] == "I live in Leeds."


async def test_a_start_with_many_archived_calls_serves_before_it_has_looked_at_all(config: Config) -> None:
    async with started(config):
        pass
    event = call("I live in Leeds.")
    for number in range(1000):
        name = f"conv_{number:05}"
        folder = config.data / "payloads" / name
        folder.mkdir()
        event["data"]["conversation_id"] = name
        (folder / f"{name}_transcription.json").write_text(json.dumps(event))
    begun = time.monotonic()
    async with started(config) as platform:
        assert time.monotonic() - begun < 5
        assert (await platform.initiation()).status == 200
        await platform.send(call("I live in York.", conversation_id="conv_new"))
