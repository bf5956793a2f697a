"""The audit trail: who did what to what, only ever added to; ids and numbers, never what was said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

from elaaoms.database import Database, Transaction


@frozen(kw_only=True)
class Entry:
    """One thing that was done; `at` is unix seconds, `subjects` are ids, `details` holds no personal text."""

    at: float
    actor: str
    action: str
    subjects: Sequence[str]
    details: Mapping[str, Any]


class AuditTrail(Protocol):
    """Where the trail is kept."""

    def note(self, transaction: Transaction, entry: Entry) -> None:
        """Add an entry in the transaction that does what it says."""
        ...

    async def about(self, subject: str, *, limit: int = 50) -> list[Entry]:
        """Entries about an id, newest first."""
        ...


class SQLiteAuditTrail:
    """The `AuditTrail` in our SQLite database, which refuses to change or delete an entry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, transaction: Transaction, entry: Entry) -> None:
        transaction.execute(
            "INSERT INTO audit (at, actor, action, subjects, details) VALUES (?, ?, ?, ?, ?)",
            (
                entry.at,
                entry.actor,
                entry.action,
                json.dumps(list(entry.subjects)),
                json.dumps(dict(entry.details)),
            ),
        )

    async def about(self, subject: str, *, limit: int = 50) -> list[Entry]:
        rows = await self._database.fetch(
            "SELECT at, actor, action, subjects, details FROM audit"
            " WHERE EXISTS (SELECT 1 FROM json_each(subjects) WHERE value = ?) ORDER BY id DESC LIMIT ?",
            (subject, limit),
        )
        return [
            Entry(
                at=row["at"],
                actor=row["actor"],
                action=row["action"],
                subjects=tuple(json.loads(row["subjects"])),
                details=json.loads(row["details"]),
            )
            for row in rows
        ]
