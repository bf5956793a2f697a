"""Disks that fail, fill up, are taken away or are slow: nobody is told what is not true, and it passes by itself."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path

import aiohttp
import pytest
from attrs import evolve
from conftest import Answer, call, started, varied
from fragile import Fragile, fragile_disk
from sweep import attempt, sent, survives
from victim import can_trace, ended, traced, victim
from wire import line

from elaaoms.config import Config, Limits, Server, Storage
from elaaoms.webhooks import sign

needs_strace = pytest.mark.skipif(not can_trace(), reason="strace is missing or may not attach")

# How a system call fails. `when` counts in each thread; "+" goes on failing.
FAULTS = [
    ("fsync", "EIO", "1"),
    ("fsync", "EIO", "2"),
    ("fsync", "EIO", "3+"),
    ("fdatasync", "EIO", "1"),
    ("fdatasync", "EIO", "3"),
    ("pwrite64", "EIO", "2"),
    ("write", "ENOSPC", "2+"),
    ("rename", "EIO", "1"),
    ("rename", "ENOSPC", "1+"),
    ("fsync", "ENOSPC", "1+"),
    ("pwrite64", "ENOSPC", "1+"),
    ("openat", "EMFILE", "1+"),
]


CROWD_FAULTS = [
    ("io_submit", "EIO", "1"),
    ("io_submit", "ENOSPC", "2"),
    ("io_submit", "EAGAIN", "1+"),
    ("rename", "EIO", "3"),
    ("rename", "ENOSPC", "2+"),
    ("mkdir", "ENOSPC", "4"),
    ("openat", "EMFILE", "5+"),
    ("pwrite64", "ENOSPC", "1+"),
    ("fdatasync", "EIO", "1"),
]


# -- the order --------------------------------------------------------------------------


@needs_strace
async def test_the_kernel_sees_flush_rename_flush_commit_and_only_then_the_answer(config: Config) -> None:
    watched = "trace=openat,write,fsync,fdatasync,rename,sendto,unlink"
    async with victim(config) as (platform, process):
        await attempt(platform, 0)
        await platform.processed("conv_0")
        with traced(process, "-e", watched) as seen:
            answer = await sent(platform, 1)
            assert answer.status == 200
            await platform.processed("conv_1")
            lines = seen().splitlines()
    calls = [re.sub(r"^\d+\s+", "", line) for line in lines]

    def first(pattern: str, after: int = -1) -> int:
        for index, seen_call in enumerate(calls):
            if index > after and re.search(pattern, seen_call):
                return index
        raise AssertionError(f"{pattern} is not there after line {after}:\n" + "\n".join(calls))

    opened = first(r"openat\(.*incoming/\d+\.part.*O_EXCL")
    written = first(r"write\(\d+<.*\.part>", opened)
    flushed = first(r"fsync\(\d+<.*\.part>\)", written)
    renamed = first(r"rename\(.*\.part.*conv_1/conv_1_transcription\.json", flushed)
    folder = first(r"fsync\(\d+<.*payloads/conv_1>\)", renamed)
    parent = first(r"fsync\(\d+<.*payloads>\)", folder)
    committed = first(r"fdatasync\(\d+<.*elaaoms\.db-wal>\)", parent)
    answered = first(r"sendto\(.*HTTP/1\.1 200 OK")
    assert opened < written < flushed < renamed < folder < parent < committed < answered


@needs_strace
async def test_of_a_crowd_everybody_is_flushed_renamed_flushed_and_committed_before_the_answer(
    config: Config,
) -> None:
    """The kernel flushes the bodies of many at once (`io_submit`), and each of them in the same order."""
    watched = "trace=openat,fsync,fdatasync,rename,sendto,io_submit"
    async with victim(config) as (platform, process):
        await attempt(platform, 0)
        await platform.processed("conv_0")
        with traced(process, "-s", "4096", "-e", watched) as seen:
            answers = await asyncio.gather(*(sent(platform, number) for number in range(1, 31)))
            assert {answer.status for answer in answers} == {200}
            lines = [re.sub(r"^\d+\s+", "", line) for line in seen().splitlines()]
    if not any(line.startswith("io_submit(") for line in lines):
        pytest.skip("the kernel does not flush for us here")

    def where(pattern: str, after: int = -1) -> int:
        found = (n for n, line in enumerate(lines) if n > after and re.search(pattern, line))
        return next(found, -1)

    flush = r"(fsync\(\d+|io_submit\(.*IOCB_CMD_FSYNC.*aio_fildes=\d+)"
    together = 0
    for number in range(1, 31):
        name = f"conv_{number}"
        renamed = where(rf"rename\(.*\.part.*/{name}/{name}_transcription\.json")
        part = re.search(r"incoming/\d+\.part", lines[renamed])
        assert part is not None
        flushed = where(rf"{flush}<[^>]*{part[0]}>")
        folder = where(rf"{flush}<[^>]*payloads/{name}>", renamed)
        parent = where(rf"{flush}<[^>]*payloads>", renamed)
        committed = where(r"fdatasync\(\d+<.*elaaoms\.db-wal>", max(folder, parent))
        done = where(r"fdatasync.*= 0", committed - 1)  # in this line, or where it was resumed
        answered = where(rf"sendto\(.*200 OK.*{name}\\?\"")
        assert -1 < flushed < renamed < folder
        assert renamed < parent
        assert max(folder, parent) < committed <= done < answered
        together += lines[flushed].startswith("io_submit")
    assert together > 15


@needs_strace
@pytest.mark.parametrize(("system_call", "error", "when"), CROWD_FAULTS)
async def test_a_disk_that_fails_a_crowd_tells_nobody_200_in_vain(
    config: Config, system_call: str, error: str, when: str
) -> None:
    await survives(config, system_call, error, when, crowd=True)


@needs_strace
@pytest.mark.parametrize(("system_call", "error", "when"), FAULTS)
async def test_a_disk_that_fails_is_never_answered_200_in_vain(
    config: Config, system_call: str, error: str, when: str
) -> None:
    await survives(config, system_call, error, when)


@needs_strace
async def test_a_slow_disk_slows_acknowledgements_and_not_the_callers(config: Config) -> None:
    async with victim(config) as (platform, process):
        await platform.takes(call("My name is Robin Baker."))
        with traced(
            process, "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:delay_enter=200000"
        ):
            sending = asyncio.create_task(sent(platform, 1))
            for _ in range(20):
                begun = time.monotonic()
                assert (await platform.initiation()).variables["caller_known"] is True
                assert (await platform.search("name")).status == 200
                assert time.monotonic() - begun < 1
            answer = await sending
        assert answer.status == 200


# -- full, read-only, no descriptors --------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:  # noqa: S603
        pytest.skip("a tmpfs may not be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S603, S607


def on(folder: Path) -> Config:
    return Config(
        data_dir=str(folder / "data"),
        server=Server(port=0, admin_port=0),
        storage=Storage(min_free_mb=0, audio_min_free_mb=0),
    )


async def test_a_full_disk_is_503_unhealthy_and_passes(small: Path) -> None:
    async with started(on(small)) as platform:
        assert (await sent(platform, 1)).status == 200
        with (small / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(4096))
        answer = await sent(platform, 2)
        assert answer.status == 503
        assert answer.headers["Retry-After"]
        health = await platform.request("GET", f"{platform.url}/health")
        assert (health.status, health.data["dependencies"]["storage"]["status"]) == (503, "down")
        assert (await platform.initiation()).status == 200
        assert not list((small / "data" / "incoming").iterdir())
        (small / "ballast").unlink()
        assert (await sent(platform, 2)).status == 200
        await platform.processed("conv_1")
        await platform.processed("conv_2")
        health = await platform.request("GET", f"{platform.url}/health")
        assert health.data["dependencies"]["storage"]["status"] == "ok"


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Fragile]:
    with fragile_disk(tmp_path) as disk:
        yield disk


async def test_a_disk_that_turns_read_only_is_never_answered_200_and_keeps_what_was(
    fragile: Fragile,
) -> None:
    async with victim(on(fragile.folder)) as (platform, process):
        for number in range(3):
            answer = await attempt(platform, number)
            assert answer is not None
            assert answer.status == 200
        fragile.turn_read_only()
        later = await asyncio.gather(*(attempt(platform, number) for number in range(10, 15)))
        assert all(answer is None or answer.status == 503 for answer in later)
        if process.is_alive():
            with suppress(aiohttp.ClientError, ConnectionError):
                health = await platform.request("GET", f"{platform.url}/health")
                assert health.status == 503
        else:
            assert process.exitcode == 74
    fragile.mend()
    async with started(on(fragile.folder)) as platform:
        for number in range(3):
            await platform.processed(f"conv_{number}")
        assert (await sent(platform, 10)).status == 200


async def until_cut(fragile: Fragile, point: str) -> tuple[set[int], int]:
    """Calls come from eight senders until the power goes; whose were acknowledged, and how many came in all."""
    told: set[int] = set()
    numbers = iter(range(1, 10_000))
    cut = asyncio.Event()
    async with victim(on(fragile.folder), point) as (platform, process):

        async def sender() -> None:
            for number in numbers:
                if cut.is_set():
                    return
                answer = await attempt(platform, number)
                if answer is None or answer.status != 200:
                    return
                if (
                    not cut.is_set()
                ):  # an answer that comes later was made when nothing reached the disk any more
                    told.add(number)

        senders = [asyncio.create_task(sender()) for _ in range(8)]
        deadline = time.monotonic() + 20
        while len(told) < 60 and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        cut.set()
        fragile.cut_power()
        process.kill()
        await asyncio.gather(*senders)
        await ended(process)
    fragile.mend()
    assert len(told) >= 60
    return told, next(numbers)


@pytest.mark.parametrize("round_", range(3))
async def test_a_power_cut_loses_nothing_that_was_acknowledged(fragile: Fragile, round_: int) -> None:
    told, _ = await until_cut(fragile, "")
    async with started(on(fragile.folder)) as platform:
        for number in told:
            assert (await platform.processed(f"conv_{number}"))["extraction_status"] == "completed"
        for content in platform.files().values():
            json.loads(content)


async def test_without_flushes_a_power_cut_loses_calls(fragile: Fragile) -> None:
    """That the test above can fail."""
    told, _ = await until_cut(fragile, "without flushes")
    found = {path.name for path in fragile.folder.glob("data/payloads/*/*.json") if path.stat().st_size}
    assert {f"conv_{number}_transcription.json" for number in told} - found


async def test_running_out_of_descriptors_is_503_and_passes(config: Config) -> None:
    async with victim(config, files=200) as (platform, _):
        head = b"POST /webhook/post-call HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        signature = sign(platform.webhook_secret, b"", now=time.time()).encode()
        head += b"Content-Length: 5\r\nElevenLabs-Signature: " + signature + b"\r\n\r\n"
        async with AsyncExitStack() as stack:
            answer = b""
            for number in range(90):  # of the 200 files less than half are for connections
                reader, writer = await stack.enter_async_context(line(platform))
                writer.write(head)
                if number < 50:
                    continue
                # Who has not asked anything yet when the house is full goes without an answer.
                with suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
                    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 1)
                    break
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After" in answer
        deadline = time.monotonic() + 5
        while (answered := await attempt(platform, 1)) is None or answered.status != 200:
            assert time.monotonic() < deadline


async def test_a_locked_database_is_unhealthy_while_calls_go_on_and_passes(config: Config) -> None:
    async with started(config) as platform:
        with closing(sqlite3.connect(config.data / "elaaoms.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            sending = asyncio.create_task(sent(platform, 1))
            health = await platform.request("GET", f"{platform.url}/health")
            assert (health.status, health.data["dependencies"]["database"]["status"]) == (503, "down")
            answer = await sending
            assert (answer.status, answer.data["job_id"]) == (200, None)
            other.execute("ROLLBACK")
        await platform.until("/api/calls", lambda data: len(data["calls"]) == 1)
        await platform.processed("conv_1")
        assert (await platform.request("GET", f"{platform.url}/health")).data["status"] == "healthy"


# -- room ------------------------------------------------------------------------------------


async def test_bodies_that_are_not_verified_yet_share_a_bounded_room(config: Config) -> None:
    config = evolve(config, limits=Limits(bodies=2, bodies_mb=1))
    async with started(config) as platform:
        release = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"{"
            await release.wait()
            yield b"}"

        async def large() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield b" " * 65_536

        def post(body: object) -> asyncio.Task[Answer]:
            signature = sign(platform.webhook_secret, b"{}", now=time.time())
            return asyncio.create_task(
                platform.request(
                    "POST",
                    f"{platform.url}/webhook/post-call",
                    body,
                    Content_Type="application/json",
                    ElevenLabs_Signature=signature,
                )
            )

        too_large = await post(large())
        assert (too_large.status, too_large.headers["Retry-After"]) == (503, "5")
        waiting = [post(slow()) for _ in range(2)]
        await asyncio.sleep(0.1)
        refused = await sent(platform, 1)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        release.set()
        assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}  # held: an empty object
        assert (await sent(platform, 1)).status == 200


def memory_mb(pid: int | None) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


async def test_ten_recordings_at_once_cost_less_than_sixteen_megabytes_of_memory(config: Config) -> None:
    """With ELAAOMS_RECORDING_MB=50 it takes ten seconds and costs no more."""
    piece = b"//uQxAAAAAAA" * 4096  # base64 of an MPEG frame
    count = int(os.environ.get("ELAAOMS_RECORDING_MB", "12")) * 1024 * 1024 // len(piece)

    def pieces(number: int) -> Iterator[bytes]:
        event = varied("audio", conversation_id=f"conv_{number}")
        event["data"]["full_audio"] = "HERE"
        before, _, after = json.dumps(event).encode().partition(b"HERE")
        yield before
        for _ in range(count):
            yield piece
        yield after

    moment = str(int(time.time()))
    async with victim(config) as (platform, process):
        await platform.takes(call("I live in Leeds."))
        await platform.send({**varied("audio"), "event_timestamp": 1})

        async def send(number: int) -> int:
            mac = hmac.new(platform.webhook_secret.encode(), f"{moment}.".encode(), hashlib.sha256)
            for part in pieces(number):
                mac.update(part)

            async def body() -> AsyncIterator[bytes]:
                for part in pieces(number):
                    yield part

            answer = await platform.request(
                "POST",
                f"{platform.url}/webhook/post-call",
                body(),
                Content_Type="application/json",
                ElevenLabs_Signature=f"t={moment},v0={mac.hexdigest()}",
            )
            return answer.status

        before = peak = memory_mb(process.pid)
        sending = [asyncio.create_task(send(number)) for number in range(10)]
        while not all(task.done() for task in sending):
            await asyncio.sleep(0.05)
            peak = max(peak, memory_mb(process.pid))
        assert {task.result() for task in sending} == {200}
        print(f"RSS {before:.1f} MiB before, {peak:.1f} at most")
        assert peak - before < 16
