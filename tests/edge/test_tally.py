"""What happens often is said at once and then once in a while, with nothing left out of the sum."""

from satomori_edge.tally import Tally


def test_sums_are_said_at_most_once_a_minute() -> None:
    tally = Tally(60.0)
    assert tally.add(2, 0.0) == 2
    assert [tally.add(1, at) for at in (1.0, 30.0, 59.9)] == [None, None, None]
    assert tally.add(4, 60.0) == 7
    assert tally.add(1, 61.0) is None
