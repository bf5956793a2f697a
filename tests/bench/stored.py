"""A database with many stored calls, written by plain SQL: measuring is not the time to make them one by one."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from elaaoms.database import Database
from elaaoms.identity import Address, caller_key

CALLS_EACH = 5  # calls of one caller, each with one memory
ASKED = 100  # callers whom the measurements ask for, spread evenly over the table
EXTRA = 8  # memories that those have besides
_SECRET = bytes(32)
_DAY = 86_400.0
_SUBJECTS = "router invoice delivery appointment warranty contract password upgrade refund address".split()
_TABLES = ("callers", "calls", "events", "jobs", "facts", "memories", "greetings")

_DERIVED = {  # what triggers would have kept
    "owners": "SELECT owner, count(*) FROM memories GROUP BY owner",
    "volumes": "SELECT type, CAST(received_at / 86400 AS INTEGER), count(*), sum(size) FROM events GROUP BY 1, 2",
}


def asked_number(index: int) -> str:
    """The phone number of the caller asked for at this turn."""
    return f"+1202555{100 + index % ASKED:04d}"


async def populate(data: Path, calls: int, *, each: int = 1) -> None:
    """Make the database of a daemon that has processed so many calls; without their archived bodies.

    `each` is how many memories a call left.
    """
    await asyncio.to_thread(data.mkdir, parents=True)
    async with Database.open(data / "elaaoms.db"):
        pass  # its schema is the daemon's own
    await asyncio.to_thread(_fill, data / "elaaoms.db", calls, each)


def _fill(path: Path, calls: int, each: int) -> None:
    now = time.time()
    callers = max(ASKED, calls // CALLS_EACH)
    step = callers // ASKED
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        database.execute("INSERT INTO settings VALUES ('caller_secret', ?)", (_SECRET.hex(),))
        later = database.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
        ).fetchall()
        for kind, name, _ in later:
            database.execute(f"DROP {kind} {name}")
        for table in _TABLES:
            rows = _rows(table, calls, callers, step, now, each)
            first = next(rows)
            sql = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({', '.join(f':{key}' for key in first)})"  # noqa: S608
            database.execute(sql, first)
            database.executemany(sql, rows)
        for _, _, sql in later:
            database.execute(sql)
        for table in ("calls", "callers", "events"):
            database.execute(
                f"UPDATE tallies SET count = (SELECT count(*) FROM {table}) WHERE name = '{table}'"  # noqa: S608
            )
        database.execute(
            "UPDATE tallies SET count = (SELECT count(*) FROM jobs WHERE 'jobs ' || state = name) WHERE name LIKE 'jobs %'"
        )
        for table, sql in _DERIVED.items():
            database.execute(f"DELETE FROM {table}")  # noqa: S608
            database.execute(f"INSERT INTO {table} {sql}")
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _rows(table: str, calls: int, callers: int, step: int, now: float, each: int) -> Iterator[dict[str, Any]]:
    if table == "callers":
        for index in range(callers):
            at = now - 300 * _DAY
            yield {
                "caller": _key(index, step),
                "address": str(_address(index, step)),
                "language": "en",
                "calls": CALLS_EACH,
                "first_seen": at,
                "last_seen": at + _DAY,
            }
    elif table == "greetings":
        variables = {
            "caller_known": True,
            "caller_name": "Robin",
            "memory_greeting": "Welcome back, Robin! Is this about your order?",
            "caller_memory": "- Order QX-48213 was delayed\n- Prefers e-mail\n" * 6,
            "last_call_summary": "The caller asked about a delayed order and a new router.",
            "caller_context": json.dumps({"memories": ["Order QX-48213 was delayed"] * 6}),
        }
        for index in range(callers):
            yield {
                "caller": _key(index, step),
                "agent_id": "",
                "variables": json.dumps(variables),
                "prepared_at": now,
                "expires_at": now + 90 * _DAY,
            }
    elif table in ("facts", "memories"):
        for index in range(calls * each):
            yield _fact(table, index, index // each % callers, step, now, f"conv_stored_{index // each:09d}")
        for index in range(calls * each, calls * each + ASKED * EXTRA):
            yield _fact(table, index, index % ASKED * step, step, now, f"conv_stored_{index:09d}")
    else:
        for index in range(calls):
            yield _call(table, index, _key(index % callers, step), now)


def _address(index: int, step: int) -> Address:
    if index % step == 0 and index // step < ASKED:
        return Address("tel", asked_number(index // step))
    return Address("user", f"customer-{index}")


def _key(index: int, step: int) -> str:
    return caller_key(_address(index, step), _SECRET)


def _call(table: str, index: int, caller: str, now: float) -> dict[str, Any]:
    conversation, at = f"conv_stored_{index:09d}", now - 400 * _DAY + index * 30 % (300 * _DAY)
    match table:
        case "calls":
            return {
                "conversation_id": conversation,
                "agent_id": "agent_0001fictional",
                "caller": caller,
                "started_at": at,
                "received_at": at,
                "job": index + 1,
                "summary": "The caller asked about a delayed order.",
                "outcome": "completed",
            }
        case "events":
            return {
                "type": "post_call_transcription",
                "conversation_id": conversation,
                "sha256": f"{index:064x}",
                "event_timestamp": at,
                "path": f"{conversation}/{conversation}_transcription.json",
                "size": 8192,
                "received_at": at,
                "job": index + 1,
            }
        case _:
            return {
                "kind": "remember",
                "args": "{}",
                "state": "completed",
                "attempt": 1,
                "max_attempts": 4,
                "run_at": at,
                "lock": caller,
                "unique_key": f"{index:064x}",
                "created_at": at,
                "started_at": now - _DAY,
                "finished_at": now - _DAY,  # younger than worker.keep_days
            }


def _fact(table: str, index: int, caller: int, step: int, now: float, conversation: str) -> dict[str, Any]:
    subject = _SUBJECTS[(index + index // 7) % len(_SUBJECTS)]
    content = f"The caller asked about the {subject} of order QX-{10_000 + index}."
    at = now - 200 * _DAY + index % 1000
    row = {
        "owner": _key(caller, step),
        "agent_id": "agent_0001fictional",
        "conversation_id": conversation,
        "category": "factual",
        "content": content,
        "importance": 5,
        "confidence": 0.8,
        "turn": 1,
        "slot": "",
        "value": "",
        "topic": "",
    }
    if table == "facts":
        return row | {
            "key": f"fact{index}",
            "source": "call",
            "heard_at": at,
            "arrived_at": at,
            "quote": content,
            "changes": 0,
            "memory": f"mem_{index}",
            "effect": "added",
        }
    return row | {
        "id": f"mem_{index}",
        "heard_by": '["agent_0001fictional"]',
        "source_quote": content,
        "valid_from": at,
        "status": "active",
        "reinforcements": 0,
        "first_heard": at,
        "last_heard": at,
    }
