"""Tasmota: sensors, its own state, and whether it is there.

Sources: tasmota.github.io/docs/MQTT, …/AM2301 and …/JSON-Status-Responses; the names of units under TempUnit,
PressureUnit and SpeedUnit are recalled, not checked.
"""

import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import override

from satomori_core.errors import RejectedError, SettingsError
from satomori_core.senml import parse_json
from satomori_ingest.decoders import Decoded
from satomori_ingest.decoders.fields import (
    Collected,
    FieldMapping,
    FormatDecoder,
    FormatSettings,
    Origin,
    check_zone,
    fill,
    from_iso8601,
    to_object,
    topic_filter,
)

# Those that measure the air. A DS18B20 is a probe in whatever it is put in: which metric it measures is the settings'.
_AIR_SENSORS = ("AM2301", "SI7021", "BME280", "BME680", "BMP280", "SHT3X", "SHT4X", "HTU21", "AHT2X", "DHT11", "SCD40")
_KNOWN = (
    *(
        FieldMapping(f"{sensor}.{place}", metric)
        for sensor in _AIR_SENSORS
        for place, metric in (
            ("Temperature", "air_temperature"),
            ("Humidity", "relative_humidity"),
            ("Pressure", "pressure"),
            ("CarbonDioxide", "co2"),
        )
    ),
    FieldMapping("Wifi.Signal", "signal"),
)
_UNITS = {
    "Humidity": "%", "CarbonDioxide": "ppm", "Illuminance": "lx", "Distance": "cm", "Moisture": "%", "Signal": "dBm",
    "ENERGY.Power": "W", "ENERGY.ApparentPower": "V.A", "ENERGY.Voltage": "V", "ENERGY.Current": "A",
    "ENERGY.Frequency": "Hz", "ENERGY.Total": "kW.h", "ENERGY.Today": "kW.h", "ENERGY.Yesterday": "kW.h",
}  # fmt: skip
# What the message says of its units: of which places, and what each word means.
_SAID = {
    "TempUnit": (("Temperature", "DewPoint"), {"C": "Cel", "F": "[degF]", "K": "K"}),
    "PressureUnit": (("Pressure", "SeaPressure"), {"hPa": "hPa", "mmHg": "mm[Hg]", "inHg": "[in_i'Hg]"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TasmotaSettings(FormatSettings):
    """`topic`: the device's FullTopic with its prefix for telemetry, and {device} where it has %topic%.

    `time_zone`: that of the devices' clocks (their Timezone setting). A path of `fields` is one of SENSOR or STATE, as
    `DS18B20.Temperature` or `POWER`, or `LWT`: whether the device is there. A unit that the message names holds.
    """

    name: str = "tasmota"
    topic: str = "tele/{device}"
    time_zone: str = "UTC"

    @override
    def filters(self) -> Sequence[str]:
        return [f"{topic_filter(self.topic)}/{last}" for last in ("SENSOR", "STATE", "LWT")]

    @override
    def check(self, where: str) -> None:
        FormatSettings.check(self, where)
        check_zone(self.time_zone, where)
        if "{device}" not in self.topic:
            raise SettingsError(f"{where}: topic {self.topic!r} has no {{device}}")


class TasmotaDecoder(FormatDecoder):
    def __init__(self, settings: TasmotaSettings) -> None:
        super().__init__(settings, _KNOWN)
        self._topic = settings.topic
        self._zone = zoneinfo.ZoneInfo(settings.time_zone)

    def gateway(self, topic: str) -> str:
        return self._gateway_of(fill("{device}", self._topic, topic))

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
        """Nothing for a state or a last will of which nothing is mapped."""
        device = self._device(fill("{device}", self._topic, topic))
        collected = Collected()
        if topic.endswith("/LWT"):
            there = {"LWT": payload.decode("utf-8", "replace")}
            self._fields.read(collected, device, received_at_us, there, Origin({}))
            return collected.decoded(self._owner(device))
        document = to_object(parse_json(payload))
        time = document.get("Time")
        at_us = from_iso8601(time, self._zone)
        named = {key: document[key] for key in _SAID if isinstance(document.get(key), str)}
        origin = Origin({"Time": time, **named}, said=_said(named), units=_UNITS)
        found = self._fields.read(collected, device, at_us, document, origin)
        if not found and topic.endswith("/SENSOR"):
            raise RejectedError("no_fields", "no sensor in this message is known or mapped")
        return collected.decoded(self._owner(device))


def _said(named: Mapping[str, object]) -> dict[str, str]:
    """The unit of each place, from the message's own words."""
    units: dict[str, str] = {}
    for key, word in named.items():
        places, words = _SAID[key]
        units |= dict.fromkeys(places, words.get(str(word), str(word)))
    return units
