"""What is remembered of a caller: facts a call taught us, the memories they become, and where memories live."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from attrs import field, frozen
from attrs.validators import and_, ge, instance_of, le, max_len, min_len

if TYPE_CHECKING:  # the values here are for pure modules too, which know no database
    from elaaoms.database import Transaction

_CONVERSATION = "conversation:"
MAX_CONTENT = 400  # characters; a memory is one or two sentences, not a transcript
MAX_QUOTE = 600  # characters


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

    @property
    def caller(self) -> str | None:
        """The caller's key, if it can be told who called."""
        return None if self.owner.startswith(_CONVERSATION) else self.owner

    def known_to(self, agent_id: str) -> bool:
        """Whether this agent may use the memory without looking at what other agents heard."""
        return self.agent_id is None or agent_id in self.heard_by


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


Reconcile: TypeAlias = Callable[[Sequence[Heard], Sequence[Memory], str], Revision]


@frozen(kw_only=True)
class Prepared:
    """What an agent is given before its next call with a caller, and until when the greeting is good."""

    variables: Mapping[str, str | bool]
    prepared_at: float
    expires_at: float


class MemoryStore(Protocol):
    """Where facts and memories are kept. Methods that take a transaction are part of a larger write."""

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

        With `conversation_id` None the facts are added to what the operator gave; a key counts once. What was heard
        before, after or instead is reconciled again in the order of hearing, so that replays,
        replacements and calls that arrive late lead to the same memories.
        """
        ...

    def of_owner(self, transaction: Transaction, owner: str) -> list[Memory]:
        """An owner's memories of every status in the order of hearing, within a transaction."""
        ...

    def prepare(self, transaction: Transaction, caller: str, prepared: Mapping[str, Prepared]) -> None:
        """Replace what is prepared for the caller's next call, by agent ('' = any other agent)."""
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

    async def evidence(self, memory_ids: Sequence[str]) -> Mapping[str, list[Evidence]]:
        """What these memories rest on, oldest first."""
        ...

    async def count(self) -> Mapping[str, int]:
        """How many memories there are of each status."""
        ...


def owner_of(caller: str | None, conversation_id: str | None) -> str:
    """Whom a memory belongs to: the caller, or the conversation whose caller cannot be told."""
    return caller if caller is not None else f"{_CONVERSATION}{conversation_id}"
