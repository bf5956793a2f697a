"""`elaaoms openmemory`: the copy of the memories in OpenMemory."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from elaaoms.cli.base import awaits, config_option, json_option
from elaaoms.cli.desk import Desk, desk
from elaaoms.errors import ElaaomsError

KINDS = ("missing", "altered", "misplaced", "stray", "foreign")
MEANING = {
    "missing": "not there",
    "altered": "other than it was sent",
    "misplaced": "under another caller",
    "stray": "a copy that nothing wants",
    "foreign": "written by another application",
}


@click.group()
def openmemory() -> None:
    """The copy of the memories in OpenMemory."""


@openmemory.command()
@config_option
@json_option
@awaits
async def status(config_path: Path, as_json: bool) -> None:
    """What it is owed, and whether it answers."""
    async with desk(config_path) as api:
        found = await api.call("GET", "/api/openmemory")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{found['url']}, {found['dialect'] or 'unknown'} dialect, store = {found['store']}")
    waits = f", the oldest for {found['lag_s']} s" if found["owed"] else ""
    click.echo(f"{found['owed']} changes are owed{waits}")
    for name in ("trouble", "resting"):
        if found[name]:
            click.echo(f"{name}: {found[name]}")


@openmemory.command()
@config_option
@awaits
async def push(config_path: Path) -> None:
    """Deliver what is owed, now."""
    async with desk(config_path) as api:
        await _push(api)


@openmemory.command()
@config_option
@click.option(
    "--from", "offset", type=click.IntRange(0), default=0, help="Go on where an earlier pull ended."
)
@awaits
async def pull(config_path: Path, offset: int) -> None:
    """Import what other applications wrote there; what was imported before is skipped."""
    read = imported = 0
    skipped: Counter[str] = Counter()
    following: int | None = offset
    async with desk(config_path) as api:
        while following is not None:
            try:
                page = await api.call("POST", "/api/openmemory/pull", params={"offset": following})
            except ElaaomsError as error:
                raise ElaaomsError(f"{error} (`--from {following}` goes on)") from error
            following = page["next"]
            read += page["read"]
            imported += page["imported"]
            skipped.update(page["skipped"])
            _progress(f"{read} read, {imported} imported", last=following is None)
    click.echo(f"{imported} memories imported of {read} read.")
    for reason, count in skipped.items():
        click.echo(f"{count} skipped: {reason}.")


@openmemory.command()
@config_option
@json_option
@awaits
async def verify(config_path: Path, as_json: bool) -> None:
    """Compare every memory on both sides; exit code 1 if anything of ours is not as it should be."""
    async with desk(config_path) as api:
        found = await api.call("GET", "/api/openmemory/verify")
    _show(found, as_json=as_json)
    if not found["sound"]:
        raise click.exceptions.Exit(1)


@openmemory.command()
@config_option
@awaits
async def repair(config_path: Path) -> None:
    """Verify, and mend what is missing, altered, misplaced or stray; what others wrote stays."""
    async with desk(config_path) as api:
        _show(await api.call("POST", "/api/openmemory/repair"), as_json=False)
        await _push(api)


async def _push(api: Desk) -> None:
    owed = (await api.call("GET", "/api/openmemory"))["owed"]
    total = owed
    while owed:
        left = (await api.call("POST", "/api/openmemory/push"))["owed"]
        total = max(total, left)
        _progress(f"{total - left} of {total} delivered", last=not left)
        owed = left
    click.echo("Everything is delivered." if total else "Nothing is owed.")


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(
        f"{found['memories']} memories here, {found['items']} items there, {found['owed']} on their way."
    )
    for kind in KINDS:
        click.echo(f"{found['counts'][kind]:>6} {kind} ({MEANING[kind]})")
        for entry in found[kind][:20]:
            click.echo(f"       {entry['memory'] or '-'}  {entry['remote'] or '-'}")


def _progress(text: str, *, last: bool) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{text}", nl=last, err=True)
