"""Who agrees to what: what the agent read back or promised, and whether the caller's next words accept it."""

from __future__ import annotations

import re

_YES = (
    r"yes|yeah|yep|yup|aye|correct|right|exactly|indeed|it is|that(?:'|’)?s (?:it|me|him|her|them|us|the one|correct|right)|spot on|bang on|ja|so ist es|das stimmt|jawohl|jep|genau|richtig|"
    r"stimmt|korrekt|sí|si|correcto|exacto|eso es|así es|es[oa](?: misma?o?)?|claro|dale|ándale|oui|ouais|exact|exactement|c(?:'|’)est (?:ça|cela|exact|bien ça)|tout à fait"
)
_WELCOME = (
    r"perfect|great|grand|smashing|terrific|lovely|wonderful|fine|good|brilliant|excellent|absolutely|definitely|that(?:'|’)?s (?:great|fine|perfect|good|lovely)|"
    r"that (?:works|sounds)|sounds|works|super|prima|gut|passt|das passt|einverstanden|perfekt|in ordnung|perfecto|vale|de acuerdo|"
    r"está bien|me parece (?:muy )?(?:bien|perfecto)|(?:das |ist |das ist )?(?:gut|recht|okay)|c(?:'|’)est (?:bon|bien)|estupendo|genial|muy bien|parfait|d(?:'|’)accord|très bien|entendu|ça marche|ça me va|bien"
)
_THANKS = (
    r"sure|ok|okay|kay|alright|all right|cool|nice|amazing|thanks|thank you|please|cheers|bless you|that(?:'|’)?(?:s|d be| would be) \w+|"
    r"that(?:'|’)?s (?:very |so |really )?(?:kind|nice|sweet)|you(?:'|’)re (?:very |so |too )?(?:kind|an angel|a star)|gern|gerne|danke|"
    r"danke schön|vielen dank|bitte|schön|sehr schön|das (?:ist|wäre|klingt) (?:\w+ )?(?:nett|lieb|gut|super|toll|prima)|gracias|"
    r"muchas gracias|bueno|volontiers|merci|c(?:'|’)est (?:très |bien )?(?:gentil|parfait|noté)|avec plaisir"
)
_FILLER = r"^\W*(?:(?:um+|uh+|oh|ah|ay|aw|well|so|very|really|sehr|muy|très|äh+|ähm|na|also|ach|eh|pues|bueno|ben|bah|bon|euh|and|und|y|et)\W+)*"
# What was said is often said again before the yes ("Tuesday, great"), and a question that thanks ("Could you? Yes").
_FILLER += r"(?:(?:(?!no\b|not\b|nein\b|nicht\b|non\b|pas\b|wait\b|but\b|aber\b|pero\b|mais\b)\w+\s?){1,5},\s+|(?:could|would|can|will) you\?\s+)?"
_CONFIRMS = re.compile(rf"{_FILLER}(?:{_YES})(?![\w'’])", re.IGNORECASE)
_WELCOMES = re.compile(rf"{_FILLER}(?:{_YES}|{_WELCOME})(?![\w'’])", re.IGNORECASE)
_ACCEPTS = re.compile(rf"{_FILLER}(?:{_YES}|{_WELCOME}|{_THANKS})(?![\w'’])", re.IGNORECASE)
_WOULD = re.compile(
    rf"{_FILLER}(?:that(?:'|’)?d be|that would be|that(?:'|’)s better|das wäre|sería|ce serait|ça serait)\b",
    re.IGNORECASE,
)
_NO_TROUBLE = re.compile(
    r"\b(?:no|not a|kein|sin|pas de) (?:problem\w*|worries|trouble|rush|hay problema|souci)\b", re.IGNORECASE
)
_TAKES_BACK = re.compile(
    r"\b(?:but|no|not|isn(?:'|’)t|wrong|except|wait|actually|aber|nein|nicht|falsch|pero|non|mais|pas|plutôt)\b",
    re.IGNORECASE,
)
# A plain no in a later clause is about something else: "correct, this Thursday I can't".
_PLAIN_NO = re.compile(r",\s*(?:\w+\s+){1,4}?(?:no|not|nicht|pas)\b(?!\s*[,.;!]|$)", re.IGNORECASE)
_GRATEFUL = re.compile(
    r"\b(?:thanks|thank you|cheers|appreciate|danke|gracias|agradezco|merci)\b", re.IGNORECASE
)
_TURNS = re.compile(r"\W*(?:but|no|wait|actually|aber|nein|moment|pero|mais|non)\b", re.IGNORECASE)
_INTRODUCES = re.compile(
    r"^\W*(?:it(?:'|’)?s|this is|hier (?:ist|spricht)|ich bin(?:'|’)?s|soy|c(?:'|’)est)\b[^.!?,]{1,30}[.!,]\s*(?=\w)",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"^\W*(?:\w+,?\s+){0,2}(?:wait|hang on|no|nah|nope|nein|nee|moment|warten|espere?|non|attendez)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"^\W*(?:(?:um+|uh+|oh|ah|well|äh+|ähm|ach|eh|pues|ben|euh|sorry|actually)\W+)*"
    r"(?:no|nah|nope|not|never|nein|nee|nö|nicht|doch nicht|non|pas|the other|der andere|die andere|el otro|la otra|l(?:'|’)autre)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(r"\b(?:so that|correct|right|richtig|correcto|exact)\b", re.IGNORECASE)
_COMMITS = re.compile(
    r"(?:\w(?:'|’)ll|\b(?:will|shall|going to|i can|we can|let me|promise\w*|book(?:ed)? you|arrange|"
    r"werden?|wird|wirst|werdet|(?:ich|wir) (?!hab|bin\b|sind\b|war)\w+(?:e|en)|sie (?:erhalten|bekommen)|\w+ (?:ich|wir) (?:\w+ )?(?:ihnen|sie|das|den|die|es)|"
    r"(?:is|are) yours|(?:meldet|kommt|ruft|schickt|bringt|holt|liefert|\w+en) (?:sich|sie|ihnen|es)|"
    r"können wir|kann ich|podemos|puedo|nous pouvons|je peux|voy a|vamos a|va a|van a|irán?|iremos|(?:le|les|lo|la|se lo|se la) \w+(?:o|amos|emos|imos)|\w{2,}(?:aré|eré|iré|dré|remos|rán?|rá)|"
    r"je vais|nous allons|on va|(?:je|nous|on) (?:vous|te|le|la|les) \w+|je (?!suis\b|vois\b|comprends\b|sais\b)\w+(?:e|s)|nous \w+ons|"
    r"ser[aá]n?|seront|aura|auront|\w{2,}(?:erai|irai|drai|rrai|rons|ront|rez|era|ira|dra|rra)|vous (?:recevrez|aurez))\b)",
    re.IGNORECASE,
)
_PROMISED = re.compile(
    r"\b(?:promis\w*|assur\w+|agreed|arranged|confirmed|will|offered|scheduled|versprochen|versprach|zugesagt|sagte? (?:\w+ )?zu|vereinbart|wird|werden|acordad[oa]|convenue?|prévue?|prometi\w*|promete\w*|promesa|aseguró|"
    r"\w{2,}rán?|engagé\w*|assuré\w*|appointment|termin|cita|rendez-vous|booked|reserved|gebucht|reservad[oa]s?|réservée?s?)\b",
    re.IGNORECASE,
)


def confirms(answer: str) -> bool:
    """Whether a caller's turn says that what the agent read back is right."""
    said = _INTRODUCES.sub("", _NO_TROUBLE.sub("", answer[:100]))
    return _CONFIRMS.match(said) is not None and not _taken_back(said)


def accepts(answer: str) -> bool:
    """Whether a caller's turn accepts what the agent offered."""
    said = _NO_TROUBLE.sub("", answer)
    if _REFUSES.match(said):
        return False
    first = re.split(r"[.!?…]+(?=\s|$)", said, maxsplit=1)[0]
    grateful = _GRATEFUL.search(first) is not None and _TAKES_BACK.search(first) is None
    return grateful or _ACCEPTS.match(said) is not None


def welcomes(answer: str) -> bool:
    """Whether a caller's turn finds good what the agent read back: "that's fine", but no mere "thanks"."""
    said = _INTRODUCES.sub("", _NO_TROUBLE.sub("", answer[:100]))
    return _WELCOMES.match(said) is not None and not _taken_back(said)


def _taken_back(said: str) -> bool:
    """Whether a yes is taken back in its sentence, or by how the next one begins."""
    first, _, rest = re.sub(r"[.!?…]+(?=\s|$)", "\n", said).partition("\n")
    return _TAKES_BACK.search(_PLAIN_NO.sub(",", first)[:40]) is not None or _TURNS.match(rest) is not None


def settles(answer: str) -> bool:
    """Whether a caller's turn takes up an offer: a yes, a "perfect", or "that'd be great"."""
    return welcomes(answer) or _WOULD.match(answer) is not None


def denies(answer: str) -> bool:
    """Whether a caller's turn begins with a no to what was asked."""
    return _DENIES.match(answer) is not None


def asks_back(text: str) -> bool:
    """Whether an agent's turn asks for confirmation rather than claims something."""
    return "?" in text or _ASKS.search(text) is not None


def commits(sentence: str) -> bool:
    """Whether a sentence of the agent's binds the company to do something."""
    return _COMMITS.search(sentence) is not None


def promised(content: str) -> bool:
    """Whether a fact tells of a promise or an appointment."""
    return _PROMISED.search(content) is not None
