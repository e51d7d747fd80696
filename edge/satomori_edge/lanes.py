"""What is on its way in a lane: a bounded window of unacknowledged packs, and when to send one again. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from satomori_core.ranges import Range, intersect, merge, subtract
from satomori_core.vocabulary import Lane


@dataclass(slots=True)
class Flight:
    """One pack on its way; `outstanding`: numbers without an acknowledgement. `due_s`: when it is sent again."""

    stream: str
    outstanding: list[Range]
    due_s: float
    attempts: int = 1
    are_losses: bool = False


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
        self.flights.append(Flight(stream, list(ranges), now_s + self.timeout_s, are_losses=are_losses))

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
        """`jitter` from 0 to 1; the wait doubles each time up to `timeout_max_s`."""
        flight.attempts += 1
        flight.outstanding = list(ranges)
        wait_s = min(self.timeout_s * 2 ** min(flight.attempts - 1, 16), self.timeout_max_s)
        flight.due_s = now_s + wait_s * (0.75 + jitter / 2)

    def forget(self, flight: Flight) -> None:
        """Nothing of it is left to send. It may be gone already: acknowledged while its readings were looked for."""
        self.flights = [other for other in self.flights if other is not flight]


class Sent:
    """What may have been sent without an acknowledgement, by stream: only that can be acknowledged or sent `again`."""

    def __init__(self) -> None:
        self._ranges: dict[str, list[Range]] = {}

    def add(self, stream: str, ranges: Sequence[Range]) -> None:
        self._ranges[stream] = merge([*self._ranges.get(stream, []), *ranges])

    def of(self, stream: str, ranges: Sequence[Range]) -> list[Range]:
        """What of `ranges` may have been sent."""
        return intersect(ranges, self._ranges.get(stream, []))

    def remove(self, stream: str, ranges: Sequence[Range]) -> None:
        self._ranges[stream] = subtract(self._ranges.get(stream, []), ranges)
