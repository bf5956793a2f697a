"""Two orders of the same things become one: by rank, since scores of different origin cannot be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

K = 60  # of reciprocal rank fusion: the first places of a list do not outweigh everything else


def fused(mine: Sequence[T], theirs: Sequence[str], *, id_of: Callable[[T], str]) -> list[T]:
    """What I found, in the order that my ranks and theirs add up to; what only they found stays out.

    What they did not find counts as if it came next there: to be missing from their list says little.
    Equal sums keep my order.
    """
    next_place = len(theirs) + 1
    places = {id_: place for place, id_ in enumerate(theirs, 1)}

    def score(place: int, item: T) -> float:
        return 1 / (K + place) + 1 / (K + places.get(id_of(item), next_place))

    scored = sorted(enumerate(mine, 1), key=lambda entry: (-score(*entry), entry[0]))
    return [item for _, item in scored]
