"""Detectors of several channels together that learn from their first rows; `Residual` keeps to what it learned then."""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from satomori_analytics.detectors.base import Floats, Latch, Scores, Times, squash
from satomori_analytics.detectors.tails import Tail

_MAD = 1.4826


class Learned(ABC):
    """Judges means of the last `window` rows; what is normal it learns from the first `learn_rows`."""

    joint: ClassVar[bool] = True
    adapts: ClassVar[bool] = False  # whether what is normal goes on to change after the first rows

    def __init__(self, *, learn_rows: int, window: int, for_s: float) -> None:
        self.learn_rows, self.window, self.for_s = learn_rows, window, for_s
        self._latch = Latch(for_s)
        self.deviation = np.empty((0, 0))  # of each judged row and channel of the latest call; not part of the state

    @property
    @abstractmethod
    def learned(self) -> bool: ...

    @abstractmethod
    def score(self, at_us: Times, values: Floats) -> Scores: ...

    @abstractmethod
    def warm(self, at_us: Times, rows: Floats) -> None:
        """Take `rows` as what came just before the next call, unjudged."""

    def hold(self, since_us: int | None) -> None:
        """Start with the alarm on, since then; None: off."""
        self._latch.on, self._latch.since_us = np.array([since_us is not None]), np.array([since_us or 0], np.int64)

    @abstractmethod
    def state(self) -> dict[str, Any]: ...

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None: ...


class Residual(Learned):
    """The first channel less what the second explains by two slopes around `knee`: a frequency freed of temperature.

    Source of the two slopes: the Z24 bridge, whose asphalt stiffens below 0 °C (recalled, not checked). What lies
    further than `beyond` outside the learned range of the second channel is not judged: a line is no prophet. The band
    is that of the first channel's running mean, whose deviation is judged.
    """

    channels_min: ClassVar[int] = 2

    def __init__(
        self,
        *,
        learn_rows: int = 1000,
        window: int = 6,
        probability: float = 1e-4,
        for_s: float = 0.0,
        knee: float = 0.0,
        beyond: float = 2.0,
    ) -> None:
        super().__init__(learn_rows=learn_rows, window=window, for_s=for_s)
        self.knee, self.beyond = knee, beyond
        self.limit = -float(np.log10(probability))
        self._rows: Floats | None = None  # the last window - 1 rows; while learning, all of them
        self._seen = 0
        self._reference: dict[str, Any] | None = None
        self._tail: Tail | None = None

    @property
    @override
    def learned(self) -> bool:
        return self._reference is not None

    @override
    def score(self, at_us: Times, values: Floats) -> Scores:
        learning = min(max(self.learn_rows - self._seen, 0), len(values))
        rarity, low, high = np.zeros(len(values)), np.full(values.shape, np.nan), np.full(values.shape, np.nan)
        if learning:
            self._learn(values[:learning])
        if learning < len(values):
            rarity[learning:], expected, reach = self._judge(values[learning:])
            low[learning:, 0], high[learning:, 0] = expected - reach, expected + reach
        self._seen += len(values)
        alarm = self._latch.alarm(at_us, rarity[:, None] >= self.limit, rarity[:, None] < self.limit * 0.7)
        return Scores(squash(rarity, self.limit)[:, None], alarm, low, high)

    @override
    def warm(self, at_us: Times, rows: Floats) -> None:
        self._rows = rows.copy()

    def _learn(self, values: Floats) -> None:
        self._rows = values.copy() if self._rows is None else np.concatenate([self._rows, values])
        if len(self._rows) < self.learn_rows:
            return
        means = self._means(self._rows)[self.window - 1 :]
        self._reference = self._fit(means)
        statistic = _root_mean_square(self._deviate(means))
        self._tail = Tail.fit(statistic[np.isfinite(statistic)]) if np.isfinite(statistic).any() else None
        self._rows = self._rows[-self.window :]

    def _judge(self, values: Floats) -> tuple[Floats, Floats, float]:
        """Of each row its rarity and what its mean is expected to be; and how far off that is an alarm."""
        if self._rows is None or self._reference is None:
            raise AssertionError
        before = self._rows[max(len(self._rows) - self.window + 1, 0) :]
        rows = np.concatenate([before, values])
        means = self._means(rows)[len(before) :]
        self._rows = rows[-self.window :]
        self.deviation, deviation = self._deviate(means), self._reference["deviation"]
        expected = means[:, 0] - self.deviation[:, 0] * deviation
        if self._tail is None:
            return np.zeros(len(values)), expected, math.nan
        rarity = np.nan_to_num(self._tail.rarity(_root_mean_square(self.deviation)))
        return rarity, expected, deviation * self._tail.statistic(self.limit)

    def _means(self, rows: Floats) -> Floats:
        """Mean of each row and the window - 1 before it. Added in a fixed order, so that any cut gives the same."""
        known = np.isfinite(rows)
        padded = np.concatenate([np.zeros((self.window - 1, rows.shape[1])), np.where(known, rows, 0.0)])
        counted = np.concatenate([np.zeros((self.window - 1, rows.shape[1])), known])
        total, count = np.zeros(rows.shape), np.zeros(rows.shape)
        for i in range(self.window):
            total = total + padded[i : i + len(rows)]
            count = count + counted[i : i + len(rows)]
        return total / np.where(count > 0, count, np.nan)

    @override
    def state(self) -> dict[str, Any]:
        return {
            "latch": self._latch.state(),
            "rows": None if self._rows is None else [[_json(v) for v in row] for row in self._rows.tolist()],
            "seen": self._seen,
            "reference": self._reference,
            "tail": None if self._tail is None else [self._tail.share, self._tail.threshold, self._tail.excess],
        }

    @override
    def restore(self, state: dict[str, Any]) -> None:
        self._latch.restore(state["latch"])
        self._rows = None if state["rows"] is None else np.array(state["rows"], dtype=np.float64)
        self._seen, self._reference = state["seen"], state["reference"]
        self._tail = None if state["tail"] is None else Tail(*state["tail"])

    def _design(self, regressor: Floats) -> Floats:
        below, above = np.minimum(regressor - self.knee, 0), np.maximum(regressor - self.knee, 0)
        return np.stack([np.ones_like(below), below, above], axis=-1)

    def _fit(self, means: Floats) -> dict[str, Any]:
        known = np.isfinite(means[:, :2]).all(axis=1)
        design, target = self._design(means[known, 1]), means[known, 0]
        slopes, *_ = np.linalg.lstsq(design, target, rcond=None)
        residual = target - design @ slopes
        middle = float(np.median(residual)) if len(residual) else 0.0
        deviation = float(_MAD * np.median(np.abs(residual - middle))) if len(residual) else 0.0
        seen = [float(means[known, 1].min()), float(means[known, 1].max())] if known.any() else [0.0, 0.0]
        return {"slopes": slopes.tolist(), "middle": middle, "deviation": max(deviation, 1e-9), "seen": seen}

    def _deviate(self, means: Floats) -> Floats:
        reference = self._reference or {}
        a, b, c = reference["slopes"]
        design = self._design(means[:, 1])
        residual = means[:, 0] - (design[:, 0] * a + design[:, 1] * b + design[:, 2] * c)
        low, high = reference["seen"]
        unknown = (means[:, 1] < low - self.beyond) | (means[:, 1] > high + self.beyond)
        residual[unknown] = np.nan
        return np.asarray((residual - reference["middle"])[:, None] / reference["deviation"])


def _root_mean_square(deviations: Floats) -> Floats:
    total, count = np.zeros(len(deviations)), np.zeros(len(deviations))
    for channel in deviations.T:  # in a fixed order, so that any cut gives the same
        known = np.isfinite(channel)
        total, count = total + np.where(known, channel, 0.0) ** 2, count + known
    return np.asarray(np.sqrt(total / np.where(count > 0, count, np.nan)))


def _json(value: float) -> float | None:
    return None if np.isnan(value) else value
