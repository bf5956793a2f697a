"""`elaaoms usage`: what the language models took and what they cost."""

from __future__ import annotations

import json
from pathlib import Path

import click

from elaaoms.cli.base import awaits, config_option, json_option
from elaaoms.cli.desk import desk, show


@click.command()
@config_option
@json_option
@click.option(
    "--days", type=click.IntRange(1, 3660), default=7, show_default=True, help="Today included (UTC)."
)
@awaits
async def usage(config_path: Path, as_json: bool, days: int) -> None:
    """Tokens and costs by day, provider and model, and what today's budget leaves."""
    async with desk(config_path) as api:
        data = await api.call("GET", "/api/usage", params={"days": days})
    if as_json:
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
        return
    columns = {
        "DAY": lambda row: row["day"],
        "PROVIDER": lambda row: row["provider"],
        "MODEL": lambda row: row["model"],
        "CALLS": lambda row: row["calls"],
        "ANSWERS": lambda row: row["answers"],
        "IN": lambda row: row["input_tokens"],
        "CACHED": lambda row: row["cached_tokens"],
        "OUT": lambda row: row["output_tokens"],
        "USD": lambda row: f"{row['usd']:.4f}",
    }
    show(data["usage"], columns, as_json=False, nothing="No language model was asked.")
    today = data["today"]
    if today["paused"]:
        click.echo(f"Paused: {today['paused']}.")
    elif today["left_usd"] is not None:
        click.echo(
            f"Today {today['spent_usd']:.4f} of {today['daily_budget_usd']:.2f} US dollars are spent, "
            f"{today['left_usd']:.4f} are left."
        )
