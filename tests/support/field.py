"""A gate in the field: a real edge agent whose actuator is a Modbus slave at the end of a serial cable.

with field(tmp_path, broker.url) as gate:        # the gateway `gate.gateway`, the actuator `gate.actuator`
    … a command from the server …
    assert gate.slave.coil                       # what the slave's coil says now
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field as attribute
from pathlib import Path
from typing import Any

from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from support.edge import Agent
from support.patience import PATIENCE_S
from support.running import wait_for
from support.serial import Cable, cable

SAFE = "actuator is at its fail-safe position"
COILS = {5, 15}
WRITES = {*COILS, 6, 16}


class GateSlave:
    """Unit 1: coil 0 opens the gate, holding 0 is its opening in %, holding 10 its timer in s.

    `writes`: (function, address, values) as they came. `is_dead`: it does not answer. `is_stuck`: it takes what is
    written and stays where it is.
    """

    def __init__(self, port: Path, *, is_open: bool = False) -> None:
        self.writes: list[tuple[int, int, list[int]]] = []
        self.reads = 0
        self.is_dead = False
        self.is_stuck = False
        self.coil = is_open
        self.opening = 0
        self._port = port
        self._is_ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), name="slave")
        self._thread.start()
        assert self._is_ready.wait(PATIENCE_S)

    @property
    def timer_s(self) -> int | None:
        """As last written."""
        return next((values[0] for _, address, values in reversed(self.writes) if address == 10), None)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        registers = [SimData(0, values=[0] * 20, datatype=DataType.REGISTERS)]
        coils = [SimData(0, values=[self.coil] * 16, datatype=DataType.BITS)]
        device = SimDevice(1, (coils, coils, registers, registers), action=self._act)
        trace = lambda sending, packet: b"" if sending and self.is_dead else packet  # noqa: E731
        server = ModbusSerialServer([device], port=str(self._port), trace_packet=trace)
        await server.serve_forever(background=True)
        self._is_ready.set()
        await self._stop.wait()
        await server.shutdown()  # type: ignore[no-untyped-call]

    async def _act(self, *request: Any) -> None:
        """As pymodbus calls it; what is to be written may be changed in place."""
        function, _start, address, _count, _registers, wanted = request
        if function not in WRITES or wanted is None:
            self.reads += 1
            return
        self.writes.append((function, address, [int(value) for value in wanted]))
        if function in COILS and self.is_stuck:
            wanted[:] = [self.coil]
        elif address == 0 and self.is_stuck:
            wanted[:] = [self.opening]
        elif function in COILS:
            self.coil = bool(wanted[0])
        elif address == 0:
            self.opening = int(wanted[0])


@dataclass
class Field:
    """`edge` is the agent that runs now; `kill` and `start` give it another life."""

    slave: GateSlave
    line: Cable
    config: Path
    state: Path
    edge: Agent = attribute(init=False)
    gateway: str = "gw-field"
    actuator: str = "gate"
    device: str = "gate-1"

    def start(self, *, goes_home: bool = True, under: tuple[str, ...] = ()) -> None:
        """Until it is connected, and its actuator at its fail-safe position, before which nothing is carried out."""
        self.edge = Agent(self.config, self.state, under=under)
        if goes_home:
            wait_for("the fail-safe position", lambda: self.edge.events(SAFE), every_s=0.05)
        wait_for("the broker", lambda: self.edge.events("connected"), every_s=0.05)

    def kill(self) -> None:
        """With 9."""
        self.edge.end()


def settings(url: str, port: Path, *, actuator: str, remote: str, interval_s: float) -> str:
    return (
        f'[broker]\nurl = "{url}"\n'
        '[edge]\ngateway = "gw-field"\nclock = "system"\nhealth_interval_s = 1\n'
        "uplink = { pack_age_s = 0.05, ack_timeout_s = 1, reconnect_max_s = 0.3 }\n"
        f"remote = {{ enabled = true, {remote} }}\n"
        f'[[edge.modbus]]\nport = "{port}"\ninterval_s = {interval_s}\ntimeout_s = 1\n'
        '[[edge.modbus.slaves]]\nunit = 1\ndevice = "gate-1"\n'
        'registers = [{ address = 0, metric = "gate_opening", unit = "%" }]\n'
        f"[[edge.actuator]]\n{actuator}\n"
    )


COIL = (
    'name = "gate"\ndevice = "gate-1"\nlabel = "東ゲート"\nkind = "gate"\nvalues = [0, 1]\nfail_safe = 0\n'
    'run_s_max = 60\nsettle_s = 1\nregisters = { write = { kind = "coil", address = 0 }, timer = { address = 10 } }'
)


@contextmanager
def field(
    folder: Path,
    url: str,
    *,
    actuator: str = COIL,
    remote: str = "link_lost_after_s = 30",
    interval_s: float = 0.5,
    is_open: bool = False,
) -> Iterator[Field]:
    """The edge runs, its actuator is at its fail-safe position, and it is connected to the broker at `url`."""
    with cable(folder, "gate-tty") as line:
        slave = GateSlave(line.far, is_open=is_open)
        config = folder / "field.toml"
        text = settings(url, line.near, actuator=actuator, remote=remote, interval_s=interval_s)
        config.write_text(text, encoding="utf-8")
        one = Field(slave, line, config, folder / "field-state")
        try:
            one.start()
            yield one
        finally:
            one.kill()
            slave.close()
