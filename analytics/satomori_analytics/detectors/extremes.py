"""How rare statistics are against their own past: peaks over threshold on maxima of blocks, for many series at once.

A block's maximum counts once however long the block stayed high, so neighbours that resemble each other need no other
declustering. Above the maxima's median their excess is taken as generalised Pareto (Pickands 1975), fitted by its
moments (Hosking and Wallis 1987).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from satomori_analytics.detectors.arrays import pack, unpack
from satomori_analytics.detectors.base import Counts, Floats, Marks

BLOCK = 16  # values of a series
_MAXIMA = 256
_LEAST = 8
_SHAPE = (-0.2, 0.5)
_SERIES_AT_ONCE = 64  # so that what is sorted stays in the processor's cache


class Extremes:
    """Tails of [statistics] of each of [series]."""

    def __init__(self, series: int, statistics: int) -> None:
        self._maxima = np.full((series, statistics, _MAXIMA), np.nan, np.float32)
        self._pushed = np.zeros(series, np.int64)
        self._block = np.full((statistics, series), -np.inf)  # the running block's maxima
        self._tails = np.full((3, statistics, series), np.nan)  # threshold, scale, shape

    def refit(self, chosen: Counts) -> None:
        """The chosen series' running block becomes past, and their tails are fitted anew."""
        for first in range(0, len(chosen), _SERIES_AT_ONCE):
            part = chosen[first : first + _SERIES_AT_ONCE]
            full = part[np.isfinite(self._block[:, part]).any(axis=0)]
            maxima = self._block[:, full].T
            self._maxima[full, :, self._pushed[full] % _MAXIMA] = np.where(np.isfinite(maxima), maxima, np.nan)
            self._pushed[full] += 1
            self._block[:, part] = -np.inf
            used = min(1 << int(self._pushed[part].max(initial=1) - 1).bit_length(), _MAXIMA)
            self._tails[:, :, part] = np.stack([each.T for each in fit(self._maxima[part, :, :used])])

    def rarity(self, statistics: Floats) -> Floats:
        """-log10 of a block's probability to go as high; 0 below its median, and while the past is short.

        [statistics, rows, series], as the argument.
        """
        threshold, scale, shape = self._tails[:, :, None]
        beyond = np.maximum(statistics - threshold, 0) / scale
        straight = np.abs(shape) < 1e-3
        bent = np.where(straight, 1.0, shape)
        depth = np.where(straight, beyond, np.log1p(np.maximum(bent * beyond, -0.999)) / bent)
        return np.where(beyond > 0, (np.log(2) + depth) / np.log(10), 0.0)

    def level(self, statistic: int, rarity: float) -> Floats:
        """The value of a statistic that is so rare, for each series; NaN while the past is short."""
        threshold, scale, shape = self._tails[:, statistic]
        depth = max(rarity * np.log(10) - np.log(2), 0.0)
        straight = np.abs(shape) < 1e-3
        bent = np.where(straight, 1.0, shape)
        return np.asarray(threshold + scale * np.where(straight, depth, np.expm1(bent * depth) / bent))

    def learn(self, statistics: Floats, normal: Marks) -> None:
        rows = np.where(normal & np.isfinite(statistics), statistics, -np.inf)
        self._block = np.maximum(self._block, rows.max(axis=1))

    def state(self) -> dict[str, Any]:
        return {
            "maxima": pack(self._maxima), "pushed": pack(self._pushed), "block": pack(self._block),
            "tails": pack(self._tails),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        self._maxima, self._pushed = unpack(state["maxima"]), unpack(state["pushed"])
        self._block, self._tails = unpack(state["block"]), unpack(state["tails"])


def fit(maxima: NDArray[np.float32]) -> tuple[Floats, Floats, Floats]:
    """Threshold, scale and shape over the last axis, a power of two; NaN where fewer than eight are known."""
    ordered = np.sort(maxima, axis=-1).astype(np.float64)  # what is not known comes last
    count = np.isfinite(ordered).sum(axis=-1)
    half, place = count // 2, np.arange(ordered.shape[-1])
    known = place < count[..., None]
    ordered = np.where(known, ordered, 0.0)
    threshold = np.take_along_axis(ordered, np.maximum(half - 1, 0)[..., None], axis=-1)[..., 0]
    above = known & (place >= half[..., None])
    excess = np.where(above, ordered - threshold[..., None], 0.0)
    number = np.maximum(count - half, 1)
    mean = _sum(excess) / number
    middle = _sum(ordered) / np.maximum(count, 1)
    spread = np.sqrt(_sum(np.where(known, ordered - middle[..., None], 0.0) ** 2) / np.maximum(count, 1))
    # What always stood at one value has no tail: a thousandth of its level stands for one.
    mean = np.maximum(np.maximum(mean, 1e-3 * (np.abs(threshold) + spread)), 1e-12)
    variance = _sum(np.where(above, excess - mean[..., None], 0.0) ** 2) / number
    variance = np.where(number > 5, variance, mean**2)
    shape = np.clip(0.5 * (1 - mean**2 / np.maximum(variance, 1e-30)), *_SHAPE)
    enough = count >= _LEAST
    return tuple(np.where(enough, each, np.nan) for each in (threshold, mean * (1 - shape), shape))  # type: ignore[return-value]


def _sum(values: Floats) -> Floats:
    """Over the last axis, a power of two, by halves: the same additions whatever series are fitted together."""
    while values.shape[-1] > 1:
        values = values[..., : values.shape[-1] // 2] + values[..., values.shape[-1] // 2 :]
    return values[..., 0]
