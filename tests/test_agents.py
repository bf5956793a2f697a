"""Agents' profiles, calls that were announced, and the payload for sessions that do not ask client-data."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from attrs import evolve
from conftest import AGENT, ROBIN, Platform, call, secrets, started, varied
from elevenlabs import ConversationInitiationClientDataRequestInput
from fakes_elevenlabs import API_KEY, FakeElevenLabs, agent, fails

from elaaoms.config import Config, ElevenLabsSettings, Greeting, Security
from elaaoms.elevenlabs import connected
from elaaoms.extract.model import prompt
from elaaoms.profiles import AgentProfiles, read
from elaaoms.webhooks import parse_conversation

SAM = "+12025550143"
KEYED = {"elevenlabs_api_key": (API_KEY,)}


@pytest.fixture
def fake() -> FakeElevenLabs:
    return FakeElevenLabs(agent(AGENT))


@pytest.fixture
async def server(fake: FakeElevenLabs) -> AsyncIterator[str]:
    async with TestServer(fake.app) as running:
        yield str(running.make_url("")).rstrip("/")


async def found(platform: Platform, caller: str = ROBIN, **more: Any) -> bool:
    answer = await platform.search("where is order XYZ-789", caller_id=caller, **more)
    assert answer.status == 200
    return bool(answer.json["found"])


async def knows_both(platform: Platform) -> None:
    await platform.knows({"content": "Order XYZ-789 is late.", "agent_id": AGENT})
    await platform.knows({"content": "Order XYZ-789 is paid.", "agent_id": AGENT}, caller=SAM)


async def announced(platform: Platform, caller: str = ROBIN, **ids: str) -> None:
    body = {"caller_id": caller, "agent_id": AGENT, "called_number": "+12025550100", **ids}
    assert (await platform.tool("client-data", body)).status == 200


# -- profiles --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "role", "company"),
    [
        (
            "You are the desk of Harbor Paddle Shop. Be kind.",
            "You are the desk of Harbor Paddle Shop",
            "Harbor Paddle Shop",
        ),
        (
            "You are Alex, an agent at Bolt & Nut Ltd\nBe brief.",
            "You are Alex, an agent at Bolt & Nut Ltd",
            "Bolt & Nut Ltd",
        ),
        ("You answer questions about lessons.", "You answer questions about lessons", ""),
        ("", "", ""),
    ],
)
def test_a_profile_is_read_from_the_agent(prompt: str, role: str, company: str) -> None:
    profile = read(AGENT, agent(AGENT, prompt={"prompt": prompt}, language="de"))
    assert (profile.name, profile.role, profile.company) == ("Harbor Desk", role, company)
    assert (profile.language, profile.web) == ("de", True)
    assert read(AGENT, {"name": None, "conversation_config": []}).name == ""


async def test_a_profile_is_fetched_once_by_many_kept_for_its_time_and_outlives_an_outage(
    fake: FakeElevenLabs, server: str, platform: Platform
) -> None:
    assert platform.up is not None
    now = 1_760_000_000.0
    async with connected(API_KEY, server) as api:
        database = platform.up.services.database
        profiles = AgentProfiles(api, database, ttl_s=3600, clock=lambda: now)
        got = await asyncio.gather(*(profiles.get(AGENT) for _ in range(20)))
        assert {profile.company for profile in got if profile} == {"Harbor Paddle Shop"}
        assert len(fake.requests) == 1
        now += 3599
        await profiles.get(AGENT)
        assert len(fake.requests) == 1
        now += 2
        fake.fault = fails(500)
        stale = await profiles.get(AGENT)
        assert stale is not None
        assert (stale.name, len(fake.requests)) == ("Harbor Desk", 2)
        await profiles.get(AGENT)
        assert len(fake.requests) == 2  # it is left in peace for ten minutes
        fake.fault, now = None, now + 601
        fake.agents[AGENT]["name"] = "Pier Desk"
        renewed = await profiles.get(AGENT)
        assert renewed is not None
        assert renewed.name == "Pier Desk"
        again = AgentProfiles(None, database, ttl_s=3600, clock=lambda: now)
        await again.load()
        assert await again.get(AGENT) == renewed
        assert await again.get("agent_unknown") is None


async def test_the_worker_asks_for_the_agent_and_the_phone_never_does(
    fake: FakeElevenLabs, server: str, config: Config
) -> None:
    settings = ElevenLabsSettings(api_url=server, reconcile_minutes=0)
    async with started(evolve(config, elevenlabs=settings), given=secrets(**KEYED)) as platform:
        await platform.initiation()
        await platform.search("order")
        assert fake.requests == []
        await platform.takes(call("My order XYZ-789 hasn't arrived."))
        await platform.takes(call("My order XYZ-790 hasn't arrived.", conversation_id="conv_2"))
        assert [asked.path for asked in fake.requests] == [f"/v1/convai/agents/{AGENT}"]
        assert platform.sql("SELECT name, company, language FROM agents") == [
            ("Harbor Desk", "Harbor Paddle Shop", "en")
        ]


def test_a_model_is_told_who_the_agent_is() -> None:
    data = call("My order hasn't arrived.")["data"]
    talk = evolve(
        parse_conversation(data), agent_name="Alex", agent_company="Bolt & Nut", agent_role="You are kind"
    )
    assert "\nAgent: Alex of Bolt & Nut (You are kind)\n" in prompt(talk, 0, 2, [])
    assert "\nAgent: unnamed\n" in prompt(
        evolve(talk, agent_name="", agent_company="", agent_role=""), 0, 2, []
    )


# -- announced calls ---------------------------------------------------------------------------


async def from_the_web(platform: Platform) -> None:
    """Let it be seen that visitors of a web page reach the agent."""
    await platform.takes(varied("web", conversation_id="conv_web", agent_id=AGENT))


async def test_an_agent_that_is_only_phoned_answers_lookups_without_announcement(platform: Platform) -> None:
    await knows_both(platform)
    assert await found(platform)
    await platform.takes(call("Hello.", conversation_id="conv_1"))
    assert await found(platform, conversation_id="conv_2", call_sid="CA2")


async def test_on_a_web_agent_only_an_announced_call_is_answered(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    await knows_both(platform)
    await from_the_web(platform)
    with caplog.at_level(logging.WARNING, "elaaoms.recall"):
        assert not await found(platform)
        assert not await found(platform, conversation_id="conv_x", call_sid="CA_x")
        assert not await found(platform, agent_id=None)
    assert "reachable from the web" in caplog.text
    assert 'security.unannounced = "deny"' in caplog.text
    assert ROBIN not in caplog.text
    await announced(platform, conversation_id="conv_x", call_sid="CA_x")
    assert await found(platform, conversation_id="conv_x")
    assert await found(platform, call_sid="CA_x", agent_id=None)
    assert not await found(platform, conversation_id="conv_y")


async def test_no_call_can_steer_the_lookup_to_another_number(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    allowing = evolve(config, security=Security(unannounced="allow"))
    async with started(allowing) as platform:
        await knows_both(platform)
        await announced(platform, conversation_id="conv_x", call_sid="CA_x")
        assert await found(platform, conversation_id="conv_x")
        with caplog.at_level(logging.WARNING, "elaaoms.recall"):
            assert not await found(platform, SAM, conversation_id="conv_x")
            assert not await found(platform, SAM, call_sid="CA_x", conversation_id="conv_other")
        assert "another caller" in caplog.text
        assert SAM not in caplog.text
        await from_the_web(platform)
        assert await found(platform, SAM, conversation_id="conv_other")  # as the operator wants it


async def test_placeholders_announce_nothing(platform: Platform) -> None:
    await knows_both(platform)
    await from_the_web(platform)
    for nothing in ("", "null", "None", "{{system__conversation_id}}"):
        await announced(platform, conversation_id=nothing)
        assert not await found(platform, conversation_id=nothing)


async def test_an_announcement_holds_for_four_hours_and_over_a_restart(config: Config) -> None:
    now = 1_760_000_000.0
    async with started(config, clock=lambda: now) as platform:
        await knows_both(platform)
        await platform.send(varied("web", conversation_id="conv_web", agent_id=AGENT), at=now)
        await announced(platform, conversation_id="conv_x")
    now += 4 * 3600 - 1
    async with started(config, clock=lambda: now) as platform:
        assert await found(platform, conversation_id="conv_x")
        now += 2
        assert not await found(platform, conversation_id="conv_x")
        await announced(platform, conversation_id="conv_y")
    async with started(config, clock=lambda: now) as platform:
        assert platform.sql("SELECT id FROM announcements") == [("conversation:conv_y",)]


async def test_a_public_agent_s_profile_is_enough_to_know(
    fake: FakeElevenLabs, server: str, config: Config
) -> None:
    settings = ElevenLabsSettings(api_url=server, reconcile_minutes=0)
    async with started(evolve(config, elevenlabs=settings), given=secrets(**KEYED)) as platform:
        await knows_both(platform)
        assert await found(platform)
        await platform.takes(call("Hello there."))
        assert not await found(platform)


# -- sessions that do not ask ------------------------------------------------------------------


async def test_a_backend_gets_the_very_payload_for_a_caller_or_a_user(platform: Platform) -> None:
    await platform.takes(call("Hi, my name is Robin Baker. My order XYZ-789 hasn't arrived."))
    await platform.knows({"content": "The caller's name is Sam Reed."}, caller="user:crm-4711")
    asked = await platform.initiation()
    answer = await platform.api("POST", "/api/initiation", {"caller": ROBIN, "agent_id": AGENT})
    assert (answer.status, answer.json) == (200, asked.json)
    assert answer.variables["caller_name"] == "Robin Baker"
    ConversationInitiationClientDataRequestInput.model_validate(answer.json)
    user = await platform.api("POST", "/api/initiation", {"user_id": "crm-4711", "caller": ROBIN})
    assert user.json["user_id"] != asked.json["user_id"]
    new = await platform.api("POST", "/api/initiation", {"caller": "+12025550177"})
    assert new.variables["caller_known"] is False


async def test_a_call_that_the_backend_names_is_announced(platform: Platform) -> None:
    await knows_both(platform)
    await from_the_web(platform)
    await platform.api("POST", "/api/initiation", {"caller": ROBIN, "conversation_id": "conv_out"})
    assert await found(platform, conversation_id="conv_out")
    assert not await found(platform, SAM, conversation_id="conv_out")


@pytest.mark.parametrize("body", [{}, {"caller": "anonymous"}, {"caller": ROBIN, "hm": 1}, [], {"caller": 5}])
async def test_an_initiation_for_nobody_is_refused(platform: Platform, body: Any) -> None:
    assert (await platform.api("POST", "/api/initiation", body)).status == 400
    answer = await platform.request("POST", f"{platform.admin_url}/api/initiation", {"caller": ROBIN})
    assert answer.status == 401


async def test_the_caller_s_language_is_offered_when_that_is_enabled(config: Config) -> None:
    async with started(evolve(config, greeting=Greeting(override_language=True))) as platform:
        stranger = (await platform.initiation()).json
        assert "conversation_config_override" not in stranger
        event = call("Hallo, ich rufe wegen meiner Bestellung an.")
        event["data"]["metadata"]["main_language"] = "de-AT"
        await platform.takes(event)
        payload = (await platform.initiation()).json
        assert payload["conversation_config_override"] == {"agent": {"language": "de"}}
        ConversationInitiationClientDataRequestInput.model_validate(payload)
    both = Greeting(override_language=True, override_first_message=True)
    async with started(evolve(config, greeting=both)) as platform:
        override = (await platform.initiation()).json["conversation_config_override"]["agent"]
        assert override["language"] == "de"
        assert override["first_message"].startswith("Willkommen zurück")
    async with started(config) as platform:
        assert "conversation_config_override" not in (await platform.initiation()).json
