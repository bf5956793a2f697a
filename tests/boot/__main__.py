"""`python -m tests.boot`: boot the units and see whether they do what they say. Needs root, Linux and systemd.

Exit 0 when everything held, 1 when something did not, 77 where it cannot run; the reason is printed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
SKIPPED = 77
LEGACY = Path("/sys/fs/cgroup")
UNIFIED = (LEGACY, LEGACY / "unified")
SMALL_MIB = 512  # of memory, which the service of a small machine must do with
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")


def hindrance() -> str | None:
    """Why this cannot run here."""
    if os.geteuid() != 0:
        return "it needs root"
    missing = [
        name
        for name in ("unshare", "nsenter", "pivot_root", "setpriv", "systemctl")
        if not shutil.which(name)
    ]
    if missing or not Path("/lib/systemd/systemd").exists():
        return f"{', '.join(missing) or '/lib/systemd/systemd'} is not installed"
    if hierarchy() is None:
        return "there is no cgroup v2 hierarchy"
    if not Path(f"/usr/bin/python{PYTHON}").exists():
        return f"the system has no /usr/bin/python{PYTHON}, which the packages of this environment are for"
    ours = ["unshare", *NAMESPACES, "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    tried = subprocess.run(ours, capture_output=True, text=True, check=False)
    return f"namespaces are refused ({tried.stderr.strip()})" if tried.returncode else None


def hierarchy() -> Path | None:
    """Where control groups of version 2 are."""
    return next(
        (
            path
            for path in UNIFIED
            if (path / "cgroup.procs").exists() and (path / "cgroup.controllers").exists()
        ),
        None,
    )


def controllers_of_version_1() -> list[str]:
    """The controllers that limit us and are in hierarchies of their own; systemd from 256 on leaves these alone."""
    version = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.split()[1]) >= 256 or hierarchy() == UNIFIED[0]:
        return []
    return [name for name in ("memory", "pids") if (LEGACY / name / "cgroup.procs").exists()]


class Machine:
    """A booted system, by the process that is 1 in it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(self, *command: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """A command inside."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--uts", "--ipc", "--net", "--"]
        return subprocess.run(
            [*enter, *command], capture_output=True, text=True, check=False, timeout=timeout_s
        )

    def property(self, name: str, unit: str = "elaaoms.service") -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).stdout.strip()

    def limit(self, *names: str, unit: str = "elaaoms.service") -> str | None:
        """What the kernel says in the first of these files of a unit's control group, in any hierarchy."""
        group = self.property("ControlGroup", unit)
        for name in names:
            for place in ("", "memory", "pids", "unified"):
                found = self.run("cat", f"/sys/fs/cgroup/{place}{group}/{name}".replace("//", "/"))
                if found.returncode == 0:
                    return found.stdout.strip()
        return None

    def health(self, timeout_s: float) -> str:
        """What /health says; who asks during a restart waits in the socket."""
        ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/health', timeout={timeout_s}).read().decode())"
        answer = self.run("/usr/bin/python3", "-c", ask, timeout_s=timeout_s + 10)
        return json.loads(answer.stdout)["data"]["status"] if answer.returncode == 0 else answer.stderr[-200:]


@contextmanager
def booted(log: Path) -> Iterator[Machine]:
    """systemd as process 1; everything in it ends with it."""
    root = hierarchy()
    assert root is not None
    legacy = controllers_of_version_1()
    groups = [place / f"elaaoms-boot-{os.getpid()}" for place in (root, *(LEGACY / name for name in legacy))]
    for group in groups:
        group.mkdir()
    folder = tempfile.mkdtemp(prefix="elaaoms-boot-")
    disk = tempfile.mkdtemp(prefix="elaaoms-boot-", dir="/var/tmp")
    environment = os.environ | {
        "SITE_PACKAGES": sysconfig.get_path("purelib"),
        "PACKAGE": str(HERE.parent.parent / "elaaoms"),
        "PYTHON_VERSION": PYTHON,
        "PROBE": str(HERE / "probe.py"),
        "PRESSURE": str(HERE / "pressure.py"),
        "LEGACY": " ".join(legacy),
        "EVENT": str(HERE.parent / "samples" / "inbound_twilio.json"),
    }
    join = 'until [ "$1" = -- ]; do echo $$ > "$1/cgroup.procs" || exit; shift; done; shift; exec "$@"'
    command = [
        "unshare",
        *NAMESPACES,
        "--fork",
        "--kill-child",
        "sh",
        str(HERE / "enter.sh"),
        folder,
        str(HERE / "install.sh"),
        disk,
    ]
    with log.open("w") as output:
        outer = subprocess.Popen(
            ["sh", "-c", join, "sh", *map(str, groups), "--", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Machine(first_process(outer, log))
    finally:
        outer.kill()  # and with it, by --kill-child, process 1 and all others
        outer.wait()
        os.rmdir(folder)
        shutil.rmtree(disk)
        for group in groups:
            remove_group(group)


def first_process(outer: subprocess.Popen[bytes], log: Path) -> int:
    """The process that is 1 inside, once it is systemd."""
    for _ in range(600):
        if outer.poll() is not None:
            raise RuntimeError(f"it did not boot: {log.read_text()[-2000:]}")
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        if children and Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
            return int(children[0])
        time.sleep(0.1)
    raise RuntimeError(f"systemd did not start: {log.read_text()[-2000:]}")


def remove_group(group: Path) -> None:
    """Remove our control groups, the innermost first, once the last process is gone."""
    for _ in range(50):
        try:
            for path in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                path.rmdir()
            group.rmdir()
        except OSError:
            time.sleep(0.1)
        else:
            return


def within(limit_s: float, holds: Callable[[], bool]) -> float:
    """How long it took until `holds`, infinity if it took longer than the limit."""
    begun = time.monotonic()
    while time.monotonic() - begun < limit_s:
        if holds():
            return time.monotonic() - begun
        time.sleep(0.05)
    return float("inf")


def examine(machine: Machine) -> Iterator[tuple[bool, str]]:
    """Everything that the unit promises."""
    ready = within(90, lambda: machine.property("ActiveState") == "active")
    yield ready < 90, f"READY {ready:.1f} s after systemd; the status is {machine.property('StatusText')!r}"
    yield machine.health(30) == "healthy", "it answers on the socket that systemd opened"
    send = ("/opt/elaaoms/bin/elaaoms", "send", "/opt/elaaoms/event.json", "-c", "/etc/elaaoms/elaaoms.toml")
    sent = machine.run(*send)
    yield sent.returncode == 0, f"a signed call is taken: {sent.stdout[:120] or sent.stderr[-300:]}"

    probed = machine.run("systemctl", "start", "elaaoms-probe.service")
    report = machine.run("cat", "/var/lib/private/elaaoms/report.json")
    if probed.returncode or report.returncode:
        yield False, f"the probe did not run: {probed.stderr} {report.stderr}"
    else:
        found = json.loads(report.stdout)
        allowed = [name for name, answer in found["refused"].items() if answer == "ALLOWED"]
        yield (
            not allowed,
            f"{len(found['refused'])} things are tried from inside; allowed: {allowed or 'none'}",
        )
        yield (
            found["credentials"] == ["admin_token", "tool_token", "webhook_secret"],
            f"credentials: {found['credentials']}",
        )
        nobody = found["uid"] != 0 and int(found["capabilities"], 16) == 0
        yield nobody, f"user {found['uid']}, capabilities {found['capabilities']}"

    yield from limits(machine)
    yield from pressed(machine)

    before = machine.property("MainPID")
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "elaaoms.service")
    begun = time.monotonic()
    back = machine.health(30)
    took = time.monotonic() - begun
    again = machine.property("MainPID") != before
    soon = max(6.0, 2 * ready)  # a busy machine is slow the first time too
    yield (
        back == "healthy" and again and took < soon,
        f"kill -9: it answers again after {took:.1f} s ({back})",
    )
    again_sent = machine.run(*send)
    yield (
        '"duplicate":true' in again_sent.stdout.replace(" ", ""),
        "the call that was acknowledged before is still known",
    )

    within(30, lambda: machine.property("ActiveState") == "active")
    before = machine.property("MainPID")
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "elaaoms.service")
    begun = time.monotonic()
    back = machine.health(60)
    took = time.monotonic() - begun
    yield (
        back == "healthy" and machine.property("MainPID") != before and took < 20,
        f"SIGSTOP: the watchdog (4 s) has it back after {took:.1f} s",
    )

    within(30, lambda: machine.property("ActiveState") == "active")
    begun = time.monotonic()
    machine.run("systemctl", "stop", "elaaoms.service", "elaaoms.socket")
    took = time.monotonic() - begun
    result = machine.property("Result")
    yield result == "success", f"stop: {result} after {took:.1f} s"
    copied = machine.run("systemctl", "start", "elaaoms-backup.service")
    copies = machine.run("ls", "/var/lib/private/elaaoms/backups").stdout.split()
    yield copied.returncode == 0 and len(copies) == 1, f"the nightly backup works in its sandbox: {copies}"
    copy = f"/var/lib/elaaoms/backups/{copies[0] if copies else 'none'}"
    restored = machine.run(
        "/opt/elaaoms/bin/elaaoms", "restore", copy, "--yes", "-c", "/etc/elaaoms/elaaoms.toml"
    )
    machine.run("systemctl", "start", "elaaoms.socket", "elaaoms.service")
    back = machine.health(30)
    yield (
        restored.returncode == 0 and back == "healthy",
        f"root restores it and the service opens it ({back})",
    )


def limits(machine: Machine) -> Iterator[tuple[bool, str]]:
    """What the unit says, in the kernel's own words."""
    for name, files, wanted in (
        ("MemoryMax", ("memory.max", "memory.limit_in_bytes"), SMALL_MIB << 20),
        ("TasksMax", ("pids.max",), 256),
    ):
        found = machine.limit(*files)
        if found is None:
            print(f"--    {name}: this machine delegates no such controller; not shown", flush=True)
        else:
            yield found == str(wanted), f"{name} is in force: {found}"
    files = machine.run(
        "grep", "Max open files", f"/proc/{machine.property('MainPID')}/limits"
    ).stdout.split()
    yield files[3:5] == ["8192", "8192"], f"LimitNOFILE is in force: {files[3:5]}"


def pressed(machine: Machine) -> Iterator[tuple[bool, str]]:
    """A full house and long recordings all at once, in little memory."""
    before = machine.property("MainPID")
    done = machine.run("/opt/elaaoms/bin/python3", "/opt/elaaoms/pressure.py", timeout_s=300)
    yield done.returncode == 0, f"under {SMALL_MIB} MiB: {done.stdout.strip() or done.stderr[-500:]}"
    status = machine.run("grep", "-E", "VmHWM|RssAnon", f"/proc/{before}/status").stdout.split()
    events = machine.limit("memory.events", "memory.oom_control") or ""
    killed = "".join(line for line in events.splitlines() if line.startswith("oom_kill "))
    yield (
        machine.property("MainPID") == before and killed in ("", "oom_kill 0"),
        f"and lives: {' '.join(status)}, {killed or 'no controller'}",
    )


def main() -> int:
    """Boot, look, tell."""
    if reason := hindrance():
        print(f"skipped: {reason}")
        return SKIPPED
    log = Path(tempfile.gettempdir()) / f"elaaoms-boot-{os.getpid()}.log"
    bad = 0
    with booted(log) as machine:
        for held, sentence in examine(machine):
            print(f"{'ok  ' if held else 'FAIL'}  {sentence}", flush=True)
            bad += not held
        if bad:
            print(machine.run("systemctl", "status", "--no-pager", "--lines=0", "elaaoms.service").stdout)
    if bad:
        print(f"what systemd said: {log}")
    else:
        log.unlink()
    return 1 if bad else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
