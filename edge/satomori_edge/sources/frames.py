"""The frames of our own nodes: reports up, acknowledgements down. Pure: bytes in, frozen values out, and back.

The table of bytes is in firmware_stubs/soil_tilt_node/frames.md. On the line each frame is COBS-stuffed and stands
between zero bytes; here a frame is what stands between them.
"""

import binascii
import struct
from dataclasses import dataclass
from typing import Self

from satomori_core.errors import RejectedError
from satomori_edge.sources import cobs

FRAME_BYTES_MAX = 254  # before stuffing, so that stuffing adds one byte and a node needs no more than a byte to count
STUFFED_BYTES_MAX = FRAME_BYTES_MAX + 1
DELIMITER = b"\0"

_REPORT = 0x01
_ACK = 0x81
_REPORT_HEAD = struct.Struct(">BHIIII")
_VALUE = struct.Struct(">Bi")
_ACK_BODY = struct.Struct(">BHII")
_CRC = struct.Struct(">H")
VALUES_MAX = (FRAME_BYTES_MAX - _REPORT_HEAD.size - _CRC.size) // _VALUE.size


def crc16(body: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, initially 0xFFFF, nothing reflected; of b"123456789" it is 0x29B1."""
    return binascii.crc_hqx(body, 0xFFFF)


@dataclass(frozen=True, slots=True)
class Value:
    """`raw` of the metric that the node calls `metric`: whole numbers, which the edge's settings scale."""

    metric: int
    raw: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a node measured `age_ms` before it sent this.

    `seq` counts from 1 in each life of the node, which `boot` names. `dropped`: how many of its frames the node gave up
    in this life, since its memory was full.
    """

    node: int
    boot: int
    seq: int
    age_ms: int
    dropped: int
    values: tuple[Value, ...]

    def to_bytes(self) -> bytes:
        head = _REPORT_HEAD.pack(_REPORT, self.node, self.boot, self.seq, self.age_ms, self.dropped)
        return _stuffed(head + b"".join(_VALUE.pack(value.metric, value.raw) for value in self.values))

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Raise RejectedError: `cobs`, `crc`, `kind`, `length`, `seq`."""
        body = _body(frame, _REPORT)
        if len(body) < _REPORT_HEAD.size or (len(body) - _REPORT_HEAD.size) % _VALUE.size:
            raise RejectedError("length", f"{len(body)} bytes are no report")
        values = tuple(Value(*pair) for pair in _VALUE.iter_unpack(body[_REPORT_HEAD.size :]))
        _, node, boot, seq, age_ms, dropped = _REPORT_HEAD.unpack_from(body)
        if seq == 0:
            raise RejectedError("seq", f"number 0 of node {node}, they begin at 1")
        return cls(node, boot, seq, age_ms, dropped, values)


@dataclass(frozen=True, slots=True)
class Ack:
    """The edge keeps that frame: the node may forget it."""

    node: int
    boot: int
    seq: int

    def to_bytes(self) -> bytes:
        return _stuffed(_ACK_BODY.pack(_ACK, self.node, self.boot, self.seq))

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Raise RejectedError: `cobs`, `crc`, `kind`, `length`."""
        body = _body(frame, _ACK)
        if len(body) != _ACK_BODY.size:
            raise RejectedError("length", f"{len(body)} bytes are no acknowledgement")
        return cls(*_ACK_BODY.unpack(body)[1:])


def on_the_line(frame: bytes) -> bytes:
    """A delimiter also before it, which ends whatever noise stands there."""
    return DELIMITER + frame + DELIMITER


def is_ack(frame: bytes) -> bool:
    """Whether it is an edge's own word: on a line of two wires an edge may hear itself."""
    return len(frame) > 1 and frame[1] == _ACK


def _stuffed(body: bytes) -> bytes:
    return cobs.encode(body + _CRC.pack(crc16(body)))


def _body(frame: bytes, kind: int) -> bytes:
    packet = cobs.decode(frame)
    body, crc = packet[: -_CRC.size], packet[-_CRC.size :]
    if crc != _CRC.pack(crc16(body)):
        raise RejectedError("crc", f"{len(packet)} bytes whose checksum is wrong")
    if not body or body[0] != kind:
        raise RejectedError("kind", f"a frame of kind {body[:1].hex() or 'none'}, {kind:02x} is expected")
    return body
