"""What the operator does on the dashboard: each action is the API's own, after which the page says so."""

from __future__ import annotations

import hmac
import math
import secrets as random

from aiohttp import web

from elaaoms import strict
from elaaoms.calls import Caller
from elaaoms.dashboard.desk import (
    COOKIE,
    FORM,
    HOME,
    SESSION,
    Desk,
    done,
    link,
    local,
    see,
)
from elaaoms.errors import Conflicting, NotFound, Unreadable
from elaaoms.server import api
from elaaoms.server.brake import Brake

_FORMS = strict.converter(forbid_extra_keys=True)

LOGIN_COOKIE = "elaaoms_login"


# -- login ---------------------------------------------------------------------------


def login_page(desk: Desk, request: web.Request, *, status: int = 200, wrong: str = "") -> web.Response:
    """The form that asks for the token, with a cookie of its own for the proof."""
    name = request.cookies.get(LOGIN_COOKIE, "")
    fresh = name if name.isascii() and 20 <= len(name) <= 100 else random.token_urlsafe(32)
    answer = desk.page(
        request,
        "login.html",
        status=status,
        wrong=wrong,
        proof=desk.sessions.proof(fresh),
        following=local(request.query.get("next") or request.get(FORM, {}).get("next", HOME)),
    )
    _set(request, answer, LOGIN_COOKIE, fresh)
    return answer


async def login(brake: Brake, desk: Desk, request: web.Request) -> web.Response:
    """Compare the token; a wrong one says no more than that."""
    form, address = request[FORM], request.remote or ""
    if not desk.sessions.proves(
        form.get("proof", ""), desk.sessions.proof(request.cookies.get(LOGIN_COOKIE, ""))
    ):
        return login_page(desk, request, status=403, wrong="The form was too old. Please try again.")
    if (wait_s := math.ceil(brake.wait_s(address))) > 0:
        answer = login_page(
            desk, request, status=429, wrong=f"Too many attempts. Try again in {wait_s} seconds."
        )
        answer.headers["Retry-After"] = str(wait_s)
        return answer
    token = desk.services.admin_token
    given = form.get("token", "").strip().encode("utf-8", "surrogateescape")
    if not token or not hmac.compare_digest(given, token.encode()):
        brake.failed(address)
        return login_page(desk, request, status=401, wrong="That is not the admin token.")
    brake.passed(address)
    answer = see(local(form.get("next", HOME)))
    _set(request, answer, COOKIE, desk.sessions.begin())
    answer.del_cookie(LOGIN_COOKIE, path=HOME)
    return answer


async def logout(desk: Desk, request: web.Request) -> web.Response:
    """End this session."""
    desk.sessions.end(request.cookies.get(COOKIE, ""))
    answer = see(link("login"))
    answer.del_cookie(COOKIE, path=HOME)
    return answer


async def logout_all(desk: Desk, request: web.Request) -> web.Response:
    """End every session, also those on other machines."""
    desk.sessions.end_all()
    return await logout(desk, request)


def _set(request: web.Request, answer: web.Response, name: str, value: str) -> None:
    secure = "https" in (request.scheme, request.headers.get("X-Forwarded-Proto", ""))
    answer.set_cookie(name, value, path=HOME, httponly=True, samesite="Strict", secure=secure)


# -- calls ---------------------------------------------------------------------------


async def reprocess(desk: Desk, request: web.Request) -> web.Response:
    """Read a call once more as it is configured."""
    job_id = await desk.services.ingest.reprocess(request.match_info["id"])
    return done(request, f"The call is queued again, as job {job_id}.")


async def replay(desk: Desk, request: web.Request) -> web.Response:
    """Read a call with another provider or model and show what would be different, or adopt it."""
    form = request[FORM]
    wanted = strict.structure(
        _FORMS,
        {
            "conversation_id": request.match_info["id"],
            "provider": form.get("provider") or None,
            "model": form.get("model", "").strip() or None,
            "adopt": form.get("adopt") == "yes",
        },
        api.ReplayRequest,
    )
    read = await api.read_again(desk.services, wanted)
    if read.adopted:
        return done(request, "The new reading took the old one's place.")
    call = await desk.services.calls.get(wanted.conversation_id)
    return desk.page(request, "replay.html", call=call, replay=read, wanted=wanted)


# -- callers -------------------------------------------------------------------------


async def found(desk: Desk, request: web.Request) -> Caller:
    """The caller that the path names; NotFound."""
    caller = await desk.services.directory.find(request.match_info["caller"])
    if caller is None:
        raise NotFound("there is no such caller")
    return caller


async def remember(desk: Desk, request: web.Request) -> web.Response:
    """Add what the operator knows of a caller."""
    caller, form = await found(desk, request), request[FORM]
    new = strict.structure(
        _FORMS,
        {
            "caller": caller.caller,
            "content": form.get("content", ""),
            "category": form.get("category", "factual"),
            "importance": _rating(form.get("importance", "5")),
        },
        api.NewMemory,
    )
    await api.remembered(desk.services, new)
    return done(request, "Remembered.")


async def merge(desk: Desk, request: web.Request) -> web.Response:
    """Make a caller the same person as another."""
    caller, form = await found(desk, request), request[FORM]
    into = await desk.services.directory.find(form.get("into", "").strip())
    if into is None:
        raise NotFound("there is no caller with that number, user id or key")
    if form.get("sure") != "yes":
        raise Conflicting("merging cannot be undone: tick the box if you are sure")
    await desk.services.ingest.merge(caller.caller, into.caller)
    return done(request, "They are one caller now.", link("callers", into.caller))


async def erase(desk: Desk, request: web.Request) -> web.Response:
    """Remove every trace of a caller whose address the operator typed, or the key where nobody can type that."""
    caller = await found(desk, request)
    if request[FORM].get("typed", "").strip() not in (caller.address.value.strip(), caller.caller):
        raise Conflicting("what you typed is not this caller's address: nothing was erased")
    erasure = await desk.services.eraser.erase(caller.caller, actor="admin")
    said = f"The caller is erased. The receipt is {erasure.id}."
    if erasure.receipt is None:
        said = f"The caller is erased here; it goes on by itself when {erasure.waits_for} can be reached."
    return done(request, said, link("storage") + "#erasures")


async def decline(desk: Desk, request: web.Request) -> web.Response:
    """Close a wish to be forgotten without an erasure."""
    await desk.services.calls.decline(number(request), now=desk.services.clock())
    return done(request, "The request is closed; nothing was erased.")


# -- memories ------------------------------------------------------------------------


async def edit(desk: Desk, request: web.Request) -> web.Response:
    """Put other words, another kind or another importance in a memory's place."""
    memory, form = await desk.services.memories.get(request.match_info["id"]), request[FORM]
    wanted = {
        "content": form.get("content", memory.content),
        "category": form.get("category", memory.category.value),
        "importance": _rating(form.get("importance", str(memory.importance))),
    }
    before = {"content": memory.content, "category": memory.category.value, "importance": memory.importance}
    changed = {name: value for name, value in wanted.items() if value != before[name]}
    if not changed:
        return done(request, "Nothing was changed.")
    await api.decided(desk.services, memory, strict.structure(_FORMS, changed, api.Change))
    return done(request, "Changed. The words before stand under what is no longer true.")


async def pin(desk: Desk, request: web.Request) -> web.Response:
    """Pin a memory, or no longer."""
    memory = await desk.services.memories.get(request.match_info["id"])
    pinned = request[FORM].get("pinned") == "yes"
    await api.decided(desk.services, memory, api.Change(pinned=pinned))
    return done(request, "Pinned." if pinned else "No longer pinned.")


async def forget(desk: Desk, request: web.Request) -> web.Response:
    """Forget a memory, for good."""
    await desk.services.ingest.forget(await desk.services.memories.get(request.match_info["id"]))
    return done(request, "Forgotten.")


async def restore(desk: Desk, request: web.Request) -> web.Response:
    """Undo what ended a memory."""
    await desk.services.ingest.restore(await desk.services.memories.get(request.match_info["id"]))
    return done(request, "Restored.")


def _rating(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 2):
        raise Unreadable("expected 1 to 10 @ importance")
    return int(text)


# -- jobs ----------------------------------------------------------------------------


def number(request: web.Request) -> int:
    """The number that the path names; NotFound for what is none."""
    text = request.match_info["id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFound("there is nothing with that number")
    return int(text)


async def retry(desk: Desk, request: web.Request) -> web.Response:
    """Make a job due now."""
    job = await desk.services.queue.retry(number(request), now=desk.services.clock())
    return done(request, f"Job {job.id} is due now.")


async def retry_failed(desk: Desk, request: web.Request) -> web.Response:
    """Make every failed job due now."""
    count = await desk.services.queue.retry_failed(now=desk.services.clock())
    return done(request, f"{count} failed jobs are due now.")


async def cancel(desk: Desk, request: web.Request) -> web.Response:
    """Give up a job."""
    job = await desk.services.queue.cancel(number(request), now=desk.services.clock())
    return done(request, f"Job {job.id} is cancelled.")


__all__ = ["SESSION", "found", "login_page", "number"]
