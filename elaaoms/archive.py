"""The archive of received bodies: written whole and flushed before anything else believes in them."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from attrs import frozen

from elaaoms.errors import StorageFailed, StorageUnavailable, Unreadable
from elaaoms.webhooks import AUDIO, FAILURE, TRANSCRIPTION, Event, Scanner, is_conversation_id, parse_event

P = ParamSpec("P")
T = TypeVar("T")

WHOLE = 1 << 20  # bytes; a larger body is scanned before it is read whole
PIECE = 1 << 16  # bytes read at a time
HELD = "held"
LEAST_FREE = 1 << 20  # bytes, also when no reserve is configured
_HELD_NAME = re.compile(r"[0-9a-f]{64}\.json")
_SUFFIX = {TRANSCRIPTION: "transcription", AUDIO: "audio", FAILURE: "failure"}


@frozen(kw_only=True)
class Archived:
    """A body that is durably in its place; `path` is relative to the archive's root.

    `event` is None for a body that could not be understood and is held, for the reason given.
    """

    sha256: str
    size: int
    path: str
    event: Event | None
    reason: str = ""


class Incoming:
    """A body on its way in: a temporary file that is filled piece by piece."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = 0
        self._descriptor = descriptor
        self._digest = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        """Append a piece; StorageUnavailable when the disk is full."""
        self._digest.update(chunk)
        self.size += len(chunk)
        with disk_errors():
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._descriptor, view) :]

    @property
    def sha256(self) -> str:
        """Digest of the body so far, in hex."""
        return self._digest.hexdigest()

    def flush(self) -> None:
        """Put the body on the disk; a failed flush is never tried again."""
        with disk_errors():
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the descriptor back and remove the file unless it was moved to its place."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self.path.unlink(missing_ok=True)


class Archive:
    """Bodies below `root` (`data/payloads`), one folder a conversation, as the contract names them.

    Only this process writes here. The first body of a type has the plain name
    `{id}_transcription.json`; a later, different one stands beside it with its digest in the name.
    """

    def __init__(self, root: Path, *, reserve: int) -> None:
        self.root = root
        self.incoming = root.parent / "incoming"
        self._reserve = reserve
        self._places: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def prepare(self) -> None:
        """Make the folders and remove what a crash left half-written."""
        with disk_errors():
            for folder in (self.root, self.incoming, self.root / HELD):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self.incoming.iterdir():
                left.unlink()
            for folder in (self.root, self.root.parent):
                _sync_directory(folder)

    def free_bytes(self) -> int:
        """Free space of the file system that holds the archive."""
        with disk_errors():
            return shutil.disk_usage(self.root).free

    def check_space(self, wanted: int, *, large: bool = False) -> None:
        """Raise StorageUnavailable rather than eat into the reserve.

        A large body, whose signature is checked only at its end, must leave the reserve twice, so that
        forged ones cannot take the room of ordinary calls.
        """
        if self.free_bytes() < max(self._reserve * (1 + large), LEAST_FREE) + wanted:
            raise StorageUnavailable("the disk is almost full")

    @contextmanager
    def receive(self) -> Iterator[Incoming]:
        """A new temporary file; it is gone afterwards unless `keep` moved it."""
        path = self.incoming / f"{uuid.uuid4().hex}.part"
        with disk_errors():
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
            incoming = Incoming(path, os.open(path, flags, 0o600))
        try:
            yield incoming
        finally:
            incoming.close()

    async def keep(self, incoming: Incoming, check: Callable[[Event, int], None]) -> Archived:
        """Flush a complete body and move it to its place; durable when this returns.

        `check(event, size)` may raise to refuse the body before it is flushed.
        """
        event, reason = await asyncio.to_thread(read_event, incoming.path, incoming.size)
        if event is not None:
            check(event, incoming.size)
        name = event.conversation_id if event is not None else incoming.sha256
        lock = self._places.setdefault(name, asyncio.Lock())
        async with lock:
            path = await _undisturbed(self._place, incoming, event)
        return Archived(
            sha256=incoming.sha256,
            size=incoming.size,
            path=str(path.relative_to(self.root)),
            event=event,
            reason=reason,
        )

    def _place(self, incoming: Incoming, event: Event | None) -> Path:
        incoming.flush()
        with disk_errors():
            for path in self._names(incoming.sha256, event):
                if not path.exists():
                    path.parent.mkdir(mode=0o700, exist_ok=True)
                    os.rename(incoming.path, path)
                elif _sha256(path) != incoming.sha256:
                    continue
                self._sync(path)
                return path
        raise StorageFailed(f"two bodies claim the digest {incoming.sha256}")

    def _sync(self, path: Path) -> None:
        """Make a name durable, also one that was found: who gave it may have died before this."""
        _sync_directory(path.parent)
        _sync_directory(self.root)

    def _names(self, sha256: str, event: Event | None) -> tuple[Path, ...]:
        if event is None:
            return (self.root / HELD / f"{sha256}.json",)
        fits = is_conversation_id(event.type) and len(event.type) <= 64  # a file name has 255 bytes
        suffix = _SUFFIX.get(event.type) or (event.type if fits else "event")
        stem = f"{event.conversation_id}_{suffix}"
        folder = self.root / event.conversation_id
        return folder / f"{stem}.json", folder / f"{stem}.{sha256[:32]}.json"

    def read(self, path: str) -> bytes:
        """The archived body at `path`, byte for byte as received."""
        with disk_errors():
            return (self.root / path).read_bytes()

    def open(self, path: str) -> Iterator[bytes]:
        """The archived body at `path` in pieces."""
        with disk_errors(), (self.root / path).open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    @contextmanager
    def replacing(self, path: str) -> Iterator[Incoming]:
        """Write a derived file (decoded audio) that appears at `path` whole, when the block ends well."""
        with self.receive() as incoming:
            yield incoming
            incoming.flush()
            target = self.root / path
            with disk_errors():
                os.rename(incoming.path, target)
                _sync_directory(target.parent)

    def remove(self, path: str) -> None:
        """Remove an archived file whose content lives on elsewhere; gone already is fine."""
        with disk_errors():
            (self.root / path).unlink(missing_ok=True)
            _sync_directory((self.root / path).parent)

    def bodies(self) -> Iterator[tuple[str, bool]]:
        """All archived bodies as (path, held), for the start-up scan that adopts what has no row."""
        with disk_errors(), os.scandir(self.root) as folders:
            for folder in folders:
                if not folder.is_dir(follow_symlinks=False):
                    continue
                with os.scandir(folder.path) as files:
                    for file in files:
                        if file.name.endswith(".json") and file.is_file(follow_symlinks=False):
                            yield f"{folder.name}/{file.name}", bool(_HELD_NAME.fullmatch(file.name))

    def adopt(self, path: str) -> Archived:
        """Describe a body that is in its place already, for a row that was never committed."""
        full = self.root / path
        with disk_errors():
            self._sync(full)
            size = full.stat().st_size
            event, reason = read_event(full, size)
            return Archived(sha256=_sha256(full), size=size, path=path, event=event, reason=reason)


def read_event(path: Path, size: int) -> tuple[Event | None, str]:
    """The event in a complete body, or None and the reason why it cannot be understood."""
    try:
        if size > WHOLE:
            with disk_errors(), path.open("rb") as file:
                scanner = Scanner()
                while piece := file.read(PIECE):
                    scanner.feed(piece)
            event = scanner.finish()
            if event.type == AUDIO or scanner.captured:
                return event, ""
        with disk_errors():
            body = path.read_bytes()
        return parse_event(body), ""
    except Unreadable as error:
        return None, str(error)[:500]


async def _undisturbed(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in a thread; a cancelled caller leaves only when it is through with the files."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait((running,))
        raise


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn an OSError of the disk into our error: an I/O error is fatal, a full disk may pass."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EIO:
            raise StorageFailed("the disk failed (input/output error)") from error
        raise StorageUnavailable(f"the disk cannot take it ({os.strerror(error.errno or 0)})") from error


def write_whole(path: Path, text: str) -> None:
    """Write a file for its owner alone; it is there whole or not at all, also after a power cut.

    A file that is replaced keeps its owner: root may write what the service must read.
    """
    with disk_errors():
        before = path.stat() if path.exists() else None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.part")
        flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(partial, flags, 0o600), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            if before is not None and before.st_uid != os.getuid():
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        _sync_directory(path.parent)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
