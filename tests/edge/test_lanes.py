"""Windows: what is on its way, what is overdue, what may be acknowledged."""

from hypothesis import given
from hypothesis import strategies as st

from satomori_core.ranges import intersect, numbers, to_ranges
from satomori_core.vocabulary import Lane
from satomori_edge.lanes import Sent, Window


def window(flights_max: int = 2) -> Window:
    return Window(Lane.TELEMETRY, flights_max, timeout_s=10.0, timeout_max_s=35.0)


def test_a_full_window_has_no_room_until_a_whole_pack_is_acknowledged() -> None:
    one = window()
    one.sent("s", [(1, 5)], 0.0)
    one.sent("s", [(6, 9)], 0.0)
    assert not one.has_room()
    one.acknowledged("s", [(1, 4), (9, 9)])
    one.acknowledged("other", [(1, 9)])
    assert not one.has_room()
    one.acknowledged("s", [(5, 5)])
    assert one.has_room()


def test_a_pack_is_due_ever_later() -> None:
    one = window()
    one.sent("s", [(1, 5)], 0.0)
    assert one.due(9.9) is None
    flight = one.due(10.0)
    assert flight is not None
    waits = []
    now = 10.0
    for _ in range(4):
        one.resent(flight, [(2, 5)], now, 0.5)
        waits.append(flight.due_s - now)
        now = flight.due_s
    assert waits == [20.0, 35.0, 35.0, 35.0]
    assert flight.outstanding == [(2, 5)]


def test_jitter_spreads_resends_over_half_of_the_wait() -> None:
    one = window()
    one.sent("s", [(1, 1)], 0.0)
    [flight] = one.flights
    one.resent(flight, [(1, 1)], 0.0, 0.0)
    assert flight.due_s == 15.0
    flight.attempts = 1
    one.resent(flight, [(1, 1)], 0.0, 1.0)
    assert flight.due_s == 25.0


def test_only_what_was_sent_can_be_acknowledged() -> None:
    sent = Sent()
    sent.add("s", [(1, 5)])
    sent.add("s", [(6, 6)])
    assert sent.of("s", [(4, 1_000_000)]) == [(4, 6)]
    assert sent.of("t", [(1, 1)]) == []
    sent.remove("s", [(1, 6)])
    assert sent.of("s", [(1, 6)]) == []


@given(st.frozensets(st.integers(1, 40)), st.frozensets(st.integers(1, 40)))
def test_intersect_is_that_of_sets(a: frozenset[int], b: frozenset[int]) -> None:
    assert set(numbers(intersect(to_ranges(sorted(a)), to_ranges(sorted(b))))) == a & b


def test_a_flight_that_was_acknowledged_meanwhile_can_still_be_forgotten() -> None:
    """Its readings are looked for on another thread; the acknowledgement may come first."""
    window = Window(Lane.TELEMETRY, 4, 1.0, 8.0)
    window.sent("s", [(1, 10)], 0.0)
    window.sent("s", [(11, 20)], 0.0)
    overdue = window.due(2.0)
    assert overdue is not None
    window.acknowledged("s", [(1, 10)])
    window.forget(overdue)
    assert [flight.outstanding for flight in window.flights] == [[(11, 20)]]
