"""What every command shares: its options, and how a stated failure ends it."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from elaaoms.errors import ElaaomsError

P = ParamSpec("P")
T = TypeVar("T")

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("elaaoms.toml"),
    envvar="ELAAOMS_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)
since_option = click.option("--since", help="From this day or time on, in ISO 8601 (UTC without a zone).")
until_option = click.option("--until", help="Before this day or time.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def awaits(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an async command; a stated failure is one sentence and exit code 1."""

    @wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> T:
        with stated():
            return asyncio.run(function(*args, **kwargs))

    return command


class stated:
    """Turn our errors into click's: one sentence on stderr, no traceback. Bugs keep theirs."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        error = innermost(error)
        if isinstance(error, ElaaomsError):
            raise click.ClickException(str(error)) from error
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO):
            raise click.ClickException(f"cannot write the output: {error.strerror}") from error
        if isinstance(error, KeyboardInterrupt):
            sys.exit(130)


def innermost(error: BaseException | None) -> BaseException | None:
    """The error in a group of one, which is how a TaskGroup reports it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
