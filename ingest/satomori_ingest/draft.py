"""A batch in the making: rows, what becomes of each sequence number, what is set aside, what will be acknowledged."""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from satomori_core.errors import RejectedError
from satomori_core.ranges import Range, extend, merge, numbers, subtract, to_ranges
from satomori_core.senml import Ack, Loss
from satomori_core.vocabulary import SequenceState
from satomori_ingest.decoders import Value, Values
from satomori_ingest.protocol import Message
from satomori_store.port import NO_ROWS, Batch, LedgerEntry, QuarantineRow, Row, Rows

# What is kept of a payload that is too large to be kept whole.
HEAD_BYTES = 4096
REASON_LETTERS_MAX = 64
DETAIL_LETTERS_MAX = 500


@dataclass(slots=True)
class Fates:
    """What becomes of the numbers of one gateway's stream. `known` has an entry in the ledger already.

    `taken`: in this batch, whatever becomes of them.
    """

    taken: list[Range] = field(default_factory=list)
    stored: list[Range] = field(default_factory=list)
    known: list[Range] = field(default_factory=list)
    set_aside: dict[str, list[Range]] = field(default_factory=dict)
    lost: list[Loss] = field(default_factory=list)
    foreign: list[Range] = field(default_factory=list)
    highest: int = 0

    def take(self, ranges: Sequence[Range]) -> None:
        extend(self.taken, ranges)
        self.highest = max(self.highest, *(last for _, last in ranges))

    def seen(self, ranges: Sequence[Range]) -> list[Range]:
        """What of `ranges` this batch has already."""
        if not self.set_aside and all(first > self.highest for first, _ in ranges):
            return []
        taken = [*self.taken, *(r for aside in self.set_aside.values() for r in aside)]
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
class Part:
    """The values of one or more messages of one topic, numbered by `seq` in that order.

    `starts`: which value is the first of each message.
    """

    messages: Sequence[Message]
    gateway: str
    stream: str
    values: Values
    seq: Sequence[Range]
    starts: Sequence[int] = (0,)

    def message(self, place: int) -> Message:
        """The one that brought this value."""
        return self.messages[bisect_right(self.starts, place) - 1]

    def number(self, place: int) -> int | None:
        for first, last in self.seq:
            if place <= last - first:
                return first + place
            place -= last - first + 1
        return None


@dataclass(slots=True, eq=False)
class Draft:
    """`replaying`: records from the quarantine, whose numbers the ledger knows as set aside.

    `values`: of all parts. Of each row: which part it came from, and the how many-th value of that.
    """

    received_at_us: int
    replaying: bool = False
    parts: list[Part] = field(default_factory=list)
    judged: int = 0
    values: int = 0
    rows: Rows = NO_ROWS
    fates: dict[tuple[str, str], Fates] = field(default_factory=dict)
    resent: Counter[str] = field(default_factory=Counter)
    quarantine: list[QuarantineRow] = field(default_factory=list)
    messages: int = 0
    _part_of_row: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    _place_of_row: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))

    def add(self, part: Part) -> None:
        """To be judged."""
        self.parts.append(part)
        self.values += len(part.values)
        if part.stream:
            self.of_stream(part.gateway, part.stream).take(part.seq)

    def take(self, rows: Rows, refused: Mapping[int, RejectedError]) -> None:
        """The values of all parts that were not judged, as rows; those in `refused` are set aside instead."""
        parts = self.parts[self.judged :]
        lengths = [len(part.values) for part in parts]
        part_of = np.repeat(np.arange(self.judged, len(self.parts)), lengths)
        place_of = np.arange(len(rows)) - np.repeat(np.cumsum([0, *lengths[:-1]]), lengths)
        bad: dict[int, set[int]] = {}
        for index, error in refused.items():
            number, place = int(part_of[index]), int(place_of[index])
            bad.setdefault(number, set()).add(place)
            part = self.parts[number]
            value = part.values[place]
            self.set_aside_record(
                part, part.message(place), value[0], error, encode_value(value), seq=part.number(place)
            )
        for number, part in enumerate(parts, self.judged):
            if part.stream:
                good = _without(part.seq, bad[number]) if number in bad else part.seq
                extend(self.of_stream(part.gateway, part.stream).stored, good)
        if refused:
            keep = np.ones(len(rows), np.bool_)
            keep[list(refused)] = False
            rows, part_of, place_of = rows.take(keep), part_of[keep], place_of[keep]
        self.rows = self.rows.joined(rows)
        self._part_of_row = np.append(self._part_of_row, part_of)
        self._place_of_row = np.append(self._place_of_row, place_of)
        self.judged = len(self.parts)

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
        self, part: Part, message: Message, name: str, error: RejectedError, payload: bytes, *, seq: int | None
    ) -> None:
        """A record of `message`, which is one of the part's."""
        device, _, metric = name.partition("/")
        self.quarantine.append(
            QuarantineRow(
                received_at_us=message.received_at_us,
                topic=message.topic,
                gateway=part.gateway,
                reason=error.reason[:REASON_LETTERS_MAX],
                detail=str(error)[:DETAIL_LETTERS_MAX],
                payload=payload,
                device=device,
                metric=metric,
                stream=part.stream,
                seq=seq,
            )
        )
        if seq is not None:
            fates = self.of_stream(part.gateway, part.stream)
            fates.set_aside.setdefault(error.reason[:REASON_LETTERS_MAX], []).append((seq, seq))

    def set_aside_rejected(self, rejected: Iterable[tuple[Row, str]]) -> None:
        """Take out the rows that the store will never accept, each with the store's reason."""
        reasons = {str(row): reason for row, reason in rejected}  # as text: NaN is not equal to itself
        why = {index: reasons[str(row)] for index, row in enumerate(self.rows) if str(row) in reasons}
        for index, part, place, number in self._take_out(np.array(list(why), np.intp)):
            value, error = part.values[place], RejectedError("store", why[index])
            self.set_aside_record(part, part.message(place), value[0], error, encode_value(value), seq=number)

    def leave_out_stored(self, ranges: Mapping[str, Sequence[Range]]) -> None:
        """Take out what another writer has stored meanwhile: it came again, and is acknowledged."""
        twice: list[int] = []
        for number, part in enumerate(self.parts):
            again = set(numbers(ranges.get(part.stream, ())))
            places = [place for place, seq in enumerate(numbers(part.seq)) if seq in again] if again else []
            of_part = (self._part_of_row == number) & np.isin(self._place_of_row, places)
            twice += np.flatnonzero(of_part).tolist() if places else []
        for _, part, _, seq in self._take_out(np.array(twice, np.intp)):
            if seq is not None:
                self.of_stream(part.gateway, part.stream).known.append((seq, seq))
                self.resent[part.stream] += 1

    def _take_out(self, which: NDArray[np.intp]) -> list[tuple[int, Part, int, int | None]]:
        """Without these rows: (index, part, place in it, number) of each. This batch does not store their numbers."""
        taken: list[tuple[int, Part, int, int | None]] = []
        for index in which.tolist():
            part, place = self.parts[int(self._part_of_row[index])], int(self._place_of_row[index])
            number = part.number(place)
            taken.append((index, part, place, number))
            if number is not None:
                fates = self.of_stream(part.gateway, part.stream)
                fates.stored = subtract(fates.stored, [(number, number)])
        keep = np.ones(len(self.rows), np.bool_)
        keep[which] = False
        self.rows = self.rows.take(keep)
        self._part_of_row, self._place_of_row = self._part_of_row[keep], self._place_of_row[keep]
        return taken

    def counts(self) -> dict[tuple[str, int], int]:
        """How many readings of each stream and datastream."""
        streams = {stream: number for number, stream in enumerate(dict.fromkeys(part.stream for part in self.parts))}
        stream_of_part = np.array([streams[part.stream] for part in self.parts], np.int64)
        beyond = int(self.rows.datastream.max()) + 1
        keys = stream_of_part[self._part_of_row] * beyond + self.rows.datastream
        unique, counts = np.unique(keys, return_counts=True)
        names = list(streams)
        return {
            (names[key // beyond], key % beyond): number
            for key, number in zip(unique.tolist(), counts.tolist(), strict=True)
        }

    def batch(self) -> Batch:
        return Batch(
            rows=self.rows,
            received_at_us=self.received_at_us,
            ledger=[e for (gateway, stream), fates in self.fates.items() for e in fates.entries(gateway, stream)],
            counts=self.counts() if len(self.rows) else {},
            resent=dict(self.resent),
            quarantine=self.quarantine,
        )

    def acks(self) -> list[tuple[str, Ack]]:
        """One for each gateway and stream of this batch."""
        return [(gateway, fates.ack(stream)) for (gateway, stream), fates in self.fates.items()]


def encode_value(value: Value) -> bytes:
    """A SenML message of this value alone; NaN and infinity as Python's json writes and reads them."""
    name, at_us, sent, unit = value
    record: dict[str, object] = {"n": name, "t": at_us / 1e6, "v": float(sent)}
    if unit is not None:
        record["u"] = unit
    return json.dumps([record]).encode()


def decode_value(payload: bytes) -> Value | None:
    """The inverse of `encode_value`, exact to the µs until the year 2223; None for any other message."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    match document:
        case [{"n": str(name), "t": float(seconds), "v": float(sent), **more}] if not more.keys() - {"u"}:
            unit = more.get("u")
            return (name, round(seconds * 1e6), sent, unit) if isinstance(unit, str | None) else None
    return None


def _without(seq: Sequence[Range], places: set[int]) -> list[Range]:
    return to_ranges(number for place, number in enumerate(numbers(seq)) if place not in places)
