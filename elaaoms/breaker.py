"""A circuit breaker: who keeps failing is left alone for a while."""

from __future__ import annotations

import logging
from collections.abc import Callable

from attrs import define, field

from elaaoms.errors import ProviderBlocked, ServiceUnavailable

OPENS_AFTER = 5  # transient failures in a row
PAUSE_S = 30.0  # the breaker's first pause; each probe that fails doubles it
LONGEST_PAUSE_S = 600.0
BLOCKED_PAUSE_S = 290.0  # for a provider that refuses everything; less than the 300 s its jobs wait

log = logging.getLogger("elaaoms.remote")


@define
class Breaker:
    """Whether one provider may be asked: closed, open until a moment, then one probe at a time.

    `reason` is why it is open; `blocked` that it refuses everything, not that it is down.
    """

    name: str
    clock: Callable[[], float]
    opens_after: int = OPENS_AFTER
    pause_s: float = PAUSE_S
    longest_pause_s: float = LONGEST_PAUSE_S
    blocked_pause_s: float = BLOCKED_PAUSE_S
    reason: str | None = field(default=None, init=False)
    blocked: bool = field(default=False, init=False)
    _failures: int = field(default=0, init=False)
    _pauses: int = field(default=0, init=False)
    _until: float = field(default=0.0, init=False)
    _probing: bool = field(default=False, init=False)

    @property
    def remaining_s(self) -> float:
        """Seconds until a probe is let through."""
        return max(0.0, self._until - self.clock())

    def admits(self) -> bool:
        """Whether a call may go out now; the one that may while the breaker is open is the probe, and
        `left` must follow it."""
        if self.reason is None:
            return True
        if self._probing or self.remaining_s > 0:
            return False
        self._probing = True
        return True

    def left(self) -> None:
        """The probe is over, however it ended, even cancelled."""
        self._probing = False

    def answered(self) -> None:
        """The provider works."""
        if self.reason is not None:
            log.info("%s answers again", self.name)
        self.reason, self.blocked, self._failures, self._pauses = None, False, 0, 0

    def failed(self, error: ServiceUnavailable, *, probe: bool) -> None:
        """Count a transient failure; `probe` says that it was let through an open breaker."""
        self._failures += 1
        if self.reason is not None and not probe:
            return  # it set out before the breaker opened
        if not probe and self._failures < self.opens_after:
            return
        if self.blocked:  # no sign yet that it accepts us again
            self._until = self.clock() + self.blocked_pause_s
            return
        pause = min(self.pause_s * 2 ** min(self._pauses, 30), self.longest_pause_s)
        self._open(str(error), max(pause, error.retry_after or 0.0), blocked=False)
        self._pauses += 1

    def refused(self, error: ProviderBlocked) -> None:
        """The provider refuses everything."""
        self._open(str(error), self.blocked_pause_s, blocked=True)

    def _open(self, reason: str, pause_s: float, *, blocked: bool) -> None:
        log.warning("%s is left alone for %.0f s: %s", self.name, pause_s, reason)
        self.reason, self.blocked, self._until = reason, blocked, self.clock() + pause_s
