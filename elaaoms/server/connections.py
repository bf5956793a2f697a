"""The connections of a listener: how many there may be, how long the head of a request may take, how they end."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import uuid
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from elaaoms import __version__

BUSY_RETRY_S = 5
ARRIVE_S = 1.0  # when we stop: for the request of somebody who has only just connected
HAND_OVER = 4  # turns of the loop until a connection that it accepted, and what came with it, is here
LINGER_S = 1.0  # how long the rest of a refused body is read, so that its sender sees the answer
FILES_OF_OUR_OWN = 128  # descriptors for the database, the archive and the services we call

log = logging.getLogger("elaaoms.http")


class Connection(RequestHandler):
    """aiohttp's connection with what it lacks: a deadline for a request's head, and errors in our wrapper.

    Between two requests aiohttp's own `keepalive_timeout` runs; the deadline begins with the first byte.
    """

    __slots__ = ("_deadline", "_listener", "arriving", "fresh")

    def __init__(self, listener: Listener, **settings: Any) -> None:
        super().__init__(listener.server, **settings)
        self._listener = listener
        self._deadline: asyncio.TimerHandle | None = None
        self.fresh = True  # nothing was asked on it yet
        self.arriving = False  # something came since the last answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._listener.admits(self):
            self._force_close = True  # nothing that arrives is looked at
            if isinstance(transport, asyncio.Transport):
                transport.write(_busy())
                transport.write_eof()
            # Closed at once, what has arrived unread would become a reset that takes the answer with it.
            asyncio.get_running_loop().call_later(LINGER_S, transport.close)
            return
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._disarm()
        self._listener.lost(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.arriving = True
        super().data_received(data)
        if self._deadline is None and not self._messages and self in self._listener.idle:
            self._expect_head()

    def begun(self) -> None:
        """The head of a request is complete."""
        self._disarm()
        self.fresh = False
        self._listener.begun(self)

    def ended(self) -> None:
        """The request is answered."""
        self.arriving = False
        self._listener.ended(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse; the message repeats nothing of it."""
        self._disarm()
        log.info("a malformed request was refused (%s)", type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        text = "the request is not valid HTTP" if status < 500 else "an error inside elaaoms"
        request_id = str(uuid.uuid4())
        response = web.Response(
            status=status, body=_wrapped(text, request_id), headers=_HEADERS | {"X-Request-ID": request_id}
        )
        response.force_close()
        return response

    def _expect_head(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._listener.head_timeout_s, self._late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        log.info("a connection was closed: no request arrived on it in time")
        self.force_close()


class Listener:
    """Makes a server's connections and knows which of them are at work.

    Of more than `most` the one that has been idle longest goes; when none is idle the new one is
    answered 503, so that a full house never costs the process its last file descriptor.
    """

    def __init__(self, server: web.Server, *, most: int, head_timeout_s: float, keep_alive_s: float) -> None:
        self.server = server
        self.head_timeout_s = head_timeout_s
        self.idle: dict[Connection, None] = {}
        self.busy: set[Connection] = set()
        self._most = most
        self._keep_alive_s = keep_alive_s
        self._draining = False
        self._quiet = asyncio.Event()

    def __call__(self) -> Connection:
        # Bodies are never inflated (a small gzip can become gigabytes); access is logged by the border.
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=self._keep_alive_s,
            lingering_time=LINGER_S,
        )

    def admits(self, new: Connection) -> bool:
        """Whether there is room for one more, which then counts as idle."""
        if len(self.idle) + len(self.busy) >= self._most:
            if not self.idle:
                return False
            longest = next(iter(self.idle))
            del self.idle[longest]
            longest.force_close()
        self.idle[new] = None
        return True

    def begun(self, connection: Connection) -> None:
        self.idle.pop(connection, None)
        self.busy.add(connection)

    def ended(self, connection: Connection) -> None:
        if connection in self.busy:
            self.busy.discard(connection)
            self.idle[connection] = None
        if self._draining:
            connection.close()
        self._look()

    def lost(self, connection: Connection) -> None:
        self.idle.pop(connection, None)
        self.busy.discard(connection)
        self._look()

    def _look(self) -> None:
        if self._draining and not self.busy and not any(one.fresh or one.arriving for one in self.idle):
            self._quiet.set()

    async def drain(self, timeout_s: float) -> None:
        """Let the requests that have begun arrive and be answered; the others' connections close.

        Who connected just before we closed the door has its request on the way: it gets a moment to arrive.
        """
        self._draining = True
        for connection in [one for one in self.idle if not one.fresh and not one.arriving]:
            connection.force_close()
        waited = asyncio.get_running_loop().call_later(ARRIVE_S, self._shut)
        self._look()
        if self.busy or self.idle:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._quiet.wait()
            except TimeoutError:
                log.warning("%d requests did not end in time and are cut", len(self.busy))
        waited.cancel()

    def _shut(self) -> None:
        for connection in [one for one in self.idle if not one.arriving]:
            connection.force_close()


async def close_door(server: asyncio.Server) -> None:
    """Accept nobody more, and close once everybody who was accepted is in.

    asyncio makes a connection some turns of the loop after it accepted it, and drops it when the
    server was closed meanwhile. Who is not accepted waits in the socket if somebody else holds it too.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(HAND_OVER):
        await asyncio.sleep(0)
    server.close()


def most_connections(wanted: int) -> int:
    """How many connections the process may have: each may need a file beside its socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + FILES_OF_OUR_OWN
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, (soft - FILES_OF_OUR_OWN) // 2)
    return wanted


_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Server": f"elaaoms/{__version__}",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def _wrapped(message: str, request_id: str) -> bytes:
    return json.dumps({"status": "error", "message": message, "request_id": request_id, "data": {}}).encode()


def _busy() -> bytes:
    """A whole answer, for a connection that gets no request handler."""
    request_id = str(uuid.uuid4())
    body = _wrapped("too many connections, come back later", request_id)
    headers = _HEADERS | {
        "X-Request-ID": request_id,
        "Retry-After": str(BUSY_RETRY_S),
        "Connection": "close",
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 503 Service Unavailable\r\n{head}\r\n".encode() + body
