"""The archive of received bodies: written whole and flushed before anything else believes in them."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import itertools
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from attrs import define, frozen

from elaaoms.errors import StorageFailed, StorageUnavailable, Unreadable
from elaaoms.flush import Flusher
from elaaoms.webhooks import AUDIO, FAILURE, TRANSCRIPTION, Event, Scanner, is_conversation_id, parse_event

P = ParamSpec("P")
T = TypeVar("T")

WHOLE = 1 << 20  # bytes; a larger body is scanned before it is read whole
PIECE = 1 << 16  # bytes read at a time
SMALL = 1 << 18  # bytes; so little is held until it is complete, and parsed sooner than handed to a thread
HELD_BACK = 1 << 23  # bytes of all such bodies together; what comes above it goes to the disk as it comes
CROWD = 2  # bodies on their way to their places; from so many on they are flushed together
AUDIO_RETRY_S = 600.0  # a disk that is full of recordings does not empty in a minute
SIDE_BY_SIDE = 64  # bodies that wait for the disk at a time: it flushes many as fast as one
FREE_FOR_S = 0.1  # how long plenty of free space stays plenty
FOLDERS = 512  # of the archive that are looked at without a pause
HELD = "held"
LEAST_FREE = 1 << 20  # bytes, also when no reserve is configured
log = logging.getLogger("elaaoms.archive")

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


@define
class Room:
    """What bodies on their way in take together, in bytes."""

    reserved: int = 0  # announced, or received where more came than was announced
    written: int = 0  # to temporary files
    held: int = 0  # in memory


class Incoming:
    """A body on its way in: held while it is small, else a temporary file that is filled piece by piece."""

    def __init__(self, part: Callable[[], tuple[str, int]], room: Room, expected: int) -> None:
        self.path = ""  # of the temporary file, once there is one
        self.size = 0
        self.moved = False  # to its place; it is no longer ours to remove
        self.descriptor = -1
        self._part = part
        self._room = room
        self._reserved = expected
        self._written = 0
        self._held: list[bytes] = []
        self._digest = hashlib.sha256()
        room.reserved += expected

    def write(self, chunk: bytes) -> None:
        """Append a piece; StorageUnavailable when the disk is full."""
        self._digest.update(chunk)
        self.size += len(chunk)
        if self.size > self._reserved:
            self._room.reserved += self.size - self._reserved
            self._reserved = self.size
        if self.descriptor < 0 and self._reserved <= SMALL and self._room.held + len(chunk) <= HELD_BACK:
            self._held.append(chunk)
            self._room.held += len(chunk)
            return
        self.spill()
        self._put(chunk)

    @property
    def whole(self) -> bytes | None:
        """The whole body, unless it is in a file already."""
        return b"".join(self._held) if self.descriptor < 0 else None

    @cached_property
    def sha256(self) -> str:
        """Digest of the complete body, in hex."""
        return self._digest.hexdigest()

    def spill(self) -> None:
        """Write what is held into a temporary file; from now on there is one."""
        if self.descriptor >= 0:
            return
        with disk_errors():
            self.path, self.descriptor = self._part()
        for chunk in self._held:
            self._put(chunk)
        self._let_go()

    def _put(self, chunk: bytes) -> None:
        with disk_errors():
            view = memoryview(chunk)
            while view:
                view = view[os.write(self.descriptor, view) :]
        self._written += len(chunk)
        self._room.written += len(chunk)

    def _let_go(self) -> None:
        self._room.held -= sum(map(len, self._held))
        self._held.clear()

    def flush(self) -> None:
        """Put the file on the disk; a failed flush is never tried again."""
        with disk_errors():
            os.fsync(self.descriptor)

    def close(self) -> None:
        """Give everything back and remove the file unless it was moved to its place."""
        self._room.reserved -= self._reserved
        if self.descriptor < 0:
            self._let_go()
            return
        self._room.written -= self._written
        os.close(self.descriptor)
        self.descriptor = -1
        if not self.moved:
            with suppress(FileNotFoundError):
                os.unlink(self.path)


class Archive:
    """Bodies below `root` (`data/payloads`), one folder a conversation, as the contract names them.

    Only this process writes here. The first body of a type has the plain name
    `{id}_transcription.json`; a later, different one stands beside it with its digest in the name.
    """

    def __init__(
        self,
        root: Path,
        *,
        reserve: int,
        audio_reserve: int = 0,
        most_bodies: int = 512,
        most_bytes: int = 1 << 31,
    ) -> None:
        self.root = root
        self.incoming = root.parent / "incoming"
        self.looked_at = 0  # folders, by scans
        self.stray = False  # whether a body may be in its place whose sender did not wait for its row
        self._reserve = reserve
        self._audio_reserve = audio_reserve
        self._most_bodies = most_bodies
        self._most_bytes = most_bytes
        self._room = Room()
        self._free = 0  # bytes, when somebody last looked
        self._free_at = -FREE_FOR_S
        self._arriving = 0  # bodies
        self._keeping = 0  # bodies that are complete and not in their places yet
        self._flusher: Flusher | None = None
        self._flushes = True  # whether a flusher may be had
        self._root = -1  # descriptor, while there is a flusher
        self._places: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._threads = _Threads(SIDE_BY_SIDE, self._sync_root)
        self._numbers = itertools.count()

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
            found = os.statvfs(self.root)
        self._free = found.f_bavail * found.f_frsize
        self._free_at = time.monotonic()
        return self._free

    def check_space(self, wanted: int, *, large: bool = False) -> None:
        """Raise StorageUnavailable rather than eat into the reserve.

        A large body, whose signature is checked only at its end, must leave the reserve twice, so that
        forged ones cannot take the room of ordinary calls. What others announced and have not sent yet
        is as good as taken.
        """
        needed = max(self._reserve * (1 + large), LEAST_FREE)
        needed += self._room.reserved - self._room.written + wanted
        known = time.monotonic() - self._free_at < FREE_FOR_S and self._free > 2 * needed
        if not known and self.free_bytes() < needed:
            raise StorageUnavailable("the disk is almost full")

    def check_space_for_audio(self) -> None:
        """Raise StorageUnavailable for a recording while what is left is for transcripts."""
        if self.free_bytes() < self._audio_reserve:
            raise StorageUnavailable("the disk is too full for recordings", retry_after=AUDIO_RETRY_S)

    def probe(self) -> None:
        """Raise what a body that came now would meet: a full or read-only disk, no descriptor left."""
        self.check_space(0)
        with self._of_our_own() as incoming:
            incoming.write(b"\0")

    @contextmanager
    def receive(self, expected: int = 0) -> Iterator[Incoming]:
        """A new body; nothing of it is left afterwards unless `keep` moved it to its place.

        `expected` is the announced size in bytes. Bodies whose signatures are not checked yet share a
        bounded room: above it StorageUnavailable asks the next one to come again soon.
        """
        if self._arriving >= self._most_bodies or self._room.reserved + expected > self._most_bytes:
            raise StorageUnavailable("too many calls arrive at once", retry_after=5.0)
        incoming = Incoming(self._new_part, self._room, expected)
        self._arriving += 1
        try:
            yield incoming
        finally:
            self._arriving -= 1
            incoming.close()

    @contextmanager
    def _of_our_own(self) -> Iterator[Incoming]:
        """A temporary file that nobody sent, from any thread."""
        incoming = Incoming(self._new_part, Room(), 0)
        try:
            incoming.spill()
            yield incoming
        finally:
            incoming.close()

    def _new_part(self) -> tuple[str, int]:
        path = f"{self.incoming}/{next(self._numbers)}.part"  # `prepare` left none
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        return path, os.open(path, flags, 0o600)

    def room_for(self, incoming: Incoming) -> None:
        """Raise StorageUnavailable when a body that announced no size outgrows the room that is shared."""
        if self._room.reserved > self._most_bytes:
            raise StorageUnavailable("too many calls arrive at once", retry_after=5.0)
        self.check_space(0, large=True)

    async def keep(self, incoming: Incoming, check: Callable[[Event, int], None]) -> Archived:
        """Flush a complete body and move it to its place; durable when this returns.

        `check(event, size)` may raise to refuse the body before it is flushed.
        """
        self._keeping += 1
        try:
            return await self._kept(incoming, check)
        finally:
            self._keeping -= 1

    async def _kept(self, incoming: Incoming, check: Callable[[Event, int], None]) -> Archived:
        body = incoming.whole
        if body is not None:
            event, reason = understood(body)
        else:
            event, reason = await asyncio.to_thread(read_event, Path(incoming.path), incoming.size)
        if event is not None:
            check(event, incoming.size)
            if event.type == AUDIO:
                self.check_space_for_audio()
        path = None
        if body is not None and event is not None and self._keeping >= CROWD:
            path = await self._placed_among_others(incoming, event)
        if path is None:
            incoming.spill()
            name = event.conversation_id if event is not None else incoming.sha256
            async with self._places.setdefault(name, asyncio.Lock()):
                path = await self._undisturbed(self._place, incoming, event)
        return Archived(sha256=incoming.sha256, size=incoming.size, path=path, event=event, reason=reason)

    async def _placed_among_others(self, incoming: Incoming, event: Event) -> str | None:
        """The same for one of many small bodies, without a thread: what all of them wait for is flushed at once.

        None when somebody has to look closer, because something of this conversation is there already.
        """
        flusher = self._shared_flusher()
        if flusher is None or event.conversation_id in self._places:
            return None
        incoming.spill()
        folder = f"{self.root}/{event.conversation_id}"
        path = self._names(incoming.sha256, event)[0]
        opened = -1

        def move() -> tuple[int, int] | None:
            """Once the body is flushed: its place, and the folders that have to be flushed for it."""
            nonlocal opened
            if event.conversation_id in self._places or not _make_folder(folder):
                return None
            os.rename(incoming.path, f"{self.root}/{path}")
            incoming.moved = True
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            return opened, self._root

        try:
            await flusher.flush(incoming.descriptor, then=move)
        except BaseException as error:
            self.stray |= incoming.moved
            if isinstance(error, OSError):
                raise _of_the_disk(error) from error
            raise
        finally:
            if opened >= 0:
                os.close(opened)
        return path if incoming.moved else None

    def _shared_flusher(self) -> Flusher | None:
        """What flushes for everybody, made when it is first needed; None where the kernel does not offer it."""
        if self._flusher is None and self._flushes:
            try:
                self._root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                self._flusher = Flusher(self._root)
            except OSError as error:
                log.info("every body is flushed by a thread of its own: %s", error)
                self._flushes = False
                self.close()
        return self._flusher

    def close(self) -> None:
        """Give back what was opened for everybody; nothing is kept at the moment."""
        if self._flusher is not None:
            self._flusher.close()
            self._flusher = None
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def _place(self, incoming: Incoming, event: Event | None) -> str:
        incoming.flush()
        with disk_errors():
            for path in self._names(incoming.sha256, event):
                full = self.root / path
                if _make_folder(full.parent) or not full.exists():
                    os.rename(incoming.path, full)
                    incoming.moved = True
                elif _sha256(full) != incoming.sha256:
                    continue
                self._sync(full)
                return path
        raise StorageFailed(f"two bodies claim the digest {incoming.sha256}")

    def _sync(self, path: Path) -> None:
        """Make a name durable in its folder, also one that was found: who gave it may have died before this."""
        _sync_directory(path.parent)

    def _sync_root(self) -> None:
        """Make the folders durable that were made for new names."""
        with disk_errors():
            _sync_directory(self.root)

    async def _undisturbed(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` in a thread; a cancelled caller leaves only when it is through with the files."""
        running = self._threads.run(partial(function, *args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self.stray = True
            await asyncio.wait((running,))
            raise

    def _names(self, sha256: str, event: Event | None) -> tuple[str, ...]:
        if event is None:
            return (f"{HELD}/{sha256}.json",)
        suffix = _SUFFIX.get(event.type)
        if suffix is None:
            fits = is_conversation_id(event.type) and len(event.type) <= 64  # a file name has 255 bytes
            suffix = event.type if fits else "event"
        stem = f"{event.conversation_id}/{event.conversation_id}_{suffix}"
        return f"{stem}.json", f"{stem}.{sha256[:32]}.json"

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
        with self._of_our_own() as incoming:
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

    async def let_go(self, conversation: str, paths: Iterable[str]) -> None:
        """Remove files of a conversation, and its folder when nothing else is in it; gone already is fine."""
        async with self._places.setdefault(conversation, asyncio.Lock()):
            await self._undisturbed(self._let_go, conversation, tuple(paths))

    def _let_go(self, conversation: str, paths: tuple[str, ...]) -> None:
        with disk_errors():
            for path in paths:
                (self.root / path).unlink(missing_ok=True)
            try:
                (self.root / conversation).rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                    raise

    def remove_conversations(self, conversations: Iterable[str]) -> int:
        """Remove everything that is archived of these conversations; how many files. Gone already is fine."""
        count = 0
        with disk_errors():
            for conversation in conversations:
                folder = self.root / conversation
                if not is_conversation_id(conversation) or not folder.is_dir():
                    continue
                for file in sorted(folder.iterdir()):
                    file.unlink()
                    count += 1
                folder.rmdir()
            _sync_directory(self.root)
        return count

    def held_naming(self, names: re.Pattern[bytes]) -> list[str]:
        """The digests of held bodies in which one of the names stands."""
        found = []
        with disk_errors():
            for file in sorted((self.root / HELD).glob("*.json")):
                with suppress(FileNotFoundError):
                    if names.search(file.read_bytes()):
                        found.append(file.stem)
        return found

    def remove_held(self, digests: Iterable[str]) -> None:
        """Remove held bodies; gone already is fine."""
        with disk_errors():
            for digest in digests:
                (self.root / HELD / f"{digest}.json").unlink(missing_ok=True)
            if (self.root / HELD).is_dir():
                _sync_directory(self.root / HELD)

    def bodies(self, size: int = 256, *, since: float = 0.0) -> Generator[list[str], None, None]:
        """The paths of archived bodies in slices of about `size`, for whoever looks for missing rows.

        Folders that have not changed `since` then (unix seconds) are passed over; there is a slice for
        every few hundred folders, even if it is empty, so that the caller can give way to others.
        """
        found: list[str] = []
        with disk_errors(), os.scandir(self.root) as folders:
            for number, folder in enumerate(folders, start=1):
                self.looked_at += 1
                if number % FOLDERS == 0:
                    yield found
                    found = []
                if not folder.is_dir(follow_symlinks=False):
                    continue
                if since and folder.stat(follow_symlinks=False).st_ctime < since:
                    continue
                with os.scandir(folder.path) as files:
                    for file in files:
                        if file.name.endswith(".json") and file.is_file(follow_symlinks=False):
                            found.append(f"{folder.name}/{file.name}")
                        if len(found) >= size:
                            yield found
                            found = []
        if found:
            yield found

    def placed_at(self, path: str) -> float:
        """When a body came to its place, in unix seconds of the file system."""
        with disk_errors():
            return (self.root / path).stat().st_ctime

    def adopt(self, path: str) -> Archived:
        """Describe a body that is in its place already, for a row that was never committed."""
        full = self.root / path
        with disk_errors():
            self._sync(full)
            self._sync_root()
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
    except Unreadable as error:
        return None, str(error)[:500]
    return understood(body)


def understood(body: bytes) -> tuple[Event | None, str]:
    """The event in a body that is held whole, without what was said, or None and the reason."""
    try:
        return parse_event(body, whole=False), ""
    except Unreadable as error:
        return None, str(error)[:500]


_Outcome: TypeAlias = tuple[asyncio.Future[Any], Any, BaseException | None]


class _Threads:
    """Threads that wait for the disk side by side, and one that ends what they did with a step they share.

    `last` runs once for all who were done before it began, and they are handed to the event loop
    together: one flush and one wake for many bodies. When it fails, all of them have failed.
    """

    def __init__(self, most: int, last: Callable[[], None]) -> None:
        self._most = most
        self._last = last
        self._started = 0
        self._open = 0  # functions that were not handed over yet; only the loop counts
        self._work: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]]] = SimpleQueue()
        self._done: SimpleQueue[_Outcome] = SimpleQueue()

    def run(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` and then the last step; the future is the running loop's."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._work.put((function, future))
        self._open += 1
        if not self._started:
            threading.Thread(target=self._end, name="archive-last", daemon=True).start()
        if self._started < min(self._open, self._most):
            self._started += 1
            threading.Thread(target=self._serve, name=f"archive-{self._started}", daemon=True).start()
        return future

    def _serve(self) -> None:
        while True:
            function, future = self._work.get()
            try:
                self._done.put((future, function(), None))
            except BaseException as error:  # noqa: BLE001 - it belongs to who waits for the future
                self._done.put((future, None, error))
            del function, future  # they hold a body

    def _end(self) -> None:
        while True:
            batch = [self._done.get()]
            while not self._done.empty():
                batch.append(self._done.get())  # nobody else takes from this queue
            failure: BaseException | None = None
            if any(error is None for _, _, error in batch):
                try:
                    self._last()
                except BaseException as error:  # noqa: BLE001 - as above
                    failure = error
            settled = [(future, result, error or failure) for future, result, error in batch]
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                settled[0][0].get_loop().call_soon_threadsafe(self._hand_over, settled)
            del batch, settled

    def _hand_over(self, settled: list[_Outcome]) -> None:
        for future, result, error in settled:
            self._open -= 1
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn an OSError of the disk into our error: an I/O error is fatal, a full disk may pass."""
    try:
        yield
    except OSError as error:
        raise _of_the_disk(error) from error


def _of_the_disk(error: OSError) -> StorageUnavailable | StorageFailed:
    if error.errno == errno.EIO:
        return StorageFailed("the disk failed (input/output error)")
    return StorageUnavailable(f"the disk cannot take it ({os.strerror(error.errno or 0)})")


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


def _make_folder(path: Path | str) -> bool:
    """Make a folder; False if there is one already."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return False
    return True


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
