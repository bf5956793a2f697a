"""A loop in an agent, or somebody who rings without end, does not keep others from being heard."""

from __future__ import annotations

import time

from attrs import evolve
from conftest import AGENT, OUR_NUMBER, ROBIN, call, started
from hypothesis import given
from hypothesis import strategies as st

from elaaoms.config import Config
from elaaoms.server.rates import Buckets

SAM = "+12025550143"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def limited(config: Config, **limits: int) -> Config:
    return evolve(config, limits=evolve(config.limits, **limits))


async def test_a_search_too_many_is_refused_with_the_time_to_wait(config: Config) -> None:
    clock = Clock()
    async with started(limited(config, caller_per_minute=3), clock=clock) as platform:
        await platform.knows({"content": "The caller's order XYZ-789 is late."})
        for _ in range(3):
            assert (await platform.search("order")).status == 200
        refused = await platform.search("order")
        assert refused.status == 429
        assert refused.headers["Retry-After"] == "20"
        assert "caller_per_minute" in refused.json["message"]
        assert (await platform.search("order", caller_id=SAM)).status == 200
        clock.now += 20
        assert (await platform.search("order")).json["found"]
        assert (await platform.search("order")).status == 429


async def test_who_rings_too_often_is_answered_like_a_stranger(config: Config) -> None:
    async with started(limited(config, caller_per_minute=2), clock=Clock(time.time())) as platform:
        await platform.takes(call("My name is Robin and I live in Leeds."))
        known = [await platform.initiation() for _ in range(2)]
        assert all(answer.variables["caller_known"] for answer in known)
        later = await platform.initiation()
        assert later.status == 200
        assert later.variables.keys() == known[0].variables.keys()
        assert later.variables["caller_known"] is False
        metrics = (await platform.request("GET", f"{platform.admin_url}/metrics")).body.decode()
    assert 'elaaoms_rate_limited_total{limit="caller_per_minute",route="/webhook/client-data"} 1.0' in metrics


async def test_all_calls_of_an_agent_share_its_limit(config: Config) -> None:
    async with started(limited(config, agent_per_minute=2), clock=Clock()) as platform:
        assert (await platform.search("order", caller_id=ROBIN)).status == 200
        assert (await platform.search("order", caller_id=SAM)).status == 200
        assert (await platform.search("order", caller_id=OUR_NUMBER)).status == 429
        assert (await platform.search("order", agent_id=f"{AGENT}2")).status == 200


async def test_callers_without_a_number_are_not_one_caller(config: Config) -> None:
    async with started(limited(config, caller_per_minute=1), clock=Clock()) as platform:
        for _ in range(3):
            assert (await platform.search("order", caller_id=None)).status == 200


def test_nothing_is_limited_by_zero() -> None:
    buckets = Buckets(0)
    assert not any(buckets.wait_s("caller", 0.0) for _ in range(1000))
    assert len(buckets) == 0


def test_memory_is_bounded_and_who_asks_most_is_not_forgotten() -> None:
    buckets = Buckets(2, most=10)
    for number in range(1000):
        buckets.wait_s("loud", 0.0)
        buckets.wait_s(f"caller {number}", 0.0)
    assert len(buckets) == 10
    assert buckets.wait_s("loud", 0.0) == 30.0


@given(st.integers(1, 100), st.lists(st.floats(-10, 30), max_size=200))
def test_never_more_than_a_minutes_worth_and_what_time_gives(per_minute: int, steps: list[float]) -> None:
    buckets, now, passed, admitted = Buckets(per_minute), 1000.0, 0.0, 0
    for step in steps:  # the clock may be set back
        now += step
        passed += max(0.0, step)
        admitted += buckets.wait_s("caller", now) == 0.0
    assert admitted <= per_minute + passed * per_minute / 60 + 1e-6


@given(st.integers(1, 1000), st.floats(0, 1e6))
def test_after_the_wait_there_is_a_token(per_minute: int, start: float) -> None:
    buckets = Buckets(per_minute)
    while not (wait := buckets.wait_s("caller", start)):
        pass
    assert buckets.wait_s("caller", start + wait + 1e-6) == 0.0
