"""What an operator does while a call is being read: a merge and an erasure hold for it too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import define, field
from conftest import ROBIN, Platform, call, secrets, started
from fakes import KEY, Asked, FakeLanguageModels, good

from elaaoms.config import Config, Llm, OpenAISettings, Server

ANNA = "+12025550177"
LINE = "I live in Zanzibarstrasse."


@define
class Slow:
    """A language model that thinks until it is told to go on."""

    begun: asyncio.Event = field(factory=asyncio.Event)
    go_on: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(
        self, fake: FakeLanguageModels, request: web.Request, asked: Asked
    ) -> web.StreamResponse:
        self.begun.set()
        async with asyncio.timeout(20):
            await self.go_on.wait()
        return await good()(fake, request, asked)


@asynccontextmanager
async def reading(tmp_path: Path) -> AsyncIterator[tuple[Platform, Slow]]:
    """A daemon whose language model is at work on Anna's call, while Robin is known."""
    home = {
        "content": "The caller lives in Zanzibarstrasse.",
        "quote": LINE.rstrip("."),
        "turn": 1,
        "category": "factual",
        "importance": 6,
        "event_date": None,
        "known": None,
        "relation": "new",
    }
    fake, slow = FakeLanguageModels(lambda asked: {"memories": [home]}), Slow()
    async with TestServer(fake.app) as server:
        models = OpenAISettings(base_url=str(server.make_url("/v1")))
        config = Config(
            data_dir=str(tmp_path / "data"),
            server=Server(port=0, admin_port=0),
            llm=Llm(provider="openai", openai=models),
        )
        async with started(config, given=secrets(openai_api_key=(KEY,))) as platform:
            await platform.knows({"content": "The caller likes tea."})
            await platform.knows({"content": "The caller plays the tuba."}, caller=ANNA)
            fake.then(slow)
            await platform.send(call(LINE, conversation_id="conv_anna", number=ANNA))
            async with asyncio.timeout(20):
                await slow.begun.wait()
            yield platform, slow


async def merged(platform: Platform) -> None:
    answer = await platform.api("POST", f"/api/callers/{quote(ANNA)}/merge", {"into": ROBIN})
    assert answer.status == 200, answer.body


async def test_a_call_that_is_read_during_a_merge_is_the_other_callers(tmp_path: Path) -> None:
    async with reading(tmp_path) as (platform, slow):
        await merged(platform)
        slow.go_on.set()
        await platform.processed("conv_anna")
        (robin,) = (await platform.api("GET", "/api/callers")).data["callers"]
        assert (robin["address"], robin["calls"]) == (ROBIN, 1)
        found = {memory["content"]: memory["caller"] for memory in await platform.memories()}
        assert found["The caller lives in Zanzibarstrasse."] == robin["caller"]
        assert set(found.values()) == {robin["caller"]}
        assert "Zanzibarstrasse" in (await platform.initiation()).variables["caller_memory"]


@pytest.mark.parametrize("merge", [False, True])
async def test_an_erasure_waits_for_the_call_that_is_read_and_takes_it_along(
    tmp_path: Path, merge: bool
) -> None:
    async with reading(tmp_path) as (platform, slow):
        if merge:
            await merged(platform)
        number = ROBIN if merge else ANNA
        erasing = asyncio.create_task(platform.api("DELETE", f"/api/callers/{quote(number)}"))
        open_one = await platform.until("/api/erasures", lambda data: bool(data["erasures"]))
        assert open_one["erasures"][0]["finished_at"] is None
        slow.go_on.set()
        receipt: dict[str, Any] = (await erasing).data
        assert receipt["removed"]["calls"] == 1
        left = {memory["content"] for memory in await platform.memories()}
        assert left == (set() if merge else {"The caller likes tea."})
        data = b"".join(path.read_bytes() for path in platform.data.rglob("*") if path.is_file())
        assert b"Zanzibarstrasse" not in data
        assert ANNA[1:].encode() not in data


async def test_two_merges_at_once_make_no_ring(platform: Platform) -> None:
    await platform.knows({"content": "The caller likes tea."})
    await platform.knows({"content": "The caller plays the tuba."}, caller=ANNA)
    there, back = await asyncio.gather(
        platform.api("POST", f"/api/callers/{quote(ANNA)}/merge", {"into": ROBIN}),
        platform.api("POST", f"/api/callers/{quote(ROBIN)}/merge", {"into": ANNA}),
    )
    assert sorted((there.status, back.status)) == [200, 409]
    (one,) = (await platform.api("GET", "/api/callers")).data["callers"]
    assert {memory["caller"] for memory in await platform.memories()} == {one["caller"]}
