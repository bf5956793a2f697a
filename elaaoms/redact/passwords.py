"""Find passwords: what is said to be one, and what answers the question for one."""

from __future__ import annotations

from elaaoms.numerals import Item
from elaaoms.redact import cues
from elaaoms.redact.context import Hit, Secret, take
from elaaoms.redact.cues import OTHER
from elaaoms.redact.kinds import Kind

_GAPS = ("turn", "ack", "ask", "break", "keep", "clear")


def _stops(line: list[Item], index: int) -> bool:
    """Whether the mark at `index` ends a sentence."""
    item = line[index]
    if item.kind != "mark" or item.value not in ".!?;\n":
        return False
    following = line[index + 1] if index + 1 < len(line) else None
    return following is None or not following.glued


def _value(line: list[Item], at: int) -> tuple[int, int] | None:
    """The password whose first item may be `at`: its first and last item."""
    start = at
    while start < len(line) and (
        (line[start].kind == "mark" and line[start].value in ":=\"'“”„«»,-")
        or (line[start].kind == "word" and line[start].value in cues.ADVERBS)
    ):
        start += 1
    if start >= len(line):
        return None
    quoted = start > 0 and line[start - 1].value in '"“„«'
    first = line[start]
    if first.kind in ("mask", *_GAPS) or (first.kind == "mark" and _stops(line, start)):
        return None
    if first.kind == "cue" and first.value == OTHER and not quoted:
        return None
    named = any(item.value in ("name", "namen", "nombre", "nom") for item in line[start + 1 : start + 4])
    if (
        not quoted
        and not named
        and first.kind in ("word", "cue")
        and first.value in cues.NO_VALUE
        and not (start + 1 < len(line) and line[start + 1].kind == "num" and line[start + 1].glued)
    ):
        return None
    last = start
    for index in range(start + 1, min(start + 16, len(line))):
        item = line[index]
        if item.kind in ("mask", *_GAPS) or _stops(line, index):
            break
        if item.kind == "word" and item.value in cues.ENDS and not item.glued and not named:
            break
        if item.kind == "mark" and item.value == "," and not named:
            following = line[index + 1] if index + 1 < len(line) else None
            if following is None or (following.kind == "word" and following.value in cues.NO_VALUE_OR_END):
                break
        last = index
    while last > start and line[last].kind == "mark" and line[last].value in ",-\"'":
        last -= 1
    return start, last


def announced(line: list[Item], at: int, found: list[Hit], secrets: list[Secret]) -> None:
    """Take the password that the cue at `at` announces, or that stands before it."""
    changed = any(item.value in cues.CHANGED for item in line[max(0, at - 4) : at])
    span = None
    for index in range(at + 1, min(at + 10, len(line))):
        item = line[index]
        if item.kind in ("mask", "turn", "ask", "break", "clear", "keep", "ack"):
            break
        if item.kind == "mark" and item.value not in ":=-,'\"":
            break
        if (
            item.value in cues.COPULAS
            or (changed and item.value in ("to", "auf", "a", "en"))
            or (item.value == "to" and index > at + 1 and line[index - 1].value == "changed")
        ):
            span = _value(line, index + 1)
            if span is not None or item.value not in ("'s",):
                break
        glued = index + 1 < len(line) and line[index + 1].kind == "num" and line[index + 1].glued
        if index == at + 1 and item.kind == "word" and glued and item.value not in cues.NO_VALUE:
            span = _value(line, index)
            break
        if item.kind == "word" and item.value in cues.NOT:
            break
    if span is None:
        span = _before(line, at)
    if span is not None:
        take(line, Kind.PASSWORD, span[0], span[1], found, secrets)


def _before(line: list[Item], at: int) -> tuple[int, int] | None:
    """The password before the cue at `at`: "bluebird is my password", "use bluebird as the password"."""
    index = at - 1
    articles = 0
    while index >= 0 and line[index].kind == "word" and line[index].value in cues.OWNERS:
        index -= 1
        articles += 1
    if index < 1 or not articles:
        return None
    if line[index].value not in ("is", "as", "being", "ist", "als", "es", "como", "est", "comme"):
        return None
    link = line[index].value
    last = index - 1
    first = last
    while first > 0 and last - first < 5:
        item = line[first - 1]
        if item.kind not in ("word", "num") or item.value in cues.ENDS | cues.LEADS | {
            "use",
            "using",
            "used",
            "try",
            "with",
        }:
            break
        first -= 1
    value = line[first : last + 1]
    if any(item.kind not in ("word", "num") for item in value):
        return None
    if any(item.kind == "word" and item.value in cues.NO_VALUE_OR_END | cues.LEADS for item in value):
        return None
    if link not in ("as", "als", "como", "comme") and len(value) > 3:
        return None
    return first, last


def answered(line: list[Item], at: int) -> tuple[int, int] | None:
    """The password in a caller's answer to the question for it: its first and last item."""
    end = at
    while end < len(line) and line[end].kind not in ("turn", "ack", "ask", "break", "keep", "clear"):
        end += 1
    turn = line[at:end]
    if not turn or any(item.kind == "mask" for item in turn):
        return None
    start = at
    while start < end and (
        (line[start].kind == "mark")
        or (
            line[start].kind in ("word", "cue")
            and (line[start].value in cues.LEADS or line[start].value == Kind.PASSWORD)
        )
    ):
        start += 1
    rest = [item for item in line[start:end] if item.kind != "mark"]
    refuses = any(item.value in cues.NOT or item.value == "?" for item in turn)
    if (
        not refuses
        and 0 < len(rest) <= 10
        and any(len(item.value) > 1 or item.kind == "num" for item in rest)
    ):
        if rest[0].value in cues.WAITS:
            return None
        last = end - 1
        for index in range(start + 1, end):
            stop = line[index]
            comma = index > 0 and line[index - 1].value == ","
            if (comma and stop.value in cues.ENDS) or (
                stop.value in ("please", "thanks", "bitte", "gracias", "merci")
            ):
                last = index - 1
                break
        while last > start and line[last].kind == "mark" and line[last].value in ",.;-":
            last -= 1
        return start, last
    for index in range(at, end):
        if line[index].value in ("'s", "is", "ist", "lautet", "es", "est", ":") and index + 1 < end:
            span = _value(line, index + 1)
            if span is not None:
                return span
    for index in range(at, end - 1):
        if line[index].kind == "word" and line[index + 1].kind == "num" and line[index + 1].glued:
            return _value(line, index)
    return None
