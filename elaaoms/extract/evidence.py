"""The check that every fact rests on the caller's own words: what a model proposes, this disposes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from attrs import evolve

from elaaoms.extract import Dropped, Extraction, injection
from elaaoms.extract.assent import accepts, asks_back, commits, confirms, promised, settles, welcomes
from elaaoms.extract.cast import Cast
from elaaoms.extract.claims import about_the_caller, overstates
from elaaoms.extract.days import NAMES
from elaaoms.extract.people import People, own
from elaaoms.memory import Fact
from elaaoms.webhooks import Conversation

SIMILAR = 0.88  # of a quote's letters must agree where speech recognition or a model respelled a word

TAG = 5  # words at most has a question that asks whether what stands before it is right

_WORD = re.compile(r"[^\W_]+", re.UNICODE)

# A statement of the agent's that a yes can confirm: one of days, times or numbers.
_FIGURE = re.compile(
    rf"\d|\b(?:{'|'.join(sorted(NAMES))}|today|tomorrow|half past|o(?:'|’)clock|heute|morgen|uhr|hoy|mañana|aujourd\w*|demain|heures?|\w+th)\b",
    re.IGNORECASE,
)
# How a statement speaks to the caller, or sums up what the caller said.
_TO_YOU = re.compile(
    r"\b(?:you|your|yours|so|then|Sie|Ihnen|Ihr\w*|also|dann|usted|su|sus|le|entonces|vous|votre|vos|donc|alors)\b",
    re.IGNORECASE,
)
_STOP = re.compile(r"[.!?…]+(?:\s+|$)")


def verify(conversation: Conversation, facts: Sequence[Fact]) -> Extraction:
    """Keep the facts whose quote is found where they say it is, in words that count as evidence."""
    return _sifted(conversation, facts, _misquotes)


def verify_proposals(conversation: Conversation, facts: Sequence[Fact]) -> Extraction:
    """The same for what a language model proposes: what the fact says must be in its evidence as well."""
    people = People(conversation)
    cast = Cast(conversation, people)

    def objection(talk: Conversation, fact: Fact) -> str | None:
        subject = cast.subject(fact.content)
        if subject is not None and cast.is_caller(subject):
            fact = evolve(fact, content=subject.recast)
        return (
            _misquotes(talk, fact) or injection.objection(talk, fact) or _overstates(talk, people, cast, fact)
        )

    return _sifted(conversation, facts, objection)


def _sifted(
    conversation: Conversation,
    facts: Sequence[Fact],
    objection: Callable[[Conversation, Fact], str | None],
) -> Extraction:
    kept: list[Fact] = []
    dropped: list[Dropped] = []
    seen = set()
    for fact in facts:
        reason = objection(conversation, fact)
        key = (fact.category, fact.slot, fact.value or fact.content.casefold())
        if reason is not None:
            dropped.append(Dropped(reason, fact.content))
        elif key not in seen:
            seen.add(key)
            kept.append(fact)
    return Extraction(facts=tuple(kept), dropped=tuple(dropped))


# -- the quote --------------------------------------------------------------------------


def _misquotes(conversation: Conversation, fact: Fact) -> str | None:
    """Why the quote is no evidence: it must be the caller's words, or the agent's that the caller confirmed."""
    if not fact.quote.strip():
        return "no quote"
    if not 0 <= fact.turn < len(conversation.turns):
        return "no such turn"
    turn = conversation.turns[fact.turn]
    if not occurs(fact.quote, turn.text):
        return "quote not found"
    if turn.role == "user":
        return None
    if any(occurs(fact.quote, text) for text in conversation.injected):
        return "our own words"
    answer = _answer(conversation, fact.turn)
    _, sentence = _sentence(turn.text, fact.quote)
    if (
        accepts(answer)
        and commits(sentence)
        and (promised(fact.content) or (not about_the_caller(fact.content) and commits(fact.quote)))
    ):
        return None
    if sentence.rstrip().endswith("?") and welcomes(answer):
        return None
    following = turn.text[turn.text.find(sentence) + len(sentence) :].strip()
    if following.endswith("?") and len(_WORD.findall(following)) <= TAG and welcomes(answer):
        return None  # "Wednesday at eight. Is that all right?"
    last = turn.text.rstrip().endswith(sentence.rstrip())
    mine = about_the_caller(fact.content) and not promised(fact.content) and not _TO_YOU.search(sentence)
    if (
        last
        and not mine
        and _FIGURE.search(sentence)
        and (confirms(answer) or (settles(answer) and promised(fact.content)))
    ):
        return None  # the caller's answer is to this sentence
    return None if confirms(answer) and asks_back(turn.text) else "not confirmed"


def occurs(quote: str, text: str) -> bool:
    """Whether a quote stands in a text, but for case, punctuation and a word that was heard differently."""
    sought, words = _folded(quote), _folded(text)
    if not sought:
        return False
    if f" {' '.join(sought)} " in f" {' '.join(words)} ":
        return True
    if len(sought) < 4:
        return False
    # A window of the same length may differ in its letters, never in a number or a denial.
    numbers = [word for word in sought if any(map(str.isdigit, word))]
    for start in range(max(1, len(words) - len(sought) + 1)):
        window = words[start : start + len(sought)]
        if [word for word in window if any(map(str.isdigit, word))] != numbers:
            continue
        matcher = SequenceMatcher(None, " ".join(sought), " ".join(window), autojunk=False)
        if matcher.quick_ratio() >= SIMILAR and matcher.ratio() >= SIMILAR:
            return _denials(sought) == _denials(window)
    return False


def _denials(words: Sequence[str]) -> int:
    return sum(word in _DENIALS for word in words)


_DENIALS = frozenset(
    "no not never nicht kein keine keinen nie nunca jamás pas jamais ne n sin ohne without t".split()
)


def _folded(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _answer(conversation: Conversation, turn: int) -> str:
    return next((t.text for t in conversation.turns[turn + 1 :] if t.role == "user" and t.text), "")


# -- what the fact makes of it ------------------------------------------------------------


def _overstates(conversation: Conversation, people: People, cast: Cast, fact: Fact) -> str | None:
    """Why the fact says more than its evidence does."""
    if _folded(fact.content) == _folded(fact.quote) and (
        own(fact.quote, people.language) or not people.another(fact.quote)
    ):
        return "only repeated"  # a memory is a sentence about the caller, not the caller's sentence
    return overstates(conversation, people, cast, fact)


def _sentence(text: str, quote: str) -> tuple[str, str]:
    """What the turn says before the quote's sentence, and that sentence."""
    at = max(0, text.lower().find(quote.strip().lower()))
    start = max((match.end() for match in _STOP.finditer(text, 0, at)), default=0)
    end = _STOP.search(text, min(len(text), at + max(1, len(quote.strip()) - 1)))
    return text[:start], text[start : end.end() if end else len(text)]
