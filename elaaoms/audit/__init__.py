"""The audit trail: who saw, shared, changed or removed what; only ever added to; ids and numbers, no words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

from attrs import define, field, frozen

from elaaoms.database import Database, Transaction
from elaaoms.errors import ElaaomsError, StorageUnavailable
from elaaoms.memory import State

SEEN = "memory.seen"  # by the operator
SHOWN = "memory.shown"  # to an agent before a call
TOLD = "memory.told"  # to an agent that asked during one

MOST_WAITING = 50_000  # ids that wait to be written; what is beyond is counted as lost
MANY_WAITING = 2_000  # so many are not kept waiting any longer
AT_ONCE = 300  # ids of one transaction; more would hold up calls that arrive
US = "elaaoms"  # as an actor: what nobody asked for

_BECAME = {"active": "restored", "superseded": "superseded", "forgotten": "forgotten"}

log = logging.getLogger("elaaoms.audit")


@frozen(kw_only=True)
class Entry:
    """One thing that was done; `at` is unix seconds, `subjects` are ids, `details` holds no personal text.

    `actor` is admin, `job <id>`, `agent <id>`, or elaaoms itself. `id` is 0 until it is kept.
    """

    id: int = 0
    at: float
    actor: str
    action: str
    subjects: Sequence[str]
    details: Mapping[str, Any] = MappingProxyType({})


class AuditTrail(Protocol):
    """Where the trail is kept."""

    def note(self, transaction: Transaction, entry: Entry) -> None:
        """Add an entry in the transaction that does what it says."""
        ...

    async def about(self, subject: str, *, limit: int = 50) -> list[Entry]:
        """Entries about an id, newest first."""
        ...

    async def page(
        self,
        *,
        subject: str | None = None,
        actor: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[Entry]:
        """Entries, newest first, about an id, of an actor, of a time (unix seconds), or all; `before` an entry's id."""
        ...

    async def prune(self, *, before: float) -> int:
        """Let go of accesses from before then; how many. What was changed and removed stays."""
        ...


def effects(before: Mapping[str, State], after: Mapping[str, State]) -> dict[str, list[str]]:
    """What a write did to an owner's memories: ids by added, shared, changed, superseded, restored, removed."""
    found: dict[str, list[str]] = {}
    for memory, now in after.items():
        then = before.get(memory)
        if then is None:
            found.setdefault("added", []).append(memory)
        elif then.status != now.status:
            found.setdefault(_BECAME[now.status], []).append(memory)
        elif then.seal != now.seal:
            found.setdefault("changed", []).append(memory)
        if now.shared and (then is None or not then.shared):
            found.setdefault("shared", []).append(memory)
    if gone := [memory for memory in before if memory not in after]:
        found["removed"] = gone
    return found


# -- accesses ------------------------------------------------------------------------


@define
class _Access:
    """What somebody was shown of one caller since the last `keep`: when first, how often, which memories."""

    at: float
    times: int = 0
    memories: dict[str, None] = field(factory=dict)

    @property
    def size(self) -> int:
        return 1 + len(self.memories)


_Key = tuple[str, str, str]  # actor, action, caller


class Accesses:
    """Who was shown which memories, collected in memory and added to the trail in batches.

    Nobody on the phone waits for it. A crash loses what was collected since the last `keep`, and what does
    not fit is lost too: both are said in the trail.
    """

    def __init__(
        self,
        database: Database,
        trail: AuditTrail,
        *,
        clock: Callable[[], float],
        lost: Callable[[int], None] = lambda count: None,
        most: int = MOST_WAITING,
    ) -> None:
        self._database = database
        self._trail = trail
        self._clock = clock
        self._say_lost = lost
        self._most = most
        self._waiting: dict[_Key, _Access] = {}
        self._lost = 0
        self.size = 0

    @property
    def many(self) -> bool:
        """Whether so much waits that it should be kept soon."""
        return self.size >= MANY_WAITING

    def note(self, actor: str, action: str, caller: str | None, memories: Iterable[str]) -> None:
        """Note that somebody was shown these memories of a caller just now."""
        self._add((actor, action, caller or ""), self._clock(), 1, memories)

    def _add(self, key: _Key, at: float, times: int, memories: Iterable[str]) -> None:
        access = self._waiting.get(key)
        if access is None:
            if self.size >= self._most:
                self._lose(1)
                return
            access = self._waiting[key] = _Access(at)
            self.size += 1
        access.at = min(access.at, at)
        access.times += times
        new = [memory for memory in dict.fromkeys(memories) if memory not in access.memories]
        room = max(0, self._most - self.size)
        access.memories.update(dict.fromkeys(new[:room]))
        self.size += len(new[:room])
        if len(new) > room:
            self._lose(len(new) - room)

    def _lose(self, count: int) -> None:
        self._lost += count
        self._say_lost(count)

    async def keep(self) -> int:
        """Add what was collected to the trail, an entry for each caller and agent; how many entries.

        What the database refuses waits for the next time; StorageUnavailable.
        """
        kept = 0
        while batch := self._batch():
            try:
                await self._database.write(partial(self._write, batch))
            except StorageUnavailable:
                for key, access in batch.items():
                    self._add(key, access.at, access.times, access.memories)
                raise
            except ElaaomsError:  # for good
                self._lose(sum(access.size for access in batch.values()))
                raise
            kept += len(batch)
        if lost := self._lost:
            now = self._clock()
            entry = Entry(at=now, actor=US, action="audit.lost", subjects=(), details={"accesses": lost})
            await self._database.write(lambda tx: self._trail.note(tx, entry))
            self._lost -= lost
            log.warning("%d accesses to memories are not in the audit trail: too many at once", lost)
            kept += 1
        return kept

    def _batch(self) -> dict[_Key, _Access]:
        """The oldest that wait, taken out, as much as one transaction should hold."""
        batch: dict[_Key, _Access] = {}
        size = 0
        for key, access in self._waiting.items():
            if batch and size + access.size > AT_ONCE:
                break
            batch[key] = access
            size += access.size
        for key in batch:
            del self._waiting[key]
        self.size -= size
        return batch

    def _write(self, batch: Mapping[_Key, _Access], transaction: Transaction) -> None:
        for (actor, action, caller), access in batch.items():
            entry = Entry(
                at=access.at,
                actor=actor,
                action=action,
                subjects=(*((caller,) if caller else ()), *access.memories),
                details={"times": access.times},
            )
            self._trail.note(transaction, entry)
