"""The SQLite file: one writer thread in which a transaction is a function, and readers beside it."""

from __future__ import annotations

import asyncio
import os
import queue
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import aiosqlite
from attrs import frozen

from elaaoms.errors import ElaaomsError, StorageFailed, StorageUnavailable

T = TypeVar("T")
Transaction: TypeAlias = sqlite3.Connection
Row: TypeAlias = sqlite3.Row

MAX_BATCH = 64  # transactions that share one commit, and so one flush of the disk
_MIGRATION = re.compile(r"(\d{4})_\w+\.sql")


@frozen
class _Work:
    function: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop

    def settle(self, result: Any, error: BaseException | None) -> None:
        def deliver() -> None:
            if self.future.done():  # the caller was cancelled; what was committed stays committed
                return
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)

        self.loop.call_soon_threadsafe(deliver)


class Database:
    """One SQLite database in WAL mode.

    `write(function)` runs `function(transaction)` as one durable transaction in the writer thread
    and returns its result once it is on disk (`synchronous=FULL`). Functions that wait at the same
    time share a commit; one that raises is undone alone. Cancelling the caller is safe: the
    function runs completely or not at all. It may be run a second time after a failed commit, so
    it touches nothing but the transaction.

    `read()` lends a read-only connection; cancelling a read interrupts its SQL.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, readers: list[aiosqlite.Connection]
    ) -> None:
        self.path = path
        self._connection = connection
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()
        self._readers: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        for reader in readers:
            self._readers.put_nowait(reader)

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, *, readers: int = 4) -> AsyncIterator[Database]:
        """Open (and create, migrate, check) the database for this process alone."""
        connection = await asyncio.to_thread(_prepare, path)
        async with AsyncExitStack() as stack:
            lent = [await stack.enter_async_context(reading(path)) for _ in range(readers)]
            database = cls(path, connection, lent)
            try:
                yield database
            finally:
                await asyncio.shield(asyncio.to_thread(database._close))

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """Commit `function` as a transaction; StorageUnavailable when it cannot be committed now."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Work(function, future, loop))
        return await future

    @asynccontextmanager
    async def read(self) -> AsyncIterator[aiosqlite.Connection]:
        """Lend one of the readers; statements see the newest commit."""
        reader = await self._readers.get()
        try:
            yield reader
        except asyncio.CancelledError:
            await reader.interrupt()
            raise
        except sqlite3.Error as error:
            raise translated(error) from error
        finally:
            self._readers.put_nowait(reader)

    async def fetch(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """All rows of one query."""
        async with self.read() as reader:
            return list(await reader.execute_fetchall(sql, parameters))

    def _close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            batch = [self._queue.get()]
            while len(batch) < MAX_BATCH and not self._queue.empty():
                batch.append(self._queue.get())  # nobody else takes from this queue
            stopping = None in batch
            if works := [work for work in batch if work is not None]:
                self._commit(works)

    def _commit(self, batch: list[_Work]) -> None:
        try:
            outcomes = self._attempt(batch)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            if len(batch) > 1:  # find out whose fault it is
                for work in batch:
                    self._commit([work])
                return
            outcomes = [(None, translated(error))]
        for work, (result, failure) in zip(batch, outcomes, strict=True):
            work.settle(result, failure)

    def _attempt(self, batch: list[_Work]) -> list[tuple[Any, BaseException | None]]:
        outcomes: list[tuple[Any, BaseException | None]] = []
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        for work in batch:
            execute("SAVEPOINT one")
            try:
                outcomes.append((work.function(self._connection), None))
            except Exception as error:
                if isinstance(error, sqlite3.Error):
                    if not self._connection.in_transaction or len(batch) > 1:
                        raise
                    outcomes.append((None, translated(error)))
                else:
                    outcomes.append((None, error))
                execute("ROLLBACK TO one")
            execute("RELEASE one")
        execute("COMMIT")
        return outcomes


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
        yield connection
    finally:
        await asyncio.shield(connection.close())


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
        sqlite3.SQLITE_CORRUPT: "the database is damaged",
        sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
        sqlite3.SQLITE_INTERRUPT: "the query was interrupted",
    }
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
    created = not path.exists()
    if created:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    except sqlite3.Error as error:
        raise translated(error) from error
    try:
        _configure(connection)
        if not created:
            _check(connection)
        _migrate(connection)
        _sync_directory(path.parent)  # SQLite does not report a failed sync of its own directory
    except sqlite3.Error as error:
        connection.close()
        raise translated(error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # NORMAL may lose the last commits in a power cut
        "foreign_keys = ON",
        "secure_delete = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "busy_timeout = 5000",
    ):
        connection.execute(f"PRAGMA {pragma}")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        raise ElaaomsError(f"the file system does not support SQLite's WAL (journal mode is {mode})")


def _check(connection: sqlite3.Connection) -> None:
    answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        raise StorageFailed(f"the database is damaged ({answer}); set it aside and restore a copy")


def _migrate(connection: sqlite3.Connection) -> None:
    known = migrations()
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > known[-1][0]:
        raise ElaaomsError(
            f"the database has schema {version}, this program knows {known[-1][0]}: install a newer elaaoms"
        )
    for number, script in known:
        if number > version:
            try:
                connection.executescript(
                    f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
                )
            except sqlite3.Error:
                if connection.in_transaction:
                    connection.rollback()
                raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
