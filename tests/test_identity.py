"""One person has one address, however the network spells it, and strangers never share one."""

from __future__ import annotations

import re

import pytest
from attrs import evolve
from hypothesis import assume, example, given
from hypothesis import strategies as st

from elaaoms.identity import Address, Hints, caller_key, candidates, masked, parse, resolve

OURS = "+12025550100"
ROBIN = Address("tel", "+12025550142")
KEY = "caller_" + "0123456789abcdef" * 2
SPELLINGS = [
    "+12025550142",
    "  +1 (202) 555-0142 ",
    "+1.202.555.0142",
    "tel:+1-202-555-0142",
    "tel:+12025550142;ext=5",
    "whatsapp:+12025550142",
    "sip:+12025550142@pbx.example.com",
    "sips:+12025550142@pbx.example.com:5061;user=phone",
    "sip:+12025550142;phone-context=example.com@pbx.example.com",
    "sip:%2B12025550142@pbx.example.com",
    '"Robin Baker" <sip:+12025550142@pbx.example.com>;tag=1928301774',
    "<sip:+12025550142@pbx.example.com;user=phone>",
    "+12025550142@pbx.example.com",
    "\u202a+12025550142\u202c",
    "＋１２０２５５５０１４２",
    "12025550142",
]
PLACEHOLDERS = [
    "",
    " ",
    "-",
    "null",
    "None",
    "undefined",
    "NaN",
    "n/a",
    "Anonymous",
    "ANONYMOUS ",
    "Restricted",
    "restricted number",
    "Unavailable",
    "unknown",
    "Unknown Caller",
    "Private",
    "private number",
    "withheld",
    "Number Withheld",
    "blocked",
    "No Caller ID",
    "no-caller-id",
    "Caller ID Blocked",
    "caller_id_blocked",
    "Not Available",
    "+266696687",
    "266696687",
    "+7378742833",
    "7378742833",
    "+86282452253",
    "86282452253",
    "+8656696",
    "8656696",
    "+2562533",
    "2562533",
    "0",
    "0000000000",
    "+00000000000",
    "+10000000000",
    "sip:anonymous@anonymous.invalid",
    "sip:x7f@anonymous.invalid",
    '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=9',
    "anonymous@192.0.2.7",
    "sip:192.0.2.7",
    "{{system__caller_id}}",
    "<REDACTED>",
    "unbekannt",
]

addresses = st.one_of(
    st.builds(lambda text: resolve(Hints(caller_id=text)), st.text()),
    st.builds(lambda text: resolve(Hints(user_ids=(text,))), st.text()),
    st.builds(lambda n: resolve(Hints(caller_id=f"+{n}")), st.integers(10**5, 10**16)),
).filter(lambda address: address is not None)


# -- the order of the hints -------------------------------------------------------


def test_the_hints_are_asked_in_the_documented_order() -> None:
    hints = Hints(
        user_ids=("crm-1", "crm-2"),
        external_number="+12025550141",
        sms_number="+12025550142",
        whatsapp_id="12025550143",
        caller_id="+12025550144",
        called_number="+12025550145",
        variables=("crm-3",),
    )
    assert [str(address) for address in candidates(hints)] == [
        "user:crm-1",
        "user:crm-2",
        "tel:+12025550141",
        "tel:+12025550142",
        "tel:+12025550143",
        "tel:+12025550144",
        "user:crm-3",
    ]
    assert resolve(hints) == Address("user", "crm-1")


def test_without_hints_the_caller_is_nobody() -> None:
    assert resolve(Hints()) is None
    assert candidates(Hints()) == []


def test_the_same_address_is_offered_once() -> None:
    hints = Hints(
        user_ids=("a1b", "a1b"), external_number="+12025550142", caller_id="sip:+12025550142@pbx.example.com"
    )
    assert candidates(hints) == [Address("user", "a1b"), ROBIN]


@pytest.mark.parametrize("text", PLACEHOLDERS)
@pytest.mark.parametrize("region", ["", "US", "DE"])
def test_a_placeholder_is_nobody_and_the_next_hint_counts(text: str, region: str) -> None:
    assert resolve(Hints(external_number=text, caller_id=text, whatsapp_id=text), region=region) is None
    assert resolve(Hints(external_number=text, caller_id="+12025550142"), region=region) == ROBIN


@pytest.mark.parametrize(
    "text", ["", "null", "undefined", "Anonymous", "guest", "0", "+266696687", "{{user_id}}"]
)
def test_a_user_id_that_says_nothing_is_skipped(text: str) -> None:
    assert resolve(Hints(user_ids=(text,), variables=(text,))) is None


@pytest.mark.parametrize("text", ["266696687", "2562533", "private@example.com", "Null Island", "id-0"])
def test_a_user_id_that_only_resembles_a_placeholder_is_kept(text: str) -> None:
    assert resolve(Hints(user_ids=(text,))) == Address("user", text)


# -- our own numbers --------------------------------------------------------------


def test_on_an_outbound_call_the_caller_is_the_one_who_was_called() -> None:
    hints = Hints(caller_id=OURS, called_number="+12025550142")
    assert resolve(hints, own=[OURS]) == ROBIN
    assert resolve(Hints(caller_id=OURS, called_number="+12025550142", agent_number=OURS)) == ROBIN


def test_the_called_number_is_never_the_caller_of_an_inbound_call() -> None:
    assert resolve(Hints(caller_id="anonymous", called_number=OURS)) is None
    assert resolve(Hints(called_number="+12025550142")) is None


def test_a_call_between_two_of_our_numbers_has_no_caller() -> None:
    assert resolve(Hints(caller_id=OURS, called_number="+12025550101"), own=[OURS, "+12025550101"]) is None


def test_an_extension_of_ours_leads_to_the_called_number_too() -> None:
    assert (
        resolve(Hints(caller_id="1001", called_number="+12025550142"), own=["sip:1001@pbx.example.com"])
        == ROBIN
    )


@pytest.mark.parametrize(
    ("spelling", "region"),
    [
        ("12025550100", ""),
        ("2025550100", ""),
        ("02025550100", ""),
        ("0012025550100", ""),
        ("sip:2025550100@pbx.example.com", ""),
        ("tel:+1-202-555-0100", ""),
        ("2025550100", "US"),
        ("sip:12025550100@pbx.example.com", "US"),
        ("12025550100", "DE"),
        ("0012025550100", "DE"),
    ],
)
def test_our_own_number_is_recognised_in_other_spellings(spelling: str, region: str) -> None:
    every = Hints(
        user_ids=(spelling,),
        external_number=spelling,
        sms_number=spelling,
        caller_id=spelling,
        variables=(spelling,),
    )
    assert [found for found in candidates(every, region=region, own=[OURS]) if found.kind != "user"] == []
    assert candidates(Hints(caller_id=OURS), region=region, own=[spelling]) == []


def test_a_number_of_the_region_is_not_ours_for_having_our_last_digits() -> None:
    assert resolve(Hints(caller_id="0202 5550100"), region="DE", own=[OURS]) == Address(
        "tel", "+492025550100"
    )


def test_our_own_sip_user_is_not_the_caller() -> None:
    hints = Hints(
        external_number="Agent@pbx.example.com", caller_id="sip:agent@pbx.example.com;transport=tls"
    )
    assert resolve(hints, own=["sip:agent@pbx.example.com"]) is None


def test_another_country_s_number_with_our_digits_is_not_ours() -> None:
    assert resolve(Hints(caller_id="+442025550100"), own=[OURS]) == Address("tel", "+442025550100")


# -- numbers ----------------------------------------------------------------------


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_number_is_one_address(spelling: str) -> None:
    assert resolve(Hints(caller_id=spelling)) == ROBIN
    assert resolve(Hints(external_number=spelling)) == ROBIN
    assert resolve(Hints(whatsapp_id=spelling)) == ROBIN
    assert parse(spelling) == ROBIN


@pytest.mark.parametrize(
    ("text", "region", "address"),
    [
        ("2025550142", "US", "tel:+12025550142"),
        ("2025550142", "us", "tel:+12025550142"),
        ("(202) 555-0142", "US", "tel:+12025550142"),
        ("011 49 171 5550142", "US", "tel:+491715550142"),
        ("0171 5550142", "DE", "tel:+491715550142"),
        ("00491715550142", "DE", "tel:+491715550142"),
        ("00491715550142", "US", "tel:+491715550142"),
        ("491715550142", "US", "tel:+491715550142"),
        ("12025550142", "DE", "tel:+12025550142"),
        ("+49 (0)171 5550142", "", "tel:+491715550142"),
        ("٠١٧١٥٥٥٠١٤٢", "DE", "tel:+491715550142"),
        ("2025550142", "", "id:2025550142"),
        ("0171 5550142", "", "id:01715550142"),
        ("00491715550142", "", "id:00491715550142"),
        ("5550142", "US", "id:5550142"),
        ("2025550142", "XX", "id:2025550142"),
        ("123456789012345678901234", "US", "id:123456789012345678901234"),
        ("+27000000001", "", "tel:+2700001"),
        ("+2700000001", "", "tel:+2700001"),
        ("+1", "US", None),
        ("101", "US", None),
        ("1001", "", None),
        ("sip:101@pbx.example.com", "", None),
        ("12", "", None),
    ],
)
def test_a_number_is_read_in_its_country_or_stays_as_dialled(
    text: str, region: str, address: str | None
) -> None:
    found = resolve(Hints(caller_id=text), region=region)
    assert (None if found is None else str(found)) == address


def test_a_whatsapp_id_is_international_without_a_plus() -> None:
    assert resolve(Hints(whatsapp_id="12025550142"), region="DE") == ROBIN
    assert resolve(Hints(whatsapp_id="12025550142@s.whatsapp.net")) == ROBIN
    assert resolve(Hints(whatsapp_id="5215512345678")) == resolve(Hints(caller_id="+525512345678"))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("alice", "id:alice"),
        ("sip:Alice@PBX.Example.com", "id:alice@pbx.example.com"),
        ('"Alice" <sip:alice@pbx.example.com:5060;transport=udp>', "id:alice@pbx.example.com"),
        ("sip:alice:secret@pbx.example.com", "id:alice@pbx.example.com"),
        ("sip:alice@pbx.example.com.", "id:alice@pbx.example.com"),
        ("al", None),
        ("x" * 300, None),
    ],
)
def test_a_sip_user_without_a_number_is_an_id(text: str, address: str | None) -> None:
    found = resolve(Hints(caller_id=text))
    assert (None if found is None else str(found)) == address


# -- user ids ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("CRM-4711", "user:CRM-4711"),
        ("  crm\x00-47\u200b11\n", "user:crm-4711"),
        ("robin.baker@example.com", "user:robin.baker@example.com"),
        ("2025550142", "user:2025550142"),
        ("+12025550142", "tel:+12025550142"),
        ("tel:+12025550142", "tel:+12025550142"),
        ("+12345", "user:+12345"),
        ("x" * 256, "user:" + "x" * 256),
        ("x" * 257, None),
        (KEY, f"key:{KEY}"),
        (KEY.upper(), f"user:{KEY.upper()}"),
        (KEY + "0", f"user:{KEY}0"),
    ],
)
def test_a_user_id_is_kept_unless_it_is_a_number_or_a_key(text: str, address: str | None) -> None:
    found = resolve(Hints(user_ids=(text,)))
    assert (None if found is None else str(found)) == address
    assert resolve(Hints(variables=(text,))) == found


def test_behind_a_caller_key_stands_the_number_for_when_the_key_is_unknown() -> None:
    assert candidates(Hints(user_ids=(KEY,), external_number="+12025550142")) == [Address("key", KEY), ROBIN]


# -- operators, keys, masks -------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tel:+1 202 555 0142", "tel:+12025550142"),
        ("crm-4711", "user:crm-4711"),
        ("user:+12025550142", "user:+12025550142"),
        ("USER: crm-4711", "user:crm-4711"),
        ("id:Alice@pbx.example.com", "id:alice@pbx.example.com"),
        ("sip:alice@pbx.example.com", "id:alice@pbx.example.com"),
        ("robin.baker@example.com", "user:robin.baker@example.com"),
        ("shop:4711", "user:shop:4711"),
        ("2025550142", "user:2025550142"),
        (KEY, f"key:{KEY}"),
        (f"key:{KEY}", f"key:{KEY}"),
        ("key:nonsense", None),
        ("anonymous", None),
        ("", None),
    ],
)
def test_an_operator_may_name_a_caller_in_any_way(text: str, address: str | None) -> None:
    found = parse(text)
    assert (None if found is None else str(found)) == address


def test_an_operator_s_national_number_needs_the_region() -> None:
    assert parse("(202) 555-0142", "US") == ROBIN


def test_a_caller_key_depends_on_the_address_and_the_secret() -> None:
    key = caller_key(ROBIN, b"secret")
    assert key == "caller_9dc7672d7fc82876151d2eb292507dfb"  # changing this loses every caller
    assert len({key, caller_key(ROBIN, b"other"), caller_key(Address("user", ROBIN.value), b"secret")}) == 3


def test_a_key_that_came_back_is_its_own_key() -> None:
    assert caller_key(Address("key", KEY), b"secret") == KEY


def test_an_empty_secret_makes_no_keys() -> None:
    with pytest.raises(ValueError, match="empty"):
        caller_key(ROBIN, b"")


@pytest.mark.parametrize(
    ("address", "mask"),
    [
        (ROBIN, "+1202…42"),
        (Address("tel", "+290123"), "+2…23"),
        (Address("user", "crm-4711"), "user:cr…11"),
        (Address("user", "bob"), "user:b…"),
        (Address("id", "alice@pbx.example.com"), "id:al…om"),
        (Address("key", KEY), "caller_01234567…"),
    ],
)
def test_a_mask_can_be_recognised_but_not_dialled(address: Address, mask: str) -> None:
    assert masked(address) == mask


# -- for any text -----------------------------------------------------------------


@given(st.text(), st.sampled_from(["", "US", "de", "ZZ", "not a region"]))
@example("\ud800", "")
@example("<sip:", "US")
@example("++" + "1" * 5000, "US")
@example("tel:;;@@<>", "")
def test_no_text_is_too_strange(text: str, region: str) -> None:
    hints = Hints(
        user_ids=(text,),
        external_number=text,
        sms_number=text,
        whatsapp_id=text,
        caller_id=text,
        called_number=text,
        variables=(text,),
    )
    for address in [*candidates(hints, region=region, own=[text[::-1]]), parse(text, region)]:
        if address is not None:
            assert 0 < len(address.value) <= 256
            assert re.fullmatch(r"caller_[0-9a-f]{32}", caller_key(address, b"secret"))
            assert masked(address)
    assert all(found.kind in ("user", "key") for found in candidates(hints, region=region, own=[text]))


@given(addresses)
def test_an_address_can_be_typed_as_it_is_shown(address: Address) -> None:
    assert parse(str(address)) == address


_formats = st.sampled_from(
    [
        "+1{}",
        "1{}",
        "tel:+1{}",
        "whatsapp:+1{}",
        "sip:+1{}@pbx.example.com",
        "<sip:1{}@192.0.2.1:5060;user=phone>",
        "{}",
        "001{}",
    ]
)


@given(st.integers(100, 199), _formats, _formats, st.sampled_from(["", "US"]))
def test_the_agent_s_own_number_is_never_the_caller(line: int, ours: str, theirs: str, region: str) -> None:
    assume(region or ours not in ("{}", "001{}"))  # a number of which nobody knows the country
    own, caller = ours.format(f"2025550{line}"), theirs.format(f"2025550{line}")
    hints = Hints(
        external_number=caller,
        sms_number=caller,
        whatsapp_id=f"12025550{line}",
        caller_id=caller,
        called_number=caller,
    )
    assert resolve(hints, region=region, own=[own]) is None
    assert resolve(evolve(hints, agent_number=own), region=region) is None


@given(st.integers(100, 199), _formats, _formats)
def test_a_number_has_the_same_address_in_every_format(line: int, one: str, other: str) -> None:
    found = [resolve(Hints(caller_id=each.format(f"2025550{line}")), region="US") for each in (one, other)]
    assert found == [Address("tel", f"+12025550{line}")] * 2
