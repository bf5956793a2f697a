"""What the dashboard shows, read through the ports; lists are paged by key."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web
from attrs import frozen

from elaaoms import export as exports
from elaaoms import redact
from elaaoms.audit import Entry
from elaaoms.budget import DAY_S
from elaaoms.calls import Call, Caller, Slot
from elaaoms.config import PROVIDERS
from elaaoms.dashboard import actions
from elaaoms.dashboard.desk import COOKIE, HOME, Desk, see
from elaaoms.dashboard.looks import Piece, marked, plot, title
from elaaoms.errors import NotFound, StorageUnavailable, Unreadable
from elaaoms.ingest import REMEMBER
from elaaoms.jobs import Job, State, Stretch
from elaaoms.memory import Category, Evidence, Memory, Status
from elaaoms.server import api
from elaaoms.server.border import Services
from elaaoms.server.hooks import dependencies
from elaaoms.webhooks import TRANSCRIPTION, Conversation, clean, parse_event

ROWS = 50  # of a list on one page
FEW = 6
HOUR_S = 3600.0
HOURS = 24
MIB = 1 << 20
LIVE = ("/webhook/client-data", "/webhook/search-memory", "/webhook/post-call")
MOST_MEMORIES = 100  # of one caller on one page


async def login(desk: Desk, request: web.Request) -> web.Response:
    """The form, or straight on for whoever is logged in."""
    if desk.sessions.find(request.cookies.get(COOKIE, "")) is not None:
        return see(HOME)
    return actions.login_page(desk, request)


# -- now -----------------------------------------------------------------------------


async def now(desk: Desk, request: web.Request) -> web.Response:
    """Whether it works, at a glance."""
    return desk.page(request, "now.html", plots=await _plots(desk), **await _now(desk))


async def now_again(desk: Desk, request: web.Request) -> web.Response:
    """The part that is asked for again and again."""
    return desk.page(request, "_now.html", **await _now(desk))


async def plots_again(desk: Desk, request: web.Request) -> web.Response:
    """The plots, once a minute."""
    return desk.page(request, "_plots.html", plots=await _plots(desk))


async def _now(desk: Desk) -> dict[str, Any]:
    services = desk.services
    at = services.clock()
    midnight = at // DAY_S * DAY_S
    state, parts = await dependencies(services)
    called = await desk.calls.since(midnight)
    worked = await desk.work.since(midnight)
    oldest = await services.queue.oldest_due()
    latest = await services.calls.page(limit=FEW)
    wishes = await services.calls.requests(limit=ROWS)
    return {
        "state": state,
        "parts": parts,
        "called": sum(slot.calls for slot in called),
        "read": sum(entry.completed for entry in worked),
        "jobs": await services.queue.counts(),
        "late_s": max(0.0, at - oldest) if oldest is not None else 0.0,
        "budget": await services.budget.today(),
        "timings": [(route, services.timings.of(route)) for route in LIVE],
        "failed": await services.queue.page(state=State.FAILED, limit=FEW),
        "latest": latest,
        "wishes": wishes,
        "people": await _people(desk, [call.caller for call in latest] + [wish.caller for wish in wishes]),
        "at": at,
    }


async def calls_of(services: Services, hour: float) -> Slot:
    """Calls that began in an hour, and what models cost."""
    (slot,) = await services.calls.activity(since=hour, step_s=HOUR_S, slots=1)
    return slot


async def work_of(services: Services, hour: float) -> Stretch:
    """Calls that were read in an hour, how long that took, and what failed."""
    (stretch,) = await services.queue.activity(since=hour, step_s=HOUR_S, slots=1, kind=REMEMBER)
    return stretch


async def _plots(desk: Desk) -> list[Mapping[str, Any]]:
    since = desk.services.clock() // HOUR_S * HOUR_S - (HOURS - 1) * HOUR_S
    slots = await desk.calls.since(since)
    work = await desk.work.since(since)
    times = [slot.at for slot in slots]
    return [
        plot("Calls", "calls", [("calls", [slot.calls for slot in slots])], times),
        plot("Failed jobs", "jobs", [("failed", [entry.failed for entry in work])], times),
        plot(
            "Time to read a call",
            "s",
            [
                ("mean", [round(entry.mean_s, 3) for entry in work]),
                ("slowest", [round(entry.slowest_s, 3) for entry in work]),
            ],
            times,
        ),
        plot("Cost of models", "$", [("US dollars", [round(slot.usd, 6) for slot in slots])], times),
    ]


async def _people(desk: Desk, keys: Iterable[str | None]) -> dict[str, tuple[str, Caller]]:
    """What callers are called on a page, by key."""
    wanted = sorted({key for key in keys if key is not None})
    known = await desk.services.calls.known(wanted)
    names = await desk.services.memories.names(wanted)
    return {key: (title(caller, names.get(key)), caller) for key, caller in known.items()}


# -- calls ---------------------------------------------------------------------------


async def calls(desk: Desk, request: web.Request) -> web.Response:
    """Calls, newest first."""
    agent, unfinished = request.query.get("agent") or None, request.query.get("show") == "unfinished"
    rows = await desk.services.calls.page(
        agent_id=agent, unfinished=unfinished, limit=ROWS, after=request.query.get("after") or None
    )
    return desk.page(
        request,
        "calls.html",
        calls=rows,
        people=await _people(desk, (call.caller for call in rows)),
        agents=await desk.services.calls.agents(),
        agent=agent or "",
        unfinished=unfinished,
        older=rows[-1].conversation_id if len(rows) == ROWS else None,
        first="after" not in request.query,
        held=await desk.services.calls.held(limit=ROWS),
    )


@frozen(kw_only=True)
class Said:
    """A turn as the page shows it, with the memories that rest on it."""

    number: int
    role: str
    seconds: float
    pieces: Sequence[Piece]


async def call(desk: Desk, request: web.Request) -> web.Response:
    """One call: what was said, what was remembered of it, what was dropped and why."""
    services = desk.services
    shown = await services.calls.get(request.match_info["id"])
    events = await services.calls.events(shown.conversation_id)
    memories = await services.memories.page(conversation_id=shown.conversation_id, limit=MOST_MEMORIES)
    api.seen(services, memories)
    evidence = await services.memories.evidence([memory.id for memory in memories])
    here = {
        memory.id: [entry for entry in evidence[memory.id] if entry.conversation_id == shown.conversation_id]
        for memory in memories
    }
    talk, silence = await _talk(desk, shown, events)
    job = None
    if shown.job_id is not None:
        job = await _job_or_none(desk, shown.job_id)
    return desk.page(
        request,
        "call.html",
        call=shown,
        events=events,
        turns=await asyncio.to_thread(_said, desk, talk, here),
        silence=silence,
        memories=memories,
        evidence=here,
        job=job,
        charges=await services.calls.charges(shown.conversation_id),
        people=await _people(desk, [shown.caller]),
        audio=await asyncio.to_thread(_audio(desk, shown.conversation_id).exists),
        providers=PROVIDERS,
        configured=services.extractor.name,
    )


async def _talk(
    desk: Desk, shown: Call, events: Sequence[Mapping[str, Any]]
) -> tuple[Conversation | None, str]:
    """The archived transcript, or why there is none; the rest of the page stands without it."""
    if not any(event["type"] == TRANSCRIPTION for event in events):
        return None, "No transcript of this call has arrived."
    newest = await desk.services.calls.transcript(shown.conversation_id)
    try:
        event = await asyncio.to_thread(lambda: parse_event(desk.services.archive.read(newest["path"])))
    except (StorageUnavailable, Unreadable) as error:
        return None, f"The transcript cannot be read: {error}."
    return event.conversation, "Nothing was said."


def _said(desk: Desk, talk: Conversation | None, evidence: Mapping[str, Sequence[Evidence]]) -> list[Said]:
    """The turns without secrets, the words that memories rest on marked."""
    if talk is None:
        return []
    quotes: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for memory, entries in evidence.items():
        for entry in entries:
            quotes[entry.turn].append((entry.quote, memory))
    turns, _ = redact.redact_turns(talk.turns, desk.services.config.privacy.policy)
    return [
        Said(
            number=number,
            role=turn.role,
            seconds=turn.seconds,
            pieces=marked(clean(turn.text), quotes[number]),
        )
        for number, turn in enumerate(turns)
        if turn.text
    ]


async def _job_or_none(desk: Desk, job_id: int) -> Job | None:
    try:
        return await desk.services.queue.get(job_id)
    except NotFound:  # finished long ago, and pruned
        return None


def _audio(desk: Desk, conversation_id: str) -> Path:
    return desk.services.archive.root / conversation_id / f"{conversation_id}_audio.mp3"


async def audio(desk: Desk, request: web.Request) -> web.StreamResponse:
    """The recording of a call, any part of it (RFC 9110, range requests)."""
    shown = await desk.services.calls.get(request.match_info["id"])
    path = _audio(desk, shown.conversation_id)
    if not await asyncio.to_thread(path.is_file):
        raise NotFound("no recording of this call is archived")
    return web.FileResponse(path, headers={"Content-Type": "audio/mpeg", "Accept-Ranges": "bytes"})


# -- callers -------------------------------------------------------------------------


async def callers(desk: Desk, request: web.Request) -> web.Response:
    """Callers, who called last first; or those that a search finds, by number, name or remembered words."""
    text = " ".join(clean(request.query.get("q", ""))[:200].split())
    piece = request.headers.get("HX-Request") == "true"
    template = "_callers.html" if piece else "callers.html"
    if len(text) >= api.SHORTEST:
        rows = await api.callers_found(desk.services, text, limit=ROWS)
        found = await desk.services.memories.mentioning(text, limit=ROWS)
        api.seen(desk.services, found.memories)
        people = await _people(desk, [row.caller for row in rows] + [m.caller for m in found.memories])
        return desk.page(
            request, template, q=text, callers=rows, mentions=found, people=people, older=None, first=True
        )
    rows = await desk.services.calls.recent_callers(limit=ROWS, after=request.query.get("after") or None)
    return desk.page(
        request,
        template,
        q=text,
        callers=rows,
        mentions=None,
        people=await _people(desk, (row.caller for row in rows)),
        older=rows[-1].caller if len(rows) == ROWS else None,
        first="after" not in request.query,
    )


async def further(desk: Desk, request: web.Request) -> web.Response:
    """More memories that hold the text."""
    text = " ".join(clean(request.query.get("q", ""))[:200].split())
    mark = request.query.get("further", "")
    if len(text) < api.SHORTEST or not (mark.isascii() and mark.isdigit() and len(mark) <= 18):
        raise Unreadable("expected q and further @ query")
    found = await desk.services.memories.mentioning(text, limit=ROWS, further=int(mark))
    api.seen(desk.services, found.memories)
    people = await _people(desk, (memory.caller for memory in found.memories))
    piece = request.headers.get("HX-Request") == "true"
    template = "_mentions.html" if piece else "mentions.html"
    return desk.page(request, template, q=text, mentions=found, people=people)


async def caller(desk: Desk, request: web.Request) -> web.Response:
    """One caller: what is remembered and why, what is no longer true, what contradicts itself."""
    services = desk.services
    who = await actions.found(desk, request)
    active = await services.memories.page(
        owner=who.caller,
        status=Status.ACTIVE,
        limit=MOST_MEMORIES,
        after=request.query.get("after") or None,
    )
    past = await services.memories.page(
        owner=who.caller, status=Status.SUPERSEDED, limit=ROWS, after=request.query.get("past") or None
    )
    both = [*active, *past]
    api.seen(services, both)
    evidence = await services.memories.evidence([memory.id for memory in both])
    talks = await services.calls.page(caller=who.caller, limit=ROWS, after=request.query.get("calls") or None)
    names = await services.memories.names([who.caller])
    prepared = await services.memories.prepared(who.caller, "")
    return desk.page(
        request,
        "caller.html",
        who=who,
        name=title(who, names.get(who.caller)),
        groups=_by_category(active),
        pairs=_conflicts(active),
        past=past,
        by_id={memory.id: memory for memory in both},
        evidence=evidence,
        changes=_changes(both, evidence),
        calls=talks,
        people={},
        categories=list(Category),
        prepared=prepared,
        older=active[-1].id if len(active) == MOST_MEMORIES else None,
        older_past=past[-1].id if len(past) == ROWS else None,
        older_calls=talks[-1].conversation_id if len(talks) == ROWS else None,
        total=len(active),
    )


def _by_category(memories: Sequence[Memory]) -> list[tuple[Category, list[Memory]]]:
    """Memories by category, what counts most first."""
    groups = []
    for category in Category:
        inside = [memory for memory in memories if memory.category is category]
        inside.sort(key=lambda memory: (not memory.pinned, -memory.importance, -memory.last_heard))
        if inside:
            groups.append((category, inside))
    return groups


def _conflicts(memories: Sequence[Memory]) -> list[tuple[Memory, Memory]]:
    """Memories that contradict each other, each pair once, the older one first."""
    by_id = {memory.id: memory for memory in memories}
    pairs = {
        tuple(sorted((memory, by_id[memory.conflict_with]), key=lambda one: (one.first_heard, one.id)))
        for memory in memories
        if memory.conflict_with in by_id
    }
    return sorted(((one, other) for one, other in pairs), key=lambda pair: -pair[1].last_heard)


def _changes(
    memories: Sequence[Memory], evidence: Mapping[str, Sequence[Evidence]]
) -> dict[str, list[tuple[str, Memory]]]:
    """What each call did to the memories, by conversation."""
    changes: dict[str, list[tuple[str, Memory]]] = defaultdict(list)
    for memory in memories:
        for entry in evidence[memory.id]:
            if entry.conversation_id is not None:
                changes[entry.conversation_id].append((entry.effect, memory))
    return changes


async def export(desk: Desk, request: web.Request) -> web.Response:
    """Everything about a caller as a file, JSON or a page to read."""
    kind = request.match_info["kind"]
    if kind not in ("json", "html"):
        raise NotFound("there is json and html")
    who = await actions.found(desk, request)
    data = await api.exported(desk.services, who)
    text = (
        json.dumps(data, ensure_ascii=False, indent=2)
        if kind == "json"
        else await asyncio.to_thread(exports.page, data)
    )
    return web.Response(
        body=text.encode(),
        content_type="application/json" if kind == "json" else "text/html",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{who.caller}.{kind}"'},
    )


# -- jobs ----------------------------------------------------------------------------

_LISTED = (State.FAILED, State.RUNNING, State.AVAILABLE, State.COMPLETED, State.CANCELLED)


async def jobs(desk: Desk, request: web.Request) -> web.Response:
    """Jobs, failed first; or one state's, page by page."""
    services = desk.services
    text, after = request.query.get("state", ""), request.query.get("after", "")
    state = next((state for state in State if state == text), None)
    before = int(after) if after.isascii() and after.isdigit() and len(after) <= 18 else None
    listed = [state] if state else _LISTED
    limit = ROWS if state else 10
    sections = [
        (one, await services.queue.page(state=one, limit=limit, before=before if state else None))
        for one in listed
    ]
    return desk.page(
        request,
        "jobs.html",
        sections=sections,
        counts=await services.queue.counts(),
        state=state,
        states=_LISTED,
        limit=limit,
    )


async def job(desk: Desk, request: web.Request) -> web.Response:
    """One job and what went wrong with its attempts."""
    shown = await desk.services.queue.get(actions.number(request))
    conversation = conversation_of(shown)
    args = json.dumps(dict(shown.args), ensure_ascii=False, indent=2)
    return desk.page(request, "job.html", job=shown, conversation=conversation, args=args)


def conversation_of(job: Job) -> str:
    """The conversation that a job is about, or an empty text."""
    path = str(job.args.get("path", ""))
    return path.partition("/")[0] or str(job.args.get("conversation_id", ""))


# -- the audit trail -------------------------------------------------------------------

_DID = {
    "memory.seen": "looked at",
    "memory.shown": "was given before a call",
    "memory.told": "was told in a call",
    "memory.added": "added",
    "memory.edited": "edited",
    "memory.pinned": "pinned",
    "memory.unpinned": "unpinned",
    "memory.restored": "restored",
    "memory.forgotten": "forgot",
    "call.remembered": "learnt from a call",
    "call.replaced": "took a newer version of a call",
    "call.replay_adopted": "adopted another reading of a call",
    "caller.exported": "exported",
    "caller.merged": "merged",
    "caller.erased": "erased",
    "audit.lost": "could not note everything",
    "audit.interrupted": "ended without noting its last accesses",
}
_EFFECTS = ("added", "shared", "changed", "superseded", "restored", "forgotten", "removed")


def _did(entry: Entry) -> str:
    """What an entry tells of, as a phrase."""
    effects = [f"{len(entry.details[name])} {name}" for name in _EFFECTS if entry.details.get(name)]
    times = entry.details.get("times", 1)
    more = [f"{times} times"] if times != 1 else effects
    phrase = _DID.get(entry.action, entry.action)
    return f"{phrase} ({', '.join(more)})" if more else phrase


async def audit(desk: Desk, request: web.Request) -> web.Response:
    """Who saw, shared, changed or removed what, newest first."""
    about, actor = (" ".join(clean(request.query.get(name, ""))[:256].split()) for name in ("about", "actor"))
    after = request.query.get("after", "")
    trail = await api.audited(
        desk.services,
        about or None,
        actor=actor or None,
        limit=ROWS,
        before=int(after) if after.isascii() and after.isdigit() and len(after) <= 18 else None,
    )
    split = [
        (
            entry,
            [subject for subject in entry.subjects if subject.startswith("caller_")],
            [subject for subject in entry.subjects if subject.startswith("mem_")],
        )
        for entry in trail
    ]
    return desk.page(
        request,
        "audit.html",
        about=about,
        actor=actor,
        entries=split,
        did=_did,
        people=await _people(desk, (caller for _, callers, _ in split for caller in callers)),
        older=trail[-1].id if len(trail) == ROWS else None,
        first=not after,
    )


# -- storage -------------------------------------------------------------------------


@frozen(kw_only=True)
class Disk:
    """Bytes: what the file system has and lacks, and what our own files take."""

    total: int
    free: int
    database: int
    log: int
    backups: int
    reserve: int


async def storage(desk: Desk, request: web.Request) -> web.Response:
    """What grows and how fast, until when the disk lasts, and who is remembered most."""
    services = desk.services
    at = services.clock()
    week = max(0.0, at // DAY_S - 6) * DAY_S
    volumes = await services.calls.volume(since=week)
    disk = await asyncio.to_thread(_disk, desk)
    archived = sum(volume.size for volume in volumes)
    # What a week brings to the archive brings its share to the database too. A young archive has had no week.
    begun = min((volume.begun for volume in volumes), default=week)
    days = max(at - max(week, begun), DAY_S) / DAY_S
    a_day = sum(volume.recent_size for volume in volumes) / days * (1 + disk.database / max(archived, 1))
    largest = await services.memories.largest(limit=10)
    return desk.page(
        request,
        "storage.html",
        volumes=volumes,
        disk=disk,
        a_day=a_day,
        days=max(0.0, disk.free - disk.reserve) / a_day if a_day else None,
        counts=await services.calls.counts(),
        largest=largest,
        people=await _people(desk, (owner for owner, _ in largest)),
        held=await services.calls.held(limit=ROWS),
        erasures=await services.eraser.listed(limit=ROWS),
    )


def _disk(desk: Desk) -> Disk:
    data = desk.services.archive.root.parent
    usage = shutil.disk_usage(data)
    database = desk.services.database.path
    return Disk(
        total=usage.total,
        free=usage.free,
        database=_size(database),
        log=_size(database.with_name(database.name + "-wal")),
        backups=sum(_size(path) for path in (data / "backups").glob("*")),
        reserve=desk.services.config.storage.min_free_mb * MIB,
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
