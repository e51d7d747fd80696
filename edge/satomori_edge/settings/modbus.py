"""[[edge.modbus]]: a bus, its slaves, their registers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from satomori_edge.settings.faults import Planned, between, found, metric_fault, name_fault, scale_fault, unit_words

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
    """One address on the bus. `interval_s`, where it differs from the bus's."""

    unit: int
    device: str
    registers: tuple[Register, ...]
    interval_s: float | None = None

    def faults(self) -> list[str]:
        return found(
            between("unit", self.unit, 1, 247),  # Modbus over Serial Line 1.02, 2.2
            name_fault("device", self.device),
            None if self.registers else "registers is empty",
            between("interval_s", self.interval_s, 0.05, 86400),
        )


@dataclass(frozen=True, slots=True)
class ModbusSettings:
    """One RS-485 line. `gap_max`: unlisted registers that may be read along to save a request."""

    port: str
    slaves: tuple[Slave, ...]
    baudrate: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    timeout_s: float = 0.5
    interval_s: float = 60.0
    gap_max: int = 0

    def faults(self) -> list[str]:
        twice = [unit for unit, times in Counter(slave.unit for slave in self.slaves).items() if times > 1]
        return found(
            None if self.slaves else "slaves is empty",
            f"{self.port}: unit {twice[0]} is listed twice; put its registers into one slave" if twice else None,
            between("baudrate", self.baudrate, 300, 4_000_000),
            between("timeout_s", self.timeout_s, 0.02, 60),
            between("interval_s", self.interval_s, 0.05, 86400),
            between("gap_max", self.gap_max, 0, 100),
        )

    @property
    def serial_port(self) -> str:
        return self.port

    def planned(self) -> Iterator[Planned]:
        for slave in self.slaves:
            every_s = slave.interval_s or self.interval_s
            owner = f"unit {slave.unit} of {self.port}"
            for r in slave.registers:
                item = f"unit {slave.unit} {r.kind} {r.address} {'bool' if r.is_bit else r.type}"
                device, unit = r.device or slave.device, unit_words(r.unit)
                yield Planned("modbus", self.port, item, device, r.metric, unit, every_s, owner)
