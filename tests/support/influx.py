"""A real InfluxDB in a folder and on ports of its own, with `/api/v2/write` where the server is too old to have it.

Debian's is 1.6.7, and 1.8 was the first with that path, so a real nginx before it rewrites it to `/write`. Everything
else (`/query`) goes through as it is. Use `with influx_server(folder) as influx:`, or keep one with
`python -m support.influx FOLDER`.
"""

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
from pathlib import Path

import pytest

from satomori_store.settings import InfluxSettings
from support.mosquitto import wait_listening
from support.patience import PATIENCE_S
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
_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log; {user}
events {{ }}
http {{
  access_log off;
  client_max_body_size 256m; client_body_buffer_size 8m; client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy; fastcgi_temp_path {folder}/nginx-1; uwsgi_temp_path {folder}/nginx-2;
  scgi_temp_path {folder}/nginx-3;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; proxy_read_timeout 60s;
  map $arg_precision $known_precision {{ us u; default $arg_precision; }}
  upstream server {{ server 127.0.0.1:{target}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port};
    location = /api/v2/write {{
      set $args db=$arg_bucket&precision=$known_precision;
      rewrite ^ /write break;
      proxy_pass http://server;
    }}
    location / {{ proxy_pass http://server; }}
  }}
}}
"""


@dataclass(slots=True)
class Influx:
    """`url`: what our parts are told; `server_url`: the server itself, without the translation.

    `process` may be killed, and started again with what it had written.
    """

    url: str
    server_url: str
    database: str
    folder: Path
    process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Again, until it answers."""
        self.process = _start(self.folder)
        _wait(self)

    def settings(self) -> InfluxSettings:
        return InfluxSettings(self.url, self.database, timeout_s=10)

    def toml(self) -> str:
        """The [store] table for a settings file."""
        return f'[store]\nbackend = "influxdb"\ninfluxdb = {{ url = "{self.url}", database = "{self.database}" }}\n'

    def query(self, influxql: str) -> bytes:
        """As an administrator, straight to the server."""
        body = urllib.parse.urlencode({"q": influxql, "db": self.database, "epoch": "u"}).encode()
        with urllib.request.urlopen(f"{self.server_url}/query", body, timeout=PATIENCE_S) as answer:
            content: bytes = answer.read()
        return content

    def write(self, lines: str) -> None:
        """As another program would, past our adapter."""
        target = f"{self.server_url}/write?db={self.database}&precision=u"
        urllib.request.urlopen(target, lines.encode(), timeout=PATIENCE_S).close()


@contextmanager
def influx_server(folder: Path, database: str = "satomori") -> Generator[Influx]:
    """A running server with an empty database; skips the test where there is none to start."""
    if not Path(_program()).exists():
        pytest.skip("influxd is not installed")
    port, rpc_port = free_ports(2)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "influxdb.conf").write_text(_CONFIG.format(folder=folder, http=port, rpc=rpc_port), encoding="utf-8")
    influx = Influx("", f"http://127.0.0.1:{port}", database, folder, _start(folder))
    try:
        with _nginx(folder, port) as influx.url:
            _wait(influx)
            influx.query(f'CREATE DATABASE "{database}"')
            yield influx
    finally:
        influx.process.terminate()
        try:
            influx.process.wait(10)
        except subprocess.TimeoutExpired:
            influx.process.kill()
            influx.process.wait(10)


def _program() -> str:
    return shutil.which("influxd") or "/usr/sbin/influxd"


def _start(folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "influxd.log").open("ab") as log:
        return subprocess.Popen([_program(), "-config", str(folder / "influxdb.conf")], stdout=log, stderr=log)


def _wait(influx: Influx) -> None:
    deadline = time.monotonic() + PATIENCE_S
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


@contextmanager
def _nginx(folder: Path, target_port: int) -> Generator[str]:
    """The URL under which `/api/v2/write?org&bucket&precision` is `/write?db&precision` and the rest passes."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        pytest.skip("nginx is not installed (apt-get install nginx-light)")
    [port] = free_ports(1)
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(_NGINX.format(folder=folder, port=port, target=target_port, user=user), encoding="utf-8")
    process = subprocess.Popen([program, "-e", str(folder / "nginx.log"), "-c", str(config)])
    try:
        wait_listening("127.0.0.1", port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


if __name__ == "__main__":
    with influx_server(Path(sys.argv[1])) as running:
        print(running.toml(), f"# server {running.server_url}, pid {os.getpid()}; Ctrl-C ends it", sep="", flush=True)
        threading.Event().wait()
