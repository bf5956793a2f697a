"""A language model with a stopwatch and a meter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elaaoms.llm import Answer, LanguageModel, Message, Paid, Prices, Spent, unheeded
from elaaoms.metrics import Metrics


class Measured:
    """The `LanguageModel` it is given, of which the metrics learn how long it takes and what it costs."""

    def __init__(self, model: LanguageModel, metrics: Metrics) -> None:
        self._model = model
        self._metrics = metrics

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def model(self) -> str:
        return self._model.model

    @property
    def prices(self) -> Prices:
        return self._model.prices

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any],
        schema_name: str,
        paid: Paid = unheeded,
    ) -> Answer:
        def count(spent: Spent) -> None:
            usage = spent.usage
            tokens = {
                "input": usage.input_tokens - usage.cached_tokens,
                "cached": usage.cached_tokens,
                "output": usage.output_tokens,
            }
            self._metrics.paid(self.name, self.model, tokens, spent.cost_usd)
            paid(spent)

        with self._metrics.timed(self.name, schema_name):
            return await self._model.complete(messages, schema=schema, schema_name=schema_name, paid=count)

    async def close(self) -> None:
        await self._model.close()
