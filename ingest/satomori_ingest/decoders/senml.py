"""SenML (RFC 8428) at speed: whole packs by msgspec, and record by record where something in a pack is wrong.

Held to the same cases as `satomori_core.senml`, which is the gateways' codec. The difference: here a bad record is set
aside alone, and the others of its pack go on.
"""

import json
import re
from collections.abc import Iterator, Sequence
from math import isfinite

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from satomori_core.errors import RejectedError
from satomori_core.ranges import Range, count
from satomori_core.senml import PAYLOAD_BYTES_MAX, Loss, decompress
from satomori_core.topics import is_name, parse_topic, subscription
from satomori_core.vocabulary import Lane
from satomori_ingest.decoders import Decoded, Fault, Numbering, Value, Values

VERSION = 10
SECONDS_MAX = 1e11
RELATIVE_BELOW_S = 2**28
RELATIVE_BELOW_US = RELATIVE_BELOW_S * 1_000_000
SEQUENCE_MAX = 2**62
RECORDS_MAX = PAYLOAD_BYTES_MAX // 12  # the shortest record with a name and a value
_HEAD_BYTES = 65_536

_STREAM = re.compile(rb'"stream"\s*:\s*"([A-Za-z0-9._-]{1,64})"')
_SEQ = re.compile(rb'"seq"\s*:\s*(\[[0-9,\s\[\]]{0,20000}\])')


class _Record(msgspec.Struct, gc=False):
    """A record without a fault. Whatever does not fit, null included, takes the pack the slow way."""

    n: str = ""
    v: float | UnsetType = UNSET
    t: float = 0.0
    u: str | UnsetType = UNSET
    bn: str | UnsetType = UNSET
    bt: float | UnsetType = UNSET
    bv: float | UnsetType = UNSET
    bu: str | UnsetType = UNSET
    bver: int = VERSION
    vb: bool | UnsetType = UNSET
    vs: str | UnsetType = UNSET
    vd: str | UnsetType = UNSET
    s: float | UnsetType = UNSET
    stream: str | UnsetType = UNSET
    seq: list[tuple[int, int]] | UnsetType = UNSET
    again: bool = False


class Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A record of a pack that has no base fields: what our edges send. An escaped key is known for what it is."""

    n: str
    v: float
    t: float = 0.0
    u: str | None = None
    stream: str | None = None
    seq: list[tuple[int, int]] | None = None
    again: bool = False


decode_plain = msgspec.json.Decoder(list[Plain]).decode
NAMES_REMEMBERED_MAX = 200_000
LISTS_REMEMBERED_MAX = 20_000
_names: set[str] = set()  # those that were looked at and are `<device>/<metric>`
_lists: dict[tuple[int, str, str], list[str]] = {}
_fast = msgspec.json.Decoder(list[_Record])


class SenmlDecoder:
    """Our own topics, of both lanes."""

    def __init__(self) -> None:
        self.name = "senml"
        self.filters: Sequence[str] = [subscription(lane) for lane in Lane]

    def gateway(self, topic: str) -> str:
        return parse_topic(topic).gateway

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
        return decode(self.gateway(topic), payload, received_at_us)

    def numbering(self, payload: bytes) -> Numbering | None:
        return numbering(payload)


def decode(gateway: str, payload: bytes, received_at_us: int) -> Decoded:
    """The pack in `payload`. Raise RejectedError where it is none, or its numbering does not fit it.

    Without an outbox small times count from now; with one all are absolute, so that a resend says the same.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise RejectedError("too_large", f"{len(payload)} bytes; the limit is {PAYLOAD_BYTES_MAX}")
    text = decompress(payload)
    for quick in (_decode_plain, _decode_whole):
        try:
            decoded = quick(gateway, text, received_at_us)
        except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError):
            continue
        if decoded is not None:
            return decoded
    return _decode_document(gateway, text, received_at_us)


def _decode_plain(gateway: str, text: bytes, received_at_us: int) -> Decoded | None:
    """None for a pack that has anything odd. Whether a name is `<device>/<metric>` shows where it is looked up."""
    records = decode_plain(text)
    names = [r.n for r in records]
    if not names:
        return None
    seconds = [r.t for r in records]
    if not -SECONDS_MAX <= min(seconds) <= max(seconds) <= SECONDS_MAX:
        return None
    values = Values(_shared(names), to_us(seconds), np.array([r.v for r in records]), [r.u for r in records])
    head = records[0]
    return _numbered(gateway, values, (head.stream, head.seq, head.again), received_at_us)


def to_us(seconds: list[float]) -> NDArray[np.int64]:
    return np.rint(np.multiply(seconds, 1e6)).astype(np.int64)


def _shared(names: list[str]) -> list[str]:
    """One list for all packs that name the same: a batch of many packs then stays in the processor's cache."""
    key = len(names), names[0], names[-1]
    known = _lists.get(key)
    if known == names:
        return known
    if len(_lists) >= LISTS_REMEMBERED_MAX:
        _lists.clear()
    _lists[key] = names
    return names


def _are_names(names: list[str]) -> bool:
    """A name needs a device and a metric; a first slash at its start or only at its end leaves one of them empty."""
    if _names.issuperset(names):
        return True
    if not all(0 < name.find("/") < len(name) - 1 for name in names):
        return False
    if len(_names) > NAMES_REMEMBERED_MAX:
        _names.clear()
    _names.update(names)
    return True


def _decode_whole(gateway: str, text: bytes, received_at_us: int) -> Decoded | None:
    """None where a record is bad in itself."""
    records = _fast.decode(text)
    values = _resolve(records)
    if values is None or not records:
        return None
    head = records[0]
    stream = None if head.stream is UNSET else head.stream
    return _numbered(gateway, values, (stream, head.seq, head.again), received_at_us)


def _numbered(gateway: str, values: Values, numbering: tuple[str | None, object, bool], received_at_us: int) -> Decoded:
    stream, seq, again = numbering
    if stream is None:
        return Decoded(gateway, _from_now(values, received_at_us))
    return Decoded(gateway, values, stream=stream, seq=_numbers(stream, seq, len(values)), again=again)


def _resolve(records: Sequence[_Record]) -> Values | None:
    """Base fields added up as RFC 8428 section 4.1 says; None where a record needs the slow way."""
    names: list[str] = []
    seconds_of: list[float] = []
    numbers: list[float] = []
    units: list[str | None] = []
    bn, bt, bv = "", 0.0, 0.0
    bu: str | None = None
    for record in records:
        if record.bn is not UNSET:
            bn = record.bn
        if record.bt is not UNSET:
            bt = record.bt
        if record.bv is not UNSET:
            bv = record.bv
        if record.bu is not UNSET:
            bu = record.bu
        v, u = record.v, record.u
        if record.bver != VERSION:
            return None
        if v is UNSET:
            if not _only_base(record):
                return None
            continue
        seconds = bt + record.t
        if not -SECONDS_MAX <= seconds <= SECONDS_MAX:
            return None
        names.append(bn + record.n)
        seconds_of.append(seconds)
        numbers.append(bv + v)
        units.append(bu if u is UNSET else u)
    return Values(names, to_us(seconds_of), np.array(numbers, np.float64), units) if _are_names(names) else None


def _from_now(values: Values, now_us: int) -> Values:
    """RFC 8428 section 4.5.3: seconds below 2**28 count from now."""
    times_us = np.where(values.times_us >= RELATIVE_BELOW_US, values.times_us, values.times_us + now_us)
    return Values(values.names, times_us, values.numbers, values.units)


def _only_base(record: _Record) -> bool:
    return record.vb is UNSET and record.vs is UNSET and record.vd is UNSET and record.s is UNSET


def _numbers(stream: object, seq: object, values: int) -> list[Range]:
    """The pack's ranges. Raise RejectedError where they don't number every value once."""
    _check_stream(stream)
    ranges = _ranges(seq)
    if count(ranges) != values:
        raise RejectedError("seq", f"{count(ranges)} sequence numbers for {values} values")
    return ranges


def _check_stream(stream: object) -> str:
    if not isinstance(stream, str) or not is_name(stream):
        raise RejectedError("seq", f"stream {stream!r} is not an id of 1 to 64 letters A-Z a-z 0-9 . _ -")
    return stream


def _ranges(document: object) -> list[Range]:
    if not isinstance(document, list):
        raise RejectedError("seq", "ranges of sequence numbers are [[first, last], …]")
    ranges: list[Range] = []
    for pair in document:
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and type(pair[0]) is type(pair[1]) is int):
            raise RejectedError("seq", f"{pair!r} is not a range [first, last] of sequence numbers")
        first, last = pair
        if not 0 < first <= last < SEQUENCE_MAX:
            raise RejectedError("seq", f"{pair!r} is not a range: numbers start at 1 and ascend")
        ranges.append((first, last))
    return ranges


# ------------------------------------------------------------------ record by record


def _decode_document(gateway: str, text: bytes, received_at_us: int) -> Decoded:
    try:
        # The standard library's reader also takes NaN and Infinity, which devices do send.
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RejectedError("not_json", f"the message is not JSON: {error}") from None
    if isinstance(document, dict):
        return _decode_losses(gateway, document)
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise RejectedError("not_senml", "the message is not a SenML array of records")
    values: list[Value] = []
    positions: list[int] = []
    faults: list[Fault] = []
    position = 0
    for record, base in _with_base(document):
        if record.get("bver", VERSION) != VERSION:
            raise RejectedError("not_senml", f"SenML version {record['bver']!r}; we speak {VERSION}")
        if not _has_value(record):
            continue
        try:
            values.append(_value(record, base))
            positions.append(position)
        except RejectedError as error:
            faults.append(_fault(record, base, position, error))
        position += 1
    head = document[0] if document else {}
    if head.get("stream") is None:
        return Decoded(gateway, _from_now(Values.of(values), received_at_us), positions, faults)
    stream = _check_stream(head["stream"])
    seq = _numbers(stream, head.get("seq"), position)
    return Decoded(gateway, values, positions, faults, stream, seq, again=head.get("again") is True)


Record = dict[str, object]


def _with_base(document: list[Record]) -> Iterator[tuple[Record, Record]]:
    """Each record with the base fields that hold for it. A base field that is no good spoils all that follows it."""
    base: Record = {"bn": "", "bt": 0.0, "bv": 0.0, "bu": None}
    for record in document:
        base = {key: record.get(key, held) for key, held in base.items()}
        yield record, base


def _has_value(record: Record) -> bool:
    return "v" in record or isinstance(record.get("vb"), bool) or bool({"vs", "vd", "s"} & record.keys())


def _value(record: Record, base: Record) -> Value:
    if "v" in record:
        value = _number(base, "bv") + _number(record, "v")
    elif isinstance(record.get("vb"), bool):
        value = float(bool(record["vb"]))
    else:
        raise RejectedError("not_numeric", "text, binary and sum values are not readings")
    unit = record.get("u", base["bu"])
    if unit is not None and not isinstance(unit, str):
        raise RejectedError("not_senml", f"unit {unit!r} is not text")
    name = f"{base['bn']}{record.get('n', '')}"
    device, _, metric = name.partition("/")
    if not device or not metric:
        raise RejectedError("name", f"name {name!r} is not <device>/<metric>")
    seconds = _number(base, "bt") + _number(record, "t")
    if not isfinite(seconds) or abs(seconds) > SECONDS_MAX:
        raise RejectedError("time", f"time {seconds!r} is out of all reason")
    return name, round(seconds * 1e6), value, unit


def _number(record: Record, key: str) -> float:
    value = record.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RejectedError("not_senml", f"{key} is {value!r}, not a number")
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _fault(record: Record, base: Record, position: int, error: RejectedError) -> Fault:
    """The record with its base fields and without the pack's numbering, so that it stands alone."""
    # A base that is null is what is wrong with it; only of the unit null says that there is none.
    alone = {key: value for key, value in base.items() if value is not None or key != "bu"} | record
    for key in ("stream", "seq", "again"):
        alone.pop(key, None)
    name = f"{alone.get('bn', '')}{alone.get('n', '')}"
    return Fault(position, error.reason, str(error), json.dumps([alone]).encode(), name)


def _decode_losses(gateway: str, document: Record) -> Decoded:
    stream, lost = document.get("stream"), document.get("lost")
    if not isinstance(stream, str) or not isinstance(lost, list):
        raise RejectedError("not_senml", "an object that has no stream and lost is not SenML")
    _check_stream(stream)
    losses: list[Loss] = []
    for row in lost:
        if not (isinstance(row, list) and len(row) == 3 and isinstance(row[2], str)):
            raise RejectedError("not_senml", f"{row!r} is not a loss [first, last, reason]")
        [(first, last)] = _ranges([row[:2]])
        losses.append(Loss(first, last, row[2]))
    return Decoded(gateway, stream=stream, losses=losses)


# ------------------------------------------------------------------ numbers of what can't be read


def numbering(payload: bytes) -> Numbering | None:
    """`stream` and `seq` from the head of a message that may be broken anywhere, even cut off."""
    try:
        head = decompress(payload)[:_HEAD_BYTES]
    except RejectedError:
        return None
    stream, seq = _STREAM.search(head), _SEQ.search(head)
    if stream is None or seq is None:
        return None
    try:
        ranges = _ranges(json.loads(seq[1]))
    except (ValueError, RecursionError, RejectedError):
        return None
    # Each record takes some bytes: a message can't have had more numbers than that.
    if not 0 < count(ranges) <= RECORDS_MAX:
        return None
    return Numbering(stream[1].decode(), ranges)
