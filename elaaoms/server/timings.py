"""How long the newest requests of each route took, in memory: what the dashboard shows of the last hour."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import frozen

KEPT = 2000  # requests of each route; older ones are forgotten
HOUR_S = 3600.0


@frozen(kw_only=True)
class Timing:
    """One route over the last hour: requests, errors (5xx), milliseconds that half and 95 % of them took at most."""

    route: str
    count: int
    errors: int
    median_ms: float
    p95_ms: float


class Timings:
    """Notes every answered request; routes are few, so memory is bounded."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._routes: dict[str, deque[tuple[float, float, bool]]] = {}

    def note(self, route: str, took_ms: float, status: int) -> None:
        """One request, by the route's pattern."""
        newest = self._routes.setdefault(route, deque(maxlen=KEPT))
        newest.append((self._clock(), took_ms, status >= 500))

    def of(self, route: str) -> Timing | None:
        """The last hour of one route; None when nobody asked."""
        since = self._clock() - HOUR_S
        recent = [entry for entry in self._routes.get(route, ()) if entry[0] >= since]
        if not recent:
            return None
        took = sorted(entry[1] for entry in recent)
        return Timing(
            route=route,
            count=len(took),
            errors=sum(entry[2] for entry in recent),
            median_ms=took[(len(took) - 1) // 2],
            p95_ms=took[min(len(took) - 1, len(took) * 95 // 100)],
        )
