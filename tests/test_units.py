"""The units are what a careful administrator would write: verified, locked down, and removed as they came."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner

from elaaoms import units
from elaaoms.cli import main
from elaaoms.units import Place, render

FOLDER = Path(__file__).parent.parent / "systemd"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
EXPOSURE = "12"  # tenths; redis, the best guarded daemon of Debian 12, has 1.2


@pytest.mark.parametrize("name", render(Place()))
def test_the_units_in_the_repository_are_the_rendered_ones(name: str) -> None:
    assert (FOLDER / name).read_text() == render(Place())[name]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as runtime:  # it asks for one when it looks at units of a user
        environ = {**os.environ, "XDG_RUNTIME_DIR": runtime}
        return subprocess.run(  # noqa: S603
            [str(ANALYZE), *arguments], capture_output=True, text=True, check=False, env=environ
        )


@needs_systemd
@pytest.mark.parametrize("user", [False, True], ids=["system", "user"])
def test_systemd_finds_nothing_to_complain_about(tmp_path: Path, user: bool) -> None:
    place = Place(program=Path(sys.executable), config=tmp_path / "elaaoms.toml", user=user)
    paths = [str(path) for path in units.write(tmp_path, place)]
    done = analyze("verify", "--man=no", *(["--user"] if user else []), *paths)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", ["elaaoms.service", "elaaoms-backup.service"])
def test_the_services_are_as_locked_down_as_the_best(name: str) -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(FOLDER / name))
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


def test_every_secret_that_is_there_is_a_credential(tmp_path: Path) -> None:
    text = render(Place(secrets=["webhook_secret", "openai_api_key"]))["elaaoms.service"]
    assert text.count("LoadCredential=") == 2
    assert "LoadCredential=openai_api_key:/etc/elaaoms/secrets/openai_api_key\n" in text


def test_data_elsewhere_may_be_written() -> None:
    assert (
        "ReadWritePaths=/srv/calls\n" in render(evolve(Place(), data=Path("/srv/calls")))["elaaoms.service"]
    )


def test_the_commands_write_and_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    assert runner.invoke(main, ["init", str(tmp_path)]).exit_code == 0
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "elaaoms").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    to, config = tmp_path / "units", str(tmp_path / "elaaoms.toml")
    done = runner.invoke(main, ["install-service", "-c", config, "--user", "--to", str(to)])
    assert done.exit_code == 0, done.output
    assert "systemctl --user enable --now elaaoms.socket" in done.output
    assert f"serve -c {config}" in (to / "elaaoms.service").read_text()
    again = runner.invoke(main, ["install-service", "-c", config, "--user", "--to", str(to)])
    assert again.exit_code == 0
    wants = to / "sockets.target.wants"
    wants.mkdir()
    (wants / "elaaoms.socket").symlink_to(to / "elaaoms.socket")  # as `systemctl enable` does
    gone = runner.invoke(main, ["uninstall-service", "--to", str(to)])
    assert gone.output.count("removed") == 4
    assert not list(to.iterdir())


def test_a_user_needs_no_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "elaaoms").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    runner, config = CliRunner(), tmp_path / "settings" / "elaaoms"
    assert runner.invoke(main, ["init", str(config)]).exit_code == 0
    done = runner.invoke(main, ["install-service", "--user"])
    assert done.exit_code == 0, done.output
    assert "loginctl enable-linger" in done.output
    written = (tmp_path / "settings/systemd/user/elaaoms.service").read_text()
    assert f"serve -c {config / 'elaaoms.toml'}" in written
    assert runner.invoke(main, ["uninstall-service", "--user"]).output.count("removed") == 4


def test_a_unit_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "elaaoms.service").write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(units.ElaaomsError, match="was not written by elaaoms"):
        units.write(tmp_path, Place())
    assert units.remove(tmp_path) == []


def test_what_the_service_could_not_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    assert runner.invoke(main, ["init", str(tmp_path)]).exit_code == 0
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "elaaoms").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    done = runner.invoke(
        main, ["install-service", "-c", str(tmp_path / "elaaoms.toml"), "--to", str(tmp_path)]
    )
    assert (done.exit_code, "--user" in done.stderr) == (1, True)
