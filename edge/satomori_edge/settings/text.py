"""[[edge.text]]: lines of separated fields over a serial port."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from satomori_edge.settings.faults import Planned, between, found, metric_fault, name_fault, scale_fault, unit_words
from satomori_edge.settings.serial import Serial


@dataclass(frozen=True, slots=True)
class TextField:
    """The field at `index` (from 0) of a line: `value = number * scale + offset`, in `unit`."""

    index: int
    metric: str
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    def faults(self) -> list[str]:
        return found(
            between("index", self.index, 0, 255),
            metric_fault(self.metric, self.unit),
            scale_fault(self.scale, self.offset),
        )


@dataclass(frozen=True, slots=True)
class TextSettings(Serial):
    """Lines of separated fields over a serial port.

    The device is `device`, or what stands in field `device_index`. `checksum = "xor"` is NMEA 0183's: two hex digits
    after `*`, the XOR of what stands between a leading `$` or `!` (if any) and the `*`. `start`: lines that begin
    otherwise are not for us.
    """

    port: str
    fields: tuple[TextField, ...]
    device: str | None = None
    device_index: int | None = None
    delimiter: str = "\n"
    separator: str = ","
    checksum: Literal["none", "xor"] = "none"
    start: str = ""
    line_bytes_max: int = 256

    def faults(self) -> list[str]:
        indexes = [f.index for f in self.fields] + ([] if self.device_index is None else [self.device_index])
        twice = [index for index, times in Counter(indexes).items() if times > 1]
        return found(
            None if self.fields else "fields is empty",
            f"field {twice[0]} is used twice" if twice else None,
            name_fault("device", self.device),
            None
            if (self.device is None) != (self.device_index is None)
            else "name the device by `device` or by `device_index`, one of them",
            between("device_index", self.device_index, 0, 255),
            None if self.delimiter and self.delimiter.isascii() else "delimiter is empty or not ASCII",
            None if self.separator and self.separator.isascii() else "separator is empty or not ASCII",
            self.rate_fault(),
            between("line_bytes_max", self.line_bytes_max, 8, 65536),
        )

    @property
    def line(self) -> str:
        return self.port

    def planned(self) -> Iterator[Planned]:
        device = self.device or f"(field {self.device_index})"
        for f in self.fields:
            yield Planned("text", self.port, f"field {f.index}", device, f.metric, unit_words(f.unit), None, self.port)
