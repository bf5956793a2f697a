"""What a sentence is about: the beginnings of its words, and in English its meaning, to compare two of them."""

from __future__ import annotations

import re
from functools import lru_cache

from elaaoms.embed import Vector
from elaaoms.embed.builtin import token_table
from elaaoms.extract.days import NAMES
from elaaoms.extract.people import unaccented

_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_ABOUT = frozenset(
    """the caller callers customer that this with from have been will would about agent promised says said named called
    anrufer anruferin anrufers kunde kundin dass eine einen einer sein seine ihre agent versprochen cliente quien llama agente
    prometió appelant appelante client cliente agent promis a an and or but of to in on at for by as is are was were be has
    had do does did not no it its these those he she his her him they their them there who which what when where how than then
    so if can could shall may might must until since after before into over again also very really too still already only
    just more most much many some any all both each one ones per up out off down der die das dem den des ein einem und oder aber
    von zu zum zur im am auf bei mit nach aus für ist sind war waren hat haben hatte wird werden wurde nicht kein keine keinen
    es sie er ihr ihren ihrem seinen seiner sich wenn wie wer um bis vom seit vor über noch schon auch nur sehr wieder immer
    gerade jetzt möchte el la los las un una unos unas y o pero de del al en con por para sin que se su sus son era fue ha han
    había lo le les como más muy ya también todo toda todos todas desde hasta entre cuando quiere tiene l les une et ou mais du
    d à au aux dans sur avec par pour sans qu qui s sa ses leur leurs est sont était ont avait ne pas plus très déjà aussi
    tout toute tous toutes depuis jusqu quand il elle veut wants needs like likes""".split()
)
_PARTICIPLE = re.compile(r"^(an|auf|aus|ab|ein|mit|zu|vor|nach|um|her|hin|weg)ge(?=\w{3})")


@lru_cache(maxsize=4096)
def gist(text: str) -> frozenset[str]:
    """The beginnings of the words that carry a text's meaning, so that forms of a word are the same."""
    return frozenset(
        stem(word)
        for word in _WORD.findall(text.casefold())
        if len(word) > 2 and word not in _ABOUT and word not in NAMES and not word.isdigit()
    )


def gist_all(word: str) -> frozenset[str]:
    """The stem of one word, whatever it is."""
    return frozenset({stem(word.casefold())})


def stem(word: str) -> str:
    """The beginning of a word by which its forms are the same."""
    word = unaccented(_PARTICIPLE.sub(r"\1", word))
    return word[:4] if len(word) > 5 else word[:3]


def near(word: str, said: frozenset[str]) -> bool:
    """Whether a word was said in some form: begun alike, or but for its first letter ("come", "become")."""
    return any(
        word.startswith(other) or other.startswith(word) or (len(word) > 3 and word[1:4] == other[1:4])
        for other in said
    )


def likeness(one: str, other: str) -> float:
    """The cosine of two English texts."""
    return float(_vector(one) @ _vector(other))


@lru_cache(maxsize=256)
def _vector(text: str) -> Vector:
    return token_table().encode(text)
