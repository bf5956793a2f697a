"""The other side of the wire: a running daemon, and a platform that calls it as ElevenLabs and the operator do."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import evolve, field, frozen
from multidict import CIMultiDictProxy

from elaaoms import logs
from elaaoms.config import Config, Secrets, Server
from elaaoms.daemon import Running, running
from elaaoms.webhooks import sign

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))

WEBHOOK_SECRET = "wsec_0123456789abcdef0123456789abcdef"
TOOL_TOKEN = "tool-token-of-the-tests"
ADMIN_TOKEN = "admin-token-of-the-tests"

ROBIN, OUR_NUMBER = "+12025550142", "+12025550100"  # fictional: 555-01xx
AGENT = "agent_0001fictional"
WAIT_S = 20.0  # for background work

os.environ.pop(
    "PYTHONDONTWRITEBYTECODE", None
)  # or each of the processes that we start would compile us anew


LONGER = ("ELAAOMS_TEST_", "ELAAOMS_SCHEMATHESIS", "ELAAOMS_RECORDING_MB")  # switches that make tests longer


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests wait for children and disks half of the time."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who asks for a longer test does not want it ended."""
    if any(name.startswith(LONGER) for name in os.environ):
        for item in items:
            item.add_marker(pytest.mark.timeout(0))


# -- what ElevenLabs sends ----------------------------------------------------------


def sample(name: str) -> bytes:
    """A sample event as it would arrive."""
    return (Path(__file__).parent / "samples" / f"{name}.json").read_bytes()


def varied(
    name: str,
    *,
    conversation_id: str | None = None,
    number: str | None = None,
    agent_id: str | None = None,
    at: float | None = None,
) -> dict[str, Any]:
    """A sample event with another conversation, caller's number, agent or start (unix seconds)."""
    event: dict[str, Any] = json.loads(sample(name))
    data = event["data"]
    variables = (data.get("conversation_initiation_client_data") or {}).get("dynamic_variables") or {}
    metadata = data.get("metadata") or {}
    if conversation_id is not None:
        data["conversation_id"] = conversation_id
        variables["system__conversation_id"] = conversation_id
    if agent_id is not None:
        data["agent_id"] = variables["system__agent_id"] = agent_id
    if number is not None:
        variables["system__caller_id"] = number
        if metadata.get("phone_call"):
            metadata["phone_call"]["external_number"] = number
    if at is not None:
        event["event_timestamp"] = int(at) + 60
        metadata["start_time_unix_secs"] = int(at)
    return event


def call(
    *texts: str,
    conversation_id: str = "conv_test",
    number: str | None = ROBIN,
    agent_id: str = AGENT,
    at: float | None = None,
) -> dict[str, Any]:
    """A transcription of a call in which the caller says `texts`; `number` None is a withheld one."""
    event = varied("inbound_twilio", conversation_id=conversation_id, agent_id=agent_id, at=at or time.time())
    event = json.loads(json.dumps(event).replace(ROBIN, number or "anonymous"))
    turn = {"tool_calls": [], "tool_results": [], "feedback": None, "interrupted": False}
    spoken = [("agent", "How can I help?"), *(("user", text) for text in texts), ("agent", "Goodbye.")]
    event["data"]["transcript"] = [
        {"role": role, "message": text, "time_in_call_secs": index * 4, **turn}
        for index, (role, text) in enumerate(spoken)
    ]
    event["data"]["analysis"] = None
    return event


# -- who sends it -------------------------------------------------------------------


@frozen
class Answer:
    """One response, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """What the wrapper holds."""
        return self.json["data"]

    @property
    def variables(self) -> dict[str, Any]:
        """The dynamic variables of a client-data answer."""
        found: dict[str, Any] = self.json["dynamic_variables"]
        return found


@frozen
class Platform:
    """ElevenLabs, and the operator, before a running daemon."""

    url: str
    admin_url: str
    data: Path
    session: aiohttp.ClientSession
    webhook_secret: str = WEBHOOK_SECRET
    tool_token: str = TOOL_TOKEN
    admin_token: str = ADMIN_TOKEN
    up: Running | None = field(default=None, eq=False)  # None when the daemon is another process

    async def request(self, method: str, url: str, body: Any = None, **headers: str) -> Answer:
        """One request; bytes and anything aiohttp can send go as they are, the rest as JSON."""
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
        if isinstance(body, bytes) and len(body) > 1 << 20:
            body = io.BytesIO(body)
        named = {"Content-Type": "application/json"} if body is not None else {}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, url, data=body, headers=named, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def send(self, body: Any, *, secret: str = "", at: float | None = None, **headers: str) -> Answer:
        """Post an event (bytes, or JSON) signed as ElevenLabs does, at a moment other than now if given."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = sign(secret or self.webhook_secret, raw, now=at or time.time())
        return await self.request(
            "POST", f"{self.url}/webhook/post-call", raw, **{"ElevenLabs-Signature": signature, **headers}
        )

    async def tool(self, path: str, body: Any) -> Answer:
        """Post to one of the two webhooks that carry the tool token."""
        return await self.request("POST", f"{self.url}/webhook/{path}", body, X_Elaaoms_Token=self.tool_token)

    async def initiation(self, caller_id: str | None = ROBIN, agent_id: str = AGENT) -> Answer:
        """Ask what to say to a caller."""
        request = {
            "caller_id": caller_id,
            "agent_id": agent_id,
            "called_number": OUR_NUMBER,
            "call_sid": "CA1",
        }
        return await self.tool("client-data", request)

    async def search(
        self, query: str, caller_id: str | None = ROBIN, agent_id: str | None = AGENT, **more: Any
    ) -> Answer:
        """Look something up during a call."""
        return await self.tool(
            "search-memory", {"query": query, "caller_id": caller_id, "agent_id": agent_id, **more}
        )

    async def api(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """The admin API with its token."""
        return await self.request(
            method,
            f"{self.admin_url}{path}",
            body,
            **{"Authorization": f"Bearer {self.admin_token}", **headers},
        )

    async def until(self, path: str, done: Callable[[Any], bool]) -> Any:
        """Poll the admin API until `done(data)`; the data."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            answer = await self.api("GET", path)
            if answer.status == 200 and done(answer.data):
                return answer.data
            await asyncio.sleep(0.01)
        raise AssertionError(f"{path} did not become what it should: {answer.body.decode()}")

    async def processed(self, conversation_id: str) -> dict[str, Any]:
        """The call once its job has ended."""
        path = f"/api/calls/{conversation_id}"
        found: dict[str, Any] = await self.until(
            path, lambda call: call["extraction_status"] not in ("queued", "processing")
        )
        return found

    async def settled(self, job_id: int) -> dict[str, Any]:
        """The job once it has ended."""
        ends = ("completed", "failed", "cancelled")
        found: dict[str, Any] = await self.until(f"/api/jobs/{job_id}", lambda job: job["state"] in ends)
        return found

    async def takes(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Send an event that must be accepted and wait until its call is processed; the call."""
        answer = await self.send(event)
        assert answer.status == 200, answer.body
        return await self.processed(event["data"]["conversation_id"])

    async def knows(self, *memories: Mapping[str, Any], caller: str = ROBIN) -> None:
        """Import memories, each at least `{"content": …}`."""
        lines = "\n".join(json.dumps({"caller": caller, **memory}) for memory in memories)
        answer = await self.api("POST", "/api/memories/import", lines.encode())
        assert answer.status == 200, answer.body

    async def memories(self, query: str = "") -> list[dict[str, Any]]:
        """Memories as the admin API lists them, `query` like `status=active`."""
        found: list[dict[str, Any]] = (await self.api("GET", f"/api/memories?limit=100&{query}")).data[
            "memories"
        ]
        return found

    # -- what is on the disk

    def files(self) -> dict[str, bytes]:
        """Everything that was archived or is on its way, by path below the data directory."""
        return {
            str(path.relative_to(self.data)): path.read_bytes()
            for folder in ("payloads", "incoming")
            for path in sorted((self.data / folder).rglob("*"))
            if path.is_file()
        }

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Read or change the database through a connection of our own."""
        with closing(sqlite3.connect(self.data / "elaaoms.db", timeout=10, isolation_level=None)) as ours:
            return ours.execute(statement).fetchall()

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.sql(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608


# -- time ---------------------------------------------------------------------------


def grows_linearly(short: Callable[[], object], long: Callable[[], object], factor: float) -> bool:
    """Whether `long`, with `factor` times as much to read, takes that much longer at most, give or take a half.

    The time is this thread's own on the processor, so that a busy machine changes nothing; what is measured
    again after it seemed to take longer is the best of each.
    """
    short()
    best = [99.0, 99.0]
    for _ in range(4):
        best = [min(known, _elapsed(work)) for known, work in zip(best, (short, long), strict=True)]
        if best[1] <= 1.5 * factor * best[0] + 0.05:
            return True
    return False


def _elapsed(work: Callable[[], object]) -> float:
    gc.disable()
    try:
        began = time.thread_time()
        work()
        return time.thread_time() - began
    finally:
        gc.enable()


# -- a daemon -----------------------------------------------------------------------


def secrets(**changes: tuple[str, ...]) -> Secrets:
    """The three secrets that a daemon needs."""
    given = {
        "webhook_secret": (WEBHOOK_SECRET,),
        "tool_token": (TOOL_TOKEN,),
        "admin_token": (ADMIN_TOKEN,),
    }
    return Secrets(given | changes)


@asynccontextmanager
async def connected(url: str, admin_url: str, data: Path, **more: Any) -> AsyncIterator[Platform]:
    """A platform before a daemon that runs anywhere."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Platform(url, admin_url, data, session, **more)


@asynccontextmanager
async def started(
    config: Config, *, given: Secrets | None = None, clock: Callable[[], float] = time.time
) -> AsyncIterator[Platform]:
    """A daemon on free ports of the loopback, and the platform that calls it."""
    server = evolve(config.server, port=0, admin_port=0)
    async with (
        running(evolve(config, server=server), given or secrets(), clock=clock) as up,
        connected(up.url, up.admin_url, config.data, up=up) as platform,
    ):
        yield platform


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands that run within a test set the process's logging up; the next test finds it as before."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    for name in ("elaaoms", *(name for names in logs._AREAS.values() for name in names)):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """All defaults, in a folder of its own."""
    return Config(data_dir=str(tmp_path / "data"), server=Server(port=0, admin_port=0))


@pytest.fixture
async def platform(config: Config) -> AsyncIterator[Platform]:
    """ElevenLabs before a fresh daemon with all defaults."""
    async with started(config) as platform:
        yield platform


@pytest.fixture
def daemon(platform: Platform) -> Running:
    """The daemon that `platform` calls."""
    assert platform.up is not None
    return platform.up
