"""A real `satomori ingest` process on a small registry, beside a broker of the test's choice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from satomori_ingest.stores import Stores, open_stores
from support.ingesting import write_registry
from support.patience import PATIENCE_S


class IngestProcess:
    """`start` again after `kill`: state and settings stay. Its log is `ingest.log`.

    `sessions`: how many connections a start waits for, four of which are the main broker's.
    """

    def __init__(self, folder: Path, settings: str, registry: str | None = None, sessions: int = 4) -> None:
        self._sessions = sessions
        self.folder = folder
        self.config = folder / "satomori.toml"
        self.config.write_text(settings, encoding="utf-8")
        self.stores: Stores = open_stores(folder, self.config)
        write_registry(self.stores, folder, text=registry)
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        before = self.log().count("broker connected") if self.starts else 0
        command = [sys.executable, "-m", "satomori_core", "ingest", "--state", str(self.folder)]
        with (self.folder / "ingest.log").open("ab") as log:
            self._process = subprocess.Popen([*command, "--config", str(self.config)], stdout=log, stderr=log)
        self.starts += 1
        self.wait(f"start {self.starts}", lambda: self.log().count("broker connected") >= before + self._sessions)

    def log(self) -> str:
        return (self.folder / "ingest.log").read_text(encoding="utf-8", errors="replace")

    def wait(self, what: str, look: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not look():
            assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}\n{self.log()[-3000:]}"
            assert self._process is not None
            assert self._process.poll() is None, f"ingest ended\n{self.log()[-3000:]}"
            time.sleep(0.02)

    def kill(self) -> None:
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            os.kill(self._process.pid, number)
        status = self._process.wait(PATIENCE_S)
        self._process = None
        return status

    def close(self) -> None:
        self.kill()
        self.stores.observations.close()
        self.stores.registry.dispose()


@contextmanager
def ingest_process(
    folder: Path, settings: str, registry: str | None = None, sessions: int = 4
) -> Iterator[IngestProcess]:
    process = IngestProcess(folder, settings, registry, sessions)
    try:
        process.start()
        yield process
    finally:
        process.close()
