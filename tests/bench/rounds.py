"""What is measured: each round runs ours and what it is compared with one after the other."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sqlite3
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, evolve, field, frozen

from elaaoms.webhooks import sign
from tests.bench import bodies
from tests.bench.load import Figures, flood, paced, request
from tests.bench.queues import OTHERS
from tests.bench.stored import ASKED, asked_number, populate
from tests.conftest import AGENT, OUR_NUMBER
from tests.processes import ADMIN_TOKEN, TOOL_TOKEN, WEBHOOK_SECRET, Address, configure, daemon, ready, spawn

KIB, MIB = 1 << 10, 1 << 20
POST_CALL = "/webhook/post-call"


@frozen
class Extent:
    """How much is measured."""

    rounds: int
    sizes: Sequence[int]  # of transcripts, in bytes
    connections: Sequence[int]
    requests: int  # of 8 KB in one round; fewer of larger ones
    live_s: float  # how long callers ask in one round
    jobs: int
    audio_mb: Sequence[int]


FULL = Extent(
    rounds=3,
    sizes=(8 * 1000, 150 * 1000),
    connections=(1, 32, 256),
    requests=1536,
    live_s=4,
    jobs=600,
    audio_mb=(1, 10, 50, 100, 200),
)
QUICK = Extent(
    rounds=2,
    sizes=(8 * 1000,),
    connections=(1, 32),
    requests=256,
    live_s=1.5,
    jobs=100,
    audio_mb=(1, 20),
)
LEAST = Extent(
    rounds=1,
    sizes=(8 * 1000,),
    connections=(8,),
    requests=16,
    live_s=0.2,
    jobs=5,
    audio_mb=(1,),
)


@frozen
class Row:
    """One line of the result: `ratios` are ours over theirs, a round each; times are in milliseconds."""

    part: str
    what: str
    stored: int
    ratios: Sequence[float]
    ours: float
    theirs: float
    unit: str

    @property
    def spread(self) -> tuple[float, float, float]:
        """Least, median and greatest ratio."""
        return min(self.ratios), statistics.median(self.ratios), max(self.ratios)

    def __str__(self) -> str:
        low, middle, high = self.spread
        return (
            f"({self.part}) {self.what:<52} {middle:8.3f}  [{low:.3f} .. {high:.3f}]"
            f"  {self.ours:10.2f} {self.theirs:10.2f} {self.unit}"
        )


@define
class Bench:
    """The servers side by side, and what was found so far."""

    folder: Path
    extent: Extent
    bare: str
    ceiling: str
    hole: str  # accepts connections and never answers
    say: Callable[[str], None]
    rows: list[Row] = field(factory=list)
    busy: list[float] = field(factory=list)
    headroom: list[float] = field(factory=list)

    def note(
        self, part: str, what: str, stored: int, pairs: Sequence[tuple[float, float]], unit: str
    ) -> None:
        """Keep and print a row made of (ours, theirs), a pair a round."""
        ratios = [ours / theirs for ours, theirs in pairs]
        medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
        row = Row(part, what, stored, ratios, *medians, unit)
        self.rows.append(row)
        self.say(str(row))

    # -- (a) ingest

    async def ingest(self, stored: int, *, only: int | None = None) -> None:
        """Durable ingest, while the worker waits for a provider that does not answer."""
        extent = self.extent
        async with self._daemon(stored, worker=extent.rounds == 1) as (address, _):  # it starts sooner
            for size in extent.sizes[:1] if only else extent.sizes:
                model = bodies.template(size)
                for connections in (only,) if only else extent.connections:
                    count = extent.requests if size < 20 * KIB else max(8, extent.requests // 6)
                    count = max(count // 4 if connections == 1 else count, connections * 2)
                    pairs = []
                    for turn in range(extent.rounds + (extent.rounds > 1)):
                        theirs = await self._flood(self.bare, model, "/ingest", count, connections)
                        ours = await self._flood(address.url, model, POST_CALL, count, connections)
                        if turn or extent.rounds == 1:  # the first warms up
                            pairs.append((ours.per_second, theirs.per_second))
                            self.busy.append(theirs.busy)
                    free = await self._flood(self.ceiling, model, "/", count, connections)
                    self.headroom.append(free.per_second / statistics.median(pair[1] for pair in pairs))
                    name = f"ingest {size // 1000} KB, {connections} connections"
                    self.note("a", name, stored, pairs, "per second")

    async def _flood(self, url: str, model: bytes, path: str, count: int, connections: int) -> Figures:
        ready_made = bodies.events(model, path, count)
        return await flood(url, ready_made, connections=connections)

    # -- (b) the live path

    async def live(self, stored: int, *, draining: bool = True) -> None:
        """client-data and search at an even pace, idle and while the worker drains."""
        async with self._daemon(stored, worker=True) as (address, _):
            await self._live(address, stored, "idle", None)
            if draining:
                await self._live(address, stored, "draining", bodies.template(8 * 1000))

    async def _live(self, address: Address, stored: int, state: str, work: bytes | None) -> None:
        chance = random.Random(stored)  # noqa: S311
        count = int(self.extent.live_s * 100)
        for path, body in (("client-data", _initiation), ("search-memory", _search)):
            found: dict[str, list[tuple[float, float]]] = {"p50": [], "p99": []}
            for turn in range(self.extent.rounds + (self.extent.rounds > 1)):
                if work is not None:
                    await self._work(address, work, int(self.extent.live_s * 150))
                asked = [body(chance.randrange(ASKED)) for _ in range(count)]
                whole = [request(f"/webhook/{path}", one, X_Elaaoms_Token=TOOL_TOKEN) for one in asked]
                same = [request("/constant", one) for one in asked]
                theirs = await paced(self.bare, same, per_second=100)
                ours = await paced(address.url, whole, per_second=100)
                if work is not None and self.extent.rounds > 1:
                    assert await _open_jobs(address), "the queue was empty before the round ended"
                if turn or self.extent.rounds == 1:
                    for name, share in (("p50", 0.5), ("p99", 0.99)):
                        found[name].append((ours.quantile(share) * 1000, theirs.quantile(share) * 1000))
            for name, pairs in found.items():
                self.note("b", f"{path} {state}, {name}", stored, pairs, "ms")

    async def _work(self, address: Address, model: bytes, least: int) -> None:
        """See to it that the worker has at least so much to do."""
        missing = least - await _open_jobs(address)
        if missing > 0:
            await flood(address.url, bodies.events(model, POST_CALL, missing), connections=32)

    # -- (c) jobs

    async def jobs(self, stored: int, *, alone: bool = False) -> None:
        """Our queue beside others in empty files; `alone` measures ours at this size beside ours when empty."""
        names = ["elaaoms"] if alone else list(OTHERS)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for turn in range(self.extent.rounds):
            ours = await self._settled("elaaoms", await self._stored(stored))
            for name in names:
                theirs = await self._settled(name, self.folder / f"{name}-{stored}-{turn}")
                found[name].append((ours, theirs))
        for name, pairs in found.items():
            other = "elaaoms with an empty database" if alone else name
            self.note("c", f"jobs claimed and settled, against {other}", stored, pairs, "per second")

    async def _settled(self, name: str, folder: Path) -> float:
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        command = (sys.executable, "-m", "tests.bench.queues", name, str(self.extent.jobs), str(folder))
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        said, _ = await child.communicate()
        if child.returncode:
            raise RuntimeError(f"{name} could not be measured")
        return float(said.split()[-1])

    # -- (d) memory

    async def memory(self) -> None:
        """How much the daemon grows while one audio event of each size arrives."""
        smallest = 0.0
        async with self._daemon(0, worker=True) as (address, pid), aiohttp.ClientSession() as session:
            for mb in (self.extent.audio_mb[0], *self.extent.audio_mb):  # the first warms up
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # noqa: ASYNC240 - the peak starts again
                before = _status(pid, "VmRSS")
                await _send_audio(session, address.url, mb)
                grown = (_status(pid, "VmHWM") - before) / KIB
                if not smallest:
                    smallest = _status(pid, "VmRSS") / KIB
                    continue
                peak = _status(pid, "VmHWM") / KIB
                self.note(
                    "d", f"memory with {mb} MB of audio (grew {grown:.1f})", 0, [(peak, smallest)], "MiB"
                )

    # -- what it runs on

    async def _stored(self, calls: int) -> Path:
        folder = self.folder / f"stored-{calls}"
        if not folder.exists():
            folder.mkdir()
            begun = time.perf_counter()
            if calls:
                await populate(folder / "data", calls)
                size = (folder / "data" / "elaaoms.db").stat().st_size / MIB
                self.say(f"# {calls} calls stored in {time.perf_counter() - begun:.0f} s, {size:.0f} MiB")
        return folder

    @asynccontextmanager
    async def _daemon(self, stored: int, *, worker: bool) -> AsyncIterator[tuple[Address, int]]:
        """The daemon as it comes; without a worker it waits for a provider that accepts and never answers."""
        sections: dict[str, dict[str, Any]] = {"logging": {"level": "info"}}
        if not worker:
            sections |= {
                "llm": {"provider": "openai", "timeout_s": 600},
                "llm__openai": {"base_url": f"{self.hole}/v1"},
                "worker": {"concurrency": 1},
            }
        folder = await self._stored(stored)
        begun = time.perf_counter()
        process = await daemon(configure(folder, **sections))
        try:
            address = await ready(process)
            if stored:
                self.say(f"# {stored} calls: listening after {time.perf_counter() - begun:.1f} s")
            yield address, process.pid
        finally:
            await process.kill()
            await asyncio.to_thread(_cancel_jobs, folder / "data" / "elaaoms.db")


def _cancel_jobs(path: Path) -> None:
    """Leave nothing to do for the next daemon: what is idle must be idle."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(
            "UPDATE jobs SET state = 'cancelled', finished_at = run_at WHERE state IN ('available', 'running')"
        )


@asynccontextmanager
async def bench(folder: Path, extent: Extent, say: Callable[[str], None]) -> AsyncIterator[Bench]:
    """A bench with its bare servers up."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as hole:
        bare = await spawn(("tests.bench.bare", "aiohttp"), folder / "bare.log")
        ceiling = await spawn(("tests.bench.bare", "ceiling"), folder / "bare.log")
        try:
            (bare_url,), (ceiling_url,) = await bare.listening(1), await ceiling.listening(1)
            nowhere = f"http://127.0.0.1:{hole.getsockname()[1]}"
            yield Bench(folder, extent, bare_url, ceiling_url, nowhere, say)
        finally:
            await bare.kill()
            await ceiling.kill()


def _initiation(index: int) -> bytes:
    asked = {
        "caller_id": asked_number(index),
        "agent_id": AGENT,
        "called_number": OUR_NUMBER,
        "call_sid": "CA1",
    }
    return json.dumps(asked).encode()


def _search(index: int) -> bytes:
    asked = {"query": "What about the router?", "caller_id": asked_number(index), "agent_id": AGENT}
    return json.dumps(asked).encode()


async def _open_jobs(address: Address) -> int:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{address.admin_url}/api/jobs?limit=1") as answer,
    ):
        counts = (await answer.json())["data"]["counts"]
    return int(counts["available"] + counts["running"])


async def _send_audio(session: aiohttp.ClientSession, url: str, mb: int) -> None:
    pieces = list(bodies.audio(mb))
    signature = sign(WEBHOOK_SECRET, b"".join(pieces), now=time.time())

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    headers = {"ElevenLabs-Signature": signature, "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=300)
    async with session.post(f"{url}{POST_CALL}", data=body(), headers=headers, timeout=timeout) as answer:
        if answer.status != 200:
            raise RuntimeError(f"audio of {mb} MB was answered {answer.status}")


def _status(pid: int, name: str) -> int:
    """A figure of a process's memory, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def shorter(extent: Extent) -> Extent:
    """For what is measured again at another number of stored calls."""
    return evolve(extent, rounds=min(2, extent.rounds))
