"""From a transcript to facts: what an extraction is, and the port behind which extractors stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import frozen

from elaaoms.memory import Fact, Memory
from elaaoms.webhooks import Conversation


@frozen
class Dropped:
    """A fact that was not believed, and why; `reason` is one of a few fixed words."""

    reason: str
    content: str


@frozen(kw_only=True)
class Extraction:
    """What one conversation taught us, in the order of turns, and what did not pass."""

    facts: tuple[Fact, ...] = ()
    dropped: tuple[Dropped, ...] = ()


class Extractor(Protocol):
    """Reads a conversation and says what is worth remembering."""

    @property
    def name(self) -> str:
        """The provider's name, as in `llm.provider`."""
        ...

    async def extract(self, conversation: Conversation, known: Sequence[Memory]) -> Extraction:
        """Facts that rest on the caller's words. `known` are the caller's active memories.

        ServiceUnavailable, ServiceRejected or ProviderBlocked where a service is asked.
        """
        ...

    def blocked(self) -> Mapping[str, str]:
        """Providers that are not asked at the moment, each with the reason."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
