"""What was said so far, what was asked, and what was found: the state a scan walks with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from elaaoms.numerals import Item
from elaaoms.redact import cues
from elaaoms.redact.cues import HARMLESS, LAST4, OTHER, PART
from elaaoms.redact.kinds import Kind

POSITIVE = frozenset(kind.value for kind in Kind)
_YEAR_BEFORE = frozenset("in since seit desde depuis en im circa around until from".split())


class Hit(NamedTuple):
    """A secret in one turn; `text[start:end]` of turn `turn` is how it was said."""

    kind: Kind
    turn: int
    start: int
    end: int


class Secret(NamedTuple):
    kind: Kind
    digits: str
    words: tuple[str, ...]
    turn: int


class Context:
    """What the words so far say the next number is."""

    def __init__(self) -> None:
        self.asks: frozenset[str] = frozenset()  # what the agent wants to know
        self.answered = False
        self.missing = 0  # digits of a card that may still follow
        self.statements = 0
        self.said()

    def said(self) -> None:
        """Forget what the turn's own words announced."""
        self.own = ""
        self.last4 = False
        self.distance = 0
        self.since = 0  # words since the cue
        self.of = False  # whether the next cue only says what the last one is of
        self.strangers = 0  # words since the cue that do not lead to a value

    def hear(self, item: Item) -> None:
        if item.kind == "cue" and item.value not in (PART, ""):
            if self.of and self.own not in ("", item.value) and (self.own, item.value) != (Kind.CVV, OTHER):
                self.of = False
                self.strangers = 0
                return
            if item.value == LAST4:
                self.last4 = True
                if self.distance > 20 or (self.strangers > 6 and self.own in HARMLESS):
                    self.own = ""
            else:
                self.own = item.value
            self.distance = self.strangers = self.since = 0
            self.of = False
        elif item.kind == "word":
            self.distance += 1
            self.since += 1
            self.of = self.since <= 3 and (self.of or item.value in cues.OF)
            self.strangers += item.value not in cues.LINKS
            if self.distance > 25:
                self.said()


class Stream:
    """The caller's turns (or one of the agent's) as one line of items, with what the agent asked in between."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def ask(self, classes: Iterable[str], turn: int) -> None:
        self.items.append(Item("ask", " ".join(sorted(classes)), 0, 0, turn))

    def gap(self, kind: str, turn: int) -> None:
        self.items.append(Item(kind, "", 0, 0, turn))


def _sentences(line: list[Item]) -> Iterator[list[Item]]:
    sentence: list[Item] = []
    for item in line:
        sentence.append(item)
        if item.kind == "mark" and item.value in ".!?;":
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def streams(lines: list[list[Item]], callers: list[bool]) -> Iterator[Stream]:
    stream = Stream()
    asks: frozenset[str] = frozenset()
    for turn, line in enumerate(lines):
        if callers[turn]:
            stream.gap("turn", turn)
            stream.items.extend(line)
            continue
        if not line:
            continue
        own = Stream()
        own.items.extend(line)
        yield own
        wanted = _asked(line)
        words = [item for item in line if item.kind in ("word", "cue")]
        strangers = sum(item.value not in cues.ACKS for item in words if item.kind == "word")
        question = any(item.value == "?" for item in line)
        repeats = any(item.value in cues.REPEATS for item in words)
        told = not question and not any(item.value in cues.ASKS for item in words)
        if told and asks & POSITIVE and not wanted & (POSITIVE | {LAST4}):
            wanted = frozenset()
        if wanted:
            more = len(words) <= 25 and wanted <= asks | {LAST4}
            asks = wanted | (asks if wanted <= {LAST4} else frozenset())
            stream.ask(asks, turn)
            if not more:
                stream.gap("break", turn)
        elif (
            strangers <= (2 if repeats or not question else 0)
            and len(words) <= 16
            and all(item.value == PART for item in words if item.kind == "cue")
        ):
            stream.gap("ack", turn)
        elif question:
            if not repeats:
                asks = frozenset()
            stream.gap("ack" if repeats and strangers <= 5 else "keep" if repeats else "clear", turn)
        else:
            stream.gap("keep", turn)
    yield stream


def _asked(line: list[Item]) -> frozenset[str]:
    """The classes of what an agent's turn asks for."""
    wanted: set[str] = set()
    before: set[str] = set()  # what the sentence before was about
    size = sum(item.kind in ("word", "cue") for item in line)
    for sentence in _sentences(line):
        classes = _heads(sentence)
        question = sentence[-1].value == "?"
        denied = any(
            item.value in ("'t", "not", "never", "nicht", "nie", "nunca", "jamais") for item in sentence
        )
        asks = question or size <= 7 or (not denied and any(item.value in cues.ASKS for item in sentence))
        if asks and classes:
            wanted.update(classes)
        elif asks and any(item.value in cues.PRONOUNS for item in sentence):
            wanted.update(before)
        before = classes
    return frozenset(wanted)


def _heads(sentence: list[Item]) -> set[str]:
    """The classes a sentence names, without those that only say what another one is of."""
    heads: list[str] = []
    of, joined, since = False, True, 0
    for item in sentence:
        if item.kind == "cue" and item.value not in ("", PART):
            last = heads[-1] if heads else ""
            if not (of and last and last != LAST4):
                if not joined and {last, item.value} in ({Kind.CVV, Kind.CARD}, {Kind.PIN, Kind.CARD}):
                    heads[-1] = Kind.CVV if Kind.CVV in (last, item.value) else Kind.PIN
                else:
                    heads.append(item.value)
            of, joined, since = False, False, 0
        elif item.kind == "word":
            since += 1
            of = since <= 3 and (of or item.value in cues.OF)
            joined = joined or item.value in ("and", "und", "y", "et", "or")
    found = set(heads)
    if found & POSITIVE and found & HARMLESS:
        found.discard(OTHER)
    return found


def take(
    line: list[Item],
    kind: Kind,
    first: int,
    last: int,
    found: list[Hit],
    secrets: list[Secret],
    *,
    words: bool = True,
) -> None:
    """Note that items `first` to `last` are a secret, in each turn they run through."""
    spans: dict[int, tuple[int, int]] = {}
    digits: list[str] = []
    said: list[str] = []
    for item in line[first : last + 1]:
        if item.kind == "num" or (words and item.kind in ("word", "cue", "mark")):
            start, _ = spans.get(item.turn, (item.start, 0))
            spans[item.turn] = start, item.end
            if item.kind == "num":
                digits.append(item.value)
            if item.kind != "mark":
                said.append(item.value)
    found.extend(Hit(kind, turn, start, end) for turn, (start, end) in spans.items())
    secrets.append(Secret(kind, "".join(digits), tuple(said), line[first].turn))
    if len(spans) > 1:
        for turn in spans:
            part = "".join(
                item.value for item in line[first : last + 1] if item.kind == "num" and item.turn == turn
            )
            secrets.append(Secret(kind, part, (), turn))


def gather(line: list[Item], at: int) -> tuple[list[int], int]:
    """The indexes of the numbers that belong to the one at `at`, and the index after the last of them."""
    run = [at]
    words = 0
    crossed = False
    index = at + 1
    while index < len(line):
        item = line[index]
        if item.kind == "num":
            run.append(index)
            words, crossed = 0, False
        elif item.kind in ("turn", "ack", "ask"):
            crossed = True
        elif item.kind == "word":
            words += 1
            known = item.value in cues.FILLERS or (crossed and item.value in cues.LINKS)
            if not known and not (_ends_turn(line, index) and item.value in cues.ACKS):
                break
            if words > (12 if crossed else 8):
                break
        elif item.kind == "cue":
            if item.value not in (PART, LAST4):
                break
        elif item.kind != "mark":
            break
        index += 1
    return run, run[-1] + 1


def _ends_turn(line: list[Item], index: int) -> bool:
    """Whether a turn ends within a few items."""
    return any(item.kind in ("turn", "ack", "ask") for item in line[index + 1 : index + 7])


def is_year(line: list[Item], run: list[int], digits: str) -> bool:
    """Whether a number is a year: "since 2019"."""
    before = line[run[0] - 1] if run[0] else None
    return (
        len(digits) == 4
        and digits[:2] in ("19", "20")
        and before is not None
        and before.value in _YEAR_BEFORE
    )
