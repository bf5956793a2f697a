"""How memories, calls, callers and jobs look to an operator: the JSON of the API and of `--json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from elaaoms.audit import Entry
from elaaoms.calls import Call, Caller, Held
from elaaoms.jobs import Job
from elaaoms.memory import Evidence, Memory
from elaaoms.replay import Reading, Replay


def moment(at: float | None) -> str | None:
    """A time as ISO 8601 in UTC, to the second."""
    return (
        None
        if at is None
        else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )


def memory(value: Memory, evidence: Sequence[Evidence] = ()) -> dict[str, Any]:
    """A memory with what it rests on."""
    return {
        "id": value.id,
        "caller": value.caller,
        "agent_id": value.agent_id,
        "shared": value.agent_id is None,
        "heard_by": list(value.heard_by),
        "conversation_id": value.conversation_id,
        "category": value.category.value,
        "content": value.content,
        "importance": value.importance,
        "confidence": value.confidence,
        "source_quote": value.source_quote,
        "turn": value.turn,
        "event_date": value.event_date.isoformat() if value.event_date else None,
        "valid_from": moment(value.valid_from),
        "valid_until": moment(value.valid_until),
        "status": value.status.value,
        "superseded_by": value.superseded_by,
        "conflict_with": value.conflict_with,
        "reinforcements": value.reinforcements,
        "first_heard": moment(value.first_heard),
        "last_heard": moment(value.last_heard),
        "pinned": value.pinned,
        "evidence": [
            {
                "effect": entry.effect,
                "content": entry.content,
                "quote": entry.quote,
                "turn": entry.turn,
                "heard_at": moment(entry.heard_at),
                "conversation_id": entry.conversation_id,
                "agent_id": entry.agent_id,
                "source": entry.source,
            }
            for entry in evidence
        ],
    }


def call(value: Call, events: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A call, and for a single one what arrived about it."""
    shown = {
        "conversation_id": value.conversation_id,
        "agent_id": value.agent_id,
        "caller": value.caller,
        "channel": value.channel,
        "direction": value.direction,
        "language": value.language,
        "started_at": moment(value.started_at),
        "duration_s": value.duration_s,
        "title": value.title,
        "summary": value.summary,
        "failure": value.failure,
        "received_at": moment(value.received_at),
        "extraction_status": value.extraction_status,
        "job_id": value.job_id,
        "dropped": [dict(entry) for entry in value.dropped],
    }
    if events:
        shown["events"] = [
            {
                "type": event["type"],
                "path": event["path"],
                "sha256": event["sha256"],
                "size": event["size"],
                "event_timestamp": event["event_timestamp"],
                "received_at": moment(event["received_at"]),
                "job_id": event["job"],
            }
            for event in events
        ]
    return shown


def caller(value: Caller) -> dict[str, Any]:
    """A caller and the address that identifies them."""
    return {
        "caller": value.caller,
        "address": value.address.value,
        "kind": value.address.kind,
        "language": value.language,
        "calls": value.calls,
        "first_seen": moment(value.first_seen),
        "last_seen": moment(value.last_seen),
        "flagged_at": moment(value.flagged_at),
    }


def job(value: Job) -> dict[str, Any]:
    """A job and what went wrong with its attempts."""
    return {
        "id": value.id,
        "kind": value.kind,
        "args": dict(value.args),
        "state": value.state.value,
        "attempt": value.attempt,
        "max_attempts": value.max_attempts,
        "run_at": moment(value.run_at),
        "lock": value.lock,
        "errors": [dict(error) | {"at": moment(error["at"])} for error in value.errors],
        "created_at": moment(value.created_at),
        "started_at": moment(value.started_at),
        "finished_at": moment(value.finished_at),
    }


def entry(value: Entry) -> dict[str, Any]:
    """An entry of the audit trail."""
    return {
        "id": value.id,
        "at": moment(value.at),
        "actor": value.actor,
        "action": value.action,
        "subjects": list(value.subjects),
        "details": dict(value.details),
    }


def replay(value: Replay) -> dict[str, Any]:
    """A call read again, beside what is remembered of it."""
    changes = value.difference

    def reading(one: Reading) -> dict[str, Any]:
        return {
            "facts": len(one.heard),
            "dropped": dict(one.dropped),
            "groundedness": round(one.groundedness, 3),
        }

    return {
        "conversation_id": value.conversation_id,
        "provider": value.provider,
        "model": value.model,
        "adopted": value.adopted,
        "usd": round(value.usd, 6),
        "before": reading(value.before),
        "after": reading(value.after),
        "same": list(changes.same),
        "reworded": [{"before": before, "after": after} for before, after in changes.reworded],
        "added": list(changes.added),
        "removed": list(changes.removed),
    }


def held(value: Held) -> dict[str, Any]:
    """A body that is held, and why."""
    return {
        "sha256": value.sha256,
        "reason": value.reason,
        "size": value.size,
        "received_at": moment(value.received_at),
        "path": f"payloads/held/{value.sha256}.json",
    }
