"""ElevenLabs' REST API: agents, secrets, tools, webhooks and conversations, one method an endpoint.

Paths and bodies are those of ElevenLabs' Python SDK 2.78 (`/v1/convai/…`, `/v1/workspace/webhooks`). What is
answered is kept as JSON: their schemas grow monthly, and what we do not know must survive a read-modify-write.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeAlias, TypeVar
from urllib.parse import quote

import aiohttp
from attrs import frozen

from elaaoms import __version__
from elaaoms.errors import ElaaomsError, NotFound, ServiceRejected, ServiceUnavailable, Unreadable
from elaaoms.remote import answered, classify
from elaaoms.webhooks import parse_json

T = TypeVar("T")
Body: TypeAlias = dict[str, Any]

SERVICE = "ElevenLabs"
API_URL = "https://api.elevenlabs.io"
TIMEOUT_S = 15.0  # for a whole request; for audio, between two pieces
PAGE = 100  # the most that a listing gives at once
PATIENCE_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)  # waits before a request that only reads is tried again
_MAX_BODY = 64 << 20
_PIECE = 1 << 16
_CODE = re.compile(r"[a-z][a-z_.]{2,63}")


@frozen(kw_only=True)
class Listed:
    """One line of the list of conversations; times are unix seconds. It names no caller."""

    conversation_id: str
    agent_id: str
    status: str
    started_at: float
    duration_s: float
    messages: int = 0

    @property
    def ended_at(self) -> float:
        """When the call was over."""
        return self.started_at + self.duration_s


class Refused(ServiceRejected):
    """ElevenLabs found a request invalid; the message names the fields."""


class ElevenLabs:
    """The API with one key; every method raises ServiceUnavailable, ServiceRejected, ProviderBlocked or NotFound.

    Nothing is tried again here: what only reads goes through `patiently`, what changes something is for the
    caller to resume. `skew_s` is how far their clock was ahead of ours in the last answer.
    """

    def __init__(self, session: aiohttp.ClientSession, api_url: str = API_URL) -> None:
        self._session = session
        self._url = api_url.rstrip("/")
        self.skew_s: float | None = None

    # -- agents, settings

    async def agent(self, agent_id: str) -> Body:
        """The whole agent."""
        return await self._json("GET", f"/v1/convai/agents/{_part(agent_id)}")

    async def change_agent(self, agent_id: str, changes: Body) -> Body:
        """Patch an agent: objects merge, arrays and values replace. Makes a version of the main branch."""
        return await self._json("PATCH", f"/v1/convai/agents/{_part(agent_id)}", changes)

    async def branches(self, agent_id: str) -> list[Body]:
        """The agent's branches."""
        answer = await self._json("GET", f"/v1/convai/agents/{_part(agent_id)}/branches")
        return _objects(answer, "results")

    async def settings(self) -> Body:
        """The settings of the workspace, which hold for all its agents."""
        return await self._json("GET", "/v1/convai/settings")

    async def change_settings(self, changes: Body) -> Body:
        """Patch the settings of the workspace."""
        return await self._json("PATCH", "/v1/convai/settings", changes)

    # -- secrets

    async def secrets(self) -> list[Body]:
        """Names and ids; values are never told."""
        return await self._all("/v1/convai/secrets", "secrets")

    async def make_secret(self, name: str, value: str) -> str:
        """Store a secret; its id."""
        body = {"type": "new", "name": name, "value": value}
        return _text(await self._json("POST", "/v1/convai/secrets", body), "secret_id")

    async def change_secret(self, secret_id: str, name: str, value: str) -> None:
        """Give a secret another value."""
        body = {"type": "update", "name": name, "value": value}
        await self._json("PATCH", f"/v1/convai/secrets/{_part(secret_id)}", body)

    async def delete_secret(self, secret_id: str) -> None:
        """Remove a secret that nothing uses any more."""
        await self._send("DELETE", f"/v1/convai/secrets/{_part(secret_id)}")

    # -- tools

    async def tools(self) -> list[Body]:
        """All tools of the workspace."""
        return await self._all("/v1/convai/tools", "tools")

    async def make_tool(self, config: Body) -> str:
        """Make a tool; its id."""
        return _text(await self._json("POST", "/v1/convai/tools", {"tool_config": config}), "id")

    async def change_tool(self, tool_id: str, config: Body) -> None:
        """Replace a tool's configuration."""
        await self._json("PATCH", f"/v1/convai/tools/{_part(tool_id)}", {"tool_config": config})

    async def delete_tool(self, tool_id: str) -> None:
        """Remove a tool."""
        await self._send("DELETE", f"/v1/convai/tools/{_part(tool_id)}")

    async def users_of_tool(self, tool_id: str) -> list[Body]:
        """The agents that have a tool."""
        return await self._all(f"/v1/convai/tools/{_part(tool_id)}/dependent-agents", "agents")

    # -- workspace webhooks

    async def webhooks(self) -> list[Body]:
        """All webhooks with what uses them and how they fared; their secrets are never told."""
        answer = await self._json("GET", "/v1/workspace/webhooks", query={"include_usages": "true"})
        return _objects(answer, "webhooks")

    async def make_webhook(self, name: str, url: str) -> tuple[str, str]:
        """Make a webhook signed with HMAC; its id and its secret, which is told only here."""
        settings = {"auth_type": "hmac", "name": name, "webhook_url": url}
        answer = await self._json("POST", "/v1/workspace/webhooks", {"settings": settings})
        return _text(answer, "webhook_id"), _text(answer, "webhook_secret")

    async def enable_webhook(self, webhook_id: str, name: str) -> None:
        """Switch a webhook on, also after ElevenLabs disabled it, and its retries with it."""
        body = {"is_disabled": False, "name": name, "retry_enabled": True}
        await self._json("PATCH", f"/v1/workspace/webhooks/{_part(webhook_id)}", body)

    async def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook."""
        await self._send("DELETE", f"/v1/workspace/webhooks/{_part(webhook_id)}")

    # -- conversations

    async def conversations(
        self,
        *,
        after: float | None = None,
        before: float | None = None,
        agent_id: str | None = None,
        cursor: str | None = None,
    ) -> tuple[list[Listed], str | None]:
        """A page of conversations that began within the bounds (unix seconds), and the cursor of the next."""
        query = {
            "page_size": str(PAGE),
            "call_start_after_unix": None if after is None else str(int(after)),
            "call_start_before_unix": None if before is None else str(int(before)),
            "agent_id": agent_id,
            "cursor": cursor,
        }
        answer = await self._json("GET", "/v1/convai/conversations", query=query)
        following = answer.get("next_cursor") if answer.get("has_more") else None
        listed = [_listed(item) for item in _objects(answer, "conversations")]
        return listed, following if isinstance(following, str) and following else None

    async def conversation(self, conversation_id: str) -> bytes:
        """One conversation as it is answered: the JSON that a webhook carries as `data`."""
        body = await self._send("GET", f"/v1/convai/conversations/{_part(conversation_id)}")
        _object(body)
        return body

    async def delete_conversation(self, conversation_id: str) -> bool:
        """Delete a conversation with its recording there; False if it was gone already."""
        try:
            await self._send("DELETE", f"/v1/convai/conversations/{_part(conversation_id)}")
        except NotFound:
            return False
        return True

    @asynccontextmanager
    async def audio(self, conversation_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The recording as an MP3 in pieces; NotFound if there is none."""
        url = f"{self._url}/v1/convai/conversations/{_part(conversation_id)}/audio"
        timeout = aiohttp.ClientTimeout(total=None, connect=TIMEOUT_S, sock_read=TIMEOUT_S)
        try:
            async with self._session.get(url, timeout=timeout, allow_redirects=False) as response:
                if response.status != 200:
                    _fail(response, await response.content.read(_PIECE))
                yield response.content.iter_chunked(_PIECE)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise classify(SERVICE, error) from None

    # -- one request

    async def _all(self, path: str, name: str) -> list[Body]:
        found: list[Body] = []
        cursor: str | None = None
        while True:
            answer = await self._json("GET", path, query={"page_size": str(PAGE), "cursor": cursor})
            found += _objects(answer, name)
            following = answer.get("next_cursor")
            if not isinstance(following, str) or not following or following == cursor:
                return found
            cursor = following

    async def _json(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        query: Mapping[str, str | None] | None = None,
    ) -> Body:
        return _object(await self._send(method, path, body, query=query))

    async def _send(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        query: Mapping[str, str | None] | None = None,
    ) -> bytes:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            async with self._session.request(
                method, f"{self._url}{path}", params=params, json=body, allow_redirects=False
            ) as response:
                self.skew_s = _skew(response.headers.get("Date", ""))
                content = await _bounded(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise classify(SERVICE, error) from None
        if response.status not in (200, 201, 204):
            _fail(response, content)
        return content


@asynccontextmanager
async def connected(api_key: str, api_url: str = API_URL) -> AsyncIterator[ElevenLabs]:
    """The API with a session of its own, which no setting of the environment sends elsewhere."""
    headers = {"xi-api-key": api_key, "User-Agent": f"elaaoms/{__version__}", "Accept": "application/json"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, trust_env=False) as session:
        yield ElevenLabs(session, api_url)


async def patiently(
    ask: Callable[[], Awaitable[T]], *, sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
) -> T:
    """Ask until it is answered: again after each of `PATIENCE_S`, or later if ElevenLabs asks for that."""
    for wait_s in PATIENCE_S:
        try:
            return await ask()
        except ServiceUnavailable as error:
            await sleep(wait_s if error.retry_after is None else max(error.retry_after, 0.1))
    return await ask()


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(_PIECE):
        content += chunk
        if len(content) > _MAX_BODY:
            raise ServiceRejected(f"{SERVICE} answered with more than {_MAX_BODY >> 20} MiB")
    return bytes(content)


def _fail(response: aiohttp.ClientResponse, content: bytes) -> NoReturn:
    """Raise what an answer other than success means.

    The body is `{"detail": {"code", "type", "status", "message"}}`, `{"detail": [{"loc", "type"}]}` for what is
    invalid, or `{"detail": "text"}`; neither messages nor what was sent are repeated.
    """
    detail = _detail(content)
    if response.status == 404:
        raise NotFound(
            f"{SERVICE} does not know {response.url.path}: is the id right, and the key of the same workspace"
            " and region (elevenlabs.api_url)?"
        )
    if isinstance(detail, list):
        fields = [
            f"{'.'.join(str(step) for step in item.get('loc', ()))} ({item.get('type', 'invalid')})"
            for item in detail
            if isinstance(item, dict)
        ]
        raise Refused(f"{SERVICE} answered {response.status}: {'; '.join(fields[:10]) or 'invalid'}")
    raise answered(SERVICE, response.status, response.headers, {"error": _codes(detail)})


def _skew(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return None


def _detail(content: bytes) -> Any:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body.get("detail") if isinstance(body, dict) else None


def _codes(detail: Any) -> Body:
    """The short codes in a `detail`, under the names that `remote` knows."""
    if isinstance(detail, str):
        return {"code": detail} if _CODE.fullmatch(detail) else {}
    if not isinstance(detail, dict):
        return {}
    return {"code": detail.get("code") or detail.get("status"), "type": detail.get("type")}


def _object(content: bytes) -> Body:
    try:
        found = parse_json(content, unique_keys=False)
    except Unreadable as error:
        raise ServiceUnavailable(f"{SERVICE} gave an answer that is not JSON") from error
    if not isinstance(found, dict):
        raise ServiceUnavailable(f"{SERVICE} gave an answer that is not an object")
    return found


def _objects(body: Body, name: str) -> list[Body]:
    found = body.get(name)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ServiceUnavailable(f"{SERVICE} gave an answer without {name}")
    return found


def _text(body: Body, name: str) -> str:
    found = body.get(name)
    if not isinstance(found, str) or not found:
        raise ElaaomsError(f"{SERVICE} gave an answer without {name}")
    return found


def _listed(item: Body) -> Listed:
    def number(name: str) -> float:
        value = item.get(name)
        return float(value) if isinstance(value, int | float) and value >= 0 else 0.0

    return Listed(
        conversation_id=_text(item, "conversation_id"),
        agent_id=str(item.get("agent_id") or ""),
        status=str(item.get("status") or ""),
        started_at=number("start_time_unix_secs"),
        duration_s=number("call_duration_secs"),
        messages=int(number("message_count")),
    )


def _part(text: str) -> str:
    """An id as one part of a path, whatever stands in it."""
    if not text or text in (".", ".."):
        raise ElaaomsError(f"{text!r} is not an id of {SERVICE}")
    return quote(text, safe="")
