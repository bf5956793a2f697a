"""`elaaoms install-service` and `uninstall-service`: systemd units for this installation."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import click

from elaaoms import units
from elaaoms.cli.base import stated
from elaaoms.config import NAMES, Config, load
from elaaoms.errors import ElaaomsError

SYSTEM_CONFIG = Path("/etc/elaaoms/elaaoms.toml")
SYSTEM_DATA = Path("/var/lib/elaaoms")
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - what ProtectHome= and PrivateTmp= hide

_user = click.option("--user", is_flag=True, help="For this user's own service manager, without root.")
_folder = click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Another folder for the units."
)
_config = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file that the service reads.  [default: /etc/elaaoms/elaaoms.toml, with --user"
    " ~/.config/elaaoms/elaaoms.toml]",
)


@click.command("install-service")
@_config
@_user
@_folder
def install_service(config_path: Path | None, user: bool, folder: Path | None) -> None:
    """Write elaaoms.service, its sockets and a nightly backup, with the paths of this installation."""
    with stated():
        config_path = (
            config_path or (_home() / "elaaoms/elaaoms.toml" if user else SYSTEM_CONFIG)
        ).absolute()
        config = load(config_path)
        place = _place(config, config_path, user=user)
        if config.data != place.data:
            _move_data(config_path, place.data)
        for path in units.write(folder or _default(user), place):
            click.echo(f"wrote {path}")
        manager = "systemctl --user" if user else "systemctl"
        click.echo("Next:")
        click.echo(f"  {manager} daemon-reload")
        click.echo(f"  {manager} enable --now elaaoms.socket elaaoms.service elaaoms-backup.timer")
        click.echo(f"  elaaoms check -c {config_path}")
        if user:
            click.echo("  loginctl enable-linger    so that it runs while you are not logged in")


@click.command("uninstall-service")
@_user
@_folder
def uninstall_service(user: bool, folder: Path | None) -> None:
    """Remove the units that install-service wrote; configuration and data stay."""
    with stated():
        manager = "systemctl --user" if user else "systemctl"
        removed = units.remove(folder or _default(user))
        for path in removed:
            click.echo(f"removed {path}")
        if not removed:
            click.echo("There are no units of elaaoms.")
            return
        click.echo(
            f"Next: {manager} stop elaaoms.socket elaaoms.service elaaoms-backup.timer; {manager} daemon-reload"
        )


def _place(config: Config, config_path: Path, *, user: bool) -> units.Place:
    program = Path(sys.prefix) / "bin" / "elaaoms"
    if not program.exists():
        raise ElaaomsError(f"{program} does not exist; install elaaoms into a virtual environment first")
    if not user:
        for what, path in (("elaaoms is installed", program), ("the configuration lies", config_path)):
            if str(path).startswith(tuple(f"{hidden}/" for hidden in _HIDDEN)):
                raise ElaaomsError(
                    f"{what} in {path.parent}, where the service may not look; use /opt and /etc, or --user"
                )
    server = config.server
    if 0 in (server.port, server.admin_port):
        raise ElaaomsError("server.port and server.admin_port must be numbers for a service, not 0")
    return units.Place(
        program=program,
        config=config_path,
        data=config.data if user or config.data_dir.startswith("/") else SYSTEM_DATA,
        secrets=[name for name in NAMES if (config_path.parent / "secrets" / name).exists()],
        host=server.host,
        port=server.port,
        admin_host=server.admin_host,
        admin_port=server.admin_port,
        user=user,
    )


def _move_data(config_path: Path, data: Path) -> None:
    """Name the service's state directory in the configuration, so that commands find the same data."""
    text = config_path.read_text(encoding="utf-8")
    changed, count = re.subn(r'(?m)^data_dir = "data"$', f'data_dir = "{data}"', text)
    if count != 1:
        raise ElaaomsError(f'set data_dir = "{data}" in {config_path}: the service can write nowhere else')
    partial = config_path.with_suffix(".part")
    partial.write_text(changed, encoding="utf-8")
    partial.chmod(config_path.stat().st_mode)
    os.replace(partial, config_path)
    click.echo(f'{config_path}: data_dir is "{data}" now')


def _default(user: bool) -> Path:
    return _home() / "systemd" / "user" if user else units.SYSTEM


def _home() -> Path:
    """The user's own folder of settings (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
