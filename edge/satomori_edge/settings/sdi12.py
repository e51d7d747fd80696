"""[[edge.sdi12]]: sensors on an SDI-12 bus behind a transparent serial adapter."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from satomori_edge.settings.faults import Planned, between, found, metric_fault, name_fault, scale_fault, unit_words
from satomori_edge.settings.serial import Serial


@dataclass(frozen=True, slots=True)
class Sdi12Value:
    """The value at `index` (from 0) of what the sensor measures: `value = number * scale + offset`, in `unit`.

    `command`, where it differs from the sensor's: `"M1"`, `"C2"` …
    """

    index: int
    metric: str
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    command: str | None = None

    def faults(self) -> list[str]:
        return found(
            between("index", self.index, 0, 98),  # a concurrent measurement has at most 99 values
            metric_fault(self.metric, self.unit),
            scale_fault(self.scale, self.offset),
            command_fault(self.command),
        )


@dataclass(frozen=True, slots=True)
class Sdi12Sensor:
    """One sensor. `command`: M holds the bus until it is ready, C leaves it to the others; 1 to 9 mean other values.

    `crc`: ask for checked values; sensors have that since version 1.3 of the standard.
    """

    address: str
    device: str
    values: tuple[Sdi12Value, ...]
    command: str = "M"
    crc: bool = False
    interval_s: float | None = None

    def faults(self) -> list[str]:
        return found(
            None
            if re.fullmatch("[0-9A-Za-z]", self.address)
            else f"address {self.address!r} is not one of 0–9 A–Z a–z",
            name_fault("device", self.device),
            None if self.values else "values is empty",
            command_fault(self.command),
            between("interval_s", self.interval_s, 0.05, 86400),
        )

    def commands(self) -> dict[str, list[Sdi12Value]]:
        """What is asked for, in the order of the values, and what is read of it."""
        asked: dict[str, list[Sdi12Value]] = {}
        for value in self.values:
            asked.setdefault(value.command or self.command, []).append(value)
        return asked


def command_fault(command: str | None) -> str | None:
    if command is None or re.fullmatch("[MC][1-9]?", command):
        return None
    return f"command {command!r} is not M or C, alone or with a digit from 1 to 9 (a checksum is `crc = true`)"


@dataclass(frozen=True, slots=True)
class Sdi12Settings(Serial):
    """One bus. `timeout_s`: from a command to the end of its answer, which at 1200 baud takes up to 0.7 s."""

    port: str
    sensors: tuple[Sdi12Sensor, ...]
    timeout_s: float = 1.0
    interval_s: float = 600.0

    def faults(self) -> list[str]:
        twice = [a for a, times in Counter(sensor.address for sensor in self.sensors).items() if times > 1]
        return found(
            None if self.sensors else "sensors is empty",
            f"address {twice[0]!r} is listed twice; put its values into one sensor" if twice else None,
            self.rate_fault(),
            between("timeout_s", self.timeout_s, 0.02, 60),
            between("interval_s", self.interval_s, 0.05, 86400),
        )

    @property
    def line(self) -> str:
        return self.port

    def planned(self) -> Iterator[Planned]:
        for sensor in self.sensors:
            every_s = sensor.interval_s or self.interval_s
            owner = f"address {sensor.address} of {self.port}"
            for v in sensor.values:
                item = f"address {sensor.address} {v.command or sensor.command} value {v.index}"
                yield Planned("sdi12", self.port, item, sensor.device, v.metric, unit_words(v.unit), every_s, owner)
