"""What a proposed fact makes of its evidence: its numbers, days, names and people must be those that were said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from elaaoms.extract.assent import confirms, denies, promised, welcomes
from elaaoms.extract.cast import Cast, Doer
from elaaoms.extract.clauses import doubtful
from elaaoms.extract.days import (
    BESIDE,
    CORRECTS,
    NAMES,
    Meaning,
    Said,
    consistent,
    expressions,
    past,
    plural,
    standing,
    tense,
    weekdays_of,
    written,
)
from elaaoms.extract.gist import gist, gist_all, likeness, near, stem
from elaaoms.extract.numerals import counted, plain, within
from elaaoms.extract.numerals import said as numerals
from elaaoms.extract.people import (
    Mention,
    People,
    alike,
    beside,
    gender_of,
    genders,
    kinds,
    mentions,
    own,
    unaccented,
)
from elaaoms.extract.spoken import codes, emails, spelled
from elaaoms.memory import Category, Fact
from elaaoms.webhooks import Conversation

_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_NUMBER = re.compile(r"(?<!\d)\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d+(?:[.,]\d{3})*(?:[.,]\d+)?")
_STOP = re.compile(r"[.!?…]+(?:\s+|$)")
_CLAUSE = re.compile(
    r"[,;:.!?¡¿–—]|\b(?:and|but|so|because|cause|und|aber|sondern|weil|denn|y|pero|sino|porque|et|mais|car|parce que|donc|bitte|please)\b",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"\b(?:where|wo|donde|où)\b", re.IGNORECASE)
# How a clause goes on with the subject of the clause before it: with a verb.
_GOES_ON = {
    "en": re.compile(r"\W*(?:is|was|has|had|does|did|can|could|will|would|lives?|works?|got|gets|needs|wants|takes|\w{2,}ed)\b", re.IGNORECASE),
    "de": re.compile(r"\W*(?:ist|war|hat|hatte|kann|konnte|will|wollte|wird|wurde|muss|wohnt|arbeitet|braucht|\w{2,}t)\b", re.IGNORECASE),
    "es": re.compile(r"\W*(?:es|está|era|ha|han|va|van|tiene|tienen|(?:se|les?|l[ao]s?) \w+|\w{3,}(?:an|en|ó|aba|ía|aron|ieron))\b", re.IGNORECASE),
    "fr": re.compile(r"\W*(?:est|était|a|ont|avait|va|vont|peut|veut|doit|habite|travaille|s(?:'|’)est|\w{3,}(?:ait|ent))\b", re.IGNORECASE),
}  # fmt: skip
_MARK = re.compile(r"[,;:.!?¡¿–—]")
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
_PASSIVE = re.compile(
    r"\b(?:was|were|is|are|been|being|got|gets|wurde\w*|wird|worden|fue|fueron|sido|été)\s+(?:\w+ly\s+)?(?:\w+(?:ed|en|ado|ada|ido|ida|t)|told|sold|paid|given|sent|made)$",
    re.IGNORECASE,
)
_WILL = re.compile(r"wants?|would|möchte|will|quiere|veut|souhaite|wishes|asks?|asked", re.IGNORECASE)
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
_WANTED = re.compile(
    r"\b(?:ask|want|would like|request|need|wish|prefer|bitte[tn]?|möchte|will|wünsch|brauch|pide|pregunt|quiere|necesita|prefiere|"
    r"demand|veut|souhait|voudrait|préfère|besoin)\w*",
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
# What was so once, and what is so now.
_FORMER = re.compile(
    r"\b(?:was|were|used to|previously|formerly|before that|vorher|früher|bisher|war(?:en)?|zuvor|ehemals|antes|era|eran|estaba|anteriormente|"
    r"avant|était|étaient|auparavant|anciennement)\b",
    re.IGNORECASE,
)
_NOW = re.compile(
    r"\b(?:now|currently|from now on|takes|pays|lives|jetzt|nun|derzeit|aktuell|ahora|actualmente|maintenant|désormais|actuellement)\b",
    re.IGNORECASE,
)
_BUT_NOW = re.compile(
    r"\b(?:but|now|aber|jetzt|nun|sondern|pero|ahora|sino|mais|maintenant|désormais)\b|,", re.IGNORECASE
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
_CALLER = re.compile(
    r"^\W*(?:to |bei |a(?=\s)\s|a(?=l\s))?(?:the (?:caller|customer)|d(?:er|ie|en|em) (?:anrufer|kund)(?:in|e|en|s)?|(?:e?l|la) cliente?a?|(?:e?l|la) llamante|quien llama|"
    r"(?:la )?persona que llama|l(?:'|’)appelante?|l[ae] cliente?|l(?:'|’)interlocut\w+)(?P<possess>(?:'|’)s)?(?![\w'’])",
    re.IGNORECASE,
)
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
_HARM = re.compile(
    r"\b(?:allerg\w+|allergi\w+|intoleran\w+|alérgic\w+)\s+(?:to|gegen|auf|al?|à|aux?|contre)\s+(?:(?:the|all?|l(?:'|’)|la|les|los|las|el|dem|die|den)\s*)?([^\W\d_]+)",
    re.IGNORECASE,
)
_NAME_AFTER = re.compile(
    r"\b(?:name is|named|called|name ist|namens|heißt|heisst|herr|frau|llama|llamad[oa]|nombre es|señora?|s(?:'|’)appelle|"
    r"appelée?|nommée?|nom est|monsieur|madame|in|aus|nach|en|de|à)\s+([A-ZÀ-ÖØ-Þ][\w'’-]+(?:\s+[A-ZÀ-ÖØ-Þ][\w'’-]+)*)"
)
_CALLED = re.compile(
    r"\b(?:names?|named|called|heißt|namens|llama\w*|nombre|appelle|nom|Mrs?|Ms|Herr|Frau)\b"
)
_CAPITALISED = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZÀ-ÖØ-Þ][\w'’-]*[^\W\d_]", re.UNICODE)
_FULL_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZÀ-ÖØ-Þ][\w’'-]+(?: [A-ZÀ-ÖØ-Þ][\w’'-]+)+")
# Words that begin with a capital for reasons of grammar, or name the one who speaks.
_NOT_NAMES = (
    frozenset(
        """i i'm the a an caller caller's mr mrs ms dr e-mail email whatsapp sms english german french spanish deutsch
    anrufer anruferin kunde kundin anrufers agent agentin cliente client llamante appelant appelante señor
    señora monsieur madame herr frau doctor""".split()
    )
    | NAMES
)
_PAIRED = re.compile(r"\b(\d{1,2})\s*(?::|uhr|h|heures?|horas y|y|\.)\s*(\d{2})\b(?![.,]?\d)", re.IGNORECASE)
_FULL_HOUR = re.compile(r"(?<=\d)[:.]00\b(?!\d)|(?<=\d h )00\b")
_HALVES = re.compile(r"\b(?:half|quarter|halb\w*|viertel\w*|media|cuarto|demie?|quart)\b", re.IGNORECASE)
_ONE = re.compile(r"\b(?:an?|ein\w{0,2}|una?|une?|l(?:'|’))\b", re.IGNORECASE)
_TWO = re.compile(
    r"\b(?:both|twice|couple|double|pair|twins?|beide\w*|zweimal|zu zweit|doppel\w*|paar|zwillinge|amb[oa]s|doble|par|deux|les deux|double|paire|jume\w+)\b",
    re.IGNORECASE,
)
# Number words that are other words as well.
_AMBIGUOUS = {
    "en": frozenset("once second seconds one first oh die".split()),
    "de": frozenset("ein eins eine einen einem einer erste ersten achten sei".split()),
    "es": frozenset("uno una un primero primer primera segundo media".split()),
    "fr": frozenset("un une neuf premier première seconde".split()),
}
# Words that a quote begins with where it has a subject of its own; what stands before it is another clause.
_OWN_SUBJECT = re.compile(
    r"\W*(?:i|i'?m|i'?ve|i'?d|i'?ll|it|it'?s|he|he'?s|she|she'?s|we|we'?re|we'?ve|they|there'?s?|my|our|ich|er|sie|es|wir|das ist|mein\w*|unser\w*|"
    r"yo|me|mi|mis|soy|tengo|estoy|je|j|il|elle|on|nous|mon|ma|mes|c)\b",
    re.IGNORECASE,
)
_REQUESTS = re.compile(
    r"\b(?:can|could|may|will you|would you|shall|please|i|i'd|we|me|kann|könn\w+|darf|würden sie|ich|wir|bitte|puedo|podría\w*|puede\w*|pueden|"
    r"quisiera|puis|pourr\w+|pouv\w+|peu[tx]|je|vous)\b",
    re.IGNORECASE,
)
_ASKED = re.compile(r"\b(?:ask|inquir|enquir|frag|erkundig|pregunt|demand|renseign)\w*", re.IGNORECASE)
_APPOSITION = re.compile(r"^\W*[A-ZÀ-ÖØ-Þ][\w-]+, [^,]{3,50},")
_THING = re.compile(r"(?:['’]s|\bof|de[rs]?|del?|d['’])\s+(?:\w+['’]s )?([^\W\d_]+)")
_CODE_LIKE = re.compile(r"[A-Z]{1,5}")


# Cosines above which a fact says in other words what was said, with and without a word or a number of it.
APART = 0.15  # and below which a single word does not make it about the same
AKIN = 0.35
CLOSE = 0.45


def about_the_caller(content: str) -> bool:
    """Whether a fact begins with the caller."""
    return _CALLER.match(content) is not None


def overstates(talk: Conversation, people: People, cast: Cast, fact: Fact) -> str | None:
    """Why a fact says more than its evidence does."""
    claim = _Claim(talk, people, cast, fact)
    return next((reason for reason in claim.objections() if reason is not None), None)


class _Claim:
    """A fact beside the words that it rests on."""

    def __init__(self, talk: Conversation, people: People, cast: Cast, fact: Fact) -> None:
        self._talk, self._people, self._cast, self._fact = talk, people, cast, fact
        self._language = people.language
        self._turn = talk.turns[fact.turn]
        self._by_caller = self._turn.role == "user"
        self._at = max(0, self._turn.text.lower().find(fact.quote.strip().lower()))
        start = max((match.end() for match in _STOP.finditer(self._turn.text, 0, self._at)), default=0)
        end = _STOP.search(
            self._turn.text, min(len(self._turn.text), self._at + max(1, len(fact.quote.strip()) - 1))
        )
        self._start, self._end = start, end.end() if end else len(self._turn.text)
        self._sentence = self._turn.text[start : self._end]
        asked = next((turn for turn in reversed(talk.turns[: fact.turn]) if turn.text), None)
        self._asked = asked.text if self._by_caller and asked is not None and asked.role == "agent" else ""
        self._around = f"{self._asked} \n {self._turn.text}" if self._asked else self._turn.text
        told = [turn.text for turn in talk.turns[: fact.turn] if turn.role == "user" and turn.text]
        self._lately = told[-1] if told and self._asked else ""
        self._clauses = self._about()

    def objections(self) -> Iterator[str | None]:
        """Reasons against the fact, one check after the other."""
        if self._by_caller:
            yield "a question" if self._is_question() else None
            yield "supposed" if self._is_supposed() else None
            yield "somebody else's" if self._is_anothers() or self._is_anothers_kin() else None
            yield "denied" if self._is_denied() else None
        yield None if self._is_related() else "not about it"
        yield None if self._are_the_people() else "person not in evidence"
        yield None if self._are_the_days() else "date not in evidence"
        yield None if self._are_the_numbers() else "number not in evidence"
        yield "corrected" if self._is_corrected() or self._is_former() else None
        yield None if self._are_the_names() else "name not in evidence"
        if self._by_caller:
            yield "denied" if self._is_declined() else None
            yield "turned round" if self._is_turned_round() else None
            yield "formerly" if self._was_once() else None

    # -- how it is said -------------------------------------------------------------

    def _about(self) -> list[str]:
        """The clauses of the quote that the fact has most words from, each with the subject that it goes on about."""
        quote = self._fact.quote.strip()
        lead = self._turn.text[self._start : self._at]
        lead = "" if _OWN_SUBJECT.match(quote) else self._lead(lead, quote)
        text = f"{lead}{quote}"
        about = gist(self._fact.content) | set(_NUMBER.findall(self._fact.content))
        ends = [(match.start(), match.end(), match[0].isalpha()) for match in _CLAUSE.finditer(text)]
        ends += [
            (match.start(), match.end(), False)
            for match in _RELATIVE.finditer(text)
            if mentions(text[match.end() :][:40], self._language)
            and not genders(text[match.end() :][:40], self._language)
        ]
        ends.sort()
        clauses: list[str] = []
        start, before, joined = 0, "", False
        for end, following, goes_on in (*ends, (len(text), len(text), False)):
            clause = text[start:end]
            if clause.strip():
                alone = not own(clause, self._language) and not self._people.another(clause)
                if before and alone and (joined or _GOES_ON[self._language].match(clause)):
                    clause = f"{before} {clause}"
                if end > len(lead):
                    clauses.append(clause)
            before = clause if clause.strip() else before
            joined = (goes_on and bool(clause.strip())) or (joined and not clause.strip())
            start = following
        named = kinds(self._fact.content, self._language)
        scores = [
            len((gist(clause) | set(_NUMBER.findall(clause))) & about)
            + any(alike(kind, named) for kind in kinds(clause, self._language))
            for clause in clauses
        ]
        best = max(scores, default=0)
        return [clause for clause, score in zip(clauses, scores, strict=True) if score == best]

    def _lead(self, lead: str, quote: str) -> str:
        """The subject that a quote without one goes on about: of the clause that it ends, or of one before it."""
        cuts = [0, *(match.end() for match in _MARK.finditer(lead))]
        if not _GOES_ON[self._language].match(quote):
            return self._people.last_subject(lead[cuts[-1] :])
        for cut, end in zip(reversed(cuts), (len(lead), *reversed(cuts[1:])), strict=True):
            clause = lead[cut:end]
            if own(clause, self._language) or self._people.another(clause):
                return self._people.last_subject(lead[cut:])
        return self._people.last_subject(lead[cuts[-1] :])

    def _is_question(self) -> bool:
        """Whether the quote asks; what stands in a clause before the question does not."""
        if not self._sentence.rstrip().endswith("?") or _ASKED.search(self._fact.content):
            return False
        if _WANTED.search(self._fact.content) and _REQUESTS.search(self._fact.quote):
            return False
        after = self._turn.text[self._at + len(self._fact.quote.strip()) : self._end]
        following = re.match(r"\s*[,;–—-]\s*(.*)", after, re.DOTALL)
        asks_itself = (
            following is not None and len(_WORD.findall(following[1])) > 2 and not _TAGS.match(following[1])
        )
        return not asks_itself or "?" in self._fact.quote.rstrip("?")

    def _is_supposed(self) -> bool:
        """Whether the quote stands under an "if" or in somebody's mouth."""
        if _KEEPS_CONDITION.search(self._fact.content):
            return False
        if _CONDITION.match(self._fact.quote) and len(_WORD.findall(self._fact.quote)) < 9:
            return True
        if self._clauses and all(_IF.match(clause) for clause in self._clauses):
            return True
        before = self._turn.text[self._start : self._at]
        before = before[max((match.end() for match in _CONTRAST.finditer(before)), default=0) :]
        if doubtful(_SAYS_IT.sub(" ", _UNKNOWING.sub(" ", before))):
            return True
        reported = max((match.end() for match in _REPORTED.finditer(before)), default=-1)
        if reported >= 0 and _CLAUSE.search(before[reported:]) is None:
            return True
        reach = max(
            (match.end() for match in _CONTRAST.finditer(self._sentence, 0, self._at - self._start)),
            default=0,
        )
        place = self._at - self._start + len(self._fact.quote.strip())
        return any(match.start() < place for match in _CONDITIONAL.finditer(self._sentence, reach))

    def _is_denied(self) -> bool:
        """Whether the caller denies what the fact asserts: a no where the fact has its words from, and none in the fact."""
        if _NEGATIVE.search(self._fact.content):
            return False
        if self._is_refused():
            return True
        return bool(self._clauses) and all(
            _NEGATES.search(_CONTRASTED.sub(" ", told)) is not None and not self._after_denial(told)
            for told in self._clauses
        )

    def _is_refused(self) -> bool:
        """Whether the fact has a word that the quote only names to say no to it: "pause it, not cancel it"."""
        refused: set[str] = set()
        rest: set[str] = set()
        for part in _MARK.split(self._fact.quote):
            (refused if _REFUSED.search(part.strip()) else rest).update(gist(part))
        return bool((refused - rest) & gist(self._fact.content)) and bool(rest)

    def _is_declined(self) -> bool:
        """Whether the caller says no to a question that the fact has more of its words from than from the answer."""
        if not self._asked.rstrip().endswith("?") or not _SAYS_NO.search(self._fact.quote):
            return False
        content, quote = self._fact.content, self._fact.quote
        if _NEGATIVE.search(content):
            return False
        about = gist(content)
        figures = {re.sub(r"\D", "", number) for number in _NUMBER.findall(content)}
        figures |= {str(value) for value in _in_words(content, self._language)}
        if any(within(figure, quote) and not within(figure, self._asked) for figure in figures):
            return False
        answered = sum(near(word, gist(quote)) for word in about)
        return sum(near(word, gist(self._asked)) for word in about) > answered

    def _was_once(self) -> bool:
        """Whether the words say expressly that something is no longer so, and the fact that it is."""
        content = self._fact.content
        if _FORMER.search(content) or _ONCE.search(content) or tense(content) < 0 or past(content):
            return False
        return _ONCE.search(self._fact.quote) is not None and _NOW.search(self._fact.quote) is None

    def _is_anothers_kin(self) -> bool:
        """Whether the quote speaks of "her mother" and the fact makes her the caller's mother."""
        content, quote = self._fact.content, self._fact.quote
        if self._people.speaker(self._fact.turn, self._at).other:
            return False
        ours = [
            one
            for one in mentions(content, self._language)
            if _CALLERS_OWN.search(content[: one.start])
            or _THE_CALLERS.search(content[one.start : one.end])
            or self._cast.callers(content[one.end :])
        ]
        theirs = [match.span() for match in _THEIR[self._language].finditer(quote)]
        things = {stem(quote[start:end].split()[-1].casefold()) for start, end in theirs}
        if things & {stem(thing.casefold()) for thing in self._cast.callers_things(content)}:
            return True
        others = mentions(quote, self._language)
        return bool(ours) and all(
            any(alike(one.kind, {other.kind}) for other in others)
            and all(
                any(start <= other.start < end for start, end in theirs)
                for other in others
                if alike(one.kind, {other.kind})
            )
            for one in ours
        )

    def _is_turned_round(self) -> bool:
        """Whether somebody else does in the quote what the fact's subject does: "she owes me", and the caller owes her."""
        if self._fact.category is Category.EMOTIONAL or self._people.speaker(self._fact.turn, self._at).other:
            return False
        told = self._cast.doer(self._fact.content, _CALLER)
        if told is None:
            return False
        for word in _WORD.finditer(told.rest):
            verb = stem(word[0].casefold())
            if _WILL.fullmatch(word[0]):
                return False  # who wants something need not be who does it
            if not gist(word[0]) or _KNOWN.fullmatch(word[0]):
                continue
            if told.rest[: word.start()].strip() and _PASSIVE.search(told.rest[: word.end()]):
                return False
            clauses = [clause for clause in self._clauses if near(verb, gist(clause))]
            return bool(clauses) and all(self._does_not(told, clause, verb) for clause in clauses)
        return False

    def _does_not(self, told: Doer, clause: str, verb: str) -> bool:
        at = next(
            (word for word in _WORD.finditer(clause) if gist(word[0]) and near(verb, gist(word[0]))), None
        )
        doer = self._cast.doer_of(clause, at.start(), at.end()) if at is not None else None
        if doer is None:
            return False
        if doer.first or told.first:
            return doer.first != told.first and not (doer.names & self._cast.caller)
        names, kin = doer.names, doer.kin
        theirs = {gender for kind in told.kin for gender in gender_of(kind)} | self._cast.gender_of(
            told.names
        )
        if doer.genders and len(theirs) == 1 and not doer.genders & theirs:
            return True
        if doer.genders and told.names and not told.kin:
            found, related = self._cast.spoken_of(self._fact.turn, self._at, set(doer.genders))
            names, kin = frozenset(found), frozenset(related)
        if told.names & names or (told.kin and any(alike(kind, told.kin) for kind in kin)):
            return False
        return bool(told.names and names) or bool(told.kin and kin)

    def _after_denial(self, told: str) -> bool:
        """Whether the no is about what is refused ("no penicillin") and the fact about why ("she gets a rash")."""
        match = _NEGATES.search(told)
        if match is None:
            return False
        about = gist(self._fact.content)
        return (
            len(gist(told[match.end() :]) & about) >= 2
            and genders(told[match.end() :], self._language) != set()
        )

    # -- who it is about --------------------------------------------------------------

    def _is_anothers(self) -> bool:
        """Whether the words are said by or of somebody else, and the fact is about the caller."""
        caller = _CALLER.match(self._fact.content)
        named = kinds(self._fact.content, self._language)
        if self._is_made_their_own():
            return True
        voice = self._people.speaker(self._fact.turn, self._at)
        if (
            voice.other
            and caller is not None
            and (not _owned(self._fact.content, caller) or _ITS.search(self._fact.content))
        ):
            return not (
                any(alike(kind, voice.kinds) for kind in named)
                or (voice.name and voice.name in self._people.spelling(self._fact.content))
            )
        if caller is None or self._is_relation():
            return False
        if named:
            wish = _WANTED.search(self._fact.content) is not None
            if (
                not caller["possess"]
                and not wish
                and self._clauses
                and all(self._by_another(clause, named) for clause in self._clauses)
            ):
                return True
            spoken_of = [one.kind for clause in self._clauses for one in mentions(clause, self._language)[:1]]
            return (
                not caller["possess"]
                and bool(spoken_of)
                and not any(own(clause, self._language) for clause in self._clauses)
                and not any(alike(kind, named) for kind in spoken_of)
            )
        if _owned(self._fact.content, caller):
            whose = " ".join(self._clauses)
            if not _ITS.search(self._fact.content):
                thing = _THING.search(self._fact.content)
                return (
                    thing is not None
                    and not own(whose, self._language)
                    and all(
                        bool(genders(" ".join(clause.split()[:2]), self._language))
                        for clause in self._clauses
                    )
                    and not near(stem(thing[1].casefold()), gist(self._around))
                )
            theirs = self._people.named(self._fact.quote) and not own(self._fact.quote, self._language)
            if _ANOTHERS.search(whose) or theirs:
                return True
            return self._people.kin_of_thing(whose) and not own(whose, self._language)
        if any(own(clause, self._language) for clause in self._clauses):
            return False
        if self._is_introduced():
            return False
        if kinds(self._fact.quote, self._language) or any(self._another(clause) for clause in self._clauses):
            wish = _WANTED.search(self._fact.content) is not None
            return not wish or any(self._people.begins(clause) for clause in self._clauses)
        question = self._asked.rstrip()
        if (
            not question.endswith("?")
            or len(_WORD.findall(self._fact.quote)) > 8
            or own(self._turn.text, self._language)
        ):
            return False
        last = re.split(r"[.!?]\s+", question)[-1]
        return self._people.another(last) and not _QUESTION_TO_YOU.search(last)

    def _is_made_their_own(self) -> bool:
        """Whether the fact gives the caller what the quote gives to a relative: done by themselves, or of their own."""
        content, quote = self._fact.content, self._fact.quote
        if not kinds(quote, self._language):
            return False
        if (
            _THEMSELVES.search(content)
            and not (_THEMSELVES.search(quote) or _EMPHATIC.search(quote))
            and not kinds(content, self._language)
        ):
            return True
        things = {next(filter(None, match.groups())).casefold() for match in _CALLERS.finditer(content)}
        theirs = {
            next(filter(None, match.groups())).casefold() for match in _KINS.finditer(unaccented(quote))
        }
        return bool({unaccented(thing) for thing in things} & theirs)

    def _is_introduced(self) -> bool:
        """Whether the fact is the caller's name, and the quote says it on its own: "Ann Lee, Mr Lee's my father"."""
        told = _CALLER.sub("", self._fact.content)
        content = {*_folded(told)}
        return _CALLED.search(told) is not None and any(
            len(_folded(part)) >= 2 and content.issuperset(_folded(part))
            for part in _MARK.split(self._fact.quote)
        )

    def _by_another(self, clause: str, named: set[str]) -> bool:
        """Whether a clause says something of a "he" beside whom it names the kin of the fact: "he is scared of our dog"."""
        begins = " ".join(clause.split()[:2])
        return (
            bool(genders(begins, self._language))
            and not _INTRODUCING.search(clause)
            and any(alike(one.kind, named) for one in mentions(clause, self._language))
        )

    def _is_relation(self) -> bool:
        """Whether the fact says of the caller what a word for their family says: "my late husband", a widow."""
        return _RELATED_BY.search(self._fact.content) is not None and any(
            alike(kind, _NEAREST) for kind in kinds(self._fact.quote, self._language)
        )

    def _are_the_people(self) -> bool:
        """Whether the people of the fact are those that its words are about."""
        content = self._fact.content
        if not self._people.agrees(content) or not self._is_their_name():
            return False
        named = mentions(content, self._language)
        if not named:
            return True
        quoted = kinds(self._fact.quote, self._language)
        voice = self._people.speaker(self._fact.turn, self._at)
        caller = _CALLER.match(content)
        theirs = caller is None or bool(caller["possess"])
        first = self._by_caller and not voice.other
        if theirs and first and self._clauses and all(self._only_own(clause) for clause in self._clauses):
            return self._merges(named) and all(alike(one.kind, quoted) for one in named)
        missing = {mention.kind for mention in named if not alike(mention.kind, quoted | voice.kinds)}
        missing = {kind for kind in missing if not alike(kind, self._people.named(self._fact.quote))}
        missing -= self._by_the_way(named)
        if not missing:
            return True
        wanted = genders(self._fact.quote, self._language)
        if not wanted and not own(self._fact.quote, self._language):
            wanted = genders(self._asked, self._language)
        if first and not wanted and theirs and own(self._fact.quote, self._language):
            return False
        if len(missing) < len({mention.kind for mention in named}) or len(named) > 1:
            missing -= self._owners(named)
        return all(
            alike(
                kind,
                self._people.meant(self._fact.turn, self._at, gender_of(kind) & wanted or wanted, but=quoted),
            )
            for kind in missing
        )

    def _by_the_way(self, named: Sequence[Mention]) -> set[str]:
        """Kin that the quote means without the word: a child's brother, a child of the caller's by a name not yet placed."""
        content, quote = self._fact.content, self._fact.quote
        told: set[str] = set()
        for turn in self._talk.turns[: self._fact.turn + 1]:
            told |= kinds(turn.text, self._language) if turn.role == "user" else set()
        found: set[str] = set()
        for one in mentions(quote, self._language):
            if one.kind in ("brother", "sister") and _HIS.search(quote[: one.start]) and alike("child", told):
                found |= {"son" if one.kind == "brother" else "daughter", "child"}
        for mention in () if genders(quote, self._language) else named:
            names = [name for name in beside(content, mention) if _said_name(name, quote)]
            if names and alike(mention.kind, told) and not any(self._people.kin_of(name) for name in names):
                found.add(mention.kind)
        return found

    def _merges(self, named: Sequence[Mention]) -> bool:
        """Whether a fact of several clauses speaks of its kin only in one that the quote has as well."""
        start = max(
            (match.end() for match in _CLAUSE.finditer(self._fact.content, 0, named[0].start)), default=0
        )
        if not start:
            return False
        about = gist(self._fact.content[start:])
        return any(
            gist(part) & about and any(alike(one.kind, mentioned_kinds) for one in named)
            for part in _CLAUSE.split(self._fact.quote)
            if part and (mentioned_kinds := kinds(part, self._language))
        )

    def _owners(self, named: Sequence[Mention]) -> set[str]:
        """Kin whose kin or animal the fact is about, as in "my daughter's rabbit", if the caller has named them."""
        told: set[str] = set()
        for turn in self._talk.turns[: self._fact.turn + 1]:
            told |= kinds(turn.text, self._language) if turn.role == "user" else set()
        owners = (
            one if self._language == "en" else other
            for one, other in pairwise(named)
            if other.start - one.end < 12
        )
        return {owner.kind for owner in owners if alike(owner.kind, told)}

    def _is_their_name(self) -> bool:
        """Whether a fact about somebody by their name rests on words of or about them."""
        content, quote = self._fact.content, self._fact.quote
        subject = self._cast.subject(content)
        if subject is None or _CALLER.match(content) or not self._by_caller:
            return True
        ours = set(subject.names)
        if ours & set(_WORD.findall(unaccented(quote))):
            return True
        told = _APPOSITION.match(content) and kinds(content, self._language)
        if not (told or subject.titled or any(self._cast.is_name(name) for name in ours)):
            return True
        voice = self._people.speaker(self._fact.turn, self._at)
        if self._clauses and all(self._only_own(clause) for clause in self._clauses):
            return voice.name in ours or (not voice.other and bool(ours & self._cast.caller))
        if _CALLED.search(quote):
            return False
        names, kin = self._spoken_of()
        if not names and not kin:
            return True
        known = {kind for name in ours for kind in self._people.kin_of(name)} | kinds(content, self._language)
        if ours & names or (known and any(alike(kind, known) for kind in kin)):
            return True
        return not known and not names and not genders(quote, self._language)

    def _spoken_of(self) -> tuple[set[str], set[str]]:
        """Of whom the quote speaks: by name or as kin, else before its pronoun, else in the question that it answers."""
        quote = " ".join(self._clauses) or self._fact.quote
        names, kin = self._cast.named(quote, set())
        if names or kin:
            return names, kin
        wanted = genders(quote, self._language)
        if wanted:
            at = self._turn.text.find(self._clauses[-1].strip(), self._start) if self._clauses else -1
            return self._cast.spoken_of(self._fact.turn, max(at, self._at), wanted - {""})
        last = re.split(r"[.!]\s+", self._asked.strip())[-1]
        names, kin = self._cast.named(last, set())
        if names or kin or not (wanted := genders(last, self._language)):
            return names, kin
        return self._cast.spoken_of(self._fact.turn - 1, len(self._asked) - len(last), wanted - {""})

    def _only_own(self, clause: str) -> bool:
        return own(clause, self._language) and not self._another(clause)

    def _another(self, clause: str) -> bool:
        """Whether a clause speaks of somebody else, or begins with their name."""
        return self._people.another(clause) or self._cast.begins(clause)

    # -- what it says -------------------------------------------------------------------

    def _is_related(self) -> bool:
        """Whether the fact has its words from its evidence; numbers and days that were said count as words."""
        content = self._fact.content
        harm, told = _HARM.search(content), _HARM.search(self._fact.quote)
        if harm is not None and told is not None and not near(stem(harm[1].casefold()), gist_all(told[1])):
            return False
        if harm is not None and not (
            harm[1].casefold() in _folded(self._around) or near(stem(harm[1].casefold()), gist(self._around))
        ):
            return False
        about = gist(content)
        figures = {re.sub(r"\D", "", number) for number in _NUMBER.findall(content)}
        exact = any(len(figure) >= 3 and within(figure, self._around) for figure in figures)
        if not about or exact or self._is_relation():
            return True
        words = sum(near(word, gist(self._around)) for word in about)
        words += any(len(word) > 8 and word in _folded(self._around) for word in _folded(content))
        others = sum(within(figure, self._around) for figure in figures)
        others += bool(kinds(content, self._language) & kinds(self._fact.quote, self._language))
        others += any(_said_name(name, self._around) for name in _names(content, self._language))
        others += self._fact.event_date is not None or bool(weekdays_of(content))
        if (words + others) * 4 >= len(about) and (words or others > 1 or len(about) <= 3):
            return self._language != "en" or words + others > 1 or self._means_alike() >= APART
        if self._fact.category is Category.EMOTIONAL and not words:
            return len(about) <= (2 if own(self._fact.quote, self._language) else 1)
        if sum(near(word, gist(self._lately)) for word in about) > 1:
            return True  # in other words than the question before the last, that its turn still is about
        return self._language == "en" and self._means_alike() >= (AKIN if words or others else CLOSE)

    def _means_alike(self) -> float:
        """How near in meaning the fact is to its evidence, as far as the token table can tell."""
        content = _CALLER.sub("", self._fact.content)
        return max(likeness(content, self._fact.quote), likeness(content, self._around))

    def _are_the_days(self) -> bool:
        content, called = self._fact.content, self._talk.called_at
        if not consistent(content):
            return False
        named = written(content)
        weekdays = weekdays_of(content)
        if not named and not weekdays and self._fact.event_date is None:
            return True
        meanings = self._meanings()
        if not all(any(meaning.weekday(day) for meaning in meanings) for day in weekdays):
            return False
        told = standing(self._fact.quote)
        days = {self._fact.event_date} if self._fact.event_date is not None else set()
        days |= {day for said in named if said.day and said.month for day in meanings[0].dates(said)}
        named_there = bool(told and days) and self._by_caller and not BESIDE.search(self._fact.quote)
        if named_there and not any(said.fits(day) for said in told for day in days):
            return False
        event = self._fact.event_date
        if event is not None and not any(meaning.day(event) for meaning in meanings):
            same_day = called is not None and event == called.date() and not self._by_caller
            if not (same_day and all(meaning.dateless for meaning in meanings)):
                return False
        for said in named:
            if said.day is None or said.month is None:
                year = said.year
                if said.month is not None and not any(
                    meaning.month(said.month, year) for meaning in meanings
                ):
                    return False
            elif not any(self._means(meaning, said) for meaning in meanings) and not (
                _is_event(said, self._fact)
                or (called is not None and len(named) > 1 and said.fits(called.date()))
            ):
                return False
        return True

    def _meanings(self) -> list[Meaning]:
        """What the quoted turn can mean; where it answers a question about a day, what both together can."""
        before = [turn.text for turn in reversed(self._talk.turns[: self._fact.turn])]
        called = self._talk.called_at
        tense = self._tense()
        alone = Meaning(self._turn.text, called, before, tense=tense)
        if not self._asked or (denies(self._turn.text) and not alone.dateless):
            return [alone]
        if alone.dateless or "?" in self._asked or confirms(self._turn.text):
            return [alone, Meaning(self._around, called, before, tense=tense, within=alone)]
        return [alone]

    def _tense(self) -> int:
        """-1 where the fact lies behind, 1 where it lies ahead, as the quote says or else the fact."""
        told = " ".join(self._clauses)
        if not tense(told) and past(told):
            return 0
        so_far = tense(told) or (0 if promised(self._fact.content) else tense(self._fact.content))
        return so_far or 1

    @staticmethod
    def _means(meaning: Meaning, said: Said) -> bool:
        return any(meaning.day(day) for day in meaning.dates(said))

    def _are_the_numbers(self) -> bool:
        content = self._fact.content
        days = {
            str(part)
            for said in written(content)
            if said.month
            for part in (said.day, said.month, said.year)
            if part
        }
        if self._fact.event_date is not None:
            event = self._fact.event_date
            days |= {str(event.day), str(event.month), str(event.year)}
        called = self._talk.called_at
        for number in _NUMBER.findall(_FULL_HOUR.sub(" ", content)):
            digits = re.sub(r"\D", "", number)
            if digits.lstrip("0") in days or self._counts(digits) or self._is_evening(number, digits):
                continue
            if (
                called is None
                or len(digits) != 4
                or abs(int(digits) - called.year) > 1
                or not self._yearly(digits)
            ):
                return False
        if self._is_misplaced():
            return False
        for first, second in _PAIRED.findall(_FULL_HOUR.sub(" ", content)):
            if {first, second} <= days or (_HALVES.search(self._around) and second in ("15", "30", "45")):
                continue
            if not self._in_order(first, second):
                return False
        return all(
            self._counts(str(value)) for value in _in_words(content, self._language) if str(value) not in days
        )

    def _is_misplaced(self) -> bool:
        """Whether a number of the fact stands before a word that another number was said before: "6 Quarry Hill"."""
        told = _counted_things(self._around)
        return self._language != "de" and any(
            bool(told.get(thing)) and not any(number in value or value in number for value in told[thing])
            for thing, numbers in _counted_things(self._fact.content).items()
            for number in numbers
        )

    def _yearly(self, year: str) -> bool:
        """Whether a year may stand for "in May" or "last year"."""
        return (
            within(year, self._around)
            or re.search(
                r"year|jahr|año|an(?:née|s)?\b|spring|summer|autumn|winter|frühling|frühjahr|sommer|herbst|primavera|verano|otoño|"
                r"invierno|printemps|été|automne|hiver|season|christmas|weihnacht|navidad|noël|easter|ostern|pascua|pâques",
                self._around,
                re.IGNORECASE,
            )
            is not None
            or bool(written(self._around))
        )

    def _is_evening(self, number: str, digits: str) -> bool:
        """Whether an hour is written as it is counted from midnight: "20:00" for "eight"."""
        hour = int(digits) if len(digits) == 2 else 0
        return (
            13 <= hour <= 23
            and re.search(rf"\b{number}(?:[:.]\d\d| ?h\b| uhr\b)", self._fact.content, re.IGNORECASE)
            is not None
            and self._counts(str(hour - 12))
        )

    def _counts(self, digits: str) -> bool:
        """Whether a number was said by the caller, or by the agent where the caller agreed."""
        said = self._turn.text
        if (
            within(digits, said)
            or (digits == "2" and _TWO.search(said))
            or (digits == "1" and _ONE.search(said))
        ):
            return True
        if digits.isdecimal() and 2 <= int(digits) <= 7 and len(_weekdays_in(said)) == int(digits):
            return True  # "on Mondays and Fridays", so twice a week
        if len(digits) >= 3 and digits in _spelled_out(said):
            return True
        if len(digits) >= 4 and _mended(said, digits):
            return True
        if not self._asked or denies(said) or not ("?" in self._asked or confirms(said) or welcomes(said)):
            return False
        _, runs = numerals(said)
        if not confirms(said) and any(len(run) == len(digits) for run in runs):
            return False  # another number in its place
        return within(digits, self._asked) or (len(digits) >= 3 and digits in _spelled_out(self._asked))

    def _in_order(self, first: str, second: str) -> bool:
        for text in (self._turn.text, self._around):
            tokens = _WORD.findall(plain(text.casefold()))
            said = [str(value) for value, _, _ in counted(tokens)]
            if any(
                one == first.lstrip("0") and other == (second.lstrip("0") or "0")
                for one, other in pairwise(said)
            ):
                return True
            if any(f"{first}{second}" in run for run in numerals(text)[1]):
                return True
        return False

    def _is_corrected(self) -> bool:
        """Whether a number of the fact was taken back, in the same breath or later: "285, sorry, 258"."""
        numbers = [re.sub(r"\D", "", number) for number in _NUMBER.findall(self._fact.content)]
        if not numbers:
            return False
        said = self._turn.text
        cut = max((match.start() for match in CORRECTS.finditer(said)), default=None)
        if any(_mended(said, number) for number in numbers):
            return False
        if cut is not None and any(len(run) >= 2 for run in numerals(said[cut:])[1]):
            old, new = said[:cut], said[cut:]
            if any(len(number) > 1 and within(number, old) and not within(number, new) for number in numbers):
                return True
        return any(len(number) > 2 and self._people.took_back(self._fact.turn, number) for number in numbers)

    def _is_former(self) -> bool:
        """Whether a number of the fact is only said of what was so before, and the fact says that it is so now."""
        content = self._fact.content
        if not _NOW.search(content) or _FORMER.search(content):
            return False
        parts = [part for part in _BUT_NOW.split(self._sentence) if part.strip()]
        if len(parts) < 2:
            return False
        for number in _NUMBER.findall(content):
            digits = re.sub(r"\D", "", number)
            told = [part for part in parts if within(digits, part)]
            others = [part for part in parts if part not in told and numerals(part)[1]]
            if told and others and all(_FORMER.search(part) for part in told):
                return True
        return False

    # -- names ------------------------------------------------------------------------

    def _are_the_names(self) -> bool:
        content = self._fact.content
        for name in _names(content, self._language):
            if not self._is_named(name):
                return False
        subject = self._cast.subject(content)
        if subject is not None and not _CALLER.match(content) and not self._cast.has_said(subject):
            return False
        if self._is_swapped():
            return False
        full = _NAME_AFTER.findall(content) if self._language == "de" else _FULL_NAME.findall(content)
        return all(self._stand_together(name) for name in full)

    def _is_swapped(self) -> bool:
        """Whether the fact has another name where its quote has one."""
        quote = self._fact.quote.strip()
        ours = {name for name in _names(self._fact.content, self._language) if not self._is_theirs(name)}
        new = {name for name in ours if not _said_name(name, quote)}
        theirs = {
            name
            for name in _names(f"x {quote}", self._language)
            if self._cast.is_name(unaccented(name)) and not _said_name(name, self._fact.content)
        }
        return bool(new) and len(theirs) >= len(new) and not genders(quote, self._language)

    def _heard_names(self) -> Iterator[str]:
        """The texts whose names a fact may use: its turn, the question that it answers, and what a pronoun recalls."""
        said = self._turn.text
        punctuated = self._end < len(said) or said.rstrip()[-1:] in ".!?"
        yield said[: self._end if punctuated else self._at + len(self._fact.quote) + 30]
        if self._asked and not denies(said) and ("?" in self._asked or confirms(said) or welcomes(said)):
            yield self._asked
        voice = self._people.speaker(self._fact.turn, self._at)
        whole = own(self._fact.quote, self._language) and not genders(self._fact.quote, self._language)
        if self._by_caller and whole and not voice.other:
            return
        turns = self._talk.turns
        for number in range(self._fact.turn - 1, -1, -1):
            following = turns[number + 1].text if number + 1 < len(turns) else ""
            if turns[number].role == "user" or ("?" in turns[number].text and confirms(following)):
                yield turns[number].text

    def _is_named(self, name: str) -> bool:
        if self._is_theirs(name) and _CALLED.search(self._fact.content) is None:
            return True
        return any(_said_name(name, text) for text in self._heard_names()) or (
            name.casefold() in _folded(self._talk.agent_name)
            and not kinds(self._fact.content, self._language)
            and _CALLED.search(self._fact.content) is None
        )

    def _is_theirs(self, name: str) -> bool:
        """Whether a name is the caller's or a relative's; who does what was looked at with the people."""
        return unaccented(name) in self._cast.caller or bool(self._people.kin_of(name))

    def _stand_together(self, full: str) -> bool:
        """Whether the words of a name were said one after the other, if they were said in one turn."""
        words = [word for word in _WORD.findall(full.casefold()) if word not in _NOT_NAMES]
        texts = [_folded(text) for text in self._heard_names()]
        for text in texts:
            joined = f" {' '.join(text)} "
            if f" {' '.join(words)} " in joined:
                return True
        return not any(set(words) <= set(text) for text in texts) or len(words) < 2


def _owned(content: str, caller: re.Match[str]) -> bool:
    return (
        bool(caller["possess"]) or re.match(r"\W*(?:the|his|her) \w+ of", content, re.IGNORECASE) is not None
    )


def _is_event(said: Said, fact: Fact) -> bool:
    return fact.event_date is not None and said.fits(fact.event_date)


def _mended(said: str, digits: str) -> bool:
    """Whether a number is one whose end was corrected: "zero four one six, no, four one nine"."""
    for match in CORRECTS.finditer(said):
        old, new = numerals(said[: match.start()])[1], numerals(said[match.end() :])[1]
        if old and new and len(new[0]) >= 2 and old[-1][: -len(new[0])] + new[0] == digits:
            return True
    return False


def _folded(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _weekdays_in(text: str) -> set[int]:
    return {said.weekday for said in expressions(text) if said.weekday is not None} | plural(text)


@lru_cache(maxsize=1024)
def _counted_things(text: str) -> dict[str, set[str]]:
    """The numbers of a text by the name that follows them, such as a street's."""
    tokens = re.findall(r"[^\W\d_]+|\d+|[^\w\s]", text)
    found: dict[str, set[str]] = {}
    for value, _, end in counted([token.casefold() for token in tokens]):
        word = tokens[end] if end < len(tokens) else ""
        if len(word) > 3 and word.istitle() and word.casefold() not in NAMES:
            found.setdefault(word.casefold(), set()).add(str(value))
    return found


def _in_words(content: str, language: str) -> Iterator[int]:
    """The numbers that a fact writes out in words."""
    tokens = re.findall(r"[^\W\d_]+|\d+|-", plain(content.casefold()))
    for value, start, end in counted(tokens):
        words = tokens[start:end]
        if any(word.isdigit() for word in words) or (len(words) == 1 and words[0] in _AMBIGUOUS[language]):
            continue
        if value > 1:
            yield value


@lru_cache(maxsize=1024)
def _spelled_out(text: str) -> str:
    return " ".join(re.sub(r"\D", "", code.value) for code in codes(text))


def _names(content: str, language: str) -> set[str]:
    """Words of the fact that name somebody or somewhere."""
    found = {word for phrase in _NAME_AFTER.findall(content) for word in _WORD.findall(phrase)}
    if language != "de":  # where every noun has a capital, only what a name follows counts
        found |= {word for phrase in _CAPITALISED.findall(content) for word in _WORD.findall(phrase)}
    return {
        word for word in found if word.casefold() not in _NOT_NAMES and not word.isdigit() and len(word) > 1
    }


def _said_name(name: str, said: str) -> bool:
    folded = name.casefold()
    words = _folded(said)
    if folded in words:
        return True
    if any(folded in word or (len(word) > 3 and word in folded) for word in words if len(word) > 3):
        return True  # an inflected form: Leeds', Londoner
    if len(name) <= 5 and _CODE_LIKE.fullmatch(name) and folded in "".join(words):
        return True  # a code whose letters were spelled
    return any(folded in entry for entry in _spelled_names(said))


@lru_cache(maxsize=1024)
def _spelled_names(said: str) -> tuple[str, ...]:
    return tuple(entry.value.casefold() for entry in (*spelled(said), *codes(said), *emails(said)))
