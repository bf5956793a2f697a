"""Senders who are slow, silent, broken or too many take nothing from the others."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from contextlib import AsyncExitStack

import pytest
from attrs import evolve
from conftest import Platform, call, started
from wire import address, line

from elaaoms.config import Config, Limits
from elaaoms.webhooks import sign


async def spoken(platform: Platform, *pieces: bytes) -> bytes:
    """Send raw bytes and read until the server closes."""
    async with line(platform) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 20)


def small(config: Config, **limits: int) -> Config:
    return evolve(config, limits=Limits(**limits))


HEAD = b"POST /webhook/post-call HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


# -- slow ------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /health HTTP/1.1\r\n", HEAD + b"X-Slow: y"])
async def test_a_head_that_does_not_arrive_in_time_closes_the_connection(config: Config, sent: bytes) -> None:
    async with started(evolve(config, server=evolve(config.server, head_timeout_s=0.2))) as platform:
        assert await spoken(platform, sent) == b""


async def test_a_head_that_drips_in_is_not_given_more_time_for_each_byte(config: Config) -> None:
    server = evolve(config.server, head_timeout_s=0.3)
    async with started(evolve(config, server=server)) as platform, line(platform) as (reader, writer):
        begun, sent = time.monotonic(), False
        while not reader.at_eof() and time.monotonic() - begun < 10:
            writer.write(b"y" if sent else HEAD + b"X: ")
            sent = True
            try:
                async with asyncio.timeout(0.05):
                    assert await reader.read(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - begun < 5


async def test_the_second_request_of_a_connection_has_the_deadline_too(config: Config) -> None:
    server = evolve(config.server, head_timeout_s=0.3)
    async with started(evolve(config, server=server)) as platform, line(platform) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        await asyncio.sleep(0.05)
        writer.write(b"GET /hea")
        assert b"HTTP/1.1" not in await asyncio.wait_for(reader.read(), 5)


async def test_a_handler_that_takes_its_time_is_not_cut_by_the_heads_deadline(config: Config) -> None:
    server = evolve(config.server, head_timeout_s=0.1)
    async with started(evolve(config, server=server)) as platform:
        body = json.dumps(call("I live in Leeds.")).encode()
        signature = sign(platform.webhook_secret, body, now=time.time())
        head = HEAD + f"Content-Length: {len(body)}\r\nElevenLabs-Signature: {signature}\r\n".encode()
        async with line(platform) as (reader, writer):
            writer.write(head + b"Connection: close\r\n\r\n" + body[:10])
            await asyncio.sleep(0.3)
            writer.write(body[10:])
            assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP/1.1 200 OK")


async def test_a_thousand_silent_connections_keep_nobody_out(config: Config) -> None:
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(started(small(config, connections=100)))
        for _ in range(1000):
            _, writer = await stack.enter_async_context(line(platform))
            writer.write(HEAD)
        took = []
        for number in range(20):
            begun = time.monotonic()
            answer = await platform.send(call("I live in Leeds.", conversation_id=f"conv_{number}"))
            took.append(time.monotonic() - begun)
            assert answer.status == 200
        assert max(took) < 1


async def test_a_full_house_is_503_and_opens_again(config: Config) -> None:
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(started(small(config, connections=2)))
        body = json.dumps(call("I live in Leeds.")).encode()
        signature = sign(platform.webhook_secret, body, now=time.time())
        head = HEAD + f"Content-Length: {len(body)}\r\nElevenLabs-Signature: {signature}\r\n\r\n".encode()
        busy = [await stack.enter_async_context(line(platform)) for _ in range(2)]
        for _, writer in busy:
            writer.write(head)
            await writer.drain()
        await asyncio.sleep(0.1)  # both heads are read
        answer = await spoken(platform)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5\r\n" in answer
        wrapper = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert wrapper["status"] == "error"
        assert uuid.UUID(wrapper["request_id"])
        for reader, writer in busy:
            writer.write(body)
            assert b" 200 OK" in await asyncio.wait_for(reader.readline(), 20)
        assert (await platform.send(call("I live in Leeds."))).status == 200


async def test_half_open_connections_are_forgotten(config: Config) -> None:
    async with started(evolve(config, server=evolve(config.server, body_timeout_s=0.2))) as platform:
        for sent in (
            HEAD + b"Content-Length: 100\r\n\r\nhalf",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhal",
        ):
            signature = sign(platform.webhook_secret, b"", now=time.time()).encode()
            signed = sent.replace(b"\r\n\r\n", b"\r\nElevenLabs-Signature: " + signature + b"\r\n\r\n", 1)
            assert b" 408 " in await spoken(platform, signed)
            async with line(platform) as (_, writer):
                writer.write(signed)
                await writer.drain()
                writer.transport.abort()  # a reset instead of a goodbye
        await asyncio.sleep(0.3)
        assert platform.files() == {}


# -- broken ------------------------------------------------------------------------------

BROKEN = {
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a bad method": b"G<T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header of 20 KB": b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    "an address of 20 KB": b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a thousand headers": b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": HEAD + b"Content-Length: -2\r\n\r\n{}",
    "a length of letters": HEAD + b"Content-Length: two\r\n\r\n{}",
    "a NUL in a header": b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "a CR in a header": b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\rSet-Cookie: b\r\n\r\n",
    "a bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_not_http_is_told_so_in_the_wrapper(
    platform: Platform, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    answer = await spoken(platform, BROKEN[what], b"")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ", b"HTTP/1.1 401 ")), answer
    wrapper = json.loads(body)
    assert wrapper["status"] == "error"
    assert f"X-Request-ID: {wrapper['request_id']}".encode() in head
    assert b"yyyy" not in answer
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]
    assert (await platform.request("GET", f"{platform.url}/health")).status == 200


# -- stopping ----------------------------------------------------------------------------


async def test_a_body_that_is_arriving_when_the_daemon_stops_is_taken_in(config: Config) -> None:
    body = json.dumps(call("I live in Leeds.")).encode()
    async with AsyncExitStack() as lines:
        async with started(config) as platform:
            signature = sign(platform.webhook_secret, body, now=time.time())
            head = HEAD + f"Content-Length: {len(body)}\r\nElevenLabs-Signature: {signature}\r\n\r\n".encode()
            reader, writer = await lines.enter_async_context(line(platform))
            writer.write(head + body[:100])
            idle_reader, _ = await lines.enter_async_context(line(platform))
            await asyncio.sleep(0.1)  # the head is read

            async def rest() -> bytes:
                assert await asyncio.wait_for(idle_reader.read(), 20) == b""  # it is stopping
                with pytest.raises(ConnectionError):
                    await asyncio.open_connection(*address(platform))
                writer.write(body[100:])
                return await asyncio.wait_for(reader.read(), 20)

            sending = asyncio.create_task(rest())
        assert (await sending).startswith(b"HTTP/1.1 200 OK")
    async with started(config) as platform:
        assert (await platform.processed("conv_test"))["extraction_status"] == "completed"
        assert platform.count("events") == 1
