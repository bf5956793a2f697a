"""`elaaoms eval duplicates`: what the code that reconciles merges of labelled pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from elaaoms.cli import main
from elaaoms.evaluation import duplicate_pairs, duplicates
from elaaoms.reconcile import Policy

LINES = [
    {"a": "Order 4471 is late.", "b": "Order four four seven one is late.", "same": True, "group": "numbers"},
    {"a": "Order 4471 is late.", "b": "Order 4417 is late.", "same": False, "group": "value"},
    {"a": "She rents a kayak.", "b": "She is fond of chess.", "same": True, "group": "wrongly labelled"},
]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return file


def run(*args: str | Path) -> str:
    done = CliRunner().invoke(main, ["eval", "duplicates", *map(str, args)])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_report_has_the_keys_of_the_contract(labelled: Path) -> None:
    assert json.loads(run(labelled, "--json")) == {
        "n": 3,
        "precision": 1.0,
        "recall": 0.5,
        "wrong_merges": {},
    }


def test_a_wrong_merge_is_counted_with_its_group() -> None:
    pairs = duplicates.read(LINES)
    tally = duplicates.measure(pairs, lambda a, b: True)
    assert tally.report() == {"n": 3, "precision": 0.6667, "recall": 1.0, "wrong_merges": {"value": 1}}


def test_likeness_alone_is_printed_beside_it_with_intervals() -> None:
    table = run()
    assert "likeness > 0.85 alone" in table
    assert "elaaoms" in table
    assert "negation" in table


@pytest.mark.parametrize(("threshold", "wrong"), [(0.2, {"": 1}), (1.0, {})])
def test_the_threshold_of_the_configuration_is_the_one_that_is_measured(
    tmp_path: Path, threshold: float, wrong: dict[str, int]
) -> None:
    file, settings = tmp_path / "pairs.jsonl", tmp_path / "elaaoms.toml"
    file.write_text('{"a": "She rents a blue kayak at the pier.", "b": "She rents a kayak.", "same": false}')
    settings.write_text(f"[memory]\nduplicate_threshold = {threshold}\n")
    assert json.loads(run(file, "--json", "-c", settings))["wrong_merges"] == wrong


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"a": "x", "b": "y"}', "line 1: same is true or false"),
        ('{"a": "x", "same": true}', "line 1: a and b are texts"),
        ("[1]", "line 1: a and b are texts"),
        ("{", "not JSON lines"),
    ],
)
def test_a_file_that_is_no_labelled_set_is_refused_in_a_sentence(
    tmp_path: Path, line: str, reason: str
) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(line)
    done = CliRunner().invoke(main, ["eval", "duplicates", str(file)])
    assert done.exit_code == 1
    assert reason in done.stderr


def test_hardly_anything_wrong_is_merged_of_the_pairs_held_out_for_testing() -> None:
    pairs = [pair for pair in duplicates.read(duplicate_pairs()) if pair.split == "test"]
    report = duplicates.measure(pairs, duplicates.reconciled(Policy())).report()
    assert report["precision"] >= 0.98
    assert report["recall"] >= 0.45


def test_an_interval_is_wide_for_few_and_narrow_for_many() -> None:
    assert duplicates.interval(0, 0) == (0.0, 1.0)
    low, high = duplicates.interval(5, 10)
    assert (round(low, 3), round(high, 3)) == (0.237, 0.763)
    assert duplicates.interval(1000, 1000)[0] > 0.99
