"""Read the numbers, dates, times, amounts and codes of a statement, so that each is written in one way only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache, partial
from itertools import pairwise

from attrs import frozen

from elaaoms.numerals import MONTHS, ORDINALS, WEEKDAYS, Item, fold, number_at

_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
_PRIVATE = re.compile("[\ue000-\uf8ff]")  # characters that nobody says; here they mark where a value stood
_MARK = re.compile("\ue000(.)\ue001")
_IN_ENGLISH = "January February March April May June July August September October November December".split()


@frozen
class Quantities:
    """What a text counts, dates and codes.

    `values` are the typed ones ("date:2026-03-03", "time:9:30", "eur:49.5", "kg:2", "weekday:0", an e-mail address),
    `numbers` the bare ones as digits, both in the order of saying. `letters` are those of codes, whose digits are among
    `numbers`. `text` is the whole text, folded, with every value written in one way; `rest` is what of
    it is no value.
    """

    values: tuple[str, ...]
    numbers: tuple[str, ...]
    letters: frozenset[str]
    text: str
    rest: str


@lru_cache(maxsize=8192)
def quantities(text: str) -> Quantities:
    """The values of a statement in English, German, Spanish or French; digits are read in any script."""
    return _Reader(_figures(_PRIVATE.sub(" ", fold(text)[0]))).read()


# -- numbers in words -----------------------------------------------------------------

_DOZEN = frozenset("dozen dutzend docena douzaine".split())
_ORDINAL_ENDINGS = ("sten", "ste", "ten", "te", "th", "ieme")
_TENTHS = {fold(word)[0]: str(value) for word, value in ORDINALS.items()}
_MONTH_OF = {fold(word)[0]: number for word, number in MONTHS.items()}
_MONTH_OF |= {
    name: number
    for number, names in enumerate(
        "jan|ene|janv feb|fevr mar|marz apr|abr|avr - jun jul|juil aug|aou sep|sept oct|okt nov dec|dez|dic".split(), 1
    )
    for name in names.split("|")
    if name != "-"
}  # fmt: skip
_DAY_OF = {fold(word)[0]: number for word, number in WEEKDAYS.items()}


@frozen
class _Figure:
    digits: str
    start: int
    end: int
    said: bool


def _figures(text: str) -> str:
    """A folded text with its number words as digits; digits said one by one stand together."""
    raw = [
        Item(
            "num" if match[0].isdecimal() else "word" if match[0].isalpha() else "mark",
            match[0],
            *match.span(),
        )
        for match in _TOKEN.finditer(text)
    ]
    raw = [
        item._replace(glued=True) if before.end == item.start else item
        for before, item in pairwise([Item("mark", "", -1, -1), *raw])
    ]
    found = list(_joined(list(_read(raw)), text))
    parts: list[str] = []
    position = 0
    for figure in found:
        parts += [text[position : figure.start], figure.digits]
        position = figure.end
    return "".join((*parts, text[position:]))


def _read(raw: list[Item]) -> Iterator[_Figure]:
    index = 0
    after_number = False
    while index < len(raw):
        item = raw[index]
        following = raw[index + 1] if index + 1 < len(raw) else None
        beside = (raw[index - 1].kind if index else "", following.kind if following else "")
        if item.kind == "mark":
            index += 1
            continue
        if item.value in _DOZEN:
            yield _Figure("12", item.start, item.end, True)
            index, after_number = index + 1, False
            continue
        if item.value == "sept" and "num" in beside:  # the month; else it may be the French seven
            index, after_number = index + 1, False
            continue
        ordinal = _ordinal(item) if item.kind == "word" else None
        read = None if ordinal else number_at(raw, index, after_number)
        if ordinal is not None:
            yield _Figure(ordinal, item.start, item.end, True)
            index, after_number = index + 1, False
        elif read is not None:
            digits, after, said = read
            beyond = after + 1 if after + 1 < len(raw) and raw[after].value == "-" else after
            unit = _ordinal(raw[beyond]) if beyond < len(raw) else None
            if said and unit and len(unit) == 1 and digits in ("20", "30"):  # twenty-first
                after = beyond + 1
                digits = str(int(digits) + int(unit))
            yield _Figure(digits, item.start, raw[after - 1].end, said)
            index, after_number = after, True
        else:
            index, after_number = index + 1, False


def _ordinal(item: Item) -> str | None:
    """The digits of an ordinal in one word: "twelfth", "vierzehnten", "premier"."""
    known = _TENTHS.get(item.value)
    if known is not None or item.kind != "word":
        return known
    for ending in _ORDINAL_ENDINGS:
        stem = item.value.removesuffix(ending)
        if stem == item.value or len(stem) < 3:
            continue
        for word in (stem, f"{stem.removesuffix('ie')}y"):
            read = number_at([item._replace(value=word)], 0, True)
            if read is not None and read[2] and int(read[0]) < 100:
                return read[0]
    return None


def _joined(figures: list[_Figure], text: str) -> Iterator[_Figure]:
    """Digits said or written one by one, at least three or as many as a phone number has, are one number."""
    run: list[_Figure] = []

    def close() -> Iterator[_Figure]:
        digits = "".join(figure.digits for figure in run)
        if (len(run) >= 3 and all(_single(figure) for figure in run)) or (len(run) > 1 and len(digits) >= 7):
            yield _Figure(digits, run[0].start, run[-1].end, True)
        else:
            yield from run

    for figure in figures:
        short = _single(figure) or (figure.said and len(figure.digits) <= 2)
        if run and not (short and re.fullmatch(r"[\s,-]{1,2}", text[run[-1].end : figure.start])):
            yield from close()
            run = []
        if not short:
            yield figure
        else:
            run.append(figure)
    yield from close()


def _single(figure: _Figure) -> bool:
    return len(figure.digits) == 1 or (
        figure.said and len(set(figure.digits)) == 1 and len(figure.digits) < 4
    )


# -- values ---------------------------------------------------------------------------

_NUMBER = (
    r"(?:\d{1,3}(?:(?P<mark>[., '])\d{3})(?:(?P=mark)\d{3})*(?!\d)(?:[.,]\d{1,2}(?!\d))?|\d+(?:[.,]\d+)?)"
)
_MONTH = rf"(?:{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})\b\.?"
_YEAR = r"(?:19|20)\d\d(?!\d)"
_CURRENCIES = {
    "eur": "euros? eur €",
    "gbp": "pounds?(?:[ ]sterling)? quid gbp libras? £",
    "usd": "dollars? usd bucks dolar(?:es)? us[$] [$]",
    "chf": "francs? franken francos chf",
    "jpy": "yen ¥",
    "pence": "pence p cents? centimos? centimes?",
}
_UNITS = {
    "percent": "% percent per[ ]cent prozent por[ ]ciento pour[ ]?cent",
    "kg": "kg kilos? kilogram(?:s|m|me|mes|os?)?",
    "g": "g gram(?:s|m|me|mes|os?)?",
    "mg": "mg milligram(?:s|m|me|mes)? miligramos?",
    "km": "km kilomet(?:er|ers|ern|re|res) kilometros?",
    "m2": "m2 sqm square[ ]met(?:er|re)s? quadratmetern? metros[ ]cuadrados metres[ ]carres",
    "cm": "cm centimet(?:er|ers|re|res) zentimetern? centimetros?",
    "mm": "mm millimet(?:er|ers|re|res) millimetern? milimetros?",
    "m": "m met(?:er|ers|ern|re|res) metros?",
    "mi": "miles? meilen millas",
    "l": "l lit(?:er|ers|ern|re|res) litros?",
    "ml": "ml millilit(?:er|ers|re|res)",
    "gb": "gb gigabytes? gigas?",
    "mb": "mb megabytes? megas?",
    "mbit": "mbit/?s? mbps megabits?",
    "degrees": "degrees? grad grados degres °",
    "minutes": "min mins minutes? minuten minutos?",
    "hours": "hrs? hours? stunden? horas? heures?",
    "days": "days? tagen? tage dias? jours?",
    "weeks": "weeks? wochen? semanas? semaines?",
    "months": "months? monaten? monate mes mesi meses mois",
    "years": "years? jahren? jahre anos? ans annees?",
}
_UNIT_NAMES = [(name, re.compile("|".join(names.split()))) for name, names in (_CURRENCIES | _UNITS).items()]
_FIRST = 0xE100


def _decimal(number: str) -> str:
    """A number as it is written here: no thousands separators, a point, no trailing zeros."""
    separator = re.fullmatch(r"(\d{1,3}(?:([., '])\d{3})(?:\2\d{3})*)(?:[.,](\d{1,2}))?", number)
    whole, fraction = (
        (re.sub(r"\D", "", separator[1]), separator[3] or "")
        if separator
        else (re.split(r"[.,]", number)[0], "".join(re.split(r"[.,]", number)[1:]))
    )
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _place(mark: str) -> int:
    return ord(mark) - _FIRST


@lru_cache(maxsize=512)
def _unit(word: str) -> str:
    return next(name for name, pattern in _UNIT_NAMES if pattern.fullmatch(word))


class _Reader:
    """Takes one kind of value after the other out of a text, leaving a mark where each stood."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._written: list[str] = []
        self._values: dict[int, str] = {}
        self._numbers: dict[int, str] = {}
        self._letters: set[str] = set()
        self._days: list[date] = []

    def read(self) -> Quantities:
        figures = any(map(str.isdigit, self._text))
        for pattern, take in _FORMS:
            if not figures and take not in _WITHOUT_FIGURES:
                continue
            self._text = pattern.sub(partial(take, self), self._text)
        implied = {f"weekday:{day.weekday()}" for day in self._days}
        order = [_place(mark) for mark in _MARK.findall(self._text)]
        return Quantities(
            values=tuple(
                dict.fromkeys(
                    self._values[place]
                    for place in order
                    if place in self._values and self._values[place] not in implied
                )
            ),
            numbers=tuple(self._numbers[place] for place in order if place in self._numbers),
            letters=frozenset(self._letters),
            text=" ".join(
                _MARK.sub(lambda match: f" {self._written[_place(match[1])]} ", self._text).split()
            ),
            rest=_MARK.sub(" ", self._text),
        )

    def _mark(self, written: str) -> str:
        self._written.append(written)
        return f"\ue000{chr(_FIRST + len(self._written) - 1)}\ue001"

    def value(self, value: str, written: str) -> str:
        """A mark for a typed value."""
        self._values[len(self._written)] = value
        return self._mark(written)

    def number(self, digits: str) -> str:
        """A mark for a bare number."""
        self._numbers[len(self._written)] = digits
        return self._mark(digits)

    # -- what each form makes of a match

    def address(self, match: re.Match[str]) -> str:
        return self.value(match[0], match[0])

    def full_date(self, match: re.Match[str]) -> str:
        return self._day(match, int(match["day"]), int(match["month"]), match["year"])

    def slashed(self, match: re.Match[str]) -> str:
        """3/15/2027 and 15/3/2027; 5/6/2026 is told from no other writing of it."""
        first, second, year = int(match["first"]), int(match["second"]), match["year"]
        year = f"20{year}" if len(year) == 2 else year
        if match["mark"] == "." or first > 12 or first == second:
            return self._day(match, first, second, year)
        if second > 12:
            return self._day(match, second, first, year)
        return self.value(f"date:{first}/{second}/{year}", match[0])

    def named_date(self, match: re.Match[str]) -> str:
        return self._day(match, int(match["day"]), _MONTH_OF[match["month"].rstrip(".")], match["year"])

    def two_dates(self, match: re.Match[str]) -> str:
        month = _MONTH_OF[match["month"].rstrip(".")]
        first = self._day(match, int(match["first"]), month, match["year"])
        return f"{first} {match['between']} {self._day(match, int(match['day']), month, match['year'])}"

    def _day(self, match: re.Match[str], day: int, month: int, year: str | None) -> str:
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return match[0]
        if year:
            try:
                self._days.append(date(int(year), month, day))
            except ValueError:
                return match[0]
        return self.value(
            f"date:{year or ''}-{month}-{day}", f"{day} {_IN_ENGLISH[month - 1]} {year or ''}".strip()
        )

    def month(self, match: re.Match[str]) -> str:
        number = _MONTH_OF[match["month"].rstrip(".")]
        year = match["year"] or ""
        return self.value(f"month:{year}-{number}", f"{_IN_ENGLISH[number - 1]} {year}".strip())

    def weekday(self, match: re.Match[str]) -> str:
        number = _DAY_OF[match["name"]]
        return self.value(f"weekday:{number}", match[0])

    def clock(self, match: re.Match[str]) -> str:
        groups = match.groupdict()
        hour, minute = int(groups["hour"]), int(groups.get("minute") or 0)
        half = (groups.get("half") or "").replace(".", "")
        if hour > 24 or minute > 59:
            return match[0]
        if half:
            hour = hour % 12 + (12 if half.startswith("p") else 0)
        return self._time(hour, minute)

    def past(self, match: re.Match[str]) -> str:
        groups = match.groupdict()
        hour = int(next(groups[name] for name in ("past", "to", "half") if groups.get(name)))
        if groups.get("half"):
            return self._time(hour - 1, 30)
        if groups.get("to"):
            return self._time(hour - 1, 45)
        part = groups.get("part") or ""
        return self._time(hour, 30 if part.startswith(("half", "media", "demi")) else 15)

    def noon(self, match: re.Match[str]) -> str:
        return self._time(0 if match["midnight"] else 12, 0)

    def _time(self, hour: int, minute: int) -> str:
        return self.value(f"time:{hour}:{minute:02}", f"{hour}:{minute:02}")

    def amount(self, match: re.Match[str]) -> str:
        unit, number = _unit(match["unit"]), _decimal(match["number"])
        return self.value(f"{unit}:{number}", f"{number} {unit if unit in _CURRENCIES else match['unit']}")

    def age(self, match: re.Match[str]) -> str:
        return self.number(match["number"])

    def joined(self, match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match[0])
        groups = re.findall(r"\d+", match[0])
        if len(digits) >= 7 or (len(digits) >= 5 and (len(groups) >= 3 or "-" in match[0])):
            return self.number(digits)
        return match[0]

    def code(self, match: re.Match[str]) -> str:
        self._letters.add(match["letters"])
        return f"{self._mark(match['letters'])} {self.number(re.sub(r'[^0-9]', '', match['digits']))}"

    def mixed(self, match: re.Match[str]) -> str:
        return self.value(f"code:{re.sub(r'[^a-z0-9]', '', match[0])}", match[0])

    def plain(self, match: re.Match[str]) -> str:
        return self.number(_decimal(match["number"]))


def _amount(table: dict[str, str]) -> str:
    return "|".join("|".join(names.split()) for names in table.values())


_MONEY, _MEASURE = _amount(_CURRENCIES), _amount(_UNITS)
_IN_YEAR = rf"(?:,? (?:de |del )?(?P<year>{_YEAR}))?"
# Words before which also "may" and "march" are months.
_BEFORE_MONTH = "in of by last since early late next from until for en fin".split()
_A_MONTH = "".join(rf"(?<=\b{word} )|" for word in _BEFORE_MONTH) + r"\b(?!may|mar|mars|sept?\b|jan\b|dec\b)"
_ENDS = r"(?=\s*(?:$|[.,;!?](?!\d)|on\b|in the\b|every\b|tomorrow\b|today\b))"
_WITHOUT_FIGURES = (_Reader.address, _Reader.month, _Reader.weekday, _Reader.noon)
_HOUR, _MINUTE = r"(?P<hour>\d{1,2})", r"(?P<minute>\d{2})"
_START = r"(?<![\d:.,])"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[_Reader, re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), take)
    for pattern, take in (
        (r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+", _Reader.address),
        (r"\b(?P<year>(?:19|20)\d\d)-(?P<month>\d\d)-(?P<day>\d\d)\b", _Reader.full_date),
        (
            r"(?<![\d./])(?P<first>\d{1,2})(?P<mark>[./])(?P<second>\d{1,2})(?P=mark)(?P<year>(?:19|20)?\d\d)"
            r"(?![\d/]|\.\d)",
            _Reader.slashed,
        ),
        (
            r"(?<![\d.])(?P<day>\d{1,2})\.\s?(?P<month>0?[1-9]|1[0-2])\.(?!\d)(?P<year>(?!))?",
            _Reader.full_date,
        ),
        (
            r"(?<!\d)(?P<first>\d{1,2})(?:st|nd|rd|th|\.)? ?(?P<between>to|until|till|-|bis|al?|au) ?(?P<day>\d{1,2})"
            rf"(?:st|nd|rd|th|er|\.)? (?:of |de )?(?P<month>{_MONTH}){_IN_YEAR}",
            _Reader.two_dates,
        ),
        (
            r"(?<!\d)(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.|o)? ?(?:of |de |du )?"
            rf"(?P<month>{_MONTH}){_IN_YEAR}",
            _Reader.named_date,
        ),
        (
            rf"\b(?P<month>{_MONTH}) (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:]){_IN_YEAR}",
            _Reader.named_date,
        ),
        (rf"(?:{_A_MONTH})(?P<month>{_MONTH}){_IN_YEAR}", _Reader.month),
        (rf"\b(?P<name>{'|'.join(_DAY_OF)})(?:s|es)?\b", _Reader.weekday),
        (rf"{_START}{_HOUR}(?:[:.h]{_MINUTE})? ?(?P<half>[ap]\.?m\b\.?)", _Reader.clock),
        (rf"{_START}{_HOUR} ?[:h]{_MINUTE}(?: ?(?:uhr|h)\b)?(?![\d:])", _Reader.clock),
        (rf"{_START}{_HOUR} uhr(?: (?P<minute>\d{{1,2}})\b)?", _Reader.clock),
        (
            r"(?:(?<=\bat )|(?<=\bum )|(?<=\blas )|(?<=\bby )|(?<=\buntil )|(?<=\bfrom ))"
            rf"{_HOUR}\.{_MINUTE}(?!\d)",
            _Reader.clock,
        ),
        (
            r"\b(?:(?P<part>half|quarter) past (?P<past>\d{1,2})|quarter to (?P<to>\d{1,2})|halb (?P<half>\d{1,2}))\b",
            _Reader.past,
        ),
        (r"\bviertel (?:nach (?P<past>\d{1,2})|vor (?P<to>\d{1,2}))\b", _Reader.past),
        (r"\b(?P<past>\d{1,2})(?: heures?)? (?:y|et) (?P<part>media|cuarto|demie?|quart)\b", _Reader.past),
        (rf"{_START}{_HOUR} ?o ?'? ?clock\b", _Reader.clock),
        (rf"(?<=\blas ){_HOUR}(?![:.,]?\d)", _Reader.clock),
        (rf"(?<=\ba ){_HOUR} ?(?:h|heures?)\b", _Reader.clock),
        (rf"(?:(?<=\bat )|(?<=\bum )){_HOUR}{_ENDS}", _Reader.clock),
        (
            r"\b(?P<midnight>midnight|mitternacht|medianoche|minuit)\b|\b(?:noon|midday|mediodia)\b",
            _Reader.noon,
        ),
        (r"(?<![\d.,])(?P<number>\d{1,3}) ?-?(?:years?[ -]old|jahre alt)\b", _Reader.age),
        (rf"(?P<unit>us[$]|[$€£¥]|\b(?:eur|usd|gbp|chf)\b) ?(?P<number>{_NUMBER})", _Reader.amount),
        (rf"(?<![\w.,])(?P<number>{_NUMBER}) ?-?(?P<unit>{_MONEY}|{_MEASURE})(?![^\W_])", _Reader.amount),
        (r"(?<!\w)\+?\(?\d{1,5}\)?(?:[ ./-]{1,2}\(?\d{1,4}\)?){1,6}(?![\w,.]\d|\w)", _Reader.joined),
        (r"(?<![\w-])(?P<letters>[a-z]{1,6})[-/.]?(?P<digits>\d[\d/-]*)(?!\w)", _Reader.code),
        (r"\b(?=[\w-]*\d)(?=[\w-]*[a-z])(?!\d+(?:st|nd|rd|th|er|e|x)\b)\w+(?:-\w+)*", _Reader.mixed),
        (rf"(?P<number>{_NUMBER})(?:st|nd|rd|th|er)?", _Reader.plain),
    )
)
