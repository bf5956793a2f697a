"""How often one caller or one agent may ask while somebody is on the phone: token buckets in bounded memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from attrs import frozen

MINUTE_S = 60.0
MOST_KEYS = 10_000  # of each kind; who has asked least recently is forgotten, and begins anew


@frozen
class Exceeded:
    """A request above a limit: the setting that it met, and the seconds until one more is admitted."""

    setting: str
    wait_s: float


class Buckets:
    """A bucket for each key, of `per_minute` tokens that fill up within a minute; 0 is no limit."""

    def __init__(self, per_minute: int, *, most: int = MOST_KEYS) -> None:
        self._size = float(per_minute)
        self._most = most
        self._filled: OrderedDict[bytes, tuple[float, float]] = (
            OrderedDict()
        )  # tokens, and when there were as many

    def __len__(self) -> int:
        return len(self._filled)

    def wait_s(self, key: str, now: float) -> float:
        """0.0, and a token is taken; or the seconds until there is one."""
        if not self._size or not key:
            return 0.0
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        tokens, then = self._filled.pop(digest, (self._size, now))
        tokens = min(self._size, tokens + max(0.0, now - then) * self._size / MINUTE_S)
        admitted = tokens >= 1.0
        self._filled[digest] = (tokens - admitted, now)
        if len(self._filled) > self._most:
            self._filled.popitem(last=False)
        return 0.0 if admitted else (1.0 - tokens) * MINUTE_S / self._size


class Rates:
    """The limits of the two routes that are asked during a call."""

    def __init__(self, *, caller_per_minute: int, agent_per_minute: int, clock: Callable[[], float]) -> None:
        self._callers = Buckets(caller_per_minute)
        self._agents = Buckets(agent_per_minute)
        self._clock = clock

    def exceeded(self, caller: str, agent: str) -> Exceeded | None:
        """The limit that one more request of this caller through this agent would exceed; an empty id has none."""
        now = self._clock()
        if wait := self._callers.wait_s(caller, now):
            return Exceeded("caller_per_minute", wait)
        if wait := self._agents.wait_s(agent, now):
            return Exceeded("agent_per_minute", wait)
        return None
