"""Small plain packs of one topic that follow each other, read as one: what a message costs by itself is paid once.

A run takes only what `senml.decode` would read without a remark. Whatever is odd is left to it, message by message.
"""

from typing import Self

import msgspec
import numpy as np

from satomori_core.ranges import Range, count, extend
from satomori_core.topics import is_name
from satomori_ingest.decoders import Values
from satomori_ingest.decoders.senml import RELATIVE_BELOW_S, SECONDS_MAX, SEQUENCE_MAX, Plain, decode_plain, to_us
from satomori_ingest.protocol import Message

# Larger packs come compressed, and would gain nothing.
MESSAGE_BYTES_MAX = 4096


class Run:
    """Packs of one stream ("" without an outbox). `starts`: each message's first value; `seq` ascends."""

    __slots__ = ("_records", "gateway", "messages", "seq", "starts", "stream")

    def __init__(self, gateway: str, stream: str) -> None:
        self.gateway = gateway
        self.stream = stream
        self.messages: list[Message] = []
        self.starts: list[int] = []
        self.seq: list[Range] = []
        self._records: list[Plain] = []

    @classmethod
    def begin(cls, gateway: str, message: Message) -> Self | None:
        """A run of this message; None where it has to be read alone."""
        records = _records(message)
        if records is None:
            return None
        stream = records[0].stream
        if stream is not None and not is_name(stream):
            return None
        run = cls(gateway, stream or "")
        return run if run._add(message, records) else None

    def add(self, message: Message) -> int:
        """How many values it brought; 0 where it does not belong to this run."""
        records = _records(message)
        return 0 if records is None else self._add(message, records)

    def _add(self, message: Message, records: list[Plain]) -> int:
        head = records[0]
        if (head.stream or "") != self.stream:
            return 0
        if self.stream:
            seq = head.seq or []
            before = self.seq[-1][1] if self.seq else 0
            for first, last in seq:
                if not before < first <= last < SEQUENCE_MAX:
                    return 0
                before = last
            if count(seq) != len(records):
                return 0
            extend(self.seq, seq)
        self.starts.append(len(self._records))
        self.messages.append(message)
        self._records += records
        return len(records)

    def __len__(self) -> int:
        """How many values."""
        return len(self._records)

    def values(self) -> Values | None:
        """None where a time is out of all reason, or counts from its message's arrival."""
        records = self._records
        seconds = [r.t for r in records]
        earliest = -SECONDS_MAX if self.stream else RELATIVE_BELOW_S
        if not earliest <= min(seconds) <= max(seconds) <= SECONDS_MAX:
            return None
        names, units = [r.n for r in records], [r.u for r in records]
        return Values(names, to_us(seconds), np.array([r.v for r in records]), units)


def _records(message: Message) -> list[Plain] | None:
    payload = message.payload
    if not payload.startswith(b"[") or not message.size == len(payload) <= MESSAGE_BYTES_MAX:
        return None
    try:
        return decode_plain(payload) or None
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError):
        return None
