"""All channels of one asset together, each against what it may be by now given how it wandered while it was normal.

The mean of the last `window` rows is compared with its kriging prediction (kriging.py) from the means of earlier normal
rows: a channel that stands still is held to its level, one that drifts (a machine that warms up) to where it was last,
ever more loosely. Two tests see the deviations: the largest one (Bonferroni) and their sum of squares (chi-square); the
rarer one counts, doubled.
"""

import math
from collections import deque
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from satomori_analytics.detectors.base import Floats, Marks, Scores, Times, squash
from satomori_analytics.detectors.joint import Learned
from satomori_analytics.detectors.kriging import LAGS, Kriging, variogram

_MONTH_S = 30.44 * 86400
_KNOTS = 40  # blocks that are remembered by value
_MEMORY = 0.995  # of the variogram's sums, a block: some 200 blocks
_WAIT = 2  # blocks have to stay calm after a block before it is learned: what rises slowly is not learned at its foot
_CLEAR = 0.5  # of the limit: a row below it is clear
_LIMIT_MIN = 2.0
_DEVIATION_MAX = 99.0
_PAIRS_MIN = 10  # of blocks, to know how a channel wanders
_NORMAL = NormalDist()
_LAG_PLACE = {int(lag): place for place, lag in enumerate(LAGS)}

_Block = tuple[float, Floats]  # place in blocks since the first row, mean of each channel


class Multichannel(Learned):
    """`false_alarms_per_month` is the budget of one asset; the limit is the chance that it leaves each row.

    Each row is a look of its own, however much the means of neighbours overlap (Bonferroni: an upper bound). That
    chance rests on normal tails of the deviations: an extrapolation, since 400 rows are 40 whole looks and a month has
    thousands. An alarm ends once `window` rows on end are clear: before, no mean is of rows after it alone. What was
    alarming is not learned, what was calm is. Without any known channel the alarm stays as it is.
    An alarm that has lasted `relearn_s` is the new normal: the next `learn_rows` are learned instead of the first ones,
    and end it; where it ends by itself before, all stays as it was.
    """

    adapts: ClassVar[bool] = True

    def __init__(
        self, *, learn_rows: int = 400, window: int = 10, false_alarms_per_month: float = 0.8, for_s: float = 0.0,
        relearn_s: float = 4 * 86400.0,
    ) -> None:  # fmt: skip
        super().__init__(learn_rows=learn_rows, window=window, for_s=for_s)
        self.relearn_us = int(relearn_s * 1e6)
        self.false_alarms_per_month = false_alarms_per_month
        self._times: list[int] = []  # of the rows that are being learned, at first or anew
        self._learning: Floats | None = None  # those rows
        self._rows: Floats | None = None  # the last `window`
        self._origin_us, self._block_us = 0, 0
        self._in_block, self._calm, self._clear_rows = 0, True, 0
        self._noise, self._quantum = np.empty(0), np.empty(0)  # of each channel: variance within a block; least step
        self._squares, self._counts = np.empty((0, 0)), np.empty((0, 0))
        self._knots: deque[_Block] = deque(maxlen=_KNOTS)
        self._waiting: deque[_Block] = deque()
        self._kriging: Kriging | None = None

    @property
    @override
    def learned(self) -> bool:
        return self._block_us > 0

    @property
    def limit(self) -> float:
        """-log10 of the chance of a false alarm that the budget leaves each row; that chance is 1 % at most."""
        chance = self.false_alarms_per_month * self._block_us / self.window / 1e6 / _MONTH_S
        return max(-math.log10(max(chance, 1e-300)), _LIMIT_MIN)

    @override
    def score(self, at_us: Times, values: Floats) -> Scores:
        learning = 0 if self.learned else min(self.learn_rows - len(self._times), len(values))
        if learning:
            self._gather(at_us[:learning], values[:learning])
        rows, channels = values.shape
        score, alarm = np.zeros((rows, 1)), np.zeros((rows, 1), bool)
        expected, reach = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
        self.deviation = np.full((rows - learning, channels), np.nan)
        start = learning
        while start < rows:  # up to the end of a block, or until enough is gathered to learn anew
            stop = min(start + self.window - self._in_block, start + self.learn_rows - len(self._times), rows)
            rarity, clear = np.full((stop - start, 1), np.nan), np.zeros((stop - start, 1), bool)
            for i in range(start, stop):
                expected[i], reach[i], z = self._judge(int(at_us[i]), values[i])
                self.deviation[i - learning], rarity[i - start] = z, _rarity(z)
                clear[i - start] = self._cleared(float(rarity[i - start, 0]))
            score[start:stop] = squash(rarity, self.limit)
            on, since_us = self._latch.run(at_us[start:stop], rarity >= self.limit, clear)
            lasted_us = np.where(on, at_us[start:stop, None] - since_us, -1)
            alarm[start:stop] = on & (lasted_us >= int(self.for_s * 1e6))
            self._in_block, self._calm = self._in_block + stop - start, self._calm and not on.any()
            if self._relearn(at_us[start:stop], values[start:stop], lasted_us[:, 0] >= self.relearn_us):
                self.hold(None)
            elif self._in_block == self.window:
                self._end_block(int(at_us[stop - 1]))
            start = stop
        return Scores(score, alarm, expected - reach, expected + reach)

    def _cleared(self, rarity: float) -> bool:
        """Whether enough rows on end are clear now; a row without any channel counts for nothing."""
        if math.isfinite(rarity):
            self._clear_rows = min(self._clear_rows + 1, self.window) if rarity < self.limit * _CLEAR else 0
        return self._clear_rows == self.window

    @override
    def warm(self, rows: Floats) -> None:
        self._rows = rows.copy()
        self._in_block, self._calm, self._clear_rows = 0, True, 0
        self._waiting.clear()
        self._times, self._learning = [], None

    def _relearn(self, at_us: Times, values: Floats, lasting: Marks) -> bool:
        """Gather the rows of an alarm that lasts; whether they were enough, and are learned now."""
        first = int(np.flatnonzero(~lasting)[-1]) + 1 if not lasting.all() else 0
        if first:
            self._times, self._learning = [], None
        return first < len(at_us) and self._gather(at_us[first:], values[first:])

    def _gather(self, at_us: Times, values: Floats) -> bool:
        self._learning = values.copy() if self._learning is None else np.concatenate([self._learning, values])
        self._times.extend(at_us.tolist())
        if len(self._times) < self.learn_rows:
            return False
        self._learn(np.array(self._times), self._learning)
        self._times, self._learning = [], None
        return True

    def _learn(self, times: Times, rows: Floats) -> None:
        window = self.window
        self._knots.clear()
        self._waiting.clear()
        self._in_block, self._calm = 0, True
        self._origin_us, self._block_us = int(times[0]), int(np.median(np.diff(times))) * window
        blocks = rows[: len(rows) // window * window].reshape(-1, window, rows.shape[1])
        means = np.array([_mean(block)[0] for block in blocks])
        spread = _mean(((blocks - means[:, None]) ** 2).reshape(-1, rows.shape[1]))[0]
        self._noise = np.nan_to_num(spread)
        steps = np.abs(np.diff(rows, axis=0))
        steps = np.where(steps > 0, steps, np.inf).min(axis=0)  # NaN is not above 0
        self._quantum = np.where(np.isfinite(steps), steps, 0.0)
        self._squares, self._counts = np.zeros((len(LAGS), rows.shape[1])), np.zeros((len(LAGS), rows.shape[1]))
        for place, mean in zip(times[window - 1 :: window].tolist(), means, strict=False):
            self._remember((self._place(place), mean))
        self._solve()
        self._rows = rows[-window:]

    def _place(self, at_us: int) -> float:
        return (at_us - self._origin_us) / self._block_us

    def _remember(self, block: _Block) -> None:
        """Into the variogram by its changes since the blocks a lag before it, then among the knots."""
        place, mean = block
        self._squares, self._counts = self._squares * _MEMORY, self._counts * _MEMORY
        for knot_place, knot in self._knots:
            lag = _LAG_PLACE.get(round(place - knot_place))
            if lag is None:
                continue
            half_square = (mean - knot) ** 2 / 2
            known = np.isfinite(half_square)
            self._squares[lag] += np.where(known, half_square, 0.0)
            self._counts[lag] += known
        self._knots.append(block)

    def _solve(self) -> None:
        scale, exponent = variogram(self._squares, self._counts)
        scale = np.where(self._counts.sum(axis=0) >= _PAIRS_MIN, scale, np.nan)
        places, means = zip(*self._knots, strict=True)
        self._kriging = Kriging.solve(np.array(places), np.array(means).T, scale, exponent)

    def _judge(self, at_us: int, row: Floats) -> tuple[Floats, Floats, Floats]:
        """Of each channel: what its value is expected to be, give or take, and how far its running mean is off (σ)."""
        if self._rows is None or self._kriging is None:
            raise AssertionError
        self._rows = np.concatenate([self._rows[max(len(self._rows) - self.window + 1, 0) :], row[None]])
        mean, count = _mean(self._rows)
        expected, variance = self._kriging.at(self._place(at_us))
        # A quantised channel is known no better than its step allows; one that never moved, to a thousandth of itself.
        resolution = self._quantum**2 / 12 / self.window
        unmoved = (1e-3 * np.abs(expected) + 1e-9) ** 2
        variance = np.maximum(variance, np.where(self._quantum > 0, resolution, unmoved))
        variance = variance + self._noise * (1 / np.maximum(count, 1) - 1 / self.window)
        z = np.clip((mean - expected) / np.sqrt(variance), -_DEVIATION_MAX, _DEVIATION_MAX)
        beyond = _NORMAL.inv_cdf(1 - 10 ** -min(self.limit, 15) / 4 / len(row))
        return expected, beyond * np.sqrt(variance + self._noise * (1 - 1 / self.window)), z

    def _end_block(self, at_us: int) -> None:
        if self._rows is None:
            raise AssertionError
        if self._calm:
            mean, count = _mean(self._rows)
            self._waiting.append((self._place(at_us), np.where(count * 2 >= self.window, mean, np.nan)))
        else:
            self._waiting.clear()
        if len(self._waiting) > _WAIT:
            self._remember(self._waiting.popleft())
            self._solve()
        self._in_block, self._calm = 0, True

    @override
    def state(self) -> dict[str, Any]:
        return {
            "latch": self._latch.state(),
            "times": self._times,
            "learning": None if self._learning is None else _listed(self._learning),
            "rows": None if self._rows is None else _listed(self._rows),
            "clock": [self._origin_us, self._block_us, self._in_block, self._calm, self._clear_rows],
            "noise": self._noise.tolist(),
            "quantum": self._quantum.tolist(),
            "squares": self._squares.tolist(),
            "counts": self._counts.tolist(),
            "knots": [[place, *_listed(mean[None])] for place, mean in self._knots],
            "waiting": [[place, *_listed(mean[None])] for place, mean in self._waiting],
        }

    @override
    def restore(self, state: dict[str, Any]) -> None:
        self._latch.restore(state["latch"])
        self._times = list(state["times"])
        self._learning = None if state["learning"] is None else np.array(state["learning"], dtype=np.float64)
        self._rows = None if state["rows"] is None else np.array(state["rows"], dtype=np.float64)
        self._origin_us, self._block_us, self._in_block, self._calm, self._clear_rows = state["clock"]
        self._noise, self._quantum = np.array(state["noise"]), np.array(state["quantum"])
        self._squares, self._counts = np.array(state["squares"]), np.array(state["counts"])
        self._knots.extend((place, np.array(mean, dtype=np.float64)) for place, mean in state["knots"])
        self._waiting.extend((place, np.array(mean, dtype=np.float64)) for place, mean in state["waiting"])
        if self._knots:
            self._solve()


def _mean(rows: Floats) -> tuple[Floats, Floats]:
    """(mean of what is known in each column, NaN where nothing is; how much is known)."""
    known = np.isfinite(rows)
    count = known.sum(axis=0).astype(np.float64)
    return np.where(known, rows, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan), count


def _rarity(z: Floats) -> float:
    """-log10 of the chance that normal channels lie so far off, by the rarer of two tests; NaN without any channel."""
    known = z[np.isfinite(z)]
    if not len(known):
        return float("nan")
    single = math.log10(len(known)) + _log10_tail(float(np.abs(known).max())) + math.log10(2)
    # Chi-square by its cube root, which is nearly normal (Wilson and Hilferty 1931).
    ninth = 2 / 9 / len(known)
    root = (float((known**2).mean()) ** (1 / 3) - (1 - ninth)) / math.sqrt(ninth)
    return max(-(min(single, _log10_tail(root)) + math.log10(2)), 0.0)


def _log10_tail(z: float) -> float:
    """log10 P(Z > z) of a normal Z; beyond 30 its first asymptotic term (within 0.1 %)."""
    if z < 30:
        return math.log10(math.erfc(z / math.sqrt(2)) / 2)
    return -(z**2) / 2 / math.log(10) - math.log10(z * math.sqrt(2 * math.pi))


def _listed(rows: Floats) -> list[list[float | None]]:
    return [[None if np.isnan(value) else value for value in row] for row in rows.tolist()]
