"""`elaaoms calls`: conversations, what they taught, and what could not be understood."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import click

from elaaoms.cli.base import awaits, config_option, json_option, since_option, until_option
from elaaoms.cli.desk import desk, local, show

STATUSES = ("queued", "processing", "completed", "nothing", "failed")


@click.group()
def calls() -> None:
    """Conversations, and what was remembered of them."""


@calls.command("list")
@config_option
@json_option
@click.option("--caller", help="A number in E.164, a user id or a caller key.")
@click.option("--agent", help="Only calls with this agent.")
@click.option("--status", type=click.Choice(STATUSES), help="Only what became this.")
@since_option
@until_option
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@awaits
async def list_calls(
    config_path: Path,
    as_json: bool,
    caller: str | None,
    agent: str | None,
    status: str | None,
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """Calls, newest first; --since and --until are when they began."""
    params = {"caller": caller, "agent": agent, "status": status, "since": since, "until": until}
    async with desk(config_path) as api:
        rows = await api.pages("/api/calls", "calls", limit=limit, params=params)
    columns = {
        "STARTED": lambda row: local(row["started_at"]),
        "CONVERSATION": lambda row: row["conversation_id"],
        "AGENT": lambda row: row["agent_id"],
        "VIA": lambda row: row["channel"],
        "SECONDS": lambda row: round(row["duration_s"]),
        "EXTRACTION": lambda row: row["failure"] or row["extraction_status"],
    }
    show(rows, columns, as_json=as_json, nothing="There are no calls.")


@calls.command("show")
@config_option
@click.argument("conversation_id", metavar="CONVERSATION")
@awaits
async def show_call(config_path: Path, conversation_id: str) -> None:
    """One call as JSON: what arrived about it, what it taught, what was dropped and why."""
    async with desk(config_path) as api:
        call = await api.call("GET", f"/api/calls/{conversation_id}")
    click.echo(json.dumps(call, ensure_ascii=False, indent=2))


@calls.command("reprocess")
@config_option
@click.argument("conversation_ids", metavar="CONVERSATION...", nargs=-1, required=True)
@awaits
async def reprocess(config_path: Path, conversation_ids: tuple[str, ...]) -> None:
    """Extract archived calls again with what is configured now; what they taught is replaced."""
    async with desk(config_path) as api:
        for conversation_id in conversation_ids:
            job = await api.call("POST", f"/api/calls/{quote(conversation_id, safe='')}/reprocess")
            click.echo(f"{conversation_id}: job {job['job_id']}")


@calls.command("held")
@config_option
@json_option
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True, help="How many at most.")
@awaits
async def held(config_path: Path, as_json: bool, limit: int) -> None:
    """Bodies that were correctly signed but could not be understood, newest first."""
    async with desk(config_path) as api:
        rows = (await api.call("GET", "/api/held", params={"limit": limit}))["held"]
    columns = {
        "RECEIVED": lambda row: local(row["received_at"]),
        "BYTES": lambda row: row["size"],
        "FILE": lambda row: row["path"],
        "REASON": lambda row: row["reason"],
    }
    show(rows, columns, as_json=as_json, nothing="Nothing is held.")
