"""Which register or topic carries which datastream: both the devices and the edge agents' settings are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from satomori_sample.region import Region, Stream, Wire

BAUDRATE = 9600
COIL = 100  # of a device that drives an actuator
OPENING, TIMER = 101, 102  # of a gate: holding registers in % and s
# Metric -> type of its registers; a value is raw * resolution. What is not here is uint16.
REGISTER_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "air_temperature": "int16",
        "structure_temperature": "int16",
        "bearing_temperature": "int16",
        "displacement": "int16",
        "strain": "int32",
        "flow": "uint32",
        "pump_running": "bool",
        "gate_moving": "bool",
    }
)
WORDS = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2}


@dataclass(frozen=True, slots=True)
class Register:
    """Where the datastream at `place` (in the region's streams) stands in its slave. A bool is a discrete input."""

    place: int
    stream: Stream
    address: int
    type: str
    word_order: str

    def words(self, value: float) -> list[int]:
        """The registers of a value: two's complement, the low word first where the device has it so."""
        raw = round(value / self.stream.resolution)
        bits = 16 * WORDS[self.type]
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.type.startswith("int") else (0, (1 << bits) - 1)
        raw = min(max(raw, low), high) & ((1 << bits) - 1)
        words = [raw >> shift & 0xFFFF for shift in range(bits - 16, -1, -16)]
        return words[::-1] if self.word_order == "little" else words


def registers_of(region: Region, device: str) -> list[Register]:
    """Input registers from address 0 on, discrete inputs likewise."""
    address, bit, registers = 0, 0, []
    # Makers differ in which word comes first; one of ours does too.
    order = "little" if device.startswith("minato-bridge-2") else "big"
    for place, stream in region.streams_of(device):
        kind = REGISTER_TYPES.get(stream.metric, "uint16")
        if kind == "bool":
            registers.append(Register(place, stream, bit, kind, "big"))
            bit += 1
        else:
            registers.append(Register(place, stream, address, kind, order))
            address += WORDS[kind]
    return registers


def port_name(wire: Wire) -> str:
    return f"tty-{wire.name}"


def vendor_topic(wire: Wire, device: str) -> str:
    """Where the vendor's device publishes its JSON."""
    return f"sample-vendor/{wire.name}/{device}/state"
