"""`python -m tests.bench`: ours beside the least that could answer, as ratios, at growing numbers of stored calls."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.bench.rounds import FULL, LEAST, QUICK, Bench, Row, bench, shorter

# Of a row's median ratio: what it is compared with, and the limit.
GOALS: dict[str, tuple[Callable[[float, float], bool], float]] = {
    "ingest 8 KB, 32 connections": (float.__ge__, 0.35),
    "ingest 150 KB, 32 connections": (float.__ge__, 0.35),
    "client-data idle, p99": (float.__le__, 3.0),
    "search-memory idle, p99": (float.__le__, 3.0),
    "client-data draining, p99": (float.__le__, 5.0),
    "search-memory draining, p99": (float.__le__, 5.0),
    "jobs claimed and settled, against huey": (float.__ge__, 1.0),
    "jobs claimed and settled, against litequeue": (float.__ge__, 1.0),
    "jobs claimed and settled, against persistqueue": (float.__ge__, 1.0),
}
FACTOR = 1.5  # how much worse a figure may be at the most calls than at the fewest


async def run(given: argparse.Namespace, say: Callable[[str], None] = print) -> list[Row]:
    """Measure what the arguments ask for."""
    extent = LEAST if given.least else QUICK if given.quick else FULL
    usual = [1_000] if given.least or given.quick else [10_000, 100_000, *([1_000_000] if given.full else [])]
    sizes = sorted(given.stored or usual)
    with tempfile.TemporaryDirectory(prefix="elaaoms-bench-", dir=given.folder) as folder:
        async with bench(Path(folder), extent, say) as ours:
            say(f"{'':56} {'ratio':>9}  [least .. greatest]      ours     theirs")
            await ours.ingest(sizes[0])
            await ours.live(sizes[0], draining=not given.least)
            if not given.least:
                await ours.jobs(sizes[0])
                await ours.jobs(sizes[0], alone=True)
                await ours.memory()
            ours.extent = shorter(extent)
            for stored in sizes[1:]:
                await ours.ingest(stored, only=32)
                await ours.live(stored)
                await ours.jobs(stored, alone=True)
            _conclude(ours, sizes, say)
            return ours.rows


def growth(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
    """How much worse each figure is than with the fewest calls stored, by what and how many; 1 is no change."""
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        found.setdefault(row.what, {})[row.stored] = row.spread[1]
    grown = {}
    for what, by_stored in found.items():
        first = by_stored[min(by_stored)]
        if len(by_stored) > 1:
            more_is_better = what.startswith(("ingest", "jobs"))
            grown[what] = {
                stored: first / ratio if more_is_better else ratio / first
                for stored, ratio in by_stored.items()
            }
    return grown


def missed(rows: Sequence[Row]) -> list[str]:
    """The goals that were not reached, each as a sentence."""
    found = []
    for row in rows:
        holds, limit = GOALS.get(row.what, (None, 0.0))
        if holds is not None and not holds(row.spread[1], limit):
            found.append(
                f"({row.part}) {row.what} at {row.stored} calls: {row.spread[1]:.2f}, the goal is {limit}"
            )
    for what, by_stored in growth(rows).items():
        worst = by_stored[max(by_stored)]
        if worst > FACTOR:
            found.append(
                f"(e) {what}: {worst:.2f} times worse at {max(by_stored)} calls than at {min(by_stored)}"
            )
    return found


def _conclude(ours: Bench, sizes: Sequence[int], say: Callable[[str], None]) -> None:
    for what, by_stored in growth(ours.rows).items():
        told = ", ".join(f"{stored}: {factor:.2f}" for stored, factor in sorted(by_stored.items()))
        say(f"(e) {what:<52} times worse than at {sizes[0]} calls: {told}")
    if ours.headroom:
        say(
            f"# the load generator reaches {min(ours.headroom):.1f} to {max(ours.headroom):.1f} times the bare "
            f"server's rate against a server that does nothing, and used "
            f"{statistics.median(ours.busy):.0%} of a core before the bare one"
        )
    for sentence in missed(ours.rows):
        say(f"missed: {sentence}")


def plot(rows: Sequence[Row], path: Path) -> None:
    """Figures against stored calls, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    for what, by_stored in growth(rows).items():
        counts = sorted(by_stored)
        axes.plot(counts, [by_stored[count] for count in counts], marker="o", label=what)
    axes.axhline(FACTOR, color="black", linestyle=":", label=f"goal: {FACTOR}")
    axes.set(xscale="log", ylim=(0, None), xlabel="stored calls", ylabel="times worse than with the fewest")
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """What `--json` writes."""
    kept = [
        {
            "part": row.part,
            "what": row.what,
            "stored_calls": row.stored,
            "ratio": dict(zip(("min", "median", "max"), row.spread, strict=True)),
            "rounds": list(row.ratios),
            "ours": row.ours,
            "theirs": row.theirs,
            "unit": row.unit,
        }
        for row in rows
    ]
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"when": when, "cores": os.cpu_count(), "rows": kept, "missed": missed(rows)}


def arguments() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run of about a minute")
    parser.add_argument("--least", action="store_true", help="the smallest slice, for the test suite")
    parser.add_argument("--full", action="store_true", help="also with a million stored calls")
    parser.add_argument("--stored", type=int, nargs="+", help="numbers of stored calls instead of the usual")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--plot", type=Path, help="draw figures against stored calls into this PNG")
    parser.add_argument("--folder", type=Path, help="where the data is made; a disk, not a tmpfs")
    return parser


def main() -> None:
    """Measure, print, and write what was asked for."""
    given = arguments().parse_args()
    begun = time.monotonic()
    rows = asyncio.run(run(given, lambda line: print(line, flush=True)))
    if given.json is not None:
        given.json.write_text(json.dumps(as_json(rows), indent=1) + "\n")
    if given.plot is not None:
        plot(rows, given.plot)
    print(f"# {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
