"""What language models cost: every answer in the ledger, and a limit a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

from elaaoms.calls import CallStore, Charge, Spending
from elaaoms.database import Database
from elaaoms.errors import ProviderBlocked
from elaaoms.llm import Answer, Message, Spent
from elaaoms.llm.chain import Chain

DAY_S = 86400.0
NAME = "llm.daily_budget_usd"


class Meter(Protocol):
    """Whoever is asked before a paid request and told of every paid answer."""

    async def check(self) -> None:
        """ProviderBlocked when nothing more may be spent."""
        ...

    async def charge(self, conversation_id: str, *answers: Spent) -> None:
        """Note answers that were paid for, whatever they were good for."""
        ...


async def asked(
    model: Chain,
    messages: Sequence[Message],
    *,
    schema: Mapping[str, Any],
    schema_name: str,
    meter: Meter,
    conversation_id: str,
) -> Answer:
    """Ask a model for what the budget allows; what was answered on the way is charged, however it ends."""
    await meter.check()
    spent: list[Spent] = []
    try:
        return await model.complete(messages, schema=schema, schema_name=schema_name, paid=spent.append)
    finally:  # also when it is cancelled
        await meter.charge(conversation_id, *spent)


class Tally:
    """A meter that adds up what one piece of work costs, in US dollars, and tells the ledger if there is one."""

    def __init__(self, ledger: Meter | None = None) -> None:
        self._ledger = ledger
        self.usd = 0.0

    async def check(self) -> None:
        if self._ledger is not None:
            await self._ledger.check()

    async def charge(self, conversation_id: str, *answers: Spent) -> None:
        self.usd += sum(answer.cost_usd for answer in answers)
        if self._ledger is not None:
            await self._ledger.charge(conversation_id, *answers)


@frozen(kw_only=True)
class Today:
    """Where the day stands, in US dollars; `left_usd` is None without a limit, `paused` a sentence once nothing is
    left."""

    spent_usd: float
    daily_budget_usd: float
    left_usd: float | None
    paused: str | None


class Budget:
    """The ledger of one installation; `daily_usd` 0 is no limit. Days are UTC's."""

    def __init__(
        self, database: Database, calls: CallStore, *, daily_usd: float, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._calls = calls
        self._clock = clock
        self.daily_usd = daily_usd

    async def today(self) -> Today:
        """What the day has cost so far and what may still be spent."""
        spent, limit = await self._calls.spent(since=self._midnight()), self.daily_usd
        paused = None
        if limit and spent >= limit:
            paused = (
                f"{spent:.2f} of {limit:.2f} US dollars are spent today ({NAME}): calls are taken and wait for "
                "midnight UTC, or for a higher limit"
            )
        return Today(
            spent_usd=spent,
            daily_budget_usd=limit,
            left_usd=max(0.0, limit - spent) if limit else None,
            paused=paused,
        )

    async def usage(self, *, days: int) -> list[Spending]:
        """The ledger of the last `days` days, today included, by day, provider and model; the newest first."""
        return await self._calls.usage(since=self._midnight() - (days - 1) * DAY_S)

    async def check(self) -> None:
        """ProviderBlocked once the day's budget is used up: jobs wait, nothing is lost."""
        if self.daily_usd and (paused := (await self.today()).paused):
            raise ProviderBlocked(NAME, paused)

    async def charge(self, conversation_id: str, *answers: Spent) -> None:
        """Note answers that were paid for, before anything is made of them.

        Each stands in the ledger by itself, not with the call's result: a call that is read again after a
        crash is paid for again, and the ledger says so.
        """
        if not answers:
            return
        now = self._clock()
        charges = [
            Charge(
                at=now,
                conversation_id=conversation_id,
                provider=answer.provider,
                model=answer.model,
                input_tokens=answer.usage.input_tokens,
                cached_tokens=answer.usage.cached_tokens,
                output_tokens=answer.usage.output_tokens,
                usd=answer.cost_usd,
            )
            for answer in answers
        ]
        await self._database.write(lambda tx: self._calls.charge(tx, charges))

    def _midnight(self) -> float:
        return self._clock() // DAY_S * DAY_S
