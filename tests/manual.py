"""`python -m tests.manual`: the manual pages and shell completions of `share/`, made from the commands and settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from elaaoms import __version__
from elaaoms.cli import main
from elaaoms.config import NAMES, render

SHARE = Path(__file__).parent.parent / "share"
PAGE, SETTINGS = "man/man1/elaaoms.1", "man/man5/elaaoms.toml.5"
COMPLETIONS = {  # where each shell looks below a prefix's share/
    "bash": "bash-completion/completions/elaaoms",
    "zsh": "zsh/site-functions/_elaaoms",
    "fish": "fish/vendor_completions.d/elaaoms.fish",
}
MADE = "made by `python -m tests.manual`"

STATUS = {
    "0": "Done.",
    "1": "A stated failure: one sentence on standard error.",
    "2": "The command line was wrong.",
    "74": "serve: the disk failed.",
    "75": "serve: another process holds the data.",
    "78": "serve: the configuration is wrong or a secret is missing.",
}
FILES = {
    "elaaoms.toml": "The settings, see elaaoms.toml(5). Found in the working folder unless -c names it.",
    "secrets/NAME": "Beside elaaoms.toml: one secret a file, mode 0600.",
    "data/elaaoms.db": "Jobs, calls, callers and memories.",
    "data/payloads/": "Every call as it was received; the database can be made from it.",
    "data/backups/": "What the nightly backup and upgrades leave.",
}
EXAMPLES = {
    "See what it does, without keys, configuration or network": "elaaoms demo",
    "Make a configuration, look it through, serve": "elaaoms init /etc/elaaoms\n"
    "elaaoms check -c /etc/elaaoms/elaaoms.toml\nelaaoms serve -c /etc/elaaoms/elaaoms.toml",
    "What is known of a caller, and why": "elaaoms memories list --caller +14155550101",
    "Forget a caller, with a receipt": "elaaoms callers erase +14155550101",
}


def pages() -> Mapping[str, str]:
    """Everything in `share/`, by its path below it."""
    manual = {PAGE: "\n".join(_program()) + "\n", SETTINGS: "\n".join(_settings()) + "\n"}
    return manual | {path: _completion(shell) for shell, path in COMPLETIONS.items()}


def commands(group: click.Group = main, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command and group of commands, by its words after `elaaoms`."""
    for name, command in sorted(group.commands.items()):
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


def roff(text: str) -> str:
    """Text as groff(7) prints it: no word of it is a request or an escape."""
    text = text.replace("\\", r"\(rs").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    text = "".join(sign if sign.isascii() else rf"\[u{ord(sign):04X}]" for sign in text)
    return re.sub(r"(?m)^\.", r"\\&.", text)


def _prose(text: str) -> str:
    """A sentence, with what stands between backticks in bold."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return roff(text)
    return "".join(rf"\fB{roff(part)}\fR" if index % 2 else roff(part) for index, part in enumerate(parts))


def _paragraphs(text: str | None) -> list[str]:
    return [_prose(" ".join(part.split())) for part in re.split(r"\n\s*\n", (text or "").strip()) if part]


def _heading(name: str, section: int, what: str) -> list[str]:
    return [
        f'.\\" {MADE}',
        f'.TH {roff(name.upper())} {section} "" "elaaoms {__version__}" "elaaoms"',
        ".SH NAME",
        f"{roff(name)} \\- {what}",
    ]


def _program() -> Iterator[str]:
    yield from _heading("elaaoms", 1, "gives ElevenLabs voice agents a memory of their callers")
    yield from (".SH SYNOPSIS", r"\fBelaaoms\fR [\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGS\fR]...")
    yield ".SH DESCRIPTION"
    yield _prose(
        "elaaoms answers the webhooks of ElevenLabs before, during and after a call: it knows who calls, finds what"
        " the agent asks for, and remembers what the caller said. It is one process with one SQLite database;"
        " `elaaoms serve` runs it, `elaaoms install-service` makes a systemd service of it."
    )
    yield ".SH OPTIONS"
    yield from _options(main, _context())
    yield ".SH COMMANDS"
    for name, command in commands():
        yield from _command(name, command)
    yield ".SH EXIT STATUS"
    for code, meaning in STATUS.items():
        yield from (".TP", rf"\fB{code}\fR", roff(meaning))
    yield ".SH ENVIRONMENT"
    yield from (".TP", r"\fBELAAOMS_CONFIG\fR", "The configuration file, where no option names it.")
    yield from (".TP", r"\fBELAAOMS_\fINAME\fR, \fBELAAOMS_\fINAME\fB_FILE\fR")
    yield roff(f"A secret, or the file that it stands in. NAME is one of {', '.join(map(str.upper, NAMES))}.")
    yield from (".TP", r"\fBCREDENTIALS_DIRECTORY\fR", roff("Where systemd puts secrets; looked at first."))
    yield ".SH FILES"
    for path, meaning in FILES.items():
        yield from (".TP", rf"\fI{roff(path)}\fR", roff(meaning))
    yield ".SH EXAMPLES"
    for index, (meaning, lines) in enumerate(EXAMPLES.items()):
        yield from ([".PP"] if index else []) + [
            f"{roff(meaning)}:",
            ".PP",
            ".RS 4",
            ".nf",
            roff(lines),
            ".fi",
            ".RE",
        ]
    yield from (".SH SEE ALSO", r"\fBelaaoms.toml\fR(5), \fBsystemd.service\fR(5), \fBjournalctl\fR(1)")


def _context() -> click.Context:
    return click.Context(main, info_name="elaaoms", **main.context_settings)


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=_context())
    pieces = " ".join(rf"\fI{roff(piece)}\fR" for piece in command.collect_usage_pieces(context))
    yield from (".SS", rf"elaaoms {roff(name)} {pieces}")
    for index, paragraph in enumerate(_paragraphs(command.help)):
        yield from ([".PP"] if index else []) + [paragraph]
    if not isinstance(command, click.Group):
        yield from _options(command, context)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    asks = command.get_help_option(context)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        bare = isinstance(parameter, click.Argument) and not (record and record[1])
        if record is None or bare or (command is not main and parameter is asks):
            continue  # an argument is in the command's own words, --help is told once
        words = re.split(r"([ ,/]+)", record[0])
        names = [rf"\fB{roff(word)}\fR" if word.startswith("-") else roff(word) for word in words]
        yield from (".TP", "".join(names), _prose(" ".join(record[1].split())) or r"\&")


def _settings() -> Iterator[str]:
    yield from _heading("elaaoms.toml", 5, "settings of elaaoms")
    yield ".SH DESCRIPTION"
    yield _prose(
        "A TOML file. Every setting is shown at its default; one left out means just that, an unknown one is an"
        " error. Secrets do not stand in it but in files beside it, see elaaoms(1). `elaaoms init` writes the whole"
        " file with these comments, `elaaoms check` looks it through, and a restart of the service applies it."
    )
    comment: list[str] = []
    yield ".SH SETTINGS"
    for line in render().splitlines()[2:]:
        if line.startswith("# "):
            comment.append(line[2:])
            continue
        if line.startswith("["):
            yield from (f".SS {roff(line)}", _prose(" ".join(comment)))
        elif line:
            yield from (".TP", rf"\fB{roff(line)}\fR", _prose(" ".join(comment)))
        comment = []
    yield from (".SH SEE ALSO", r"\fBelaaoms\fR(1)")


def _completion(shell: str) -> str:
    made = get_completion_class(shell)
    assert made is not None
    text = made(main, {}, "elaaoms", "_ELAAOMS_COMPLETE").source().strip()
    first, _, rest = text.partition("\n")
    return f"{first}\n# {MADE}\n{rest}\n" if first.startswith("#compdef") else f"# {MADE}\n{text}\n"


if __name__ == "__main__":
    for path, text in pages().items():
        target = SHARE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        print(target)
