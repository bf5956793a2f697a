"""How fast the dashboard is when much is stored: `python -m tests.bench.pages [--calls 100000] [--each 5]`.

Every page is asked for alone, and while callers ring a hundred times a second; the goal is 100 ms. A call of the
bare event loop (`/health` of another daemon would wait for its disk) says how busy the machine was meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from tests.bench.load import paced, request
from tests.bench.stored import ASKED, asked_number, populate
from tests.processes import ADMIN_TOKEN, TOOL_TOKEN, Address, configure, daemon, ready

GOAL_MS = 100
ROUNDS = 15
LOAD_S = 2.0


async def main(calls: int, each: int, folder: Path) -> None:
    """Fill a database, start a daemon on it, look at every page."""
    data = folder / "data"
    began = time.monotonic()
    await populate(data, calls, each=each)
    print(f"# {calls} calls and {calls * each} memories in {time.monotonic() - began:.0f} s")
    process = await daemon(configure(folder))
    try:
        await _measure(await ready(process))
    finally:
        await process.stop()


async def _measure(address: Address) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        home = f"{address.admin_url}/dashboard"
        async with session.get(f"{home}/login") as form:
            proof = re.search(r'name="proof" value="([^"]+)"', await form.text())
        assert proof is not None
        fields = {"proof": proof[1], "token": ADMIN_TOKEN}
        async with session.post(f"{home}/login", data=fields) as answer:
            assert answer.status == 200, answer.status
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        number = urlencode({"caller": asked_number(0)})
        async with session.get(f"{address.admin_url}/api/calls?{number}", headers=headers) as answer:
            one = (await answer.json())["data"]["calls"][0]
        pages = {
            name: f"{home}{path}"
            for name, path in {
                "now": "",
                "now, renewed": "/now",
                "plots": "/plots",
                "calls": "/calls",
                "calls, later": f"/calls?after={one['conversation_id']}",
                "calls of an agent": "/calls?agent=agent_0001fictional",
                "calls, unfinished": "/calls?show=unfinished",
                "call": f"/calls/{one['conversation_id']}",
                "callers": "/callers",
                "callers, by number": "/callers?q=5550100",
                "callers, by name": "/callers?q=robin",
                "callers, by words": "/callers?q=router",
                "callers, by no word": "/callers?q=zzyzx",
                "caller": f"/callers/{one['caller']}",
                "jobs": "/jobs",
                "jobs, done": "/jobs?state=completed",
                "storage": "/storage",
                "trail": "/audit",
                "trail of a caller": f"/audit?about={one['caller']}",
            }.items()
        } | {
            f"api {path}": f"{address.admin_url}/api/{path}"
            for path in (
                "memories?limit=100",
                "memories?category=issue",
                "memories?agent=agent_none",
                f"memories?{number}&q=router",
                "callers",
                "calls",
                "jobs",
                "audit",
                "usage",
            )
        }
        print(f"{'':30} {'alone':>18} {'while calls come':>18}   median and worst of {ROUNDS}, ms")
        for name, url in pages.items():
            alone = await _asked(session, url, headers)
            load = asyncio.create_task(_callers(address))
            await asyncio.sleep(0.2)
            busy = await _asked(session, url, headers)
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
            missed = "  above the goal" if statistics.median(busy) > GOAL_MS else ""
            told = "".join(f" {statistics.median(took):9.1f} {max(took):8.1f}" for took in (alone, busy))
            print(f"{name:30}{told}{missed}", flush=True)


async def _asked(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> list[float]:
    took = []
    for turn in range(ROUNDS + 1):
        began = time.perf_counter()
        async with session.get(url, headers=headers, allow_redirects=False) as answer:
            await answer.read()
            assert answer.status == 200, (url, answer.status)
        if turn:
            took.append((time.perf_counter() - began) * 1000)
    return took


async def _callers(address: Address) -> None:
    while True:
        asked = [
            request(
                "/webhook/client-data",
                json.dumps({"caller_id": asked_number(turn % ASKED), "agent_id": "agent_1"}).encode(),
                X_Elaaoms_Token=TOOL_TOKEN,
            )
            for turn in range(int(LOAD_S * 100))
        ]
        await paced(address.url, asked, per_second=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=5, help="memories of a call")
    parser.add_argument("--folder", type=Path, help="where the data is made; a disk, not a tmpfs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="elaaoms-pages-", dir=given.folder) as place:
        asyncio.run(main(given.calls, given.each, Path(place)))
