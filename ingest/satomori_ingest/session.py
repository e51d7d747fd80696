"""An MQTT 5 session over TCP or TLS: connects, and again with full jitter, reads, pings, and hands messages over.

Messages are acknowledged by the caller, after what they say is stored. What is handed over and not yet released
counts against a limit of bytes, beyond which nothing more is read: a flood waits in the broker, not in our memory.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from satomori_core.broker import BrokerAddress
from satomori_core.clock import now_us
from satomori_core.errors import SettingsError
from satomori_core.logs import get_logger
from satomori_ingest.protocol import Identity, MalformedError, Message, Protocol, RefusedError

READ_BYTES = 262_144
CONNECT_TIMEOUT_S = 10.0
BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
MESSAGE_OVERHEAD_BYTES = 300  # what a message costs us besides its payload, roughly

log = get_logger("ingest")


@dataclass(frozen=True, slots=True)
class Subscription:
    """`held_bytes_max`: how much may be handed over and not released before reading pauses."""

    filters: Sequence[str]
    held_bytes_max: int = 64_000_000


class _GoneError(Exception):
    """The connection ended; the text says how."""


class Session:
    """Create it, then `run` it as a task; `on_messages` is called from that task and must not wait."""

    def __init__(
        self,
        address: BrokerAddress,
        identity: Identity,
        subscription: Subscription,
        on_messages: Callable[[list[Message]], None],
        *,
        seed: int | None = None,
    ) -> None:
        self._address = address
        self._identity = identity
        self._subscription = subscription
        self._on_messages = on_messages
        self._protocol = Protocol(identity, subscription.filters)
        self._random = random.Random(seed)  # noqa: S311 - jitter, not cryptography
        self._writer: asyncio.StreamWriter | None = None
        self._held = 0
        self._room = asyncio.Event()
        self._room.set()
        self._ever = False
        self.ready = asyncio.Event()

    # ------------------------------------------------------------------ for the caller

    def release(self, messages: Sequence[Message]) -> None:
        """These are dealt with: acknowledge them, in the order they came, and make room."""
        self._protocol.acknowledge(messages)
        self._held -= sum(len(m.payload) + MESSAGE_OVERHEAD_BYTES for m in messages)
        if self._held <= self._subscription.held_bytes_max:
            self._room.set()
        self._flush()

    def publish(self, messages: Sequence[tuple[str, bytes]], *, qos: int = 0, expiry_s: int | None = None) -> int:
        """How many were taken; those with QoS 1 are sent until the broker has them, or this process ends."""
        taken = sum(self._protocol.publish(topic, payload, qos=qos, expiry_s=expiry_s) for topic, payload in messages)
        self._flush()
        return taken

    @property
    def name(self) -> str:
        return self._identity.client_id

    @property
    def session_kept(self) -> bool:
        """Whether the broker had kept our session when we last connected: what was not acknowledged comes again."""
        return self._protocol.session_present

    async def run(self) -> NoReturn:
        """Until cancelled. Raise SettingsError where the broker's first answer says that it can never work."""
        attempt = 0
        while True:
            connected_at: float | None = None
            lasting = False
            try:
                await self._connect()
                connected_at = asyncio.get_running_loop().time()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(), name=f"{self._identity.client_id} read")
                    group.create_task(self._ping(), name=f"{self._identity.client_id} ping")
            except* (_GoneError, MalformedError, OSError, TimeoutError) as error:
                log.warning("broker connection lost", client=self._identity.client_id, reason=_words(error))
            except* RefusedError as error:
                lasting = self._refused(error)
            finally:
                self._disconnected()
            steady = connected_at is not None and asyncio.get_running_loop().time() - connected_at > BACKOFF_MAX_S
            attempt = 0 if steady else attempt + 1
            await asyncio.sleep(self._backoff_s(attempt, lasting=lasting))

    # ------------------------------------------------------------------ one connection

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
            raise _GoneError(f"no answer from {where.host}:{where.port} in {CONNECT_TIMEOUT_S:.0f} s") from None
        except ssl.SSLCertVerificationError as error:
            raise RefusedError(f"the certificate of {where.host} is not trusted: {error}", lasting=True) from None
        self._ever = True
        self.ready.set()
        log.info(
            "broker connected",
            client=self._identity.client_id,
            host=where.host,
            port=where.port,
            session_kept=self._protocol.session_present,
        )

    async def _read(self) -> NoReturn:
        while True:
            await self._read_once()
            await self._room.wait()

    async def _read_once(self) -> None:
        chunk = await self._reader.read(READ_BYTES)
        if not chunk:
            raise _GoneError("the broker closed the connection")
        self._heard_at = asyncio.get_running_loop().time()
        messages = self._protocol.feed(chunk, now_us())
        if messages:
            self._held += sum(len(m.payload) + MESSAGE_OVERHEAD_BYTES for m in messages)
            if self._held > self._subscription.held_bytes_max:
                self._room.clear()
            self._on_messages(messages)
        self._flush()

    async def _ping(self) -> NoReturn:
        """A ping each half interval; none answered within a whole one means that the line is dead.

        While we don't read by our own choice no answer can come, and none is missed.
        """
        while True:
            await asyncio.sleep(self._protocol.keep_alive_s / 2)
            silent_s = asyncio.get_running_loop().time() - self._heard_at
            if self._protocol.awaiting_pong and self._room.is_set() and silent_s > self._protocol.keep_alive_s:
                raise _GoneError(f"nothing heard for {silent_s:.0f} s")
            self._protocol.ping()
            self._flush()

    def _flush(self) -> None:
        outgoing = self._protocol.outgoing
        if outgoing and self._writer is not None and not self._writer.is_closing():
            self._writer.write(bytes(outgoing))
            outgoing.clear()

    def _refused(self, error: BaseExceptionGroup[RefusedError]) -> bool:
        """Whether trying again soon is no use. What never worked and can't work is the operator's to mend."""
        lasting = any(one.lasting for one in _leaves(error) if isinstance(one, RefusedError))
        if lasting and not self._ever:
            where = f"[broker] {self._address.host}:{self._address.port}"
            raise SettingsError(f"{where}: {_words(error)}; check url, username and password")
        log.error("broker refused us", client=self._identity.client_id, reason=_words(error))
        return lasting

    def _disconnected(self) -> None:
        """Say goodbye if we can, and close; what is unsent is made anew on the next connection."""
        self.ready.clear()
        self._protocol.close()
        self._flush()
        if self._writer is not None:
            with suppress(OSError, RuntimeError):
                self._writer.close()
        self._writer = None

    def _backoff_s(self, attempt: int, *, lasting: bool) -> float:
        """Full jitter (Brooker, AWS Architecture Blog, 2015): many clients don't come back at one moment."""
        ceiling = BACKOFF_MAX_S if lasting else min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(attempt, 10))
        return self._random.uniform(0, ceiling)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _words(error: BaseException) -> str:
    return "; ".join(str(leaf) or type(leaf).__name__ for leaf in _leaves(error))
