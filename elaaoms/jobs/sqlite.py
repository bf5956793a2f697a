"""The job queue as a table beside the data, so that a job and its effect are one transaction."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any, assert_never

from attrs import evolve

from elaaoms.database import Database, Row, Transaction, filled, in_chunks
from elaaoms.errors import Conflicting, NotFound
from elaaoms.jobs import (
    BLOCKED_PAUSE_S,
    CRASHED,
    POSTPONED_S,
    Blocked,
    Done,
    Failed,
    Job,
    NewJob,
    Outcome,
    Postponed,
    Released,
    Retry,
    Schedule,
    State,
    Stretch,
)

_INSERT = """
INSERT INTO jobs (kind, args, max_attempts, run_at, lock, unique_key, created_at)
VALUES {}
ON CONFLICT (kind, unique_key) WHERE state IN ('available', 'running') AND unique_key IS NOT NULL DO NOTHING
RETURNING id, kind, unique_key
"""

# Triggers keep one job of each lock in the line (`waits` = 0): the oldest unfinished one. It may still
# have to wait for a newer one that ran before a person made the older one due again.
# The index is named: left alone, the planner sorts everything available before each claim.
_CLAIM = """
UPDATE jobs SET state = 'running', attempt = attempt + 1, started_at = :now
WHERE id = (
    SELECT id FROM jobs AS due INDEXED BY jobs_ready
    WHERE state = 'available' AND waits = 0 AND run_at <= :now
    AND (kind = :kind OR :kind IS NULL AND instr(:without, ' ' || kind || ' ') = 0)
    AND NOT EXISTS (
        SELECT 1 FROM jobs AS busy WHERE busy.lock = due.lock AND busy.state = 'running'
    )
    ORDER BY run_at, id LIMIT 1
)
RETURNING *
"""

# A claim is known by its attempt and its moment: an attempt that was not counted has its number again.
_SETTLE = """
UPDATE jobs SET state = :state, attempt = :attempt, run_at = :run_at, errors = :errors, finished_at = :finished_at
WHERE id = :id AND state = 'running' AND attempt = :claimed AND started_at = :started_at
"""

_READY = "FROM jobs INDEXED BY jobs_ready WHERE state = 'available' AND waits = 0"

_LOOK = (
    f"SELECT 1 {_READY} AND run_at <= :now"
    " AND (kind = :kind OR :kind IS NULL AND instr(:without, ' ' || kind || ' ') = 0) LIMIT 1"
)

_NEXT = f"SELECT min(run_at) AS due {_READY} AND run_at > ?"

_OLDEST = f"SELECT min(run_at) AS due {_READY}"

_LAST = """
SELECT run_at FROM jobs WHERE lock = ? AND state IN ('available', 'running') ORDER BY id DESC LIMIT 1
"""

_SHIFT = """
UPDATE jobs SET run_at = CASE WHEN run_at > :before THEN run_at + :now - :before ELSE :now END
WHERE state = 'available' AND run_at > min(:before, :now)
"""

# Further ahead than any delay of ours: the clock was set back while we were not there to see it.
_CLAMP = "UPDATE jobs SET run_at = :now + :longest WHERE state = 'available' AND run_at > :now + 2 * :longest"

_PAGE = """
SELECT * FROM jobs WHERE {} AND id < coalesce(:before, 9223372036854775807) ORDER BY id DESC LIMIT :limit
"""

_PRUNE = """
DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs INDEXED BY jobs_finished
    WHERE state IN ('completed', 'cancelled') AND finished_at < ? LIMIT 1000
)
"""

_HASTEN = """
UPDATE jobs SET run_at = :now WHERE state = 'available' AND kind = :kind AND run_at > :now
"""

_LAST_ERRORS = 9  # of a job that is never given up, besides the first

_RETRY = """
UPDATE jobs SET state = 'available', attempt = 0, run_at = :now, finished_at = NULL, started_at = NULL
"""


class SQLiteJobQueue:
    """The `JobQueue` in our SQLite database; every change wakes whoever waits."""

    def __init__(self, database: Database, schedule: Schedule) -> None:
        self._database = database
        self._schedule = schedule
        self._changed = asyncio.Event()
        self._found: set[str | None] = set()  # lanes in which the last claim took a job

    def enqueue(self, transaction: Transaction, job: NewJob, *, now: float) -> int:
        row = transaction.execute(filled(_INSERT, 1, 7), self._values(job, now)).fetchone()
        return _twin(transaction, job) if row is None else int(row["id"])

    def enqueue_all(self, transaction: Transaction, jobs: Sequence[tuple[NewJob, float]]) -> list[int]:
        found: dict[tuple[str, str], int] = {}
        for chunk in in_chunks(jobs):
            given = [value for job, now in chunk for value in self._values(job, now)]
            for row in transaction.execute(filled(_INSERT, len(chunk), 7), given):
                found[row["kind"], row["unique_key"]] = row["id"]
        return [found.get((job.kind, job.unique_key or "")) or _twin(transaction, job) for job, _ in jobs]

    def _values(self, job: NewJob, now: float) -> tuple[Any, ...]:
        args = json.dumps(job.args, ensure_ascii=False, sort_keys=True)
        run_at = max(now, job.not_before)
        return job.kind, args, self._schedule.max_attempts, run_at, job.lock, job.unique_key, now

    def withdraw(self, transaction: Transaction, callers: Sequence[str], conversations: Sequence[str]) -> int:
        theirs = (
            "(lock IN (SELECT value FROM json_each(:locks)) OR substr(json_extract(args, '$.path'), 1,"
            " instr(json_extract(args, '$.path'), '/') - 1) IN (SELECT value FROM json_each(:conversations)))"
        )
        values = {
            "locks": json.dumps([lock for caller in callers for lock in _locks(caller)]),
            "conversations": json.dumps(list(conversations)),
        }
        transaction.execute(f"DELETE FROM jobs WHERE state = 'available' AND {theirs}", values)
        sql = f"SELECT count(*) FROM jobs WHERE state = 'running' AND {theirs}"
        return int(transaction.execute(sql, values).fetchone()[0])

    def erase(self, transaction: Transaction, caller: str, conversations: Sequence[str]) -> int:
        count = transaction.execute("DELETE FROM jobs WHERE lock IN (?, ?, ?)", _locks(caller)).rowcount
        path = "json_extract(args, '$.path')"
        count += transaction.execute(
            f"DELETE FROM jobs WHERE substr({path}, 1, instr({path}, '/') - 1)"
            " IN (SELECT value FROM json_each(?))",
            (json.dumps(list(conversations)),),
        ).rowcount
        return count

    def last_due(self, transaction: Transaction, lock: str) -> float | None:
        row = transaction.execute(_LAST, (lock,)).fetchone()
        return None if row is None else float(row["run_at"])

    def announce(self) -> None:
        self._changed.set()

    async def wait(self, timeout_s: float) -> None:
        # Cleared here, before the one worker looks again: what is announced while it looks is not missed.
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return
        finally:
            self._changed.clear()

    async def rescue(self, *, now: float) -> int:
        def transaction(connection: Transaction) -> int:
            rows = connection.execute("SELECT * FROM jobs WHERE state = 'running'").fetchall()
            for row in rows:
                job = _job(row)
                spent = job.attempt >= job.max_attempts
                values = {
                    "id": job.id,
                    "state": State.FAILED if spent else State.AVAILABLE,
                    "attempt": job.attempt,
                    "claimed": job.attempt,
                    "started_at": job.started_at,
                    "run_at": now,
                    "errors": _errors(job, CRASHED, now),
                    "finished_at": now if spent else None,
                }
                connection.execute(_SETTLE, values)
            longest = max(BLOCKED_PAUSE_S, *self._schedule.delays_s, 0.0)
            connection.execute(_CLAMP, {"now": now, "longest": longest})
            return len(rows)

        rescued = await self._database.write(transaction)
        self.announce()
        return rescued

    async def claim(
        self, *, now: float, kind: str | None = None, without: Collection[str] = ()
    ) -> Job | None:
        asked = {"now": now, "kind": kind, "without": f" {' '.join(without)} "}
        if kind not in self._found and not await self._database.fetch(_LOOK, asked):
            return None  # an idle queue costs no write; where one job was due, the next is taken unseen
        row = await self._database.write(lambda c: c.execute(_CLAIM, asked).fetchone())
        (self._found.discard if row is None else self._found.add)(kind)
        return None if row is None else _job(row)

    async def settle(self, job: Job, outcome: Outcome, *, now: float) -> Job | None:
        settled = self._settled(job, outcome, now)
        values = {
            "id": job.id,
            "state": settled.state,
            "attempt": settled.attempt,
            "claimed": job.attempt,
            "started_at": job.started_at,
            "run_at": settled.run_at,
            "errors": json.dumps(settled.errors),
            "finished_at": settled.finished_at,
        }

        def transaction(connection: Transaction) -> bool:
            ours = connection.execute(_SETTLE, values).rowcount == 1
            if ours and isinstance(outcome, Done):
                outcome.write(connection)
            return ours

        ours = await self._database.write(transaction)
        self.announce()
        return settled if ours else None

    def _settled(self, job: Job, outcome: Outcome, now: float) -> Job:
        match outcome:
            case Done():
                return evolve(job, state=State.COMPLETED, finished_at=now)
            case Failed(reason):
                return evolve(
                    job, state=State.FAILED, finished_at=now, errors=(*job.errors, _error(job, reason, now))
                )
            case Retry(reason, after_s):
                errors = (*job.errors, _error(job, reason, now))
                if job.attempt >= job.max_attempts:
                    return evolve(job, state=State.FAILED, finished_at=now, errors=errors)
                run_at = now + self._schedule.delay(job.attempt, after_s)
                return evolve(job, state=State.AVAILABLE, run_at=run_at, errors=errors)
            case Blocked(provider, reason) as blocked:
                entry = _error(job, f"{provider} is blocked: {reason}", now)
                errors = (
                    job.errors
                    if job.errors and job.errors[-1]["reason"] == entry["reason"]
                    else (*job.errors, entry)
                )
                run_at = now + blocked.pause_s
                return evolve(
                    job, state=State.AVAILABLE, attempt=job.attempt - 1, run_at=run_at, errors=errors
                )
            case Postponed(reason, after_s):
                first, *later = (*job.errors, _error(job, reason, now))
                shortest, longest = POSTPONED_S
                waited = min(max(now - first["at"], shortest), longest)
                return evolve(
                    job,
                    state=State.AVAILABLE,
                    attempt=job.attempt - 1,
                    run_at=now + max(waited, after_s or 0.0),
                    errors=(first, *later[-_LAST_ERRORS:]),
                )
            case Released():
                return evolve(job, state=State.AVAILABLE, attempt=job.attempt - 1, run_at=now)
            case _:
                assert_never(outcome)

    async def next_due(self, *, now: float) -> float | None:
        rows = await self._database.fetch(_NEXT, (now,))
        return rows[0]["due"]  # type: ignore[no-any-return]

    async def shift(self, *, before: float, now: float) -> None:
        await self._database.write(lambda c: c.execute(_SHIFT, {"before": before, "now": now}).rowcount)
        self.announce()

    async def get(self, job_id: int) -> Job:
        rows = await self._database.fetch("SELECT * FROM jobs WHERE id = ?", (job_id,))
        if not rows:
            raise NotFound(f"there is no job {job_id}")
        return _job(rows[0])

    async def page(
        self, *, state: State | None = None, limit: int = 50, before: int | None = None
    ) -> list[Job]:
        rows = await self._database.fetch(
            _PAGE.format("TRUE" if state is None else "state = :state"),
            {"state": state, "before": before, "limit": limit},
        )
        return [_job(row) for row in rows]

    async def counts(self) -> Mapping[str, int]:
        rows = await self._database.fetch("SELECT name, count FROM tallies WHERE name LIKE 'jobs %'")
        return {row["name"].removeprefix("jobs "): row["count"] for row in rows}

    async def depths(self) -> Mapping[tuple[str, str], int]:
        rows = await self._database.fetch(
            "SELECT kind, state, count(*) AS n FROM jobs WHERE state IN ('available', 'running', 'failed')"
            " GROUP BY kind, state"
        )
        return {(row["kind"], row["state"]): row["n"] for row in rows}

    async def troubled(self, kind: str, *, since: float) -> int:
        rows = await self._database.fetch(
            "SELECT (SELECT count(*) FROM jobs WHERE state = 'failed' AND kind = :kind AND finished_at >= :since)"
            " + (SELECT count(*) FROM jobs WHERE state = 'available' AND kind = :kind AND attempt >= 2) AS n",
            {"kind": kind, "since": since},
        )
        return int(rows[0]["n"])

    async def activity(
        self, *, since: float, step_s: float, slots: int, kind: str | None = None
    ) -> list[Stretch]:
        rows = await self._database.fetch(
            "SELECT CAST((finished_at - :since) / :step AS INTEGER) AS slot,"
            " count(*) FILTER (WHERE state = 'completed' AND kind = coalesce(:kind, kind)) AS completed,"
            " count(*) FILTER (WHERE state = 'failed') AS failed,"
            " avg(finished_at - started_at) FILTER (WHERE kind = coalesce(:kind, kind)) AS mean_s,"
            " max(finished_at - started_at) FILTER (WHERE kind = coalesce(:kind, kind)) AS slowest_s"
            " FROM jobs INDEXED BY jobs_finished"
            " WHERE finished_at >= :since AND finished_at < :until GROUP BY slot",
            {"since": since, "step": step_s, "until": since + slots * step_s, "kind": kind},
        )
        found = {row["slot"]: row for row in rows}
        return [_stretch(since + number * step_s, found.get(number)) for number in range(slots)]

    async def oldest_due(self) -> float | None:
        rows = await self._database.fetch(_OLDEST)
        return rows[0]["due"]  # type: ignore[no-any-return]

    async def retry(self, job_id: int, *, now: float) -> Job:
        def transaction(connection: Transaction) -> Job:
            job = _existing(connection, job_id)
            if job.state in (State.RUNNING, State.COMPLETED):
                raise Conflicting(f"job {job_id} is {job.state}")
            try:
                connection.execute(f"{_RETRY} WHERE id = :id", {"id": job_id, "now": now})
            except sqlite3.IntegrityError as error:
                raise Conflicting(f"the work of job {job_id} is queued again already") from error
            return _existing(connection, job_id)

        job = await self._database.write(transaction)
        self.announce()
        return job

    async def retry_failed(self, *, now: float) -> int:
        def transaction(connection: Transaction) -> int:
            # Where the same work failed twice, or is queued again, one row is enough.
            sql = f"""{_RETRY} WHERE state = 'failed' AND (unique_key IS NULL OR (
                id = (SELECT max(id) FROM jobs AS t
                      WHERE t.kind = jobs.kind AND t.unique_key = jobs.unique_key AND t.state = 'failed')
                AND NOT EXISTS (SELECT 1 FROM jobs AS u WHERE u.kind = jobs.kind
                      AND u.unique_key = jobs.unique_key AND u.state IN ('available', 'running'))))"""
            return connection.execute(sql, {"now": now}).rowcount

        count = await self._database.write(transaction)
        self.announce()
        return count

    async def cancel(self, job_id: int, *, now: float) -> Job:
        def transaction(connection: Transaction) -> Job:
            job = _existing(connection, job_id)
            if job.state not in (State.AVAILABLE, State.FAILED):
                raise Conflicting(f"job {job_id} is {job.state}")
            connection.execute(
                "UPDATE jobs SET state = 'cancelled', finished_at = ? WHERE id = ?", (now, job_id)
            )
            return _existing(connection, job_id)

        job = await self._database.write(transaction)
        self.announce()
        return job

    def hasten(self, transaction: Transaction, kind: str, *, now: float) -> None:
        transaction.execute(_HASTEN, {"kind": kind, "now": now})

    async def prune(self, *, finished_before: float) -> int:
        pruned = 0
        while count := await self._database.write(
            lambda c: int(c.execute(_PRUNE, (finished_before,)).rowcount)
        ):
            pruned += count  # in steps, so that nobody who waits for the writer waits long
        return pruned


def _existing(connection: Transaction, job_id: int) -> Job:
    row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return _job(row)


def _job(row: Row) -> Job:
    values = dict(row)
    del values["waits"]
    return Job(
        **values
        | {
            "args": json.loads(values["args"]),
            "errors": tuple(json.loads(values["errors"])),
            "state": State(values["state"]),
        }
    )


def _stretch(at: float, row: Row | None) -> Stretch:
    if row is None:
        return Stretch(at=at, completed=0, failed=0, mean_s=0.0, slowest_s=0.0)
    return Stretch(
        at=at,
        completed=row["completed"],
        failed=row["failed"],
        mean_s=row["mean_s"] or 0.0,
        slowest_s=row["slowest_s"] or 0.0,
    )


def _error(job: Job, reason: str, now: float) -> dict[str, object]:
    return {"attempt": job.attempt, "at": now, "reason": reason[:500]}


def _errors(job: Job, reason: str, now: float) -> str:
    return json.dumps((*job.errors, _error(job, reason, now)))


def _twin(transaction: Transaction, job: NewJob) -> int:
    """The unfinished job that stands in this one's place."""
    row = transaction.execute(
        "SELECT id FROM jobs WHERE kind = ? AND unique_key = ? AND state IN ('available', 'running')",
        (job.kind, job.unique_key),
    ).fetchone()
    return int(row["id"])


def _locks(caller: str) -> tuple[str, str, str]:
    """Under which a caller's jobs run: calls, greetings and vectors."""
    return caller, f"greeting:{caller}", f"embed:{caller}"
