"""The [edge] table as a whole. Loading opens and connects to nothing."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Literal
from typing import Protocol as Interface
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from satomori_core.errors import SettingsError
from satomori_core.settings import load_settings
from satomori_edge.settings.actuators import ActuatorSettings, RemoteSettings
from satomori_edge.settings.faults import Planned, between, found, name_fault
from satomori_edge.settings.frames import FramesSettings
from satomori_edge.settings.modbus import ModbusSettings
from satomori_edge.settings.mqtt import MqttSettings
from satomori_edge.settings.nmea import NmeaSettings
from satomori_edge.settings.sdi12 import Sdi12Settings
from satomori_edge.settings.sending import OutboxSettings, UplinkSettings
from satomori_edge.settings.text import TextSettings


class SourceSettings(Interface):
    """What each kind of source's table says of itself. `line`: the serial port or peer that it holds alone, or None."""

    @property
    def line(self) -> str | None: ...

    def planned(self) -> Iterator[Planned]:
        """What would be read, in the order of the file. A device that a message names stands in brackets."""
        ...


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """`gateway`: the permanent id. `timezone`: of times that devices write without a zone.

    `clock`: whether the system's is to be judged (clock.py) or always right.
    """

    gateway: str
    timezone: str = "Asia/Tokyo"
    clock: Literal["auto", "system"] = "auto"
    health_interval_s: float = 60.0
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    uplink: UplinkSettings = field(default_factory=UplinkSettings)
    modbus: tuple[ModbusSettings, ...] = ()
    sdi12: tuple[Sdi12Settings, ...] = ()
    text: tuple[TextSettings, ...] = ()
    frames: tuple[FramesSettings, ...] = ()
    nmea: tuple[NmeaSettings, ...] = ()
    mqtt: tuple[MqttSettings, ...] = ()
    actuator: tuple[ActuatorSettings, ...] = ()
    remote: RemoteSettings = field(default_factory=RemoteSettings)

    def sources(self) -> Iterator[SourceSettings]:
        """Everything that is read, in the order of the file's kinds."""
        yield from self.modbus
        yield from self.sdi12
        yield from self.text
        yield from self.frames
        yield from self.nmea
        yield from self.mqtt

    def faults(self) -> list[str]:
        return found(
            name_fault("gateway", self.gateway),
            _zone_fault(self.timezone),
            between("health_interval_s", self.health_interval_s, 0.5, 86400),
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
    faults = [
        *_entry_faults(settings, ""),
        *_device_faults(settings),
        *_line_faults(settings),
        *_actuator_faults(settings),
    ]
    if not any(settings.sources()):
        faults.append("nothing to read: add a source, such as [[edge.modbus]] or [[edge.text]] (see edge/sample.toml)")
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


def plan(settings: EdgeSettings) -> Iterator[Planned]:
    """Everything that would be read."""
    for source in settings.sources():
        yield from source.planned()


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


def _line_faults(settings: EdgeSettings) -> Iterator[str]:
    lines = Counter(source.line for source in settings.sources() if source.line is not None)
    for line, times in lines.items():
        if times > 1:
            yield f"{line!r} is used {times} times; a port or a peer has one table"


def _actuator_faults(settings: EdgeSettings) -> Iterator[str]:
    """Two with one name, or that move one thing; a device or port that no source has."""
    slaves = {slave.device for bus in settings.modbus for slave in bus.slaves}
    ports = {line.port for line in settings.text}
    movers: dict[str, str] = {}
    names = Counter(actuator.name for actuator in settings.actuator)
    yield from (f"actuator {name!r} is there {times} times" for name, times in names.items() if times > 1)
    for actuator in settings.actuator:
        if actuator.registers is not None and actuator.device not in slaves:
            yield f"actuator {actuator.name!r}: no slave of an [[edge.modbus]] is the device {actuator.device!r}"
        if actuator.line is not None and actuator.line.port not in ports:
            yield f"actuator {actuator.name!r}: no [[edge.text]] has the port {actuator.line.port!r}"
        other = movers.setdefault(actuator.moves, actuator.name)
        if other != actuator.name:
            yield f"actuators {other!r} and {actuator.name!r} move the same: {actuator.moves}"


def warnings(settings: EdgeSettings) -> Iterator[str]:
    """What may be so, and should be known."""
    for actuator in settings.actuator:
        if not actuator.has_timer:
            what = "a run" if actuator.run_s_max else "its position"
            yield f"actuator {actuator.name!r} has no timer in the device: {what} outlives an edge that is killed"
    if settings.actuator and not settings.remote.enabled:
        yield "[edge.remote] enabled is false: the actuators are left alone"
