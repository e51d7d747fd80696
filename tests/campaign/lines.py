"""A TCP line between two parts that can be made late, slow, broken or dishonest while it is in use."""

import asyncio
from enum import StrEnum

from satomori_sample.broker import end
from support.ports import free_ports

LATE_S = 0.7
SLOW_BYTES_PER_S = 4000
RESET_EVERY_S = 0.6
_STORED = b"HTTP/1.1 204"
_SAYS_500 = b'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 26\r\n\r\n{"error":"timeout: later"}'


class Mode(StrEnum):
    """`HALF_OPEN`: whatever comes is swallowed, and for good: a connection that was used then never speaks again.

    `SAYS_500`, `ENDS`: a write goes through to the store, and the writer is not told so.
    """

    CLEAR = "clear"
    LATE = "late"
    SLOW = "slow"
    RESET = "reset"
    HALF_OPEN = "half open"
    CUT = "cut"
    SAYS_500 = "says 500 after storing"
    ENDS = "ends after storing"


class _Connection:
    """The two streams of one connection that goes through."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._writers = near, far
        self.is_dead = False

    def reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class Line:
    """`port`: where to connect instead of `target_port`. `mode` holds for what passes from now on."""

    def __init__(self, target_port: int) -> None:
        [self.port] = free_ports(1)
        self.mode = Mode.CLEAR
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        await end(self._tasks)

    def reset(self) -> None:
        """All connections that go through, at once."""
        for connection in list(self._connections):
            connection.reset()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(writer, far_writer)
        self._connections.add(connection)
        try:
            await asyncio.gather(
                self._pump(connection, reader, far_writer, answers=False),
                self._pump(connection, far_reader, writer, answers=True),
            )
        except OSError:
            pass
        finally:
            connection.reset()
            self._connections.discard(connection)

    async def _pump(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        """Until its end closes; a half-open connection's other end is not told so."""
        while chunk := await reader.read(1024 if self.mode is Mode.SLOW else 65536):
            if self.mode is Mode.HALF_OPEN:
                connection.is_dead = True
            if connection.is_dead:
                continue
            if self.mode is Mode.LATE:
                await asyncio.sleep(LATE_S)
            elif self.mode is Mode.SLOW:
                await asyncio.sleep(len(chunk) / SLOW_BYTES_PER_S)
            elif answers and self.mode in {Mode.SAYS_500, Mode.ENDS} and chunk.startswith(_STORED):
                if self.mode is Mode.ENDS:
                    connection.reset()
                    return
                chunk = _SAYS_500
            writer.write(chunk)
            await writer.drain()
        if not connection.is_dead:
            connection.reset()
