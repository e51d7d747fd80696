"""All channels of one asset together, each against what it may be by now given how it wandered while it was normal.

The mean of the last `window` rows is compared with its kriging prediction (kriging.py) from the means of earlier normal
rows: a channel that stands still is held to its level, one that drifts (a machine that warms up) to where it was last,
ever more loosely. A channel that its residual from the day's profile (season.py) predicts better is judged by that,
once it has been seen over the longest lag. What calm blocks deviated by widens predictions that were too sure, and says
how channels move together (the covariance of innovations; Mehra 1970; recalled, not checked). Two tests see the
deviations: the largest one (Bonferroni) and their sum of squares (chi-square, with the degrees of freedom that
correlated channels leave: Satterthwaite 1946; recalled, not checked); the rarer one counts, doubled.
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
from satomori_analytics.detectors.season import Profile

_MONTH_S = 30.44 * 86400
_KNOTS = 40  # blocks that are remembered by value
_MEMORY = 0.995  # of the variogram's sums, a block: some 200 blocks
_PRIOR_BLOCKS = 40  # for which deviations count as they should be: independent, of variance 1
# So many blocks have to stay calm after one to learn it, since what rises slowly is not to be learned at its foot; and
# to end an alarm.
_WAIT = 2
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
    thousands. An alarm ends once what follows was clear for as long as rows have to stay calm to be learned. What was
    alarming is not learned, what was calm is. Without any known channel the alarm stays as it is.
    An alarm that has lasted `relearn_s` is the new normal: the next `learn_rows` are learned instead of the first ones,
    and end it; where it ends by itself before, all stays as it was. `utc_offset_s`, `holidays`: as in `Univariate`.
    """

    adapts: ClassVar[bool] = True

    def __init__(
        self, *, learn_rows: int = 400, window: int = 10, false_alarms_per_month: float = 0.8, for_s: float = 0.0,
        relearn_s: float = 4 * 86400.0, utc_offset_s: int = 9 * 3600, holidays: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(learn_rows=learn_rows, window=window, for_s=for_s)
        self.relearn_us = int(relearn_s * 1e6)
        self.false_alarms_per_month = false_alarms_per_month
        self._times: list[int] = []  # of the rows that are being learned, at first or anew
        self._learning: Floats | None = None  # those rows
        self.utc_offset_s, self.holidays = utc_offset_s, holidays
        self._profile: Profile | None = None
        # From here on [2 * channels]: the values, then their residuals from the profile, NaN until it is known.
        self._rows: Floats | None = None  # the last `window`
        self._row_times: list[int] = []
        self._origin_us, self._block_us = 0, 0
        self._in_block, self._calm, self._clear_rows = 0, True, 0
        self._noise, self._quantum = np.empty(0), np.empty(0)  # of each channel: variance within a block; least step
        self._squares, self._counts = np.empty((0, 0)), np.empty((0, 0))
        self._knots: deque[_Block] = deque(maxlen=_KNOTS)
        self._waiting: deque[tuple[float, Floats, Floats]] = deque()  # blocks, each with its channels' deviations
        self._kriging: Kriging | None = None
        self._seasonal = np.empty(0, bool)  # [channels] that are judged by their residual
        self._spread, self._spread_blocks = np.empty((0, 0)), 0  # mean product of two channels' deviations; of how many
        self._unscaled = np.empty(0)  # deviations of the latest row, before they are held to their past

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
            usual = self._usual(at_us[start:stop], channels)
            for i in range(start, stop):
                expected[i], reach[i], z = self._judge(int(at_us[i]), values[i], usual[i - start])
                self.deviation[i - learning], rarity[i - start] = z, _rarity(z, self._spread)
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
        needed = _WAIT * self.window
        if math.isfinite(rarity):
            self._clear_rows = min(self._clear_rows + 1, needed) if rarity < self.limit * _CLEAR else 0
        return self._clear_rows == needed

    @override
    def warm(self, at_us: Times, rows: Floats) -> None:
        self._in_block, self._calm, self._clear_rows = 0, True, 0
        self._rows = np.concatenate([rows, rows - self._usual(at_us, rows.shape[1])], axis=1)
        self._row_times = at_us.tolist()
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
        self._origin_us, self._block_us = int(times[0]), int(np.median(np.diff(times))) * window
        channels = rows.shape[1]
        steps = np.abs(np.diff(rows, axis=0))
        steps = np.where(steps > 0, steps, np.inf).min(axis=0)  # NaN is not above 0
        self._quantum = np.tile(np.where(np.isfinite(steps), steps, 0.0), 2)
        self._squares, self._counts = np.zeros((2, len(LAGS), 2 * channels))
        self._profile = Profile(channels, utc_offset_s=self.utc_offset_s, holidays=self.holidays)
        within = []
        for first in range(0, len(rows) // window * window, window):
            block = slice(first, first + window)
            self.warm(times[block], rows[block])
            mean, _ = _mean(self._rows_known())
            within.append((self._rows_known() - mean) ** 2)
            self._remember((self._place(int(times[first + window - 1])), mean))
            self._learn_profile()
        noise, _ = _mean(np.concatenate(within))
        self._noise = np.nan_to_num(np.where(np.isnan(noise), np.tile(noise[:channels], 2), noise))
        self._spread, self._spread_blocks = np.eye(channels), _PRIOR_BLOCKS
        self._solve()
        self.warm(times[-window:], rows[-window:])

    def _rows_known(self) -> Floats:
        if self._rows is None:
            raise AssertionError
        return self._rows

    def _usual(self, at_us: Times, channels: int) -> Floats:
        """By the profile of the day, [rows, channels] at rows within one block; NaN until it is known."""
        if self._profile is None:
            raise AssertionError
        times = np.repeat(at_us[:, None], channels, axis=1)
        if self._in_block == 0 and len(at_us):
            self._profile.refit(np.arange(channels), times[0])
        return self._profile.expect(times)

    def _learn_profile(self) -> None:
        rows = self._rows_known()
        values = rows[:, : rows.shape[1] // 2]
        if self._profile is None:
            raise AssertionError
        times = np.repeat(np.array(self._row_times)[:, None], values.shape[1], axis=1)
        self._profile.learn(times, values, np.isfinite(values))

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
        channels = len(scale) // 2
        width = 2 * channels if self._counts[-1, channels:].any() else channels  # residuals cost as much again
        self._kriging = Kriging.solve(np.array(places), np.array(means).T[:width], scale[:width], exponent[:width])
        half_square = self._squares / np.maximum(self._counts, 1e-9)
        wander, residual = half_square[:, :channels].sum(axis=0), half_square[:, channels:].sum(axis=0)
        self._seasonal = (self._counts[-1, channels:] >= _PAIRS_MIN) & (residual < wander)

    def _judge(self, at_us: int, row: Floats, usual: Floats) -> tuple[Floats, Floats, Floats]:
        """Of each channel: what its value is expected to be, give or take, and how far its running mean is off (σ)."""
        if self._kriging is None:
            raise AssertionError
        both = np.concatenate([row, row - usual])[None]
        before = max(len(self._rows_known()) - self.window + 1, 0)
        self._rows = np.concatenate([self._rows_known()[before:], both])
        self._row_times = [*self._row_times[before:], at_us]
        expected, variance = self._kriging.at(self._place(at_us))
        width = len(expected)
        mean, count = _mean(self._rows[:, :width])
        # A quantised channel is known no better than its step allows; one that never moved, to a thousandth of itself.
        quantum, noise = self._quantum[:width], self._noise[:width]
        resolution = quantum**2 / 12 / self.window
        unmoved = (1e-3 * np.abs(np.resize(expected[: len(row)], width)) + 1e-9) ** 2
        variance = np.maximum(variance, np.where(quantum > 0, resolution, unmoved))
        variance = variance + noise * (1 / np.maximum(count, 1) - 1 / self.window)
        z = np.clip((mean - expected) / np.sqrt(variance), -_DEVIATION_MAX, _DEVIATION_MAX)
        reach = np.sqrt(variance + noise * (1 - 1 / self.window))
        if width > len(row):
            own, residual = slice(len(row)), slice(len(row), None)
            chosen = self._seasonal & np.isfinite(z[residual])
            expected = np.where(chosen, usual + expected[residual], expected[own])
            reach = np.where(chosen, reach[residual], reach[own])
            z = np.where(chosen, z[residual], z[own])
        self._unscaled = z
        wider = np.sqrt(np.maximum(np.diag(self._spread), 1.0))
        beyond = _NORMAL.inv_cdf(1 - 10 ** -min(self.limit, 15) / 4 / len(row))
        return expected, beyond * reach * wider, z / wider

    def _end_block(self, at_us: int) -> None:
        if self._calm:
            mean, count = _mean(self._rows_known())
            known = np.where(count * 2 >= self.window, mean, np.nan)
            self._waiting.append((self._place(at_us), known, self._unscaled))
            self._learn_profile()
        else:
            self._waiting.clear()
        if len(self._waiting) > _WAIT:
            place, mean, deviation = self._waiting.popleft()
            self._remember((place, mean))
            self._spread_blocks = min(self._spread_blocks + 1, round(1 / (1 - _MEMORY)))
            product = np.outer(deviation, deviation)
            change = np.where(np.isfinite(product), product, self._spread) - self._spread
            self._spread = self._spread + change / self._spread_blocks
            self._solve()
        self._in_block, self._calm = 0, True

    @override
    def state(self) -> dict[str, Any]:
        return {
            "latch": self._latch.state(),
            "times": self._times,
            "learning": None if self._learning is None else _listed(self._learning),
            "profile": None if self._profile is None else self._profile.state(),
            "rows": None if self._rows is None else _listed(self._rows),
            "row_times": self._row_times,
            "clock": [self._origin_us, self._block_us, self._in_block, self._calm, self._clear_rows],
            "noise": self._noise.tolist(),
            "quantum": self._quantum.tolist(),
            "squares": self._squares.tolist(),
            "counts": self._counts.tolist(),
            "spread": [self._spread_blocks, self._spread.tolist()],
            "knots": [[place, *_listed(mean[None])] for place, mean in self._knots],
            "waiting": [[place, *_listed(mean[None]), *_listed(z[None])] for place, mean, z in self._waiting],
        }

    @override
    def restore(self, state: dict[str, Any]) -> None:
        self._latch.restore(state["latch"])
        self._times = list(state["times"])
        self._learning = None if state["learning"] is None else np.array(state["learning"], dtype=np.float64)
        self._rows = None if state["rows"] is None else np.array(state["rows"], dtype=np.float64)
        self._row_times = list(state["row_times"])
        if self._rows is not None:
            self._profile = Profile(self._rows.shape[1] // 2, utc_offset_s=self.utc_offset_s, holidays=self.holidays)
            self._profile.restore(state["profile"])
        self._origin_us, self._block_us, self._in_block, self._calm, self._clear_rows = state["clock"]
        self._noise, self._quantum = np.array(state["noise"]), np.array(state["quantum"])
        self._squares, self._counts = np.array(state["squares"]), np.array(state["counts"])
        self._spread_blocks, self._spread = state["spread"][0], np.array(state["spread"][1])
        self._knots.extend((place, np.array(mean, dtype=np.float64)) for place, mean in state["knots"])
        self._waiting.extend(
            (place, *(np.array(each, dtype=np.float64) for each in pair)) for place, *pair in state["waiting"]
        )
        if self._knots:
            self._solve()


def _mean(rows: Floats) -> tuple[Floats, Floats]:
    """(mean of what is known in each column, NaN where nothing is; how much is known)."""
    known = np.isfinite(rows)
    count = known.sum(axis=0).astype(np.float64)
    return np.where(known, rows, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan), count


def _rarity(z: Floats, spread: Floats) -> float:
    """-log10 of the chance that normal channels lie so far off, by the rarer of two tests; NaN without any channel.

    `spread`: their covariance, of which only the correlation counts here.
    """
    known = np.isfinite(z)
    number = int(known.sum())
    if not number:
        return float("nan")
    single = math.log10(number) + _log10_tail(float(np.abs(z[known]).max())) + math.log10(2)
    among, own = spread[np.ix_(known, known)], np.diag(spread)[known]
    freedom = number**2 / float((among**2 / np.outer(own, own)).sum())
    # Chi-square by its cube root, which is nearly normal (Wilson and Hilferty 1931).
    ninth = 2 / 9 / freedom
    root = (float((z[known] ** 2).mean()) ** (1 / 3) - (1 - ninth)) / math.sqrt(ninth)
    return max(-(min(single, _log10_tail(root)) + math.log10(2)), 0.0)


def _log10_tail(z: float) -> float:
    """log10 P(Z > z) of a normal Z; beyond 30 its first asymptotic term (within 0.1 %)."""
    if z < 30:
        return math.log10(math.erfc(z / math.sqrt(2)) / 2)
    return -(z**2) / 2 / math.log(10) - math.log10(z * math.sqrt(2 * math.pi))


def _listed(rows: Floats) -> list[list[float | None]]:
    return [[None if np.isnan(value) else value for value in row] for row in rows.tolist()]
