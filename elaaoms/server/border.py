"""What happens to every request: its id, its credentials, its body's limits, and how errors are told."""

from __future__ import annotations

import asyncio
import hmac
import logging
import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from aiohttp import ClientPayloadError, web
from aiohttp.typedefs import Middleware
from attrs import frozen

from elaaoms import __version__, logs
from elaaoms.archive import Archive
from elaaoms.audit import Accesses, AuditTrail
from elaaoms.backfill import Capture
from elaaoms.budget import Budget, Meter
from elaaoms.calls import CallStore
from elaaoms.config import Config
from elaaoms.database import Database
from elaaoms.directory import Directory
from elaaoms.elevenlabs import ElevenLabs
from elaaoms.erasure import Eraser
from elaaoms.errors import (
    ConfigError,
    Conflicting,
    ElaaomsError,
    NotFound,
    ProviderBlocked,
    ServiceRejected,
    ServiceUnavailable,
    StorageFailed,
    StorageUnavailable,
    Unreadable,
)
from elaaoms.extract import Extractor
from elaaoms.ingest import Ingest
from elaaoms.jobs import JobQueue
from elaaoms.jobs.worker import Worker
from elaaoms.meaning import Meaning
from elaaoms.memory import MemoryStore
from elaaoms.metrics import Metrics
from elaaoms.recall import Recall
from elaaoms.replica import Replica
from elaaoms.server.brake import Brake
from elaaoms.server.connections import Connection
from elaaoms.server.rates import Rates
from elaaoms.server.timings import Timings
from elaaoms.shelf import Shelf
from elaaoms.webhooks import InvalidSignature, Verifier, clean

log = logging.getLogger("elaaoms.http")

SIGNATURE = "ElevenLabs-Signature"
TOKEN = "X-Elaaoms-Token"  # noqa: S105 - the name of a header
_METHODS = "GET, POST, PATCH, DELETE"
_HEADERS = f"Authorization, Content-Type, {TOKEN}, {SIGNATURE}, X-Request-ID"

_SERVER = f"elaaoms/{__version__}"
_JSON = {"Content-Type": "application/json; charset=utf-8"}

REQUEST_ID = web.RequestKey("request_id", str)


class Auth(Enum):
    """What a route demands."""

    NONE = "nothing"
    SIGNED = "an ElevenLabs-Signature, checked while the body is read"
    TOOL = "the tool token or a valid signature"
    ADMIN = "the admin token"
    LOCAL = "nothing while the admin listener is on loopback, else the admin token"


class Refused(ElaaomsError):
    """A request that HTTP itself lets us refuse, with its status."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


@frozen(kw_only=True)
class Services:
    """Everything that handlers may touch."""

    config: Config
    webhook_secrets: tuple[str, ...]
    tool_token: str
    admin_token: str
    database: Database
    archive: Archive
    calls: CallStore
    memories: MemoryStore
    queue: JobQueue
    worker: Worker
    directory: Directory
    ingest: Ingest
    eraser: Eraser
    extractor: Extractor
    reader: Callable[
        [str | None, str | None, Meter], tuple[Extractor, str]
    ]  # another provider or model, for replays
    budget: Budget
    shelf: Shelf
    recall: Recall
    audit: AuditTrail
    accesses: Accesses
    metrics: Metrics
    rates: Rates
    brake: Brake
    timings: Timings
    aside: tuple[Path, ...]  # databases that were damaged and wait to be looked at
    replica: Replica | None
    meaning: Meaning | None  # None without an embedding endpoint
    elevenlabs: ElevenLabs | None  # None without a key for its API
    capture: Capture | None  # None without a key for ElevenLabs' API
    clock: Callable[[], float]
    fatal: Callable[[BaseException], None]  # ends the process: nothing can be trusted any more


Inner: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Handler: TypeAlias = Callable[[Services, web.Request, bytes], Awaitable[web.Response]]
Fallback: TypeAlias = Callable[[Services], web.Response]


@frozen
class Route:
    """One route: `limit` is the largest body in bytes, `fallback` the answer when anything fails inside.

    A handler that `streams` reads the body itself.
    """

    method: str
    path: str
    handler: Handler
    auth: Auth
    limit: int = 0
    fallback: Fallback | None = None
    streams: bool = False


ROUTE = web.RequestKey("route", Route)


# -- one request ---------------------------------------------------------------------


async def serve(services: Services, route: Route, request: web.Request) -> web.StreamResponse:
    """Check a request's credentials and body, then let its handler answer within the deadline."""
    request[ROUTE] = route
    if route.auth is Auth.SIGNED:
        return await route.handler(services, request, b"")
    if route.auth is Auth.ADMIN or (route.auth is Auth.LOCAL and not services.config.server.admin_is_local):
        _admit_admin(services, request)
    if route.streams:
        return await route.handler(services, request, b"")
    verifier = None
    if route.auth is Auth.TOOL:
        if SIGNATURE in request.headers and not _presents(request, services.tool_token):
            verifier = verifier_of(services, request)
        else:
            _admit(services, request, services.tool_token, "tool")
    body = await _read(services, request, route.limit, verifier)
    if route.fallback is None:
        return await route.handler(services, request, body)
    async with asyncio.timeout(services.config.server.live_timeout_ms / 1000):
        return await route.handler(services, request, body)


def _admit_admin(services: Services, request: web.Request) -> None:
    """Check the admin token, unless too many others were tried from there.

    The tool token has no such brake: everybody's calls come from the few addresses of one platform, and the
    phone does not wait.
    """
    if (wait_s := math.ceil(services.brake.wait_s(request.remote or ""))) > 0:
        sentence = f"too many wrong tokens from this address; come back in {wait_s} seconds"
        raise Refused(429, sentence, headers={"Retry-After": str(wait_s)})
    _admit(services, request, services.admin_token, "admin")


def _admit(services: Services, request: web.Request, token: str, kind: str) -> None:
    given = _given(request)
    if _same(given, token):
        return
    if given:
        services.metrics.token_refused(kind)
        if kind == "admin":
            services.brake.failed(request.remote or "", given)
    raise Refused(401, "missing or wrong credentials", headers={"WWW-Authenticate": "Bearer"})


def _presents(request: web.Request, token: str) -> bool:
    """Compare the request's token with ours in constant time, also when it has none."""
    return _same(_given(request), token)


def _given(request: web.Request) -> str:
    """The token that a request carries, or an empty text."""
    given = request.headers.get(TOKEN)
    if given is None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given = given.strip() if scheme.lower() == "bearer" else ""
    return given


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def verifier_of(services: Services, request: web.Request) -> Verifier:
    """The check of the request's signature; InvalidSignature if no body could pass it."""
    header = ",".join(request.headers.getall(SIGNATURE, []))
    tolerance = services.config.server.signature_tolerance_s
    return Verifier(services.webhook_secrets, header, now=services.clock(), tolerance_s=tolerance)


async def _read(services: Services, request: web.Request, limit: int, verifier: Verifier | None) -> bytes:
    body = bytearray()
    if request.can_read_body:
        async for chunk in pieces(services, request, limit):
            body += chunk
            if verifier is not None:
                verifier.update(chunk)
    if verifier is not None:
        verifier.finish()
    return bytes(body)


def _admissible(request: web.Request, limit: int) -> None:
    """Refuse a body for what its head says of it."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refused(415, "the body must not have a Content-Encoding")
    kind = request.content_type
    if kind not in (
        "application/json",
        "application/octet-stream",
        "application/x-ndjson",
    ) and not kind.endswith("+json"):
        raise Refused(415, "the body must be application/json")
    if (request.content_length or 0) > limit:
        raise _too_large(limit)


def complete(request: web.Request, limit: int) -> bytes | None:
    """A body that arrived with its head, within its limits; None while some of it is still to come."""
    content = request.content
    if not content.is_eof() or content.exception() is not None:
        return None
    _admissible(request, limit)
    body = content.read_nowait(-1)
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def pieces(services: Services, request: web.Request, limit: int) -> AsyncIterator[bytes]:
    """A body piece by piece, within its limits of kind, size and time."""
    _admissible(request, limit)
    size = 0
    deadline = asyncio.get_running_loop().time() + services.config.server.body_timeout_s
    content = request.content
    while not content.at_eof() or content.exception() is not None:
        try:
            if content.is_eof():  # all of it is here: nothing to wait for
                chunk = content.read_nowait(1 << 16)
            else:
                async with asyncio.timeout_at(deadline):
                    chunk = await content.read(1 << 16)
        except TimeoutError as error:
            raise Refused(408, "the body did not arrive in time", headers={"Connection": "close"}) from error
        except (ClientPayloadError, web.RequestPayloadError, ConnectionError) as error:
            raise Refused(400, "the body ended too early") from error
        if not chunk:
            return
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the body is larger than {limit} bytes")


# -- around every request ---------------------------------------------------------------


def border(services: Services) -> Middleware:
    """The one middleware: it gives a request its id, turns errors into answers, and logs one line."""

    @web.middleware
    async def around(request: web.Request, handler: Inner) -> web.StreamResponse:
        request[REQUEST_ID] = _request_id(request)
        started = asyncio.get_running_loop().time()
        with _AtWork(request):
            response = _preflight(services, request) or await _answered(services, request, handler)
            resource = request.match_info.route.resource
            path = resource.canonical if resource is not None else "unmatched"
            took = asyncio.get_running_loop().time() - started
            services.metrics.answered(request.method, path, response.status, took)
            services.timings.note(path, took * 1000, response.status)
            logs.answered(log, request.method, path, response.status, took * 1000)
        return response

    return around


class _AtWork(logs.fields):
    """Every line inside has the request's id, and the listener knows that the connection is not idle."""

    __slots__ = ("_connection",)

    def __init__(self, request: web.Request) -> None:
        super().__init__(request_id=request[REQUEST_ID])
        connection = request.protocol
        self._connection = connection if isinstance(connection, Connection) else None

    def __enter__(self) -> None:
        super().__enter__()
        if self._connection is not None:
            self._connection.begun()

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.ended()
        super().__exit__()


async def _answered(services: Services, request: web.Request, handler: Inner) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return failure(request, error.status, error.reason.lower(), headers=allow)
    except Refused as error:
        return failure(request, error.status, str(error), headers=error.headers)
    except InvalidSignature as error:
        services.metrics.signature_refused()
        log.warning("a signature was refused: %s", error)  # the answer does not say why
        return failure(request, 401, "missing or wrong signature")
    except Unreadable as error:
        return failure(request, 400, str(error))
    except NotFound as error:
        return failure(request, 404, str(error))
    except Conflicting as error:
        return failure(request, 409, str(error))
    except Exception as error:  # noqa: BLE001 - the outermost boundary: whatever it is, the phone gets an answer
        return _failed(services, request, error)


def _failed(services: Services, request: web.Request, error: Exception) -> web.StreamResponse:
    if isinstance(error, StorageFailed):
        services.fatal(error)
    route: Route | None = request.get(ROUTE)
    if route is not None and route.fallback is not None:
        log.error("%s answered without memories", route.path, exc_info=error)
        return route.fallback(services)
    if isinstance(error, StorageUnavailable):
        log.error("a request could not be stored: %s", error)
        return failure(request, 503, str(error), headers={"Retry-After": f"{error.retry_after:.0f}"})
    if isinstance(error, StorageFailed):
        return failure(request, 503, str(error), headers={"Retry-After": "30"})
    if isinstance(error, ConfigError | ProviderBlocked | ServiceRejected):
        return failure(request, 409, str(error))
    if isinstance(error, ServiceUnavailable):
        return failure(request, 503, str(error), headers={"Retry-After": f"{error.retry_after or 30:.0f}"})
    log.error("a request failed", exc_info=error)
    return failure(request, 500, "an error inside elaaoms; its log has the request id")


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-ID", "")
    try:
        known = len(given) == 36 and uuid.UUID(given)
    except ValueError:
        known = False
    return str(known) if known else str(uuid.uuid4())


def _allowed_origin(services: Services, request: web.Request) -> str | None:
    origin = request.headers.get("Origin")
    origins = services.config.server.cors_origins
    if origin is None or not ({"*", origin} & set(origins)):
        return None
    return "*" if "*" in origins else origin


def _preflight(services: Services, request: web.Request) -> web.Response | None:
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    if _allowed_origin(services, request) is None:
        return None
    headers = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _HEADERS,
        "Access-Control-Max-Age": "600",
    }
    return web.Response(status=204, headers=headers)


async def sign_off(services: Services, request: web.Request, response: web.StreamResponse) -> None:
    """Headers that every response carries."""
    headers = response.headers
    headers["X-Request-ID"] = request.get(REQUEST_ID) or str(uuid.uuid4())
    headers["Server"] = _SERVER
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Content-Type-Options"] = "nosniff"
    if services.config.server.cors_origins:
        response.headers.add("Vary", "Origin")
    origin = _allowed_origin(services, request)
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "X-Request-ID"


# -- the shape of our own answers ----------------------------------------------------------


def query_of(request: web.Request, *known: str) -> Mapping[str, str]:
    """The query's parameters that are not empty; a misspelt one is refused, or it would filter nothing."""
    unknown = sorted(set(request.query) - set(known))
    if unknown:
        raise Unreadable(f"unknown parameter, known are {', '.join(known)} @ query.{clean(unknown[0])[:40]}")
    return {name: value for name, value in request.query.items() if value}


def success(
    request: web.Request, message: str, data: Mapping[str, Any], *, status: int = 200
) -> web.Response:
    """The wrapper around every answer whose shape ElevenLabs does not dictate."""
    return _wrapped(request, "success", message, data, status, None)


def failure(
    request: web.Request,
    status: int,
    message: str,
    *,
    data: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """The same wrapper for an error."""
    return _wrapped(request, "error", message, data or {}, status, headers)


def _wrapped(
    request: web.Request,
    word: str,
    message: str,
    data: Mapping[str, Any],
    status: int,
    headers: Mapping[str, str] | None,
) -> web.Response:
    body = {"status": word, "message": message, "request_id": request[REQUEST_ID], "data": dict(data)}
    return web.json_response(body, status=status, headers=headers)


def acknowledgement(request: web.Request, message: str, data: Mapping[str, Any]) -> web.Response:
    """`success` for the answer that is given most, of strings and whole numbers alone."""
    body = {"status": "success", "message": message, "request_id": request[REQUEST_ID], "data": data}
    return web.Response(body=msgspec.json.encode(body), headers=_JSON)
