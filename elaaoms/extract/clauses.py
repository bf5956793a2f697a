"""Cut a turn into clauses and say which of them may be believed: no questions, no what-ifs, no hearsay."""

from __future__ import annotations

import re
from itertools import pairwise

from attrs import frozen

from elaaoms.extract.words import vocabulary
from elaaoms.redact import MASK

_FILLER = re.compile(
    r"\b(?!(?-i:[A-Z]{2,4})[\s-]*\d)(?:u+m+|u+h+|e+r+m*|h+m+|m+hm+|ah+)\b,?(?!')|\byou know,|\bi mean,?(?=\s+(?:i|my|it|the)\b)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?…]+[\"”']?(?=\s|$)|\n+")
_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|prof|st|no|vs|etc|ave|rd)|(?<![^\W\d_]['’])\b[^\W\d_])\.$", re.IGNORECASE
)
_SUBJECT = (
    r"(?:i|i'm|i've|i'd|i'll|im|ive|my|we|we're|we've|our|it|it's|its|that|that's|this|there|there's|he|he's|she|"
    r"she's|they|they're|you|you're|your|his|her|their|please|can|could|would|do|did|does|is|isn't|are|aren't|was|"
    r"what|when|where|how|why|who|never|don't|will|won't|have|the|no|not|actually|now|if)"
)
_BOUNDARY = re.compile(
    rf",?(?<!\s)\s+(?:and|but|so|because|cause|cos|although|though|except|then|plus|yet)\s+(?={_SUBJECT}\b)"
    rf"|,\s+(?=(?:and\s+|but\s+|so\s+)?{_SUBJECT}\b(?!,))|(?<!\s)\s*;\s+|(?<!\s)\s+[-–—]+\s+|—"
    r"|(?<!\s)\s+(?=(?:it|they)\s+(?:still|hasn't|has|never|didn't|haven't|have|arrived|came|keeps)\b)"
    r"|(?<=\w)\s+(?=(?:i live in|my name is|my name's|my (?:order|account|customer|phone) number|my e-?mail|i'm calling)\b)"
    r"|(?<!\s)\s+(?=(?:can|could|would|do|will) you\b)",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^\W*(?:(?:and|but|so|well|oh|ok|okay|hi|hello|yeah|yes|no|sorry|then|please|now|right|hey|look|excuse me|"
    r"good (?:morning|afternoon|evening))\b[\s,]*)*"
    r"(?:(?:do|does|did|don't|doesn't|didn't|is|isn't|are|aren't|was|wasn't|were|am|have|has|haven't|hasn't|had|can|"
    r"can't|could|couldn't|would|wouldn't|will|won't|should|shouldn't|shall|may|might)\s+"
    r"(?:i|you|we|they|he|she|it|this|that|there|my|your|the|our|his|her|their|a|an|any|anyone|someone|anybody)\b"
    r"|(?:what|what's|when|where|where's|why|how|how's|who|who's|which|whose)\b(?!\s+(?:a\b|i\s+(?:mean|want|need|said|meant)))"
    r"|any (?:idea|chance)\b|what about\b|how about\b)",
    re.IGNORECASE,
)
# A wish that is put as a question.
_WISH = re.compile(
    r"^\W*(?:(?:and|but|so|then|actually|please|well|oh)\b[\s,]*)*(?:can|could|would|will) you (?:please )?(?:just |only |always )?"
    r"(?:call|ring|phone|text|e-?mail|whatsapp|contact|write to) me\b.{0,40}\b(?:from now on|in (?:the )?future|rather than|and not)\b",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"^\W*(?:right|correct|yes|no|isn't it|aren't i|don't i|doesn't it|am i|do i|is it|didn't i|haven't i|hasn't it|"
    r"or not|or is it|or what|eh|okay|ok|you know|yeah)\W*\?",
    re.IGNORECASE,
)
# What follows one of these in a sentence is not said to be so.
_HYPOTHETICAL = re.compile(
    r"\b(?:if|suppose|supposing|imagine|pretend|pretending|assuming|assume|hypothetically|in case|unless|whether|wish|"
    r"let's say|let us say|say i|for example|for instance|as though|wonder|wondering|wondered|not sure|no idea|"
    r"don't know|dunno|do you know|do you think|can you (?:tell me|check)(?: if| whether)|dream(?:t|ed)?|joke|joking|"
    r"maybe|perhaps|possibly|what would|like to know|i thought|i might|i could|(?:i would|i'd)(?! (?:like|prefer|rather|want|need|appreciate)\b)|should i|the song|a movie|a film|"
    r"a character|some people|someone who|somebody who|people who|anyone who|next time|"
    r"(?:is|was|isn't|wasn't|it's|that's) (?:it )?(?:not |never )?(?:true|false|a lie) that|"
    r"it's not (?:that|like|as)|not because|never said|didn't say|did not say|wasn't saying|not saying|"
    r"doesn't mean|don't think|don't believe|not the case|nobody said|as a child|when i was|when we were|"
    r"(?:don't |do not )?tell (?:me|her|him|them|us|your|my)\b|(?:^|,)\W*(?:just |please )?say|"
    r"back then|back when|as a kid|test|(?<!\bno )(?<!without )(?<!without a )(?<!beyond )doubt(?:s|ed|ing|ful)?|"
    r"unlikely)\b",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"\bif (?:it helps|that helps|you need (?:it|that|to know)|you don't mind|possible|that's (?:ok|okay|all right|fine)|"
    r"you want|you must know|i may|not|anything|you can|you could|you please)\b|\bas if by\b|\bwould you (?:please )?\b"
    r"|\bi'd (?:just )?like to (?:say|tell you|let you know|report|inform you|point out)(?: that)?\b|\bjust in case\b"
    r"|\bi (?:just )?wanted? to (?:say|tell|report)\b|\b(?:blood|covid|eye|hearing|driving|allergy|smoke) tests?\b|\bi would say\b",
    re.IGNORECASE,
)
_HEARSAY = re.compile(
    r"\b(?P<who>\w+(?:'s)?)\s+(?:(?:just|also|always|even|once|already|actually|has|had)\s+)*"
    r"(?:said|says|say|tells|thinks|think|thought|claims|claimed|reckons|reckon|believes|heard|reads|read|wrote|insists|"
    r"insisted|mentioned|swears|swore|told (?:me|us|him|her|them|everyone)(?! (?:to|how|about)\b)|keeps? saying|keeps? telling|"
    r"was saying|were saying|(?:was|is|were) like)\b",
    re.IGNORECASE,
)
_SPEAKER = vocabulary("i i've i'd i'll just already i'm")
_HEARD = re.compile(
    r"\b(?:i heard|i read|i was told|i've been told|i thought|apparently|according to|rumour|rumor|supposedly|allegedly)\b",
    re.IGNORECASE,
)
_JOKE = re.compile(
    r"\b(?:just kidding|only kidding|i'm kidding|i was kidding|kidding|just joking|only joking|i'm joking|joking|jk|lol|"
    r"haha+|ha ha|as a joke|pulling your leg|messing with you|just messing|prank|got you there|i made that up|"
    r"making that up|not really my name|i'm lying|i lied)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:(?:just|only|i'm|i was) (?:kidding|joking|messing)|pulling your leg|i made that up|making that up|i'm lying|i lied|"
    r"that was a joke|not really my name)\b",
    re.IGNORECASE,
)
_NOT_A_JOKE = re.compile(
    r"\b(?:no|not|isn't|wasn't|aren't|must be|are you|you're) (?:a |just )?(?:kidding|joking|joke|prank)\b",
    re.IGNORECASE,
)
# Words that address the model or its machinery and not the person on the other side.
_ADDRESSED = re.compile(
    r"https?:|www\.|\bignore (?:all|any|your|the|previous|prior|every|my previous|these|those)\b|\bdisregard\b|"
    r"\byou are now\b|\byou're now\b|\bact as\b|\bfrom now on,?\s+(?:you|act|respond|answer|reply|ignore|every|all|pretend)\b|\bpretend (?:to be|you|that you|i)\b|\bsystem (?:prompt|message|override|"
    r"instruction|note)|\bdeveloper (?:mode|message)|\bprompt\b|\bjailbreak|\boverride\b|\bnew (?:instructions?|rules?)\b|"
    r"\byour (?:instructions?|rules?|programming|guidelines|memory|memories|training|(?<!on your )(?<!in your )system|database|context|notes)\b|"
    r"\b(?:system|assistant|user|human|developer|tool|function|admin)\s*:|<\/?\w+[^>]{0,40}>|<\||\[\/?[A-Z]+\]|\{\{|\}\}|```|"
    r"\b(?:tool|function) (?:call|name)|\b(?:save|store|write|add|put|commit)\b.{0,20}\bmemor(?:y|ies)\b|"
    r"\b(?:remember|note|record|store|save) (?:that )?(?:the )?(?:caller|user|customer)\b|\b[a-z]{2,}(?:_[a-z]{2,})+\b(?![\w.+-]*@)|"
    r"\bi authori[sz]e|\baccess (?:level|granted)|\bdebug\b|\bsudo\b|\blanguage model\b|\ball (?:customers|callers|users)\b|\bevery caller\b",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"\b(?:pass ?words?|pass ?codes?|pass ?phrases?|pin|pin (?:number|code)|cvv2?|cvc|security (?:code|answer)|iban|ssn|"
    r"social security|one[- ]time (?:code|password)|otp|verification code|mother's maiden name|memorable word)\b",
    re.IGNORECASE,
)
_CARD = re.compile(
    r"\b(?:credit|debit|bank|payment)?\s?card\b|\bvisa\b|\bmastercard\b|\bamex\b|\bsort code\b|\bexpir(?:y|es|ation)\b",
    re.IGNORECASE,
)
_FIGURES = re.compile(
    r"\b(?:numbers?|digits?|details|codes?|expir\w*|read|last four|your|the|which|what)\b|\?", re.IGNORECASE
)
_HANDOVER = re.compile(
    r"\b(?:(?:i'll|i will|let me|i'm going to|i'm gonna) (?:just )?(?:pass|hand|put|give)\b.{0,25}\b(?:you (?:over|on) to|"
    r"over to|on\b|the phone|you to)|(?:here's|here is|this is) my (?:wife|husband|mum|mom|mother|dad|father|son|daughter|partner)\b|"
    r"(?:you (?:can|could|want to|should)|can you|could you|would you|please|you'd better|better) (?:just )?(?:speak|talk) to my (?:wife|husband|mum|mom|mother|dad|father|son|daughter|partner)\b|"
    r"(?:i'll|let me|i'll just) (?:go and )?(?:get|fetch|grab) (?:him|her|my (?:wife|husband|mum|mom|mother|dad|father|son|daughter|partner))\b|"
    r"my (?:wife|husband|mum|mom|mother|dad|father|son|daughter|partner)(?:'s| is) (?:the one (?:that|who)|right here|here,? (?:he|she))\b|"
    r"my (?:wife|husband|mum|mom|mother|dad|father|son|daughter|partner) wants (?:a word|to (?:talk|speak))\b|"
    r"\bput (?:him|her) (?:back )?on\b)",
    re.IGNORECASE,
)  # fmt: skip


@frozen
class Clause:
    """A clause of turn number `turn`: `text` is the turn's text from `start` to `end`, fillers blanked out.

    `before` is what precedes it in its sentence; `sentence` are the start and end of that sentence.
    A `question` asks; a clause that is not `sound` may not become a fact at all.
    """

    text: str
    start: int
    end: int
    turn: int
    before: str
    sentence: tuple[int, int]
    question: bool
    sound: bool


def plain(text: str) -> str:
    """`text` with straight apostrophes and fillers blanked out, position for position."""
    straight = text.replace("’", "'").replace("‘", "'")
    return _FILLER.sub(lambda filler: " " * len(filler[0]), straight)


def sentences(text: str) -> list[tuple[int, int]]:
    """Starts and ends of the sentences of `text`."""
    found, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        head = text[max(start, match.end() - 6) : match.end()]
        following = text[match.end() : match.end() + 2].strip()
        if match[0] == "." and _ABBREVIATION.search(head) and not _starts_anew(text, match.end()):
            continue
        if match[0] == "." and following[:1].isdigit() and head[:-1][-1:].isdigit():
            pass
        if text[start : match.end()].strip():
            found.append((start, match.end()))
        start = match.end()
    if text[start:].strip():
        found.append((start, len(text)))
    return found


def _starts_anew(text: str, at: int) -> bool:
    """Whether what follows "p.m." or an initial begins a new sentence."""
    return (
        re.match(
            r"\s+(?:I|I'm|I've|My|We|It|It's|The|And|But|So|Can|Could|Please|That|This|No|Yes)\b",
            text[at : at + 12],
        )
        is not None
    )


def clauses(text: str, turn: int) -> list[Clause]:
    """The clauses of a turn; `text` is what `plain` made of it."""
    found: list[Clause] = []
    joking = bool(_JOKE.search(_NOT_A_JOKE.sub("", text)))
    for start, end in sentences(text):
        sentence = text[start:end]
        asked = sentence.rstrip(" \"”'").endswith("?")
        addressed = bool(_ADDRESSED.search(sentence)) or secret(sentence)
        cuts = [start, *(start + match.end() for match in _BOUNDARY.finditer(sentence)), end]
        spans = [(left, right) for left, right in pairwise(cuts) if text[left:right].strip()]
        for index, (left, right) in enumerate(spans):
            clause = text[left:right]
            tagged = index + 1 < len(spans) and _TAG.match(text[slice(*spans[index + 1])]) is not None
            question = bool(_QUESTION.match(clause)) or (asked and index == len(spans) - 1) or tagged
            question = question and not _WISH.match(clause)
            found.append(
                Clause(
                    text=clause,
                    start=left,
                    end=right,
                    turn=turn,
                    before=text[start:left],
                    sentence=(start, end),
                    question=question,
                    sound=not (addressed or joking),
                )
            )
    return found


def secret(sentence: str) -> bool:
    """Whether a sentence is about something that must not be kept, such as a password or a card number."""
    if _SECRET.search(sentence):
        return True
    digits = re.sub(r"\D", "", sentence)
    return (len(digits) >= 3 and bool(_CARD.search(sentence))) or luhn(digits)


def luhn(digits: str) -> bool:
    """Whether digits, and nothing but digits, could be a payment card's number."""
    if not (13 <= len(digits) <= 19 and digits.isdecimal()):
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def doubtful(before: str) -> bool:
    """Whether words that follow `before` in the same sentence are asked, supposed, quoted or denied."""
    before = _HARMLESS.sub(" ", before[-600:])
    if _HYPOTHETICAL.search(before) or _HEARD.search(before):
        return True
    return any(match["who"].lower() not in _SPEAKER for match in _HEARSAY.finditer(before)) or (
        before.count('"') % 2 == 1 or before.count("“") > before.count("”")
    )


# What redaction leaves in place of a secret is markup of ours.
_MASKED = re.compile("|".join(map(re.escape, MASK.values())))


def addressed_to_the_model(text: str) -> bool:
    """Whether a text gives orders to the model, or carries its markup."""
    return bool(_ADDRESSED.search(_MASKED.sub("", text)))


def hands_over(text: str) -> bool:
    """Whether the caller passes the phone to somebody else."""
    return bool(_HANDOVER.search(text))


def asks_for_secret(text: str) -> bool:
    """Whether an agent's words ask for something that must not be kept."""
    return bool(_SECRET.search(text) or (_CARD.search(text) and _FIGURES.search(text)))


def takes_back(text: str) -> bool:
    """Whether a turn says that what was said before was a joke."""
    return bool(_TAKEN_BACK.search(_NOT_A_JOKE.sub("", text)))
