"""What an agent is given before a call: a greeting and what is known, composed after the last one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from attrs import frozen

from elaaoms.calls import LastCall
from elaaoms.memory import Category, Memory, Prepared, Status
from elaaoms.webhooks import spoken
from elaaoms.words import name_in

MAX_GREETING = 220  # characters; about twelve seconds of speech
MAX_MEMORY = 2800  # characters of `caller_memory`; with the context under 7,000, about 2,000 tokens
MAX_CONTEXT = 4000
MAX_SUMMARY = 800
DAY_S = 86400.0

_DIGITS = re.compile(r"\d(?:[\s.-]?\d){3,}")
_MARKUP = re.compile(r"[{}<>\[\]|\\]")
_TITLE = re.compile(r"\b(mr|mrs|ms|miss|dr|professor)\b\.?\s", re.IGNORECASE)
_IDENTITY = frozenset({"name", "residence", "job"})
_SETTLED = frozenset({"resolved", "arrived", "cancelled", "returned", "mentioned"})

_BACK = {
    "en": ("Welcome back, {name}!", "Welcome back!", "How can I help you today?"),
    "de": ("Willkommen zurück, {name}!", "Willkommen zurück!", "Wie kann ich Ihnen heute helfen?"),
    "es": ("¡Hola de nuevo, {name}!", "¡Hola de nuevo!", "¿En qué puedo ayudarle hoy?"),
    "fr": (
        "Bonjour {name}, ravi de vous retrouver !",
        "Ravi de vous retrouver !",
        "Comment puis-je vous aider aujourd'hui ?",
    ),
}
LANGUAGES = frozenset(_BACK)
_NEW_HERE = {
    "en": "Hello {name}! How can I help you today?",
    "de": "Hallo {name}! Wie kann ich Ihnen heute helfen?",
    "es": "¡Hola, {name}! ¿En qué puedo ayudarle hoy?",
    "fr": "Bonjour {name} ! Comment puis-je vous aider aujourd'hui ?",
}


@frozen(kw_only=True)
class Style:
    """How greetings are made ([greeting] in elaaoms.toml)."""

    stranger: str
    expires_days: float


def stranger(style: Style) -> dict[str, str | bool]:
    """The complete set of variables for somebody we know nothing about."""
    return {
        "caller_known": False,
        "caller_name": "",
        "memory_greeting": spoken(style.stranger),
        "caller_memory": "",
        "last_call_summary": "",
        "caller_context": "",
    }


def prepare(
    memories: Sequence[Memory], last_calls: Mapping[str, LastCall], *, style: Style, now: float
) -> dict[str, Prepared]:
    """The variables for the caller's next call, by agent.

    An agent gets what it heard itself and what is shared. The entry '' is for every other agent:
    it is made from shared memories alone, and missing when there are none.
    """
    active = [memory for memory in memories if memory.status is Status.ACTIVE]
    prepared = {}
    for agent, last in last_calls.items():
        visible = [memory for memory in active if memory.known_to(agent)]
        prepared[agent] = _prepared(visible, last, style=style, now=now)
    shared = [memory for memory in active if memory.agent_id is None]
    if shared:
        prepared[""] = _prepared(shared, None, style=style, now=now, languages=last_calls.values())
    return prepared


def _prepared(
    memories: Sequence[Memory],
    last: LastCall | None,
    *,
    style: Style,
    now: float,
    languages: Iterable[LastCall] = (),
) -> Prepared:
    named = _named(memories)
    name = _name(named)
    lines, listed = _memory_lines(memories)
    context, placed = _context(memories)
    variables: dict[str, str | bool] = {
        "caller_known": True,
        "caller_name": spoken(name),
        "memory_greeting": _greeting(name, memories, last, languages, style),
        "caller_memory": lines,
        "last_call_summary": _cut(spoken(last.summary), MAX_SUMMARY) if last else "",
        "caller_context": context,
    }
    told = dict.fromkeys((*([named.id] if named and name else []), *listed, *placed))
    return Prepared(
        variables=variables,
        prepared_at=now,
        expires_at=now + style.expires_days * DAY_S,
        memories=tuple(told),
    )


def _named(memories: Sequence[Memory]) -> Memory | None:
    """The memory that says the caller's name, unless two names stand against each other."""
    named = [memory for memory in memories if memory.slot == "name"]
    return named[0] if len(named) == 1 and named[0].conflict_with is None else None


def _name(named: Memory | None) -> str:
    """The caller's name as it is written."""
    if named is None:
        return ""
    name = name_in(named.content)
    title = _TITLE.search(named.source_quote)
    return f"{title[1].rstrip('.').title()} {name}" if name and title and " " not in name else name


def _greeting(
    name: str, memories: Sequence[Memory], last: LastCall | None, languages: Iterable[LastCall], style: Style
) -> str:
    first = name if _TITLE.match(f"{name} ") else (name.split() or [""])[0]
    newest = last or max(languages, key=lambda call: call.started_at, default=None)
    language = (newest.language if newest else "") or "en"
    if language not in _BACK:
        return spoken(style.stranger)
    if last is None:
        lines = [_NEW_HERE[language].format(name=first)] if first else []
    else:
        with_name, without, offer = _BACK[language]
        welcome = with_name.format(name=first) if first else without
        topic = _topic(memories, last) if language == "en" else ""
        lines = [f"{welcome} Last time we talked about {topic}. {offer}"] if topic else []
        lines.append(f"{welcome} {offer}")
    return next((line for line in map(spoken, lines) if presentable(line)), spoken(style.stranger))


def presentable(greeting: str) -> bool:
    """Whether a greeting may be spoken: short, without templates, numbers or anything but plain text."""
    return (
        0 < len(greeting) <= MAX_GREETING
        and not _DIGITS.search(greeting)
        and not re.search(r"[{}<>\[\]|\\]", greeting)
    )


def _topic(memories: Sequence[Memory], last: LastCall) -> str:
    """What that call was about, if something of it is still open."""
    open_ones = [
        memory
        for memory in memories
        if memory.topic and memory.last_heard == last.started_at and memory.value not in _SETTLED
    ]
    best = max(
        open_ones, key=lambda memory: (memory.category is Category.ISSUE, memory.importance), default=None
    )
    return best.topic if best else ""


def by_weight(memories: Iterable[Memory]) -> list[Memory]:
    """Memories as an agent needs them: what matters for safety, open issues, preferences, who it is, the rest."""
    order = {
        Category.ISSUE: 0,
        Category.PREFERENCE: 1,
        Category.FACTUAL: 3,
        Category.RELATIONAL: 4,
        Category.EMOTIONAL: 5,
    }

    def key(memory: Memory) -> tuple[bool, int, int, float]:
        rank = 6 if memory.value in _SETTLED else 2 if memory.slot in _IDENTITY else order[memory.category]
        return (not memory.pinned and memory.importance < 9, rank, -memory.importance, -memory.last_heard)

    return sorted(memories, key=key)


def day(at: float) -> str:
    """A date as it is written for an agent, like "2 Nov 2026"."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%b %Y}"


def _memory_lines(memories: Sequence[Memory]) -> tuple[str, list[str]]:
    """What fits of the memories, a line each, and the ids of those."""
    lines: list[str] = []
    ids: list[str] = []
    room = MAX_MEMORY
    for memory in by_weight(memories):
        doubt = "; the caller has also said otherwise" if memory.conflict_with else ""
        line = f"- {spoken(memory.content).rstrip('.')} ({day(memory.last_heard)}{doubt})"
        if len(line) + 1 > room:
            break
        lines.append(line)
        ids.append(memory.id)
        room -= len(line) + 1
    return "\n".join(lines), ids


def _context(memories: Sequence[Memory]) -> tuple[str, list[str]]:
    """The same as JSON, by kind, as much as fits, and the ids of those."""
    by_id = {memory.id: memory for memory in memories}
    context: dict[str, list[str]] = {
        "conflicts": [],
        "issues": [],
        "preferences": [],
        "relationship": [],
        "memories": [],
    }
    names = {
        Category.PREFERENCE: "preferences",
        Category.ISSUE: "issues",
        Category.RELATIONAL: "relationship",
    }
    entries: list[tuple[str, str, tuple[str, ...]]] = [
        (
            "conflicts",
            f"Earlier: {_said(by_id[memory.conflict_with])} Later: {_said(memory)}",
            (memory.conflict_with, memory.id),
        )
        for memory in memories
        if memory.conflict_with in by_id and memory.first_heard >= by_id[memory.conflict_with].first_heard
        if memory.id > memory.conflict_with or memory.first_heard > by_id[memory.conflict_with].first_heard
    ]
    entries += [
        (names.get(memory.category, "memories"), _said(memory), (memory.id,))
        for memory in by_weight(memories)
    ]
    ids: list[str] = []
    room = MAX_CONTEXT - 100
    for kind, text, told in entries:
        room -= len(json.dumps(text, ensure_ascii=False)) + 2
        if room < 0:
            break
        context[kind].append(text)
        ids += told
    return json.dumps(context, ensure_ascii=False), ids


def _said(memory: Memory) -> str:
    return f"{spoken(memory.content)} ({day(memory.last_heard)})"


def _cut(text: str, limit: int) -> str:
    """Text of at most `limit` characters, cut at a word."""
    return text if len(text) <= limit else text[: limit - 1].rsplit(" ", 1)[0] + "…"
