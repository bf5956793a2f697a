"""`elaaoms replay`: archived calls again under another model, and what would be different."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from elaaoms.cli.base import awaits, config_option, json_option
from elaaoms.cli.desk import desk, plain
from elaaoms.config import PROVIDERS

TIMEOUT_S = 900.0  # for one call; a long one takes several requests to the model


@click.command()
@config_option
@json_option
@click.argument("conversations", metavar="[CONVERSATION]...", nargs=-1)
@click.option("--provider", type=click.Choice(PROVIDERS), help="Instead of llm.provider.")
@click.option("--model", help="Instead of the provider's configured model.")
@click.option("--caller", help="Only calls of this caller, when no conversation is named.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Newest calls to read.")
@click.option("--dry-run", is_flag=True, help="Only show the difference.")
@click.option("--yes", is_flag=True, help="Adopt without asking.")
@awaits
async def replay(
    config_path: Path,
    as_json: bool,
    conversations: tuple[str, ...],
    provider: str | None,
    model: str | None,
    caller: str | None,
    limit: int,
    dry_run: bool,
    yes: bool,
) -> None:
    """Read archived calls again with another model, and show what it would remember instead.

    Without CONVERSATION the newest calls are read. Nothing is changed before you have seen the
    difference and said yes; --dry-run does not ask. The models' answers are paid for and in the ledger.
    """
    wanted = {"provider": provider, "model": model}
    async with desk(config_path) as api:
        if not conversations:
            rows = await api.pages("/api/calls", "calls", limit=limit, params={"caller": caller})
            conversations = tuple(
                row["conversation_id"] for row in rows if row["duration_s"] or row["job_id"]
            )
        done = []
        for conversation in conversations:
            body = {"conversation_id": conversation, "adopt": yes and not dry_run, **wanted}
            done.append(await api.call("POST", "/api/replay", body=body, timeout_s=TIMEOUT_S))
            if not as_json:
                _tell(done[-1])
        changed = [entry for entry in done if entry["added"] or entry["removed"] or entry["reworded"]]
        if not as_json:
            _sum_up(done)
        adopted = yes and not dry_run
        if changed and not (dry_run or yes or as_json):
            adopted = click.confirm(f"Adopt the new reading of {len(changed)} calls?", default=False)
            for entry in changed if adopted else ():
                body = {"conversation_id": entry["conversation_id"], "adopt": True, **wanted}
                await api.call("POST", "/api/replay", body=body, timeout_s=TIMEOUT_S)
    if as_json:
        click.echo(json.dumps(done, ensure_ascii=False, indent=2))
    elif changed:
        click.echo("Adopted." if adopted else "Nothing was changed.")


def _tell(entry: Mapping[str, Any]) -> None:
    before, after = entry["before"], entry["after"]
    click.echo(
        f"{entry['conversation_id']}: {before['facts']} facts before, {after['facts']} now,"
        f" {len(entry['same'])} the same, {entry['usd']:.4f} US dollars"
    )
    for pair in entry["reworded"]:
        click.echo(f"  ~ {plain(pair['before'])}\n    {plain(pair['after'])}")
    for sign, name in (("-", "removed"), ("+", "added")):
        for content in entry[name]:
            click.echo(f"  {sign} {plain(content)}")
    for reason, count in after["dropped"].items():
        click.echo(f"    dropped {count}: {reason}")


def _sum_up(done: list[dict[str, Any]]) -> None:
    if not done:
        click.echo("There are no calls.")
        return
    by = " ".join(filter(None, (done[0]["provider"], done[0]["model"])))
    click.echo(f"\n{len(done)} calls by {by}, {sum(entry['usd'] for entry in done):.4f} US dollars")
    for name, words in (("before", "before"), ("after", "now")):
        facts = sum(entry[name]["facts"] for entry in done)
        dropped = sum(sum(entry[name]["dropped"].values()) for entry in done)
        share = facts / (facts + dropped) if facts + dropped else 1.0
        click.echo(f"{words:>7}: {facts} facts, {dropped} dropped, groundedness {share:.1%}")
