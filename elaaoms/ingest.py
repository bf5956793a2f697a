"""The write path: an archived event becomes a call and a job, and the job turns a call into memories."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from attrs import asdict, evolve, frozen

from elaaoms import reconcile, redact
from elaaoms.archive import Archive, Archived
from elaaoms.calls import CallStore
from elaaoms.database import Database, Transaction
from elaaoms.directory import Directory, Identified
from elaaoms.errors import ElaaomsError, NotFound, ServiceRejected, StorageFailed, Unreadable
from elaaoms.extract import Extractor
from elaaoms.extract.evidence import to_the_model
from elaaoms.greeting import Style, prepare
from elaaoms.jobs import Done, Job, JobQueue, NewJob, Outcome, State
from elaaoms.memory import MAX_CONTENT, MAX_QUOTE, Fact, Heard, MemoryStore, owner_of
from elaaoms.profiles import Profiles
from elaaoms.webhooks import AUDIO, Collected, Conversation, Event, Scanner, parse_event

REMEMBER = "remember"  # extract memories from a call
AUDIO_FILE = "audio"  # decode a call's audio

_BASE64_STEP = 1 << 16  # characters decoded at a time; a multiple of four

log = logging.getLogger("elaaoms.ingest")


@frozen(kw_only=True)
class Accepted:
    """What became of an event, as the answer to ElevenLabs says it."""

    conversation_id: str | None
    webhook_type: str | None
    job_id: int | None
    duplicate: bool
    extraction_status: str


@frozen(kw_only=True)
class Statement:
    """Something the operator says about a caller; `key` makes saying it again harmless."""

    key: str
    fact: Fact
    heard_at: float
    agent_id: str | None


class Ingest:
    """Takes in events and turns calls into memories; every method may be repeated after a crash."""

    def __init__(
        self,
        database: Database,
        archive: Archive,
        calls: CallStore,
        memories: MemoryStore,
        queue: JobQueue,
        directory: Directory,
        extractor: Extractor,
        profiles: Profiles,
        *,
        policy: reconcile.Policy,
        privacy: redact.Policy,
        style: Style,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._archive = archive
        self._calls = calls
        self._memories = memories
        self._queue = queue
        self._directory = directory
        self._extractor = extractor
        self._profiles = profiles
        self._reconcile = partial(reconcile.learn, policy=policy)
        self._privacy = privacy
        self._style = style
        self._clock = clock
        self.behind = False  # archived bodies wait for their rows

    @property
    def handlers(self) -> Mapping[str, Callable[[Job], Any]]:
        """What the worker runs, by kind of job."""
        return {REMEMBER: self.remember, AUDIO_FILE: self.decode_audio}

    # -- an event arrives -----------------------------------------------------------

    async def take(self, archived: Archived) -> Accepted:
        """`accept` for a sender who waits: the body is safe, so a database that refuses is no reason to.

        The row follows when the database takes writes again (`behind` until then, `adopt` mends it).
        """
        try:
            return await self.accept(archived)
        except StorageFailed:
            raise
        except ElaaomsError as error:
            log.error("an archived call is not recorded yet: %s", error)
            self.behind = True
            event = archived.event
            return Accepted(
                conversation_id=event.conversation_id if event else None,
                webhook_type=event.type if event else None,
                job_id=None,
                duplicate=False,
                extraction_status="queued" if event else "held",
            )

    async def accept(self, archived: Archived) -> Accepted:
        """Record an archived body and queue its work, in one transaction."""
        now = self._clock()
        event = archived.event
        if event is None:
            new = await self._database.write(lambda tx: self._calls.hold(tx, archived, now=now))
            log.warning("a signed body of %d bytes is held: %s", archived.size, archived.reason)
            return Accepted(
                conversation_id=None,
                webhook_type=None,
                job_id=None,
                duplicate=not new,
                extraction_status="held",
            )
        talk = event.conversation
        if talk is not None:  # ElevenLabs' own summary may repeat what must not be kept
            summary, title = (
                "" if to_the_model(text) else redact.redact(text, self._privacy)
                for text in (talk.summary, talk.title)
            )
            talk = evolve(talk, summary=summary, title=title)
            archived = evolve(archived, event=evolve(event, conversation=talk))
        who = await self._directory.identify_call(talk) if talk is not None else None
        own = self._directory.own_numbers(talk) if talk is not None else []
        owner = owner_of(who.caller if who else None, event.conversation_id)
        agent = talk.agent_id if talk is not None else ""
        web = talk is not None and talk.channel == "web"

        def transaction(tx: Transaction) -> tuple[Accepted, bool]:
            recorded = self._calls.record(tx, archived, now=now)
            job_id = recorded.job_id
            if recorded.newest:
                if talk is not None:
                    job = NewJob(
                        kind=REMEMBER, args={"path": archived.path}, lock=owner, unique_key=archived.sha256
                    )
                    job_id = self._queue.enqueue(tx, job, now=now)
                elif event.type == AUDIO:
                    job = NewJob(kind=AUDIO_FILE, args={"path": archived.path}, unique_key=archived.sha256)
                    job_id = self._queue.enqueue(tx, job, now=now)
                if job_id is not None:
                    self._calls.queued(tx, archived, job_id)
                self._introduce(
                    tx, who, own, (talk.started_at if talk else 0) or event.event_timestamp or now
                )
                self._calls.describe(tx, archived, who.caller if who else None, now=now, job_id=job_id)
                if agent:
                    self._profiles.met(tx, agent, web=web)
            accepted = Accepted(
                conversation_id=event.conversation_id,
                webhook_type=event.type,
                job_id=job_id,
                duplicate=recorded.duplicate,
                extraction_status="queued" if job_id is not None else "nothing",
            )
            return accepted, recorded.newest

        accepted, newest = await self._database.write(transaction)
        if accepted.duplicate and event.type == AUDIO and accepted.job_id is not None:
            await self._remove_decoded(archived.path, accepted.job_id)
        if not newest and talk is not None:
            call = await self._calls.get(event.conversation_id)
            accepted = evolve(accepted, extraction_status=call.extraction_status)
        self._directory.own.update(own)
        if agent and newest:
            self._profiles.remember(agent, web=web)
        self._queue.announce()
        return accepted

    def _introduce(self, tx: Transaction, who: Identified | None, own: Sequence[str], at: float) -> None:
        if who is not None:
            self._calls.meet(tx, who.caller, who.address, now=at)
        if own:
            self._calls.own_numbers_seen(tx, own)

    async def adopt(self) -> int:
        """Record bodies that were archived but never committed: after a crash, or while the database refused."""
        self.behind = False
        known = await self._calls.recorded()
        found = await asyncio.to_thread(
            lambda: [path for path, _ in self._archive.bodies() if path not in known]
        )
        for path in sorted(found):
            await self.accept(await asyncio.to_thread(self._archive.adopt, path))
        return len(found)

    # -- a call is remembered ---------------------------------------------------------

    async def remember(self, job: Job) -> Outcome:
        """Extract, verify, reconcile; memories, the next greeting and the call's outcome are one write."""
        body = await asyncio.to_thread(self._archive.read, job.args["path"])
        event = await asyncio.to_thread(parse_event, body)
        talk = event.conversation
        if talk is None:
            raise Unreadable("the event has no transcript")
        if await self._is_outdated(event):
            log.info("call %s: a newer body took this one's place", event.conversation_id)
            return Done()
        who = await self._directory.identify_call(talk)
        known = await self._memories.active(who.caller) if who is not None else []
        turns, removed = await asyncio.to_thread(redact.redact_turns, talk.turns, self._privacy)
        extraction = await self._extractor.extract(
            evolve(await self._introduced(talk), turns=turns, collected=self._harmless(talk)), known
        )
        now = self._clock()
        heard_at = talk.started_at or event.event_timestamp or now
        arrived_at = (await self._calls.get(talk.conversation_id)).received_at
        heard = [_heard(talk, self._redacted(fact), heard_at, arrived_at) for fact in extraction.facts]
        dropped = [asdict(entry) | {"content": self._hide(entry.content)} for entry in extraction.dropped]
        owner = owner_of(who.caller if who else None, talk.conversation_id)

        def write(tx: Transaction) -> None:
            self._introduce(tx, who, self._directory.own_numbers(talk), heard_at)
            self._memories.learn(
                tx, heard, owner=owner, conversation_id=talk.conversation_id, reconcile=self._reconcile
            )
            outcome = "completed" if heard else "nothing"
            self._calls.settle(tx, talk.conversation_id, outcome=outcome, dropped=dropped)
            if who is not None:
                self._prepare(tx, who.caller, now)

        log.info(
            "call %s: %d facts, %d dropped, %d secrets taken out, by %s",
            talk.conversation_id,
            len(heard),
            len(dropped),
            sum(removed.values()),
            self._extractor.name,
        )
        return Done(write)

    async def _introduced(self, talk: Conversation) -> Conversation:
        """A call that says who its agent is, as far as its profile tells."""
        profile = await self._profiles.get(talk.agent_id)
        if profile is None:
            return talk
        return evolve(
            talk,
            agent_name=talk.agent_name or profile.name,
            agent_role=profile.role,
            agent_company=profile.company,
            language=talk.language or profile.language,
        )

    def _hide(self, text: str) -> str:
        return redact.redact(text, self._privacy)

    def _redacted(self, fact: Fact) -> Fact:
        """A fact without secrets: a model may put together again what stood in pieces in the call."""
        value = fact.value if self._hide(fact.value) == fact.value else ""
        content = self._hide(fact.content)[:MAX_CONTENT] or "[removed]"
        return evolve(fact, content=content, quote=self._hide(fact.quote)[:MAX_QUOTE], value=value)

    def _harmless(self, talk: Conversation) -> tuple[Collected, ...]:
        """Data that ElevenLabs collected, but for secrets."""
        return tuple(entry for entry in talk.collected if self._hide(entry.value) == entry.value)

    async def _is_outdated(self, event: Event) -> bool:
        """Whether a later body of this conversation arrived, so that a retried job must not undo it."""
        return any(
            row["type"] == event.type and row["event_timestamp"] > event.event_timestamp
            for row in await self._calls.events(event.conversation_id)
        )

    def _prepare(self, tx: Transaction, caller: str, now: float) -> None:
        """Compose what the caller's next call will be given."""
        memories = self._memories.of_owner(tx, caller)
        prepared = prepare(memories, self._calls.last_calls(tx, caller), style=self._style, now=now)
        self._memories.prepare(tx, caller, prepared)

    async def state(self, who: Identified, statements: Sequence[Statement]) -> int:
        """Remember what the operator says about a caller; how much of it is new."""
        now = self._clock()
        heard = [
            Heard(
                key=said.key,
                fact=self._redacted(said.fact),
                source="operator",
                heard_at=said.heard_at,
                arrived_at=now,
                agent_id=said.agent_id,
            )
            for said in statements
        ]

        def transaction(tx: Transaction) -> int:
            self._calls.meet(tx, who.caller, who.address, now=now)
            new = self._memories.learn(
                tx, heard, owner=who.caller, conversation_id=None, reconcile=self._reconcile
            )
            self._prepare(tx, who.caller, now)
            return new

        return await self._database.write(transaction)

    # -- audio ----------------------------------------------------------------------

    async def decode_audio(self, job: Job) -> Outcome:
        """Turn the base64 of an audio event into `{id}_audio.mp3`, in bounded memory."""
        return await asyncio.to_thread(self._decode_audio, job.args["path"])

    async def _remove_decoded(self, path: str, job_id: int) -> None:
        """Remove audio that came again after it was decoded."""
        with suppress(NotFound):  # a job may have been pruned
            if (await self._queue.get(job_id)).state is State.COMPLETED:
                await asyncio.to_thread(self._archive.remove, path)

    def _decode_audio(self, path: str) -> Outcome:
        target = path.removesuffix(".json") + ".mp3"
        if not (self._archive.root / path).exists() and (self._archive.root / target).exists():
            return Done()  # a crash came between decoding and settling
        with self._archive.replacing(target) as file:
            decoder = _Base64(file.write)
            scanner = Scanner(text=decoder.feed)
            for piece in self._archive.open(path):
                scanner.feed(piece)
            scanner.finish()
            decoder.finish()
        self._archive.remove(path)  # the bytes live on in the MP3
        return Done()


class _Base64:
    """Decode base64 that arrives in pieces; what comes out must be an MP3."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._rest = bytearray()
        self._begun = False

    def feed(self, piece: bytes) -> None:
        """Take the raw bytes of the JSON string, in which `/` may be written as `\\/`."""
        self._rest += piece.replace(b"\\", b"")
        if len(self._rest) >= _BASE64_STEP:
            whole = len(self._rest) // 4 * 4
            self._decode(bytes(self._rest[:whole]))
            del self._rest[:whole]

    def finish(self) -> None:
        """Decode what is left; ServiceRejected if there was no MP3."""
        self._decode(bytes(self._rest))
        if not self._begun:
            raise ServiceRejected("the audio event has no audio")

    def _decode(self, text: bytes) -> None:
        try:
            audio = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ServiceRejected("the audio is not valid base64") from error
        if audio and not self._begun:
            if not is_mp3(audio):
                raise ServiceRejected("the audio is not an MP3; the event is kept as it came")
            self._begun = True
        if audio:
            self._write(audio)


def is_mp3(head: bytes) -> bool:
    """Whether bytes begin an MP3: an ID3 tag, or the sync word of an MPEG layer III frame."""
    return head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2)


def _heard(talk: Conversation, fact: Fact, heard_at: float, arrived_at: float) -> Heard:
    return Heard(
        key=reconcile.fact_key(talk.conversation_id, fact),
        fact=fact,
        source="call",
        heard_at=heard_at,
        arrived_at=arrived_at,
        agent_id=talk.agent_id or None,
        conversation_id=talk.conversation_id,
    )
