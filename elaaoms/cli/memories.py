"""`elaaoms memories`: what is remembered."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import click

from elaaoms.cli.base import awaits, config_option, json_option
from elaaoms.cli.desk import desk, local, plain, show

CATEGORIES = ("factual", "preference", "issue", "emotional", "relational")
STATUSES = ("active", "superseded", "forgotten")


@click.group()
def memories() -> None:
    """What is remembered of callers, with the words it rests on."""


@memories.command("list")
@config_option
@json_option
@click.option("--caller", help="A number in E.164, a user id or a caller key.")
@click.option("--agent", help="What this agent may use.")
@click.option("--conversation", help="What this call taught or confirmed.")
@click.option("--category", type=click.Choice(CATEGORIES))
@click.option("--status", type=click.Choice(STATUSES))
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@awaits
async def list_memories(
    config_path: Path,
    as_json: bool,
    caller: str | None,
    agent: str | None,
    conversation: str | None,
    category: str | None,
    status: str | None,
    limit: int,
) -> None:
    """Memories, newest first."""
    params = {
        "caller": caller,
        "agent": agent,
        "conversation": conversation,
        "category": category,
        "status": status,
    }
    async with desk(config_path) as api:
        rows = await api.pages("/api/memories", "memories", limit=limit, params=params)
    columns = {
        "HEARD": lambda row: local(row["last_heard"]),
        "CATEGORY": lambda row: row["category"],
        "IMP": lambda row: row["importance"],
        "STATUS": lambda row: "conflict" if row["conflict_with"] else row["status"],
        "CONTENT": lambda row: row["content"],
    }
    show(rows, columns, as_json=as_json, nothing="Nothing is remembered.")


@memories.command("show")
@config_option
@json_option
@click.argument("memory_id", metavar="ID")
@awaits
async def show_memory(config_path: Path, as_json: bool, memory_id: str) -> None:
    """One memory, and the words it rests on with the turns around them."""
    async with desk(config_path) as api:
        memory = await api.call("GET", f"/api/memories/{quote(memory_id, safe='')}")
    if as_json:
        click.echo(json.dumps(memory, ensure_ascii=False, indent=2))
        return
    scope = "shared with every agent" if memory["shared"] else f"heard by {', '.join(memory['heard_by'])}"
    click.echo(plain(memory["content"]))
    click.echo(f"{memory['category']}, importance {memory['importance']}, {memory['status']}, {scope}")
    for entry in memory["evidence"]:
        where = entry["conversation_id"] or "the operator"
        click.echo(f"\n{local(entry['heard_at'])}  {entry['effect']} by {where}")
        for turn in entry.get("turns", ()):
            mark = ">" if turn["turn"] == entry["turn"] else " "
            who = "caller" if turn["role"] == "user" else "agent"
            click.echo(f"  {mark} {turn['seconds']:5.0f}s {who:>6}: {plain(turn['text'])}")
        if entry.get("audio"):
            click.echo(f"    audio: {entry['audio']} at {entry['seconds']:.0f} s")


@memories.command("search")
@config_option
@json_option
@click.argument("query")
@click.option("--caller", required=True, help="A number in E.164, a user id or a caller key.")
@click.option("--agent", help="Only what this agent may use.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
@awaits
async def search(
    config_path: Path, as_json: bool, query: str, caller: str, agent: str | None, limit: int
) -> None:
    """A caller's memories by their relevance for QUERY."""
    async with desk(config_path) as api:
        params = {"caller": caller, "q": query, "agent": agent, "limit": limit}
        rows = (await api.call("GET", "/api/memories", params=params))["memories"]
    columns = {
        "RELEVANCE": lambda row: f"{row['relevance']:.2f}",
        "HEARD": lambda row: local(row["last_heard"]),
        "CATEGORY": lambda row: row["category"],
        "CONTENT": lambda row: row["content"],
    }
    show(rows, columns, as_json=as_json, nothing="Nothing fits.")
