"""The sensors: Modbus slaves and text nodes on pseudo-terminals, in a process of their own that knows no edge.

Each device counts, so that no two values of it are alike, and writes down every value that it said: a JSON object a
line with `at_s` (the machine's monotonic clock), `device`, `number`, and `heard`: whether anybody held the line open.
A text node sends whether or not anybody listens; a Modbus slave says what it is asked for; a frame node keeps what it
measured until it is acknowledged (firmware_stubs/soil_tilt_node/frames.md, here with memory enough).

    python -m campaign.sensors FOLDER SPEC

SPEC: {"buses": {NAME: [DEVICE …]}, "nodes": {DEVICE: INTERVAL_S}, "framed": {DEVICE: INTERVAL_S}}. At SIGTERM nothing
new is said, and it ends when the frame nodes have nothing left.
"""

import binascii
import errno
import json
import os
import signal
import struct
import sys
import time
import tty
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from satomori_sample.modbus import Line, Slave
from satomori_sample.wire import encode_line

STEP_S = 0.01
SEND_AGAIN_S = 0.5
FRAME_NODE, FRAME_METRIC, FRAME_BOOT = 7, 1, 1


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

    def step(self, *, is_over: bool) -> bool:
        """Whether there is nothing left to say."""
        if is_over:
            return True
        for byte in self._port.read() or b"":
            answer = self._line.feed(bytes([byte]))
            if answer:
                unit = answer[0]
                heard = self._port.write(answer)
                self._diary.write(self._devices[unit], self._numbers[unit], heard=heard)
                self._count(unit)
        return False


class Node:
    """Sends its next number every `interval_s`."""

    def __init__(self, port: Port, device: str, interval_s: float, diary: Diary) -> None:
        self._port = port
        self._device = device
        self._interval_s = interval_s
        self._diary = diary
        self._number = 0
        self._due_s = time.monotonic()

    def step(self, *, is_over: bool) -> bool:
        if is_over or time.monotonic() < self._due_s:
            return is_over
        self._due_s += self._interval_s
        self._number += 1
        line = encode_line(self._device, [self._number])
        heard = self._port.read() is not None
        self._diary.write(self._device, self._number, heard=self._port.write(line) and heard)
        return False


class FrameNode:
    """Measures every `interval_s`, and sends the oldest measurement again and again until it is acknowledged."""

    def __init__(self, port: Port, device: str, interval_s: float, diary: Diary) -> None:
        self._port = port
        self._device = device
        self._interval_s = interval_s
        self._diary = diary
        self._number = 0
        self._kept: deque[tuple[int, float]] = deque()
        self._heard = b""
        self._due_s = time.monotonic()
        self._send_s = 0.0

    def step(self, *, is_over: bool) -> bool:
        now_s = time.monotonic()
        if now_s >= self._due_s and not is_over:
            self._due_s += self._interval_s
            self._number += 1
            self._kept.append((self._number, now_s))
            self._diary.write(self._device, self._number, heard=True)
        *frames, self._heard = (self._heard + (self._port.read() or b"")).split(b"\0")
        for frame in frames:
            if self._kept and unstuffed(frame) == acknowledgement(self._kept[0][0]):
                self._kept.popleft()
                self._send_s = 0.0
        if self._kept and now_s >= self._send_s:
            number, measured_s = self._kept[0]
            self._port.write(b"\0" + stuffed(report(number, round((now_s - measured_s) * 1000))) + b"\0")
            self._send_s = now_s + SEND_AGAIN_S
        return is_over and not self._kept


def report(number: int, age_ms: int) -> bytes:
    head = struct.pack(">BHIIII", 0x01, FRAME_NODE, FRAME_BOOT, number, age_ms, 0)
    return checked(head + struct.pack(">Bi", FRAME_METRIC, number))


def acknowledgement(number: int) -> bytes:
    return checked(struct.pack(">BHII", 0x81, FRAME_NODE, FRAME_BOOT, number))


def checked(body: bytes) -> bytes:
    return body + struct.pack(">H", binascii.crc_hqx(body, 0xFFFF))


def stuffed(body: bytes) -> bytes:
    """COBS, for bodies of fewer than 254 bytes."""
    return b"".join(bytes([len(block) + 1]) + block for block in body.split(b"\0"))


def unstuffed(frame: bytes) -> bytes:
    blocks = []
    while frame:
        blocks.append(frame[1 : frame[0]])
        frame = frame[frame[0] :]
    return b"\0".join(blocks)


def main(folder: Path, spec: str) -> None:
    wanted = json.loads(spec)
    diary = Diary(folder / "said.jsonl")
    parts: list[Bus | Node | FrameNode] = [
        *(Bus(Port(folder / name), devices, diary) for name, devices in wanted["buses"].items()),
        *(Node(Port(folder / device), device, every_s, diary) for device, every_s in wanted["nodes"].items()),
        *(FrameNode(Port(folder / device), device, every_s, diary) for device, every_s in wanted["framed"].items()),
    ]
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: over.append(number))
    print("ready", flush=True)
    while [part for part in parts if not part.step(is_over=bool(over))]:
        time.sleep(STEP_S)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
