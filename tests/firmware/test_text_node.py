"""The text-line node: compiled for this host, run behind a pseudo-terminal, and read by a real edge agent."""

import asyncio
import os
import shutil
import subprocess
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.edge import Peer, agent, peer, until
from support.mosquitto import mosquitto
from support.serial import cable

FOLDER = Path(__file__).parents[2] / "firmware_stubs" / "text_node"
SAMPLE = FOLDER.parent / "sample.toml"
INTERVAL_MS = 100
ADC = (450, 138, 379, 515)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled sketch; every warning is an error."""
    if shutil.which("g++") is None or shutil.which("make") is None:
        pytest.skip("g++ and make are not installed (apt-get install g++ make)")
    build = tmp_path_factory.mktemp("text_node")
    options = [f"BUILD={build}", f"INTERVAL_MS={INTERVAL_MS}UL"]
    done = subprocess.run(["make", "-C", str(FOLDER), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return build / "text_node"


@contextmanager
def running(node: Path, port: Path, *options: str) -> Iterator[None]:
    process = subprocess.Popen([node, port, *options])
    try:
        yield
    finally:
        process.kill()
        process.wait(60)


def lines_of(node: Path, count: int, *options: str) -> list[bytes]:
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        subprocess.run([node, os.ttyname(slave), "--sends", str(count), *options], check=True, timeout=60)
        return os.read(master, 65536).split(b"\r\n")[:-1]
    finally:
        os.close(master)
        os.close(slave)


def measured(adc: tuple[int, int, int, int] = ADC) -> tuple[float, float, float, float]:
    """What the four counts mean, worked out a second time: moisture in %, Cel, mV, degrees."""
    moisture, temperature, battery, tilt = adc
    volts = [count * 5.0 / 1024 for count in adc]
    assert temperature
    assert battery
    assert tilt
    return 55.0 * (620 - moisture) / (620 - 280), (volts[1] - 0.5) * 100, volts[2] * 2, (volts[3] - 2.5) / 0.035


def test_a_line_says_what_the_pins_read(node: Path) -> None:
    """And its checksum is the XOR of what stands between $ and *."""
    [line] = lines_of(node, 1)
    body, _, digits = line[1:].partition(b"*")
    total = 0
    for byte in body:
        total ^= byte
    assert int(digits, 16) == total
    name, identity, *fields = body.decode().split(",")
    assert (name, identity) == ("SOIL", "1042")
    for found, expected, step in zip(fields, measured(), (0.1, 0.1, 0.01, 0.15), strict=True):
        assert float(found) == pytest.approx(expected, abs=step)


@pytest.mark.parametrize(
    ("adc", "fields"),
    [
        ("280,92,379,500", "55.0,-5.1,3.702,-1.68"),  # wet, frost, leaning the other way
        ("900,138,379,512", "0.0,17.4,3.702,0.00"),  # drier than dry
        ("1023,0,379,512", ",,3.702,0.00"),  # two open or shorted cables
        ("200,101,1015,5", "67.9,-0.7,9.912,"),  # wetter than calibrated, between 0 and -1
    ],
)
def test_extremes_and_broken_cables(node: Path, adc: str, fields: str) -> None:
    """An implausible count is an empty field; the others of the line still count."""
    [line] = lines_of(node, 1, "--adc", adc)
    assert line.decode().partition("*")[0] == f"$SOIL,1042,{fields}"


def test_the_rhythm_goes_on_when_millis_begins_anew(node: Path) -> None:
    """The board's clock of 32 bits wraps 300 ms after this start."""
    began = time.monotonic()
    assert len(lines_of(node, 8, "--wrap")) == 8
    assert time.monotonic() - began > 7 * INTERVAL_MS / 1000 - 0.35  # neither a burst, nor (above) a halt of 49 days


@pytest.mark.servers
async def test_an_edge_agent_reads_it(node: Path, tmp_path: Path) -> None:
    """The whole way to the broker, with noise on the line and with the node switched off and on again."""
    with mosquitto(tmp_path) as broker, cable(tmp_path) as line:
        config = tmp_path / "edge.toml"
        config.write_text(
            f'[broker]\nurl = "{broker.url}"\n'
            + SAMPLE.read_text(encoding="utf-8").replace("/dev/ttyUSB0", str(line.near))
            + "[edge.uplink]\npack_age_s = 0.05\n",
            encoding="utf-8",
        )
        with agent(config, tmp_path / "state") as edge:
            async with peer(Peer("gw-soil"), broker.host, broker.port) as one:
                with running(node, line.far):
                    await until("ten lines", lambda: len(one.values("1042", "tilt")) >= 10)
                    await asyncio.to_thread(line.disturb, bytes(range(256)) * 40)
                    before = len(one.values("1042", "tilt"))
                    await until("lines after the noise", lambda: len(one.values("1042", "tilt")) >= before + 5)
                before = len(one.values("1042", "tilt"))
                with running(node, line.far, "--adc", "280,138,379,515"):
                    await until("lines of the new start", lambda: len(one.values("1042", "tilt")) >= before + 5)
                assert edge.stop() == 0
    expected = dict(zip(("soil_moisture", "soil_temperature", "battery", "tilt"), measured(), strict=True))
    for metric, value in expected.items():
        assert one.values("1042", metric)[0] == pytest.approx(value, abs=0.15)
    assert one.values("1042", "soil_moisture")[-1] == 55.0
    assert {reading.device for reading in one.readings.values()} == {"1042"}
    assert not one.missing()
