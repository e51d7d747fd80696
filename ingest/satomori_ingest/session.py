"""An MQTT 5 session over TCP or TLS: reads, pings, and hands messages over."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from typing_extensions import override

from satomori_core.broker import BrokerAddress
from satomori_core.clock import now_us
from satomori_ingest.broker_session import CONNECT_TIMEOUT_S, BrokerSession, GoneError, Subscription
from satomori_ingest.protocol import Identity, Message, Protocol, RefusedError

READ_BYTES = 262_144


class Session(BrokerSession):
    def __init__(
        self,
        address: BrokerAddress,
        identity: Identity,
        subscription: Subscription,
        on_messages: Callable[[list[Message]], None],
        *,
        optional: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__(address, identity, subscription, on_messages, optional=optional, seed=seed)
        self._protocol = Protocol(identity, subscription.filters, subscription.qos)
        self._writer: asyncio.StreamWriter | None = None

    @property
    @override
    def session_kept(self) -> bool:
        return self._protocol.session_present

    @override
    def publish(self, messages: Sequence[tuple[str, bytes]], *, qos: int = 0, expiry_s: int | None = None) -> int:
        taken = sum(self._protocol.publish(topic, payload, qos=qos, expiry_s=expiry_s) for topic, payload in messages)
        self._flush()
        return taken

    @override
    def _acknowledge(self, messages: Sequence[Message]) -> None:
        self._protocol.acknowledge(messages)
        self._flush()

    # ------------------------------------------------------------------ one connection

    @override
    async def _connect(self) -> None:
        where = self._address
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, self._writer = await asyncio.open_connection(
                    where.host, where.port, ssl=where.tls, limit=READ_BYTES
                )
                self._reader = reader
                self._protocol.open()
                self._flush()
                while not self._protocol.subscribed:
                    await self._read_once()
        except TimeoutError:
            raise GoneError(f"no answer from {where.host}:{where.port} in {CONNECT_TIMEOUT_S:.0f} s") from None
        except ssl.SSLCertVerificationError as error:
            raise RefusedError(f"the certificate of {where.host} is not trusted: {error}", lasting=True) from None

    @override
    async def _receive(self) -> NoReturn:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ping(), name=f"{self.name} ping")
            while True:
                await self._read_once()
                await self._room.wait()

    async def _read_once(self) -> None:
        chunk = await self._reader.read(READ_BYTES)
        if not chunk:
            raise GoneError("the broker closed the connection")
        self._heard_at = asyncio.get_running_loop().time()
        messages = self._protocol.feed(chunk, now_us())
        if messages:
            self._take(messages)
        self._flush()

    async def _ping(self) -> NoReturn:
        """A ping each half interval; none answered within a whole one means that the line is dead.

        While we don't read by our own choice no answer can come, and none is missed.
        """
        while True:
            await asyncio.sleep(self._protocol.keep_alive_s / 2)
            silent_s = asyncio.get_running_loop().time() - self._heard_at
            if self._protocol.awaiting_pong and self._room.is_set() and silent_s > self._protocol.keep_alive_s:
                raise GoneError(f"nothing heard for {silent_s:.0f} s")
            self._protocol.ping()
            self._flush()

    def _flush(self) -> None:
        outgoing = self._protocol.outgoing
        if outgoing and self._writer is not None and not self._writer.is_closing():
            self._writer.write(bytes(outgoing))
            outgoing.clear()

    @override
    async def _disconnect(self) -> None:
        """What is unsent is made anew on the next connection."""
        self._protocol.close()
        self._flush()
        if self._writer is not None:
            with suppress(OSError, RuntimeError):
                self._writer.close()
        self._writer = None
