"""Ingest of this checkout beside others: `python -m tests.bench.beside ../main [--connections 1 32 256]`.

Rounds alternate between the bare handler and each checkout, so that what the machine does meanwhile
meets all of them. Beside the ratios it prints what an event costs by the kernel's accounts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from attrs import define, field

from tests.bench import bodies
from tests.bench.load import flood
from tests.bench.rounds import POST_CALL
from tests.processes import configure, daemon, ready, spawn

QUIET = 0.9  # share of all processors that is idle when nobody else works
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@define
class Side:
    """One server and what was found of it."""

    name: str
    url: str
    path: str
    pid: int
    rates: list[float] = field(factory=list)
    user_ms: list[float] = field(factory=list)
    system_ms: list[float] = field(factory=list)
    switches: list[float] = field(factory=list)

    def spent(self) -> tuple[float, float, int]:
        """Seconds in the process and in the kernel, and switches of its threads, so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        switches = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            lines = (task / "status").read_text().splitlines()
            switches += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
        return int(fields[11]) * TICK_S, int(fields[12]) * TICK_S, switches

    async def round(self, model: bytes, count: int, connections: int, *, keep: bool) -> None:
        """Flood it once."""
        requests = bodies.events(model, self.path, count)
        before = self.spent()
        figures = await flood(self.url, requests, connections=connections)
        after = self.spent()
        if keep:
            self.rates.append(figures.per_second)
            self.user_ms.append((after[0] - before[0]) / count * 1000)
            self.system_ms.append((after[1] - before[1]) / count * 1000)
            self.switches.append((after[2] - before[2]) / count)


def _idle() -> float:
    """Seconds that all processors were idle so far."""
    return int(Path("/proc/stat").read_text().split(maxsplit=5)[4]) * TICK_S


async def quiet(patience_s: float) -> float:
    """Wait until nobody else uses the machine, or for so long; the share that was idle last."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience_s
    while True:
        begun, before = loop.time(), _idle()
        await asyncio.sleep(0.4)
        share = (_idle() - before) / (loop.time() - begun) / (os.cpu_count() or 1)
        if share > QUIET or loop.time() > end:
            return share


async def run(given: argparse.Namespace) -> None:
    """Measure every checkout."""
    async with AsyncExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="elaaoms-beside-", dir=given.folder))
        )
        hole = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        bare = await spawn(("tests.bench.bare", "aiohttp"), folder / "bare.log")
        stack.push_async_callback(bare.kill)
        servers = [("bare", (await bare.listening(1))[0], "/ingest", bare.pid)]
        for number, checkout in enumerate([Path.cwd(), *given.checkouts]):
            home = folder / str(number)
            home.mkdir()
            process = await daemon(
                configure(
                    home,
                    logging={"level": "info"},
                    llm={"provider": "openai", "timeout_s": 600},
                    llm__openai={"base_url": f"http://127.0.0.1:{hole.getsockname()[1]}/v1"},
                    worker={"concurrency": 1},
                ),
                checkout=checkout.resolve(),
            )
            stack.push_async_callback(process.kill)
            servers.append((checkout.resolve().name, (await ready(process)).url, POST_CALL, process.pid))
        model = bodies.template(given.size)
        for connections in given.connections:
            sides = [Side(*server) for server in servers]
            for turn in range(given.rounds + 1):
                for side in sides:  # the first round warms up
                    if given.patience:
                        await quiet(given.patience)
                    await side.round(model, given.requests, connections, keep=turn > 0)
            _say(sides, given.size, connections)


def _say(sides: list[Side], size: int, connections: int) -> None:
    bare = sides[0]
    print(
        f"{size} bytes, {connections} connections: ratio to bare [least .. greatest], a second, ms each, switches"
    )
    for side in sides:
        ratios = [ours / theirs for ours, theirs in zip(side.rates, bare.rates, strict=True)]
        print(
            f"  {side.name:<12} {statistics.median(ratios):6.3f} [{min(ratios):.3f} .. {max(ratios):.3f}]"
            f" {statistics.median(side.rates):8.0f}  user {statistics.median(side.user_ms):.3f}"
            f"  kernel {statistics.median(side.system_ms):.3f}  {statistics.median(side.switches):6.1f}",
            flush=True,
        )


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.beside", description=__doc__)
    parser.add_argument(
        "checkouts", type=Path, nargs="*", help="other checkouts, each with the package in it"
    )
    parser.add_argument("--connections", type=int, nargs="+", default=[32])
    parser.add_argument("--size", type=int, default=8000, help="of an event, in bytes")
    parser.add_argument("--requests", type=int, default=1500, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--patience", type=float, default=0, help="seconds to wait for a free machine, each time"
    )
    parser.add_argument("--folder", type=Path, help="where the data is made; a disk, not a tmpfs")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
