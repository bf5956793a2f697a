"""A body is in its place whole, byte for byte and once, or it is not there at all."""

# ruff: noqa: ASYNC240, S311 - small files on a local disk, and chance that has to be repeatable

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import resource
import stat
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elaaoms.archive import HELD_BACK, SMALL, WHOLE, Archive, Archived, Incoming, Room, _Threads
from elaaoms.errors import Conflicting, StorageUnavailable
from elaaoms.webhooks import AUDIO, FAILURE, TRANSCRIPTION, Event, parse_event

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "data" / "payloads", reserve=0)
    archive.prepare()
    return archive


def body(conversation_id: str = "conv_1", kind: str = TRANSCRIPTION, **data: Any) -> bytes:
    return json.dumps({"type": kind, "data": {"conversation_id": conversation_id, **data}}).encode()


def anything(event: Event, size: int) -> None:
    """The check that refuses nothing."""


async def keep(
    archive: Archive, content: bytes, check: Callable[[Event, int], None] = anything, *, piece: int = 1 << 16
) -> Archived:
    """Receive a body piece by piece and keep it."""
    with archive.receive() as incoming:
        for start in range(0, len(content), piece):
            incoming.write(content[start : start + piece])
        return await archive.keep(incoming, check)


def files(archive: Archive) -> dict[str, bytes]:
    """Everything below the data directory, by path."""
    data = archive.root.parent
    return {
        str(path.relative_to(data)): path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()
    }


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """A disk that takes no more: the kernel refuses to make any file of this process longer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# -- names ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (TRANSCRIPTION, "conv_1_transcription.json"),
        (AUDIO, "conv_1_audio.json"),
        (FAILURE, "conv_1_failure.json"),
        ("agent_health_alert", "conv_1_agent_health_alert.json"),
        ("../../etc/passwd", "conv_1_event.json"),
        ("a type with spaces", "conv_1_event.json"),
        (".", "conv_1_event.json"),
    ],
)
async def test_a_body_has_the_name_of_its_conversation_and_type(
    archive: Archive, kind: str, name: str
) -> None:
    content = body(kind=kind)
    archived = await keep(archive, content)
    assert archived.path == f"conv_1/{name}"
    assert files(archive) == {f"payloads/conv_1/{name}": content}
    assert (archived.sha256, archived.size, archived.reason) == (digest(content), len(content), "")
    assert archived.event is not None
    assert (archived.event.type, archived.event.conversation_id) == (kind, "conv_1")


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
async def test_every_sample_is_kept_byte_for_byte(archive: Archive, path: Path) -> None:
    content = path.read_bytes()
    archived = await keep(archive, content, piece=1000)
    assert archived.event is not None
    assert files(archive) == {f"payloads/{archived.path}": content}
    assert archive.read(archived.path) == content
    assert b"".join(archive.open(archived.path)) == content


async def test_the_longest_names_fit_a_file_system(archive: Archive) -> None:
    for size in (1, 64, 65, 120, 128, 200):
        content = body("c" * 128, "t" * size)
        assert archive.read((await keep(archive, content)).path) == content
        newer = body("c" * 128, "t" * size, version=2)
        assert archive.read((await keep(archive, newer)).path) == newer
    assert len(files(archive)) == 12


async def test_a_type_that_looks_like_one_of_ours_overwrites_nothing(archive: Archive) -> None:
    ours, theirs = body(), body(kind="transcription")
    paths = [(await keep(archive, content)).path for content in (ours, theirs)]
    assert paths == [
        "conv_1/conv_1_transcription.json",
        f"conv_1/conv_1_transcription.{digest(theirs)[:32]}.json",
    ]
    assert [archive.read(path) for path in paths] == [ours, theirs]


async def test_only_we_may_read_what_callers_said(archive: Archive) -> None:
    archived = await keep(archive, body())
    await keep(archive, b"not an event")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in archive.root.rglob("*") if path.is_file()}
    assert modes == {0o600}
    for folder in (
        archive.root,
        archive.incoming,
        archive.root / "held",
        (archive.root / archived.path).parent,
    ):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


# -- again, and another ------------------------------------------------------------------


async def test_the_same_body_again_is_the_same_file(archive: Archive) -> None:
    first = await keep(archive, body())
    before = (archive.root / first.path).stat().st_ino
    assert await keep(archive, body()) == first
    assert files(archive) == {f"payloads/{first.path}": body()}
    assert (archive.root / first.path).stat().st_ino == before


async def test_a_different_body_stands_beside_the_first(archive: Archive) -> None:
    first, second, third = body(), body(version=2), body(version=3)
    paths = [(await keep(archive, content)).path for content in (first, second, third, second, first)]
    assert paths[:3] == [
        "conv_1/conv_1_transcription.json",
        f"conv_1/conv_1_transcription.{digest(second)[:32]}.json",
        f"conv_1/conv_1_transcription.{digest(third)[:32]}.json",
    ]
    assert paths[3:] == [paths[1], paths[0]]
    assert [archive.read(path) for path in paths[:3]] == [first, second, third]
    assert len(files(archive)) == 3


async def test_fifty_identical_bodies_at_once_are_one_file(archive: Archive) -> None:
    kept = await asyncio.gather(*(keep(archive, body()) for _ in range(50)))
    assert len({archived.path for archived in kept}) == 1
    assert files(archive) == {"payloads/conv_1/conv_1_transcription.json": body()}


async def test_fifty_different_bodies_at_once_are_fifty_files(archive: Archive) -> None:
    contents = [body(version=number) for number in range(50)]
    kept = await asyncio.gather(*(keep(archive, content) for content in contents))
    assert {archived.path: archive.read(archived.path) for archived in kept} == {
        archived.path: content for archived, content in zip(kept, contents, strict=True)
    }
    assert len(files(archive)) == 50
    assert "payloads/conv_1/conv_1_transcription.json" in files(archive)


async def test_identical_and_different_bodies_mixed_leave_one_file_each(archive: Archive) -> None:
    contents = [body(f"conv_{number % 3}", version=number % 5) for number in range(60)] + [b"held"] * 10
    random.Random(1).shuffle(contents)
    kept = await asyncio.gather(*(keep(archive, content) for content in contents))
    for archived, content in zip(kept, contents, strict=True):
        assert archive.read(archived.path) == content
    assert sorted(files(archive).values()) == sorted(set(contents))


@pytest.mark.parametrize("seed", range(5))
async def test_a_cancelled_delivery_takes_no_other_with_it(archive: Archive, seed: int) -> None:
    chance = random.Random(seed)
    contents = [body(version=number % 20) for number in range(80)]
    tasks = [asyncio.create_task(keep(archive, content)) for content in contents]
    for _ in range(60):
        await asyncio.sleep(chance.choice((0, 0, 0.0005, 0.002)))
        chance.choice(tasks).cancel()
    kept = await asyncio.gather(*tasks, return_exceptions=True)
    whole = 0
    for archived, content in zip(kept, contents, strict=True):
        if isinstance(archived, Archived):
            assert archive.read(archived.path) == content
            whole += 1
        else:
            assert isinstance(archived, asyncio.CancelledError)
    assert 0 < whole < 80
    assert list(archive.incoming.iterdir()) == []
    assert set(files(archive).values()) <= set(contents)
    assert len(files(archive)) == len(set(files(archive).values()))
    assert (
        len({archived.path for archived in await asyncio.gather(*(keep(archive, c) for c in contents))}) == 20
    )


async def test_a_cancelled_delivery_is_through_with_its_file_when_it_leaves(archive: Archive) -> None:
    for number in range(60):
        with ThreadPoolExecutor() as threads:
            asyncio.get_running_loop().set_default_executor(threads)
            task = asyncio.create_task(keep(archive, body(f"conv_{number}")))
            for _ in range(number % 12):
                await asyncio.sleep(0.0001)
            task.cancel()
            await asyncio.wait((task,))
            left = sorted(archive.root.parent.rglob("*"))
        assert sorted(archive.root.parent.rglob("*")) == left  # no thread went on behind its back


# -- held -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"not JSON at all", "not JSON"),
        (b"[]", "expected an object @ $"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"type": "post_call_transcription"}', "expected an object @ $.data"),
        (body("../../escape"), "conversation_id"),
        (body("."), "conversation_id"),
        (body("c" * 129), "conversation_id"),
        (body("naïve"), "conversation_id"),
        (body(transcript="a string"), "transcript"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"type": "post_call_audio", "data": {"full_audio": "' + b"A" * (2 * WHOLE), "ends too early"),
        (b"x" * (2 * WHOLE), "expected an object @ $"),
    ],
    ids=range(13),
)
async def test_what_cannot_be_understood_is_held_with_the_reason(
    archive: Archive, content: bytes, reason: str
) -> None:
    def check(event: Event, size: int) -> None:
        raise AssertionError("there is no event to look at")

    archived = await keep(archive, content, check)
    assert archived.event is None
    assert archived.path == f"held/{digest(content)}.json"
    assert files(archive) == {f"payloads/{archived.path}": content}
    assert archived.reason
    assert len(archived.reason) <= 500
    assert reason in archived.reason


async def test_the_same_unreadable_body_is_held_once(archive: Archive) -> None:
    kept = await asyncio.gather(*(keep(archive, b"what?") for _ in range(20)))
    assert len(set(kept)) == 1
    assert files(archive) == {f"payloads/held/{digest(b'what?')}.json": b"what?"}


async def test_a_conversation_called_held_is_no_problem(archive: Archive) -> None:
    unreadable, readable = b"what?", body("held")
    named = body(digest(unreadable))
    kept = await asyncio.gather(*(keep(archive, content) for content in (unreadable, readable, named)))
    assert [archived.path for archived in kept] == [
        f"held/{digest(unreadable)}.json",
        "held/held_transcription.json",
        f"{digest(unreadable)}/{digest(unreadable)}_transcription.json",
    ]
    assert {path for paths in archive.bodies() for path in paths} == {archived.path for archived in kept}
    assert [archive.adopt(archived.path) for archived in kept] == kept


# -- refused and failed -----------------------------------------------------------------------


async def test_what_the_check_refuses_leaves_nothing(archive: Archive) -> None:
    seen = []

    def check(event: Event, size: int) -> None:
        seen.append((event.conversation_id, size))
        raise Conflicting("too large")

    with pytest.raises(Conflicting, match="too large"):
        await keep(archive, body(), check)
    assert seen == [("conv_1", len(body()))]
    assert files(archive) == {}
    assert not (archive.root / "conv_1").exists()


async def test_a_sender_who_goes_away_leaves_nothing(archive: Archive) -> None:
    with pytest.raises(ConnectionResetError), archive.receive() as incoming:  # noqa: PT012
        incoming.write(b"{" * SMALL)
        assert not list(archive.incoming.iterdir())
        incoming.write(b"{")
        assert len(list(archive.incoming.iterdir())) == 1
        raise ConnectionResetError
    assert files(archive) == {}


def test_the_reserve_is_not_eaten_into(tmp_path: Path, archive: Archive) -> None:
    free = archive.free_bytes()
    archive.check_space(0)
    with pytest.raises(StorageUnavailable, match="almost full"):
        archive.check_space(2 * free)
    with pytest.raises(StorageUnavailable, match="almost full"):
        Archive(archive.root, reserve=2 * free).check_space(0)
    with pytest.raises(StorageUnavailable):
        Archive(tmp_path / "missing", reserve=0).free_bytes()


async def test_a_disk_that_fills_up_while_a_body_arrives_keeps_no_part_of_it(archive: Archive) -> None:
    content = body(text="x" * 100_000)
    with no_file_grows_beyond(50_000), pytest.raises(StorageUnavailable, match="File too large"):
        await keep(archive, content)
    assert files(archive) == {}
    assert archive.read((await keep(archive, content)).path) == content


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_storage_unavailable(tmp_path: Path) -> None:
    full = str(tmp_path / "never there"), os.open("/dev/full", os.O_WRONLY)
    incoming = Incoming(lambda: full, Room(), 0)
    try:
        incoming.write(b"what is held needs no disk")
        with pytest.raises(StorageUnavailable, match="No space left"):
            incoming.write(b"x" * SMALL)
    finally:
        incoming.close()


async def test_small_bodies_are_held_within_bounds_and_others_go_to_the_disk(archive: Archive) -> None:
    held = 0
    with ExitStack() as stack:
        for _ in range(HELD_BACK // SMALL + 10):
            incoming = stack.enter_context(archive.receive())
            incoming.write(b"x" * SMALL)
            held += incoming.whole is not None
        assert held == HELD_BACK // SMALL
        assert len(list(archive.incoming.iterdir())) == 10
    with archive.receive() as incoming:  # what they took is given back
        incoming.write(b"x" * SMALL)
        assert incoming.whole == b"x" * SMALL
    assert not list(archive.incoming.iterdir())


async def test_a_place_that_is_taken_by_something_else_is_storage_unavailable(archive: Archive) -> None:
    (archive.root / "conv_1").write_text("not a folder")
    with pytest.raises(StorageUnavailable):
        await keep(archive, body())
    assert files(archive) == {"payloads/conv_1": b"not a folder"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_may_not_be_written_is_storage_unavailable(archive: Archive) -> None:
    for folder in (archive.root, archive.incoming):
        folder.chmod(0o500)
        try:
            with pytest.raises(StorageUnavailable, match="Permission denied"):
                await keep(archive, body())
        finally:
            folder.chmod(0o700)
        assert files(archive) == {}


def test_a_data_directory_that_cannot_be_made_is_storage_unavailable(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(StorageUnavailable):
        Archive(tmp_path / "data" / "payloads", reserve=0).prepare()


async def test_a_body_that_is_gone_is_storage_unavailable(archive: Archive) -> None:
    for look in (archive.read, archive.adopt, lambda path: list(archive.open(path))):
        with pytest.raises(StorageUnavailable, match="No such file"):
            look("conv_1/conv_1_transcription.json")


# -- large bodies --------------------------------------------------------------------------------


async def test_large_audio_is_described_without_being_held_in_memory(archive: Archive) -> None:
    content = body(kind=AUDIO, full_audio="QUJD" * (4 << 20), agent_id="agent_1")
    with archive.receive() as incoming:
        incoming.write(content)
        tracemalloc.start()
        try:
            archived = await archive.keep(incoming, anything)
            assert archive.adopt(archived.path) == archived
            assert sum(map(len, archive.open(archived.path))) == len(content)
            assert tracemalloc.get_traced_memory()[1] < 2 << 20
        finally:
            tracemalloc.stop()
    assert len(content) > 16 << 20
    assert archived.event == Event(type=AUDIO, conversation_id="conv_1", agent_id="agent_1")
    assert (archived.path, archived.sha256) == ("conv_1/conv_1_audio.json", digest(content))


async def test_a_large_transcript_is_parsed_whole(archive: Archive) -> None:
    turns = [{"role": "user", "message": f"line {number} " + "x" * 1000} for number in range(2000)]
    content = body(transcript=turns)
    assert len(content) > WHOLE
    archived = await keep(archive, content)
    assert archived.event is not None
    assert archived.event.conversation is not None
    assert archived.event == parse_event(content, whole=False)
    assert archive.adopt(archived.path) == archived


@given(extra=st.integers(-2, 2))
@settings(max_examples=5, deadline=None)
def test_the_limit_of_what_is_read_whole_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, extra: int
) -> None:
    archive = Archive(tmp_path_factory.mktemp("limit") / "payloads", reserve=0)
    archive.prepare()
    empty = body(kind=AUDIO, full_audio="")
    content = body(kind=AUDIO, full_audio="A" * (WHOLE + extra - len(empty)))
    assert len(content) == WHOLE + extra
    archived = asyncio.run(keep(archive, content))
    assert archived.event == Event(type=AUDIO, conversation_id="conv_1")


# -- after a crash ---------------------------------------------------------------------------------


async def test_half_written_bodies_are_swept_at_the_start(archive: Archive) -> None:
    archived = await keep(archive, body())
    for number in range(3):
        (archive.incoming / f"{number}.part").write_bytes(b"half a bod")
    archive.prepare()
    assert files(archive) == {f"payloads/{archived.path}": body()}


async def test_the_start_finds_every_body_and_describes_it_as_when_it_came(archive: Archive) -> None:
    contents = [body(), body(version=2), body("conv_2", AUDIO, full_audio="QQ=="), body("c", "new"), b"what?"]
    kept = {archived.path: archived for archived in [await keep(archive, content) for content in contents]}
    (archive.root / "conv_2" / "conv_2_audio.mp3").write_bytes(b"no body")
    (archive.root / "a file.json").write_text("{}")
    (archive.root / "conv_2" / "link.json").symlink_to(archive.root / "a file.json")
    found = [path for paths in archive.bodies(size=2) for path in paths]
    assert sorted(found) == sorted(kept)
    assert {path: archive.adopt(path) for path in found} == kept


async def test_a_body_whose_delivery_died_before_its_answer_is_found_by_the_next(archive: Archive) -> None:
    (archive.root / "conv_1").mkdir()  # as after a kill between the folder and the file
    first = await keep(archive, body())
    assert first.path == "conv_1/conv_1_transcription.json"
    again = Archive(archive.root, reserve=0)
    again.prepare()
    assert await keep(again, body()) == first


# -- derived files -----------------------------------------------------------------------------------


async def test_a_derived_file_appears_whole_or_not_at_all(archive: Archive) -> None:
    await keep(archive, body(kind=AUDIO, full_audio="QQ=="))
    with archive.replacing("conv_1/conv_1_audio.mp3") as file:
        file.write(b"one")
        assert not (archive.root / "conv_1" / "conv_1_audio.mp3").exists()
    with pytest.raises(Conflicting), archive.replacing("conv_1/conv_1_audio.mp3") as file:  # noqa: PT012
        file.write(b"half of anoth")
        raise Conflicting
    assert archive.read("conv_1/conv_1_audio.mp3") == b"one"
    assert list(archive.incoming.iterdir()) == []


async def test_removing_twice_is_fine(archive: Archive) -> None:
    archived = await keep(archive, body())
    archive.remove(archived.path)
    archive.remove(archived.path)
    assert files(archive) == {}


async def test_one_flush_serves_everybody_who_was_done_before_it_began() -> None:
    flushes: list[int] = []
    entered, leave = threading.Event(), threading.Event()

    def flush() -> None:
        flushes.append(1)
        entered.set()
        leave.wait(10)

    threads = _Threads(8, flush)
    first = threads.run(lambda: 0)
    await asyncio.to_thread(entered.wait, 10)
    done = threading.Barrier(9)
    others = [threads.run(lambda: done.wait(10)) for _ in range(8)]
    await asyncio.to_thread(done.wait, 10)
    while threads._done.qsize() < 8:  # noqa: ASYNC110 - nothing tells when a thread has put what it did
        await asyncio.sleep(0.001)
    assert not any(other.done() for other in others), "nobody is served by a flush that began before"
    leave.set()
    await asyncio.wait_for(asyncio.gather(first, *others), 10)
    assert len(flushes) == 2


async def test_a_flush_that_failed_serves_nobody() -> None:
    def flush() -> None:
        raise StorageUnavailable("no")

    threads = _Threads(2, flush)
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await threads.run(lambda: 0)


async def test_who_fails_fails_alone() -> None:
    def refuse() -> int:
        raise StorageUnavailable("no")

    threads = _Threads(4, lambda: None)
    outcomes = await asyncio.gather(
        *(threads.run(refuse if number % 3 == 0 else lambda: 1) for number in range(9)),
        return_exceptions=True,
    )
    assert [isinstance(outcome, StorageUnavailable) for outcome in outcomes] == [True, False, False] * 3
