"""Where the MQTT broker is: the [broker] table, shared by every part that connects."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from satomori_core.errors import SettingsError
from satomori_core.settings import Secret, load_settings


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Without `url` the embedded broker on `host` is meant.

    Its ports are not MQTT's own 1883, where many machines already run a broker.
    """

    url: str | None = None
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 11883
    mqtt5_port: int = 11884


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """`embedded`: it is ours, with the limits that `satomori_ingest.broker` tells of."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    embedded: bool = False


def load_broker(config: Path | None) -> BrokerSettings:
    return load_settings(config, "broker", BrokerSettings)


def broker_address(settings: BrokerSettings, *, mqtt5: bool, table: str = "[broker]") -> BrokerAddress:
    """Where to connect. Reads the password and CA files; raise SettingsError where the URL in `table` is not one."""
    if settings.url is None:
        return BrokerAddress(settings.host, settings.mqtt5_port if mqtt5 else settings.port, embedded=True)
    parts = urlsplit(settings.url)
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise SettingsError(f"{table} url {settings.url!r}: expected mqtt://host:1883 or mqtts://host:8883")
    if parts.password:
        raise SettingsError(f'{table} url holds a password; use password = {{ file = "…" }} instead')
    tls = None
    if parts.scheme == "mqtts":
        try:
            tls = ssl.create_default_context(cafile=settings.ca_file)
        except OSError as error:
            raise SettingsError(f"{table} ca_file {settings.ca_file}: {error}") from None
    return BrokerAddress(
        parts.hostname,
        parts.port or (8883 if tls else 1883),
        settings.username or parts.username,
        settings.password.reveal() if settings.password else None,
        tls,
    )
