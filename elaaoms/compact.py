"""Which of a caller's memories can be folded away and lose nothing that is still true: superseded ones, and twins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from elaaoms.memory import KEPT_IMPORTANCE
from elaaoms.words import words

_EMPTY = frozenset("a an the also again".split())

Row = Mapping[str, Any]  # a memory as the API tells it


@frozen
class Fold:
    """A memory that could be forgotten: `reason` is superseded or duplicate, `kept` the one that says it."""

    memory: Row
    reason: str
    kept: Row


def folds(memories: Sequence[Row]) -> list[Fold]:
    """What could be folded, the oldest first, in an order in which nothing that ended stands up again.

    Never: what is pinned, counts 8 or more, is contradicted, or ended a memory that stays.
    """
    by_id = {memory["id"]: memory for memory in memories}
    found: list[Fold] = []
    gone: set[str] = set()
    for memory in sorted(memories, key=lambda memory: (memory["first_heard"], memory["id"])):
        ended = [other["id"] for other in memories if other["superseded_by"] == memory["id"]]
        if not _is_expendable(memory) or not gone.issuperset(ended):
            continue
        if (kept := by_id.get(memory["superseded_by"])) is not None:
            found.append(Fold(memory, "superseded", kept))
            gone.add(memory["id"])
    found += _twins([memory for memory in memories if memory["status"] == "active"], by_id, gone)
    return found


def _twins(active: Sequence[Row], by_id: Mapping[str, Row], gone: set[str]) -> list[Fold]:
    """Active memories that say what another one says that weighs more; that one stays."""
    ended_something = {memory["superseded_by"] for memory in by_id.values() if memory["id"] not in gone}
    kept: dict[tuple[Any, ...], Row] = {}
    found = []
    for memory in sorted(active, key=_weight, reverse=True):
        first = kept.setdefault(_meaning(memory), memory)
        if first is not memory and _is_expendable(memory) and memory["id"] not in ended_something:
            found.append(Fold(memory, "duplicate", first))
    return found


def _is_expendable(memory: Row) -> bool:
    return (
        memory["status"] in ("active", "superseded")
        and not memory["pinned"]
        and not memory["conflict_with"]
        and memory["importance"] < KEPT_IMPORTANCE
    )


def _weight(memory: Row) -> tuple[Any, ...]:
    return (
        memory["pinned"],
        memory["importance"],
        memory["reinforcements"],
        memory["last_heard"],
        memory["id"],
    )


def _meaning(memory: Row) -> tuple[Any, ...]:
    """Two memories with the same words but for articles, of one kind and day, known to the same agents, are twins."""
    said = tuple(sorted(word for word in words(memory["content"]) if word not in _EMPTY))
    return said, memory["category"], memory["event_date"], memory["agent_id"]
