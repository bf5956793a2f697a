"""The bench: its smallest slice runs, and its arithmetic says which goals were missed."""

from __future__ import annotations

from pathlib import Path

from tests.bench.__main__ import arguments, as_json, growth, missed, run
from tests.bench.rounds import Row


def row(what: str, stored: int, ratio: float) -> Row:
    return Row("x", what, stored, [ratio], ratio, 1.0, "")


async def test_the_smallest_slice_measures_a_daemon(tmp_path: Path) -> None:
    said: list[str] = []
    rows = await run(arguments().parse_args(["--least", "--folder", str(tmp_path)]), said.append)
    assert [row.part for row in rows] == ["a", *"bbbb"]
    assert all(ratio > 0 for row in rows for ratio in row.ratios)
    assert [kept["what"] for kept in as_json(rows)["rows"]] == [row.what for row in rows]
    assert any("the load generator reaches" in line for line in said)


def test_a_missed_goal_is_told_and_a_reached_one_is_not() -> None:
    rows = [row("ingest 8 KB, 32 connections", 10, 0.2), row("client-data idle, p99", 10, 2.9)]
    assert missed(rows) == ["(x) ingest 8 KB, 32 connections at 10 calls: 0.20, the goal is 0.35"]


def test_growth_is_how_much_worse_a_figure_became() -> None:
    rows = [
        row("ingest 8 KB, 32 connections", 10, 0.4),
        row("ingest 8 KB, 32 connections", 1000, 0.2),
        row("client-data idle, p99", 10, 2.0),
        row("client-data idle, p99", 1000, 2.2),
        row("memory", 0, 1.0),
    ]
    assert growth(rows) == {
        "ingest 8 KB, 32 connections": {10: 1.0, 1000: 2.0},
        "client-data idle, p99": {10: 1.0, 1000: 1.1},
    }
    assert [sentence[:8] for sentence in missed(rows) if sentence.startswith("(e)")] == ["(e) inge"]
