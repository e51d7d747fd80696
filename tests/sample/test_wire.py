"""The sample's own wire formats against Satomori's: two implementations of one contract must agree."""

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core import senml
from satomori_core.ranges import merge
from satomori_core.readings import Reading
from satomori_edge.settings import Register, TextField, TextSettings
from satomori_edge.sources.lines import parse_line
from satomori_edge.sources.registers import decode_register
from satomori_ingest.decoders import senml as fast
from satomori_sample.modbus import BUFFER_BYTES_MAX, Line, Slave, framed
from satomori_sample.region import build_region
from satomori_sample.wire import (
    LINE_START,
    Value,
    WireError,
    decode_ack,
    encode_line,
    encode_losses,
    encode_pack,
    encode_record,
    gateway_of,
    merged,
    topic,
)
from satomori_sample.wiring import registers_of

numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.builds(
    Value, st.just("node-1"), st.just("water_level"), st.integers(10**15, 2 * 10**15), numbers, st.just("m")
)
spans = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 20)).map(lambda p: (p[0], p[0] + p[1])), max_size=20)


@given(st.lists(values, min_size=1, max_size=20), st.booleans(), st.integers(1, 10**9))
def test_a_pack_reads_as_it_was_written(readings: list[Value], again: bool, first: int) -> None:
    seq = [(first, first + len(readings) - 1)]
    payload = encode_pack([encode_record(value) for value in readings], "stream-1", seq, again=again)
    pack = senml.decode(payload)
    assert pack.stream == "stream-1"
    assert list(pack.seq) == seq
    assert pack.again == again
    assert list(pack.readings) == [Reading(v.device, v.metric, v.at_us, v.value, v.unit) for v in readings]
    assert [tuple(v)[:3] for v in fast.decode("gw", payload, 0).values] == [
        (f"{v.device}/{v.metric}", v.at_us, v.value) for v in readings
    ]


def test_losses_read_as_they_were_written() -> None:
    pack = senml.decode(encode_losses("s", [(1, 5, "dropped")]))
    assert list(pack.losses) == [senml.Loss(1, 5, "dropped")]


def test_acknowledgements_read_as_satomori_writes_them() -> None:
    payload = senml.encode_ack(senml.Ack("s", [(1, 3), (7, 7)], [(4, 4)]))
    assert decode_ack(payload) == ("s", [(1, 3), (7, 7)], [(4, 4)])


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"stream":"s","stored":[[1]]}', b'{"stream":"s","stored":3}'])
def test_what_is_no_acknowledgement_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        decode_ack(payload)


def test_topics() -> None:
    assert gateway_of(topic("gw-1", "ack")) == "gw-1"
    with pytest.raises(WireError):
        gateway_of("other/v1/gw-1/ack")


@given(spans)
def test_merged_spans_are_those_of_core(some: list[tuple[int, int]]) -> None:
    assert merged(some) == merge(some)


@given(st.lists(st.none() | st.integers(-(10**8), 10**8).map(lambda n: n / 1000), min_size=3, max_size=3))
def test_a_text_line_reads_at_the_edge_as_it_was_written(row: list[float | None]) -> None:
    fields = tuple(TextField(i, metric) for i, metric in enumerate(("water_level", "rain", "tilt"), 2))
    settings = TextSettings("tty", fields, device_index=1, checksum="xor", start=LINE_START)
    readings = list(parse_line(encode_line("node-1", row).strip(), settings, 5))
    assert [r.value for r in readings if isinstance(r, Reading)] == [value for value in row if value is not None]


# ------------------------------------------------------------------ Modbus


def request(unit: int, function: int, address: int, amount: int) -> bytes:
    return framed(struct.pack(">BBHH", unit, function, address, amount))


def two_slaves() -> Line:
    return Line(
        {
            1: Slave({0: True, 1: False, 2: True}, {0: 0x1234, 1: 7}, coils=frozenset({1})),
            2: Slave({}, {0: 1}, is_silent=True),
        }
    )


def test_the_specifications_example_checksum() -> None:
    """Modbus over Serial Line 1.02, 6.2.2: the frame 02 07 has the CRC 0x1241, low byte first 41 12."""
    assert framed(b"\x02\x07") == b"\x02\x07\x41\x12"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (request(1, 4, 0, 2), framed(b"\x01\x04\x04\x12\x34\x00\x07")),
        (request(1, 3, 1, 1), framed(b"\x01\x03\x02\x00\x07")),
        (request(1, 2, 0, 3), framed(b"\x01\x02\x01\x05")),
        (request(1, 4, 1, 2), framed(b"\x01\x84\x02")),
        (request(1, 4, 0, 126), framed(b"\x01\x84\x03")),
        (request(1, 4, 0, 0), framed(b"\x01\x84\x03")),
        (request(1, 6, 0, 1), framed(b"\x01\x86\x02")),
        (request(1, 7, 0, 1), framed(b"\x01\x87\x01")),
        (request(1, 5, 1, 0xFF00), request(1, 5, 1, 0xFF00)),
        (request(1, 5, 1, 0x0001), framed(b"\x01\x85\x03")),
        (request(1, 5, 0, 0xFF00), framed(b"\x01\x85\x02")),
        (request(1, 5, 1, 0xFF00) + request(1, 1, 1, 1), request(1, 5, 1, 0xFF00) + framed(b"\x01\x01\x01\x01")),
        (request(1, 5, 1, 0x0000) + request(1, 1, 1, 1), request(1, 5, 1, 0x0000) + framed(b"\x01\x01\x01\x00")),
        (request(2, 4, 0, 1), b""),
        (request(9, 4, 0, 1), b""),
        (b"\x01\x04\x00\x00\x00\x01\xff\xff", b""),
    ],
)
def test_answers(asked: bytes, answer: bytes) -> None:
    assert two_slaves().feed(asked) == answer


@given(st.binary(max_size=40), st.lists(st.integers(1, 4), max_size=8))
def test_a_request_is_answered_in_any_chunks_and_after_noise(noise: bytes, cuts: list[int]) -> None:
    line = two_slaves()
    line.feed(noise)
    asked = request(1, 4, 0, 2)
    answers = [line.feed(asked)]  # noise may have begun what looks like a frame: the master asks again
    for cut in cuts:
        answers += [line.feed(asked[:cut]), line.feed(asked[cut:])]
    expected = framed(b"\x01\x04\x04\x12\x34\x00\x07")
    assert b"".join(answers).endswith(expected)
    line.feed(b"\x00" * 100_000)
    assert len(line._kept) <= BUFFER_BYTES_MAX


@pytest.mark.parametrize("value", [0.0, 1.5, -3.25, 61.2])
def test_registers_hold_what_the_edge_makes_of_them(value: float) -> None:
    region = build_region()
    for device in ("minato-bridge-1-logger", "minato-bridge-2-logger", "hamakaze-house-1-panel"):
        for register in registers_of(region, device):
            if register.type == "bool" or (value < 0 and register.type.startswith("uint")):
                continue
            edge = Register(
                register.address, register.stream.metric, "input", register.type, register.word_order,  # type: ignore[arg-type]
                scale=register.stream.resolution,
            )  # fmt: skip
            step = register.stream.resolution
            assert decode_register(edge, register.words(value)) == pytest.approx(value, abs=step / 2 + 1e-9)


def test_a_value_beyond_its_register_stays_at_its_end() -> None:
    [*_, register] = [r for r in registers_of(build_region(), "hamakaze-house-1-panel") if r.type == "uint16"]
    assert register.words(-5) == [0]
    assert register.words(1e9) == [0xFFFF]


def test_records_are_json_that_anybody_reads() -> None:
    [record] = json.loads(f"[{encode_record(Value('d', 'm', 1_500_000, -0.0, '%'))}]")
    assert record == {"n": "d/m", "u": "%", "t": 1.5, "v": 0.0}
    assert math.copysign(1, record["v"]) == -1
