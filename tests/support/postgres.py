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

from support.patience import PATIENCE_S
from support.ports import free_ports

_OPTIONS = ("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=50")


@dataclass(slots=True)
class Postgres:
    """`process` may be killed, and started again with what it had written."""

    host: str
    port: int
    user: str
    home: Path
    durable: bool
    process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Again, until it answers: what a killed one leaves behind may take a moment to go."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.process = _start(self.home, self.port, durable=self.durable)
            try:
                _wait(self)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

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
    if not any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        pytest.skip("PostgreSQL is not installed")
    # Not below a test's own folder: that one is closed to other users, and a socket's path may not be long.
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    user = _user()
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
    options = ["-U", "satomori", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
    done = subprocess.run(
        [str(_programs() / "initdb"), "-D", str(home / "data"), *options],
        user=user and user.pw_uid, group=user and user.pw_gid, cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [port] = free_ports(1)
    postgres = Postgres("127.0.0.1", port, "satomori", home, durable, _start(home, port, durable=durable))
    try:
        _wait(postgres)
        yield postgres
    finally:
        server = postgres.process
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(5)
        if server.poll() is None:
            server.kill()
            server.wait(PATIENCE_S)
        shutil.rmtree(home, ignore_errors=True)


def _programs() -> Path:
    return max(Path("/usr/lib/postgresql").glob("*/bin/postgres")).parent


def _user() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _start(home: Path, port: int, *, durable: bool) -> subprocess.Popen[bytes]:
    user = _user()
    options = ("-D", str(home / "data"), "-p", str(port), "-k", str(home), *_OPTIONS, *(() if durable else ("-F",)))
    with (home / "log").open("ab") as log:
        return subprocess.Popen(
            [str(_programs() / "postgres"), *options],
            user=user and user.pw_uid, group=user and user.pw_gid, cwd=home, stdout=log, stderr=log,
        )  # fmt: skip


def _wait(postgres: Postgres) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and postgres.process.poll() is None:
        try:
            psycopg.connect(postgres.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    log = postgres.home / "log"
    raise AssertionError(f"PostgreSQL did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
