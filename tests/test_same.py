"""When two statements are the same: values written in any way agree, and whatever differs vetoes."""

from __future__ import annotations

from operator import mul

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elaaoms.quantities import quantities
from elaaoms.same import Veto, by_meaning, covers, judge, lexical, likeness, veto


def same(known: str, new: str) -> bool:
    return judge(known, new, lexical).veto is None


# -- values in one writing --------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("three children", "3 children"),
        ("twenty-five chairs", "25 chairs"),
        ("one hundred and fifty euros", "€150"),
        ("a dozen eggs", "12 eggs"),
        ("1,200 pounds", "£1200.00"),
        ("1 200 Euro", "1.200 €"),
        ("doce mil euros", "12.000 euros"),
        ("quatre-vingts euros", "80 €"),
        ("fünfundzwanzig Euro", "25 EUR"),
        ("20%", "twenty percent"),
        ("2 kg", "two kilograms"),
        ("25 m²", "25 sqm"),
        ("14 km", "14 kilometres"),
        ("9:00", "9.00 am"),
        ("3 pm", "15:00"),
        ("at half past six", "at 6:30"),
        ("um halb sieben", "um 6:30 Uhr"),
        ("quarter to ten", "9:45"),
        ("at noon", "at 12:00"),
        ("à dix heures", "à 10h00"),
        ("a las 9", "a las 9:00"),
        ("3 March 2026", "2026-03-03"),
        ("on the third of March 2026", "03.03.2026"),
        ("Dec 24", "the 24th of December"),
        ("am 3. März", "am 3.3."),
        ("el 3 de marzo de 2026", "03/03/2026"),
        ("le premier juin", "le 1er juin"),
        ("Monday, 9 November 2026", "9 November 2026"),
        ("10 to 14 April", "April 10 to April 14"),
        ("555-0142", "five five five, oh one four two"),
        ("(212) 555-0133", "212 555 0133"),
        ("555-0111", "triple five, zero one, double one"),
        ("PL/44 71 20", "PL-447120"),
        ("order ４４７１", "order 4471"),
        ("order ٤٤٧١", "order 4471"),
        ("order four four seven one", "order 4471"),
        ("Robin.Baker@Example.com", "robin.baker@example.com"),
    ],
)
def test_a_value_is_the_same_however_it_is_written_or_said(one: str, other: str) -> None:
    first, second = quantities(one), quantities(other)
    assert (first.values, first.numbers) == (second.values, second.numbers)
    assert first.values or first.numbers


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("4471", "4417"),
        ("fifteen minutes", "fifty minutes"),
        ("120 euros", "120 dollars"),
        ("50 gigabytes", "50 megabytes"),
        ("9:00", "9:30"),
        ("8 am", "8 pm"),
        ("12 May", "12 June"),
        ("1 May 2026", "1 May 2027"),
        ("4.1 percent", "1.4 percent"),
        ("Tuesday", "Wednesday"),
        ("from Tuesday to Friday", "from Friday to Tuesday"),
        ("for four at eight.", "for eight at four."),
        ("555-0142", "555-0124"),
        ("robin.baker@example.com", "robin.barker@example.com"),
    ],
)
def test_another_value_is_another_value(one: str, other: str) -> None:
    assert veto(f"It is {one}", f"It is {other}") is Veto.VALUE


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_any_text_can_be_read_and_is_like_itself(text: str) -> None:
    quantities(text)
    assert veto(text, text) is None
    assert likeness(text, text, lexical) in (0.0, 1.0)


def test_marks_of_our_own_in_a_text_are_nothing() -> None:
    assert quantities("\ue000\ue1ff\ue001 7").numbers == ("7",)


# -- vetoes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "new", "why"),
    [
        ("The van leaves from gate B7.", "The van leaves from gate D7.", Veto.VALUE),
        ("A parcel for Mia came back.", "A parcel for Lena came back.", Veto.NAME),
        ("Now Robin reports to Anna.", "Now Anna reports to Robin.", Veto.NAME),
        ("Frau Yilmaz hat den Schlüssel.", "Frau Nowak hat den Schlüssel.", Veto.NAME),
        ("The caller's wife takes penicillin.", "The caller takes penicillin.", Veto.PERSON),
        ("Su marido recoge el paquete.", "Su hermano recoge el paquete.", Veto.PERSON),
        ("The caller eats fish.", "The caller does not eat fish.", Veto.NEGATION),
        ("He owns a car.", "He sold his car.", Veto.NEGATION),
        ("Er raucht.", "Er raucht nicht mehr.", Veto.NEGATION),
        ("Fuma.", "Ya no fuma.", Veto.NEGATION),
        ("Il boit son café avec du lait.", "Il boit son café sans lait.", Veto.NEGATION),
        ("She wants breakfast but no lunch.", "She wants lunch but no breakfast.", Veto.NEGATION),
        ("The agent was tidy.", "The agent was untidy.", Veto.NEGATION),
        ("The caller wants an aisle seat.", "The caller wants a window seat.", Veto.OPPOSITE),
        ("Er möchte morgens angerufen werden.", "Er möchte abends angerufen werden.", Veto.CONTRAST),
        ("La factura subió.", "La factura bajó.", Veto.OPPOSITE),
        ("La couronne est en bas à gauche.", "La couronne est en bas à droite.", Veto.CONTRAST),
        ("She prefers tea to coffee.", "She prefers coffee to tea.", Veto.CONTRAST),
        ("The bus goes from here to town.", "The bus goes to here from town.", Veto.CONTRAST),
        ("The caller paid half of it.", "The caller paid it.", Veto.CONTRAST),
        ("The caller wants to move to the coast.", "The caller moved to the coast.", Veto.PENDING),
        ("The caller ordered a kayak.", "The caller ordered a hammock.", Veto.WORDS),
        ("The caller has a kayak.", "The caller has a kayak with a leak and torn straps.", Veto.WORDS),
        (
            "Gli amici della donna mangiano spesso da lei.",
            "Gli amici della donna mangiano da lei.",
            Veto.LANGUAGE,
        ),
    ],
)
def test_what_differs_vetoes(known: str, new: str, why: Veto) -> None:
    assert judge(known, new, lexical).veto is why


@pytest.mark.parametrize(
    ("known", "new"),
    [
        ("The caller's parcel is late.", "The caller's package is delayed."),
        ("Her dog is a spaniel called Pip.", "She has a spaniel named Pip."),
        ("Her son Arjun, who likes kayaks, has hives.", "Her son Arjun has hives."),
        ("She is not coming on Monday.", "On Monday she isn't coming."),
        ("Die Heizung im Bad funktioniert nicht.", "Die Heizung funktioniert im Bad nicht."),
        ("El año pasado se mudó a Valencia.", "Se mudó a Valencia el año pasado."),
        ("海老のアレルギーがある。", "海老のアレルギーがある"),
    ],
)
def test_what_says_the_same_in_other_words_or_less_is_the_same(known: str, new: str) -> None:
    assert same(known, new)


def test_a_word_stands_for_another_only_if_the_similarity_says_so() -> None:
    known, new = "The caller fears needles.", "The caller fears syringes."

    def table(one: str, other: str) -> float:
        return 0.9 if {one, other} == {"needles", "syringes"} else 0.0

    assert judge(known, new, lexical).veto is Veto.WORDS
    assert judge(known, new, table).veto is None


def test_an_encoder_is_asked_once_for_a_text() -> None:
    asked = []

    class Vector(tuple[float, ...]):
        def __matmul__(self, other: tuple[float, ...]) -> float:
            return sum(map(mul, self, other))

    def encode(text: str) -> Vector:
        asked.append(text)
        return Vector((0.6, 0.8) if text == "kayak" else (1.0, 0.0))

    similarity = by_meaning(encode)
    assert similarity("kayak", "canoe") == similarity("canoe", "kayak") == 0.6
    assert asked == ["kayak", "canoe"]


def test_what_is_said_of_something_else_is_no_update_of_this() -> None:
    assert judge("The caller likes the boiler.", "The caller dislikes the plumber.", lexical).about is False
    assert judge("The boiler works in the kitchen.", "The boiler works not in the kitchen.", lexical).about


def test_a_text_covers_another_if_it_keeps_its_values_names_and_people() -> None:
    known = "Order 789 for Mia is late."
    assert covers("Order 789 for Mia, a kayak, is late by 2 weeks.", known)
    assert not covers("The order for Mia is late.", known)
    assert not covers("Order 789 is late.", known)
    assert not covers("Order 789 for Mia is not late.", known)
