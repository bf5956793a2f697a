"""How commands reach the data: through the daemon that holds it, or through the same API without one."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import click
from attrs import frozen

from elaaoms.config import Config, load, load_secrets
from elaaoms.errors import ElaaomsError

PAGE = 100


@frozen
class Desk:
    """The admin API."""

    session: aiohttp.ClientSession

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | None] | None = None,
        body: Any = None,
        content: bytes | None = None,
        timeout_s: float = 60.0,
    ) -> dict[str, Any]:
        """The `data` of an answer; ElaaomsError with the API's own sentence for an error.

        A body is sent as JSON, or as it is if it comes in pieces.
        """
        given = {name: str(value) for name, value in (params or {}).items() if value is not None}
        sent: dict[str, Any] = {"params": given, "timeout": aiohttp.ClientTimeout(total=timeout_s)}
        if isinstance(body, AsyncIterator):
            sent |= {"data": body, "headers": {"Content-Type": "application/json"}}
        elif body is not None:
            sent["json"] = body
        elif content is not None:
            sent["data"] = content
        try:
            async with self.session.request(method, path, **sent) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ElaaomsError(f"the daemon did not answer ({type(error).__name__})") from error
        if answer.get("status") != "success":
            raise ElaaomsError(answer.get("message") or f"the daemon answered {response.status}")
        return dict(answer["data"])

    async def pages(
        self, path: str, name: str, *, limit: int, params: Mapping[str, str | int | None]
    ) -> list[dict[str, Any]]:
        """Up to `limit` entries of a paged listing."""
        found: list[dict[str, Any]] = []
        after: str | None = None
        while len(found) < limit:
            data = await self.call(
                "GET", path, params={**params, "limit": min(PAGE, limit - len(found)), "after": after}
            )
            found += data[name]
            after = data.get("next")
            if after is None:
                break
        return found


@asynccontextmanager
async def desk(config_path: Path, *, create: bool = False) -> AsyncIterator[Desk]:
    """The admin API of the running daemon, or of none: then this process holds the data meanwhile.

    Without data there is nothing to look at, unless the command is one that may `create` it.
    """
    from elaaoms.datadir import whereabouts  # noqa: PLC0415 - `--help` needs none of it

    config = load(config_path)
    place = whereabouts(config.data)
    for _ in range(20):  # another command, or a daemon that starts, holds the data for a moment
        if place is None or "admin_url" in place:
            break
        await asyncio.sleep(0.25)
        place = whereabouts(config.data)
    secrets = load_secrets(config.folder, os.environ)
    if place is None:
        from elaaoms import daemon  # noqa: PLC0415 - its imports are slow, and nobody needs them who asks a daemon

        async with (
            daemon.desk(config, secrets, create=create) as (url, token),
            _session(url, token) as session,
        ):
            yield Desk(session)
        return
    if "admin_url" not in place:
        raise ElaaomsError("another process holds the data and does not answer; try again in a moment")
    async with _session(place["admin_url"], secrets.admin_token) as session:
        yield Desk(session)


def _session(url: str, token: str) -> aiohttp.ClientSession:
    headers = {"Authorization": f"Bearer {token}"}
    return aiohttp.ClientSession(
        url, headers=headers, timeout=aiohttp.ClientTimeout(total=60), trust_env=False
    )


def show(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Callable[[Mapping[str, Any]], Any]],
    *,
    as_json: bool,
    nothing: str,
) -> None:
    """Print rows as aligned columns, or as they are as JSON."""
    if as_json:
        click.echo(json.dumps(list(rows), ensure_ascii=False, indent=2))
        return
    if not rows:
        click.echo(nothing)
        return
    table = [list(columns)] + [[_cell(value(row)) for value in columns.values()] for row in rows]
    widths = [max(len(line[column]) for line in table) for column in range(len(columns))]
    for line in table:
        cells = [cell.ljust(width) for cell, width in zip(line[:-1], widths[:-1], strict=True)]
        click.echo("  ".join([*cells, line[-1]]).rstrip())


def plain(text: str) -> str:
    """Text for a terminal: what callers said moves no cursor."""
    return "".join(c if c.isprintable() else " " for c in text)


def _cell(value: Any) -> str:
    return "" if value is None else plain(str(value))


def local(iso: str | None) -> str:
    """A time in the operator's zone, to the minute."""
    return "" if iso is None else datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M")


def settings(config_path: Path) -> Config:
    """The configuration, or all defaults where the default file does not exist."""
    return load(config_path) if config_path.exists() or config_path.name != "elaaoms.toml" else Config()
