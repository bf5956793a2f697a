"""ElevenLabs' REST API on loopback, with its schemas taken from the SDK and faults that can be told to happen."""

from __future__ import annotations

import asyncio
import copy
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeAlias

import pydantic
from aiohttp import web
from attrs import frozen
from elevenlabs import (
    AgentPlatformSettingsRequestModel,
    ConvAiWebhooks,
    ConversationalConfig,
    ConversationInitiationClientDataWebhook,
    ToolRequestModel,
    WebhookHmacSettings,
)

API_KEY = "sk_0123456789abcdef0123456789abcdef"
MP3 = b"\xff\xfb\x90\x64" + bytes(2000)

Answer: TypeAlias = Callable[[], Awaitable[web.StreamResponse]]
Fault: TypeAlias = Callable[[web.Request, Answer], Awaitable[web.StreamResponse]]

# Maps whose keys belong to the user: a PATCH gives the whole map. Everywhere else objects merge.
_MAPS = frozenset({"dynamic_variable_placeholders", "request_headers"})


@frozen
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any


class Refused(Exception):
    """A request that the real API does not take."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(str(detail))
        self.status = status
        self.detail = detail


def agent(agent_id: str, **agent_config: Any) -> dict[str, Any]:
    """An agent as the dashboard makes it, with tools, overrides and webhooks of its own left empty."""
    prompt = {"prompt": "You are the desk of Harbor Paddle Shop.", "llm": "gemini-2.5-flash", "tool_ids": []}
    return {
        "agent_id": agent_id,
        "name": "Harbor Desk",
        "conversation_config": {
            "agent": {
                "first_message": "Hello, Harbor Paddle Shop, how can I help?",
                "language": "en",
                "dynamic_variables": {"dynamic_variable_placeholders": {}},
                "prompt": prompt,
                **agent_config,
            },
            "tts": {"voice_id": "voice_fictional"},
        },
        "metadata": {"created_at_unix_secs": 1760000000, "updated_at_unix_secs": 1760000000},
        "platform_settings": {
            "auth": {"enable_auth": False},
            "overrides": {
                "enable_conversation_initiation_client_data_from_webhook": False,
                "conversation_config_override": {"agent": {"first_message": False, "language": False}},
            },
            "workspace_overrides": {"conversation_initiation_client_data_webhook": None, "webhooks": None},
        },
        "phone_numbers": [],
        "workflow": {"edges": {}, "nodes": {}, "prevent_subagent_loops": False},
        "access_info": _access(),
        "tags": [],
        "version_id": "agtvrsn_0001",
        "branch_id": f"agtbrch_main_{agent_id}",
        "main_branch_id": f"agtbrch_main_{agent_id}",
    }


def conversation(
    number: int, *, at: int, agent_id: str = "agent_0001fictional", **more: Any
) -> dict[str, Any]:
    """A finished conversation as GET answers it; the caller is one of fifty, by `number`."""
    conversation_id = f"conv_{number:05d}"
    caller = f"+1202555{100 + number % 50:04d}"
    turn = {"tool_calls": [], "tool_results": [], "feedback": None, "interrupted": False}
    return {
        "agent_id": agent_id,
        "agent_name": "Harbor Desk",
        "conversation_id": conversation_id,
        "status": "done",
        "user_id": None,
        "transcript": [
            {"role": "agent", "message": "How can I help?", "time_in_call_secs": 0, **turn},
            {
                "role": "user",
                "message": f"I'm calling about order QX-{number:05d}, it hasn't arrived.",
                "time_in_call_secs": 3,
                **turn,
            },
        ],
        "metadata": {
            "start_time_unix_secs": at,
            "call_duration_secs": 60,
            "phone_call": {
                "type": "twilio",
                "direction": "inbound",
                "phone_number_id": "phnum_0001fictional",
                "agent_number": "+12025550199",
                "external_number": caller,
                "stream_sid": f"MZ{number}",
                "call_sid": f"CA{number}",
            },
            "main_language": "en",
        },
        "analysis": None,
        "conversation_initiation_client_data": {"dynamic_variables": {"system__caller_id": caller}},
        "has_audio": True,
        "has_user_audio": True,
        "has_response_audio": True,
        "has_auxiliary_audio": False,
        **more,
    }


class FakeElevenLabs:
    """What `elaaoms` calls of the API of late 2026 (SDK 2.78), in one aiohttp app.

    A PATCH of an agent merges objects and replaces arrays, values and maps of the user's own keys. Bodies are
    validated by the SDK's own models, unknown fields are refused, a webhook's secret and a secret's value are
    never told again, lists are newest first and in pages of at most 100. `requests` records everything.

    `fault(request, answer)`, if set, stands before each request: it may answer itself, or call `answer()` and
    spoil it.
    """

    def __init__(self, *agents: dict[str, Any]) -> None:
        self.agents = {one["agent_id"]: one for one in agents}
        self.other_branches: dict[str, list[dict[str, Any]]] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.tools: dict[str, dict[str, Any]] = {}
        self.webhooks: dict[str, dict[str, Any]] = {}
        self.settings: dict[str, Any] = {
            "conversation_initiation_client_data_webhook": None,
            "webhooks": {"post_call_webhook_id": None, "events": []},
            "can_use_mcp_servers": False,
        }
        self.conversations: dict[str, dict[str, Any]] = {}
        self.audio: dict[str, bytes] = {}
        self.requests: list[Asked] = []
        self.fault: Fault | None = None
        self.listed: Callable[[], None] | None = None  # called after each page of the list
        self._made = 0
        self.app = web.Application(middlewares=[self._border])
        v1 = "/v1/convai"
        self.app.add_routes(
            [
                web.get(f"{v1}/agents/{{id}}", self._agent),
                web.patch(f"{v1}/agents/{{id}}", self._change_agent),
                web.get(f"{v1}/agents/{{id}}/branches", self._branches),
                web.get(f"{v1}/settings", self._settings),
                web.patch(f"{v1}/settings", self._change_settings),
                web.get(f"{v1}/secrets", self._secrets),
                web.post(f"{v1}/secrets", self._make_secret),
                web.patch(f"{v1}/secrets/{{id}}", self._change_secret),
                web.delete(f"{v1}/secrets/{{id}}", self._delete_secret),
                web.get(f"{v1}/tools", self._tools),
                web.post(f"{v1}/tools", self._make_tool),
                web.patch(f"{v1}/tools/{{id}}", self._change_tool),
                web.delete(f"{v1}/tools/{{id}}", self._delete_tool),
                web.get(f"{v1}/tools/{{id}}/dependent-agents", self._dependents),
                web.get("/v1/workspace/webhooks", self._webhooks),
                web.post("/v1/workspace/webhooks", self._make_webhook),
                web.patch("/v1/workspace/webhooks/{id}", self._change_webhook),
                web.delete("/v1/workspace/webhooks/{id}", self._delete_webhook),
                web.get(f"{v1}/conversations", self._conversations),
                web.get(f"{v1}/conversations/{{id}}", self._conversation),
                web.delete(f"{v1}/conversations/{{id}}", self._delete_conversation),
                web.get(f"{v1}/conversations/{{id}}/audio", self._audio),
            ]
        )

    def has(self, *conversations: dict[str, Any]) -> FakeElevenLabs:
        """Add conversations."""
        self.conversations |= {one["conversation_id"]: one for one in conversations}
        return self

    def state(self) -> dict[str, Any]:
        """Everything that a caller of the API could have changed."""
        return copy.deepcopy(
            {
                "agents": self.agents,
                "secrets": self.secrets,
                "tools": self.tools,
                "webhooks": self.webhooks,
                "settings": self.settings,
            }
        )

    def changes(self) -> list[Asked]:
        """The requests that were meant to change something."""
        return [asked for asked in self.requests if asked.method != "GET"]

    # -- every request

    @web.middleware
    async def _border(self, request: web.Request, handler: Any) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else None
        self.requests.append(Asked(request.method, request.path, dict(request.query), body))
        if request.headers.get("xi-api-key") != API_KEY:
            return _failed(401, {"status": "invalid_api_key", "message": "Invalid API key"})

        async def answer() -> web.StreamResponse:
            try:
                found: web.StreamResponse = await handler(request)
            except Refused as error:
                return _failed(error.status, error.detail)
            except web.HTTPNotFound:
                return _failed(404, "Not Found")
            return found

        return await (answer() if self.fault is None else self.fault(request, answer))

    def _new(self, kind: str) -> str:
        self._made += 1
        return f"{kind}_{self._made:04d}fictional"

    # -- agents and settings

    async def _agent(self, request: web.Request) -> web.Response:
        return web.json_response(self._find(self.agents, request, "agent"))

    async def _change_agent(self, request: web.Request) -> web.Response:
        found = self._find(self.agents, request, "agent")
        changes = await request.json()
        known = {
            "conversation_config",
            "platform_settings",
            "workflow",
            "name",
            "tags",
            "version_description",
        }
        _only(changes, known)
        if "conversation_config" in changes:
            _valid(ConversationalConfig, changes["conversation_config"], "body", "conversation_config")
        if "platform_settings" in changes:
            _valid(
                AgentPlatformSettingsRequestModel, changes["platform_settings"], "body", "platform_settings"
            )
        for tool_id in _at(changes, "conversation_config", "agent", "prompt", "tool_ids") or ():
            if tool_id not in self.tools:
                raise Refused(400, {"status": "invalid_tool", "message": f"No tool {tool_id}"})
        webhook = _at(changes, "platform_settings", "workspace_overrides", "webhooks", "post_call_webhook_id")
        if webhook is not None and webhook not in self.webhooks:
            raise Refused(400, {"status": "invalid_webhook", "message": f"No webhook {webhook}"})
        changes.pop("version_description", None)
        _merge(found, changes)
        found["version_id"] = self._new("agtvrsn")
        return web.json_response(found)

    async def _branches(self, request: web.Request) -> web.Response:
        found = self._find(self.agents, request, "agent")
        main = {
            "id": found["main_branch_id"],
            "name": "Main",
            "agent_id": found["agent_id"],
            "description": "",
            "created_at": 1760000000,
            "last_committed_at": 1760000000,
            "is_archived": False,
            "current_live_percentage": 100.0,
        }
        others = self.other_branches.get(found["agent_id"], [])
        return web.json_response({"meta": None, "results": [main, *({**main, **one} for one in others)]})

    async def _settings(self, _: web.Request) -> web.Response:
        return web.json_response(self.settings)

    async def _change_settings(self, request: web.Request) -> web.Response:
        changes = await request.json()
        _only(changes, {"conversation_initiation_client_data_webhook", "webhooks", "can_use_mcp_servers"})
        if changes.get("conversation_initiation_client_data_webhook") is not None:
            _valid(
                ConversationInitiationClientDataWebhook,
                changes["conversation_initiation_client_data_webhook"],
                "body",
                "conversation_initiation_client_data_webhook",
            )
        if changes.get("webhooks") is not None:
            _valid(ConvAiWebhooks, changes["webhooks"], "body", "webhooks")
        _merge(self.settings, changes)
        return web.json_response(self.settings)

    # -- secrets

    async def _secrets(self, request: web.Request) -> web.Response:
        nothing: dict[str, Any] = {"tools": [], "agents": [], "others": []}
        rows = [
            {"type": "stored", "secret_id": key, "name": one["name"], "used_by": nothing}
            for key, one in self.secrets.items()
        ]
        page, following = _paged(rows, request)
        return web.json_response({"secrets": page, "next_cursor": following})

    async def _make_secret(self, request: web.Request) -> web.Response:
        body = await request.json()
        _shape(body, {"type", "name", "value"})
        if any(one["name"] == body["name"] for one in self.secrets.values()):
            raise Refused(400, {"status": "secret_already_exists", "message": "The name is taken"})
        key = self._new("sec")
        self.secrets[key] = {"name": body["name"], "value": body["value"]}
        return web.json_response({"type": "stored", "secret_id": key, "name": body["name"]})

    async def _change_secret(self, request: web.Request) -> web.Response:
        found = self._find(self.secrets, request, "secret")
        body = await request.json()
        _shape(body, {"type", "name", "value"})
        found |= {"name": body["name"], "value": body["value"]}
        key = request.match_info["id"]
        return web.json_response({"type": "stored", "secret_id": key, "name": body["name"]})

    async def _delete_secret(self, request: web.Request) -> web.Response:
        self._find(self.secrets, request, "secret")
        key = request.match_info["id"]
        if any(f'"{key}"' in json.dumps(place) for place in (self.agents, self.tools, self.settings)):
            raise Refused(400, {"status": "secret_in_use", "message": "The secret is used"})
        del self.secrets[key]
        return web.Response(status=204)

    # -- tools

    def _tool(self, key: str) -> dict[str, Any]:
        usage = {"total_calls": 0, "avg_latency_secs": 0.0}
        return {"id": key, "tool_config": self.tools[key], "access_info": _access(), "usage_stats": usage}

    async def _tools(self, request: web.Request) -> web.Response:
        page, following = _paged([self._tool(key) for key in self.tools], request)
        return web.json_response({"tools": page, "next_cursor": following, "has_more": following is not None})

    async def _make_tool(self, request: web.Request) -> web.Response:
        key = self._new("tool")
        self.tools[key] = self._read_tool(await request.json())
        return web.json_response(self._tool(key))

    async def _change_tool(self, request: web.Request) -> web.Response:
        self._find(self.tools, request, "tool")
        self.tools[request.match_info["id"]] = self._read_tool(await request.json())
        return web.json_response(self._tool(request.match_info["id"]))

    def _read_tool(self, body: dict[str, Any]) -> dict[str, Any]:
        _valid(ToolRequestModel, body, "body")
        config: dict[str, Any] = body["tool_config"]
        if not 5 <= config.get("response_timeout_secs", 20) <= 300:
            raise Refused(422, _invalid("body", "tool_config", "response_timeout_secs"))
        schema = config["api_schema"]["request_body_schema"]
        for name, one in schema["properties"].items():
            filled = {"description", "dynamic_variable", "constant_value", "is_system_provided"} & one.keys()
            if len(filled) != 1:
                raise Refused(422, _invalid("body", "tool_config", "api_schema", name))
        for value in config["api_schema"].get("request_headers", {}).values():
            if isinstance(value, dict) and value.get("secret_id") not in self.secrets:
                raise Refused(400, {"status": "secret_not_found", "message": "No such secret"})
        return {"disable_interruptions": False, "assignments": [], "force_pre_tool_speech": False} | config

    async def _delete_tool(self, request: web.Request) -> web.Response:
        self._find(self.tools, request, "tool")
        key = request.match_info["id"]
        if self._having(key):
            raise Refused(409, {"status": "tool_in_use", "message": "Agents have the tool"})
        del self.tools[key]
        return web.Response(status=204)

    def _having(self, tool_id: str) -> list[dict[str, Any]]:
        path = ("conversation_config", "agent", "prompt", "tool_ids")
        return [one for one in self.agents.values() if tool_id in (_at(one, *path) or ())]

    async def _dependents(self, request: web.Request) -> web.Response:
        self._find(self.tools, request, "tool")
        rows = [{"type": "unknown", "id": one["agent_id"]} for one in self._having(request.match_info["id"])]
        return web.json_response({"agents": rows, "branches": [], "next_cursor": None, "has_more": False})

    # -- webhooks

    async def _webhooks(self, request: web.Request) -> web.Response:
        usages = request.query.get("include_usages") == "true"
        rows = []
        for key, one in self.webhooks.items():
            told = {
                name: value for name, value in one.items() if name not in ("webhook_secret", "retry_enabled")
            }
            used = f'"{key}"' in json.dumps([self.agents, self.settings])
            usage = [{"usage_type": "ConvAI Agent Settings"}] if used else []
            rows.append({"webhook_id": key, **told, "usage": usage if usages else None})
        return web.json_response({"webhooks": rows})

    async def _make_webhook(self, request: web.Request) -> web.Response:
        body = await request.json()
        _only(body, {"settings"})
        _valid(WebhookHmacSettings, body["settings"], "body", "settings")
        if not body["settings"]["webhook_url"].startswith("https://"):
            raise Refused(400, {"status": "invalid_url", "message": "HTTPS only"})
        key = self._new("wh")
        secret = f"wsec_{self._made:032d}"
        self.webhooks[key] = {
            "name": body["settings"]["name"],
            "webhook_url": body["settings"]["webhook_url"],
            "auth_type": "hmac",
            "is_disabled": False,
            "is_auto_disabled": False,
            "created_at_unix": 1760000000,
            "events": [],
            "most_recent_failure_error_code": None,
            "most_recent_failure_timestamp": None,
            "retry_enabled": False,
            "webhook_secret": secret,
        }
        return web.json_response({"webhook_id": key, "webhook_secret": secret})

    async def _change_webhook(self, request: web.Request) -> web.Response:
        found = self._find(self.webhooks, request, "webhook")
        body = await request.json()
        _only(body, {"is_disabled", "name", "retry_enabled", "request_headers", "events"})
        for name in ("is_disabled", "name"):
            if name not in body:
                raise Refused(422, _invalid("body", name, kind="missing"))
        found |= body
        if not body["is_disabled"]:
            found["is_auto_disabled"] = False
        return web.json_response({"status": "ok"})

    async def _delete_webhook(self, request: web.Request) -> web.Response:
        self._find(self.webhooks, request, "webhook")
        del self.webhooks[request.match_info["id"]]
        return web.json_response({"status": "ok"})

    # -- conversations

    async def _conversations(self, request: web.Request) -> web.Response:
        query = request.query
        after, before = (
            int(query.get("call_start_after_unix", 0)),
            int(query.get("call_start_before_unix", 1 << 40)),
        )
        if not 1 <= int(query.get("page_size", 30)) <= 100:
            raise Refused(422, _invalid("query", "page_size"))
        rows = sorted(
            (
                (one["metadata"]["start_time_unix_secs"], key)
                for key, one in self.conversations.items()
                if after <= one["metadata"]["start_time_unix_secs"] <= before
                and query.get("agent_id", one["agent_id"]) == one["agent_id"]
            ),
            reverse=True,
        )
        page, following = _paged(rows, request)
        body = {
            "conversations": [self._summary(key) for _, key in page],
            "next_cursor": following,
            "has_more": following is not None,
        }
        if self.listed is not None:
            self.listed()
        return web.json_response(body)

    def _summary(self, key: str) -> dict[str, Any]:
        one = self.conversations[key]
        return {
            "agent_id": one["agent_id"],
            "agent_name": "Harbor Desk",
            "conversation_id": key,
            "start_time_unix_secs": one["metadata"]["start_time_unix_secs"],
            "call_duration_secs": one["metadata"]["call_duration_secs"],
            "message_count": len(one["transcript"]),
            "status": one["status"],
            "call_successful": "success",
            "direction": "inbound",
        }

    async def _delete_conversation(self, request: web.Request) -> web.Response:
        self._find(self.conversations, request, "conversation")
        del self.conversations[request.match_info["id"]]
        return web.json_response({})

    async def _conversation(self, request: web.Request) -> web.Response:
        return web.json_response(self._find(self.conversations, request, "conversation"))

    async def _audio(self, request: web.Request) -> web.Response:
        self._find(self.conversations, request, "conversation")
        found = self.audio.get(request.match_info["id"])
        if found is None:
            raise Refused(404, {"status": "audio_not_found", "message": "No audio"})
        return web.Response(body=found, content_type="audio/mpeg")

    def _find(self, among: dict[str, Any], request: web.Request, kind: str) -> Any:
        try:
            return among[request.match_info["id"]]
        except KeyError:
            code = {"type": "not_found", "code": "document_not_found", "message": f"No {kind}", "status": "x"}
            raise Refused(404, code) from None


# -- faults -----------------------------------------------------------------------------


def fails(status: int, detail: Any = None, **headers: str) -> Fault:
    """Answer with an error instead of doing anything."""

    async def fault(_: web.Request, __: Answer) -> web.StreamResponse:
        return _failed(status, detail or {"status": "system_busy", "message": "Try again"}, headers)

    return fault


async def truncates(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Do what was asked, announce the whole answer and close the connection in the middle of it."""
    whole = await answer()
    assert isinstance(whole, web.Response)
    assert isinstance(whole.body, bytes)
    cut = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": str(len(whole.body))}
    )
    await cut.prepare(request)
    await cut.write(whole.body[: len(whole.body) // 2])
    assert request.transport is not None
    request.transport.close()
    return cut


async def loses_the_answer(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Do what was asked, and close the connection before anything is answered."""
    await answer()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def every(number: int, *faults: Fault, path: str = "") -> Fault:
    """One of the faults at every `number`-th request whose path contains `path`, in turn."""
    waiting = deque(faults)
    count = 0

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        nonlocal count
        if path not in request.path:
            return await answer()
        count += 1
        if count % number:
            return await answer()
        waiting.rotate(-1)
        return await waiting[-1](request, answer)

    return fault


async def hangs(_: web.Request, __: Answer) -> web.StreamResponse:
    """Answer nothing for longer than anybody waits."""
    await asyncio.sleep(60)
    return web.Response(status=503)


# -- shapes -----------------------------------------------------------------------------


def _failed(status: int, detail: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
    return web.json_response({"detail": detail}, status=status, headers=named)


def _invalid(*loc: str, kind: str = "value_error") -> list[dict[str, Any]]:
    return [{"loc": list(loc), "msg": "Value is not valid", "type": kind}]


def _valid(model: Any, value: Any, *loc: str) -> None:
    """Refuse what the SDK's model does not take, and fields that it does not have."""
    try:
        parsed = pydantic.TypeAdapter(model).validate_python(value)
    except pydantic.ValidationError as error:
        raise Refused(
            422, [{"loc": [*loc, *e["loc"]], "msg": e["msg"], "type": e["type"]} for e in error.errors()]
        ) from None
    if extra := sorted(_extra(parsed)):
        raise Refused(422, _invalid(*loc, extra[0], kind="extra_forbidden"))


def _extra(value: Any) -> Iterator[str]:
    if isinstance(value, pydantic.BaseModel):
        yield from value.model_extra or ()
        for name in type(value).model_fields:
            yield from (f"{name}.{inner}" for inner in _extra(getattr(value, name)))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _extra(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _extra(inner)


def _only(body: Mapping[str, Any], known: set[str]) -> None:
    if extra := sorted(body.keys() - known):
        raise Refused(422, _invalid("body", extra[0], kind="extra_forbidden"))


def _shape(body: Mapping[str, Any], fields: set[str]) -> None:
    if body.keys() != fields or not all(isinstance(value, str) and value for value in body.values()):
        raise Refused(422, _invalid("body"))


def _at(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _merge(into: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict) and name not in _MAPS:
            _merge(into[name], value)
        else:
            into[name] = copy.deepcopy(value)


def _paged(rows: list[Any], request: web.Request) -> tuple[list[Any], str | None]:
    """A page from the row that the cursor names; what came on top since moves nothing."""
    size = int(request.query.get("page_size", 30))
    start = 0
    if cursor := request.query.get("cursor"):
        start = len(rows) - int(cursor)
    end = start + size
    return rows[start:end], str(len(rows) - end) if end < len(rows) else None


def _access() -> dict[str, Any]:
    return {
        "is_creator": True,
        "creator_name": "Robin",
        "creator_email": "robin@example.com",
        "role": "admin",
    }
