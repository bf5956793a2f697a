"""An archived event without the secrets in it, for whoever must not keep them even there."""

from __future__ import annotations

import json
from typing import Any

from elaaoms.redact import Policy, redact, redact_turns
from elaaoms.webhooks import parse_event, parse_json


def without_secrets(body: bytes, policy: Policy) -> bytes:
    """The event with every text redacted, the transcript as one conversation; the same bytes if there is no secret.

    Unreadable for a body that is not an event.
    """
    talk = parse_event(body).conversation
    raw = parse_json(body, unique_keys=False)
    turns = raw["data"].get("transcript") or []
    redacted = redact_turns(talk.turns, policy)[0] if talk is not None else ()
    for turn, before, after in zip(turns, talk.turns if talk else (), redacted, strict=False):
        if before.text != after.text:
            turn["message"] = after.text
            turn.pop("multivoice_message", None)
            turn.pop("original_message", None)
    clean = _walk(raw, policy)
    return (
        body
        if clean == parse_json(body, unique_keys=False)
        else json.dumps(clean, ensure_ascii=False).encode()
    )


def _walk(node: Any, policy: Policy) -> Any:
    if isinstance(node, str):
        return redact(node, policy)
    if isinstance(node, list):
        return [_walk(entry, policy) for entry in node]
    if isinstance(node, dict):
        return {key: _walk(value, policy) for key, value in node.items()}
    return node
