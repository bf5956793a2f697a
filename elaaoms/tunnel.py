"""An ngrok tunnel to a port of this machine, for trying things out without a server.

pyngrok runs the ngrok program. Left to itself it puts the token on the command line, where everybody on the
machine can read it, and downloads the program; here the token goes into a file of its own (0600), and nothing
is downloaded unless that was allowed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from elaaoms.archive import write_whole
from elaaoms.errors import ElaaomsError

if TYPE_CHECKING:
    from pyngrok.conf import PyngrokConfig
    from pyngrok.exception import PyngrokError

START_S = 20.0
_LOOK_S = 1.0  # how often it is looked whether ngrok still runs

# https://ngrok.com/docs/errors
_REASONS = {
    "ERR_NGROK_105": "it refuses the token (secrets/ngrok_authtoken)",
    "ERR_NGROK_106": "it refuses the token (secrets/ngrok_authtoken)",
    "ERR_NGROK_107": "it refuses the token (secrets/ngrok_authtoken)",
    "ERR_NGROK_108": "the account runs as many agents as it may already; end another one",
    "ERR_NGROK_121": "this version of ngrok is too old; update it",
    "ERR_NGROK_4018": "it wants a token of a verified account (secrets/ngrok_authtoken)",
}


class Ended(ElaaomsError):
    """The ngrok program ended while the tunnel was in use."""


class Tunnel:
    """A tunnel that is open."""

    def __init__(self, url: str, config: PyngrokConfig) -> None:
        self.url = url
        self._config = config

    async def ended(self) -> None:
        """Wait until ngrok ends by itself; then Ended."""
        from pyngrok import process  # noqa: PLC0415

        while process.is_process_running(self._config.ngrok_path):  # noqa: ASYNC110 - a process tells nobody
            await asyncio.sleep(_LOOK_S)
        raise Ended("ngrok ended; the tunnel is closed")


@asynccontextmanager
async def opened(
    upstream: str, token: str, *, folder: Path, binary: Path | None, download: bool
) -> AsyncIterator[Tunnel]:
    """A tunnel to `upstream` (http://host:port) until the block ends. `folder` keeps ngrok's configuration."""
    # pyngrok looks for tokens here, and ngrok itself too: what stands in our file must hold.
    os.environ.pop("NGROK_AUTHTOKEN", None)
    from pyngrok import conf, exception, ngrok, process  # noqa: PLC0415

    logging.getLogger("pyngrok").setLevel(
        logging.CRITICAL + 1
    )  # it logs ngrok's words, which quote the token
    path = folder / "ngrok.yml"
    _end_a_left_one(folder, path)
    write_whole(path, f"version: '3'\nagent:\n  authtoken: {json.dumps(token)}\n")
    config = conf.PyngrokConfig(
        ngrok_path=str(_program(binary, conf.DEFAULT_NGROK_PATH, download=download)),
        config_path=str(path),
        startup_timeout=int(START_S),
        start_new_session=True,  # Ctrl-C is for us: the agent is pointed back before the tunnel closes
    )
    config.auth_token = None
    opening = asyncio.ensure_future(asyncio.to_thread(ngrok.connect, upstream, pyngrok_config=config))
    try:
        async with asyncio.timeout(None if download else START_S):
            tunnel = await asyncio.shield(opening)
    except TimeoutError:
        _kill(config)
        await asyncio.wait((opening,))
        opening.exception()
        raise ElaaomsError(f"ngrok did not open a tunnel within {START_S:.0f} s") from None
    except asyncio.CancelledError:
        _kill(config)
        await asyncio.wait((opening,))
        raise
    except exception.PyngrokError as error:
        _kill(config)
        raise ElaaomsError(f"ngrok could not open a tunnel: {_reason(error)}") from None
    running = process._current_processes.get(config.ngrok_path)
    write_whole(folder / "ngrok.pid", str(running.proc.pid if running else 0))
    try:
        yield Tunnel(str(tunnel.public_url), config)
    finally:
        await asyncio.shield(asyncio.to_thread(ngrok.kill, config))


def _end_a_left_one(folder: Path, config: Path) -> None:
    """End the ngrok that a crash of ours left behind: most accounts may run only one."""
    try:
        number = int((folder / "ngrok.pid").read_text())
        if str(config).encode() in Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0"):
            os.kill(number, signal.SIGKILL)
    except (OSError, ValueError):
        return


def _program(binary: Path | None, default: str, *, download: bool) -> Path:
    """The ngrok program to run."""
    if binary is not None:
        if not os.access(binary, os.X_OK):
            raise ElaaomsError(f"{binary} is not a program that can be run")
        return binary
    if found := shutil.which("ngrok"):
        return Path(found)
    if download or Path(default).exists():
        return Path(default)
    raise ElaaomsError(
        "ngrok is not installed: install it (https://ngrok.com/download), name it with --ngrok, or let "
        "--download fetch it"
    )


def _reason(error: PyngrokError) -> str:
    """Why ngrok failed, by its code: its own words may quote the token."""
    if type(error).__name__ == "PyngrokNgrokInstallError":
        return "it could not be downloaded"
    code = getattr(error, "ngrok_error_code", None)
    if code is not None:
        return f"{_REASONS.get(code, 'see https://ngrok.com/docs/errors')} ({code})"
    if (status := getattr(error, "status_code", None)) is not None:
        return f"its local API answered {status}"
    return "it ended before it was ready"


def _kill(config: PyngrokConfig) -> None:
    """End a program that may not have said a word: pyngrok's own way waits for a lock that its reader holds."""
    from pyngrok import process  # noqa: PLC0415

    running = process._current_processes.get(config.ngrok_path)
    if running is not None and running.proc.poll() is None:
        running.proc.kill()
        running.proc.wait()


async def check_port(url: str) -> None:
    """ElaaomsError unless something listens there."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except (OSError, TimeoutError):
        raise ElaaomsError(f"nothing listens on {url}: start `elaaoms serve`, or look why it ended") from None
    writer.close()
