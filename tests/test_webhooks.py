"""What ElevenLabs sends is verified, read and answered as its protocol wants it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
import tracemalloc
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from elevenlabs.client import ElevenLabs
from elevenlabs.errors import BadRequestError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elaaoms import strict, webhooks
from elaaoms.errors import Unreadable
from elaaoms.identity import Address, resolve
from elaaoms.webhooks import (
    FUTURE_S,
    TOLERANCE_S,
    TRANSCRIPTION,
    Conversation,
    Event,
    InvalidSignature,
    Scanner,
    Verifier,
    clean,
    is_conversation_id,
    parse_conversation,
    parse_event,
    parse_json,
    sign,
    spoken,
)
from tests.fuzz import mutated, replaced

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))
SECRET = "wsec_0123456789abcdef0123456789abcdef"
NOW = 1767225605
BODY = (
    '{"type":"post_call_transcription","event_timestamp":1767225600,"data":{"conversation_id":'
    '"conv_0001testvector","agent_id":"agent_0001testvector","note":"café"}}'
).encode()
DIGEST = "8680630668bd9a3325673db1bfc8d10dce1d5a1f07f5d389960933fdc6d3da92"
HEADER = f"t={NOW},v0={DIGEST}"


def sample(name: str) -> bytes:
    return (Path(__file__).parent / "samples" / f"{name}.json").read_bytes()


def call(name: str) -> Conversation:
    conversation = parse_event(sample(name)).conversation
    assert conversation is not None
    return conversation


def verify(
    header: str, body: bytes = BODY, *, secrets: tuple[str, ...] = (SECRET,), now: float = NOW
) -> None:
    verifier = Verifier(secrets, header, now=now)
    verifier.update(body)
    verifier.finish()


def event(**data: Any) -> bytes:
    value = {"type": "post_call_transcription", "data": {"conversation_id": "conv_1", **data}}
    return json.dumps(value).encode()


# -- signatures -------------------------------------------------------------------


def test_the_documented_signature_is_accepted() -> None:
    assert len(BODY) == 161
    verify(HEADER)
    assert sign(SECRET, BODY, now=NOW + 0.9) == HEADER


def test_one_changed_byte_is_noticed() -> None:
    for body in (BODY + b"\n", BODY.replace("é".encode(), rb"\u00e9"), b"", BODY[:-1]):
        with pytest.raises(InvalidSignature, match="does not match"):
            verify(HEADER, body)


def test_the_body_may_come_in_any_pieces() -> None:
    for size in (1, 2, 7, 160, 161, 4096):
        verifier = Verifier([SECRET], HEADER, now=NOW)
        for start in range(0, len(BODY), size):
            verifier.update(BODY[start : start + size])
        verifier.finish()


def test_any_of_several_secrets_will_do() -> None:
    verify(HEADER, secrets=("wsec_new", SECRET))
    verify(HEADER, secrets=(SECRET, "wsec_new"))
    with pytest.raises(InvalidSignature):
        verify(HEADER, secrets=("wsec_new", SECRET + " "))


@pytest.mark.parametrize(
    "header",
    [
        f"t={NOW},v0={'0' * 64},v0={DIGEST}",
        f"t={NOW},v0={DIGEST},v0={'0' * 64}",
        f"v0={DIGEST},t={NOW}",
        f" t={NOW} ,\tv0={DIGEST} ",
        f"t={NOW},v1=abc,v0={DIGEST},x,,=,v00={'0' * 64}",
        f"t={NOW},v0={DIGEST.upper()}",
        f"t={NOW},v0=abc,v0={DIGEST}",
        f"t={NOW},v0=nothex,v0={DIGEST}",
    ],
)
def test_a_header_is_accepted_in_any_sound_form(header: str) -> None:
    verify(header)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("", "missing"),
        ("garbage", "no timestamp"),
        (f"v0={DIGEST}", "no timestamp"),
        (f"t=,v0={DIGEST}", "no timestamp"),
        (f"T={NOW},v0={DIGEST}", "no timestamp"),
        (f"t=+{NOW},v0={DIGEST}", "no timestamp"),
        (f"t=-{NOW},v0={DIGEST}", "no timestamp"),
        (f"t=1_767_225_605,v0={DIGEST}", "no timestamp"),
        (f"t={NOW}.0,v0={DIGEST}", "no timestamp"),
        (f"t=0x6955b8c5,v0={DIGEST}", "no timestamp"),
        (f"t=abc,v0={DIGEST}", "no timestamp"),
        (f"t=١٧٦٧٢٢٥٦٠٥,v0={DIGEST}", "no timestamp"),
        (f"t=176722560⁵,v0={DIGEST}", "no timestamp"),
        (f"t={'9' * 100},v0={DIGEST}", "no timestamp"),
        (f"t={NOW},t={NOW},v0={DIGEST}", "two timestamps"),
        (f"t={NOW}", "no v0"),
        (f"t={NOW},v0=", "no v0"),
        (f"t={NOW},v1={DIGEST}", "no v0"),
        (f"t={NOW},V0={DIGEST}", "no v0"),
        (f"t={NOW},v0={DIGEST}é", "no v0"),
        (f"t={NOW};v0={DIGEST}", "no timestamp"),
        (f"t={NOW}," + f"v0={'0' * 64}," * 100 + f"v0={DIGEST}", "too long"),
        ("x" * 100_000, "too long"),
    ],
)
def test_a_header_that_cannot_be_valid_is_refused_before_the_body(header: str, problem: str) -> None:
    with pytest.raises(InvalidSignature, match=problem):
        Verifier([SECRET], header, now=NOW)


@pytest.mark.parametrize("digest", ["0" * 64, DIGEST[:-1], DIGEST + "0", DIGEST[:32], "0"])
def test_a_digest_must_be_whole(digest: str) -> None:
    with pytest.raises(InvalidSignature, match="does not match"):
        verify(f"t={NOW},v0={digest}")


@pytest.mark.parametrize(
    ("now", "accepted"),
    [
        (NOW + TOLERANCE_S, True),
        (NOW + TOLERANCE_S + 0.001, False),
        (NOW - FUTURE_S, True),
        (NOW - FUTURE_S - 0.001, False),
        (0.0, False),
        (4e9, False),
    ],
)
def test_a_signature_is_good_for_half_an_hour_and_a_fast_clock(now: float, accepted: bool) -> None:
    if accepted:
        verify(HEADER, now=now)
    else:
        with pytest.raises(InvalidSignature, match="tolerance"):
            verify(HEADER, now=now)


def test_the_tolerance_can_be_set() -> None:
    Verifier([SECRET], HEADER, now=NOW + 60, tolerance_s=60)
    with pytest.raises(InvalidSignature):
        Verifier([SECRET], HEADER, now=NOW + 61, tolerance_s=60)


@pytest.mark.parametrize("secrets", [[], [""], ["  "], [SECRET, ""]])
def test_an_empty_secret_is_a_mistake_of_ours_and_never_no_authentication(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="empty"):
        Verifier(secrets, HEADER, now=NOW)


def official(body: bytes, header: str, secret: str = SECRET) -> bool:
    try:
        ElevenLabs(api_key="none").webhooks.construct_event(
            rawBody=body.decode(), sig_header=header, secret=secret
        )
    except (BadRequestError, ValueError):  # it lets int() fail on a garbled timestamp
        return False
    return True


def ours(body: bytes, header: str, secret: str = SECRET) -> bool:
    try:
        verify(header, body, secrets=(secret,), now=time.time())
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_official_sdk_accepts_what_we_sign(path: Path) -> None:
    body = path.read_bytes()
    assert official(body, sign(SECRET, body, now=time.time()))


def test_we_agree_with_the_official_sdk_but_for_its_faults() -> None:
    now = int(time.time())
    good, bad = sign(SECRET, BODY, now=now), f"t={now},v0={'0' * 64}"
    old, recent = sign(SECRET, BODY, now=now - 1900), sign(SECRET, BODY, now=now - 1700)
    for header in (good, bad, old, recent, "", "t=1", f"{good},v1=0", f"v1=0,{good}"):
        assert official(BODY, header) == ours(BODY, header), header
    ahead = sign(SECRET, BODY, now=now + 86400)
    assert official(BODY, ahead)  # any future timestamp: what was signed so could be replayed for ever
    assert not ours(BODY, ahead)
    several = f"{good},v0={'0' * 64}"
    assert not official(BODY, several)  # only the last v0 counts
    assert ours(BODY, several)


# -- the samples ------------------------------------------------------------------


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_understood(path: Path) -> None:
    body = path.read_bytes()
    found, raw = parse_event(body), json.loads(body)
    assert found.type == raw["type"]
    assert found.conversation_id == raw["data"]["conversation_id"]
    assert found.agent_id == raw["data"]["agent_id"]
    assert found.event_timestamp == raw["event_timestamp"]
    assert (found.conversation is not None) == (found.type == "post_call_transcription")
    if found.conversation is not None:
        assert len(found.conversation.turns) == len(raw["data"].get("transcript", []))
        assert found.conversation.started_at == raw["data"]["metadata"]["start_time_unix_secs"]
        assert found.conversation.duration_s == raw["data"]["metadata"]["call_duration_secs"]
        assert found.conversation == parse_conversation(raw["data"])


@pytest.mark.parametrize(
    ("name", "turns", "silent", "language", "channel", "caller"),
    [
        ("inbound_twilio", 19, 3, "en", "twilio inbound", "tel:+12025550142"),
        ("second_call", 16, 3, "en", "twilio inbound", "tel:+12025550142"),
        ("inbound_sip", 10, 0, "en", "sip_trunking inbound", "tel:+12025550143"),
        ("outbound_twilio", 9, 1, "en", "twilio outbound", "tel:+12025550144"),
        ("web", 6, 0, "en", "web", None),
        ("web_user", 6, 0, "en", "web", "user:crm-4711"),
        ("whatsapp", 6, 0, "en", "whatsapp inbound", "tel:+12025550145"),
        ("multivoice", 6, 0, "en", "twilio inbound", "tel:+12025550146"),
        ("no_transcript", 0, 0, "en", "twilio inbound", "tel:+12025550148"),
        ("analysis_null", 4, 0, "en", "twilio inbound", "tel:+12025550149"),
        ("german", 10, 1, "de", "twilio inbound", "tel:+12025550147"),
        ("long_call", 120, 15, "en", "twilio inbound", "tel:+12025550151"),
    ],
)
def test_a_call_says_how_it_went_and_who_called(
    *, name: str, turns: int, silent: int, language: str, channel: str, caller: str | None
) -> None:
    found = call(name)
    assert len(found.turns) == turns
    assert sum(turn.text == "" for turn in found.turns) == silent
    assert (found.language, f"{found.channel} {found.direction}".strip()) == (language, channel)
    address = resolve(found.hints)
    assert (None if address is None else str(address)) == caller


def test_the_hints_of_an_outbound_call_tell_our_number_from_theirs() -> None:
    hints = call("outbound_twilio").hints
    assert (hints.agent_number, hints.external_number) == ("+12025550104", "+12025550144")
    assert (hints.caller_id, hints.called_number) == ("+12025550104", "+12025550144")
    assert call("web_user").hints.user_ids == ("crm-4711", "crm-4711")
    assert call("whatsapp").hints.whatsapp_id == "12025550145"
    assert call("inbound_sip").hints.caller_id == "sip:+12025550143@pbx.example.com:5060;user=phone"


def test_both_calls_of_robin_are_one_caller() -> None:
    assert (
        resolve(call("inbound_twilio").hints)
        == resolve(call("second_call").hints)
        == Address("tel", "+12025550142")
    )


def test_an_interrupted_turn_says_what_was_heard() -> None:
    assert call("inbound_twilio").turns[5].text.endswith("the courier has it in Leeds. I'll ask them")
    assert "e-mail you the new" in call("second_call").turns[7].text


def test_the_voices_of_one_turn_are_joined() -> None:
    assert (
        call("multivoice").turns[0].text
        == "Welcome to Lantern Tours. Boo! Dare you walk the old town by night?"
    )
    assert (
        call("multivoice").turns[2].text == "Six brave souls on Saturday. Does anybody need step-free access?"
    )


def test_what_we_brought_into_the_call_is_marked() -> None:
    for name in ("inbound_twilio", "second_call", "long_call", "outbound_twilio"):
        found, data = call(name), json.loads(sample(name))["data"]
        results = [r["result_value"] for turn in data["transcript"] for r in turn["tool_results"]]
        assert set(results) <= set(found.injected)
        variables = data["conversation_initiation_client_data"]["dynamic_variables"]
        named = {k: v for k, v in variables.items() if isinstance(v, str) and v}
        assert {v for k, v in named.items() if not k.startswith("system__")} <= set(found.injected)
        assert not {v for k, v in named.items() if k.startswith("system__")} & set(found.injected)
    assert any("full refund" in text for text in call("second_call").injected)


def test_collected_data_keeps_its_label_and_becomes_text() -> None:
    assert {each.label: each.value for each in call("long_call").collected} == {
        "number of guests": "96",
        "Gästewunsch – Allergien": "nuts (Oscar), gluten (Daniel)",
        "予算": "9000.0",
        "pays_by_card": "false",
    }


def test_a_call_without_analysis_or_transcript_is_still_a_call() -> None:
    assert (call("analysis_null").summary, call("analysis_null").title, call("analysis_null").collected) == (
        "",
        "",
        (),
    )
    assert call("no_transcript").turns == ()
    assert call("no_transcript").summary.startswith("The caller asked")


def test_a_bare_conversation_id_is_a_call() -> None:
    assert parse_event(event()).conversation == Conversation(conversation_id="conv_1", channel="web")
    nulls = dict.fromkeys(
        ("agent_id", "transcript", "metadata", "analysis", "conversation_initiation_client_data")
    )
    assert parse_event(event(**nulls)).conversation == Conversation(conversation_id="conv_1", channel="web")


def test_a_failure_names_its_reason() -> None:
    assert parse_event(sample("failure_twilio")).failure == "busy"
    assert parse_event(sample("failure_sip")).failure == "no-answer"
    body = b'{"type":"call_initiation_failure","data":{"conversation_id":"c"}}'
    assert parse_event(body) == Event(type="call_initiation_failure", conversation_id="c", failure="unknown")


def test_an_unknown_type_is_no_error_and_a_transcript_is_read_whatever_it_is_called() -> None:
    assert parse_event(sample("unknown_type")).type == "answering_machine_detection"
    raw = json.loads(sample("inbound_twilio")) | {"type": "unredacted_transcript", "new": [1]}
    found = parse_event(json.dumps(raw).encode())
    assert found.conversation == call("inbound_twilio")


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("en", "en"),
        ("DE", "de"),
        ("pt-br", "pt"),
        ("zh_Hant", "zh"),
        ("fil", "fil"),
        ("english", "en"),
        ("", ""),
    ],
)
def test_a_language_is_named_without_its_country(code: str, language: str) -> None:
    found = parse_event(event(metadata={"main_language": code})).conversation
    assert found is not None
    assert found.language == language


def test_the_language_chosen_for_the_call_comes_before_the_agent_s_own() -> None:
    chosen = {"conversation_config_override": {"agent": {"language": "de"}}}
    found = parse_event(event(metadata={"main_language": "en"}, conversation_initiation_client_data=chosen))
    assert found.conversation is not None
    assert found.conversation.language == "de"


def test_dynamic_variables_of_any_type_become_text() -> None:
    values = {"a": None, "b": True, "c": 5, "d": 1.5, "e": ["x"], "f": "y", "system__x": "z"}
    found = parse_event(event(conversation_initiation_client_data={"dynamic_variables": values})).conversation
    assert found is not None
    assert found.variables == {
        "a": "",
        "b": "true",
        "c": "5",
        "d": "1.5",
        "e": '["x"]',
        "f": "y",
        "system__x": "z",
    }
    assert found.injected == ("true", "5", "1.5", '["x"]', "y")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "-5", "1e300", "9" * 300])
def test_a_time_beyond_reason_is_zero(number: str) -> None:
    body = event(
        transcript=[{"role": "user", "message": "hi", "time_in_call_secs": "N"}],
        metadata={"start_time_unix_secs": "N", "call_duration_secs": "N"},
    ).replace(b'"N"', number.encode())
    found = parse_event(body.replace(b'"data"', b'"event_timestamp": ' + number.encode() + b', "data"', 1))
    assert found.conversation is not None
    assert found.event_timestamp == found.conversation.started_at == found.conversation.duration_s == 0
    assert found.conversation.turns[0].seconds == 0


@pytest.mark.parametrize("text", ["...", "…", " . . . ", "", "  ", None])
def test_silence_is_an_empty_turn_that_keeps_its_place(text: str | None) -> None:
    turns = [{"role": "user", "message": text}, {"role": "user", "message": "...well"}]
    found = parse_event(event(transcript=turns)).conversation
    assert found is not None
    assert [turn.text for turn in found.turns] == ["", "...well"]


def test_lone_surrogates_are_neutralised_everywhere() -> None:
    bad = "\ud800a\udfff"
    found = parse_event(
        event(
            agent_id=bad,
            agent_name=bad,
            user_id=bad,
            transcript=[{"role": "user", "message": bad, "tool_results": [{"result_value": bad}]}],
            metadata={
                "timezone": bad,
                "main_language": bad,
                "phone_call": {"type": bad, "external_number": bad},
            },
            analysis={"transcript_summary": bad, "data_collection_results": {bad: {"value": bad}}},
            conversation_initiation_client_data={"dynamic_variables": {bad: bad, "list": [bad]}},
        )
    )
    assert repr(found).encode()
    assert "\ufffda\ufffd" in repr(found)


# -- what cannot be read ----------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON.* at character 0"),
        (b"{", "not JSON.* at character 1"),
        (b'{"type": "x", }', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8 .byte 7"),
        ('{"type": "x"}'.encode("utf-16"), "not UTF-8 .byte 0"),
        ('{"type": "x"}'.encode("utf-16-le"), "not JSON"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not JSON"),
        (b"[]", r"an object @ \$$"),
        (b"null", r"an object @ \$$"),
        (b"{}", r"@ \$\.type"),
        (b'{"type": 5, "data": {}}', r"@ \$\.type"),
        (b'{"type": "", "data": {}}', r"@ \$\.type"),
        (b'{"type": "\\u0000", "data": {}}', r"@ \$\.type"),
        (b'{"type": "x"}', r"@ \$\.data$"),
        (b'{"type": "x", "data": []}', r"@ \$\.data$"),
        (b'{"type": "x", "data": {}}', r"@ \$\.data\.conversation_id"),
        (b'{"type": "x", "event_timestamp": "1", "data": {}}', r"@ \$\.event_timestamp"),
        (b'{"type": "x", "event_timestamp": true, "data": {}}', r"@ \$\.event_timestamp"),
        (b'{"type": "x", "data": {"conversation_id": "c", "agent_id": 5}}', r"@ \$\.data\.agent_id"),
        (event(transcript={}), r"array.* @ \$\.data\.transcript"),
        (event(transcript=[None]), r"object.* @ \$\.data\.transcript\[0\]"),
        (event(transcript=[{"role": "user", "message": 5}]), r"@ \$\.data\.transcript\[0\]\.message"),
        (
            event(transcript=[{"role": "user", "time_in_call_secs": "5"}]),
            r"number.*transcript\[0\]\.time_in_call",
        ),
        (event(metadata=[]), r"object.* @ \$\.data\.metadata"),
        (
            event(metadata={"phone_call": {"external_number": 12025550142}}),
            r"\$\.data\.metadata\.phone_call\.ext",
        ),
        (event(analysis={"data_collection_results": [1]}), r"@ \$\.data\.analysis\.data_collection_results"),
        (event(conversation_initiation_client_data={"dynamic_variables": "x"}), r"dynamic_variables"),
    ],
)
def test_what_cannot_be_read_says_what_is_wrong_and_where(body: bytes, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem) as caught:
        parse_event(body)
    assert len(str(caught.value)) < 500


def test_every_problem_is_named_at_once() -> None:
    body = event(transcript=[{"role": 1, "message": 2}], metadata={"timezone": 3})
    with pytest.raises(Unreadable) as caught:
        parse_event(body)
    for path in ("transcript[0].role", "transcript[0].message", "metadata.timezone"):
        assert f"@ $.data.{path}" in str(caught.value)


@pytest.mark.parametrize("turn", [b"1", b'{"role": ' + b"1" * 4000 + b"}"])
def test_no_body_makes_a_sentence_as_long_as_itself(turn: bytes) -> None:
    body = event(transcript=["TURNS"]).replace(b'"TURNS"', b", ".join([turn] * 1000))
    with pytest.raises(Unreadable, match="and 980 more") as caught:
        parse_event(body)
    assert len(str(caught.value)) < 2500


@pytest.mark.parametrize("depth", [50, 300, 700, 850, 900, 950, 1000, 2000])
def test_no_depth_of_nesting_is_a_crash(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    for key in ("dynamic_variables", "other"):
        body = event(conversation_initiation_client_data={key: {"x": "NESTED"}})
        try:
            parse_event(body.replace(b'"NESTED"', nested))
        except Unreadable as error:
            assert "nested too deeply" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "../../x",
        "a/b",
        "a\\b",
        "a.b",
        "a b",
        "a\n",
        "a\x00",
        "a\x00b",
        "ä",
        "conv_１",
        "x" * 129,
        "-" * 129,
        None,
        5,
        True,
        {},
    ],
)
def test_a_conversation_id_that_could_be_a_path_is_unreadable(value: Any) -> None:
    body = json.dumps({"type": "x", "data": {"conversation_id": value}}).encode()
    with pytest.raises(Unreadable, match=r"@ \$\.data\.conversation_id"):
        parse_event(body)
    scanner = Scanner()
    scanner.feed(body)
    with pytest.raises(Unreadable, match=r"@ \$\.data\.conversation_id"):
        scanner.finish()


@pytest.mark.parametrize("value", ["a", "conv_01jxyz", "A-b_9", "x" * 128, "20charslongagentid00"])
def test_an_ordinary_conversation_id_is_fine(value: str) -> None:
    assert is_conversation_id(value)


def test_a_key_may_appear_twice_only_where_others_write_the_json() -> None:
    assert parse_json(b'{"a": 1, "a": 2}', unique_keys=False) == {"a": 2}
    with pytest.raises(Unreadable, match="'a' appears twice"):
        parse_json(b'{"b": {"a": 1, "a": 2}}')


# -- text that crosses the border -------------------------------------------------


@given(st.text(st.characters() | st.sampled_from("{}\x00\x1f\u2028\x85\ud800 \n\u200b"), max_size=60))
def test_spoken_text_has_nothing_that_a_template_would_expand(text: str) -> None:
    said = spoken(text)
    assert "{{" not in said
    assert "}}" not in said
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in said)
    assert said == spoken(said)
    said.encode()


def test_spoken_text_reads_as_it_was_meant() -> None:
    assert spoken("  Robin\n said:\t{{system__caller_id}} {x} \x07") == "Robin said: {system__caller_id} {x}"
    assert spoken("{\x00{{\u2028{") == "{"
    assert clean("a\tb\nc\x00\ufeff\udc00") == "a\tb\nc\ufffd"


# -- reading an event that is too large to hold -----------------------------------


def scan(body: bytes, cuts: list[int] | int = 65536) -> tuple[Event, bytes, int]:
    found = bytearray()
    scanner = Scanner(text=found.extend)
    for piece in pieces(body, cuts):
        scanner.feed(piece)
    return scanner.finish(), bytes(found), scanner.captured


def pieces(body: bytes, cuts: list[int] | int) -> Iterator[bytes]:
    edges = sorted({0, len(body), *(range(0, len(body), cuts) if isinstance(cuts, int) else cuts)})
    yield from (body[a:b] for a, b in pairwise(edges))


def envelope(found: Event) -> tuple[str, str, str, float]:
    return found.type, found.conversation_id, found.agent_id, found.event_timestamp


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [1, 3, 65536])
def test_the_scanner_agrees_with_the_parser_on_every_sample(path: Path, size: int) -> None:
    body = path.read_bytes()
    found, captured, count = scan(body, size)
    assert envelope(found) == envelope(parse_event(body))
    assert captured.decode() == json.loads(body)["data"].get("full_audio", "")
    assert count == len(captured)


def test_the_audio_of_the_samples_is_what_it_says() -> None:
    _, mp3, _ = scan(sample("audio"))
    frames = base64.b64decode(mp3, validate=True)
    assert len(frames) == 20 * 417
    assert all(frames[at : at + 4] == b"\xff\xfb\x90\xc4" for at in range(0, len(frames), 417))
    _, other, _ = scan(sample("audio_not_mp3"))
    assert base64.b64decode(other, validate=True).startswith(b"RIFF")


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=4)
            | st.sampled_from(
                ["type", "data", "conversation_id", "agent_id", "full_audio", "data.conversation_id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_data = st.fixed_dictionaries(
    {"conversation_id": st.sampled_from(["conv_1", "conv-2"])},
    optional={
        "agent_id": st.text(max_size=10) | st.none(),
        "full_audio": st.text("ABCabc+/=", max_size=40),
        "conversation_id.x": _json,
        "other": _json,
        "transcript_": _json,
    },
)
_events = st.fixed_dictionaries(
    {"type": st.sampled_from(["post_call_audio", "x"]), "data": _data},
    optional={
        "event_timestamp": st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none(),
        "conversation_id": _json,
        "data.conversation_id": _json,
        "full_audio": _json,
        "data.full_audio": st.text(max_size=5),
    },
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: shuffled(value[key]) for key in draw(st.permutations(sorted(value)))}

    value = shuffled(draw(_events))
    layout: dict[str, Any] = draw(st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}]))
    return json.dumps(value, ensure_ascii=draw(st.booleans()), **layout).encode("utf-8", "replace")


@given(bodies(), st.data())
def test_the_scanner_agrees_with_the_parser_however_the_body_is_cut(body: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.just(1) | st.lists(st.integers(0, len(body)), max_size=20))
    found, captured, _ = scan(body, cuts)
    assert envelope(found) == envelope(parse_event(body))
    assert captured.decode() == (json.loads(body)["data"].get("full_audio") or "")


@given(bodies(), st.data())
def test_the_scanner_refuses_every_truncated_body(body: bytes, data: st.DataObject) -> None:
    with pytest.raises(Unreadable):
        scan(body[: data.draw(st.integers(0, len(body) - 1))], data.draw(st.integers(1, 9)))


@given(bodies(), st.data())
def test_the_scanner_reads_no_json_that_the_parser_does_not(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body)))
    gone = data.draw(st.integers(0, 2))
    broken = (
        body[:at]
        + data.draw(st.sampled_from([b"", *(bytes([c]) for c in b'"{}[],: \\\n0x-.')]))
        + body[at + gone :]
    )
    outcomes = []
    for read in (parse_event, lambda body: scan(body)[0], lambda body: scan(body, 1)[0]):
        try:
            outcomes.append(envelope(read(broken)))
        except Unreadable:
            outcomes.append(None)
    parsed, whole, bytewise = outcomes
    assert whole == bytewise
    assert whole == parsed or (whole is None and broken.count(b'"full_audio"') > 1)


def test_the_scanner_is_not_fooled_by_names_in_other_places() -> None:
    body = json.dumps(
        {
            "conversation_id": "no1",
            "data.conversation_id": "no2",
            "data.full_audio": "NO",
            "text": '"data": {"conversation_id": "no3", "full_audio": "NO"}',
            "list": [{"conversation_id": "no4"}, ["data", "conversation_id"]],
            "other": {"conversation_id": "no5", "full_audio": "NO"},
            "data": {
                "x": {"data": {"conversation_id": "no6", "full_audio": "NO"}, "conversation_id": "no7"},
                "full_audio": "QUJD",
                "note": 'conversation_id": "no8',
                "conversation_id": "yes",
                "y": [{"conversation_id": "no9", "full_audio": "NO"}],
                "data": {"conversation_id": "no10"},
            },
            "type": "post_call_audio",
        }
    ).encode()
    for size in (1, 2, 5, 4096):
        found, captured, _ = scan(body, size)
        assert (found.type, found.conversation_id, captured) == ("post_call_audio", "yes", b"QUJD")


@pytest.mark.parametrize(
    "data",
    ['[{"conversation_id": "c"}]', '"conversation_id"', "null", "5", '{"conversation_id": {"x": "c"}}'],
)
def test_the_scanner_wants_an_object_with_an_id(data: str) -> None:
    with pytest.raises(Unreadable, match="expected"):
        scan(f'{{"type": "x", "data": {data}}}'.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"5",
        b'"x"',
        b"[]",
        b'x{"type": "x", "data": {"conversation_id": "c"}}',
        b'{"type": "x", "data": {"conversation_id": "c"}} x',
        b'{"type": "x", "data": {"conversation_id": "c"}}{}',
        b'{"type" "x", "data": {"conversation_id": "c"}}',
        b'{"type": "x" "data": {"conversation_id": "c"}}',
        b'{"type": "x", "data": {"conversation_id": "c"},}',
        b'{"type": "x", "event_timestamp": 1 2, "data": {"conversation_id": "c"}}',
        b'{"type": "x", "event_timestamp": 01, "data": {"conversation_id": "c"}}',
        b'{"type": "x", "n": NaN, "data": {"conversation_id": "c"}}',
        b'{"type": "x", "data": {"conversation_id": "c"]}',
        b'{"type": "x", "data": {"conversation_id": "c", "agent_id": "\xff"}}',
        b'{"type": "x", "data": {"conversation_id": "c", "full_audio": "a\nb"}}',
        b'{"type": "x", "data": {"conversation_id": "c", "full_audio": "\\x41"}}',
        b'{"type": "x", "data": {"conversation_id": "c", "full_audio": "A", "full_audio": "B"}}',
        b'{"type": "x", "data": {"conversation_id": "c", "agent_id": "' + b"a" * 70_000 + b'"}}',
        b'\xef\xbb\xbf{"type": "x", "data": {"conversation_id": "c"}}',
        '{"type": "x", "data": {"conversation_id": "c"}}'.encode("utf-16-le"),
    ],
)
def test_the_scanner_refuses_what_is_no_json_object(body: bytes) -> None:
    for size in (1, 65536):
        with pytest.raises(Unreadable):
            scan(body, size)


def test_the_scanner_resolves_the_escapes_that_encoders_put_into_base64() -> None:
    body = rb'{"type":"x","data":{"conversation_id":"c","full_audio":"ab\/c\u002Bd\u003d="}}'
    for size in (1, 2, 3, 4096):
        assert scan(body, size)[1] == b"ab/c+d=="


@pytest.mark.parametrize(
    "chunk", [b"[" * 65536, b'{"a":' * 13107, b'{"' + b"a" * 65536, b'"' * 3, b"1" * 65536, b" " * 65536]
)
@pytest.mark.parametrize("start", [b"", b'{"type":"x","data":{"o":', b'{"type":"x","data":{"full_audio":"'])
def test_the_scanner_needs_no_more_memory_than_a_piece(start: bytes, chunk: bytes) -> None:
    scanner = Scanner(text=lambda _: None)

    def endless() -> None:
        scanner.feed(start)
        for _ in range(64):
            scanner.feed(chunk)
        scanner.finish()

    tracemalloc.start()
    try:
        with pytest.raises(Unreadable):
            endless()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_the_scanner_passes_a_long_call_on_as_it_comes() -> None:
    digest, block = hashlib.sha256(), base64.b64encode(bytes(range(256)) * 192)
    scanner = Scanner(text=digest.update)
    scanner.feed(b'{"type":"post_call_audio","data":{"full_audio":"')
    for _ in range(200):
        scanner.feed(block)
    scanner.feed(b'","conversation_id":"conv_1"}}')
    assert scanner.finish().conversation_id == "conv_1"
    assert scanner.captured == 200 * len(block)
    assert hmac.compare_digest(digest.digest(), hashlib.sha256(block * 200).digest())


# -- the fast way to read an event, and the one that names problems --------------------

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
OUR_TURNS = st.fixed_dictionaries(
    {},
    optional={
        "role": ANYTHING | st.just("user"),
        "message": ANYTHING,
        "time_in_call_secs": ANYTHING,
        "tool_results": ANYTHING | st.lists(st.fixed_dictionaries({"result_value": ANYTHING}), max_size=2),
        "unknown": ANYTHING,
    },
)
OUR_DATA = st.fixed_dictionaries(
    {},
    optional={
        "conversation_id": ANYTHING | st.just("conv_1"),
        "user_id": ANYTHING,
        "transcript": ANYTHING | st.lists(OUR_TURNS, max_size=3),
        "metadata": ANYTHING
        | st.fixed_dictionaries({"start_time_unix_secs": ANYTHING, "phone_call": ANYTHING}),
        "analysis": ANYTHING | st.fixed_dictionaries({"data_collection_results": ANYTHING}),
    },
)


@given(OUR_DATA)
def test_the_fast_reader_takes_exactly_what_the_strict_one_takes(raw: dict[str, Any]) -> None:
    try:
        expected = strict.structure(webhooks._CONVERTER, raw, webhooks._Data, "$.data")
    except Unreadable as error:
        with pytest.raises(Unreadable, match=f"^{re.escape(str(error))}$"):
            webhooks._structured(raw)
    else:
        assert repr(webhooks._structured(raw)) == repr(expected)


@given(st.text())
def test_clean_text_is_the_same_whether_or_not_the_short_way_was_taken(text: str) -> None:
    slowly = webhooks._CONTROL.sub("", webhooks._SURROGATE.sub("\ufffd", text))
    assert webhooks.clean(text) == slowly


@given(st.one_of(mutated(), replaced()), st.booleans())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_event_that_is_read_in_one_go_is_what_a_closer_look_finds(body: bytes, whole: bool) -> None:
    quick = webhooks._transcription(body, whole)
    if quick is None:
        return
    raw = parse_json(body, unique_keys=False)
    closer = evolve(
        webhooks._envelope(raw), conversation=webhooks.parse_conversation(raw["data"], whole=whole)
    )
    assert repr(quick) == repr(closer) == repr(parse_event(body, whole=whole))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_recorded_transcription_is_read_in_one_go(path: Path) -> None:
    body = path.read_bytes()
    quick = webhooks._transcription(body, whole=False)
    assert (quick is not None) is (json.loads(body)["type"] == TRANSCRIPTION)


def test_a_body_that_is_here_as_a_whole_is_checked_like_one_in_pieces() -> None:
    Verifier(["another secret", SECRET], HEADER, now=NOW).check(BODY)
    for body in (BODY[:-1], BODY + b" ", b""):
        with pytest.raises(InvalidSignature):
            Verifier(["another secret", SECRET], HEADER, now=NOW).check(body)
