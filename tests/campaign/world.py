"""One episode's world: sensors, edges, broker, ingest and store, all real, and what can be done to them."""

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from campaign.compare import Device, Edge, Evidence, Said, Span
from campaign.lines import RESET_EVERY_S, Line, Mode
from campaign.parts import Clock, Disk, Dropped, Program, now_s, sensors, small_disk
from campaign.plan import EDGES, Fault, Stored
from campaign.sensors import FRAME_METRIC, FRAME_NODE
from satomori_ingest.stores import Stores, open_stores
from satomori_store.lookup import load_lookup
from support.influx import Influx, influx_server
from support.mosquitto import Mosquitto, mosquitto
from support.postgres import Postgres, postgres_server
from support.running import satomori
from support.small_registry import TOWN, asset, datastream, device, gateway

# A plain count in the catalogue, wide enough for a sensor that counts.
METRIC, UNIT = "bus_errors", "{count}"
BUSES = {"edge-1": {"bus-1": ["m-1", "m-2"]}, "edge-3": {"bus-3": ["m-3"]}}
NODES = {"edge-2": ["t-1", "t-2"], "edge-3": ["t-3"]}
FRAMED = {"edge-1": ["f-1"]}
EVERY_S = 0.2
THINNING = "edge-3"  # its outbox holds few readings
HAND_OVER_MAX_S = 60.0
EDGE_DISK_MB, INGEST_DISK_MB = 16, 48
DEVICES = {
    **{device: Device(edge, bus) for edge, buses in BUSES.items() for bus, units in buses.items() for device in units},
    **{device: Device(edge) for edge, devices in NODES.items() for device in devices},
    **{device: Device(edge, keeps=True) for edge, devices in FRAMED.items() for device in devices},
}


class World:
    """`strike` does what a fault says, to its end. `evidence` is what can be known of it all."""

    def __init__(self, stored: Stored, folder: Path) -> None:
        self.stored = stored
        self.edges = {edge: Edge() for edge in EDGES}
        self.programs: dict[str, Program] = {}
        self.lines: dict[str, Line] = {}
        self.disks: dict[str, Disk] = {}
        self.by_themselves: list[str] = []
        self._folder = folder
        self._stack = AsyncExitStack()
        self._dropped = Dropped()
        self._broker: Mosquitto
        self._influx: Influx | None = None
        self._postgres: Postgres | None = None
        self._clock: Clock
        self._sensors: subprocess.Popen[bytes]
        self._stores: Stores

    # ------------------------------------------------------------------ building

    async def __aenter__(self) -> Self:
        try:
            await self._build()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _build(self) -> None:
        self._folder.mkdir(parents=True)
        self._stack.callback(self._dropped.close)
        self._clock = Clock(self._folder)
        self._broker = self._stack.enter_context(mosquitto(self._folder))
        if self.stored.has_influx:
            self._influx = self._stack.enter_context(influx_server(self._folder / "influx"))
        if self.stored is Stored.INFLUX_POSTGRES:
            self._postgres = self._stack.enter_context(postgres_server())
        spec = {
            "buses": {bus: units for buses in BUSES.values() for bus, units in buses.items()},
            "nodes": {device: EVERY_S for devices in NODES.values() for device in devices},
            "framed": {device: EVERY_S for devices in FRAMED.values() for device in devices},
        }
        for worker in self.stored.workers:
            await self._add_ingest(worker)
        began_s = now_s()
        self._sensors = self._stack.enter_context(sensors(self._folder / "sensors", json.dumps(spec)))
        for edge in EDGES:
            await self._add_edge(edge)
        for name, program in self.programs.items():
            program.start()
            if name in self.edges:
                self.edges[name].ended.append(Span(began_s, now_s()))

    async def _line(self, name: str, port: int) -> Line:
        line = self.lines[name] = Line(port)
        await line.open()
        self._stack.push_async_callback(line.close)
        return line

    def _program(self, name: str, command: str, config: Path, more: dict[str, str] | None = None) -> None:
        arguments = [command, "--config", str(config), "--state", str(self.disks[name].folder)]
        log = self._folder / f"{name}.log"
        self.programs[name] = Program(name, "satomori_core", *arguments, log=log, more=more)
        self._stack.callback(self.programs[name].close)

    async def _add_ingest(self, name: str) -> None:
        line = await self._line(f"line {name}", self._broker.port)
        self.disks[name] = self._stack.enter_context(small_disk(self._folder / name, INGEST_DISK_MB))
        if not hasattr(self, "_stores"):
            direct = self._folder / "direct.toml"
            direct.write_text(await self._store_table(direct=True), encoding="utf-8")
            registry = self._folder / "region.toml"
            registry.write_text(_registry(), encoding="utf-8")
            self._options = ("--config", str(direct), "--state", str(self.disks[name].folder))
            done = await asyncio.to_thread(satomori, "registry", "import", str(registry), *self._options)
            assert done.returncode == 0, done.stderr
            self._stores = open_stores(self.disks[name].folder, direct)
            self._stack.callback(self._close_stores)
        share = 'share = "campaign"\n' if len(self.stored.workers) > 1 else ""
        config = self._folder / f"{name}.toml"
        config.write_text(
            f'[broker]\nurl = "mqtt://127.0.0.1:{line.port}"\n'
            f'[ingest]\nworker = "{name}"\nkeep_alive_s = 5\n{share}{await self._store_table(direct=False)}',
            encoding="utf-8",
        )
        self._program(name, "ingest", config)

    async def _store_table(self, *, direct: bool) -> str:
        """[store]: past the lines that are disturbed, or over them."""
        if self._influx is None:
            return "[store]\n"
        port, ledger = int(self._influx.url.rpartition(":")[2]), ""
        if not direct:
            port = (self.lines.get("line influx") or await self._line("line influx", port)).port
        if self._postgres is not None:
            name = "satomori"
            url = self._postgres.create(name) if direct else self._postgres.url(name)
            if not direct:
                own = self._postgres.port
                line = self.lines.get("line postgres") or await self._line("line postgres", own)
                url = url.replace(f":{own}/", f":{line.port}/")
            ledger = f'registry_url = "{url}"\n'
        server = f'{{ url = "http://127.0.0.1:{port}", database = "{self._influx.database}", timeout_s = 5 }}'
        return f'[store]\nbackend = "influxdb"\n{ledger}influxdb = {server}\n'

    def _close_stores(self) -> None:
        self._stores.observations.close()
        self._stores.registry.dispose()

    async def _add_edge(self, name: str) -> None:
        line = await self._line(f"line {name}", self._broker.port)
        self.disks[name] = self._stack.enter_context(small_disk(self._folder / name, EDGE_DISK_MB))
        config = self._folder / f"{name}.toml"
        config.write_text(_edge_settings(name, line.port, self._folder / "sensors"), encoding="utf-8")
        self._program(name, "edge", config, self._clock.environment if name == "edge-1" else None)

    # ------------------------------------------------------------------ harming

    async def strike(self, fault: Fault) -> str | None:
        """From its beginning to its end; why not, where this machine does not allow it."""
        verb, _, mode = fault.kind.partition(" line ")
        if mode:
            return await self._disturb(self.lines[fault.who], mode, fault.for_s)
        if verb.endswith("disk full"):
            return await self._fill(fault)
        acts: dict[str, Callable[[Fault], Awaitable[str | None]]] = {
            "kill": self._kill, "pause": self._pause, "restart": self._restart,
        }  # fmt: skip
        special = {"edge's clock steps": self._step_clock, "outbox damaged": self._damage}
        return await (special.get(fault.kind) or acts[fault.kind.split(" ", 1)[0]])(fault)

    async def _disturb(self, line: Line, mode: str, for_s: float) -> str | None:
        if mode == "cut":
            if not self._dropped.is_allowed:
                return "nft may not be used"
            self._dropped.begin(line.port)
            try:
                await asyncio.sleep(for_s)
            finally:
                self._dropped.end(line.port)
            return None
        line.mode = Mode(mode)
        end_s = now_s() + for_s
        while (left_s := end_s - now_s()) > 0:
            if line.mode is Mode.RESET:
                line.reset()
            await asyncio.sleep(min(left_s, RESET_EVERY_S))
        line.mode = Mode.CLEAR
        return None

    async def _kill(self, fault: Fault) -> None:
        if fault.who in self.programs:
            await self._without(fault.who, signal.SIGKILL, fault.for_s)
            return
        server = self._server(fault.who)
        if isinstance(server, Mosquitto):
            server.kill()
        else:
            server.process.kill()
            await asyncio.to_thread(server.process.wait)
        await asyncio.sleep(fault.for_s)
        await asyncio.to_thread(server.start)

    async def _restart(self, fault: Fault) -> None:
        await self._without(fault.who, signal.SIGTERM, fault.for_s)

    async def _without(self, name: str, number: int, for_s: float, harm: Callable[[], None] | None = None) -> None:
        """End a part, do `harm` while it is away, start it again."""
        began_s = now_s()
        try:
            await self.programs[name].end(number)
        except AssertionError as error:
            self.by_themselves.append(str(error))
        if harm is not None:
            harm()
        await asyncio.sleep(for_s)
        if name in self.edges:
            self.edges[name].ended.append(Span(began_s, now_s()))
        self.programs[name].start()

    async def _pause(self, fault: Fault) -> None:
        began_s = now_s()
        process = self._process(fault.who)
        process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.for_s)
        finally:
            process.send_signal(signal.SIGCONT)
        if fault.who in self.edges:
            self.edges[fault.who].paused.append(Span(began_s, now_s()))

    async def _fill(self, fault: Fault) -> str | None:
        disk = self.disks[fault.who]
        if not disk.is_own:
            return "no tmpfs may be mounted"
        began_s = now_s()
        disk.fill()
        try:
            await asyncio.sleep(fault.for_s)
        finally:
            disk.free()
        if fault.who in self.edges:
            self.edges[fault.who].full.append(Span(began_s, now_s()))
        return None

    async def _step_clock(self, fault: Fault) -> str | None:
        if not self._clock.environment:
            return "no C compiler"
        self._clock.step(fault.amount)
        await asyncio.sleep(fault.for_s)
        self._clock.step(0)
        return None

    async def _damage(self, fault: Fault) -> None:
        """While its line is half open, so that something waits in the outbox, and something is stored and waits too."""
        line = self.lines[f"line {fault.who}"]
        line.mode = Mode.HALF_OPEN
        await asyncio.sleep(fault.for_s)
        path = self.disks[fault.who].folder / "outbox.sqlite"
        await self._without(fault.who, signal.SIGTERM, 0.5, lambda: _damage(path, random.Random(fault.amount)))
        line.mode = Mode.CLEAR

    def _process(self, name: str) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] | None
        if name in self.programs:
            process = self.programs[name].process
        else:
            server = self._server(name)
            process = server._process if isinstance(server, Mosquitto) else server.process
        assert process is not None
        return process

    def _server(self, name: str) -> Mosquitto | Influx | Postgres:
        server = {"broker": self._broker, "influx": self._influx, "postgres": self._postgres}[name]
        assert server is not None
        return server

    async def supervise(self) -> None:
        """As `satomori up` or systemd would: what ends by itself is told, and started again."""
        while True:
            await asyncio.sleep(0.5)
            for name, program in self.programs.items():
                status = program.ended_by_itself()
                if status is not None:
                    self.by_themselves.append(f"{name} ended by itself with status {status}: {program.last_words()}")
                    if name in self.edges:
                        self.edges[name].ended.append(Span(now_s() - 1, now_s()))
                    program.start()

    # ------------------------------------------------------------------ looking

    async def silence(self) -> None:
        """The sensors say nothing new; those that keep what they said until it is acknowledged come to an end."""
        self._sensors.terminate()
        try:
            await asyncio.to_thread(self._sensors.wait, HAND_OVER_MAX_S)
        except subprocess.TimeoutExpired:
            self._sensors.kill()
        # The ports go before their numbers are used again, by others.
        for path in (self._folder / "sensors").iterdir():
            if path.is_symlink():
                path.unlink()

    def waiting(self) -> int:
        """What still lies in the edges' outboxes on disk."""
        return sum(_waiting(self.disks[edge].folder / "outbox.sqlite") for edge in EDGES)

    def audit(self) -> list[dict[str, Any]]:
        done = satomori("audit", "--json", *self._options)
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    def evidence(self) -> Evidence:
        """Of this moment; asks store and ledger past the lines that are disturbed."""
        ledger = self._stores.ledger
        numbers = {
            route.datastream_id: route.device_id
            for route in load_lookup(self._stores.registry).datastreams.values()
            if route.device_id in DEVICES
        }
        stored: dict[str, Counter[int]] = {device: Counter() for device in DEVICES}
        columns = self._stores.observations.read(list(numbers), -(2**60), 2**61)
        for key, value in zip(columns.datastream.tolist(), columns.value.tolist(), strict=True):
            stored[numbers[key]][int(value)] += 1
        aside: dict[str, Counter[int]] = {device: Counter() for device in DEVICES}
        for entry in ledger.quarantine(10**6):
            for record in json.loads(entry.row.payload):
                aside[entry.row.device][int(record["v"])] += 1
        told: Counter[str] = Counter()
        for row in ledger.audit():
            told[row.gateway] += sum(fate.last - fate.first + 1 for fate in row.lost)
        said = [
            Said(**json.loads(line)) for line in (self._folder / "sensors" / "said.jsonl").read_bytes().splitlines()
        ]
        return Evidence(DEVICES, said, stored, aside, told, self.edges)


def _waiting(outbox: Path) -> int:
    connection = sqlite3.connect(f"file:{outbox}?mode=ro", uri=True, timeout=5)
    try:
        [[count]] = connection.execute("SELECT (SELECT count(*) FROM reading) + (SELECT count(*) FROM loss)")
        return int(count)
    finally:
        connection.close()


def _damage(path: Path, chance: random.Random) -> None:
    """Some pages are garbage, or the end is missing; the first page, without which nothing can be read, is whole."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        if chance.random() < 0.3:
            file.truncate(max(4096, size // 2))
            return
        for _ in range(chance.randint(1, 3)):
            file.seek(4096 * chance.randrange(1, size // 4096))
            file.write(chance.randbytes(4096))


def _registry() -> str:
    """A town with one site; each edge a gateway with its devices, each device one datastream."""
    parts = [TOWN, asset(), *map(gateway, EDGES)]
    for name, sender in DEVICES.items():
        parts += [device(name, sender.gateway), datastream(name, METRIC)]
    return "".join(parts)


def _edge_settings(edge: str, port: int, ports: Path) -> str:
    """Quick to send again; no readings of its own health, which no sensor said."""
    outbox = "[edge.outbox]\nreadings_max = 100\n" if edge == THINNING else ""
    text = [
        f'[broker]\nurl = "mqtt://127.0.0.1:{port}"\n',
        f'[edge]\ngateway = "{edge}"\nhealth_interval_s = 86400\n{outbox}',
        "[edge.uplink]\npack_age_s = 0.3\nack_timeout_s = 2\nack_timeout_max_s = 6\nkeepalive_s = 5\n",
        "reconnect_max_s = 2\n",
    ]
    for bus, units in BUSES.get(edge, {}).items():
        text.append(f'[[edge.modbus]]\nport = "{ports / bus}"\ninterval_s = {EVERY_S}\ntimeout_s = 3\n')
        text += [
            f'[[edge.modbus.slaves]]\nunit = {unit}\ndevice = "{device}"\n'
            f'registers = [{{ address = 0, type = "uint32", metric = "{METRIC}", unit = "{UNIT}" }}]\n'
            for unit, device in enumerate(units, 1)
        ]
    text += [
        f'[[edge.text]]\nport = "{ports / device}"\ndevice_index = 1\nchecksum = "xor"\nstart = "$SATOMORI"\n'
        f'fields = [{{ index = 2, metric = "{METRIC}", unit = "{UNIT}" }}]\n'
        for device in NODES.get(edge, [])
    ]
    text += [
        f'[[edge.frames]]\nport = "{ports / device}"\nnodes = [{{ node = {FRAME_NODE}, device = "{device}" }}]\n'
        f'metrics = [{{ id = {FRAME_METRIC}, metric = "{METRIC}", unit = "{UNIT}" }}]\n'
        for device in FRAMED.get(edge, [])
    ]
    return "".join(text)
