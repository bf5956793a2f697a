"""The systemd units: a locked-down service, the sockets it inherits, and a nightly backup; rendered from few paths."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from elaaoms.errors import ElaaomsError

MARK = "# Written by `elaaoms install-service`"
SYSTEM = Path("/etc/systemd/system")
SERVED = ("webhook_secret", "tool_token", "admin_token")

_SANDBOX = """\
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @mount @swap @reboot @raw-io @module @debug @cpu-emulation @obsolete
SystemCallFilter=~@clock @ipc @keyring @memlock @setuid @chown
SystemCallErrorNumber=EPERM
LimitCORE=0
"""
_CONFINED = """\
DynamicUser=yes
User=elaaoms
StateDirectory=elaaoms elaaoms/backups
StateDirectoryMode=0700
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateUsers=yes
DevicePolicy=closed
ProtectProc=invisible
ProcSubset=pid
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RemoveIPC=yes
KeyringMode=private
"""


@frozen(kw_only=True)
class Place:
    """Where elaaoms is installed: its program, its configuration, the secrets that are there, its data."""

    program: Path = Path("/opt/elaaoms/bin/elaaoms")
    config: Path = Path("/etc/elaaoms/elaaoms.toml")
    data: Path = Path("/var/lib/elaaoms")
    secrets: Sequence[str] = SERVED
    host: str = "127.0.0.1"
    port: int = 8000
    admin_host: str = "127.0.0.1"
    admin_port: int = 8001
    user: bool = False

    @property
    def prefix(self) -> Path:
        """The virtual environment."""
        return self.program.parent.parent


def render(place: Place) -> Mapping[str, str]:
    """The units by file name."""
    units = {
        "elaaoms.service": _service(place),
        "elaaoms.socket": _socket(place),
        "elaaoms-backup.service": _backup(place),
        "elaaoms-backup.timer": _timer(),
    }
    return {
        name: f"{MARK}; a newer version of elaaoms may write it anew.\n{text}" for name, text in units.items()
    }


def _service(place: Place) -> str:
    folder = place.config.parent / "secrets"
    credentials = "" if place.user else "".join(f"LoadCredential={n}:{folder / n}\n" for n in place.secrets)
    return f"""\
[Unit]
Description=elaaoms, a memory of callers for ElevenLabs voice agents
Wants=network-online.target
After=network-online.target elaaoms.socket
Requires=elaaoms.socket
StartLimitIntervalSec=60
StartLimitBurst=10

[Service]
Type=notify
NotifyAccess=main
ExecStart={place.program} serve -c {place.config}
Restart=on-failure
RestartSec=1
# Another process holds the data (75), or the configuration is wrong (78): trying again helps nobody.
RestartPreventExitStatus=75 78
# The daemon feeds the watchdog only while its database answers and its worker turns.
WatchdogSec=30
TimeoutStartSec=120
# 10 s for requests and 20 s for jobs that are under way.
TimeoutStopSec=45
KillMode=mixed
OOMPolicy=stop
Environment=PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
{credentials}MemoryHigh=512M
MemoryMax=768M
MemorySwapMax=0
TasksMax=256
LimitNOFILE=8192
{_writable(place)}{_confined(place)}{_network(place)}{_SANDBOX}
[Install]
WantedBy={_target(place)}
"""


def _confined(place: Place) -> str:
    if place.user:
        return ""
    return f"{_CONFINED}NoExecPaths=/\nExecPaths={place.prefix} /usr/bin /usr/lib /lib -/lib64\n"


def _writable(place: Place) -> str:
    """Data outside the service's own state directory has to be named."""
    return "" if place.user or place.data == Place().data else f"ReadWritePaths={place.data}\n"


def _network(place: Place) -> str:
    if place.user:
        return ""
    return f"""\
# The sockets come from elaaoms.socket. Private networks are refused in both directions: allow the host that
# OpenMemory, a model of your own or a proxy on another machine needs, with `systemctl edit elaaoms`:
#   [Service]
#   IPAddressAllow=10.0.0.5
IPAddressDeny=10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 100.64.0.0/10 fc00::/7 fe80::/10
SocketBindDeny=any
SocketBindAllow=tcp:{place.port}
SocketBindAllow=tcp:{place.admin_port}
"""


def _socket(place: Place) -> str:
    return f"""\
[Unit]
Description=The listening sockets of elaaoms, open also while it restarts

[Socket]
# The first is server.host and server.port, the second the admin listener.
ListenStream={_address(place.host, place.port)}
ListenStream={_address(place.admin_host, place.admin_port)}
Backlog=1024
NoDelay=yes

[Install]
WantedBy=sockets.target
"""


def _backup(place: Place) -> str:
    return f"""\
[Unit]
Description=A backup of elaaoms' database
After=elaaoms.service

[Service]
Type=oneshot
ExecStart={place.program} backup -c {place.config} --keep 14 {place.data / "backups"}
Environment=PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
Nice=10
IOSchedulingClass=idle
MemoryMax=512M
{_writable(place)}{_confined(place)}{"" if place.user else "PrivateNetwork=yes" + chr(10)}{_SANDBOX}"""


def _timer() -> str:
    return """\
[Unit]
Description=A nightly backup of elaaoms' database

[Timer]
OnCalendar=daily
RandomizedDelaySec=1h
Persistent=yes

[Install]
WantedBy=timers.target
"""


def _target(place: Place) -> str:
    return "default.target" if place.user else "multi-user.target"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def write(folder: Path, place: Place) -> list[Path]:
    """Write the units; ElaaomsError rather than overwrite a file that is not ours."""
    units = render(place)
    foreign = [name for name in units if (folder / name).exists() and not _ours(folder / name)]
    if foreign:
        raise ElaaomsError(f"{folder / foreign[0]} was not written by elaaoms; move it away first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in units.items():
            partial = folder / f".{name}.part"
            partial.write_text(text, encoding="utf-8")
            partial.chmod(0o644)
            os.replace(partial, folder / name)
    except OSError as error:
        raise ElaaomsError(f"cannot write the units in {folder}: {error.strerror}") from error
    return [folder / name for name in units]


def remove(folder: Path) -> list[Path]:
    """Remove the units that we wrote, and the links that enabled them."""
    found = [folder / name for name in render(Place()) if (folder / name).exists() and _ours(folder / name)]
    try:
        for path in found:
            for link in folder.glob(f"*.wants/{path.name}"):
                link.unlink()
                with suppress(OSError):  # others are wanted there too
                    link.parent.rmdir()
            path.unlink()
    except OSError as error:
        raise ElaaomsError(f"cannot remove the units in {folder}: {error.strerror}") from error
    return found


def _ours(path: Path) -> bool:
    return path.read_text(encoding="utf-8", errors="replace").startswith(MARK)
