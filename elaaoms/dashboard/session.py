"""Who is logged in: signed cookies, sessions in memory, proofs against forged forms."""

from __future__ import annotations

import hashlib
import hmac
import secrets as random
from collections import OrderedDict
from collections.abc import Callable

from attrs import define, frozen

IDLE_S = 1800.0  # without a request of the person's own
WHOLE_S = 12 * 3600.0
MOST_SESSIONS = 100


@frozen
class Notice:
    """What the next page says once."""

    text: str
    bad: bool = False


@define(eq=False)
class Session:
    """One login; times are unix seconds. `proof` must stand in every form that it sends."""

    begun: float
    used: float
    proof: str
    notice: Notice | None = None

    def told(self) -> Notice | None:
        """The notice, which is said once."""
        notice, self.notice = self.notice, None
        return notice


class Sessions:
    """Logins by the digest of their cookie. A restart ends them all, and so does a new key or token."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._key = random.token_bytes(32)
        self._open: OrderedDict[str, Session] = OrderedDict()

    def begin(self) -> str:
        """Log somebody in; the cookie's value."""
        name = random.token_urlsafe(32)
        now = self._clock()
        self._open[_digest(name)] = Session(now, now, self.proof(name))
        while len(self._open) > MOST_SESSIONS:
            self._open.popitem(last=False)
        return f"{name}.{self._sign('cookie', name)}"

    def find(self, cookie: str, *, used: bool = True) -> Session | None:
        """The session of a cookie that we signed and that is neither ended nor too old; `used` keeps it awake."""
        name = self._genuine(cookie)
        session = self._open.get(_digest(name)) if name else None
        if session is None:
            return None
        now = self._clock()
        if not (now - IDLE_S <= session.used <= now and now - WHOLE_S <= session.begun):
            self.end(cookie)
            return None
        if used:
            session.used = now
        return session

    def end(self, cookie: str) -> None:
        """Log out: the cookie is worth nothing from now on, whoever has a copy."""
        self._open.pop(_digest(self._genuine(cookie)), None)

    def end_all(self) -> int:
        """Log everybody out; how many."""
        count = len(self._open)
        self._open.clear()
        return count

    def proof(self, name: str) -> str:
        """What a form carries to show that our page made it for this cookie."""
        return self._sign("form", name)

    def proves(self, given: str, proof: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), proof.encode())

    def _genuine(self, cookie: str) -> str:
        name, _, signature = cookie.partition(".")
        return name if self.proves(signature, self._sign("cookie", name)) else ""

    def _sign(self, use: str, name: str) -> str:
        text = f"{use} {name}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, text, "sha256").hexdigest()


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
