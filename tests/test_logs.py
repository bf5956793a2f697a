"""Logs say which call and caller a line is about, never a number or a word that was said, and cannot be forged."""

from __future__ import annotations

import io
import json
import logging
import re
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import AGENT, ROBIN, call
from test_daemon import install, serving

from elaaoms import logs
from elaaoms.errors import ElaaomsError

FORGED = "x\r\n2026-11-22T10:00:00.000Z ERROR   elaaoms.http: forged\x1b[31m\u2028"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """What a test configures is its own."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    for handler in set(root.handlers) - set(before[0]):
        handler.close()
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_one_line_for_each_request_and_job_tells_whose_it_was(tmp_path: Path) -> None:
    path = install(tmp_path)
    path.write_text(re.sub("(?m)^file = false", "file = true", path.read_text()))
    async with serving(path) as (platform, process):
        await platform.takes(
            call("My name is Robin and my order XYZ-789 is late.", conversation_id="conv_logs")
        )
        answer = await platform.search("order", agent_id=FORGED, conversation_id="conv_logs")
        await platform.initiation()
        caller = (await platform.memories())[0]["caller"]
        data = platform.data
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    written = data / "logs" / "elaaoms.log"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    told = lines(written)

    def of(**fields: Any) -> dict[str, Any]:
        (line,) = [line for line in told if fields.items() <= line.items()]
        return line

    request = of(route="/webhook/search-memory")
    assert request["request_id"] == answer.headers["X-Request-ID"]
    assert request["agent"] == FORGED
    about = {"conversation": "conv_logs", "caller": caller}
    assert about.items() <= request.items()
    assert {**about, "agent": AGENT, "status": 200}.items() <= of(route="/webhook/post-call").items()
    job = of(logger="elaaoms.jobs", state="completed")
    assert {**about, "agent": AGENT, "kind": "remember", "attempt": 1}.items() <= job.items()
    assert of(route="/webhook/client-data")["caller"] == caller
    everything = written.read_text() + (tmp_path / "serve.log").read_text()
    for secret in (ROBIN[1:], "XYZ-789", "Robin"):
        assert secret not in everything
    assert not [line for line in (tmp_path / "serve.log").read_text().splitlines() if "forged" in line[:60]]


@pytest.mark.parametrize("style", ["text", "json"])
def test_nothing_that_is_logged_can_begin_a_line_of_its_own(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure("info", style)
    log = logging.getLogger("elaaoms.http")
    with logs.fields(request_id="1"):
        logs.note(agent=FORGED)
        log.info("an agent %s", FORGED)
        try:
            raise ValueError(FORGED)
        except ValueError:
            log.exception("it failed")
    written = stderr.getvalue()
    for line in written.split("\n")[:-1]:
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)
        if style == "json":
            json.loads(line)
        else:
            assert re.match(r"\d{4}-.* (INFO|ERROR) +elaaoms\.http: (an agent|it failed)|    \| ", line)
    assert "\x1b" not in written


def test_a_note_ends_with_its_block_and_outside_of_one_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure("info", "json")
    log = logging.getLogger("elaaoms.jobs")
    logs.note(caller="caller_nobody")
    with logs.fields(job=1):
        logs.note(caller="caller_a", agent="", conversation="c" * 1000)
        log.info("inside")
    log.info("outside")
    inside, outside = map(json.loads, stderr.getvalue().splitlines())
    assert (inside["job"], inside["caller"], len(inside["conversation"])) == (1, "caller_a", 200)
    assert "agent" not in inside
    assert not {"job", "caller", "conversation"} & outside.keys()


def test_a_part_of_the_program_may_have_a_level_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure("info", "text", {"webhooks": "error", "llm": "debug"})
    logging.getLogger("elaaoms.http").warning("a request")
    logging.getLogger("elaaoms.llm").debug("a model")
    logging.getLogger("elaaoms.daemon").debug("the daemon")
    logging.getLogger("openai").info("an SDK")
    assert re.findall(r": (.*)", stderr.getvalue()) == ["a model"]


def test_files_begin_anew_when_they_are_full_and_errors_have_one_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "logs"
    logs.configure("info", "text", {}, logs.Files(folder=folder, largest=2000, kept=2))
    log = logging.getLogger("elaaoms.jobs")
    for number in range(100):
        log.info("job %d", number)
    log.warning("job 100 failed")
    assert sorted(path.name for path in folder.iterdir()) == [
        "elaaoms.log",
        "elaaoms.log.1",
        "elaaoms.log.2",
        "errors.log",
    ]
    assert all(path.stat().st_size <= 2000 for path in folder.iterdir())
    assert [line["message"] for line in lines(folder / "errors.log")] == ["job 100 failed"]
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    files = logs.Files(folder=tmp_path / "logs", largest=2000, kept=2)
    with pytest.raises(ElaaomsError, match="cannot write to"):
        logs.configure("info", "text", {}, files)
