"""A detector for one series of which nothing is known: how rare is what it does now, against its own past.

Ten features of the newest values (their level, step, drift, spread, distance from the usual at this hour), each turned
into a tail probability of its own past by a generalised Pareto tail (peaks over threshold; Pickands 1975, Hosking and
Wallis 1987 for the method of moments); their capped mean is the score. Emitted are record scores only: after an event,
what is less rare than the event stays quiet for `quiet_s`.
"""

from collections import deque
from typing import Any, ClassVar

import numpy as np

from satomori_analytics.detectors.base import Floats, Scores, Times, squash

_LONG, _SPREAD, _SHORT = 64, 16, 8  # rows of the windows
_FEATURES = 10
_REFIT_ROWS = 25
_PAST_ROWS = 4000
_LEAST_ROWS = 100
_QUANTILE = 0.95
_DAYS, _DAYS_LEAST = 14, 3  # of the same hour
_HOUR_VALUES_MAX = 720
_RECORDS_MAX = 5000
_HOUR_US = 3_600_000_000


class Novelty:
    """`limit`: the mean rarity (-log10 p) that is an alarm. `cap`: how much one feature may say."""

    joint: ClassVar[bool] = False

    def __init__(
        self, *, limit: float = 1.5, cap: float = 6.0, quiet_s: float = 2 * 86400.0, utc_offset_s: int = 0
    ) -> None:  # fmt: skip
        self.limit, self.cap = limit, cap
        self.quiet_us, self.utc_offset_us = int(quiet_s * 1e6), utc_offset_s * 1_000_000
        self._tracks: list[_Track] = []

    def score(self, at_us: Times, values: Floats) -> Scores:
        if not self._tracks:
            self._tracks = [_Track() for _ in range(values.shape[1])]
        emitted = np.zeros(values.shape)
        for column, track in enumerate(self._tracks):
            known = np.flatnonzero(np.isfinite(values[:, column]))
            start = 0
            while start < len(known):  # up to the next refit
                rows = known[start : start + _REFIT_ROWS - track.seen % _REFIT_ROWS]
                rarity = self._block(track, at_us[rows], values[rows, column])
                emitted[rows, column] = self._records(track, at_us[rows], rarity)
                start += len(rows)
        return Scores(squash(emitted, self.limit), emitted >= self.limit)

    def _block(self, track: "_Track", at_us: Times, values: Floats) -> Floats:
        """Rarity of rows between two refits; then they are past, unless they were alarming."""
        if track.seen % _REFIT_ROWS == 0:
            track.refit()
        features = np.concatenate(
            [track.window_features(values), self._seasonal(track, at_us, values)], axis=1
        )  # fmt: skip
        rarity: Floats = np.minimum(track.rarities(features), self.cap).mean(axis=1)
        track.learn(features[rarity < self.limit])
        track.seen += len(values)
        return rarity

    def _seasonal(self, track: "_Track", at_us: Times, values: Floats) -> Floats:
        """Distance of the value, and of the mean of the last few, from the median of this hour on past days."""
        residual = np.empty(len(values))
        for i, (at, value) in enumerate(zip((at_us + self.utc_offset_us).tolist(), values.tolist(), strict=True)):
            residual[i] = value - track.usual(at // _HOUR_US, value)
        recent = np.concatenate([track.residuals, residual])
        total, count = np.zeros(len(values)), np.zeros(len(values))
        for back in range(_SHORT):
            shifted = recent[_SHORT - 1 - back : len(recent) - back]
            total, count = total + np.nan_to_num(shifted), count + np.isfinite(shifted)
        track.residuals = recent[len(recent) - _SHORT + 1 :]
        mean = total / np.where(count > 0, count, np.nan)
        return np.stack([np.abs(residual), np.abs(mean)], axis=1)

    def _records(self, track: "_Track", at_us: Times, rarity: Floats) -> Floats:
        """What is higher than everything within `quiet_s` before it; 0 elsewhere."""
        emitted, records = np.zeros(len(rarity)), track.records
        for i, (at, value) in enumerate(zip(at_us.tolist(), rarity.tolist(), strict=True)):
            while records and records[0][0] < at - self.quiet_us:
                records.popleft()
            if not records or value > records[0][1]:
                emitted[i] = value
            while records and records[-1][1] <= value:
                records.pop()
            records.append((at, value))
        return emitted

    def state(self) -> dict[str, Any]:
        return {"tracks": [track.state() for track in self._tracks]}

    def restore(self, state: dict[str, Any]) -> None:
        self._tracks = [_Track.from_state(each) for each in state["tracks"]]


class _Track:
    """What is known of one series. All of it is bounded."""

    def __init__(self) -> None:
        self.seen = 0
        self.values: Floats = np.full(_LONG - 1, np.nan)
        self.residuals: Floats = np.full(_SHORT - 1, np.nan)
        self.past: Floats = np.empty((0, _FEATURES))
        self.tails: Floats = np.full((3, _FEATURES), np.nan)  # threshold, scale, shape
        self.records: deque[tuple[int, float]] = deque(maxlen=_RECORDS_MAX)
        self.hour = -1
        self.hour_values: list[float] = []
        self.hours: list[list[float]] = [[] for _ in range(24)]
        self.expected = float("nan")

    def usual(self, hour: int, value: float) -> float:
        """Median of the hour's past days' medians; NaN with too few. The value joins its own hour after that."""
        if hour != self.hour:
            if self.hour_values:
                days = self.hours[self.hour % 24]
                days.append(float(np.median(self.hour_values)))
                del days[:-_DAYS]
            self.hour, self.hour_values = hour, []
            days = self.hours[hour % 24]
            self.expected = float(np.median(days)) if len(days) >= _DAYS_LEAST else float("nan")
        if len(self.hour_values) < _HOUR_VALUES_MAX:
            self.hour_values.append(value)
        return self.expected

    def window_features(self, values: Floats) -> Floats:
        """[rows, 8]: level up and down, step, drift, short mean up and down, spread up and down."""
        rows = np.concatenate([self.values, values])
        self.values = rows[len(rows) - _LONG + 1 :]
        long, short, near = (_mean(rows, len(values), n) for n in (_LONG, _SHORT, _SPREAD))
        square, count = np.zeros(len(values)), np.zeros(len(values))
        for back in range(_SPREAD):
            off = _shifted(rows, len(values), back) - near
            square, count = square + np.nan_to_num(off) ** 2, count + np.isfinite(off)
        deviation = np.sqrt(square / np.maximum(count - 1, 1))
        spread = np.log(deviation + 1e-3 * (np.abs(long) + 1e-9))
        step = np.abs(np.nan_to_num(values - _shifted(rows, len(values), 1)))
        return np.stack([values, -values, step, np.abs(short - long), short, -short, spread, -spread], axis=1)

    def learn(self, features: Floats) -> None:
        self.past = np.concatenate([self.past, features])[-_PAST_ROWS:]

    def refit(self) -> None:
        """Tails of the features, from the past; none while there is too little of it."""
        self.tails = np.full((3, _FEATURES), np.nan)
        for place in range(_FEATURES):
            past = self.past[:, place]
            past = past[np.isfinite(past)]
            if len(past) >= _LEAST_ROWS:
                self.tails[:, place] = _tail(past)

    def rarities(self, features: Floats) -> Floats:
        """-log10 of the probability to lie so high, [rows, features]; 0 below the threshold or where unknown."""
        threshold, scale, shape = self.tails
        beyond = np.maximum(features - threshold, 0) / scale
        bent = np.where(np.abs(shape) > 1e-3, shape, 1.0)
        depth = np.where(np.abs(shape) > 1e-3, np.log1p(np.maximum(bent * beyond, -0.999)) / bent, beyond)
        return np.where(beyond > 0, -np.log10(1 - _QUANTILE) + depth / np.log(10), 0.0)

    def state(self) -> dict[str, Any]:
        return {
            "seen": self.seen,
            "values": _listed(self.values),
            "residuals": _listed(self.residuals),
            "past": [_listed(row) for row in self.past],
            "tails": [_listed(row) for row in self.tails],
            "records": [list(record) for record in self.records],
            "hour": self.hour,
            "hour_values": list(self.hour_values),
            "hours": [list(days) for days in self.hours],
            "expected": None if np.isnan(self.expected) else self.expected,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "_Track":
        track = cls()
        track.seen, track.hour = state["seen"], state["hour"]
        track.values = np.array(state["values"], dtype=np.float64)
        track.residuals = np.array(state["residuals"], dtype=np.float64)
        track.past = np.array(state["past"], dtype=np.float64).reshape(-1, _FEATURES)
        track.tails = np.array(state["tails"], dtype=np.float64)
        track.records.extend((at, value) for at, value in state["records"])
        track.hour_values = list(state["hour_values"])
        track.hours = [list(days) for days in state["hours"]]
        track.expected = float("nan") if state["expected"] is None else state["expected"]
        return track


def _tail(past: Floats) -> tuple[float, float, float]:
    """(threshold, scale, shape) of the generalised Pareto tail, by its moments; the shape is kept within -0.2…0.5."""
    threshold = float(np.quantile(past, _QUANTILE))
    beyond = past[past > threshold] - threshold
    mean = float(beyond.mean()) if len(beyond) else 0.0
    mean = max(mean, 1e-3 * (abs(threshold) + float(past.std())), 1e-12)
    variance = float(beyond.var()) if len(beyond) > 5 else mean**2
    shape = float(np.clip(0.5 * (1 - mean**2 / max(variance, 1e-30)), -0.2, 0.5))
    return threshold, mean * (1 - shape), shape


def _shifted(rows: Floats, count: int, back: int) -> Floats:
    return rows[len(rows) - count - back : len(rows) - back]


def _mean(rows: Floats, count: int, window: int) -> Floats:
    """Of the last `window` known rows' values. Added in a fixed order, so that any cut gives the same."""
    total, number = np.zeros(count), np.zeros(count)
    for back in range(window):
        shifted = _shifted(rows, count, back)
        total, number = total + np.nan_to_num(shifted), number + np.isfinite(shifted)
    return np.asarray(total / np.maximum(number, 1))


def _listed(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]
