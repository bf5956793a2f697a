"""Finding the right memory: what counts, in which languages, and what may never happen."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any

import numpy as np
import pytest
from conftest import ROBIN, Platform
from hypothesis import given, settings
from hypothesis import strategies as st
from test_recall import NOV_2, NOV_9, memory

from elaaoms.days import aloud, timing
from elaaoms.embed.builtin import token_table
from elaaoms.evaluation import everyday_set, retrieval, retrieval_set
from elaaoms.language import language_of, terms
from elaaoms.memory import Memory
from elaaoms.rank import Index, entry
from elaaoms.recall import Search
from elaaoms.shelf import Shelf
from elaaoms.telling import told

TODAY = date(2026, 11, 22)
SOFA = memory("The caller bought a green sofa.", conversation_id="conv_1", turn=1)
PLACE = memory("Delivery goes to the back door.", conversation_id="conv_1", turn=2)


def index(*memories: Memory) -> Index:
    return Index.of([(m.id, entry(m, token_table())) for m in memories], token_table())


def order(question: str, *memories: Memory, **more: Any) -> list[str]:
    by_id = {m.id: m.content for m in memories}
    return [by_id[hit.id] for hit in index(*memories).search(question, today=TODAY, limit=20, **more)]


def test_a_memory_is_found_by_its_meaning_without_a_word_in_common() -> None:
    assert order("any pets at home?", SOFA, PLACE, memory("She has two cats."))[0] == "She has two cats."


def test_a_number_beats_a_memory_that_means_nearly_the_same() -> None:
    orders = [memory(f"Order {n} is late.", number=n) for n in range(4711, 4731)]
    assert order("when does order 4718 arrive", *orders)[0] == "Order 4718 is late."


def test_what_was_said_beside_a_match_ranks_before_what_was_said_in_another_call() -> None:
    crowd = [memory(f"Unrelated matter {n}.", conversation_id=f"conv_x{n}", number=n) for n in range(30)]
    assert order("green sofa", *crowd, SOFA, PLACE)[:2] == [SOFA.content, PLACE.content]


def test_the_newest_comes_first_only_when_it_is_asked_for() -> None:
    old = memory("The caller ordered a lamp.", number=1, event_date=date(2026, 1, 5), importance=6)
    new = memory("The caller ordered a lamp!", number=2, event_date=date(2026, 10, 5))
    assert order("the last lamp", old, new)[0] == new.content
    assert order("lamp", old, new)[0] == old.content


def test_last_week_is_reckoned_from_the_call() -> None:
    before = memory("The caller asked for an invoice.", number=1, event_date=date(2026, 6, 2))
    week = memory("The caller asked for an invoice again.", number=2, event_date=date(2026, 11, 12))
    assert order("what invoice did she ask for last week", before, week)[0] == week.content
    assert timing("two weeks ago", TODAY).span is not None
    assert timing("her last name", TODAY).order == 0


@pytest.mark.parametrize(
    ("language", "right", "question", "others"),
    [
        ("en", "The caller is allergic to nuts.", "nut allergy", "The caller lives in Leeds."),
        ("de", "Die Lieferung war beschädigt.", "beschädigte Lieferungen", "Sie wohnt in einem Dorf."),
        ("es", "El pedido no ha llegado.", "¿llegaron los pedidos?", "Vive en un pueblo."),
        ("fr", "La commande est en retard.", "le retard des commandes", "Elle habite dans un village."),
        ("it", "La consegna è stata rinviata.", "le consegne rinviate", "Abita in un paese."),
        ("nl", "De bestelling is te laat.", "late bestellingen", "Zij woont in een dorp."),
        ("ru", "Заказ ещё не пришёл.", "где мой заказ", "Он живёт в деревне."),
        ("ja", "注文がまだ届いていません。", "注文はどこですか", "小さな村に住んでいます。"),
        ("zh", "订单还没有到。", "我的订单在哪里", "她住在一个小村庄。"),
        ("ko", "주문이 아직 도착하지 않았습니다.", "주문은 어디에", "작은 마을에 삽니다."),
    ],
)
def test_every_language_is_searched_by_what_works_there(
    language: str, right: str, question: str, others: str
) -> None:
    assert language_of(right) == language
    assert order(question, memory(others, number=1), memory(right, number=2))[0] == right


def test_chinese_and_japanese_count_by_pairs_of_characters() -> None:
    assert terms("订单号", "zh") == ["订单", "单号"]


WORDS = st.lists(st.sampled_from("sofa green door order late nuts Leeds 4711 cat e-mail".split()), min_size=1)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | WORDS.map(" ".join), st.lists(WORDS.map(" ".join), min_size=1, max_size=8))
def test_ranking_is_the_same_whatever_the_order_of_reading(question: str, said: list[str]) -> None:
    memories = [memory(text, number=n, turn=n) for n, text in enumerate(said)]
    assert order(question, *memories) == order(question, *reversed(memories))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from("kite blue moon rain hat salt ship fern".split()), min_size=1, max_size=6),
    st.integers(0, 3),
)
def test_an_unrelated_memory_never_removes_the_right_one_from_the_first_twenty(
    said: list[str], call: int
) -> None:
    known = [memory(f"Matter {n} concerns paper.", number=n, conversation_id=f"c{n % 4}") for n in range(40)]
    added = memory(" ".join(said), number=99, conversation_id=f"c{call}", turn=5)
    for more in ((), (added,)):
        assert SOFA.content in order("which sofa did she buy", *known, SOFA, *more)


def test_an_agent_sees_its_own_memories_and_the_shared_ones_alone() -> None:
    mine = memory("The sofa is green.", number=1, agent_id="agent_a", heard_by=("agent_a",))
    theirs = memory("The sofa is broken.", number=2, agent_id="agent_b", heard_by=("agent_b",))
    shared = memory("The sofa was a present.", number=3, agent_id=None, heard_by=("agent_b",))
    found = index(mine, theirs, shared)
    hits = found.search("sofa", today=TODAY, limit=20, among=found.visible("agent_a"))
    assert {hit.id for hit in hits} == {mine.id, shared.id}


def test_the_table_gives_unit_vectors_and_knows_kin() -> None:
    table = token_table()
    dog, puppy, invoice = (table.encode(text) for text in ("a dog", "a puppy", "an invoice"))
    assert np.linalg.norm(dog) == pytest.approx(1, abs=1e-5)
    assert dog @ puppy > dog @ invoice + 0.2
    assert not table.encode("").any()


# -- on our own labelled questions ---------------------------------------------------------------


def test_search_beats_every_baseline_on_questions_that_avoid_the_words_of_their_memories() -> None:
    questions, known = retrieval.read(retrieval_set(), token_table())
    asked = [question for question in questions if question.split == "test"]
    systems = {"served": retrieval.served, **retrieval.baselines()}
    found = {name: retrieval.measure(asked, known, system, threshold=0.7) for name, system in systems.items()}
    served = found.pop("served")
    assert served["hit@5"] > max(row["hit@5"] for row in found.values())
    assert served["recall@10"] > 0.75
    assert served["off_topic_silent"] >= 0.9


# -- in the daemon ------------------------------------------------------------------------------------


async def test_a_search_sees_every_write_and_no_other_caller(platform: Platform) -> None:
    await platform.knows({"content": "The caller owns a red canoe.", "importance": 8})
    await platform.knows({"content": "The caller owns a blue canoe.", "importance": 8}, caller="+12025550188")
    found = (await platform.search("which canoe")).json
    assert [entry["content"] for entry in found["memories"]] == ["The caller owns a red canoe."]
    await platform.knows({"content": "The caller sold the canoe trailer.", "importance": 8})
    again = (await platform.search("canoe trailer sold")).json
    assert again["memories"][0]["content"] == "The caller sold the canoe trailer."
    platform.sql("UPDATE memories SET status = 'forgotten' WHERE content LIKE '%trailer%'")  # whoever writes
    gone = (await platform.search("canoe trailer sold")).json
    assert "trailer" not in str(gone["memories"])


async def test_entries_that_are_missing_or_of_another_version_are_made_again(platform: Platform) -> None:
    await platform.knows({"content": "The caller owns a red canoe.", "importance": 8})
    platform.sql("UPDATE recall_entries SET entry = x'ffff'")
    platform.sql(
        "UPDATE memories SET importance = 9, seal = NULL"
    )  # drops the entry, and says that something changed
    assert (await platform.search("red canoe")).json["found"]
    platform.sql("UPDATE recall_entries SET entry = x'ffff'")
    platform.sql("UPDATE recall_clock SET now = now + 1")
    platform.sql("UPDATE recall_owners SET version = (SELECT now FROM recall_clock)")
    assert (await platform.search("red canoe")).json["found"]


async def test_the_shelf_keeps_what_was_used_last_within_its_bytes(platform: Platform) -> None:
    for number in ("+12025550111", "+12025550122", "+12025550133"):
        await platform.knows({"content": "The caller owns a canoe."}, caller=number)
    assert platform.up is not None
    services = platform.up.services
    callers = [owner for (owner,) in platform.sql("SELECT owner FROM recall_owners ORDER BY owner")]
    one = (await services.shelf.index(callers[0])).nbytes
    small = Shelf(services.memories, services.shelf.encoder, max_bytes=2 * one)
    first = await small.index(callers[0])
    await small.index(callers[1])
    await small.index(callers[0])
    await small.index(callers[2])
    assert small.nbytes <= 2 * one
    assert await small.index(callers[0]) is first
    await small.close()


async def test_a_call_that_begins_loads_the_index_for_its_questions(platform: Platform) -> None:
    await platform.knows({"content": "The caller owns a canoe.", "importance": 8})
    assert (await platform.initiation(ROBIN)).status == 200
    assert platform.up is not None
    shelf = platform.up.services.shelf
    (owner,) = (owner for (owner,) in platform.sql("SELECT owner FROM recall_owners"))
    assert len(await shelf.index(owner)) == 1
    assert shelf.nbytes > 0


# -- what the agent hears -------------------------------------------------------------------------------


def test_what_contradicts_is_named_with_its_day_newest_first() -> None:
    old = memory("The caller wants calls.", number=1, conflict_with="mem_2")
    new = memory(
        "The caller wants e-mails.", number=2, conflict_with="mem_1", first_heard=NOV_9, last_heard=NOV_9
    )
    assert told([old], {"mem_1": old, "mem_2": new}, TODAY) == (
        "The caller wants e-mails, as the caller said on the ninth of November; "
        "earlier, on the second of November, the caller said: The caller wants calls."
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("Die Lieferung ist zu spät.", "Die Lieferung ist zu spät, wie am 2. November gesagt wurde."),
        ("El pedido no ha llegado.", "El pedido no ha llegado, según se dijo el 2 de noviembre."),
        ("La commande est en retard.", "La commande est en retard, comme il a été dit le 2 novembre."),
        ("Заказ ещё не пришёл.", "Заказ ещё не пришёл. (2026-11-02)."),
    ],
)
def test_an_answer_is_in_the_language_of_the_memory(content: str, sentence: str) -> None:
    assert told([memory(content, last_heard=NOV_2)], {}, TODAY) == sentence


def test_the_year_is_said_only_when_it_is_another_one() -> None:
    assert aloud(date(2025, 3, 1), "en", TODAY) == "on the first of March 2025"
    assert aloud(date(2026, 3, 1), "fr", TODAY) == "le 1er mars"


def test_everyday_questions_are_answered_and_others_are_not() -> None:
    questions, known = retrieval.read(everyday_set(), token_table())
    found = retrieval.measure(questions, known, retrieval.served, threshold=0.7)
    assert found["mrr"] > 0.95
    assert found["found"] >= 0.75
    assert found["off_topic_silent"] >= 0.9


def test_the_same_likeness_is_worth_less_among_many() -> None:
    dog = memory("The caller has a dog named Biscuit.", number=1)
    many = [memory(f"Matter {n} concerns paper.", number=n, conversation_id=f"c{n}") for n in range(2, 80)]
    (alone,) = index(dog).search("any pets", today=TODAY, limit=1)
    (among,) = index(dog, *many).search("any pets", today=TODAY, limit=1)
    assert (alone.id, among.id) == (dog.id, dog.id)
    assert alone.relevance > among.relevance


def test_what_an_endpoint_says_of_a_memory_takes_the_tables_place() -> None:
    boat, town = memory("The caller owns a canoe.", number=1), memory("The caller lives in Leeds.", number=2)
    found = index(boat, town).search("paddle", today=TODAY, limit=2, likeness={town.id: 0.9, "mem_gone": 1.0})
    assert found[0].id == town.id


# -- nobody else's ------------------------------------------------------------------------------------

SECRETS = {
    "+12025550111": "The caller's daughter Zora plays the marimba on Fridays.",
    "+12025550122": "The caller's daughter Ottilie plays the sitar on Fridays.",
    "+12025550133": "The caller's order XYZ-789 is late, zweitens auch die Rechnung.",
}


async def test_no_query_however_crafted_returns_another_callers_memory(platform: Platform) -> None:
    for number, content in SECRETS.items():
        await platform.knows({"content": content, "importance": 9}, caller=number)
    assert platform.up is not None
    services = platform.up.services
    callers = {number: await services.directory.find(number) for number in SECRETS}
    owners = {number: caller.caller for number, caller in callers.items() if caller is not None}
    ids = {number: set((await services.memories.entries(owner))[1]) for number, owner in owners.items()}
    loop = asyncio.get_running_loop()
    forms = ("' OR 1=1 --", '" OR owner LIKE "%', "*", "owner:*", "caller_%", "NEAR(marimba sitar)", "\x00")
    names = [name for some in ids.values() for name in some]
    crafted = st.sampled_from([*owners.values(), *names, *SECRETS, *SECRETS.values(), *forms])
    queries = st.lists(crafted | st.text(max_size=40), min_size=1, max_size=4).map(
        lambda parts: " ".join(parts)[:1000]
    )

    @settings(max_examples=150, deadline=None)
    @given(
        queries.filter(bool), st.sampled_from(sorted(SECRETS)), st.sampled_from(["agent_a", "agent_b", None])
    )
    def ask(query: str, number: str, agent: str | None) -> None:
        async def answers() -> tuple[list[str], list[str]]:
            index = await services.shelf.index(owners[number])
            hits = await services.shelf.search(owners[number], index, query, agent, today=TODAY, limit=20)
            body = await services.recall.search(
                Search(query=query, caller_id=number, agent_id=agent, search_all_agents=True, limit=20)
            )
            return [hit.id for hit in hits], [json.dumps(body)]

        found, (body,) = asyncio.run_coroutine_threadsafe(answers(), loop).result(20)
        assert set(found) <= ids[number]
        for other in set(SECRETS) - {number}:
            assert not any(name in body for name in ids[other])
            assert json.dumps(SECRETS[other])[1:-1] not in body

    await asyncio.to_thread(ask)
