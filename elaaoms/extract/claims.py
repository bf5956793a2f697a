"""What a proposed fact makes of its evidence: its numbers, days, names and people must be those that were said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from elaaoms.extract.cast import Cast
from elaaoms.extract.claim import CALLER, NUMBER, Claim, folded
from elaaoms.extract.days import weekdays_of
from elaaoms.extract.figures import are_the_days, are_the_numbers, is_corrected, is_former
from elaaoms.extract.gist import gist, gist_all, likeness, near, stem
from elaaoms.extract.manner import is_declined, is_denied, is_question, is_supposed, was_once
from elaaoms.extract.named import are_the_names, names, said_name
from elaaoms.extract.numerals import within
from elaaoms.extract.people import People, kinds, own
from elaaoms.extract.whose import are_the_people, is_anothers, is_anothers_kin, is_relation, is_turned_round
from elaaoms.memory import Category, Fact
from elaaoms.webhooks import Conversation

_HARM = re.compile(
    r"\b(?:allerg\w+|allergi\w+|intoleran\w+|alérgic\w+)\s+(?:to|gegen|auf|al?|à|aux?|contre)\s+(?:(?:the|all?|l(?:'|’)|la|les|los|las|el|dem|die|den)\s*)?([^\W\d_]+)",
    re.IGNORECASE,
)
# Two words with what links them: "surgery on the ankle", "Operation am Knie".
_LINKED = re.compile(
    r"([^\W\d_]{4,}) (on|in|at|to|with|from|am|an|im|auf|mit|bei|en|con|al|au|à|dans|sur|avec) "
    r"(?:(?:the|my|our|his|her|their|an?|der|die|das|dem|den|mein\w*|sein\w*|ihr\w*|la|el|las|los|mi|su|le|les|mon|ma|son|sa|l['’]) ?)?([^\W\d_]{4,})",
    re.IGNORECASE,
)
# Cosines above which a fact says in other words what was said, with and without a word or a number of it.
APART = 0.15  # and below which a single word does not make it about the same
AKIN = 0.35
CLOSE = 0.45
SAME = 0.6  # above which one word may stand for another


def about_the_caller(content: str) -> bool:
    """Whether a fact begins with the caller."""
    return CALLER.match(content) is not None


def overstates(talk: Conversation, people: People, cast: Cast, fact: Fact) -> str | None:
    """Why a fact says more than its evidence does."""
    claim = Claim(talk, people, cast, fact)
    return next((reason for reason in objections(claim) if reason is not None), None)


def objections(claim: Claim) -> Iterator[str | None]:
    """Reasons against the fact, one check after the other."""
    if claim.by_caller:
        yield "a question" if is_question(claim) else None
        yield "supposed" if is_supposed(claim) else None
        yield "somebody else's" if is_anothers(claim) or is_anothers_kin(claim) else None
        yield "denied" if is_denied(claim) else None
    yield None if _is_related(claim) else "not about it"
    yield None if are_the_people(claim) else "person not in evidence"
    yield None if are_the_days(claim) else "date not in evidence"
    yield None if are_the_numbers(claim) else "number not in evidence"
    yield "corrected" if is_corrected(claim) or is_former(claim) else None
    yield None if are_the_names(claim) else "name not in evidence"
    if claim.by_caller:
        yield "denied" if is_declined(claim) else None
        yield "turned round" if is_turned_round(claim) else None
        yield "formerly" if was_once(claim) else None


def _is_related(claim: Claim) -> bool:
    """Whether the fact has its words from its evidence; numbers and days that were said count as words."""
    content = claim.fact.content
    harm, told = _HARM.search(content), _HARM.search(claim.fact.quote)
    if harm is not None and told is not None and not near(stem(harm[1].casefold()), gist_all(told[1])):
        return False
    if harm is not None and not (
        harm[1].casefold() in folded(claim.around) or near(stem(harm[1].casefold()), gist(claim.around))
    ):
        return False
    if _is_of_another_thing(claim):
        return False
    about = gist(content)
    figures = {re.sub(r"\D", "", number) for number in NUMBER.findall(content)}
    exact = any(len(figure) >= 3 and within(figure, claim.around) for figure in figures)
    if not about or exact or is_relation(claim):
        return True
    words = sum(near(word, gist(claim.around)) for word in about)
    words += any(len(word) > 8 and word in folded(claim.around) for word in folded(content))
    others = sum(within(figure, claim.around) for figure in figures)
    others += bool(kinds(content, claim.language) & kinds(claim.fact.quote, claim.language))
    others += any(said_name(name, claim.around) for name in names(content, claim.language))
    others += claim.fact.event_date is not None or bool(weekdays_of(content))
    if (words + others) * 4 >= len(about) and (words or others > 1 or len(about) <= 3):
        return claim.language != "en" or words + others > 1 or _means_alike(claim) >= APART
    if claim.fact.category is Category.EMOTIONAL and not words:
        return len(about) <= (2 if own(claim.fact.quote, claim.language) else 1)
    if sum(near(word, gist(claim.lately)) for word in about) > 1:
        return True  # in other words than the question before the last, that its turn still is about
    return claim.language == "en" and _means_alike(claim) >= (AKIN if words or others else CLOSE)


def _is_of_another_thing(claim: Claim) -> bool:
    """Whether the quote has another word where the fact has one that was never said: a wrist for an ankle."""
    said = {
        (stem(of.casefold()), link.casefold()): thing for of, link, thing in _LINKED.findall(claim.fact.quote)
    }
    for of, link, thing in _LINKED.findall(claim.fact.content):
        other = said.get((stem(of.casefold()), link.casefold()))
        if other is None or min(len(thing), len(other)) < 4 or not (gist(thing) and gist(other)):
            continue
        if own(other, claim.language) or near(stem(thing.casefold()), gist(claim.around)):
            continue
        if likeness(thing, other) >= SAME:
            continue
        return True
    return False


def _means_alike(claim: Claim) -> float:
    """How near in meaning the fact is to its evidence, as far as the token table can tell."""
    content = CALLER.sub("", claim.fact.content)
    return max(likeness(content, claim.fact.quote), likeness(content, claim.around))
