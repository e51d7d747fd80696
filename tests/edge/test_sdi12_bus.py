"""The SDI-12 source on a real port with simulated sensors: the order on the bus, silence, damage, odd adapters."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from satomori_core.readings import Reading
from satomori_edge.settings import Sdi12Sensor, Sdi12Settings, Sdi12Value
from satomori_edge.sources.sdi12_bus import Sdi12Source
from support.edge import until
from support.sdi12_sensors import Sensor, sensors
from support.serial import Cable, cable
from support.sources import reading

TEMPERATURE = Sdi12Value(0, "soil_temperature", "Cel")
MOISTURE = Sdi12Value(1, "soil_moisture", "%", scale=100.0)


def make(line: Cable, *members: Sdi12Sensor, interval_s: float = 30.0, timeout_s: float = 1.0) -> Sdi12Source:
    return Sdi12Source(Sdi12Settings(str(line.near), members, timeout_s=timeout_s, interval_s=interval_s))


def told(got: Sequence[Reading]) -> list[tuple[str, str, float]]:
    return [(r.device, r.metric, r.value) for r in got]


async def test_a_sensor_is_identified_once_and_measured(tmp_path: Path) -> None:
    """By M with a service request, its values in two parts, checked; also by bytes that come one at a time."""
    sensor = Sensor("0", {"M": ["+21.5", "+.317"]}, ready_s=1)
    with cable(tmp_path) as line, sensors(line.far, sensor, chunk_bytes=1) as heard:
        wanted = Sdi12Sensor("0", "soil", (TEMPERATURE, MOISTURE), crc=True)
        source = make(line, wanted, interval_s=0.1)
        async with reading(source) as got:
            await until("two rounds", lambda: len(got) >= 4)
    assert told(got)[:4] == [("soil", "soil_temperature", 21.5), ("soil", "soil_moisture", 31.7)] * 2
    assert heard[:7] == ["0I!", "0MC!", "0D0!", "0D1!", "0MC!", "0D0!", "0D1!"]
    assert source.errors == 0


async def test_concurrent_sensors_measure_at_one_time(tmp_path: Path) -> None:
    """Both have begun before either is asked for its values; and a third by M goes between."""
    a, b = (Sensor(address, {"C": ["+21.5+.3"]}, ready_s=3) for address in "ab")
    c = Sensor("c", {"M": ["+9"]})
    with cable(tmp_path) as line, sensors(line.far, a, b, c) as heard:
        both = [Sdi12Sensor(address, address, (TEMPERATURE,), command="C") for address in "ab"]
        source = make(line, *both, Sdi12Sensor("c", "c", (TEMPERATURE,)))
        async with reading(source) as got:
            await until("all", lambda: len(got) == 3)
    measured = [command for command in heard if command[1] != "I"]
    assert measured == ["aC!", "bC!", "cM!", "cD0!", "aD0!", "bD0!"]
    assert sorted(told(got)) == [(d, "soil_temperature", v) for d, v in (("a", 21.5), ("b", 21.5), ("c", 9.0))]


async def test_a_dead_sensor_is_asked_ever_more_rarely_and_the_others_go_on(tmp_path: Path) -> None:
    with cable(tmp_path) as line, sensors(line.far, Sensor("1", {"M": ["+1"]}), Sensor("2", {}, is_dead=True)) as heard:
        members = [Sdi12Sensor(address, f"s{address}", (TEMPERATURE,)) for address in "12"]
        source = make(line, *members, interval_s=0.1, timeout_s=0.15)
        async with reading(source) as got:
            await until("many rounds", lambda: len(got) >= 15)
    rounds = sum(command[0] == "2" for command in heard) / 3
    assert {r.device for r in got} == {"s1"}
    assert 2 <= rounds <= 8
    assert source.sensor_errors["2"] >= 2 * 3


async def test_damage_and_silence_are_asked_again_and_counted(tmp_path: Path) -> None:
    sensor = Sensor("0", {"M": ["+21.5"]}, damaged=["D0", "D0"], mute=["I", "MC"])
    with cable(tmp_path) as line, sensors(line.far, sensor):
        source = make(line, Sdi12Sensor("0", "soil", (TEMPERATURE,), crc=True))
        async with reading(source) as got:
            await until("a reading", lambda: got)
    assert told(got) == [("soil", "soil_temperature", 21.5)]
    assert source.sensor_errors == {"0": 4}


async def test_one_refused_measurement_does_not_touch_the_others(tmp_path: Path) -> None:
    """M1 is aborted, M2 unknown to the sensor, the second value of M is not there: each an error; the first is read."""
    sensor = Sensor("0", {"M": ["+21.5"], "M1": ["+1"]}, ready_s=1, says_ready=True, aborted=["D0"])
    values = (
        Sdi12Value(0, "rain", command="M1"), Sdi12Value(0, "flow", command="M2"), TEMPERATURE, MOISTURE,
    )  # fmt: skip
    with cable(tmp_path) as line, sensors(line.far, sensor):
        source = make(line, Sdi12Sensor("0", "soil", values))
        async with reading(source) as got:
            await until("a reading", lambda: got)
    assert told(got) == [("soil", "soil_temperature", 21.5)]
    assert source.sensor_errors == {"0": 3}


@pytest.mark.parametrize("unheard", [0, 1])
@pytest.mark.parametrize("checked", [False, True])
async def test_a_late_service_request_is_not_taken_for_an_empty_answer(
    tmp_path: Path, unheard: int, *, checked: bool
) -> None:
    """It comes after the announced time, as the values are asked for; the sensor may not hear that as it speaks."""
    sensor = Sensor("0", {"M": ["+21.5"]}, ready_s=1, is_late=True, mute=["D0"] * unheard)
    with cable(tmp_path) as line, sensors(line.far, sensor) as heard:
        source = make(line, Sdi12Sensor("0", "soil", (TEMPERATURE,), crc=checked))
        async with reading(source) as got:
            await until("a reading", lambda: got)
    assert told(got) == [("soil", "soil_temperature", 21.5)]
    assert heard == ["0I!", "0MC!" if checked else "0M!", *["0D0!"] * (1 + unheard)]


async def test_an_adapter_that_echoes_is_understood(tmp_path: Path) -> None:
    with cable(tmp_path) as line, sensors(line.far, Sensor("0", {"M": ["+21.5"]}, ready_s=1), echoes=True):
        source = make(line, Sdi12Sensor("0", "soil", (TEMPERATURE,)))
        async with reading(source) as got:
            await until("a reading", lambda: got)
    assert told(got) == [("soil", "soil_temperature", 21.5)]
    assert source.errors == 0


async def test_a_measurement_longer_than_its_interval_leaves_rounds_out(tmp_path: Path) -> None:
    """A sensor that is measuring is not told to begin again, which would abort it."""
    with cable(tmp_path) as line, sensors(line.far, Sensor("0", {"C": ["+21.5"]}, ready_s=1)) as heard:
        wanted = Sdi12Sensor("0", "soil", (TEMPERATURE,), command="C")
        source = make(line, wanted, interval_s=0.1)
        async with reading(source) as got:
            await until("two readings", lambda: len(got) == 2)
    assert heard[:5] == ["0I!", "0C!", "0D0!", "0C!", "0D0!"]


async def test_a_faster_rhythm_begins_at_once(tmp_path: Path) -> None:
    """Also while the source waits for a turn that is far away."""
    with cable(tmp_path) as line, sensors(line.far, Sensor("0", {"M": ["+21.5"]})):
        source = make(line, Sdi12Sensor("0", "soil", (TEMPERATURE,)), interval_s=3600)
        async with reading(source) as got:
            await until("the first", lambda: got)
            assert source.sample("soil", 0.1)
            assert not source.sample("another", 0.1)
            await until("more", lambda: len(got) >= 3)
