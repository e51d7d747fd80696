"""Where numbered readings stay until they are acknowledged: a ring on flash, or in memory where there is no flash.

On flash a number exists only once its record is written: nothing is sent before, so no number is ever used twice, and
a power cut costs what was not written yet. The folder `<path>/<stream>/` holds segments, files of so many lines

    <number> <record> <CRC-32 of what is before, as 8 hexadecimal digits>

named by their first number. A segment is only ever appended to, and only in the life that began it; it is deleted when
all of it is acknowledged. The newest one stays, as it says how far the numbers came. `lost` is the note of what the
node has given up and not yet told.
"""

import binascii
import json
import os

from micropython_node.spans import merged, without

LOSSES_MAX = 8  # more droppings are joined: as only the oldest are dropped, nothing that is kept lies between
ENOSPC = 28
DROPPED, DAMAGED = "dropped", "outbox_damaged"


def new_stream() -> str:
    return binascii.hexlify(os.urandom(16)).decode()


class Losses:
    """What was given up, until that is acknowledged."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, str]] = []

    def add(self, first: int, last: int, reason: str) -> None:
        if self.rows and self.rows[-1][2] == reason:
            begin, end, _ = self.rows[-1]
            if end + 1 == first or (reason == DROPPED and len(self.rows) >= LOSSES_MAX):
                first = begin
                self.rows.pop()
        self.rows.append((first, last, reason))

    def forget(self, spans: list[tuple[int, int]]) -> bool:
        """Whether that changes anything."""
        left = [(a, b, reason) for first, last, reason in self.rows for a, b in without([(first, last)], spans)]
        changed = left != self.rows
        self.rows = left
        return changed


class MemoryBuffer:
    """A stream of its own at each start: a power cut costs everything in it, and nobody can be told what that was."""

    kind = "memory"

    def __init__(self, values_max: int) -> None:
        self.stream = new_stream()
        self.next = 1
        self.losses = Losses()
        self._max = values_max
        self._kept: list[tuple[int, str]] = []

    def keep(self, records: list[str]) -> None:
        for record in records:
            if len(self._kept) >= self._max:
                number, _ = self._kept.pop(0)
                self.losses.add(number, number, DROPPED)
            self._kept.append((self.next, record))
            self.next += 1

    def give_up(self, count: int, reason: str) -> None:
        """Number `count` readings only to say that they are lost."""
        self.losses.add(self.next, self.next + count - 1, reason)
        self.next += count

    def read(self, first: int, last: int, limit: int) -> list[tuple[int, str]]:
        """What is still kept of these numbers, in order."""
        return [row for row in self._kept if first <= row[0] <= last][:limit]

    def forget(self, spans: list[tuple[int, int]]) -> None:
        """These numbers are acknowledged."""
        self._kept = [row for row in self._kept if without([(row[0], row[0])], spans)]
        self.losses.forget(spans)


class FlashBuffer:
    """Of each segment only [first, last, what is not acknowledged] is in memory. Acknowledgements are not written.

    After a start what is left of a segment is therefore sent once more; ingest knows it and stores nothing twice.
    """

    kind = "flash"

    def __init__(self, path: str, values_max: int, segment_values: int) -> None:
        _make_folder(path)
        streams = os.listdir(path)
        self.stream = streams[0] if streams else new_stream()
        self._folder = f"{path}/{self.stream}"
        _make_folder(self._folder)
        self.next = 1
        self.losses = Losses()
        self._max = values_max
        self._segment_values = segment_values
        self._segments: list[tuple[int, int, list[tuple[int, int]]]] = []
        self._may_append = False  # to the newest segment
        self._load()

    # ------------------------------------------------------------------ the start

    def _load(self) -> None:
        names = os.listdir(self._folder)
        if "lost" in names:
            with open(f"{self._folder}/lost") as file:
                self.losses.rows = [(first, last, reason) for first, last, reason in json.load(file)]
        told = merged([(first, last) for first, last, _ in self.losses.rows])
        for first in sorted([int(name) for name in names if name.isdigit()]):
            good, last = self._scan(first)
            damaged = without(without([(first, last)], good), told)
            for span in damaged:
                self.losses.add(*span, DAMAGED)
            self._segments.append((first, last, without(good, told)))
            self.next = last + 1
            if damaged:
                self._write_losses()
        for _, last, _ in self.losses.rows:
            self.next = max(self.next, last + 1)
        self._delete_acknowledged()

    def _scan(self, first: int) -> tuple[list[tuple[int, int]], int]:
        """(the numbers that are whole, the last number): a damaged line at the end counts as one number."""
        good: list[tuple[int, int]] = []
        last = first - 1
        for line in self._lines(first):
            row = parse_line(line)
            if row is None:
                last += 1
            else:
                last = row[0]
                good.append((last, last))
                good = merged(good)
        return good, max(last, first)

    def _lines(self, first: int) -> list[bytes]:
        with open(f"{self._folder}/{first}", "rb") as file:
            return [line for line in file.read().split(b"\n") if line]

    # ------------------------------------------------------------------ keeping

    def keep(self, records: list[str]) -> None:
        """As one write. A full flash is a smaller ring; raise OSError for any other trouble with it."""
        try:
            self._append(records)
        except OSError as error:
            if error.errno != ENOSPC:
                raise
            self._drop_oldest()
            self._append(records)
        self._delete_acknowledged()
        while len(self._segments) > 1 and sum(last - first + 1 for first, last, _ in self._segments) > self._max:
            self._drop_oldest()

    def _append(self, records: list[str]) -> None:
        if not self._may_append or self.next - self._segments[-1][0] >= self._segment_values:
            self._segments.append((self.next, self.next - 1, []))
            self._may_append = True
        first, _, waiting = self._segments[-1]
        last = self.next + len(records) - 1
        with open(f"{self._folder}/{first}", "ab") as file:
            file.write(b"".join([line_of(self.next + i, record) for i, record in enumerate(records)]))
        waiting.append((self.next, last))
        self._segments[-1] = (first, last, merged(waiting))
        self.next = last + 1

    def give_up(self, count: int, reason: str) -> None:
        """Number `count` readings only to say that they are lost."""
        self.losses.add(self.next, self.next + count - 1, reason)
        self._write_losses()
        self.next += count
        self._may_append = False  # a number that is missing inside a segment counts as damaged

    def _drop_oldest(self) -> None:
        """The note comes first: a power cut in between leaves a segment that is told as lost, never the reverse."""
        if self._segments:
            first, _, waiting = self._segments.pop(0)
            self._may_append = self._may_append and bool(self._segments)
            for span in waiting:
                self.losses.add(*span, DROPPED)
            self._write_losses()
            os.remove(f"{self._folder}/{first}")

    # ------------------------------------------------------------------ sending

    def read(self, first: int, last: int, limit: int) -> list[tuple[int, str]]:
        """What is still kept of these numbers, in order."""
        found: list[tuple[int, str]] = []
        for name, end, waiting in self._segments:
            wanted = [(max(a, first), min(b, last)) for a, b in waiting if a <= last and b >= first]
            if not wanted or end < first:
                continue
            for line in self._lines(name):
                row = parse_line(line)
                if row is None or (found and row[0] <= found[-1][0]):
                    continue
                if any(a <= row[0] <= b for a, b in wanted):
                    found.append(row)
                    if len(found) == limit:
                        return found
        return found

    def forget(self, spans: list[tuple[int, int]]) -> None:
        """These numbers are acknowledged."""
        self._segments = [(first, last, without(waiting, spans)) for first, last, waiting in self._segments]
        self._delete_acknowledged()
        if self.losses.forget(spans):
            self._write_losses()

    def _delete_acknowledged(self) -> None:
        newest = self._segments[-1:]
        for first, _, waiting in self._segments[:-1]:
            if not waiting:
                os.remove(f"{self._folder}/{first}")
        self._segments = [segment for segment in self._segments[:-1] if segment[2]] + newest

    def _write_losses(self) -> None:
        with open(f"{self._folder}/lost.new", "w") as file:
            file.write(json.dumps(self.losses.rows))
        os.rename(f"{self._folder}/lost.new", f"{self._folder}/lost")


def line_of(number: int, record: str) -> bytes:
    """It begins with the end of the line before, so that a torn one never swallows it."""
    body = f"{number} {record}".encode()
    return b"\n%s %08x" % (body, binascii.crc32(body))


def parse_line(line: bytes) -> tuple[int, str] | None:
    """None for a damaged line."""
    body, space, digits = line.rpartition(b" ")
    if not space or digits != b"%08x" % binascii.crc32(body):
        return None
    number, _, record = body.decode().partition(" ")
    return int(number), record


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path)
    except OSError:
        os.listdir(path)  # it is there already, or this says why not
