"""Past conversations and gaps: everything finished arrives exactly once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from attrs import evolve
from conftest import Platform, secrets, started
from fakes_elevenlabs import (
    API_KEY,
    MP3,
    FakeElevenLabs,
    conversation,
    every,
    fails,
    loses_the_answer,
    truncates,
)
from test_daemon import ENVIRONMENT, command, install, serving

from elaaoms.backfill import Backfill, Capture, Local, Report, estimate_usd, windows
from elaaoms.config import Config, ElevenLabsSettings, Privacy
from elaaoms.elevenlabs import ElevenLabs, Listed, connected
from elaaoms.errors import ProviderBlocked
from elaaoms.llm import Prices
from elaaoms.webhooks import AUDIO

AGENT = "agent_0001fictional"
BEGAN = 1_760_000_000  # the first conversation; they are ten minutes apart
KILLED = int(os.environ.get("ELAAOMS_TEST_CONVERSATIONS", "60"))  # 2000 takes some minutes


async def no_sleep(_: float) -> None:
    await asyncio.sleep(0)


def past(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [conversation(number, at=BEGAN + number * 600) for number in range(start, start + count)]


def webhook(data: dict[str, Any]) -> dict[str, Any]:
    """What ElevenLabs sends about a conversation, a little after its end."""
    end = data["metadata"]["start_time_unix_secs"] + data["metadata"]["call_duration_secs"]
    return {"type": "post_call_transcription", "event_timestamp": end + 20, "data": data}


@pytest.fixture
def fake() -> FakeElevenLabs:
    return FakeElevenLabs()


@pytest.fixture
async def server(fake: FakeElevenLabs) -> AsyncIterator[str]:
    async with TestServer(fake.app) as running:
        yield str(running.make_url("")).rstrip("/")


@pytest.fixture
async def api(server: str) -> AsyncIterator[ElevenLabs]:
    async with connected(API_KEY, server) as client:
        yield client


def local(platform: Platform) -> Local:
    assert platform.up is not None
    services = platform.up.services
    return Local(services.archive, services.calls, services.ingest)


async def imported(api: ElevenLabs, platform: Platform, **options: Any) -> Report:
    work = Backfill(api, local(platform), sleep=no_sleep)
    listed = await work.listed(after=None, before=time.time(), agent_id=None)
    report = Report(finished=len(listed))
    await work.fetch(await work.missing([one for one in listed if one.status == "done"]), report, **options)
    return report


async def once_each(platform: Platform, count: int) -> None:
    """Every conversation is one call, its job is done, and its order is remembered once."""
    await platform.until("/api/jobs?limit=1", lambda jobs: jobs["counts"]["completed"] >= count)
    await platform.until(
        "/api/jobs?limit=1", lambda jobs: not jobs["counts"]["available"] + jobs["counts"]["running"]
    )
    assert platform.count("calls") == count
    assert platform.sql("SELECT count(*) FROM calls WHERE outcome = 'completed'") == [(count,)]
    orders = [
        re.search(r"QX-\d{5}", content)[0]  # type: ignore[index]
        for (content,) in platform.sql("SELECT content FROM memories WHERE content LIKE '%QX-%'")
    ]
    assert sorted(orders) == [f"QX-{number:05d}" for number in range(count)]


# -- importing ---------------------------------------------------------------------------


async def test_the_past_is_imported_oldest_first_and_once_through_every_fault(
    fake: FakeElevenLabs, api: ElevenLabs, platform: Platform
) -> None:
    fake.has(*past(120))
    fake.fault = every(4, fails(429, Retry_After="1"), fails(500), truncates, loses_the_answer)
    grown = iter(range(10_000, 10_100))

    def grow() -> None:  # calls go on while the list is read
        for number in (next(grown), next(grown)):
            fake.has(conversation(number, at=int(time.time()) + 60))

    fake.listed = grow
    report = await imported(api, platform)
    assert (report.fetched, report.failed, report.gone) == (120, 0, 0)
    began = [row[0] for row in platform.sql("SELECT started_at FROM calls ORDER BY rowid")]
    assert began == sorted(began)
    await once_each(platform, 120)
    fake.fault = fake.listed = None
    asked = len(fake.requests)
    fake.conversations = {key: one for key, one in fake.conversations.items() if key < "conv_09999"}
    again = await imported(api, platform)
    assert (again.fetched, platform.count("events")) == (0, 120)
    assert {one.path for one in fake.requests[asked:]} == {"/v1/convai/conversations"}


async def test_what_is_archived_is_the_webhook_s_event_marked_as_fetched(
    fake: FakeElevenLabs, api: ElevenLabs, platform: Platform
) -> None:
    fake.has(*past(1))
    await imported(api, platform)
    ((path, body),) = platform.files().items()
    assert path == "payloads/conv_00000/conv_00000_transcription.json"
    event = json.loads(body)
    assert event == {
        "type": "post_call_transcription",
        "event_timestamp": BEGAN + 60,
        "fetched": True,
        "data": fake.conversations["conv_00000"],
    }
    call = await platform.processed("conv_00000")
    assert (call["extraction_status"], call["memories"][0]["category"]) == ("completed", "issue")


async def test_a_webhook_before_between_or_after_makes_no_second_call(
    fake: FakeElevenLabs, api: ElevenLabs, platform: Platform
) -> None:
    fake.has(*past(6))
    await platform.takes(webhook(fake.conversations["conv_00000"]))
    between = [webhook(fake.conversations[f"conv_{number:05d}"]) for number in (1, 2)]

    def progress() -> None:
        sent.extend(asyncio.ensure_future(platform.send(event)) for event in between)
        between.clear()

    sent: list[asyncio.Future[Any]] = []
    await imported(api, platform, progress=progress)
    assert [answer.status for answer in await asyncio.gather(*sent)] == [200, 200]
    await platform.takes(webhook(fake.conversations["conv_00005"]))
    await once_each(platform, 6)
    later = await platform.send(webhook(fake.conversations["conv_00005"]))
    assert later.data["duplicate"] is True


async def test_only_what_is_finished_is_imported_and_what_was_deleted_is_counted(
    fake: FakeElevenLabs, api: ElevenLabs, platform: Platform
) -> None:
    fake.has(*past(3))
    fake.has(conversation(3, at=BEGAN, status="in-progress"), conversation(4, at=BEGAN, status="failed"))
    work = Backfill(api, local(platform), sleep=no_sleep)
    listed = await work.listed(after=BEGAN + 1, before=time.time(), agent_id=AGENT)
    del fake.conversations["conv_00002"]
    report = Report()
    await work.fetch(await work.missing(listed), report)
    assert (report.fetched, report.gone) == (1, 1)


async def test_one_conversation_that_cannot_be_fetched_holds_up_none_of_the_others(
    fake: FakeElevenLabs, api: ElevenLabs, platform: Platform
) -> None:
    fake.has(*past(5))
    fake.fault = every(1, fails(500), path="/conv_00002")
    report = await imported(api, platform)
    assert (report.fetched, report.failed) == (4, 1)
    fake.fault = fails(401, "no")
    with pytest.raises(ProviderBlocked):
        await imported(api, platform)


async def test_recordings_come_when_they_are_asked_for(
    fake: FakeElevenLabs, api: ElevenLabs, platform: Platform
) -> None:
    fake.has(*past(2))
    fake.audio["conv_00001"] = MP3
    report = await imported(api, platform)
    assert (report.fetched, report.audio) == (2, 0)
    work = Backfill(api, local(platform), sleep=no_sleep)
    listed = await work.listed(after=None, before=time.time(), agent_id=None)
    for one in await work.missing(listed, AUDIO):
        await work.fetch_audio(one, report)
    assert (report.audio, await work.missing(listed, AUDIO)) == (1, listed[:1])
    mp3 = platform.data / "payloads/conv_00001/conv_00001_audio.mp3"
    await platform.until("/api/jobs?limit=1", lambda jobs: jobs["counts"]["completed"] == 3)
    assert mp3.read_bytes() == MP3


def test_a_long_past_is_listed_in_windows_and_its_cost_estimated() -> None:
    assert list(windows(None, 5.0)) == [(None, 5.0)]
    found = list(windows(0.0, 70 * 86400.0))
    assert [start for start, _ in found] == [0.0, 30 * 86400.0, 60 * 86400.0]
    assert found[-1][1] == 70 * 86400.0
    talk = Listed(conversation_id="c", agent_id="a", status="done", started_at=0, duration_s=600)
    assert estimate_usd([talk] * 100, Prices(input=1.0, output=4.0)) == pytest.approx(0.61)


# -- gaps ----------------------------------------------------------------------------------


def capturing(config: Config, server: str, minutes: int = 60) -> Config:
    return evolve(config, elevenlabs=ElevenLabsSettings(api_url=server, reconcile_minutes=minutes))


KEYED = {"elevenlabs_api_key": (API_KEY,)}


async def test_a_day_without_webhooks_is_whole_again_after_the_next_start(
    fake: FakeElevenLabs, server: str, config: Config
) -> None:
    now = float(BEGAN)
    config = capturing(config, server)
    fake.has(*past(2, 0))
    async with started(config, given=secrets(**KEYED), clock=lambda: now) as platform:
        assert platform.up is not None
        for number in (0, 1):
            await platform.send(webhook(fake.conversations[f"conv_{number:05d}"]), at=now)
        await platform.until("/health", lambda health: health["dependencies"]["elevenlabs"]["status"] == "ok")
    now += 86_400 + 3 * 86_400  # the endpoint is off for days
    fake.has(*past(144, 2))
    async with started(config, given=secrets(**KEYED), clock=lambda: now) as platform:
        await platform.until(
            "/health", lambda health: health["dependencies"]["elevenlabs"].get("fetched") == 144
        )
        await once_each(platform, 146)


async def test_calls_are_given_time_to_arrive_by_themselves(
    fake: FakeElevenLabs, api: ElevenLabs, platform: Platform
) -> None:
    assert platform.up is not None
    services = platform.up.services
    now = BEGAN + 10_000.0
    fake.has(
        conversation(1, at=BEGAN),
        conversation(2, at=int(now) - 100),  # it ended forty seconds ago
        conversation(3, at=int(now) - 3000, status="in-progress"),
        conversation(4, at=int(now) - 30_000, status="processing"),  # it will never be finished
    )
    capture = Capture(
        Backfill(api, local(platform), sleep=no_sleep),
        services.calls,
        services.database,
        agents=(AGENT,),
        every_s=3600,
        clock=lambda: now,
    )
    assert (await capture.close_gaps()).fetched == 1
    assert platform.sql("SELECT value FROM settings WHERE name = 'elevenlabs_confirmed'") == [
        (f"{now - 3000}",)
    ]
    now += 300
    fake.conversations["conv_00003"]["status"] = "done"
    assert (await capture.close_gaps()).fetched == 2
    assert (await capture.close_gaps()).fetched == 0
    assert capture.fetched == 3


async def test_an_api_that_is_down_is_told_by_health_and_costs_no_call(
    fake: FakeElevenLabs, server: str, config: Config
) -> None:
    fake.fault = fails(401, "no")
    async with started(capturing(config, server), given=secrets(**KEYED)) as platform:
        found = await platform.until(
            "/health", lambda health: health["dependencies"]["elevenlabs"]["status"] == "degraded"
        )
        assert "the key is refused" in found["dependencies"]["elevenlabs"]["reason"]
        assert (await platform.takes(webhook(conversation(1, at=int(time.time()) - 100))))[
            "extraction_status"
        ]


async def test_nobody_is_asked_without_a_key_or_with_zero_minutes(
    fake: FakeElevenLabs, server: str, config: Config
) -> None:
    async with started(capturing(config, server)) as platform:
        assert "elevenlabs" not in (await platform.api("GET", "/health")).data["dependencies"]
    async with started(capturing(config, server, minutes=0), given=secrets(**KEYED)) as platform:
        await platform.api("GET", "/health")
    assert fake.requests == []


# -- the command ---------------------------------------------------------------------------


def configured(folder: Path, server: str) -> Path:
    path = install(folder)
    text = re.sub(r"(?m)^api_url = .*$", f'api_url = "{server}"', path.read_text())
    text = re.sub(r"(?m)^reconcile_minutes = .*$", "reconcile_minutes = 0", text)
    path.write_text(text)
    (folder / "secrets" / "elevenlabs_api_key").write_text(API_KEY)
    (folder / "secrets" / "elevenlabs_api_key").chmod(0o600)
    return path


def spawn(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        command(*arguments), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


async def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = await asyncio.to_thread(process.communicate)
    return process.returncode, out, err


async def reached(platform: Platform, count: int) -> None:
    while platform.count("events") < count:  # noqa: ASYNC110 - another process counts
        await asyncio.sleep(0.01)


async def test_a_dry_run_counts_and_estimates_and_fetches_nothing(
    fake: FakeElevenLabs, server: str, tmp_path: Path
) -> None:
    fake.has(*past(120))
    path = configured(tmp_path, server)
    text = (
        path.read_text()
        .replace('provider = "rules"', 'provider = "openai"')
        .replace("price_in = 0", "price_in = 1")
    )
    path.write_text(text)
    left = await ended(spawn("backfill", "-c", path, "--dry-run", "--since", "2025-10-10"))
    assert left[::2] == (0, ""), left
    midnight = datetime(2025, 10, 10, tzinfo=UTC).timestamp()
    found = [one for one in past(120) if one["metadata"]["start_time_unix_secs"] >= midnight]
    assert f"{len(found)} finished conversations" in left[1]
    assert f"will cost about {len(found) * 0.00221:.2f} US" in left[1]
    assert not any("/conversations/" in asked.path for asked in fake.requests)


async def test_two_kills_and_webhooks_in_between_leave_every_conversation_exactly_once(
    fake: FakeElevenLabs, server: str, tmp_path: Path
) -> None:
    fake.has(*past(KILLED))
    fake.fault = every(37, fails(429, Retry_After="0"), truncates, fails(500))
    path = configured(tmp_path, server)
    async with serving(path) as (platform, daemon):
        first = spawn("backfill", "-c", path)
        await reached(platform, KILLED // 3)
        for number in (0, KILLED // 2, KILLED - 1):
            assert (await platform.send(webhook(fake.conversations[f"conv_{number:05d}"]))).status == 200
        daemon.send_signal(signal.SIGKILL)
        code, _, err = await ended(first)
        assert (code, err.count("\n")) == (1, 1)
    async with serving(path) as (platform, _):
        second = spawn("backfill", "-c", path)
        await reached(platform, 2 * KILLED // 3)
        second.kill()
        await ended(second)
        assert platform.count("calls") < KILLED
        code, out, err = await ended(spawn("backfill", "-c", path))
        assert (code, err) == (0, "")
        assert f"{KILLED} finished conversations" in out
        await once_each(platform, KILLED)


# -- the API that the command uses -----------------------------------------------------------


async def test_bringing_an_event_and_asking_what_is_missing_need_the_admin_token(platform: Platform) -> None:
    event = webhook(conversation(1, at=BEGAN))
    asked = {"conversation_ids": ["conv_00001", "conv_00002"]}
    for path, body in (("/api/events", event), ("/api/calls/missing", asked)):
        answer = await platform.request("POST", f"{platform.admin_url}{path}", body)
        assert answer.status == 401
        assert (await platform.request("POST", f"{platform.url}{path}", body)).status == 404
    assert platform.files() == {}
    accepted = await platform.api("POST", "/api/events", event)
    assert (accepted.status, accepted.data["duplicate"]) == (200, False)
    assert (await platform.api("POST", "/api/events", event)).data["duplicate"] is True
    missing = await platform.api("POST", "/api/calls/missing", asked)
    assert missing.data == {"missing": ["conv_00002"]}
    assert (await platform.api("POST", "/api/calls/missing", {"ids": []})).status == 400


async def test_an_erasure_deletes_the_conversations_at_elevenlabs_too(
    config: Config, fake: FakeElevenLabs, server: str
) -> None:
    fake.has(*past(3))
    config = evolve(capturing(config, server), privacy=Privacy(erase_at_elevenlabs=True))
    async with started(config, given=secrets(**KEYED)) as platform:
        for event in [webhook(one) for one in fake.conversations.values()]:
            await platform.takes(event)
        callers = (await platform.api("GET", "/api/callers")).data["callers"]
        fake.conversations.pop(next(iter(fake.conversations)))
        removed = [
            (await platform.api("DELETE", f"/api/callers/{row['caller']}")).data["elsewhere"]["elevenlabs"]
            for row in callers
        ]
    assert fake.conversations == {}
    assert sum(entry["deleted"] for entry in removed) == 2
    assert sum(entry["gone_before"] for entry in removed) == 1
