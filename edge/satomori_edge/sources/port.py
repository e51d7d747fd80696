"""A serial port as chunks of bytes, through pyserial. The port is held exclusively."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import serial

from satomori_core.errors import UnavailableError

CHUNK_BYTES_MAX = 4096


@asynccontextmanager
async def open_port(
    port: str, baudrate: int, parity: Literal["N", "E", "O"], stopbits: Literal[1, 2]
) -> AsyncIterator["Port"]:
    """Raise UnavailableError saying why it can't be opened."""
    try:
        opened = serial.Serial(port, baudrate, parity=parity, stopbits=stopbits, timeout=0, exclusive=True)
    except (OSError, ValueError) as error:  # ValueError: a rate that the port can't do
        raise UnavailableError(f"{port}: {error}") from None
    reader = Port(opened)
    try:
        yield reader
    finally:
        reader.close()


class Port:
    """`read` waits for bytes. Not for several tasks."""

    def __init__(self, opened: serial.Serial) -> None:
        self._serial = opened
        self._readable = asyncio.Event()
        asyncio.get_running_loop().add_reader(opened.fileno(), self._readable.set)

    async def read(self) -> bytes:
        """At least one byte. Raise UnavailableError where the port is gone."""
        while True:
            await self._readable.wait()
            self._readable.clear()
            chunk = self._take()
            if chunk:
                return chunk

    def forget(self) -> None:
        """What has come in so far is not read. Raise UnavailableError where the port is gone."""
        self._take()

    def _take(self) -> bytes:
        try:
            return bytes(self._serial.read(CHUNK_BYTES_MAX))
        except OSError as error:
            raise UnavailableError(f"{self._serial.port}: unplugged ({error})") from None

    def write(self, what: bytes) -> None:
        """What the line can't take now is lost, as it might be on the way. Raise UnavailableError where it is gone."""
        try:
            os.write(self._serial.fileno(), what)
        except BlockingIOError:
            pass
        except OSError as error:
            raise UnavailableError(f"{self._serial.port}: unplugged ({error})") from None

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._serial.fileno())
        self._serial.close()
