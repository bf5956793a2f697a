"""The names of a fact, which must have been said, one after the other and in their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from elaaoms.extract.assent import confirms, denies, welcomes
from elaaoms.extract.claim import CALLED, CALLER, WORD, Claim, folded
from elaaoms.extract.days import NAMES
from elaaoms.extract.people import genders, kinds, own, unaccented
from elaaoms.extract.spoken import codes, emails, spelled

_NAME_AFTER = re.compile(
    r"\b(?:name is|named|called|name ist|namens|heißt|heisst|herr|frau|llama|llamad[oa]|nombre es|señora?|s(?:'|’)appelle|"
    r"appelée?|nommée?|nom est|monsieur|madame|in|aus|nach|en|de|à)\s+([A-ZÀ-ÖØ-Þ][\w'’-]+(?:\s+[A-ZÀ-ÖØ-Þ][\w'’-]+)*)"
)
_CAPITALISED = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZÀ-ÖØ-Þ][\w'’-]*[^\W\d_]", re.UNICODE)
_FULL_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZÀ-ÖØ-Þ][\w’'-]+(?: [A-ZÀ-ÖØ-Þ][\w’'-]+)+")
# Words that begin with a capital for reasons of grammar, or name the one who speaks.
_NOT_NAMES = (
    frozenset(
        """i i'm the a an caller caller's mr mrs ms dr e-mail email whatsapp sms english german french spanish deutsch
    anrufer anruferin kunde kundin anrufers agent agentin cliente client llamante appelant appelante señor
    señora monsieur madame herr frau doctor""".split()
    )
    | NAMES
)
_CODE_LIKE = re.compile(r"[A-Z]{1,5}")


def are_the_names(claim: Claim) -> bool:
    content = claim.fact.content
    for name in names(content, claim.language):
        if not _is_named(claim, name):
            return False
    subject = claim.cast.subject(content)
    if subject is not None and not CALLER.match(content) and not claim.cast.has_said(subject):
        return False
    if _is_swapped(claim):
        return False
    full = _NAME_AFTER.findall(content) if claim.language == "de" else _FULL_NAME.findall(content)
    return all(_stand_together(claim, name) for name in full)


def _is_swapped(claim: Claim) -> bool:
    """Whether the fact has another name where its quote has one."""
    quote = claim.fact.quote.strip()
    ours = {name for name in names(claim.fact.content, claim.language) if not _is_theirs(claim, name)}
    new = {name for name in ours if not said_name(name, quote)}
    theirs = {
        name
        for name in names(f"x {quote}", claim.language)
        if claim.cast.is_name(unaccented(name)) and not said_name(name, claim.fact.content)
    }
    theirs |= claim.cast.uncapitalised(quote) - {unaccented(word) for word in folded(claim.fact.content)}
    return bool(new) and len(theirs) >= len(new) and not genders(quote, claim.language)


def _heard_names(claim: Claim) -> Iterator[str]:
    """The texts whose names a fact may use: its turn, the question that it answers, and what a pronoun recalls."""
    said = claim.turn.text
    punctuated = claim.end < len(said) or said.rstrip()[-1:] in ".!?"
    yield said[: claim.end if punctuated else claim.at + len(claim.fact.quote) + 30]
    if claim.asked and not denies(said) and ("?" in claim.asked or confirms(said) or welcomes(said)):
        yield claim.asked
    voice = claim.people.speaker(claim.fact.turn, claim.at)
    whole = own(claim.fact.quote, claim.language) and not genders(claim.fact.quote, claim.language)
    if claim.by_caller and whole and not voice.other:
        return
    turns = claim.talk.turns
    for number in range(claim.fact.turn - 1, -1, -1):
        following = turns[number + 1].text if number + 1 < len(turns) else ""
        if turns[number].role == "user" or ("?" in turns[number].text and confirms(following)):
            yield turns[number].text


def _is_named(claim: Claim, name: str) -> bool:
    if _is_theirs(claim, name) and CALLED.search(claim.fact.content) is None:
        return True
    return any(said_name(name, text) for text in _heard_names(claim)) or (
        name.casefold() in folded(claim.talk.agent_name)
        and not kinds(claim.fact.content, claim.language)
        and CALLED.search(claim.fact.content) is None
    )


def _is_theirs(claim: Claim, name: str) -> bool:
    """Whether a name is the caller's or a relative's; who does what was looked at with the people."""
    return unaccented(name) in claim.cast.caller or bool(claim.people.kin_of(name))


def _stand_together(claim: Claim, full: str) -> bool:
    """Whether the words of a name were said one after the other, if they were said in one turn."""
    words = [word for word in WORD.findall(full.casefold()) if word not in _NOT_NAMES]
    texts = [folded(text) for text in _heard_names(claim)]
    for text in texts:
        joined = f" {' '.join(text)} "
        if f" {' '.join(words)} " in joined:
            return True
    return not any(set(words) <= set(text) for text in texts) or len(words) < 2


def names(content: str, language: str) -> set[str]:
    """Words of the fact that name somebody or somewhere."""
    found = {word for phrase in _NAME_AFTER.findall(content) for word in WORD.findall(phrase)}
    if language != "de":  # where every noun has a capital, only what a name follows counts
        found |= {word for phrase in _CAPITALISED.findall(content) for word in WORD.findall(phrase)}
    return {
        word for word in found if word.casefold() not in _NOT_NAMES and not word.isdigit() and len(word) > 1
    }


def said_name(name: str, said: str) -> bool:
    """Whether a name was said, inflected or spelled."""
    sought = name.casefold()
    words = folded(said)
    if sought in words:
        return True
    if any(sought in word or (len(word) > 3 and word in sought) for word in words if len(word) > 3):
        return True  # an inflected form: Leeds', Londoner
    if len(name) <= 5 and _CODE_LIKE.fullmatch(name) and sought in "".join(words):
        return True  # a code whose letters were spelled
    return any(sought in entry for entry in _spelled_names(said))


@lru_cache(maxsize=1024)
def _spelled_names(said: str) -> tuple[str, ...]:
    return tuple(entry.value.casefold() for entry in (*spelled(said), *codes(said), *emails(said)))
