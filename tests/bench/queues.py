"""Jobs claimed and settled a second, here and elsewhere: `python -m tests.bench.queues NAME COUNT FOLDER`.

Every queue is a SQLite file with `synchronous = FULL`, so that a claim and a settlement are each on
the disk before the next step, and is worked off by as many claimants as our worker has by default.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elaaoms.database import Database
from elaaoms.jobs import Done, NewJob, Schedule
from elaaoms.jobs.sqlite import SQLiteJobQueue

CLAIMANTS = 4  # worker.concurrency
ARGS = {"path": "conv_0123456789/conv_0123456789_transcription.json"}


async def elaaoms(count: int, folder: Path) -> float:
    """Ours, in the database at hand: seconds to work off `count` jobs."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    async with Database.open(folder / "data" / "elaaoms.db") as database:
        queue = SQLiteJobQueue(database, Schedule())
        await database.write(
            lambda tx: [queue.enqueue(tx, NewJob(kind="bench", args=ARGS), now=0.0) for _ in range(count)]
        )

        async def claimant() -> int:
            settled = 0
            while (job := await queue.claim(now=1.0)) is not None:
                assert await queue.settle(job, Done(), now=1.0) is not None
                settled += 1
            return settled

        begun = time.perf_counter()
        settled = sum(await asyncio.gather(*(claimant() for _ in range(CLAIMANTS))))
        seconds = time.perf_counter() - begun
        await database.write(lambda tx: tx.execute("DELETE FROM jobs WHERE kind = 'bench'").rowcount)
    assert settled == count, settled
    return seconds


def huey(count: int, folder: Path) -> float:
    """SqliteHuey: a claim deletes the task, a settlement stores its result."""
    from huey import SqliteHuey

    queue = SqliteHuey(filename=str(folder / "huey.db"), fsync=True, timeout=60)

    @queue.task()  # type: ignore[untyped-decorator]
    def work(_: Any) -> bool:
        return True

    for _ in range(count):
        work(ARGS)

    def claim_and_settle() -> bool:
        task = queue.dequeue()
        return task is not None and queue.execute(task) is True

    return _by_threads(count, claim_and_settle)


def litequeue(count: int, folder: Path) -> float:
    """LiteQueue: one connection, so its users take turns."""
    from litequeue import LiteQueue

    queue = LiteQueue(folder / "litequeue.db")
    queue.conn.execute("PRAGMA synchronous = FULL")
    for _ in range(count):
        queue.put(str(ARGS))
    turn = threading.Lock()

    def claim_and_settle() -> bool:
        with turn:
            message = queue.pop()
        if message is None:
            return False
        with turn:
            queue.done(message.message_id)
        return True

    return _by_threads(count, claim_and_settle)


def persistqueue(count: int, folder: Path) -> float:
    """persist-queue's SQLiteAckQueue: `get`, then `ack`."""
    from persistqueue import Empty, SQLiteAckQueue

    queue = SQLiteAckQueue(str(folder / "persistqueue"), multithreading=True)
    for connection in {queue._putter, queue._getter}:
        connection.execute("PRAGMA synchronous = FULL")
    for _ in range(count):
        queue.put(ARGS)

    def claim_and_settle() -> bool:
        try:
            item = queue.get(block=False, raw=True)
        except Empty:
            return False
        queue.ack(id=item["pqid"])
        return True

    return _by_threads(count, claim_and_settle)


def _by_threads(count: int, claim_and_settle: Callable[[], bool]) -> float:
    settled = []

    def claimant() -> None:
        while claim_and_settle():
            settled.append(1)

    threads = [threading.Thread(target=claimant) for _ in range(CLAIMANTS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    assert len(settled) == count, (len(settled), count)
    return seconds


OTHERS: dict[str, Callable[[int, Path], float]] = {
    "huey": huey,
    "litequeue": litequeue,
    "persistqueue": persistqueue,
}


def main(name: str, count: int, folder: Path) -> None:
    """Print how many jobs a second one queue took."""
    seconds = asyncio.run(elaaoms(count, folder)) if name == "elaaoms" else OTHERS[name](count, folder)
    print(count / seconds)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
