"""What is published: an image and workflows that are as careful as the units, and packages that install and run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_service import ACTIVATE, restarts

from elaaoms import __version__
from elaaoms.cli import main
from tests.manual import PAGE, pages

ROOT = Path(__file__).parent.parent


def test_the_image_runs_without_root_and_stops_on_sigterm() -> None:
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    stage = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM")) :]
    told = dict(line.split(maxsplit=1) for line in stage if re.match(r"[A-Z]+ ", line))
    assert told["USER"] == "10001:10001"  # by number, so that an orchestrator sees that it is not root
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert told["ENTRYPOINT"] == '["elaaoms"]'  # the daemon itself is process 1 and gets the signal
    assert "/health" in told["HEALTHCHECK"]
    assert all(re.fullmatch(r"FROM \S+:[\w.-]+( AS \w+)?", line) for line in lines if line.startswith("FROM"))
    copied = {
        name
        for line in lines
        if line.startswith("COPY")
        for name in line.split()[1:-1]
        if name[0] not in "-/"
    }
    assert all((ROOT / name).exists() for name in copied)
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name.removeprefix("./") for name in copied} <= kept


def test_the_containers_are_locked_down_and_only_the_proxy_reaches_them() -> None:
    text = (ROOT / "compose.yaml").read_text()
    services = re.findall(
        r"(?m)^  (\w+):\n((?:    .*\n|\n)+)", text.partition("services:")[2].partition("\nvolumes:")[0]
    )
    assert [name for name, _ in services] == ["elaaoms", "openmemory"]
    for _, body in services:
        assert "cap_drop: [ALL]" in body
        assert "no-new-privileges:true" in body
    assert re.findall(r'- "([\d.:]+)"', text) == ["127.0.0.1:8000:8000"]
    assert "8001" not in text
    grace = re.search(r"stop_grace_period: (\d+)s", text)
    assert grace is not None
    assert int(grace[1]) >= 45  # 10 s for requests and 20 s for jobs


def test_the_workflows_ask_for_nothing_but_to_read() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text()
        assert "\npermissions:\n  contents: read\n" in text
        assert "pull_request_target" not in text
        assert all(
            re.search(r"@[0-9a-f]{40} # v[\d.]+$", line) for line in text.splitlines() if "uses:" in line
        )
        assert text.count("actions/checkout@") == text.count("persist-credentials: false")
        assert "${{ github.event" not in text
    assert '["3.11", "3.12", "3.13"]' in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


SCHEMAS = "check-jsonschema", "--builtin-schema"
CI = ".github/workflows/ci.yml"


@pytest.mark.parametrize(
    "command",
    [
        ("zizmor", "--offline", "--no-progress", ".github"),
        ("hadolint", "Dockerfile"),
        ("shellcheck", ".ci/run", "tests/boot/enter.sh", "tests/boot/install.sh"),
        (*SCHEMAS, "vendor.github-workflows", CI),
        (*SCHEMAS, "custom.github-workflows-require-timeout", CI),
        (*SCHEMAS, "vendor.compose-spec", "compose.yaml"),
    ],
    ids=" ".join,
)
def test_nobody_who_reads_such_files_for_a_living_complains(command: tuple[str, ...]) -> None:
    places = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", "")])
    program = shutil.which(command[0], path=places)
    if program is None:
        pytest.skip(f"{command[0]} is not installed (pip install -e '.[lint]')")
    done = subprocess.run(  # noqa: S603
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_stands_in_one_place() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"elaaoms, version {__version__}\n"
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("shell", ["bash_source", "zsh_source", "fish_source"])
def test_shells_complete_commands(shell: str) -> None:
    done = CliRunner().invoke(main, [], prog_name="elaaoms", env={"_ELAAOMS_COMPLETE": shell})
    assert (done.exit_code, "_elaaoms_completion" in done.output) == (0, True)


needs_minutes = pytest.mark.skipif(
    "ELAAOMS_TEST_RELEASE" not in os.environ, reason="minutes long; set ELAAOMS_TEST_RELEASE=1"
)
NOBODY = 65534 if os.geteuid() == 0 else None  # who runs what is installed


def run(*command: object, user: int | None = None, **more: object) -> str:
    who = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603
        [*map(str, command)], capture_output=True, text=True, check=False, **who, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the packages are in dist/ and the wheel is installed in user/, with nothing but what it needs."""
    base = "/usr/bin/python3" if Path("/usr/bin/python3.11").exists() else sys.executable
    place = tmp_path_factory.mktemp("release")
    if NOBODY is not None:  # what somebody without rights is to run must not lie where only we may look
        place = Path("/var/tmp") / f"elaaoms-release-{os.getpid()}"  # noqa: S108
        place.mkdir(mode=0o755)
    try:
        run(sys.executable, "-m", "venv", place / "build")
        run(place / "build/bin/pip", "install", "-q", "hatchling")
        run(place / "build/bin/python", "-m", "hatchling", "build", "-d", place / "dist", cwd=ROOT)
        (wheel,) = (place / "dist").glob("*.whl")
        run(base, "-m", "venv", place / "user")
        run(place / "user/bin/pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel)
        yield place
    finally:
        shutil.rmtree(place)


@needs_minutes
@pytest.mark.timeout(900)
def test_the_packages_install_into_nothing_and_run_for_somebody_without_rights(place: Path) -> None:
    (source,) = (place / "dist").glob("*.tar.gz")
    with tarfile.open(source) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"elaaoms/cli/__init__.py", "docs/DEPLOYMENT.md", "tests/conftest.py", "LICENSE"} <= names
    assert {f"share/{path}" for path in pages()} <= names
    for path, text in pages().items():
        assert (place / "user/share" / path).read_text("utf-8") == text
    if shutil.which("man"):
        clean = {"PATH": f"{place / 'user/bin'}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        assert run("man", "-w", "elaaoms", env=clean).strip() == str(place / "user/share" / PAGE)
    clean = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    assert __version__ in run(place / "user/bin/elaaoms", "--version", env=clean, cwd="/", user=NOBODY)
    run(place / "user/bin/elaaoms", "demo", env=clean, cwd="/", user=NOBODY)


@needs_minutes
@pytest.mark.timeout(900)
async def test_the_packages_restart_twenty_times_under_load_and_lose_nothing(place: Path) -> None:
    folder = place / "etc"
    folder.mkdir()
    program = [str(place / "user/bin/elaaoms")]
    if ACTIVATE is not None:
        program = [ACTIVATE, "-E", "NOTIFY_SOCKET={NOTIFY_SOCKET}", *program]
    load, found = await restarts(folder, times=20, program=program, user=NOBODY)
    assert load.refused == []
    assert len(load.acknowledged) >= 100
    assert load.acknowledged <= found
