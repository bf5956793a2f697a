"""What facts do to memories: same, refined, changed, contradicted; and that folding again changes nothing."""

from __future__ import annotations

from functools import partial
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elaaoms.memory import Category, Fact, Heard, Memory, Relation, Status
from elaaoms.reconcile import Policy, fact_key, learn

DAY = 86400.0
OWNER = "caller_" + "0" * 32
_turns = count()


def fact(content: str, slot: str = "", value: str = "", **more: object) -> Fact:
    values: dict[str, object] = {"category": Category.FACTUAL, "importance": 5, "quote": content}
    return Fact(content=content, slot=slot, value=value, **(values | more))  # type: ignore[arg-type]


def heard(said: Fact, day: int = 1, agent: str = "agent_a", source: str = "call") -> Heard:
    conversation = f"conv_{day}"
    return Heard(
        key=fact_key(conversation, said) if source == "call" else f"key-{next(_turns)}",
        fact=said,
        source=source,
        heard_at=day * DAY,
        agent_id=agent,
        conversation_id=conversation if source == "call" else None,
    )


def after(*facts: Heard, policy: Policy | None = None) -> list[Memory]:
    revision = learn(facts, (), OWNER, policy=policy or Policy())
    return list(revision.memories)


def contents(memories: list[Memory], status: Status = Status.ACTIVE) -> list[str]:
    return [memory.content for memory in memories if memory.status is status]


# -- by slot ----------------------------------------------------------------------


def test_the_first_fact_becomes_a_memory_with_its_evidence() -> None:
    (memory,) = after(heard(fact("The caller lives in Leeds.", "residence", "leeds")))
    assert (memory.content, memory.agent_id, memory.heard_by) == (
        "The caller lives in Leeds.",
        "agent_a",
        ("agent_a",),
    )
    assert (memory.reinforcements, memory.first_heard, memory.valid_until) == (0, DAY, None)


def test_hearing_it_again_reinforces_instead_of_adding() -> None:
    said = fact("The caller lives in Leeds.", "residence", "leeds")
    (memory,) = after(heard(said), heard(said, day=3))
    assert (memory.reinforcements, memory.first_heard, memory.last_heard) == (1, DAY, 3 * DAY)


def test_reinforcing_raises_importance_and_shares_what_crosses_the_threshold() -> None:
    low = fact("Order X-100 is late.", "order:X-100", "late", importance=6)
    high = fact("Order X-100 is late.", "order:X-100", "late", importance=8)
    (memory,) = after(heard(low), heard(high, day=2))
    assert (memory.importance, memory.agent_id) == (8, None)


def test_a_longer_name_refines_the_shorter_one_and_a_shorter_one_takes_nothing_away() -> None:
    first = heard(fact("The caller's name is Robin.", "name", "robin"))
    full = heard(fact("The caller's name is Robin Baker.", "name", "robin baker"), day=2)
    short = heard(fact("The caller's name is Robin.", "name", "robin"), day=3)
    (memory,) = after(first, full, short)
    assert (memory.content, memory.value, memory.reinforcements) == (
        "The caller's name is Robin Baker.",
        "robin baker",
        2,
    )


def test_a_state_said_later_takes_the_place_of_the_one_before() -> None:
    late = heard(fact("Order X-100 is late.", "order:X-100", "late"))
    there = heard(fact("Order X-100 has arrived.", "order:X-100", "arrived"), day=2)
    memories = after(late, there)
    assert contents(memories) == ["Order X-100 has arrived."]
    (old,) = [memory for memory in memories if memory.status is Status.SUPERSEDED]
    new = next(memory for memory in memories if memory.status is Status.ACTIVE)
    assert (old.superseded_by, old.valid_until, new.valid_from) == (new.id, 2 * DAY, 2 * DAY)


def test_an_order_that_is_only_mentioned_says_nothing_new_about_its_state() -> None:
    late = heard(fact("Order X-100 is late.", "order:X-100", "late"))
    named = heard(fact("The caller has order X-100.", "order:X-100", "mentioned"), day=2)
    assert contents(after(late, named)) == ["Order X-100 is late."]
    assert contents(after(named, heard(late.fact, day=3))) == ["Order X-100 is late."]


def test_a_contradiction_without_a_word_of_change_keeps_both_and_links_them() -> None:
    yes = heard(fact("The caller is allergic to nuts.", "allergy:nuts", "yes"))
    no = heard(fact("The caller is not allergic to nuts.", "allergy:nuts", "no"), day=2)
    first, second = sorted(after(yes, no), key=lambda memory: memory.first_heard)
    assert first.status is second.status is Status.ACTIVE
    assert (first.conflict_with, second.conflict_with) == (second.id, first.id)


def test_a_contradiction_that_the_caller_explains_as_a_change_ends_the_old_memory() -> None:
    yes = heard(fact("The caller likes tea.", "likes:tea", "yes"))
    no = heard(fact("The caller no longer likes tea.", "likes:tea", "no", changes=True), day=2)
    assert contents(after(yes, no)) == ["The caller no longer likes tea."]


def test_a_change_settles_an_open_contradiction() -> None:
    yes = heard(fact("The caller is allergic to nuts.", "allergy:nuts", "yes"))
    no = heard(fact("The caller is not allergic to nuts.", "allergy:nuts", "no"), day=2)
    final = heard(fact("The caller is not allergic to nuts.", "allergy:nuts", "no", changes=True), day=3)
    memories = after(yes, no, final)
    (kept,) = [memory for memory in memories if memory.status is Status.ACTIVE]
    assert (kept.value, kept.conflict_with) == ("no", None)


def test_a_changed_name_is_a_change_and_another_name_is_a_contradiction() -> None:
    old = heard(fact("The caller's name is Robin Baker.", "name", "robin baker"))
    other = heard(fact("The caller's name is Anna Clark.", "name", "anna clark"), day=2)
    married = heard(fact("The caller's name is Robin Clark.", "name", "robin clark", changes=True), day=2)
    assert len(contents(after(old, other))) == 2
    assert contents(after(old, married)) == ["The caller's name is Robin Clark."]


def test_what_goes_back_to_an_old_value_is_active_again() -> None:
    leeds, york = ("The caller lives in Leeds.", "leeds"), ("The caller lives in York.", "york")
    said = [
        heard(fact(text, "residence", value), day=day)
        for day, (text, value) in enumerate((leeds, york, leeds), 1)
    ]
    memories = after(*said)
    assert contents(memories) == ["The caller lives in Leeds."]
    assert len(contents(memories, Status.SUPERSEDED)) == 2


def test_a_channel_that_is_wanted_now_is_no_longer_refused() -> None:
    never = heard(fact("The caller does not want to be contacted by phone.", "no_contact:phone", "yes"))
    mail = heard(fact("The caller prefers to be contacted by e-mail.", "contact", "email"))
    phone = heard(
        fact("The caller prefers to be contacted by phone.", "contact", "phone", changes=True), day=2
    )
    assert contents(after(never, mail, phone)) == ["The caller prefers to be contacted by phone."]
    assert contents(after(heard(phone.fact), heard(never.fact, day=2))) == [never.fact.content]


def test_two_values_in_one_call_that_nothing_orders_stand_side_by_side() -> None:
    memories = after(
        heard(fact("The caller lives in Leeds.", "residence", "leeds")),
        heard(fact("The caller lives in York.", "residence", "york")),
    )
    assert len(contents(memories)) == 2
    assert all(memory.conflict_with for memory in memories)


def test_an_agent_that_hears_it_too_may_use_it_too() -> None:
    said = fact("The caller lives in Leeds.", "residence", "leeds")
    (memory,) = after(heard(said), heard(said, day=2, agent="agent_b"))
    assert memory.known_to("agent_a")
    assert memory.known_to("agent_b")
    assert not memory.known_to("agent_c")


# -- by text ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("The caller ordered 2 blue kayaks.", "The caller ordered 3 blue kayaks."),
        ("The lesson is on Tuesday at nine.", "The lesson is on Wednesday at nine."),
        ("The caller paid 1,200 pounds.", "The caller paid 1,300 pounds."),
        ("A parcel for Mia came back.", "A parcel for Lena came back."),
        ("Reference AB-12345 is open.", "Reference AB-12346 is open."),
    ],
)
def test_numbers_dates_and_names_veto_a_merge(old: str, new: str) -> None:
    assert contents(after(heard(fact(old)), heard(fact(new), day=2))) == [old, new]


def test_a_negation_is_never_merged_with_what_it_denies() -> None:
    memories = after(
        heard(fact("The pool is heated at night.")), heard(fact("The pool is not heated at night."), day=2)
    )
    assert len(contents(memories)) == 2
    assert all(memory.conflict_with for memory in memories)


def test_the_same_words_in_another_order_or_form_are_the_same() -> None:
    memories = after(
        heard(fact("The caller rents a blue kayak on Sundays.")),
        heard(fact("On Sundays the caller rents a blue kayak."), day=2),
    )
    assert len(memories) == 1


def test_every_statement_that_was_merged_keeps_its_place_and_its_memory() -> None:
    said = [
        heard(fact("The caller rents three kayaks.", quote="I've got three kayaks"), day=1),
        heard(fact("The caller rents 3 kayaks.", quote="my 3 kayaks"), day=2),
        heard(fact("The caller hires three kayaks.", quote="hired three"), day=3),
    ]
    revision = learn(said[:2], (), OWNER, policy=Policy())
    (memory,) = revision.memories
    assert revision.effects == {said[0].key: (memory.id, "added"), said[1].key: (memory.id, "reinforced")}
    assert memory.source_quote == "I've got three kayaks"
    assert len(after(*said)) == 2  # nothing here says that to hire is to rent


def test_a_similarity_that_is_given_nominates_instead_of_common_words() -> None:
    said = [heard(fact("The caller rents a kayak.")), heard(fact("The caller hires a kayak."), day=2)]

    def table(one: str, other: str) -> float:
        return 0.9 if (one != other and "kayak" in one) or {one, other} == {"rents", "hires"} else 0.0

    assert len(after(*said)) == 2
    assert len(after(*said, policy=Policy(similarity=table))) == 1
    assert len(after(*said, policy=Policy(similarity=table, duplicate_threshold=0.95))) == 2


def test_however_alike_two_texts_are_called_a_veto_stands() -> None:
    said = [heard(fact("Order 4471 is late.")), heard(fact("Order 4417 is late."), day=2)]
    memories = after(*said, policy=Policy(similarity=lambda one, other: 1.0))
    assert contents(memories) == ["Order 4471 is late.", "Order 4417 is late."]
    assert not any(memory.conflict_with for memory in memories)


def test_a_value_that_the_caller_changed_takes_the_place_of_the_old_one() -> None:
    old = heard(fact("The bus for the club leaves at 9:00."))
    new = heard(fact("The bus for the club leaves at half past nine.", changes=True), day=2)
    memories = after(old, new)
    assert contents(memories) == ["The bus for the club leaves at half past nine."]
    assert contents(memories, Status.SUPERSEDED) == ["The bus for the club leaves at 9:00."]


def test_what_excludes_what_is_known_contradicts_it_until_the_caller_settles_it() -> None:
    window = heard(fact("The caller sits at the window on long flights."))
    aisle = heard(fact("The caller sits on the aisle on long flights."), day=2)
    both = after(window, aisle)
    assert len(contents(both)) == 2
    assert all(memory.conflict_with for memory in both)
    again = heard(fact("On long flights the caller sits on the aisle.", changes=True), day=3)
    settled = after(window, aisle, again)
    assert contents(settled) == ["The caller sits on the aisle on long flights."]
    assert not any(memory.conflict_with for memory in settled)


def test_what_differs_and_may_both_be_true_stands_side_by_side() -> None:
    nuts = heard(fact("The caller gets hives from nuts."))
    eggs = heard(fact("The caller gets hives from eggs."), day=2)
    both = after(nuts, eggs)
    assert len(contents(both)) == 2
    assert not any(memory.conflict_with for memory in both)


def test_another_order_is_never_taken_for_a_change_of_this_one() -> None:
    old = heard(fact("Order 4471 is late."))
    new = heard(fact("Order 4417 is late.", changes=True), day=2)
    assert contents(after(old, new)) == ["Order 4471 is late.", "Order 4417 is late."]


def test_a_denial_said_again_is_the_same_denial() -> None:
    yes = heard(fact("The pool is heated at night."))
    no = heard(fact("The pool is not heated at night."), day=2)
    again = heard(fact("At night the pool isn't heated."), day=3)
    memories = after(yes, no, again)
    assert len(memories) == 2
    assert [memory.reinforcements for memory in memories if "not" in memory.content] == [1]


def test_a_statement_is_merged_with_its_equal_and_not_with_what_is_nearly_so() -> None:
    orders = [heard(fact(f"Order {number} is late."), day=number) for number in (1, 2, 3)]
    memories = after(*orders, heard(fact("Order two is late."), day=4))
    assert {memory.content: memory.reinforcements for memory in memories} == {
        "Order 1 is late.": 0,
        "Order 2 is late.": 1,
        "Order 3 is late.": 0,
    }


def related(old: Heard, text: str, relation: Relation, day: int = 2) -> list[Memory]:
    (memory,) = after(old)
    return after(old, heard(fact(text, relation=relation, relates_to=memory.id), day=day))


def test_a_model_that_calls_two_texts_the_same_is_believed_when_nothing_speaks_against_it() -> None:
    old = heard(fact("The caller rents a blue kayak."))
    assert contents(related(old, "The caller hires a kayak that is blue.", Relation.SAME)) == [
        old.fact.content
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Order 789 is late.", "Order 798 is late."),
        ("The caller's daughter is called Mia.", "The caller's daughter is called Lena."),
        ("The lesson is on Tuesday.", "The lesson is on Friday."),
        ("The caller eats fish.", "The caller does not eat fish."),
    ],
)
def test_a_model_that_calls_different_things_the_same_is_overruled(old: str, new: str) -> None:
    assert contents(related(heard(fact(old)), new, Relation.SAME)) == [old, new]


def test_a_refinement_takes_the_place_of_the_text_only_if_it_keeps_its_values() -> None:
    old = heard(fact("Order 789 is late."))
    full = related(old, "Order 789, a blue kayak, is late by 2 weeks.", Relation.REFINES)
    assert contents(full) == ["Order 789, a blue kayak, is late by 2 weeks."]
    assert len(contents(related(old, "The blue kayak is late.", Relation.REFINES))) == 2


def test_a_model_may_say_that_something_changed_or_cannot_be_true_as_well() -> None:
    old = heard(fact("The caller lives in Leeds."))
    assert contents(related(old, "The caller lives in York.", Relation.REPLACES)) == [
        "The caller lives in York."
    ]
    both = related(old, "The caller lives in York.", Relation.CONTRADICTS)
    assert [bool(memory.conflict_with) for memory in both] == [True, True]


def test_a_model_cannot_end_a_memory_with_something_of_another_kind() -> None:
    old = heard(fact("The caller lives in Leeds."))
    assert len(contents(related(old, "The caller was thankful.", Relation.REPLACES))) == 2
    both = related(old, "The caller likes cats.", Relation.CONTRADICTS)
    assert not any(memory.conflict_with for memory in both)


def test_what_the_operator_says_is_kept_as_it_was_said() -> None:
    said = fact("The caller pays by invoice.")
    assert len(after(heard(said, source="operator"), heard(said, source="operator", day=2))) == 2


# -- folding --------------------------------------------------------------------------


SLOTS = st.sampled_from(
    [
        ("name", ("robin", "robin baker", "anna")),
        ("residence", ("leeds", "york")),
        ("allergy:nuts", ("yes", "no")),
        ("order:X-1", ("mentioned", "late", "arrived")),
        ("", ("",)),
    ]
)


TEXTS = [
    "It rains.",
    "It does not rain.",
    "It is 5.",
    "It is 6.",
    "The bus comes in the morning.",
    "In the morning the bus comes.",
    "The bus comes in the evening.",
    "The bus comes in the evening and stays.",
    "The bus no longer comes in the morning.",
]


@st.composite
def said(draw: st.DrawFn) -> Heard:
    slot, values = draw(SLOTS)
    value = draw(st.sampled_from(values))
    text = f"About {slot} it is {value}." if slot else draw(st.sampled_from(TEXTS))
    return heard(
        fact(text, slot, value, changes=draw(st.booleans()), importance=draw(st.integers(1, 10))),
        day=draw(st.integers(1, 6)),
        agent=draw(st.sampled_from(["agent_a", "agent_b"])),
    )


def _unique(items: list[Heard]) -> list[Heard]:
    seen: dict[str, Heard] = {}
    for item in sorted(items, key=lambda entry: entry.heard_at):
        seen.setdefault(item.key, item)
    return list(seen.values())


@settings(max_examples=200, deadline=None)
@given(st.lists(said(), max_size=14), st.integers(0, 14))
def test_learning_in_two_parts_equals_learning_at_once(items: list[Heard], cut: int) -> None:
    items = _unique(items)
    apply = partial(learn, policy=Policy())
    at_once = {memory.id: memory for memory in apply(items, (), OWNER).memories}
    first = {memory.id: memory for memory in apply(items[:cut], (), OWNER).memories}
    second = {memory.id: memory for memory in apply(items[cut:], tuple(first.values()), OWNER).memories}
    assert first | second == at_once


@settings(max_examples=200, deadline=None)
@given(st.lists(said(), max_size=14))
def test_links_between_memories_are_always_sound(items: list[Heard]) -> None:
    memories = {memory.id: memory for memory in after(*_unique(items))}
    for memory in memories.values():
        if memory.superseded_by:
            assert memory.status is Status.SUPERSEDED
            assert memory.superseded_by in memories
            assert memory.valid_until is not None
        if memory.conflict_with:
            assert memories[memory.conflict_with].status is Status.ACTIVE
    slots = [
        m.slot for m in memories.values() if m.status is Status.ACTIVE and m.slot and not m.conflict_with
    ]
    assert len(slots) == len(set(slots))
