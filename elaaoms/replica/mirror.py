"""The replica in OpenMemory: delivered by keys that cannot be taken for another's, read back, compared and forgotten.

OpenMemory drops a text that resembles another one, whoever said it, and cuts long ones. So a memory goes
there in two steps: a key of one word that only this memory has is added, which nothing resembles, and then
the memory is patched over it, which nothing cuts. Either step may be repeated. An id is believed once our
key was read from it, and a memory counts as delivered once all of it was read back.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from elaaoms.breaker import Breaker
from elaaoms.errors import NotFound, ProviderBlocked, ServiceRejected, ServiceUnavailable
from elaaoms.jobs import Done, Job, Outcome, Postponed
from elaaoms.memory import MAX_CONTENT, Category, Memory, MemoryStore, Status
from elaaoms.memory.openmemory import NAME, Dialect, Item, Match, OpenMemory
from elaaoms.replica import (
    CACHED_S,
    FOREIGN,
    Discrepancy,
    Foreign,
    Forgotten,
    Hits,
    Standing,
    Verification,
    pulled_key,
)
from elaaoms.replica.outbox import Outbox, Row

VERSION = 1  # of the metadata
KEYS = 16  # tried for one memory; two of ten thousand clash in one of a hundred installations
LOOKED_UP = 5  # hits that we do not know, read during a call to see whose they are
CANDIDATES = 20  # hits asked for during a call

log = logging.getLogger("elaaoms.replica")


@frozen(kw_only=True)
class Document:
    """A memory as it stands in OpenMemory. `metadata.text` is the truth; `content` feeds its index."""

    content: str
    metadata: Mapping[str, Any]
    tags: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What tells whether a delivery would change anything."""
        bare = {name: value for name, value in self.metadata.items() if name != "key"}
        text = json.dumps([self.content, bare, self.tags], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def is_in(self, item: Item | None) -> bool:
        """Whether this is what was read."""
        return item is not None and item.content == self.content and item.metadata == self.metadata


class Mirror:
    """The `Replica` in an OpenMemory server.

    `origin` tells our memories from those of another installation; `store` is all, shared (what every agent
    may know) or none.
    """

    def __init__(
        self,
        service: OpenMemory,
        outbox: Outbox,
        memories: MemoryStore,
        *,
        origin: str,
        store: str,
        live_timeout_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._service = service
        self._outbox = outbox
        self._memories = memories
        self._origin = origin
        self._store = store
        self._live_timeout_s = live_timeout_s
        self._clock = clock
        self._turn = asyncio.Lock()  # one write at a time: the server wedges on more
        self._live = Breaker(
            NAME, time.monotonic, opens_after=3, pause_s=5.0, longest_pause_s=60.0, blocked_pause_s=60.0
        )
        self._trouble: str | None = None
        self._proven = False  # a server that showed nobody's memories although it had some

    # -- delivering ------------------------------------------------------------------------

    async def replicate(self, job: Job) -> Outcome:
        """Make OpenMemory equal to what one owner's memories are by now, in the order of their changes."""
        owner = job.unique_key
        if owner is None:
            raise ServiceRejected("the job does not say whose memories it delivers")
        try:
            rejected = await self._deliver_all(owner)
        except (ServiceUnavailable, ProviderBlocked) as error:
            return Postponed(str(error), getattr(error, "retry_after", None))
        if rejected is not None:
            return Postponed(rejected)
        return Done(lambda tx: self._outbox.enqueue(tx, owner, now=self._clock()))

    async def deliver(self, *, for_s: float) -> Standing:
        """Deliver to whoever is owed, for about so many seconds."""
        until = time.monotonic() + for_s
        refusals = []
        for owner in await self._outbox.owners():
            if time.monotonic() >= until:
                break
            if (rejected := await self._deliver_all(owner, until=until)) is not None:
                refusals.append(rejected)
        if refusals:
            raise ServiceRejected("; ".join(refusals[:3]))
        return await self.standing()

    async def _deliver_all(self, owner: str, *, until: float = float("inf")) -> str | None:
        """Deliver what one owner is owed; why some of it was refused, while the rest arrived."""
        last, rejected = 0, None
        while rows := await self._outbox.owed(owner, after=last):
            for row in rows:
                if time.monotonic() >= until:
                    return rejected
                last = row.changed or last
                try:
                    await self._deliver(row)
                except ServiceRejected as error:
                    rejected = str(error)
                except (ServiceUnavailable, ProviderBlocked) as error:
                    self._trouble = str(error)
                    raise
        return rejected

    async def _deliver(self, row: Row) -> None:
        async with self._turn:
            memory = await self._wanted(row)
            if memory is None:
                await self._withdraw(row)
            else:
                await self._put(row, memory)

    async def _wanted(self, row: Row) -> Memory | None:
        """The memory that should stand there, if one should."""
        try:
            memory = await self._memories.get(row.memory)
        except NotFound:
            return None
        return memory if memory.owner == row.owner and self._is_wanted(memory) else None

    def _is_wanted(self, memory: Memory) -> bool:
        if memory.status is Status.FORGOTTEN:
            return False
        return self._store == "all" or (self._store == "shared" and memory.agent_id is None)

    async def _put(self, row: Row, memory: Memory) -> None:
        user = user_of(row.owner)
        key = row.key or _key(row.owner, row.memory, 0)
        document = self._document(memory, key)
        if row.delivered == document.digest:
            await self._outbox.delivered(row, key=key, remote=row.remote, digest=row.delivered)
            return
        await self._outbox.sending(row, key)
        remote = row.remote
        if remote is None or not await self._service.patch(
            remote, user, document.content, document.metadata, document.tags
        ):
            remote, document = await self._added(row, memory)
            await self._service.patch(remote, user, document.content, document.metadata, document.tags)
        if not document.is_in(await self._service.get(remote, user)):
            raise ServiceRejected(f"{NAME} keeps {row.memory} otherwise than it was sent")
        await self._outbox.delivered(row, key=document.metadata["key"], remote=remote, digest=document.digest)
        await self._reached()

    async def _added(self, row: Row, memory: Memory) -> tuple[str, Document]:
        """The id under which the memory's key stands there, added if it did not."""
        user = user_of(row.owner)
        for number in range(KEYS):
            key = _key(row.owner, row.memory, number)
            document = self._document(memory, key)
            remote, known = await self._service.add(user, key, document.metadata, document.tags)
            if not known or self._is_ours(await self._service.get(remote, user), key):
                return remote, document
        raise ServiceRejected(f"{NAME} takes {row.memory} for others of its memories, under {KEYS} keys")

    async def _withdraw(self, row: Row) -> None:
        """Take a memory back that is no more, or that the setting keeps here."""
        if row.key is not None:
            user = user_of(row.owner)
            await self._outbox.sending(row, row.key)
            for remote in [row.remote] if row.remote else await self._found(row):
                await self._service.delete(remote, user)
                if await self._service.get(remote, user) is not None:
                    raise ServiceRejected(f"{NAME} still has {row.memory} after it was deleted")
            await self._reached()
        await self._outbox.delivered(row, key=None, remote=None, digest=None)

    async def _found(self, row: Row) -> list[str]:
        """The ids of what was sent, but whose id we never saw."""
        return [
            item.id
            async for item in self._service.of_user(user_of(row.owner))
            if self._origin_of(item) == self._origin and item.metadata.get("memory") == row.memory
        ]

    async def _reached(self) -> None:
        """A delivery went through: whatever waits because of trouble need not wait any longer."""
        if self._trouble is not None:
            self._trouble = None
            await self._outbox.resume(now=self._clock())
        if not self._proven:  # an empty server that would show everything to everybody is found out now
            self._proven = True
            await self._service.probe()

    # -- whose it is ----------------------------------------------------------------------------

    def _document(self, memory: Memory, key: str) -> Document:
        agent = memory.agent_id if memory.agent_id is not None else "*"
        return Document(
            content=memory.content,
            metadata={
                "sector": "semantic",  # one vector, and none of the server's waits between several
                "v": VERSION,
                "origin": self._origin,
                "key": key,
                "caller_id": user_of(memory.owner),
                "memory": memory.id,
                "agent_id": agent,
                "heard_by": list(memory.heard_by),
                "text": memory.content,
                "category": memory.category.value,
                "importance_score": memory.importance,
                "confidence": memory.confidence,
                "conversation_id": memory.conversation_id,
                "quote": memory.source_quote,
                "event_date": memory.event_date.isoformat() if memory.event_date else None,
                "timestamp": _iso(memory.first_heard),
                "reinforcement_count": memory.reinforcements,
                "last_reinforced_at": _iso(memory.last_heard) if memory.reinforcements else None,
                "valid_from": _iso(memory.valid_from),
                "valid_until": _iso(memory.valid_until),
                "status": memory.status.value,
                "superseded_by": memory.superseded_by,
                "conflict_with": memory.conflict_with,
                "pinned": memory.pinned,
            },
            tags=(f"agent:{agent}"[:200], f"cat:{memory.category}"),
        )

    def _origin_of(self, item: Item) -> str | None:
        """The installation that wrote an item, None for another application."""
        metadata = item.metadata
        if metadata.get("v") != VERSION or not isinstance(metadata.get("key"), str):
            return None
        origin = metadata.get("origin")
        return origin if isinstance(origin, str) else None

    def _is_ours(self, item: Item | None, key: str) -> bool:
        return item is not None and self._origin_of(item) == self._origin and item.metadata.get("key") == key

    # -- during a call ---------------------------------------------------------------------------

    async def hits(self, owner: str, query: str, *, limit: int) -> Hits | None:
        """What OpenMemory finds within the deadline; None when it is late, down or left alone."""
        if self._service.dialect is None:
            return None  # `look` finds it; nobody on the phone waits for that
        probe = self._live.reason is not None
        if not self._live.admits():
            return None
        try:
            async with asyncio.timeout(self._live_timeout_s):
                found = await self._hits(owner, query, limit)
        except TimeoutError:
            late = ServiceUnavailable(f"{NAME} did not answer within {self._live_timeout_s * 1000:.0f} ms")
            self._live.failed(late, probe=probe)
            return None
        except ServiceUnavailable as error:
            self._live.failed(error, probe=probe)
            return None
        except ProviderBlocked as error:
            self._live.refused(error)
            return None
        except ServiceRejected as error:
            log.info("%s refused a search: %s", NAME, error)
            return None
        finally:
            if probe:
                self._live.left()
        self._live.answered()
        return found

    async def _hits(self, owner: str, query: str, limit: int) -> Hits:
        user = user_of(owner)
        matches = await self._service.query(user, query, limit=max(CANDIDATES, limit))
        known = await self._outbox.known([match.id for match in matches])
        ours = {id_: row.memory for id_, row in known.items() if row.owner == owner}
        unknown = [match for match in matches if match.id not in known][:LOOKED_UP]
        looked_up = await asyncio.gather(*(self._foreign_hit(owner, match) for match in unknown))
        foreign = {memory.id: memory for memory in looked_up if memory is not None}
        order = (ours.get(match.id, f"{FOREIGN}{match.id}") for match in matches)
        ranked = tuple(dict.fromkeys(id_ for id_ in order if id_ in foreign or not id_.startswith(FOREIGN)))
        return Hits(order=ranked, foreign=tuple(foreign.values()))

    async def _foreign_hit(self, owner: str, match: Match) -> Memory | None:
        """What another application keeps for this very caller: read, because a hit may be deleted, ours, or
        somebody else's."""
        user = user_of(owner)
        item = await self._service.get(match.id, user)
        if item is None or self._origin_of(item) is not None or not self._is_for(item, user):
            return None
        text = _text(item).strip()
        if not text or await self._memories.page(fact_key=pulled_key(item.id), limit=1):
            return None
        return _foreign_memory(item, owner, text[:MAX_CONTENT])

    def _is_for(self, item: Item, user: str) -> bool:
        if self._service.dialect is Dialect.TENANT:
            return item.metadata.get("caller_id") == user
        return item.user == user

    # -- both sides ---------------------------------------------------------------------------------

    async def look(self) -> None:
        """Ask whether the server is there if we do not know; if it is back, whatever waits is due."""
        if self._service.dialect is not None and self._trouble is None:
            return
        try:
            dialect = await self._service.probe()
        except (ServiceUnavailable, ProviderBlocked, ServiceRejected) as error:
            if str(error) != self._trouble:
                log.warning("nothing can be delivered: %s", error)
            self._trouble = str(error)
        else:
            log.info("%s answers in its %s dialect", NAME, dialect)
            self._trouble = None
            await self._outbox.resume(now=self._clock())

    async def resume(self) -> None:
        """Make due what waits, and queue what is owed without a job."""
        await self._outbox.resume(now=self._clock())

    async def standing(self) -> Standing:
        """How it stands, without asking the server."""
        owed, since = await self._outbox.backlog()
        return Standing(
            url=self._service.url,
            dialect=self._service.dialect,
            store=self._store,
            trouble=self._trouble,
            resting=self._live.reason,
            owed=owed,
            since=since,
        )

    async def verify(self) -> Verification:
        """Compare every memory on both sides by reading all of them."""
        wanted = {
            (memory.owner, memory.id): memory
            async for memory in self._everything()
            if self._is_wanted(memory)
        }
        rows = {(row.owner, row.memory): row for row in await self._outbox.everything()}
        owners = {user_of(owner): owner for owner, _ in rows}
        found: dict[str, list[Discrepancy]] = {
            kind: [] for kind in ("altered", "misplaced", "stray", "foreign")
        }
        seen: set[tuple[str, str]] = set()
        items = 0
        async for item in self._service.everything():
            items += 1
            if self._origin_of(item) != self._origin:
                if self._service.dialect is Dialect.TENANT or item.user in owners:
                    owner = owners.get(item.user or "")
                    found["foreign"].append(
                        Discrepancy(memory=None, owner=owner, remote=item.id, user=item.user)
                    )
                continue
            owner, memory = owners.get(_word(item, "caller_id")), _word(item, "memory")
            row = rows.get((owner or "", memory))
            at = Discrepancy(memory=memory, owner=owner, remote=item.id, user=item.user)
            if self._service.dialect is Dialect.USER and item.user != item.metadata.get("caller_id"):
                found["misplaced"].append(at)
            elif row is not None and row.changed is not None:
                continue  # on its way
            elif row is None or row.remote != item.id:
                found["stray"].append(at)
            else:
                seen.add((row.owner, row.memory))
                here = wanted.get((row.owner, row.memory)) or await self._wanted(row)  # or it is newer
                if here is None:
                    found["stray"].append(at)
                elif not self._document(here, _word(item, "key")).is_in(item):
                    found["altered"].append(at)
        missing = [
            Discrepancy(memory=memory, owner=owner, remote=row.remote if row else None)
            for owner, memory in wanted
            if (owner, memory) not in seen
            and ((row := rows.get((owner, memory))) is None or row.changed is None)
        ]
        return Verification(
            memories=len(wanted),
            items=items,
            owed=(await self._outbox.backlog())[0],
            missing=tuple(missing),
            **{kind: tuple(entries) for kind, entries in found.items()},
        )

    async def _everything(self) -> AsyncIterator[Memory]:
        after = None
        while page := await self._memories.page(limit=1000, after=after):
            for memory in page:
                yield memory
            after = page[-1].id

    async def repair(self) -> Verification:
        """Verify, delete what nothing wants, owe again what is not as it should be."""
        found = await self.verify()
        for entry in (*found.stray, *found.misplaced):
            async with self._turn:
                await self._discard(entry)
        rows = [
            (entry.owner, entry.memory)
            for entry in (*found.missing, *found.altered, *found.misplaced)
            if entry.owner is not None and entry.memory is not None
        ]
        await self._outbox.owe(rows, now=self._clock())
        await self._outbox.resume(now=self._clock())
        return found

    async def _discard(self, entry: Discrepancy) -> None:
        """Delete a copy, unless it became what it should be since we looked."""
        remote = entry.remote or ""
        rows = await self._outbox.of_owner(entry.owner) if entry.owner is not None else []
        misplaced = entry.user is not None and entry.owner is not None and entry.user != user_of(entry.owner)
        if misplaced or not any(
            row.memory == entry.memory and (row.remote == remote or row.changed is not None) for row in rows
        ):
            await self._service.delete(remote, entry.user or "")

    async def forget(self, owner: str) -> Forgotten:
        """Delete everything that stands there for an owner, ours and others', one by one, and read that it is gone.

        Never by the route for a whole user: in the tenant dialect that is everybody.
        """
        user = user_of(owner)
        deleted = 0
        async with self._turn:
            for row in await self._outbox.of_owner(owner):
                if row.remote is not None:
                    deleted += await self._service.delete(row.remote, user)
            async for item in self._listed(user):
                deleted += await self._service.delete(item.id, user)
            remaining = len([item async for item in self._service.of_user(user)])
            # A question that nobody asked before is not answered from the cache.
            for match in await self._service.query(user, f"forgotten {uuid.uuid4()}", limit=CANDIDATES):
                item_there = await self._service.get(match.id, user)
                remaining += item_there is not None and self._is_for(item_there, user)
            if not remaining:
                await self._outbox.forgotten(owner, now=self._clock())
        now = self._clock()
        return Forgotten(
            user=user, deleted=deleted, remaining=remaining, verified_at=now, quiet_at=now + CACHED_S
        )

    async def _listed(self, user: str) -> AsyncIterator[Item]:
        """All of a user's items, read before any is deleted: pages shift under deletions."""
        for item in [item async for item in self._service.of_user(user)]:
            yield item

    async def foreign(self, *, offset: int, limit: int) -> tuple[Sequence[Foreign], int]:
        """What others wrote among `limit` items from `offset` on, and how many items there were."""
        items = await self._service.page(offset=offset, limit=limit)
        return [
            Foreign(
                id=item.id,
                user=item.user,
                text=_text(item),
                metadata=item.metadata,
                written_at=item.created_at,
            )
            for item in items
            if self._origin_of(item) is None
        ], len(items)

    async def close(self) -> None:
        """Let the connections go."""
        await self._service.close()


# -- names and forms --------------------------------------------------------------------------------


def user_of(owner: str) -> str:
    """Whom OpenMemory knows an owner as: `c_` and 32 hex digits, no way back to a number, safe in a path."""
    kind, _, rest = owner.partition("_")
    if kind == "caller" and len(rest) == 32 and all(letter in "0123456789abcdef" for letter in rest):
        return f"c_{rest}"
    return f"c_{hashlib.sha256(owner.encode()).hexdigest()[:32]}"


def _key(owner: str, memory: str, number: int) -> str:
    """One Latin word that only this memory has; `number` makes another one when the server mistakes it."""
    digest = hashlib.sha256(f"{owner}\x1f{memory}\x1f{number}".encode()).hexdigest()
    return f"k{digest[:16]}x"


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def _word(item: Item, name: str) -> str:
    value = item.metadata.get(name)
    return value if isinstance(value, str) else ""


def _text(item: Item) -> str:
    """What an item says; the server empties long texts, so applications keep theirs in the metadata."""
    return _word(item, "text") or item.content


def _foreign_memory(item: Item, owner: str, text: str) -> Memory:
    category, importance = item.metadata.get("category"), item.metadata.get("importance_score")
    return Memory(
        id=f"{FOREIGN}{item.id}",
        owner=owner,
        agent_id=None,
        heard_by=(),
        conversation_id=None,
        category=Category(category) if category in tuple(Category) else Category.FACTUAL,
        content=text,
        importance=importance if type(importance) is int and 1 <= importance <= 10 else 5,
        confidence=0.5,
        source_quote="",
        turn=-1,
        event_date=None,
        slot="",
        value="",
        topic="",
        valid_from=item.created_at,
        valid_until=None,
        status=Status.ACTIVE,
        superseded_by=None,
        conflict_with=None,
        reinforcements=0,
        first_heard=item.created_at,
        last_heard=item.created_at,
    )
