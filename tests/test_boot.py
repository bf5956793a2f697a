"""The units under a real systemd, where that is possible: `python -m tests.boot` alone, here when it is wished."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.boot.__main__ import SKIPPED


@pytest.mark.skipif("ELAAOMS_TEST_BOOT" not in os.environ, reason="a minute long; set ELAAOMS_TEST_BOOT=1")
def test_the_units_hold_what_they_promise_when_systemd_runs_them() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.boot"], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
