"""The days and numbers of a fact, which must be those that were said and not taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from elaaoms.extract.assent import confirms, denies, promised, welcomes
from elaaoms.extract.claim import FORMER, NOW, NUMBER, WORD, Claim
from elaaoms.extract.days import (
    BESIDE,
    CORRECTS,
    NAMES,
    Meaning,
    Said,
    consistent,
    expressions,
    past,
    plural,
    standing,
    tense,
    weekdays_of,
    written,
)
from elaaoms.extract.numerals import counted, plain, within
from elaaoms.extract.numerals import said as numerals
from elaaoms.extract.spoken import codes
from elaaoms.memory import Fact

_BUT_NOW = re.compile(
    r"\b(?:but|now|aber|jetzt|nun|sondern|pero|ahora|sino|mais|maintenant|désormais)\b|,", re.IGNORECASE
)
_AGE = re.compile(
    r"\b(?:is|ist|tiene|a)\s+(?P<age>\d{1,3})(?=\s+(?:years? old|jahre? alt|años|ans)\b|\W*$)", re.IGNORECASE
)
# What somebody will be, up to the end of the clause.
_TURNS = re.compile(
    r"(?:\b(?:will be|turns|turning|going to be|wird|werden|cumplirá|cumple|va a cumplir|va avoir|aura|fêtera)\b|['’]ll be\b)[^.,;!?]{0,40}",
    re.IGNORECASE,
)
_PAIRED = re.compile(r"\b(\d{1,2})\s*(?::|uhr|h|heures?|horas y|y|\.)\s*(\d{2})\b(?![.,]?\d)", re.IGNORECASE)
_FULL_HOUR = re.compile(r"(?<=\d)[:.]00\b(?!\d)|(?<=\d h )00\b")
_HALVES = re.compile(r"\b(?:half|quarter|halb\w*|viertel\w*|media|cuarto|demie?|quart)\b", re.IGNORECASE)
_ONE = re.compile(r"\b(?:an?|ein\w{0,2}|una?|une?|l(?:'|’))\b", re.IGNORECASE)
_TWO = re.compile(
    r"\b(?:both|twice|couple|double|pair|twins?|beide\w*|zweimal|zu zweit|doppel\w*|paar|zwillinge|amb[oa]s|doble|par|deux|les deux|double|paire|jume\w+)\b",
    re.IGNORECASE,
)
# Number words that are other words as well.
_AMBIGUOUS = {
    "en": frozenset("once second seconds one first oh die".split()),
    "de": frozenset("ein eins eine einen einem einer erste ersten achten sei".split()),
    "es": frozenset("uno una un primero primer primera segundo media".split()),
    "fr": frozenset("un une neuf premier première seconde".split()),
}


def are_the_days(claim: Claim) -> bool:
    content, called = claim.fact.content, claim.talk.called_at
    if not consistent(content):
        return False
    named = written(content)
    weekdays = weekdays_of(content)
    if not named and not weekdays and claim.fact.event_date is None:
        return True
    meanings = _meanings(claim)
    if not all(any(meaning.weekday(day) for meaning in meanings) for day in weekdays):
        return False
    told = standing(claim.fact.quote)
    days = {claim.fact.event_date} if claim.fact.event_date is not None else set()
    days |= {day for said in named if said.day and said.month for day in meanings[0].dates(said)}
    named_there = bool(told and days) and claim.by_caller and not BESIDE.search(claim.fact.quote)
    if named_there and not any(said.fits(day) for said in told for day in days):
        return False
    event = claim.fact.event_date
    if event is not None and not any(meaning.day(event) for meaning in meanings):
        same_day = called is not None and event == called.date() and not claim.by_caller
        if not (same_day and all(meaning.dateless for meaning in meanings)):
            return False
    for said in named:
        if said.day is None or said.month is None:
            year = said.year
            if said.month is not None and not any(meaning.month(said.month, year) for meaning in meanings):
                return False
        elif not any(_means(meaning, said) for meaning in meanings) and not (
            _is_event(said, claim.fact)
            or (called is not None and len(named) > 1 and said.fits(called.date()))
        ):
            return False
    return True


def _meanings(claim: Claim) -> list[Meaning]:
    """What the quoted turn can mean; where it answers a question about a day, what both together can."""
    before = [turn.text for turn in reversed(claim.talk.turns[: claim.fact.turn])]
    called = claim.talk.called_at
    tense = _tense(claim)
    alone = Meaning(claim.turn.text, called, before, tense=tense)
    if not claim.asked or (denies(claim.turn.text) and not alone.dateless):
        return [alone]
    if alone.dateless or "?" in claim.asked or confirms(claim.turn.text):
        return [alone, Meaning(claim.around, called, before, tense=tense, within=alone)]
    return [alone]


def _tense(claim: Claim) -> int:
    """-1 where the fact lies behind, 1 where it lies ahead, as the quote says or else the fact."""
    told = " ".join(claim.clauses)
    if not tense(told) and past(told):
        return 0
    so_far = tense(told) or (0 if promised(claim.fact.content) else tense(claim.fact.content))
    return so_far or 1


def _means(meaning: Meaning, said: Said) -> bool:
    return any(meaning.day(day) for day in meaning.dates(said))


def are_the_numbers(claim: Claim) -> bool:
    content = claim.fact.content
    days = {
        str(part)
        for said in written(content)
        if said.month
        for part in (said.day, said.month, said.year)
        if part
    }
    if claim.fact.event_date is not None:
        event = claim.fact.event_date
        days |= {str(event.day), str(event.month), str(event.year)}
    called = claim.talk.called_at
    for number in NUMBER.findall(_FULL_HOUR.sub(" ", content)):
        digits = re.sub(r"\D", "", number)
        if digits.lstrip("0") in days or _counts(claim, digits) or _is_evening(claim, number, digits):
            continue
        if (
            called is None
            or len(digits) != 4
            or abs(int(digits) - called.year) > 1
            or not _yearly(claim, digits)
        ):
            return False
    if _is_misplaced(claim) or _is_an_age_to_come(claim):
        return False
    for first, second in _PAIRED.findall(_FULL_HOUR.sub(" ", content)):
        if {first, second} <= days or (_HALVES.search(claim.around) and second in ("15", "30", "45")):
            continue
        if not _in_order(claim, first, second):
            return False
    return all(
        _counts(claim, str(value)) for value in in_words(content, claim.language) if str(value) not in days
    )


def _is_an_age_to_come(claim: Claim) -> bool:
    """Whether somebody will be as old as the fact says that they are: "he'll be twelve in March"."""
    age = _AGE.search(claim.fact.content)
    return age is not None and any(within(age["age"], match[0]) for match in _TURNS.finditer(claim.turn.text))


def _is_misplaced(claim: Claim) -> bool:
    """Whether a number of the fact stands before a word that another number was said before: "6 Quarry Hill"."""
    told = _counted_things(claim.around)
    return claim.language != "de" and any(
        bool(told.get(thing)) and not any(number in value or value in number for value in told[thing])
        for thing, numbers in _counted_things(claim.fact.content).items()
        for number in numbers
    )


def _yearly(claim: Claim, year: str) -> bool:
    """Whether a year may stand for "in May" or "last year"."""
    return (
        within(year, claim.around)
        or re.search(
            r"year|jahr|año|an(?:née|s)?\b|spring|summer|autumn|winter|frühling|frühjahr|sommer|herbst|primavera|verano|otoño|"
            r"invierno|printemps|été|automne|hiver|season|christmas|weihnacht|navidad|noël|easter|ostern|pascua|pâques",
            claim.around,
            re.IGNORECASE,
        )
        is not None
        or bool(written(claim.around))
    )


def _is_evening(claim: Claim, number: str, digits: str) -> bool:
    """Whether an hour is written as it is counted from midnight: "20:00" for "eight"."""
    hour = int(digits) if len(digits) == 2 else 0
    return (
        13 <= hour <= 23
        and re.search(rf"\b{number}(?:[:.]\d\d| ?h\b| uhr\b)", claim.fact.content, re.IGNORECASE) is not None
        and _counts(claim, str(hour - 12))
    )


def _counts(claim: Claim, digits: str) -> bool:
    """Whether a number was said by the caller, or by the agent where the caller agreed."""
    said = claim.turn.text
    if within(digits, said) or (digits == "2" and _TWO.search(said)) or (digits == "1" and _ONE.search(said)):
        return True
    if digits.isdecimal() and 2 <= int(digits) <= 7 and len(_weekdays_in(said)) == int(digits):
        return True  # "on Mondays and Fridays", so twice a week
    if len(digits) >= 3 and digits in _spelled_out(said):
        return True
    if len(digits) >= 4 and _mended(said, digits):
        return True
    if not claim.asked or denies(said) or not ("?" in claim.asked or confirms(said) or welcomes(said)):
        return False
    _, runs = numerals(said)
    if not confirms(said) and any(len(run) == len(digits) for run in runs):
        return False  # another number in its place
    return within(digits, claim.asked) or (len(digits) >= 3 and digits in _spelled_out(claim.asked))


def _in_order(claim: Claim, first: str, second: str) -> bool:
    for text in (claim.turn.text, claim.around):
        tokens = WORD.findall(plain(text.casefold()))
        said = [str(value) for value, _, _ in counted(tokens)]
        if any(
            one == first.lstrip("0") and other == (second.lstrip("0") or "0") for one, other in pairwise(said)
        ):
            return True
        if any(f"{first}{second}" in run for run in numerals(text)[1]):
            return True
    return False


def is_corrected(claim: Claim) -> bool:
    """Whether a number of the fact was taken back, in the same breath or later: "285, sorry, 258"."""
    numbers = [re.sub(r"\D", "", number) for number in NUMBER.findall(claim.fact.content)]
    if not numbers:
        return False
    said = claim.turn.text
    cut = max((match.start() for match in CORRECTS.finditer(said)), default=None)
    if any(_mended(said, number) for number in numbers):
        return False
    if cut is not None and any(len(run) >= 2 for run in numerals(said[cut:])[1]):
        old, new = said[:cut], said[cut:]
        if any(len(number) > 1 and within(number, old) and not within(number, new) for number in numbers):
            return True
    return any(len(number) > 2 and claim.people.took_back(claim.fact.turn, number) for number in numbers)


def is_former(claim: Claim) -> bool:
    """Whether a number of the fact is only said of what was so before, and the fact says that it is so now."""
    content = claim.fact.content
    if not NOW.search(content) or FORMER.search(content):
        return False
    parts = [part for part in _BUT_NOW.split(claim.sentence) if part.strip()]
    if len(parts) < 2:
        return False
    for number in NUMBER.findall(content):
        digits = re.sub(r"\D", "", number)
        told = [part for part in parts if within(digits, part)]
        others = [part for part in parts if part not in told and numerals(part)[1]]
        if told and others and all(FORMER.search(part) for part in told):
            return True
    return False


def _is_event(said: Said, fact: Fact) -> bool:
    return fact.event_date is not None and said.fits(fact.event_date)


def _mended(said: str, digits: str) -> bool:
    """Whether a number is one whose end was corrected: "zero four one six, no, four one nine"."""
    for match in CORRECTS.finditer(said):
        old, new = numerals(said[: match.start()])[1], numerals(said[match.end() :])[1]
        if old and new and len(new[0]) >= 2 and old[-1][: -len(new[0])] + new[0] == digits:
            return True
    return False


def _weekdays_in(text: str) -> set[int]:
    return {said.weekday for said in expressions(text) if said.weekday is not None} | plural(text)


@lru_cache(maxsize=1024)
def _counted_things(text: str) -> dict[str, set[str]]:
    """The numbers of a text by the name that follows them, such as a street's."""
    tokens = re.findall(r"[^\W\d_]+|\d+|[^\w\s]", text)
    found: dict[str, set[str]] = {}
    for value, _, end in counted([token.casefold() for token in tokens]):
        word = tokens[end] if end < len(tokens) else ""
        if len(word) > 3 and word.istitle() and word.casefold() not in NAMES:
            found.setdefault(word.casefold(), set()).add(str(value))
    return found


def in_words(content: str, language: str) -> Iterator[int]:
    """The numbers that a fact writes out in words."""
    tokens = re.findall(r"[^\W\d_]+|\d+|-", plain(content.casefold()))
    for value, start, end in counted(tokens):
        words = tokens[start:end]
        if any(word.isdigit() for word in words) or (len(words) == 1 and words[0] in _AMBIGUOUS[language]):
            continue
        if value > 1:
            yield value


@lru_cache(maxsize=1024)
def _spelled_out(text: str) -> str:
    return " ".join(re.sub(r"\D", "", code.value) for code in codes(text))
