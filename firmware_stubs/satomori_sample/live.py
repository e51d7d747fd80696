"""The region as it runs: every few seconds all sensors are read, and each device says it by its own wire."""

import asyncio
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiomqtt
import numpy as np

from satomori_sample.broker import Broker, Tell, stay_connected, together
from satomori_sample.direct import DirectGateway
from satomori_sample.faults import Fault, live_faults
from satomori_sample.gates import Gate
from satomori_sample.modbus import Line, Slave
from satomori_sample.noise import Floats
from satomori_sample.outbox import Outbox
from satomori_sample.plan import Plan
from satomori_sample.region import ACTUATORS, Region, Wire
from satomori_sample.serialport import SerialPort
from satomori_sample.state import State
from satomori_sample.wire import Value, encode_line
from satomori_sample.wiring import COIL, Register, port_name, registers_of, vendor_topic
from satomori_sample.world import World

OUTBOX = "outbox.sqlite"
TRUTH = "truth.jsonl"


@dataclass(frozen=True, slots=True)
class Moment:
    """What all sensors say at once: a value for each of the region's datastreams, NaN where nothing is said."""

    at_us: int
    values: Floats


class Live:
    """`begin_script` starts the faults; until then everything is well. Made inside a running event loop."""

    def __init__(self, plan: Plan, region: Region, folder: Path, state: State) -> None:
        self._plan = plan
        self._region = region
        self._state = state
        self._truth = folder / TRUTH
        self._world = World(plan.seed, region, plan.live_interval_s)
        self._began_s: float | None = None
        self._told_s = 0.0
        self._outbox = Outbox(folder / OUTBOX)
        self._direct = {
            wire.gateway: DirectGateway(wire.gateway, self._outbox, plan.broker)
            for wire in region.wires
            if wire.kind == "senml"
        }
        self._buses = [_Bus(region, wire, folder) for wire in region.wires if wire.kind == "modbus"]
        self._gates = [_Gates(wire, folder) for wire in region.wires if wire.kind == "gates"]
        self._texts = [_TextLine(region, wire, folder) for wire in region.wires if wire.kind == "text"]
        self._vendors = [_Vendor(region, wire, plan.broker) for wire in region.wires if wire.kind == "json"]

    def begin_script(self, now_s: float) -> None:
        self._began_s = self._state.begin_live(now_s)
        self._told_s = now_s

    async def run(self, tell: Tell) -> None:
        """For ever."""
        ticking = asyncio.create_task(self._keep_ticking(), name="ticks")
        gateways = [gateway.run(tell) for gateway in self._direct.values()]
        await together(ticking, *gateways, *(vendor.run(tell) for vendor in self._vendors))

    async def _keep_ticking(self) -> None:
        interval_s = self._plan.live_interval_s
        while True:
            due_s = math.floor(time.time() / interval_s) * interval_s
            self.tick(due_s)
            await asyncio.sleep(max(due_s + interval_s - time.time(), 0.05))

    def tick(self, at_s: float) -> None:
        """Read all sensors as of `at_s`, and hand the values to the wires."""
        faults = self._faults(at_s)
        values = self._world.values(np.array([at_s]), faults)[:, 0]
        silent = {fault.target for fault in faults if fault.kind == "silent" and fault.covers(at_s)}
        at_us = round(at_s * 1e6)
        fresh: dict[str, list[Value]] = {gateway: [] for gateway in self._direct}
        for place, stream in enumerate(self._region.streams):
            if stream.gateway in fresh and math.isfinite(values[place]):
                value = Value(stream.device, stream.metric, at_us, float(values[place]), stream.unit)
                fresh[stream.gateway].append(value)
        self._outbox.keep(fresh)
        for gateway in self._direct.values():
            gateway.cut_off(gateway.gateway in silent)
            gateway.kept_more()
        wires: list[_Wire] = [*self._buses, *self._texts, *self._vendors]
        for wire in wires:
            wire.say(Moment(at_us, values))

    def close(self) -> None:
        for port in [
            *(bus.port for bus in self._buses),
            *(gates.port for gates in self._gates),
            *(line.port for line in self._texts),
        ]:
            port.close()
        self._outbox.close()

    def _faults(self, at_s: float) -> list[Fault]:
        if self._began_s is None:
            return []
        faults = list(live_faults(self._plan.live_faults, self._plan.repeat_s, self._began_s, at_s))
        write_truth(self._truth, [fault for fault in faults if self._told_s <= fault.from_s <= at_s], "live")
        self._told_s = math.nextafter(at_s, math.inf)
        return faults


def write_truth(path: Path, faults: list[Fault], phase: str) -> None:
    """Append what was injected, a JSON object a line: for people and tests, nothing here reads it."""
    if faults:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"phase": phase, **fault.truth()}) + "\n" for fault in faults)


class _Wire(Protocol):
    def say(self, moment: Moment) -> None:
        """Of all values, say those of one's own."""


class _Bus:
    """Modbus slaves on one line. A dead device does not answer. A pump also runs while its coil is on."""

    def __init__(self, region: Region, wire: Wire, folder: Path) -> None:
        driving = {region.device_of(asset) for _, _, asset, *_ in ACTUATORS}
        self._slaves: list[tuple[Slave, list[Register]]] = [
            (_driver() if device in driving else Slave(), registers_of(region, device)) for device in wire.devices
        ]
        line = Line({unit: slave for unit, (slave, _) in enumerate(self._slaves, 1)})
        self.port = SerialPort(folder / port_name(wire), lambda data: self.port.write(line.feed(data)))

    def say(self, moment: Moment) -> None:
        values = moment.values
        for slave, registers in self._slaves:
            known = [register for register in registers if math.isfinite(values[register.place])]
            slave.is_silent = not known
            for register in known:
                value = float(values[register.place])
                if register.type == "bool":
                    slave.bits[register.address] = value > 0 or slave.bits.get(COIL, False)
                else:
                    slave.put(register.address, register.words(value))


def _driver() -> Slave:
    return Slave({COIL: False}, coils=frozenset({COIL}))


class _Gates:
    """Gates on one Modbus line, which move by orders and the clock, not by the world's script."""

    def __init__(self, wire: Wire, folder: Path) -> None:
        self._gates = [Gate(time.monotonic()) for _ in wire.devices]
        line = Line({unit: gate.slave for unit, gate in enumerate(self._gates, 1)})

        def answer(data: bytes) -> None:
            for gate in self._gates:
                gate.move(time.monotonic())
            self.port.write(line.feed(data))

        self.port = SerialPort(folder / port_name(wire), answer)


class _TextLine:
    """Nodes whose lines come in at one receiver."""

    def __init__(self, region: Region, wire: Wire, folder: Path) -> None:
        self._nodes = [(device, [place for place, _ in region.streams_of(device)]) for device in wire.devices]
        self.port = SerialPort(folder / port_name(wire))

    def say(self, moment: Moment) -> None:
        values = moment.values
        lines = [
            encode_line(device, [_or_none(values[place]) for place in places])
            for device, places in self._nodes
            if any(math.isfinite(values[place]) for place in places)
        ]
        self.port.write_afresh(b"".join(lines))


class _Vendor:
    """Devices with JSON and topics of their own and no outbox: what they can't send is gone."""

    def __init__(self, region: Region, wire: Wire, broker: Broker) -> None:
        self._devices = [
            (vendor_topic(wire, device), device, [(s.metric, place) for place, s in region.streams_of(device)])
            for device in wire.devices
        ]
        self._broker = broker
        self._name = wire.name
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(maxsize=len(wire.devices))

    def say(self, moment: Moment) -> None:
        values = moment.values
        for address, device, places in self._devices:
            sensors = {metric: float(values[place]) for metric, place in places if math.isfinite(values[place])}
            if sensors and not self._waiting.full():
                message = {"id": device, "time": moment.at_us // 1000, "sensors": sensors}
                self._waiting.put_nowait((address, json.dumps(message).encode()))

    async def run(self, tell: Tell) -> None:
        name = f"sample-vendor-{self._name}-{time.time_ns()}"
        await stay_connected(lambda: self._broker.client(name), self._talk, tell)

    async def _talk(self, client: aiomqtt.Client) -> None:
        await together(asyncio.create_task(_drop_messages(client), name="vendor connection"), self._send(client))

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            address, payload = await self._waiting.get()
            await client.publish(address, payload, qos=1)


async def _drop_messages(client: aiomqtt.Client) -> None:
    """Nothing is subscribed; this only notices when the connection breaks."""
    async for _ in client.messages:
        pass


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
