"""Zigbee2MQTT: what a device's last state is, published whole whenever some of it has changed.

Source: www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html; the units are those of its "exposes" pages
(recalled, not checked).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from typing_extensions import override

from satomori_core.errors import RejectedError
from satomori_core.senml import parse_json
from satomori_ingest.decoders import Decoded
from satomori_ingest.decoders.fields import (
    Collected,
    FieldMapping,
    FormatDecoder,
    FormatSettings,
    Origin,
    from_iso8601,
    from_unix,
    to_object,
)

_KNOWN = (
    FieldMapping("temperature", "air_temperature", "Cel"),
    FieldMapping("humidity", "relative_humidity", "%"),
    FieldMapping("pressure", "pressure", "hPa"),
    FieldMapping("soil_moisture", "soil_moisture", "%"),
    FieldMapping("co2", "co2", "ppm"),
    # A battery's share, and in mV what the battery gives; what runs on mains has no battery, and its voltage is in V.
    FieldMapping("battery", "battery_level", "%"),
)
# The last levels of topics that are no states, and the first one that is the bridge's own.
_NOT_STATES = {"availability", "set", "get"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Zigbee2MqttSettings(FormatSettings):
    """`base_topic` as in its configuration, where `advanced.last_seen` should be on: else the time of arrival counts.

    A device is its friendly name, in `devices` where that is no id for a registry, as with `field/soil 1`.
    """

    name: str = "zigbee2mqtt"
    base_topic: str = "zigbee2mqtt"

    @override
    def filters(self) -> Sequence[str]:
        return [f"{self.base_topic}/#"]


class Zigbee2MqttDecoder(FormatDecoder):
    def __init__(self, settings: Zigbee2MqttSettings) -> None:
        super().__init__(settings, _KNOWN)
        self._base = f"{settings.base_topic}/"

    def gateway(self, topic: str) -> str:
        return self._gateway_of(topic.removeprefix(self._base))

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
        """Nothing for what is no device's state."""
        friendly_name = topic.removeprefix(self._base)
        levels = friendly_name.split("/")
        if not payload or levels[0] == "bridge" or _NOT_STATES.intersection(levels[1:]):
            return Decoded(self.gateway(topic))
        document = to_object(parse_json(payload))
        device = self._device(friendly_name)
        seen = document.get("last_seen")
        at_us = received_at_us if seen is None else _observed_at(seen)
        units = {"voltage": "mV" if "battery" in document else "V", **_UNITS}
        collected = Collected()
        if not self._fields.read(collected, device, at_us, document, Origin({"last_seen": seen}, units=units)):
            raise RejectedError("no_fields", "nothing in this state is known or mapped")
        return collected.decoded(self._owner(device))


_UNITS = {"power": "W", "energy": "kW.h", "current": "A", "illuminance": "lx", "device_temperature": "Cel"}


def _observed_at(seen: object) -> int:
    """ISO 8601, or with `epoch` in its settings ms since 1970."""
    return from_iso8601(seen, UTC) if isinstance(seen, str) else from_unix(seen, "last_seen", 1000)
