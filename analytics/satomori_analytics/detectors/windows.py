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


class Windows:
    """Level (both sides), drift, step and log spread (both sides), each at several scales."""

    sides = (2, 2, 2, 2, 1, 1, 1, 1, 1, 2, 2, 2, 2)

    def __init__(self, series: int) -> None:
        self._recent = Recent(series)

    def refit(self, chosen: Counts, at_us: Times) -> None:
        """Nothing here is learned."""

    def measure(self, at_us: Times, values: Floats, counts: Counts) -> list[Floats]:  # noqa: ARG002 - a component's form
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
        return found

    def learn(self, at_us: Times, values: Floats, normal: Marks) -> None:
        """Nothing here is learned."""

    def state(self) -> dict[str, Any]:
        return self._recent.state()

    def restore(self, state: dict[str, Any]) -> None:
        self._recent.restore(state)
