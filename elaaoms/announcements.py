"""Calls that the platform announced before they began: who may be looked up during them.

A visitor of a web page chooses the variables of his session, and may claim any number. What he cannot do is to
have client-data announce his conversation for that number: only the platform knows the token.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum

from elaaoms.database import Database, Transaction
from elaaoms.errors import ElaaomsError

KEEP_S = 4 * 3600.0
_MOST = 200_000  # announcements in memory; far more than four hours of calls

_ID = re.compile(r"[!-~]{3,256}")
_NOTHING = frozenset({"null", "none", "undefined", "unknown", "nil"})

log = logging.getLogger("elaaoms.announcements")


class Verdict(Enum):
    """What is known of a call and its alleged caller."""

    ANNOUNCED = "announced with this caller"
    ANOTHER = "announced with another caller"
    UNANNOUNCED = "not announced"


class Announcements:
    """Remembers announcements for four hours: in memory at once, and soon in the database for the next start."""

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._callers: dict[str, dict[str, float]] = {}  # by id of a call: when it was announced for whom
        self._order: deque[tuple[float, str, str]] = deque()
        self._writes: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Read what an earlier process was told."""
        rows = await self._database.fetch(
            "SELECT announced_at, id, caller FROM announcements WHERE announced_at > ? ORDER BY announced_at",
            (self._clock() - KEEP_S,),
        )
        for row in rows:
            self._learn(row["announced_at"], row["id"], row["caller"])

    def announce(self, caller: str, *, conversation_id: str | None, call_sid: str | None) -> None:
        """Note that a call begins; the caller on the phone does not wait for the disk."""
        now = self._clock()
        ids = _ids(conversation_id, call_sid)
        for each in ids:
            self._learn(now, each, caller)
        if ids:
            write = asyncio.create_task(self._keep(now, ids, caller), name="announce")
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    def verdict(self, caller: str, *, conversation_id: str | None, call_sid: str | None) -> Verdict:
        """Whether the call was announced for this caller."""
        since = self._clock() - KEEP_S
        found = [self._callers[each] for each in _ids(conversation_id, call_sid) if each in self._callers]
        recent = [{who for who, at in callers.items() if at > since} for callers in found]
        if any(caller in callers for callers in recent):
            return Verdict.ANNOUNCED
        return Verdict.ANOTHER if any(recent) else Verdict.UNANNOUNCED

    def forget(self, caller: str) -> None:
        """Drop what was announced for a caller who is erased; the rows go with the erasure's own transaction."""
        for callers in self._callers.values():
            callers.pop(caller, None)

    async def close(self) -> None:
        """Wait until everything is written."""
        if self._writes:
            await asyncio.wait(self._writes)

    def _learn(self, at: float, call: str, caller: str) -> None:
        self._callers.setdefault(call, {})[caller] = at
        self._order.append((at, call, caller))
        while self._order and (self._order[0][0] <= at - KEEP_S or len(self._order) > _MOST):
            when, old, who = self._order.popleft()
            callers = self._callers.get(old, {})
            if callers.get(who) == when:  # otherwise it was announced again since
                del callers[who]
                if not callers:
                    del self._callers[old]

    async def _keep(self, now: float, ids: Iterable[str], caller: str) -> None:
        def transaction(tx: Transaction) -> None:
            tx.execute("DELETE FROM announcements WHERE announced_at <= ?", (now - KEEP_S,))
            tx.executemany(
                "INSERT INTO announcements (id, caller, announced_at) VALUES (?, ?, ?)"
                " ON CONFLICT (id, caller) DO UPDATE SET announced_at = excluded.announced_at",
                [(each, caller, now) for each in ids],
            )

        try:
            await self._database.write(transaction)
        except ElaaomsError as error:  # it is in memory; only a restart within the call would miss it
            log.warning("an announcement is not on the disk: %s", error)


def _ids(conversation_id: str | None, call_sid: str | None) -> list[str]:
    """The names under which a call is known, without what only says that there is none."""
    named = {"conversation": conversation_id, "call": call_sid}
    return [
        f"{kind}:{value}"
        for kind, value in named.items()
        if value and _ID.fullmatch(value) and value.lower() not in _NOTHING and "{{" not in value
    ]
