"""Compare what was acknowledged with the database and the archive, byte for byte and effect for effect."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from attrs import frozen

from elaaoms.webhooks import AUDIO, TRANSCRIPTION
from tests.soak.ledger import ALLERGY, Ledger


@frozen
class Verdict:
    """What was found; each finding is a sentence."""

    acknowledged: int
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]

    @property
    def line(self) -> str:
        """The one line that the command prints."""
        return (
            f"acknowledged {self.acknowledged}, lost {len(self.lost)}, "
            f"duplicated effects {len(self.duplicated)}"
        )


def check(ledger: Ledger, data: Path) -> Verdict:
    """Judge the data of a daemon that has settled everything and stopped."""
    with closing(sqlite3.connect(f"file:{data / 'elaaoms.db'}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        findings = [
            *(("lost", answer) for answer in ledger.refused),
            *_bodies(ledger, data, database),
            *_jobs(database),
            *_facts(ledger, database),
            *_memories(ledger, database),
            *_files(ledger, data),
        ]
    return Verdict(
        len(ledger.acknowledged),
        tuple(text for kind, text in findings if kind == "lost"),
        tuple(text for kind, text in findings if kind == "duplicated"),
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _bodies(ledger: Ledger, data: Path, database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Every acknowledged body has its row, and its bytes at the path that the row names."""
    paths = {row["sha256"]: row["path"] for row in database.execute("SELECT sha256, path FROM events")}
    for digest in sorted(ledger.acknowledged):
        body = ledger.sent[digest]
        name = f"{body.conversation_id} {body.type} version {body.version}"
        if digest not in paths:
            yield "lost", f"{name} has no row"
            continue
        path = data / "payloads" / paths[digest]
        if body.type == AUDIO:  # the event's JSON gives way to the recording in it
            if _digest(path.with_suffix(".mp3")) != hashlib.sha256(body.audio).hexdigest():
                yield "lost", f"{name} has no recording, or another one"
        elif _digest(path) != digest:
            yield "lost", f"{name} is not in the archive as it was received"


def _jobs(database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Every job is completed, and no body has two."""
    for row in database.execute("SELECT id, state FROM jobs WHERE state != 'completed'"):
        yield "lost", f"job {row['id']} is {row['state']}"
    for row in database.execute(
        "SELECT kind, unique_key, count(*) AS n FROM jobs GROUP BY kind, unique_key HAVING n > 1"
    ):
        yield "duplicated", f"{row['n']} {row['kind']} jobs for the body {row['unique_key']}"


def _facts(ledger: Ledger, database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """A conversation's facts are those of its newest body, once each."""
    facts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in database.execute("SELECT conversation_id, slot FROM facts"):
        facts[row["conversation_id"]][row["slot"]] += 1
    outcomes = dict(database.execute("SELECT conversation_id, outcome FROM calls").fetchall())
    for newest in ledger.by_conversation(_recorded(database)):
        name = newest.conversation_id
        if outcomes.get(name) != "completed":
            yield "lost", f"{name} was never read ({outcomes.get(name)})"
        expected = Counter(newest.slots)
        yield from (("lost", f"{name} does not know {slot}") for slot in expected - facts[name])
        yield from (("duplicated", f"{name} knows {slot} too often") for slot in facts.pop(name) - expected)
    yield from (("duplicated", f"facts of {name}, which nobody sent") for name in facts)


def _memories(ledger: Ledger, database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """A caller has one memory a thing said, reinforced as often as it was said again."""
    owners = dict(database.execute("SELECT conversation_id, caller FROM calls").fetchall())
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    for newest in ledger.by_conversation(_recorded(database)):
        expected[str(owners.get(newest.conversation_id))].update(newest.slots)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    again: Counter[str] = Counter()
    for row in database.execute("SELECT owner, slot, reinforcements FROM memories WHERE status = 'active'"):
        found[row["owner"]][row["slot"]] += 1
        again[row["owner"]] += row["reinforcements"]
    for owner, slots in expected.items():
        once = Counter(set(slots))
        yield from (("lost", f"{owner} has no memory of {slot}") for slot in once - found[owner])
        yield from (("duplicated", f"{owner} remembers {slot} twice") for slot in found[owner] - once)
        repeats = max(0, slots[ALLERGY] - 1)
        if again[owner] != repeats:
            kind = "duplicated" if again[owner] > repeats else "lost"
            yield kind, f"{owner} was reinforced {again[owner]} times, not {repeats}"
    yield from (("duplicated", f"{owner} has memories of nothing said") for owner in found.keys() - expected)


def _files(ledger: Ledger, data: Path) -> Iterator[tuple[str, str]]:
    """Nothing half-written is left, and no body stands in the archive twice."""
    seen: Counter[str] = Counter()
    for path in (data / "payloads").rglob("*.json"):
        digest = _digest(path)
        if digest not in ledger.sent:
            yield "lost", f"{path.name} is not what anybody sent"
        seen[digest] += 1
    yield from (("duplicated", f"{n} files of the body {digest}") for digest, n in seen.items() if n > 1)
    yield from (("lost", f"{path.name} was left behind") for path in (data / "incoming").iterdir())


def _recorded(database: sqlite3.Connection) -> set[str]:
    return {row[0] for row in database.execute("SELECT sha256 FROM events WHERE type = ?", (TRANSCRIPTION,))}
