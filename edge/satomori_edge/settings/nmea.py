"""[[edge.nmea]]: a weather station that speaks NMEA 0183, and what of its sentences is read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from satomori_edge.settings.faults import Planned, found, metric_fault, name_fault, scale_fault
from satomori_edge.settings.serial import Serial

Sentence = Literal["MDA", "MTW", "MWV", "XDR"]

# What a sentence carries: its field by pynmea2's name, and the unit; None: another field of the sentence says it.
CARRIED: dict[tuple[Sentence, str], tuple[str, str | None]] = {
    ("MDA", "air_pressure"): ("b_pressure_bar", "bar"),
    ("MDA", "air_temperature"): ("air_temp", "Cel"),
    ("MDA", "relative_humidity"): ("rel_humidity", "%"),
    ("MDA", "water_temperature"): ("water_temp", "Cel"),
    ("MDA", "wind_direction"): ("direction_true", "deg"),
    ("MDA", "wind_speed"): ("wind_speed_meters", "m/s"),
    ("MTW", "water_temperature"): ("temperature", "Cel"),
    ("MWV", "wind_direction"): ("wind_angle", "deg"),
    ("MWV", "wind_speed"): ("wind_speed", None),
}


@dataclass(frozen=True, slots=True)
class NmeaField:
    """One metric of one sentence: `value = number * scale + offset`; of a direction what is left within 0–360.

    XDR says what it measures only by `transducer`, its type and id (`"C,0"`), and makers mean different units by one
    letter (V in M is mm with Vaisala, m3 in the standard: recalled, not checked): there `unit` is needed. The other
    sentences have their own.
    """

    sentence: Sentence
    metric: str
    transducer: str | None = None
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    def faults(self) -> list[str]:
        return found(metric_fault(self.metric, self.unit), scale_fault(self.scale, self.offset), self._sentence_fault())

    def _sentence_fault(self) -> str | None:
        if self.sentence == "XDR":
            is_named = self.transducer is not None and self.transducer.count(",") == 1
            return None if is_named and self.unit else 'XDR needs a `transducer`, type and id ("C,0"), and a `unit`'
        if self.transducer is not None or self.unit is not None:
            return f"`transducer` and `unit` go with XDR, not with {self.sentence}"
        carried = sorted(metric for sentence, metric in CARRIED if sentence == self.sentence)
        return None if self.metric in carried else f"{self.sentence} carries {', '.join(carried)}; no {self.metric!r}"


@dataclass(frozen=True, slots=True)
class NmeaSettings(Serial):
    """One port. `reference`: of the two winds that MWV may tell, R(elative to the instrument) or T(heoretical)."""

    port: str
    device: str
    fields: tuple[NmeaField, ...]
    reference: Literal["R", "T"] = "R"
    baudrate: int = field(default=4800, kw_only=True)  # NMEA 0183

    def faults(self) -> list[str]:
        return found(
            None if self.fields else "fields is empty",
            name_fault("device", self.device),
            self.rate_fault(),
        )

    @property
    def line(self) -> str:
        return self.port

    def planned(self) -> Iterator[Planned]:
        for f in self.fields:
            item = f"{f.sentence} {f.transducer or ''}".rstrip()
            unit = f.unit or CARRIED.get((f.sentence, f.metric), ("", None))[1] or "(as it says)"
            yield Planned("nmea", self.port, item, self.device, f.metric, unit, None, self.port)
