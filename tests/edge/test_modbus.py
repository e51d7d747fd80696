"""The Modbus source on real lines, RTU and TCP: requests, refusals, and the rhythm beside a dead slave."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import structlog
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from typing_extensions import override

from satomori_core.readings import Reading
from satomori_edge.settings import ModbusSettings, Register, Slave
from satomori_edge.sources.modbus import ModbusSource
from satomori_edge.sources.modbus_client import ModbusClient
from support.edge import slaves, until
from support.patience import PATIENCE_S
from support.ports import free_ports
from support.serial import cable
from support.sources import reading

INTERVAL_S = 0.5
TIMEOUT_S = 0.3
ROUNDS = 10


@dataclass
class Wire:
    """`slaves_at`: where the slaves are; `settings`: how the source reaches them."""

    slaves_at: Path | int
    settings: Callable[..., ModbusSettings]


@pytest.fixture(params=["rtu", "tcp"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    if request.param == "tcp":
        [port] = free_ports(1)
        yield Wire(port, partial(ModbusSettings, host="127.0.0.1", tcp_port=port))
    else:
        with cable(tmp_path) as line:
            yield Wire(line.far, partial(ModbusSettings, str(line.near)))


async def listen(
    settings: ModbusSettings, is_enough: Callable[[ModbusSource, list[Reading]], bool]
) -> tuple[ModbusSource, list[Reading]]:
    """What it read until that is enough."""
    source = ModbusSource(settings)
    async with reading(source) as got:
        await until("enough", lambda: is_enough(source, got))
    return source, got


def rounds(got: Sequence[Reading], device: str) -> int:
    return sum(one.device == device for one in got)


async def test_a_dead_slave_leaves_the_others_their_rhythm(wire: Wire) -> None:
    """It is asked twice, and from then on ever more rarely than they are; it is told once, and of it alone.

    That none of theirs is late is tried in simulated time (test_schedule.py).
    """
    async with slaves(wire.slaves_at, {1: [10], 3: [30]}, dead=[2]) as requests:
        members = tuple(Slave(unit, f"d{unit}", (Register(0, "rain", unit="mm"),)) for unit in (1, 2, 3))
        with structlog.testing.capture_logs() as logged:
            source, got = await listen(
                wire.settings(slaves=members, timeout_s=TIMEOUT_S, interval_s=INTERVAL_S),
                lambda _, got: min(rounds(got, "d1"), rounds(got, "d3")) >= ROUNDS,
            )
    assert {(one.device, one.value) for one in got} == {("d1", 10.0), ("d3", 30.0)}
    asked = sum(request[0] == 2 for request in requests)
    assert 2 <= asked <= 0.7 * ROUNDS
    assert asked - 1 <= source.slave_errors[2] <= asked  # the last answer may still have been waited for
    [told] = [record for record in logged if record["event"] == "slave does not answer"]
    assert (told["unit"], told["device"], told["errors"]) == (2, "d2", 2)


async def test_a_unit_that_a_gateway_does_not_reach_is_as_good_as_silent(wire: Wire) -> None:
    """The peer answers at once that nothing comes from unit 2; it is asked ever more rarely all the same."""
    async with slaves(wire.slaves_at, {1: [10]}, unreached=[2]) as requests:
        members = tuple(Slave(unit, f"d{unit}", (Register(0, "rain", unit="mm"),)) for unit in (1, 2))
        source, got = await listen(
            wire.settings(slaves=members, timeout_s=TIMEOUT_S, interval_s=0.1), lambda _, got: len(got) >= 15
        )
    assert {one.device for one in got} == {"d1"}
    asked = sum(request[0] == 2 for request in requests)
    assert 2 <= asked <= 7
    assert asked - 1 <= source.slave_errors[2] <= asked


async def test_neighbours_are_asked_for_once(wire: Wire) -> None:
    async with slaves(wire.slaves_at, {1: [7, 0x4148, 0, 65535]}) as requests:
        registers = (
            Register(0, "rain"), Register(1, "flow", type="float32"), Register(3, "tilt", type="int16", unit="deg"),
        )  # fmt: skip
        _, got = await listen(wire.settings(slaves=(Slave(1, "a", registers),)), lambda _, got: bool(got))
    assert len(requests) == 1
    assert [(r.metric, r.value) for r in got] == [("rain", 7.0), ("flow", 12.5), ("tilt", -1.0)]
    assert len({r.observed_at_us for r in got}) == 1


async def test_one_refused_request_does_not_touch_the_others(wire: Wire) -> None:
    """An address that the slave does not have is an error of this request, told once; the slave is not dead."""
    async with slaves(wire.slaves_at, {1: [7]}):
        registers = (Register(0, "rain"), Register(500, "flow"))
        settings = wire.settings(slaves=(Slave(1, "a", registers),), interval_s=0.1)
        _, got = await listen(settings, lambda source, got: len(got) >= 4 and source.errors >= 4)
    assert {r.metric for r in got} == {"rain"}


async def test_coils_discrete_inputs_and_input_registers(tmp_path: Path) -> None:
    device = SimDevice(
        9,
        (
            [SimData(0, values=[True, False, True], datatype=DataType.BITS)],
            [SimData(5, values=[False, True], datatype=DataType.BITS)],
            [SimData(0, values=[1], datatype=DataType.REGISTERS)],
            [SimData(30, values=[42], datatype=DataType.REGISTERS)],
        ),
    )
    with cable(tmp_path) as line:
        server = ModbusSerialServer(device, port=str(line.far))
        await server.serve_forever(background=True)
        registers = (
            Register(2, "pump_running", kind="coil"), Register(6, "gate_opening", kind="discrete"),
            Register(30, "rain", kind="input"),
        )  # fmt: skip
        _, got = await listen(ModbusSettings(str(line.near), (Slave(9, "a", registers),)), lambda _, got: len(got) >= 3)
        await server.shutdown()  # type: ignore[no-untyped-call]
    assert {r.metric: r.value for r in got} == {"pump_running": 1.0, "gate_opening": 1.0, "rain": 42.0}


async def test_what_is_not_a_number_is_no_reading(wire: Wire) -> None:
    """A float32 NaN, which many probes send for `no value`."""
    async with slaves(wire.slaves_at, {1: [0x7FC0, 0, 5]}):
        registers = (Register(0, "flow", type="float32"), Register(2, "rain"))
        source, got = await listen(wire.settings(slaves=(Slave(1, "a", registers),)), lambda _, got: bool(got))
    assert [r.metric for r in got] == ["rain"]
    assert source.slave_errors == {1: 1}


async def test_over_tcp_a_late_answer_is_taken_for_no_other() -> None:
    """Unit 1 answers each request after its time-out is over, by then within the next one's; unit 2 goes on."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await reader.readexactly(12)
                transaction, unit = request[:2], request[6]
                answer = transaction + bytes([0, 0, 0, 5, unit, 3, 2, 0, 11 * unit])
                asyncio.get_running_loop().call_later(0.25 if unit == 1 else 0.0, writer.write, answer)
        writer.close()
        closed.set()

    [port] = free_ports(1)
    closed = asyncio.Event()
    members = tuple(Slave(unit, f"d{unit}", (Register(0, "rain"),)) for unit in (1, 2))
    settings = ModbusSettings(host="127.0.0.1", tcp_port=port, slaves=members, timeout_s=0.15, interval_s=0.1)
    async with await asyncio.start_server(talk, "127.0.0.1", port):
        _, got = await listen(settings, lambda source, got: len(got) >= 5 and source.slave_errors[1] >= 2)
        await asyncio.wait_for(closed.wait(), PATIENCE_S)
    assert {(r.device, r.value) for r in got} == {("d2", 22.0)}


async def test_a_tcp_peer_that_is_there_but_mute_is_connected_to_afresh() -> None:
    """As one that went away without a word leaves it: after a few silences the connection is made anew."""
    connections = 0

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    [port] = free_ports(1)
    members = tuple(Slave(unit, f"d{unit}", (Register(0, "rain"),)) for unit in range(1, 6))
    settings = ModbusSettings(host="127.0.0.1", tcp_port=port, slaves=members, timeout_s=0.02, interval_s=0.05)
    async with await asyncio.start_server(swallow, "127.0.0.1", port):
        await listen(settings, lambda *_: connections >= 2)


async def test_a_cancellation_that_the_library_loses_is_minded() -> None:
    """`asyncio.wait_for` of Python 3.11, in which pymodbus awaits an answer, may take it for a timeout."""

    class Losing(AsyncModbusTcpClient):
        @override
        async def read_holding_registers(self, *_: object, **__: object) -> ModbusPDU:
            try:
                await asyncio.sleep(PATIENCE_S)
            except asyncio.CancelledError:
                raise ModbusIOException("no answer") from None
            raise AssertionError

    asking = asyncio.create_task(ModbusClient(Losing("127.0.0.1")).read(1, "holding", 0, 1))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
