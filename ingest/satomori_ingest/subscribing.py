"""Which sessions ingest has with which brokers, and what each of them subscribes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from satomori_core.broker import BrokerAddress, BrokerSettings, broker_address
from satomori_core.logs import get_logger
from satomori_core.topics import EVENT, subscription
from satomori_ingest.broker_session import BrokerSession, Subscription
from satomori_ingest.connections import BrokerConnection, ProtocolVersion, carried_elsewhere
from satomori_ingest.decoders import Decoder
from satomori_ingest.decoders.sparkplug import SparkplugDecoder
from satomori_ingest.filters import matches
from satomori_ingest.formats import make_decoders
from satomori_ingest.lanes import Lanes, WaitingLane
from satomori_ingest.protocol import Identity, Message
from satomori_ingest.session import Session
from satomori_ingest.session311 import Session311
from satomori_ingest.settings import IngestSettings
from satomori_ingest.sparkplug_host import SparkplugHost

OnMessages = Callable[[list[Message]], None]
OnPresence = Callable[[str, bool, int], None]

log = get_logger("ingest")


@dataclass(frozen=True, slots=True)
class _Broker:
    """How a broker is spoken to. `optional`: ingest goes on where it refuses us."""

    address: BrokerAddress
    protocol: ProtocolVersion
    client_id: str | None = None
    qos: int = 1
    optional: bool = False


class Sessions:
    """All of them, each lane's own set to it. `on_replies`, `on_statuses`: what came by `command` and `status`."""

    def __init__(
        self,
        settings: IngestSettings,
        address: BrokerAddress,
        lanes: Lanes,
        *,
        on_presence: OnPresence,
        on_replies: OnMessages,
        on_statuses: OnMessages,
    ) -> None:
        self._settings = settings
        self._on_presence = on_presence
        self.all: list[BrokerSession] = []
        main = _Broker(address, settings.protocol)
        elsewhere = carried_elsewhere(settings.broker)
        _, *third_parties = make_decoders(settings)
        here = [decoder for decoder in third_parties if decoder.name not in elsewhere]
        for lane, decoders in ((lanes.telemetry, here), (lanes.backlog, [])):
            filters = [subscription(lane.name, settings.share), *self._filters(decoders, alone=False)]
            lane.session = self._session(main, lane.name, filters, lanes.receiver(lane), self._host(decoders))
        self.main = lanes.telemetry.session
        replies = [subscription("reply", settings.share), self._shared(EVENT)]
        self.command = self._session(main, "command", replies, on_replies)

        def take_statuses(messages: list[Message]) -> None:
            on_statuses(messages)
            self.status.release(messages)

        # Not shared: a shared subscription gets no retained messages, and each worker may know who is there.
        self.status = self._session(main, "status", [subscription("status")], take_statuses)
        for connection in settings.broker:
            if connection.worker in {None, settings.worker}:
                carried = [decoder for decoder in third_parties if decoder.name in connection.carries]
                lanes.add(self._third_partys(connection, carried, lanes))

    def _shared(self, pattern: str) -> str:
        return f"$share/{self._settings.share}/{pattern}" if self._settings.share else pattern

    def _filters(self, decoders: Sequence[Decoder], *, alone: bool) -> list[str]:
        """What this worker subscribes. `alone`: no other is on that broker."""
        filters: list[str] = []
        for decoder in decoders:
            if alone or self._settings.share is None:
                filters += decoder.filters
            elif not isinstance(decoder, SparkplugDecoder):
                filters += [self._shared(pattern) for pattern in decoder.filters]
            elif decoder.worker == self._settings.worker:
                filters += decoder.filters
        return filters

    def _host(self, decoders: Sequence[Decoder]) -> SparkplugHost | None:
        sparkplug = [decoder for decoder in decoders if isinstance(decoder, SparkplugDecoder)]
        return SparkplugHost(sparkplug, self._on_presence) if sparkplug else None

    def _third_partys(self, connection: BrokerConnection, decoders: Sequence[Decoder], lanes: Lanes) -> WaitingLane:
        lane = WaitingLane(connection.name)
        table = f"[ingest] broker {connection.name!r}"
        where = BrokerSettings(connection.url, connection.username, connection.password, connection.ca_file)
        address = broker_address(where, mqtt5=connection.protocol == "5", table=table)
        asked = _AskedFor(lane, [pattern for decoder in decoders for pattern in decoder.filters], lanes.receiver(lane))
        filters = self._filters(decoders, alone=connection.worker is not None)
        broker = _Broker(address, connection.protocol, connection.client_id, connection.qos, optional=True)
        lane.session = self._session(broker, lane.name, filters, asked.receive, self._host(decoders))
        return lane

    def _session(
        self,
        broker: _Broker,
        name: str,
        filters: Sequence[str],
        on_messages: OnMessages,
        host: SparkplugHost | None = None,
    ) -> BrokerSession:
        settings = self._settings
        identity = Identity(
            broker.client_id or f"satomori-ingest-{settings.worker}-{name}",
            broker.address.username,
            broker.address.password,
            settings.session_expiry_s,
            settings.keep_alive_s,
            settings.receive_max,
        )
        kind = Session if broker.protocol == "5" else Session311
        subscribed = Subscription(filters, settings.held_bytes_max, broker.qos, host.prepare if host else None)
        session = kind(broker.address, identity, subscribed, on_messages, optional=broker.optional)
        if host is not None:
            host.session = session
        self.all.append(session)
        return session


class _AskedFor:
    """What a third party's broker sends beyond what was asked for is not read: it may not speak for our gateways."""

    def __init__(self, lane: WaitingLane, patterns: Sequence[str], receive: OnMessages) -> None:
        self._lane, self._patterns, self._receive = lane, patterns, receive
        self._told = False

    def receive(self, messages: list[Message]) -> None:
        asked: list[Message] = []
        strange: list[Message] = []
        for message in messages:
            known = any(matches(pattern, message.topic) for pattern in self._patterns)
            (asked if known else strange).append(message)
        if strange:
            if not self._told:
                log.warning("a broker sends what we did not ask for", broker=self._lane.name, topic=strange[0].topic)
            self._told = True
            self._lane.session.release(strange)
        if asked:
            self._receive(asked)
