"""Trouble is told once, again after a quiet period, and when it is over; never lost, and signed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import evolve
from conftest import WAIT_S, WEBHOOK_SECRET, Platform, call, secrets, started
from fakes import KEY, FakeLanguageModels, fails
from fakes_openmemory import FakeOpenMemory, serving

from elaaoms.alerts import SIGNATURE, Alerts, Condition, Hours, above, disabled, named, silent
from elaaoms.config import AlertSettings, Config, Llm, OpenAISettings, OpenMemorySettings, Server, load
from elaaoms.daemon import alerts_of
from elaaoms.database import Database
from elaaoms.errors import ConfigError, StorageUnavailable
from elaaoms.webhooks import Verifier

SECRET = "the-secret-of-the-receiver"


class Receiver:
    """Slack, or whoever else takes the alerts: keeps what is signed well, and can be down."""

    def __init__(self, secret: str = SECRET) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        self.now = 1_790_000_000.0
        self.arrived = asyncio.Event()
        self._secret = secret
        self.app = web.Application()
        self.app.router.add_post("/hook", self._take)

    def __call__(self) -> float:
        """The time."""
        return self.now

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        verifier = Verifier((self._secret,), request.headers[SIGNATURE], now=self.now, tolerance_s=60)
        verifier.update(body)
        verifier.finish()
        if self.status == 200:
            self.got.append(json.loads(body))
            self.arrived.set()
        return web.Response(status=self.status)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(message["type"], message["kind"]) for message in self.got]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def url(receiver: Receiver) -> AsyncIterator[str]:
    async with TestServer(receiver.app) as server:
        yield str(server.make_url("/hook"))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "elaaoms.db") as database:
        yield database


def alerts(database: Database, receiver: Receiver, url: str, **conditions: Condition) -> Alerts:
    return Alerts(
        database,
        conditions,
        url=url,
        secret=SECRET,
        quiet_s=3600,
        installation="voice.example.com",
        clock=receiver,
    )


def switch(blocked: dict[str, str]) -> Condition:
    return named("{} cannot be used: {}", lambda: blocked)


async def test_trouble_is_told_once_and_when_it_is_over(
    database: Database, receiver: Receiver, url: str
) -> None:
    blocked = {"openai": "the key is refused"}
    ours = alerts(database, receiver, url, provider_blocked=switch(blocked))
    for _ in range(3):
        await ours.look()
        receiver.now += 30
    assert receiver.told == [("alert", "provider_blocked")]
    (alert,) = receiver.got
    assert alert["text"] == "elaaoms (voice.example.com): openai cannot be used: the key is refused"
    assert (alert["since"], alert["at"]) == ("2026-09-21T14:13:20Z",) * 2
    blocked.clear()
    await ours.look()
    await ours.look()
    assert receiver.told == [("alert", "provider_blocked"), ("recovery", "provider_blocked")]
    assert "over: openai cannot be used" in receiver.got[1]["text"]


async def test_what_goes_on_is_told_again_after_the_quiet_period(
    database: Database, receiver: Receiver, url: str
) -> None:
    ours = alerts(database, receiver, url, provider_blocked=switch({"openai": "no credit"}))
    for _ in range(5):
        await ours.look()
        receiver.now += 1800
    assert receiver.told == [("alert", "provider_blocked")] * 3


async def test_what_comes_and_goes_is_not_told_each_time(
    database: Database, receiver: Receiver, url: str
) -> None:
    blocked: dict[str, str] = {}
    ours = alerts(database, receiver, url, provider_blocked=switch(blocked))
    for _ in range(10):
        blocked["openai"] = "no credit"
        await ours.look()
        receiver.now += 60
        blocked.clear()
        await ours.look()
        receiver.now += 60
    assert receiver.told == [("alert", "provider_blocked"), ("recovery", "provider_blocked")]


async def test_what_could_not_be_told_is_told_at_the_next_look(
    database: Database, receiver: Receiver, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    ours = alerts(database, receiver, url, provider_blocked=switch({"openai": "no credit"}))
    receiver.status = 503
    await ours.look()
    nowhere = alerts(
        database, receiver, "http://127.0.0.1:9/hook?token=hidden", provider_blocked=switch({"a": "b"})
    )
    await nowhere.look()
    assert receiver.told == []
    receiver.status = 200
    await ours.look()
    assert receiver.told == [("alert", "provider_blocked")]
    assert "hidden" not in caplog.text


async def test_a_restart_tells_nothing_twice_and_remembers_to_tell_the_end(
    database: Database, receiver: Receiver, url: str
) -> None:
    blocked = {"openai": "no credit"}
    await alerts(database, receiver, url, provider_blocked=switch(blocked)).look()
    after = alerts(database, receiver, url, provider_blocked=switch(blocked))
    await after.look()
    blocked.clear()
    await after.look()
    assert receiver.told == [("alert", "provider_blocked"), ("recovery", "provider_blocked")]


async def test_one_condition_that_cannot_be_told_keeps_no_other_quiet(
    database: Database, receiver: Receiver, url: str
) -> None:
    async def lag() -> float:
        return 900.0

    async def unknown(_: float) -> str | None:
        raise StorageUnavailable("not now")

    ours = alerts(database, receiver, url, broken=unknown)
    ours.add("outbox_late", above("the outbox is {:.0f} seconds late", lag, 600))
    await ours.look()
    assert receiver.told == [("alert", "outbox_late")]
    assert "900 seconds late" in receiver.got[0]["text"]


@pytest.mark.parametrize(
    ("now", "newest", "expected"),
    [
        ("2026-11-23T15:00", "2026-11-23T12:30", True),  # a Monday in London
        ("2026-11-23T15:00", "2026-11-23T14:30", False),
        ("2026-11-23T10:59", "2026-11-20T16:30", False),  # open for less than two hours
        ("2026-11-23T11:01", "2026-11-20T16:30", True),
        ("2026-11-23T17:00", "2026-11-20T16:30", False),
        ("2026-11-22T15:00", "2026-11-20T16:30", False),
        ("2026-07-20T10:30", "2026-07-19T16:30", True),  # summer time: 11:30 there
        ("2026-11-23T15:00", None, False),
    ],
)
async def test_silence_counts_in_business_hours(now: str, newest: str | None, expected: bool) -> None:
    def seconds(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    async def read() -> float | None:
        return None if newest is None else seconds(newest)

    hours = Hours(frozenset(range(5)), 9 * 60, 17 * 60, ZoneInfo("Europe/London"))
    condition = silent(read, after_s=7200, hours=hours)
    assert (await condition(seconds(now)) is not None) is expected


async def test_the_daemon_tells_of_a_full_disk_signed_with_the_webhook_secret(config: Config) -> None:
    receiver = Receiver(WEBHOOK_SECRET)
    receiver.now = time.time()
    async with TestServer(receiver.app) as server:
        wanted = AlertSettings(webhook_url=str(server.make_url("/hook")), disk_free_mb=1_048_576)
        async with started(evolve(config, alerts=wanted)):
            async with asyncio.timeout(WAIT_S):
                await receiver.arrived.wait()
    assert receiver.told == [("alert", "disk_filling")]


async def test_calls_that_cannot_be_read_are_counted_for_an_hour(config: Config) -> None:
    receiver = Receiver()
    receiver.now = time.time()
    async with TestServer(receiver.app) as server:
        wanted = AlertSettings(webhook_url=str(server.make_url("/hook")), failed_calls=2, disk_free_mb=0)
        quiet = evolve(config, alerts=wanted)
        async with started(quiet, given=secrets(alerts_secret=(SECRET,)), clock=receiver) as platform:
            await _fail(platform, "conv_a")
            assert platform.up is not None

            ours = alerts_of(secrets(alerts_secret=(SECRET,)), platform.up.services)
            await ours.look()
            assert receiver.told == []
            await _fail(platform, "conv_b")
            await ours.look()
            assert receiver.told == [("alert", "extraction_failing")]
            receiver.now += 3601
            await ours.look()
    assert receiver.told[-1] == ("recovery", "extraction_failing")


async def _fail(platform: Platform, conversation_id: str) -> None:
    """A call whose job fails for good: its body is gone."""
    await platform.takes(call("I live in Leeds.", conversation_id=conversation_id))
    answer = await platform.api("POST", f"/api/calls/{conversation_id}/reprocess")
    job = answer.data["job_id"]
    await platform.settled(job)
    at = platform.up.services.clock() if platform.up else 0.0
    platform.sql(f"UPDATE jobs SET state = 'failed', finished_at = {at} WHERE id = {job}")  # noqa: S608


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('webhook_url = "http://hooks.example.com/x"', "webhook_url must begin with https://"),
        ('business_hours = "17:00-09:00"', "business_hours must be like 09:00-17:00"),
        ('business_days = ["someday"]', "business_days names 'someday'"),
        ('timezone = "Mars/Olympus"', "timezone must be like Europe/London"),
    ],
)
def test_a_wrong_setting_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "elaaoms.toml"
    path.write_text(f"[alerts]\n{line}\n")
    with pytest.raises(ConfigError, match=problem):
        load(path)


async def test_a_webhook_that_elevenlabs_switched_off_is_noticed_within_ten_minutes() -> None:
    hook = {"name": "elaaoms", "webhook_url": "https://voice.example.com/webhook/post-call"}
    other = {"name": "other", "webhook_url": "https://voice.example.com.evil/x", "is_auto_disabled": True}
    listed: list[dict[str, Any]] = [hook | {"is_auto_disabled": False}, other]
    asked = 0

    async def webhooks() -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        return listed

    condition = disabled(webhooks, public_url="https://voice.example.com")
    assert await condition(0.0) is None
    listed[0] = hook | {"is_auto_disabled": True}
    assert await condition(599.0) is None
    told = await condition(600.0)
    assert told is not None
    assert "webhook elaaoms off" in told
    assert asked == 2


async def test_silence_is_not_over_because_the_day_is(
    receiver: Receiver, url: str, database: Database
) -> None:
    newest = [at("2026-11-23 08:00")]

    async def read() -> float | None:
        return newest[0]

    hours = Hours(frozenset(range(5)), 9 * 60, 17 * 60, ZoneInfo("UTC"))
    alerts = Alerts(
        database,
        {"webhooks_silent": silent(read, after_s=7200, hours=hours)},
        url=url, secret=SECRET, quiet_s=86_400, installation="here", clock=receiver,
    )  # fmt: skip
    for moment, told in (
        ("2026-11-23 10:59", []),
        ("2026-11-23 11:01", ["alert"]),
        ("2026-11-23 17:30", ["alert"]),  # nobody calls at night, and nobody has called
        ("2026-11-24 09:30", ["alert"]),
        ("2026-11-24 11:30", ["alert", "alert"]),  # a day is its quiet time here
    ):
        receiver.now = at(moment)
        await alerts.look()
        assert [word for word, _ in receiver.told] == told, moment
    newest[0] = receiver.now = at("2026-11-24 18:00")  # late, but somebody called
    await alerts.look()
    assert [word for word, _ in receiver.told] == ["alert", "alert", "recovery"]


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


async def test_the_daemon_tells_of_a_blocked_provider_and_of_openmemory_that_is_late_and_when_both_are_back(
    tmp_path: Path,
) -> None:
    receiver, models = (
        Receiver(WEBHOOK_SECRET),
        FakeLanguageModels(lambda asked: {"memories": []}),
    )
    memory = FakeOpenMemory()
    async with TestServer(receiver.app) as hook, TestServer(models.app) as llm, serving(memory) as openmemory:
        config = Config(
            data_dir=str(tmp_path / "data"),
            server=Server(port=0, admin_port=0),
            llm=Llm(provider="openai", openai=OpenAISettings(base_url=str(llm.make_url("/v1")))),
            openmemory=OpenMemorySettings(url=openmemory),
            alerts=AlertSettings(webhook_url=str(hook.make_url("/hook")), disk_free_mb=0, outbox_minutes=10),
        )
        given = secrets(openai_api_key=(KEY,), openmemory_api_key=(memory.key,))
        receiver.now = time.time()
        memory.down = True
        models.then(fails(401))
        async with started(config, given=given, clock=receiver) as platform:
            assert platform.up is not None
            services = platform.up.services
            ours = alerts_of(given, services)
            await platform.knows({"content": "The caller likes tea."})
            await platform.send(call("I live in Leeds.", conversation_id="conv_a"))
            await platform.until("/api/jobs", lambda data: bool(services.worker.blocked))
            await ours.look()
            assert receiver.told == [("alert", "provider_blocked")]
            assert KEY not in str(receiver.got)
            receiver.now = time.time() + 700
            await ours.look()
            assert receiver.told[1:] == [("alert", "outbox_late")]
        memory.down = False  # and somebody has mended the key
        async with started(config, given=given, clock=receiver) as platform:
            assert platform.up is not None
            await platform.processed("conv_a")
            await platform.until("/api/openmemory", lambda data: data["owed"] == 0)
            await alerts_of(given, platform.up.services).look()
            assert sorted(receiver.told[2:]) == [
                ("recovery", "outbox_late"),
                ("recovery", "provider_blocked"),
            ]
