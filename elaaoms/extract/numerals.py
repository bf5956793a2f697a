"""Numbers as they are said in English, German, Spanish and French, for comparing what two texts count."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from elaaoms.numerals import ORDINALS

_UNITS = (
    "zero oh nought null cero zéro|one ein eins eine einen einem einer uno una un une|two zwei zwo dos deux|"
    "three drei tres trois|four vier cuatro quatre|five fünf cinco cinq|six sechs seis|seven sieben siete sept|"
    "eight acht ocho huit|nine neun nueve neuf|ten zehn diez dix|eleven elf once onze|twelve zwölf doce douze|"
    "thirteen dreizehn trece treize|fourteen vierzehn catorce quatorze|fifteen fünfzehn quince quinze|"
    "sixteen sechzehn dieciséis seize|seventeen siebzehn diecisiete|eighteen achtzehn dieciocho|"
    "nineteen neunzehn diecinueve"
)
_TENS = (
    "twenty zwanzig veinte vingt|thirty dreißig dreissig treinta trente|forty vierzig cuarenta quarante|"
    "fifty fünfzig cincuenta cinquante|sixty sechzig sesenta soixante|seventy siebzig setenta septante|"
    "eighty achtzig ochenta huitante|ninety neunzig noventa nonante"
)
_SCALES = {
    "hundred": 100, "hundert": 100, "cien": 100, "ciento": 100, "cent": 100, "cents": 100,
    "thousand": 1000, "tausend": 1000, "mil": 1000, "mille": 1000,
}  # fmt: skip
_HUNDREDFOLD = {
    f"{word}{ending}": value
    for ending in ("os", "as")
    for word, value in zip(
        "doscient trescient cuatrocient quinient seiscient setecient novecient ochocient".split(),
        (200, 300, 400, 500, 600, 700, 900, 800),
        strict=True,
    )
}
_REPEATS = {"double": 2, "doppel": 2, "doppelt": 2, "doble": 2, "triple": 3, "dreifach": 3}
_SPANISH = {"veinti": 20, "treintai": 30}
_UNACCENTED = str.maketrans("áéíóú", "aeiou")
_MINUTES = {
    "half": "30",
    "halb": "30",
    "media": "30",
    "demie": "30",
    "quarter": "15",
    "viertel": "15",
    "quart": "15",
}

_WORDS = {word: number for number, words in enumerate(_UNITS.split("|")) for word in words.split()} | {
    word: number * 10 for number, words in enumerate(_TENS.split("|"), 2) for word in words.split()
}
NUMBER_WORDS = frozenset((*_WORDS, *_HUNDREDFOLD))
_TOKEN = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)*|[^\w\s]", re.UNICODE)
_GERMAN = re.compile(
    r"(ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun)und(\w+?zig|dreißig|dreissig)(?:ste[nrs]?)?"
)
_HUNDREDS = re.compile(r"\b(ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun)hundert")
_EIGHTY = re.compile(r"\bquatre[- ]vingts?\b")
_TEN_AND = re.compile(r"\bdix[- ](sept|huit|neuf)\b")
_BEYOND_TEN = {"sept": "seventeen", "huit": "eighteen", "neuf": "nineteen"}
_LINKS = frozenset({"-", "–", ",", ".", "uh", "um", "äh", "eh", "euh", "dash", "strich"})
_HYPHEN = frozenset({"-"})
_POINTS = frozenset({"point", "komma", "coma", "virgule"})
# A number and a half, in one word or several: what stands for its ",5".
_AND_HALF = re.compile(r"\b(\w+)(?:einhalb\b| (?:\w+ )?(?:and a half|y medi[oa]|et demie?)\b)")
_NOON = re.compile(r"\b(?:noon|midday|mittags?|mediodía|midi)\b")
_ONE_AND_HALF = re.compile(r"\b(?:anderthalb\w*|one and a half)\b")
_AND = frozenset({"and", "und", "y", "et"})


@lru_cache(maxsize=4096)
def _value(word: str) -> int | None:
    """The number that one word says, 0 to 99 or a Spanish hundred."""
    known = _WORDS.get(word, ORDINALS.get(word, _HUNDREDFOLD.get(word)))
    if known is not None:
        return known
    if match := _GERMAN.fullmatch(word):
        return _WORDS[match[1]] + _WORDS.get(match[2], 0)
    for prefix, tens in _SPANISH.items():
        unit = word.removeprefix(prefix).translate(_UNACCENTED)
        if word.startswith(prefix) and unit in _WORDS:
            return tens + _WORDS[unit]
    for suffix in ("sten", "ste", "ten", "te", "en", "th", "ième"):
        if word.endswith(suffix) and (known := _WORDS.get(word.removesuffix(suffix))) is not None:
            return known
    return None


def said(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The numbers of a text: each one as digits, and the digits of every run of numbers joined together."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = plain(_HUNDREDS.sub(r"\1 hundert ", folded))
    singles: set[str] = set()
    runs: list[str] = []
    run = ""
    last: int | None = None  # a number that the next word may still add to: "forty" before "two"
    repeat = 1
    tokens = _TOKEN.findall(folded)
    for place, token in enumerate(tokens):
        value = _value(token)
        if token[0].isdigit():
            digits = re.sub(r"\D", "", token)
            singles |= {digits, *re.findall(r"\d+", token)}
            run, last, repeat = run + digits * repeat, int(digits) if len(digits) < 4 else None, 1
        elif value is not None:
            if last is not None and _adds(last, value):
                if tokens[place - 1] == ",":
                    singles.add(str(value))
                else:  # the "twenty" of "twenty-five" is no number of its own
                    singles.discard(str(last))
                run = run.removesuffix(str(last))
                value += last
            digits = str(value) * repeat
            singles |= {str(value), digits}
            run, last, repeat = run + digits, value, 1
        elif token in _SCALES:
            last = last or 1
            counted = last % 1000 if last >= 1000 else last
            value = last - counted + (counted or 1) * _SCALES[token]
            run = run.removesuffix(str(last))
            singles.add(str(value))
            run, last = run + str(value), value
        elif token in _REPEATS:
            repeat = _REPEATS[token]
        elif token in _POINTS and run:
            last = None
        elif token in _LINKS or (token in _AND and last is not None and last >= 20 and last % 10 == 0):
            continue
        else:
            if token in _MINUTES:
                singles |= {_MINUTES[token], "45"}
            if run:
                runs.append(run)
            run, last, repeat = "", None, 1
    if run:
        runs.append(run)
    for match in _AND_HALF.finditer(folded):
        whole = _value(match[1])
        singles |= set() if whole is None else {f"{whole}5"}
    if _NOON.search(folded):
        singles.add("12")
    if _ONE_AND_HALF.search(folded):
        singles.add("15")
    return frozenset(number.lstrip("0") or "0" for number in singles), tuple(runs)


def plain(folded: str) -> str:
    """Small letters with the French numbers of two words as one: "quatre-vingt", "dix-neuf"."""
    folded = _EIGHTY.sub("huitante", folded)
    return _TEN_AND.sub(lambda match: _BEYOND_TEN[match[1]], folded)


def ordinal(word: str) -> bool:
    """Whether a word says which one it is in a row: "fifth", "vierzehnten"."""
    return word in ORDINALS or (word not in _WORDS and not word[0].isdigit() and _value(word) is not None)


def counted(tokens: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """The whole numbers that a list of words says: each with the place where it starts and where it ends."""
    at = 0
    while at < len(tokens):
        start, total = at, None
        while at < len(tokens):
            token = tokens[at]
            value = int(token) if token.isdecimal() and len(token) < 7 else _value(token)
            if value is not None and not (total is not None and not _adds(total, value)):
                total = (total or 0) + value
            elif token in _SCALES:
                rest = (total or 1) % 1000 if (total or 0) >= 1000 else total or 1
                total = (total or 1) - rest + (rest or 1) * _SCALES[token]
            elif total is None or not (
                (token in _HYPHEN or (token in _AND and total >= 20 and total % 10 == 0))
                and at + 1 < len(tokens)
                and (following := _value(tokens[at + 1])) is not None
                and _adds(total, following)
            ):
                break
            at += 1
            if token.isdecimal():
                break
        if total is None:
            at += 1
        else:
            yield total, start, at


def _adds(last: int, value: int) -> bool:
    """Whether the next number word continues the last one: "forty" "two", "soixante" "dix", "hundred" "twenty"."""
    if last % 1000 == 0 and last:
        return value < 1000
    if last % 100 == 0 and last:
        return value < 100
    return (
        last % 100 >= 20 and last % 10 == 0 and value < (20 if last % 100 in (60, 80) else 10) and value > 0
    )


def within(number: str, text: str) -> bool:
    """Whether a written number (digits) was said in a text, alone or as a part of a longer run."""
    singles, runs = said(text)
    bare = number.lstrip("0") or "0"
    return bare in singles or (len(number) >= 2 and any(number in run for run in runs))
