"""Runs under MicroPython: the node's buffer on a real littlefs in memory, cut off in the middle of writing.

Usage: flash.py lives SEED | wear | full | damage. Prints JSON.
"""

import json
import os
import random
import sys

from micropython_node.buffer import FlashBuffer, line_of
from micropython_node.spans import merged, without

BLOCK_BYTES, BLOCKS = 4096, 48


class Flash:
    """It takes `left` more writes and erasures; then the power is gone."""

    def __init__(self, content: bytearray) -> None:
        self.content = content
        self.left = 1 << 30
        self.erased = 0

    def readblocks(self, block: int, into: bytearray, offset: int = 0) -> None:
        start = block * BLOCK_BYTES + offset
        into[:] = self.content[start : start + len(into)]

    def writeblocks(self, block: int, raw: bytes, offset: int = 0) -> None:
        self._spend()
        start = block * BLOCK_BYTES + offset
        self.content[start : start + len(raw)] = raw

    def ioctl(self, command: int, argument: int) -> int | None:
        """Of MicroPython's block protocol: 4 = how many blocks, 5 = their size, 6 = erase one."""
        if command == 4:
            return BLOCKS
        if command == 5:
            return BLOCK_BYTES
        if command == 6:
            self._spend()
            self.erased += 1
            start = argument * BLOCK_BYTES
            self.content[start : start + BLOCK_BYTES] = b"\xff" * BLOCK_BYTES
        return 0

    def _spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(5)

    def mount(self) -> None:
        os.mount(os.VfsLfs2(self, readsize=32, progsize=32, lookahead=32), "/f")


def formatted() -> Flash:
    flash = Flash(bytearray(BLOCK_BYTES * BLOCKS))
    os.VfsLfs2.mkfs(flash)
    flash.mount()
    return flash


def record(number: int) -> str:
    return f'{{"n":"node-7/soil_moisture","u":"%","t":1790000000.25,"v":{number}}}'


def live(flash: Flash, buffer: FlashBuffer, acknowledged: list) -> int:
    """Keep, acknowledge and give up at random until the power is gone; the last number that was handed out."""
    handed_out = buffer.next - 1
    flash.left = random.randrange(4, 400)
    try:
        while True:
            count = random.randrange(1, 4)
            buffer.keep([record(buffer.next + i) for i in range(count)])
            handed_out = buffer.next - 1
            if random.randrange(3) == 0:
                kept = buffer.read(1, handed_out, random.randrange(1, 12))
                spans = merged([(number, number) for number, _ in kept])
                acknowledged.extend(spans)  # ingest has it, whether or not the node survives hearing so
                buffer.forget(spans)
            if random.randrange(20) == 0:
                buffer.give_up(2, "clock_unknown")
                handed_out = buffer.next - 1
    except OSError:
        return handed_out


def lives(seed: int) -> object:
    """Forty power cuts; what is wrong after each start, as text."""
    random.seed(seed)
    flash = formatted()
    acknowledged: list = []
    wrong: list[str] = []
    told: list = []
    stream = ""
    handed_out = 0
    for life in range(40):
        buffer = FlashBuffer("/f/buffer", 60, 10)
        if life and buffer.stream != stream:
            wrong.append(f"life {life}: a new stream")
        stream = buffer.stream
        if buffer.next <= handed_out:
            wrong.append(f"life {life}: {buffer.next} would be used again")
        kept = buffer.read(1, buffer.next, 1000)
        wrong.extend([f"life {life}: {number} is {text}" for number, text in kept if text != record(number)])
        told = merged(told + [(first, last) for first, last, _ in buffer.losses.rows])
        known = merged(acknowledged + told + [(number, number) for number, _ in kept])
        gone = without([(1, handed_out)], known)
        if handed_out and gone:
            wrong.append(f"life {life}: nobody knows of {gone}")
        handed_out = live(flash, buffer, acknowledged)
        os.umount("/f")
        flash = Flash(bytearray(flash.content))  # files that the old one left open may not touch it any more
        flash.mount()
    return {"wrong": wrong, "numbers": handed_out}


def wear() -> object:
    """Erasures for 200 samples of three values, acknowledged at once."""
    flash = formatted()
    buffer = FlashBuffer("/f/buffer", 4000, 40)
    flash.erased = 0
    for _ in range(200):
        buffer.keep([record(buffer.next + i) for i in range(3)])
        buffer.forget([(1, buffer.next - 1)])
    return {"erased": flash.erased, "files": len(os.listdir("/f/buffer/" + buffer.stream))}


def full() -> object:
    """A ring that is larger than its flash, and nobody acknowledges."""
    formatted()
    buffer = FlashBuffer("/f/buffer", 100_000, 40)
    for _ in range(800):
        buffer.keep([record(buffer.next + i) for i in range(3)])
    again = FlashBuffer("/f/buffer", 100_000, 40)
    kept = again.read(1, again.next, 10_000)
    right = [number for number, text in kept if text == record(number)]
    return {"lost": again.losses.rows, "next": again.next, "kept": [kept[0][0], kept[-1][0], len(right)]}


def rewrite(path: str, old: bytes, new: bytes) -> None:
    with open(path, "rb") as file:
        raw = file.read()
    with open(path, "wb") as file:
        file.write(raw.replace(old, new))


def damage() -> object:
    """One bit of the fifth record, and the end of the last: what the next start says."""
    formatted()
    buffer = FlashBuffer("/f/buffer", 60, 10)
    for number in range(1, 26):
        buffer.keep([record(number)])
    folder = "/f/buffer/" + buffer.stream
    rewrite(folder + "/1", b'"v":5}', b'"v":7}')
    rewrite(folder + "/21", line_of(25, record(25))[-3:], b"")
    again = FlashBuffer("/f/buffer", 60, 10)
    return {"lost": again.losses.rows, "next": again.next, "kept": [number for number, _ in again.read(1, 99, 99)]}


if sys.argv[1] == "lives":
    print(json.dumps(lives(int(sys.argv[2]))))
else:
    print(json.dumps({"wear": wear, "full": full, "damage": damage}[sys.argv[1]]()))
