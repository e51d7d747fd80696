"""[[edge.modbus]]: a serial line or a TCP peer, its slaves, their registers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from satomori_edge.settings.faults import Planned, between, found, metric_fault, name_fault, scale_fault, unit_words
from satomori_edge.settings.serial import Serial

RegisterKind = Literal["holding", "input", "coil", "discrete"]
RegisterType = Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bool"]
Order = Literal["big", "little"]

REGISTERS_OF_TYPE: dict[RegisterType, int] = {
    "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4, "uint64": 4, "float32": 2, "float64": 4, "bool": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Register:
    """One value of a slave: `value = raw * scale + offset`, in `unit`. `address` counts from 0, as on the wire."""

    address: int
    metric: str
    kind: RegisterKind = "holding"
    type: RegisterType = "uint16"
    word_order: Order = "big"
    byte_order: Order = "big"
    scale: float = 1.0
    offset: float = 0.0
    unit: str | None = None
    device: str | None = None

    def faults(self) -> list[str]:
        return found(
            between("address", self.address, 0, 65536 - self.count),
            metric_fault(self.metric, self.unit),
            name_fault("device", self.device),
            scale_fault(self.scale, self.offset),
            "type 'bool' goes with kind 'coil' or 'discrete'" if self.type == "bool" and not self.is_bit else None,
        )

    @property
    def is_bit(self) -> bool:
        return self.kind in {"coil", "discrete"}

    @property
    def count(self) -> int:
        """How many addresses it takes."""
        return 1 if self.is_bit else REGISTERS_OF_TYPE[self.type]


@dataclass(frozen=True, slots=True)
class Slave:
    """One unit on the line. `interval_s`, where it differs from the line's."""

    unit: int
    device: str
    registers: tuple[Register, ...]
    interval_s: float | None = None

    def faults(self) -> list[str]:
        return found(
            name_fault("device", self.device),
            None if self.registers else "registers is empty",
            between("interval_s", self.interval_s, 0.05, 86400),
        )


@dataclass(frozen=True, slots=True)
class ModbusSettings(Serial):
    """One RS-485 line (`port`), or one peer that speaks Modbus TCP (`host`), often a gateway to such a line.

    `gap_max`: unlisted registers that may be read along to save a request.
    """

    port: str | None = None
    slaves: tuple[Slave, ...] = ()
    host: str | None = None
    tcp_port: int = 502
    timeout_s: float = 0.5
    interval_s: float = 60.0
    gap_max: int = 0

    def faults(self) -> list[str]:
        units = [slave.unit for slave in self.slaves]
        twice = [unit for unit, times in Counter(units).items() if times > 1]
        # Modbus over Serial Line 1.02, 2.2; Modbus Messaging on TCP/IP 1.0b, 4.4.2.2: 0 and 255 are the peer itself.
        low, high = (1, 247) if self.host is None else (0, 255)
        return found(
            None if (self.port is None) != (self.host is None) else "name the line by `port` or by `host`, one of them",
            None if self.slaves else "slaves is empty",
            f"{self.line}: unit {twice[0]} is listed twice; put its registers into one slave" if twice else None,
            *(between("unit", unit, low, high) for unit in units),
            between("tcp_port", self.tcp_port, 1, 65535),
            self.rate_fault(),
            between("timeout_s", self.timeout_s, 0.02, 60),
            between("interval_s", self.interval_s, 0.05, 86400),
            between("gap_max", self.gap_max, 0, 100),
        )

    @property
    def line(self) -> str:
        return self.port or f"{self.host}:{self.tcp_port}".lower()

    def planned(self) -> Iterator[Planned]:
        for slave in self.slaves:
            every_s = slave.interval_s or self.interval_s
            owner = f"unit {slave.unit} of {self.line}"
            for r in slave.registers:
                item = f"unit {slave.unit} {r.kind} {r.address} {'bool' if r.is_bit else r.type}"
                device, unit = r.device or slave.device, unit_words(r.unit)
                yield Planned("modbus", self.line, item, device, r.metric, unit, every_s, owner)
