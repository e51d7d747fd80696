"""A robust seasonal detector: each hour of the day (or of the week) against the same hours of the past weeks."""

from typing import Any, ClassVar

import numpy as np

from satomori_analytics.detectors.base import Floats, Latch, Scores, Times, squash

_HOUR_US = 3_600_000_000
_MAD = 1.4826  # standard deviations in a median absolute deviation of normal noise
_VALUES_MAX = 720  # of one hour that are kept for its median


class _Series:
    """What is known of one series: medians of past hours by slot, and the values of the hour that is running."""

    def __init__(self, slots: int, memory: int) -> None:
        self.ring = np.full((slots, memory), np.nan)
        self.deviation = np.full(slots, np.nan)  # of each slot's past hours
        self.count = [0] * slots
        self.hour = -1
        self.values: list[float] = []
        self.rejected_hours = 0
        self.heard_hours = 0
        self.expected = (float("nan"), float("nan"))


class Seasonal:
    """Distance from the slot's median of past hours, in robust deviations; `limit` of them for `for_s` is an alarm.

    `weekly`: 168 hours of the week instead of 24 of the day. `utc_offset_s`: where the day begins. A slot speaks once
    it has `least` past hours. Values beyond the limit are not learned; when nothing else has come for `relearn_s`,
    all is forgotten and learned anew.
    """

    joint: ClassVar[bool] = False

    def __init__(
        self,
        *,
        limit: float = 6.0,
        for_s: float = 3600.0,
        weekly: bool = False,
        utc_offset_s: int = 9 * 3600,
        memory: int = 28,
        least: int = 5,
        relearn_s: float = 14 * 86400.0,
        floor: float = 1e-3,
    ) -> None:
        self.limit, self.utc_offset_s, self.memory, self.least = limit, utc_offset_s, memory, least
        self.slots = 168 if weekly else 24
        self.relearn_hours = int(relearn_s / 3600)
        self.floor = floor
        self._latch = Latch(for_s)
        self._series: list[_Series] = []

    def score(self, at_us: Times, values: Floats) -> Scores:
        if not self._series:
            self._series = [_Series(self.slots, self.memory) for _ in range(values.shape[1])]
        hours = (at_us + self.utc_offset_s * 1_000_000) // _HOUR_US
        edges = np.concatenate([[0], np.flatnonzero(np.diff(hours)) + 1, [len(hours)]]) if len(hours) else np.zeros(1)
        distance, low, high = (np.full(values.shape, np.nan) for _ in range(3))
        for column, series in enumerate(self._series):
            for first, last in zip(edges[:-1].astype(int), edges[1:].astype(int), strict=True):
                rows = slice(first, last)
                distance[rows, column] = self._hour(series, int(hours[first]), values[rows, column])
                middle, deviation = series.expected
                low[rows, column], high[rows, column] = middle - self.limit * deviation, middle + self.limit * deviation
        alarm = self._latch.alarm(at_us, distance >= self.limit, distance < self.limit * 0.7)
        return Scores(squash(distance, self.limit), alarm, low, high)

    def _hour(self, series: _Series, hour: int, values: Floats) -> Floats:
        """Distances of one hour's rows, which may come in several calls."""
        if hour != series.hour:
            self._learn(series)
            series.hour, series.values, series.heard_hours = hour, [], 0
            series.expected = self._expect(series, hour % self.slots)
        middle, deviation = series.expected
        distance = np.abs(values - middle) / deviation
        known = np.isfinite(values)
        series.heard_hours |= int(known.any())
        normal = known & ~(distance >= self.limit)
        series.values += values[normal].tolist()[: _VALUES_MAX - len(series.values)]
        return distance

    def _learn(self, series: _Series) -> None:
        if series.hour < 0:
            return
        if series.values:
            slot = series.hour % self.slots
            series.ring[slot, series.count[slot] % self.memory] = np.median(series.values)
            series.count[slot] += 1
            series.deviation[slot] = self._deviation(series, slot)
            series.rejected_hours = 0
            return
        series.rejected_hours += series.heard_hours
        if series.rejected_hours >= self.relearn_hours:
            series.ring[:], series.deviation[:] = np.nan, np.nan
            series.count, series.rejected_hours = [0] * self.slots, 0

    def _expect(self, series: _Series, slot: int) -> tuple[float, float]:
        if min(series.count[slot], self.memory) < self.least:
            return float("nan"), float("nan")
        middle = float(np.median(self._past(series, slot)))
        # One slot's few hours give a poor deviation; the slots' median bounds it from below.
        typical = np.median(series.deviation[~np.isnan(series.deviation)])
        deviation = _MAD * max(float(series.deviation[slot]), float(typical))
        return middle, max(deviation, self.floor * abs(middle), 1e-9)

    def _past(self, series: _Series, slot: int) -> Floats:
        return np.asarray(series.ring[slot, : min(series.count[slot], self.memory)])

    def _deviation(self, series: _Series, slot: int) -> float:
        past = self._past(series, slot)
        return float(np.median(np.abs(past - np.median(past))))

    def state(self) -> dict[str, Any]:
        columns = [
            {
                "ring": [[None if np.isnan(v) else v for v in row] for row in s.ring.tolist()],
                "count": s.count,
                "hour": s.hour,
                "values": s.values,
                "rejected_hours": s.rejected_hours,
                "heard_hours": s.heard_hours,
                "expected": [None if np.isnan(v) else v for v in s.expected],
            }
            for s in self._series
        ]
        return {"latch": self._latch.state(), "series": columns}

    def restore(self, state: dict[str, Any]) -> None:
        self._latch.restore(state["latch"])
        self._series = []
        for column in state["series"]:
            series = _Series(self.slots, self.memory)
            series.ring = np.array(column["ring"], dtype=np.float64)
            series.count, series.hour, series.values = list(column["count"]), column["hour"], list(column["values"])
            series.rejected_hours, series.heard_hours = column["rejected_hours"], column["heard_hours"]
            for slot in np.flatnonzero(series.count).tolist():
                series.deviation[slot] = self._deviation(series, slot)
            low, high = (float("nan") if v is None else float(v) for v in column["expected"])
            series.expected = (low, high)
            self._series.append(series)
