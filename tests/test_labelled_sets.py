"""The labelled questions and pairs that ship with the package are what they claim to be."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import Any

import pytest
import Stemmer

from elaaoms.evaluation import duplicate_pairs, retrieval_set
from elaaoms.memory import MAX_CONTENT, Category
from elaaoms.words import STOP_WORDS, words

ROWS = retrieval_set()
MEMORIES = {row["key"]: row for row in ROWS if "key" in row}
QUESTIONS = [row for row in ROWS if "query" in row]
ON_TOPIC = [row for row in QUESTIONS if row["group"] != "off_topic"]
PAIRS = duplicate_pairs()

_ENGLISH = {"paraphrase", "vague", "dated", "latest", "numbers", "several", "spoken"}
_STEMMED = {"german", "spanish", "french", "portuguese", "italian", "dutch"}
_SAME = {"paraphrase", "formatting", "number_words", "phone", "dates", "less_detail"}
_DIFFERENT = {
    "value", "person", "negation", "contrast", "time", "product", "other", "more_detail", "opposite", "unrelated",
}  # fmt: skip
# Words with which anybody asks about anything; sharing one of them gives no memory away.
_ORDINARY = frozenset(
    """long much many said since thing something name gave give take took make like want wants need needs done back
    went call week month hour euros pounds
    wurde wurden zijn pour porque para perché""".split()
)
_PHONE = re.compile(r"(?<!\d)\d(?:[ .()/-]{0,2}\d){6,}")
_CJK = re.compile(r"[\u4e00-\u9fff]{2,}")


def telling(text: str, language: str) -> set[str]:
    """The stems of the words that say what a text is about; in Japanese, its runs of kanji."""
    if language == "japanese":
        return set(_CJK.findall(text))
    ordinary = STOP_WORDS | _ORDINARY
    kept = [word for word in words(text) if len(word) > 3 and word not in ordinary]
    return set(Stemmer.Stemmer(language).stemWords(kept))


def shared(question: dict[str, Any]) -> int:
    """The most telling words that a question has in common with one of its memories."""
    group = question["group"]
    language = group if group in _STEMMED | {"japanese"} else "english"
    asked = telling(question["query"], language)
    return max(len(asked & telling(MEMORIES[key]["content"], language)) for key in question["relevant"])


# -- what is asked for ---------------------------------------------------------------


def test_there_are_enough_memories_and_questions_of_every_kind() -> None:
    assert len(MEMORIES) >= 300
    assert len(ON_TOPIC) >= 600
    assert len(QUESTIONS) - len(ON_TOPIC) >= 60
    groups = Counter(row["group"] for row in QUESTIONS)
    assert set(groups) == _ENGLISH | _STEMMED | {"japanese", "off_topic"}
    assert min(groups.values()) >= 15


def test_every_memory_has_the_shape_in_which_memories_are_imported() -> None:
    for row in MEMORIES.values():
        assert set(row) == {
            "caller", "key", "content", "event_date", "conversation_id", "category", "importance", "split",
        }  # fmt: skip
        assert 1 <= len(row["content"]) <= MAX_CONTENT
        assert Category(row["category"])
        assert 1 <= row["importance"] <= 10
        assert row["event_date"] == date.fromisoformat(row["event_date"]).isoformat()
    assert len(MEMORIES) == sum("key" in row for row in ROWS), "a key occurs twice"


def test_memories_stand_in_the_order_in_which_they_were_heard_over_several_calls() -> None:
    for caller in {row["caller"] for row in ROWS}:
        own = [row for row in MEMORIES.values() if row["caller"] == caller]
        days = [row["event_date"] for row in own]
        assert days == sorted(days)
        assert len({row["conversation_id"] for row in own}) >= 3, caller
        assert len({(row["conversation_id"], row["event_date"]) for row in own}) == len(set(days))


def test_what_answers_a_question_is_a_memory_of_the_same_caller_and_nothing_answers_an_off_topic_one() -> (
    None
):
    for row in QUESTIONS:
        assert set(row) == {"caller", "query", "relevant", "group", "split"}
        assert bool(row["relevant"]) == (row["group"] != "off_topic"), row
        assert all(MEMORIES[key]["caller"] == row["caller"] for key in row["relevant"]), row
    assert len({(row["caller"], row["query"]) for row in QUESTIONS}) == len(QUESTIONS)
    assert all(len(row["relevant"]) > 1 for row in QUESTIONS if row["group"] == "several")


def test_a_caller_is_wholly_for_tuning_or_wholly_for_testing() -> None:
    splits = {(row["caller"], row["split"]) for row in ROWS}
    assert len(splits) == len({caller for caller, _ in splits}) >= 14
    sizes = Counter(row["split"] for row in QUESTIONS)
    assert set(sizes) == {"tuning", "test"}
    assert min(sizes.values()) >= 0.4 * len(QUESTIONS)


def test_questions_avoid_the_words_of_the_memories_that_answer_them() -> None:
    counts = Counter(min(shared(row), 2) for row in ON_TOPIC)
    assert counts[2] <= 3
    assert counts[1] + counts[2] <= 0.1 * len(ON_TOPIC)


# -- what is the same ----------------------------------------------------------------


def test_there_are_enough_pairs_of_every_kind_in_four_languages() -> None:
    assert len(PAIRS) >= 400
    assert {row["group"] for row in PAIRS if row["same"]} == _SAME
    assert {row["group"] for row in PAIRS if not row["same"]} == _DIFFERENT
    for split in ("tuning", "test"):
        half = [row for row in PAIRS if row["split"] == split]
        assert len(half) >= 0.45 * len(PAIRS)
        assert sum(row["same"] for row in half) >= 80
        assert {row["language"] for row in half} == {"en", "de", "es", "fr"}


def test_a_pair_is_two_texts_and_occurs_once() -> None:
    for row in PAIRS:
        assert set(row) == {"a", "b", "same", "group", "language", "split"}
        assert row["a"] != row["b"]
        assert isinstance(row["same"], bool)
        assert max(len(row["a"]), len(row["b"])) <= MAX_CONTENT
    assert len({(row["a"], row["b"]) for row in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize("key", ["content", "query", "a", "b"])
def test_phone_numbers_are_fictional(key: str) -> None:
    for row in (*ROWS, *PAIRS):
        for number in _PHONE.findall(row.get(key, "")):
            digits = re.sub(r"\D", "", number)
            assert re.fullmatch(r"(?:1?\d{3})?55501\d\d", digits) or _dated(number), row


def _dated(number: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}", number) is not None
