"""The commands as a person types them: what they print, and the code they end with."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from click.testing import CliRunner
from conftest import AGENT, ROBIN, Platform, call, sample, varied
from test_daemon import ENVIRONMENT, command, install, serving

from elaaoms import __version__
from elaaoms.cli import main


def elaaoms(*arguments: object, cwd: Path | None = None, **environment: str) -> Any:
    """Run a command to its end."""
    return subprocess.run(  # noqa: S603
        command(*arguments),
        env=ENVIRONMENT | environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def beside(*arguments: object, **environment: str) -> Any:
    """Run a command while a daemon runs."""
    return await asyncio.to_thread(elaaoms, *arguments, **environment)


def is_one_sentence(text: str) -> bool:
    return text.startswith("Error: ") and text.count("\n") == 1 and "Traceback" not in text


# -- help, version, usage ------------------------------------------------------------


def test_help_names_every_command_and_loads_no_client_library() -> None:
    told = elaaoms("--help")
    assert told.returncode == 0
    for name in ("demo", "init", "serve", "check", "send", "jobs", "memories", "calls", "usage"):
        assert f"\n  {name} " in told.stdout, name
    script = (
        "import sys; from click.testing import CliRunner; from elaaoms.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print(*({'openai', 'anthropic', 'pyngrok', 'elevenlabs'} & set(sys.modules)))"
    )
    loaded = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == ""


@pytest.mark.parametrize(
    "name",
    [
        "demo",
        "init",
        "serve",
        "check",
        "send",
        "jobs",
        "jobs list",
        "jobs retry",
        "memories",
        "memories search",
    ],
)
def test_every_command_explains_itself(name: str) -> None:
    for flag in ("--help", "-h"):
        told = CliRunner().invoke(main, [*name.split(), flag])
        assert told.exit_code == 0
        assert told.output.startswith("Usage: ")


def test_the_version_is_printed() -> None:
    told = elaaoms("--version")
    assert (told.returncode, told.stdout) == (0, f"elaaoms, version {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        "serve --nonsense",
        "nonsense",
        "send",
        "send no-such-file.json",
        "jobs show x",
        "jobs show 0",
        "jobs list --state odd",
        "jobs list --limit 0",
        "jobs retry",
        "jobs retry 1 --failed",
        "jobs cancel",
        "memories search",
        "memories search kayak",
        "memories list --category gossip",
        "check --nonsense",
    ],
)
def test_bad_usage_ends_with_2_and_no_traceback(tmp_path: Path, arguments: str) -> None:
    told = CliRunner().invoke(main, arguments.split())
    assert told.exit_code == 2, told.output
    assert "Usage: " in told.output
    assert "Traceback" not in told.output


# -- demo and init -------------------------------------------------------------------


def test_the_demo_tells_its_story_without_any_file_or_key(tmp_path: Path) -> None:
    told = elaaoms("demo", cwd=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""
    for word in ("Robin", "XYZ-789", "York", "peanuts"):
        assert word in told.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demo_keeps_its_data_where_it_is_told_to(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    assert elaaoms("demo", "--keep", folder).returncode == 0
    assert (folder / "elaaoms.db").is_file()
    assert len(list((folder / "payloads").rglob("*_transcription.json"))) == 2
    again = elaaoms("demo", "--keep", folder)
    assert (again.returncode, is_one_sentence(again.stderr)) == (1, True)
    assert str(folder) in again.stderr


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    first = elaaoms("init", tmp_path / "x")
    assert first.returncode == 0
    files = {path: path.read_bytes() for path in (tmp_path / "x").rglob("*") if path.is_file()}
    assert len(files) == 5
    second = elaaoms("init", tmp_path / "x")
    assert second.returncode == 0
    assert {path: path.read_bytes() for path in (tmp_path / "x").rglob("*") if path.is_file()} == files
    for content in files.values():
        assert content.decode().strip() not in first.stdout


def test_init_where_a_file_stands_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    told = elaaoms("init", tmp_path / "x")
    assert (told.returncode, is_one_sentence(told.stderr)) == (1, True)


# -- check -----------------------------------------------------------------------------


def lines(told: Any) -> dict[str, str]:
    """What `check` found: status by subject, the worst one counts."""
    found: dict[str, str] = {}
    for line in told.stdout.splitlines():
        status, _, rest = line.partition(" ")
        subject = rest.strip().split("  ")[0]
        found[subject] = max(found.get(subject, ""), status, key=["", "ok", "warn", "fail"].index)
    return found


def test_check_finds_a_fresh_install_in_order(tmp_path: Path) -> None:
    told = elaaoms("check", "-c", install(tmp_path))
    assert (told.returncode, told.stderr) == (0, "")
    found = lines(told)
    assert found["configuration"] == found["secrets"] == found["database"] == "ok"
    assert found["public url"] == "warn"
    assert "fail" not in found.values()
    assert not (tmp_path / "data").exists()


def test_check_says_what_is_wrong_and_ends_with_1(tmp_path: Path) -> None:
    path = install(tmp_path)
    (tmp_path / "secrets" / "tool_token").write_text("")
    told = elaaoms("check", "-c", path)
    assert (told.returncode, lines(told)["secrets"]) == (1, "fail")
    assert "tool_token" in told.stdout
    path.write_text("[server]\nport = 99999\nhsot = 1\n")
    told = elaaoms("check", "-c", path)
    assert told.returncode == 1
    assert told.stdout.count("fail ") == 2
    told = elaaoms("check", "-c", tmp_path / "none.toml")
    assert (told.returncode, "elaaoms init" in told.stdout) == (1, True)


def test_check_warns_of_a_secret_that_others_can_read(tmp_path: Path) -> None:
    path = install(tmp_path)
    (tmp_path / "secrets" / "admin_token").chmod(0o644)
    told = elaaoms("check", "-c", path)
    assert (told.returncode, lines(told)["secrets"]) == (0, "warn")


def test_check_finds_a_damaged_database(tmp_path: Path) -> None:
    path = install(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "elaaoms.db").write_bytes(b"not a database " * 1000)
    told = elaaoms("check", "-c", path, "--json")
    assert told.returncode == 1
    found = json.loads(told.stdout)
    assert {"fail"} == {row["status"] for row in found if row["subject"] == "database"}


# -- send --------------------------------------------------------------------------------


def test_send_to_nobody_is_one_sentence(tmp_path: Path) -> None:
    path = install(tmp_path)
    (tmp_path / "event.json").write_bytes(sample("inbound_twilio"))
    for url in ("http://127.0.0.1:9", "http://no-such-host.invalid", "ftp://x", "nonsense", "http://"):
        told = elaaoms("send", "-c", path, tmp_path / "event.json", "--url", url)
        assert (told.returncode, is_one_sentence(told.stderr)) == (1, True), (url, told.stderr)


def test_send_without_a_secret_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "event.json").write_bytes(sample("inbound_twilio"))
    told = elaaoms("send", tmp_path / "event.json", cwd=tmp_path)
    assert (told.returncode, is_one_sentence(told.stderr)) == (1, True)
    assert "webhook_secret" in told.stderr


async def test_check_and_send_while_the_daemon_runs(tmp_path: Path) -> None:
    path = install(tmp_path)
    file = tmp_path / "event.json"
    file.write_bytes(sample("inbound_twilio"))
    async with serving(path) as (platform, _):
        checked = await beside("check", "-c", path)
        assert (checked.returncode, lines(checked)["daemon"]) == (0, "ok")
        for url in ((), ("--url", platform.url), ("--url", f"{platform.url}/webhook/post-call")):
            told = await beside("send", "-c", path, file, *url)
            assert (told.returncode, told.stdout[:4]) == (0, "200 ")
        assert (await platform.processed("conv_0001harbour"))["extraction_status"] == "completed"
        wrong = await beside("send", "-c", path, file, ELAAOMS_WEBHOOK_SECRET="wsec_" + "0" * 32)
        assert (wrong.returncode, wrong.stdout[:4]) == (1, "401 ")
        assert "Traceback" not in wrong.stderr


@frozen
class Told:
    """What a command that ran in this process said."""

    returncode: int
    stdout: str
    stderr: str


async def typed(*arguments: object, **environment: str) -> Told:
    """Run a command in a thread, which is quicker than in a process."""

    def invoke() -> Told:
        result = CliRunner(env=environment).invoke(main, [str(argument) for argument in arguments])
        return Told(result.exit_code, result.stdout, result.stderr)

    return await asyncio.to_thread(invoke)


# -- jobs and memories ----------------------------------------------------------------------


async def desk_story(path: Path) -> None:
    """The same commands with the same results, whether a daemon runs or not."""
    jobs = json.loads((await typed("jobs", "list", "-c", path, "--json")).stdout)
    failed = next(job["id"] for job in jobs if job["kind"] == "audio")
    done = next(job["id"] for job in jobs if job["kind"] == "remember")
    listed = (await typed("jobs", "list", "-c", path)).stdout
    assert "STATE" in listed
    assert "remember" in listed
    assert [
        job["id"]
        for job in json.loads((await typed("jobs", "list", "-c", path, "--json", "--limit", 1)).stdout)
    ]
    shown = json.loads((await typed("jobs", "show", "-c", path, failed)).stdout)
    assert (shown["id"], shown["state"]) == (failed, "failed")
    for arguments in (("retry", done), ("cancel", done), ("show", 99999), ("retry", 99999)):
        told = await typed("jobs", *arguments[:1], "-c", path, arguments[1])
        assert (told.returncode, is_one_sentence(told.stderr)) == (1, True), arguments

    robin = ("--caller", ROBIN)
    memories = json.loads((await typed("memories", "list", "-c", path, *robin, "--json")).stdout)
    assert {memory["category"] for memory in memories} >= {"factual", "preference"}
    assert "Robin" in (await typed("memories", "list", "-c", path, *robin)).stdout
    nobody = await typed("memories", "list", "-c", path, "--caller", "+12025550199", "--json")
    assert (nobody.returncode, json.loads(nobody.stdout)) == (0, [])
    found = json.loads((await typed("memories", "search", "-c", path, *robin, "allergy", "--json")).stdout)
    assert "peanuts" in found[0]["content"]
    assert "peanuts" in (await typed("memories", "search", "-c", path, *robin, "allergy")).stdout


async def fill(platform: Platform) -> None:
    await platform.takes(
        call(
            "My name is Robin Baker.", "I'm allergic to peanuts.", "I prefer email.", conversation_id="conv_1"
        )
    )
    await platform.settled((await platform.send(sample("audio_not_mp3"))).data["job_id"])


async def test_jobs_and_memories_with_the_daemon_and_without(tmp_path: Path) -> None:
    path = install(tmp_path)
    async with serving(path) as (platform, running):
        await fill(platform)
        await desk_story(path)
        failed = (await platform.api("GET", "/api/jobs?state=failed")).data["jobs"][0]["id"]
        told = await typed("jobs", "retry", "-c", path, "--failed")
        assert (told.returncode, told.stdout) == (0, "1 job queued again.\n")
        await platform.settled(failed)
        wrong = await typed("jobs", "list", "-c", path, ELAAOMS_ADMIN_TOKEN="x" * 32)
        assert (wrong.returncode, is_one_sentence(wrong.stderr)) == (1, True)
        running.terminate()
        assert await asyncio.to_thread(running.wait, 20) == 0
    await desk_story(path)
    cancelled = await typed("jobs", "cancel", "-c", path, failed)
    assert (cancelled.returncode, cancelled.stdout) == (0, f"Job {failed} is cancelled.\n")
    retried = await typed("jobs", "retry", "-c", path, failed)
    assert (retried.returncode, retried.stdout) == (0, f"Job {failed} is queued again.\n")
    async with serving(path) as (platform, _):
        assert (await platform.settled(failed))["state"] == "failed"


def test_a_place_without_data_is_one_sentence(tmp_path: Path) -> None:
    path = install(tmp_path)
    for arguments in (("jobs", "list"), ("memories", "list"), ("calls", "list")):
        told = elaaoms(*arguments, "-c", path)
        assert (told.returncode, is_one_sentence(told.stderr)) == (1, True)
    missing = elaaoms("jobs", "list", "-c", tmp_path / "none.toml")
    assert (missing.returncode, is_one_sentence(missing.stderr)) == (1, True)


async def test_calls_are_listed_shown_and_held(tmp_path: Path) -> None:
    path = install(tmp_path)
    async with serving(path) as (platform, _):
        await platform.takes(varied("inbound_twilio"))
        await platform.send(b"garbage")
        listed = json.loads((await beside("calls", "list", "-c", path, "--json")).stdout)
        assert [row["conversation_id"] for row in listed] == ["conv_0001harbour"]
        shown = json.loads((await beside("calls", "show", "-c", path, "conv_0001harbour")).stdout)
        assert shown["extraction_status"] == "completed"
        (held,) = json.loads((await beside("calls", "held", "-c", path, "--json")).stdout)
        assert (platform.data / held["path"]).read_bytes() == b"garbage"
        missing = await beside("calls", "show", "-c", path, "conv_none")
        assert (missing.returncode, is_one_sentence(missing.stderr)) == (1, True)


async def test_memories_show_prints_the_words_with_the_turns_around_them(tmp_path: Path) -> None:
    path = install(tmp_path)
    async with serving(path) as (platform, _):
        done = await platform.takes(call("My name is Robin Baker.", "My order XYZ-789 is late."))
        order = next(entry for entry in done["memories"] if "XYZ-789" in entry["content"])
        shown = await beside("memories", "show", order["id"], "-c", path)
        nothing = await beside("memories", "show", "mem_nothing", "-c", path)
    assert "My order XYZ-789 is late." in shown.stdout
    assert "My name is Robin Baker." in shown.stdout
    assert nothing.returncode == 1
    assert is_one_sentence(nothing.stderr)


async def test_audit_says_who_was_shown_what_with_the_daemon_and_without(tmp_path: Path) -> None:
    path = install(tmp_path)
    async with serving(path) as (platform, running):
        await platform.takes(call("I live in Leeds."))
        await platform.initiation()
        (memory,) = json.loads((await beside("memories", "list", "-c", path, "--json")).stdout)
        running.terminate()
        assert await asyncio.to_thread(running.wait, 20) == 0
    told = await typed("audit", "-c", path, ROBIN)
    assert told.returncode == 0
    assert "memory.shown" in told.stdout
    assert "call.remembered" in told.stdout
    shown = json.loads((await typed("audit", "-c", path, memory["id"], "--agent", AGENT, "--json")).stdout)
    assert [(row["actor"], row["action"]) for row in shown] == [(f"agent {AGENT}", "memory.shown")]
    seen = json.loads((await typed("audit", "-c", path, memory["id"], "--actor", "admin", "--json")).stdout)
    assert [row["action"] for row in seen] == ["memory.seen"]  # by the listing above
    assert (await typed("audit", "-c", path, "--since", "2999-01-01")).stdout == "Nothing is noted.\n"
    assert (await typed("audit", "-c", path, "--since", "soon")).returncode == 1
    assert (await typed("audit", "-c", path, "--agent", "a", "--actor", "b")).returncode == 2


def test_eval_retrieval_answers_with_the_keys_of_the_contract(tmp_path: Path) -> None:
    lines = [
        {"caller": "a", "key": "dog", "content": "The caller has a dog.", "event_date": "2026-05-01"},
        {"caller": "a", "key": "sofa", "content": "The sofa is green."},
        {"caller": "a", "query": "any pets", "relevant": ["dog"], "group": "kin"},
        {"caller": "a", "query": "tax return", "relevant": [], "group": "off_topic"},
    ]
    file = tmp_path / "set.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    done = CliRunner().invoke(main, ["eval", "retrieval", "--json", str(file)])
    report = json.loads(done.output)
    keys = {
        "n",
        "recall@5",
        "recall@10",
        "recall@20",
        "hit@5",
        "hit@10",
        "found",
        "mrr",
        "ndcg@10",
        "off_topic_silent",
    }
    assert keys <= set(report)
    assert (report["n"], report["mrr"], report["off_topic_silent"]) == (1, 1.0, 1.0)
    assert set(report["groups"]) == {"kin", "off_topic"}
    assert "±" in CliRunner().invoke(main, ["eval", "retrieval", str(file)]).output
