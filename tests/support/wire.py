"""A TCP line between a client and a server on 127.0.0.1 that counts what passes, and can be cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from satomori_sample.broker import end


@dataclass
class Wire:
    """`up`: bytes from clients to the server; `down`: the other way."""

    to_port: int
    port: int = 0
    up: int = 0
    down: int = 0
    connections: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def cut(self) -> None:
        """End all connections at once, as a line that breaks; new ones are let through."""
        while self._writers:
            self._writers.pop().transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        self._writers += [writer, there_writer]
        up = asyncio.create_task(self._carry(reader, there_writer, "up"))
        await self._carry(there_reader, writer, "down")
        await up

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        try:
            while chunk := await reader.read(65_536):
                setattr(self, way, getattr(self, way) + len(chunk))
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def wire(to_port: int) -> AsyncIterator[Wire]:
    one = Wire(to_port)
    server = await asyncio.start_server(one._serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        one.cut()
        await end(one._tasks)
