"""An archived call read again: what another model or prompt would have remembered, beside what is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

from attrs import frozen

from elaaoms.memory import Heard


@frozen(kw_only=True)
class Difference:
    """Facts of one call as they are (`before`) and as they would be, by content.

    `reworded` pairs facts of one category that rest on the same turn; what has no partner was
    `added` or `removed`.
    """

    same: tuple[str, ...]
    reworded: tuple[tuple[str, str], ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


@frozen(kw_only=True)
class Reading:
    """One reading of a call: its facts, and how many proposals were dropped for each reason."""

    heard: tuple[Heard, ...]
    dropped: Mapping[str, int]

    @property
    def groundedness(self) -> float:
        """The share of what was proposed that the evidence carries; 1.0 when nothing was."""
        proposed = len(self.heard) + sum(self.dropped.values())
        return len(self.heard) / proposed if proposed else 1.0


@frozen(kw_only=True)
class Replay:
    """A call read again; `usd` is what the new reading cost, `adopted` whether it took the old one's place."""

    conversation_id: str
    provider: str
    model: str
    before: Reading
    after: Reading
    usd: float
    adopted: bool

    @property
    def difference(self) -> Difference:
        """What adopting the new reading changes."""
        return compare(self.before.heard, self.after.heard)


def reasons(dropped: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """How often each reason stands in a list of dropped facts."""
    return dict(Counter(entry["reason"] for entry in dropped).most_common())


def compare(before: Sequence[Heard], after: Sequence[Heard]) -> Difference:
    """Pair the facts of two readings: first those that say the same, then those that rest on the same turn."""
    old, new = list(before), list(after)
    same = _paired(old, new, lambda heard: _squeezed(heard.fact.content))
    reworded = _paired(old, new, lambda heard: (heard.fact.turn, heard.fact.category))
    return Difference(
        same=tuple(ours.fact.content for ours, _ in same),
        reworded=tuple((ours.fact.content, theirs.fact.content) for ours, theirs in reworded),
        added=tuple(heard.fact.content for heard in new),
        removed=tuple(heard.fact.content for heard in old),
    )


def _paired(
    old: list[Heard], new: list[Heard], key: Callable[[Heard], Hashable]
) -> list[tuple[Heard, Heard]]:
    """Take pairs with equal keys out of both lists, in the order of `old`."""
    pairs = []
    for heard in tuple(old):
        partner = next((other for other in new if key(other) == key(heard)), None)
        if partner is not None:
            old.remove(heard)
            new.remove(partner)
            pairs.append((heard, partner))
    return pairs


def _squeezed(text: str) -> str:
    return " ".join(text.casefold().split())
