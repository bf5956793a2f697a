"""The copy of our memories that another service holds: what it is asked for, and what it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

from elaaoms.jobs import Job, Outcome
from elaaoms.memory import Memory

REPLICATE = (
    "replicate"  # the kind of job that delivers what one owner's memories owe; its unique_key says whose
)
FOREIGN = "om_"  # begins the id of what another application wrote
CACHED_S = 60.0  # how long OpenMemory may repeat an answer, also about what was deleted since


@frozen(kw_only=True)
class Hits:
    """What the other side finds for a question: ids of our memories in its order (its scores are no
    similarities), and memories that other applications keep there for the same caller."""

    order: tuple[str, ...]
    foreign: tuple[Memory, ...]


NO_HITS = Hits(order=(), foreign=())


@frozen(kw_only=True)
class Standing:
    """How the replica stands; `since` is when the oldest change that it is owed was made (unix seconds).

    `trouble` is why nothing can be delivered, `resting` why it is not asked during calls.
    """

    url: str
    dialect: str | None
    store: str
    trouble: str | None
    resting: str | None
    owed: int
    since: float | None


@frozen(kw_only=True)
class Discrepancy:
    """One difference: of which memory, if it is one of ours, and under which id it stands there, if it does."""

    memory: str | None
    owner: str | None
    remote: str | None
    user: str | None = None


@frozen(kw_only=True)
class Verification:
    """Both sides compared. What is owed is on its way and counts as no difference.

    `missing` is not there, `altered` is not what was sent, `misplaced` stands under another caller,
    `stray` is a copy of ours that nothing wants, `foreign` was written by somebody else.
    """

    memories: int
    items: int
    owed: int
    missing: tuple[Discrepancy, ...]
    altered: tuple[Discrepancy, ...]
    misplaced: tuple[Discrepancy, ...]
    stray: tuple[Discrepancy, ...]
    foreign: tuple[Discrepancy, ...]

    @property
    def sound(self) -> bool:
        """Whether the copy is what it should be; what others wrote is theirs."""
        return not (self.missing or self.altered or self.misplaced or self.stray)


@frozen(kw_only=True)
class Forgotten:
    """The proof that an owner is gone: `deleted` copies were deleted, then `remaining` were found by reading.

    Until `quiet_at` (unix seconds) the other side may repeat answers from before to whoever asks it directly.
    """

    user: str
    deleted: int
    remaining: int
    verified_at: float
    quiet_at: float


@frozen(kw_only=True)
class Foreign:
    """Something that another application wrote there; `user` is whom it wrote it for, `written_at` unix seconds."""

    id: str
    user: str | None
    text: str
    metadata: Mapping[str, Any]
    written_at: float


class Elsewhere(Protocol):
    """Another place where a caller's memories can be looked for during a call."""

    async def hits(self, owner: str, query: str, *, limit: int) -> Hits | None:
        """What is found there within its own deadline; None when it is late, down or left alone."""
        ...


class Replica(Elsewhere, Protocol):
    """The replica as the daemon and the operator use it."""

    async def replicate(self, job: Job) -> Outcome:
        """Deliver what one owner's memories owe, in order."""
        ...

    async def deliver(self, *, for_s: float) -> Standing:
        """Deliver to whoever is owed, for about so many seconds; ServiceUnavailable, ProviderBlocked."""
        ...

    async def look(self) -> None:
        """See whether the other side is there; when it is back, everything that waits is due."""
        ...

    async def resume(self) -> None:
        """Make due what waits, and queue what is owed without a job."""
        ...

    async def standing(self) -> Standing:
        """How it stands, without asking the other side."""
        ...

    async def verify(self) -> Verification:
        """Compare every memory on both sides."""
        ...

    async def repair(self) -> Verification:
        """Verify, delete what nothing wants, and owe again what is missing, altered or misplaced."""
        ...

    async def forget(self, owner: str) -> Forgotten:
        """Delete everything that stands there for an owner and prove it by reading.

        To be called when the owner's memories are gone here: those that are not are owed again.
        ServiceUnavailable or ProviderBlocked when the other side cannot be asked; the job of what is owed
        deletes our copies then as soon as it can.
        """
        ...

    async def foreign(self, *, offset: int, limit: int) -> tuple[Sequence[Foreign], int]:
        """What others wrote among `limit` items from `offset` on, newest first, and how many items there were."""
        ...

    async def close(self) -> None:
        """Let the connections go."""
        ...


def pulled_key(remote: str, part: int = 0) -> str:
    """The key under which a part of what another application wrote is imported, however often."""
    return hashlib.sha256(f"pulled\x1f{remote}\x1f{part}".encode()).hexdigest()[:32]
