"""A batch in the making: rows, what becomes of each sequence number, what is set aside, what will be acknowledged."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from satomori_core.errors import RejectedError
from satomori_core.ranges import Range, merge, numbers, subtract, to_ranges
from satomori_core.senml import Ack, Loss
from satomori_core.vocabulary import SequenceState
from satomori_ingest.decoders import Value
from satomori_ingest.protocol import Message
from satomori_store.port import Batch, LedgerEntry, QuarantineRow, Row

# What is kept of a payload that is too large to be kept whole.
HEAD_BYTES = 4096
REASON_LETTERS_MAX = 64
DETAIL_LETTERS_MAX = 500


@dataclass(slots=True)
class Fates:
    """What becomes of the numbers of one gateway's stream. `known` has an entry in the ledger already."""

    stored: list[Range] = field(default_factory=list)
    known: list[Range] = field(default_factory=list)
    set_aside: dict[str, list[Range]] = field(default_factory=dict)
    lost: list[Loss] = field(default_factory=list)
    foreign: list[Range] = field(default_factory=list)
    highest: int = 0

    def store(self, ranges: Sequence[Range]) -> None:
        """As few ranges as can be: most packs follow on the one before."""
        for first, last in ranges:
            if self.stored and self.stored[-1][1] + 1 == first:
                self.stored[-1] = (self.stored[-1][0], last)
            else:
                self.stored.append((first, last))
            self.highest = max(self.highest, last)

    def seen(self, ranges: Sequence[Range]) -> list[Range]:
        """What of `ranges` this batch has already."""
        if not self.set_aside and all(first > self.highest for first, _ in ranges):
            return []
        taken = [*self.stored, *(r for aside in self.set_aside.values() for r in aside)]
        return subtract(ranges, subtract(ranges, taken))

    def entries(self, gateway: str, stream: str) -> list[LedgerEntry]:
        entries = [
            LedgerEntry(stream, gateway, first, last, SequenceState.STORED) for first, last in merge(self.stored)
        ]
        for reason, ranges in self.set_aside.items():
            entries += [
                LedgerEntry(stream, gateway, first, last, SequenceState.SET_ASIDE, reason)
                for first, last in merge(ranges)
            ]
        entries += [
            LedgerEntry(stream, gateway, loss.first, loss.last, SequenceState.LOST, loss.reason) for loss in self.lost
        ]
        return entries

    def ack(self, stream: str) -> Ack:
        """A loss that is written down is `stored`: either word ends the edge's duty."""
        lost = [(loss.first, loss.last) for loss in self.lost]
        aside = [r for ranges in self.set_aside.values() for r in ranges]
        return Ack(stream, merge([*self.stored, *self.known, *lost]), merge([*aside, *self.foreign]))


@dataclass(slots=True)
class Origin:
    """Where the rows from `start` on came from: `values` of one message, numbered by `seq` in that order."""

    start: int
    message: Message
    gateway: str
    stream: str
    values: Sequence[Value]
    seq: Sequence[Range]


@dataclass(slots=True)
class Draft:
    """`replaying`: records from the quarantine, whose numbers the ledger knows as set aside."""

    received_at_us: int
    replaying: bool = False
    rows: list[Row] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    fates: dict[tuple[str, str], Fates] = field(default_factory=dict)
    resent: Counter[str] = field(default_factory=Counter)
    quarantine: list[QuarantineRow] = field(default_factory=list)
    messages: int = 0

    def of_stream(self, gateway: str, stream: str) -> Fates:
        fates = self.fates.get((gateway, stream))
        if fates is None:
            fates = self.fates[gateway, stream] = Fates()
        return fates

    def set_aside_message(self, message: Message, gateway: str, error: RejectedError, stream: str = "") -> None:
        self.quarantine.append(
            QuarantineRow(
                received_at_us=message.received_at_us,
                topic=message.topic,
                gateway=gateway,
                reason=error.reason,
                detail=str(error)[:DETAIL_LETTERS_MAX],
                payload=message.payload[:HEAD_BYTES] if error.reason == "too_large" else message.payload,
                stream=stream,
            )
        )

    def set_aside_record(
        self, origin: Origin, name: str, error: RejectedError, payload: bytes, seq: int | None
    ) -> None:
        device, _, metric = name.partition("/")
        self.quarantine.append(
            QuarantineRow(
                received_at_us=origin.message.received_at_us,
                topic=origin.message.topic,
                gateway=origin.gateway,
                reason=error.reason[:REASON_LETTERS_MAX],
                detail=str(error)[:DETAIL_LETTERS_MAX],
                payload=payload,
                device=device,
                metric=metric,
                stream=origin.stream,
                seq=seq,
            )
        )
        if seq is not None:
            fates = self.of_stream(origin.gateway, origin.stream)
            fates.set_aside.setdefault(error.reason[:REASON_LETTERS_MAX], []).append((seq, seq))

    def set_aside_rejected(self, rejected: Iterable[tuple[Row, str]]) -> None:
        """Take out the rows that the store will never accept, each with the store's reason."""
        reasons = dict(rejected)
        rows, origins, self.rows, self.origins = self.rows, self.origins, [], []
        ends = [*(origin.start for origin in origins[1:]), len(rows)]
        for origin, end in zip(origins, ends, strict=True):
            seqs: list[int | None] = list(numbers(origin.seq)) or [None] * len(origin.values)
            kept: list[tuple[Value, int | None]] = []
            bad: list[int] = []
            start = len(self.rows)
            for row, value, seq in zip(rows[origin.start : end], origin.values, seqs, strict=True):
                if row not in reasons:
                    self.rows.append(row)
                    kept.append((value, seq))
                    continue
                error = RejectedError("store", reasons[row])
                self.set_aside_record(origin, value[0], error, encode_value(value), seq)
                if seq is not None:
                    bad.append(seq)
            left = to_ranges(seq for _, seq in kept if seq is not None)
            self.origins.append(
                Origin(start, origin.message, origin.gateway, origin.stream, [v for v, _ in kept], left)
            )
            if bad:
                fates = self.of_stream(origin.gateway, origin.stream)
                fates.stored = subtract(fates.stored, [(seq, seq) for seq in bad])

    def counts(self) -> dict[tuple[str, int], int]:
        """How many readings of each stream and datastream."""
        by_stream: dict[str, list[int]] = {}
        ends = [*(origin.start for origin in self.origins[1:]), len(self.rows)]
        for origin, end in zip(self.origins, ends, strict=True):
            by_stream.setdefault(origin.stream, []).extend([row[0] for row in self.rows[origin.start : end]])
        return {
            (stream, datastream): count
            for stream, datastreams in by_stream.items()
            for datastream, count in Counter(datastreams).items()
        }

    def batch(self) -> Batch:
        return Batch(
            rows=self.rows,
            received_at_us=self.received_at_us,
            ledger=[e for (gateway, stream), fates in self.fates.items() for e in fates.entries(gateway, stream)],
            counts=self.counts() if self.origins else {},
            resent=dict(self.resent),
            quarantine=self.quarantine,
        )

    def acks(self) -> list[tuple[str, Ack]]:
        """One for each gateway and stream of this batch."""
        return [(gateway, fates.ack(stream)) for (gateway, stream), fates in self.fates.items()]


def encode_value(value: Value) -> bytes:
    """A SenML message of this value alone; NaN and infinity as Python's json writes and reads them."""
    name, at_us, sent, unit = value
    record: dict[str, object] = {"n": name, "t": at_us / 1e6, "v": sent}
    if unit is not None:
        record["u"] = unit
    return json.dumps([record]).encode()
