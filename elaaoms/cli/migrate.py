"""`elaaoms migrate`: the upgrade that every start does by itself, alone or rehearsed."""

from __future__ import annotations

from pathlib import Path

import click

from elaaoms.cli.base import awaits, config_option
from elaaoms.config import load


@click.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Upgrade a copy, look it through, and throw it away.")
@awaits
async def migrate(config_path: Path, dry_run: bool) -> None:
    """Bring the database to this program's schema while no daemon runs, as a start of the daemon would.

    It is copied into backups/ beside it first.
    """
    from elaaoms import backup  # noqa: PLC0415
    from elaaoms.database import Database  # noqa: PLC0415
    from elaaoms.datadir import alone  # noqa: PLC0415

    config = load(config_path)
    if dry_run:
        version, missing = backup.rehearse(config.data)
        click.echo(_said(version, missing, "would be applied, and a copy took them"))
        return
    with alone(config.data):
        version, missing = backup.rehearse(config.data)
        async with Database.open(config.data / backup.DATABASE):
            click.echo(_said(version, missing, f"are applied; the old one is in {config.data / 'backups'}"))


def _said(version: int, missing: list[int], what: str) -> str:
    if not missing:
        return f"The database has schema {version}, the newest that this program knows."
    numbers = ", ".join(map(str, missing))
    return f"The database had schema {version}; migrations {numbers} {what}."
