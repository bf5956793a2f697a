"""OpenAI's models through the Responses API, and every server that speaks Chat Completions."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

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

BASE_URL = "https://api.openai.com/v1"


class OpenAI:
    """One model at one base URL.

    At api.openai.com (and its regional hosts) the Responses API is spoken and a key is needed. Anywhere else
    (Ollama, vLLM, llama.cpp, gateways) it is Chat Completions with temperature 0 and the key is optional;
    `responses` says otherwise. OpenAI is told not to store what it is sent; to others nothing is said of it:
    many refuse a request that holds what they do not know, and what they keep, their operator decides.
    `effort` is the reasoning effort, left to the model if None; `tls` is whom to trust, the system's
    certificates if None (SSL_CERT_FILE, too, is not looked at).
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str | None = None,
        base_url: str = BASE_URL,
        name: str = "openai",
        timeout_s: float = TIMEOUT_S,
        max_output_tokens: int = MAX_OUTPUT_TOKENS,
        prices: Prices | None = None,
        tls: ssl.SSLContext | None = None,
        effort: str | None = None,
        responses: bool | None = None,
    ) -> None:
        import openai  # noqa: PLC0415  # half a second, only when it is used

        quiet()
        host = host_of(f"llm.{name}.base_url", base_url)
        official = host == "api.openai.com" or host.endswith(".api.openai.com")
        key = key_for(name, api_key, official=official)
        self.name = name
        self.model = model
        self.prices = prices or Prices()
        self._timeout_s = timeout_s
        self._max_output_tokens = max_output_tokens
        self._effort = effort
        self._official = official
        self._responses = official if responses is None else responses
        self._failures = openai.OpenAIError
        timeout = openai.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            timeout=timeout,
            max_retries=0,  # the job's schedule is the only one
            http_client=openai.DefaultAioHttpClient(
                timeout=timeout,
                verify=tls or True,
                trust_env=False,  # no proxy from the environment
                follow_redirects=False,  # calls go where they were sent
                event_hooks={"request": [only(authorization=f"Bearer {key}")]},
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
        form = {"name": schema_name, "schema": dict(schema), "strict": True}
        if self._responses:
            return await self._respond(system, rest, form, paid)
        return await self._chat(system, rest, form, paid)

    async def close(self) -> None:
        await self._client.close()

    async def _respond(
        self, system: str, rest: list[dict[str, str]], form: dict[str, Any], paid: Paid
    ) -> Answer:
        asked: dict[str, Any] = {
            "model": self.model,
            "instructions": system,
            "input": rest,
            "max_output_tokens": self._max_output_tokens,
            "store": False,  # these are people's phone calls
            "text": {"format": {"type": "json_schema", **form}},
        }
        if self._effort:
            asked["reasoning"] = {"effort": self._effort}
        body, request_id = await self._ask(self._client.responses.create(**asked))
        if not isinstance(body.get("output"), list):
            raise strange(self.name)
        tokens = part(body, "usage")
        cached = count(part(tokens, "input_tokens_details"), "cached_tokens")
        usage = _usage(count(tokens, "input_tokens"), cached, count(tokens, "output_tokens"))
        said_parts = [one for item in parts(body, "output") for one in parts(item, "content")]
        text = "".join(words(one, "text") for one in said_parts if one.get("type") == "output_text")
        spent = self._paid(body, usage, paid)
        return spent.answer(said(self.name, text, _end_of_response(body, said_parts)), request_id)

    async def _chat(
        self, system: str, rest: list[dict[str, str]], form: dict[str, Any], paid: Paid
    ) -> Answer:
        asked: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, *rest],
            "max_tokens": self._max_output_tokens,  # the name that every server knows
            "temperature": 0,
            "response_format": {"type": "json_schema", "json_schema": form},
        }
        if self._official:  # Google's and Cerebras' servers, among others, answer 400 to it
            asked["store"] = False
        if self._effort:
            asked["reasoning_effort"] = self._effort
        body, request_id = await self._ask(self._client.chat.completions.create(**asked))
        choice = next(iter(parts(body, "choices")), None)
        if choice is None:
            raise strange(self.name)
        tokens = part(body, "usage")
        cached = count(part(tokens, "prompt_tokens_details"), "cached_tokens")
        usage = _usage(count(tokens, "prompt_tokens"), cached, count(tokens, "completion_tokens"))
        message = part(choice, "message")
        text = words(message, "content") or "".join(words(one, "text") for one in parts(message, "content"))
        spent = self._paid(body, usage, paid)
        return spent.answer(said(self.name, text, _end_of_choice(choice)), request_id)

    async def _ask(self, call: Any) -> tuple[Body, str | None]:
        return await ask(self.name, call, timeout_s=self._timeout_s, failures=self._failures)

    def _paid(self, body: Body, usage: Usage, paid: Paid) -> Spent:
        model = words(body, "model") or self.model
        spent = Spent(provider=self.name, model=model, usage=usage, cost_usd=self.prices.cost(usage))
        paid(spent)
        return spent


def _end_of_response(body: Body, said_parts: Sequence[Body]) -> Ending:
    reason = words(part(body, "incomplete_details"), "reason")
    if any(one.get("type") == "refusal" for one in said_parts) or reason == "content_filter":
        return "refused"
    if body.get("status") == "incomplete":
        return "truncated"
    return "complete" if body.get("status") in ("completed", None) else "unfinished"


def _end_of_choice(choice: Body) -> Ending:
    if words(part(choice, "message"), "refusal") or choice.get("finish_reason") == "content_filter":
        return "refused"
    if choice.get("finish_reason") == "length":
        return "truncated"
    return "complete"


def _usage(input_tokens: int, cached: int, output_tokens: int) -> Usage:
    return Usage(input_tokens, min(cached, input_tokens), output_tokens)
