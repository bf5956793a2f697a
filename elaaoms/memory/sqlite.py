"""Memories in our SQLite database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from attrs import asdict, evolve

from elaaoms.database import Database, Row, Transaction
from elaaoms.errors import NotFound
from elaaoms.memory import (
    Category,
    Evidence,
    Fact,
    Heard,
    Memory,
    Prepared,
    Reconcile,
    Relation,
    Revision,
    Status,
)

_FACT = tuple(field.name for field in Fact.__attrs_attrs__)
_HEARD = ("key", "source", "conversation_id", "agent_id", "heard_at", "arrived_at")
_MEMORY = tuple(field.name for field in Memory.__attrs_attrs__)
_IN_ORDER = "ORDER BY heard_at, arrived_at, id"

_INSERT_FACT = (
    f"INSERT INTO facts (owner, {', '.join((*_HEARD, *_FACT))})"
    f" VALUES (:owner, {', '.join(f':{name}' for name in (*_HEARD, *_FACT))})"
)
_SAVE_MEMORY = (
    f"INSERT INTO memories ({', '.join(_MEMORY)}) VALUES ({', '.join(f':{name}' for name in _MEMORY)})"
    f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _MEMORY[1:])}"
)


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
            new = list(heard)
            before = transaction.execute(
                "SELECT * FROM facts WHERE conversation_id = ?", (conversation_id,)
            ).fetchall()
            past = {row["owner"] for row in before}
            if past <= {owner} and {_heard(row) for row in before} == set(new):
                return 0
            transaction.execute("DELETE FROM facts WHERE conversation_id = ?", (conversation_id,))
        transaction.executemany(_INSERT_FACT, [_fact_values(owner, fact) for fact in new])
        for other in past - {owner}:  # the call turned out to be somebody else's
            self._rebuild(transaction, other, reconcile)
        if owner in past or self._something_later(transaction, owner, new):
            self._rebuild(transaction, owner, reconcile)
        elif new:
            self._save(transaction, reconcile(new, self.of_owner(transaction, owner), owner))
        return len(new)

    def _has_key(self, transaction: Transaction, key: str) -> bool:
        return transaction.execute("SELECT 1 FROM facts WHERE key = ?", (key,)).fetchone() is not None

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

    def _rebuild(self, transaction: Transaction, owner: str, reconcile: Reconcile) -> None:
        """Work an owner's memories out again from every fact; what the operator decided stays."""
        old = {memory.id: memory for memory in self.of_owner(transaction, owner)}
        rows = transaction.execute(f"SELECT * FROM facts WHERE owner = ? {_IN_ORDER}", (owner,))
        revision = reconcile([_heard(row) for row in rows], (), owner)
        transaction.execute("DELETE FROM memories WHERE owner = ?", (owner,))
        kept = tuple(
            _as_decided(memory, old[memory.id]) if memory.id in old else memory
            for memory in revision.memories
        )
        self._save(transaction, evolve(revision, memories=kept))

    def _save(self, transaction: Transaction, revision: Revision) -> None:
        transaction.executemany(_SAVE_MEMORY, [_memory_values(memory) for memory in revision.memories])
        transaction.executemany(
            "UPDATE facts SET memory = ?, effect = ? WHERE key = ?",
            [(memory, effect, key) for key, (memory, effect) in revision.effects.items()],
        )
        active = [memory for memory in revision.memories if memory.status is Status.ACTIVE]
        if self._entry is not None and len(active) <= MAX_ENTRIES:
            entries = [(memory.id, self._entry(memory), memory.owner) for memory in active]
            transaction.executemany(_KEEP_ENTRY, entries)

    def of_owner(self, transaction: Transaction, owner: str) -> list[Memory]:
        rows = transaction.execute(
            "SELECT * FROM memories WHERE owner = ? ORDER BY first_heard, rowid", (owner,)
        )
        return [_memory(row) for row in rows]

    def prepare(self, transaction: Transaction, caller: str, prepared: Mapping[str, Prepared]) -> None:
        transaction.execute("DELETE FROM greetings WHERE caller = ?", (caller,))
        transaction.executemany(
            "INSERT INTO greetings (caller, agent_id, variables, prepared_at, expires_at) VALUES (?, ?, ?, ?, ?)",
            [
                (
                    caller,
                    agent,
                    json.dumps(value.variables, ensure_ascii=False),
                    value.prepared_at,
                    value.expires_at,
                )
                for agent, value in prepared.items()
            ],
        )

    # -- reads --------------------------------------------------------------------

    async def prepared(self, caller: str, agent_id: str) -> Prepared | None:
        rows = await self._database.fetch(
            "SELECT * FROM greetings WHERE caller = ? AND agent_id IN (?, '') ORDER BY agent_id DESC LIMIT 1",
            (caller, agent_id),
        )
        if not rows:
            return None
        row = rows[0]
        return Prepared(
            variables=json.loads(row["variables"]),
            prepared_at=row["prepared_at"],
            expires_at=row["expires_at"],
        )

    async def active(self, caller: str) -> list[Memory]:
        rows = await self._database.fetch(
            "SELECT * FROM memories WHERE owner = ? AND status = 'active' ORDER BY first_heard, rowid",
            (caller,),
        )
        return [_memory(row) for row in rows]

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
        by_id = {row["id"]: _memory(row) for row in rows}
        return [by_id[name] for name in memory_ids if name in by_id]

    async def get(self, memory_id: str) -> Memory:
        rows = await self._database.fetch("SELECT * FROM memories WHERE id = ?", (memory_id,))
        if not rows:
            raise NotFound(f"there is no memory {memory_id}")
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
        return [_memory(row) for row in rows]

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

    async def count(self) -> Mapping[str, int]:
        rows = await self._database.fetch("SELECT status, count(*) AS n FROM memories GROUP BY status")
        return {status.value: 0 for status in Status} | {row["status"]: row["n"] for row in rows}


def _as_decided(new: Memory, old: Memory) -> Memory:
    forgotten = old.status is Status.FORGOTTEN
    return evolve(
        new,
        pinned=old.pinned,
        status=old.status if forgotten else new.status,
        superseded_by=None if forgotten else new.superseded_by,
    )


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


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
