"""The journal in a thread of its own, so that a slow disk does not hold up the buses; and what it could not write."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from satomori_core.commands import Reply
from satomori_core.errors import UnavailableError
from satomori_core.logs import get_logger
from satomori_edge.actuators.journal import Due, Journal
from satomori_edge.clock import CLOCK

DUE_AT_ONCE = 50
UNWRITTEN_MAX = 100

T = TypeVar("T")

log = get_logger("edge")


class Books:
    """`news` is set when there is a reply to send."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "journal")
        self._journal: Journal | None = None
        self._unwritten: dict[str, Reply] = {}
        self._is_failing = False
        self.news = asyncio.Event()

    async def run(self, operation: Callable[[Journal], T]) -> T:
        """Raise UnavailableError where the disk fails: the operation is not done then."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, lambda: operation(self._opened()))
        except UnavailableError as error:
            if not self._is_failing:
                log.error("journal of commands can't be written", why=str(error))  # noqa: TRY400 - the disk's fault
            self._is_failing = True
            raise
        self._is_failing = False
        return found

    def _opened(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self._path)
        return self._journal

    async def answer(self, reply: Reply) -> None:
        """Durable where the disk allows it; otherwise it is sent from memory."""
        await self._keep(reply, lambda journal: journal.answer(reply))

    async def refuse(self, reply: Reply, keep_until_us: int) -> None:
        await self._keep(reply, lambda journal: journal.refuse(reply, keep_until_us))

    async def _keep(self, reply: Reply, operation: Callable[[Journal], None]) -> None:
        try:
            await self.run(operation)
        except UnavailableError:
            if len(self._unwritten) < UNWRITTEN_MAX:
                self._unwritten[reply.id] = reply
        self.news.set()

    async def last_start_us(self, actuator: str) -> int | None:
        return await self.run(lambda journal: journal.last_start_us(actuator))

    async def due(self) -> list[Due]:
        """Replies that the broker does not have yet, some at a time."""
        unwritten = [Due(reply) for reply in self._unwritten.values()]
        with contextlib.suppress(UnavailableError):
            if CLOCK.is_known():  # else an id might be forgotten that comes again when it is
                await self.run(lambda journal: journal.forget(CLOCK.now_us()))
            return [*unwritten, *await self.run(lambda journal: journal.due(DUE_AT_ONCE))]
        return unwritten

    async def delivered(self, due: Due) -> None:
        """Raise UnavailableError where that can't be written: it is sent once more then."""
        if self._unwritten.get(due.reply.id) is due.reply:
            del self._unwritten[due.reply.id]
        else:
            await self.run(lambda journal: journal.delivered(due))

    async def close(self) -> None:
        if self._journal is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.close)
        self._thread.shutdown()
