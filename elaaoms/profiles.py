"""Who an agent is: its name, company and language at ElevenLabs, and whether the web reaches it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, Protocol

from attrs import asdict, evolve, frozen

from elaaoms.database import Database, Transaction
from elaaoms.elevenlabs import Body, ElevenLabs
from elaaoms.errors import ElaaomsError, StorageFailed
from elaaoms.webhooks import clean

RETRY_S = 600.0  # after a fetch that failed; until then what is known is used
_MAX = 200  # characters of a name, a role or a company

_SENTENCE = re.compile(r"[.!?](?:\s|$)|\n")
_COMPANY = re.compile(
    r"\b(?:at|for|of|from)\s+((?:[Tt]he\s+)?[A-Z0-9][\w&'’-]*(?:\.\w+)?(?:\s+(?:(?:and|of|&)\s+)?[A-Z0-9][\w&'’-]*)*)"
)

log = logging.getLogger("elaaoms.profiles")


@frozen(kw_only=True)
class Profile:
    """What is known of an agent, empty where nothing is; `role` is the first sentence of its prompt."""

    agent_id: str
    name: str = ""
    role: str = ""
    company: str = ""
    language: str = ""
    first_message: str = ""
    web: bool = False
    fetched_at: float | None = None


class Profiles(Protocol):
    """What the write path asks about agents."""

    async def get(self, agent_id: str) -> Profile | None:
        """The agent's profile, or None when it cannot be had; may ask ElevenLabs."""
        ...

    def knows(self, agent_id: str, *, web: bool) -> bool:
        """Whether a call with the agent, from the web or not, would tell nothing new."""
        ...

    def met(self, transaction: Transaction, agent_id: str, *, web: bool) -> None:
        """Note a call with an agent, and whether it came from the web."""
        ...

    def remember(self, agent_id: str, *, web: bool) -> None:
        """The same for `is_on_the_web`, once the note is committed."""
        ...


class AgentProfiles:
    """Profiles kept for `ttl_s` seconds, one fetch at a time for each agent; an old one beats none.

    Without an API nothing is fetched, and what calls have shown is all that is known.
    """

    def __init__(
        self, api: ElevenLabs | None, database: Database, *, ttl_s: float, clock: Callable[[], float]
    ) -> None:
        self._api = api
        self._database = database
        self._ttl_s = ttl_s
        self._clock = clock
        self._known: dict[str, Profile] = {}
        self._fetches: dict[str, asyncio.Task[Profile | None]] = {}
        self._failed_at: dict[str, float] = {}

    async def load(self) -> None:
        """Read what is known, once, so that the live path waits for nothing."""
        for row in await self._database.fetch("SELECT * FROM agents"):
            self._known[row["agent_id"]] = Profile(**dict(row) | {"web": bool(row["web"])})

    def is_on_the_web(self, agent_id: str) -> bool:
        """Whether visitors of a web page are known to reach the agent; of a nameless one, whether any is reached."""
        if not agent_id:
            return any(profile.web for profile in self._known.values())
        known = self._known.get(agent_id)
        return known is not None and known.web

    async def get(self, agent_id: str) -> Profile | None:
        now = self._clock()
        known = self._known.get(agent_id)
        if known is not None and known.fetched_at is not None and now - known.fetched_at < self._ttl_s:
            return known
        if self._api is None or not agent_id or now - self._failed_at.get(agent_id, -RETRY_S) < RETRY_S:
            return known
        if agent_id not in self._fetches:
            task = asyncio.create_task(self._fetch(self._api, agent_id), name=f"profile-{agent_id}")
            self._fetches[agent_id] = task
            task.add_done_callback(lambda _: self._fetches.pop(agent_id, None))
        # Whoever is cancelled here leaves the fetch to the others who wait for it.
        return await asyncio.shield(self._fetches[agent_id])

    async def close(self) -> None:
        """Give up fetches under way."""
        tasks = list(self._fetches.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, api: ElevenLabs, agent_id: str) -> Profile | None:
        try:
            found = read(agent_id, await api.agent(agent_id))
            before = self._known.get(agent_id)
            found = evolve(
                found, web=found.web or (before is not None and before.web), fetched_at=self._clock()
            )
            await self._database.write(lambda tx: _store(tx, found))
        except StorageFailed:
            raise
        except ElaaomsError as error:
            self._failed_at[agent_id] = self._clock()
            log.warning("the profile of agent %s cannot be had now: %s", agent_id, error)
            return self._known.get(agent_id)
        self._known[agent_id] = found
        self._failed_at.pop(agent_id, None)
        return found

    def knows(self, agent_id: str, *, web: bool) -> bool:
        known = self._known.get(agent_id)
        return known is not None and known.web >= web

    def met(self, transaction: Transaction, agent_id: str, *, web: bool) -> None:
        transaction.execute(
            "INSERT INTO agents (agent_id, web) VALUES (?, ?)"
            " ON CONFLICT (agent_id) DO UPDATE SET web = max(web, excluded.web)",
            (agent_id, web),
        )

    def remember(self, agent_id: str, *, web: bool) -> None:
        known = self._known.get(agent_id) or Profile(agent_id=agent_id)
        self._known[agent_id] = evolve(known, web=known.web or web)


def read(agent_id: str, agent: Body) -> Profile:
    """The profile in an agent as the API gives it."""
    config = _object(_object(agent, "conversation_config"), "agent")
    prompt = _text(_object(config, "prompt"), "prompt")
    role = _line(_SENTENCE.split(prompt.strip(), maxsplit=1)[0])
    company = _COMPANY.search(role)
    auth = _object(_object(agent, "platform_settings"), "auth")
    return Profile(
        agent_id=agent_id,
        name=_line(_text(agent, "name")),
        role=role,
        company=_line(company[1]) if company else "",
        language=_text(config, "language")[:8],
        first_message=_line(_text(config, "first_message")),
        web=auth.get("enable_auth") is False,  # then anybody who knows its id may talk to it
    )


def _store(transaction: Transaction, profile: Profile) -> None:
    values = asdict(profile)
    columns = ", ".join(values)
    updates = ", ".join(f"{name} = excluded.{name}" for name in values if name not in ("agent_id", "web"))
    transaction.execute(
        f"INSERT INTO agents ({columns}) VALUES ({', '.join(f':{name}' for name in values)})"  # noqa: S608
        f" ON CONFLICT (agent_id) DO UPDATE SET {updates}, web = max(web, excluded.web)",
        values,
    )


def _object(value: Body, name: str) -> Body:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Body, name: str) -> str:
    found: Any = value.get(name)
    return found if isinstance(found, str) else ""


def _line(text: str) -> str:
    return " ".join(clean(text).split())[:_MAX]
