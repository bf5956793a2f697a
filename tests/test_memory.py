"""The suite of the MemoryStore port, run over each implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from elaaoms.calls.sqlite import SQLiteCallStore
from elaaoms.database import Database
from elaaoms.errors import NotFound
from elaaoms.identity import Address
from elaaoms.memory import Category, Fact, Heard, Memory, MemoryStore, Prepared, Status
from elaaoms.memory.sqlite import SQLiteMemoryStore
from elaaoms.reconcile import Policy, fact_key, learn

DAY = 86400.0
ROBIN, ANNA = "caller_" + "1" * 32, "caller_" + "2" * 32
RECONCILE = partial(learn, policy=Policy())


@frozen
class Bench:
    """A store on a real file."""

    store: MemoryStore
    database: Database

    async def hear(
        self, day: int, *facts: Fact, caller: str = ROBIN, agent: str = "agent_a", arrived: float = 0.0
    ) -> int:
        conversation = f"conv_{day}"
        heard = [
            Heard(
                key=fact_key(conversation, fact),
                fact=fact,
                source="call",
                heard_at=day * DAY,
                arrived_at=arrived,
                agent_id=agent,
                conversation_id=conversation,
            )
            for fact in facts
        ]
        return await self.database.write(
            lambda tx: self.store.learn(
                tx, heard, owner=caller, conversation_id=conversation, reconcile=RECONCILE
            )
        )

    async def note(self, *keys: str, caller: str = ROBIN) -> int:
        heard = [Heard(key=key, fact=plain(f"Note {key}."), source="operator", heard_at=DAY) for key in keys]
        return await self.database.write(
            lambda tx: self.store.learn(tx, heard, owner=caller, conversation_id=None, reconcile=RECONCILE)
        )

    async def all(self, **filters: Any) -> list[Memory]:
        return await self.store.page(limit=100, **filters)


@pytest.fixture(params=[SQLiteMemoryStore])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with Database.open(tmp_path / "elaaoms.db") as database:
        yield Bench(request.param(database), database)


def plain(content: str, **more: Any) -> Fact:
    return Fact(
        **{"category": Category.FACTUAL, "content": content, "importance": 5, "quote": content} | more
    )


def home(place: str, **more: Any) -> Fact:
    return plain(f"The caller lives in {place}.", slot="residence", value=place.lower(), **more)


def texts(memories: list[Memory], status: Status = Status.ACTIVE) -> set[str]:
    return {memory.content for memory in memories if memory.status is status}


async def test_what_was_heard_is_found_again_with_everything_that_was_said_of_it(bench: Bench) -> None:
    said = home("Leeds", importance=6, confidence=0.75, turn=4, topic="your order")
    await bench.hear(1, said)
    (memory,) = await bench.store.active(ROBIN)
    assert (memory.content, memory.source_quote, memory.turn) == (said.content, said.quote, 4)
    assert (memory.importance, memory.confidence, memory.topic) == (6, 0.75, "your order")
    assert memory == await bench.store.get(memory.id)
    assert memory.caller == ROBIN


async def test_processing_a_call_twice_changes_nothing(bench: Bench) -> None:
    assert await bench.hear(1, home("Leeds"), plain("The caller rents a kayak.")) == 2
    before = await bench.all()
    assert await bench.hear(1, home("Leeds"), plain("The caller rents a kayak.")) == 0
    assert await bench.all() == before


async def test_what_was_merged_by_its_words_keeps_every_quote_and_one_id(bench: Bench) -> None:
    await bench.hear(1, plain("The caller rents three kayaks.", quote="I've got three kayaks"))
    (first,) = await bench.all()
    await bench.hear(2, plain("The caller rents 3 kayaks.", quote="my 3 kayaks"))
    (memory,) = await bench.all()
    assert (memory.id, memory.reinforcements) == (first.id, 1)
    evidence = (await bench.store.evidence([memory.id]))[memory.id]
    assert [entry.quote for entry in evidence] == ["I've got three kayaks", "my 3 kayaks"]


async def test_every_quote_of_a_reinforced_memory_is_kept(bench: Bench) -> None:
    await bench.hear(1, home("Leeds", quote="I live in Leeds"))
    await bench.hear(2, home("Leeds", quote="Leeds, as I said"), agent="agent_b")
    (memory,) = await bench.all()
    evidence = (await bench.store.evidence([memory.id]))[memory.id]
    assert [(entry.effect, entry.quote, entry.agent_id) for entry in evidence] == [
        ("added", "I live in Leeds", "agent_a"),
        ("reinforced", "Leeds, as I said", "agent_b"),
    ]
    assert memory.heard_by == ("agent_a", "agent_b")


async def test_a_newer_version_of_a_call_replaces_what_the_old_one_taught(bench: Bench) -> None:
    await bench.hear(1, home("Leeds"))
    await bench.hear(2, home("York"), plain("The caller rents a kayak."))
    await bench.hear(2, plain("The caller rents a boat."))
    memories = await bench.all()
    assert texts(memories) == {"The caller lives in Leeds.", "The caller rents a boat."}
    assert texts(memories, Status.SUPERSEDED) == set()


async def test_a_call_that_turns_out_to_have_said_nothing_takes_its_memories_back(bench: Bench) -> None:
    await bench.hear(1, home("Leeds"))
    await bench.hear(1)
    assert await bench.all() == []


async def test_a_call_that_arrives_late_is_reconciled_where_it_belongs(bench: Bench) -> None:
    await bench.hear(3, home("York"))
    await bench.hear(1, home("Leeds"))
    memories = await bench.all()
    assert texts(memories) == {"The caller lives in York."}
    assert texts(memories, Status.SUPERSEDED) == {"The caller lives in Leeds."}


async def test_the_order_of_arrival_does_not_change_what_is_remembered(bench: Bench, tmp_path: Path) -> None:
    calls = [(1, home("Leeds")), (2, home("York")), (3, home("Leeds")), (4, home("Leeds", importance=9))]
    for day, fact in calls:
        await bench.hear(day, fact)
    async with Database.open(tmp_path / "other.db") as database:
        other = evolve(bench, store=type(bench.store)(database), database=database)  # type: ignore[call-arg]
        for day, fact in reversed(calls):
            await other.hear(day, fact)
        assert sorted(await other.all(), key=lambda m: m.id) == sorted(await bench.all(), key=lambda m: m.id)


async def test_a_call_that_turns_out_to_be_anothers_moves_with_its_memories(bench: Bench) -> None:
    await bench.hear(1, home("Leeds"), caller=ROBIN)
    await bench.hear(1, home("Leeds"), caller=ANNA)
    assert await bench.store.active(ROBIN) == []
    assert texts(await bench.store.active(ANNA)) == {"The caller lives in Leeds."}


async def test_nobody_gets_another_callers_memories(bench: Bench) -> None:
    await bench.hear(1, home("Leeds"), caller=ROBIN)
    await bench.hear(2, home("York"), caller=ANNA)
    assert texts(await bench.store.active(ROBIN)) == {"The caller lives in Leeds."}
    assert texts(await bench.all(owner=ANNA)) == {"The caller lives in York."}


async def test_a_call_without_a_caller_keeps_its_memories_to_itself(bench: Bench) -> None:
    await bench.hear(1, home("Leeds"), caller="conversation:conv_1")
    (memory,) = await bench.all(conversation_id="conv_1")
    assert memory.caller is None


async def test_what_the_operator_says_counts_once_by_its_key(bench: Bench) -> None:
    assert await bench.note("k1", "k2", "k1") == 2
    assert await bench.note("k2", "k3") == 1
    assert len(await bench.all()) == 3


async def test_what_the_operator_said_survives_a_rebuild(bench: Bench) -> None:
    await bench.note("k1")
    await bench.hear(3, home("York"))
    await bench.hear(2, home("Leeds"))
    assert texts(await bench.all()) == {"Note k1.", "The caller lives in York."}


async def test_pages_are_newest_first_and_meet_without_gap_or_overlap(bench: Bench) -> None:
    for day in range(1, 8):
        await bench.hear(day, plain(f"It rained on day {day}."))
    first = await bench.store.page(limit=3)
    second = await bench.store.page(limit=3, after=first[-1].id)
    third = await bench.store.page(limit=3, after=second[-1].id)
    heard = [memory.first_heard / DAY for memory in (*first, *second, *third)]
    assert heard == [7, 6, 5, 4, 3, 2, 1]


async def test_filters_choose_by_agent_category_status_and_conversation(bench: Bench) -> None:
    await bench.hear(1, home("Leeds"), plain("The caller likes tea.", category=Category.PREFERENCE))
    await bench.hear(2, home("York"), agent="agent_b")
    await bench.hear(3, plain("The caller is deaf in one ear.", importance=9), agent="agent_b")
    assert texts(await bench.all(agent_id="agent_a")) == {
        "The caller likes tea.",
        "The caller is deaf in one ear.",
    }
    assert texts(await bench.all(category=Category.PREFERENCE)) == {"The caller likes tea."}
    assert {m.content for m in await bench.all(status=Status.SUPERSEDED)} == {"The caller lives in Leeds."}
    assert {m.content for m in await bench.all(conversation_id="conv_2")} == {"The caller lives in York."}
    counts = await bench.store.count()
    assert counts == {"active": 3, "superseded": 1, "forgotten": 0}


async def test_a_memory_that_is_not_there_is_said_so(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.store.get("mem_nothing")


async def test_an_agent_gets_what_was_prepared_for_it_and_others_what_is_for_everyone(bench: Bench) -> None:
    calls = SQLiteCallStore(bench.database)
    mine = Prepared(variables={"caller_name": "Robin"}, prepared_at=1.0, expires_at=2.0)
    anyone = Prepared(variables={"caller_name": ""}, prepared_at=1.0, expires_at=2.0)

    def write(tx: Any) -> None:
        calls.meet(tx, ROBIN, Address("tel", "+12025550142"), now=1.0)
        bench.store.prepare(tx, ROBIN, {"agent_a": mine, "": anyone})

    await bench.database.write(write)
    assert await bench.store.prepared(ROBIN, "agent_a") == mine
    assert await bench.store.prepared(ROBIN, "agent_b") == anyone
    assert await bench.store.prepared(ROBIN, "") == anyone
    assert await bench.store.prepared(ANNA, "agent_a") is None
