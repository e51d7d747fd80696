"""[[edge.actuator]] and [edge.remote]: what may be moved from afar, how, within which bounds."""

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from satomori_edge.settings.faults import between, found, name_fault
from satomori_edge.settings.modbus import REGISTERS_OF_TYPE, Order, RegisterKind, RegisterType

RUN_S_MAX = 7 * 86400.0
FLOAT32_MAX = 3.4028234e38


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a slave: `value = raw * scale + offset`. `address` counts from 0, as on the wire."""

    address: int
    kind: RegisterKind = "holding"
    type: RegisterType = "uint16"
    word_order: Order = "big"
    byte_order: Order = "big"
    scale: float = 1.0
    offset: float = 0.0

    def faults(self) -> list[str]:
        return found(
            between("address", self.address, 0, 65536 - self.count),
            None if self.scale and math.isfinite(self.scale + self.offset) else f"scale = {self.scale} moves nothing",
            "type 'bool' goes with kind 'coil' or 'discrete'" if self.type == "bool" and not self.is_bit else None,
        )

    @property
    def is_bit(self) -> bool:
        return self.kind in {"coil", "discrete"}

    @property
    def count(self) -> int:
        return 1 if self.is_bit else REGISTERS_OF_TYPE[self.type]

    def at_least(self, value: float) -> float:
        """The smallest that its steps reach and that is not below `value`."""
        if self.type.startswith("float"):
            return value
        return math.ceil(round((value - self.offset) / self.scale, 9)) * self.scale + self.offset

    def holds(self, value: float) -> bool:
        """Whether `value` can be written there."""
        raw = (value - self.offset) / self.scale if self.scale else math.inf
        if self.is_bit:
            return round(raw, 9) in {0, 1}
        if self.type.startswith("float"):
            return abs(raw) <= FLOAT32_MAX
        bits = 16 * self.count
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.type.startswith("int") else (0, (1 << bits) - 1)
        return low <= round(raw, 9) <= high


@dataclass(frozen=True, slots=True)
class RegisterDrive:
    """Of the actuator's device, a slave of an [[edge.modbus]]. `timer`: where it takes how long it may run, in s."""

    write: Point
    read_back: Point | None = None
    timer: Point | None = None

    def faults(self) -> list[str]:
        return found(
            None if self.write.kind in {"coil", "holding"} else f"write: a {self.write.kind} can't be written",
            "timer is not of kind 'holding'" if self.timer and self.timer.kind != "holding" else None,
            "timer: its scale is not above 0" if self.timer and self.timer.scale < 0 else None,
        )


@dataclass(frozen=True, slots=True)
class LineDrive:
    """A line of text out, one in, over the port of an [[edge.text]] table.

    In `command` stand `{value}` and, where the device ends a run itself, `{run_s}`. `reply` is a regular expression for
    the whole line that answers it, and `query`; its group `value` is what the device says it did. `words` stand for the
    actuator's `values`, in their order.
    """

    port: str
    command: str
    query: str
    reply: str
    words: tuple[str, ...] = ()
    timeout_s: float = 2.0

    def faults(self) -> list[str]:
        return found(
            _command_fault(self.command),
            None if self.command.isascii() and self.query.isascii() else "command and query are ASCII",
            _reply_fault(self.reply),
            between("timeout_s", self.timeout_s, 0.05, 60),
        )


def _command_fault(command: str) -> str | None:
    try:
        asks = command.format(value="\0", run_s=1)
    except (KeyError, IndexError, ValueError):
        asks = ""
    return None if "\0" in asks else f"command {command!r} needs {{value}}, and may have {{run_s}}"


def _reply_fault(reply: str) -> str | None:
    try:
        groups = re.compile(reply).groupindex
    except re.error as error:
        return f"reply {reply!r}: {error}"
    return None if "value" in groups else f"reply {reply!r} has no group (?P<value>…)"


@dataclass(frozen=True, slots=True)
class ActuatorSettings:
    """What may be moved: to `values`, or anywhere from `min` to `max`. `device`: what it is at, in the registry.

    With `run_s_max` each run is timed and no longer than that; without it a position stays until another command comes.
    `settle_s`: how long it may take until the position is read back. `pause_s`: from one start to the next at least.
    """

    name: str
    device: str
    fail_safe: float
    label: str = ""
    kind: Literal["gate", "valve", "pump", "fan", "light", "other"] = "other"
    unit: str | None = None
    values: tuple[float, ...] = ()
    min: float | None = None
    max: float | None = None
    tolerance: float = 0.0
    run_s_max: float | None = None
    settle_s: float = 2.0
    pause_s: float = 0.0
    registers: RegisterDrive | None = None
    line: LineDrive | None = None

    def faults(self) -> list[str]:
        return found(
            name_fault("name", self.name),
            name_fault("device", self.device),
            self._range_fault(),
            None if self.allows(self.fail_safe) else f"fail_safe = {self.fail_safe:g} is not among what is allowed",
            between("tolerance", self.tolerance, 0, self._gap()),
            between("run_s_max", self.run_s_max, 1, RUN_S_MAX),
            between("settle_s", self.settle_s, 0, 600),
            between("pause_s", self.pause_s, 0, 86400),
            None if (self.registers is None) != (self.line is None) else "say `registers` or `line`, one of them",
            *self._drive_faults(),
        )

    def _range_fault(self) -> str | None:
        if self.values:
            is_right = self.min is None and self.max is None and len(set(self.values)) == len(self.values) > 1
        else:
            is_right = self.min is not None and self.max is not None and self.min < self.max
        return None if is_right else "say `values` (two or more), or `min` and a greater `max`"

    def _drive_faults(self) -> Iterator[str]:
        ends = [*self.values, *(end for end in (self.min, self.max) if end is not None)]
        if self.registers is not None:
            for key, point in (("write", self.registers.write), ("read_back", self.registers.read_back)):
                if point is not None and not all(point.holds(end) for end in ends):
                    yield f"{key}: {point.kind} {point.address} can't hold every value that is allowed"
            yield from self._timer_faults(self.registers.timer)
        if self.line is not None and self.line.words and len(self.line.words) != len(self.values):
            yield "words: one for each of `values`"

    def _timer_faults(self, timer: Point | None) -> Iterator[str]:
        if timer is None or timer.scale <= 0:
            return
        if self.run_s_max is None:
            yield "timer goes with run_s_max"
        elif not timer.holds(timer.at_least(self.run_s_max)):
            yield f"timer can't hold run_s_max = {self.run_s_max:g}"

    def _gap(self) -> float:
        """A tolerance must not take one allowed value for another."""
        ordered = sorted(self.values)
        gaps = [b - a for a, b in itertools.pairwise(ordered)]
        return min(gaps) * 0.49 if gaps else ((self.max or 0.0) - (self.min or 0.0)) * 0.49

    def allows(self, value: float) -> bool:
        if self.values:
            return value in self.values
        return self.min is not None and self.max is not None and self.min <= value <= self.max

    def allowed(self) -> str:
        if self.values:
            return "one of " + ", ".join(f"{value:g}" for value in self.values)
        return f"between {self.min:g} and {self.max:g}"

    @property
    def moves(self) -> str:
        """Where it is driven: no two actuators may be at one place."""
        if self.registers is not None:
            return f"{self.registers.write.kind} {self.registers.write.address} of {self.device}"
        return "" if self.line is None else f"{self.line.command!r} at {self.line.port}"

    @property
    def has_timer(self) -> bool:
        """Whether the device ends a run by itself."""
        if self.registers is not None:
            return self.registers.timer is not None
        return self.line is not None and "{run_s}" in self.line.command

    def describe(self) -> dict[str, object]:
        """What a server shows of it: in the gateway's status message."""
        bounds = {"values": list(self.values)} if self.values else {"min": self.min, "max": self.max}
        more = {
            "label": self.label or None,
            "unit": self.unit,
            "run_s_max": self.run_s_max,
            "pause_s": self.pause_s or None,
        }
        return {
            "name": self.name,
            "device": self.device,
            "kind": self.kind,
            **bounds,
            "fail_safe": self.fail_safe,
            "settle_s": self.settle_s,
            **{key: value for key, value in more.items() if value is not None},
        }


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """`enabled`: whether commands are carried out at all.

    `link_lost_after_s`: so long without the broker, and a timed run ends by itself. `valid_s_max`: what is valid for
    longer is refused, and `ahead_s_max`: so far may a command's clock be ahead of ours.
    """

    enabled: bool = False
    link_lost_after_s: float = 120.0
    valid_s_max: float = 600.0
    ahead_s_max: float = 30.0
    interval_s_min: float = 1.0
    interval_s_max: float = 86400.0

    def faults(self) -> list[str]:
        return found(
            between("link_lost_after_s", self.link_lost_after_s, 1, 86400),
            between("valid_s_max", self.valid_s_max, 1, 86400),
            between("ahead_s_max", self.ahead_s_max, 0, 3600),
            between("interval_s_min", self.interval_s_min, 0.05, 86400),
            between("interval_s_max", self.interval_s_max, self.interval_s_min, 86400),
        )
