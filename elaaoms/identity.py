"""Who is calling: numbers, user ids and placeholders become one address, and an address one caller key."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import phonenumbers
from attrs import frozen

_LONGEST: Final = 256  # characters of an id; what is longer is a token or a mistake, and no two may merge

_KEY: Final = re.compile(r"caller_[0-9a-f]{32}")
_SCHEME: Final = re.compile(r"(sips?|tel|callto|whatsapp)\s*:\s*", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[+(\s]*[0-9][0-9\s()./~\-\u2010-\u2015\u2212]*")
_IPV4: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_TEMPLATE: Final = re.compile(r"\{\{.*\}\}", re.DOTALL)

# What networks, PBXs and web front ends say when they have no caller to name; letters and digits only.
_NOBODY: Final = re.compile(
    r"""
    null | nil | none | undefined | nan | na | not(?:available|applicable) | empty | false | true
    | objectobject
    | (?:anonym(?:ous|e|o)? | anónimo | restricted | unavailable | unknown | private | withheld | blocked
        | hidden | guest | no)(?:caller|call|callerid|id|user|number)?
    | (?:no)?(?:caller|number|phone|callerid|id)(?:id|number)?
        (?:anonymous|restricted|unavailable|unknown|private|withheld|blocked|hidden)?
    | outofarea | unbekannt | unterdrückt | inconnu | masqué | privée? | privado | oculto | desconocido
    | sconosciuto | onbekend | redacted | user | default | asterisk | freeswitch
    """,
    re.VERBOSE,
)
# ANONYMOUS, RESTRICTED, UNAVAILABLE, UNKNOWN and BLOCKED on a phone's keys, as Twilio sends them.
_SPELLED: Final = frozenset({"266696687", "7378742833", "86282452253", "8656696", "2562533"})


@frozen(kw_only=True)
class Hints:
    """Everything an event or request says about who its two ends are, as received.

    Each field may be empty. `user_ids` and `variables` come in order of preference.
    """

    user_ids: tuple[str, ...] = ()
    external_number: str = ""
    sms_number: str = ""
    whatsapp_id: str = ""
    caller_id: str = ""
    called_number: str = ""
    agent_number: str = ""
    variables: tuple[str, ...] = ()


@frozen
class Address:
    """A caller's canonical address: `tel:+12025550142`, `user:crm-4711` or `id:alice`.

    The fourth kind, `key`, is a caller key of ours that came back as a user id (our answer to the
    client-data webhook sets it); only the database knows whose it is.
    """

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


# -- from hints to addresses ------------------------------------------------------


def resolve(hints: Hints, *, region: str = "", own: Collection[str] = ()) -> Address | None:
    """Find the caller's address, or None for a caller who cannot be told from others.

    The first of `candidates`, for those who need not know whether a caller key is one of theirs.
    """
    return next(_candidates(hints, region, own), None)


def candidates(hints: Hints, *, region: str = "", own: Collection[str] = ()) -> list[Address]:
    """Every address that could be the caller's, best first, without duplicates.

    `region` is the country in which numbers without a country code are read ("DE"), and `own` the
    numbers that belong to our agents: those are never the caller, whichever field names them. What
    was set on purpose (a user id) outranks what the network says, and that outranks variables, which
    a web client may choose freely. Placeholders are skipped: pooling all withheld numbers as one
    person would tell strangers each other's secrets.
    """
    return list(dict.fromkeys(_candidates(hints, region, own)))


def _candidates(hints: Hints, region: str, own: Collection[str]) -> Iterator[Address]:
    ours = _own(frozenset((*own, hints.agent_number)), region)
    caller = _party(hints.caller_id, region)
    if ours.has(caller, hints.caller_id):  # an outbound call: the caller is us, the called one the human
        caller = _party(hints.called_number, region)
    found = (
        *(_member(value, region) for value in hints.user_ids),
        _party(hints.external_number, region),
        _party(hints.sms_number, region),
        _party(hints.whatsapp_id, region, international=True),
        caller,
        *(_member(value, region) for value in hints.variables),
    )
    yield from (address for address in found if address is not None and not ours.has(address))


@lru_cache(maxsize=64)  # they change with a new line of ours, and are asked for with every request
def _own(texts: frozenset[str], region: str) -> _Own:
    return _Own.of(texts, region)


@frozen
class _Own:
    """The numbers of our agents in every spelling under which a switch may send them back.

    A trunk may report "+1 202…" as the called number and "202…" as the calling one, so a number
    without a country code counts as ours when it is the national part of one of ours.
    """

    addresses: frozenset[Address]
    numbers: frozenset[str]  # digits with and without country code
    bare: frozenset[str]  # digits whose country nobody told us
    names: frozenset[str]  # SIP users and extensions

    @classmethod
    def of(cls, texts: Collection[str], region: str) -> _Own:
        addresses: set[Address] = set()
        numbers: set[str] = set()
        bare: set[str] = set()
        names: set[str] = set()
        for text in texts:
            user, host = _split(text)
            if not _is_nobody(user):
                names |= {user.lower(), f"{user}@{host}".lower()}
            address = _party(text, region)
            if address is None:
                continue
            addresses.add(address)
            if address.kind == "tel":
                numbers |= {address.value[1:], _national(address.value)}
            elif address.value.isdecimal():
                bare.add(address.value.lstrip("0"))
        return cls(frozenset(addresses), frozenset(numbers), frozenset(bare), frozenset(names))

    def has(self, address: Address | None, text: str = "") -> bool:
        if address is None:  # an extension ("101") is no address, but may still be ours
            return bool(text) and _split(text)[0].lower() in self.names
        if address in self.addresses:
            return True
        if address.kind == "tel":
            return bool(self.bare & {address.value[1:], _national(address.value)})
        if address.kind == "id" and address.value in self.names:
            return True
        digits = address.value.lstrip("+0")
        return digits.isdecimal() and len(digits) >= 5 and (digits in self.numbers or digits in self.bare)


# -- reading one text -------------------------------------------------------------


def parse(text: str, region: str = "") -> Address | None:
    """Read what an operator types: a number, a user id, a caller key, or an address with its kind.

    What is no phone number is a user id, because those are what operators know callers by; a name
    that only a switch knows is written `id:alice` or `sip:alice@pbx.example.com`.
    """
    text = _tidy(text)
    kind, colon, value = text.partition(":")
    match kind.strip().lower() if colon else "":
        case "user":
            return _member(value, region, literal=True)
        case "id":
            return _named(_ascii_digits(value))
        case "key":
            return Address("key", value.strip()) if _KEY.fullmatch(value.strip()) else None
        case "tel" | "sip" | "sips" | "callto" | "whatsapp":
            return _party(text, region)
    address = None if text.startswith("caller_") else _party(text, region)
    return address if address is not None and address.kind == "tel" else _member(text, region)


@lru_cache(maxsize=4096)  # a number is asked for several times in every call
def _party(text: str, region: str, *, international: bool = False) -> Address | None:
    """One end of a call as the network names it: a number or the user of a SIP URI."""
    user, host = _split(text)
    if _is_nobody(user) or host.endswith(".invalid") or _IPV4.fullmatch(user):
        return None
    if _NUMBER.fullmatch(user):
        return _phone(user, region, international=international)
    return _named(f"{user}@{host}" if host else user)


def _member(text: str, region: str, *, literal: bool = False) -> Address | None:
    """A user id, kept as it is, unless it is one of our caller keys or a number in E.164.

    Digits alone stay a user id, since customer numbers look like that; `literal` skips both readings.
    """
    text = _tidy(text)
    if _is_nobody(text) or len(text) > _LONGEST:
        return None
    if literal:
        return Address("user", text)
    if _KEY.fullmatch(text):
        return Address("key", text)
    user, host = _split(text)
    if host.endswith(".invalid"):
        return None
    if user.startswith("+") and _NUMBER.fullmatch(user):
        address = _phone(user, region)
        if address is None or address.kind == "tel":
            return address  # one person has one memory, on the phone and in the app
    return Address("user", text)


def _phone(text: str, region: str, *, international: bool = False) -> Address | None:
    """A number in E.164 when its country is beyond doubt, else its bare digits as an id.

    Fewer than five digits name a desk or a menu, not a person.
    """
    digits = re.sub(r"[^0-9]", "", text)
    if len(digits) < 5 or not digits.strip("0") or digits in _SPELLED:
        return None
    number = _dialled(text, digits, region.strip().upper(), international=international)
    e164 = ""
    while number is not None and e164 != (shorter := _e164(number)):
        # Reading a possible, but invalid number may drop a zero each time; only the last form is canonical.
        e164 = shorter
        number = _possible(e164, None)
    if number is None:
        return _named(digits)
    return Address("tel", e164) if number.national_number else None  # +1 000 000 0000


def _dialled(text: str, digits: str, region: str, *, international: bool) -> phonenumbers.PhoneNumber | None:
    """The number that somebody in `region` means by `text`, or None if that is a guess."""
    if len(digits) > 20:
        return None
    if international or "+" in text:
        if mexican := re.fullmatch(r"521([0-9]{10})", digits):  # WhatsApp keeps the old mobile prefix
            return _possible(f"+52{mexican[1]}", None)
        return _possible(text if "+" in text else f"+{digits}", None)
    # Some trunks drop the "+": eleven digits that are a valid number with it are no coincidence.
    plus = _possible(f"+{digits}", None) if len(digits) >= 11 and digits[0] != "0" else None
    if plus is not None and not phonenumbers.is_valid_number(plus):
        plus = None
    if not region:
        return plus
    national = _possible(text, region)
    if national is not None and phonenumbers.is_valid_number(national):
        return national
    if plus is None and digits.startswith("00"):  # how most of the world dials abroad, if not `region`
        plus = _possible(f"+{digits[2:]}", None)
    return plus or national


@lru_cache(maxsize=4096)
def _possible(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    """The number, unless it is too short, too long, or lacks its area code."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    reason = phonenumbers.is_possible_number_with_reason(number)
    return number if reason == phonenumbers.ValidationResult.IS_POSSIBLE else None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _national(e164: str) -> str:
    """The number without its country code and leading zeros."""
    number = _possible(e164, None)
    return "" if number is None else str(number.national_number)


def _named(name: str) -> Address | None:
    name = _tidy(name).lower()
    user = name.partition("@")[0]
    if _is_nobody(user) or len(user) < 3 or len(name) > _LONGEST:
        return None
    return Address("id", name)


def _split(text: str) -> tuple[str, str]:
    """User and host of a SIP or tel URI, with or without scheme, display name and parameters."""
    text = _ascii_digits(_tidy(text))
    if inside := re.search(r"<([^<>]+)>", text):
        text = inside[1].strip()
    uri = False
    while scheme := _SCHEME.match(text):
        text, uri = text[scheme.end() :], True
    user, at, host = text.partition("@")
    if uri or at:
        user = re.split("[;:?]", unquote(user), maxsplit=1)[0]
    host = re.sub(r":[0-9]*$", "", re.split(r"[;?>\s]", host, maxsplit=1)[0])
    return _tidy(user), host.lower().rstrip(".")


def _tidy(text: str) -> str:
    """Without invisible characters, which would split one caller in two, and outer blanks."""
    if not text.isprintable():
        text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    return text.strip()


def _ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else "+" if c == "＋" else c for c in text)


def _is_nobody(text: str) -> bool:
    """Whether the text only says that the caller is not known."""
    letters = "".join(c for c in text.lower() if c.isalnum())
    if not letters.strip("0") or _NOBODY.fullmatch(letters):
        return True
    return _TEMPLATE.fullmatch(text.strip()) is not None  # a variable that nobody filled in


# -- what an address becomes ------------------------------------------------------


def caller_key(address: Address, secret: bytes) -> str:
    """The caller's key, `caller_` and 32 hex digits: stable, and no way back to the number without `secret`.

    It may therefore stand in logs, in file names and at ElevenLabs as the `user_id`.
    """
    if not secret:
        raise ValueError("the secret for caller keys is empty")
    if address.kind == "key":
        return address.value
    return f"caller_{hmac.new(secret, str(address).encode(), hashlib.sha256).hexdigest()[:32]}"


def masked(address: Address) -> str:
    """The address for eyes that need to recognise it, not to dial it: `+1202…42`, `user:cr…11`."""
    value = address.value
    if address.kind == "tel":
        return f"{value[: max(2, min(5, len(value) - 6))]}…{value[-2:]}"
    if address.kind == "key":
        return f"{value[:15]}…"
    return f"{address.kind}:{value[:2]}…{value[-2:]}" if len(value) >= 7 else f"{address.kind}:{value[:1]}…"
