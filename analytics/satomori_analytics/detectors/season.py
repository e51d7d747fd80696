"""What is usual at this hour of this kind of day and of this day of the week, for many series at once."""

from functools import lru_cache
from typing import Any

import jpholiday
import numpy as np
from numpy.typing import NDArray

from satomori_analytics.detectors.arrays import pack, unpack
from satomori_analytics.detectors.base import Counts, Floats, Marks, Times
from satomori_analytics.detectors.windows import KEPT, Recent, doubling, without

_SLOTS, _DAYS = 24, 28
_SLOT_US = 3_600_000_000
_DAY_US = 24 * _SLOT_US
_DAYS_LEAST, _KIND_DAYS_LEAST, _WEEKS_LEAST = 3, 2, 3
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
_HOLIDAY = 7  # after the days of the week
_MEDIAN_VARIANCE = np.pi / 2  # of a median of normal values, in variances of their mean (large samples)
_NONE = -1 << 40


class Profile:
    """The median of past days' means of the hour, working days and days of rest apart; of each of [series].

    `utc_offset_s`: where the day begins. `holidays`: Japan's public holidays are days of rest, as Saturday and Sunday.
    A kind of day of which too little is known yet is expected as any day. Once three weeks are known each day of the
    week has a difference of its own, shrunk by empirical Bayes (Efron and Morris 1973): as much of it is believed as
    days of the week differ by more than chance. Between the hours' centres (where in the hour the series' values come,
    in the mean) the expectation runs straight.
    """

    def __init__(self, series: int, *, utc_offset_s: int, holidays: bool) -> None:
        self._offset_us, self._holidays = utc_offset_s * 1_000_000, holidays
        self._sum = np.zeros((_DAYS, _SLOTS, series))
        self._count = np.zeros((_DAYS, _SLOTS, series), np.int32)
        self._day = np.full((_DAYS, _SLOTS, series), _NONE, np.int64)
        self._usual = np.full((_HOLIDAY + 1, _SLOTS, series), np.nan)  # by day % 7, and of holidays
        self._fitted_day = np.full(series, _NONE)
        self._within = np.zeros((2, series))  # number of values, and sum of their µs after the hour; fades in a month
        self._centre_us = np.zeros(series, np.int64)
        self.explained = np.zeros(series)  # share of the variance of the past days' hours; 0 before three weeks

    def refit(self, chosen: Counts, at_us: Times) -> None:
        """The profile of the chosen series from the whole days before `at_us`."""
        today = (at_us + self._offset_us) // _DAY_US
        new = today > self._fitted_day[chosen]
        chosen, today = chosen[new], today[new]
        if not len(chosen):
            return
        self._fitted_day[chosen] = today
        self._within[:, chosen] *= 1 - 1 / _DAYS
        number, total = self._within[:, chosen]
        self._centre_us[chosen] = np.divide(total, number, out=np.zeros(len(chosen)), where=number > 0)
        day, count = self._day[:, :, chosen], self._count[:, :, chosen]
        past = (count > 0) & (day < today) & (day >= today - _DAYS)
        means = np.where(past, self._sum[:, :, chosen] / np.maximum(count, 1), np.nan)
        any_day = _median(means, _DAYS_LEAST)
        holiday = self._holiday(day)
        rest = holiday | _weekend(day)
        kinds = [_median(np.where(rest == kind, means, np.nan), _KIND_DAYS_LEAST) for kind in (False, True)]
        kinds = [np.where(np.isnan(own), any_day, own) for own in kinds]
        usual = np.stack([kinds[int(rests)] for rests in _weekend(np.arange(7))])
        weeks = np.where(holiday, np.nan, means).reshape(_DAYS // 7, 7, _SLOTS, len(chosen))
        usual += _of_weekdays(weeks - usual)
        usual = np.concatenate([usual, kinds[True][None]])
        self._usual[:, :, chosen] = usual
        fitted = np.take_along_axis(usual, np.where(holiday, _HOLIDAY, day % 7), axis=0)
        long = past.any(axis=1).sum(axis=0) >= 7 * _WEEKS_LEAST
        self.explained[chosen] = np.where(long, _explained(means, fitted), 0.0)

    def learn(self, at_us: Times, values: Floats, normal: Marks) -> None:
        row, series = np.nonzero(normal)
        local = at_us[row, series] + self._offset_us
        day, slot = local // _DAY_US, local // _SLOT_US % _SLOTS
        place = (day % _DAYS, slot, series)
        old = self._day[place] < day
        stale = tuple(each[old] for each in place)
        self._sum[stale], self._count[stale] = 0.0, 0
        np.maximum.at(self._day, place, day)
        np.add.at(self._sum, place, values[row, series])
        np.add.at(self._count, place, 1)
        np.add.at(self._within[0], series, 1)
        np.add.at(self._within[1], series, local % _SLOT_US)

    def expect(self, at_us: Times) -> Floats:
        """Of rows [rows, series] at those times; NaN where it is not known yet."""
        place = at_us + self._offset_us - self._centre_us
        before = place // _SLOT_US
        hours = np.stack([before, before + 1])
        day, series = hours // _SLOTS, np.arange(at_us.shape[1])
        kind = np.where(self._holiday(day), _HOLIDAY, day % 7)
        left, right = self._usual[kind, hours % _SLOTS, series]
        share = place / _SLOT_US - before
        between = left * (1 - share) + right * share
        return np.asarray(np.where(np.isnan(left), right, np.where(np.isnan(right), left, between)))

    def _holiday(self, day: Times) -> Marks:
        known = day[day > _NONE]
        if not self._holidays or not len(known):
            return np.zeros(day.shape, bool)
        years = np.unique(known.astype("datetime64[D]").astype("datetime64[Y]").astype(int)) + 1970
        return np.isin(day, np.concatenate([holidays_of(int(year)) for year in years]))

    def state(self) -> dict[str, Any]:
        arrays: dict[str, NDArray[Any]] = {
            "sum": self._sum,
            "count": self._count,
            "day": self._day,
            "usual": self._usual,
            "fitted_day": self._fitted_day,
            "within": self._within,
            "centre_us": self._centre_us,
            "explained": self.explained,
        }
        return {name: pack(array) for name, array in arrays.items()}

    def restore(self, state: dict[str, Any]) -> None:
        self._sum, self._count = unpack(state["sum"]), unpack(state["count"])
        self._day, self._usual = unpack(state["day"]), unpack(state["usual"])
        self._within, self._centre_us = unpack(state["within"]), unpack(state["centre_us"])
        self._fitted_day, self.explained = unpack(state["fitted_day"]), unpack(state["explained"])


class Season:
    """Residuals from the profile of the day, at four scales."""

    sides = (2, 2, 2, 2)

    def __init__(self, series: int, *, utc_offset_s: int, holidays: bool) -> None:
        self._profile = Profile(series, utc_offset_s=utc_offset_s, holidays=holidays)
        self._recent = Recent(series)
        self.expected = np.empty((0, series))  # of the rows that were measured last; not part of the state

    def refit(self, chosen: Counts, at_us: Times) -> None:
        self._profile.refit(chosen, at_us)

    @property
    def explained(self) -> Floats:
        return self._profile.explained

    def measure(self, at_us: Times, values: Floats, counts: Counts, since: Counts) -> list[Floats]:
        self.expected = self._profile.expect(at_us)
        windows = doubling(self._recent.extend(values - self.expected, counts))
        found: list[Floats] = []
        for n in (1, 8, 32, 128):
            mean = without(windows[n][0][KEPT:], since, n)
            found += [mean, -mean]
        return found

    def learn(self, at_us: Times, values: Floats, normal: Marks) -> None:
        self._profile.learn(at_us, values, normal)

    def state(self) -> dict[str, Any]:
        return {"profile": self._profile.state(), "recent": self._recent.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._profile.restore(state["profile"])
        self._recent.restore(state["recent"])


@lru_cache(maxsize=200)
def holidays_of(year: int) -> Times:
    """Days since 1970 of Japan's public holidays."""
    days = [np.datetime64(date, "D") for date, _ in jpholiday.year_holidays(year)]
    return np.array(days, "datetime64[D]").astype(np.int64)


def _median(days: Floats, least: int) -> Floats:
    """Over the first axis, of what is known; NaN with fewer than `least`."""
    ordered = np.sort(days, axis=0)
    count = np.isfinite(ordered).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(days) - 1)[None], axis=0)[0]
    return np.where(count >= least, (low + high) / 2, np.nan)


def _weekend(day: Times) -> Marks:
    return np.asarray((day + _EPOCH_WEEKDAY) % 7 >= 5)


def _of_weekdays(weeks: Floats) -> Floats:
    """What each day of the week adds, [7, hours, series], by differences from its kind, [weeks, 7, hours, series].

    0 where too few are known. The two variances of an hour are those of it and its neighbours together.
    """
    effect = _median(weeks, _WEEKS_LEAST)
    there = np.isfinite(effect)
    effect = np.where(there, effect, 0.0)
    known = there & np.isfinite(weeks)
    number = known.sum(axis=0)
    within = (np.where(known, weeks - effect, 0.0) ** 2).sum(axis=0).sum(axis=0)
    within = within / np.maximum((number - there).sum(axis=0), 1)
    chance = within * (_MEDIAN_VARIANCE * there / np.maximum(number, 1)).sum(axis=0)
    between, chance = (_with_neighbours(each) for each in ((effect**2).sum(axis=0), chance))
    return effect - effect * np.divide(chance, between, out=np.ones(chance.shape), where=between > chance)


def _with_neighbours(hours: Floats) -> Floats:
    return np.roll(hours, 1, axis=0) + hours + np.roll(hours, -1, axis=0)


def _explained(values: Floats, fitted: Floats) -> Floats:
    """Share of the variance over the first two axes; 0 where nothing is fitted."""
    known = np.isfinite(values) & np.isfinite(fitted)
    middle = _total(np.where(known, values, 0.0)) / np.maximum(_total(known), 1)
    whole = _total(np.where(known, values - middle, 0.0) ** 2)
    left = _total(np.where(known, values - fitted, 0.0) ** 2)
    return 1 - np.divide(left, whole, out=np.ones(whole.shape), where=whole > 0)


def _total(cells: Floats | Marks) -> Floats:
    """Over the first two axes, one after the other: the same additions whatever series come together."""
    return np.asarray(np.cumsum(np.cumsum(cells, axis=0)[-1], axis=0)[-1], np.float64)
