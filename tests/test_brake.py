"""Guessing tokens: what an address may try on the admin listener, and that the phone never pays for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from conftest import ADMIN_TOKEN, AGENT, ROBIN, TOOL_TOKEN, Answer, Platform, started
from hypothesis import given
from hypothesis import strategies as st

from elaaoms.config import Config
from elaaoms.daemon import GUESSES
from elaaoms.server.brake import MOST_ADDRESSES, PER_S, Brake


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def slow(config: Config, clock: Clock) -> AsyncIterator[Platform]:
    """A daemon whose time stands still."""
    async with started(config, clock=clock) as platform:
        yield platform


async def asked(platform: Platform, token: str, **headers: str) -> Answer:
    return await platform.request(
        "GET", f"{platform.admin_url}/api/jobs", Authorization=f"Bearer {token}", **headers
    )


async def test_whoever_guesses_the_admin_token_is_not_answered_any_more(slow: Platform, clock: Clock) -> None:
    for number in range(GUESSES):
        assert (await asked(slow, f"guess-{number}")).status == 401
    for token in ("guess-0", "one-more", ADMIN_TOKEN):
        answer = await asked(slow, token)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
        assert "data" in answer.json
    assert (await slow.request("GET", f"{slow.admin_url}/health")).status == 200
    clock.now += PER_S
    assert (await asked(slow, ADMIN_TOKEN)).status == 200


async def test_an_old_token_in_a_script_locks_nobody_out(platform: Platform) -> None:
    for _ in range(3 * GUESSES):
        assert (await asked(platform, "last year's token")).status == 401
        assert (await platform.request("GET", f"{platform.admin_url}/api/jobs")).status == 401
    assert (await asked(platform, ADMIN_TOKEN)).status == 200


async def test_the_right_tool_token_is_never_refused_for_wrong_ones(platform: Platform) -> None:
    body = {"caller_id": ROBIN, "agent_id": AGENT}
    for number in range(3 * GUESSES):
        url = f"{platform.url}/webhook/client-data"
        assert (await platform.request("POST", url, body, X_Elaaoms_Token=f"guess-{number}")).status == 401
    assert (await platform.request("POST", url, body, X_Elaaoms_Token=TOOL_TOKEN)).status == 200
    assert (await asked(platform, ADMIN_TOKEN)).status == 200
    text = (await platform.request("GET", f"{platform.admin_url}/metrics")).body.decode()
    assert f'elaaoms_tokens_refused_total{{token="tool"}} {3 * GUESSES}.0' in text
    assert 'elaaoms_tokens_refused_total{token="admin"} 0.0' in text


def test_the_brake_lets_go_after_a_minute_and_forgets_after_success(clock: Clock) -> None:
    brake = Brake(clock, attempts=5)
    for _ in range(5):
        assert brake.wait_s("a") <= 0
        brake.failed("a")
    assert brake.wait_s("a") == 60.0
    assert brake.wait_s("b") == 0.0
    clock.now += 61
    assert brake.wait_s("a") == 0.0
    brake.failed("a")
    brake.passed("a")
    assert brake.wait_s("a") == 0.0


def test_a_network_of_ipv6_is_one_source_and_a_mapped_address_the_one_it_means(clock: Clock) -> None:
    brake = Brake(clock, attempts=1)
    brake.failed("2001:db8::1")
    assert brake.wait_s("2001:db8::ffff") > 0
    assert brake.wait_s("2001:db8:0:1::1") == 0
    brake.failed("::ffff:192.0.2.7")
    assert brake.wait_s("192.0.2.7") > 0
    assert brake.wait_s("192.0.2.8") == 0
    brake.failed("fe80::1%eth0")
    assert brake.wait_s("fe80::2%eth0") > 0


def test_the_brake_stays_small_however_many_addresses_guess(clock: Clock) -> None:
    brake = Brake(clock, attempts=1)
    for number in range(MOST_ADDRESSES + 5):
        brake.failed(f"source-{number}")
    assert brake.wait_s("source-0") == 0
    assert brake.wait_s(f"source-{MOST_ADDRESSES + 4}") > 0


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.1, 20)), max_size=60))
def test_no_minute_holds_more_guesses_than_are_allowed(steps: list[tuple[int, float]]) -> None:
    clock = Clock()
    brake = Brake(clock, attempts=3)
    compared: list[tuple[float, int]] = []
    for guess, pause in steps:
        clock.now += pause
        if brake.wait_s("a") <= 0:
            brake.failed("a", str(guess))
            compared.append((clock.now, guess))
    for at, _ in compared:
        assert len({guess for then, guess in compared if at - PER_S < then <= at}) <= 3
