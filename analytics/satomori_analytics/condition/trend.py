"""A slope that outliers and gaps don't move, and an interval for it. Pure."""

from dataclasses import dataclass

import numpy as np

from satomori_analytics.indicators.base import Floats

LEAST = 10
_Z90 = 1.645  # of a normal distribution: 5 % lie beyond on each side


@dataclass(frozen=True, slots=True)
class Trend:
    """Units a year, with its 90 % interval."""

    rate: float
    low: float
    high: float


def theil_sen(days: Floats, values: Floats) -> Trend | None:
    """The median of all pairs' slopes, and Sen's interval (Sen 1968, by the variance of Kendall's S without ties).

    The variance is widened for values that follow one another: by (1 + r) / (1 - r) with r the residuals' correlation
    from one to the next, where that is positive (as in Hamed and Rao 1998, first lag only). None below 10 values.
    """
    known = np.isfinite(values)
    days, values = days[known], values[known]
    n = len(values)
    if n < LEAST:
        return None
    one, other = np.triu_indices(n, 1)
    slopes = np.sort((values[other] - values[one]) / (days[other] - days[one]))
    rate = float(np.median(slopes))
    residual = values - rate * days
    residual = residual - np.median(residual)
    spread = float(residual @ residual)
    r = min(max(float(residual[1:] @ residual[:-1]) / spread, 0.0), 0.95) if spread > 0 else 0.0
    deviation = _Z90 * np.sqrt(n * (n - 1) * (2 * n + 5) / 18 * (1 + r) / (1 - r))
    place = (len(slopes) + np.array([-deviation, deviation])) / 2
    low, high = slopes[np.clip(np.round(place).astype(int), 0, len(slopes) - 1)]
    return Trend(rate * 365.25, float(low) * 365.25, float(high) * 365.25)


def interval(values: Floats) -> tuple[float, float, float]:
    """Mean with its 90 % interval, wider where one value follows another; NaN without two values."""
    known = values[np.isfinite(values)]
    n = len(known)
    if n < 2:
        return float(known[0]) if n else float("nan"), float("nan"), float("nan")
    mean, off = float(known.mean()), known - known.mean()
    spread = float(off @ off)
    r = min(max(float(off[1:] @ off[:-1]) / spread, 0.0), 0.95) if spread > 0 else 0.0
    half = _Z90 * float(np.sqrt(spread / (n - 1) / n * (1 + r) / (1 - r)))
    return mean, mean - half, mean + half
