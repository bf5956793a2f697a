"""Take secrets out of what was said: cards, social security numbers, IBANs, passwords, PINs and codes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from attrs import evolve, field, frozen

from elaaoms.errors import ConfigError
from elaaoms.redact.cues import MASK
from elaaoms.redact.kinds import Kind
from elaaoms.redact.scan import ROUNDS, scan
from elaaoms.webhooks import Turn

__all__ = ["MASK", "Action", "Found", "Kind", "Policy", "find", "redact", "redact_turns"]

Action = Literal["mask", "drop", "keep"]
WINDOW = 10_000  # characters of a text that an extra pattern sees at a time
OVERLAP = 1_000  # of them are seen twice, so that no border hides a match
LONGEST_PATTERN = 500  # characters
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?](?!\s|$)[^.!?\n]*)*[.!?\n]*\s*")
_MASKS = re.compile("|".join(map(re.escape, MASK.values())))


@frozen
class Found:
    """A secret: `text[start:end]` is how it was said."""

    kind: Kind
    start: int
    end: int


def _compiled(patterns: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(pattern) for pattern in patterns)


def _pattern(pattern: str) -> re.Pattern[str]:
    """A pattern of the operator's, compiled; ConfigError for one that is broken, matches nothing or may run away."""
    if len(pattern) > LONGEST_PATTERN:
        raise ConfigError(f"a redaction pattern is longer than {LONGEST_PATTERN} characters")
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"the redaction pattern {pattern!r} is no regular expression: {error}") from error
    if compiled.match("") is not None:
        raise ConfigError(f"the redaction pattern {pattern!r} matches the empty text")
    if _runs_away(pattern):
        raise ConfigError(
            f"the redaction pattern {pattern!r} repeats what repeats or refers back; it could take for ever"
        )
    return compiled


def _runs_away(pattern: str) -> bool:
    """Whether a pattern repeats a group that itself repeats or branches, or refers back."""
    plain = re.sub(r"\\[1-9]|\(\?P=", "\0", pattern)
    if "\0" in plain:
        return True
    plain = re.sub(r"\\.", "x", plain, flags=re.DOTALL)
    plain = re.sub(r"\[\^?\]?[^\]]*\]", "x", plain)
    depth: list[bool] = []
    index = 0
    while index < len(plain):
        character = plain[index]
        if character == "(":
            depth.append(False)
            if plain[index + 1 : index + 2] == "?":
                index += 1
        elif character == ")" and depth:
            risky = depth.pop()
            repeated = re.match(r"[*+]|\{\d*,\d*\}", plain[index + 1 :]) is not None
            if risky and repeated:
                return True
            if depth:
                depth[-1] = depth[-1] or risky or repeated
        elif depth and (character in "*+|?" or re.match(r"\{\d*,\d*\}", plain[index:]) is not None):
            depth[-1] = True
        index += 1
    return False


@frozen(kw_only=True)
class Policy:
    """What is done with each kind of secret, and the operator's own patterns (`custom`).

    `mask` puts words like "[card number]" in the secret's place, `drop` removes the sentence it stands in
    (of a conversation: the turn's whole text), `keep` leaves it. A pattern is a regular expression, seen
    against at most 10,000 characters of a turn at a time; ConfigError for one that cannot be used.
    """

    card: Action = "mask"
    ssn: Action = "mask"
    iban: Action = "mask"
    password: Action = "mask"  # noqa: S105
    pin: Action = "mask"
    cvv: Action = "mask"
    custom: Action = "mask"
    patterns: tuple[str, ...] = ()
    _compiled: tuple[re.Pattern[str], ...] = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for kind in Kind:
            if self.action(kind) not in ("mask", "drop", "keep"):
                raise ConfigError(
                    f"redaction of {kind}: expected mask, drop or keep, not {self.action(kind)!r}"
                )
        object.__setattr__(self, "_compiled", _compiled(self.patterns))

    def action(self, kind: Kind) -> Action:
        """What is done with a secret of this kind."""
        action: Action = getattr(self, kind.value)
        return action

    def matches(self, text: str) -> list[Found]:
        """What the operator's patterns find, outside of masks."""
        if not self._compiled:
            return []
        masks = [match.span() for match in _MASKS.finditer(text)]
        found = []
        for pattern in self._compiled:
            for offset in range(0, max(len(text) - OVERLAP, 1), WINDOW - OVERLAP):
                for match in pattern.finditer(text, offset, offset + WINDOW):
                    start, end = match.span()
                    if start < end and not any(start < upto and since < end for since, upto in masks):
                        found.append(Found(Kind.CUSTOM, start, end))
        return found


_DEFAULT = Policy()


def find(text: str, policy: Policy = _DEFAULT) -> list[Found]:
    """The secrets in one text, in order and apart from each other, kinds that are kept included."""
    hits = [Found(hit.kind, hit.start, hit.end) for hit in scan([(True, text)])]
    return _apart(hits + policy.matches(text))


def redact(text: str, policy: Policy = _DEFAULT) -> str:
    """The text without its secrets: for memories, logs and what is spoken; doing it twice changes nothing."""
    if not text:
        return text
    for _ in range(ROUNDS):  # what is left can mean something else without the rest of a sentence
        redacted = _without(text, find(text, policy), policy)
        if redacted == text:
            break
        text = redacted
    return text


def redact_turns(turns: Sequence[Turn], policy: Policy = _DEFAULT) -> tuple[tuple[Turn, ...], Counter[Kind]]:
    """The turns without their secrets, each in its place, and how many of each kind were taken out.

    Questions say what an answer is, digits are joined over turns, and what was found once is found
    wherever it is read back.
    """
    counted: Counter[Kind] = Counter()
    redacted = tuple(turns)
    for _ in range(ROUNDS):
        redacted, more = _once(redacted, policy)
        if not more:
            break
        counted += more
    return redacted, counted


def _once(turns: tuple[Turn, ...], policy: Policy) -> tuple[tuple[Turn, ...], Counter[Kind]]:
    hits: dict[int, list[Found]] = {}
    for hit in scan([(turn.role == "user", turn.text) for turn in turns]):
        hits.setdefault(hit.turn, []).append(Found(hit.kind, hit.start, hit.end))
    counted: Counter[Kind] = Counter()
    redacted = []
    for index, turn in enumerate(turns):
        found = _apart(hits.get(index, []) + policy.matches(turn.text))
        actions = {secret.kind: policy.action(secret.kind) for secret in found}
        counted.update(secret.kind for secret in found if actions[secret.kind] != "keep")
        if "drop" in actions.values():
            redacted.append(evolve(turn, text=""))
        elif "mask" in actions.values():
            redacted.append(evolve(turn, text=_without(turn.text, found, policy)))
        else:
            redacted.append(turn)
    return tuple(redacted), counted


def _apart(found: list[Found]) -> list[Found]:
    """Sorted, and what overlaps put together under the first kind."""
    apart: list[Found] = []
    for secret in sorted(found, key=lambda secret: (secret.start, -secret.end)):
        if apart and secret.start < apart[-1].end:
            if secret.end > apart[-1].end:
                apart[-1] = evolve(apart[-1], end=secret.end)
        else:
            apart.append(secret)
    return apart


def _without(text: str, found: list[Found], policy: Policy) -> str:
    """The text with masks in the place of what is found, and without the sentences that are dropped."""
    gone: list[tuple[int, int, str]] = []
    sentences = [match.span() for match in _SENTENCE.finditer(text)]
    at = 0
    for secret in found:
        if policy.action(secret.kind) == "mask":
            gone.append((secret.start, secret.end, MASK[secret.kind]))
        elif policy.action(secret.kind) == "drop":
            while at + 1 < len(sentences) and sentences[at][1] <= secret.start:
                at += 1
            last = at
            while last + 1 < len(sentences) and sentences[last][1] < secret.end:
                last += 1
            gone.append((sentences[at][0], sentences[last][1], ""))
    parts: list[str] = []
    position = 0
    for start, end, mask in sorted(gone, key=lambda span: (span[0], bool(span[2]), -span[1])):
        if end <= position:
            continue  # it stands in a sentence that is dropped
        parts += (text[position : max(start, position)], mask)
        position = end
    parts.append(text[position:])
    return "".join(parts)
