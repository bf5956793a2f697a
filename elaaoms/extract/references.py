"""Hear what identifies a caller's business: orders and their state, accounts, tickets, e-mail and phone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

import phonenumbers
from attrs import frozen

from elaaoms.extract import spoken
from elaaoms.extract.clauses import doubtful, luhn
from elaaoms.extract.heard import Heard
from elaaoms.extract.names import alike
from elaaoms.extract.words import RELATIONS
from elaaoms.memory import Category, Fact


@frozen
class _Kind:
    slot: str
    noun: str
    per_code: bool = True
    topic: str = ""


_KINDS = {
    "order": _Kind("order", "order", topic="your order"),
    "parcel": _Kind("order", "order", topic="your order"),
    "package": _Kind("order", "order", topic="your order"),
    "shipment": _Kind("order", "order", topic="your order"),
    "delivery": _Kind("order", "order", topic="your order"),
    "ticket": _Kind("ticket", "ticket"),
    "case": _Kind("ticket", "case"),
    "claim": _Kind("ticket", "claim"),
    "complaint": _Kind("ticket", "complaint"),
    "incident": _Kind("ticket", "incident"),
    "booking": _Kind("booking", "booking", topic="your booking"),
    "reservation": _Kind("booking", "reservation", topic="your booking"),
    "confirmation": _Kind("booking", "confirmation"),
    "invoice": _Kind("invoice", "invoice", topic="your invoice"),
    "tracking": _Kind("tracking", "tracking", topic="your delivery"),
    "reference": _Kind("reference", "reference"),
    "contract": _Kind("contract", "contract", per_code=False),
    "meter": _Kind("meter", "meter", per_code=False),
    "account": _Kind("account", "account", per_code=False, topic="your account"),
    "policy": _Kind("policy", "policy", per_code=False),
    "customer": _Kind("customer_number", "customer", per_code=False),
    "client": _Kind("customer_number", "customer", per_code=False),
    "member": _Kind("membership", "membership", per_code=False),
    "membership": _Kind("membership", "membership", per_code=False),
    "patient": _Kind("patient_number", "patient", per_code=False),
}
_NOUNS = "|".join(sorted(_KINDS, key=len, reverse=True))
_LABEL = re.compile(
    rf"(?P<whose>\b(?!(?:it|that|here|what|there|name)'s)(?:\w+'s|his|her|their)\s+)?(?P<to>\b(?:to|i|we|can|could|'d|i'd|i'll|will|please|just|you|they)\s+)?\b(?P<noun>{_NOUNS})"
    r"(?P<number>(?:\s+(?:number|no\.?|id|code|reference|ref|num))*)"
    r"(?:\s+(?:is|was|it's|its|that's|which is|with|under|i think|yes|yeah)\b|'s\b|[:,.#]|\s)*$",
    re.IGNORECASE,
)
_LABEL_AFTER = re.compile(rf"^\W*(?:is|was|that's)\s+(?:my|our|the)\s+(?P<noun>{_NOUNS})\b", re.IGNORECASE)
_NUMBER_IS = re.compile(r"\b(?:the|my|its?|it's) (?:number|code|reference)(?: is|'s)?\W*$", re.IGNORECASE)
_BARE = re.compile(
    r"^\W*(?:(?:yes|yeah|yep|sure|of course|okay|ok|it's|it is|its|that's|that is|that would be|the number is|here it is|so|well|oh|let me see|one (?:second|moment)|"
    r"hold on|hang on|here you go|my one is|mine is|number|the|a|it should be|i have it here|right|i think|i believe|got it|sorry|no|actually|it starts with|"
    r"my (?:order|account|customer|policy|booking|reference) number is|um|uh|thanks|please)\b[\s,.:]*)*$",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    r"\b(?:no|sorry|i mean|actually|correction|wait|rather|make that|scratch that|should be)\b[^.?!]{0,30}$|\b(?:no|sorry|wait|correction)[.!,]\s*(?:\w+[\s,]+){0,3}$",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not|isn't|wasn't|instead of|rather than|old one was|used to be)\s+(?:the |order |number |order number )*$",
    re.IGNORECASE,
)
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}")
_SSN = re.compile(r"\b\d{3}-\d{2}-\d{4}\b")
_SPEAKS_OF_OTHERS = re.compile(
    r"\b(?:his|her|their|your|(?!(?:what|that|here|there|name|number|it|everything|who)'s)\w{3,}'s|wife's|husband's|mother's|father's|daughter's|son's|mum's|dad's|friend's|boss's|neighbour's|work)\s+(?:new |mobile |cell |phone |home |telephone )*(?:number|e-?mail|phone|mobile|address)\b",
    re.IGNORECASE,
)
_ANOTHERS = re.compile(
    rf"\bmy (?:{'|'.join(sorted(RELATIONS, key=len, reverse=True))}|boss|landlord|work)(?:'s|s)\b(?! name)|\b(?:it's|that's|is|its|thats) (?:his|hers|theirs)\b|\bi don't have (?:one|an? e-?mail)\b",
    re.IGNORECASE,
)
_NEW_ONE = re.compile(r"\b(?:old|previous|former|wrong)\b.*\b(?:it's|its|it is now|new)\b", re.IGNORECASE)
_IS_ANOTHERS = re.compile(
    rf"\W*(?:(?:that's|thats|that is|it's|its|is) )?(?:{_ANOTHERS.pattern})", re.IGNORECASE
)
_MY_OWN = re.compile(r"\bmines?\b|\bmy (?:own|number|mobile|phone)\b", re.IGNORECASE)
_SENDS = re.compile(
    r"\b(?:send|e-?mail|forward|copy|cc)\s+(?:me |us )?(?:the|an?|it|that|this|those|them|my|our|all|copies|everything)\b[^.?!]{0,60}\b(?:to|at)\s*$",
    re.IGNORECASE,
)
_TO_ME = re.compile(r"\b(?:to me|to us|my (?:new )?(?:e-?mail|address))\b", re.IGNORECASE)
_OLD = re.compile(r"\b(?:old|previous|former|wrong|not my|no longer|used to be)\b", re.IGNORECASE)


def kept(code: str, text: str) -> bool:
    """Whether a code may be remembered: no payment card, IBAN or social security number."""
    bare = re.sub(r"[^A-Z0-9]", "", code)
    return (
        not (
            any(map(luhn, re.findall(r"\d+", bare)))
            or (_IBAN.fullmatch(bare) and len(bare) > 14)
            or _SSN.search(text)
        )
        and len(bare) <= 20
    )


@frozen
class Reference:
    """A code in a turn and what it is the number of."""

    code: spoken.Spoken
    kind: _Kind
    heard: Heard
    labelled: bool
    corrects: str = ""


def _heard_at(heards: Sequence[Heard], position: int) -> Heard | None:
    return next((heard for heard in heards if heard.clause.start <= position < heard.clause.end), None)


def references(heards: Sequence[Heard], text: str) -> list[Reference]:
    """The codes of one turn whose meaning is known; `text` is the plain text of the turn."""
    found: list[Reference] = []
    done: set[tuple[int, int]] = set()
    for heard in heards:
        start, end = heard.clause.sentence
        if (start, end) in done or not heard.clause.sound:
            continue
        done.add((start, end))
        for said in spoken.codes(text[start:end], short=True):
            code = spoken.Spoken(said.value, start + said.start, start + said.end)
            owner = _heard_at(heards, code.start)
            if owner is None or not kept(code.value, text[start:end]):
                continue
            before = text[start : code.start]
            if doubtful(text[start : owner.clause.start] + " ") or doubtful(
                text[owner.clause.start : code.start]
            ):
                continue
            if _DENIED.search(before[-40:]):
                for kind in {known.kind for known in found}:
                    owner.known.drop(_slot(kind, code.value))
                found = [known for known in found if known.code.value != code.value]
                for fact in owner.known.slots("order:") + owner.known.slots("ticket:"):
                    if fact.slot.endswith(f":{code.value}"):
                        owner.known.drop(fact.slot)
                continue
            read = _kind_of(text, code, owner, found)
            if read is not None:
                found.append(read)
    return found


def _kind_of(text: str, code: spoken.Spoken, heard: Heard, found: list[Reference]) -> Reference | None:
    start = heard.clause.sentence[0]
    before, after = text[max(start, code.start - 70) : code.start], text[code.end : code.end + 40]
    corrected = _CORRECTION.search(text[max(0, code.start - 45) : code.start]) is not None
    label = _LABEL.search(before)
    if label and not label["whose"] and not (label["to"] and not label["number"]):
        if (
            spoken.SHORT.fullmatch(code.value)
            and not label["number"]
            and before[label.end("noun") :].strip(" :,#")
        ):
            return None  # "my order is AA-1" may be the thing: right after the noun it is the number
        kind = _KINDS[label["noun"].lower()]
        older = _older(kind, code.value, heard, found) if corrected else ""
        return Reference(code, kind, heard, bool(label["number"]), older)
    if label:
        return None
    label = _LABEL_AFTER.match(after)
    if label and not heard.clause.question:
        return Reference(code, _KINDS[label["noun"].lower()], heard, True)
    if corrected:
        for known in reversed(found):
            if alike(known.code.value, code.value) >= 0.5 and known.code.value != code.value:
                return Reference(code, known.kind, heard, True, known.code.value)
        for kind in {kind.slot: kind for kind in _KINDS.values()}.values():
            older = _older(kind, code.value, heard, found)
            if older:
                return Reference(code, kind, heard, True, older)
    asked = [kind for noun, kind in _KINDS.items() if noun in heard.asked]
    bare = _BARE.match(text[start : code.start]) is not None
    if asked and bare and not (heard.clause.question and "?" in after):
        return Reference(code, asked[0], heard, True)
    if _NUMBER_IS.search(before):
        nouns = [match[0].lower() for match in re.finditer(rf"\b(?:{_NOUNS})\b", text[: code.start].lower())]
        if nouns and not re.search(r"\b(?:phone|mobile|cell|telephone)\b", before):
            return Reference(code, _KINDS[nouns[-1]], heard, True)
    return None


def _slot(kind: _Kind, code: str) -> str:
    return f"{kind.slot}:{code}" if kind.per_code else kind.slot


def _older(kind: _Kind, code: str, heard: Heard, found: list[Reference]) -> str:
    """The code said before that `code` puts right."""
    codes = [known.code.value for known in found if known.kind.slot == kind.slot]
    codes += [fact.slot.split(":", 1)[1] for fact in heard.known.slots(f"{kind.slot}:")]
    if not kind.per_code and (fact := heard.known.get(kind.slot)):
        codes.append(fact.value)
    return next((older for older in reversed(codes) if older != code and alike(older, code) >= 0.5), "")


_MY_OWN_CODE = re.compile(rf"\b(?:my|our) (?:own )?(?:{_NOUNS})\b", re.IGNORECASE)


def numbered(references: Sequence[Reference]) -> Iterator[Fact]:
    """The facts that the codes of a turn are, without the state of orders."""
    gone = {reference.corrects for reference in references if reference.corrects}
    for reference in references:
        kind, code, heard = reference.kind, reference.code.value, reference.heard
        if reference.corrects:
            heard.known.drop(_slot(kind, reference.corrects))
        if code in gone:
            continue
        confidence = 0.95 if reference.corrects else 0.9 if reference.labelled else 0.85
        span = (min(heard.clause.start, reference.code.start), max(heard.clause.end, reference.code.end))
        if span[1] - span[0] > 240:
            span = (max(span[0], reference.code.start - 80), min(span[1], reference.code.end + 40))
        if heard.behalf and not kind.per_code and not _MY_OWN_CODE.search(heard.clause.text):
            continue
        if reference.labelled and not heard.behalf:
            content = f"The caller's {kind.noun} number is {code}"
        else:
            content = f"The caller mentioned {kind.noun} {code}"
        yield heard.note(
            Category.FACTUAL, content, 7, _slot(kind, code), "mentioned" if kind.slot == "order" else code,
            confidence=confidence, changes=heard.changes if not kind.per_code else False, topic=kind.topic, span=span,
        )  # fmt: skip


# -- what is the matter with an order -------------------------------------------------

_STATES: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (value, content, re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE))
    for value, content, pattern in (
        ("wrong", "was wrong", r"the wrong (?:item|items|size|colou?r|thing|product|one|order|model|parcel)|(?:is|was|'s|got|received|sent|delivered) (?:completely |totally |me |us |just )*(?:the )?wrong"),
        ("damaged", "arrived damaged", r"(?:arrived|came|was|is|'s|were|are|turned up|got here|delivered)(?: (?:completely|all|totally|badly|really|just|here))* (?:damaged|broken|smashed|cracked|crushed|torn|soaked|in pieces|shattered|dented|ripped)"),
        ("late", "has not arrived", r"(?:hasn't|has not|haven't|have not|still not|never|didn't|did not|not yet|isn't here|is not here)(?: (?:even|yet|still|actually|been|really|ever))* (?:arrived?|come|came|delivered|show(?:n|ed)? up|turn(?:ed)? up|received?|here|got here|gotten|reached)|still (?:don't|do not) have|(?:don't|do not|haven't got) (?:have )?(?:it|them) yet|still (?:hasn't|not here|nothing|missing)|never (?:arrived|came|turned up|showed up|got here)|still waiting (?:for|on)|(?:i've|i have|been) (?:been )?waiting (?:for|on) (?:it|my)"),
        ("late", "is late", r"(?:is|'s|are) (?:(?:very|really|so|already|now|still|running|a bit|\w+ (?:days?|weeks?)|over a week) )*(?:late|delayed|overdue)"),
        ("missing", "is missing", r"(?:is|'s|are|went|has gone|was|got) (?:missing|lost|stolen)|got lost|(?:item|items|part|parts|piece|half|one|something) (?:is|are|was|were) missing"),
        ("returned", "was returned", r"i(?:'ve| have)? (?:already )?(?:returned|sent (?:it|that|them|the order|my order) back)"),
        ("cancelled", "was cancelled", r"i(?:'ve| have)? (?:already |just )?cancell?ed|(?:was|has been|'s been|got) cancell?ed"),
        ("arrived", "has arrived", r"(?:has|have|it's|'s|it|they|finally|just|order|parcel|package|delivery)(?: (?:finally|now|already|just|actually|has))* (?:arrived|turned up|been delivered|come through|showed up)"),
    )
)  # fmt: skip
_ORDER_NOUN = re.compile(
    r"\b(?P<whose>my|our|the|this|that|an|one|last|first)\s+(?P<what>(?:[a-z]+\s+)?)(?P<noun>orders?|parcel|package|delivery|shipment)\b",
    re.IGNORECASE,
)
_MY_ORDER = re.compile(
    r"\b(?:my|our)\s+(?:(?:last|latest|recent|new|online|second|first|christmas)\s+)?(?P<noun>order|parcel|package|delivery|shipment)\b",
    re.IGNORECASE,
)
_ORDERED = re.compile(r"\b(?:i|we)(?:'ve| have)? (?:just |recently |already )?ordered\b", re.IGNORECASE)
_MINE = re.compile(f"{_MY_ORDER.pattern}|{_ORDERED.pattern}", re.IGNORECASE)
_ANAPHORA = re.compile(
    r"^\W*(?:(?:and|but|so|because|well|yeah|now|actually|oh|which|i think|then|still|just|however|turns out|plus)\s+)*(?:it|it's|its|they|this|that|i|i've|i'm|we|we've|you|still|never|which|hasn't|was)\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\b(?:neighbou?r|friend|sister|brother|colleague|someone|somebody|other customers?|people)(?:'s|s')?\b|\b(?:his|her) (?:order|parcel|package)\b",
    re.IGNORECASE,
)
_WANTS_CANCEL = re.compile(
    r"\b(?:i(?:'d| would)? (?:want|like|need|have) to|i wanna|can (?:i|you)(?: please)?|could (?:i|you)(?: please)?|please) cancel\b",
    re.IGNORECASE,
)


def _state(heard: Heard) -> tuple[str, str, re.Match[str]] | None:
    clause = heard.clause
    if clause.question or not clause.sound or _OTHERS.search(clause.text):
        return None
    hits = []
    for rank, (value, content, pattern) in enumerate(_STATES):
        match = pattern.search(clause.text)
        if match and not doubtful(clause.before + clause.text[: match.start()]):
            if value in ("arrived", "cancelled", "returned", "damaged", "wrong", "missing") and re.search(
                r"\b(?:not|n't|never|nothing|isn't|wasn't|hasn't|didn't|until|before|when|once|will|should|would|about to|to be|supposed to)\b[^,]{0,20}$",
                clause.text[: match.end() - 1].lower()[:-3],
            ):
                continue
            hits.append((match.start(), rank, value, content, match))
    if not hits:
        return None
    _, _, value, content, match = min(hits, key=lambda hit: (hit[1], hit[0]))
    return value, content, match


def _recalled(heard: Heard) -> Fact | None:
    """The one order of this call, when the agent has just spoken of it."""
    standing = heard.known.slots("order:")
    if len(standing) != 1:
        return None
    spoken_of = rf"\b(?:order|parcel|package|delivery)\b|{re.escape(standing[0].slot[6:])}"
    return standing[0] if re.search(spoken_of, heard.agent, re.IGNORECASE) else None


def _told(order: str, content: str, partly: bool) -> str:
    return f"Something is missing from {order}" if partly else f"{order[0].upper()}{order[1:]} {content}"


def orders(heards: Sequence[Heard], references: Sequence[Reference], raw: str) -> Iterator[Fact]:
    """What is the matter with the orders of one turn, named by code or just "my order"."""
    gone = {reference.corrects for reference in references if reference.corrects}
    named = [
        reference
        for reference in references
        if reference.kind.slot == "order" and reference.code.value not in gone
    ]
    stated = False
    spoken_of = False
    recalled = _recalled(heards[0]) if heards and not named else None
    for heard in heards:
        clause = heard.clause
        own = [reference for reference in named if clause.start <= reference.code.start < clause.end]
        noun = _ORDER_NOUN.search(clause.text)
        spoken_of = spoken_of or bool(own or noun or recalled or _ORDERED.search(clause.text))
        read = _state(heard)
        if read is None:
            wants = _WANTS_CANCEL.search(clause.text)
            if wants and clause.sound and own and not doubtful(clause.before):
                yield heard.note(
                    Category.ISSUE, f"The caller asked to cancel order {own[0].code.value}", 7, f"order:{own[0].code.value}", "mentioned",
                    topic="your order", changes=False,
                )  # fmt: skip
            continue
        value, content, match = read
        if not (own or noun or (_ANAPHORA.match(clause.text) and spoken_of)):
            continue
        earlier = [reference for reference in named if reference.code.start < clause.end]
        target = (
            own[-1] if own else earlier[-1] if earlier else named[0] if named and len(named) == 1 else None
        )
        what_was = re.search(
            r"\bwrong (item|size|colou?r|product|order|model|parcel)s?\b", clause.text, re.IGNORECASE
        )
        if content == "was wrong" and what_was:
            what = what_was[1].lower()
            content = f"{'had' if what in ('size', 'color', 'colour', 'model') else 'was'} the wrong {what}"
        part = re.search(
            r"\b(?:items?|parts?|pieces?|half|one|something)\b.*\bmissing\b", clause.text, re.IGNORECASE
        )
        partly = value == "missing" and part is not None
        if value == "cancelled" and not (own or noun):
            continue
        if target is None and recalled is not None and not (noun and not _MY_ORDER.search(clause.text)):
            stated = True
            yield heard.note(
                Category.ISSUE if value not in ("arrived", "returned", "cancelled") else Category.FACTUAL,
                _told(f"order {recalled.slot[6:]}", content, partly), 7, recalled.slot, value,
                changes=value in ("arrived", "cancelled", "returned"), topic="your order", span=heard.span(match),
            )  # fmt: skip
        elif target is not None:
            left, right = (
                min(target.heard.clause.start, clause.start),
                max(target.heard.clause.end, clause.end, target.code.end),
            )
            if right - left > 270:
                left, right = clause.start, clause.end
            stated = True
            yield heard.note(
                Category.ISSUE if value not in ("arrived", "returned", "cancelled") else Category.FACTUAL,
                _told(f"order {target.code.value}", content, partly), 7, f"order:{target.code.value}", value,
                changes=value in ("arrived", "cancelled", "returned"), topic="your order", span=(left, right),
            )  # fmt: skip
        elif (mine := _MY_ORDER.search(clause.text)) or (
            spoken_of and not stated and any(_MINE.search(other.clause.text) for other in heards)
        ):
            what = mine["noun"].lower() if mine else "order"
            stated = True
            topic = "your delivery" if what in ("delivery", "parcel", "package") else "your order"
            yield heard.note(
                Category.ISSUE if value not in ("arrived", "returned", "cancelled") else Category.FACTUAL,
                _told(f"the caller's {what}", content, partly), 7, "problem:order", value,
                changes=value in ("arrived", "cancelled", "returned"), topic=topic, span=heard.span(match),
            )  # fmt: skip


_PART = re.compile(
    r"(?:^|[,.:;]|\bno\b|\bit's\b|\bis\b|\bsorry\b)\s*(?P<new>[^,.;:]{2,60}?),?\s+(?:and )?not\s+(?P<old>[^,.;:!?]{2,60})",
    re.IGNORECASE,
)


def partly_corrected(heard: Heard, text: str) -> Iterator[Fact]:
    """ "No, XYZ, not XYC" puts right a part of a code that was said before."""
    for match in _PART.finditer(text):
        new, old = (re.sub(r"[^A-Z0-9]", "", spoken.squash(match[group]).upper()) for group in ("new", "old"))
        new = new.removeprefix("NO").removeprefix("ITS")
        if not (2 <= len(old) <= 10 and abs(len(new) - len(old)) <= 1 and new != old):
            continue
        for kind in {kind.slot: kind for kind in _KINDS.values()}.values():
            known = (
                heard.known.slots(f"{kind.slot}:")
                if kind.per_code
                else [fact for fact in [heard.known.get(kind.slot)] if fact]
            )
            for fact in known:
                code = fact.slot.split(":", 1)[1] if kind.per_code else fact.value.upper()
                if old in code and new not in code:
                    right = code.replace(old, new)
                    heard.known.drop(fact.slot)
                    yield heard.note(
                        fact.category, fact.content.replace(code, right), fact.importance, _slot(kind, right),
                        right if not kind.per_code else fact.value if fact.value != code else right,
                        confidence=0.95, changes=False, topic=fact.topic,
                    )  # fmt: skip
                    return


# -- e-mail and phone --------------------------------------------------------------------


def emails(heard: Heard, text: str, at: int) -> Iterator[Fact]:
    """The caller's e-mail address in a sentence that begins at `at` of the turn."""
    found = spoken.emails(text)
    if not found or _SPEAKS_OF_OTHERS.search(text):
        return
    about = (
        re.search(r"\be-?mail\b|\baddress\b|\bsend\b|\breach me\b", text, re.IGNORECASE)
        or "email" in heard.asked
    )
    good = []
    for address in found:
        before = text[: address.start]
        bare = _BARE.match(before)
        local = address.value.split("@")[0]
        if not (
            "@" in text[address.start : address.end]
            or about
            or (bare and re.search(r"[._\d-]", local))
            or bare
        ):
            continue
        near = heard.raw[max(0, at + address.start - 120) : at + address.start]
        if _ANOTHERS.search(f"{near} {text[address.end : address.end + 30]}") or (
            "email" not in heard.asked and _SENDS.search(before) and not _TO_ME.search(before)
        ):
            continue
        if re.search(
            r"\b(?:not|old|previous|used to be|isn't|instead of)\s+(?:\w+\s+){0,3}$", before, re.IGNORECASE
        ) or doubtful(before):
            continue
        if re.search(
            r"\b(?:your|from|wrote|write|writing|emailed|e-mailed|contacted|sent)\s+(?:\w+\s+){0,2}$",
            before,
            re.IGNORECASE,
        ):
            continue
        good.append(address)
    if good:
        last = good[-1]
        answered = "email" in heard.asked
        yield heard.note(
            Category.FACTUAL, f"The caller's e-mail address is {last.value}", 7, "email", last.value,
            confidence=0.9 if about or answered else 0.75, span=(at + last.start, at + last.end) if len(text) > 240 else (at, at + len(text)),
            changes=_changes(text),
        )  # fmt: skip


def _changes(text: str) -> bool:
    return (
        re.search(r"\b(?:new|changed|now|no longer|any ?more|instead|switched)\b", text, re.IGNORECASE)
        is not None
    )


def phones(heard: Heard, text: str, at: int, region: str) -> Iterator[Fact]:
    """The caller's phone number in a sentence that begins at `at` of the turn."""
    about = re.search(
        r"\b(?:phone|mobile|cell|telephone|landline)\b|\b(?:call|reach|ring|text|phone) me\b|\bmy (?:new |other )?number\b|\bcontact number\b|\bcallback\b",
        text,
        re.IGNORECASE,
    )
    if not (about or "phone" in heard.asked) or _SPEAKS_OF_OTHERS.search(text):
        return
    if about is None and re.search(rf"\b(?:{_NOUNS})\b", text, re.IGNORECASE):
        return
    for number in reversed(spoken.numbers(text, 7)):
        before = text[: number.start]
        if len(number.value.lstrip("+")) > 15 or luhn(number.value) or (_LABEL.search(before[-70:])):
            continue
        if (
            re.search(r"\bnot\s+(?:\w+\s+){0,2}$", before, re.IGNORECASE)
            or (_OLD.search(before[-40:]) and not _NEW_ONE.search(before[-24:]))
            or (_ANOTHERS.search(before[-60:]) and not _MY_OWN.search(before[-30:]))
            or _IS_ANOTHERS.match(text[number.end : number.end + 60])
            or doubtful(before)
        ):
            continue
        value = _put_right(e164(number.value, region), text[number.end :], region)
        if not value:
            heard.known.drop("phone")
            return
        yield heard.note(
            Category.FACTUAL, f"The caller's phone number is {value}", 7, "phone", value,
            span=(at, at + len(text)) if len(text) <= 240 else (at + max(0, number.start - 60), at + number.end), changes=_changes(text),
        )  # fmt: skip
        return


_LEAD = (
    r"\W*(?:(?:oh|um|uh|ah|hang on|hold on)\b\W*)*"
    r"(?:(?:no|nope|sorry|wait|actually|i mean|correction|scratch that|make that|rather|my mistake|my bad|apologies)\b\W*)+"
)
_PUT_RIGHT = re.compile(
    rf"{_LEAD}(?:(?:it's|it is|its|it was|that's|that is|it should be|should be|i meant|the number is|my number is|the right one is|yes|yeah|sorry|and|"
    r"(?P<tail>it ends (?:in|with)|ends in|ending in|ending|(?:it's )?(?:the )?last (?:\w+ )?(?:digits?|numbers?|ones|part|bit)(?: (?:is|are|should be))?))\b\W*)*$",
    re.IGNORECASE,
)
_ONLY_LEAD = re.compile(_LEAD, re.IGNORECASE)
_AT_THE_END = re.compile(r"\W*(?:at|in) the end\b", re.IGNORECASE)
_AND_NO_MORE = re.compile(
    r"\W*(?:(?:at|in) the end\b\W*)?(?:(?:please|thanks|thank you|sorry|not|is|right|that's (?:it|right|the one))\b\W*)*(?:\d[\d ()-]*\W*)?$",
    re.IGNORECASE,
)
_WAS_WRONG = re.compile(
    rf"{_LEAD}(?:that's|that is|that was|it's|this is|i gave you)\W+(?:\w+\W+){{0,2}}?(?:wrong|incorrect|not (?:right|it|my|the|correct)|old|previous)\b",
    re.IGNORECASE,
)


def _put_right(number: str, after: str, region: str) -> str:
    """The phone number once the words after it have put it right, or "" when it is not sure which one is."""
    if _WAS_WRONG.match(after):
        return ""
    said = next(iter(spoken.numbers(after[:300], 2)), None)
    lead = _PUT_RIGHT.match(after[: said.start]) if said else None
    if said is None or lead is None or not _AND_NO_MORE.match(after[said.end :]):
        return number
    digits = said.value.lstrip("+")
    if len(digits) >= 7:
        again = e164(said.value, region)
        known = len(digits) <= 15 and not luhn(digits)
        return again if known and alike(number.lstrip("+"), again.lstrip("+")) >= 0.5 else ""
    last = lead["tail"] or _AT_THE_END.match(after[said.end :])
    if last or (len(digits) >= 3 and _differing(number[-len(digits) :], digits) <= len(digits) / 2):
        return number[: -len(digits)] + digits
    return ""


def _differing(one: str, other: str) -> int:
    return sum(left != right for left, right in zip_longest(one, other))


def begins_to_put_right(text: str) -> bool:
    """Whether a sentence is nothing but "no wait", with what is right in the next one."""
    return _ONLY_LEAD.fullmatch(text) is not None


def phone_put_right(heard: Heard, text: str, at: int, region: str, *, elsewhere: bool) -> Iterator[Fact]:
    """ "No wait, 202 555 0144" and "sorry, 0144" put right the phone number said just before.

    When the agent asked for something else meanwhile (`elsewhere`), digits unlike it may be the answer to that.
    """
    known = heard.known.get("phone")
    if known is None:
        return
    value = _put_right(known.value, text, region)
    if elsewhere and value and _differing(value, known.value) > 1:
        heard.known.drop("phone")  # put right, or an answer to the agent: nobody knows
    elif not value and not elsewhere:
        heard.known.drop("phone")
    elif value and value != known.value:
        start = heard.raw.find(known.quote) if known.turn == heard.clause.turn else -1
        start = start if start >= 0 and at + len(text) - start <= 240 else at
        yield heard.note(
            Category.FACTUAL, f"The caller's phone number is {value}", 7, "phone", value,
            confidence=0.9, span=(start, at + len(text)), changes=known.changes,
        )  # fmt: skip


def e164(digits: str, region: str) -> str:
    """The number as E.164 when it can be one, else its digits."""
    try:
        parsed = phonenumbers.parse(digits, region or None)
    except phonenumbers.NumberParseException:
        return digits
    if not phonenumbers.is_possible_number(parsed):
        return digits
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
