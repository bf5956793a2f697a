"""`python -m tests.soak --kills 500`: real traffic, kill -9 at random, and one line of what was found."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
from attrs import evolve

from tests.conftest import Platform
from tests.processes import ADMIN_TOKEN, TOOL_TOKEN, WEBHOOK_SECRET, configure, daemon, ready
from tests.soak.checker import Verdict, check
from tests.soak.ledger import Ledger
from tests.soak.traffic import Traffic

SENDERS = 6
DRAIN_S = 1800.0
EARLY = 0.3  # share of the kills that hit a daemon which is still starting


async def soak(folder: Path, *, kills: int | None, seconds: float | None, seed: int) -> tuple[Verdict, str]:
    """Run, kill, settle and check; the verdict and what the run consisted of."""
    config = configure(folder, worker={"retry_delays_s": [0.1, 0.2, 0.5]})
    chance = random.Random(seed)  # noqa: S311 - a schedule of kills, to be run again
    ledger = Ledger()
    traffic = Traffic(ledger, random.Random(seed + 1))  # noqa: S311
    begun = time.monotonic()
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
        platform = Platform("", "", folder / "data", session, WEBHOOK_SECRET, TOOL_TOKEN, ADMIN_TOKEN)
        senders = [group.create_task(traffic.sender(number)) for number in range(SENDERS)]
        done = 0
        starts = 1.0  # seconds that a start takes, as seen last
        while (kills is None or done < kills) and (seconds is None or time.monotonic() - begun < seconds):
            process = await daemon(config)
            born = time.monotonic()
            if chance.random() < EARLY and done:
                await asyncio.sleep(chance.uniform(0, starts))
            else:
                address = await ready(process)
                starts = time.monotonic() - born
                traffic.platform = evolve(platform, url=address.url, admin_url=address.admin_url)
                await asyncio.sleep(min(3.0, chance.expovariate(1 / 0.5)))
            await process.kill()
            traffic.platform = None
            done += 1
            if done % 25 == 0:
                print(f"{done} kills, {ledger.answers} answers of 200", file=sys.stderr, flush=True)
        for sender in senders:
            sender.cancel()
        process = await daemon(config)
        address = await ready(process)
        again = await _settled(evolve(platform, url=address.url, admin_url=address.admin_url))
        code = await process.stop()
    if code:
        ledger.refused.append(f"the last daemon ended with {code}")
    told = (
        f"{done} kills, {len(ledger.sent)} bodies sent, {ledger.answers} answers of 200, "
        f"{traffic.questions} questions, {again} jobs retried by hand, "
        f"{time.monotonic() - begun:.0f} s, seed {seed}"
    )
    return await asyncio.to_thread(check, ledger, folder / "data"), told


async def _settled(platform: Platform) -> int:
    """Wait until no job is open; how many had used up their attempts and were retried with one command."""
    again = 0
    async with asyncio.timeout(DRAIN_S):
        while True:
            counts = (await platform.api("GET", "/api/jobs?limit=1")).data["counts"]
            if counts["failed"]:
                again += (await platform.api("POST", "/api/jobs/retry")).data["retried"]
            elif not counts["available"] and not counts["running"]:
                return again
            await asyncio.sleep(0.2)


def main() -> int:
    """Parse the arguments, run, print the line; 1 when anything was lost or done twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, help="how long to go on")
    parser.add_argument("--kills", type=int, help="how often to kill")
    parser.add_argument("--seed", type=int, default=None, help="of the traffic and the kills")
    parser.add_argument("--keep", type=Path, help="a folder for the data, which stays")
    given = parser.parse_args()
    if given.minutes is None and given.kills is None:
        given.kills = 20
    seed = given.seed if given.seed is not None else int(time.time())
    seconds = given.minutes * 60 if given.minutes is not None else None
    with tempfile.TemporaryDirectory(prefix="elaaoms-soak-") as folder:
        where = given.keep or Path(folder)
        where.mkdir(parents=True, exist_ok=True)
        verdict, told = asyncio.run(soak(where, kills=given.kills, seconds=seconds, seed=seed))
    for finding in (*verdict.lost, *verdict.duplicated)[:20]:
        print(finding, file=sys.stderr)
    print(f"{verdict.line} ({told})")
    return 1 if verdict.lost or verdict.duplicated else 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
