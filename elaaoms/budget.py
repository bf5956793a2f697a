"""What language models cost: every answer in the ledger, and a limit a day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from elaaoms.calls import CallStore, Charge
from elaaoms.database import Database
from elaaoms.errors import ProviderBlocked
from elaaoms.llm import Answer

DAY_S = 86400.0
NAME = "llm.daily_budget_usd"


class Meter(Protocol):
    """Whoever is asked before a paid request and told of every paid answer."""

    async def check(self) -> None:
        """ProviderBlocked when nothing more may be spent."""
        ...

    async def charge(self, conversation_id: str, answer: Answer) -> None:
        """Note an answer that was paid for."""
        ...


class Tally:
    """A meter that adds up what one piece of work costs, in US dollars, and tells the ledger if there is one."""

    def __init__(self, ledger: Meter | None = None) -> None:
        self._ledger = ledger
        self.usd = 0.0

    async def check(self) -> None:
        if self._ledger is not None:
            await self._ledger.check()

    async def charge(self, conversation_id: str, answer: Answer) -> None:
        self.usd += answer.cost_usd
        if self._ledger is not None:
            await self._ledger.charge(conversation_id, answer)


class Budget:
    """The ledger of one installation; `daily_usd` 0 is no limit. Days are UTC's."""

    def __init__(
        self, database: Database, calls: CallStore, *, daily_usd: float, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._calls = calls
        self._clock = clock
        self.daily_usd = daily_usd

    async def spent_today(self) -> float:
        """US dollars since midnight UTC."""
        return await self._calls.spent(since=self._clock() // DAY_S * DAY_S)

    async def check(self) -> None:
        """ProviderBlocked once the day's budget is used up: jobs wait, nothing is lost."""
        if self.daily_usd and (spent := await self.spent_today()) >= self.daily_usd:
            raise ProviderBlocked(NAME, f"{spent:.2f} of {self.daily_usd:.2f} US dollars are spent today")

    async def charge(self, conversation_id: str, answer: Answer) -> None:
        """Note an answer that was paid for, before anything is made of it."""
        charge = Charge(
            at=self._clock(),
            conversation_id=conversation_id,
            provider=answer.provider,
            model=answer.model,
            input_tokens=answer.usage.input_tokens,
            cached_tokens=answer.usage.cached_tokens,
            output_tokens=answer.usage.output_tokens,
            usd=answer.cost_usd,
        )
        await self._database.write(lambda tx: self._calls.charge(tx, charge))
