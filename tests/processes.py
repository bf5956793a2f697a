"""A daemon in a process of its own, to be measured and killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from attrs import define, frozen

WEBHOOK_SECRET = "wsec_of_the_long_commands_0123456789"
TOOL_TOKEN = "tool-token-of-the-long-commands"
ADMIN_TOKEN = "admin-token-of-the-long-commands"
START_S = 300.0  # a million calls are checked before the daemon listens


@frozen
class Address:
    """Where a daemon listens."""

    url: str
    admin_url: str


@define
class Process:
    """A child process that says on its first lines where it listens."""

    child: asyncio.subprocess.Process
    log: IO[bytes]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.child.pid

    async def listening(self, lines: int) -> list[str]:
        """The addresses that it prints when it is ready; RuntimeError when it ends instead."""
        assert self.child.stdout is not None
        async with asyncio.timeout(START_S):
            said = [(await self.child.stdout.readline()).decode() for _ in range(lines)]
        found = [re.search(r" on (http://\S+)$", line.rstrip()) for line in said]
        if not all(found):
            raise RuntimeError(f"it did not start: {said}, see {self.log.name}")
        return [match[1] for match in found if match]

    async def kill(self) -> None:
        """SIGKILL, whatever it does; fine when it is gone already."""
        if self.child.returncode is None:
            self.child.kill()
        await self.child.wait()
        self.log.close()

    async def stop(self) -> int:
        """SIGTERM, and its exit code once it has drained."""
        if self.child.returncode is None:
            self.child.send_signal(signal.SIGTERM)
        code = await self.child.wait()
        self.log.close()
        return code


async def spawn(
    arguments: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    *,
    checkout: Path | None = None,
) -> Process:
    """Start `python -m …` with nothing of this shell's elaaoms settings; stderr is appended to `log`.

    What runs is the package of `checkout`, by default of the directory that we are in.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ELAAOMS_")}
    stderr = log.open("ab")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        env=clean | dict(environment or {}),
        cwd=checkout,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )
    return Process(child, stderr)


def configure(folder: Path, **sections: Mapping[str, Any]) -> Path:
    """Write an `elaaoms.toml` for a daemon on free ports that keeps its data in `folder`."""
    settings: dict[str, dict[str, Any]] = {
        "server": {"port": 0, "admin_port": 0},
        "logging": {"level": "warning", "format": "text"},
    }
    for name, values in sections.items():
        settings.setdefault(name.replace("__", "."), {}).update(values)
    lines = ['data_dir = "data"']
    for name, values in settings.items():
        lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    path = folder / "elaaoms.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


async def daemon(config: Path, *, checkout: Path | None = None) -> Process:
    """`elaaoms serve` with the secrets of the long commands; `listening(2)` waits until it serves."""
    environment = {
        "ELAAOMS_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "ELAAOMS_TOOL_TOKEN": TOOL_TOKEN,
        "ELAAOMS_ADMIN_TOKEN": ADMIN_TOKEN,
        "ELAAOMS_OPENAI_API_KEY": "sk-nobody-answers",
    }
    command = ("elaaoms", "serve", "-c", str(config))
    return await spawn(command, config.parent / "serve.log", environment, checkout=checkout)


async def ready(process: Process) -> Address:
    """Where a daemon listens, once it does."""
    return Address(*await process.listening(2))
