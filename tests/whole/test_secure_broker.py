"""A broker elsewhere, by mqtts:// and with a password: a real edge agent and a real ingest through a real Mosquitto."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.edge import agent
from support.ingest_process import IngestProcess, ingest_process
from support.mosquitto import Mosquitto, mosquitto
from support.running import satomori, wait_for

PASSWORD = "里守-test"  # noqa: S105 - of this test's own broker


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Mosquitto]:
    if shutil.which("openssl") is None or shutil.which("mosquitto_passwd") is None:
        pytest.skip("openssl or mosquitto_passwd is not installed")
    for name, extensions in (("right", "subjectAltName=IP:127.0.0.1"), ("other", "subjectAltName=DNS:example.jp")):
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days", "2", "-subj", f"/CN={name}", "-addext", extensions,
                "-keyout", str(tmp_path / f"{name}.key"), "-out", str(tmp_path / f"{name}.pem"),
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "satomori", PASSWORD], check=True)
    (tmp_path / "secret").write_text(PASSWORD + "\n", encoding="utf-8")
    more = [f"certfile {tmp_path}/right.pem", f"keyfile {tmp_path}/right.key", f"password_file {passwords}"]
    with mosquitto(tmp_path, anonymous=False, more=more) as broker:
        yield broker


def _table(broker: Mosquitto, folder: Path, ca: str = "right.pem") -> str:
    return (
        f'[broker]\nurl = "mqtts://127.0.0.1:{broker.port}"\nusername = "satomori"\n'
        f'password = {{ file = "{folder}/secret" }}\nca_file = "{folder / ca}"\n'
    )


def _edge(folder: Path, table: str) -> Path:
    config = folder / "edge.toml"
    config.write_text(
        f'{table}[edge]\ngateway = "gw-1"\nhealth_interval_s = 1\n'
        '[[edge.text]]\nport = "nowhere"\ndevice = "dev-1"\nfields = [{ index = 0, metric = "rain" }]\n',
        encoding="utf-8",
    )
    return config


def _stored(ingest: IngestProcess) -> int:
    return sum(count.numbered for count in ingest.stores.ledger.reading_counts().values())


@pytest.mark.servers
def test_readings_arrive_through_tls_and_a_password(secure: Mosquitto, tmp_path: Path) -> None:
    table = _table(secure, tmp_path)
    with ingest_process(tmp_path, table) as ingest, agent(_edge(tmp_path, table), tmp_path / "edge"):
        wait_for("the edge's own health in the store", lambda: _stored(ingest) >= 4)


@pytest.mark.servers
def test_a_wrong_certificate_lets_nothing_through(secure: Mosquitto, tmp_path: Path) -> None:
    """The edge goes on, says why, and keeps what it has read."""
    config = _edge(tmp_path, _table(secure, tmp_path, ca="other.pem"))
    with agent(config, tmp_path / "edge") as edge:
        wait_for("the reason in its log", lambda: "CERTIFICATE_VERIFY_FAILED" in str(edge.logged))


def test_a_missing_secret_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "satomori.toml").write_text(
        '[broker]\nurl = "mqtts://127.0.0.1:1"\npassword = { file = "nowhere" }\n', encoding="utf-8"
    )
    done = satomori("ingest", "--state", str(tmp_path), "--config", str(tmp_path / "satomori.toml"))
    assert done.returncode == 2
    assert "secret file nowhere" in done.stderr
