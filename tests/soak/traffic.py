"""What ElevenLabs sends: calls that end, the same again, newer bodies, and questions in between."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque

import aiohttp
from attrs import define, evolve, field

from elaaoms.webhooks import AUDIO
from tests.conftest import OUR_NUMBER, Answer, Platform
from tests.soak.ledger import Body, Ledger

CALLERS = 40
GONE = (aiohttp.ClientError, TimeoutError, ConnectionError)


@define
class Traffic:
    """Several senders before a daemon that comes and goes; `platform` is None while it is away."""

    ledger: Ledger
    chance: random.Random
    platform: Platform | None = None
    questions: int = 0
    _made: int = 0
    _recent: deque[Body] = field(factory=lambda: deque(maxlen=60))

    async def sender(self, number: int) -> None:
        """Send one thing after the other, for ever; what fails is forgotten, or sent again later."""
        while True:
            platform = self.platform
            if platform is None:
                await asyncio.sleep(0.005)
                continue
            try:
                async with asyncio.timeout(20):
                    await self._one(platform, number)
            except GONE:
                await asyncio.sleep(0.005)

    async def _one(self, platform: Platform, number: int) -> None:
        kind = self.chance.random()
        if kind < 0.45 or not self._recent:
            await self._post(platform, self._new(number))
        elif kind < 0.55:
            await self._post(platform, self._again())
        elif kind < 0.65:
            await self._post(platform, self._newer())
        elif kind < 0.75:
            body = self._new(number) if self.chance.random() < 0.5 else self._again()
            await asyncio.gather(*(self._post(platform, body) for _ in range(self.chance.randrange(2, 5))))
        elif kind < 0.80:
            recorded = evolve(self._again(), type=AUDIO, order="", version=0)
            await self._post(platform, recorded)
        elif kind < 0.90:
            self._complete(await platform.initiation(self._number()), "dynamic_variables")
        else:
            self._complete(await platform.search("Has my order arrived?", self._number()), "result")

    def _number(self) -> str:
        return f"+1202555{100 + self.chance.randrange(CALLERS):04d}".replace(OUR_NUMBER, "+12025550199")

    def _order(self) -> str:
        self._made += 1
        return f"QX-{10_000_000 + self._made}"

    def _new(self, sender: int) -> Body:
        order = self._order()
        body = Body(
            conversation_id=f"conv_{sender}_{order[3:]}",
            number=self._number(),
            order=order,
            allergic=self.chance.random() < 0.5,
            began=int(time.time()) - self.chance.randrange(600),
        )
        self._recent.append(body)
        return body

    def _newer(self) -> Body:
        order = self._order()
        version = 1 + self._made * 7919 % 100_003  # none twice, and in no order
        return evolve(self._again(), version=version, order=order, allergic=self.chance.random() < 0.5)

    def _again(self) -> Body:
        return self.chance.choice(self._recent)

    async def _post(self, platform: Platform, body: Body) -> None:
        digest = self.ledger.send(body)
        answer = await platform.send(body.raw())
        if answer.status == 200:
            self.ledger.acknowledge(digest)
        elif answer.status != 503:
            self.ledger.refused.append(f"{body.conversation_id} was answered {answer.status}")

    def _complete(self, answer: Answer, wanted: str) -> None:
        if answer.status != 200 or wanted not in answer.json:
            self.ledger.refused.append(f"a question was answered {answer.status} {answer.body[:80]!r}")
        self.questions += 1
