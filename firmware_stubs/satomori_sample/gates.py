"""An intake gate with a slow drive and a timer of its own, as its Modbus slave shows it. Pure: the time is an argument.

A master writes how far it is to open (a holding register in %, or a coil: all or nothing) and before that how long it
may stay so: the timer counts down to 0 and then shuts the gate, whatever became of the master.
"""

from satomori_sample.modbus import Slave
from satomori_sample.wiring import COIL, OPENING, TIMER

TRAVEL_S = 20.0  # from shut to open
POSITION, MOVING = 0, 0  # input register in 0.1 %, discrete input


class Gate:
    """Shut at first."""

    def __init__(self, now_s: float) -> None:
        self.slave = Slave(
            {MOVING: False, COIL: False},
            {POSITION: 0, OPENING: 0, TIMER: 0},
            coils=frozenset({COIL}),
            holding=frozenset({OPENING, TIMER}),
        )
        self._at_s = now_s
        self._position = 0.0
        self._left_s = 0.0

    def move(self, now_s: float) -> None:
        """Bring what the slave shows up to `now_s`."""
        passed_s, self._at_s = now_s - self._at_s, now_s
        bits, registers = self.slave.bits, self.slave.registers
        if registers[TIMER] != _shown(self._left_s):
            self._left_s = float(registers[TIMER])  # a master has written it since
        elif self._left_s:
            self._left_s = max(0.0, self._left_s - passed_s)
            if not self._left_s:
                bits[COIL], registers[OPENING] = False, 0
        registers[TIMER] = _shown(self._left_s)
        target = 100.0 if bits[COIL] else float(min(registers[OPENING], 100))
        way = passed_s * 100 / TRAVEL_S
        self._position += min(max(target - self._position, -way), way)
        registers[POSITION] = round(self._position * 10)
        bits[MOVING] = self._position != target


def _shown(left_s: float) -> int:
    """Whole seconds, 0 only when it is over."""
    return -int(-left_s // 1)
