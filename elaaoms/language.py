"""Words of any language: which one a text is in, and the terms by which it is found."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

import Stemmer

# Little words, by which a language is known and which tell nothing of what a text is about.
LITTLE_WORDS = {
    "en": """a about above after again all also am an and any are as at be because been before being below between
        both but by can could did do does doing down during each few for from further had has have having he her here
        hers him his how i if in into is it its itself just me more most my myself no nor not of off on once only or
        other our out over own please same she should so some such than that the their them then there these they
        this those through to too under until up us very was we were what when where which while who whom whose why
        will with would you your yours i'm i've i'd i'll it's that's don't doesn't didn't isn't wasn't won't can't
        cannot couldn't wouldn't aren't weren't hasn't haven't hadn't he's she's they're we're you're what's there's
        caller caller's callers know tell say said remember ever um uh""",
    "de": """der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren wird wurde hat
        haben hatte ich du er sie es wir ihr mich mir ihm ihn ihnen mein meine seine sein ihre auf aus bei mit nach
        seit von vom zu zum zur in im am an für über unter um durch nicht kein keine auch noch nur schon sehr wie was
        wer wo wann warum welche welcher welches dass wenn als so dann man kann können soll möchte bitte hier dort
        anrufer anruferin""",
    "es": """el la los las un una unos unas y o pero es son era fue ser está están estaba ha han había yo tú él ella
        nosotros ellos me te se le les lo mi su sus de del a al en con por para sin sobre entre desde hasta que qué
        quién cuál cuándo dónde cómo no ni muy más ya también si como este esta esto ese esa hay llama quien por
        favor""",
    "fr": """le la les un une des du de et ou mais est sont était a ont avait je tu il elle nous vous ils elles me te
        se lui leur mon ma mes son sa ses au aux en dans avec par pour sans sur sous entre que qui quoi quel quelle
        quand où comment pourquoi ne pas plus très aussi si comme ce cet cette ces y être avoir l' d' c'est n' qu'
        appelant appelante""",
    "it": """il lo la i gli le un uno una e o ma è sono era ha hanno aveva io tu lui lei noi voi loro mi ti si ci vi di
        del della dei delle a al alla in nel nella con per da dal su tra fra che chi cosa quale quando dove come perché
        non più molto anche se questo questa suo sua mio mia""",
    "pt": """o a os as um uma uns umas e ou mas é são era foi ser está estão tem têm tinha eu tu ele ela nós eles me te
        se lhe meu minha seu sua de do da dos das em no na nos nas com por para sem sobre entre que quem qual quando
        onde como não nem muito mais também se este esta isso há ao à""",
    "nl": """de het een en of maar is zijn was waren wordt heeft hebben had ik jij je hij zij ze wij we jullie mij hem
        haar hun mijn zijn op uit bij met na van voor naar om over onder door niet geen ook nog wel zeer hoe wat wie
        waar wanneer waarom welke dat dit die deze als dan kan er te in aan beller""",
    "sv": """en ett den det de och eller men är var har hade jag du han hon vi ni mig dig honom henne min sin på i av
        med för till från om över under inte också mycket hur vad vem var när varför vilken som att så då kan ska""",
    "da": """en et den det de og eller men er var har havde jeg du han hun vi I mig dig ham hende min sin på i af med
        for til fra om over under ikke også meget hvordan hvad hvem hvor hvornår hvorfor hvilken som at så kan skal""",
    "no": """en et ei den det de og eller men er var har hadde jeg du han hun vi dere meg deg ham henne min sin på i av
        med for til fra om over under ikke også veldig hvordan hva hvem hvor når hvorfor hvilken som at så kan skal""",
    "fi": """ja tai mutta on ovat oli hän minä sinä me te he se ne tämä tuo ei en et emme eivät myös hyvin kuin että jos
        kun mikä mitä kuka missä milloin miksi miten joka hänen minun ole olla kanssa""",
    "pl": """i a o w z na do od po za przez dla przy nad pod bez nie tak jest są był była było ma mają miał ja ty on ona
        my wy oni się to ten ta te że czy jak co kto gdzie kiedy dlaczego który jego jej ich już też bardzo""",
    "cs": """a o v z na do od po za pro při nad pod bez ne ano je jsou byl byla bylo má mají já ty on ona my vy oni se
        to ten ta že jak co kdo kde kdy proč který jeho její už také velmi""",
    "ro": """și sau dar este sunt era are au avea eu tu el ea noi voi ei un o al ai ale de la în pe cu din pentru fără
        că ce cine care când unde cum nu mai foarte dacă acest această""",
    "tr": """ve veya ama bir bu şu o ben sen biz siz onlar mi mı mu mü ne kim nerede zaman nasıl neden hangi için ile
        de da çok daha var yok değil gibi kadar olan olarak""",
    "hu": """a az egy és vagy de van volt nem is én te ő mi ti ők ez ami aki hol mikor hogyan miért melyik hogy ha már
        még nagyon csak meg el""",
    "id": """dan atau tetapi yang di ke dari pada untuk dengan adalah ini itu saya anda dia kami mereka tidak sudah akan
        apa siapa mana kapan bagaimana mengapa juga sangat ada""",
    "ru": """и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по ее мне было от меня еще нет
        о из ему когда где кто какой это быть был была есть для мы их чем или если""",
    "uk": """і в у не що він на я з із як а то все вона так його але ти до же ви за по її мені було від мене ще
        немає про коли де хто який це бути був була є для ми їх або якщо""",
    "el": """ο η το οι τα του της των και ή αλλά είναι ήταν έχει έχω εγώ εσύ αυτός αυτή με σε από για που τι ποιος πού
        πότε πώς δεν θα να στο στη στην""",
}
_STEMMERS = {
    "en": "english", "de": "german", "es": "spanish", "fr": "french", "it": "italian", "pt": "portuguese",
    "nl": "dutch", "sv": "swedish", "da": "danish", "no": "norwegian", "fi": "finnish", "ro": "romanian",
    "tr": "turkish", "hu": "hungarian", "id": "indonesian", "ru": "russian", "el": "greek", "ar": "arabic",
    "hi": "hindi", "ta": "tamil", "pl": "polish", "cs": "czech",
}  # fmt: skip
# Scripts that one language stands for; Ukrainian and the other languages in Cyrillic are told by their words.
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+")
_WORD = re.compile(r"\w+(?:['’]\w+)*(?:-\w+)*", re.UNICODE)
_ELIDED = re.compile(r"^(?:[cdjlmnst]|qu|all|dell|nell|un)'(?=\w)")

LANGUAGES = ("en", *sorted((set(LITTLE_WORDS) | {code for code, _ in _SCRIPTS}) - {"en"}))
UNSURE = ""  # a text without any little word, like a name or a number


@lru_cache(maxsize=1)
def _little() -> dict[str, frozenset[str]]:
    return {code: frozenset(text.split()) for code, text in LITTLE_WORDS.items()}


@lru_cache(maxsize=1)
def _telling() -> dict[str, dict[str, float]]:
    """Little words by language, each worth less the more languages have it."""
    owners: dict[str, int] = {}
    for little in _little().values():
        for word in little:
            owners[word] = owners.get(word, 0) + 1
    return {code: {word: 1 / owners[word] for word in little} for code, little in _little().items()}


@lru_cache(maxsize=32)
def _stemmer(code: str) -> Stemmer.Stemmer | None:
    name = _STEMMERS.get(code)
    return Stemmer.Stemmer(name, 10_000) if name in Stemmer.algorithms() else None


def words(text: str) -> list[str]:
    """The words of a text in any script, case-folded; `don't` and `XYZ-789` are one word."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))


def language_of(text: str) -> str:
    """The language of a text, like "en", by its script and its little words; UNSURE when it has none."""
    for code, script in _SCRIPTS:
        if code not in ("ru",) and script.search(text):
            return code
    said = words(text)
    points = {code: sum(telling.get(word, 0.0) for word in said) for code, telling in _telling().items()}
    best = max(points, key=lambda code: (points[code], code == "en"))
    if points[best] > 0:
        return best
    return "ru" if _SCRIPTS[3][1].search(text) else UNSURE


def terms(text: str, code: str) -> list[str]:
    """What a text in a language is found by: stems of its words, without the little ones, in order.

    A compound with hyphens also counts by its parts. Chinese, Japanese, Korean and Thai, which stand
    without blanks or bend their words at the end, count by pairs of characters.
    """
    kept: list[str] = []
    pairs: list[str] = []
    little = _little().get(code, frozenset())
    for found in words(text):
        word = _ELIDED.sub("", found.removesuffix("'s")) if "'" in found else found
        if _UNSPACED.search(word):
            for run in _UNSPACED.findall(word):
                pairs += [a + b for a, b in pairwise(run)] or [run]
            word = _UNSPACED.sub(" ", word).strip()
        if not word or found in little or word in little:
            continue
        kept.extend(word.split())
        if "-" in word:
            kept.extend(part for part in word.split("-") if part and part not in little)
    stemmer = _stemmer(code or "en")
    return [*(stemmer.stemWords(kept) if stemmer else kept), *pairs]


def digests(found: Iterable[str]) -> list[int]:
    """Terms as numbers of 32 bits. Among one caller's some thousand terms a clash is rarer than one in 100,000."""
    return [zlib.crc32(term.encode()) for term in found]
