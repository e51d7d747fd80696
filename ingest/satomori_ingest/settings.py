"""The [ingest] table: workers, batches, windows, and third parties' JSON by mappings."""

import re
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from satomori_core.errors import RejectedError, SettingsError
from satomori_core.settings import load_settings
from satomori_core.topics import is_name
from satomori_core.units import to_ucum
from satomori_ingest.filters import is_filter, overlap

TimeFormat = Literal["unix_s", "unix_ms", "unix_us", "iso8601"]

_PART = re.compile(r"\{([a-z][a-z0-9_]*)\}")
# What a mapping may not touch: these topics have meanings of their own.
_RESERVED = ("satomori/#", "satomori-internal/#", "$SYS/#", "$share/#")


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """`path`: the way into the JSON object, keys and list indexes joined by dots. `unit`: SenML or UCUM."""

    path: str
    metric: str
    unit: str | None = None


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

    def topic_filter(self) -> str:
        return _PART.sub("+", self.topic)


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """`share`: the shared subscription's group where several workers run; `worker`: this one's permanent name.

    A batch is written when it holds `batch_values_max` values (of the backlog `backlog_batch_values_max`, since what
    is fresh waits for it) or `batch_age_s` after its first message, whichever is earlier. `receive_max`: messages that
    the broker may send before we acknowledge; `held_bytes_max`: how much we hold of them before we stop reading.
    """

    share: str | None = None
    worker: str = "1"
    batch_values_max: int = 100_000
    backlog_batch_values_max: int = 10_000
    batch_age_s: float = 0.05
    receive_max: int = 1000
    held_bytes_max: int = 64_000_000
    session_expiry_s: int = 86_400
    keep_alive_s: int = 30
    future_max_s: float = 300.0
    mapping: tuple[MappingSettings, ...] = ()


def load_ingest(config: Path | None) -> IngestSettings:
    """Raise SettingsError for what can't work, with where and what to do. Connects to nothing."""
    settings = load_settings(config, "ingest", IngestSettings)
    where = f"{config}: [ingest]"
    if not is_name(settings.worker):
        raise SettingsError(f"{where} worker {settings.worker!r}: 1 to 64 of A-Z a-z 0-9 . _ -")
    if settings.share is not None and not is_name(settings.share):
        raise SettingsError(f"{where} share {settings.share!r}: 1 to 64 of A-Z a-z 0-9 . _ -")
    for key in ("batch_values_max", "backlog_batch_values_max", "receive_max", "keep_alive_s", "held_bytes_max"):
        if getattr(settings, key) < 1:
            raise SettingsError(f"{where} {key} must be at least 1")
    if settings.receive_max > 65_535 or settings.keep_alive_s > 65_535:
        raise SettingsError(f"{where} receive_max and keep_alive_s can't exceed 65535 (MQTT)")
    if settings.batch_age_s < 0 or settings.future_max_s < 0:
        raise SettingsError(f"{where} batch_age_s and future_max_s can't be negative")
    for index, mapping in enumerate(settings.mapping):
        _check_mapping(mapping, f"{where} mapping {mapping.name!r}")
        for other in settings.mapping[:index]:
            if overlap(mapping.topic_filter(), other.topic_filter()):
                raise SettingsError(f"{where} mappings {other.name!r} and {mapping.name!r} have topics in common")
    return settings


def _check_mapping(mapping: MappingSettings, where: str) -> None:
    pattern = mapping.topic_filter()
    if not is_filter(pattern) or "#" in pattern:
        raise SettingsError(f"{where}: topic {mapping.topic!r} is no topic with {{named}} levels and no '#'")
    for reserved in _RESERVED:
        if overlap(pattern, reserved):
            raise SettingsError(f"{where}: topic {mapping.topic!r} reaches into {reserved}, which is Satomori's")
    if (mapping.device is None) == (mapping.device_field is None):
        raise SettingsError(f"{where}: name the device by either device or device_field")
    parts = set(_PART.findall(mapping.topic))
    for key in ("device", "gateway"):
        unknown = set(_PART.findall(getattr(mapping, key) or "")) - parts
        if unknown:
            raise SettingsError(f"{where}: {key} uses {sorted(unknown)}, which topic {mapping.topic!r} does not name")
    _check_fields(mapping, where)


def _check_fields(mapping: MappingSettings, where: str) -> None:
    if not mapping.fields:
        raise SettingsError(f"{where}: without fields nothing would ever be read; add [[ingest.mapping.fields]]")
    for field in mapping.fields:
        if not is_name(field.metric):
            raise SettingsError(f"{where}: metric {field.metric!r} is no name")
        _check_unit(field.unit, where)
    try:
        zoneinfo.ZoneInfo(mapping.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise SettingsError(f"{where}: time_zone {mapping.time_zone!r} is unknown; for example Asia/Tokyo") from None


def _check_unit(unit: str | None, where: str) -> None:
    if unit is None:
        return
    try:
        to_ucum(unit)
    except RejectedError as error:
        raise SettingsError(f"{where}: {error}") from None
