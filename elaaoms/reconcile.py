"""Decide what new facts do to what is known: nothing is merged that differs in a number, a date, a name or a no.

Likeness only nominates (`same.py` says what vetoes). What is nominated and vetoed is an update: where the caller's
words say that something changed, the old memory ends; where they deny or exclude what is known, both stand,
linked; else, as with another order's number, both stand side by side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import TypeAlias, assert_never

from attrs import evolve, frozen

from elaaoms.memory import Fact, Heard, Memory, Relation, Revision, Status
from elaaoms.same import Similarity, Verdict, Veto, covers, judge, kinship, lexical, likeness, touch, veto
from elaaoms.words import stems

DUPLICATE_THRESHOLD = 0.85  # likeness that nominates two texts as the same
UPDATE_MARGIN = 0.1  # how much less alike what was changed or denied may be
SHARE_IMPORTANCE = 8  # from here on every agent may know

# Attributes that do not change by themselves: a different value, said without a word of change,
# contradicts the old one. For all others the newest value holds.
_STABLE = frozenset(
    {
        "name",
        "birth_date",
        "account",
        "policy",
        "customer_number",
        "membership",
        "allergy",
        "likes",
        "customer_since",
    }
)
_CONTACT, _NO_CONTACT = "contact", "no_contact:"
_MENTIONED = "mentioned"  # the value of an order that was only spoken about


# Vetoes that leave open what both texts are about: one of its values changed, or it is denied or excluded.
_OPPOSING = frozenset({Veto.NEGATION, Veto.OPPOSITE})
_CHANGED = _OPPOSING | {Veto.VALUE, Veto.NAME, Veto.CONTRAST}


@frozen
class Add:
    """Nothing like it is known."""


@frozen
class Reinforce:
    """It is known already; with `refine` the new words say more and take the place of the old."""

    memory: Memory
    refine: bool = False


@frozen
class Supersede:
    """The caller changed it: the old memories end where the new one begins, which may be `known` already."""

    memories: tuple[Memory, ...]
    known: Memory | None = None


@frozen
class Conflict:
    """Both cannot be true, and nothing says which one is: both stand, linked."""

    memory: Memory


Decision: TypeAlias = Add | Reinforce | Supersede | Conflict


class _Relation(StrEnum):
    SAME = "same"
    MORE = "more"  # the new value says more
    LESS = "less"  # the new value says less
    OTHER = "other"


@frozen(kw_only=True)
class Policy:
    """The two numbers an operator may set ([memory] in elaaoms.toml), and what tells how alike two texts are."""

    duplicate_threshold: float = DUPLICATE_THRESHOLD
    share_importance: int = SHARE_IMPORTANCE
    similarity: Similarity = lexical


def _candidates(heard: Heard, memories: Iterable[Memory]) -> list[Memory]:
    """The active memories that a fact may touch; whoever runs elaaoms says which one, if any."""
    if heard.source == "operator":
        return [memory for memory in memories if memory.id == heard.fact.relates_to]
    return [memory for memory in memories if memory.status is Status.ACTIVE and _touches(heard.fact, memory)]


def _touches(fact: Fact, memory: Memory) -> bool:
    """Whether they speak of the same attribute, or of a channel that is wanted here and refused there."""
    return (
        memory.id == fact.relates_to
        or memory.slot == fact.slot
        or (fact.slot == _CONTACT and memory.slot == f"{_NO_CONTACT}{fact.value}")
        or (memory.slot == _CONTACT and fact.slot == f"{_NO_CONTACT}{memory.value}")
    )


def decide(heard: Heard, known: Sequence[Memory], policy: Policy) -> Decision:
    """What one fact does to the active memories of its slot (or to those without one)."""
    if heard.source == "operator":  # it is kept as it was said
        return Supersede(tuple(known)) if known else Add()
    fact = heard.fact
    related = next((memory for memory in known if memory.id == fact.relates_to), None)
    if related is not None:
        return _by_relation(fact, related)
    if fact.slot:
        return _by_slot(heard, known)
    return _by_text(fact, [memory for memory in known if not memory.slot], policy)


def _by_relation(fact: Fact, related: Memory) -> Decision:
    """What a model's word for a pair is worth: that they are the same, it must not say against a number, a date,
    a name or a no; that one ends the other, only where both speak of the same kind of thing in common words."""
    kindred = fact.category == related.category and not set(stems(fact.content)).isdisjoint(
        stems(related.content)
    )
    match fact.relation:
        case Relation.REPLACES if kindred:
            return Supersede((related,))
        case Relation.CONTRADICTS if kindred:
            return Conflict(related)
        case Relation.REFINES if covers(fact.content, related.content):
            return Reinforce(related, refine=True)
        case Relation.SAME | Relation.REFINES:
            stands_against = veto(related.content, fact.content)
            if stands_against is None:
                return Reinforce(related)
            opposed = fact.relation is Relation.SAME and stands_against in _OPPOSING
            return Conflict(related) if opposed else Add()
        case _:
            return Add()


def _by_slot(heard: Heard, holders: Sequence[Memory]) -> Decision:
    fact = heard.fact
    if not holders:
        return Add()
    for memory in reversed(holders):
        match _relation(memory.value, fact.value) if memory.slot == fact.slot else _Relation.OTHER:
            case _Relation.SAME | _Relation.LESS:
                others = tuple(other for other in holders if other.id != memory.id)
                return Supersede(others, memory) if fact.changes and others else Reinforce(memory)
            case _Relation.MORE:
                return Reinforce(memory, refine=True)
            case _Relation.OTHER:
                continue
    stable = fact.slot.partition(":")[0] in _STABLE
    unordered = any(memory.conversation_id == heard.conversation_id for memory in holders)
    if not fact.changes and (stable or unordered):
        return Conflict(holders[-1])
    return Supersede(tuple(holders))


def _relation(old: str, new: str) -> _Relation:
    if old == new:
        return _Relation.SAME
    if new == _MENTIONED:
        return _Relation.LESS
    if old == _MENTIONED:
        return _Relation.MORE
    old_words, new_words = old.split(), new.split()
    if new_words[: len(old_words)] == old_words:
        return _Relation.MORE
    if old_words[: len(new_words)] == new_words:
        return _Relation.LESS
    return _Relation.OTHER


def _by_text(fact: Fact, candidates: Sequence[Memory], policy: Policy) -> Decision:
    near = [entry for entry in _alike(fact, candidates, policy) if entry.verdict.about]
    same = [
        entry for entry in near if entry.verdict.veto is None and entry.likeness >= policy.duplicate_threshold
    ]
    denied = [entry for entry in near if entry.verdict.veto in _OPPOSING]
    changed = [entry for entry in near if entry.verdict.veto in _CHANGED]
    if same:
        known = max(same, key=_Near.closeness).memory
        if fact.changes and denied:
            return Supersede(tuple(entry.memory for entry in denied), known)
        return Reinforce(known)
    if fact.changes and changed:
        return Supersede((max(changed, key=_Near.closeness).memory,))
    return Conflict(max(denied, key=_Near.closeness).memory) if denied else Add()


@frozen
class _Near:
    """A memory that a fact is like."""

    memory: Memory
    likeness: float
    verdict: Verdict

    def closeness(self) -> tuple[float, float, str]:
        """The most alike is the closest; of equals the one heard last."""
        return self.likeness, self.memory.last_heard, self.memory.id


def _alike(fact: Fact, memories: Sequence[Memory], policy: Policy) -> Iterator[_Near]:
    """The memories that a fact may repeat or change, by their likeness alone."""
    for memory in memories:
        if memory.category is not fact.category or not touch(memory.content, fact.content):
            continue
        like = likeness(memory.content, fact.content, policy.similarity)
        near = max(like, kinship(memory.content, fact.content))
        if near >= policy.duplicate_threshold - UPDATE_MARGIN:
            yield _Near(memory, like, judge(memory.content, fact.content, policy.similarity))


def learn(
    heard: Sequence[Heard],
    known: Sequence[Memory],
    owner: str,
    *,
    policy: Policy,
    upheld: Mapping[str, float] = MappingProxyType({}),
) -> Revision:
    """Apply facts one after the other to an owner's memories (of every status).

    A memory in `upheld` is not ended by what was heard until then. Applying all facts of an owner to nothing, in
    the order of hearing, gives the same memories as applying them call by call.
    """
    memories = {memory.id: memory for memory in known}
    changed: dict[str, None] = {}
    effects: dict[str, tuple[str, str]] = {}

    def put(*new: Memory) -> None:
        for memory in new:
            memories[memory.id] = memory
            changed[memory.id] = None

    for item in heard:
        decision = decide(item, _candidates(item, memories.values()), policy)
        match _spared(decision, item, upheld):
            case Add():
                memory, effect = _born(item, owner, policy), "added"
            case Reinforce(old, refine):
                memory = _reinforced(old, item, policy, refine=refine)
                effect = "refined" if refine else "reinforced"
            case Supersede(olds, keeper):
                memory = _born(item, owner, policy) if keeper is None else _reinforced(keeper, item, policy)
                if item.source == "operator":  # an edit: who knew the old words knows the new ones
                    memory = _in_place_of(olds[0], memory)
                memory, effect = evolve(memory, conflict_with=None), "superseded"
                ended = {old.id for old in olds}
                put(*(_ended(old, memory, item.heard_at) for old in olds))
                put(*(evolve(m, conflict_with=None) for m in memories.values() if m.conflict_with in ended))
            case Conflict(other):
                memory, effect = evolve(_born(item, owner, policy), conflict_with=other.id), "conflicted"
                put(evolve(other, conflict_with=memory.id))
            case other_decision:
                assert_never(other_decision)
        put(memory)
        effects[item.key] = (memory.id, effect)
    return Revision(memories=tuple(memories[id_] for id_ in changed), effects=effects)


def _spared(decision: Decision, heard: Heard, upheld: Mapping[str, float]) -> Decision:
    """The decision without the end of memories that the operator restored after this was heard."""
    if not isinstance(decision, Supersede):
        return decision
    ended = tuple(old for old in decision.memories if heard.heard_at > upheld.get(old.id, -inf))
    if ended or decision.known is None:
        return evolve(decision, memories=ended) if ended else Add()
    return Reinforce(decision.known)


def _in_place_of(old: Memory, new: Memory) -> Memory:
    return evolve(new, heard_by=old.heard_by, first_heard=old.first_heard, pinned=old.pinned)


def _ended(old: Memory, by: Memory, at: float) -> Memory:
    return evolve(old, status=Status.SUPERSEDED, superseded_by=by.id, valid_until=at, conflict_with=None)


def fact_key(conversation_id: str | None, fact: Fact) -> str:
    """The same fact of the same conversation has the same key however often it is extracted."""
    parts = (conversation_id or "", fact.category.value, fact.slot, fact.value or fact.content.casefold())
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _born(heard: Heard, owner: str, policy: Policy) -> Memory:
    fact = heard.fact
    return Memory(
        id="mem_" + hashlib.sha256(f"{owner}\x1f{heard.key}".encode()).hexdigest()[:24],
        owner=owner,
        agent_id=None if fact.importance >= policy.share_importance else heard.agent_id,
        heard_by=(heard.agent_id,) if heard.agent_id else (),
        conversation_id=heard.conversation_id,
        category=fact.category,
        content=fact.content,
        importance=fact.importance,
        confidence=fact.confidence,
        source_quote=fact.quote,
        turn=fact.turn,
        event_date=fact.event_date,
        slot=fact.slot,
        value=fact.value,
        topic=fact.topic,
        valid_from=heard.heard_at,
        valid_until=None,
        status=Status.ACTIVE,
        superseded_by=None,
        conflict_with=None,
        reinforcements=0,
        first_heard=heard.heard_at,
        last_heard=heard.heard_at,
    )


def _reinforced(old: Memory, heard: Heard, policy: Policy, *, refine: bool = False) -> Memory:
    fact = heard.fact
    importance = max(old.importance, fact.importance)
    heard_by = old.heard_by
    if heard.agent_id and heard.agent_id not in heard_by:
        heard_by = (*heard_by, heard.agent_id)
    memory = evolve(
        old,
        reinforcements=old.reinforcements + 1,
        last_heard=max(old.last_heard, heard.heard_at),
        importance=importance,
        confidence=max(old.confidence, fact.confidence),
        agent_id=None if importance >= policy.share_importance else old.agent_id,
        heard_by=heard_by,
    )
    if not refine:
        return memory
    return evolve(
        memory,
        category=fact.category,
        content=fact.content,
        value=fact.value,
        source_quote=fact.quote,
        turn=fact.turn,
        conversation_id=heard.conversation_id,
        event_date=fact.event_date or old.event_date,
        topic=fact.topic or old.topic,
    )
