"""Meaning as vectors: the encoder in this process that ranking builds on, and the endpoints that may refine it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]


@frozen(kw_only=True)
class Scale:
    """What a score is worth: the chance that a memory answers the question, fitted on labelled questions.

    `relevance = 1 / (1 + exp(-(bias + score·s + best·m + share·s/t)))` for a memory's score s, the best
    cosine m of any memory with the question, and the best score t. It rises with the score, and the same
    score is worth less beside a better one or where nothing is close in meaning.
    """

    bias: float
    score: float
    best: float
    share: float


class Encoder(Protocol):
    """Text to a unit vector, at once and always the same; for the languages it knows.

    `version` changes whenever the vectors or the terms do, so that what was stored is made again.
    """

    name: str
    version: int
    size: int
    languages: frozenset[str]
    weight: float  # of the cosine beside the squared share of words
    scale: Scale
    lexical: Scale  # for questions in other languages, which are answered by words alone

    def encode(self, text: str) -> Vector:
        """The text's unit vector; zeros for a text without meaning."""
        ...


class Embedder(Protocol):
    """A service that turns texts into vectors."""

    name: str  # stored with every vector; vectors of different names are never compared

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Unit vectors of texts; ServiceUnavailable, ServiceRejected or ProviderBlocked."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
