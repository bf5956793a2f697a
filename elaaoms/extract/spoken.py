"""Read numbers, spelled letters, codes and e-mail addresses the way people say them, keeping their places."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import evolve, frozen

from elaaoms.extract.words import listed, vocabulary

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?|[^\w\s]|_")
_DIGITS = {
    **{
        word: str(value)
        for value, word in enumerate(listed("zero one two three four five six seven eight nine"))
    },
    "nought": "0",
    "naught": "0",
}
_TEENS = {
    word: 10 + value
    for value, word in enumerate(
        listed("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
    )
}
_TENS = {
    word: 20 + 10 * value
    for value, word in enumerate(listed("twenty thirty forty fifty sixty seventy eighty ninety"))
}
_SCALES = {"hundred": 100, "thousand": 1000}
_REPEATS = {"double": 2, "triple": 3, "treble": 3}
_NATO = {
    word: word[0].upper()
    for word in listed(
        "alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike "
        "november oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee zulu"
    )
}
_MARKS = {"dash": "-", "hyphen": "-", "minus": "-", "-": "-", "–": "-", "slash": "/", "/": "/"}
# A number before one of these counts something; it is no part of a code or a phone number.
_COUNTED = vocabulary(
    """second seconds minute minutes hour hours day days week weeks month months year years items item
    times time pieces people persons pm am o'clock percent dollars pounds euros cents pence bucks quid
    kilos bags boxes of more other others different kids children euro pound dollar % nights guests
    adults pairs bottles degrees miles kilometers stars"""
)
_NOT_A_PIECE = re.compile(r"\d+(?:st|nd|rd|th|am|pm|k|kg|g|ml|cm|mm|km|x|h|hrs?|mins?)", re.IGNORECASE)
_SHORT_WORDS = vocabulary(
    """is was its it's then with like the and um uh er code yes yeah no so that here it ref my or but not
    to for in on at a an"""
)


@frozen
class Spoken:
    """What was meant, and where it was said: `text[start:end]` is the verbatim wording."""

    value: str
    start: int
    end: int


@frozen
class _Piece:
    """A token with its meaning: letter, digits, mixed, upper, mark, plus, comma, point, paren or word."""

    kind: str
    value: str
    start: int
    end: int
    said: bool = False  # a number that was said in words
    glued: bool = False  # no space before it


def _tokens(text: str) -> list[tuple[str, int, int]]:
    return [(match[0].replace("’", "'"), match.start(), match.end()) for match in _TOKEN.finditer(text)]


def _number(words: list[str], at: int) -> tuple[int, int] | None:
    """The cardinal that starts at `at` and the index after it; single digits are left alone."""

    def below_hundred(index: int) -> tuple[int, int] | None:
        word = words[index] if index < len(words) else ""
        if word in _TEENS:
            return _TEENS[word], index + 1
        if word in _TENS:
            following = words[index + 1] if index + 1 < len(words) else ""
            if following == "-" and index + 2 < len(words) and words[index + 2] in _DIGITS:
                return _TENS[word] + int(_DIGITS[words[index + 2]]), index + 3
            unit = int(_DIGITS.get(following, "0"))
            return _TENS[word] + unit, index + (2 if unit else 1)
        if word in _DIGITS:
            return int(_DIGITS[word]), index + 1
        return None

    if words[at] == "a" and at + 1 < len(words) and words[at + 1] in _SCALES:
        read: tuple[int, int] | None = (1, at + 1)
    else:
        read = below_hundred(at)
    if read is None:
        return None
    total, (value, index) = 0, read
    while index < len(words) and words[index] in _SCALES and value:
        total += value * _SCALES[words[index]]
        value, index = 0, index + 1
        following = index + 1 if index + 1 < len(words) and words[index] == "and" else index
        rest = below_hundred(following) if following < len(words) else None
        if rest is not None and rest[0]:
            value, index = rest
    return total + value, index


def _pieces(text: str) -> list[_Piece]:
    tokens = _tokens(text)
    words = [token.lower() for token, _, _ in tokens]
    pieces: list[_Piece] = []
    index = 0
    while index < len(tokens):
        piece, following = _piece(tokens, words, index, pieces[-1] if pieces else None)
        counted = following < len(words) and words[following] in _COUNTED
        if counted and piece.kind == "digits" and len(piece.value) <= 3:
            piece = evolve(piece, kind="word")
        glued = index > 0 and tokens[index - 1][2] == piece.start
        pieces.append(evolve(piece, glued=glued))
        index = following
    return pieces


def _piece(
    tokens: list[tuple[str, int, int]], words: list[str], at: int, before: _Piece | None
) -> tuple[_Piece, int]:
    token, start, _ = tokens[at]
    word = words[at]
    following = words[at + 1] if at + 1 < len(words) else ""
    after_digits = before is not None and before.kind == "digits"

    def read(kind: str, value: str, upto: int = at + 1, said: bool = False) -> tuple[_Piece, int]:
        return _Piece(kind, value, start, tokens[upto - 1][2], said), upto

    if word.isascii() and word.isdigit():
        return read("digits", word)
    if word in _REPEATS and following:
        if following in _DIGITS or (following.isdigit() and len(following) == 1):
            return read("digits", _DIGITS.get(following, following) * _REPEATS[word], at + 2, said=True)
        if following in ("o", "oh"):
            return read("digits", "0" * _REPEATS[word], at + 2, said=True)
        if len(following) == 1 and following.isalpha():
            return read("letter", following.upper() * _REPEATS[word], at + 2)
    if word in ("o", "oh") and (after_digits or (_is_digit(following) and not _is_letter(before))):
        return read("digits", "0", said=True)
    if word in _DIGITS and following not in _SCALES:
        return read("digits", _DIGITS[word], said=True)
    number = _number(words, at) if word in _DIGITS or word in _TEENS or word in _TENS or word == "a" else None
    if number is not None:
        return read("digits", str(number[0]), number[1], said=True)
    if len(word) == 1 and word.isalpha():
        upto = at + 1
        if following in ("as", "like") and words[at + 2 : at + 3] == ["in"] and at + 3 < len(words):
            upto = at + 4 if words[at + 3][:1] == word else upto
        elif following in ("for", "like") and at + 2 < len(words) and words[at + 2][:1] == word != "i":
            upto = at + 3 if len(words[at + 2]) > 2 else upto
        return read("letter", word.upper(), upto)
    if word in _MARKS:
        return read("mark", _MARKS[word])
    if word in ("plus", "+"):
        return read("plus", "+")
    if word in _NATO:
        return read("nato", _NATO[word])
    if word == ",":
        return read("comma", ",")
    if word in (".", "(", ")"):
        return read("point" if word == "." else "paren", word)
    if token.isascii() and token.isalnum() and not token.isalpha():
        return read("word" if _NOT_A_PIECE.fullmatch(token) else "mixed", token.upper())
    if token.isascii() and token.isalpha() and token.isupper() and 2 <= len(token) <= 6:
        return read("upper", token)
    return read("word", token)


def _is_digit(word: str) -> bool:
    return (
        word in _DIGITS
        or word in _TEENS
        or word in _TENS
        or word in _REPEATS
        or word in ("o", "oh")
        or (word.isascii() and word.isdigit())
    )


def _is_letter(piece: _Piece | None) -> bool:
    return piece is not None and piece.kind in ("letter", "upper", "nato")


def numbers(text: str, least: int = 1) -> list[Spoken]:
    """Runs of digits said or written as one number, with a leading + where there is one; at least `least` digits."""
    found: list[Spoken] = []
    run: list[_Piece] = []

    def close() -> None:
        while run and run[-1].kind != "digits":
            run.pop()
        value = "".join(piece.value for piece in run if piece.kind in ("digits", "plus"))
        if run and len(value.lstrip("+")) >= least:
            found.append(Spoken(value, run[0].start, run[-1].end))
        run.clear()

    pieces = _pieces(text)
    for index, piece in enumerate(pieces):
        following = pieces[index + 1] if index + 1 < len(pieces) else None
        if piece.kind == "digits":
            run.append(piece)
        elif piece.kind == "plus" and following is not None and following.kind == "digits":
            close()
            run.append(piece)
        elif (run and piece.kind in ("mark", "comma", "paren") and piece.value != "/") or (
            run and piece.kind == "point" and piece.glued and following is not None and following.glued
        ):
            run.append(piece)
        else:
            close()
    close()
    return found


SHORT = re.compile(r"[A-Z]{1,6}-\d")


def codes(text: str, *, short: bool = False) -> list[Spoken]:
    """Order numbers and their like: letters and digits, upper case, "X Y Z dash seven nine" is "XYZ-79".

    With `short` also letters, a hyphen and one digit, such as "XYZ-7", which are often something else.
    """
    found = []
    for run in _runs(_pieces(text)):
        value = _joined(run)
        letters = sum(character.isalpha() for character in value)
        figures = sum(character.isdigit() for character in value)
        enough = (figures >= 3 or (letters and figures >= 2)) and letters + figures >= 3
        if (enough or (short and SHORT.fullmatch(value))) and len(value) <= 34:
            found.append(Spoken(value, run[0].start, run[-1].end))
    return found


def spelled(text: str) -> list[Spoken]:
    """Words spelled letter by letter ("R-O-B-I-N", "R as in Romeo, O …", "Romeo Oscar Bravo"), upper case."""
    found: list[Spoken] = []
    run: list[_Piece] = []

    def close() -> None:
        while run and run[-1].kind not in ("letter", "nato"):
            run.pop()
        while run and run[0].kind == "letter" and text[run[0].start : run[0].end] in ("I", "i", "a"):
            if len(run) > 1 and run[1].kind == "mark":
                break
            if len(run) > 2 and all(piece.end - piece.start == 1 for piece in run[1:]) and run[1].glued:
                break
            if len(run) > 4:
                break
            run.pop(0)
        value = "".join(piece.value for piece in run if piece.kind in ("letter", "nato"))
        plain = all(piece.kind != "mark" and piece.end - piece.start == 1 for piece in run)
        if len(value) >= (3 if plain else 2):
            found.append(Spoken(value, run[0].start, run[-1].end))
        run.clear()

    pieces = _pieces(text)
    for index, piece in enumerate(pieces):
        following = pieces[index + 1].kind if index + 1 < len(pieces) else ""
        words = piece.kind == "comma" and len(run) > 1 and run[-2].kind != "comma"  # "R O B I N, B A K E R"
        if piece.kind in ("letter", "nato") or (
            run and piece.kind in ("mark", "comma", "point") and following in ("letter", "nato") and not words
        ):
            run.append(piece)
        else:
            close()
    close()
    return found


def _runs(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    run: list[_Piece] = []
    for index, piece in enumerate(pieces):
        following = pieces[index + 1] if index + 1 < len(pieces) else None
        if piece.kind in ("letter", "digits", "mixed", "upper", "nato"):
            if run and run[-1].kind == "mixed" and not piece.glued and piece.kind in ("upper", "mixed"):
                yield from _trimmed(run)
                run = []
            run.append(piece)
        elif piece.kind == "mark" and run and following is not None:
            run.append(piece)
        elif piece.kind == "word" and not run and following is not None and following.kind == "mark":
            figures = pieces[index + 2].kind if index + 2 < len(pieces) else ""
            if (
                len(piece.value) <= 4
                and piece.value.isascii()
                and piece.value.isalpha()
                and piece.value.lower() not in _SHORT_WORDS
                and figures in ("digits", "mixed")
            ):
                run.append(evolve(piece, kind="upper", value=piece.value.upper()))
        elif run and following is not None and _bridges(piece, run, following):
            run.append(piece)
        else:
            yield from _trimmed(run)
            run = []
    yield from _trimmed(run)


def _bridges(piece: _Piece, run: list[_Piece], following: _Piece) -> bool:
    """Whether a comma or point stands inside a code, and not between a code and something else."""
    last = run[-1]
    if piece.kind == "point":
        return last.kind == following.kind == "letter" and last.end - last.start == 1
    if piece.kind != "comma" or last.kind == "comma":
        return False
    if all(part.kind in ("letter", "upper", "nato", "mark", "comma", "point") for part in run):
        return following.kind in ("letter", "digits", "nato")
    if following.kind != "digits":
        return False
    return (last.said and following.said) or all(part.kind in ("digits", "comma") for part in run)


def _trimmed(run: list[_Piece]) -> Iterator[list[_Piece]]:
    solid = ("letter", "digits", "mixed", "upper", "nato")
    while run and run[-1].kind not in solid:
        run = run[:-1]
    while run and run[0].kind not in solid:
        run = run[1:]
    if len(run) > 1 and run[0].kind == "letter" and run[0].value in ("A", "I"):
        follows = run[1].kind == "digits" and not run[1].glued
        run = run[1:] if follows and run[0].end - run[0].start == 1 else run  # "a 4711", "I 4711"
    if run:
        yield run


def _joined(run: list[_Piece]) -> str:
    """The code a run stands for; a dash between single characters, more than two, only separates them."""
    value = ""
    for index, piece in enumerate(run):
        if piece.kind in ("comma", "point"):
            continue
        if piece.kind == "mark" and 0 < index < len(run) - 1:
            sides = run[index - 1], run[index + 1]
            single = all(side.kind in ("letter", "digits") and len(side.value) == 1 for side in sides)
            if piece.glued and single and piece.end - piece.start == 1 and len(run) > 3:
                continue
        value += piece.value
    return value


# -- e-mail addresses -------------------------------------------------------------

_WRITTEN = re.compile(
    r"(?<![\w.+%-])[a-z0-9][a-z0-9._%+-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,62})\.){1,4}[a-z]{2,24}(?![\w@-])",
    re.IGNORECASE,
)
_CONNECTORS = {"dot": ".", "point": ".", ".": ".", "underscore": "_", "_": "_", "dash": "-", "hyphen": "-"}
_CONNECTORS |= {"minus": "-", "-": "-", "plus": "+", "+": "+"}
_DOMAINS = vocabulary(
    """com org net info biz edu gov mil int io ai app dev me tv co uk us ca au nz ie de at ch fr es pt it
    nl be lu dk se no fi is pl cz sk hu ro bg gr tr ru ua jp cn kr in za br mx ar cl eu cloud online
    shop store site xyz example test invalid email live name pro club tech design media agency scot
    wales london"""
)
# A word that may stand right before an address without belonging to it.
_BEFORE = vocabulary(
    """is it's its that's that to on at address email e-mail mail yeah yes yep um uh er erm so okay ok sure
    be as under use using just and the my me well right no sorry actually it be's for by via was here
    here's one please i'm i think mean say thanks hi hello then contact or not course instead , . : ; !
    ? -"""
)
_NOT_LOCAL = vocabulary(
    """work works working look looked looking meet met be am is was were are bought ordered ordering
    purchased buy shop shopping saw found it them us you me order orders website site online store
    arrive arrived see check checked try tried go went read here there him her customer account someone
    somebody support team anyone people available that this what"""
)


def emails(text: str) -> list[Spoken]:
    """E-mail addresses, written or said ("robin dot baker at example dot com"), lower case."""
    found = [Spoken(match[0].lower(), match.start(), match.end()) for match in _WRITTEN.finditer(text)]
    taken = [(written.start, written.end) for written in found]
    tokens = _tokens(text)
    words = [token.lower() for token, _, _ in tokens]
    for index, (_, start, _) in enumerate(tokens):
        if words[index] not in ("at", "@") or any(left <= start < right for left, right in taken):
            continue
        domain = _domain(tokens, index + 1)
        if domain is None:
            continue
        one_word = [word.lower() for word, _, _ in tokens[domain[1] : domain[1] + 3]]
        local = _local(words, tokens, index - 1, joined=one_word == ["all", "one", "word"])
        if local is not None:
            found.append(Spoken(f"{local[0]}@{domain[0]}", tokens[local[1]][1], tokens[domain[1] - 1][2]))
    return sorted(found, key=lambda address: address.start)


def _domain(tokens: list[tuple[str, int, int]], at: int) -> tuple[str, int] | None:
    """The domain that starts at token `at`, and the index of the token after it."""
    labels: list[str] = []
    label, index, complete = "", at, 0
    while index < len(tokens) and index - at < 40:
        word = tokens[index][0].lower()
        spaced = index > 0 and tokens[index][1] > tokens[index - 1][2]
        if word in ("dot", "point") or (word == "." and not spaced and _follows_closely(tokens, index)):
            if not label:
                return None
            labels.append(label)
            label = ""
        elif word in ("dash", "hyphen", "-") and label:
            label += "-"
        elif label and not label.endswith("-") and not (len(word) == 1 and len(label) < 12 and not labels):
            break
        elif word in _DIGITS and not labels:
            label += _DIGITS[word]
        elif word.isascii() and word.isalnum():
            label += word
        else:
            break
        index += 1
        if labels and label in _DOMAINS:
            complete = index
        elif labels and label and not label.isalnum():
            return None
    if not labels or not complete or label not in _DOMAINS:
        return None
    return ".".join([*labels, label]), complete


def _follows_closely(tokens: list[tuple[str, int, int]], index: int) -> bool:
    return index + 1 < len(tokens) and tokens[index + 1][1] == tokens[index][2]


def _local(
    words: list[str], tokens: list[tuple[str, int, int]], at: int, *, joined: bool
) -> tuple[str, int] | None:
    """The part before the "at" that ends at token `at`, and its first token; None when it is not certain.

    `words` are the tokens in small letters.
    """
    if words[max(0, at - 2) : at + 1] == ["all", "one", "word"]:
        at, joined = at - 3, True
    index, parts, connected, count = at, "", True, 0
    first = at + 1
    while index >= 0 and at - index < 40:
        word = words[index]
        spaced = index < at and tokens[index][2] < tokens[index + 1][1]
        before = words[index - 1] if index else ""
        if word == "-" and len(before) == len(parts[:1]) == 1 and len(words[index + 1]) == 1 and not spaced:
            pass  # R-O-B-I-N
        elif word in _CONNECTORS and parts and not connected and (word not in ".-" or not spaced):
            parts, connected = _CONNECTORS[word] + parts, True
        elif word == "," and parts and len(before) == len(words[index + 1]) == 1 and before.isalpha():
            pass  # letters spelled with commas between them
        elif word in _BEFORE and not (len(word) == 1 and word.isalnum()):
            break
        elif "'" in word or not word.isascii() or not word.isalnum():
            return None
        else:
            piece = _DIGITS.get(word, word)
            single = len(piece) == 1 or piece.isdigit()
            after = _DIGITS.get(words[index + 1], words[index + 1]) if index < at else ""
            after_single = len(after) == 1 or after.isdigit()
            if not connected and not (single and after_single) and not joined and not after.isdigit():
                return None
            if word == "i" and not connected and not after_single:
                break
            if word in _NOT_LOCAL:
                return None
            count += 1
            parts, connected = piece + parts, False
            first = index
            if joined and count > 3 and not single:
                return None
        index -= 1
    if not parts or connected or first > at:
        return None
    return parts, first


# -- comparing ----------------------------------------------------------------------


def squash(text: str) -> str:
    """Text reduced to lower-case words and digits with single spaces around each, numbers as digits."""
    found = []
    for piece in _pieces(text):
        if piece.kind in ("comma", "point", "paren", "mark", "plus") or not any(
            map(str.isalnum, piece.value)
        ):
            continue
        found.append(piece.value.lower())
    return f" {' '.join(found)} "
