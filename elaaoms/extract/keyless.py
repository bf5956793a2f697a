"""The extractor that needs no key: the rules, run beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from elaaoms.extract import Extraction
from elaaoms.extract.evidence import verify
from elaaoms.extract.rules import facts_of
from elaaoms.memory import Memory
from elaaoms.webhooks import Conversation


class Rules:
    """The provider `rules`; it looks at nothing but the call."""

    name = "rules"

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def extract(self, conversation: Conversation, known: Sequence[Memory]) -> Extraction:
        async with self._turn:  # two at once are no faster, and callers would wait for Python behind both
            return await asyncio.to_thread(lambda: verify(conversation, facts_of(conversation)))

    def blocked(self) -> Mapping[str, str]:
        return {}

    async def close(self) -> None:
        return None
