"""An intake gate as its slave shows it: slow, and shut by its own timer."""

from satomori_sample.gates import MOVING, POSITION, TRAVEL_S, Gate
from satomori_sample.modbus import Line, framed
from satomori_sample.wiring import COIL, OPENING, TIMER


def write(gate: Gate, function: int, address: int, value: int) -> bytes:
    return Line({1: gate.slave}).feed(framed(bytes([1, function, *address.to_bytes(2), *value.to_bytes(2)])))


def test_it_moves_slowly_and_stops_where_it_is_told() -> None:
    gate = Gate(0)
    assert write(gate, 6, OPENING, 50) == framed(bytes([1, 6, 0, OPENING, 0, 50]))
    gate.move(TRAVEL_S / 4)
    assert (gate.slave.registers[POSITION], gate.slave.bits[MOVING]) == (250, True)
    for s in range(6, 60):
        gate.move(s)
    assert (gate.slave.registers[POSITION], gate.slave.bits[MOVING]) == (500, False)


def test_its_timer_shuts_it_though_nobody_speaks_to_it_any_more() -> None:
    """The timer is written first, counts down, and is set anew by the next run."""
    gate = Gate(0)
    write(gate, 6, TIMER, 60)
    write(gate, 5, COIL, 0xFF00)
    gate.move(1)
    gate.move(31)
    assert gate.slave.registers[POSITION] == 1000
    assert gate.slave.registers[TIMER] == 30
    write(gate, 6, TIMER, 60)
    gate.move(32)
    gate.move(91)
    assert gate.slave.bits[COIL]
    gate.move(93)
    assert not gate.slave.bits[COIL]
    gate.move(93 + TRAVEL_S)
    assert gate.slave.registers[POSITION] == 0


def test_what_is_not_to_be_written_is_refused() -> None:
    gate = Gate(0)
    assert write(gate, 6, POSITION, 5) == framed(bytes([1, 0x86, 2]))
    assert write(gate, 5, MOVING, 0xFF00) == framed(bytes([1, 0x85, 2]))
