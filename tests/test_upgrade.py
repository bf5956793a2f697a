# ruff: noqa: S608 - the rows of the past are made of our own constants
"""A database of any earlier version becomes today's at the start, with everything in it and a copy beside it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import AGENT, ROBIN, started

from elaaoms import __version__
from elaaoms.backup import DATABASE, inspect
from elaaoms.cli import main
from elaaoms.config import Config
from elaaoms.database import Database, migrations
from elaaoms.errors import ElaaomsError, StorageUnavailable

NEWEST = migrations()[-1][0]
SECRET = "5e" * 32
CALLER = "caller_0123456789abcdef0123456789abcdef"
SHARED = "'factual', 'Has two dogs.', 8, 0.9, 'I have two dogs.', 1, NULL, 'pets', 'two dogs'"

# What an installation of each schema could hold: a row of every kind that the migration brought.
ROWS = {
    1: f"""
    INSERT INTO settings VALUES ('caller_secret', '{SECRET}');
    INSERT INTO callers VALUES ('{CALLER}', 'phone:{ROBIN}', 'en', 1, 1000, 1000);
    INSERT INTO agent_numbers VALUES ('phone:+12025550100');
    INSERT INTO jobs (kind, args, state, max_attempts, run_at, lock, unique_key, created_at)
        VALUES ('remember', '{{"path": "conv_1/conv_1_transcription.json"}}', 'available', 4, 4e9, '{CALLER}', 'a', 1000),
               ('remember', '{{"path": "conv_2/conv_2_transcription.json"}}', 'available', 4, 4e9, '{CALLER}', 'b', 1000);
    INSERT INTO jobs (kind, args, state, max_attempts, run_at, created_at, finished_at)
        VALUES ('audio', '{{}}', 'completed', 4, 1000, 1000, 1001);
    INSERT INTO calls (conversation_id, agent_id, caller, started_at, received_at, job, outcome)
        VALUES ('conv_1', '{AGENT}', '{CALLER}', 1000, 1060, 1, 'completed');
    INSERT INTO events VALUES ('post_call_transcription', 'conv_1', 'ab', 1060,
        'conv_1/conv_1_transcription.json', 12, 1060, 1);
    INSERT INTO held VALUES ('cd', 'not JSON', 3, 1000);
    INSERT INTO facts (key, owner, source, conversation_id, agent_id, heard_at, arrived_at, category, content,
        importance, confidence, quote, turn, event_date, slot, value, changes, topic, memory, effect)
        VALUES ('fact_1', '{CALLER}', 'call', 'conv_1', '{AGENT}', 1000, 1060, {SHARED}, 0, '', 'mem_1', 'added');
    INSERT INTO memories (id, owner, agent_id, heard_by, conversation_id, category, content, importance, confidence,
        source_quote, turn, event_date, slot, value, topic, valid_from, status, reinforcements, first_heard, last_heard)
        VALUES ('mem_1', '{CALLER}', NULL, '["{AGENT}"]', 'conv_1', {SHARED}, '', 1000, 'active', 0, 1000, 1000);
    INSERT INTO greetings VALUES ('{CALLER}', '', '{{}}', 1000, 1001);
    """,
    2: """
    INSERT INTO charges (at, conversation_id, provider, model, input_tokens, cached_tokens, output_tokens, usd)
        VALUES (1000, 'conv_1', 'openai', 'a model', 10, 0, 5, 0.01);
    """,
    3: f"INSERT INTO forgotten VALUES ('fact_0', '{CALLER}', 'conv_1', 3, 'factual', 1000);",
    4: f"""
    INSERT INTO erasures (id, caller, actor, requested_at, finished_at, receipt)
        VALUES ('erasure_1', 'caller_gone', 'api', 1000, 1001, '{{}}');
    INSERT INTO erased VALUES ('ef');
    INSERT INTO aliases VALUES ('caller_other', '{CALLER}');
    """,
    5: "INSERT INTO audit (at, actor, action, subjects) VALUES (1000, 'job 1', 'call.replaced', '[]');",
    6: "UPDATE replica SET key = 'k1', remote = 'r1', delivered = 'd1', changed = NULL, since = NULL;",
    7: f"""
    INSERT INTO agents (agent_id, name) VALUES ('{AGENT}', 'Ada');
    INSERT INTO announcements VALUES ('conv_9', '{CALLER}', 1000);
    """,
}


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def old(path: Path, schema: int) -> dict[str, int]:
    """Make a database of an earlier schema that was in use; its rows by table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for number, script in migrations()[:schema]:
            connection.executescript(f"BEGIN;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
            connection.executescript(ROWS.get(number, ""))
        return counts(connection)


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    names = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return {
        name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in names.fetchall()
    }


def shape(path: Path) -> list[tuple[str, str]]:
    with opened(path) as connection:
        return sorted(
            connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
        )


@pytest.mark.parametrize("schema", range(1, NEWEST))
async def test_every_earlier_schema_is_upgraded_with_all_its_rows(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "data" / DATABASE
    before = old(path, schema)
    assert all(before[table] for table in ("calls", "jobs", "facts", "memories", "settings"))
    async with Database.open(path) as database:
        assert (await database.fetch("PRAGMA user_version"))[0][0] == NEWEST
        assert (await database.fetch("PRAGMA integrity_check"))[0][0] == "ok"
        assert await database.fetch("PRAGMA foreign_key_check") == []
    with opened(path) as connection:
        after = counts(connection)
        told = connection.execute("SELECT id, content, importance, first_heard FROM memories").fetchall()
    assert {table: after[table] for table in before} == before
    assert told == [("mem_1", "Has two dogs.", 8, 1000.0)]
    async with Database.open(tmp_path / "fresh.db"):
        pass
    assert shape(path) == shape(tmp_path / "fresh.db")
    (copy,) = (path.parent / "backups").iterdir()
    assert inspect(copy) == (schema, 1, 1)


async def test_a_daemon_of_today_knows_the_caller_of_the_first_version(config: Config) -> None:
    old(config.data / DATABASE, 1)
    async with started(config) as platform:
        (memory,) = await platform.memories()
        assert memory["content"] == "Has two dogs."
        assert platform.sql("SELECT value FROM settings WHERE name = 'program'") == [(__version__,)]


async def test_nothing_is_copied_when_nothing_changes(tmp_path: Path) -> None:
    for _ in range(2):
        async with Database.open(tmp_path / DATABASE):
            pass
    assert os.listdir(tmp_path) == [DATABASE]


async def test_without_room_for_the_copy_the_database_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    old(path, 3)
    (tmp_path / "backups").write_text("not a folder")
    with pytest.raises(StorageUnavailable, match="copy that is made before an upgrade"):
        async with Database.open(path):
            pass
    assert inspect(path) == (3, 1, 1)


async def test_a_newer_database_names_the_version_to_install(config: Config) -> None:
    async with started(config):
        pass
    with opened(config.data / DATABASE) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
        connection.execute("UPDATE settings SET value = '7.1.0' WHERE name = 'program'")
    with pytest.raises(ElaaomsError, match=r"install elaaoms 7\.1\.0 or newer$"):
        async with Database.open(config.data / DATABASE):
            pass


def test_the_command_rehearses_and_upgrades(tmp_path: Path) -> None:
    runner, config = CliRunner(), ["-c", str(tmp_path / "elaaoms.toml")]
    assert runner.invoke(main, ["init", str(tmp_path)]).exit_code == 0
    nothing = runner.invoke(main, ["migrate", "--dry-run", *config])
    assert (nothing.exit_code, "there is no database" in nothing.stderr) == (1, True)
    path = tmp_path / "data" / DATABASE
    old(path, 5)
    rehearsed = runner.invoke(main, ["migrate", "--dry-run", *config])
    assert rehearsed.exit_code == 0, rehearsed.output
    assert "had schema 5; migrations 6, " in rehearsed.output
    assert inspect(path) == (5, 1, 1)
    assert not {name for name in os.listdir(path.parent) if not name.startswith(DATABASE)}
    done = runner.invoke(main, ["migrate", *config])
    assert done.exit_code == 0, done.output
    assert inspect(path) == (NEWEST, 1, 1)
    again = runner.invoke(main, ["migrate", *config])
    assert "the newest that this program knows" in again.output


def test_a_rehearsal_says_what_would_fail(tmp_path: Path) -> None:
    path = tmp_path / "data" / DATABASE
    old(path, 5)
    with opened(path) as connection:
        connection.execute("CREATE TABLE replica (something)")
    runner = CliRunner()
    assert runner.invoke(main, ["init", str(tmp_path)]).exit_code == 0
    failed = runner.invoke(main, ["migrate", "--dry-run", "-c", str(tmp_path / "elaaoms.toml")])
    assert (failed.exit_code, "the upgrade would fail" in failed.stderr) == (1, True)
    assert inspect(path) == (5, 1, 1)
