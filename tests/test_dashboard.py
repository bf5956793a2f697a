"""The dashboard without a browser: who may see it, what a form must carry, what hostile words can do, how it pages."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from pathlib import Path

import pytest
from conftest import ADMIN_TOKEN, AGENT, ROBIN, WAIT_S, Platform, call, started, varied
from desk import HOSTILE, MIA, Forms, Visitor, full_house

from elaaoms import dashboard
from elaaoms.config import Config
from elaaoms.dashboard import ATTEMPTS
from elaaoms.dashboard.desk import CSP, local
from elaaoms.dashboard.hours import FRESH_S, MOST_HOURS, Hours
from elaaoms.dashboard.looks import environment, marked
from elaaoms.dashboard.session import IDLE_S, WHOLE_S, Sessions

VENDORED = {
    "htmx.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "pico.min.css": "fbc9a63fc9fc9f72d12fd7fc9806e11fa9f77ae4f9cad146b27003a1119ba3db",
    "uplot.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
PAGES = ("", "/now", "/plots", "/calls", "/callers", "/callers?q=robin", "/jobs", "/storage", "/audit")


@pytest.fixture
async def visitor(platform: Platform) -> Visitor:
    """Somebody who is logged in."""
    visitor = Visitor(platform)
    assert (await visitor.log_in()).status == 303
    return visitor


# -- what comes with it --------------------------------------------------------------


def test_vendored_files_are_the_ones_that_were_looked_at() -> None:
    for name, digest in VENDORED.items():
        assert hashlib.sha256((dashboard.ASSETS / name).read_bytes()).hexdigest() == digest, name
        assert (dashboard.ASSETS / f"{name.split('.')[0]}.LICENSE").read_text().strip()


def test_no_template_holds_a_script_a_style_or_an_address_elsewhere() -> None:
    for path in sorted(Path(dashboard.__file__).parent.glob("templates/*.html")):
        text = path.read_text()
        assert "<style" not in text, path
        assert " style=" not in text, path
        assert not any(f" on{event}=" in text for event in ("click", "load", "error", "submit", "input")), (
            path
        )
        assert "http://" not in text, path
        assert "https://" not in text, path
        assert "|safe" not in text.replace(" ", ""), path
        for line in text.splitlines():
            assert "<script" not in line or 'src="{{ home }}/assets/' in line, path


def test_templates_escape_whatever_they_are_given() -> None:
    text = environment().get_template("error.html").render(
        home="/dashboard", here="", proof="", logged_in=False, notice=None, version="1", now=0,
        message=HOSTILE, back="/dashboard",
    )  # fmt: skip
    assert HOSTILE not in text
    assert "&lt;img src=x" in text


# -- who may see it ------------------------------------------------------------------


async def test_nothing_is_shown_without_a_login(platform: Platform) -> None:
    stranger = Visitor(platform)
    for path in PAGES:
        answer = await stranger.get(path)
        assert answer.status == 303, path
        assert answer.headers["Location"].startswith("/dashboard/login")
        assert answer.body == b""
    for path in ("/jobs/retry-failed", "/memories/mem_1/forget", "/logout"):
        answer = await stranger.post(path, {"proof": "x"})
        assert answer.status == 303, path
        assert answer.headers["Location"] == "/dashboard/login"
    piece = await stranger.get("/now", **{"HX-Request": "true"})
    assert (piece.status, piece.headers["HX-Redirect"]) == (401, "/dashboard/login")
    for path in ("/calls/conv_x/audio", "/callers/+12025550142/export.json"):
        assert (await stranger.get(path)).status == 303, path


async def test_the_dashboard_is_not_on_the_public_listener(platform: Platform) -> None:
    for path in ("/dashboard", "/dashboard/login", "/dashboard/assets/dashboard.css"):
        assert (await platform.request("GET", f"{platform.url}{path}")).status == 404, path


async def test_the_admin_token_opens_a_session_that_scripts_and_other_sites_cannot_use(
    platform: Platform,
) -> None:
    visitor = Visitor(platform)
    answer = await visitor.log_in()
    (line,) = [line for line in answer.headers.getall("Set-Cookie") if line.startswith("elaaoms_session=")]
    assert {"HttpOnly", "SameSite=Strict", "Path=/dashboard"} <= set(line.split("; "))
    assert ADMIN_TOKEN not in str(answer.headers)
    page = await visitor.get()
    assert page.status == 200
    assert b"Everything works" in page.body


async def test_behind_a_tls_proxy_the_cookie_is_secure(platform: Platform) -> None:
    visitor = Visitor(platform)
    page = await visitor.get("/login", X_Forwarded_Proto="https")
    ((_, fields),) = Forms(page.body.decode()).found
    answer = await visitor.post("/login", fields | {"token": ADMIN_TOKEN}, X_Forwarded_Proto="https")
    assert "Secure" in answer.headers["Set-Cookie"]


async def test_a_wrong_token_opens_nothing_and_a_few_of_them_close_the_door(platform: Platform) -> None:
    visitor = Visitor(platform)
    for _ in range(ATTEMPTS):
        answer = await visitor.log_in("wrong")
        assert answer.status == 401
        assert "elaaoms_session" not in visitor.jar
    answer = await visitor.log_in()  # the right one, too late
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "elaaoms_session" not in visitor.jar


async def test_logging_out_ends_the_session_also_for_a_copy_of_the_cookie(visitor: Visitor) -> None:
    copy = Visitor(visitor.platform, dict(visitor.jar))
    assert (await copy.get()).status == 200
    await visitor.submit("", "/logout")
    assert "elaaoms_session" not in visitor.jar
    assert (await copy.get()).status == 303


async def test_logging_out_everywhere_ends_other_peoples_sessions(visitor: Visitor) -> None:
    other = Visitor(visitor.platform)
    await other.log_in()
    await visitor.submit("/storage", "/logout-all")
    assert (await other.get()).status == 303


async def test_a_cookie_that_we_did_not_sign_is_worth_nothing(visitor: Visitor) -> None:
    name, _, signature = visitor.jar["elaaoms_session"].partition(".")
    for forged in ("", ".", "x", name, f"{name}.", f"{name[:-1]}x.{signature}", f"{name}.{signature[:-1]}"):
        assert (await Visitor(visitor.platform, {"elaaoms_session": forged}).get()).status == 303, forged


def test_a_session_ends_after_half_an_hour_of_rest_and_after_twelve_hours() -> None:
    now = [1000.0]
    sessions = Sessions(lambda: now[0])
    idle, busy = sessions.begin(), sessions.begin()
    now[0] += IDLE_S - 1
    assert sessions.find(busy) is not None
    assert sessions.find(idle, used=False) is not None  # a page that asks by itself keeps nobody logged in
    now[0] += 2
    assert sessions.find(idle) is None
    while now[0] < 1000 + WHOLE_S:
        assert sessions.find(busy) is not None
        now[0] += IDLE_S - 1
    assert sessions.find(busy) is None


def test_a_clock_that_is_set_back_does_not_prolong_a_session() -> None:
    now = [1000.0]
    sessions = Sessions(lambda: now[0])
    cookie = sessions.begin()
    now[0] -= 500
    assert sessions.find(cookie) is None


def test_after_a_login_one_goes_on_within_the_dashboard_only() -> None:
    assert local("/dashboard/calls?after=conv_1") == "/dashboard/calls?after=conv_1"
    elsewhere = ("https://evil.example/dashboard", "//evil.example", "/dashboard.evil", "/api/memories",
                 "/dashboard/../api", "/dashboard/\\evil", "/dashboard/a\r\nX: y", "", "javascript:alert(1)")  # fmt: skip
    assert {local(path) for path in elsewhere} == {"/dashboard"}


# -- what a form must carry ----------------------------------------------------------


async def test_a_form_without_the_proof_of_this_session_changes_nothing(visitor: Visitor) -> None:
    other = Visitor(visitor.platform)
    await other.log_in()
    await visitor.platform.knows({"content": "Likes tea."})
    (memory,) = await visitor.platform.memories()
    theirs = Forms((await other.get()).body.decode()).found[0][1]["proof"]
    for proof in ("", "x", theirs):
        answer = await visitor.post(f"/memories/{memory['id']}/forget", {"proof": proof})
        assert answer.status == 403
    assert (await visitor.post(f"/memories/{memory['id']}/forget", {})).status == 403
    assert [m["status"] for m in await visitor.platform.memories()] == ["active"]


async def test_a_form_of_another_site_changes_nothing(visitor: Visitor) -> None:
    proof = Forms((await visitor.get()).body.decode()).found[0][1]["proof"]
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await visitor.post("/jobs/retry-failed", {"proof": proof}, **headers)
        assert answer.status == 403, headers
    proxied = {"Origin": "https://desk.example.com", "Sec-Fetch-Site": "same-origin"}  # the proxy's name
    assert (await visitor.post("/jobs/retry-failed", {"proof": proof}, **proxied)).status == 303


async def test_a_login_form_of_another_visitor_is_refused(platform: Platform) -> None:
    one, other = Visitor(platform), Visitor(platform)
    await one.get("/login")
    ((_, fields),) = Forms((await other.get("/login")).body.decode()).found
    assert (await one.post("/login", fields | {"token": ADMIN_TOKEN})).status == 403


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x=" + b"y" * 70_000, {}, 413),
        (b"\xff=\xff", {}, 400),
        (b"&".join(b"a%d=1" % number for number in range(60)), {}, 400),
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"x", {"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_a_body_that_is_no_small_form_is_refused(
    visitor: Visitor, body: bytes, headers: dict[str, str], status: int
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    assert (await visitor.ask("POST", "/dashboard/jobs/retry-failed", body, **form)).status == status


async def test_every_answer_forbids_foreign_and_inline_code(visitor: Visitor) -> None:
    for path in (*PAGES, "/login", "/nowhere", "/assets/dashboard.js"):
        answer = await visitor.get(path, Origin="https://evil.example")
        assert answer.headers["Content-Security-Policy"] == CSP, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert "unsafe" not in CSP


async def test_pages_are_kept_by_nobody_and_assets_are_only_asked_about(visitor: Visitor) -> None:
    assert (await visitor.get()).headers["Cache-Control"] == "no-store"
    asset = await visitor.get("/assets/dashboard.css")
    assert asset.headers["Cache-Control"] == "no-cache"
    again = await visitor.get("/assets/dashboard.css", **{"If-None-Match": asset.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    for path in ("/assets/", "/assets/../pages.py", "/assets/..%2fpages.py"):
        assert (await visitor.get(path)).status in (303, 403, 404), path


# -- pages and actions ---------------------------------------------------------------


@pytest.fixture
async def house(visitor: Visitor) -> dict[str, str]:
    """Callers with a history; their keys."""
    return await full_house(visitor.platform)


async def test_hostile_words_stand_on_every_page_as_text(visitor: Visitor, house: dict[str, str]) -> None:
    odd = (await visitor.platform.api("GET", "/api/callers?limit=100")).data["callers"]
    keys = [caller["caller"] for caller in odd]
    paths = [f"/callers/{key}" for key in keys] + [
        "/callers?q=%3Cimg",
        "/calls/conv_hostile",
        "/calls/conv_%3Cimg",
    ]
    seen = 0
    for path in (*PAGES, *paths):
        answer = await visitor.get(path)
        assert answer.status in (200, 404), path
        assert b"<img" not in answer.body, path
        seen += b"&lt;img src=x" in answer.body
    assert seen >= 4


async def test_a_call_shows_the_words_that_became_memories(visitor: Visitor, house: dict[str, str]) -> None:
    text = (await visitor.get("/calls/conv_first")).body.decode()
    marks = [part.split("</mark>")[0] for part in text.split("<mark>")[1:]]
    assert any("allergic to peanuts" in mark for mark in marks)
    assert 'data-seek="' in text  # the recording is archived
    assert "Read it again with rules" in text
    assert (await visitor.get("/calls/conv_nobody")).status == 404


def test_quotes_are_marked_where_they_stand_whatever_their_spaces() -> None:
    pieces = marked("Hi. I live in  Leeds, I do.", [("i live in leeds", "a"), ("Leeds, I do.", "b")])
    assert [(piece.text, piece.ids) for piece in pieces] == [
        ("Hi. ", ()),
        ("I live in  ", ("a",)),
        ("Leeds", ("a", "b")),
        (", I do.", ("b",)),
    ]
    assert [piece.ids for piece in marked("something else", [("not there", "a")])] == [("a",)]
    assert marked("", [("x", "a")]) == []


async def test_audio_is_served_by_ranges(visitor: Visitor, house: dict[str, str]) -> None:
    answer = await visitor.get("/calls/conv_first/audio", Range="bytes=3-9")
    assert (answer.status, len(answer.body)) == (206, 7)
    assert answer.headers["Content-Type"] == "audio/mpeg"
    assert answer.headers["Content-Range"].startswith("bytes 3-9/")
    assert (await visitor.get("/calls/conv_second/audio")).status == 404


async def test_memories_are_edited_pinned_forgotten_and_restored(
    visitor: Visitor, house: dict[str, str]
) -> None:
    page = f"/callers/{house['robin']}"
    memories = {m["content"]: m for m in await visitor.platform.memories(f"caller=%2B{ROBIN[1:]}")}
    order = memories["Order XYZ-789 has not arrived."]["id"]
    answer = await visitor.submit(
        page, f"/memories/{order}/edit", content="Order XYZ-789 came.", category="issue"
    )
    assert (answer.status, answer.headers["Location"]) == (303, f"/dashboard{page}")
    text = (await visitor.get(page)).body.decode()
    assert "Order XYZ-789 came." in text
    assert "Changed." in text
    assert "Changed." not in (await visitor.get(page)).body.decode()  # it is said once

    york = next(m["id"] for content, m in memories.items() if "York" in content)
    await visitor.submit(page, f"/memories/{york}/pin")
    assert (await visitor.platform.api("GET", f"/api/memories/{york}")).data["pinned"] is True
    await visitor.submit(page, f"/memories/{york}/pin")
    assert (await visitor.platform.api("GET", f"/api/memories/{york}")).data["pinned"] is False

    leeds = next(m["id"] for content, m in memories.items() if "Leeds" in content)
    await visitor.submit(page, f"/memories/{leeds}/restore")
    assert (await visitor.platform.api("GET", f"/api/memories/{leeds}")).data["status"] == "active"
    await visitor.submit(page, f"/memories/{leeds}/forget")
    assert (await visitor.platform.api("GET", f"/api/memories/{leeds}")).data["status"] == "forgotten"
    assert (await visitor.submit(page, f"/memories/{york}/edit", content=" ")).status == 400


async def test_a_contradiction_is_decided_by_forgetting_one_side(
    visitor: Visitor, house: dict[str, str]
) -> None:
    page = f"/callers/{house['robin']}"
    text = (await visitor.get(page)).body.decode()
    assert "Contradictions" in text
    wrong = next(
        m["id"] for m in await visitor.platform.memories(f"caller=%2B{ROBIN[1:]}&status=active")
        if m["content"] == "The caller is not allergic to peanuts."
    )  # fmt: skip
    await visitor.submit(page, f"/memories/{wrong}/forget")
    assert "Contradictions" not in (await visitor.get(page)).body.decode()


async def test_a_memory_is_added_and_callers_are_merged_and_erased(
    visitor: Visitor, house: dict[str, str]
) -> None:
    page = f"/callers/{house['anna']}"
    await visitor.submit(
        page, f"{page}/remember", content="Collects stamps.", category="preference", importance="4"
    )
    assert "Collects stamps." in (await visitor.get(page)).body.decode()
    unsure = await visitor.submit(page, f"{page}/merge", into=ROBIN, sure="")
    assert unsure.status == 409
    merged = await visitor.submit(page, f"{page}/merge", into=ROBIN, sure="yes")
    assert merged.headers["Location"] == f"/dashboard/callers/{house['robin']}"
    assert "Collects stamps." in (await visitor.get(f"/callers/{house['robin']}")).body.decode()

    page = f"/callers/{house['mia']}"
    mistyped = await visitor.submit(page, f"{page}/erase", typed="+12025550190")
    assert mistyped.status == 409
    assert (await visitor.get(page)).status == 200
    erased = await visitor.submit(page, f"{page}/erase", typed=MIA)
    assert erased.headers["Location"] == "/dashboard/storage#erasures"
    assert "The caller is erased" in (await visitor.get("/storage")).body.decode()
    assert (await visitor.get(page)).status == 404


async def test_an_export_is_a_file(visitor: Visitor, house: dict[str, str]) -> None:
    answer = await visitor.get(f"/callers/{house['robin']}/export.json")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{house["robin"]}.json"'
    assert answer.json["caller"]["address"] == ROBIN
    page = await visitor.get(f"/callers/{house['mia']}/export.html")
    assert page.headers["Content-Disposition"].startswith("attachment")
    assert b"<img" not in page.body
    assert (await visitor.get(f"/callers/{house['mia']}/export.exe")).status == 404


async def test_jobs_are_retried_and_cancelled_failed_ones_first(
    visitor: Visitor, house: dict[str, str]
) -> None:
    text = (await visitor.get("/jobs")).body.decode()
    assert text.index('id="failed"') < text.index('id="completed"')
    assert "the audio is not an MP3" in text
    answer = await visitor.submit("/jobs", f"/jobs/{house['job']}/cancel")
    assert answer.status == 303
    assert (await visitor.platform.settled(int(house["job"])))["state"] == "cancelled"
    await visitor.submit(f"/jobs/{house['job']}", f"/jobs/{house['job']}/retry")
    assert (await visitor.platform.settled(int(house["job"])))["state"] == "failed"
    done = next(iter((await visitor.platform.api("GET", "/api/jobs?state=completed")).data["jobs"]))["id"]
    proof = Forms((await visitor.get()).body.decode()).found[0][1]["proof"]
    assert (await visitor.post(f"/jobs/{done}/retry", {"proof": proof})).status == 409
    for missing in ("999999", "x", "²"):
        assert (await visitor.get(f"/jobs/{missing}")).status == 404


async def test_a_call_is_read_again_and_compared(visitor: Visitor, house: dict[str, str]) -> None:
    page = "/calls/conv_first"
    assert (await visitor.submit(page, f"{page}/reprocess")).status == 303
    await visitor.platform.processed("conv_first")
    compared = await visitor.submit(page, f"{page}/replay", provider="rules", model="")
    assert compared.status == 200
    assert b"Nothing has changed yet" in compared.body
    ((_, fields),) = [form for form in Forms(compared.body.decode()).found if form[0].endswith("/replay")]
    adopted = await visitor.post(f"{page}/replay", fields)
    assert (adopted.status, adopted.headers["Location"]) == (303, f"/dashboard{page}")
    assert (await visitor.submit(page, f"{page}/replay", provider="oracle")).status == 400


async def test_a_call_whose_transcript_is_gone_still_shows_the_rest(visitor: Visitor) -> None:
    await visitor.platform.takes(call("I live in Oslo.", conversation_id="conv_gone"))
    (visitor.platform.data / "payloads/conv_gone/conv_gone_transcription.json").unlink()
    answer = await visitor.get("/calls/conv_gone")
    assert answer.status == 200
    assert b"cannot be read" in answer.body
    assert b"Oslo" in answer.body


async def test_callers_are_found_by_number_name_id_and_remembered_words(
    visitor: Visitor, house: dict[str, str]
) -> None:
    robin = f"/dashboard/callers/{house['robin']}".encode()
    for text in (
        "%2B12025550142",
        "0142",
        "555+0142",
        "robin",
        "Baker",
        house["robin"],
        "peanuts",
        "XYZ-789",
    ):
        assert robin in (await visitor.get(f"/callers?q={text}")).body, text
    for text in ("nobody-like-this", "%25%25", "tel%3A", "_____"):
        assert robin not in (await visitor.get(f"/callers?q={text}")).body, text
    piece = await visitor.get("/callers?q=robin", **{"HX-Request": "true"})
    assert b"<html" not in piece.body
    assert (await visitor.get("/callers/search?q=robin&further=x")).status == 400


async def test_a_wish_to_be_forgotten_is_shown_until_it_is_answered(visitor: Visitor) -> None:
    wish = "Please delete all my data and forget me."
    await visitor.platform.takes(call("I live in Oslo.", wish, conversation_id="conv_wish"))
    text = (await visitor.get()).body.decode()
    assert "Asked to be forgotten" in text
    action = text.split("/decline")[0].rpartition("/dashboard")[2] + "/decline"
    assert (await visitor.submit("", action)).status == 303
    assert "Asked to be forgotten" not in (await visitor.get()).body.decode()


async def test_now_says_what_is_wrong(config: Config) -> None:
    async with started(config) as platform:
        visitor = Visitor(platform)
        await visitor.log_in()
        assert platform.up is not None
        text = ""
        async with asyncio.timeout(WAIT_S):
            while "something needs you" not in text:  # the worker may take a turn before the page is made
                platform.up.services.worker.turned_at = -1e6
                text = (await visitor.get("/now")).body.decode()
    assert "has not looked at the queue" in text


async def test_answers_of_the_last_hour_are_timed(visitor: Visitor) -> None:
    for _ in range(3):
        await visitor.platform.initiation()
    assert visitor.platform.up is not None
    timing = visitor.platform.up.services.timings.of("/webhook/client-data")
    assert timing is not None
    assert (timing.count, timing.errors) == (3, 0)
    assert 0 < timing.median_ms <= timing.p95_ms


# -- pages by key --------------------------------------------------------------------


async def test_lists_are_paged_by_key_and_show_everything_once(visitor: Visitor) -> None:
    platform, now = visitor.platform, time.time()
    for number in range(120):  # some at the same moment
        outcome = "'nothing'" if number % 10 else "NULL"
        platform.sql(
            "INSERT INTO callers (caller, address, first_seen, last_seen)"  # noqa: S608
            f" VALUES ('caller_{number:032x}', 'tel:+1202555{number:04d}', 0, {now - number // 7})"
        )
        platform.sql(
            "INSERT INTO calls (conversation_id, agent_id, caller, started_at, received_at, outcome)"  # noqa: S608
            f" VALUES ('conv_{number}', 'agent_{number % 2}', 'caller_{0:032x}', {now - number // 7}, 0, {outcome})"
        )
    assert len(await _walk(visitor, "/calls", "/dashboard/calls/conv_")) == 120
    assert len(await _walk(visitor, "/calls?agent=agent_1", "/dashboard/calls/conv_")) == 60
    assert len(await _walk(visitor, "/calls?show=unfinished", "/dashboard/calls/conv_")) == 12
    assert len(await _walk(visitor, "/callers", "/dashboard/callers/caller_")) == 120


async def _walk(visitor: Visitor, path: str, prefix: str) -> list[str]:
    """The links with this prefix over all pages, each at most once."""
    found: list[str] = []
    for _ in range(10):
        text = (await visitor.get(path)).body.decode()
        rows = [part.split('"')[0] for part in text.split(f'href="{prefix}')[1:]]
        rows = [row for row in dict.fromkeys(rows) if row not in ("",)]
        assert not set(rows) & set(found) or prefix.endswith("caller_")
        found += [row for row in rows if row not in found]
        following = text.split('rel="next" href="/dashboard')
        if len(following) == 1:
            return found
        path = following[1].split('"')[0].replace("&amp;", "&")
    raise AssertionError("the pages have no end")


async def test_a_search_goes_on_where_one_look_ended(visitor: Visitor) -> None:
    await visitor.platform.knows(*({"content": f"Likes number {number}."} for number in range(120)))
    text = (await visitor.get("/callers?q=likes+number")).body.decode()
    seen = text.count("Likes number")
    while "search?q=" in text:
        mark = text.split("further=")[1].split('"')[0].split("&")[0]
        text = (await visitor.get(f"/callers/search?q=likes+number&further={mark}")).body.decode()
        seen += text.count("<bdi>Likes number")
    assert seen == 120


async def test_the_largest_callers_are_counted_through_every_change(visitor: Visitor) -> None:
    platform = visitor.platform
    await platform.knows(
        {"content": "Likes tea."}, {"content": "Likes coffee."}, {"content": "Lives in Rome."}
    )
    await platform.takes(call("I live in Oslo.", "I've moved to York.", conversation_id="conv_moves"))
    counted = dict(platform.sql("SELECT owner, count(*) FROM memories GROUP BY owner"))
    assert dict(platform.sql("SELECT owner, memories FROM owners")) == counted
    await platform.api("DELETE", f"/api/callers/%2B{ROBIN[1:]}")
    assert platform.sql("SELECT count(*) FROM owners") == [(0,)]


async def test_storage_sums_what_was_archived(visitor: Visitor) -> None:
    answer = await visitor.platform.send(call("Hello.", conversation_id="conv_sum"))
    await visitor.platform.settled(answer.data["job_id"])
    assert visitor.platform.up is not None
    ((volume),) = await visitor.platform.up.services.calls.volume(since=0)
    size = len((visitor.platform.data / "payloads/conv_sum/conv_sum_transcription.json").read_bytes())
    assert (volume.count, volume.size, volume.recent_size) == (1, size, size)
    assert json.loads((await visitor.platform.api("GET", "/health")).body)["status"] == "success"


# -- who saw what ----------------------------------------------------------------------


async def test_the_trail_says_who_was_shown_whose_memories(visitor: Visitor, house: dict[str, str]) -> None:
    platform = visitor.platform
    await platform.initiation()
    await visitor.get(f"/callers/{house['robin']}")
    assert platform.up is not None
    await platform.up.services.accesses.keep()
    text = (await visitor.get(f"/audit?about={house['robin']}")).body.decode()
    assert f"<bdi>agent {AGENT}</bdi>" in text
    assert "was given before a call" in text
    assert "looked at" in text
    assert "learnt from a call" in text
    assert "<bdi>Robin Baker</bdi>" in text
    assert house["anna"] not in text
    by_agent = (await visitor.get(f"/audit?actor=agent+{AGENT}")).body.decode()
    assert "was given before a call" in by_agent
    assert "looked at" not in by_agent
    assert "Nothing is noted of that" in (await visitor.get("/audit?about=mem_none")).body.decode()
    assert "Nothing is noted of that" in (await visitor.get("/audit?actor=%3Cimg")).body.decode()


async def test_the_trail_is_paged_by_key(visitor: Visitor) -> None:
    for number in range(120):
        visitor.platform.sql(
            f"INSERT INTO audit (at, actor, action, subjects) VALUES ({number}, 'agent a{number:03d}', 'x', '[]')"  # noqa: S608
        )
    found, path = [], "/audit"
    while path:
        text = (await visitor.get(path)).body.decode()
        found += [part.split("<")[0] for part in text.split("<bdi>agent ")[1:]]
        following = text.split('rel="next" href="/dashboard')
        path = following[1].split('"')[0].replace("&amp;", "&") if len(following) > 1 else ""
    assert found == [f"a{number:03d}" for number in reversed(range(120))]


# -- lists that are filtered -------------------------------------------------------------


async def test_memories_are_filtered_by_importance_and_by_when_they_were_heard(platform: Platform) -> None:
    days = {
        "likes tea": (3, "2026-03-01"),
        "lives in Oslo": (8, "2026-03-02"),
        "has a boat": (9, "2026-03-04"),
    }
    await platform.knows(
        *(
            {"content": f"The caller {text}.", "importance": rating, "event_date": day}
            for text, (rating, day) in days.items()
        )
    )

    async def found(query: str) -> list[str]:
        return [memory["content"] for memory in await platform.memories(query)]

    assert await found("importance=8") == ["The caller has a boat.", "The caller lives in Oslo."]
    assert await found("since=2026-03-02&until=2026-03-04") == ["The caller lives in Oslo."]
    assert await found("until=2026-03-01") == []
    assert await found("importance=8&since=2026-03-03T00:00:00%2B01:00&status=active") == [
        "The caller has a boat."
    ]
    for wrong in (
        "importance=11",
        "importance=x",
        "since=2026-02-30",
        f"caller=%2B{ROBIN[1:]}&q=tea&since=2026",
    ):
        assert (await platform.api("GET", f"/api/memories?{wrong}")).status == 400, wrong


async def test_a_filter_that_finds_little_is_looked_for_piece_by_piece(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elaaoms.memory.sqlite._LISTED", 10)
    issues = [{"content": f"Issue {n}.", "category": "issue"} for n in range(0, 40, 9)]
    await platform.knows(*({"content": f"Likes number {n}."} for n in range(30)), *issues)
    seen, after, pages = [], "", 0
    while after is not None:
        query = f"category=issue&limit=3{'' if not after else f'&after={after}'}"
        page = (await platform.api("GET", f"/api/memories?{query}")).data
        seen += [memory["content"] for memory in page["memories"]]
        after, pages = page["next"], pages + 1
    assert sorted(seen) == sorted(issue["content"] for issue in issues)
    assert 4 <= pages <= 6


async def test_calls_are_filtered_by_what_became_of_them_and_by_when_they_began(platform: Platform) -> None:
    at = 1_767_268_800.0  # 1 January 2026, noon
    await platform.takes(call("I live in Oslo.", conversation_id="conv_a", at=at))
    await platform.takes(call("Hello.", conversation_id="conv_b", at=at + 86_400))
    platform.sql(
        "INSERT INTO calls (conversation_id, agent_id, started_at, received_at) VALUES ('conv_c', 'a', 0, 0)"
    )

    async def found(query: str) -> list[str]:
        calls = (await platform.api("GET", f"/api/calls?{query}")).data["calls"]
        return [call["conversation_id"] for call in calls]

    assert await found("") == ["conv_b", "conv_a", "conv_c"]
    assert await found("status=completed") == ["conv_a"]
    assert await found("status=nothing") == ["conv_b"]
    assert await found("status=failed") == ["conv_c"]
    assert await found("status=queued") == []
    assert await found("since=2026-01-01&until=2026-01-02") == ["conv_a"]
    assert (await platform.api("GET", "/api/calls?status=lost")).status == 400


async def test_callers_are_found_by_part_of_a_number_or_a_name(platform: Platform) -> None:
    await platform.takes(call("My name is Robin Baker.", conversation_id="conv_a"))
    await platform.knows({"content": "Likes tea."}, caller=MIA)
    for text, number in (("Baker", ROBIN), ("0142", ROBIN), (f"%2B{MIA[1:]}", MIA), ("0199", MIA)):
        found = (await platform.api("GET", f"/api/callers?q={text}")).data["callers"]
        assert [caller["address"] for caller in found] == [number], text
    assert (await platform.api("GET", "/api/callers?q=nobody")).data["callers"] == []
    assert (await platform.api("GET", "/api/callers?q=x")).data["callers"] == []
    assert (await platform.api("GET", "/api/callers?q=baker&after=x")).status == 400


async def test_what_is_archived_by_day_is_what_the_events_say(visitor: Visitor) -> None:
    platform = visitor.platform
    for number in range(3):
        await platform.takes(call("I live in Oslo.", conversation_id=f"conv_{number}"))
    whole = "SELECT type, CAST(received_at / 86400 AS INTEGER), count(*), sum(size) FROM events GROUP BY 1, 2"
    assert platform.sql("SELECT * FROM volumes") == platform.sql(whole)
    await platform.api("DELETE", f"/api/callers/%2B{ROBIN[1:]}")
    assert platform.sql("SELECT * FROM volumes") == platform.sql(whole) == []


# -- hours -----------------------------------------------------------------------------


async def test_an_hour_that_is_over_is_added_up_once_and_again_only_now_and_then() -> None:
    now, asked = [100 * 3600.0 + 1800], []

    async def read(hour: float) -> float:
        asked.append(hour / 3600)
        return hour + len(asked)

    hours = Hours(read, lambda: now[0])
    assert [round(value / 3600) for value in await hours.since(96 * 3600.0)] == [96, 97, 98, 99, 100]
    assert asked == [96, 97, 98, 99, 100]
    asked.clear()
    await hours.since(96 * 3600.0)
    assert asked == [100]  # which goes on
    asked.clear()
    now[0] += FRESH_S
    for _ in range(5):
        await hours.since(96 * 3600.0)
    assert sorted(asked) == [96, 97, 98, 99, *[100] * 5]  # one at a look
    asked.clear()
    now[0] = 101 * 3600.0 + 60
    await hours.since(96 * 3600.0)
    assert {100, 101} <= set(asked)  # calls of the last hour may still arrive
    now[0] = 300 * 3600.0
    await hours.since(296 * 3600.0)
    assert len(hours._known) <= MOST_HOURS


async def test_now_counts_what_was_read_and_not_every_job(visitor: Visitor) -> None:
    await visitor.platform.takes(call("I live in Oslo.", conversation_id="conv_a"))
    audio = varied("audio", conversation_id="conv_a")
    await visitor.platform.settled((await visitor.platform.send(audio)).data["job_id"])
    text = (await visitor.get("/now")).body.decode()
    assert "<dt>Calls today</dt><dd>1<" in text
    assert "<dt>Read today</dt><dd>1<" in text
