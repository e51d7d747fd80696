"""How an asset differs from its like, once weather is allowed for. Pure, causal, a matrix of days × members.

Each member's days are first freed of what temperature and rain explain of them (ridge regression on its own days, far
ones weighed down: Huber 1964); then its level (in normal weather) and its change (Theil-Sen slope, which a few hours'
or days' rise does not move) are held against those of the others by the interval
in which one more of their kind would lie: t = (x - mean) / (s · sqrt(1 + 1/n)) with n - 1 degrees of freedom (the
prediction interval of a normal sample, any statistics textbook). With few members the interval is wide by itself.
What all show at once (a heat wave, an earthquake) is common and moves nobody away from the others.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from satomori_analytics.condition.trend import theil_sen
from satomori_analytics.detectors.base import Floats

LEAST_DAYS = 14
# With values, for a slope that stands for 90 days: two thirds of them, and so a span of at least 60. Our own choice.
LEAST_DAYS_CHANGE = 60
_RAIN_DECAY = 0.84  # a day, of an antecedent precipitation index; 0.80-0.98 in use (Kohler and Linsley 1951; recalled)
_RIDGE = 1e-3
_HUBER, _MAD, _ROUNDS = 1.345, 1.4826, 10  # 95 % efficient on normal residuals (Huber 1964); MAD to deviation


@dataclass(frozen=True, slots=True)
class Difference:
    """`value` against the members' `middle` and the band `low`…`high` where one more would lie 9 times of 10.

    `p`: the chance that one more of their kind is as far off or further (both sides).
    """

    value: float
    middle: float
    low: float
    high: float
    p: float
    members: int


@dataclass(frozen=True, slots=True)
class Normalised:
    """Of each member: level in normal weather and slope a day, NaN where it has too few days; the series freed.

    `days`: on how many of each member's days it and the weather are known.
    """

    freed: Floats
    level: Floats
    slope: Floats
    days: NDArray[np.int64]


def antecedent(rain_mm: Floats) -> Floats:
    """Rain that the ground still holds, day by day: today's and what is left of the days before; NaN counts as dry."""
    held, out = 0.0, np.empty(len(rain_mm))
    for day, fallen in enumerate(np.nan_to_num(rain_mm).tolist()):
        held = held * _RAIN_DECAY + fallen
        out[day] = held
    return out


def normalise(values: Floats, weather: Floats) -> Normalised:
    """`values` [days, members], `weather` [days, drivers]: what is the same for all members; NaN where not known.

    The drivers are centred on their own days' means, so that the intercept is the level in normal weather. A driver
    that is missing on a day leaves that day out; one that never varied explains nothing.
    """
    days, members = values.shape
    centred = weather - _mean(weather)
    scale = np.sqrt(_mean(centred**2))
    drivers = centred[:, (scale > 0) & np.isfinite(scale)] / scale[(scale > 0) & np.isfinite(scale)]
    time = np.arange(days, dtype=np.float64) - (days - 1) / 2
    design = np.column_stack([np.ones(days), time / max(days, 1), drivers])
    known = np.isfinite(values) & np.isfinite(design).all(axis=1)[:, np.newaxis]
    count = known.sum(axis=0)
    freed, level, slope = np.full(values.shape, np.nan), np.full(members, np.nan), np.full(members, np.nan)
    for member in np.flatnonzero(count >= max(LEAST_DAYS, 3 * design.shape[1])):
        there = known[:, member]
        fitted = _fit(design[there], values[there, member])
        freed[:, member] = values[:, member] - design[:, 2:] @ fitted[2:]
        left = freed[there, member]
        trend = theil_sen(time[there], left)
        a_day = 0.0 if trend is None else trend.rate / 365.25
        level[member] = np.median(left - a_day * time[there])
        slope[member] = a_day if count[member] >= LEAST_DAYS_CHANGE else np.nan
    return Normalised(freed, level, slope, count)


def _fit(design: Floats, values: Floats) -> Floats:
    """Coefficients of [1, time, drivers …]: the drivers' by ridge, each day by Huber's weight."""
    ridge = _RIDGE * len(design) * np.diag([0.0, 0.0, *np.ones(design.shape[1] - 2)])
    weight: Floats = np.ones(len(design))
    fitted = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        weighed = design * weight[:, np.newaxis]
        fitted = np.asarray(np.linalg.solve(weighed.T @ design + ridge, weighed.T @ values), np.float64)
        off = np.abs(values - design @ fitted)
        limit = _HUBER * _MAD * float(np.median(off))
        weight = np.minimum(1.0, limit / np.maximum(off, limit)) if limit > 0 else weight
    return fitted


def compare(own: float, others: Floats) -> Difference | None:
    """None where it is not known itself, or too few of the others are."""
    known = others[np.isfinite(others)]
    if not np.isfinite(own) or len(known) < 3:
        return None
    n, middle = len(known), float(known.mean())
    spread = float(known.std(ddof=1)) * np.sqrt(1 + 1 / n)
    spread = max(spread, 1e-9 * abs(middle), 1e-12)
    half = spread * _t_quantile(0.1, n - 1)
    p = two_sided((own - middle) / spread, n - 1)
    return Difference(own, middle, middle - half, middle + half, p, n)


def two_sided(t: float, freedom: int) -> float:
    """P(|T| ≥ |t|) of Student's t."""
    angle, inside = _table(freedom)
    return max(float(1 - np.interp(np.arctan(abs(t) / np.sqrt(freedom)), angle, inside)), 0.0)


def _t_quantile(p: float, freedom: int) -> float:
    """The t that is exceeded, on either side, with the chance p."""
    angle, inside = _table(freedom)
    return float(np.tan(np.interp(1 - p, inside, angle)) * np.sqrt(freedom))


@cache
def _table(freedom: int) -> tuple[Floats, Floats]:
    """P(|T| < t) by the angle of which t = sqrt(freedom) · tan(angle): the density there is cos to the freedom - 1."""
    angle = np.linspace(0.0, np.pi / 2, 4001)
    weight = np.cos(angle) ** (freedom - 1)
    inside = np.concatenate([[0.0], np.cumsum((weight[1:] + weight[:-1]) / 2)])
    return angle, inside / inside[-1]


def _mean(values: Floats) -> Floats:
    count = np.isfinite(values).sum(axis=0)
    return np.asarray(np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan))
