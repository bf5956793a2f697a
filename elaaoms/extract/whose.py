"""Whom a fact is about, and whom its words are about: the people of both must be the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from elaaoms.extract.cast import Doer
from elaaoms.extract.claim import CALLED, CALLER, CLAUSE, MARK, WANTED, WORD, Claim, folded
from elaaoms.extract.days import CORRECTS
from elaaoms.extract.gist import gist, near, stem
from elaaoms.extract.named import said_name
from elaaoms.extract.people import (
    Mention,
    alike,
    beside,
    gender_of,
    genders,
    kinds,
    mentions,
    own,
    unaccented,
)
from elaaoms.memory import Category

_PASSIVE = re.compile(
    r"\b(?:was|were|is|are|been|being|got|gets|wurde\w*|wird|worden|fue|fueron|sido|été)\s+(?:\w+ly\s+)?(?:\w+(?:ed|en|ado|ada|ido|ida|t)|told|sold|paid|given|sent|made)$",
    re.IGNORECASE,
)
_WILL = re.compile(r"wants?|would|möchte|will|quiere|veut|souhaite|wishes|asks?|asked", re.IGNORECASE)
_BELONGS = re.compile(
    r"\b(?:belongs? to|is owned by|gehör(?:t|en)|(?:es|son) de|(?:est|sont) à|appartien\w+ à) (?=(?:my|our|mein|unser|mi|nuestr|mon|ma|notre))",
    re.IGNORECASE,
)
_HAS = re.compile(r"\W*(?:has|have|owns|hat|besitzt|tiene|posee|a|possède)\b", re.IGNORECASE)
_KNOWN = re.compile(r"known|bekannte?\w?|conocid\w+|connue?s?", re.IGNORECASE)
_CALLERS_OWN = re.compile(r"\b(?:caller|customer)(?:'|’)s (?:own )?(?:\w+ )?$", re.IGNORECASE)
_THE_CALLERS = re.compile(r"\b(?:anrufer|kund|cliente|llama|appelant)\w*$", re.IGNORECASE)
_THEIR = {
    language: re.compile(rf"\b(?:{words}) (?:\w+ )?(?P<thing>[^\W\d_]+)", re.IGNORECASE)
    for language, words in (
        ("en", "his|her|their"),
        ("de", r"sein\w{0,2}|(?-i:ihr\w{0,2})"),
        ("es", "sus?"),
        ("fr", "son|sa|ses|leurs?"),
    )
}
_INTRODUCING = re.compile(
    r"(?:'s|’s|\bis|\bwas|\bist|\bwar|\bes|\bera|\best|\bétait) (?:my|our|mein\w*|unser\w*|mi|nuestr\w+|mon|ma|notre)\b",
    re.IGNORECASE,
)
_THEMSELVES = re.compile(
    r"\b(?:himself|herself|themsel\w+|own|selbst|selber|eigene\w*|(?:él|ella) mism[oa]|propi[oa]s?|(?:lui|elle)-même|propres?)\b",
    re.IGNORECASE,
)
# A thing of the caller's, and a thing of a relative's, in the words of a quote without accents.
_CALLERS = re.compile(
    r"\b(?:caller|customer)(?:'|’)s ([^\W\d_]+)|"
    r"\b([^\W\d_]+) (?:de |des |der |del |d(?:'|’)|of )(?:the |la |le |l(?:'|’))?(?:caller|anrufer\w*|kund\w+|client\w+|llamante|appelant\w*)",
    re.IGNORECASE,
)
_KINS = re.compile(
    r"\b(?:my|our) [^\W\d_]+(?:'|’)s ([^\W\d_]+)|\b([^\W\d_]+) (?:de|of|von) (?:my|mi|mon|ma|mein\w{0,2}) [^\W\d_]+",
    re.IGNORECASE,
)
_EMPHATIC = re.compile(r"\b(?:myself|ich|yo|moi)\b", re.IGNORECASE)
_HIS = re.compile(r"\b(?:his|her|their|sein\w{0,2}|ihr\w{0,2}|su|son|sa) (?:\w+ )?$", re.IGNORECASE)
_NEAREST = frozenset({"spouse", "partner", "child"})
_RELATED_BY = re.compile(
    r"\b(?:married|divorced|engaged|widow\w*|famil\w+|parent\w*|children|verheiratet|geschieden|verlobt|familie|kinder|"
    r"casad\w|divorciad\w|prometid\w|familia|hijos|mariée?|divorcée?|fiancée?|famille|enfants)\b",
    re.IGNORECASE,
)
# What belongs to one person and is asked for by name: whose it is must be the caller's.
_IDENTITY = (
    r"(?:name|number|address|e-?mail|phone|mobile|birthday|age|account|card|policy|telefonnummer|nummer|adresse|karte|konto|alter|nombre|"
    r"número|dirección|correo|teléfono|móvil|tarjeta|cuenta|nom|numéro|téléphone|adresse|carte|compte|âge)"
)
_ITS = re.compile(rf"\b{_IDENTITY}\b", re.IGNORECASE)
_ANOTHERS = re.compile(
    rf"\b(?:his|her|their|sein\w{{0,2}}|(?-i:ihr\w{{0,2}}))\s+(?:\w+\s+)?{_IDENTITY}\b|\b{_IDENTITY} d(?:e|el|es|er)\s+(?:mi|meine\w|mon|ma)\b",
    re.IGNORECASE,
)
_QUESTION_TO_YOU = re.compile(r"\b(?:you|your|Sie|Ihn\w+|Ihr\w*|du|dir|usted|su|le|tu|vous|votre|vos)\b")
_APPOSITION = re.compile(r"^\W*[A-ZÀ-ÖØ-Þ][\w-]+, [^,]{3,50},")
_THING = re.compile(r"(?:['’]s|\bof|de[rs]?|del?|d['’])\s+(?:\w+['’]s )?([^\W\d_]+)")


def is_anothers_kin(claim: Claim) -> bool:
    """Whether the quote speaks of "her mother" and the fact makes her the caller's mother."""
    content, quote = claim.fact.content, claim.fact.quote
    if claim.people.speaker(claim.fact.turn, claim.at).other:
        return False
    ours = [
        one
        for one in mentions(content, claim.language)
        if _CALLERS_OWN.search(content[: one.start])
        or _THE_CALLERS.search(content[one.start : one.end])
        or claim.cast.callers(content[one.end :])
    ]
    theirs = [match.span() for match in _THEIR[claim.language].finditer(quote)]
    things = {stem(quote[start:end].split()[-1].casefold()) for start, end in theirs}
    if things & {stem(thing.casefold()) for thing in claim.cast.callers_things(content)}:
        return True
    others = mentions(quote, claim.language)
    return bool(ours) and all(
        any(alike(one.kind, {other.kind}) for other in others)
        and all(
            any(start <= other.start < end for start, end in theirs)
            for other in others
            if alike(one.kind, {other.kind})
        )
        for one in ours
    )


def is_turned_round(claim: Claim) -> bool:
    """Whether somebody else does in the quote what the fact's subject does: "she owes me", and the caller owes her."""
    if claim.fact.category is Category.EMOTIONAL or claim.people.speaker(claim.fact.turn, claim.at).other:
        return False
    told = claim.cast.doer(claim.fact.content, CALLER)
    if told is None:
        return False
    for word in WORD.finditer(told.rest):
        verb = stem(word[0].casefold())
        if _WILL.fullmatch(word[0]):
            return False  # who wants something need not be who does it
        if not gist(word[0]) or _KNOWN.fullmatch(word[0]):
            continue
        if told.rest[: word.start()].strip() and _PASSIVE.search(told.rest[: word.end()]):
            return False
        clauses = [clause for clause in claim.clauses if near(verb, gist(clause))]
        return bool(clauses) and all(_does_not(claim, told, clause, verb) for clause in clauses)
    return False


def _does_not(claim: Claim, told: Doer, clause: str, verb: str) -> bool:
    at = next((word for word in WORD.finditer(clause) if gist(word[0]) and near(verb, gist(word[0]))), None)
    doer = claim.cast.doer_of(clause, at.start(), at.end()) if at is not None else None
    if doer is None:
        return False
    if doer.first or told.first:
        return doer.first != told.first and not (doer.names & claim.cast.caller)
    names, kin = doer.names, doer.kin
    theirs = {gender for kind in told.kin for gender in gender_of(kind)} | claim.cast.gender_of(told.names)
    if doer.genders and len(theirs) == 1 and not doer.genders & theirs:
        return True
    if doer.genders and told.names and not told.kin:
        found, related = claim.cast.spoken_of(claim.fact.turn, claim.at, set(doer.genders))
        names, kin = frozenset(found), frozenset(related)
    if told.names & names or (told.kin and any(alike(kind, told.kin) for kind in kin)):
        return False
    return bool(told.names and names) or bool(told.kin and kin)


def is_anothers(claim: Claim) -> bool:
    """Whether the words are said by or of somebody else, and the fact is about the caller."""
    caller = CALLER.match(claim.fact.content)
    named = kinds(claim.fact.content, claim.language)
    if _is_made_their_own(claim) or _belongs_to_another(claim):
        return True
    voice = claim.people.speaker(claim.fact.turn, claim.at)
    if (
        voice.other
        and caller is not None
        and (not _owned(claim.fact.content, caller) or _ITS.search(claim.fact.content))
    ):
        return not (
            any(alike(kind, voice.kinds) for kind in named)
            or (voice.name and voice.name in claim.people.spelling(claim.fact.content))
        )
    if caller is None or is_relation(claim):
        return False
    if named:
        wish = WANTED.search(claim.fact.content) is not None
        if (
            not caller["possess"]
            and not wish
            and claim.clauses
            and all(_by_another(claim, clause, named) for clause in claim.clauses)
        ):
            return True
        spoken_of = [one.kind for clause in claim.clauses for one in mentions(clause, claim.language)[:1]]
        return (
            not caller["possess"]
            and bool(spoken_of)
            and not any(own(clause, claim.language) for clause in claim.clauses)
            and not any(alike(kind, named) for kind in spoken_of)
        )
    if _owned(claim.fact.content, caller):
        whose = " ".join(claim.clauses)
        if not _ITS.search(claim.fact.content):
            thing = _THING.search(claim.fact.content)
            return (
                thing is not None
                and not own(whose, claim.language)
                and all(
                    bool(genders(" ".join(clause.split()[:2]), claim.language)) for clause in claim.clauses
                )
                and not near(stem(thing[1].casefold()), gist(claim.around))
            )
        theirs = claim.people.named(claim.fact.quote) and not own(claim.fact.quote, claim.language)
        if _ANOTHERS.search(whose) or theirs:
            return True
        return claim.people.kin_of_thing(whose) and not own(whose, claim.language)
    if any(own(clause, claim.language) for clause in claim.clauses):
        return False
    if _is_introduced(claim):
        return False
    if kinds(claim.fact.quote, claim.language) or any(claim.another(clause) for clause in claim.clauses):
        wish = WANTED.search(claim.fact.content) is not None
        return not wish or any(claim.people.begins(clause) for clause in claim.clauses)
    question = claim.asked.rstrip()
    if (
        not question.endswith("?")
        or len(WORD.findall(claim.fact.quote)) > 8
        or own(claim.turn.text, claim.language)
    ):
        return False
    last = re.split(r"[.!?]\s+", question)[-1]
    return claim.people.another(last) and not _QUESTION_TO_YOU.search(last)


def _belongs_to_another(claim: Claim) -> bool:
    """Whether the quote says expressly that a relative owns what the fact says that the caller has."""
    owner = _BELONGS.search(claim.fact.quote)
    return (
        owner is not None
        and _HAS.match(CALLER.sub("", claim.fact.content)) is not None
        and bool(mentions(claim.fact.quote[owner.end() :][:30], claim.language))
    )


def _is_made_their_own(claim: Claim) -> bool:
    """Whether the fact gives the caller what the quote gives to a relative: done by themselves, or of their own."""
    content, quote = claim.fact.content, claim.fact.quote
    if not kinds(quote, claim.language):
        return False
    if (
        _THEMSELVES.search(content)
        and not (_THEMSELVES.search(quote) or _EMPHATIC.search(quote))
        and not kinds(content, claim.language)
    ):
        return True
    things = {next(filter(None, match.groups())).casefold() for match in _CALLERS.finditer(content)}
    theirs = {next(filter(None, match.groups())).casefold() for match in _KINS.finditer(unaccented(quote))}
    return bool({unaccented(thing) for thing in things} & theirs)


def _is_introduced(claim: Claim) -> bool:
    """Whether the fact is the caller's name, and the quote says it on its own: "Ann Lee, Mr Lee's my father"."""
    told = CALLER.sub("", claim.fact.content)
    content = {*folded(told)}
    return CALLED.search(told) is not None and any(
        len(folded(part)) >= 2 and content.issuperset(folded(part)) for part in MARK.split(claim.fact.quote)
    )


def _by_another(claim: Claim, clause: str, named: set[str]) -> bool:
    """Whether a clause says something of a "he" beside whom it names the kin of the fact: "he is scared of our dog"."""
    begins = " ".join(clause.split()[:2])
    return (
        bool(genders(begins, claim.language))
        and not _INTRODUCING.search(clause)
        and any(alike(one.kind, named) for one in mentions(clause, claim.language))
    )


def is_relation(claim: Claim) -> bool:
    """Whether the fact says of the caller what a word for their family says: "my late husband", a widow."""
    return _RELATED_BY.search(claim.fact.content) is not None and any(
        alike(kind, _NEAREST) for kind in kinds(claim.fact.quote, claim.language)
    )


def are_the_people(claim: Claim) -> bool:
    """Whether the people of the fact are those that its words are about."""
    content = claim.fact.content
    if not claim.people.agrees(content) or not _is_their_name(claim):
        return False
    named = mentions(content, claim.language)
    if not named:
        return True
    quoted = kinds(claim.fact.quote, claim.language)
    if _is_taken_back(claim, quoted):
        return False
    voice = claim.people.speaker(claim.fact.turn, claim.at)
    caller = CALLER.match(content)
    theirs = caller is None or bool(caller["possess"])
    first = claim.by_caller and not voice.other
    if theirs and first and claim.clauses and all(claim.only_own(clause) for clause in claim.clauses):
        return _merges(claim, named) and all(alike(one.kind, quoted) for one in named)
    missing = {mention.kind for mention in named if not alike(mention.kind, quoted | voice.kinds)}
    missing = {kind for kind in missing if not alike(kind, claim.people.named(claim.fact.quote))}
    missing -= _by_the_way(claim, named)
    if not missing:
        return True
    wanted = genders(claim.fact.quote, claim.language)
    if not wanted and not own(claim.fact.quote, claim.language):
        wanted = genders(claim.asked, claim.language)
    if first and not wanted and theirs and own(claim.fact.quote, claim.language):
        return False
    if len(missing) < len({mention.kind for mention in named}) or len(named) > 1:
        missing -= _owners(claim, named)
    return all(
        alike(
            kind,
            claim.people.meant(claim.fact.turn, claim.at, gender_of(kind) & wanted or wanted, but=quoted),
        )
        for kind in missing
    )


def _is_taken_back(claim: Claim, quoted: set[str]) -> bool:
    """Whether the quote takes back a person of the fact's: "to my sister, no, to me"."""
    taken = CORRECTS.search(claim.fact.quote)
    if taken is None:
        return False
    after = claim.fact.quote[taken.end() :]
    meant = kinds(after, claim.language)
    return (
        bool(quoted - meant)
        and (bool(meant) or own(after, claim.language))
        and not (meant and any(alike(kind, meant) for kind in kinds(claim.fact.content, claim.language)))
    )


def _by_the_way(claim: Claim, named: Sequence[Mention]) -> set[str]:
    """Kin that the quote means without the word: a child's brother, a child of the caller's by a name not yet placed."""
    content, quote = claim.fact.content, claim.fact.quote
    told: set[str] = set()
    for turn in claim.talk.turns[: claim.fact.turn + 1]:
        told |= kinds(turn.text, claim.language) if turn.role == "user" else set()
    found: set[str] = set()
    for one in mentions(quote, claim.language):
        if one.kind in ("brother", "sister") and _HIS.search(quote[: one.start]) and alike("child", told):
            found |= {"son" if one.kind == "brother" else "daughter", "child"}
    for mention in () if genders(quote, claim.language) else named:
        names = [name for name in beside(content, mention) if said_name(name, quote)]
        if names and alike(mention.kind, told) and not any(claim.people.kin_of(name) for name in names):
            found.add(mention.kind)
    return found


def _merges(claim: Claim, named: Sequence[Mention]) -> bool:
    """Whether a fact of several clauses speaks of its kin only in one that the quote has as well."""
    start = max((match.end() for match in CLAUSE.finditer(claim.fact.content, 0, named[0].start)), default=0)
    if not start:
        return False
    about = gist(claim.fact.content[start:])
    return any(
        gist(part) & about and any(alike(one.kind, mentioned_kinds) for one in named)
        for part in CLAUSE.split(claim.fact.quote)
        if part and (mentioned_kinds := kinds(part, claim.language))
    )


def _owners(claim: Claim, named: Sequence[Mention]) -> set[str]:
    """Kin whose kin or animal the fact is about, as in "my daughter's rabbit", if the caller has named them."""
    told: set[str] = set()
    for turn in claim.talk.turns[: claim.fact.turn + 1]:
        told |= kinds(turn.text, claim.language) if turn.role == "user" else set()
    owners = (
        one if claim.language == "en" else other
        for one, other in pairwise(named)
        if other.start - one.end < 12
    )
    return {owner.kind for owner in owners if alike(owner.kind, told)}


def _is_their_name(claim: Claim) -> bool:
    """Whether a fact about somebody by their name rests on words of or about them."""
    content, quote = claim.fact.content, claim.fact.quote
    subject = claim.cast.subject(content)
    if subject is None or CALLER.match(content) or not claim.by_caller:
        return True
    ours = set(subject.names)
    if ours & set(WORD.findall(unaccented(quote))):
        return True
    told = _APPOSITION.match(content) and kinds(content, claim.language)
    if not (told or subject.titled or any(claim.cast.is_name(name) for name in ours)):
        return True
    voice = claim.people.speaker(claim.fact.turn, claim.at)
    if claim.clauses and all(claim.only_own(clause) for clause in claim.clauses):
        return voice.name in ours or (not voice.other and bool(ours & claim.cast.caller))
    if CALLED.search(quote):
        return False
    names, kin = _spoken_of(claim)
    if not names and not kin:
        return True
    known = {kind for name in ours for kind in claim.people.kin_of(name)} | kinds(content, claim.language)
    if ours & names or (known and any(alike(kind, known) for kind in kin)):
        return True
    return not known and not names and not genders(quote, claim.language)


def _spoken_of(claim: Claim) -> tuple[set[str], set[str]]:
    """Of whom the quote speaks: by name or as kin, else before its pronoun, else in the question that it answers."""
    quote = " ".join(claim.clauses) or claim.fact.quote
    names, kin = claim.cast.named(quote, set())
    if names or kin:
        return names, kin
    wanted = genders(quote, claim.language)
    if wanted:
        at = claim.turn.text.find(claim.clauses[-1].strip(), claim.start) if claim.clauses else -1
        return claim.cast.spoken_of(claim.fact.turn, max(at, claim.at), wanted - {""})
    last = re.split(r"[.!]\s+", claim.asked.strip())[-1]
    names, kin = claim.cast.named(last, set())
    if names or kin or not (wanted := genders(last, claim.language)):
        return names, kin
    return claim.cast.spoken_of(claim.fact.turn - 1, len(claim.asked) - len(last), wanted - {""})


def _owned(content: str, caller: re.Match[str]) -> bool:
    return (
        bool(caller["possess"]) or re.match(r"\W*(?:the|his|her) \w+ of", content, re.IGNORECASE) is not None
    )
