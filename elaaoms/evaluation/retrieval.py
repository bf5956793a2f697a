"""Measure search on labelled questions, with the code that serves it and with what it is compared to."""

from __future__ import annotations

import math
import re
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from attrs import frozen

from elaaoms.embed import Encoder, Vector
from elaaoms.errors import ElaaomsError
from elaaoms.memory import Category, Memory, Status
from elaaoms.rank import Index, entry

TEXTS = 64  # that an endpoint is asked for at once
DEPTH = 20  # how far down a ranking is looked at

System = Callable[["Known", "Question"], Sequence[tuple[str, float]]]


@frozen
class Question:
    """What is asked about a caller, and the keys of the memories that answer it (none: off topic)."""

    caller: str
    query: str
    relevant: frozenset[str]
    group: str
    split: str


@frozen(eq=False)
class Known:
    """A caller's memories in the order of hearing, and their index; `today` is the day after the last."""

    caller: str
    memories: tuple[Memory, ...]
    index: Index
    today: date


def read(lines: Iterable[Mapping[str, Any]], encoder: Encoder) -> tuple[list[Question], dict[str, Known]]:
    """Questions and memories of a labelled set (JSON lines as the README describes them)."""
    memories: dict[str, list[Memory]] = defaultdict(list)
    questions: list[Question] = []
    for number, line in enumerate(lines, 1):
        try:
            if "query" in line:
                questions.append(
                    Question(
                        line["caller"],
                        line["query"],
                        frozenset(line["relevant"]),
                        line.get("group") or "",
                        line.get("split", ""),
                    )
                )
            else:
                memories[line["caller"]].append(_memory(line, len(memories[line["caller"]])))
        except (KeyError, TypeError, ValueError) as error:
            raise ElaaomsError(f"line {number} is neither a memory nor a question: {error!r}") from error
    known = {}
    for caller, heard in memories.items():
        index = Index.of([(memory.id, entry(memory, encoder)) for memory in heard], encoder)
        last = max(datetime.fromtimestamp(memory.last_heard, UTC).date() for memory in heard)
        known[caller] = Known(caller, tuple(heard), index, last + timedelta(days=1))
    for question in questions:
        keys = (
            {memory.id for memory in known[question.caller].memories} if question.caller in known else set()
        )
        if missing := question.relevant - keys:
            raise ElaaomsError(f"the question {question.query!r} names {min(missing)!r}, which is no memory")
    return questions, known


def _memory(line: Mapping[str, Any], place: int) -> Memory:
    day = date.fromisoformat(line["event_date"][:10]) if line.get("event_date") else None
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() if day else 0.0
    return Memory(
        id=str(line["key"]),
        owner=line["caller"],
        agent_id=None,
        heard_by=(),
        conversation_id=line.get("conversation_id"),
        category=Category(line.get("category") or "factual"),
        content=line["content"],
        importance=line.get("importance") or 5,
        confidence=1.0,
        source_quote="",
        turn=place,
        event_date=day,
        slot="",
        value="",
        topic="",
        valid_from=noon,
        valid_until=None,
        status=Status.ACTIVE,
        superseded_by=None,
        conflict_with=None,
        reinforcements=0,
        first_heard=noon,
        last_heard=noon,
    )


# -- what is compared -----------------------------------------------------------------------------


def served(known: Known, question: Question) -> list[tuple[str, float]]:
    """Search as it is served."""
    hits = known.index.search(question.query, today=known.today, limit=DEPTH)
    return [(hit.id, hit.relevance) for hit in hits]


async def likened(
    questions: Iterable[Question],
    known: Mapping[str, Known],
    embed: Callable[[Sequence[str]], Awaitable[Sequence[Vector]]],
    *,
    slope: float,
    shift: float,
) -> System:
    """Search as it is served while an embedding endpoint is in time, which is asked about everything now."""
    texts = {question.query for question in questions}
    texts |= {memory.content for one in known.values() for memory in one.memories}
    vectors: dict[str, Vector] = {}
    waiting = sorted(texts)
    for start in range(0, len(waiting), TEXTS):
        some = waiting[start : start + TEXTS]
        vectors.update(zip(some, await embed(some), strict=True))

    def system(known: Known, question: Question) -> list[tuple[str, float]]:
        asked = vectors[question.query]
        likeness = {m.id: slope * float(vectors[m.content] @ asked) + shift for m in known.memories}
        hits = known.index.search(question.query, today=known.today, limit=DEPTH, likeness=likeness)
        return [(hit.id, hit.relevance) for hit in hits]

    return system


def baselines() -> dict[str, System]:
    """FTS5 with the words OR-ed, BM25 with our stems, and the table's cosine alone."""
    return {"fts5": _FullText(), "bm25": _Alone(meaning=False), "table": _Alone(meaning=True)}


class _FullText:
    """SQLite's FTS5 (unicode61), a table for each caller."""

    def __call__(self, known: Known, question: Question) -> list[tuple[str, float]]:
        wanted = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question.query))
        if not wanted:
            return []
        with closing(sqlite3.connect(":memory:")) as table:
            table.execute("CREATE VIRTUAL TABLE said USING fts5(content, tokenize='unicode61')")
            table.executemany(
                "INSERT INTO said (rowid, content) VALUES (?, ?)",
                [(place, memory.content) for place, memory in enumerate(known.memories, 1)],
            )
            rows = table.execute(
                "SELECT rowid FROM said WHERE said MATCH ? ORDER BY rank, rowid LIMIT ?", (wanted, DEPTH)
            )
            return [(known.memories[row[0] - 1].id, 1.0) for row in rows]


class _Alone:
    """One half of the score: words without meaning, or meaning without words."""

    def __init__(self, *, meaning: bool) -> None:
        self._meaning = meaning

    def __call__(self, known: Known, question: Question) -> list[tuple[str, float]]:
        scores = known.index.parts(question.query)[1 if self._meaning else 0]
        places = np.lexsort((np.arange(len(scores)), -scores))[:DEPTH]
        return [(known.index.ids[place], float(scores[place])) for place in places if scores[place] > 0]


# -- how it is measured -----------------------------------------------------------------------------


def measure(
    questions: Iterable[Question], known: Mapping[str, Known], system: System, *, threshold: float
) -> dict[str, Any]:
    """Means over the questions that have an answer, in all and by group.

    `found` is the share of questions for which something right reaches the threshold, `off_topic_silent`
    the share of questions without an answer for which nothing reaches the threshold.
    """
    rows: list[tuple[str, dict[str, float]]] = []
    for question in questions:
        found = system(known[question.caller], question) if question.caller in known else []
        rows.append((question.group, _marks(question, found, threshold)))
    report = _means([marks for _, marks in rows])
    groups = sorted({group for group, _ in rows if group})
    return {
        **report,
        "groups": {name: _means([marks for group, marks in rows if group == name]) for name in groups},
    }


def _marks(question: Question, found: Sequence[tuple[str, float]], threshold: float) -> dict[str, float]:
    if not question.relevant:
        return {"off_topic_silent": float(all(relevance < threshold for _, relevance in found))}
    ranks = [place for place, (key, _) in enumerate(found[:DEPTH], 1) if key in question.relevant]
    count = len(question.relevant)
    gain = sum(1 / math.log2(place + 1) for place in ranks if place <= 10)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(count, 10) + 1))
    return {
        **{f"recall@{k}": sum(place <= k for place in ranks) / count for k in (5, 10, 20)},
        **{f"hit@{k}": float(any(place <= k for place in ranks)) for k in (5, 10)},
        "found": float(
            any(key in question.relevant and relevance >= threshold for key, relevance in found[:DEPTH])
        ),
        "mrr": 1 / ranks[0] if ranks else 0.0,
        "ndcg@10": gain / ideal,
    }


def _means(marks: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    answerable = [mark for mark in marks if "mrr" in mark]
    silent = [mark["off_topic_silent"] for mark in marks if "off_topic_silent" in mark]
    names = [*(f"recall@{k}" for k in (5, 10, 20)), "hit@5", "hit@10", "mrr", "ndcg@10", "found"]
    means: dict[str, Any] = {"n": len(answerable)}
    for name in names:
        means[name] = (
            round(sum(mark[name] for mark in answerable) / len(answerable), 4) if answerable else 0.0
        )
    if silent:
        means["off_topic_silent"] = round(sum(silent) / len(silent), 4)
    return means


def interval(mean: float, n: int) -> float:
    """Half the width of the 95 % interval of a share (Wilson's, about its own middle); an upper bound for means."""
    if not n:
        return 0.0
    z = 1.96
    return z / (1 + z * z / n) * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
