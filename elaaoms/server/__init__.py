"""The HTTP server: the table of routes, public and admin, with what each demands of its caller."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from elaaoms.server import api, docs, exposition, hooks, openmemory
from elaaoms.server.border import Auth, Route, Services, border, serve, sign_off
from elaaoms.server.openapi import document

KIB = 1 << 10
MIB = 1 << 20

DESCRIBED = (
    Route("GET", "/openapi.json", docs.openapi, Auth.NONE),
    Route("GET", "/docs", docs.page, Auth.NONE),
    Route("GET", "/docs/{file}", docs.asset, Auth.NONE),
)

PUBLIC = (
    Route("POST", "/webhook/post-call", hooks.post_call, Auth.SIGNED),
    Route(
        "POST", "/webhook/client-data", hooks.client_data, Auth.TOOL, limit=64 * KIB, fallback=hooks.stranger
    ),
    Route(
        "POST",
        "/webhook/search-memory",
        hooks.search_memory,
        Auth.TOOL,
        limit=64 * KIB,
        fallback=hooks.not_now,
    ),
    Route("GET", "/health", hooks.health, Auth.NONE),
    Route("POST", "/echo", hooks.echo, Auth.NONE, limit=64 * KIB),
    *DESCRIBED,
)

ADMIN = (
    Route("GET", "/health", hooks.health, Auth.NONE),
    Route("GET", "/metrics", exposition.metrics, Auth.LOCAL),
    Route("GET", "/api/memories", api.list_memories, Auth.ADMIN),
    Route("POST", "/api/memories", api.add_memory, Auth.ADMIN, limit=64 * KIB),
    Route("POST", "/api/memories/import", api.import_memories, Auth.ADMIN, limit=64 * MIB),
    Route("POST", "/api/memories/reembed", api.reembed, Auth.ADMIN, limit=KIB),
    Route("GET", "/api/memories/{id}", api.show_memory, Auth.ADMIN),
    Route("PATCH", "/api/memories/{id}", api.change_memory, Auth.ADMIN, limit=64 * KIB),
    Route("DELETE", "/api/memories/{id}", api.forget_memory, Auth.ADMIN, limit=KIB),
    Route("POST", "/api/memories/{id}/restore", api.restore_memory, Auth.ADMIN, limit=KIB),
    Route("GET", "/api/callers", api.list_callers, Auth.ADMIN),
    Route("GET", "/api/callers/{caller}", api.show_caller, Auth.ADMIN),
    Route("DELETE", "/api/callers/{caller}", api.erase_caller, Auth.ADMIN, limit=KIB),
    Route("GET", "/api/callers/{caller}/export", api.export_caller, Auth.ADMIN),
    Route("POST", "/api/callers/{caller}/merge", api.merge_caller, Auth.ADMIN, limit=KIB),
    Route("GET", "/api/requests", api.list_requests, Auth.ADMIN),
    Route("POST", "/api/requests/{id}/decline", api.decline_request, Auth.ADMIN, limit=KIB),
    Route("GET", "/api/erasures", api.list_erasures, Auth.ADMIN),
    Route("POST", "/api/erasures/check", api.check_receipt, Auth.ADMIN, limit=64 * KIB),
    Route("GET", "/api/calls", api.list_calls, Auth.ADMIN),
    Route("POST", "/api/calls/missing", api.unheard_of, Auth.ADMIN, limit=256 * KIB),
    Route("POST", "/api/events", hooks.import_event, Auth.ADMIN, streams=True),
    Route("POST", "/api/initiation", api.initiation, Auth.ADMIN, limit=64 * KIB),
    Route("GET", "/api/calls/{conversation_id}", api.show_call, Auth.ADMIN),
    Route("POST", "/api/calls/{conversation_id}/reprocess", api.reprocess, Auth.ADMIN, limit=KIB),
    Route("POST", "/api/replay", api.replay, Auth.ADMIN, limit=4 * KIB),
    Route("GET", "/api/openmemory", openmemory.status, Auth.ADMIN),
    Route("POST", "/api/openmemory/push", openmemory.push, Auth.ADMIN, limit=KIB),
    Route("POST", "/api/openmemory/pull", openmemory.pull, Auth.ADMIN, limit=KIB),
    Route("GET", "/api/openmemory/verify", openmemory.verify, Auth.ADMIN),
    Route("POST", "/api/openmemory/repair", openmemory.repair, Auth.ADMIN, limit=KIB),
    Route("GET", "/api/held", api.list_held, Auth.ADMIN),
    Route("GET", "/api/audit", api.list_audit, Auth.ADMIN),
    Route("GET", "/api/usage", api.show_usage, Auth.ADMIN),
    Route("GET", "/api/jobs", api.list_jobs, Auth.ADMIN),
    Route("POST", "/api/jobs/retry", api.retry_failed, Auth.ADMIN, limit=KIB),
    Route("GET", "/api/jobs/{id}", api.show_job, Auth.ADMIN),
    Route("POST", "/api/jobs/{id}/retry", api.retry_job, Auth.ADMIN, limit=KIB),
    Route("POST", "/api/jobs/{id}/cancel", api.cancel_job, Auth.ADMIN, limit=KIB),
    *DESCRIBED,
)


def make_app(services: Services, routes: tuple[Route, ...]) -> web.Application:
    """An application that serves `routes`; every answer carries a request id, every error the wrapper."""
    app = web.Application(middlewares=[border(services)])
    app[docs.DOCUMENT] = docs.Document(partial(document, *PUBLIC, *ADMIN))
    app.on_response_prepare.append(partial(sign_off, services))
    for route in routes:
        app.router.add_route(route.method, route.path, partial(serve, services, route))
    return app


__all__ = ["ADMIN", "PUBLIC", "Route", "Services", "make_app"]
