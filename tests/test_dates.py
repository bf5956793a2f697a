"""Dates as they are said, resolved against the clock of the call."""

from __future__ import annotations

from datetime import UTC, date, datetime
from datetime import time as clock
from zoneinfo import ZoneInfo

import pytest
from conftest import grows_linearly

from elaaoms.extract.dates import absolute, resolve, spoken, spoken_time

WEDNESDAY = datetime(2026, 10, 28, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tomorrow at 3 pm", ["2026-10-29T15:00"]),
        ("tomorrow morning at 9", ["2026-10-29T09:00"]),
        ("the day after tomorrow", ["2026-10-30"]),
        ("yesterday", ["2026-10-27"]),
        ("tonight at eight", ["2026-10-28T20:00"]),
        ("next Tuesday", ["2026-11-03"]),
        ("this Friday", ["2026-10-30"]),
        ("last Monday", ["2026-10-26"]),
        ("Monday week", ["2026-11-09"]),
        ("on the third of December", ["2026-12-03"]),
        ("December 5th", ["2026-12-05"]),
        ("Tuesday, November 3rd at 10 am", ["2026-11-03T10:00"]),
        ("Tuesday the 3rd at ten in the morning", ["2026-11-03T10:00"]),
        ("at half past two in the afternoon on Tuesday", ["2026-11-03T14:30"]),
        ("noon on Friday", ["2026-10-30T12:00"]),
        ("the 5th", ["2026-11-05"]),
        ("in two weeks", ["2026-11-11"]),
        ("in 2 days", ["2026-10-30"]),
        ("three days ago", ["2026-10-25"]),
        ("2026-12-05", ["2026-12-05"]),
        ("25/12", ["2026-12-25"]),
        ("5/14/1985", ["1985-05-14"]),
        ("the third of May nineteen eighty five", ["1985-05-03"]),
        ("May 3rd twenty nineteen", ["2019-05-03"]),
        ("I ordered it on Monday and it will arrive on Friday", ["2026-10-26", "2026-10-30"]),
        ("my appointment was on the 20th", ["2026-10-20"]),
        ("I've got an appointment on Tuesday", ["2026-11-03"]),
    ],
)
def test_a_day_is_resolved_against_the_clock_of_the_call(text: str, expected: list[str]) -> None:
    assert [found.value for found in resolve(text, WEDNESDAY)] == expected


@pytest.mark.parametrize(
    "text",
    ["05/12", "the fifth time", "on the 5th floor", "for two weeks", "31st of February", "in March", "I may 3 times",
     "Monday, November 3rd", "two weeks late", "soon"],
)  # fmt: skip
def test_what_is_ambiguous_or_no_day_is_left_out(text: str) -> None:
    assert resolve(text, WEDNESDAY) == []


def test_a_time_without_morning_or_afternoon_is_repeated_but_not_guessed() -> None:
    (found,) = resolve("Friday at 3", WEDNESDAY)
    assert not found.has_time
    assert found.spoken() == "Friday, 30 October 2026 at 3 o'clock"


def test_today_is_where_the_caller_is() -> None:
    night = datetime(2026, 10, 28, 23, 30, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
    assert resolve("tomorrow", night)[0].date == date(2026, 10, 30)


def test_the_place_of_a_date_is_kept() -> None:
    text = "could it be tomorrow at 3 pm please"
    (found,) = resolve(text, WEDNESDAY)
    assert text[found.start : found.end] == "tomorrow at 3 pm"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a replacement by Friday", "a replacement by Friday, 30 October 2026"),
        ("call back tomorrow", "call back on Thursday, 29 October 2026"),
        ("send it next week", "send it in the week of 2 November 2026"),
        ("within three weeks", "by 18 November 2026"),
        ("two weeks ago", "around 14 October 2026"),
        ("send it soon", None),
        ("this weekend", None),
    ],
)
def test_relative_words_do_not_survive_in_a_sentence(text: str, expected: str | None) -> None:
    assert absolute(text, WEDNESDAY) == expected


def test_without_a_clock_relative_words_are_refused() -> None:
    assert absolute("call back tomorrow", None) is None
    assert absolute("call back", None) == "call back"


def test_dates_and_times_are_spoken_naturally() -> None:
    assert spoken(date(2026, 11, 2)) == "2 November 2026"
    assert spoken(date(2026, 11, 2), year=False) == "2 November"
    assert [spoken_time(clock(10)), spoken_time(clock(15, 30)), spoken_time(clock(12))] == [
        "10 am",
        "3:30 pm",
        "noon",
    ]


@pytest.mark.parametrize("unit", ["the ", "in two ", "monday ", "3 ", "05/", "half past ", "twenty twenty "])
def test_long_monotony_is_read_in_linear_time(unit: str) -> None:
    short, long = unit * (1_000 // len(unit)), unit * (8_000 // len(unit))
    assert grows_linearly(lambda: resolve(short, WEDNESDAY), lambda: resolve(long, WEDNESDAY), 8)
