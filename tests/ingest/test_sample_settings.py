"""The commented sample.toml of ingest loads, and says the defaults."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from satomori_core.broker import BrokerSettings
from satomori_core.errors import SettingsError
from satomori_ingest.broker import check_ports
from satomori_ingest.settings import IngestSettings, load_ingest
from support.broker import embedded_broker
from support.ports import free_ports

SAMPLE = Path(__file__).parents[2] / "ingest" / "sample.toml"


def test_the_sample_shows_the_defaults() -> None:
    settings = load_ingest(SAMPLE)
    formats = ("mapping", "chirpstack", "things_stack", "zigbee2mqtt", "tasmota", "line_protocol", "sparkplug")
    tables: dict[str, Any] = dict.fromkeys(formats, ())
    assert replace(settings, broker=(), **tables) == IngestSettings()
    assert len(settings.third_parties()) == len(tables)
    assert settings.mapping[0].filters() == ["example-vendor/+/+/up"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('worker = "a/b"', "worker"),
        ('share = ""', "share"),
        ("receive_max = 0", "receive_max"),
        ("keep_alive_s = 70000", "65535"),
        ("batch_age_s = -1.0", "negative"),
        ("batch = 1", "batch"),
        ('[[ingest.chirpstack]]\napplication = "a+"', "a\\+"),
        ("[[ingest.chirpstack]]\n[[ingest.chirpstack]]", "two tables"),
        ('[[ingest.chirpstack]]\n[[ingest.chirpstack]]\nname = "x"', "in common"),
        ('[[ingest.tasmota]]\ntopic = "tele/+"', "no {device}"),
        ('[[ingest.tasmota]]\ntime_zone = "Mars/Base"', "Mars/Base"),
        ('[[ingest.tasmota]]\ntopic = "satomori/{device}"', "Satomori's"),
        ('[[ingest.zigbee2mqtt]]\nbase_topic = "#"', "#"),
        ('[[ingest.zigbee2mqtt]]\nbase_topic = "+"', "Satomori's"),
        ('[[ingest.zigbee2mqtt]]\ngateway = "a b"', "a b"),
        ('[[ingest.zigbee2mqtt]]\ndevices = { x = "a/b" }', "a/b"),
        ('[[ingest.things_stack]]\ntime = "device"', "device"),
        ('[[ingest.things_stack]]\nfields = [{ path = "x", metric = "co2", unit = "furlong" }]', "furlong"),
        ('[[ingest.things_stack]]\nfields = [{ path = "x", metric = "co3" }]', "did you mean 'co2'"),
        ('[[ingest.line_protocol]]\ntopic = "t"', "either device or device_tag"),
        ('[[ingest.line_protocol]]\ntopic = "t"\ndevice_tag = "d"', "name the gateway"),
        ('[[ingest.line_protocol]]\ntopic = "t"\ndevice = "{d}"', "does not name"),
    ],
)
def test_settings_that_can_not_work_are_refused(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "satomori.toml"
    path.write_text(f"[ingest]\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=says):
        load_ingest(path)


def test_the_embedded_broker_names_the_setting_whose_port_is_taken() -> None:
    port, other = free_ports(2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", other))
        taken.listen()
        with pytest.raises(SettingsError, match=f"mqtt5_port = {other}"):
            check_ports(BrokerSettings(port=port, mqtt5_port=other))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (BrokerSettings(port=5, mqtt5_port=5), "both 5"),
        (BrokerSettings(port=70_000), "no port"),
    ],
)
def test_the_embedded_broker_refuses_what_can_not_work(settings: BrokerSettings, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        check_ports(settings)


def test_the_embedded_broker_listens_elsewhere_when_told_and_says_what_that_means(tmp_path: Path) -> None:
    """127.0.0.2 stands for a network's address: without users, whoever reaches it may publish."""
    with embedded_broker(tmp_path, host="127.0.0.2"):
        assert "whoever reaches this port may publish" in (tmp_path / "broker.log").read_text(encoding="utf-8")
    with embedded_broker(tmp_path):
        pass
    assert (tmp_path / "broker.log").read_text(encoding="utf-8").count("whoever reaches") == 1
