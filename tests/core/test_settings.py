"""Settings: every fault is told with file, key and what to do; secrets never stand in the file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from satomori_core.broker import BrokerSettings, broker_address
from satomori_core.errors import SettingsError
from satomori_core.settings import Secret, load_settings


@dataclass(frozen=True)
class _Port:
    path: str
    baudrate: int = 9600


@dataclass(frozen=True)
class _Settings:
    gateway: str = "gw"
    interval_s: float = 10.0
    ports: tuple[_Port, ...] = field(default=())
    token: Secret | None = None
    parity: Literal["N", 1] = "N"


def _load(tmp_path: Path, text: str) -> _Settings:
    file = tmp_path / "satomori.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, "edge", _Settings)


def test_defaults_stand_where_nothing_is_set(tmp_path: Path) -> None:
    assert load_settings(None, "edge", _Settings) == _Settings()
    assert _load(tmp_path, "[ingest]\nx = 1\n") == _Settings()
    loaded = _load(tmp_path, '[edge]\ninterval_s = 5\nports = [{ path = "/dev/ttyUSB0" }]\n')
    assert loaded == _Settings(interval_s=5.0, ports=(_Port("/dev/ttyUSB0"),))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[edge]\nintervall_s = 5\n", ["[edge]", "unknown key 'intervall_s'", "did you mean 'interval_s'"]),
        ("[egde]\n", ["unknown table [egde]", "did you mean 'edge'"]),
        ('[edge]\ninterval_s = "5"\n', ["[edge] interval_s", "'5' is not a number"]),
        ("[edge]\ngateway = 5\n", ["[edge] gateway", "5 is not text"]),
        ("[edge]\nports = [{ baudrate = 9600 }]\n", ["[edge] ports[0]", "'path' is missing"]),
        ('[edge]\nports = [{ path = "x", baudrate = true }]\n', ["ports[0] baudrate", "not a whole number"]),
        ("[edge]\nports = 'com1'\n", ["[edge] ports", "a list is expected, not 'com1'"]),
        ("[edge]\nports = ['com1']\n", ["[edge] ports[0]", "a table is expected, not 'com1'"]),
        ("[edge]\nparity = 'odd'\n", ["[edge] parity", "'odd' is none of N, 1"]),
        ("[edge]\nparity = true\n", ["[edge] parity", "True is none of N, 1"]),
        ("[edge]\ngateway = 里\n", ["not valid TOML", "(at line 2, column 11): gateway = 里"]),
        ("[edge\n", ["not valid TOML", "line 1"]),
        ("edge = 3\n", ["a table is expected"]),
        ('[edge]\ntoken = { file = "a", env = "B" }\n', ["[edge] token", "either"]),
    ],
)
def test_faults_are_told(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, text)
    assert str(tmp_path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_byte_order_mark_and_a_word_that_is_a_number_are_read(tmp_path: Path) -> None:
    assert _load(tmp_path, "\ufeff[edge]\nparity = 1\n").parity == 1


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, '[edge]\ngateway = 5\ninterval_s = "x"\n')
    assert len(str(caught.value).splitlines()) == 2


def test_a_missing_or_misencoded_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--config"):
        load_settings(tmp_path / "none.toml", "edge", _Settings)
    file = tmp_path / "sjis.toml"
    file.write_bytes('# 設定\n[edge]\ngateway = "里"\n'.encode("cp932"))
    with pytest.raises(SettingsError, match="UTF-8"):
        load_settings(file, "edge", _Settings)


def test_secrets_are_read_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("s3cret\n", encoding="utf-8")
    assert Secret(file=tmp_path / "token").reveal() == "s3cret"
    with pytest.raises(SettingsError, match="create it"):
        Secret(file=tmp_path / "absent").reveal()
    monkeypatch.setenv("SATOMORI_TEST_TOKEN", "t")
    assert Secret(env="SATOMORI_TEST_TOKEN").reveal() == "t"
    monkeypatch.delenv("SATOMORI_TEST_TOKEN")
    with pytest.raises(SettingsError, match="SATOMORI_TEST_TOKEN"):
        Secret(env="SATOMORI_TEST_TOKEN").reveal()


def test_broker_addresses() -> None:
    assert broker_address(BrokerSettings(), mqtt5=True).port == 11884
    assert broker_address(BrokerSettings(url="mqtt://host"), mqtt5=True).port == 1883
    secure = broker_address(BrokerSettings(url="mqtts://user@host:9999"), mqtt5=False)
    assert (secure.host, secure.port, secure.username) == ("host", 9999, "user")
    assert secure.tls is not None
    for wrong in ("http://host", "host:1883", "mqtt://user:pass@host"):
        with pytest.raises(SettingsError):
            broker_address(BrokerSettings(url=wrong), mqtt5=True)
