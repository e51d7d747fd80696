"""An MQTT connection, 3.1.1 or 5, over aiomqtt: the only module that touches it. Its errors become UnavailableError."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from satomori_core.broker import BrokerAddress
from satomori_core.cancellation import mind_cancellation
from satomori_core.errors import UnavailableError

CONNECT_TIMEOUT_S = 3.0
GOODBYE_S = 1.5  # how long a stop waits for the broker
SESSION_EXPIRY_S = 7 * 86400  # MQTT 5: how long the broker keeps a session that we asked to keep


@dataclass(frozen=True, slots=True)
class Outgoing:
    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Incoming:
    topic: str
    payload: bytes
    qos: int
    mid: int
    is_retained: bool = False


class Session:
    """Everything with QoS 1. Each method raises UnavailableError where the connection is gone."""

    def __init__(self, client: aiomqtt.Client, *, acknowledges: bool) -> None:
        self._client = client
        self._acknowledges = acknowledges

    async def publish(self, message: Outgoing) -> None:
        """Returns when the broker has taken it."""
        try:
            await self._client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        except aiomqtt.MqttError as error:
            raise UnavailableError(str(error)) from None
        mind_cancellation()

    async def subscribe(self, topic_filter: str) -> None:
        try:
            await self._client.subscribe(topic_filter, qos=1)
        except aiomqtt.MqttError as error:
            raise UnavailableError(str(error)) from None
        mind_cancellation()

    async def messages(self) -> AsyncIterator[Incoming]:
        try:
            async for message in self._client.messages:
                if isinstance(message.payload, bytes):
                    yield Incoming(message.topic.value, message.payload, message.qos, message.mid, message.retain)
        except aiomqtt.MqttError as error:
            raise UnavailableError(str(error)) from None

    def acknowledge(self, message: Incoming) -> None:
        """To the broker, where `keeps_session` was asked for; otherwise that is done on arrival."""
        if self._acknowledges:
            self._client._client.ack(message.mid, message.qos)  # noqa: SLF001 - aiomqtt has no word for it


@asynccontextmanager
async def connect(
    address: BrokerAddress,
    *,
    client_id: str,
    mqtt5: bool,
    will: Outgoing | None = None,
    keepalive_s: int = 30,
    keeps_session: bool = False,
) -> AsyncIterator[Session]:
    """`keeps_session`: the broker keeps what comes while we are away, and we acknowledge each message ourselves."""
    expiry = None
    if mqtt5 and keeps_session:
        expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        expiry.SessionExpiryInterval = SESSION_EXPIRY_S
    client = aiomqtt.Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        identifier=client_id,
        protocol=aiomqtt.ProtocolVersion.V5 if mqtt5 else aiomqtt.ProtocolVersion.V311,
        will=aiomqtt.Will(will.topic, will.payload, 1, will.retain) if will else None,
        clean_session=None if mqtt5 else not keeps_session,
        clean_start=not keeps_session if mqtt5 else MQTT_CLEAN_START_FIRST_ONLY,
        properties=expiry,
        keepalive=keepalive_s,
        tls_context=address.tls,
    )
    client._client.connect_timeout = CONNECT_TIMEOUT_S  # noqa: SLF001 - so that a stop need not wait for it
    client._client.manual_ack_set(keeps_session)  # noqa: SLF001 - aiomqtt has no word for it
    cancelled: asyncio.CancelledError | None = None
    try:
        async with client:
            try:
                yield Session(client, acknowledges=keeps_session)
            except asyncio.CancelledError as error:
                cancelled = error
                raise
            finally:
                client.timeout = GOODBYE_S
    except aiomqtt.MqttError as error:
        # A broker that does not take our goodbye must not make an error of a stop.
        if cancelled is not None:
            raise cancelled from None
        raise UnavailableError(str(error)) from None
