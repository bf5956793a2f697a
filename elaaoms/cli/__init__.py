"""The `elaaoms` command: thin modules that parse, call and print."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from elaaoms import __version__
from elaaoms.cli.audit import audit
from elaaoms.cli.backup import backup, restore
from elaaoms.cli.base import awaits, config_option, innermost, json_option, stated
from elaaoms.cli.callers import callers
from elaaoms.cli.calls import calls
from elaaoms.cli.evaluate import evaluate
from elaaoms.cli.install import install_service, uninstall_service
from elaaoms.cli.jobs import jobs
from elaaoms.cli.memories import memories
from elaaoms.cli.migrate import migrate
from elaaoms.cli.openmemory import openmemory
from elaaoms.cli.replay import replay
from elaaoms.cli.usage import usage
from elaaoms.errors import AlreadyRunning, ConfigError, ElaaomsError, StorageFailed

DISK_FAILED, ALREADY_RUNNING, WRONG_CONFIG = 74, 75, 78  # sysexits(3), for systemd's RestartPreventExitStatus


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="elaaoms")
def main() -> None:
    """Give ElevenLabs voice agents a memory of their callers."""


@main.command()
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the data in this folder."
)
@click.option("--serve", "stay", is_flag=True, help="Stay up afterwards and print the addresses.")
@awaits
async def demo(keep: Path | None, stay: bool) -> None:
    """Play a caller who rings twice, with no keys, no configuration and no network."""
    from elaaoms.cli.demo import play  # noqa: PLC0415

    if not await play(keep=keep, stay=stay, say=click.echo):
        raise click.exceptions.Exit(1)


@main.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path(), metavar="[DIR]")
def init_folder(folder: Path) -> None:
    """Write a commented elaaoms.toml and fresh secrets into DIR; never overwrites."""
    from elaaoms.cli.init import write  # noqa: PLC0415

    with stated():
        for line in write(folder):
            click.echo(line)


@main.command()
@config_option
def serve(config_path: Path) -> None:
    """Run the daemon: the webhook server and the worker."""
    from elaaoms.cli.service import run  # noqa: PLC0415

    try:
        run(config_path)
    except BaseExceptionGroup as group:  # a failure of the worker or a listener comes as a group of one
        error = innermost(group)
        if not isinstance(error, ElaaomsError):
            raise
        _leave(error)
    except ElaaomsError as error:
        _leave(error)


def _leave(error: ElaaomsError) -> None:
    codes = {ConfigError: WRONG_CONFIG, AlreadyRunning: ALREADY_RUNNING, StorageFailed: DISK_FAILED}
    click.echo(f"Error: {error}", err=True)
    sys.exit(codes.get(type(error), 1))


@main.command()
@config_option
@click.option(
    "--backup",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Begin with this copy of the database; the present one is set aside.",
)
@awaits
async def recover(config_path: Path, backup: Path | None) -> None:
    """Rebuild calls and memories from the archived payloads; nothing is deleted.

    A damaged database is set aside first. The daemon must not run meanwhile.
    """
    from elaaoms.cli.service import recover as recovered  # noqa: PLC0415

    await recovered(config_path, backup)


@main.command()
@config_option
@json_option
@click.option("--live", is_flag=True, help="Ask the configured services for real (a few tokens each).")
@click.option("--agent", "agent_id", help="Compare this ElevenLabs agent's wiring (with --live).")
@click.option("--fix", is_flag=True, help="Mend what `elaaoms setup` wired and may safely be mended.")
@awaits
async def check(config_path: Path, as_json: bool, live: bool, agent_id: str | None, fix: bool) -> None:
    """Validate the configuration, the secrets, the data, the disk and the ports; --live the services too."""
    from elaaoms.cli.service import check as checked  # noqa: PLC0415

    if fix and not agent_id:
        raise click.UsageError("--fix needs --agent")
    live = live or agent_id is not None
    if not await checked(config_path, as_json=as_json, live=live, agent_id=agent_id, fix=fix):
        raise click.exceptions.Exit(1)


@main.command()
@config_option
@click.argument("file", type=click.File("rb"))
@click.option("--url", help="Where to post it; without a path, /webhook/post-call is added.")
@awaits
async def send(config_path: Path, file: Any, url: str | None) -> None:
    """Sign FILE the way ElevenLabs does and post it; `-` reads standard input."""
    from elaaoms.cli.service import send as sent  # noqa: PLC0415

    if not await sent(config_path, file, url):
        raise click.exceptions.Exit(1)


@main.command()
@config_option
@click.argument("agent_id", metavar="AGENT_ID")
@click.option("--public-url", help="Where ElevenLabs reaches this server; default is server.public_url.")
@click.option("--dry-run", is_flag=True, help="Print what would be changed.")
@click.option(
    "--edit-prompt", is_flag=True, help="Put the variables into the prompt and the first message too."
)
@click.option(
    "--workspace", is_flag=True, help="Point every agent of the workspace here, not this one alone."
)
@click.option("--undo", is_flag=True, help="Give the agent back what it had before.")
@awaits
async def setup(
    config_path: Path,
    agent_id: str,
    public_url: str | None,
    dry_run: bool,
    edit_prompt: bool,
    workspace: bool,
    undo: bool,
) -> None:
    """Wire an ElevenLabs agent up: secret, tool, webhooks. Running it again changes nothing."""
    from elaaoms.cli import platform  # noqa: PLC0415

    await platform.setup(
        config_path,
        agent_id,
        public_url=public_url,
        dry_run=dry_run,
        undo=undo,
        edit_prompt=edit_prompt,
        workspace=workspace,
    )


@main.command()
@config_option
@click.option("--agent", "agent_id", help="Only conversations with this agent.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Only conversations since this day (UTC).")
@click.option("--dry-run", is_flag=True, help="Count, and estimate what extraction will cost.")
@click.option("--audio", is_flag=True, help="Fetch recordings too.")
@awaits
async def backfill(
    config_path: Path, agent_id: str | None, since: datetime | None, dry_run: bool, audio: bool
) -> None:
    """Import past conversations from ElevenLabs, oldest first; run again, it goes on where it stopped."""
    from elaaoms.cli import platform  # noqa: PLC0415

    await platform.backfill(config_path, agent_id=agent_id, since=since, dry_run=dry_run, audio=audio)


@main.command()
@config_option
@click.option("--agent", "agent_id", help="Point this agent at the tunnel, and back again at the end.")
@click.option(
    "--ngrok",
    "binary",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The ngrok program; default is the one in the PATH.",
)
@click.option("--download", is_flag=True, help="Let ngrok be downloaded if it is not there.")
@awaits
async def tunnel(config_path: Path, agent_id: str | None, binary: Path | None, download: bool) -> None:
    """Serve through an ngrok tunnel, or open one to the daemon that runs already."""
    from elaaoms.cli.tunnel import run  # noqa: PLC0415

    await run(config_path, agent_id=agent_id, binary=binary, download=download)


main.add_command(audit)
main.add_command(backup)
main.add_command(callers)
main.add_command(calls)
main.add_command(evaluate)
main.add_command(install_service)
main.add_command(jobs)
main.add_command(memories)
main.add_command(migrate)
main.add_command(openmemory)
main.add_command(replay)
main.add_command(restore)
main.add_command(uninstall_service)
main.add_command(usage)
