"""The Things Stack v3: uplinks as its payload formatter has decoded and, where it does that, normalised them.

Sources: thethingsindustries.com/docs/integrations/data-formats; for the units of what is normalised, lib/payload.json
of the device repository (github.com/TheThingsNetwork/lorawan-devices). Fields that are 0 or empty are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Literal

from typing_extensions import override

from satomori_core.errors import RejectedError
from satomori_core.senml import parse_json
from satomori_ingest.decoders import Decoded
from satomori_ingest.decoders.fields import (
    MISSING,
    NOTHING_DECODED,
    Collected,
    FieldMapping,
    FormatDecoder,
    FormatSettings,
    Origin,
    best_signal,
    from_iso8601,
    reach,
    to_object,
)

MEASUREMENTS_MAX = 1000
_KNOWN = (
    FieldMapping("air.temperature", "air_temperature", "Cel"),
    FieldMapping("air.relativeHumidity", "relative_humidity", "%"),
    FieldMapping("air.pressure", "pressure", "hPa"),
    FieldMapping("air.co2", "co2", "ppm"),
    FieldMapping("soil.moisture", "soil_moisture", "%"),
    FieldMapping("soil.temperature", "soil_temperature", "Cel"),
    FieldMapping("soil.ec", "soil_ec", "dS/m"),
    FieldMapping("wind.speed", "wind_speed", "m/s"),
    FieldMapping("rx_metadata.rssi", "signal", "dBm"),
    FieldMapping("last_battery_percentage.value", "battery_level", "%"),
)
_NORMALISED = "uplink_message.normalized_payload"
_TIMES = {
    "network": ("uplink_message.received_at", "received_at"),
    "gateway": ("uplink_message.settings.time", "uplink_message.received_at", "received_at"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingsStackSettings(FormatSettings):
    """`application`: one as in its topics, `app@tenant`, where others have tables of their own.

    `time`: the network server's, of when it received the uplink, or the gateway's where it has one, which is that of
    the radio's reception and as good as the gateway's clock. A path of `fields` is one of the decoded payload or of a
    normalised measurement, or `f_cnt`, `rx_metadata.rssi`, `rx_metadata.snr` (of the gateway that heard it best),
    `last_battery_percentage.value`. A device is its end device id.
    """

    name: str = "things_stack"
    application: str = "+"
    time: Literal["network", "gateway"] = "network"

    @override
    def filters(self) -> Sequence[str]:
        return [f"v3/{self.application}/devices/+/up"]


class ThingsStackDecoder(FormatDecoder):
    def __init__(self, settings: ThingsStackSettings) -> None:
        super().__init__(settings, _KNOWN)
        self._times = _TIMES[settings.time]

    def gateway(self, topic: str) -> str:
        return self._gateway_of(topic.split("/")[3])

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:  # noqa: ARG002 - the message has all
        document = to_object(parse_json(payload))
        uplink = document.get("uplink_message")
        if not isinstance(uplink, dict):
            raise RejectedError("no_fields", "the message has no uplink_message")
        if document.get("simulated"):
            raise RejectedError("simulated", "an uplink that was simulated in the console is no reading")
        sent_device = reach(document, "end_device_ids.device_id")
        device = self._device(sent_device)
        found = (reach(document, path) for path in self._times)
        time = next((time for time in found if time is not MISSING), None)
        at_us = from_iso8601(time, UTC)
        kept = {"end_device_ids.device_id": sent_device, "received_at": time}
        collected = Collected()
        measured = self._read_normalised(collected, device, at_us, uplink.get("normalized_payload"), kept)
        decoded = uplink.get("decoded_payload")
        origin = Origin(kept, "uplink_message.decoded_payload")
        measured += self._fields.read(collected, device, at_us, decoded, origin)
        if not measured and (decoded or uplink.get("frm_payload")):
            raise RejectedError("no_fields", NOTHING_DECODED)
        radio = {
            "rx_metadata": best_signal(uplink.get("rx_metadata")),
            "last_battery_percentage": uplink.get("last_battery_percentage"),
            "f_cnt": uplink.get("f_cnt"),
        }
        self._fields.read(collected, device, at_us, radio, Origin(kept, "uplink_message"))
        return collected.decoded(self._owner(device))

    def _read_normalised(
        self, collected: Collected, device: str, at_us: int, measurements: object, kept: dict[str, object]
    ) -> int:
        """A measurement has a time of its own where the device keeps some back."""
        listed = measurements if isinstance(measurements, list) else [measurements]
        if len(listed) > MEASUREMENTS_MAX:
            raise RejectedError("too_large", f"{len(listed)} measurements; the limit is {MEASUREMENTS_MAX}")
        measured = 0
        for measurement in listed:
            if isinstance(measurement, dict):
                time = measurement.get("time")
                time_us = at_us if time is None else from_iso8601(time, UTC)
                origin = Origin({**kept, _NORMALISED + ".time": time}, _NORMALISED)
                measured += self._fields.read(collected, device, time_us, measurement, origin)
        return measured
