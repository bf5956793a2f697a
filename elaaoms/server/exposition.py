"""`GET /metrics`: how things stand now, beside what was counted on the way, as Prometheus reads it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from elaaoms.errors import ElaaomsError
from elaaoms.server.border import Services


async def metrics(services: Services, _: web.Request, __: bytes) -> web.Response:
    """Counters, latencies and the state of queue and disk, as Prometheus reads them."""
    ours = services.metrics
    try:
        ours.depths(await services.queue.depths())
        oldest = await services.queue.oldest_due()
        age = 0.0 if oldest is None else max(0.0, services.clock() - oldest)
        ours.stand("elaaoms_job_oldest_seconds", "How long the job that waits longest has been due", age)
        counts = await services.calls.counts()
        for name in ("calls", "callers", "held"):
            ours.stand(f"elaaoms_{name}", f"How many {name} there are in the database", counts[name])
        readable = 1
    except ElaaomsError:
        readable = 0
    ours.stand("elaaoms_database_readable", "Whether the database answers", readable)
    ours.stand("elaaoms_jobs_running", "Jobs that run in this process", services.worker.running)
    size = await asyncio.to_thread(_size, services.database.path)
    ours.stand("elaaoms_database_bytes", "Size of the database and its log", size)
    try:
        free = await asyncio.to_thread(services.archive.free_bytes)
        ours.stand("elaaoms_disk_free_bytes", "Free space where the data are", free)
    except ElaaomsError:
        ours.stand("elaaoms_disk_free_bytes", "Free space where the data are", float("nan"))
    ours.stand("elaaoms_providers_blocked", "Providers that jobs wait for", len(services.worker.blocked))
    await ours.look()
    return web.Response(body=ours.exposed(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _size(path: Path) -> int:
    """Bytes of a database with its log, which may vanish at any moment."""
    total = 0
    for suffix in ("", "-wal"):
        file = path.with_name(path.name + suffix)
        total += file.stat().st_size if file.exists() else 0
    return total
