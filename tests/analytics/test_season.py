"""What is usual at a time: by hour, kind of day and day of the week."""

import numpy as np
import pytest
from numpy.typing import NDArray

from satomori_analytics.detectors.season import Profile
from satomori_analytics.detectors.univariate import Univariate
from satomori_core.clock import DAY_US, HOUR_US

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
MONDAY_US = 1_767_571_200_000_000  # 2026-01-05 in UTC; a plain month follows
WEDNESDAY = 2


def weeks(count: int, *, step_us: int = HOUR_US) -> tuple[Times, Times, Floats]:
    """Times, day of the week, hour."""
    at_us = MONDAY_US + np.arange(count * 7 * DAY_US // step_us, dtype=np.int64) * step_us
    return at_us, (at_us - MONDAY_US) // DAY_US % 7, at_us % DAY_US / HOUR_US


def pumped(day: Times, hour: Floats) -> Floats:
    """What is pumped on Wednesday afternoons."""
    return np.where((day == WEDNESDAY) & (hour >= 13) & (hour < 16), 5.0, 0.0)


def fitted(at_us: Times, values: Floats, *, days: int) -> Profile:
    """A profile of the days before."""
    profile = Profile(1, utc_offset_s=0, holidays=False)
    before = at_us < MONDAY_US + days * DAY_US
    profile.learn(at_us[before, None], values[before, None], np.isfinite(values[before, None]))
    profile.refit(np.array([0]), np.array([MONDAY_US + days * DAY_US]))
    return profile


def test_a_habit_of_one_day_of_the_week_is_expected_after_three_weeks() -> None:
    """And on no other day; before that Wednesday is a working day as any."""
    at_us, day, hour = weeks(5)
    values = pumped(day, hour) + np.random.default_rng(2).normal(0, 0.2, len(at_us))
    coming = slice(28 * 24, 35 * 24)
    for days, share in ((16, 0.0), (28, 1.0)):
        expected = fitted(at_us, values, days=days).expect(at_us[coming, None])[:, 0]
        np.testing.assert_allclose(expected, share * pumped(day, hour)[coming], atol=0.5)


def test_chance_makes_no_day_of_the_week() -> None:
    """Four weeks of noise: what is expected is no worse than without days of the week by more than a twentieth."""
    at_us, day, _ = weeks(5)
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(20):
        profile = fitted(at_us, rng.normal(0, 1, len(at_us)), days=28)
        of_days = np.stack([profile.expect(at_us[28 * 24 :, None])[day[28 * 24 :] == d, 0] for d in range(5)])
        errors.append([np.mean(of_days**2), np.mean(of_days.mean(axis=0) ** 2)])
    with_days, without = np.mean(errors, axis=0)
    assert with_days - without < 0.05


@pytest.mark.parametrize("offset_us", [0, HOUR_US // 3])
def test_an_hourly_value_is_expected_where_in_the_hour_it_comes(offset_us: int) -> None:
    """A wave sampled once an hour, on it or later, is expected as it is."""
    at_us, _, _ = weeks(5)
    at_us = at_us + offset_us
    values = np.where(at_us % DAY_US // HOUR_US == 6, 4.0, 1.0)
    expected = fitted(at_us, values, days=28).expect(at_us[28 * 24 :, None])[:, 0]
    np.testing.assert_allclose(expected, values[28 * 24 :], atol=1e-6)


def test_a_weeks_habit_is_in_the_band() -> None:
    """Pumped each Wednesday: in the end its values are within the band, and a Wednesday without is below it.

    After six weeks, since the first are alarms and are not learned.
    """
    at_us, day, hour = weeks(9)
    missed = (at_us >= MONDAY_US + 58 * DAY_US) & (at_us < MONDAY_US + 59 * DAY_US)
    pump = pumped(day, hour)
    values = 10 + np.where(missed, 0.0, pump) + np.random.default_rng(4).normal(0, 0.3, len(at_us))
    scores = Univariate(utc_offset_s=0).score(at_us, values[:, None])
    assert scores.low is not None
    assert scores.high is not None
    on = (pump > 0) & (at_us >= MONDAY_US + 42 * DAY_US)
    assert (values < scores.high[:, 0])[on & ~missed].all()
    assert (values < scores.low[:, 0])[on & missed].all()
