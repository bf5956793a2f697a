"""The composition root: builds everything from a Config, runs it, and stops it in order."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import logging
import os
import secrets as random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from aiohttp import web
from attrs import asdict, frozen

from elaaoms import redact
from elaaoms.archive import Archive
from elaaoms.budget import Budget, Meter
from elaaoms.calls.sqlite import SQLiteCallStore
from elaaoms.config import Config, Llm, Secrets
from elaaoms.database import Database
from elaaoms.directory import Directory
from elaaoms.embed import Encoder
from elaaoms.embed.builtin import token_table
from elaaoms.errors import AlreadyRunning, ElaaomsError, StorageFailed
from elaaoms.extract import Extractor
from elaaoms.extract.keyless import Rules
from elaaoms.extract.model import Model
from elaaoms.greeting import Style
from elaaoms.ingest import Ingest
from elaaoms.jobs import Schedule
from elaaoms.jobs.sqlite import SQLiteJobQueue
from elaaoms.jobs.worker import Worker
from elaaoms.llm import LanguageModel, Prices
from elaaoms.llm.chain import Chain
from elaaoms.memory.sqlite import SQLiteMemoryStore
from elaaoms.rank import entry
from elaaoms.recall import Recall
from elaaoms.reconcile import Policy
from elaaoms.server import ADMIN, PUBLIC, Services, make_app
from elaaoms.shelf import Shelf

SECRETS = ("webhook_secret", "tool_token", "admin_token")  # serve does not start without them
SHUTDOWN_S = 10.0  # for requests in flight; with the worker's 20 s it stays below TimeoutStopSec=45
KEEP_ALIVE_S = 30.0
TIDY_EVERY_S = 60.0
PRUNE_EVERY_S = 3600.0
DAY_S = 86400.0
MIB = 1 << 20

log = logging.getLogger("elaaoms.daemon")


@frozen(kw_only=True)
class Running:
    """A daemon that is up: where it listens and what it is made of. `fatal` ends it when set."""

    url: str
    admin_url: str
    services: Services
    fatal: asyncio.Future[None]


@asynccontextmanager
async def running(
    config: Config, secrets: Secrets, *, clock: Callable[[], float] = time.time
) -> AsyncIterator[Running]:
    """A complete daemon in this event loop, until the block ends; then it drains."""
    secrets.require(*SECRETS)
    fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with _opened(config, secrets, fatal, clock) as (services, lock):
        await services.queue.rescue(now=clock())
        if adopted := await services.ingest.adopt():
            log.warning("%d archived bodies had no row; they are recorded now", adopted)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(services.worker.run(stop), name="worker")
            tidying = group.create_task(_tidy(services), name="tidy")
            try:
                at = config.server
                async with (
                    _listening(make_app(services, PUBLIC), at.host, at.port, "server.port") as url,
                    _listening(
                        make_app(services, ADMIN), at.admin_host, at.admin_port, "server.admin_port"
                    ) as admin,
                ):
                    _write_lock(lock, url, admin)
                    yield Running(url=url, admin_url=admin, services=services, fatal=fatal)
            finally:
                stop.set()
                tidying.cancel()


@asynccontextmanager
async def desk(config: Config) -> AsyncIterator[tuple[str, str]]:
    """The admin API alone on a private port, for commands while no daemon runs: (url, token)."""
    if not (config.data / "elaaoms.db").exists():
        raise ElaaomsError(f"there is nothing in {config.data} yet: `elaaoms serve` has not run there")
    token = random.token_urlsafe(32)
    secrets = Secrets(dict.fromkeys(SECRETS, (token,)))
    fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with (
        _opened(config, secrets, fatal, time.time) as (services, _),
        _listening(make_app(services, ADMIN), "127.0.0.1", 0, "a free port") as url,
    ):
        yield url, token


@asynccontextmanager
async def _opened(
    config: Config, secrets: Secrets, fatal: asyncio.Future[None], clock: Callable[[], float]
) -> AsyncIterator[tuple[Services, int]]:
    """The data directory held, checked and ready, and everything built on it."""
    with _alone(config.data) as lock:
        archive = Archive(config.data / "payloads", reserve=config.storage.min_free_mb * MIB)
        await asyncio.to_thread(archive.prepare)
        async with Database.open(config.data / "elaaoms.db") as database:
            services = await _compose(config, secrets, archive, database, fatal, clock)
            try:
                yield services, lock
            finally:
                await services.shelf.close()
                await services.extractor.close()


async def _compose(
    config: Config,
    secrets: Secrets,
    archive: Archive,
    database: Database,
    fatal: asyncio.Future[None],
    clock: Callable[[], float],
) -> Services:
    calls = SQLiteCallStore(database)
    table = await asyncio.to_thread(encoder)
    memories = SQLiteMemoryStore(database, partial(entry, encoder=table))
    shelf = Shelf(memories, table)
    queue = SQLiteJobQueue(database, Schedule(config.worker.retry_delays_s))
    style = Style(stranger=config.greeting.stranger, expires_days=config.greeting.expires_days)
    directory = Directory(
        calls,
        await caller_secret(config.data, database),
        region=config.identity.default_region,
        variables=config.identity.variables,
        own=await calls.own_numbers(),
    )
    budget = Budget(database, calls, daily_usd=config.llm.daily_budget_usd, clock=clock)
    extractor = extractor_of(config, secrets, budget)
    privacy = redact.Policy(**asdict(config.privacy))
    ingest = Ingest(
        database,
        archive,
        calls,
        memories,
        queue,
        directory,
        extractor,
        policy=Policy(
            duplicate_threshold=config.memory.duplicate_threshold,
            share_importance=config.memory.share_importance,
        ),
        privacy=privacy,
        style=style,
        clock=clock,
    )
    recall = Recall(
        memories,
        shelf,
        directory,
        privacy=privacy,
        style=style,
        override_first_message=config.greeting.override_first_message,
        threshold=config.memory.relevance_threshold,
        clock=clock,
    )

    def fail(error: BaseException) -> None:
        if not fatal.done():
            fatal.set_exception(error)

    return Services(
        config=config,
        webhook_secrets=secrets.webhook_secrets,
        tool_token=secrets.tool_token,
        admin_token=secrets.admin_token,
        database=database,
        archive=archive,
        calls=calls,
        memories=memories,
        queue=queue,
        worker=Worker(queue, ingest.handlers, concurrency=config.worker.concurrency, clock=clock),
        directory=directory,
        ingest=ingest,
        extractor=extractor,
        budget=budget,
        shelf=shelf,
        recall=recall,
        clock=clock,
        fatal=fail,
    )


def extractor_of(config: Config, secrets: Secrets, budget: Meter) -> Extractor:
    """What reads the transcripts; SDKs are imported only here, when they are used."""
    llm = config.llm
    if llm.provider == "rules":
        return Rules()
    models = [_model(name, llm, secrets) for name in (llm.provider, *llm.fallback)]
    return Model(Chain(models), chunk_tokens=llm.chunk_tokens, budget=budget)


def _model(name: str, llm: Llm, secrets: Secrets) -> LanguageModel:
    if name == "openai":
        ours = llm.openai
        from elaaoms.llm import openai  # noqa: PLC0415

        return openai.OpenAI(
            model=ours.model,
            api_key=secrets.get("openai_api_key"),
            base_url=ours.base_url or openai.BASE_URL,
            timeout_s=llm.timeout_s,
            max_output_tokens=ours.max_output_tokens,
            prices=Prices(ours.price_in, ours.price_cached, ours.price_out),
            effort=ours.effort or None,
        )
    from elaaoms.llm import anthropic  # noqa: PLC0415

    theirs = llm.anthropic
    return anthropic.Anthropic(
        model=theirs.model,
        api_key=secrets.get("anthropic_api_key"),
        base_url=theirs.base_url or anthropic.BASE_URL,
        timeout_s=llm.timeout_s,
        max_output_tokens=theirs.max_output_tokens,
        prices=Prices(theirs.price_in, theirs.price_cached, theirs.price_out),
        thinking=theirs.thinking or None,
        structured=theirs.structured,
    )


def encoder() -> Encoder:
    """What ranking knows meaning by."""
    return token_table()


async def _tidy(services: Services) -> None:
    """Once a minute: record what could not be recorded; once an hour: prune finished jobs."""
    pruned = -PRUNE_EVERY_S
    loop = asyncio.get_running_loop()
    while True:
        try:
            if services.ingest.behind and (adopted := await services.ingest.adopt()):
                log.warning("%d archived bodies are recorded now", adopted)
            if loop.time() - pruned >= PRUNE_EVERY_S:
                keep = services.config.worker.keep_days * DAY_S
                await services.queue.prune(finished_before=services.clock() - keep)
                pruned = loop.time()
        except StorageFailed as error:
            services.fatal(error)
        except ElaaomsError as error:
            services.ingest.behind = True
            log.warning("the database cannot be tidied now: %s", error)
        await asyncio.sleep(TIDY_EVERY_S)


@asynccontextmanager
async def _listening(app: web.Application, host: str, port: int, setting: str) -> AsyncIterator[str]:
    # Bodies are never inflated (a small gzip can become gigabytes); access is logged by the border.
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handle_signals=False,
        keepalive_timeout=KEEP_ALIVE_S,
        shutdown_timeout=SHUTDOWN_S,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise ElaaomsError(f"cannot listen on {host} port {port} ({setting}): {reason}") from error
        bound = runner.addresses[0]
        yield f"http://{_bracketed(bound[0])}:{bound[1]}"
    finally:
        await runner.cleanup()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


# -- the data directory --------------------------------------------------------------------


@contextmanager
def _alone(data: Path) -> Iterator[int]:
    """Hold the data directory for this process; AlreadyRunning if another one does."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data / "elaaoms.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ElaaomsError(
            f"cannot use the data directory {data}: {os.strerror(error.errno or 0)}"
        ) from error
    try:
        _lock(descriptor, data)
        yield descriptor
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, data: Path) -> None:
    for wait_s in (0.05, 0.1, 0.2, None):  # a command that asks who holds the data holds it for an instant
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise ElaaomsError(f"cannot lock {data}: {os.strerror(error.errno or 0)}") from error
            if wait_s is None:
                raise AlreadyRunning(f"another elaaoms is running on {data}") from error
            time.sleep(wait_s)
        else:
            return


def _write_lock(descriptor: int, url: str, admin_url: str) -> None:
    """Note in the lock file where we listen, so that commands find the daemon that holds the data."""
    text = json.dumps({"pid": os.getpid(), "url": url, "admin_url": admin_url})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def whereabouts(data: Path) -> dict[str, str] | None:
    """Where the daemon that holds `data` listens (`url`, `admin_url`), or None when none runs."""
    try:
        descriptor = os.open(data / "elaaoms.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            text = os.read(descriptor, 4096)
            return json.loads(text) if text else {}
        return None
    finally:
        os.close(descriptor)


async def caller_secret(data: Path, database: Database) -> bytes:
    """The installation's own secret, from which caller keys are made.

    It stands in the database, so that a restored copy knows its callers, and beside it, so that a
    database that has to be rebuilt from the archive gives every caller the same key again.
    """
    rows = await database.fetch("SELECT value FROM settings WHERE name = 'caller_secret'")
    path = data / "caller.key"
    try:
        if rows:
            secret = bytes.fromhex(rows[0]["value"])
        else:
            secret = path.read_bytes() if path.exists() else random.token_bytes(32)
            insert = "INSERT INTO settings (name, value) VALUES ('caller_secret', ?)"
            await database.write(lambda tx: tx.execute(insert, (secret.hex(),)).rowcount)
        if not path.exists() or path.read_bytes() != secret:
            await asyncio.to_thread(_keep, path, secret)
    except OSError as error:
        raise ElaaomsError(f"cannot use {path}: {os.strerror(error.errno or 0)}") from error
    return secret


def _keep(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# -- the process -----------------------------------------------------------------------------


async def serve(config: Config, secrets: Secrets, announce: Callable[[Running], None]) -> None:
    """Run the daemon until SIGTERM or SIGINT, or until the disk fails (StorageFailed)."""
    stopped: asyncio.Event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running(config, secrets) as daemon:
        announce(daemon)
        _notify("READY=1")
        waiting = asyncio.ensure_future(stopped.wait())
        await asyncio.wait((waiting, daemon.fatal), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        _notify("STOPPING=1")
        if daemon.fatal.done():
            daemon.fatal.result()
        log.info("stopping")


def _notify(state: str) -> None:
    """Tell systemd our state, when it asked for it (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(address.replace("@", "\0", 1))
        sender.sendall(state.encode())
