"""What could be found at all: a detector that is told each hour's usual demand and the law of its noise, not its draws.

The likelihood ratio for a step of unknown size at an unknown hour, by the same rules and budget as the detector's.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from leaks.scenarios import Recording

Floats = NDArray[np.float64]
_LEAST_H, _MONTHS, _MONTH_H = 4, 60, 720
_METER = 0.005 / 2  # of an hour's mean of four readings


def found(recording: Recording, false_alarms_per_month: float = 0.4) -> tuple[float | None, float]:
    """(hours from the burst to the alarm or None, size in m3/h a day after the burst, or at the alarm if later)."""
    hours = len(recording.flow_m3h) // 4
    flow = recording.flow_m3h[: hours * 4].reshape(-1, 4).mean(axis=1)
    usual = recording.usual_m3h[:hours]
    deviation = np.hypot(recording.noise_m3h[:hours], _METER * usual)
    z, size = likeliest(flow - usual, deviation, recording.scenario.persists)
    at = recording.scenario.at_day * 24
    alarms = np.flatnonzero((z >= limit(false_alarms_per_month)) & (np.arange(hours) + 1 > at))
    if not len(alarms):
        return None, float("nan")
    # An hour is known at its end.
    return float(alarms[0] + 1 - at), float(size[min(max(round(at) + 23, alarms[0]), hours - 1)])


def likeliest(residual: Floats, deviation: Floats, persists: float) -> tuple[Floats, Floats]:
    """For each hour the z and the size of the likeliest step that began at least four hours ago."""
    white = np.sqrt(1 - persists**2)
    z, size = np.full(len(residual), -np.inf), np.zeros(len(residual))
    before = np.concatenate([[0.0], (residual / deviation)[:-1]])
    freed = (residual / deviation - persists * before) / white
    later = (1 / deviation - persists / np.concatenate([[np.inf], deviation[:-1]])) / white
    for since in range(len(residual) - _LEAST_H + 1):
        shape = later[since:].copy()
        shape[0] = 1 / deviation[since] / white
        squares, products = np.cumsum(shape**2), np.cumsum(shape * freed[since:])
        told = (products / np.sqrt(squares))[_LEAST_H - 1 :]
        here = slice(since + _LEAST_H - 1, None)
        better = told > z[here]
        size[here] = np.where(better, (products / squares)[_LEAST_H - 1 :], size[here])
        z[here] = np.maximum(told, z[here])
    return z, size


@cache
def limit(false_alarms_per_month: float) -> float:
    """The z that white noise passes so often in 30 days, once each time until it has fallen below 0.6 of it."""
    rng, month = np.random.default_rng(1), np.ones(_MONTH_H)
    told = [likeliest(rng.normal(size=_MONTH_H), month, 0.0)[0] for _ in range(_MONTHS)]
    levels = np.arange(2.5, 5.0, 0.05)
    often = [sum(_rises(z, level) for z in told) / _MONTHS for level in levels.tolist()]
    return float(levels[np.argmax(np.array(often) <= false_alarms_per_month)])


def _rises(z: Floats, level: float) -> int:
    on, count = False, 0
    for value in z.tolist():
        count += not on and value >= level
        on = value >= (0.6 * level if on else level)
    return count
