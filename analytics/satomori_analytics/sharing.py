"""What a series shares with its like near by: when all of them rise at once, it is the weather's. Pure and causal.

A sewer's level follows the rain of the last hours (rainfall-derived infiltration and inflow: EPA/600/R-08/010), which
neighbours feel at the same time; a blockage or a large discharge raises one manhole alone.
"""

from dataclasses import dataclass

import numpy as np

from satomori_analytics.detectors.base import Marks
from satomori_analytics.episodes import Floats, Times
from satomori_core.clock import DAY_US

# What is usual at a time of day is that of the fortnight before, as soon as a week of it is known.
PAST_DAYS, LEAST_DAYS = 14, 7
_MAD = 1.4826  # standard deviations in a median absolute deviation of normal noise
# The median of k independent neighbours scatters by 1.25 / sqrt(k); beyond three times that they have felt something.
_MEDIAN_SIGMA, _FELT_SIGMAS = 1.2533, 3.0
# What fell is felt for so long: fast inflow and its ebb last hours (our choice).
_FELT_US = DAY_US
# Beyond so many of its own robust deviations more than the neighbours it does something alone, as in `evidence`.
_ALONE_SIGMAS = 5.0


@dataclass(frozen=True, slots=True)
class Around:
    """Means of every `every_us`, known at `at_us` (their ends): the series' own, and its neighbours' [rows, k]."""

    every_us: int
    at_us: Times
    own: Floats
    others: Floats

    def shared(self, at_us: Times) -> Marks:
        """At each of some times: whether the neighbours have felt something within a day, and it did no more."""
        own, others = unusual(self.own[:, None], self.every_us)[:, 0], unusual(self.others, self.every_us)
        known = np.isfinite(others).sum(axis=1)
        ordered = np.sort(others, axis=1)  # NaN last
        row, last = np.arange(len(others)), np.maximum(known - 1, 0)
        middle = np.where(known >= 2, (ordered[row, last // 2] + ordered[row, (last + 1) // 2]) / 2, 0.0)
        felt = np.abs(middle) > _FELT_SIGMAS * _MEDIAN_SIGMA / np.sqrt(np.maximum(known, 1))
        before = np.cumsum(np.concatenate([[0], felt]))
        recent = before[1:] > before[np.maximum(np.arange(len(felt)) + 1 - _FELT_US // self.every_us, 0)]
        with np.errstate(invalid="ignore"):
            alike = recent & (np.abs(own - middle) <= _ALONE_SIGMAS)
        place = np.searchsorted(self.at_us, at_us, side="right") - 1
        return np.asarray((place >= 0) & alike[np.maximum(place, 0)])


def around(every_us: int, columns: list[tuple[Times, Floats]], from_us: int, until_us: int) -> Around:
    """Buckets (their beginnings, means) on one grid of whole days; first the series' own, then its neighbours'."""
    start_us = from_us // DAY_US * DAY_US
    count = -(-(until_us - start_us) // every_us)
    values = np.full((count, len(columns)), np.nan)
    for column, (at_us, means) in enumerate(columns):
        slot = (at_us - start_us) // every_us
        inside = (slot >= 0) & (slot < count)
        values[slot[inside], column] = means[inside]
    ends = start_us + np.arange(1, count + 1, dtype=np.int64) * every_us
    return Around(every_us, ends, values[:, 0], values[:, 1:])


def unusual(values: Floats, every_us: int) -> Floats:
    """How many robust deviations each value [rows, k] is off the median of its time of day on the days before.

    The first row begins a day. NaN until a week is known, and where nothing ever varies.
    """
    a_day = DAY_US // every_us
    days = -(-len(values) // a_day)
    rows = np.full((days * a_day, values.shape[1]), np.nan)
    rows[: len(values)] = values
    whole = rows.reshape(days, a_day, -1)
    off = np.full(whole.shape, np.nan)
    for day in range(LEAST_DAYS, days):
        past = whole[max(day - PAST_DAYS, 0) : day]
        enough = np.isfinite(past).sum(axis=0) >= LEAST_DAYS
        usual = np.where(enough, _median(past), np.nan)
        scatter = _MAD * _median(np.abs(past - usual).reshape(-1, values.shape[1]))
        off[day] = (whole[day] - usual) / np.where(scatter > 0, scatter, np.nan)
    return off.reshape(-1, values.shape[1])[: len(values)]


def _median(values: Floats) -> Floats:
    """Over the first axis, of what is known; NaN where nothing is."""
    ordered, count = np.sort(values, axis=0), np.isfinite(values).sum(axis=0)
    last = np.maximum(count - 1, 0)
    low, high = (np.take_along_axis(ordered, place[None], axis=0)[0] for place in (last // 2, (last + 1) // 2))
    return np.asarray((low + high) / 2)
