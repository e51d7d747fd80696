"""NMEA 0183: sentences that makers print in their manuals, with the checksums they print; and whatever else comes."""

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.errors import RejectedError
from satomori_core.readings import Reading
from satomori_edge.settings import CARRIED, NmeaField, NmeaSettings
from satomori_edge.sources.sentences import parse_sentence

STATION = NmeaSettings(
    "/dev/null",
    "station",
    (
        *(NmeaField(sentence, metric) for sentence, metric in CARRIED),
        NmeaField("XDR", "air_temperature", transducer="C,0", unit="Cel"),
        NmeaField("XDR", "air_pressure", transducer="P,0", unit="hPa"),
        NmeaField("XDR", "rain", transducer="V,0", unit="mm"),
    ),
)
# The example in pynmea2's source; Vaisala's WMT700 and WXT530 user guides (M210822EN, M211840EN).
MDA = b"$WIMDA,30.2269,I,1.0236,B,17.7,C,,,43.3,,5.0,C,131.5,T,128.6,M,0.8,N,0.4,M*54"
MWV = b"$WIMWV,39,R,1.3,M,A*06"
RAIN = b"$WIXDR,V,0.02,M,0,Z,30,s,0,R,2.7,M,0,V,0.0,M,1,Z,0,s,1,R,0.0,M,1,R,6.3,M,2,R,0.0,M,3*51"


def sealed(body: str) -> bytes:
    total = 0
    for byte in body.encode():
        total ^= byte
    return f"${body}*{total:02X}".encode()


# The same guide's other example; its printed checksum (*75) is not that of the printed line.
XDR = sealed("WIXDR,C,23.3,C,0,C,24.0,C,1,H,50.1,P,0,P,1009.5,H,0")


def parse(line: bytes, settings: NmeaSettings = STATION) -> list[tuple[str, float, str | None]]:
    """Metric, value, unit of each reading; a refused field raises."""
    found = []
    for one in parse_sentence(line, settings, 7):
        if isinstance(one, RejectedError):
            raise one
        assert (one.device, one.observed_at_us) == ("station", 7)
        found.append((one.metric, one.value, one.unit))
    return found


def test_mda_is_the_whole_weather() -> None:
    """The empty water temperature is no measurement."""
    assert parse(MDA) == [
        ("air_pressure", 1.0236, "bar"),
        ("air_temperature", 17.7, "Cel"),
        ("relative_humidity", 43.3, "%"),
        ("wind_direction", 131.5, "deg"),
        ("wind_speed", 0.4, "m/s"),
    ]


def test_mwv_is_the_wind() -> None:
    assert parse(MWV) == [("wind_direction", 39.0, "deg"), ("wind_speed", 1.3, "m/s")]


@pytest.mark.parametrize(("letter", "unit"), [("K", "km/h"), ("M", "m/s"), ("N", "[kn_i]"), ("S", "[mi_i]/h")])
def test_mwv_says_the_unit_of_its_speed(letter: str, unit: str) -> None:
    assert parse(sealed(f"WIMWV,,R,10.0,{letter},A")) == [("wind_speed", 10.0, unit)]


def test_the_other_wind_is_passed_over() -> None:
    """A station that tells both, relative and theoretical, yields the one that was asked for."""
    assert parse(sealed("WIMWV,40,T,2.0,M,A")) == []


def test_mtw_is_the_water() -> None:
    assert parse(sealed("YXMTW,17.75,C")) == [("water_temperature", 17.75, "Cel")]


def test_xdr_by_type_and_id() -> None:
    """Two air temperatures in one sentence, told apart by their ids; the units are the settings'."""
    assert parse(XDR) == [("air_temperature", 23.3, "Cel"), ("air_pressure", 1009.5, "hPa")]
    assert parse(RAIN) == [("rain", 0.02, "mm")]


def test_an_instrument_that_does_not_look_north_is_turned() -> None:
    turned = NmeaSettings("x", "station", (NmeaField("MWV", "wind_direction", offset=330.3),))
    assert parse(MWV, turned) == [("wind_direction", 9.3, "deg")]


def test_sentences_that_nobody_asked_for_are_passed_over() -> None:
    for line in (sealed("GPGGA,1,2"), sealed("PMTK001,1"), sealed("WIXYZ,1")):
        assert parse(line, NmeaSettings("x", "station", (NmeaField("MWV", "wind_speed"),))) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (MWV[:-2] + b"07", "checksum"),
        (MWV[:-3], "checksum"),
        (MWV.replace(b"1.3", b"1.4"), "checksum"),
        (b"$WIMWV,39,R,1.3,M\xff,A*06", "noise"),
        (sealed("WIMWV,39,R,1.3,M,V"), "invalid"),
        (sealed("WIMWV,39,R,1.3,Q,A"), "unit"),
        (sealed("WIMWV,3x,R,1.3,M,A"), "not_a_number"),
        (sealed("WIMWV,NaN,R,1.3,M,A"), "not_finite"),
        (sealed("WIXDR,C,--,C,0"), "not_a_number"),
    ],
)  # fmt: skip
def test_a_wrong_sentence_is_refused_with_its_reason(line: bytes, reason: str) -> None:
    with pytest.raises(RejectedError) as caught:
        parse(line)
    assert caught.value.reason == reason


@given(st.sampled_from([MDA, MWV, XDR, RAIN]), st.integers(0, 10_000), st.integers(0, 7))
def test_one_wrong_bit_is_never_a_reading(line: bytes, place: int, bit: int) -> None:
    """Wherever it falls; in the checksum's letters a change of case alone is none."""
    wrong = bytearray(line)
    wrong[place % len(line)] ^= 1 << bit
    if wrong.upper() == line:
        return
    with pytest.raises(RejectedError):
        parse(bytes(wrong))


@given(st.sampled_from([MDA, MWV, XDR, RAIN]), st.data())
def test_every_truncation_is_no_reading(line: bytes, draw: st.DataObject) -> None:
    size = draw.draw(st.integers(1, len(line) - 1))
    with pytest.raises(RejectedError):
        parse(line[:size])
    with suppress(RejectedError):  # what has lost but its $ still has a right checksum
        assert parse(line[size:]) == []


@given(
    st.sampled_from(["MDA", "MTW", "MWV", "XDR", "GGA", "P"]),
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8), max_size=24),
)
def test_whatever_stands_in_the_fields_only_readings_and_refusals_come_out(kind: str, columns: list[str]) -> None:
    line = sealed(",".join([f"WI{kind}", *columns]).replace("*", ""))
    try:
        found = list(parse_sentence(line, STATION, 7))
    except RejectedError:
        return
    assert all(isinstance(one, Reading | RejectedError) for one in found)


def test_noise_is_never_a_reading() -> None:
    noise = random.Random(6).randbytes(100_000)
    for line in noise.split(b"\n"):
        with pytest.raises(RejectedError):
            parse(line.strip())
