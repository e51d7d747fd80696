"""Consistent Overhead Byte Stuffing (Cheshire and Baker, IEEE/ACM Transactions on Networking 7/2, 1999). Pure.

A packet without a zero byte, so that a zero byte can end it: after any noise a receiver is in step at the next zero.
"""

from satomori_core.errors import RejectedError

BLOCK_BYTES_MAX = 254


def encode(packet: bytes) -> bytes:
    """One byte longer for each 254 begun; contains no zero byte."""
    stuffed = bytearray()
    blocks = packet.split(b"\0")
    for index, block in enumerate(blocks):
        rest = block
        while len(rest) >= BLOCK_BYTES_MAX:
            stuffed += b"\xff" + rest[:BLOCK_BYTES_MAX]
            rest = rest[BLOCK_BYTES_MAX:]
            if not rest and index == len(blocks) - 1:  # a full block at the very end needs none after it
                return bytes(stuffed)
        stuffed.append(len(rest) + 1)
        stuffed += rest
    return bytes(stuffed)


def decode(stuffed: bytes) -> bytes:
    """What `encode` was given. Raise RejectedError("cobs")."""
    packet = bytearray()
    at = 0
    while at < len(stuffed):
        code = stuffed[at]
        block = stuffed[at + 1 : at + code]
        if code == 0 or 0 in block or len(block) != code - 1:
            raise RejectedError("cobs", f"the stuffing is broken at byte {at} of {len(stuffed)}")
        packet += block
        at += code
        if code <= BLOCK_BYTES_MAX and at < len(stuffed):
            packet.append(0)
    return bytes(packet)
