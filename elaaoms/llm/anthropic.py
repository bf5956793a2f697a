"""Anthropic's models through the Messages API, with the schema as output format or as a forced tool."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from elaaoms.errors import ConfigError
from elaaoms.llm import MAX_OUTPUT_TOKENS, TIMEOUT_S, Answer, Message, Paid, Prices, Spent, Usage, unheeded
from elaaoms.llm.wire import (
    CONNECT_S,
    Body,
    Ending,
    ask,
    count,
    host_of,
    key_for,
    only,
    part,
    parts,
    quiet,
    said,
    split,
    strange,
    words,
)

BASE_URL = "https://api.anthropic.com"
API_VERSION = "2026-10-21"  # named here because ANTHROPIC_CUSTOM_HEADERS can replace the SDK's own

_ENDINGS: Mapping[str, Ending] = {
    "end_turn": "complete",
    "stop_sequence": "complete",
    "tool_use": "complete",
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "refusal": "refused",
}


class Anthropic:
    """One model at one base URL; the key is optional unless that is api.anthropic.com.

    `structured` says how the schema is enforced: `format` (`output_config.format`), or `tool`, a forced
    tool, for models without the former. `thinking` is `adaptive`, `disabled` or None for the model's own
    way; what it thinks counts towards `max_output_tokens`. `tls` is whom to trust, the system's certificates
    if None.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str | None = None,
        base_url: str = BASE_URL,
        name: str = "anthropic",
        timeout_s: float = TIMEOUT_S,
        max_output_tokens: int = MAX_OUTPUT_TOKENS,
        prices: Prices | None = None,
        tls: ssl.SSLContext | None = None,
        thinking: Literal["adaptive", "disabled"] | None = None,
        structured: Literal["format", "tool"] = "format",
    ) -> None:
        import anthropic  # noqa: PLC0415  # a second, only when it is used

        quiet()
        if structured == "tool" and thinking == "adaptive":
            raise ConfigError("a model that thinks cannot be forced to use a tool: set one of the two")
        host = host_of(f"llm.{name}.base_url", base_url)
        key = key_for(name, api_key, official=host == "api.anthropic.com")
        self.name = name
        self.model = model
        self.prices = prices or Prices()
        self._timeout_s = timeout_s
        self._max_output_tokens = max_output_tokens
        self._thinking = thinking
        self._structured = structured
        self._transform = anthropic.transform_schema
        self._failures = anthropic.AnthropicError
        timeout = anthropic.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
        self._client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=base_url,
            timeout=timeout,
            max_retries=0,  # the job's schedule is the only one
            open_telemetry=False,
            http_client=anthropic.DefaultAioHttpClient(
                timeout=timeout,
                verify=tls or True,
                trust_env=False,  # no proxy from the environment
                follow_redirects=False,  # calls go where they were sent
                event_hooks={"request": [only(authorization=f"Bearer {key}", anthropic_version=API_VERSION)]},
            ),
        )

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any],
        schema_name: str,
        paid: Paid = unheeded,
    ) -> Answer:
        system, rest = split(messages)
        form = self._transform(_without_lists_of_types(schema))
        asked: dict[str, Any] = {
            "model": self.model,
            "system": system,
            "messages": rest,
            "max_tokens": self._max_output_tokens,
        }
        if self._structured == "format":
            asked["output_config"] = {"format": {"type": "json_schema", "schema": form}}
        else:
            asked["tools"] = [{"name": schema_name, "input_schema": form, "strict": True}]
            asked["tool_choice"] = {"type": "tool", "name": schema_name, "disable_parallel_tool_use": True}
        if self._thinking:
            asked["thinking"] = {"type": self._thinking}
        body, request_id = await ask(
            self.name,
            self._client.messages.create(**asked),
            timeout_s=self._timeout_s,
            failures=self._failures,
        )
        if not isinstance(body.get("content"), list):
            raise strange(self.name)
        usage = _usage(part(body, "usage"))
        spent = Spent(
            provider=self.name,
            model=words(body, "model") or self.model,
            usage=usage,
            cost_usd=self.prices.cost(usage),
        )
        paid(spent)
        ending = _ENDINGS.get(words(body, "stop_reason"), "unfinished")
        return spent.answer(said(self.name, _text(parts(body, "content"), schema_name), ending), request_id)

    async def close(self) -> None:
        await self._client.close()


def _text(blocks: Sequence[Body], tool: str) -> str:
    """What the forced tool was given, as JSON; else what was said."""
    for block in blocks:
        if block.get("type") == "tool_use" and block.get("name") == tool:
            return json.dumps(block.get("input"), ensure_ascii=False)
    return "".join(words(block, "text") for block in blocks if block.get("type") == "text")


def _usage(spent: Body) -> Usage:
    """Anthropic counts what went to and came from the cache beside `input_tokens`, not within."""
    cached = count(spent, "cache_read_input_tokens")
    written = count(spent, "cache_creation_input_tokens")
    return Usage(count(spent, "input_tokens") + cached + written, cached, count(spent, "output_tokens"))


def _without_lists_of_types(schema: Any) -> Any:
    """The schema with `"type": ["string", "null"]` as `anyOf`; `transform_schema` dies of such a list."""
    if isinstance(schema, list | tuple):
        return [_without_lists_of_types(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain = {name: _without_lists_of_types(value) for name, value in schema.items()}
    if not isinstance(plain.get("type"), list):
        return plain
    kinds = plain.pop("type")
    if "enum" in plain:
        return plain
    about = {"description": plain.pop("description")} if "description" in plain else {}
    return {"anyOf": [{"type": kind, **(plain if kind != "null" else {})} for kind in kinds], **about}
