"""Which days words can mean, in English, German, Spanish and French: to compare what a fact dates with what was said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from attrs import evolve, frozen

from elaaoms.extract.dates import resolve
from elaaoms.extract.numerals import NUMBER_WORDS, counted, ordinal, plain, within

_MONTHS = (
    "january jan januar jänner enero janvier|february feb februar febrero février|march mar märz marzo mars|"
    "april apr abril avril|may mai mayo|june jun juni junio juin|july jul juli julio juillet|"
    "august aug agosto août aout|september sep sept septiembre setiembre septembre|october oct oktober okt octubre octobre|"
    "november nov noviembre novembre|december dec dezember dez diciembre décembre"
)
_DAYS = (
    "monday montag lunes lundi|tuesday dienstag martes mardi|wednesday mittwoch miércoles miercoles mercredi|"
    "thursday donnerstag jueves jeudi|friday freitag viernes vendredi|saturday samstag sonnabend sábado sabado samedi|"
    "sunday sonntag domingo dimanche"
)
_MONTH = {word: number for number, words in enumerate(_MONTHS.split("|"), 1) for word in words.split()}
_DAY = {word: number for number, words in enumerate(_DAYS.split("|")) for word in words.split()}
NAMES = frozenset((*_MONTH, *_DAY))
_VERBS = frozenset({"may"})
_SHORT = frozenset("jan feb mar apr jun jul aug sep sept oct okt nov dec dez".split())
_PART_OF_DAY = ("morgen", "vormittag", "mittag", "nachmittag", "abend", "nacht", "s")
_TOKEN = re.compile(r"\d+|[^\W\d_]+|[.,:;!?%€$£/-]", re.UNICODE)

_WRITTEN = re.compile(r"(\d{1,2}) [./-] (\d{1,2}) [./-] ((?:19|20)\d\d)$")
_BEFORE_MAY = frozenset("in of last this next since by until till early late mid of during".split())
# Words before a number that make it a day of the month, and words after it that do not let it be one.
_LEADS = frozenset(
    "día tag jour day the le el al au am den dem zum vom del du on st nd rd th º ª ° til until bis hasta jusqu dès".split()
)
_UNITS = frozenset(
    """% € $ £ uhr heure heures h hora horas o'clock clock am pm percent per prozent por pour euro euros pounds dollars
    people personen personas personnes year years jahre jahren años ans kilo kilos times mal veces fois minute minutes
    minuten minutos hours stunden days tage tagen días jours weeks wochen semanas semaines months monate meses mois
    miles meter metros mètres grad degrees nights noches nuits nächte""".split()
)
_OF = frozenset(
    "of de . , im en y and und et to al bis au st nd rd th º ª er on to the zum den hasta jusqu - /".split()
)
_SO = frozenset("so also donc sea meaning heißt".split())
_NOT = frozenset("not no nicht pas kein keine isn".split())
_COMING = frozenset("kommenden coming viene próximo prochain prochaine".split())
_NEXT = frozenset("next nächsten nächste nächster".split())
_LAST = frozenset("last letzten letzte letzter vergangenen pasado pasada dernier dernière".split())
# Days from the call that these words can mean, from and to.
_AWAY = tuple(
    (low, high, re.compile(words, re.IGNORECASE))
    for low, high, words in (
        (0, 0, r"\b(?:today|tonight|this (?:morning|afternoon|evening)|now|(?:hours?|minutes?) ago|within the (?:hour|day)|heute|"
               r"(?:vor|in) \w+ (?:stunden?|minuten?)|jetzt|gerade|hoy|esta (?:tarde|noche|mañana|madrugada)|ahora|hace \w+ (?:horas?|minutos?)|"
               r"aujourd(?:'|’)hui|ce (?:soir|matin|midi)|cet après-midi|maintenant|il y a \w+ (?:heures?|minutes?))\b"),
        (1, 1, r"\b(?:tomorrow|(?<!heute )(?<!gestern )(?<!guten )(?<!am )(?<!jeden )(?<!übermorgen )morgen|"
               r"(?<!la )(?<!esta )(?<!pasado )(?<!media )(?<!cada )mañana|(?<!après-)demain)\b"),
        (2, 2, r"\b(?:day after tomorrow|übermorgen|pasado mañana|après-demain)\b"),
        (-1, -1, r"\b(?:(?<!before )yesterday|last night|(?<!vor)gestern|(?<!ante)ayer|anoche|(?<!avant-)hier (?:soir|matin|après)|(?<!avant-)hier)\b"),
        (-1, 0, r"\b(?:letzte nacht|heute nacht|esta noche|cette nuit|over ?night)\b"),
        (-2, -2, r"\b(?:day before yesterday|vorgestern|anteayer|antes de ayer|avant-hier)\b"),
        (-13, -1, r"\b(?:last week(?:end)?|letzte[ns]? woche(?:nende)?|vorige woche|(?:semana|finde?) pasad[ao]|fin de semana pasado|(?:semaine|week-end) derni\w+)\b"),
        (-8, 8, r"\b(?:the weekend|this week(?:end)?|(?:dieses |am |das )?wochenende|diese woche|(?:el |este )?fin de semana|esta semana|(?:le|ce) week-end|cette semaine)\b"),
        (0, 14, r"\b(?:next week(?:end)?|nächste[ns]? woche(?:nende)?|(?:próxima semana|semana que viene)|(?:semaine|week-end) prochaine?)\b"),
    )
)  # fmt: skip
_FEASTS = tuple(
    (days, re.compile(words, re.IGNORECASE))
    for days, words in (
        ({(1, 1)}, r"\b(?:new year(?:'|’)?s day|neujahr|año nuevo|(?:nouvel an|jour de l(?:'|’)an))"),
        ({(12, 31)}, r"\b(?:new year(?:'|’)?s eve|silvester|nochevieja|saint-sylvestre)"),
        ({(12, 31), (1, 1)}, r"\bnew year\b(?!(?:'|’)?s (?:day|eve))"),
        ({(12, 24)}, r"\b(?:christmas eve|heiligabend|nochebuena|réveillon)"),
        ({(12, 25), (12, 24), (12, 26)}, r"\b(?:christmas(?! eve)|weihnacht|navidad|noël)"),
    )
)
_SPAN = re.compile(
    r"\b(?:(?P<back>vor|hace|il y a)|(?P<ahead>in|within|innerhalb von|dentro de|en|dans|sous))?\s*(?P<count>\d+|[^\W\d_]+(?:[ -](?:y|et|und|and)?[ -]?[^\W\d_]+)?)\s+"
    r"(?:(?P<day>days?|tage?n?|días?|jours?)|(?P<week>weeks?|wochen?|semanas?|semaines?)|(?P<fortnight>fortnights?))\b\s*(?P<ago>ago|atrás)?",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    r"\b(?P<last>last|letzte[nrs]?|vorige[nrs]?|pasad[ao]|derni\w+)?\s*(?:month|monat|mes|mois|week|woche|semana|semaine)s?(?:en|e)?\b"
    r"|\b(?:\w+ )?(?:year|jahr|año|année|an|ans)s?(?:e|en)?\b",
    re.IGNORECASE,
)
# What takes back the words before it. A "no" does so on its own or before what is put in their place; before any
# other word it denies what follows: "Friday's no good", "el jueves no puedo".
CORRECTS = re.compile(
    r"\b(?:nah|sorry|wait|hang on|i mean(?:t)?|rather|correction|nein|nee|entschuldigung|quatsch|schmarrn|unsinn|moment|ich meine|perdón|perdona|mejor dicho|"
    r"digo|quiero decir|non|pardon|enfin|plutôt|je veux dire|"
    r"no(?=\s*(?:[,.;:!…–—-]|$)|\s+(?:it|that|make|the|el|sorry|wait|perdón|espera|um|uh|eh|\d|"
    rf"(?:{'|'.join(sorted(NUMBER_WORDS | NAMES, key=len, reverse=True))})\b)))",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:was|were|did|didn'?t|had|went|came|arrived|ordered|bought|paid|called|rang|since|received|happened|started|stopped|broke|"
    r"sent|ago|fell|saw|took|stolen|lost|moved|(?<!ve )(?<!has )got|ate|leaks?|wurden?|war|waren|hatten?|kam|ging|habe|hab|seit|ist \w+ ge\w+(?:en|t)|"
    r"\w{0,4}ge\w{3,}(?:en|t)|ha|han|he|hemos|desde|fue|fui|\w{2,}(?:ó|aron|ieron)|ai|avons|ont|étais?|était|depuis|(?:suis|est|sommes|êtes|sont) \w+(?:é|i|u)e?s?)\b",
    re.IGNORECASE,
)
_FUTURE = re.compile(
    r"(?:'|’)ll\b|\b(?:will|shall|going to|until|till|by|for|next|coming|wants?|can|could|would|let'?s|book|come|deliver|works for|suits|"
    r"werden?|wird|komm(?:e|t|en)|bis|möchten?|kann|können|passt|voy|va|van|vamos|hasta|para|quiero|puedo|puede|"
    r"\w{2,}(?:ré|rá|remos|rán)|vais|allons|vont|jusqu|pour|voudrais|peux|pouvez|\w{3,}(?:rai|ra|rons|rez|ront))\b",
    re.IGNORECASE,
)
_BESIDE = (
    (-1, re.compile(r"\b(?:the (?:day|night|evening) before|la veille|am (?:tag|abend) (?:davor|zuvor|vorher)|am vorabend|el día (?:antes|anterior)|la víspera)\b", re.IGNORECASE)),
    (1, re.compile(r"\b(?:the (?:day|morning) after|le lendemain|am (?:tag|morgen) (?:danach|darauf)|al día siguiente|el día después)\b", re.IGNORECASE)),
    (0, re.compile(r"\b(?:(?:the |that )?same day|that day|am (?:selben|gleichen) tag|(?:el|ese) mismo día|ese día|le même jour|ce jour-là)\b", re.IGNORECASE)),
)  # fmt: skip


# A day of the week belongs to the week of a date that was spoken of not more than so many turns ago, or at any time
# in the call if the date is so many days away: a wedding next summer.
RECENT = 6
FAR = 60

# Words that count from another day than the one they stand beside.
BESIDE = re.compile(
    r"\b(?:before|after|later|davor|danach|später|vorher|nachher|antes|después|siguiente|avant|après|lendemain|veille|plus tard|ago|vor|hace|il y a)\b",
    re.IGNORECASE,
)


@frozen
class Said:
    """A day as words name it: any part may be missing. `at` is where in the tokens of the text."""

    day: int | None = None
    month: int | None = None
    year: int | None = None
    weekday: int | None = None
    turn: str = ""  # "next", "coming" or "last" with a weekday
    at: int = 0

    def fits(self, day: date) -> bool:
        """Whether what is named agrees with a day."""
        return (
            self.day in (None, day.day)
            and self.month in (None, day.month)
            and self.year in (None, day.year)
            and self.weekday in (None, day.weekday())
        )


@lru_cache(maxsize=2048)
def expressions(text: str) -> tuple[Said, ...]:
    """The calendar days, months and days of the week that a text names, in order; denied ones are left out."""
    tokens = _TOKEN.findall(plain(text.casefold()))
    numbers = {start: (value, end) for value, start, end in counted(tokens)}
    found: list[Said] = []
    at = 0
    while at < len(tokens):
        said, after = _read(tokens, at, numbers, found)
        if said is not None and not _denied(tokens, at):
            last = found[-1] if found else None
            if (
                said.day is not None
                and said.weekday is None
                and last is not None
                and last.day is last.month is None
                and (at - last.at <= 4 or (at - last.at <= 6 and not _SO.isdisjoint(tokens[last.at : at])))
            ):
                said = evolve(said, weekday=found.pop().weekday)
            found.append(said)
        at = max(after, at + 1)
    return tuple(found)


def _read(
    tokens: Sequence[str], at: int, numbers: Mapping[int, tuple[int, int]], found: list[Said]
) -> tuple[Said | None, int]:
    """What is named at a place, and where it ends; a month or a year is given to the days that wait for it."""
    weekday = _weekday(tokens[at])
    if weekday is not None:
        near = {*tokens[max(0, at - 2) : at], *tokens[at + 1 : at + 4]}
        turn = "coming" if near & _COMING else "next" if near & _NEXT else "last" if near & _LAST else ""
        return Said(weekday=weekday, turn=turn, at=at), at + 1
    if at in numbers:
        value, end = numbers[at]
        written = _WRITTEN.match(" ".join(tokens[at : at + 5]))
        if written:
            first, second = int(written[1]), int(written[2])
            if second > 12:
                first, second = second, first
            return Said(day=first, month=second, year=int(written[3]), at=at), at + 5
        return _numbered(tokens, at, end, value), end
    month = _month(tokens, at)
    if month is None:
        return None, at + 1
    year, after = _year(tokens, at + 1, numbers)
    if _spread(found, month, year, at, tokens):
        return None, after
    start = at + 2 if tokens[at + 1 : at + 2] == ["the"] else at + 1
    if (
        year is None
        and start in numbers
        and 1 <= numbers[start][0] <= 31
        and _free(tokens, numbers[start][1])
    ):
        year, after = _year(tokens, numbers[start][1], numbers)
        return Said(day=numbers[start][0], month=month, year=year, at=at), after
    return Said(month=month, year=year, at=at), after


def _weekday(token: str) -> int | None:
    if token in _DAY:
        return _DAY[token]
    for name, number in _DAY.items():
        if token.startswith(name) and token.removeprefix(name) in _PART_OF_DAY[:-1]:
            return number
    return None


def _month(tokens: Sequence[str], at: int) -> int | None:
    """The month that a token names; "may" and short forms are also other words."""
    token = tokens[at]
    if token in _SHORT or token in _VERBS:
        near = (*tokens[max(0, at - 2) : at], *tokens[at + 1 : at + 2])
        if not any(word.isdigit() or any(counted([word])) for word in near) and not (
            token in _VERBS and _BEFORE_MAY & set(near[:2])
        ):
            return None
    return _MONTH.get(token)


def _numbered(tokens: Sequence[str], at: int, end: int, value: int) -> Said | None:
    """The day of the month that a number says: by its form, or by the words around it."""
    if not 1 <= value <= 31 or not _free(tokens, end):
        return None
    before = tokens[at - 1] if at else ""
    placed = ordinal(tokens[end - 1]) or tokens[end : end + 1] in (
        ["th"],
        ["st"],
        ["nd"],
        ["rd"],
    )
    named = next((word for word in tokens[end : end + 4] if word not in _OF and word not in _LEADS), "")
    if (
        named in _MONTH
        or placed
        or before in _LEADS
        or (before and _weekday(before) is not None and (value > 12 or tokens[at].isdigit()))
    ):
        return Said(day=value, at=at)
    return None


def _free(tokens: Sequence[str], end: int) -> bool:
    """Whether what follows a number lets it be a day."""
    follows = tokens[end : end + 2]
    if follows[:1] == [":"] and follows[1:] and follows[1].isdigit():
        return False
    return not follows or follows[0] not in _UNITS


def _spread(found: list[Said], month: int, year: int | None, at: int, tokens: Sequence[str]) -> bool:
    """Give the month to the days before it that wait for one: "the 23rd to the 27th of December"."""
    near, given = at, False
    for index in range(len(found) - 1, -1, -1):
        said = found[index]
        if said.day is None or said.month is not None or near - said.at > 7:
            break
        between = range(said.at + 1, near)
        if any(tokens[place] in ".!?;" and not tokens[place - 1].isdigit() for place in between):
            break
        found[index] = evolve(said, month=month, year=year)
        near, given = said.at, True
    return given


def _year(tokens: Sequence[str], at: int, numbers: Mapping[int, tuple[int, int]]) -> tuple[int | None, int]:
    while at < len(tokens) and tokens[at] in ("de", "of", ",", "del", "."):
        at += 1
    if at in numbers and 1900 <= numbers[at][0] <= 2200:
        return numbers[at]
    return None, at


def _denied(tokens: Sequence[str], at: int) -> bool:
    """Whether a no stands right before: "not the twenty-ninth"."""
    return bool(_NOT & set(tokens[max(0, at - 2) : at])) and "," not in tokens[max(0, at - 2) : at]


# -- what a fact says ----------------------------------------------------------------------


def consistent(content: str) -> bool:
    """Whether every date that a fact writes exists and falls on the day of the week that it names."""
    return all(
        said.day is None or said.month is None or any(_dates(said, None)) for said in expressions(content)
    )


def written(content: str) -> list[Said]:
    """The dates and months that a fact names."""
    return [said for said in expressions(content) if said.day is not None or said.month is not None]


def weekdays_of(content: str) -> set[int]:
    """The days of the week that a fact names without a date."""
    return {said.weekday for said in expressions(content) if said.weekday is not None and said.day is None}


def _dates(said: Said, called: date | None) -> Iterator[date]:
    """The days that an expression with a day and a month can be."""
    years = (
        [said.year] if said.year else range(called.year - 1, called.year + 2) if called else range(1900, 2200)
    )
    for year in years:
        try:
            day = date(year, said.month or 1, said.day or 1)
        except ValueError:
            continue
        if said.fits(day):
            yield day


def tense(text: str) -> int:
    """-1 if a text tells of the past, 1 if of the future, 0 if that cannot be said."""
    return int(_FUTURE.search(text) is not None) - int(_PAST.search(text) is not None)


def past(text: str) -> bool:
    """Whether a text speaks of the past, whatever else it does."""
    return _PAST.search(text) is not None


# -- what words can mean -------------------------------------------------------------------


class Meaning:
    """What the words of one place in a call can mean, on the day of the call.

    `said` are the words, `before` the texts of the turns before them, last first.
    """

    def __init__(
        self,
        said: str,
        called: datetime | None,
        before: Iterable[str] = (),
        *,
        tense: int = 0,
        within: Meaning | None = None,
    ) -> None:
        self._text = said
        self._today = called.date() if called else None
        self._before = tuple(before)
        self._tense = tense
        self._within = within
        self._said = standing(said)
        cut = max((match.end() for match in CORRECTS.finditer(said)), default=0)
        if any(words.search(said, cut) for _, _, words in _AWAY):
            self._text = said[cut:]  # "yesterday, no, the day before"
        self._resolved = {found.date for found in resolve(said, called)} if called else set()

    @property
    def dateless(self) -> bool:
        """Whether the words name no day at all."""
        return (
            not self._said
            and not self._resolved
            and not any(words.search(self._text) for _, _, words in _AWAY)
        )

    def dates(self, said: Said) -> list[date]:
        """The days that a fact's date can be, near the call where it has no year."""
        return list(_dates(said, self._today))

    def day(self, day: date) -> bool:
        """Whether a day may be meant."""
        return (self._within is None or self._within.allows(day)) and self._may_be(day)

    def allows(self, day: date) -> bool:
        """Whether the words name nothing that a day disagrees with."""
        return not self._said or any(said.fits(day) for said in self._said)

    def _may_be(self, day: date) -> bool:
        if any(self._calendar(said, day) for said in self._said):
            return True
        full = [said for said in self._said if said.day is not None and said.month is not None]
        if full and any(
            said.day is None and said.weekday == day.weekday() and self._near_a_date(full, day)
            for said in self._said
        ):
            return True
        if self._today is None or full:
            return False
        away = (day - self._today).days
        for low, high, words in _AWAY:
            match = words.search(self._text) if low <= away <= high else None
            if match is None or (low != high and not self._weekday_fits(day)):
                continue
            explained = [said.weekday for said in expressions(self._text[match.end() :][:18])]
            if not explained or explained[0] in (
                None,
                day.weekday(),
            ):  # "the day before yesterday, so Saturday"
                return True
        if any((day.month, day.day) in feast and words.search(self._text) for feast, words in _FEASTS):
            return abs(away) < 400
        if self._counted(away) or self._beside(day):
            return True
        numbered = {said.weekday for said in self._said if said.day is not None}
        if any(
            said.weekday == day.weekday() and self._week(said, day) for said in self._said if said.day is None
        ):
            return day.weekday() not in numbered
        return day in self._resolved and not any(
            said.day is not None or said.weekday is not None for said in self._said
        )

    def weekday(self, weekday: int) -> bool:
        """Whether a day of the week was named, or belongs to a day that may be meant."""
        if any(said.weekday == weekday for said in self._said) or weekday in plural(self._text):
            return True
        today = self._today
        return today is not None and any(
            day.weekday() == weekday and self.day(day)
            for day in (today + timedelta(days=step) for step in range(-7, 15))
        )

    def month(self, month: int, year: int | None) -> bool:
        """Whether a month may be meant, with its year where one is named."""
        for said in self._said:
            if said.month == month:
                if said.year is not None and year is not None and said.year != year:
                    continue
                return (
                    year is None or self._today is None or said.year == year or self._year_near(month, year)
                )
        if self._today is None:
            return False
        if any(words.search(self._text) for _, words in _FEASTS) and any(
            month == feast[0] and words.search(self._text) for feasts, words in _FEASTS for feast in feasts
        ):
            return True
        months = {(self._today.month + step - 2) % 12 + 1 for step in (0, 1, 2)}
        return bool(_PERIOD.search(self._text)) and month in months

    def _year_near(self, month: int, year: int) -> bool:
        """Whether a year is the one that a month without a year means on the day of the call, or was said."""
        if within(str(year), self._text):
            return True
        today = self._today
        assert today is not None  # noqa: S101 - asked before
        away = (year - today.year) * 12 + month - today.month
        return -12 <= away <= 12 or (-24 <= away <= 24 and _PERIOD.search(self._text) is not None)

    def _calendar(self, said: Said, day: date) -> bool:
        if said.day is None or not said.fits(day):
            return False
        if said.year is not None or self._today is None:
            return True
        away = (day - self._today).days
        if said.month is not None:
            return -366 <= away <= 550 or within(str(day.year), self._text)
        months = {one.month for one in self._said if one.month is not None}
        if months:
            return day.month in months
        return abs(away) <= 31 or any(
            (day.year, day.month) == (known.year, known.month) for known in self._known()
        )

    def _near_a_date(self, full: Sequence[Said], day: date) -> bool:
        """Whether a day follows within the week a date of the same words: "from Saturday the 14th to Sunday"."""
        return any(0 < (day - known).days <= 6 for said in full for known in _dates(said, self._today))

    def _weekday_fits(self, day: date) -> bool:
        named = {said.weekday for said in self._said if said.weekday is not None}
        return not named or day.weekday() in named

    def _week(self, said: Said, day: date) -> bool:
        """Whether a day of the week, said on its own, can be this day."""
        today = self._today
        assert today is not None  # noqa: S101 - asked before
        away = (day - today).days
        ahead = (day.weekday() - today.weekday()) % 7 or 7
        if said.turn == "coming":
            return away == ahead or (ahead <= 2 and away == ahead + 7)
        if said.turn == "next":  # the coming one for some; for others the one of the week after this
            return away == ahead or (away == ahead + 7 and ahead + today.weekday() < 7)
        if (
            said.turn == "last"
        ):  # on a Friday "last Tuesday" is of this week for some; on a Tuesday "last Thursday" is one day
            latest = ahead - 7
            return away == latest or (away == latest - 7 and latest + today.weekday() >= 0)
        low, high = (-7 if self._tense <= 0 else 0), (7 if self._tense >= 0 else 0)
        if low <= away <= high:
            return True
        return any(
            abs((day - known).days) <= 6
            for turns, apart in ((RECENT, 14), (None, FAR))
            for known in self._known(turns=turns)
            if abs((known - today).days) > apart
        )

    def _counted(self, away: int) -> bool:
        for match in _SPAN.finditer(self._text):
            past, ahead = bool(match["back"] or match["ago"]), bool(match["ahead"])
            count = _count(match["count"])
            if count is None:
                continue
            days = count * (14 if match["fortnight"] else 7 if match["week"] else 1)
            if (past and away == -days) or (
                ahead and not past and (away == days or (match["day"] and 0 < away <= days))
            ):
                return True
            if not past and not ahead and abs(away) == days:
                return True
        return False

    def _beside(self, day: date) -> bool:
        return any(
            words.search(self._text)
            and any(day == known + timedelta(days=step) for known in self._known(last=True))
            for step, words in _BESIDE
        )

    def _known(self, *, last: bool = False, turns: int | None = None) -> list[date]:
        """The days that the call has named before, in so many turns; with `last` only those of the turn that named one last."""
        if self._today is None:
            return []
        known: list[date] = []
        for text in (self._text, *self._before[:turns]):
            for said in standing(text):
                if said.day is not None and said.month is not None:
                    known += _dates(said, self._today)
                elif said.weekday is not None and said.day is None:
                    known.append(self._today + timedelta(days=(said.weekday - self._today.weekday()) % 7))
            if last and any(day >= self._today for day in known):
                break
        return known


def plural(text: str) -> set[int]:
    """The days of the week that come every week: "on Mondays"."""
    return {
        _DAY[word[:-1]]
        for word in _TOKEN.findall(text.casefold())
        if word.endswith("s") and word[:-1] in _DAY
    }


def _count(words: str) -> int | None:
    tokens = _TOKEN.findall(words.casefold())
    if not tokens:
        return None
    if tokens[-1] in ("a", "ein", "einem", "einer", "un", "une", "una"):
        return 1
    if tokens[-1] == "couple":
        return 2
    values = list(counted(tokens))
    return values[-1][0] if values and values[-1][2] == len(tokens) else None


@lru_cache(maxsize=2048)
def standing(text: str) -> tuple[Said, ...]:
    """What a text names, without what the same breath takes back: "the third, no, the fifth"."""
    named = list(expressions(text))
    cut = max((match.start() for match in CORRECTS.finditer(text)), default=None)
    if cut is None or len(named) < 2:
        return tuple(named)
    place = len(_TOKEN.findall(plain(text[:cut].casefold())))
    old, new = [said for said in named if said.at < place], [said for said in named if said.at >= place]
    kept = [said for said in old if not any(_replaces(said, other) for other in new)]
    month = next((said for said in reversed(old) if said.month is not None), None)
    if month is not None:
        new = [
            evolve(said, month=month.month, year=month.year) if said.day and not said.month else said
            for said in new
        ]
    return (*kept, *new)


def _replaces(old: Said, new: Said) -> bool:
    """Whether what is said after a correction is of the kind that was said before it."""
    if old.day is not None or new.day is not None:
        return old.day is not None and new.day is not None
    return (old.weekday is None) == (new.weekday is None)
