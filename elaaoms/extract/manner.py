"""How the words of a fact are said: as a question, on a condition, with a no, of what was so once."""

from __future__ import annotations

import re

from elaaoms.extract.claim import CLAUSE, FORMER, MARK, NOW, NUMBER, WANTED, WORD, Claim
from elaaoms.extract.clauses import doubtful
from elaaoms.extract.days import past, tense
from elaaoms.extract.figures import in_words
from elaaoms.extract.gist import gist, near
from elaaoms.extract.numerals import within
from elaaoms.extract.people import genders

_NEGATES = re.compile(
    r"\b(?:not|never|no longer|\w+n(?:'|’)t|dont|doesnt|didnt|isnt|arent|cant|wont|nicht|kein\w*|nie|niemals|nunca|jamás|ya no|pas|jamais|"
    r"aucun\w*|no (?:soy|tengo|quiero|me|es|estoy|vivo|hay))\b",
    re.IGNORECASE,
)
_CONTRASTED = re.compile(
    r"\b(?:not|nicht|no|pas) (?:to |a |à )?(?:her|him|them|me|my \w+|mine|ihn|sie|ihr|ihm|mich|mir|él|ella|mí|elle|lui|moi)\b",
    re.IGNORECASE,
)
# An answer that says no, and what is no longer so.
_SAYS_NO = re.compile(
    r"^\W*(?:\w+\W+){0,2}(?:no|nah|nope|never|nein|nee|non|um gottes willen|ni hablar|pas question)\b|\b(?:would not|won(?:'|’)t|rather not|live without|do without|"
    r"lieber nicht|honestly,? no|no,? gracias|non,? merci)\b",
    re.IGNORECASE,
)
_ONCE = re.compile(
    r"\b(?:was|were|had)\b.{0,30}\b(?:till|until|once|before|back then|in those days)\b|\bused to\b|\bfrüher\b|\bdamals\b|\bwar(?:en)? mal\b|^\W*vorher war\w*\b|"
    r"^\W*(?:y |pero )?antes\b|\bantes (?:\w+(?:ía|aba|ían|aban)|era|eran)\b|\bavant\b.{0,20}(?:ais|ait|aient)\b|\b(?:l(?:'|’)an passé|l(?:'|’)année dernière) (?:\w+ ){1,3}\w*(?:ais|ait)\b",
    re.IGNORECASE,
)
# A part of a sentence that only says no to something, at its beginning or at its end.
_REFUSED = re.compile(
    r"^(?:(?:and|but|und|aber|y|pero|et|mais)\s+)?(?:not|nicht|no|pas)\s+(?:\w+\s+){0,2}\w+$|^(?:\w+\s+){1,5}(?:not|nicht|no|pas)$",
    re.IGNORECASE,
)
_TAGS = re.compile(
    r"(?:n(?:'|’)est-ce pas|non|hein|verdad|no|oder|gell|nicht wahr|right|correct|yes|yeah|ok(?:ay)?|c(?:'|’)est (?:ça|bien ça|bon)|\w+n(?:'|’)?t \w+|"
    r"(?:am|are|is|do|does|did|have|has) \w+)\W*$",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(
    r"\b(?:nothing|nobody|nichts|niemand\w*|nada|nadie|ningun\w+|rien|personne|no|not|never|none|without|neither|nor|unable|cannot|\w+n(?:'|’)t|un\w+|refus\w*|declin\w*|dislik\w*|hat\w*|stop\w*|avoid\w*|\w*intol[eé]ran\w*|unverträg\w*|\w+(?:free|less|frei\w{0,2}|lose?[nrsm]?)|wary|reluctan\w*|\w*trusts?|suspicious|"
    r"struggl\w*|hard|difficult\w*|\w*misstrau\w*|schwer\w*|kaum|desconfía\w*|reacio|reacia|cuesta|difícil\w*|se méfie|méfian\w*|réticen\w*|peine|difficil\w*|"
    r"rather than|instead|trouble|most|against|miss\w*|late|lack\w*|lost|fail\w*|broke\w*|problem\w*|complain\w*|only|left|quit|gave up|ended?|cancel\w*|longer|"
    r"outside|except|außerhalb|außer|ausgenommen|fuera|excepto|salvo|hors|sauf|nicht|kein\w*|nie|ohne|weder|ablehn\w*|lehnt|ungern|fehl\w*|beschwer\w*|nur|kaputt|no|nunca|jamás|sin|ni|tampoco|dejó|odia\w*|falta\w*|"
    r"solo|sólo|se queja|averiad\w*|pas|ne|n|jamais|sans|ni|aucun\w*|refuse|déteste|manque\w*|plainte|plaint|seulement|que|arrêté)\b",
    re.IGNORECASE,
)
_CONDITIONAL = re.compile(
    r"\b(?:wenn|falls)\b.{0,60}\b(?:würde|wäre|hätte|könnte|bräucht|gäb|käm|wär|hätt|könnt|tät)\w*|\bsi\b.{0,60}\b\w{2,}(?:ría|ríamos|iera|iese|rais|rait|rions)\b|"
    r"\bif\b.{0,60}\b(?:would|could|might|\w+(?:'|’)d)\b",
    re.IGNORECASE,
)
# Whoever speaks so in the middle of a sentence gives back what somebody else says, or only supposes.
_REPORTED = re.compile(
    r"\b(?:sagt|sagte|meint|meinte|behauptet|erzählt|glaubt|denkt|hat gesagt|hat gemeint)[\s,]+(?:dass\s+)?|\bangeblich\b|\bangenommen\b|\bstell(?:en)? (?:dir|sie sich) vor\b|"
    r"\b(?:dice|dijo|dicen|afirma|cree|piensa|ha dicho|me dijo|cuenta) que\b|\b(?:supongamos|imagínese|imagínate|ojalá|según)\b|"
    r"\b(?:dit|disent|affirme|croit|pense|prétend|a dit|m(?:'|’)a dit|raconte) qu(?:e|(?:'|’))|\b(?:supposons|imaginez|imagine|paraît-il|il faut dire|selon)\b",
    re.IGNORECASE,
)
# A quote of a bare condition; and words by which a fact keeps the condition that its evidence has.
_CONDITION = re.compile(
    r"^\W*(?:(?:only|unless|just|nur|außer|s[oó]lo|solamente|seulement|uniquement|sauf|and|but|und|aber|y|pero|et|mais)\s+)*"
    r"(?:if|unless|wenn|falls|sofern|si|au cas où|en caso de que)\b[^,;:]*$",
    re.IGNORECASE,
)
_IF = re.compile(
    r"\W*(?:(?:and|but|und|aber|y|pero|et|mais)\s+)?(?:if|unless|wenn|falls|sofern|si(?! \w+ (?:que|qu['’]))|au cas où|en caso de que)\b",
    re.IGNORECASE,
)
_KEEPS_CONDITION = re.compile(
    r"\b(?:if|unless|should|would|in case|depend\w*|provided|otherwise|only when|threaten\w*|wenn|falls|sofern|würde|sonst|ansonsten|drohe?t|abhängig|"
    r"si|salvo que|a no ser|depende|amenaza|\w{3,}rían?|à moins|sinon|menace|dépend\w*|à condition|\w{3,}rait)\b",
    re.IGNORECASE,
)
_CONTRAST = re.compile(r"\b(?:but|aber|sondern|pero|sino|mais|however)\b", re.IGNORECASE)
# Said alone these answer a question; before a question word they put in doubt what follows.
_UNKNOWING = re.compile(
    r"\b(?:no idea|dunno|don(?:'|’)?t know|not sure)\b(?!\W+(?:if|whether|what|who|when|where|which|how|why|that|about)\b)",
    re.IGNORECASE,
)
_SAYS_IT = re.compile(
    r"\b(?:everybody|everyone|people|they|he|she|nobody) (?:says?|said|gets?) (?:it|so|that)\b(?! that)",
    re.IGNORECASE,
)
_REQUESTS = re.compile(
    r"\b(?:can|could|may|will you|would you|shall|please|i|i'd|we|me|kann|könn\w+|darf|würden sie|ich|wir|bitte|puedo|podría\w*|puede\w*|pueden|"
    r"quisiera|puis|pourr\w+|pouv\w+|peu[tx]|je|vous)\b",
    re.IGNORECASE,
)
_ASKED = re.compile(r"\b(?:ask|inquir|enquir|frag|erkundig|pregunt|demand|renseign)\w*", re.IGNORECASE)


def is_question(claim: Claim) -> bool:
    """Whether the quote asks; what stands in a clause before the question does not."""
    if not claim.sentence.rstrip().endswith("?") or _ASKED.search(claim.fact.content):
        return False
    if WANTED.search(claim.fact.content) and _REQUESTS.search(claim.fact.quote):
        return False
    after = claim.turn.text[claim.at + len(claim.fact.quote.strip()) : claim.end]
    following = re.match(r"\s*[,;–—-]\s*(.*)", after, re.DOTALL)
    asks_itself = (
        following is not None and len(WORD.findall(following[1])) > 2 and not _TAGS.match(following[1])
    )
    return not asks_itself or "?" in claim.fact.quote.rstrip("?")


def is_supposed(claim: Claim) -> bool:
    """Whether the quote stands under an "if" or in somebody's mouth."""
    if _KEEPS_CONDITION.search(claim.fact.content):
        return False
    if _CONDITION.match(claim.fact.quote) and len(WORD.findall(claim.fact.quote)) < 9:
        return True
    if claim.clauses and all(_IF.match(clause) for clause in claim.clauses):
        return True
    before = claim.turn.text[claim.start : claim.at]
    before = before[max((match.end() for match in _CONTRAST.finditer(before)), default=0) :]
    if doubtful(_SAYS_IT.sub(" ", _UNKNOWING.sub(" ", before))):
        return True
    reported = max((match.end() for match in _REPORTED.finditer(before)), default=-1)
    if reported >= 0 and CLAUSE.search(before[reported:]) is None:
        return True
    reach = max(
        (match.end() for match in _CONTRAST.finditer(claim.sentence, 0, claim.at - claim.start)),
        default=0,
    )
    place = claim.at - claim.start + len(claim.fact.quote.strip())
    return any(match.start() < place for match in _CONDITIONAL.finditer(claim.sentence, reach))


def is_denied(claim: Claim) -> bool:
    """Whether the caller denies what the fact asserts: a no where the fact has its words from, and none in the fact."""
    if _NEGATIVE.search(claim.fact.content):
        return False
    if _is_refused(claim):
        return True
    return bool(claim.clauses) and all(
        _NEGATES.search(_CONTRASTED.sub(" ", told)) is not None and not _after_denial(claim, told)
        for told in claim.clauses
    )


def _is_refused(claim: Claim) -> bool:
    """Whether the fact has a word that the quote only names to say no to it: "pause it, not cancel it"."""
    refused: set[str] = set()
    rest: set[str] = set()
    for part in MARK.split(claim.fact.quote):
        (refused if _REFUSED.search(part.strip()) else rest).update(gist(part))
    return bool((refused - rest) & gist(claim.fact.content)) and bool(rest)


def is_declined(claim: Claim) -> bool:
    """Whether the caller says no to a question that the fact has more of its words from than from the answer."""
    if not claim.asked.rstrip().endswith("?") or not _SAYS_NO.search(claim.fact.quote):
        return False
    content, quote = claim.fact.content, claim.fact.quote
    if _NEGATIVE.search(content):
        return False
    about = gist(content)
    figures = {re.sub(r"\D", "", number) for number in NUMBER.findall(content)}
    figures |= {str(value) for value in in_words(content, claim.language)}
    if any(within(figure, quote) and not within(figure, claim.asked) for figure in figures):
        return False
    answered = sum(near(word, gist(quote)) for word in about)
    return sum(near(word, gist(claim.asked)) for word in about) > answered


def was_once(claim: Claim) -> bool:
    """Whether the words say expressly that something is no longer so, and the fact that it is."""
    content = claim.fact.content
    if FORMER.search(content) or _ONCE.search(content) or tense(content) < 0 or past(content):
        return False
    return _ONCE.search(claim.fact.quote) is not None and NOW.search(claim.fact.quote) is None


def _after_denial(claim: Claim, told: str) -> bool:
    """Whether the no is about what is refused ("no penicillin") and the fact about why ("she gets a rash")."""
    match = _NEGATES.search(told)
    if match is None:
        return False
    about = gist(claim.fact.content)
    return (
        len(gist(told[match.end() :]) & about) >= 2 and genders(told[match.end() :], claim.language) != set()
    )
