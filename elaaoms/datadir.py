"""The data directory: who holds it, where its daemon listens, its secret, and whether it stopped well."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import logging
import os
import secrets as random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elaaoms import __version__
from elaaoms.archive import write_whole
from elaaoms.database import Database, sync_directory
from elaaoms.errors import AlreadyRunning, ElaaomsError

STOPPED = "elaaoms.stopped"  # the note beside the database that everything is recorded

log = logging.getLogger("elaaoms.daemon")


@contextmanager
def alone(data: Path) -> Iterator[int]:
    """Hold the data directory for this process; AlreadyRunning if another one does."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data / "elaaoms.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ElaaomsError(
            f"cannot use the data directory {data}: {os.strerror(error.errno or 0)}"
        ) from error
    try:
        _lock(descriptor, data)
        try:
            yield descriptor
        finally:
            _give_back(data)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _give_back(data: Path) -> None:
    """What root made in the data of the service's user becomes that user's, or the service could not open it."""
    owner = data.stat()
    if os.geteuid() == 0 != owner.st_uid:
        for path in data.rglob("*"):
            if path.lstat().st_uid == 0:
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _lock(descriptor: int, data: Path) -> None:
    for wait_s in (0.05, 0.1, 0.2, None):  # a command that asks who holds the data holds it for an instant
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise ElaaomsError(f"cannot lock {data}: {os.strerror(error.errno or 0)}") from error
            if wait_s is None:
                raise AlreadyRunning(f"another elaaoms is running on {data}") from error
            time.sleep(wait_s)
        else:
            return


def write_lock(descriptor: int, url: str, admin_url: str) -> None:
    """Note in the lock file where we listen, so that commands find the daemon that holds the data."""
    text = json.dumps({"pid": os.getpid(), "url": url, "admin_url": admin_url})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def whereabouts(data: Path) -> dict[str, str] | None:
    """Where the daemon that holds `data` listens (`url`, `admin_url`), or None when none runs."""
    try:
        descriptor = os.open(data / "elaaoms.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            text = os.read(descriptor, 4096)
            return json.loads(text) if text else {}
        return None
    finally:
        os.close(descriptor)


async def caller_secret(data: Path, database: Database) -> bytes:
    """The installation's own secret, from which caller keys are made.

    It stands in the database, so that a restored copy knows its callers, and beside it, so that a
    database that has to be rebuilt from the archive gives every caller the same key again.
    """
    rows = await database.fetch("SELECT value FROM settings WHERE name = 'caller_secret'")
    path = data / "caller.key"
    try:
        if rows:
            secret = bytes.fromhex(rows[0]["value"])
        else:
            secret = path.read_bytes() if path.exists() else random.token_bytes(32)
            insert = "INSERT INTO settings (name, value) VALUES ('caller_secret', ?)"
            await database.write(lambda tx: tx.execute(insert, (secret.hex(),)).rowcount)
        if not path.exists() or path.read_bytes() != secret:
            await asyncio.to_thread(_keep, path, secret)
    except OSError as error:
        raise ElaaomsError(f"cannot use {path}: {os.strerror(error.errno or 0)}") from error
    return secret


async def note_program(database: Database) -> None:
    """Note which version wrote the database, for an older one that has to refuse it."""
    rows = await database.fetch("SELECT value FROM settings WHERE name = 'program'")
    if [row["value"] for row in rows] != [__version__]:
        note = "INSERT OR REPLACE INTO settings (name, value) VALUES ('program', ?)"
        await database.write(lambda tx: tx.execute(note, (__version__,)).rowcount)


async def stopping_well(data: Path, database: Database) -> None:
    """Note that every archived body has its row, in the database and beside it.

    Two notes that agree mean that neither is a copy of another day's (a backup that was put back), and what
    stands beside the token that nobody has taken rows away or put bodies into the archive since.
    """
    token = random.token_hex(16)
    sql = "INSERT INTO settings (name, value) VALUES ('stopped', ?)"
    try:
        await database.write(lambda tx: tx.execute(sql, (token,)).rowcount)
        await asyncio.to_thread(write_whole, data / STOPPED, await _note(data, database, token))
    except ElaaomsError as error:  # the next start looks through the archive
        log.warning("the end cannot be noted: %s", error)


async def stopped_well(data: Path, database: Database) -> bool:
    """Whether every archived body had its row when we stopped; from now on nobody knows that."""
    rows = await database.fetch("SELECT value FROM settings WHERE name = 'stopped'")
    if not rows:
        return False
    noted = await asyncio.to_thread(_noted, data / STOPPED)
    agree = noted == await _note(data, database, rows[0]["value"])
    await database.write(lambda tx: tx.execute("DELETE FROM settings WHERE name = 'stopped'").rowcount)
    return agree


async def _note(data: Path, database: Database, token: str) -> str:
    rows = await database.fetch("SELECT total(count) AS n FROM tallies WHERE name IN ('events', 'held')")
    changed = (await asyncio.to_thread((data / "payloads").stat)).st_ctime_ns
    return f"{token} {rows[0]['n']:.0f} {changed}"


def _noted(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _keep(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    sync_directory(path.parent)
