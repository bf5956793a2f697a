"""What stands around every page: login, proofs against forged forms, strict headers, errors as pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware
from attrs import frozen
from jinja2 import Environment

from elaaoms import __version__
from elaaoms.calls import Slot
from elaaoms.dashboard.hours import Hours
from elaaoms.dashboard.session import Notice, Session, Sessions
from elaaoms.errors import (
    Conflicting,
    ElaaomsError,
    NotFound,
    ProviderBlocked,
    ServiceRejected,
    ServiceUnavailable,
    StorageUnavailable,
    Unreadable,
)
from elaaoms.jobs import Stretch
from elaaoms.server.border import Refused, Services

HOME = "/dashboard"
COOKIE = "elaaoms_session"
MAX_FORM = 64 << 10  # bytes
MAX_FIELDS = 50

# Everything comes from this host, from files: no script and no style stands in a page.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

SESSION = web.RequestKey("session", Session)
FORM = web.RequestKey("form", Mapping[str, str])

_STATUS: tuple[tuple[type[ElaaomsError], int], ...] = (
    (Unreadable, 400),
    (NotFound, 404),
    (Conflicting, 409),
    (ServiceRejected, 502),
    (ServiceUnavailable, 503),
    (ProviderBlocked, 503),
    (StorageUnavailable, 503),
)
_EXPECTED = tuple(kind for kind, _ in _STATUS)

Inner: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@frozen(kw_only=True)
class Desk:
    """What pages and actions work with."""

    services: Services
    sessions: Sessions
    templates: Environment
    calls: Hours[Slot]
    work: Hours[Stretch]

    def page(self, request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """A template as an answer; one whose name begins with `_` is a piece of a page."""
        session = request.get(SESSION)
        shared: dict[str, Any] = {
            "home": HOME,
            "here": request.path,
            "proof": session.proof if session else "",
            "logged_in": session is not None,
            "notice": session.told() if session and not template.startswith("_") else None,
            "version": __version__,
            "now": self.services.clock(),
        }
        text = self.templates.get_template(template).render(shared | values)
        return web.Response(text=text, content_type="text/html", status=status)

    def wrong(self, request: web.Request, status: int, message: str) -> web.Response:
        """An error as a page."""
        back = local(request.get(FORM, {}).get("back", HOME))
        return self.page(request, "error.html", status=status, message=message, back=back)


@frozen
class Page:
    """One route of the dashboard; `wakes`: asking for it counts as use of the session."""

    method: str
    path: str
    answer: Callable[[Desk, web.Request], Awaitable[web.StreamResponse]]
    login: bool = True
    wakes: bool = True


PAGE = web.RequestKey("page", Page)


def done(request: web.Request, text: str, location: str = "") -> web.Response:
    """After an action: say so on the page that it began on, or on another."""
    request[SESSION].notice = Notice(text)
    return see(location or local(request[FORM].get("back", HOME)))


def see(location: str) -> web.Response:
    """Go on with a GET."""
    return web.Response(status=303, headers={"Location": location})


def local(path: str) -> str:
    """A path of the dashboard as it stands, anything else as its first page."""
    parts = urlsplit(path)
    ours = path == HOME or path.startswith((f"{HOME}/", f"{HOME}?"))
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return path if ours and plain and not parts.netloc and ".." not in parts.path else HOME


def link(*parts: str) -> str:
    """A path of the dashboard."""
    return "/".join((HOME, *(quote(part, safe="") for part in parts)))


# -- one request ---------------------------------------------------------------------


async def serve(desk: Desk, page: Page, request: web.Request) -> web.StreamResponse:
    """Check who asks and that our own page sent the form, then answer."""
    request[PAGE] = page
    if request.method == "POST":
        _from_here(request)
        request[FORM] = await _form(desk.services, request)
    if page.login:
        session = desk.sessions.find(request.cookies.get(COOKIE, ""), used=page.wakes)
        if session is None:
            return _login_first(request)
        request[SESSION] = session
        if request.method == "POST" and not desk.sessions.proves(
            request[FORM].get("proof", ""), session.proof
        ):
            raise Refused(403, "this form was not made by the page you are logged in to; load it again")
    return await page.answer(desk, request)


def _login_first(request: web.Request) -> web.Response:
    wanted = request.path_qs if request.method == "GET" and "HX-Request" not in request.headers else HOME
    location = link("login") + ("" if wanted == HOME else f"?next={quote(wanted, safe='')}")
    if "HX-Request" in request.headers:  # a piece of a page: the whole page has to go
        return web.Response(status=401, headers={"HX-Redirect": link("login")})
    return see(location)


def _from_here(request: web.Request) -> None:
    """Refuse a form that another site's page sent; browsers say where it comes from.

    `Sec-Fetch-Site` is sent over TLS and on loopback and knows of no proxy; without it `Origin` must name us.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        ours = site in ("same-origin", "none")
    else:
        ours = origin is None or urlsplit(origin).netloc == request.host
    if not ours:
        raise Refused(403, "this form came from another site")


async def _form(services: Services, request: web.Request) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused(415, "expected a form")
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refused(415, "the body must not have a Content-Encoding")
    body = bytearray()
    try:
        async with asyncio.timeout(services.config.server.body_timeout_s):
            async for chunk in request.content.iter_chunked(1 << 14):
                body += chunk
                if len(body) > MAX_FORM:
                    raise Refused(413, f"the form is larger than {MAX_FORM} bytes")
    except TimeoutError as error:
        raise Refused(408, "the form did not arrive in time", headers={"Connection": "close"}) from error
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise Refused(400, "the form cannot be read") from error
    return dict(fields)


def boundary(desk: Desk) -> Middleware:
    """Errors that one sentence explains become pages; the rest goes on to the border, which logs it."""

    @web.middleware
    async def around(request: web.Request, handler: Inner) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as error:
            answer = desk.wrong(request, error.status, str(error))
            answer.headers.update(error.headers)
            return answer
        except web.HTTPException as error:
            if error.status < 400:
                raise
            answer = desk.wrong(request, error.status, error.reason)
            if "Allow" in error.headers:
                answer.headers["Allow"] = error.headers["Allow"]
            return answer
        except _EXPECTED as error:
            status = next(status for kind, status in _STATUS if isinstance(error, kind))
            return desk.wrong(request, status, str(error))

    return around


async def sign_off(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every page; they come after those of the whole listener."""
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if request.path.startswith(f"{HOME}/assets/"):
        response.headers["Cache-Control"] = "no-cache"  # kept, and asked for whether it is still the same
    for name in ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers"):
        response.headers.pop(name, None)  # no other site's page has business here
