"""What is usual at a time: by hour, kind of day and day of the week; and what is usual, but not now."""

import json
from typing import Any

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


def test_a_weeks_habit_is_no_alarm_and_its_absence_is_one() -> None:
    """Pumped each Wednesday, on a daily wave, watched for ten weeks: after a month alarms come as without it.

    The Wednesday on which nothing is pumped has values that the series has at that hour on all other days.
    """
    at_us, day, hour = weeks(11)
    missed = (at_us >= MONDAY_US + 72 * DAY_US) & (at_us < MONDAY_US + 73 * DAY_US)
    wave = 10 + 2 * np.sin(2 * np.pi * hour / 24)
    values = wave[:, None] + np.random.default_rng(4).normal(0, 0.5, (len(at_us), 6))
    values += np.where(missed, 0.0, pumped(day, hour))[:, None]
    alarm = Univariate(false_alarms_per_month=0.5, utc_offset_s=0).score(at_us, values).alarm
    assert alarm[missed & (hour >= 13) & (hour < 17)].any(axis=0).all()
    between = (at_us >= MONDAY_US + 30 * DAY_US) & (at_us < MONDAY_US + 72 * DAY_US)
    assert alarm[between].sum() <= 8  # in 8.4 series-months at 0.5 there are 4; Poisson is within twice that with 98 %


def test_a_years_swing_is_no_alarm_and_winter_in_july_is_one() -> None:
    """Air temperature with weather over 2.3 years, every three hours, six places.

    In the second year, its autumn too, alarms come within the budget; one winter value in the July after it is one.
    """
    rng, places, budget = np.random.default_rng(6), 6, 0.5
    at_us = MONDAY_US + 120 * DAY_US + np.arange(840 * 8, dtype=np.int64) * 3 * HOUR_US
    since_january = (at_us - MONDAY_US) / DAY_US
    weather = rng.normal(0, 1.8, (842, places))
    for day in range(1, len(weather)):
        weather[day] += 0.7 * weather[day - 1]  # a deviation of 2.5 degrees
    place = (np.arange(len(at_us)) + 0.0) / 8
    before, share = place.astype(int), (place % 1)[:, None]
    yearly, daily = np.cos(2 * np.pi * (since_january - 16) / 365.25), np.cos(2 * np.pi * (since_january - 2 / 24))
    values = 15 - 11 * yearly[:, None] - 4 * daily[:, None] + rng.normal(0, 0.3, (len(at_us), places))
    values += weather[before] * (1 - share) + weather[before + 1] * share
    july = int(np.searchsorted(since_january, 2 * 365 + 196.5))
    values[july] = 2.0
    alarm = Univariate(false_alarms_per_month=budget, utc_offset_s=0).score(at_us, values).alarm
    assert alarm[july].all()
    for first, days in ((485, 365), (608, 91)):  # from May on; September to November
        number = alarm[(since_january >= first) & (since_january < first + days)].sum()
        allowed = budget * days / 30 * places
        assert number <= allowed + 2 * np.sqrt(allowed)


def test_what_is_usual_but_not_now_comes_out_the_same_however_rows_and_series_are_cut() -> None:
    """Six weeks with holes and two series: in pieces, with a state kept between, and one series alone."""
    at_us, day, hour = weeks(6)
    rng = np.random.default_rng(5)
    values = 3 * np.sin(2 * np.pi * hour / 24)[:, None] + rng.normal(0, 0.5, (len(at_us), 2))
    values += pumped(day, hour)[:, None] * [0, 1]
    values[900:904] *= -1
    values[rng.random(values.shape) < 0.05] = np.nan
    whole = Univariate(utc_offset_s=0).score(at_us, values).score
    assert whole[900:904].max() > 0.5
    alone = Univariate(utc_offset_s=0).score(at_us, values[:, 1:]).score
    np.testing.assert_array_equal(alone, whole[:, 1:])
    pieces, state, start = [], dict[str, Any](), 0
    for size in (500, 1, 150, 249, 1, 1, 60, len(at_us)):
        detector = Univariate(utc_offset_s=0)
        detector.restore(state)
        pieces.append(detector.score(at_us[start : start + size], values[start : start + size]).score)
        state, start = json.loads(json.dumps(detector.state(), allow_nan=False)), start + size
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
