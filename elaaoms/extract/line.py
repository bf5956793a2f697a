"""Tell who is on the line: a child, a joker, somebody who takes over, or a caller who speaks for somebody else."""

from __future__ import annotations

import re

from elaaoms.extract.words import RELATIONS, vocabulary

_KIN = "|".join(sorted(RELATIONS, key=len, reverse=True))
_OTHERS = rf"(?P<kin>{_KIN}|boss|landlord|landlady|tenant|client|employer|manager)"
_BUSINESS = (
    r"(?:account|booking|order|policy|prescription|flight|ticket|appointment|check-?up|membership|bill|results|"
    r"contract|insurance|claim|delivery|parcel|reservation|room|subscription|medication|school|tests?)"
)
_FOR_OTHERS = re.compile(
    rf"\b(?:calling|ringing|phoning|enquiring|asking|booking|speaking)\s+(?:\w+\s+){{0,2}}?(?:for|about|regarding|on behalf of)\s+my\s+{_OTHERS}\b(?!'s (?:old|new) )"
    rf"|\b(?:it's|its|it is)\s+(?:about|for|regarding)\s+my\s+(?P<kin2>{_KIN})\b",
    re.IGNORECASE,
)
_BUSINESS_OF = re.compile(
    rf"\b{_BUSINESS}\s+(?:\w+\s+){{0,2}}?(?:for|of)\s+my\s+{_OTHERS}\b"
    rf"|\bmy\s+(?P<kin2>{_KIN}|boss|landlord|landlady|tenant|client)(?:'s|s')\s+(?:\w+\s+){{0,2}}?{_BUSINESS}\b",
    re.IGNORECASE,
)
_NEEDS = re.compile(
    rf"^\W*(?:(?:hi|hiya|hello|hey|yes|yeah|good (?:morning|afternoon|evening)|morning|so|well|um+|uh+|basically|right|and)\b\W*){{0,4}}my\s+(?P<kin>{_KIN}|boss)(?:\s+(?:needs?|wants?|would like|'d like|has|is|was|can't|won't|keeps?|had|hasn't|isn't)\b|'s\s+(?:been|got|having|not|due|flying|poorly|ill|sick|unwell|booked)\b)",
    re.IGNORECASE,
)
_ANOTHERS_NAME = re.compile(
    r"\bi'm not (?:mr|mrs|ms|miss|dr|doctor)\b|\bi'm (?:his|her|their) (?:assistant|secretary|pa|carer|neighbour|friend|wife|husband|son|daughter|mum|mother|dad|father|sister|brother)\b",
    re.IGNORECASE,
)
PETS = vocabulary("dog cat horse rabbit parrot")
_CHILD = re.compile(
    r"\bi'?m (?:only )?(?:three|four|five|six|seven|eight|nine|[3-9])(?: (?:years old|and a half)|(?=[.!]?$)|[.!])"
    r"|\b(?:mummy|mommy|daddy)(?:'s| is| said| says)\b|\b(?:mummy|mommy|daddy) isn't\b",
    re.IGNORECASE,
)
_TAKES_OVER = re.compile(
    r"\bmy (?:\w+ ){0,2}?(?:son|daughter|kid|child|boy|girl|grandson|granddaughter|toddler|nephew|niece|mum|mother|dad|father|husband|wife|\w+-year-old)"
    r" (?:must(?:'ve| have) )?(?:just |had )?(?:picked (?:it |the phone )?up|answered|got hold of|grabbed|took|was playing with|pressed|dialled|dialed)\b"
    r"|\bi'll (?:just )?(?:take|take over) (?:the phone|from here)\b|\bgive me (?:that|the) phone\b|\b(?:sorry|hello),? (?:that was|you were (?:talking|speaking) to) my\b",
    re.IGNORECASE,
)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget) (?:all |any |every |the |your |my |of |these )*(?:previous|prior|earlier|above|system)?\s?(?:instructions|prompts?|rules|programming|guidelines)\b"
    r"|\bsystem prompt\b|\bdeveloper mode\b|\bjailbreak|\b(?:save|write|add|commit)\b.{0,12}\b(?:to|in|into) (?:your )?memory\b"
    r"|\bremember (?:that )?(?:the )?(?:caller|user|customer)(?:'s)?\b",
    re.IGNORECASE,
)


def child(text: str) -> bool:
    """Whether a small child speaks."""
    return _CHILD.search(text) is not None


def takes_over(text: str) -> bool:
    """Whether somebody says that it was not they who spoke before."""
    return _TAKES_OVER.search(text) is not None


def plays_with_the_model(text: str) -> bool:
    """Whether the caller tries to command the model; nothing that such a caller says is worth believing."""
    return _ORDERS.search(text) is not None


def behalf(text: str, *, early: bool) -> str:
    """Whom a caller speaks for, such as "mother" or "dog", or "" when it is their own business.

    That somebody needs something is the reason of the call only when it is said at its beginning.
    """
    for pattern in (_FOR_OTHERS, _BUSINESS_OF, *((_NEEDS,) if early else ())):
        if match := pattern.search(text):
            groups = match.groupdict()
            kin = (groups["kin"] or groups.get("kin2") or "").lower()
            return RELATIONS.get(kin, kin)
    return "somebody else" if _ANOTHERS_NAME.search(text) else ""
