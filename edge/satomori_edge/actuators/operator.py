"""Commands in, orders to the actuators' workers, replies out. The uplink brings the one and takes the other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from satomori_core.clock import SECOND_US
from satomori_core.commands import Command, Outcome, Reason, Reply, decode_command, encode_reply, id_of
from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.logs import get_logger
from satomori_edge.actuators.books import Books
from satomori_edge.actuators.decide import Known, Refusal, Repeated, Run, Sample, Standing, Stop, decide
from satomori_edge.actuators.drive import make_drive
from satomori_edge.actuators.worker import Link, Order, Worker
from satomori_edge.clock import told_us
from satomori_edge.settings import EdgeSettings
from satomori_edge.sources.base import Source

JOURNAL = "actuators.sqlite"
KEEP_US = 3600 * SECOND_US  # an id, beyond its command's expiry: clocks differ, and are set
RETIRE_S = 4.0
RETRY_S = 10.0

log = get_logger("edge")


class Operator:
    """`run` until cancelled; `retire` before that ends timed runs."""

    def __init__(
        self, settings: EdgeSettings, sources: Sequence[Source], books: Books, clock_is_trusted: Callable[[], bool]
    ) -> None:
        self.link = Link()
        self._remote = settings.remote
        self._actuators = settings.actuator
        self._sources = sources
        self._clock_is_trusted = clock_is_trusted
        self._books = books
        self._workers = {
            one.name: Worker(one, make_drive(one, sources), self._books, self._link_is_lost)
            for one in settings.actuator
        }
        self._left: list[str] = []
        self._at_work: list[asyncio.Task[None]] = []

    def describe(self) -> list[dict[str, object]]:
        """What the status message says may be moved."""
        return [actuator.describe() for actuator in self._actuators] if self._remote.enabled else []

    def _link_is_lost(self) -> bool:
        return self.link.lost_s() >= self._remote.link_lost_after_s

    async def open(self) -> None:
        """Ask the journal what was left. Raise SettingsError for a journal that this version can't read."""
        with contextlib.suppress(UnavailableError):  # told by the books; no command is carried out without a journal
            await self._books.run(lambda journal: journal.answer_interrupted(told_us()))
            self._left = await self._books.run(lambda journal: journal.runs())
        self._books.news.set()

    async def run(self) -> None:
        """Where remote operation is off, only what a run had left is brought home: somebody may be working there."""
        async with asyncio.TaskGroup() as group:
            self._at_work = [
                group.create_task(worker.run(), name=f"actuator {name}")
                for name, worker in self._workers.items()
                if self._remote.enabled or name in self._left
            ]

    async def retire(self) -> None:
        """End what runs, as far as RETIRE_S allows; the next start does the rest."""
        for worker in self._workers.values():
            worker.retire()
        if self._at_work:
            await asyncio.wait(self._at_work, timeout=RETIRE_S)

    # ------------------------------------------------------------------ commands

    async def receive(self, payload: bytes, *, is_retained: bool) -> None:
        """One message of the command topic: whatever it is, who sent it is told, if it has an id."""
        try:
            command = decode_command(payload)
        except RejectedError as error:
            log.warning("not a command", why=str(error))
            id_ = id_of(payload)
            if id_ is not None:
                await self._refuse(id_, Refusal(Reason.NOT_COMMAND, str(error)), told_us() + KEEP_US)
            return
        if is_retained:
            refusal = Refusal(Reason.RETAINED, "the broker had kept it; commands are not to be retained")
            await self._refuse(command.id, refusal, told_us() + KEEP_US)
            return
        try:
            await self._receive(command)
        except UnavailableError as error:
            await self._refuse(command.id, Refusal(Reason.JOURNAL, str(error)), command.expires_at_us)

    async def _receive(self, command: Command) -> None:
        """Raise UnavailableError where the journal can't be asked or written: then nothing is done."""
        found = decide(command, self._remote, self._actuators, await self._known(command))
        keep_until_us = max(command.expires_at_us, told_us()) + KEEP_US
        if isinstance(found, Repeated):
            await self._books.run(lambda journal: journal.ask_again(command.id))
            self._books.news.set()
        elif isinstance(found, Refusal):
            await self._refuse(command.id, found, keep_until_us)
        elif not isinstance(found, Sample) and not self._workers[found.actuator].has_room():
            await self._refuse(command.id, Refusal(Reason.BUSY, "too many commands wait"), keep_until_us)
        else:
            await self._books.run(lambda journal: journal.accept(command.id, keep_until_us))
            if isinstance(found, Sample):
                await self._sample(command.id, found)
            else:
                self._workers[found.actuator].take(_order(command, found))

    async def _known(self, command: Command) -> Known:
        name = str(command.args.get("actuator"))
        worker = self._workers.get(name)
        began_us = await self._books.run(lambda journal: journal.began_us)
        is_repeated = await self._books.run(lambda journal: journal.knows(command.id))
        is_full = await self._books.run(lambda journal: journal.is_full())
        last_start_us = await self._books.run(lambda journal: journal.last_start_us(name))
        standing = Standing(worker.is_safe, worker.is_running, last_start_us) if worker else Standing()
        return Known(told_us(), self._clock_is_trusted(), began_us, is_repeated, is_full, standing)

    async def _refuse(self, id_: str, refusal: Refusal, keep_until_us: int) -> None:
        reason = refusal.reason.text(refusal.particulars)
        log.warning("command refused", command=id_, outcome=refusal.outcome, reason=reason)
        await self._books.refuse(Reply(id_, told_us(), refusal.outcome, reason), keep_until_us)

    async def _sample(self, id_: str, wanted: Sample) -> None:
        if any(source.sample(wanted.device, wanted.interval_s) for source in self._sources):
            log.info("device is sampled", device=wanted.device, interval_s=wanted.interval_s, command=id_)
            await self._books.answer(Reply(id_, told_us(), Outcome.DONE, read_back=wanted.interval_s))
        else:
            reason = Reason.UNKNOWN.text(f"no device {wanted.device!r} that this gateway asks")
            await self._books.answer(Reply(id_, told_us(), Outcome.REFUSED, reason))

    # ------------------------------------------------------------------ replies

    async def send_replies(self, publish: Callable[[bytes], Awaitable[None]]) -> None:
        """For ever. `publish` returns when the broker has it."""
        while True:
            self._books.news.clear()
            due = await self._books.due()
            for one in due:
                await publish(encode_reply(one.reply))
                with contextlib.suppress(UnavailableError):  # told by the books; it goes out again after a while
                    await self._books.delivered(one)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await self._books.news.wait()


@asynccontextmanager
async def operating(
    settings: EdgeSettings, sources: Sequence[Source], state: Path, clock_is_trusted: Callable[[], bool]
) -> AsyncIterator[Operator]:
    """An operator whose journal is open for the length of the block."""
    books = Books(state / JOURNAL)
    try:
        operator = Operator(settings, sources, books, clock_is_trusted)
        await operator.open()
        yield operator
    finally:
        await books.close()


def _order(command: Command, found: Run | Stop) -> Order:
    if isinstance(found, Stop):
        return Order(command.id, command.expires_at_us)
    return Order(command.id, command.expires_at_us, found.value, found.run_s)
