"""`elaaoms memories`: what is remembered."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import IO
from urllib.parse import quote

import click

from elaaoms.cli.base import awaits, config_option, json_option, since_option, until_option
from elaaoms.cli.desk import desk, local, plain, show
from elaaoms.errors import ElaaomsError

CATEGORIES = ("factual", "preference", "issue", "emotional", "relational")
IMPORTED_AT_ONCE = 1000  # lines
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
@click.option("--category", type=click.Choice(CATEGORIES), help="Only memories of this kind.")
@click.option("--importance", type=click.IntRange(1, 10), help="Only memories that count so much or more.")
@click.option("--status", type=click.Choice(STATUSES), help="Only memories that stand so.")
@since_option
@until_option
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@awaits
async def list_memories(
    config_path: Path,
    as_json: bool,
    caller: str | None,
    agent: str | None,
    conversation: str | None,
    category: str | None,
    importance: int | None,
    status: str | None,
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """Memories, newest first; --since and --until are when they were first heard."""
    params = {
        "caller": caller,
        "agent": agent,
        "conversation": conversation,
        "category": category,
        "importance": importance,
        "status": status,
        "since": since,
        "until": until,
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


@memories.command("add")
@config_option
@click.argument("caller")
@click.argument("content")
@click.option(
    "--category",
    type=click.Choice(CATEGORIES),
    default="factual",
    show_default=True,
    help="What kind of memory it is.",
)
@click.option(
    "--importance",
    type=click.IntRange(1, 10),
    default=5,
    show_default=True,
    help="How much it matters.",
)
@click.option("--agent", help="Only this agent may use it, unless its importance makes it shared.")
@click.option("--date", "event_date", help="The day it speaks of, like 2026-11-02.")
@awaits
async def add(
    config_path: Path,
    caller: str,
    content: str,
    category: str,
    importance: int,
    agent: str | None,
    event_date: str | None,
) -> None:
    """Remember CONTENT of CALLER, a number in E.164, a user id or a caller key."""
    body = {
        "caller": caller,
        "content": content,
        "category": category,
        "importance": importance,
        "agent_id": agent,
        "event_date": event_date,
    }
    async with desk(config_path) as api:
        memory = await api.call("POST", "/api/memories", body=body)
    click.echo(f"{memory['id']}: {plain(memory['content'])}")


@memories.command("edit")
@config_option
@click.argument("memory_id", metavar="ID")
@click.argument("content", required=False)
@click.option("--category", type=click.Choice(CATEGORIES), help="Another kind.")
@click.option("--importance", type=click.IntRange(1, 10), help="Another importance.")
@awaits
async def edit(
    config_path: Path, memory_id: str, content: str | None, category: str | None, importance: int | None
) -> None:
    """Put CONTENT in a memory's place; the old words stay as a superseded memory."""
    given = {"content": content, "category": category, "importance": importance}
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise click.UsageError("give CONTENT, --category or --importance")
    async with desk(config_path) as api:
        memory = await api.call("PATCH", f"/api/memories/{quote(memory_id, safe='')}", body=body)
    click.echo(f"{memory['id']}: {plain(memory['content'])}")


@memories.command("pin")
@config_option
@click.argument("memory_id", metavar="ID")
@click.option("--off", is_flag=True, help="Unpin it.")
@awaits
async def pin(config_path: Path, memory_id: str, off: bool) -> None:
    """Keep a memory in front of all others in greetings."""
    async with desk(config_path) as api:
        await api.call("PATCH", f"/api/memories/{quote(memory_id, safe='')}", body={"pinned": not off})
    click.echo("Unpinned." if off else "Pinned.")


@memories.command("forget")
@config_option
@click.argument("memory_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@awaits
async def forget(config_path: Path, memory_ids: tuple[str, ...], yes: bool) -> None:
    """Forget memories and the words they rest on, for good; what they had ended stands again."""
    async with desk(config_path) as api:
        for memory_id in memory_ids:
            path = f"/api/memories/{quote(memory_id, safe='')}"
            memory = await api.call("GET", path)
            if not yes:
                click.confirm(f"Forget “{plain(memory['content'])}”?", abort=True)
            await api.call("DELETE", path)
            click.echo(f"{memory_id} is forgotten.")


@memories.command("restore")
@config_option
@click.argument("memory_id", metavar="ID")
@awaits
async def restore(config_path: Path, memory_id: str) -> None:
    """Undo an update: a superseded memory stands again, beside the one that ended it."""
    async with desk(config_path) as api:
        path = f"/api/memories/{quote(memory_id, safe='')}"
        before = await api.call("GET", path)
        memory = await api.call("POST", f"{path}/restore")
    click.echo(plain(memory["content"]))
    if before["superseded_by"]:
        click.echo(f"If what had ended it is wrong: elaaoms memories forget {before['superseded_by']}")


@memories.command("import")
@config_option
@click.argument("file", type=click.File("rb"))
@awaits
async def import_file(config_path: Path, file: IO[bytes]) -> None:
    """Remember what stands in FILE, JSON lines; a line whose "key" was imported before changes nothing.

    Each line: {"caller", "content", "category"?, "importance"?, "agent_id"?, "event_date"?, "key"?}.
    """
    totals: Counter[str] = Counter()
    lines = file.readlines()
    async with desk(config_path) as api:
        with click.progressbar(length=len(lines), label="Importing", file=sys.stderr) as bar:
            for start in range(0, len(lines), IMPORTED_AT_ONCE):
                piece = lines[start : start + IMPORTED_AT_ONCE]
                try:
                    done = await api.call(
                        "POST", "/api/memories/import", content=b"".join(piece), timeout_s=600
                    )
                except ElaaomsError as error:
                    raise ElaaomsError(_shifted(str(error), start)) from error
                totals.update({name: done[name] for name in ("imported", "unchanged")})
                bar.update(len(piece))
    click.echo(f"{totals['imported']} memories imported, {totals['unchanged']} were there before.")


def _shifted(message: str, start: int) -> str:
    """The API counts the lines of one request; the operator those of the file."""
    return re.sub(r"\bline (\d+)", lambda match: f"line {int(match[1]) + start}", message)


@memories.command("reembed")
@config_option
@click.option("--all", "anew", is_flag=True, help="Also those that have a vector of this model already.")
@awaits
async def reembed(config_path: Path, anew: bool) -> None:
    """Ask the embedding endpoint for the vectors that memories lack, now; the daemon does so in the background."""
    async with desk(config_path) as api:
        asked: dict[str, bool] = {"all": anew}
        with click.progressbar(length=0, label="Embedding", file=sys.stderr) as bar:
            while True:
                left = await api.call("POST", "/api/memories/reembed", body=asked, timeout_s=120)
                asked = {}
                bar.length = left["total"]
                bar.update(max(0, left["total"] - left["owed"] - bar.pos))
                if not left["owed"]:
                    break
    click.echo(f"{left['total']} memories have a vector of {left['model']}.")


@memories.command("search")
@config_option
@json_option
@click.argument("query")
@click.option("--caller", required=True, help="A number in E.164, a user id or a caller key.")
@click.option("--agent", help="Only what this agent may use.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="How many at most.")
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
