"""`elaaoms demo`: one caller rings twice; the real daemon, the real endpoints, the real files."""

from __future__ import annotations

import asyncio
import json
import secrets as random
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from attrs import evolve, frozen

from elaaoms import daemon
from elaaoms.config import Config, Secrets, Server
from elaaoms.errors import ElaaomsError
from elaaoms.webhooks import sign

CALLER, OUR_NUMBER = "+12025550142", "+12025550100"  # fictional: 555-01xx
AGENT = "agent_harbor_desk"
DAY_S = 86400.0
WAIT_S = 20.0

_FIRST = (
    ("agent", "Harbor Paddle Shop, this is Alex. How can I help?"),
    ("user", "Hi, my name is Robin Baker. I'm calling about order XYZ-789, it still hasn't arrived."),
    ("agent", "I'm sorry to hear that. So that's order XYZ-789?"),
    ("user", "Yes, that's right. I'm really frustrated, it was a birthday present for my daughter Mia."),
    ("agent", "I understand. I'll send you a replacement by Friday. Would that be okay?"),
    ("user", "Yes please, thank you."),
    ("agent", "What is the best way to reach you?"),
    ("user", "I prefer email. It's robin at example dot com."),
    ("agent", "And is there anything else I should know?"),
    ("user", "I live in Leeds. And I'm allergic to peanuts, so no snack box please."),
    ("agent", "Noted. Goodbye, Robin."),
)
_SECOND = (
    ("agent", None),  # the greeting that the first call prepared
    ("user", "Hi, it's Robin Baker again. My order XYZ-789 has arrived now, thanks."),
    ("agent", "Good to hear! Shall I write to you by e-mail about the warranty?"),
    ("user", "Actually, please call me instead of emailing. And I've moved to York."),
    ("agent", "Of course. I see you are allergic to peanuts."),
    ("user", "No, I'm not allergic to peanuts."),
    ("agent", "Thank you for telling me. Goodbye."),
)


class Failed(ElaaomsError):
    """A step did not do what it should."""


@frozen
class Timed:
    """An answer and how long it took, in milliseconds."""

    data: dict[str, Any]
    took_ms: float


async def play(*, keep: Path | None, stay: bool, say: Callable[[str], Any]) -> bool:
    """Tell the whole story; False (after saying why) if any step did not do what it should."""
    if keep and (keep / "elaaoms.db").exists():
        raise ElaaomsError(f"{keep} holds data already, and its caller would not be new; name another folder")
    with nullcontext(str(keep)) if keep else tempfile.TemporaryDirectory(prefix="elaaoms-demo-") as folder:
        config = Config(data_dir=folder, server=Server(port=0, admin_port=0))
        names = ("webhook_secret", "tool_token", "admin_token")
        secrets = Secrets({name: (random.token_hex(16),) for name in names})
        began = time.perf_counter()
        async with daemon.running(config, secrets) as up, _Client.connect(up, secrets) as client:
            say(f"elaaoms is up on {up.url} (took {_ms(began):.0f} ms), its data in {folder}")
            try:
                await _story(client, say)
            except Failed as error:
                say(f"\nThe demo failed: {error}")
                return False
            say(f"\nAll of it took {_ms(began) / 1000:.1f} s.")
            if keep:
                say(f"The data is kept in {keep}.")
            if stay:
                say(
                    f"Still up: webhooks at {up.url}, dashboard at {up.admin_url}/dashboard, admin API at"
                    f" {up.admin_url}/api, token {secrets.admin_token}"
                )
                say("Ctrl-C ends it.")
                await asyncio.Event().wait()
    return True


async def _story(client: _Client, say: Callable[[str], Any]) -> None:
    now = time.time()
    last_week = now - 7 * DAY_S

    say(_headline("1. Somebody calls for the first time"))
    stranger = await client.initiation()
    say(f'The phone rings. elaaoms does not know {CALLER}, and the agent says: "{_greeting(stranger)}"')
    _expect(
        stranger.data["dynamic_variables"]["caller_known"] is False,
        "a stranger was greeted as somebody known",
    )

    say(_headline("2. The call ends, and ElevenLabs sends the transcript"))
    first = _event("conv_demo_first", _FIRST, started_at=last_week, duration_s=74)
    _quote(_FIRST, say)
    accepted = await client.post_call(first)
    _expect(accepted.data["extraction_status"] == "queued", "the call was not queued")
    say(f"On disk and acknowledged in {accepted.took_ms:.1f} ms; a background job extracts the memories.")
    call, took = await client.processed("conv_demo_first")
    say(f"{took:.0f} ms later this is remembered, each from the caller's own words:")
    _remembered(call["memories"], say)
    _expect(_has(call["memories"], "Robin Baker"), "the name was not remembered")
    _expect(_has(call["memories"], "XYZ-789"), "the order was not remembered")

    say(_headline("3. The same person rings a week later"))
    known = await client.initiation()
    variables = known.data["dynamic_variables"]
    say(
        f'Before the call is answered ({known.took_ms:.1f} ms) the agent is given its greeting:\n  "{_greeting(known)}"'
    )
    say("and what it knows:")
    say(textwrap.indent(variables["caller_memory"], "  "))
    _expect(variables["caller_known"] is True, "the caller was not recognised")
    _expect("Robin" in _greeting(known), "the greeting does not know the name")

    say(_headline("4. During the call the agent looks something up"))
    question = "what happened with the order"
    found = await client.search(question)
    say(f'The agent asks its tool: "{question}" ({found.took_ms:.1f} ms)\n  "{found.data["result"]}"')
    _expect(found.data["found"] and "XYZ-789" in found.data["result"], "the order was not found")

    say(_headline("5. The second call repeats, updates and contradicts"))
    spoken = [(role, text if text is not None else _greeting(known)) for role, text in _SECOND]
    _quote(spoken, say)
    second = _event("conv_demo_second", spoken, started_at=now - 300, duration_s=41)
    accepted = await client.post_call(second)
    again = await client.post_call(second)
    _expect(again.data["duplicate"] is True, "a redelivery was taken for a new call")
    say(
        f"Acknowledged in {accepted.took_ms:.1f} ms. ElevenLabs delivers it twice; the second time changes nothing."
    )
    await client.processed("conv_demo_second")
    memories = await client.memories()
    say("What changed:")
    effects = _changes(memories, "conv_demo_second", say)
    for effect in ("reinforced", "superseded", "conflicted"):
        _expect(effect in effects, f"nothing was {effect} by the second call")

    say(_headline("6. What the next call will start with"))
    following = await client.initiation()
    say(f'  "{_greeting(following)}"')
    say(textwrap.indent(following.data["dynamic_variables"]["caller_memory"], "  "))
    conflicts = json.loads(following.data["dynamic_variables"]["caller_context"])["conflicts"]
    for conflict in conflicts:
        say(f"  The agent is told to ask, not to guess: {conflict}")
    _expect(bool(conflicts), "the contradiction was not flagged")
    health = await client.health()
    _expect(health["status"] == "healthy", f"the daemon says it is {health['status']}")


# -- the two sides of the story ---------------------------------------------------------


class _Client:
    """Plays ElevenLabs and the operator against the running daemon."""

    def __init__(self, up: daemon.Running, secrets: Secrets, session: aiohttp.ClientSession) -> None:
        self._up = up
        self._secrets = secrets
        self._session = session

    @classmethod
    @asynccontextmanager
    async def connect(cls, up: daemon.Running, secrets: Secrets) -> AsyncIterator[_Client]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
            yield cls(up, secrets, session)

    async def _call(self, method: str, url: str, body: bytes = b"", **headers: str) -> Timed:
        began = time.perf_counter()
        async with self._session.request(
            method, url, data=body or None, headers={"Content-Type": "application/json", **headers}
        ) as response:
            answer = await response.json()
        if response.status != 200:
            raise Failed(f"{method} {url} answered {response.status}: {answer.get('message')}")
        return Timed(answer, _ms(began))

    async def _tool(self, path: str, request: Mapping[str, Any]) -> Timed:
        token = {"X-Elaaoms-Token": self._secrets.tool_token}
        return await self._call("POST", f"{self._up.url}{path}", json.dumps(request).encode(), **token)

    async def _api(self, path: str) -> dict[str, Any]:
        answer = await self._call(
            "GET", f"{self._up.admin_url}{path}", Authorization=f"Bearer {self._secrets.admin_token}"
        )
        return dict(answer.data["data"])

    async def initiation(self) -> Timed:
        return await self._tool(
            "/webhook/client-data",
            {"caller_id": CALLER, "agent_id": AGENT, "called_number": OUR_NUMBER, "call_sid": "CA0000demo"},
        )

    async def search(self, query: str) -> Timed:
        request = {
            "query": query,
            "caller_id": CALLER,
            "agent_id": AGENT,
            "conversation_id": "conv_demo_second",
        }
        return await self._tool("/webhook/search-memory", request)

    async def post_call(self, event: Mapping[str, Any]) -> Timed:
        body = json.dumps(event).encode()
        signature = sign(self._secrets.webhook_secrets[0], body, now=time.time())
        answer = await self._call(
            "POST", f"{self._up.url}/webhook/post-call", body, **{"ElevenLabs-Signature": signature}
        )
        return evolve(answer, data=answer.data["data"])

    async def processed(self, conversation_id: str) -> tuple[dict[str, Any], float]:
        """The call once its job is done, and how long that took in milliseconds."""
        began = time.perf_counter()
        while _ms(began) < WAIT_S * 1000:
            call = await self._api(f"/api/calls/{conversation_id}")
            if call["extraction_status"] == "completed":
                return call, _ms(began)
            if call["extraction_status"] in ("failed", "nothing"):
                raise Failed(f"the extraction of {conversation_id} ended as {call['extraction_status']}")
            await asyncio.sleep(0.02)
        raise Failed(f"the job of {conversation_id} was not done within {WAIT_S:.0f} seconds")

    async def memories(self) -> list[dict[str, Any]]:
        data = await self._api(f"/api/memories?caller={CALLER.replace('+', '%2B')}&limit=100")
        return list(data["memories"])

    async def health(self) -> dict[str, Any]:
        return dict((await self._call("GET", f"{self._up.url}/health")).data["data"])


def _event(
    conversation_id: str, turns: Sequence[tuple[str, str | None]], *, started_at: float, duration_s: int
) -> dict[str, Any]:
    """A `post_call_transcription` in ElevenLabs' shape."""
    step = max(1, duration_s // len(turns))
    transcript: list[dict[str, Any]] = [
        {
            "role": role,
            "message": text,
            "tool_calls": [],
            "tool_results": [],
            "feedback": None,
            "time_in_call_secs": number * step,
            "interrupted": False,
            "source_medium": "audio" if role == "user" else None,
        }
        for number, (role, text) in enumerate(turns)
    ]
    variables = {
        "system__agent_id": AGENT,
        "system__conversation_id": conversation_id,
        "system__caller_id": CALLER,
        "system__called_number": OUR_NUMBER,
        "system__timezone": None,
    }
    return {
        "type": "post_call_transcription",
        "event_timestamp": int(started_at) + duration_s + 20,
        "data": {
            "agent_id": AGENT,
            "agent_name": "Harbor Desk",
            "conversation_id": conversation_id,
            "status": "done",
            "user_id": None,
            "transcript": transcript,
            "metadata": {
                "start_time_unix_secs": int(started_at),
                "call_duration_secs": duration_s,
                "phone_call": {
                    "type": "twilio",
                    "direction": "inbound",
                    "agent_number": OUR_NUMBER,
                    "external_number": CALLER,
                    "call_sid": f"CA{conversation_id}",
                },
                "main_language": "en",
                "conversation_initiation_source": "twilio",
            },
            "analysis": {
                "call_successful": "success",
                "transcript_summary": "The caller asked about an order from the paddle shop.",
                "data_collection_results": {},
                "evaluation_criteria_results": {},
            },
            "conversation_initiation_client_data": {"user_id": None, "dynamic_variables": variables},
        },
    }


# -- telling it -------------------------------------------------------------------------


def _headline(text: str) -> str:
    return f"\n{text}\n{'-' * len(text)}"


def _quote(turns: Sequence[tuple[str, str | None]], say: Callable[[str], Any]) -> None:
    for role, text in turns:
        if text is not None:
            say(f"  {'caller' if role == 'user' else 'agent':>6}: {text}")


def _remembered(memories: Sequence[Mapping[str, Any]], say: Callable[[str], Any]) -> None:
    for memory in sorted(memories, key=lambda entry: -entry["importance"]):
        shared = ", shared with every agent" if memory["shared"] else ""
        say(f"  * {memory['content']}  [{memory['category']}, importance {memory['importance']}{shared}]")
        say(f'      because: "{memory["source_quote"]}"')


def _changes(
    memories: Sequence[Mapping[str, Any]], conversation_id: str, say: Callable[[str], Any]
) -> set[str]:
    words = {
        "added": "new",
        "reinforced": "heard again",
        "refined": "said more exactly",
        "superseded": "takes the place of what was known",
        "conflicted": "contradicts what was known; both are kept",
    }
    by_id = {memory["id"]: memory for memory in memories}
    effects = set()
    for memory in memories:
        for entry in memory["evidence"]:
            if entry["conversation_id"] != conversation_id:
                continue
            effects.add(entry["effect"])
            say(f"  * {memory['content']}  ({words[entry['effect']]})")
            say(f'      because: "{entry["quote"]}"')
            for old in memories:
                if old["superseded_by"] == memory["id"]:
                    said = datetime.fromisoformat(old["first_heard"]).astimezone(UTC)
                    say(f"      until now: {old['content']} ({said:%d %B})")
            if entry["effect"] == "conflicted" and memory["conflict_with"] in by_id:
                say(f"      against: {by_id[memory['conflict_with']]['content']}")
    return effects


def _greeting(answer: Timed) -> str:
    return str(answer.data["dynamic_variables"]["memory_greeting"])


def _has(memories: Sequence[Mapping[str, Any]], text: str) -> bool:
    return any(text in memory["content"] for memory in memories)


def _expect(held: bool, otherwise: str) -> None:
    if not held:
        raise Failed(otherwise)


def _ms(since: float) -> float:
    return (time.perf_counter() - since) * 1000
