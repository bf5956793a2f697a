"""The extractor that needs no key: the rules, run beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from elaaoms.extract.rules import facts_of
from elaaoms.memory import Fact
from elaaoms.webhooks import Conversation


class Rules:
    """The provider `rules`."""

    name = "rules"

    async def extract(self, conversation: Conversation) -> Sequence[Fact]:
        return await asyncio.to_thread(facts_of, conversation)
