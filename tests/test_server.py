"""What the contract promises over HTTP, asked of a real daemon over real sockets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from attrs import evolve
from conftest import (
    ADMIN_TOKEN,
    AGENT,
    OUR_NUMBER,
    ROBIN,
    SAMPLES,
    TOOL_TOKEN,
    WEBHOOK_SECRET,
    Answer,
    Platform,
    call,
    sample,
    secrets,
    started,
    varied,
)

from elaaoms.config import Config, Greeting, Logging, Storage
from elaaoms.webhooks import sign

MIB = 1 << 20
STRANGER = "Hello! How can I help you today?"
VARIABLES = {
    "caller_known",
    "caller_name",
    "memory_greeting",
    "caller_memory",
    "last_call_summary",
    "caller_context",
}


def is_wrapper(answer: Answer, word: str) -> bool:
    body = answer.json
    return (
        set(body) == {"status", "message", "request_id", "data"}
        and body["status"] == word
        and body["request_id"] == answer.headers["X-Request-ID"]
        and isinstance(body["data"], dict)
        and isinstance(body["message"], str)
    )


def is_stranger(answer: Answer) -> bool:
    variables = answer.variables
    empty = ("caller_name", "caller_memory", "last_call_summary", "caller_context")
    return (
        answer.status == 200
        and answer.json["type"] == "conversation_initiation_client_data"
        and set(variables) == VARIABLES
        and variables["caller_known"] is False
        and variables["memory_greeting"] == STRANGER
        and all(variables[name] == "" for name in empty)
    )


def nothing_kept(platform: Platform) -> bool:
    rows = [platform.count(table) for table in ("events", "held", "calls", "callers", "jobs", "facts")]
    return platform.files() == {} and set(rows) == {0}


# -- POST /webhook/post-call: what is accepted ---------------------------------------


async def test_an_event_is_on_the_disk_and_in_the_database_when_it_is_acknowledged(
    platform: Platform,
) -> None:
    body = sample("inbound_twilio")
    answer = await platform.send(body)
    assert answer.status == 200
    assert is_wrapper(answer, "success")
    rows = platform.sql("SELECT conversation_id, type, sha256, job FROM events")
    assert answer.data == {
        "conversation_id": "conv_0001harbour",
        "webhook_type": "post_call_transcription",
        "job_id": rows[0][3],
        "duplicate": False,
        "extraction_status": "queued",
    }
    sha256 = hashlib.sha256(body).hexdigest()
    assert [row[:3] for row in rows] == [("conv_0001harbour", "post_call_transcription", sha256)]
    assert platform.files() == {"payloads/conv_0001harbour/conv_0001harbour_transcription.json": body}
    assert (await platform.processed("conv_0001harbour"))["extraction_status"] == "completed"


async def test_every_sample_is_accepted_and_none_is_held(platform: Platform) -> None:
    for path in SAMPLES:
        answer = await platform.send(path.read_bytes())
        assert answer.status == 200, path.name
        assert answer.data["extraction_status"] in ("queued", "nothing"), path.name
    calls = (await platform.api("GET", "/api/calls?limit=100")).data["calls"]
    for found in calls:
        done = await platform.processed(found["conversation_id"])
        assert done["extraction_status"] in ("completed", "nothing"), found["conversation_id"]
    assert platform.count("held") == 0


async def test_an_unknown_type_is_archived_and_answered_with_200(platform: Platform) -> None:
    body = sample("unknown_type")
    answer = await platform.send(body)
    assert (answer.status, answer.data["webhook_type"]) == (200, "answering_machine_detection")
    assert answer.data["job_id"] is None
    assert list(platform.files().values()) == [body]
    assert await platform.memories() == []


async def test_unknown_fields_and_missing_optional_ones_are_tolerated(platform: Platform) -> None:
    bare = {
        "type": "post_call_transcription",
        "data": {"conversation_id": "conv_bare", "new": [1]},
        "more": 1,
    }
    assert (await platform.send(bare)).data["extraction_status"] == "queued"
    assert (await platform.processed("conv_bare"))["extraction_status"] == "nothing"


async def test_the_same_body_again_is_a_duplicate_and_changes_nothing(platform: Platform) -> None:
    event = varied("inbound_twilio")
    first = await platform.send(event)
    await platform.processed("conv_0001harbour")
    before = (await platform.memories(), platform.files(), platform.count("jobs"))
    again = await platform.send(event)
    assert (again.status, again.data["duplicate"]) == (200, True)
    assert again.data["job_id"] == first.data["job_id"]
    assert (await platform.memories(), platform.files(), platform.count("jobs")) == before


async def test_a_duplicate_says_how_its_extraction_stands(platform: Platform) -> None:
    event = varied("inbound_twilio")
    await platform.takes(event)
    assert (await platform.send(event)).data["extraction_status"] == "completed"


async def test_fifty_deliveries_at_once_are_one_call_and_one_job(platform: Platform) -> None:
    body = sample("inbound_twilio")
    answers = await asyncio.gather(*(platform.send(body) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.data["duplicate"] for answer in answers) == [False] + [True] * 49
    assert len({answer.data["job_id"] for answer in answers}) == 1
    assert (platform.count("jobs"), platform.count("calls"), platform.count("events")) == (1, 1, 1)
    assert len(platform.files()) == 1
    await platform.processed("conv_0001harbour")
    assert all(memory["reinforcements"] == 0 for memory in await platform.memories())


async def test_a_newer_body_replaces_what_its_conversation_taught_and_an_older_one_does_not(
    platform: Platform,
) -> None:
    now = time.time()
    for age, city, job in ((50, "Leeds", True), (0, "York", True), (100, "Hull", False)):
        event = call(f"I live in {city}.", at=now) | {"event_timestamp": int(now) - age}
        answer = await platform.send(event)
        assert answer.status == 200
        assert (answer.data["job_id"] is not None) is job
        await platform.processed("conv_test")
    (memory,) = await platform.memories()
    assert "York" in memory["content"]
    assert memory["status"] == "active"
    assert len(platform.files()) == 3


async def test_an_old_body_that_is_retried_by_hand_does_not_replace_a_newer_one(platform: Platform) -> None:
    now = time.time()
    old = call("I live in Leeds.", at=now) | {"event_timestamp": int(now) - 50}
    job = (await platform.send(old)).data["job_id"]
    await platform.processed("conv_test")
    await platform.takes(call("I live in York.", at=now) | {"event_timestamp": int(now)})
    platform.sql(f"UPDATE jobs SET state = 'failed' WHERE id = {job}")  # noqa: S608
    assert (await platform.api("POST", f"/api/jobs/{job}/retry")).status == 200
    assert (await platform.settled(job))["state"] == "completed"
    assert ["York" in memory["content"] for memory in await platform.memories()] == [True]


# -- POST /webhook/post-call: signatures ----------------------------------------------


def _signatures(body: bytes) -> dict[str, str | None]:
    now = time.time()
    good = sign(WEBHOOK_SECRET, body, now=now)
    return {
        "missing": None,
        "empty": "",
        "no scheme": "nonsense",
        "no digest": f"t={int(now)}",
        "no time": good.partition(",")[2],
        "not a number": good.replace("t=", "t=x"),
        "digits of another script": good.replace("t=", "t=²"),
        "another digest": f"t={int(now)},v0={'0' * 64}",
        "half a digest": good[:-8],
        "another time": f"t={int(now) - 1},{good.partition(',')[2]}",
        "another body": sign(WEBHOOK_SECRET, body + b" ", now=now),
        "another install's secret": sign("wsec_" + "f" * 32, body, now=now),
        "stale": sign(WEBHOOK_SECRET, body, now=now - 1802),
        "far ahead": sign(WEBHOOK_SECRET, body, now=now + 310),
        "very long": good + "," + "v1=0," * 1000,
    }


async def test_every_trouble_with_a_signature_is_the_same_401_and_keeps_nothing(platform: Platform) -> None:
    body = sample("inbound_twilio")
    told = set()
    for trouble, signature in _signatures(body).items():
        headers = {} if signature is None else {"ElevenLabs-Signature": signature}
        answer = await platform.request("POST", f"{platform.url}/webhook/post-call", body, **headers)
        assert answer.status == 401, trouble
        assert is_wrapper(answer, "error"), trouble
        told.add((answer.json["message"], json.dumps(answer.data)))
    assert len(told) == 1
    assert nothing_kept(platform)


async def test_a_signature_is_good_for_its_tolerance_and_a_little_ahead(platform: Platform) -> None:
    now = time.time()
    for index, at in enumerate((now - 1790, now + 290)):
        answer = await platform.send(call("Hello.", conversation_id=f"conv_{index}"), at=at)
        assert answer.status == 200


async def test_secrets_can_be_rotated(config: Config) -> None:
    old, new = "wsec_" + "a" * 32, "wsec_" + "b" * 32
    async with started(config, given=secrets(webhook_secret=(new, old))) as platform:
        for secret in (old, new):
            assert (await platform.send(call("Hello."), secret=secret)).status == 200
        assert (await platform.send(call("Hello."))).status == 401


async def test_any_matching_digest_of_several_is_enough(platform: Platform) -> None:
    body = sample("unknown_type")
    now, digest = sign(WEBHOOK_SECRET, body, now=time.time()).split(",")
    header = f"{now}, v1=00, v0={'0' * 64}, {digest}"
    answer = await platform.request(
        "POST", f"{platform.url}/webhook/post-call", body, **{"elevenlabs-signature": header}
    )
    assert answer.status == 200


# -- POST /webhook/post-call: sizes, kinds and time -------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, identity"])
async def test_an_encoded_body_is_refused(platform: Platform, encoding: str) -> None:
    answer = await platform.send(b"\x1f\x8b", **{"Content-Encoding": encoding})
    assert answer.status == 415
    assert nothing_kept(platform)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_another_content_type_is_refused(platform: Platform, kind: str) -> None:
    answer = await platform.send(sample("unknown_type"), **{"Content-Type": kind})
    assert (answer.status, is_wrapper(answer, "error")) == (415, True)
    assert nothing_kept(platform)


async def test_a_content_type_may_name_its_charset(platform: Platform) -> None:
    answer = await platform.send(
        sample("unknown_type"), **{"Content-Type": "application/json; charset=utf-8"}
    )
    assert answer.status == 200


def _small(config: Config, **changes: Any) -> Config:
    return evolve(
        config, server=evolve(config.server, **{"max_transcript_mb": 1, "max_audio_mb": 2, **changes})
    )


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1 << 16):
        yield body[start : start + (1 << 16)]


def _padded(event: dict[str, Any], size: int) -> bytes:
    return json.dumps(event | {"padding": "x" * size}).encode()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_every_limit_is_refused_and_not_kept(config: Config, chunked: bool) -> None:
    event = varied("inbound_twilio")
    body = _padded(event, 2 * MIB + 1 - len(_padded(event, 0)))
    async with started(_small(config)) as platform:
        signature = sign(WEBHOOK_SECRET, body, now=time.time())
        answer = await platform.request(
            "POST",
            f"{platform.url}/webhook/post-call",
            _chunks(body) if chunked else body,
            **{"ElevenLabs-Signature": signature},
        )
        assert (answer.status, is_wrapper(answer, "error")) == (413, True)
        assert nothing_kept(platform)


async def test_a_recording_may_be_larger_than_a_transcript(config: Config) -> None:
    async with started(_small(config)) as platform:
        transcript = _padded(varied("inbound_twilio"), MIB)
        assert (await platform.send(transcript)).status == 413
        assert nothing_kept(platform)
        audio = varied("audio")
        audio["data"]["full_audio"] = base64.b64encode(b"ID3" + bytes(MIB)).decode()
        assert (await platform.send(audio)).status == 200


async def test_a_body_that_arrives_too_slowly_is_refused(config: Config) -> None:
    never = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await never.wait()

    async with started(_small(config, body_timeout_s=0.2)) as platform:
        signature = sign(WEBHOOK_SECRET, b"{}", now=time.time())
        answer = await platform.request(
            "POST", f"{platform.url}/webhook/post-call", slowly(), **{"ElevenLabs-Signature": signature}
        )
        assert (answer.status, is_wrapper(answer, "error")) == (408, True)
        assert nothing_kept(platform)


async def test_a_body_cut_off_by_its_sender_leaves_nothing(platform: Platform) -> None:
    body = sample("inbound_twilio")
    at = urlsplit(platform.url)
    _, writer = await asyncio.open_connection(at.hostname, at.port)
    signature = sign(WEBHOOK_SECRET, body, now=time.time())
    writer.write(
        b"POST /webhook/post-call HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"ElevenLabs-Signature: %b\r\nContent-Length: %d\r\n\r\n" % (signature.encode(), len(body))
    )
    writer.write(body[:1000])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await platform.send(sample("unknown_type"))).status == 200
    assert list(platform.files().values()) == [sample("unknown_type")]


async def test_a_full_disk_asks_the_sender_to_come_back(config: Config) -> None:
    async with started(evolve(config, storage=Storage(min_free_mb=1_048_576))) as platform:
        answer = await platform.send(sample("inbound_twilio"))
        assert (answer.status, is_wrapper(answer, "error")) == (503, True)
        assert int(answer.headers["Retry-After"]) > 0
        assert nothing_kept(platform)
        health = await platform.request("GET", f"{platform.url}/health")
        assert (health.status, health.data["status"]) == (503, "unhealthy")
        assert is_stranger(await platform.initiation())


async def test_a_database_that_refuses_does_not_refuse_a_call(platform: Platform) -> None:
    """Its file is safe; the row follows as soon as the database takes it."""
    body = sample("inbound_twilio")
    platform.sql("ALTER TABLE events RENAME TO elsewhere")
    answer = await platform.send(body)
    assert (answer.status, answer.data["job_id"], answer.data["duplicate"]) == (200, None, False)
    assert list(platform.files().values()) == [body]
    assert (await platform.request("GET", f"{platform.url}/health?strict=1")).status == 503
    platform.sql("ALTER TABLE elsewhere RENAME TO events")
    assert platform.up is not None
    await platform.up.services.ingest.catch_up()
    assert (await platform.processed("conv_0001harbour"))["extraction_status"] == "completed"
    assert (await platform.request("GET", f"{platform.url}/health?strict=1")).status == 200


async def test_a_locked_database_does_not_refuse_a_call(platform: Platform) -> None:
    import sqlite3

    other = sqlite3.connect(platform.data / "elaaoms.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        answer = await platform.send(sample("inbound_twilio"))
    finally:
        other.close()
    assert (answer.status, answer.data["job_id"]) == (200, None)
    assert len(platform.files()) == 1


# -- POST /webhook/post-call: signed, but not understood ---------------------------------

_GOOD = {
    "type": "post_call_transcription",
    "event_timestamp": 1,
    "data": {"conversation_id": "conv_1", "transcript": []},
}
HELD = {
    "nothing at all": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"type": "\xff"}',
    "UTF-16": json.dumps(_GOOD).encode("utf-16"),
    "NaN": json.dumps(_GOOD | {"event_timestamp": float("nan")}).encode(),
    "an array": b"[1]",
    "a type that is no string": json.dumps(_GOOD | {"type": 3}).encode(),
    "no data": b'{"type": "post_call_transcription"}',
    "a transcript that is no array": json.dumps(
        _GOOD | {"data": _GOOD["data"] | {"transcript": "x"}}  # type: ignore[operator]
    ).encode(),
    "turns that are no objects": json.dumps(
        _GOOD | {"data": _GOOD["data"] | {"transcript": [1]}}  # type: ignore[operator]
    ).encode(),
    "a path upwards": json.dumps(_GOOD | {"data": {"conversation_id": "../../../etc/x"}}).encode(),
    "an absolute path": json.dumps(_GOOD | {"data": {"conversation_id": "/etc/x"}}).encode(),
    "a dot": json.dumps(_GOOD | {"data": {"conversation_id": "."}}).encode(),
    "an id with NUL": json.dumps(_GOOD | {"data": {"conversation_id": "conv\0"}}).encode(),
    "an id with a newline": json.dumps(_GOOD | {"data": {"conversation_id": "conv\n"}}).encode(),
    "a long id": json.dumps(_GOOD | {"data": {"conversation_id": "c" * 129}}).encode(),
    "digits of another script": json.dumps(_GOOD | {"data": {"conversation_id": "conv_١"}}).encode(),
    "nested a hundred thousand deep": b"[" * 100_000,
    "nested inside": b'{"type": "x", "data": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "a number of ten thousand digits": b'{"type": "x", "event_timestamp": ' + b"9" * 10_000 + b"}",
    "nested above the size that is read whole": b'{"type": "x", "data": ' + b"[" * (MIB + 1),
}


@pytest.mark.parametrize("what", HELD)
async def test_a_signed_body_that_is_not_understood_is_held(platform: Platform, what: str) -> None:
    body = HELD[what]
    answer = await platform.send(body)
    assert (answer.status, is_wrapper(answer, "success")) == (200, True)
    assert answer.data["extraction_status"] == "held"
    assert answer.data["duplicate"] is False
    assert platform.files() == {f"payloads/held/{hashlib.sha256(body).hexdigest()}.json": body}
    assert (await platform.send(body)).data["duplicate"] is True
    assert (platform.count("held"), platform.count("events"), platform.count("jobs")) == (1, 0, 0)
    health = await platform.request("GET", f"{platform.url}/health")
    assert health.data["dependencies"]["database"]["held"] == 1
    assert (await platform.send(sample("inbound_twilio"))).data["extraction_status"] == "queued"


# -- audio and failures --------------------------------------------------------------------


async def test_audio_becomes_the_very_mp3_that_was_sent(platform: Platform) -> None:
    answer = await platform.send(sample("audio"))
    assert (answer.data["webhook_type"], answer.data["extraction_status"]) == ("post_call_audio", "queued")
    assert (await platform.settled(answer.data["job_id"]))["state"] == "completed"
    audio = base64.b64decode(json.loads(sample("audio"))["data"]["full_audio"])
    assert platform.files() == {"payloads/conv_0001harbour/conv_0001harbour_audio.mp3": audio}


async def test_audio_of_several_megabytes_is_the_same_byte_for_byte(platform: Platform) -> None:
    audio = b"\xff\xfb\x90\x00" + bytes(range(256)) * 12_000
    event = varied("audio")
    event["data"]["full_audio"] = base64.b64encode(audio).decode()
    answer = await platform.send(json.dumps(event).replace("/", "\\/").encode())
    assert (await platform.settled(answer.data["job_id"]))["state"] == "completed"
    assert list(platform.files().values()) == [audio]


async def test_audio_that_comes_again_leaves_one_file(platform: Platform) -> None:
    first = await platform.send(sample("audio"))
    await platform.settled(first.data["job_id"])
    again = await platform.send(sample("audio"))
    assert (again.status, again.data["duplicate"]) == (200, True)
    assert list(platform.files()) == ["payloads/conv_0001harbour/conv_0001harbour_audio.mp3"]


async def test_audio_that_is_no_mp3_fails_its_job_and_is_kept_as_it_came(platform: Platform) -> None:
    body = sample("audio_not_mp3")
    answer = await platform.send(body)
    job = await platform.settled(answer.data["job_id"])
    assert job["state"] == "failed"
    assert "not an MP3" in job["errors"][-1]["reason"]
    assert job["attempt"] == 1
    assert platform.files() == {"payloads/conv_0010harbour/conv_0010harbour_audio.json": body}


async def test_audio_and_transcript_meet_in_one_call_in_any_order(platform: Platform) -> None:
    audio = await platform.send(sample("audio"))
    await platform.settled(audio.data["job_id"])
    done = await platform.takes(varied("inbound_twilio"))
    assert done["extraction_status"] == "completed"
    assert {event["type"] for event in done["events"]} == {"post_call_audio", "post_call_transcription"}
    assert platform.count("calls") == 1


@pytest.mark.parametrize(("name", "reason"), [("failure_twilio", "busy"), ("failure_sip", "no-answer")])
async def test_a_call_that_never_began_is_recorded_and_teaches_nothing(
    platform: Platform, name: str, reason: str
) -> None:
    body = sample(name)
    conversation_id = json.loads(body)["data"]["conversation_id"]
    answer = await platform.send(body)
    assert (answer.status, answer.data["extraction_status"]) == (200, "nothing")
    found = await platform.processed(conversation_id)
    assert (found["failure"], found["caller"], found["memories"]) == (reason, None, [])
    assert platform.files() == {f"payloads/{conversation_id}/{conversation_id}_failure.json": body}
    assert platform.count("callers") == 0


# -- the two webhooks with a token ------------------------------------------------------------


TOOLS = {"client-data": {"caller_id": ROBIN}, "search-memory": {"query": "order", "caller_id": ROBIN}}


@pytest.mark.parametrize("path", TOOLS)
async def test_a_token_header_a_bearer_token_or_a_signature_opens_the_door(
    platform: Platform, path: str
) -> None:
    body = json.dumps(TOOLS[path]).encode()
    for headers in (
        {"X-Elaaoms-Token": TOOL_TOKEN},
        {"Authorization": f"Bearer {TOOL_TOKEN}"},
        {"Authorization": f"bearer  {TOOL_TOKEN}"},
        {"ElevenLabs-Signature": sign(WEBHOOK_SECRET, body, now=time.time())},
        {
            "ElevenLabs-Signature": sign(WEBHOOK_SECRET, body, now=time.time()),
            "Authorization": "Basic cHJveHk6cHJveHk=",  # a proxy's
        },
    ):
        answer = await platform.request("POST", f"{platform.url}/webhook/{path}", body, **headers)
        assert answer.status == 200, headers


@pytest.mark.parametrize("path", TOOLS)
async def test_anything_else_stays_outside(platform: Platform, path: str) -> None:
    body = json.dumps(TOOLS[path]).encode()
    for headers in (
        {},
        {"X-Elaaoms-Token": ""},
        {"X-Elaaoms-Token": TOOL_TOKEN[:-1]},
        {"X-Elaaoms-Token": TOOL_TOKEN + "x"},
        {"X-Elaaoms-Token": "tokén"},
        {"X-Elaaoms-Token": ADMIN_TOKEN},
        {"Authorization": TOOL_TOKEN},
        {"Authorization": f"Basic {TOOL_TOKEN}"},
        {"Authorization": "Bearer "},
        {"ElevenLabs-Signature": sign(WEBHOOK_SECRET, body + b" ", now=time.time())},
        {"ElevenLabs-Signature": sign(WEBHOOK_SECRET, body, now=time.time() - 4000)},
        {"ElevenLabs-Signature": "t=1,v0="},
    ):
        answer = await platform.request("POST", f"{platform.url}/webhook/{path}", body, **headers)
        assert (answer.status, is_wrapper(answer, "error")) == (401, True), headers
        assert TOOL_TOKEN not in answer.body.decode()


@pytest.mark.parametrize("path", TOOLS)
@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "the body is not JSON"),
        (b"{", "character 1"),
        (b"[]", "@ $"),
        (b'"x"', "@ $"),
        (b'{"caller_id": 5}', "@ $.caller_id"),
        (b'{"agent_id": ["x"]}', "@ $.agent_id"),
        (b'{"call_sid": {"x": 1}, "called_number": true}', "@ $.called_number"),
        (b'{"caller_id": "a", "caller_id": "b"}', "'caller_id' appears twice"),
        (b'{"caller_id": NaN}', "NaN"),
        (json.dumps({"caller_id": ROBIN}).encode("utf-16"), "UTF-8"),
        (b'{"caller_id": "\xe9"}', "UTF-8"),
        (b"[" * 50_000, "nested"),
    ],
)
async def test_an_invalid_request_is_told_what_is_wrong_and_where(
    platform: Platform, path: str, body: bytes, where: str
) -> None:
    answer = await platform.tool(path, body)
    assert (answer.status, is_wrapper(answer, "error")) == (400, True)
    assert where in answer.json["message"]


@pytest.mark.parametrize("path", TOOLS)
async def test_a_request_above_its_limit_is_refused(platform: Platform, path: str) -> None:
    answer = await platform.tool(path, json.dumps({"query": "x" * (64 << 10)}).encode())
    assert answer.status == 413


# -- POST /webhook/client-data ------------------------------------------------------------------


@pytest.mark.parametrize(
    "caller", [ROBIN, None, "", "anonymous", "Restricted", "+266696687", "null", "{{system__caller_id}}"]
)
async def test_somebody_unknown_gets_the_complete_answer_of_a_stranger(
    platform: Platform, caller: str | None
) -> None:
    answer = await platform.initiation(caller)
    assert is_stranger(answer)
    assert "conversation_config_override" not in answer.json
    assert ("user_id" in answer.json) is (caller == ROBIN)


async def test_a_caller_is_greeted_by_name_at_the_second_call(platform: Platform) -> None:
    await platform.takes(varied("inbound_twilio"))
    answer = await platform.initiation()
    assert answer.variables["caller_known"] is True
    assert answer.variables["caller_name"] == "Robin Baker"
    assert answer.variables["memory_greeting"].startswith("Welcome back, Robin!")
    assert answer.variables["caller_memory"].startswith("- ")
    context = json.loads(answer.variables["caller_context"])
    assert set(context) == {"memories", "preferences", "issues", "relationship", "conflicts"}
    (caller,) = (await platform.api("GET", "/api/callers")).data["callers"]
    assert answer.json["user_id"] == caller["caller"]


async def test_every_field_may_be_missing_null_or_empty(platform: Platform) -> None:
    names = ("caller_id", "agent_id", "called_number", "call_sid", "conversation_id", "dynamic_variables")
    assert is_stranger(await platform.tool("client-data", {}))
    assert is_stranger(await platform.tool("client-data", dict.fromkeys(names)))
    assert is_stranger(await platform.tool("client-data", dict.fromkeys(names[:-1], "") | {"more": [1]}))
    assert is_stranger(await platform.tool("client-data", {"dynamic_variables": {}}))


async def test_the_form_with_dynamic_variables_is_understood(platform: Platform) -> None:
    await platform.takes(varied("inbound_twilio"))
    request = {"dynamic_variables": {"system__caller_id": ROBIN, "system__agent_id": AGENT, "other": 1}}
    assert (await platform.tool("client-data", request)).variables["caller_known"] is True


async def test_the_same_caller_in_another_spelling_is_the_same_caller(platform: Platform) -> None:
    await platform.takes(varied("inbound_twilio"))
    for spelling in ("sip:+12025550142@pbx.example.com", "+1 (202) 555-0142", "tel:+1-202-555-0142"):
        assert (await platform.initiation(spelling)).variables["caller_known"] is True, spelling


async def test_withheld_numbers_are_never_pooled_as_one_person(platform: Platform) -> None:
    done = await platform.takes(call("My name is Robin Baker.", number=None))
    assert done["caller"] is None
    for caller in ("anonymous", "", None):
        assert is_stranger(await platform.initiation(caller))
        assert (await platform.search("name", caller)).json["found"] is False


async def test_our_own_number_is_never_a_caller(platform: Platform) -> None:
    await platform.takes(varied("inbound_twilio"))
    ours = json.loads(sample("inbound_twilio"))["data"]["metadata"]["phone_call"]["agent_number"]
    request = {"caller_id": ours, "called_number": "", "agent_id": AGENT}
    answer = await platform.tool("client-data", request)
    assert is_stranger(answer)
    assert "user_id" not in answer.json
    outbound = {"caller_id": ours, "called_number": ROBIN, "agent_id": AGENT}
    assert (await platform.tool("client-data", outbound)).variables["caller_known"] is True


async def test_another_agent_learns_only_what_is_shared(platform: Platform) -> None:
    await platform.takes(call("My name is Robin Baker.", "I live in Leeds."))
    ours, theirs = await platform.initiation(), await platform.initiation(agent_id="agent_other")
    assert "Leeds" in ours.variables["caller_memory"]
    assert "Robin" in theirs.variables["caller_memory"]
    assert "Leeds" not in theirs.body.decode()


async def test_the_first_message_is_overridden_only_when_that_is_configured(config: Config) -> None:
    config = evolve(config, greeting=Greeting(override_first_message=True))
    async with started(config) as platform:
        answer = await platform.initiation()
        assert answer.json["conversation_config_override"] == {"agent": {"first_message": STRANGER}}
        await platform.takes(varied("inbound_twilio"))
        answer = await platform.initiation()
        greeting = answer.variables["memory_greeting"]
        assert greeting != STRANGER
        assert answer.json["conversation_config_override"] == {"agent": {"first_message": greeting}}


async def test_a_greeting_expires_but_the_caller_stays_known(config: Config) -> None:
    now = [time.time()]
    async with started(config, clock=lambda: now[0]) as platform:
        await platform.takes(varied("inbound_twilio"))
        now[0] += 91 * 86400
        variables = (await platform.initiation()).variables
        assert variables["memory_greeting"] == STRANGER
        assert variables["caller_known"] is True
        assert "XYZ" in variables["caller_memory"] or variables["caller_memory"]


@pytest.mark.parametrize("letter", ["a", "ä", "語", "\U0001f6a3", '"', "\\"])
async def test_hundreds_of_memories_stay_below_seven_thousand_characters(
    platform: Platform, letter: str
) -> None:
    await platform.knows(
        *({"content": f"Memory {n} of {letter * 80}", "importance": n % 10 + 1} for n in range(300))
    )
    variables = (await platform.initiation(agent_id="agent_new")).variables
    assert 1000 < len(variables["caller_memory"]) + len(variables["caller_context"]) < 7000
    json.loads(variables["caller_context"])


async def test_whatever_fails_inside_the_agent_gets_a_strangers_answer(platform: Platform) -> None:
    await platform.takes(varied("inbound_twilio"))
    platform.sql("DROP TABLE greetings")
    platform.sql("DROP TABLE memories")
    assert is_stranger(await platform.initiation())
    found = await platform.search("order")
    assert (found.status, found.json["found"], found.json["memories"]) == (200, False, [])
    assert "moment" in found.json["result"]


async def test_a_slow_database_costs_the_memories_and_not_the_call(config: Config) -> None:
    """The readers are all lent out, so nothing can be read within the deadline."""
    server = evolve(config.server, live_timeout_ms=50)
    async with started(evolve(config, server=server)) as platform:
        await platform.takes(varied("inbound_twilio"))
        assert platform.up is not None
        database = platform.up.services.database
        async with database.read(), database.read(), database.read(), database.read():
            assert is_stranger(await platform.initiation())
            assert (await platform.search("order")).json["found"] is False
        assert (await platform.initiation()).variables["caller_known"] is True


async def test_a_caller_key_that_comes_back_is_the_same_caller(platform: Platform) -> None:
    await platform.takes(varied("inbound_twilio"))
    key = (await platform.initiation()).json["user_id"]
    event = call("I live in Leeds.", conversation_id="conv_back", number=None)
    event["data"]["user_id"] = key
    assert (await platform.takes(event))["caller"] == key


# -- POST /webhook/search-memory ---------------------------------------------------------------


async def test_a_search_answers_in_the_contracts_shape(platform: Platform) -> None:
    await platform.takes(call("I'm calling about order XYZ-789, it still hasn't arrived."))
    answer = await platform.search("where is order XYZ-789")
    assert answer.status == 200
    assert set(answer.json) == {"found", "result", "memories", "searched_agents"}
    assert (answer.json["found"], answer.json["searched_agents"]) == (True, AGENT)
    assert "XYZ-789" in answer.json["result"]
    memory = answer.json["memories"][0]
    assert set(memory) == {
        "id",
        "content",
        "category",
        "importance",
        "relevance",
        "when",
        "agent_id",
        "shared",
    }
    assert memory["id"].startswith("mem_")
    assert 0.7 <= memory["relevance"] <= 1
    assert (memory["agent_id"], memory["shared"]) == (AGENT, False)


async def test_nothing_found_is_a_sentence_the_agent_can_speak(platform: Platform) -> None:
    for caller in (ROBIN, "anonymous", None, ""):
        answer = await platform.search("order", caller)
        assert (answer.status, answer.json["found"], answer.json["memories"]) == (200, False, [])
        assert answer.json["result"].endswith(".")
        assert answer.json["searched_agents"]


async def test_the_scope_widens_from_the_agent_to_everyone(platform: Platform) -> None:
    await platform.knows(
        {"content": "Ordered a red kayak.", "agent_id": "agent_a", "importance": 5},
        {"content": "Booked a sailing lesson.", "agent_id": "agent_b", "importance": 5},
        {"content": "Allergic to peanuts.", "agent_id": "agent_b", "importance": 9},
    )
    own = (await platform.search("kayak", agent_id="agent_a")).json
    assert (own["found"], own["searched_agents"], own["memories"][0]["agent_id"]) == (
        True,
        "agent_a",
        "agent_a",
    )
    shared = (await platform.search("peanuts", agent_id="agent_a")).json
    assert (shared["found"], shared["searched_agents"]) == (True, "agent_a")
    assert (shared["memories"][0]["shared"], shared["memories"][0]["agent_id"]) == (True, None)
    others = (await platform.search("sailing lesson", agent_id="agent_a")).json
    assert (others["found"], others["searched_agents"]) == (True, "all")
    assert others["memories"][0]["agent_id"] == "agent_b"
    everyone = (await platform.search("kayak", agent_id="agent_b", search_all_agents=True)).json
    assert (everyone["found"], everyone["searched_agents"]) == (True, "all")


@pytest.mark.parametrize("limit", [0, -1, 21, 1.5, "5", True])
async def test_a_limit_outside_one_to_twenty_is_refused(platform: Platform, limit: Any) -> None:
    answer = await platform.search("order", limit=limit)
    assert (answer.status, "$.limit" in answer.json["message"]) == (400, True)


async def test_a_limit_is_kept_and_is_five_without_one(platform: Platform) -> None:
    await platform.knows(*({"content": f"Kayak {n}", "importance": 9} for n in range(12)))
    assert len((await platform.search("kayak")).json["memories"]) == 5
    assert len((await platform.search("kayak", limit=2)).json["memories"]) == 2
    assert len((await platform.search("kayak", limit=None)).json["memories"]) == 5


@pytest.mark.parametrize("query", [None, "", "   ", "\u0000\u0007", "x" * 1001, 5, ["order"], {"a": 1}])
async def test_a_query_must_be_a_text_of_at_most_a_thousand_characters(
    platform: Platform, query: Any
) -> None:
    answer = await platform.tool("search-memory", {"query": query, "caller_id": ROBIN})
    assert (answer.status, "$.query" in answer.json["message"]) == (400, True)
    missing = await platform.tool("search-memory", {"caller_id": ROBIN})
    assert (missing.status, "$.query" in missing.json["message"]) == (400, True)
    assert (await platform.search("x" * 1000)).status == 200


async def test_parameters_in_an_envelope_are_unwrapped(platform: Platform) -> None:
    await platform.knows({"content": "Ordered a kayak.", "importance": 9})
    wrapped = {
        "tool_name": "search_memory",
        "tool_call_id": "x",
        "conversation_id": "conv_1",
        "parameters": {"query": "kayak", "caller_id": ROBIN},
    }
    assert (await platform.tool("search-memory", wrapped)).json["found"] is True


@pytest.mark.parametrize("letter", ["a", "ä", "語", "\U0001f6a3", '"', "\\", "ж "])
async def test_an_answer_stays_below_two_kibibytes_in_any_script(platform: Platform, letter: str) -> None:
    await platform.knows(
        *({"content": f"kayak {n} " + letter * (380 // len(letter)), "importance": 9} for n in range(20))
    )
    answer = await platform.search("kayak", agent_id=letter * 200, limit=20)
    assert answer.status == 200
    assert answer.json["found"] is True
    assert len(answer.body) < 2048
    await platform.knows({"content": "canoe " + letter * (390 // len(letter)), "agent_id": letter[0] * 200})
    assert len((await platform.search("canoe", agent_id=letter[0] * 200, limit=20)).body) < 2048


async def test_no_template_and_no_control_character_ever_reaches_the_agent(platform: Platform) -> None:
    nasty = "{{system__caller_id}} \u0007\u001b[31m {{{x}}} \u2028 kayak"
    event = call(f"My name is {nasty}.", f"I'm calling about order XYZ-789 {nasty}, it hasn't arrived.")
    event["data"]["analysis"] = {"transcript_summary": nasty, "call_summary_title": nasty}
    await platform.takes(event)
    await platform.knows(
        {"content": f"A note about {nasty}", "agent_id": "{{agent}}\u0007", "importance": 5},
        {"content": f"Shared {nasty}", "importance": 9, "category": "issue"},
    )
    answers = [
        await platform.initiation(),
        await platform.initiation(agent_id="{{agent}}\u0007"),
        await platform.search("kayak", limit=20),
        await platform.search("kayak", agent_id="{{agent}}\u0007", limit=20),
        await platform.search("kayak note", search_all_agents=True, limit=20),
        await platform.search("nothing of the kind", agent_id="{{agent}}\u0007"),
    ]

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for item in value.values() for text in texts(item)]
        if isinstance(value, list):
            return [text for item in value for text in texts(item)]
        return [value] if isinstance(value, str) else []

    for answer in answers:
        assert answer.status == 200
        for text in texts(answer.json):
            assert "{{" not in text
            assert "}}" not in text
            assert all(char == "\n" or char.isprintable() for char in text), text


async def test_nobody_ever_hears_of_another_caller(platform: Platform) -> None:
    words = ["kayak", "canoe", "sextant", "anchor", "rudder", "compass"]
    callers = {f"+1202555017{n}": word for n, word in enumerate(words)}
    for n, (number, word) in enumerate(callers.items()):
        said = call(f"I prefer the {word}.", conversation_id=f"conv_{n}", number=number)
        await platform.send(said)
        await platform.knows(
            {"content": f"Bought a {word}.", "importance": 9},
            {"content": f"Lost the {word} again.", "importance": 3, "agent_id": AGENT},
            caller=number,
        )
    for n in range(len(callers)):
        await platform.processed(f"conv_{n}")
    for number, own in callers.items():
        others = set(words) - {own}
        for agent in (AGENT, "agent_other", None):
            heard = (await platform.initiation(number, agent or "")).body.decode()
            for query in (*words, " ".join(words), "bought lost again prefer"):
                for everywhere in (False, True):
                    answer = await platform.search(
                        query, number, agent, search_all_agents=everywhere, limit=20
                    )
                    heard += answer.body.decode()
            assert own in heard
            assert not [word for word in others if word in heard]


# -- health, echo, ids, origins ------------------------------------------------------------------


async def test_health_lists_every_dependency(platform: Platform) -> None:
    for base in (platform.url, platform.admin_url):
        answer = await platform.request("GET", f"{base}/health")
        assert (answer.status, is_wrapper(answer, "success")) == (200, True)
        assert answer.data["status"] == "healthy"
        assert {part["status"] for part in answer.data["dependencies"].values()} == {"ok"}
    assert (await platform.request("GET", f"{platform.url}/health?strict=1")).status == 200


async def test_a_blocked_provider_is_degraded_and_fails_only_when_asked_strictly(platform: Platform) -> None:
    assert platform.up is not None
    platform.up.services.worker.block("rules", "the key is refused", 300)
    answer = await platform.request("GET", f"{platform.url}/health")
    assert (answer.status, answer.data["status"]) == (200, "degraded")
    strict = await platform.request("GET", f"{platform.url}/health?strict=1")
    assert (strict.status, is_wrapper(strict, "error"), strict.data["status"]) == (503, True, "degraded")


async def test_a_database_that_cannot_be_read_is_no_longer_healthy(platform: Platform) -> None:
    platform.sql("ALTER TABLE tallies RENAME TO elsewhere")
    answer = await platform.request("GET", f"{platform.url}/health")
    platform.sql("ALTER TABLE elsewhere RENAME TO tallies")
    assert answer.data["status"] != "healthy"
    assert answer.data["dependencies"]["database"]["reason"]


@pytest.mark.parametrize("value", [{"a": [1, "é"], "b": None}, [1, 2], "text", 0.5, None, True])
async def test_echo_gives_the_body_back(platform: Platform, value: Any) -> None:
    answer = await platform.request("POST", f"{platform.url}/echo", json.dumps(value).encode())
    assert (answer.status, is_wrapper(answer, "success")) == (200, True)
    assert answer.data == (value if isinstance(value, dict) else {"echo": value})


async def test_echo_takes_64_kibibytes_and_no_more(platform: Platform) -> None:
    fits = b'"' + b"x" * ((64 << 10) - 2) + b'"'
    assert (await platform.request("POST", f"{platform.url}/echo", fits)).status == 200
    for body in (fits + b" ", _chunks(fits + b" ")):
        answer = await platform.request("POST", f"{platform.url}/echo", body)
        assert (answer.status, is_wrapper(answer, "error")) == (413, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"NaN", b"1e999", b"-1e999", b"\xff", *(b"[" * n + b"]" * n for n in range(300, 1100, 20))],
)
async def test_echo_refuses_or_returns_whatever_it_is_given(platform: Platform, body: bytes) -> None:
    answer = await platform.request("POST", f"{platform.url}/echo", body)
    assert answer.status in ((200, 400) if body.startswith(b"[") else (400,))
    json.loads(answer.body, parse_constant=pytest.fail)


async def test_a_valid_request_id_is_kept_and_any_other_replaced(platform: Platform) -> None:
    given = str(uuid.uuid4())
    answer = await platform.request("GET", f"{platform.url}/health", X_Request_ID=given)
    assert (answer.headers["X-Request-ID"], answer.json["request_id"]) == (given, given)
    for other in ("", "1", given + "0", given[:-1] + "g", "x" * 5000, "'; DROP TABLE jobs", "é"):
        answer = await platform.request("GET", f"{platform.url}/health", X_Request_ID=other)
        made = answer.headers["X-Request-ID"]
        assert (str(uuid.UUID(made)), made != given, is_wrapper(answer, "success")) == (made, True, True)


async def test_no_header_can_be_smuggled_in_through_a_request_id(platform: Platform) -> None:
    at = urlsplit(platform.url)
    for value in (b"x\rX-Evil: 1", b"x\nX-Evil: 1", b"x\x00X-Evil: 1", b"x%0d%0aX-Evil: 1"):
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        writer.write(
            b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: " + value + b"\r\n\r\n"
        )
        head = (await reader.read()).partition(b"\r\n\r\n")[0]
        writer.close()
        await writer.wait_closed()
        assert head.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
        assert b"X-Evil" not in head


async def test_every_answer_has_a_request_id_and_is_not_cached(platform: Platform) -> None:
    answers = [
        await platform.request("GET", f"{platform.url}/nowhere"),
        await platform.request("DELETE", f"{platform.url}/webhook/post-call"),
        await platform.request("GET", f"{platform.url}/health"),
        await platform.initiation(),
        await platform.search("x"),
        await platform.send(b"garbage"),
        await platform.request("OPTIONS", f"{platform.url}/health"),
    ]
    for answer in answers:
        assert uuid.UUID(answer.headers["X-Request-ID"])
        assert answer.headers["Cache-Control"] == "no-store"
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == len(answers)


async def test_an_unknown_address_is_404_and_another_method_405_with_allow(platform: Platform) -> None:
    for path in ("/", "/webhook", "/webhook/post-call/", "/%00", "/webhook/../etc/passwd"):
        answer = await platform.request("GET", f"{platform.url}{path}")
        assert (answer.status, is_wrapper(answer, "error")) == (404, True), path
    for method, path, allowed in (
        ("GET", "/webhook/post-call", "POST"),
        ("PUT", "/webhook/client-data", "POST"),
        ("POST", "/health", "GET"),
        ("DELETE", "/echo", "POST"),
    ):
        answer = await platform.request(method, f"{platform.url}{path}")
        assert (answer.status, is_wrapper(answer, "error")) == (405, True)
        assert answer.headers["Allow"] == allowed


async def test_web_pages_may_call_only_when_their_origin_is_configured(config: Config) -> None:
    ours, other = "https://app.example.com", "https://evil.example.com"
    preflight = {"Access-Control-Request-Method": "POST"}
    async with started(config) as platform:
        answer = await platform.request("GET", f"{platform.url}/health", Origin=ours)
        assert "Access-Control-Allow-Origin" not in answer.headers
        answer = await platform.request("OPTIONS", f"{platform.url}/echo", Origin=ours, **preflight)
        assert answer.status == 405
    allowed = evolve(config, server=evolve(config.server, cors_origins=(ours,)))
    async with started(allowed) as platform:
        answer = await platform.request("OPTIONS", f"{platform.url}/echo", Origin=ours, **preflight)
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == ours
        assert "X-Elaaoms-Token" in answer.headers["Access-Control-Allow-Headers"]
        for path in ("health", "nowhere"):
            answer = await platform.request("GET", f"{platform.url}/{path}", Origin=ours)
            assert answer.headers["Access-Control-Allow-Origin"] == ours
            assert answer.headers["Vary"] == "Origin"
            answer = await platform.request("GET", f"{platform.url}/{path}", Origin=other)
            assert "Access-Control-Allow-Origin" not in answer.headers
    anyone = evolve(config, server=evolve(config.server, cors_origins=("*",)))
    async with started(anyone) as platform:
        answer = await platform.request("GET", f"{platform.url}/health", Origin=other)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


# -- the admin API -------------------------------------------------------------------------------

ADMIN_ROUTES = [
    ("GET", "/api/memories"),
    ("POST", "/api/memories"),
    ("POST", "/api/memories/import"),
    ("GET", "/api/memories/mem_1"),
    ("GET", "/api/callers"),
    ("GET", "/api/callers/x"),
    ("GET", "/api/calls"),
    ("GET", "/api/calls/x"),
    ("GET", "/api/jobs"),
    ("GET", "/api/jobs/1"),
    ("POST", "/api/jobs/retry"),
    ("POST", "/api/jobs/1/retry"),
    ("POST", "/api/jobs/1/cancel"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
async def test_the_admin_api_is_only_on_its_listener_and_only_for_its_token(
    platform: Platform, method: str, path: str
) -> None:
    right = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert (await platform.request(method, f"{platform.url}{path}", **right)).status == 404
    for headers in ({}, {"Authorization": f"Bearer {TOOL_TOKEN}"}, {"X-Elaaoms-Token": TOOL_TOKEN}):
        answer = await platform.request(method, f"{platform.admin_url}{path}", **headers)
        assert (answer.status, is_wrapper(answer, "error")) == (401, True)
    assert (await platform.request(method, f"{platform.admin_url}{path}", **right)).status != 401


async def test_the_webhooks_are_not_on_the_admin_listener(platform: Platform) -> None:
    for path in ("/webhook/post-call", "/webhook/client-data", "/webhook/search-memory", "/echo"):
        answer = await platform.request("POST", f"{platform.admin_url}{path}", {}, X_Elaaoms_Token=TOOL_TOKEN)
        assert answer.status == 404


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/api/memories?calller=x", "query.calller"),
        ("/api/memories?limit=0", "query.limit"),
        ("/api/memories?limit=101", "query.limit"),
        ("/api/memories?limit=x", "query.limit"),
        ("/api/memories?limit=-1", "query.limit"),
        ("/api/memories?limit=%D9%A3", "query.limit"),
        ("/api/memories?limit=" + "9" * 5000, "query.limit"),
        ("/api/memories?category=gossip", "query.category"),
        ("/api/memories?status=alive", "query.status"),
        ("/api/memories?q=order", "query.caller"),
        ("/api/callers?x=1", "query.x"),
        ("/api/calls?state=failed", "query.state"),
        ("/api/jobs?state=odd", "query.state"),
        ("/api/jobs?after=x", "query.after"),
    ],
)
async def test_a_parameter_that_means_nothing_is_refused(platform: Platform, path: str, where: str) -> None:
    answer = await platform.api("GET", path)
    assert (answer.status, is_wrapper(answer, "error")) == (400, True)
    assert where in answer.json["message"]


async def test_pages_follow_each_other_without_gap_or_overlap(platform: Platform) -> None:
    for n in range(7):
        await platform.send(
            call(f"I live in Leeds {n}.", conversation_id=f"conv_{n}", number=f"+1202555015{n}")
        )
    for n in range(7):
        await platform.processed(f"conv_{n}")
    for name, key in (
        ("memories", "id"),
        ("callers", "caller"),
        ("calls", "conversation_id"),
        ("jobs", "id"),
    ):
        whole = [row[key] for row in (await platform.api("GET", f"/api/{name}?limit=100")).data[name]]
        assert len(whole) >= 7
        pages: list[Any] = []
        after = ""
        while after is not None:
            data = (await platform.api("GET", f"/api/{name}?limit=3&after={after}")).data
            assert len(data[name]) <= 3
            pages += [row[key] for row in data[name]]
            after = data["next"]
        assert pages == whole


async def test_memories_are_filtered_by_every_parameter(platform: Platform) -> None:
    await platform.knows(
        {"content": "Prefers the kayak.", "category": "preference", "agent_id": "agent_a"},
        {"content": "The kayak leaks.", "category": "issue", "agent_id": "agent_b"},
        {"content": "Has a kayak.", "importance": 8},
    )
    await platform.knows({"content": "Has a canoe."}, caller="+12025550155")
    robin = f"caller={quote(ROBIN, safe='')}"

    async def found(query: str) -> set[str]:
        return {memory["content"] for memory in await platform.memories(query)}

    assert len(await found("")) == 4
    assert len(await found(robin)) == 3
    assert await found("category=issue") == {"The kayak leaks."}
    assert await found(f"{robin}&agent=agent_a") == {"Prefers the kayak.", "Has a kayak."}
    assert await found("status=superseded") == set()
    assert await found("caller=%2B12025550199") == set()
    assert await found(f"{robin}&q=kayak&agent=agent_b") == {"The kayak leaks.", "Has a kayak."}
    assert await found(f"{robin}&q=kayak&category=issue") == {"The kayak leaks."}
    assert await found(f"{robin}&q=kayak&status=superseded") == set()
    ranked = await platform.memories(f"{robin}&q=kayak%20leaks")
    assert ranked[0]["content"] == "The kayak leaks."
    assert ranked[0]["relevance"] >= ranked[-1]["relevance"]
    (caller,) = {memory["caller"] for memory in await platform.memories(robin)}
    assert len(await found(f"caller={caller}")) == 3


async def test_superseded_memories_can_be_searched_too(platform: Platform) -> None:
    now = time.time()
    await platform.takes(call("I live in Leeds.", conversation_id="conv_1", at=now - 9000))
    await platform.takes(call("I've moved to York.", conversation_id="conv_2", at=now))
    robin = f"caller={quote(ROBIN, safe='')}"
    for status, city in (("superseded", "Leeds"), ("active", "York")):
        found = await platform.memories(f"{robin}&q=where%20does%20the%20caller%20live&status={status}")
        assert [city in memory["content"] for memory in found] == [True]


async def test_a_caller_is_addressed_by_number_user_id_or_key(platform: Platform) -> None:
    await platform.takes(varied("inbound_twilio"))
    await platform.takes(varied("web_user"))
    for address in (ROBIN, "crm-4711"):
        answer = await platform.api("GET", f"/api/callers/{quote(address, safe='')}")
        assert answer.status == 200
        assert answer.data["address"] == address
        again = await platform.api("GET", f"/api/callers/{answer.data['caller']}")
        assert again.data == answer.data
    for nobody in ("%2B12025550199", "caller_" + "0" * 32, "anonymous", "%ED%A0%80", "%00"):
        answer = await platform.api("GET", f"/api/callers/{nobody}")
        assert (answer.status, is_wrapper(answer, "error")) == (404, True), nobody


async def test_a_call_shows_what_arrived_and_what_it_taught(platform: Platform) -> None:
    done = await platform.takes(varied("inbound_twilio"))
    assert done["extraction_status"] == "completed"
    assert [event["type"] for event in done["events"]] == ["post_call_transcription"]
    assert done["memories"]
    for memory in done["memories"]:
        assert memory["conversation_id"] == "conv_0001harbour"
        assert memory["evidence"][0]["quote"]
    shown = await platform.api("GET", f"/api/memories/{done['memories'][0]['id']}")
    memory = shown.data
    for entry in memory["evidence"]:
        turns = entry.pop("turns")
        assert entry["quote"] in next(turn["text"] for turn in turns if turn["turn"] == entry["turn"])
        assert entry.pop("seconds") is not None
        assert entry.pop("audio") is None
    assert memory == done["memories"][0]
    for missing in ("/api/calls/conv_none", "/api/memories/mem_none", "/api/calls/..%2F..%2Fx"):
        assert (await platform.api("GET", missing)).status == 404


async def test_a_memory_added_by_the_operator_is_used_in_the_next_call(platform: Platform) -> None:
    new = {
        "caller": ROBIN,
        "content": "Wants to be called Bob.",
        "category": "preference",
        "importance": 9,
        "event_date": "2026-11-02",
    }
    answer = await platform.api("POST", "/api/memories", new)
    assert (answer.status, answer.data["content"]) == (200, new["content"])
    assert answer.data["evidence"][0]["source"] == "operator"
    assert (answer.data["shared"], answer.data["event_date"]) == (True, "2026-11-02")
    assert "Bob" in (await platform.initiation()).variables["caller_memory"]
    assert (await platform.api("POST", "/api/memories", new)).data["id"] == answer.data["id"]
    assert platform.count("memories") == 1


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"caller": None}, "$.caller"),
        ({"caller": "anonymous"}, "$.caller"),
        ({"caller": ""}, "$.caller"),
        ({"content": ""}, "$.content"),
        ({"content": " \u0007 "}, "$.content"),
        ({"content": "x" * 401}, "$.content"),
        ({"importance": 0}, "$.importance"),
        ({"importance": 11}, "$.importance"),
        ({"importance": "9"}, "$.importance"),
        ({"category": "gossip"}, "$.category"),
        ({"event_date": "tomorrow"}, "$.event_date"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_an_unsound_memory_is_refused_with_its_path(
    platform: Platform, changes: dict[str, Any], where: str
) -> None:
    new = {"caller": ROBIN, "content": "Has a kayak."} | changes
    answer = await platform.api("POST", "/api/memories", {k: v for k, v in new.items() if v is not None})
    assert (answer.status, where in answer.json["message"]) == (400, True), answer.body
    assert platform.count("memories") == 0


@pytest.mark.parametrize("name", ["key", "agent_id", "content", "caller"])
async def test_half_a_character_in_a_memory_is_no_error_of_ours(platform: Platform, name: str) -> None:
    new = {"caller": ROBIN, "content": "Has a kayak.", name: "kayak \ud800"}
    assert (await platform.api("POST", "/api/memories", new)).status in (200, 400)


async def test_an_import_is_idempotent_by_key(platform: Platform) -> None:
    lines = [
        json.dumps({"caller": f"+1202555017{n % 5}", "content": f"Fact {n}.", "key": f"k{n}"})
        for n in range(50)
    ]
    body = ("\n".join(lines) + "\n\n").encode()
    first = await platform.api(
        "POST", "/api/memories/import", body, **{"Content-Type": "application/x-ndjson"}
    )
    assert first.data == {"lines": 50, "imported": 50, "unchanged": 0, "callers": 5}
    again = await platform.api("POST", "/api/memories/import", body)
    assert again.data == {"lines": 50, "imported": 0, "unchanged": 50, "callers": 5}
    assert platform.count("memories") == 50


async def test_an_import_with_unsound_lines_imports_nothing_and_names_them(platform: Platform) -> None:
    lines = [
        '{"caller": "+12025550142", "content": "Has a kayak."}',
        "{",
        '{"caller": "+12025550142"}',
        '{"caller": "+12025550142", "content": "x", "importance": 99}',
        '{"caller": "+12025550142", "content": "x", "line": 1, "line": 2}',
        '{"caller": "+12025550142", "content": "Has a canoe."}',
    ]
    answer = await platform.api("POST", "/api/memories/import", "\n".join(lines).encode())
    assert answer.status == 400
    for number, unsound in enumerate((False, True, True, True, True, False), 1):
        assert (f"line {number}" in answer.json["message"]) is unsound, number
    assert (platform.count("memories"), platform.count("facts"), platform.count("callers")) == (0, 0, 0)


async def test_a_failed_job_is_listed_retried_and_cancelled(platform: Platform) -> None:
    failed = (await platform.send(sample("audio_not_mp3"))).data["job_id"]
    await platform.settled(failed)
    listed = (await platform.api("GET", "/api/jobs?state=failed")).data
    assert [job["id"] for job in listed["jobs"]] == [failed]
    assert listed["counts"]["failed"] == 1
    retried = await platform.api("POST", f"/api/jobs/{failed}/retry", {})
    assert (retried.status, retried.data["state"], retried.data["attempt"]) == (200, "available", 0)
    assert len((await platform.settled(failed))["errors"]) == 2
    assert (await platform.api("POST", "/api/jobs/retry", {})).data == {"retried": 1}
    await platform.settled(failed)
    cancelled = await platform.api("POST", f"/api/jobs/{failed}/cancel")
    assert (cancelled.status, cancelled.data["state"]) == (200, "cancelled")
    assert (await platform.api("POST", f"/api/jobs/{failed}/cancel")).status == 409
    assert (await platform.api("POST", "/api/jobs/retry")).data == {"retried": 0}


async def test_a_job_that_is_done_or_missing_is_neither_retried_nor_cancelled(platform: Platform) -> None:
    job = (await platform.send(sample("inbound_twilio"))).data["job_id"]
    await platform.settled(job)
    for action in ("retry", "cancel"):
        answer = await platform.api("POST", f"/api/jobs/{job}/{action}")
        assert (answer.status, is_wrapper(answer, "error")) == (409, True)
        for missing in (job + 1, "x", "-1", "9" * 30, "%D9%A1"):
            assert (await platform.api("POST", f"/api/jobs/{missing}/{action}")).status == 404
    assert (await platform.api("GET", "/api/jobs/999")).status == 404


# -- what must not be told -----------------------------------------------------------------------


async def test_neither_logs_nor_errors_tell_a_secret_a_number_or_a_word_of_a_call(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    config = evolve(config, logging=Logging(level="info"))
    word, other = "Peanutallergic", "+12025550177"
    with caplog.at_level(logging.INFO):
        async with started(config) as platform:
            said = varied("inbound_twilio", number=other, conversation_id="conv_1")
            said["data"]["transcript"][1]["message"] += f" My name is Robin {word}."
            errors = [await platform.send(said, secret="wsec_" + "e" * 32)]
            await platform.takes(said)
            await platform.send(said)
            await platform.send(sample("audio_not_mp3"))
            await platform.send(sample("failure_twilio"))
            await platform.send(json.dumps(said | {"type": [word]}).encode())
            await platform.send(json.dumps(said).encode()[:-3])
            await platform.initiation(other)
            await platform.search(word, other)
            await platform.knows({"content": f"Is {word}."}, caller=other)
            await platform.api("GET", f"/api/callers/{quote(other, safe='')}")
            await platform.memories(f"caller={quote(other, safe='')}&q={word}")
            errors += [
                await platform.tool("client-data", {"caller_id": [other, word]}),
                await platform.tool(
                    "client-data", f'{{"caller_id": "{other}", "caller_id": "{word}"}}'.encode()
                ),
                await platform.tool("search-memory", {"query": [word], "caller_id": other}),
                await platform.api(
                    "POST", "/api/memories", {"caller": other, "content": word, "importance": 99}
                ),
                await platform.api("GET", f"/api/callers/{quote('+12025550178', safe='')}"),
                await platform.request(
                    "GET", f"{platform.admin_url}/api/jobs", Authorization=f"Bearer {TOOL_TOKEN}"
                ),
                await platform.request("POST", f"{platform.url}/echo", f'{{"{word}'.encode()),
            ]
            platform.sql("DROP TABLE greetings")
            platform.sql("DROP TABLE memories")
            await platform.initiation(other)
            await platform.search(word, other)
            errors.append(await platform.api("GET", f"/api/memories?caller={quote(other, safe='')}"))
    assert len(caplog.records) > 20
    assert {answer.status for answer in errors} == {400, 401, 404, 500}
    forbidden = (
        word,
        other,
        other[1:],
        ROBIN[1:],
        OUR_NUMBER[1:],
        WEBHOOK_SECRET,
        TOOL_TOKEN,
        ADMIN_TOKEN,
        "XYZ",
    )
    for text in (caplog.text, *(answer.body.decode() for answer in errors)):
        assert not [secret for secret in forbidden if secret in text]


async def test_the_data_is_for_its_owner_alone(platform: Platform) -> None:
    await platform.takes(varied("inbound_twilio"))
    for path in (platform.data, *platform.data.rglob("*")):
        if path.suffix not in (".db-wal", ".db-shm"):
            assert path.stat().st_mode & 0o077 == 0, path
