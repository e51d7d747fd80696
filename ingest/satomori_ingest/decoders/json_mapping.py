"""Third parties' JSON, read by a mapping in the settings: which topic, whose device, which field is which metric."""

import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from satomori_core.errors import RejectedError, SettingsError
from satomori_core.senml import parse_json
from satomori_core.topics import is_name
from satomori_ingest.decoders import Decoded, Numbering
from satomori_ingest.decoders.fields import (
    MISSING,
    Collected,
    FieldMapping,
    alone,
    check_fields,
    check_topic,
    check_zone,
    fill,
    from_iso8601,
    from_unix,
    reach,
    shown,
    to_number,
    topic_filter,
)

TimeFormat = Literal["unix_s", "unix_ms", "unix_us", "iso8601"]

RECORDS_MAX = 10_000
_PER_SECOND = {"unix_s": 1, "unix_ms": 1000, "unix_us": 1_000_000}


@dataclass(frozen=True, slots=True)
class MappingSettings:
    """A third party's JSON: `topic` with named levels `{device}`, which `gateway` and `device` may use.

    `device_field` takes the device's id from the message instead. Without `gateway` the device is its own.
    `records`: the way to a list of objects, each read alike. Without `time_field` the time of arrival counts.
    """

    name: str
    topic: str
    fields: tuple[FieldMapping, ...]
    device: str | None = None
    device_field: str | None = None
    gateway: str | None = None
    records: str | None = None
    time_field: str | None = None
    time_format: TimeFormat = "iso8601"
    time_zone: str = "UTC"

    def filters(self) -> Sequence[str]:
        return [topic_filter(self.topic)]

    def check(self, where: str) -> None:
        """Raise SettingsError for what can't work."""
        if (self.device is None) == (self.device_field is None):
            raise SettingsError(f"{where}: name the device by either device or device_field")
        check_topic(self.topic, {"device": self.device, "gateway": self.gateway}, where)
        if not self.fields:
            raise SettingsError(f"{where}: without fields nothing would ever be read; add [[ingest.mapping.fields]]")
        check_fields(self.fields, where)
        check_zone(self.time_zone, where)


class JsonMappingDecoder:
    """One mapping. Such messages carry no sequence numbers."""

    def __init__(self, mapping: MappingSettings) -> None:
        self.name = mapping.name
        self.filters = mapping.filters()
        self._mapping = mapping
        self._zone = zoneinfo.ZoneInfo(mapping.time_zone)

    def gateway(self, topic: str) -> str:
        pattern = self._mapping.gateway or self._mapping.device
        return fill(pattern, self._mapping.topic, topic) if pattern is not None else ""

    def numbering(self, payload: bytes) -> Numbering | None:  # noqa: ARG002 - third parties number nothing
        return None

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
        document = parse_json(payload)
        collected = Collected()
        device = ""
        for record in self._records(document):
            device = self._device(topic, document, record)
            at_us = received_at_us if self._mapping.time_field is None else self._observed_at(document, record)
            for field in self._mapping.fields:
                sent = reach(record, field.path)
                if sent is MISSING or sent is None:
                    continue  # not every message has every field
                name = f"{device}/{field.metric}"
                try:
                    collected.add(name, at_us, to_number(sent, field.path), field.unit)
                except RejectedError as error:
                    collected.set_aside(name, error, self._alone(document, record, field.path, sent))
        if not len(collected):
            wanted = ", ".join(field.path for field in self._mapping.fields)
            raise RejectedError("no_fields", f"none of the fields {wanted} of mapping {self._mapping.name!r} is there")
        gateway = fill(self._mapping.gateway, self._mapping.topic, topic) if self._mapping.gateway else device
        return collected.decoded(gateway)

    def _records(self, document: object) -> list[object]:
        found = reach(document, self._mapping.records) if self._mapping.records else document
        if self._mapping.records and not isinstance(found, list):
            raise RejectedError("no_records", f"{self._mapping.records!r} is no list of records")
        records = found if isinstance(found, list) else [found]
        if len(records) > RECORDS_MAX:
            raise RejectedError("too_large", f"{len(records)} records; the limit is {RECORDS_MAX}")
        return records

    def _device(self, topic: str, document: object, record: object) -> str:
        path = self._mapping.device_field
        if path is None:
            device: object = fill(self._mapping.device or "", self._mapping.topic, topic)
        else:
            device = _in_either(record, document, path)
        device = str(device) if isinstance(device, int) and not isinstance(device, bool) else device
        if not isinstance(device, str) or not is_name(device):
            raise RejectedError("name", f"device {shown(device)} is no name that the registry can hold")
        return device

    def _observed_at(self, document: object, record: object) -> int:
        path = self._mapping.time_field or ""
        sent = _in_either(record, document, path)
        if self._mapping.time_format == "iso8601":
            return from_iso8601(sent, self._zone)
        return from_unix(sent, path, _PER_SECOND[self._mapping.time_format])

    def _alone(self, document: object, record: object, path: str, sent: object) -> bytes:
        """A message of this field alone: a message of many records may have as many faults."""
        shared = [place for place in (self._mapping.device_field, self._mapping.time_field) if place is not None]
        fields = {place: _in_either(record, document, place) for place in shared}
        return alone({**fields, path: sent}, self._mapping.records)


def _in_either(record: object, document: object, path: str) -> object:
    """What lies at `path` of the record, or where that has nothing, above it; None where neither has."""
    for where in (record, document):
        found = reach(where, path)
        if found is not MISSING and found is not None:
            return found
    return None
