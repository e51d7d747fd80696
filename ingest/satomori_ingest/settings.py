"""The [ingest] table: workers, batches, windows, third parties' brokers and formats."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from satomori_core.errors import SettingsError
from satomori_core.settings import load_settings
from satomori_core.topics import is_name
from satomori_ingest.connections import BrokerConnection, ProtocolVersion, check_connections
from satomori_ingest.decoders.chirpstack import ChirpstackSettings
from satomori_ingest.decoders.fields import FormatSettings
from satomori_ingest.decoders.json_mapping import MappingSettings
from satomori_ingest.decoders.line_protocol import LineProtocolSettings
from satomori_ingest.decoders.sparkplug import SparkplugSettings
from satomori_ingest.decoders.tasmota import TasmotaSettings
from satomori_ingest.decoders.things_stack import ThingsStackSettings
from satomori_ingest.decoders.zigbee2mqtt import Zigbee2MqttSettings
from satomori_ingest.filters import overlap


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """`share`: the shared subscription's group where several workers run; `worker`: this one's permanent name.

    A batch is written when it holds `batch_values_max` values (of the backlog `backlog_batch_values_max`, since what
    is fresh waits for it) or `batch_age_s` after its first message, whichever is earlier. `receive_max`: messages that
    the broker may send before we acknowledge; `held_bytes_max`: how much we hold of them before we stop reading.
    `protocol`: of MQTT, towards the main broker; 3.1.1 is much slower and knows no `receive_max`.
    """

    share: str | None = None
    worker: str = "1"
    protocol: ProtocolVersion = "5"
    batch_values_max: int = 100_000
    backlog_batch_values_max: int = 10_000
    batch_age_s: float = 0.05
    receive_max: int = 1000
    held_bytes_max: int = 64_000_000
    session_expiry_s: int = 86_400
    keep_alive_s: int = 30
    future_max_s: float = 300.0
    broker: tuple[BrokerConnection, ...] = ()
    mapping: tuple[MappingSettings, ...] = ()
    chirpstack: tuple[ChirpstackSettings, ...] = ()
    things_stack: tuple[ThingsStackSettings, ...] = ()
    zigbee2mqtt: tuple[Zigbee2MqttSettings, ...] = ()
    tasmota: tuple[TasmotaSettings, ...] = ()
    line_protocol: tuple[LineProtocolSettings, ...] = ()
    sparkplug: tuple[SparkplugSettings, ...] = ()

    def third_parties(self) -> Sequence[MappingSettings | FormatSettings]:
        """The table of each third party's format."""
        return [
            *self.mapping, *self.chirpstack, *self.things_stack, *self.zigbee2mqtt, *self.tasmota, *self.line_protocol,
            *self.sparkplug,
        ]  # fmt: skip


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
    formats = settings.third_parties()
    _check_third_parties(formats, where)
    _check_alone(settings, where)
    check_connections(settings.broker, [table.name for table in formats], settings.share, where)
    return settings


def _check_third_parties(tables: Sequence[MappingSettings | FormatSettings], where: str) -> None:
    for index, table in enumerate(tables):
        table.check(f"{where} {table.name!r}")
        for other in tables[:index]:
            if other.name == table.name:
                raise SettingsError(f"{where}: {table.name!r} is the name of two tables; name one of them otherwise")
            if any(overlap(one, two) for one in table.filters() for two in other.filters()):
                raise SettingsError(f"{where}: {other.name!r} and {table.name!r} have topics in common")


def _check_alone(settings: IngestSettings, where: str) -> None:
    """What must be read by one worker alone has one."""
    for table in settings.sparkplug if settings.share is not None else ():
        carriers = [connection for connection in settings.broker if table.name in connection.carries]
        if table.worker is None and not (carriers and all(connection.worker for connection in carriers)):
            raise SettingsError(f"{where} {table.name!r}: one worker must see all of a node; name it by worker")
