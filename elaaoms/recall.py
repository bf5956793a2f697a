"""The read path: what is said before a call and what is found during one; it waits for nobody."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from attrs import evolve, field, frozen
from attrs.validators import and_, ge, le, max_len, min_len, optional

from elaaoms import redact
from elaaoms.announcements import Announcements, Verdict
from elaaoms.audit import SHOWN, TOLD, Accesses
from elaaoms.directory import Directory, Identified
from elaaoms.embed import Nearness
from elaaoms.extract.injection import to_the_model
from elaaoms.fusion import fused
from elaaoms.greeting import Style, stranger
from elaaoms.identity import Hints
from elaaoms.memory import Memory, MemoryStore
from elaaoms.profiles import AgentProfiles
from elaaoms.rank import Hit, Index, Ranked, rank
from elaaoms.replica import FOREIGN, NO_HITS, Elsewhere, Hits
from elaaoms.shelf import Shelf
from elaaoms.telling import told
from elaaoms.webhooks import clean, spoken

MAX_ANSWER = 2048  # bytes of a search answer; all of it goes into the agent's prompt
MAX_RESULT = 700  # characters of the speakable part
MAX_AGENT = 60  # characters of an agent's id (theirs have 32); twice of them leave room in any script
FUSED = 20  # memories that are put in order with what was found elsewhere, before the best are told
NOTHING = "Nothing about that is known from earlier calls."
NOT_NOW = "Earlier calls cannot be looked up at the moment."
_LANGUAGE = re.compile(r"[a-z]{2,3}")

log = logging.getLogger("elaaoms.recall")


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


@frozen(eq=False)
class _Known:
    """What there is to look through for a caller's question."""

    caller: str
    index: Index
    elsewhere: Hits
    likeness: Mapping[str, float] | None


class Recall:
    """Answers from what is stored and prepared; the deadline is the server's."""

    def __init__(
        self,
        memories: MemoryStore,
        shelf: Shelf,
        directory: Directory,
        announcements: Announcements,
        profiles: AgentProfiles,
        accesses: Accesses,
        *,
        elsewhere: Elsewhere | None = None,
        nearness: Nearness | None = None,
        privacy: redact.Policy,
        style: Style,
        override_first_message: bool,
        override_language: bool,
        deny_unannounced: bool,
        threshold: float,
        clock: Callable[[], float],
    ) -> None:
        self._memories = memories
        self._shelf = shelf
        self._directory = directory
        self._elsewhere = elsewhere
        self._nearness = nearness
        self._announcements = announcements
        self._profiles = profiles
        self._accesses = accesses
        # A caller's memories are told again and again during a call.
        self._hide = lru_cache(maxsize=2048)(lambda text: redact.redact(text, privacy))
        self._style = style
        self._greets = override_first_message
        self._speaks = override_language
        self._denies = deny_unannounced
        self._threshold = threshold
        self._clock = clock

    def forget(self) -> None:
        """Let go of texts that are held to be told again."""
        self._hide.cache_clear()

    async def initiation(self, request: Initiation) -> dict[str, Any]:
        """The complete `conversation_initiation_client_data` for a call that begins."""
        identified = await self._directory.identify(request.hints)
        if identified is None:
            return self.stranger()
        return await self.initiation_of(
            identified,
            agent=request.agent,
            conversation_id=request.conversation_id,
            call_sid=request.call_sid,
        )

    async def initiation_of(
        self, identified: Identified, *, agent: str, conversation_id: str | None, call_sid: str | None
    ) -> dict[str, Any]:
        """The same for a caller who is known; the call counts as announced."""
        self._announcements.announce(identified.caller, conversation_id=conversation_id, call_sid=call_sid)
        self._shelf.announce(identified.caller)
        prepared = await self._memories.prepared(identified.caller, agent)
        variables = stranger(self._style)
        if prepared is not None:
            variables |= prepared.variables
            if prepared.expires_at <= self._clock():
                variables["memory_greeting"] = spoken(self._style.stranger)
        language = await self._directory.language(identified.caller) if self._speaks else ""
        if prepared is not None:
            self._accesses.note(_actor(agent), SHOWN, identified.caller, prepared.memories)
        return self._payload(variables, language) | {"user_id": identified.caller}

    def stranger(self) -> dict[str, Any]:
        """The same for somebody unknown, and for when anything fails."""
        return self._payload(stranger(self._style))

    def _payload(self, variables: Mapping[str, str | bool], language: str = "") -> dict[str, Any]:
        payload: dict[str, Any] = {
            "type": "conversation_initiation_client_data",
            "dynamic_variables": dict(variables),
        }
        agent: dict[str, Any] = {"first_message": variables["memory_greeting"]} if self._greets else {}
        if _LANGUAGE.fullmatch(language):
            agent["language"] = language
        if agent:
            payload["conversation_config_override"] = {"agent": agent}
        return payload

    async def search(self, request: Search) -> dict[str, Any]:
        """What is known about the question: this agent's memories and the shared ones, then all agents'."""
        agent = request.agent_id or ""
        everywhere = bool(request.search_all_agents) or not agent
        scope = "all" if everywhere else agent
        identified = await self._directory.identify(request.hints)
        if identified is None or not self._may_hear(request, identified):
            return answer([], scope, today=self._today())
        known = _Known(
            identified.caller,
            *await asyncio.gather(
                self._shelf.index(identified.caller),
                self._hits(identified.caller, request.query, request.limit or 5),
                self._likeness(identified.caller, request.query),
            ),
        )
        found = [] if everywhere else await self._found(request, known, agent)
        if not found:
            scope = "all"
            found = await self._found(request, known, None)
        opposite = await self._opposite(found, identified.caller, scope)
        body = answer(found, scope, today=self._today(), known=opposite)
        if body["found"]:
            self._accesses.note(_actor(agent), TOLD, identified.caller, _ids(body, found))
        return body

    def _may_hear(self, request: Search, identified: Identified) -> bool:
        """Whether a call may hear of a caller: never of another than the platform announced it for.

        An agent counts as reachable from the web when its profile or a finished call says so. Nothing is
        known of an agent that has only been called by phone, and its lookups are answered.
        """
        verdict = self._announcements.verdict(
            identified.caller, conversation_id=request.conversation_id, call_sid=request.call_sid
        )
        if verdict is Verdict.ANNOUNCED:
            return True
        agent = request.agent_id or ""
        if verdict is Verdict.ANOTHER:
            reason = "client-data announced the call with another caller"
        elif self._denies and self._profiles.is_on_the_web(agent):
            reason = (
                "client-data did not announce the call, and the agent is reachable from the web "
                '(security.unannounced = "deny")'
            )
        else:
            return True
        log.warning("a lookup was refused: %s; agent=%s", reason, spoken(agent)[:MAX_AGENT] or "unknown")
        return False

    async def _hits(self, caller: str, query: str, limit: int) -> Hits:
        """What is found elsewhere, if it is found in time."""
        if self._elsewhere is None:
            return NO_HITS
        return await self._elsewhere.hits(caller, query, limit=limit) or NO_HITS

    async def _likeness(self, caller: str, query: str) -> Mapping[str, float] | None:
        """What an embedding endpoint makes of the question, if there is one and it is in time."""
        return None if self._nearness is None else await self._nearness.likeness(caller, query)

    async def _found(self, request: Search, known: _Known, agent: str | None) -> list[Ranked]:
        """What answers the question among what an agent may use, or among all; best first."""
        limit, caller, elsewhere = request.limit or 5, known.caller, known.elsewhere
        hits = [
            hit
            for hit in await self._shelf.search(
                caller,
                known.index,
                request.query,
                agent,
                today=self._today(),
                limit=max(limit, FUSED) if elsewhere.order else limit,
                likeness=known.likeness,
            )
            if hit.relevance >= self._threshold
        ]
        ours = self._allowed(hits, await self._memories.chosen(caller, [hit.id for hit in hits]), agent)
        if foreign := self._foreign(request.query, elsewhere, limit):
            ours = sorted([*ours, *foreign], key=lambda entry: -entry.relevance)
        return fused(ours, elsewhere.order, id_of=lambda entry: entry.memory.id)[:limit]

    def _foreign(self, query: str, elsewhere: Hits, limit: int) -> list[Ranked]:
        """What other applications wrote about the caller, where our own ranking finds it relevant too."""
        harmless = [memory for memory in elsewhere.foreign if not to_the_model(memory.content)]
        if not harmless:
            return []
        ranked = rank(query, harmless, self._shelf.encoder, today=self._today(), limit=limit)
        return [
            evolve(entry, memory=self._harmless(entry.memory))
            for entry in ranked
            if entry.relevance >= self._threshold
        ]

    def _allowed(self, hits: Sequence[Hit], memories: Sequence[Memory], agent: str | None) -> list[Ranked]:
        relevance = {hit.id: hit.relevance for hit in hits}
        return [
            Ranked(self._harmless(memory), relevance[memory.id])
            for memory in memories
            if agent is None or memory.known_to(agent)
        ]

    async def _opposite(self, found: Sequence[Ranked], caller: str, scope: str) -> dict[str, Memory]:
        """What the memories that were found stand in conflict with, as far as this scope may know it."""
        wanted = [entry.memory.conflict_with for entry in found if entry.memory.conflict_with is not None]
        if not wanted:
            return {}
        others = await self._memories.chosen(caller, wanted)
        return {
            memory.id: self._harmless(memory) for memory in others if scope == "all" or memory.known_to(scope)
        }

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def _harmless(self, memory: Memory) -> Memory:
        """The last gate before something is said: older memories may know what the policy forbids today."""
        return evolve(memory, content=self._hide(memory.content) or "[removed]")


def answer(
    found: Sequence[Ranked], scope: str, *, today: date, known: Mapping[str, Memory] | None = None
) -> dict[str, Any]:
    """The search tool's answer, cut so that it stays under 2 KiB; `known` has what contradicts it, by id."""
    found = list(found)
    while True:
        body = {
            "found": bool(found),
            "result": _cut(told([entry.memory for entry in found], known or {}, today)) if found else NOTHING,
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


def _actor(agent: str) -> str:
    """An agent as the audit trail calls it; its id comes from outside."""
    return f"agent {clean(agent)[:MAX_AGENT] or 'unknown'}"


def _ids(body: Mapping[str, Any], found: Sequence[Ranked]) -> list[str]:
    """What an answer tells of: the memories that it lists, and what contradicts those."""
    listed = [memory["id"] for memory in body["memories"]]
    against = [entry.memory.conflict_with for entry in found if entry.memory.id in listed]
    return [*listed, *(memory for memory in against if memory is not None)]


def not_now(scope: str) -> dict[str, Any]:
    """The search tool's answer when memories cannot be read: speakable, and true."""
    return answer([], scope, today=date.min) | {"result": NOT_NOW}


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
        **({"source": "openmemory"} if memory.id.startswith(FOREIGN) else {}),
    }


def _cut(text: str) -> str:
    return text if len(text) <= MAX_RESULT else text[: MAX_RESULT - 1].rsplit(" ", 1)[0] + "…"
