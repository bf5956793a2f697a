"""The admin API of the replica: how it stands, both sides compared, and what is there taken over from others."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

from aiohttp import web
from attrs import asdict

from elaaoms import views
from elaaoms.directory import Identified
from elaaoms.errors import Conflicting, ProviderBlocked, ServiceRejected, ServiceUnavailable, Unreadable
from elaaoms.extract.injection import to_the_model
from elaaoms.ingest import Statement
from elaaoms.memory import MAX_CONTENT, Category, Fact
from elaaoms.replica import Foreign, Replica, Standing, Verification, pulled_key
from elaaoms.server.border import Refused, Services, query_of, success
from elaaoms.webhooks import clean

PUSH_S = 10.0  # one request delivers for so long; who wants more asks again
PULL_PAGE = 100
SHOWN = 1000  # differences of one kind in an answer
_TENANT = re.compile(r"[0-9a-f]{16}", re.ASCII)  # the one user that a server makes of its key, for everybody
_OURS = re.compile(r"c_([0-9a-f]{32})", re.ASCII)  # one of our callers, as OpenMemory knows them


async def status(services: Services, request: web.Request, _: bytes) -> web.Response:
    """How the replica stands."""
    query_of(request)
    return success(request, "found", _standing(await _replica(services).standing(), services))


async def push(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Deliver what is owed, for some seconds, and say what is left."""
    replica = _replica(services)
    await replica.resume()
    async with _asking():
        standing = await replica.deliver(for_s=PUSH_S)
    return success(request, f"{standing.owed} left", _standing(standing, services))


async def verify(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Compare every memory on both sides."""
    query_of(request)
    async with _asking():
        found = await _replica(services).verify()
    return success(
        request, "as it should be" if found.sound else "there are differences", _verification(found)
    )


async def repair(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Compare, delete what nothing wants, and owe again what is not as it should be."""
    async with _asking():
        found = await _replica(services).repair()
    return success(request, "mended", _verification(found))


async def pull(services: Services, request: web.Request, _: bytes) -> web.Response:
    """Take over one page of what other applications wrote; doing it again changes nothing."""
    text = request.query.get("offset", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise Unreadable("expected a whole number @ query.offset")
    offset = int(text)
    async with _asking():
        found, read = await _replica(services).foreign(offset=offset, limit=PULL_PAGE)
    imported = 0
    skipped: Counter[str] = Counter()
    statements: dict[Identified, list[Statement]] = defaultdict(list)
    for item in found:
        who = _who(services, item)
        said = _statements(item, services.clock())
        if who is None:
            skipped["nobody can be told by it"] += 1
        elif not said:
            skipped["empty"] += 1
        elif to_the_model(item.text):
            skipped["addresses a model"] += 1
        else:
            statements[who] += said
    for who, said in statements.items():
        imported += await services.ingest.state(who, said)
    following = offset + read if read == PULL_PAGE else None
    data = {"read": read, "imported": imported, "skipped": dict(skipped), "next": following}
    return success(request, f"{imported} memories imported", data)


class _asking:
    """What OpenMemory answers to the operator, as an error of HTTP that keeps its sentence."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ServiceUnavailable | ServiceRejected | ProviderBlocked):
            raise Refused(502, str(error)) from error


def _replica(services: Services) -> Replica:
    if services.replica is None:
        raise Conflicting("openmemory.url is empty: there is no replica")
    return services.replica


def _standing(standing: Standing, services: Services) -> dict[str, Any]:
    lag = 0.0 if standing.since is None else max(0.0, services.clock() - standing.since)
    return asdict(standing) | {"since": views.moment(standing.since), "lag_s": round(lag)}


def _verification(found: Verification) -> dict[str, Any]:
    kinds = ("missing", "altered", "misplaced", "stray", "foreign")
    shown = {kind: [asdict(entry) for entry in getattr(found, kind)[:SHOWN]] for kind in kinds}
    counts = {kind: len(getattr(found, kind)) for kind in kinds}
    return {
        "sound": found.sound,
        "memories": found.memories,
        "items": found.items,
        "owed": found.owed,
        "counts": counts,
        **shown,
    }


# -- what others wrote ---------------------------------------------------------------------------


def _who(services: Services, item: Foreign) -> Identified | None:
    """Whose it is: OpenMemory's user, or where it has none the caller that the metadata names."""
    named = item.metadata.get("caller_id")
    user = None if item.user is None or _TENANT.fullmatch(item.user) else item.user
    for text in (user, named if isinstance(named, str) else None):
        if text is not None:
            ours = _OURS.fullmatch(text)
            address = services.directory.address(f"caller_{ours[1]}" if ours else clean(text))
            if address is not None:
                return Identified(services.directory.key(address), address)
    return None


def _statements(item: Foreign, now: float) -> list[Statement]:
    """What an item says, in pieces of a memory's length."""
    category, importance = item.metadata.get("category"), item.metadata.get("importance_score")
    agent = item.metadata.get("agent_id")
    return [
        Statement(
            key=pulled_key(item.id, number),
            fact=Fact(
                category=Category(category) if category in tuple(Category) else Category.FACTUAL,
                content=piece,
                importance=importance if type(importance) is int and 1 <= importance <= 10 else 5,
            ),
            heard_at=min(item.written_at or now, now),
            agent_id=agent if isinstance(agent, str) and agent not in ("", "*") else None,
        )
        for number, piece in enumerate(pieces(" ".join(clean(item.text).split())))
    ]


def pieces(text: str) -> list[str]:
    """A text in pieces of at most `MAX_CONTENT` characters, cut between sentences or else words."""
    found = []
    while len(text) > MAX_CONTENT:
        window = text[:MAX_CONTENT]
        cut = max(window.rfind(mark) + 1 for mark in (". ", "! ", "? ", "。")) or window.rfind(" ") + 1
        found.append(text[: cut or MAX_CONTENT].strip())
        text = text[cut or MAX_CONTENT :].strip()
    return [piece for piece in (*found, text) if piece]
