"""Why to tell, as a table; and what holds for every answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.clock import HOUR_US, SECOND_US
from satomori_maintenance.notify import Reason, Told, reason_to_notify, retry_after_us

T0 = 1_000 * HOUR_US
DAY = 24 * HOUR_US


@pytest.mark.parametrize(
    ("last", "firing", "resolved", "at_h", "reason"),
    [
        pytest.param(None, {}, [], 0, None, id="nothing was, nothing is"),
        pytest.param(None, {1: 3}, [], 0, Reason.FIRST, id="the first"),
        pytest.param(Told(T0, {1: 3}), {1: 3}, [], 1, None, id="told already"),
        pytest.param(Told(T0, {1: 3}), {1: 3, 2: 2}, [], 1, Reason.NEW, id="one more"),
        pytest.param(Told(T0, {1: 3}), {1: 4}, [], 1, Reason.ESCALATED, id="worse"),
        pytest.param(Told(T0, {1: 4}), {1: 3}, [], 1, None, id="milder is no news"),
        pytest.param(Told(T0, {1: 3}), {}, [1], 1, Reason.RESOLVED, id="over"),
        pytest.param(Told(T0, {1: 3, 2: 3}), {1: 3}, [2], 1, Reason.RESOLVED, id="one of two is over"),
        pytest.param(Told(T0, {}, [1]), {}, [1], 48, None, id="told as over already"),
        pytest.param(Told(T0, {}, [1]), {2: 2}, [], 1, Reason.FIRST, id="after all was over"),
        pytest.param(None, {}, [1], 0, None, id="never told, so its end is not told"),
        pytest.param(Told(T0, {1: 3}), {1: 3}, [], 24, Reason.REPEAT, id="still there after the repeat interval"),
    ],
)
def test_reason(
    last: Told | None, firing: dict[int, int], resolved: list[int], at_h: int, reason: Reason | None
) -> None:
    assert reason_to_notify(last, firing, resolved, DAY, T0 + at_h * HOUR_US) is reason


def test_never_repeated_without_a_rule() -> None:
    assert reason_to_notify(Told(T0, {1: 3}), {1: 3}, [], None, T0 + 365 * DAY) is None


sets = st.dictionaries(st.integers(1, 6), st.integers(2, 4), max_size=6)


@given(sets, st.sets(st.integers(1, 6)), st.none() | st.builds(Told, st.just(T0), sets))
def test_what_was_told_is_not_told_again(firing: dict[int, int], over: set[int], last: Told | None) -> None:
    """After any message the same state gives no reason for another, until the repeat interval has passed."""
    resolved = over - firing.keys()
    if reason_to_notify(last, firing, resolved, DAY, T0 + HOUR_US) is None:
        return
    told = Told(T0 + HOUR_US, firing, resolved)
    assert reason_to_notify(told, firing, resolved, DAY, T0 + HOUR_US + DAY - 1) is None


def test_retries_wait_longer_and_longer_up_to_half_an_hour() -> None:
    waits = [retry_after_us(n) // SECOND_US for n in range(1, 12)]
    assert waits[:4] == [10, 20, 40, 80]
    assert waits == sorted(waits)
    assert waits[-1] == 1800
    assert retry_after_us(10_000) == 1800 * SECOND_US
