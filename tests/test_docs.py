"""What the documentation names is there: commands with their options, settings, files, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from attrs import evolve, fields, has
from conftest import started

from elaaoms.cli import main
from elaaoms.config import NAMES, Config

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def settings(section: Any, path: str = "") -> Iterator[str]:
    for attribute in fields(type(section)):
        value = getattr(section, attribute.name)
        yield f"{path}{attribute.name}"
        if has(type(value)):
            yield from settings(value, f"{path}{attribute.name}.")


OPERATIONS = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")
KNOWN = set(settings(Config()))
SECTIONS = {name for name in KNOWN if f"{name}." in " ".join(KNOWN)}


def commands(text: str) -> Iterator[str]:
    """Every `elaaoms …` in a code block or between backticks, without what the shell does around it."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            for part in re.split(r"&&|\|\||;|\|", line.partition(" #")[0]):
                found = re.match(r"\s*(?:sudo )?(?:\S*/)?elaaoms (.*)", part)
                if found and not found[1].startswith("="):
                    yield found[1]
    outside = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"`([^`]+)`", outside):
        found = re.match(r"elaaoms ([a-z-].*)", " ".join(span.split()), re.DOTALL)
        if found:
            yield found[1].replace("\\|", "|")


def problem(line: str) -> str | None:
    """What is wrong with a command line, as far as click's tree knows."""
    words = shlex.split(line.replace("[", " ").replace("]", " "))
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        names = words[0].split("|")
        if missing := [name for name in names if name not in command.commands]:
            return f"there is no command {missing[0]}"
        command, words = command.commands[names[0]], words[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options |= {"--help", "-h"}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.split("=")[0] not in options]
    return f"{command.name} has no {unknown[0]}" if unknown else None


def test_the_test_itself_notices() -> None:
    assert problem("jobs list --no-such-option")
    assert problem("jobs vanish")
    assert problem("backup FILE --keep 3") is None
    assert "storage.keep_audio_days" in KNOWN


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists_with_its_options(page: Path) -> None:
    wrong = [(line, found) for line in commands(page.read_text()) if (found := problem(line))]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)(?: = [^`]*)?`", page.read_text()))
    ours = {name for name in named if name.split(".")[0] in SECTIONS}
    assert sorted(ours - KNOWN) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_secret_and_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    assert sorted(set(re.findall(r"secrets/([a-z_]+)", text)) - set(NAMES)) == []
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def test_the_deployment_page_has_every_step_of_the_service() -> None:
    page = (ROOT / "docs" / "DEPLOYMENT.md").read_text()
    for step in ("elaaoms init /etc/elaaoms", "elaaoms install-service", "elaaoms.socket elaaoms.service"):
        assert step in page
    (most,) = re.findall(r"max_size (\d+)MiB", page)
    assert int(most) > Config().server.max_audio_mb  # elaaoms itself refuses, with 413
    assert f"client_max_body_size {Config().server.max_audio_mb}m;" in page
    assert f"client_body_timeout {Config().server.body_timeout_s:g}s;" in page
    assert f"127.0.0.1:{Config().server.port}" in page


async def test_the_operations_page_has_every_metric_and_every_alert(config: Config, tmp_path: Path) -> None:
    copied = evolve(config, openmemory=evolve(config.openmemory, url="http://127.0.0.1:9"))
    async with started(copied) as platform:
        exposed = await platform.request("GET", f"{platform.admin_url}/metrics")
    told = set(re.findall(r"`(elaaoms_[a-z_]+)`", OPERATIONS))
    families = re.findall(r"^# TYPE (elaaoms_\w+) (\w+)", exposed.body.decode(), re.MULTILINE)
    found = {name for name, kind in families if not name.endswith("_created")}
    assert told == found
    source = (ROOT / "elaaoms" / "daemon.py").read_text()
    alerts = set(re.findall(r'conditions\["(\w+)"\]', source)) | {"provider_blocked"}
    assert '"provider_blocked": named(' in source
    section = OPERATIONS.partition("## Alerts")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == alerts
