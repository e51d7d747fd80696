"""A real Mosquitto on a free port of 127.0.0.1, in a folder of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.patience import PATIENCE_S
from support.ports import free_ports


class Mosquitto:
    """`start` and `stop` may be called again: with `persistence` it then remembers, without it forgets."""

    def __init__(
        self, program: str, folder: Path, *, persistence: bool, anonymous: bool, more: Sequence[str] = ()
    ) -> None:
        self.host = "127.0.0.1"
        [self.port] = free_ports(1)
        self._program = program
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        lines = [
            f"listener {self.port} {self.host}",
            f"allow_anonymous {'true' if anonymous else 'false'}",
            # Its default of 1000 drops messages of a slow subscriber, silently.
            "max_queued_messages 0",
            "max_inflight_messages 0",
            f"persistence {'true' if persistence else 'false'}",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            # Started by root it would become another user, who may not write its state here.
            *(["user root"] if os.geteuid() == 0 else []),
            *more,
        ]
        self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        wait_listening(self.host, self.port, self._process)

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """SIGTERM: with persistence it saves first."""
        self._end(kill=False)

    def kill(self) -> None:
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(PATIENCE_S)
            self._process = None


def wait_listening(host: str, port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert server.poll() is None, f"{server.args!r} ended with status {server.poll()}"
        with suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on {host}:{port} after {PATIENCE_S:.0f} s")


@contextmanager
def mosquitto(
    folder: Path, *, persistence: bool = False, anonymous: bool = True, more: Sequence[str] = ()
) -> Iterator[Mosquitto]:
    """Skips the test where Mosquitto is not installed. `more`: further lines of its settings."""
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    broker = Mosquitto(program, folder, persistence=persistence, anonymous=anonymous, more=more)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
