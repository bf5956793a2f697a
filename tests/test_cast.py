"""Facts that call people by name: whose name it is, and who does what to whom."""

from __future__ import annotations

import pytest
from conftest import grows_linearly
from test_evidence import call, fact, reason

from elaaoms.evaluation import hard_set
from elaaoms.evaluation.extraction import verification
from elaaoms.extract.cast import Cast
from elaaoms.extract.people import People
from elaaoms.webhooks import Conversation


def said(language: str, *lines: str) -> Conversation:
    return call(*lines, language=language)


def callers(talk: Conversation) -> set[str]:
    return Cast(talk, People(talk)).caller


NAMED = [
    ("en", ("Hi, this is Orla, I've got a question.",), {"orla"}),
    ("en", ("A: And your name please?", "Roly Finch."), {"roly", "finch"}),
    ("en", ("A: Hello!", "Hiya.", "A: Thank you, Mrs Ewing. Is it about the letter?", "Yes."), {"ewing"}),
    ("en", ("A: Hello!", "It's about a bill.", "A: And are you a customer, Toby?", "No."), {"toby"}),
    ("en", ("A: And you are?", "Her daughter, Becca."), {"becca"}),
    ("de", ("A: Guten Tag.", "Es geht um den Zähler.", "A: Danke, Frau Grothe.", "Gern."), {"grothe"}),
    ("es", ("A: ¿Y usted?", "Nahuel, el menor."), {"nahuel"}),
    ("fr", ("Bonjour, Gwenaëlle Le Bihan à l'appareil.",), {"gwenaelle"}),
]


@pytest.mark.parametrize(("language", "lines", "names"), NAMED)
def test_the_caller_is_known_by_what_they_or_the_agent_call_them(
    language: str, lines: tuple[str, ...], names: set[str]
) -> None:
    assert callers(said(language, *lines)) >= names


def test_a_relative_whom_the_caller_names_is_not_the_caller() -> None:
    talk = said(
        "en", "A: What's your name?", "Jo Lind.", "A: And whose card is it?", "My brother Pete's card."
    )
    assert callers(talk) == {"jo", "lind"}


OWN = [
    ("en", "A: Your name?", "Fintan Mulcahy. My friend Aoife drinks soya milk.", "Fintan drinks soya milk."),
    ("de", "A: Wie heißen Sie?", "Torben Radke. Mein Bruder fährt für die Stadt.", "Torben fährt für die Stadt."),
    ("es", "A: ¿Su nombre?", "Ximena Toledo. Mi hermano perdió la tarjeta.", "Ximena perdió la tarjeta."),
    ("fr", "A: Votre nom ?", "Lamine Diallo. Mon frère est végétarien.", "Lamine est végétarien."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "asked", "line", "wrong"), OWN)
def test_a_fact_that_calls_the_caller_by_name_is_read_as_one_about_the_caller(
    language: str, asked: str, line: str, wrong: str
) -> None:
    quote = line.split(". ", 1)[1].rstrip(".")
    assert reason(said(language, asked, line), fact(wrong, quote, turn=1)) == "somebody else's"


def test_what_the_caller_says_of_themselves_may_call_them_by_name() -> None:
    talk = said("en", "A: Your name?", "Fintan Mulcahy. I drink soya milk.")
    assert reason(talk, fact("Fintan drinks soya milk.", "I drink soya milk", turn=1)) is None
    wrong = fact("Carol drinks soya milk.", "I drink soya milk", turn=1)
    assert reason(talk, wrong) is not None


ROUND = [
    ("en", "My ex still owes me for the boiler.", "The caller still owes their ex for the boiler."),
    ("en", "My brother sold his van to me.", "The caller sold his van to his brother."),
    ("de", "Mein Bruder schuldet mir achthundert Euro.", "Der Anrufer schuldet seinem Bruder achthundert Euro."),
    ("es", "Mi hermano me debe dos mil pesos.", "Quien llama debe dos mil pesos a su hermano."),
    ("fr", "Mon frère me doit trois mois de loyer.", "L'appelant doit trois mois de loyer à son frère."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "line", "wrong"), ROUND)
def test_who_owes_whom_is_not_turned_round(language: str, line: str, wrong: str) -> None:
    assert reason(said(language, line), fact(wrong, line)) in ("turned round", "somebody else's")


def test_who_owes_whom_is_kept() -> None:
    talk = said("en", "My brother owes me eighty pounds.", "I owe my sister sixty pounds.")
    assert reason(talk, fact("The caller's brother owes the caller 80 pounds.", talk.turns[0].text)) is None
    assert reason(talk, fact("The caller owes their sister 60 pounds.", talk.turns[1].text, turn=1)) is None


THEIRS = [
    ("en", "My neighbour rang. Her mum is on oxygen.", "Her mum is on oxygen", "The caller's mother is on oxygen."),
    ("en", "My friend drove. The cat was sick in his car.", "The cat was sick in his car", "The cat was sick in the caller's car."),
    ("de", "Der Nachbar kommt nicht mehr, seit seine Frau gestorben ist.", "seine Frau gestorben ist", "Die Frau des Anrufers ist gestorben."),
    ("fr", "La voisine est partie. Sa mère est morte.", "Sa mère est morte", "La mère de l'appelant est morte."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "line", "quote", "wrong"), THEIRS)
def test_her_mother_is_not_the_callers_mother(language: str, line: str, quote: str, wrong: str) -> None:
    assert reason(said(language, line), fact(wrong, quote)) == "somebody else's"


def test_a_no_denies_the_words_of_the_question() -> None:
    talk = said("en", "A: Would you like it gift-wrapped for three pounds?", "Nah, I'll do that myself.")
    wrong = fact("The caller would like it gift-wrapped.", "Nah, I'll do that myself", turn=1)
    assert reason(talk, wrong) == "denied"


def test_what_somebody_was_once_is_not_what_they_are() -> None:
    talk = said("en", "A: Are you the account holder?", "I was until last year.")
    assert (
        reason(talk, fact("The caller is the account holder.", "I was until last year", turn=1)) == "formerly"
    )


def test_a_letter_that_has_two_in_small_does_not_shift_the_sentence() -> None:
    talk = said("de", "Die Straße heißt Am Fluß. Ich wohne in Köln.")
    assert reason(talk, fact("Der Anrufer wohnt in Köln.", "Ich wohne in Köln")) is None


def test_of_calls_about_whole_families_no_more_passes_and_no_less_is_kept_than_we_say() -> None:
    report = verification(hard_set())
    assert report["kept"] >= 0.70
    assert report["passed"] <= 0.17


@pytest.mark.parametrize(
    "unit", ["A", "Anna ", "Anna, ", "her mother said ", "thanks Anna. ", "Mr Aa ", "i "]
)
def test_an_endless_turn_is_checked_in_time(unit: str) -> None:
    claim = fact("The caller was told that Anna owes 3 pounds to her mother.", (unit * 10).strip()[:80])
    short, long = said("en", unit * (1_000 // len(unit))), said("en", unit * (8_000 // len(unit)))
    assert grows_linearly(lambda: reason(short, claim), lambda: reason(long, claim), 8)


THINGS = [
    ("en", "I'm having surgery on my wrist.", "The caller is having surgery on the ankle.", "The caller is having surgery on the wrist."),
    ("fr", "Le chien est à mon voisin.", "L'appelant a un chien.", "Le chien est au voisin de l'appelant."),
    ("en", "He'll be twelve in March, so eleven.", "The caller's son is 12.", "The caller's son is 11."),
    ("en", "Send the bill to my sister, no, to me.", "The bill goes to the caller's sister.", "The bill goes to the caller."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "line", "wrong", "right"), THINGS)
def test_one_thing_is_not_put_for_another(language: str, line: str, wrong: str, right: str) -> None:
    talk = said(language, "My son is with me.", line)
    assert reason(talk, fact(wrong, line.rstrip("."), turn=1)) is not None
    assert reason(talk, fact(right, line.rstrip("."), turn=1)) is None
