"""Numbers, letters, codes and addresses as they are said."""

from __future__ import annotations

import pytest
from conftest import grows_linearly

from elaaoms.extract.spoken import Spoken, codes, emails, numbers, spelled, squash


def values(found: list[Spoken]) -> list[str]:
    return [spoken.value for spoken in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("four seven one one", ["4711"]),
        ("double five oh one", ["5501"]),
        ("triple nine", ["999"]),
        ("forty two", ["42"]),
        ("forty-two", ["42"]),
        ("nineteen ninety", ["1990"]),
        ("forty seven eleven", ["4711"]),
        ("one hundred and five", ["105"]),
        ("four thousand seven hundred eleven", ["4711"]),
        ("Oh five five five, zero one four two", ["05550142"]),
        ("+1 202 555 0142", ["+12025550142"]),
        ("plus one two zero two five five five zero one four two", ["+12025550142"]),
        ("(202) 555-0142", ["2025550142"]),
        ("oh well", []),
        ("nothing here", []),
    ],
)
def test_numbers_are_read_as_digits(text: str, expected: list[str]) -> None:
    assert values(numbers(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X Y Z dash seven eight nine", ["XYZ-789"]),
        ("xyz dash seven eight nine", ["XYZ-789"]),
        ("XYZ-789, 3 items", ["XYZ-789"]),
        ("X-Y-Z-7-8-9", ["XYZ789"]),
        ("order 4711 two weeks ago", ["4711"]),
        ("P as in Papa L for Lima 4 4 2", ["PL442"]),
        ("Bravo Charlie seven eight nine", ["BC789"]),
        ("it's a 4711", ["4711"]),
        ("the 3rd of May", []),
        ("at 3pm", []),
        ("two people", []),
    ],
)
def test_codes_join_letters_and_digits(text: str, expected: list[str]) -> None:
    assert values(codes(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's R-O-B-I-N", ["ROBIN"]),
        ("R O B I N", ["ROBIN"]),
        ("R. O. B. I. N.", ["ROBIN"]),
        ("R as in Romeo O as in Oscar B as in Bravo", ["ROB"]),
        ("B for Bravo, A for Alpha", ["BA"]),
        ("Romeo Oscar Bravo", ["ROB"]),
        ("b a double r", ["BARR"]),
        ("i n g r i d", ["INGRID"]),
        ("I am a friend", []),
    ],
)
def test_spelled_letters_make_a_word(text: str, expected: list[str]) -> None:
    assert values(spelled(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("robin at example dot com", ["robin@example.com"]),
        ("robin dot baker at example dot co dot uk", ["robin.baker@example.co.uk"]),
        ("my email is robin underscore baker at example.com thanks", ["robin_baker@example.com"]),
        ("it's robin baker all one word at example dot com", ["robinbaker@example.com"]),
        ("robin baker at example dot com all one word", ["robinbaker@example.com"]),
        ("r o b i n at example dot com", ["robin@example.com"]),
        ("R-O-B-I-N dot baker at example dot com", ["robin.baker@example.com"]),
        ("robin four two at example dot com", ["robin42@example.com"]),
        ("r dot baker at my dash company dot com", ["r.baker@my-company.com"]),
        ("send it to robin.baker@example.com.", ["robin.baker@example.com"]),
        ("it's robin baker at example dot com", []),
        ("robin with a y at example dot com", []),
        ("I work at google dot com", []),
        ("I saw it at example dot com", []),
        ("at the dot", []),
    ],
)
def test_an_address_is_read_only_when_it_is_certain(text: str, expected: list[str]) -> None:
    assert values(emails(text)) == expected


def test_the_place_of_what_was_said_is_kept() -> None:
    text = "well, it's X Y Z dash seven eight nine, and robin at example dot com"
    code, address = codes(text)[0], emails(text)[0]
    assert text[code.start : code.end] == "X Y Z dash seven eight nine"
    assert text[address.start : address.end] == "robin at example dot com"


def test_numbers_said_and_written_compare_equal() -> None:
    assert squash("It's four, seven!") == squash("it's 4 7") == " it's 4 7 "


@pytest.mark.parametrize("unit", ["a ", "four ", "R-", "dot ", "at example dot ", "x@", "7", ", ", "double "])
def test_long_monotony_is_read_in_linear_time(unit: str) -> None:
    def read(text: str) -> None:
        numbers(text), codes(text), spelled(text), emails(text)

    short, long = unit * (2_000 // len(unit)), unit * (16_000 // len(unit))
    assert grows_linearly(lambda: read(short), lambda: read(long), 8)
