"""Killed at every point of a call's life, it is there once or, when nobody was told so, not at all."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from multiprocessing.process import BaseProcess

import aiohttp
import pytest
from attrs import evolve
from conftest import Platform, call, started
from victim import ABSENT, POINTS, ended, victim

from elaaoms.config import Config, Worker

SAID = ("My name is Robin Baker.", "I live in Leeds.", "I'm allergic to peanuts.")
TWICE = "SELECT 1 FROM facts GROUP BY conversation_id, slot, value, content HAVING count(*) > 1"


async def acknowledged(platform: Platform, event: dict[str, object]) -> bool:
    try:
        return (await platform.send(event)).status == 200
    except (aiohttp.ClientError, ConnectionError, TimeoutError):
        return False


async def known(platform: Platform) -> Counter[str]:
    return Counter(memory["content"] for memory in await platform.memories())


@pytest.fixture(scope="module")
def taught() -> dict[str, Counter[str]]:
    """What the call teaches when nobody dies."""
    return {}


@pytest.mark.parametrize("point", [*POINTS, "after the answer"])
async def test_a_call_survives_a_kill_once_or_was_never_acknowledged(config: Config, point: str) -> None:
    event = call(*SAID, at=time.time() - 60)
    async with victim(config, point) as (platform, process):
        told = await acknowledged(platform, event)
        if point == "after the answer":
            assert told
            process.kill()
        assert await ended(process) == -signal.SIGKILL
    async with started(config) as platform:
        assert not list((config.data / "incoming").iterdir())
        if point in ABSENT:
            assert not told
            assert platform.files() == {}
            assert platform.count("events") == platform.count("calls") == 0
        else:
            await platform.processed("conv_test")  # also without a redelivery
        again = await platform.send(event)
        assert again.status == 200
        assert again.data["duplicate"] is (point not in ABSENT)
        assert (await platform.processed("conv_test"))["extraction_status"] == "completed"
        assert len(platform.files()) == 1
        assert [platform.count(table) for table in ("events", "calls", "jobs", "callers")] == [1, 1, 1, 1]
        assert platform.sql(TWICE) == []
        found = await known(platform)
        assert set(found.values()) == {1}
        assert len(found) == 3
        assert (await platform.initiation()).variables["caller_name"] == "Robin Baker"


async def test_a_job_that_kills_the_process_fails_in_the_end_and_stops_nobody(config: Config) -> None:
    sent = False
    for _ in range(6):
        async with victim(config, "poison") as (platform, process):
            if not sent:
                sent = await acknowledged(platform, call("This is poison.", conversation_id="conv_poison"))
                assert sent
            try:
                await platform.processed("conv_poison")
            except (aiohttp.ClientError, ConnectionError):
                assert await ended(process) == -signal.SIGKILL
            else:
                break
    async with victim(config, "poison") as (platform, _):
        poisoned = await platform.processed("conv_poison")
        assert poisoned["extraction_status"] == "failed"
        job = (await platform.api("GET", f"/api/jobs/{poisoned['job_id']}")).data
        assert [error["reason"] for error in job["errors"]] == ["the process ended while the job ran"] * 4
        await platform.takes(call("I live in Leeds.", conversation_id="conv_other", number="+12025550177"))


async def rings(platform: Platform, name: str, number: int) -> str:
    """One call of several at once; its conversation if it was acknowledged, else nothing."""
    conversation = f"{name}_{number}"
    event = call(*SAID, conversation_id=conversation, number=f"+12025550{100 + number % 8}")
    return conversation if await acknowledged(platform, event) else ""


async def rings_until(
    platform: Platform, name: str, ringing: int, wanted: int, stop: Callable[[], Awaitable[None]]
) -> set[str]:
    """Many calls at once and a `stop` when so many were acknowledged, or all answered; which were acknowledged."""
    calls = [asyncio.create_task(rings(platform, name, number)) for number in range(ringing)]
    told = 0
    for answered in asyncio.as_completed(calls):
        told += bool(await answered)
        if told == wanted:
            break
    await stop()
    return set(await asyncio.gather(*calls)) - {""}


async def test_kills_at_random_moments_lose_and_double_nothing(config: Config) -> None:
    """Eight kills; `python -m tests.soak` does the same for as long as one likes."""
    patient = Worker(retry_delays_s=(0.01,) * 10)  # a job may run at every one of the kills
    config = evolve(config, worker=patient)
    chance = random.Random(4)  # noqa: S311
    told: set[str] = set()
    for round_ in range(8):
        async with victim(config) as (platform, process):

            async def kill(process: BaseProcess = process) -> None:
                await asyncio.sleep(chance.uniform(0, 0.1))
                process.kill()

            told |= await rings_until(platform, f"conv_{round_}", 24, chance.randrange(1, 20), kill)
    assert len(told) >= 8
    async with started(config) as platform:
        for name in told:
            assert (await platform.processed(name))["extraction_status"] == "completed"
        assert platform.sql(TWICE) == []
        assert not list((config.data / "incoming").iterdir())
        assert platform.sql("SELECT count(*) FROM jobs WHERE state = 'failed'") == [(0,)]


async def test_a_term_signal_under_load_takes_in_what_has_begun(config: Config) -> None:
    async with victim(config) as (platform, process):

        async def end() -> None:
            process.terminate()

        told = await rings_until(platform, "conv", 60, 10, end)
        assert await ended(process) == 0
    assert len(told) >= 10
    async with started(config) as platform:
        recorded = {row[0] for row in platform.sql("SELECT conversation_id FROM events")}
        assert recorded == told  # nothing that was stored went unanswered
        assert platform.sql("SELECT count(*) FROM jobs WHERE attempt > 1") == [(0,)]
        for name in told:
            assert (await platform.processed(name))["extraction_status"] == "completed"
