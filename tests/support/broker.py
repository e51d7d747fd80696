"""The embedded broker as `satomori broker` runs it, on free ports."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.mosquitto import wait_listening
from support.ports import free_ports


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """`port` speaks MQTT 3.1.1, `mqtt5_port` MQTT 5. `table` is the [broker] table of a settings file."""

    host: str
    port: int
    mqtt5_port: int
    process: subprocess.Popen[bytes]

    @property
    def table(self) -> str:
        return f"[broker]\nport = {self.port}\nmqtt5_port = {self.mqtt5_port}\n"


@contextmanager
def embedded_broker(
    folder: Path, ports: tuple[int, int] | None = None, host: str = "127.0.0.1"
) -> Iterator[EmbeddedBroker]:
    """Its log is `broker.log` in `folder`. With `ports` it comes back where an earlier one was."""
    port, mqtt5_port = ports or free_ports(2)
    config = folder / "broker.toml"
    config.write_text(f'[broker]\nhost = "{host}"\nport = {port}\nmqtt5_port = {mqtt5_port}\n', encoding="utf-8")
    command = [sys.executable, "-m", "satomori_core", "broker", "--config", str(config), "--state", str(folder)]
    with (folder / "broker.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    broker = EmbeddedBroker(host, port, mqtt5_port, process)
    try:
        wait_listening(broker.host, port, process)
        wait_listening(broker.host, mqtt5_port, process)
        yield broker
    finally:
        process.kill()
        process.wait(10)
