"""ChirpStack v4: uplinks that its device profile has decoded, and what a device says of its battery and its radio.

Source: chirpstack.io/docs/chirpstack/integrations/events.html, and integration.proto of chirpstack_api 4.
Fields that are 0 or false are left out of the JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from typing_extensions import override

from satomori_core.errors import RejectedError
from satomori_core.senml import parse_json
from satomori_ingest.decoders import Decoded
from satomori_ingest.decoders.fields import (
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

_KNOWN = (
    FieldMapping("rxInfo.rssi", "signal", "dBm"),
    FieldMapping("margin", "signal_margin", "dB"),
    FieldMapping("batteryLevel", "battery_level", "%"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChirpstackSettings(FormatSettings):
    """`application`: the id of one, where others have tables of their own.

    A path of `fields` is one of the decoded object, or `fCnt`, `rxInfo.rssi`, `rxInfo.snr` (of the gateway that heard
    it best), `margin`, `batteryLevel`. A device is its DevEUI, in small letters.
    """

    name: str = "chirpstack"
    application: str = "+"

    @override
    def filters(self) -> Sequence[str]:
        return [f"application/{self.application}/device/+/event/{event}" for event in ("up", "status")]


class ChirpstackDecoder(FormatDecoder):
    def __init__(self, settings: ChirpstackSettings) -> None:
        super().__init__(settings, _KNOWN)

    def gateway(self, topic: str) -> str:
        return self._gateway_of(topic.split("/")[3])

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
        """The time is the network server's, of when it received the uplink."""
        document = to_object(parse_json(payload))
        eui, time = reach(document, "deviceInfo.devEui"), document.get("time")
        device = self._device(eui)
        at_us = received_at_us if time is None else from_iso8601(time, UTC)
        kept = {"deviceInfo.devEui": eui, "time": time}
        collected = Collected()
        if topic.endswith("/status"):
            self._fields.read(collected, device, at_us, _state(document), Origin(kept))
        else:
            decoded = document.get("object")
            places = self._fields.read(collected, device, at_us, decoded, Origin(kept, "object"))
            if not places and (decoded or document.get("data")):
                raise RejectedError("no_fields", NOTHING_DECODED)
            radio = {"rxInfo": best_signal(document.get("rxInfo")), "fCnt": document.get("fCnt")}
            self._fields.read(collected, device, at_us, radio, Origin(kept))
        return collected.decoded(self._owner(device))


def _state(document: dict[str, object]) -> dict[str, object]:
    """A battery level that is there although the device has none to tell is no reading; a margin left out is 0.

    A record that is replayed alone has no deduplicationId, and says nothing beside itself.
    """
    state: dict[str, object] = {key: document[key] for key in ("margin", "batteryLevel") if key in document}
    if "deduplicationId" in document:
        state.setdefault("margin", 0)
    if document.get("externalPowerSource") or document.get("batteryLevelUnavailable"):
        state.pop("batteryLevel", None)
    return state
