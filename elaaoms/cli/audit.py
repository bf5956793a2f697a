"""`elaaoms audit`: who saw, shared, changed or removed what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from elaaoms.cli.base import awaits, config_option, json_option, since_option, until_option
from elaaoms.cli.desk import desk, local, show

FEW = 2


@click.command()
@config_option
@json_option
@click.argument("about", required=False)
@click.option("--agent", help="What this agent was shown and told.")
@click.option("--actor", help="What somebody did: admin, 'job 7', elaaoms.")
@since_option
@until_option
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@awaits
async def audit(
    config_path: Path,
    as_json: bool,
    about: str | None,
    agent: str | None,
    actor: str | None,
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """Who saw, shared, changed or removed memories, newest first.

    ABOUT is a caller, a memory, a conversation or an erasure; without it everything is listed.
    """
    if agent is not None and actor is not None:
        raise click.UsageError("an agent is an actor: use one of --agent and --actor")
    params = {"subject": about, "agent": agent, "actor": actor, "since": since, "until": until}
    async with desk(config_path) as api:
        rows = await api.pages("/api/audit", "entries", limit=limit, params=params)
    columns = {
        "WHEN": lambda row: local(row["at"]),
        "WHO": lambda row: row["actor"],
        "WHAT": lambda row: row["action"],
        "TIMES": lambda row: row["details"].get("times", ""),
        "CALLER": lambda row: " ".join(_of(row, "caller_")),
        "MEMORIES": lambda row: _few(_of(row, "mem_")),
    }
    show(rows, columns, as_json=as_json, nothing="Nothing is noted.")


def _few(ids: list[str]) -> str:
    """The first of them; all stand in the JSON."""
    more = f" and {len(ids) - FEW} more" if len(ids) > FEW else ""
    return " ".join(ids[:FEW]) + more


def _of(row: Mapping[str, Any], prefix: str) -> list[str]:
    return [subject for subject in row["subjects"] if subject.startswith(prefix)]
