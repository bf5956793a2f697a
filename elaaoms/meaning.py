"""Meaning from an embedding endpoint: vectors of memories made after the call, questions compared within a deadline.

Nobody on the phone waits for it: the built-in order stands, and the endpoint's cosines take the place of
the table's only when they are there in time. Every model spreads its cosines otherwise, so each is fitted
once on pairs of our own: what it says of related and of unrelated texts is drawn to what the table says of
them, and the calibrated relevance holds for both.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from attrs import frozen

from elaaoms import redact
from elaaoms.breaker import Breaker
from elaaoms.embed import Embedder, Encoder, Vector
from elaaoms.embed.vectors import Fitted, Text, Vectors
from elaaoms.errors import ElaaomsError, ProviderBlocked, ServiceRejected, ServiceUnavailable
from elaaoms.jobs import Done, Job, Outcome, Postponed

TEXTS = 64  # in one request
LEAST_CONTRAST = 0.02  # between related and unrelated texts; below it a model tells nothing
ANCHORS = Path(__file__).parent / "embed" / "data" / "anchors.json"

log = logging.getLogger("elaaoms.meaning")


@frozen(kw_only=True)
class Standing:
    """How far it is: `owed` of `total` active memories have no vector of the model yet."""

    model: str
    total: int
    owed: int


class Meaning:
    """An embedding endpoint and the vectors it made. `live_timeout_s` is what a question may take."""

    def __init__(
        self,
        embedder: Embedder,
        vectors: Vectors,
        table: Encoder,
        *,
        privacy: redact.Policy,
        live_timeout_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._embedder = embedder
        self._vectors = vectors
        self._table = table
        self._privacy = privacy
        self._live_timeout_s = live_timeout_s
        self._clock = clock
        self._live = Breaker(embedder.name, clock)
        self._trouble: str | None = None

    # -- during a call --------------------------------------------------------------------------

    async def likeness(self, owner: str, question: str) -> Mapping[str, float] | None:
        """How close each of an owner's memories is to a question, as the table would put it; memories without
        a vector are not there. None when the endpoint is late, down, wrong or left alone."""
        probe = self._live.reason is not None
        if not self._live.admits():
            return None
        try:
            async with asyncio.timeout(self._live_timeout_s):
                found = await self._likeness(owner, question)
        except TimeoutError:
            late = f"{self._embedder.name} did not answer within {self._live_timeout_s * 1000:.0f} ms"
            self._live.failed(ServiceUnavailable(late), probe=probe)
            return None
        except ServiceUnavailable as error:
            self._live.failed(error, probe=probe)
            return None
        except ProviderBlocked as error:
            self._live.refused(error)
            return None
        except ServiceRejected as error:
            log.info("a question was refused: %s", error)
            return None
        except ElaaomsError as error:  # the database; the search itself will say so
            log.info("vectors cannot be read now: %s", error)
            return None
        finally:
            if probe:
                self._live.left()
        if found is not None:
            self._live.answered()
        return found

    async def _likeness(self, owner: str, question: str) -> Mapping[str, float] | None:
        fitted = await self._vectors.fitted(self._embedder.model)
        if fitted is None:
            return None
        ids, matrix = await self._vectors.of_owner(owner, fitted)
        if not ids:
            return None
        (asked,) = await self._embedder.embed([self._harmless(question)])
        _check(asked, fitted)
        cosines = fitted.slope * (matrix @ asked) + fitted.shift
        return dict(zip(ids, np.clip(cosines, -1, 1).tolist(), strict=True))

    # -- after it -------------------------------------------------------------------------------

    async def embed(self, job: Job) -> Outcome:
        """Make the vectors that one owner's memories lack."""
        owner, model = job.unique_key, self._embedder.model
        if owner is None:
            raise ValueError("a job of this kind says whose memories it is about")
        try:
            while texts := await self._vectors.owed(model, owner, limit=TEXTS):
                if not await self._make(texts):
                    break
        except (ServiceUnavailable, ServiceRejected, ProviderBlocked) as error:
            self._trouble = str(error)
            return Postponed(str(error), getattr(error, "retry_after", None))
        self._trouble = None
        return Done(lambda tx: self._vectors.enqueue(tx, owner, model, now=self._clock()))

    async def reembed(self, *, for_s: float, anew: bool = False) -> Standing:
        """Make vectors that are missing, for about so many seconds; `anew` drops those of this model first.

        ServiceUnavailable, ServiceRejected, ProviderBlocked.
        """
        if anew:
            await self._vectors.drop(self._embedder.model)
        loop = asyncio.get_running_loop()
        until = loop.time() + for_s
        last = 0
        while found := await self._vectors.owed_after(self._embedder.model, last, limit=TEXTS):
            last = found[-1][0]
            await self._make([text for _, text in found])
            self._trouble = None
            if loop.time() >= until:
                break
        return await self.standing()

    async def standing(self) -> Standing:
        """How far it is, without asking the endpoint."""
        total, owed = await self._vectors.counts(self._embedder.model)
        return Standing(model=self._embedder.model, total=total, owed=owed)

    @property
    def trouble(self) -> str | None:
        """Why no vectors are made, or why none are asked for during calls; None if all is well."""
        return self._trouble or self._live.reason

    async def close(self) -> None:
        """Let the connections go."""
        await self._embedder.close()

    async def _make(self, texts: Sequence[Text]) -> bool:
        """Embed and store; whether anything was stored, which changes that came meanwhile prevent."""
        fitted = await self._vectors.fitted(self._embedder.model) or await self._fit()
        made = await self._embedded([self._harmless(text.content) for text in texts])
        for vector in made:
            if vector is not None:
                _check(vector, fitted)
        return await self._vectors.keep(fitted, list(zip(texts, made, strict=True))) > 0

    async def _embedded(self, texts: Sequence[str]) -> list[Vector | None]:
        """A vector for each text, None for one that is refused also alone."""
        try:
            return list(await self._embedder.embed(texts))
        except ServiceRejected as error:
            if len(texts) == 1:
                log.warning("a memory has no vector: %s", error)
                return [None]
        half = len(texts) // 2
        return [*await self._embedded(texts[:half]), *await self._embedded(texts[half:])]

    async def _fit(self) -> Fitted:
        """Ask the model about our own pairs, which also shows that it takes requests like ours."""
        model = self._embedder.model
        size, slope, shift = await fit(self._embedder, self._table)
        log.info("%s: cosines are read as %.2f c %+.2f", model, slope, shift)
        return await self._vectors.fit(model, size=size, slope=slope, shift=shift)

    def _harmless(self, text: str) -> str:
        """Older memories may hold what the policy forbids today, and so may questions: none of it leaves."""
        return redact.redact(text, self._privacy).strip() or "[removed]"


async def fit(embedder: Embedder, table: Encoder) -> tuple[int, float, float]:
    """How long a model's vectors are, and slope and shift that make its cosines the table's.

    ServiceRejected for a model that does not tell related texts from unrelated ones.
    """
    pairs = json.loads(await asyncio.to_thread(ANCHORS.read_text, "utf-8"))
    questions, answers = ([pair[side] for pair in pairs] for side in ("question", "answer"))
    found = np.stack([*await embedder.embed(questions), *await embedder.embed(answers)])
    theirs = _contrast(found[: len(pairs)], found[len(pairs) :])
    ours = _contrast(*(np.stack([table.encode(text) for text in side]) for side in (questions, answers)))
    if theirs[0] - theirs[1] < LEAST_CONTRAST:
        raise ServiceRejected(f"{embedder.model} does not tell related texts from unrelated ones")
    slope = (ours[0] - ours[1]) / (theirs[0] - theirs[1])
    return found.shape[1], slope, ours[1] - slope * theirs[1]


def _contrast(questions: Vector, answers: Vector) -> tuple[float, float]:
    """The mean cosine of questions with their own answers, and with those of others."""
    cosines = questions @ answers.T
    own = float(np.trace(cosines))
    count = len(cosines)
    return own / count, (float(cosines.sum()) - own) / (count * (count - 1))


def _check(vector: Vector, fitted: Fitted) -> None:
    if len(vector) != fitted.size:
        raise ServiceUnavailable(
            f"the endpoint gives {len(vector)} numbers for a text, not {fitted.size} as before; if that is"
            " another model under the same name, run `elaaoms memories reembed --all`"
        )
