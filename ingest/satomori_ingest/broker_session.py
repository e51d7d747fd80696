"""A session with a broker, of whatever protocol version: connects, and again with full jitter, and hands messages over.

Messages are acknowledged by the caller, after what they say is stored. What is handed over and not yet released
counts against a limit of bytes, beyond which nothing more is read: a flood waits in the broker, not in our memory.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from satomori_core.broker import BrokerAddress
from satomori_core.errors import SettingsError
from satomori_core.logs import get_logger
from satomori_ingest.protocol import Identity, MalformedError, Message, RefusedError

CONNECT_TIMEOUT_S = 10.0
BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
MESSAGE_OVERHEAD_BYTES = 300  # what a message costs us besides its payload, roughly

log = get_logger("ingest")


@dataclass(frozen=True, slots=True)
class Subscription:
    """`held_bytes_max`: how much may be handed over and not released before reading pauses.

    `prepare`: what is done to each message, in the order received, before it is handed over.
    """

    filters: Sequence[str]
    held_bytes_max: int = 64_000_000
    qos: int = 1
    prepare: Callable[[Message], Message] | None = None


class GoneError(Exception):
    """The connection ended; the text says how."""


class BrokerSession(ABC):
    """Create it, then `run` it as a task; `on_messages` is called from that task and must not wait.

    `optional`: a broker that refuses us for good doesn't end the run, as others may be at work beside it.
    """

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
        self._address = address
        self._identity = identity
        self._subscription = subscription
        self._on_messages = on_messages
        self._optional = optional
        self._random = random.Random(seed)  # noqa: S311 - jitter, not cryptography
        self._held = 0
        self._room = asyncio.Event()
        self._room.set()
        self._ever = False
        self._told_away = False
        self.ready = asyncio.Event()

    # ------------------------------------------------------------------ for the caller

    @property
    def name(self) -> str:
        return self._identity.client_id

    @property
    @abstractmethod
    def session_kept(self) -> bool:
        """Whether the broker had kept our session when we last connected: what was not acknowledged comes again."""

    def release(self, messages: Sequence[Message]) -> None:
        """These are dealt with: acknowledge them, in the order they came, and make room."""
        self._acknowledge(messages)
        self._held -= sum(len(m.payload) + MESSAGE_OVERHEAD_BYTES for m in messages)
        if self._held <= self._subscription.held_bytes_max:
            self._room.set()

    @abstractmethod
    def publish(self, messages: Sequence[tuple[str, bytes]], *, qos: int = 0, expiry_s: int | None = None) -> int:
        """How many were taken; those with QoS 1 are sent until the broker has them, or this process ends.

        `expiry_s`: so long may the broker keep it for others, where the protocol can say so.
        """

    async def run(self) -> NoReturn:
        """Until cancelled. Raise SettingsError where the broker's first answer says that it can never work."""
        attempt = 0
        while True:
            connected_at: float | None = None
            lasting = False
            try:
                await self._connect()
                self._connected()
                connected_at = asyncio.get_running_loop().time()
                await self._receive()
            except* (GoneError, MalformedError, OSError, TimeoutError) as error:
                self._tell_away("broker connection lost", error)
            except* RefusedError as error:
                lasting = self._refused(error)
            finally:
                self.ready.clear()
                await self._disconnect()
            steady = connected_at is not None and asyncio.get_running_loop().time() - connected_at > BACKOFF_MAX_S
            attempt = 0 if steady else attempt + 1
            await asyncio.sleep(self._backoff_s(attempt, lasting=lasting))

    # ------------------------------------------------------------------ what a protocol version does in its own way

    @abstractmethod
    async def _connect(self) -> None:
        """Until all is subscribed. Raise GoneError, MalformedError, RefusedError or OSError."""

    @abstractmethod
    async def _receive(self) -> NoReturn:
        """`_take` what comes until the connection ends, which raises one of the same."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Say goodbye if we can, and close."""

    @abstractmethod
    def _acknowledge(self, messages: Sequence[Message]) -> None:
        """PUBACK, in the order received (MQTT-4.6.0-2). Those of an earlier connection will come again."""

    # ------------------------------------------------------------------ one connection

    def _take(self, messages: list[Message]) -> None:
        """Hand these over, and stop reading where too much is held."""
        if self._subscription.prepare is not None:
            messages = [self._subscription.prepare(message) for message in messages]
        self._held += sum(len(m.payload) + MESSAGE_OVERHEAD_BYTES for m in messages)
        if self._held > self._subscription.held_bytes_max:
            self._room.clear()
        self._on_messages(messages)

    def _connected(self) -> None:
        self._ever = True
        self._told_away = False
        self.ready.set()
        log.info(
            "broker connected",
            client=self._identity.client_id,
            host=self._address.host,
            port=self._address.port,
            session_kept=self.session_kept,
        )

    def _tell_away(self, phrase: str, error: BaseException) -> None:
        """Once: the next line is that it is back."""
        if not self._told_away:
            log.warning(phrase, client=self._identity.client_id, host=self._address.host, reason=_words(error))
        self._told_away = True

    def _refused(self, error: BaseExceptionGroup[RefusedError]) -> bool:
        """Whether trying again soon is no use. What never worked and can't work is the operator's to mend."""
        lasting = any(one.lasting for one in _leaves(error) if isinstance(one, RefusedError))
        if lasting and not self._ever and not self._optional:
            where = f"[broker] {self._address.host}:{self._address.port}"
            raise SettingsError(f"{where}: {_words(error)}; check url, username and password")
        self._tell_away("broker refused us", error)
        return lasting

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
