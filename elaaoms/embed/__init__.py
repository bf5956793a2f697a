"""Meaning as vectors: what ranking needs of an encoder, and what its scores are worth."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

# A product of some thousand rows is done in a tenth of a millisecond by one thread; several of them wait for
# each other on a busy machine, for longer than a caller should notice. OpenBLAS reads this when it is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]


@frozen(kw_only=True)
class Scale:
    """What a score is worth: the chance that a memory answers the question, fitted on labelled questions.

    `relevance = 1 / (1 + exp(-x))`, `x = bias + score·s + best·m + share·s/t + apart·log(s/r) - log(n/10)`
    for a memory's score s, the best cosine m of any memory with the question, the best score t, what most
    of the caller's memories score at most (r, see `rank.relevance`) and how many there are (n). It rises
    with the score; the same score is worth less beside a better one, where nothing is close in meaning,
    where everything else scores nearly as much, and among many: before they are read, each of n
    memories is as likely as any other to be the one.
    """

    bias: float
    score: float
    best: float
    share: float
    apart: float


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
    """Text to unit vectors by a service, which may be slow, down or wrong.

    `model` names whose vectors they are: those of different models are never compared.
    """

    name: str
    model: str

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """A finite unit vector for each text, all of one size; ServiceUnavailable, ServiceRejected, ProviderBlocked."""
        ...

    async def close(self) -> None:
        """Let the connections go."""
        ...


class Nearness(Protocol):
    """A better judge of meaning than the table, where it answers in time."""

    async def likeness(self, owner: str, question: str) -> Mapping[str, float] | None:
        """How close an owner's memories (by id) are to a question, as cosines of the table would put it; those
        that it knows nothing of are not there. None when it is late, down, wrong or left alone."""
        ...
