"""The shapes of what we answer, as the OpenAPI document tells them; `views` and the handlers fill them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from attrs import frozen

from elaaoms.budget import Today
from elaaoms.calls import Spending
from elaaoms.jobs import State
from elaaoms.memory import Category, Status

Moment: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Day: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date"})]
ExtractionStatus: TypeAlias = Literal["queued", "processing", "completed", "nothing", "failed"]


# -- the three webhooks and the two that tell whether we are there --------------------


@frozen(kw_only=True)
class Event:
    """What ElevenLabs sends after a call. A signed body is never refused for its content: what cannot be
    understood is held, and more fields than these are kept."""

    type: str = ""
    event_timestamp: int = 0
    data: Any = None


@frozen(kw_only=True)
class Accepted:
    """What became of an event; `job_id` is null for what leads to no job, or to one that follows later."""

    conversation_id: str | None
    webhook_type: str | None
    job_id: int | None
    duplicate: bool
    extraction_status: ExtractionStatus | Literal["held"]


@frozen(kw_only=True)
class DynamicVariables:
    """All six are always there; `caller_context` is JSON."""

    caller_known: bool
    caller_name: str
    memory_greeting: str
    caller_memory: str
    last_call_summary: str
    caller_context: str


@frozen(kw_only=True)
class AgentOverride:
    """What the agent says first."""

    first_message: str


@frozen(kw_only=True)
class ConfigOverride:
    """What of the agent's configuration is overridden for this call."""

    agent: AgentOverride


@frozen(kw_only=True)
class InitiationData:
    """What the agent is given before it answers; a complete stranger's where anything fails inside.

    `conversation_config_override` is there with `greeting.override_first_message = true`, `user_id` for a caller
    who can be told from others.
    """

    type: Literal["conversation_initiation_client_data"]
    dynamic_variables: DynamicVariables
    conversation_config_override: ConfigOverride | None = None
    user_id: str | None = None


@frozen(kw_only=True)
class Found:
    """A memory as the agent gets it; `relevance` is calibrated, 0 to 1, `agent_id` null for a shared one."""

    id: str
    content: str
    category: Category
    importance: int
    relevance: float
    when: Day
    agent_id: str | None
    shared: bool


@frozen(kw_only=True)
class SearchAnswer:
    """What is known about the question; `result` can be read aloud, `searched_agents` is an agent or "all"."""

    found: bool
    result: str
    memories: tuple[Found, ...]
    searched_agents: str


@frozen(kw_only=True)
class Health:
    """Whether calls can be taken, and how each dependency is; why not stands in its `reason`."""

    status: Literal["healthy", "degraded", "unhealthy"]
    version: str
    dependencies: dict[str, dict[str, Any]]


# -- memories -------------------------------------------------------------------------


@frozen(kw_only=True)
class HeardTurn:
    """One turn of a call, without secrets."""

    turn: int
    role: str
    seconds: float | None
    text: str


@frozen(kw_only=True)
class EvidenceShape:
    """What a memory rests on. For a single memory also the turns around it, the second it was said at, and the
    archived audio to listen to."""

    effect: str
    content: str
    quote: str
    turn: int
    heard_at: Moment
    conversation_id: str | None
    agent_id: str | None
    source: str
    turns: tuple[HeardTurn, ...] | None = None
    seconds: float | None = None
    audio: str | None = None


@frozen(kw_only=True)
class MemoryShape:
    """A memory with what it rests on; `agent_id` null is shared with every agent, `relevance` is for answers to `q`."""

    id: str
    caller: str | None
    agent_id: str | None
    shared: bool
    heard_by: tuple[str, ...]
    conversation_id: str | None
    category: Category
    content: str
    importance: int
    confidence: float
    source_quote: str
    turn: int
    event_date: Day | None
    valid_from: Moment | None
    valid_until: Moment | None
    status: Status
    superseded_by: str | None
    conflict_with: str | None
    reinforcements: int
    first_heard: Moment
    last_heard: Moment
    pinned: bool
    evidence: tuple[EvidenceShape, ...]
    relevance: float | None = None


@frozen(kw_only=True)
class MemoryPage:
    """Memories; `next` is what `after` is for the page that follows, null at the end."""

    memories: tuple[MemoryShape, ...]
    next: str | None


@frozen(kw_only=True)
class Imported:
    """What an import did; lines that said what was said before are `unchanged`."""

    lines: int
    imported: int
    unchanged: int
    callers: int


# -- callers and calls ----------------------------------------------------------------


@frozen(kw_only=True)
class CallerShape:
    """A caller and the address that identifies them; `flagged_at` is when they last rang too often."""

    caller: str
    address: str
    kind: str
    language: str
    calls: int
    first_seen: Moment
    last_seen: Moment
    flagged_at: Moment | None


@frozen(kw_only=True)
class CallerPage:
    """Callers by key."""

    callers: tuple[CallerShape, ...]
    next: str | None


@frozen(kw_only=True)
class Arrived:
    """A body that arrived about a call, and where it is archived."""

    type: str
    path: str
    sha256: str
    size: int
    event_timestamp: float
    received_at: Moment
    job_id: int | None


@frozen(kw_only=True)
class CallShape:
    """A call; `dropped` are statements that were not believed, each with the reason."""

    conversation_id: str
    agent_id: str
    caller: str | None
    channel: str
    direction: str
    language: str
    started_at: Moment | None
    duration_s: float
    title: str
    summary: str
    failure: str
    received_at: Moment
    extraction_status: ExtractionStatus
    job_id: int | None
    dropped: tuple[dict[str, Any], ...]
    events: tuple[Arrived, ...] | None = None


@frozen(kw_only=True)
class CallPage:
    """Calls, newest first."""

    calls: tuple[CallShape, ...]
    next: str | None


@frozen(kw_only=True)
class ChargeShape:
    """What one answer of a language model cost."""

    at: Moment
    conversation_id: str
    provider: str
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    usd: float


@frozen(kw_only=True)
class AuditEntry:
    """Who did what to what; ids and numbers, never what was said."""

    id: int
    at: Moment
    actor: str
    action: str
    subjects: tuple[str, ...]
    details: dict[str, Any]


@frozen(kw_only=True)
class AuditPage:
    """Entries of the audit trail, newest first."""

    entries: tuple[AuditEntry, ...]
    next: str | None


@frozen(kw_only=True)
class WholeCall(CallShape):
    """A call, what arrived about it, what it taught us, what that cost, and who changed it."""

    charges: tuple[ChargeShape, ...]
    memories: tuple[MemoryShape, ...]
    audit: tuple[AuditEntry, ...]


@frozen(kw_only=True)
class SaidTurn:
    """One turn of a call, without secrets."""

    role: str
    seconds: float | None
    text: str


@frozen(kw_only=True)
class ExportedCall(CallShape):
    """A call with its transcript, and the files in the archive that it came in."""

    turns: tuple[SaidTurn, ...]
    files: tuple[str, ...]


@frozen(kw_only=True)
class Export:
    """Everything about a caller."""

    exported_at: Moment
    caller: CallerShape
    memories: tuple[MemoryShape, ...]
    calls: tuple[ExportedCall, ...]


@frozen(kw_only=True)
class Receipt:
    """What was removed where, signed by this installation."""

    erasure: str
    caller: str
    requested_by: str
    requested_at: Moment
    finished_at: Moment
    removed: dict[str, int]
    elsewhere: dict[str, Any]
    backups_that_still_hold_it: tuple[str, ...]
    elaaoms: str
    signature: str


@frozen(kw_only=True)
class ErasureShape:
    """One erasure; the receipt is there once it is finished."""

    id: str
    caller: str
    actor: str
    requested_at: Moment
    finished_at: Moment | None
    receipt: Receipt | None
    waits_for: str | None


@frozen(kw_only=True)
class Erasures:
    """Erasures, newest first."""

    erasures: tuple[ErasureShape, ...]


@frozen(kw_only=True)
class RequestShape:
    """A caller's wish to be forgotten, said in a turn of a call."""

    id: int
    caller: str
    conversation_id: str
    turn: int
    asked_at: Moment


@frozen(kw_only=True)
class Requests:
    """Wishes to be forgotten that nobody has answered, oldest first."""

    requests: tuple[RequestShape, ...]


@frozen(kw_only=True)
class Missing:
    """Which of the conversations never arrived."""

    missing: tuple[str, ...]


@frozen(kw_only=True)
class Replication:
    """How the copy in OpenMemory stands; `lag_s` is the age of the oldest change that it is owed."""

    url: str
    dialect: str | None
    store: str
    trouble: str | None
    resting: str | None
    owed: int
    since: Moment | None
    lag_s: int


@frozen(kw_only=True)
class Pulled:
    """What one page of OpenMemory brought; `next` is the offset of the following one."""

    read: int
    imported: int
    skipped: dict[str, int]
    next: int | None


@frozen(kw_only=True)
class Verified:
    """Both sides compared: how many differences of each kind, and the first thousand of each."""

    sound: bool
    memories: int
    items: int
    owed: int
    counts: dict[str, int]
    missing: tuple[dict[str, Any], ...]
    altered: tuple[dict[str, Any], ...]
    misplaced: tuple[dict[str, Any], ...]
    stray: tuple[dict[str, Any], ...]
    foreign: tuple[dict[str, Any], ...]


@frozen(kw_only=True)
class Embedded:
    """How many memories have vectors of this model, and how many still wait for theirs."""

    model: str
    total: int
    owed: int


@frozen(kw_only=True)
class Genuine:
    """Whether a receipt is ours and unchanged."""

    genuine: bool


@frozen(kw_only=True)
class Reading:
    """How one reading of a call went; `groundedness` is the share of its statements with words behind them."""

    facts: int
    dropped: dict[str, int]
    groundedness: float


@frozen(kw_only=True)
class Reworded:
    """A statement that says the same in other words."""

    before: str
    after: str


@frozen(kw_only=True)
class ReplayShape:
    """A call read again, beside what is remembered of it."""

    conversation_id: str
    provider: str
    model: str
    adopted: bool
    usd: float
    before: Reading
    after: Reading
    same: tuple[str, ...]
    reworded: tuple[Reworded, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


@frozen(kw_only=True)
class HeldShape:
    """A body that was correctly signed and could not be understood."""

    sha256: str
    reason: str
    size: int
    received_at: Moment
    path: str


@frozen(kw_only=True)
class HeldPage:
    """Held bodies, newest first."""

    held: tuple[HeldShape, ...]


@frozen(kw_only=True)
class Usage:
    """The ledger by day (UTC), provider and model."""

    usage: tuple[Spending, ...]
    usd: float
    today: Today


# -- jobs -----------------------------------------------------------------------------


@frozen(kw_only=True)
class JobError:
    """Why an attempt failed."""

    at: Moment
    attempt: int
    reason: str


@frozen(kw_only=True)
class JobShape:
    """A job, and what went wrong with its attempts."""

    id: int
    kind: str
    args: dict[str, Any]
    state: State
    attempt: int
    max_attempts: int
    run_at: Moment
    lock: str | None
    errors: tuple[JobError, ...]
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


@frozen(kw_only=True)
class JobPage:
    """Jobs, newest first, and how many there are in each state."""

    jobs: tuple[JobShape, ...]
    next: str | None
    counts: dict[str, int]


@frozen(kw_only=True)
class Queued:
    """The job that will do it."""

    job_id: int


@frozen(kw_only=True)
class Retried:
    """How many failed jobs are due again."""

    retried: int
