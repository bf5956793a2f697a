"""Callers' indexes at hand: loaded when a call is announced, bounded in bytes, never older than the last write."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from datetime import date

from attrs import frozen

from elaaoms.embed import Encoder
from elaaoms.errors import ElaaomsError
from elaaoms.memory import Category, MemoryStore
from elaaoms.rank import Hit, Index, entry, is_current

MAX_BYTES = 256 << 20  # about 200,000 memories
LARGE = 20_000  # memories; the index of such a caller is searched beside the event loop

log = logging.getLogger("elaaoms.shelf")


@frozen
class _Kept:
    version: int
    index: Index


class Shelf:
    """Indexes by caller. One that was not asked for longest goes first when they outgrow `max_bytes`."""

    def __init__(self, memories: MemoryStore, encoder: Encoder, *, max_bytes: int = MAX_BYTES) -> None:
        self._memories = memories
        self.encoder = encoder
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._loading: dict[str, asyncio.Lock] = {}
        self._announced: set[asyncio.Task[None]] = set()
        self.nbytes = 0

    def announce(self, caller: str) -> None:
        """Load the caller's index in the background: a call begins, and questions will follow."""
        task = asyncio.create_task(self._prefetch(caller), name="shelf-announce")
        self._announced.add(task)
        task.add_done_callback(self._announced.discard)

    async def _prefetch(self, caller: str) -> None:
        try:
            await self.index(caller)
        except ElaaomsError as error:  # the search will say so itself
            log.info("an index could not be loaded ahead: %s", error)

    async def close(self) -> None:
        """Give up what is being loaded ahead."""
        for task in self._announced:
            task.cancel()
        await asyncio.gather(*self._announced, return_exceptions=True)

    async def search(
        self,
        caller: str,
        index: Index,
        question: str,
        agent: str | None,
        *,
        today: date,
        limit: int,
        category: Category | None = None,
        likeness: Mapping[str, float] | None = None,
    ) -> list[Hit]:
        """The best of what an agent may use (None: of all) and of a category, by the caller's index."""

        def look() -> list[Hit]:
            among = None if agent is None else index.visible(agent)
            if category is not None:
                among = index.of_category(category) if among is None else among & index.of_category(category)
            return index.search(question, today=today, limit=limit, among=among, likeness=likeness)

        return look() if len(index) < LARGE else await asyncio.to_thread(look)

    async def index(self, caller: str) -> Index:
        """The index of the caller's active memories as of now."""
        kept = self._kept.get(caller)
        if kept is not None and kept.version == await self._memories.version(caller):
            if caller in self._kept:
                self._kept.move_to_end(caller)
            return kept.index
        lock = self._loading.setdefault(caller, asyncio.Lock())
        try:
            async with lock:
                return await self._load(caller)
        finally:
            if not lock.locked():  # nobody waits: a lock that is handed on stays locked
                self._loading.pop(caller, None)

    async def _load(self, caller: str) -> Index:
        version, stored = await self._memories.entries(caller)
        kept = self._kept.get(caller)
        if kept is not None and kept.version == version:  # somebody else has just loaded it
            return kept.index
        entries = {memory: made for memory, made in stored.items() if made is not None}
        missing = [
            memory for memory, made in stored.items() if made is None or not is_current(made, self.encoder)
        ]
        if missing:
            memories = await self._memories.chosen(caller, missing)
            new = await asyncio.to_thread(
                lambda: {memory.id: entry(memory, self.encoder) for memory in memories}
            )
            await self._memories.keep_entries(caller, version, new)
            entries = {name: made for name, made in entries.items() if name not in missing} | new
        index = await asyncio.to_thread(Index.of, entries.items(), self.encoder)
        self._keep(caller, _Kept(version, index))
        return index

    def _keep(self, caller: str, kept: _Kept) -> None:
        old = self._kept.pop(caller, None)
        self.nbytes += kept.index.nbytes - (old.index.nbytes if old else 0)
        self._kept[caller] = kept
        while self.nbytes > self._max_bytes and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self.nbytes -= gone.index.nbytes
