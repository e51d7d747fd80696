"""Sparkplug B's payload, as far as a reading needs it: protobuf in, protobuf out, and what a metric's number is. Pure.

Source: Sparkplug specification 3.0.0, chapter 6, recalled and checked against pysparkplug's descriptor. Only what is
read here is written below; the library keeps the other fields as they came.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from satomori_core.errors import RejectedError
from satomori_core.senml import PAYLOAD_BYTES_MAX

METRICS_MAX = 10_000
_F = FieldDescriptorProto
# (name, number, type, whether repeated). Texts are taken as bytes, which are the same on the wire: what is not UTF-8
# is then ours to refuse. The metric's value is a oneof; a sender that fills two of its fields has broken the protocol.
_FIELDS: dict[str, tuple[tuple[str, int, Any, bool], ...]] = {
    "PropertyValue": (
        ("int_value", 3, _F.TYPE_UINT32, False),
        ("long_value", 4, _F.TYPE_UINT64, False),
    ),
    "PropertySet": (
        ("keys", 1, _F.TYPE_BYTES, True),
        ("values", 2, ".s.PropertyValue", True),
    ),
    "Metric": (
        ("name", 1, _F.TYPE_BYTES, False),
        ("alias", 2, _F.TYPE_UINT64, False),
        ("timestamp", 3, _F.TYPE_UINT64, False),
        ("datatype", 4, _F.TYPE_UINT32, False),
        ("is_transient", 6, _F.TYPE_BOOL, False),
        ("is_null", 7, _F.TYPE_BOOL, False),
        ("properties", 9, ".s.PropertySet", False),
        ("int_value", 10, _F.TYPE_UINT32, False),
        ("long_value", 11, _F.TYPE_UINT64, False),
        ("float_value", 12, _F.TYPE_FLOAT, False),
        ("double_value", 13, _F.TYPE_DOUBLE, False),
        ("boolean_value", 14, _F.TYPE_BOOL, False),
    ),
    "Payload": (
        ("timestamp", 1, _F.TYPE_UINT64, False),
        ("metrics", 2, ".s.Metric", True),
        ("seq", 3, _F.TYPE_UINT64, False),
        ("uuid", 4, _F.TYPE_BYTES, False),
    ),
}
# Of an integer's type: its bits, and whether it has a sign.
_INTEGERS = {
    **{kind: (bits, True) for kind, bits in zip((1, 2, 3, 4), (8, 16, 32, 64), strict=True)},
    **{kind: (bits, False) for kind, bits in zip((5, 6, 7, 8), (8, 16, 32, 64), strict=True)},
}
_FLOATS = (9, 10)
BOOLEAN = 11
# How Tahu marks a payload that is packed once more.
_COMPRESSED = b"SPBV1.0_COMPRESSED"
_GOOD = 192


class _Message(Protocol):
    def HasField(self, name: str, /) -> bool: ...  # noqa: N802 - the library's name


class _PropertyValue(_Message, Protocol):
    int_value: int
    long_value: int


class _PropertySet(Protocol):
    keys: Sequence[bytes]
    values: Sequence[_PropertyValue]


class Metric(_Message, Protocol):
    """A protobuf message. What it has not is 0, false or empty; `HasField` tells."""

    name: bytes
    alias: int
    timestamp: int
    datatype: int
    is_transient: bool
    is_null: bool
    properties: _PropertySet
    int_value: int
    long_value: int
    float_value: float
    double_value: float
    boolean_value: bool


class Payload(_Message, Protocol):
    timestamp: int
    metrics: Sequence[Metric]
    seq: int
    uuid: bytes

    def SerializeToString(self) -> bytes: ...  # noqa: N802 - the library's name


def _message_class() -> Any:  # noqa: ANN401 - made at run time; what comes of it is a Payload
    file = FileDescriptorProto(name="s.proto", package="s", syntax="proto2")
    for name, fields in _FIELDS.items():
        message = DescriptorProto(name=name)
        for field, number, kind, repeated in fields:
            label = _F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL
            if isinstance(kind, str):
                message.field.add(name=field, number=number, type=_F.TYPE_MESSAGE, type_name=kind, label=label)
            else:
                message.field.add(name=field, number=number, type=kind, label=label)
        file.message_type.append(message)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("s.Payload"))


_PAYLOAD = _message_class()


def parse_payload(payload: bytes) -> Payload:
    """Raise RejectedError for what is none."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise RejectedError("too_large", f"{len(payload)} bytes; the limit is {PAYLOAD_BYTES_MAX}")
    try:
        parsed: Payload = _PAYLOAD.FromString(payload)
    except DecodeError as error:
        raise RejectedError("not_sparkplug", f"the message is no Sparkplug B payload: {error}") from None
    if parsed.uuid == _COMPRESSED:
        raise RejectedError("compressed", "a compressed payload; have the node send it as it is")
    if len(parsed.metrics) > METRICS_MAX:
        raise RejectedError("too_large", f"{len(parsed.metrics)} metrics; the limit is {METRICS_MAX}")
    return parsed


def name_of(metric: Metric) -> str:
    """Empty where it has only an alias. Raise RejectedError where it is no text."""
    try:
        return metric.name.decode()
    except UnicodeDecodeError:
        raise RejectedError("not_sparkplug", f"the metric's name {metric.name[:40]!r} is not UTF-8") from None


def number_of(metric: Metric) -> float:
    """Raise RejectedError where its type is none of a number, or is needed and not there."""
    kind = metric.datatype
    if kind in _INTEGERS and (metric.HasField("int_value") or metric.HasField("long_value")):
        bits, signed = _INTEGERS[kind]
        # Some encoders extend the sign to the field's 32 bits, others to the type's own: both read the same from here.
        number = (metric.int_value if metric.HasField("int_value") else metric.long_value) & ((1 << bits) - 1)
        return float(number - (1 << bits) if signed and number >> (bits - 1) else number)
    if kind in (0, *_FLOATS):
        for field in ("float_value", "double_value"):
            if metric.HasField(field):
                return float(getattr(metric, field))
    if kind in (0, BOOLEAN) and metric.HasField("boolean_value"):
        return float(metric.boolean_value)
    if kind == 0:
        raise RejectedError("no_birth", "no type, and no birth that says which")
    raise RejectedError("datatype", f"data type {kind} with this value is no number")


def quality_of(metric: Metric) -> int:
    """What the sender says of it: 0 bad, 192 good, 500 stale (its property `Quality`)."""
    properties = metric.properties
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key.lower() == b"quality":
            return value.int_value if value.HasField("int_value") else value.long_value
    return _GOOD


def is_good(metric: Metric) -> bool:
    return quality_of(metric) == _GOOD


def only(payload: Payload, metrics: Sequence[Metric]) -> bytes:
    """A message of these of its metrics."""
    message = _PAYLOAD(metrics=metrics)
    if payload.HasField("timestamp"):
        message.timestamp = payload.timestamp
    return bytes(message.SerializeToString())


def rebirth(at_us: int) -> bytes:
    """An NCMD that asks a node for its births: `Node Control/Rebirth`."""
    command = _PAYLOAD(timestamp=at_us // 1000)
    command.metrics.add(name=b"Node Control/Rebirth", timestamp=at_us // 1000, datatype=BOOLEAN, boolean_value=True)
    return bytes(command.SerializeToString())
