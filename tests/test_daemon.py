"""The daemon as a process: how it starts, refuses to start, stops, dies and comes back."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from conftest import ROBIN, Platform, call, connected, sample, started, varied

from elaaoms import config as settings
from elaaoms.cli import init
from elaaoms.config import Config

START_S = 20.0
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("ELAAOMS_") and name not in ("NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY")
}


# -- a process ------------------------------------------------------------------------


def install(folder: Path, **server: object) -> Path:
    """What `elaaoms init` writes, on free ports; the path of the configuration."""
    init.write(folder)
    path = folder / "elaaoms.toml"
    text = path.read_text()
    for name, value in {"port": 0, "admin_port": 0, **server}.items():
        text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
    path.write_text(text)
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "elaaoms", *map(str, arguments)]


def serve(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`elaaoms serve` that is expected to end by itself."""
    return subprocess.run(  # noqa: S603
        command("serve", "-c", path),
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


def is_one_sentence(text: str) -> bool:
    return text.startswith("Error: ") and text.count("\n") == 1 and "Traceback" not in text


@contextmanager
def process(path: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`elaaoms serve`, ended at the end whatever happens; what it logs goes into serve.log."""
    with (path.parent / "serve.log").open("a") as log:
        running = subprocess.Popen(  # noqa: S603
            command("serve", "-c", path),
            env=ENVIRONMENT | environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()
            running.communicate()


@asynccontextmanager
async def serving(
    path: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Platform, subprocess.Popen[str]]]:
    """A daemon that has said where it listens, and the platform before it."""
    async with AsyncExitStack() as stack:
        running = stack.enter_context(process(path, **(environment or {})))
        assert running.stdout is not None
        said = [await asyncio.wait_for(asyncio.to_thread(running.stdout.readline), START_S) for _ in "12"]
        urls = [
            re.fullmatch(rf"{word} on (http://127\.0\.0\.1:[1-9][0-9]*)\n", line)
            for word, line in zip(("listening", "admin"), said, strict=True)
        ]
        assert all(urls), (said, (path.parent / "serve.log").read_text())
        given = settings.load_secrets(path.parent, {})
        platform = await stack.enter_async_context(
            connected(
                *(url[1] for url in urls if url),
                settings.load(path).data,
                webhook_secret=given.webhook_secrets[0],
                tool_token=given.tool_token,
                admin_token=given.admin_token,
            )
        )
        yield platform, running


# -- starting and stopping ---------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_serves_and_ends_with_0_when_told(
    tmp_path: Path, number: signal.Signals
) -> None:
    path = install(tmp_path)
    async with serving(path) as (platform, running):
        health = await platform.request("GET", f"{platform.url}/health")
        assert health.data["status"] == "healthy"
        assert (await platform.request("GET", f"{platform.admin_url}/health")).status == 200
        await platform.takes(varied("inbound_twilio"))
        running.send_signal(number)
        assert await asyncio.to_thread(running.wait, START_S) == 0
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


async def test_systemd_is_told_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(START_S)
        async with serving(install(tmp_path), {"NOTIFY_SOCKET": address}) as (_, running):
            assert await asyncio.to_thread(listener.recv, 1024) == b"READY=1"
            assert b"STATUS=0 jobs waiting" in await asyncio.to_thread(listener.recv, 1024)
            running.terminate()
            while (told := await asyncio.to_thread(listener.recv, 1024)) != b"STOPPING=1":
                assert told.startswith(b"WATCHDOG=1\nSTATUS=")  # a heartbeat came between
            assert await asyncio.to_thread(running.wait, START_S) == 0


async def test_a_second_instance_on_the_same_data_ends_with_75(tmp_path: Path) -> None:
    path = install(tmp_path)
    async with serving(path) as (platform, _):
        second = await asyncio.to_thread(serve, path)
        assert second.returncode == 75
        assert is_one_sentence(second.stderr)
        assert "another elaaoms is running" in second.stderr
        assert second.stdout == ""
        assert (await platform.request("GET", f"{platform.url}/health")).status == 200


def test_a_port_that_is_taken_is_one_sentence_and_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name in ("port", "admin_port"):
            ended = serve(install(tmp_path / name, **{name: port}))
            assert ended.returncode == 1
            assert is_one_sentence(ended.stderr), ended.stderr
            assert str(port) in ended.stderr
            assert f"server.{name}" in ended.stderr


# -- refusing to start ---------------------------------------------------------------------


def test_a_missing_configuration_ends_with_78_and_says_what_writes_one(tmp_path: Path) -> None:
    ended = serve(tmp_path / "elaaoms.toml")
    assert ended.returncode == 78
    assert is_one_sentence(ended.stderr)
    assert "elaaoms init" in ended.stderr


def test_every_problem_of_a_configuration_is_told_at_once(tmp_path: Path) -> None:
    path = install(tmp_path)
    path.write_text('[server]\nport = "80"\nhsot = "x"\n[worker]\nconcurrency = 0\n[nonsense]\n')
    ended = serve(path)
    assert ended.returncode == 78
    for problem in ("server.port", "hsot", "worker", "nonsense"):
        assert problem in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["webhook_secret", "tool_token", "admin_token"])
@pytest.mark.parametrize("content", [None, "", "\n", "changeme"])
def test_without_a_usable_secret_it_ends_with_78_and_says_how_to_mend_it(
    tmp_path: Path, name: str, content: str | None
) -> None:
    path = install(tmp_path)
    secret = tmp_path / "secrets" / name
    if content is None:
        secret.unlink()
    else:
        secret.write_text(content)
    ended = serve(path)
    assert ended.returncode == 78
    assert is_one_sentence(ended.stderr), ended.stderr
    assert name in ended.stderr
    assert "elaaoms init" in ended.stderr if content is None else str(secret) in ended.stderr


def test_an_empty_variable_is_an_error_and_not_a_missing_secret(tmp_path: Path) -> None:
    ended = serve(install(tmp_path), ELAAOMS_TOOL_TOKEN="")
    assert ended.returncode == 78
    assert "ELAAOMS_TOOL_TOKEN is empty" in ended.stderr


def test_a_data_directory_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    path = install(tmp_path)
    (tmp_path / "data").write_text("not a folder")
    ended = serve(path)
    assert ended.returncode == 1
    assert is_one_sentence(ended.stderr)


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = install(tmp_path)
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data" / "elaaoms.db")) as database:
        database.execute("PRAGMA user_version = 9999")
    ended = serve(path)
    assert ended.returncode == 1
    assert is_one_sentence(ended.stderr)
    assert "install a newer elaaoms" in ended.stderr


async def test_a_database_that_is_damaged_is_set_aside_and_calls_go_on_in_a_fresh_one(tmp_path: Path) -> None:
    path = install(tmp_path)
    async with serving(path) as (platform, running):
        await platform.takes(varied("inbound_twilio"))
        before = await platform.memories()
        running.terminate()
        assert await asyncio.to_thread(running.wait, START_S) == 0
    database = tmp_path / "data" / "elaaoms.db"
    database.write_bytes(b"not a database " * 1000)
    (tmp_path / "data" / "backups").mkdir()
    (tmp_path / "data" / "backups" / "nightly.db").write_bytes(b"")
    async with serving(path) as (platform, running):
        (aside,) = (tmp_path / "data").glob("elaaoms.db.damaged-*")
        assert aside.read_bytes() == b"not a database " * 1000
        await platform.processed("conv_0001harbour")
        assert {memory["id"] for memory in await platform.memories()} == {memory["id"] for memory in before}
        await platform.takes(call("I live in Leeds.", conversation_id="conv_2"))
        health = await platform.request("GET", f"{platform.url}/health")
        assert health.data["status"] == "degraded"
        assert aside.name in health.data["dependencies"]["database"]["reason"]
    assert "recover --backup" in (tmp_path / "serve.log").read_text()


async def test_a_database_that_is_damaged_while_it_serves_is_replaced_without_losing_a_call(
    tmp_path: Path,
) -> None:
    path = install(tmp_path)
    async with serving(path) as (platform, _):
        await platform.takes(varied("inbound_twilio"))
        database = tmp_path / "data" / "elaaoms.db"
        with database.open("r+b") as file:  # everything but the header
            file.seek(4096)
            file.write(os.urandom(database.stat().st_size - 4096))
        (tmp_path / "data" / "elaaoms.db-wal").write_bytes(b"")
        answers = []
        for n in range(200):
            try:
                answer = await platform.send(call("I live in Leeds.", conversation_id=f"conv_{n}"))
            except (ConnectionError, aiohttp.ClientError):
                await asyncio.sleep(0.05)  # it begins anew
                continue
            answers.append((n, answer.status))
            if list((tmp_path / "data").glob("elaaoms.db.damaged-*")) and n > 50:
                break
        assert {status for _, status in answers} == {200}
        assert list((tmp_path / "data").glob("elaaoms.db.damaged-*"))
        for n, _ in answers:
            assert (await platform.processed(f"conv_{n}"))["extraction_status"] == "completed"
        await platform.processed("conv_0001harbour")


# -- dying and coming back --------------------------------------------------------------------


async def test_nothing_that_was_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    """Killed in the middle of a stream of calls, whatever was being extracted at that moment."""
    path = install(tmp_path)
    sent: list[str] = []
    async with serving(path) as (platform, running):

        async def rings(n: int) -> None:
            number = f"+120255501{n % 50 + 10}"
            event = varied("inbound_twilio", conversation_id=f"conv_{n}", number=number, at=1.79e9 + n)
            with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
                if (await platform.send(event)).status == 200:
                    sent.append(f"conv_{n}")

        calls = [asyncio.create_task(rings(n)) for n in range(60)]
        for answered in asyncio.as_completed(calls):
            await answered
            if len(sent) == 30:
                break
        running.kill()
        await asyncio.gather(*calls)
    assert len(sent) >= 30
    async with serving(path) as (platform, running):
        for conversation_id in sent:
            done = await platform.processed(conversation_id)
            assert done["extraction_status"] == "completed"
            assert len([event["job_id"] for event in done["events"]]) == 1
        assert platform.count("jobs") == platform.count("calls") >= len(sent)
        twice = "SELECT 1 FROM facts GROUP BY conversation_id, slot, value, content HAVING count(*) > 1"
        assert platform.sql(twice) == []
        running.terminate()
        assert await asyncio.to_thread(running.wait, START_S) == 0


async def test_a_body_without_a_row_is_adopted_at_the_next_start(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(varied("inbound_twilio"))
        await platform.send(sample("failure_twilio"))
        await platform.send(b"garbage")
        memories = await platform.memories()
    for table in ("events", "held", "calls", "jobs", "facts", "memories", "greetings"):
        platform.sql(f"DELETE FROM {table}")  # noqa: S608
    async with started(config) as platform:
        assert (await platform.processed("conv_0001harbour"))["extraction_status"] == "completed"
        assert {memory["id"] for memory in await platform.memories()} == {m["id"] for m in memories}
        assert (await platform.initiation()).variables["caller_known"] is True
        assert (platform.count("held"), platform.count("events"), platform.count("jobs")) == (1, 2, 1)
    async with started(config) as platform:
        assert (platform.count("held"), platform.count("events"), platform.count("jobs")) == (1, 2, 1)


async def test_a_start_looks_through_the_archive_unless_the_last_stop_left_nothing_to_find(
    config: Config,
) -> None:
    def look_at(platform: Platform) -> bool:
        assert platform.up is not None
        return platform.up.services.archive.looked_at > 0

    async with started(config) as platform:
        assert look_at(platform)
        await platform.takes(varied("inbound_twilio"))
    note = config.data / "elaaoms.stopped"
    kept = note.read_text()
    async with started(config) as platform:
        assert not look_at(platform)
    note.write_text(kept)  # as if a copy of another day were put back
    async with started(config) as platform:
        assert look_at(platform)
    (config.data / "payloads" / "conv_new").mkdir()
    async with started(config) as platform:
        assert look_at(platform)
    platform.sql("DELETE FROM events")
    async with started(config) as platform:
        assert look_at(platform)
        assert platform.count("events") == 1
    note.unlink()
    async with started(config) as platform:
        assert look_at(platform)


async def test_a_body_that_was_put_into_a_known_folder_by_hand_is_found_after_a_clean_stop(
    config: Config,
) -> None:
    async with started(config) as platform:
        await platform.takes(call("I live in Leeds.", conversation_id="conv_0", at=time.time() - 60))
    newer = json.dumps(call("I live in York.", conversation_id="conv_0")).encode()
    folder = config.data / "payloads" / "conv_0"
    digest = hashlib.sha256(newer).hexdigest()
    (folder / f"conv_0_transcription.{digest[:32]}.json").write_bytes(newer)
    (folder / "a note of mine.txt").write_text("not a body")
    async with started(config) as platform:
        await platform.until("/api/calls/conv_0", lambda found: len(found["events"]) == 2)
        await platform.processed("conv_0")
        assert [memory["content"] for memory in await platform.memories()] == ["The caller lives in York."]
    async with started(config) as platform:
        assert platform.count("events") == 2


async def test_after_a_crash_only_what_may_be_without_a_row_is_looked_at(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(varied("inbound_twilio"))
    (config.data / "elaaoms.stopped").unlink()
    platform.sql("DELETE FROM events")
    later = time.time() + 3 * 86_400
    platform.sql(f"UPDATE settings SET value = '{later}' WHERE name = 'recorded_until'")  # noqa: S608
    async with started(config) as platform:
        assert platform.count("events") == 0
    (config.data / "elaaoms.stopped").unlink()
    platform.sql(f"UPDATE settings SET value = '{time.time() + 86_400}' WHERE name = 'recorded_until'")  # noqa: S608
    async with started(config) as platform:
        assert platform.count("events") == 1


async def test_counts_follow_every_change(config: Config) -> None:
    async with started(config) as platform:
        for number in range(3):
            await platform.takes(call("I live in Leeds.", conversation_id=f"conv_{number}"))
        await platform.takes(call("I live in Leeds.", conversation_id="conv_0", at=time.time() + 1))
        await platform.send(b"garbage")
        for table in ("calls", "callers", "held", "events"):
            counted = platform.sql(f"SELECT count FROM tallies WHERE name = '{table}'")  # noqa: S608
            assert counted == [(platform.count(table),)]
        told = (await platform.api("GET", "/api/jobs")).data["counts"]
        assert {state: n for state, n in told.items() if n} == dict(
            platform.sql("SELECT state, count(*) FROM jobs GROUP BY state")
        )
        assert platform.sql("SELECT calls FROM callers") == [(3,)]
        caller = platform.sql("SELECT caller FROM callers")[0][0]
        assert (await platform.api("DELETE", f"/api/callers/{caller}")).status == 200
        assert platform.sql("SELECT name FROM tallies WHERE count <> 0 AND name <> 'held'") == []


async def test_what_a_crash_left_half_written_is_swept(config: Config) -> None:
    async with started(config) as platform:
        pass
    (config.data / "incoming" / "x.part").write_bytes(b"half")
    (config.data / "caller.part").write_bytes(b"half")
    async with started(config) as platform:
        assert platform.files() == {}
        await platform.takes(varied("inbound_twilio"))


async def test_a_caller_keeps_their_key_when_the_database_is_lost(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(varied("inbound_twilio"))
        key = (await platform.initiation()).json["user_id"]
    for file in config.data.glob("elaaoms.db*"):
        file.unlink()
    async with started(config) as platform:
        await platform.processed("conv_0001harbour")
        assert (await platform.initiation()).json["user_id"] == key
        assert (await platform.initiation()).variables["caller_known"] is True


async def test_two_installations_give_a_caller_different_keys(tmp_path: Path) -> None:
    keys = set()
    for name in "ab":
        async with started(Config(data_dir=str(tmp_path / name))) as platform:
            keys.add((await platform.initiation(ROBIN)).json["user_id"])
    assert len(keys) == 2


async def test_one_callers_calls_are_processed_in_order_whatever_order_they_arrive_in(
    config: Config,
) -> None:
    now = time.time()
    async with started(config) as platform:
        for age, said in ((0, "I've moved to York."), (9000, "I live in Leeds.")):
            await platform.takes(call(said, conversation_id=f"conv_{age}", at=now - age))
        (active,) = await platform.memories("status=active")
        (old,) = await platform.memories("status=superseded")
        assert "York" in active["content"]
        assert "Leeds" in old["content"]


async def test_a_failure_of_the_disk_ends_the_process(config: Config) -> None:
    from elaaoms.errors import StorageFailed

    async with started(config) as platform:
        assert platform.up is not None
        platform.up.services.fatal(StorageFailed("the disk failed"))
        assert platform.up.fatal.done()
        with pytest.raises(StorageFailed):
            platform.up.fatal.result()
