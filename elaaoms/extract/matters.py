"""Hear what is open between caller and company: problems, complaints, promises and appointments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime

from attrs import evolve

from elaaoms.extract import dates
from elaaoms.extract.clauses import doubtful, plain, sentences
from elaaoms.extract.heard import Heard, topic_of
from elaaoms.extract.words import RELATIONS, vocabulary
from elaaoms.memory import Category, Fact

# -- problems -----------------------------------------------------------------------------

_NOUN = r"(?P<whose>my|our|the)\s+(?P<noun>(?:[a-z][a-z-]{1,16}\s+){0,2}?[a-z][a-z-]{1,16})"
_STATES = (
    ("not working", r"(?:isn't|is not|'s not|aren't|are not|hasn't been|has not been|not) (?:\w+ly |even |actually )?working|doesn't work|does not work|don't work|stopped working|has stopped working|won't work|never works|keeps? (?:breaking|failing|crashing)|(?:won't|doesn't|will not|wouldn't) (?:turn on|switch on|start|charge|connect|open|load|boot|print|heat up)"),
    ("broken", r"(?:is|'s|are|has|got|has been)(?: \w+ly| completely| just| already)? (?:broken|broke|cracked|smashed|faulty|defective|dead)|broke(?: down)?|has broken(?: down)?|is bust"),
    ("leaking", r"(?:is|'s|are|has been|keeps?|started)(?: \w+ly)? leaking|leaks"),
    ("down", r"(?:is|'s|has been|went|keeps going|goes) (?:\w+ly |still )?down"),
    ("slow", r"(?:is|'s|has been|gets)(?: (?:really|very|so|extremely|incredibly|painfully|too))* slow"),
    ("dropping", r"(?:keeps?|is|'s) (?:dropping(?: out)?|cutting out|disconnecting|freezing|losing signal)"),
    ("making a noise", r"(?:is|'s|keeps?|started) making (?:a |an |this |some )?(?:\w+ )?(?:noise|noises|sound)"),
    ("blocked", r"(?:is|'s|has been|got|was)(?: \w+ly)? (?:blocked|locked|suspended|frozen)"),
)  # fmt: skip
_STATE_PHRASES = {
    "not working": "is not working", "broken": "is broken", "leaking": "is leaking", "down": "is down", "slow": "is slow",
    "dropping": "keeps dropping out", "making a noise": "is making a noise", "blocked": "is blocked",
}  # fmt: skip
_PROBLEMS = tuple(
    (
        value,
        re.compile(
            rf"\b{_NOUN}(?:\s+(?:still|just|also|has|suddenly|now|always|really))*\s*\b(?:{pattern})\b(?P<rest>.{{0,16}})",
            re.IGNORECASE,
        ),
    )
    for value, pattern in _STATES
)
_NOT_THINGS = vocabulary(
    """back heart leg arm foot hand head hip knee ankle wrist finger toe nose tooth teeth neck shoulder voice
    marriage english brain mind soul life world economy system government line agent bot thing things one ones
    it that this he she they man woman guy person people company service team time day week month year market
    app's same way rest reason problem issue other whole who which what i you we and or but because so when if
    is was not of for in on at to with from than song money price work job today yesterday promise"""
)
_NO_SUBJECT = re.compile(
    r"(?:\bnot|n't|\bwas|\bwere|\b(?:by|in|on|at|near|to|of|from|behind|under|above|below|beside|outside|inside|opposite))\s*$",
    re.IGNORECASE,
)
_FIXED = re.compile(
    rf"\b{_NOUN}(?:\s+(?:now|finally|just|already))*\s*\b(?:is working(?: now| again| fine)|works (?:now|again|fine now)|is (?:fixed|back|back up|repaired|resolved)(?: now| again)?|has been (?:fixed|repaired|resolved)|got fixed|was fixed|is fine now)\b",
    re.IGNORECASE,
)
_SOLVED = re.compile(
    r"\b(?:it|that|everything|oh it|its|thats)(?:'s| is| has| just)? (?:(?:come|came|gone) back(?: on| up)?|working(?: now| again)|works(?: now| again)?(?: fine)?|fixed(?: it| now)?|sorted(?: now)?|did (?:it|the trick)|worked|solved it|resolved(?: now)?|back (?:on|up)(?: now)?|been (?:fixed|resolved|sorted))\b(?! out\b)",
    re.IGNORECASE,
)
_COMPLAINTS: tuple[tuple[re.Pattern[str], str, str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), content, slot, value)
    for pattern, content, slot, value in (
        (r"\b(?:i(?:'ve| have)? (?:been|was|got) |i see i was |you(?:'ve| have)? |they(?:'ve| have)? )(?:charged|billed|debited)(?: me| us)? twice\b|\bi(?:'ve| have)? (?:been|was|got) double[- ](?:charged|billed)\b|\bi(?:'ve| have)? been (?:charged|billed) double\b", "The caller was charged twice", "problem:charge", "charged twice"),
        (r"\b(?:i(?:'ve| have)? (?:been|was|got)|you(?:'ve| have)?|they(?:'ve| have)?) overcharged\b|\b(?:i(?:'ve| have)? (?:been|was)) charged too much\b", "The caller was overcharged", "problem:charge", "overcharged"),
        (r"\b(?:my|the) (?:bill|invoice) is (?:wrong|incorrect|too high|far too high|way too high|not right)\b", "The caller's bill is wrong according to them", "problem:bill", "disputed"),
        (r"\b(?:i (?:haven't|have not|still haven't|never|didn't|did not)|haven't|i've not|i have still not)(?: yet| even)? (?:received?|got|gotten|had|get|seen) (?:my|the|any) refund\b|\b(?:my|the) refund (?:hasn't|has not|never|still hasn't) (?:arrived|come|come through|been paid|came)\b|\bstill waiting (?:for|on) (?:my|the|a) refund\b", "The caller has not received their refund", "problem:refund", "not received"),
        (r"\bi(?:'d| would)? (?:want|like|need|demand)(?: to (?:get|have|request))? (?:a |my |the )(?:full |partial |complete )?(?:refund|money back)\b", "The caller asked for a refund", "problem:refund", "requested"),
        (r"\bi(?:'d| would)? (?:want|like|need|demand)(?: to (?:get|have|request))? (?:a |my |the )(?:new |free )?replacement\b", "The caller asked for a replacement", "problem:replacement", "requested"),
        (r"\b(?:i(?:'d| would)? (?:want|like|need|have) to|i wanna|i'm calling to|can you|could you|please) (?:please )?cancel (?:my|our|the) (?:\w+ )?(?P<thing>subscription|membership|contract|account)\b", "The caller asked to cancel their {thing}", "subscription:{thing}", "cancel requested"),
        (r"\bi (?:can't|cannot|can not|couldn't|am unable to|'m unable to|still can't) (?:log ?in|log into|get into|access|sign in|sign into)\b(?: to)?(?: (?:my|the) (?P<what>account|app|portal|website))?", "The caller cannot log in", "problem:login", "not working"),
        (r"\b(?:we|i) (?:have|'ve got|have got|haven't got any|don't have any|have had|got) (?:no|any) (?P<thing>hot water|heating|internet|electricity|power|water|signal|wi-?fi)\b", "The caller has no {thing}", "problem:{thing}", "none"),
        (r"\bthe (?P<thing>technician|engineer|plumber|driver|courier|delivery man|repairman) (?:never|didn't|did not|hasn't) (?:came|come|show up|showed up|turn up|turned up|arrived|shown up|arrive)\b", "The {thing} did not come", "problem:{thing}", "no-show"),
    )
)  # fmt: skip
_SUBSCRIPTION = re.compile(
    r"\bi(?:'ve| have)? (?:already |just )?cancell?ed my (?P<what>[a-z]+ )?(?P<noun>subscription|membership|contract|policy|account|insurance)\b",
    re.IGNORECASE,
)


def problems(heard: Heard) -> Iterator[Fact]:
    """What does not work, or works again."""
    text = heard.clause.text
    fixed = next(heard.matches(_FIXED), None)
    if fixed and (noun := _thing(fixed["noun"])) and noun not in ("order", "parcel", "package"):
        known = heard.known.get(f"problem:{noun}")
        owner = "The caller's" if fixed["whose"].lower() != "the" else "The"
        yield heard.note(
            Category.ISSUE,
            f"{owner} {noun} is working again",
            5,
            f"problem:{noun}",
            "resolved",
            changes=True,
            topic=known.topic if known else topic_of(noun),
        )
        return
    for value, pattern in _PROBLEMS:
        match = next(heard.matches(pattern), None)
        if match is None:
            continue
        noun = _thing(match["noun"])
        if noun is None or (re.match(r"\s+(?:in|into|to)\b", match["rest"]) and value in ("broken", "down")):
            continue
        if _NO_SUBJECT.search(text[: match.start()]) or re.search(r"\bwas\b|\bhad\b", match[0]):
            continue
        mine = match["whose"].lower() != "the"
        owner = "The caller's" if mine else "The caller reported that the"
        yield heard.note(
            Category.ISSUE, f"{owner} {noun} {_state_phrase(value, match[0])}", 7, f"problem:{noun}", value,
            changes=False, topic=topic_of(noun), span=heard.span(match),
        )  # fmt: skip
        break
    for pattern, template, slots, value in _COMPLAINTS:
        match = next(heard.matches(pattern), None)
        if match is None or re.search(r"(?:not|n't|never)\s*$", text[: match.start()]):
            continue
        thing = (match.groupdict().get("thing") or "").lower()
        content, slot = template.format(thing=thing), slots.format(thing=thing)
        topic = topic_of(match[0]) or {"problem:charge": "your invoice", "problem:login": "your account"}.get(
            slot, ""
        )
        yield heard.note(
            Category.ISSUE, content, 7, slot, value, changes=False, topic=topic, span=heard.span(match)
        )
    for match in heard.matches(_SUBSCRIPTION):
        what = f"{match['what'] or ''}{match['noun']}".lower()
        yield heard.note(
            Category.FACTUAL,
            f"The caller cancelled their {what}",
            6,
            f"subscription:{what}",
            "cancelled",
            changes=True,
            topic=topic_of(what),
        )


def _state_phrase(value: str, said: str) -> str:
    refuses = re.search(
        r"\b(?:won't|doesn't|will not|wouldn't) (turn on|switch on|start|charge|connect|open|load|boot|print|heat up)\b",
        said,
        re.IGNORECASE,
    )
    keeps = re.search(
        r"\bkeeps? (breaking|failing|crashing|freezing|disconnecting|cutting out)\b", said, re.IGNORECASE
    )
    if keeps:
        return f"keeps {keeps[1].lower()}"
    if re.search(r"\bdead\b", said, re.IGNORECASE):
        return "is dead"
    return f"does not {refuses[1].lower()}" if refuses else _STATE_PHRASES[value]


def solved(heard: Heard) -> Iterator[Fact]:
    """ "It works now" closes the one problem of this call."""
    match = next(heard.matches(_SOLVED), None)
    if match is None or re.search(
        r"\b(?:not|n't|never|hope|until|thought|once|when|doesn't)\b",
        heard.clause.text[: match.end()],
        re.IGNORECASE,
    ):
        return
    open_ones = [
        fact
        for fact in heard.known.slots("problem:")
        if fact.value not in ("resolved", "requested", "not received", "arrived")
    ]
    if len(open_ones) > 1:
        for fact in open_ones:  # some of them work again, and nobody knows which
            if fact.value in _STATE_PHRASES:
                heard.known.drop(fact.slot)
    if len(open_ones) == 1:
        problem = open_ones[0]
        noun = problem.slot.removeprefix("problem:")
        if noun in ("order", "charge", "bill", "login"):
            return
        yield heard.note(
            Category.ISSUE,
            f"The caller's {noun} is working again",
            5,
            problem.slot,
            "resolved",
            changes=True,
            topic=problem.topic,
        )


def _thing(words: str) -> str | None:
    """The noun of a thing that may be out of order."""
    parts = words.lower().split()
    while parts and parts[0] in (
        "new",
        "old",
        "whole",
        "entire",
        "poor",
        "damn",
        "bloody",
        "stupid",
        "fucking",
    ):
        parts.pop(0)
    if (
        not parts
        or set(parts) & _NOT_THINGS
        or parts[-1] in RELATIONS
        or any(part in RELATIONS for part in parts)
    ):
        return None
    if parts[-1] in ("really", "still", "just", "has", "order", "parcel", "package"):
        return None
    return " ".join(parts)


# -- promises of the agent ------------------------------------------------------------------

_ACCEPTS = re.compile(
    r"^\W*(?:(?:oh|ah|well|okay|ok|so|and|wow|um|uh|alright|all right|right)\b[\s,.!]*)*(?:yes|yeah|yep|yup|sure|okay|ok|great|perfect|lovely|brilliant|wonderful|excellent|fantastic|"
    r"thanks|thank you|cheers|that works|works for me|that'?s (?:fine|great|perfect|good|wonderful|lovely|ok|okay|kind|alright|very kind|brilliant|amazing)|that (?:would be|sounds|will be|is|'d be) (?:\w+ )?(?:great|good|fine|perfect|lovely|helpful|wonderful)|"
    r"sounds (?:good|great|perfect|fine|lovely)|good|awesome|please do|cool|alright|all right|amazing|fine|absolutely|much appreciated|i appreciate)\b",
    re.IGNORECASE,
)
_BUT = re.compile(
    r"\b(?:but|no|not|however|instead|wait|actually|rather|don't|can't|won't|too late|whatever|yeah right|again|last time|heard that|believe|another|as usual|sure you will|if you|never|already said)\b",
    re.IGNORECASE,
)
_THEN_NOT = re.compile(
    r"\s*(?:but|actually|no|wait|however|except|only|if|don't|i don't|i'd rather|whatever)\b", re.IGNORECASE
)
_COMMITS = re.compile(
    r"\b(?P<how>i'll|i will|we'll|we will|i'm going to|we're going to|we are going to|i am going to|i promise to|we can|i can)\s+(?:(?:also|gladly|happily|then|personally|make sure to|be sure to|go ahead and|certainly|definitely|be happy to|arrange to|have to|just|immediately)\s+)*"
    r"(?P<verb>send|e-?mail|call|refund|replace|ship|issue|arrange|schedule|credit|escalate|forward|text|waive|deliver|mail|post|repair|fix|dispatch|ring|phone|cancel|extend|upgrade|reimburse|resend|organise|organize)\b(?P<rest>[^.!?;]{0,160})",
    re.IGNORECASE,
)
_AT_ONCE = re.compile(
    r"\b(?:transfer|put you through|pass you|connect you|right now|while you wait|on the line|now\b(?! and))",
    re.IGNORECASE,
)
_CUT = re.compile(
    r",?\s+(?:and (?:then )?(?=i\b|i'll|we|you|it|that|the|they)|so (?:that )?(?=you|i|we|they)|but|because|which|once|after you|as soon as|where you|anything else)\b.*$|\s+(?:is|are|does|do|did|would|will|can|could|shall|should|was|has|have|may|might)\s+(?:that|the|this|it|your|you|there|i|we|my)\b.*$|\s+[-–—]\s+.*$|,\s+(?:is|does|would|okay|ok|alright|right|how|sound|if that).*$",
    re.IGNORECASE,
)
_DITRANSITIVE = re.compile(
    r"^\s*(?:you|over to you)\s+(?=(?:a|an|the|your|some|another|our|two|three|all|details|confirmation|instructions|new)\b)",
    re.IGNORECASE,
)
_PAST_PARTICIPLE = {"send": "send"}
_OBJECT_STOP = vocabulary(
    """a an the your you some our to for by on at in with another new of and it this that caller their"""
)


def third_person(text: str) -> str:
    """The agent's words to the caller, told about the caller."""
    swaps = (
        (r"\byourself\b", "themselves"), (r"\byour\b", "the caller's"), (r"\byou're\b", "the caller is"), (r"\byou've\b", "the caller has"),
        (r"\b(to|for) you\b", r"\1 the caller"), (r"\byou\b", "the caller"), (r"\bmy\b", "the agent's"), (r"\bme\b", "the agent"), (r"\bour\b", "the company's"), (r"\bus\b", "the company"),
    )  # fmt: skip
    for pattern, replacement in swaps:
        text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
    return text


def accepts(text: str) -> bool:
    """Whether a caller's turn takes up what the agent has just offered."""
    spans = sentences(text)
    if not spans or not _ACCEPTS.match(text):
        return False
    first = text[slice(*spans[0])][:160]
    second = text[slice(*spans[1])] if len(spans) > 1 else ""
    return not (first.rstrip().endswith("?") or _BUT.search(first) or _THEN_NOT.match(second))


def objects(text: str) -> bool:
    """Whether a caller's turn has something against what the agent has just said."""
    return _OBJECTS.search(text[:200]) is not None


_OBJECTS = re.compile(
    r"\b(?:no|not|wait|hold on|hang on|actually|sorry|can't|cannot|wrong|isn't|didn't|don't want|instead|rather|but)\b",
    re.IGNORECASE,
)


def promises(heard: Heard, turn: int, raw: str) -> Iterator[Fact]:
    """What the agent committed to in turn `turn`, which the caller accepted."""
    text = plain(raw)
    for start, end in sentences(text):
        sentence = text[start:end]
        match = _COMMITS.search(sentence)
        if (
            match is None
            or doubtful(sentence[: match.start()])
            or _AT_ONCE.search(sentence)
            or re.search(r"\b(?:if|unless|once|whether)\b", sentence, re.IGNORECASE)
        ):
            continue
        offered = match["how"].lower() in ("i can", "we can")
        if (
            sentence.rstrip().endswith("?")
            and not offered
            and not re.search(
                r",\s*(?:ok|okay|alright|all right|right|is that|does that|would that)\b",
                sentence,
                re.IGNORECASE,
            )
        ):
            continue
        rest = _CUT.sub("", match["rest"]).rstrip(" ,?")
        verb = match["verb"].lower()
        if verb in ("call", "phone", "ring", "text", "refund", "email", "e-mail") and re.match(
            r"\s*you\b", rest, re.IGNORECASE
        ):
            rest = rest if verb in ("refund", "text", "email", "e-mail") else re.sub(r"^\s*you\b", " ", rest)
            if verb in ("call", "phone", "ring") and not rest.strip().startswith("back"):
                rest = " the caller" + rest
        elif verb in ("send", "issue", "post", "mail", "ship", "resend", "email", "e-mail", "credit"):
            rest = _DITRANSITIVE.sub(" ", rest)
        if not rest.strip() or (
            re.search(
                r"\b(?:something|anything|that|what|how|which|it|this|them|those|these|him|her|his|their)\b",
                rest,
                re.IGNORECASE,
            )
            and not re.search(r"\b(?:you back|that (?:is|was))\b|^\s*(?:the caller )?back\b", rest)
        ):
            if not re.match(r"\s*(?:it|this|that|them)\b", rest) or verb not in (
                "replace",
                "fix",
                "repair",
                "resend",
            ):
                continue
            continue
        due = dates.resolve(rest, heard.now) if heard.now else []
        told = dates.absolute(third_person(rest), heard.now)
        if told is None:
            continue
        told = " ".join(told.split())
        if len(told) > 180:
            continue
        key = " ".join(
            [
                verb,
                *[
                    word
                    for word in re.findall(r"[a-z'-]+", (rest[: due[0].start] if due else rest).lower())
                    if word not in _OBJECT_STOP
                ][:3],
            ]
        )
        lead = "The agent offered to" if offered else "The agent promised to"
        tail = ", and the caller accepted" if offered else ""
        fact = heard.note(
            Category.ISSUE, f"{lead} {verb} {told}{tail}", 7, f"promise:{key}", due[0].date.isoformat() if due else "open",
            confidence=0.75 if offered else 0.9, changes=False, topic=topic_of(f"{verb} {rest}") or _open_topic(heard), event_date=due[0].date if due else None,
        )  # fmt: skip
        yield _quoted(fact, turn, raw, start, end)


def _open_topic(heard: Heard) -> str:
    return next((fact.topic for fact in reversed(heard.known.slots("problem:")) if fact.topic), "")


def _quoted(fact: Fact, turn: int, raw: str, start: int, end: int) -> Fact:
    return evolve(fact, turn=turn, quote=raw[start:end].strip()[:280])


# -- appointments --------------------------------------------------------------------------

_NOUNS = r"appointment|booking|reservation|check-?up|consultation|lesson|viewing|interview|delivery slot|table|room"
_HAVE = re.compile(
    rf"\b(?:i|we)(?:'ve| have|'ve got| have got| got| already have)(?: already)?(?: booked| made| scheduled)? (?:an? |my |our |the )(?:\w+ ){{0,2}}?(?P<noun>{_NOUNS})\b|\b(?:i|we) (?:booked|made|scheduled|reserved) (?:an? |my |our |the )(?:\w+ ){{0,2}}?(?P<made>{_NOUNS})\b|\b(?:my|our) (?:\w+ )?(?P<mine>{_NOUNS})(?:'s| is| will be)(?! (?:late|cancelled|wrong))",
    re.IGNORECASE,
)
_CANCELS = re.compile(
    rf"\b(?:i(?:'d| would)? (?:need|want|like|have) to|i'm calling to|calling to|i wanted to|can i|could i|can you|could you|please) (?:please )?(?P<verb>cancel|reschedule|move|change|rebook) (?:my|our|the) (?:\w+ )?(?P<noun>{_NOUNS})\b",
    re.IGNORECASE,
)
_WITH = re.compile(r"\bwith (?P<who>(?:Dr\.?|Doctor|Mr\.?|Mrs\.?|Ms\.?) [A-Z][a-z'-]+)")
_FOR_WHOM = re.compile(
    r"\b(?:booked|scheduled|put|got) (?!You\b|I\b|The\b)(?P<who>[A-Z][a-z'-]+) (?:in|down)\b"
)
_FOR_NAME = re.compile(r"\b[Bb]ooked,? (?:in )?(?:for )?(?P<who>[A-Z][a-z'-]+) (?:on|for|at|in)\b")
_NO_PERSON = re.compile(
    r"(?:\w+day|january|february|march|april|may|june|july|august|september|october|november|december|today|tomorrow|the|you)$",
    re.IGNORECASE,
)
_BOOKED = re.compile(
    r"\b(?:you're|you are|i've|i have|we've|we have|i'll|i will|we'll|you are now|that's|that is|your (?P<noun>appointment|booking|reservation|lesson|table|room|visit|check-?up) (?:is|has been))\s+(?:(?:now|all|just|got|go ahead and)\s+)*"
    r"(?P<verb>booked|scheduled|confirmed|reserved|moved|rescheduled|put|down|set|book|schedule|reserve|move|reschedule|changed|made|see you)\b(?P<rest>[^!?]{0,140})",
    re.IGNORECASE,
)
_BOOKED_BARE = re.compile(
    r"^\W*(?:(?:okay|ok|great|lovely|perfect|all|right|so|then|thank you|thanks|done|that's)\b[\s,.–—-]*)*(?P<verb>booked|confirmed|moved|rescheduled|see you)\b(?P<rest>[^!?]{0,140})",
    re.IGNORECASE,
)
_GIVES_UP = re.compile(
    rf"\b(?:can't|cannot|can not|won't be able to|not going to|not able to|unable to)\s+(?:make|come|get there|manage|attend|be there|keep)\b"
    rf"|\b(?:move|change|cancel|rearrange|reschedule|rebook|postpone|put off|push back|swap|shift)\s+(?:it|that|this|them|(?:my|the|our)\s+(?:\w+\s+)?(?:{_NOUNS}))\b",
    re.IGNORECASE,
)
_OTHERS_TURN = re.compile(r"\b(?:him|her|them|his|their|he's|she's|they're)\b", re.IGNORECASE)
_DELIVERY = re.compile(
    r"\bdeliver(?:y|ed)|parcel|package|order\b|call ?back|technician|engineer|replacement|refund",
    re.IGNORECASE,
)


def appointments(heard: Heard) -> Iterator[Fact]:
    """Appointments the caller has, or asks to change."""
    text = heard.clause.text
    cancels = next(heard.matches(_CANCELS), None)
    if cancels and not heard.behalf:
        noun, verb = cancels["noun"].lower(), cancels["verb"].lower()
        when = dates.resolve(text, heard.now) if heard.now else []
        day = f" on {when[0].spoken()}" if verb == "cancel" and len(when) == 1 and not when[0].about else ""
        yield heard.note(
            Category.ISSUE, f"The caller asked to {verb} their {noun}{day}", 6, f"appointment:{_topic_slot(noun)}", f"{verb} requested",
            changes=True, topic=_topic(noun), event_date=when[0].date if day else None,
        )  # fmt: skip
        return
    have = next(heard.matches(_HAVE), None)
    if have is None or heard.now is None or heard.clause.question:
        return
    found = [
        day
        for day in dates.resolve(text, heard.now)
        if day.start >= have.start() and day.date >= heard.now.date() and not day.about
    ]
    between = text[have.end() : found[0].start].lower() if found else ""
    if (
        not found
        or len(between) > 60
        or re.search(r"\b(?:not|until|before|wasn't|since|reminder|made|booked|instead of)\b|n't", between)
        or gives_up(heard.around)
    ):
        return
    noun = next(filter(None, (have["noun"], have["made"], have["mine"]))).lower()
    if (have["made"] or " booked" in have[0].lower()) and re.match(
        r"\s*(?:today|yesterday)", text[found[0].start :].lower()
    ):
        return
    yield _appointment(heard, found[0], noun, text, heard.span(have), changes=heard.changes)


def gives_up(text: str) -> bool:
    """Whether a caller cannot keep an appointment or wants another one."""
    return _GIVES_UP.search(text) is not None


def booked(heard: Heard, turn: int, raw: str, known_days: frozenset[date]) -> Iterator[Fact]:
    """An appointment that the agent made in turn `turn` and the caller accepted."""
    if heard.now is None:
        return
    text = plain(raw)
    for start, end in sentences(text):
        sentence = text[start:end]
        match = _BOOKED.search(sentence) or (
            None if sentence.rstrip().endswith("?") else _BOOKED_BARE.match(sentence)
        )
        if (
            match is None
            or re.search(
                r"\b(?:if|unless|whether|could|would you|shall|not|n't)\b",
                sentence[: match.end()],
                re.IGNORECASE,
            )
            or doubtful(sentence[: match.start()])
        ):
            continue
        found = [
            day
            for day in dates.resolve(sentence, heard.now)
            if day.date >= heard.now.date() and not day.about and day.start >= match.start()
        ]
        moved = match["verb"].lower() in ("moved", "rescheduled", "move", "reschedule", "changed")
        if not found or len(found) > (2 if moved and re.search(r"\bfrom\b.*\bto\b", sentence) else 1):
            continue
        day = found[-1]
        if day.date in known_days or _DELIVERY.search(sentence):
            continue
        noun_match = re.search(rf"\b(?:{_NOUNS})\b", sentence, re.IGNORECASE)
        noun = noun_match[0].lower() if noun_match else "appointment"
        fact = _appointment(heard, day, noun, sentence, None, changes=moved)
        yield _quoted(evolve(fact, confidence=0.9), turn, raw, start, end)


def _appointment(
    heard: Heard, day: dates.Found, noun: str, text: str, span: tuple[int, int] | None, *, changes: bool
) -> Fact:
    noun = {"table": "table booking", "room": "room booking", "checkup": "check-up"}.get(noun, noun)
    who, whose = _WITH.search(text), _FOR_WHOM.search(text)
    company = f" with {who['who']}" if who else ""
    if whose:
        company = f" for {whose['who']}{company}"
    elif (other := _FOR_NAME.search(text)) and not _NO_PERSON.match(other["who"]):
        known = heard.known.get("name")
        if known is None or other["who"].lower() not in known.value.split():
            company = f" for {other['who']}{company}"
    elif heard.behalf or _OTHERS_TURN.search(text):
        company = (
            f" for {f'their {heard.behalf}' if heard.behalf in _NOUNS_OF_KIN else 'somebody else'}{company}"
        )
    article = "an" if noun[0] in "aeiou" else "a"
    return heard.note(
        Category.FACTUAL, f"The caller has {article} {noun}{company} on {day.spoken()}", 7, f"appointment:{_topic_slot(noun)}", day.value,
        changes=changes, topic=_topic(noun), event_date=day.date, span=span,
    )  # fmt: skip


_NOUNS_OF_KIN = frozenset(RELATIONS.values())


def _topic_slot(noun: str) -> str:
    return "" if noun == "appointment" else noun.split(maxsplit=1)[0]


def _topic(noun: str) -> str:
    return {
        "appointment": "your appointment",
        "lesson": "your lessons",
        "check-up": "your appointment",
        "consultation": "your appointment",
    }.get(noun, "your booking")


def injected_days(texts: tuple[str, ...], now: datetime | None) -> frozenset[date]:
    """The days that stand in what elaaoms itself brought into the call."""
    if now is None:
        return frozenset()
    return frozenset(day.date for text in texts for day in dates.resolve(text[:4000], now))
