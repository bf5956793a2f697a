"""The labelled calls that ship with the package are what they claim to be."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from itertools import chain
from typing import Any

import pytest

from elaaoms.evaluation import extraction_set, hard_set, injection_set
from elaaoms.memory import MAX_CONTENT, MAX_QUOTE, Category
from elaaoms.webhooks import Conversation, Turn, parse_event

CALLS = extraction_set()
ATTACKS = injection_set()
HARD = hard_set()
EVERY = [*CALLS, *ATTACKS, *HARD]

_DIGITS = re.compile(r"\d+")
_ISO = re.compile(r"\b(?:19|20)\d\d-\d\d-\d\d\b")
_PHONE = re.compile(r"\d(?:[ -]?\d){6,}")
_SPOKEN_DIGIT = dict(
    zip(
        """zero oh one two three four five six seven eight nine null eins zwei drei vier fünf sechs sieben acht neun
        cero uno dos tres cuatro cinco seis siete ocho nueve zéro un deux trois quatre cinq sept huit neuf""".split(),
        "0012345678901234567890123456789012345789",
        strict=True,
    )
)
_SPOKEN_PHONE = re.compile(rf"\b(?:(?:{'|'.join(_SPOKEN_DIGIT)})[\s,]+){{6,}}(?:double )?\w+")
_FICTIONAL = re.compile(r"1?\d{3}55501\d\d|55501\d\d")
_EMAIL = re.compile(r"[\w.+-]+@([\w.-]+\w)")
_HOST = re.compile(r"(?:https?://|www\.)([\w.-]+)")
_DATED = re.compile(
    r"\d+|"
    r"january|february|march|april|may|june|july|august|september|october|november|december|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|half past|"
    r"januar|februar|märz|mai|juni|juli|oktober|dezember|"
    r"(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|"
    r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|"
    r"lunes|martes|miércoles|jueves|viernes|sábado|domingo|"
    r"janvier|février|mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre|noël|"
    r"(?:lun|mar|mercre|jeu|vendre|same)di|dimanche",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"^\W*(?:oh?|ah|well|ach|ay|bon|bueno|so)?\W*"
    r"(?:yes|yeah|yep|sure|okay|ok|right|correct|exactly|great|good|perfect|brilliant|wonderful|cool|fine|lovely|"
    r"sounds|thank|thanks|please|alright|aye|that(?:'?s|'d| works| would be)|"
    r"ja|genau|richtig|ganz lieb|ist gut|stimmt|gut|gern|einverstanden|super|sehr (?:schön|gut)|"
    r"sí|vale|genial|me parece|hombre, pues se lo agradezco|perfecto|de acuerdo|estupendo|correcto|gracias|muy bien|"
    r"oui|entendu|d'accord|exact|très bien|parfait|super|merci)\b",
    re.IGNORECASE,
)


def turns(row: dict[str, Any]) -> tuple[Turn, ...]:
    """The turns as the extractor will see them."""
    return conversation(row).turns


def conversation(row: dict[str, Any]) -> Conversation:
    """The parsed call."""
    parsed = parse_event(json.dumps(row["transcript"]).encode()).conversation
    assert parsed is not None
    return parsed


def squashed(text: str) -> str:
    """Text to compare: one space, no case."""
    return " ".join(text.split()).casefold()


def labelled(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The facts of a call of either set."""
    facts: list[dict[str, Any]] = row["facts"] if "facts" in row else row["benign"]
    return facts


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(strings, (*value, *value.values())))
    elif isinstance(value, list):
        yield from chain.from_iterable(map(strings, value))


def name(row: dict[str, Any]) -> str:
    return str(row["id"])


each_call = pytest.mark.parametrize("row", CALLS, ids=name)
each_attack = pytest.mark.parametrize("row", ATTACKS, ids=name)
each = pytest.mark.parametrize("row", EVERY, ids=name)


def traps(row: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    return [trap for trap in row["traps"] if trap["kind"] in kinds]


# -- every call -------------------------------------------------------------------


@each
def test_the_event_parses_into_a_call_with_what_an_extractor_needs(row: dict[str, Any]) -> None:
    call = conversation(row)
    assert row["transcript"]["type"] == "post_call_transcription"
    assert call.agent_id
    assert call.agent_name
    assert call.language == row["language"]
    assert call.started_at > 0
    assert call.duration_s > 0
    assert call.hints.external_number
    assert row["transcript"]["event_timestamp"] >= call.started_at + call.duration_s
    seconds = [turn.seconds for turn in call.turns]
    assert seconds == sorted(seconds)


@each
def test_a_fact_is_quoted_word_for_word_from_the_turn_it_cites(row: dict[str, Any]) -> None:
    said = turns(row)
    for fact in labelled(row):
        turn = said[fact["turn"]]
        assert fact["quote"].strip()
        assert fact["quote"] in turn.text, fact
        assert turn.role == ("user" if fact["speaker"] == "caller" else "agent"), fact


@pytest.mark.parametrize("row", [*CALLS, *ATTACKS], ids=name)
def test_what_only_the_agent_said_is_agreed_to_in_the_callers_next_turn(row: dict[str, Any]) -> None:
    said = turns(row)
    for fact in labelled(row):
        if fact["speaker"] != "caller":
            answer = next(turn.text for turn in said[fact["turn"] + 1 :] if turn.role == "user" and turn.text)
            assert _AGREES.match(answer), (fact, answer)


@each
def test_a_fact_has_the_shape_of_a_fact(row: dict[str, Any]) -> None:
    facts = labelled(row)
    for fact in facts:
        assert set(fact) - {"event_date"} == {"content", "quote", "category", "turn", "importance", "speaker"}
        assert fact["category"] in set(Category)
        assert fact["speaker"] in {"caller", "confirmed", "commitment"}
        assert type(fact["importance"]) is int
        assert 1 <= fact["importance"] <= 10
        assert 0 < len(fact["content"]) <= MAX_CONTENT
        assert 0 < len(fact["quote"]) <= MAX_QUOTE
        assert fact["content"].endswith(".")
        if "event_date" in fact:
            assert str(date.fromisoformat(fact["event_date"]).day) in _DIGITS.findall(fact["content"]), fact
    contents = [squashed(fact["content"]) for fact in facts]
    assert len(contents) == len(set(contents))


@each
def test_nothing_that_elaaoms_brought_into_the_call_is_evidence(row: dict[str, Any]) -> None:
    call = conversation(row)
    for fact in labelled(row):
        if fact["speaker"] != "caller":
            assert not any(squashed(fact["quote"]) in squashed(text) for text in call.injected), fact


@each
def test_every_number_and_address_is_fictional(row: dict[str, Any]) -> None:
    ids = set(strings(row["transcript"]["data"]["conversation_initiation_client_data"])) | {
        row["transcript"]["data"]["metadata"]["phone_call"]["call_sid"]
    }
    for text in strings(row):
        for host in (*_EMAIL.findall(text), *_HOST.findall(text)):
            assert re.fullmatch(r"(?:[\w.-]+\.)?example(?:\.(?:com|org|net))?", host), text  # RFC 2606
        for spoken in _SPOKEN_PHONE.findall(text.casefold()):
            digits = "".join(_SPOKEN_DIGIT.get(word, "") for word in re.findall(r"\w+", spoken))
            assert "55501" in digits or digits.startswith("0000"), text
        if text in ids and not text.startswith("+"):
            continue
        for number in _PHONE.findall(_ISO.sub("", text)):
            assert _FICTIONAL.fullmatch(re.sub(r"\D", "", number)), text


# -- the extraction set -----------------------------------------------------------


def test_the_extraction_set_is_large_and_speaks_four_languages() -> None:
    languages = Counter(row["language"] for row in CALLS)
    assert len(CALLS) >= 44
    assert languages["en"] >= 26
    assert min(languages["de"], languages["es"], languages["fr"]) >= 6
    assert sum(len(row["facts"]) for row in CALLS) >= 320
    assert sum(not row["facts"] for row in CALLS) >= 5
    assert sum("injection" in row["tags"] for row in CALLS) >= 6
    assert max(len(turns(row)) for row in CALLS) >= 100
    assert sum(bool(conversation(row).variables.get("caller_memory")) for row in CALLS) >= 5


def test_the_extraction_set_covers_what_goes_wrong_on_the_phone() -> None:
    assert {row["domain"].replace(" ", "-") for row in CALLS} == set(
        """shop clinic bank hotel utility club garage vet insurance airline broadband school moving pharmacy rental
        municipal gym travel restaurant courier claims gardening library energy theatre orthodontics nursery plumbing
        rail driving-school music-school language-school property-management""".split()
    )
    tags = Counter(chain.from_iterable(row["tags"] for row in CALLS))
    for tag in """asr correction spelled interruption household relative relative_date spoken_number email preference
        dislike complaint mood promise small_talk nothing injected_memory injection status secret other_people
        hypothetical question confirmed allergy""".split():
        assert tags[tag] >= 1, tag
    facts = list(chain.from_iterable(row["facts"] for row in CALLS))
    assert set(Counter(fact["category"] for fact in facts)) == set(Category)
    assert set(Counter(fact["speaker"] for fact in facts)) == {"caller", "confirmed", "commitment"}
    assert sum("event_date" in fact for fact in facts) >= 60


def test_ids_are_unique() -> None:
    for rows in (CALLS, ATTACKS):
        assert len({row["id"] for row in rows}) == len(rows)
    conversations = [row["transcript"]["data"]["conversation_id"] for row in EVERY]
    assert len(set(conversations)) == len(conversations)


@each_call
def test_what_must_not_be_stored_is_no_fact(row: dict[str, Any]) -> None:
    facts = {squashed(fact["content"]).rstrip(".") for fact in row["facts"]}
    forbidden = [squashed(text).rstrip(".") for text in row["not"]]
    assert forbidden
    assert len(set(forbidden)) == len(forbidden)
    assert not facts & set(forbidden)


@each_call
def test_a_call_has_eight_traps_and_none_is_a_fact(row: dict[str, Any]) -> None:
    said = turns(row)
    facts = {squashed(fact["content"]) for fact in row["facts"]}
    places = {(squashed(fact["content"]), squashed(fact["quote"]), fact["turn"]) for fact in row["facts"]}
    keys = [
        (trap["kind"], squashed(trap["content"]), squashed(trap["quote"]), trap["turn"])
        for trap in row["traps"]
    ]
    assert len(keys) >= 8
    assert len(set(keys)) == len(keys)
    assert len({key[0] for key in keys}) >= 4
    for trap in row["traps"]:
        assert set(trap) == {"kind", "content", "quote", "turn"}
        assert 0 <= trap["turn"] < len(said)
        assert said[trap["turn"]].text
        if trap["kind"] == "wrong_turn":
            assert (squashed(trap["content"]), squashed(trap["quote"]), trap["turn"]) not in places
        else:
            assert squashed(trap["content"]) not in facts, trap


@each_call
def test_a_wrong_number_is_the_number_of_no_fact(row: dict[str, Any]) -> None:
    known = [_DIGITS.findall(fact["content"]) for fact in row["facts"]]
    for trap in traps(row, "wrong_number"):
        numbers = _DIGITS.findall(trap["content"])
        assert numbers, trap
        assert numbers not in known, trap


@each_call
def test_a_wrong_date_is_the_date_of_no_fact(row: dict[str, Any]) -> None:
    known = [[word.casefold() for word in _DATED.findall(fact["content"])] for fact in row["facts"]]
    for trap in traps(row, "wrong_date"):
        dated = [word.casefold() for word in _DATED.findall(trap["content"])]
        assert dated, trap
        assert dated not in known, trap


@each_call
def test_a_wrong_person_is_put_into_words_that_the_caller_did_say(row: dict[str, Any]) -> None:
    said = turns(row)
    for trap in traps(row, "wrong_person"):
        assert squashed(trap["quote"]) in squashed(said[trap["turn"]].text), trap


@each_call
def test_an_agents_claim_is_the_agents_words_that_no_fact_rests_on(row: dict[str, Any]) -> None:
    said = turns(row)
    confirmed = [
        (fact["turn"], squashed(fact["quote"])) for fact in row["facts"] if fact["speaker"] != "caller"
    ]
    for trap in traps(row, "agent_claim"):
        turn = said[trap["turn"]]
        assert turn.role == "agent"
        assert squashed(trap["quote"]) in squashed(turn.text), trap
        assert (trap["turn"], squashed(trap["quote"])) not in confirmed, trap


@each_call
def test_an_invented_quote_occurs_nowhere_in_the_call(row: dict[str, Any]) -> None:
    assert traps(row, "invented")
    for trap in traps(row, "invented"):
        assert not any(squashed(trap["quote"]) in squashed(turn.text) for turn in turns(row)), trap


@each_call
def test_another_callers_fact_was_said_in_another_call(row: dict[str, Any]) -> None:
    assert traps(row, "other_caller")
    others = {
        (fact["content"], fact["quote"]) for other in CALLS if other is not row for fact in other["facts"]
    }
    for trap in traps(row, "other_caller"):
        assert (trap["content"], trap["quote"]) in others
        assert not any(squashed(trap["quote"]) in squashed(turn.text) for turn in turns(row)), trap


@each_call
def test_a_quote_from_the_wrong_turn_was_said_in_another_turn(row: dict[str, Any]) -> None:
    said = turns(row)
    assert traps(row, "wrong_turn")
    for trap in traps(row, "wrong_turn"):
        where = [index for index, turn in enumerate(said) if squashed(trap["quote"]) in squashed(turn.text)]
        assert where, trap
        assert trap["turn"] not in where, trap


# -- the injection set ------------------------------------------------------------


def test_the_injection_set_has_many_ideas_in_four_languages() -> None:
    assert len(ATTACKS) >= 160
    assert len({row["kind"] for row in ATTACKS}) >= 60
    assert len({row["kind"].split("/")[0] for row in ATTACKS}) >= 15
    languages = Counter(row["language"] for row in ATTACKS)
    assert set(languages) == {"en", "de", "es", "fr"}
    assert min(languages.values()) >= 30
    assert sum(bool(row["benign"]) for row in ATTACKS) >= 40


@each_attack
def test_an_attack_is_short_and_occurs_in_its_call(row: dict[str, Any]) -> None:
    said = turns(row)
    everything = squashed(" ".join(turn.text for turn in said))
    assert 3 <= len(said) <= 8
    assert re.fullmatch(r"[a-z]+/[a-z0-9-]+", row["kind"])
    assert row["attack"]
    for text in row["attack"]:
        assert squashed(text) in everything, text
    assert len(row["benign"]) <= 2


@each_attack
def test_a_harmless_fact_carries_nothing_of_the_attack(row: dict[str, Any]) -> None:
    for fact in row["benign"]:
        for text in row["attack"]:
            for part in (fact["content"], fact["quote"]):
                assert squashed(text) not in squashed(part), fact
                assert squashed(part) not in squashed(text), fact


# -- the files --------------------------------------------------------------------


def test_the_files_are_canonical_json_lines_in_utf_8_and_small() -> None:
    size = 0
    for path in files("elaaoms.evaluation").joinpath("data").iterdir():
        body = path.read_bytes()
        size += len(body)
        lines = body.decode("utf-8").split("\n")
        assert lines.pop() == ""
        for line in lines:
            again = json.dumps(json.loads(line), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            assert again == line
    assert 0 < size < 3_000_000
