"""Third parties' fields as readings: what an installer maps, what is known without being told, text as numbers. Pure.

Every format shares one idea: a field's way into the message → our metric, and its unit. Of the places of one metric the
first that the message has is read; what is in no table is left alone.
"""

import json
import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from math import isfinite
from typing import NoReturn

from satomori_core.clock import from_datetime
from satomori_core.errors import RejectedError, SettingsError
from satomori_core.metrics import catalogue
from satomori_core.topics import is_name
from satomori_core.units import conversion
from satomori_ingest.decoders import Decoded, Fault, Numbering, Value
from satomori_ingest.filters import is_filter, overlap
from satomori_store.cells import suggestion

SECONDS_MAX = 1e11
# Topics with meanings of their own, which no third party may reach.
RESERVED = ("satomori/#", "satomori-internal/#", "$SYS/#", "$share/#")
_PART = re.compile(r"\{([a-z][a-z0-9_]*)\}")
# How switches and last wills say yes and no.
_WORDS = {"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0, "online": 1.0, "offline": 0.0}
MISSING = object()
NOTHING_DECODED = (
    "nothing in the decoded payload is known or mapped: has the device's profile a codec, and has the settings' table "
    "its fields?"
)


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """`path`: the way into the JSON object, keys and list indexes joined by dots. `unit`: SenML or UCUM."""

    path: str
    metric: str
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSettings:
    """What an installer may say of every format.

    `name`: its own for each table. `gateway`: the registry's gateway of all these devices; without it each is its own.
    `devices`: the registry's id of a device that the sender names otherwise. `fields`: what is a reading, besides what
    the format knows by itself; a metric that is named here is read from here alone. `ignore`: places, with all below
    them, that are no readings although the format knows them.
    """

    name: str
    gateway: str | None = None
    devices: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[FieldMapping, ...] = ()
    ignore: tuple[str, ...] = ()

    def filters(self) -> Sequence[str]:
        """The topics that it reads."""
        raise NotImplementedError

    def check(self, where: str) -> None:
        """Raise SettingsError for what can't work."""
        for pattern in self.filters():
            check_filter(pattern, where)
        names = [self.gateway] if self.gateway is not None else []
        for name in [*names, *self.devices.values()]:
            if not is_name(name):
                raise SettingsError(f"{where}: {name!r} is no name that the registry can hold")
        check_fields(self.fields, where)


def check_filter(pattern: str, where: str) -> None:
    if not is_filter(pattern):
        raise SettingsError(f"{where}: {pattern!r} is no topic filter")
    for reserved in RESERVED:
        if overlap(pattern, reserved):
            raise SettingsError(f"{where}: topic {pattern!r} reaches into {reserved}, which is Satomori's")


def check_topic(topic: str, named: Mapping[str, str | None], where: str) -> None:
    """`named`: settings that may use the {named} levels of `topic`. Raise SettingsError."""
    pattern = topic_filter(topic)
    if "#" in pattern or "{" in pattern:
        raise SettingsError(f"{where}: topic {topic!r} is no topic with {{named}} levels and no '#'")
    check_filter(pattern, where)
    for key, text in named.items():
        unknown = set(_PART.findall(text or "")) - set(_PART.findall(topic))
        if unknown:
            raise SettingsError(f"{where}: {key} uses {sorted(unknown)}, which topic {topic!r} does not name")


def check_zone(name: str, where: str) -> None:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise SettingsError(f"{where}: time_zone {name!r} is unknown; for example Asia/Tokyo") from None


def check_fields(fields: Sequence[FieldMapping], where: str) -> None:
    for mapping in fields:
        known = catalogue().get(mapping.metric)
        if known is None:
            hint = suggestion(mapping.metric, catalogue())
            raise SettingsError(f"{where}: unknown metric {mapping.metric!r}{hint}")
        try:
            conversion(mapping.unit or known.unit, known.unit)
        except RejectedError as error:
            raise SettingsError(f"{where}: {mapping.path} as {mapping.metric}: {error}") from None


def topic_filter(topic: str) -> str:
    """The filter of a topic with {named} levels."""
    return _PART.sub("+", topic)


def fill(text: str, pattern: str, topic: str) -> str:
    """`text` with the {named} levels that `pattern` names in `topic`."""
    levels = zip(pattern.split("/"), topic.split("/"), strict=False)
    named = {match[1]: level for part, level in levels if (match := _PART.fullmatch(part))}
    return _PART.sub(lambda match: named.get(match[1], ""), text)


# ------------------------------------------------------------------ reading a message


@dataclass(slots=True)
class Collected:
    """Values and faults of a message in the making, each with its position. `taken`: names and times that it has."""

    values: list[Value] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    taken: set[tuple[str, int]] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.values) + len(self.faults)

    def add(self, name: str, at_us: int, number: float, unit: str | None) -> None:
        self.positions.append(len(self))
        self.values.append((name, at_us, number, unit))

    def set_aside(self, name: str, error: RejectedError, payload: bytes) -> None:
        self.faults.append(Fault(len(self), error.reason, str(error), payload, name))

    def decoded(self, gateway: str) -> Decoded:
        return Decoded(gateway, self.values, self.positions, self.faults)


class Fields:
    """The places of one format's readings, those of the settings first."""

    def __init__(self, settings: FormatSettings, known: Sequence[FieldMapping] = ()) -> None:
        places = {mapping.path for mapping in (*settings.fields, *known)}
        by_name = [FieldMapping(metric, metric) for metric in catalogue() if metric not in places]
        mapped = {mapping.metric for mapping in settings.fields}
        chosen = [m for m in (*known, *by_name) if m.metric not in mapped and not _is_below(m.path, settings.ignore)]
        self._mappings = [*settings.fields, *chosen]
        self._told = len(settings.fields)
        self._by_head: dict[str, list[int]] = {}
        for index, mapping in enumerate(self._mappings):
            self._by_head.setdefault(mapping.path.split(".")[0], []).append(index)

    def read(self, collected: Collected, device: str, at_us: int, document: object, origin: "Origin") -> int:
        """The readings in `document`, into `collected`; how many of the places it has."""
        if not isinstance(document, dict):
            return 0
        places = 0
        heads = document.keys() & self._by_head.keys()
        for index in sorted(i for head in heads for i in self._by_head[head]):
            mapping = self._mappings[index]
            sent = reach(document, mapping.path)
            # What is true or false is a reading only where the settings say so.
            if sent is MISSING or (isinstance(sent, bool) and index >= self._told):
                continue
            places += 1
            name = f"{device}/{mapping.metric}"
            if (name, at_us) in collected.taken:
                continue
            collected.taken.add((name, at_us))
            if sent is None:
                continue  # a sensor that does not answer; another one must not stand in for it
            try:
                number = to_number(sent, mapping.path)
            except RejectedError as error:
                collected.set_aside(name, error, origin.alone(mapping.path, sent))
            else:
                collected.add(name, at_us, number, origin.unit(mapping))
        return places


def _is_below(path: str, places: Sequence[str]) -> bool:
    return any(path == place or path.startswith(f"{place}.") for place in places)


@dataclass(frozen=True, slots=True)
class Origin:
    """The message that a field stands in: `kept` of it is needed to read any field, which lies below `under`.

    `said`: units that the message names, by the last word of a place; they hold whatever the settings say. `units`:
    those of the format, by a place or its last word. `write`: how a field alone is written, where that is no JSON.
    """

    kept: Mapping[str, object] = field(default_factory=dict)
    under: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    write: Callable[[str, object], bytes] | None = None

    def unit(self, mapping: FieldMapping) -> str | None:
        last = mapping.path.rpartition(".")[2]
        return self.said.get(last) or mapping.unit or self.units.get(mapping.path) or self.units.get(last)

    def alone(self, path: str, sent: object) -> bytes:
        """A message of this field alone, small whatever it came with."""
        if self.write is not None:
            return self.write(path, sent)
        return alone({**self.kept, f"{self.under}.{path}" if self.under else path: sent})


class FormatDecoder:
    """What the decoders of third parties' formats share.

    Their messages carry no numbers that a ledger could count: a frame counter counts messages and not values, and
    begins again when its device is restarted, so that what is new would pass for what is stored already.
    """

    def __init__(self, settings: FormatSettings, known: Sequence[FieldMapping] = ()) -> None:
        self.name = settings.name
        self.filters: Sequence[str] = settings.filters()
        self._gateway = settings.gateway
        self._devices = settings.devices
        self._fields = Fields(settings, known)

    def numbering(self, payload: bytes) -> Numbering | None:  # noqa: ARG002 - third parties number nothing
        return None

    def _device(self, sent: object) -> str:
        """The registry's id of what the sender calls `sent`. Raise RejectedError where that can be no id."""
        device = self._devices.get(sent, sent) if isinstance(sent, str) else sent
        if not isinstance(device, str) or not is_name(device):
            raise RejectedError("name", f"device {shown(device)} is no name that the registry can hold; see `devices`")
        return device

    def _gateway_of(self, sent: str) -> str:
        """Whose message it is, from a device that the sender calls `sent`."""
        return self._owner(self._devices.get(sent, sent))

    def _owner(self, device: str) -> str:
        return self._gateway or device


# ------------------------------------------------------------------ parts of a message


def reach(document: object, path: str) -> object:
    """What lies at `path`; MISSING where the way ends."""
    for step in path.split("."):
        if isinstance(document, dict):
            document = document.get(step, MISSING)
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return MISSING
    return document


def alone(fields: Mapping[str, object], records: str | None = None) -> bytes:
    """A message in which `reach` finds `fields` by their paths, in the only one of its `records` if it has those."""
    document: dict[str, object] = {}
    for path, sent in fields.items():
        _place(document, path, shown(sent) if isinstance(sent, dict | list) else sent)
    if records is not None:
        record, document = document, {}
        _place(document, records, [record])
    return json.dumps(document).encode()


def _place(document: dict[str, object], path: str, sent: object) -> None:
    *steps, last = path.split(".")
    for step in steps:
        inner = document.setdefault(step, {})
        if not isinstance(inner, dict):
            return  # two paths that can't both be: one goes through what the other holds
        document = inner
    document[last] = sent


def best_signal(receptions: object) -> Mapping[str, object]:
    """Of the gateways that heard an uplink, the reception with the highest `rssi`."""
    heard = [r for r in receptions if isinstance(r, dict)] if isinstance(receptions, list) else []
    heard = [r for r in heard if isinstance(r.get("rssi"), int | float)]
    return max(heard, key=lambda reception: reception["rssi"], default={})


def to_object(document: object) -> dict[str, object]:
    if not isinstance(document, dict):
        raise RejectedError("no_fields", "the message is no JSON object")
    return document


def to_number(sent: object, path: str, reason: str = "not_numeric") -> float:
    """Numbers, booleans, numbers written as text, as many vendors do, and on and off. Raise RejectedError."""
    if not isinstance(sent, int | float | str) or (isinstance(sent, str) and "_" in sent):  # Python reads 1_0 as 10
        _refuse(reason, path, sent)
    try:
        return float(sent)
    except OverflowError:
        return float("inf")
    except ValueError:
        word = _WORDS.get(str(sent).lower())
        if word is None:
            _refuse(reason, path, sent)
        return word


def _refuse(reason: str, path: str, sent: object) -> NoReturn:
    raise RejectedError(reason, f"{path} is {shown(sent)}, not a number")


def shown(sent: object) -> str:
    """For a person; what is nested is only named, since it may be nested deeper than can be written."""
    if isinstance(sent, dict | list):
        return f"an object of {len(sent)} fields" if isinstance(sent, dict) else f"a list of {len(sent)}"
    return repr(sent if sent is None else str(sent)[:80])


def from_unix(sent: object, path: str, per_second: int) -> int:
    """µs of a number of seconds, or of parts of one. Raise RejectedError."""
    seconds = to_number(sent, path, reason="time") / per_second
    if not isfinite(seconds) or abs(seconds) > SECONDS_MAX:
        raise RejectedError("time", f"time {seconds!r} is out of all reason")
    return round(seconds * 1e6)


def from_iso8601(sent: object, zone: tzinfo) -> int:
    """µs of text in ISO 8601, in `zone` where it names none. Raise RejectedError."""
    if not isinstance(sent, str):
        raise RejectedError("time", f"time {shown(sent)} is no text in ISO 8601")
    try:
        moment = datetime.fromisoformat(sent.strip().replace("/", "-"))
        return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        raise RejectedError("time", f"time {sent[:80]!r} is not ISO 8601") from None
