"""Telling the operator by a signed webhook what needs a person: once, again after a quiet time, and when it is over."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import aiohttp
from attrs import evolve, frozen

from elaaoms.database import Database, Row
from elaaoms.errors import ElaaomsError
from elaaoms.views import moment
from elaaoms.webhooks import sign

SIGNATURE = "X-Elaaoms-Signature"
TIMEOUT_S = 10.0

# What is wrong now in a sentence without personal data, or None; `now` is unix seconds.
Condition: TypeAlias = Callable[[float], Awaitable[str | None]]

log = logging.getLogger("elaaoms.alerts")


@frozen(kw_only=True)
class Alarm:
    """Where one kind of alert stands; the columns of its row."""

    kind: str
    text: str = ""
    since: float | None = None
    told_at: float | None = None
    announced: bool = False


@frozen
class Hours:
    """When calls are expected: weekdays (0 is Monday), from and until a minute of the day, in a time zone."""

    days: frozenset[int]
    opens: int
    closes: int
    zone: ZoneInfo

    def open_for_s(self, now: float) -> float:
        """For how many seconds they have lasted; 0 outside of them."""
        local = datetime.fromtimestamp(now, self.zone)
        minute = local.hour * 60 + local.minute
        if local.weekday() not in self.days or not self.opens <= minute < self.closes:
            return 0.0
        return (minute - self.opens) * 60.0 + local.second


class Alerts:
    """Looks at the conditions and tells of changes; what was told stands in the database and survives a restart."""

    def __init__(
        self,
        database: Database,
        conditions: Mapping[str, Condition],
        *,
        url: str,
        secret: str,
        quiet_s: float,
        installation: str,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._conditions = dict(conditions)
        self._url = url
        self._secret = secret
        self._quiet_s = quiet_s
        self._installation = installation
        self._clock = clock

    def add(self, kind: str, condition: Condition) -> None:
        """Look at one more condition from now on, like an outbox that is late."""
        self._conditions[kind] = condition

    async def look(self) -> None:
        """Tell what began and what is over; what could not be told is told at the next look."""
        rows = await self._database.fetch("SELECT * FROM alerts")
        known = {row["kind"]: _alarm(row) for row in rows}
        for kind, condition in self._conditions.items():
            before = known.get(kind, Alarm(kind=kind))
            try:
                text = await condition(self._clock())
                if (
                    text is None
                    and isinstance(condition, Silence)
                    and not await condition.over(self._clock())
                ):
                    continue  # nobody expects a call now, and none has come
            except ElaaomsError as error:
                log.warning("it cannot be told whether %s holds: %s", kind, error)
                continue
            after = await self._followed(before, text)
            if after != before:
                await self._keep(after)

    async def _followed(self, alarm: Alarm, text: str | None) -> Alarm:
        """The alarm after a look, with whoever is to know told."""
        now = self._clock()
        if text is None:
            if alarm.announced and not await self._told("recovery", alarm, now):
                return alarm
            return evolve(alarm, since=None, announced=False)
        alarm = evolve(alarm, text=text, since=now if alarm.since is None else alarm.since)
        if alarm.told_at is not None and 0 <= now - alarm.told_at < self._quiet_s:  # a clock may be set back
            return alarm
        if await self._told("alert", alarm, now):
            alarm = evolve(alarm, told_at=now, announced=True)
        return alarm

    async def _told(self, word: str, alarm: Alarm, now: float) -> bool:
        text = alarm.text if word == "alert" else f"over: {alarm.text}"
        message = {
            "type": word,
            "kind": alarm.kind,
            "text": f"elaaoms ({self._installation}): {text}",  # what Slack and its like show
            "since": moment(alarm.since),
            "at": moment(now),
            "installation": self._installation,
        }
        body = json.dumps(message).encode()
        headers = {"Content-Type": "application/json", SIGNATURE: sign(self._secret, body, now=now)}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            log.warning("an alert (%s) could not be sent: %s", alarm.kind, type(error).__name__)
            return False
        if not 200 <= status < 300:
            log.warning("an alert (%s) was answered %d", alarm.kind, status)
            return False
        log.info("%s %s: %s", word, alarm.kind, text)
        return True

    async def _keep(self, alarm: Alarm) -> None:
        await self._database.write(
            lambda tx: (
                tx.execute(
                    "INSERT INTO alerts (kind, text, since, told_at, announced) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (kind) DO UPDATE SET text = excluded.text, since = excluded.since,"
                    " told_at = excluded.told_at, announced = excluded.announced",
                    (alarm.kind, alarm.text, alarm.since, alarm.told_at, alarm.announced),
                ).rowcount
            )
        )


def _alarm(row: Row) -> Alarm:
    return Alarm(
        kind=row["kind"],
        text=row["text"],
        since=row["since"],
        told_at=row["told_at"],
        announced=bool(row["announced"]),
    )


# -- conditions -------------------------------------------------------------------------


def above(what: str, read: Callable[[], Awaitable[float]], limit: float) -> Condition:
    """Whether a number is larger than it may be; `what` is a sentence with a place for it, like `{:.0f} s late`."""

    async def condition(_: float) -> str | None:
        value = await read()
        return what.format(value) if value > limit else None

    return condition


def below(what: str, read: Callable[[], Awaitable[float]], limit: float) -> Condition:
    """Whether a number is smaller than it may be."""

    async def condition(_: float) -> str | None:
        value = await read()
        return what.format(value) if value < limit else None

    return condition


def named(what: str, read: Callable[[], Mapping[str, str]]) -> Condition:
    """Whether anything stands in a mapping of names to reasons."""

    async def condition(_: float) -> str | None:
        found = read()
        return what.format(", ".join(sorted(found)), "; ".join(found.values())) if found else None

    return condition


@frozen(kw_only=True)
class Silence:
    """Whether nothing has arrived for too long of the hours in which calls are expected.

    An installation that has never been called is not silent. Silence is over when something arrives, not when
    the hours are.
    """

    newest: Callable[[], Awaitable[float | None]]
    after_s: float
    hours: Hours

    async def __call__(self, now: float) -> str | None:
        if self.hours.open_for_s(now) < self.after_s or await self.over(now):
            return None
        at = await self.newest() or now
        when = datetime.fromtimestamp(at, UTC)
        return f"no webhook has arrived since {when:%Y-%m-%d %H:%M} UTC; ElevenLabs may have disabled it"

    async def over(self, now: float) -> bool:
        """Whether something has arrived lately."""
        at = await self.newest()
        return at is None or now - at < self.after_s


def silent(newest: Callable[[], Awaitable[float | None]], *, after_s: float, hours: Hours) -> Silence:
    """Whether nothing has arrived for too long of the hours in which calls are expected."""
    return Silence(newest=newest, after_s=after_s, hours=hours)


def disabled(
    webhooks: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]], *, public_url: str, every_s: float = 600.0
) -> Condition:
    """Whether ElevenLabs has switched a webhook off that leads here; it is asked every ten minutes."""
    asked_at, found = -inf, None

    async def condition(now: float) -> str | None:
        nonlocal asked_at, found
        if now - asked_at < every_s:
            return found
        ours = [
            one for one in await webhooks() if str(one.get("webhook_url", "")).startswith(f"{public_url}/")
        ]
        off = [one for one in ours if one.get("is_auto_disabled") or one.get("is_disabled")]
        sentence = (
            "ElevenLabs has switched the webhook {} off; `elaaoms check --live --agent ID --fix` mends it"
        )
        asked_at, found = now, sentence.format(off[0].get("name", "")) if off else None
        return found

    return condition
