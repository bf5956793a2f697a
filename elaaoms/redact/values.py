"""Check numbers against what they claim to be: cards, social security numbers and IBANs."""

from __future__ import annotations

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_IBANS = {
    15: "no",
    16: "be",
    18: "dk fi fo gl nl sd",
    19: "mk si",
    20: "at ba ee kz lt lu xk",
    21: "ch cr hr li lv",
    22: "bg bh de gb ge ie me rs va",
    23: "ae gi il iq tl om",
    24: "ad cz es md pk ro sa se sk tn vg",
    25: "pt ly",
    26: "is tr",
    27: "fr gr it mc mr sm",
    28: "al az by cy do gt hu lb pl sv",
    29: "br eg ps qa ua",
    30: "jo kw mu",
    31: "mt sc",
}
_LENGTHS = {country: length for length, countries in _IBANS.items() for country in countries.split()}


def luhn(digits: str) -> bool:
    """Whether the check digit of a card number is right."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        total += _DOUBLED[int(digit)] if index % 2 else int(digit)
    return total % 10 == 0


def is_card_shaped(digits: str) -> bool:
    """Whether a number has the first digits and the length of a card (ISO/IEC 7812 ranges in use)."""
    length, two, four = len(digits), int(digits[:2] or 0), int(digits[:4] or 0)
    if length not in range(13, 20):
        return False
    if digits[0] == "4":
        return length in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return length == 16
    if two in (34, 37):
        return length == 15
    if two in (36, 38, 39) or 300 <= int(digits[:3]) <= 305:
        return length in (14, 16, 19)
    if 3528 <= four <= 3589 or 2200 <= four <= 2204 or two in (60, 62, 64, 65, 81, 82):
        return length >= 16
    return four in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763, 9792, 5067, 6363) and length >= 13


def is_card(digits: str) -> bool:
    """Whether a number is a payment card's, its check digit included."""
    return is_card_shaped(digits) and luhn(digits)


def is_ssn(digits: str) -> bool:
    """Whether nine digits may be a US social security or taxpayer number."""
    if len(digits) != 9 or not digits.isdigit():
        return False
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def iban_length(country: str) -> int:
    """How long the IBANs of a country are; 0 for what is no country that has them."""
    return _LENGTHS.get(country, 0)


def is_iban(value: str) -> bool:
    """Whether a value in lower case passes the check of ISO 13616 (mod 97 is 1)."""
    if len(value) != iban_length(value[:2]) or not value.isascii() or not value.isalnum():
        return False
    turned = value[4:] + value[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def parts_of(digits: str) -> set[str]:
    """The parts of a number that tell it when they are read back: groups of four, both ends, anything of six."""
    size = min(len(digits), 40)
    parts = {digits[at : at + length] for length in range(6, size) for at in range(size - length + 1)}
    parts.update(digits[at : at + length] for at in range(0, size - 3, 4) for length in (4, 5))
    parts.update((digits[-4:], digits[:4], digits[-5:], digits[:5]))
    return {part for part in parts if len(part) >= 4}
