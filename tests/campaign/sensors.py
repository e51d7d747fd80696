"""The sensors: Modbus slaves and text nodes on pseudo-terminals, in a process of their own that knows no edge.

Each device counts, so that no two values of it are alike, and writes down every value that it said: a JSON object a
line with `at_s` (the machine's monotonic clock), `device`, `number`, and `heard`: whether anybody held the line open.
A text node sends whether or not anybody listens; a Modbus slave says what it is asked for.

    python -m campaign.sensors FOLDER SPEC     SPEC: {"buses": {NAME: [DEVICE …]}, "nodes": {DEVICE: INTERVAL_S}}
"""

import errno
import json
import os
import sys
import time
import tty
from collections.abc import Sequence
from pathlib import Path

from satomori_sample.modbus import Line, Slave
from satomori_sample.wire import encode_line

STEP_S = 0.01


class Diary:
    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def write(self, device: str, number: int, *, heard: bool) -> None:
        entry = {"at_s": time.monotonic(), "device": device, "number": number, "heard": heard}
        self._file.write(json.dumps(entry).encode() + b"\n")


class Port:
    """Our end of a serial line; the other end is `path`, and stays so whoever opens and closes it."""

    def __init__(self, path: Path) -> None:
        self._ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(self._ours, False)
        path.symlink_to(os.ttyname(theirs))
        os.close(theirs)  # so that we can tell whether anybody else has it open

    def read(self) -> bytes | None:
        """None: nobody holds the other end."""
        try:
            return os.read(self._ours, 4096)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return None

    def write(self, content: bytes) -> bool:
        """Whether the line took all of it: it holds 4 kB that nobody reads."""
        try:
            return os.write(self._ours, content) == len(content)
        except BlockingIOError:
            return False


class Bus:
    """The units 1, 2 … of one line. What a unit holds is its next number, as uint32 from address 0."""

    def __init__(self, port: Port, devices: Sequence[str], diary: Diary) -> None:
        self._port = port
        self._diary = diary
        self._devices = dict(enumerate(devices, 1))
        self._numbers = dict.fromkeys(self._devices, 0)
        self._slaves = {unit: Slave() for unit in self._devices}
        self._line = Line(self._slaves)
        for unit in self._devices:
            self._count(unit)

    def _count(self, unit: int) -> None:
        self._numbers[unit] += 1
        self._slaves[unit].put(0, divmod(self._numbers[unit], 1 << 16))

    def step(self) -> None:
        for byte in self._port.read() or b"":
            answer = self._line.feed(bytes([byte]))
            if answer:
                unit = answer[0]
                heard = self._port.write(answer)
                self._diary.write(self._devices[unit], self._numbers[unit], heard=heard)
                self._count(unit)


class Node:
    """Sends its next number every `interval_s`."""

    def __init__(self, port: Port, device: str, interval_s: float, diary: Diary) -> None:
        self._port = port
        self._device = device
        self._interval_s = interval_s
        self._diary = diary
        self._number = 0
        self._due_s = time.monotonic()

    def step(self) -> None:
        if time.monotonic() < self._due_s:
            return
        self._due_s += self._interval_s
        self._number += 1
        line = encode_line(self._device, [self._number])
        heard = self._port.read() is not None
        self._diary.write(self._device, self._number, heard=self._port.write(line) and heard)


def main(folder: Path, spec: str) -> None:
    wanted = json.loads(spec)
    diary = Diary(folder / "said.jsonl")
    parts: list[Bus | Node] = [
        *(Bus(Port(folder / name), devices, diary) for name, devices in wanted["buses"].items()),
        *(Node(Port(folder / device), device, every_s, diary) for device, every_s in wanted["nodes"].items()),
    ]
    print("ready", flush=True)
    while True:
        for part in parts:
            part.step()
        time.sleep(STEP_S)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
