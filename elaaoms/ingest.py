"""The write path: an archived event becomes a call and a job, and the job turns a call into memories."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any

from attrs import asdict, evolve, frozen

from elaaoms import logs, reconcile, redact
from elaaoms.archive import Archive, Archived
from elaaoms.audit import AuditTrail, Entry
from elaaoms.audit import effects as effects_of
from elaaoms.budget import Tally
from elaaoms.calls import CallStore, LastCall, Recorded
from elaaoms.database import Database, Transaction
from elaaoms.directory import Directory, Identified
from elaaoms.errors import (
    Conflicting,
    ElaaomsError,
    NotFound,
    ServiceRejected,
    StorageFailed,
    StorageUnavailable,
    Unreadable,
)
from elaaoms.extract import Extractor
from elaaoms.extract.injection import to_the_model
from elaaoms.extract.requests import asked_to_be_forgotten
from elaaoms.greeter import Greeter
from elaaoms.greeting import Style, prepare
from elaaoms.jobs import Done, Job, JobQueue, NewJob, Outcome, State
from elaaoms.memory import (
    MAX_CONTENT,
    MAX_QUOTE,
    Fact,
    Heard,
    Memory,
    MemoryStore,
    Prepared,
    Relation,
    Scrubbed,
    Status,
    is_caller,
    owner_of,
)
from elaaoms.metrics import Metrics
from elaaoms.profiles import Profiles
from elaaoms.redact.payload import without_secrets
from elaaoms.replay import Reading, Replay, reasons
from elaaoms.webhooks import AUDIO, Collected, Conversation, Event, Scanner, parse_event

REMEMBER = "remember"  # extract memories from a call
AUDIO_FILE = "audio"  # decode a call's audio
ERASE = "erase"  # a caller asked to be forgotten, and that is honoured at once
GREET = "greet"  # have a model word a caller's next greeting

HOUR_S = 3600.0
RECORD_S = 3.0  # how long a sender waits for the database once the body is safe
MOST_WAITING = 10_000  # bodies remembered as safe but not recorded; more are found by a scan
SCAN_PAUSE_S = 0.005  # between two slices of the archive, for everybody else
GENTLY = 20  # times as long as a slice took, for everybody else, when nobody waits for the look
CLOCKS_S = 172_800.0  # how far the clock may jump without a body being passed over by a scan
SETTLED_S = 3600.0  # after so long no body is on its way to its row any more

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
class _Arrival:
    """An archived event before its row: who called, and what of our side is new (`own` numbers, an agent not `met`)."""

    archived: Archived
    event: Event
    who: Identified | None
    own: tuple[str, ...]
    met: bool
    digest: str
    now: float

    @property
    def caller(self) -> str | None:
        return self.who.caller if self.who is not None else None

    @property
    def owner(self) -> str:
        return owner_of(self.caller, self.event.conversation_id)

    @property
    def happened_at(self) -> float:
        """When it happened as far as the event says, in unix seconds."""
        talk = self.event.conversation
        return (talk.started_at if talk else 0) or self.event.event_timestamp or self.now


@frozen(kw_only=True)
class Statement:
    """Something the operator says about a caller; `key` makes saying it again harmless."""

    key: str
    fact: Fact
    heard_at: float
    agent_id: str | None


@frozen(kw_only=True)
class _Understood:
    """One reading of a call, not written yet; `secrets` is how many were taken out before it."""

    talk: Conversation
    who: Identified | None
    heard_at: float
    heard: tuple[Heard, ...]
    dropped: tuple[Mapping[str, str], ...]
    secrets: int
    title: str
    summary: str


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
        audit: AuditTrail,
        profiles: Profiles,
        metrics: Metrics,
        *,
        policy: reconcile.Policy,
        privacy: redact.Policy,
        style: Style,
        greeter: Greeter | None,
        redact_payloads: bool,
        honours_requests: bool = False,
        calls_per_hour: int,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._archive = archive
        self._calls = calls
        self._memories = memories
        self._queue = queue
        self._directory = directory
        self._extractor = extractor
        self._audit = audit
        self._metrics = metrics
        self._calls_per_hour = calls_per_hour
        self._profiles = profiles
        self._reconcile = partial(reconcile.learn, policy=policy)
        self._privacy = privacy
        self._style = style
        self._greeter = greeter
        self._redact_payloads = redact_payloads
        self._honours_requests = honours_requests
        self._clock = clock
        self._redacting = asyncio.Lock()
        self._waiting: dict[str, None] = {}  # paths of bodies that are safe and wait for their rows
        self._scan = False  # whether more wait than we remember
        self._scanned = False  # whether the archive was looked through since the start, or needs no look
        self._looked = False  # whether it was looked through since the start

    @property
    def behind(self) -> bool:
        """Whether archived bodies wait for their rows."""
        return bool(self._waiting) or self._scan

    @property
    def recorded(self) -> bool:
        """Whether every archived body is known to have its row."""
        return self._scanned and not self.behind and not self._archive.stray

    @property
    def handlers(self) -> Mapping[str, Callable[[Job], Any]]:
        """What the worker runs, by kind of job."""
        return {REMEMBER: self.remember, GREET: self.greet, AUDIO_FILE: self.decode_audio}

    # -- an event arrives -----------------------------------------------------------

    async def take(self, archived: Archived) -> Accepted:
        """`accept` for a sender who waits: the body is safe, so a database that refuses is no reason to.

        The row follows when the database takes writes again (`behind` until then, `catch_up` mends it).
        """
        try:
            async with asyncio.timeout(RECORD_S):
                return await self.accept(archived)
        except StorageFailed:
            raise
        except asyncio.CancelledError:
            self._remember_to_record(archived.path)
            raise
        except (ElaaomsError, TimeoutError) as error:
            log.error("an archived call is not recorded yet: %s", str(error) or "the database is too slow")
            self._remember_to_record(archived.path)
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
        event = archived.event
        if event is None:
            now = self._clock()
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
        who = await self._directory.identify_call(talk) if talk is not None else None
        agent = talk.agent_id if talk is not None else ""
        _note(event.conversation_id, agent, who)
        web = talk is not None and talk.channel == "web"
        arrival = _Arrival(
            archived=archived,
            event=event,
            who=who,
            own=tuple(self._directory.own_numbers(talk)) if talk is not None else (),
            met=bool(agent) and not self._profiles.knows(agent, web=web),
            digest=self._directory.digest(event.conversation_id),
            now=self._clock(),
        )
        accepted, recorded = await self._database.write_each(self._record, arrival)
        if recorded.path != archived.path:  # it came again after it was erased or lost its secrets
            await asyncio.to_thread(self._archive.remove, archived.path)
        if accepted.duplicate and event.type == AUDIO and accepted.job_id is not None:
            await self._remove_decoded(archived.path, accepted.job_id)
        if not recorded.newest and talk is not None and recorded.path:
            call = await self._calls.get(event.conversation_id)
            accepted = evolve(accepted, extraction_status=call.extraction_status)
        self._directory.own.update(arrival.own)
        if arrival.met and recorded.newest:
            self._profiles.remember(agent, web=web)
        self._queue.announce()
        return accepted

    def _record(self, tx: Transaction, arrivals: Sequence[_Arrival]) -> list[tuple[Accepted, Recorded]]:
        """Record what waits for the database: calls that are new to it together, others one by one."""
        outcomes: dict[int, tuple[Accepted, Recorded]] = {}
        if len(arrivals) > 1:
            outcomes = self._record_new(tx, arrivals)
        return [
            outcomes.get(number) or self._record_one(tx, arrival) for number, arrival in enumerate(arrivals)
        ]

    def _record_one(self, tx: Transaction, arrival: _Arrival) -> tuple[Accepted, Recorded]:
        event, archived, now = arrival.event, arrival.archived, arrival.now
        talk = event.conversation
        if self._calls.erased(tx, arrival.digest):
            return _erased(event), Recorded(duplicate=True, newest=False, path="")
        arrival = evolve(arrival, who=self._as_known(tx, arrival.who))
        not_before = self._turn(tx, arrival)
        recorded = self._calls.record(tx, archived, now=now)
        job_id = recorded.job_id
        if recorded.newest:
            if talk is not None:
                job_id = self._queue.enqueue(
                    tx, evolve(_to_remember(arrival), not_before=not_before), now=now
                )
            elif event.type == AUDIO:
                job = NewJob(kind=AUDIO_FILE, args={"path": archived.path}, unique_key=archived.sha256)
                job_id = self._queue.enqueue(tx, job, now=now)
            if job_id is not None:
                self._calls.queued(tx, archived, job_id)
            self._introduce(tx, arrival.who, arrival.own, arrival.happened_at, talk.language if talk else "")
            self._calls.describe(tx, archived, arrival.caller, now=now, job_id=job_id)
            if arrival.met and talk is not None:
                self._profiles.met(tx, talk.agent_id, web=talk.channel == "web")
        return _accepted(event, job_id, duplicate=recorded.duplicate), recorded

    def _record_new(
        self, tx: Transaction, arrivals: Sequence[_Arrival]
    ) -> dict[int, tuple[Accepted, Recorded]]:
        """`_record_one` for those to which nothing special applies, in a few statements for all; by their numbers."""
        asked = [
            (
                arrival.event.conversation_id,
                arrival.event.type,
                arrival.digest,
                arrival.caller,
                arrival.now - HOUR_S,
            )
            for arrival in arrivals
        ]
        known = self._calls.unseen(tx, asked, most=self._calls_per_hour)
        new: dict[str, int] = {}  # by conversation: of two events the second is looked at after the first
        rings = dict[str, int]()
        for number, arrival in enumerate(arrivals):
            fresh, recent = known[number]
            plain = fresh and arrival.event.conversation is not None and not arrival.own and not arrival.met
            if self._is_counted(arrival):
                rings[arrival.owner] = max(recent, rings.get(arrival.owner, 0)) + 1
                plain = plain and rings[arrival.owner] <= self._calls_per_hour
            if plain:
                new.setdefault(arrival.event.conversation_id, number)
        plain_ones = [arrivals[number] for number in new.values()]
        people = [
            (one.who.caller, one.who.address, one.happened_at, one.event.conversation.language)
            for one in plain_ones
            if one.who is not None and one.event.conversation is not None
        ]
        self._calls.meet_all(tx, people)
        jobs = [(_to_remember(one), one.now) for one in plain_ones]
        job_ids = self._queue.enqueue_all(tx, jobs)
        self._calls.record_all(
            tx,
            [(one.archived, one.caller, job, one.now) for one, job in zip(plain_ones, job_ids, strict=True)],
        )
        return {
            number: (
                _accepted(one.event, job_id, duplicate=False),
                Recorded(duplicate=False, newest=True, path=one.archived.path),
            )
            for number, one, job_id in zip(new.values(), plain_ones, job_ids, strict=True)
        }

    def _introduce(
        self, tx: Transaction, who: Identified | None, own: Sequence[str], at: float, language: str
    ) -> None:
        if who is not None:
            self._calls.meet(tx, who.caller, who.address, now=at, language=language)
        if own:
            self._calls.own_numbers_seen(tx, own)

    def _is_counted(self, arrival: _Arrival) -> bool:
        """Whether a call counts towards `limits.calls_per_hour`."""
        talk = arrival.event.conversation
        if talk is None or arrival.who is None or not self._calls_per_hour:
            return False
        return talk.started_at > arrival.now - HOUR_S

    def _turn(self, tx: Transaction, arrival: _Arrival) -> float:
        """When a call may be processed: a caller who rings too often is flagged and takes one turn at a time."""
        if not self._is_counted(arrival):
            return 0.0
        caller, now, most = arrival.owner, arrival.now, self._calls_per_hour
        if self._calls.recent(tx, caller, since=now - HOUR_S, most=most) < most:
            return 0.0
        if self._calls.flag(tx, caller, now=now):
            log.warning("%s rings more than %d times an hour and has to wait", caller, most)
        return max(now, self._queue.last_due(tx, caller) or now) + HOUR_S / most

    def _remember_to_record(self, path: str) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._waiting[path] = None
        else:
            self._scan = True

    def look_again(self) -> None:
        """The archive was not looked through to its end."""
        self._scan = True

    async def catch_up(self) -> int:
        """Record the bodies that came while the database refused; how many."""
        if self._scan:
            self._scan = False
            try:
                return await self.adopt(since=await self.unsettled())
            except ElaaomsError:
                self._scan = True
                raise
        waiting = list(self._waiting)
        for path in waiting:
            await self._adopt(path)
            self._waiting.pop(path, None)
        return len(waiting)

    async def unsettled(self) -> float:
        """From when on bodies may be without a row, with room for clocks that jump; 0 is from the beginning."""
        return max(0.0, await self._calls.recorded_until() - CLOCKS_S)

    async def settle(self) -> None:
        """See to it that every archived body has its row, as far as it can be read; StorageUnavailable if not now."""
        if self.behind:
            await self.catch_up()
        if not self._scanned:
            await self.adopt(since=await self.unsettled())
        if self.behind:
            raise StorageUnavailable("archived calls wait to be recorded; it goes on after that")

    def complete(self) -> None:
        """Nothing is without a row: the last stop said so, and nothing came since."""
        self._scanned = True

    async def note_recorded(self) -> None:
        """Note how far everything is recorded, so that the scan after a crash need not begin at the beginning."""
        if self.recorded and self._looked:
            until = time.time() - SETTLED_S
            await self._database.write(lambda tx: self._calls.note_recorded(tx, until))

    async def adopt(
        self,
        progress: Callable[[int, int], None] = lambda seen, found: None,
        *,
        since: float = 0.0,
        before: float | None = None,
        gently: bool = False,
    ) -> int:
        """Record bodies that were archived but never committed: after a crash, or for a fresh database.

        The archive is looked through in slices, in bounded memory and beside everything else; a body
        that was placed after the look began, or after `before`, belongs to a delivery that records it
        itself. `gently` takes a twentieth of a processor at most.
        """
        begun = time.time() if before is None else before
        seen = found = failed = 0
        turned = time.monotonic()
        with closing(self._archive.bodies(since=since)) as slices:
            while (paths := await _looked(slices)) is not None:
                missing = await self._calls.unrecorded(paths) if paths else []
                old = [path for path in missing if self._archive.placed_at(path) < begun]
                adopted = sum(await asyncio.gather(*map(self._adopt, old)))
                found += adopted
                failed += len(old) - adopted
                seen += len(paths)
                progress(seen, found)
                took = time.monotonic() - turned
                await asyncio.sleep(max(SCAN_PAUSE_S, took * GENTLY if gently else 0.0))
                turned = time.monotonic()
        self._looked = True
        if not failed:  # what could not be read is looked for again at the next start
            self._scanned = True
            await self._database.write(lambda tx: self._calls.note_recorded(tx, begun))
        return found

    async def _adopt(self, path: str) -> bool:
        try:
            archived = await asyncio.to_thread(self._archive.adopt, path)
        except StorageUnavailable as error:  # one file that cannot be read keeps no other waiting
            log.error("an archived body cannot be read: %s", error)
            return False
        await self.accept(archived)
        return True

    # -- a call is remembered ---------------------------------------------------------

    async def remember(self, job: Job) -> Outcome:
        """Extract, verify, reconcile; memories, the next greeting and the call's outcome are one write."""
        event, talk = await asyncio.to_thread(self._open, job.args["path"])
        if await self._is_outdated(event):
            log.info("call %s: a newer body took this one's place", event.conversation_id)
            return Done()
        read = await self._understand(event, talk, self._extractor)
        replaced = await self._replaced(event)

        def write(tx: Transaction) -> None:
            if self._calls.erased(tx, self._directory.digest(talk.conversation_id)):
                return  # while it was read
            understood = evolve(read, who=self._as_known(tx, read.who))
            who = understood.who
            about = (who.caller,) if who else ()
            with self._effects(tx, owner_of(who.caller if who else None, talk.conversation_id)) as effects:
                changed = self._learn(tx, understood)
            actor = f"job {job.id}"
            if effects:
                self._note(tx, actor, "call.remembered", (*about, *_named(effects)), effects)
            if replaced:
                details = {
                    "bodies_before": replaced,
                    "facts": len(understood.heard),
                    "changed": changed > 0,
                }
                call = self._directory.pseudonym(talk.conversation_id)
                self._note(tx, actor, "call.replaced", (call, *about), details)

        log.info(
            "call %s: %d facts, %d dropped, %d secrets taken out, by %s",
            talk.conversation_id,
            len(read.heard),
            len(read.dropped),
            read.secrets,
            self._extractor.name,
        )
        self._metrics.extracted("completed" if read.heard else "nothing", reasons(read.dropped))
        return Done(write)

    def _open(self, path: str) -> tuple[Event, Conversation]:
        """The archived transcription at `path`, without its secrets from now on if the operator wants that."""
        body = self._archive.read(path)
        if self._redact_payloads:
            clean = without_secrets(body, self._privacy)
            if clean != body:
                with self._archive.replacing(path) as file:
                    file.write(clean)
                body = clean
        event = parse_event(body)
        if event.conversation is None:
            raise Unreadable("the event has no transcript")
        return event, event.conversation

    async def _understand(self, event: Event, talk: Conversation, extractor: Extractor) -> _Understood:
        """Read one call with what was known of its caller when it began."""
        now = self._clock()
        heard_at = talk.started_at or event.event_timestamp or now
        who = await self._directory.identify_call(talk)
        _note(talk.conversation_id, talk.agent_id, who)
        known = await self._memories.active(who.caller) if who is not None else []
        known = [
            memory
            for memory in known
            if memory.first_heard <= heard_at and memory.conversation_id != talk.conversation_id
        ]
        async with (
            self._redacting
        ):  # as with the rules: threads that compute at the same time only delay callers
            turns, removed = await asyncio.to_thread(redact.redact_turns, talk.turns, self._privacy)
        extraction = await extractor.extract(
            evolve(await self._introduced(talk), turns=turns, collected=self._harmless(talk)), known
        )
        arrived_at = (await self._calls.get(talk.conversation_id)).received_at
        heard = [_heard(talk, self._redacted(fact), heard_at, arrived_at) for fact in extraction.facts]
        dropped = [asdict(entry) | {"content": self._hide(entry.content)} for entry in extraction.dropped]
        return _Understood(
            talk=talk,
            who=who,
            heard_at=heard_at,
            heard=tuple(heard),
            dropped=tuple(dropped),
            secrets=sum(removed.values()),
            title=self._presentable(talk.title),
            summary=self._presentable(talk.summary),
        )

    def _learn(self, tx: Transaction, understood: _Understood) -> int:
        """Make a reading of a call what is known from it, and prepare the caller's next call; how much is new."""
        talk, who = understood.talk, understood.who
        self._introduce(tx, who, self._directory.own_numbers(talk), understood.heard_at, "")
        changed = self._memories.learn(
            tx,
            understood.heard,
            owner=owner_of(who.caller if who else None, talk.conversation_id),
            conversation_id=talk.conversation_id,
            reconcile=self._reconcile,
        )
        if who is not None and (turn := asked_to_be_forgotten(talk.turns)) is not None:
            log.warning("call %s: the caller asks to be forgotten", talk.conversation_id)
            new = self._calls.asked(tx, who.caller, talk.conversation_id, turn, at=understood.heard_at)
            if new and self._honours_requests:
                job = NewJob(kind=ERASE, args={"caller": who.caller}, unique_key=who.caller)
                self._queue.enqueue(tx, job, now=self._clock())
        outcome = "completed" if understood.heard else "nothing"
        self._calls.settle(
            tx,
            talk.conversation_id,
            outcome=outcome,
            dropped=understood.dropped,
            title=understood.title,
            summary=understood.summary,
        )
        if who is not None:
            self._prepare(tx, who.caller, self._clock(), talk.conversation_id)
        return changed

    # -- a call is read again ---------------------------------------------------------

    async def reprocess(self, conversation_id: str) -> int:
        """Queue an archived call once more, for the configured extractor; the job's id."""
        event = await self._calls.transcript(conversation_id)
        call = await self._calls.get(conversation_id)
        job = NewJob(
            kind=REMEMBER,
            args={"path": event["path"]},
            lock=owner_of(call.caller, conversation_id),
            unique_key=event["sha256"],
        )

        def transaction(tx: Transaction) -> int:
            job_id = self._queue.enqueue(tx, job, now=self._clock())
            self._calls.reopen(tx, conversation_id, job_id)
            return job_id

        job_id = await self._database.write(transaction)
        self._queue.announce()
        return job_id

    async def replay(
        self, conversation_id: str, extractor: Extractor, spent: Tally, *, model: str, adopt: bool
    ) -> Replay:
        """Read an archived call with another extractor; its facts take the place of the old ones only with `adopt`."""
        archived = await self._calls.transcript(conversation_id)
        event, talk = await asyncio.to_thread(self._open, archived["path"])
        call = await self._calls.get(conversation_id)
        before = await self._memories.facts(conversation_id)
        understood = await self._understand(event, talk, extractor)
        if adopt:
            await self._database.write(partial(self._adopt_reading, understood, extractor.name, model))
        return Replay(
            conversation_id=conversation_id,
            provider=extractor.name,
            model=model,
            before=Reading(heard=tuple(before), dropped=reasons(call.dropped)),
            after=Reading(heard=understood.heard, dropped=reasons(understood.dropped)),
            usd=spent.usd,
            adopted=adopt,
        )

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

    def _as_known(self, tx: Transaction, who: Identified | None) -> Identified | None:
        """Somebody as they are known now: they may have been merged with another since they were identified."""
        return None if who is None else evolve(who, caller=self._calls.known_as(tx, who.caller))

    def _adopt_reading(self, read: _Understood, provider: str, model: str, tx: Transaction) -> None:
        if self._calls.erased(tx, self._directory.digest(read.talk.conversation_id)):
            raise NotFound(f"there is no call {read.talk.conversation_id} any more")
        understood = evolve(read, who=self._as_known(tx, read.who))
        who, conversation = understood.who, understood.talk.conversation_id
        with self._effects(tx, owner_of(who.caller if who else None, conversation)) as effects:
            self._learn(tx, understood)
        call = self._directory.pseudonym(conversation)
        subjects = (call, *((who.caller,) if who else ()), *_named(effects))
        details = {"provider": provider, "model": model, "facts": len(understood.heard), **effects}
        self._note(tx, "admin", "call.replay_adopted", subjects, details)

    @contextmanager
    def _effects(self, tx: Transaction, owner: str) -> Iterator[dict[str, list[str]]]:
        """What the block does to an owner's memories, for the audit trail: ids by effect, filled in at its end."""
        found: dict[str, list[str]] = {}
        before = self._memories.states(tx, owner)
        yield found
        found |= effects_of(before, self._memories.states(tx, owner))

    def _note(
        self, tx: Transaction, actor: str, action: str, subjects: Iterable[str], details: Mapping[str, Any]
    ) -> None:
        entry = Entry(
            at=self._clock(),
            actor=actor,
            action=action,
            subjects=tuple(dict.fromkeys(subjects)),
            details=details,
        )
        self._audit.note(tx, entry)

    def _hide(self, text: str) -> str:
        return redact.redact(text, self._privacy)

    def _presentable(self, text: str) -> str:
        """What ElevenLabs says of a call: it may repeat what must not be kept."""
        return "" if to_the_model(text) else self._hide(text)

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

    async def _replaced(self, event: Event) -> int:
        """How many earlier bodies of this conversation this one takes the place of."""
        rows = await self._calls.events(event.conversation_id)
        return sum(
            row["event_timestamp"] < event.event_timestamp for row in rows if row["type"] == event.type
        )

    def _prepare(self, tx: Transaction, caller: str, now: float, conversation_id: str = "") -> None:
        """Compose what the caller's next call will be given; a model may word the greeting better later."""
        memories = self._memories.of_owner(tx, caller)
        prepared = prepare(memories, self._calls.last_calls(tx, caller), style=self._style, now=now)
        self._memories.prepare(tx, caller, prepared)
        if self._greeter is not None and any(prepared):
            args = {"caller": caller, "conversation_id": conversation_id, "prepared_at": now}
            self._queue.enqueue(tx, NewJob(kind=GREET, args=args, lock=f"greeting:{caller}"), now=now)

    async def greet(self, job: Job) -> Outcome:
        """Have a model word the greetings that were prepared, unless something was learnt since."""
        caller, prepared_at = job.args["caller"], job.args["prepared_at"]
        if self._greeter is None:
            return Done()

        def look(tx: Transaction) -> tuple[list[Memory], Mapping[str, LastCall], Mapping[str, Prepared]]:
            return (
                self._memories.of_owner(tx, caller),
                self._calls.last_calls(tx, caller),
                self._memories.all_prepared(tx, caller),
            )

        memories, last_calls, prepared = await self._database.write(look)
        if any(entry.prepared_at != prepared_at for entry in prepared.values()):
            return Done()  # a later job words what was prepared since
        now = self._clock()
        worded = dict(prepared)
        for agent in last_calls.keys() & prepared.keys():
            visible = [m for m in memories if m.status is Status.ACTIVE and m.known_to(agent)]
            written = await self._greeter.write(
                str(prepared[agent].variables["caller_name"]),
                visible,
                last_calls[agent],
                conversation_id=job.args["conversation_id"],
                now=now,
            )
            if written is not None:
                worded[agent] = prepared[agent].greeting(written.text, written.expires_at)

        def write(tx: Transaction) -> None:
            if self._memories.all_prepared(tx, caller) == prepared:
                self._memories.prepare(tx, caller, worded)

        return Done(write)

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
            caller = self._calls.known_as(tx, who.caller)
            self._calls.meet(tx, caller, who.address, now=now)
            with self._effects(tx, caller) as effects:
                new = self._memories.learn(
                    tx, heard, owner=caller, conversation_id=None, reconcile=self._reconcile
                )
            self._prepare(tx, caller, now)
            if new:
                details = {"facts": new, **effects}
                self._note(tx, "admin", "memory.added", (caller, *_named(effects)), details)
            return new

        new = await self._database.write(transaction)
        self._queue.announce()  # the replica's job, if there is a replica
        return new

    async def edit(self, memory: Memory, new: Fact) -> Memory:
        """Put the operator's words in a memory's place; the old row stays, superseded."""
        if memory.status is not Status.ACTIVE:
            raise Conflicting(f"only an active memory can be edited; this one is {memory.status.value}")
        now = self._clock()
        fact = evolve(self._redacted(new), relation=Relation.REPLACES, relates_to=memory.id)
        key = hashlib.sha256(f"edit\x1f{memory.id}\x1f{now}".encode()).hexdigest()[:32]
        heard = Heard(
            key=key, fact=fact, source="operator", heard_at=now, arrived_at=now, agent_id=memory.agent_id
        )

        def change(tx: Transaction) -> Memory:
            self._memories.learn(
                tx, [heard], owner=memory.owner, conversation_id=None, reconcile=self._reconcile
            )
            known = self._memories.of_owner(tx, memory.owner)
            return next(m for m in known if m.status is Status.ACTIVE and m.content == fact.content)

        return await self._decided(memory, "memory.edited", change)

    async def pin(self, memory: Memory, pinned: bool) -> Memory:
        """Keep a memory in front of others whatever its importance, or no longer."""
        action = "memory.pinned" if pinned else "memory.unpinned"
        return await self._decided(memory, action, lambda tx: self._memories.pin(tx, memory.id, pinned))

    async def restore(self, memory: Memory) -> Memory:
        """Undo what ended a memory; Conflicting if nothing did."""
        return await self._decided(
            memory,
            "memory.restored",
            lambda tx: self._memories.restore(tx, memory.id, reconcile=self._reconcile, now=self._clock()),
        )

    async def forget(self, memory: Memory, *, unless_kept: bool = False) -> Memory:
        """Forget a memory and the facts it rests on, for good; the archived transcript stays.

        Conflicting with `unless_kept` for one that must not be folded away, or not any more.
        """

        def change(tx: Transaction) -> Memory:
            if unless_kept and any(
                one.is_kept for one in self._memories.of_owner(tx, memory.owner) if one.id == memory.id
            ):
                raise Conflicting(f"{memory.id} is pinned, counts for much or is contradicted by now")
            return self._memories.forget(tx, memory.id, reconcile=self._reconcile, now=self._clock())

        return await self._decided(memory, "memory.forgotten", change)

    async def merge(self, caller: str, into: str) -> None:
        """Make one caller another, with everything heard of them; calls to come are the other's too."""
        if caller == into:
            raise Conflicting("they are one caller already")

        def transaction(tx: Transaction) -> None:
            if self._calls.known_as(tx, caller) != caller or self._calls.known_as(tx, into) != into:
                raise Conflicting("one of them was merged with somebody else just now; look again")
            self._calls.merge(tx, caller, into)
            with self._effects(tx, into) as effects:
                self._memories.merge(tx, caller, into, reconcile=self._reconcile)
            self._prepare(tx, into, self._clock())
            subjects = (caller, into, *_named(effects))
            self._note(tx, "admin", "caller.merged", subjects, {"into": into, **effects})

        await self._database.write(transaction)
        self._directory.aliases.update(await self._calls.aliases())
        self._queue.announce()

    async def _decided(self, memory: Memory, action: str, change: Callable[[Transaction], Memory]) -> Memory:
        """Write an operator's decision and what the caller's next call is given after it."""

        def transaction(tx: Transaction) -> Memory:
            with self._effects(tx, memory.owner) as effects:
                changed = change(tx)
            if memory.caller is not None:
                self._prepare(tx, memory.caller, self._clock())
            about = (*((memory.caller,) if memory.caller else ()), memory.id, changed.id, *_named(effects))
            self._note(tx, "admin", action, about, effects)
            return changed

        changed = await self._database.write(transaction)
        self._queue.announce()
        return changed

    async def restate(self, who: Identified, heard: Sequence[Heard]) -> int:
        """Remember again what an operator said before the database was lost; how much of it is new."""

        def transaction(tx: Transaction) -> int:
            self._calls.meet(tx, who.caller, who.address, now=heard[0].heard_at)
            new = self._memories.learn(
                tx, heard, owner=who.caller, conversation_id=None, reconcile=self._reconcile
            )
            self._prepare(tx, who.caller, self._clock())
            return new

        return await self._database.write(transaction)

    async def scrub(self, *, pause_s: float = 0.05) -> Scrubbed:
        """Look at every fact and memory; what is damaged is worked out again from what it rests on."""
        found = await self._memories.scrub(pause_s=pause_s)
        for owner in sorted(found.owners):
            await self._database.write(partial(self._work_out, owner))
        for conversation_id in sorted(found.conversations):
            await self._read_again(conversation_id)
        if found.owners or found.conversations or found.lost:
            log.critical(
                "some of %d rows are damaged: %d callers and %d calls are worked out again, %d facts are lost",
                found.rows,
                len(found.owners),
                len(found.conversations),
                found.lost,
            )
        return found

    def _work_out(self, owner: str, tx: Transaction) -> None:
        self._memories.rebuild(tx, owner, self._reconcile)
        if is_caller(owner):
            self._prepare(tx, owner, self._clock())

    async def _read_again(self, conversation_id: str) -> None:
        with suppress(NotFound):
            await self.reprocess(conversation_id)

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


def _note(conversation_id: str, agent_id: str, who: Identified | None) -> None:
    """Let the log say what call this is about; the caller's key is their pseudonym there."""
    logs.note(conversation=conversation_id, agent=agent_id, caller=who.caller if who else None)


async def _looked(slices: Iterator[list[str]]) -> list[str] | None:
    """The next slice; who is cancelled waits for the thread, because an iterator at work cannot be closed."""
    looking = asyncio.ensure_future(asyncio.to_thread(next, slices, None))
    try:
        return await asyncio.shield(looking)
    except asyncio.CancelledError:
        await asyncio.wait((looking,))
        raise


def _named(effects: Mapping[str, Iterable[str]]) -> list[str]:
    """Every memory that something was done to."""
    return [memory for memories in effects.values() for memory in memories]


def _to_remember(arrival: _Arrival) -> NewJob:
    archived = arrival.archived
    return NewJob(kind=REMEMBER, args={"path": archived.path}, lock=arrival.owner, unique_key=archived.sha256)


def _accepted(event: Event, job_id: int | None, *, duplicate: bool) -> Accepted:
    return Accepted(
        conversation_id=event.conversation_id,
        webhook_type=event.type,
        job_id=job_id,
        duplicate=duplicate,
        extraction_status="queued" if job_id is not None else "nothing",
    )


def _erased(event: Event) -> Accepted:
    """The answer to an event of a conversation that was erased: taken, and not kept."""
    return Accepted(
        conversation_id=event.conversation_id,
        webhook_type=event.type,
        job_id=None,
        duplicate=True,
        extraction_status="nothing",
    )


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
