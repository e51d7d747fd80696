"""A Modbus line as requests and answers, over a serial line or TCP: the one module that touches pymodbus.

A request is never repeated at once: RTU replies carry no number, so a late reply to an earlier request could be taken
for the answer to the next one.
"""

import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from typing_extensions import override

from satomori_core.cancellation import mind_cancellation
from satomori_core.errors import RejectedError, UnavailableError
from satomori_edge.settings import ModbusSettings, RegisterKind
from satomori_edge.sources.jobs import Registers

# Modbus Application Protocol 1.1b3, section 7.
EXCEPTIONS = {1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure", 6: "busy"}
# What a gateway to a serial line says of a unit behind it (the same section).
GATEWAY_EXCEPTIONS = {10: "the gateway has no path to the unit", 11: "the gateway hears nothing from the unit"}

# It logs each missing answer as an error; we tell once, by our own words.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class NoAnswerError(UnavailableError):
    """Nothing, or nothing intact, within the timeout; or a gateway says so of a unit behind it."""


class RefusedError(RejectedError):
    """The unit answers that it will not."""

    def __init__(self, message: str) -> None:
        super().__init__("device", message)


class ModbusClient(Registers):
    """An open line. One request at a time."""

    def __init__(self, client: AsyncModbusSerialClient | AsyncModbusTcpClient) -> None:
        self._client = client

    @property
    def is_open(self) -> bool:
        return self._client.connected

    @override
    async def read(self, unit: int, kind: RegisterKind, address: int, count: int) -> list[int]:
        """Registers, or bits. Raise NoAnswerError or RefusedError."""
        ask = {
            "holding": self._client.read_holding_registers,
            "input": self._client.read_input_registers,
            "coil": self._client.read_coils,
            "discrete": self._client.read_discrete_inputs,
        }[kind]
        try:
            response = await ask(address, count=count, device_id=unit)
        except ModbusException as error:
            raise NoAnswerError(error.string) from None
        finally:
            mind_cancellation()
        _judge(response)
        values = [*(response.bits if kind in {"coil", "discrete"} else response.registers)][:count]
        if len(values) < count:
            raise NoAnswerError(f"{len(values)} values instead of {count}")
        return values

    @override
    async def write(self, unit: int, kind: Literal["coil", "holding"], address: int, values: Sequence[int]) -> None:
        """A coil, or registers: one by function 6, several by 16. Raise NoAnswerError or RefusedError."""
        try:
            if kind == "coil":
                response = await self._client.write_coil(address, bool(values[0]), device_id=unit)
            elif len(values) == 1:
                response = await self._client.write_register(address, values[0], device_id=unit)
            else:
                response = await self._client.write_registers(address, values, device_id=unit)
        except ModbusException as error:
            raise NoAnswerError(error.string) from None
        finally:
            mind_cancellation()
        _judge(response)


def _judge(response: ModbusPDU) -> None:
    if response.isError():
        code = response.exception_code
        if code in GATEWAY_EXCEPTIONS:
            raise NoAnswerError(GATEWAY_EXCEPTIONS[code])
        raise RefusedError(EXCEPTIONS.get(code, f"exception {code}"))


@asynccontextmanager
async def open_line(settings: ModbusSettings) -> AsyncIterator[ModbusClient]:
    """Raise UnavailableError saying why it can't be opened."""
    client = _client(settings)
    connected = await client.connect()
    try:
        mind_cancellation()
        if not connected:
            why = (
                "does not take the connection"
                if settings.host
                else "is it in use by another program, and may we use it?"
            )
            raise UnavailableError(f"{settings.line}: can't be opened; {why}")
        yield ModbusClient(client)
    finally:
        client.close()


def _client(settings: ModbusSettings) -> AsyncModbusSerialClient | AsyncModbusTcpClient:
    if settings.host is not None:
        return AsyncModbusTcpClient(
            settings.host, port=settings.tcp_port, timeout=settings.timeout_s, retries=0, reconnect_delay=0
        )
    port = settings.port or ""
    if not os.path.exists(port):  # noqa: PTH110 - one stat call
        raise UnavailableError(f"{port}: no such port")
    return AsyncModbusSerialClient(
        port,
        baudrate=settings.baudrate,
        parity=settings.parity,
        stopbits=settings.stopbits,
        timeout=settings.timeout_s,
        retries=0,
        reconnect_delay=0,
    )
