"""A caller who asks to be forgotten is heard; whether that is honoured at once is the operator's decision."""

from __future__ import annotations

import pytest
from attrs import evolve
from conftest import ROBIN, call, started

from elaaoms.config import Config, Privacy
from elaaoms.extract.requests import asked_to_be_forgotten
from elaaoms.webhooks import Turn


def heard(text: str, role: str = "user") -> bool:
    return asked_to_be_forgotten([Turn(role=role, text=text, seconds=0.0)]) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "Please delete all my data.",
        "I'd like you to erase everything you know about me.",
        "Could you remove my personal information, please?",
        "Forget that I ever called.",
        "Just wipe my details. Thanks.",
        "I want to be forgotten.",
        "I want all of my records deleted.",
        "Under my right to be forgotten, close this.",
        "Bitte löschen Sie alle meine Daten.",
        "Können Sie alles, was Sie über mich wissen, vergessen?",
        "Ich möchte, dass meine Daten gelöscht werden.",
        "Por favor, borre todos mis datos.",
        "Quiero que elimine mi información personal.",
        "Olvide todo lo que sabe de mí.",
        "Supprimez toutes mes données, s'il vous plaît.",
        "Je veux que vous effaciez mes informations.",
        "Oubliez tout ce que vous savez sur moi.",
    ],
)
def test_whoever_asks_is_heard(text: str) -> None:
    assert heard(text)


@pytest.mark.parametrize(
    "text",
    [
        "Please don't delete my data.",
        "Did you delete my data last time?",
        "When do you delete my data?",
        "I forgot my password.",
        "Please delete the second item from my order.",
        "Remove me from the waiting list for Tuesday.",
        "My old phone was wiped.",
        "I forgot everything about the appointment.",
        "Löschen Sie bitte die Bestellung, nicht meine Adresse.",
        "Bitte löschen Sie meine Daten nicht.",
        "Vergessen Sie nicht meinen Termin.",
        "Borre el segundo artículo.",
        "N'oubliez pas mes lunettes.",
        "No borre mis datos.",
        "Do you remember my details?",
        "Forget it.",
    ],
)
def test_whoever_speaks_of_something_else_is_not(text: str) -> None:
    assert not heard(text)


def test_what_the_agent_says_is_no_request() -> None:
    assert not heard("I can delete all your data. Delete my data, you say?", role="agent")


async def test_a_request_is_listed_until_it_is_answered(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(call("My name is Robin Baker.", "Please delete all my data."))
        (request,) = (await platform.api("GET", "/api/requests")).data["requests"]
        assert (request["conversation_id"], request["turn"]) == ("conv_test", 2)
        job = (await platform.api("POST", "/api/calls/conv_test/reprocess")).data["job_id"]
        await platform.settled(job)
        assert len((await platform.api("GET", "/api/requests")).data["requests"]) == 1
        assert (await platform.initiation()).variables["caller_known"]  # nothing happens by itself
        assert (await platform.api("POST", f"/api/requests/{request['id']}/decline")).status == 200
        assert (await platform.api("GET", "/api/requests")).data["requests"] == []
        assert (await platform.api("POST", f"/api/requests/{request['id']}/decline")).status == 404


async def test_an_erasure_answers_a_request(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(call("Please delete all my data."))
        await platform.api("DELETE", f"/api/callers/{ROBIN.replace('+', '%2B')}")
        assert (await platform.api("GET", "/api/requests")).data["requests"] == []
        assert platform.count("requests") == 0


async def test_it_is_honoured_at_once_where_the_operator_wants_that(config: Config) -> None:
    async with started(evolve(config, privacy=Privacy(honour_spoken_requests=True))) as platform:
        await platform.send(call("My name is Robin Baker.", "Please delete all my data."))
        done = await platform.until(
            "/api/erasures", lambda data: data["erasures"] and data["erasures"][0]["finished_at"]
        )
        assert done["erasures"][0]["actor"] == "caller"
        assert not (await platform.initiation()).variables["caller_known"]
        assert not any("transcription" in name for name in platform.files())


async def test_a_wish_that_was_declined_is_not_honoured_when_the_call_is_read_again(config: Config) -> None:
    async with started(config) as platform:
        await platform.takes(call("My name is Robin Baker.", "Please delete all my data."))
        (request,) = (await platform.api("GET", "/api/requests")).data["requests"]
        await platform.api("POST", f"/api/requests/{request['id']}/decline")
    async with started(evolve(config, privacy=Privacy(honour_spoken_requests=True))) as platform:
        job = (await platform.api("POST", "/api/calls/conv_test/reprocess")).data["job_id"]
        await platform.settled(job)
        jobs = (await platform.api("GET", "/api/jobs")).data["jobs"]
        assert {job["kind"] for job in jobs} == {"remember"}
        assert (await platform.initiation()).variables["caller_known"]


async def test_a_wish_is_honoured_once_however_often_its_job_runs(config: Config) -> None:
    async with started(evolve(config, privacy=Privacy(honour_spoken_requests=True))) as platform:
        assert platform.up is not None
        await platform.send(call("My name is Robin Baker.", "Please delete all my data."))
        await platform.until(
            "/api/erasures", lambda data: data["erasures"] and data["erasures"][0]["receipt"]
        )
        (job,) = [
            job for job in (await platform.api("GET", "/api/jobs")).data["jobs"] if job["kind"] == "erase"
        ]
        await platform.settled(job["id"])
        await platform.takes(call("My name is Robin Miller.", conversation_id="conv_later"))
        again = await platform.up.services.queue.get(job["id"])  # as after a crash before it was settled
        await platform.up.services.eraser.honour(again)
        assert (await platform.initiation()).variables["caller_name"] == "Robin Miller"
        assert len((await platform.api("GET", "/api/erasures")).data["erasures"]) == 1
