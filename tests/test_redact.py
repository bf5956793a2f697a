"""Secrets are taken out of what is said, and everything else survives."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from conftest import grows_linearly
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elaaoms.errors import ConfigError
from elaaoms.numerals import fold
from elaaoms.redact import MASK, Kind, Policy, find, redact, redact_turns
from elaaoms.redact.numerals import items
from elaaoms.redact.values import is_iban, luhn
from elaaoms.webhooks import Turn

TABLES = Path(__file__).parent / "redaction"
SAMPLES = Path(__file__).parent / "samples"
LONG = ("card", "ssn", "iban")


@frozen
class Case:
    """A conversation, and the wordings (`gone`) or digits that must not be left of it."""

    label: str
    kind: str
    turns: tuple[tuple[str, str], ...]
    gone: tuple[str, ...] = ()
    digits: str = ""


def table(name: str) -> list[Case]:
    cases = []
    for line in (TABLES / name).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        turns = tuple((role, text) for role, text in row["turns"])
        cases.append(Case(row["label"], row.get("kind", ""), turns, tuple(row.get("gone", ()))))
    return cases


def after(turns: Sequence[tuple[str, str]]) -> list[str]:
    redacted, _ = redact_turns([Turn(role="agent" if r == "agent" else "user", text=t) for r, t in turns])
    return [turn.text for turn in redacted]


def words(text: str) -> list[str]:
    for mask in MASK.values():
        text = text.replace(mask, " . ")
    folded, _ = fold(text)
    return "".join(c if c.isalnum() else " " for c in folded).split()


def leaks(case: Case, texts: list[str]) -> str:
    """What is left of the secret: two or three words of it (one, when that has three digits), or its digits."""
    said = [words(text) for text in texts]
    for gone in case.gone:
        parts = words(gone)
        size = (
            1
            if any(p.isdigit() and len(p) >= 3 for p in parts)
            else min(3 if case.kind in LONG else 2, len(parts))
        )
        for at in range(len(parts) - size + 1):
            window = parts[at : at + size]
            for turn in said:
                if any(turn[i : i + size] == window for i in range(len(turn) - size + 1)):
                    return " ".join(window)
    if case.digits:
        least = 4 if len(case.digits) > 4 else len(case.digits)
        left = " ".join(
            "".join(i.value if i.kind == "num" else "" if i.kind == "mark" else "|" for i in items(text))
            for text in texts
        )
        for at in range(len(case.digits) - least + 1):
            if case.digits[at : at + least] in left:
                return case.digits[at : at + least]
    return ""


def missed(cases: list[Case]) -> list[str]:
    found = []
    for case in cases:
        texts = after(case.turns)
        leak = leaks(case, texts)
        if leak:
            found.append(f"{case.kind} {case.label}: {leak!r} is left in {texts}")
    return found


def rate(name: str, wrong: list[str], total: int) -> float:
    share = 1 - len(wrong) / total
    print(f"{name}: {total - len(wrong)} of {total} = {share:.2%}")
    return share


# -- the tables written by hand --------------------------------------------------------------


@pytest.mark.parametrize(("name", "least"), [("handwritten.jsonl", 120), ("holdout.jsonl", 30)])
def test_what_was_written_by_hand_to_defeat_the_scanner_is_caught(name: str, least: int) -> None:
    cases = table(name)
    assert len(cases) >= least
    wrong = missed(cases)
    assert rate(name, wrong, len(cases)) >= 0.95, "\n".join(wrong)


def test_what_only_looks_like_a_secret_survives() -> None:
    cases = table("harmless.jsonl")
    assert len(cases) >= 150
    changed = [
        f"{case.label}: {after(case.turns)}"
        for case in cases
        if after(case.turns) != [t for _, t in case.turns]
    ]
    assert rate("harmless.jsonl", changed, len(cases)) == 1, "\n".join(changed)


def test_the_tables_hold_three_hundred_lines() -> None:
    assert sum(len(table(path.name)) for path in TABLES.glob("*.jsonl")) >= 300


# -- secrets that are made up ------------------------------------------------------------------

ONES = {
    "en": "zero one two three four five six seven eight nine".split(),
    "de": "null eins zwei drei vier fünf sechs sieben acht neun".split(),
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve".split(),
    "fr": "zéro un deux trois quatre cinq six sept huit neuf".split(),
}
PAIRS = {
    "en": "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
    + [f"{ten}{'-' + one if one != 'zero' else ''}" for ten in "twenty thirty forty fifty sixty seventy eighty ninety".split() for one in ONES["en"]],
    "de": "zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn".split()
    + [
        f"{one if one != 'eins' else 'ein'}und{ten}" if one != "null" else ten
        for ten in "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
        for one in ONES["de"]
    ],
    "es": "diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve".split()
    + [f"{ten}{' y ' + one if one != 'cero' else ''}" for ten in "treinta cuarenta cincuenta sesenta setenta ochenta noventa".split() for one in ONES["es"]],
    "fr": "dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf".split()
    + [
        ten + (" et un" if i == 1 and ten != "quatre-vingt" else f"-{one}" if i else "s" if ten == "quatre-vingt" else "")
        for ten in "vingt trente quarante cinquante".split() for i, one in enumerate(ONES["fr"])
    ]
    + [
        ten + (" et onze" if i == 11 and ten == "soixante" else " et un" if i == 1 and ten == "soixante" else f"-{one}" if i else "s" if ten == "quatre-vingt" else "")
        for ten in ("soixante", "quatre-vingt")
        for i, one in enumerate(ONES["fr"] + "dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf".split())
    ],
}  # fmt: skip
DOUBLE = {"en": "double", "de": "doppel", "es": "doble", "fr": "double"}
PIECES = {"en": "and then", "de": "und dann", "es": "y luego", "fr": "et puis"}
GO_ON = {
    "en": ["Okay.", "Go on.", "Mm-hmm.", "Yes, and then?", "Got it, go ahead."],
    "de": ["Okay.", "Ja, weiter.", "Verstanden."],
    "es": ["Vale.", "Sí, siga.", "Muy bien, continúe."],
    "fr": ["D'accord.", "Oui, ensuite ?", "Très bien, continuez."],
}
OPENING = {
    "en": ["", "It's ", "Sure, it's ", "Okay, so the card number is ", "Yeah, um, "],
    "de": ["", "Das ist ", "Ja, gerne: ", "Die Nummer ist "],
    "es": ["", "Es el ", "Claro, es ", "Sí, "],
    "fr": ["", "C'est le ", "Oui, alors ", "Voilà: "],
}
ASK = {
    "card": {"en": "What's your card number?", "de": "Wie lautet Ihre Kartennummer?", "es": "¿Cuál es el número de su tarjeta?", "fr": "Quel est le numéro de votre carte ?"},
    "ssn": {"en": "What's your social security number?", "de": "Wie lautet Ihre Sozialversicherungsnummer?", "es": "¿Cuál es su número de seguro social?", "fr": "Quel est votre numéro de sécurité sociale ?"},
    "pin": {"en": "What's your PIN?", "de": "Wie ist Ihre PIN?", "es": "¿Cuál es su PIN?", "fr": "Quel est votre code PIN ?"},
    "cvv": {"en": "And the security code on the back?", "de": "Und die Prüfziffer?", "es": "¿Y el código de seguridad?", "fr": "Et le cryptogramme ?"},
}  # fmt: skip


def checked(digits: str) -> str:
    return next(digits + str(d) for d in range(10) if luhn(digits + str(d)))


def a_card(dice: random.Random) -> str:
    prefix, length = dice.choice(
        [
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("36", 14),
            ("3530", 16),
            ("2221", 16),
        ]
    )
    return checked(prefix + "".join(dice.choice("0123456789") for _ in range(length - len(prefix) - 1)))


def an_ssn(dice: random.Random) -> str:
    return f"{dice.randint(1, 665):03}{dice.randint(1, 99):02}{dice.randint(1, 9999):04}"


def an_iban(dice: random.Random) -> str:
    country, length = dice.choice(
        [("DE", 22), ("GB", 22), ("FR", 27), ("ES", 24), ("NL", 18), ("AT", 20), ("CH", 21)]
    )
    account = "".join(dice.choice("0123456789") for _ in range(length - 4))
    if country == "GB":
        account = "WEST" + account[4:]
    if country == "NL":
        account = "ABNA" + account[4:]
    return next(
        f"{country}{c:02}{account}" for c in range(2, 99) if is_iban(f"{country}{c:02}{account}".lower())
    )


def divided(digits: str, kind: str) -> list[str]:
    if kind == "ssn":
        return [digits[:3], digits[3:5], digits[5:]]
    if kind == "card" and len(digits) in (14, 15):
        return [digits[:4], digits[4:10], digits[10:]]
    return [digits[at : at + 4] for at in range(0, len(digits), 4)]


def written(digits: str, kind: str, dice: random.Random) -> str:
    mark = dice.choice(["", " ", "-", "–", " - ", ".", " ", "‑"] if kind == "card" else ["-", "–", "‑", "-"])
    if kind == "iban":
        mark = dice.choice(["", " ", "-", " "])
    text = mark.join(divided(digits, kind))
    wide = dice.random() < 0.1
    return "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in text) if wide else text


def spoken(digits: str, language: str, style: str, dice: random.Random) -> str:
    ones = ONES[language]
    if style == "pairs":
        said = []
        at = 0
        while at < len(digits):
            pair = digits[at : at + 2]
            if len(pair) == 2 and pair[0] != "0":
                said.append(PAIRS[language][int(pair) - 10])
                at += 2
            else:
                said.append(ones[int(pair[0])])
                at += 1
        return dice.choice([" ", ", "]).join(said)
    said = []
    at = 0
    while at < len(digits):
        if style == "double" and digits[at : at + 1] == digits[at + 1 : at + 2]:
            said.append(f"{DOUBLE[language]} {ones[int(digits[at])]}")
            at += 2
        else:
            word = ones[int(digits[at])]
            said.append("oh" if word == "zero" and dice.random() < 0.4 else word)
            at += 1
    text = " ".join(said)
    return text.upper() if style == "capitals" else "-".join(said) if style == "hyphens" else text


def made(kind: str, count: int, *, said: bool, seed: int) -> Iterator[Case]:
    dice = random.Random(seed)  # noqa: S311
    for number in range(count):
        language = dice.choice(["en", "en", "de", "es", "fr"]) if said else dice.choice(list(ONES))
        digits = {"card": a_card, "ssn": an_ssn, "iban": an_iban}[kind](dice)
        opening = dice.choice(OPENING[language])
        question = (
            ASK[kind][language]
            if kind in ASK and ((kind == "ssn" and said) or dice.random() < 0.5)
            else "Okay?"
        )
        if not said:
            text = f"{opening}{written(digits, kind, dice)}{dice.choice(['', '.', ', thanks', ' okay?'])}"
            yield Case(
                f"{number} {text}",
                kind,
                (("agent", question), ("user", text)),
                digits="".join(c for c in digits if c.isdigit()),
            )
            continue
        style = dice.choice(["plain", "plain", "double", "pairs", "capitals", "hyphens", "fillers", "split"])
        chunks = [spoken(part, language, style, dice) for part in divided(digits, kind)]
        if style == "split":
            turns = [("agent", question), ("user", opening + chunks[0])]
            for chunk in chunks[1:]:
                if dice.random() < 0.8:
                    turns.append(("agent", dice.choice(GO_ON[language])))
                turns.append(("user", chunk + dice.choice(["", "."])))
        else:
            joint = f" {PIECES[language]} " if style == "fillers" else dice.choice([", ", " ", ". "])
            turns = [("agent", question), ("user", opening + joint.join(chunks))]
        yield Case(
            f"{number} {language} {style}",
            kind,
            tuple(turns),
            tuple(c for c in chunks if len(c.split()) > 2),
            digits,
        )


def test_written_secrets_are_always_caught() -> None:
    cases = [
        *made("card", 500, said=False, seed=1),
        *made("ssn", 250, said=False, seed=2),
        *made("iban", 250, said=False, seed=3),
    ]
    wrong = missed(cases)
    assert rate("written", wrong, len(cases)) == 1, "\n".join(wrong[:20])


def test_spoken_secrets_are_caught_in_four_languages() -> None:
    cases = [*made("card", 900, said=True, seed=4), *made("ssn", 450, said=True, seed=5)]
    wrong = missed(cases)
    assert rate("spoken", wrong, len(cases)) >= 0.995, "\n".join(wrong[:20])


def test_short_codes_are_caught_where_they_are_asked_for() -> None:
    dice = random.Random(6)  # noqa: S311
    cases = []
    for number in range(300):
        kind = dice.choice(["pin", "cvv"])
        language = dice.choice(list(ONES))
        digits = "".join(dice.choice("0123456789") for _ in range(4 if kind == "pin" else 3))
        style = dice.choice(["plain", "pairs", "double", "digits"])
        said = digits if style == "digits" else spoken(digits, language, style, dice)
        turns = (("agent", ASK[kind][language]), ("user", dice.choice(OPENING[language][:3]) + said))
        cases.append(Case(f"{number} {language} {style} {said}", kind, turns, digits=digits))
    wrong = missed(cases)
    assert rate("short codes", wrong, len(cases)) >= 0.995, "\n".join(wrong[:20])


# -- ordinary talk -----------------------------------------------------------------------------

ORDINARY = """Hi, this is {name}, I'm calling about order {order}.|My number is {phone}, call me after {hour}.|I need {small} rooms for {nights} nights from the {ordinal} of {month}.
|Can I move my booking {ref} to {month} {day}?|It arrived on {date} at {time}, {small} days late.|I paid {price} for it and I want {price} back.|My e-mail is robin.baker@example.com.
|We are {small} adults and {small} children.|I'm allergic to peanuts, and my daughter is {small}.|My postcode is {zip}.|I live at {house} Oak Street, apartment {small}.|The tracking number is {tracking}.
|I've been a customer since {year}.|I prefer e-mail, please don't call me before {hour}.|The password doesn't work any more.|I forgot my PIN and my card was declined.|Could you send the invoice {order} again?
|It's spoken {phonewords}, that's my mobile number.|My order number is {orderwords}.|Room {room}, second floor.|My flight is LH {flight} at {time}.|I take {small} pills of {hundred} milligrams.
|I ordered {small} of the blue ones in size {size}.|My birthday is the {ordinal} of {month} {year}.|No, that's all, thank you.|Yes, one moment, let me look it up.|Oh, two of them were broken, so I need two more.
|One of my friends told me about you, and I have one question.|My account number is {account}.|My member ID is {account}.|I'd like a table for {small} at {time}.|Meine Bestellnummer ist {order}.
|Ich brauche ein Zimmer für {small} Nächte.|Meine Telefonnummer ist {phone}.|Ich bin am {day}. {month} angekommen.|Mi pedido es el {order}.|Necesito {small} habitaciones para {nights} noches.
|Mi teléfono es {phone}.|Ma commande est la {order}.|Je voudrais une table pour {small} personnes à {time}.|Mon numéro de téléphone est le {phone}.|The policy number is {account}, it expires in {year}.
|Is the card reader working again?|I'd like to pay by card when I get there, around {time}.|My insurance card says {account}.|That was {hundred} dollars, not {hundred}.|The meeting is from {time} to {time}.
|I weigh {hundred} pounds and I'm {small} feet {small}.|We drove {hundred} miles on route {small}.|My old address was {house} Mill Lane, {zip}.|It said error {room} on page {small}.|Could you repeat that, please?
|I called {small} times in {year} and nobody picked up.|The serial number is {tracking}.|My son was born in {year}, he's in year {small}.|Ticket {order}, please.|My reference is {ref}.""".replace("\n", "")  # fmt: skip
AGENT = """What's your phone number?|How can I help you?|Could you give me the order number?|And which date would suit you?|How many people?|Thank you, {name}. I found order {order}.
|Is {phone} still the best number?|I've moved it to {month} {day} at {time}.|Could you spell the name?|Your booking reference is {ref}.|Anything else?|What's the postcode?|That will be {price}.""".replace("\n", "")  # fmt: skip


def ordinary(count: int, seed: int) -> list[tuple[str, str]]:
    dice = random.Random(seed)  # noqa: S311
    pools = {"user": ORDINARY.split("|"), "agent": AGENT.split("|")}

    def some(length: int) -> str:
        return "".join(dice.choice("0123456789") for _ in range(length))

    turns = []
    for number in range(count):
        role = "agent" if number % 2 else "user"
        local = some(2)
        values = {
            "name": dice.choice(["Robin Baker", "Joan", "Alex Marsh"]), "order": dice.choice([some(5), some(8), "A-" + some(6), some(10)]),
            "phone": dice.choice([f"202-555-01{local}", f"+1 202 555 01{local}", f"(202) 555-01{local}", f"20255501{local}", f"+49 170 55501{local}"]),
            "phonewords": f"two oh two, five five five, oh one {ONES['en'][int(local[0])]} {ONES['en'][int(local[1])]}",
            "orderwords": " ".join(ONES["en"][int(d)] for d in some(dice.choice([4, 6, 8]))),
            "hour": dice.choice(["six", "nine", "10", "5 pm"]), "small": dice.choice(["two", "three", "4", "12", "six"]),
            "nights": dice.choice(["two", "14", "seven"]), "ordinal": dice.choice(["first", "14th", "twenty-first", "3rd"]),
            "month": dice.choice(["March", "May", "November"]), "day": str(dice.randint(1, 28)), "ref": "QX" + some(4),
            "date": dice.choice(["2026-11-22", "11/14/2026", "14.11.2026"]), "time": dice.choice(["10:30", "two fifteen", "7 pm", "half past four"]),
            "price": dice.choice(["$1,299.00", "49.99 euros", "four hundred and eleven dollars", "£20"]), "zip": dice.choice(["90210", "20500-0003", "LS1 4AP"]),
            "house": some(4), "tracking": dice.choice(["1Z999AA101" + some(8), "9400" + some(18)]), "year": str(dice.randint(1950, 2026)),
            "room": dice.choice(["404", "four oh four", "4242"]), "flight": some(4), "hundred": dice.choice(["300", "two hundred", "150"]),
            "size": dice.choice(["42", "nine"]), "account": dice.choice([some(8), some(9), some(10)]),
        }  # fmt: skip
        turns.append((role, dice.choice(pools[role]).format(**values)))
    return turns


def sampled() -> list[tuple[str, str]]:
    turns: list[tuple[str, str]] = []
    for path in sorted(SAMPLES.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8")).get("data") or {}
        for turn in data.get("transcript") or ():
            turns.append(("agent" if turn["role"] == "agent" else "user", turn.get("message") or ""))
    return turns


def test_ordinary_turns_are_left_alone() -> None:
    turns = ordinary(6000, seed=7)
    changed = []
    for at in range(0, len(turns), 12):
        call = turns[at : at + 12]
        changed += [
            f"{call} → {text}"
            for (_, before), text, call in zip(call, after(call), [before for _, before in call], strict=True)
            if before != text
        ]
    own = sampled()
    changed += [text for (_, before), text in zip(own, after(own), strict=True) if before != text]
    total = len(turns) + len(own)
    assert 1 - rate("ordinary turns", changed, total) <= 0.001, "\n".join(changed[:20])


# -- the interface -----------------------------------------------------------------------------


def test_a_mask_carries_no_digits_and_names_the_kind() -> None:
    assert redact("my card is 4111 1111 1111 1111, ok?") == "my card is [card number], ok?"
    assert set(MASK) == set(Kind)
    assert not any(character.isdigit() for mask in MASK.values() for character in mask)


def test_places_are_those_of_the_original_text() -> None:
    text = "Ja – die ＰＩＮ ist ４２\u200b４２, danke"
    (found,) = find(text)
    assert (found.kind, text[found.start : found.end]) == (Kind.PIN, "４２\u200b４２")


def test_each_kind_has_its_own_policy() -> None:
    text = "Hello there. My PIN is 4242. My card is 4111 1111 1111 1111. Bye."
    policy = Policy(pin="drop", card="keep")
    assert redact(text, policy) == "Hello there. My card is 4111 1111 1111 1111. Bye."
    both = "My card is 4111 1111 1111 1111, my PIN is 4242. Bye."
    assert redact(both, Policy(pin="drop")) == "Bye."
    turns = [Turn(role="agent", text="Your PIN?"), Turn(role="user", text="4242", seconds=2.5)]
    redacted, counted = redact_turns(turns, policy)
    assert [turn.text for turn in redacted] == ["Your PIN?", ""]
    assert redacted[1].seconds == 2.5
    assert counted == Counter({Kind.PIN: 1})


def test_turns_without_secrets_are_the_same_objects() -> None:
    turns = [Turn(role="user", text="Hello"), Turn(role="agent", text="")]
    redacted, counted = redact_turns(turns)
    assert all(a is b for a, b in zip(turns, redacted, strict=True))
    assert not counted


def test_the_operators_patterns_are_applied() -> None:
    policy = Policy(patterns=(r"\bCUST-\d{6}\b", r"(?i)project \w+"))
    assert redact("CUST-004711 asked about Project Heron.", policy) == "[removed] asked about [removed]."
    long = "x" * 9_990 + " CUST-004711 " + "y" * 30_000
    assert "004711" not in redact(long, policy)  # it stands across the border of two windows


@pytest.mark.parametrize(
    "pattern", ["(", "a*", r"(\w+)+$", r"(a|aa)+b", r"(a)\1", "x" * 501, r"((a+)b?)*c", r"(?:\d+,?){2,}"]
)
def test_patterns_that_are_broken_or_run_away_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError):
        Policy(patterns=(pattern,))


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(ConfigError):
        Policy(pin="hide")  # type: ignore[arg-type]


def test_what_the_model_puts_together_again_is_caught() -> None:
    assert redact("The caller's PIN is 4242.") == "The caller's PIN is [pin]."
    assert (
        redact("Caller pays with the Visa ending in 4242.")
        == "Caller pays with the Visa ending in [card number]."
    )
    assert (
        redact("Caller's social security number is 078-05-1120.")
        == "Caller's social security number is [social security number]."
    )


# -- properties ----------------------------------------------------------------------------------

SNIPPETS = st.sampled_from(
    """my PIN is|4242|four|two|double|oh|4111 1111 1111 1111|078-05-1120|password|is|bluebird|the|order|number|.|,|?|[pin]|[card number]|DE89 3704 0044 0532 0130 00
    |card|last four|CVV|123|and|okay|phone|+49|-|–|４２|einundzwanzig|vingt|et un|once|mil|hundert|quatre-vingt|dix|:|"|'|s|social|code|for|my|room|2019|in|1.5|$20|\n|12/27""".split("|")
)  # fmt: skip
TALK = st.one_of(st.text(max_size=200), st.lists(SNIPPETS, max_size=30).map(" ".join))
EASY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@EASY
@given(TALK)
def test_places_are_valid_and_apart(text: str) -> None:
    found = find(text)
    assert all(0 <= secret.start < secret.end <= len(text) for secret in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


@EASY
@given(
    TALK,
    st.sampled_from(
        [
            Policy(),
            Policy(pin="drop", password="drop"),
            Policy(card="keep"),
            Policy(patterns=(r"\d+", r"\w+ bird")),
        ]
    ),
)
def test_redacting_twice_changes_nothing(text: str, policy: Policy) -> None:
    once = redact(text, policy)
    assert redact(once, policy) == once


@EASY
@given(st.lists(st.tuples(st.sampled_from(["user", "agent"]), TALK), max_size=8))
def test_turns_keep_their_number_and_roles(turns: list[tuple[Any, str]]) -> None:
    before = [Turn(role=role, text=text) for role, text in turns]
    redacted, counted = redact_turns(before)
    assert [turn.role for turn in redacted] == [turn.role for turn in before]
    assert (redacted == tuple(before)) is not bool(counted)
    assert redact_turns(redacted) == (redacted, Counter())


@pytest.mark.parametrize(
    "piece",
    [
        "Hi, my order is 4711 and my card is 4111 1111 1111 1111, okay? ", "four one one one ", "4", "my pin is ", "password is ", "- ", "DE89 ", "d e ",
        "[", "uh ", "is my ", "quatre vingt ", "four hundred ", "4242 is my ", "one, two. ", "'", "12/", "$1,", "1 ",
    ],
)  # fmt: skip
def test_time_grows_with_the_text(piece: str) -> None:
    short, long = piece * (2_000 // len(piece)), piece * (16_000 // len(piece))
    assert grows_linearly(lambda: redact(short), lambda: redact(long), 8)


def test_time_grows_with_the_turns() -> None:
    call = [
        Turn(role=role, text=text)
        for role, text in (
            ("agent", "What's your card number?"),
            ("user", "4111 1111 1111 1111"),
            ("agent", "And the PIN?"),
            ("user", "four two four two"),
            ("agent", "okay"),
        )
    ]  # type: ignore[arg-type]
    short, long = call * 20, call * 160
    assert grows_linearly(lambda: redact_turns(short), lambda: redact_turns(long), 8)
