"""The API client and the fake API, each held to the official SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp.test_utils import TestServer
from elevenlabs import WebhookHmacSettings
from elevenlabs.client import AsyncElevenLabs
from fakes_elevenlabs import API_KEY, MP3, FakeElevenLabs, agent, conversation, fails, hangs, truncates

from elaaoms import elevenlabs
from elaaoms.elevenlabs import ElevenLabs, connected, patiently
from elaaoms.errors import NotFound, ProviderBlocked, ServiceRejected, ServiceUnavailable

AGENT = "agent_0001fictional"
TOOL = {
    "type": "webhook",
    "name": "search_memory",
    "description": "Look up earlier calls.",
    "api_schema": {
        "url": "https://memory.example.com/webhook/search-memory",
        "method": "POST",
        "request_body_schema": {
            "type": "object",
            "properties": {"query": {"type": "string", "description": "What to look for"}},
        },
    },
}


@pytest.fixture
def fake() -> FakeElevenLabs:
    return FakeElevenLabs(agent(AGENT))


@pytest.fixture
async def server(fake: FakeElevenLabs) -> AsyncIterator[str]:
    async with TestServer(fake.app) as running:
        yield str(running.make_url("")).rstrip("/")


@pytest.fixture
async def api(server: str) -> AsyncIterator[ElevenLabs]:
    async with connected(API_KEY, server) as client:
        yield client


# -- the fake is what the SDK believes in -------------------------------------------------


async def test_the_sdk_s_own_client_reads_everything_that_the_fake_answers(
    fake: FakeElevenLabs, server: str
) -> None:
    fake.has(*(conversation(number, at=1_760_000_000 + number) for number in range(150)))
    fake.audio["conv_00001"] = MP3
    async with httpx.AsyncClient() as http:
        await _read_with_the_sdk(fake, AsyncElevenLabs(api_key=API_KEY, base_url=server, httpx_client=http))


async def _read_with_the_sdk(fake: FakeElevenLabs, sdk: AsyncElevenLabs) -> None:
    convai = sdk.conversational_ai
    found = await convai.agents.get(AGENT)
    type(found).model_validate(fake.agents[AGENT])
    assert found.conversation_config.agent is not None
    assert (found.name, found.conversation_config.agent.language) == ("Harbor Desk", "en")
    secret = await convai.secrets.create(name="token", value="value")
    assert (await convai.secrets.list()).secrets[0].secret_id == secret.secret_id
    webhook = await sdk.webhooks.create(
        settings=WebhookHmacSettings(name="ours", webhook_url="https://memory.example.com/webhook/post-call")
    )
    await sdk.webhooks.update(webhook.webhook_id, is_disabled=False, name="ours", retry_enabled=True)
    listed = (await sdk.webhooks.list(include_usages=True)).webhooks[0]
    type(listed).model_validate(listed.model_dump())
    assert not hasattr(listed, "webhook_secret")
    page = await convai.conversations.list(page_size=100)
    assert len(page.conversations) == 100
    rest = await convai.conversations.list(page_size=100, cursor=page.next_cursor)
    assert (len(rest.conversations), rest.has_more) == (50, False)
    one = await convai.conversations.get("conv_00001")
    type(one).model_validate(fake.conversations["conv_00001"])
    assert b"".join([piece async for piece in convai.conversations.audio.get("conv_00001")]) == MP3
    branches = await convai.agents.branches.list(AGENT)
    assert [branch.name for branch in branches.results] == ["Main"]


# -- the client --------------------------------------------------------------------------------


async def test_secrets_tools_and_webhooks_are_made_changed_listed_and_removed(
    fake: FakeElevenLabs, api: ElevenLabs
) -> None:
    secret = await api.make_secret("token", "one")
    await api.change_secret(secret, "token", "two")
    assert fake.secrets[secret]["value"] == "two"
    assert [one["name"] for one in await api.secrets()] == ["token"]
    tool = await api.make_tool(TOOL)
    await api.change_tool(tool, TOOL | {"description": "Other"})
    assert [one["tool_config"]["description"] for one in await api.tools()] == ["Other"]
    assert await api.users_of_tool(tool) == []
    webhook, told = await api.make_webhook("ours", "https://memory.example.com/webhook/post-call")
    assert told == fake.webhooks[webhook]["webhook_secret"]
    await api.enable_webhook(webhook, "ours")
    assert fake.webhooks[webhook]["retry_enabled"] is True
    assert [one["webhook_id"] for one in await api.webhooks()] == [webhook]
    await api.delete_webhook(webhook)
    await api.delete_tool(tool)
    await api.delete_secret(secret)
    assert (fake.webhooks, fake.tools, fake.secrets) == ({}, {}, {})


async def test_lists_are_read_to_their_end(fake: FakeElevenLabs, api: ElevenLabs) -> None:
    for number in range(230):
        fake.secrets[f"sec_{number}"] = {"name": f"name {number}", "value": "x"}
    assert len(await api.secrets()) == 230
    fake.has(*(conversation(number, at=1_760_000_000 + number) for number in range(250)))
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page, cursor = await api.conversations(after=1_760_000_010, cursor=cursor)
        found += page
        pages += 1
    assert (len(found), pages) == (240, 3)
    assert found[0].ended_at == 1_760_000_249 + 60


async def test_a_conversation_is_handed_out_byte_for_byte(fake: FakeElevenLabs, api: ElevenLabs) -> None:
    fake.has(conversation(7, at=1_760_000_000))
    fake.audio["conv_00007"] = MP3
    assert json.loads(await api.conversation("conv_00007")) == fake.conversations["conv_00007"]
    async with api.audio("conv_00007") as pieces:
        assert b"".join([piece async for piece in pieces]) == MP3
    fake.audio.clear()
    with pytest.raises(NotFound):
        async with api.audio("conv_00007"):
            pass


# -- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "expected", "said"),
    [
        (fails(500), ServiceUnavailable, "500"),
        (
            fails(429, {"code": "rate_limit_exceeded", "type": "rate_limit_error"}),
            ServiceUnavailable,
            "rate_limit",
        ),
        (fails(429, "too_many_concurrent_requests"), ServiceUnavailable, "too_many_concurrent_requests"),
        (
            fails(401, {"status": "invalid_api_key", "message": API_KEY}),
            ProviderBlocked,
            "the key is refused",
        ),
        (fails(403, "no"), ProviderBlocked, "not permitted"),
        (fails(404, {"code": "document_not_found"}), NotFound, "workspace and region"),
        (
            fails(422, [{"loc": ["body", "name"], "msg": API_KEY, "type": "missing"}]),
            ServiceRejected,
            r"body\.name \(missing\)",
        ),
        (fails(400, "A sentence with +12025550142"), ServiceRejected, "400$"),
        (fails(307), ProviderBlocked, "redirects"),
        (truncates, ServiceUnavailable, "cannot be reached"),
    ],
)
async def test_every_kind_of_failure_has_its_meaning_and_tells_no_secret(
    fake: FakeElevenLabs, api: ElevenLabs, fault: Any, expected: type[Exception], said: str
) -> None:
    fake.fault = fault
    with pytest.raises(expected, match=said) as caught:
        await api.agent(AGENT)
    assert API_KEY not in str(caught.value)
    assert "+1202" not in str(caught.value)


async def test_a_wrong_key_is_refused(server: str) -> None:
    async with connected("sk_another", server) as client:
        with pytest.raises(ProviderBlocked, match="the key is refused"):
            await client.settings()


async def test_silence_is_not_waited_for(
    fake: FakeElevenLabs, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elevenlabs, "TIMEOUT_S", 0.1)
    fake.fault = hangs
    async with connected(API_KEY, server) as client:
        with pytest.raises(ServiceUnavailable, match="in time"):
            await client.agent(AGENT)


async def test_reading_is_tried_again_as_late_as_elevenlabs_asks(
    fake: FakeElevenLabs, api: ElevenLabs
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        fake.fault = fails(500) if len(waits) < 2 else None
        await asyncio.sleep(0)

    fake.fault = fails(429, Retry_After="7")
    found = await patiently(lambda: api.agent(AGENT), sleep=sleep)
    assert (found["name"], waits) == ("Harbor Desk", [7.0, 2.0])
    fake.fault = fails(401, "no")
    with pytest.raises(ProviderBlocked):
        await patiently(lambda: api.agent(AGENT), sleep=sleep)
    assert len(waits) == 2


async def test_an_id_cannot_lead_to_another_path(fake: FakeElevenLabs, api: ElevenLabs) -> None:
    with pytest.raises(NotFound):
        await api.agent("../settings?x=1")
    assert fake.requests[-1].path == "/v1/convai/agents/../settings?x=1"
