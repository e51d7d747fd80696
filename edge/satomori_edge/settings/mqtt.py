"""[[edge.mqtt]]: a local broker whose devices speak JSON, and what of it is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from satomori_core.broker import BrokerAddress, BrokerSettings, broker_address
from satomori_core.errors import SettingsError
from satomori_core.settings import Secret
from satomori_edge.settings.faults import Planned, between, found, metric_fault, name_fault, scale_fault, unit_words
from satomori_edge.settings.sending import Protocol


@dataclass(frozen=True, slots=True)
class JsonField:
    """The number at `path` (keys and list positions joined by dots) of a message."""

    path: str
    metric: str
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    def faults(self) -> list[str]:
        return found(
            None if self.path else "path is empty",
            metric_fault(self.metric, self.unit),
            scale_fault(self.scale, self.offset),
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
        return found(
            None if self.fields else "fields is empty",
            filter_fault(self.filter),
            name_fault("device", self.device),
            None if len(ways) == 1 else "name the device by `device`, `device_level` or `device_path`, one of them",
            between("device_level", self.device_level, 0, 32),
        )


def filter_fault(text: str) -> str | None:
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
        return found(None if self.topics else "topics is empty")

    def address(self) -> BrokerAddress:
        """Reads the password and CA files; raise SettingsError."""
        broker = BrokerSettings(url=self.url, username=self.username, password=self.password, ca_file=self.ca_file)
        try:
            return broker_address(broker, mqtt5=self.protocol == "5")
        except SettingsError as error:
            raise SettingsError(str(error).removeprefix("[broker] ")) from None

    @property
    def line(self) -> None:
        return None

    def planned(self) -> Iterator[Planned]:
        for topic in self.topics:
            way = topic.device_path if topic.device_level is None else f"topic level {topic.device_level}"
            owner = f"{topic.filter} at {self.url}"
            for j in topic.fields:
                item = f"{topic.filter} {j.path}"
                device = topic.device or f"({way})"
                yield Planned("mqtt", self.url, item, device, j.metric, unit_words(j.unit), None, owner)
