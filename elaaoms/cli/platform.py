"""`elaaoms setup` and `backfill`: an agent is wired up, and what ElevenLabs has of the past is taken in."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from attrs import frozen

from elaaoms.backfill import FINISHED, Backfill, Report, estimate_usd, windows
from elaaoms.cli.desk import Desk, desk
from elaaoms.config import Config, Llm, Secrets, load, load_secrets
from elaaoms.elevenlabs import Listed, connected
from elaaoms.errors import ElaaomsError
from elaaoms.llm import Prices
from elaaoms.webhooks import AUDIO
from elaaoms.wiring import GREETING, SNIPPET, Journal, Setup, Wish

AUDIO_S = 900.0  # for a whole recording


def api_key(config: Config) -> str:
    """The key of ElevenLabs' API; ConfigError says how to give it."""
    secrets = load_secrets(config.folder, os.environ)
    secrets.require("elevenlabs_api_key")
    return str(secrets.get("elevenlabs_api_key"))


@frozen
class DeskIntake:
    """The intake of a daemon that runs, or of none."""

    desk: Desk

    async def missing(self, conversation_ids: Sequence[str], kind: str) -> frozenset[str]:
        """Ask which never arrived."""
        body = {"conversation_ids": list(conversation_ids), "type": kind}
        return frozenset((await self.desk.call("POST", "/api/calls/missing", body=body))["missing"])

    async def take(self, pieces: AsyncIterator[bytes]) -> None:
        """Bring an event."""
        await self.desk.call("POST", "/api/events", body=pieces, timeout_s=AUDIO_S)


async def backfill(
    config_path: Path,
    *,
    agent_id: str | None,
    since: datetime | None,
    dry_run: bool,
    audio: bool,
) -> bool:
    """Import past conversations; False if some could not be fetched."""
    config = load(config_path)
    key = api_key(config)
    now = time.time()
    after = since.replace(tzinfo=since.tzinfo or UTC).timestamp() if since else None
    async with connected(key, config.elevenlabs.api_url) as api, desk(config_path, create=True) as ours:
        work = Backfill(api, DeskIntake(ours))
        report = Report()
        todo: list[Listed] = []
        for start, end in windows(after, now):
            listed = await work.listed(after=start, before=end, agent_id=agent_id)
            finished = [one for one in listed if one.status == FINISHED]
            missing = await work.missing(finished)
            report.finished += len(finished)
            report.missing += len(missing)
            if dry_run:
                todo += missing
                continue
            await _fetch(work, missing, report, label=_label(start))
            if audio:
                await _audio(work, await work.missing(finished, AUDIO), report)
    if dry_run:
        click.echo(_estimate(report, todo, config.llm))
        return True
    click.echo(
        f"{report.finished} finished conversations, {report.finished - report.missing} were here already, "
        f"{report.fetched} fetched"
        + (f", {report.audio} recordings" if audio else "")
        + (f", {report.gone} deleted at ElevenLabs" if report.gone else "")
    )
    if report.failed:
        raise ElaaomsError(f"{report.failed} could not be fetched; run it again, it goes on where it stopped")
    return True


# -- setup -------------------------------------------------------------------------------


def wish_of(config: Config, secrets: Secrets, *, public_url: str | None = None, **flags: bool) -> Wish:
    """What this installation wants of an agent."""
    return Wish(
        public_url=(public_url or config.server.public_url).rstrip("/"),
        token=secrets.tool_token,
        stranger=config.greeting.stranger,
        greets=config.greeting.override_first_message,
        speaks=config.greeting.override_language,
        **flags,
    )


async def setup(
    config_path: Path,
    agent_id: str,
    *,
    public_url: str | None,
    dry_run: bool,
    undo: bool,
    edit_prompt: bool,
    workspace: bool,
) -> None:
    """Wire an agent up, or back."""
    config = load(config_path)
    key = api_key(config)
    secrets = load_secrets(config.folder, os.environ)
    journal = Journal.open(config.data)
    async with connected(key, config.elevenlabs.api_url) as api:
        work = Setup(api, journal, secret_file=secret_file(config), say=click.echo, dry_run=dry_run)
        if undo:
            await work.undo(agent_id)
            return
        if elsewhere := _elsewhere():
            click.echo(
                f"note: webhook_secret is read from {elsewhere}: add the new webhook's secret there", err=True
            )
        wish = wish_of(config, secrets, public_url=public_url, edit_prompt=edit_prompt, workspace=workspace)
        await work.wire(agent_id, wish)
    if not edit_prompt:
        click.echo(
            f"\nMake the agent's first message {GREETING} and add this to its prompt (or run setup with "
            f"--edit-prompt):\n\n{SNIPPET}\n"
        )
    if dry_run:
        click.echo("Nothing was changed.")


def secret_file(config: Config) -> Path:
    """Where webhook secrets are kept."""
    return config.folder / "secrets" / "webhook_secret"


def _elsewhere() -> str:
    """What outranks the file of webhook secrets, if anything does."""
    if (directory := os.environ.get("CREDENTIALS_DIRECTORY")) and (
        Path(directory) / "webhook_secret"
    ).exists():
        return directory
    return next(
        (name for name in ("ELAAOMS_WEBHOOK_SECRET_FILE", "ELAAOMS_WEBHOOK_SECRET") if name in os.environ), ""
    )


# -- backfill ----------------------------------------------------------------------------


async def _fetch(work: Backfill, missing: Sequence[Listed], report: Report, *, label: str) -> None:
    with click.progressbar(
        length=len(missing), label=label, file=sys.stderr, hidden=not sys.stderr.isatty() or not missing
    ) as bar:
        await work.fetch(missing, report, progress=lambda: bar.update(1))


async def _audio(work: Backfill, missing: Sequence[Listed], report: Report) -> None:
    with click.progressbar(
        length=len(missing),
        label="recordings",
        file=sys.stderr,
        hidden=not sys.stderr.isatty() or not missing,
    ) as bar:
        for one in missing:
            await work.fetch_audio(one, report)
            bar.update(1)


def _label(start: float | None) -> str:
    return "calls" if start is None else f"calls from {datetime.fromtimestamp(start, UTC):%Y-%m-%d}"


def _estimate(report: Report, todo: Sequence[Listed], llm: Llm) -> str:
    minutes = sum(one.duration_s for one in todo) / 60
    head = (
        f"{report.finished} finished conversations, {report.missing} of them missing here "
        f"({minutes:.0f} minutes of talk); nothing was fetched."
    )
    if llm.provider == "rules":
        return f'{head}\nExtraction costs nothing with llm.provider = "rules".'
    of = llm.openai if llm.provider == "openai" else llm.anthropic
    prices = Prices(of.price_in, of.price_cached, of.price_out)
    if prices == Prices():
        return f"{head}\nTo estimate the cost, set llm.{llm.provider}.price_in and price_out in elaaoms.toml."
    usd = estimate_usd(todo, prices)
    return f"{head}\nExtraction by {llm.provider} ({of.model}) will cost about {usd:.2f} US dollars."
