"""From registers to values, and from a list of registers to as few requests as they need. Pure."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from satomori_edge.settings import Point, Register, RegisterKind
from satomori_edge.sources.base import scaled

# Modbus Application Protocol 1.1b3, 6.1–6.4: so many may be asked for at once.
REGISTERS_MAX = 125
BITS_MAX = 2000

_FORMATS = {
    "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "uint64": ">Q", "float32": ">f",
    "float64": ">d",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` addresses of one kind from `address` on, and what is found in them."""

    kind: RegisterKind
    address: int
    count: int
    registers: tuple[Register, ...]


def plan_blocks(registers: Sequence[Register], gap_max: int) -> list[Block]:
    """Neighbours in one request; a gap of up to `gap_max` unlisted registers is read along."""
    ordered = sorted(registers, key=lambda r: (r.kind, r.address))
    return [block for kind, group in groupby(ordered, key=lambda r: r.kind) for block in _join(kind, group, gap_max)]


def _join(kind: RegisterKind, registers: Iterator[Register], gap_max: int) -> Iterator[Block]:
    limit = BITS_MAX if kind in {"coil", "discrete"} else REGISTERS_MAX
    taken: list[Register] = []
    start = end = 0
    for register in registers:
        behind = register.address + register.count
        if taken and (register.address > end + gap_max or behind - start > limit):
            yield Block(kind, start, end - start, tuple(taken))
            taken = []
        if not taken:
            start = end = register.address
        taken.append(register)
        end = max(end, behind)
    if taken:
        yield Block(kind, start, end - start, tuple(taken))


def decode_register(register: Register | Point, words: Sequence[int]) -> float:
    """The value of `words` (most significant first unless the register says otherwise); may be NaN or infinite."""
    ordered = words if register.word_order == "big" else words[::-1]
    order = ">" if register.byte_order == "big" else "<"
    raw = struct.unpack(_FORMATS[register.type], struct.pack(f"{order}{len(ordered)}H", *ordered))[0]
    if register.type == "float32":
        raw = _shortest_float32(raw)
    return scaled(raw, register.scale, register.offset)


def encode_register(point: Point, value: float) -> list[int]:
    """The words of `value`, which `decode_register` takes back, as near as the type holds it."""
    raw = (value - point.offset) / point.scale
    packed = struct.pack(_FORMATS[point.type], raw if point.type.startswith("float") else round(raw))
    order = ">" if point.byte_order == "big" else "<"
    words = struct.unpack(f"{order}{len(packed) // 2}H", packed)
    return list(words if point.word_order == "big" else words[::-1])


def _shortest_float32(value: float) -> float:
    """The shortest decimal that is this float32: 23.4, not 23.399999618530273. Nothing is lost by it."""
    packed = struct.pack(">f", value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.pack(">f", short) == packed:
                return short
        except OverflowError:  # rounded up beyond the largest float32
            continue
    return value
