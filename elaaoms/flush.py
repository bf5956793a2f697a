"""Flush many files at a time without a thread for each: the kernel's asynchronous I/O."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import platform
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Final, TypeAlias

from attrs import frozen

MOST: Final = 512  # files that are flushed at a time

# io_setup, io_destroy, io_submit, io_getevents: the C library has no functions for them.
_NUMBERS: Final = {"x86_64": (206, 207, 209, 208), "aarch64": (0, 1, 2, 4)}
_FSYNC: Final = 2  # IOCB_CMD_FSYNC, since Linux 4.18


class _Request(ctypes.Structure):
    """`struct iocb`, little-endian."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_int32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("descriptor", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64),
        ("count", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("tell", ctypes.c_uint32),
    )


class _Event(ctypes.Structure):
    """`struct io_event`; `result` is 0 or a negative error number."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("request", ctypes.c_uint64),
        ("result", ctypes.c_int64),
        ("second", ctypes.c_int64),
    )


class Settled(asyncio.Future[None]):
    """A future that who waits for it cannot cancel: they leave when it is done."""

    def cancel(self, msg: object = None) -> bool:
        """Not now; the task that waits is cancelled as soon as this is done."""
        return False


Then: TypeAlias = Callable[[], tuple[int, int] | None]  # what is to be flushed next, and for all of them


@frozen
class _Wanted:
    descriptor: int
    shared: int
    future: Settled
    then: Then | None


class Flusher:
    """`fsync` for files and directories by the kernel's own workers, side by side.

    What is asked for while others are flushed goes together when they are done: the more wait, the
    more share what a flush costs. Made in a running loop; OSError where the kernel, or a sandbox,
    does not offer it. The descriptors must stay open until the future is done; it raises OSError.
    """

    def __init__(self, probe: int) -> None:
        self._kernel = _Kernel()
        try:
            if code := self._kernel.flush([probe])[0]:
                raise OSError(code, os.strerror(code))
        except OSError:
            self._kernel.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._asked: list[_Wanted] = []
        self._work: SimpleQueue[list[_Wanted]] = SimpleQueue()
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)
        self._thread.start()

    def flush(self, descriptor: int, *, then: Then | None = None) -> Settled:
        """Put a file on the disk; `then` is called on the loop and may name what follows.

        It gives a descriptor, and one that is flushed once for all who name it at the same time. The
        future raises its OSError as well.
        """
        future = Settled(loop=self._loop)
        self._asked.append(_Wanted(descriptor, -1, future, then))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._hand_over)  # whoever else asks in this turn of the loop comes along
        return future

    def close(self) -> None:
        """Wait for what is under way and give everything back."""
        self._work.put([])
        self._thread.join()
        self._kernel.close()

    def _hand_over(self) -> None:
        batch, self._asked = self._asked[: MOST // 2], self._asked[MOST // 2 :]
        self._work.put(batch)

    def _run(self) -> None:
        while batch := self._work.get():
            shared = sorted({wanted.shared for wanted in batch if wanted.shared >= 0})
            codes = self._kernel.flush([*(wanted.descriptor for wanted in batch), *shared])
            of_shared = dict(zip(shared, codes[len(batch) :], strict=True))
            outcomes = [
                (wanted, code or of_shared.get(wanted.shared, 0))
                for wanted, code in zip(batch, codes, strict=False)
            ]
            self._loop.call_soon_threadsafe(self._settle, outcomes)

    def _settle(self, outcomes: Sequence[tuple[_Wanted, int]]) -> None:
        for wanted, code in outcomes:
            try:
                if code:
                    raise OSError(code, os.strerror(code))
                following = wanted.then() if wanted.then is not None else None
            except OSError as error:
                wanted.future.set_exception(error)
                continue
            if following is None:
                wanted.future.set_result(None)
            else:
                self._asked.append(_Wanted(*following, wanted.future, None))
        self._busy = bool(self._asked)
        if self._busy:
            self._loop.call_soon(self._hand_over)  # after those who were just told had their turn


class _Kernel:
    """Asynchronous I/O as the kernel offers it; one caller at a time."""

    def __init__(self) -> None:
        numbers = _NUMBERS.get(platform.machine())
        if numbers is None or ctypes.sizeof(ctypes.c_void_p) != 8:
            raise OSError("asynchronous I/O is not known on this machine")
        setup, self._destroy, self._submit, self._events = numbers
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self._context = ctypes.c_ulong(0)
        if self._call(setup, ctypes.c_long(MOST), ctypes.byref(self._context)) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self._requests = (_Request * MOST)()
        self._addresses = (ctypes.c_uint64 * MOST)()
        self._found = (_Event * MOST)()
        for number, request in enumerate(self._requests):
            request.opcode, request.data = _FSYNC, number
            self._addresses[number] = ctypes.addressof(request)

    def flush(self, descriptors: Sequence[int]) -> list[int]:
        """Flush up to MOST files and wait for all of them; 0 or the number of an error for each."""
        for number, descriptor in enumerate(descriptors):
            self._requests[number].descriptor = descriptor
        codes = [0] * len(descriptors)
        under_way, begun = 0, 0
        while begun < len(descriptors):
            first = ctypes.byref(self._addresses, 8 * begun)
            count = self._call(self._submit, self._context, ctypes.c_long(len(descriptors) - begun), first)
            if count > 0:
                under_way += count
                begun += count
            else:
                codes[begun] = ctypes.get_errno()
                begun += 1
        while under_way:
            least = ctypes.c_long(under_way)
            count = self._call(self._events, self._context, least, least, self._found, None)
            if count < 0 and ctypes.get_errno() != errno.EINTR:  # nobody will tell how they ended
                return [errno.EIO] * len(descriptors)
            for event in self._found[: max(count, 0)]:
                codes[event.data] = -event.result
            under_way -= max(count, 0)
        return codes

    def close(self) -> None:
        self._call(self._destroy, self._context)
