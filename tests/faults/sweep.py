"""A system call of the daemon fails, and what was acknowledged is there all the same.

`python tests/faults/sweep.py --points 150` fails every n-th of them, once and for good.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from itertools import islice
from pathlib import Path

import aiohttp

if __name__ == "__main__":
    sys.path.insert(1, str(Path(__file__).parent.parent))

from conftest import Answer, Platform, call, started
from victim import can_trace, ended, traced, victim

from elaaoms.config import Config, Server

CALLS = ("fsync", "fdatasync", "pwrite64", "write", "rename", "openat", "ftruncate", "mkdir", "io_submit")
CROWD = 12  # calls at once; from two on they are flushed together
ERRORS = ("EIO", "ENOSPC")


async def sent(platform: Platform, number: int) -> Answer:
    """Send a call."""
    return await platform.send(
        call("I live in Leeds.", conversation_id=f"conv_{number}", number=f"+1202555{1000 + number:04}")
    )


async def attempt(platform: Platform, number: int) -> Answer | None:
    """Send a call; None when the connection broke."""
    try:
        return await sent(platform, number)
    except (aiohttp.ClientError, ConnectionError, TimeoutError):
        return None


def told(answers: dict[int, Answer | None]) -> set[str]:
    return {f"conv_{number}" for number, answer in answers.items() if answer and answer.status == 200}


async def survives(config: Config, system_call: str, error: str, when: str, *, crowd: bool = False) -> None:
    """Let a system call fail while calls come in, and look for them afterwards; AssertionError if one is lost.

    `when` is strace's: it counts in each thread, and with "+" the call goes on failing. A `crowd` comes
    at once.
    """
    answers: dict[int, Answer | None] = {}
    async with victim(config) as (platform, process):
        answers[0] = await attempt(platform, 0)
        inject = f"inject={system_call}:error={error}:when={when}"
        with traced(process, "-e", f"trace={system_call}", "-e", inject):
            for number in range(1, 1 if crowd else 5):
                answers[number] = await attempt(platform, number)
                if answers[number] is None:
                    break
            if crowd:
                numbers = range(20, 20 + CROWD)
                at_once = await asyncio.gather(*(attempt(platform, number) for number in numbers))
                answers |= zip(numbers, at_once, strict=True)
        for answer in answers.values():
            if answer is not None:
                assert answer.status in (200, 503)
                assert answer.status == 200 or "Retry-After" in answer.headers
        refused = any(answer is None or answer.status == 503 for answer in answers.values())
        gone = await ended(process, 2) if refused else process.exitcode
        if gone is not None or (
            refused and error == "EIO"
        ):  # SQLite says I/O error to every flush that fails
            assert gone == 74, f"it ended with {gone}"
        else:  # the cause is gone: it goes on by itself
            answers[9] = await attempt(platform, 9)
            if error != "EIO":
                assert answers[9] is not None, "it does not go on"
                assert answers[9].status == 200, answers[9].body
    async with started(config) as platform:
        for name in told(answers):
            found = (await platform.api("GET", f"/api/calls/{name}")).data
            await platform.api(
                "POST", f"/api/jobs/{found['job_id']}/retry"
            )  # the fault may have cost an attempt
            assert (await platform.processed(name))["extraction_status"] == "completed"
        assert not list((config.data / "incoming").iterdir())
        for content in platform.files().values():
            json.loads(content)  # nothing torn


async def _sweep(points: int, *, crowd: bool) -> None:
    if not can_trace():
        sys.exit("strace is missing or may not attach")
    every = (
        (system_call, error, f"{number}{lasting}")
        for number in range(1, 1000)
        for system_call in CALLS
        for error in ERRORS
        for lasting in ("", "+")
    )
    for done, point in enumerate(islice(every, points), 1):
        with tempfile.TemporaryDirectory() as folder:
            config = Config(data_dir=f"{folder}/data", server=Server(port=0, admin_port=0))
            try:
                await survives(config, *point, crowd=crowd)
            except AssertionError as error:
                sys.exit(f"{' '.join(point)}: {error}")
        print(f"{done:>4} {' '.join(point)}", flush=True)
    print(f"{points} points, nothing acknowledged was lost")


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--points", type=int, default=150)
    given.add_argument("--crowd", action="store_true", help="calls come at once instead of one by one")
    asyncio.run(_sweep(given.parse_args().points, crowd=given.parse_args().crowd))
