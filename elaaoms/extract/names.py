"""Hear who is calling and who belongs to them: names stated, asked for and spelled, and relations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from elaaoms.extract import spoken
from elaaoms.extract.heard import Heard, capitals
from elaaoms.extract.words import COMMON, FIRST_NAMES, NOT_NAMES, RELATIONS, vocabulary
from elaaoms.memory import Category, Fact

_WORD = re.compile(r"\s*([^\W\d_](?:[^\W\d_]|['’-](?=[^\W\d_])){0,19})(?![\w])")
_TITLE = re.compile(r"\s*(?:mr|mrs|ms|miss|dr|doctor|prof|professor)\b\.?", re.IGNORECASE)
_PARTICLES = vocabulary("de van von der den la le da di al el bin o")
_NAME_IS = re.compile(
    r"\b(?:my (?:full |own |first |real |married |maiden )?name(?:'s| is(?: actually| now)?|:)|(?:my|the) name's|the name is|you can call me|please call me|"
    r"everyone calls me|i go by|people call me)\s+",
    re.IGNORECASE,
)
_SURNAME_IS = re.compile(r"\bmy (?:last name|surname|family name)(?:'s| is(?: now)?)\s+", re.IGNORECASE)
_THIS_IS = re.compile(r"\b(?P<how>this is|it's|its|it is|i'm|i am|im)\s+", re.IGNORECASE)
_CALLING = re.compile(r"\s*,?\s*(?:calling|here|speaking|from|again)\b", re.IGNORECASE)
_SPEAKING = re.compile(r"\s*(?:speaking|here)\b(?!\s+(?:about|for|with|to))", re.IGNORECASE)
_LEADIN = re.compile(
    r"^\W*(?:(?:hi|hello|hey|yes|yeah|yep|sure|of course|okay|ok|well|oh|so|no|sorry|good (?:morning|afternoon|evening)|"
    r"certainly|it's|its|it is|it's under|under|(?:in the )?name of|that's|that is|that would be|that'd be|i'm|i am|this is|the name's|mine is|my name is|my name's|name is)\b[\s,.!]*)*",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"^[\s,.!]*(?:please|thank you|thanks|speaking|here|again)?[\s,.!]*(?:that's|spelled|spelt|with|my|i|and|order|account|$)"
    r"|^\s*,\s*(?:born\b|date of birth|(?:the )?\d|(?:the )?(?:\w+(?:th|st|nd|rd|first|second|third)) (?:of )?\w+|(?-i:[A-Z]{1,2}\d))",
    re.IGNORECASE,
)
_INSTEAD = re.compile(
    r"[\s,.\-–—]*(?:no|sorry|wait|actually|i mean|correction)\b[\s,.]*(?:(?:no|sorry|wait|it's|it is|actually|i mean)\b[\s,.]*)*",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"^\W*(?:(?:oh|yeah|yes|um)\W+)*(?:hi|hiya|hello|hey|good (?:morning|afternoon|evening)|morning|evening|afternoon)\W*$",
    re.IGNORECASE,
)
_AS_KIN = re.compile(
    rf"(?P<i>\b(?:i'm|i am|it's|its)\s+)?\b(?:his|her|their)\s+(?:{'|'.join(sorted(RELATIONS, key=len, reverse=True))}),\s+(?=(?-i:[A-Z]))",
    re.IGNORECASE,
)
_SURNAME_ASKED = re.compile(r"\b(?:sur|last |family )name\b(?! and)", re.IGNORECASE)
_ENDED = re.compile(
    r"\b(?:died|dies|passed (?:away|on)|has passed|put (?:him|her|them|it) (?:down|to sleep)|put to sleep|is dead|"
    r"(?:we|i) lost (?:him|her|them)|in memory of|was my|used to be my|(?:is|are) no longer)\b",
    re.IGNORECASE,
)
_MARRIED = re.compile(r"\b(?:ex|late|former|dead)\b", re.IGNORECASE)

_KINDS = "|".join(sorted(RELATIONS, key=len, reverse=True))
_RELATIVE = re.compile(
    rf"\b(?:my|our)\s+(?P<adjective>(?:(?:little|older|younger|elder|eldest|youngest|oldest|best|new|other|twin|eldest|elderly)\s+){{0,2}})"
    rf"(?P<kind>{_KINDS})(?P<how>'s name(?: is|'s)|s name is| is called| is named|,? (?:who's |who is )?(?:called|named)|,? (?:whose )?name is|,|)\s+",
    re.IGNORECASE,
)
_HAVE = re.compile(
    rf"\b(?:i|we)(?:'ve got| have got| have| got|'ve)\s+(?P<count>a|an|two|three|four|five|six)\s+"
    rf"(?P<adjective>(?:(?:little|young|new|beautiful|lovely|small|big|old|older|younger|\w+[- ]year[- ]old|\w+[- ]month[- ]old)\s+){{0,2}})"
    rf"(?P<kind>{_KINDS}|kids|children|sons|daughters|dogs|cats|boys|girls|grandchildren|sisters|brothers)\b(?P<how>\s*,?\s*(?:called|named|whose name is|,)\s+)?",
    re.IGNORECASE,
)
_UNBORN = re.compile(
    r"\s+(?:on the way|coming|due|on its way|arriving|in the (?:making|post))\b", re.IGNORECASE
)
_FOR = re.compile(
    rf"\b(?:i'm|i am|im|we're)?\s*(?:calling|ringing|phoning|booking|asking)\s+(?:this\s+)?(?:for|on behalf of)\s+my\s+(?P<kind>{_KINDS})\b",
    re.IGNORECASE,
)
_MARRIED_TO = re.compile(
    r"\bi'm (?P<state>married|divorced|a widower|a widow|widowed)\b(?! to (?:the|my (?:job|work)))",
    re.IGNORECASE,
)
_NO_MORE = re.compile(
    rf"\b(?:i|we) (?:don't|do not|no longer) have (?:a |the |my |our )?(?P<kind>{_KINDS})(?P<anymore> any ?more)?\b",
    re.IGNORECASE,
)


def read_name(text: str, at: int, *, most: int = 3) -> tuple[str, int] | None:
    """The person's name at `at` in title case and where it ends; one to three words, none of them ordinary."""
    title = _TITLE.match(text, at)
    position, words = title.end() if title else at, list[str]()
    capital = False
    while len(words) < most:
        match = _WORD.match(text, position)
        if match is None or (words and "\n" in match[0]):
            break
        word = match[1].replace("’", "'")
        lower = word.lower()
        if words and lower == words[-1].lower():
            position = match.end()  # "elsie elsie marchbank" is a stutter
            continue
        if lower.endswith("'s") or text[match.end() : match.end() + 1] in ("'", "’", "-", "@"):
            return None
        if len(word) == 1 or (
            word.isupper() and len(word) > 3 and not words and lower not in FIRST_NAMES and word == "I"
        ):
            break
        if words and lower in _PARTICLES:
            following = _WORD.match(text, match.end())
            if following is None or not following[1][0].isupper():
                break
        elif not words:
            capital = word[0].isupper()
            if lower in NOT_NAMES or (lower in COMMON and not (capital and lower in _BOTH)):
                return None
        elif (
            word[0].isupper() != capital
            or lower in NOT_NAMES
            or (lower in COMMON and _ordinary(lower, capital))
        ):
            break
        if re.search(r"(?:^|-)\w(?:-|$)", word) or spoken.numbers(word):
            return None  # spelled or counted, not named
        if not words and any(character not in "'-" and not character.isalpha() for character in word):
            return None
        words.append(word)
        position = match.end()
    if not words or (title is None and len(words) == 1 and len(words[0]) < 2):
        return None
    return capitals(" ".join(words)), position


# Ordinary words that are names when they carry a capital.
_BOTH = vocabulary(
    """mark will may grace rose hope faith joy bill frank young long small baker cook day king may guy"""
)


def _ordinary(word: str, capital: bool) -> bool:
    """Whether a common word after a name is none of it; with a capital, it may be a surname such as Price."""
    return (
        not capital
        or len(word) <= 3
        or "'" in word
        or word in ("from", "with", "calling", "this", "that", "have")
    )


def is_first_name(name: str) -> bool:
    """Whether the first word of `name` is a first name that everybody knows."""
    return name.split(maxsplit=1)[0].lower() in FIRST_NAMES


def named(
    heard: Heard,
    name: str,
    *,
    confidence: float = 0.9,
    changes: bool | None = None,
    span: tuple[int, int] | None = None,
) -> Fact:
    """The fact that the caller has this name."""
    return heard.note(
        Category.FACTUAL, f"The caller's name is {name}", 8, "name", name.lower(),
        confidence=confidence, changes=changes, span=span,
    )  # fmt: skip


def names(heard: Heard) -> Iterator[Fact]:
    """The caller's own name in a clause."""
    text = heard.clause.text
    for pattern in (_NAME_IS, _SURNAME_IS):
        for match in heard.matches(pattern):
            read = read_name(text, match.end())
            if read is None:
                continue
            if match[0].lower().split()[-1] == "me" and not (read[0].split()[0] in text and len(read[0]) > 2):
                continue  # "call me maybe": only what recognition wrote as a name
            name, confidence = _corrected(text, *read), 0.9
            if pattern is _SURNAME_IS:
                known = heard.known.get("name")
                first = capitals(known.value.split()[0]) if known else ""
                if first:
                    yield named(heard, f"{first} {name}", span=heard.span(match))
                else:
                    yield heard.note(
                        Category.FACTUAL, f"The caller's surname is {name}", 8, "surname", name.lower()
                    )
                continue
            yield named(heard, name, confidence=confidence, span=heard.span(match))
            return
    for match in heard.matches(_AS_KIN):
        read = read_name(text, match.end())
        if read and (match["i"] or "name" in heard.asked) and not text[read[1] :].strip(" .,!"):
            yield named(heard, read[0])
            return
    for match in heard.matches(_THIS_IS):
        read = read_name(text, match.end())
        if read is None:
            continue
        name, end = read
        called = _CALLING.match(text, end) is not None
        how = match["how"].lower()
        asked = "name" in heard.asked
        rest = text[end:].strip(" .,!")
        if how == "this is":
            sure = called or is_first_name(name) or (heard.early and rest == "")
        elif how.startswith("it"):
            sure = (
                (asked and (rest == "" or is_first_name(name)))
                or (called and is_first_name(name))
                or (
                    heard.early and rest == "" and (is_first_name(name) or _greets_by_name(text, match, name))
                )
            )
        else:
            full = (
                " " in name and text[match.end()].isupper() and (is_first_name(name) or asked or heard.early)
            )
            sure = asked or full or is_first_name(name)
            if re.match(r"\s*(?:'|from here)", text[end:]):
                sure = False
        if sure and not (text[match.end()].islower() and not is_first_name(name) and not asked):
            yield named(
                heard,
                _corrected(text, name, end),
                confidence=0.9 if is_first_name(name) or asked else 0.75,
                span=heard.span(match),
            )
            return
    lead = _LEADIN.match(text)
    begin = lead.end() if lead else 0
    read = read_name(text, begin)
    speaking = read and _SPEAKING.match(text, read[1]) and (text[begin].isupper() or is_first_name(read[0]))
    if read and (speaking or _in_full(heard, read)):
        yield named(heard, read[0])
    elif (
        read
        and "name" in heard.asked
        and _CLOSING.match(text[read[1] :])
        and not heard.clause.before.strip(" ,.!")
    ):
        known = heard.known.get("name")
        name = read[0]
        if " " in name or not _SURNAME_ASKED.search(heard.agent):
            yield named(heard, name, confidence=0.75)
        elif known and " " not in known.value:
            yield named(heard, f"{capitals(known.value)} {name}", confidence=0.75)
        elif known is None:
            yield heard.note(Category.FACTUAL, f"The caller's surname is {name}", 8, "surname", name.lower())


def _in_full(heard: Heard, read: tuple[str, int]) -> bool:
    """Whether "Terry. Terry Hobday." says the whole of a name that the turn gave in part."""
    known = heard.known.get("name")
    return (
        known is not None
        and known.turn == heard.clause.turn
        and known.value in read[0].lower().split()
        and " " in read[0]
        and not heard.clause.text[read[1] :].strip(" .,!")
    )


def _greets_by_name(text: str, match: re.Match[str], name: str) -> bool:
    """Whether "Hello, it's Anneke Winter" introduces the caller by a full name."""
    return " " in name and text[match.end()].isupper() and bool(_GREETING.match(text[: match.start()]))


def _corrected(text: str, name: str, end: int) -> str:
    """ "Rob, no, Robin" is Robin."""
    again = _INSTEAD.match(text, end)
    if again:
        read = read_name(text, again.end())
        if read and not (again[0].strip(" ,.").lower() == "sorry" and read[0][0].islower()):
            words = name.split()
            if " " not in read[0] and len(words) > 1:
                closest = max(range(len(words)), key=lambda index: alike(words[index], read[0]))
                words[closest] = read[0]
                return " ".join(words)
            return read[0]
    return name


def alike(one: str, other: str) -> float:
    """How similar two words look, from 0 to 1."""
    return SequenceMatcher(None, one.lower(), other.lower()).ratio()


def spelled_name(heard: Heard, text: str, start: int) -> Fact | None:
    """The caller's name made right by what they spell in `text`, which begins at `start` of the turn."""
    known = heard.known.get("name")
    words = [found for found in spoken.spelled(text) if 2 <= len(found.value) <= 20]
    if not words:
        return None
    if re.search(r"@|\bdot (?:com|org|net|co)\b|\be-?mail\b", text, re.IGNORECASE):
        return None
    parts = capitals(known.value).split() if known else []
    changed = False
    for found in words:
        name = found.value.capitalize()
        if parts:
            closest = max(range(len(parts)), key=lambda index: alike(parts[index], name))
            if alike(parts[closest], name) >= 0.5:
                parts[closest] = name
                changed = True
                continue
        if "name" in heard.asked and (not known or len(parts) < 2):
            parts.append(name)
            changed = True
    if not changed:
        return None
    span = (start + words[0].start, start + words[-1].end)
    return named(heard, " ".join(parts), confidence=0.95, changes=False, span=span)


def relations(heard: Heard) -> Iterator[Fact]:
    """People and animals that belong to the caller; nobody whose death or parting is told next to it."""
    text = heard.clause.text
    if _ENDED.search(heard.around):
        return
    for match in heard.matches(_RELATIVE):
        if _MARRIED.search(match["adjective"] or ""):
            continue
        explicit = len(match["how"].strip(", ")) > 3
        read = read_name(text, match.end(), most=2)
        if read is None:
            continue
        name, end = read
        lower = text[match.end()].islower()
        if lower and not explicit and not is_first_name(name):
            continue
        if (
            not lower
            and not explicit
            and match["how"] == ","
            and not re.match(r"\s*(?:[,.!?]|$|and\b|who\b|is\b|has\b|needs\b)", text[end:])
        ):
            continue
        yield related(heard, match["kind"], name, heard.span(match))
    for match in heard.matches(_HAVE):
        kind, count = match["kind"].lower(), match["count"].lower()
        read = read_name(text, match.end(), most=2) if match["how"] else None
        if read and kind in RELATIONS:
            yield related(heard, kind, read[0], heard.span(match))
        elif (
            kind in RELATIONS
            and count in ("a", "an")
            and kind not in ("doctor", "friend", "assistant", "colleague", "neighbour", "neighbor")
        ):
            if not re.match(
                r"\s+(?:allerg|food|bed|hair|problem|lead|collar|toy|flap|appointment|infection|bite|named)",
                text[match.end() :],
            ):
                known = heard.known.slots(f"relation:{RELATIONS[kind]}")
                if not known:
                    noun = RELATIONS[kind]
                    unborn = _UNBORN.match(text, match.end()) is not None
                    yield heard.note(
                        Category.RELATIONAL,
                        f"The caller {'is expecting' if unborn else 'has'} {_a(noun)}",
                        6,
                        f"relation:{noun}",
                        "expected" if unborn else "yes",
                        changes=False,
                    )
        elif count not in ("a", "an") and kind not in RELATIONS:
            noun = {"kids": "children"}.get(kind, kind)
            yield heard.note(
                Category.RELATIONAL,
                f"The caller has {count} {noun}",
                6,
                f"relation:{noun}",
                count,
                changes=False,
            )
    for match in heard.matches(_FOR):
        if not re.match(r"(?:,? |, )[A-Z]", text[match.end() :]):
            noun = RELATIONS[match["kind"].lower()]
            if not heard.known.slots(f"relation:{noun}"):
                yield heard.note(
                    Category.RELATIONAL,
                    f"The caller called on behalf of their {noun}",
                    5,
                    f"relation:{noun}",
                    "yes",
                    changes=False,
                )
    for match in heard.matches(_MARRIED_TO):
        yield heard.note(
            Category.RELATIONAL,
            f"The caller is {match['state'].lower()}",
            6,
            "marital_status",
            match["state"].lower(),
        )
    for match in heard.matches(_NO_MORE):
        if match["anymore"] or "no longer" in match[0].lower():
            noun = RELATIONS[match["kind"].lower()]
            yield heard.note(
                Category.RELATIONAL,
                f"The caller no longer has {_a(noun)}",
                6,
                f"relation:{noun}",
                "no",
                changes=True,
            )


def tells_of_death(text: str) -> bool:
    """Whether somebody's death or a parting is told, after which nobody is anybody's wife or dog for sure."""
    return _ENDED.search(text) is not None


def related(heard: Heard, kind: str, name: str, span: tuple[int, int]) -> Fact:
    """The fact that somebody of this name is the caller's daughter, dog or doctor."""
    noun = RELATIONS[kind.lower()]
    return heard.note(
        Category.RELATIONAL, f"The caller has {_a(noun)} named {name}", 6, f"relation:{noun}:{name.lower()}", "yes",
        changes=False, span=span,
    )  # fmt: skip


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
