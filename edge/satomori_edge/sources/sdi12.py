"""SDI-12 as a data recorder speaks it through a transparent adapter, which adds the breaks. Pure: no port, no clock.

A conversation is a generator: it yields what to do (`Ask`, `Pause`), is sent the answer, and returns what was measured.
Source: SDI-12 version 1.4. Its sections on CRC (4.4.12) were checked by its examples; retries (section 7) are recalled,
not checked. That an empty answer means an aborted measurement, and that a sensor keeps its values however often they
are asked for, is as Xylem's manual of the H-5223 has it (page B-3).
"""

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from satomori_core.errors import RejectedError

TRIES = 3
SERVICE_MARGIN_S = 1.0  # a sensor that is ready says so within the time that it told; through an adapter a little later
SEND_DATA_MAX = 10  # aD0! to aD9!

_VALUE = r"[+-](?:\d+(?:\.\d*)?|\.\d+)"
_CRC = r"[@-\x7f]{3}"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """Send `command` (nothing, where it is empty) and wait for a line that is `reply`; other lines are not for us.

    `wait_s`: None for as long as an answer may take. `is_repeated`: the one before was without a good answer.
    """

    command: str
    reply: re.Pattern[str]
    wait_s: float | None = None
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """The sensor measures; the bus is free for others."""

    wait_s: float


# Is sent the match for an Ask, or None where there was none in time.
Conversation = Generator[Ask | Pause, re.Match[str] | None, T]


class SilentError(Exception):
    """No answer, however often it was asked."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a sensor says of itself. `protocol`: the standard's version, 14 is 1.4."""

    protocol: str
    vendor: str
    model: str
    version: str
    more: str


def crc(text: str) -> str:
    """The three characters that end a checked answer (section 4.4.12): CRC-16/ARC, six bits a character."""
    value = 0
    for byte in text.encode("ascii"):
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return "".join(chr(0x40 | value >> shift & 0x3F) for shift in (12, 6, 0))


def identify(address: str) -> Conversation[Identity]:
    """What it says of itself, cut where the standard cuts, also where it is too short. Raise SilentError."""
    reply = re.compile(rf"{address}(\d\d)(.{{0,8}})(.{{0,6}})(.{{0,3}})(.*)")
    return (yield from _ask(f"{address}I!", reply, lambda m: Identity(*(group.strip() for group in m.groups()))))


def measure(address: str, command: str, *, checked: bool) -> Conversation[list[float]]:
    """All values of `command` (M, C, M1 …). Raise SilentError, or RejectedError for what is no measurement."""
    kind, number = command[0], command[1:]
    digits = 2 if kind == "C" else 1
    reply = re.compile(rf"{address}(\d{{3}})(\d{{{digits}}})")
    start = f"{address}{kind}{'C' if checked else ''}{number}!"
    may_come = False
    ready_s, count = yield from _ask(start, reply, lambda m: (int(m[1]), int(m[2])))
    if ready_s and kind == "C":
        yield Pause(ready_s)
    elif ready_s:
        # The service request; without it we ask all the same, and it may still come.
        may_come = (yield Ask("", re.compile(address), ready_s + SERVICE_MARGIN_S)) is None and not checked
    values: list[float] = []
    for part in range(SEND_DATA_MAX):
        if len(values) >= count:
            break
        more = yield from _send_data(address, part, checked=checked)
        if not more and may_come:
            more = yield from _after_request(address, part)
        if not more:
            raise RejectedError("aborted", f"{command}: {len(values)} values instead of {count}")
        values += more
    if len(values) != count or not values:
        raise RejectedError("count", f"{command}: {len(values)} values, {count} were announced")
    return values


def _after_request(address: str, part: int) -> Conversation[list[float]]:
    """An address alone was the late service request, or an empty answer: only one of them is followed by the values.

    Where nothing follows, the sensor may not have heard the command while it spoke itself: ask once more. (Checked
    answers can't be mixed up: an empty one has its CRC.)
    """
    match = yield Ask("", re.compile(rf"{address}((?:{_VALUE})+)"))
    if match is not None:
        return _numbers(match[1])
    return (yield from _send_data(address, part, checked=False))


def _send_data(address: str, part: int, *, checked: bool) -> Conversation[list[float]]:
    reply = re.compile(rf"({address}((?:{_VALUE})*))({_CRC if checked else ''})")

    def parse(match: re.Match[str]) -> list[float]:
        body, values, seal = match.groups()
        if checked and seal != crc(body):
            raise RejectedError("crc", f"{match[0]!r} should end with {crc(body)!r}")
        return _numbers(values)

    return (yield from _ask(f"{address}D{part}!", reply, parse))


def _numbers(values: str) -> list[float]:
    return [float(value) for value in re.findall(_VALUE, values)]


def _ask(command: str, reply: re.Pattern[str], parse: Callable[[re.Match[str]], T]) -> Conversation[T]:
    """Again where nothing or nothing good comes. Raise SilentError, or RejectedError of the last try."""
    wrong: RejectedError | None = None
    for attempt in range(TRIES):
        match = yield Ask(command, reply, is_repeated=attempt > 0)
        if match is None:
            continue
        try:
            return parse(match)
        except RejectedError as error:
            wrong = error
    raise wrong or SilentError(f"no answer to {command}")
