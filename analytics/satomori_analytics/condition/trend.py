"""A slope that outliers and gaps don't move, and an interval for it. Pure."""

from dataclasses import dataclass

import numpy as np

from satomori_analytics.indicators.base import Floats

LEAST = 10
_ROUNDS, _FAR = 20, 3 * 1.4826  # three deviations of a normal distribution by its MAD
Z90 = 1.645  # of a normal distribution: 5 % lie beyond on each side


YEAR_D = 365.25
# From so many days, which span a year, the yearly wave is told from a slope; our own choice.
_WAVE_LEAST = 60


@dataclass(frozen=True, slots=True)
class Trend:
    """Units a year, with its 90 % interval. `freed`: of the yearly wave, which is in the slope of a shorter time."""

    rate: float
    low: float
    high: float
    freed: bool = False


def theil_sen(days: Floats, values: Floats) -> Trend | None:
    """The median of all pairs' slopes, and Sen's interval (Sen 1968, by the variance of Kendall's S without ties).

    The variance is widened for values that follow one another: by (1 + r) / (1 - r) with r the residuals' correlation
    from one to the next, where that is positive (as in Hamed and Rao 1998, first lag only). None below 10 values.

    Of days that span a year the yearly wave is taken out first, and the variance is widened by how much of the slope
    it could be (the variance inflation of the slope beside the wave).
    """
    known = np.isfinite(values)
    days, values = days[known], values[known]
    n = len(values)
    if n < LEAST:
        return None
    freed, inflation = n >= _WAVE_LEAST and bool(days[-1] - days[0] >= YEAR_D - 1), 1.0
    if freed:
        values, inflation = _without_wave(days, values)
    one, other = np.triu_indices(n, 1)
    slopes = np.sort((values[other] - values[one]) / (days[other] - days[one]))
    rate = float(np.median(slopes))
    residual = values - rate * days
    residual = residual - np.median(residual)
    spread = float(residual @ residual)
    r = min(max(float(residual[1:] @ residual[:-1]) / spread, 0.0), 0.95) if spread > 0 else 0.0
    deviation = Z90 * np.sqrt(n * (n - 1) * (2 * n + 5) / 18 * (1 + r) / (1 - r) * inflation)
    place = (len(slopes) + np.array([-deviation, deviation])) / 2
    low, high = slopes[np.clip(np.round(place).astype(int), 0, len(slopes) - 1)]
    return Trend(rate * YEAR_D, float(low) * YEAR_D, float(high) * YEAR_D, freed)


def _without_wave(days: Floats, values: Floats) -> tuple[Floats, float]:
    """Less the yearly wave of a least-squares fit beside a line, outliers drawn in; the slope's variance inflation."""
    turn = 2 * np.pi * days / YEAR_D
    columns = np.stack([np.ones_like(days), days - days.mean(), np.cos(turn), np.sin(turn)], axis=1)
    drawn_in, coefficients = values, np.zeros(4)
    for _ in range(_ROUNDS):
        coefficients = np.linalg.lstsq(columns, drawn_in, rcond=None)[0]
        residual = values - columns @ coefficients
        most = _FAR * float(np.median(np.abs(residual - np.median(residual))))
        drawn_in = values - residual + np.clip(residual, -most, most) if most > 0 else values
    line, beside = columns[:, 1], columns[:, [0, 2, 3]]
    alone = line - beside @ np.linalg.lstsq(beside, line, rcond=None)[0]
    return values - columns[:, 2:] @ coefficients[2:], float(line @ line / (alone @ alone))


def interval(values: Floats) -> tuple[float, float, float]:
    """Mean with its 90 % interval, wider where one value follows another; NaN without two values."""
    known = values[np.isfinite(values)]
    n = len(known)
    if n < 2:
        return float(known[0]) if n else float("nan"), float("nan"), float("nan")
    mean, off = float(known.mean()), known - known.mean()
    spread = float(off @ off)
    r = min(max(float(off[1:] @ off[:-1]) / spread, 0.0), 0.95) if spread > 0 else 0.0
    half = Z90 * float(np.sqrt(spread / (n - 1) / n * (1 + r) / (1 - r)))
    return mean, mean - half, mean + half
