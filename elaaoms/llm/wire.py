"""What both SDKs share on the way out and back: which headers leave, how long it may take, what came back."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import aiohttp

from elaaoms import __version__
from elaaoms.errors import ConfigError, ServiceUnavailable
from elaaoms.llm import Message, Refusal, Truncated
from elaaoms.remote import about, classify, reported

CONNECT_S = 5.0
NO_KEY = "none"  # servers of one's own want a key to be there, whichever

Body: TypeAlias = Mapping[str, Any]
Hook: TypeAlias = Callable[[Any], Awaitable[None]]

_TRANSPORT = frozenset({"accept-encoding", "connection", "content-length", "transfer-encoding"})
_LOGGERS = ("openai", "anthropic", "httpx2", "httpcore2")


def host_of(setting: str, base_url: str) -> str:
    """The host of the base URL in a setting; ConfigError if it is no HTTP URL, or has credentials or a query."""
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{setting} is not a URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"{setting} must start with http:// or https:// and name a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(f"{setting} must not carry credentials, a query or a fragment")
    return host


def key_for(name: str, api_key: str | None, *, official: bool) -> str:
    """The key to send; a server of one's own gets a placeholder, the provider's own wants a real one."""
    if api_key:
        return api_key
    if official:
        raise ConfigError(f"{name} needs an API key: put it into secrets/{name}_api_key")
    return NO_KEY


def only(**headers: str) -> Hook:
    """Build a request hook after which nothing but `headers` and the transport's own leaves the house.

    The SDKs add telemetry (x-stainless-…), and headers from variables that have no switch
    (OPENAI_CUSTOM_HEADERS, OPENAI_ORG_ID, ANTHROPIC_CUSTOM_HEADERS) which could even replace the key.
    """
    fixed = {
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": f"elaaoms/{__version__}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }

    async def hook(request: Any) -> None:
        for name in set(request.headers) - _TRANSPORT:
            del request.headers[name]
        request.headers["host"] = request.url.netloc.decode("ascii")
        for name, value in fixed.items():
            request.headers[name] = value

    return hook


def quiet() -> None:
    """Silence the SDKs' loggers: at debug level anthropic writes whole requests, which are people's calls.

    ANTHROPIC_LOG and OPENAI_LOG switch that on from the environment when the SDK is imported.
    """
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


async def ask(
    service: str, call: Awaitable[Any], *, timeout_s: float, failures: type[Exception]
) -> tuple[Body, str | None]:
    """Await an SDK's call for at most `timeout_s` in all; the answer as plain JSON, and its request id.

    `failures` is the SDK's base class of errors. What is raised carries no trace of the SDK's own error,
    because that quotes the answer, which may quote the key or the call.
    """
    try:
        async with asyncio.timeout(timeout_s):
            answer = await call
    except TimeoutError:
        late = ServiceUnavailable(f"{service} did not answer within {timeout_s:g} s")
        raise about("time", late) from None
    except (
        failures,
        json.JSONDecodeError,
        UnicodeDecodeError,
        RecursionError,
        aiohttp.ClientError,  # a malformed answer: the SDKs' transport does not map it
        OSError,
    ) as error:
        raise classify(service, error) from None
    if not hasattr(answer, "to_dict"):  # the SDKs give a page of HTML as str, JSON of another shape as it is
        raise strange(service)
    body: Body = answer.to_dict(warnings=False)
    if trouble := body.get("error"):
        raise reported(service, trouble)
    request_id = getattr(answer, "_request_id", None)
    return body, request_id if isinstance(request_id, str) else None


def strange(service: str) -> ServiceUnavailable:
    """The failure of an answer that is not what the API answers: a proxy's page, another program's JSON."""
    told = ServiceUnavailable(f"{service} answered 200 with something that is not its protocol")
    return about("answer", told)


Ending: TypeAlias = Literal["complete", "truncated", "refused", "unfinished"]


def said(service: str, text: str, ending: Ending) -> str:
    """The text of an answer that came to its end; Truncated, Refusal or ServiceUnavailable if it did not."""
    if ending == "refused":
        raise Refusal(f"{service} declined to answer")
    if ending == "truncated":
        raise Truncated(f"{service} stopped before the end of its answer")
    if ending == "unfinished":
        raise ServiceUnavailable(f"{service} did not finish its answer")
    if not text.strip():
        raise ServiceUnavailable(f"{service} gave an empty answer")
    return text


def split(messages: Sequence[Message]) -> tuple[str, list[dict[str, str]]]:
    """The system's text, and the rest as both APIs want it."""
    if len(messages) < 2 or messages[0].role != "system" or any(m.role == "system" for m in messages[1:]):
        raise ValueError("a prompt is one message of the system, then at least one other")
    return messages[0].text, [{"role": m.role, "content": m.text} for m in messages[1:]]


# -- reading JSON that may be anything --------------------------------------------------


def part(value: object, name: str) -> Body:
    """A member that is an object, empty if it is not."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def parts(value: object, name: str) -> list[Body]:
    """The objects in a member that is an array."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def words(value: object, name: str) -> str:
    """A member that is a string, empty if it is not."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""


def count(value: object, name: str) -> int:
    """A member that is a number of tokens, 0 if it is not."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if type(found) is int and found > 0 else 0
