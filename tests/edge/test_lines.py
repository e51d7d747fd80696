"""From bytes to lines to readings: any chunking, noise, checksums, bounds."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.errors import RejectedError
from satomori_core.readings import Reading
from satomori_edge.settings import TextField, TextSettings
from satomori_edge.sources.lines import LineSplitter, check_xor, parse_line

NODE = TextSettings(
    port="/dev/null",
    device_index=1,
    start="$SOIL",
    checksum="xor",
    fields=(TextField(2, "soil_moisture", "%"), TextField(3, "battery", "mV", scale=0.5, offset=1.0)),
)


def checksum(body: str) -> str:
    total = 0
    for byte in body.removeprefix("$").encode():
        total ^= byte
    return f"{body}*{total:02X}"


def parse(line: bytes, settings: TextSettings = NODE) -> list[Reading | RejectedError]:
    return list(parse_line(line, settings, 7))


@given(
    st.lists(st.binary(max_size=20), max_size=12),
    st.sampled_from([b"\n", b"\r\n", b";;;"]),
    st.data(),
)
def test_lines_do_not_depend_on_how_the_bytes_arrive(lines: list[bytes], delimiter: bytes, draw: st.DataObject) -> None:
    text = delimiter.join(lines)
    whole = LineSplitter(delimiter, 10)
    expected = whole.feed(text)
    parts = LineSplitter(delimiter, 10)
    found: list[bytes] = []
    rest = text
    while rest:
        size = draw.draw(st.integers(1, len(rest)))
        found += parts.feed(rest[:size])
        rest = rest[size:]
    assert found == expected
    assert parts.overlong == whole.overlong
    assert len(expected) + whole.overlong <= text.count(delimiter)


def test_every_byte_alone() -> None:
    splitter = LineSplitter(b"\r\n", 10)
    found = [line for byte in b"abc\r\n0123456789\r\n01234567890\r\n\r\nd\r\n" for line in splitter.feed(bytes([byte]))]
    assert found == [b"abc", b"0123456789", b"d"]
    assert splitter.overlong == 1


def test_100_kb_of_noise_is_held_nowhere_and_the_next_line_is_read() -> None:
    noise = random.Random(4).randbytes(100_000).replace(b"\n", b"")
    splitter = LineSplitter(b"\n", 256)
    for start in range(0, len(noise), 97):
        assert splitter.feed(noise[start : start + 97]) == []
        assert len(splitter._kept) <= 256
    assert splitter.feed(b"\nfine\n") == [b"fine"]
    assert splitter.overlong == 1


def test_a_line_becomes_readings() -> None:
    line = checksum("$SOIL,node-7,31.5, 7424 ").encode()
    assert parse(line) == [
        Reading("node-7", "soil_moisture", 7, 31.5, "%"),
        Reading("node-7", "battery", 7, 3713.0, "mV"),
    ]


def test_an_empty_field_is_no_measurement() -> None:
    assert parse(checksum("$SOIL,node-7,,7424").encode()) == [Reading("node-7", "battery", 7, 3713.0, "mV")]


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e999"])
def test_what_is_not_finite_is_refused_alone(word: str) -> None:
    refused, kept = parse(checksum(f"$SOIL,node-7,{word},7424").encode())
    assert isinstance(refused, RejectedError)
    assert refused.reason == "not_finite"
    assert isinstance(kept, Reading)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"$SOIL,node-7,31.5,7424", "checksum"),
        (b"$SOIL,node-7,31.5,7424*00", "checksum"),
        (b"$SOIL,node-7,31.5,7424*", "checksum"),
        (b"$SOIL,n\xffde-7,31.5,7424*00", "noise"),
        (checksum("$SOIL,node-7").encode(), "fields"),
        (checksum("$SOIL,n de,1,2").encode(), "device"),
    ],
)
def test_a_wrong_line_is_refused_with_its_reason(line: bytes, reason: str) -> None:
    with pytest.raises(RejectedError) as caught:
        parse(line)
    assert caught.value.reason == reason


def test_lines_for_others_are_passed_over() -> None:
    assert parse(b"$GPGGA,1,2,3*00") == []


def test_the_checksum_is_nmeas() -> None:
    """A sentence of the NMEA 0183 literature with its known checksum."""
    text = "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"
    assert check_xor(text) == text[:-3]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=6, max_size=40), st.integers(0, 200))
def test_one_wrong_bit_never_passes(body: str, which: int) -> None:
    good = checksum("$" + body.replace("*", "")).encode()
    bit = which % (8 * (len(good) - 4)) + 8  # anywhere between the $ and the *
    flipped = bytearray(good)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RejectedError):
        check_xor(flipped.decode("ascii", errors="strict") if max(flipped) < 128 else _refuse())


def _refuse() -> str:
    raise RejectedError("noise", "not ASCII")


@given(st.binary(max_size=300))
def test_no_bytes_are_a_surprise(line: bytes) -> None:
    """Only readings or RejectedError come out, whatever goes in."""
    for settings in (NODE, TextSettings(port="x", device="d", fields=(TextField(0, "rain"),))):
        try:
            found = parse(line, settings)
        except RejectedError:
            continue
        assert all(isinstance(item, Reading | RejectedError) for item in found)
