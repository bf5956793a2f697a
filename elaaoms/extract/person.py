"""Hear what a caller is like: where they live, what they eat, like, avoid and feel, and how to reach them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from elaaoms.extract import dates, spoken
from elaaoms.extract.heard import Heard, capitals
from elaaoms.extract.words import COMMON, FIRST_NAMES, OCCUPATIONS, vocabulary
from elaaoms.memory import Category, Fact

Reader = Callable[[Heard, re.Match[str]], Iterator[Fact]]
_PHRASE_WORD = re.compile(r"\s*([^\W_][\w'’-]{0,24})")
_ARTICLE = re.compile(r"^(?:the|a|an|some|any|really|very|all)\s+", re.IGNORECASE)
_ENDING = vocabulary(
    """and but because cause cos so though although very a lot really too as well please thanks thank
    anyway honestly much more most best better the also especially or actually which i we he she they by
    anymore any now"""
)
_CONDITION = vocabulary("when if unless until while where what how that who whenever")
_LINKS = frozenset("in on at with of for from to about the".split())
_FORBIDDEN = vocabulary(
    """it you your yours me my mine our ours this that these those him her them his their to be being been
    is are was not having waiting calling talking hearing paying getting listening sitting speaking
    repeating spending when if wasting doing how what who why where same way one ones idea fact thought
    here there everything nothing anything something someone everyone anyone nobody people stuff thing
    things job work sound look"""
)


def phrase(text: str, at: int, *, most: int = 5) -> str | None:
    """The plain noun phrase at `at`, lower case without its article; None when it is not plain or not whole."""
    article = _ARTICLE.match(text[at:])
    position, words = at + (article.end() if article else 0), list[str]()
    while True:
        match = _PHRASE_WORD.match(text, position)
        if match is None:
            break
        word = match[1].lower().replace("’", "'")
        if word in _CONDITION:
            return None
        if word == "the" and words and words[-1] in _LINKS:
            words.append(word)
            position = match.end()
            continue
        if word in _ENDING:
            if word == "a" and not re.match(r"\s+lot\b|\s+bit\b", text[match.end() :].lower()):
                return None
            break
        if word in _FORBIDDEN or "'" in word:
            return None
        words.append(word)
        position = match.end()
        if text[position : position + 1] in ",.!?;":
            break
    if words and words[0] in FIRST_NAMES:
        return None  # a person, not a thing
    if not words or len(words) > most or words[-1] in _LINKS:
        return None
    return " ".join(words)


def with_article(text: str, at: int, thing: str) -> str:
    """`thing`, which `phrase` read at `at`, with the article it had there."""
    said = re.match(
        rf"\s*(?P<article>(?:the|an?)\s+)?(?:\w+\s+){{0,2}}?(?P<thing>{re.escape(thing)})",
        text[at:],
        re.IGNORECASE,
    )
    return f"{(said['article'] or '').lower()}{said['thing']}" if said else thing


# -- where ---------------------------------------------------------------------------

_PLACE_WORD = re.compile(r"\s+([^\W\d_][\w'’.-]{1,24})")
_HOME = re.compile(
    r"\b(?P<who>i|we)(?P<how>'m living in|'re living in|\s+(?:actually |currently |now |still )?live(?: now)?(?: over| up| down| out)? in|"
    r"'ve (?:just |recently )?moved (?:back )?to|\s+(?:just |recently |have |have just )?moved (?:back )?to|"
    r"'m (?:now |currently )?based in|'re based in|'m living in|'ve been living in|'m now living in)\b",
    re.IGNORECASE,
)
_NOT_HOME = re.compile(r"\b(?:i|we) (?:don't|do not|no longer) live in\b", re.IGNORECASE)
_STREETS = "street|road|lane|avenue|drive|close|way|place|court|square|gardens|terrace|crescent|boulevard|hill|row|mews|st|rd|ave|blvd|grove|walk"
_ADDRESS = re.compile(
    r"\b(?P<how>(?:my|our) (?:new |home |current |postal |delivery |billing )?address(?:'s| is(?: now)?)|i live at|we live at|i've moved to|i moved to|we moved to|i'm at)\s+"
    rf"(?P<address>(?:flat [\w]{{1,4}},? )?(?P<house>[\w -]{{1,30}}?)\s+(?:[A-Za-z'-]+\s+){{1,3}}(?:{_STREETS})\b\.?(?P<town>(?:,\s*[A-Z][\w'-]+(?: [A-Z][\w'-]+)?){{0,2}}))",
    re.IGNORECASE,
)
_POSTCODE = re.compile(
    r"(?P<lead>[\s,]*(?:(?:and )?(?:post ?code|zip(?: code)?)(?: is)?[\s:]*)?)\b(?P<out>[A-Z]{1,2}\d[A-Z\d]?)\s?(?P<in>\d[A-Z]{2})\b",
    re.IGNORECASE,
)
_ZIP = re.compile(r"\s+(?P<zip>\d{5}(?:-\d{4})?)\b")
_STATE = re.compile(r"\b[A-Z]{2}$")
_OUTWARD = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]?", re.IGNORECASE)


def _whole(text: str, start: int, town: int, end: int) -> tuple[str, int] | None:
    """The postal address at `start` with its postcode, and its end; None when only a part of a postcode is heard.

    What follows the street begins at `town`, and `end` is where the address ends without the postcode.
    """
    code = next((found for found in _POSTCODE.finditer(text, town, end + 40) if found.start() <= end), None)
    if code:
        parting = ", " if "," in code["lead"] else " "
        said = f"{capitals(text[start : code.start()].strip(' .,'))}{parting}{code['out'].upper()} {code['in'].upper()}"
        return said, code.end()
    address = text[start:end].strip(" .,")
    words, last = capitals(address), address.split()[-1]
    if re.search(r"\d|\bpost ?code\b|\bzip\b", text[town:end], re.IGNORECASE):
        if (
            not _OUTWARD.fullmatch(last)
            or re.match(r"\s*\d", text[end:])
            or re.search(r"\d", text[town : text.rindex(last, town, end)])
        ):
            return None
        return words[: -len(last)] + last.upper(), end
    if _STATE.search(text[town:end]) and not address.isupper():
        zipped = _ZIP.match(text, end)
        words = words[: -len(last)] + last
        return (f"{words} {zipped['zip']}", zipped.end()) if zipped else (words, end)
    return words, end


_NO_PLACE = re.compile(
    r"\s+(?:times?|world|conditions|circumstances|house|flat|apartment|building|area|home|hope|way)\b",
    re.IGNORECASE,
)


def place(text: str, at: int) -> str | None:
    """The place named at `at` in title case: one to three words, none of them ordinary."""
    words: list[str] = []
    capital = False
    position = at
    while len(words) < 3 and (match := _PLACE_WORD.match(text, position)):
        word = match[1].rstrip(".")
        if not words:
            capital = word[0].isupper()
        if (
            word.lower() in COMMON and word.lower() not in ("new", "west", "north", "south", "east", "san")
        ) or (words and word[0].isupper() != capital):
            break
        if not capital and len(words) == 2:
            break
        words.append(word)
        position = match.end()
        if text[position : position + 1] in ",.!?;":
            break
    if _NO_PLACE.match(text, position):
        return None
    return capitals(" ".join(words)) if words and words[-1].lower() not in COMMON else None


_COMPANY = re.compile(
    r"\b(?:on behalf of|limited|ltd|inc|llc|gmbh|our (?:company|office|firm|business|shop))\b", re.IGNORECASE
)


_SUPPLIER = re.compile(
    r"\b(?:suppliers?|providers?|tariffs?|energy|broadband|contracts?|bank|insurers?|network|switched|plan)\b",
    re.IGNORECASE,
)


def _residence(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    where = place(heard.clause.text, match.end())
    if match["who"].lower() == "we" and _COMPANY.search(heard.raw):
        return  # a firm that moved
    if "moved" in match[0].lower() and _SUPPLIER.search(heard.around):
        return  # to another supplier
    street = where is not None and re.search(rf" (?:{_STREETS})$", where, re.IGNORECASE)
    if where and not street and not _ADDRESS.search(heard.clause.text):
        moved = "moved" in match[0].lower()
        yield heard.note(
            Category.FACTUAL, f"The caller lives in {where}", 6, "residence", where.lower(),
            changes=moved or heard.changes, span=heard.span(match),
        )  # fmt: skip


def _left(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    where = place(heard.clause.text, match.end())
    if where:
        more = re.search(r"any ?more|no longer", heard.clause.text, re.IGNORECASE)
        again = "no longer lives" if more else "does not live"
        yield heard.note(
            Category.FACTUAL,
            f"The caller {again} in {where}",
            6,
            "residence",
            f"not {where.lower()}",
            changes=bool(more),
        )


def _address(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    house = spoken.squash(match["house"]).strip()
    if not re.match(r"\d{1,5}[a-z]?\b", house):
        return
    text = heard.clause.text
    whole = _whole(text, match.start("address"), match.start("town"), match.end("address"))
    if whole is None:
        return
    said = match["address"]
    first = spoken.numbers(said)
    address = whole[0]
    if first and not said[: first[0].start].strip().lower().startswith("flat"):
        address = first[0].value + address[first[0].end :]
    elif re.fullmatch(r"\d{1,5}[a-z]", house):
        address = re.sub(rf"\b{house}\b", house.upper(), address, count=1, flags=re.IGNORECASE)
    yield heard.note(
        Category.FACTUAL,
        f"The caller's address is {address}",
        6,
        "address",
        address.lower(),
        span=heard.span(match),
    )


_STREET = re.compile(
    rf"(?P<address>(?:flat \w{{1,4}},? )?(?P<house>\d{{1,5}}[a-z]?|[a-z-]{{3,12}}(?: [a-z-]{{3,9}})?) (?:[A-Za-z'-]{{2,20}} ){{1,3}}?(?:{_STREETS})\b(?P<town>(?:,? (?-i:[A-Z])[\w'-]+){{0,2}}))(?P<rest>.{{0,40}})",
    re.IGNORECASE,
)


_NOT_HERE = re.compile(r"\W*(?:no|not|sorry|wait|is where|old|was)\b", re.IGNORECASE)
_ANOTHERS_PLACE = re.compile(
    r"\b(?:not|isn't) (?:my|our) (?:\w+ )?(?:flat|house|home|place|address|property)\b|\bi'm (?:just )?the (?:cleaner|neighbour|neighbor|carer|builder|landlord|tenant|gardener|babysitter)\b"
    r"|\bmy \w+(?:'s|s) (?:flat|house|home|place|address|property)\b|\b(?:he|she|they)(?:'s| is|'re| are| live| lives) at\b",
    re.IGNORECASE,
)


def street(heard: Heard, text: str, at: int, *, within: int = 0) -> Iterator[Fact]:
    """The caller's postal address when it stands at `at` of `text`, which begins at `within` of the turn."""
    match = _STREET.match(text, at)
    if match is None or _NOT_HERE.match(match["rest"]) or _ANOTHERS_PLACE.search(heard.raw[:600]):
        return
    house = spoken.squash(match["house"]).strip()
    if not re.fullmatch(r"\d{1,5}[a-z]?", house):
        return
    whole = _whole(text, match.end("house"), match.start("town"), match.end("address"))
    if whole is None:
        return
    flat = capitals(text[match.start() : match.start("house")])
    address = f"{flat} {house.upper()} {whole[0]}".strip()
    yield heard.note(
        Category.FACTUAL, f"The caller's address is {address}", 6, "address", address.lower(),
        confidence=0.75, span=(within + match.start(), within + whole[1]),
        changes=re.search(r"\bnew\b|\bmoved\b", heard.agent + heard.raw[:200], re.IGNORECASE) is not None,
    )  # fmt: skip


# -- body, table, work ------------------------------------------------------------------

_ALLERGIC = re.compile(
    r"\b(?P<who>i'm|i am|im|my (?P<kin>daughter|son|wife|husband|partner|mother|father|mum|mom|dad|dog|cat|child|baby)(?:'s| is))\s+"
    r"(?P<not>not )?(?:(?:really|very|quite|severely|highly|deathly|also|mildly|badly|extremely) )*allergic to\b",
    re.IGNORECASE,
)
_ALLERGY = re.compile(
    r"\bi(?:'ve| have)(?: also)?(?: got)? an? (?:(?:bad|severe|serious|mild|strong) )?(?P<thing>[a-z]{2,20}(?: [a-z]{2,20})?) allergy\b",
    re.IGNORECASE,
)
_NO_ALLERGIES = re.compile(
    r"\bi (?:don't have|have no|haven't got) (?:any )?(?:known )?(?:food )?allergies\b|\bno allergies\b",
    re.IGNORECASE,
)
_DIETS = r"vegetarian|vegan|pescatarian|coeliac|celiac|lactose[ -]intolerant|gluten[ -]intolerant|gluten[ -]free|diabetic|kosher|halal"
_DIET = re.compile(
    rf"\b(?:i'm|i am|im)(?P<not> not| no longer)? (?:a |now a |now |also |actually |actually a |strictly )?(?P<diet>{_DIETS})\b(?![ -](?:curious|friendly|food|options?|menu|meals?))",
    re.IGNORECASE,
)
_NO_EAT = re.compile(
    r"\bi (?:don't|do not|can't|cannot|never|no longer) (?P<verb>eat|drink) (?P<thing>meat|pork|beef|fish|dairy|gluten|eggs|nuts|alcohol|coffee|sugar|shellfish|wheat|milk|seafood)\b",
    re.IGNORECASE,
)
_SENSES = re.compile(
    r"\b(?:i'm|i am|im) (?:a bit |quite |very |rather |partially |profoundly |severely |slightly |totally |almost |nearly )*(?P<what>hard of hearing|deaf(?: in (?:one|my (?:left|right)) ear)?|visually impaired|blind|partially sighted|dyslexic|in a wheelchair|a wheelchair user)\b(?! (?:as|to|with))"
    r"|\bi (?P<use>use a wheelchair|wear a hearing aid|wear hearing aids|have a hearing aid|have hearing aids|have a stutter|have a guide dog)\b",
    re.IGNORECASE,
)
_JOB = re.compile(
    rf"\b(?:i'm|i am|im) (?:(?P<retired>retired)\b(?!\s+\w+ (?:police|officer))|(?:an?|also a) (?:(?:retired|freelance|part-time|full-time) )?(?P<job>{OCCUPATIONS})\b(?! (?:from|for|at|here|with)))|\bi work as an? (?P<as>{OCCUPATIONS})\b",
    re.IGNORECASE,
)
_EMPLOYER = re.compile(r"\bi work (?:for|at) (?=(?-i:[A-Z]))", re.IGNORECASE)
_AUTHORITY = re.compile(
    r"\b(?:bank|police|government|security|support|office|court|tax|customs|council|elevenlabs|your|headquarters|hq|army|fbi|cia|interpol)\b",
    re.IGNORECASE,
)
_SINCE = re.compile(
    r"\b(?:i've|i have|we've|we have) been (?:a |an )?(?:(?:loyal|good|happy|paying|regular|long-time) )*(?P<what>customer|member|client|patient|subscriber|guest|with you(?: guys)?)(?: (?:of yours|here|with you(?: guys)?|at [a-z ]{3,20}?))?"
    r" (?:since (?P<year>(?:19|20)\d\d)|for (?:about |over |almost |nearly |more than |around |like )?(?P<count>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty) years)",
    re.IGNORECASE,
)
_LANGUAGES = "english|spanish|french|german|italian|portuguese|polish|dutch|turkish|arabic|hindi|mandarin|russian|welsh|greek|romanian|ukrainian|japanese|korean|urdu|punjabi"
_LANGUAGE = re.compile(
    rf"\b(?:i (?:only|mostly) speak|i(?:'d)? prefer (?:to speak )?(?:in )?|my (?:first|native) language is|my mother tongue is|i'd rather speak(?: in)?) ?(?P<which>{_LANGUAGES})\b",
    re.IGNORECASE,
)
_BORN = re.compile(
    r"\b(?:i was born on|my date of birth(?:'s| is)|my birthday(?:'s| is)(?: on)?|my d\.?o\.?b\.? is|date of birth(?: is)?:?)\s",
    re.IGNORECASE,
)


def _things(text: str, at: int) -> Iterator[str]:
    """The things listed at `at`: "peanuts and shellfish"."""
    rest = re.match(r"\s+((?:[a-z'-]+(?:,? (?:and|or) |, | )?){1,8})", text[at:], re.IGNORECASE)
    if rest is None:
        return
    for part in re.split(r",? (?:and|or) (?:also )?|, ", rest[1]):
        thing = phrase(part, 0, most=3)
        if (
            thing is None
            or thing.split()[0] in COMMON - {"animal"}
            or thing.split()[0] in ("anything", "nothing")
        ):
            return
        words = thing.split()
        if words[0].endswith("ly") and words[0] not in ("jelly", "lily"):
            return  # "to nuts, severely"
        for index, word in enumerate(words):
            if word in COMMON:
                words = words[:index]
                break
        yield " ".join(words)
        if len(words) < len(thing.split()):
            return


def _allergic(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    kin = (match["kin"] or "").lower()
    for thing in _things(heard.clause.text, match.end()):
        if thing in (
            "work",
            "mondays",
            "bullshit",
            "nonsense",
            "stupidity",
            "idiots",
            "bad service",
            "waiting",
        ):
            return
        who, slot = (
            (f"The caller's {kin}", f"allergy:{kin}:{thing}") if kin else ("The caller", f"allergy:{thing}")
        )
        verb = "is not" if match["not"] else "is"
        yield heard.note(
            Category.FACTUAL,
            f"{who} {verb} allergic to {thing}",
            9,
            slot,
            "no" if match["not"] else "yes",
            span=heard.span(match),
        )


def _allergy(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    thing = match["thing"].lower()
    if not set(thing.split()) & COMMON - {"food"}:
        yield heard.note(
            Category.FACTUAL,
            f"The caller has {_a(thing)} allergy",
            9,
            f"allergy:{thing}",
            "yes",
            span=heard.span(match),
        )


def _no_allergies(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    if match[0].lower().startswith("i ") or "allerg" in heard.agent.lower():
        yield heard.note(
            Category.FACTUAL,
            "The caller has no known allergies",
            9,
            "allergy:any",
            "no",
            span=heard.span(match),
        )


def _diet(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    diet = match["diet"].lower().replace("-", " ")
    importance = (
        9 if diet in ("coeliac", "celiac", "lactose intolerant", "gluten intolerant", "diabetic") else 6
    )
    slot = "diabetic" if diet == "diabetic" else "diet"
    if match["not"]:
        more = "longer" in match["not"].lower() or re.search(r"any ?more", heard.clause.text, re.IGNORECASE)
        yield heard.note(
            Category.FACTUAL,
            f"The caller is {'no longer' if more else 'not'} {diet}",
            importance,
            slot,
            f"not {diet}",
            changes=bool(more),
        )
    else:
        yield heard.note(
            Category.FACTUAL, f"The caller is {diet}", importance, slot, diet, span=heard.span(match)
        )


def _no_eat(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    thing, verb, said = match["thing"].lower(), match["verb"].lower(), match[0].lower()
    more = "no longer" in said or re.match(r"\s+any ?more", heard.clause.text[match.end() :], re.IGNORECASE)
    if re.match(
        r"\s+(?:that|which|like|unless|if|from|on|after|before|in|at|today|tonight)\b",
        heard.clause.text[match.end() :],
        re.IGNORECASE,
    ):
        return
    how = "no longer" if more else "cannot" if "can" in said.split()[1] else "does not"
    word = f"{verb}s" if more else verb
    yield heard.note(
        Category.FACTUAL,
        f"The caller {how} {word} {thing}",
        6,
        "diet" if verb == "eat" else f"drinks:{thing}",
        f"no {thing}" if verb == "eat" else "no",
        changes=bool(more),
    )


def _senses(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    what, use = (match["what"] or "").lower(), (match["use"] or "").lower()
    if what:
        what = what.replace("my ", "their ")
        yield heard.note(
            Category.FACTUAL,
            f"The caller is {what}",
            8,
            f"accessibility:{what}",
            "yes",
            span=heard.span(match),
        )
    else:
        verb, rest = use.split(" ", 1)
        verb = "has" if verb == "have" else f"{verb}s"
        yield heard.note(
            Category.FACTUAL,
            f"The caller {verb} {rest}",
            8,
            f"accessibility:{rest.removeprefix('a ')}",
            "yes",
            span=heard.span(match),
        )


def _job(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    job = (match["job"] or match["as"] or "").lower()
    content = f"The caller works as {_a(job)}" if job else "The caller is retired"
    if job in ("student", "pensioner"):
        content = f"The caller is {_a(job)}"
    yield heard.note(Category.FACTUAL, content, 5, "occupation", job or "retired", span=heard.span(match))


def _employer(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    name = re.match(r"(?:(?:the )?[A-Z][\w&'-]*)(?: [A-Z][\w&'-]*){0,3}", heard.clause.text[match.end() :])
    if name and not _AUTHORITY.search(name[0]) and name[0].lower() not in COMMON:
        yield heard.note(
            Category.FACTUAL,
            f"The caller works for {name[0]}",
            5,
            "employer",
            name[0].lower(),
            span=heard.span(match),
        )


def _customer(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    what = match["what"].lower()
    what = "customer" if what.startswith("with") else what
    if match["year"]:
        yield heard.note(
            Category.RELATIONAL,
            f"The caller has been a {what} since {match['year']}",
            6,
            "customer_since",
            match["year"],
            changes=False,
        )
        return
    if heard.now is None:
        return
    count = int(spoken.squash(match["count"]).strip())
    year = heard.now.year - count
    yield heard.note(
        Category.RELATIONAL,
        f"The caller has been a {what} since about {year}",
        6,
        "customer_since",
        str(year),
        changes=False,
        confidence=0.75,
    )


def _language(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    which = match["which"].capitalize()
    verb = "speaks only" if "only" in match[0].lower() else "prefers to speak"
    if "language is" in match[0].lower() or "tongue" in match[0].lower():
        yield heard.note(
            Category.PREFERENCE,
            f"The caller's first language is {which}",
            6,
            "language",
            which.lower(),
            span=heard.span(match),
        )
    else:
        yield heard.note(
            Category.PREFERENCE,
            f"The caller {verb} {which}",
            6,
            "language",
            which.lower(),
            span=heard.span(match),
        )


def _born(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    if heard.now is None:
        return
    text = heard.clause.text
    found = [day for day in dates.resolve(text[match.end() :], heard.now) if day.start <= 4]
    if found:
        yield from birth(heard, found[0], text[match.end() :], heard.span(match), 0.9)


def birth(
    heard: Heard, day: dates.Found, text: str, span: tuple[int, int], confidence: float
) -> Iterator[Fact]:
    """The caller's date of birth when the year was said, else their birthday."""
    said = text[day.start : day.end]
    assert heard.now is not None  # noqa: S101 - dates are only resolved against a clock
    if heard.now.date().year - day.date.year >= 5 or re.search(r"(?:19|20)\d\d", said):
        if day.date < heard.now.date():
            yield heard.note(
                Category.FACTUAL, f"The caller was born on {dates.spoken(day.date)}", 7, "birth_date", day.date.isoformat(),
                confidence=confidence, changes=False, span=span,
            )  # fmt: skip
    elif re.search(r"[a-z]{3}", said.lower()) and not re.search(
        r"day|morrow|next|last|week|in ", said.lower()
    ):
        yield heard.note(
            Category.FACTUAL, f"The caller's birthday is on {dates.spoken(day.date, year=False)}", 6, "birthday",
            f"{day.date:%m-%d}", confidence=confidence, changes=False, span=span,
        )  # fmt: skip


# -- tastes ------------------------------------------------------------------------------

_LIKES = re.compile(
    r"(?<!\boh )\b(?:i|we)\s+(?:(?:really|absolutely|always|do|also|particularly|generally|still|quite|rather|actually|both|honestly) )*"
    r"(?P<verb>love|like|enjoy|adore|hate|dislike|detest|can't stand|cannot stand|don't like|do not like|don't really like|don't enjoy|"
    r"no longer like|can't bear)\s+(?P<so>really )?",
    re.IGNORECASE,
)
_SARCASM = re.compile(
    r"\b(?:oh (?:great|sure|yes|yeah|i|how|wonderful|fantastic|brilliant|yay)|yeah right|as if|just love|so much fun|of course i|great job|sure i)\b",
    re.IGNORECASE,
)
_PREFER = re.compile(
    r"\b(?:i|we)(?:'d)? (?:(?:always|usually|generally|much|really|definitely|still|would) )*prefer (?P<what>(?!to\b)[a-z' -]{2,50}?) (?:to|over|rather than|instead of) (?P<other>[a-z' -]{2,30})(?=$|[,.!?;]|\s+(?:because|but|and|so|if|please)\b)",
    re.IGNORECASE,
)
_PREFER_ONE = re.compile(
    r"\bi (?:(?:always|usually|generally|really|still) )*prefer (?!to\b)(?P<rest>)", re.IGNORECASE
)
_FAVOURITE = re.compile(
    r"\bmy (?:absolute |all-time )?favou?rite (?P<kind>[a-z]{3,20}(?: [a-z]{3,20})?)(?:'s| is| has always been)\s",
    re.IGNORECASE,
)
_CHANNELS = {
    "e-mail": "email", "email": "email", "emails": "email", "phone": "phone", "telephone": "phone", "a call": "phone", "call": "phone", "phone call": "phone",
    "a phone call": "phone", "text": "sms", "texts": "sms", "text message": "sms", "a text": "sms", "sms": "sms", "post": "post", "letter": "post", "mail": "post",
    "whatsapp": "whatsapp", "what's app": "whatsapp", "phone calls": "phone", "calls": "phone", "text messages": "sms", "a text message": "sms", "an email": "email",
}  # fmt: skip
_CHANNEL = "|".join(sorted(map(re.escape, _CHANNELS), key=len, reverse=True))
_CHANNEL_NAMES = {
    "email": "e-mail",
    "phone": "phone",
    "sms": "text message",
    "post": "post",
    "whatsapp": "WhatsApp",
}
_CONTACT = (
    re.compile(rf"\b(?:i|we)(?:'d| would)? (?:(?:really|much|always|definitely|actually) )?(?:prefer|rather|like)(?: to be| being)? (?:contacted|reached|notified|updated|informed) (?:by|via|through|on|over) (?P<channel>{_CHANNEL})\b", re.IGNORECASE),
    re.compile(rf"\b(?:please |just |only |always |could you |can you |rather )*(?:contact|reach|notify|update|get in touch with|get hold of) (?:me|us) (?:only |instead )?(?:by|via|through|on|over) (?P<channel>{_CHANNEL})\b", re.IGNORECASE),
    re.compile(rf"\b(?:i|we)(?:'d)? (?:(?:really|much|always|definitely|usually|actually|also) )*prefer (?:to (?:communicate|be contacted) (?:by|via|over) )?(?:an? |the )?(?P<channel>{_CHANNEL})(?=$|[,.!;]|\s+(?:to|over|please|instead|rather|because|if|thanks|and|for|communication|contact|now|these days)\b)", re.IGNORECASE),
    re.compile(rf"\b(?P<channel>{_CHANNEL}) (?:is|would be|works) (?:best|better|easiest|easier|preferred|my preference)\b(?: for me)?", re.IGNORECASE),
    re.compile(rf"\b(?:the )?best (?:way|thing) (?:to (?:reach|contact|get) me|(?:is|would be) to (?:reach|contact) me) (?:is |would be )?(?:by |via |through |on )?(?P<channel>{_CHANNEL})\b", re.IGNORECASE),
    re.compile(r"\b(?:please|just|always|only|rather) (?P<verb>e-?mail|text|whatsapp) me\b(?:.{0,24}\b(?:instead|from now on|in future|always|only|rather than|don't call|not call)\b)?", re.IGNORECASE),
    re.compile(r"\b(?P<verb>e-?mail|text|whatsapp|call|phone|ring) me (?:instead|from now on|in (?:the )?future)\b", re.IGNORECASE),
    re.compile(r"\b(?P<verb>e-?mail|text|whatsapp|call|phone|ring) me(?: please)?,? (?:and )?(?:not|rather than|instead of) (?:an? )?(?:e-?mail|text|whatsapp|call|phone|ring)\w*\b", re.IGNORECASE),
    re.compile(r"(?<!\w)(?:please )?(?P<verb>e-?mail|text|whatsapp|call|phone|ring) me(?: please)?\W*$(?P<otherwise>)", re.IGNORECASE),
)  # fmt: skip
_NOT_OTHERWISE = re.compile(
    r"\W*(?:please )?(?:don't|do not|not|never) (?:e-?mail|text|whatsapp|call|phone|ring)\b", re.IGNORECASE
)
_NO_CONTACT = re.compile(
    r"\b(?:please )?(?:don't|do not|never|stop) (?P<verb>call|calling|phone|phoning|ring|ringing|e-?mail|e-?mailing|text|texting|whatsapp) me\b(?P<again> (?:again|any ?more|please|ever again|at all))?|"
    rf"\b(?:i|we) (?:don't|do not) (?:want|like|wish) (?:to (?:be|get|receive) )?(?:any |your |more |marketing |these |contacted by |called by )*(?P<channel>{_CHANNEL})\b|"
    rf"\bno more (?P<more>calls|phone calls|emails|texts|text messages)\b",
    re.IGNORECASE,
)
_VERBS = {
    "call": "phone",
    "phon": "phone",
    "ring": "phone",
    "e-ma": "email",
    "emai": "email",
    "text": "sms",
    "what": "whatsapp",
}
_TIME_TO_CALL = re.compile(
    r"\b(?:(?:please |only |just )*(?:call|reach|phone|ring|contact) me (?:back )?(?:only |any ?time )?|(?:the )?best time (?:to (?:call|reach|contact|get) me|for me)(?: is|'s| would be)? |i'm (?:only )?(?:available|free|reachable) (?:only )?(?:to talk )?|"
    r"i(?:'d)? prefer (?:to be called|being called|calls|a call) |mornings? )(?P<when>(?:only )?(?:in the )?(?:mornings?|afternoons?|evenings?)\b|(?:only )?(?:after|before) (?:\d{1,2}(?::\d\d)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon)(?:\s?[ap]\.?m\b\.?| o'clock| in the (?:morning|evening|afternoon))?|on weekdays|at weekends|on weekends|at the weekend)"
    r"(?P<tail>.{0,30})",
    re.IGNORECASE,
)
_LASTING = re.compile(r"\b(?:only|always|best|available|free|reachable|any ?time|prefer)\b", re.IGNORECASE)
_ONE_OFF = re.compile(
    r"\b(?:tomorrow|today|tonight|monday|tuesday|wednesday|thursday|friday|saturday|sunday|next|this)\b",
    re.IGNORECASE,
)
_KIND_WORDS = (
    (re.compile(r"\b(?:tea|coffee|water|juice|wine|beer|milk|cola|lemonade|espresso|cappuccino)\b"), "drink"),
    (re.compile(r"\bseats?\b|^(?:aisle|window)$"), "seat"),
    (re.compile(r"\brooms?\b"), "room"),
    (re.compile(r"\b(?:mornings?|afternoons?|evenings?|weekdays|weekends)\b"), "time"),
)


def _likes(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    text, verb = heard.clause.text, match["verb"].lower()
    if _SARCASM.search(heard.clause.before[-40:] + text[: match.end()]) or re.search(
        r"\bused to $|\bwould $", text[: match.start()], re.IGNORECASE
    ):
        return
    thing = phrase(text, match.end())
    if thing is None or (thing.split()[0] in _CHANNELS and len(thing.split()) == 1 and verb == "like"):
        return
    more = re.search(r"\bany ?more\b|\bno longer\b", text[match.start() :], re.IGNORECASE)
    negative = verb not in ("love", "like", "enjoy", "adore")
    how = (
        "no longer likes"
        if negative and more
        else {"love": "loves", "adore": "loves", "enjoy": "enjoys", "like": "likes"}.get(verb, "dislikes")
    )
    spoken_thing = with_article(text, match.end(), thing)
    yield heard.note(
        Category.PREFERENCE, f"The caller {how} {spoken_thing}", 5, f"likes:{thing}", "no" if negative else "yes",
        changes=bool(more), span=heard.span(match),
    )  # fmt: skip


def _kind(thing: str) -> str:
    return next((kind for pattern, kind in _KIND_WORDS if pattern.search(thing)), "")


def _prefer(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    what, other = phrase(match["what"], 0), phrase(match["other"], 0)
    if not what or not other or _CHANNELS.get(what):
        return
    slot, value = (f"prefers:{_kind(what)}", what) if _kind(what) else (f"likes:{what}", "yes")
    yield heard.note(
        Category.PREFERENCE,
        f"The caller prefers {with_article(match['what'], 0, what)} to {with_article(match['other'], 0, other)}",
        5,
        slot,
        value,
        span=heard.span(match),
    )


def _prefer_one(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    if _PREFER.search(heard.clause.text):
        return
    what = phrase(heard.clause.text, match.end())
    if (
        what
        and what not in _CHANNELS
        and what.split()[0] not in _CHANNELS
        and not re.search(rf"^(?:{_LANGUAGES})$|day$|\d", what)
    ):
        slot, value = (f"prefers:{_kind(what)}", what) if _kind(what) else (f"likes:{what}", "yes")
        yield heard.note(
            Category.PREFERENCE,
            f"The caller prefers {with_article(heard.clause.text, match.end(), what)}",
            5,
            slot,
            value,
            span=heard.span(match),
        )


def _favourite(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    what = phrase(heard.clause.text, match.end())
    if what:
        kind = match["kind"].lower()
        yield heard.note(
            Category.PREFERENCE,
            f"The caller's favourite {kind} is {with_article(heard.clause.text, match.end(), what)}",
            5,
            f"prefers:{kind}",
            what,
            span=heard.span(match),
        )


def _contact(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    groups = match.groupdict()
    verb = (groups.get("verb") or "").lower()
    channel = _VERBS[verb[:4]] if verb else _CHANNELS[groups["channel"].lower()]
    before = heard.clause.text[: match.start()].lower()
    if groups.get("otherwise") is not None and not _NOT_OTHERWISE.match(heard.raw[heard.clause.end :][:40]):
        return
    if re.search(r"(?:don't|not|never|can't|cannot|couldn't|no)\s*$", before) or re.match(
        r"\s+(?:back|when|once|the|a|your|that|when|later|today|tomorrow|about|what|my|some)\b",
        heard.clause.text[match.end() :],
    ):
        return
    if (
        verb
        and not re.search(
            r"instead|from now on|future|always|only|rather|not|don't call", match[0], re.IGNORECASE
        )
        and re.match(r"\s+\w", heard.clause.text[match.end() :])
    ):
        return
    yield heard.note(
        Category.PREFERENCE, f"The caller prefers to be contacted by {_CHANNEL_NAMES[channel]}", 8, "contact", channel,
        confidence=0.9 if not verb else 0.75, span=heard.span(match),
    )  # fmt: skip


def _no_contact(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    verb = (match["verb"] or "").lower()
    channel = _VERBS[verb[:4]] if verb else _CHANNELS[(match["channel"] or match["more"]).lower()]
    rest = heard.clause.text[match.end() :]
    if (
        verb
        and not match["again"]
        and re.match(r"\s+\w", rest)
        and not re.match(r"\s+(?:i|just|and|but|it|my|please|on (?:this|my)|in the)\b", rest)
    ):
        return  # "don't call me stupid", "don't call me Rob"
    if re.match(r"\s+(?:in the|on|before|after|today|tomorrow|until)\b", rest):
        return  # not never, only not then
    yield heard.note(
        Category.PREFERENCE,
        f"The caller does not want to be contacted by {_CHANNEL_NAMES[channel]}",
        8,
        f"no_contact:{channel}",
        "yes",
        span=heard.span(match),
    )


def _contact_time(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    when = " ".join(match["when"].lower().replace("only ", "").split())
    if not _LASTING.search(match[0]):
        return
    if _ONE_OFF.search(match["tail"]) or _ONE_OFF.search(match[0]):
        return
    when = (
        when.replace("mornings", "morning").replace("afternoons", "afternoon").replace("evenings", "evening")
    )
    if re.fullmatch(r"morning|afternoon|evening", when):
        when = f"in the {when}"
    clock = re.match(r"(after|before) (.+)", when)
    value = when.removeprefix("in the ")
    if clock:
        digits = spoken.squash(clock[2].replace("noon", "12")).split()
        if digits and digits[0].isdigit():
            hour, minute = int(digits[0]), int(digits[1]) if len(digits) > 1 and digits[1].isdigit() else 0
            afternoon = re.search(r"p\.?m|evening|afternoon", clock[2]) or (
                hour < 7 and not re.search(r"a\.?m|morning", clock[2])
            )
            hour += 12 if afternoon and hour < 12 else 0
            if hour > 23:
                return
            value = f"{clock[1]} {hour:02}:{minute:02}"
    yield heard.note(
        Category.PREFERENCE,
        f"The caller can best be reached {when}",
        6,
        "contact_time",
        value,
        confidence=0.75,
        span=heard.span(match),
    )


# -- feelings ----------------------------------------------------------------------------

_FEELINGS = "frustrated|angry|upset|disappointed|annoyed|furious|livid|pleased|delighted|grateful|worried|anxious|stressed|relieved|impressed|unhappy|fed up|concerned|thrilled|satisfied"
_MOOD = re.compile(
    rf"\b(?:i'm|i am|im|we're|i've been|i feel|i was|i'm feeling|i'm getting|i'm starting to get)\s+(?P<not>not )?(?P<how>(?:(?:really|very|so|extremely|quite|pretty|just|absolutely|honestly|a bit|a little|getting|rather|incredibly|deeply|too|also|genuinely|seriously|truly) )*)(?P<mood>{_FEELINGS}|happy)\b(?P<rest>.{{0,24}})",
    re.IGNORECASE,
)
_GLAD = frozenset("happy pleased delighted grateful impressed thrilled satisfied".split())
_SOUR = re.compile(
    r"\b(?:down|broken|late|wrong|waiting|on hold|yet again|third time|worst|useless|terrible|awful|rubbish|joke|ridiculous|"
    r"great service|oh great|yeah right|another|still)\b",
    re.IGNORECASE,
)
_OUTRAGE = re.compile(
    r"\b(?:this|that|it)(?:'s| is)(?: just| really| absolutely| completely| simply| totally)* (?P<word>unacceptable|ridiculous|outrageous|disgraceful|a disgrace|a nightmare|infuriating)\b",
    re.IGNORECASE,
)
_PRAISE = re.compile(
    r"\byou(?:'ve| have) been (?:so |very |really |incredibly |extremely |such a |a great |a big )+(?:helpful|kind|help|patient)\b",
    re.IGNORECASE,
)


def _mood(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    mood, rest, said = match["mood"].lower(), match["rest"].lower().strip(), match[0].lower()
    strong = bool(match["how"])
    if said.startswith("i was") and not heard.clause.text.lower().strip().startswith("i was"):
        return
    if said.startswith("i was"):
        return  # how they felt another time
    if mood == "happy":
        if match["not"]:
            mood = "unhappy"
            if rest.startswith(("to ", "until", "unless")):
                return
        elif (
            not strong
            or rest.startswith(("to ", "for you", "for that", "if", "either"))
            or "just" in match["how"].lower()
        ):
            return
    elif match["not"]:
        if mood not in ("satisfied", "pleased", "impressed", "thrilled", "delighted"):
            return
        mood = f"not {mood}"
    elif mood in _GLAD and (_SOUR.search(heard.raw) or not strong):
        return  # as likely sarcasm
    elif mood in ("concerned", "satisfied") and (
        rest.startswith("that") or heard.clause.text[: match.start()].lower().rstrip().endswith("as far as")
    ):
        return
    yield heard.note(
        Category.EMOTIONAL, f"The caller was {mood}", 4, "mood", mood, changes=False, span=heard.span(match)
    )


def _outrage(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    yield heard.note(
        Category.EMOTIONAL,
        "The caller was upset",
        4,
        "mood",
        "upset",
        confidence=0.6,
        changes=False,
        span=heard.span(match),
    )


def _praise(heard: Heard, match: re.Match[str]) -> Iterator[Fact]:
    yield heard.note(
        Category.EMOTIONAL,
        "The caller was pleased with the help",
        4,
        "mood",
        "pleased",
        changes=False,
        span=heard.span(match),
    )


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


_READERS: tuple[tuple[re.Pattern[str], Reader], ...] = (
    (_HOME, _residence),
    (_NOT_HOME, _left),
    (_ADDRESS, _address),
    (_BORN, _born),
    (_ALLERGIC, _allergic),
    (_ALLERGY, _allergy),
    (_NO_ALLERGIES, _no_allergies),
    (_DIET, _diet),
    (_NO_EAT, _no_eat),
    (_SENSES, _senses),
    (_JOB, _job),
    (_EMPLOYER, _employer),
    (_SINCE, _customer),
    (_LANGUAGE, _language),
    *((pattern, _contact) for pattern in _CONTACT),
    (_NO_CONTACT, _no_contact),
    (_TIME_TO_CALL, _contact_time),
    (_LIKES, _likes),
    (_PREFER, _prefer),
    (_PREFER_ONE, _prefer_one),
    (_FAVOURITE, _favourite),
    (_MOOD, _mood),
    (_OUTRAGE, _outrage),
    (_PRAISE, _praise),
)


def person(heard: Heard) -> Iterator[Fact]:
    """What a clause says about the caller themselves."""
    for pattern, reader in _READERS:
        for match in heard.matches(pattern):
            yield from reader(heard, match)
