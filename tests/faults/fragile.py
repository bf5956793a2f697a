"""An ext4 of its own that a test may break as a disk or a power cut breaks it."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen

_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN
_WITHOUT_FLUSH = struct.pack("I", 2)  # what was not flushed is gone, as after a power cut


@frozen
class Fragile:
    """A mounted file system at `folder`."""

    device: str
    folder: Path

    def mount(self) -> bool:
        return _run("mount", "-o", "errors=remount-ro", self.device, str(self.folder))

    def turn_read_only(self) -> None:
        """As the kernel does by itself when the disk reports an error, under open files."""
        trigger = Path("/sys/fs/ext4") / Path(self.device).name / "trigger_fs_error"
        if not trigger.exists():
            pytest.skip("the kernel cannot be told to find an error")
        trigger.write_text("1")

    def cut_power(self) -> None:
        """Nothing reaches the disk from now on; what the kernel still held for it is lost."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_FLUSH)
        except OSError as error:
            pytest.skip(f"the file system cannot be cut off here: {error}")
        finally:
            os.close(descriptor)

    def mend(self) -> None:
        """Mount it again, as the next start of the machine does."""
        assert _run("umount", str(self.folder))
        _run("fsck.ext4", "-f", "-y", self.device)
        assert self.mount()


@contextmanager
def fragile_disk(path: Path) -> Iterator[Fragile]:
    """64 MiB below `path`; skipped where nothing may be mounted."""
    image, folder = path / "image", path / "fragile"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    if not _run("mkfs.ext4", "-q", "-F", str(image)):
        pytest.skip("an ext4 cannot be made here")
    made = _ran("losetup", "-f", "--show", str(image))
    if made is None or made.returncode:
        pytest.skip("there is no loop device here")
    disk = Fragile(made.stdout.strip(), folder)
    try:
        if not disk.mount():
            pytest.skip("an ext4 may not be mounted here")
        yield disk
    finally:
        _run("umount", "-l", str(folder))
        _run("losetup", "-d", disk.device)


def _run(*command: str) -> bool:
    ran = _ran(*command)
    return ran is not None and ran.returncode == 0


def _ran(*command: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603
    except FileNotFoundError:
        return None
