"""Read the digits in a text, written or said in English, German, Spanish or French, keeping their places."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple


class Item(NamedTuple):
    """A piece of a text: num, word, mark, mask or cue; `text[start:end]` of turn `turn` is where it was said.

    `value` is the digits of a num, the folded word, the mark, the kind a mask stands for, or a cue's class.
    """

    kind: str
    value: str
    start: int
    end: int
    turn: int = 0
    said: bool = False  # a number in words
    coded: bool = False  # a number glued to letters
    glued: bool = False  # no space before it


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    """One character as the scanner sees it: compatible, lower case, without accent; "" for what is not seen."""
    if character in "’‘ʼ´＇":
        return "'"
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me", "Cs"):
        return ""
    if category == "Pd" or character in "−⁃‐‑":
        return "-"
    if category in ("Zs", "Zl", "Zp", "Cc"):
        return " "
    if character in "·•∙⋅・":
        return "."
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    decomposed = unicodedata.normalize("NFKD", character)
    folded = "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Me", "Cf")).casefold()
    return folded if folded else ""


def fold(text: str) -> tuple[str, list[int] | None]:
    """The folded text and where each of its characters stood; None when nothing moved."""
    if text.isascii():
        return text.lower().replace("`", "'"), None
    places: list[int] = []
    parts: list[str] = []
    for index, character in enumerate(text):
        folded = character.lower().replace("`", "'") if character.isascii() else _folded(character)
        parts.append(folded)
        places.extend([index] * len(folded))
    places.append(len(text))
    return "".join(parts), places


# -- number words -------------------------------------------------------------------


class _Word(NamedTuple):
    value: int
    rank: str  # unit, teen, ten, whole, hundred, hundreds, thousand
    languages: str


# Languages, rank, the first value, the step between values: the words.
_WORDS = """
e unit 0 1: zero|nought|naught|nil|aught one two|too three|tree four five|fife six seven eight nine|niner
e teen 10 1: ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
e ten 20 10: twenty thirty forty|fourty fifty sixty seventy eighty ninety
g unit 0 1: null eins|ein|eine zwei|zwo drei|dreie vier funf|fuenf|funfe sechs sieben acht neun
g teen 10 1: zehn elf zwolf|zwoelf dreizehn vierzehn funfzehn|fuenfzehn sechzehn siebzehn achtzehn neunzehn
g ten 20 10: zwanzig dreissig|dreisig vierzig funfzig|fuenfzig sechzig siebzig achtzig neunzig
s unit 0 1: cero uno|un|una dos tres cuatro cinco seis siete ocho nueve
s teen 10 1: diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve
s ten 20 10: veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa
s whole 21 1: veintiuno|veintiun veintidos veintitres veinticuatro veinticinco veintiseis
s whole 27 1: veintisiete veintiocho veintinueve
s hundreds 100 100: ciento|cien doscientos|doscientas trescientos cuatrocientos quinientos
s hundreds 600 100: seiscientos setecientos ochocientos novecientos
f unit 0 1: zero un|une deux trois quatre cinq six sept huit neuf
f teen 10 1: dix onze douze treize quatorze quinze seize
f ten 20 10: vingt|vingts trente quarante cinquante soixante septante huitante|octante nonante
e hundred 100 0: hundred|hundreds
g hundred 100 0: hundert
f hundred 100 0: cent|cents
e thousand 1000 0: thousand
g thousand 1000 0: tausend
s thousand 1000 0: mil
f thousand 1000 0: mille
"""


@lru_cache(maxsize=1)
def _lexicon() -> dict[str, _Word]:
    found: dict[str, _Word] = {}
    for line in _WORDS.strip().splitlines():
        head, words = line.split(":")
        languages, rank, first, step = head.split()
        for index, names in enumerate(words.split()):
            for name in names.split("|"):
                value = int(first) + index * int(step)
                known = found.get(name)
                if known is not None and known.value == value:
                    found[name] = _Word(value, known.rank, known.languages + languages)
                elif known is None:
                    found[name] = _Word(value, rank, languages)
    german = {name: word for name, word in found.items() if "g" in word.languages}
    units = {name: word.value for name, word in german.items() if word.rank == "unit" and word.value}
    for name, unit in units.items():
        for ten, word in german.items():
            if word.rank == "ten":
                found.setdefault(f"{name}und{ten}", _Word(word.value + unit, "whole", "g"))
    return found


# Words that are numbers only next to another one.
_WEAK = frozenset(
    "o oh once un une una ein eine sept seize cent cents mil nil too tree elf neuf fife aught null".split()
)
_REPEATS = {
    "double": 2, "triple": 3, "treble": 3, "quadruple": 4, "quad": 4, "doppel": 2, "doppelte": 2, "doppelt": 2,
    "dreifach": 3, "dreifache": 3, "vierfach": 4, "doble": 2, "zweimal": 2, "dreimal": 3, "viermal": 4,
}  # fmt: skip
_TIMES = {"veces": "s", "fois": "f", "mal": "g", "times": "e"}
_PLURALS = {
    name: str(value)
    for value, names in enumerate(
        """zeros|zeroes|ohs|nullen|ceros|noughts ones|einsen|unos|uns twos|zweien|doses threes|dreien|treses
        fours|vieren|cuatros fives|funfen|cincos sixes|sechsen|seises sevens|siebenen|sietes
        eights|achten|ochos nines|neunen|nueves""".split()
    )
    for name in names.split("|")
}
_AND = {"and": "e", "und": "g", "y": "s", "et": "f"}
_GERMAN_PART = re.compile(r"(?:(?P<k>\w*?)tausend(?:und)?)?(?:(?P<h>\w*?)hundert(?:und)?)?(?P<r>\w*)")


@lru_cache(maxsize=1024)
def _german(word: str) -> int | None:
    """The value of a German number written as one word beyond ninety-nine."""
    match = _GERMAN_PART.fullmatch(word)
    if match is None or (match["k"] is None and match["h"] is None):
        return None
    lexicon = _lexicon()
    total = 0
    for name, scale in (("k", 1000), ("h", 100), ("r", 1)):
        part = match[name]
        if part is None:
            continue
        if not part:
            total += scale if scale > 1 else 0
            continue
        known = lexicon.get(part)
        if known is None or "g" not in known.languages or known.rank in ("hundred", "thousand"):
            return None
        total += known.value * scale
    return total


def _lookup(item: Item) -> _Word | None:
    if item.kind != "word":
        return None
    known = _lexicon().get(item.value)
    if known is None and len(item.value) > 8 and ("hundert" in item.value or "tausend" in item.value):
        value = _german(item.value)
        return None if value is None else _Word(value, "whole", "g")
    if known is None and item.value.startswith("doppel"):
        rest = _lexicon().get(item.value[6:])
        if rest is not None and rest.rank == "unit":
            return _Word(rest.value * 11, "doubled", "g")
    return known


def _shared(first: str, second: str) -> bool:
    return any(language in second for language in first)


def _plus_unit(raw: list[Item], at: int, word: _Word) -> tuple[int, int]:
    """The value of a ten and of what belongs to it, and the index after."""
    index = at
    if index < len(raw) and raw[index].kind == "mark" and raw[index].value == "-" and raw[index].glued:
        index += 1
    joint = (
        index < len(raw)
        and raw[index].value in ("y", "et")
        and _shared(_AND[raw[index].value], word.languages)
    )
    if joint:
        index += 1
        if index < len(raw) and raw[index].value == "-":
            index += 1
    following = _lookup(raw[index]) if index < len(raw) else None
    if following is None or not _shared(following.languages, word.languages) or word.languages == "g":
        return word.value, at
    french = "f" in word.languages and word.value in (60, 80)
    if following.rank == "unit" and 0 < following.value < 10:
        return word.value + following.value, index + 1
    if following.rank == "teen" and french:
        value = following.value
        if value == 10:
            after = index + 1
            if after < len(raw) and raw[after].value == "-":
                after += 1
            unit = _lookup(raw[after]) if after < len(raw) else None
            if unit is not None and unit.rank == "unit" and unit.value >= 7 and "f" in unit.languages:
                return word.value + 10 + unit.value, after + 1
        return word.value + value, index + 1
    return word.value, at


def _below_hundred(raw: list[Item], at: int) -> tuple[int, int, _Word] | None:
    word = _lookup(raw[at]) if at < len(raw) else None
    if word is None or word.rank in ("hundred", "thousand", "hundreds", "doubled"):
        return None
    following = at + 1
    if following < len(raw) and raw[following].value == "-":
        following += 1
    if word.rank == "ten":
        value, index = _plus_unit(raw, at + 1, word)
        return value, index, word
    if "f" in word.languages:
        after = _lookup(raw[following]) if following < len(raw) else None
        if word.value == 4 and after is not None and after.value == 20 and after.languages == "f":
            value, index = _plus_unit(raw, following + 1, _Word(80, "ten", "f"))
            return value, index, word
        if (
            word.value == 10
            and after is not None
            and after.rank == "unit"
            and after.value >= 7
            and "f" in after.languages
        ):
            return 10 + after.value, following + 1, word
    if "g" in word.languages and word.rank == "unit" and at + 2 < len(raw) and raw[at + 1].value == "und":
        ten = _lookup(raw[at + 2])
        if ten is not None and ten.rank == "ten" and "g" in ten.languages:
            return word.value + ten.value, at + 3, word
    return word.value, at + 1, word


def _scale(raw: list[Item], at: int, rank: str, languages: str) -> bool:
    word = _lookup(raw[at]) if at < len(raw) else None
    return word is not None and word.rank == rank and _shared(word.languages, languages)


def _rest(raw: list[Item], at: int, languages: str) -> tuple[int, int]:
    """What follows a hundred or a thousand: "… and eleven"; 0 when nothing does."""
    index = at
    if index < len(raw) and raw[index].value in ("and", "und") and _shared(_AND[raw[index].value], languages):
        index += 1
    rest = _below_hundred(raw, index)
    if rest is None or not rest[0] or not _shared(rest[2].languages, languages):
        return 0, at
    return rest[0], rest[1]


def _cardinal(raw: list[Item], at: int) -> tuple[str, int] | None:
    """The digits of the number in words that starts at `at`, and the index after it."""
    first = _lookup(raw[at])
    if first is None:
        return None
    if first.rank == "doubled":
        return f"{first.value:02}", at + 1
    languages, total = first.languages, 0
    if first.rank in ("thousand", "hundred"):
        value, index = 1, at
    elif first.rank == "hundreds":
        value, index = first.value, at + 1
        rest, index = _rest(raw, index, languages)
        value += rest
    else:
        read = _below_hundred(raw, at)
        if read is None:
            return None
        value, index, _ = read
    if value and _scale(raw, index, "hundred", languages):
        rest, index = _rest(raw, index + 1, languages)
        value = value * 100 + rest
    if 0 < value < 1000 and _scale(raw, index, "thousand", languages):
        total, index = value * 1000, index + 1
        value = 0
        word = _lookup(raw[index]) if index < len(raw) else None
        if word is not None and word.rank == "hundreds":
            rest, index = _rest(raw, index + 1, languages)
            value = word.value + rest
        elif word is not None and _shared(word.languages, languages) and word.rank in ("unit", "hundred"):
            if word.rank == "hundred":
                rest, index = _rest(raw, index + 1, languages)
                value = 100 + rest
            elif _scale(raw, index + 1, "hundred", languages):
                rest, index = _rest(raw, index + 2, languages)
                value = word.value * 100 + rest
            else:
                value, index = _rest(raw, index, languages)
        else:
            value, index = _rest(raw, index, languages)
    return str(total + value), index


def _numberish(raw: list[Item], at: int, languages: str) -> bool:
    """Whether the item at `at` is a number that a weak word may lean on."""
    if not 0 <= at < len(raw):
        return False
    item = raw[at]
    if item.kind == "num":
        return True
    word = _lookup(item)
    if word is None:
        return item.value in _REPEATS or item.value in ("o", "oh")
    return _shared(word.languages, languages)


def number_at(raw: list[Item], at: int, after_number: bool) -> tuple[str, int, bool] | None:
    """The digits at `at`, the index after them and whether they were said in words."""
    item = raw[at]
    if item.kind == "num":
        return item.value, at + 1, False
    if item.kind != "word":
        return None
    value = item.value
    after = at + 1
    while after < len(raw) and after <= at + 2 and raw[after].kind == "mark" and raw[after].value in "-,":
        after += 1
    if value in _REPEATS:
        if after < len(raw) and raw[after].value in ("die", "el", "le", "the", "la"):
            after += 1
        if after < len(raw) and raw[after].value in ("o", "oh"):
            return "0" * _REPEATS[value], after + 1, True
        if after < len(raw) and raw[after].kind == "num" and len(raw[after].value) <= 2:
            return raw[after].value * _REPEATS[value], after + 1, True
        word = _lookup(raw[after]) if after < len(raw) else None
        if word is not None and word.value < 100:
            read = _cardinal(raw, after) if word.rank != "unit" else (str(word.value), after + 1)
            if read is not None:
                return read[0] * _REPEATS[value], read[1], True
        return None
    if value in ("o", "oh"):
        leans = after_number or _numberish(raw, after, "e")
        return ("0", at + 1, True) if leans else None
    word = _lookup(item)
    if word is None:
        return None
    if value in _WEAK and not after_number and not _numberish(raw, after, word.languages):
        return None
    if word.rank == "unit" and 2 <= word.value <= 9 and at + 1 < len(raw):
        following = raw[at + 1]
        if following.kind == "word" and following.value in _PLURALS:
            return _PLURALS[following.value] * word.value, at + 2, True
        if following.value in _TIMES and _TIMES[following.value] in word.languages and at + 2 < len(raw):
            index = (
                at + 3 if raw[at + 2].value in ("die", "el", "le", "the") and at + 3 < len(raw) else at + 2
            )
            again = _lookup(raw[index])
            if again is not None and again.rank == "unit":
                return str(again.value) * word.value, index + 1, True
    read = _cardinal(raw, at)
    return None if read is None else (read[0], read[1], True)


# -- the calendar -------------------------------------------------------------------

_MONTHS = (
    "january januar enero janvier|february februar febrero février|march märz marzo mars|april abril avril|"
    "may mai mayo mai|june juni junio juin|july juli julio juillet|august agosto août|"
    "september septiembre septembre|october oktober octubre octobre|november noviembre novembre|"
    "december dezember diciembre décembre"
)
_DAYS = (
    "monday montag lunes lundi|tuesday dienstag martes mardi|wednesday mittwoch miércoles mercredi|"
    "thursday donnerstag jueves jeudi|friday freitag viernes vendredi|saturday samstag sonnabend sábado samedi|"
    "sunday sonntag domingo dimanche"
)
MONTHS = {word: number for number, words in enumerate(_MONTHS.split("|"), 1) for word in words.split()}
WEEKDAYS = {word: number for number, words in enumerate(_DAYS.split("|")) for word in words.split()}
ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12, "twentieth": 20,
    "thirtieth": 30, "erste": 1, "ersten": 1, "dritte": 3, "dritten": 3, "siebte": 7, "siebten": 7, "achte": 8,
    "achten": 8, "primero": 1, "primer": 1, "primera": 1, "segundo": 2, "tercero": 3, "premier": 1, "première": 1,
    "deuxième": 2, "troisième": 3,
}  # fmt: skip
