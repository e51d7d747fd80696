"""A numbered stream of packs that all exist beforehand (the past, a recording): sent until each is acknowledged."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiomqtt

from satomori_sample.wire import Span, WireError, count, covered, decode_ack, gateway_of, merged

WINDOW = 6  # packs on their way
ACK_TIMEOUT_S = 5.0
ACK_TIMEOUT_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """One pack: the numbers of its values, where they lie (a device and rows), and not before when it goes out."""

    device: str
    rows: slice
    first: int
    last: int
    due_s: float = -math.inf


# (job, again) -> (topic, payload)
Encode = Callable[[Job, bool], tuple[str, bytes]]


@dataclass(slots=True)
class Feed:
    """How far the packs of one stream have come. Pure: time is passed in."""

    gateway: str
    stream: str
    jobs: Sequence[Job]
    acked: list[Span] = field(default_factory=list)
    flights: dict[int, tuple[float, float]] = field(default_factory=dict)  # job -> (due, timeout)
    next: int = 0
    sent: int = 0
    set_aside: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_done(self) -> bool:
        return not self.flights and self.next >= len(self.jobs)

    def take(self, now_s: float) -> tuple[Job, bool] | None:
        """The pack to send now and whether again; None while the window is full or nothing is due."""
        for index, (due_s, timeout_s) in self.flights.items():
            if due_s <= now_s:
                longer_s = min(2 * timeout_s, ACK_TIMEOUT_MAX_S)
                self.flights[index] = (now_s + longer_s, longer_s)
                return self.jobs[index], True
        while self.next < len(self.jobs) and len(self.flights) < WINDOW and self.jobs[self.next].due_s <= now_s:
            index, self.next = self.next, self.next + 1
            job = self.jobs[index]
            if covered(self.acked, job.first, job.last):
                continue
            self.flights[index] = (now_s + ACK_TIMEOUT_S, ACK_TIMEOUT_S)
            self.sent += job.last - job.first + 1
            return job, False
        return None

    def wait_s(self, now_s: float) -> float:
        """How long nothing will be due, if nothing is acknowledged meanwhile; at most a second."""
        dues = [due_s for due_s, _ in self.flights.values()]
        if self.next < len(self.jobs) and len(self.flights) < WINDOW:
            dues.append(self.jobs[self.next].due_s)
        return min(max(min(dues, default=now_s + 1) - now_s, 0.0), 1.0)

    def acknowledge(self, stored: Sequence[Span], aside: Sequence[Span]) -> None:
        self.set_aside += count(aside)
        self.acked = merged([*self.acked, *stored, *aside])
        for index in [i for i in self.flights if covered(self.acked, self.jobs[i].first, self.jobs[i].last)]:
            del self.flights[index]
        self.changed.set()

    def disconnected(self) -> None:
        """What was on its way may be lost: send it as soon as there is a line."""
        self.flights = dict.fromkeys(self.flights, (-math.inf, ACK_TIMEOUT_S))


async def drain(client: aiomqtt.Client, feed: Feed, encode: Encode) -> None:
    """Until all is acknowledged; somebody else receives."""
    while not feed.is_done:
        feed.changed.clear()
        now_s = time.monotonic()
        taken = feed.take(now_s)
        if taken is not None:
            address, payload = encode(*taken)
            await client.publish(address, payload, qos=1)
            continue
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(feed.wait_s(now_s)):
                await feed.changed.wait()


async def receive(client: aiomqtt.Client, feeds: Mapping[str, Feed]) -> None:
    """Acknowledgements, for feeds by gateway. Those of other streams are others': an edge agent may share the name."""
    async for message in client.messages:
        try:
            stream, stored, aside = decode_ack(bytes(message.payload))
            feed = feeds[gateway_of(str(message.topic))]
        except (WireError, KeyError):
            continue
        if stream == feed.stream:
            feed.acknowledge(stored, aside)
