"""The manual pages name everything there is and are well-formed; shells complete what a person begins to type."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from attrs import fields, has

from elaaoms.config import Config
from tests.manual import COMPLETIONS, PAGE, SETTINGS, SHARE, commands, pages, roff

PROGRAMS = {**os.environ, "PATH": f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def ran(*command: object, **environment: str) -> str:
    done = subprocess.run(  # noqa: S603
        [*map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=PROGRAMS | {"LC_ALL": "C.UTF-8"} | environment,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("path", pages())
def test_what_is_shipped_was_made_from_the_commands_and_settings_of_today(path: str) -> None:
    assert (SHARE / path).read_text("utf-8") == pages()[path], "run `python -m tests.manual`"


def test_the_page_of_the_program_tells_every_command_and_every_option() -> None:
    page = pages()[PAGE]
    sections = dict(re.findall(r"(?ms)^\.SS\nelaaoms (.+?) \\fI.*?$(.*?)(?=^\.S[SH])", page))
    found = dict(commands())
    assert sections.keys() == {roff(name) for name in found}
    for name, command in found.items():
        told = sections[roff(name)]
        assert len(told.strip()) > 20, name
        if isinstance(command, click.Group):
            continue
        for option in (parameter for parameter in command.params if isinstance(parameter, click.Option)):
            assert option.help, (name, option.opts)
            assert all(rf"\fB{roff(word)}\fR" in told for word in option.opts), (name, option.opts)


def test_the_page_of_the_settings_tells_every_setting() -> None:
    page = pages()[SETTINGS]

    def look(section: object, name: str) -> None:
        start = page.index(f".SS [{name}]" if name else ".SH SETTINGS")
        part = page[start : page.index("\n.S", start + 1)]
        for attribute in fields(type(section)):
            value = getattr(section, attribute.name)
            if has(type(value)):
                look(value, f"{name}.{attribute.name}".lstrip("."))
            elif "comment" in attribute.metadata:
                assert f"\n\\fB{attribute.name} = " in part, f"{name}.{attribute.name}"

    look(Config(), "")


def test_no_word_of_a_help_text_is_taken_for_a_request() -> None:
    assert roff("a\n.SH b\n'x \\fB-c 'd' “e”") == (
        "a\n\\&.SH b\n\\(aqx \\(rsfB\\-c \\(aqd\\(aq \\[u201C]e\\[u201D]"
    )


@needs("groff")
@pytest.mark.parametrize("path", [PAGE, SETTINGS])
def test_groff_has_nothing_to_complain_about(path: str) -> None:
    assert ran("groff", "-z", "-ww", "-man", "-Tutf8", SHARE / path) == ""


@needs("man")
def test_man_shows_the_pages() -> None:
    assert "elaaoms jobs retry [OPTIONS] [ID]..." in ran("man", "-l", SHARE / PAGE, MANWIDTH="100")
    assert "relevance_threshold = 0.7" in ran("man", "-l", SHARE / SETTINGS, MANWIDTH="100")
    found = ran("man", "-w", "elaaoms", "elaaoms.toml", MANPATH=str(SHARE / "man")).split()
    assert [Path(path).name for path in found] == ["elaaoms.1", "elaaoms.toml.5"]


BASH = """
complete() { :; }; source "$1"
COMP_WORDS=(elaaoms jobs re); COMP_CWORD=2; COMPREPLY=()
_elaaoms_completion elaaoms; printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
zmodload zsh/zpty; zpty shell 'zsh -f -i'
zpty -w shell "PS1=; fpath=(${1:h} \\$fpath); autoload -Uz compinit; compinit -u -D; print rea''dy"
zpty -r shell answer '*ready*'
zpty -w -n shell $'elaaoms jobs re\\t'
zpty -r shell answer '*retry*' && print retry
"""


@needs("bash")
def test_bash_completes() -> None:
    if tuple(map(int, ran("bash", "-c", "echo ${BASH_VERSINFO[@]:0:2}").split())) < (4, 4):
        pytest.skip("bash is older than 4.4, which completion by click needs")
    assert ran("bash", "-c", BASH, "bash", SHARE / COMPLETIONS["bash"]) == "retry\n"


@needs("zsh")
def test_zsh_completes(tmp_path: Path) -> None:
    assert ran("zsh", "-f", "-c", ZSH, "zsh", SHARE / COMPLETIONS["zsh"], HOME=str(tmp_path)) == "retry\n"


@needs("fish")
def test_fish_completes(tmp_path: Path) -> None:
    script = f"source {SHARE / COMPLETIONS['fish']}; complete --do-complete 'elaaoms jobs re'"
    found = ran("fish", "--no-config", "-c", script, HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path))
    assert [line.split("\t")[0] for line in found.splitlines()] == ["retry"]
