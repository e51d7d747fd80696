"""Modbus RTU slaves on one line, written from the specification: functions 1 to 4 (read), 5 and 6 (write one).

Sources: Modbus Application Protocol 1.1b3, Modbus over Serial Line 1.02. Pure: bytes in, bytes out.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

REQUEST_BYTES = 8
BUFFER_BYTES_MAX = 256
BITS_MAX, REGISTERS_MAX = 2000, 125
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
READ_BITS, READ_REGISTERS, WRITE_COIL, WRITE_REGISTER = (1, 2), (3, 4), 5, 6
ON, OFF = 0xFF00, 0x0000


@dataclass(slots=True)
class Slave:
    """What one unit holds. Coils and discrete inputs are the same bits, holding and input registers the same words.

    `coils`, `holding`: which of the bits and words a master may write.
    """

    bits: dict[int, bool] = field(default_factory=dict)
    registers: dict[int, int] = field(default_factory=dict)
    is_silent: bool = False
    coils: frozenset[int] = frozenset()
    holding: frozenset[int] = frozenset()

    def put(self, address: int, words: Iterable[int]) -> None:
        self.registers.update(enumerate(words, address))


def crc(data: bytes) -> int:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


def framed(body: bytes) -> bytes:
    return body + struct.pack("<H", crc(body))


class Line:
    """The slaves of one RS-485 line; `feed` takes what came in and gives what they answer."""

    def __init__(self, slaves: Mapping[int, Slave]) -> None:
        self._slaves = slaves
        self._kept = b""

    def feed(self, data: bytes) -> bytes:
        """Requests to other units and noise are passed over byte by byte until a frame fits again."""
        self._kept = (self._kept + data)[-BUFFER_BYTES_MAX:]
        answers = b""
        while len(self._kept) >= REQUEST_BYTES:
            frame = self._kept[:REQUEST_BYTES]
            if struct.unpack("<H", frame[-2:])[0] != crc(frame[:-2]):
                self._kept = self._kept[1:]
                continue
            self._kept = self._kept[REQUEST_BYTES:]
            answers += self._answer(frame)
        return answers

    def _answer(self, frame: bytes) -> bytes:
        unit, function, address, amount = struct.unpack(">BBHH", frame[:-2])
        slave = self._slaves.get(unit)
        if slave is None or slave.is_silent:
            return b""
        ask = _write if function in {WRITE_COIL, WRITE_REGISTER} else _read
        body = ask(slave, function, address, amount)
        if isinstance(body, int):
            return framed(bytes([unit, function | 0x80, body]))
        return framed(bytes([unit, function]) + body)


def _write(slave: Slave, function: int, address: int, value: int) -> bytes | int:
    """An echo of what was asked for, or the exception code."""
    if function == WRITE_COIL and value not in {ON, OFF}:
        return ILLEGAL_VALUE
    if address not in (slave.coils if function == WRITE_COIL else slave.holding):
        return ILLEGAL_ADDRESS
    if function == WRITE_COIL:
        slave.bits[address] = value == ON
    else:
        slave.registers[address] = value
    return struct.pack(">HH", address, value)


def _read(slave: Slave, function: int, address: int, amount: int) -> bytes | int:
    """What is asked for after its length in bytes, or the exception code."""
    if function not in READ_BITS + READ_REGISTERS:
        return ILLEGAL_FUNCTION
    held: Mapping[int, int] = slave.bits if function in READ_BITS else slave.registers
    if not 1 <= amount <= (BITS_MAX if function in READ_BITS else REGISTERS_MAX):
        return ILLEGAL_VALUE
    wanted = range(address, address + amount)
    if any(place not in held for place in wanted):
        return ILLEGAL_ADDRESS
    if function in READ_BITS:
        total = sum(1 << i for i, place in enumerate(wanted) if held[place])
        size = (amount + 7) // 8
        return bytes([size]) + total.to_bytes(size, "little")
    return struct.pack(f">B{amount}H", 2 * amount, *(held[place] for place in wanted))
