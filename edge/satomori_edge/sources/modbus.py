"""Modbus RTU over a serial line, through pymodbus.

A request is never repeated at once and a slave whose request failed is left alone until its next turn: RTU replies
carry no number, so a late reply to an earlier request could be taken for the answer to the next one.
"""

import asyncio
import logging
import math
import os
import time

from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from typing_extensions import override

from satomori_core.clock import now_us
from satomori_core.errors import UnavailableError
from satomori_core.logs import get_logger
from satomori_core.readings import Reading
from satomori_edge.settings import ModbusSettings, Register, Slave
from satomori_edge.sources.base import RETRY_MAX_S, Line, Sink, Source, keep_running
from satomori_edge.sources.registers import Block, decode_register, plan_blocks
from satomori_edge.sources.schedule import Schedule

# Modbus Application Protocol 1.1b3, section 7.
EXCEPTIONS = {1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure", 6: "busy"}

log = get_logger("edge")
# It logs each missing answer as an error; we tell once, by our own words.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class _NoAnswerError(Exception):
    """Nothing, or nothing intact, within the timeout."""


class ModbusSource(Source):
    """One bus. `slave_errors`: by unit."""

    def __init__(self, settings: ModbusSettings, *, retry_max_s: float = RETRY_MAX_S) -> None:
        self.name = f"modbus {settings.port}"
        self.errors = 0
        self.slave_errors = {slave.unit: 0 for slave in settings.slaves}
        self._settings = settings
        self._line = Line(self.name, retry_max_s)
        self._blocks = {s.unit: plan_blocks(s.registers, settings.gap_max) for s in settings.slaves}
        self._told: set[tuple[int, str]] = set()
        members = [(slave, slave.interval_s or settings.interval_s) for slave in settings.slaves]
        self._schedule = Schedule(members, settings.timeout_s, time.monotonic())

    @override
    async def run(self, sink: Sink) -> None:
        async def attempt() -> None:
            client = await self._open()
            try:
                self._line.up()
                while True:
                    await self._take_turn(client, sink)
            finally:
                client.close()

        await keep_running(self, self._line, attempt)

    async def _open(self) -> AsyncModbusSerialClient:
        port = self._settings.port
        if not os.path.exists(port):  # noqa: ASYNC240, PTH110 - one stat call
            raise UnavailableError(f"{port}: no such port")
        client = AsyncModbusSerialClient(
            port,
            baudrate=self._settings.baudrate,
            parity=self._settings.parity,
            stopbits=self._settings.stopbits,
            timeout=self._settings.timeout_s,
            retries=0,
            reconnect_delay=0,
        )
        if not await client.connect():
            raise UnavailableError(f"{port}: can't be opened; is it in use by another program, and may we use it?")
        return client

    async def _take_turn(self, client: AsyncModbusSerialClient, sink: Sink) -> None:
        """Wait for the next turn and take it: one slave, all of its requests, one round of readings."""
        turn, wait_s = self._schedule.next(time.monotonic())
        if wait_s:
            await asyncio.sleep(wait_s)
            if not client.connected:
                raise UnavailableError(f"{self._settings.port}: unplugged")
            return  # another may come first by now
        slave = turn.who
        readings: list[Reading] = []
        try:
            for block in self._blocks[slave.unit]:
                readings += await self._read(client, slave, block)
        except _NoAnswerError as error:
            self._count(slave)
            if not client.connected:
                raise UnavailableError(f"{self._settings.port}: unplugged") from None
            if self._schedule.failed(turn, time.monotonic()):
                log.warning(
                    "slave does not answer", source=self.name, unit=slave.unit, device=slave.device, why=str(error)
                )
        else:
            if self._schedule.answered(turn, time.monotonic()):
                log.info("slave answers again", source=self.name, unit=slave.unit, device=slave.device)
        await sink(readings)

    async def _read(self, client: AsyncModbusSerialClient, slave: Slave, block: Block) -> list[Reading]:
        response = await _request(client, slave.unit, block)
        if response.isError():
            code = response.exception_code
            self._count(slave)
            self._tell_once(slave, f"{block.kind} {block.address}+{block.count}: {EXCEPTIONS.get(code, code)}")
            return []
        values = [*(response.bits if block.registers[0].is_bit else response.registers)][: block.count]
        if len(values) < block.count:
            raise _NoAnswerError(f"{len(values)} values instead of {block.count}")
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
            log.warning("slave refuses", source=self.name, unit=slave.unit, device=slave.device, what=what)


def _decode(register: Register, values: list[int]) -> float:
    if not register.is_bit:
        return decode_register(register, values)
    return float(bool(values[0]) * register.scale + register.offset)


async def _request(client: AsyncModbusSerialClient, unit: int, block: Block) -> ModbusPDU:
    ask = {
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
    }[block.kind]
    try:
        return await ask(block.address, count=block.count, device_id=unit)
    except ModbusException as error:
        raise _NoAnswerError(error.string) from None
