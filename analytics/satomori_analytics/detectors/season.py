"""What is usual at this hour of this kind of day, for many series at once."""

from functools import lru_cache
from typing import Any

import jpholiday
import numpy as np
from numpy.typing import NDArray

from satomori_analytics.detectors.arrays import pack, unpack
from satomori_analytics.detectors.base import Counts, Floats, Marks, Times
from satomori_analytics.detectors.windows import KEPT, Recent, doubling

_SLOTS, _DAYS = 24, 28
_SLOT_US = 3_600_000_000
_DAY_US = 24 * _SLOT_US
_DAYS_LEAST, _KIND_DAYS_LEAST = 3, 2
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
_NONE = -1 << 40


class Profile:
    """The median of past days' means of the hour, working days and days of rest apart; of each of [series].

    `utc_offset_s`: where the day begins. `holidays`: Japan's public holidays are days of rest, as Saturday and Sunday.
    A kind of day of which too little is known yet is expected as any day. Between the hours' centres the expectation
    runs straight.
    """

    def __init__(self, series: int, *, utc_offset_s: int, holidays: bool) -> None:
        self._offset_us, self._holidays = utc_offset_s * 1_000_000, holidays
        self._sum = np.zeros((_DAYS, _SLOTS, series))
        self._count = np.zeros((_DAYS, _SLOTS, series), np.int32)
        self._day = np.full((_DAYS, _SLOTS, series), _NONE, np.int64)
        self._usual = np.full((2, _SLOTS, series), np.nan)
        self._fitted_day = np.full(series, _NONE)

    def refit(self, chosen: Counts, at_us: Times) -> None:
        """The profile of the chosen series from the whole days before `at_us`."""
        today = (at_us + self._offset_us) // _DAY_US
        new = today > self._fitted_day[chosen]
        chosen, today = chosen[new], today[new]
        if not len(chosen):
            return
        self._fitted_day[chosen] = today
        day, count = self._day[:, :, chosen], self._count[:, :, chosen]
        past = (count > 0) & (day < today) & (day >= today - _DAYS)
        means = np.where(past, self._sum[:, :, chosen] / np.maximum(count, 1), np.nan)
        any_day = _median(means, _DAYS_LEAST)
        rest = self._rest(day)
        for kind in (0, 1):
            own = _median(np.where(rest == kind, means, np.nan), _KIND_DAYS_LEAST)
            self._usual[kind][:, chosen] = np.where(np.isnan(own), any_day, own)

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

    def expect(self, at_us: Times) -> Floats:
        """Of rows [rows, series] at those times; NaN where it is not known yet."""
        local = at_us + self._offset_us
        kind, slot, series = self._rest(local // _DAY_US), local // _SLOT_US % _SLOTS, np.arange(at_us.shape[1])
        off_centre = local % _SLOT_US / _SLOT_US - 0.5
        here = self._usual[kind, slot, series]
        beside = self._usual[kind, (slot + np.where(off_centre >= 0, 1, -1)) % _SLOTS, series]
        share = np.abs(off_centre)
        return np.where(np.isnan(beside), here, here * (1 - share) + beside * share)

    def _rest(self, day: Times) -> NDArray[np.intp]:
        """1 for a day of rest, 0 for a working day."""
        rest = (day + _EPOCH_WEEKDAY) % 7 >= 5
        if self._holidays:
            known = day[day > _NONE]
            if len(known):
                years = np.unique(known.astype("datetime64[D]").astype("datetime64[Y]").astype(int)) + 1970
                rest |= np.isin(day, np.concatenate([holidays_of(int(year)) for year in years]))
        return rest.astype(np.intp)

    def state(self) -> dict[str, Any]:
        arrays: dict[str, NDArray[Any]] = {
            "sum": self._sum,
            "count": self._count,
            "day": self._day,
            "usual": self._usual,
            "fitted_day": self._fitted_day,
        }
        return {name: pack(array) for name, array in arrays.items()}

    def restore(self, state: dict[str, Any]) -> None:
        self._sum, self._count = unpack(state["sum"]), unpack(state["count"])
        self._day, self._usual = unpack(state["day"]), unpack(state["usual"])
        self._fitted_day = unpack(state["fitted_day"])


class Season:
    """Residuals from the profile of the day, at four scales."""

    sides = (2, 2, 2, 2)

    def __init__(self, series: int, *, utc_offset_s: int, holidays: bool) -> None:
        self._profile = Profile(series, utc_offset_s=utc_offset_s, holidays=holidays)
        self._recent = Recent(series)
        self.expected = np.empty((0, series))  # of the rows that were measured last; not part of the state

    def refit(self, chosen: Counts, at_us: Times) -> None:
        self._profile.refit(chosen, at_us)

    def measure(self, at_us: Times, values: Floats, counts: Counts) -> list[Floats]:
        self.expected = self._profile.expect(at_us)
        windows = doubling(self._recent.extend(values - self.expected, counts))
        found: list[Floats] = []
        for n in (1, 8, 32, 128):
            mean = windows[n][0][KEPT:]
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
