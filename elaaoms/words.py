"""What a sentence is made of: words, the stems they are found by, and values."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import Stemmer

_WORD = re.compile(r"\w+(?:['’]\w+)?(?:-\w+)*", re.UNICODE)
_VALUE = re.compile(r"[\w./:-]*\d[\w./:-]*", re.UNICODE)

STOP_WORDS = frozenset(
    """a about above after again all also am an and any are as at be because been before being below between both
    but by can could did do does doing down during each few for from further had has have having he her here hers
    him his how i if in into is it its itself just me more most my of off on once only or other our out over own
    please same she should so some such than that the their them then there these they this those through to too
    under until up us very was we were what when where which while who whom why will with would you your yours
    caller caller's callers know tell say said remember ever um uh""".split()
)

_NOT = frozenset(
    """no not never none neither nor cannot isn't aren't wasn't weren't don't doesn't didn't won't wouldn't can't
    couldn't shouldn't hasn't haven't hadn't""".split()
)
_MONTHS = frozenset(
    """january february march april may june july august september october november december monday tuesday
    wednesday thursday friday saturday sunday today tomorrow yesterday""".split()
)

_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen twenty""".split()
    )
}


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")


def words(text: str) -> list[str]:
    """The words of a text, case-folded and without compatibility variants; `don't` and `XYZ-789` are one word."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return _WORD.findall(folded)


def stems(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order; a compound also counts by its parts."""
    kept: list[str] = []
    for word in words(text):
        bare = word.removesuffix("'s")
        if bare in STOP_WORDS or bare in _NOT:
            continue
        kept.append(bare)
        if "-" in bare:
            kept.extend(part for part in bare.split("-") if part and part not in STOP_WORDS)
    return list(_stemmer().stemWords(kept))


def values(text: str) -> frozenset[str]:
    """Numbers, codes, weekdays and months of a text, normalised so that `1,200` is `1200` and `nine` is `9`."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    found = {
        re.sub(r"[^\w]", "", value)
        for value in _VALUE.findall(re.sub(r"(?<=\d)[,\s](?=\d{3}\b)", "", folded))
    }
    for word in words(text):
        if word in _MONTHS:
            found.add(word)
        elif word in _NUMBER_WORDS:
            found.add(_NUMBER_WORDS[word])
    return frozenset(found)


_NAME_IS = re.compile(
    r"(?:the caller's name is|the caller is (?:called|named)|der name d(?:es anrufers|er anruferin) (?:ist|lautet)|"
    r"d(?:er anrufer|ie anruferin) heißt|quien llama se llama|el nombre de quien llama es|"
    r"l['’]appelante? s['’]appelle|le nom de l['’]appelante? est) ([^\W\d_][\w'’.-]*(?: [^\W\d_][\w'’.-]*){0,3}?)\.?",
    re.IGNORECASE,
)


def name_in(content: str) -> str:
    """The name that a memory says is the caller's ("The caller's name is Robin Baker."), or an empty text."""
    match = _NAME_IS.fullmatch(content.strip())
    return match[1].rstrip(".") if match else ""
