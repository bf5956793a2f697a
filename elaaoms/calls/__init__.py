"""Conversations and who had them: what a call is, what arrived about it, and where that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

from elaaoms.identity import Address

if TYPE_CHECKING:  # the values here are for pure modules too, which know no database
    from elaaoms.archive import Archived
    from elaaoms.database import Transaction


@frozen(kw_only=True)
class Call:
    """One conversation; times are unix seconds.

    `extraction_status` is queued, processing, completed, nothing (nothing worth remembering) or failed.
    """

    conversation_id: str
    agent_id: str
    caller: str | None
    channel: str
    direction: str
    language: str
    started_at: float
    duration_s: float
    title: str
    summary: str
    failure: str
    received_at: float
    extraction_status: str
    job_id: int | None
    dropped: tuple[Mapping[str, Any], ...]


@frozen(kw_only=True)
class Caller:
    """One caller: the key that memories are filed under and the address it was made from."""

    caller: str
    address: Address
    language: str
    calls: int
    first_seen: float
    last_seen: float


@frozen(kw_only=True)
class LastCall:
    """The last processed call that an agent had with a caller; `started_at` is unix seconds."""

    started_at: float
    language: str
    summary: str


@frozen(kw_only=True)
class Charge:
    """What one answer of a language model cost; `at` is unix seconds."""

    at: float
    conversation_id: str
    provider: str
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    usd: float


@frozen(kw_only=True)
class Held:
    """A correctly signed body that could not be understood."""

    sha256: str
    reason: str
    size: int
    received_at: float


@frozen(kw_only=True)
class Recorded:
    """What the record already knew of an event.

    `duplicate`: this very body was recorded before; `job_id` is the job that it led to then.
    `newest`: no other body of this type and conversation has a later `event_timestamp`.
    """

    duplicate: bool
    newest: bool
    job_id: int | None = None


class CallStore(Protocol):
    """Where calls, callers and what arrived about them are kept."""

    def record(self, transaction: Transaction, archived: Archived, *, now: float) -> Recorded:
        """Note an archived event (`archived.event` is not None)."""
        ...

    def queued(self, transaction: Transaction, archived: Archived, job_id: int) -> None:
        """Note the job that an event led to."""
        ...

    def describe(
        self,
        transaction: Transaction,
        archived: Archived,
        caller: str | None,
        *,
        now: float,
        job_id: int | None,
    ) -> None:
        """Write what the event says of its call; with a job, its outcome is open again."""
        ...

    def settle(
        self,
        transaction: Transaction,
        conversation_id: str,
        *,
        outcome: str,
        dropped: Sequence[Mapping[str, Any]],
    ) -> None:
        """Close a call's extraction: `completed` or `nothing`, and what was dropped why."""
        ...

    def hold(self, transaction: Transaction, archived: Archived, *, now: float) -> bool:
        """Note a held body; False if it was held before."""
        ...

    def meet(self, transaction: Transaction, caller: str, address: Address, *, now: float) -> None:
        """Note that this caller exists."""
        ...

    def own_numbers_seen(self, transaction: Transaction, numbers: Sequence[str]) -> None:
        """Note numbers of our side, which are never callers."""
        ...

    def charge(self, transaction: Transaction, charge: Charge) -> None:
        """Add to the ledger."""
        ...

    async def spent(self, *, since: float) -> float:
        """US dollars charged since then."""
        ...

    async def charges(self, conversation_id: str) -> list[Charge]:
        """What a call's extraction cost, oldest first."""
        ...

    def last_calls(self, transaction: Transaction, caller: str) -> Mapping[str, LastCall]:
        """The caller's last processed call with each agent, by agent."""
        ...

    async def own_numbers(self) -> frozenset[str]:
        """All numbers of our side seen so far, as addresses."""
        ...

    async def get(self, conversation_id: str) -> Call:
        """One call; NotFound."""
        ...

    async def page(
        self,
        *,
        caller: str | None = None,
        agent_id: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[Call]:
        """Calls, newest first; `after` is the conversation id that the last page ended with."""
        ...

    async def events(self, conversation_id: str) -> list[Mapping[str, Any]]:
        """What arrived about a call: type, path, sha256, event_timestamp, received_at."""
        ...

    async def unheard_of(self, conversation_ids: Sequence[str], kind: str) -> frozenset[str]:
        """Those of the conversations of which no event of this type arrived."""
        ...

    async def newest(self) -> float | None:
        """When the latest call began."""
        ...

    async def recorded(self) -> frozenset[str]:
        """The paths of all archived bodies that have a row."""
        ...

    async def held(self, *, limit: int = 50) -> list[Held]:
        """Held bodies, newest first."""
        ...

    async def callers(self, *, limit: int = 50, after: str | None = None) -> list[Caller]:
        """Callers by key; `after` is the key that the last page ended with."""
        ...

    async def caller(self, address: Address) -> Caller | None:
        """The caller at an address, or with a key (`Address("key", …)`)."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """How many calls, callers and held bodies there are."""
        ...
