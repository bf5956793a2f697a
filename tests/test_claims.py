"""Who, when and how many: what a proposal says beyond its evidence, in four languages."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from test_evidence import call, fact, reason

from elaaoms.extract.days import expressions
from elaaoms.extract.people import People
from elaaoms.webhooks import Conversation


def said(language: str, *lines: str) -> Conversation:
    return call(*lines, language=language)


SUBJECTS = [
    ("en", "My mum, she turns seventy soon.", "The caller turns seventy.", "The caller's mother turns seventy."),
    ("de", "Meine Mutter wird bald siebzig.", "Der Anrufer wird siebzig.", "Die Mutter des Anrufers wird siebzig."),
    ("es", "Mi madre cumple setenta años.", "Quien llama cumple setenta años.", "La madre de quien llama cumple setenta años."),
    ("fr", "Ma mère est diabétique.", "L'appelant est diabétique.", "La mère de l'appelant est diabétique."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "line", "wrong", "right"), SUBJECTS)
def test_what_is_said_of_a_relative_is_not_the_callers(
    language: str, line: str, wrong: str, right: str
) -> None:
    assert reason(said(language, line), fact(wrong, line)) == "somebody else's"
    assert reason(said(language, line), fact(right, line)) is None


OWN = [
    ("en", "I'm allergic to hay, my wife isn't.", "I'm allergic to hay", "The caller's wife is allergic to hay."),
    ("de", "Ich habe Arthrose, meine Frau nicht.", "Ich habe Arthrose", "Die Frau des Anrufers hat Arthrose."),
    ("es", "Yo no tomo café, mi hermana sí.", "Yo no tomo café", "La hermana de quien llama no toma café."),
    ("fr", "Je suis allergique au foin, pas ma fille.", "Je suis allergique au foin", "La fille de l'appelant est allergique au foin."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "line", "quote", "wrong"), OWN)
def test_what_the_caller_says_of_themselves_is_not_a_relatives(
    language: str, line: str, quote: str, wrong: str
) -> None:
    assert reason(said(language, line), fact(wrong, quote)) == "person not in evidence"


HANDED = [
    ("en", "Robin Baker here. I'll put my wife on. Hello, this is Bea, I take aspirin.", "I take aspirin",
     "The caller takes aspirin.", "The caller's wife takes aspirin.", "It's me again, I live in Leeds.", "I live in Leeds", "The caller lives in Leeds."),
    ("de", "Hier ist Ansgar Dietz. Ich gebe Ihnen meine Frau. Hallo, hier ist Leonie, ich nehme Aspirin.", "ich nehme Aspirin",
     "Der Anrufer nimmt Aspirin.", "Die Frau des Anrufers nimmt Aspirin.", "Ich bin wieder dran, ich wohne in Köln.", "ich wohne in Köln", "Der Anrufer wohnt in Köln."),
    ("es", "Soy Macario Prieto. Le paso con mi mujer. Hola, soy Carmela, tomo aspirina.", "tomo aspirina",
     "Quien llama toma aspirina.", "La mujer de quien llama toma aspirina.", "Soy yo otra vez, vivo en Écija.", "vivo en Écija", "Quien llama vive en Écija."),
    ("fr", "C'est Gaspard. Je vous passe ma femme. Bonjour, c'est Noémie, je prends de l'aspirine.", "je prends de l'aspirine",
     "L'appelant prend de l'aspirine.", "La femme de l'appelant prend de l'aspirine.", "C'est encore moi, j'habite à Nantes.", "j'habite à Nantes", "L'appelant habite à Nantes."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "line", "quote", "wrong", "right", "back", "home", "lives"),
    HANDED,
    ids="en de es fr".split(),
)
def test_whoever_has_the_telephone_speaks_for_themselves(
    language: str, line: str, quote: str, wrong: str, right: str, back: str, home: str, lives: str
) -> None:
    talk = said(language, line, "A: Mm.", back)
    assert reason(talk, fact(wrong, quote)) == "somebody else's"
    assert reason(talk, fact(right, quote)) is None
    assert reason(talk, fact(lives, home, turn=2)) is None
    assert not People(talk).speaker(2, 30).other


PRONOUNS = [
    ("en", "My aunt came. She is coeliac.", "She is coeliac", "The caller's {} is coeliac.", "aunt", "niece"),
    ("de", "Meine Tante kam. Leider ist sie blind.", "Leider ist sie blind", "Die {} des Anrufers ist blind.", "Tante", "Nichte"),
    ("es", "Vino mi tía. Ella es celíaca.", "Ella es celíaca", "La {} de quien llama es celíaca.", "tía", "sobrina"),
    ("fr", "Ma tante est venue. Elle est sourde.", "Elle est sourde", "La {} de l'appelant est sourde.", "tante", "nièce"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "line", "quote", "content", "right", "wrong"), PRONOUNS)
def test_a_pronoun_stands_for_the_last_one_named(
    language: str, line: str, quote: str, content: str, right: str, wrong: str
) -> None:
    assert reason(said(language, line), fact(content.format(right), quote)) is None
    assert reason(said(language, line), fact(content.format(wrong), quote)) == "person not in evidence"


def test_a_name_that_belongs_to_a_brother_is_not_a_fathers() -> None:
    talk = said("en", "My father is ill.", "A: Oh.", "My brother Emeka pays the deposit.")
    claim = fact("The caller's father Emeka pays the deposit.", "My brother Emeka pays the deposit", turn=2)
    assert reason(talk, claim) == "person not in evidence"


DAYS = [  # the call is on Wednesday, 4 November 2026
    ("en", "I'll come on Friday.", "The caller comes on {}, {} November 2026.", ("Friday", 6), ("Friday", 13)),
    ("de", "Ich komme am Freitag.", "Der Anrufer kommt am {}, dem {}. November 2026.", ("Freitag", 6), ("Freitag", 13)),
    ("es", "Vengo el viernes.", "Quien llama viene el {} {} de noviembre de 2026.", ("viernes", 6), ("viernes", 13)),
    ("fr", "Je viens vendredi.", "L'appelant vient le {} {} novembre 2026.", ("vendredi", 6), ("vendredi", 13)),
]  # fmt: skip


@pytest.mark.parametrize(("language", "line", "content", "right", "wrong"), DAYS)
def test_a_day_of_the_week_is_the_next_one_and_no_other(
    language: str, line: str, content: str, right: tuple[str, int], wrong: tuple[str, int]
) -> None:
    talk = said(language, line)
    for (name, day), why in ((right, None), (wrong, "date not in evidence")):
        claim = fact(content.format(name, day), line, event_date=date(2026, 11, day))
        assert reason(talk, claim) == why


@pytest.mark.parametrize(
    ("language", "line", "content"),
    [
        ("en", "I'll come on 7 November.", "The caller comes on Friday, 7 November 2026."),
        ("de", "Ich komme am 7. November.", "Der Anrufer kommt am Freitag, dem 7. November 2026."),
        ("es", "Vengo el 7 de noviembre.", "Quien llama viene el viernes 7 de noviembre de 2026."),
        ("fr", "Je viens le 7 novembre.", "L'appelant vient le vendredi 7 novembre 2026."),
    ],
)
def test_a_date_on_the_wrong_day_of_the_week_is_no_date(language: str, line: str, content: str) -> None:
    talk, day = said(language, line), date(2026, 11, 7)
    assert reason(talk, fact(content, line, event_date=day)) == "date not in evidence"
    right = {"Friday": "Saturday", "Freitag": "Samstag", "viernes": "sábado", "vendredi": "samedi"}
    for wrong, name in right.items():
        content = content.replace(wrong, name)
    assert reason(talk, fact(content, line, event_date=day)) is None


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("from the thirtieth of December to the second of January", [(30, 12), (2, 1)]),
        ("vom dreiundzwanzigsten bis zum siebenundzwanzigsten Dezember", [(23, 12), (27, 12)]),
        ("del 12 al 13 de noviembre", [(12, 11), (13, 11)]),
        ("du treize au dix-neuf novembre", [(13, 11), (19, 11)]),
        ("vendredi seize heures quarante", [(None, None)]),
        ("we may come at three", []),
        ("Saturday, not the twenty-ninth", [(None, None)]),
    ],
)
def test_days_are_read_as_they_are_said(text: str, days: list[tuple[Any, Any]]) -> None:
    assert [(one.day, one.month) for one in expressions(text)] == days


@pytest.mark.parametrize(
    ("language", "asked", "answer", "wrong", "right"),
    [
        ("en", "A: You wear size 43?", "Nah, forty four.", "The caller wears size 43.", "The caller wears size 44."),
        ("de", "A: Sie tragen Größe 43?", "Nein, vierundvierzig.", "Der Anrufer trägt Größe 43.", "Der Anrufer trägt Größe 44."),
        ("es", "A: ¿Usa la talla 43?", "No, cuarenta y cuatro.", "Quien llama usa la talla 43.", "Quien llama usa la talla 44."),
        ("fr", "A: Vous faites du 43 en taille ?", "Non, quarante-quatre.", "L'appelant fait la taille 43.", "L'appelant fait la taille 44."),
    ],
)  # fmt: skip
def test_a_number_that_the_caller_denied_is_not_theirs(
    language: str, asked: str, answer: str, wrong: str, right: str
) -> None:
    talk = said(language, asked, answer)
    assert reason(talk, fact(wrong, answer, turn=1)) == "number not in evidence"
    assert reason(talk, fact(right, answer, turn=1)) is None


@pytest.mark.parametrize(
    ("language", "line", "content"),
    [
        ("en", "Deliver it after two.", "The caller wants deliveries after four."),
        ("de", "Liefern Sie nach zwei.", "Der Anrufer will Lieferungen nach vier."),
        ("es", "Entreguen después de las dos.", "Quien llama quiere la entrega después de las cuatro."),
        ("fr", "Livrez après deux heures.", "L'appelant veut être livré après quatre heures."),
    ],
)
def test_a_number_in_words_is_a_number(language: str, line: str, content: str) -> None:
    assert reason(said(language, line), fact(content, line)) == "number not in evidence"


@pytest.mark.parametrize(
    ("language", "promise", "answer", "content"),
    [
        ("en", "The new pair will leave our warehouse tomorrow.", "Alright, good.", "The agent promised that the new pair will leave the warehouse."),
        ("de", "Ein Kollege bringt Ihnen ein Gerät.", "Sehr gut, danke.", "Der Agent hat versprochen, dass ein Kollege ein Gerät bringt."),
        ("es", "Un perito irá mañana.", "Vale, gracias.", "El agente prometió que un perito irá."),
        ("fr", "L'équipage sera prévenu.", "Oui, merci.", "L'agent a promis que l'équipage sera prévenu."),
    ],
)  # fmt: skip
def test_a_promise_counts_once_the_caller_takes_it_up(
    language: str, promise: str, answer: str, content: str
) -> None:
    assert reason(said(language, f"A: {promise}", answer), fact(content, promise)) is None
    refused = {"en": "No, wait.", "de": "Nein, warten Sie.", "es": "No, espere.", "fr": "Non, attendez."}[
        language
    ]
    assert reason(said(language, f"A: {promise}", refused), fact(content, promise)) == "not confirmed"


def test_a_fact_of_another_call_is_not_about_these_words() -> None:
    talk = said("en", "I'm frankly fed up with the fee.")
    claim = fact("The caller needs twelve rooms for the wedding guests.", "I'm frankly fed up")
    assert reason(talk, claim) == "not about it"


def test_the_thing_that_harms_is_the_one_that_was_said() -> None:
    talk = said("en", "I'm allergic to walnuts, my cousin to peanuts.")
    assert (
        reason(talk, fact("The caller is allergic to peanuts.", "I'm allergic to walnuts")) == "not about it"
    )
