"""Meaning as vectors: what ranking needs of an encoder, and what its scores are worth."""

from __future__ import annotations

import os
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
