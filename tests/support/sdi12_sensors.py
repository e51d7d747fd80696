"""Simulated SDI-12 sensors behind a transparent adapter at a serial port, written from the standard: no code of ours.

There is no such program to install.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


def sealed(text: str) -> str:
    """With the CRC-16/ARC by long division: bits of each byte from the lowest, generator x16+x15+x2+1."""
    bits = [byte >> i & 1 for byte in text.encode() for i in range(8)] + [0] * 16
    for start in range(len(bits) - 16):
        if bits[start]:
            for power in (0, 1, 14, 16):
                bits[start + power] ^= 1
    rest = bits[-16:][::-1]  # the highest bit comes first now
    six = [0, 0, *rest]
    return text + "".join(chr(64 + int("".join(map(str, six[i : i + 6])), 2)) for i in range(0, 18, 6))


@dataclass
class Sensor:
    """`parts`: by command (`M`, `C1` …) what D0, D1 … return. Each wish is granted once for each time it is listed."""

    address: str
    parts: dict[str, Sequence[str]]
    ready_s: int = 0
    is_dead: bool = False
    says_ready: bool = True
    is_late: bool = False  # it says so only as its values are asked for
    mute: list[str] = field(default_factory=list)  # commands without an answer
    damaged: list[str] = field(default_factory=list)  # commands whose answer has a wrong character
    aborted: list[str] = field(default_factory=list)  # commands answered by the address alone
    _measures: bool = False
    _going: str = ""
    _checked: bool = False

    def answer(self, command: str) -> str:
        """Of `0M!` what comes back, without the line's end; empty for nothing."""
        what = command[1:-1]
        if self.is_dead or _once(self.mute, what):
            return ""
        if _once(self.aborted, what):
            return self.address
        if what == "I":
            return f"{self.address}14SIMULATESIM-1 1.0serial 7"
        if what[:1] == "D":
            text = self.address + self._part(int(what[1:]))
            text = sealed(text) if self._checked else text
            return text[:2] + chr(ord(text[2]) ^ 1) + text[3:] if _once(self.damaged, what) else text
        self._checked = what[1:2] == "C"
        self._going = what[0] + what[1:].removeprefix("C")
        if self._going not in self.parts:
            return f"{self.address}0000" + ("0" if what[0] == "C" else "")
        count = sum(part.count("+") + part.count("-") for part in self.parts[self._going])
        return f"{self.address}{self.ready_s:03d}" + (f"{count:02d}" if what[0] == "C" else str(count))

    def late_request(self, command: str) -> str:
        """The service request that comes as `command` does, if any; there is one for each measurement."""
        is_due = self.is_late and command[1] == "D" and command[2] == "0" and self._measures
        self._measures = command[1] == "M" or (self._measures and not is_due)
        return f"{self.address}\r\n" if is_due else ""

    def _part(self, index: int) -> str:
        parts = self.parts.get(self._going, ())
        return parts[index] if index < len(parts) else ""


def _once(wishes: list[str], what: str) -> bool:
    with suppress(ValueError):
        wishes.remove(what)
        return True
    return False


@contextmanager
def sensors(port: Path, *members: Sensor, echoes: bool = False, chunk_bytes: int = 1000) -> Iterator[list[str]]:
    """On the port for the length of the block; yields the commands that were heard. `echoes`: as some adapters do."""
    heard: list[str] = []
    kept = ""
    line = os.open(port, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    loop = asyncio.get_running_loop()

    def say(text: str) -> None:
        with suppress(BlockingIOError, OSError):
            for start in range(0, len(text), chunk_bytes):
                os.write(line, text[start : start + chunk_bytes].encode())

    def hear() -> None:
        nonlocal kept
        try:
            kept += os.read(line, 4096).decode("latin-1")
        except BlockingIOError:
            return
        while "!" in kept:
            command, _, kept = kept.partition("!")
            take(command + "!")

    def take(command: str) -> None:
        heard.append(command)
        say(command if echoes else "")
        sensor = next((one for one in members if one.address == command[0]), None)
        if sensor is None:
            return
        say(sensor.late_request(command))
        answer = sensor.answer(command)
        if not answer:
            return
        say(answer + "\r\n")
        if command[1] == "M" and int(answer[1:4] or 0) and sensor.says_ready and not sensor.is_late:
            # A simulated second is a fifth of one.
            loop.call_later(sensor.ready_s / 5, lambda: say(f"{sensor.address}\r\n"))

    loop.add_reader(line, hear)
    try:
        yield heard
    finally:
        loop.remove_reader(line)
        os.close(line)
