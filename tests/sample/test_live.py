"""The region's devices as others meet them: serial ports for anybody's Modbus and text readers, MQTT with an outbox."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiomqtt
import numpy as np
import pytest
import serial
from pymodbus.client import ModbusSerialClient
from pymodbus.exceptions import ModbusIOException

from satomori_edge.settings import load_edge
from satomori_sample.broker import Broker, end
from satomori_sample.direct import DirectGateway
from satomori_sample.faults import Scripted
from satomori_sample.live import TRUTH, Live
from satomori_sample.outbox import Outbox
from satomori_sample.plan import Plan, load_plan, write_plan
from satomori_sample.prepare import prepare
from satomori_sample.region import ACTUATORS, build_region
from satomori_sample.state import State
from satomori_sample.wire import Value
from satomori_sample.world import World
from support.acking_peer import Peer, acking
from support.mosquitto import Mosquitto, mosquitto
from support.patience import PATIENCE_S

REGION = build_region()
AT_S = 1_795_464_120.0


def a_live(folder: Path, plan: Plan) -> Live:
    folder.mkdir(exist_ok=True)
    return Live(plan, REGION, folder, State(folder))


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    """Read once at AT_S; connected to nothing."""
    region = a_live(tmp_path / "sample", Plan())
    region.tick(AT_S)
    yield region
    region.close()


def said(device: str, plan: Plan | None = None) -> dict[str, float]:
    """What the device says at AT_S by the world."""
    chosen = plan or Plan()
    values = World(chosen.seed, REGION, chosen.live_interval_s).values(np.array([AT_S]))[:, 0]
    return {stream.metric: float(values[place]) for place, stream in REGION.streams_of(device)}


@pytest.mark.usefixtures("live")
async def test_a_plain_modbus_client_reads_a_bridge_logger(tmp_path: Path) -> None:
    expected = said("minato-bridge-1-logger")

    def read() -> list[int]:
        client = ModbusSerialClient(str(tmp_path / "sample" / "tty-minato-bridges"), baudrate=9600, timeout=10)
        assert client.connect()
        answer = client.read_input_registers(0, count=5, device_id=1)
        client.close()  # type: ignore[no-untyped-call]
        assert not answer.isError()
        return list(answer.registers)

    registers = await asyncio.to_thread(read)
    assert registers[0] / 1000 == pytest.approx(expected["natural_frequency"])
    assert _signed(registers[1], 16) / 100 == pytest.approx(expected["structure_temperature"])
    assert _signed(registers[2] << 16 | registers[3], 32) / 10 == pytest.approx(expected["strain"])
    assert _signed(registers[4], 16) / 100 == pytest.approx(expected["displacement"])


@pytest.mark.usefixtures("live")
async def test_a_pump_runs_or_not_as_a_discrete_input(tmp_path: Path) -> None:
    def read() -> bool:
        client = ModbusSerialClient(str(tmp_path / "sample" / "tty-aoba-pumps"), baudrate=9600, timeout=10)
        assert client.connect()
        answer = client.read_discrete_inputs(0, count=1, device_id=2)
        client.close()  # type: ignore[no-untyped-call]
        assert not answer.isError()
        return bool(answer.bits[0])

    assert await asyncio.to_thread(read) == (said("aoba-pump-2-monitor")["pump_running"] == 1)


async def test_a_pump_whose_coil_is_on_says_that_it_runs(live: Live, tmp_path: Path) -> None:
    """Whatever the world says of it; off again, it follows the world."""
    says = said("aoba-pump-1-monitor")["pump_running"] == 1

    def talk(is_on: bool | None) -> bool:
        """Write the coil unless None; whether the pump runs."""
        client = ModbusSerialClient(str(tmp_path / "sample" / "tty-aoba-pumps"), baudrate=9600, timeout=10)
        assert client.connect()
        if is_on is not None:
            assert not client.write_coil(100, is_on, device_id=1).isError()
            assert client.read_coils(100, count=1, device_id=1).bits[0] is is_on
            assert client.write_coil(0, is_on, device_id=1).isError()
        runs = bool(client.read_discrete_inputs(0, count=1, device_id=1).bits[0])
        client.close()  # type: ignore[no-untyped-call]
        return runs

    for is_on in (True, False):
        await asyncio.to_thread(talk, is_on)
        live.tick(AT_S)
        assert await asyncio.to_thread(talk, None) is (is_on or says)


async def test_plain_serial_reads_checked_lines_and_only_new_ones(live: Live, tmp_path: Path) -> None:
    """Five nodes on one receiver; what was said before somebody listened is gone, as on copper."""
    with serial.Serial(str(tmp_path / "sample" / "tty-inaho-radio"), 9600, timeout=PATIENCE_S) as port:
        live.tick(AT_S - 10)
        live.tick(AT_S)
        lines = [await asyncio.to_thread(port.readline) for _ in range(5)]
        port.timeout = 0.1
        assert await asyncio.to_thread(port.readline) == b""
    for i, line in enumerate(lines, 1):
        body, checksum = line.strip().decode().lstrip("$").split("*")
        total = 0
        for letter in body.encode():
            total ^= letter
        assert int(checksum, 16) == total
        name, device, *fields = body.split(",")
        assert (name, device) == ("SATOMORI", f"inaho-paddy-{i}-node")
        assert [float(field) for field in fields] == pytest.approx(list(said(device).values()))


async def test_ports_keep_their_names_and_go_when_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    first = a_live(folder, Plan())
    port = folder / "tty-inaho-radio"
    before = port.readlink()
    second = a_live(folder, Plan())  # as after a kill: the new one takes the name over
    assert port.readlink() != before
    first.close()
    assert port.is_symlink()
    second.close()
    assert not port.is_symlink()


async def test_a_dead_slave_does_not_answer_and_its_neighbour_does(tmp_path: Path) -> None:
    plan = Plan(live_faults=(Scripted("minato-bridge-2", "", "dead", 0, 600),))
    live = a_live(tmp_path / "sample", plan)
    live.begin_script(AT_S)
    live.tick(AT_S + 10)

    def read() -> bool:
        client = ModbusSerialClient(str(tmp_path / "sample" / "tty-minato-bridges"), timeout=2, retries=0)
        assert client.connect()
        with pytest.raises(ModbusIOException):
            client.read_input_registers(0, count=1, device_id=2)
        alive = not client.read_input_registers(0, count=1, device_id=1).isError()
        client.close()  # type: ignore[no-untyped-call]
        return alive

    assert await asyncio.to_thread(read)
    truth = [json.loads(line) for line in (tmp_path / "sample" / TRUTH).read_text(encoding="utf-8").splitlines()]
    assert [(line["target"], line["kind"], line["cause"]) for line in truth] == [("minato-bridge-2", "dead", "sensor")]
    live.close()


def test_the_edge_agents_settings_load(tmp_path: Path) -> None:
    """Real settings of real edge agents, for every device that is not a gateway of its own."""
    written = prepare(tmp_path, Plan(broker=Broker("mqtt://broker.test:1884")))
    edges = [load_edge(path) for path in written if path.name.startswith("edge-")]
    assert len(edges) == 5
    assert {edge.gateway for edge in edges} == {w.gateway for w in REGION.wires if w.kind != "senml"}
    devices = {slave.device for edge in edges for bus in edge.modbus for slave in bus.slaves}
    assert devices == {d for w in REGION.wires if w.kind in {"modbus", "gates"} for d in w.devices}
    operated = {(edge.gateway, actuator.name) for edge in edges for actuator in edge.actuator if edge.remote.enabled}
    assert operated == {(gateway, name) for gateway, name, *_ in ACTUATORS}
    assert sum(len(edge.text) for edge in edges) == 4
    assert [edge.mqtt[0].url for edge in edges if edge.mqtt] == ["mqtt://broker.test:1884"]


def test_the_plan_reads_as_it_was_written(tmp_path: Path) -> None:
    plan = Plan(seed=3, broker=Broker("mqtts://broker.test", "me", "/run/secret", None))
    write_plan(tmp_path, plan)
    assert load_plan(tmp_path) == plan


# ------------------------------------------------------------------ MQTT


def values(count: int, from_us: int) -> list[Value]:
    return [Value("d", "m", from_us + i, float(i), "m") for i in range(count)]


@pytest.mark.servers
async def test_a_direct_gateway_loses_nothing_though_acks_are_lost_and_its_line_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satomori_sample.direct.ACK_TIMEOUT_S", 0.3)
    monkeypatch.setattr("satomori_sample.direct.ACK_TIMEOUT_MAX_S", 0.5)
    outbox = Outbox(tmp_path / "outbox.sqlite")
    (tmp_path / "mosquitto").mkdir()
    with mosquitto(tmp_path / "mosquitto") as server:
        gateway = DirectGateway("gw-1", outbox, Broker(server.url))
        async with acking(Peer(loss=0.3), server.port) as peer:
            running = asyncio.create_task(gateway.run(lambda _: None))
            now_us = time.time_ns() // 1000
            for i in range(5):
                outbox.keep({"gw-1": values(150, now_us + i * 1000)})
                gateway.cut_off(i in (2, 3))
                gateway.kept_more()
                await asyncio.sleep(0.2)  # packs are on their way when it is cut
                await _until(lambda i=i: len(peer.statuses) >= (1, 1, 2, 2, 3)[i])  # type: ignore[misc]
            await _until(lambda: len(peer.kept) == 750 and not outbox.read("gw-1", 1, 10**9, 1))
            await end([running])
            await _until(lambda: len(peer.statuses) >= 4)
    assert peer.gaps() == {}
    assert peer.differing == 0
    assert set(peer.lanes) == {"telemetry"}
    assert [json.loads(payload)["online"] for _, payload in peer.statuses] == [True, False, True, False]
    outbox.close()


@pytest.mark.servers
async def test_a_killed_gateway_goes_on_with_its_numbers_and_old_values_take_the_other_lane(tmp_path: Path) -> None:
    (tmp_path / "mosquitto").mkdir()
    with mosquitto(tmp_path / "mosquitto") as server:
        for turn in range(2):  # the second finds what the first, which never got a line, had kept
            outbox = Outbox(tmp_path / "outbox.sqlite")
            outbox.keep({"gw-1": values(10, (time.time_ns() // 1000) - (1 - turn) * 3_600_000_000)})
            outbox.close()
        outbox = Outbox(tmp_path / "outbox.sqlite")
        async with acking(Peer(), server.port) as peer:
            gateway = DirectGateway("gw-1", outbox, Broker(server.url))
            running = asyncio.create_task(gateway.run(lambda _: None))
            await _until(lambda: len(peer.kept) == 20)
            outbox.keep({"gw-1": values(5, time.time_ns() // 1000)})
            gateway.kept_more()
            await _until(lambda: len(peer.kept) == 25)
            await end([running])
        outbox.close()
    assert len(peer.streams) == 1
    assert peer.gaps() == {}
    assert peer.lanes == {"backlog": 1, "telemetry": 1}


@pytest.mark.servers
async def test_live_data_of_all_direct_gateways_arrive_and_the_vendors_json(tmp_path: Path) -> None:
    (tmp_path / "mosquitto").mkdir()
    with mosquitto(tmp_path / "mosquitto") as server:
        live = a_live(tmp_path / "sample", Plan(broker=Broker(server.url), live_interval_s=1))
        async with acking(Peer(), server.port) as peer:
            vendor = asyncio.create_task(_first_vendor_message(server))
            running = asyncio.create_task(live.run(lambda _: None))
            direct = [place for place, s in enumerate(REGION.streams) if _kind(s.gateway) == "senml"]
            await _until(lambda: len(peer.kept) >= 3 * len(direct))
            document = json.loads(await asyncio.wait_for(vendor, PATIENCE_S))
            await end([running])
        live.close()
    assert peer.gaps() == {}
    assert document["id"] == "hamakaze-house-3-panel"
    assert set(document["sensors"]) == set(said("hamakaze-house-3-panel"))
    assert set(peer.streams.values()) == {w.gateway for w in REGION.wires if w.kind == "senml"}


def test_an_outbox_that_overflows_gives_up_the_oldest_and_says_so(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", values_max=100)
    outbox.keep({"gw-1": values(130, 0), "gw-2": values(50, 0)})
    assert outbox.losses("gw-1") == [(1, 30, "dropped")]
    assert outbox.losses("gw-2") == []
    assert [kept.number for kept in outbox.read("gw-1", 1, 999, 999)] == list(range(31, 131))
    outbox.forget("gw-1", [(1, 60)])
    assert outbox.losses("gw-1") == []
    assert outbox.read("gw-1", 1, 999, 1)[0].number == 61
    assert outbox.last_number("gw-1") == 130
    outbox.close()


def _signed(raw: int, bits: int) -> int:
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def _kind(gateway: str) -> str:
    return next(wire.kind for wire in REGION.wires if wire.gateway == gateway)


async def _first_vendor_message(server: Mosquitto) -> bytes:
    async with aiomqtt.Client(server.host, server.port) as client:
        await client.subscribe("sample-vendor/#")
        async for message in client.messages:
            return bytes(message.payload)
    raise AssertionError


async def _until(holds: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.02)


def test_started_again_within_one_interval_no_moment_is_said_twice(tmp_path: Path) -> None:
    """A moment under two numbers would be one stored point for two readings, and look like a loss."""
    first = values(3, 1_795_464_120_000_000)
    for _ in range(2):
        outbox = Outbox(tmp_path / "outbox.sqlite")
        outbox.keep({"gw-1": first})
        outbox.close()
    outbox = Outbox(tmp_path / "outbox.sqlite")
    outbox.keep({"gw-1": values(3, 1_795_464_130_000_000)})
    assert [kept.number for kept in outbox.read("gw-1", 1, 100, 100)] == [1, 2, 3, 4, 5, 6]
    outbox.close()
