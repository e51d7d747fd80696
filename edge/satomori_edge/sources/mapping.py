"""From a device's own JSON to readings, by a mapping of the settings. Pure."""

import json
import math
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from satomori_core.clock import from_datetime
from satomori_core.errors import RejectedError
from satomori_core.readings import Reading
from satomori_core.topics import is_name
from satomori_edge.settings import JsonField, MqttMapping
from satomori_edge.sources.base import scaled

MESSAGE_BYTES_MAX = 65_536


def matches(pattern: str, topic: str) -> bool:
    """MQTT's rules: `+` is one level, `#` all that follow; neither begins a match of a `$…` topic."""
    if topic.startswith("$") != pattern.startswith("$"):
        return False
    wanted, levels = pattern.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        if len(levels) < len(wanted):
            return False
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(w in ("+", x) for w, x in zip(wanted, levels, strict=True))


def parse_message(
    topic: str, payload: bytes, mapping: MqttMapping, zone: ZoneInfo, arrived_us: int
) -> Iterator[Reading | RejectedError]:
    """A reading for each field that is there, or why it is none. Raise RejectedError where the whole message is wrong.

    A field that is missing or null yields nothing: many devices send what has changed.
    """
    if len(payload) > MESSAGE_BYTES_MAX:
        raise RejectedError("too_large", f"{len(payload)} bytes; the limit is {MESSAGE_BYTES_MAX}")
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise RejectedError("not_json", f"the message is not JSON: {error}") from None
    device = _device(topic, document, mapping)
    at_us = arrived_us if mapping.time_path is None else _time(document, mapping, zone)
    for f in mapping.fields:
        raw = _at(document, f.path)
        if raw is not None:
            yield _reading(raw, f, device, at_us)


def _at(document: object, path: str) -> object:
    """What lies at `path`, or None."""
    found = document
    for key in path.split("."):
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def _device(topic: str, document: object, mapping: MqttMapping) -> str:
    if mapping.device is not None:
        return mapping.device
    if mapping.device_level is not None:
        levels = topic.split("/")
        found: object = levels[mapping.device_level] if mapping.device_level < len(levels) else None
    else:
        found = _at(document, mapping.device_path or "")
    device = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    if not is_name(device):
        raise RejectedError("device", f"{found!r} is no device's name")
    return device


def _time(document: object, mapping: MqttMapping, zone: ZoneInfo) -> int:
    raw = _at(document, mapping.time_path or "")
    if mapping.time_format == "iso" and isinstance(raw, str):
        try:
            moment = datetime.fromisoformat(raw)
        except ValueError:
            raise RejectedError("time", f"{raw[:40]!r} is not an ISO 8601 time") from None
        return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    if (
        mapping.time_format != "iso"
        and isinstance(raw, int | float)
        and not isinstance(raw, bool)
        and math.isfinite(raw)
    ):
        return round(raw * (1_000_000 if mapping.time_format == "s" else 1000))
    raise RejectedError("time", f"{raw!r} at {mapping.time_path} is not a time ({mapping.time_format})")


def _reading(raw: object, f: JsonField, device: str, at_us: int) -> Reading | RejectedError:
    try:
        # Numbers as text are common; true and false are states.
        value = float(raw) if isinstance(raw, int | float | str) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        return RejectedError("not_a_number", f"{f.path}: {str(raw)[:40]!r} is not a number")
    return Reading(device, f.metric, at_us, scaled(value, f.scale, f.offset), f.unit)
