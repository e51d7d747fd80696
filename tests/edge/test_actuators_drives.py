"""How actuators are driven: registers there and back, and commands over a line that also brings readings."""

import asyncio
import os
import tty
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.errors import RejectedError, SettingsError, UnavailableError
from satomori_core.readings import Reading
from satomori_edge.actuators.drive import make_drive
from satomori_edge.marks import Mark
from satomori_edge.settings import (
    ActuatorSettings,
    EdgeSettings,
    LineDrive,
    Point,
    TextField,
    TextSettings,
    load_edge,
    warnings,
)
from satomori_edge.sources.registers import decode_register, encode_register
from satomori_edge.sources.text import TextSource
from support.edge import until
from support.patience import cancelled
from support.serial import cable

# ------------------------------------------------------------------ registers

points = st.builds(
    Point,
    st.just(0),
    st.just("holding"),
    st.sampled_from(["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]),
    st.sampled_from(["big", "little"]),
    st.sampled_from(["big", "little"]),
    st.sampled_from([1.0, 0.1, -0.01, 2.5]),
    st.sampled_from([0.0, -40.0]),
)


def test_a_timer_is_never_shorter_than_the_run_and_never_nought() -> None:
    """A device may take 0 for no end at all."""
    minutes = Point(0, scale=60.0)
    assert [minutes.at_least(run_s) for run_s in (0.1, 60.0, 61.0)] == [60.0, 60.0, 120.0]
    tenths = Point(0, scale=0.1)
    assert encode_register(tenths, tenths.at_least(0.3)) == [3]  # 0.3 / 0.1 is not 3


@given(points, st.floats(-1e5, 1e5))
def test_what_a_point_holds_comes_back_to_half_a_step(point: Point, value: float) -> None:
    if point.holds(value):
        step = abs(value) * 1e-6 if point.type.startswith("float") else abs(point.scale)
        read = decode_register(point, encode_register(point, value))
        assert abs(read - value) <= step / 2 + 1e-5


# ------------------------------------------------------------------ a line of text

LINE = LineDrive("", "SET {value} {run_s}\n", "ASK\n", r"G1 (?P<value>\w+)", ("SHUT", "OPEN"), timeout_s=2)


class Node:
    """A gate's node: it says a reading before each of its answers, and nothing when it is `mute`."""

    def __init__(self, port: Path) -> None:
        self.told: list[str] = []
        self.position = "SHUT"
        self.is_mute = False
        self._kept = ""
        self._end = os.open(port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._end)
        asyncio.get_running_loop().add_reader(self._end, self._hear)

    def _hear(self) -> None:
        *lines, self._kept = (self._kept + os.read(self._end, 256).decode()).split("\n")
        for line in lines:
            self.told.append(line)
            if line.startswith("SET"):
                self.position = line.split()[1]
            if not self.is_mute:
                os.write(self._end, f"7.5\nG1 {self.position}\n".encode())

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._end)
        os.close(self._end)


async def test_a_line_of_text_moves_a_gate_and_brings_readings_all_the_while(tmp_path: Path) -> None:
    """What answers a command is no reading, and what is a reading answers none; a node that is mute is unavailable."""
    readings: list[Reading] = []

    async def sink(some: Sequence[Reading], _mark: Mark | None = None, /) -> None:
        readings.extend(some)

    with cable(tmp_path) as line:
        port = str(line.near)
        source = TextSource(TextSettings(port, (TextField(0, "rain"),), device="a"))
        gate = ActuatorSettings("gate", "a", 0.0, values=(0.0, 1.0), line=replace(LINE, port=port))
        drive = make_drive(gate, [source])
        with pytest.raises(UnavailableError, match="is away"):
            await drive.read()
        node = Node(line.far)
        running = asyncio.create_task(source.run(sink))
        await until("the port", lambda: source._jobs._line is not None)
        await drive.put(1.0, 30.0)
        assert await drive.read() == 1.0
        assert node.told == ["SET OPEN 30", "ASK"]
        node.position = "AJAR"
        with pytest.raises(RejectedError, match="'AJAR'"):
            await drive.read()
        node.is_mute = True
        with pytest.raises(UnavailableError, match="no answer"):
            await drive.read()
        await cancelled(running)
        node.close()
    assert [reading.value for reading in readings] == [7.5] * 3
    assert source.errors == 0


# ------------------------------------------------------------------ settings

BUS = (
    '[edge]\ngateway = "gw"\n[[edge.modbus]]\nport = "/dev/ttyX"\n[[edge.modbus.slaves]]\nunit = 1\ndevice = "gate-1"\n'
    'registers = [{ address = 0, metric = "gate_opening" }]\n'
)
GATE = (
    '[[edge.actuator]]\nname = "gate"\ndevice = "gate-1"\nvalues = [0, 1]\nfail_safe = 0\n'
    'registers = { write = { kind = "coil", address = 0 } }\n'
)


def load(folder: Path, text: str) -> EdgeSettings:
    config = folder / "edge.toml"
    config.write_text(BUS + text, encoding="utf-8")
    return load_edge(config)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (GATE + GATE, "actuator 'gate' is there 2 times"),
        (GATE + GATE.replace('"gate"', '"door"'), "'gate' and 'door' move the same: coil 0 of gate-1"),
        (GATE.replace("gate-1", "moon"), "no slave of an [[edge.modbus]] is the device 'moon'"),
        (GATE.replace("fail_safe = 0", "fail_safe = 2"), "fail_safe = 2"),
        (GATE.replace("values = [0, 1]", "min = 0"), "say `values` (two or more), or `min` and a greater `max`"),
        (GATE.replace("[0, 1]", "[0, 1, 2]"), "coil 0 can't hold every value"),
        (GATE.replace('"coil"', '"discrete"'), "a discrete can't be written"),
        (GATE.replace("fail_safe", "tolerance = 0.6\nfail_safe"), "tolerance = 0.6 is not between 0 and 0.49"),
        (GATE.replace("} }", "}, timer = { address = 9, scale = 0.001 } }\nrun_s_max = 600"), "timer can't hold run_s"),
        (GATE.replace("} }", "}, timer = { address = 9 } }\nrun_s_max = 65535.5"), "timer can't hold run_s"),
        (GATE.replace("} }", "}, timer = { address = 9 } }"), "timer goes with run_s_max"),
        (
            GATE + 'line = { port = "/dev/ttyY", command = "{value}", query = "", reply = "(?P<value>.)" }',
            "one of them",
        ),
        (
            GATE.replace("registers = ", 'line = { port = "/dev/ttyY", command = "GO", query = "?", reply = "(x" } #'),
            "needs {value}",
        ),
        (
            GATE.replace("registers = ", 'line = { port = "/dev/ttyY", command = "GO", query = "?", reply = "(x" } #'),
            "no [[edge.text]] has the port '/dev/ttyY'",
        ),
    ],
)
def test_what_is_wrong_with_an_actuator_is_named(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert wanted in str(caught.value)


def test_a_run_that_would_outlive_the_edge_is_warned_of(tmp_path: Path) -> None:
    settings = load(tmp_path, GATE + "run_s_max = 60\n")
    assert [text.partition(":")[0] for text in warnings(settings)] == [
        "actuator 'gate' has no timer in the device",
        "[edge.remote] enabled is false",
    ]
    timer = GATE.replace("} }", "}, timer = { address = 9 } }\nrun_s_max = 60")
    assert list(warnings(load(tmp_path, f"{timer}[edge.remote]\nenabled = true\n"))) == []
