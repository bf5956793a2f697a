"""A daemon in a process of its own that dies, or meets a failing disk, at a point that a test names.

The hooks stand here and not in the product: they wrap its functions before it starts.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from attrs import evolve
from conftest import Platform, connected, secrets

from elaaoms import archive, daemon, flush
from elaaoms.archive import Archive, Incoming
from elaaoms.calls.sqlite import SQLiteCallStore
from elaaoms.config import Config
from elaaoms.extract.keyless import Rules
from elaaoms.ingest import Ingest
from elaaoms.jobs.sqlite import SQLiteJobQueue
from elaaoms.memory.sqlite import SQLiteMemoryStore

START_S = 20.0

# Where a process may die: (object, function, before or after it). The order is that of a call's life.
POINTS: dict[str, tuple[Any, str, str]] = {
    "part written": (Incoming, "write", "after"),
    "before the part is flushed": (Incoming, "flush", "before"),
    "after the part is flushed": (Incoming, "flush", "after"),
    "before the rename": (archive.os, "rename", "before"),
    "after the rename": (archive.os, "rename", "after"),
    "after the directory is flushed": (Archive, "_sync", "after"),
    "in the transaction": (SQLiteCallStore, "describe", "after"),
    "after the commit": (Ingest, "accept", "after"),
    "job claimed": (SQLiteJobQueue, "claim", "after"),
    "extracted": (Rules, "extract", "after"),
    "memories in the transaction": (SQLiteMemoryStore, "learn", "after"),
    "greeting in the transaction": (SQLiteMemoryStore, "prepare", "after"),
    "job settled": (SQLiteJobQueue, "settle", "after"),
}
ABSENT = frozenset(
    ("part written", "before the part is flushed", "after the part is flushed", "before the rename")
)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hook(point: str) -> None:
    where, name, when = POINTS[point]
    original = getattr(where, name)

    @wraps(original)
    def plain(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            _die()
        result = original(*args, **kwargs)
        _die()
        return result

    @wraps(original)
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        result = await original(*args, **kwargs)
        if result is not None or point == "job settled":
            _die()
        return result

    setattr(where, name, coroutine if asyncio.iscoroutinefunction(original) else plain)


def _poison() -> None:
    original = Rules.extract

    async def extract(self: Rules, conversation: Any, known: Any) -> Any:
        if any("poison" in turn.text for turn in conversation.turns):
            _die()
        return await original(self, conversation, known)

    Rules.extract = extract  # type: ignore[method-assign]


def _live(config: Config, point: str, files: int, say: Connection) -> None:
    """The process: the real `serve`."""
    if files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if point == "poison":
        _poison()
    if point == "without flushes":
        archive.os.fsync = lambda _: None  # type: ignore[assignment]
        flush._Kernel.flush = lambda _, descriptors: [0] * len(descriptors)  # type: ignore[method-assign]
    log = os.open(config.data.parent / "victim.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)

    def announce(up: daemon.Running) -> None:
        if point in POINTS:
            _hook(point)
        say.send((up.url, up.admin_url))

    asyncio.run(daemon.serve(config, secrets(), announce))


_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", "elaaoms.daemon"])  # what takes long to import


@asynccontextmanager
async def victim(
    config: Config, point: str = "", *, files: int = 0
) -> AsyncIterator[tuple[Platform, BaseProcess]]:
    """A daemon that dies at `point`, and the platform before it."""
    config = evolve(config, server=evolve(config.server, port=0, admin_port=0))
    config.data.parent.mkdir(parents=True, exist_ok=True)
    ours, theirs = _FORKS.Pipe()
    process = _FORKS.Process(target=_live, args=(config, point, files, theirs), daemon=True)
    await asyncio.to_thread(process.start)
    theirs.close()
    try:
        assert await asyncio.to_thread(ours.poll, START_S), "it did not start"
        urls = ours.recv()
        async with connected(*urls, config.data) as platform:
            yield platform, process
    finally:
        if process.is_alive():
            process.kill()
        await asyncio.to_thread(process.join)
        ours.close()
        process.close()


async def ended(process: BaseProcess, timeout_s: float = START_S) -> int | None:
    """The exit code, once the process is gone."""
    await asyncio.to_thread(process.join, timeout_s)
    return process.exitcode


# -- strace --------------------------------------------------------------------------------


def can_trace() -> bool:
    """Whether strace is here and may attach to a process of ours."""
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-e", "trace=none", "true"], capture_output=True, check=False)  # noqa: S607
    return tried.returncode == 0


@contextmanager
def traced(process: BaseProcess, *options: str) -> Iterator[Callable[[], str]]:
    """strace attached to all threads of a process; gives what it saw so far."""
    pid = process.pid
    path = Path(f"/tmp/elaaoms-strace-{os.getpid()}-{pid}")  # noqa: S108
    command = ["strace", "-f", "-y", "-s", "64", "-o", str(path), "-p", str(pid), *options]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
    assert tracer.stderr is not None
    try:
        assert "attached" in tracer.stderr.readline()
        _wait_for_all_threads(pid)
        yield lambda: path.read_text(errors="replace")
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=START_S)
        path.unlink(missing_ok=True)


def _wait_for_all_threads(pid: int | None) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        states = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
        if all("TracerPid:\t0\n" not in state for state in states):
            return
        time.sleep(0.005)
