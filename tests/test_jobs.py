"""The queue's port: every implementation of it has to pass this suite."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen, mutable
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from elaaoms.database import Database, Transaction
from elaaoms.errors import Conflicting, NotFound
from elaaoms.jobs import (
    BLOCKED_PAUSE_S,
    RETRY_DELAYS_S,
    Blocked,
    Done,
    Failed,
    Job,
    JobQueue,
    NewJob,
    Outcome,
    Released,
    Retry,
    Schedule,
    State,
)
from elaaoms.jobs.sqlite import SQLiteJobQueue

NOW = 1_750_000_000.0
HANGS_S = 20.0  # what takes longer is taken for a hang
MAX_ATTEMPTS = len(RETRY_DELAYS_S) + 1


@frozen
class Bench:
    """A queue, what its transactions are committed with, and how to begin anew after a crash."""

    queue: JobQueue
    write: Callable[[Callable[[Transaction], Any]], Awaitable[Any]]
    crashed: Callable[[], JobQueue]

    async def add(
        self,
        kind: str = "work",
        *,
        now: float = NOW,
        lock: str | None = None,
        key: str | None = None,
        args: dict[str, Any] | None = None,
    ) -> int:
        job = NewJob(kind=kind, args=args or {}, lock=lock, unique_key=key)
        added: int = await self.write(lambda tx: self.queue.enqueue(tx, job, now=now))
        self.queue.announce()
        return added

    async def claim(self, *, now: float = NOW) -> Job:
        job = await self.queue.claim(now=now)
        assert job is not None
        return job

    async def claims(self, *, now: float = NOW) -> list[int]:
        """The ids of all jobs that can be started now, in order."""
        ids = []
        while job := await self.queue.claim(now=now):
            ids.append(job.id)
        return ids

    async def settle(self, job: Job, outcome: Outcome, *, now: float = NOW) -> Job:
        settled = await self.queue.settle(job, outcome, now=now)
        assert settled is not None
        assert settled == await self.queue.get(job.id)
        return settled


@asynccontextmanager
async def sqlite_bench(folder: Path) -> AsyncIterator[Bench]:
    async with Database.open(folder / "elaaoms.db", readers=1) as database:

        def queue() -> JobQueue:
            return SQLiteJobQueue(database, Schedule())

        yield Bench(queue(), database.write, queue)


FACTORIES: list[Callable[[Path], AbstractAsyncContextManager[Bench]]] = [sqlite_bench]


@pytest.fixture(params=FACTORIES, ids=lambda factory: factory.__name__.removesuffix("_bench"))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with asyncio.timeout(HANGS_S), request.param(tmp_path) as bench:
        yield bench


# -- enqueue ------------------------------------------------------------------------


async def test_a_job_is_stored_as_it_was_given(bench: Bench) -> None:
    args = {"path": "conv_1/ü.json", "number": 1, "nested": {"list": [None, True]}}
    job = await bench.queue.get(await bench.add("work", lock="caller_1", key="sha", args=args))
    assert job == Job(
        id=job.id,
        kind="work",
        args=args,
        state=State.AVAILABLE,
        attempt=0,
        max_attempts=MAX_ATTEMPTS,
        run_at=NOW,
        lock="caller_1",
        unique_key="sha",
        errors=(),
        created_at=NOW,
        started_at=None,
        finished_at=None,
    )


async def test_an_unfinished_twin_is_not_added_again(bench: Bench) -> None:
    first = await bench.add(key="sha")
    assert await bench.add(key="sha", now=NOW + 1, args={"other": 1}) == first
    job = await bench.claim()
    assert await bench.add(key="sha") == first  # while it runs
    await bench.settle(job, Retry("later"))
    assert await bench.add(key="sha") == first  # while it waits for its next attempt
    assert sum((await bench.queue.counts()).values()) == 1


async def test_a_twin_is_one_of_the_same_kind_and_key(bench: Bench) -> None:
    ids = [await bench.add("a", key="x"), await bench.add("b", key="x"), await bench.add("a", key="y")]
    ids += [await bench.add("a"), await bench.add("a")]  # without a key every job is its own
    assert len(set(ids)) == 5


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_a_finished_twin_does_not_keep_new_work_away(bench: Bench, end: str) -> None:
    first = await bench.add(key="sha")
    if end == "cancelled":
        await bench.queue.cancel(first, now=NOW)
    else:
        await bench.settle(await bench.claim(), Done() if end == "completed" else Failed("no"))
    second = await bench.add(key="sha")
    assert second > first
    assert (await bench.queue.get(first)).state == end
    assert (await bench.queue.get(second)).state == State.AVAILABLE


async def test_a_job_is_enqueued_with_its_transaction_or_not_at_all(bench: Bench) -> None:
    def failing(tx: Transaction) -> None:
        bench.queue.enqueue(tx, NewJob(kind="work", args={}), now=NOW)
        raise NotFound("the rest of it")

    with pytest.raises(NotFound):
        await bench.write(failing)
    assert await bench.claims() == []


async def test_twins_that_come_at_once_are_one_job(bench: Bench) -> None:
    assert len(set(await asyncio.gather(*(bench.add(key="sha") for _ in range(50))))) == 1


# -- claim -----------------------------------------------------------------------------


async def test_an_empty_queue_has_nothing_to_claim(bench: Bench) -> None:
    assert await bench.queue.claim(now=NOW) is None
    assert await bench.queue.next_due(now=NOW) is None
    assert await bench.queue.oldest_due() is None


async def test_what_is_due_longest_is_claimed_first(bench: Bench) -> None:
    third, first, second = [await bench.add(now=NOW + when) for when in (2, 0, 1)]
    fourth = await bench.add(now=NOW + 2)
    later = await bench.add(now=NOW + 3.5)
    assert await bench.claims(now=NOW + 3) == [first, second, third, fourth]
    assert await bench.claims(now=NOW + 3.5) == [later]


async def test_a_claimed_job_runs_its_next_attempt(bench: Bench) -> None:
    await bench.add()
    job = await bench.claim(now=NOW + 5)
    assert (job.state, job.attempt, job.started_at, job.finished_at) == (State.RUNNING, 1, NOW + 5, None)
    assert job == await bench.queue.get(job.id)
    assert await bench.queue.claim(now=NOW + 5) is None


async def test_two_claims_at_once_never_get_the_same_job(bench: Bench) -> None:
    ids = [await bench.add() for _ in range(20)]
    claimed = await asyncio.gather(*(bench.queue.claim(now=NOW) for _ in range(40)))
    assert sorted(job.id for job in claimed if job) == ids


async def test_one_callers_jobs_run_one_at_a_time_and_in_order(bench: Bench) -> None:
    ids = [await bench.add(lock="robin") for _ in range(4)]
    for expected in ids:
        job = await bench.claim()
        assert job.id == expected
        assert await bench.queue.claim(now=NOW) is None
        await bench.settle(job, Done())


async def test_the_order_of_a_caller_holds_when_the_clock_was_set_back(bench: Bench) -> None:
    first, second = await bench.add(lock="robin", now=NOW + 60), await bench.add(lock="robin", now=NOW)
    assert await bench.claims(now=NOW) == []
    assert (await bench.claim(now=NOW + 60)).id == first
    assert second not in await bench.claims(now=NOW + 60)


@pytest.mark.parametrize("outcome", [Retry("later"), Blocked("openai", "no quota")])
async def test_a_callers_later_jobs_wait_while_an_earlier_one_waits(bench: Bench, outcome: Outcome) -> None:
    first, second = await bench.add(lock="robin"), await bench.add(lock="robin")
    settled = await bench.settle(await bench.claim(), outcome)
    assert await bench.claims(now=settled.run_at - 0.001) == []
    job = await bench.claim(now=settled.run_at)
    assert job.id == first
    await bench.settle(job, Done(), now=settled.run_at)
    assert await bench.claims(now=settled.run_at) == [second]


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_a_job_that_is_given_up_frees_its_lock(bench: Bench, end: str) -> None:
    first, second = await bench.add(lock="robin"), await bench.add(lock="robin")
    if end == "failed":
        await bench.settle(await bench.claim(), Failed("no"))
    else:
        await bench.queue.cancel(first, now=NOW)
    assert await bench.claims() == [second]


async def test_different_callers_run_in_parallel(bench: Bench) -> None:
    robin, sam = (
        [await bench.add(lock="robin") for _ in range(2)],
        [await bench.add(lock="sam") for _ in range(2)],
    )
    free = [await bench.add() for _ in range(2)]
    assert await bench.claims() == [robin[0], sam[0], *free]


async def test_a_caller_with_a_thousand_pending_jobs_takes_turns_with_the_others(bench: Bench) -> None:
    def many(tx: Transaction) -> None:
        for number in range(1000):
            bench.queue.enqueue(tx, NewJob(kind="work", args={"n": number}, lock="busy"), now=NOW)

    await bench.write(many)
    others = {await bench.add(lock=f"caller_{number}", now=NOW + 1) for number in range(3)}
    order = []
    for second in range(2, 8):  # one worker: nobody runs beside anybody
        job = await bench.claim(now=NOW + second)
        order.append(job.lock)
        await bench.settle(job, Done(), now=NOW + second)
    assert order == ["busy", "caller_0", "caller_1", "caller_2", "busy", "busy"]
    assert len(others) == 3


async def test_a_job_may_be_due_later_only(bench: Bench) -> None:
    job = NewJob(kind="work", args={}, lock="robin", not_before=NOW + 60)
    await bench.write(lambda tx: bench.queue.enqueue(tx, job, now=NOW))
    assert await bench.write(lambda tx: bench.queue.last_due(tx, "robin")) == NOW + 60
    assert await bench.write(lambda tx: bench.queue.last_due(tx, "sam")) is None
    assert await bench.claims(now=NOW + 59) == []
    assert len(await bench.claims(now=NOW + 60)) == 1


@pytest.mark.parametrize("step", [86400.0, -86400.0])
async def test_a_clock_that_is_set_makes_no_job_early_or_late(bench: Bench, step: float) -> None:
    due = await bench.add()
    waiting = await bench.add()
    job = await bench.claim()
    assert job.id == due
    await bench.settle(job, Retry("later"))
    (await bench.claim()).id  # noqa: B018 - the second one runs when the clock is set
    late = await bench.add()
    await bench.queue.shift(before=NOW + 10, now=NOW + 10 + step)
    assert await bench.claims(now=NOW + 10 + step) == [late]
    assert await bench.claims(now=NOW + 59 + step) == []
    assert await bench.claims(now=NOW + 60 + step) == [due]
    assert (await bench.queue.get(waiting)).state == State.RUNNING


async def test_a_clock_set_back_while_nobody_watched_delays_nothing_for_a_day(bench: Bench) -> None:
    job_id = await bench.add(now=NOW + 86400)
    await bench.queue.rescue(now=NOW)
    assert await bench.claims(now=NOW + 1800) == [job_id]


async def test_a_retried_job_waits_for_the_newer_one_that_runs(bench: Bench) -> None:
    first, second = await bench.add(lock="robin"), await bench.add(lock="robin")
    await bench.settle(await bench.claim(), Failed("no"))
    running = await bench.claim()
    assert running.id == second
    await bench.queue.retry(first, now=NOW)
    assert await bench.claims() == []
    await bench.settle(running, Done())
    assert await bench.claims() == [first]


# -- settle ------------------------------------------------------------------------------


async def test_a_job_that_is_done_is_completed(bench: Bench) -> None:
    await bench.add()
    job = await bench.settle(await bench.claim(), Done(), now=NOW + 2)
    assert (job.state, job.attempt, job.finished_at, job.errors) == (State.COMPLETED, 1, NOW + 2, ())


async def test_transient_failures_are_retried_after_1_5_and_30_minutes_and_then_failed(bench: Bench) -> None:
    await bench.add()
    now = NOW
    for attempt, delay in enumerate((60, 300, 1800), start=1):
        job = await bench.settle(await bench.claim(now=now), Retry(f"reason {attempt}"), now=now + 1)
        assert (job.state, job.attempt, job.run_at) == (State.AVAILABLE, attempt, now + 1 + delay)
        assert await bench.queue.next_due(now=now + 1) == job.run_at
        assert await bench.queue.claim(now=job.run_at - 0.001) is None
        now = job.run_at
    job = await bench.settle(await bench.claim(now=now), Retry("reason 4"), now=now + 1)
    assert (job.state, job.attempt, job.finished_at) == (State.FAILED, 4, now + 1)
    assert [error["reason"] for error in job.errors] == [f"reason {attempt}" for attempt in (1, 2, 3, 4)]
    assert [error["attempt"] for error in job.errors] == [1, 2, 3, 4]
    assert await bench.queue.claim(now=now + 1e6) is None


@pytest.mark.parametrize(
    ("asked", "delay"), [(None, 60), (0, 60), (59, 60), (61, 61), (7200, 7200), (-5, 60)]
)
async def test_a_longer_wait_is_honoured_and_a_shorter_is_not(
    bench: Bench, asked: float | None, delay: float
) -> None:
    await bench.add()
    job = await bench.settle(await bench.claim(), Retry("later", asked))
    assert job.run_at == NOW + delay


async def test_a_last_attempt_is_failed_however_long_it_was_asked_to_wait(bench: Bench) -> None:
    await bench.add()
    now = NOW
    for _ in range(3):
        now = (await bench.settle(await bench.claim(now=now), Retry("later"), now=now)).run_at
    assert (
        await bench.settle(await bench.claim(now=now), Retry("later", 1e6), now=now)
    ).state == State.FAILED


async def test_a_job_that_cannot_succeed_fails_at_once_and_is_kept(bench: Bench) -> None:
    await bench.add()
    job = await bench.settle(await bench.claim(), Failed("refused"), now=NOW + 1)
    assert (job.state, job.attempt, job.finished_at) == (State.FAILED, 1, NOW + 1)
    assert job.errors == ({"attempt": 1, "at": NOW + 1, "reason": "refused"},)


async def test_a_blocked_provider_costs_no_attempt_and_is_noted_once(bench: Bench) -> None:
    await bench.add()
    now = NOW
    for _ in range(10):
        job = await bench.settle(await bench.claim(now=now), Blocked("openai", "wrong key"), now=now)
        assert (job.state, job.attempt, job.run_at) == (State.AVAILABLE, 0, now + BLOCKED_PAUSE_S)
        assert [error["reason"] for error in job.errors] == ["openai is blocked: wrong key"]
        now = job.run_at
    job = await bench.settle(await bench.claim(now=now), Blocked("openai", "no quota"), now=now)
    assert len(job.errors) == 2
    job = await bench.settle(await bench.claim(now=job.run_at), Retry("later"), now=job.run_at)
    assert job.attempt == 1


async def test_a_provider_that_says_when_it_is_worth_asking_is_asked_then(bench: Bench) -> None:
    await bench.add()
    job = await bench.settle(await bench.claim(), Blocked("openai", "it rests", 31.0), now=NOW)
    assert (job.state, job.attempt, job.run_at) == (State.AVAILABLE, 0, NOW + 31)


async def test_a_released_job_goes_back_as_it_was(bench: Bench) -> None:
    await bench.add()
    for _ in range(10):
        job = await bench.settle(await bench.claim(), Released())
        assert (job.state, job.attempt, job.run_at, job.errors) == (State.AVAILABLE, 0, NOW, ())


async def test_a_reason_may_hold_anything_and_is_kept_short(bench: Bench) -> None:
    await bench.add()
    job = await bench.settle(await bench.claim(), Failed("\ud800 \x00 ü " + "x" * 10_000))
    assert job.errors[0]["reason"].startswith("\ud800 \x00 ü xxx")
    assert len(job.errors[0]["reason"]) == 500


async def test_an_outcome_is_written_once(bench: Bench) -> None:
    await bench.add()
    job = await bench.claim()
    await bench.settle(job, Done())
    for outcome in (Done(), Retry("late"), Failed("late"), Blocked("late", ""), Released()):
        assert await bench.queue.settle(job, outcome, now=NOW + 9) is None
    assert (await bench.queue.get(job.id)).finished_at == NOW


@pytest.mark.parametrize("outcome", [Done(), Retry("late"), Failed("late"), Blocked("late", ""), Released()])
async def test_a_rescued_job_cannot_be_settled_by_the_old_claim(bench: Bench, outcome: Outcome) -> None:
    await bench.add()
    old = await bench.claim()
    queue = bench.crashed()
    await queue.rescue(now=NOW)
    assert await queue.settle(old, outcome, now=NOW) is None  # while it waits
    new = await queue.claim(now=NOW + 1)
    assert await queue.settle(old, outcome, now=NOW + 2) is None  # while it runs again
    assert new == await queue.get(old.id)


@pytest.mark.parametrize("outcome", [Released(), Blocked("openai", "no quota")])
async def test_an_attempt_that_was_not_counted_cannot_be_settled_later(
    bench: Bench, outcome: Outcome
) -> None:
    await bench.add()
    old = await bench.claim()
    settled = await bench.settle(old, outcome, now=NOW + 1)
    new = await bench.claim(now=settled.run_at)
    assert new.attempt == old.attempt
    assert await bench.queue.settle(old, Done(), now=settled.run_at) is None
    assert (await bench.queue.get(old.id)).state == State.RUNNING


async def test_the_effect_is_committed_with_the_outcome(bench: Bench) -> None:
    await bench.add()
    effect = Done(lambda tx: bench.queue.enqueue(tx, NewJob(kind="effect", args={}), now=NOW) and None)
    job = await bench.claim()
    await bench.settle(job, effect)
    assert await bench.queue.settle(job, effect, now=NOW) is None  # too late: no second effect
    assert [job.kind for job in await bench.queue.page()] == ["effect", "work"]


async def test_an_effect_that_raises_is_undone_and_leaves_the_job_running(bench: Bench) -> None:
    await bench.add()
    error = ValueError("a bug")

    def write(tx: Transaction) -> None:
        bench.queue.enqueue(tx, NewJob(kind="effect", args={}), now=NOW)
        raise error

    job = await bench.claim()
    with pytest.raises(ValueError) as caught:
        await bench.queue.settle(job, Done(write), now=NOW)
    assert caught.value is error
    assert await bench.queue.page() == [job]
    assert (await bench.settle(job, Retry("a bug"))).state == State.AVAILABLE


# -- rescue ------------------------------------------------------------------------------------


async def test_what_ran_when_the_process_died_runs_again_with_its_attempt_counted(bench: Bench) -> None:
    running, waiting = await bench.add(lock="robin"), await bench.add(lock="robin")
    await bench.claim()
    queue = bench.crashed()
    assert await queue.rescue(now=NOW + 5) == 1
    job = await queue.get(running)
    assert (job.state, job.attempt, job.run_at, job.finished_at) == (State.AVAILABLE, 1, NOW + 5, None)
    assert "ended while" in job.errors[0]["reason"]
    assert (await bench.claim(now=NOW + 5)).attempt == 2
    assert (await queue.get(waiting)).attempt == 0
    assert await bench.crashed().rescue(now=NOW + 6) == 1
    assert await bench.crashed().rescue(now=NOW + 7) == 0


async def test_a_job_that_kills_the_process_each_time_fails_in_the_end(bench: Bench) -> None:
    job_id = await bench.add(lock="robin")
    other = await bench.add(lock="robin")
    for _ in range(MAX_ATTEMPTS):
        assert (await bench.claim()).id == job_id
        await bench.crashed().rescue(now=NOW)
    job = await bench.queue.get(job_id)
    assert (job.state, job.attempt, job.finished_at) == (State.FAILED, MAX_ATTEMPTS, NOW)
    assert await bench.claims() == [other]


# -- waking up -----------------------------------------------------------------------------------


async def test_next_due_looks_ahead_only(bench: Bench) -> None:
    await bench.add(now=NOW)
    await bench.add(now=NOW + 10)
    assert await bench.queue.next_due(now=NOW - 1) == NOW
    assert await bench.queue.next_due(now=NOW) == NOW + 10  # what is due waits for a lock or a worker
    assert await bench.queue.next_due(now=NOW + 10) is None
    assert await bench.queue.oldest_due() == NOW


async def test_a_wait_ends_at_its_timeout(bench: Bench) -> None:
    await asyncio.wait_for(bench.queue.wait(0.01), HANGS_S)
    await asyncio.wait_for(bench.queue.wait(0.0), HANGS_S)


async def test_what_is_announced_while_the_worker_looks_is_not_missed(bench: Bench) -> None:
    bench.queue.announce()  # nobody waits: the worker looks at the queue
    await asyncio.wait_for(bench.queue.wait(1e6), HANGS_S)
    waiting = asyncio.ensure_future(bench.queue.wait(1e6))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()  # one announcement wakes once
    bench.queue.announce()
    bench.queue.announce()
    await asyncio.wait_for(waiting, HANGS_S)


async def test_every_change_wakes_the_worker(bench: Bench) -> None:
    job_id = await bench.add()
    await bench.queue.wait(1e6)
    job = await bench.claim()
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: bench.queue.settle(job, Failed("no"), now=NOW),
        lambda: bench.queue.retry(job_id, now=NOW),
        lambda: bench.queue.cancel(job_id, now=NOW),
        lambda: bench.queue.retry_failed(now=NOW),
        lambda: bench.queue.rescue(now=NOW),
    ]
    for change in changes:
        await change()
        await asyncio.wait_for(bench.queue.wait(1e6), HANGS_S)


# -- the operator ------------------------------------------------------------------------------------


async def test_a_job_that_is_not_there_is_not_found(bench: Bench) -> None:
    for ask in (
        lambda: bench.queue.get(7),
        lambda: bench.queue.retry(7, now=NOW),
        lambda: bench.queue.cancel(7, now=NOW),
    ):
        with pytest.raises(NotFound, match="there is no job 7"):
            await ask()


async def ended(bench: Bench, end: str, **more: Any) -> int:
    """A job in the state `end`."""
    job_id = await bench.add(**more)
    if end == "cancelled":
        await bench.queue.cancel(job_id, now=NOW)
    elif end != "available":
        job = await bench.claim()
        if end != "running":
            await bench.settle(job, Done() if end == "completed" else Failed("no"))
    return job_id


@pytest.mark.parametrize("state", ["failed", "cancelled", "available"])
async def test_retrying_begins_anew(bench: Bench, state: str) -> None:
    job_id = await ended(bench, state)
    errors = (await bench.queue.get(job_id)).errors
    job = await bench.queue.retry(job_id, now=NOW + 9)
    assert (job.state, job.attempt, job.run_at) == (State.AVAILABLE, 0, NOW + 9)
    assert (job.started_at, job.finished_at) == (None, None)
    assert job.errors == errors  # what went wrong is not forgotten
    assert (await bench.claim(now=NOW + 9)).id == job_id


async def test_retrying_a_job_that_waits_makes_it_due(bench: Bench) -> None:
    await bench.add()
    job = await bench.settle(await bench.claim(), Retry("later"))
    assert await bench.claims(now=NOW + 1) == []
    await bench.queue.retry(job.id, now=NOW + 1)
    assert (await bench.claim(now=NOW + 1)).attempt == 1


@pytest.mark.parametrize("state", ["running", "completed"])
async def test_what_runs_or_is_completed_cannot_be_retried(bench: Bench, state: str) -> None:
    job_id = await ended(bench, state)
    before = await bench.queue.get(job_id)
    with pytest.raises(Conflicting, match=f"job {job_id} is {state}"):
        await bench.queue.retry(job_id, now=NOW)
    assert await bench.queue.get(job_id) == before


async def test_a_job_whose_work_is_queued_again_cannot_be_retried(bench: Bench) -> None:
    old = await ended(bench, "failed", key="sha")
    new = await bench.add(key="sha")
    with pytest.raises(Conflicting, match="queued again already"):
        await bench.queue.retry(old, now=NOW)
    assert (await bench.queue.get(old)).state == State.FAILED
    assert await bench.claims() == [new]


async def test_retrying_everything_failed_leaves_one_job_for_the_same_work(bench: Bench) -> None:
    plain = [await ended(bench, "failed") for _ in range(2)]
    await ended(bench, "failed", key="twice")
    newest = await ended(bench, "failed", key="twice")
    await ended(bench, "failed", key="queued")
    queued = await bench.add(key="queued", now=NOW + 1)
    await ended(bench, "completed")
    await ended(bench, "cancelled")
    assert await bench.queue.retry_failed(now=NOW) == 3
    assert await bench.claims(now=NOW + 1) == [*plain, newest, queued]
    assert await bench.queue.retry_failed(now=NOW) == 0


@pytest.mark.parametrize("state", ["available", "failed"])
async def test_what_does_not_run_can_be_cancelled(bench: Bench, state: str) -> None:
    job_id = await ended(bench, state)
    job = await bench.queue.cancel(job_id, now=NOW + 3)
    assert (job.state, job.finished_at) == (State.CANCELLED, NOW + 3)
    assert await bench.claims() == []


@pytest.mark.parametrize("state", ["running", "completed", "cancelled"])
async def test_what_runs_or_is_over_cannot_be_cancelled(bench: Bench, state: str) -> None:
    job_id = await ended(bench, state)
    with pytest.raises(Conflicting, match=f"job {job_id} is {state}"):
        await bench.queue.cancel(job_id, now=NOW)


async def test_pruning_keeps_what_failed_and_what_is_not_over(bench: Bench) -> None:
    ids = {state: await ended(bench, state) for state in ("completed", "failed", "cancelled", "running")}
    ids["available"] = await bench.add()
    assert await bench.queue.prune(finished_before=NOW) == 0
    assert await bench.queue.prune(finished_before=NOW + 0.001) == 2
    assert {job.id for job in await bench.queue.page()} == {ids["failed"], ids["running"], ids["available"]}


async def test_every_state_is_counted(bench: Bench) -> None:
    assert await bench.queue.counts() == dict.fromkeys(
        ("available", "running", "completed", "failed", "cancelled"), 0
    )
    for state, count in {"completed": 3, "failed": 2, "cancelled": 1, "running": 2, "available": 4}.items():
        for _ in range(count):
            await ended(bench, state)
    assert await bench.queue.counts() == {
        "available": 4,
        "running": 2,
        "completed": 3,
        "failed": 2,
        "cancelled": 1,
    }


async def test_pages_go_from_the_newest_to_the_oldest(bench: Bench) -> None:
    ids = [await ended(bench, "failed" if number % 2 else "completed") for number in range(10)]
    seen: list[int] = []
    before = None
    while page := await bench.queue.page(limit=3, before=before):
        seen += [job.id for job in page]
        before = seen[-1]
    assert seen == ids[::-1]
    assert [job.id for job in await bench.queue.page(state=State.FAILED)] == ids[1::2][::-1]
    assert [job.id for job in await bench.queue.page(state=State.FAILED, limit=2, before=ids[5])] == [
        ids[3],
        ids[1],
    ]
    assert await bench.queue.page(state=State.RUNNING) == []


@pytest.mark.parametrize(
    ("attempt", "asked", "delay"), [(1, None, 5), (2, None, 6), (3, None, 0), (3, 9, 9), (1, 9, 9), (1, 1, 5)]
)
def test_a_schedule_says_when(attempt: int, asked: float | None, delay: float) -> None:
    schedule = Schedule((5.0, 6.0))
    assert schedule.max_attempts == 3
    assert schedule.delay(attempt, asked) == delay


def test_the_promised_schedule_is_1_5_and_30_minutes() -> None:
    assert Schedule() == Schedule((60.0, 300.0, 1800.0))
    assert Schedule().max_attempts == 4


# -- any order of events ------------------------------------------------------------------------------


@mutable
class Expected:
    """What the model believes of a job."""

    id: int
    lock: str | None
    key: str | None
    run_at: float
    state: State = State.AVAILABLE
    attempt: int = 0
    finished_at: float | None = None
    claim: Job | None = None  # the claim that may settle it

    @property
    def open(self) -> bool:
        return self.state in (State.AVAILABLE, State.RUNNING)


class AnyOrder(RuleBasedStateMachine):
    """The queue against a model of it in which everything is a list."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.model: dict[int, Expected] = {}
        self.claimed: list[Job] = []
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()

    @initialize(factory=st.sampled_from(FACTORIES))
    def begin(self, factory: Callable[[Path], AbstractAsyncContextManager[Bench]]) -> None:
        self.context = factory(Path(self.folder.name))
        self.bench = self.run(self.context.__aenter__())
        self.queue = self.bench.queue

    def teardown(self) -> None:
        if hasattr(self, "context"):
            self.run(self.context.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()

    def run(self, awaitable: Awaitable[Any]) -> Any:
        async def within() -> Any:
            async with asyncio.timeout(HANGS_S):
                return await awaitable

        self.now += 0.25
        return self.runner.run(within())

    def twin(self, key: str | None, but: int = 0) -> Expected | None:
        found = [
            job for job in self.model.values() if job.open and job.key == key is not None and job.id != but
        ]
        return found[0] if found else None

    @rule(lock=st.sampled_from([None, "robin", "sam"]), key=st.sampled_from([None, None, "x", "y"]))
    def enqueue(self, lock: str | None, key: str | None) -> None:
        job = NewJob(kind="work", args={}, lock=lock, unique_key=key)
        now, twin = self.now, self.twin(key)
        job_id = self.run(self.bench.write(lambda tx: self.queue.enqueue(tx, job, now=now)))
        if twin is not None:
            assert job_id == twin.id
        else:
            assert job_id not in self.model
            self.model[job_id] = Expected(job_id, lock, key, now)

    def line(self, lock: str | None) -> list[Expected]:
        """The unfinished jobs with a lock, the first of which may run."""
        rivals = [other for other in self.model.values() if other.lock == lock is not None and other.open]
        return sorted(rivals, key=lambda job: job.id)

    def free(self, job: Expected) -> bool:
        line = self.line(job.lock)
        return not line or (line[0] is job and all(rival.state != State.RUNNING for rival in line))

    def finish(self, job: Expected, state: State, now: float) -> None:
        """End a job; whoever waited for it goes to the end of what is due."""
        waited = set(map(id, self.line(job.lock)[1:]))
        job.state, job.finished_at = state, now
        line = self.line(job.lock)
        if line and id(line[0]) in waited:
            line[0].run_at = max(line[0].run_at, now)

    @rule()
    def claim(self) -> None:
        due = [job for job in self.model.values() if job.state == State.AVAILABLE and job.run_at <= self.now]
        expected = min(
            (job for job in due if self.free(job)), key=lambda job: (job.run_at, job.id), default=None
        )
        job = self.run(self.queue.claim(now=self.now))
        if expected is None:
            assert job is None
            return
        assert job is not None
        assert job.id == expected.id
        expected.state, expected.attempt, expected.claim = State.RUNNING, expected.attempt + 1, job
        self.claimed.append(job)

    @precondition(lambda self: self.claimed)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(
            [
                Done(),
                Retry("later"),
                Retry("later", 4000.0),
                Failed("no"),
                Blocked("openai", "key"),
                Released(),
            ]
        ),
    )
    def settle(self, data: st.DataObject, outcome: Outcome) -> None:
        job = data.draw(st.sampled_from(self.claimed[-6:]), "claim")
        now, expected = self.now, self.model.get(job.id)
        settled = self.run(self.queue.settle(job, outcome, now=now))
        if expected is None or expected.claim != job:
            assert settled is None
            return
        expected.claim = None
        match outcome:
            case Done():
                self.finish(expected, State.COMPLETED, now)
            case Retry(_, asked) if expected.attempt < MAX_ATTEMPTS:
                delay = max(asked or 0, RETRY_DELAYS_S[expected.attempt - 1])
                expected.state, expected.run_at = State.AVAILABLE, now + delay
            case Retry() | Failed():
                self.finish(expected, State.FAILED, now)
            case Blocked():
                expected.state, expected.run_at = State.AVAILABLE, now + BLOCKED_PAUSE_S
                expected.attempt -= 1
            case Released():
                expected.state, expected.run_at = State.AVAILABLE, now
                expected.attempt -= 1
        assert settled is not None
        assert settled.state == expected.state

    @rule(step=st.sampled_from([-86400.0, 86400.0]))
    def set_the_clock(self, step: float) -> None:
        before, self.now = self.now, self.now + step
        now = self.now
        self.run(self.queue.shift(before=before, now=now))
        for job in self.model.values():
            if job.state == State.AVAILABLE and job.run_at > min(before, now):
                job.run_at = job.run_at + now - before if job.run_at > before else now

    @rule(seconds=st.sampled_from([1.0, 60.0, 300.0, 1800.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def crash(self) -> None:
        self.queue = self.bench.crashed()
        self.bench = evolve(self.bench, queue=self.queue)
        now = self.now
        running = [job for job in self.model.values() if job.state == State.RUNNING]
        assert self.run(self.queue.rescue(now=now)) == len(running)
        for job in running:
            job.claim, job.run_at = None, now
            if job.attempt == MAX_ATTEMPTS:
                self.finish(job, State.FAILED, now)
            else:
                job.state = State.AVAILABLE
        for job in self.model.values():  # nobody waits longer than the longest delay: the clock was set
            if job.state == State.AVAILABLE and job.run_at > now + 2 * RETRY_DELAYS_S[-1]:
                job.run_at = now + RETRY_DELAYS_S[-1]

    def anew(self, job: Expected, now: float) -> None:
        job.state, job.attempt, job.run_at, job.finished_at = State.AVAILABLE, 0, now, None

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job = self.model[data.draw(st.sampled_from(sorted(self.model)), "job")]
        now = self.now
        if job.state in (State.RUNNING, State.COMPLETED) or self.twin(job.key, but=job.id):
            with pytest.raises(Conflicting):
                self.run(self.queue.retry(job.id, now=now))
        else:
            self.run(self.queue.retry(job.id, now=now))
            self.anew(job, now)

    @rule()
    def retry_failed(self) -> None:
        now = self.now
        failed = {job.key or job.id: job for job in self.model.values() if job.state == State.FAILED}
        chosen = [job for job in failed.values() if self.twin(job.key) is None]
        assert self.run(self.queue.retry_failed(now=now)) == len(chosen)
        for job in chosen:
            self.anew(job, now)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = self.model[data.draw(st.sampled_from(sorted(self.model)), "job")]
        now = self.now
        if job.state in (State.AVAILABLE, State.FAILED):
            self.run(self.queue.cancel(job.id, now=now))
            if job.open:
                self.finish(job, State.CANCELLED, now)
            else:
                job.state, job.finished_at = State.CANCELLED, now
        else:
            with pytest.raises(Conflicting):
                self.run(self.queue.cancel(job.id, now=now))

    @rule(age=st.sampled_from([0.0, 1000.0]))
    def prune(self, age: float) -> None:
        before = self.now - age
        gone = [
            job.id
            for job in self.model.values()
            if job.state in (State.COMPLETED, State.CANCELLED) and (job.finished_at or 0) < before
        ]
        assert self.run(self.queue.prune(finished_before=before)) == len(gone)
        for job_id in gone:
            del self.model[job_id]
            self.claimed = [job for job in self.claimed if job.id != job_id]  # the id may be given again

    @invariant()
    def the_queue_is_what_the_model_says(self) -> None:
        if not hasattr(self, "context"):
            return
        jobs: list[Job] = self.run(self.queue.page(limit=1000))
        assert {(job.id, job.state, job.attempt, job.run_at, job.finished_at) for job in jobs} == {
            (job.id, job.state, job.attempt, job.run_at, job.finished_at) for job in self.model.values()
        }
        locks = [job.lock for job in jobs if job.state == State.RUNNING and job.lock]
        assert len(locks) == len(set(locks))
        keys = [job.unique_key for job in jobs if job.state in ("available", "running") and job.unique_key]
        assert len(keys) == len(set(keys))
        assert all(0 <= job.attempt <= job.max_attempts for job in jobs)
        assert sum(self.run(self.queue.counts()).values()) == len(jobs)
        heads = [job for job in self.model.values() if self.line(job.lock)[:1] in ([], [job])]
        ahead = [job.run_at for job in heads if job.state == State.AVAILABLE and job.run_at > self.now]
        assert self.run(self.queue.next_due(now=self.now)) == min(ahead, default=None)


AnyOrder.TestCase.settings = settings(
    max_examples=30, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = AnyOrder.TestCase


# -- SQLite ------------------------------------------------------------------------------------------------


async def test_no_statement_looks_through_ten_thousand_jobs(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "elaaoms.db", readers=1) as database:
        queue = SQLiteJobQueue(database, Schedule())

        def many(tx: Transaction) -> None:
            for number in range(10_000):
                job = NewJob(
                    kind="work",
                    args={},
                    lock=f"caller_{number % 100}" if number % 3 else None,
                    unique_key=f"sha {number}",
                )
                queue.enqueue(tx, job, now=NOW)

        await database.write(many)
        statements: list[str] = []
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        def watch(tx: Transaction) -> None:
            tx.set_trace_callback(statements.append)
            tx.set_progress_handler(step, 100)

        await database.write(watch)
        async with database.read() as reader:
            await reader.set_trace_callback(statements.append)
            await reader.set_progress_handler(step, 100)
        jobs = [await queue.claim(now=NOW) for _ in range(50)]
        for job in jobs:
            assert job is not None
            assert await queue.settle(job, Retry("later"), now=NOW) is not None
        await database.write(
            lambda tx: queue.enqueue(tx, NewJob(kind="work", args={}, unique_key="sha 1"), now=NOW)
        )
        await queue.next_due(now=NOW)
        await queue.oldest_due()
        await queue.rescue(now=NOW)
        await queue.prune(finished_before=NOW)
        await queue.page(state=State.FAILED, before=5)
        await queue.page(before=5)
        await queue.cancel(1, now=NOW)
        await queue.retry(1, now=NOW)
        await queue.get(1)
        async with database.read() as reader:
            await reader.set_trace_callback(None)  # type: ignore[arg-type]
            await reader.set_progress_handler(None, 0)  # type: ignore[arg-type]
        await database.write(lambda tx: tx.set_trace_callback(None))
        # A claim that sorted 10,000 jobs would take more than 100,000 instructions of SQLite's machine.
        assert steps * 100 < len(statements) * 1_000
        verbs = ("SELECT", "UPDATE", "INSERT", "DELETE")
        asked = [text for text in statements if text.lstrip().startswith(verbs)]
        assert len(asked) > 100
        for text in asked:
            plan = [row["detail"] for row in await database.fetch(f"EXPLAIN QUERY PLAN {text}")]
            assert not [line for line in plan if "SCAN" in line or "TEMP B-TREE" in line], (text, plan)
