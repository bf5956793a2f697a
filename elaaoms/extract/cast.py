"""Whose names are said in a call: what the caller is called, and who is spoken of before a pronoun."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from attrs import frozen

from elaaoms.extract.days import NAMES
from elaaoms.extract.people import _NAMED_SUBJECT, People, beside, gender_of, genders, mentions, unaccented
from elaaoms.extract.words import COMMON, FIRST_NAMES
from elaaoms.language import LITTLE_WORDS
from elaaoms.webhooks import Conversation

_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mister|Dr|Herrn?|Frau|[Ss]eñora?|[Ss]eñorita|Sr|Sra|[Dd]on|[Dd]oña|[Mm]onsieur|[Mm]adame|[Mm]ademoiselle|M|Mme|Mlle)\.?"
_WORD = r"[A-ZÀ-ÖØ-Þ][\w-]*[^\W\d_]"
_CALLED = rf"(?P<title>{_TITLE} )?(?P<name>{_WORD}(?: {_WORD})?)"
# How an agent speaks to whoever is on the telephone by name: after a courtesy, before a sentence, and at its end.
_ADDRESSES = (
    re.compile(
        r"(?i:\b(?:thank you|thanks|hello|hi|good (?:morning|afternoon|evening|day)|welcome(?: back)?|sorry(?: to hear that)?|certainly|of course|perfect|great|lovely|"
        r"danke(?: schön| sehr)?|vielen dank|guten (?:tag|morgen|abend)|hallo|grüß (?:dich|gott|sie)|grüezi|gerne?|verstanden|in ordnung|"
        r"gracias|muchas gracias|hola|buen[oa]s (?:días|tardes|noches)|perfecto|claro|entendido|de acuerdo|lo siento|"
        r"merci(?: beaucoup| bien)?|bonjour|bonsoir|très bien|parfait|entendu|d(?:'|’)accord|désolée?)),? "
        rf"{_CALLED}(?=[.,!?])"
    ),
    re.compile(
        rf"(?:^|[.!?] ){_CALLED}, "
        r"(?=(?i:i|we|can|could|would|are|do|did|your?|what|ich|wir|können|möchten|haben|ihr|puede|quiere|tiene|su|le|je|nous|pouvez|souhaitez|votre|vous|avez)\b)"
    ),
)
_AT_THE_END = re.compile(rf", {_CALLED}(?=[.!?]|$)")
_YOU = re.compile(r"\b(?:you|your|Sie|Ihn\w+|Ihr\w*|du|dir|dich|usted|su|le|tu|vous|votre|vos)\b|\?")
_ASKS_WHO = re.compile(
    r"^\W*(?:and you|und (?:Sie|du|selbst)|y usted|et vous|vous êtes|you are|usted es|sie sind)\b[^.]{0,20}\?|\b(?:names?|who(?:'s| is| am i|'m i)|called|heißen|namen?|wer (?:spricht|ist)|wem spreche|nombres?|llama|quién|noms?|prénoms?|appelez|qui est)\b",
    re.IGNORECASE,
)
# What somebody is to another one, and their own name: "her daughter, Ann".
_DESCRIBED = re.compile(
    rf"^\W*(?:(?i:i'm|i am|ich bin|soy|je suis) )?(?i:her|his|their|the|seine?|ihre?|der|die|su|el|la|sa|son|leur|le) \w+, (?P<name>{_WORD})"
)
_FIRST_OF_ALL = re.compile(r"[.!?…]+\s+")
_NAMES = re.compile(rf"\b{_WORD}")
# A capital in the middle of a sentence, with the word before it: a name, where that is no article.
_PROPER = re.compile(rf"\b(?P<before>[^\W\d_]+),? (?P<name>{_WORD})")
_ARTICLES = frozenset(
    """the a an my our your der die das den dem des ein eine einen einem einer mein meine meinen meinem meiner unser unsere
    ihr ihre ihren sein seine kein keine zum zur im am beim vom el la los las un una mi su le les une mon ma votre au du""".split()
)
# Before a place.
_WHERE = frozenset(
    "in at near from on into through via towards nach aus en desde hacia hasta à vers dans street road lane".split()
)
# Words that stand alone before a comma or a stop and are nobody.
_INTERJECTIONS = frozenset(
    """nah nope hiya oui ben tout ouais andele ándele bon und weil ja nee doch also genau gell claro vale bueno pues sorry mrs mr""".split()
)
_SMALL = re.compile(r"\b[a-zà-ÿ]{3,}")
_BEGINS = re.compile(
    rf"^\W*(?:(?:and|but|so|und|aber|y|pero|et|mais|der|die|la|el)\s+)?(?P<name>{_WORD})(?:['’]s?\b|['’]ll\b)? +(?=[a-zà-ÿ])"
)
_SUBJECT = re.compile(
    rf"^\W*(?P<title>{_TITLE} )?(?P<name>{_WORD}(?: {_WORD}){{0,2}})(?P<whose>['’]s?)?(?![\w'’])"
)
_PERSONS = re.compile(rf"\b(?P<title>{_TITLE}) (?P<name>{_WORD})")
_OF_MEN = frozenset("mr mister herr herrn señor sr don monsieur m".split())
_OF_WOMEN = frozenset("mrs ms miss frau señora señorita sra doña madame mademoiselle mme mlle".split())


@frozen
class Subject:
    """Whom a sentence begins with by name: the words of the name, and the sentence with "the caller" in its place."""

    names: tuple[str, ...]
    titled: bool
    recast: str


class Cast:
    """The names of a call beside what `People` knows of kin."""

    def __init__(self, talk: Conversation, people: People) -> None:
        self._turns, self._people = talk.turns, people
        self._little = frozenset(LITTLE_WORDS.get(people.language, "").lower().split())
        self._persons = {
            unaccented(match["name"]) for turn in talk.turns for match in _PERSONS.finditer(turn.text)
        }
        self._persons |= people.persons | people.subjects()
        self._places: set[str] = set()
        self._nouns: set[str] = set()
        self._small = {word for turn in talk.turns for word in _SMALL.findall(turn.text)}
        self._capitals = {
            unaccented(word)
            for turn in talk.turns
            for name in _NAMES.findall(turn.text)
            for word in name.split()
        }
        self._proper = {
            name for name in self._names_among(turn.text for turn in talk.turns) if self._are_names(name)
        }
        if people.language != "de":
            self._persons |= self._proper - self._places
        self.caller = set(people.caller)
        self._introduced = set(people.caller)
        asked = ""
        for number, turn in enumerate(talk.turns):
            if turn.role == "agent":
                asked = turn.text or asked
                self.caller |= self._addressed(number, turn.text) if number else set()
            elif turn.text:
                self.caller |= self._answered(number, asked, turn.text)
        self.caller -= {name for name in self.caller - self._introduced if people.kin_of(name)}
        self.caller = {name for name in self.caller if self._are_names(name)}
        self._persons |= self.caller
        self._persons |= self._subjects()
        self._persons -= _INTERJECTIONS
        self._genders: dict[str, set[str]] = {}
        self._genders = self._pronouns_after_names()

    def _addressed(self, number: int, text: str) -> set[str]:
        """The names by which the agent speaks to the caller."""
        if self._people.speaker(number, len(text)).other:
            return set()
        found = [match for pattern in _ADDRESSES for match in pattern.finditer(text)]
        start = 0
        for end in (*(match.end() for match in _FIRST_OF_ALL.finditer(text)), len(text)):
            sentence = text[start:end]
            if _YOU.search(sentence):
                found += _AT_THE_END.finditer(sentence.rstrip())
            start = end
        return {
            name for match in found for name in self._of_persons(match["name"], titled=bool(match["title"]))
        }

    def _answered(self, number: int, asked: str, answer: str) -> set[str]:
        """The names with which the caller answers who they are."""
        last = re.split(r"[.!]\s+", asked.strip())[-1]
        if not _ASKS_WHO.search(last) or self._people.another(last) or self._people.speaker(number, 0).other:
            return set()
        described = _DESCRIBED.match(answer)
        if described is not None:
            self._introduced |= set(self._of_persons(described["name"], titled=False))
            return set(self._introduced)
        first, *more = _FIRST_OF_ALL.split(answer)[:2]
        said = f"{first} {more[0]}" if more and not self._people.another(more[0]) else first
        if mentions(said, self._people.language):
            return set()
        return set(self._of_persons(" ".join(_NAMES.findall(said)[:3]), titled=False))

    def _of_persons(self, text: str, *, titled: bool) -> Iterator[str]:
        for word in text.split():
            name = unaccented(word)
            if titled or not (name in COMMON or name in self._little or name in _INTERJECTIONS):
                yield name

    def _names_among(self, texts: Iterable[str]) -> set[str]:
        """Words that begin with a capital in the middle of a sentence, and in German never have an article."""
        found: set[str] = set()
        for text in texts:
            for match in _PROPER.finditer(text):
                before, name = match["before"], unaccented(match["name"])
                if before.lower() in _WHERE:
                    self._places.add(name)
                (self._nouns if before.lower() in _ARTICLES else found).add(name)
                if before[0].isupper() and self._are_names(unaccented(before), name):
                    self._persons.add(unaccented(before))  # a first name before another
        return found - self._nouns if self._people.language == "de" else found

    def _subjects(self) -> set[str]:
        """Capitals at the beginning of a sentence before a verb, that are nowhere in small letters."""
        return {
            name
            for turn in self._turns
            for match in _NAMED_SUBJECT[self._people.language].finditer(turn.text)
            if self._are_names(name := unaccented(match[1])) and name not in self._small
        }

    def _are_names(self, *words: str) -> bool:
        return not any(
            word in COMMON or word in self._little or word in _INTERJECTIONS or word in NAMES
            for word in words
        )

    def subject(self, content: str) -> Subject | None:
        """Whom a sentence begins with by name, or None where it does not."""
        match = _SUBJECT.match(content)
        if match is None:
            return None
        names = [unaccented(word) for word in match["name"].split()]
        if names[0] in COMMON or names[0] in self._little or names[0] in _ARTICLES:
            return None
        recast = f"The caller{match['whose'] or ''}{content[match.end() :]}"
        return Subject(tuple(names), match["title"] is not None, recast)

    def has_said(self, subject: Subject) -> bool:
        """Whether a name stands in the call, if its words are surely a person's name."""
        surely = subject.titled or len(subject.names) > 1 or subject.names[0] in FIRST_NAMES
        return not surely or any(
            name in unaccented(turn.text) for turn in self._turns for name in subject.names
        )

    def is_caller(self, subject: Subject) -> bool:
        """Whether a name is the caller's, by its first word."""
        return subject.names[0] in self.caller

    def is_name(self, name: str) -> bool:
        """Whether a word is a name in this call, of a person or a place."""
        return (
            self.is_person(name)
            or name in self._proper
            or (
                name in self._capitals
                and name not in self._small
                and name not in self._nouns
                and self._are_names(name)
            )
        )

    def is_person(self, name: str) -> bool:
        """Whether a word is somebody's name in this call, as far as that can be told from a place's."""
        return name in self._persons or name in FIRST_NAMES

    def persons(self, text: str) -> set[str]:
        """The names of persons in a text but the caller's."""
        found = {unaccented(word) for word in _NAMES.findall(text) if not word.isupper()}
        return {
            name for name in found - self.caller - self._little if self.is_person(name) and name not in COMMON
        }

    def begins(self, clause: str) -> bool:
        """Whether a clause has somebody's name where its subject stands."""
        match = _BEGINS.match(clause)
        return match is not None and bool(self.persons(match["name"]))

    def gender_of(self, names: Iterable[str]) -> set[str]:
        """The genders of the pronouns that follow names in the call."""
        return {gender for name in names for gender in self._genders.get(name, ())}

    def _pronouns_after_names(self) -> dict[str, set[str]]:
        """The gender of those who are called by name and by a pronoun in one sentence with nobody else in it."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for turn in self._turns:
            for sentence in _FIRST_OF_ALL.split(turn.text):
                begins = _BEGINS.match(sentence)
                names = self.persons(begins["name"]) if begins is not None else set()
                wanted = genders(sentence, self._people.language) - {""}
                if names == self.persons(sentence) and len(names) == 1 and len(wanted) == 1:
                    found[next(iter(names))].update(wanted)
            for match in _PERSONS.finditer(turn.text):
                title = match["title"].rstrip(".").lower()
                if title in _OF_MEN or title in _OF_WOMEN:
                    found[unaccented(match["name"])]["m" if title in _OF_MEN else "f"] += 9
        return {name: {votes.most_common(1)[0][0]} for name, votes in found.items()}

    def uncapitalised(self, text: str) -> set[str]:
        """First names of this call that speech recognition wrote in small letters."""
        words = {unaccented(word) for word in _SMALL.findall(text)}
        return words & self._persons & FIRST_NAMES - self.caller

    def spoken_of(self, number: int, at: int, wanted: set[str]) -> tuple[set[str], set[str]]:
        """Of whom the nearest words before a place of a turn speak that speak of anybody: their names, and their kinds.

        `wanted` are the genders of a pronoun, empty for any.
        """
        for turn in range(number, -1, -1):
            text = self._turns[turn].text[:at] if turn == number else self._turns[turn].text
            for sentence in reversed(_FIRST_OF_ALL.split(text)):
                names, kin = self.named(sentence, wanted)
                if names or kin:
                    return names, kin
        return set(), set()

    def named(self, text: str, wanted: set[str]) -> tuple[set[str], set[str]]:
        """Of whom a text speaks by name or as kin, of these genders if any are given."""
        kin = {
            one.kind
            for one in mentions(text, self._people.language)
            if not wanted or not one.gender or one.gender in wanted
        }
        names = set()
        for name in self.persons(text):
            known = self._people.kin_of(name)
            theirs = self._genders.get(name, set()) | {gender for kind in known for gender in gender_of(kind)}
            if not wanted or not theirs or theirs & wanted:
                names.add(name)
                kin |= known
        return names, kin

    def callers(self, following: str) -> bool:
        """Whether what follows a word for kin says that they are the caller's: "of the caller", "de Ana"."""
        match = _OF_WHOM.match(following)
        return match is not None and (match["name"] is None or unaccented(match["name"]) in self.caller)

    def callers_things(self, content: str) -> set[str]:
        """What a fact says that the caller has: the car of "the caller's car" and of "Ana's car"."""
        found = set()
        for match in _WHOSE.finditer(content):
            if match["caller"] or unaccented(match["name"]) in self.caller:
                found.add(match["thing"])
        return found

    # -- who does what ------------------------------------------------------------

    def doer(self, content: str, caller: re.Pattern[str]) -> Doer | None:
        """The subject of a fact, and what is said of it; None where that is not a person."""
        match = caller.match(content)
        language = self._people.language
        if match is not None and not match["possess"]:
            beneficiary = re.match(r"\W*(?:to|bei|a)\b", match[0], re.IGNORECASE) is not None
            return None if beneficiary else Doer(first=True, rest=content[match.end() :])
        kin = next(iter(mentions(content, language)), None)
        if match is not None:
            if kin is None or kin.start - match.end() > 12:
                return None
            names = frozenset(unaccented(name) for name in beside(content, kin))
            return Doer(names=names, kin=frozenset({kin.kind}), rest=_NAMED.sub("", content[kin.end :]))
        subject = self.subject(content)
        if subject is not None:
            if "'s" in subject.recast[:13] or "’s" in subject.recast[:13]:
                return None
            if not self.is_name(subject.names[0]) and not subject.titled:
                return None
            known = {kind for name in subject.names for kind in self._people.kin_of(name)}
            rest = _APPOSED.sub("", subject.recast.removeprefix("The caller"))
            return Doer(names=frozenset(subject.names), kin=frozenset(known), rest=rest)
        if kin is not None and len(content[: kin.start].split()) < 2:
            rest = content[kin.end :]
            if owner := _OF_WHOM.match(rest):
                rest = rest[owner.end() :]
            if next(iter(mentions(rest[:24], language)), None) is not None:
                return None  # the daughter's rabbit
            names = frozenset(unaccented(name) for name in beside(content, kin))
            rest = _APPOSED.sub("", _NAMED.sub("", rest))
            return Doer(names=names, kin=frozenset({kin.kind}), rest=rest)
        return None

    def doer_of(self, clause: str, start: int, end: int) -> Doer | None:
        """The subject of the verb at a place of a clause: who stands next before it, else right behind it."""
        language = self._people.language
        before = clause[:start]
        found = [
            (match.start(), Doer(first=True))
            for match in _I[language].finditer(before)
            if not _NOT_SUBJECT.search(before[: match.start()])
        ]
        for gender, pattern in _THEY[language]:
            found += [
                (match.start(), Doer(genders=frozenset({gender} - {""})))
                for match in pattern.finditer(before)
            ]
        pronouns = bool(found)
        for one in mentions(before, language):
            if not _NOT_SUBJECT.search(before[: one.start]) and before[one.end : one.end + 2] not in (
                "'s",
                "’s",
            ):
                found.append((one.start, Doer(kin=frozenset({one.kind}))))
        kins = {one.end for one in mentions(before, language)}
        for match in _NAMES.finditer(before):
            for word in match[0].split():
                name = unaccented(word)
                is_subject = (
                    match.start() - 1 not in kins
                    and not _NOT_SUBJECT.search(before[: match.start()])
                    and not (language == "de" and pronouns and re.search(r"\bder $", before[: match.start()]))
                )
                if is_subject and self.is_person(name) and self._are_names(name):
                    kin = frozenset(self._people.kin_of(name))
                    found.append(
                        (match.start(), Doer(first=name in self.caller, names=frozenset({name}), kin=kin))
                    )
        if found:
            place, doer = max(found, key=lambda entry: entry[0])
            return None if _TOLD_TO.search(before[place:]) else doer
        behind = clause[end : end + 24]
        if _I[language].search(behind):
            return Doer(first=True)
        for one in mentions(behind, language)[:1]:
            return None if _NOT_SUBJECT.search(behind[: one.start]) else Doer(kin=frozenset({one.kind}))
        if language == "es" and re.search(r"\bme $", before) and re.search(r"[ae]n?$", clause[start:end]):
            return Doer()
        return None


@frozen(kw_only=True)
class Doer:
    """Who does something: the one who speaks (`first`), or somebody by name, by kin or by the gender of a pronoun."""

    first: bool = False
    names: frozenset[str] = frozenset()
    kin: frozenset[str] = frozenset()
    genders: frozenset[str] = frozenset()
    rest: str = ""


_WHOSE = re.compile(rf"\b(?:(?P<caller>caller)|(?P<name>{_WORD}))['’]s (?P<thing>[^\W\d_]+)")
_NAMED = re.compile(rf"^,? {_WORD}(?: {_WORD})?,?(?= )")
_APPOSED = re.compile(r"^,[^,]{3,50},")
_OF_WHOM = re.compile(
    rf"\s+(?:of|von|de|des|der|du|d['’])\s*(?:(?:the|la|el|le|l['’]|del|der|des|de la|quien|la persona que)\s*)?(?:(?:caller|customer|anrufer\w*|kund\w+|client\w*|llama|llamante|appelant\w*)\b|(?P<name>(?-i:{_WORD})))",
    re.IGNORECASE,
)
# Whoever is told to do something does it: "my boss told me to ring".
_TOLD_TO = re.compile(r"\b(?:me|us) to\b|\b(?:mich|mir|uns),? (?:dass|ob)\b", re.IGNORECASE)
_NOT_SUBJECT = re.compile(
    r"\b(?:to|for|with|from|of|by|than|about|dem|den|meinem|meinen|meiner|seinem|seinen|seiner|ihrem|ihren|ihrer|von|mit|bei|für|a|al|con|para|de|del|por|à|au|avec|pour|chez|du)\s+"
    r"(?:my |our |his |her |the |mi |su |mon |ma |son |sa )?$",
    re.IGNORECASE,
)
_I = {
    language: re.compile(rf"\b(?:{words})(?![\w])", re.IGNORECASE)
    for language, words in (
        ("en", r"ich|wir|je|yo|i|i['’]?m|i['’]ve|i['’]d|i['’]ll|we|we['’]re|we['’]ve|we['’]d|we['’]ll"),
        ("de", r"ich|wir"),
        ("es", r"yo|nosotr[oa]s|tengo|quiero|puedo|soy|estoy|he|hemos|debo|pienso|creo"),
        ("fr", r"je|j['’]\w+|nous|on"),
    )
}
_THEY = {
    "en": (("m", re.compile(r"\bhe\b|\bhe['’](?:s|d|ll)", re.IGNORECASE)), ("f", re.compile(r"\bshe\b|\bshe['’](?:s|d|ll)", re.IGNORECASE)), ("", re.compile(r"\bthey\b", re.IGNORECASE))),
    "de": (("m", re.compile(r"\ber\b|(?:^|[,.] )der(?= (?!\w+ (?:hat|ist)))", re.IGNORECASE)), ("f", re.compile(r"\bsie\b"))),
    "es": (("m", re.compile(r"\bél\b", re.IGNORECASE)), ("f", re.compile(r"\bella\b", re.IGNORECASE))),
    "fr": (("m", re.compile(r"\bil\b(?! y a| faut| fait| pleut)", re.IGNORECASE)), ("f", re.compile(r"\belle\b", re.IGNORECASE))),
}  # fmt: skip
