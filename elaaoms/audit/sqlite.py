"""The audit trail in our SQLite database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from elaaoms.audit import Entry
from elaaoms.database import Database, Row, Transaction

PRUNED_AT_ONCE = 25  # entries of one transaction, for which calls that arrive wait
_END = 1 << 62  # above every id
_ACCESSES = "action IN ('memory.seen', 'memory.shown', 'memory.told')"
# An entry is written within an hour of what it tells of, unless the database refuses for longer.
_LAST_BEFORE = "coalesce((SELECT id FROM audit WHERE at < :since - 3600 ORDER BY at DESC LIMIT 1), 0)"
_FIRST_AFTER = f"coalesce((SELECT id FROM audit WHERE at >= :until + 3600 ORDER BY at LIMIT 1), {_END})"


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
        self,
        *,
        subject: str | None = None,
        actor: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[Entry]:
        conditions = ["audit.id < :before"]
        source, order = "audit", "audit.id"
        if subject is not None:
            source, order = "audit_subjects JOIN audit ON audit.id = entry", "entry"
            conditions.append("subject = :subject AND entry < :before")
        if actor is not None:
            conditions.append("actor = :actor")
        # Ids ascend with time but for what waited to be written, so that they bound what is read.
        if since is not None:
            conditions.append(f"at >= :since AND audit.id > {_LAST_BEFORE}")
        if until is not None:
            conditions.append(f"at < :until AND audit.id < {_FIRST_AFTER}")
        rows = await self._database.fetch(
            f"SELECT audit.* FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {order} DESC LIMIT :limit",
            {
                "subject": subject,
                "actor": actor,
                "since": since,
                "until": until,
                "limit": limit,
                "before": _END if before is None else before,
            },
        )
        return [_entry(row) for row in rows]

    async def prune(self, *, before: float) -> int:
        count = 0
        while rows := await self._database.fetch(
            f"SELECT id, subjects FROM audit INDEXED BY audit_accesses WHERE {_ACCESSES} AND at < ?"
            " ORDER BY at LIMIT ?",
            (before, PRUNED_AT_ONCE),
        ):
            await self._database.write(partial(_let_go, rows))
            count += len(rows)
        return count


def _let_go(rows: Sequence[Row], transaction: Transaction) -> None:
    transaction.executemany("DELETE FROM audit WHERE id = ?", [(row["id"],) for row in rows])
    transaction.executemany(
        "DELETE FROM audit_subjects WHERE subject = ? AND entry = ?",
        [(subject, row["id"]) for row in rows for subject in json.loads(row["subjects"])],
    )


def _entry(row: Row) -> Entry:
    return Entry(
        id=row["id"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        subjects=tuple(json.loads(row["subjects"])),
        details=json.loads(row["details"]),
    )
