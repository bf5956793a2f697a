"""The audit trail: who did what to what, only ever added to; ids and numbers, never what was said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from attrs import frozen

from elaaoms.database import Database, Row, Transaction
from elaaoms.errors import StorageUnavailable

MOST_TOLD = 10_000  # accesses that wait to be written; what is beyond is not collected


@frozen(kw_only=True)
class Entry:
    """One thing that was done; `at` is unix seconds, `subjects` are ids, `details` holds no personal text.

    `actor` is admin, `job <id>`, or `agent <id>`. `id` is 0 until it is kept.
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
        self, *, subject: str | None = None, limit: int = 50, before: int | None = None
    ) -> list[Entry]:
        """Entries, newest first, about an id or all; `before` an entry's id."""
        ...


class SQLiteAuditTrail:
    """The `AuditTrail` in our SQLite database, which refuses to change or delete an entry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, transaction: Transaction, entry: Entry) -> None:
        added = transaction.execute(
            "INSERT INTO audit (at, actor, action, subjects, details) VALUES (?, ?, ?, ?, ?)",
            (
                entry.at,
                entry.actor,
                entry.action,
                json.dumps(list(entry.subjects)),
                json.dumps(dict(entry.details)),
            ),
        )
        transaction.executemany(
            "INSERT OR IGNORE INTO audit_subjects (subject, entry) VALUES (?, ?)",
            [(subject, added.lastrowid) for subject in entry.subjects],
        )

    async def about(self, subject: str, *, limit: int = 50) -> list[Entry]:
        return await self.page(subject=subject, limit=limit)

    async def page(
        self, *, subject: str | None = None, limit: int = 50, before: int | None = None
    ) -> list[Entry]:
        newest = (1 << 62) if before is None else before
        if subject is None:
            rows = await self._database.fetch(
                "SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?", (newest, limit)
            )
        else:
            rows = await self._database.fetch(
                "SELECT audit.* FROM audit_subjects JOIN audit ON audit.id = entry"
                " WHERE subject = ? AND entry < ? ORDER BY entry DESC LIMIT ?",
                (subject, newest, limit),
            )
        return [_entry(row) for row in rows]


def _entry(row: Row) -> Entry:
    return Entry(
        id=row["id"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        subjects=tuple(json.loads(row["subjects"])),
        details=json.loads(row["details"]),
    )


class Accesses:
    """What agents were told of shared memories, collected in memory and added to the trail in batches.

    Nobody on the phone waits for it; a crash loses what was collected since the last `keep`.
    """

    def __init__(self, database: Database, trail: AuditTrail, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._trail = trail
        self._clock = clock
        self._told: dict[str, Counter[str]] = {}
        self._size = 0

    def told(self, agent: str, memories: Iterable[str]) -> None:
        """Note that an agent was told of these memories just now."""
        for memory in memories:
            if self._size >= MOST_TOLD:
                return
            counts = self._told.setdefault(agent, Counter())
            self._size += memory not in counts
            counts[memory] += 1

    async def keep(self) -> int:
        """Add what was collected to the trail, an entry for each agent; how many entries."""
        told, self._told, self._size = self._told, {}, 0
        if not told:
            return 0
        now = self._clock()
        entries = [
            Entry(
                at=now,
                actor=f"agent {agent}",
                action="memory.told",
                subjects=tuple(counts),
                details={"times": counts.total()},
            )
            for agent, counts in told.items()
        ]

        def write(tx: Transaction) -> None:
            for entry in entries:
                self._trail.note(tx, entry)

        try:
            await self._database.write(write)
        except StorageUnavailable:
            for agent, counts in told.items():  # the next time, then
                for memory, times in counts.items():
                    self.told(agent, [memory] * times)
            raise
        return len(entries)
