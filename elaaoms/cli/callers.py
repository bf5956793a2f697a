"""`elaaoms callers`: who calls, what there is about them, and how it is taken away."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import click

from elaaoms.cli.base import awaits, config_option, json_option
from elaaoms.cli.desk import desk, local, plain, show
from elaaoms.compact import folds

ERASURE_S = 900.0  # other places may take their time


@click.group()
def callers() -> None:
    """Callers: a CALLER is a number in E.164, a user id or a caller key."""


def _path(caller: str) -> str:
    return f"/api/callers/{quote(caller, safe='')}"


@callers.command("list")
@config_option
@json_option
@click.option("--search", metavar="TEXT", help="Only those whose number, user id, key or name holds this.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@awaits
async def list_callers(config_path: Path, as_json: bool, search: str | None, limit: int) -> None:
    """Callers, by key; with --search the best matches, a hundred at most."""
    async with desk(config_path) as api:
        rows = await api.pages("/api/callers", "callers", limit=limit, params={"q": search})
    columns = {
        "CALLER": lambda row: row["address"],
        "KEY": lambda row: row["caller"],
        "CALLS": lambda row: row["calls"],
        "LANGUAGE": lambda row: row["language"],
        "LAST CALL": lambda row: local(row["last_seen"]),
    }
    show(rows, columns, as_json=as_json, nothing="Nobody has called.")


@callers.command("show")
@config_option
@json_option
@click.argument("caller")
@awaits
async def show_caller(config_path: Path, as_json: bool, caller: str) -> None:
    """One caller with everything that is remembered, superseded memories too."""
    async with desk(config_path) as api:
        found = await api.call("GET", _path(caller))
        params = {"caller": found["caller"]}
        memories = await api.pages("/api/memories", "memories", limit=1000, params=params)
    if as_json:
        click.echo(json.dumps({**found, "memories": memories}, ensure_ascii=False, indent=2))
        return
    click.echo(f"{plain(found['address'])}  {found['caller']}")
    click.echo(f"{found['calls']} calls, {local(found['first_seen'])} to {local(found['last_seen'])}\n")
    columns = {
        "HEARD": lambda row: local(row["last_heard"]),
        "CATEGORY": lambda row: row["category"],
        "IMP": lambda row: row["importance"],
        "STATUS": lambda row: "conflict" if row["conflict_with"] else row["status"],
        "CONTENT": lambda row: row["content"],
    }
    show(memories, columns, as_json=False, nothing="Nothing is remembered.")


@callers.command("erase")
@config_option
@click.argument("caller")
@click.option("--yes", is_flag=True, help="Do not ask.")
@awaits
async def erase(config_path: Path, caller: str, yes: bool) -> None:
    """Remove every trace of a caller everywhere, and print the signed receipt."""
    async with desk(config_path) as api:
        found = await api.call("GET", _path(caller))
        if not yes:
            click.confirm(
                f"Erase {plain(found['address'])}, {found['calls']} calls, for good?", abort=True, err=True
            )
        receipt = await api.call("DELETE", _path(found["caller"]), timeout_s=ERASURE_S)
    click.echo(json.dumps(receipt, ensure_ascii=False, indent=2))
    for backup in receipt["backups_that_still_hold_it"]:
        click.echo(f"Still in a backup: {backup}", err=True)


@callers.command("requests")
@config_option
@json_option
@click.option("--decline", type=int, metavar="ID", help="Close this request without an erasure.")
@awaits
async def requests(config_path: Path, as_json: bool, decline: int | None) -> None:
    """Callers who asked in a call to be forgotten, and nobody has answered yet."""
    async with desk(config_path) as api:
        if decline is not None:
            await api.call("POST", f"/api/requests/{decline}/decline")
            click.echo(f"Request {decline} is declined.")
            return
        rows = (await api.call("GET", "/api/requests", params={"limit": 100}))["requests"]
    columns = {
        "ID": lambda row: row["id"],
        "ASKED": lambda row: local(row["asked_at"]),
        "CALLER": lambda row: row["caller"],
        "CONVERSATION": lambda row: row["conversation_id"],
    }
    show(rows, columns, as_json=as_json, nothing="Nobody has asked to be forgotten.")


@callers.command("receipt")
@config_option
@click.argument("file", type=click.File("rb"))
@awaits
async def receipt(config_path: Path, file: IO[bytes]) -> None:
    """Check that a receipt was signed by this installation and not changed since."""
    try:
        body = json.loads(file.read())
    except ValueError as error:
        raise click.ClickException(f"{file.name} is not a receipt: {error}") from error
    async with desk(config_path) as api:
        answer = await api.call("POST", "/api/erasures/check", body=body)
    if not answer["genuine"]:
        raise click.ClickException("this receipt was not signed here, or it was changed")
    click.echo("The receipt is genuine.")


@callers.command("export")
@config_option
@click.argument("caller")
@click.option("--html", is_flag=True, help="A readable page instead of JSON.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Instead of the terminal."
)
def export(config_path: Path, caller: str, html: bool, output: Path | None) -> None:
    """Everything about a caller: memories with their evidence, calls with their transcripts."""
    from elaaoms.export import page  # noqa: PLC0415

    data = _exported(config_path, caller)
    text = page(data) if html else json.dumps(data, ensure_ascii=False, indent=2)
    if output is None:
        click.echo(text)
    else:
        output.touch(mode=0o600, exist_ok=True)
        output.write_text(text, encoding="utf-8")


@awaits
async def _exported(config_path: Path, caller: str) -> dict[str, Any]:
    async with desk(config_path) as api:
        return await api.call("GET", f"{_path(caller)}/export", timeout_s=ERASURE_S)


@callers.command("compact")
@config_option
@json_option
@click.argument("caller")
@click.option("--yes", is_flag=True, help="Fold them away, for good.")
@awaits
async def compact(config_path: Path, as_json: bool, caller: str, yes: bool) -> None:
    """Propose superseded and duplicate memories of CALLER to fold away; nothing changes without --yes.

    Never what is pinned, has an importance of 8 or more, or is contradicted.
    """
    async with desk(config_path) as api:
        found = await api.call("GET", _path(caller))
        # All of them: what ended a memory that is not looked at would let it stand again.
        memories = await api.pages(
            "/api/memories", "memories", limit=sys.maxsize, params={"caller": found["caller"]}
        )
        proposed = folds(memories)
        rows = []
        for fold in proposed:
            row = {"id": fold.memory["id"], "reason": fold.reason, "content": fold.memory["content"]}
            rows.append(row | {"kept": fold.kept["id"], "kept_content": fold.kept["content"], "folded": yes})
            if yes:  # what was pinned or said again since is refused there, and nothing further is folded
                await api.call("DELETE", f"/api/memories/{fold.memory['id']}", params={"unless_kept": "1"})
    columns = {
        "MEMORY": lambda row: row["id"],
        "WHY": lambda row: row["reason"],
        "CONTENT": lambda row: row["content"],
        "STAYS": lambda row: row["kept_content"],
    }
    show(rows, columns, as_json=as_json, nothing="There is nothing to fold.")
    if rows and not as_json:
        click.echo(f"Folded: {len(rows)}." if yes else "Nothing has changed; --yes folds them.")


@callers.command("merge")
@config_option
@click.argument("caller")
@click.argument("into")
@click.option("--yes", is_flag=True, help="Do not ask.")
@awaits
async def merge(config_path: Path, caller: str, into: str, yes: bool) -> None:
    """Make CALLER the same person as INTO: calls and memories, also of calls to come. It cannot be undone."""
    async with desk(config_path) as api:
        one, other = await api.call("GET", _path(caller)), await api.call("GET", _path(into))
        if not yes:
            click.confirm(
                f"Is {plain(one['address'])} the same person as {plain(other['address'])}?", abort=True
            )
        body = {"into": other["caller"]}
        merged = await api.call("POST", f"{_path(one['caller'])}/merge", body=body)
    click.echo(f"{plain(merged['address'])} has {merged['calls']} calls now.")
