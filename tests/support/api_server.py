"""A real `satomori api` on a free port, and its live stream as a client sees it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from support.patience import PATIENCE_S


@dataclass
class ApiServer:
    url: str
    process: subprocess.Popen[str]
    said: list[dict[str, Any]]

    def stop(self) -> int:
        """As a supervisor does; the exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


@contextmanager
def api_server(state: Path, *arguments: str) -> Iterator[ApiServer]:
    """Runs until the block ends. Raises AssertionError where it does not come to listen."""
    command = [sys.executable, "-m", "satomori_core", "api", "--port", "0", "--state", str(state), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=state)
    assert process.stdout is not None
    said: list[dict[str, Any]] = []
    for line in process.stdout:
        said.append(json.loads(line))
        if said[-1]["event"] == "listening":
            break
    rest = threading.Thread(target=lambda: said.extend(map(json.loads, process.stdout or ())), daemon=True)
    rest.start()
    try:
        assert said
        assert said[-1]["event"] == "listening", said
        yield ApiServer(said[-1]["url"], process, said)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        rest.join(5)
        process.stdout.close()


@dataclass(frozen=True)
class Event:
    id: str
    name: str
    content: dict[str, Any]


class Listener:
    """Reads Server-Sent Events off one stream."""

    def __init__(self, url: str, token: str, last_event_id: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        self._client = httpx.Client(timeout=PATIENCE_S)
        self._stream = self._client.stream("GET", f"{url}/api/v1/stream", headers=headers)

    def __enter__(self) -> Self:
        self.answer = self._stream.__enter__()
        self._lines = self.answer.iter_lines()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.__exit__(None, None, None)
        self._client.close()

    def next(self) -> Event:
        """The next event; comments (the heartbeat) are passed over. httpx.ReadTimeout after a minute of nothing."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and fields:
                return Event(fields.get("id", ""), fields.get("event", ""), json.loads(fields.get("data", "null")))
            key, _, value = line.partition(": ")
            if key:
                fields[key] = value
        raise EOFError

    def until(self, name: str) -> Event:
        """The next event of that name."""
        while (event := self.next()).name != name:
            pass
        return event
