"""The built-in encoder: a table with a vector for every token of English, four megabytes that are mapped, not read.

A text is the mean of its tokens. The table was trained so that this mean points where
all-MiniLM-L6-v2 points (`tests/table/distill.py` makes it again); `data/NOTICE` says whose it is.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elaaoms.embed import Scale, Vector
from elaaoms.embed.wordpiece import WordPiece

FOLDER = Path(__file__).parent / "data"
MAX_TOKENS = 256


class TokenTable:
    """The `Encoder` that needs no service; for English, and for names and numbers in any language."""

    name = "builtin"
    languages = frozenset({"en", ""})

    def __init__(self, folder: Path = FOLDER) -> None:
        self._tokens: NDArray[np.int8] = np.load(folder / "tokens.npy", mmap_mode="r")
        self._scales: Vector = np.load(folder / "scales.npy")
        self._pieces = WordPiece((folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n"))
        fitted = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
        self.size = self._tokens.shape[1]
        self.version: int = fitted["version"]
        self.weight: float = fitted["weight"]
        self.scale = Scale(**fitted["scale"])
        self.lexical = Scale(**fitted["lexical"])

    def encode(self, text: str) -> Vector:
        numbers = self._pieces(text)[:MAX_TOKENS]
        if not numbers:
            return np.zeros(self.size, np.float32)
        mean: Vector = self._scales[numbers] @ self._tokens[numbers].astype(np.float32)
        length = float(np.sqrt(mean @ mean))
        return mean / length if length > 0 else mean


@lru_cache(maxsize=1)
def token_table() -> TokenTable:
    """The table, opened once in a process."""
    return TokenTable()
