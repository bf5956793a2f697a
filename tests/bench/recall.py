"""How fast a memory is found: `python -m tests.bench.recall [--memories 1000000] [--callers 20000]`.

Index search warm and cold beside FTS5 and a brute-force scan, bytes on disk, and the whole HTTP request
with many callers in one file. Numbers go to standard output; nothing here is a test.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
from attrs import evolve

from elaaoms.config import Config, Server
from elaaoms.database import Database, Transaction
from elaaoms.embed.builtin import token_table
from elaaoms.identity import parse
from elaaoms.memory import Memory
from elaaoms.memory.sqlite import _KEEP_ENTRY as KEEP
from elaaoms.memory.sqlite import _SAVE_MEMORY as SAVE
from elaaoms.memory.sqlite import SQLiteMemoryStore, _memory_values, _sealed
from elaaoms.rank import Index, entry
from elaaoms.shelf import Shelf
from tests.conftest import started
from tests.test_recall import memory

TODAY = date(2026, 11, 22)
AT_ONCE = 5000  # memories in a transaction
SUBJECTS = "caller order delivery invoice daughter husband dog sofa boiler booking refund card flight table room".split()
ACTIONS = "moved wants lost bought returned cancelled prefers misses likes repaired changed asked paid missed".split()
THINGS = (
    "lamp kitchen window receipt meter password mattress garden breakfast seat insurance phone parcel".split()
)
WHEN = "monday friday spring march yesterday evening weekend morning".split()


def said(chance: random.Random) -> str:
    """One memory of about 77 characters."""
    pick = chance.choice
    return (
        f"The {pick(SUBJECTS)} {pick(ACTIONS)} the {pick(THINGS)} on {pick(WHEN)} because of {pick(THINGS)} "
        f"{chance.randrange(10_000)}."
    )


def memories(count: int, owner: str, chance: random.Random) -> list[Memory]:
    """Memories of one caller, five to a call."""
    return [
        memory(
            said(chance),
            id=f"mem_{chance.getrandbits(96):024x}",
            owner=owner,
            conversation_id=f"conv_{owner[-6:]}_{n // 5}",
            turn=n % 5,
            first_heard=1.7e9 + n,
            last_heard=1.7e9 + n,
            agent_id=None,
        )
        for n in range(count)
    ]


def timed(work: Callable[[int], object], rounds: int) -> str:
    """Median and 99th percentile of the wall's clock, and of the processor's time, which neighbours do not spend."""
    wall, cpu = [], []
    work(0)
    for n in range(rounds):
        began, spent = time.perf_counter(), time.thread_time()
        work(n)
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.thread_time() - spent) * 1000)
    p50, p99, busy = statistics.median(wall), *(sorted(took)[int(rounds * 0.99)] for took in (wall, cpu))
    return f"p50 {p50:7.3f} ms   p99 {p99:7.3f} ms   p99 of processor time {busy:7.3f} ms"


def one_caller(count: int, chance: random.Random) -> None:
    """Search among one caller's memories, warm, beside FTS5 and a scan."""
    known = memories(count, "caller_" + "1" * 32, chance)
    table = token_table()
    entries = [(m.id, entry(m, table)) for m in known]
    index = Index.of(entries, table)
    questions = [
        f"what about the {chance.choice(THINGS)} that she {chance.choice(ACTIONS)}" for _ in range(500)
    ]
    print(f"\n{count} memories of one caller, {index.nbytes / count:.0f} bytes each in memory")
    print(f"  index, warm    {timed(lambda n: index.search(questions[n], today=TODAY, limit=5), 500)}")
    print(f"  index, built   {timed(lambda _: Index.of(entries, table), 20)}")
    with closing(sqlite3.connect(":memory:")) as full:
        full.execute("CREATE VIRTUAL TABLE said USING fts5(content)")
        full.executemany("INSERT INTO said VALUES (?)", [(m.content,) for m in known])
        sql = "SELECT rowid FROM said WHERE said MATCH ? ORDER BY rank LIMIT 5"
        print(
            f"  FTS5           {timed(lambda n: full.execute(sql, (' OR '.join(questions[n].split()),)).fetchall(), 200)}"
        )
    matrix = np.stack([table.encode(m.content) for m in known])
    print(f"  brute force    {timed(lambda n: np.argsort(-(matrix @ table.encode(questions[n])))[:5], 200)}")
    _sqlite_vec(matrix, [table.encode(question) for question in questions])


def _sqlite_vec(matrix: np.ndarray, asked: list[np.ndarray]) -> None:  # type: ignore[type-arg]
    try:
        import sqlite_vec

        db = sqlite3.connect(":memory:")
        db.enable_load_extension(True)
        sqlite_vec.load(db)
    except (ImportError, AttributeError) as error:
        print(f"  sqlite-vec     does not load here ({type(error).__name__})")
        return
    with closing(db):
        db.execute(f"CREATE VIRTUAL TABLE v USING vec0(e float[{matrix.shape[1]}])")
        db.executemany(
            "INSERT INTO v (rowid, e) VALUES (?, ?)", [(n, v.tobytes()) for n, v in enumerate(matrix)]
        )
        sql = "SELECT rowid FROM v WHERE e MATCH ? AND k = 5"
        print(f"  sqlite-vec     {timed(lambda n: db.execute(sql, (asked[n].tobytes(),)).fetchall(), 200)}")


def _store(tx: Transaction, known: list[Memory], made: dict[str, bytes]) -> int:
    """Write memories with their entries, as learning does."""
    tx.executemany(SAVE, [_sealed(_memory_values(m), "memories") for m in known])
    return tx.executemany(KEEP, [(m.id, made[m.content], m.owner) for m in known]).rowcount


async def cold(count: int, chance: random.Random) -> None:
    """The first search for a caller: read, build, search."""
    owner = "caller_" + "2" * 32
    table = token_table()
    with tempfile.TemporaryDirectory() as folder:
        async with Database.open(Path(folder) / "bench.db") as database:
            store = SQLiteMemoryStore(database)
            known = memories(count, owner, chance)
            made = {m.content: entry(m, table) for m in known}
            await database.write(lambda tx: _store(tx, known, made))
            took = []
            for _ in range(30):
                start = time.perf_counter()
                index = await Shelf(store, table).index(owner)
                index.search("which lamp did she lose", today=TODAY, limit=5)
                took.append((time.perf_counter() - start) * 1000)
    print(f"  cold           p50 {statistics.median(took):7.3f} ms   max {max(took):7.3f} ms")


async def whole(total: int, callers: int, chance: random.Random) -> None:
    """The whole HTTP request, with every caller's memories in one file."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(data_dir=folder, server=Server(port=0, admin_port=0))
        async with started(config) as platform:
            assert platform.up is not None
            services, table = platform.up.services, token_table()
            numbers = [f"+1202{n:07d}" for n in range(callers)]
            weights = [chance.lognormvariate(0, 1) for _ in numbers]
            share = total / sum(weights)
            pool = [said(chance) for _ in range(20_000)]
            made = {
                text: entry(memory(text), table) for text in pool
            }  # entries of one text differ in a few bytes
            start, done = time.perf_counter(), 0
            waiting: list[Memory] = []
            for number, weight in zip(numbers, weights, strict=True):
                address = parse(number, "US")
                assert address is not None
                owner = services.directory.key(address)
                waiting += (
                    evolve(m, content=chance.choice(pool))
                    for m in memories(int(weight * share) or 1, owner, chance)
                )
                if len(waiting) >= AT_ONCE or number == numbers[-1]:
                    await services.database.write(lambda tx, known=waiting: _store(tx, known, made))
                    done, waiting = done + len(waiting), []
            size = sum(file.stat().st_size for file in Path(folder).glob("elaaoms.db*"))  # noqa: ASYNC240
            text = sum(map(len, pool)) / len(pool)
            print(f"\n{done} memories of {callers} callers, written in {time.perf_counter() - start:.0f} s")
            print(f"  on disk {size / done:.0f} bytes a memory, {size / done - text:.0f} beyond its text")
            ((entries,),) = platform.sql("SELECT sum(length(entry) + length(memory) + 8) FROM recall_entries")
            print(f"  of them {entries / done:.0f} for search")
            asked = chance.sample(numbers, min(300, callers))
            for title in ("cold", "warm"):
                took = []
                for number in asked:
                    began = time.perf_counter()
                    answer = await platform.search("which lamp did she lose", number)
                    took.append((time.perf_counter() - began) * 1000)
                    assert answer.status == 200
                print(
                    f"  HTTP, {title}     p50 {statistics.median(took):7.3f} ms   p99 {sorted(took)[int(len(took) * 0.99)]:7.3f} ms"
                )


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, default=1_000_000)
    parser.add_argument("--callers", type=int, default=20_000)
    given = parser.parse_args()
    chance = random.Random(7)  # noqa: S311 - not a secret
    for count in (100, 1000, 10_000):
        one_caller(count, chance)
        asyncio.run(cold(count, chance))
    asyncio.run(whole(given.memories, given.callers, chance))


if __name__ == "__main__":
    main()
