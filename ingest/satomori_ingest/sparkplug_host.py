"""Sparkplug on one broker connection: messages made readable as they come, births asked for, nodes seen come and go."""

from collections.abc import Callable, Sequence

from satomori_core.clock import now_us
from satomori_core.errors import RejectedError
from satomori_core.logs import get_logger
from satomori_ingest.broker_session import BrokerSession
from satomori_ingest.decoders.sparkplug import SparkplugDecoder
from satomori_ingest.filters import matches
from satomori_ingest.protocol import Message
from satomori_ingest.sparkplug_nodes import NAMESPACE, Nodes, Taken, parse_address, read_names
from satomori_ingest.sparkplug_payload import rebirth

UNREAD_SHOWN = 10

log = get_logger("ingest")


class SparkplugHost:
    """`prepare` is what its session does to each message. `on_presence`: (gateway, online, when)."""

    def __init__(self, decoders: Sequence[SparkplugDecoder], on_presence: Callable[[str, bool, int], None]) -> None:
        self._decoders = decoders
        self._on_presence = on_presence
        self._nodes = Nodes()
        self.session: BrokerSession | None = None

    def prepare(self, message: Message) -> Message:
        if not message.topic.startswith(f"{NAMESPACE}/") or message.size > len(message.payload):
            return message
        taken = self._nodes.take(message.topic, message.payload, message.epoch, message.received_at_us)
        self._tell(message, taken)
        return message._replace(payload=taken.payload, size=len(taken.payload))

    def _tell(self, message: Message, taken: Taken) -> None:
        decoder = next((d for d in self._decoders if any(matches(f, message.topic) for f in d.filters)), None)
        try:
            address = parse_address(message.topic)
        except RejectedError:
            return  # the decoder refuses it
        if decoder is None:
            return
        if taken.rebirth and self.session is not None:
            log.warning("sparkplug birth asked for", node=address.node_id, reason=taken.rebirth)
            self.session.publish([(address.command_topic, rebirth(now_us()))])
        elif taken.told and address.kind == "NDEATH":  # gaps are told when the birth is asked for, with their number
            log.warning("sparkplug death not believed", node=address.node_id, reason=taken.told)
        if taken.online is not None and decoder.nodes_are_gateways:
            self._on_presence(decoder.gateway(message.topic), taken.online, message.received_at_us)
        if address.kind in {"NBIRTH", "DBIRTH"}:
            names = read_names(message.payload)
            unread = [name for name in names if decoder.mapping(name, is_boolean=False) is None]
            log.info(
                "sparkplug birth",
                device=address.device_id,
                metrics=len(names),
                read=len(names) - len(unread),
                unread=unread[:UNREAD_SHOWN],
            )
