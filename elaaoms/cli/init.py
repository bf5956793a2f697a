"""A folder becomes a place to run elaaoms from: a commented elaaoms.toml and fresh secrets."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elaaoms import config
from elaaoms.errors import ConfigError


def write(folder: Path) -> list[str]:
    """Make what is missing, overwrite nothing, follow no symbolic link inside `folder`.

    The lines say what was created and kept and what to do next; they show no secret. Everything is
    on disk when this returns. ConfigError when something is in the way or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError(f"{folder} is a file, not a folder") from None
    except OSError as error:
        raise ConfigError(f"{folder} cannot be created: {error.strerror}") from error
    vault = folder / "secrets"
    fresh = {
        ".gitignore": "*\n",
        "webhook_secret": f"wsec_{secrets.token_hex(32)}\n",
        "tool_token": f"{secrets.token_urlsafe(32)}\n",
        "admin_token": f"{secrets.token_urlsafe(32)}\n",
    }
    try:
        with _opened(folder) as inside:
            lines = [_file(inside, folder / "elaaoms.toml", config.render(), 0o644), _vault(inside, vault)]
        # Opened by way of its own descriptor, so that a link put in its place meanwhile is not followed.
        with _opened(vault, os.O_NOFOLLOW) as inside:
            lines += [_file(inside, vault / name, content, 0o600) for name, content in fresh.items()]
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from error
    option = "" if folder == Path() else f" -c {folder / 'elaaoms.toml'}"
    return [
        *lines,
        "Next:",
        f"  1. Create a post-call webhook in ElevenLabs and put its secret into {vault / 'webhook_secret'};",
        "     init can only make a random one (several are allowed, one per line).",
        "  2. Set server.public_url in elaaoms.toml to the address where ElevenLabs reaches this server.",
        f"  3. Let ElevenLabs send {vault / 'tool_token'} as the header X-Elaaoms-Token with client-data",
        "     and search-memory.",
        f"  4. elaaoms check{option}",
        f"  5. elaaoms serve{option}",
    ]


def _vault(inside: int, path: Path) -> str:
    try:
        os.mkdir(path.name, 0o700, dir_fd=inside)
    except FileExistsError:
        mode = os.lstat(path.name, dir_fd=inside).st_mode
        if not stat.S_ISDIR(mode):
            raise ConfigError(f"{path} is {_kind(mode)}, not a folder; move it away") from None
        if stat.S_IMODE(mode) & 0o077:
            return f"kept {path}/, which others than its owner may enter; chmod 700 mends it"
        return f"kept {path}/"
    os.fsync(inside)
    return f"created {path}/"


def _file(inside: int, path: Path, content: str, mode: int) -> str:
    try:
        file = os.open(path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=inside)
    except FileExistsError:
        there = os.lstat(path.name, dir_fd=inside).st_mode
        if not stat.S_ISREG(there):
            raise ConfigError(f"{path} is {_kind(there)}, not a file; move it away") from None
        return f"kept {path}"
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.fsync(inside)
    except BaseException:
        os.unlink(path.name, dir_fd=inside)  # half a file would be kept, and believed, the next time
        raise
    return f"created {path}"


@contextmanager
def _opened(folder: Path, flags: int = 0) -> Iterator[int]:
    """A descriptor of the folder, to name files inside it by."""
    inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | flags)
    try:
        yield inside
    finally:
        os.close(inside)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "something special"
