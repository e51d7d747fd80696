"""What a bridge's natural frequency was when it was first watched, by temperature, so that slow losses show. Pure.

Two slopes of temperature around 0 °C, as for the Z24 bridge (recalled). Its level is that of the first 60 days; its
slopes are of those too until the first year is whole, and then of that year with a drift beside them, which is left
out: a loss within the year is not taken for the season.
"""

from dataclasses import dataclass

import numpy as np

from satomori_analytics.condition.trend import interval
from satomori_analytics.indicators.base import Floats
from satomori_core.clock import DAY_US

LEVEL_DAYS = 60
YEAR_DAYS = 365
_YEAR_LEAST = 330


@dataclass(frozen=True, slots=True)
class Reference:
    """`level` at 0 °C with half of its 90 % interval, Hz; `cold`, `warm`: Hz a degree below and above 0 °C.

    The days of `level` are from `from_us` to `until_us`; `streams` are what it was learned from; `whole`: from a year.
    """

    from_us: int
    until_us: int
    level: float
    half: float
    cold: float
    warm: float
    whole: bool
    streams: tuple[int, ...] = ()


def learn(start_us: int, frequency: Floats, temperature: Floats) -> Reference | None:
    """From days in order since `start_us`; None without 60 that know both."""
    known = np.flatnonzero(np.isfinite(frequency + temperature))
    if len(known) < LEVEL_DAYS:
        return None
    year = known[known < known[0] + YEAR_DAYS]
    whole = len(year) >= _YEAR_LEAST
    days = year if whole else known[:LEVEL_DAYS]
    columns = [np.ones(len(days)), np.minimum(temperature[days], 0), np.maximum(temperature[days], 0)]
    if whole:
        columns.append((days - days.mean()) / YEAR_DAYS)
    coefficients, *_ = np.linalg.lstsq(np.stack(columns, axis=1), frequency[days], rcond=None)
    cold, warm = float(coefficients[1]), float(coefficients[2])
    first = known[:LEVEL_DAYS]
    level, low, high = interval(frequency[first] - explained(temperature[first], cold, warm))
    from_us, until_us = (int(start_us + day * DAY_US) for day in (first[0], first[-1] + 1))
    return Reference(from_us, until_us, level, (high - low) / 2, cold, warm, whole)


def explained(temperature: Floats, cold: float, warm: float) -> Floats:
    return cold * np.minimum(temperature, 0) + warm * np.maximum(temperature, 0)
