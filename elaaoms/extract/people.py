"""Who a clause is about and who says it: kin, names, pronouns and a telephone that is handed on, in four languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from attrs import evolve, frozen

from elaaoms.extract.numerals import within
from elaaoms.extract.words import COMMON, FIRST_NAMES
from elaaoms.language import LITTLE_WORDS
from elaaoms.webhooks import Conversation

# Kinds of people by language: the masculine and the feminine words, then those that say neither.
_LEXICON = {
    "en": """
        mother//mother stepmother stepmum stepmom mum mom mummy mommy mam|father/father stepfather stepdad dad daddy/|parent///parent|son/son/|daughter//daughter|
        child///child children kid baby toddler infant newborn|wife//wife|husband/husband/|partner///partner spouse fiance fiancee|
        boyfriend/boyfriend/|girlfriend//girlfriend|sister//sister|brother/brother/|sibling///sibling twin|
        grandmother//grandmother grandma granny gran nan nana|grandfather/grandfather grandpa granddad grandad/|
        grandson/grandson/|granddaughter//granddaughter|grandchild///grandchild grandchildren grandkid|aunt//aunt auntie|uncle/uncle/|
        niece//niece|nephew/nephew/|cousin///cousin|neighbour///neighbour neighbor|friend///friend|
        colleague///colleague coworker workmate|boss///boss|flatmate///flatmate roommate housemate lodger|landlord///landlord landlady|
        tenant///tenant|carer///carer caregiver|assistant///assistant|dog///dog puppy|cat///cat kitten|horse///horse|rabbit///rabbit""",
    "de": """
        mother//mutter stiefmutter mama mutti|father/vater stiefvater papa vati/|parent///eltern elternteil|son/sohn stiefsohn söhne söhnchen/|daughter//tochter stieftochter töchter|
        child///kind kinder kleinkind baby säugling|wife//ehefrau|husband/ehemann/|partner/partner lebensgefährte verlobter/partnerin lebensgefährtin verlobte|
        boyfriend/freund/|girlfriend//freundin|sister//schwester|brother/bruder brüder/|sibling///geschwister zwilling|
        grandmother//großmutter grossmutter oma omi|grandfather/großvater grossvater opa opi/|grandson/enkel enkelsohn/|
        granddaughter//enkelin enkeltochter|grandchild///enkelkind enkelkinder|aunt//tante|uncle/onkel/|niece//nichte|nephew/neffe/|
        cousin/cousin vetter/cousine base|neighbour/nachbar/nachbarin|colleague/kollege/kollegin|boss/chef/chefin|
        flatmate/mitbewohner/mitbewohnerin|landlord/vermieter/vermieterin|tenant/mieter untermieter/mieterin untermieterin|
        carer/pfleger/pflegerin|assistant/assistent/assistentin|dog/hund/hündin|cat/kater/katze|horse///pferd|rabbit///kaninchen""",
    "es": """
        mother//madre mamá|father/padre papá/|parent///padres|son/hijo niño/|daughter//hija niña|child///hijos niños|wife//esposa|
        husband/marido esposo/|partner/prometido/prometida/pareja|boyfriend/novio/|girlfriend//novia|sister//hermana|brother/hermano/|
        sibling///hermanos|grandmother//abuela abuelita|grandfather/abuelo abuelito/|grandson/nieto/|granddaughter//nieta|
        grandchild///nietos|aunt//tía|uncle/tío/|niece//sobrina|nephew/sobrino/|cousin/primo/prima|neighbour/vecino/vecina|
        friend/amigo/amiga|colleague/compañero colega/compañera|boss/jefe/jefa|landlord/casero/casera|tenant/inquilino/inquilina|
        carer/cuidador/cuidadora|assistant///ayudante|brother-in-law/cuñado/|sister-in-law//cuñada|father-in-law/suegro/|mother-in-law//suegra|
        son-in-law/yerno/|daughter-in-law//nuera|dog/perro perrito/perra perrita|cat/gato gatito/gata gatita|horse/caballo/yegua|rabbit///conejo""",
    "fr": """
        mother//mère maman|father/père papa/|parent///parents|son/fils garçon/|daughter//fille|child///enfant bébé nourrisson|wife//épouse|
        husband/mari époux/|partner/compagnon conjoint fiancé/compagne conjointe fiancée|boyfriend/copain/|girlfriend//copine|
        sister//sœur soeur|brother/frère/|sibling///jumeau jumelle|grandmother//mamie mémé|grandfather/papi papy pépé/|aunt//tante|uncle/oncle/|
        niece//nièce|nephew/neveu/|cousin/cousin/cousine|neighbour/voisin/voisine|friend/ami/amie|colleague///collègue|
        boss/patron/patronne|landlord///propriétaire|tenant///locataire|flatmate///colocataire|son-in-law/gendre/|daughter-in-law//bru|
        carer///aidant|assistant///assistante|dog/chien/chienne|cat/chat/chatte|horse///cheval|rabbit///lapin""",
}
# Words that are kin only with their neighbours, as they are without accents; None takes the kind from the group.
_PHRASES: dict[str, tuple[tuple[re.Pattern[str], str | None], ...]] = {
    language: tuple((re.compile(rf"\b(?:{words})\b"), kind) for words, kind in entries)
    for language, entries in {
        "en": (
            (r"(mother|father|sister|brother|son|daughter)s?[- ]in[- ]law", None),
            (r"(?:ex|former)(?:[- ](?:wife|husband|partner|girlfriend|boyfriend))", "ex"),
            (r"(?:my|our|his|her|their|caller's) ex", "ex"),
            (r"widow(?:er)?", "spouse"),
            (r"(?:my|our) (?:\w+ )?boy", "son"),
            (r"(?:my|our) (?:\w+ )?girl", "daughter"),
            (r"in-laws", "parent"),
            (r"(?:my|our) (?:eldest|oldest|youngest|little one|twins)", "child"),
        ),
        "de": (
            (r"schwieger(mutter|vater|sohn|tochter|eltern)", None),
            (r"ex[- ]?(?:frau|mann|freund|freundin|partner\w*)|(?:mein|sein|ihr)e?[nmrs]? ex", "ex"),
            (r"(?:ehemalig|fruher)\w+ (?:frau|mann|freund|freundin|partner\w*)", "ex"),
            (r"schwagerin(?:nen)?", "sister-in-law"),
            (r"schwagers?", "brother-in-law"),
            (
                r"(?:mein|dein|sein|ihr|unser|eur)\w* (?:\w+e[nrs]? )?frau|frau (?:des|der) (?:anrufer|kund)\w*",
                "wife",
            ),
            (
                r"(?:mein|dein|sein|ihr|unser|eur)\w* (?:\w+e[nrs]? )?mann(?:es)?|mann (?:des|der) (?:anrufer|kund)\w*",
                "husband",
            ),
            (r"witwer?", "spouse"),
            (
                r"(?:mein|unser)\w* (?:jungste|alteste|kleine|grosse|zwillinge)\w{0,2}(?= *(?:[,.;!?]|$|hat|ist|kann|will|wird|und|der|die|den|dem))",
                "child",
            ),
        ),
        "es": (
            (r"(?:mi|tu|su|nuestra) (?:\w+ )?mujer|mujer de (?:quien|la|el|del)", "wife"),
            (r"ex[- ]?(?:marido|mujer|esposa|esposo|novio|novia|pareja)|(?:mi|su) ex", "ex"),
            (r"viud[ao]", "spouse"),
            (r"(?:un|el|mi|su|al|del|nuestro) bebe", "child"),  # "bebe" also drinks
            (
                r"(?:mis?|nuestr[oa]s?) (?:hij[oa] )?(?:mayor|pequen[oa]|peque|mellizos|mellizas|gemelos|gemelas)",
                "child",
            ),
        ),
        "fr": (
            (r"(?:ma|ta|sa|votre) (?:\w+ )?femme|femme de (?:l'appelant|la|le|l)", "wife"),
            (
                r"(?:ex[- ]?|ancien(?:ne)? )(?:mari|femme|epouse|epoux|conjoint\w*|compagn\w+|copine?|copain)|(?:mon|son) ex",
                "ex",
            ),
            (r"belle[- ]mere", "mother-in-law"),
            (r"beau[- ]pere", "father-in-law"),
            (r"belle[- ]soe?ur", "sister-in-law"),
            (r"beau[- ]frere", "brother-in-law"),
            (r"belle[- ]fille", "daughter-in-law"),
            (r"beau[- ]fils", "son-in-law"),
            (r"grand[- ]mere", "grandmother"),
            (r"grand[- ]pere", "grandfather"),
            (r"petite[- ]fille", "granddaughter"),
            (r"petit[- ]fils", "grandson"),
            (r"petits[- ]enfants", "grandchild"),
            (r"veu(?:f|ve)", "spouse"),
            (r"(?:mon|ma|mes|notre|nos) (?:ainee?|cadette?|petite? derni\w+|jumeaux|jumelles)", "child"),
        ),
    }.items()
}
_FEMININE = frozenset(
    """mother daughter wife girlfriend sister grandmother granddaughter aunt niece mother-in-law sister-in-law
    daughter-in-law""".split()
)
_MASCULINE = frozenset(
    """father son husband boyfriend brother grandfather grandson uncle nephew father-in-law brother-in-law
    son-in-law""".split()
)
# What may be said for what: a spouse is a wife, a child is a son.
_GENERAL = {
    "parent": {"mother", "father"},
    "child": {"son", "daughter"},
    "partner": {"wife", "husband", "boyfriend", "girlfriend"},
    "spouse": {"wife", "husband", "partner"},
    "sibling": {"sister", "brother"},
    "ex": {"wife", "husband", "partner", "boyfriend", "girlfriend"},
    "grandchild": {"grandson", "granddaughter"},
    "friend": {"boyfriend", "girlfriend"},
}

_TOKEN = re.compile(r"[^\W\d_]+", re.UNICODE)
_SENTENCE_END = re.compile(r"[.!?…]+(?:\s+|$)")
_PRONOUNS = {
    language: tuple((gender, re.compile(rf"\b(?:{words})\b", re.IGNORECASE)) for gender, words in entries)
    for language, entries in {
        "en": (
            ("m", r"he|he'?s|he'd|he'll|him|his|himself"),
            ("f", r"she|she'?s|she'd|she'll|her|hers|herself"),
        ),
        "de": (
            ("m", r"er|ihm|ihn|sein\w{0,2}|der (?:hat|ist|war|sagt|will|kann|kommt|mag|braucht|hatte|wird)"),
            ("f", r"(?-i:sie)|(?-i:ihr\w{0,2})|die (?:hat|ist|war|sagt|will|kann|kommt|mag|braucht|hatte|wird|schickt)"),
        ),
        "es": (
            ("m", r"él|suyo"),
            ("f", r"ella|suya"),
            ("", r"(?:se|les?) \w{2,}(?:ó|aron|ieron)"),
            (
                "",
                r"(?:es|está) (?:muy )?(?:alérgic|diabétic|celíac|asmátic|vegan|vegetarian|sord|cieg|viud|casad|enferm|embarazad|jubilad|hipertens)\w+|"
                r"(?:^|(?<=[,.;] )|(?<=\by )|(?<=que ))(?:tiene|toma|lleva|necesita|vive|trabaja|padece|sufre)",
            ),
        ),
        "fr": (
            ("m", r"il(?! y a| faut| fait| pleut| me faut)|lui|celui-ci"),
            ("f", r"elle|celle-ci"),
            ("", r"(?:son|sa|ses) \w+"),
        ),
    }.items()
}  # fmt: skip
_FIRST = {
    language: re.compile(rf"\b(?:{words}|(?P<whose>{whose}))\b", re.IGNORECASE)
    for language, words, whose in (
        ("en", r"i|i'?m|i'?ve|i'd|i'll|id|me|mine|myself|we|we'?re|we'?ve|we'd|we'll|us|ourselves", "my|our"),
        ("de", r"ich|mir|mich|wir|uns", r"mein\w{0,2}|unser\w{0,2}"),
        (
            "es",
            r"yo|me|mí|conmigo|nosotr[oa]s|nos|mí[oa]s?|soy|estoy|estuve|tuve|fui|hice|puse|dije|vine|quise|pude|tengo|quiero|puedo|vivo|trabajo|necesito|prefiero|"
            r"llamo|hago|voy|vengo|salgo|digo|sé|creo|pienso|uso|tomo|pago|busco|odio|cuido|llego|compro|vendo|espero|"
            r"conozco|duermo|viajo|recibo|pongo|hablo|bebo|juego|leo|escribo|estudio|sufro|veo|oigo|ando|quisiera|he|hemos|"
            r"\w{2,}(?:amos|emos|imos)|(?!aqu|ah|all|as|caf)\w{2,}[éí]",
            r"mis?|nuestr[oa]s?",
        ),
        ("fr", r"je|j|me|m|moi|nous|on|mien(?:ne)?s?", "mon|ma|mes|notre|nos"),
    )
}  # fmt: skip
_MY = re.compile(r"\b(?:my|our|mein\w{0,2}|unser\w{0,2}|mis?|nuestr[oa]|mon|ma|mes|notre|nos)\s+(?:\w+\s+)?$")
_NAME = r"([A-ZÀ-ÖØ-Þ][\w’'-]*[^\W\d_](?: [A-ZÀ-ÖØ-Þ][\w’'-]*[^\W\d_])?)"
_NAME_NEXT = re.compile(
    rf"(?: (?:of the caller|de la cliente?a?|del cliente|de la llamante|de quien llama|de l(?:'|’)appelante?|de[sr] Anrufer(?:s|in)|de[sr] Kund(?:en|in)))?"
    rf",?\s+(?:(?:is|ist|es|est|den|der|dem|die|heißt|se|s’|s'|is called|called|named|namens|llamad[oa]|appelée?|llama|appelle)\s+)*{_NAME}"
)
_NAME_BEFORE = re.compile(
    rf"{_NAME},?\s+(?:(?:is|ist|es|est|c'est|,)\s+)?(?i:my|our|the caller's|the|die|der|el|la|le|l'|mein\w{{0,2}}|unser\w{{0,2}}|mi|nuestr[oa]|mon|ma|notre)\s*(?:\w+\s+)?$"
)
_BARE_ARTICLE = re.compile(r"\b(?:the|die|der|el|la|le)\s+(?:\w+\s+)?$")
_APPOSITION_ENDS = re.compile(r"\s*(?:[,.;:!?)]|$|(?:of|von|de|der|des|du)\b)")
_NAME_BEGINS = re.compile(
    rf"^\W*(?:(?:and|but|so|und|aber|y|pero|et|mais|also|oh|well)\s+)?{_NAME.split('(?:', maxsplit=1)[0]})(?=[’'\s.,])"
)
# Before a name of a person.
_INTRODUCED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|Doctor|Herrn?|Frau|señora?|Sr|Sra|don|doña|monsieur|madame|docteur)\.? ([A-ZÀ-ÖØ-Þ][\w’'-]+)"
)
_OF = re.compile(r"\b(?:de|of|von|d')\s+(?:my|mi|mon|ma|meine\w)\s+$")
_DENIED = re.compile(
    r"\b(?:not|isn'?t|nicht|no es|pas|instead of|statt|en vez de|au lieu de)\b(?: (?:the|der|die|das|el|la|le|number|nummer))? [^,.;:!?]{2,40}",
    re.IGNORECASE,
)
_HEDGES = re.compile(
    r"\b(?:i (?:think|guess|believe|suppose|mean|know|reckon)|ich (?:glaube?|denke|meine)|glaube? ich|denke ich|creo(?: que)?|je (?:crois|pense)|"
    r"you know)\b",
    re.IGNORECASE,
)
_OF_ANOTHER = re.compile(r"\b(?:her|his|their|seine?|ihr|ihre|su|sa|son)\s+$")
# Before a word for what the speaker is to somebody else: "I'm Ann, the daughter".
_THE_SPEAKER = re.compile(
    r"\b(?:i(?:'|’)m|i am|this is|ich bin|hier ist|soy|habla|je suis|moi c(?:'|’)est)\b[^.;:?!]{0,24}\b(?:the|her|his|their|d(?:er|ie)|seine?|ihre?|el|la|su|le|son|sa|leur)\s+$",
    re.IGNORECASE,
)
_ASKS_A_NAME = re.compile(
    r"\b(?:names?|called|heißt|heißen|namen?|llama|llaman|nombres?|appelle|appellent|noms?|prénoms?)\b",
    re.IGNORECASE,
)
_LITTLE = {language: frozenset(map(str.lower, words.split())) for language, words in LITTLE_WORDS.items()}
# Somebody who is not named and is not the caller.
_SOMEBODY = {
    language: re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for language, words in (
        ("en", r"(?:a|some|another) (?:guy|man|woman|lad|lady|bloke|boy|girl)|someone|somebody"),
        (
            "de",
            r"jemand\w*|(?:ein|eine|einem|einer|irgendein\w*) (?:mann|dame|herrn?|typ\w*|junge\w*|bekannte\w*)",
        ),
        ("es", r"alguien|(?:un|una) (?:chic[oa]|señora?|hombre|mujer|tipo|conocid[oa])"),
        ("fr", r"quelqu(?:'|’)un|une? (?:monsieur|dame|homme|femme|type|garçon|connaissance)"),
    )
}
# A capital where a noun would have an article, before a verb; elsewhere than in German any name before a verb.
_NAMED_SUBJECT = {
    language: re.compile(rf"{where}([A-ZÀ-ÖØ-Þ][\w’-]*[^\W\d_])\s+(?:{verbs})\b")
    for language, where, verbs in (
        ("en", r"\b", r"is|was|has|had|does|can(?:not|'t)?|will|would|needs|wants|takes|lives|works|gets|goes|likes|prefers|loves|hates"),
        ("de", r"(?:^|[,;.]\s)\W*(?:(?:und|aber|denn|weil)\s)?", r"ist|war|hat|hatte|kann|konnte|will|wollte|wird|muss|mag|braucht|darf|wohnt|arbeitet|geht|kommt|fährt|isst|nimmt|verträgt"),
        ("es", r"\b", r"es|está|era|ha|tiene|toma|va|vive|trabaja|necesita|quiere|puede|prefiere|viene|estudia|come|lleva|odia"),
        ("fr", r"\b", r"est|était|a|avait|va|peut|veut|doit|prend|habite|travaille|vient|mange|ne|n’|préfère|aime|déteste|suit|fait"),
    )
}  # fmt: skip
_MID_SENTENCE = re.compile(r"(?<=[a-zà-ÿ,;] )[A-ZÀ-ÖØ-Þ][a-zà-ÿ’-]{2,}")
_TOGETHER = re.compile(
    r"\b(?:with|con|mit|bei|avec|chez|(?:one|some|einer?|uno|una|une?|l(?:'|’)une?) (?:of|von|de|d(?:'|’)entre))\s+$",
    re.IGNORECASE,
)
_GREETS = re.compile(
    r"^\W*(?:hello|hi|hey|hallo|guten \w+|grüß|hola|buen[oa]s|bonjour|bonsoir|allô|salut)\b", re.IGNORECASE
)
_RELATIVES = frozenset({"husband", "wife", "partner", "spouse"})
_WHO = r"([A-ZÀ-ÖØ-Þ][\w’'-]+)"
_INTRODUCES = {
    "en": re.compile(
        rf"\b(?i:this is|it's|i'm(?: the \w+,)?|i am|my name is|my name's|(?<!his )(?<!her )(?<!their )name's) {_WHO}|(?:^|[,.!] ?)\W*{_WHO}(?: {_WHO})? (?:here|speaking|again)\b"
    ),
    "de": re.compile(
        rf"\b(?i:hier ist|hier spricht|ich bin(?: (?:die|der)(?: \w+,)?)?|ich heiße|mein name ist) {_WHO}|^\W*{_WHO}(?: {_WHO})? (?:hier|am Apparat)\b"
    ),
    "es": re.compile(rf"\b(?i:soy|le habla|habla|me llamo|mi nombre es) {_WHO}"),
    "fr": re.compile(
        rf"\b(?i:c'est|c’est|ici|je suis|je m'appelle|je m’appelle|mon nom est) {_WHO}|(?:^|, )\W*{_WHO}(?: {_WHO}){{0,2}} à l['’]appareil"
    ),
}
_HANDS_OVER = {
    "en": re.compile(
        r"\b(?:(?:i'?ll|i will|let me|i'?m going to|can i|i can) (?:just )?(?:put|pass|hand|give)\b.{0,40}\b(?:on|over|phone|you)\b|"
        r"(?:here'?s|here is) (?:my|our)\b|here (?:he|she) is\b|(?:wants|wanted|would like|needs) to (?:say|tell|speak|talk|have a word|ask)\b|"
        r"(?:wants|would like|'?d like) a (?:quick )?word)\b",
        re.IGNORECASE,
    ),
    "de": re.compile(
        r"\b(?:ich )?(?:geb|gebe|reiche|reich|übergebe|hole|hol)\b.{0,40}\b(?:weiter|telefon|hörer|ihnen|dir|rüber|dran)\b|"
        r"\bhier (?:ist|kommt|haben sie) (?:mal |jetzt )?(?:mein|unser)\w*|\b(?:möchte|will|wollte) (?:noch |kurz |auch |mal )*(?:was|etwas|selbst) "
        r"(?:sagen|fragen|erzählen)|\b(?:möchte|will) (?:sie|ihnen|mit ihnen) (?:sprechen|sagen|was)",
        re.IGNORECASE,
    ),
    "es": re.compile(
        r"\b(?:le|te|os|les|se l[ao]) (?:paso|pongo|dejo)\b|\b(?:ahora )?se pone (?:mi|ella|él)\b|\baquí (?:está|tiene|le dejo)(?: a| con)? mi\b|"
        r"\bquiere (?:hablar|decir\w*|comentar\w*|preguntar\w*)\b",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"\bje (?:vous|te) (?:(?:le|la|les) )?passe\b|\bvoici (?:ma|mon)\b|\b(?:veut|voudrait|aimerait) (?:vous |te )?(?:dire|parler|demander)\b",
        re.IGNORECASE,
    ),
}  # fmt: skip
_HANDS_BACK = re.compile(
    r"\b(?:(?:give|pass|hand|put) you (?:right |straight )?back|here(?:'s| is) (?:my |the )?\w+ (?:again|back)|geb\w* (?:sie |dich |ihnen )?(?:wieder )?zurück|"
    r"le (?:vuelvo a pasar|devuelvo)|je vous (?:la |le )?(?:repasse|rends))\b",
    re.IGNORECASE,
)
_AGAIN = {
    "en": re.compile(r"\b(?:me again|i'?m back|back again|again here|it'?s me\b|\w+ again)(?=\W|$)", re.IGNORECASE),
    "de": re.compile(r"\bwieder (?:da|dran|ich|am apparat)\b|\bich bin'?s\b|\bhier (?:ist |bin )?wieder\b|\bjetzt wieder ich\b", re.IGNORECASE),
    "es": re.compile(r"\bsoy yo\b|\b(?:otra vez|de nuevo) yo\b|\byo otra vez\b|\bya (?:estoy|vuelvo)\b|\bhe vuelto\b|\bvuelvo a ser yo\b", re.IGNORECASE),
    "fr": re.compile(r"\bc['’]est (?:encore |de nouveau |à nouveau |re)?moi\b|\bme revoil?[àc]i?\b|\bje (?:vous )?(?:suis|reprends)\b.{0,20}\b(?:retour|de nouveau|téléphone|combiné)", re.IGNORECASE),
}  # fmt: skip


def unaccented(text: str) -> str:
    """`text` in small letters without accents, as speech recognition may have written it; as long as it was."""
    return text.lower() if text.isascii() else "".join(map(_bare, text))


@lru_cache(maxsize=1024)
def _bare(letter: str) -> str:
    folded = unicodedata.normalize("NFD", letter.lower())[:1]
    return {"’": "'", "œ": "o"}.get(folded, folded)


@lru_cache(maxsize=8)
def _lexicon(language: str) -> dict[str, tuple[str, str]]:
    """The kin words of a language: word → kind and grammatical gender ("m", "f" or "")."""
    found: dict[str, tuple[str, str]] = {}
    for entry in _LEXICON[language].split("|"):
        kind, *columns = entry.strip().split("/")
        for gender, words in zip(("m", "f", ""), (*columns, "", ""), strict=False):
            found |= {unaccented(word): (kind, gender) for word in words.split()}
    return found


@frozen
class Mention:
    """Somebody named by what they are to somebody; `start` and `end` are where in the text."""

    kind: str
    gender: str
    start: int
    end: int


def tongue(talk: Conversation) -> str:
    """The language whose words are looked for: the call's, or English."""
    language = talk.language[:2]
    return language if language in _LEXICON else "en"


@lru_cache(maxsize=2048)
def mentions(text: str, language: str) -> tuple[Mention, ...]:
    """The kin that a text names, in order."""
    bare = unaccented(text)
    found: list[Mention] = []
    for pattern, kind in _PHRASES[language]:
        for match in pattern.finditer(bare):
            named = kind or f"{_lexicon(language)[match[1]][0]}-in-law"
            found.append(_mention(named, "", match.span()))
    for match in _TOKEN.finditer(bare):
        known = _kin_word(match[0], language)
        if known is not None and not any(
            one.start < match.end() and match.start() < one.end for one in found
        ):
            found.append(_mention(*known, match.span()))
    return tuple(sorted(found, key=lambda mention: mention.start))


def _mention(kind: str, gender: str, span: tuple[int, int]) -> Mention:
    return Mention(kind, gender or ("f" if kind in _FEMININE else "m" if kind in _MASCULINE else ""), *span)


def _kin_word(word: str, language: str) -> tuple[str, str] | None:
    lexicon = _lexicon(language)
    for ending in ("", "s", "n", "en", "es", "e") if language == "de" else ("", "s"):
        if word.endswith(ending) and (known := lexicon.get(word.removesuffix(ending))) is not None:
            return known
    return None


def kinds(text: str, language: str) -> set[str]:
    """The kinds of kin that a text names."""
    return {mention.kind for mention in mentions(text, language)}


def alike(kind: str, others: Iterable[str]) -> bool:
    """Whether a kind can be the same person as one of others: "child" and "daughter"."""
    return any(
        kind == other or other in _GENERAL.get(kind, ()) or kind in _GENERAL.get(other, ())
        for other in others
    )


def genders(text: str, language: str) -> set[str]:
    """The genders of the third persons that pronouns of a text stand for; empty where there are none."""
    return {gender for gender, words in _PRONOUNS[language] if words.search(text)}


def gender_of(kind: str) -> set[str]:
    """The gender that a kind has by itself."""
    return {"f"} if kind in _FEMININE else {"m"} if kind in _MASCULINE else set()


def own(text: str, language: str) -> bool:
    """Whether a text speaks in the first person, for more than to say whose mother somebody is."""
    text = _HEDGES.sub(" ", text)
    for match in _FIRST[language].finditer(text):
        if _TOGETHER.search(text[: match.start()]):
            continue
        if not match["whose"]:
            return True
        after = match.end()
        near = next((one for one in mentions(text, language) if one.end > match.start()), None)
        if near is None or len(_TOKEN.findall(text[after : near.start])) > 2:
            return True
    return False


class People:
    """The people of a call: who had the telephone when, what names belong to which kin, who "she" is."""

    def __init__(self, talk: Conversation) -> None:
        self.language = tongue(talk)
        self._turns = talk.turns
        self._named: dict[str, set[str]] = {}
        self.persons: set[str] = set()
        self._given: set[str] = set()
        if self.language != "de":  # where every noun has a capital
            for turn in talk.turns:
                self._given |= {unaccented(word) for word in _MID_SENTENCE.findall(turn.text)}
        asked = told = ""
        for turn in talk.turns:
            self._learn(turn.text)
            if turn.role == "user":
                self._answered(asked, turn.text, told)
                told = turn.text
                self.persons |= {unaccented(match[1]) for match in _INTRODUCED.finditer(turn.text)}
            asked = turn.text if turn.role == "agent" and turn.text else asked
        for turn in talk.turns:
            if turn.role == "agent":
                self.persons -= {unaccented(match[1]) for match in _INTRODUCED.finditer(turn.text)}
        self.persons |= set(self._named)
        self.caller: set[str] = set()
        self._voices = self._listen()
        self._denied = [
            (number, match[0], turn.text[: match.start()] + turn.text[match.end() :])
            for number, turn in enumerate(talk.turns)
            if turn.role == "user"
            for match in _DENIED.finditer(turn.text)
        ]

    @staticmethod
    def spelling(text: str) -> str:
        """A text as names are compared."""
        return unaccented(text)

    # -- names --------------------------------------------------------------------

    def _learn(self, text: str) -> None:
        """Remember which names stand beside which kin."""
        for mention in mentions(text, self.language):
            for name in beside(text, mention):
                self._named.setdefault(unaccented(name), set()).add(mention.kind)

    def _answered(self, asked: str, answer: str, told: str) -> None:
        """Remember the name that answers a question for it: "And your partner's name?" "Caspian."."""
        last = re.split(r"[.!]\s+", asked.strip())[-1]
        begins = _NAME_BEGINS.match(answer)
        if begins is not None and _ASKS_A_NAME.search(last):
            wanted = genders(last, self.language)
            meant = kinds(last, self.language) or {
                kind for kind in kinds(told, self.language) if wanted and _fits(kind, wanted)
            }
            for kind in meant:
                self._named.setdefault(unaccented(begins[1]), set()).add(kind)

    def kin_of(self, name: str) -> set[str]:
        """What the bearer of a name is to the caller, as far as the call says."""
        return self._named.get(unaccented(name), set())

    def named(self, text: str) -> set[str]:
        """The kinds of the people that a text calls by their names."""
        found: set[str] = set()
        for word in _TOKEN.findall(unaccented(text)):
            found |= self._named.get(word, set())
        return found

    def another(self, text: str) -> bool:
        """Whether a text speaks of a third person: by kin, by a pronoun or by a known name at its beginning."""
        if mentions(text, self.language) or genders(text, self.language):
            return True
        if not self.persons.isdisjoint(_TOKEN.findall(unaccented(text))):
            return True
        begins = _NAME_BEGINS.match(text)
        if begins is not None and begins[1].lower() in FIRST_NAMES:
            return True
        return _SOMEBODY[self.language].search(text) is not None or self._subject(text) != ""

    def _subject(self, text: str) -> str:
        """The name that a clause has as its subject: a capital without an article, and a verb after it."""
        for match in _NAMED_SUBJECT[self.language].finditer(text):
            name = unaccented(match[1])
            known = name in self.caller or name in COMMON or name in _LITTLE[self.language]
            if not known and (self.language == "de" or name in self._given):
                return name
        return ""

    def subjects(self) -> set[str]:
        """The names that stand where a clause has its subject, anywhere in the call."""
        return {name for turn in self._turns if (name := self._subject(turn.text))}

    def begins(self, text: str) -> bool:
        """Whether a third person stands where a clause has its subject."""
        return self.another(" ".join(text.split()[:3]))

    def is_name(self, word: str) -> bool:
        """Whether a word names a person in this call, or is a first name."""
        return word not in _LITTLE[self.language] and (
            word in self.persons or word in FIRST_NAMES or word in self.caller or word in self._given
        )

    def last_subject(self, lead: str) -> str:
        """The end of what stands before a quote, from the last one it speaks of on."""
        starts = [
            match.start()
            for match in _FIRST[self.language].finditer(lead)
            if not match["whose"] and not _TOGETHER.search(lead[: match.start()])
        ]
        starts += [_whose(lead, one.start) for one in mentions(lead, self.language)]
        starts += [match.start() for _, words in _PRONOUNS[self.language] for match in words.finditer(lead)]
        return lead[max(starts, default=0) :]

    # -- who is meant -------------------------------------------------------------

    def agrees(self, content: str) -> bool:
        """Whether a fact gives nobody's name to somebody of another kind than the call does."""
        for mention in mentions(content, self.language):
            for name in beside(content, mention):
                known = self._named.get(unaccented(name))
                if known and not alike(mention.kind, known):
                    return False
        return True

    def kin_of_thing(self, text: str) -> bool:
        """Whether a text says that something is a relative's: "my brother's number"."""
        return any(
            text[mention.end : mention.end + 2] in ("'s", "’s")
            or _OF.search(unaccented(text)[: mention.start])
            for mention in mentions(text, self.language)
        )

    def took_back(self, number: int, figure: str) -> bool:
        """Whether a caller's later turn says that a number was not the one: "not 4711, it is 4712"."""
        return any(
            turn >= number and within(figure, said) and not within(figure, rest)
            for turn, said, rest in self._denied
        )

    def meant(self, number: int, at: int, wanted: set[str], *, but: Iterable[str] = ()) -> set[str]:
        """The kin that a pronoun at a place of turn `number` stands for: the last one named before it.

        `wanted` are the genders of the pronouns, empty for words that have none; `but` are kinds that the
        words name themselves.
        """
        but, wanted = set(but), wanted - {""}
        for turn in range(number, -1, -1):
            text = self._turns[turn].text[:at] if turn == number else self._turns[turn].text
            found = [
                (one.end, {one.kind})
                for one in mentions(text, self.language)
                if (not wanted or not one.gender or one.gender in wanted)
                and one.kind not in but
                and not _OF_ANOTHER.search(unaccented(text)[: one.start])
                and not _THE_SPEAKER.search(text[: one.start])
            ]
            bare = unaccented(text)
            for match in _TOKEN.finditer(bare):
                known = self._named.get(match[0]) if match[0] not in self.caller else None
                if known and (not wanted or any(_fits(kind, wanted) for kind in known)) and not known & but:
                    found.append((match.end(), known))
            if found:
                return max(found, key=lambda entry: entry[0])[1]
        return set()

    # -- who speaks ---------------------------------------------------------------

    def speaker(self, number: int, at: int) -> Voice:
        """Who says what stands at a place of turn `number`."""
        voice = Voice()
        for turn, start, who in self._voices:
            if (turn, start) > (number, at):
                break
            voice = who
        return voice

    def _listen(self) -> list[tuple[int, int, Voice]]:
        """When the telephone changes hands, and who has it then."""
        changes: list[tuple[int, int, Voice]] = []
        current, coming, caller, asked = Voice(), None, "", ""
        back = False
        for number, turn in enumerate(self._turns):
            if turn.role != "user" or not turn.text:
                asked = turn.text or asked
                continue
            answers = self._asks_for_anothers_name(asked)
            if coming is not None:
                current, coming = coming, None
                changes.append((number, 0, current))
            elif back and current.other:
                current = Voice()
                changes.append((number, 0, current))
            back = current.other and _HANDS_BACK.search(turn.text) is not None
            for start, sentence in _sentences(turn.text):
                introduced = _INTRODUCES[self.language].search(sentence)
                name = unaccented(next(filter(None, introduced.groups()), "")) if introduced else ""
                if answers and start == 0 and coming is None:
                    name = ""
                if coming is not None and (name or _GREETS.match(sentence)):
                    current, coming = coming.called(name), None
                    changes.append((number, start, current))
                elif current.other and self._returns(sentence, name, current):
                    current = Voice()
                    changes.append((number, start, current))
                elif name and current.other and not current.name:
                    current = current.called(name)
                    changes.append((number, start, current))
                elif (
                    name
                    and not current.other
                    and not caller
                    and not self._named.get(name, set()) & _RELATIVES
                ):
                    caller = name
                    self.caller.add(name)
                elif (
                    name
                    and not current.other
                    and name != caller
                    and (name in self._named or kinds(sentence, self.language))
                ):
                    current = Voice(
                        other=True,
                        kinds=frozenset(self._named.get(name) or kinds(sentence, self.language)),
                        name=name,
                    )
                    changes.append((number, start, current))
                if not current.other and _HANDS_OVER[self.language].search(sentence):
                    near = kinds(sentence, self.language) or self.meant(
                        number, start + len(sentence), genders(sentence, self.language)
                    )
                    coming = Voice(other=True, kinds=frozenset(near))
        return changes

    def _asks_for_anothers_name(self, asked: str) -> bool:
        """Whether a question of the agent's is for the name of somebody who is not on the telephone."""
        last = re.split(r"[.!]\s+", asked.strip())[-1]
        return _ASKS_A_NAME.search(last) is not None and self.another(last)

    def _returns(self, sentence: str, name: str, voice: Voice) -> bool:
        if _AGAIN[self.language].search(sentence):
            return True
        if name and voice.name and name != voice.name:
            return True
        return any(
            alike(mention.kind, voice.kinds) and _MY.search(unaccented(sentence)[: mention.start])
            for mention in mentions(sentence, self.language)
        )


@frozen
class Voice:
    """Who has the telephone: the caller, or another (`other`) of these `kinds` to the caller, and called so."""

    other: bool = False
    kinds: frozenset[str] = frozenset()
    name: str = ""

    def called(self, name: str) -> Voice:
        """The same voice with a name."""
        return evolve(self, name=name or self.name)


def beside(text: str, mention: Mention) -> Iterator[str]:
    """The names that stand beside a mention: "my aunt Mabel", "Derya, my niece"."""
    after = _NAME_NEXT.match(text, mention.end)
    before = _NAME_BEFORE.search(text[max(0, mention.start - 60) : mention.start])
    if (
        before is not None
        and _BARE_ARTICLE.search(before[0])
        and not _APPOSITION_ENDS.match(text, mention.end)
    ):
        before = None  # "I'm Ann, the father is ..."
    for match in (after, before):
        yield from (name for name in match[1].split() if name.lower() not in COMMON) if match else ()


def _whose(text: str, start: int) -> int:
    """Where "my" before a kin word stands."""
    match = _MY.search(unaccented(text[:start]))
    return match.start() if match else start


def _fits(kind: str, wanted: set[str]) -> bool:
    gender = "f" if kind in _FEMININE else "m" if kind in _MASCULINE else ""
    return not gender or gender in wanted


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        yield start, text[start : match.end()]
        start = match.end()
    if text[start:].strip():
        yield start, text[start:]
