"""An OpenMemory server on loopback that misbehaves as the real ones were measured, in both dialects.

Routes, bodies and faults are those of four real versions run side by side (1.2.0, 1.3.0, the January commit
called 1.3.3, and the newest commit of that line, `head`), SQLite unless said, plus LongMemory 1.x, which took
their place. Nothing here is kinder than they are.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import statistics
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from aiohttp import web
from attrs import define, field, frozen

OM_KEY = "om-key-of-the-tests-0123456789"
TENANT = "98483c6eb40b6c31"

Act: TypeAlias = Callable[[], web.StreamResponse]
Fault: TypeAlias = Callable[["FakeOpenMemory", web.Request, Act], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


@frozen
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any


@define
class Stored:
    """One row of the server's table."""

    id: str
    user: str | None
    content: str
    metadata: dict[str, Any]
    tags: list[str]
    simhash: int
    created_at: int
    version: int = 1
    salience: float = 0.4


@define(eq=False)
class FakeOpenMemory:
    """One server. `version` is 1.2.0, 1.3.0, 1.3.3, head or longmemory; head speaks the tenant dialect.

    Each request takes the next fault of `script`, if there is one. `down` drops every connection,
    `broken` is a database that is gone while /health goes on, `hash_bits` fewer than 32 make keys clash.
    """

    version: str = "1.3.0"
    key: str | None = OM_KEY
    clock: Callable[[], float] = time.time
    hash_bits: int = 32
    summary_only: bool = True
    rate: int = 0  # requests in `window_s`; 0 is no limit
    window_s: float = 60.0
    down: bool = False
    broken: bool = False
    delay_s: float = 0.0
    dead: bool = False  # the process ended: somebody asked for a malformed path
    rows: dict[str, Stored] = field(factory=dict)
    script: deque[Fault] = field(factory=deque)
    requests: list[Request] = field(factory=list)
    writes: list[tuple[str, str]] = field(factory=list)  # (metadata.memory, what) in the order of arrival
    on_request: Callable[[], None] = lambda: None
    closing: asyncio.Event = field(factory=asyncio.Event)
    _cache: dict[str, tuple[float, Any]] = field(factory=dict)
    _counted: list[float] = field(factory=list)

    @property
    def tenant(self) -> bool:
        """Whether it keeps one tenant's memories."""
        return self.version == "head"

    def app(self) -> web.Application:
        """The server as an application."""
        app = web.Application(client_max_size=1_000_000)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    # -- before any route -----------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if re.search(r"%(?![0-9A-Fa-f]{2})|%E0%A4$", request.raw_path.partition("?")[0]):
            self.dead = True
        if self.dead or self.down:
            return _abort(request)
        try:
            text = await request.text()
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, text="Payload Too Large")
        body, broken = _parsed(text, request)
        self.requests.append(Request(request.method, request.path, dict(request.query), body))
        self.on_request()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)

        def act() -> web.StreamResponse:
            try:
                return web.json_response(self._answer(request, body, broken))
            except Refused as refused:
                if isinstance(refused.body, str):
                    return web.Response(status=refused.status, text=refused.body)
                return web.json_response(refused.body, status=refused.status)

        if self.script:
            return await self.script.popleft()(self, request, act)
        return act()

    def _answer(self, request: web.Request, body: Any, broken: bool) -> Any:
        path = request.path
        if self.version == "longmemory":
            if path == "/health":
                return {"data": {"status": "ok", "version": "1.0.0"}, "meta": {"request_id": "1"}}
            raise Refused(404, {"error": {"code": "not_found"}, "meta": {}})
        if path in ("/health", "/dashboard/health"):
            return {"ok": True, "version": "2.0-hsg-tiered", "tier": "hybrid", "dim": 256}
        self._authenticate(request)
        self._limit()
        if self.broken:
            raise Refused(500, {"err": "transaction active"})
        if broken and self.tenant:
            raise Refused(400, {"error": "invalid_json"})
        body = body if isinstance(body, dict) else {}
        query = request.query
        match request.method, path.strip("/").split("/"):
            case "POST", ["memory", "add"]:
                return self._add(body)
            case "POST", ["memory", "query"]:
                return self._query(body)
            case "POST", ["memory", "reinforce"]:
                return self._reinforce(body)
            case "GET", ["memory", "all"]:
                return self._all(query)
            case "GET", ["memory", id_]:
                return _shown(self._found(id_, query.get("user_id")), sectors=True)
            case "PATCH", ["memory", id_]:
                return self._patch(id_, body)
            case "DELETE", ["memory", id_]:
                row = self._found(id_, query.get("user_id"))
                del self.rows[row.id]  # and the query cache goes on serving it
                self.writes.append((str(row.metadata.get("memory")), "delete"))
                return {"ok": True}
            case "GET", ["users", user, "memories"]:
                self._own(user)
                items = [row for row in self._newest() if self.tenant or row.user == user]
                return {"user_id": user, "items": _paged(items, query)}
            case "DELETE", ["users", user, "memories"]:
                self._own(user)
                doomed = [row for row in self.rows.values() if self.tenant or row.user == user][:10_000]
                for row in doomed:
                    del self.rows[row.id]
                return {"ok": True, "deleted": len(doomed)}
            case _:
                raise Refused(404, "404: Not Found")

    def _authenticate(self, request: web.Request) -> None:
        if self.key is None:
            if self.tenant:
                message = "Server has no OM_API_KEY configured. Protected endpoints are unavailable."
                raise Refused(503, {"error": "auth_not_configured", "message": message})
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme not in ("Bearer", "ApiKey"):
            given = request.headers.get("x-api-key", "")
        if not given:
            raise Refused(401, {"error": "authentication_required", "message": "API key required"})
        if given != self.key:
            raise Refused(403, {"error": "invalid_api_key"})

    def _limit(self) -> None:
        if not self.rate:
            return
        now = self.clock()
        self._counted = [at for at in self._counted if at > now - self.window_s]
        self._counted.append(now)  # also what is refused counts
        if len(self._counted) > self.rate:
            wait = math.ceil(self._counted[0] + self.window_s - now)
            raise Refused(429, {"error": "rate_limit_exceeded", "retry_after": wait})

    def _own(self, user: Any) -> None:
        """The tenant dialect: no user but the one that the key makes."""
        if self.tenant and user is not None and user != TENANT:
            message = "user_id does not match authenticated tenant; omit it"
            raise Refused(403, {"error": "tenant_mismatch", "message": message})

    def _invalid(self, name: str, problem: str) -> Refused:
        if self.tenant:
            return Refused(400, {"error": "invalid_input", "details": [f"{name}: {problem}"]})
        return Refused(400, {"err": name})

    def _found(self, id_: str, user: Any) -> Stored:
        self._own(user)
        row = self.rows.get(id_)
        if row is None:
            raise Refused(404, {"err": "nf"})
        # Who does not name a user may act on anybody's; 1.2.0 does not even ask.
        if not self.tenant and self.version != "1.2.0" and user is not None and row.user != user:
            raise Refused(403, {"err": "forbidden"})
        return row

    def _newest(self) -> list[Stored]:
        return sorted(self.rows.values(), key=lambda row: -row.created_at)

    # -- memories -----------------------------------------------------------------------------

    def _add(self, body: Mapping[str, Any]) -> Any:
        content = body.get("content")
        if not content:
            raise self._invalid("content", "required")
        if self.tenant:
            if not isinstance(content, str):
                raise self._invalid("content", "expected string, got number")
            if len(content) > 200_000:
                raise self._invalid("content", "length > 200000")
            if len(body.get("tags") or []) > 64:
                raise self._invalid("tags", "array length > 64")
            if any(len(tag) > 256 for tag in body.get("tags") or []):
                raise self._invalid("tags[0]", "length > 256")
        self._own(body.get("user_id"))
        simhash = self._simhash(str(content))
        twin = next((row for row in self.rows.values() if row.simhash == simhash), None)
        answer = {"primary_sector": "semantic", "sectors": ["semantic"]}
        if twin is not None:  # whoever said it, whatever it was; what came with it is discarded
            twin.salience += 0.15
            return {"id": twin.id, **answer, "deduplicated": True}
        row = Stored(
            id=str(uuid.uuid4()),
            user=TENANT if self.tenant else body.get("user_id", "anonymous"),
            content=self._abridged(str(content)),
            metadata=dict(body.get("metadata") or {}),
            tags=list(body.get("tags") or []),
            simhash=simhash,
            created_at=int(self.clock() * 1000),
        )
        self.rows[row.id] = row
        self.writes.append((str(row.metadata.get("memory")), "add"))
        return {"id": row.id, **answer, "chunks": 1}

    def _simhash(self, text: str) -> int:
        pattern = r"\w+" if self.tenant else r"[a-z0-9]+"  # older ones see no letter in other scripts
        sums = [0] * 32
        for token in re.findall(pattern, text.lower()):
            value = 0x811C9DC5
            for byte in token.encode():
                value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
            for bit in range(32):
                sums[bit] += 1 if value >> bit & 1 else -1
        return sum(1 << bit for bit in range(self.hash_bits) if sums[bit] > 0)

    def _abridged(self, text: str) -> str:
        if not self.summary_only or len(text) <= 200:
            return text
        kept = ""
        for sentence in re.split(r"(?<=[.!?])\s+", text):
            if len(kept) + len(sentence) > 200:
                break
            kept = f"{kept} {sentence}".strip()
        return kept

    def _patch(self, id_: str, body: Mapping[str, Any]) -> Any:
        row = self._found(id_, body.get("user_id"))
        row.content = body.get("content", row.content)
        row.metadata = body.get("metadata", row.metadata)
        row.tags = body.get("tags", row.tags)
        row.version += 1
        self.writes.append((str(row.metadata.get("memory")), "patch"))
        return {"id": row.id, "updated": True}

    def _all(self, query: Mapping[str, str]) -> Any:
        self._own(query.get("user_id"))
        user = None if self.version == "1.2.0" or self.tenant else query.get("user_id")
        items = [row for row in self._newest() if user is None or row.user == user]
        return {"items": _paged(items, query)}

    def _reinforce(self, body: Mapping[str, Any]) -> Any:
        row = self._found(str(body.get("id")), None)
        if self.version == "1.3.0":  # the others say ok and do nothing
            row.salience = min(1.0, row.salience + body.get("boost", 0.1))
        return {"ok": True}

    def _query(self, body: Mapping[str, Any]) -> Any:
        text, k = body.get("query"), body.get("k", 8)
        if not text:
            raise self._invalid("query", "required")
        if self.tenant and not (type(k) is int and 1 <= k <= 200):
            raise self._invalid("k", "> 200")
        filters = body.get("filters") or {}
        self._own(body.get("user_id"))
        self._own(filters.get("user_id"))
        user = filters.get("user_id") or (None if self.version == "1.2.0" else body.get("user_id"))
        name = json.dumps([text, k, filters, user], sort_keys=True)
        if name in self._cache and self.clock() - self._cache[name][0] < 60:
            return self._cache[name][1]
        rows = list(self.rows.values())
        mine = [row for row in rows if self.tenant or user is None or row.user == user]
        words = set(re.findall(r"\w+", text.lower()))

        def raw(row: Stored) -> float:
            theirs = set(re.findall(r"\w+", row.content.lower()))
            return len(words & theirs) / (len(words | theirs) or 1) + row.salience / 100

        if self.version in ("1.2.0", "1.3.0"):  # the best of everybody's, then the filter
            ranked = [row for row in sorted(rows, key=raw, reverse=True)[: 3 * k] if row in mine][:k]
        else:
            ranked = sorted(mine, key=raw, reverse=True)[:k]
        scores = [raw(row) for row in ranked]
        mean, spread = (statistics.fmean(scores), statistics.pstdev(scores)) if scores else (0.0, 0.0)
        matches = [
            {
                "id": row.id,
                "content": row.content,
                "score": (score - mean) / spread if spread else 0.0,  # inside this list alone
                "sectors": ["semantic"],
                "primary_sector": "semantic",
                "path": [row.id],
                "salience": row.salience,
                "last_seen_at": int(self.clock() * 1000),
            }
            for row, score in zip(ranked, scores, strict=True)
        ]
        for row in ranked:
            row.salience = min(1.0, row.salience + 0.5)
        answer = {"query": text, "matches": matches}
        self._cache[name] = (self.clock(), answer)
        return answer

    # -- what a test asks ---------------------------------------------------------------------------

    def write(self, content: str, *, user: str = "anonymous", **metadata: Any) -> str:
        """What another application wrote; the id."""
        answer = self._add(
            {"content": content, "metadata": metadata, **({} if self.tenant else {"user_id": user})}
        )
        return str(answer["id"])

    def texts(self, user: str | None = None) -> Counter[str]:
        """The texts that stand there, of one user or all."""
        return Counter(row.content for row in self.rows.values() if user in (None, row.user))


def _parsed(text: str, request: web.Request) -> tuple[Any, bool]:
    """The body, and whether it was broken; another content type is ignored."""
    if not text or request.content_type != "application/json":
        return None, False
    try:
        return json.loads(text), False
    except ValueError:
        return None, True


def _paged(items: list[Stored], query: Mapping[str, str]) -> list[dict[str, Any]]:
    try:
        limit, offset = int(query.get("l", "100")), int(query.get("u", "0"))
    except ValueError:
        limit = -1
    if not 0 <= limit <= 10_000:
        raise Refused(400, {"error": "invalid_pagination"})
    return [_shown(row) for row in items[offset : offset + limit]]


def _shown(row: Stored, *, sectors: bool = False) -> dict[str, Any]:
    return {
        "id": row.id,
        "content": row.content,
        "primary_sector": "semantic",
        "tags": row.tags,
        "metadata": row.metadata,
        "created_at": row.created_at,
        "updated_at": row.created_at,
        "last_seen_at": row.created_at,
        "salience": row.salience,
        "decay_lambda": 0.005,
        "version": row.version,
        "user_id": row.user,
        **({"sectors": ["semantic"]} if sectors else {}),
    }


def _abort(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


# -- faults -------------------------------------------------------------------------------------------


async def drops(_: FakeOpenMemory, request: web.Request, __: Act) -> web.StreamResponse:
    """Die before anything is done."""
    return _abort(request)


async def cuts(_: FakeOpenMemory, request: web.Request, act: Act) -> web.StreamResponse:
    """Do it, and cut the connection before the answer, as after ten seconds."""
    act()
    return _abort(request)


async def hangs(fake: FakeOpenMemory, request: web.Request, _: Act) -> web.StreamResponse:
    """Answer nothing until the server is closed."""
    await fake.closing.wait()
    return _abort(request)


async def overloaded(fake: FakeOpenMemory, _: web.Request, act: Act) -> web.StreamResponse:
    """Too many at once: newer servers fail, older ones find nothing."""
    if fake.tenant:
        return web.json_response({"error": "query_failed", "message": "Rate limit: 64 active"}, status=500)
    return web.json_response({"matches": []})


async def loses(_: FakeOpenMemory, __: web.Request, ___: Act) -> web.StreamResponse:
    """Say that it was done, and do nothing."""
    return web.json_response({"ok": True, "id": str(uuid.uuid4()), "updated": True})


def answers(body: Any, status: int = 200, content_type: str = "application/json") -> Fault:
    """Answer with this instead."""

    async def fault(*_: Any) -> web.StreamResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(body=raw, status=status, content_type=content_type)

    fault.__name__ = f"answers {status} {body!r}"  # for the test's id
    return fault


@asynccontextmanager
async def serving(fake: FakeOpenMemory) -> AsyncIterator[str]:
    """The fake on a free port of the loopback; its address."""
    runner = web.AppRunner(fake.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        fake.closing.set()
        await runner.cleanup()
