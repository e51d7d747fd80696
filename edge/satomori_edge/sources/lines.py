"""From bytes to lines, and from a line to readings. Pure: bytes in, readings or a RejectedError out."""

import math
from collections.abc import Iterator

from satomori_core.errors import RejectedError
from satomori_core.readings import Reading
from satomori_core.topics import is_name
from satomori_edge.settings import TextField, TextSettings
from satomori_edge.sources.base import scaled


class LineSplitter:
    """Never holds more than `line_bytes_max` bytes. A longer line is left out and counted in `overlong`."""

    def __init__(self, delimiter: bytes, line_bytes_max: int) -> None:
        self._delimiter = delimiter
        self._line_bytes_max = line_bytes_max
        self._kept = b""
        self._skipping = False
        self.overlong = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete now, without their delimiter, empty ones left out."""
        *complete, rest = (self._kept + chunk).split(self._delimiter)
        lines = [line for line in map(self._finish, complete) if line]
        partial = len(self._delimiter) - 1  # so many of the last bytes may begin a delimiter
        if len(rest) > self._line_bytes_max + partial:
            self._skipping = True
        if self._skipping:
            rest = rest[max(len(rest) - partial, 0) :]
        self._kept = rest
        return lines

    def _finish(self, line: bytes) -> bytes:
        if self._skipping or len(line) > self._line_bytes_max:
            self._skipping = False
            self.overlong += 1
            return b""
        return line


def parse_line(line: bytes, settings: TextSettings, at_us: int) -> Iterator[Reading | RejectedError]:
    """A reading for each field, or why there is none. Raise RejectedError where the whole line is wrong.

    A line that does not begin with `start` is not for us and yields nothing. So does an empty field: no measurement.
    """
    text = ascii_text(line)
    if not text.startswith(settings.start):
        return
    if settings.checksum == "xor":
        text = check_xor(text)
    columns = [column.strip() for column in text.split(settings.separator)]
    needed = max(f.index for f in settings.fields)
    if len(columns) <= max(needed, settings.device_index or 0):
        raise RejectedError("fields", f"{len(columns)} fields, {needed + 1} are expected")
    device = settings.device or columns[settings.device_index or 0]
    if not is_name(device):
        raise RejectedError("device", f"{device!r} is no device's name")
    for f in settings.fields:
        if columns[f.index]:
            yield _reading(columns[f.index], f, device, at_us)


def ascii_text(line: bytes) -> str:
    """Raise RejectedError where a byte is none of ASCII."""
    try:
        return line.decode("ascii")
    except UnicodeDecodeError:
        raise RejectedError("noise", "bytes that are not ASCII") from None


def check_xor(text: str) -> str:
    """The line without its checksum. Raise RejectedError where that is missing or wrong. NMEA 0183's way."""
    body, star, digits = text.rpartition("*")
    if not star or len(digits) != 2:
        raise RejectedError("checksum", "the line ends without a checksum *hh")
    checked = body[1:] if body.startswith(("$", "!")) else body
    total = 0
    for byte in checked.encode():
        total ^= byte
    if digits.upper() != f"{total:02X}":
        raise RejectedError("checksum", f"checksum *{digits}, but the line makes *{total:02X}")
    return body


def parse_number(text: str, scale: float, offset: float) -> float:
    """`number * scale + offset`. Raise RejectedError for what is no measurement."""
    try:
        number = float(text)
    except ValueError:
        raise RejectedError("not_a_number", f"{text[:40]!r} is not a number") from None
    if not math.isfinite(number):
        raise RejectedError("not_finite", f"{text[:40]!r} is not a measurement")
    return scaled(number, scale, offset)


def _reading(column: str, f: TextField, device: str, at_us: int) -> Reading | RejectedError:
    try:
        return Reading(device, f.metric, at_us, parse_number(column, f.scale, f.offset), f.unit)
    except RejectedError as error:
        return RejectedError(error.reason, f"field {f.index}: {error}")
