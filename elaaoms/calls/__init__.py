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
    """One caller: the key that memories are filed under and the address it was made from.

    `flagged_at` is when the caller last rang more often than `limits.calls_per_hour` allows.
    """

    caller: str
    address: Address
    language: str
    calls: int
    first_seen: float
    last_seen: float
    flagged_at: float | None = None


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
class Spending:
    """A day (UTC, ISO 8601) of one model in the ledger: how many answers were paid for, over how many calls."""

    day: str
    provider: str
    model: str
    answers: int
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    usd: float


@frozen(kw_only=True)
class Request:
    """A caller's wish to be forgotten, said in a call; times are unix seconds."""

    id: int
    caller: str
    conversation_id: str
    turn: int
    asked_at: float


@frozen(kw_only=True)
class Slot:
    """What happened in one stretch of time that begins at `at` (unix seconds): calls, and US dollars for models."""

    at: float
    calls: int
    usd: float


@frozen(kw_only=True)
class Volume:
    """How many bodies of one type were archived, of how many bytes; `recent` and `recent_size` are the newer ones.

    `begun` is the day of the first, in unix seconds.
    """

    type: str
    count: int
    size: int
    begun: float
    recent: int
    recent_size: int


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

    `duplicate`: this very body was recorded before; `job_id` is the job that it led to then and `path` where it
    was archived, which may hold it without its secrets by now.
    `newest`: no other body of this type and conversation has a later `event_timestamp`.
    """

    duplicate: bool
    newest: bool
    path: str
    job_id: int | None = None


class CallStore(Protocol):
    """Where calls, callers and what arrived about them are kept."""

    def record(self, transaction: Transaction, archived: Archived, *, now: float) -> Recorded:
        """Note an archived event (`archived.event` is not None)."""
        ...

    def unseen(
        self,
        transaction: Transaction,
        asked: Sequence[tuple[str, str, str, str | None, float]],
        *,
        most: int,
    ) -> list[tuple[bool, int]]:
        """For many (conversation, type, digest, caller, since): whether it is new, and `recent` of a caller.

        New is an event of a conversation that was not erased, of whose type none was recorded, by nobody
        or by a caller who was not merged with another.
        """
        ...

    def record_all(
        self, transaction: Transaction, arrived: Sequence[tuple[Archived, str | None, int, float]]
    ) -> None:
        """`record`, `queued` and `describe` for transcriptions that are new: with their callers, jobs and `now`."""
        ...

    def meet_all(self, transaction: Transaction, people: Sequence[tuple[str, Address, float, str]]) -> None:
        """`meet` for many: caller, address, `now` and language."""
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
        title: str,
        summary: str,
    ) -> None:
        """Close a call's extraction: `completed` or `nothing`, what was dropped why, and what may be told of it."""
        ...

    def reopen(self, transaction: Transaction, conversation_id: str, job_id: int) -> None:
        """Note that a call is to be extracted again, by this job."""
        ...

    def hold(self, transaction: Transaction, archived: Archived, *, now: float) -> bool:
        """Note a held body; False if it was held before."""
        ...

    def meet(
        self, transaction: Transaction, caller: str, address: Address, *, now: float, language: str = ""
    ) -> None:
        """Note that this caller exists and was there at `now`; an empty `language` changes nothing."""
        ...

    def recent(self, transaction: Transaction, caller: str, *, since: float, most: int) -> int:
        """How many of the caller's calls began and arrived since then; counted up to `most`."""
        ...

    def flag(self, transaction: Transaction, caller: str, *, now: float) -> bool:
        """Note that the caller rings too often; False if that was noted within the last hour."""
        ...

    def own_numbers_seen(self, transaction: Transaction, numbers: Sequence[str]) -> None:
        """Note numbers of our side, which are never callers."""
        ...

    def erase(self, transaction: Transaction, caller: str) -> tuple[list[str], dict[str, int]]:
        """Remove a caller and their calls; the conversations, and how many rows of what were removed.

        What they cost stays in the ledger, without the conversation.
        """
        ...

    def merge(self, transaction: Transaction, caller: str, into: str) -> None:
        """Make one caller's calls another's from now on, also those to come."""
        ...

    async def aliases(self) -> Mapping[str, str]:
        """Callers that were merged, with whom they are known as."""
        ...

    def erased(self, transaction: Transaction, digest: str) -> bool:
        """Whether a conversation with this digest was erased."""
        ...

    def asked(
        self, transaction: Transaction, caller: str, conversation_id: str, turn: int, *, at: float
    ) -> bool:
        """Note that a caller asked to be forgotten; False for words that were noted before, and maybe answered."""
        ...

    async def requests(self, *, limit: int = 50) -> list[Request]:
        """Wishes to be forgotten that nobody has answered, oldest first; an erasure answers them."""
        ...

    async def decline(self, request_id: int, *, now: float) -> None:
        """Close a request without an erasure; NotFound."""
        ...

    def charge(self, transaction: Transaction, charges: Sequence[Charge]) -> None:
        """Add to the ledger."""
        ...

    async def spent(self, *, since: float) -> float:
        """US dollars charged since then."""
        ...

    async def usage(self, *, since: float) -> list[Spending]:
        """The ledger since then, by day, provider and model, the newest day first."""
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
        unfinished: bool = False,
        status: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[Call]:
        """Calls, newest first; `after` is the conversation id that the last page ended with.

        `unfinished` are those that are queued, processed or failed, `status` is one extraction status; `since`
        and `until` (excluded) are when they began, in unix seconds.
        """
        ...

    async def agents(self) -> list[str]:
        """The agents that had calls, by id; the first hundred."""
        ...

    async def activity(self, *, since: float, step_s: float, slots: int) -> list[Slot]:
        """Calls that began and what models cost since then, in consecutive slots of `step_s` seconds."""
        ...

    async def volume(self, *, since: float) -> list[Volume]:
        """What the archive took in all and since the day of that moment, by type of event."""
        ...

    async def events(self, conversation_id: str) -> list[Mapping[str, Any]]:
        """What arrived about a call: type, path, sha256, event_timestamp, received_at."""
        ...

    async def transcript(self, conversation_id: str) -> Mapping[str, Any]:
        """The newest transcription that arrived about a call, as in `events`; NotFound."""
        ...

    async def outlived(self, *, audio: bool, before: float, limit: int) -> list[tuple[str, str]]:
        """Archived bodies that arrived before then and that no job needs, as (conversation, path), oldest first.

        Either recordings or everything else; of a call that is not processed yet, or failed, nothing.
        """
        ...

    def let_go(self, transaction: Transaction, bodies: Sequence[tuple[str, str]]) -> None:
        """Note that these bodies are no longer archived; that they arrived stays known."""
        ...

    async def unheard_of(self, conversation_ids: Sequence[str], kind: str) -> frozenset[str]:
        """Those of the conversations of which no event of this type arrived."""
        ...

    async def newest(self) -> float | None:
        """When the latest call began."""
        ...

    async def unrecorded(self, paths: Sequence[str]) -> list[str]:
        """Those of the archived bodies that have no row."""
        ...

    async def recorded_until(self) -> float:
        """Everything that was archived before this moment has its row; 0 if nobody knows."""
        ...

    def note_recorded(self, transaction: Transaction, until: float) -> None:
        """Note that everything that was archived before this moment has its row."""
        ...

    def known_as(self, transaction: Transaction, caller: str) -> str:
        """The key that a caller goes by now: another one's after a merge."""
        ...

    def unhold(self, transaction: Transaction, digests: Sequence[str]) -> int:
        """Forget held bodies, which are removed; how many."""
        ...

    async def conversations(self, caller: str) -> list[str]:
        """The ids of all calls of a caller."""
        ...

    async def held(self, *, limit: int = 50) -> list[Held]:
        """Held bodies, newest first."""
        ...

    async def callers(self, *, limit: int = 50, after: str | None = None) -> list[Caller]:
        """Callers by key; `after` is the key that the last page ended with."""
        ...

    async def recent_callers(self, *, limit: int = 50, after: str | None = None) -> list[Caller]:
        """Callers, who called last first; `after` is the key that the last page ended with."""
        ...

    async def callers_at(self, text: str, *, limit: int = 50) -> list[Caller]:
        """Callers with this text in their address, who called last first."""
        ...

    async def known(self, callers: Sequence[str]) -> Mapping[str, Caller]:
        """Those of the keys that are callers, by key."""
        ...

    async def caller(self, address: Address) -> Caller | None:
        """The caller at an address, or with a key (`Address("key", …)`)."""
        ...

    async def newest_arrival(self) -> float | None:
        """When the newest event arrived."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """How many calls, callers and held bodies there are."""
        ...
