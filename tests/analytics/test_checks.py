"""QARTOD's checks: the flags that ioos_qc 3.0 gives, and what irregular times ask for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_analytics import checks
from satomori_analytics.checks import Checks, Flat, Spike
from satomori_core.vocabulary import Quality

NAN = float("nan")


def times(count: int, step_s: float) -> checks.Times:
    return np.arange(count, dtype=np.int64) * int(step_s * 1e6)


def floats(*values: float) -> checks.Floats:
    return np.array(values, dtype=np.float64)


def test_gross_range() -> None:
    """IOOS QARTOD, as ioos_qc flags it; the ends belong inside."""
    flags = checks.gross_range(floats(5, 10, 15, 20, 40, 45, 51, NAN), (10, 50), (20, 40))
    assert flags.tolist() == [4, 3, 3, 1, 1, 3, 4, 9]


def test_spike_average_blames_the_neighbours_too() -> None:
    assert checks.spike(floats(10, 12, 999.99, 13, 15, 40, 9, 9), 25, 50).tolist() == [2, 4, 4, 4, 1, 3, 1, 2]


def test_spike_differential_does_not() -> None:
    flags = checks.spike(floats(10, 12, 999.99, 13, 15, NAN, 9, 9), 25, 50, method="differential")
    assert flags.tolist() == [2, 1, 4, 1, 2, 9, 2, 2]


def test_rate_of_change() -> None:
    """Per second, at any spacing, against the last value that there was."""
    at_us = np.array([0, 10, 20, 100, 110], np.int64) * 1_000_000
    flags = checks.rate_of_change(at_us, floats(0, 20, NAN, 30, 31), 1.0)
    assert flags.tolist() == [1, 3, 9, 1, 1]


def test_one_step_of_a_coarse_sensor_is_no_fast_change() -> None:
    """0.1 °C in 10 s is 36 °C/h, and nothing; 6 °C in 10 s is more than 30 °C/h allows in ten minutes."""
    flags = checks.run_checks(times(4, 10), floats(20, 20.1, 20.1, 26.2), Checks(rate_per_s=30 / 3600), 10)
    assert flags.tolist() == [1, 1, 1, 3]


def test_flat_line() -> None:
    """ioos_qc's example; and a pause is no flat line."""
    values = floats(1, 2, 2.0001, 2, 2.0001, 2, 2.0001, 2, 4, 5, 3, 3.0001, 3.0005, 3.00001)
    flat = Flat(3000, 4800, 0.01)
    assert checks.flat_line(times(14, 900), values, flat).tolist() == [1, 1, 1, 1, 3, 3, 4, 4, 1, 1, 1, 1, 1, 3]
    at_us = np.array([0, 900, 1800, 90000], np.int64) * 1_000_000
    assert checks.flat_line(at_us, floats(1, 2, 3, 3), flat).tolist() == [1, 1, 1, 1]


def test_gap_and_attenuated() -> None:
    at_us = np.array([0, 60, 120, 900, 960], np.int64) * 1_000_000
    assert checks.gap(at_us, 5, 60).tolist() == [1, 1, 1, 2, 1]
    assert checks.gap(times(4, 600), 5, 10).tolist() == [1, 1, 1, 1]
    flags = checks.attenuated(times(5, 86400), floats(1, 2, 3, 100, 1000), 100, 10, period_s=172800, min_obs=2)
    assert flags.tolist() == [2, 4, 4, 3, 1]
    assert checks.attenuated(times(4, 60), floats(10, 20, 30, 40), 50, 31).tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("hours", "limit"), list(zip(checks.WMO_HOURS, checks.WMO_STEPS["air_temperature"], strict=True))
)
def test_step_limit_of_the_wmo(hours: int, limit: float) -> None:
    """4/7/9/15/25 °C within 1/2/3/6/12 hours; just inside is good."""
    at_us = np.array([0, hours * 3600], np.int64) * 1_000_000
    steps = checks.WMO_STEPS["air_temperature"]
    assert checks.step_limit(at_us, floats(10, 10 + limit), steps).tolist() == [1, 1]
    assert checks.step_limit(at_us, floats(10, 10 + limit + 0.01), steps).tolist() == [1, 3]


def test_the_worst_flag_stands_and_unknown_gives_way() -> None:
    tests = [np.array([2, 2, 1, 3], np.int8), np.array([2, 1, 4, 1], np.int8)]
    assert checks.worst(tests, 4).tolist() == [2, 1, 4, 3]
    assert checks.worst([], 2).tolist() == [2, 2]


def test_all_checks_of_a_metric_together() -> None:
    """A spike is failed, what follows it is not blamed; after a pause neighbours tell nothing."""
    rules = Checks(spike=Spike(1, 5), rate_per_s=0.01)
    at_us = times(8, 60)
    at_us[6:] += 3_600_000_000
    flags = checks.run_checks(at_us, floats(1, 1, 90, 1, NAN, 1, 9, 9), rules, 60)
    assert flags.tolist() == [1, 1, 4, 1, 9, 2, 2, 1]


def test_a_quiet_value_may_stand_for_ever() -> None:
    rules = Checks(flat=Flat(600, 1200), quiet=0.0)
    assert set(checks.run_checks(times(50, 60), np.zeros(50), rules, 60).tolist()) == {1}
    assert checks.run_checks(times(50, 60), np.ones(50), rules, 60)[-1] == Quality.FAIL


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.one_of(st.just(NAN), st.floats(-100, 100))), min_size=1, max_size=60),
    st.integers(1, 59),
)
def test_any_series_gets_a_flag_for_each_value_and_only_the_next_one_changes_it(
    rows: list[tuple[int, float]], cut: int
) -> None:
    """Flags are QARTOD's; what was judged with its neighbour in sight is not judged otherwise later."""
    at_us = np.cumsum([step for step, _ in rows]).astype(np.int64) * 1_000_000
    values = np.array([value for _, value in rows])
    rules = Checks(Spike(5, 20), 0.5, Flat(600, 1800, 0.5), "air_temperature")
    flags = checks.run_checks(at_us, values, rules, 60)
    assert set(flags.tolist()) <= {1, 2, 3, 4, 9}
    assert (flags == Quality.MISSING).tolist() == np.isnan(values).tolist()
    part = checks.run_checks(at_us[:cut], values[:cut], rules, 60)
    settled = np.flatnonzero(np.isfinite(values[:cut]))[:-2]
    assert part[settled].tolist() == flags[settled].tolist()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80), st.data())
def test_spread_is_the_range_of_each_window(values: list[float], choices: st.DataObject) -> None:
    array = np.array(values)
    first = np.array([choices.draw(st.integers(0, i)) for i in range(len(values))])
    expected = [np.ptp(array[first[i] : i + 1]) for i in range(len(values))]
    assert checks._spread(array, first).tolist() == expected
