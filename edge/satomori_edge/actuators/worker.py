"""One actuator: brought to its fail-safe position at the start, moved by order, read back, and ended in time.

Whenever it is not known where it stands, it goes to its fail-safe position, again and again until that is read back.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from satomori_core.clock import SECOND_US
from satomori_core.commands import Ended, Outcome, Reason, Reply
from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.logs import get_logger
from satomori_edge.actuators.books import Books
from satomori_edge.actuators.decide import Standing, untimely
from satomori_edge.actuators.drive import Drive
from satomori_edge.clock import told_us
from satomori_edge.settings import ActuatorSettings

PUTS_MAX = 2  # a position is the same when told twice
LOOK_EVERY_S = 0.5
ORDERS_MAX = 8
HOME_FIRST_S = 1.0
HOME_MAX_S = 30.0

log = get_logger("edge")


@dataclass(frozen=True, slots=True)
class Order:
    """To `value` for `run_s` (None: until told otherwise), or with `value` None to the fail-safe position."""

    id: str
    expires_us: int
    value: float | None = None
    run_s: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """After a move: what was read last, and why that is not enough, if it is not."""

    read_back: float | None = None
    reason: Reason | None = None
    particulars: str = ""

    def why(self) -> str:
        return "" if self.reason is None else self.reason.text(self.particulars)


class Link:
    """Whether the broker is there; `lost_s`: since when it is not. Begins as lost."""

    def __init__(self) -> None:
        self._down_since_s: float | None = time.monotonic()

    def up(self) -> None:
        self._down_since_s = None

    def down(self) -> None:
        if self._down_since_s is None:
            self._down_since_s = time.monotonic()

    def lost_s(self) -> float:
        return 0.0 if self._down_since_s is None else time.monotonic() - self._down_since_s


class Worker:
    """`run` until it is told to retire, or cancelled."""

    def __init__(
        self, settings: ActuatorSettings, drive: Drive, books: Books, link_is_lost: Callable[[], bool]
    ) -> None:
        self.settings = settings
        self.is_safe = False
        self.is_running = False
        self._drive = drive
        self._books = books
        self._link_is_lost = link_is_lost
        self._until_s: float | None = None  # of a timed run
        self._orders: deque[Order] = deque()
        self._news = asyncio.Event()
        self._is_retiring = False

    def has_room(self) -> bool:
        return len(self._orders) < ORDERS_MAX

    def take(self, order: Order) -> None:
        self._orders.append(order)
        self._news.set()

    def retire(self) -> None:
        """End a timed run, and then `run`."""
        self._is_retiring = True
        self._news.set()

    async def run(self) -> None:
        await self._go_home(Ended.RESTART)
        while True:
            if self._orders:
                order = self._orders.popleft()
                await (self._go_home(Ended.STOPPED, order) if order.value is None else self._carry_out(order))
            elif (why := self._over()) is not None:
                await self._go_home(why)
            elif self._is_retiring:
                return
            else:
                await self._wait_for_news(None if self._until_s is None else LOOK_EVERY_S)

    def _over(self) -> Ended | None:
        """Why a timed run ends now."""
        if self._until_s is None:
            return None
        if time.monotonic() >= self._until_s:
            return Ended.RUN_TIME
        if self._link_is_lost():
            return Ended.LINK_LOST
        return Ended.RESTART if self._is_retiring else None

    # ------------------------------------------------------------------ orders

    async def _carry_out(self, order: Order) -> None:
        at_us, name = told_us(), self.settings.name
        try:
            if order.value is None or not await self._may(order, at_us):
                return
            await self._books.run(lambda journal: journal.begin_run(name, order.id, at_us))
        except UnavailableError as error:
            await self._answer(order, Outcome.REFUSED, Reason.JOURNAL.text(str(error)))
            return
        self._books.news.set()  # of a run that this one replaces
        self.is_running = True
        self._until_s = None if order.run_s is None else time.monotonic() + order.run_s
        found = await self._move(order.value, order.run_s, is_overtaken=lambda: bool(self._orders))
        if found.reason is None:
            until_us = None if order.run_s is None else at_us + round(order.run_s * SECOND_US)
            log.info("actuator moved", actuator=name, value=order.value, run_s=order.run_s, command=order.id)
            await self._books.answer(
                Reply(order.id, told_us(), Outcome.DONE, read_back=found.read_back, until_us=until_us)
            )
            return
        await self._answer(order, Outcome.FAILED, found.why(), found.read_back)
        if found.reason is not Reason.OVERTAKEN:
            await self._go_home(self._over() or Ended.FAILED)

    async def _may(self, order: Order, at_us: int) -> bool:
        """It was judged when it came; since then it may have become too late, or the actuator failed."""
        if at_us >= order.expires_us:
            await self._answer(order, Outcome.EXPIRED, Reason.LATE.text("while another was being carried out"))
            return False
        last_us = await self._books.last_start_us(self.settings.name)
        refusal = untimely(self.settings, Standing(self.is_safe, self.is_running, last_us), at_us)
        if refusal is not None:
            await self._answer(order, refusal.outcome, refusal.reason.text(refusal.particulars))
        return refusal is None

    async def _answer(self, order: Order, outcome: Outcome, reason: str, read_back: float | None = None) -> None:
        log.warning("command not done", actuator=self.settings.name, command=order.id, outcome=outcome, reason=reason)
        await self._books.answer(Reply(order.id, told_us(), outcome, reason, read_back))

    # ------------------------------------------------------------------ moving

    async def _go_home(self, why: Ended, order: Order | None = None) -> None:
        """Until the fail-safe position is read back. `order`: who asked for it is told how the first attempt went."""
        self.is_safe = self.is_running = False
        self._until_s = None
        waiting = [] if order is None else [order]
        failures = 0
        while True:
            found = await self._move(self.settings.fail_safe, None, is_overtaken=lambda: False)
            if found.reason is None:
                break
            for one in waiting:
                await self._answer(one, Outcome.FAILED, found.why(), found.read_back)
            if not failures:
                log.error("actuator is not at its fail-safe position", actuator=self.settings.name, why=found.why())
            failures += 1
            await self._wait_for_news(min(HOME_MAX_S, HOME_FIRST_S * 2 ** min(failures - 1, 16)))
            if self._is_retiring:
                return
            orders, self._orders = self._orders, deque()
            waiting = [one for one in orders if one.value is None]
            for one in orders:
                if one.value is not None:
                    await self._may(one, told_us())  # no: it is not safe
        log.info("actuator is at its fail-safe position", actuator=self.settings.name, why=why)
        at_us, name = told_us(), self.settings.name
        with contextlib.suppress(UnavailableError):  # told; the next start ends it once more
            await self._books.run(lambda journal: journal.end_run(name, at_us, why))
        for one in waiting:
            await self._books.answer(Reply(one.id, at_us, Outcome.DONE, read_back=found.read_back))
        self._books.news.set()
        self.is_safe = True

    async def _move(self, value: float, run_s: float | None, *, is_overtaken: Callable[[], bool]) -> Found:
        """Tell the device and look until it is there, for no longer than it needs to settle."""
        deadline_s = time.monotonic() + self.settings.settle_s
        try:
            await self._put(value, run_s)
            found = await self._look(value)
            while found.reason is not None and time.monotonic() < deadline_s and self._over() is None:
                if is_overtaken():
                    return Found(found.read_back, Reason.OVERTAKEN, "another command came before it was read back")
                wait_s = min(LOOK_EVERY_S, deadline_s - time.monotonic())
                await self._wait_for_news(max(wait_s, 0.0))
                found = await self._look(value)
        except RejectedError as error:
            return Found(None, Reason.DEVICE, str(error))
        except UnavailableError as error:
            return Found(None, Reason.NO_ANSWER, str(error))
        return found

    async def _put(self, value: float, run_s: float | None) -> None:
        for left in reversed(range(PUTS_MAX)):
            try:
                await self._drive.put(value, run_s)
            except UnavailableError:
                if not left:
                    raise
            else:
                return

    async def _look(self, value: float) -> Found:
        try:
            read = await self._drive.read()
        except UnavailableError as error:
            return Found(None, Reason.NO_ANSWER, str(error))
        # Of registers with a scale, a double's last digits are no difference.
        if abs(read - self._drive.lands(value)) <= self.settings.tolerance + 1e-9 * max(1.0, abs(value)):
            return Found(read)
        return Found(read, Reason.READ_BACK, f"told {value:g}, reads back {read:g}")

    async def _wait_for_news(self, wait_s: float | None) -> None:
        """An order, or the end of `wait_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._news.wait()
        self._news.clear()
