"""What happened in each hour: hours that are over are added up once, and looked at again now and then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

HOUR_S = 3600.0
SETTLED_S = 120.0  # after its end an hour is still counted anew for so long
FRESH_S = 300.0  # what is older is read again, one hour at a look: jobs are retried, calls arrive late
MOST_HOURS = 72


class Hours(Generic[T]):
    """Sums by hour (unix seconds of its beginning); `read` adds one hour up."""

    def __init__(self, read: Callable[[float], Awaitable[T]], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._known: dict[float, tuple[T, float]] = {}

    async def since(self, begin: float) -> list[T]:
        """Every hour from the one that begins then up to now."""
        now = self._clock()
        hours = [begin + number * HOUR_S for number in range(int((now - begin) // HOUR_S) + 1)]
        over = [hour for hour in hours if hour + HOUR_S + SETTLED_S < now]
        old = [hour for hour in over if hour in self._known and not self._is_fresh(hour, now)]
        again = min(old, key=lambda hour: self._known[hour][1], default=None)
        values = []
        for hour in hours:
            if hour not in over or hour not in self._known or hour == again:
                self._known[hour] = (await self._read(hour), now)
            values.append(self._known[hour][0])
        for hour in sorted(self._known)[:-MOST_HOURS]:
            del self._known[hour]
        return values

    def _is_fresh(self, hour: float, now: float) -> bool:
        return 0 <= now - self._known[hour][1] < FRESH_S
