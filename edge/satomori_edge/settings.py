"""The [edge] table: which gateway this is, what it reads, how much it keeps, how it sends.

Each class says by `faults` what is wrong with an entry; `load_edge` gathers them all, with what only the whole shows
(two devices with one name), into one message. Loading opens and connects to nothing.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from satomori_core.broker import BrokerAddress, BrokerSettings, broker_address
from satomori_core.errors import RejectedError, SettingsError
from satomori_core.metrics import catalogue
from satomori_core.settings import Secret, load_settings
from satomori_core.topics import is_name
from satomori_core.units import conversion

Protocol = Literal["3.1.1", "5"]
RegisterKind = Literal["holding", "input", "coil", "discrete"]
RegisterType = Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bool"]
Order = Literal["big", "little"]

REGISTERS_OF_TYPE: dict[RegisterType, int] = {
    "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4, "uint64": 4, "float32": 2, "float64": 4, "bool": 1,
}  # fmt: skip
PACK_READINGS_MAX = 5000  # about 450 kB of SenML: half of what one message may be


def _found(*faults: str | None) -> list[str]:
    return [fault for fault in faults if fault]


def _between(key: str, value: float | None, low: float, high: float) -> str | None:
    if value is None or low <= value <= high:
        return None
    return f"{key} = {value} is not between {low} and {high}"


def _name_fault(key: str, name: str | None) -> str | None:
    if name is None or is_name(name):
        return None
    return f"{key} {name!r} is not a name: 1 to 64 of A–Z a–z 0–9 . _ -, beginning with a letter or digit"


def _metric_fault(metric: str, unit: str | None) -> str | None:
    known = catalogue().get(metric)
    if known is None:
        return f"metric {metric!r} is not in the catalogue (core/satomori_core/metrics.toml)"
    if unit is None:
        return None
    try:
        conversion(unit, known.unit)
    except RejectedError as error:
        return f"metric {metric!r}: {error}"
    return None


def _scale_fault(scale: float, offset: float) -> str | None:
    if scale and math.isfinite(scale) and math.isfinite(offset):
        return None
    return f"scale = {scale}, offset = {offset} make no measurement"


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """Bounds of what is kept while it can't be sent. `memory_readings_max`: while the disk can't be written."""

    bytes_max: int = 64_000_000
    readings_max: int = 1_000_000
    memory_readings_max: int = 20_000

    def faults(self) -> list[str]:
        return _found(
            _between("bytes_max", self.bytes_max, 100_000, 1e12),
            _between("readings_max", self.readings_max, 100, 1e9),
            _between("memory_readings_max", self.memory_readings_max, 100, 1e6),
        )


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """`pack_age_s`: how long a fresh reading may wait for others. `…_window`: packs on their way without an ack."""

    protocol: Protocol = "3.1.1"
    pack_readings_max: int = 500
    pack_age_s: float = 1.0
    fresh_window: int = 8
    backlog_window: int = 2
    ack_timeout_s: float = 10.0
    ack_timeout_max_s: float = 600.0
    gzip_bytes_min: int = 512
    keepalive_s: int = 30
    reconnect_max_s: float = 60.0

    def faults(self) -> list[str]:
        return _found(
            _between("pack_readings_max", self.pack_readings_max, 1, PACK_READINGS_MAX),
            _between("pack_age_s", self.pack_age_s, 0, 3600),
            _between("fresh_window", self.fresh_window, 1, 1000),
            _between("backlog_window", self.backlog_window, 1, 1000),
            _between("ack_timeout_s", self.ack_timeout_s, 0.1, 3600),
            _between("ack_timeout_max_s", self.ack_timeout_max_s, self.ack_timeout_s, 86400),
            _between("keepalive_s", self.keepalive_s, 5, 3600),
            _between("reconnect_max_s", self.reconnect_max_s, 0.1, 3600),
        )


@dataclass(frozen=True, slots=True)
class Register:
    """One value of a slave: `value = raw * scale + offset`, in `unit`. `address` counts from 0, as on the wire."""

    address: int
    metric: str
    kind: RegisterKind = "holding"
    type: RegisterType = "uint16"
    word_order: Order = "big"
    byte_order: Order = "big"
    scale: float = 1.0
    offset: float = 0.0
    unit: str | None = None
    device: str | None = None

    def faults(self) -> list[str]:
        return _found(
            _between("address", self.address, 0, 65536 - self.count),
            _metric_fault(self.metric, self.unit),
            _name_fault("device", self.device),
            _scale_fault(self.scale, self.offset),
            "type 'bool' goes with kind 'coil' or 'discrete'" if self.type == "bool" and not self.is_bit else None,
        )

    @property
    def is_bit(self) -> bool:
        return self.kind in {"coil", "discrete"}

    @property
    def count(self) -> int:
        """How many addresses it takes."""
        return 1 if self.is_bit else REGISTERS_OF_TYPE[self.type]


@dataclass(frozen=True, slots=True)
class Slave:
    """One address on the bus. `interval_s`, where it differs from the bus's."""

    unit: int
    device: str
    registers: tuple[Register, ...]
    interval_s: float | None = None

    def faults(self) -> list[str]:
        return _found(
            _between("unit", self.unit, 1, 247),  # Modbus over Serial Line 1.02, 2.2
            _name_fault("device", self.device),
            None if self.registers else "registers is empty",
            _between("interval_s", self.interval_s, 0.05, 86400),
        )


@dataclass(frozen=True, slots=True)
class ModbusSettings:
    """One RS-485 line. `gap_max`: unlisted registers that may be read along to save a request."""

    port: str
    slaves: tuple[Slave, ...]
    baudrate: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    timeout_s: float = 0.5
    interval_s: float = 60.0
    gap_max: int = 0

    def faults(self) -> list[str]:
        twice = [unit for unit, times in Counter(slave.unit for slave in self.slaves).items() if times > 1]
        return _found(
            None if self.slaves else "slaves is empty",
            f"{self.port}: unit {twice[0]} is listed twice; put its registers into one slave" if twice else None,
            _between("baudrate", self.baudrate, 300, 4_000_000),
            _between("timeout_s", self.timeout_s, 0.02, 60),
            _between("interval_s", self.interval_s, 0.05, 86400),
            _between("gap_max", self.gap_max, 0, 100),
        )


@dataclass(frozen=True, slots=True)
class TextField:
    """The field at `index` (from 0) of a line: `value = number * scale + offset`, in `unit`."""

    index: int
    metric: str
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    def faults(self) -> list[str]:
        return _found(
            _between("index", self.index, 0, 255),
            _metric_fault(self.metric, self.unit),
            _scale_fault(self.scale, self.offset),
        )


@dataclass(frozen=True, slots=True)
class TextSettings:
    """Lines of separated fields over a serial port.

    The device is `device`, or what stands in field `device_index`. `checksum = "xor"` is NMEA 0183's: two hex digits
    after `*`, the XOR of what stands between a leading `$` or `!` (if any) and the `*`. `start`: lines that begin
    otherwise are not for us.
    """

    port: str
    fields: tuple[TextField, ...]
    device: str | None = None
    device_index: int | None = None
    baudrate: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    delimiter: str = "\n"
    separator: str = ","
    checksum: Literal["none", "xor"] = "none"
    start: str = ""
    line_bytes_max: int = 256

    def faults(self) -> list[str]:
        indexes = [f.index for f in self.fields] + ([] if self.device_index is None else [self.device_index])
        twice = [index for index, times in Counter(indexes).items() if times > 1]
        return _found(
            None if self.fields else "fields is empty",
            f"field {twice[0]} is used twice" if twice else None,
            _name_fault("device", self.device),
            None
            if (self.device is None) != (self.device_index is None)
            else "name the device by `device` or by `device_index`, one of them",
            _between("device_index", self.device_index, 0, 255),
            None if self.delimiter and self.delimiter.isascii() else "delimiter is empty or not ASCII",
            None if self.separator and self.separator.isascii() else "separator is empty or not ASCII",
            _between("baudrate", self.baudrate, 300, 4_000_000),
            _between("line_bytes_max", self.line_bytes_max, 8, 65536),
        )


@dataclass(frozen=True, slots=True)
class JsonField:
    """The number at `path` (keys and list positions joined by dots) of a message."""

    path: str
    metric: str
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    def faults(self) -> list[str]:
        return _found(
            None if self.path else "path is empty",
            _metric_fault(self.metric, self.unit),
            _scale_fault(self.scale, self.offset),
        )


@dataclass(frozen=True, slots=True)
class MqttMapping:
    """Which messages of a broker are read, and how.

    The device is `device`, or the level `device_level` (from 0) of the topic, or the text at `device_path`. Without
    `time_path` a reading's time is that of its arrival; a time without a zone is in the gateway's time zone.
    """

    filter: str
    fields: tuple[JsonField, ...]
    device: str | None = None
    device_level: int | None = None
    device_path: str | None = None
    time_path: str | None = None
    time_format: Literal["iso", "s", "ms"] = "iso"

    def faults(self) -> list[str]:
        ways = [way for way in (self.device, self.device_level, self.device_path) if way is not None]
        return _found(
            None if self.fields else "fields is empty",
            _filter_fault(self.filter),
            _name_fault("device", self.device),
            None if len(ways) == 1 else "name the device by `device`, `device_level` or `device_path`, one of them",
            _between("device_level", self.device_level, 0, 32),
        )


def _filter_fault(text: str) -> str | None:
    levels = text.split("/")
    wrong = not text or any(("#" in x and x != "#") or ("+" in x and x != "+") for x in levels) or "#" in levels[:-1]
    return f"filter {text!r} is not an MQTT topic filter" if wrong else None


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """A local broker whose devices speak JSON."""

    url: str
    topics: tuple[MqttMapping, ...]
    protocol: Protocol = "3.1.1"
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None

    def faults(self) -> list[str]:
        try:
            self.address()
        except SettingsError as error:
            return [str(error)]
        return _found(None if self.topics else "topics is empty")

    def address(self) -> BrokerAddress:
        """Reads the password and CA files; raise SettingsError."""
        broker = BrokerSettings(url=self.url, username=self.username, password=self.password, ca_file=self.ca_file)
        try:
            return broker_address(broker, mqtt5=self.protocol == "5")
        except SettingsError as error:
            raise SettingsError(str(error).removeprefix("[broker] ")) from None


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """`gateway`: the permanent id. `timezone`: of times that devices write without a zone."""

    gateway: str
    timezone: str = "Asia/Tokyo"
    health_interval_s: float = 60.0
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    uplink: UplinkSettings = field(default_factory=UplinkSettings)
    modbus: tuple[ModbusSettings, ...] = ()
    text: tuple[TextSettings, ...] = ()
    mqtt: tuple[MqttSettings, ...] = ()

    def faults(self) -> list[str]:
        return _found(
            _name_fault("gateway", self.gateway),
            _zone_fault(self.timezone),
            _between("health_interval_s", self.health_interval_s, 0.5, 86400),
        )


def _zone_fault(name: str) -> str | None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return f"timezone {name!r} is not an IANA name that this machine knows, such as Asia/Tokyo"
    return None


def load_edge(config: Path | None) -> EdgeSettings:
    """Raise SettingsError that names every fault, a line each."""
    if config is None:
        raise SettingsError("an edge needs a settings file with a table [edge]; name it with --config")
    settings = load_settings(config, "edge", EdgeSettings)
    faults = [*_entry_faults(settings, ""), *_device_faults(settings), *_port_faults(settings)]
    if not (settings.modbus or settings.text or settings.mqtt):
        faults.append("nothing to read: add [[edge.modbus]], [[edge.text]] or [[edge.mqtt]]")
    if faults:
        raise SettingsError("\n".join(f"{config}: [edge] {fault}" for fault in faults))
    return settings


def _entry_faults(entry: object, place: str) -> Iterator[str]:
    """Those of an entry and of all that it holds, each with its place: `modbus[0] slaves[1]: …`."""
    for fault in getattr(entry, "faults", list)():
        yield f"{place}: {fault}".removeprefix(": ")
    for part in fields(entry) if is_dataclass(entry) else ():
        value = getattr(entry, part.name)
        parts = [(f"[{i}]", one) for i, one in enumerate(value)] if isinstance(value, tuple) else [("", value)]
        for index, one in parts:
            yield from _entry_faults(one, f"{place} {part.name}{index}".strip())


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing that the edge would read: a row of `--check`. `owner` tells two devices with one name apart."""

    source: str
    line: str
    item: str
    device: str
    metric: str
    unit: str
    every_s: float | None
    owner: str


def plan(settings: EdgeSettings) -> Iterator[Planned]:
    """Everything that would be read, in the order of the file. A device that a message names stands in brackets."""
    for bus in settings.modbus:
        for slave in bus.slaves:
            every_s = slave.interval_s or bus.interval_s
            owner = f"unit {slave.unit} of {bus.port}"
            for r in slave.registers:
                item = f"unit {slave.unit} {r.kind} {r.address} {'bool' if r.is_bit else r.type}"
                yield Planned("modbus", bus.port, item, r.device or slave.device, *_measure(r), every_s, owner)
    for text in settings.text:
        device = text.device or f"(field {text.device_index})"
        for f in text.fields:
            yield Planned("text", text.port, f"field {f.index}", device, *_measure(f), None, text.port)
    for broker in settings.mqtt:
        for topic in broker.topics:
            way = topic.device_path if topic.device_level is None else f"topic level {topic.device_level}"
            owner = f"{topic.filter} at {broker.url}"
            for j in topic.fields:
                item = f"{topic.filter} {j.path}"
                yield Planned("mqtt", broker.url, item, topic.device or f"({way})", *_measure(j), None, owner)


def _measure(entry: Register | TextField | JsonField) -> tuple[str, str]:
    return entry.metric, entry.unit or "(as registered)"


def _device_faults(settings: EdgeSettings) -> Iterator[str]:
    """Two devices with one name; one metric twice on a device; the gateway's own name."""
    owners: dict[str, str] = {}
    items: dict[tuple[str, str, str], str] = {}
    told: set[str] = set()
    for row in plan(settings):
        is_fixed = not row.device.startswith("(")
        owner = owners.setdefault(row.device, row.owner) if is_fixed else row.owner
        if owner != row.owner and row.device not in told:
            told.add(row.device)
            yield f"device {row.device!r} is the name of two devices: {owner} and {row.owner}"
        other = items.setdefault((row.owner, row.device, row.metric), row.item)
        if other != row.item:
            yield f"device {row.device!r} has the metric {row.metric!r} twice: {other} and {row.item} ({row.owner})"
    if settings.gateway in owners:
        yield f"device {settings.gateway!r} has the gateway's name, under which the edge reports its own health"


def _port_faults(settings: EdgeSettings) -> Iterator[str]:
    ports = Counter([bus.port for bus in settings.modbus] + [text.port for text in settings.text])
    for port, times in ports.items():
        if times > 1:
            yield f"port {port!r} is used {times} times; a port has one [[edge.modbus]] or [[edge.text]]"
