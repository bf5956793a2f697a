"""Fit what a score is worth: `python -m tests.table.calibrate`, after the table or the ranking changed.

Logistic regression on the tuning half of our own labelled questions, then the lowest bias at which nine of
ten memories above 0.7 are relevant and what nothing answers is nearly always answered by nothing. The other
half says what that is worth. The mix is what agents ask: questions that avoid the words of their memories,
everyday questions to callers with a few memories and to the same callers with somebody's memories beside
theirs, as many again that ask for a memory in one to three of its own words, and as many for words of
somebody else's memories. The last teach the fit but do not bound the silence: some of them are answered
after all ("the order", "week").
"""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
from attrs import asdict, evolve, frozen

from elaaoms.embed import Scale
from elaaoms.embed.builtin import FOLDER, TokenTable
from elaaoms.evaluation import everyday_set, retrieval, retrieval_set
from elaaoms.language import LITTLE_WORDS, language_of, words
from elaaoms.rank import Scored, relevance

THRESHOLD, PRECISION, SILENCE = 0.7, 0.9, 0.95
EVERYDAY = 3  # what an everyday question weighs beside another one


def main() -> None:
    """Fit, write, report."""
    encoder = TokenTable()
    fitted: dict[str, Any] = json.loads((FOLDER / "calibration.json").read_text())
    asked = _asked(encoder)
    for name, before in (("scale", encoder.scale), ("lexical", encoder.lexical)):
        rows = [row for question, known in asked for row in _rows(question, known, before)]
        fit = _fit([row for row in rows if row.split != "test"], flat=name == "lexical")
        fitted[name] = {key: round(value, 3) for key, value in asdict(fit).items()}
        for split in ("tuning", "test"):
            for group in sorted({row.group for row in rows if row.split == split}):
                print(
                    name,
                    split,
                    group,
                    _report([row for row in rows if (row.split, row.group) == (split, group)], fit),
                )
    (FOLDER / "calibration.json").write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")


Asked = list[tuple[retrieval.Question, retrieval.Known]]


def _asked(encoder: TokenTable) -> Asked:
    found: Asked = []
    sets = {
        "paraphrase": retrieval_set(),
        "everyday": everyday_set(),
        "crowd": _in_a_crowd(),
        "alone": _alone(),
    }
    for name, lines in sets.items():
        questions, known = retrieval.read(lines, encoder)
        found += [(evolve(question, group=name), known[question.caller]) for question in questions]
        if name in ("paraphrase", "everyday"):
            found += [(question, known[question.caller]) for question in _in_words(lines, known)]
    return found


def _in_a_crowd() -> list[dict[str, Any]]:
    """The everyday callers, each with all memories of one caller of the other set as well."""
    crowds: dict[str, list[list[dict[str, Any]]]] = {"tuning": [], "test": []}
    memories = [line for line in retrieval_set() if "content" in line]
    for caller in dict.fromkeys(line["caller"] for line in memories):
        crowd = [line for line in memories if line["caller"] == caller]
        if language_of(" ".join(line["content"] for line in crowd)) == "en":
            crowds[crowd[0]["split"]].append(crowd)
    lines = everyday_set()
    found = list(lines)
    for place, caller in enumerate(dict.fromkeys(line["caller"] for line in lines)):
        (split,) = {line["split"] for line in lines if line["caller"] == caller}
        crowd = crowds[split][place // 2 % len(crowds[split])]
        found += [{**line, "caller": caller} for line in crowd]
    return found


_ASKED = (
    "{}",
    "{}?",
    "what about the {}",
    "what is the status of the {}",
    "do you know anything about {}",
    "the {}",
)


def _alone() -> list[dict[str, Any]]:
    """Each everyday memory as the only one of a caller, who is asked everything: what the other memories
    answer, it does not."""
    lines = everyday_set()
    found = []
    for memory in (line for line in lines if "content" in line):
        caller = memory["key"]
        found.append({**memory, "caller": caller})
        for line in lines:
            if "query" in line and line["caller"] == memory["caller"]:
                relevant = [key for key in line["relevant"] if key == memory["key"]]
                found.append({**line, "caller": caller, "relevant": relevant})
    return found


def _in_words(lines: list[dict[str, Any]], known: dict[str, retrieval.Known]) -> list[retrieval.Question]:
    """Questions in a memory's own words, put to its caller and to another one of the same language."""
    chance = random.Random(7)  # noqa: S311 - not a secret
    split = {line["caller"]: line["split"] for line in lines if "content" in line}
    spoken = {name: language_of(" ".join(m.content for m in one.memories)) for name, one in known.items()}
    found = []
    for name, one in known.items():
        little = _little_words(spoken[name])
        for memory in one.memories:
            telling = [w for w in dict.fromkeys(words(memory.content)) if w not in little and len(w) > 2]
            chosen = chance.sample(telling, min(len(telling), chance.choice((1, 2, 2, 3))))
            text = chance.choice(_ASKED if spoken[name] == "en" else ("{}",)).format(" ".join(chosen))
            others = [
                other
                for other in known
                if other != name and (spoken[other], split[other]) == (spoken[name], split[name])
            ]
            for caller in (name, *([chance.choice(others)] if others else [])):
                having = frozenset(
                    m.id for m in known[caller].memories if set(chosen) <= set(words(m.content))
                )
                found.append(retrieval.Question(caller, text, having, "words", split[name]))
    return found


def _little_words(code: str) -> frozenset[str]:
    return frozenset(word for word in LITTLE_WORDS.get(code, "").split())


@frozen(eq=False)
class Row:
    """A question as it was scored, and which memories answer it."""

    split: str
    group: str
    scored: Scored
    relevant: np.ndarray[Any, Any]

    @property
    def weight(self) -> float:
        return EVERYDAY if self.group in ("everyday", "crowd") else 1


def _rows(question: retrieval.Question, known: retrieval.Known, scale: Scale) -> list[Row]:
    scored = known.index.scored(question.query, today=known.today)
    if scored is None or scored.scale != scale:
        return []
    relevant = np.array([name in question.relevant for name in known.index.ids])
    return [Row(question.split, question.group, scored, relevant)]


def _fit(rows: list[Row], *, flat: bool) -> Scale:
    inputs = np.concatenate([_inputs(row.scored) for row in rows])
    if flat:
        inputs[:, 2] = 0  # there is no cosine
    labels = np.concatenate([row.relevant for row in rows]).astype(float)
    counts = np.concatenate([np.full(len(row.relevant), row.weight) for row in rows])
    given = np.concatenate(
        [np.full(len(row.relevant), -math.log((len(row.relevant) + 3) / 10)) for row in rows]
    )
    weights = _newton(inputs, labels, counts, given)
    for place in (1, 3, 4):  # relevance must not fall while a score rises: what says otherwise says nothing
        if weights[place] < 0:
            inputs[:, place] = 0
            weights = _newton(inputs, labels, counts, given)
    if min(weights[1], weights[3], weights[4]) < 0 or not weights[[1, 3, 4]].any():
        raise SystemExit(f"relevance would not rise with the score: {weights}")
    # What a crowd's own memories answer is not labelled as right: it bounds neither precision nor silence. Those
    # who are alone are asked ten times as often about something else, which bounds the silence.
    fit = Scale(bias=weights[0], score=weights[1], best=weights[2], share=weights[3], apart=weights[4])
    for bias in np.arange(fit.bias + 4, fit.bias - 6, -0.05):  # the most that can be shown at that precision
        tried = evolve(fit, bias=float(bias))
        shown, right, _ = _shown([row for row in rows if row.group not in ("crowd", "alone")], tried)
        if right >= PRECISION * shown and _silent(rows, tried) >= SILENCE:
            return tried
    raise SystemExit("no bias makes nine of ten relevant")


def _newton(
    inputs: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any],
    counts: np.ndarray[Any, Any],
    given: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """The weights of a logistic regression, one for each column; 0 for a column of zeros."""
    weights = np.zeros(5)
    ridge = np.array([0, 0.01, 0.01, 0.01, 0.01])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-inputs @ weights - given))
        slope = inputs.T @ (counts * (chance - labels)) + ridge * weights
        curve = (inputs * (counts * chance * (1 - chance))[:, None]).T @ inputs + np.diag(ridge + 1e-9)
        weights -= np.linalg.solve(curve, slope)
    return weights


def _silent(rows: list[Row], scale: Scale) -> float:
    """The share of questions known to have no answer for which nothing is shown, in the worst of the groups."""
    groups = {row.group for row in rows} - {"words", "crowd"}
    vain = [[row for row in rows if row.group == group and not row.relevant.any()] for group in groups]
    return min(
        (sum(_shown([row], scale)[0] == 0 for row in some) / len(some) for some in vain if some), default=1
    )


def _inputs(scored: Scored) -> np.ndarray[Any, Any]:
    """What `relevance` multiplies with each number of a Scale, taken from itself."""
    nothing = Scale(bias=0, score=0, best=0, share=0, apart=0)
    base = _exponent(scored, nothing)
    names = ("bias", "score", "best", "share", "apart")
    return np.stack([_exponent(scored, evolve(nothing, **{name: 1.0})) - base for name in names], axis=1)


def _exponent(scored: Scored, scale: Scale) -> np.ndarray[Any, Any]:
    chances = relevance(evolve(scored, scale=scale), scored.scores).astype(float)
    return np.log(chances / (1 - chances))


def _report(rows: list[Row], scale: Scale) -> str:
    answered = [row for row in rows if row.relevant.any()]
    vain = [row for row in rows if not row.relevant.any()]
    found = sum(_shown([row], scale)[1] > 0 for row in answered)
    silent = sum(_shown([row], scale)[0] == 0 for row in vain)
    shown, right, _ = _shown(rows, scale)
    return f"found {found}/{len(answered)}, silent {silent}/{len(vain)}, {right}/{shown} of what is shown is relevant"


def _shown(rows: list[Row], scale: Scale) -> tuple[int, int, int]:
    shown = right = wanted = 0
    for row in rows:
        above = relevance(evolve(row.scored, scale=scale), row.scored.scores) >= THRESHOLD
        shown, right = shown + int(above.sum()), right + int((above & row.relevant).sum())
        wanted += int(row.relevant.sum())
    return shown, right, wanted


if __name__ == "__main__":
    main()
