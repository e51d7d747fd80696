"""A real `satomori up` in a folder of its own, on free ports, as its operator sees it: JSON lines out, signals in."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

from support.patience import PATIENCE_S
from support.ports import free_ports

T = TypeVar("T")


def satomori(*arguments: str, timeout_s: float = 120, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "satomori_core", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=cwd,
        check=False,
    )


def wait_for(what: str, look: Callable[[], T | None], timeout_s: float = PATIENCE_S, every_s: float = 0.2) -> T:
    """What `look` returns as soon as it is true; AssertionError naming `what` when the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError(f"not within {timeout_s:.0f} s: {what}")


class Up:
    """One running `satomori up`."""

    def __init__(self, folder: Path, *arguments: str, settings: str = "") -> None:
        self.folder = folder
        self.state = folder / "state"
        port, mqtt5_port, self.api_port = free_ports(3)
        self.mqtt_port = port
        self.config = folder / "satomori.toml"
        broker = "" if "[broker]" in settings else f"[broker]\nport = {port}\nmqtt5_port = {mqtt5_port}\n"
        self.config.write_text(f"{broker}[api]\nport = {self.api_port}\n{settings}", encoding="utf-8")
        self.said: list[dict[str, Any]] = []
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "satomori_core", "up", "--json", *self.options, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def options(self) -> list[str]:
        return ["--state", str(self.state), "--config", str(self.config)]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                record = json.loads(line)
            except ValueError:
                record = {"text": line.rstrip()}
            self.said.append({"at_s": time.monotonic() - self.started, **record})

    def said_with(self, key: str) -> dict[str, Any] | None:
        return next((record for record in self.said if key in record), None)

    def answers(self, path: str = "/health/ready") -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}{path}", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def registry(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows straight from the registry's file, read only."""
        return _rows(self.state / "registry.sqlite", sql, arguments)

    def observations(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        return _rows(self.state / "observations.sqlite", sql, arguments)

    def audit(self) -> list[dict[str, Any]]:
        done = satomori("audit", "--json", *self.options)
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    def faults_of_audit(self) -> list[dict[str, Any]]:
        return [row for row in self.audit() if row.get("gaps") or row.get("excess") or row.get("missing")]

    def children(self) -> dict[str, psutil.Process]:
        """The parts' processes by the word after `satomori` (edges by their settings file)."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                words = child.cmdline()
            except (psutil.ZombieProcess, psutil.NoSuchProcess):
                continue
            if "satomori_core" in words:
                name = words[words.index("satomori_core") + 1]
                found[Path(words[words.index("--config") + 1]).stem if name == "edge" else name] = child
        return found

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to stop, as Ctrl-C does; the exit status."""
        os.kill(self.process.pid, number)
        return self.process.wait(PATIENCE_S)

    def log(self, part: str) -> str:
        path = self.state / "log" / f"{part}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _rows(path: Path, sql: str, arguments: tuple[object, ...]) -> list[tuple[Any, ...]]:
    if not path.exists():
        return []
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql, arguments).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
    finally:
        connection.close()


@contextmanager
def running(folder: Path, *arguments: str, settings: str = "") -> Iterator[Up]:
    """`satomori up` for the length of the block; whatever is left of it afterwards is killed."""
    up = Up(folder, *arguments, settings=settings)
    family = [psutil.Process(up.process.pid)]
    try:
        yield up
    finally:
        if up.process.poll() is None:
            family += family[0].children(recursive=True)
            up.process.terminate()
            psutil.wait_procs(family, timeout=PATIENCE_S)
        for process in family:
            if process.is_running():
                process.kill()
        up.process.wait()
        up._reader.join(5)
        for pipe in (up.process.stdout, up.process.stderr):
            assert pipe is not None
            pipe.close()
