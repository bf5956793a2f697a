"""The routes that ElevenLabs calls, and the two that tell whether we are there."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import Any, TypeVar

from aiohttp import web

from elaaoms import __version__, logs, strict
from elaaoms.budget import NAME as BUDGET
from elaaoms.database import Transaction
from elaaoms.errors import ElaaomsError, StorageFailed, StorageUnavailable, Unreadable
from elaaoms.recall import Initiation, Search
from elaaoms.recall import not_now as nothing_now
from elaaoms.replica import Replica
from elaaoms.server.border import (
    ROUTE,
    Refused,
    Services,
    acknowledgement,
    complete,
    failure,
    pieces,
    success,
    verifier_of,
)
from elaaoms.server.rates import Exceeded
from elaaoms.webhooks import AUDIO, Event, Verifier, clean, parse_json

T = TypeVar("T")

MIB = 1 << 20
REPLICA_LATE_S = 600.0  # so old is no change that OpenMemory is owed, as long as it takes any
WORKER_STALLED_S = 150.0  # the worker looks at the queue once a minute at least

_REQUESTS = strict.converter(forbid_extra_keys=False)


async def post_call(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Acknowledge an event once its bytes are on the disk and its row is committed."""
    # The verifier refuses a hopeless header before anything is read.
    return await _kept(services, request, verifier_of(services, request))


async def import_event(services: Services, request: web.Request, _: bytes) -> web.Response:
    """The same for an event that the operator brings, whose token stands for the signature."""
    return await _kept(services, request, None)


async def _kept(services: Services, request: web.Request, verifier: Verifier | None) -> web.Response:
    limits = services.config.server

    def check(event: Event, size: int) -> None:
        if event.type != AUDIO and size > limits.max_transcript_mb * MIB:
            raise Refused(413, f"the body is larger than {limits.max_transcript_mb * MIB} bytes")

    announced = request.content_length or 0
    services.archive.check_space(announced)
    with services.archive.receive(announced) as incoming:
        most = max(limits.max_audio_mb, limits.max_transcript_mb) * MIB
        body = complete(request, most)
        if body is not None:
            if verifier is not None:
                verifier.check(body)
            incoming.write(body)
        else:
            async for chunk in pieces(services, request, most):
                if verifier is not None:
                    verifier.update(chunk)
                if incoming.size // MIB != (incoming.size + len(chunk)) // MIB:
                    services.archive.room_for(incoming)
                incoming.write(chunk)
            if verifier is not None:
                verifier.finish()
        archived = await services.archive.keep(incoming, check)
    accepted = await services.ingest.take(archived)
    became = "held" if archived.event is None else "duplicate" if accepted.duplicate else "accepted"
    services.metrics.arrived(accepted.webhook_type, became)
    message = (
        "seen before" if accepted.duplicate else "held for review" if archived.event is None else "accepted"
    )
    data = {
        "conversation_id": accepted.conversation_id,
        "webhook_type": accepted.webhook_type,
        "job_id": accepted.job_id,
        "duplicate": accepted.duplicate,
        "extraction_status": accepted.extraction_status,
    }
    return acknowledgement(request, message, data)


async def client_data(services: Services, request: web.Request, body: bytes) -> web.Response:
    """What the agent is given before it answers."""
    wanted = parsed(body, Initiation)
    logs.note(conversation=wanted.conversation_id, agent=wanted.agent)
    if _exceeded(services, request, wanted.hints.caller_id, wanted.agent):
        return stranger(services)  # a call is answered, whoever rings and however often
    answer = await services.recall.initiation(wanted)
    logs.note(caller=answer.get("user_id"))
    return web.json_response(answer)


def stranger(services: Services) -> web.Response:
    """The complete answer for somebody unknown, when nothing else can be said."""
    return web.json_response(services.recall.stranger())


async def search_memory(services: Services, request: web.Request, body: bytes) -> web.Response:
    """What is known about a question, as the tool's answer."""
    raw = parse_json(body)
    if isinstance(raw, dict) and isinstance(raw.get("parameters"), dict):
        raw = raw | raw["parameters"]
    query = raw.get("query") if isinstance(raw, dict) else None
    if isinstance(query, str):
        raw["query"] = " ".join(clean(query).split())
    wanted = strict.structure(_REQUESTS, raw, Search)
    logs.note(conversation=wanted.conversation_id, agent=wanted.agent_id)
    if exceeded := _exceeded(services, request, wanted.hints.caller_id, wanted.agent_id or ""):
        wait = {"Retry-After": str(math.ceil(exceeded.wait_s))}
        raise Refused(429, f"too many requests (limits.{exceeded.setting})", headers=wait)
    who = await services.directory.identify(wanted.hints)
    logs.note(caller=who.caller if who else None)
    answer = await services.recall.search(wanted)
    return web.json_response(answer)


def _exceeded(services: Services, request: web.Request, caller: str, agent: str) -> Exceeded | None:
    exceeded = services.rates.exceeded(caller, agent)
    if exceeded is not None:
        services.metrics.limited(request[ROUTE].path, exceeded.setting)
    return exceeded


def not_now(services: Services) -> web.Response:
    """A speakable answer when memories cannot be read."""
    return web.json_response(nothing_now(""))


def parsed(body: bytes, cls: type[T]) -> T:
    """A JSON body as `cls`; Unreadable names every problem with its path."""
    return strict.structure(_REQUESTS, parse_json(body), cls)


async def echo(_: Services, request: web.Request, body: bytes) -> web.Response:
    """The JSON body back, to try a connection."""
    raw = parse_json(body)
    try:
        answer = success(request, "echo", {"echo": raw} if not isinstance(raw, dict) else raw)
    except RecursionError:  # what could just be read cannot always be written
        raise Unreadable("the body is nested too deeply") from None
    parse_json((answer.text or "").encode())  # 1e999 is JSON, what Python makes of it is not
    return answer


async def health(services: Services, request: web.Request, _: bytes) -> web.Response:
    """200 healthy or degraded, 503 when no call can be accepted; `?strict=1` answers 503 for degraded too."""
    state, parts = await dependencies(services)
    data: dict[str, Any] = {"status": state, "version": __version__, "dependencies": parts}
    if state == "unhealthy" or (state == "degraded" and request.query.get("strict") == "1"):
        return failure(request, 503, state, data=data, headers={"Retry-After": "30"})
    return success(request, state, data)


async def dependencies(services: Services) -> tuple[str, dict[str, dict[str, Any]]]:
    """healthy, degraded or unhealthy, and how each dependency is: its status, and the reason if it is not ok."""
    parts = {
        "storage": await _storage(services),
        "database": await _database(services),
        "worker": _worker(services),
        "extraction": await _extraction(services),
    }
    if services.replica is not None:
        parts["openmemory"] = await _replica(services, services.replica)
    if services.meaning is not None:
        reason = services.meaning.trouble
        parts["embeddings"] = {"status": "degraded", "reason": reason} if reason else {"status": "ok"}
    if services.capture is not None:
        trouble = services.capture.trouble
        parts["elevenlabs"] = (
            {"status": "degraded", "reason": f"missed calls cannot be looked for: {trouble}"}
            if trouble
            else {"status": "ok", "fetched": services.capture.fetched}
        )
    states = {part["status"] for part in parts.values()}
    return "unhealthy" if "down" in states else "degraded" if "degraded" in states else "healthy", parts


async def _storage(services: Services) -> dict[str, Any]:
    try:
        await asyncio.to_thread(services.archive.probe)
        free = services.archive.free_bytes()
    except StorageUnavailable as error:
        return {"status": "down", "reason": str(error)}
    try:
        services.archive.check_space_for_audio()
    except StorageUnavailable as error:
        return {"status": "degraded", "reason": str(error), "free_mb": free // MIB}
    return {"status": "ok", "free_mb": free // MIB}


async def _database(services: Services) -> dict[str, Any]:
    try:
        async with asyncio.timeout(2):
            await services.database.write(_nothing)  # a locked or read-only one still answers questions
            jobs = await services.queue.counts()
            calls = await services.calls.counts()
    except StorageFailed:
        raise
    except ElaaomsError as error:
        return {"status": "down", "reason": str(error)}
    except TimeoutError:
        return {"status": "down", "reason": "it did not answer within 2 seconds"}
    if services.database.damage.done():
        return {"status": "down", "reason": str(services.database.damage.result())}
    if services.ingest.behind:
        return {"status": "degraded", "reason": "archived calls wait to be recorded", "jobs": jobs, **calls}
    if services.aside:
        names = ", ".join(path.name for path in services.aside)
        reason = f"a damaged database was set aside ({names}); stop and run `elaaoms recover`"
        return {"status": "degraded", "reason": reason, "jobs": jobs, **calls}
    return {"status": "ok", "jobs": jobs, **calls}


def _nothing(_: Transaction) -> None:
    return None


def _worker(services: Services) -> dict[str, Any]:
    idle = asyncio.get_running_loop().time() - services.worker.turned_at
    if idle > WORKER_STALLED_S:
        return {"status": "degraded", "reason": f"it has not looked at the queue for {idle:.0f} seconds"}
    return {"status": "ok", "running": services.worker.running}


async def _extraction(services: Services) -> dict[str, Any]:
    part: dict[str, Any] = {"status": "ok", "provider": services.extractor.name}
    blocked = {**services.worker.blocked, **services.extractor.blocked()}
    if services.budget.daily_usd:
        with suppress(ElaaomsError):  # the database says so itself
            today = await services.budget.today()
            part["spent_today_usd"] = round(today.spent_usd, 4)
            part["daily_budget_usd"] = today.daily_budget_usd
            blocked.pop(BUDGET, None)  # a new day may have begun since a job was told to wait
            if today.paused:
                blocked[BUDGET] = today.paused
    if blocked:
        part |= {"status": "degraded", "reason": "; ".join(blocked.values()), "blocked": blocked}
    return part


async def _replica(services: Services, replica: Replica) -> dict[str, Any]:
    try:
        async with asyncio.timeout(2):
            standing = await replica.standing()
    except StorageFailed:
        raise
    except (ElaaomsError, TimeoutError):
        return {"status": "degraded", "reason": "what it is owed cannot be read"}
    lag = 0.0 if standing.since is None else max(0.0, services.clock() - standing.since)
    part = {
        "status": "ok",
        "dialect": standing.dialect,
        "store": standing.store,
        "owed": standing.owed,
        "lag_s": round(lag),
    }
    late = (
        f"{standing.owed} changes wait, the oldest for {lag / 60:.0f} minutes"
        if lag > REPLICA_LATE_S
        else None
    )
    if reason := standing.trouble or standing.resting or late:
        part |= {"status": "degraded", "reason": reason}
    return part
