"""The admin API: memories, callers, calls and jobs, for the operator alone."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from aiohttp import web
from attrs import asdict, field, frozen
from attrs.validators import and_, ge, in_, le, max_len, min_len, optional

from elaaoms import redact, strict, views
from elaaoms.audit import SEEN, Entry
from elaaoms.budget import Tally
from elaaoms.calls import Call, Caller
from elaaoms.config import PROVIDERS
from elaaoms.directory import Identified
from elaaoms.errors import (
    Conflicting,
    NotFound,
    ProviderBlocked,
    ServiceRejected,
    ServiceUnavailable,
    Unreadable,
)
from elaaoms.ingest import Statement
from elaaoms.jobs import State
from elaaoms.memory import MAX_CONTENT, Category, Fact, Filters, Memory, Status
from elaaoms.rank import Ranked, rank
from elaaoms.replay import Replay
from elaaoms.server.border import Refused, Services, query_of, success
from elaaoms.webhooks import TRANSCRIPTION, Turn, clean, parse_event, parse_json
from elaaoms.words import name_in

E = TypeVar("E", bound=StrEnum)

MAX_PAGE = 100
SHORTEST = 2  # characters worth a search
MAX_DAYS = 3660
REEMBED_S = 5.0  # one request asks for vectors for so long; who wants more asks again
_MEMORY_FILTERS = (
    "caller",
    "q",
    "agent",
    "conversation",
    "category",
    "importance",
    "status",
    "since",
    "until",
)
_BODIES = strict.converter(forbid_extra_keys=True)


class Extraction(StrEnum):
    """What became of a call."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    NOTHING = "nothing"
    FAILED = "failed"


@frozen(kw_only=True)
class NewMemory:
    """What an operator says about a caller; `key` makes saying it again harmless."""

    caller: str = field(validator=and_(min_len(1), max_len(256)))
    content: str = field(validator=and_(min_len(1), max_len(MAX_CONTENT)))
    category: Category = Category.FACTUAL
    importance: int = field(default=5, validator=and_(ge(1), le(10)))
    agent_id: str | None = field(default=None, validator=optional(max_len(200)))
    event_date: str | None = None
    key: str | None = field(default=None, validator=optional(max_len(256)))


# -- memories -----------------------------------------------------------------------


async def list_memories(services: Services, request: web.Request, _: bytes) -> web.Response:
    """A page of memories, newest first; with `q` the caller's memories by relevance."""
    query = query_of(request, *_MEMORY_FILTERS, "limit", "after")
    limit = _limit(query)
    least = _rating(query, "importance")
    since, until = moment(query, "since"), moment(query, "until")
    category, status = _choice(query, "category", Category), _choice(query, "status", Status)
    owner = None
    if "caller" in query:
        known = await services.directory.find(query["caller"])
        if known is None:
            return success(request, "no such caller", {"memories": [], "next": None})
        owner = known.caller
    if "q" in query:
        if owner is None:
            raise Unreadable("q needs a caller, whose memories are searched @ query.caller")
        if after := {"after", "conversation", "importance", "since", "until"} & set(query):
            raise Unreadable(f"q ranks all memories of the caller at once @ query.{min(after)}")
        ranked = await _ranked(
            services,
            query["q"],
            owner,
            agent=query.get("agent"),
            category=category,
            status=status,
            limit=limit,
        )
        page = await _with_evidence(services, [entry.memory for entry in ranked])
        memories = [shown | {"relevance": entry.relevance} for shown, entry in zip(page, ranked, strict=True)]
        return success(request, f"{len(memories)} memories", {"memories": memories, "next": None})
    filters = Filters(
        owner=owner,
        agent_id=query.get("agent"),
        conversation_id=query.get("conversation"),
        category=category,
        status=status,
        importance=least,
        since=since,
        until=until,
    )
    found = await services.memories.listing(filters, limit=limit, after=query.get("after"))
    memories = await _with_evidence(services, list(found.memories))
    return success(request, f"{len(memories)} memories", {"memories": memories, "next": found.next})


async def _ranked(
    services: Services,
    question: str,
    owner: str,
    *,
    agent: str | None,
    category: Category | None,
    status: Status | None,
    limit: int,
) -> list[Ranked]:
    """A caller's memories by relevance: the active ones unless another status is asked for."""
    today = datetime.fromtimestamp(services.clock(), UTC).date()
    if status in (None, Status.ACTIVE):
        hits = await services.shelf.search(
            owner,
            await services.shelf.index(owner),
            question,
            agent,
            category=category,
            today=today,
            limit=limit,
            likeness=None if services.meaning is None else await services.meaning.likeness(owner, question),
        )
        relevance = {hit.id: hit.relevance for hit in hits}
        found = await services.memories.chosen(owner, list(relevance))
        return [Ranked(m, relevance[m.id]) for m in found if agent is None or m.known_to(agent)]
    past = [
        m
        for m in await services.memories.page(owner=owner, status=status, limit=10_000)
        if (agent is None or m.known_to(agent)) and category in (None, m.category)
    ]
    return await asyncio.to_thread(rank, question, past, services.shelf.encoder, today=today, limit=limit)


@frozen
class Reembed:
    all: bool = False


async def reembed(services: Services, request: web.Request, body: bytes) -> web.Response:
    """Make the vectors that memories lack, for some seconds; `all` drops those that are there first."""
    meaning = services.meaning
    if meaning is None:
        raise Conflicting('embeddings.provider is "builtin", whose vectors are made with every memory')
    wanted = strict.structure(_BODIES, parse_json(body or b"{}"), Reembed)
    try:
        standing = await meaning.reembed(for_s=REEMBED_S, anew=wanted.all)
    except (ServiceUnavailable, ServiceRejected, ProviderBlocked) as error:
        raise Refused(502, str(error)) from error
    data = {"model": standing.model, "total": standing.total, "owed": standing.owed}
    return success(request, f"{standing.owed} left", data)


async def show_memory(services: Services, request: web.Request, _: bytes) -> web.Response:
    """One memory with its evidence, each piece with the turns around it and the second it was said at."""
    memory = await services.memories.get(request.match_info["id"])
    (shown,) = await _with_evidence(services, [memory])
    for entry in shown["evidence"]:
        if entry["conversation_id"] is not None:
            entry.update(await _heard_in(services, entry["conversation_id"], entry["turn"]))
    return success(request, "found", shown)


async def _heard_in(services: Services, conversation_id: str, turn: int) -> dict[str, Any]:
    """The turns around one turn, as they were received, and the audio to listen to if it is archived."""
    try:
        newest = await services.calls.transcript(conversation_id)
    except NotFound:
        return {}
    talk = (await asyncio.to_thread(lambda: parse_event(services.archive.read(newest["path"])))).conversation
    if talk is None:
        return {}
    around = range(max(0, turn - 1), min(len(talk.turns), turn + 2))
    audio = f"{conversation_id}/{conversation_id}_audio.mp3"
    archived = await asyncio.to_thread((services.archive.root / audio).exists)
    policy = services.config.privacy.policy
    turns, _ = redact.redact_turns([talk.turns[number] for number in around], policy)
    return {
        "turns": [
            {"turn": number, "role": said.role, "seconds": said.seconds, "text": said.text}
            for number, said in zip(around, turns, strict=True)
        ],
        "seconds": talk.turns[turn].seconds if 0 <= turn < len(talk.turns) else None,
        "audio": f"payloads/{audio}" if archived else None,
    }


async def _with_evidence(services: Services, memories: list[Memory]) -> list[dict[str, Any]]:
    seen(services, memories)
    evidence = await services.memories.evidence([memory.id for memory in memories])
    return [views.memory(memory, evidence[memory.id]) for memory in memories]


def seen(services: Services, memories: Iterable[Memory]) -> None:
    """Note for the audit trail that the operator is shown these memories."""
    by_caller: dict[str | None, list[str]] = defaultdict(list)
    for memory in memories:
        by_caller[memory.caller].append(memory.id)
    for caller, ids in by_caller.items():
        services.accesses.note("admin", SEEN, caller, ids)


async def add_memory(services: Services, request: web.Request, body: bytes) -> web.Response:
    """Remember what the operator says."""
    new = strict.structure(_BODIES, parse_json(body), NewMemory)
    return success(
        request, "remembered", (await _with_evidence(services, await remembered(services, new)))[0]
    )


async def remembered(services: Services, new: NewMemory) -> list[Memory]:
    """Remember what the operator says; the memory that it is part of now."""
    who, statement = _statement(services, new, "$")
    await services.ingest.state(who, [statement])
    return await services.memories.page(owner=who.caller, fact_key=statement.key, limit=1)


async def import_memories(services: Services, request: web.Request, body: bytes) -> web.Response:
    """Remember many, given as JSON lines; either all lines are sound or nothing is imported."""
    statements: dict[Identified, list[Statement]] = defaultdict(list)
    problems = []
    count = 0
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            who, statement = _statement(
                services,
                strict.structure(_BODIES, parse_json(line), NewMemory, f"line {number}"),
                f"line {number}",
            )
        except Unreadable as error:
            known = f"@ line {number}" in str(error)
            problems.append(str(error) if known else f"{error} @ line {number}")
            continue
        statements[who].append(statement)
        count += 1
    if problems:
        more = f"; and {len(problems) - 20} more lines" if len(problems) > 20 else ""
        raise Unreadable("; ".join(problems[:20]) + more)
    imported = 0
    for who, said in statements.items():
        imported += await services.ingest.state(who, said)
    data = {"lines": count, "imported": imported, "unchanged": count - imported, "callers": len(statements)}
    return success(request, f"{imported} memories imported", data)


@frozen(kw_only=True)
class Change:
    """What an operator changes about a memory; what is not given stays."""

    content: str | None = field(default=None, validator=optional(and_(min_len(1), max_len(MAX_CONTENT))))
    category: Category | None = None
    importance: int | None = field(default=None, validator=optional(and_(ge(1), le(10))))
    pinned: bool | None = None


async def change_memory(services: Services, request: web.Request, body: bytes) -> web.Response:
    """Edit a memory (the old words stay as a superseded one), or pin it."""
    memory = await services.memories.get(request.match_info["id"])
    change = strict.structure(_BODIES, parse_json(body), Change)
    changed = await decided(services, memory, change)
    return success(request, "changed", (await _with_evidence(services, [changed]))[0])


async def decided(services: Services, memory: Memory, change: Change) -> Memory:
    """Make an operator's change; the memory as it is afterwards."""
    if change.content is not None or change.category is not None or change.importance is not None:
        memory = await services.ingest.edit(memory, _edited(memory, change))
    if change.pinned is not None:
        memory = await services.ingest.pin(memory, change.pinned)
    return memory


def _edited(memory: Memory, change: Change) -> Fact:
    """The operator's statement that takes a memory's place; it keeps the attribute that it speaks of."""
    content = memory.content if change.content is None else " ".join(clean(change.content).split())
    if not content:
        raise Unreadable("the content is blank @ $.content")
    same = content == memory.content
    return Fact(
        category=change.category or memory.category,
        content=content,
        importance=change.importance or memory.importance,
        event_date=memory.event_date if same else None,
        slot=memory.slot,
        value=memory.value if same else (name_in(content) or content).casefold() if memory.slot else "",
        topic=memory.topic if same else "",
        quote=memory.source_quote if same else "",
    )


async def forget_memory(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Forget a memory, for good."""
    gentle = query_of(request, "unless_kept").get("unless_kept") == "1"
    memory = await services.memories.get(request.match_info["id"])
    forgotten = await services.ingest.forget(memory, unless_kept=gentle)
    return success(request, "forgotten", views.memory(forgotten))


async def restore_memory(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Undo what ended a superseded memory."""
    memory = await services.memories.get(request.match_info["id"])
    restored = await services.ingest.restore(memory)
    return success(request, "restored", (await _with_evidence(services, [restored]))[0])


def _statement(services: Services, new: NewMemory, root: str) -> tuple[Identified, Statement]:
    address = services.directory.address(new.caller)
    if address is None:
        raise Unreadable(f"not a phone number, user id or caller key @ {root}.caller")
    content = " ".join(clean(new.content).split())
    if not content:
        raise Unreadable(f"the content is blank @ {root}.content")
    day = _event_date(new.event_date, root)
    caller = services.directory.key(address)
    # A date in the future is what the memory is about, not when it was heard.
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() if day else services.clock()
    heard_at = min(noon, services.clock())
    key = clean(new.key or "") or content
    digest = hashlib.sha256("\x1f".join(("operator", caller, key)).encode()).hexdigest()[:32]
    name = name_in(content)
    fact = Fact(
        category=new.category,
        content=content,
        importance=new.importance,
        event_date=day,
        slot="name" if name else "",
        value=name.casefold(),
    )
    return Identified(caller, address), Statement(
        key=digest, fact=fact, heard_at=heard_at, agent_id=clean(new.agent_id or "") or None
    )


def _event_date(text: str | None, root: str) -> date | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError as error:
        raise Unreadable(f"expected a date like 2026-11-02 @ {root}.event_date") from error


# -- callers and calls -----------------------------------------------------------------


async def list_callers(services: Services, request: web.Request, _: bytes) -> web.Response:
    """A page of callers; with `q` those whose number, user id, key or name it is or is part of."""
    query = query_of(request, "q", "limit", "after")
    limit = _limit(query)
    if "q" in query:
        if "after" in query:
            raise Unreadable("q finds the best at once @ query.after")
        text = " ".join(clean(query["q"]).split())
        best = await callers_found(services, text, limit=limit) if len(text) >= SHORTEST else []
        shown = [views.caller(caller) for caller in best]
        return success(request, f"{len(shown)} callers", {"callers": shown, "next": None})
    callers = await services.calls.callers(limit=limit, after=query.get("after"))
    following = callers[-1].caller if len(callers) == limit else None
    data = {"callers": [views.caller(caller) for caller in callers], "next": following}
    return success(request, f"{len(callers)} callers", data)


async def callers_found(services: Services, text: str, *, limit: int) -> list[Caller]:
    """Callers whose number, user id, key or name the text is or is part of; the exact one first."""
    exact = await services.directory.find(text)
    digits = "".join(letter for letter in text if letter.isascii() and letter.isdigit())
    number = len(digits) > SHORTEST and not any(letter.isalpha() for letter in text)
    found = await services.calls.callers_at(digits if number else text, limit=limit)
    named = await services.calls.known(await services.memories.called(text, limit=limit))
    by_name = sorted(named.values(), key=lambda caller: -caller.last_seen)
    unique = {caller.caller: caller for caller in ([exact] if exact else []) + by_name + found}
    return list(unique.values())[:limit]


async def show_caller(services: Services, request: web.Request, _: bytes) -> web.Response:
    """One caller, by number, user id or key."""
    caller = await services.directory.find(request.match_info["caller"])
    if caller is None:
        raise NotFound("there is no such caller")
    return success(request, "found", views.caller(caller))


async def erase_caller(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Remove every trace of a caller; the answer is the signed receipt."""
    caller = await services.directory.find(request.match_info["caller"])
    if caller is None:
        raise NotFound("there is no such caller")
    done = await services.eraser.erase(caller.caller, actor="admin")
    if done.receipt is None:
        sentence = f"erased here; it goes on by itself when {done.waits_for} can be reached ({done.id})"
        raise Refused(503, sentence, headers={"Retry-After": "60"})
    return success(request, "erased", dict(done.receipt))


async def list_erasures(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Erasures, newest first, with their receipts."""
    done = await services.eraser.listed(limit=_limit(query_of(request, "limit")))
    rows = [
        asdict(erasure)
        | {
            "requested_at": views.moment(erasure.requested_at),
            "finished_at": views.moment(erasure.finished_at),
        }
        for erasure in done
    ]
    return success(request, f"{len(rows)} erasures", {"erasures": rows})


async def list_requests(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Callers who asked in a call to be forgotten, oldest first; erasing them answers it."""
    found = await services.calls.requests(limit=_limit(query_of(request, "limit")))
    rows = [asdict(entry) | {"asked_at": views.moment(entry.asked_at)} for entry in found]
    return success(request, f"{len(rows)} requests", {"requests": rows})


async def decline_request(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Close a request without an erasure: it was not meant so, or the law wants the data kept."""
    await services.calls.decline(_number(request.match_info["id"], "id"), now=services.clock())
    return success(request, "declined", {})


async def check_receipt(services: Services, request: web.Request, body: bytes) -> web.Response:
    """Whether a receipt is ours and unchanged."""
    receipt = parse_json(body)
    if not isinstance(receipt, dict):
        raise Unreadable("expected an object @ $")
    return success(request, "checked", {"genuine": services.eraser.genuine(receipt)})


async def export_caller(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Everything about a caller."""
    caller = await services.directory.find(request.match_info["caller"])
    if caller is None:
        raise NotFound("there is no such caller")
    return success(request, "exported", await exported(services, caller))


async def exported(services: Services, caller: Caller) -> dict[str, Any]:
    """Everything about a caller: memories with their evidence, calls with their transcripts."""
    memories: list[Memory] = []
    while True:
        after = memories[-1].id if memories else None
        piece = await services.memories.page(owner=caller.caller, limit=500, after=after)
        memories += piece
        if len(piece) < 500:
            break
    calls: list[dict[str, Any]] = []
    while True:
        before = calls[-1]["conversation_id"] if calls else None
        found = await services.calls.page(caller=caller.caller, limit=100, after=before)
        calls += [await _whole_call(services, call) for call in found]
        if len(found) < 100:
            break
    entry = Entry(
        at=services.clock(),
        actor="admin",
        action="caller.exported",
        subjects=(caller.caller,),
        details={"memories": len(memories), "calls": len(calls)},
    )
    await services.database.write(lambda tx: services.audit.note(tx, entry))
    return {
        "exported_at": views.moment(services.clock()),
        "caller": views.caller(caller),
        "memories": await _with_evidence(services, memories),
        "calls": calls,
    }


async def _whole_call(services: Services, call: Call) -> dict[str, Any]:
    """A call with its transcript, as it may be told."""
    events = await services.calls.events(call.conversation_id)
    turns: tuple[Turn, ...] = ()
    if any(event["type"] == TRANSCRIPTION and event["path"] for event in events):
        path = (await services.calls.transcript(call.conversation_id))["path"]
        talk = (await asyncio.to_thread(lambda: parse_event(services.archive.read(path)))).conversation
        turns, _ = redact.redact_turns(talk.turns if talk else (), services.config.privacy.policy)
    return views.call(call) | {
        "turns": [{"role": turn.role, "seconds": turn.seconds, "text": turn.text} for turn in turns],
        "files": [event["path"] for event in events if event["path"]],
    }


@frozen(kw_only=True)
class Merging:
    """Whom a caller turned out to be."""

    into: str = field(validator=and_(min_len(1), max_len(256)))


async def merge_caller(services: Services, request: web.Request, body: bytes) -> web.Response:
    """Make a caller the same person as another."""
    wanted = strict.structure(_BODIES, parse_json(body), Merging)
    caller = await services.directory.find(request.match_info["caller"])
    into = await services.directory.find(wanted.into)
    if caller is None or into is None:
        raise NotFound("there is no such caller")
    await services.ingest.merge(caller.caller, into.caller)
    merged = await services.directory.find(into.caller)
    if merged is None:
        raise NotFound("there is no such caller")
    return success(request, "merged", views.caller(merged))


async def list_calls(services: Services, request: web.Request, _: bytes) -> web.Response:
    """A page of calls, newest first."""
    query = query_of(request, "caller", "agent", "status", "since", "until", "limit", "after")
    limit = _limit(query)
    status = _choice(query, "status", Extraction)
    since, until = moment(query, "since"), moment(query, "until")
    caller = None
    if "caller" in query:
        known = await services.directory.find(query["caller"])
        if known is None:
            return success(request, "no such caller", {"calls": [], "next": None})
        caller = known.caller
    calls = await services.calls.page(
        caller=caller,
        agent_id=query.get("agent"),
        status=status,
        since=since,
        until=until,
        limit=limit,
        after=query.get("after"),
    )
    following = calls[-1].conversation_id if len(calls) == limit else None
    return success(
        request, f"{len(calls)} calls", {"calls": [views.call(call) for call in calls], "next": following}
    )


async def show_call(services: Services, request: web.Request, _: bytes) -> web.Response:
    """One call, what arrived about it and what it taught us."""
    call = await services.calls.get(request.match_info["conversation_id"])
    events = await services.calls.events(call.conversation_id)
    memories = await services.memories.page(conversation_id=call.conversation_id, limit=MAX_PAGE)
    charges = await services.calls.charges(call.conversation_id)
    shown = views.call(call, events) | {
        "charges": [asdict(charge) | {"at": views.moment(charge.at)} for charge in charges]
    }
    shown |= {"memories": await _with_evidence(services, memories)}
    trail = await services.audit.about(services.directory.pseudonym(call.conversation_id))
    shown |= {"audit": [views.entry(entry) for entry in trail]}
    return success(request, "found", shown)


@frozen(kw_only=True)
class ReplayRequest:
    """Which call is read again, by whom; without a provider or a model the configured one."""

    conversation_id: str = field(validator=and_(min_len(1), max_len(128)))
    provider: str | None = field(default=None, validator=optional(in_(PROVIDERS)))
    model: str | None = field(default=None, validator=optional(and_(min_len(1), max_len(200))))
    adopt: bool = False


async def replay(services: Services, request: web.Request, body: bytes) -> web.Response:
    """Read an archived call again and say what would be different; with `adopt` it becomes so."""
    wanted = strict.structure(_BODIES, parse_json(body), ReplayRequest)
    done = await read_again(services, wanted)
    return success(request, "adopted" if done.adopted else "compared", views.replay(done))


async def read_again(services: Services, wanted: ReplayRequest) -> Replay:
    """Read an archived call again as the request says."""
    spent = Tally(services.budget)
    extractor, model = services.reader(wanted.provider, wanted.model, spent)
    try:
        return await services.ingest.replay(
            wanted.conversation_id, extractor, spent, model=model, adopt=wanted.adopt
        )
    finally:
        await extractor.close()


async def reprocess(services: Services, request: web.Request, body: bytes) -> web.Response:
    """Queue a call's extraction once more."""
    job_id = await services.ingest.reprocess(request.match_info["conversation_id"])
    return success(request, "queued again", {"job_id": job_id})


async def list_audit(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Who saw or did what, newest first: about one memory, call, caller or erasure, by one actor, or everything."""
    query = query_of(request, "subject", "agent", "actor", "since", "until", "limit", "after")
    limit = _limit(query)
    before = _number(query["after"], "query.after") if "after" in query else None
    if {"agent", "actor"} <= set(query):
        raise Unreadable("an agent is an actor: expected one of agent and actor @ query.actor")
    trail = await audited(
        services,
        query.get("subject"),
        actor=f"agent {query['agent']}" if "agent" in query else query.get("actor"),
        since=moment(query, "since"),
        until=moment(query, "until"),
        limit=limit,
        before=before,
    )
    following = str(trail[-1].id) if len(trail) == limit else None
    entries = [views.entry(entry) for entry in trail]
    return success(request, f"{len(entries)} entries", {"entries": entries, "next": following})


async def audited(
    services: Services,
    about: str | None,
    *,
    actor: str | None = None,
    since: float | None = None,
    until: float | None = None,
    limit: int,
    before: int | None,
) -> list[Entry]:
    """Entries about what an operator names: a caller, also one who is erased, a call, a memory or an erasure."""
    subject = about
    if about is not None:
        known = await services.directory.find(about)
        address = services.directory.address(about)
        names = [services.directory.pseudonym(about)]
        names += [services.directory.key(address)] if address is not None else []
        if known is not None:
            subject = known.caller
        else:
            for name in names:
                if await services.audit.about(name, limit=1):
                    subject = name
    return await services.audit.page(
        subject=subject, actor=actor, since=since, until=until, limit=limit, before=before
    )


async def list_held(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Bodies that were correctly signed but could not be understood, newest first."""
    held = await services.calls.held(limit=_limit(query_of(request, "limit")))
    return success(request, f"{len(held)} held", {"held": [views.held(entry) for entry in held]})


# -- what it costs ---------------------------------------------------------------------


async def show_usage(services: Services, request: web.Request, _: bytes) -> web.Response:
    """What language models took, by day (UTC), provider and model, and what today's budget leaves."""
    days = _number(query_of(request, "days").get("days", "7"), "query.days")
    if not 1 <= days <= MAX_DAYS:
        raise Unreadable(f"expected 1 to {MAX_DAYS} @ query.days")
    rows = await services.budget.usage(days=days)
    data = {
        "usage": [asdict(row) for row in rows],
        "usd": sum(row.usd for row in rows),
        "today": asdict(await services.budget.today()),
    }
    return success(request, f"{days} days", data)


@frozen(kw_only=True)
class Listed:
    """Conversations that somebody has in hand."""

    conversation_ids: tuple[str, ...] = field(validator=max_len(1000))
    type: str = TRANSCRIPTION


async def unheard_of(services: Services, request: web.Request, body: bytes) -> web.Response:
    """Which of some conversations never arrived here."""
    listed = strict.structure(_BODIES, parse_json(body), Listed)
    missing = await services.calls.unheard_of(listed.conversation_ids, listed.type)
    return success(request, f"{len(missing)} never arrived", {"missing": sorted(missing)})


@frozen(kw_only=True)
class Announced:
    """A call that the operator's own backend starts: for whom, with which agent, and its ids if they are known."""

    caller: str | None = field(default=None, validator=optional(max_len(256)))
    user_id: str | None = field(default=None, validator=optional(max_len(256)))
    agent_id: str | None = field(default=None, validator=optional(max_len(200)))
    conversation_id: str | None = None
    call_sid: str | None = None


async def initiation(services: Services, request: web.Request, body: bytes) -> web.Response:
    """What client-data would answer, for sessions that do not ask it: web and outbound calls."""
    asked = strict.structure(_BODIES, parse_json(body), Announced)
    named = [text for text in (asked.user_id, asked.caller) if text]
    if not named:
        raise Unreadable("expected a caller or a user_id @ $")
    address = services.directory.address(named[0])
    if address is None:
        raise Unreadable(f"not a phone number or user id @ $.{'user_id' if asked.user_id else 'caller'}")
    answer = await services.recall.initiation_of(
        Identified(services.directory.key(address), address),
        agent=asked.agent_id or "",
        conversation_id=asked.conversation_id,
        call_sid=asked.call_sid,
    )
    return web.json_response(answer)


# -- jobs ------------------------------------------------------------------------------


async def list_jobs(services: Services, request: web.Request, _: bytes) -> web.Response:
    """A page of jobs, newest first, and how many there are in each state."""
    query = query_of(request, "state", "limit", "after")
    limit = _limit(query)
    before = _number(query["after"], "query.after") if "after" in query else None
    jobs = await services.queue.page(state=_choice(query, "state", State), limit=limit, before=before)
    following = str(jobs[-1].id) if len(jobs) == limit else None
    data = {
        "jobs": [views.job(job) for job in jobs],
        "next": following,
        "counts": dict(await services.queue.counts()),
    }
    return success(request, f"{len(jobs)} jobs", data)


async def show_job(services: Services, request: web.Request, _: bytes) -> web.Response:
    """One job."""
    return success(request, "found", views.job(await services.queue.get(_job_id(request))))


async def retry_job(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Make a job due now, with fresh attempts."""
    job = await services.queue.retry(_job_id(request), now=services.clock())
    return success(request, "queued again", views.job(job))


async def retry_failed(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Make every failed job due now."""
    count = await services.queue.retry_failed(now=services.clock())
    return success(request, f"{count} jobs queued again", {"retried": count})


async def cancel_job(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Give up a job that is not running."""
    job = await services.queue.cancel(_job_id(request), now=services.clock())
    return success(request, "cancelled", views.job(job))


# -- queries ---------------------------------------------------------------------------


def _limit(query: Mapping[str, str]) -> int:
    limit = _number(query.get("limit", "50"), "query.limit")
    if not 1 <= limit <= MAX_PAGE:
        raise Unreadable(f"expected 1 to {MAX_PAGE} @ query.limit")
    return limit


def _number(text: str, path: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Unreadable(f"expected a whole number @ {path}")
    return int(text)


def moment(query: Mapping[str, str], name: str) -> float | None:
    """A day (from its midnight in UTC) or a time in ISO 8601 as unix seconds, if it is given."""
    if name not in query:
        return None
    try:
        at = datetime.fromisoformat(query[name])
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"expected a date like 2026-11-02 or a time @ query.{name}") from error


def _rating(query: Mapping[str, str], name: str) -> int | None:
    if name not in query:
        return None
    rating = _number(query[name], f"query.{name}")
    if not 1 <= rating <= 10:
        raise Unreadable(f"expected 1 to 10 @ query.{name}")
    return rating


def _choice(query: Mapping[str, str], name: str, cls: type[E]) -> E | None:
    if name not in query:
        return None
    try:
        return cls(query[name])
    except ValueError as error:
        raise Unreadable(f"expected one of {', '.join(cls)} @ query.{name}") from error


def _job_id(request: web.Request) -> int:
    text = request.match_info["id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFound("there is no such job")
    return int(text)
