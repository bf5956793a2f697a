"""Memories in our SQLite database."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import asdict, evolve

from elaaoms.database import Database, Row, Transaction
from elaaoms.errors import Conflicting, NotFound, StorageUnavailable
from elaaoms.memory import (
    FORGOTTEN,
    Category,
    Evidence,
    Fact,
    Filters,
    Heard,
    Listing,
    Memory,
    Mentions,
    Prepared,
    Reconcile,
    Relation,
    Revision,
    Scrubbed,
    State,
    Status,
    is_caller,
)

_FACT = tuple(field.name for field in Fact.__attrs_attrs__)
_HEARD = ("key", "source", "conversation_id", "agent_id", "heard_at", "arrived_at")
_MEMORY = tuple(field.name for field in Memory.__attrs_attrs__)
_IN_ORDER = "ORDER BY heard_at, arrived_at, id"

_SEALED = {"facts": ("owner", *_HEARD, *_FACT), "memories": _MEMORY}
_LOOK = 25_000  # rows that one search for a text reads
_LISTED = 10_000  # rows that one page of a filtered list reads
_SLICE = 200  # rows that a scrub looks at before it pauses

_NEWEST_FIRST = "ORDER BY first_heard DESC, id DESC"
# What an index finds, and what is looked for among that, a bounded number of rows at a time.
_WITHIN = {
    "owner": "owner = :owner",
    "conversation_id": "id IN (SELECT memory FROM facts WHERE conversation_id = :conversation_id)",
    "since": "first_heard >= :since",
    "until": "first_heard < :until",
    "after": "(first_heard, id) < (SELECT first_heard, id FROM memories WHERE id = :after)",
}
_AMONG = {
    "agent_id": "(agent_id IS NULL OR EXISTS (SELECT 1 FROM json_each(heard_by) WHERE json_each.value = :agent_id))",
    "category": "category = :category",
    "status": "status = :status",
    "importance": "importance >= :importance",
}

_INSERT_FACT = (
    f"INSERT INTO facts ({', '.join(_SEALED['facts'])}, seal)"
    f" VALUES ({', '.join(f':{name}' for name in _SEALED['facts'])}, :seal)"
)
_SAVE_MEMORY = (
    f"INSERT INTO memories ({', '.join(_MEMORY)}, seal) VALUES ({', '.join(f':{name}' for name in _MEMORY)}, :seal)"
    " ON CONFLICT (id) DO UPDATE SET"
    f" {', '.join(f'{name} = excluded.{name}' for name in (*_MEMORY[1:], 'seal'))}"
)

log = logging.getLogger("elaaoms.memory")


_KEEP_ENTRY = (
    "INSERT OR REPLACE INTO recall_entries (owner, memory, entry)"
    " SELECT no, ?, ? FROM recall_owners WHERE owner = ?"
)
MAX_ENTRIES = (
    64  # made within a write; more of them would hold up other writers, and are left to the next search
)


class SQLiteMemoryStore:
    """The `MemoryStore` in our SQLite database. `entry` makes what search needs of a memory."""

    def __init__(self, database: Database, entry: Callable[[Memory], bytes] | None = None) -> None:
        self._database = database
        self.damaged = 0
        self._entry = entry

    # -- within a transaction ---------------------------------------------------

    def learn(
        self,
        transaction: Transaction,
        heard: Sequence[Heard],
        *,
        owner: str,
        conversation_id: str | None,
        reconcile: Reconcile,
    ) -> int:
        if conversation_id is None:
            said = {fact.key: fact for fact in heard}  # a key counts once, also within one import
            new = [fact for fact in said.values() if not self._has_key(transaction, fact.key)]
            past: set[str] = set()
        else:
            new = self._not_forgotten(transaction, heard, conversation_id)
            before = transaction.execute(
                "SELECT * FROM facts WHERE conversation_id = ?", (conversation_id,)
            ).fetchall()
            past = {row["owner"] for row in before}
            sound = all(_is_sound(row, "facts") for row in before)
            if sound and past <= {owner} and {_heard(row) for row in before} == set(new):
                return 0
            transaction.execute("DELETE FROM facts WHERE conversation_id = ?", (conversation_id,))
        transaction.executemany(_INSERT_FACT, [_sealed(_fact_values(owner, fact), "facts") for fact in new])
        for other in past - {owner}:  # the call turned out to be somebody else's
            self.rebuild(transaction, other, reconcile)
        if (
            owner in past
            or self._something_later(transaction, owner, new)
            or self._is_damaged(transaction, owner)
        ):
            self.rebuild(transaction, owner, reconcile)
        elif new:
            known = self.of_owner(transaction, owner)
            self._save(transaction, reconcile(new, known, owner, upheld=_upheld(known)))
        return len(new)

    def _has_key(self, transaction: Transaction, key: str) -> bool:
        return (
            transaction.execute(
                "SELECT 1 FROM facts WHERE key = :key UNION ALL SELECT 1 FROM forgotten WHERE key = :key LIMIT 1",
                {"key": key},
            ).fetchone()
            is not None
        )

    def _not_forgotten(
        self, transaction: Transaction, heard: Sequence[Heard], conversation_id: str
    ) -> list[Heard]:
        """Without what was forgotten: the very facts, and others that rest on the same words of the call."""
        rows = transaction.execute(
            "SELECT key, turn, category FROM forgotten WHERE conversation_id = ?", (conversation_id,)
        ).fetchall()
        keys = {row["key"] for row in rows}
        places = {(row["turn"], row["category"]) for row in rows}
        return [
            fact
            for fact in heard
            if fact.key not in keys and (fact.fact.turn, fact.fact.category) not in places
        ]

    def _something_later(self, transaction: Transaction, owner: str, new: Sequence[Heard]) -> bool:
        """Whether the owner was heard after the first of these facts in another conversation."""
        if not new:
            return False
        first = min((fact.heard_at, fact.arrived_at) for fact in new)
        row = transaction.execute(
            "SELECT 1 FROM facts WHERE owner = ? AND (heard_at, arrived_at) > (?, ?)"
            " AND conversation_id IS NOT ? LIMIT 1",
            (owner, *first, new[0].conversation_id),
        ).fetchone()
        return row is not None

    def _is_damaged(self, transaction: Transaction, owner: str) -> bool:
        rows = transaction.execute("SELECT * FROM memories WHERE owner = ?", (owner,))
        return not all(_is_sound(row, "memories") for row in rows)

    def rebuild(self, transaction: Transaction, owner: str, reconcile: Reconcile) -> None:
        # What was decided counts also where a bit of the words has flipped.
        decided = transaction.execute(
            "SELECT id, pinned, restored_at FROM memories WHERE owner = ?", (owner,)
        ).fetchall()
        old = {row["id"]: row for row in decided}
        upheld = {row["id"]: row["restored_at"] for row in decided if row["restored_at"] is not None}
        rows = transaction.execute(f"SELECT * FROM facts WHERE owner = ? {_IN_ORDER}", (owner,)).fetchall()
        heard = [_heard(row) for row in self._sound(rows, "facts")]
        revision = reconcile(heard, (), owner, upheld=upheld)
        transaction.execute("DELETE FROM memories WHERE owner = ? AND status != 'forgotten'", (owner,))
        kept = tuple(
            evolve(memory, pinned=bool(old[memory.id]["pinned"]), restored_at=upheld.get(memory.id))
            if memory.id in old
            else memory
            for memory in revision.memories
        )
        self._save(transaction, evolve(revision, memories=kept))

    def _save(self, transaction: Transaction, revision: Revision) -> None:
        values = [_sealed(_memory_values(memory), "memories") for memory in revision.memories]
        transaction.executemany(_SAVE_MEMORY, values)
        transaction.executemany(
            "UPDATE facts SET memory = ?, effect = ? WHERE key = ?",
            [(memory, effect, key) for key, (memory, effect) in revision.effects.items()],
        )
        active = [memory for memory in revision.memories if memory.status is Status.ACTIVE]
        if self._entry is not None and len(active) <= MAX_ENTRIES:
            entries = [(memory.id, self._entry(memory), memory.owner) for memory in active]
            transaction.executemany(_KEEP_ENTRY, entries)

    def pin(self, transaction: Transaction, memory_id: str, pinned: bool) -> Memory:
        return self._save_one(transaction, evolve(self._one(transaction, memory_id), pinned=pinned))

    def restore(
        self, transaction: Transaction, memory_id: str, *, reconcile: Reconcile, now: float
    ) -> Memory:
        memory = self._one(transaction, memory_id)
        if memory.status is not Status.SUPERSEDED:
            raise Conflicting(f"only a superseded memory can be restored; this one is {memory.status.value}")
        self._save_one(transaction, evolve(memory, restored_at=now))
        self.rebuild(transaction, memory.owner, reconcile)
        return self._one(transaction, memory_id)

    def forget(self, transaction: Transaction, memory_id: str, *, reconcile: Reconcile, now: float) -> Memory:
        memory = self._one(transaction, memory_id)
        transaction.execute(
            "INSERT OR IGNORE INTO forgotten (key, owner, conversation_id, turn, category, at)"
            " SELECT key, owner, conversation_id, turn, category, ? FROM facts WHERE memory = ?",
            (now, memory_id),
        )
        transaction.execute("DELETE FROM facts WHERE memory = ?", (memory_id,))
        empty = evolve(
            memory,
            status=Status.FORGOTTEN,
            content=FORGOTTEN,
            source_quote="",
            slot="",
            value="",
            topic="",
            event_date=None,
            superseded_by=None,
            conflict_with=None,
            valid_until=now,
            pinned=False,
            restored_at=None,
        )
        self._save_one(transaction, empty)
        self.rebuild(transaction, memory.owner, reconcile)
        return empty

    def erase(self, transaction: Transaction, owner: str) -> dict[str, int]:
        counts = {
            table: transaction.execute(f"DELETE FROM {table} WHERE owner = ?", (owner,)).rowcount
            for table in ("facts", "forgotten", "memories")
        }
        greetings = transaction.execute("DELETE FROM greetings WHERE caller = ?", (owner,)).rowcount
        return {**counts, "greetings": greetings}

    def merge(self, transaction: Transaction, owner: str, into: str, *, reconcile: Reconcile) -> None:
        rows = transaction.execute(f"SELECT * FROM facts WHERE owner = ? {_IN_ORDER}", (owner,)).fetchall()
        heard = [_heard(row) for row in self._sound(rows, "facts")]
        transaction.execute("DELETE FROM facts WHERE owner = ?", (owner,))
        transaction.executemany(_INSERT_FACT, [_sealed(_fact_values(into, fact), "facts") for fact in heard])
        transaction.execute("UPDATE forgotten SET owner = ? WHERE owner = ?", (into, owner))
        transaction.execute("DELETE FROM greetings WHERE caller = ?", (owner,))
        self.rebuild(transaction, owner, reconcile)
        self.rebuild(transaction, into, reconcile)

    def _save_one(self, transaction: Transaction, memory: Memory) -> Memory:
        transaction.execute(_SAVE_MEMORY, _sealed(_memory_values(memory), "memories"))
        return memory

    def _one(self, transaction: Transaction, memory_id: str) -> Memory:
        row = transaction.execute("SELECT * FROM memories WHERE id = ?", (memory_id,)).fetchone()
        if row is None:
            raise NotFound(f"there is no memory {memory_id}")
        return _memory(row)

    def of_owner(self, transaction: Transaction, owner: str) -> list[Memory]:
        rows = transaction.execute(
            "SELECT * FROM memories WHERE owner = ? ORDER BY first_heard, rowid", (owner,)
        ).fetchall()
        return [_memory(row) for row in self._sound(rows, "memories")]

    def states(self, transaction: Transaction, owner: str) -> Mapping[str, State]:
        rows = transaction.execute(
            "SELECT id, status, agent_id, seal FROM memories WHERE owner = ?", (owner,)
        )
        return {row["id"]: State(row["status"], row["agent_id"] is None, row["seal"]) for row in rows}

    def _sound(self, rows: Sequence[Row], table: str) -> list[Row]:
        """The rows that are as they were written; the others are nobody's to hear."""
        sound = [row for row in rows if _is_sound(row, table)]
        if len(sound) < len(rows):
            self.damaged += len(rows) - len(sound)
            log.critical("%d rows of %s are not as they were written", len(rows) - len(sound), table)
        return sound

    def prepare(self, transaction: Transaction, caller: str, prepared: Mapping[str, Prepared]) -> None:
        transaction.execute("DELETE FROM greetings WHERE caller = ?", (caller,))
        transaction.executemany(
            "INSERT INTO greetings (caller, agent_id, variables, memories, prepared_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    caller,
                    agent,
                    json.dumps(value.variables, ensure_ascii=False),
                    json.dumps(value.memories),
                    value.prepared_at,
                    value.expires_at,
                )
                for agent, value in prepared.items()
            ],
        )

    def all_prepared(self, transaction: Transaction, caller: str) -> Mapping[str, Prepared]:
        rows = transaction.execute("SELECT * FROM greetings WHERE caller = ? ORDER BY agent_id", (caller,))
        return {row["agent_id"]: _prepared(row) for row in rows}

    # -- reads --------------------------------------------------------------------

    async def prepared(self, caller: str, agent_id: str) -> Prepared | None:
        rows = await self._database.fetch(
            "SELECT * FROM greetings WHERE caller = ? AND agent_id IN (?, '') ORDER BY agent_id DESC LIMIT 1",
            (caller, agent_id),
        )
        if not rows:
            return None
        return _prepared(rows[0])

    async def active(self, caller: str) -> list[Memory]:
        rows = await self._database.fetch(
            "SELECT * FROM memories WHERE owner = ? AND status = 'active' ORDER BY first_heard, rowid",
            (caller,),
        )
        return [_memory(row) for row in self._sound(rows, "memories")]

    async def version(self, owner: str) -> int:
        rows = await self._database.fetch("SELECT version FROM recall_owners WHERE owner = ?", (owner,))
        return int(rows[0]["version"]) if rows else 0

    async def entries(self, owner: str) -> tuple[int, dict[str, bytes | None]]:
        async with self._database.read() as reader:

            async def all_of(sql: str) -> list[Row]:
                return list(await reader.execute_fetchall(sql, (owner,)))

            owners = await all_of("SELECT no, version FROM recall_owners WHERE owner = ?")
            if not owners:
                return 0, {}
            kept = await all_of(
                "SELECT memory, entry FROM recall_entries WHERE owner = (SELECT no FROM recall_owners WHERE owner = ?)"
            )
            ((count,),) = await all_of("SELECT count(*) FROM memories WHERE owner = ? AND status = 'active'")
            found: dict[str, bytes | None] = {row["memory"]: row["entry"] for row in kept}
            if len(found) != count:  # the table itself is asked only when something is missing
                rows = await all_of("SELECT id FROM memories WHERE owner = ? AND status = 'active'")
                found = {row["id"]: found.get(row["id"]) for row in rows}
            return int(owners[0]["version"]), found

    async def keep_entries(self, owner: str, version: int, entries: Mapping[str, bytes]) -> None:
        rows = [(memory, entry, owner, version) for memory, entry in entries.items()]
        await self._database.write(lambda tx: tx.executemany(f"{_KEEP_ENTRY} AND version = ?", rows).rowcount)

    async def chosen(self, owner: str, memory_ids: Sequence[str]) -> list[Memory]:
        rows = await self._database.fetch(
            "SELECT * FROM memories WHERE id IN (SELECT value FROM json_each(?)) AND owner = ? AND status = 'active'",
            (json.dumps(list(memory_ids)), owner),
        )
        by_id = {row["id"]: _memory(row) for row in self._sound(rows, "memories")}
        return [by_id[name] for name in memory_ids if name in by_id]

    async def get(self, memory_id: str) -> Memory:
        rows = await self._database.fetch("SELECT * FROM memories WHERE id = ?", (memory_id,))
        if not rows:
            raise NotFound(f"there is no memory {memory_id}")
        if not self._sound(rows, "memories"):
            raise StorageUnavailable(f"memory {memory_id} is damaged and will be worked out again")
        return _memory(rows[0])

    async def page(
        self,
        *,
        owner: str | None = None,
        agent_id: str | None = None,
        conversation_id: str | None = None,
        fact_key: str | None = None,
        category: Category | None = None,
        status: Status | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[Memory]:
        conditions = ["1"]
        parameters: dict[str, Any] = {"limit": limit}
        for name, value in (("owner", owner), ("category", category), ("status", status)):
            if value is not None:
                conditions.append(f"{name} = :{name}")
                parameters[name] = value
        if agent_id is not None:
            conditions.append(
                "(agent_id IS NULL OR EXISTS (SELECT 1 FROM json_each(heard_by) WHERE json_each.value = :agent))"
            )
            parameters["agent"] = agent_id
        if conversation_id is not None:
            conditions.append("id IN (SELECT memory FROM facts WHERE conversation_id = :conversation)")
            parameters["conversation"] = conversation_id
        if fact_key is not None:
            conditions.append("id = (SELECT memory FROM facts WHERE key = :fact_key)")
            parameters["fact_key"] = fact_key
        if after is not None:
            conditions.append("(first_heard, id) < (SELECT first_heard, id FROM memories WHERE id = :after)")
            parameters["after"] = after
        rows = await self._database.fetch(
            f"SELECT * FROM memories WHERE {' AND '.join(conditions)}"
            " ORDER BY first_heard DESC, id DESC LIMIT :limit",
            parameters,
        )
        return [_memory(row) for row in self._sound(rows, "memories")]

    async def listing(self, filters: Filters, *, limit: int = 50, after: str | None = None) -> Listing:
        parameters: dict[str, Any] = asdict(filters) | {"limit": limit, "after": after, "look": _LISTED}
        within = [condition for name, condition in _WITHIN.items() if parameters[name] is not None] or ["1"]
        among = [condition for name, condition in _AMONG.items() if parameters[name] is not None]
        last = []
        if among:  # the row at which this look ends
            last = await self._database.fetch(
                f"SELECT first_heard, id FROM memories WHERE {' AND '.join(within)} {_NEWEST_FIRST}"
                " LIMIT 1 OFFSET :look - 1",
                parameters,
            )
        if last:
            among.append("(first_heard, id) >= (:end_at, :end)")
            parameters |= {"end_at": last[0]["first_heard"], "end": last[0]["id"]}
        rows = await self._database.fetch(
            f"SELECT * FROM memories WHERE {' AND '.join(within + among)} {_NEWEST_FIRST} LIMIT :limit",
            parameters,
        )
        memories = tuple(_memory(row) for row in self._sound(rows, "memories"))
        if len(rows) == limit:
            return Listing(memories=memories, next=rows[-1]["id"])
        return Listing(memories=memories, next=last[0]["id"] if last else None)

    async def mentioning(self, text: str, *, limit: int = 50, further: int | None = None) -> Mentions:
        newest = further
        if newest is None:
            newest = (await self._database.fetch("SELECT max(rowid) AS number FROM memories"))[0][
                "number"
            ] or 0
        escaped = "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in text)
        rows = await self._database.fetch(
            "SELECT rowid AS number, * FROM memories WHERE rowid <= :newest AND rowid > :newest - :look"
            " AND content LIKE :pattern ESCAPE '\\' AND status != 'forgotten' ORDER BY rowid DESC LIMIT :limit",
            {"newest": newest, "look": _LOOK, "pattern": f"%{escaped}%", "limit": limit},
        )
        rest = rows[-1]["number"] - 1 if len(rows) == limit else newest - _LOOK
        found = tuple(_memory(row) for row in self._sound(rows, "memories"))
        return Mentions(memories=found, further=rest if rest > 0 else None)

    async def called(self, name: str, *, limit: int = 50) -> list[str]:
        rows = await self._database.fetch(
            "SELECT DISTINCT owner FROM memories INDEXED BY memories_by_name"
            " WHERE slot = 'name' AND status = 'active' AND instr(value, ?) LIMIT ?",
            (name.casefold(), limit),
        )
        return [row["owner"] for row in rows if is_caller(row["owner"])]

    async def names(self, callers: Sequence[str]) -> Mapping[str, Memory]:
        rows = await self._database.fetch(
            "SELECT memories.* FROM json_each(?) AS wanted"
            " JOIN memories INDEXED BY memories_with_names ON owner = wanted.value"
            " AND status = 'active' AND slot = 'name' ORDER BY first_heard, id",
            (json.dumps(list(callers)),),
        )
        return {memory.owner: memory for memory in map(_memory, self._sound(rows, "memories"))}

    async def largest(self, *, limit: int = 10) -> list[tuple[str, int]]:
        rows = await self._database.fetch(
            "SELECT owner, memories FROM owners ORDER BY memories DESC, owner DESC LIMIT ?", (limit,)
        )
        return [(row["owner"], row["memories"]) for row in rows]

    async def facts(self, conversation_id: str) -> list[Heard]:
        rows = await self._database.fetch(
            "SELECT * FROM facts WHERE conversation_id = ? ORDER BY turn, id", (conversation_id,)
        )
        return [_heard(row) for row in self._sound(rows, "facts")]

    async def evidence(self, memory_ids: Sequence[str]) -> Mapping[str, list[Evidence]]:
        found: dict[str, list[Evidence]] = {memory: [] for memory in memory_ids}
        rows = await self._database.fetch(
            "SELECT memory, effect, content, quote, turn, heard_at, conversation_id, agent_id, source FROM facts"
            f" WHERE memory IN (SELECT value FROM json_each(?)) {_IN_ORDER}",
            (json.dumps(list(memory_ids)),),
        )
        for row in rows:
            found[row["memory"]].append(Evidence(**dict(row)))
        return found

    async def scrub(self, *, pause_s: float) -> Scrubbed:
        rows, lost = 0, 0
        owners: set[str] = set()
        conversations: set[str] = set()
        for table in _SEALED:
            after = 0
            while page := await self._database.fetch(
                f"SELECT rowid AS number, * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {_SLICE}",
                (after,),
            ):
                after, rows = page[-1]["number"], rows + len(page)
                for row in await asyncio.to_thread(_unsound, page, table):
                    if table == "memories":
                        owners.add(row["owner"])
                    elif row["source"] == "call" and row["conversation_id"]:
                        conversations.add(row["conversation_id"])
                    else:
                        lost += 1
                if bare := [row for row in page if row["seal"] is None]:
                    await self._database.write(partial(_seal_all, table, bare))
                await asyncio.sleep(pause_s)
        self.damaged = lost
        return Scrubbed(
            rows=rows, owners=frozenset(owners), conversations=frozenset(conversations), lost=lost
        )

    async def count(self) -> Mapping[str, int]:
        rows = await self._database.fetch("SELECT status, count(*) AS n FROM memories GROUP BY status")
        return {status.value: 0 for status in Status} | {row["status"]: row["n"] for row in rows}


def _upheld(memories: Iterable[Memory]) -> dict[str, float]:
    return {memory.id: memory.restored_at for memory in memories if memory.restored_at is not None}


def _seal(values: Mapping[str, Any] | Row, table: str) -> str:
    """SHA-256 over a row's values. Empty ones are left out, so that a column which is added later and
    empty breaks no seal; numbers are what SQLite makes of them."""
    told = {
        name: float(value) if isinstance(value, int | float) else value
        for name in _SEALED[table]
        if (value := values[name]) not in (None, "", 0, "[]")
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _sealed(values: dict[str, Any], table: str) -> dict[str, Any]:
    return values | {"seal": _seal(values, table)}


def _is_sound(row: Row, table: str) -> bool:
    try:
        return row["seal"] is None or row["seal"] == _seal(row, table)
    except (TypeError, ValueError):  # not even of the kind that was written
        return False


def _unsound(rows: Sequence[Row], table: str) -> list[Row]:
    return [row for row in rows if not _is_sound(row, table)]


def _seal_all(table: str, rows: Sequence[Row], transaction: Transaction) -> None:
    transaction.executemany(
        f"UPDATE {table} SET seal = ? WHERE rowid = ? AND seal IS NULL",
        [(_seal(row, table), row["number"]) for row in rows],
    )


def salvaged(path: Path) -> list[tuple[str, Heard]]:
    """What operators said, from a database that was set aside, as far as it can be read: (address, fact).

    Everything else stands in the archive.
    """
    found = []
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        try:
            rows = connection.execute(
                "SELECT callers.address, facts.* FROM facts JOIN callers ON callers.caller = facts.owner"
                " WHERE facts.source = 'operator'"
            )
            for row in rows:
                if "seal" not in row.keys() or _is_sound(row, "facts"):  # noqa: SIM118 - a Row is no mapping
                    found.append((row["address"], _heard(row)))
        except (sqlite3.Error, ValueError, TypeError) as error:
            log.error("%s cannot be read further: %s", path.name, error)
    return found


def _fact_values(owner: str, heard: Heard) -> dict[str, Any]:
    fact = heard.fact
    return {
        "owner": owner,
        **{name: getattr(heard, name) for name in _HEARD},
        **asdict(fact),
        "event_date": fact.event_date.isoformat() if fact.event_date else None,
    }


def _heard(row: Row) -> Heard:
    values = {name: row[name] for name in _FACT}
    fact = Fact(
        **values
        | {
            "category": Category(row["category"]),
            "changes": bool(row["changes"]),
            "relation": Relation(row["relation"]),
            "event_date": _date(row["event_date"]),
        }
    )
    return Heard(fact=fact, **{name: row[name] for name in _HEARD})


def _memory_values(memory: Memory) -> dict[str, Any]:
    return asdict(memory) | {
        "heard_by": json.dumps(memory.heard_by),
        "event_date": memory.event_date.isoformat() if memory.event_date else None,
    }


def _memory(row: Row) -> Memory:
    return Memory(
        **{name: row[name] for name in _MEMORY}
        | {
            "category": Category(row["category"]),
            "status": Status(row["status"]),
            "heard_by": tuple(json.loads(row["heard_by"])),
            "event_date": _date(row["event_date"]),
            "pinned": bool(row["pinned"]),
        }
    )


def _prepared(row: Row) -> Prepared:
    return Prepared(
        variables=json.loads(row["variables"]),
        prepared_at=row["prepared_at"],
        expires_at=row["expires_at"],
        memories=tuple(json.loads(row["memories"])),
    )


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
