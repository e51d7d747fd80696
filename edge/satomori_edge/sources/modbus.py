"""Units on a Modbus line, serial or TCP, each asked in its turn.

A unit whose request failed is left alone until its next turn (see `modbus_client.py` for why).
"""

import math

from typing_extensions import override

from satomori_core.errors import UnavailableError
from satomori_core.logs import get_logger
from satomori_core.readings import Reading
from satomori_edge.clock import now_us
from satomori_edge.settings import ModbusSettings, Register, Slave
from satomori_edge.sources.base import RETRY_MAX_S, Line, Sink, Source, keep_running
from satomori_edge.sources.jobs import Jobs, Registers
from satomori_edge.sources.modbus_client import ModbusClient, NoAnswerError, RefusedError, open_line
from satomori_edge.sources.registers import Block, decode_register, plan_blocks
from satomori_edge.sources.turns import Turns

log = get_logger("edge")


class ModbusSource(Source):
    """One line. `slave_errors`: by unit."""

    def __init__(self, settings: ModbusSettings, *, retry_max_s: float = RETRY_MAX_S) -> None:
        self.name = f"modbus {settings.line}"
        self.errors = 0
        self.slave_errors = {slave.unit: 0 for slave in settings.slaves}
        self._settings = settings
        self._line = Line(self.name, retry_max_s)
        self._blocks = {s.unit: plan_blocks(s.registers, settings.gap_max) for s in settings.slaves}
        self._told: set[tuple[int, str]] = set()
        members = [(slave, slave.interval_s or settings.interval_s) for slave in settings.slaves]
        self._turns = Turns(members, settings.timeout_s)
        self._jobs: Jobs[Registers] = Jobs(self.name, settings.timeout_s)

    @override
    async def run(self, sink: Sink) -> None:
        async def attempt() -> None:
            async with open_line(self._settings) as client:
                self._line.up()
                with self._jobs.open(client):
                    while True:
                        await self._take_turn(client, sink)

        await keep_running(self, self._line, attempt)

    @override
    def registers_of(self, device: str) -> tuple[Jobs[Registers], int] | None:
        unit = next((slave.unit for slave in self._settings.slaves if slave.device == device), None)
        return None if unit is None else (self._jobs, unit)

    @override
    def sample(self, device: str, interval_s: float) -> bool:
        return self._turns.sample(device, interval_s)

    async def _take_turn(self, client: ModbusClient, sink: Sink) -> None:
        """Wait for the next turn and take it: one slave, all of its requests, one round of readings."""
        turn, wait_s = self._turns.next()
        if wait_s:
            await self._turns.wait(wait_s)
            self._check_open(client)
            return  # another may come first by now
        slave = turn.who
        readings: list[Reading] = []
        try:
            async with self._jobs.turn:
                for block in self._blocks[slave.unit]:
                    readings += await self._read(client, slave, block)
        except NoAnswerError as error:
            self._count(slave)
            self._jobs.failed()
            if client.is_open and self._turns.failed(turn):
                log.warning("slave does not answer", **self._about(slave), why=str(error))
        else:
            if self._turns.answered(turn):
                log.info("slave answers again", **self._about(slave))
        await sink(readings)
        self._check_open(client)

    def _check_open(self, client: ModbusClient) -> None:
        if not client.is_open:
            raise UnavailableError(f"{self._settings.line}: gone")

    async def _read(self, client: ModbusClient, slave: Slave, block: Block) -> list[Reading]:
        try:
            values = await client.read(slave.unit, block.kind, block.address, block.count)
        except RefusedError as error:
            self._count(slave)
            self._tell_once(slave, f"{block.kind} {block.address}+{block.count}: {error}")
            return []
        at_us = now_us()
        readings = []
        for register in block.registers:
            start = register.address - block.address
            value = _decode(register, values[start : start + register.count])
            if math.isfinite(value):
                readings.append(Reading(register.device or slave.device, register.metric, at_us, value, register.unit))
            else:
                self._count(slave)
                self._tell_once(slave, f"{register.kind} {register.address}: {value} is not a measurement")
        return readings

    def _count(self, slave: Slave) -> None:
        self.errors += 1
        self.slave_errors[slave.unit] += 1

    def _tell_once(self, slave: Slave, what: str) -> None:
        if (slave.unit, what) not in self._told:
            self._told.add((slave.unit, what))
            log.warning("slave refuses", **self._about(slave), what=what)

    def _about(self, slave: Slave) -> dict[str, str | int]:
        errors = self.slave_errors[slave.unit]
        return {"source": self.name, "unit": slave.unit, "device": slave.device, "errors": errors}


def _decode(register: Register, values: list[int]) -> float:
    if not register.is_bit:
        return decode_register(register, values)
    return float(bool(values[0]) * register.scale + register.offset)
