"""How a serial port is driven, whatever is spoken over it."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from satomori_edge.settings.faults import between


@dataclass(frozen=True, slots=True)
class Serial:
    """8 data bits; what most sensors and adapters come with."""

    _: KW_ONLY
    baudrate: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1

    def rate_fault(self) -> str | None:
        return between("baudrate", self.baudrate, 300, 4_000_000)
