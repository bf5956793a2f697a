"""Fit what a score is worth: `python -m tests.table.calibrate`, after the table or the ranking changed.

Logistic regression on the tuning half of our own labelled questions, then a bias at which nine of ten
memories above 0.7 are relevant and what nothing answers is answered by nothing. The other half says what that is worth. Those questions avoid the words of
their memories, which agents mostly do not: so as many again ask for a memory in one to three of its own
words, and as many for words of somebody else's memories, which nothing may answer.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from attrs import asdict, evolve

from elaaoms.embed import Scale
from elaaoms.embed.builtin import FOLDER, TokenTable
from elaaoms.evaluation import retrieval, retrieval_set
from elaaoms.language import LITTLE_WORDS, language_of, words
from elaaoms.rank import Scored, relevance

THRESHOLD, PRECISION, SILENCE = 0.7, 0.9, 0.97


def main(path: Path | None) -> None:
    """Fit, write, report."""
    encoder = TokenTable()
    lines = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if path
        else retrieval_set()
    )
    questions, known = retrieval.read(lines, encoder)
    questions += _in_words(lines, known)
    fitted: dict[str, Any] = json.loads((FOLDER / "calibration.json").read_text())
    for name, before in (("scale", encoder.scale), ("lexical", encoder.lexical)):
        rows = [row for question in questions for row in _rows(question, known[question.caller], before)]
        fit = _fit([row for row in rows if row[0] != "test"], flat=name == "lexical")
        fitted[name] = {key: round(value, 3) for key, value in asdict(fit).items()}
        for split in ("tuning", "test"):
            shown, right, wanted = _shown([row for row in rows if row[0] == split], fit)
            print(
                f"{name} {split}: {shown} shown, {right / max(shown, 1):.3f} of them relevant,"
                f" {right / max(wanted, 1):.3f} of what is relevant",
                file=sys.stderr,
            )
    (FOLDER / "calibration.json").write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")


_ASKED = (
    "{}",
    "{}?",
    "what about the {}",
    "what is the status of the {}",
    "do you know anything about {}",
    "the {}",
)


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


Row = tuple[str, Scored, np.ndarray[Any, Any]]


def _rows(question: retrieval.Question, known: retrieval.Known, scale: Scale) -> list[Row]:
    scored = known.index.scored(question.query, today=known.today)
    if scored is None or scored.scale != scale:
        return []
    relevant = np.array([name in question.relevant for name in known.index.ids])
    return [(question.split, scored, relevant)]


def _fit(rows: list[Row], *, flat: bool) -> Scale:
    inputs = np.concatenate([_inputs(scored) for _, scored, _ in rows])
    if flat:
        inputs[:, 2] = 0  # there is no cosine
    labels = np.concatenate([relevant for _, _, relevant in rows]).astype(float)
    weights = np.zeros(4)
    ridge = np.array([0, 0.01, 0.01, 0.01])
    for _ in range(50):  # Newton's steps; relevance must rise with the score
        chance = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (chance - labels) + ridge * weights
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.diag(ridge + 1e-9)
        weights -= np.linalg.solve(curve, slope)
    if min(weights[1], weights[3]) < 0:
        raise SystemExit(f"relevance would not rise with the score: {weights}")
    fit = Scale(bias=weights[0], score=weights[1], best=weights[2], share=weights[3])
    biases = np.arange(fit.bias + 3, fit.bias - 6, -0.05)  # the most that can be shown at that precision
    for bias in biases:
        tried = evolve(fit, bias=float(bias))
        shown, right, _ = _shown(rows, tried)
        if right >= PRECISION * shown and _silent(rows, tried) >= SILENCE:
            return tried
    raise SystemExit("no bias makes nine of ten relevant")


def _silent(rows: list[Row], scale: Scale) -> float:
    """The share of questions that nothing answers, and for which nothing is shown."""
    vain = [row for row in rows if not row[2].any()]
    return sum(_shown([row], scale)[0] == 0 for row in vain) / max(len(vain), 1)


def _inputs(scored: Scored) -> np.ndarray[Any, Any]:
    scores = scored.scores.astype(float)
    ones = np.ones_like(scores)
    return np.stack([ones, scores, ones * scored.closest, scores / max(scores.max(), 1e-6)], axis=1)


def _shown(rows: list[Row], scale: Scale) -> tuple[int, int, int]:
    shown = right = wanted = 0
    for _, scored, relevant in rows:
        above = relevance(evolve(scored, scale=scale), scored.scores) >= THRESHOLD
        shown, right = shown + int(above.sum()), right + int((above & relevant).sum())
        wanted += int(relevant.sum())
    return shown, right, wanted


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
