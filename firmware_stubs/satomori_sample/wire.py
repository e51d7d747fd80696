"""What goes over the wires, written a second time and apart from Satomori: SenML packs, acknowledgements, text lines.

Topics are `satomori/v1/<gateway>/` + telemetry, backlog, status, ack. SenML is RFC 8428 JSON.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ROOT = "satomori/v1"
LINE_START = "$SATOMORI"
Span = tuple[int, int]  # first and last sequence number, both included


class WireError(Exception):
    """What came over the wire can't be understood."""


@dataclass(frozen=True, slots=True)
class Value:
    device: str
    metric: str
    at_us: int
    value: float
    unit: str


def topic(gateway: str, channel: str) -> str:
    return f"{ROOT}/{gateway}/{channel}"


def gateway_of(address: str) -> str:
    """Raise WireError for a topic that is not one of ours."""
    parts = address.split("/")
    if len(parts) != 4 or f"{parts[0]}/{parts[1]}" != ROOT:
        raise WireError(f"{address!r} is not {ROOT}/<gateway>/<channel>")
    return parts[2]


def encode_record(value: Value) -> str:
    """One record without the brackets around it, so that a pack can be put together from kept ones."""
    record = {"n": f"{value.device}/{value.metric}", "u": value.unit, "t": seconds(value.at_us), "v": value.value}
    return json.dumps(record, separators=(",", ":"), allow_nan=False)


def encode_pack(records: Sequence[str], stream: str, spans: Sequence[Span], *, again: bool = False) -> bytes:
    """A pack; its first record says which numbers the values have."""
    head = json.dumps({"stream": stream, "seq": spans, **({"again": True} if again else {})}, separators=(",", ":"))
    first, *rest = records
    return ("[" + ",".join([f"{head[:-1]},{first[1:]}", *rest]) + "]").encode()


def encode_losses(stream: str, lost: Sequence[tuple[int, int, str]]) -> bytes:
    return json.dumps({"stream": stream, "lost": lost}, separators=(",", ":")).encode()


def decode_ack(payload: bytes) -> tuple[str, list[Span], list[Span]]:
    """(stream, stored, set aside). Raise WireError."""
    try:
        document = json.loads(payload)
        stream = document["stream"]
        stored, aside = ([(int(a), int(b)) for a, b in document.get(key, [])] for key in ("stored", "set_aside"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WireError(f"not an acknowledgement: {error!r}") from None
    return str(stream), stored, aside


def seconds(at_us: int) -> float:
    """Seconds since 1970; a double keeps µs exactly enough to come back by rounding."""
    return at_us // 1_000_000 if at_us % 1_000_000 == 0 else at_us / 1_000_000


def encode_line(device: str, values: Iterable[float | None]) -> bytes:
    """`$SATOMORI,<device>,<value>,…*HH`, HH the XOR of what is between, as in NMEA 0183. None: nothing measured."""
    body = ",".join([LINE_START[1:], device, *("" if value is None else f"{value:.10g}" for value in values)])
    total = 0
    for byte in body.encode("ascii"):
        total ^= byte
    return f"${body}*{total:02X}\r\n".encode("ascii")


# ------------------------------------------------------------------ sets of sequence numbers


def merged(spans: Iterable[Span]) -> list[Span]:
    """Ascending, disjoint, neighbours joined."""
    joined: list[Span] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def covered(spans: Sequence[Span], first: int, last: int) -> bool:
    """Whether all numbers from first to last are in merged spans."""
    return any(low <= first and last <= high for low, high in spans)


def count(spans: Iterable[Span]) -> int:
    return sum(last - first + 1 for first, last in spans)
