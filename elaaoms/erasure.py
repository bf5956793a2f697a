"""Erasing a caller: every trace in every place, resumable, with a signed receipt that names none of it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import evolve, frozen

from elaaoms import __version__
from elaaoms.archive import Archive
from elaaoms.audit import AuditTrail, Entry
from elaaoms.calls import CallStore
from elaaoms.database import Database, Row, Transaction
from elaaoms.directory import Directory
from elaaoms.elevenlabs import ElevenLabs
from elaaoms.errors import NotFound, ProviderBlocked, ServiceUnavailable, StorageUnavailable
from elaaoms.identity import Address
from elaaoms.jobs import Done, Job, JobQueue, Outcome
from elaaoms.memory import MemoryStore
from elaaoms.replica import Replica
from elaaoms.views import moment

PATIENCE_S = 120.0  # for a job of the caller that runs at the moment
LOOK_EVERY_S = 0.05
RESUME_EVERY_S = 60.0

log = logging.getLogger("elaaoms.erasure")


class Elsewhere(Protocol):
    """A place outside this machine that holds something of callers."""

    @property
    def name(self) -> str:
        """What the receipt calls it."""
        ...

    async def erase(self, caller: str, conversations: Sequence[str]) -> Mapping[str, Any]:
        """Remove everything of the caller and look that it is gone; what was removed, for the receipt.

        ServiceUnavailable and ProviderBlocked leave the erasure open; it goes on later.
        """
        ...


@frozen(kw_only=True)
class Erasure:
    """One erasure; the receipt is there once it is finished. Times are unix seconds."""

    id: str
    caller: str
    actor: str
    requested_at: float
    finished_at: float | None
    receipt: Mapping[str, Any] | None
    waits_for: str | None = None  # a place that could not be reached just now


class CopyErased:
    """The copy of the memories in a replica, as a place of an erasure."""

    def __init__(self, name: str, replica: Replica) -> None:
        self.name = name
        self._replica = replica

    async def erase(self, caller: str, conversations: Sequence[str]) -> Mapping[str, Any]:
        """Delete the caller's copies and read that none is left; anonymous calls' copies with them."""
        gone = await self._replica.forget(caller)
        if gone.remaining:
            raise ServiceUnavailable(f"{gone.remaining} memories are still there")
        return {"deleted": gone.deleted, "remaining": 0, "verified_at": moment(gone.verified_at)}


class ConversationsErased:
    """The conversations at ElevenLabs, as a place of an erasure."""

    name = "elevenlabs"

    def __init__(self, api: ElevenLabs) -> None:
        self._api = api

    async def erase(self, caller: str, conversations: Sequence[str]) -> Mapping[str, Any]:
        """Delete them there, transcripts and recordings; those that are gone already are counted apart."""
        deleted = [await self._api.delete_conversation(conversation) for conversation in conversations]
        return {"deleted": sum(deleted), "gone_before": len(deleted) - sum(deleted)}


async def _nothing_else() -> None:
    return None


class Eraser:
    """Erases callers, one after the other. Every step can be repeated, so a crash only delays it.

    `arrived` sees to it that whatever is archived has its row; StorageUnavailable when it cannot.
    """

    def __init__(
        self,
        database: Database,
        archive: Archive,
        calls: CallStore,
        memories: MemoryStore,
        queue: JobQueue,
        directory: Directory,
        audit: AuditTrail,
        *,
        elsewhere: Sequence[Elsewhere] = (),
        arrived: Callable[[], Awaitable[None]] = _nothing_else,
        forgets: Callable[[str], None] = lambda caller: None,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._archive = archive
        self._calls = calls
        self._memories = memories
        self._queue = queue
        self._directory = directory
        self._audit = audit
        self._elsewhere = tuple(elsewhere)
        self._arrived = arrived
        self._forgets = forgets
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._again_at = 0.0

    async def erase(self, caller: str, *, actor: str, key: str = "") -> Erasure:
        """Erase a caller completely; returns when nothing is left, or nothing here while another place is away.

        StorageUnavailable while a job of the caller does not end. What is left open `resume` goes on with.
        With the same `key` it is the same erasure: what came since stays.
        """
        erasure_id = f"erasure_{self._directory.digest(f'erasure {key}')[:32] if key else uuid.uuid4().hex}"
        await self._database.write(
            lambda tx: (
                tx.execute(
                    "INSERT INTO erasures (id, caller, actor, requested_at) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (id) DO NOTHING",
                    (erasure_id, caller, actor, self._clock()),
                ).rowcount
            )
        )
        return await self._go_on(erasure_id)

    async def honour(self, job: Job) -> Outcome:
        """The worker's job for a caller who asked to be forgotten."""
        erasure = await self.erase(
            job.args["caller"], actor="caller", key=f"job {job.id} {job.created_at!r} {job.args['caller']}"
        )
        if erasure.receipt is None:
            log.info("erasure %s goes on when %s can be reached", erasure.id, erasure.waits_for)
        return Done()

    async def resume(self) -> int:
        """Go on with what a crash or another place interrupted; how many are finished now.

        It may be called as often as one likes: what was tried within the last minute is left alone.
        """
        if self._clock() < self._again_at:
            return 0
        self._again_at = self._clock() + RESUME_EVERY_S
        rows = await self._database.fetch(
            "SELECT id FROM erasures WHERE finished_at IS NULL ORDER BY requested_at"
        )
        done = [await self._go_on(row["id"]) for row in rows]
        return sum(erasure.finished_at is not None for erasure in done)

    async def get(self, erasure_id: str) -> Erasure:
        """One erasure; NotFound."""
        rows = await self._database.fetch("SELECT * FROM erasures WHERE id = ?", (erasure_id,))
        if not rows:
            raise NotFound(f"there is no erasure {erasure_id}")
        return _erasure(rows[0])

    async def listed(self, *, limit: int = 50) -> list[Erasure]:
        """Erasures, newest first."""
        rows = await self._database.fetch(
            "SELECT * FROM erasures ORDER BY requested_at DESC, id LIMIT ?", (limit,)
        )
        return [_erasure(row) for row in rows]

    async def _go_on(self, erasure_id: str) -> Erasure:
        async with self._one_at_a_time:
            erasure = await self.get(erasure_id)
            if erasure.finished_at is not None:
                return erasure
            await self._arrived()
            await self._quiet(erasure.caller)
            await self._held(erasure)
            folders, removed = await self._database.write(lambda tx: self._rows(tx, erasure))
            self._forgets(erasure.caller)
            removed["archived files"] = removed.get("archived files", 0) + await asyncio.to_thread(
                self._archive.remove_conversations, folders
            )
            await self._database.checkpoint()
            places: dict[str, Any] = {}
            for place in self._elsewhere:
                try:
                    places[place.name] = dict(await place.erase(erasure.caller, folders))
                except (ServiceUnavailable, ProviderBlocked) as error:
                    log.warning("erasure %s waits for %s: %s", erasure_id, place.name, error)
                    return evolve(erasure, waits_for=place.name)
            backups = await asyncio.to_thread(self._backups)
            receipt = self._receipt(erasure, removed, places, backups)
            entry = Entry(
                at=self._clock(),
                actor=erasure.actor,
                action="caller.erased",
                subjects=(erasure.caller, erasure_id),
                details={"removed": removed},
            )

            def finish(tx: Transaction) -> None:
                tx.execute(
                    "UPDATE erasures SET finished_at = ?, folders = '[]', removed = ?, receipt = ? WHERE id = ?",
                    (self._clock(), json.dumps(removed), json.dumps(receipt), erasure_id),
                )
                self._audit.note(tx, entry)

            await self._database.write(finish)
            await self._database.checkpoint()
            log.info("a caller is erased: %s", erasure_id)
            return await self.get(erasure_id)

    async def _held(self, erasure: Erasure) -> None:
        """Remove bodies that could not be understood but name the caller or one of their calls.

        They belong to nobody's call, so that they are looked through while it is still known who the caller is.
        """
        known = await self._calls.known([erasure.caller])
        address = known[erasure.caller].address if erasure.caller in known else None
        names = naming(address, await self._calls.conversations(erasure.caller))
        if names is None:
            return
        digests = await asyncio.to_thread(self._archive.held_naming, names)
        if digests:
            await self._database.write(lambda tx: self._unhold(tx, erasure.id, digests))
            await asyncio.to_thread(self._archive.remove_held, digests)

    def _unhold(self, tx: Transaction, erasure_id: str, digests: Sequence[str]) -> None:
        count = self._calls.unhold(tx, digests)
        row = tx.execute("SELECT removed FROM erasures WHERE id = ?", (erasure_id,)).fetchone()
        removed: dict[str, int] = json.loads(row["removed"])
        removed["held bodies"] = removed.get("held bodies", 0) + count
        tx.execute("UPDATE erasures SET removed = ? WHERE id = ?", (json.dumps(removed), erasure_id))

    async def _quiet(self, caller: str) -> None:
        """Take the caller's waiting jobs out of the queue and wait for those that run."""
        deadline = self._clock() + PATIENCE_S
        aliases = await self._calls.aliases()
        keys = [caller, *(one for one, known_as in aliases.items() if known_as == caller)]
        conversations = await self._calls.conversations(caller)
        while await self._database.write(lambda tx: self._queue.withdraw(tx, keys, conversations)):
            if self._clock() > deadline:
                raise StorageUnavailable("a job of this caller still runs; the erasure goes on after it")
            await asyncio.sleep(LOOK_EVERY_S)

    def _rows(self, tx: Transaction, erasure: Erasure) -> tuple[list[str], dict[str, int]]:
        """Remove everything from the database, and note which folders of the archive are left to remove."""
        row = tx.execute("SELECT folders, removed FROM erasures WHERE id = ?", (erasure.id,)).fetchone()
        remembered = self._memories.erase(
            tx, erasure.caller
        )  # before its caller, who takes the greetings along
        conversations, counts = self._calls.erase(tx, erasure.caller)
        counts |= remembered
        counts["jobs"] = self._queue.erase(tx, erasure.caller, conversations)
        folders = sorted({*json.loads(row["folders"]), *conversations})
        removed: dict[str, int] = json.loads(row["removed"])
        for name, count in counts.items():
            removed[name] = removed.get(name, 0) + count
        tx.executemany(
            "INSERT OR IGNORE INTO erased (digest) VALUES (?)",
            [(self._directory.digest(conversation),) for conversation in conversations],
        )
        tx.execute("DELETE FROM aliases WHERE known_as = ?", (erasure.caller,))
        tx.execute("DELETE FROM announcements WHERE caller = ?", (erasure.caller,))
        tx.execute(
            "UPDATE erasures SET folders = ?, removed = ? WHERE id = ?",
            (json.dumps(folders), json.dumps(removed), erasure.id),
        )
        return folders, removed

    def _backups(self) -> list[str]:
        """Copies on this machine that still hold what was in them; deleting them is the operator's decision."""
        data = self._archive.root.parent
        copies = [*data.glob("backups/*"), *data.glob("elaaoms.db.*-*")]
        return sorted(
            str(path.relative_to(data)) for path in copies if not path.name.endswith(("-wal", "-shm"))
        )

    def _receipt(
        self, erasure: Erasure, removed: Mapping[str, int], places: Mapping[str, Any], backups: Sequence[str]
    ) -> dict[str, Any]:
        body = {
            "erasure": erasure.id,
            "caller": erasure.caller,
            "requested_by": erasure.actor,
            "requested_at": moment(erasure.requested_at),
            "finished_at": moment(self._clock()),
            "removed": dict(removed),
            "elsewhere": dict(places),
            "backups_that_still_hold_it": list(backups),
            "elaaoms": __version__,
        }
        return {**body, "signature": self._signature(body)}

    def genuine(self, receipt: Mapping[str, Any]) -> bool:
        """Whether this installation signed the receipt, and nobody changed it since."""
        body = {name: value for name, value in receipt.items() if name != "signature"}
        return self._directory.same(str(receipt.get("signature", "")), self._signature(body))

    def _signature(self, body: Mapping[str, Any]) -> str:
        return self._directory.digest(
            "receipt " + json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        )


def naming(address: Address | None, conversations: Sequence[str]) -> re.Pattern[bytes] | None:
    """What finds a caller's address and conversations in a body, whole or not JSON at all; None for nobody.

    A number and a conversation's id are told by themselves, a user id only as a value: it may be any word.
    """
    patterns = [rb"(?<![\w-])%b(?![\w-])" % re.escape(one.encode()) for one in conversations]
    if address is not None and address.kind == "tel":
        patterns.append(rb"(?<!\d)%b(?!\d)" % re.escape(address.value.lstrip("+").encode()))
    elif address is not None and address.kind != "key":
        ways = {json.dumps(address.value, ensure_ascii=ascii_only).encode() for ascii_only in (True, False)}
        patterns += sorted(map(re.escape, ways))
    return re.compile(b"|".join(patterns)) if patterns else None


def _erasure(row: Row) -> Erasure:
    return Erasure(
        id=row["id"],
        caller=row["caller"],
        actor=row["actor"],
        requested_at=row["requested_at"],
        finished_at=row["finished_at"],
        receipt=json.loads(row["receipt"]) if row["receipt"] else None,
    )
