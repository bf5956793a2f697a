"""Embedding endpoints: OpenAI's, and every server that speaks its protocol (Ollama, vLLM, llama.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elaaoms.embed import Vector
from elaaoms.errors import ServiceUnavailable
from elaaoms.llm.wire import CONNECT_S, ask, host_of, key_for, only, parts, quiet

BASE_URL = "https://api.openai.com/v1"
BATCH = 64  # texts in one request


class OpenAIEmbedder:
    """One model at one base URL; `dimensions` 0 leaves the size to the model."""

    def __init__(
        self,
        *,
        model: str,
        api_key: str | None = None,
        base_url: str = BASE_URL,
        dimensions: int = 0,
        timeout_s: float = 30.0,
    ) -> None:
        import openai  # noqa: PLC0415  # half a second, only when it is used

        quiet()
        host = host_of(base_url)
        official = host == "api.openai.com" or host.endswith(".api.openai.com")
        key = key_for("embeddings", api_key, official=official)
        self.name = f"{model}/{dimensions}@{host}" if dimensions else f"{model}@{host}"
        self._model = model
        self._dimensions = dimensions
        self._timeout_s = timeout_s
        self._failures = openai.OpenAIError
        timeout = openai.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            timeout=timeout,
            max_retries=0,  # the job's schedule is the only one
            http_client=openai.DefaultAioHttpClient(
                timeout=timeout,
                trust_env=False,  # no proxy from the environment
                follow_redirects=False,  # memories go where they were sent
                event_hooks={"request": [only(authorization=f"Bearer {key}")]},
            ),
        )

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        found: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            found += await self._embed(list(texts[start : start + BATCH]))
        return found

    async def _embed(self, texts: list[str]) -> list[Vector]:
        asked: dict[str, Any] = {"model": self._model, "input": texts, "encoding_format": "float"}
        if self._dimensions:
            asked["dimensions"] = self._dimensions
        body, _ = await ask(
            "embeddings",
            self._client.embeddings.create(**asked),
            timeout_s=self._timeout_s,
            failures=self._failures,
        )
        by_place = {entry.get("index"): entry.get("embedding") for entry in parts(body, "data")}
        vectors = [_unit(by_place.get(place)) for place in range(len(texts))]
        if len({len(vector) for vector in vectors}) > 1:
            raise ServiceUnavailable("embeddings answered with vectors of different sizes")
        return vectors

    async def close(self) -> None:
        await self._client.close()


def _unit(numbers: object) -> Vector:
    if not isinstance(numbers, list) or not numbers or not all(type(n) in (int, float) for n in numbers):
        raise ServiceUnavailable("embeddings answered 200 with something that is no vector")
    vector = np.array(numbers, np.float32)
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        raise ServiceUnavailable("embeddings answered with a vector that points nowhere")
    return vector / length
