"""The worker: claims what is due, runs its handler, and writes the outcome once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from elaaoms import logs
from elaaoms.errors import (
    NotFound,
    ProviderBlocked,
    ServiceRejected,
    ServiceUnavailable,
    StorageFailed,
    StorageUnavailable,
    Unreadable,
)
from elaaoms.jobs import Blocked, Done, Failed, Job, JobQueue, Outcome, Released, Retry

Handler: TypeAlias = Callable[[Job], Awaitable[Outcome]]
Seen: TypeAlias = Callable[[Job, str, float], None]

LOOK_AGAIN_S = 60.0  # at the latest, so that a jump of the clock delays a job by no more
SET_BACK_S = 60.0  # a clock that goes back by more was set, and its jobs with it
SET_AHEAD_S = 7200.0  # less only makes a job a little early
SLOW_S = 60.0  # a job that runs longer is logged as slow and goes on
_SETTLE_DELAYS_S = (0.2, 1.0, 5.0, 15.0)  # between attempts to write an outcome; the last one repeats

log = logging.getLogger("elaaoms.jobs")


class Worker:
    """Run up to `concurrency` jobs at once until told to stop.

    Kinds with a lane of their own run beside them, as many at once as `lanes` says: they neither hold the
    others up nor wait for them.
    """

    def __init__(
        self,
        queue: JobQueue,
        handlers: Mapping[str, Handler],
        *,
        concurrency: int,
        clock: Callable[[], float],
        lanes: Mapping[str, int] | None = None,
        grace_s: float = 20.0,
        seen: Seen = lambda job, state, seconds: None,
    ) -> None:
        self._queue = queue
        self._handlers = handlers
        self._slots: dict[str | None, int] = {None: concurrency}  # by kind; None is every other
        self._slots.update(lanes or {})
        self._clock = clock
        self._grace_s = grace_s
        # Told of every attempt: the state that the job is in after it, and how long it took.
        self._seen = seen
        self._tasks: dict[asyncio.Task[None], str | None] = {}  # and the lane that each runs in
        self._refused: dict[int, str] = {}  # which provider a job waits for
        self._blocked: dict[str, tuple[str, float]] = {}  # why, and until when that holds
        self.turned_at = 0.0  # monotonic; the last time the loop looked at the queue
        self._ahead: float | None = None  # of the wall clock before the monotonic one

    @property
    def blocked(self) -> dict[str, str]:
        """The providers that jobs wait for, each with the reason, until they answer again or nobody asks."""
        now = self._clock()
        return {name: reason for name, (reason, until) in self._blocked.items() if now < until}

    def block(self, provider: str, reason: str, pause_s: float) -> None:
        """Note that jobs wait for a provider, until a while after the next of them is due."""
        self._blocked[provider] = (reason, self._clock() + pause_s + LOOK_AGAIN_S)

    @property
    def running(self) -> int:
        """How many jobs run at the moment."""
        return len(self._tasks)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then wait `grace_s` seconds and hand back what is unfinished."""
        async with asyncio.TaskGroup() as group:
            stopper = group.create_task(self._wake_on(stop), name="worker-stop")
            while not stop.is_set():
                self.turned_at = asyncio.get_running_loop().time()
                pause = await self._start_due(group, stop)
                await self._queue.wait(pause)
            await stopper
            if self._tasks:
                _, late = await asyncio.wait(self._tasks, timeout=self._grace_s)
                for task in late:
                    task.cancel()

    def hurry(self) -> None:
        """Do not wait for the jobs that run when told to stop: what they would write has no place any more."""
        self._grace_s = 0.0

    async def _wake_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._queue.announce()

    async def _start_due(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> float:
        """Start what is due and free; seconds until it is worth looking again."""
        try:
            await self._follow_clock(self._clock())
            looked = [await self._start_in(lane, slots, group, stop) for lane, slots in self._slots.items()]
            if all(self._is_full(lane, slots) for lane, slots in self._slots.items()):
                return LOOK_AGAIN_S  # whoever is done says so
            due = await self._queue.next_due(now=min(looked))
        except StorageUnavailable as error:
            log.warning("the queue cannot be read now: %s", error)
            return 5.0
        return LOOK_AGAIN_S if due is None else min(LOOK_AGAIN_S, max(0.0, due - self._clock()))

    async def _start_in(
        self, lane: str | None, slots: int, group: asyncio.TaskGroup, stop: asyncio.Event
    ) -> float:
        """Start what is due in one lane; when we last looked, since what falls due later is yet to be seen."""
        others = () if lane else tuple(kind for kind in self._slots if kind)
        while True:
            now = self._clock()
            if self._is_full(lane, slots) or stop.is_set():
                return now
            job = await self._queue.claim(now=now, kind=lane, without=others)
            if job is None:
                return now
            if job.suspect and self._tasks:
                await self._either(stop, *self._tasks)
            if stop.is_set():  # it came while we asked
                await self._release(job)
                return now
            task = group.create_task(self._work(job), name=f"job-{job.id}")
            self._tasks[task] = lane
            task.add_done_callback(self._finished)
            if job.suspect:  # alone, so that no other pays when it ends the process again
                await self._either(stop, task)

    def _is_full(self, lane: str | None, slots: int) -> bool:
        return list(self._tasks.values()).count(lane) >= slots

    async def _either(self, stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
        """Wait until all tasks are done, or until told to stop."""
        stopping = asyncio.ensure_future(stop.wait())
        done = asyncio.ensure_future(asyncio.wait(tasks))
        try:
            await asyncio.wait((stopping, done), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            done.cancel()

    async def _follow_clock(self, now: float) -> None:
        """Notice that the clock was set, by a day perhaps: no job waits that long for it, none comes early."""
        ahead = now - asyncio.get_running_loop().time()
        step = 0.0 if self._ahead is None else ahead - self._ahead
        if not -SET_BACK_S <= step <= SET_AHEAD_S:
            log.warning("the clock was set by %+.0f seconds; the jobs that wait are moved with it", step)
            await self._queue.shift(before=now - step, now=now)
        self._ahead = ahead

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._queue.announce()

    async def _work(self, job: Job) -> None:
        with logs.fields(job=job.id):
            await self._worked(job)

    async def _worked(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        slow = loop.call_later(SLOW_S, log.warning, "job %d (%s) is slow, it goes on", job.id, job.kind)
        try:
            outcome = await self._outcome(job)
            settled = await self._settle(job, outcome)
        except asyncio.CancelledError:
            await asyncio.shield(self._release(job))
            raise
        finally:
            slow.cancel()
        took = loop.time() - started
        state = "settled elsewhere" if settled is None else settled
        self._seen(job, state, took)
        figures = {"kind": job.kind, "attempt": job.attempt, "state": state, "ms": round(took * 1000)}
        line = "job %d %s attempt=%d %s in %.0f ms"
        log.info(line, job.id, *figures.values(), extra={"figures": figures})

    async def _outcome(self, job: Job) -> Outcome:
        outcome = await self._handled(job)
        if isinstance(outcome, Blocked):
            self._refused[job.id] = outcome.provider
            self.block(outcome.provider, outcome.reason, outcome.pause_s)
        elif isinstance(outcome, Done) and (provider := self._refused.pop(job.id, None)):
            self._blocked.pop(provider, None)  # it answers again
        return outcome

    async def _handled(self, job: Job) -> Outcome:
        handler = self._handlers.get(job.kind)
        if handler is None:
            return Failed(f"nothing handles jobs of kind {job.kind!r}")
        try:
            outcome = await handler(job)
            if not isinstance(outcome, Outcome):
                raise TypeError(f"a handler gave {type(outcome).__name__} for an outcome")
        except ServiceUnavailable as error:
            return Retry(str(error), error.retry_after)
        except StorageUnavailable as error:
            return Retry(str(error), error.retry_after)
        except TimeoutError:
            return Retry("it took too long")
        except ProviderBlocked as error:
            return Blocked(error.provider, str(error), error.retry_after)
        except (ServiceRejected, Unreadable, NotFound) as error:
            return Failed(str(error))
        except StorageFailed:
            raise  # nothing can be trusted any more: the process ends
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            log.exception("job %d (%s) cancelled itself", job.id, job.kind)
            return Retry(f"a bug: {type(error).__name__}")
        except Exception as error:
            log.exception("job %d (%s) raised", job.id, job.kind)
            return Retry(f"a bug: {type(error).__name__}")
        return outcome

    async def _release(self, job: Job) -> None:
        """Hand a job back because we stop; what the database does not take now, the next start rescues."""
        try:
            await self._queue.settle(job, Released(), now=self._clock())
        except StorageUnavailable as error:
            log.warning("job %d is not handed back, the next start does: %s", job.id, error)

    async def _settle(self, job: Job, outcome: Outcome) -> str | None:
        """Write the outcome, for as long as the database takes; the state that the job is in."""
        delays = iter(_SETTLE_DELAYS_S)
        delay = 0.0
        while True:
            try:
                settled = await self._queue.settle(job, outcome, now=self._clock())
            except StorageUnavailable as error:
                delay = next(delays, delay)
                log.warning("job %d cannot be settled now: %s", job.id, error)
                await asyncio.sleep(delay)
            except StorageFailed:
                raise
            except Exception as error:
                if not isinstance(outcome, Done):
                    raise
                log.exception("job %d (%s) could not write its result", job.id, job.kind)
                outcome = Retry(f"a bug while writing: {type(error).__name__}")
            else:
                return None if settled is None else str(settled.state)
