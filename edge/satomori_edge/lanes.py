"""What is on its way in a lane: a bounded window of unacknowledged packs, and when to send one again. Pure.

The broker may keep for ingest what we send, for as long as ingest is away. So nothing is sent twice to somebody who
may not be there: a pack is sent again only when ingest has said something since it was sent. Where it has not, one
small question goes out in its stead, ever more rarely, and nothing else until there is an answer. A silence of any
length then costs the broker one window of packs and a few questions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from satomori_core.ranges import Range, intersect, merge, subtract
from satomori_core.vocabulary import Lane

ASKS_AT_ONCE = 3  # so many new connections may ask before the wait counts


@dataclass(slots=True)
class Flight:
    """One pack on its way; `outstanding`: numbers without an acknowledgement. `due_s`: when it is sent again."""

    stream: str
    outstanding: list[Range]
    sent_s: float
    due_s: float
    attempts: int = 1
    are_losses: bool = False


def wait_s(attempts: int, timeout_s: float, timeout_max_s: float, jitter: float) -> float:
    """It doubles with each attempt up to `timeout_max_s`; `jitter` from 0 to 1 spreads it over half of itself."""
    return min(timeout_s * 2.0 ** min(attempts - 1, 16), timeout_max_s) * (0.75 + jitter / 2)


@dataclass(slots=True)
class Contact:
    """Whether ingest is there: heard in this connection, and not in doubt since. It outlives a connection."""

    timeout_s: float
    timeout_max_s: float
    is_open: bool = False
    heard_s: float = -math.inf
    asks: int = 0  # without an answer
    due_s: float = 0.0  # when we may ask again

    def connected(self, now_s: float) -> None:
        """What was said to an earlier connection is lost; a line that comes and goes may not ask each time."""
        self.is_open = False
        if self.asks < ASKS_AT_ONCE:
            self.due_s = now_s

    def may_ask(self, now_s: float) -> bool:
        return not self.is_open and self.due_s <= now_s

    def asked(self, now_s: float, jitter: float) -> None:
        self.asks += 1
        self.due_s = now_s + wait_s(self.asks, self.timeout_s, self.timeout_max_s, jitter)

    def heard(self, now_s: float) -> bool:
        """Whether that ends a doubt."""
        was_open, self.is_open, self.heard_s, self.asks = self.is_open, True, now_s, 0
        return not was_open

    def doubt(self, now_s: float) -> None:
        self.is_open = False
        self.due_s = now_s


@dataclass(slots=True)
class Window:
    """The flights of one lane, and how far each stream has been read for it."""

    lane: Lane
    flights_max: int
    timeout_s: float
    timeout_max_s: float
    flights: list[Flight] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)

    def has_room(self) -> bool:
        return len(self.flights) < self.flights_max

    def has_losses(self) -> bool:
        return any(flight.are_losses for flight in self.flights)

    def sent(self, stream: str, ranges: Sequence[Range], now_s: float, *, are_losses: bool = False) -> None:
        self.flights.append(Flight(stream, list(ranges), now_s, now_s + self.timeout_s, are_losses=are_losses))

    def acknowledged(self, stream: str, ranges: Sequence[Range]) -> None:
        for flight in self.flights:
            if flight.stream == stream:
                flight.outstanding = subtract(flight.outstanding, ranges)
        self.flights = [flight for flight in self.flights if flight.outstanding]

    def due(self, now_s: float) -> Flight | None:
        """A flight whose acknowledgement is overdue."""
        return next((flight for flight in self.flights if flight.due_s <= now_s), None)

    def next_due_s(self) -> float | None:
        return min((flight.due_s for flight in self.flights), default=None)

    def resent(self, flight: Flight, ranges: Sequence[Range], now_s: float, jitter: float) -> None:
        flight.attempts += 1
        flight.outstanding = list(ranges)
        flight.sent_s = now_s
        flight.due_s = now_s + wait_s(flight.attempts, self.timeout_s, self.timeout_max_s, jitter)

    def contact_is_back(self, now_s: float) -> None:
        """What the broker has kept of our packs is acknowledged now: time for that before any is sent again."""
        for flight in self.flights:
            flight.due_s = max(flight.due_s, now_s + self.timeout_s)

    def in_flight(self, stream: str) -> list[Range]:
        return [span for flight in self.flights if flight.stream == stream for span in flight.outstanding]

    def forget(self, flight: Flight) -> None:
        """Nothing of it is left to send. It may be gone already: acknowledged while its readings were looked for."""
        self.flights = [other for other in self.flights if other is not flight]


class Sent:
    """What may have been sent without an acknowledgement, by stream: only that can be acknowledged or sent `again`."""

    def __init__(self) -> None:
        self._ranges: dict[str, list[Range]] = {}

    def add(self, stream: str, ranges: Sequence[Range]) -> None:
        self._ranges[stream] = merge([*self._ranges.get(stream, []), *ranges])

    def knows(self, stream: str) -> bool:
        return stream in self._ranges

    def of(self, stream: str, ranges: Sequence[Range]) -> list[Range]:
        """What of `ranges` may have been sent."""
        return intersect(ranges, self._ranges.get(stream, []))

    def remove(self, stream: str, ranges: Sequence[Range]) -> None:
        self._ranges[stream] = subtract(self._ranges.get(stream, []), ranges)
