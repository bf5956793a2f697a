"""Several models in order: who fails is passed over within the call, who keeps failing is left alone for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from elaaoms.breaker import BLOCKED_PAUSE_S, LONGEST_PAUSE_S, OPENS_AFTER, PAUSE_S, Breaker
from elaaoms.errors import ProviderBlocked, ServiceRejected, ServiceUnavailable
from elaaoms.llm import Answer, LanguageModel, Message, Paid, Prices, unheeded

PROBE_S = 10.0  # how long to stay away while somebody else's call is the probe

_Failure: TypeAlias = ServiceUnavailable | ServiceRejected | ProviderBlocked

log = logging.getLogger("elaaoms.llm")


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
