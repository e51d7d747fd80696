"""Third parties' JSON, read by a mapping in the settings: which topic, whose device, which field is which metric."""

import json
import re
import zoneinfo
from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from typing import NoReturn

from satomori_core.clock import from_datetime
from satomori_core.errors import RejectedError
from satomori_core.senml import PAYLOAD_BYTES_MAX, decompress
from satomori_core.topics import is_name
from satomori_ingest.decoders import Decoded, Fault, Numbering, Value
from satomori_ingest.settings import FieldMapping, MappingSettings

RECORDS_MAX = 10_000
SECONDS_MAX = 1e11
_PART = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_PER_SECOND = {"unix_s": 1, "unix_ms": 1000, "unix_us": 1_000_000}


class JsonMappingDecoder:
    """One mapping. Such messages carry no sequence numbers."""

    def __init__(self, mapping: MappingSettings) -> None:
        self.filters: Sequence[str] = [mapping.topic_filter()]
        self._mapping = mapping
        self._names = [match[1] if (match := _PART.fullmatch(level)) else None for level in mapping.topic.split("/")]
        self._zone = zoneinfo.ZoneInfo(mapping.time_zone)

    def gateway(self, topic: str) -> str:
        pattern = self._mapping.gateway or self._mapping.device
        return self._fill(pattern, topic) if pattern is not None else ""

    def numbering(self, payload: bytes) -> Numbering | None:  # noqa: ARG002 - third parties number nothing
        return None

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise RejectedError("too_large", f"{len(payload)} bytes; the limit is {PAYLOAD_BYTES_MAX}")
        try:
            document = json.loads(decompress(payload))
        except (ValueError, RecursionError) as error:
            raise RejectedError("not_json", f"the message is not JSON: {error}") from None
        values: list[Value] = []
        positions: list[int] = []
        faults: list[Fault] = []
        device = ""
        for record in self._records(document):
            device = self._device(topic, document, record)
            at_us = received_at_us if self._mapping.time_field is None else self._observed_at(document, record)
            for field in self._mapping.fields:
                sent = _reach(record, field.path)
                if sent is None:
                    continue  # not every message has every field
                position = len(values) + len(faults)
                name = f"{device}/{field.metric}"
                try:
                    values.append((name, at_us, _to_number(sent, field), field.unit))
                    positions.append(position)
                except RejectedError as error:
                    faults.append(Fault(position, error.reason, str(error), payload, name))
        if not values and not faults:
            wanted = ", ".join(field.path for field in self._mapping.fields)
            raise RejectedError("no_fields", f"none of the fields {wanted} of mapping {self._mapping.name!r} is there")
        gateway = self._fill(self._mapping.gateway, topic) if self._mapping.gateway else device
        return Decoded(gateway, values, positions, faults)

    def _records(self, document: object) -> list[object]:
        found = _reach(document, self._mapping.records) if self._mapping.records else document
        if self._mapping.records and not isinstance(found, list):
            raise RejectedError("no_records", f"{self._mapping.records!r} is no list of records")
        records = found if isinstance(found, list) else [found]
        if len(records) > RECORDS_MAX:
            raise RejectedError("too_large", f"{len(records)} records; the limit is {RECORDS_MAX}")
        return records

    def _device(self, topic: str, document: object, record: object) -> str:
        path = self._mapping.device_field
        if path is None:
            device: object = self._fill(self._mapping.device or "", topic)
        else:
            device = _reach(record, path)
            device = _reach(document, path) if device is None else device
        device = str(device) if isinstance(device, int) and not isinstance(device, bool) else device
        if not isinstance(device, str) or not is_name(device):
            raise RejectedError("name", f"device {device!r} is no name that the registry can hold")
        return device

    def _fill(self, pattern: str, topic: str) -> str:
        parts = {name: level for name, level in zip(self._names, topic.split("/"), strict=False) if name}
        return _PART.sub(lambda match: parts.get(match[1], ""), pattern)

    def _observed_at(self, document: object, record: object) -> int:
        path = self._mapping.time_field or ""
        sent = _reach(record, path)
        sent = _reach(document, path) if sent is None else sent
        if self._mapping.time_format == "iso8601":
            return self._from_text(sent)
        number = _to_number(sent, path, reason="time")
        seconds = number / _PER_SECOND[self._mapping.time_format]
        if not isfinite(seconds) or abs(seconds) > SECONDS_MAX:
            raise RejectedError("time", f"time {seconds!r} is out of all reason")
        return round(seconds * 1e6)

    def _from_text(self, sent: object) -> int:
        if not isinstance(sent, str):
            raise RejectedError("time", f"time {sent!r} is no text in ISO 8601")
        try:
            moment = datetime.fromisoformat(sent.strip().replace("/", "-"))
        except ValueError:
            raise RejectedError("time", f"time {sent!r} is not ISO 8601") from None
        return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=self._zone))


def _reach(document: object, path: str) -> object:
    """What lies at `path`; None where the way ends."""
    for step in path.split("."):
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document


def _to_number(sent: object, where: FieldMapping | str, reason: str = "not_numeric") -> float:
    """Numbers, booleans, and numbers written as text, as many vendors do."""
    path = where if isinstance(where, str) else where.path
    if not isinstance(sent, int | float | str):
        _refuse(reason, path, sent)
    try:
        return float(sent)
    except OverflowError:
        return float("inf")
    except ValueError:
        _refuse(reason, path, sent)


def _refuse(reason: str, path: str, sent: object) -> NoReturn:
    raise RejectedError(reason, f"{path} is {str(sent)[:80]!r}, not a number")
