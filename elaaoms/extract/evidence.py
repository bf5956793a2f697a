"""The check that every fact rests on the caller's own words: what a model proposes, this disposes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date, datetime
from difflib import SequenceMatcher

from elaaoms.extract import Dropped, Extraction
from elaaoms.extract.clauses import addressed_to_the_model, doubtful
from elaaoms.extract.dates import resolve
from elaaoms.extract.numerals import said as numerals
from elaaoms.extract.numerals import within
from elaaoms.extract.spoken import codes, emails, spelled
from elaaoms.memory import Category, Fact
from elaaoms.numerals import MONTHS as _MONTH
from elaaoms.numerals import WEEKDAYS as _DAY
from elaaoms.webhooks import Conversation, Turn

SIMILAR = 0.88  # of a quote's letters must agree where speech recognition or a model respelled a word

_YES = (
    r"yes|yeah|yep|yup|correct|right|exactly|indeed|it is|that(?:'|’)?s (?:it|me|correct|right)|ja|jawohl|genau|richtig|"
    r"stimmt|korrekt|sí|si|correcto|exacto|eso es|así es|claro|oui|exact|exactement|c(?:'|’)est (?:ça|cela|exact|bien ça)|tout à fait"
)
_THANKS = (
    r"sure|ok|okay|perfect|great|lovely|wonderful|fine|good|brilliant|excellent|absolutely|definitely|thanks|thank you|"
    r"please|cheers|that(?:'|’)?s (?:great|fine|perfect|good|lovely|kind)|that (?:would|works|sounds)|sounds|works|gern|gerne|"
    r"danke|super|prima|gut|passt|einverstanden|perfekt|in ordnung|bitte|gracias|perfecto|vale|de acuerdo|está bien|genial|"
    r"muy bien|merci|parfait|d(?:'|’)accord|très bien|entendu|volontiers|super|ça marche|bien"
)
_FILLER = r"^\W*(?:(?:um+|uh+|oh|ah|well|so|äh+|ähm|na|also|ach|eh|pues|bueno|ben|bah|euh)\W+)*"
_CONFIRMS = re.compile(rf"{_FILLER}(?:{_YES})\b", re.IGNORECASE)
_ACCEPTS = re.compile(rf"{_FILLER}(?:{_YES}|{_THANKS})\b", re.IGNORECASE)
_TAKES_BACK = re.compile(
    r"\b(?:but|no|not|isn(?:'|’)t|wrong|except|wait|actually|aber|nein|nicht|falsch|pero|no|non|mais|pas|plutôt)\b",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"^\W*(?:\w+\W+){0,2}(?:wait|hang on|no(?! (?:problem|worries|hay problema))|nein|moment|warten|espere?|non|attendez)\b",
    re.IGNORECASE,
)
_COMMITS = re.compile(
    r"\b(?:i(?:'|’)?ll|we(?:'|’)?ll|i will|we will|i(?:'|’)m going to|we(?:'|’)re going to|i can|we can|let me|"
    r"you(?:'|’)ll (?:get|receive|have|hear)|you will|will be|ich werde|wir werden|ich (?:schicke|sende|rufe|buche|melde|"
    r"kümmere|lasse|reserviere|trage|lege|veranlasse)|wir (?:schicken|senden|rufen|buchen|melden|erstatten|liefern|reparieren)|"
    r"sie (?:erhalten|bekommen)|voy a|vamos a|le (?:enviaré|enviaremos|llamaré|llamaremos|mandaré|mandaremos|haré)|"
    r"(?:enviaré|enviaremos|llamaré|llamaremos|haremos|recibirá|reservaré|mandaré|devolveremos)|je vais|nous allons|on va|"
    r"je vous (?:envoie|rappelle|rembourse|réserve)|nous vous \w+|vous (?:recevrez|aurez)|j(?:'|’)enverrai|promise\w*|book(?:ed)? you)\b",
    re.IGNORECASE,
)
_PROMISED = re.compile(
    r"\b(?:agent|company|promis\w*|versprochen|zugesagt|prometi\w*|promete\w*|promis|s(?:'|’)est engagé\w*|appointment|termin|cita|rendez-vous)\b",
    re.IGNORECASE,
)
_TO_THE_MODEL = re.compile(
    r"\{\{|\}\}|<[a-z/!]|\[/?(?:inst|system)|https?://|www\.|```|\bignor(?:e[zr]?|ieren?|a|ad|en)\b.{0,40}\b(?:instruc|anweis|rules|regeln|"
    r"reglas|règles|consign|prompt|previous|vorher|anterior|précédent)|\b(?:vergiss|olvida|oublie[zr]?|disregard|forget)\b.{0,40}\b"
    r"(?:instruc|anweis|regeln|reglas|règles|consign|prompt)|\b(?:du bist|sie sind|eres|ahora eres|tu es|vous êtes) (?:jetzt|ab jetzt|ahora|"
    r"désormais|maintenant)|\b(?:system|assistant|developer|user|tool)\s*(?::|prompt|message|colon|doppelpunkt|dos puntos|deux points)|"
    r"\b(?:remember|store|save|record|note|write down|merk dir|merken sie sich|speicher\w*|recuerda|guarda|memoriza|apunta|souviens-toi|"
    r"retiens|enregistre[zr]?|mémorise[zr]?)\b.{0,60}\b(?:memory|memories|every (?:agent|caller|customer)|all (?:agents|callers|customers)|"
    r"gedächtnis|alle (?:agenten|anrufer|kunden)|todos los (?:agentes|clientes)|memoria|mémoire|tous les (?:agents|clients))|"
    r"\b(?:tell|greet|say to) (?:every|all|the next|other) ?\w*|\b(?:next|every) (?:caller|time (?:somebody|someone|anyone|a caller))|"
    r"\b(?:function|tool)[ _]?call|search_memory|\bjson\b|\bprompt\b|language model|\bLLM\b|chatbot|\bas an ai\b",
    re.IGNORECASE,
)
_STATUS = re.compile(
    r"\b(?:admin\w*|VIP|verified|verifi\w+|authori[sz]ed|autori\w+|approved|genehmigt|aprobad\w+|approuv\w+|premium|privileged|"
    r"(?:is|works as) (?:an? |the )?(?:employee|manager|owner|director|boss|supervisor|police\w*|officer|doctor of|staff|developer)|"
    r"entitled|exempt|unlimited|full access|zugriff|acceso|accès)\b",
    re.IGNORECASE,
)
_CLAIMED = re.compile(
    r"\b(?:says?|said|claims?|claimed|states?|stated|according to|sagt|behauptet|laut|gibt an|dice|afirma|según|dit|affirme|"
    r"prétend|selon)\b",
    re.IGNORECASE,
)
_NAME_AFTER = re.compile(
    r"\b(?:name is|named|called|name ist|namens|heißt|heisst|herr|frau|llama|llamad[oa]|nombre es|señora?|s(?:'|’)appelle|"
    r"appelée?|nommée?|nom est|monsieur|madame|in|aus|nach|en|de|à)\s+([A-ZÀ-ÖØ-Þ][\w'’-]+(?:\s+[A-ZÀ-ÖØ-Þ][\w'’-]+)*)"
)
_CAPITALISED = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZÀ-ÖØ-Þ][\w'’-]*[^\W\d_]", re.UNICODE)
_NUMBER = re.compile(r"\d+(?:[.,]\d{3})*(?:[.,]\d+)?")
_WORD = re.compile(r"[^\W_]+", re.UNICODE)

# Days from the call that these words can mean, from and to.
_AWAY = (
    (0, 0, r"\b(?:today|tonight|this (?:morning|afternoon|evening)|(?:hours?|minutes?) ago|just now|heute|stunden?|hoy|esta (?:tarde|noche)|"
           r"horas?|aujourd(?:'|’)hui|ce (?:soir|matin)|heures?)\b"),
    (1, 1, r"\b(?:tomorrow|morgen|mañana|demain)\b"),
    (2, 2, r"\b(?:day after tomorrow|übermorgen|pasado mañana|après-demain)\b"),
    (-1, -1, r"\b(?:yesterday|last night|gestern|ayer|anoche|esta noche|hier)\b"),
    (-2, -2, r"\b(?:day before yesterday|vorgestern|anteayer|avant-hier)\b"),
    (-10, -1, r"\b(?:last week(?:end)?|letzte[ns]? woche(?:nende)?|wochenende|(?:semana|finde?) pasad[ao]|fin de semana|(?:semaine|week-end) derni\w+)\b"),
    (0, 14, r"\b(?:next week(?:end)?|nächste[ns]? woche(?:nende)?|(?:próxima semana|semana que viene)|(?:semaine|week-end) prochaine?)\b"),
    (-62, 0, r"\b(?:(?:last|this) month|(?:letzten|diesen) monat|(?:mes pasado|este mes)|mois dernier|ce mois)\b"),
    (0, 62, r"\b(?:next month|nächsten monat|(?:mes que viene|próximo mes)|mois prochain)\b"),
    (-730, 400, r"\b(?:(?:last|this|next) (?:year|spring|summer|autumn|winter)|(?:letztes|dieses|nächstes) jahr|"
                r"año pasado|année dernière)\b"),
)  # fmt: skip
_FEASTS = (
    ({(12, 31), (1, 1)}, r"\b(?:new year|neujahr|silvester|año nuevo|nochevieja|nouvel an)"),
    ({(12, 24), (12, 25), (12, 26)}, r"\b(?:christmas|weihnacht|heiligabend|navidad|nochebuena|noël)"),
)
_PERIOD = re.compile(
    r"\b(?:month|monat|mes|mois|week|woche|semana|semaine|year|jahr|año|année?|spring|summer|autumn|winter)\w*\b",
    re.IGNORECASE,
)
_FIRST_SINGULAR = re.compile(
    r"\b(?:i|i(?:'|’)?m|i(?:'|’)?ve|i(?:'|’)?d|i(?:'|’)?ll|me|mine|myself|ich|mir|mich|yo|me|mí|j|je|moi)\b",
    re.IGNORECASE,
)
_TODAY = r"\b(?:ago|since|seit|vor|hace|desde|il y a|depuis|today|tonight|this \w+ing|heute|hoy|esta \w+|aujourd\w*|ce (?:soir|matin))\b"
_CLAUSE = re.compile(r"[,;:.!?]|\b(?:and|but|und|aber|y|pero|et|mais)\b", re.IGNORECASE)
_NEGATES = re.compile(
    r"\b(?:not|never|no longer|\w+n(?:'|’)t|dont|doesnt|didnt|isnt|arent|cant|wont|nicht|kein\w*|nie|niemals|nunca|jamás|ya no|pas|jamais|"
    r"aucun\w*|no (?:soy|tengo|quiero|me|es|estoy|vivo|hay))\b",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(
    r"\b(?:no|not|never|none|without|neither|nor|unable|cannot|\w+n(?:'|’)t|un\w+|refus\w*|declin\w*|dislik\w*|hat\w*|stop\w*|avoid\w*|"
    r"rather than|instead|trouble|most|against|miss\w*|late|lack\w*|lost|fail\w*|broke\w*|problem\w*|complain\w*|only|left|quit|gave up|ended?|cancel\w*|longer|"
    r"nicht|kein\w*|nie|ohne|weder|ablehn\w*|lehnt|ungern|fehl\w*|beschwer\w*|nur|kaputt|no|nunca|jamás|sin|ni|tampoco|dejó|odia\w*|falta\w*|"
    r"solo|sólo|se queja|averiad\w*|pas|ne|n|jamais|sans|ni|aucun\w*|refuse|déteste|manque\w*|plainte|plaint|seulement|que|arrêté)\b",
    re.IGNORECASE,
)
_COMMANDS = re.compile(
    r"\W*(?:please|do not|don(?:'|’)t|always|never|you (?:must|should)|ignore|treat|transfer|tell|greet|remember|give|bitte|immer|niemals|"
    r"por favor|siempre|veuillez|s(?:'|’)il vous plaît|toujours)\b",
    re.IGNORECASE,
)
_IDENTITY = re.compile(r"the (?:caller|customer)(?:'|’)?s? (?:name |is |age |was |has )", re.IGNORECASE)
_ABOUT = frozenset(
    """the caller callers customer that this with from have been will would about agent promised says said named called
    anrufer anruferin kunde kundin dass eine einen einer sein seine ihre agent versprochen cliente quien llama agente
    prometió appelant appelante client cliente agent promis""".split()
)
_STOP = re.compile(r"[.!?…]+(?:\s+|$)")
_WRITTEN_DAY = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th|\.|º|er)?\s+(?:de\s+|of\s+)?([^\W\d_]+)")
_WANTED = re.compile(
    r"\b(?:ask|want|would like|request|need|wish|prefer|bitte[tn]?|möchte|will|wünsch|brauch|pide|pregunt|quiere|necesita|prefiere|"
    r"demand|veut|souhait|voudrait|préfère|besoin)\w*",
    re.IGNORECASE,
)
_CONDITIONAL = re.compile(
    r"\b(?:wenn|falls)\b.{0,60}\b(?:würde|wäre|hätte|könnte)\w*|\bsi\b.{0,60}\b\w{2,}(?:ría|ríamos|iera|iese|rais|rait|rions)\b|"
    r"\bif\b.{0,60}\b(?:would|could|might|\w+(?:'|’)d)\b",
    re.IGNORECASE,
)
_OF_THE_CALLER = re.compile(
    r"(?:the (?:caller|customer)|d(?:er|ie) (?:anrufer|kund)(?:in|e)?|(?:el|la) cliente?a?|quien llama|l(?:'|’)appelante?|l[ae] cliente?) "
    r"(?!(?:and|und|y|et|says?|said|asks?|wants?)\b)",
    re.IGNORECASE,
)
_THIRD = re.compile(
    r"\b(?:he|she|he(?:'|’)?s|she(?:'|’)?s|his|her|hers|him|er|sein\w*|ihm|él|ella|il|elle|lui)\b|^\W*[A-ZÀ-ÖØ-Þ]\w+(?:(?:'|’)s| is| ist| es| est)\b",
)
_FIRST = re.compile(
    r"\b(?:i|i(?:'|’)?m|i(?:'|’)?ve|i(?:'|’)?d|i(?:'|’)?ll|me|my|mine|we|us|our|ich|mir|mich|mein\w*|wir|uns\w*|yo|me|mi|mis|mí|nosotros|nos|"
    r"j|je|moi|mon|ma|mes|nous|notre|nos)\b|\b\w+(?:o|amos|emos|imos)\b(?=.*[áéíóúñ])",
    re.IGNORECASE,
)
_CORRECTS = re.compile(
    r"\b(?:no|sorry|wait|hang on|i mean|rather|correction|nein|entschuldigung|quatsch|moment|perdón|perdona|mejor dicho|digo|non|pardon|"
    r"enfin|plutôt)\b",
    re.IGNORECASE,
)
_KINDS = (
    "sister schwester hermana sœur soeur|brother bruder hermano frère|mother mum mom mutter mama madre mamá mère maman|"
    "father dad vater papa padre papá père|son sohn hijo fils|daughter tochter hija fille|wife ehefrau mujer esposa femme épouse|"
    "husband ehemann marido esposo mari|partner partnerin lebensgefährte pareja compagnon compagne|boyfriend freund novio copain|"
    "girlfriend freundin novia copine|nephew neffe sobrino neveu|niece nichte sobrina nièce|grandson enkel nieto|"
    "granddaughter enkelin nieta|grandmother grandma gran oma großmutter abuela grand-mère|grandfather grandpa opa großvater abuelo|"
    "aunt auntie tante tía|uncle onkel tío oncle|cousin cousine primo prima|neighbour neighbor nachbar nachbarin vecino vecina "
    "voisin voisine|colleague kollege kollegin colega compañero collègue|boss chef chefin jefe jefa patron patronne"
)
_KIN: dict[str, int] = {
    word: number for number, words in enumerate(_KINDS.split("|")) for word in words.split()
}
# Words that begin with a capital for reasons of grammar, or name the one who speaks.
_NOT_NAMES = frozenset(
    """i i'm the a an caller caller's mr mrs ms dr e-mail email whatsapp sms english german french spanish deutsch
    anrufer anruferin kunde kundin anrufers agent agentin cliente client cliente llamante appelant appelante señor
    señora monsieur madame herr frau""".split()
) | frozenset((*_MONTH, *_DAY))


def verify(conversation: Conversation, facts: Sequence[Fact]) -> Extraction:
    """Keep the facts whose quote is found where they say it is, in words that count as evidence."""
    return _sifted(conversation, facts, _misquotes)


def verify_proposals(conversation: Conversation, facts: Sequence[Fact]) -> Extraction:
    """The same for what a language model proposes: what the fact says must be in its evidence as well."""
    return _sifted(conversation, facts, lambda talk, fact: _misquotes(talk, fact) or _overstates(talk, fact))


def _sifted(
    conversation: Conversation,
    facts: Sequence[Fact],
    objection: Callable[[Conversation, Fact], str | None],
) -> Extraction:
    kept: list[Fact] = []
    dropped: list[Dropped] = []
    seen = set()
    for fact in facts:
        reason = objection(conversation, fact)
        key = (fact.category, fact.slot, fact.value or fact.content.casefold())
        if reason is not None:
            dropped.append(Dropped(reason, fact.content))
        elif key not in seen:
            seen.add(key)
            kept.append(fact)
    return Extraction(facts=tuple(kept), dropped=tuple(dropped))


# -- the quote --------------------------------------------------------------------------


def _misquotes(conversation: Conversation, fact: Fact) -> str | None:
    """Why the quote is no evidence: it must be the caller's words, or the agent's that the caller confirmed."""
    if not fact.quote.strip():
        return "no quote"
    if not 0 <= fact.turn < len(conversation.turns):
        return "no such turn"
    turn = conversation.turns[fact.turn]
    if not occurs(fact.quote, turn.text):
        return "quote not found"
    if turn.role == "user":
        return None
    if any(occurs(fact.quote, text) for text in conversation.injected):
        return "our own words"
    answer = _answer(conversation, fact.turn)
    if accepts(answer) and (_COMMITS.search(turn.text) or _PROMISED.search(fact.content)):
        return None
    return None if confirms(answer) and asks_back(turn.text) else "not confirmed"


def to_the_model(text: str) -> bool:
    """Whether a text gives orders to a language model or carries its markup."""
    return _TO_THE_MODEL.search(text) is not None or addressed_to_the_model(text)


def confirms(answer: str) -> bool:
    """Whether a caller's turn says that what the agent read back is right."""
    return _CONFIRMS.match(answer) is not None and not _TAKES_BACK.search(answer[:40])


def accepts(answer: str) -> bool:
    """Whether a caller's turn accepts what the agent offered."""
    return _ACCEPTS.match(answer) is not None and not _REFUSES.match(answer)


def asks_back(text: str) -> bool:
    """Whether an agent's turn asks for confirmation rather than claims something."""
    return (
        "?" in text
        or re.search(r"\b(?:so that|correct|right|richtig|correcto|exact)\b", text, re.IGNORECASE) is not None
    )


def occurs(quote: str, text: str) -> bool:
    """Whether a quote stands in a text, but for case, punctuation and a word that was heard differently."""
    sought, words = _folded(quote), _folded(text)
    if not sought:
        return False
    if f" {' '.join(sought)} " in f" {' '.join(words)} ":
        return True
    if len(sought) < 4:
        return False
    # A window of the same length may differ in its letters, never in a number or a denial.
    numbers = [word for word in sought if any(map(str.isdigit, word))]
    for start in range(max(1, len(words) - len(sought) + 1)):
        window = words[start : start + len(sought)]
        if [word for word in window if any(map(str.isdigit, word))] != numbers:
            continue
        matcher = SequenceMatcher(None, " ".join(sought), " ".join(window), autojunk=False)
        if matcher.quick_ratio() >= SIMILAR and matcher.ratio() >= SIMILAR:
            return _denials(sought) == _denials(window)
    return False


def _denials(words: Sequence[str]) -> int:
    return sum(word in _DENIALS for word in words)


_DENIALS = frozenset(
    "no not never nicht kein keine keinen nie nunca jamás pas jamais ne n sin ohne without t".split()
)


def _folded(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _answer(conversation: Conversation, turn: int) -> str:
    return next((t.text for t in conversation.turns[turn + 1 :] if t.role == "user" and t.text), "")


# -- what the fact makes of it ------------------------------------------------------------


def _overstates(conversation: Conversation, fact: Fact) -> str | None:
    """Why the fact says more than its evidence does."""
    if _COMMANDS.match(fact.content):
        return "a command"
    if _folded(fact.content) == _folded(fact.quote):
        return "only repeated"  # a memory is a sentence about the caller, not the caller's sentence
    turn = conversation.turns[fact.turn]
    before, sentence = _sentence(turn.text, fact.quote)
    for text in (before, sentence, fact.content):
        if to_the_model(text):
            return "addressed to the model"
    if _STATUS.search(fact.content) and not _CLAIMED.search(fact.content):
        return "self-declared"
    if turn.role == "user":
        if sentence.rstrip().endswith("?") and not _WANTED.search(fact.content):
            return "a question"
        if _supposed(sentence, fact.quote):
            return "supposed"
        if _of_somebody_else(fact):
            return "somebody else's"
        if _denied(sentence, fact):
            return "denied"
    if not _related(conversation, fact):
        return "not about it"
    if not _about_them(conversation, fact):
        return "person not in evidence"
    called = conversation.called_at
    answered = _evidence(conversation, fact.turn)
    around = _evidence(conversation, fact.turn, statements=True)
    if fact.event_date is not None and not _dated(fact.event_date, around, called):
        return "date not in evidence"
    days = _days(fact, around, called)
    if not _months_agree(fact, around, called, days):
        return "date not in evidence"
    if any(not _counted(number, days, answered, called) for number in _NUMBER.findall(fact.content)):
        return "number not in evidence"
    if _corrected(fact.content, turn.text):
        return "corrected"
    if any(not _named(name, conversation, around) for name in _names(conversation, fact.content)):
        return "name not in evidence"
    return None


def _sentence(text: str, quote: str) -> tuple[str, str]:
    """What the turn says before the quote's sentence, and that sentence."""
    at = max(0, text.casefold().find(quote.strip().casefold()))
    start = max((match.end() for match in _STOP.finditer(text, 0, at)), default=0)
    end = _STOP.search(text, min(len(text), at + max(1, len(quote.strip()) - 1)))
    return text[:start], text[start : end.end() if end else len(text)]


def _supposed(sentence: str, quote: str) -> bool:
    """Whether the quote stands under an "if" or in somebody's mouth."""
    at = sentence.casefold().find(quote.strip().casefold())
    return doubtful(sentence[: max(0, at)]) or _CONDITIONAL.search(sentence) is not None


def _denied(sentence: str, fact: Fact) -> bool:
    """Whether the caller denies what the fact asserts: a no where the fact has its words from, and none in the fact."""
    if _NEGATIVE.search(fact.content):
        return False
    at = sentence.casefold().find(fact.quote.strip().casefold())
    before = " ".join(_CLAUSE.split(sentence[: max(0, at)])[-1].split()[-3:])
    about = _gist(fact.content)
    clauses = [clause for clause in _CLAUSE.split(f"{before} {fact.quote}") if clause.strip()]
    told = max(clauses, key=lambda clause: len(_gist(clause) & about), default="")
    return _NEGATES.search(told) is not None


def _gist(text: str) -> set[str]:
    """The beginnings of the words that carry a text's meaning, so that forms of a word are the same."""
    return {word[:4] for word in _folded(text) if len(word) > 2 and word not in _ABOUT}


def _related(conversation: Conversation, fact: Fact) -> bool:
    """Whether the fact has a word in common with its evidence; moods, days and numbers are told in other words."""
    if fact.category is Category.EMOTIONAL or fact.event_date is not None or _NUMBER.search(fact.content):
        return True
    said = _evidence(conversation, fact.turn, statements=True)
    return not _gist(fact.content).isdisjoint(_gist(said))


def _of_somebody_else(fact: Fact) -> bool:
    """Whether the quote speaks of a third person and the fact of the caller."""
    if _kin(fact.content):
        return False
    if _kin(fact.quote) and _IDENTITY.match(fact.content) and _FIRST_SINGULAR.search(fact.quote) is None:
        return True
    if not _OF_THE_CALLER.match(fact.content):
        return False
    return _THIRD.search(fact.quote) is not None and _FIRST.search(fact.quote) is None


def _about_them(conversation: Conversation, fact: Fact) -> bool:
    """Whether the people of the fact are those that its words are about: named in the quote, or named before it
    where the quote does not speak in the first person ("she wants an aisle seat")."""
    missing = _kin(fact.content) - _kin(fact.quote)
    if not missing:
        return True
    if _FIRST_SINGULAR.search(fact.quote):
        return False
    so_far = " ".join(turn.text for turn in conversation.turns[: fact.turn + 1])
    return missing <= _kin(so_far)


def _kin(text: str) -> set[int]:
    """The kinds of people that a text names, the same in every language."""
    found = {_KIN.get(word, _KIN.get(word.removesuffix("s"))) for word in _folded(text)}
    return {kind for kind in found if kind is not None}


def _corrected(content: str, said: str) -> bool:
    """Whether a number of the fact was taken back in the same breath: "285, sorry, 258"."""
    cut = max((match.start() for match in _CORRECTS.finditer(said)), default=None)
    if cut is None:
        return False
    old, new = said[:cut], said[cut:]
    if not numerals(new)[1]:
        return False
    numbers = [re.sub(r"\D", "", number) for number in _NUMBER.findall(content)]
    return any(
        len(number) > 1
        and within(number, old)
        and not within(number, new)
        and any(len(run) >= 2 for run in numerals(new)[1])
        for number in numbers
    )


def _evidence(conversation: Conversation, number: int, *, statements: bool = False) -> str:
    """The cited turn, with the question that it answers; with `statements` whatever the agent said before it."""
    turns = conversation.turns
    said: list[Turn] = [turns[number]]
    if turns[number].role == "user":
        asked = next((turn for turn in reversed(turns[:number]) if turn.text), None)
        if asked is not None and asked.role == "agent" and (statements or "?" in asked.text):
            said.insert(0, asked)
    return " \n ".join(turn.text for turn in said)


def _days(fact: Fact, said: str, called: datetime | None) -> list[date]:
    """The days that the fact may name: its own, the call's, and those that the words can mean."""
    known = [fact.event_date] if fact.event_date is not None else []
    if called is None:
        return known
    if re.search(_TODAY, said, re.IGNORECASE):
        known.append(called.date())
    for day, month in _WRITTEN_DAY.findall(fact.content):
        if month.casefold() not in _MONTH:
            continue
        for year in (called.year - 1, called.year, called.year + 1):
            try:
                written = date(year, _MONTH[month.casefold()], int(day))
            except ValueError:
                continue
            if _dated(written, said, called):
                known.append(written)
    return known


def _dated(day: date, said: str, called: datetime | None) -> bool:
    """Whether the caller's words, on the day of the call, can mean this day."""
    folded = _folded(said)
    months = {_MONTH[word] for word in folded if word in _MONTH}
    weekdays = {_DAY[word] for word in folded if word in _DAY}
    fits = (not months or day.month in months) and (not weekdays or day.weekday() in weekdays)
    if fits and within(str(day.day), said):
        return called is None or abs((day - called.date()).days) < 366 * 120
    if called is None:
        return False
    away = (day - called.date()).days
    if any(found.date == day for found in resolve(said, called)):
        return True
    if day.weekday() in weekdays and abs(away) <= 21:
        return True
    for low, high, words in _AWAY:
        if low <= away <= high and (low == high or fits) and re.search(words, said, re.IGNORECASE):
            return True
    if any(
        (day.month, day.day) in feast and re.search(words, said, re.IGNORECASE) for feast, words in _FEASTS
    ):
        return True
    spans = [(abs(away), r"days?|tagen?|días?|jours?")]
    if away % 7 == 0:
        spans.append((abs(away) // 7, r"weeks?|wochen?|semanas?|semaines?"))
    return any(
        count and within(str(count), said) and re.search(unit, said, re.IGNORECASE) for count, unit in spans
    )


def _months_agree(fact: Fact, said: str, called: datetime | None, days: Sequence[date]) -> bool:
    """Months that the fact names were said, or belong to one of its days."""
    heard = {_MONTH[word] for word in _folded(said) if word in _MONTH} | {day.month for day in days}
    if called is not None and _PERIOD.search(said):
        heard |= {(called.month - 2) % 12 + 1, called.month, called.month % 12 + 1}
    named = {
        _MONTH[word.casefold()]
        for word in _WORD.findall(fact.content)
        if word.casefold() in _MONTH and word != "may"  # the verb; the month has a capital
    }
    return named <= heard


def _counted(number: str, days: Sequence[date], said: str, called: datetime | None) -> bool:
    """Whether a number of the fact was said, or belongs to one of its days."""
    digits = re.sub(r"\D", "", number)
    if digits.lstrip("0") in {part for day in days for part in (str(day.day), str(day.month), str(day.year))}:
        return True
    if called is not None and len(digits) == 4 and abs(int(digits) - called.year) <= 1:
        return True  # the year that "in May" means
    if within(digits, said):
        return True
    spelled_out = "".join(re.sub(r"\D", "", code.value) for code in codes(said))
    return len(digits) >= 3 and digits in spelled_out


def _names(conversation: Conversation, content: str) -> set[str]:
    """Words of the fact that name somebody or somewhere."""
    found = {word for phrase in _NAME_AFTER.findall(content) for word in _WORD.findall(phrase)}
    if not conversation.language.startswith(
        "de"
    ):  # where every noun has a capital, only what a name follows counts
        found |= {word for phrase in _CAPITALISED.findall(content) for word in _WORD.findall(phrase)}
    return {
        word for word in found if word.casefold() not in _NOT_NAMES and not word.isdigit() and len(word) > 1
    }


def _named(name: str, conversation: Conversation, said: str) -> bool:
    folded = name.casefold()
    if folded in _folded(said) or folded in _folded(conversation.agent_name):
        return True
    if any(folded in word or (len(word) > 3 and word in folded) for word in _folded(said) if len(word) > 3):
        return True  # an inflected form: Leeds', Londoner
    letters = "".join(re.findall(r"\w", said)).casefold()
    if len(name) <= 5 and name.isupper() and folded in letters:
        return True  # a code whose letters were spelled
    spoken = {entry.value.casefold() for entry in (*spelled(said), *codes(said), *emails(said))}
    return any(folded in entry for entry in spoken)
