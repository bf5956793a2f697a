"""What a provider does to a job: stored, nothing, failed, tried again or blocked, through the real SDKs."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import fakes
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from attrs import frozen
from conftest import Platform, call
from fakes import KEY, Asked, Behaviour, FakeLanguageModels, fails, says
from test_cli import lines, typed
from test_daemon import install, serving
from test_extraction import HOME, INVENTED, LINES, ORDER, SOMEBODY, daemon, memory, told

ELSEWHERE = memory("The caller's order XYZ-789 is late.", "My order XYZ-789 is late", 2)
LATER = "My dog is called Waffles."
LAST = memory("The caller has a dog called Waffles.", "My dog is called Waffles", 44)
UNSAID = memory("The caller has a boat.", "I have a boat", 1)
PROSE = f"Here is what I found:\n```json\n{json.dumps({'memories': [ORDER]})}\n```\nAnything else?"


@pytest.fixture(params=["openai", "anthropic"])
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@frozen
class Case:
    """What the provider does, and what becomes of the job."""

    behaviours: tuple[Behaviour, ...]
    outcome: Literal["stored", "nothing", "failed", "retried", "blocked"]
    reason: str = ""  # within the job's error, or the reason of what was dropped
    wait_s: float | None = None  # until the next attempt, where it is not the schedule's minute
    asked: int = 1


def answers(*memories: dict[str, Any]) -> Behaviour:
    return says(json.dumps({"memories": list(memories)}))


CASES: Mapping[str, Case] = {
    "answers well": Case((answers(ORDER, HOME),), "stored"),
    "finds nothing": Case((answers(),), "nothing"),
    "hallucinates a number": Case((answers(INVENTED),), "nothing", "number not in evidence"),
    "hallucinates words": Case((answers(UNSAID),), "nothing", "quote not found"),
    "invents a name": Case((answers(SOMEBODY),), "nothing", "name not in evidence"),
    "cites the wrong turn": Case((answers(ELSEWHERE),), "nothing", "quote not found"),
    "talks around the JSON": Case((says(PROSE),), "stored"),
    "talks, then answers": Case((says("Sure, I can do that!"), answers(ORDER)), "stored", asked=2),
    "talks": Case((says("Sure!"), says("Of course!")), "retried", "not the JSON", asked=2),
    "answers JSON of another shape": Case((says("[1]"), says('{"facts": []}')), "retried", "JSON", asked=2),
    "is cut off": Case((says('{"memories": [{"con', end="length"),), "failed", "stopped before the end"),
    "refuses": Case((fakes.refuses(),), "failed", "declined"),
    "is filtered": Case((says("", end="filter"),), "failed", "declined"),
    "says nothing": Case((says(""),), "retried", "empty answer"),
    "answers half a JSON with 200": Case((fakes.returns(b'{"id": "r'),), "retried", "not JSON"),
    "shows a page with 200": Case((fakes.html(),), "retried", "not its protocol"),
    "answers another program's JSON": Case((fakes.returns({"ok": True}),), "retried", "not its protocol"),
    "400": Case((fails(400),), "failed", "400"),
    "401": Case((fails(401),), "blocked", "the key is refused"),
    "402": Case((fails(402),), "blocked", "no credit"),
    "403": Case((fails(403),), "blocked", "not permitted"),
    "404": Case((fails(404),), "blocked", "unknown"),
    "408": Case((fails(408),), "retried", "408"),
    "409": Case((fails(409),), "retried", "409"),
    "413": Case((fails(413),), "failed", "413"),
    "429": Case((fails(429),), "retried", "429"),
    "429 for less than the schedule": Case((fails(429, headers={"Retry-After": "5"}),), "retried", "429", 60),
    "429 for an hour and a half": Case(
        (fails(429, headers={"Retry-After": "5400"}),), "retried", "429", 5400
    ),
    "429 until a date": Case(
        (
            fails(
                429,
                headers={
                    "Retry-After": "Sun, 22 Nov 2026 12:00:00 GMT",
                    "Date": "Sun, 22 Nov 2026 10:00:00 GMT",
                },
            ),
        ),
        "retried",
        "429",
        7200,
    ),
    "429 for a month": Case((fails(429, headers={"Retry-After": "2592000"}),), "retried", "429", 86400),
    "has no quota": Case((fails(429, "insufficient_quota"),), "blocked", "insufficient_quota"),
    "500": Case((fails(500),), "retried", "500"),
    "500 as a page": Case((fakes.html(500),), "retried", "500"),
    "503": Case((fails(503),), "retried", "503"),
    "529": Case((fails(529),), "retried", "529"),
    "redirects": Case((fakes.redirects("http://127.0.0.1:9/"),), "blocked", "redirects"),
    "drops the connection": Case((fakes.drops(),), "retried", "cannot be reached"),
    "drops it within the answer": Case((fakes.cuts(),), "retried", "cannot be reached"),
    "speaks no HTTP": Case((fakes.babbles(),), "retried", "cannot be reached"),
}


async def test_what_a_provider_does_to_a_job(
    tmp_path: Path, provider: str, subtests: pytest.Subtests
) -> None:
    """One daemon for all that leaves the provider usable, with a good answer now and then to keep its breaker
    closed; and one for each case that blocks it."""
    usable = {name: case for name, case in CASES.items() if case.outcome != "blocked"}
    fake = FakeLanguageModels(told(ORDER))
    async with daemon(tmp_path, fake, provider) as platform:
        for number, (name, case) in enumerate(usable.items()):
            if number % 4 == 3:
                await platform.takes(
                    call(*LINES, conversation_id=f"good_{number}", number=f"+120255501{number + 10}")
                )
            with subtests.test(name):
                await plays(platform, fake, provider, case, number)
    for name in CASES.keys() - usable.keys():
        fake = FakeLanguageModels(told(ORDER))
        async with daemon(tmp_path / name, fake, provider) as platform:
            with subtests.test(name):
                await plays(platform, fake, provider, CASES[name], 1)


async def plays(platform: Platform, fake: FakeLanguageModels, provider: str, case: Case, number: int) -> None:
    """One call of a caller of its own, and what must have become of it."""
    before = len(fake.requests)
    fake.then(*case.behaviours)
    sent = await platform.send(
        call(*LINES, conversation_id=f"conv_{number}", number=f"+120255501{number + 10}")
    )
    path = f"/api/jobs/{sent.data['job_id']}"
    job = await platform.until(path, lambda job: job["errors"] or job["finished_at"])
    fake.script.clear()
    assert len(fake.requests) - before == case.asked
    done = (await platform.api("GET", f"/api/calls/conv_{number}")).data
    health = (await platform.request("GET", f"{platform.url}/health")).data["dependencies"]["extraction"]
    if case.outcome in ("stored", "nothing"):
        assert done["extraction_status"] == {"stored": "completed", "nothing": "nothing"}[case.outcome]
        assert bool(done["memories"]) is (case.outcome == "stored")
        assert {entry["reason"] for entry in done["dropped"]} == ({case.reason} if case.reason else set())
        assert (job["state"], job["errors"]) == ("completed", [])
        return
    assert done["memories"] == []
    (error,) = job["errors"]
    assert case.reason in error["reason"], error
    assert KEY not in error["reason"]
    if case.outcome == "failed":
        assert (job["state"], done["extraction_status"]) == ("failed", "failed")
        return
    assert (job["state"], done["extraction_status"]) == ("available", "queued")
    wait_s = moment(job["run_at"]) - moment(error["at"])
    if case.outcome == "retried":
        assert (job["attempt"], health["status"]) == (1, "ok")
        assert wait_s == pytest.approx(case.wait_s or 60, abs=2)
    else:
        assert (job["attempt"], health["status"]) == (0, "degraded")
        assert case.reason in health["blocked"][provider]
        assert wait_s == pytest.approx(300, abs=2)


def moment(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


async def test_a_provider_that_hangs_or_drips_is_given_up_in_time(tmp_path: Path, provider: str) -> None:
    fake = FakeLanguageModels(told(ORDER)).then(fakes.hangs(), fakes.drips())
    async with daemon(tmp_path, fake, provider, timeout_s=1) as platform:
        for number in (1, 2):
            await platform.send(call(*LINES, conversation_id=f"conv_{number}", number=f"+1202555010{number}"))
        for number in (1, 2):
            job = await platform.until(f"/api/jobs/{number}", lambda job: job["errors"])
            assert (job["state"], job["attempt"]) == ("available", 1)
            assert "did not answer within 1 s" in job["errors"][0]["reason"]


async def test_a_cut_answer_about_a_long_call_is_asked_for_in_halves(tmp_path: Path, provider: str) -> None:
    cut = says('{"memories": [{"con', end="length")
    fake = FakeLanguageModels(told(ORDER)).then(cut, answers(ORDER), answers())
    small_talk = [f"And the weather is nice, number {n}." for n in range(12)]
    async with daemon(tmp_path, fake, provider) as platform:
        done = await platform.takes(call(*LINES, *small_talk))
    assert [entry["content"] for entry in done["memories"]] == [ORDER["content"]]
    assert len(fake.requests) == len(done["charges"]) == 3
    assert all(charge["usd"] > 0 for charge in done["charges"])


# -- what waits, and what it costs ---------------------------------------------------------


async def test_who_waits_behind_an_open_breaker_burns_no_attempt(tmp_path: Path, provider: str) -> None:
    fake = FakeLanguageModels(told(ORDER)).then(*(fails(503) for _ in range(5)))
    async with daemon(tmp_path, fake, provider) as platform:
        for number in range(7):  # five open the breaker
            sent = await platform.send(
                call(*LINES, conversation_id=f"conv_{number}", number=f"+1202555010{number}")
            )
            path = f"/api/jobs/{sent.data['job_id']}"
            job = await platform.until(path, lambda job: job["errors"])
            error = job["errors"][0]
            wait_s = moment(job["run_at"]) - moment(error["at"])
            if number < 5:
                assert (job["attempt"], wait_s) == (1, pytest.approx(60, abs=2))
            else:
                assert (job["state"], job["attempt"]) == ("available", 0)
                assert wait_s == pytest.approx(30, abs=3)
                assert "failed too often" in error["reason"]
        health = (await platform.request("GET", f"{platform.url}/health")).data
    assert len(fake.requests) == 5
    assert health["dependencies"]["extraction"]["status"] == "degraded"


async def test_what_was_paid_is_in_the_ledger_although_nobody_helped(tmp_path: Path, provider: str) -> None:
    other = {"openai": "anthropic", "anthropic": "openai"}[provider]
    fake = FakeLanguageModels().then(fakes.refuses(), fails(503))
    async with daemon(tmp_path, fake, provider, fallback=(other,)) as platform:
        await platform.send(call(*LINES))
        job = await platform.until("/api/jobs/1", lambda job: job["errors"])
        done = (await platform.api("GET", "/api/calls/conv_test")).data
        usage = (await platform.api("GET", "/api/usage?days=1")).data
    assert (job["state"], job["attempt"]) == ("available", 1)
    (charge,) = done["charges"]
    assert charge["provider"] == provider
    assert charge["usd"] > 0
    (row,) = usage["usage"]
    assert (row["provider"], row["answers"], row["calls"]) == (provider, 1, 1)
    assert row["input_tokens"] == charge["input_tokens"] > 0
    assert usage["usd"] == usage["today"]["spent_usd"] == pytest.approx(charge["usd"])


async def test_the_ledger_is_shown_by_day_and_what_the_budget_leaves(tmp_path: Path, provider: str) -> None:
    fake = FakeLanguageModels(told(ORDER)).then(says("Hm?"))
    async with daemon(tmp_path, fake, provider, daily_budget_usd=100) as platform:
        await platform.takes(call(*LINES))
        await platform.takes(call(*LINES, conversation_id="conv_2"))
        platform.sql("UPDATE charges SET at = at - 86400 WHERE conversation_id = 'conv_2'")
        platform.sql("UPDATE charges SET at = at - 864000 WHERE id = (SELECT min(id) FROM charges)")
        week = (await platform.api("GET", "/api/usage")).data
        month = (await platform.api("GET", "/api/usage?days=30")).data
        for wrong in ("days=0", "days=x", "days=4000", "day=1"):
            assert (await platform.api("GET", f"/api/usage?{wrong}")).status == 400
        assert (await platform.request("GET", f"{platform.admin_url}/api/usage")).status == 401
    assert [(row["answers"], row["calls"]) for row in week["usage"]] == [(1, 1), (1, 1)]
    assert [row["day"] for row in week["usage"]] == sorted(
        (row["day"] for row in week["usage"]), reverse=True
    )
    assert len(month["usage"]) == 3
    today = week["today"]
    assert today["spent_usd"] + today["left_usd"] == pytest.approx(today["daily_budget_usd"]) == 100
    assert today["paused"] is None


async def test_health_says_at_once_that_the_budget_is_used_up(tmp_path: Path, provider: str) -> None:
    fake = FakeLanguageModels(told(ORDER))
    async with daemon(tmp_path, fake, provider, daily_budget_usd=1e-6) as platform:
        await platform.takes(call(*LINES))
        health = (await platform.request("GET", f"{platform.url}/health")).data
        platform.sql("UPDATE charges SET at = at - 86400")
        tomorrow = (await platform.request("GET", f"{platform.url}/health")).data
    assert health["status"] == "degraded"
    assert "llm.daily_budget_usd" in health["dependencies"]["extraction"]["reason"]
    assert tomorrow["status"] == "healthy"


async def test_usage_prints_the_ledger(tmp_path: Path) -> None:
    path = installed(tmp_path, "http://127.0.0.1:9")
    text = path.read_text()
    assert (await typed("usage", "-c", path)).returncode == 1  # there is nothing yet
    async with serving(path) as (platform, _):
        platform.sql(
            "INSERT INTO charges (at, conversation_id, provider, model, input_tokens, cached_tokens, output_tokens, usd)"
            " VALUES (unixepoch(), 'conv_1', 'openai', 'gpt-6-luna', 1200, 200, 90, 0.25)"
        )
        said = await typed("usage", "-c", path)
        as_json = json.loads((await typed("usage", "-c", path, "--json", "--days", 1)).stdout)
    assert said.stdout.splitlines()[1].split()[1:] == [
        "openai", "gpt-6-luna", "1", "1", "1200", "200", "90", "0.2500",
    ]  # fmt: skip
    assert as_json["usd"] == 0.25
    path.write_text(text.replace("daily_budget_usd = 0", "daily_budget_usd = 1"))
    assert "0.7500 are left" in (await typed("usage", "-c", path)).stdout
    path.write_text(text.replace("daily_budget_usd = 0", "daily_budget_usd = 0.2"))
    assert "Paused: 0.25 of 0.20 US dollars" in (await typed("usage", "-c", path)).stdout


# -- check --live ----------------------------------------------------------------------------


def installed(
    folder: Path, url: str, *, provider: str = "openai", fallback: str = "", **more: object
) -> Path:
    """An installation whose providers are at `url`."""
    path = install(folder, timeout_s=1, **more)
    text = path.read_text().replace('provider = "rules"', f'provider = "{provider}"')
    text = text.replace("fallback = []", f"fallback = [{fallback}]")
    before, openai, anthropic = (
        text.partition("[llm.openai]")[0],
        *text.split("[llm.openai]")[1].split("[llm.anthropic]"),
    )
    openai = openai.replace('base_url = ""', f'base_url = "{url}/v1"')
    anthropic = anthropic.replace('base_url = ""', f'base_url = "{url}"', 1)
    path.write_text(f"{before}[llm.openai]{openai}[llm.anthropic]{anthropic}")
    for name in ("openai", "anthropic"):
        secret = folder / "secrets" / f"{name}_api_key"
        secret.write_text(KEY)
        secret.chmod(0o600)
    return path


LIVE: Mapping[str, tuple[Behaviour, str, str]] = {
    "works": (fakes.says('{"ok": true}'), "ok", "answered in"),
    "thinks too long for a test": (fakes.says("{", end="length"), "ok", "answered in"),
    "refuses": (fakes.refuses(), "ok", "answered in"),
    "bad key": (fails(401), "fail", "secrets/{}_api_key"),
    "unknown model": (fails(404), "fail", "llm.{}.model is "),
    "no quota": (fails(429, "insufficient_quota"), "fail", "top the account up"),
    "no credit": (fails(402), "fail", "top the account up"),
    "busy": (fails(429), "warn", "jobs wait"),
    "down": (fails(503), "fail", "jobs wait"),
    "a page": (fakes.html(), "fail", "a proxy or a login page answers: look at llm.{}.base_url"),
    "another program": (fakes.returns({"ok": True}), "fail", "a proxy or a login page"),
    "a redirect": (fakes.redirects("http://127.0.0.1:9/"), "fail", "llm.{}.base_url must be the API itself"),
    "drops": (fakes.drops(), "fail", "the network and the firewall"),
    "hangs": (fakes.hangs(), "fail", "raise llm.timeout_s"),
    "no schemas": (fails(400), "fail", "JSON schemas"),
}


async def test_check_live_asks_each_provider_and_says_how_to_mend_it(
    tmp_path: Path, provider: str, subtests: pytest.Subtests
) -> None:
    fake = FakeLanguageModels()
    async with TestServer(fake.app) as server:
        path = installed(tmp_path, str(server.make_url("")).rstrip("/"), provider=provider)
        for name, (behaviour, status, text) in LIVE.items():
            fake.then(behaviour)
            with subtests.test(name):
                said = await typed("check", "-c", path, "--live")
                (line,) = [line for line in said.stdout.splitlines() if line.split()[1] == provider]
                assert line.split()[0] == status
                assert text.format(provider) in line
                assert (said.returncode == 1) is (status == "fail")
                assert KEY not in said.stdout + said.stderr
    assert len(fake.requests) == len(LIVE)


async def test_check_live_asks_the_fallback_too_and_without_it_nobody_is_asked(tmp_path: Path) -> None:
    fake = FakeLanguageModels(lambda asked: {"ok": True})
    async with TestServer(fake.app) as server:
        path = installed(tmp_path, str(server.make_url("")).rstrip("/"), fallback='"anthropic"')
        assert "openai" not in lines(await typed("check", "-c", path))
        assert fake.requests == []
        found = lines(await typed("check", "-c", path, "--live"))
        assert (found["openai"], found["anthropic"]) == ("ok", "ok")
        assert [asked.api for asked in fake.requests] == ["chat", "messages"]
        (tmp_path / "secrets" / "anthropic_api_key").unlink()
        path.write_text(path.read_text().replace(str(server.make_url("")).rstrip("/") + '"', '"'))
        missing = await typed("check", "-c", path, "--live")
    assert "put it into secrets/anthropic_api_key" in missing.stdout


async def test_check_live_says_when_nobody_is_there(tmp_path: Path, provider: str) -> None:
    path = installed(tmp_path, f"http://127.0.0.1:{unused_port()}", provider=provider)
    said = await typed("check", "-c", path, "--live")
    assert (said.returncode, lines(said)[provider]) == (1, "fail")
    assert "cannot be reached" in said.stdout


# -- killed between the answer and the commit ---------------------------------------------------


async def test_killed_between_the_last_answer_and_the_commit_the_call_is_read_again_and_stored_once(
    tmp_path: Path, provider: str
) -> None:
    """A call in two pieces: the first answer is in the ledger, the second is out, and nothing can be committed
    any more, because the database is locked from before that answer until the process is dead."""
    fake = FakeLanguageModels(lambda asked: {"memories": [ORDER] if "XYZ-789" in asked.user else [LAST]})
    talk = call(
        *LINES, *(f"The weather is fine and I have nothing to add to that, {n}." for n in range(40)), LATER
    )
    async with TestServer(fake.app) as server:
        path = installed(tmp_path, str(server.make_url("")).rstrip("/"), provider=provider)
        path.write_text(path.read_text().replace("chunk_tokens = 10000", "chunk_tokens = 800"))
        async with serving(path) as (platform, running):
            with closing(sqlite3.connect(platform.data / "elaaoms.db", isolation_level=None)) as lock:

                async def kills(
                    fake: FakeLanguageModels, request: web.Request, asked: Asked
                ) -> web.StreamResponse:
                    lock.execute("BEGIN IMMEDIATE")
                    answer = await fakes.good()(fake, request, asked)
                    await answer.prepare(request)
                    await answer.write_eof()
                    running.kill()
                    return answer

                fake.then(fakes.good(), kills)
                assert (await platform.send(talk)).status == 200
                assert await asyncio.to_thread(running.wait, 20) == -signal.SIGKILL
            assert len(fake.requests) == 2
            assert [platform.count(table) for table in ("charges", "facts", "memories")] == [1, 0, 0]
            assert platform.sql("SELECT state, attempt FROM jobs") == [("running", 1)]
        async with serving(path) as (platform, _):
            done = await platform.processed("conv_test")
            job = (await platform.api("GET", "/api/jobs/1")).data
            greeted = (await platform.initiation()).variables
            assert platform.count("jobs") == 1
            assert platform.count("facts") == platform.count("memories") == 2
    assert {entry["content"] for entry in done["memories"]} == {ORDER["content"], LAST["content"]}
    assert all(entry["reinforcements"] == 0 for entry in done["memories"])
    assert (job["state"], job["attempt"]) == ("completed", 2)
    assert greeted["caller_known"] is True
    assert len(fake.requests) == 4
    assert len(done["charges"]) == 3  # each answer that was received before and after the crash
