"""Calls, callers and events in our SQLite database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict, fields

from elaaoms.archive import HELD, Archived
from elaaoms.calls import Call, Caller, Charge, Held, LastCall, Recorded, Request, Slot, Spending, Volume
from elaaoms.database import Database, Row, Transaction, filled, in_chunks
from elaaoms.errors import NotFound
from elaaoms.identity import Address
from elaaoms.webhooks import AUDIO, TRANSCRIPTION, Conversation, Event

_CALL = """
SELECT calls.*, COALESCE(outcome, CASE jobs.state WHEN 'available' THEN 'queued' WHEN 'running' THEN 'processing'
                                  ELSE 'failed' END) AS extraction_status
FROM calls LEFT JOIN jobs ON jobs.id = calls.job
"""

_DESCRIBED = (
    "conversation_id agent_id caller channel direction language started_at duration_s received_at job".split()
)
_DESCRIBE = f"""
INSERT INTO calls ({", ".join(_DESCRIBED)}) VALUES {{}}
ON CONFLICT (conversation_id) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _DESCRIBED if name not in ("conversation_id", "received_at"))},
    outcome = NULL, title = '', summary = ''
"""

# How many calls a caller has is counted by triggers.
_MEET = """
INSERT INTO callers (caller, address, language, first_seen, last_seen) VALUES {}
ON CONFLICT (caller) DO UPDATE SET
    first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen),
    language = CASE excluded.language WHEN '' THEN language ELSE excluded.language END,
    address = CASE WHEN callers.address LIKE 'key:%' THEN excluded.address ELSE callers.address END
"""


_KNOWN = """
WITH asked (conversation_id, type, digest, caller, since) AS (VALUES {})
SELECT
    NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.conversation_id = asked.conversation_id AND events.type = asked.type
    )
    AND NOT EXISTS (SELECT 1 FROM erased WHERE erased.digest = asked.digest)
    AND NOT EXISTS (SELECT 1 FROM aliases WHERE aliases.caller = asked.caller),
    (
        SELECT count(*) FROM (
            SELECT 1 FROM calls
            WHERE calls.caller = asked.caller AND started_at > asked.since AND received_at > asked.since LIMIT ?
        )
    )
FROM asked
"""

_RECORD = """
INSERT INTO events (conversation_id, type, sha256, event_timestamp, path, size, received_at, job) VALUES {}
"""


class SQLiteCallStore:
    """The `CallStore` in our SQLite database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, transaction: Transaction, archived: Archived, *, now: float) -> Recorded:
        event = archived.event
        assert event is not None  # noqa: S101 - held bodies are not events
        key = (event.conversation_id, event.type)
        rows = transaction.execute(
            "SELECT sha256, event_timestamp, job, path FROM events WHERE conversation_id = ? AND type = ?",
            key,
        ).fetchall()
        for row in rows:
            if row["sha256"] == archived.sha256:
                return Recorded(duplicate=True, newest=False, job_id=row["job"], path=row["path"])
        transaction.execute(filled(_RECORD, 1, 8), _recorded(archived, None, now))
        newest = all(row["event_timestamp"] < event.event_timestamp for row in rows)
        return Recorded(duplicate=False, newest=newest, path=archived.path)

    def queued(self, transaction: Transaction, archived: Archived, job_id: int) -> None:
        event = archived.event
        assert event is not None  # noqa: S101
        transaction.execute(
            "UPDATE events SET job = ? WHERE conversation_id = ? AND type = ? AND sha256 = ?",
            (job_id, event.conversation_id, event.type, archived.sha256),
        )

    def describe(
        self,
        transaction: Transaction,
        archived: Archived,
        caller: str | None,
        *,
        now: float,
        job_id: int | None,
    ) -> None:
        event = archived.event
        assert event is not None  # noqa: S101
        talk = event.conversation
        if talk is None:
            # Audio and failures may arrive before, after or without a transcription.
            transaction.execute(
                "INSERT INTO calls (conversation_id, agent_id, started_at, failure, received_at, outcome)"
                " VALUES (?, ?, ?, ?, ?, 'nothing') ON CONFLICT (conversation_id) DO UPDATE"
                " SET failure = CASE excluded.failure WHEN '' THEN failure ELSE excluded.failure END",
                (event.conversation_id, event.agent_id, event.event_timestamp or now, event.failure, now),
            )
            return
        described = _described(event, talk, caller, now, job_id)
        transaction.execute(filled(_DESCRIBE, 1, len(_DESCRIBED)), described)

    def unseen(
        self,
        transaction: Transaction,
        asked: Sequence[tuple[str, str, str, str | None, float]],
        *,
        most: int,
    ) -> list[tuple[bool, int]]:
        found: list[tuple[bool, int]] = []
        for chunk in in_chunks(asked):
            given = [*(value for row in chunk for value in row), most]
            rows = transaction.execute(filled(_KNOWN, len(chunk), 5), given)
            found += ((bool(new), recent) for new, recent in rows)
        return found

    def record_all(
        self, transaction: Transaction, arrived: Sequence[tuple[Archived, str | None, int, float]]
    ) -> None:
        for chunk in in_chunks(arrived):
            events: list[Any] = []
            calls: list[Any] = []
            for archived, caller, job_id, now in chunk:
                event = archived.event
                assert event is not None  # noqa: S101 - as in `record`
                assert event.conversation is not None  # noqa: S101
                events += _recorded(archived, job_id, now)
                calls += _described(event, event.conversation, caller, now, job_id)
            transaction.execute(filled(_RECORD, len(chunk), 8), events)
            transaction.execute(filled(_DESCRIBE, len(chunk), len(_DESCRIBED)), calls)

    def meet_all(self, transaction: Transaction, people: Sequence[tuple[str, Address, float, str]]) -> None:
        for chunk in in_chunks(people):
            given = [
                value
                for caller, address, now, language in chunk
                for value in (caller, str(address), language, now, now)
            ]
            transaction.execute(filled(_MEET, len(chunk), 5), given)

    def settle(
        self,
        transaction: Transaction,
        conversation_id: str,
        *,
        outcome: str,
        dropped: Sequence[Mapping[str, Any]],
        title: str,
        summary: str,
    ) -> None:
        told = (json.dumps(dropped, ensure_ascii=False), title[:300], summary[:4000])
        transaction.execute(
            "UPDATE calls SET outcome = ?, dropped = ?, title = ?, summary = ? WHERE conversation_id = ?",
            (outcome, *told, conversation_id),
        )

    def reopen(self, transaction: Transaction, conversation_id: str, job_id: int) -> None:
        transaction.execute(
            "UPDATE calls SET outcome = NULL, job = ? WHERE conversation_id = ?", (job_id, conversation_id)
        )

    def erase(self, transaction: Transaction, caller: str) -> tuple[list[str], dict[str, int]]:
        rows = transaction.execute("SELECT conversation_id FROM calls WHERE caller = ?", (caller,))
        conversations = [row["conversation_id"] for row in rows]
        one_each = [(conversation,) for conversation in conversations]
        events = sum(
            transaction.execute("DELETE FROM events WHERE conversation_id = ?", one).rowcount
            for one in one_each
        )
        transaction.executemany("UPDATE charges SET conversation_id = '' WHERE conversation_id = ?", one_each)
        counts = {
            "events": events,
            "calls": transaction.execute("DELETE FROM calls WHERE caller = ?", (caller,)).rowcount,
            "callers": transaction.execute("DELETE FROM callers WHERE caller = ?", (caller,)).rowcount,
        }
        return conversations, counts

    def merge(self, transaction: Transaction, caller: str, into: str) -> None:
        transaction.execute("UPDATE calls SET caller = ? WHERE caller = ?", (into, caller))
        transaction.execute("UPDATE requests SET caller = ? WHERE caller = ?", (into, caller))
        transaction.execute(
            "UPDATE callers SET first_seen = min(callers.first_seen, other.first_seen),"
            " last_seen = max(callers.last_seen, other.last_seen)"
            " FROM (SELECT first_seen, last_seen FROM callers WHERE caller = :caller) AS other"
            " WHERE callers.caller = :into",
            {"caller": caller, "into": into},
        )
        transaction.execute("DELETE FROM callers WHERE caller = ?", (caller,))
        transaction.execute("UPDATE aliases SET known_as = ? WHERE known_as = ?", (into, caller))
        transaction.execute("INSERT INTO aliases (caller, known_as) VALUES (?, ?)", (caller, into))

    async def aliases(self) -> Mapping[str, str]:
        rows = await self._database.fetch("SELECT caller, known_as FROM aliases")
        return {row["caller"]: row["known_as"] for row in rows}

    def asked(
        self, transaction: Transaction, caller: str, conversation_id: str, turn: int, *, at: float
    ) -> bool:
        cursor = transaction.execute(
            "INSERT INTO requests (caller, conversation_id, turn, asked_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (conversation_id, turn) DO NOTHING",
            (caller, conversation_id, turn, at),
        )
        return cursor.rowcount == 1

    async def requests(self, *, limit: int = 50) -> list[Request]:
        rows = await self._database.fetch(
            "SELECT id, caller, conversation_id, turn, asked_at FROM requests"
            " WHERE declined_at IS NULL ORDER BY asked_at, id LIMIT ?",
            (limit,),
        )
        return [Request(**dict(row)) for row in rows]

    async def decline(self, request_id: int, *, now: float) -> None:
        changed = await self._database.write(
            lambda tx: (
                tx.execute(
                    "UPDATE requests SET declined_at = ? WHERE id = ? AND declined_at IS NULL",
                    (now, request_id),
                ).rowcount
            )
        )
        if not changed:
            raise NotFound(f"there is no open request {request_id}")

    def erased(self, transaction: Transaction, digest: str) -> bool:
        row = transaction.execute("SELECT 1 FROM erased WHERE digest = ?", (digest,)).fetchone()
        return row is not None

    def hold(self, transaction: Transaction, archived: Archived, *, now: float) -> bool:
        cursor = transaction.execute(
            "INSERT INTO held (sha256, reason, size, received_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (archived.sha256, archived.reason, archived.size, now),
        )
        return cursor.rowcount == 1

    def meet(
        self, transaction: Transaction, caller: str, address: Address, *, now: float, language: str = ""
    ) -> None:
        transaction.execute(filled(_MEET, 1, 5), (caller, str(address), language, now, now))

    def recent(self, transaction: Transaction, caller: str, *, since: float, most: int) -> int:
        row = transaction.execute(
            "SELECT count(*) FROM (SELECT 1 FROM calls"
            " WHERE caller = ? AND started_at > ? AND received_at > ? LIMIT ?)",
            (caller, since, since, most),
        ).fetchone()
        return int(row[0])

    def flag(self, transaction: Transaction, caller: str, *, now: float) -> bool:
        cursor = transaction.execute(
            "UPDATE callers SET flagged_at = :now"
            " WHERE caller = :caller AND (flagged_at IS NULL OR flagged_at NOT BETWEEN :now - 3600 AND :now)",
            {"caller": caller, "now": now},
        )
        return cursor.rowcount == 1

    def own_numbers_seen(self, transaction: Transaction, numbers: Sequence[str]) -> None:
        transaction.executemany(
            "INSERT INTO agent_numbers (number) VALUES (?) ON CONFLICT DO NOTHING",
            [(number,) for number in numbers],
        )

    def charge(self, transaction: Transaction, charges: Sequence[Charge]) -> None:
        names = [attribute.name for attribute in fields(Charge)]
        transaction.executemany(
            f"INSERT INTO charges ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})",
            [asdict(charge) for charge in charges],
        )

    async def spent(self, *, since: float) -> float:
        rows = await self._database.fetch("SELECT total(usd) AS usd FROM charges WHERE at >= ?", (since,))
        return float(rows[0]["usd"])

    async def usage(self, *, since: float) -> list[Spending]:
        rows = await self._database.fetch(
            "SELECT date(at, 'unixepoch') AS day, provider, model, count(*) AS answers,"
            " count(DISTINCT conversation_id) AS calls, sum(input_tokens) AS input_tokens,"
            " sum(cached_tokens) AS cached_tokens, sum(output_tokens) AS output_tokens, total(usd) AS usd"
            " FROM charges WHERE at >= ? GROUP BY day, provider, model ORDER BY day DESC, provider, model",
            (since,),
        )
        return [Spending(**dict(row)) for row in rows]

    async def charges(self, conversation_id: str) -> list[Charge]:
        rows = await self._database.fetch(
            "SELECT at, conversation_id, provider, model, input_tokens, cached_tokens, output_tokens, usd"
            " FROM charges WHERE conversation_id = ? ORDER BY id",
            (conversation_id,),
        )
        return [Charge(**dict(row)) for row in rows]

    def last_calls(self, transaction: Transaction, caller: str) -> Mapping[str, LastCall]:
        rows = transaction.execute(
            "SELECT agent_id, max(started_at) AS started_at, language, summary FROM calls"
            " WHERE caller = ? AND outcome IS NOT NULL AND failure = '' GROUP BY agent_id",
            (caller,),
        )
        return {
            row["agent_id"]: LastCall(
                started_at=row["started_at"], language=row["language"], summary=row["summary"]
            )
            for row in rows
        }

    async def own_numbers(self) -> frozenset[str]:
        rows = await self._database.fetch("SELECT number FROM agent_numbers")
        return frozenset(row["number"] for row in rows)

    async def get(self, conversation_id: str) -> Call:
        rows = await self._database.fetch(f"{_CALL} WHERE conversation_id = ?", (conversation_id,))
        if not rows:
            raise NotFound(f"there is no call {conversation_id}")
        return _call(rows[0])

    async def page(
        self,
        *,
        caller: str | None = None,
        agent_id: str | None = None,
        unfinished: bool = False,
        status: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[Call]:
        conditions = ["TRUE"]
        if status in ("completed", "nothing"):
            conditions.append("outcome = :status")
        elif status is not None:
            unfinished = True
            conditions.append("extraction_status = :status")
        if since is not None:
            conditions.append("calls.started_at >= :since")
        if until is not None:
            conditions.append("calls.started_at < :until")
        if caller is not None:
            conditions.append("caller = :caller")
        if agent_id is not None:
            conditions.append("agent_id = :agent")
        if unfinished:
            conditions.append("outcome IS NULL")
        if after is not None:
            conditions.append(
                "(calls.started_at, conversation_id) <"
                " (SELECT started_at, conversation_id FROM calls WHERE conversation_id = :after)"
            )
        rows = await self._database.fetch(
            f"{_CALL} WHERE {' AND '.join(conditions)}"
            " ORDER BY calls.started_at DESC, conversation_id DESC LIMIT :limit",
            {
                "caller": caller,
                "agent": agent_id,
                "status": status,
                "since": since,
                "until": until,
                "after": after,
                "limit": limit,
            },
        )
        return [_call(row) for row in rows]

    async def agents(self) -> list[str]:
        rows = await self._database.fetch(
            "WITH RECURSIVE agent (id) AS (SELECT min(agent_id) FROM calls UNION ALL"
            " SELECT (SELECT min(agent_id) FROM calls WHERE agent_id > agent.id) FROM agent WHERE id IS NOT NULL)"
            " SELECT id FROM agent WHERE id IS NOT NULL LIMIT 100"
        )
        return [row["id"] for row in rows]

    async def activity(self, *, since: float, step_s: float, slots: int) -> list[Slot]:
        slot = "CAST(({} - :since) / :step AS INTEGER) AS slot"
        parameters = {"since": since, "step": step_s, "until": since + slots * step_s}
        calls = await self._database.fetch(
            f"SELECT {slot.format('started_at')}, count(*) AS n FROM calls"
            " WHERE started_at >= :since AND started_at < :until GROUP BY slot",
            parameters,
        )
        costs = await self._database.fetch(
            f"SELECT {slot.format('at')}, total(usd) AS usd FROM charges"
            " WHERE at >= :since AND at < :until GROUP BY slot",
            parameters,
        )
        count = {row["slot"]: row["n"] for row in calls}
        usd = {row["slot"]: row["usd"] for row in costs}
        return [
            Slot(at=since + number * step_s, calls=count.get(number, 0), usd=usd.get(number, 0.0))
            for number in range(slots)
        ]

    async def volume(self, *, since: float) -> list[Volume]:
        rows = await self._database.fetch(
            "SELECT type, sum(count) AS count, sum(size) AS size, min(day) * 86400.0 AS begun,"
            " coalesce(sum(count) FILTER (WHERE day >= :since), 0) AS recent,"
            " coalesce(sum(size) FILTER (WHERE day >= :since), 0) AS recent_size"
            " FROM volumes GROUP BY type ORDER BY type",
            {"since": since // 86400},
        )
        return [Volume(**dict(row)) for row in rows]

    async def events(self, conversation_id: str) -> list[Mapping[str, Any]]:
        rows = await self._database.fetch(
            "SELECT type, path, sha256, size, event_timestamp, received_at, job FROM events"
            " WHERE conversation_id = ? ORDER BY received_at",
            (conversation_id,),
        )
        return [dict(row) for row in rows]

    async def transcript(self, conversation_id: str) -> Mapping[str, Any]:
        transcripts = [
            event for event in await self.events(conversation_id) if event["type"] == TRANSCRIPTION
        ]
        if not transcripts:
            raise NotFound(f"no transcript of {conversation_id} is archived")
        newest = max(transcripts, key=lambda event: event["event_timestamp"])
        if not newest["path"]:
            raise NotFound(f"the transcript of {conversation_id} was kept for storage.keep_payload_days only")
        return newest

    async def outlived(self, *, audio: bool, before: float, limit: int) -> list[tuple[str, str]]:
        needed = (
            "EXISTS (SELECT 1 FROM jobs WHERE jobs.id = events.job AND state IN ('available', 'running'))"
            if audio
            else "EXISTS (SELECT 1 FROM calls WHERE calls.conversation_id = events.conversation_id AND outcome IS NULL)"
        )
        rows = await self._database.fetch(
            f"SELECT conversation_id, path FROM events WHERE path <> '' AND received_at < :before"
            f" AND (type = :audio) = :wanted AND NOT {needed} ORDER BY received_at LIMIT :limit",
            {"before": before, "audio": AUDIO, "wanted": audio, "limit": limit},
        )
        return [(row["conversation_id"], row["path"]) for row in rows]

    def let_go(self, transaction: Transaction, bodies: Sequence[tuple[str, str]]) -> None:
        transaction.executemany("UPDATE events SET path = '' WHERE conversation_id = ? AND path = ?", bodies)

    async def unheard_of(self, conversation_ids: Sequence[str], kind: str) -> frozenset[str]:
        rows = await self._database.fetch(
            "SELECT value FROM json_each(?) WHERE NOT EXISTS"
            " (SELECT 1 FROM events WHERE conversation_id = value AND type = ?)",
            (json.dumps(list(conversation_ids)), kind),
        )
        return frozenset(row["value"] for row in rows)

    async def newest(self) -> float | None:
        rows = await self._database.fetch("SELECT max(started_at) AS at FROM calls")
        return rows[0]["at"]  # type: ignore[no-any-return]

    async def unrecorded(self, paths: Sequence[str]) -> list[str]:
        rows = await self._database.fetch(
            "SELECT value AS path FROM json_each(:paths) WHERE NOT EXISTS ("
            " SELECT 1 FROM events WHERE path = value"
            " AND conversation_id = substr(value, 1, instr(value, '/') - 1)"
            ") AND NOT EXISTS (SELECT 1 FROM held WHERE :held || sha256 || '.json' = value"
            " AND sha256 = substr(value, 6, 64)) ORDER BY value",
            {"paths": json.dumps(paths), "held": f"{HELD}/"},
        )
        return [row["path"] for row in rows]

    async def recorded_until(self) -> float:
        rows = await self._database.fetch("SELECT value FROM settings WHERE name = 'recorded_until'")
        return float(rows[0]["value"]) if rows else 0.0

    def note_recorded(self, transaction: Transaction, until: float) -> None:
        transaction.execute(
            "INSERT INTO settings (name, value) VALUES ('recorded_until', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (repr(until),),
        )

    def known_as(self, transaction: Transaction, caller: str) -> str:
        row = transaction.execute("SELECT known_as FROM aliases WHERE caller = ?", (caller,)).fetchone()
        return caller if row is None else str(row["known_as"])

    def unhold(self, transaction: Transaction, digests: Sequence[str]) -> int:
        sql = "DELETE FROM held WHERE sha256 IN (SELECT value FROM json_each(?))"
        return transaction.execute(sql, (json.dumps(list(digests)),)).rowcount

    async def conversations(self, caller: str) -> list[str]:
        rows = await self._database.fetch("SELECT conversation_id FROM calls WHERE caller = ?", (caller,))
        return [row["conversation_id"] for row in rows]

    async def held(self, *, limit: int = 50) -> list[Held]:
        rows = await self._database.fetch("SELECT * FROM held ORDER BY received_at DESC LIMIT ?", (limit,))
        return [Held(**dict(row)) for row in rows]

    async def callers(self, *, limit: int = 50, after: str | None = None) -> list[Caller]:
        rows = await self._database.fetch(
            "SELECT * FROM callers WHERE caller > ? ORDER BY caller LIMIT ?", (after or "", limit)
        )
        return [_caller(row) for row in rows]

    async def recent_callers(self, *, limit: int = 50, after: str | None = None) -> list[Caller]:
        older = (
            "(last_seen, caller) < (SELECT last_seen, caller FROM callers WHERE caller = :after)"
            if after is not None
            else "TRUE"
        )
        rows = await self._database.fetch(
            f"SELECT * FROM callers WHERE {older} ORDER BY last_seen DESC, caller DESC LIMIT :limit",
            {"after": after, "limit": limit},
        )
        return [_caller(row) for row in rows]

    async def callers_at(self, text: str, *, limit: int = 50) -> list[Caller]:
        rows = await self._database.fetch(
            "SELECT * FROM callers WHERE caller IN ("
            " SELECT caller FROM callers WHERE instr(address, :text)"
            " AND instr(substr(address, instr(address, ':') + 1), :text) LIMIT 1000"
            ") ORDER BY last_seen DESC, caller DESC LIMIT :limit",
            {"text": text, "limit": limit},
        )
        return [_caller(row) for row in rows]

    async def known(self, callers: Sequence[str]) -> Mapping[str, Caller]:
        rows = await self._database.fetch(
            "SELECT * FROM callers WHERE caller IN (SELECT value FROM json_each(?))",
            (json.dumps(list(callers)),),
        )
        return {row["caller"]: _caller(row) for row in rows}

    async def caller(self, address: Address) -> Caller | None:
        rows = await self._database.fetch(
            "SELECT * FROM callers WHERE address = ? OR (? = 'key' AND caller = ?)",
            (str(address), address.kind, address.value),
        )
        return _caller(rows[0]) if rows else None

    async def newest_arrival(self) -> float | None:
        rows = await self._database.fetch("SELECT max(received_at) AS at FROM events")
        return rows[0]["at"]  # type: ignore[no-any-return]

    async def counts(self) -> Mapping[str, int]:
        rows = await self._database.fetch(
            "SELECT name, count FROM tallies WHERE name IN ('calls', 'callers', 'held')"
        )
        return {row["name"]: row["count"] for row in rows}


def _recorded(archived: Archived, job_id: int | None, now: float) -> tuple[Any, ...]:
    event = archived.event
    assert event is not None  # noqa: S101 - held bodies are not events
    key = (event.conversation_id, event.type, archived.sha256)
    return *key, event.event_timestamp, archived.path, archived.size, now, job_id


def _described(
    event: Event, talk: Conversation, caller: str | None, now: float, job_id: int | None
) -> tuple[Any, ...]:
    began = talk.started_at or event.event_timestamp or now
    about = (talk.channel, talk.direction, talk.language, began, talk.duration_s, now, job_id)
    return event.conversation_id, event.agent_id, caller, *about


def _call(row: Row) -> Call:
    return Call(
        conversation_id=row["conversation_id"],
        agent_id=row["agent_id"],
        caller=row["caller"],
        channel=row["channel"],
        direction=row["direction"],
        language=row["language"],
        started_at=row["started_at"],
        duration_s=row["duration_s"],
        title=row["title"],
        summary=row["summary"],
        failure=row["failure"],
        received_at=row["received_at"],
        extraction_status=row["extraction_status"],
        job_id=row["job"],
        dropped=tuple(json.loads(row["dropped"])),
    )


def _caller(row: Row) -> Caller:
    kind, _, value = row["address"].partition(":")
    return Caller(**dict(row) | {"address": Address(kind, value)})
