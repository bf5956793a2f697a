"""Find the memories that answer a question: the caller's own rare words, meaning, and what was said beside it.

The score of a memory is `(bm25 / upper bound)² + weight · cosine`, with the caller's own idf, plus a share of
what its neighbours in the same call score above the others. Squaring keeps one weak word in common from
outranking a strong likeness in meaning; the upper bound keeps a lone match from looking like a whole answer.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from elaaoms.days import Span, timing, words_of
from elaaoms.embed import Encoder, Scale, Vector
from elaaoms.language import LANGUAGES, UNSURE, digests, language_of, terms, words
from elaaoms.memory import Category, Memory

K1, B = 0.9, 0.25  # BM25 for short texts: retrieval on 5,882 turns gained 2 points over k1 1.2, b 0.75
TYPICAL = (K1 + 1) * 0.55  # what a word is worth in a memory that has it once
BESIDE = 0.3  # of what the memories before and after it in the same call score above the background,
OUTSTANDING = (
    2.0  # which ends at twice the mean: what everything scores a little says nothing of its neighbours
)
RECENT = 0.3  # what being the newest adds where the newest is asked for
KINDRED = 0.8  # what a word of the same meaning is worth beside the word itself
SAYS_ALL, OWN_WORDS = 0.9, 0.8  # of what is asked for; relevance of a memory that says that much of it
UNRELATED, LEAST = (
    0.08,
    0.02,
)  # what a memory scores that has nothing to do with a question, and hardly any less
IMPORTANCE = 0.02  # what the highest importance adds; it decides between equals

# What a question asks for, in the words that memories use.
_ASKS_FOR = {
    "address": ("live", "address"),
    "email": ("e-mail",),
    "mail": ("e-mail",),
    "deliveri": ("order",),
    "problem": ("issu",),
    "complaint": ("issu", "problem"),
    "complain": ("issu", "problem"),
    "issu": ("problem",),
    "allergi": ("allerg",),
    "like": ("prefer", "favourit"),
    "prefer": ("like",),
    "kid": ("daughter", "son", "child"),
    "children": ("daughter", "son", "child"),
    "child": ("daughter", "son"),
    "famili": ("daughter", "son", "wife", "husband", "partner", "mother", "father"),
    "phone": ("telephon", "number"),
    "appoint": ("book",),
    "book": ("appoint",),
    "mood": ("feel", "felt"),
}
# Words that ask without saying for what, as stems: they count where the caller used them, and are not missed.
_ASKING = frozenset(
    """status updat inform info detail histori previous previou earlier last latest recent time happen news anyth
    someth everyth custom user call convers current know memori remind mention talk discuss thing stuff
    regard""".split()
)
_WHOM = re.compile(r"\b(?:the\s+)?callers?(?:['’]s)?\b|\bthe\s+(?:customer|user)(?:['’]s)?\b", re.IGNORECASE)
_CATEGORY_WORDS = {
    Category.FACTUAL: "",
    Category.PREFERENCE: "preference",
    Category.ISSUE: "problem",
    Category.EMOTIONAL: "mood",
    Category.RELATIONAL: "",
}
_CATEGORIES = tuple(Category)

_Numbers = NDArray[np.uint32]
_Places = NDArray[np.int64]


@frozen
class Ranked:
    """A memory with its relevance, 0 to 1; 0.7 is where a memory answers the question."""

    memory: Memory
    relevance: float


@frozen
class Hit:
    """The id of a memory with its relevance, 0 to 1."""

    id: str
    relevance: float


# -- a memory as it is stored to be found -------------------------------------------------------


def _head(size: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("version", "<u2"), ("terms", "<u2"), ("agents", "u1"), ("shared", "u1"), ("importance", "u1"),
            ("language", "u1"), ("category", "u1"), ("day", "<i4"), ("turn", "<i4"), ("call", "<u4"),
            ("first", "<f8"), ("last", "<f8"), ("scale", "<f4"), ("vector", "i1", (size,)),
        ]
    )  # fmt: skip


def _meant(text: str) -> str:
    """A text without the words that say whom all memories are about: they would make every two alike."""
    return _WHOM.sub(" ", text) if _WHOM.sub("", text).strip(" ?.!") else text


def day_of(memory: Memory) -> date:
    """The day a memory is about: the event's, else that on which it was last heard."""
    return memory.event_date or datetime.fromtimestamp(memory.last_heard, UTC).date()


def entry(memory: Memory, encoder: Encoder) -> bytes:
    """What ranking needs of a memory, so that a caller's memories are ready without reading their texts."""
    code = language_of(memory.content)
    found = terms(memory.content, code)
    quoted = set(terms(memory.source_quote, code)) - set(found)
    found += [*sorted(quoted), *terms(words_of(day_of(memory), code), code)]
    found += terms(f"{memory.slot.replace(':', ' ')} {_CATEGORY_WORDS[memory.category]}", "en")
    vector = (
        encoder.encode(_meant(memory.content))
        if code in encoder.languages
        else np.zeros(encoder.size, np.float32)
    )
    scale = float(np.abs(vector).max()) / 127
    head = np.zeros(1, _head(encoder.size))
    numbers = digests(found)[:2000]
    agents = [zlib.crc32(agent.encode()) for agent in memory.heard_by[:255]]
    head[0] = (
        encoder.version, len(numbers), len(agents), memory.agent_id is None, memory.importance,
        LANGUAGES.index(code) if code in LANGUAGES else 255, _CATEGORIES.index(memory.category),
        day_of(memory).toordinal(), memory.turn, zlib.crc32((memory.conversation_id or "").encode()),
        memory.first_heard, memory.last_heard, scale, np.round(vector / (scale or 1.0)).astype(np.int8),
    )  # fmt: skip
    return head.tobytes() + np.array(agents + numbers, "<u4").tobytes()


def is_current(stored: bytes, encoder: Encoder) -> bool:
    """Whether an entry was made by this version of the encoder."""
    return len(stored) > 2 and int.from_bytes(stored[:2], "little") == encoder.version


@frozen(eq=False)
class Scored:
    """What every memory scores for a question, how close the closest is in meaning, and how much of what is asked
    each one says in the question's own words (0 to 1)."""

    scores: Vector
    closest: float
    scale: Scale
    share: Vector


# -- a caller's memories, ready to be searched ----------------------------------------------------


@frozen(eq=False)
class Index:
    """A caller's active memories. Nothing in it changes; `nbytes` is about what it takes in memory."""

    ids: tuple[str, ...]
    nbytes: int
    _encoder: Encoder
    _category: NDArray[np.uint8]
    _day: NDArray[np.int32]
    _prior: Vector
    _tie: _Places
    _age: Vector
    _pairs: _Places
    _languages: tuple[str, ...]
    _matrix: Vector
    _vocabulary: _Numbers
    _starts: _Places
    _rows: _Places
    _impact: Vector
    _shared: NDArray[np.bool_]
    _heard: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, entries: Iterable[tuple[str, bytes]], encoder: Encoder) -> Index:
        """The index of entries as `entry` makes them, in any order."""
        given = sorted(entries)
        kind = _head(encoder.size)
        heads = np.frombuffer(b"".join(stored[: kind.itemsize] for _, stored in given), kind)
        order = np.lexsort((heads["turn"], heads["call"], heads["first"]))
        given = [given[place] for place in order]
        heads = heads[order]
        tails = np.frombuffer(b"".join(stored[kind.itemsize :] for _, stored in given), "<u4")
        ends = np.cumsum(heads["agents"].astype(np.int64) + heads["terms"])
        starts = np.r_[0, ends][:-1] + heads["agents"]
        lengths = heads["terms"].astype(np.int64)
        heard = tuple(
            tuple(tails[start - count : start].tolist())
            for start, count in zip(starts.tolist(), heads["agents"].tolist(), strict=True)
        )
        rows = np.repeat(np.arange(len(given)), lengths)
        inside = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        vocabulary, where, frequency, places = _postings(tails[np.repeat(starts, lengths) + inside], rows)
        mean = float(lengths.mean()) if given and lengths.sum() else 1.0
        norm = K1 * (1 - B + B * lengths[places] / mean)
        calls = heads["call"]
        pairs = np.flatnonzero((calls[1:] == calls[:-1]) & (calls[1:] != 0))
        codes = [LANGUAGES[number] if number < len(LANGUAGES) else UNSURE for number in heads["language"]]
        common = sorted(set(codes) - {UNSURE}, key=lambda code: (-codes.count(code), code))
        newest = np.lexsort((heads["last"], heads["day"]))
        age = np.empty(len(given), np.float32)
        age[newest] = np.linspace(0, 1, len(given), dtype=np.float32)
        tie = np.empty(len(given), np.int64)
        names = np.argsort(np.array([name for name, _ in given], dtype=object), kind="stable")
        tie[names] = np.arange(len(given))
        tie = np.argsort(np.lexsort((tie, -heads["last"], -heads["importance"].astype(np.int64))))
        matrix = heads["vector"].astype(np.float32) * heads["scale"][:, None]
        impact = (frequency * (K1 + 1) / (frequency + norm)).astype(np.float32)
        held = (matrix, vocabulary, where, places, impact)
        return cls(
            ids=tuple(name for name, _ in given),
            nbytes=sum(array.nbytes for array in held) + 400 * len(given) + 2000,
            encoder=encoder,
            category=heads["category"].copy(),
            day=heads["day"].copy(),
            prior=(IMPORTANCE / 10 * heads["importance"]).astype(np.float32),
            tie=tie,
            age=age,
            pairs=pairs,
            languages=tuple(common[:4]),
            matrix=matrix,
            vocabulary=vocabulary,
            starts=where,
            rows=places,
            impact=impact,
            shared=heads["shared"].astype(bool),
            heard=heard,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def visible(self, agent_id: str) -> NDArray[np.bool_]:
        """Which memories an agent may use: what it was told itself and what is shared."""
        wanted = zlib.crc32(agent_id.encode())
        return np.asarray(
            self._shared | np.fromiter((wanted in told for told in self._heard), bool, len(self.ids))
        )

    def of_category(self, category: Category) -> NDArray[np.bool_]:
        """Which memories are of a category."""
        return np.equal(self._category, _CATEGORIES.index(category))

    def search(
        self,
        question: str,
        *,
        today: date,
        limit: int,
        among: NDArray[np.bool_] | None = None,
        likeness: Mapping[str, float] | None = None,
    ) -> list[Hit]:
        """The memories that answer best, best first; every memory has its place, however little it fits.

        `among` are the ones to choose from; what they are worth is judged beside everything that is known, or the
        nearest of two would seem to answer. `likeness` has cosines that somebody who knows better than the table
        gives memories, by id, as the table would put them.
        """
        if among is not None and not among.any():
            return []
        scored = self.scored(question, today=today, likeness=likeness)
        if scored is None:
            return []
        if among is None:
            best = self._best(scored.scores, limit)
        else:
            best = self._best(np.where(among, scored.scores, -1), min(limit, int(among.sum())))
        relevances = np.maximum(relevance(scored, scored.scores[best]), _in_own_words(scored.share[best]))
        return [
            Hit(self.ids[place], round(float(chance), 3))
            for place, chance in zip(best.tolist(), relevances, strict=True)
        ]

    def scored(
        self,
        question: str,
        *,
        today: date,
        likeness: Mapping[str, float] | None = None,
    ) -> Scored | None:
        """Every memory's score, or None when the question asks for nothing or there is nothing to look at."""
        if not self.ids:
            return None
        asked = timing(question, today)
        code = language_of(asked.rest) or (self._languages[0] if self._languages else UNSURE)
        share, anything = self._share(asked.rest, code, asked.span)
        cosine = self._cosine(asked.rest if asked.rest.strip() else question, code)
        weight, scale = self._encoder.weight, self._encoder.scale
        if likeness:
            told = np.fromiter((likeness.get(name, np.nan) for name in self.ids), np.float32, len(self.ids))
            cosine = np.where(np.isnan(told), 0 if cosine is None else cosine, told).astype(np.float32)
        if cosine is None:
            cosine, scale = np.zeros(len(self.ids), np.float32), self._encoder.lexical
        if not anything and not cosine.any():
            return None
        scores = (share * share + np.float32(weight) * np.maximum(cosine, 0)).astype(np.float32)
        if asked.order:
            scores *= 1 + np.float32(RECENT) * (self._age if asked.order > 0 else 1 - self._age)
        if len(self._pairs):
            beside = np.float32(BESIDE) * np.maximum(scores - np.float32(OUTSTANDING) * scores.mean(), 0)
            scores[self._pairs] += beside[self._pairs + 1]
            scores[self._pairs + 1] += beside[self._pairs]
        scores += self._prior
        return Scored(scores, float(cosine.max()), scale, share)

    def parts(self, question: str) -> tuple[Vector, Vector]:
        """The two halves of every memory's score, to be measured alone: its share of words, and its cosine."""
        code = language_of(question) or (self._languages[0] if self._languages else UNSURE)
        share, _ = self._share(question, code, None)
        cosine = self._cosine(question, code)
        return share, np.zeros(len(self.ids), np.float32) if cosine is None else cosine

    def _share(self, question: str, code: str, span: Span | None) -> tuple[Vector, bool]:
        """BM25 over the best that the question could reach, and whether it asks for anything at all."""
        found = np.zeros(len(self.ids), np.float32)
        ceiling = 0.0
        for group in self._groups(question, code):
            impact = self._impact_of(group)
            count = int(np.count_nonzero(impact)) if impact is not None else 0
            idf = math.log(1 + (len(self.ids) - count + 0.5) / (count + 0.5))
            if impact is None:
                ceiling += 0.0 if group[0] in _ASKING else idf
                continue
            ceiling += idf
            found += np.float32(idf) * impact
        if span is not None:
            within = (self._day >= span.first.toordinal()) & (self._day <= span.last.toordinal())
            if count := int(within.sum()):
                idf = math.log(1 + (len(self.ids) - count + 0.5) / (count + 0.5))
                ceiling += idf
                found += np.float32(idf * TYPICAL) * within
        return (found / np.float32(ceiling * TYPICAL) if ceiling else found), ceiling > 0

    def _groups(self, question: str, code: str) -> list[tuple[str, ...]]:
        """Each word that is asked for with its stems in the languages that the memories are in."""
        groups: dict[str, tuple[str, ...]] = {}
        for word in words(question):
            stems = terms(word, code)
            others = [terms(word, other) for other in self._languages if other != code]
            for place, stem in enumerate(stems):
                alike = [other[place] for other in others if len(other) == len(stems)]
                groups.setdefault(stem, tuple(dict.fromkeys((stem, *alike))))
        return list(groups.values())

    def _impact_of(self, group: tuple[str, ...]) -> Vector | None:
        """How much each memory has of a word, or of one with its meaning; None if none has any."""
        alike = [(stem, 1.0) for stem in group]
        alike += [(other, KINDRED) for other in _ASKS_FOR.get(group[0], ())]
        impact: Vector | None = None
        for number, (_, worth) in zip(digests(stem for stem, _ in alike), alike, strict=True):
            place = int(np.searchsorted(self._vocabulary, number))
            if place == len(self._vocabulary) or self._vocabulary[place] != number:
                continue
            here = slice(int(self._starts[place]), int(self._starts[place + 1]))
            if impact is None:
                impact = np.zeros(len(self.ids), np.float32)
            rows = self._rows[here]
            impact[rows] = np.maximum(impact[rows], np.float32(worth) * self._impact[here])
        return impact

    def _cosine(self, question: str, code: str) -> Vector | None:
        if code not in self._encoder.languages:
            return None
        cosine: Vector = self._matrix @ self._encoder.encode(_meant(question))
        return cosine

    def _best(self, scores: Vector, limit: int) -> _Places:
        if limit < len(scores):
            least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
            chosen = np.flatnonzero(scores >= least)
        else:
            chosen = np.arange(len(scores))
        ordered: _Places = chosen[np.lexsort((self._tie[chosen], -scores[chosen]))][:limit]
        return ordered


def _postings(numbers: _Numbers, rows: _Places) -> tuple[_Numbers, _Places, Vector, _Places]:
    """Terms with the rows that have them: (terms, where each begins, how often, rows)."""
    keys = (numbers.astype(np.uint64) << np.uint64(32)) | rows.astype(np.uint64)
    unique, count = np.unique(keys, return_counts=True)
    of_term = (unique >> np.uint64(32)).astype(np.uint32)
    vocabulary, first = np.unique(of_term, return_index=True)
    where = np.r_[first, len(unique)].astype(np.int64)
    return vocabulary, where, count.astype(np.float32), (unique & np.uint64(0xFFFFFFFF)).astype(np.int64)


def relevance(scored: Scored, scores: Vector) -> Vector:
    """What scores of a question are worth, 0 to 1.

    What stands out does so from three quarters of what was looked at. Three unrelated memories are added
    to that, so that one of a few can stand out as well, but does not by being the only one.
    """
    scale = scored.scale
    top = max(float(scored.scores.max()), 1e-6)
    others = np.append(scored.scores, np.full(3, UNRELATED, np.float32))
    place = len(others) - 1 - max(1, len(others) // 4)
    rest = np.partition(others, place)[place]
    exponent = scale.bias + scale.score * scores + scale.best * scored.closest + scale.share * scores / top
    exponent = exponent + scale.apart * np.log(np.maximum(scores, LEAST) / rest) - math.log(len(others) / 10)
    chances: Vector = (1 / (1 + np.exp(-exponent))).astype(np.float32)
    return chances


def _in_own_words(share: Vector) -> Vector:
    """What it is worth, 0 to 1, to say all that was asked for in the question's own words, however many do."""
    return np.where(share >= SAYS_ALL, OWN_WORDS * np.minimum(share, 1), 0).astype(np.float32)


def rank(
    question: str, memories: Collection[Memory], encoder: Encoder, *, today: date, limit: int
) -> list[Ranked]:
    """The best of some memories for a question, best first."""
    by_id = {memory.id: memory for memory in memories}
    index = Index.of(((memory.id, entry(memory, encoder)) for memory in memories), encoder)
    return [Ranked(by_id[hit.id], hit.relevance) for hit in index.search(question, today=today, limit=limit)]
