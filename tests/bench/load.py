"""The load generator: ready-made requests over kept connections, as little Python a request as possible."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from attrs import frozen


@frozen
class Figures:
    """One round: how many answers came in how long, how long each took, and how busy we were ourselves."""

    seconds: float
    latencies: Sequence[float]  # sorted, in seconds
    busy: float  # share of one core that the generator used

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """The time within which this share of the answers came, in seconds."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def request(path: str, body: bytes, **headers: str) -> bytes:
    """A whole POST, as it goes over the wire."""
    named = {"Host": "bench", "Content-Type": "application/json", "Content-Length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """One kept connection; `ask` sends a request and waits for the end of its answer."""

    def __init__(self, statuses: Counter[str]) -> None:
        self._statuses = statuses
        self._answer: asyncio.Future[None] | None = None
        self._missing = -1
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server hung up"))

    def ask(self, whole: bytes) -> asyncio.Future[None]:
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(whole)
        return self._answer

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            self._head += data
            head, blank, body = self._head.partition(b"\r\n\r\n")
            if not blank:
                return
            self._head = b""
            self._statuses[head[9:12].decode()] += 1
            lines = head.lower().split(b"\r\n")
            length = next(line for line in lines if line.startswith(b"content-length"))
            self._missing = int(length.partition(b":")[2])
            data = body
        self._missing -= len(data)
        if self._missing <= 0:
            self._missing = -1
            assert self._answer is not None
            self._answer.set_result(None)


async def _connect(url: str, statuses: Counter[str]) -> _Connection:
    place = urlsplit(url)
    _, protocol = await asyncio.get_running_loop().create_connection(
        lambda: _Connection(statuses), place.hostname, place.port
    )
    return protocol


async def flood(url: str, requests: Iterable[bytes], *, connections: int) -> Figures:
    """Send requests as fast as answers come, on so many connections; every answer must be 200."""
    statuses: Counter[str] = Counter()
    lines = [await _connect(url, statuses) for _ in range(connections)]
    waiting = iter(requests)
    latencies: list[float] = []

    async def one(line: _Connection) -> None:
        for whole in waiting:
            asked = time.perf_counter()
            await line.ask(whole)
            latencies.append(time.perf_counter() - asked)

    cpu, begun = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one(line) for line in lines))
    return _figures(lines, statuses, latencies, begun, cpu)


async def paced(url: str, requests: Sequence[bytes], *, per_second: float, connections: int = 16) -> Figures:
    """Send requests at even moments, whether or not answers came; each is timed from its moment on."""
    statuses: Counter[str] = Counter()
    lines = [await _connect(url, statuses) for _ in range(connections)]
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    for line in lines:
        free.put_nowait(line)
    latencies: list[float] = []
    loop = asyncio.get_running_loop()

    async def one(whole: bytes, due: float) -> None:
        line = await free.get()  # waiting for a line is counted against the server
        await line.ask(whole)
        latencies.append(time.perf_counter() - due)
        free.put_nowait(line)

    cpu, begun = time.process_time(), time.perf_counter()
    tasks = []
    for index, whole in enumerate(requests):
        due = begun + index / per_second
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        # A late timer is ours, not the server's; a queue before the server is the server's.
        tasks.append(loop.create_task(one(whole, max(due, time.perf_counter()))))
    await asyncio.gather(*tasks)
    return _figures(lines, statuses, latencies, begun, cpu)


def _figures(
    lines: Sequence[_Connection], statuses: Counter[str], latencies: list[float], begun: float, cpu: float
) -> Figures:
    seconds = time.perf_counter() - begun
    busy = (time.process_time() - cpu) / seconds
    for line in lines:
        line.transport.close()
    if set(statuses) != {"200"}:
        raise RuntimeError(f"not every answer was 200: {dict(statuses)}")
    return Figures(seconds, sorted(latencies), busy)
