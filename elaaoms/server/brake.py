"""A brake on guessing: an address may try a few wrong tokens a minute, then none, not even the right one."""

from __future__ import annotations

import hmac
import ipaddress
import secrets as random
from collections import OrderedDict
from collections.abc import Callable, Mapping

PER_S = 60.0
MOST_ADDRESSES = 10_000  # who has guessed least recently is forgotten


class Brake:
    """Counts wrong tokens by address; IPv6 addresses of one /64 are one. Nothing that was tried is kept in plain."""

    def __init__(self, clock: Callable[[], float], *, attempts: int) -> None:
        self._clock = clock
        self._attempts = attempts
        self._key = random.token_bytes(32)
        self._failed: OrderedDict[str, OrderedDict[bytes, float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until this address may try again; 0 now."""
        recent = self._recent(_source(address))
        if len(recent) < self._attempts:
            return 0.0
        return list(recent.values())[-self._attempts] + PER_S - self._clock()

    def failed(self, address: str, guess: str | None = None) -> None:
        """A wrong token. A `guess` that was tried within the minute is none: a script with an old token only errs."""
        source = _source(address)
        recent = self._recent(source)
        made = random.token_bytes(16) if guess is None else self._digest(guess)
        recent[made] = self._clock()
        recent.move_to_end(made)
        while len(recent) > self._attempts:
            recent.popitem(last=False)
        self._failed[source] = recent
        self._failed.move_to_end(source)
        while len(self._failed) > MOST_ADDRESSES:
            self._failed.popitem(last=False)

    def passed(self, address: str) -> None:
        """The right token."""
        self._failed.pop(_source(address), None)

    def _recent(self, source: str) -> OrderedDict[bytes, float]:
        now = self._clock()
        found: Mapping[bytes, float] = self._failed.get(source, {})
        return OrderedDict((made, at) for made, at in found.items() if now - PER_S < at <= now)

    def _digest(self, guess: str) -> bytes:
        return hmac.digest(self._key, guess.encode("utf-8", "surrogateescape"), "sha256")


def _source(address: str) -> str:
    """Who has one IPv6 address has the 2**64 beside it."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if known.version == 4:
        return str(known)
    mapped = known.ipv4_mapped
    return str(mapped or ipaddress.ip_network((known, 64), strict=False))
