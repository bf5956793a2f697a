"""The replica in OpenMemory: nothing lost, nothing altered, nothing under another caller, whatever the server does.

Everything runs against the fake server in both dialects; where ELAAOMS_TEST_OPENMEMORY_URL (and _KEY) name a
real one, the tests that need no fault run against that as well. Its data should be throw-away.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sqlite3
import string
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import define, evolve
from fakes_openmemory import (
    OM_KEY,
    TENANT,
    FakeOpenMemory,
    answers,
    cuts,
    drops,
    hangs,
    loses,
    overloaded,
    serving,
)
from yarl import URL

from elaaoms.database import Database, migrations
from elaaoms.errors import NotFound, ProviderBlocked, ServiceRejected, ServiceUnavailable
from elaaoms.jobs import Done, Job, Postponed, Schedule, State
from elaaoms.jobs.sqlite import SQLiteJobQueue
from elaaoms.memory import Category, Memory, Status
from elaaoms.memory.openmemory import Item, OpenMemory
from elaaoms.memory.sqlite import _SAVE_MEMORY, SQLiteMemoryStore, _memory_values, _sealed
from elaaoms.replica.mirror import Mirror, user_of
from elaaoms.replica.outbox import Outbox

NOW = 4_000_000_000.0  # later than any clock of the database, so that everything is due
ROBIN, ANNA = "caller_" + "1" * 32, "caller_" + "2" * 32
REAL = os.environ.get("ELAAOMS_TEST_OPENMEMORY_URL", "")
REAL_KEY = os.environ.get("ELAAOMS_TEST_OPENMEMORY_KEY")


def a_memory(content: str, *, owner: str = ROBIN, **more: Any) -> Memory:
    values: dict[str, Any] = {
        "id": f"mem_{uuid.uuid4().hex[:24]}",
        "owner": owner,
        "agent_id": "agent_a",
        "heard_by": ("agent_a",),
        "conversation_id": "conv_1",
        "category": Category.FACTUAL,
        "content": content,
        "importance": 5,
        "confidence": 0.75,
        "source_quote": content[:600],
        "turn": 1,
        "event_date": None,
        "slot": "",
        "value": "",
        "topic": "",
        "valid_from": 1793620800.5,
        "valid_until": None,
        "status": Status.ACTIVE,
        "superseded_by": None,
        "conflict_with": None,
        "reinforcements": 0,
        "first_heard": 1793620800.5,
        "last_heard": 1793620800.5,
    }
    return Memory(**values | more)


@define
class Bench:
    """Our side: a database, its queue, and a mirror that may be replaced as after a crash."""

    url: str
    key: str | None
    database: Database
    queue: SQLiteJobQueue
    memories: SQLiteMemoryStore
    outbox: Outbox
    origin: str
    store: str = "all"
    now: float = NOW
    _mirror: Mirror | None = None
    _service: OpenMemory | None = None

    @property
    def mirror(self) -> Mirror:
        if self._mirror is None:
            self._service = OpenMemory(self.url, self.key, timeout_s=2.0)
            self._mirror = Mirror(
                self._service,
                self.outbox,
                self.memories,
                origin=self.origin,
                store=self.store,
                live_timeout_s=0.3,
                clock=lambda: self.now,
            )
        return self._mirror

    @property
    def service(self) -> OpenMemory:
        assert self.mirror is not None
        assert self._service is not None
        return self._service

    async def crash(self) -> None:
        """Our process ends; the next one starts on the same database."""
        if self._service is not None:
            await self._service.close()
        self._mirror = self._service = None
        await self.queue.rescue(now=self.now)

    async def aim(self, store: str = "all") -> None:
        self.store = store
        await self.crash()
        await self.outbox.aim(self.url, store, now=self.now)
        await self.outbox.resume(now=self.now)

    async def save(self, *memories: Memory) -> None:
        rows = [_sealed(_memory_values(memory), "memories") for memory in memories]
        await self.database.write(lambda tx: tx.executemany(_SAVE_MEMORY, rows).rowcount)

    async def sql(self, statement: str, *values: Any) -> None:
        await self.database.write(lambda tx: tx.execute(statement, values).rowcount)

    async def there(self) -> list[Item]:
        """What stands on the other side of ours."""
        return [
            item async for item in self.service.everything() if item.metadata.get("origin") == self.origin
        ]

    async def owed(self) -> int:
        return (await self.outbox.backlog())[0]

    async def work(self, *, limit: int = 10_000) -> list[tuple[Job, Any]]:
        """Run every job that is due, one after the other; each with its outcome."""
        ran = []
        while len(ran) < limit and (job := await self.queue.claim(now=self.now, kind="replicate")):
            outcome = await self.mirror.replicate(job)
            await self.queue.settle(job, outcome, now=self.now)
            ran.append((job, outcome))
        return ran

    async def finish(self) -> None:
        """Go on, while the clock runs, until nothing is owed."""
        for _ in range(200):
            await self.work()
            if not await self.owed():
                return
            self.now += 1800
            await self.outbox.resume(now=self.now)
        raise AssertionError(f"{await self.owed()} are still owed: {(await self.mirror.standing()).trouble}")


@asynccontextmanager
async def bench_at(url: str, key: str | None, folder: Path, store: str = "all") -> AsyncIterator[Bench]:
    async with Database.open(folder / "elaaoms.db") as database:
        queue = SQLiteJobQueue(database, Schedule())
        outbox = Outbox(database, queue)
        bench = Bench(
            url, key, database, queue, SQLiteMemoryStore(database), outbox, origin=uuid.uuid4().hex[:12]
        )
        await bench.aim(store)
        try:
            yield bench
        finally:
            await bench.crash()


@pytest.fixture(params=["1.3.0", "1.3.3", "head"])
def fake(request: pytest.FixtureRequest) -> FakeOpenMemory:
    return FakeOpenMemory(request.param)


@pytest.fixture
async def bench(fake: FakeOpenMemory, tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(fake) as url, bench_at(url, OM_KEY, tmp_path) as bench:
        yield bench


@pytest.fixture(params=["1.3.0", "head", "real"])
async def any_server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """A server without faults of our making: the fake in both dialects, and a real one if there is one."""
    if request.param == "real":
        if not REAL:
            pytest.skip("ELAAOMS_TEST_OPENMEMORY_URL does not name a real OpenMemory server")
        async with bench_at(REAL.rstrip("/"), REAL_KEY, tmp_path) as bench:
            yield bench
        return
    async with serving(FakeOpenMemory(request.param)) as url, bench_at(url, OM_KEY, tmp_path) as bench:
        yield bench


# -- what goes there ---------------------------------------------------------------------


async def test_every_memory_arrives_whole_and_is_read_back(any_server: Bench) -> None:
    robins = [
        a_memory("Prefers morning appointments."),
        a_memory("Заказ задерживается на неделю."),
        a_memory("注文がまだ届いていません。"),
        a_memory("x" * 400),
        a_memory("Said twice."),
        a_memory("Said twice."),
    ]
    annas = [a_memory("Prefers morning appointments.", owner=ANNA), a_memory("Said twice.", owner=ANNA)]
    await any_server.save(*robins, *annas)
    await any_server.finish()
    for owner, memories in ((ROBIN, robins), (ANNA, annas)):
        found = [
            item
            async for item in any_server.service.of_user(user_of(owner))
            if item.metadata["origin"] == any_server.origin
        ]
        assert sorted(item.content for item in found) == sorted(m.content for m in memories)
        assert {item.metadata["memory"] for item in found} == {m.id for m in memories}
        assert all(item.metadata["text"] == item.content for item in found)
    verified = await any_server.mirror.verify()
    assert verified.sound
    assert verified.memories == 8
    for owner in (ROBIN, ANNA):
        assert (await any_server.mirror.forget(owner)).remaining == 0


async def test_a_change_is_patched_and_a_lost_memory_is_deleted(any_server: Bench) -> None:
    stays, goes = a_memory("Lives in Leeds."), a_memory("Rents a kayak.")
    await any_server.save(stays, goes)
    await any_server.finish()
    moved = evolve(stays, content="Lives in York.", importance=9, agent_id=None, reinforcements=2)
    await any_server.save(moved, evolve(goes, status=Status.FORGOTTEN))
    await any_server.finish()
    items = [
        item
        async for item in any_server.service.of_user(user_of(ROBIN))
        if item.metadata.get("origin") == any_server.origin
    ]
    assert [(item.content, item.metadata["agent_id"]) for item in items] == [("Lives in York.", "*")]
    assert items[0].metadata["reinforcement_count"] == 2
    assert (await any_server.mirror.verify()).sound
    assert (await any_server.mirror.forget(ROBIN)).remaining == 0


async def test_no_phone_number_and_no_key_of_ours_stands_in_a_path_or_query(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    await bench.save(a_memory("Lives in Leeds.", owner="conversation:conv_1"), a_memory("Rents a boat."))
    await bench.finish()
    await bench.mirror.hits(ROBIN, "+12025550142", limit=5)
    await bench.sql("DELETE FROM memories")
    await bench.finish()
    await bench.mirror.forget(ROBIN)
    users = {r.query["user_id"] for r in fake.requests if "user_id" in r.query} - {"__probe__"}
    assert all(re.fullmatch(r"c_[0-9a-f]{32}", user) for user in users)
    paths = {request.path for request in fake.requests}
    assert all(re.fullmatch(r"/[a-z]+(/[a-z]+|/[0-9a-f-]{36}|/c_[0-9a-f]{32}/memories)?", p) for p in paths)
    assert not [p for p in paths if p.startswith("/users/")] or not fake.tenant
    assert not [r for r in fake.requests if r.method == "DELETE" and r.path.startswith("/users")]


@pytest.mark.parametrize(("store", "kept"), [("all", 3), ("shared", 1), ("none", 0)])
async def test_the_setting_says_what_leaves_the_house_also_when_it_is_changed(
    any_server: Bench, store: str, kept: int
) -> None:
    bench = any_server
    await bench.save(a_memory("One."), a_memory("Two."), a_memory("Shared.", agent_id=None))
    await bench.finish()
    assert len(await bench.there()) == 3
    await bench.aim(store)
    await bench.finish()
    assert len(await bench.there()) == kept
    assert (await bench.mirror.verify()).sound
    await bench.aim("all")
    await bench.finish()
    assert len(await bench.there()) == 3
    await bench.mirror.forget(ROBIN)


async def test_shared_sentences_colliding_templates_and_every_script_arrive_as_they_are(
    any_server: Bench,
) -> None:
    dice = random.Random(7)  # noqa: S311
    kept = [a_memory(a_text(dice), owner=ROBIN if n % 2 else ANNA) for n in range(60)]
    await any_server.save(*kept)
    await any_server.finish()
    there = {item.metadata["memory"]: item for item in await any_server.there()}
    assert {id_: item.content for id_, item in there.items()} == {m.id: m.content for m in kept}
    assert {id_: item.metadata["caller_id"] for id_, item in there.items()} == {
        m.id: user_of(m.owner) for m in kept
    }
    hits = await any_server.mirror.hits(ROBIN, "Igor", limit=5)
    assert hits is not None
    assert set(hits.order) <= {m.id for m in kept if m.owner == ROBIN}
    for owner in (ROBIN, ANNA):
        assert (await any_server.mirror.forget(owner)).remaining == 0


async def test_another_server_gets_everything(bench: Bench, fake: FakeOpenMemory) -> None:
    await bench.save(a_memory("Lives in Leeds."))
    await bench.finish()
    other = FakeOpenMemory(fake.version)
    async with serving(other) as url:
        bench.url = url
        await bench.aim()
        await bench.finish()
        assert other.texts() == fake.texts()


# -- the outbox ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "gone"),
    [
        ("UPDATE memories SET pinned = 1, seal = NULL", False),
        ("UPDATE memories SET status = 'forgotten', seal = NULL", True),
        ("UPDATE memories SET content = 'Edited.', importance = 9, seal = NULL", False),
        ("DELETE FROM memories", True),
        ("UPDATE memories SET owner = 'caller_22222222222222222222222222222222', seal = NULL", False),
    ],
)
async def test_whatever_changes_a_memory_reaches_the_replica(
    any_server: Bench, statement: str, gone: bool
) -> None:
    bench = any_server
    await bench.save(a_memory("Lives in Leeds."))
    await bench.finish()
    await bench.sql(statement)
    waiting = await bench.queue.page(state=State.AVAILABLE)
    assert {job.kind for job in waiting} == {"replicate"}
    await bench.finish()
    there = await bench.there()
    assert len(there) == (0 if gone else 1)
    assert (await bench.mirror.verify()).sound
    if ANNA in statement:
        assert there[0].metadata["caller_id"] == user_of(ANNA)
    for owner in (ROBIN, ANNA):
        await bench.mirror.forget(owner)


async def test_a_rebuild_that_ends_where_it_began_asks_for_nothing(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    memories = [a_memory(f"It rained on day {day}.") for day in range(5)]
    await bench.save(*memories)
    await bench.finish()
    asked = len(fake.requests)
    await bench.sql("DELETE FROM memories")
    await bench.save(*memories)
    assert await bench.owed() == 5
    await bench.finish()
    assert len(fake.requests) == asked


async def test_a_memory_that_comes_and_goes_before_its_turn_is_never_sent(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    await bench.save(a_memory("Lives in Leeds."))
    await bench.sql("DELETE FROM memories")
    await bench.finish()
    assert not fake.requests


async def test_an_undone_change_leaves_nothing_behind(bench: Bench) -> None:
    def undone(tx: Any) -> None:
        tx.execute(_SAVE_MEMORY, _sealed(_memory_values(a_memory("Lives in Leeds.")), "memories"))
        raise NotFound("undone")

    with pytest.raises(NotFound):
        await bench.database.write(undone)
    assert await bench.owed() == 0
    assert await bench.queue.page() == []


async def test_one_owners_changes_arrive_in_their_order(bench: Bench, fake: FakeOpenMemory) -> None:
    memories = [a_memory(f"Number {number}.") for number in range(30)]
    for memory in memories:
        await bench.save(memory)
    await bench.finish()
    assert [name for name, what in fake.writes if what == "add"] == [memory.id for memory in memories]


async def test_without_a_configured_replica_changes_wait_and_queue_nothing(bench: Bench) -> None:
    await bench.outbox.rest()
    await bench.save(a_memory("Lives in Leeds."))
    assert await bench.queue.page() == []
    await bench.aim()
    await bench.finish()
    assert (await bench.mirror.verify()).memories == 1


async def test_what_was_known_before_there_was_a_replica_is_owed_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "elaaoms.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for number, script in migrations():
            if "CREATE TABLE replica" in script:
                values = _sealed(_memory_values(a_memory("Known already.")), "memories")
                connection.execute(_SAVE_MEMORY, values)
            connection.executescript(f"{script}; PRAGMA user_version = {number};")
        assert connection.execute("SELECT changed FROM replica").fetchall() == [(1,)]


async def test_a_memory_that_the_triggers_never_saw_is_found_missing_and_mended(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    await bench.save(a_memory("Lives in Leeds."))
    await bench.finish()
    await bench.sql("DELETE FROM replica")
    fake.rows.clear()
    assert len((await bench.mirror.repair()).missing) == 1
    await bench.finish()
    assert fake.texts() == {"Lives in Leeds.": 1}


# -- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [drops, cuts, loses, answers(b"<html>", 200), answers({}, 500)])
@pytest.mark.parametrize("at", range(5))
async def test_a_fault_at_any_request_loses_and_doubles_nothing(
    bench: Bench, fake: FakeOpenMemory, fault: Any, at: int
) -> None:
    async def fine(_: Any, __: Any, act: Callable[[], Any]) -> Any:
        return act()

    fake.script.extend([fine] * at + [fault])
    await bench.save(a_memory("Lives in Leeds."), a_memory("Rents a kayak."))
    await bench.finish()
    assert fake.texts() == {"Lives in Leeds.": 1, "Rents a kayak.": 1}
    assert (await bench.mirror.verify()).sound


async def test_a_crash_between_sending_and_noting_leaves_no_copy_behind(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    memory = a_memory("Lives in Leeds.")
    await bench.save(memory)
    await bench.work()  # probes
    await bench.sql("UPDATE replica SET remote = NULL, delivered = NULL")  # as if we had died before
    await bench.crash()
    await bench.sql("DELETE FROM memories")
    await bench.finish()
    assert not fake.rows


@pytest.mark.parametrize(
    "change", ["UPDATE memories SET content = 'New.', seal = NULL", "DELETE FROM memories"]
)
async def test_a_change_that_is_taken_back_after_it_was_sent_is_taken_back_there_too(
    bench: Bench, fake: FakeOpenMemory, change: str
) -> None:
    memory = a_memory("Old.")
    await bench.save(memory)
    await bench.finish()
    await bench.sql(change)
    fake.script.extend(
        [cuts, drops]
    )  # it is done there, and we do not hear of it, also when aiohttp asks again
    await bench.work(limit=1)
    assert fake.texts() != {"Old.": 1}
    await bench.save(memory)
    await bench.finish()
    assert fake.texts() == {"Old.": 1}
    assert (await bench.mirror.verify()).sound


async def test_a_server_that_alters_everything_is_not_asked_without_end(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    await bench.save(a_memory("Lives in Leeds."))
    await bench.mirror.look()
    altered = answers({"id": "0" * 36, "content": "?", "metadata": {}})

    async def fine(_: Any, __: Any, act: Callable[[], Any]) -> Any:
        return act()

    fake.script.extend([fine, fine, altered] * 50)
    ((_, outcome),) = await bench.work(limit=1)
    assert isinstance(outcome, Postponed)
    assert "otherwise than it was sent" in outcome.reason
    assert len(fake.requests) < 10


async def test_a_change_that_is_made_during_the_delivery_is_delivered_next(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    memory = a_memory("Old.")
    await bench.save(memory)
    await bench.mirror.look()

    async def meanwhile(_: Any, __: Any, act: Callable[[], Any]) -> Any:
        await bench.save(evolve(memory, content="New."))
        return act()

    fake.script.append(meanwhile)
    ((job, outcome),) = await bench.work(limit=1)
    assert isinstance(outcome, Done)
    assert (await bench.queue.get(job.id)).state is State.COMPLETED
    await bench.work()  # the next job was queued as the first one ended
    assert fake.texts() == {"New.": 1}
    assert await bench.owed() == 0


async def test_clashing_keys_cost_a_memory_another_key_and_nothing_else(tmp_path: Path) -> None:
    fake = FakeOpenMemory("1.3.0", hash_bits=7)  # 128 hashes for 40 memories of two callers
    async with serving(fake) as url, bench_at(url, OM_KEY, tmp_path) as bench:
        memories = [a_memory(f"Fact {n}.", owner=ROBIN if n % 2 else ANNA) for n in range(40)]
        await bench.save(*memories)
        await bench.finish()
        verified = await bench.mirror.verify()
        assert verified.sound
        assert verified.items == 40
        assert fake.texts(user_of(ANNA)) == {f"Fact {n}.": 1 for n in range(0, 40, 2)}


async def test_a_memory_that_is_refused_holds_up_no_other(bench: Bench, fake: FakeOpenMemory) -> None:
    refused, fine = a_memory("First."), a_memory("Second.")
    await bench.save(refused, fine)
    await bench.mirror.look()
    fake.script.append(answers({"err": "content"}, 400))
    ((_, outcome),) = await bench.work(limit=1)
    assert isinstance(outcome, Postponed)
    assert list(fake.texts()) == ["Second."]
    await bench.finish()
    assert len(fake.rows) == 2


async def test_waits_grow_to_half_an_hour_and_never_end(bench: Bench, fake: FakeOpenMemory) -> None:
    fake.down = True
    await bench.save(a_memory("Lives in Leeds."))
    waits = []
    for _ in range(40):
        ((job, _),) = await bench.work(limit=1)
        job = await bench.queue.get(job.id)
        assert (job.state, job.attempt) == (State.AVAILABLE, 0)
        assert len(job.errors) <= 10
        waits.append(job.run_at - bench.now)
        bench.now = job.run_at
    assert waits[:6] == [5, 5, 10, 20, 40, 80]
    assert waits[-1] == 1800
    assert sum(waits) > 12 * 3600
    fake.down = False
    await bench.finish()
    assert len(fake.rows) == 1


async def test_when_the_server_is_back_nobody_waits_any_longer(bench: Bench, fake: FakeOpenMemory) -> None:
    fake.down = True
    await bench.save(*(a_memory("Hello.", owner=f"caller_{n:032x}") for n in range(10)))
    await bench.work(limit=10)
    assert (await bench.mirror.standing()).trouble
    await bench.mirror.look()
    assert await bench.work() == []
    fake.down = False
    await bench.mirror.look()
    await bench.work()
    assert await bench.owed() == 0
    assert (await bench.mirror.standing()).trouble is None


async def test_a_server_that_wants_patience_gets_it(bench: Bench, fake: FakeOpenMemory) -> None:
    fake.clock = lambda: bench.now
    fake.rate, fake.window_s = 20, 60.0
    await bench.save(*(a_memory(f"Fact {n}.") for n in range(12)))
    ((job, outcome),) = await bench.work(limit=1)
    assert isinstance(outcome, Postponed)
    assert 1 <= (outcome.after_s or 0) <= 60
    assert (await bench.queue.get(job.id)).run_at >= bench.now + (outcome.after_s or 0)
    await bench.finish()
    assert len(fake.rows) == 12


async def test_a_server_that_changes_its_dialect_is_probed_again(bench: Bench, fake: FakeOpenMemory) -> None:
    await bench.save(a_memory("Lives in Leeds."))
    await bench.finish()
    fake.version = "1.3.0" if fake.tenant else "head"
    await bench.save(a_memory("Rents a kayak."))
    await bench.crash()
    await bench.work()
    assert bench.service.dialect == ("tenant" if fake.tenant else "user")


# -- which server it is ----------------------------------------------------------------------------


@asynccontextmanager
async def probing(fake: FakeOpenMemory, key: str | None = OM_KEY) -> AsyncIterator[OpenMemory]:
    async with serving(fake) as url:
        service = OpenMemory(url, key, timeout_s=0.5)
        try:
            yield service
        finally:
            await service.close()


@pytest.mark.parametrize(
    ("version", "dialect"), [("1.2.0", "user"), ("1.3.0", "user"), ("1.3.3", "user"), ("head", "tenant")]
)
async def test_the_dialect_is_found_by_one_read(version: str, dialect: str) -> None:
    fake = FakeOpenMemory(version)
    async with probing(fake) as service:
        assert await service.probe() == dialect
    assert [(r.method, r.path) for r in fake.requests] == [("GET", "/memory/all")]


@pytest.mark.parametrize(
    ("fake", "key", "words"),
    [
        (FakeOpenMemory("head"), None, "wants a key: put its OM_API_KEY into secrets/openmemory_api_key"),
        (FakeOpenMemory("1.3.0"), "wrong", "refuses the key"),
        (FakeOpenMemory("head", key=None), "any", "has no key of its own"),
        (FakeOpenMemory("longmemory"), OM_KEY, "LongMemory 1.x"),
    ],
)
async def test_what_is_wrong_is_said_in_one_sentence_with_the_mend(
    fake: FakeOpenMemory, key: str | None, words: str
) -> None:
    async with probing(fake, key) as service:
        with pytest.raises(ProviderBlocked, match=re.escape(words)) as caught:
            await service.probe()
    assert "\n" not in str(caught.value)
    assert OM_KEY not in str(caught.value)


async def test_a_server_that_shows_everything_to_everybody_is_refused_also_when_it_was_empty(
    tmp_path: Path,
) -> None:
    fake = FakeOpenMemory("1.2.0")
    async with serving(fake) as url, bench_at(url, OM_KEY, tmp_path) as bench:
        await bench.save(a_memory("First."), a_memory("Second."))
        await bench.work(limit=1)
        assert "everybody" in ((await bench.mirror.standing()).trouble or "")
        assert list(fake.texts()) == ["First."]  # it was empty, and could not be told from others


@pytest.mark.parametrize("stuck", ["broken", "hanging"])
async def test_a_database_that_is_stuck_behind_a_healthy_face_is_named(stuck: str) -> None:
    fake = FakeOpenMemory("head", broken=stuck == "broken")
    if stuck == "hanging":
        fake.script.append(hangs)
    async with probing(fake) as service:
        with pytest.raises(ServiceUnavailable, match="restart it, and run it on SQLite"):
            await service.probe()


async def test_what_is_not_openmemory_and_what_does_not_listen_are_told_apart() -> None:
    fake = FakeOpenMemory("1.3.0")
    async with probing(fake) as service:
        fake.script.extend([answers(b"<html>hello</html>", 404, "text/html")] * 2)
        with pytest.raises(ProviderBlocked, match="not an OpenMemory server"):
            await service.probe()
        fake.script.append(answers(b"", 302))
        with pytest.raises(ProviderBlocked, match="redirects"):
            await service.probe()
        fake.down = True
        with pytest.raises(ServiceUnavailable, match="is it running at http://127"):
            await service.probe()


async def test_an_id_that_would_kill_the_server_is_never_put_into_a_path() -> None:
    fake = FakeOpenMemory("1.3.0")
    async with probing(fake) as service:
        with pytest.raises(ServiceRejected):
            await service.get("%E0%A4%A", "c_1")
        fake.script.extend([answers({"items": []}), answers({"id": "../%E0%A4%A"})])
        with pytest.raises(ServiceUnavailable):
            await service.add("c_1", "text", {}, [])
    assert not fake.dead


async def test_the_fake_misbehaves_as_the_real_server_was_measured() -> None:
    now = [NOW]
    fake = FakeOpenMemory("1.3.3", clock=lambda: now[0])
    headers = {"Authorization": f"Bearer {OM_KEY}"}
    async with serving(fake) as url, aiohttp.ClientSession(url, headers=headers) as session:

        async def ask(method: str, path: str, **body: Any) -> Any:
            async with session.request(method, path, json=body) as response:
                return await response.json()

        mine = await ask("POST", "/memory/add", content="Said by both.", user_id="a")
        theirs = await ask("POST", "/memory/add", content="Said by both.", user_id="b")
        assert (theirs["id"], theirs["deduplicated"]) == (mine["id"], True)  # and b has nothing
        assert (await ask("GET", "/users/b/memories"))["items"] == []
        one = await ask("POST", "/memory/add", content="Заказ опаздывает.", user_id="a")
        other = await ask("POST", "/memory/add", content="Звонил брат.", user_id="a")
        assert other["id"] == one["id"]
        long = await ask("POST", "/memory/add", content="word" * 60, user_id="a")
        assert (await ask("GET", f"/memory/{long['id']}"))["content"] == ""
        asked = {"query": "said", "k": 8, "user_id": "a"}
        matches = (await ask("POST", "/memory/query", **asked))["matches"]
        assert sum(match["score"] for match in matches) == pytest.approx(0)
        assert not {"metadata", "tags"} & matches[0].keys()
        assert await ask("POST", "/memory/reinforce", id=long["id"], boost=0.3) == {"ok": True}
        await ask("DELETE", f"/memory/{mine['id']}")
        assert await ask("GET", f"/memory/{mine['id']}") == {"err": "nf"}
        assert mine["id"] in str(await ask("POST", "/memory/query", **asked))  # for a minute
        now[0] += 61
        assert mine["id"] not in str(await ask("POST", "/memory/query", **asked))
        with pytest.raises(aiohttp.ClientError):
            await session.get(URL(f"{url}/memory/%E0%A4%A", encoded=True))
        with pytest.raises(aiohttp.ClientError):
            await ask("GET", "/health")


# -- both sides compared -------------------------------------------------------------------------------


async def test_verify_names_every_difference_and_repair_mends_it(bench: Bench, fake: FakeOpenMemory) -> None:
    memories = [a_memory(f"Fact {n}.") for n in range(6)]
    await bench.save(*memories)
    await bench.finish()
    at = {row.metadata["memory"]: row for row in fake.rows.values()}
    del fake.rows[at[memories[0].id].id]
    at[memories[1].id].content = "Something else."
    at[memories[2].id].metadata = at[memories[2].id].metadata | {"importance_score": 1}
    copy = fake.rows[fake.write("copy")]
    copy.content, copy.metadata = "Fact 3.", dict(at[memories[3].id].metadata)
    copy.user = at[memories[3].id].user
    if not fake.tenant:
        at[memories[4].id].user = user_of(ANNA)
        await bench.save(a_memory("Hers.", owner=ANNA))
        await bench.finish()
    fake.write("Not ours.", user=user_of(ROBIN))
    found = await bench.mirror.repair()
    lost = {memories[0].id} if fake.tenant else {memories[0].id, memories[4].id}
    assert {entry.memory for entry in found.missing} == lost
    assert {entry.memory for entry in found.altered} == {memories[1].id, memories[2].id}
    assert [entry.remote for entry in found.stray] == [copy.id]
    assert len(found.foreign) == 1
    assert len(found.misplaced) == (0 if fake.tenant else 1)
    await bench.finish()
    verified = await bench.mirror.verify()
    assert verified.sound
    assert "Not ours." in fake.texts()


async def test_memories_of_another_installation_are_left_alone(bench: Bench, fake: FakeOpenMemory) -> None:
    await bench.save(a_memory("Ours."))
    await bench.finish()
    theirs = fake.rows[fake.write("Theirs.", user=user_of(ROBIN))]
    theirs.metadata = next(iter(fake.rows.values())).metadata | {"origin": "another", "memory": "mem_x"}
    found = await bench.mirror.repair()
    assert (found.sound, len(found.foreign)) == (True, 1)
    assert theirs.id in fake.rows


# -- forgetting ------------------------------------------------------------------------------------------


async def test_a_forgotten_caller_is_gone_there_and_others_are_not(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    await bench.save(*(a_memory(f"Fact {n}.") for n in range(3)), a_memory("Hers.", owner=ANNA))
    await bench.finish()
    if not fake.tenant:
        fake.write("From the shop.", user=user_of(ROBIN))
    await bench.mirror.hits(ROBIN, "fact", limit=5)  # now the server's cache knows them
    await bench.sql("DELETE FROM memories WHERE owner = ?", ROBIN)
    proof = await bench.mirror.forget(ROBIN)
    assert (proof.deleted, proof.remaining) == (3 if fake.tenant else 4, 0)
    assert proof.quiet_at == bench.now + 60
    assert fake.texts() == {"Hers.": 1}
    assert await bench.mirror.hits(ROBIN, "fact", limit=5) is not None
    hits = await bench.mirror.hits(ROBIN, "fact", limit=5)  # the cache still serves what is gone
    assert hits is not None
    assert not hits.foreign
    assert not hits.order
    assert await bench.outbox.of_owner(ROBIN) == []


async def test_forgetting_while_the_server_is_down_says_so_and_happens_later(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    await bench.save(a_memory("Lives in Leeds."))
    await bench.finish()
    fake.down = True
    await bench.sql("DELETE FROM memories")
    with pytest.raises(ServiceUnavailable):
        await bench.mirror.forget(ROBIN)
    fake.down = False
    await bench.finish()
    assert not fake.rows


# -- during a call -----------------------------------------------------------------------------------------


async def test_a_search_finds_ours_by_rank_and_what_others_wrote_for_the_same_caller(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    boat, tea = a_memory("The caller rents a boat."), a_memory("The caller likes tea.")
    await bench.save(boat, tea, a_memory("The caller rents a boat too.", owner=ANNA))
    await bench.finish()
    shop = fake.write(
        "The caller rents a boat from the shop.",
        user=user_of(ROBIN),
        caller_id=user_of(ROBIN),
        category="issue",
    )
    fake.write("The caller rents a boat in secret.", user=user_of(ANNA), caller_id=user_of(ANNA))
    fake.write("boat" * 60, user=user_of(ROBIN), caller_id=user_of(ROBIN))  # stored as ""
    hits = await bench.mirror.hits(ROBIN, "which boat does the caller rent", limit=5)
    assert hits is not None
    assert {boat.id, tea.id, f"om_{shop}"} == set(hits.order)
    (foreign,) = hits.foreign
    assert (foreign.content, foreign.category, foreign.owner) == (
        "The caller rents a boat from the shop.",
        Category.ISSUE,
        ROBIN,
    )


async def test_nobody_on_the_phone_waits_for_a_slow_server_and_after_three_it_is_left_alone(
    bench: Bench, fake: FakeOpenMemory
) -> None:
    await bench.save(a_memory("Lives in Leeds."))
    await bench.finish()
    fake.delay_s = 1.0
    loop = asyncio.get_running_loop()
    asked, began = len(fake.requests), loop.time()
    for _ in range(10):
        assert await bench.mirror.hits(ROBIN, "where", limit=5) is None
    assert loop.time() - began < 2.5  # ten deadlines are three seconds
    assert len(fake.requests) - asked == 3
    assert "within 300 ms" in ((await bench.mirror.standing()).resting or "")


@pytest.mark.parametrize(
    "fault", [drops, overloaded, answers({"matches": "?"}), answers({}, 429), answers({}, 401)]
)
async def test_a_search_survives_whatever_the_server_answers(
    bench: Bench, fake: FakeOpenMemory, fault: Any
) -> None:
    await bench.save(a_memory("Lives in Leeds."))
    await bench.finish()
    fake.script.append(fault)
    hits = await bench.mirror.hits(ROBIN, "where", limit=5)
    assert hits is None or not hits.order


async def test_what_the_server_shows_of_another_user_is_not_told(bench: Bench, fake: FakeOpenMemory) -> None:
    await bench.mirror.look()
    hit = {"id": "7" * 32, "content": "Hers."}
    item = hit | {"user_id": user_of(ANNA), "metadata": {"caller_id": user_of(ANNA)}}
    fake.script.extend([answers({"matches": [hit]}), answers(item)])
    hits = await bench.mirror.hits(ROBIN, "hers", limit=5)
    assert hits is not None
    assert not hits.foreign


# -- everything at once --------------------------------------------------------------------------------------

SCRIPTS = (
    "Der Anrufer wohnt in Köln. ",
    "Igor is worried about the contract in 2025 at the branch. ",
    "Igor is waiting for the fridge on Monday at the branch. ",
    "Заказ ещё не пришёл. ",
    "注文が届きません。",
    "الطلب متأخر. ",
    "הזמנה לא הגיעה. ",
    "👩‍👩‍👧 ",
    "a\u0000b\u200b ",
    "'; DROP TABLE memories; -- <b>%E0%A4%A</b> ",
)


def a_text(dice: random.Random) -> str:
    """1 to 2,000 characters: shared sentences, colliding templates, every script, single words and long ones."""
    kind = dice.random()
    if kind < 0.25:
        return dice.choice(SCRIPTS)
    if kind < 0.5:
        return f"Caller has {dice.randint(1, 4)} kids and order {dice.randint(1, 9)} is late."
    if kind < 0.6:
        return "".join(dice.choices(string.ascii_letters, k=dice.randint(1, 2000)))
    text = "".join(dice.choices(SCRIPTS, k=dice.randint(1, 80)))
    return text[: dice.randint(1, 2000)]


async def storm(
    fake: FakeOpenMemory, url: str, folder: Path, *, memories: int, callers: int, seed: int
) -> None:
    """Many memories of many callers, changed and deleted under faults, crashes of both sides and outages."""
    dice = random.Random(seed)  # noqa: S311
    owners = [f"caller_{dice.getrandbits(128):032x}" for _ in range(callers)]
    async with bench_at(url, OM_KEY, folder) as bench:
        kept: dict[str, Memory] = {}
        ends = [drops, cuts, answers({"err": "x"}, 500), answers(b"<html>"), loses, answers({}, 429)]
        for start in range(0, memories, 50):
            new = [
                a_memory(
                    a_text(dice),
                    owner=dice.choice(owners),
                    agent_id=dice.choice(["agent_a", "agent_b", None]),
                )
                for _ in range(min(50, memories - start))
            ]
            changed = [
                evolve(memory, content=a_text(dice), reinforcements=memory.reinforcements + 1)
                for memory in dice.sample(list(kept.values()), min(10, len(kept)))
            ]
            lost = dice.sample(
                [m for m in kept if m not in {c.id for c in changed}], min(3, max(0, len(kept) - 10))
            )
            await bench.save(*new, *changed)
            kept |= {memory.id: memory for memory in (*new, *changed)}
            for memory_id in lost:
                await bench.sql("DELETE FROM memories WHERE id = ?", memory_id)
                del kept[memory_id]
            for _ in range(4):
                good = dice.randint(1, 60)

                async def fine(_: Any, __: Any, act: Callable[[], Any]) -> Any:
                    return act()

                fake.script.extend([*[fine] * good, dice.choice(ends)])
            fake.down = dice.random() < 0.1
            working = asyncio.create_task(bench.work(limit=30))
            if dice.random() < 0.3:  # we die at some request
                countdown = iter(range(dice.randint(1, 40), -1, -1))

                def dies(task: asyncio.Task[Any] = working, left: Any = countdown) -> None:
                    if next(left, None) == 0:
                        task.cancel()

                fake.on_request = dies
            await asyncio.wait([working])
            fake.on_request = lambda: None
            if working.cancelled() or dice.random() < 0.1:
                await bench.crash()
            else:
                working.result()
            fake.down = False
            bench.now += dice.randint(1, 2000)
        fake.script.clear()
        await bench.finish()
        await bench.queue.rescue(now=bench.now)
        await bench.finish()
        found = await bench.mirror.verify()
        assert (found.missing, found.altered, found.misplaced, found.stray, found.foreign) == ((),) * 5
        assert found.items == found.memories == len(kept)
        there = {row.metadata["memory"]: row for row in fake.rows.values()}
        for memory in kept.values():
            row = there[memory.id]
            assert row.content == row.metadata["text"] == memory.content
            assert row.metadata["caller_id"] == user_of(memory.owner)
            assert row.user == (TENANT if fake.tenant else user_of(memory.owner))
        if not fake.tenant:
            for owner in owners:
                async for item in bench.service.of_user(user_of(owner)):
                    assert kept[item.metadata["memory"]].owner == owner


@pytest.mark.parametrize(("version", "bits", "seed"), [("1.3.0", 32, 1), ("head", 32, 2), ("1.3.0", 13, 3)])
async def test_nothing_is_lost_altered_or_anybody_elses_whatever_happens(
    version: str, bits: int, seed: int, tmp_path: Path
) -> None:
    size = int(os.environ.get("ELAAOMS_TEST_REPLICA_MEMORIES", "250"))
    fake = FakeOpenMemory(version, hash_bits=bits)
    async with serving(fake) as url:
        await storm(fake, url, tmp_path, memories=size, callers=50, seed=seed)
