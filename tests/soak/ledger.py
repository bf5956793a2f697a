"""What was sent, which of it was acknowledged, and what it must have come to."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from attrs import define, field, frozen

from elaaoms.webhooks import AUDIO, TRANSCRIPTION
from tests.conftest import call, varied

ALLERGY = "allergy:peanuts"


@frozen(kw_only=True)
class Body:
    """One event body, made again from its fields whenever it is sent.

    Its caller says something that no other body says (the order), and perhaps something that the
    caller said before (the allergy), so that an effect which is missing or there twice shows.
    """

    conversation_id: str
    number: str
    type: str = TRANSCRIPTION
    order: str = ""
    allergic: bool = False
    began: int  # unix seconds
    version: int = 0  # a later body of the same conversation has a higher one

    @property
    def timestamp(self) -> int:
        """When the event was made."""
        return self.began + 60 + self.version

    @property
    def slots(self) -> frozenset[str]:
        """What the body teaches, as slots of facts."""
        return frozenset({f"order:{self.order}", *([ALLERGY] if self.allergic else [])})

    @property
    def audio(self) -> bytes:
        """The recording in an audio event."""
        return b"ID3" + hashlib.sha512(self.conversation_id.encode()).digest() * 64

    def raw(self) -> bytes:
        """The bytes as they are sent, the same every time."""
        event: dict[str, Any]
        if self.type == AUDIO:
            event = varied("audio", conversation_id=self.conversation_id, at=self.began)
            event["data"]["full_audio"] = base64.b64encode(self.audio).decode()
        else:
            said = [f"My order {self.order} has not arrived."]
            said += ["I am allergic to peanuts."] if self.allergic else []
            event = call(
                *said, conversation_id=self.conversation_id, number=self.number, at=float(self.began)
            )
        event["event_timestamp"] = self.timestamp
        return json.dumps(event).encode()

    @property
    def sha256(self) -> str:
        """The digest under which the archive and the database know the body."""
        return hashlib.sha256(self.raw()).hexdigest()


@define
class Ledger:
    """Every body that was sent, by digest, and the digests of those that were answered 200."""

    sent: dict[str, Body] = field(factory=dict)
    acknowledged: set[str] = field(factory=set)
    answers: int = 0  # 200s to post-call events, repeats included
    refused: list[str] = field(factory=list)  # answers that the contract does not know

    def send(self, body: Body) -> str:
        """Note that a body is about to be sent; its digest."""
        digest = body.sha256
        self.sent[digest] = body
        return digest

    def acknowledge(self, digest: str) -> None:
        """Note that a body was answered 200."""
        self.answers += 1
        self.acknowledged.add(digest)

    def by_conversation(self, digests: set[str]) -> Iterator[Body]:
        """The newest transcription of each conversation among bodies with these digests."""
        found: dict[str, list[Body]] = defaultdict(list)
        for digest in digests & self.sent.keys():
            body = self.sent[digest]
            if body.type == TRANSCRIPTION:
                found[body.conversation_id].append(body)
        for bodies in found.values():
            yield max(bodies, key=lambda body: body.timestamp)
