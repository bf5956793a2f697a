"""Durable background work: what a job is, how it can end, when it is tried again, and where jobs live."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from attrs import frozen

from elaaoms.database import Transaction

RETRY_DELAYS_S = (60.0, 300.0, 1800.0)  # after a transient failure: 1, 5 and 30 minutes
BLOCKED_PAUSE_S = 300.0  # how long a job waits for a provider that refuses everything
POSTPONED_S = (5.0, 1800.0)  # the shortest and the longest wait of a job that is never given up

CRASHED = "the process ended while the job ran"

Write: TypeAlias = Callable[[Transaction], None]


class State(StrEnum):
    """A job's state; one that must wait is `available` with a later `run_at`."""

    AVAILABLE = "available"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@frozen(kw_only=True)
class Job:
    """One row of the queue; times are unix seconds, `errors` is one entry for each failed attempt."""

    id: int
    kind: str
    args: Mapping[str, Any]
    state: State
    attempt: int
    max_attempts: int
    run_at: float
    lock: str | None
    unique_key: str | None
    errors: tuple[Mapping[str, Any], ...]
    created_at: float
    started_at: float | None
    finished_at: float | None

    @property
    def suspect(self) -> bool:
        """Whether its last attempt ran when the process died, by its fault or by another's."""
        return bool(self.errors) and self.errors[-1]["reason"] == CRASHED


@frozen(kw_only=True)
class NewJob:
    """A job to enqueue. Jobs with the same `lock` run one at a time and in order, and take turns with
    other locks; a job whose kind and `unique_key` stand in the queue already, unfinished, is not added
    again. It is due at once or at `not_before` (unix seconds)."""

    kind: str
    args: Mapping[str, Any]
    lock: str | None = None
    unique_key: str | None = None
    not_before: float = 0.0


@frozen(kw_only=True)
class Stretch:
    """Jobs that ended in one stretch of time from `at` (unix seconds): how many, and how long they took in seconds."""

    at: float
    completed: int
    failed: int
    mean_s: float
    slowest_s: float


# -- outcomes: what a handler returns or raises, and the worker writes once ---------


def _nothing(_: Transaction) -> None:
    return None


@frozen
class Done:
    """The job did its work; `write` is committed in the transaction that completes the job."""

    write: Write = _nothing


@frozen
class Retry:
    """The job met a transient failure. `after_s` is what the other side asked for, if it did."""

    reason: str
    after_s: float | None = None


@frozen
class Failed:
    """Trying again would change nothing; the job is kept for a person to look at."""

    reason: str


@frozen
class Blocked:
    """A provider refuses everything or is left alone: the job waits, its attempt is not counted.

    `after_s` is how long, if that is known; else `BLOCKED_PAUSE_S`.
    """

    provider: str
    reason: str
    after_s: float | None = None

    @property
    def pause_s(self) -> float:
        """Seconds until the job is tried again."""
        return BLOCKED_PAUSE_S if self.after_s is None else self.after_s


@frozen
class Postponed:
    """The job is tried for ever: it waits as long again as it has failed so far, within `POSTPONED_S`, or
    `after_s` if the other side asked for more. Its attempt is not counted."""

    reason: str
    after_s: float | None = None


@frozen
class Released:
    """The process stops: the job goes back as it was, its attempt is not counted."""


Outcome: TypeAlias = Done | Retry | Failed | Blocked | Postponed | Released


@frozen
class Schedule:
    """When a job is tried again: `delays_s[n]` seconds after its failed attempt n + 1."""

    delays_s: tuple[float, ...] = RETRY_DELAYS_S

    @property
    def max_attempts(self) -> int:
        return len(self.delays_s) + 1

    def delay(self, attempt: int, asked_s: float | None = None) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1); a longer request is honoured."""
        own = self.delays_s[attempt - 1] if attempt <= len(self.delays_s) else 0.0
        return max(own, asked_s or 0.0)


class JobQueue(Protocol):
    """The queue as the worker and the operator use it. `now` is unix seconds."""

    def enqueue(self, transaction: Transaction, job: NewJob, *, now: float) -> int:
        """Add a job within a transaction; the id of the unfinished twin if there is one.
        Call `announce()` once the transaction is committed."""
        ...

    def enqueue_all(self, transaction: Transaction, jobs: Sequence[tuple[NewJob, float]]) -> list[int]:
        """The same for many, each with its `now`; their ids ascend in this order."""
        ...

    def withdraw(self, transaction: Transaction, callers: Sequence[str], conversations: Sequence[str]) -> int:
        """Delete the jobs of callers and conversations that wait; how many run at the moment."""
        ...

    def erase(self, transaction: Transaction, caller: str, conversations: Sequence[str]) -> int:
        """Delete every job of a caller and of these conversations, finished ones too; how many."""
        ...

    def last_due(self, transaction: Transaction, lock: str) -> float | None:
        """`run_at` of the newest unfinished job with this lock."""
        ...

    def announce(self) -> None:
        """Say that a job may have become due."""
        ...

    async def wait(self, timeout_s: float) -> None:
        """Sleep until `announce()` or the timeout."""
        ...

    async def rescue(self, *, now: float) -> int:
        """Hand back what was running when the last process died; the attempt stays counted."""
        ...

    async def claim(
        self, *, now: float, kind: str | None = None, without: Collection[str] = ()
    ) -> Job | None:
        """Take the job that has stood in line longest and whose lock is free, and mark it running; one of `kind`
        alone, or of any kind but those in `without`."""
        ...

    async def settle(self, job: Job, outcome: Outcome, *, now: float) -> Job | None:
        """Write a claimed job's outcome once; None if the job is no longer ours to settle."""
        ...

    async def next_due(self, *, now: float) -> float | None:
        """The earliest `run_at` later than `now`."""
        ...

    async def shift(self, *, before: float, now: float) -> None:
        """The clock was set from `before` to `now`: what waits goes on waiting as long as it had to."""
        ...

    async def get(self, job_id: int) -> Job:
        """One job; NotFound."""
        ...

    async def page(
        self, *, state: State | None = None, limit: int = 50, before: int | None = None
    ) -> list[Job]:
        """Jobs, newest first, `before` an id."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """How many jobs are in each state."""
        ...

    async def depths(self) -> Mapping[tuple[str, str], int]:
        """How many jobs wait, run or failed, by kind and state."""
        ...

    async def troubled(self, kind: str, *, since: float) -> int:
        """How many jobs of a kind failed since then, or wait after more than one failed attempt."""
        ...

    async def activity(
        self, *, since: float, step_s: float, slots: int, kind: str | None = None
    ) -> list[Stretch]:
        """Jobs that ended since then, in consecutive slots of `step_s` seconds.

        With a `kind` those are counted and timed that were done of it; what failed is counted of every kind.
        """
        ...

    async def oldest_due(self) -> float | None:
        """`run_at` of the available job that has waited longest."""
        ...

    async def retry(self, job_id: int, *, now: float) -> Job:
        """Make a failed or cancelled job (or a waiting one) due now with fresh attempts."""
        ...

    async def retry_failed(self, *, now: float) -> int:
        """`retry` for everything failed; how many."""
        ...

    async def cancel(self, job_id: int, *, now: float) -> Job:
        """Give up a job that is not running."""
        ...

    def hasten(self, transaction: Transaction, kind: str, *, now: float) -> None:
        """Make every waiting job of a kind due now: what they waited for is over."""
        ...

    async def prune(self, *, finished_before: float) -> int:
        """Delete completed and cancelled jobs; failed ones wait for a person."""
        ...
