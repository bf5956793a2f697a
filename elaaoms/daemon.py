"""The composition root: builds everything from a Config, runs it, and stops it in order."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import secrets as random
import shutil
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web
from attrs import evolve, frozen

from elaaoms import dashboard, elevenlabs, supervisor
from elaaoms.alerts import Alerts, Condition, Hours, above, below, disabled, named, silent
from elaaoms.announcements import Announcements
from elaaoms.archive import Archive, disk_errors
from elaaoms.audit import US, Accesses, Entry
from elaaoms.audit.sqlite import SQLiteAuditTrail
from elaaoms.backfill import Backfill, Capture, Local
from elaaoms.budget import Budget, Meter
from elaaoms.calls.sqlite import SQLiteCallStore
from elaaoms.config import Config, Llm, Secrets
from elaaoms.database import CHECKED_AT_START, Database, set_aside, sync_directory
from elaaoms.datadir import (
    alone,
    caller_secret,
    note_program,
    stopped_well,
    stopping_well,
    write_lock,
)
from elaaoms.directory import Directory, Identified
from elaaoms.embed import Embedder, Encoder
from elaaoms.embed.builtin import token_table
from elaaoms.embed.vectors import EMBED, Vectors
from elaaoms.erasure import ConversationsErased, CopyErased, Elsewhere, Eraser
from elaaoms.errors import ElaaomsError, StorageDamaged, StorageFailed, Unreadable
from elaaoms.extract import Extractor
from elaaoms.extract.keyless import Rules
from elaaoms.extract.model import Model
from elaaoms.greeter import Greeter
from elaaoms.greeting import Style
from elaaoms.identity import Address
from elaaoms.ingest import ERASE, REMEMBER, SETTLED_S, Ingest
from elaaoms.jobs import Job, Schedule
from elaaoms.jobs.sqlite import SQLiteJobQueue
from elaaoms.jobs.worker import Handler, Worker
from elaaoms.llm import LanguageModel, Prices
from elaaoms.llm.chain import Chain
from elaaoms.llm.measured import Measured
from elaaoms.meaning import Meaning
from elaaoms.memory import Heard, Scrubbed
from elaaoms.memory.openmemory import Dialect, OpenMemory
from elaaoms.memory.sqlite import SQLiteMemoryStore, salvaged
from elaaoms.metrics import Metrics
from elaaoms.profiles import AgentProfiles
from elaaoms.rank import entry
from elaaoms.recall import Recall
from elaaoms.reconcile import Policy
from elaaoms.replica import REPLICATE, Replica
from elaaoms.replica.mirror import Mirror
from elaaoms.replica.outbox import Outbox
from elaaoms.retention import let_go
from elaaoms.same import by_meaning
from elaaoms.server import ADMIN, PUBLIC, Route, Services, make_app
from elaaoms.server.brake import Brake
from elaaoms.server.connections import Listener, close_door, most_connections
from elaaoms.server.rates import Rates
from elaaoms.server.timings import Timings
from elaaoms.shelf import Shelf

SECRETS = ("webhook_secret", "tool_token", "admin_token")  # serve does not start without them
SHUTDOWN_S = 10.0  # for requests in flight; with the worker's 20 s it stays below TimeoutStopSec=45
CUT_OFF_S = 1.0  # for requests that did not end by then
KEEP_ALIVE_S = 30.0
BACKLOG = 1024  # connections that wait to be accepted
STATUS_EVERY_S = 15.0
WORKER_TURNS_S = 90.0  # the worker looks at its queue once a minute at the latest
LOOK_AFTER_S = 2.0  # after a start after a clean stop: who waited for it goes first
ADOPT_S = 1.0  # how long a start looks for bodies without a row before it serves; then it looks meanwhile
CATCH_UP_S = 2.0  # between two attempts to record what came while the database refused
LAST_WORDS_S = 0.2  # for answers on their way when the disk failed
PRUNE_EVERY_S = 3600.0
SCRUB_FIRST_S = 60.0  # after a start
LOOK_EVERY_S = 20.0  # whether the replica is back
RESUME_EVERY_S = 1800.0
DAY_S = 86400.0
LAG_EVERY_S = 0.5
KEEP_EVERY_S = 10.0  # who was shown which memories, in the audit trail
ALERT_EVERY_S = 30.0
HOUR_S = 3600.0
GUESSES = 10  # wrong admin tokens that one address may try in a minute
MIB = 1 << 20
THREADS = 64  # for flushes that wait for the disk: those of calls that arrive never queue behind jobs
COLLECT = (20_000, 20, 10)  # new objects until a collection: those of requests under way are no garbage yet
SWITCH_S = 0.001  # how long one thread may keep Python for itself; jobs compute while callers wait
DISK_FAILED = 74  # sysexits(3)

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
    config: Config,
    secrets: Secrets,
    *,
    clock: Callable[[], float] = time.time,
    damaged: bool = False,
    sockets: supervisor.Inherited = supervisor.Inherited(),  # noqa: B008 - a frozen value
) -> AsyncIterator[Running]:
    """A complete daemon in this event loop, until the block ends; then it drains.

    A damaged database is set aside for a fresh one; `damaged` says that this one is. `sockets` that a
    service manager opened take the place of the configured hosts and ports.
    """
    secrets.require(*SECRETS)
    fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    mend = partial(_mended, anew=damaged)
    async with _opened(config, secrets, fatal, clock, mend) as (services, lock):
        await services.queue.rescue(now=clock())
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            if await stopped_well(config.data, services.database):
                services.ingest.complete()
            else:
                await _note_a_gap(services)
            unlooked, begun = services.ingest.recorded, time.time()
            meanwhile = [group.create_task(_adopt(services), name="adopt")]
            await asyncio.wait(meanwhile, timeout=ADOPT_S)
            group.create_task(_work(services, stop), name="worker")
            look = _look_through(services, first=unlooked, before=begun)
            meanwhile.append(group.create_task(look, name="look"))
            meanwhile.append(group.create_task(_tidy(services), name="tidy"))
            meanwhile.append(group.create_task(_scrub(services), name="scrub"))
            meanwhile.append(group.create_task(_watch(services), name="watch"))
            if services.capture is not None and config.elevenlabs.reconcile_minutes:
                meanwhile.append(group.create_task(_capture(services), name="capture"))
            if config.alerts.webhook_url:
                meanwhile.append(group.create_task(_alert(alerts_of(secrets, services)), name="alerts"))
            meanwhile.append(group.create_task(_measure_lag(services), name="lag"))
            try:
                at = config.server
                async with (
                    _listening(services, PUBLIC, at.host, at.port, "server.port", sockets.public) as url,
                    _listening(
                        services, ADMIN, at.admin_host, at.admin_port, "server.admin_port", sockets.admin
                    ) as admin,
                ):
                    write_lock(lock, url, admin)
                    yield Running(url=url, admin_url=admin, services=services, fatal=fatal)
            finally:
                stop.set()
                for task in meanwhile:
                    task.cancel()
        if services.ingest.recorded and not fatal.done():
            await stopping_well(config.data, services.database)


@asynccontextmanager
async def desk(config: Config, secrets: Secrets, *, create: bool = False) -> AsyncIterator[tuple[str, str]]:
    """The admin API alone on a private port, for commands while no daemon runs: (url, token).

    No job runs here, so no language model and none of its keys is needed, but by replays.
    """
    if not create and not (config.data / "elaaoms.db").exists():
        raise ElaaomsError(f"there is nothing in {config.data} yet: `elaaoms serve` has not run there")
    token = random.token_urlsafe(32)
    secrets = secrets.replaced(dict.fromkeys(SECRETS, token))
    fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with (
        _opened(config, secrets, fatal, time.time, works=False) as (services, _),
        _listening(services, ADMIN, "127.0.0.1", 0, "a free port") as url,
    ):
        yield url, token


@asynccontextmanager
async def _opened(
    config: Config,
    secrets: Secrets,
    fatal: asyncio.Future[None],
    clock: Callable[[], float],
    prepared: Callable[[Path], AbstractAsyncContextManager[Database]] = Database.open,
    *,
    works: bool = True,
) -> AsyncIterator[tuple[Services, int]]:
    """The data directory held, checked and ready, and everything built on it."""
    limits = config.limits
    with alone(config.data) as lock:
        archive = Archive(
            config.data / "payloads",
            reserve=config.storage.min_free_mb * MIB,
            audio_reserve=config.storage.audio_min_free_mb * MIB,
            most_bodies=limits.bodies,
            most_bytes=limits.bodies_mb * MIB,
        )
        await asyncio.to_thread(archive.prepare)
        async with (
            prepared(config.data / "elaaoms.db") as database,
            AsyncExitStack() as stack,
        ):
            key = secrets.get("elevenlabs_api_key")
            api = (
                await stack.enter_async_context(elevenlabs.connected(key, config.elevenlabs.api_url))
                if key
                else None
            )
            profiles = AgentProfiles(
                api, database, ttl_s=config.elevenlabs.agent_profile_ttl_hours * 3600.0, clock=clock
            )
            announcements = Announcements(database, clock=clock)
            await profiles.load()
            await announcements.load()
            stack.push_async_callback(profiles.close)
            stack.push_async_callback(announcements.close)
            services = await _compose(
                config, secrets, archive, database, api, profiles, announcements, fatal, clock, works=works
            )
            try:
                yield services, lock
            finally:
                await _last_accesses(services)
                await services.shelf.close()
                await services.extractor.close()
                if services.replica is not None:
                    await services.replica.close()
                if services.meaning is not None:
                    await services.meaning.close()
                archive.close()


async def _last_accesses(services: Services) -> None:
    try:
        await services.accesses.keep()
    except ElaaomsError as error:
        log.warning("the last accesses are not in the audit trail: %s", error)


@asynccontextmanager
async def _mended(path: Path, *, anew: bool = False) -> AsyncIterator[Database]:
    """The database, or a fresh one in the place of a damaged one: calls go on, the archive fills it again."""
    async with AsyncExitStack() as stack:
        try:
            if anew:
                raise StorageDamaged("the database is damaged")
            database = await stack.enter_async_context(Database.open(path))
        except StorageDamaged as error:
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            aside = await asyncio.to_thread(set_aside, path, stamp=stamp)
            backup = newest_backup(path.parent)
            offer = f"; `elaaoms recover --backup {backup}` begins with the newest backup" if backup else ""
            log.critical(
                "%s: it is set aside as %s and a fresh one is filled from the archive; `elaaoms recover`"
                " brings back what operators added%s",
                error,
                aside.name,
                offer,
            )
            database = await stack.enter_async_context(Database.open(path))
        yield database


def newest_backup(data: Path) -> Path | None:
    """The newest copy of the database in `data/backups`."""
    found = [path for path in (data / "backups").glob("*.db") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def set_aside_before(data: Path) -> list[Path]:
    """Damaged databases that nobody has looked at since, oldest first."""
    return sorted(
        path for path in data.glob("elaaoms.db.damaged-*") if not path.name.endswith(("-wal", "-shm"))
    )


async def _compose(
    config: Config,
    secrets: Secrets,
    archive: Archive,
    database: Database,
    api: elevenlabs.ElevenLabs | None,
    profiles: AgentProfiles,
    announcements: Announcements,
    fatal: asyncio.Future[None],
    clock: Callable[[], float],
    *,
    works: bool,
) -> Services:
    calls = SQLiteCallStore(database)
    table = await asyncio.to_thread(encoder)
    memories = SQLiteMemoryStore(database, partial(entry, encoder=table))
    shelf = Shelf(memories, table)
    queue = SQLiteJobQueue(database, Schedule(config.worker.retry_delays_s))
    style = Style(stranger=config.greeting.stranger, expires_days=config.greeting.expires_days)
    secret = await caller_secret(config.data, database)
    await note_program(database)
    directory = Directory(
        calls,
        secret,
        region=config.identity.default_region,
        variables=config.identity.variables,
        own=await calls.own_numbers(),
        aliases=await calls.aliases(),
    )
    budget = Budget(database, calls, daily_usd=config.llm.daily_budget_usd, clock=clock)
    metrics = Metrics()
    database.observe = partial(metrics.took, "database")
    extractor, greeter = _readers(config, secrets, budget, metrics) if works else (Rules(), None)
    privacy = config.privacy.policy
    audit = SQLiteAuditTrail(database)
    ingest = Ingest(
        database,
        archive,
        calls,
        memories,
        queue,
        directory,
        extractor,
        audit,
        profiles,
        metrics,
        policy=policy_of(config),
        privacy=privacy,
        style=style,
        greeter=greeter,
        redact_payloads=config.privacy.redact_payloads,
        honours_requests=config.privacy.honour_spoken_requests,
        calls_per_hour=config.limits.calls_per_hour,
        clock=clock,
    )
    replica = await replica_of(config, secrets, database, memories, queue, secret, clock)
    meaning = await meaning_of(config, secrets, database, queue, clock)
    accesses = Accesses(database, audit, clock=clock, lost=metrics.access_lost)
    recall = Recall(
        memories,
        shelf,
        directory,
        announcements,
        profiles,
        accesses,
        elsewhere=replica,
        nearness=meaning,
        privacy=privacy,
        style=style,
        override_first_message=config.greeting.override_first_message,
        override_language=config.greeting.override_language,
        deny_unannounced=config.security.unannounced == "deny",
        threshold=config.memory.relevance_threshold,
        clock=clock,
    )

    capture = None
    if api is not None:
        capture = Capture(
            Backfill(api, Local(archive, calls, ingest)),
            calls,
            database,
            agents=config.elevenlabs.agents,
            every_s=config.elevenlabs.reconcile_minutes * 60.0,
            clock=clock,
        )

    def forgets(caller: str) -> None:
        announcements.forget(caller)
        recall.forget()

    places: list[Elsewhere] = [] if replica is None else [CopyErased("openmemory", replica)]
    if config.privacy.erase_at_elevenlabs and api is not None:
        places.append(ConversationsErased(api))
    eraser = Eraser(
        database,
        archive,
        calls,
        memories,
        queue,
        directory,
        audit,
        elsewhere=places,
        arrived=ingest.settle,
        forgets=forgets,
        clock=clock,
    )

    handlers: dict[str, Handler] = {**ingest.handlers, ERASE: eraser.honour}
    if replica is not None:
        handlers[REPLICATE] = replica.replicate
    if meaning is not None:
        handlers[EMBED] = meaning.embed

    if replica is not None:
        lag = partial(_outbox_lag_s, replica, clock)
        metrics.watch("elaaoms_outbox_lag_seconds", "Age of the oldest change that OpenMemory is owed", lag)

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
        worker=Worker(
            queue,
            handlers,
            concurrency=config.worker.concurrency,
            # OpenMemory wedges on more than one write at a time
            lanes={kind: 1 for kind in (REPLICATE, EMBED) if kind in handlers},
            clock=clock,
            seen=partial(_attempted, metrics),
        ),
        directory=directory,
        ingest=ingest,
        eraser=eraser,
        extractor=extractor,
        reader=partial(_reader, config, secrets, metrics),
        budget=budget,
        shelf=shelf,
        recall=recall,
        audit=audit,
        accesses=accesses,
        metrics=metrics,
        rates=Rates(
            caller_per_minute=config.limits.caller_per_minute,
            agent_per_minute=config.limits.agent_per_minute,
            clock=clock,
        ),
        brake=Brake(clock, attempts=GUESSES),
        timings=Timings(clock),
        aside=tuple(set_aside_before(config.data)),
        replica=replica,
        meaning=meaning,
        elevenlabs=api,
        capture=capture,
        clock=clock,
        fatal=fail,
    )


async def replica_of(
    config: Config,
    secrets: Secrets,
    database: Database,
    memories: SQLiteMemoryStore,
    queue: SQLiteJobQueue,
    secret: bytes,
    clock: Callable[[], float],
) -> Replica | None:
    """The copy of the memories in OpenMemory, if one is configured."""
    outbox = Outbox(database, queue)
    wanted = config.openmemory
    if not wanted.url:
        await outbox.rest()
        return None
    if left := await outbox.aim(wanted.url, wanted.store, now=clock()):
        log.warning(
            "openmemory.url has changed: %d memories that were deleted here stay at the old server", left
        )
    return Mirror(
        OpenMemory(wanted.url, secrets.get("openmemory_api_key")),
        outbox,
        memories,
        origin=hashlib.sha256(b"origin" + secret).hexdigest()[:12],
        store=wanted.store,
        # never so long that the whole answer is late, which would then say that nothing can be looked up
        live_timeout_s=min(wanted.live_timeout_ms, config.server.live_timeout_ms / 2) / 1000,
        clock=clock,
    )


async def meaning_of(
    config: Config,
    secrets: Secrets,
    database: Database,
    queue: SQLiteJobQueue,
    clock: Callable[[], float],
) -> Meaning | None:
    """The embedding endpoint with the vectors it made, if one is configured."""
    vectors = Vectors(database, queue)
    embedder = embedder_of(config, secrets)
    if embedder is None:
        await vectors.rest()
        return None
    await vectors.aim(embedder.model, now=clock())
    return Meaning(
        embedder,
        vectors,
        encoder(),
        privacy=config.privacy.policy,
        live_timeout_s=min(config.embeddings.live_timeout_ms, config.server.live_timeout_ms / 2) / 1000,
        clock=clock,
    )


def embedder_of(config: Config, secrets: Secrets) -> Embedder | None:
    """The configured embedding endpoint; None for the built-in table, which needs none."""
    wanted = config.embeddings
    if wanted.provider == "builtin":
        return None
    from elaaoms.embed import openai  # noqa: PLC0415

    return openai.OpenAIEmbedder(
        model=wanted.model or openai.MODEL,
        api_key=secrets.get("embeddings_api_key"),
        base_url=wanted.base_url or openai.BASE_URL,
        dimensions=wanted.dimensions,
    )


async def openmemory_found(config: Config, secrets: Secrets) -> str:
    """What answers at openmemory.url, in a sentence; an error says what is wrong there and how to mend it."""
    service = OpenMemory(config.openmemory.url, secrets.get("openmemory_api_key"))
    try:
        dialect = await service.probe()
    finally:
        await service.close()
    kept = {Dialect.USER: "keeps users apart", Dialect.TENANT: "keeps one tenant, callers by our own index"}
    return f"{config.openmemory.url} answers and {kept[dialect]}"


def policy_of(config: Config) -> Policy:
    """When two statements are one memory, and which memories every agent may use."""
    return Policy(
        duplicate_threshold=config.memory.duplicate_threshold,
        share_importance=config.memory.share_importance,
        similarity=by_meaning(encoder().encode),
    )


def extractor_of(config: Config, secrets: Secrets, budget: Meter) -> Extractor:
    """What reads the transcripts; SDKs are imported only here, when they are used."""
    return _readers(config, secrets, budget, Metrics())[0]


def _attempted(metrics: Metrics, job: Job, state: str, seconds: float) -> None:
    metrics.attempted(job.kind, state, seconds)
    if job.kind == REMEMBER and state == "failed":
        metrics.extracted("failed")


def _readers(
    config: Config, secrets: Secrets, budget: Meter, metrics: Metrics
) -> tuple[Extractor, Greeter | None]:
    """What reads the transcripts, and what words the greetings with the same models."""
    llm = config.llm
    if llm.provider == "rules":
        return Rules(), None
    models = Chain([Measured(model, metrics) for model in models_of(config, secrets)])
    greeter = None
    if config.greeting.writer == "model":
        greeter = Greeter(models, privacy=config.privacy.policy, budget=budget)
    return Model(models, chunk_tokens=llm.chunk_tokens, budget=budget), greeter


def _reader(
    config: Config, secrets: Secrets, metrics: Metrics, provider: str | None, model: str | None, budget: Meter
) -> tuple[Extractor, str]:
    """Another extractor for a replay, and the model it asks; it has no fallback, so that figures are its own."""
    llm = evolve(config.llm, provider=provider or config.llm.provider, fallback=())
    if llm.provider == "rules":
        if model is not None:
            raise Unreadable("the rules have no models @ $.model")
        return Rules(), ""
    if model is not None:
        llm = evolve(
            llm, openai=evolve(llm.openai, model=model), anthropic=evolve(llm.anthropic, model=model)
        )
    asked = llm.openai.model if llm.provider == "openai" else llm.anthropic.model
    return _readers(evolve(config, llm=llm), secrets, budget, metrics)[0], asked


def models_of(
    config: Config, secrets: Secrets, *, max_output_tokens: int | None = None
) -> list[LanguageModel]:
    """The configured providers, the first one first, none for `rules`; `max_output_tokens` in place of their own."""
    llm = config.llm
    if llm.provider == "rules":
        return []
    return [_model(name, llm, secrets, max_output_tokens) for name in (llm.provider, *llm.fallback)]


def _model(name: str, llm: Llm, secrets: Secrets, most: int | None) -> LanguageModel:
    if name == "openai":
        ours = llm.openai
        from elaaoms.llm import openai  # noqa: PLC0415

        return openai.OpenAI(
            model=ours.model,
            api_key=secrets.get("openai_api_key"),
            base_url=ours.base_url or openai.BASE_URL,
            timeout_s=llm.timeout_s,
            max_output_tokens=most or ours.max_output_tokens,
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
        max_output_tokens=most or theirs.max_output_tokens,
        prices=Prices(theirs.price_in, theirs.price_cached, theirs.price_out),
        thinking=theirs.thinking or None,
        structured=theirs.structured,
    )


async def _work(services: Services, stop: asyncio.Event) -> None:
    try:
        await services.worker.run(stop)
    except* StorageFailed as group:
        services.fatal(group.exceptions[0])


async def _adopt(services: Services) -> None:
    """Record what a crash left without a row, and look through a database that was too large at the start."""
    try:
        ingest = services.ingest
        if not ingest.recorded and (adopted := await ingest.adopt(since=await ingest.unsettled())):
            log.warning("%d archived bodies had no row; they are recorded now", adopted)
        if services.database.path.stat().st_size > CHECKED_AT_START:
            await services.database.check()
    except StorageFailed as error:
        services.fatal(error)
    except ElaaomsError as error:
        services.ingest.look_again()
        log.error("the archive cannot be looked through now: %s", error)


async def _look_through(services: Services, *, first: bool, before: float) -> None:
    """Record what somebody put into the archive by hand, once a day and, if nobody has looked, after the start.

    Only folders that changed since everything was last recorded are read. What was placed later than
    `before` (by the system's clock) may be on its way to its row.
    """
    if not first:
        await asyncio.sleep(DAY_S)
        before = time.time() - SETTLED_S
    await asyncio.sleep(LOOK_AFTER_S)
    ingest = services.ingest
    while True:
        try:
            since = await ingest.unsettled()
            if adopted := await ingest.adopt(since=since, before=before, gently=True):
                log.warning("%d bodies were in the archive without a row; they are recorded now", adopted)
        except StorageFailed as error:
            services.fatal(error)
        except ElaaomsError as error:
            log.warning("the archive cannot be looked through now: %s", error)
        await asyncio.sleep(DAY_S)
        before = time.time() - SETTLED_S


def encoder() -> Encoder:
    """What ranking knows meaning by."""
    return token_table()


async def _note_a_gap(services: Services) -> None:
    """Say in the audit trail that a process which did not end well may have taken the last accesses with it."""
    at = services.clock()
    if not (await services.calls.counts())["callers"]:
        return  # nobody was known whose memories could have been shown
    details = {"seconds_at_most": KEEP_EVERY_S}
    entry = Entry(at=at, actor=US, action="audit.interrupted", subjects=(), details=details)
    await services.database.write(lambda tx: services.audit.note(tx, entry))


async def _tidy(services: Services) -> None:
    """Record what could not be recorded, every two seconds; prune finished jobs, once an hour."""
    pruned = -PRUNE_EVERY_S
    loop = asyncio.get_running_loop()
    kept = loop.time()
    while True:
        try:
            if finished := await services.eraser.resume():
                log.info("%d erasures were finished", finished)
            if services.ingest.behind and (adopted := await services.ingest.catch_up()):
                log.warning("%d archived bodies are recorded now", adopted)
            if services.accesses.many or loop.time() - kept >= KEEP_EVERY_S:
                kept = loop.time()
                await services.accesses.keep()
            if loop.time() - pruned >= PRUNE_EVERY_S:
                await services.ingest.note_recorded()
                keep = services.config.worker.keep_days * DAY_S
                await services.queue.prune(finished_before=services.clock() - keep)
                pruned = loop.time()
                await _outlive(services)
        except StorageFailed as error:
            services.fatal(error)
        except ElaaomsError as error:
            log.warning("the database cannot be tidied now: %s", error)
        await asyncio.sleep(CATCH_UP_S)


async def _outlive(services: Services) -> None:
    """Remove what was kept for as long as `[storage]` says."""
    storage = services.config.storage
    await services.audit.prune(before=services.clock() - storage.keep_access_days * DAY_S)
    for days, audio in ((storage.keep_audio_days, True), (storage.keep_payload_days, False)):
        if days:
            before = services.clock() - days * DAY_S
            if gone := await let_go(
                services.database, services.calls, services.archive, audio=audio, before=before
            ):
                log.info("%d archived %s were removed", gone, "recordings" if audio else "transcripts")


async def _scrub(services: Services) -> None:
    """Compare every fact and memory with its seal, once a day and soon after a start."""
    await asyncio.sleep(SCRUB_FIRST_S)
    while True:
        try:
            await services.ingest.scrub()
        except StorageFailed as error:
            services.fatal(error)
        except ElaaomsError as error:
            log.warning("the rows cannot be compared with their seals now: %s", error)
        await asyncio.sleep(DAY_S)


async def _watch(services: Services) -> None:
    """Look whether the replica is there, and now and then that nobody's memories wait without a job."""
    if services.replica is None:
        return
    loop = asyncio.get_running_loop()
    resumed = loop.time()
    while True:
        try:
            await services.replica.look()
            if loop.time() - resumed >= RESUME_EVERY_S:
                await services.replica.resume()
                resumed = loop.time()
        except StorageFailed as error:
            services.fatal(error)
        except ElaaomsError as error:
            log.warning("what the replica is owed cannot be queued now: %s", error)
        await asyncio.sleep(LOOK_EVERY_S)


async def _capture(services: Services) -> None:
    """Look for calls that never arrived; a disk that fails under it ends the process."""
    if services.capture is None:
        return
    try:
        await services.capture.run()
    except StorageFailed as error:
        services.fatal(error)


def alerts_of(secrets: Secrets, services: Services) -> Alerts:
    """Who tells the operator of trouble, by the settings of [alerts]."""
    config, clock = services.config, services.clock
    wanted = config.alerts
    conditions: dict[str, Condition] = {
        "provider_blocked": named(
            "calls wait because {} cannot be used: {}",
            lambda: {**services.worker.blocked, **services.extractor.blocked()},
        )
    }

    async def troubled() -> float:
        return await services.queue.troubled(REMEMBER, since=clock() - HOUR_S)

    async def free() -> float:
        return await asyncio.to_thread(services.archive.free_bytes) / MIB

    if wanted.failed_calls:
        sentence = "{:.0f} calls of the last hour could not be read; see `elaaoms jobs list --state failed`"
        conditions["extraction_failing"] = above(sentence, troubled, wanted.failed_calls - 1)
    if wanted.disk_free_mb:
        conditions["disk_filling"] = below("the disk has {:.0f} MiB left", free, wanted.disk_free_mb)
    if wanted.outbox_minutes and services.replica is not None:
        sentence = "OpenMemory has been owed changes for {:.0f} minutes; see `elaaoms openmemory status`"
        lag = partial(_outbox_lag_s, services.replica, clock)

        async def minutes() -> float:
            return await lag() / 60

        conditions["outbox_late"] = above(sentence, minutes, wanted.outbox_minutes)
    if wanted.silent_minutes:
        hours = Hours(wanted.weekdays, *wanted.minutes, ZoneInfo(wanted.timezone))
        conditions["webhooks_silent"] = silent(
            services.calls.newest_arrival, after_s=wanted.silent_minutes * 60.0, hours=hours
        )
    if services.elevenlabs is not None and config.server.public_url:
        conditions["webhook_disabled"] = disabled(
            services.elevenlabs.webhooks, public_url=config.server.public_url
        )
    return Alerts(
        services.database,
        conditions,
        url=wanted.webhook_url,
        secret=secrets.get("alerts_secret") or secrets.webhook_secrets[0],
        quiet_s=wanted.quiet_minutes * 60.0,
        installation=urlsplit(config.server.public_url).hostname or socket.gethostname(),
        clock=clock,
    )


async def _outbox_lag_s(replica: Replica, clock: Callable[[], float]) -> float:
    """The age of the oldest change that the replica is owed, in seconds."""
    since = (await replica.standing()).since
    return 0.0 if since is None else max(0.0, clock() - since)


async def _alert(alerts: Alerts) -> None:
    while True:
        try:
            await alerts.look()
        except ElaaomsError as error:
            log.warning("the alerts cannot be looked at now: %s", error)
        await asyncio.sleep(ALERT_EVERY_S)


async def _measure_lag(services: Services) -> None:
    """Notice how late the event loop is: callers wait while something else computes in it."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        services.metrics.loop_lag.observe(max(0.0, loop.time() - due))


@asynccontextmanager
async def _listening(
    services: Services,
    routes: tuple[Route, ...],
    host: str,
    port: int,
    setting: str,
    inherited: socket.socket | None = None,
) -> AsyncIterator[str]:
    """Serve `routes`; when the block ends, what has begun to arrive is taken in before the doors close."""
    app = make_app(services, routes)
    if routes is ADMIN:
        app.add_subapp(dashboard.HOME, dashboard.make_app(services))
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=CUT_OFF_S)
    await runner.setup()
    try:
        listener = Listener(
            cast(web.Server, runner.server),
            most=most_connections(services.config.limits.connections),
            head_timeout_s=services.config.server.head_timeout_s,
            keep_alive_s=KEEP_ALIVE_S,
        )
        try:
            loop = asyncio.get_running_loop()
            if inherited is not None:  # who opened it keeps it: what comes while we restart waits in it
                server = await loop.create_server(listener, sock=inherited.dup(), backlog=BACKLOG)
            else:
                server = await loop.create_server(listener, host, port, backlog=BACKLOG)
        except (OSError, OverflowError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise ElaaomsError(f"cannot listen on {host} port {port} ({setting}): {reason}") from error
        try:
            bound = server.sockets[0].getsockname()
            yield f"http://{_bracketed(bound[0])}:{bound[1]}"
        finally:
            await close_door(server)
            await listener.drain(SHUTDOWN_S)
    finally:
        await runner.cleanup()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


# -- after a loss ----------------------------------------------------------------------------


@frozen(kw_only=True)
class Recovered:
    """What `recover` brought back; `jobs` by state, of which the available ones are left to the daemon."""

    adopted: int
    statements: int
    scrubbed: Scrubbed
    jobs: Mapping[str, int]


async def recover(
    config: Config, secrets: Secrets, *, backup: Path | None, progress: Callable[[str], None]
) -> Recovered:
    """Rebuild calls and memories from the archived payloads, beside what a backup or the database still has.

    Bodies without a row get one, what operators said is read from databases that were set aside, every
    row is compared with its seal, and the jobs that follow are run.
    """
    fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    mend = partial(_restored, backup) if backup is not None else _mended
    async with _opened(config, secrets, fatal, time.time, mend) as (services, _):
        await services.queue.rescue(now=services.clock())
        ingest, directory = services.ingest, services.directory
        adopted = await ingest.adopt(
            lambda seen, found: progress(f"{seen} archived bodies, {found} were not recorded")
        )
        statements = 0
        for path in set_aside_before(config.data):
            said: dict[Identified, list[Heard]] = defaultdict(list)
            for text, heard in await asyncio.to_thread(salvaged, path):
                kind, _, value = text.partition(":")
                address = Address(kind, value)
                said[Identified(directory.key(address), address)].append(heard)
            for who, heards in said.items():
                statements += await ingest.restate(who, heards)
            await asyncio.to_thread(_looked_at, path)
        scrubbed = await ingest.scrub(pause_s=0.0)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(services.worker.run(stop), name="worker")
            while due := await _due(services):
                progress(f"{due} calls are still to be read")
                await asyncio.sleep(0.2)
            stop.set()
        counts = await services.queue.counts()
    return Recovered(adopted=adopted, statements=statements, scrubbed=scrubbed, jobs=counts)


async def _due(services: Services) -> int:
    """How many jobs run or could run now; the others wait for their time, or for one that does."""
    counts = await services.queue.counts()
    oldest = await services.queue.oldest_due()
    ready = oldest is not None and oldest <= services.clock()
    return counts["available"] + counts["running"] if ready or counts["running"] else 0


@asynccontextmanager
async def _restored(backup: Path, path: Path) -> AsyncIterator[Database]:
    """A copy of the backup in the place of the database, which is set aside."""
    partial_copy = path.with_name("restored.part")
    try:
        await asyncio.to_thread(shutil.copyfile, backup, partial_copy)
    except OSError as error:
        raise ElaaomsError(f"{backup} cannot be copied: {os.strerror(error.errno or 0)}") from error
    async with Database.open(partial_copy):  # raises for a copy that is damaged, and leaves no WAL beside it
        pass
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    await asyncio.to_thread(set_aside, path, stamp=stamp)
    await asyncio.to_thread(_into_place, partial_copy, path)
    async with Database.open(path) as database:
        yield database


def _into_place(source: Path, target: Path) -> None:
    with disk_errors():
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        source.rename(target)
        sync_directory(target.parent)


def _looked_at(path: Path) -> None:
    """Keep a damaged database under a name that nobody is warned of any more."""
    with disk_errors():
        for suffix in ("-wal", "-shm", ""):
            old = path.with_name(path.name + suffix)
            if old.exists():
                old.rename(old.with_name(old.name.replace(".damaged-", ".recovered-")))
        sync_directory(path.parent)


# -- the process -----------------------------------------------------------------------------


async def serve(config: Config, secrets: Secrets, announce: Callable[[Running], None]) -> None:
    """Run the daemon until SIGTERM or SIGINT; a disk that fails ends the process with 74.

    When the database turns out to be damaged everything but the process begins anew, on the same ports.
    """
    stopped: asyncio.Event = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "elaaoms"))
    sys.setswitchinterval(SWITCH_S)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    waiting = asyncio.ensure_future(stopped.wait())
    sockets = supervisor.inherited()
    damaged = False
    while not stopped.is_set():
        async with running(config, secrets, damaged=damaged, sockets=sockets) as daemon:
            if not damaged:
                announce(daemon)
                gc.collect()
                gc.freeze()  # what is loaded by now stays; collections need not walk over it again and again
                gc.set_threshold(*COLLECT)
                supervisor.notify("READY=1")
            services = daemon.services
            ends = (waiting, daemon.fatal, services.database.damage)
            beating = asyncio.create_task(_beat(services), name="heartbeat")
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            beating.cancel()
            if daemon.fatal.done():
                await asyncio.sleep(LAST_WORDS_S)
                _abandon(daemon.fatal.exception())
            damaged = services.database.damage.done()
            if damaged:
                services.worker.hurry()
            else:
                supervisor.notify("STOPPING=1")
                log.info("stopping")
            port, admin_port = (urlsplit(url).port or 0 for url in (daemon.url, daemon.admin_url))
            config = evolve(config, server=evolve(config.server, port=port, admin_port=admin_port))


async def _beat(services: Services) -> None:
    """Tell the service manager that we are well for as long as a query answers and the worker turns."""
    every = supervisor.watchdog_s()
    loop = asyncio.get_running_loop()
    while True:
        try:
            async with asyncio.timeout(every or STATUS_EVERY_S):
                counts = await services.queue.counts()
                failed = counts.get("failed", 0)
                waiting = counts.get("available", 0) + counts.get("running", 0)
            if loop.time() - services.worker.turned_at < WORKER_TURNS_S:
                supervisor.notify(f"WATCHDOG=1\nSTATUS={waiting} jobs waiting, {failed} failed")
            else:
                supervisor.notify("STATUS=the worker does not turn")
        except (ElaaomsError, TimeoutError) as error:
            supervisor.notify(f"STATUS=the database does not answer ({type(error).__name__})")
        await asyncio.sleep(every or STATUS_EVERY_S)


def _abandon(error: BaseException | None) -> NoReturn:
    """End at once: after a flush that failed, nothing that is still written can be trusted."""
    sys.stdout.flush()
    sys.stderr.write(f"Error: {error}\n")
    sys.stderr.flush()
    os._exit(DISK_FAILED)
