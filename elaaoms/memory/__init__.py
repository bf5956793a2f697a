"""What is remembered of a caller: facts a call taught us, the memories they become, and where memories live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from attrs import evolve, field, frozen
from attrs.validators import and_, ge, instance_of, le, max_len, min_len

if TYPE_CHECKING:  # the values here are for pure modules too, which know no database
    from elaaoms.database import Transaction

_CONVERSATION = "conversation:"
MAX_CONTENT = 400  # characters; a memory is one or two sentences, not a transcript
MAX_QUOTE = 600  # characters
KEPT_IMPORTANCE = 8  # memories that count this much are never folded away
FORGOTTEN = "[forgotten]"  # what stands where a memory's words were


class Category(StrEnum):
    """The five kinds of memory."""

    FACTUAL = "factual"
    PREFERENCE = "preference"
    ISSUE = "issue"
    EMOTIONAL = "emotional"
    RELATIONAL = "relational"


class Status(StrEnum):
    """Where a memory stands; only `active` ones are recalled."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    FORGOTTEN = "forgotten"


class Relation(StrEnum):
    """How a fact stands to a known memory, where whoever extracted it could tell."""

    NEW = "new"
    SAME = "same"
    REFINES = "refines"
    REPLACES = "replaces"
    CONTRADICTS = "contradicts"


@frozen(kw_only=True)
class Fact:
    """Something a call taught us, extracted but not yet believed.

    `quote` is a verbatim part of the text of turn number `turn` (an index into the conversation's
    turns). `slot` names the attribute of the caller that the fact gives a value to ("name",
    "residence", "contact", "likes:coffee", "order:XYZ-789:status"); a slot holds one value at a
    time, so what may stand side by side has slots of its own. `value` is the normalised value.
    A fact without a slot is compared with others by its text. `changes` says that the caller's own
    words replace something earlier ("I moved", "no longer", "actually, call me instead").
    `relation` and `relates_to` (a memory's id) are what a language model says of a known memory.
    `topic` is what a greeting may mention; it comes from a closed list, never from free speech.
    """

    category: Category = field(validator=instance_of(Category))
    content: str = field(validator=and_(instance_of(str), min_len(1), max_len(MAX_CONTENT)))
    importance: int = field(validator=and_(instance_of(int), ge(1), le(10)))
    confidence: float = field(default=1.0, validator=and_(ge(0.0), le(1.0)))
    quote: str = field(default="", validator=max_len(MAX_QUOTE))
    turn: int = -1
    event_date: date | None = None
    slot: str = ""
    value: str = ""
    changes: bool = False
    topic: str = ""
    relation: Relation = Relation.NEW
    relates_to: str = ""


@frozen(kw_only=True)
class Heard:
    """A fact with where it comes from; `key` is the same whenever the same thing is heard again in the same call.

    `source` is "call" or "operator" (added or imported by whoever runs elaaoms). `heard_at` is unix seconds;
    `arrived_at`, when we were told, orders what was heard at the same moment.
    """

    key: str
    fact: Fact
    source: str
    heard_at: float
    arrived_at: float = 0.0
    agent_id: str | None = None
    conversation_id: str | None = None


@frozen(kw_only=True)
class Memory:
    """Something remembered; times are unix seconds, `agent_id` None means shared with every agent.

    `owner` is the caller, or `conversation:<id>` for a call whose caller cannot be told. `heard_by`
    are the agents that were told it themselves.
    """

    id: str
    owner: str
    agent_id: str | None
    heard_by: tuple[str, ...]
    conversation_id: str | None
    category: Category
    content: str
    importance: int
    confidence: float
    source_quote: str
    turn: int
    event_date: date | None
    slot: str
    value: str
    topic: str
    valid_from: float
    valid_until: float | None
    status: Status
    superseded_by: str | None
    conflict_with: str | None
    reinforcements: int
    first_heard: float
    last_heard: float
    pinned: bool = False
    restored_at: float | None = None  # the operator's word that nothing heard until then ends it

    @property
    def caller(self) -> str | None:
        """The caller's key, if it can be told who called."""
        return self.owner if is_caller(self.owner) else None

    @property
    def is_kept(self) -> bool:
        """Whether it must not be folded away, whatever else says the same."""
        return self.pinned or self.importance >= KEPT_IMPORTANCE or self.conflict_with is not None

    def known_to(self, agent_id: str) -> bool:
        """Whether this agent may use the memory without looking at what other agents heard."""
        return self.agent_id is None or agent_id in self.heard_by


@frozen
class State:
    """What of a memory tells whether it was changed: its status, who may use it, and the seal of its row."""

    status: str
    shared: bool
    seal: str | None


@frozen(kw_only=True)
class Evidence:
    """What a memory rests on: one fact, and what it did to the memory (added, reinforced, refined, …)."""

    memory: str
    effect: str
    content: str
    quote: str
    turn: int
    heard_at: float
    conversation_id: str | None
    agent_id: str | None
    source: str


@frozen(kw_only=True)
class Revision:
    """What facts do to what was known: memories that are new or changed, and each fact's (memory, effect)."""

    memories: tuple[Memory, ...]
    effects: Mapping[str, tuple[str, str]]


class Reconcile(Protocol):
    """How facts change an owner's memories; `upheld` are the ids of memories that the operator restored, with when."""

    def __call__(
        self, heard: Sequence[Heard], known: Sequence[Memory], owner: str, *, upheld: Mapping[str, float]
    ) -> Revision: ...


@frozen(kw_only=True)
class Prepared:
    """What an agent is given before its next call with a caller, and until when the greeting is good.

    `memories` are the ids of those that it tells of.
    """

    variables: Mapping[str, str | bool]
    prepared_at: float
    expires_at: float
    memories: tuple[str, ...] = ()

    def greeting(self, text: str, expires_at: float | None) -> Prepared:
        """The same with another greeting, good until `expires_at` at the latest."""
        return evolve(
            self,
            variables={**self.variables, "memory_greeting": text},
            expires_at=self.expires_at if expires_at is None else min(self.expires_at, expires_at),
        )


@frozen(kw_only=True)
class Scrubbed:
    """What a look at every row found: rows whose seal does not fit, by whom they are about.

    `owners` have a damaged memory, which their facts can replace; `conversations` have a damaged fact,
    which the archived call can replace; `lost` counts damaged facts that nothing else holds.
    """

    rows: int
    owners: frozenset[str]
    conversations: frozenset[str]
    lost: int


@frozen(kw_only=True)
class Filters:
    """Which memories are listed; None is any. Times are unix seconds of when they were first heard, `until` excluded.

    `agent_id` is an agent that may use them, `importance` the least one.
    """

    owner: str | None = None
    agent_id: str | None = None
    conversation_id: str | None = None
    category: Category | None = None
    status: Status | None = None
    importance: int | None = None
    since: float | None = None
    until: float | None = None


@frozen(kw_only=True)
class Listing:
    """Memories of a list as far as was looked; `next` is where to go on, None at the end."""

    memories: tuple[Memory, ...]
    next: str | None


@frozen(kw_only=True)
class Mentions:
    """Memories that hold a text, as far as was looked; `further` says where to go on, None at the end."""

    memories: tuple[Memory, ...]
    further: int | None


class MemoryStore(Protocol):
    """Where facts and memories are kept. Methods that take a transaction are part of a larger write.

    Rows are sealed: what is not as it was written is not given out, but counted in `damaged`.
    """

    damaged: int

    def learn(
        self,
        transaction: Transaction,
        heard: Sequence[Heard],
        *,
        owner: str,
        conversation_id: str | None,
        reconcile: Reconcile,
    ) -> int:
        """Make `heard` all that is known from this conversation; how many facts were new or other than before.

        With `conversation_id` None the facts are added to what the operator gave; a key counts once. What was
        forgotten is not learnt again. What was heard
        before, after or instead is reconciled again in the order of hearing, so that replays,
        replacements and calls that arrive late lead to the same memories.
        """
        ...

    def pin(self, transaction: Transaction, memory_id: str, pinned: bool) -> Memory:
        """Pin or unpin a memory; NotFound."""
        ...

    def restore(
        self, transaction: Transaction, memory_id: str, *, reconcile: Reconcile, now: float
    ) -> Memory:
        """Undo what ended a superseded memory: it stands again, beside what was said later. NotFound, Conflicting."""
        ...

    def forget(self, transaction: Transaction, memory_id: str, *, reconcile: Reconcile, now: float) -> Memory:
        """Remove a memory's words and every fact it rests on, for good; what it had ended stands again.

        The row stays, empty and `forgotten`. Reading the same call again does not bring it back. NotFound.
        """
        ...

    def erase(self, transaction: Transaction, owner: str) -> dict[str, int]:
        """Remove everything of an owner; how many rows of what."""
        ...

    def merge(self, transaction: Transaction, owner: str, into: str, *, reconcile: Reconcile) -> None:
        """Make everything heard of one owner another's, and work both out again."""
        ...

    def rebuild(self, transaction: Transaction, owner: str, reconcile: Reconcile) -> None:
        """Work an owner's memories out again from every sound fact; what the operator decided stays."""
        ...

    def of_owner(self, transaction: Transaction, owner: str) -> list[Memory]:
        """An owner's memories of every status in the order of hearing, within a transaction."""
        ...

    def states(self, transaction: Transaction, owner: str) -> Mapping[str, State]:
        """How an owner's memories stand, by id, within a transaction."""
        ...

    def prepare(self, transaction: Transaction, caller: str, prepared: Mapping[str, Prepared]) -> None:
        """Replace what is prepared for the caller's next call, by agent ('' = any other agent)."""
        ...

    def all_prepared(self, transaction: Transaction, caller: str) -> Mapping[str, Prepared]:
        """What is prepared for the caller's next call, by agent, within a transaction."""
        ...

    async def prepared(self, caller: str, agent_id: str) -> Prepared | None:
        """What was prepared for this agent, or else for any agent."""
        ...

    async def active(self, caller: str) -> list[Memory]:
        """The caller's active memories, in the order of hearing."""
        ...

    async def version(self, owner: str) -> int:
        """A number that is another one after every write to the owner's memories; 0 when there are none."""
        ...

    async def entries(self, owner: str) -> tuple[int, dict[str, bytes | None]]:
        """What search needs of the owner's active memories, by id, and the version it was read at.

        None stands for an entry that has to be made.
        """
        ...

    async def keep_entries(self, owner: str, version: int, entries: Mapping[str, bytes]) -> None:
        """Store entries that were made from memories of this version, unless it has passed."""
        ...

    async def chosen(self, owner: str, memory_ids: Sequence[str]) -> list[Memory]:
        """Those of the owner's active memories that are asked for, in the order asked."""
        ...

    async def get(self, memory_id: str) -> Memory:
        """One memory; NotFound."""
        ...

    async def page(
        self,
        *,
        owner: str | None = None,
        agent_id: str | None = None,
        conversation_id: str | None = None,
        fact_key: str | None = None,
        category: Category | None = None,
        status: Status | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[Memory]:
        """Memories, newest first; `after` is the id that the last page ended with."""
        ...

    async def listing(self, filters: Filters, *, limit: int = 50, after: str | None = None) -> Listing:
        """Memories, newest first. One look is bounded: a page may be short and others follow it all the same."""
        ...

    async def mentioning(self, text: str, *, limit: int = 50, further: int | None = None) -> Mentions:
        """Memories that hold this text, the last written first; one look is bounded, `further` goes on."""
        ...

    async def called(self, name: str, *, limit: int = 50) -> list[str]:
        """Callers who go by a name with this text in it."""
        ...

    async def names(self, callers: Sequence[str]) -> Mapping[str, Memory]:
        """What these callers are called, by caller: the memory that says so."""
        ...

    async def largest(self, *, limit: int = 10) -> list[tuple[str, int]]:
        """The owners with the most memories, and how many."""
        ...

    async def facts(self, conversation_id: str) -> list[Heard]:
        """What was heard in one call, in the order of turns."""
        ...

    async def evidence(self, memory_ids: Sequence[str]) -> Mapping[str, list[Evidence]]:
        """What these memories rest on, oldest first."""
        ...

    async def scrub(self, *, pause_s: float) -> Scrubbed:
        """Compare every row with its seal, a slice at a time with a pause after each; seal what has none."""
        ...

    async def count(self) -> Mapping[str, int]:
        """How many memories there are of each status."""
        ...


def owner_of(caller: str | None, conversation_id: str | None) -> str:
    """Whom a memory belongs to: the caller, or the conversation whose caller cannot be told."""
    return caller if caller is not None else f"{_CONVERSATION}{conversation_id}"


def is_caller(owner: str) -> bool:
    """Whether a memory's owner is a caller rather than a conversation."""
    return not owner.startswith(_CONVERSATION)
