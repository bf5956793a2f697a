"""No call is missed: finished conversations that never arrived are fetched from ElevenLabs, oldest first.

`elaaoms backfill` imports the past with it, and the daemon closes gaps. What was done is not noted anywhere: a
conversation is missing until an event of it is recorded, so either may be stopped anywhere and started again.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from attrs import define

from elaaoms.archive import Archive
from elaaoms.calls import CallStore
from elaaoms.database import Database
from elaaoms.elevenlabs import ElevenLabs, Listed, patiently
from elaaoms.errors import (
    ElaaomsError,
    NotFound,
    ServiceRejected,
    ServiceUnavailable,
    StorageFailed,
    Unreadable,
)
from elaaoms.ingest import Ingest
from elaaoms.llm import Prices, Usage
from elaaoms.webhooks import AUDIO, TRANSCRIPTION, is_conversation_id, parse_event

FINISHED = "done"
CONCURRENCY = 3  # conversations fetched ahead of the one that is taken in
WINDOW_S = 30 * 86400.0  # how much of a long past is listed at once
ASK = 100  # conversations asked about at once

# A finished call is fetched this long after its end, so that its webhook has had its first attempts.
GRACE_S = 180.0
# An unfinished one is waited for no longer than this: a call lasts two hours at most.
PATIENCE_S = 6 * 3600.0
# A finished one that cannot be fetched is tried again for as long.
STUBBORN_S = 24 * 3600.0
FIRST_LOOK_S = 86400.0  # how far the first pass of an installation looks back
OVERLAP_S = 600.0  # between two passes: a list may show a call late

_POINT = "elevenlabs_confirmed"

log = logging.getLogger("elaaoms.backfill")


class Intake(Protocol):
    """Where fetched events go: the same way that webhooks take."""

    async def missing(self, conversation_ids: Sequence[str], kind: str) -> frozenset[str]:
        """Those of the conversations of which no event of this type is recorded."""
        ...

    async def take(self, pieces: AsyncIterator[bytes]) -> None:
        """Archive an event and queue its work; durable when this returns."""
        ...


class Local:
    """The intake of the process that holds the data."""

    def __init__(self, archive: Archive, calls: CallStore, ingest: Ingest) -> None:
        self._archive = archive
        self._calls = calls
        self._ingest = ingest

    async def missing(self, conversation_ids: Sequence[str], kind: str) -> frozenset[str]:
        return await self._calls.unheard_of(conversation_ids, kind)

    async def take(self, pieces: AsyncIterator[bytes]) -> None:
        self._archive.check_space(0)
        with self._archive.receive() as incoming:
            async for piece in pieces:
                incoming.write(piece)
            archived = await self._archive.keep(incoming, lambda event, size: None)
        await self._ingest.take(archived)


@define
class Report:
    """What came of it. `gone`: deleted at ElevenLabs meanwhile; `failed`: could not be fetched now."""

    finished: int = 0
    missing: int = 0
    fetched: int = 0
    audio: int = 0
    gone: int = 0
    failed: int = 0
    unfetched: tuple[Listed, ...] = ()


class Backfill:
    """Fetches what is missing and hands it to an intake, in the order in which the calls began."""

    def __init__(
        self,
        api: ElevenLabs,
        intake: Intake,
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._intake = intake
        self._sleep = sleep

    async def listed(self, *, after: float | None, before: float, agent_id: str | None) -> list[Listed]:
        """Every conversation that began within the bounds, once, oldest first.

        The list is newest first and grows at its head while it is read, so the upper bound stays fixed.
        """
        found: dict[str, Listed] = {}
        cursor: str | None = None
        while True:
            ask = partial(
                self._api.conversations, after=after, before=before, agent_id=agent_id, cursor=cursor
            )
            page, following = await patiently(ask, sleep=self._sleep)
            found |= {one.conversation_id: one for one in page}
            if following is None or following == cursor:
                return sorted(found.values(), key=lambda one: (one.started_at, one.conversation_id))
            cursor = following

    async def missing(self, listed: Sequence[Listed], kind: str = TRANSCRIPTION) -> list[Listed]:
        """Those of which nothing arrived, in their order; ids that could not be file names are left alone."""
        found: list[Listed] = []
        sound = [one for one in listed if is_conversation_id(one.conversation_id)]
        for start in range(0, len(sound), ASK):
            some = sound[start : start + ASK]
            missing = await self._intake.missing([one.conversation_id for one in some], kind)
            found += (one for one in some if one.conversation_id in missing)
        return found

    async def fetch(
        self,
        missing: Sequence[Listed],
        report: Report,
        *,
        progress: Callable[[], Any] = lambda: None,
    ) -> None:
        """Fetch some ahead, take in one after the other; what became of each goes into `report`."""
        waiting = deque(missing)
        ahead: deque[tuple[Listed, asyncio.Task[bytes]]] = deque()
        try:
            while waiting or ahead:
                while waiting and len(ahead) < CONCURRENCY:
                    one = waiting.popleft()
                    ahead.append((one, asyncio.create_task(self._event(one))))
                one, task = ahead.popleft()
                try:
                    # The webhook may have come while we fetched.
                    event = await task
                    if await self._intake.missing([one.conversation_id], TRANSCRIPTION):
                        await self._intake.take(_pieces(event))
                        report.fetched += 1
                except NotFound:
                    report.gone += 1
                except (ServiceUnavailable, ServiceRejected) as error:
                    log.warning("call %s cannot be fetched: %s", one.conversation_id, error)
                    report.failed += 1
                    report.unfetched = (*report.unfetched, one)
                progress()
        finally:
            for _, task in ahead:
                task.cancel()
            await asyncio.gather(*(task for _, task in ahead), return_exceptions=True)

    async def fetch_audio(self, one: Listed, report: Report) -> None:
        """Fetch a recording, if there is one and we have none."""
        if not await self._intake.missing([one.conversation_id], AUDIO):
            return
        try:
            async with self._api.audio(one.conversation_id) as pieces:
                await self._intake.take(audio_event(one, pieces))
            report.audio += 1
        except NotFound:
            return

    async def _event(self, one: Listed) -> bytes:
        body = await patiently(lambda: self._api.conversation(one.conversation_id), sleep=self._sleep)
        event = event_of(body, one)
        try:
            named = parse_event(event).conversation_id
        except Unreadable:
            return event  # kept aside by the archive, as it would be if it had come by webhook
        if named != one.conversation_id:
            raise ServiceRejected("ElevenLabs answered with another conversation")
        return event


def event_of(data: bytes, one: Listed) -> bytes:
    """A fetched conversation as the event that the webhook would have brought, `data` byte for byte.

    It is dated at the call's end, which is before the webhook's own date: whichever comes second, the webhook
    has the last word.
    """
    return (
        b'{"type":"%b","event_timestamp":%d,"fetched":true,"data":'
        % (TRANSCRIPTION.encode(), int(one.ended_at))
        + data
        + b"}"
    )


async def audio_event(one: Listed, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A fetched recording as the event that the webhook would have brought, piece by piece."""
    data = {"agent_id": one.agent_id, "conversation_id": one.conversation_id}
    head = {"type": AUDIO, "event_timestamp": int(one.ended_at), "fetched": True, "data": data}
    yield json.dumps(head).encode().removesuffix(b"}}") + b', "full_audio": "'
    rest = b""
    async for piece in pieces:
        rest += piece
        whole = len(rest) // 3 * 3
        yield base64.b64encode(rest[:whole])
        rest = rest[whole:]
    yield base64.b64encode(rest) + b'"}}'


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


def windows(after: float | None, before: float) -> Iterator[tuple[float | None, float]]:
    """The past in pieces, oldest first; one piece when its beginning is not known."""
    if after is None:
        yield None, before
        return
    while after < before:
        yield after, min(after + WINDOW_S, before)
        after += WINDOW_S


def estimate_usd(listed: Sequence[Listed], prices: Prices) -> float:
    """About what extraction will cost, from how long the calls were.

    Two people say about 3.5 tokens a second; the prompt has 2,000 and an answer about 500.
    """
    talk = sum(one.duration_s for one in listed)
    usage = Usage(input_tokens=int(talk * 3.5) + 2000 * len(listed), output_tokens=500 * len(listed))
    return prices.cost(usage)


# -- gaps -------------------------------------------------------------------------------


class Capture:
    """Closes gaps: now and then the list is compared with what arrived, from the last confirmed point on.

    `agents` limits it to some agents; empty is every agent of the workspace. `trouble` is what stands in the
    way at the moment, `fetched` how many calls were fetched since the start.
    """

    def __init__(
        self,
        backfill: Backfill,
        calls: CallStore,
        database: Database,
        *,
        agents: Sequence[str],
        every_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._backfill = backfill
        self._calls = calls
        self._database = database
        self._agents: tuple[str | None, ...] = tuple(agents) or (None,)
        self._every_s = every_s
        self._clock = clock
        self.trouble = ""
        self.fetched = 0

    async def run(self) -> None:
        """Close gaps until cancelled, at once and then every `every_s` seconds."""
        while True:
            try:
                await self.close_gaps()
                self.trouble = ""
            except StorageFailed:
                raise
            except ElaaomsError as error:
                self.trouble = str(error)
                log.warning("missed calls cannot be looked for now: %s", error)
            await asyncio.sleep(self._every_s)

    async def close_gaps(self) -> Report:
        """One pass. The point moves on to where everything before it is here or will never be."""
        now = self._clock()
        point = await self._point(now)
        report = Report()
        pending: list[Listed] = []
        for agent in self._agents:
            listed = await self._backfill.listed(after=point - OVERLAP_S, before=now, agent_id=agent)
            settled = [one for one in listed if one.status == FINISHED and one.ended_at <= now - GRACE_S]
            open_ones = [one for one in listed if one not in settled and one.status != "failed"]
            pending += (one for one in open_ones if one.started_at > now - PATIENCE_S)
            missing = await self._backfill.missing(settled)
            report.finished += len(settled)
            report.missing += len(missing)
            await self._backfill.fetch(missing, report)
        pending += (one for one in report.unfetched if one.started_at > now - STUBBORN_S)
        await self._confirm(min([now, *(one.started_at for one in pending)]))
        self.fetched += report.fetched
        if report.missing:
            log.warning(
                "%d finished calls had not arrived: %d fetched, %d gone, %d to be tried again",
                report.missing,
                report.fetched,
                report.gone,
                report.failed,
            )
        return report

    async def _point(self, now: float) -> float:
        rows = await self._database.fetch("SELECT value FROM settings WHERE name = ?", (_POINT,))
        if rows:
            return float(rows[0]["value"])
        newest = await self._calls.newest()
        return now - FIRST_LOOK_S if newest is None else min(newest, now - FIRST_LOOK_S)

    async def _confirm(self, point: float) -> None:
        await self._database.write(
            lambda tx: (
                tx.execute(
                    "INSERT INTO settings (name, value) VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (_POINT, str(point)),
                ).rowcount
            )
        )
