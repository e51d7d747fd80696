"""Real processes and disks that a campaign may harm, and what it may do on this machine."""

import asyncio
import errno
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

END_MAX_S = 60.0
_CLOCK = Path(__file__).with_name("clock.c")
_FILL_BYTES = 65_536


class Program:
    """A process of ours that may be ended, paused and started again. Its log is one file, over all its lives."""

    def __init__(
        self, name: str, module: str, *arguments: str, log: Path, more: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.wanted = False
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {**os.environ, **(more or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environment)
        self.wanted = True

    async def end(self, number: int) -> None:
        """Until it is gone; one that does not heed a SIGTERM is killed, which is a fault of its own."""
        self.wanted = False
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        if not await asyncio.to_thread(_waited, process):
            process.kill()
            await asyncio.to_thread(_waited, process)
            raise AssertionError(f"{self.name} did not end within {END_MAX_S:.0f} s of signal {number}")

    def ended_by_itself(self) -> int | None:
        """Its status where it should be running and is not."""
        return self.process.poll() if self.wanted and self.process is not None else None

    def last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1][:300] if lines else ""

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def _waited(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(END_MAX_S)
    except subprocess.TimeoutExpired:
        return False
    return True


class Disk:
    """A folder; `is_own`: a small file system of its own, that can be filled."""

    def __init__(self, folder: Path, *, is_own: bool) -> None:
        self.folder = folder
        self.is_own = is_own
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(_FILL_BYTES))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """A tmpfs where we may mount one, else a plain folder."""
    folder.mkdir(parents=True)
    mounted = _done("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    try:
        yield Disk(folder, is_own=mounted)
    finally:
        if mounted:
            _done("umount", "--lazy", str(folder))


class Dropped:
    """Packets to and from a port of ours that nft drops; a table for each, so that none is left behind."""

    def __init__(self) -> None:
        self._tables: set[str] = set()
        self.is_allowed = shutil.which("nft") is not None and self.begin(9)
        self.end(9)

    def begin(self, port: int) -> bool:
        table = f"satomori_campaign_{os.getpid()}_{port}"
        self._tables.add(table)
        chain = f"type filter hook input priority 0; policy accept; tcp dport {port} drop; tcp sport {port} drop;"
        return _done("nft", f"table inet {table} {{ chain drops {{ {chain} }}; }}")

    def end(self, port: int) -> None:
        self._delete(f"satomori_campaign_{os.getpid()}_{port}")

    def _delete(self, table: str) -> None:
        if table in self._tables:
            _done("nft", "delete", "table", "inet", table)
            self._tables.discard(table)

    def close(self) -> None:
        for table in list(self._tables):
            self._delete(table)


class Clock:
    """A wall clock for one process, that can be stepped; `environment` is empty where there is no compiler."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        library = folder / "clock.so"
        self.step(0)
        compiler = next(filter(shutil.which, ("cc", "gcc", "g++")), None)
        done = compiler is not None and _done(
            compiler, "-xc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_CLOCK)
        )
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_STEP_FILE": str(self._file)} if done else {}

    def step(self, by_s: int) -> None:
        """Its difference from the true time, written in one piece: the process maps this file."""
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, struct.pack("=q", by_s))
        finally:
            os.close(descriptor)


def _done(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@contextmanager
def sensors(folder: Path, spec: str) -> Generator[subprocess.Popen[bytes]]:
    """The sensors' process, ready."""
    folder.mkdir(parents=True)
    command: Sequence[str] = [sys.executable, "-m", "campaign.sensors", str(folder), spec]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def now_s() -> float:
    """The clock that the sensors' diary uses as well."""
    return time.monotonic()
