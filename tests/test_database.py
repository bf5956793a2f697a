"""A transaction is acknowledged when it is on the disk, and never half there, whoever is cancelled."""

# ruff: noqa: ASYNC240, S311 - small files on a local disk, and chance that has to be repeatable

from __future__ import annotations

import asyncio
import gc
import random
import resource
import shutil
import sqlite3
import stat
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elaaoms.database import MAX_BATCH, Database, Transaction, in_chunks, migrations, reading
from elaaoms.errors import ElaaomsError, NotFound, StorageDamaged, StorageFailed, StorageUnavailable

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
HANGS_S = 20.0  # what takes longer is taken for a hang


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "elaaoms.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with asyncio.timeout(HANGS_S), Database.open(path) as database:
        await database.write(
            lambda tx: tx.execute("CREATE TABLE pairs (id INTEGER, half INTEGER) STRICT") and None
        )
        yield database


def note(number: int) -> Callable[[Transaction], int]:
    """A transaction of two rows."""

    def function(tx: Transaction) -> int:
        tx.execute("INSERT INTO pairs VALUES (?, 1)", (number,))
        tx.execute("INSERT INTO pairs VALUES (?, 2)", (number,))
        return number

    return function


def pragma(statement: str) -> Callable[[Transaction], None]:
    return lambda tx: tx.execute(f"PRAGMA {statement}") and None


async def stored(database: Database) -> list[int]:
    """The numbers that are stored; both halves, or the database is wrong."""
    rows = await database.fetch("SELECT id, count(*) AS halves FROM pairs GROUP BY id ORDER BY id")
    assert {row["halves"] for row in rows} <= {2}
    return [row["id"] for row in rows]


async def together(database: Database, *functions: Callable[[Transaction], object]) -> list[object]:
    """Write all functions as transactions that wait for the writer at the same time; results or errors."""
    gate = threading.Event()

    def busy(_: Transaction) -> None:
        assert gate.wait(HANGS_S)

    waiting: list[Awaitable[object]] = [asyncio.ensure_future(database.write(busy))]
    waiting += [asyncio.ensure_future(database.write(function)) for function in functions]
    await asyncio.sleep(0)  # each of them stands in the queue now
    gate.set()
    return (await asyncio.gather(*waiting, return_exceptions=True))[1:]


def commits(path: Path) -> int:
    """How many commits the WAL holds: its frames that name the size of the database after them."""
    wal = path.with_name(path.name + "-wal").read_bytes()
    page, salts = struct.unpack(">I", wal[8:12])[0], wal[16:24]
    count = 0
    for start in range(32, len(wal) - 23, 24 + page):
        if wal[start + 8 : start + 16] != salts:
            break
        count += wal[start + 4 : start + 8] != bytes(4)
    return count


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """A disk that fails: the kernel refuses to make any file of this process longer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# -- group commit ------------------------------------------------------------------


async def test_transactions_that_wait_together_share_a_commit(database: Database) -> None:
    before = commits(database.path)
    assert await together(database, *(note(number) for number in range(MAX_BATCH - 1))) == [
        *range(MAX_BATCH - 1)
    ]
    assert commits(database.path) - before <= 2  # one or two: the first may have come before the rest
    assert await stored(database) == [*range(MAX_BATCH - 1)]


def many(tx: Transaction, numbers: Sequence[int]) -> list[int]:
    """Rows for all of them in one statement; how many there were, for each. 13 is refused."""
    if 13 in numbers:
        raise NotFound("13")
    tx.executemany("INSERT INTO pairs VALUES (?, ?)", [(n, half) for n in numbers for half in (1, 2)])
    return [len(numbers)] * len(numbers)


async def test_what_many_ask_for_is_written_by_one_call(database: Database) -> None:
    before = commits(database.path)
    asked = [database.write_each(many, number) for number in range(10)]
    assert await asyncio.gather(*asked, database.write(note(99))) == [10] * 10 + [99]
    assert commits(database.path) - before == 1
    assert await stored(database) == [*range(10), 99]


async def test_one_of_many_that_is_refused_is_undone_alone(database: Database) -> None:
    asked = [database.write_each(many, number) for number in range(10, 16)]
    outcomes = await asyncio.gather(*asked, database.write(note(99)), return_exceptions=True)
    assert [*map(str, outcomes)] == ["1", "1", "1", "13", "1", "1", "99"]
    assert await stored(database) == [10, 11, 12, 14, 15, 99]


@given(st.integers(0, 1000))
def test_chunks_are_everything_once_in_few_sizes(count: int) -> None:
    chunks = list(in_chunks(range(count)))
    assert [number for chunk in chunks for number in chunk] == [*range(count)]
    assert {len(chunk) for chunk in chunks} <= {64, 32, 16, 8, 4, 2, 1}


async def test_a_long_queue_is_committed_in_batches_and_in_order(database: Database) -> None:
    before, order = commits(database.path), list[int]()
    functions = [note(number) for number in range(5 * MAX_BATCH)]
    waiting = [lambda tx, function=function: order.append(function(tx)) for function in functions]
    await together(database, *waiting)
    assert order == [*range(5 * MAX_BATCH)]
    assert 5 <= commits(database.path) - before <= 6


async def test_a_single_transaction_does_not_wait_for_others(database: Database) -> None:
    before = commits(database.path)
    assert await database.write(note(1)) == 1
    assert commits(database.path) - before == 1


async def test_an_acknowledged_transaction_is_in_the_file_already(database: Database, tmp_path: Path) -> None:
    for number in range(20):
        await database.write(note(number))
        for suffix in ("", "-wal"):  # what a crash at this moment would leave
            shutil.copy(f"{database.path}{suffix}", tmp_path / f"crashed.db{suffix}")
        with closing(sqlite3.connect(tmp_path / "crashed.db")) as crashed:
            assert crashed.execute("SELECT count(*) FROM pairs WHERE id = ?", (number,)).fetchone() == (2,)
        for left in tmp_path.glob("crashed.db*"):
            left.unlink()


# -- one failure among many -----------------------------------------------------------


async def test_a_function_that_raises_undoes_only_itself(database: Database) -> None:
    error = NotFound("there is no job 7")

    def failing(tx: Transaction) -> None:
        note(100)(tx)
        raise error

    results = await together(database, note(0), note(1), failing, note(2))
    assert results == [0, 1, error, 2]
    assert await stored(database) == [0, 1, 2]


async def test_a_statement_that_sqlite_refuses_undoes_only_its_transaction(database: Database) -> None:
    def refused(tx: Transaction) -> None:
        note(100)(tx)
        tx.execute("INSERT INTO pairs VALUES ('text', 1)")

    first, error, last = await together(database, note(0), refused, note(1))
    assert (first, last) == (0, 1)
    assert isinstance(error, ElaaomsError)
    assert "cannot store TEXT" in str(error)
    assert await stored(database) == [0, 1]


@pytest.mark.parametrize(
    "error", [NotFound("gone"), ValueError("odd"), RuntimeError("a bug"), KeyError("key")]
)
async def test_an_error_of_the_function_travels_unchanged(database: Database, error: Exception) -> None:
    def failing(tx: Transaction) -> None:
        note(1)(tx)
        raise error

    with pytest.raises(type(error)) as caught:
        await database.write(failing)
    assert caught.value is error
    assert await stored(database) == []


async def test_a_function_that_exhausts_an_iterator_hangs_nobody(database: Database) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await database.write(lambda _: next(iter(())))
    assert await database.write(note(1)) == 1


@pytest.mark.parametrize("swallows", [True, False])
async def test_a_rollback_of_sqlite_itself_takes_no_neighbour_with_it(
    database: Database, swallows: bool
) -> None:
    await database.write(lambda tx: tx.execute("CREATE UNIQUE INDEX one ON pairs (id, half)") and None)
    await database.write(note(5))

    def rolled_back(tx: Transaction) -> None:
        note(100)(tx)
        try:
            tx.execute("INSERT OR ROLLBACK INTO pairs VALUES (5, 1)")
        except sqlite3.IntegrityError:
            if not swallows:
                raise

    first, error, last = await together(database, note(0), rolled_back, note(1))
    assert (first, last) == (0, 1)
    assert isinstance(error, ElaaomsError)
    assert await stored(database) == [0, 1, 5]
    assert await database.write(note(2)) == 2


# -- what SQLite says, in our words ------------------------------------------------------


async def test_a_full_disk_is_storage_unavailable_and_passes(database: Database) -> None:
    def much(tx: Transaction) -> None:
        tx.execute("PRAGMA max_page_count = 1")  # as small as it can be: no page more than there are
        tx.execute("CREATE TABLE more (text TEXT)")
        tx.execute("INSERT INTO more VALUES (zeroblob(100000))")

    with pytest.raises(StorageUnavailable, match="disk is full"):
        await database.write(much)
    assert await stored(database) == []
    await database.write(pragma("max_page_count = 1000000"))
    assert await database.write(note(1)) == 1


async def test_a_database_locked_by_another_process_is_storage_unavailable(database: Database) -> None:
    await database.write(pragma("busy_timeout = 20"))
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="locked by another process"):
            await database.write(note(1))
        assert await stored(database) == []  # reading goes on
    assert await database.write(note(2)) == 2
    assert await stored(database) == [2]


async def test_who_waits_for_the_same_lock_is_refused_together(database: Database) -> None:
    await database.write(pragma("busy_timeout = 300"))
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = (database.write(note(number)) for number in range(MAX_BATCH))
        # One after the other they would take 300 ms each.
        results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), HANGS_S / 2)
    assert {type(result) for result in results} == {StorageUnavailable}
    assert await database.write(note(1)) == 1
    assert await stored(database) == [1]


async def test_a_database_that_may_not_be_written_is_storage_unavailable(database: Database) -> None:
    def forbidden(tx: Transaction) -> None:
        tx.execute("PRAGMA query_only = ON")
        try:
            note(1)(tx)
        finally:
            tx.execute("PRAGMA query_only = OFF")

    with pytest.raises(StorageUnavailable, match="read-only"):
        await database.write(forbidden)
    assert await database.write(note(1)) == 1


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageUnavailable, match="read-only"):
        await database.fetch("INSERT INTO pairs VALUES (1, 1)")
    assert await stored(database) == []


async def test_wrong_sql_is_an_error_of_ours_and_gives_the_reader_back(path: Path) -> None:
    async with Database.open(path, readers=1) as database:
        for _ in range(3):
            with pytest.raises(ElaaomsError, match="no such table"):
                await database.fetch("SELECT * FROM nowhere")
        assert [tuple(row) for row in await database.fetch("SELECT 1")] == [(1,)]


async def test_after_an_io_error_nothing_is_written_any_more(path: Path) -> None:
    async with Database.open(path) as database:
        await database.write(lambda tx: tx.execute("CREATE TABLE pairs (id INTEGER, half INTEGER)") and None)
        await database.write(note(1))
        with no_file_grows_beyond(path.with_name(path.name + "-wal").stat().st_size):
            results = await together(database, note(2), note(3), note(4))
        assert [type(result) for result in results] == [StorageFailed] * 3
        with pytest.raises(StorageFailed):  # the disk would take it again, but it is not asked twice
            await database.write(note(5))
        assert await stored(database) == [1]
    async with Database.open(path) as database:
        assert await stored(database) == [1]
        assert await database.write(note(2)) == 2


# -- cancellation -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
async def test_cancelled_callers_leave_whole_effects_only(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged, refused = set[int](), set[int]()

    async def caller(number: int, fails: bool) -> None:
        def function(tx: Transaction) -> None:
            tx.execute("INSERT INTO pairs VALUES (?, 1)", (number,))
            if fails:
                raise NotFound(str(number))
            tx.execute("INSERT INTO pairs VALUES (?, 2)", (number,))

        try:
            await database.write(function)
        except NotFound:
            refused.add(number)
        else:
            acknowledged.add(number)

    tasks = []
    for number in range(400):
        tasks.append(asyncio.create_task(caller(number, fails=chance.random() < 0.2)))
        while chance.random() < 0.5:
            await asyncio.sleep(chance.choice((0, 0, 0.0005)))
            chance.choice(tasks).cancel()
            if chance.random() < 0.2:
                chance.choice(tasks).cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}
    assert await database.write(note(1000)) == 1000
    there = set(await stored(database))
    assert acknowledged <= there
    assert not refused & there
    assert acknowledged
    assert refused
    assert len(acknowledged | refused) < 400


async def test_what_waits_when_its_caller_is_cancelled_is_committed_all_the_same(database: Database) -> None:
    gate = threading.Event()
    busy = asyncio.ensure_future(database.write(lambda _: gate.wait(HANGS_S)))
    waiting = asyncio.ensure_future(database.write(note(1)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait((waiting,))
    gate.set()
    assert await busy
    assert await database.write(note(2)) == 2
    assert await stored(database) == [1, 2]


async def test_a_cancelled_read_stops_its_sql_and_gives_the_reader_back(path: Path) -> None:
    async with asyncio.timeout(HANGS_S), Database.open(path, readers=1) as database:
        for pause in (0.0, 0.002, 0.02) * 10:
            reading = asyncio.ensure_future(database.fetch(ENDLESS))
            await asyncio.sleep(pause)  # with 0, SQLite may not even have begun
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert [tuple(row) for row in await database.fetch("SELECT 1")] == [(1,)]


async def test_a_deadline_stops_a_read(database: Database) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await database.fetch(ENDLESS)
    assert await stored(database) == []


async def test_a_cancelled_read_transaction_does_not_hold_the_past(path: Path) -> None:
    async with Database.open(path, readers=1) as database:

        async def old() -> None:
            async with database.read() as reader:
                await reader.execute("BEGIN")
                await reader.execute_fetchall("SELECT count(*) FROM settings")
                began.set()
                await asyncio.Event().wait()

        began = asyncio.Event()
        task = asyncio.create_task(old())
        await began.wait()
        await database.write(lambda tx: tx.execute("INSERT INTO settings VALUES ('a', 'b')") and None)
        task.cancel()
        await asyncio.wait((task,))
        assert len(await database.fetch("SELECT * FROM settings")) == 1


async def test_closing_while_a_cancelled_read_still_rests_is_clean(path: Path) -> None:
    for _ in range(10):
        async with asyncio.timeout(HANGS_S), Database.open(path, readers=2) as database:
            reading = asyncio.ensure_future(database.fetch(ENDLESS))
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait((reading,))


async def test_waiting_for_a_reader_can_be_cancelled(path: Path) -> None:
    async with asyncio.timeout(HANGS_S), Database.open(path, readers=1) as database:
        async with database.read():
            waiting = [asyncio.ensure_future(database.fetch("SELECT 1")) for _ in range(5)]
            await asyncio.sleep(0)
            for task in waiting[:4]:
                task.cancel()
            await asyncio.wait(waiting[:4])
        assert len(await waiting[4]) == 1
        assert len(await database.fetch("SELECT 1")) == 1


# -- reading --------------------------------------------------------------------------------


async def test_readers_see_the_newest_commit(database: Database) -> None:
    for number in range(200):
        await database.write(note(number))
        answers = await asyncio.gather(*(database.fetch("SELECT max(id) FROM pairs") for _ in range(5)))
        assert {rows[0][0] for rows in answers} == {number}


async def test_readers_go_on_while_the_writer_is_busy(database: Database) -> None:
    gate = threading.Event()

    def slow(tx: Transaction) -> None:
        note(1)(tx)
        assert gate.wait(HANGS_S)

    writing = asyncio.ensure_future(database.write(slow))
    assert await stored(database) == []
    gate.set()
    await writing
    assert await stored(database) == [1]


async def test_another_process_may_read_beside_us(database: Database) -> None:
    await database.write(note(1))
    async with reading(database.path) as other:
        assert len(list(await other.execute_fetchall("SELECT * FROM pairs"))) == 2


# -- the file ---------------------------------------------------------------------------------


async def test_the_pragmas_that_durability_rests_on_are_in_force(database: Database) -> None:
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "busy_timeout": 2000,
    }
    got = await database.write(
        lambda tx: {name: tx.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    )
    assert got == wanted
    assert (await database.fetch("PRAGMA trusted_schema"))[0][0] == 0


async def test_a_fresh_file_reaches_the_newest_version_and_is_ours_alone(path: Path) -> None:
    async with Database.open(path) as database:
        assert (await database.fetch("PRAGMA user_version"))[0][0] == migrations()[-1][0]
        assert (await database.fetch("PRAGMA integrity_check"))[0][0] == "ok"
        loose = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT strict AND name NOT LIKE 'sqlite%'"
        assert await database.fetch(loose) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    assert [version for version, _ in migrations()] == [*range(1, len(migrations()) + 1)]


async def test_an_empty_file_is_a_database_that_has_yet_to_begin(path: Path) -> None:
    path.touch()
    async with Database.open(path) as database:
        assert (await database.fetch("PRAGMA user_version"))[0][0] == migrations()[-1][0]


async def test_opening_again_finds_everything_and_no_wal_is_left_behind(path: Path) -> None:
    for number in range(3):
        async with Database.open(path) as database:
            assert len(await database.fetch("SELECT * FROM settings")) == number
            await database.write(
                lambda tx, number=number: (
                    tx.execute("INSERT INTO settings VALUES (?, '')", (str(number),)) and None
                )
            )
        assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_a_file_name_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "what? 100% #1&mode=rw ü.db"
    for _ in range(2):
        async with Database.open(path) as database:
            assert await database.fetch("SELECT * FROM settings") == []


async def test_a_newer_database_is_refused_with_a_sentence_and_untouched(path: Path) -> None:
    async with Database.open(path):
        pass
    newest = migrations()[-1][0]
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA user_version = {newest + 1}")
        other.execute("PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    sentence = f"the database has schema {newest + 1}, this program knows {newest}: install a newer elaaoms"
    with pytest.raises(ElaaomsError) as caught:
        async with Database.open(path):
            pass
    assert str(caught.value) == sentence
    assert path.read_bytes() == before


def header(content: bytearray) -> bytes:
    return b"this is not a database" * 200


def pages(content: bytearray) -> bytes:
    content[4096 + 8 : 3 * 4096] = b"\xa5" * (2 * 4096 - 8)
    return bytes(content)


def tail(content: bytearray) -> bytes:
    return bytes(content[: len(content) // 2])


def schema(content: bytearray) -> bytes:
    return bytes(content).replace(b"CREATE TABLE callers", b"CREATE TAPIR callers")


@pytest.mark.parametrize("damage", [header, pages, tail, schema])
@pytest.mark.parametrize("crashed", [False, True])
async def test_a_damaged_file_is_refused_and_not_modified(
    path: Path, tmp_path: Path, damage: Callable[[bytearray], bytes], crashed: bool
) -> None:
    async with Database.open(path) as database:
        await database.write(lambda tx: tx.execute("INSERT INTO settings VALUES ('a', 'b')") and None)
    sick = tmp_path / "sick.db"
    if crashed:  # the WAL of a process that was killed: closing after a look must not copy it into the file
        async with Database.open(path) as database:
            await database.write(lambda tx: tx.execute("INSERT INTO settings VALUES ('c', 'd')") and None)
            shutil.copy(f"{path}-wal", f"{sick}-wal")
    sick.write_bytes(damage(bytearray(path.read_bytes())))
    before = sick.read_bytes()
    with pytest.raises(
        StorageDamaged, match=r"the database is damaged \(.*\); `elaaoms recover` sets it aside"
    ):
        async with asyncio.timeout(HANGS_S), Database.open(sick):
            pass
    assert sick.read_bytes() == before


async def test_what_a_killed_process_had_committed_is_there_again(path: Path, tmp_path: Path) -> None:
    async with Database.open(path) as database:
        await database.write(lambda tx: tx.execute("INSERT INTO settings VALUES ('a', 'b')") and None)
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{tmp_path / 'killed.db'}{suffix}")
    with (tmp_path / "killed.db-wal").open("ab") as file:
        file.write(b"a frame that was only begun")
    async with Database.open(tmp_path / "killed.db") as database:
        assert [tuple(row) for row in await database.fetch("SELECT * FROM settings")] == [("a", "b")]


# -- opening and closing ----------------------------------------------------------------------------


async def test_closing_leaves_no_thread_and_nothing_open(path: Path) -> None:
    async with Database.open(path):  # the default executor's threads stay
        pass
    before = set(threading.enumerate())
    for _ in range(3):
        async with Database.open(path, readers=5) as database:
            await asyncio.gather(*(database.fetch("SELECT 1") for _ in range(10)))
            assert "database-writer" in {thread.name for thread in threading.enumerate()}
    gc.collect()  # an unclosed connection would warn, and a warning fails the test
    assert {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")} <= before


async def test_what_is_queued_when_the_database_closes_is_still_committed(path: Path) -> None:
    async with Database.open(path) as database:
        waiting = [
            asyncio.ensure_future(
                database.write(
                    lambda tx, name=name: (
                        tx.execute("INSERT INTO settings VALUES (?, '')", (str(name),)).rowcount
                    )
                )
            )
            for name in range(200)
        ]
        await asyncio.sleep(0)
    assert await asyncio.wait_for(asyncio.gather(*waiting), HANGS_S) == [1] * 200


async def test_writing_after_closing_is_refused_and_does_not_hang(path: Path) -> None:
    async with Database.open(path) as database:
        pass
    with pytest.raises(StorageUnavailable, match="closed"):
        await asyncio.wait_for(database.write(note(1)), HANGS_S)


async def test_an_error_in_the_block_closes_and_travels_on(path: Path) -> None:
    error = NotFound("nothing there")
    with pytest.raises(NotFound) as caught:
        async with asyncio.timeout(HANGS_S), Database.open(path):
            raise error
    assert caught.value is error
    assert "database-writer" not in {thread.name for thread in threading.enumerate()}


async def test_a_place_that_cannot_be_opened_fails_cleanly(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing" / "elaaoms.db", tmp_path / "folder", tmp_path / "file" / "elaaoms.db"):
        with pytest.raises((StorageUnavailable, StorageFailed)):  # SQLite takes a folder for an I/O error
            async with asyncio.timeout(HANGS_S), Database.open(path):
                pass
        assert not {thread.name for thread in threading.enumerate()} & {"database-writer"}
    with pytest.raises(StorageUnavailable):
        async with reading(tmp_path / "missing.db"):
            pass
    assert not (tmp_path / "missing.db").exists()


async def test_a_disk_that_cannot_take_the_schema_fails_cleanly(path: Path) -> None:
    with no_file_grows_beyond(8192), pytest.raises((StorageFailed, StorageUnavailable)):
        async with asyncio.timeout(HANGS_S), Database.open(path):
            pass
    async with asyncio.timeout(HANGS_S), Database.open(path) as database:
        assert (await database.fetch("PRAGMA user_version"))[0][0] == migrations()[-1][0]
