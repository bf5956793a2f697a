"""What is found and what is said: ranking, greetings, answers; all of it pure."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elaaoms.calls import LastCall
from elaaoms.embed.builtin import token_table
from elaaoms.greeting import MAX_CONTEXT, MAX_GREETING, MAX_MEMORY, Style, prepare, presentable, stranger
from elaaoms.memory import Category, Memory, Status
from elaaoms.rank import Ranked
from elaaoms.rank import rank as ranking
from elaaoms.recall import MAX_ANSWER, NOTHING, answer

NOV_2, NOV_9 = 1793620800.0, 1794225600.0  # 2 and 9 November 2026, noon UTC
TODAY = date(2026, 11, 22)
STYLE = Style(stranger="Hello! How can I help you today?", expires_days=90)


def memory(content: str, **more: Any) -> Memory:
    number = more.pop("number", abs(hash(content)) % 10**6)
    values: dict[str, Any] = {
        "id": f"mem_{number}",
        "owner": "caller_" + "1" * 32,
        "agent_id": "agent_a",
        "heard_by": ("agent_a",),
        "conversation_id": "conv_1",
        "category": Category.FACTUAL,
        "content": content,
        "importance": 5,
        "confidence": 0.9,
        "source_quote": "",
        "turn": 0,
        "event_date": None,
        "slot": "",
        "value": "",
        "topic": "",
        "valid_from": NOV_2,
        "valid_until": None,
        "status": Status.ACTIVE,
        "superseded_by": None,
        "conflict_with": None,
        "reinforcements": 0,
        "first_heard": NOV_2,
        "last_heard": NOV_2,
    }
    return Memory(**values | more)


def rank(query: str, memories: list[Memory], *, limit: int) -> list[Ranked]:
    return ranking(query, memories, token_table(), today=TODAY, limit=limit)


NAME = memory(
    "The caller's name is Robin Baker.", slot="name", value="robin baker", agent_id=None, importance=8
)
ORDER = memory(
    "Order XYZ-789 has not arrived.",
    category=Category.ISSUE,
    importance=7,
    slot="order:XYZ-789",
    value="late",
    topic="your order",
    source_quote="it still hasn't arrived",
)
EMAIL = memory("The caller prefers to be contacted by e-mail.", category=Category.PREFERENCE, slot="contact")
PEANUTS = memory("The caller is allergic to peanuts.", importance=9, agent_id=None)
MIA = memory("The caller has a daughter named Mia.", category=Category.RELATIONAL, importance=6)
LEEDS = memory("The caller lives in Leeds.", importance=6)
KNOWN = [NAME, ORDER, EMAIL, PEANUTS, MIA, LEEDS]
LAST = {"agent_a": LastCall(started_at=NOV_2, language="en", summary="An order was late.")}


# -- ranking ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("order", ORDER),
        ("what is the status of my order", ORDER),
        ("order XYZ-789", ORDER),
        ("xyz-789", ORDER),
        ("delivery arrived?", ORDER),
        ("peanut allergy", PEANUTS),
        ("allergies", PEANUTS),
        ("the caller's name", NAME),
        ("where does the caller live", LEEDS),
        ("children", MIA),
        ("daughter's name", MIA),
        ("contact preference e-mail", EMAIL),
    ],
)
def test_a_question_finds_its_memory_first(query: str, best: Memory) -> None:
    ranked = rank(query, KNOWN, limit=5)
    assert ranked[0].memory == best
    assert ranked[0].relevance >= 0.7


@pytest.mark.parametrize(
    "query", ["weather tomorrow", "opening hours", "kayak colour", "?!", "the", "", "{{secret}}"]
)
def test_a_question_about_something_else_finds_nothing(query: str) -> None:
    assert [entry for entry in rank(query, KNOWN, limit=5) if entry.relevance >= 0.7] == []


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_ranking_never_fails_and_is_the_same_twice(query: str) -> None:
    ranked = rank(query, KNOWN, limit=5)
    assert ranked == rank(query, list(reversed(KNOWN)), limit=5)
    assert all(0 <= entry.relevance <= 1 for entry in ranked)


# -- the greeting ------------------------------------------------------------------


def variables(
    memories: list[Memory], agent: str = "agent_a", last: dict[str, LastCall] | None = None
) -> dict[str, Any]:
    prepared = prepare(memories, LAST if last is None else last, style=STYLE, now=NOV_9)
    return dict(prepared[agent].variables)


def test_a_caller_is_greeted_by_first_name_and_open_topic() -> None:
    greeting = variables(KNOWN)["memory_greeting"]
    assert greeting == "Welcome back, Robin! Last time we talked about your order. How can I help you today?"


def test_a_topic_that_is_settled_is_not_brought_up_again() -> None:
    arrived = memory("Order XYZ-789 has arrived.", slot="order:XYZ-789", value="arrived", topic="your order")
    assert "order" not in variables([NAME, arrived])["memory_greeting"]


def test_a_surname_alone_is_spoken_with_the_title_it_was_given_with() -> None:
    said = memory(
        "The caller's name is Baker.", slot="name", value="baker", source_quote="This is Mr Baker speaking"
    )
    assert variables([said])["memory_greeting"] == "Welcome back, Mr Baker! How can I help you today?"


def test_two_names_for_one_number_are_not_spoken() -> None:
    first = memory("The caller's name is Robin.", slot="name", value="robin", conflict_with="mem_2", number=1)
    other = memory("The caller's name is Anna.", slot="name", value="anna", conflict_with="mem_1", number=2)
    found = variables([first, other])
    assert (found["caller_name"], found["memory_greeting"]) == ("", "Welcome back! How can I help you today?")


@pytest.mark.parametrize(
    ("language", "greeting"),
    [
        ("de", "Willkommen zurück, Robin! Wie kann ich Ihnen heute helfen?"),
        ("es", "¡Hola de nuevo, Robin! ¿En qué puedo ayudarle hoy?"),
        ("fr", "Bonjour Robin, ravi de vous retrouver ! Comment puis-je vous aider aujourd'hui ?"),
        ("fi", STYLE.stranger),
    ],
)
def test_the_greeting_speaks_the_callers_language_or_the_operators(language: str, greeting: str) -> None:
    last = {"agent_a": LastCall(started_at=NOV_2, language=language, summary="")}
    assert variables(KNOWN, last=last)["memory_greeting"] == greeting


def test_another_agent_knows_only_what_is_shared() -> None:
    found = variables(KNOWN, agent="")
    assert found["memory_greeting"] == "Hello Robin! How can I help you today?"
    assert "peanuts" in found["caller_memory"]
    assert "XYZ-789" not in json.dumps(found)
    assert found["last_call_summary"] == ""


def test_an_agent_of_its_own_hears_nothing_that_another_was_told() -> None:
    mine = {"agent_b": LastCall(started_at=NOV_9, language="en", summary="Hello.")}
    assert "XYZ-789" not in json.dumps(variables(KNOWN, agent="agent_b", last=mine))


def test_with_nothing_shared_other_agents_meet_a_stranger() -> None:
    assert "" not in prepare([ORDER], LAST, style=STYLE, now=NOV_9)


def test_a_name_that_would_break_the_greeting_is_left_out_of_it() -> None:
    for content in (
        "The caller's name is {{x}}.",
        f"The caller's name is {'R' * 300}.",
        "The caller's name is 12345.",
    ):
        odd = memory(content, slot="name", value="x")
        assert presentable(variables([odd])["memory_greeting"])
        assert variables([odd])["memory_greeting"] in (
            STYLE.stranger,
            "Welcome back! How can I help you today?",
        )


@pytest.mark.parametrize("text", ["", "x" * 221, "Order 4711 is here", "Call 555 0142", "a {b}", "<b>hi</b>"])
def test_a_greeting_with_digits_markup_or_too_many_words_is_not_presentable(text: str) -> None:
    assert not presentable(text)


def test_conflicts_are_flagged_once_with_both_sides_and_their_days() -> None:
    yes = memory("The caller is allergic to nuts.", conflict_with="mem_2", number=1)
    no = memory(
        "The caller is not allergic to nuts.",
        conflict_with="mem_1",
        number=2,
        first_heard=NOV_9,
        last_heard=NOV_9,
    )
    found = variables([yes, no])
    assert json.loads(found["caller_context"])["conflicts"] == [
        "Earlier: The caller is allergic to nuts. (2 Nov 2026)"
        " Later: The caller is not allergic to nuts. (9 Nov 2026)"
    ]
    assert found["caller_memory"].count("the caller has also said otherwise") == 2


def test_superseded_memories_are_not_mentioned() -> None:
    old = memory(
        "The caller lives in Hull.", status=Status.SUPERSEDED, superseded_by="mem_9", valid_until=NOV_9
    )
    assert "Hull" not in json.dumps(variables([*KNOWN, old]))


def test_a_lifetime_of_memories_stays_within_the_budget_and_keeps_what_matters() -> None:
    many = [
        memory(f"The caller mentioned that thing number {n} ü is blue.", number=n, importance=3)
        for n in range(900)
    ]
    found = variables([*many, PEANUTS, ORDER])
    assert len(found["caller_memory"]) <= MAX_MEMORY
    assert len(found["caller_context"]) <= MAX_CONTEXT
    assert found["caller_memory"].startswith(
        "- The caller is allergic to peanuts (2 Nov 2026)\n- Order XYZ-789"
    )
    assert set(json.loads(found["caller_context"])) == {
        "memories",
        "preferences",
        "issues",
        "relationship",
        "conflicts",
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=400), st.sampled_from(Category)), max_size=8))
def test_whatever_a_caller_said_what_is_sent_is_harmless(said: list[tuple[str, Category]]) -> None:
    memories = [
        memory(content, category=category, number=n, slot="name" if n == 0 else "")
        for n, (content, category) in enumerate(said)
    ]
    for found in (variables(memories), stranger(STYLE)):
        assert set(found) == set(stranger(STYLE))
        for text in filter(lambda value: isinstance(value, str), found.values()):
            assert "{{" not in text
            assert "}}" not in text
            assert all(c == "\n" or c.isprintable() or c == " " or ord(c) >= 0xA0 for c in text)
        assert 0 < len(found["memory_greeting"]) <= MAX_GREETING


# -- the search tool's answer -----------------------------------------------------------


def test_the_answer_can_be_read_aloud_with_its_day() -> None:
    body = answer([rank("order", KNOWN, limit=5)[0]], "agent_a", today=TODAY)
    assert body["result"] == "Order XYZ-789 has not arrived, as the caller said on the second of November."
    (entry,) = body["memories"]
    assert entry["when"] == date(2026, 11, 2).isoformat()
    assert (entry["agent_id"], entry["shared"]) == ("agent_a", False)


def test_nothing_found_is_a_sentence_too() -> None:
    assert answer([], "all", today=TODAY) == {
        "found": False,
        "result": NOTHING,
        "memories": [],
        "searched_agents": "all",
    }


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=400), min_size=1, max_size=20), st.text(max_size=300))
def test_an_answer_always_fits_into_two_kilobytes(said: list[str], agent: str) -> None:
    memories = [memory(f"kayak {text}"[:400], number=n, agent_id=agent) for n, text in enumerate(said)]
    body = answer(rank("kayak", memories, limit=20), agent, today=TODAY)
    text = json.dumps(body)
    assert len(text) < MAX_ANSWER
    assert "{{" not in text
    assert body["found"] is bool(body["memories"])
