"""The walls of the house, and what importing it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "elaaoms"


def test_floors_and_walls_stand() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(  # noqa: S603
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_imports_no_sdk_and_no_tunnel() -> None:
    code = (
        "import sys\nfrom elaaoms.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as done:\n    assert done.code == 0\n"
        "heavy = {'openai', 'anthropic', 'pyngrok', 'numpy', 'elevenlabs'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_left_undone_behind_a_name() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.Name) and node.id == "NotImplementedError"), path


def test_every_module_opens_with_one_sentence() -> None:
    for path in PACKAGE.rglob("*.py"):
        doc = ast.get_docstring(ast.parse(path.read_text()))
        assert doc, path
        first = doc.split("\n\n")[0]
        assert first.endswith("."), path
