"""Bits that flip and files that are lost: nothing wrong is ever told, and what the archive holds comes back."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from click.testing import CliRunner
from conftest import ROBIN, Platform, call, secrets, started, varied

from elaaoms import daemon
from elaaoms.config import Config
from elaaoms.database import Database
from elaaoms.errors import ElaaomsError
from elaaoms.memory import Category, Fact, Heard
from elaaoms.memory.sqlite import SQLiteMemoryStore
from elaaoms.reconcile import Policy, fact_key, learn

FLIPS = 150


async def contents(platform: Platform) -> set[str]:
    return {memory["content"] for memory in await platform.memories()}


# -- a row that is not as it was written ---------------------------------------------------


async def test_a_memory_that_changed_on_the_disk_is_not_told_and_is_worked_out_again(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(call("I live in Leeds.", "I'm allergic to peanuts."))
        before = await contents(platform)
        platform.sql(
            "UPDATE memories SET content = 'The caller lives in Luton.' WHERE content LIKE '%Leeds%'"
        )
        assert "Luton" not in (await platform.search("Where does the caller live?")).body.decode()
        assert "Luton" not in str(await platform.memories())
        assert platform.up is not None
        found = await platform.up.services.ingest.scrub(pause_s=0)
        assert len(found.owners) == 1
        assert await contents(platform) == before
        again = await platform.up.services.ingest.scrub(pause_s=0)
        assert not again.owners


async def test_a_fact_that_changed_on_the_disk_is_read_from_its_call_again(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(call("I live in Leeds."))
        before = await contents(platform)
        platform.sql("UPDATE facts SET content = 'The caller lives in Luton.' WHERE content LIKE '%Leeds%'")
        assert platform.up is not None
        found = await platform.up.services.ingest.scrub(pause_s=0)
        assert found.conversations == {"conv_test"}
        await platform.until("/api/jobs?state=completed", lambda data: len(data["jobs"]) == 2)
        assert await contents(platform) == before
        assert platform.sql("SELECT count(*) FROM facts WHERE content LIKE '%Luton%'") == [(0,)]


async def test_a_call_that_comes_after_the_damage_mends_it_too(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(call("I live in Leeds.", conversation_id="conv_1", at=time.time() - 60))
        platform.sql(
            "UPDATE memories SET content = 'The caller lives in Luton.' WHERE content LIKE '%Leeds%'"
        )
        await platform.takes(call("I'm allergic to peanuts.", conversation_id="conv_2"))
        assert any("Leeds" in content for content in await contents(platform))
        assert not any("Luton" in content for content in await contents(platform))


async def test_rows_from_before_there_were_seals_are_sealed(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(call("I live in Leeds."))
        platform.sql("UPDATE memories SET seal = NULL")
        platform.sql("UPDATE facts SET seal = NULL")
        assert platform.up is not None
        assert not (await platform.up.services.ingest.scrub(pause_s=0)).owners
        assert platform.sql("SELECT count(*) FROM memories WHERE seal IS NULL") == [(0,)]
        assert platform.sql("SELECT count(*) FROM facts WHERE seal IS NULL") == [(0,)]


async def test_no_bit_that_flips_in_the_file_is_ever_told(tmp_path: Path) -> None:
    path = tmp_path / "elaaoms.db"
    async with Database.open(path) as database:
        store = SQLiteMemoryStore(database)

        def fill(tx: sqlite3.Connection) -> None:
            for number in range(40):
                fact = Fact(
                    category=Category.FACTUAL,
                    content=f"The caller's dog number {number} is called Rex {number * 7919}.",
                    importance=5,
                    quote=f"my dog number {number} is Rex",
                )
                heard = Heard(
                    key=fact_key(f"conv_{number}", fact),
                    fact=fact,
                    source="call",
                    heard_at=1e9 + number,
                    conversation_id=f"conv_{number}",
                )
                store.learn(
                    tx,
                    [heard],
                    owner="caller_1",
                    conversation_id=f"conv_{number}",
                    reconcile=partial(learn, policy=Policy()),
                )

        await database.write(fill)
        true = {memory.id: memory for memory in await store.active("caller_1")}
    sound = path.read_bytes()
    assert len(true) == 40
    chance = random.Random(7)  # noqa: S311
    silent = noticed = 0
    for number in range(FLIPS):
        sick = tmp_path / f"sick{number}.db"
        raw = bytearray(sound)
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        sick.write_bytes(raw)
        try:
            async with Database.open(sick, readers=1) as database:
                store = SQLiteMemoryStore(database)
                told = await store.active("caller_1")
                silent += sum(true.get(memory.id) != memory for memory in told)
                noticed += store.damaged > 0 or len(told) < len(true)
        except (ElaaomsError, UnicodeDecodeError):
            noticed += 1
        sick.unlink()
    assert silent == 0
    assert noticed > 0


# -- recover ---------------------------------------------------------------------------------


async def test_recover_brings_back_calls_memories_and_what_operators_said(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(varied("inbound_twilio"))
        await platform.send(b"garbage")
        await platform.knows({"content": "Always ask for the invoice number.", "key": "k1"}, caller=ROBIN)
        before = await platform.memories()
        rows = {table: platform.count(table) for table in ("events", "held", "calls", "facts", "memories")}
    with closing(sqlite3.connect(config.data / "elaaoms.db", isolation_level=None)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'jobs'").fetchone()[0]
        page = database.execute("PRAGMA page_size").fetchone()[0]
    with (config.data / "elaaoms.db").open("r+b") as file:
        file.seek((root - 1) * page)
        file.write(b"\xff" * 64)
    done = await daemon.recover(config, secrets(), backup=None, progress=lambda text: None)
    assert (done.adopted, done.statements) == (2, 1)
    assert done.jobs["available"] == done.jobs["failed"] == 0
    kept = next(iter(config.data.glob("elaaoms.db.recovered-*Z")))
    assert kept.stat().st_size > 0
    async with started(config) as platform:
        assert {memory["id"]: memory["content"] for memory in await platform.memories()} == {
            memory["id"]: memory["content"] for memory in before
        }
        assert {table: platform.count(table) for table in rows} == rows
        health = await platform.request("GET", f"{platform.url}/health")
        assert health.data["status"] == "healthy"


async def test_recover_begins_with_a_backup_and_adds_what_came_later(config: Config, tmp_path: Path) -> None:
    async with started(config) as platform:
        await platform.takes(varied("inbound_twilio"))
    shutil.copy(config.data / "elaaoms.db", tmp_path / "backup.db")
    async with started(config) as platform:
        await platform.takes(call("I live in Leeds.", conversation_id="conv_later"))
        before = {memory["id"] for memory in await platform.memories()}
    (config.data / "elaaoms.db").write_bytes(b"nothing")
    done = await daemon.recover(config, secrets(), backup=tmp_path / "backup.db", progress=lambda text: None)
    assert done.adopted == 1
    async with started(config) as platform:
        assert {memory["id"] for memory in await platform.memories()} == before


def test_recover_is_a_command_that_says_what_it_did(tmp_path: Path) -> None:
    from elaaoms.cli import init, main

    init.write(tmp_path)
    result = CliRunner().invoke(main, ["recover", "-c", str(tmp_path / "elaaoms.toml")])
    assert result.exit_code == 0, result.output
    assert "0 archived bodies were recorded again." in result.output
