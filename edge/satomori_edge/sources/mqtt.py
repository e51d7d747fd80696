"""A local MQTT broker whose devices speak JSON of their own.

The session is kept by the broker, and a message is acknowledged to it only when its readings are durable here: with
QoS 1 a device's message survives a restart of the edge.
"""

from zoneinfo import ZoneInfo

from typing_extensions import override

from satomori_core.errors import RejectedError
from satomori_core.logs import get_logger
from satomori_core.readings import Reading
from satomori_edge.clock import now_us
from satomori_edge.session import Incoming, connect
from satomori_edge.settings import MqttSettings
from satomori_edge.sources.base import RETRY_MAX_S, Line, Sink, Source, keep_running
from satomori_edge.sources.mapping import matches, parse_message

TOLD_MAX = 100  # reasons and topics that are remembered as told

log = get_logger("edge")


class MqttSource(Source):
    """One broker. `client_id` has to be the edge's own, and the same after a restart."""

    def __init__(
        self, settings: MqttSettings, client_id: str, zone: ZoneInfo, *, retry_max_s: float = RETRY_MAX_S
    ) -> None:
        self.name = f"mqtt {settings.url}"
        self.errors = 0
        self._settings = settings
        self._client_id = client_id
        self._zone = zone
        self._line = Line(self.name, retry_max_s)
        self._told: set[tuple[str, str]] = set()

    @override
    async def run(self, sink: Sink) -> None:
        address = self._settings.address()

        async def attempt() -> None:
            is_v5 = self._settings.protocol == "5"
            async with connect(address, client_id=self._client_id, mqtt5=is_v5, keeps_session=True) as session:
                for mapping in self._settings.topics:
                    await session.subscribe(mapping.filter)
                self._line.up()
                async for message in session.messages():
                    await sink(self._parse(message))
                    session.acknowledge(message)

        await keep_running(self, self._line, attempt)

    def _parse(self, message: Incoming) -> list[Reading]:
        readings: list[Reading] = []
        for mapping in self._settings.topics:
            if not matches(mapping.filter, message.topic):
                continue
            try:
                for found in parse_message(message.topic, message.payload, mapping, self._zone, now_us()):
                    if isinstance(found, RejectedError):
                        self._tell(message.topic, found)
                    else:
                        readings.append(found)
            except RejectedError as error:
                self._tell(message.topic, error)
        return readings

    def _tell(self, topic: str, error: RejectedError) -> None:
        self.errors += 1
        if (topic, error.reason) not in self._told and len(self._told) < TOLD_MAX:
            self._told.add((topic, error.reason))
            log.warning("message is wrong", source=self.name, topic=topic, reason=error.reason, what=str(error))
