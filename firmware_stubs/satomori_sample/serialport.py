"""A serial port for others to open: a pseudo-terminal behind a symlink that keeps its name."""

import asyncio
import contextlib
import os
import pty
import termios
import tty
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 4096


class SerialPort:
    """The device's end of the line. As on copper, what nobody reads is gone with the next line."""

    def __init__(self, link: Path, received: Callable[[bytes], None] | None = None) -> None:
        self._device_fd, self._line_fd = pty.openpty()  # we keep both ends, so that a reader may come and go
        tty.setraw(self._line_fd)
        os.set_blocking(self._device_fd, False)
        self._received = received
        self.link = link
        _point(link, os.ttyname(self._line_fd))
        asyncio.get_running_loop().add_reader(self._device_fd, self._read)

    def write(self, data: bytes) -> None:
        """Say it now, to whoever listens."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._device_fd, data)

    def write_afresh(self, data: bytes) -> None:
        """As `write`, but first forget what has not been read: nobody was listening then."""
        termios.tcflush(self._line_fd, termios.TCIFLUSH)
        self.write(data)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._device_fd)
        with contextlib.suppress(OSError):
            if str(self.link.readlink()) == os.ttyname(self._line_fd):
                self.link.unlink()
        os.close(self._device_fd)
        os.close(self._line_fd)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._device_fd, CHUNK_BYTES)
            if self._received is not None:
                self._received(data)


def _point(link: Path, target: str) -> None:
    """Put the symlink in one step: a reader sees the old port or the new one."""
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
