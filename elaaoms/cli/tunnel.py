"""`elaaoms tunnel`: the daemon behind an ngrok address, and an agent pointed at it for as long."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import click
from attrs import evolve

from elaaoms import daemon, logs
from elaaoms.cli.platform import api_key, secret_file, wish_of
from elaaoms.config import Config, load, load_secrets
from elaaoms.datadir import whereabouts
from elaaoms.elevenlabs import connected
from elaaoms.tunnel import Tunnel, check_port, opened
from elaaoms.wiring import Journal, Setup

JOURNAL = "tunnel"


async def run(config_path: Path, *, agent_id: str | None, binary: Path | None, download: bool) -> None:
    """Tunnel until told to stop."""
    warnings.simplefilter("ignore", ResourceWarning)  # pyngrok leaves the output of a failed program open
    config = load(config_path)
    secrets = load_secrets(config.folder, os.environ)
    secrets.require("ngrok_authtoken", *daemon.SECRETS)
    await _put_back(config)
    logs.configure(config.logging.level, config.logging.format)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    place = whereabouts(config.data)
    if place is not None:
        upstream = place.get("url", f"http://{config.server.host}:{config.server.port}")
        await check_port(upstream)
    else:
        config = _with_a_port(config)
        upstream = f"http://{config.server.host}:{config.server.port}"
    folder = config.data / "ngrok"
    token = str(secrets.get("ngrok_authtoken"))
    async with AsyncExitStack() as stack:
        tunnel = await stack.enter_async_context(
            opened(upstream, token, folder=folder, binary=binary, download=download)
        )
        if agent_id is not None:
            await stack.enter_async_context(_pointed(config, agent_id, tunnel))
        fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if place is None:
            # Only now, so that it accepts the secret of a webhook that was made for the tunnel.
            up = await stack.enter_async_context(
                daemon.running(config, load_secrets(config.folder, os.environ))
            )
            fatal = up.fatal
            click.echo(f"listening on {up.url}")
            click.echo(f"admin on {up.admin_url}")
        for name in ("post-call", "client-data", "search-memory"):
            click.echo(f"{tunnel.url}/webhook/{name}")
        await _until(stopped, tunnel, fatal)


async def _until(stopped: asyncio.Event, tunnel: Tunnel, fatal: asyncio.Future[None]) -> None:
    """Wait for a signal; raise what else ends it."""
    waiting: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(stopped.wait()),
        asyncio.ensure_future(tunnel.ended()),
        fatal,
    ]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in waiting:
            task.cancel()


@asynccontextmanager
async def _pointed(config: Config, agent_id: str, tunnel: Tunnel) -> AsyncIterator[None]:
    """An agent that leads to the tunnel, and to where it led before afterwards."""
    secrets = load_secrets(config.folder, os.environ)
    async with connected(api_key(config), config.elevenlabs.api_url) as api:
        journal = Journal.open(config.data, JOURNAL)
        work = Setup(api, journal, secret_file=secret_file(config), say=click.echo)
        try:
            await work.wire(agent_id, wish_of(config, secrets, public_url=tunnel.url))
            yield
        finally:
            if agent_id in journal.agents:
                await asyncio.shield(work.undo(agent_id))


async def _put_back(config: Config) -> None:
    """Give back what agents had before a tunnel that was not closed in order."""
    journal = Journal.open(config.data, JOURNAL)
    if not journal.agents:
        return
    async with connected(api_key(config), config.elevenlabs.api_url) as api:
        work = Setup(api, journal, secret_file=secret_file(config), say=click.echo)
        for agent_id in list(journal.agents):
            click.echo(f"agent {agent_id}: an earlier tunnel was not closed in order, putting it back")
            await work.undo(agent_id)


def _with_a_port(config: Config) -> Config:
    """The configuration with a port that is known before anything listens on it."""
    if config.server.port:
        return config
    with socket.socket(socket.AF_INET6 if ":" in config.server.host else socket.AF_INET) as probe:
        probe.bind((config.server.host, 0))
        port = probe.getsockname()[1]
    return evolve(config, server=evolve(config.server, port=port))
