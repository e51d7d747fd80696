"""Statistics of the newest values of many series at once: level, drift, step and spread over 1 to 128 values.

Windows double: the mean over 2n values comes from two means over n. So the same additions are done whatever the rows
that came in one call, and ten scales cost seven passes.
"""

from typing import Any

import numpy as np

from satomori_analytics.detectors.arrays import pack, unpack
from satomori_analytics.detectors.base import Counts, Floats, Marks, Times

_DOUBLINGS = 7
KEPT = 2**_DOUBLINGS - 1  # rows before the newest that are needed
_PAUSE_ROWS = KEPT + 1  # a pause as long as this many usual intervals: what was before it is not what was just now
_INTERVALS = 16, 2048  # needed to know what is usual; how many count
_NEVER = -1 << 62


class Pauses:
    """How many rows there are since the last long pause of each series: windows that reach across it are unknown."""

    def __init__(self, series: int) -> None:
        self._heard_us = np.full(series, _NEVER)
        self._total_us, self._number = np.zeros(series, np.int64), np.zeros(series, np.int64)
        self._limit_us = np.full(series, -_NEVER)
        self._rows = np.full(series, 2 * _PAUSE_ROWS)

    def refit(self, chosen: Counts) -> None:
        many = chosen[self._number[chosen] > _INTERVALS[1]]
        self._total_us[many] //= 2
        self._number[many] //= 2
        known = chosen[self._number[chosen] >= _INTERVALS[0]]
        self._limit_us[known] = _PAUSE_ROWS * self._total_us[known] // self._number[known]

    def rows_since(self, at_us: Times, counts: Counts) -> Counts:
        """[rows, series], with the row itself. Of series s the first `counts[s]` rows are there."""
        place = np.arange(len(at_us))[:, None]
        before = np.concatenate([self._heard_us[None], at_us[:-1]])
        counted = (place < counts) & (before != _NEVER)
        interval = np.where(counted, at_us - before, 0)
        long = interval > self._limit_us
        last = np.maximum.accumulate(np.where(long, place, -1), axis=0)
        since = np.where(last >= 0, place - last + 1, self._rows + place + 1)
        self._total_us += np.where(long, 0, interval).sum(axis=0)
        self._number += (counted & ~long).sum(axis=0)
        newest = (np.maximum(counts - 1, 0), np.arange(len(counts)))
        self._heard_us = np.where(counts > 0, at_us[newest], self._heard_us)
        self._rows = np.where(counts > 0, np.minimum(since[newest], 2 * _PAUSE_ROWS), self._rows)
        return since

    def state(self) -> dict[str, Any]:
        return {name: pack(getattr(self, f"_{name}")) for name in _PAUSES}

    def restore(self, state: dict[str, Any]) -> None:
        for name in _PAUSES:
            setattr(self, f"_{name}", unpack(state[name]))


_PAUSES = ("heard_us", "total_us", "number", "limit_us", "rows")


def without(statistic: Floats, since: Counts, reach: int) -> Floats:
    """NaN where a statistic of the newest `reach` rows, [rows, series], reaches across a pause."""
    return np.where(since < reach, np.nan, statistic)


class Recent:
    """The last KEPT values of each series, NaN where there was none yet; a new series of rows is put behind them."""

    def __init__(self, series: int) -> None:
        self.values = np.full((KEPT, series), np.nan)

    def extend(self, values: Floats, counts: Counts) -> Floats:
        """[KEPT + rows, series]: what was and what is. The first `counts[s]` rows are those of series s."""
        rows = np.concatenate([self.values, values])
        place = np.arange(KEPT)[:, None] + counts
        same = counts[0] if len(counts) and (counts == counts[0]).all() else None
        self.values = rows[same : same + KEPT] if same is not None else np.take_along_axis(rows, place, axis=0)
        return rows

    def state(self) -> dict[str, Any]:
        return pack(self.values)

    def restore(self, state: dict[str, Any]) -> None:
        self.values = unpack(state)


def doubling(rows: Floats) -> dict[int, tuple[Floats, Floats]]:
    """Window length to (mean, sum of squared deviations) of each row and those before it; NaN until it is full.

    Pairs of windows are merged as in Chan, Golub and LeVeque (1979), which cancels nothing.
    """
    mean, square = rows, np.where(np.isnan(rows), np.nan, 0.0)
    found = {1: (mean, square)}
    for n in (2**k for k in range(_DOUBLINGS)):
        apart = mean - _back(mean, n)
        square = square + _back(square, n) + apart * apart * (n / 2)
        mean = (mean + _back(mean, n)) / 2
        found[2 * n] = mean, square
    return found


def _back(rows: Floats, n: int) -> Floats:
    shifted = np.empty_like(rows)
    shifted[:n], shifted[n:] = np.nan, rows[:-n]
    return shifted


# Rows that each statistic rests on, in their order below; a spread rests on the level over 64 too.
_REACHES = (1, 1, 8, 8, 32, 32, 128, 128, 64, 128, 2, 16, 64, *(64,) * 6, 128, 128)


class Windows:
    """Level (both sides), drift, step and log spread (both sides), each at several scales."""

    sides = (2, 2, 2, 2, 1, 1, 1, 1, 1, 2, 2, 2, 2)

    def __init__(self, series: int) -> None:
        self._recent = Recent(series)

    def refit(self, chosen: Counts, at_us: Times) -> None:
        """Nothing here is learned."""

    def measure(self, at_us: Times, values: Floats, counts: Counts, since: Counts) -> list[Floats]:  # noqa: ARG002 - a component's form
        rows = self._recent.extend(values, counts)
        windows = doubling(rows)
        mean = {n: each[0] for n, each in windows.items()}
        found: list[Floats] = []
        for n in (1, 8, 32, 128):
            found += [mean[n][KEPT:], -mean[n][KEPT:]]
        found += [np.abs(mean[8] - mean[64])[KEPT:], np.abs(mean[32] - mean[128])[KEPT:]]
        found += [np.abs(mean[n][KEPT:] - mean[n][KEPT - n : len(rows) - n]) for n in (1, 8, 32)]
        # A spread of a thousandth of the level is none: rounding would else speak in a series that stands still.
        least = 1e-3 * (np.abs(mean[64][KEPT:]) + 1e-9)
        for n in (4, 16, 64, 128):
            spread = np.log(np.sqrt(windows[n][1][KEPT:] / (n - 1)) + least)
            found += [spread, -spread]
        if (since < 2 * _PAUSE_ROWS).any():
            return [without(each, since, reach) for each, reach in zip(found, _REACHES, strict=True)]
        return found

    def learn(self, at_us: Times, values: Floats, normal: Marks) -> None:
        """Nothing here is learned."""

    def state(self) -> dict[str, Any]:
        return self._recent.state()

    def restore(self, state: dict[str, Any]) -> None:
        self._recent.restore(state)
