"""Runs inside the unit's sandbox and tries what must be refused; prints JSON of what was and was not."""

import ctypes
import errno
import json
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Callable

STATE = os.environ["STATE_DIRECTORY"].split(":")[0]
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, PTRACE_TRACEME = 0x10000000, 0


def called(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def execute() -> None:
    path = f"{STATE}/program"
    with open(path, "w") as file:
        file.write("#!/bin/sh\n")
    os.chmod(path, 0o700)
    subprocess.run([path], check=True)


def setuid_bit() -> None:
    path = f"{STATE}/setuid"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    os.chmod(path, 0o4755)


FORBIDDEN: dict[str, Callable[[], object]] = {
    "write the program": lambda: open("/opt/elaaoms/x", "w"),
    "write /etc": lambda: open("/etc/x", "w"),
    "write /usr": lambda: open("/usr/x", "w"),
    "read /root": lambda: os.listdir("/root"),
    "read shadow": lambda: open("/etc/shadow").read(),
    "read the secrets at their source": lambda: open("/etc/elaaoms/secrets/admin_token").read(),
    "see process 1": lambda: os.readlink("/proc/1/exe"),
    "execute from the data": execute,
    "memory that is writable and executable": lambda: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "a namespace": lambda: called(LIBC.unshare(CLONE_NEWUSER)),
    "a mount": lambda: called(LIBC.mount(b"none", STATE.encode(), b"tmpfs", 0, None)),
    "change owners": lambda: os.chown(STATE, 0, 0),
    "become root": lambda: os.setuid(0),
    "a setuid program": setuid_bit,
    "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "trace": lambda: called(LIBC.ptrace(PTRACE_TRACEME, 0, 0, 0)),
    "set the clock": lambda: __import__("time").clock_settime(0, 0),
    "change the host's name": lambda: socket.sethostname("x"),
}

found: dict[str, str] = {}
for name, attempt in FORBIDDEN.items():
    try:
        attempt()
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno or 0, str(error))
    except subprocess.SubprocessError as error:
        found[name] = type(error).__name__
    else:
        found[name] = "ALLOWED"
with open(f"{STATE}/allowed", "w") as file:
    file.write("the state directory is ours\n")
report = {
    "refused": found,
    "credentials": sorted(os.listdir(os.environ["CREDENTIALS_DIRECTORY"])),
    "uid": os.getuid(),
    "capabilities": next(line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")),
}
with open(f"{STATE}/report.json", "w") as file:
    json.dump(report, file)
sys.exit(0)
