"""An embedding endpoint: vectors after the call, a better order within a deadline, and silence when it fails."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp.test_utils import TestServer
from attrs import evolve
from click.testing import CliRunner
from conftest import ADMIN_TOKEN, ROBIN, Platform, secrets, started
from fakes import KEY, FakeEmbeddings

from elaaoms.cli import main
from elaaoms.config import Config, EmbeddingSettings
from elaaoms.embed.openai import OpenAIEmbedder
from elaaoms.errors import ConfigError, ProviderBlocked, ServiceRejected, ServiceUnavailable

Serve = Callable[..., Awaitable[TestServer]]

BOAT = {"content": "The caller owns a red canoe.", "importance": 8}
LEEDS = {"content": "The caller lives in Leeds.", "importance": 8}


@pytest.fixture
def fake() -> FakeEmbeddings:
    return FakeEmbeddings()


@pytest.fixture
async def url(fake: FakeEmbeddings, aiohttp_server: Serve) -> str:
    return str((await aiohttp_server(fake.app)).make_url("/v1"))


@pytest.fixture
async def embedder(url: str) -> AsyncIterator[OpenAIEmbedder]:
    embedder = OpenAIEmbedder(model="tiny", base_url=url, api_key=KEY)
    yield embedder
    await embedder.close()


@pytest.fixture
def wired(config: Config, url: str) -> Config:
    """A daemon's settings with the endpoint; questions may take long on a busy machine."""
    settings = EmbeddingSettings(provider="openai", model="tiny", base_url=url, live_timeout_ms=5000)
    return evolve(config, embeddings=settings, server=evolve(config.server, live_timeout_ms=20_000))


def daemon(config: Config) -> Any:
    return started(config, given=secrets(embeddings_api_key=(KEY,)))


async def embedded(platform: Platform, count: int, *, numbers: int = 0) -> None:
    """Wait until so many memories have a vector (of so many numbers, or any)."""
    sized = f"SELECT count(*) FROM embeddings WHERE {numbers} IN (0, length(vector) / 2)"  # noqa: S608 - our number
    async with asyncio.timeout(20):
        while platform.sql(sized) != [(count,)]:
            assert platform.up is not None
            platform.up.services.queue.announce()
            await asyncio.sleep(0.01)


# -- the client -----------------------------------------------------------------------------


async def test_texts_become_unit_vectors_in_their_order(embedder: OpenAIEmbedder) -> None:
    canoe, kayak, order = await embedder.embed(["canoe", "kayak", "order"])
    assert [round(float(np.linalg.norm(v)), 4) for v in (canoe, kayak, order)] == [1, 1, 1]
    assert canoe @ kayak > 0.9 > canoe @ order


async def test_only_named_headers_and_what_is_needed_leave(
    embedder: OpenAIEmbedder, fake: FakeEmbeddings
) -> None:
    await embedder.embed(["canoe"])
    ((body, headers),) = fake.requests
    assert body == {"input": ["canoe"], "model": "tiny", "encoding_format": "float"}
    assert not [name for name in headers if name.casefold().startswith("x-")]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (500, ServiceUnavailable),
        (429, ServiceUnavailable),
        (401, ProviderBlocked),
        (404, ProviderBlocked),
        (400, ServiceRejected),
        ("html", ServiceUnavailable),
        ("nan", ServiceUnavailable),
        ("short", ServiceUnavailable),
        ("ragged", ServiceUnavailable),
        ("hangs", ServiceUnavailable),
    ],
)
async def test_every_fault_is_one_of_three_errors_that_quote_nothing(
    url: str, fake: FakeEmbeddings, fault: int | str, error: type[Exception]
) -> None:
    fake.fault = fault
    embedder = OpenAIEmbedder(model="tiny", base_url=url, api_key=KEY, timeout_s=0.2)
    with pytest.raises(error) as raised:
        await embedder.embed(["the canoe", "the kayak"])
    await embedder.close()
    assert KEY not in str(raised.value)
    assert "canoe" not in str(raised.value)


async def test_a_vector_of_another_length_than_asked_for_is_no_answer(url: str, fake: FakeEmbeddings) -> None:
    embedder = OpenAIEmbedder(model="tiny", base_url=url, api_key=KEY, dimensions=16)
    assert embedder.model == "tiny/16"
    assert len((await embedder.embed(["canoe"]))[0]) == 16
    fake.fault = "size"
    with pytest.raises(ServiceUnavailable, match="17 numbers"):
        await embedder.embed(["canoe"])
    await embedder.close()


def test_openai_wants_a_key_and_an_address_without_credentials() -> None:
    with pytest.raises(ConfigError, match="secrets/embeddings_api_key"):
        OpenAIEmbedder()
    with pytest.raises(ConfigError, match=r"embeddings\.base_url must not carry"):
        OpenAIEmbedder(base_url="https://user:pass@example.com/v1")


# -- in the daemon --------------------------------------------------------------------------


async def test_memories_are_embedded_behind_the_call_and_found_by_what_the_endpoint_knows(
    wired: Config, fake: FakeEmbeddings
) -> None:
    async with daemon(wired) as platform:
        await platform.knows(BOAT, LEEDS)
        await embedded(platform, 2)
        found = (await platform.search("qwixel")).json
        assert [entry["content"] for entry in found["memories"]] == [BOAT["content"]]
        fake.fault = 500
        assert not (await platform.search("qwixel")).json["found"]
        assert (await platform.search("red canoe")).json["found"]
        shown = (await platform.api("GET", f"/api/memories?caller=%2B{ROBIN[1:]}&q=canoe")).data
        assert shown["memories"][0]["content"] == BOAT["content"]


@pytest.mark.parametrize("fault", [500, 401, 400, "html", "nan", "short", "size", "hangs"])
async def test_whatever_the_endpoint_does_the_built_in_order_stands(
    wired: Config, fake: FakeEmbeddings, fault: int | str
) -> None:
    short = evolve(wired, embeddings=evolve(wired.embeddings, live_timeout_ms=100))
    async with daemon(short) as platform:
        await platform.knows(BOAT, LEEDS)
        await embedded(platform, 2)
        before = len(fake.requests)
        fake.fault = fault
        answers = [(await platform.search("red canoe")).json for _ in range(8)]
        assert {answer["memories"][0]["content"] for answer in answers} == {BOAT["content"]}
        asked = len(fake.requests) - before
        assert asked == (8 if fault == 400 else 1 if fault == 401 else 5)  # then the breaker is open


async def test_a_fault_while_embedding_leaves_the_memories_for_later(
    wired: Config, fake: FakeEmbeddings
) -> None:
    fake.fault = 503
    async with daemon(wired) as platform:
        await platform.knows(BOAT)
        await platform.until(
            "/health", lambda data: data["dependencies"]["embeddings"]["status"] == "degraded"
        )
        assert (await platform.search("red canoe")).json["found"]
        fake.fault = None
        answer = await platform.api("POST", "/api/memories/reembed")
        assert (answer.data["owed"], answer.data["total"]) == (0, 1)
        assert platform.count("embeddings") == 1
        healthy = (await platform.api("GET", "/health")).data
        assert healthy["dependencies"]["embeddings"] == {"status": "ok"}


async def test_a_text_that_is_refused_costs_the_others_nothing(wired: Config, fake: FakeEmbeddings) -> None:
    fake.refuses = frozenset({"canoe"})
    async with daemon(wired) as platform:
        await platform.knows(BOAT, LEEDS, {"content": "The caller has a dog."})
        await embedded(platform, 3)
        assert platform.sql("SELECT count(*) FROM embeddings WHERE vector = x''") == [(1,)]
        assert (await platform.search("red canoe")).json["found"]


async def test_another_model_is_never_compared_and_everything_is_embedded_again(
    wired: Config, fake: FakeEmbeddings
) -> None:
    async with daemon(wired) as platform:
        await platform.knows(BOAT, LEEDS)
        await embedded(platform, 2)
    fake.size = 96
    other = evolve(wired, embeddings=evolve(wired.embeddings, model="other"))
    async with daemon(other) as platform:
        await embedded(platform, 2, numbers=96)
        models = "SELECT DISTINCT embedding_models.model FROM embeddings JOIN embedding_models ON no = embeddings.model"
        assert platform.sql(models) == [("other",)]
        assert (await platform.search("qwixel")).json["found"]
    async with started(evolve(wired, embeddings=EmbeddingSettings())) as platform:
        await platform.knows({"content": "The caller has a dog."})
        assert (await platform.search("red canoe")).json["found"]
        assert platform.sql("SELECT count(*) FROM jobs WHERE kind = 'embed' AND state = 'available'") == [
            (0,)
        ]


async def test_a_model_that_changed_under_its_name_is_noticed_and_made_anew_on_demand(
    wired: Config, fake: FakeEmbeddings
) -> None:
    async with daemon(wired) as platform:
        await platform.knows(BOAT)
        await embedded(platform, 1)
        fake.size = 32
        await platform.knows(LEEDS)
        refused = await platform.api("POST", "/api/memories/reembed")
        assert refused.status == 502
        assert "reembed --all" in refused.json["message"]
        anew = await platform.api("POST", "/api/memories/reembed", {"all": True})
        assert (anew.status, anew.data["owed"]) == (200, 0)
        assert platform.sql("SELECT DISTINCT length(vector) FROM embeddings") == [(64,)]


async def test_a_vector_goes_with_its_memory_and_with_its_words(wired: Config) -> None:
    async with daemon(wired) as platform:
        await platform.knows(BOAT, LEEDS)
        await embedded(platform, 2)
        blobs = [bytes(blob) for (blob,) in platform.sql("SELECT vector FROM embeddings")]
        (boat,) = (memory for memory in await platform.memories() if "canoe" in memory["content"])
        assert (await platform.api("DELETE", f"/api/memories/{boat['id']}")).status == 200
        await embedded(platform, 1)
        assert (await platform.api("DELETE", f"/api/callers/%2B{ROBIN[1:]}")).status == 200
        assert platform.count("embeddings") == 0
        left = b"".join(path.read_bytes() for path in platform.data.rglob("*") if path.is_file())
        assert not [blob for blob in blobs if blob in left]
        assert platform.sql("SELECT count(*) FROM jobs WHERE unique_key LIKE 'caller_%'") == [(0,)]


async def test_what_the_policy_hides_does_not_leave_the_house(wired: Config, fake: FakeEmbeddings) -> None:
    async with daemon(wired) as platform:
        await platform.knows(BOAT)
        await embedded(platform, 1)
        await platform.search("is 4111 1111 1111 1111 her card")
        assert fake.texts
        assert not [text for text in fake.texts if "4111" in text]


async def test_reembed_reports_how_far_it_is(wired: Config, fake: FakeEmbeddings, tmp_path: Path) -> None:
    async with daemon(wired) as platform:
        await platform.knows(BOAT, LEEDS)
        await embedded(platform, 2)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "embeddings_api_key").write_text(KEY)
    settings = wired.embeddings
    (tmp_path / "elaaoms.toml").write_text(
        f'data_dir = "data"\n[embeddings]\nprovider = "openai"\nmodel = "next"\nbase_url = "{settings.base_url}"\n'
    )
    command = ["memories", "reembed", "-c", str(tmp_path / "elaaoms.toml")]
    result = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert (result.exit_code, result.stdout) == (0, "2 memories have a vector of next.\n"), result.output
    with closing(sqlite3.connect(tmp_path / "data" / "elaaoms.db")) as database:
        assert database.execute("SELECT count(*) FROM embeddings").fetchone() == (2,)


async def test_eval_measures_the_endpoint_beside_the_table(wired: Config, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "embeddings_api_key").write_text(KEY)
    (tmp_path / "elaaoms.toml").write_text(
        f'[embeddings]\nprovider = "openai"\nmodel = "tiny"\nbase_url = "{wired.embeddings.base_url}"\n'
    )
    lines = [
        {"caller": "a", "key": "k", "content": BOAT["content"]},
        {"caller": "a", "query": "qwixel", "relevant": ["k"]},
    ]
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, lines)))
    command = [
        "eval",
        "retrieval",
        "--json",
        "-c",
        str(tmp_path / "elaaoms.toml"),
        str(tmp_path / "set.jsonl"),
    ]
    result = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["embedder"], report["found"], report["baselines"]["builtin"]["found"]) == (
        "tiny",
        1.0,
        0.0,
    )


async def test_without_an_endpoint_there_is_nothing_to_embed(platform: Platform) -> None:
    answer = await platform.api("POST", "/api/memories/reembed")
    assert answer.status == 409
    assert ADMIN_TOKEN not in answer.body.decode()
