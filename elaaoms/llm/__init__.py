"""Language models: what is asked, what comes back, what it costs, and the port behind which they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from attrs import field, frozen, validators

from elaaoms.errors import ServiceRejected

TIMEOUT_S = 30.0  # for one whole call: connecting, sending, waiting and reading
MAX_OUTPUT_TOKENS = 4000  # reasoning counts towards it

_not_negative = validators.ge(0.0)


@frozen
class Message:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    text: str = field(repr=False)


@frozen
class Usage:
    """What one answer consumed; `cached_tokens` is the part of `input_tokens` that came from a cache."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


@frozen
class Prices:
    """US dollars per million tokens; all 0 for a model of one's own."""

    input: float = field(default=0.0, validator=_not_negative)
    cached: float = field(default=0.0, validator=_not_negative)
    output: float = field(default=0.0, validator=_not_negative)

    def cost(self, usage: Usage) -> float:
        """US dollars for one answer."""
        fresh = usage.input_tokens - usage.cached_tokens
        return (
            fresh * self.input + usage.cached_tokens * self.cached + usage.output_tokens * self.output
        ) / 1e6


@frozen(kw_only=True)
class Spent:
    """What one answer took, whatever it was good for. `provider` is the `name` of the one that answered and
    `model` what it calls itself."""

    provider: str
    model: str
    usage: Usage
    cost_usd: float = 0.0

    def answer(self, text: str, request_id: str | None) -> Answer:
        """The answer that took this."""
        return Answer(
            provider=self.provider,
            model=self.model,
            usage=self.usage,
            cost_usd=self.cost_usd,
            text=text,
            request_id=request_id,
        )


@frozen(kw_only=True)
class Answer(Spent):
    """What a model said. `text` is as it came: whether it is the JSON that was asked for, the caller checks."""

    text: str = field(repr=False)
    request_id: str | None = None


Paid: TypeAlias = Callable[[Spent], None]


def unheeded(_: Spent) -> None:
    """For those who do not count."""


class Truncated(ServiceRejected):
    """The answer does not fit into the output limit or the context; shorter input or more room may help."""


class Refusal(ServiceRejected):
    """The model declines to answer this, or a content filter does."""


class LanguageModel(Protocol):
    """A model that answers in JSON after a schema."""

    @property
    def name(self) -> str:
        """The provider, as errors, logs and the health page name it."""
        ...

    @property
    def model(self) -> str:
        """The model that is asked."""
        ...

    @property
    def prices(self) -> Prices:
        """What its tokens cost."""
        ...

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any],
        schema_name: str,
        paid: Paid = unheeded,
    ) -> Answer:
        """Ask once. The first message is the system's; the schema is strict: in every object all
        properties are required and no others allowed. `paid` is told of everything that was answered and
        therefore charged, also where it was of no use and this raises.

        ServiceUnavailable, ServiceRejected (Truncated, Refusal), ProviderBlocked.
        """
        ...

    async def close(self) -> None:
        """Close the connections; the model cannot be asked any more."""
        ...
