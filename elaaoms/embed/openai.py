"""Embeddings by OpenAI, and by every server that speaks its protocol (Ollama, vLLM, llama.cpp, gateways)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

import numpy as np

from elaaoms.embed import Vector
from elaaoms.errors import ServiceUnavailable
from elaaoms.llm.wire import CONNECT_S, Body, ask, host_of, key_for, only, parts, quiet, strange
from elaaoms.remote import about

BASE_URL = "https://api.openai.com/v1"
MODEL = "text-embedding-3-small"
NAME = "embeddings"
TIMEOUT_S = 30.0


class OpenAIEmbedder:
    """One model at one base URL; `dimensions` is how long its vectors shall be, its own length if 0.

    `tls` is whom to trust, the system's certificates if None.
    """

    name = NAME

    def __init__(
        self,
        *,
        model: str = MODEL,
        api_key: str | None = None,
        base_url: str = BASE_URL,
        dimensions: int = 0,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        import openai  # noqa: PLC0415  # half a second, only when it is used

        quiet()
        host = host_of("embeddings.base_url", base_url)
        official = host == "api.openai.com" or host.endswith(".api.openai.com")
        key = key_for(NAME, api_key, official=official)
        self.model = f"{model}/{dimensions}" if dimensions else model
        self._asked: dict[str, Any] = {"model": model, "encoding_format": "float"}
        if dimensions:
            self._asked["dimensions"] = dimensions
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
                verify=tls or True,
                trust_env=False,  # no proxy from the environment
                follow_redirects=False,  # memories go where they were sent
                event_hooks={"request": [only(authorization=f"Bearer {key}")]},
            ),
        )

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        call = self._client.embeddings.create(input=list(texts), **self._asked)
        body, _ = await ask(self.name, call, timeout_s=self._timeout_s, failures=self._failures)
        return self._vectors(body, len(texts))

    async def close(self) -> None:
        await self._client.close()

    def _vectors(self, body: Body, count: int) -> list[Vector]:
        """The vectors in the order of the texts; anything but one good vector for each is no answer."""
        found = {one.get("index"): one.get("embedding") for one in parts(body, "data")}
        rows = [found.get(place) for place in range(count)]
        if not all(isinstance(row, list) and row for row in rows) or len(found) != count:
            raise strange(self.name)
        try:
            matrix = np.array(rows, np.float32)
        except (TypeError, ValueError):  # of different lengths, or not numbers
            raise strange(self.name) from None
        lengths = np.linalg.norm(matrix, axis=1) if matrix.ndim == 2 else np.zeros(1)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise _wrong(f"{self.name} gave a vector that is not one: not finite, or zero")
        if self._dimensions and matrix.shape[1] != self._dimensions:
            raise _wrong(f"{self.name} gave {matrix.shape[1]} numbers for a text, not {self._dimensions}")
        return list(matrix / lengths[:, None])


def _wrong(sentence: str) -> ServiceUnavailable:
    return about("answer", ServiceUnavailable(sentence))
