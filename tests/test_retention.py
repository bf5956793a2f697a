"""What arrived is kept for as long as the operator says, and a disk that fills takes calls longer than recordings."""

from __future__ import annotations

import time

from attrs import evolve
from conftest import Platform, sample, started

from elaaoms.config import Config, Storage
from elaaoms.daemon import DAY_S
from elaaoms.retention import let_go

CONVERSATION = "conv_0001harbour"


async def filled(platform: Platform) -> None:
    """A call with its transcript and its recording, both worked through."""
    assert (await platform.send(sample("inbound_twilio"))).status == 200
    await platform.processed(CONVERSATION)
    audio = await platform.send(sample("audio"))
    await platform.settled(audio.data["job_id"])


async def prune(platform: Platform, *, audio: bool, before: float | None = None) -> int:
    assert platform.up is not None
    ours = platform.up.services
    return await let_go(
        ours.database, ours.calls, ours.archive, audio=audio, before=before or time.time() + 1
    )


async def test_recordings_go_and_transcripts_stay(platform: Platform) -> None:
    await filled(platform)
    assert await prune(platform, audio=True, before=time.time() - 60) == 0
    assert await prune(platform, audio=True) == 1
    assert list(platform.files()) == [f"payloads/{CONVERSATION}/{CONVERSATION}_transcription.json"]
    assert await prune(platform, audio=True) == 0


async def test_memories_outlive_the_transcript_they_came_from(platform: Platform) -> None:
    await filled(platform)
    known = await platform.memories()
    assert known
    assert await prune(platform, audio=False) == 1
    assert await prune(platform, audio=True) == 1
    assert not list((platform.data / "payloads").glob("conv_*"))
    assert await platform.memories() == known
    again = await platform.send(sample("inbound_twilio"))
    assert (again.status, again.data["duplicate"]) == (200, True)
    assert platform.files() == {}
    shown = await platform.api("GET", f"/api/calls/{CONVERSATION}")
    assert (shown.status, shown.data["extraction_status"]) == (200, "completed")
    reading = await platform.api("POST", f"/api/calls/{CONVERSATION}/reprocess")
    assert (reading.status, "storage.keep_payload_days" in reading.json["message"]) == (404, True)
    caller = (await platform.api("GET", "/api/callers")).data["callers"][0]["caller"]
    assert (await platform.api("GET", f"/api/callers/{caller}/export")).status == 200


async def test_a_call_that_is_not_processed_keeps_its_transcript(platform: Platform) -> None:
    await filled(platform)
    platform.sql("UPDATE calls SET outcome = NULL")
    assert await prune(platform, audio=False) == 0


async def test_the_daemon_does_it_by_itself(config: Config) -> None:
    async with started(config) as platform:
        await filled(platform)
    storage = Storage(keep_audio_days=30, keep_payload_days=30)
    async with started(evolve(config, storage=storage), clock=lambda: time.time() + 31 * DAY_S) as platform:
        await platform.until(
            f"/api/calls/{CONVERSATION}", lambda call: not any(e["path"] for e in call["events"])
        )
    assert platform.files() == {}


async def test_a_disk_that_fills_refuses_recordings_first(config: Config) -> None:
    storage = Storage(audio_min_free_mb=1_048_576)
    async with started(evolve(config, storage=storage)) as platform:
        audio = await platform.send(sample("audio"))
        assert (audio.status, int(audio.headers["Retry-After"]) >= 60) == (503, True)
        assert "recordings" in audio.json["message"]
        assert platform.files() == {}
        assert (await platform.send(sample("inbound_twilio"))).status == 200
        health = await platform.request("GET", f"{platform.url}/health")
        assert (health.status, health.data["status"]) == (200, "degraded")
        assert health.data["dependencies"]["storage"]["reason"] == "the disk is too full for recordings"
