"""The OpenAPI 3.1 document of both listeners, made from the route tables, the handlers' docstrings and the models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import msgspec
from attrs import evolve, field, fields, frozen, has, validators

from elaaoms import __version__
from elaaoms.jobs import State
from elaaoms.memory import Category, Status
from elaaoms.recall import Initiation, Search
from elaaoms.server import api, docs, exposition, hooks, openmemory, shapes
from elaaoms.server.border import SIGNATURE, TOKEN, Auth, Handler, Route

Schema: TypeAlias = Mapping[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_JSON = "application/json"
_ABOUT = """\
Gives ElevenLabs voice agents a memory of their callers. The webhooks are on the public listener, `/api` and
`/metrics` on the admin listener, which is on loopback by default; the other one answers 404. Every answer carries
`X-Request-ID`, a UUID; a valid one that comes with the request is kept."""


@frozen(kw_only=True)
class Parameter:
    """A parameter of a route's query or path."""

    name: str
    description: str
    schema: Schema = field(factory=lambda: {"type": "string"})


@frozen(kw_only=True)
class Says:
    """What the route table does not know of a route.

    `body` and `answer` are attrs models or schemas; a `bare` answer stands without our wrapper, with another
    `kind` it is no JSON. `also` are statuses that the rules for all routes (`_statuses`) do not tell of.
    """

    query: tuple[Parameter, ...] = ()
    body: type | Schema | None = None
    body_kinds: tuple[str, ...] = (_JSON,)
    closed: bool = True  # whether unknown keys of the body are refused
    answer: type | Schema = field(factory=lambda: {"type": "object"})
    bare: bool = False
    kind: str = _JSON
    also: tuple[int, ...] = ()


def _integer(low: int, high: int, default: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high, "default": default}


_CALLER = Parameter(name="caller", description="A number in E.164, a user id, or a caller key")
_AGENT = Parameter(name="agent", description="An ElevenLabs agent's id")
_LIMIT = Parameter(name="limit", description="How many at most", schema=_integer(1, api.MAX_PAGE, 50))
_AFTER = Parameter(name="after", description="`next` of the page before")
_COUNTED = evolve(_AFTER, schema={"type": "integer", "minimum": 0, "maximum": 10**18 - 1})
_SINCE = Parameter(name="since", description="A day or time in ISO 8601 (UTC without a zone), included")
_UNTIL = Parameter(name="until", description="The same, excluded")
_PATH = {
    "caller": _CALLER,
    "id": Parameter(name="id", description="The id, as lists and answers show it"),
    "conversation_id": Parameter(name="conversation_id", description="ElevenLabs' id of the conversation"),
    "file": Parameter(name="file", description="The name of the file"),
}
_TEXT: Schema = {"type": "string"}

SAID: Mapping[Handler, Says] = {
    hooks.post_call: Says(body=shapes.Event, closed=False, answer=shapes.Accepted),
    hooks.client_data: Says(body=Initiation, closed=False, answer=shapes.InitiationData, bare=True),
    hooks.search_memory: Says(body=Search, closed=False, answer=shapes.SearchAnswer, bare=True, also=(429,)),
    hooks.health: Says(
        query=(Parameter(name="strict", description="With 1, degraded is answered 503 as well"),),
        answer=shapes.Health,
    ),
    hooks.echo: Says(body={"description": "Any JSON"}, answer={"type": "object"}),
    exposition.metrics: Says(answer=_TEXT, bare=True, kind="text/plain"),
    docs.openapi: Says(bare=True),
    docs.page: Says(answer=_TEXT, bare=True, kind="text/html"),
    docs.asset: Says(answer=_TEXT, bare=True, kind="text/*"),
    api.list_memories: Says(
        query=(
            _CALLER,
            Parameter(name="q", description="What to search the caller's memories for; ranks by relevance"),
            _AGENT,
            Parameter(
                name="conversation", description="ElevenLabs' id of the conversation they were heard in"
            ),
            Parameter(name="category", description="One category", schema={"enum": sorted(Category)}),
            Parameter(
                name="importance",
                description="The least one",
                schema={"type": "integer", "minimum": 1, "maximum": 10},
            ),
            Parameter(name="status", description="One status", schema={"enum": sorted(Status)}),
            _SINCE,
            _UNTIL,
            _LIMIT,
            _AFTER,
        ),
        answer=shapes.MemoryPage,
    ),
    api.add_memory: Says(body=api.NewMemory, answer=shapes.MemoryShape),
    api.import_memories: Says(
        body=_TEXT, body_kinds=("application/x-ndjson", "application/octet-stream"), answer=shapes.Imported
    ),
    api.show_memory: Says(answer=shapes.MemoryShape),
    api.change_memory: Says(body=api.Change, answer=shapes.MemoryShape, also=(409,)),
    api.forget_memory: Says(
        query=(
            Parameter(
                name="unless_kept",
                description="With 1, one that is pinned, counts 8 or more or is contradicted is left alone (409)",
            ),
        ),
        answer=shapes.MemoryShape,
        also=(409,),
    ),
    api.restore_memory: Says(answer=shapes.MemoryShape, also=(409,)),
    api.list_callers: Says(
        query=(
            Parameter(
                name="q", description="Part of a number, user id, key or name; the best matches at once"
            ),
            _LIMIT,
            _AFTER,
        ),
        answer=shapes.CallerPage,
    ),
    api.show_caller: Says(answer=shapes.CallerShape),
    api.erase_caller: Says(answer=shapes.Receipt),
    api.export_caller: Says(answer=shapes.Export),
    api.merge_caller: Says(body=api.Merging, answer=shapes.CallerShape, also=(409,)),
    api.list_erasures: Says(query=(_LIMIT,), answer=shapes.Erasures),
    api.reembed: Says(body=api.Reembed, answer=shapes.Embedded, also=(409, 502)),
    api.list_requests: Says(query=(_LIMIT,), answer=shapes.Requests),
    api.decline_request: Says(),
    api.check_receipt: Says(body={"type": "object"}, answer=shapes.Genuine),
    api.unheard_of: Says(body=api.Listed, answer=shapes.Missing),
    api.initiation: Says(body=api.Announced, answer=shapes.InitiationData, bare=True),
    hooks.import_event: Says(body=shapes.Event, closed=False, answer=shapes.Accepted),
    openmemory.status: Says(answer=shapes.Replication, also=(409,)),
    openmemory.push: Says(answer=shapes.Replication, also=(409, 502)),
    openmemory.pull: Says(
        query=(
            Parameter(
                name="offset",
                description="`next` of the page before",
                schema={"type": "integer", "minimum": 0, "maximum": 10**12 - 1},
            ),
        ),
        answer=shapes.Pulled,
        also=(409, 502),
    ),
    openmemory.verify: Says(answer=shapes.Verified, also=(409, 502)),
    openmemory.repair: Says(answer=shapes.Verified, also=(409, 502)),
    api.list_calls: Says(
        query=(
            _CALLER,
            _AGENT,
            Parameter(
                name="status", description="What became of them", schema={"enum": sorted(api.Extraction)}
            ),
            _SINCE,
            _UNTIL,
            _LIMIT,
            _AFTER,
        ),
        answer=shapes.CallPage,
    ),
    api.show_call: Says(answer=shapes.WholeCall),
    api.reprocess: Says(answer=shapes.Queued),
    api.replay: Says(body=api.ReplayRequest, answer=shapes.ReplayShape, also=(409,)),
    api.list_held: Says(query=(_LIMIT,), answer=shapes.HeldPage),
    api.list_audit: Says(
        query=(
            Parameter(name="subject", description="A memory's, call's or erasure's id, or a caller"),
            Parameter(name="agent", description="What this agent was shown and told"),
            Parameter(name="actor", description="`admin`, `job 7`, `agent agent_1` or `elaaoms`"),
            _SINCE,
            _UNTIL,
            _LIMIT,
            _COUNTED,
        ),
        answer=shapes.AuditPage,
    ),
    api.show_usage: Says(
        query=(
            Parameter(
                name="days",
                description="How many days, today included",
                schema=_integer(1, api.MAX_DAYS, 7),
            ),
        ),
        answer=shapes.Usage,
    ),
    api.list_jobs: Says(
        query=(
            Parameter(name="state", description="One state", schema={"enum": sorted(State)}),
            _LIMIT,
            _COUNTED,
        ),
        answer=shapes.JobPage,
    ),
    api.show_job: Says(answer=shapes.JobShape),
    api.retry_job: Says(answer=shapes.JobShape, also=(409,)),
    api.retry_failed: Says(answer=shapes.Retried),
    api.cancel_job: Says(answer=shapes.JobShape, also=(409,)),
}

_REASONS = {
    400: "The body, the query or the request itself cannot be understood; the message says what, with its path",
    401: "Credentials are missing or wrong",
    404: "It is not there; on the other listener none of this is",
    408: "The body did not arrive in time",
    409: "It is in another state, or a language model that is needed refuses",
    413: "The body is too large",
    415: "The body has the wrong content type, or a Content-Encoding",
    429: "Too many requests, or too many wrong tokens; come back after Retry-After seconds",
    500: "An error inside elaaoms; its log has the request id",
    502: "A service that is needed for this does not answer as it should",
    503: "Too busy, or it cannot be kept now; come back after Retry-After seconds",
}
_SECURITY: Mapping[Auth, Sequence[str]] = {
    Auth.NONE: (),
    Auth.SIGNED: ("signature",),
    Auth.TOOL: ("toolToken", "toolBearer", "signature"),
    Auth.ADMIN: ("adminBearer", "adminToken"),
    Auth.LOCAL: ("", "adminBearer", "adminToken"),
}
_ADMINS = (Auth.ADMIN, Auth.LOCAL)
_SCHEMES = {
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": SIGNATURE,
        "description": "`t=<unix seconds>,v0=<hex>`: HMAC-SHA256 of `{t}.{raw body}` with a webhook secret",
    },
    "toolToken": {"type": "apiKey", "in": "header", "name": TOKEN, "description": "The tool token"},
    "toolBearer": {"type": "http", "scheme": "bearer", "description": "The tool token"},
    "adminBearer": {"type": "http", "scheme": "bearer", "description": "The admin token"},
    "adminToken": {"type": "apiKey", "in": "header", "name": TOKEN, "description": "The admin token"},
}


@cache
def document(*routes: Route) -> bytes:
    """The document of these routes, as JSON; both listeners give out the same one.

    A route that both serve is told of once. Where the other listener is reached stands nowhere in it: that is the
    operator's to know.
    """
    models = _Models(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, models)
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "elaaoms",
                "version": __version__,
                "description": _ABOUT,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/", "description": "whoever served this document"}],
            "paths": paths,
            "components": {
                "schemas": {**models.components, "Error": _wrapper({"type": "object"}, "error")},
                "securitySchemes": _SCHEMES,
                "responses": {f"Status{status}": _failure(status) for status in _REASONS},
                "headers": _HEADERS,
            },
        },
        ensure_ascii=False,
    ).encode()


# -- one route ------------------------------------------------------------------------


def _operation(route: Route, models: _Models) -> dict[str, Any]:
    says = SAID.get(route.handler, Says())
    text = " ".join((route.handler.__doc__ or "").split())
    named = re.findall(r"\{(\w+)\}", route.path)
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": re.split(r"(?<=[.;:]) ", text, maxsplit=1)[0].rstrip(".;:"),
        "description": f"{text} Only on the admin listener." if route.auth in _ADMINS else text,
        "tags": [_tag(route.path)],
        "security": [{name: []} if name else {} for name in _SECURITY[route.auth]],
        "parameters": [
            *(_parameter("path", _PATH[name]) for name in named),
            *(_parameter("query", parameter) for parameter in says.query),
        ],
        "responses": {"200": _success(says, models), **_failures(route, says)},
    }
    if route.handler is hooks.health:
        operation["responses"]["503"] = _response(
            "No call can be taken, or with `strict=1` something is degraded",
            _wrapper(models.schema(shapes.Health), "error"),
            extra=("RetryAfter",),
        )
    if says.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": models.schema(says.body)} for kind in says.body_kinds},
        }
    return operation


def _tag(path: str) -> str:
    first, *rest = path.strip("/").split("/")
    if first == "webhook":
        return "webhooks"
    return rest[0] if first == "api" and rest else "server"


def _parameter(place: str, parameter: Parameter) -> dict[str, Any]:
    required = {"required": True} if place == "path" else {}
    return {
        "name": parameter.name,
        "in": place,
        "description": parameter.description,
        **required,
        "schema": {
            "type": "string",
            **(_or_empty(parameter.schema) if place == "query" else parameter.schema),
        },
    }


def _or_empty(schema: Schema) -> Schema:
    """An empty parameter of a query is one that is not given."""
    if schema.get("type") == "integer":
        return {**schema, "type": ["integer", "string"], "maxLength": 0}
    return {**schema, "enum": [*schema["enum"], ""]} if "enum" in schema else schema


def _failures(route: Route, says: Says) -> dict[str, Any]:
    return {
        str(status): {"$ref": f"#/components/responses/Status{status}"}
        for status in sorted(_statuses(route, says))
    }


def _statuses(route: Route, says: Says) -> Iterator[int]:
    """What a route may answer besides 200, from what it demands; a body where none belongs is refused as well."""
    yield from {400, 404, 408, 413, 415, 500, 503, *says.also}
    if route.auth is not Auth.NONE:
        yield 401
    if route.auth in _ADMINS:
        yield 429


_HEADERS: dict[str, Any] = {
    "RequestId": {
        "description": "The id of this request, which stands in the log as well",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    },
    "RetryAfter": {"description": "Seconds to wait", "required": True, "schema": {"type": "string"}},
    "WwwAuthenticate": {"description": "What is accepted", "schema": {"type": "string"}},
}
_NAMES = {"RequestId": "X-Request-ID", "RetryAfter": "Retry-After", "WwwAuthenticate": "WWW-Authenticate"}


def _success(says: Says, models: _Models) -> dict[str, Any]:
    schema = models.schema(says.answer)
    return _response("Done", schema if says.bare else _wrapper(schema, "success"), kind=says.kind)


def _failure(status: int) -> dict[str, Any]:
    extra = {429: ("RetryAfter",), 503: ("RetryAfter",), 401: ("WwwAuthenticate",)}.get(status, ())
    return _response(_REASONS[status], {"$ref": _REFERENCE.format(name="Error")}, extra=extra)


def _response(text: str, schema: Schema, *, kind: str = _JSON, extra: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "description": text,
        "headers": {_NAMES[name]: {"$ref": f"#/components/headers/{name}"} for name in ("RequestId", *extra)},
        "content": {kind: {"schema": schema}},
    }


def _wrapper(data: Schema, word: str) -> dict[str, Any]:
    """The shape of every answer that ElevenLabs does not dictate."""
    return {
        "type": "object",
        "required": ["status", "message", "request_id", "data"],
        "properties": {
            "status": {"const": word},
            "message": {"type": "string"},
            "request_id": {"type": "string", "format": "uuid"},
            "data": data,
        },
    }


# -- models ---------------------------------------------------------------------------


class _Models:
    """The attrs models that routes speak of as JSON Schema 2020-12, with the bounds of their validators."""

    def __init__(self, routes: Sequence[Route]) -> None:
        said = [SAID.get(route.handler, Says()) for route in routes]
        closed = {says.body for says in said if isinstance(says.body, type) and says.closed}
        wanted = {model for says in said for model in (says.body, says.answer) if isinstance(model, type)}
        models = _reachable(sorted(wanted, key=lambda model: model.__name__))
        _, found = msgspec.json.schema_components(models, ref_template=_REFERENCE)
        self.components: dict[str, Any] = _renamed(found)
        for model in models:
            schema = self.components[_name(model)]
            if model in closed:
                schema["additionalProperties"] = False
            for attribute in fields(model):
                _bound(schema["properties"][attribute.name], attribute.validator)

    def schema(self, model: type | Schema) -> Schema:
        """A reference to a model's schema, or the schema that was given."""
        return {"$ref": _REFERENCE.format(name=_name(model))} if isinstance(model, type) else model


def _name(model: type) -> str:
    return model.__name__.strip("_").removesuffix("Shape")


def _reachable(models: Sequence[type]) -> list[type]:
    """The models and those of their fields, once each."""
    found: dict[type, None] = {}

    def visit(kind: Any) -> None:
        if isinstance(kind, type) and has(kind) and kind not in found:
            found[kind] = None
            hints = msgspec.inspect.type_info(kind)
            for entry in getattr(hints, "fields", ()):
                inner(entry.type)

    def inner(info: Any) -> None:
        visit(getattr(info, "cls", None))
        for name in ("types", "item_types"):
            for each in getattr(info, name, ()):
                inner(each)
        for name in ("item_type", "value_type"):
            if hasattr(info, name):
                inner(getattr(info, name))

    for model in models:
        visit(model)
    return list(found)


def _renamed(components: Mapping[str, Any]) -> dict[str, Any]:
    """Components under the names that are theirs outside, titles and empty defaults left out."""

    def outside(name: str) -> str:
        return name.strip("_").removesuffix("Shape")

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(entry) for entry in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            base, _, name = node["$ref"].rpartition("/")
            return {"$ref": f"{base}/{outside(name)}"}
        kept = {key: walk(value) for key, value in node.items() if key != "title" or isinstance(value, dict)}
        if kept.get("default", ...) is None:
            del kept["default"]
        return kept

    return {outside(name): walk(schema) for name, schema in components.items()}


_LONGEST: Any = type(validators.max_len(0))  # attrs names none of these classes in public
_SHORTEST: Any = type(validators.min_len(0))
_NUMBER: Any = type(validators.ge(0))
_ANY_OF: Any = type(validators.in_([]))
_OPTIONAL: Any = type(validators.optional(validators.ge(0)))
_ALL: Any = type(validators.and_())
_COMPARED = {">=": "minimum", "<=": "maximum", ">": "exclusiveMinimum", "<": "exclusiveMaximum"}


def _bound(schema: dict[str, Any], validator: Any) -> None:
    """Write what an attrs validator demands into the schema of its field, so that it stands in one place."""
    for branch in schema.get("anyOf", ()):
        if branch.get("type") != "null":
            _bound(branch, validator)
            return
    if isinstance(validator, _OPTIONAL):
        _bound(schema, validator.validator)
    elif isinstance(validator, _ALL):
        for each in validator._validators:
            _bound(schema, each)
    elif isinstance(validator, _LONGEST):
        schema["maxLength"] = validator.max_length
    elif isinstance(validator, _SHORTEST):
        schema["minLength"] = validator.min_length
    elif isinstance(validator, _NUMBER):
        schema[_COMPARED[validator.compare_op]] = validator.bound
    elif isinstance(validator, _ANY_OF):
        schema["enum"] = list(validator.options)
