"""From a transcript to facts: who extracts them, and the check that each rests on the caller's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from elaaoms.memory import Fact
from elaaoms.webhooks import Conversation

_AGREES = re.compile(
    r"^\W*(?:(?:um+|uh+|oh|ah|well|so)\W+)*(?:yes|yeah|yep|yup|correct|right|exactly|sure|ok|okay|perfect|great|lovely|"
    r"wonderful|fine|good|brilliant|excellent|absolutely|definitely|thanks|thank you|please|cheers|"
    r"that(?:'s|’s| is| would be|'d be|’d be| sounds| works)|it is|sounds|works)\b",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")


@frozen
class Dropped:
    """A fact that was not believed, and why; `reason` is one of a few fixed words."""

    reason: str
    content: str


@frozen(kw_only=True)
class Extraction:
    """What one conversation taught us, and what did not pass."""

    facts: tuple[Fact, ...] = ()
    dropped: tuple[Dropped, ...] = ()


class Extractor(Protocol):
    """Reads a conversation and says what is worth remembering."""

    @property
    def name(self) -> str:
        """The provider's name, as in `llm.provider`."""
        ...

    async def extract(self, conversation: Conversation) -> Sequence[Fact]:
        """Facts in the order of turns, not yet checked."""
        ...


def verify(conversation: Conversation, facts: Sequence[Fact]) -> Extraction:
    """Keep the facts whose quote is found where they say it is, in words that count as evidence."""
    kept, dropped, seen = [], [], set()
    for fact in facts:
        reason = _objection(conversation, fact)
        key = (fact.category, fact.slot, fact.value or fact.content)
        if reason is None and key in seen:
            continue
        if reason is None:
            seen.add(key)
            kept.append(fact)
        else:
            dropped.append(Dropped(reason, fact.content))
    return Extraction(facts=tuple(kept), dropped=tuple(dropped))


def agrees(text: str) -> bool:
    """Whether a caller's turn confirms what the agent has just said."""
    return _AGREES.match(text) is not None


def _objection(conversation: Conversation, fact: Fact) -> str | None:
    """Why a fact is not believed: it must be the caller's words, or the agent's that the caller confirmed."""
    if not fact.quote.strip():
        return "no quote"
    if not 0 <= fact.turn < len(conversation.turns):
        return "no such turn"
    turn = conversation.turns[fact.turn]
    quote = _normal(fact.quote)
    if quote not in _normal(turn.text):
        return "quote not found"
    if turn.role == "user":
        return None
    if any(quote in _normal(text) for text in conversation.injected):
        return "our own words"
    answer = next((t.text for t in conversation.turns[fact.turn + 1 :] if t.role == "user" and t.text), "")
    return None if agrees(answer) else "not confirmed"


def _normal(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold()
