"""Several models in order: who fails is passed over within the call, who keeps failing is left alone for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define, field

from elaaoms.errors import ProviderBlocked, ServiceRejected, ServiceUnavailable
from elaaoms.llm import Answer, LanguageModel, Message, Paid, Prices, unheeded

OPENS_AFTER = 5  # transient failures in a row
PAUSE_S = 30.0  # the breaker's first pause; each probe that fails doubles it
LONGEST_PAUSE_S = 600.0
PROBE_S = 10.0  # how long to stay away while somebody else's call is the probe
BLOCKED_PAUSE_S = 290.0  # for a provider that refuses everything; less than the 300 s its jobs wait

_Failure: TypeAlias = ServiceUnavailable | ServiceRejected | ProviderBlocked

log = logging.getLogger("elaaoms.llm")


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


class Chain:
    """Models tried in order within one call; it can be asked like one of them.

    `name`, `model` and `prices` are the first one's; an answer says whose it is and what it cost. `clock`
    counts seconds and never goes back.
    """

    def __init__(
        self,
        models: Sequence[LanguageModel],
        *,
        clock: Callable[[], float] = time.monotonic,
        opens_after: int = OPENS_AFTER,
        pause_s: float = PAUSE_S,
        longest_pause_s: float = LONGEST_PAUSE_S,
        blocked_pause_s: float = BLOCKED_PAUSE_S,
    ) -> None:
        if not models or len({model.name for model in models}) < len(models):
            raise ValueError("a chain needs models with names of their own")
        self._models = [
            (
                model,
                Breaker(
                    model.name,
                    clock,
                    opens_after=opens_after,
                    pause_s=pause_s,
                    longest_pause_s=longest_pause_s,
                    blocked_pause_s=blocked_pause_s,
                ),
            )
            for model in models
        ]

    @property
    def name(self) -> str:
        return self._models[0][0].name

    @property
    def model(self) -> str:
        return self._models[0][0].model

    @property
    def prices(self) -> Prices:
        return self._models[0][0].prices

    def blocked(self) -> Mapping[str, str]:
        """The providers that refuse everything, each with the reason, until they answer again."""
        return {b.name: b.reason for _, b in self._models if b.blocked and b.reason is not None}

    def resting(self) -> Mapping[str, float]:
        """The providers that failed too often, each with the seconds until it is asked again."""
        return {b.name: b.remaining_s for _, b in self._models if b.reason is not None and not b.blocked}

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any],
        schema_name: str,
        paid: Paid = unheeded,
    ) -> Answer:
        """The first answer. If none comes: ServiceUnavailable if who was asked may answer later, else the first
        refusal of this very request, else ProviderBlocked: nobody could be asked."""
        failures: list[_Failure] = []
        for model, breaker in self._models:
            probe = breaker.reason is not None
            if not breaker.admits():
                failures.append(_passed_over(breaker))
                continue
            try:
                answer = await model.complete(messages, schema=schema, schema_name=schema_name, paid=paid)
            except ServiceUnavailable as error:
                breaker.failed(error, probe=probe)
                failures.append(error)
            except ProviderBlocked as error:
                breaker.refused(error)
                failures.append(error)
            except ServiceRejected as error:
                breaker.answered()
                failures.append(error)
            else:
                breaker.answered()
                return answer
            finally:
                if probe:
                    breaker.left()
            log.info("%s did not help: %s", model.name, failures[-1])
        raise _verdict(failures)

    async def close(self) -> None:
        for model, _ in self._models:
            await model.close()


def _passed_over(breaker: Breaker) -> ProviderBlocked:
    """Whoever waits for a breaker has asked nobody: that is no attempt."""
    if breaker.blocked:
        return ProviderBlocked(breaker.name, breaker.reason or "")
    # A second more than is left, so that who comes back by another clock is not early.
    wait = breaker.remaining_s + 1.0 if breaker.remaining_s else PROBE_S
    return ProviderBlocked(
        breaker.name, f"it failed too often and is left alone: {breaker.reason}", retry_after=wait
    )


def _verdict(failures: Sequence[_Failure]) -> _Failure:
    """The most hopeful of several failures."""
    if len(failures) == 1:
        return failures[0]
    transient = [error for error in failures if isinstance(error, ServiceUnavailable)]
    permanent = [error for error in failures if isinstance(error, ServiceRejected)]
    closed = [error for error in failures if isinstance(error, ProviderBlocked)]
    resting = [error.retry_after for error in closed if error.retry_after is not None]
    said = "; ".join(map(str, failures))
    if transient:
        asked = [error.retry_after for error in transient]
        soonest = None if None in asked else min([*resting, *(wait for wait in asked if wait is not None)])
        return ServiceUnavailable(said, retry_after=soonest)
    if permanent and resting:  # who is left alone now may do better than who refused
        return ServiceUnavailable(said, retry_after=min(resting))
    if permanent:
        return permanent[0]
    names = ", ".join(error.provider for error in closed)
    return ProviderBlocked(names, said, retry_after=min(resting, default=None))
