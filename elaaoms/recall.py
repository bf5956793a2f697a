"""The read path: what is said before a call and what is found during one; it waits for nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import evolve, field, frozen
from attrs.validators import and_, ge, le, max_len, min_len, optional

from elaaoms import redact
from elaaoms.directory import Directory
from elaaoms.greeting import Style, stranger
from elaaoms.identity import Hints
from elaaoms.memory import Memory, MemoryStore
from elaaoms.rank import Ranked, rank
from elaaoms.webhooks import spoken

MAX_ANSWER = 2048  # bytes of a search answer; all of it goes into the agent's prompt
MAX_RESULT = 700  # characters of the speakable part
MAX_AGENT = 60  # characters of an agent's id (theirs have 32); twice of them leave room in any script
NOTHING = "Nothing about that is known from earlier calls."
NOT_NOW = "Earlier calls cannot be looked up at the moment."


@frozen
class _SystemVariables:
    system__caller_id: str | None = None
    system__called_number: str | None = None
    system__agent_id: str | None = None


@frozen
class Initiation:
    """The client-data request: who calls whom; every field may be missing, null or empty."""

    caller_id: str | None = None
    agent_id: str | None = None
    called_number: str | None = None
    call_sid: str | None = None
    conversation_id: str | None = None
    dynamic_variables: _SystemVariables | None = None

    @property
    def agent(self) -> str:
        """The agent that answers."""
        return self.agent_id or (self.dynamic_variables and self.dynamic_variables.system__agent_id) or ""

    @property
    def hints(self) -> Hints:
        """Who may be calling. The platform fills the numbers in; nothing here comes from the caller's mouth."""
        variables = self.dynamic_variables or _SystemVariables()
        return Hints(
            caller_id=self.caller_id or variables.system__caller_id or "",
            called_number=self.called_number or variables.system__called_number or "",
        )


@frozen
class Search:
    """The search-memory request, as the tool sends it."""

    query: str = field(validator=and_(min_len(1), max_len(1000)))
    caller_id: str | None = None
    agent_id: str | None = None
    conversation_id: str | None = None
    called_number: str | None = None
    call_sid: str | None = None
    search_all_agents: bool | None = None
    limit: int | None = field(default=None, validator=optional(and_(ge(1), le(20))))

    @property
    def hints(self) -> Hints:
        """Who is calling."""
        return Hints(caller_id=self.caller_id or "", called_number=self.called_number or "")


class Recall:
    """Answers from what is stored and prepared; the deadline is the server's."""

    def __init__(
        self,
        memories: MemoryStore,
        directory: Directory,
        *,
        privacy: redact.Policy,
        style: Style,
        override_first_message: bool,
        threshold: float,
        clock: Callable[[], float],
    ) -> None:
        self._memories = memories
        self._directory = directory
        self._privacy = privacy
        self._style = style
        self._override = override_first_message
        self._threshold = threshold
        self._clock = clock

    async def initiation(self, request: Initiation) -> dict[str, Any]:
        """The complete `conversation_initiation_client_data` for a call that begins."""
        identified = await self._directory.identify(request.hints)
        if identified is None:
            return self.stranger()
        prepared = await self._memories.prepared(identified.caller, request.agent)
        variables = stranger(self._style)
        if prepared is not None:
            variables |= prepared.variables
            if prepared.expires_at <= self._clock():
                variables["memory_greeting"] = spoken(self._style.stranger)
        return self._payload(variables) | {"user_id": identified.caller}

    def stranger(self) -> dict[str, Any]:
        """The same for somebody unknown, and for when anything fails."""
        return self._payload(stranger(self._style))

    def _payload(self, variables: Mapping[str, str | bool]) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "type": "conversation_initiation_client_data",
            "dynamic_variables": dict(variables),
        }
        if self._override:
            first = {"first_message": variables["memory_greeting"]}
            payload["conversation_config_override"] = {"agent": first}
        return payload

    async def search(self, request: Search) -> dict[str, Any]:
        """What is known about the question: this agent's memories and the shared ones, then all agents'."""
        agent = request.agent_id or ""
        everywhere = bool(request.search_all_agents) or not agent
        scope = "all" if everywhere else agent
        identified = await self._directory.identify(request.hints)
        if identified is None:
            return answer([], scope)
        known = await self._memories.active(identified.caller)
        limit = request.limit or 5
        if not everywhere:
            found = self._relevant(
                request.query, [memory for memory in known if memory.known_to(agent)], limit
            )
            if found:
                return answer(found, scope)
        return answer(self._relevant(request.query, known, limit), "all")

    def _relevant(self, query: str, memories: Sequence[Memory], limit: int) -> list[Ranked]:
        ranked = rank(query, memories, limit=limit)
        found = [entry for entry in ranked if entry.relevance >= self._threshold]
        return [evolve(entry, memory=self._harmless(entry.memory)) for entry in found]

    def _harmless(self, memory: Memory) -> Memory:
        """The last gate before something is said: older memories may know what the policy forbids today."""
        return evolve(memory, content=redact.redact(memory.content, self._privacy) or "[removed]")


def answer(found: Sequence[Ranked], scope: str) -> dict[str, Any]:
    """The search tool's answer, cut so that it stays under 2 KiB."""
    found = list(found)
    while True:
        body = {
            "found": bool(found),
            "result": _sentences([entry.memory for entry in found]) if found else NOTHING,
            "memories": [_entry(entry) for entry in found],
            "searched_agents": spoken(scope)[:MAX_AGENT],
        }
        if len(json.dumps(body)) < MAX_ANSWER or not found:  # as it is sent, in ASCII
            return body
        if len(found) > 1:
            found.pop()
        else:  # a single memory in a script of many bytes; what stands beside its content always fits
            memory = evolve(
                found[0].memory, content=found[0].memory.content[: len(found[0].memory.content) // 2]
            )
            found = [evolve(found[0], memory=memory)]


def not_now(scope: str) -> dict[str, Any]:
    """The search tool's answer when memories cannot be read: speakable, and true."""
    return answer([], scope) | {"result": NOT_NOW}


def _entry(entry: Ranked) -> dict[str, Any]:
    memory = entry.memory
    return {
        "id": memory.id,
        "content": spoken(memory.content),
        "category": memory.category.value,
        "importance": memory.importance,
        "relevance": entry.relevance,
        "when": datetime.fromtimestamp(memory.last_heard, UTC).date().isoformat(),
        "agent_id": None if memory.agent_id is None else spoken(memory.agent_id)[:MAX_AGENT],
        "shared": memory.agent_id is None,
    }


def _sentences(memories: Sequence[Memory]) -> str:
    """Memories as sentences to read aloud, by the day they were heard on."""
    by_day: dict[str, list[str]] = {}
    for memory in memories:
        moment = datetime.fromtimestamp(memory.last_heard, UTC)
        sentence = spoken(memory.content)
        if memory.conflict_with is not None:
            sentence = f"{sentence} (The caller has also said otherwise.)"
        by_day.setdefault(f"{moment.day} {moment:%B %Y}", []).append(
            sentence if sentence[-1:] in ".!?)" else f"{sentence}."
        )
    text = " ".join(f"On {day}: {' '.join(sentences)}" for day, sentences in by_day.items())
    return text if len(text) <= MAX_RESULT else text[: MAX_RESULT - 1].rsplit(" ", 1)[0] + "…"
