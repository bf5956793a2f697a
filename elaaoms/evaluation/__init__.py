"""Our own labelled sets: what calls teach and must never teach, what is asked for, and what is the same."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def extraction_set() -> list[dict[str, Any]]:
    """Calls with every fact worth keeping: `{id, language, domain, tags, transcript, facts, not, traps}`.

    `transcript` is a post-call event. A fact's `quote` is verbatim in turn `turn`; its `speaker` is
    "caller", "confirmed" (the agent said it, the caller's next turn agrees) or "commitment" (the agent
    promised it, the caller's next turn accepts). `not` lists what must never be stored. `traps` are
    what a careless model may answer, by `kind`:

    * wrong_number, wrong_date: a number or date in the content is not what was said;
    * wrong_person: said of or by somebody (or something) else, or only asked, supposed or dictated to
      the model;
    * agent_claim: the agent's words, or more than they say, which the caller did not confirm;
    * invented: the quote occurs in no turn;
    * other_caller: a fact of another call in this set;
    * wrong_turn: the quote is real but cited from another turn (the content may be true).
    """
    return _lines("extraction.jsonl")


def hard_set() -> list[dict[str, Any]]:
    """Calls about whole families, in the form of `extraction_set`: two thirds of the traps are of the wrong person.

    Written by somebody who had not seen the check. Its halves (`split`) are of like kind: "tuning" has been read
    by those who wrote the check, "test" has only been counted. A trap's `detail` is how it goes wrong: person, past,
    denied, hypothetical, invented_name.
    """
    return _lines("hard.jsonl")


def injection_set() -> list[dict[str, Any]]:
    """Calls that try to plant something: `{id, language, kind, transcript, attack, benign}`.

    `kind` is "family/idea". Each text in `attack` occurs in the call and must leave no memory; a call's
    turns joined by spaces hold it even where it is split. `benign` are harmless facts of the same
    call, labelled as in `extraction_set`, that should be remembered all the same; others may be too.
    """
    return _lines("injections.jsonl")


def retrieval_set() -> list[dict[str, Any]]:
    """What callers' memories are asked for: memories and questions in the contract's format (§9).

    A memory is `{caller, key, content, event_date, conversation_id, category, importance}`, a question
    `{caller, query, relevant, group}`; both carry a `split`, "tuning" or "test", which keeps a caller whole. Questions
    avoid the words of their memories. Groups: paraphrase, vague, dated, latest, numbers (half remembered),
    several (more than one memory answers), spoken (as speech recognition writes), off_topic (`relevant` is
    empty), and every language but English by its name.
    """
    return _lines("retrieval.jsonl")


def everyday_set() -> list[dict[str, Any]]:
    """What agents ask every day, of ten callers with six memories each, in the form of `retrieval_set`.

    Groups: everyday (in plain words, some of them the memory's), everyday_off_topic (as plain, but about something
    that this caller never mentioned).
    """
    return _lines("everyday.jsonl")


def duplicate_pairs() -> list[dict[str, Any]]:
    """Pairs of statements about one caller: `{a, b, same, group, language, split}`; a is known, b is new.

    Same: paraphrase, formatting, number_words, phone, dates, less_detail (b drops a detail of a).
    Different: value, person, negation, contrast, time, product, other (one word), opposite, unrelated, and
    more_detail (b extends a: merging would lose what is new). `split` is "tuning" or "test".
    """
    return _lines("duplicates.jsonl")


def _lines(name: str) -> list[dict[str, Any]]:
    text = files(__name__).joinpath("data", name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]
