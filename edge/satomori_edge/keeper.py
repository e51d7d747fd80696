"""What stands between the sources, the uplink and the outbox: one thread for the disk, and a way on when it fails.

Readings that arrive while a transaction is running go into the next one together. While the disk can't be written
(full, read-only, failing), new readings go to an outbox in memory, bounded, with a stream of its own: they are sent as
all others, and what its bound thins or drops is told as lost. Lost without a trace is then only what memory holds when
the process ends. The disk is tried again with the next readings after DISK_RETRY_S.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from satomori_core.errors import UnavailableError
from satomori_core.logs import get_logger
from satomori_core.ranges import Range, merge
from satomori_core.readings import Reading
from satomori_edge.clock import boot_id
from satomori_edge.marks import Mark
from satomori_edge.outbox import DISK_RETRY_S, Outbox, OutboxDamagedError
from satomori_edge.settings import OutboxSettings

T = TypeVar("T")
MEMORY_BYTES_MAX = 4_000_000

log = get_logger("edge")


@dataclass(slots=True)
class _Batch:
    """What one transaction writes."""

    readings: list[Reading] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


class Keeper:
    """`arrived` is set by each put; the uplink clears it. `earlier`: how far each stream came in an earlier life."""

    def __init__(self, path: Path, settings: OutboxSettings) -> None:
        self._path = path
        self._settings = settings
        self._boot = boot_id()
        self._thread = ThreadPoolExecutor(1, "outbox")
        self._writing = asyncio.Lock()
        self._waiting = _Batch()
        self._disk: Outbox | None = None
        self._memory: Outbox | None = None
        self._retry_at_s = 0.0  # 0: the disk is all right
        self._owed: dict[str, list[Range]] = {}  # acknowledged and not deleted
        self.arrived = asyncio.Event()
        self.earlier: dict[str, int] = {}

    async def open(self) -> None:
        """Raise SettingsError for a file that this version can't read."""
        await self._in_thread(self._open_disk)
        for outbox in self.outboxes():
            last = await self.run(outbox, outbox.next_seq) - 1
            if last:
                self.earlier[outbox.stream] = last

    async def close(self) -> None:
        """After everything that was put is written."""
        if self._waiting.readings or self._waiting.marks:
            await self.put([])
        for outbox in self.outboxes():
            await self._in_thread(outbox.close)
        self._thread.shutdown()

    def outboxes(self) -> list[Outbox]:
        return [outbox for outbox in (self._disk, self._memory) if outbox is not None]

    def outbox(self, stream: str) -> Outbox | None:
        return next((outbox for outbox in self.outboxes() if outbox.stream == stream), None)

    @property
    def count(self) -> int:
        """Readings that wait for their acknowledgement."""
        return sum(outbox.count for outbox in self.outboxes())

    async def marks(self) -> list[Mark]:
        """How far devices with a numbering of their own have come in, in all earlier lives of this edge."""
        if self._disk is None:
            return []
        try:
            return await self.run(self._disk, self._disk.marks)
        except UnavailableError as error:
            log.warning("marks can't be read, what nodes send again is kept again", why=str(error))
            return []

    async def oldest_us(self) -> int | None:
        ages = [await self.run(outbox, outbox.oldest_us) for outbox in self.outboxes()]
        return min((age for age in ages if age is not None), default=None)

    # ------------------------------------------------------------------ writing

    async def put(self, readings: Sequence[Reading], mark: Mark | None = None) -> None:
        """Durable when it returns, or in memory where the disk can't be written."""
        batch = self._waiting
        batch.readings += readings
        batch.marks += [mark] if mark else []
        async with self._writing:
            # Else there is nothing, or somebody who waited with us has taken ours along.
            if self._waiting is batch and (batch.readings or batch.marks):
                self._waiting = _Batch()
                await self._in_thread(lambda: self._put(batch))
                self.arrived.set()

    def _put(self, batch: _Batch) -> None:
        try:
            self._put_disk(batch)
        except UnavailableError as error:
            if self._memory is None:
                self._memory = Outbox(
                    None, readings_max=self._settings.memory_readings_max, bytes_max=MEMORY_BYTES_MAX, boot=self._boot
                )
            if not self._retry_at_s:
                log.error(  # noqa: TRY400 - the operator's fault or the disk's: a traceback says nothing
                    "disk can't be written, readings are kept in memory", why=str(error)
                )
            self._retry_at_s = time.monotonic() + error.retry_after_s
            self._memory.put(batch.readings, batch.marks)

    def _put_disk(self, batch: _Batch) -> None:
        wait_s = self._retry_at_s - time.monotonic()
        if wait_s > 0:
            raise UnavailableError("the disk is tried again later", wait_s)
        if self._disk is None:
            self._open_disk()
        if self._disk is None:
            raise UnavailableError("the outbox can't be opened", DISK_RETRY_S)
        try:
            self._disk.put(batch.readings, batch.marks)
        except OutboxDamagedError as error:
            self._disk.begin_anew(str(error))
            self._disk.put(batch.readings, batch.marks)
        if self._retry_at_s:
            self._retry_at_s = 0.0
            log.info("disk can be written again")

    def _open_disk(self) -> None:
        try:
            self._disk = Outbox(
                self._path,
                readings_max=self._settings.readings_max,
                bytes_max=self._settings.bytes_max,
                boot=self._boot,
            )
        except UnavailableError as error:
            log.warning("outbox can't be opened", path=str(self._path), why=str(error))

    async def stamp(self, boot_at_us: int) -> None:
        """The time is known, and with it when the machine was started: what was held can go."""
        for outbox in self.outboxes():
            if outbox.holds:
                while await self.run(outbox, lambda outbox=outbox: outbox.stamp(boot_at_us)):  # type: ignore[misc]
                    pass
                self.arrived.set()

    # ------------------------------------------------------------------ for the uplink

    async def run(self, outbox: Outbox, operation: Callable[[], T]) -> T:
        """Raise UnavailableError where the disk fails, also after a damaged file was replaced by a new stream."""
        try:
            return await self._in_thread(operation)
        except OutboxDamagedError as error:
            why = str(error)
            await self._in_thread(lambda: outbox.begin_anew(why))
            raise UnavailableError(f"the outbox was damaged: {why}", 0.0) from None

    async def acknowledge(self, stream: str, ranges: Sequence[Range]) -> None:
        """End the duty for `ranges`. What a failing disk does not let us delete is deleted later, by `settle`."""
        # Losses of an earlier stream are kept by the outbox on disk, so that one is told what is nobody's own.
        outbox = self.outbox(stream) or self._disk
        if outbox is None or not ranges:
            return
        try:
            await self.run(outbox, lambda: outbox.acknowledge(stream, ranges))
        except UnavailableError as error:
            if not self._owed:
                log.warning("acknowledged readings can't be deleted yet", stream=stream, why=str(error))
            self._owed[stream] = merge([*self._owed.get(stream, []), *ranges])
        if not outbox.is_durable:
            await self._in_thread(self._forget_memory)

    async def settle(self) -> None:
        """Now and then: delete what is acknowledged and could not be deleted. Where we end first, it is sent again."""
        owed, self._owed = self._owed, {}
        for stream, ranges in owed.items():
            await self.acknowledge(stream, ranges)

    def _forget_memory(self) -> None:
        """In the thread, so that nothing is put into it meanwhile. Not closed: a lane may just be about to look."""
        if self._memory is not None and not self._retry_at_s and self._memory.is_empty():
            self._memory = None

    async def _in_thread(self, operation: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, operation)
