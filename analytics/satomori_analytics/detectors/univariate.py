"""The detector for series of which nothing is known: how rare is what each does now, against its own past.

Components turn rows into statistics: level, drift, step and spread at several scales; distance from the usual at this
hour of this kind of day. Each statistic becomes a rarity by the extremes of its own past; the mean of the six rarest is
the evidence, in equal parts with how far the value is from all that was seen before (`category.py`), or, where the
season explains most of a series, how far its distance from the usual is from all such distances: so a value that is
usual, but not now, is seen. How often a series
shows as much makes it a score that means the same for every series: 0.5 is
`false_alarms_per_month`. A further component needs `sides`, `refit`, `measure`, `learn`, and joins `Univariate._new`.
"""

from typing import Any, ClassVar, Protocol

import numpy as np

from satomori_analytics.detectors.arrays import pack, unpack
from satomori_analytics.detectors.base import Counts, Floats, Latch, Marks, Scores, Times
from satomori_analytics.detectors.budget import DAY_US, Rates, Records
from satomori_analytics.detectors.category import Category
from satomori_analytics.detectors.extremes import BLOCK, Extremes
from satomori_analytics.detectors.season import Season
from satomori_analytics.detectors.windows import Pauses, Windows

_CAP = 6.0  # how much one statistic may say: once in a million blocks
_RAREST = 6
# Evidence of a value that lies outside all that was seen by so much of its range, and for each power of ten of that.
_NEW_AT, _NEW_EVIDENCE = 0.02, 3.0
_EXPLAINED = 0.5  # of a series' variance by its season: from there on a value may be new for its time alone
_STEEPNESS = 0.5  # of the score: a rate a hundredth of the budget is 0.91
_CLEAR = 0.25
_BAND_RARITY = 2.0  # values outside the band come in one of a hundred blocks
_NEVER = -1 << 62


class Component(Protocol):
    """What turns rows [rows, series] into statistics. Series are apart: none may change another's numbers."""

    @property
    def sides(self) -> tuple[int, ...]:
        """How many statistics each thing that is looked at has: 2 where high and low are judged apart."""
        ...

    def refit(self, chosen: Counts, at_us: Times) -> None:
        """The chosen series, by place, begin a new block at those times."""
        ...

    def measure(self, at_us: Times, values: Floats, counts: Counts, since: Counts) -> list[Floats]:
        """Statistics, high where odd, NaN where unknown. Of series s the first `counts[s]` rows are there.

        `since`: how many rows there are since a long pause.
        """
        ...

    def learn(self, at_us: Times, values: Floats, normal: Marks) -> None: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class Univariate:
    """Rare against its own past, within a budget of false alarms.

    `quiet_s`: after something rare, only what is rarer still is emitted for so long. 0: all is, and an alarm stays on
    until the score is below 0.25. What alarms is not learned, until it has lasted for `relearn_s`. `utc_offset_s`:
    where the day begins. `holidays`: Japan's public holidays are days of rest.
    """

    joint: ClassVar[bool] = False

    def __init__(
        self,
        *,
        false_alarms_per_month: float = 0.8,
        quiet_s: float = 4 * 86400.0,
        relearn_s: float = 4 * 86400.0,
        utc_offset_s: int = 9 * 3600,
        holidays: bool = False,
    ) -> None:
        self.log_budget = float(np.log10(false_alarms_per_month))
        self.quiet_us, self.relearn_us = int(quiet_s * 1e6), int(relearn_s * 1e6)
        self.utc_offset_s, self.holidays = utc_offset_s, holidays
        self._series: _Series | None = None
        self._category, self._latch = Category(), Latch()

    def score(self, at_us: Times, values: Floats) -> Scores:
        rows, columns = values.shape
        if self._series is None:
            self._series = self._new(columns)
        known = np.isfinite(values)
        # Each series' known values, without the rows in which it was not observed.
        order = np.argsort(~known, axis=0, kind="stable")
        times, present = at_us[order], np.take_along_axis(values, order, axis=0)
        newness = np.take_along_axis(self._category.distance(at_us[:, None], values), order, axis=0)
        left, done, whole = known.sum(axis=0), np.zeros(columns, np.intp), bool(known.all())
        out = np.stack([np.zeros(values.shape), *(np.full(values.shape, np.nan) for _ in range(2))])
        while left.any():
            counts = np.minimum(left, BLOCK - self._series.seen % BLOCK)
            if whole and (counts == counts[0]).all() and (done == done[0]).all():  # nothing has to be picked out
                part = slice(int(done[0]), int(done[0] + counts[0]))
                out[:, part] = self._series.judge(times[part], present[part], counts, newness[part])
                left, done = left - counts, done + counts
                continue
            height = np.arange(counts.max())[:, None]
            inside, place = height < counts, np.minimum(done + height, rows - 1)
            here = np.where(inside, np.take_along_axis(present, place, axis=0), np.nan)
            new = np.take_along_axis(newness, place, axis=0)
            judged = self._series.judge(np.take_along_axis(times, place, axis=0), here, counts, new)
            row, series = np.nonzero(inside)
            out[:, order[place[row, series], series], series] = judged[:, row, series]
            left, done = left - counts, done + counts
        alarm = out[0] >= 0.5
        if not self.quiet_us:
            alarm, _ = self._latch.run(at_us, alarm, known & (out[0] < _CLEAR))
        return Scores(out[0], alarm, out[1], out[2])

    def _new(self, columns: int) -> "_Series":
        season = Season(columns, utc_offset_s=self.utc_offset_s, holidays=self.holidays)
        return _Series([Windows(columns)], season, self.log_budget, self.quiet_us, self.relearn_us)

    def state(self) -> dict[str, Any]:
        if self._series is None:
            return {}
        return {
            "columns": len(self._series.seen),
            "latch": self._latch.state(),
            "category": self._category.state(),
            **self._series.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._series = self._new(state["columns"]) if state else None
        if self._series is not None:
            self._series.restore(state)
            self._latch.restore(state["latch"])
            self._category.restore(state["category"])


class _Series:
    """What is known of all series."""

    def __init__(
        self, others: list[Component], season: Season, log_budget: float, quiet_us: int, relearn_us: int
    ) -> None:
        columns = len(season.explained)
        self.seen = np.zeros(columns, np.int64)
        self.components, self._season = [*others, season], season
        sides = [n for component in self.components for n in component.sides]
        self._first_sides = np.concatenate([[0], np.cumsum(sides)[:-1]])
        self._extremes = Extremes(columns, sum(sides))
        self._rates, self._records = Rates(columns, max(quiet_us, DAY_US)), Records(columns, quiet_us)
        self._unseasonable_category, self._pauses = Category(), Pauses(columns)
        self._log_budget, self._relearn_us = log_budget, relearn_us
        self._alarming = np.zeros(columns, bool)
        self._alarming_since = np.full(columns, _NEVER)

    def judge(self, at_us: Times, values: Floats, counts: Counts, newness: Floats) -> Floats:
        """[score, low, high] of rows that are within one block of each series, of which they are the first `counts`."""
        begun = np.flatnonzero((counts > 0) & (self.seen % BLOCK == 0))
        if len(begun):
            for component in self.components:
                component.refit(begun, at_us[0, begun])
            self._pauses.refit(begun)
            self._extremes.refit(begun)
            self._rates.refit(begun)
        known = np.arange(len(values))[:, None] < counts
        since = self._pauses.rows_since(at_us, counts)
        statistics = np.stack([each for c in self.components for each in c.measure(at_us, values, counts, since)])
        rarest = self._rarest(statistics)
        low, high = self._band(values.shape)
        newness = self._news(newness, self._unseasonable(at_us, values), (values < low) | (values > high))
        evidence = np.where(np.isnan(newness), rarest, (rarest + _evidence_of(newness)) / 2)
        evidence = np.where(known, evidence, 0.0)
        log_rate = self._rates.log_rate(evidence)
        record = self._records.run(at_us, evidence, known)
        score = np.where(record, 1 / (1 + 10.0 ** (_STEEPNESS * (log_rate - self._log_budget))), 0.0)
        normal = known & ~self._held(at_us, log_rate <= self._log_budget, counts)
        for component in self.components:
            component.learn(at_us, values, normal)
        self._extremes.learn(statistics, normal)
        self._rates.learn(at_us, evidence, known)
        self.seen += counts
        return np.stack([score, low, high])

    def _rarest(self, statistics: Floats) -> Floats:
        rarity = np.minimum(np.nan_to_num(self._extremes.rarity(statistics)), _CAP)
        rarest = np.sort(np.maximum.reduceat(rarity, self._first_sides, axis=0), axis=0)[-_RAREST:]
        total = rarest[0]
        for each in rarest[1:]:
            total = total + each
        return np.asarray(total / _RAREST)

    def _held(self, at_us: Times, alarming: Marks, counts: Counts) -> Marks:
        """Which rows alarm, less those of an alarm that has lasted so long that it is the new normal."""
        before = np.concatenate([self._alarming[None], alarming[:-1]])
        starts = np.where(alarming & ~before, at_us, _NEVER)
        since = np.maximum.accumulate(np.concatenate([self._alarming_since[None], starts]), axis=0)[1:]
        last = (np.maximum(counts - 1, 0), np.arange(len(counts)))
        self._alarming = np.where(counts > 0, alarming[last], self._alarming)
        self._alarming_since = np.where(counts > 0, since[last], self._alarming_since)
        return np.asarray(alarming & (at_us - np.where(alarming, since, at_us) < self._relearn_us))

    @staticmethod
    def _news(newness: Floats, unseasonable: Floats, outside: Marks) -> Floats:
        """Of a value with a season its distance from the usual is news too, and outside the band only.

        Within it a level that never was is what a season brings, and the usual itself is uncertain.
        """
        return np.where(np.isnan(unseasonable), newness, np.where(outside, np.fmax(newness, unseasonable), 0.0))

    def _unseasonable(self, at_us: Times, values: Floats) -> Floats:
        """How far each value is from what is usual at its time, against all such distances.

        NaN where no season is known.
        """
        season = self._season
        seasonal = season.explained >= _EXPLAINED
        if not seasonal.any():
            return np.full(values.shape, np.nan)
        return self._unseasonable_category.distance(at_us, np.where(seasonal, values - season.expected, np.nan))

    def _band(self, shape: tuple[int, int]) -> tuple[Floats, Floats]:
        """By the residual from what is usual at this hour where that is known, else by the level itself."""
        season = self._season
        first = sum(Windows.sides)
        high, low = (self._extremes.level(side, _BAND_RARITY) for side in (0, 1))
        above, below = (self._extremes.level(first + side, _BAND_RARITY) for side in (0, 1))
        by_hour_low, by_hour_high = season.expected - below, season.expected + above
        unknown = np.isnan(by_hour_low + by_hour_high)
        return (
            np.where(unknown, np.broadcast_to(-low, shape), by_hour_low),
            np.where(unknown, np.broadcast_to(high, shape), by_hour_high),
        )

    def state(self) -> dict[str, Any]:
        return {
            "seen": pack(self.seen), "alarming": pack(self._alarming), "since": pack(self._alarming_since),
            "pauses": self._pauses.state(), "unseasonable": self._unseasonable_category.state(),
            "extremes": self._extremes.state(), "rates": self._rates.state(), "records": self._records.state(),
            "components": [component.state() for component in self.components],
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        self.seen, self._alarming = unpack(state["seen"]), unpack(state["alarming"])
        self._alarming_since = unpack(state["since"])
        self._unseasonable_category.restore(state["unseasonable"])
        for part, name in (
            (self._pauses, "pauses"),
            (self._extremes, "extremes"),
            (self._rates, "rates"),
            (self._records, "records"),
        ):
            part.restore(state[name])
        for component, own in zip(self.components, state["components"], strict=True):
            component.restore(own)


def _evidence_of(newness: Floats) -> Floats:
    """On the scale of rarity: nothing where the value is within what was seen."""
    power = np.log10(np.fmax(newness, 1e-12) / _NEW_AT)
    return np.where(newness > 0, np.clip(_NEW_EVIDENCE + power, 0.0, _CAP), 0.0)
