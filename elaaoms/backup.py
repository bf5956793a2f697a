"""Copies of the database while it is used, each opened and checked before it counts, and the way back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from elaaoms.database import apply_migrations, migrations, translated, version_of
from elaaoms.errors import ElaaomsError

DATABASE = "elaaoms.db"
PAYLOADS = "payloads"
_AGE_MAGIC = b"age-encryption.org/"
_SQLITE_MAGIC = b"SQLite format 3\x00"


@frozen(kw_only=True)
class Backup:
    """A finished copy; `schema` is the database's, `calls` and `memories` say how much is in it."""

    path: Path
    size: int
    schema: int
    calls: int
    memories: int
    payloads: int | None = None
    encrypted: bool = False


def back_up(
    data: Path,
    target: Path,
    *,
    payloads: bool = False,
    recipient: str | None = None,
    progress: Callable[[int], None] = lambda files: None,
) -> Backup:
    """Write a consistent copy to `target`, also beside a running daemon; it appears whole or not at all.

    With `payloads` the copy is a tar archive of the database and every archived body. With a
    `recipient` (an age public key) it is encrypted by the `age` program. ElaaomsError says what
    stands in the way; an existing file is never overwritten.
    """
    if target.exists():
        raise ElaaomsError(f"{target} exists already; a backup overwrites nothing")
    if not (data / DATABASE).exists():
        raise ElaaomsError(f"there is no database in {data}")
    with _working_files(target) as (copy, partial):
        copy_database(data / DATABASE, copy)
        schema, calls, memories = inspect(copy)
        files = None
        finished = copy
        if payloads:
            files = _archived(partial, copy, data / PAYLOADS, progress)
            finished = partial
        if recipient is not None:
            _age(["--encrypt", "--recipient", recipient, "--output", f"{partial}.age"], finished)
            finished = partial.with_name(f"{partial.name}.age")
        _flush(finished)
        size = finished.stat().st_size
        os.link(finished, target)  # fails, rather than overwrite, when somebody was faster
        _flush(target.parent)
    return Backup(
        path=target,
        size=size,
        schema=schema,
        calls=calls,
        memories=memories,
        payloads=files,
        encrypted=recipient is not None,
    )


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as it is at one instant; whoever writes meanwhile is not held up."""
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    os.close(descriptor)
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=10)) as from_,
            closing(sqlite3.connect(target)) as to,
        ):
            from_.backup(to, pages=-1)  # one step is one snapshot
            to.execute("PRAGMA journal_mode = DELETE")  # a single file
    except sqlite3.Error as error:
        raise translated(error) from error


def inspect(path: Path) -> tuple[int, int, int]:
    """A copy's schema and how many calls and memories it holds; ElaaomsError if it is no sound database of ours."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as connection:
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if verdict != "ok":
                raise ElaaomsError(f"{path} is damaged: {verdict}")
            schema = connection.execute("PRAGMA user_version").fetchone()[0]
            counts = [
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
                for table in ("calls", "memories")
            ]
    except sqlite3.Error as error:
        raise ElaaomsError(f"{path} is not a sound elaaoms database: {error}") from error
    newest = migrations()[-1][0]
    if schema > newest:
        raise ElaaomsError(
            f"{path} has schema {schema}, this program knows {newest}: install a newer elaaoms"
        )
    return schema, counts[0], counts[1]


def rehearse(data: Path) -> tuple[int, list[int]]:
    """Upgrade a copy of the database and look it through: its schema now, and the migrations that it lacks.

    ElaaomsError says what would fail. The copy is gone afterwards, the database is only read.
    """
    if not (data / DATABASE).exists():
        raise ElaaomsError(f"there is no database in {data}")
    with _working_files(data / "rehearsal.db") as (copy, _):
        copy_database(data / DATABASE, copy)
        try:
            with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                version = version_of(connection)
                applied = apply_migrations(connection, version)
                broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        except sqlite3.Error as error:
            raise ElaaomsError(f"the upgrade would fail: {error}") from error
        if broken is not None:
            raise ElaaomsError(f"the upgrade would leave a row of {broken[0]} that refers to nothing")
        inspect(copy)
    return version, applied


def keep_newest(folder: Path, count: int) -> list[Path]:
    """Delete all but the newest `count` backups that `name` named; what was deleted."""
    found = sorted(folder.glob("elaaoms-[0-9]*Z.*"), key=lambda path: path.name)
    surplus = found[: len(found) - count] if count < len(found) else []
    for path in surplus:
        path.unlink(missing_ok=True)
    return surplus


def name(*, payloads: bool, encrypted: bool, now: float) -> str:
    """A backup's file name by its time in UTC."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return f"elaaoms-{stamp}.{'tar' if payloads else 'db'}{'.age' if encrypted else ''}"


def restore(data: Path, source: Path, *, identity: Path | None = None) -> Backup:
    """Put a backup in the place of the database; the old one is kept beside it, payloads are only added.

    The caller holds the data directory. Calls that were archived since the backup are recorded
    again at the next start.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    workplace = data / f"restore-{stamp}"
    workplace.mkdir(mode=0o700)
    try:
        plain = source
        if _begins_with(source, _AGE_MAGIC):
            if identity is None:
                raise ElaaomsError(f"{source} is encrypted: name the identity file with --identity")
            plain = workplace / "plain"
            _age(["--decrypt", "--identity", str(identity), "--output", str(plain)], source)
        copy = workplace / DATABASE
        if _begins_with(plain, _SQLITE_MAGIC):
            shutil.copyfile(plain, copy)
        else:
            _unpack(plain, workplace)
        schema, calls, memories = inspect(copy)
        files = _adopt_payloads(workplace / PAYLOADS, data / PAYLOADS)
        _flush(copy)
        for suffix in ("", "-wal", "-shm"):
            old = data / f"{DATABASE}{suffix}"
            if old.exists():
                old.rename(data / f"{DATABASE}.before-{stamp}{suffix}")
        copy.chmod(0o600)
        copy.rename(data / DATABASE)
        _flush(data)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    size = source.stat().st_size
    return Backup(
        path=source, size=size, schema=schema, calls=calls, memories=memories, payloads=files or None
    )


def _archived(target: Path, copy: Path, payloads: Path, progress: Callable[[int], None]) -> int:
    """A tar of the copied database and the bodies; those that vanish meanwhile were erased, and are left out."""
    count = 0
    with tarfile.open(target, "w") as tar:
        tar.add(copy, DATABASE)
        for path in sorted(payloads.rglob("*")) if payloads.exists() else ():
            if not path.is_file():
                continue
            try:
                tar.add(path, f"{PAYLOADS}/{path.relative_to(payloads)}", recursive=False)
            except FileNotFoundError:
                continue
            count += 1
            progress(count)
    return count


def _unpack(source: Path, target: Path) -> None:
    try:
        with tarfile.open(source, "r:") as tar:
            tar.extractall(target, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise ElaaomsError(f"{source} is not a backup of elaaoms: {error}") from error
    if not (target / DATABASE).is_file():
        raise ElaaomsError(f"{source} is not a backup of elaaoms: it holds no {DATABASE}")


def _adopt_payloads(restored: Path, payloads: Path) -> int:
    """Add bodies that are missing; what is there was received later or is the same."""
    count = 0
    for path in sorted(restored.rglob("*")) if restored.exists() else ():
        target = payloads / path.relative_to(restored)
        if path.is_dir():
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif not target.exists():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.rename(target)
            _flush(target)
            count += 1
    return count


def _age(arguments: list[str], source: Path) -> None:
    program = shutil.which("age")
    if program is None:
        raise ElaaomsError("the program `age` is not installed (Debian: apt install age)")
    done = subprocess.run([program, *arguments, str(source)], capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise ElaaomsError(f"age: {done.stderr.decode(errors='replace').strip().splitlines()[0]}")


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise ElaaomsError(f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def _working_files(target: Path) -> Iterator[tuple[Path, Path]]:
    """Names beside the target, so that the last step is a link; both are gone afterwards."""
    stem = f".{target.name}.{os.getpid()}"
    copy, partial = target.with_name(f"{stem}.db"), target.with_name(f"{stem}.part")
    try:
        yield copy, partial
    except OSError as error:
        raise ElaaomsError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        for path in (copy, partial, partial.with_name(f"{partial.name}.age")):
            path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
