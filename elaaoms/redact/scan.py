"""Find secrets in what was said: join digits over breaths and turns, and read what they are from the words around."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

from elaaoms.numerals import Item
from elaaoms.redact import cues
from elaaoms.redact.context import POSITIVE, Context, Hit, Secret, gather, is_year, streams, take
from elaaoms.redact.cues import HARMLESS, LAST4, PART, PHONE, REF
from elaaoms.redact.echoes import echoes
from elaaoms.redact.kinds import Kind
from elaaoms.redact.numerals import items
from elaaoms.redact.passwords import announced, answered
from elaaoms.redact.values import iban_length, is_card, is_card_shaped, is_iban, is_ssn

ROUNDS = 4  # what is found can change what the rest means; it settles in two
_NATO = dict(
    zip(
        """alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar
        papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee zulu""".split(),
        "aabcdefghijjklmnopqrstuvwwxyz",
        strict=True,
    )
)


def scan(turns: Sequence[tuple[bool, str]]) -> list[Hit]:
    """All secrets in a conversation of (is the caller's, text) turns, in order of turns; one pass per round."""
    lines = [items(text, index) for index, (_, text) in enumerate(turns)]
    callers = [caller for caller, _ in turns]
    hits: list[Hit] = []
    secrets: list[Secret] = []
    for _ in range(ROUNDS):
        found: list[Hit] = []
        for stream in streams(lines, callers):
            _walk(stream.items, found, secrets)
        echoes(lines, secrets, found)
        found = _merged(found)
        if not found:
            break
        hits.extend(found)
        for turn, of_turn in groupby(found, key=lambda hit: hit.turn):
            lines[turn] = _masked(lines[turn], list(of_turn))
    return _merged(hits)


def _merged(hits: list[Hit]) -> list[Hit]:
    hits.sort(key=lambda hit: (hit.turn, hit.start, -hit.end))
    merged: list[Hit] = []
    for hit in hits:
        last = merged[-1] if merged else None
        if last is not None and last.turn == hit.turn and hit.start < last.end:
            if hit.end > last.end:
                merged[-1] = last._replace(end=hit.end)
        else:
            merged.append(hit)
    return merged


def _masked(line: list[Item], hits: list[Hit]) -> list[Item]:
    """The line with a mask in the place of what was found."""
    masked: list[Item] = []
    remaining = iter(hits)
    hit = next(remaining, None)
    for item in line:
        while hit is not None and hit.end <= item.start:
            hit = next(remaining, None)
        if hit is not None and hit.start <= item.start < hit.end:
            if not (masked and masked[-1].kind == "mask" and masked[-1].start == hit.start):
                masked.append(Item("mask", cues.MASK[hit.kind], hit.start, hit.end, hit.turn))
        else:
            masked.append(item)
    return masked


# -- walking -------------------------------------------------------------------------


def _walk(line: list[Item], found: list[Hit], secrets: list[Secret]) -> None:
    context = Context()
    index = 0
    while index < len(line):
        item = line[index]
        match item.kind:
            case "ask":
                asks = frozenset(item.value.split())
                context.said()
                context.asks, context.answered, context.statements = asks, False, 0
            case "clear":
                context.said()
                context.asks = frozenset()
            case "keep" | "break":
                context.said()
                context.statements += item.kind == "keep"
                if context.answered or context.statements > 3:
                    context.asks = frozenset()
            case "turn":
                if Kind.PASSWORD in context.asks and not context.answered:
                    span = answered(line, index + 1)
                    if span is not None:
                        take(line, Kind.PASSWORD, span[0], span[1], found, secrets)
                        context.answered = True
            case "num":
                index = _run(line, index, context, found, secrets)
                continue
            case "mask":
                context.answered = True
                context.strangers = context.distance = 0
            case _:
                context.hear(item)
                if item.kind == "cue" and item.value == Kind.PASSWORD:
                    announced(line, index, found, secrets)
                if item.kind == "word" and len(item.value) <= 8:
                    after = _iban(line, index, context, found, secrets)
                    if after is not None:
                        index = after
                        context.answered = True
                        continue
        index += 1


def _run(line: list[Item], at: int, context: Context, found: list[Hit], secrets: list[Secret]) -> int:
    run, after = _resumed(line, *gather(line, at))
    previous = line[at - 1] if at else None
    phone = previous is not None and (
        (previous.value == "+" and previous.kind == "mark") or previous.value in ("plus", "mas")
    )
    for kind, first, last in _judge(line, run, context, phone=phone):
        take(line, kind, run[first], run[last], found, secrets, words=False)
        context.answered = True
    for item in line[at:after]:
        if item.kind == "cue":
            context.hear(item)
    context.strangers = 0
    return after


def _resumed(line: list[Item], run: list[int], after: int) -> tuple[list[int], int]:
    """The run, and the one after it when a few other words divide a card: "… sorry, the dog is barking, …"."""
    digits = "".join(line[index].value for index in run[:20])
    if not 4 <= len(digits) < 19 or digits[0] not in "23456":
        return run, after
    for index in range(after, min(after + 16, len(line))):
        item = line[index]
        if item.kind == "num":
            more, upto = gather(line, index)
            whole = digits + "".join(line[i].value for i in more[:20])
            return (run + more, upto) if is_card(whole) else (run, after)
        if item.kind not in ("word", "mark", "turn", "ack"):
            break
    return run, after


def _groups(line: list[Item], run: list[int]) -> list[tuple[int, int, str]]:
    """The run as it was divided by marks, turns or spaces: (first, last, digits)."""
    spoken = all(line[i].said or len(line[i].value) == 1 for i in run)
    groups: list[tuple[int, int, str]] = []
    for position, index in enumerate(run):
        before = run[position - 1] if position else -1
        apart = not spoken and not (position and line[before].said and line[index].said)
        for item in line[before + 1 : index] if position else ():
            apart = (
                apart
                or item.kind != "word"
                or item.value in ("dash", "hyphen", "then", "space", "strich", "guion", "tiret", "minus")
            )
        if groups and not apart:
            first, _, digits = groups[-1]
            groups[-1] = first, position, digits + line[index].value
        else:
            groups.append((position, position, line[index].value))
    return groups


def _cards(values: list[str], *, whole: bool) -> list[tuple[int, int]]:
    """The windows of a run that are card numbers; only all of it when `whole`."""
    windows: list[tuple[int, int]] = []
    first = 0
    while first < len(values):
        digits, best = "", None
        for last in range(first, len(values)):
            digits += values[last]
            if len(digits) > 19:
                break
            if len(digits) >= 12 and is_card(digits) and (best is None or len(digits) <= 16):
                best = last
        if best is not None and (not whole or (first == 0 and best == len(values) - 1)):
            windows.append((first, best))
            first = best + 1
        else:
            if whole:
                break
            first += 1
    return windows


def _judge(line: list[Item], run: list[int], context: Context, *, phone: bool) -> list[tuple[Kind, int, int]]:
    values = [line[index].value for index in run]
    digits = "".join(values)
    total, end = len(digits), len(run) - 1
    spoken = 2 * sum(len(line[i].value) for i in run if line[i].said or len(line[i].value) == 1) >= total
    own, asks = context.own, context.asks
    linked = context.strangers == 0 and context.distance <= 20
    wanted = asks & POSITIVE
    if wanted and own in HARMLESS and not linked:
        own = ""
    if own in HARMLESS and context.distance > 15:
        own = ""
    reverse = _reverse(line, run[-1]) if not (own and linked) else ""
    harmless = (
        phone
        or own in HARMLESS
        or (not own and bool(asks) and not wanted and (LAST4 not in asks or bool(asks & HARMLESS)))
    ) and not reverse
    if reverse in HARMLESS:
        harmless, reverse = True, ""
    telephone = phone or own == PHONE or (not own and PHONE in asks and not wanted)
    sequence = _counting(values)

    if phone:
        return []
    windows = _cards(values, whole=harmless)
    if windows and harmless and (total < 15 or (telephone and total < 16)):
        windows = []
    if windows:
        return _with_code(line, run, windows, spoken=spoken)
    groups = _groups(line, run)
    if own != REF or not linked:
        for at in range(len(groups) - 2):
            lengths = [len(group[2]) for group in groups[at : at + 3]]
            if lengths == [3, 2, 4] and is_ssn("".join(group[2] for group in groups[at : at + 3])):
                return [(Kind.SSN, groups[at][0], groups[at + 2][1])]
    kinds = {own} if own else set(wanted)
    if reverse:
        kinds = {reverse}
    if not harmless and total >= 12 and not sequence:
        shaped = [len(group[2]) for group in groups] in ([4, 4, 4, 4], [4, 6, 5], [4, 6, 4]) and digits[
            0
        ] in "23456"
        coded = any(line[index].coded for index in run)
        if spoken or shaped or (is_card_shaped(digits) and not coded):
            context.missing = max(16 - total, 0) if spoken else 0
            return [(_long_kind(kinds), 0, end)]
    if not own and not reverse and 3 <= total <= context.missing and spoken:
        context.missing = 0
        return [(Kind.CARD, 0, end)]
    if harmless:
        return []
    if is_year(line, run, digits):
        return []
    asked = not own and not reverse
    mixed = asked and bool(asks & HARMLESS)
    last4 = context.last4 or (asked and LAST4 in asks)
    near = linked or (_leads(line, run[0]) and context.strangers <= 6) or bool(reverse)
    if last4 and 3 <= total <= 6 and own not in (Kind.PIN, Kind.CVV):
        bare = not own and not wanted
        if not (bare and total != 4):
            return [(_long_kind(kinds), 0, end)]
    for kind in Kind:
        if kind in kinds and _fits(kind, total, asked=asked, mixed=mixed, near=near, counting=sequence):
            if kind == Kind.CVV and total > 4:
                last = next((i for i in range(len(values)) if len("".join(values[: i + 1])) >= 3), end)
                return [(kind, 0, last)]
            return [(kind, 0, end)]
    return []


def _long_kind(kinds: set[str]) -> Kind:
    return next(
        (kind for kind in (Kind.SSN, Kind.IBAN) if kind in kinds and Kind.CARD not in kinds), Kind.CARD
    )


def _fits(kind: Kind, total: int, *, asked: bool, mixed: bool, near: bool, counting: bool) -> bool:
    """Whether a number of `total` digits can be the secret that was announced or asked for."""
    if mixed:
        return {
            Kind.CARD: total >= 12, Kind.SSN: total == 9, Kind.CVV: total == 3, Kind.PIN: 4 <= total <= 6,
            Kind.IBAN: total >= 12,
        }.get(kind, False)  # fmt: skip
    match kind:
        case Kind.CARD:
            return total >= 3 if asked else total >= (4 if near else 8) and not (counting and total < 8)
        case Kind.SSN:
            return total >= 3 if asked else total >= (4 if near else 7)
        case Kind.IBAN:
            return total >= 3 if asked else total >= (6 if near else 8)
        case Kind.CVV:
            return 3 <= total <= 6 and (asked or near)
        case Kind.PIN:
            return 3 <= total <= 12 and (asked or near)
        case Kind.PASSWORD:
            return total >= 3 and asked
        case Kind.CUSTOM:
            return False


def _with_code(
    line: list[Item], run: list[int], windows: list[tuple[int, int]], *, spoken: bool
) -> list[tuple[Kind, int, int]]:
    """Cards, and what was said in the same breath after them: the security code."""
    found = [(Kind.CARD, first, last) for first, last in windows]
    _, last = windows[-1]
    rest = "".join(line[index].value for index in run[last + 1 :])
    before = "".join(line[index].value for index in run[: windows[0][0]])
    if spoken and rest and len(rest) < 10:
        found.append((Kind.CARD, last + 1, len(run) - 1))
    else:
        found.extend(
            (Kind.CVV, position, position)
            for position in range(last + 1, len(run))
            if len(line[run[position]].value) in (3, 4)
        )
    if spoken and before and len(before) < 10:
        found.append((Kind.CARD, 0, windows[0][0] - 1))
    return found


def _counting(values: list[str]) -> bool:
    """Whether someone counts: one two three …"""
    if len(values) < 3:
        return False
    numbers = [int(value) for value in values if len(value) < 19]
    return len(numbers) == len(values) and all(b - a == 1 for a, b in pairwise(numbers))


def _leads(line: list[Item], at: int) -> bool:
    """Whether what stands right before a number leads to it as to the value of something."""
    if not at:
        return True
    item = line[at - 1]
    return item.kind in ("cue", "turn", "mark") or item.value in cues.LINKS


def _reverse(line: list[Item], at: int) -> str:
    """The kind that is named after the number: "4242 is my PIN"; "" when none is."""
    linked = False
    for index in range(at + 1, min(at + 8, len(line))):
        item = line[index]
        if item.kind == "cue":
            if item.value not in POSITIVE | HARMLESS or not linked:
                return ""
            following = [i for i in line[index + 1 : index + 4] if i.kind != "mark" or i.value in ":="]
            leads = following and (following[0].kind == "num" or following[0].value in cues.COPULAS)
            return "" if leads else item.value
        if item.kind == "word" and item.value in cues.REVERSE:
            linked = True
        elif item.kind != "mark" or item.value not in ",-–\"'":
            return ""
    return ""


# -- IBAN ---------------------------------------------------------------------------


def _letters(item: Item) -> str:
    if item.kind != "word":
        return ""
    return _NATO.get(
        item.value,
        item.value if len(item.value) <= 4 and item.value.isascii() and item.value.isalpha() else "",
    )


def _iban(line: list[Item], at: int, context: Context, found: list[Hit], secrets: list[Secret]) -> int | None:
    """Take the IBAN that starts at `at`, and return the index after it."""
    country = _letters(line[at])
    index = at + 1
    if len(country) == 1:
        while index < len(line) and line[index].kind == "mark":
            index += 1
        if index >= len(line) or len(_letters(line[index])) != 1:
            return None
        country += _letters(line[index])
        index += 1
    length = iban_length(country)
    if not length:
        return None
    value, last, gap = country, at, 0
    while index < len(line) and len(value) < length and gap < 12:
        item = line[index]
        if item.kind == "num":
            value, last, gap = value + item.value, index, 0
        elif len(value) < 4 and item.kind == "word" and len(value) == 2 and item.value not in cues.FILLERS:
            return None
        elif item.kind == "word" and item.value in cues.FILLERS and len(item.value) > 1:
            gap += 1
        elif letters := _letters(item):
            value, last, gap = value + letters, index, 0
        elif item.kind not in ("mark", "turn", "ack", "ask", "cue") or (
            item.kind == "cue" and item.value != PART
        ):
            break
        else:
            gap += 1
        index += 1
    if len(value) != length or not value[2:4].isdigit():
        return None
    shaped = sum(character.isdigit() for character in value) >= 12 and context.own != REF
    if not is_iban(value) and not shaped:
        return None
    take(line, Kind.IBAN, at, last, found, secrets)
    return last + 1
