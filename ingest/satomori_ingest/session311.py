"""An MQTT 3.1.1 session by aiomqtt, for brokers that offer nothing newer (The Things Stack, for one).

Three things that aiomqtt does not offer are reached at the paho client beneath it: acknowledging by hand, whether the
broker had kept our session, and not reading for a while. A packet is held whole, whatever its size.
"""

import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_ERR_SUCCESS, ConnectFlags, MQTTMessageInfo
from paho.mqtt.reasoncodes import ReasonCode
from typing_extensions import override

from satomori_core.broker import BrokerAddress
from satomori_core.cancellation import mind_cancellation
from satomori_core.clock import now_us
from satomori_ingest.broker_session import CONNECT_TIMEOUT_S, BrokerSession, GoneError, Subscription
from satomori_ingest.protocol import (
    INFLIGHT_MAX,
    PACKET_BYTES_MAX,
    PACKET_HEAD_BYTES,
    QUEUED_MAX,
    Identity,
    Message,
    RefusedError,
)

# CONNACK's return codes 1, 2, 4 and 5 (MQTT 3.1.1, table 3.1), as paho names them in MQTT 5's words: they come from
# what is set up at either side. The third, "server unavailable", comes from the moment.
_LASTING = {
    "Unsupported protocol version",
    "Client identifier not valid",
    "Bad user name or password",
    "Not authorized",
}


class _Client(aiomqtt.Client):
    """One connection. Nothing is acknowledged that is not asked for."""

    def __init__(self, address: BrokerAddress, identity: Identity) -> None:
        super().__init__(
            address.host,
            address.port,
            username=identity.username,
            password=identity.password,
            identifier=identity.client_id,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=identity.session_expiry_s == 0,
            keepalive=identity.keep_alive_s,
            timeout=CONNECT_TIMEOUT_S,
            max_inflight_messages=INFLIGHT_MAX,
            tls_context=address.tls,
        )
        self.session_present = False
        self._client.manual_ack_set(True)

    @override
    def _on_connect(
        self, client: Any, userdata: Any, flags: ConnectFlags, reason_code: ReasonCode, properties: Any = None
    ) -> None:
        self.session_present = flags.session_present
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def acknowledge(self, packet_id: int) -> None:
        self._client.ack(packet_id, 1)

    def send(self, topic: str, payload: bytes, qos: int) -> MQTTMessageInfo:
        """Without waiting for the broker."""
        return self._client.publish(topic, payload, qos)

    def pause(self) -> None:
        where = self._client.socket()
        if isinstance(where, socket.socket):
            self._loop.remove_reader(where.fileno())

    def resume(self) -> None:
        """As aiomqtt reads: what TLS has decoded already wakes no reader."""
        where = self._client.socket()
        if isinstance(where, socket.socket):
            self._loop.add_reader(where.fileno(), self._read)
            self._read()

    def _read(self) -> None:
        try:
            self._client.loop_read()
            while isinstance(where := self._client.socket(), ssl.SSLSocket) and where.pending():
                self._client.loop_read()
        except (OSError, ValueError) as error:
            if not self._disconnected.done():
                self._disconnected.set_exception(error)


class Session311(BrokerSession):
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
        self._client: _Client | None = None
        self._epoch = 0
        self._kept = False
        self._unconfirmed: deque[tuple[str, bytes, MQTTMessageInfo | None]] = deque()

    @property
    @override
    def session_kept(self) -> bool:
        return self._kept

    @override
    def publish(self, messages: Sequence[tuple[str, bytes]], *, qos: int = 0, expiry_s: int | None = None) -> int:
        while self._unconfirmed and (sent := self._unconfirmed[0][2]) is not None and sent.is_published():
            self._unconfirmed.popleft()
        if qos:
            messages = messages[: QUEUED_MAX - len(self._unconfirmed)]
            self._unconfirmed.extend((topic, payload, self._send(topic, payload, qos)) for topic, payload in messages)
            return len(messages)
        sent_now = [self._send(topic, payload, qos) for topic, payload in messages]
        return sum(one is not None and one.rc == MQTT_ERR_SUCCESS for one in sent_now)

    def _send(self, topic: str, payload: bytes, qos: int) -> MQTTMessageInfo | None:
        return None if self._client is None else self._client.send(topic, payload, qos)

    @override
    def _acknowledge(self, messages: Sequence[Message]) -> None:
        if self._client is not None:
            for message in messages:
                if message.packet_id is not None and message.epoch == self._epoch:
                    self._client.acknowledge(message.packet_id)

    # ------------------------------------------------------------------ one connection

    @override
    async def _connect(self) -> None:
        await self._room.wait()  # a long pause ends a connection, since no answer to its pings is read
        client = _Client(self._address, self._identity)
        try:
            await client.__aenter__()
        except MqttConnectError as error:
            reason = str(error.rc)
            raise RefusedError(f"the broker refused the connection: {reason}", lasting=reason in _LASTING) from None
        except aiomqtt.MqttError as error:
            lasting = "CERTIFICATE_VERIFY_FAILED" in str(error)  # aiomqtt keeps the text alone
            raise (RefusedError(str(error), lasting=True) if lasting else GoneError(str(error))) from None
        self._client = client
        self._epoch += 1
        self._kept = client.session_present
        filters = [(pattern, self._subscription.qos) for pattern in self._subscription.filters]
        try:
            codes = await client.subscribe(filters) if filters else ()
        except aiomqtt.MqttError as error:
            raise GoneError(str(error)) from None
        for (pattern, _), code in zip(filters, codes, strict=False):
            if isinstance(code, ReasonCode) and code.is_failure:
                raise RefusedError(f"the broker refused the subscription of {pattern}", lasting=True)
        mind_cancellation()
        again = [(topic, payload) for topic, payload, _ in self._unconfirmed]
        self._unconfirmed.clear()
        self.publish(again, qos=1)

    @override
    async def _receive(self) -> NoReturn:
        client = self._client
        if client is None:
            raise AssertionError
        try:
            async for message in client.messages:
                self._take([self._message(message)])
                if not self._room.is_set():
                    await self._pause(client)
        except aiomqtt.MqttError as error:
            raise GoneError(str(error)) from None
        raise GoneError("the broker closed the connection")

    async def _pause(self, client: _Client) -> None:
        client.pause()
        await self._room.wait()
        client.resume()

    def _message(self, message: aiomqtt.Message) -> Message:
        payload = message.payload
        return Message(
            str(message.topic),
            payload if len(payload) <= PACKET_BYTES_MAX else payload[:PACKET_HEAD_BYTES],
            message.mid if message.qos else None,
            message.retain,
            False,
            len(payload),
            self._epoch,
            now_us(),
        )

    @override
    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            mind_cancellation()
