"""The parts as docker-compose.yml starts them, as processes: its settings file, its commands, its broker settings.

Real Mosquitto with the generated password file and access list, real InfluxDB, real PostgreSQL. Only host names, ports
and folders are other than in a container.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import yaml

from satomori_core.clock import now_us
from support.influx import Influx, influx_server
from support.mosquitto import wait_listening
from support.patience import PATIENCE_S
from support.ports import free_ports
from support.postgres import Postgres, postgres_server
from support.running import satomori, wait_for
from support.secrets_script import ROOT, make_secrets
from support.small_registry import TOWN, asset, datastream, device, gateway

pytestmark = pytest.mark.servers
PARTS = ("ingest", "analytics", "maintenance", "api")
REGISTRY = "".join([
    TOWN, asset("pond-1", "irrigation_pond"), gateway("gw-1", "direct"), device("level-1", "gw-1"),
    datastream("level-1", "water_level", "pond-1"),
])  # fmt: skip


class Deployment:
    """Broker, databases and folders as the containers would have them."""

    def __init__(self, folder: Path, influx: Influx, postgres: Postgres) -> None:
        self.folder = folder
        self.influx = influx
        self.mqtt_port, self.api_port = free_ports(2)
        make_secrets(folder / "secrets")
        self.gateway_password = make_secrets(folder / "secrets", "gateway", "gw-1")
        self.secrets = folder / "secrets" / "satomori"
        postgres.create("satomori")
        self.config = folder / "satomori.toml"
        text = (ROOT / "docker" / "satomori.toml").read_text(encoding="utf-8")
        for ours, here in {
            "mosquitto:1883": f"127.0.0.1:{self.mqtt_port}",
            "postgres:5432": f"{postgres.host}:{postgres.port}",
            "http://influxdb:8086": influx.url,
            "/secrets/": f"{self.secrets}/",
            'host = "0.0.0.0"': 'host = "127.0.0.1"',
            "8686": str(self.api_port),
        }.items():
            assert ours in text
            text = text.replace(ours, here)
        self.config.write_text(text, encoding="utf-8")

    def words(self, part: str) -> list[str]:
        """The part's command from docker-compose.yml, with the folders of this machine."""
        compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
        folders = {"/etc/satomori/satomori.toml": str(self.config), "/state": str(self.folder / "state" / part)}
        return [folders.get(word, word) for word in compose["services"][part]["command"]]

    def log(self, part: str) -> str:
        path = self.folder / f"{part}.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    @contextmanager
    def part(self, name: str) -> Generator[subprocess.Popen[bytes]]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "satomori_core", *self.words(name)],
                cwd=self.folder, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait(PATIENCE_S)

    def client(self, username: str, password: str) -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", self.mqtt_port, username=username, password=password, timeout=PATIENCE_S)


@contextmanager
def broker(deployment: Deployment) -> Generator[None]:
    """Mosquitto with docker/mosquitto.conf and docker/mosquitto.acl."""
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(program).exists():
        pytest.skip("mosquitto is not installed")
    text = (ROOT / "docker" / "mosquitto.conf").read_text(encoding="utf-8")
    folder = deployment.folder
    for ours, here in {
        "listener 1883": f"listener {deployment.mqtt_port} 127.0.0.1\nuser root",
        "/secrets/": f"{folder / 'secrets' / 'mosquitto'}/",
        "/mosquitto/config/": f"{ROOT / 'docker'}/",
        "/mosquitto/data/": f"{folder}/",
    }.items():
        assert ours in text
        text = text.replace(ours, here)
    (folder / "mosquitto.conf").write_text(text, encoding="utf-8")
    with (folder / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen([program, "-c", folder / "mosquitto.conf"], stdout=log, stderr=log)
    try:
        wait_listening("127.0.0.1", deployment.mqtt_port, process)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture
def deployment(tmp_path: Path) -> Generator[Deployment]:
    with influx_server(tmp_path / "influx") as influx, postgres_server() as postgres:
        made = Deployment(tmp_path, influx, postgres)
        with broker(made):
            (tmp_path / "region.toml").write_text(REGISTRY, encoding="utf-8")
            done = satomori("registry", "import", str(tmp_path / "region.toml"), "--config", str(made.config))
            assert done.returncode == 0, done.stderr
            yield made


async def test_a_reading_published_by_a_gateway_ends_up_in_influxdb_and_the_parts_run_and_stop(
    deployment: Deployment,
) -> None:
    """All four parts from their compose commands: the value in InfluxDB, status, the API ready, a clean stop."""
    with ExitStack() as stack:
        processes = {name: stack.enter_context(deployment.part(name)) for name in PARTS}
        wait_for("ingest is connected", lambda: "connected" in deployment.log("ingest"))
        at_s = now_us() // 1_000_000
        pack = json.dumps([{"n": "level-1/water_level", "t": at_s, "u": "m", "v": 1.25}])
        async with deployment.client("gw-1", deployment.gateway_password) as client:
            await client.publish("satomori/v1/gw-1/telemetry", pack, qos=1)
        wait_for("the value in InfluxDB", lambda: _values(deployment.influx) == [[at_s * 1_000_000, 1.25]])
        wait_for("the pond's status", lambda: b"pond-1" in _status(deployment.influx))
        ready = f"http://127.0.0.1:{deployment.api_port}/health/ready"
        wait_for("the API", lambda: _answers(ready))
        for name, process in processes.items():
            assert process.poll() is None, deployment.log(name)
            process.send_signal(signal.SIGTERM)
        codes = {name: process.wait(PATIENCE_S) for name, process in processes.items()}
        assert codes == dict.fromkeys(PARTS, 0)


async def test_the_broker_lets_in_whom_it_should(deployment: Deployment) -> None:
    """No stranger; a gateway on its own topics only; our parts everywhere."""
    for name, password in (("", ""), ("gw-1", "wrong"), ("gw-2", deployment.gateway_password)):
        with pytest.raises(aiomqtt.MqttError):
            async with deployment.client(name, password):
                pass
    ours = (deployment.secrets / "mqtt_password").read_text(encoding="utf-8").strip()
    async with deployment.client("satomori", ours) as listener:
        await listener.subscribe("#", qos=1)
        for topic in ("satomori-internal/v1/stored", "satomori/v1/gw-2/telemetry", "satomori/v1/gw-1/ack"):
            # Refused or thrown out, as the broker's version has it: it must not arrive.
            with contextlib.suppress(aiomqtt.MqttError):
                async with deployment.client("gw-1", deployment.gateway_password) as gateway:
                    await gateway.publish(topic, "forged", qos=1)
        async with deployment.client("gw-1", deployment.gateway_password) as gateway:
            await gateway.publish("satomori/v1/gw-1/status", "mine", qos=1)
        async for message in listener.messages:
            assert str(message.topic) == "satomori/v1/gw-1/status"
            break


def _values(influx: Influx) -> list[list[Any]]:
    answer = json.loads(influx.query('SELECT "value" FROM "water_level"'))
    series = answer["results"][0].get("series", [])
    return [row for one in series for row in one["values"]]


def _status(influx: Influx) -> bytes:
    return influx.query('SELECT * FROM "asset_status"')


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
