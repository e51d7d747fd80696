"""Registers: types, orders, scaling, and as few requests as they need."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_edge.settings import REGISTERS_OF_TYPE, Order, Register, RegisterType
from satomori_edge.sources.registers import BITS_MAX, REGISTERS_MAX, decode_register, plan_blocks

FORMATS = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}


def words_of(raw: bytes, word_order: Order, byte_order: Order) -> list[int]:
    words = [raw[i : i + 2] if byte_order == "big" else raw[i : i + 2][::-1] for i in range(0, len(raw), 2)]
    return [int.from_bytes(word, "big") for word in (words if word_order == "big" else words[::-1])]


@given(
    st.sampled_from(sorted(FORMATS)), st.binary(min_size=8, max_size=8), st.sampled_from(["big", "little"]),
    st.sampled_from(["big", "little"]),
)  # fmt: skip
def test_every_type_in_every_order(kind: RegisterType, raw: bytes, word_order: Order, byte_order: Order) -> None:
    raw = raw[: 2 * REGISTERS_OF_TYPE[kind]]
    (expected,) = struct.unpack(f">{FORMATS[kind]}", raw)
    register = Register(0, "rain", type=kind, word_order=word_order, byte_order=byte_order)
    found = decode_register(register, words_of(raw, word_order, byte_order))
    if math.isnan(expected):
        assert math.isnan(found)
    elif kind == "float32":
        assert struct.pack(">f", found) == raw
    else:
        assert found == float(expected)  # a reading is a double, also of a 64-bit counter


@pytest.mark.parametrize(
    ("register", "words", "value"),
    [
        (Register(0, "rain", type="int16", scale=0.1), [234], 23.4),
        (Register(0, "rain", type="int16", scale=0.1), [65536 - 5], -0.5),
        (Register(0, "rain", type="uint16", scale=0.01, offset=-40), [6550], 25.5),
        (Register(0, "rain", type="float32"), list(struct.unpack(">2H", struct.pack(">f", 23.4))), 23.4),
        (Register(0, "rain", type="float32", word_order="little"), [0x0000, 0x4148], 12.5),
    ],
)
def test_scaled_as_a_person_would_write_it(register: Register, words: list[int], value: float) -> None:
    assert decode_register(register, words) == value


def test_neighbours_come_in_one_request() -> None:
    registers = [
        Register(10, "rain"), Register(11, "flow", type="float32"), Register(13, "battery"),
        Register(20, "tilt"), Register(10, "pressure", kind="input"),
    ]  # fmt: skip
    blocks = plan_blocks(registers, gap_max=0)
    assert [(b.kind, b.address, b.count, len(b.registers)) for b in blocks] == [
        ("holding", 10, 4, 3), ("holding", 20, 1, 1), ("input", 10, 1, 1),
    ]  # fmt: skip
    assert [(b.address, b.count) for b in plan_blocks(registers[:4], gap_max=6)] == [(10, 11)]


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from(sorted(REGISTERS_OF_TYPE)), st.sampled_from(["input", "coil"])),
        max_size=60,
    ),
    st.integers(0, 5),
)
def test_every_register_is_in_one_request_within_the_limits(
    wanted: list[tuple[int, RegisterType, str]], gap_max: int
) -> None:
    registers = [
        Register(address, "rain", kind="coil" if kind == "coil" or type_ == "bool" else "input", type=type_)
        for address, type_, kind in wanted
    ]
    blocks = plan_blocks(registers, gap_max)
    found = [register for block in blocks for register in block.registers]
    assert sorted(map(repr, found)) == sorted(map(repr, registers))
    for block in blocks:
        assert block.count <= (BITS_MAX if block.kind == "coil" else REGISTERS_MAX)
        for register in block.registers:
            assert block.address <= register.address
            assert register.address + register.count <= block.address + block.count
