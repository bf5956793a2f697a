"""The servers that elaaoms is measured against: `python -m tests.bench.bare aiohttp|ceiling`.

`aiohttp` reads, verifies and parses an event, or answers a constant, and keeps nothing. `ceiling`
answers before it has looked at anything: what the load generator reaches there is its own limit.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys

from aiohttp import web

from tests.processes import WEBHOOK_SECRET

_ANSWER = b'{"status": "success", "message": "accepted"}'
_RAW = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(_ANSWER), _ANSWER)


async def ingest(request: web.Request) -> web.Response:
    """Read the body, verify its HMAC, parse its JSON, answer."""
    timestamp, _, digest = request.headers["ElevenLabs-Signature"].partition(",")
    body = await request.read()
    signed = timestamp.removeprefix("t=").encode() + b"." + body
    expected = hmac.new(WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, digest.removeprefix("v0=")):
        return web.Response(status=401)
    json.loads(body)
    return web.Response(body=_ANSWER, content_type="application/json")


async def constant(_: web.Request) -> web.Response:
    """Answer."""
    return web.Response(body=_ANSWER, content_type="application/json")


class Ceiling(asyncio.Protocol):
    """Counts the bytes of requests that are all of one length, which the first line of each tells."""

    def __init__(self) -> None:
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            head, _, _ = data.partition(b"\r\n\r\n")
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            self._missing = len(head) + 4 + int(length.partition(b":")[2])
        self._missing -= len(data)
        if not self._missing:
            self._transport.write(_RAW)


async def _run(kind: str) -> None:
    if kind == "ceiling":
        server = await asyncio.get_running_loop().create_server(Ceiling, "127.0.0.1", 0)
        print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    else:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/ingest", ingest)
        app.router.add_post("/constant", constant)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))
