"""From a statistic to what it costs: how many false alarms a month there would be if as much were an alarm.

Each series counts its own episodes at each level of the statistic. Until it has seen enough it counts as what
simulated normal series of many kinds do: it is judged from its first day on, and one that bursts again and again pays
for it within weeks.
"""

from typing import Any

import numpy as np

from satomori_analytics.detectors.arrays import pack, unpack
from satomori_analytics.detectors.base import Counts, Floats, Marks, Times

DAY_US = 86_400_000_000
_MONTH_DAYS = 30.0
_LEVELS = np.arange(1.0, 6.01, 0.125)
# log10 of episodes a value at a level of the statistic, and how long they count for beside what the series itself has
# shown. Of some 15 pairs tried on six kinds of simulated normal series (white, AR 0.7 and 0.9, daily wave, Student's t
# with 3 degrees, bursts). Flatter lines keep the budget better for heavy tails, and tell faults from noise worse.
_PRIOR = -0.4 - 1.2 * _LEVELS
_PRIOR_DAYS = 180.0
_MEMORY_DAYS = 730.0
_PAUSE_DAYS = 1.0  # a longer pause is not counted as watched time
_NEVER = -1 << 62


class Rates:
    """Episodes of each of [series] a month at levels of a statistic. `quiet_us`: what is closer together is one."""

    def __init__(self, series: int, quiet_us: int) -> None:
        self._quiet_us = quiet_us
        self._episodes = np.zeros((len(_LEVELS), series))
        self._last_us = np.full((len(_LEVELS), series), _NEVER)
        self._values = np.zeros(series)
        self._watched_us = np.zeros(series)
        self._heard_us = np.full(series, _NEVER)
        self._log_rate = np.zeros((len(_LEVELS), series))

    def refit(self, chosen: Counts) -> None:
        keep = np.minimum(1.0, _MEMORY_DAYS * DAY_US / np.maximum(self._watched_us[chosen], 1.0))
        self._episodes[:, chosen] *= keep
        self._values[chosen] *= keep
        self._watched_us[chosen] *= keep
        days = self._watched_us[chosen] / DAY_US
        a_month = _MONTH_DAYS * self._values[chosen] / np.maximum(days, 1e-6)
        noise = a_month * 10.0 ** _PRIOR[:, None]
        noise = noise / (1 + noise * (self._quiet_us / DAY_US / _MONTH_DAYS))  # one episode a quiet time at most
        rate = (self._episodes[:, chosen] * _MONTH_DAYS + noise * _PRIOR_DAYS) / (days + _PRIOR_DAYS)
        self._log_rate[:, chosen] = np.minimum.accumulate(np.log10(np.maximum(rate, 1e-12)), axis=0)

    def log_rate(self, statistic: Floats) -> Floats:
        """log10 of the false alarms a month, [rows, series]; infinite below the lowest level."""
        place = np.clip((statistic - _LEVELS[0]) * 8, 0, len(_LEVELS) - 1.001)
        below = place.astype(np.intp)
        share, series = place - below, np.arange(statistic.shape[1])
        rate = self._log_rate[below, series] * (1 - share) + self._log_rate[below + 1, series] * share
        return np.where(statistic >= _LEVELS[0], rate, np.inf)

    def learn(self, at_us: Times, statistic: Floats, known: Marks) -> None:
        """Count all, alarms too: else a series that alarms too often could never be found out."""
        before = np.concatenate([self._heard_us[None], at_us[:-1]])
        pause = np.clip(at_us - np.maximum(before, at_us - int(_PAUSE_DAYS * DAY_US)), 0, None)
        pause[0] = np.where(self._heard_us == _NEVER, 0, pause[0])
        self._watched_us += np.where(known, pause, 0).sum(axis=0)
        self._values += known.sum(axis=0)
        self._heard_us = np.maximum(self._heard_us, np.where(known, at_us, _NEVER).max(axis=0))
        high = (statistic >= _LEVELS[:, None, None]) & known
        if high.any():
            there = np.where(high, at_us, _NEVER)
            last = np.maximum.accumulate(np.concatenate([self._last_us[:, None], there], axis=1), axis=1)
            self._episodes += (high & (last[:, :-1] < at_us - self._quiet_us)).sum(axis=1)
            self._last_us = last[:, -1]

    def state(self) -> dict[str, Any]:
        return {name: pack(getattr(self, f"_{name}")) for name in _RATES}

    def restore(self, state: dict[str, Any]) -> None:
        for name in _RATES:
            setattr(self, f"_{name}", unpack(state[name]))


_RATES = ("episodes", "last_us", "values", "watched_us", "heard_us", "log_rate")


class Records:
    """What is higher than all within `quiet_us` before it (to an eighth of that), for [series]."""

    def __init__(self, series: int, quiet_us: int) -> None:
        self._bin_us = max(quiet_us // _BINS, 1)
        self._quiet = quiet_us > 0
        self._highest = np.zeros((_BINS + 1, series))
        self._bin = np.full((_BINS + 1, series), _NEVER)

    def run(self, at_us: Times, statistic: Floats, known: Marks) -> Marks:
        """Statistics below the lowest level of `Rates` are no records."""
        candidate = known & (statistic >= _LEVELS[0])
        if not self._quiet:
            return np.asarray(candidate)
        record = np.zeros(statistic.shape, bool)
        for row in np.flatnonzero(candidate.any(axis=1)).tolist():
            series = np.flatnonzero(candidate[row])
            now, value = at_us[row, series] // self._bin_us, statistic[row, series]
            highest = np.where(self._bin[:, series] >= now - _BINS, self._highest[:, series], 0.0)
            record[row, series] = value > highest.max(axis=0)
            place = (now % (_BINS + 1), series)
            same = self._bin[place] == now
            self._highest[place] = np.where(same, np.maximum(self._highest[place], value), value)
            self._bin[place] = now
        return record

    def state(self) -> dict[str, Any]:
        return {"highest": pack(self._highest), "bin": pack(self._bin)}

    def restore(self, state: dict[str, Any]) -> None:
        self._highest, self._bin = unpack(state["highest"]), unpack(state["bin"])


_BINS = 8
