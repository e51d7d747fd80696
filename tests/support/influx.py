"""A real InfluxDB in a folder and on ports of its own, with `/api/v2/write` where the server is too old to have it.

Debian's is 1.6.7, and 1.8 was the first with that path, so a few lines translate it to `/write`. Everything else
(`/query`) goes through as it is. Use `with influx_server(folder) as influx:`, or keep one with
`python -m support.influx FOLDER`.
"""

import http.client
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from satomori_store.settings import InfluxSettings
from support.ports import free_ports

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  index-version = "inmem"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
  flux-enabled = false
[subscriber]
  enabled = false
"""
_START_TIMEOUT_S = 30.0


@dataclass(slots=True)
class Influx:
    """`url`: what our parts are told; `server_url`: the server itself, without the translation."""

    url: str
    server_url: str
    database: str
    folder: Path
    process: subprocess.Popen[bytes]

    def settings(self) -> InfluxSettings:
        return InfluxSettings(self.url, self.database, timeout_s=10)

    def toml(self) -> str:
        """The [store] table for a settings file."""
        return f'[store]\nbackend = "influxdb"\ninfluxdb = {{ url = "{self.url}", database = "{self.database}" }}\n'

    def query(self, influxql: str) -> bytes:
        """As an administrator, straight to the server."""
        body = urllib.parse.urlencode({"q": influxql, "db": self.database, "epoch": "u"}).encode()
        with urllib.request.urlopen(f"{self.server_url}/query", body, timeout=10) as answer:
            content: bytes = answer.read()
        return content

    def write(self, lines: str) -> None:
        """As another program would, past our adapter."""
        target = f"{self.server_url}/write?db={self.database}&precision=u"
        urllib.request.urlopen(target, lines.encode(), timeout=10).close()


@contextmanager
def influx_server(folder: Path, database: str = "satomori") -> Generator[Influx]:
    """A running server with an empty database; skips the test where there is none to start."""
    program = shutil.which("influxd") or "/usr/sbin/influxd"
    if not Path(program).exists():
        pytest.skip("influxd is not installed")
    port, rpc_port = free_ports(2)
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "influxdb.conf"
    config.write_text(_CONFIG.format(folder=folder, http=port, rpc=rpc_port), encoding="utf-8")
    with (folder / "influxd.log").open("wb") as log:
        process = subprocess.Popen([program, "-config", str(config)], stdout=log, stderr=log)
    proxy = _Proxy(port)
    try:
        influx = Influx(proxy.url, f"http://127.0.0.1:{port}", database, folder, process)
        _wait(influx)
        influx.query(f'CREATE DATABASE "{database}"')
        yield influx
    finally:
        proxy.stop()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait(influx: Influx) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if influx.process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{influx.server_url}/ping", timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    log = (influx.folder / "influxd.log").read_text(encoding="utf-8", errors="replace")[-2000:]
    raise AssertionError(f"influxd did not start:\n{log}")


class _Proxy:
    """`/api/v2/write?org&bucket&precision` becomes `/write?db&precision`; the rest passes."""

    def __init__(self, target_port: int) -> None:
        handler = type("Handler", (_Handler,), {"target_port": target_port})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    target_port = 0

    @override
    def setup(self) -> None:
        super().setup()
        self._target = http.client.HTTPConnection("127.0.0.1", self.target_port, timeout=30)

    @override
    def finish(self) -> None:
        self._target.close()
        super().finish()

    def do_GET(self) -> None:
        self._pass("GET")

    def do_POST(self) -> None:
        self._pass("POST")

    def _pass(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        wanted = ("Content-Type", "Content-Encoding", "Accept", "Authorization")
        headers = {name: value for name in wanted if (value := self.headers.get(name)) is not None}
        try:
            self._target.request(method, translate(self.path), body, headers)
            answer = self._target.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            # The server is gone: so is this connection, as it would be without us in between.
            self._target.close()
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name in ("Content-Type", "X-Influxdb-Version", "X-Influxdb-Error"):
            if (value := answer.headers.get(name)) is not None:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test's output is its own."""


def translate(path: str) -> str:
    """The path and query as 1.6 knows them."""
    head, _, query = path.partition("?")
    if head != "/api/v2/write":
        return path
    asked = urllib.parse.parse_qs(query)
    precision = {"us": "u"}.get(asked["precision"][0], asked["precision"][0])
    return "/write?" + urllib.parse.urlencode({"db": asked["bucket"][0], "precision": precision})


if __name__ == "__main__":
    with influx_server(Path(sys.argv[1])) as running:
        print(running.toml(), f"# server {running.server_url}, pid {os.getpid()}; Ctrl-C ends it", sep="", flush=True)
        threading.Event().wait()
