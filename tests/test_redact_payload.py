"""Whoever must not keep secrets even in the archive has them taken out there too."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from conftest import call, started

from elaaoms.config import Config, Privacy
from elaaoms.redact import Policy
from elaaoms.redact.payload import without_secrets
from elaaoms.webhooks import parse_event

CARD = "4111 1111 1111 1111"
FILE = "payloads/conv_test/conv_test_transcription.json"


def body(event: Any) -> bytes:
    return json.dumps(event).encode()


def test_an_event_without_secrets_stays_byte_for_byte() -> None:
    plain = body(call("My order XYZ-789 is late."))
    assert without_secrets(plain, Policy()) is plain


def test_secrets_are_taken_out_of_turns_summaries_and_variables() -> None:
    event = call("My card is", "4111 1111", "1111 1111", "and order 12345678 is late.")
    event["data"]["analysis"] = {"transcript_summary": f"The caller gave card {CARD}."}
    event["data"]["conversation_initiation_client_data"]["dynamic_variables"]["note"] = f"card {CARD}"
    clean = without_secrets(body(event), Policy())
    assert b"1111" not in clean
    assert b"12345678" in clean
    assert parse_event(clean).conversation_id == "conv_test"


async def test_the_archived_transcript_loses_its_secrets_when_its_call_is_processed(config: Config) -> None:
    event = body(call(f"My card number is {CARD}.", "My name is Robin Baker."))
    async with started(evolve(config, privacy=Privacy(redact_payloads=True))) as platform:
        await platform.send(event)
        await platform.processed("conv_test")
        assert CARD.encode() not in platform.files()[FILE]
        again = await platform.send(event)  # the very bytes once more
        assert again.data["duplicate"]
        assert CARD.encode() not in b"".join(platform.files().values())
        assert len(await platform.memories()) == 1


async def test_by_default_the_archive_keeps_what_was_received(config: Config) -> None:
    event = body(call(f"My card number is {CARD}."))
    async with started(config) as platform:
        await platform.send(event)
        await platform.processed("conv_test")
        assert platform.files()[FILE] == event
