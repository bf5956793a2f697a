"""OpenMemory over HTTP: its dialects and its errors as the real server was measured; nothing is taken on trust.

The routes are those of CaviraOSS OpenMemory up to its last release; `/api/memory` and `/memory/store` of
its documents never existed. A version tells nothing (all say 2.0-hsg-tiered), so the dialect is probed.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any

import aiohttp
from attrs import frozen

from elaaoms import __version__
from elaaoms.errors import ProviderBlocked, ServiceRejected, ServiceUnavailable
from elaaoms.remote import Failure, classify

NAME = "OpenMemory"
TIMEOUT_S = 12.0  # the server cuts at 10, also what it goes on to commit
HEALTH_TIMEOUT_S = 3.0
PAGE = 250  # items in one listing; others write metadata of 300 KB
MAX_ANSWER = 96 << 20  # bytes
NOBODY = "__probe__"  # a user that nobody is

# The server dies of a malformed path, so nothing goes into one that is not made of these.
_PATH_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_CODE = re.compile(r"[a-z][a-z_]{1,40}", re.ASCII)

_KEY_FILE = "secrets/openmemory_api_key"
_NO_KEY = f"{NAME} wants a key: put its OM_API_KEY into {_KEY_FILE}"
_WRONG_KEY = f"{NAME} refuses the key: {_KEY_FILE} must be the server's OM_API_KEY"
_NO_KEY_THERE = f"{NAME} has no key of its own and refuses everyone: set OM_API_KEY there and in {_KEY_FILE}"
_STUCK = (
    f"{NAME} answers /health but not a read of its memories, so its database is broken or stuck (PostgreSQL does "
    "that): restart it, and run it on SQLite (OM_METADATA_BACKEND=sqlite)"
)
_LONGMEMORY = (
    "openmemory.url is a LongMemory 1.x server, which has other routes and cannot change or delete a memory: "
    "run the last OpenMemory release instead"
)
_TOO_OLD = (
    f"this {NAME} shows everybody's memories to everybody (version 1.2.0 or older): update it to 1.3 or newer"
)
_OTHER = (
    "openmemory.url is not an OpenMemory server: mend the address (without /api, the port is usually 8080)"
)


class Dialect(StrEnum):
    """Whom a server keeps memories for: any user that is named, or the one tenant that its key makes."""

    USER = "user"
    TENANT = "tenant"


@frozen(kw_only=True)
class Item:
    """A memory as it stands there; `user` is None where the server does not say; `created_at` is unix seconds."""

    id: str
    user: str | None
    content: str
    metadata: Mapping[str, Any]
    created_at: float


@frozen(kw_only=True)
class Match:
    """A hit of a query, without its score, which says nothing."""

    id: str
    content: str


class OpenMemory:
    """One server. Methods raise ServiceUnavailable (later), ProviderBlocked (nothing works until somebody
    mends it, and the sentence says how) or ServiceRejected (this very request).

    `user` names the caller; it is sent where the dialect has users. `dialect` is None until the server was
    probed, and again after it could not be reached.
    """

    def __init__(self, url: str, api_key: str | None, *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url
        self.dialect: Dialect | None = None
        self._probing = asyncio.Lock()
        headers = {"User-Agent": f"elaaoms/{__version__}", "Accept": "application/json"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        # Keep-alive shorter than the server's 5 s, so that no request meets a connection it closes.
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_s, connect=5.0),
            connector=aiohttp.TCPConnector(limit=8, keepalive_timeout=3.0),
            trust_env=False,
        )

    async def close(self) -> None:
        """Let the connections go."""
        await self._session.close()

    # -- which server it is -----------------------------------------------------------

    async def probe(self) -> Dialect:
        """Find the dialect out by one authenticated read; the errors say what is wrong and how to mend it."""
        found = None
        try:
            found = await self._found_out()
        finally:
            self.dialect = found
        return found

    async def _found_out(self) -> Dialect:
        try:
            status, body = await self._request("GET", "/memory/all", params={"l": "1", "user_id": NOBODY})
        except ServiceUnavailable as error:
            raise await self._diagnosed(error) from None
        if status == 403 and _code(body) == "tenant_mismatch":
            return Dialect.TENANT
        if status == 200 and isinstance(body, dict) and isinstance(body.get("items"), list):
            if body["items"]:  # somebody's memories, for a user that nobody is
                raise ProviderBlocked(NAME, _TOO_OLD)
            return Dialect.USER
        if status in (200, 404):
            raise ProviderBlocked(NAME, await self._what_it_is())
        if status >= 500 and _code(body) != "auth_not_configured":
            raise await self._diagnosed(_failure(status, body))
        raise _failure(status, body)

    async def _what_it_is(self) -> str:
        """What answers in the place of an OpenMemory of our kind."""
        health = await self._health()
        if isinstance(health, dict) and {"data", "meta"} <= health.keys():
            return _LONGMEMORY
        return _TOO_OLD if _is_openmemory(health) else _OTHER

    async def _diagnosed(self, error: Failure) -> Failure:
        """The error, or the better sentence if the server is up and only its database is not."""
        if isinstance(error, ServiceUnavailable) and _is_openmemory(await self._health()):
            return ServiceUnavailable(_STUCK, retry_after=error.retry_after)
        return error

    async def _health(self) -> Any:
        with suppress(ServiceUnavailable):
            return (await self._request("GET", "/health", timeout_s=HEALTH_TIMEOUT_S))[1]
        return None

    async def _known(self) -> Dialect:
        if self.dialect is None:
            async with self._probing:
                return self.dialect or await self.probe()
        return self.dialect

    # -- memories -----------------------------------------------------------------------

    async def add(
        self, user: str, content: str, metadata: Mapping[str, Any], tags: Sequence[str]
    ) -> tuple[str, bool]:
        """Store something; its id, and whether the server says that it knew it, in which case the id may be
        that of anything, of anybody's."""
        body: dict[str, Any] = {"content": content, "metadata": metadata, "tags": list(tags)}
        if await self._known() is Dialect.USER:
            body["user_id"] = user
        answer = await self._ask("POST", "/memory/add", body=body)
        return _id(answer), answer.get("deduplicated") is True

    async def patch(
        self, id_: str, user: str, content: str, metadata: Mapping[str, Any], tags: Sequence[str]
    ) -> bool:
        """Replace what a memory says; False if it is not there."""
        body: dict[str, Any] = {"content": content, "metadata": metadata, "tags": list(tags)}
        if await self._known() is Dialect.USER:
            body["user_id"] = user
        return await self._ask_for("PATCH", id_, body=body) is not None

    async def get(self, id_: str, user: str) -> Item | None:
        """One memory; None if it is not there, or is not this user's."""
        named = {"user_id": user} if await self._known() is Dialect.USER else {}
        answer = await self._ask_for("GET", id_, params=named)
        return None if answer is None else _item(answer)

    async def delete(self, id_: str, user: str) -> bool:
        """Delete one memory; False if it was not there."""
        named = {"user_id": user} if await self._known() is Dialect.USER else {}
        return await self._ask_for("DELETE", id_, params=named) is not None

    async def page(self, *, offset: int, limit: int) -> list[Item]:
        """Everybody's memories, newest first."""
        await self._known()
        return _items(await self._ask("GET", "/memory/all", params={"l": str(limit), "u": str(offset)}))

    async def everything(self) -> AsyncIterator[Item]:
        """Everybody's memories, each once: pages shift while others write."""
        seen: set[str] = set()
        offset = 0
        while items := await self.page(offset=offset, limit=PAGE):
            for item in items:
                if item.id not in seen:
                    seen.add(item.id)
                    yield item
            offset += len(items)

    async def of_user(self, user: str) -> AsyncIterator[Item]:
        """A caller's memories, each once; where there are no users, those whose metadata names the caller."""
        if await self._known() is Dialect.TENANT:
            async for item in self.everything():
                if item.metadata.get("caller_id") == user:
                    yield item
            return
        seen: set[str] = set()
        offset = 0
        path = f"/users/{_safe(user)}/memories"
        while items := _items(await self._ask("GET", path, params={"l": str(PAGE), "u": str(offset)})):
            for item in items:
                if item.id not in seen and item.user in (None, user):
                    seen.add(item.id)
                    yield item
            offset += len(items)

    async def query(self, user: str, text: str, *, limit: int) -> list[Match]:
        """What the server finds, in its order: always something, however irrelevant, also what was deleted
        within the last minute, and in the tenant dialect anybody's."""
        body: dict[str, Any] = {"query": text, "k": limit}
        if await self._known() is Dialect.USER:  # 1.2.0 heeds only the filter, later ones want either
            body |= {"user_id": user, "filters": {"user_id": user}}
        answer = await self._ask("POST", "/memory/query", body=body)
        matches = answer.get("matches")
        if not isinstance(matches, list):
            raise _unreadable()
        return [Match(id=_id(match), content=_text(match.get("content"))) for match in map(_object, matches)]

    # -- one request -----------------------------------------------------------------------

    async def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """The answer's object; anything but success is an error."""
        status, body = await self._request(method, path, **more)
        if status != 200:
            raise self._refused(status, body)
        return _object(body)

    async def _ask_for(self, method: str, id_: str, **more: Any) -> dict[str, Any] | None:
        """The same for one memory; None if there is none, or it is another's."""
        status, body = await self._request(method, f"/memory/{_safe(id_)}", **more)
        if (status == 404 and _code(body) == "nf") or (status == 403 and _code(body) == "forbidden"):
            return None
        if status != 200:
            raise self._refused(status, body)
        return _object(body)

    def _refused(self, status: int, body: Any) -> Failure:
        failure = _failure(status, body)
        if isinstance(failure, ProviderBlocked) or _code(body) == "tenant_mismatch":
            self.dialect = None  # it is not the server that it was
        return failure

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> tuple[int, Any]:
        """Status and decoded body (None if it is no JSON); ServiceUnavailable if no answer came."""
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    method, f"{self.url}{path}", params=params, json=body, allow_redirects=False
                ) as response,
            ):
                raw = bytearray()
                async for piece in response.content.iter_chunked(1 << 16):
                    raw += piece
                    if len(raw) > MAX_ANSWER:
                        raise _unreadable()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.dialect = None  # whoever answers next may be another
            raise ServiceUnavailable(f"{classify(NAME, error)}: is it running at {self.url}?") from None
        try:
            return response.status, json.loads(raw)
        except (ValueError, RecursionError):
            return response.status, None


def _failure(status: int, body: Any) -> Failure:
    """What an answer other than success means, in both generations of error bodies."""
    code = _code(body)
    said = f"{NAME} answered {status}{f' ({code})' if code else ''}"
    match status, code:
        case 401, _:
            return ProviderBlocked(NAME, _NO_KEY)
        case 403, "tenant_mismatch":
            return ServiceUnavailable(f"{said}: it has changed its dialect and is probed again")
        case 403, _:
            return ProviderBlocked(NAME, _WRONG_KEY)
        case 503, "auth_not_configured":
            return ProviderBlocked(NAME, _NO_KEY_THERE)
        case 429, _:
            asked = body.get("retry_after") if isinstance(body, dict) else None
            wait = float(asked) if isinstance(asked, int | float) and 0 <= asked <= 3600 else None
            return ServiceUnavailable(f"{NAME} is asked too often", retry_after=wait)
        case 404 | 405, _:
            return ProviderBlocked(NAME, _OTHER)
        case ((408 | 425), _):
            return ServiceUnavailable(said)
    if status < 200 or 300 <= status < 400:
        return ProviderBlocked(NAME, f"{said}: openmemory.url redirects, name its target")
    if status < 300:
        return _unreadable()
    return ServiceUnavailable(said) if status >= 500 else ServiceRejected(said)


def _unreadable() -> ServiceUnavailable:
    return ServiceUnavailable(f"{NAME} answered 200 with something that is not its protocol")


# -- reading what may be anything ----------------------------------------------------------


def _safe(part: str) -> str:
    if not _PATH_SAFE.fullmatch(part):
        raise ServiceRejected(f"{part[:70]!r} is no id for a path of {NAME}")
    return part


def _is_openmemory(health: Any) -> bool:
    return isinstance(health, dict) and health.get("ok") is True and "version" in health


def _code(body: Any) -> str:
    """The short code of an error: `error` in newer servers, `err` in older ones."""
    found = (body.get("error") or body.get("err")) if isinstance(body, dict) else None
    return found if isinstance(found, str) and _CODE.fullmatch(found) else ""


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise _unreadable()
    return body


def _id(answer: Mapping[str, Any]) -> str:
    found = answer.get("id")
    if not isinstance(found, str) or not _PATH_SAFE.fullmatch(found):
        raise _unreadable()
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _items(answer: Mapping[str, Any]) -> list[Item]:
    items = answer.get("items")
    if not isinstance(items, list):
        raise _unreadable()
    return [_item(_object(item)) for item in items]


def _item(answer: Mapping[str, Any]) -> Item:
    metadata, user = answer.get("metadata"), answer.get("user_id")
    return Item(
        id=_id(answer),
        user=user if isinstance(user, str) else None,
        content=_text(answer.get("content")),
        metadata=metadata if isinstance(metadata, dict) else {},
        created_at=_milliseconds(answer.get("created_at")),
    )


def _milliseconds(value: Any) -> float:
    """A time in milliseconds as unix seconds; on PostgreSQL it comes as text; 0 if it is none."""
    with suppress(TypeError, ValueError, OverflowError):
        return max(0.0, float(value) / 1000)
    return 0.0
