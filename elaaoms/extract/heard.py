"""What a pattern sees of the call around a clause, and the ledger in which a call's facts settle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime

from attrs import evolve, frozen

from elaaoms.extract.clauses import Clause, doubtful
from elaaoms.extract.words import TOPICS
from elaaoms.memory import Category, Fact

_CHANGES = re.compile(
    r"\b(?:no longer|any ?more|used to|actually|instead|switched|moved|changed|cancelled|canceled|have stopped|"
    r"my new|our new|a new (?:number|address|phone|e-?mail)|new (?:number|address|e-?mail) is|(?<!right )now(?! (?:and|i need)))\b",
    re.IGNORECASE,
)
_TOPICS = tuple((re.compile(rf"\b(?:{words})\b", re.IGNORECASE), topic) for words, topic in TOPICS)
_TRAILING = re.compile(
    r"(?:[\s,;]+(?:and|but|so|because|cause|cos|although|though|then|plus|yet|um+|uh+))+$|,\s+(?:and|but|so|because|then)\W+$",
    re.IGNORECASE,
)
QUOTE = 280  # characters; longer clauses are cut around the match


@frozen
class Heard:
    """A clause with its turn's verbatim text, the call's clock, and what the agent said and asked before it.

    `behalf` says for whom the caller speaks ("mother", "dog") if it is not for themselves.
    """

    clause: Clause
    raw: str
    now: datetime | None
    known: Ledger
    asked: frozenset[str] = frozenset()
    agent: str = ""
    early: bool = False
    behalf: str = ""

    @property
    def changes(self) -> bool:
        """Whether the clause says that something is no longer as it was."""
        return _CHANGES.search(self.clause.text) is not None

    @property
    def around(self) -> str:
        """The clause with the words of its turn next to it."""
        return self.raw[max(0, self.clause.start - 80) : self.clause.end + 160]

    def matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Where `pattern` stands in the clause, unless the words before it put it in doubt."""
        for match in pattern.finditer(self.clause.text):
            if not doubtful(f"{self.clause.before}{self.clause.text[: match.start()]}"):
                yield match

    def note(
        self,
        category: Category,
        content: str,
        importance: int,
        slot: str,
        value: str,
        *,
        confidence: float = 0.9,
        changes: bool | None = None,
        topic: str = "",
        event_date: date | None = None,
        span: tuple[int, int] | None = None,
    ) -> Fact:
        """A fact that rests on this clause, or on `span` of the turn's text."""
        start, end = span or (self.clause.start, self.clause.end)
        return Fact(
            category=category,
            content=sentence(content),
            importance=importance,
            confidence=confidence,
            quote=verbatim(self.raw, start, end),
            turn=self.clause.turn,
            event_date=event_date,
            slot=slot[:120],
            value=value[:160],
            changes=self.changes if changes is None else changes,
            topic=topic,
        )

    def span(self, match: re.Match[str]) -> tuple[int, int]:
        """Where in the turn a match in the clause's text stands, widened to the clause if that is short."""
        if len(self.clause.text) <= QUOTE:
            return self.clause.start, self.clause.end
        start = max(self.clause.start, self.clause.start + match.start() - 40)
        return start, min(self.clause.end, self.clause.start + match.end() + 120)


def sentence(text: str) -> str:
    """One sentence with a capital, a full stop and single spaces, at most 300 characters."""
    text = " ".join(text.split()).rstrip(" .,;")
    return f"{text[:1].upper()}{text[1:299]}."


def verbatim(text: str, start: int, end: int) -> str:
    """`text[start:end]` on whole words without the blanks and commas around it, at most 280 characters."""
    while start > 0 and text[start - 1].isalnum() and text[start : start + 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum() and text[end - 1 : end].isalnum():
        end += 1
    quote = _TRAILING.sub("", text[start:end].strip(" \t\n,;-–—")).rstrip(" ,;-–—")
    return quote if len(quote) <= QUOTE else quote[:QUOTE].rsplit(" ", 1)[0].rstrip(" ,;")


def topic_of(text: str) -> str:
    """The first topic of the closed list that `text` is about, or ""."""
    hits = [(match.start(), topic) for pattern, topic in _TOPICS if (match := pattern.search(text))]
    return min(hits)[1] if hits else ""


def capitals(text: str) -> str:
    """A name or a place in title case; capitals inside a word stay."""
    return " ".join(
        "-".join(
            word
            if (any(map(str.isupper, word[1:])) and not word.isupper()) or len(word) < 1
            else word.capitalize()
            for word in part.split("-")
        )
        if "'" not in part
        else part[0].upper() + part[1:]
        for part in text.split()
    )


class Ledger:
    """The facts of one call by slot: what was said last stands, what was taken back is gone."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def __iter__(self) -> Iterator[Fact]:
        return iter(list(self._facts.values()))

    def get(self, slot: str) -> Fact | None:
        """The fact in `slot`."""
        return self._facts.get(slot)

    def slots(self, prefix: str) -> list[Fact]:
        """The facts whose slot begins with `prefix`, oldest first."""
        return [fact for fact in self._facts.values() if fact.slot.startswith(prefix)]

    def drop(self, slot: str) -> None:
        """Forget what the call said about `slot`."""
        self._facts.pop(slot, None)

    def clear(self) -> None:
        """Forget the whole call so far."""
        self._facts.clear()

    def drop_turn(self, turn: int) -> None:
        """Forget everything that turn `turn` said."""
        self._facts = {key: fact for key, fact in self._facts.items() if fact.turn != turn}

    def add(self, fact: Fact) -> None:
        """Settle `fact` with what the call said before."""
        key = fact.slot or fact.content.lower()
        known = self._facts.get(key)
        if known is not None:
            if _weaker(fact, known):
                self._facts[key] = evolve(known, confidence=max(fact.confidence, known.confidence))
                return
            del self._facts[key]
        self._facts[key] = fact


def _weaker(fact: Fact, known: Fact) -> bool:
    """Whether `fact` says no more than what is `known` in the same slot."""
    if fact.value == known.value or fact.value in ("mentioned", "open"):
        return True
    if fact.slot == "name":
        return set(fact.value.split()) < set(known.value.split())
    return fact.value.startswith("not ") and not known.value.startswith("not ")
