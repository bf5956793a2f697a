"""The dashboard on the admin listener: see, correct, forget; its routes, and the files that come with it."""

from __future__ import annotations

from functools import partial
from importlib import resources
from pathlib import Path

from aiohttp import web

from elaaoms.dashboard import actions, looks, pages
from elaaoms.dashboard.desk import HOME, Desk, Page, boundary, serve, sign_off
from elaaoms.dashboard.hours import Hours
from elaaoms.dashboard.session import Sessions
from elaaoms.server.border import Services
from elaaoms.server.brake import Brake

ASSETS = Path(str(resources.files(__name__) / "assets"))
ATTEMPTS = 5  # wrong tokens that one address may type in a minute


def routes(brake: Brake) -> tuple[Page, ...]:
    """Every page and action."""
    return (
        Page("GET", "/login", pages.login, login=False),
        Page("POST", "/login", partial(actions.login, brake), login=False),
        Page("POST", "/logout", actions.logout),
        Page("POST", "/logout-all", actions.logout_all),
        Page("GET", "", pages.now),
        Page("GET", "/now", pages.now_again, wakes=False),
        Page("GET", "/plots", pages.plots_again, wakes=False),
        Page("GET", "/calls", pages.calls),
        Page("GET", "/calls/{id}", pages.call),
        Page("GET", "/calls/{id}/audio", pages.audio),
        Page("POST", "/calls/{id}/reprocess", actions.reprocess),
        Page("POST", "/calls/{id}/replay", actions.replay),
        Page("GET", "/callers", pages.callers),
        Page("GET", "/callers/search", pages.further),
        Page("GET", "/callers/{caller}", pages.caller),
        Page("GET", "/callers/{caller}/export.{kind}", pages.export),
        Page("POST", "/callers/{caller}/remember", actions.remember),
        Page("POST", "/callers/{caller}/merge", actions.merge),
        Page("POST", "/callers/{caller}/erase", actions.erase),
        Page("POST", "/memories/{id}/edit", actions.edit),
        Page("POST", "/memories/{id}/pin", actions.pin),
        Page("POST", "/memories/{id}/forget", actions.forget),
        Page("POST", "/memories/{id}/restore", actions.restore),
        Page("POST", "/requests/{id}/decline", actions.decline),
        Page("GET", "/jobs", pages.jobs),
        Page("GET", "/jobs/{id}", pages.job),
        Page("POST", "/jobs/retry-failed", actions.retry_failed),
        Page("POST", "/jobs/{id}/retry", actions.retry),
        Page("POST", "/jobs/{id}/cancel", actions.cancel),
        Page("GET", "/storage", pages.storage),
        Page("GET", "/audit", pages.audit),
    )


def make_app(services: Services) -> web.Application:
    """The dashboard, to be added to the admin listener at `/dashboard`."""
    desk = Desk(
        services=services,
        sessions=Sessions(services.clock),
        templates=looks.environment(),
        calls=Hours(partial(pages.calls_of, services), services.clock),
        work=Hours(partial(pages.work_of, services), services.clock),
    )
    app = web.Application(middlewares=[boundary(desk)])
    app.on_response_prepare.append(sign_off)
    for page in routes(Brake(services.clock, attempts=ATTEMPTS)):
        app.router.add_route(page.method, page.path, partial(serve, desk, page))
    app.router.add_static("/assets", ASSETS)
    return app


__all__ = ["ASSETS", "ATTEMPTS", "HOME", "make_app"]
