"""`elaaoms backup` and `restore`: a copy of everything while it is used, and the way back."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from elaaoms.cli.base import config_option, stated
from elaaoms.config import load
from elaaoms.errors import ElaaomsError


@click.command()
@config_option
@click.argument("target", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--payloads", is_flag=True, help="Put the archived calls in as well; FILE becomes a tar archive."
)
@click.option(
    "--age", "recipient", metavar="RECIPIENT", help="Encrypt for this public key, by the age program."
)
@click.option(
    "--keep",
    type=click.IntRange(1),
    help="In a FOLDER, which is made if need be, delete all but the newest of this many backups.",
)
def backup(config_path: Path, target: Path, payloads: bool, recipient: str | None, keep: int | None) -> None:
    """Write a consistent copy of the database, while the daemon runs or not.

    The copy is opened and checked before it gets its name. In a FOLDER it is named by its time.
    """
    from elaaoms import backup as copies  # noqa: PLC0415

    with stated():
        if keep is not None:
            _made(target)
        config = load(config_path)
        folder = target if target.is_dir() else None
        if folder is not None:
            target = folder / copies.name(payloads=payloads, encrypted=recipient is not None, now=time.time())
        shows = sys.stderr.isatty()
        done = copies.back_up(
            config.data,
            target,
            payloads=payloads,
            recipient=recipient,
            progress=lambda files: click.echo(f"\r{files} bodies", err=True, nl=False) if shows else None,
        )
        bodies = f", {done.payloads} archived bodies" if done.payloads is not None else ""
        secret = ", encrypted" if done.encrypted else ""
        click.echo(
            f"{done.path}: {done.calls} calls, {done.memories} memories{bodies}, schema {done.schema},"
            f" {done.size / 1e6:.1f} MB{secret}"
        )
        for path in copies.keep_newest(folder, keep) if folder is not None and keep is not None else ():
            click.echo(f"{path} is deleted")


def _made(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        raise click.UsageError("--keep needs a folder, not a file") from None
    except OSError as error:
        raise ElaaomsError(f"{folder} cannot be made: {error.strerror}") from error


@click.command()
@config_option
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--identity",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The age identity file that opens an encrypted backup.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(config_path: Path, source: Path, identity: Path | None, yes: bool) -> None:
    """Put a backup in the place of the database while no daemon runs; the old one is kept beside it.

    Calls that were archived after the backup are recorded and read again when the daemon starts.
    """
    from elaaoms import backup as copies  # noqa: PLC0415
    from elaaoms.datadir import alone, whereabouts  # noqa: PLC0415

    with stated():
        config = load(config_path)
        if whereabouts(config.data) is not None:
            raise ElaaomsError("a daemon runs on this data; stop it first")
        if not yes:
            click.confirm(f"Put {source} in the place of the database in {config.data}?", abort=True)
        with alone(config.data):
            done = copies.restore(config.data, source, identity=identity)
        bodies = f", {done.payloads} archived bodies added" if done.payloads else ""
        click.echo(f"Restored: {done.calls} calls, {done.memories} memories{bodies}, schema {done.schema}.")
        click.echo("What was archived since is recorded when the daemon starts.")
