"""A short look at every parser of outside bytes; the long one is `python -m tests.fuzz`."""

from __future__ import annotations

import pytest
from fuzz import TARGETS, run


@pytest.mark.parametrize("target", TARGETS)
def test_a_parser_accepts_or_refuses_and_does_nothing_else(target: str) -> None:
    assert run(target, examples=150).inputs >= 100
