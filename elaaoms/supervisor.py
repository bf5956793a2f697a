"""What the service manager is told and what it hands us: readiness, a heartbeat, a status line, sockets (systemd)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from attrs import frozen

FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START in sd_listen_fds(3)


def notify(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Tell the service manager our state, if it asked for it (sd_notify(3)); its absence is no failure."""
    address = environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect(address.replace("@", "\0", 1))
            sender.sendall(state.encode())
        except OSError:  # a manager that went away is told nothing; it finds out by our process
            return


def watchdog_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """How often a heartbeat is due: half of what WatchdogSec= allows (sd_watchdog_enabled(3)); None for never."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    allowed = environ.get("WATCHDOG_USEC", "")
    return int(allowed) / 2e6 if allowed.isascii() and allowed.isdigit() and int(allowed) else None


@frozen
class Inherited:
    """Sockets that are open already, by the name that FileDescriptorName= gave them: `public` and `admin`.

    Without names the first is the public one and the second the admin one.
    """

    public: socket.socket | None = None
    admin: socket.socket | None = None


def inherited(environ: Mapping[str, str] = os.environ) -> Inherited:
    """The listening sockets that the service manager passed to this process (sd_listen_fds(3))."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return Inherited()
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, socket.socket] = {}
    for index in range(int(count)):
        descriptor = FIRST_DESCRIPTOR + index
        os.set_inheritable(descriptor, False)
        name = names[index] if index < len(names) else ""
        if name not in ("public", "admin"):
            name = ("public", "admin")[min(index, 1)]
        listening = socket.socket(fileno=descriptor)
        listening.setblocking(False)
        found.setdefault(name, listening)
    return Inherited(**found)
