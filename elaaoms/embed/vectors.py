"""The vectors of an embedding endpoint in our SQLite database, each with the model that made it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen

from elaaoms.database import Database, Transaction
from elaaoms.embed import Vector
from elaaoms.jobs import JobQueue, NewJob

EMBED = "embed"  # the kind of job that embeds one owner's memories; its unique_key says whose
AT_ONCE = 500  # jobs that are queued in one transaction: acknowledgements of calls wait behind it

_OWED = """
FROM memories LEFT JOIN embeddings
    ON embeddings.owner = memories.owner AND embeddings.memory = memories.id
    AND embeddings.model = (SELECT no FROM embedding_models WHERE model = :model)
WHERE memories.status = 'active' AND embeddings.memory IS NULL
"""

_IDLE_OWNERS = f"""
SELECT DISTINCT memories.owner {_OWED} AND NOT EXISTS (
    SELECT 1 FROM jobs WHERE kind = 'embed' AND unique_key = memories.owner AND state IN ('available', 'running'))
LIMIT :limit
"""  # noqa: S608 - our own tables

# Only what still says what was embedded gets the vector.
_KEEP = """
INSERT OR REPLACE INTO embeddings (owner, memory, model, vector)
SELECT owner, id, :model, :vector FROM memories
WHERE id = :id AND owner = :owner AND content = :content AND status = 'active'
"""


@frozen
class Fitted:
    """A model that vectors were made with: `slope · cosine + shift` is what the built-in table would say."""

    no: int
    size: int
    slope: float
    shift: float


@frozen
class Text:
    """A memory's words, for which there is no vector yet."""

    id: str
    owner: str
    content: str


class Vectors:
    """The tables `embeddings` and `embedding_models`."""

    def __init__(self, database: Database, queue: JobQueue) -> None:
        self._database = database
        self._queue = queue

    # -- jobs -----------------------------------------------------------------------------------

    async def aim(self, model: str, *, now: float) -> None:
        """Make vectors of this model from now on; whoever has none of it gets a job."""
        await self._database.write(
            lambda tx: (
                tx.execute(
                    "INSERT OR REPLACE INTO settings (name, value) VALUES ('embeddings', ?)", (model,)
                ).rowcount
            )
        )

        def transaction(tx: Transaction) -> bool:
            rows = tx.execute(_IDLE_OWNERS, {"model": model, "limit": AT_ONCE}).fetchall()
            for row in rows:
                self._queue.enqueue(tx, _job(row["owner"]), now=now)
            self._queue.hasten(tx, EMBED, now=now)
            return len(rows) == AT_ONCE

        while await self._database.write(transaction):
            continue
        self._queue.announce()

    async def rest(self) -> None:
        """No endpoint is configured: no jobs are queued. What was made stays, should it come back."""

        def transaction(tx: Transaction) -> None:
            tx.execute("DELETE FROM settings WHERE name = 'embeddings'")
            tx.execute("DELETE FROM jobs WHERE kind = ? AND state = 'available'", (EMBED,))

        if await self._database.fetch("SELECT 1 FROM settings WHERE name = 'embeddings'"):
            await self._database.write(transaction)

    def enqueue(self, transaction: Transaction, owner: str, model: str, *, now: float) -> None:
        """Queue the owner's job, unless it waits already or nothing is owed."""
        sql = f"SELECT 1 {_OWED} AND memories.owner = :owner LIMIT 1"
        if transaction.execute(sql, {"model": model, "owner": owner}).fetchone() is not None:
            self._queue.enqueue(transaction, _job(owner), now=now)

    # -- what is there --------------------------------------------------------------------------

    async def fitted(self, model: str) -> Fitted | None:
        """The model as it was fitted, if it was."""
        rows = await self._database.fetch(
            "SELECT no, size, slope, shift FROM embedding_models WHERE model = ?", (model,)
        )
        return Fitted(**dict(rows[0])) if rows else None

    async def fit(self, model: str, *, size: int, slope: float, shift: float) -> Fitted:
        """Note how a model's cosines are to be read."""
        values = (model, size, slope, shift)
        sql = "INSERT INTO embedding_models (model, size, slope, shift) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        await self._database.write(lambda tx: tx.execute(sql, values).rowcount)
        fitted = await self.fitted(model)
        assert fitted is not None  # noqa: S101 - nothing but `drop` removes it, and makes it anew
        return fitted

    async def owed(self, model: str, owner: str, *, limit: int) -> list[Text]:
        """An owner's active memories without a vector of this model."""
        rows = await self._database.fetch(
            f"SELECT memories.id, memories.owner, memories.content {_OWED}"
            " AND memories.owner = :owner LIMIT :limit",
            {"model": model, "owner": owner, "limit": limit},
        )
        return [Text(**dict(row)) for row in rows]

    async def owed_after(self, model: str, last: int, *, limit: int) -> list[tuple[int, Text]]:
        """Anybody's, each with its place in the table, after such a place."""
        rows = await self._database.fetch(
            "SELECT memories.rowid AS place, memories.id, memories.owner, memories.content"
            f" {_OWED} AND memories.rowid > :last ORDER BY memories.rowid LIMIT :limit",
            {"model": model, "last": last, "limit": limit},
        )
        return [(row["place"], Text(row["id"], row["owner"], row["content"])) for row in rows]

    async def of_owner(self, owner: str, fitted: Fitted) -> tuple[list[str], Vector]:
        """The ids of an owner's memories that have a vector of this model, and the vectors."""
        rows = await self._database.fetch(
            "SELECT memory, vector FROM embeddings WHERE owner = ? AND model = ? AND length(vector) = ?",
            (owner, fitted.no, 2 * fitted.size),
        )
        whole = np.frombuffer(b"".join(row["vector"] for row in rows), "<f2")
        return [row["memory"] for row in rows], whole.reshape(len(rows), fitted.size).astype(np.float32)

    async def counts(self, model: str) -> tuple[int, int]:
        """How many active memories there are, and how many of them are without a vector of this model."""
        active = await self._database.fetch("SELECT count(*) AS n FROM memories WHERE status = 'active'")
        owed = await self._database.fetch(f"SELECT count(*) AS n {_OWED}", {"model": model})
        return active[0]["n"], owed[0]["n"]

    # -- what is made ---------------------------------------------------------------------------

    async def keep(self, fitted: Fitted, made: Sequence[tuple[Text, Vector | None]]) -> int:
        """Store vectors, None for a text that the endpoint refuses; how many memories still say the same."""
        rows = [
            {
                "id": text.id,
                "owner": text.owner,
                "content": text.content,
                "model": fitted.no,
                "vector": b"" if vector is None else vector.astype("<f2").tobytes(),
            }
            for text, vector in made
        ]
        return await self._database.write(lambda tx: tx.executemany(_KEEP, rows).rowcount)

    async def drop(self, model: str) -> None:
        """Forget a model and every vector of it."""
        await self._database.write(
            lambda tx: tx.execute("DELETE FROM embedding_models WHERE model = ?", (model,)).rowcount
        )


def _job(owner: str) -> NewJob:
    return NewJob(kind=EMBED, args={}, lock=f"{EMBED}:{owner}", unique_key=owner)
