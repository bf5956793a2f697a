"""The SQLite file: one writer thread in which a transaction is a function, and readers beside it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import queue
import re
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import aiosqlite
from attrs import frozen

from elaaoms.errors import ElaaomsError, StorageDamaged, StorageFailed, StorageUnavailable

T = TypeVar("T")
Given = TypeVar("Given")
Transaction: TypeAlias = sqlite3.Connection
Row: TypeAlias = sqlite3.Row
Observe: TypeAlias = Callable[[str, str, float], None]  # operation, outcome, seconds

MAX_BATCH = 256  # transactions that share one commit, and so one flush of the disk
CHECKED_AT_START = 256 << 20  # bytes; a larger database is checked while it serves already
log = logging.getLogger("elaaoms.database")

_MIGRATION = re.compile(r"(\d{4})_\w+\.sql")


@frozen
class _Work:
    function: Callable[..., Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    alone: bool = False  # not within a transaction
    given: tuple[Any, ...] = ()  # what a function that takes many is given for this one

    def run(self, connection: Transaction) -> Any:
        return self.function(connection, self.given)[0] if self.given else self.function(connection)

    def settle(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():  # the caller was cancelled; what was committed stays committed
            return
        if error is None:
            self.future.set_result(result)
        elif isinstance(error, StopIteration):  # a future refuses it, and its caller would wait for ever
            self.future.set_exception(RuntimeError("a transaction raised StopIteration"))
        else:
            self.future.set_exception(error)


def _deliver(settled: Sequence[tuple[_Work, tuple[Any, BaseException | None]]]) -> None:
    """Give a batch its outcomes; its callers' loop is woken once."""

    def deliver() -> None:
        for work, (result, error) in settled:
            work.settle(result, error)

    settled[0][0].loop.call_soon_threadsafe(deliver)


def _units(batch: Sequence[_Work]) -> Iterator[tuple[Callable[..., Any], list[_Work]]]:
    """What is run as one, in the order of the first of each."""
    many: dict[Callable[..., Any], list[_Work]] = {}
    for work in batch:
        if work.given:
            many.setdefault(work.function, []).append(work)
    for work in batch:
        if not work.given:
            yield work.function, [work]
        elif works := many.pop(work.function, None):
            yield work.function, works


class Database:
    """One SQLite database in WAL mode.

    `write(function)` runs `function(transaction)` as one durable transaction in the writer thread
    and returns its result once it is on disk (`synchronous=FULL`). Functions that wait at the same
    time share a commit; one that raises is undone alone. Cancelling the caller is safe: the
    function runs completely or not at all. It may be run a second time after a failed commit, so
    it touches nothing but the transaction.

    After an I/O error nothing is written any more: a flush that failed is not tried again.

    `read()` lends a read-only connection; cancelling a read interrupts its SQL.

    `observe` is told how long reads and writes take.

    `damage` is set to the first sign of a damaged file, whoever met it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.damage: asyncio.Future[StorageDamaged] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self.observe: Observe = lambda operation, outcome, seconds: None
        self._closing = False
        self._broken = False
        self._asked: list[_Work] = []  # in this turn of the loop; who comes together is committed together
        self._queue: queue.SimpleQueue[list[_Work] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()
        self._readers: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._resting: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, *, readers: int = 4) -> AsyncIterator[Database]:
        """Open (and create, migrate, check) the database for this process alone; StorageDamaged if it is."""
        database = cls(path, await asyncio.to_thread(_prepare, path))
        try:
            async with AsyncExitStack() as stack:
                for _ in range(readers):
                    database._readers.put_nowait(await stack.enter_async_context(reading(path)))
                stack.push_async_callback(database._rested)
                yield database
        finally:  # the writer goes last and takes the WAL with it; a reader could not
            database._closing = True
            database._hand_over()
            await asyncio.shield(asyncio.to_thread(database._close))

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """Commit `function` as a transaction; StorageUnavailable when it cannot be committed now."""
        outcome: T = await self._done(function, alone=False, counted=True)
        return outcome

    async def write_each(
        self, function: Callable[[Transaction, Sequence[Given]], Sequence[T]], given: Given
    ) -> T:
        """The same for what many ask for: `function` is handed all that waits for it, and gives a result for each.

        When it raises, it is run again for each alone.
        """
        outcome: T = await self._done(function, alone=False, given=(given,), counted=True)
        return outcome

    async def checkpoint(self) -> None:
        """Move everything from the WAL into the database and empty it, so that nothing deleted stands in it.

        StorageUnavailable while a reader holds on to an older state for longer than the busy timeout.
        """
        busy, _, _ = await self._done(
            lambda connection: tuple(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()),
            alone=True,
        )
        if busy:
            raise StorageUnavailable("the database is being read; its log cannot be emptied now")

    async def _done(
        self,
        function: Callable[..., Any],
        *,
        alone: bool,
        given: tuple[Any, ...] = (),
        counted: bool = False,
    ) -> Any:
        if self._closing:
            raise StorageUnavailable("the database is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        started, outcome = time.perf_counter(), "failed"
        if not self._asked:
            loop.call_soon(self._hand_over)
        self._asked.append(_Work(function, future, loop, alone, given))
        try:
            result = await future
            outcome = "ok"
        except StorageDamaged as error:
            self._found(error)
            raise
        finally:
            if counted:
                self.observe("write", outcome, time.perf_counter() - started)
        return result

    @asynccontextmanager
    async def read(self) -> AsyncIterator[aiosqlite.Connection]:
        """Lend one of the readers; statements see the newest commit."""
        reader = await self._readers.get()
        try:
            yield reader
        except asyncio.CancelledError:
            resting = asyncio.create_task(self._rest(reader), name="database-rest")
            self._resting.add(resting)
            resting.add_done_callback(self._resting.discard)
            raise
        except BaseException as error:
            self._readers.put_nowait(reader)
            if isinstance(error, sqlite3.Error):
                ours = translated(error)
                if isinstance(ours, StorageDamaged):
                    self._found(ours)
                raise ours from error
            raise
        else:
            self._readers.put_nowait(reader)

    async def fetch(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """All rows of one query."""
        with self._timed("read"):
            async with self.read() as reader:
                return list(await reader.execute_fetchall(sql, parameters))

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        started, outcome = time.perf_counter(), "failed"
        try:
            yield
            outcome = "ok"
        finally:
            self.observe(operation, outcome, time.perf_counter() - started)

    async def check(self) -> None:
        """Look at the whole file, as the start does for a small one; what is found stands in `damage`."""
        rows = await self.fetch("PRAGMA quick_check(1)")
        if rows[0][0] != "ok":
            self._found(StorageDamaged(_sentence(rows[0][0])))

    def _found(self, damage: StorageDamaged) -> None:
        if not self.damage.done():
            self.damage.set_result(damage)

    async def _rest(self, reader: aiosqlite.Connection) -> None:
        """Lend a reader again once it is idle: an interrupt misses a statement that has not begun yet."""
        idle = asyncio.ensure_future(reader.rollback())  # behind whatever its thread still has to do
        while not idle.done():
            await reader.interrupt()
            await asyncio.wait((idle,), timeout=0.01)
        self._readers.put_nowait(reader)

    async def _rested(self) -> None:
        if self._resting:
            await asyncio.wait(self._resting)

    def _hand_over(self) -> None:
        self._queue.put(self._asked)
        self._asked = []

    def _close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        stopping = False
        waiting: list[_Work] = []
        while waiting or not stopping:
            while not waiting or (len(waiting) < MAX_BATCH and not self._queue.empty()):
                asked = self._queue.get()  # nobody else takes from this queue
                if asked is None:
                    stopping = True
                    break
                waiting += asked
            batch, waiting = waiting[:MAX_BATCH], waiting[MAX_BATCH:]
            if works := [work for work in batch if not work.alone]:
                self._commit(works)
            for work in batch:
                if work.alone:
                    self._run_alone(work)

    def _run_alone(self, work: _Work) -> None:
        try:
            _deliver([(work, (work.run(self._connection), None))])
        except sqlite3.Error as error:
            self._broken = self._broken or isinstance(translated(error), StorageFailed)
            _deliver([(work, (None, translated(error)))])

    def _commit(self, batch: list[_Work]) -> None:
        outcomes: list[tuple[Any, BaseException | None]]
        try:
            if self._broken:
                gone = "the disk failed under the database, nothing is written any more"
                outcomes = [(None, StorageFailed(gone)) for _ in batch]
            else:
                outcomes = self._attempt(batch)
        except sqlite3.Error as error:
            self._undo()
            self._broken = self._broken or isinstance(translated(error), StorageFailed)
            if len(batch) > 1 and not self._broken and not _locked(error):  # find out whose fault it is
                for work in batch:
                    self._commit([work])
                return
            outcomes = [(None, translated(error)) for _ in batch]
        _deliver(list(zip(batch, outcomes, strict=True)))

    def _attempt(self, batch: list[_Work]) -> list[tuple[Any, BaseException | None]]:
        # What SQLite refuses ends the attempt: it may have rolled everything back by itself.
        outcomes = self._together(batch)
        return self._side_by_side(batch) if outcomes is None else outcomes

    def _together(self, batch: list[_Work]) -> list[tuple[Any, BaseException | None]] | None:
        """The usual case: nobody raises and nobody has to be undone; None when somebody did raise."""
        self._connection.execute("BEGIN IMMEDIATE")
        results: dict[int, Any] = {}
        try:
            for function, works in _units(batch):
                given = [work.given[0] for work in works if work.given]
                if given:
                    results |= zip(map(id, works), function(self._connection, given), strict=True)
                else:
                    results[id(works[0])] = function(self._connection)
                if not self._connection.in_transaction:  # it met an error after which SQLite undid everything
                    raise sqlite3.OperationalError("a transaction went on after it was rolled back")
        except Exception as error:
            if isinstance(error, sqlite3.Error):
                raise
            self._connection.execute("ROLLBACK")
            return [(None, error)] if len(batch) == 1 else None
        self._connection.execute("COMMIT")
        return [(results[id(work)], None) for work in batch]

    def _side_by_side(self, batch: list[_Work]) -> list[tuple[Any, BaseException | None]]:
        """The same with a savepoint for each, so that one who raises is undone alone."""
        outcomes: list[tuple[Any, BaseException | None]] = []
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        for work in batch:
            execute("SAVEPOINT one")
            try:
                outcomes.append((work.run(self._connection), None))
            except Exception as error:
                if isinstance(error, sqlite3.Error):
                    raise
                outcomes.append((None, error))
                execute("ROLLBACK TO one")
            execute("RELEASE one")
        execute("COMMIT")
        return outcomes

    def _undo(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.rollback()
        except sqlite3.Error:
            self._broken = True


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[aiosqlite.Connection]:
    """A read-only connection to the database at `path`, also beside a running daemon."""
    try:
        connection = await aiosqlite.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=5
        )
    except sqlite3.Error as error:
        raise translated(error) from error
    try:
        connection.row_factory = sqlite3.Row
        await connection.execute("PRAGMA trusted_schema = OFF")
        await connection.execute("PRAGMA temp_store = MEMORY")
        yield connection
    finally:
        await asyncio.shield(connection.close())


def _locked(error: sqlite3.Error) -> bool:
    return bool(getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY)


_DAMAGE = {
    sqlite3.SQLITE_CORRUPT: "the database is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
}


def _sentence(answer: str) -> str:
    reason = answer.rpartition("\n")[2]  # below the line that says in which database
    return f"the database is damaged ({reason})"


def translated(error: sqlite3.Error) -> ElaaomsError:
    """Our error for SQLite's: what may pass is StorageUnavailable, an I/O error is StorageFailed."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return ElaaomsError(f"the database refused: {error}")
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_IOERR:
        return StorageFailed(f"the disk failed under the database ({error})")
    reasons = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_BUSY: "the database is locked by another process",
        sqlite3.SQLITE_LOCKED: "the database is locked",
        sqlite3.SQLITE_READONLY: "the database is read-only",
        sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
        sqlite3.SQLITE_INTERRUPT: "the query was interrupted",
    }
    if primary in _DAMAGE:
        return StorageDamaged(_DAMAGE[primary])
    if primary in reasons:
        return StorageUnavailable(reasons[primary])
    return ElaaomsError(f"the database refused: {error}")


def migrations() -> list[tuple[int, str]]:
    """The numbered migrations, oldest first, as (version, SQL)."""
    found = []
    for file in resources.files("elaaoms").joinpath("migrations").iterdir():
        match = _MIGRATION.fullmatch(file.name)
        if match:
            found.append((int(match[1]), file.read_text(encoding="utf-8")))
    return sorted(found)


def _prepare(path: Path) -> sqlite3.Connection:
    try:
        if path.exists():
            _inspect(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            _configure(connection)
            _migrate(connection, path)
            sync_directory(path.parent)  # SQLite does not report a failed sync of its own directory
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise translated(error) from error
    except OSError as error:
        if error.errno == errno.EIO:
            raise StorageFailed("the disk failed under the database (input/output error)") from error
        reason = os.strerror(error.errno or 0)
        raise StorageUnavailable(f"the database cannot be opened ({reason})") from error
    return connection


def _inspect(path: Path) -> None:
    """Refuse a file that is damaged or newer than we are through a connection that changes no byte of it."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5)) as connection:
        try:
            if path.stat().st_size <= CHECKED_AT_START:
                answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            else:
                answer = "ok" if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() else ""
        except sqlite3.DatabaseError as error:
            if not isinstance(translated(error), StorageDamaged):
                raise
            answer = str(error)
        if answer != "ok":
            mend = "`elaaoms recover` sets it aside and makes a new one from the archive"
            raise StorageDamaged(f"{_sentence(answer)}; {mend}")
        version_of(connection)


def set_aside(path: Path, *, stamp: str) -> Path:
    """Move a database that nobody has open, with its journal, out of the way; nothing of it is deleted."""
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    try:
        for suffix in ("-wal", "-shm", ""):  # the database last: until then the next start finds it again
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        sync_directory(path.parent)
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be set aside ({os.strerror(error.errno or 0)})") from error
    return aside


def _configure(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # NORMAL may lose the last commits in a power cut
        "foreign_keys = ON",
        "secure_delete = ON",
        "trusted_schema = OFF",
        "temp_store = MEMORY",  # what is sorted must not lie in /var/tmp
        "cell_size_check = ON",
        "busy_timeout = 2000",
    ):
        connection.execute(f"PRAGMA {pragma}")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        raise ElaaomsError(f"the file system does not support SQLite's WAL (journal mode is {mode})")


def version_of(connection: sqlite3.Connection) -> int:
    """The schema of a database; ElaaomsError for one that is newer than we are, with what to install."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    newest = migrations()[-1][0]
    if version > newest:
        raise ElaaomsError(
            f"the database has schema {version}, this program knows {newest}: install {_program_of(connection)}"
        )
    return version


def _program_of(connection: sqlite3.Connection) -> str:
    """Which program wrote a database that we cannot read, as far as it still says so the way we would."""
    try:
        row = connection.execute("SELECT value FROM settings WHERE name = 'program'").fetchone()
    except sqlite3.OperationalError:
        row = None
    return "a newer elaaoms" if row is None else f"elaaoms {row[0]} or newer"


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the database to our schema; one that is in use already is copied into `backups` beside it first."""
    version = version_of(connection)
    if 0 < version < migrations()[-1][0]:
        _keep_before(connection, path.parent / "backups", version)
    apply_migrations(connection, version)


def apply_migrations(connection: sqlite3.Connection, version: int) -> list[int]:
    """Apply what is newer than `version`, each as one transaction; the numbers of what was applied."""
    wanted = [(number, script) for number, script in migrations() if number > version]
    for number, script in wanted:
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            raise
    return [number for number, _ in wanted]


def _keep_before(connection: sqlite3.Connection, folder: Path, version: int) -> None:
    """Copy a database before its schema changes, under a name that `elaaoms backup --keep` counts with its own."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = folder / f"elaaoms-{stamp}.schema-{version}.db"
    partial = folder / f".{target.name}.part"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(partial)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # a single file
        _sync_file(partial)
        partial.rename(target)
        sync_directory(folder)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        reason = translated(error) if isinstance(error, sqlite3.Error) else os.strerror(error.errno or 0)
        raise StorageUnavailable(
            f"the copy that is made before an upgrade cannot be written into {folder} ({reason})"
        ) from error
    log.warning(
        "the database goes from schema %d to %d; it is kept as %s", version, migrations()[-1][0], target
    )


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Put the names in a directory on the disk; OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def in_chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Slices of 64, 32, … 1: statements for so many rows at once are few, so that SQLite keeps them prepared."""
    done, size = 0, 64
    while done < len(rows):
        while size > len(rows) - done:
            size //= 2
        yield rows[done : done + size]
        done += size


@lru_cache(maxsize=256)
def filled(statement: str, rows: int, columns: int) -> str:
    """A statement with `(?, ?), (?, ?)` in the place of its `{}`: placeholders for so many rows."""
    row = f"({', '.join('?' * columns)})"
    return statement.format(", ".join([row] * rows))
