"""Language models: both SDKs against servers that answer and misbehave, the chain, and what errors mean."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import logging
import ssl
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import aiohttp
import fakes
import pytest
from aiohttp.test_utils import TestServer, unused_port
from attrs import define, field
from fakes import KEY, Asked, Behaviour, FakeLanguageModels

from elaaoms.errors import (
    ConfigError,
    ElaaomsError,
    ProviderBlocked,
    ServiceRejected,
    ServiceUnavailable,
)
from elaaoms.llm import (
    Answer,
    LanguageModel,
    Message,
    Paid,
    Prices,
    Refusal,
    Spent,
    Truncated,
    Usage,
    unheeded,
)
from elaaoms.llm.anthropic import API_VERSION, Anthropic
from elaaoms.llm.chain import PROBE_S, Chain
from elaaoms.llm.openai import OpenAI
from elaaoms.remote import RETRY_AFTER_MAX_S, answered, classify, reported, retry_after

SECRET_WORDS = "my-canary-allergy-is-peanuts"
PROMPT = (
    Message("system", "You extract what a caller says about themselves. " * 20),
    Message("user", f"caller: {SECRET_WORDS}"),
)
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "array",
            "maxItems": 30,
            "items": {
                "type": "object",
                "properties": {
                    "content": {"type": "string", "description": "One sentence.", "maxLength": 400},
                    "importance": {"type": "integer", "minimum": 1, "maximum": 10},
                    "category": {"type": "string", "enum": ["preference", "issue"]},
                    "value": {"type": ["string", "null"], "description": "If there is one."},
                    "turn": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
                },
                "required": ["content", "importance", "category", "value", "turn"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["facts"],
    "additionalProperties": False,
}
FACTS = {
    "facts": [
        {
            "content": "Allergic to peanuts",
            "importance": 9,
            "category": "preference",
            "value": None,
            "turn": 0,
        }
    ]
}
PRICES = Prices(input=1.0, cached=0.1, output=6.0)
Server = Callable[..., Awaitable[TestServer]]
Make = Callable[..., LanguageModel]

FORMS = ("responses", "chat", "format", "tool")
TLS = ssl.create_default_context()  # loading the system's certificates once is enough


def made(form: str, url: str, **more: Any) -> LanguageModel:
    """A model of one of the four ways to ask, at a server's address."""
    more = {"model": "some-model", "api_key": KEY, "timeout_s": 20.0, "tls": TLS, **more}
    if form in ("responses", "chat"):
        return OpenAI(base_url=f"{url}/v1", responses=form == "responses", **more)
    return Anthropic(base_url=url, structured=form, **more)  # type: ignore[arg-type]


@pytest.fixture
async def fake() -> FakeLanguageModels:
    return FakeLanguageModels(lambda asked: FACTS)


@pytest.fixture
async def url(fake: FakeLanguageModels, aiohttp_server: Server) -> str:
    server = await aiohttp_server(fake.app)
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
async def make(url: str) -> AsyncIterator[Make]:
    """Build models at the fake, closed at the end."""
    built: list[LanguageModel] = []

    def build(form: str, **more: Any) -> LanguageModel:
        built.append(made(form, more.pop("url", url), **more))
        return built[-1]

    yield build
    for model in built:
        await model.close()


async def ask(model: LanguageModel) -> Answer:
    return await model.complete(PROMPT, schema=SCHEMA, schema_name="extraction")


async def failure(model: LanguageModel) -> ElaaomsError:
    with pytest.raises(ElaaomsError) as caught:
        await ask(model)
    return caught.value


# -- answers ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
async def test_an_answer_comes_with_its_usage_cost_model_and_request_id(
    form: str, make: Make, fake: FakeLanguageModels
) -> None:
    answer = await ask(make(form, prices=PRICES))
    assert json.loads(answer.text) == FACTS
    asked = fake.requests[0]
    read, cached = len(asked.system + asked.user) // 4, len(asked.system) // 8
    assert answer.usage == Usage(read, cached, len(json.dumps(FACTS)) // 4)
    assert answer.cost_usd == pytest.approx(
        ((read - cached) * 1.0 + cached * 0.1 + answer.usage.output_tokens * 6.0) / 1e6
    )
    assert (answer.provider, answer.model, answer.request_id) == (make(form).name, "some-model", "req_1")
    assert asked.system == PROMPT[0].text
    assert asked.user == PROMPT[1].text


@pytest.mark.parametrize("form", FORMS)
async def test_a_conversation_of_several_messages_arrives_in_order(
    form: str, make: Make, fake: FakeLanguageModels
) -> None:
    more = (Message("assistant", "{}"), Message("user", "again, as JSON"))
    await make(form).complete((*PROMPT, *more), schema=SCHEMA, schema_name="extraction")
    assert fake.requests[0].user == f"{PROMPT[1].text}\n{{}}\nagain, as JSON"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"facts": [{"content": "has a yacht"}]}', id="hallucination"),
        pytest.param('Sure! Here it is:\n```json\n{"facts": []}\n```\nAnything else?', id="prose around"),
        pytest.param("I could not find anything.", id="prose"),
        pytest.param('{"facts": [', id="broken"),
        pytest.param("0", id="another type"),
        pytest.param("<think>hm</think>{}", id="thoughts"),
    ],
)
async def test_what_a_model_says_is_handed_on_as_it_came(
    form: str, text: str, make: Make, fake: FakeLanguageModels
) -> None:
    fake.then(fakes.says(text))
    answer = await ask(make(form))
    assert answer.text == text
    assert SECRET_WORDS not in repr(answer)


@pytest.mark.parametrize("form", FORMS)
async def test_twenty_calls_share_a_client(form: str, make: Make, fake: FakeLanguageModels) -> None:
    model = make(form)
    answers = await asyncio.gather(*(ask(model) for _ in range(20)))
    assert len({answer.request_id for answer in answers}) == len(fake.requests) == 20


# -- what goes over the wire ------------------------------------------------------------


async def test_openai_is_told_not_to_store_calls(make: Make, fake: FakeLanguageModels) -> None:
    await ask(make("responses", effort="low"))
    body = fake.requests[0].body
    assert body["store"] is False
    assert body["reasoning"] == {"effort": "low"}
    assert body["max_output_tokens"] == 4000
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "extraction",
        "schema": SCHEMA,
        "strict": True,
    }
    assert "temperature" not in body


async def test_a_server_of_ones_own_gets_chat_completions_in_the_common_words(
    url: str, make: Make, fake: FakeLanguageModels
) -> None:
    model = OpenAI(model="llama", base_url=f"{url}/v1", max_output_tokens=500)
    await ask(model)
    await model.close()
    asked = fake.requests[0]
    assert asked.api == "chat"
    assert asked.headers["Authorization"] == "Bearer none"
    assert asked.body["temperature"] == 0
    assert asked.body["max_tokens"] == 500
    assert asked.body.keys() == {"model", "messages", "max_tokens", "temperature", "response_format"}


async def test_anthropic_gets_a_format_or_a_forced_tool(make: Make, fake: FakeLanguageModels) -> None:
    await ask(make("format", thinking="disabled"))
    await ask(make("tool"))
    form, tool = (asked.body for asked in fake.requests)
    assert form["thinking"] == {"type": "disabled"}
    assert "tools" not in form
    assert tool["tool_choice"] == {"type": "tool", "name": "extraction", "disable_parallel_tool_use": True}
    assert tool["tools"][0]["strict"] is True
    assert tool["tools"][0]["input_schema"] == form["output_config"]["format"]["schema"]
    fact = form["output_config"]["format"]["schema"]["properties"]["facts"]["items"]["properties"]
    assert fact["importance"] == {"type": "integer", "description": "{minimum: 1, maximum: 10}"}
    assert fact["value"] == {
        "anyOf": [{"type": "string"}, {"type": "null"}],
        "description": "If there is one.",
    }


async def test_the_schema_that_is_given_is_not_changed(make: Make) -> None:
    before = copy.deepcopy(SCHEMA)
    for form in FORMS:
        await ask(make(form))
    assert before == SCHEMA


@pytest.mark.parametrize("form", FORMS)
async def test_only_named_headers_leave(form: str, make: Make, fake: FakeLanguageModels) -> None:
    await ask(make(form))
    sent = {name.lower() for name in fake.requests[0].headers}
    expected = {"host", "accept", "accept-encoding", "connection", "content-type", "content-length"}
    expected |= {"user-agent", "authorization"} | (
        {"anthropic-version"} if form in ("format", "tool") else set()
    )
    assert sent <= expected
    assert fake.requests[0].headers["User-Agent"].startswith("elaaoms/")


def test_the_api_version_is_the_one_that_the_sdk_speaks() -> None:
    import anthropic

    client = anthropic.Anthropic(api_key="k", base_url="http://127.0.0.1:9")
    assert client.default_headers["anthropic-version"] == API_VERSION
    client.close()


@pytest.fixture
async def trap() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Where everything in the environment points; nothing may arrive."""
    arrived: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.read(65536))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", arrived
    server.close()
    await server.wait_closed()


@pytest.fixture
def poisoned(trap: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """An environment full of somebody else's settings; what arrived where they point."""
    url, arrived = trap
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, url)
        monkeypatch.setenv(name.lower(), url)
    headers = "Authorization: Bearer stolen\nauthorization: Bearer stolen\nX-Spy: 1\nHost: elsewhere.example\nanthropic-version: 2023-06-01"
    for name, value in {
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": "sk-env",
        "OPENAI_ADMIN_KEY": "sk-admin",
        "OPENAI_ORG_ID": "org-env",
        "OPENAI_PROJECT_ID": "proj-env",
        "OPENAI_CUSTOM_HEADERS": headers,
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "sk-env",
        "ANTHROPIC_AUTH_TOKEN": "token-env",
        "ANTHROPIC_PROFILE": "env",
        "ANTHROPIC_CUSTOM_HEADERS": headers,
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
    }.items():
        monkeypatch.setenv(name, value)
    return arrived


@pytest.mark.parametrize("form", FORMS)
async def test_the_environment_decides_nothing(
    form: str, poisoned: list[bytes], make: Make, fake: FakeLanguageModels, url: str
) -> None:
    await ask(make(form))
    sent = fake.requests[0].headers
    assert sent.getall("Authorization") == [f"Bearer {KEY}"]
    assert sent.getall("Host") == [url.removeprefix("http://")]
    assert not [name for name in sent if "spy" in name.lower() or "openai" in name.lower()]
    assert poisoned == []


async def test_the_trap_catches_a_client_that_is_not_careful(poisoned: list[bytes]) -> None:
    import openai

    async with openai.AsyncOpenAI(max_retries=0) as client:
        with pytest.raises(openai.OpenAIError):
            await client.responses.create(model="m", input="hello")
    assert poisoned


@pytest.mark.parametrize("form", FORMS)
async def test_calls_are_not_traced(form: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace

    spans: list[str] = []

    class Tracer(trace.NoOpTracer):
        def start_span(self, name: str, *args: Any, **more: Any) -> Any:
            spans.append(name)
            return super().start_span(name, *args, **more)

    class Provider(trace.NoOpTracerProvider):
        def get_tracer(self, *args: Any, **more: Any) -> trace.Tracer:
            return Tracer()

    monkeypatch.setattr(trace, "_TRACER_PROVIDER", Provider())
    await ask(make(form))
    assert spans == []


@pytest.mark.parametrize("form", FORMS)
async def test_a_redirect_is_not_followed(
    form: str, trap: tuple[str, list[bytes]], make: Make, fake: FakeLanguageModels
) -> None:
    fake.then(fakes.redirects(trap[0]))
    error = await failure(make(form))
    assert isinstance(error, ProviderBlocked)
    assert "redirects" in str(error)
    assert trap[1] == []


# -- what goes wrong --------------------------------------------------------------------

SOON = formatdate(time.time() + 3600, usegmt=True)
AFTER_A_DATE = {"Retry-After": "Sun, 22 Nov 2026 10:01:30 GMT", "Date": "Sun, 22 Nov 2026 10:00:00 GMT"}

Fault = tuple[Behaviour, type[ElaaomsError], float | None]
FAULTS: Mapping[str, Fault] = {
    # it did not answer, or not as it should: again, on the job's schedule
    "drops": (fakes.drops(), ServiceUnavailable, None),
    "cut within": (fakes.cuts(), ServiceUnavailable, None),
    "not HTTP": (fakes.babbles(), ServiceUnavailable, None),
    "HTML with 200": (fakes.html(), ServiceUnavailable, None),
    "text with 200": (fakes.returns(b"OK", content_type="text/plain"), ServiceUnavailable, None),
    "nothing with 200": (fakes.returns(b""), ServiceUnavailable, None),
    "half a JSON with 200": (fakes.returns(b'{"id": "resp_1", "outp'), ServiceUnavailable, None),
    "bytes with 200": (fakes.returns(b'{"id": "\xff"}'), ServiceUnavailable, None),
    "bottomless JSON with 200": (fakes.returns(b"[" * 100_000), ServiceUnavailable, None),
    "an array with 200": (fakes.returns([1, 2]), ServiceUnavailable, None),
    "null with 200": (fakes.returns(None), ServiceUnavailable, None),
    "a string with 200": (fakes.returns("hello"), ServiceUnavailable, None),
    "another object with 200": (fakes.returns({"ok": True}), ServiceUnavailable, None),
    "no choices": (
        fakes.returns({"choices": [], "output": None, "content": None}),
        ServiceUnavailable,
        None,
    ),
    "wrong types": (
        fakes.returns({"choices": [1, "x"], "output": "x", "content": {"type": "text"}, "usage": "lots"}),
        ServiceUnavailable,
        None,
    ),
    "an error with 200": (
        fakes.returns({"error": {"code": 502, "message": "upstream"}}),
        ServiceUnavailable,
        None,
    ),
    "empty": (fakes.says(""), ServiceUnavailable, None),
    "blank": (fakes.says(" \n"), ServiceUnavailable, None),
    "408": (fakes.fails(408), ServiceUnavailable, None),
    "409": (fakes.fails(409), ServiceUnavailable, None),
    "429": (fakes.fails(429), ServiceUnavailable, None),
    "429 with seconds": (fakes.fails(429, headers={"Retry-After": "7"}), ServiceUnavailable, 7.0),
    "429 with milliseconds": (
        fakes.fails(429, headers={"retry-after-ms": "1500", "Retry-After": "7"}),
        ServiceUnavailable,
        1.5,
    ),
    "429 with a date": (fakes.fails(429, headers=AFTER_A_DATE), ServiceUnavailable, 90.0),
    "429 for a day": (fakes.fails(429, headers={"Retry-After": "86400"}), ServiceUnavailable, 86400.0),
    "429 for a week": (fakes.fails(429, headers={"Retry-After": "604800"}), ServiceUnavailable, 86400.0),
    "429 with nonsense": (fakes.fails(429, headers={"Retry-After": "soon"}), ServiceUnavailable, None),
    "500": (fakes.fails(500), ServiceUnavailable, None),
    "500 as HTML": (fakes.html(500), ServiceUnavailable, None),
    "503": (fakes.fails(503, headers={"Retry-After": "30"}), ServiceUnavailable, 30.0),
    "529": (fakes.fails(529), ServiceUnavailable, None),
    # this request will not do
    "400": (fakes.fails(400), ServiceRejected, None),
    "too long": (fakes.fails(400, "context_length_exceeded"), ServiceRejected, None),
    "413": (fakes.fails(413), ServiceRejected, None),
    "422": (fakes.fails(422), ServiceRejected, None),
    "flagged": (
        fakes.returns({"error": {"code": 403, "metadata": {"flagged_input": "x"}}}, status=403),
        ServiceRejected,
        None,
    ),
    "truncated": (fakes.says('{"facts": [{"con', end="length"), Truncated, None),
    "refusal": (fakes.refuses(), Refusal, None),
    "filter": (fakes.says("", end="filter"), Refusal, None),
    # no request will do
    "401": (fakes.fails(401), ProviderBlocked, None),
    "402": (fakes.fails(402), ProviderBlocked, None),
    "403": (fakes.fails(403), ProviderBlocked, None),
    "404": (fakes.fails(404), ProviderBlocked, None),
    "404 as HTML": (fakes.html(404), ProviderBlocked, None),
    "no quota": (fakes.fails(429, "insufficient_quota"), ProviderBlocked, None),
    "no credit": (fakes.fails(429, "credit_balance_exhausted"), ProviderBlocked, None),
    "project limit": (fakes.fails(429, "project_spend_limit_exceeded"), ProviderBlocked, None),
    "spend limit": (fakes.fails(429, "enforced_spend_limit_reached"), ProviderBlocked, None),
    "on hold": (fakes.fails(400, "organization_on_hold"), ProviderBlocked, None),
    "no credit, in words": (
        fakes.fails(400, message="Your credit balance is too low to access the API."),
        ProviderBlocked,
        None,
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_has_one_meaning_takes_one_request_and_tells_no_secret(
    form: str, fault: str, make: Make, fake: FakeLanguageModels, caplog: pytest.LogCaptureFixture
) -> None:
    behaviour, expected, asked_s = FAULTS[fault]
    model = make(form)
    with caplog.at_level(logging.DEBUG):
        error = await failure(fake_then(fake, model, behaviour))
    assert type(error) is expected, error
    assert getattr(error, "retry_after", None) == asked_s
    assert len(fake.requests) == 1
    assert str(error).startswith(model.name)
    if isinstance(error, ProviderBlocked):
        assert error.provider == model.name
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(model) + repr(vars(model))
    for secret in (KEY, SECRET_WORDS):
        assert secret not in shown + caplog.text


def fake_then(fake: FakeLanguageModels, model: LanguageModel, *behaviours: Behaviour) -> LanguageModel:
    fake.then(*behaviours)
    return model


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("behaviour", [fakes.hangs(), fakes.drips()], ids=["hangs", "drips"])
async def test_a_call_ends_at_its_deadline_whatever_trickles_in(
    form: str, behaviour: Behaviour, make: Make, fake: FakeLanguageModels
) -> None:
    model = make(form, timeout_s=0.25)
    await ask(make(form))  # connections and platform look-ups are not what is measured
    started = time.monotonic()
    error = await failure(fake_then(fake, model, behaviour))
    assert time.monotonic() - started < 2
    assert type(error) is ServiceUnavailable
    assert str(error) == f"{model.name} did not answer within 0.25 s"
    assert len(fake.requests) == 2
    assert json.loads((await ask(model)).text) == FACTS  # and the client goes on


@pytest.mark.parametrize("form", FORMS)
async def test_cancelling_a_call_is_not_mistaken_for_a_failure(
    form: str, make: Make, fake: FakeLanguageModels
) -> None:
    model = make(form)
    arrived = asyncio.Event()

    async def behave(fake: FakeLanguageModels, request: Any, asked: Asked) -> Any:
        arrived.set()
        return await fakes.hangs()(fake, request, asked)

    task = asyncio.create_task(ask(fake_then(fake, model, behave)))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("form", FORMS)
async def test_a_server_that_is_not_there_is_said_to_be_unreachable(form: str, make: Make) -> None:
    error = await failure(make(form, url=f"http://127.0.0.1:{unused_port()}"))
    assert type(error) is ServiceUnavailable
    assert str(error).endswith("cannot be reached (ConnectionRefusedError)")


@pytest.mark.parametrize("form", FORMS)
async def test_a_name_that_does_not_exist_is_transient(form: str, make: Make) -> None:
    error = await failure(make(form, url="http://language-model.invalid"))
    assert type(error) is ServiceUnavailable
    assert "cannot be reached" in str(error)


@pytest.mark.parametrize("form", ["responses", "format"])
async def test_a_wrong_key_and_an_unknown_model_block_and_say_why(
    form: str, make: Make, fake: FakeLanguageModels
) -> None:
    wrong = await failure(make(form, api_key="sk-wrong"))
    assert isinstance(wrong, ProviderBlocked)
    assert "the key is refused" in str(wrong)
    assert "sk-wrong" not in str(wrong)
    fake.models = frozenset({"another"})
    unknown = await failure(make(form))
    assert isinstance(unknown, ProviderBlocked)
    assert "404 (" in str(unknown)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "behaviour",
    [fakes.refuses(), fakes.says("{", end="length"), fakes.says(" ")],
    ids=["refusal", "cut", "blank"],
)
async def test_an_answer_that_is_of_no_use_is_paid_for_all_the_same(
    form: str, behaviour: Behaviour, make: Make, fake: FakeLanguageModels
) -> None:
    spent: list[Spent] = []
    model = fake_then(fake, make(form, prices=PRICES), behaviour)
    with pytest.raises((Truncated, Refusal, ServiceUnavailable)):
        await model.complete(PROMPT, schema=SCHEMA, schema_name="extraction", paid=spent.append)
    (paid,) = spent
    assert (paid.provider, paid.model) == (model.name, "some-model")
    assert paid.usage.input_tokens > 0
    assert paid.cost_usd == pytest.approx(PRICES.cost(paid.usage))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("server_error", ServiceUnavailable),
        ("rate_limit_exceeded", ServiceUnavailable),
        ("invalid_prompt", ServiceRejected),
        ("insufficient_quota", ProviderBlocked),
    ],
)
async def test_a_response_that_failed_after_200_is_judged_by_its_code(
    code: str, expected: type[ElaaomsError], make: Make, fake: FakeLanguageModels
) -> None:
    body = {"id": "r", "status": "failed", "output": [], "error": {"code": code, "message": SECRET_WORDS}}
    error = await failure(fake_then(fake, make("responses"), fakes.returns(body)))
    assert type(error) is expected
    assert SECRET_WORDS not in str(error)


@pytest.mark.parametrize("status", ["in_progress", "queued", "cancelled", "surprising"])
async def test_a_response_that_is_not_finished_is_transient(
    status: str, make: Make, fake: FakeLanguageModels
) -> None:
    content = [{"type": "output_text", "text": "{}"}]
    body = {"id": "r", "status": status, "output": [{"type": "message", "content": content}]}
    assert type(await failure(fake_then(fake, make("responses"), fakes.returns(body)))) is ServiceUnavailable


@pytest.mark.parametrize("form", ["format", "tool"])
@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("pause_turn", ServiceUnavailable),
        (None, ServiceUnavailable),
        ("something_new", ServiceUnavailable),
        ("model_context_window_exceeded", Truncated),
    ],
)
async def test_why_a_message_stopped_decides(
    form: str, reason: str | None, expected: type[ElaaomsError], make: Make, fake: FakeLanguageModels
) -> None:
    body = {"type": "message", "content": [{"type": "text", "text": "{}"}], "stop_reason": reason}
    assert type(await failure(fake_then(fake, make(form), fakes.returns(body)))) is expected


async def test_usage_that_is_nonsense_counts_as_nothing(make: Make, fake: FakeLanguageModels) -> None:
    usage = {"prompt_tokens": "many", "completion_tokens": -5, "prompt_tokens_details": 7}
    choices = [{"index": 0, "message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}]
    fake.then(fakes.returns({"choices": choices, "usage": usage}))
    answer = await ask(make("chat", prices=PRICES))
    assert (answer.usage, answer.cost_usd, answer.model) == (Usage(), 0.0, "some-model")


async def test_text_in_parts_is_put_together(make: Make, fake: FakeLanguageModels) -> None:
    content = [{"type": "text", "text": '{"a"'}, {"type": "text", "text": ": 1}"}]
    fake.then(fakes.returns({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}))
    assert (await ask(make("chat"))).text == '{"a": 1}'


async def test_tokens_written_to_a_cache_are_input() -> None:
    from elaaoms.llm.anthropic import _usage

    spent = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 100,
        "output_tokens": 3,
    }
    assert _usage(spent) == Usage(115, 100, 3)


@pytest.mark.parametrize("form", FORMS)
async def test_closing_leaves_no_session_open(form: str, url: str) -> None:
    model = made(form, url)
    await ask(model)
    await model.close()
    await model.close()
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, aiohttp.ClientSession) and not one.closed]


@pytest.mark.parametrize("form", FORMS)
async def test_a_model_that_was_never_asked_can_be_closed(form: str) -> None:
    await made(form, "http://127.0.0.1:9").close()


# -- making them ------------------------------------------------------------------------


@pytest.mark.parametrize("build", [OpenAI, Anthropic])
def test_the_providers_own_servers_want_a_key(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-env")
    with pytest.raises(ConfigError, match="needs an API key"):
        build(model="m")


@pytest.mark.parametrize("build", [OpenAI, Anthropic])
@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.openai.com/v1",
        "ftp://x/v1",
        "http://",
        "http://u:p@x/v1",
        "http://x/v1?key=1",
        "http://[x/v1",
    ],
)
def test_a_base_url_that_would_surprise_is_refused(build: Any, base_url: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        build(model="m", api_key=KEY, base_url=base_url)


async def test_regional_hosts_of_openai_are_openai() -> None:
    for host, official in {"eu.api.openai.com": True, "api.openai.com.evil.example": False}.items():
        model = OpenAI(model="m", api_key=KEY, base_url=f"https://{host}/v1")
        assert model._responses is official
        await model.close()


def test_a_model_that_thinks_is_not_forced() -> None:
    with pytest.raises(ConfigError, match="thinks"):
        Anthropic(model="m", api_key=KEY, thinking="adaptive", structured="tool")


@pytest.mark.parametrize(
    "messages",
    [(), PROMPT[:1], PROMPT[1:], (*PROMPT, PROMPT[0])],
    ids=lambda m: "".join(one.role[0] for one in m) or "none",
)
async def test_a_prompt_is_one_message_of_the_system_then_others(
    messages: Sequence[Message], make: Make
) -> None:
    for form in FORMS:
        with pytest.raises(ValueError, match="system"):
            await make(form).complete(messages, schema=SCHEMA, schema_name="extraction")


def test_prices_are_never_negative_and_costs_are_per_million() -> None:
    with pytest.raises(ValueError):
        Prices(input=-1.0)
    assert Prices(1.0, 0.5, 10.0).cost(Usage(3_000_000, 1_000_000, 100_000)) == pytest.approx(3.5)


# -- classify ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": " 2.5 "}, 2.5),
        ({"RETRY-AFTER-MS": "250"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "3"}, 3.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "999999999999"}, RETRY_AFTER_MAX_S),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 -0000"}, 20.0),
        ({"retry-after": "Thu, 99 Foo 1970"}, None),
        ({"retry-after": "Thu, 01 Jan 99999999 00:00:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after(headers, now=100.0) == expected


def test_every_status_has_a_meaning() -> None:
    meant = {status: type(answered("x", status, {}, None)) for status in range(100, 600)}
    assert {s for s, kind in meant.items() if kind is ProviderBlocked and s >= 400} == {
        401, 402, 403, 404, 405, 407, 410, 426, 451, 501,
    }  # fmt: skip
    assert {s for s, kind in meant.items() if kind is ServiceUnavailable and 400 <= s < 500} == {
        408, 409, 425, 429, 499,
    }  # fmt: skip
    assert {kind for s, kind in meant.items() if 300 <= s < 400} == {ProviderBlocked}
    assert {kind for s, kind in meant.items() if s >= 502} == {ServiceUnavailable}


@pytest.mark.parametrize("code", [KEY, "call +12025550142", "x" * 65, "a b", "", 7, None, ["quota"]])
def test_a_code_that_might_quote_something_is_not_shown(code: Any) -> None:
    error = answered("x", 400, {}, {"error": {"code": code, "type": code}})
    assert str(error) == "x answered 400"
    assert type(error) is ServiceRejected


@pytest.mark.parametrize(
    "body", [None, [], "text", {"error": "text"}, {"error": None}, {"error": {"details": 1}}]
)
def test_any_body_can_be_judged(body: Any) -> None:
    assert type(answered("x", 400, {}, body)) is ServiceRejected
    assert type(reported("x", body)) is ServiceUnavailable


def test_a_server_error_is_transient_whatever_code_it_carries() -> None:
    assert type(answered("x", 500, {}, {"error": {"code": "billing_error"}})) is ServiceUnavailable


def test_our_own_errors_are_classified_already() -> None:
    for error in (Refusal("no"), ServiceUnavailable("later"), ProviderBlocked("x", "key")):
        assert classify("x", error) is error


# -- the chain --------------------------------------------------------------------------

Result = Answer | ElaaomsError


@define
class Clock:
    """Seconds that pass when told."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@define
class Scripted:
    """A model that does what it is told, and stays at the last."""

    name: str
    script: list[Result] = field(factory=list)
    model: str = "m"
    prices: Prices = field(factory=Prices)
    costs: float = 0.0  # of an answer that is of no use
    asked: int = 0
    closed: bool = False
    gate: asyncio.Event | None = None
    arrivals: asyncio.Queue[None] = field(factory=asyncio.Queue)

    async def until_asked(self, times: int) -> None:
        while self.asked < times:
            await self.arrivals.get()

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any],
        schema_name: str,
        paid: Paid = unheeded,
    ) -> Answer:
        self.asked += 1
        self.arrivals.put_nowait(None)
        result = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(result, ElaaomsError):
            if self.costs:
                paid(Spent(provider=self.name, model=self.model, usage=Usage(), cost_usd=self.costs))
            raise result
        paid(result)
        return result

    async def close(self) -> None:
        self.closed = True


def ok(name: str, cost: float = 0.0) -> Answer:
    return Answer(text="{}", usage=Usage(), model="m", provider=name, cost_usd=cost)


DOWN = ServiceUnavailable("a is down")
BLOCKED = ProviderBlocked("a", "a answered 401")


async def test_the_first_answers_and_the_second_is_not_asked() -> None:
    first, second = Scripted("a", [ok("a")]), Scripted("b", [ok("b")])
    chain = Chain([first, second], clock=Clock())
    assert (await ask(chain)).provider == "a"
    assert (chain.name, second.asked, chain.blocked()) == ("a", 0, {})


@pytest.mark.parametrize(
    "error", [DOWN, BLOCKED, Truncated("long"), Refusal("no"), ServiceRejected("bad")], ids=repr
)
async def test_whatever_the_first_does_the_second_answers_within_the_same_call(error: ElaaomsError) -> None:
    chain = Chain([Scripted("a", [error]), Scripted("b", [ok("b")])], clock=Clock())
    assert (await ask(chain)).provider == "b"


@pytest.mark.parametrize(
    "last",
    [ok("b", 0.5), DOWN, BLOCKED, Refusal("no"), ServiceRejected("bad")],
    ids=lambda last: type(last).__name__,
)
async def test_what_was_paid_on_the_way_is_told_however_it_ends(last: Result) -> None:
    spent: list[Spent] = []
    chain = Chain(
        [Scripted("a", [Truncated("long")], costs=0.25), Scripted("b", [last], costs=0.5)], clock=Clock()
    )
    with suppress(ElaaomsError):
        await chain.complete(PROMPT, schema=SCHEMA, schema_name="extraction", paid=spent.append)
    assert [(paid.provider, paid.cost_usd) for paid in spent] == [("a", 0.25), ("b", 0.5)]


@pytest.mark.parametrize(
    ("errors", "expected", "asked_s"),
    [
        (
            [ServiceUnavailable("x", retry_after=50), ServiceUnavailable("y", retry_after=9)],
            ServiceUnavailable,
            9,
        ),
        ([ServiceUnavailable("x", retry_after=50), ServiceUnavailable("y")], ServiceUnavailable, None),
        ([ServiceUnavailable("x", retry_after=50), BLOCKED], ServiceUnavailable, 50),
        ([Refusal("x"), ServiceUnavailable("y", retry_after=5)], ServiceUnavailable, 5),
        ([BLOCKED, ProviderBlocked("b", "no credit")], ProviderBlocked, None),
        ([BLOCKED, Refusal("y")], Refusal, None),
        ([Truncated("x"), Refusal("y")], Truncated, None),
        ([ServiceRejected("x")], ServiceRejected, None),
    ],
)
async def test_when_all_fail_the_most_hopeful_failure_counts(
    errors: list[ElaaomsError], expected: type[ElaaomsError], asked_s: float | None
) -> None:
    chain = Chain([Scripted("ab"[i], [error]) for i, error in enumerate(errors)], clock=Clock())
    error = await failure(chain)
    assert type(error) is expected
    assert getattr(error, "retry_after", None) == asked_s
    if isinstance(error, ProviderBlocked):
        assert error.provider == "a, b"
        assert str(error) == "a answered 401; no credit"


async def test_the_breaker_opens_after_failures_in_a_row_and_its_pause_grows() -> None:
    clock, first = Clock(), Scripted("a", [DOWN])
    chain = Chain([first], clock=clock, opens_after=3, pause_s=10, longest_pause_s=35)
    for _ in range(3):
        assert (await failure(chain)) is DOWN
    asked = 3
    for pause in (10, 20, 35, 35):
        clock.now += 1
        error = await failure(chain)
        assert isinstance(error, ProviderBlocked)  # nobody was asked: that is no attempt
        assert error.retry_after == pytest.approx(pause)  # a second more than is left
        assert first.asked == asked  # left alone
        assert chain.resting() == {"a": pytest.approx(pause - 1)}
        clock.now += pause - 1
        await failure(chain)  # the probe
        asked += 1
        assert first.asked == asked
    first.script = [ok("a")]
    clock.now += 35
    assert (await ask(chain)).provider == "a"
    first.script = [DOWN]
    for _ in range(2):
        assert (await failure(chain)) is DOWN
    assert chain.resting() == {}  # a success closes it and forgets


@pytest.mark.parametrize(
    ("second", "expected", "asked_s"),
    [
        (DOWN, ServiceUnavailable, None),
        (ServiceUnavailable("b", retry_after=100), ServiceUnavailable, 31),
        (Refusal("no"), ServiceUnavailable, 31),  # it was paid for: an attempt, but the first may do better
        (BLOCKED, ProviderBlocked, 31),
    ],
    ids=["down", "down for long", "refuses", "blocked"],
)
async def test_behind_an_open_breaker_only_what_was_asked_is_an_attempt(
    second: ElaaomsError, expected: type[ElaaomsError], asked_s: float | None
) -> None:
    models = [Scripted("a", [DOWN]), Scripted("b", [ok("b"), second])]
    chain = Chain(models, clock=Clock(), opens_after=1, pause_s=30)
    await ask(chain)
    error = await failure(chain)
    assert type(error) is expected
    assert getattr(error, "retry_after", None) == asked_s


async def test_who_comes_while_another_probes_stays_away_for_a_moment() -> None:
    clock, first = Clock(), Scripted("a", [DOWN])
    chain = Chain([first], clock=clock, opens_after=1, pause_s=10)
    await failure(chain)
    clock.now += 10
    first.gate = asyncio.Event()
    probe = asyncio.create_task(failure(chain))
    await first.until_asked(2)
    error = await failure(chain)
    assert isinstance(error, ProviderBlocked)
    assert error.retry_after == PROBE_S
    first.gate.set()
    await probe


async def test_an_answer_between_failures_keeps_the_breaker_closed() -> None:
    first = Scripted("a", [DOWN, ok("a"), DOWN, Refusal("no"), DOWN, ok("a")])
    chain = Chain([first], clock=Clock(), opens_after=2)
    for _ in range(5):
        try:
            await ask(chain)
        except ElaaomsError:
            continue
    assert (chain.resting(), first.asked) == ({}, 5)


async def test_the_breaker_waits_as_long_as_it_was_asked_to() -> None:
    clock = Clock()
    first = Scripted("a", [ServiceUnavailable("slow down", retry_after=500)])
    chain = Chain([first], clock=clock, opens_after=1, pause_s=10)
    await failure(chain)
    assert chain.resting() == {"a": 500}


async def test_only_one_call_probes_at_a_time() -> None:
    clock, first, second = Clock(), Scripted("a", [DOWN]), Scripted("b", [ok("b")])
    chain = Chain([first, second], clock=clock, opens_after=1, pause_s=10)
    await ask(chain)
    clock.now += 10
    first.gate = asyncio.Event()
    first.script = [ok("a")]
    probe = asyncio.create_task(ask(chain))
    await first.until_asked(2)
    assert {(await ask(chain)).provider for _ in range(3)} == {"b"}
    assert first.asked == 2
    first.gate.set()
    assert (await probe).provider == "a"
    assert (await ask(chain)).provider == "a"


async def test_a_probe_that_is_cancelled_makes_room_for_the_next() -> None:
    clock, first = Clock(), Scripted("a", [DOWN])
    chain = Chain([first], clock=clock, opens_after=1, pause_s=10)
    await failure(chain)
    clock.now += 10
    first.gate = asyncio.Event()
    probe = asyncio.create_task(ask(chain))
    await first.until_asked(2)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    first.gate = None
    first.script = [ok("a")]
    assert (await ask(chain)).provider == "a"


async def test_a_failure_that_set_out_before_the_breaker_opened_does_not_lengthen_the_pause() -> None:
    clock, first = Clock(), Scripted("a", [DOWN])
    first.gate = asyncio.Event()
    chain = Chain([first], clock=clock, opens_after=2, pause_s=10)
    calls = [asyncio.create_task(failure(chain)) for _ in range(6)]
    await first.until_asked(6)
    first.gate.set()
    await asyncio.gather(*calls)
    assert chain.resting() == {"a": 10}


async def test_a_blocked_provider_is_paused_shown_and_probed_by_one_call() -> None:
    clock, first, second = Clock(), Scripted("a", [BLOCKED]), Scripted("b", [ok("b")])
    chain = Chain([first, second], clock=clock, blocked_pause_s=300)
    for _ in range(4):
        assert (await ask(chain)).provider == "b"
    assert (first.asked, chain.blocked()) == (1, {"a": "a answered 401"})
    clock.now += 300
    await ask(chain)
    assert first.asked == 2
    clock.now += 299
    await ask(chain)
    assert first.asked == 2
    first.script = [ok("a")]
    clock.now += 1
    assert (await ask(chain)).provider == "a"
    assert chain.blocked() == {}


async def test_a_blocked_provider_that_is_down_when_probed_stays_blocked() -> None:
    clock, first = Clock(), Scripted("a", [BLOCKED, DOWN])
    chain = Chain([first], clock=clock, blocked_pause_s=300)
    await failure(chain)
    clock.now += 300
    assert (await failure(chain)) is DOWN
    assert chain.blocked() == {"a": "a answered 401"}
    assert isinstance(await failure(chain), ProviderBlocked)


async def test_a_bug_is_not_hidden_and_does_not_hold_the_probe() -> None:
    clock, first = Clock(), Scripted("a", [DOWN])
    chain = Chain([first], clock=clock, opens_after=1, pause_s=10)
    await failure(chain)
    clock.now += 10
    first.script = []
    with pytest.raises(IndexError):
        await ask(chain)
    first.script = [ok("a")]
    assert (await ask(chain)).provider == "a"


async def test_a_chain_closes_all_and_wants_names_of_their_own() -> None:
    models = [Scripted("a"), Scripted("b")]
    await Chain(models).close()
    assert all(model.closed for model in models)
    with pytest.raises(ValueError, match="names"):
        Chain([Scripted("a"), Scripted("a")])
    with pytest.raises(ValueError, match="names"):
        Chain([])


@pytest.mark.parametrize(("first", "second"), [("responses", "format"), ("tool", "chat")])
async def test_real_providers_fall_back_within_the_call(
    first: str, second: str, make: Make, fake: FakeLanguageModels
) -> None:
    chain = Chain([make(first, name="one"), make(second, name="two", prices=PRICES)], clock=Clock())
    fake.then(fakes.fails(401), fakes.good(), fakes.says("{}"))
    answer = await ask(chain)
    assert (answer.provider, json.loads(answer.text)) == ("two", FACTS)
    assert answer.cost_usd > 0
    assert list(chain.blocked()) == ["one"]
    assert (await ask(chain)).text == "{}"
    assert len(fake.requests) == 3
