"""A real PostgreSQL in a folder and on a port of its own, from Debian's packages.

PostgreSQL refuses to run as root, so there it runs as `nobody`, in a folder of that user.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from support.ports import free_ports

_START_TIMEOUT_S = 30.0
_OPTIONS = ("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=50")


@dataclass(slots=True)
class Postgres:
    host: str
    port: int
    user: str

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{self.user}@{self.host}:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make an empty database; its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.url(database)


@contextmanager
def postgres_server(*, durable: bool = False) -> Generator[Postgres]:
    """A running server with nothing in it; skips the test where there is none to start.

    A test's database need not outlive a power cut: where it is not `durable`, nothing is forced to the disk.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    folder = programs[-1].parent
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    uid, gid = (user.pw_uid, user.pw_gid) if user else (None, None)
    # Not below a test's own folder: that one is closed to other users, and a socket's path may not be long.
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
    cluster, [port] = home / "data", free_ports(1)
    initdb = [
        folder / "initdb",
        "-D",
        cluster,
        "-U",
        "satomori",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
        "--locale=C",
    ]
    done = subprocess.run(
        list(map(str, initdb)), user=uid, group=gid, cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [folder / "postgres", "-D", cluster, "-p", str(port), "-k", home, *_OPTIONS, *([] if durable else ["-F"])],
            user=uid, group=gid, cwd=home, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        postgres = Postgres("127.0.0.1", port, "satomori")
        _wait(postgres, server, home / "log")
        yield postgres
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(5)
        if server.poll() is None:
            server.kill()
            server.wait(5)
        shutil.rmtree(home, ignore_errors=True)


def _wait(postgres: Postgres, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(postgres.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"PostgreSQL did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
