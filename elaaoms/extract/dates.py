"""Resolve the dates and times that people say in English against the clock of the call."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from attrs import evolve, frozen

from elaaoms.extract.words import listed

MONTHS = listed("January February March April May June July August September October November December")
WEEKDAYS = listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
_UNITS = listed("zero one two three four five six seven eight nine ten eleven twelve")
_ORDINALS = listed(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_TEENS = listed("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")


@frozen
class Found:
    """A day that was said, `text[start:end]` verbatim.

    `time` is there when it was exact, else `vague` repeats what was said. `about` marks a day that was
    counted in weeks or longer ("in two weeks"), which people do not mean to the day.
    """

    date: date
    start: int
    end: int
    time: time | None = None
    vague: str = ""
    about: bool = False

    @property
    def has_time(self) -> bool:
        """Whether an unambiguous time of day was said."""
        return self.time is not None

    @property
    def value(self) -> str:
        """ISO date, with T and the time where there is one."""
        return self.date.isoformat() + (f"T{self.time:%H:%M}" if self.time else "")

    def spoken(self) -> str:
        """The day as one says it: "Tuesday, 3 November 2026 at 10 am"."""
        if self.about:
            return f"around {spoken(self.date)}"
        day = f"{WEEKDAYS[self.date.weekday()]}, {spoken(self.date)}"
        if self.time:
            return f"{day} at {spoken_time(self.time)}"
        return f"{day} {self.vague}".rstrip()


def spoken(day: date, *, year: bool = True) -> str:
    """The day as one says it: "2 November 2026", or "2 November" without the year."""
    return f"{day.day} {MONTHS[day.month - 1]}" + (f" {day.year}" if year else "")


def spoken_time(moment: time) -> str:
    """The time as one says it: "10 am", "3:30 pm", "noon"."""
    if (moment.hour, moment.minute) == (12, 0):
        return "noon"
    half = "am" if moment.hour < 12 else "pm"
    minutes = f":{moment.minute:02}" if moment.minute else ""
    return f"{moment.hour % 12 or 12}{minutes} {half}"


# -- the words ------------------------------------------------------------------------

_DAY_NUMBERS = {word: value for value, word in enumerate(_ORDINALS, 1)}
_DAY_NUMBERS |= {f"twenty {word}": 20 + value for value, word in enumerate(_ORDINALS[:9], 1)}
_DAY_NUMBERS |= {"thirtieth": 30, "thirty first": 31}
_MONTH_NUMBERS = {name.lower(): value for value, name in enumerate(MONTHS, 1)}
_MONTH_NUMBERS |= {name[:3].lower(): value for value, name in enumerate(MONTHS, 1)} | {"sept": 9}
_WEEKDAY_NUMBERS = {name.lower(): value for value, name in enumerate(WEEKDAYS)}
_COUNTS = {word: value for value, word in enumerate(_UNITS)} | {"a": 1, "an": 1, "couple": 2}


def _any(words: dict[str, int]) -> str:
    return "|".join(word.replace(" ", "[ -]") for word in sorted(words, key=len, reverse=True))


_ORDINAL_WORD = rf"(?:{_any(_DAY_NUMBERS)})"
_DAY = rf"(?:(?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?![\d:]|\s+(?:times|of us))|{_ORDINAL_WORD})\b"
_MONTH = rf"(?:{_any(_MONTH_NUMBERS)})\b\.?"
_WEEKDAY = rf"(?:{_any(_WEEKDAY_NUMBERS)})\b"
_COUNT = r"(?:\d{1,3}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|an?|a couple of)"
_YEAR = (
    r"(?:,?\s+(?P<year>(?:19|20)\d\d(?!\d)"
    r"|twenty[ -](?:twenty|thirty)(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?(?!\w)"
    rf"|(?:nineteen|twenty)[ -](?:{'|'.join(_TEENS)})(?!\w)"
    rf"|nineteen[ -](?:{'|'.join(_TENS)})(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?(?!\w)"
    r"|two thousand(?: and)?(?: (?:one|two|three|four|five|six|seven|eight|nine))?(?!\w)))?"
)
# "the 5th" is a day only when nothing follows that could be counted.
_ENDS = (
    r"(?=\s*(?:$|[,.;:!?)]|(?:at|in|around|if|please|and|or|but|would|works|is|was|then|for|so|between|after|"
    r"before|from|to|until|morning|afternoon|evening|instead|because|when|i|it|we|thanks|thank)\b))"
)
_PAST = re.compile(
    r"\b(?:was|were|did|didn't|had|went|came|arrived|ordered|bought|paid|called|rang|phoned|spoke|since|received|(?<!'ve )(?<!have )(?<!has )got|"
    r"happened|started|stopped|broke|sent|returned|placed|cancelled|canceled|moved|born|ago|last|been|told|said|"
    r"emailed|visited|stayed|checked|delivered|left|fell|saw|took)\b"
)
_FUTURE = re.compile(
    r"\b(?:will|'ll|going|coming|next|until|till|by|due|is|are|can|would|could|want|need|be|let's)\b"
)
_BOUNDARY = re.compile(r"[.!?;]\s|\b(?:and|but|so|because)\b")


def _day_number(words: str) -> int:
    digits = re.match(r"\d+", words)
    return int(digits[0]) if digits else _DAY_NUMBERS[words.replace("-", " ")]


def _year_number(words: str) -> int:
    if words.isdigit():
        return int(words)
    parts = words.replace("-", " ").split()
    if parts[0] == "two":
        return 2000 + (_UNITS.index(parts[-1]) if parts[-1] in _UNITS else 0)
    rest = 0
    for part in parts[1:]:
        rest += _TENS.get(part) or (10 + _TEENS.index(part) if part in _TEENS else _UNITS.index(part))
    return (1900 if parts[0] == "nineteen" else 2000) + rest


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


@frozen
class _Said:
    """One match with what it is resolved against."""

    match: re.Match[str]
    today: date
    past: bool

    def group(self, name: str) -> str:
        return (self.match.groupdict().get(name) or "").strip(" .,")


def _relative(said: _Said) -> date | None:
    words = " ".join(said.match[0].split())
    if "after tomorrow" in words:
        return said.today + timedelta(days=2)
    if "before yesterday" in words:
        return said.today - timedelta(days=2)
    if words.startswith("tomorrow"):
        return said.today + timedelta(days=1)
    if words.startswith(("yesterday", "last night")):
        return said.today - timedelta(days=1)
    return said.today


def _weekday(said: _Said) -> date | None:
    which, wanted = said.group("which"), _WEEKDAY_NUMBERS[said.group("weekday")]
    ahead = (wanted - said.today.weekday()) % 7
    if said.match["week"] and not which:
        return said.today + timedelta(days=(ahead or 7) + 7)
    if which == "last" or (not which and said.past):
        return said.today - timedelta(days=(7 - ahead) or 7)
    if which == "next":  # of the week that follows this one, Monday to Sunday
        return said.today + timedelta(days=7 - said.today.weekday() + wanted)
    if which == "this" and said.past:
        return said.today - timedelta(days=(7 - ahead) % 7)
    return said.today + timedelta(days=ahead if which == "this" else ahead or 7)


def _distance(said: _Said) -> date | None:
    words = said.group("count").replace(" of", "").split()[-1]
    count = int(words) if words.isdigit() else _COUNTS[words]
    unit = said.group("unit")
    sign = -1 if said.group("ago") == "ago" else 1
    if unit.startswith("day"):
        return said.today + timedelta(days=sign * count)
    if unit.startswith(("week", "fortnight")):
        return said.today + timedelta(weeks=sign * count * (2 if unit.startswith("fortnight") else 1))
    months = (
        said.today.year * 12 + said.today.month - 1 + sign * count * (12 if unit.startswith("year") else 1)
    )
    year, month = divmod(months, 12)
    if not 1900 <= year <= 2200:
        return None
    return date(year, month + 1, min(said.today.day, monthrange(year, month + 1)[1]))


def _calendar(said: _Said) -> date | None:
    day, month = _day_number(said.group("day")), _MONTH_NUMBERS[said.group("month")]
    if said.group("year"):
        found = _day(_year_number(said.group("year")), month, day)
    else:
        found = _nearest(said, [(said.today.year + offset, month, day) for offset in (-1, 0, 1)])
    weekday = said.group("weekday")
    if found and weekday and found.weekday() != _WEEKDAY_NUMBERS[weekday]:
        return None  # the day of the week and the date disagree
    return found


def _day_of_month(said: _Said) -> date | None:
    day, weekday = _day_number(said.group("day") or said.group("by")), said.group("weekday")
    start = said.today.year * 12 + said.today.month - 1
    found = _nearest(
        said, [(*divmod(start + offset, 12), day) for offset in (-2, -1, 0, 1, 2)], months_from_zero=True
    )
    if found and weekday and found.weekday() != _WEEKDAY_NUMBERS[weekday]:
        return None
    return found


def _nearest(said: _Said, days: list[tuple[int, int, int]], *, months_from_zero: bool = False) -> date | None:
    real = [_day(year, month + months_from_zero, day) for year, month, day in days]
    if said.past:
        return max((day for day in real if day and day <= said.today), default=None)
    return min((day for day in real if day and day >= said.today), default=None)


def _numeric(said: _Said) -> date | None:
    first, second = int(said.group("first")), int(said.group("second"))
    year = said.group("year")
    if first > 12 or first == second:
        day, month = first, second
    elif second > 12:
        day, month = second, first
    else:
        return None  # 05/12 is May for some and December for others
    if not year:
        return _nearest(said, [(said.today.year + offset, month, day) for offset in (-1, 0, 1)])
    return _day(int(year), month, day)


def _iso(said: _Said) -> date | None:
    return _day(int(said.group("year")), int(said.group("month")), int(said.group("day")))


_PREFIX = rf"(?:(?P<weekday>{_WEEKDAY}),?\s+(?:on\s+)?)?(?:the\s+)?"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[_Said], date | None]], ...] = (
    (re.compile(r"\b(?P<year>(?:19|20)\d\d)-(?P<month>\d\d)-(?P<day>\d\d)\b"), _iso),
    (
        re.compile(
            r"(?<![\d/.-])(?P<first>\d{1,2})[/.](?P<second>\d{1,2})[/.](?P<year>(?:19|20)\d\d)(?![\d/.]\d)"
        ),
        _numeric,
    ),
    (re.compile(r"(?<![\d/.-])(?P<first>\d{1,2})/(?P<second>\d{1,2})(?P<year>(?!))?(?![\d/-])"), _numeric),
    (re.compile(rf"\b{_PREFIX}(?P<day>{_DAY})\s+(?:of\s+)?(?P<month>{_MONTH}){_YEAR}"), _calendar),
    (
        re.compile(
            rf"\b(?:(?P<weekday>{_WEEKDAY}),?\s+)?(?P<month>{_MONTH})\s+(?:the\s+)?(?P<day>{_DAY}){_YEAR}"
        ),
        _calendar,
    ),
    (
        re.compile(
            rf"\b(?P<weekday>{_WEEKDAY}),?\s+(?:on\s+)?the\s+(?P<day>{_DAY})(?!\s+(?:floor|time|week))"
        ),
        _day_of_month,
    ),
    (re.compile(rf"(?<=on )the\s+(?P<day>{_DAY}){_ENDS}|(?<=by )the\s+(?P<by>{_DAY}){_ENDS}"), _day_of_month),
    (re.compile(rf"\bthe\s+(?P<day>\d{{1,2}}(?:st|nd|rd|th)){_ENDS}"), _day_of_month),
    (
        re.compile(
            r"\b(?:the\s+)?day (?:after tomorrow|before yesterday)\b|\btomorrow\b|\byesterday\b|\btoday\b|\btonight\b"
            r"|\blast night\b|\bthis (?=(?:morning|afternoon|evening)\b)"
        ),
        _relative,
    ),
    (
        re.compile(
            rf"\b(?:(?P<which>this|next|last|coming)\s+(?:coming\s+)?)?(?P<weekday>{_WEEKDAY})(?P<week>\s+week\b)?"
        ),
        _weekday,
    ),
    (
        re.compile(
            rf"\b(?:in|within)\s+(?P<count>{_COUNT})\s+(?P<unit>days?|weeks?|fortnights?|months?|years?)\b(?!\s+(?:time of|of|late|now|old))(?:[' ]s?\s*time\b)?"
        ),
        _distance,
    ),
    (
        re.compile(
            rf"\b(?P<count>{_COUNT})\s+(?P<unit>days?|weeks?|fortnights?|months?|years?)\s+(?P<ago>ago|from now|from today)\b"
        ),
        _distance,
    ),
)

# -- times ----------------------------------------------------------------------------

_HOUR_WORDS = listed("one two three four five six seven eight nine ten eleven twelve")
_HOUR = rf"(?:{'|'.join(_HOUR_WORDS)}|\d{{1,2}})"
_MINUTE_WORDS = {
    "fifteen": 15,
    "thirty": 30,
    "forty five": 45,
    "forty-five": 45,
    "twenty": 20,
    "ten": 10,
    "oh five": 5,
}
_HALF = r"(?P<half>a\.?m\b\.?|p\.?m\b\.?|in the (?:morning|afternoon|evening)|at night)"
_TIME = re.compile(
    r"(?P<noon>noon|midday|midnight)\b"
    rf"|(?P<part>half past|quarter past|quarter to)\s+(?P<parthour>{_HOUR})\b(?:\s*{_HALF.replace('half', 'parthalf')})?"
    rf"|(?P<hour>{_HOUR})(?:(?::|\.(?=\d\d\s*[ap]))(?P<minute>\d\d)|\s+(?P<minutewords>{'|'.join(_MINUTE_WORDS)}))?"
    rf"(?:\s*(?P<clock>o'clock))?(?:\s*{_HALF})?(?![\w/:-]|\s+(?:days?|weeks?|months?|hours?|minutes?|people|years?)\b)"
)
_LEAD = re.compile(
    r"[\s,]*(?:at|around|about|by|from|for|after|before|@)?\s*(?:around\s+|about\s+)?", re.IGNORECASE
)
_DAYPART = re.compile(r"\s+(?:in the\s+)?(morning|afternoon|evening|night)\b")


@frozen
class _Time:
    exact: time | None
    vague: str
    definite: bool  # has a marker of its own, so it is a time even without "at" before it


def _time(match: re.Match[str], daypart: str) -> _Time | None:
    if match["noon"]:
        return _Time(time(0) if match["noon"] == "midnight" else time(12), "", True)
    words = match["parthour"] or match["hour"]
    hour = int(words) if words.isdigit() else _HOUR_WORDS.index(words) + 1
    minute = 0
    if match["part"]:
        minute = {"half past": 30, "quarter past": 15, "quarter to": 45}[match["part"]]
        hour -= match["part"] == "quarter to"
    elif match["minute"]:
        minute = int(match["minute"])
    elif match["minutewords"]:
        minute = _MINUTE_WORDS[match["minutewords"]]
    if hour > 23 or minute > 59:
        return None
    half = (match["parthalf"] or match["half"] or daypart).replace(".", "")
    definite = bool(match["part"] or match["minute"] or match["clock"] or match["half"])
    if hour > 12:
        return _Time(time(hour, minute), "", definite) if match["minute"] else None
    if not half:
        if match["minute"] and words.startswith("0"):
            return _Time(time(hour, minute), "", definite)
        face = f"{hour or 12}:{minute:02}" if minute else f"{hour or 12} o'clock"
        return _Time(None, f"at {face}", definite)
    if half.endswith(("am", "morning")):
        return _Time(time(hour % 12, minute), "", True)
    if half.endswith("night") and hour in (12, 1, 2, 3, 4):
        return _Time(time(hour % 12, minute), "", True)
    return _Time(time(hour % 12 + 12, minute), "", True)


def _with_time(found: Found, text: str) -> Found:
    """`found` with the time that stands right after or right before it."""
    part = _DAYPART.match(text, found.end)
    if part is None:
        part = re.compile(r"\s*(morning|afternoon|evening)\b").match(text, found.end)
    daypart = part[1] if part else ("night" if text[found.start : found.end].endswith("night") else "")
    end = part.end() if part else found.end
    lead = _LEAD.match(text, end)
    after = _TIME.match(text, lead.end()) if lead else None
    if after and lead:
        read = _time(after, daypart)
        prepositioned = any(
            word in lead[0] for word in ("at", "around", "about", "by", "after", "before", "@", "from")
        )
        if read and (read.definite or prepositioned):
            return evolve(found, end=after.end(), time=read.exact, vague=read.vague)
    window = max(0, found.start - 40)
    for before in _TIME.finditer(text, window, found.start):
        gap = text[before.end() : found.start]
        if not re.fullmatch(r"\s*,?\s*(?:on\s+|for\s+)?", gap):
            continue
        read = _time(before, daypart)
        lead_words = text[window : before.start()].split()[-1:]
        if read and (read.definite or lead_words == ["at"]):
            start = before.start()
            at = re.search(r"\b(?:at|around)\s+$", text[window:start])
            return evolve(
                found, start=window + at.start() if at else start, end=end, time=read.exact, vague=read.vague
            )
    vague = (
        f"in the {daypart}"
        if daypart in ("morning", "afternoon", "evening")
        else "at night"
        if daypart
        else ""
    )
    return evolve(found, end=end, vague=vague)


def resolve(text: str, now: datetime) -> list[Found]:
    """The days said in `text`, in order, as of `now` (in the caller's zone); what is ambiguous is left out."""
    plain = text.lower().replace("’", "'")
    found: list[Found] = []
    taken: list[tuple[int, int]] = []
    for pattern, builder in _FORMS:
        for match in pattern.finditer(plain):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            taken.append(match.span())
            day = builder(_Said(match, now.date(), _is_past(plain, match)))
            if day is not None:
                unit = match.groupdict().get("unit") or "day"
                found.append(Found(day, match.start(), match.end(), about=not unit.startswith("day")))
    return sorted((_with_time(day, plain) for day in found), key=lambda day: day.start)


def _is_past(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 60) : match.start()]
    boundaries = list(_BOUNDARY.finditer(before))
    if boundaries:
        before = before[boundaries[-1].end() :]
    past = [hint.end() for hint in _PAST.finditer(before)]
    future = [hint.end() for hint in _FUTURE.finditer(before)]
    return bool(past) and max(past) > max(future, default=-1)


# -- relative words out of a sentence ---------------------------------------------------

_PERIODS = re.compile(
    r"\b(?:(?P<before>in|during|by|from|until|before|since|for)\s+)?(?P<which>this|next|last)\s+(?P<unit>week|month|year)\b",
    re.IGNORECASE,
)
_LEFTOVER = re.compile(
    r"\b(?:tomorrow|yesterday|today|tonight|(?:this|next|last|coming) (?:\w+day|week|weekend|month|year|morning|afternoon|"
    r"evening|night|time|spring|summer|autumn|fall|winter)|ago|(?:mon|tues|wednes|thurs|fri|satur|sun)day|from now|"
    r"(?:in|within) (?:\w+ ){1,3}(?:days?|weeks?|months?|years?)|now|earlier|later|recently|soon|shortly|the weekend|"
    r"right away|straight away|immediately)\b",
    re.IGNORECASE,
)
_RESOLVED = re.compile(rf"(?:{'|'.join(WEEKDAYS)}), \d{{1,2}} [A-Z][a-z]+ \d{{4}}|the week of \d")
_PREPOSITION = re.compile(
    r"\b(?:on|by|until|till|before|after|since|for|from|to|of|the|due|and|or)\s*$", re.IGNORECASE
)


def absolute(text: str, now: datetime | None) -> str | None:
    """`text` with every relative day written out; None when one of them cannot be resolved."""
    if now is not None:
        for found in reversed(resolve(text, now)):
            bare = _PREPOSITION.search(text[: found.start])
            phrase = found.spoken() if bare or found.about else f"on {found.spoken()}"
            if text[found.start :].lower().startswith("within"):
                phrase = f"by {spoken(found.date)}"
            text = text[: found.start] + phrase + text[found.end :]
        text = _PERIODS.sub(lambda match: _period(match, now.date()), text)
    unresolved = _RESOLVED.sub("", text)
    return None if _LEFTOVER.search(unresolved) else text


def _period(match: re.Match[str], today: date) -> str:
    step = {"this": 0, "next": 1, "last": -1}[match["which"].lower()]
    unit, before = match["unit"].lower(), (match["before"] or "in").lower()
    if unit == "week":
        monday = today + timedelta(days=7 * step - today.weekday())
        return f"{before} the week of {spoken(monday)}"
    if unit == "year":
        return f"{before} {today.year + step}"
    year, month = divmod(today.year * 12 + today.month - 1 + step, 12)
    return f"{before} {MONTHS[month]} {year}"
