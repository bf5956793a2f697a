"""What the replica holds and what it is owed; the triggers of migration 0003 write here whenever a memory changes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from attrs import frozen

from elaaoms.database import Database, Transaction
from elaaoms.database import Row as SQLRow
from elaaoms.jobs import JobQueue, NewJob
from elaaoms.replica import REPLICATE

AT_ONCE = 500  # jobs that are queued in one transaction: acknowledgements of calls wait behind it

_ROW = "SELECT owner, memory, key, remote, delivered, changed FROM replica"

_OWED = f"""
{_ROW} WHERE owner = ? AND changed > ? ORDER BY changed LIMIT ?
"""

# A change that was made while this one was delivered has a number of its own, and stays owed.
_DELIVERED = """
UPDATE replica SET key = :key, remote = :remote, delivered = :delivered,
    since = CASE WHEN changed IS :changed THEN NULL ELSE since END,
    changed = CASE WHEN changed IS :changed THEN NULL ELSE changed END
WHERE owner = :owner AND memory = :memory
"""

_OWE = """
INSERT INTO replica (owner, memory, changed, since) VALUES (
    :owner, :memory, (SELECT coalesce(max(changed), 0) + 1 FROM replica WHERE changed IS NOT NULL), :now
) ON CONFLICT (owner, memory) DO UPDATE
    SET delivered = NULL, changed = excluded.changed, since = coalesce(replica.since, excluded.since)
"""

_OWE_EVERYTHING = """
UPDATE replica SET since = coalesce(since, :now), changed = numbered.number
FROM (SELECT rowid AS id, row_number() OVER (ORDER BY changed IS NULL, changed, rowid) AS number FROM replica)
    AS numbered
WHERE replica.rowid = numbered.id
"""

_IDLE_OWNERS = """
SELECT DISTINCT owner FROM replica AS owed WHERE changed IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM jobs WHERE kind = 'replicate' AND unique_key = owed.owner AND state IN ('available', 'running'))
LIMIT ?
"""


@frozen(kw_only=True)
class Row:
    """One memory as the replica holds it; `changed` is the change that is owed, if one is."""

    owner: str
    memory: str
    key: str | None
    remote: str | None
    delivered: str | None
    changed: int | None


class Outbox:
    """The table `replica`."""

    def __init__(self, database: Database, queue: JobQueue) -> None:
        self._database = database
        self._queue = queue

    # -- jobs ---------------------------------------------------------------------------

    def enqueue(self, transaction: Transaction, owner: str, *, now: float) -> None:
        """Queue the owner's job, unless it waits already or nothing is owed."""
        owes = transaction.execute(
            "SELECT 1 FROM replica WHERE owner = ? AND changed IS NOT NULL LIMIT 1", (owner,)
        ).fetchone()
        if owes is not None:
            job = NewJob(kind=REPLICATE, args={}, lock=f"{REPLICATE}:{owner}", unique_key=owner)
            self._queue.enqueue(transaction, job, now=now)

    async def resume(self, *, now: float) -> None:
        """Whatever waits is due, and who is owed without a job gets one."""

        def transaction(tx: Transaction) -> bool:
            owners = [row["owner"] for row in tx.execute(_IDLE_OWNERS, (AT_ONCE,))]
            for owner in owners:
                self.enqueue(tx, owner, now=now)
            self._queue.hasten(tx, REPLICATE, now=now)
            return len(owners) == AT_ONCE

        while await self._database.write(transaction):
            continue
        self._queue.announce()

    # -- where to -------------------------------------------------------------------------

    async def aim(self, url: str, store: str, *, now: float) -> int:
        """Deliver to this server what `store` says. Another server holds nothing yet; the number of
        copies that the old one keeps although they are deleted here."""

        def transaction(tx: Transaction) -> int:
            row = tx.execute("SELECT value FROM settings WHERE name = 'replica_aim'").fetchone()
            before: Mapping[str, str] = json.loads(row["value"]) if row else {}
            left = 0
            if before.get("url", url) != url:
                left = tx.execute(
                    "DELETE FROM replica WHERE memory NOT IN (SELECT id FROM memories) AND key IS NOT NULL"
                ).rowcount
                tx.execute("UPDATE replica SET key = NULL, remote = NULL, delivered = NULL")
            if before != {"url": url, "store": store}:
                tx.execute(_OWE_EVERYTHING, {"now": int(now)})
            for name, value in (("replica_aim", json.dumps({"url": url, "store": store})), ("replica", "on")):
                tx.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))
            return left

        return await self._database.write(transaction)

    async def rest(self) -> None:
        """No replica is configured: changes are noted, but no jobs are queued."""

        def transaction(tx: Transaction) -> None:
            tx.execute("DELETE FROM settings WHERE name = 'replica'")
            tx.execute("DELETE FROM jobs WHERE kind = ? AND state = 'available'", (REPLICATE,))

        if await self._database.fetch("SELECT 1 FROM settings WHERE name = 'replica'"):
            await self._database.write(transaction)

    # -- what is owed ------------------------------------------------------------------------

    async def owed(self, owner: str, *, after: int = 0, limit: int = 100) -> list[Row]:
        """What one owner's memories owe, in the order of the changes."""
        rows = await self._database.fetch(_OWED, (owner, after, limit))
        return [_row(row) for row in rows]

    async def owners(self) -> list[str]:
        """Who is owed, whoever waits longest first."""
        rows = await self._database.fetch(
            "SELECT owner FROM replica WHERE changed IS NOT NULL GROUP BY owner ORDER BY min(changed)"
        )
        return [row["owner"] for row in rows]

    async def backlog(self) -> tuple[int, float | None]:
        """How many changes are owed, and since when the oldest."""
        rows = await self._database.fetch(
            "SELECT count(*) AS n, min(since) AS since FROM replica WHERE changed IS NOT NULL"
        )
        return rows[0]["n"], rows[0]["since"]

    async def of_owner(self, owner: str) -> list[Row]:
        """Everything that is known of an owner's copies."""
        rows = await self._database.fetch(f"{_ROW} WHERE owner = ?", (owner,))
        return [_row(row) for row in rows]

    async def everything(self) -> list[Row]:
        """Everything that is known of any copy."""
        return [_row(row) for row in await self._database.fetch(_ROW)]

    async def known(self, remotes: Collection[str]) -> Mapping[str, Row]:
        """Which of these ids are copies of memories of ours."""
        rows = await self._database.fetch(
            f"{_ROW} WHERE remote IN (SELECT value FROM json_each(?))",  # noqa: S608 - our own columns
            (json.dumps(list(remotes)),),
        )
        return {row["remote"]: _row(row) for row in rows}

    # -- what became of it ---------------------------------------------------------------------

    async def sending(self, row: Row, key: str) -> None:
        """Note that a copy may be there from now on, and what it says is not known until it is read back."""
        await self._database.write(
            lambda tx: (
                tx.execute(
                    "UPDATE replica SET key = ?, delivered = NULL WHERE owner = ? AND memory = ?",
                    (key, row.owner, row.memory),
                ).rowcount
            )
        )

    async def delivered(self, row: Row, *, key: str | None, remote: str | None, digest: str | None) -> None:
        """Note what was read back; nothing is owed any more unless the memory changed meanwhile."""
        values = {
            "owner": row.owner,
            "memory": row.memory,
            "changed": row.changed,
            "key": key,
            "remote": remote,
            "delivered": digest,
        }

        def transaction(tx: Transaction) -> None:
            tx.execute(_DELIVERED, values)
            if remote is None:  # a memory that is no more needs no row, one that is only withheld keeps it
                tx.execute(
                    "DELETE FROM replica WHERE owner = :owner AND memory = :memory AND changed IS NULL"
                    " AND memory NOT IN (SELECT id FROM memories WHERE owner = :owner)",
                    values,
                )

        await self._database.write(transaction)

    async def owe(self, rows: Sequence[tuple[str, str]], *, now: float) -> None:
        """Owe these memories (owner, id) again, whatever was delivered."""

        def transaction(tx: Transaction) -> None:
            for owner, memory in rows:
                tx.execute(_OWE, {"owner": owner, "memory": memory, "now": int(now)})

        await self._database.write(transaction)

    async def forgotten(self, owner: str, *, now: float) -> None:
        """Nothing of the owner's is there any more: what still is a memory is owed again."""

        def transaction(tx: Transaction) -> None:
            tx.execute(
                "DELETE FROM replica WHERE owner = ? AND memory NOT IN (SELECT id FROM memories WHERE owner = ?)",
                (owner, owner),
            )
            tx.execute("UPDATE replica SET key = NULL, remote = NULL WHERE owner = ?", (owner,))
            for row in tx.execute("SELECT memory FROM replica WHERE owner = ?", (owner,)).fetchall():
                tx.execute(_OWE, {"owner": owner, "memory": row["memory"], "now": int(now)})

        await self._database.write(transaction)


def _row(row: SQLRow) -> Row:
    return Row(**dict(row))
