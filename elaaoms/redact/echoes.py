"""Find again, wherever it is read back, what was found once."""

from __future__ import annotations

from elaaoms.numerals import Item
from elaaoms.redact.context import Context, Hit, Secret, gather, is_year
from elaaoms.redact.cues import HARMLESS
from elaaoms.redact.kinds import Kind
from elaaoms.redact.values import parts_of

NEAR = 10  # turns within which a part of a secret is taken for a read-back


def echoes(lines: list[list[Item]], secrets: list[Secret], found: list[Hit]) -> None:
    """Find again, in every turn, what was found once: read-backs, repetitions and the parts of them."""
    if not secrets:
        return
    exact: dict[str, Secret] = {}
    parts: dict[str, list[Secret]] = {}
    phrases: dict[str, list[Secret]] = {}
    for secret in secrets:
        if len(secret.digits) >= 3:
            exact.setdefault(secret.digits, secret)
            if len(secret.digits) >= 7 and secret.kind in (Kind.CARD, Kind.SSN, Kind.IBAN):
                for part in parts_of(secret.digits):
                    bucket = parts.setdefault(part, [])
                    if len(bucket) < 4:
                        bucket.append(secret)
        if secret.kind == Kind.PASSWORD and secret.words and len("".join(secret.words)) >= 4:
            bucket = phrases.setdefault(secret.words[0], [])
            if len(bucket) < 4 and secret not in bucket:
                bucket.append(secret)
    for turn, line in enumerate(lines):
        context = Context()
        index = 0
        while index < len(line):
            item = line[index]
            for secret in phrases.get(item.value, ()) if item.kind in ("word", "cue", "num") else ():
                end = _same_words(line, index, secret.words)
                if end is not None:
                    found.append(Hit(Kind.PASSWORD, turn, item.start, line[end].end))
                    break
            if item.kind != "num":
                context.hear(item)
                index += 1
                continue
            run, after = gather(line, index)
            echo = _echo(line, run, exact, parts, turn)
            announced = context.own in HARMLESS and context.strangers == 0
            if echo is not None and not (announced and len(echo.digits) < 12):
                found.append(Hit(echo.kind, turn, item.start, line[run[-1]].end))
            index = after


def _echo(
    line: list[Item], run: list[int], exact: dict[str, Secret], parts: dict[str, list[Secret]], turn: int
) -> Secret | None:
    digits = "".join(line[index].value for index in run)
    if len(digits) > 40:
        return None
    secret = exact.get(digits)
    if secret is not None and (len(digits) >= 6 or abs(secret.turn - turn) <= NEAR):
        return secret
    if is_year(line, run, digits):
        return None
    return next((s for s in parts.get(digits, ()) if len(digits) >= 6 or abs(s.turn - turn) <= NEAR), None)


def _same_words(line: list[Item], at: int, words: tuple[str, ...]) -> int | None:
    """The index of the last item when the words stand at `at`, with nothing but marks in between."""
    index = at
    last = at
    for word in words:
        while index < len(line) and line[index].kind == "mark":
            index += 1
        if index >= len(line) or line[index].value != word:
            return None
        last = index
        index += 1
    return last
