"""WordPiece: text to the numbers of the tokens that the built-in table has vectors for."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

MAX_WORD = 100  # characters; a longer word is unknown
UNKNOWN = "[UNK]"


class WordPiece:
    """BERT's uncased tokeniser (Devlin et al. 2018): no accents, punctuation apart, longest pieces first."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.numbers: Mapping[str, int] = {token: number for number, token in enumerate(vocabulary)}
        self._unknown = self.numbers[UNKNOWN]
        self._pieces = lru_cache(maxsize=20_000)(self._split)

    def __call__(self, text: str) -> list[int]:
        """The tokens of a text, without the marks that a sentence begins and ends with."""
        return [number for word in _words(text) for number in self._pieces(word)]

    def _split(self, word: str) -> tuple[int, ...]:
        if len(word) > MAX_WORD:
            return (self._unknown,)
        found = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self.numbers.get(("##" if start else "") + word[start:end])
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return (self._unknown,)
        return tuple(found)


def _words(text: str) -> list[str]:
    bare = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    return "".join(_apart(c) for c in bare).split()


@lru_cache(maxsize=4096)
def _apart(c: str) -> str:
    """A character as it stands in the text to be split at blanks."""
    kind = unicodedata.category(c)
    if c in "\t\n\r" or kind == "Zs":
        return " "
    if c in "\0\ufffd" or kind in ("Cc", "Cf"):
        return ""
    punctuation = kind[0] == "P" or (c.isascii() and not c.isalnum() and c.isprintable())
    return f" {c} " if punctuation or _is_han(ord(c)) else c


def _is_han(code: int) -> bool:
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x2CEAF
        or 0xF900 <= code <= 0xFAFF
    )
