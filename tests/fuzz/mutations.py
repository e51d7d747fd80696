"""Messages made worse: what lines, disks and firmware make of a good one of the cases, with a seeded chance."""

import gzip
import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

from satomori_core.errors import RejectedError
from satomori_ingest.sparkplug_payload import parse_payload

MUTATIONS_MAX = 4
# What is put between, or in the place of a number or a text.
TOKENS = (
    b"null", b"true", b"false", b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"-0", b"0.1e-400", b"1_0",
    b"0x10", b"01", b"9" * 400, b"-" + b"9" * 400, b"9" * 5000, b"1" + b"0" * 40, b"9223372036854775808",
    b"-62135596801", b"253402300800000", b"{}", b"[]", b"[[]]", b'""', b'"\\ud800"', b'"\\u0000"', b'"\\"', b'"a/b"',
    b'"\xff"', b"\xed\xa0\x80", b"\xf0\x9f\x8c\xbe", "℃".encode(), "１２".encode(), "田/気温".encode(), b"\x00",
    b"\x1f\x8b",
    b"\\", b'"', b"'", b",", b":", b"=", b" ", b"\n", b"\r\n", b"\t", b"#", b"/", b"i", b"u", b"[", b"]", b"{", b"}",
    b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59.999999-23:59"', b'"2026-13-45T99:00:00Z"',
    b'"2026-06-01T03:00:00"', b'"1e5"', b'"nan"', b'"inf"', b'"ON"', b'"offline"', b'"' + b"a" * 70 + b'"',
    b'"stream":"s1","seq":[[1,2]],', b'"seq":[[1,4000000000000000000]]', b'"lost":[[1,9,"x"]]', b'"bver":11',
)  # fmt: skip
ODD_VALUES: Sequence[object] = (
    None, True, False, 0, -0.0, 1, -1, 1e308, -1e308, 5e-324, float("nan"), float("inf"), 2**63, -(2**63), 10**400, "",
    "21.5", " 7 ", "1e999", "NaN", "ON", "Offline", "\ud800", "\0", "気温", "a/b", "x" * 70,
    [], {}, [[]], [1, 2], {"a": 1},
    "2026-06-01T03:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59", 1780282800, 1780282800250,
    1780282800250000000, -62135596801, "C", "F", "inHg",
)  # fmt: skip
ODD_TIMES = (0, 1, 1780282800250, 10**14, 10**14 + 1, 2**63, 2**64 - 1)
ODD_METRICS: Sequence[tuple[str, Sequence[object]]] = (
    ("name", (b"", b"air_temperature", b"Tank/Level", b"\xff\xfe", b"a/b", "気温".encode(), b"x" * 70)),
    ("alias", (0, 1, 2, 3, 2**64 - 1)),
    ("timestamp", ODD_TIMES),
    ("datatype", (*range(35), 2**32 - 1)),
    ("is_transient", (True,)),
    ("is_null", (True,)),
    ("int_value", (0, 1, 2**31, 2**32 - 1)),
    ("long_value", (0, 1, 2**63, 2**64 - 1)),
    ("float_value", (0.0, 21.5, float("nan"), float("-inf"))),
    ("double_value", (-0.0, 1e308, 5e-324, float("nan"), float("inf"))),
    ("boolean_value", (True, False)),
)
_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')
_PAIR = re.compile(rb'("(?:[^"\\]|\\.)*"\s*:\s*)("(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*)')
_NESTINGS = ((b"[", b"]"), (b'{"a":', b"}"), (b'{"object":', b"}"))
BOMB_BYTES = 16_000_000

Mutation = Callable[[bytes, Sequence[bytes], Random], bytes]


def mutate(payload: bytes, others: Sequence[bytes], chance: Random) -> bytes:
    """`payload` after none to MUTATIONS_MAX changes; `others`: what it may be spliced with."""
    for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3, MUTATIONS_MAX))):
        payload = chance.choices(_MUTATIONS, _WEIGHTS)[0](payload, others, chance)
    return payload


def _place(payload: bytes, chance: Random) -> int:
    return chance.randrange(len(payload) + 1)


def _span(payload: bytes, chance: Random) -> tuple[int, int]:
    first, last = sorted((_place(payload, chance), _place(payload, chance)))
    return first, last


def flip_bits(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    changed = bytearray(payload)
    for _time in range(chance.randint(1, 8) if payload else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def truncate(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    return payload[: _place(payload, chance)]


def splice(payload: bytes, others: Sequence[bytes], chance: Random) -> bytes:
    other = chance.choice(others)
    return payload[: _place(payload, chance)] + other[_place(other, chance) :]


def repeat_part(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    first, last = _span(payload, chance)
    return payload[:last] + payload[first:last] * chance.choice((1, 1, 2, 20)) + payload[last:]


def leave_out(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    first, last = _span(payload, chance)
    return payload[:first] + payload[last:]


def insert_token(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    at = _place(payload, chance)
    return payload[:at] + chance.choice(TOKENS) + payload[at:]


def replace_value(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    found = list(_VALUE.finditer(payload))
    if not found:
        return chance.choice(TOKENS)
    where = chance.choice(found)
    return payload[: where.start()] + chance.choice(TOKENS) + payload[where.end() :]


def swap_values(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    """One value in the place of another: a text where a number belongs, and the other way round."""
    found = list(_VALUE.finditer(payload))
    if not found:
        return payload
    one, other = chance.choice(found), chance.choice(found)
    return payload[: one.start()] + other[0] + payload[one.end() :]


def restructure(payload: bytes, others: Sequence[bytes], chance: Random) -> bytes:
    """What stays JSON, or Sparkplug: a part of it left out, wrapped, renamed, or something else in its place."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return _reshape(payload, others, chance)
    holder: dict[str, object] = {"": document}
    node, key = _descend(holder, chance)
    change = chance.randrange(4)
    if change == 0:
        node.pop(key)
    elif change == 1:
        node[key] = chance.choice(([node[key]], {"a": node[key]}, [node[key]] * 3))
    elif change == 2 and isinstance(key, str) and isinstance(node, dict):
        node[chance.choice(("", "value", "state", "time", "n", "v", "co2", "a.b", "Ａ"))] = node.pop(key)
    else:
        node[key] = chance.choice(ODD_VALUES)
    return json.dumps(holder.get("")).encode()


def _reshape(payload: bytes, others: Sequence[bytes], chance: Random) -> bytes:
    try:
        parsed: Any = parse_payload(payload)
    except RejectedError:
        return insert_token(payload, others, chance)
    metric = chance.choice(parsed.metrics) if parsed.metrics else parsed.metrics.add()
    change = chance.randrange(4)
    name, odd = chance.choice(ODD_METRICS)
    if change == 0:
        metric.ClearField(name)
    elif change == 1:
        parsed.metrics.add().CopyFrom(metric)
    elif change == 2:
        parsed.timestamp, parsed.seq = chance.choice(ODD_TIMES), chance.choice((0, 1, 2, 255, 256))
    else:
        setattr(metric, name, chance.choice(odd))
    return bytes(parsed.SerializeToString())


def _descend(holder: dict[str, object], chance: Random) -> tuple[Any, Any]:
    """A list or an object somewhere in `holder`, and a key of it."""
    node: Any = holder
    while True:
        key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
        if not isinstance(node[key], dict | list) or not node[key] or chance.random() < 0.15:
            return node, key
        node = node[key]


def duplicate_key(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    found = list(_PAIR.finditer(payload))
    if not found:
        return payload
    pair = chance.choice(found)
    return payload[: pair.start()] + pair[1] + chance.choice(TOKENS) + b"," + payload[pair.start() :]


def nest(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    """A value deep inside, as deep as makes readers fail."""
    first, last = chance.choice(_NESTINGS)
    depth = chance.choice((2, 60, 900, 20_000))
    found = list(_VALUE.finditer(payload))
    start, end = chance.choice(found).span() if found else (0, len(payload))
    return payload[:start] + first * depth + payload[start:end] + last * depth + payload[end:]


def compress(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    packed = gzip.compress(payload, 1)
    return flip_bits(packed, (), chance) if chance.random() < 0.3 else packed


def bomb(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    """Small, and more than a message may hold when it is unpacked."""
    return _bomb(chance.choice((b" ", b"[", b"0"))) if chance.random() < 0.5 else payload + _bomb(b" ")


@cache
def _bomb(filling: bytes) -> bytes:
    return gzip.compress(filling * BOMB_BYTES, 9)


def noise(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    return chance.randbytes(chance.randrange(len(payload) + 1))


def swell(payload: bytes, _: Sequence[bytes], chance: Random) -> bytes:
    """About as large as a message may be, or a bit more."""
    return payload * (chance.choice((1_000_000, 1_100_000)) // max(len(payload), 1))


_WEIGHTED: Sequence[tuple[Mutation, float]] = (
    (flip_bits, 2), (truncate, 2), (splice, 2), (repeat_part, 1), (leave_out, 1), (insert_token, 3), (replace_value, 4),
    (restructure, 10), (swap_values, 2), (duplicate_key, 2), (nest, 0.5), (compress, 0.5),
    (bomb, 0.05), (noise, 0.5), (swell, 0.005),
)  # fmt: skip
_MUTATIONS = [mutation for mutation, _ in _WEIGHTED]
_WEIGHTS = [weight for _, weight in _WEIGHTED]
