"""What the operator's monitoring sees: numbers of everything that may go wrong, and nothing of who called."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer
from attrs import evolve
from conftest import ROBIN, Platform, call, secrets, started
from fakes import KEY, FakeLanguageModels, fails
from prometheus_client.parser import text_string_to_metric_families

from elaaoms.config import Config, Llm, OpenAISettings
from elaaoms.errors import StorageUnavailable


async def series(platform: Platform) -> dict[str, float]:
    """Every series of `/metrics` with its value, like `name{label="value"}`."""
    answer = await platform.request("GET", f"{platform.admin_url}/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {
        sample.name
        + ("{" + ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items())) + "}")
        * bool(sample.labels): (sample.value)
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


async def test_a_call_is_counted_from_its_arrival_to_its_memories(platform: Platform) -> None:
    event = call("My order XYZ-789 has not arrived.")
    await platform.takes(event)
    await platform.send(event)
    await platform.send(b'{"type": "nothing that is known"')
    await platform.send(event, secret="wsec_not_ours_not_ours_not_ours_not")
    await platform.search("order")
    found = await series(platform)
    assert found['elaaoms_events_total{outcome="accepted",type="transcription"}'] == 1
    assert found['elaaoms_events_total{outcome="duplicate",type="transcription"}'] == 1
    assert found['elaaoms_events_total{outcome="held",type="other"}'] == 1
    assert found["elaaoms_signatures_refused_total"] == 1
    assert found["elaaoms_held"] == found["elaaoms_calls"] == found["elaaoms_callers"] == 1
    assert found['elaaoms_extractions_total{outcome="completed"}'] == 1
    assert found['elaaoms_job_seconds_count{kind="remember",state="completed"}'] == 1
    search = '{method="POST",route="/webhook/search-memory",status="200"}'
    assert found[f"elaaoms_request_seconds_count{search}"] == 1
    writes = 'elaaoms_dependency_seconds_count{dependency="database",operation="write",outcome="ok"}'
    assert found[writes] >= 2
    assert found["elaaoms_database_readable"] == 1
    assert found["elaaoms_database_bytes"] > 0
    assert found["elaaoms_disk_free_bytes"] > 0
    assert found["elaaoms_job_oldest_seconds"] == 0


async def test_labels_hold_nothing_that_a_client_chooses(platform: Platform) -> None:
    await platform.request("PROPFIND", f"{platform.url}/pot/{ROBIN[1:]}")
    await platform.api("GET", f"/api/callers/%2B{ROBIN[1:]}")
    await platform.send(call("I live in Leeds.", conversation_id="conv_secret", agent_id="agent_secret"))
    text = (await platform.request("GET", f"{platform.admin_url}/metrics")).body.decode()
    assert ROBIN[1:] not in text
    assert "secret" not in text
    assert "PROPFIND" not in text
    assert 'method="other",route="unmatched"' in text


async def test_a_language_model_is_timed_and_charged(config: Config) -> None:
    fake = FakeLanguageModels(lambda asked: {"memories": []}).then(fails(503))
    async with TestServer(fake.app) as server:
        models = OpenAISettings(
            base_url=f"{str(server.make_url('')).rstrip('/')}/v1", price_in=1, price_out=5
        )
        config = evolve(config, llm=Llm(provider="openai", openai=models))
        async with started(config, given=secrets(openai_api_key=(KEY,))) as platform:
            job = (await platform.send(call("I live in Leeds."))).data["job_id"]
            await platform.until(f"/api/jobs/{job}", lambda job: job["errors"])
            waiting = await series(platform)
            await platform.api("POST", f"/api/jobs/{job}/retry")
            await platform.settled(job)
            done = await series(platform)
    assert waiting['elaaoms_jobs{kind="remember",state="available"}'] == 1
    took = 'elaaoms_dependency_seconds_count{{dependency="openai",operation="memories",outcome="{}"}}'
    assert (waiting[took.format("unavailable")], done[took.format("ok")]) == (1, 1)
    assert 'elaaoms_jobs{kind="remember",state="available"}' not in done
    (spent,) = [value for name, value in done.items() if name.startswith("elaaoms_llm_cost_usd_total")]
    assert spent > 0
    assert any(value for name, value in done.items() if 'kind="output"' in name and "tokens_total" in name)
    assert done['elaaoms_extractions_total{outcome="nothing"}'] == 1


async def test_whatever_is_watched_is_asked_at_each_look(platform: Platform, daemon: Any) -> None:
    answers = iter([12.5])

    async def lag() -> float:
        for seconds in answers:
            return seconds
        raise StorageUnavailable("not now")

    daemon.services.metrics.watch("elaaoms_outbox_lag_seconds", "How late the outbox is", lag)
    assert (await series(platform))["elaaoms_outbox_lag_seconds"] == 12.5
    assert str((await series(platform))["elaaoms_outbox_lag_seconds"]) == "nan"


async def test_beyond_loopback_the_metrics_are_the_operators_alone(config: Config) -> None:
    open_house = evolve(config, server=evolve(config.server, admin_host="0.0.0.0"))  # noqa: S104
    async with started(open_house) as platform:
        assert (await platform.request("GET", f"{platform.admin_url}/metrics")).status == 401
        assert (await platform.api("GET", "/metrics")).status == 200
        assert (await platform.request("GET", f"{platform.url}/metrics")).status == 404


async def test_the_dashboard_of_grafana_asks_only_for_series_that_exist(platform: Platform) -> None:
    board = json.loads((Path(__file__).parent.parent / "docs" / "grafana.json").read_text())
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b(?:elaaoms|process)_\w+", target["expr"])
    }
    await platform.takes(call("I live in Leeds."))
    text = (await platform.request("GET", f"{platform.admin_url}/metrics")).body.decode()
    known = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    missing = {name for name in asked if re.sub(r"_(bucket|count|sum)$", "", name) not in known}
    assert asked
    assert not missing
