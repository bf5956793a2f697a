"""`elaaoms jobs`: the queue."""

from __future__ import annotations

import json
from pathlib import Path

import click

from elaaoms.cli.base import awaits, config_option, json_option
from elaaoms.cli.desk import desk, local, show

STATES = ("available", "running", "completed", "failed", "cancelled")


@click.group()
def jobs() -> None:
    """The queue of background work."""


@jobs.command("list")
@config_option
@json_option
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@awaits
async def list_jobs(config_path: Path, as_json: bool, state: str | None, limit: int) -> None:
    """Jobs, newest first."""
    async with desk(config_path) as api:
        rows = await api.pages("/api/jobs", "jobs", limit=limit, params={"state": state})
    columns = {
        "ID": lambda row: row["id"],
        "KIND": lambda row: row["kind"],
        "STATE": lambda row: row["state"],
        "ATTEMPT": lambda row: f"{row['attempt']}/{row['max_attempts']}",
        "DUE": lambda row: local(row["run_at"]) if row["state"] == "available" else local(row["finished_at"]),
        "LAST ERROR": lambda row: row["errors"][-1]["reason"] if row["errors"] else "",
    }
    show(rows, columns, as_json=as_json, nothing="The queue is empty.")


@jobs.command("show")
@config_option
@click.argument("job_id", type=click.IntRange(1), metavar="ID")
@awaits
async def show_job(config_path: Path, job_id: int) -> None:
    """One job as JSON, with what went wrong."""
    async with desk(config_path) as api:
        click.echo(json.dumps(await api.call("GET", f"/api/jobs/{job_id}"), ensure_ascii=False, indent=2))


@jobs.command("retry")
@config_option
@click.argument("job_ids", type=click.IntRange(1), nargs=-1, metavar="[ID]...")
@click.option("--failed", is_flag=True, help="Everything that failed.")
@awaits
async def retry(config_path: Path, job_ids: tuple[int, ...], failed: bool) -> None:
    """Make jobs due now, with fresh attempts."""
    if bool(job_ids) == failed:
        raise click.UsageError("name the jobs, or use --failed for everything that failed")
    async with desk(config_path) as api:
        if failed:
            count = (await api.call("POST", "/api/jobs/retry"))["retried"]
            click.echo(f"{count} job{'' if count == 1 else 's'} queued again.")
        for job_id in job_ids:
            await api.call("POST", f"/api/jobs/{job_id}/retry")
            click.echo(f"Job {job_id} is queued again.")


@jobs.command("cancel")
@config_option
@click.argument("job_ids", type=click.IntRange(1), nargs=-1, required=True, metavar="ID...")
@awaits
async def cancel(config_path: Path, job_ids: tuple[int, ...]) -> None:
    """Give up jobs that are not running; their calls stay in the archive."""
    async with desk(config_path) as api:
        for job_id in job_ids:
            await api.call("POST", f"/api/jobs/{job_id}/cancel")
            click.echo(f"Job {job_id} is cancelled.")
