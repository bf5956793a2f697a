"""Events of a wanted size, signed and ready to be sent; no two are about the same conversation."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Iterator

from elaaoms.webhooks import AUDIO, sign
from tests.bench.load import request
from tests.conftest import call, varied
from tests.processes import WEBHOOK_SECRET

_NUMBERS = itertools.count()
_ID = "conv_bench_0000000000"
_CALLER = "+12025550199"
_TALK = (
    "I ordered a router three weeks ago and it drops the connection every evening around nine.",
    "My order QX-48213 has not arrived, and the tracking page has said the same thing since Monday.",
    "Could you send me an e-mail about it? I can be reached in the morning.",
    "I restarted it twice already, and I also changed the cable that came with the box.",
    "No, I have not moved; it is the same flat, and my wife works from home on Thursdays.",
    "That would be good, and please note that I am allergic to peanuts, for the hotel.",
)


def template(size: int) -> bytes:
    """A transcription of about `size` bytes, as ElevenLabs sends them."""
    said: list[str] = []
    body = b""
    while len(body) < size:
        said += _TALK[len(said) % len(_TALK) :][: 1 if size < 20_000 else 6]
        body = json.dumps(call(*said, conversation_id=_ID, number=_CALLER)).encode()
    return body


def fresh(model: bytes) -> tuple[str, bytes]:
    """A new conversation with a caller of its own, made from a template: its id and its body."""
    number = next(_NUMBERS)
    conversation = f"conv_bench_{number:010d}"
    caller = f"+1202555{number % 10_000:04d}"
    return conversation, model.replace(_ID.encode(), conversation.encode()).replace(
        _CALLER.encode(), caller.encode()
    )


def events(model: bytes, path: str, count: int) -> list[bytes]:
    """Whole signed requests."""
    now = time.time()
    made = (fresh(model)[1] for _ in range(count))
    return [request(path, body, ElevenLabs_Signature=sign(WEBHOOK_SECRET, body, now=now)) for body in made]


def audio(mb: int) -> Iterator[bytes]:
    """An audio event with `mb` MiB of recording, in pieces."""
    event = varied("audio", conversation_id=f"conv_bench_audio_{next(_NUMBERS)}")
    event["type"] = AUDIO
    event["data"]["full_audio"] = "@"
    before, _, after = json.dumps(event).encode().partition(b"@")
    head, piece = base64.b64encode(b"ID3" * 1024), base64.b64encode(b"\xff\xfb\x90" * (1 << 16))
    yield before + head
    sent = 0
    while sent < mb << 20:
        yield piece
        sent += len(piece)
    yield after
