"""A day's figures from its quarter hours and readings: night flow and its leakage, a pump's starts and duty. Pure."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from satomori_analytics.indicators.base import Floats
from satomori_analytics.indicators.water import leakage_at_pressure
from satomori_core.clock import DAY_US, HOUR_US

QUARTERS = 96
_LEAST_QUARTERS, _LEAST_HOURS = 92, 23
_SPARSE = 48  # a day of no more values comes at half an hour or more, where four of 15 minutes can't be had
_OVERLAP_DAYS = 14  # while an old probe is left beside the new one; our own choice
_RUNS = 0.99  # of a quarter hour: it ran all the time
ALL_THE_TIME = ("vibration", "flow", "pressure", "motor_current", "motor_voltage")


def night_flow(flow: Floats, pressure: Floats | None, n1: float) -> dict[str, Floats]:
    """`night_flow` of each day, and with pressures `night_day` and `pressure_mean`; NaN where the day is not whole.

    `flow`, `pressure`: quarters of (days, 96). Least mean of an hour of four of them, 92 of 96 known (IWA practice);
    of sparser values the least hourly mean. `night_day`: hours of that hour's leakage that a day's makes up (FAVAD).
    """
    known = np.isfinite(flow).sum(axis=1)
    rolling = np.lib.stride_tricks.sliding_window_view(flow, 4, axis=1).mean(axis=-1)
    hours = _hours(flow)
    sparse = (known <= _SPARSE) & (np.isfinite(hours).sum(axis=1) >= _LEAST_HOURS)
    least, at = _least(rolling)
    least_hour, hour = _least(hours)
    least = np.where(known >= _LEAST_QUARTERS, least, np.where(sparse, least_hour, np.nan))
    columns = {"night_flow": np.where(np.isfinite(least), least, np.nan)}
    if pressure is not None:
        first = np.where(sparse, 4 * hour, at)
        night = _mean(np.take_along_axis(pressure, first[:, None] + np.arange(4), axis=1))
        hourly = _hours(pressure)
        whole = np.isfinite(hourly).sum(axis=1) >= _LEAST_HOURS
        mean = _mean(hourly)
        filled = np.where(np.isfinite(hourly), hourly, mean[:, None])
        factor = leakage_at_pressure(1.0, night[:, None], np.maximum(filled, 0), n1).sum(axis=1)
        columns |= {"night_day": np.where(whole, factor, np.nan), "pressure_mean": np.where(whole, mean, np.nan)}
    return columns


def starts(at_us: NDArray[np.int64], running: Floats, start_us: int, days: int) -> Floats:
    """How often it began to run on each day from `start_us` on; NaN where fewer than 23 hours have a value.

    A stop and start between two readings is not seen.
    """
    on = running >= 0.5  # half way between stopped and running
    began = at_us[1:][on[1:] & ~on[:-1]]
    hours = np.unique((at_us - start_us) // HOUR_US)
    days_begun, days_known = (began - start_us) // DAY_US, hours // 24
    count, known = (day[(day >= 0) & (day < days)] for day in (days_begun, days_known))
    told = np.bincount(count, minlength=days).astype(np.float64)
    return np.where(np.bincount(known, minlength=days) >= _LEAST_HOURS, told, np.nan)


def while_running(quarters: Mapping[str, Floats]) -> dict[str, Floats]:
    """Of each metric (days, 96) the day's mean over quarters in which the pump ran all the time."""
    runs = quarters["pump_running"] >= _RUNS
    return {metric: _mean(np.where(runs, quarters[metric], np.nan)) for metric in ALL_THE_TIME if metric in quarters}


def chosen_probe(probes: Mapping[int, Floats]) -> tuple[int, int | None]:
    """Of days by datastream the one that measured last (of those the newest), and the day that it took over on.

    None where no other fell silent before it, or at most two weeks after it began: their offset is not known, so what
    the other measured is left out rather than joined.
    """
    known = {number: np.flatnonzero(np.isfinite(days)) for number, days in probes.items()}
    last = max(known, key=lambda number: (known[number][-1] if len(known[number]) else -1, number))
    if not len(known[last]):
        return last, None
    began = int(known[last][0])
    replaced = (days[-1] <= began + _OVERLAP_DAYS for number, days in known.items() if number != last and len(days))
    return last, began if any(replaced) else None


def _least(means: Floats) -> tuple[Floats, NDArray[np.int64]]:
    whole = np.where(np.isfinite(means), means, np.inf)
    return whole.min(axis=1), whole.argmin(axis=1)


def _hours(quarters: Floats) -> Floats:
    return _mean(quarters.reshape(len(quarters), 24, 4))


def _mean(values: Floats) -> Floats:
    """Over the last axis what is known; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
