"""A second master (mbpoll) and the source read the same slaves and agree: addresses, tables, types, word order."""

import struct
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from satomori_edge.settings import ModbusSettings, Register, Slave
from satomori_sample.modbus import Line
from satomori_sample.modbus import Slave as SampleSlave
from satomori_sample.serialport import SerialPort
from support.edge import slaves
from support.mbpoll import mbpoll
from support.ports import free_ports
from support.serial import cable
from support.sources import read_once

# Of each register: how mbpoll asks for it. Its references count from 1, as a manual's 4xxxx and 3xxxx do.
HOLDING = {
    Register(0, "rain"): ("4", 1),
    Register(1, "tilt", type="float32"): ("4:float -B", 2),
    Register(3, "flow", type="float32", word_order="little"): ("4:float", 4),
    Register(5, "battery", type="int32"): ("4:int -B", 6),
    Register(7, "strain", type="int32", word_order="little"): ("4:int", 8),
}
HELD = [
    42, *struct.unpack(">2H", struct.pack(">f", 12.5)), *reversed(struct.unpack(">2H", struct.pack(">f", -0.25))),
    *struct.unpack(">2H", struct.pack(">i", 70000)), *reversed(struct.unpack(">2H", struct.pack(">i", -5))),
]  # fmt: skip
VALUES = {"rain": 42.0, "tilt": 12.5, "flow": -0.25, "battery": 70000.0, "strain": -5.0}


@pytest.mark.parametrize("way", ["rtu", "tcp"])
async def test_both_read_the_same_of_pymodbus(way: str, tmp_path: Path) -> None:
    """One after the other, as an RS-485 line has one master at a time."""
    [port] = free_ports(1)
    with cable(tmp_path) as line:
        if way == "tcp":
            settings: Callable[..., ModbusSettings] = partial(ModbusSettings, host="127.0.0.1", tcp_port=port)
            other = ["-m", "tcp", "-p", str(port), "127.0.0.1"]
        else:
            settings = partial(ModbusSettings, str(line.near))
            other = ["-m", "rtu", "-b", "9600", "-P", "none", str(line.near)]
        async with slaves(port if way == "tcp" else line.far, {17: HELD}):
            ours = await read_once(settings(slaves=(Slave(17, "a", tuple(HOLDING)),)))
            theirs = {
                register.metric: (await mbpoll(*other, unit=17, table=table, reference=reference))[0]
                for register, (table, reference) in HOLDING.items()
            }
    assert ours == VALUES
    assert theirs == VALUES


@pytest.fixture
async def sample_port(tmp_path: Path) -> AsyncIterator[Path]:
    """A slave of the sample region's kind, with an input register 30 = 215 and a discrete input 6 = on."""
    line = Line({3: SampleSlave(bits={5: False, 6: True}, registers={30: 215})})
    port = SerialPort(tmp_path / "sample", lambda asked: port.write(line.feed(asked)))
    yield port.link
    port.close()


async def test_both_read_the_same_of_the_samples_slave(sample_port: Path) -> None:
    """The simulated devices speak what a foreign master understands."""
    registers = (Register(30, "rain", kind="input"), Register(6, "pump_running", kind="discrete"))
    ours = await read_once(ModbusSettings(str(sample_port), (Slave(3, "a", registers),)))
    other = ["-m", "rtu", "-b", "9600", "-P", "none", str(sample_port)]
    theirs = {
        "rain": (await mbpoll(*other, unit=3, table="3", reference=31))[0],
        "pump_running": (await mbpoll(*other, unit=3, table="1", reference=7))[0],
    }
    assert ours == theirs == {"rain": 215.0, "pump_running": 1.0}
