"""The parsers of `tests.fuzz` under coverage-guided fuzzing: `python -m tests.guided --seconds 300`.

Needs atheris (`pip install -e '.[fuzz]'`). Each target runs in a process of its own, begins with the
samples and stops at the first input with which a parser does anything but accept or refuse; the input
is left in the working directory, as libFuzzer does. The count of inputs tried is printed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

_DONE = re.compile(r"Done (\d+) runs")
_BYTES = frozenset(("events", "large events", "client-data", "search-memory", "audio"))


def feed(target: str, seconds: int, folder: str) -> None:
    """Fuzz one target in this process, which atheris ends."""
    import atheris

    with atheris.instrument_imports(include=["elaaoms"]):
        from tests import fuzz

    _, parser = fuzz.TARGETS[target]

    def one(data: bytes) -> None:
        parser(data if target in _BYTES else data.decode("utf-8", "replace"))

    corpus = Path(folder)
    if target in _BYTES:
        for number, sample in enumerate(fuzz.SAMPLES):
            (corpus / str(number)).write_bytes(sample)
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={seconds}",
            "-max_len=20000",
            "-timeout=10",
            "-rss_limit_mb=2048",
            folder,
        ],
        one,
    )
    atheris.Fuzz()


def run(target: str, seconds: int) -> int:
    """How many inputs a target was given; SystemExit when one of them was too much for it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.guided", "--target", target, "--in", folder]
        done = subprocess.run(  # noqa: S603
            [*command, "--seconds", str(seconds)],
            stderr=subprocess.PIPE,
            check=False,
            text=True,
            errors="replace",
        )
    counted = _DONE.search(done.stderr)
    if done.returncode or counted is None:
        sys.exit(f"{target}:\n{done.stderr[-4000:]}")
    return int(counted[1])


def main() -> None:
    """Every target in turn, or the one that is named, in this process."""
    given = argparse.ArgumentParser(prog="python -m tests.guided", description=__doc__)
    given.add_argument("--seconds", type=int, default=60, help="for all parsers together, or for the one")
    given.add_argument("--target", help=argparse.SUPPRESS)
    given.add_argument("--in", dest="folder", help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.target:
        feed(asked.target, asked.seconds, asked.folder)
        return
    from tests import fuzz

    total = 0
    for target in fuzz.TARGETS:
        count = run(target, max(1, asked.seconds // len(fuzz.TARGETS)))
        total += count
        print(f"{target:<18} {count:>9} inputs", flush=True)
    print(f"{total} inputs guided by coverage, no parser did anything but accept or refuse")


if __name__ == "__main__":
    main()
