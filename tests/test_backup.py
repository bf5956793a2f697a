"""A backup is consistent, checked before it counts, and the way back loses no call that was archived."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner
from conftest import Platform, call, connected, started

from elaaoms.backup import back_up, inspect, keep_newest, name, restore
from elaaoms.cli import main
from elaaoms.config import Config, load, load_secrets
from elaaoms.daemon import running
from elaaoms.database import migrations
from elaaoms.datadir import alone
from elaaoms.errors import ElaaomsError


async def remembered(platform: Platform, number: int) -> None:
    await platform.takes(call("I live in Leeds.", conversation_id=f"conv_{number}"))


async def test_a_copy_under_traffic_is_a_consistent_instant(config: Config, tmp_path: Path) -> None:
    async with started(config) as platform:
        await remembered(platform, 0)
        sending = asyncio.create_task(_send(platform, range(1, 60)))
        copies = [await asyncio.to_thread(back_up, config.data, tmp_path / f"copy{n}.db") for n in range(4)]
        await sending
    for copy in copies:
        with closing(sqlite3.connect(copy.path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            orphans = database.execute(
                "SELECT count(*) FROM calls WHERE conversation_id NOT IN (SELECT conversation_id FROM events)"
            ).fetchone()
        assert orphans == (0,)
        assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600
    assert [copy.calls for copy in copies] == sorted(copy.calls for copy in copies)


async def _send(platform: Platform, numbers: range) -> None:
    for number in numbers:
        assert (await platform.send(call("I live in Leeds.", conversation_id=f"conv_{number}"))).status == 200


async def test_the_drill_restores_under_traffic_and_misses_no_call(config: Config, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    async with started(config) as platform:
        await remembered(platform, 1)
        await platform.knows({"content": "Owns a boat."})
        await asyncio.to_thread(back_up, config.data, copy)
        await _send(platform, range(2, 20))
        await platform.processed("conv_19")
    for file in config.data.glob("elaaoms.db*"):
        file.unlink()
    done = restore(config.data, copy)
    assert (done.calls, done.memories) == (1, 2)
    async with started(config) as platform:
        await platform.until("/api/calls?limit=100", lambda data: len(data["calls"]) == 19)
        await platform.processed("conv_19")
        contents = {entry["content"] for entry in await platform.memories()}
    assert contents == {"The caller lives in Leeds.", "Owns a boat."}


async def test_payloads_travel_along_and_make_a_machine_from_nothing(config: Config, tmp_path: Path) -> None:
    async with started(config) as platform:
        await remembered(platform, 1)
        before = platform.files()
        done = await asyncio.to_thread(back_up, config.data, tmp_path / "all.tar", payloads=True)
    assert done.payloads == 1
    elsewhere = evolve(config, data_dir=str(tmp_path / "elsewhere"))
    assert restore(elsewhere.data, tmp_path / "all.tar").payloads == 1
    async with started(elsewhere) as platform:
        assert platform.files() == before
        assert (await platform.initiation()).variables["caller_known"]


async def test_a_restored_database_is_put_beside_the_one_that_was_there(
    config: Config, tmp_path: Path
) -> None:
    async with started(config) as platform:
        await remembered(platform, 1)
        await asyncio.to_thread(back_up, config.data, tmp_path / "copy.db")
    restore(config.data, tmp_path / "copy.db")
    (kept,) = config.data.glob("elaaoms.db.before-*Z")
    assert inspect(kept)[1] == 1


async def test_nothing_is_overwritten_and_nothing_unsound_is_restored(config: Config, tmp_path: Path) -> None:
    async with started(config) as platform:
        await remembered(platform, 1)
        good = await asyncio.to_thread(back_up, config.data, tmp_path / "copy.db")
    with pytest.raises(ElaaomsError, match="exists already"):
        back_up(config.data, good.path)
    broken = bytearray(good.path.read_bytes())
    broken[4096 * 3 : 4096 * 4] = os.urandom(4096)
    (tmp_path / "broken.db").write_bytes(broken)
    (tmp_path / "text.db").write_text("not a database")
    for path in (tmp_path / "broken.db", tmp_path / "text.db"):
        with pytest.raises(ElaaomsError):
            restore(config.data, path)
    assert inspect(config.data / "elaaoms.db")[1] == 1
    assert not list(config.data.glob("restore-*"))
    newer = tmp_path / "newer.db"
    newer.write_bytes(good.path.read_bytes())
    with closing(sqlite3.connect(newer)) as database:
        database.execute(f"PRAGMA user_version = {migrations()[-1][0] + 1}")
    with pytest.raises(ElaaomsError, match="install a newer elaaoms"):
        restore(config.data, newer)


def test_a_full_disk_leaves_no_half_backup(tmp_path: Path) -> None:
    with pytest.raises(ElaaomsError, match="there is no database"):
        back_up(tmp_path, tmp_path / "copy.db")
    assert not list(tmp_path.iterdir())


def test_retention_keeps_the_newest(tmp_path: Path) -> None:
    for day in range(5):
        (tmp_path / name(payloads=False, encrypted=False, now=day * 86400)).touch()
    (tmp_path / "notes.txt").touch()
    assert len(keep_newest(tmp_path, 2)) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "elaaoms-19700104T000000Z.db",
        "elaaoms-19700105T000000Z.db",
        "notes.txt",
    ]


AGE = """#!/bin/sh
# Stands in for age: reverses nothing, but writes and demands its header.
out=; while [ $# -gt 1 ]; do case "$1" in --output) out=$2; shift;; --decrypt) dec=1;; --identity) id=$2; shift;;
--recipient) [ "$2" = age1good ] || { echo "age: error: malformed recipient" >&2; exit 1; }; shift;; esac; shift; done
if [ -n "$dec" ]; then grep -q AGE-SECRET "$id" || { echo "age: error: no identity matched" >&2; exit 1; }
tail -c +20 "$1" > "$out"; else { printf 'age-encryption.org/'; cat "$1"; } > "$out"; fi
"""


@asynccontextmanager
async def installed(folder: Path) -> AsyncIterator[Platform]:
    """A daemon of the configuration that `init` wrote."""
    config, given = load(folder / "elaaoms.toml"), load_secrets(folder, {})
    free = evolve(config, server=evolve(config.server, port=0, admin_port=0))
    tokens = {
        "webhook_secret": given.webhook_secrets[0],
        "tool_token": given.tool_token,
        "admin_token": given.admin_token,
    }
    async with running(free, given) as up, connected(up.url, up.admin_url, free.data, **tokens) as platform:
        yield platform


def test_the_commands_encrypt_name_keep_and_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs, copies = tmp_path / "bin", tmp_path / "copies"
    programs.mkdir()
    copies.mkdir()
    (programs / "age").write_text(AGE)
    (programs / "age").chmod(0o755)
    (tmp_path / "key").write_text("AGE-SECRET-KEY-1")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    config = ["-c", str(tmp_path / "elaaoms.toml")]
    runner = CliRunner()
    assert runner.invoke(main, ["init", str(tmp_path)]).exit_code == 0

    async def once() -> None:
        async with installed(tmp_path) as platform:
            await remembered(platform, 1)
            beside = await asyncio.to_thread(runner.invoke, main, ["restore", str(tmp_path / "key"), *config])
            assert beside.exit_code == 1
            assert "a daemon runs on this data" in beside.stderr

    asyncio.run(once())
    made = runner.invoke(main, ["backup", str(copies), "--age", "age1good", "--keep", "1", *config])
    assert made.exit_code == 0, made.output
    (file,) = copies.iterdir()
    assert file.name.endswith(".db.age")
    assert "1 calls, 1 memories" in made.output
    closed = runner.invoke(main, ["restore", str(file), "--yes", *config])
    assert "--identity" in closed.stderr
    opened = runner.invoke(
        main, ["restore", str(file), "--identity", str(tmp_path / "key"), "--yes", *config]
    )
    assert opened.exit_code == 0, opened.output
    assert "Restored: 1 calls, 1 memories" in opened.output
    nightly = runner.invoke(main, ["backup", str(tmp_path / "nightly"), "--keep", "1", *config])
    assert nightly.exit_code == 0, nightly.output
    assert stat.S_IMODE((tmp_path / "nightly").stat().st_mode) == 0o700
    refused = runner.invoke(main, ["backup", str(tmp_path / "key"), "--keep", "1", *config])
    assert (refused.exit_code, "not a file" in refused.stderr) == (2, True)
    wrong = runner.invoke(main, ["backup", str(tmp_path / "x"), "--age", "age1bad", *config])
    assert (wrong.exit_code, "malformed recipient" in wrong.stderr) == (1, True)
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_what_root_restores_belongs_to_the_service(config: Config, tmp_path: Path) -> None:
    async with started(config) as platform:
        await remembered(platform, 1)
        await asyncio.to_thread(back_up, config.data, tmp_path / "all.tar", payloads=True)
    for path in (config.data, *config.data.rglob("*")):
        os.chown(path, 61184, 61184)  # the first that systemd gives to a DynamicUser=
    with alone(config.data):
        restore(config.data, tmp_path / "all.tar")
    assert {path.stat().st_uid for path in config.data.rglob("*")} == {61184}
