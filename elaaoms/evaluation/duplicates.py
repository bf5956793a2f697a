"""Measure what is merged on labelled pairs of statements, by the code that reconciles, beside likeness alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define, field, frozen

from elaaoms.errors import ElaaomsError
from elaaoms.memory import MAX_CONTENT, Category, Fact, Heard
from elaaoms.reconcile import Policy, learn
from elaaoms.same import likeness

Merges: TypeAlias = Callable[[str, str], bool]
_DAY_S = 86400.0


@frozen
class Pair:
    """Two statements of one caller, `a` known and `b` new; `group` says in what they differ."""

    a: str
    b: str
    same: bool
    group: str = ""
    split: str = ""


@define
class Tally:
    """What a rule did to labelled pairs."""

    n: int = 0
    same: int = 0
    found: int = 0
    wrong_merges: Counter[str] = field(factory=Counter)

    @property
    def merged(self) -> int:
        """How many pairs were merged, rightly or wrongly."""
        return self.found + self.wrong_merges.total()

    def report(self) -> dict[str, Any]:
        """`{n, precision, recall, wrong_merges: {group: count}}`; a rule that merges nothing merges nothing wrong."""
        return {
            "n": self.n,
            "precision": _share(self.found, self.merged),
            "recall": _share(self.found, self.same),
            "wrong_merges": dict(sorted(self.wrong_merges.items())),
        }


def read(lines: Iterable[Mapping[str, Any]]) -> list[Pair]:
    """The pairs of a labelled set; ElaaomsError names the line that is none."""
    pairs = []
    for number, line in enumerate(lines, 1):
        texts = [line.get("a"), line.get("b")] if isinstance(line, Mapping) else []
        if not texts or not all(isinstance(text, str) and 0 < len(text) <= MAX_CONTENT for text in texts):
            raise ElaaomsError(f"line {number}: a and b are texts of 1 to {MAX_CONTENT} characters")
        if not isinstance(line.get("same"), bool):
            raise ElaaomsError(f"line {number}: same is true or false")
        pairs.append(
            Pair(line["a"], line["b"], line["same"], str(line.get("group", "")), str(line.get("split", "")))
        )
    return pairs


def measure(pairs: Sequence[Pair], merges: Merges) -> Tally:
    """What a rule merges of these pairs, and what of that is not the same."""
    tally = Tally()
    for pair in pairs:
        tally.n += 1
        tally.same += pair.same
        if merges(pair.a, pair.b):
            if pair.same:
                tally.found += 1
            else:
                tally.wrong_merges[pair.group] += 1
    return tally


def reconciled(policy: Policy) -> Merges:
    """Whether two statements of two calls become one memory."""

    def merges(a: str, b: str) -> bool:
        return len(learn([_heard(a, 1), _heard(b, 2)], (), "caller", policy=policy).memories) == 1

    return merges


def likeness_alone(policy: Policy) -> Merges:
    """The rule that others use: as alike as the threshold says, whatever differs."""

    def merges(a: str, b: str) -> bool:
        return likeness(a, b, policy.similarity) >= policy.duplicate_threshold

    return merges


def interval(part: int, whole: int) -> tuple[float, float]:
    """Where a share lies with a certainty of 95 % (Wilson)."""
    if not whole:
        return 0.0, 1.0
    z = 1.96
    share, spread = part / whole, z * z / whole
    middle = (share + spread / 2) / (1 + spread)
    reach = z * math.sqrt(share * (1 - share) / whole + spread / (4 * whole)) / (1 + spread)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _heard(text: str, call: int) -> Heard:
    fact = Fact(category=Category.FACTUAL, content=text, importance=5)
    return Heard(key=f"{call}", fact=fact, source="call", heard_at=call * _DAY_S, conversation_id=f"{call}")


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 1.0
