"""What has come and is not drafted yet: a queue for each lane, and whose turn it is."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from satomori_core.vocabulary import Lane
from satomori_ingest.broker_session import BrokerSession
from satomori_ingest.protocol import Message

RIPE_MESSAGES = 100  # a broker may send no more before it is acknowledged (rumqttd)


@dataclass(slots=True)
class WaitingLane:
    """What waits, in order; `since` is the loop's time when the first of it came."""

    name: str
    session: BrokerSession = field(init=False)
    waiting: deque[Message] = field(default_factory=deque)
    since: float = 0.0


class Lanes:
    """`telemetry` and further fresh ones, and the `backlog`. `end`: nothing more is taken; what waits is ready."""

    def __init__(self, batch_age_s: float, receive_max: int) -> None:
        self.telemetry, self.backlog = WaitingLane(Lane.TELEMETRY), WaitingLane(Lane.BACKLOG)
        self.fresh = deque([self.telemetry])
        self._batch_age_s = batch_age_s
        self._ripe_while_busy = max(RIPE_MESSAGES, receive_max // 8)
        self._arrived = asyncio.Event()
        self._ending = asyncio.Event()

    @property
    def ending(self) -> bool:
        return self._ending.is_set()

    def add(self, lane: WaitingLane) -> None:
        self.fresh.append(lane)

    def end(self) -> None:
        self._ending.set()
        self._arrived.set()

    def look_again(self) -> None:
        """A batch is stored."""
        self._arrived.set()

    async def pause(self, wait_s: float) -> None:
        """So long, or until we end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._ending.wait()

    def receiver(self, lane: WaitingLane) -> Callable[[list[Message]], None]:
        def receive(messages: list[Message]) -> None:
            if self.ending:
                return
            if lane.waiting and lane.waiting[0].epoch != messages[0].epoch and lane.session.session_kept:
                # The broker sends these again on the new connection; two of each would not hurt, but not fit either.
                again = [m for m in lane.waiting if m.packet_id is not None and m.epoch != messages[0].epoch]
                lane.session.release(again)
                lane.waiting = deque(m for m in lane.waiting if m.packet_id is None or m.epoch == messages[0].epoch)
            if not lane.waiting:
                lane.since = asyncio.get_running_loop().time()
            lane.waiting.extend(messages)
            self._arrived.set()

        return receive

    async def next(self, is_free: Callable[[], bool]) -> WaitingLane | None:
        """The first lane that has a batch ready: it is old enough, or large enough. The fresh lanes take turns.

        While another batch is being stored (`is_free` says no) there is no hurry, and a larger batch costs less a
        value. When we end, whatever waits is ready, and None is that nothing does.
        """
        loop = asyncio.get_running_loop()
        while True:
            free = is_free()
            ages = []
            if self.ending:
                return next((lane for lane in (*self.fresh, self.backlog) if lane.waiting), None)
            for lane in (*self.fresh, self.backlog):
                if lane.waiting:
                    left_s = lane.since + self._batch_age_s - loop.time()
                    ripe = RIPE_MESSAGES if free else self._ripe_while_busy
                    if (free and left_s <= 0) or len(lane.waiting) >= ripe:
                        if lane is not self.backlog:
                            self.fresh.remove(lane)
                            self.fresh.append(lane)
                        return lane
                    ages += [left_s] if free else []
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(ages, default=None)):
                    await self._arrived.wait()
