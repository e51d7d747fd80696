"""What is new, for many listeners: one look at the ledger, alerts and commands a second, whoever listens.

A listener keeps its own cursor, so that it can go on where it left off. What lies after a cursor is read once for all
who stand at the same one; what a listener may see is decided for each.
"""

import asyncio
import signal
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from satomori_api.queries import Queries
from satomori_api.views import AlertView, CommandView, Measured
from satomori_core.clock import HOUR_US, SECOND_US, now_us
from satomori_core.errors import SatomoriError, UnavailableError
from satomori_core.logs import get_logger
from satomori_store.access import Viewer
from satomori_store.ledger import Ledger
from satomori_store.port import Change, Columns

POLL_S = 1.0
QUIET_S = 15.0  # after so long without news a listener looks by itself
CHANGES_AT_ONCE = 500
SPAN_MOST_US = HOUR_US  # a change that spans more is announced without its values
SCOPE_AGE_MOST_S = 5.0  # how long what a viewer sees is believed
OVERLAP_US = 30 * SECOND_US  # an alert or a command may be committed so long after the time that it says
PARTS_KEPT = 8  # a part has up to 500 changes with their values
SCOPES_KEPT = 64

log = get_logger("api")


@dataclass(frozen=True, slots=True)
class Position:
    """How far a listener has come: in the ledger's changes, and in the `updated_us` of alerts and commands."""

    change_id: int
    updated_us: int

    def encode(self) -> str:
        return f"{self.change_id}.{self.updated_us}"

    @staticmethod
    def parse(text: str, start: "Position") -> "Position":
        """`start` where the text is none of ours; a bare change id leaves the rest at `start`."""
        change, _, updated = text.partition(".")
        if not (change.isascii() and change.isdigit() and len(change) < 19):
            return start
        known = updated.isascii() and updated.isdigit() and len(updated) < 19
        # One that lies ahead of everything comes from another state folder's life.
        change_id = min(int(change), start.change_id)
        return Position(change_id, min(int(updated), start.updated_us) if known else start.updated_us)


@dataclass(frozen=True, slots=True)
class Stored:
    """New observations of a datastream; `columns` None: too long a span, ask for it."""

    position: Position
    change: Change
    measured: Measured
    columns: Columns | None


@dataclass(frozen=True, slots=True)
class AlertChanged:
    position: Position
    alert: AlertView


@dataclass(frozen=True, slots=True)
class CommandChanged:
    position: Position
    command: CommandView


@dataclass(frozen=True, slots=True)
class Missed:
    """What was asked for is no longer kept: read anew what you show."""

    position: Position


@dataclass(frozen=True, slots=True)
class Ready:
    """The stream has begun."""

    position: Position


News = Stored | AlertChanged | CommandChanged | Missed | Ready


class Feed:
    """Runs on the event loop; everything that blocks is done in threads."""

    def __init__(self, queries: Queries, ledger: Ledger, *, streams_max: int) -> None:
        self._queries = queries
        self._ledger = ledger
        self._streams_max = streams_max
        self._news = asyncio.Condition()
        self._marks = (0, 0, 0)  # the newest change's id, the newest change of an alert, of a command
        self._parts: OrderedDict[int, asyncio.Task[list[tuple[Change, Columns | None]]]] = OrderedDict()
        self._scopes: OrderedDict[tuple[str | None, str], tuple[float, dict[int, Measured]]] = OrderedDict()
        self._stopping = False
        self.listeners = 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        task = asyncio.create_task(self._watch(), name="feed")
        task.add_done_callback(_end_with_a_bug)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def stop(self) -> None:
        """End every listener's stream."""
        self._stopping = True
        async with self._news:
            self._news.notify_all()

    async def listen(self, viewer: Viewer, last_event_id: str | None) -> AsyncGenerator[News | None]:
        """News for the viewer, from now on or from where `last_event_id` left off; None after 15 quiet seconds.

        Raise UnavailableError where too many listen already.
        """
        if self.listeners >= self._streams_max:
            raise UnavailableError(f"{self.listeners} live streams are open, no more are served", retry_after_s=30.0)
        self.listeners += 1
        try:
            self._marks = await asyncio.to_thread(self._look)
            now = Position(self._marks[0], now_us())
            position = Position.parse(last_event_id, now) if last_event_id else now
            if position.change_id < now.change_id and await self._is_pruned(position.change_id):
                position = Position(now.change_id, position.updated_us)
                yield Missed(position)
            else:
                yield Ready(position)
            async for news in self._follow(viewer, position):
                yield news
        finally:
            self.listeners -= 1

    async def _follow(self, viewer: Viewer, position: Position) -> AsyncGenerator[News | None]:
        told: dict[str, int] = {}  # alert or command -> the change of it that was told last
        if position.updated_us >= now_us() - OVERLAP_US:
            recent = await self._changed(viewer, position.updated_us)
            told = {key: one.updated_us for key, one in recent if one.updated_us <= position.updated_us}
        while not self._stopping:
            marks = self._marks
            async for stored in self._stored(viewer, position):
                position = stored.position
                yield stored
            for key, one in await self._changed(viewer, position.updated_us):
                if told.get(key, 0) < one.updated_us:
                    told[key] = one.updated_us
                    position = Position(position.change_id, max(position.updated_us, one.updated_us))
                    yield AlertChanged(position, one) if isinstance(one, AlertView) else CommandChanged(position, one)
            told = {key: at for key, at in told.items() if at > position.updated_us - 2 * OVERLAP_US}
            position = Position(max(position.change_id, marks[0]), position.updated_us)
            if not await self._wait_for_news(marks):
                yield None

    async def _stored(self, viewer: Viewer, position: Position) -> AsyncGenerator[Stored]:
        while changes := await self._after(position.change_id):
            scope = await self._scope(viewer)
            for change, columns in changes:
                position = Position(change.change_id, position.updated_us)
                if (measured := scope.get(change.datastream)) is not None:
                    yield Stored(position, change, measured, columns)

    async def _changed(self, viewer: Viewer, since_us: int) -> list[tuple[str, AlertView | CommandView]]:
        """The oldest change first, each with a name of its own."""
        return await asyncio.to_thread(self._read_changed, viewer, since_us - OVERLAP_US)

    def _read_changed(self, viewer: Viewer, since_us: int) -> list[tuple[str, AlertView | CommandView]]:
        alerts = self._queries.alerts(viewer, "all", since_us=since_us, historical=False)
        commands = self._queries.operating.changed(viewer, since_us)
        found: list[tuple[str, AlertView | CommandView]] = [(f"alert {alert.id}", alert) for alert in alerts]
        found += [(f"command {command.id}", command) for command in commands]
        return sorted(found, key=lambda one: one[1].updated_us)

    # -------------------------------------------------------------- one for all listeners

    async def _watch(self) -> None:
        away = False
        while True:
            try:
                marks = await asyncio.to_thread(self._look) if self.listeners else self._marks
            except SatomoriError as error:
                if not away:
                    log.warning("live stream waits: the database is away", error=str(error))
                away = True
            else:
                away = False
                if marks != self._marks:
                    self._marks = marks
                    async with self._news:
                        self._news.notify_all()
            await asyncio.sleep(POLL_S)

    def _look(self) -> tuple[int, int, int]:
        queries = self._queries
        return self._ledger.last_change_id(), queries.alerts_changed_us(), queries.operating.changed_us()

    async def _wait_for_news(self, marks: tuple[int, int, int]) -> bool:
        """Until something is newer than `marks`; False after a quiet while."""
        try:
            async with asyncio.timeout(QUIET_S), self._news:
                await self._news.wait_for(lambda: self._marks != marks or self._stopping)
        except TimeoutError:
            return False
        return True

    async def _is_pruned(self, change_id: int) -> bool:
        return change_id < await asyncio.to_thread(self._ledger.oldest_change_id) - 1

    async def _after(self, change_id: int) -> list[tuple[Change, Columns | None]]:
        """What follows that change, read once for all listeners that ask within the same turn of the ledger."""
        if change_id >= self._marks[0]:
            return []
        task = self._parts.get(change_id)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(self._read_after, change_id), name="feed read")
            self._parts[change_id] = task
            while len(self._parts) > PARTS_KEPT:
                self._parts.popitem(last=False)
        try:
            return await asyncio.shield(task)
        except SatomoriError:
            self._parts.pop(change_id, None)
            raise

    def _read_after(self, change_id: int) -> list[tuple[Change, Columns | None]]:
        changes = self._ledger.changes_after(change_id, CHANGES_AT_ONCE)
        short = [change for change in changes if change.until_us - change.from_us <= SPAN_MOST_US]
        columns = self._queries.observing.stored(short)
        return [(change, columns.get(change.change_id)) for change in changes]

    async def _scope(self, viewer: Viewer) -> dict[int, Measured]:
        """What the viewer sees, shared by viewers of one organisation and role; believed for some seconds."""
        key, now_s = (viewer.organisation_id, viewer.role), asyncio.get_running_loop().time()
        held = self._scopes.get(key)
        if held is None or now_s - held[0] > SCOPE_AGE_MOST_S:
            held = (now_s, await asyncio.to_thread(self._queries.measured, viewer))
            self._scopes[key] = held
            while len(self._scopes) > SCOPES_KEPT:
                self._scopes.popitem(last=False)
        return held[1]


def _end_with_a_bug(task: asyncio.Task[None]) -> None:
    """Without the watch no listener hears anything any more: end the process, its supervisor starts it anew."""
    if not task.cancelled() and (bug := task.exception()) is not None:
        log.error("live stream failed by a bug", error=repr(bug), exc_info=bug)
        signal.raise_signal(signal.SIGTERM)
