"""What was found, as an agent can say it: one or two sentences with their days, newest first where they disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from elaaoms.days import aloud
from elaaoms.language import language_of
from elaaoms.memory import Memory
from elaaoms.webhooks import spoken

MAX_TOLD = 2  # memories in one answer; the rest stands in its list
MAX_CONTENT = 300  # characters of a memory in a spoken answer

# (told by the caller, noted by the operator, said before something that contradicts it)
_SAID = {
    "en": (
        "{text}, as the caller said {day}",
        "{text}, as noted {day}",
        "earlier, {day}, the caller said: {text}",
    ),
    "de": (
        "{text}, wie {day} gesagt wurde",
        "{text}, wie {day} vermerkt wurde",
        "früher, {day}, hieß es: {text}",
    ),
    "es": ("{text}, según se dijo {day}", "{text}, según se anotó {day}", "antes, {day}, se dijo: {text}"),
    "fr": (
        "{text}, comme il a été dit {day}",
        "{text}, comme noté {day}",
        "auparavant, {day}, il a été dit : {text}",
    ),
    "it": (
        "{text}, come è stato detto {day}",
        "{text}, come annotato {day}",
        "prima, {day}, è stato detto: {text}",
    ),
    "pt": ("{text}, como foi dito {day}", "{text}, como foi anotado {day}", "antes, {day}, foi dito: {text}"),
    "nl": (
        "{text}, zoals {day} is gezegd",
        "{text}, zoals {day} is genoteerd",
        "eerder, {day}, werd gezegd: {text}",
    ),
}
_NEUTRAL = ("{text} ({day})", "{text} ({day})", "({day}) {text}")  # where we cannot speak the language


def told(found: Sequence[Memory], known: Mapping[str, Memory], today: date) -> str:
    """The best memories as sentences; `known` has what they stand in conflict with, by id."""
    sentences: list[str] = []
    said: set[str] = set()
    for memory in found:
        if memory.id in said:
            continue
        newer, older = memory, known.get(memory.conflict_with or "")
        if older is not None and _at(older) > _at(newer):
            newer, older = older, newer
        said |= {newer.id} | ({older.id} if older else set())
        sentence = _said(newer, today)
        if older is not None:
            sentence = f"{sentence}; {_said(older, today, earlier=True)}"
        sentences.append(sentence if sentence[-1:] in _ENDS else f"{sentence}.")
        if len(sentences) == MAX_TOLD:
            break
    return " ".join(sentences)


_ENDS = (".", "!", "?", "…", "。", "！", "？", "।")


def _at(memory: Memory) -> tuple[float, float, str]:
    return memory.last_heard, memory.first_heard, memory.id


def _said(memory: Memory, today: date, *, earlier: bool = False) -> str:
    text = _cut(spoken(memory.content))
    language = language_of(text) or "en"
    day = datetime.fromtimestamp(memory.last_heard, UTC).date()
    by_caller, noted, before = _SAID.get(language, _NEUTRAL)
    form = before if earlier else by_caller if memory.conversation_id is not None else noted
    # Only the last mark goes, and only before a continuation: "Dr." inside the sentence stays.
    return form.format(
        text=text.rstrip("".join(_ENDS) if language in _SAID else ""), day=aloud(day, language, today)
    )


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CONTENT else text[: MAX_CONTENT - 1].rsplit(" ", 1)[0] + "…"
