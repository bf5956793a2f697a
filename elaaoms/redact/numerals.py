"""Read a text as the scanner needs it: numbers, cues and masks, what counts something told from what may be secret."""

from __future__ import annotations

import re

from elaaoms.numerals import Item, fold, number_at
from elaaoms.redact.cues import MASKS, MONTHS, UNITS, phrases

_TOKEN = re.compile(r"\[[a-z ]{3,24}\]|[^\W\d_]+|[0-9]+|'(?:s|t|re|ve|ll|d|m)\b|[^\w\s']|_")
_SAFE = re.compile(
    r"""
      (?<![\d:])\d{1,2}:\d{2}(?::\d{2})?(?![\d:])                                   # times
    | (?<![\d-])(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])(?!-?\d)           # 2026-11-22
    | (?<![\d/.-])(?:0?[1-9]|[12]\d|3[01])(?P<s>[/.-])(?:0?[1-9]|1[0-2])(?P=s)(?:19|20)?\d\d(?![/.-]?\d)
    | (?<![\d/.-])(?:0?[1-9]|1[0-2])(?P<t>[/.-])(?:0?[1-9]|[12]\d|3[01])(?P=t)(?:19|20)?\d\d(?![/.-]?\d)
    | (?<![\d/.-])(?:0[1-9]|1[0-2])/(?:20)?\d\d(?![/.-]?\d)                         # expiry 12/27
    | [$€£¥]\ ?\d{1,3}(?:[.,]?\d{3}){0,3}(?:[.,]\d{1,2})?(?!\d)                     # prices
    | (?<!\d)(?<!\d[ .,-])\d{1,3}(?:[.,]?\d{3}){0,3}(?:[.,]\d{1,2})?\ ?[€£$%°](?!\d)
    | (?<![\d.,-])\d{1,3}(?:,\d{3})+(?:\.\d\d)?(?![.,]?\d|-\d)
    | (?<![\d.,])\d{1,6}\.\d{1,2}(?!\.?\d|[ -]\d{3})
    | (?<![\d-])(?<!\d\ )\d{5}-\d{4}(?!-?\d|\ \d)                                       # ZIP+4
    """,
    re.VERBOSE,
)
_SUFFIXES = frozenset(
    "st nd rd th am pm k kg g mg ml cl l cm mm km m h hr hrs min mins gb mb px x er e".split()
)


def items(text: str, turn: int = 0) -> list[Item]:
    """The text as items, in order and in one pass."""
    folded, places = fold(text)
    safe = [match.span() for match in _SAFE.finditer(folded)]
    raw: list[Item] = []
    position = 0
    last_end = -1
    for match in _TOKEN.finditer(folded):
        start, end = match.span()
        value = match[0]
        while position < len(safe) and safe[position][1] <= start:
            position += 1
        first = value[0]
        if first == "[" and end - start > 1:
            kind = "mask" if value in MASKS else "word"
        elif "0" <= first <= "9":
            inside = position < len(safe) and safe[position][0] <= start
            kind = "safe" if inside else "num"
        elif first.isalpha() or (first == "'" and len(value) > 1):
            kind = "word"
        else:
            inside = position < len(safe) and safe[position][0] <= start
            kind = "safe" if inside else "mark"
        where = (start, end) if places is None else (places[start], max(places[end], places[end - 1] + 1))
        raw.append(Item(kind, value, where[0], where[1], turn, False, False, start == last_end))
        last_end = end
    return _read(raw)


def _phrase(raw: list[Item], at: int) -> tuple[str, int] | None:
    """The class of the longest cue that starts at `at`, and the index after it."""
    choices = phrases().get(raw[at].value)
    if choices is None:
        return None
    for words, cue in choices:
        index = at + 1
        matched = True
        for word in words:
            while index < len(raw) and raw[index].kind == "mark" and raw[index].value in "-'":
                index += 1
            if index >= len(raw) or raw[index].value != word:
                matched = False
                break
            index += 1
        if matched:
            return cue, index
    return None


def _read(raw: list[Item]) -> list[Item]:
    """Join the words of cues and numbers; numbers that count something become plain words."""
    read: list[Item] = []
    index = 0
    after_number = False
    while index < len(raw):
        item = raw[index]
        if item.kind in ("mask", "safe"):
            read.append(item if item.kind == "mask" else item._replace(kind="word", value="#"))
            index += 1
            after_number = False
            continue
        if item.kind == "mark":
            read.append(item)
            index += 1
            continue
        cue = _phrase(raw, index)
        if cue is not None:
            last = raw[cue[1] - 1]
            read.append(item._replace(kind="cue", value=cue[0], end=last.end))
            index = cue[1]
            after_number = False
            continue
        number = number_at(raw, index, after_number)
        if number is None:
            read.append(item)
            index += 1
            after_number = False
            continue
        began = index
        digits, index, said = number
        last = raw[index - 1]
        following = raw[index] if index < len(raw) else None
        coded = (item.glued and began > 0 and raw[began - 1].kind == "word") or (
            following is not None
            and following.glued
            and following.kind == "word"
            and following.value[0] != "'"
        )
        beyond = raw[index + 1] if index + 1 < len(raw) else None
        between = beyond is not None and beyond.kind == "num" and beyond.glued  # the M of 3M02
        if not between and _counts(digits, following, coded):
            read.append(item._replace(kind="word", value="#", end=last.end))
            after_number = False
            continue
        read.append(
            Item("num", digits, item.start, last.end, item.turn, said, coded and not said, item.glued)
        )
        after_number = True
    return read


def _counts(digits: str, following: Item | None, coded: bool) -> bool:
    """Whether a number counts something ("three nights") or is an ordinal ("21st")."""
    if following is None or len(digits) > 6 or following.kind != "word":
        return False
    if following.glued:
        return coded and following.value in _SUFFIXES and len(digits) <= 4
    if following.value in ("am", "pm", "uhr", "h", "a", "p"):
        return following.value not in ("a", "p") and int(digits) <= 24
    return following.value in UNITS or (following.value in MONTHS and len(digits) <= 2)
