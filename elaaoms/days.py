"""Days as people say them: beside a memory, in a question, and aloud."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

from attrs import frozen

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
}
_ORDINALS = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
    fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third
    twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first""".split()


def words_of(day: date, language: str) -> str:
    """A date in words to be found by, like "2 November 2026"."""
    return f"{day.day} {_month(day, language)} {day.year}"


def aloud(day: date, language: str, today: date) -> str:
    """A date as it is said after "on" or in its place; the year only where it is another than today's."""
    year = f" {day.year}" if day.year != today.year else ""
    month = _month(day, language)
    match language:
        case "de":
            return f"am {day.day}. {month}{year}"
        case "es":
            return f"el {day.day} de {month}" + (f" de{year}" if year else "")
        case "fr":
            return f"le {'1er' if day.day == 1 else day.day} {month}{year}"
        case "it":
            return f"il {day.day} {month}{year}"
        case "pt":
            return f"em {day.day} de {month}" + (f" de{year}" if year else "")
        case "nl":
            return f"op {day.day} {month}{year}"
        case "en":
            return f"on the {_ORDINALS[day.day - 1]} of {month}{year}"
    return day.isoformat()


def _month(day: date, language: str) -> str:
    return _MONTHS.get(language, _MONTHS["en"]).split()[day.month - 1]


# -- a question's days ----------------------------------------------------------------------------


@frozen
class Span:
    """The days that a question names, first and last included."""

    first: date
    last: date


@frozen
class Timing:
    """What a question says of time; `rest` is the question without days that are told from today.

    A date with its month stays in it, to be found by its words like any other. `order` is
    1 when the newest is asked for ("the last order"), -1 when the oldest is, else 0.
    """

    span: Span | None
    order: int
    rest: str


_LATEST = re.compile(
    r"\b(latest|most recent(?:ly)?|newest"
    r"|(?:the|her|his|their|your|my|caller's) last(?! (?:name|week|month|year|night))"
    r"|last time|letzte[nrsm]?|neueste[nrsm]?|zuletzt|últim[oa]s?|más reciente|derni[eè]re?s?|plus récente?s?)\b",
    re.IGNORECASE,
)
_EARLIEST = re.compile(
    r"\b(earliest|originally|at first|very first|first time|the first(?! (?:name|floor|class|aid))|oldest"
    r"|zuerst|ursprünglich|la primera vez|al principio|au début|la première fois)\b",
    re.IGNORECASE,
)
_NUMBER = {
    word: number
    for number, names in enumerate(
        (
            "a one ein einem einer un una une",
            "two zwei dos deux",
            "three drei tres trois",
            "four vier",
            "five",
            "six",
        ),
        1,
    )
    for word in names.split()
}
_WEEKDAYS = {
    name: number
    for names in (
        "monday tuesday wednesday thursday friday saturday sunday",
        "montag dienstag mittwoch donnerstag freitag samstag sonntag",
        "lunes martes miércoles jueves viernes sábado domingo",
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
    )
    for number, name in enumerate(names.split())
}
_A_WEEKDAY = "|".join(_WEEKDAYS)
_A_NUMBER = r"\d{1,2}|" + "|".join(_NUMBER)


def _week(today: date, back: int) -> Span:
    monday = today - timedelta(days=today.weekday() + 7 * back)
    return Span(monday, monday + timedelta(days=6))


def _of_month(year: int, month: int) -> Span:
    following = date(year + month // 12, month % 12 + 1, 1)
    return Span(date(year, month, 1), following - timedelta(days=1))


def _months_back(today: date, back: int) -> Span:
    months = today.year * 12 + today.month - 1 - back
    return _of_month(months // 12, months % 12 + 1)


def _ago(word: str, unit: str, today: date) -> Span:
    count = int(word) if word.isdigit() else _NUMBER[word.casefold()]
    unit = unit.casefold()
    if unit.startswith(("day", "tag", "día", "jour")):
        day = today - timedelta(days=count)
        return Span(day, day)
    if unit.startswith(("week", "woche", "semana", "semaine")):
        return Span(today - timedelta(days=7 * count + 3), today - timedelta(days=7 * count - 3))
    if unit.startswith(("month", "monat", "mes", "mois")):
        return _months_back(today, count)
    return _year(today.year - count)


def _ago_in(found: re.Match[str], today: date) -> Span:
    groups = found.groupdict()
    suffix = next(suffix for suffix in ("", "_de", "_es", "_fr") if groups[f"count{suffix}"])
    return _ago(groups[f"count{suffix}"], groups[f"unit{suffix}"], today)


def _weekday(found: re.Match[str], today: date) -> Span:
    back = (today.weekday() - _WEEKDAYS[found["weekday"].casefold()] - 1) % 7 + 1
    day = today - timedelta(days=back)
    return Span(day, day)


def _days_back(back: int) -> Callable[[re.Match[str], date], Span]:
    return lambda _, today: Span(today - timedelta(days=back), today - timedelta(days=back))


_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], Span | None]], ...] = tuple(
    (re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), meaning)
    for pattern, meaning in (
        (r"today|heute|hoy|aujourd'hui|this morning", _days_back(0)),
        (r"day before yesterday|vorgestern|anteayer|avant-hier", _days_back(2)),
        (r"yesterday|last night|gestern|ayer|hier soir", _days_back(1)),
        (r"this week|diese woche|esta semana|cette semaine", lambda _, today: _week(today, 0)),
        (
            r"last week|previous week|letzte woche|la semana pasada|la semaine dernière",
            lambda _, today: _week(today, 1),
        ),
        (r"this month|diesen monat|este mes|ce mois-ci", lambda _, today: _months_back(today, 0)),
        (
            r"last month|previous month|letzten monat|el mes pasado|le mois dernier",
            lambda _, today: _months_back(today, 1),
        ),
        (r"this year|dieses jahr|este año|cette année", lambda _, today: _year(today.year)),
        (
            r"last year|letztes jahr|el año pasado|l'an dernier|l'année dernière",
            lambda _, today: _year(today.year - 1),
        ),
        (
            rf"(?P<count>{_A_NUMBER}) (?P<unit>days?|weeks?|months?|years?) ago"
            rf"|vor (?P<count_de>{_A_NUMBER}) (?P<unit_de>tag(?:en)?|wochen?|monat(?:en)?|jahr(?:en)?)"
            rf"|hace (?P<count_es>{_A_NUMBER}) (?P<unit_es>días?|semanas?|mes(?:es)?|años?)"
            rf"|il y a (?P<count_fr>{_A_NUMBER}) (?P<unit_fr>jours?|semaines?|mois|ans?)",
            _ago_in,
        ),
        (rf"(?:last|on|letzten|am|el|le) (?P<weekday>{_A_WEEKDAY})", _weekday),
    )
)


_ISO = re.compile(r"\b(?:19|20)\d\d-\d\d-\d\d\b")


def _in_words(found: re.Match[str]) -> str:
    try:
        return words_of(date.fromisoformat(found[0]), "en")
    except ValueError:
        return found[0]


def _year(year: int) -> Span:
    return Span(date(year, 1, 1), date(year, 12, 31))


def timing(question: str, today: date) -> Timing:
    """What a question says of time, reckoned from `today`; one such span counts, and 2026-11-02 is put in words."""
    question = _ISO.sub(_in_words, question)
    order = 1 if _LATEST.search(question) else -1 if _EARLIEST.search(question) else 0
    for pattern, meaning in _PATTERNS:
        found = pattern.search(question)
        if found is None:
            continue
        try:
            span = meaning(found, today)
        except (ValueError, OverflowError):  # before the first year of the calendar
            span = None
        if span is not None:
            return Timing(span, order, f"{question[: found.start()]} {question[found.end() :]}")
    return Timing(None, order, question)
