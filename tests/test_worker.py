"""Whatever a handler does, its job ends in exactly one way, and the next one is started."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from elaaoms.database import Database, Transaction
from elaaoms.errors import (
    ElaaomsError,
    NotFound,
    ProviderBlocked,
    ServiceRejected,
    ServiceUnavailable,
    StorageFailed,
    StorageUnavailable,
    Unreadable,
)
from elaaoms.jobs import Blocked, Done, Failed, Job, NewJob, Outcome, Postponed, Retry, Schedule, State
from elaaoms.jobs.sqlite import SQLiteJobQueue
from elaaoms.jobs.worker import LOOK_AGAIN_S, Handler, Worker

NOW = 1_750_000_000.0
HANGS_S = 20.0  # what takes longer is taken for a hang; shorter than LOOK_AGAIN_S


class Clock:
    """Unix seconds, moved by hand; with `step`, each look at it moves it on."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = NOW
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Queue(SQLiteJobQueue):
    """The real queue, which also says when the worker settled a job and when it goes to sleep."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, Schedule())
        self.database = database
        self.settled: asyncio.Queue[Job | None] = asyncio.Queue()
        self.refused: asyncio.Queue[Exception] = asyncio.Queue()
        self.pauses: asyncio.Queue[float] = asyncio.Queue()

    async def add(
        self, kind: str = "work", *, now: float = NOW, lock: str | None = None, wake: bool = True
    ) -> int:
        job = NewJob(kind=kind, args={}, lock=lock)
        job_id = await self.database.write(lambda tx: self.enqueue(tx, job, now=now))
        if wake:
            self.announce()
        return job_id

    async def settle(self, job: Job, outcome: Outcome, *, now: float) -> Job | None:
        try:
            settled = await super().settle(job, outcome, now=now)
        except ElaaomsError as error:
            self.refused.put_nowait(error)
            raise
        self.settled.put_nowait(settled)
        return settled

    async def wait(self, timeout_s: float) -> None:
        self.pauses.put_nowait(timeout_s)
        await super().wait(timeout_s)

    async def states(self) -> dict[int, State]:
        return {job.id: job.state for job in await self.page()}


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Queue]:
    async with asyncio.timeout(HANGS_S), Database.open(tmp_path / "elaaoms.db") as database:
        yield Queue(database)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def working(
    queue: Queue, clock: Clock, *, concurrency: int = 4, grace_s: float = 10.0, **handlers: Handler
) -> AsyncIterator[Worker]:
    """A worker that runs until the block ends, and then drains."""
    worker = Worker(queue, handlers, concurrency=concurrency, clock=clock, grace_s=grace_s)
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await running


async def one(queue: Queue, clock: Clock, handler: Handler, kind: str = "work") -> Job:
    """What became of one job that `handler` ran."""
    await queue.add()
    async with working(queue, clock, **{kind: handler}):
        settled = await queue.settled.get()
    assert settled is not None
    assert settled == await queue.get(settled.id)
    return settled


def raising(error: BaseException) -> Handler:
    async def handler(job: Job) -> Outcome:
        raise error

    handler.__name__ = f"raises {type(error).__name__}"  # for the test's id
    return handler


def returning(outcome: Any) -> Handler:
    async def handler(job: Job) -> Outcome:
        return outcome  # type: ignore[no-any-return]

    handler.__name__ = f"returns {type(outcome).__name__}"
    return handler


class Gate:
    """A handler whose jobs say that they began and end when they are let through."""

    def __init__(self) -> None:
        self.began: asyncio.Queue[int] = asyncio.Queue()
        self.open: dict[int, asyncio.Event] = {}

    async def __call__(self, job: Job) -> Outcome:
        event = self.open.setdefault(job.id, asyncio.Event())
        self.began.put_nowait(job.id)
        await event.wait()
        return Done()

    def let(self, job_id: int) -> None:
        self.open.setdefault(job_id, asyncio.Event()).set()


# -- outcomes -----------------------------------------------------------------------------


async def test_a_job_that_is_done_is_completed_with_its_effect(queue: Queue, clock: Clock) -> None:
    job = await one(queue, clock, returning(Done(effect)))
    assert (job.state, job.attempt, job.errors) == (State.COMPLETED, 1, ())
    assert await effects(queue) == 1


def effect(tx: Transaction) -> None:
    tx.execute("INSERT INTO settings VALUES ('effect', '')")


async def effects(queue: Queue) -> int:
    return len(await queue.database.fetch("SELECT * FROM settings"))


@pytest.mark.parametrize(
    ("handler", "delay", "reason"),
    [
        (raising(ServiceUnavailable("no answer")), 60, "no answer"),
        (raising(ServiceUnavailable("come back", retry_after=900)), 900, "come back"),
        (raising(ServiceUnavailable("come back", retry_after=5)), 60, "come back"),
        (raising(StorageUnavailable("the disk is full")), 60, "the disk is full"),
        (raising(StorageUnavailable("the disk is full", retry_after=90)), 90, "the disk is full"),
        (raising(TimeoutError()), 60, "it took too long"),
        (returning(Retry("not yet", 77)), 77, "not yet"),
    ],
)
async def test_what_may_pass_is_tried_again(
    queue: Queue, clock: Clock, handler: Handler, delay: float, reason: str
) -> None:
    job = await one(queue, clock, handler)
    assert (job.state, job.attempt, job.run_at) == (State.AVAILABLE, 1, NOW + delay)
    assert [error["reason"] for error in job.errors] == [reason]


@pytest.mark.parametrize(
    "handler",
    [
        raising(ServiceRejected("refused")),
        raising(Unreadable("refused")),
        raising(NotFound("refused")),
        returning(Failed("refused")),
    ],
)
async def test_what_will_not_pass_is_failed_at_once(queue: Queue, clock: Clock, handler: Handler) -> None:
    job = await one(queue, clock, handler)
    assert (job.state, job.attempt, job.finished_at) == (State.FAILED, 1, NOW)
    assert [error["reason"] for error in job.errors] == ["refused"]


async def test_a_kind_that_nothing_handles_is_failed(queue: Queue, clock: Clock) -> None:
    job = await one(queue, clock, returning(Done()), kind="something_else")
    assert job.state == State.FAILED
    assert job.errors[0]["reason"] == "nothing handles jobs of kind 'work'"


@pytest.mark.parametrize(
    "handler", [raising(ProviderBlocked("openai", "no quota")), returning(Blocked("openai", "no quota"))]
)
async def test_a_blocked_provider_costs_no_attempt_and_is_listed(
    queue: Queue, clock: Clock, handler: Handler
) -> None:
    await queue.add()
    async with working(queue, clock, work=handler) as worker:
        job = await queue.settled.get()
        assert worker.blocked == {"openai": "no quota"}
    assert job is not None
    assert (job.state, job.attempt, job.run_at) == (State.AVAILABLE, 0, NOW + 300)
    assert job.errors[0]["reason"] == "openai is blocked: no quota"


async def test_a_provider_that_nobody_waits_for_any_more_is_no_longer_listed(
    queue: Queue, clock: Clock
) -> None:
    await queue.add()
    async with working(
        queue, clock, work=raising(ProviderBlocked("a", "it rests", retry_after=31))
    ) as worker:
        job = await queue.settled.get()
        assert job is not None
        assert (job.attempt, job.run_at) == (0, NOW + 31)
        assert worker.blocked == {"a": "it rests"}
        await queue.cancel(job.id, now=NOW)
        clock.now += 31 + LOOK_AGAIN_S
        assert worker.blocked == {}


async def test_a_provider_that_answers_again_is_no_longer_listed(queue: Queue, clock: Clock) -> None:
    answers = iter((ProviderBlocked("openai", "no quota"), ServiceUnavailable("no answer")))

    async def handler(job: Job) -> Outcome:
        if (error := next(answers, None)) is not None:
            raise error
        return Done()

    await queue.add()
    async with working(queue, clock, work=handler) as worker:
        for expected, listed in ((State.AVAILABLE, 1), (State.AVAILABLE, 1), (State.COMPLETED, 0)):
            job = await queue.settled.get()
            assert job is not None
            assert (job.state, len(worker.blocked)) == (expected, listed)
            clock.now = job.run_at
            queue.announce()


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (raising(ValueError("odd")), "ValueError"),
        (raising(KeyError("key")), "KeyError"),
        (raising(ExceptionGroup("two", [ValueError("odd")])), "ExceptionGroup"),
        (raising(ElaaomsError("the database refused: no such column")), "ElaaomsError"),
        (raising(asyncio.CancelledError()), "CancelledError"),
        (returning(None), "TypeError"),
        (returning("done"), "TypeError"),
    ],
)
async def test_a_bug_is_logged_with_its_traceback_and_tried_again(
    queue: Queue, clock: Clock, caplog: pytest.LogCaptureFixture, handler: Handler, name: str
) -> None:
    job = await one(queue, clock, handler)
    assert (job.state, job.attempt, job.run_at) == (State.AVAILABLE, 1, NOW + 60)
    assert job.errors[0]["reason"] == f"a bug: {name}"
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[0] is not None
    assert record.exc_info[0].__name__ == name


async def test_a_bug_stops_no_other_job(queue: Queue, clock: Clock) -> None:
    gate = Gate()
    first = await queue.add("gate")
    bad = [await queue.add("bad") for _ in range(5)]
    last = await queue.add("gate")
    async with working(queue, clock, concurrency=2, gate=gate, bad=raising(ValueError("odd"))) as worker:
        for _ in bad:
            job = await queue.settled.get()
            assert job is not None
            assert job.id in bad
        assert [await gate.began.get(), await gate.began.get()] == [first, last]
        assert worker.running == 2
        gate.let(first)
        gate.let(last)
    assert {(await queue.get(job_id)).state for job_id in (first, last)} == {State.COMPLETED}


async def test_a_reason_that_is_no_text_stops_no_worker(queue: Queue, clock: Clock) -> None:
    job = await one(queue, clock, raising(ServiceRejected("their \ud800 answer")))
    assert (job.state, job.errors[0]["reason"]) == (State.FAILED, "their \ud800 answer")


# -- an outcome that cannot be written --------------------------------------------------------


async def test_a_result_that_cannot_be_written_is_undone_and_tried_again(
    queue: Queue, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def write(tx: Transaction) -> None:
        effect(tx)
        tx.execute("INSERT INTO nowhere VALUES (1)")

    bad, good = await queue.add("bad"), await queue.add("good")
    async with working(queue, clock, concurrency=1, bad=returning(Done(write)), good=returning(Done())):
        settled = [await queue.settled.get(), await queue.settled.get()]
    assert [job.id for job in settled if job] == [bad, good]
    job = await queue.get(bad)
    assert (job.state, job.attempt, job.run_at) == (State.AVAILABLE, 1, NOW + 60)
    assert job.errors[0]["reason"] == "a bug while writing: ElaaomsError"
    assert await effects(queue) == 0
    assert "no such table: nowhere" in caplog.text
    assert (await queue.get(good)).state == State.COMPLETED


async def test_a_result_is_kept_until_the_database_takes_it(queue: Queue, clock: Clock) -> None:
    await queue.database.write(lambda tx: tx.execute("PRAGMA busy_timeout = 20") and None)
    with closing(sqlite3.connect(queue.database.path, isolation_level=None)) as other:

        async def handler(job: Job) -> Outcome:
            other.execute("BEGIN IMMEDIATE")
            return Done(effect)

        await queue.add()
        async with working(queue, clock, work=handler):
            assert isinstance(await queue.refused.get(), StorageUnavailable)
            other.execute("ROLLBACK")
            job = await queue.settled.get()
    assert job is not None
    assert (job.state, job.attempt) == (State.COMPLETED, 1)
    assert await effects(queue) == 1


async def test_stopping_does_not_wait_for_a_database_that_is_locked(queue: Queue, clock: Clock) -> None:
    await queue.database.write(lambda tx: tx.execute("PRAGMA busy_timeout = 20") and None)
    with closing(sqlite3.connect(queue.database.path, isolation_level=None)) as other:

        async def handler(job: Job) -> Outcome:
            other.execute("BEGIN IMMEDIATE")
            return Done(effect)

        job_id = await queue.add()
        async with working(queue, clock, grace_s=0.01, work=handler):
            await queue.refused.get()
    assert await queue.states() == {job_id: State.RUNNING}
    assert await effects(queue) == 0
    assert await queue.rescue(now=NOW) == 1
    assert await queue.states() == {job_id: State.AVAILABLE}


async def test_a_queue_that_cannot_be_written_is_looked_at_again_soon(
    queue: Queue, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await queue.database.write(lambda tx: tx.execute("PRAGMA busy_timeout = 20") and None)
    await queue.add()
    with closing(sqlite3.connect(queue.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with working(queue, clock, work=returning(Done())):
            assert await queue.pauses.get() == 5.0
            other.execute("ROLLBACK")
            queue.announce()
            job = await queue.settled.get()
    assert job is not None
    assert job.state == State.COMPLETED
    assert "cannot be read now" in caplog.text


async def test_a_failed_disk_ends_the_worker_and_hands_the_other_jobs_back(
    queue: Queue, clock: Clock
) -> None:
    gate, failing = Gate(), asyncio.Event()

    async def broken(job: Job) -> Outcome:
        await failing.wait()
        raise StorageFailed("the disk failed (input/output error)")

    other, bad = await queue.add("gate"), await queue.add("broken")
    worker = Worker(queue, {"gate": gate, "broken": broken}, concurrency=2, clock=clock)
    running = asyncio.create_task(worker.run(asyncio.Event()))
    assert await gate.began.get() == other
    failing.set()
    with pytest.raises(ExceptionGroup) as caught:
        await running
    assert caught.group_contains(StorageFailed, depth=1)
    assert len(caught.value.exceptions) == 1
    assert await queue.states() == {other: State.AVAILABLE, bad: State.RUNNING}
    assert (await queue.get(other)).attempt == 0
    assert worker.running == 0
    assert await queue.rescue(now=NOW) == 1


# -- when and how many ----------------------------------------------------------------------------


async def test_no_more_jobs_run_than_allowed(queue: Queue, clock: Clock) -> None:
    gate = Gate()
    ids = [await queue.add() for _ in range(7)]
    async with working(queue, clock, concurrency=3, work=gate) as worker:
        begun = [await gate.began.get() for _ in range(3)]
        assert begun == ids[:3]
        for job_id in ids:
            assert await queue.pauses.get() == LOOK_AGAIN_S
            assert worker.running <= 3
            assert len(await queue.page(state=State.RUNNING)) <= 3
            gate.let(job_id)
            settled = await queue.settled.get()
            assert settled is not None
            assert settled.id == job_id
        assert [await gate.began.get() for _ in range(4)] == ids[3:]
    assert set((await queue.states()).values()) == {State.COMPLETED}


async def test_what_ran_when_the_process_died_runs_alone(queue: Queue, clock: Clock) -> None:
    """Else each of a poison job's kills would cost its neighbours an attempt too."""
    gate = Gate()
    first, second = await queue.add(), await queue.add()
    for _ in range(2):
        assert await queue.claim(now=NOW) is not None
    third = await queue.add()
    await queue.rescue(now=NOW)
    async with working(queue, clock, work=gate):
        for expected in (first, second):
            assert await gate.began.get() == expected
            assert (await queue.states())[third] == State.AVAILABLE
            assert gate.began.empty()
            gate.let(expected)
        assert await gate.began.get() == third
        gate.let(third)


async def test_a_suspect_does_not_keep_a_worker_from_stopping(queue: Queue, clock: Clock) -> None:
    gate = Gate()
    job_id = await queue.add()
    assert await queue.claim(now=NOW) is not None
    await queue.rescue(now=NOW)
    async with working(queue, clock, grace_s=0.05, work=gate):
        assert await gate.began.get() == job_id
    assert (await queue.states())[job_id] == State.AVAILABLE


async def test_one_callers_jobs_run_in_order_and_others_beside_them(queue: Queue, clock: Clock) -> None:
    gate = Gate()
    robin = [await queue.add(lock="robin") for _ in range(3)]
    sam = await queue.add(lock="sam")
    async with working(queue, clock, work=gate):
        assert [await gate.began.get(), await gate.began.get()] == [robin[0], sam]
        for current, following in pairwise(robin):
            assert gate.began.empty()
            gate.let(current)
            assert await gate.began.get() == following
        gate.let(robin[-1])
        gate.let(sam)


async def test_a_new_job_wakes_a_sleeping_worker_at_once(queue: Queue, clock: Clock) -> None:
    gate = Gate()
    async with working(queue, clock, work=gate):
        assert await queue.pauses.get() == LOOK_AGAIN_S
        job_id = await queue.add()
        assert await gate.began.get() == job_id
        gate.let(job_id)


async def test_a_job_that_comes_while_the_worker_looks_is_not_overslept(queue: Queue, clock: Clock) -> None:
    seen = []

    async def handler(job: Job) -> Outcome:
        seen.append(job.id)
        return Done()

    async with working(queue, clock, concurrency=2, work=handler):
        ids = []
        for _ in range(100):
            ids.append(await queue.add())
        while len(seen) < 100:
            await queue.settled.get()
    assert sorted(seen) == ids


async def test_a_job_due_later_is_started_when_the_clock_reaches_it(queue: Queue, clock: Clock) -> None:
    gate = Gate()
    job_id = await queue.add(now=NOW + 20)
    async with working(queue, clock, work=gate):
        assert await queue.pauses.get() == 20
        clock.now += 19
        queue.announce()
        assert await queue.pauses.get() == 1
        assert gate.began.empty()
        clock.now += 1
        queue.announce()
        assert await gate.began.get() == job_id
        gate.let(job_id)


async def test_a_worker_never_sleeps_longer_than_a_clock_may_jump(queue: Queue, clock: Clock) -> None:
    await queue.add(now=NOW + 3600)
    async with working(queue, clock):
        assert await queue.pauses.get() == LOOK_AGAIN_S


@pytest.mark.parametrize("step", [86400.0, -86400.0])
async def test_a_clock_that_is_set_by_a_day_moves_the_jobs_with_it(
    queue: Queue, clock: Clock, step: float
) -> None:
    job_id = await queue.add(now=NOW + 100, wake=False)
    async with working(queue, clock, work=returning(Done())):
        assert await queue.pauses.get() == LOOK_AGAIN_S
        clock.now += step
        queue.announce()
        assert await queue.pauses.get() == LOOK_AGAIN_S
        assert (await queue.get(job_id)).run_at == pytest.approx(NOW + 100 + step, abs=30)
        clock.now += 100
        queue.announce()
        assert await queue.settled.get() is not None


@pytest.mark.parametrize("due", [0.5, 1.5, 2.5, 3.5, 4.5, 5.5])
async def test_a_job_that_falls_due_during_a_look_is_not_overslept(queue: Queue, due: float) -> None:
    clock = Clock(step=1.0)  # between one question to the queue and the next lies a second
    await queue.add(now=NOW + due)
    async with working(queue, clock, work=returning(Done())):
        assert await queue.settled.get() is not None


async def test_a_failed_attempt_is_followed_by_the_next_until_none_is_left(
    queue: Queue, clock: Clock
) -> None:
    await queue.add()
    waits = []
    async with working(queue, clock, work=raising(ServiceUnavailable("no answer"))):
        while (job := await queue.settled.get()) and job.state == State.AVAILABLE:
            waits.append(job.run_at - clock.now)
            clock.now = job.run_at
            queue.announce()
    assert waits == [60, 300, 1800]
    assert job is not None
    assert (job.state, job.attempt, len(job.errors)) == (State.FAILED, 4, 4)


# -- stopping --------------------------------------------------------------------------------------------


async def drained(
    queue: Queue, clock: Clock, gate: Gate, grace_s: float, before: Callable[[], Awaitable[None]]
) -> None:
    worker = Worker(queue, {"work": gate}, concurrency=2, clock=clock, grace_s=grace_s)
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    await gate.began.get()
    stop.set()
    await before()
    await running
    assert worker.running == 0


async def test_a_job_that_ends_within_the_grace_is_settled(queue: Queue, clock: Clock) -> None:
    gate = Gate()
    job_id = await queue.add()

    async def before() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        gate.let(job_id)

    await drained(queue, clock, gate, HANGS_S, before)
    assert await queue.states() == {job_id: State.COMPLETED}


async def test_a_job_that_does_not_end_is_handed_back_with_its_attempt_not_counted(
    queue: Queue, clock: Clock
) -> None:
    gate = Gate()
    job_id = await queue.add()

    async def before() -> None:
        clock.now += 5

    await drained(queue, clock, gate, 0.01, before)
    job = await queue.get(job_id)
    assert (job.state, job.attempt, job.run_at, job.errors) == (State.AVAILABLE, 0, NOW + 5, ())
    assert (await one(queue, clock, returning(Done()))).id == job_id


async def test_a_handler_that_tidies_up_when_cancelled_is_handed_back_too(queue: Queue, clock: Clock) -> None:
    began, tidied = asyncio.Event(), asyncio.Event()

    async def handler(job: Job) -> Outcome:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.set()
        raise AssertionError

    job_id = await queue.add()
    async with working(queue, clock, grace_s=0.01, work=handler):
        await began.wait()
    assert tidied.is_set()
    assert (await queue.get(job_id)).attempt == 0


async def test_a_stopped_worker_starts_nothing_new(queue: Queue, clock: Clock) -> None:
    gate = Gate()
    first, second = await queue.add(lock="robin"), await queue.add(lock="robin")

    async def before() -> None:
        gate.let(first)

    await drained(queue, clock, gate, HANGS_S / 2, before)
    assert await queue.states() == {first: State.COMPLETED, second: State.AVAILABLE}
    assert gate.began.empty()


async def test_an_idle_worker_stops_at_once(queue: Queue, clock: Clock) -> None:
    async with working(queue, clock):
        await queue.pauses.get()


async def test_a_worker_that_is_cancelled_hands_its_jobs_back(queue: Queue, clock: Clock) -> None:
    gate = Gate()
    ids = [await queue.add() for _ in range(3)]
    worker = Worker(queue, {"work": gate}, concurrency=3, clock=clock)
    running = asyncio.create_task(worker.run(asyncio.Event()))
    for _ in ids:
        await gate.began.get()
    await queue.pauses.get()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await queue.states() == dict.fromkeys(ids, State.AVAILABLE)
    assert {(await queue.get(job_id)).attempt for job_id in ids} == {0}


async def test_a_job_that_somebody_else_settled_is_left_alone(
    queue: Queue, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def handler(job: Job) -> Outcome:
        await SQLiteJobQueue.settle(queue, job, Failed("by hand"), now=NOW)
        return Done(effect)

    job_id = await queue.add()
    async with working(queue, clock, work=handler):
        assert await queue.settled.get() is None
    assert await queue.states() == {job_id: State.FAILED}
    assert await effects(queue) == 0
    assert "settled elsewhere" in caplog.text


async def test_a_kind_with_a_lane_of_its_own_neither_holds_up_the_others_nor_waits_for_them(
    queue: Queue, clock: Clock
) -> None:
    work, slow = Gate(), Gate()
    worker = Worker(
        queue, {"work": work, "slow": slow}, concurrency=1, clock=clock, lanes={"slow": 1}, grace_s=10
    )
    stop = asyncio.Event()
    slow_ids = [await queue.add("slow") for _ in range(2)]
    work_ids = [await queue.add("work") for _ in range(2)]
    running = asyncio.create_task(worker.run(stop))
    assert await slow.began.get() == slow_ids[0]
    assert await work.began.get() == work_ids[0]
    assert worker.running == 2
    work.let(work_ids[0])
    assert await work.began.get() == work_ids[1]  # while the first slow one still runs
    assert slow.began.empty()
    slow.let(slow_ids[0])
    assert await slow.began.get() == slow_ids[1]
    work.let(work_ids[1])
    slow.let(slow_ids[1])
    stop.set()
    await running


async def test_a_postponed_job_is_never_given_up(queue: Queue, clock: Clock) -> None:
    settled = await one(queue, clock, returning(Postponed("it is down", 7.0)))
    assert (settled.state, settled.attempt, settled.run_at) == (State.AVAILABLE, 0, NOW + 7)
    for _ in range(20):
        clock.now = settled.run_at
        job = await queue.claim(now=clock.now)
        assert job is not None
        settled = await SQLiteJobQueue.settle(queue, job, Postponed("still down"), now=clock.now)
        assert settled is not None
    assert settled.run_at - clock.now == 1800
    assert settled.errors[0]["reason"] == "it is down"
    assert len(settled.errors) == 10
