"""Many files are flushed at once, and each of them is told the truth about its own."""

from __future__ import annotations

import asyncio
import errno
import os
import platform
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from elaaoms.archive import Archive
from elaaoms.flush import MOST, Flusher
from tests.test_archive import body, files, keep


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture
async def flusher(tmp_path: Path) -> AsyncIterator[Flusher]:
    with opened(tmp_path) as folder:
        try:
            flusher = Flusher(folder)
        except OSError as error:
            pytest.skip(f"the kernel does not offer it here: {error}")
    yield flusher
    flusher.close()


async def test_more_files_than_the_kernel_takes_at_once_are_all_flushed(
    flusher: Flusher, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        wanted = [
            stack.enter_context(opened(tmp_path / str(number), os.O_CREAT | os.O_WRONLY))
            for number in range(MOST + 10)
        ]
        for descriptor in wanted:
            os.write(descriptor, b"something")
        await asyncio.wait_for(asyncio.gather(*(flusher.flush(one) for one in wanted)), 20)


async def test_a_file_that_cannot_be_flushed_fails_alone(flusher: Flusher, tmp_path: Path) -> None:
    reading, writing = os.pipe()  # a pipe has nothing to flush, and the kernel says so
    with opened(tmp_path / "file", os.O_CREAT | os.O_WRONLY) as good:
        outcomes = await asyncio.wait_for(
            asyncio.gather(*map(flusher.flush, (good, writing, good, 10_000)), return_exceptions=True), 20
        )
    os.close(reading)
    os.close(writing)
    assert [getattr(outcome, "errno", outcome) for outcome in outcomes] == [
        None,
        errno.EINVAL,
        None,
        errno.EBADF,
    ]


async def test_what_follows_is_flushed_before_anybody_is_told(flusher: Flusher, tmp_path: Path) -> None:
    told = []
    with opened(tmp_path / "file", os.O_CREAT | os.O_WRONLY) as file, opened(tmp_path) as folder:

        def then() -> tuple[int, int]:
            told.append("then")
            return folder, folder

        def refuse() -> None:
            raise OSError(errno.ENOSPC, "no space")

        both = flusher.flush(file, then=then), flusher.flush(file, then=refuse)
        outcomes = await asyncio.wait_for(asyncio.gather(*both, return_exceptions=True), 20)
        assert told == ["then"]
        assert [getattr(outcome, "errno", outcome) for outcome in outcomes] == [None, errno.ENOSPC]
        reading, writing = os.pipe()
        try:
            with pytest.raises(OSError, match="Invalid argument"):  # the one that all of them share
                await asyncio.wait_for(flusher.flush(file, then=lambda: (folder, writing)), 20)
        finally:
            os.close(reading)
            os.close(writing)


async def test_who_is_cancelled_leaves_when_the_flush_is_done(flusher: Flusher, tmp_path: Path) -> None:
    done = []
    with opened(tmp_path / "file", os.O_CREAT | os.O_WRONLY) as file:

        async def waits() -> None:
            waiting = flusher.flush(file)
            try:
                await waiting
            finally:
                done.append(waiting.done())

        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait_for(asyncio.wait((task,)), 20)
        assert task.cancelled()
    assert done == [True]


async def test_without_the_kernels_help_threads_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "a machine that nobody has heard of")
    archive = Archive(tmp_path / "data" / "payloads", reserve=0)
    archive.prepare()
    contents = [body(f"conv_{number}") for number in range(20)]
    kept = await asyncio.gather(*(keep(archive, content) for content in contents))
    assert [archive.read(archived.path) for archived in kept] == contents
    assert len(files(archive)) == 20
