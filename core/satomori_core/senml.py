"""SenML (RFC 8428) JSON packs, with Satomori's numbering, and the acknowledgement. Standard library only.

Encode and decode are exact inverses for what `encode` accepts. The fast decoder for many senders is ingest's;
both are held to the same cases.

A pack's first record also carries `stream` (the outbox's random id), `seq` (ranges of sequence numbers, one number
for each record with a value, in record order) and on a resend `again`. Names that RFC 8428 does not define and that
don't end in `_` may be ignored by other readers of the pack (section 4.4).
"""

import gzip
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from satomori_core.errors import RejectedError
from satomori_core.ranges import Range, count
from satomori_core.readings import Reading

GZIP_MAGIC = b"\x1f\x8b"
PAYLOAD_BYTES_MAX = 1_048_576  # of one message, before and after decompression: a bomb stays small


@dataclass(frozen=True, slots=True)
class Loss:
    """Sequence numbers that the edge will never send, with the reason: thinned, dropped, outbox_damaged."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pack:
    """What one message says. `seq` counts as many numbers as `readings` has, or is empty without an outbox.

    `losses` are numbered as everything else is; a pack holds readings or losses, not both. One that holds neither asks
    whether ingest is there.
    """

    readings: Sequence[Reading] = ()
    stream: str | None = None
    seq: Sequence[Range] = ()
    again: bool = False
    losses: Sequence[Loss] = ()


@dataclass(frozen=True, slots=True)
class Ack:
    """Which sequence numbers of a stream ended the edge's duty. `at_us`: ingest's clock when it said so."""

    stream: str
    stored: Sequence[Range] = field(default=())
    set_aside: Sequence[Range] = field(default=())
    at_us: int | None = None


def encode(pack: Pack, *, compress: bool = False) -> bytes:
    """The message of `pack`; times are absolute and exact to the µs."""
    if pack.losses:
        lost = [[loss.first, loss.last, loss.reason] for loss in pack.losses]
        return _finish({"stream": pack.stream, "lost": lost}, compress=compress)
    if pack.stream is not None and count(pack.seq) != len(pack.readings):
        raise ValueError("seq must number every reading once")
    records: list[dict[str, object]] = []
    for reading in pack.readings:
        record: dict[str, object] = {
            "n": f"{reading.device}/{reading.metric}",
            "t": _seconds(reading.observed_at_us),
            "v": reading.value,
        }
        if reading.unit is not None:
            record["u"] = reading.unit
        records.append(record)
    if records and pack.stream is not None:
        records[0] |= {"stream": pack.stream, "seq": [list(r) for r in pack.seq]}
        if pack.again:
            records[0]["again"] = True
    return _finish(records, compress=compress)


def decode(payload: bytes) -> Pack:
    """Raise RejectedError saying which record is wrong and how. A bad record rejects the pack."""
    document = parse_json(payload)
    if isinstance(document, dict):
        return _decode_losses(document)
    if not isinstance(document, list) or not all(isinstance(r, dict) for r in document):
        raise RejectedError("not_senml", "the message is not a SenML array of records")
    return _decode_records(document)


def parse_json(payload: bytes) -> object:
    """JSON of a message, decompressed where it begins as gzip does. Raise RejectedError."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise RejectedError("too_large", f"{len(payload)} bytes; the limit is {PAYLOAD_BYTES_MAX}")
    try:
        return json.loads(decompress(payload))
    except (ValueError, RecursionError) as error:
        raise RejectedError("not_json", f"the message is not JSON: {error}") from None


def decompress(payload: bytes) -> bytes:
    """The payload, or what is in it where it begins as gzip does. Raise RejectedError."""
    if not payload.startswith(GZIP_MAGIC):
        return payload
    inflate = zlib.decompressobj(wbits=31)
    try:
        text = inflate.decompress(payload, PAYLOAD_BYTES_MAX)
    except zlib.error as error:
        raise RejectedError("gzip", f"damaged gzip: {error}") from None
    if inflate.unconsumed_tail:
        raise RejectedError("too_large", f"more than {PAYLOAD_BYTES_MAX} bytes when decompressed")
    if not inflate.eof:
        raise RejectedError("gzip", "gzip ends too early")
    return text


def encode_ask(stream: str) -> bytes:
    """A message that says nothing of its stream: its acknowledgement, with empty ranges, says that ingest is there."""
    return _finish({"stream": stream, "lost": []}, compress=False)


def encode_ack(ack: Ack) -> bytes:
    document: dict[str, object] = {"stream": ack.stream, "stored": ack.stored, "set_aside": ack.set_aside}
    if ack.at_us is not None:
        document["at"] = _seconds(ack.at_us)
    return _finish(document, compress=False)


def decode_ack(payload: bytes) -> Ack:
    """Raise RejectedError for what is not an acknowledgement."""
    document = parse_json(payload)
    if not isinstance(document, dict) or not isinstance(document.get("stream"), str):
        raise RejectedError("not_ack", "an acknowledgement is an object with a stream")
    at_s = _number(document, "at") if "at" in document else None
    if at_s is not None and not 0 <= at_s < 1e11:
        raise RejectedError("not_ack", f"at is {at_s!r}: no time of an acknowledgement")
    return Ack(
        document["stream"],
        _ranges(document.get("stored", [])),
        _ranges(document.get("set_aside", [])),
        None if at_s is None else round(at_s * 1e6),
    )


def _finish(document: object, *, compress: bool) -> bytes:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    # mtime=0: the same pack is the same bytes, so a resend can be compared.
    return gzip.compress(text, compresslevel=6, mtime=0) if compress else text


def _seconds(at_us: int) -> int | float:
    # A double holds µs since 1970 exactly enough to come back by rounding until the year 2255.
    return at_us // 1_000_000 if at_us % 1_000_000 == 0 else at_us / 1_000_000


def _ranges(document: object) -> list[Range]:
    if not isinstance(document, list):
        raise RejectedError("seq", "ranges of sequence numbers are [[first, last], …]")
    ranges: list[Range] = []
    for pair in document:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)):
            raise RejectedError("seq", f"{pair!r} is not a range [first, last] of sequence numbers")
        if not 0 < pair[0] <= pair[1]:
            raise RejectedError("seq", f"{pair!r} is not a range: numbers start at 1 and ascend")
        ranges.append((pair[0], pair[1]))
    return ranges


def _decode_losses(document: dict[str, object]) -> Pack:
    stream, lost = document.get("stream"), document.get("lost")
    if not isinstance(stream, str) or not isinstance(lost, list):
        raise RejectedError("not_senml", "an object that has no stream and lost is not SenML")
    losses: list[Loss] = []
    for row in lost:
        if not (isinstance(row, list) and len(row) == 3 and isinstance(row[2], str)):
            raise RejectedError("not_senml", f"{row!r} is not a loss [first, last, reason]")
        [(first, last)] = _ranges([row[:2]])
        losses.append(Loss(first, last, row[2]))
    return Pack(stream=stream, losses=losses)


def _number(record: dict[str, object], key: str, default: float = 0.0) -> float:
    value = record.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RejectedError("not_senml", f"{key} is {value!r}, not a number")
    try:
        return float(value)
    except OverflowError:
        raise RejectedError("not_senml", f"{key} is too large a number") from None


def _decode_records(document: list[dict[str, object]]) -> Pack:
    readings = list(_resolve(document))
    head = document[0] if document else {}
    stream = head.get("stream")
    if stream is None:
        return Pack(readings)
    if not isinstance(stream, str) or not 1 <= len(stream) <= 64:
        raise RejectedError("seq", f"stream {stream!r} is not an id of 1 to 64 letters")
    seq = _ranges(head.get("seq"))
    if count(seq) != len(readings):
        raise RejectedError("seq", f"{count(seq)} sequence numbers for {len(readings)} values")
    return Pack(readings, stream, seq, again=head.get("again") is True)


def _resolve(document: list[dict[str, object]]) -> Iterator[Reading]:
    """Base names, times, units and values as RFC 8428 section 4.1 adds them up."""
    base_name, base_time, base_value, base_unit = "", 0.0, 0.0, None
    for record in document:
        if record.get("bver", 10) != 10:
            raise RejectedError("not_senml", f"SenML version {record['bver']!r}; we speak 10")
        base_name = str(record.get("bn", base_name))
        base_time = _number(record, "bt", base_time)
        base_value = _number(record, "bv", base_value)
        base_unit = record.get("bu", base_unit)
        value = _value(record, base_value)
        if value is None:
            continue  # only base fields
        unit = record.get("u", base_unit)
        if unit is not None and not isinstance(unit, str):
            raise RejectedError("not_senml", f"unit {unit!r} is not text")
        name = f"{base_name}{record.get('n', '')}"
        device, _, metric = name.partition("/")
        if not device or not metric:
            raise RejectedError("name", f"name {name!r} is not <device>/<metric>")
        seconds = base_time + _number(record, "t")
        if not math.isfinite(seconds) or abs(seconds) > 1e11:
            raise RejectedError("time", f"time {seconds!r} is out of all reason")
        yield Reading(device, metric, round(seconds * 1e6), value, unit)


def _value(record: dict[str, object], base_value: float) -> float | None:
    if "v" in record:
        return base_value + _number(record, "v")
    if isinstance(record.get("vb"), bool):
        return float(bool(record["vb"]))
    if {"vs", "vd", "s"} & record.keys():
        raise RejectedError("not_numeric", "text, binary and sum values are not readings")
    return None
