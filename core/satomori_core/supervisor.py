"""Runs parts as processes: start in order, restart with backoff, stop in reverse order, logs with a bound.

A part that exits by itself is started again, ever more slowly; one that says at its very first start that its settings
are wrong (exit status 2) ends the whole run, since a restart would not help. Parts die with the supervisor, even
if that is killed (Linux: parent death signal).
"""

import asyncio
import contextlib
import ctypes
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from satomori_core.errors import SettingsError, UnavailableError
from satomori_core.logs import get_logger

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
STEADY_AFTER_S = 60.0  # a part that ran so long starts again at the first backoff
STOP_TIMEOUT_S = 8.0
LOG_BYTES_MAX = 10_000_000  # of a part's log; one older file of the same size is kept
LINE_BYTES_MAX = 1 << 20
SETTINGS_EXIT = 2

_PR_SET_PDEATHSIG = 1

log = get_logger("up")


@dataclass(frozen=True, slots=True)
class Part:
    """`arguments` follow `satomori`. `listens` (host, port) is waited for before the next part starts.

    `once`: a part that ends with status 0 has done its work and is not started again.
    """

    name: str
    arguments: Sequence[str]
    listens: tuple[str, int] | None = None
    once: bool = False
    on_line: Callable[[str], None] | None = None


@dataclass(slots=True)
class _Running:
    part: Part
    process: asyncio.subprocess.Process | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    starts: int = 0


class Supervisor:
    """`run` returns when `stop` was called or raises what a part's first start raised."""

    def __init__(self, parts: Sequence[Part], log_folder: Path) -> None:
        self._running = [_Running(part) for part in parts]
        self._log_folder = log_folder
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        self._log_folder.mkdir(parents=True, exist_ok=True)
        tasks: list[asyncio.Task[None]] = []
        stopped = asyncio.create_task(self._stopping.wait(), name="stop")
        try:
            for running in self._running:
                tasks.append(asyncio.create_task(self._keep(running), name=running.part.name))
                if running.part.listens is not None:
                    await _wait_listening(running.part, tasks[-1])
            await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            while not stopped.done() and not any(t.done() and t.exception() for t in tasks):
                pending = [t for t in tasks if not t.done()]
                await asyncio.wait([*pending, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping.set()
            for running in reversed(self._running):
                await _end(running)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            stopped.cancel()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _keep(self, running: _Running) -> None:
        """Start the part, and again whenever it ends, until the run stops."""
        backoff_s = BACKOFF_FIRST_S
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started = loop.time()
            status = await self._run_once(running)
            if self._stopping.is_set() or (running.part.once and status == 0):
                return
            if status == SETTINGS_EXIT and running.starts == 1:
                raise SettingsError(f"{running.part.name} can't start:\n" + "\n".join(running.tail))
            if loop.time() - started > STEADY_AFTER_S:
                backoff_s = BACKOFF_FIRST_S
            log.warning("part ended, starting it again", name=running.part.name, status=status, in_s=backoff_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff_s):
                    await self._stopping.wait()
            backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)

    async def _run_once(self, running: _Running) -> int:
        part = running.part
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "satomori_core",
            *part.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LINE_BYTES_MAX,
            process_group=0,  # Ctrl-C reaches the supervisor alone, which stops its parts in order
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        running.process = process
        running.starts += 1
        if process.stdout is None:
            raise AssertionError
        with _PartLog(self._log_folder / f"{part.name}.log") as part_log:
            while line := await _read_line(process.stdout):
                part_log.write(line)
                text = line.decode(errors="replace").rstrip()
                running.tail.append(text)
                if part.on_line is not None:
                    part.on_line(text)
        return await process.wait()


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:  # longer than the limit, which readline has then thrown away
        return b"(a line too long to log)\n"


async def _end(running: _Running) -> None:
    """Ask the part to stop, and after a while make it."""
    process = running.process
    if process is None or process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            log.warning("part did not stop when asked, killing it", name=running.part.name)
            process.kill()
            await process.wait()


async def _wait_listening(part: Part, task: asyncio.Task[None], timeout_s: float = 15.0) -> None:
    """Until something accepts connections at `part.listens`, or the part's task has failed."""
    if part.listens is None:
        return
    for _ in range(int(timeout_s / 0.05)):
        if task.done():
            return
        try:
            _, writer = await asyncio.open_connection(*part.listens)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise UnavailableError(f"{part.name} does not listen on {part.listens} after {timeout_s:.0f} s; see its log")


def _die_with_parent() -> None:
    """In the child, between fork and exec: have the kernel end us when the supervisor ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class _PartLog:
    """An append-only file that is set aside as `.1` when it has grown too large."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, line: bytes) -> None:
        # A full disk must not take the supervisor down: the log is the one thing that may be lost.
        with contextlib.suppress(OSError):
            self._file.write(line)
            if self._file.tell() > LOG_BYTES_MAX:
                self._file.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._file = self._path.open("ab", buffering=0)
