"""Runs beside the service: 256 callers' connections that stay open, and ten recordings of 50 MB at once."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

CONNECTIONS, RECORDINGS, MEGABYTES = 256, 10, 50
URL = "http://127.0.0.1:8000"
SECRETS = Path("/etc/elaaoms/secrets")
SECRET = SECRETS.joinpath("webhook_secret").read_text().split()[0].encode()
OPERATOR = {"Authorization": f"Bearer {SECRETS.joinpath('admin_token').read_text().strip()}"}
SOUND = b"\xff\xfb\x90\x64" + os.urandom(3 * 250_000 - 4)  # begins as MP3 does; base64 of it needs no padding


def pieces(number: int) -> list[bytes]:
    """A recording's body; the pieces are one and the same object, so that it costs us nothing."""
    name = {"agent_id": "agent_1", "conversation_id": f"conv_{number}"}
    event = json.dumps(
        {"type": "post_call_audio", "event_timestamp": int(time.time()), "data": name | {"full_audio": ""}}
    )
    piece = base64.b64encode(SOUND)
    return [event[:-3].encode(), *[piece] * (MEGABYTES * 1_000_000 // len(SOUND)), event[-3:].encode()]


def signature(body: list[bytes]) -> str:
    now = int(time.time())
    mac = hmac.new(SECRET, f"{now}.".encode(), hashlib.sha256)
    for piece in body:
        mac.update(piece)
    return f"t={now},v0={mac.hexdigest()}"


async def caller(inside: asyncio.Barrier, ended: asyncio.Event) -> None:
    """Somebody who asks, stays, and asks again when the recordings are there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 8000)
    for wait in (inside.wait, ended.wait):
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        await reader.readexactly(length)
        await wait()
    writer.close()


async def recording(session: aiohttp.ClientSession, number: int) -> None:
    body = pieces(number)

    async def sent() -> AsyncIterator[bytes]:
        for piece in body:
            yield piece

    headers = {"Content-Type": "application/json", "ElevenLabs-Signature": signature(body)}
    async with session.post("/webhook/post-call", data=sent(), headers=headers) as answer:
        assert answer.status == 200, await answer.text()


async def main() -> None:
    inside, ended = asyncio.Barrier(CONNECTIONS + 1), asyncio.Event()
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(URL, timeout=timeout) as session, asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(caller(inside, ended))
        await inside.wait()
        begun = time.monotonic()
        async with asyncio.TaskGroup() as recordings:
            for number in range(RECORDINGS):
                recordings.create_task(recording(session, number))
        took = time.monotonic() - begun
        ended.set()
    async with aiohttp.ClientSession("http://127.0.0.1:8001") as session:  # until all are unpacked
        for _ in range(600):
            async with session.get("/api/jobs?limit=100", headers=OPERATOR) as answer:
                states = {job["state"] for job in (await answer.json())["data"]["jobs"]}
            if states == {"completed"}:
                break
            await asyncio.sleep(0.2)
    assert states == {"completed"}, states
    print(
        f"{CONNECTIONS} connections stay open while {RECORDINGS} recordings of {MEGABYTES} MB arrive in {took:.1f} s"
    )


asyncio.run(main())
