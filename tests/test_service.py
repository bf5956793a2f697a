"""Under a service manager: sockets that stay open, a heartbeat that means something, restarts that lose nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
    nullcontext,
    suppress,
)
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from attrs import frozen
from conftest import call
from test_daemon import ENVIRONMENT, START_S, command, install

from elaaoms import config as settings
from elaaoms import supervisor
from elaaoms.daemon import Running, _listening
from elaaoms.server import PUBLIC
from elaaoms.webhooks import sign

ACTIVATE = shutil.which("systemd-socket-activate")


def listening() -> socket.socket:
    found = socket.create_server(("127.0.0.1", 0), backlog=1024)
    found.setblocking(False)
    return found


@contextmanager
def manager() -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """What a service manager offers: a socket to be told at, and the variable that names it."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as told:
        told.bind(f"\0elaaoms-test-{os.getpid()}-{time.monotonic_ns()}")
        told.settimeout(START_S)
        yield told, {"NOTIFY_SOCKET": "@" + told.getsockname()[1:].decode()}


def until(told: socket.socket, state: str) -> str:
    """Wait for a state; the whole message that said it."""
    while True:
        message = told.recv(4096).decode()
        if state in message.split("\n"):
            return message


@asynccontextmanager
async def activated(
    path: Path,
    public: socket.socket,
    admin: socket.socket,
    *,
    program: Sequence[str] = (),
    user: int | None = None,
    **environment: str,
) -> AsyncIterator[subprocess.Popen[str]]:
    """The daemon with two sockets that it inherits, as systemd hands them over; `program` is another command."""
    script = f'exec 3<&{public.fileno()} 4<&{admin.fileno()}; LISTEN_PID=$$ exec "$@"'
    wanted = [*program, "serve", "-c", str(path)] if program else command("serve", "-c", path)
    who = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    with (path.parent / "serve.log").open("a") as log:
        running = subprocess.Popen(  # type: ignore[call-overload]  # noqa: ASYNC220, S603
            ["/bin/bash", "-c", script, "bash", *wanted],
            env=ENVIRONMENT
            | {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "elaaoms.socket:elaaoms.socket"}
            | environment,
            stdout=subprocess.DEVNULL,
            stderr=log,
            text=True,
            pass_fds=(public.fileno(), admin.fileno()),
            **who,
        )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        await asyncio.to_thread(running.wait)


@frozen
class Door:
    """Where the load goes, and how it connects."""

    url: str
    connector: Callable[[], aiohttp.TCPConnector] = lambda: aiohttp.TCPConnector(force_close=True)


class Load:
    """Senders that never pause: each event on a connection of its own, every answer counted."""

    def __init__(self, door: Door, secret: str) -> None:
        self.door = door
        self.secret = secret
        self.acknowledged: set[str] = set()
        self.refused: list[str] = []
        self.ended = asyncio.Event()

    async def send(self, name: str) -> None:
        async with aiohttp.ClientSession(
            self.door.url, connector=self.door.connector(), timeout=aiohttp.ClientTimeout(total=60)
        ) as session:
            number = 0
            while not self.ended.is_set():
                conversation = f"conv_{name}_{number}"
                number += 1
                event = json.dumps(call("I live in Leeds.", conversation_id=conversation)).encode()
                headers = {
                    "Content-Type": "application/json",
                    "ElevenLabs-Signature": sign(self.secret, event, now=time.time()),
                }
                try:
                    async with session.post("/webhook/post-call", data=event, headers=headers) as answer:
                        if answer.status == 200:
                            self.acknowledged.add(conversation)
                        else:
                            self.refused.append(f"{answer.status} {await answer.text()}")
                except aiohttp.ClientError as error:
                    self.refused.append(repr(error))
                await asyncio.sleep(0.02)


def given(folder: Path, user: int) -> None:
    """Give a folder and what is in it to a user."""
    for place in (folder, *folder.rglob("*")):
        os.chown(place, user, user)


async def restarts(
    folder: Path,
    times: int,
    *,
    program: Sequence[str] = (),
    user: int | None = None,
    before: Callable[[int], AbstractAsyncContextManager[Door]] | None = None,
) -> tuple[Load, set[str]]:
    """Restart a socket-activated daemon under load; the load, and the calls that the database has at the end.

    `program` gets `serve` and its options; what `{NOTIFY_SOCKET}` stands in is told where the manager listens.
    `before` puts something before the daemon's port, through which the load goes.
    """
    path = install(folder)
    if user is not None:
        given(folder, user)
    secrets = settings.load_secrets(folder, {})
    with closing(listening()) as public, closing(listening()) as admin, manager() as (told, environment):
        started = partial(
            activated,
            path,
            public,
            admin,
            program=[word.format(**environment) for word in program],
            user=user,
            **environment,
        )
        port = public.getsockname()[1]
        direct = nullcontext(Door(f"http://127.0.0.1:{port}"))
        async with before(port) if before else direct as door, asyncio.TaskGroup() as group:
            load = Load(door, secrets.webhook_secrets[0])
            senders = [group.create_task(load.send(name)) for name in "abc"]
            for _ in range(times):
                async with started() as running:
                    await asyncio.to_thread(until, told, "READY=1")
                    seen = len(load.acknowledged)
                    async with asyncio.timeout(60):
                        while len(load.acknowledged) < seen + 5:
                            assert not load.refused, load.refused
                            await asyncio.sleep(0.01)
                    running.send_signal(signal.SIGTERM)
                    assert await asyncio.to_thread(running.wait, 60) == 0
            async with started():
                await asyncio.to_thread(until, told, "READY=1")
                load.ended.set()
                await asyncio.wait(senders)
                url = f"http://127.0.0.1:{admin.getsockname()[1]}"
                headers = {"Authorization": f"Bearer {secrets.admin_token}"}
                found: set[str] = set()
                async with aiohttp.ClientSession(url, headers=headers) as session:
                    after = ""
                    while True:
                        async with session.get(f"/api/calls?limit=100&after={after}") as answer:
                            data = (await answer.json())["data"]
                        found |= {row["conversation_id"] for row in data["calls"]}
                        after = data["next"]
                        if not after:
                            break
    return load, found


@pytest.mark.timeout(600)  # with many restarts, on a busy machine
async def test_restarts_under_load_refuse_no_request_and_lose_no_call(tmp_path: Path) -> None:
    load, found = await restarts(tmp_path, times=int(os.environ.get("ELAAOMS_TEST_RESTARTS", "3")))
    assert load.refused == []
    assert len(load.acknowledged) >= 15
    assert load.acknowledged <= found


@pytest.mark.parametrize("turns", range(6))
async def test_who_is_let_in_as_the_door_closes_is_answered_and_who_is_not_waits(
    daemon: Running, turns: int
) -> None:
    visitors = 20
    with closing(listening()) as door, ExitStack() as opened:
        senders = [opened.enter_context(socket.socket()) for _ in range(visitors)]
        async with _listening(daemon.services, PUBLIC, "", 0, "", door):
            for sender in senders:
                sender.connect(door.getsockname())
                sender.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            for _ in range(turns):
                await asyncio.sleep(0)
        waiting = 0
        with suppress(BlockingIOError):
            while True:
                door.accept()[0].close()
                waiting += 1
        for sender in senders:
            sender.setblocking(False)
        answers = [sender.recv(12) for sender in senders if not _reset(sender)]
        assert answers.count(b"HTTP/1.1 200") + waiting == visitors


def _reset(sender: socket.socket) -> bool:
    """Whether nothing was ever read from it: it waited in the queue that we emptied."""
    try:
        return not sender.recv(1, socket.MSG_PEEK)
    except (ConnectionResetError, BlockingIOError):
        return True


@pytest.mark.skipif(ACTIVATE is None, reason="systemd-socket-activate is not installed")
async def test_the_sockets_of_systemd_itself_are_taken(tmp_path: Path) -> None:
    path = install(tmp_path)
    with closing(listening()) as one, closing(listening()) as other:
        ports = [found.getsockname()[1] for found in (one, other)]
    sockets = [argument for port in ports for argument in ("-l", f"127.0.0.1:{port}")]
    running = subprocess.Popen(  # noqa: ASYNC220, S603
        [str(ACTIVATE), *sockets, *command("serve", "-c", path)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await asyncio.sleep(0)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=START_S)) as session:
            for _ in range(200):
                try:
                    async with session.get(f"http://127.0.0.1:{ports[0]}/health") as answer:
                        assert answer.status == 200
                        break
                except aiohttp.ClientConnectorError:  # systemd-socket-activate is not up yet
                    await asyncio.sleep(0.05)
            else:
                raise AssertionError("the daemon did not answer")
    finally:
        running.terminate()
        await asyncio.to_thread(running.wait)


async def test_the_heartbeat_says_how_the_queue_stands(tmp_path: Path) -> None:
    path = install(tmp_path)
    with closing(listening()) as public, closing(listening()) as admin, manager() as (told, environment):
        async with activated(path, public, admin, WATCHDOG_USEC="200000", **environment) as running:
            await asyncio.to_thread(until, told, "READY=1")
            message = await asyncio.to_thread(until, told, "WATCHDOG=1")
            assert "STATUS=0 jobs waiting, 0 failed" in message
            await asyncio.to_thread(until, told, "WATCHDOG=1")
            running.send_signal(signal.SIGTERM)
            await asyncio.to_thread(until, told, "STOPPING=1")
            assert await asyncio.to_thread(running.wait, 60) == 0


def test_what_the_manager_offers_is_for_this_process_alone() -> None:
    assert supervisor.inherited({"LISTEN_FDS": "2", "LISTEN_PID": "1"}) == supervisor.Inherited()
    assert supervisor.inherited({"LISTEN_FDS": "²", "LISTEN_PID": str(os.getpid())}) == supervisor.Inherited()
    assert supervisor.watchdog_s({"WATCHDOG_USEC": "30000000"}) == 15.0
    assert supervisor.watchdog_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}) is None
    assert supervisor.watchdog_s({}) is None
    supervisor.notify("READY=1", {"NOTIFY_SOCKET": "@nobody-listens-there"})
