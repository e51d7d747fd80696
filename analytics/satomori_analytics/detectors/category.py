"""How far a value, or its level of late, is from all that its series was; a part of `univariate`.

What was seen is kept as a few categories: intervals that grow where values come, and of which the two closest merge
when there are too many. It is adaptive resonance theory in one dimension (Carpenter, Grossberg and Rosen 1991, fuzzy
ART: a category is a box, what fits none founds a new one), with a bound on their number in place of a vigilance.
The distance is that to the nearest category, as a share of the range that was seen more than in passing.
"""

from typing import Any

import numpy as np

from satomori_analytics.detectors.base import Floats, Marks, Times

_ROWS = 16  # of the level; the other feature is the value itself
_FEATURES = 2
_CATEGORIES = 16  # of a feature; 8 to 32 judge alike
_LOW, _HIGH, _COUNT, _FIRST, _LAST = range(5)  # what is known of a category; times in µs, exact in a float until 2255
_EMPTY = (np.inf, np.inf, 0.0, 0.0, 0.0)
# A category counts for the range once it came in so many rows and again after a day: a glitch or an event does not.
_LASTING_ROWS, _LASTING_US = 10, 86_400_000_000
_LEAST_ROWS, _LEAST_US = 100, 86_400_000_000  # seen of a series before it is judged
_RANGE_LEAST = 1e-3  # of the value: rounding noise on a constant is nothing new
_BLOCK_ROWS_FIRST, _BLOCK_ROWS_MAX = 16, 512  # tried together; more while nothing is new


class Category:
    """What each series was, as categories. Vectorised; rows that bring nothing new to any are learned together."""

    def __init__(self) -> None:
        self._start(0)

    def _start(self, series: int) -> None:
        self._latest: Floats = np.zeros((_ROWS, series))  # known values, the newest last
        self._seen: Times = np.zeros(series, np.int64)
        self._begun_us: Times = np.zeros(series, np.int64)
        self._categories: Floats = np.full((series, _FEATURES, _CATEGORIES, 5), _EMPTY)  # by rising _LOW

    def distance(self, at_us: Times, values: Floats) -> Floats:
        """How far each value, or its level of late, is from all that was, as a share of its range; 0 within it.

        `at_us`: of the rows [rows, 1], or of each value. NaN while too little of a series was seen.
        """
        at_us = np.broadcast_to(at_us, values.shape)
        if not values.size:
            return np.zeros(values.shape)
        if not len(self._seen):
            self._start(values.shape[1])
        features, ripe = self._features(at_us, values)
        distance = np.zeros(values.shape)
        start, size = 0, _BLOCK_ROWS_FIRST
        while start < len(at_us):
            known = self._learn_known(at_us[start : start + size], features[start : start + size])
            start += known
            if known < size and start < len(at_us):
                distance[start] = np.where(ripe[start], self._learn_new(at_us[start], features[start]), 0.0)
                start += 1
            size = min(max(2 * known, _BLOCK_ROWS_FIRST), _BLOCK_ROWS_MAX)
        return np.where(ripe, distance, np.nan)

    def _features(self, at_us: Times, values: Floats) -> tuple[Floats, Marks]:
        """Value and mean of the last 16 known ones, [rows, series, 2], NaN if unknown; and whether enough was seen."""
        known = np.isfinite(values)
        begins = (self._seen == 0) & known.any(axis=0)
        self._begun_us[begins] = at_us[np.argmax(known[:, begins], axis=0), np.flatnonzero(begins)]
        count = np.cumsum(known, axis=0)
        # Of each series the known values without gaps, after the 16 before them.
        close = values
        if not known.all():
            close = np.take_along_axis(values, np.argsort(~known, axis=0, kind="stable"), axis=0)
        packed = np.concatenate([self._latest, close])
        total = np.zeros(values.shape)
        for back in range(_ROWS):  # in a fixed order, so that any cut gives the same
            total += packed[_ROWS - back : len(packed) - back]
        total = np.take_along_axis(total, np.maximum(count - 1, 0), axis=0)
        seen = self._seen + count
        mean = np.where(known & (seen >= _ROWS), total / _ROWS, np.nan)
        ripe = (seen > _LEAST_ROWS) & (at_us - self._begun_us >= _LEAST_US)
        self._latest = np.take_along_axis(packed, count[-1] + np.arange(_ROWS)[:, None], axis=0)
        self._seen = seen[-1]
        return np.stack([np.where(known, values, np.nan), mean], axis=2), ripe

    def _learn_known(self, at_us: Times, features: Floats) -> int:
        """Count the rows up to the first that is new to a series in the categories they belong to; how many rows."""
        value = features[..., None]
        inside = (value >= self._categories[..., _LOW]) & (value <= self._categories[..., _HIGH])
        fits = (inside.any(axis=3) | np.isnan(features)).all(axis=(1, 2))
        rows = int(np.argmin(np.append(fits, False)))
        if rows:
            self._count(at_us[:rows], inside[:rows])
        return rows

    def _count(self, at_us: Times, inside: Marks) -> None:
        self._categories[..., _COUNT] += inside.sum(axis=0)
        newest = np.where(inside, at_us[..., None, None], 0).max(axis=0)
        np.maximum(self._categories[..., _LAST], newest, out=self._categories[..., _LAST])

    def _learn_new(self, at_us: Times, features: Floats) -> Floats:
        """Of one row: the distance of each series from its categories as a share of its range; then it is known."""
        low, high, count, first, last = np.moveaxis(self._categories, 3, 0)
        lasting = (count >= _LASTING_ROWS) & (last - first >= _LASTING_US)
        value = features[..., None]
        top = np.fmax(np.where(lasting, high, -np.inf).max(axis=2), features)
        bottom = np.fmin(np.where(lasting, low, np.inf).min(axis=2), features)
        away = np.maximum(np.maximum(low - value, value - high), 0.0).min(axis=2)
        new = away > 0  # not where NaN
        judged = new & lasting.any(axis=2)
        span = np.maximum(top - bottom, np.abs(features) * _RANGE_LEAST)
        share = np.divide(away, span, out=np.zeros(away.shape), where=judged)
        inside = (value >= low) & (value <= high)
        count += inside
        np.maximum(last, at_us[:, None, None], out=last, where=inside)
        at = np.broadcast_to(at_us[:, None], new.shape)[new]
        self._categories[new] = _with(self._categories[new], features[new], at)
        return np.asarray(share.max(axis=1))

    def state(self) -> dict[str, Any]:
        return {
            "latest": self._latest.tolist(),
            "seen": self._seen.tolist(),
            "begun_us": self._begun_us.tolist(),
            "categories": [[each[each[:, _COUNT] > 0].tolist() for each in series] for series in self._categories],
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._start(len(state["seen"]))
        self._latest[:] = np.array(state["latest"], dtype=np.float64).reshape(self._latest.shape)
        self._seen[:], self._begun_us[:] = state["seen"], state["begun_us"]
        for place, series in enumerate(state["categories"]):
            for feature, known in enumerate(series):
                if known:
                    self._categories[place, feature, : len(known)] = known


def _with(categories: Floats, values: Floats, at_us: Times) -> Floats:
    """[n, categories, 5] and one more category each at values [n]; where there is no room the closest two join."""
    series, size = np.arange(len(values)), categories.shape[1]
    among = (categories[..., _LOW] <= values[:, None]).sum(axis=1)
    place = np.arange(size + 1) - (np.arange(size + 1) > among[:, None])
    grown = categories[series[:, None], np.minimum(place, size - 1)]
    grown[series, among] = np.stack([values, values, np.ones(len(values)), at_us, at_us], axis=1)
    full = np.flatnonzero(grown[:, -1, _COUNT] > 0)
    left = np.full(len(grown), size - 1)  # of the one to drop, or to join with its right neighbour
    left[full] = np.argmin(grown[full, 1:, _LOW] - grown[full, :-1, _HIGH], axis=1)
    one, other = grown[full, left[full]], grown[full, left[full] + 1]
    grown[full, left[full]] = np.stack(
        [
            one[:, _LOW],
            other[:, _HIGH],
            one[:, _COUNT] + other[:, _COUNT],
            np.minimum(one[:, _FIRST], other[:, _FIRST]),
            np.maximum(one[:, _LAST], other[:, _LAST]),
        ],
        axis=1,
    )
    kept = np.arange(size) + (np.arange(size) > left[:, None])
    return np.asarray(grown[series[:, None], kept])
