"""The soak's checker: it passes what is right, and finds what is planted."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve
from conftest import ROBIN, Platform, started

from elaaoms.config import Config
from elaaoms.webhooks import AUDIO
from tests.soak.checker import Verdict, check
from tests.soak.ledger import Body, Ledger

FIRST = Body(conversation_id="conv_a", number=ROBIN, order="QX-1001", allergic=True, began=1_790_000_000)
SECOND = Body(conversation_id="conv_b", number=ROBIN, order="QX-1002", allergic=True, began=1_790_000_500)
NEWER = evolve(FIRST, version=5, order="QX-1003")
OLDER = evolve(FIRST, version=2, order="QX-1004")
SOUND = evolve(FIRST, type=AUDIO, order="")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the data of one honest run is kept in."""
    return tmp_path_factory.mktemp("soak")


async def delivered(config: Config, whole: Path) -> tuple[Ledger, Path]:
    """What a small run without kills leaves behind, in a copy of its own."""
    ledger = Ledger()
    bodies = (FIRST, SECOND, NEWER, OLDER, SECOND, SOUND)
    if not (whole / "data").exists():
        async with started(config) as platform:
            for body in bodies:
                await send(platform, body)
        shutil.copytree(config.data, whole / "data")
    for body in bodies:
        ledger.acknowledge(ledger.send(body))
    shutil.rmtree(config.data, ignore_errors=True)
    shutil.copytree(whole / "data", config.data)
    return ledger, config.data


async def send(platform: Platform, body: Body) -> None:
    answer = await platform.send(body.raw())
    assert answer.status == 200
    if answer.data["job_id"] is not None:
        await platform.settled(answer.data["job_id"])


def judged(ledger: Ledger, data: Path, statement: str = "") -> Verdict:
    """The verdict after somebody changed the database."""
    with closing(sqlite3.connect(data / "elaaoms.db")) as database:
        database.executescript(statement)
        database.commit()
    return check(ledger, data)


async def test_a_run_in_which_nothing_went_wrong_passes(config: Config, whole: Path) -> None:
    verdict = judged(*await delivered(config, whole))
    assert verdict.line == "acknowledged 5, lost 0, duplicated effects 0", (verdict.lost, verdict.duplicated)


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("DELETE FROM events WHERE conversation_id = 'conv_b'", "has no row"),
        ("UPDATE calls SET outcome = NULL WHERE conversation_id = 'conv_b'", "was never read"),
        ("DELETE FROM facts WHERE slot = 'order:QX-1003'", "does not know order:QX-1003"),
        ("DELETE FROM memories WHERE slot = 'order:QX-1002'", "has no memory of order:QX-1002"),
        ("UPDATE memories SET reinforcements = 0", "was reinforced 0 times, not 1"),
        ("UPDATE jobs SET state = 'failed' WHERE id = 1", "is failed"),
    ],
)
async def test_what_the_database_lost_is_found(
    config: Config, whole: Path, statement: str, lost: str
) -> None:
    verdict = judged(*await delivered(config, whole), statement)
    assert any(lost in finding for finding in verdict.lost), (verdict.lost, verdict.duplicated)


@pytest.mark.parametrize(
    ("statement", "twice"),
    [
        (
            "INSERT INTO jobs (kind, args, max_attempts, run_at, unique_key, created_at, state, finished_at)"
            " SELECT kind, args, max_attempts, run_at, unique_key, created_at, 'completed', 1 FROM jobs LIMIT 1",
            "jobs for the body",
        ),
        ("UPDATE facts SET conversation_id = 'conv_b' WHERE slot = 'order:QX-1003'", "too often"),
        (
            "CREATE TEMP TABLE twin AS SELECT * FROM memories WHERE slot = 'order:QX-1002';"
            " UPDATE twin SET id = 'mem_again'; INSERT INTO memories SELECT * FROM twin",
            "remembers order:QX-1002 twice",
        ),
        ("UPDATE memories SET reinforcements = 2 WHERE slot LIKE 'allergy%'", "reinforced 2 times, not 1"),
    ],
)
async def test_what_was_done_twice_is_found(config: Config, whole: Path, statement: str, twice: str) -> None:
    verdict = judged(*await delivered(config, whole), statement)
    assert any(twice in finding for finding in verdict.duplicated), (verdict.lost, verdict.duplicated)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("name", "harm", "finding"),
    [
        ("conv_b_transcription.json", Path.unlink, "not in the archive"),
        ("conv_b_transcription.json", _cut, "not what anybody sent"),
        ("conv_a_audio.mp3", _cut, "no recording"),
    ],
)
async def test_what_the_archive_lost_is_found(
    config: Config, whole: Path, name: str, harm: Callable[[Path], None], finding: str
) -> None:
    ledger, data = await delivered(config, whole)
    harm(next((data / "payloads").rglob(name)))
    verdict = judged(ledger, data)
    assert any(finding in text for text in verdict.lost), verdict.lost


async def test_a_body_that_was_never_taken_is_found(config: Config, whole: Path) -> None:
    ledger, data = await delivered(config, whole)
    ledger.acknowledge(ledger.send(evolve(SECOND, conversation_id="conv_never")))
    assert judged(ledger, data).lost == ("conv_never post_call_transcription version 0 has no row",)
