"""What a district's inflow usually is, hour by hour, how surely that is known, and which steps its residuals show.

A linear model with priors (Bayesian regression) of hourly means: hour of day, rest days, level of the weekday, a slow
trend, by which each hour's own use grows in proportion. Public holidays count as rest days. A leak adds a constant
amount by day and night, use changes in proportion: so the quiet night hours, whose
noise is small, weigh most, and a step of constant size is told from growth (as in minimum night flow analysis).
The test for a step at an unknown hour is the generalised likelihood ratio, with the model's own uncertainty in the
covariance (Basseville & Nikiforov 1993, Detection of Abrupt Changes; recalled, not checked).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from satomori_analytics.detectors.base import Floats
from satomori_analytics.detectors.season import holidays_of

Hours = NDArray[np.int64]

# Standard deviations of what may differ from the common day, as shares of the hour's usual flow (our choice, wide).
_PRIOR_COMMON, _PRIOR_REST_DAY, _PRIOR_SUNDAY, _PRIOR_WEEKDAY, _PRIOR_TREND_DAY = 1e3, 0.2, 0.07, 0.03, 0.002
# The level's own unrest from day to day: at least so much, and a random walk (our choice).
_DAY_LEVEL, _WALK = 0.002, 0.002
_MAD = 1.4826
_LEAST_SHARE = 0.2  # of the typical flow: what an hour counts for at least, where priors are shares of it
_HUBER = 2.0
_DRAWN = 10  # residuals that the common share of noise counts for beside an hour's own
_CLIP = 4.0
_RECENT_H, _COARSE_H = 72, 6


@dataclass(frozen=True, slots=True)
class Step:
    """The likeliest step: since which hour, how large with its standard error (flow units), and its z."""

    since: int
    size: float
    error: float
    z: float


@dataclass(frozen=True, slots=True)
class Usual:
    """Fitted to hours before `end`. Everything but `scale` is in units of it; `day` [24] is the common day."""

    scale: float
    day: Floats
    weights: Floats
    spread: Floats
    sigma: Floats
    phi: float
    day_level: float
    end: int

    def expected(self, hours: Hours) -> Floats:
        """[n] usual flow, in the flow's unit."""
        return self.scale * (self._design(hours) @ self.weights)

    def deviation(self, hours: Hours) -> Floats:
        """[n] standard deviation of the flow from `expected`, in the flow's unit."""
        design, since = self._design(hours), np.maximum(hours - self.end, 0) / 24
        unlearned = np.einsum("ij,jk,ik->i", design, self.spread, design)
        unrest = self.day[hours % 24] ** 2 * (self.day_level**2 + _WALK**2 * since)
        return np.asarray(self.scale * np.sqrt(self.sigma[hours % 24] ** 2 + unlearned + unrest))

    def _design(self, hours: Hours) -> Floats:
        kinds = _kinds(hours, self.day)
        return _with_trend(kinds, hours, self.end, kinds @ self.weights[:-1])

    def covariance(self, hours: Hours) -> Floats:
        """[n, n] of the residuals, in units of `scale`: noise, what was not learned exactly, and the level's unrest."""
        design = self._design(hours)
        sigma, level = self.sigma[hours % 24], self.day[hours % 24]
        apart = np.abs(hours[:, None] - hours[None, :])
        noise = sigma[:, None] * sigma[None, :] * (self.phi ** np.arange(int(apart.max()) + 1))[apart]
        same_day = hours[:, None] // 24 == hours[None, :] // 24
        since = np.maximum(hours - self.end, 0) / 24
        unrest = self.day_level**2 * same_day + _WALK**2 * np.minimum(since[:, None], since[None, :])
        return np.asarray(noise + design @ self.spread @ design.T + level[:, None] * level[None, :] * unrest)

    def steps(self, hours: Hours, flow: Floats, starts: Hours, *, ramps: bool) -> list[Step]:
        """The step that began at each of `starts` and lasts, and with `ramps` the one that has grown since."""
        residual = flow / self.scale - self.expected(hours) / self.scale
        covariance = self.covariance(hours)
        deviation = np.sqrt(np.diag(covariance))
        shapes = (hours[:, None] >= starts[None, :]).astype(np.float64)
        if ramps:
            old = starts[(hours[-1] - starts >= 48) & (starts % 24 == 0)]
            grown = np.clip((hours[:, None] - old[None, :]) / np.maximum(hours[-1] - old, 1)[None, :], 0.0, 1.0)
            shapes, starts = np.concatenate([shapes, grown], axis=1), np.concatenate([starts, old])
        clipped = np.clip(residual, -_CLIP * deviation, _CLIP * deviation)
        solved = np.linalg.solve(covariance, np.column_stack([shapes, residual, clipped]))
        held = solved[:, : len(starts)]
        information = np.maximum(np.einsum("ij,ij->j", shapes, held), 1e-12)
        size, z = shapes.T @ solved[:, -2] / information, shapes.T @ solved[:, -1] / np.sqrt(information)
        return [
            Step(int(since), self.scale * float(b), self.scale * float(e), float(score))
            for since, b, e, score in zip(starts, size, 1 / np.sqrt(information), z, strict=True)
        ]


def candidates(hours: Hours, least_h: int) -> Hours:
    """Hours at which a step may have begun: each of the last three days, every sixth before; `least_h` hours ago."""
    last = hours[-1]
    fit = (last - hours >= least_h - 1) & ((last - hours < _RECENT_H) | (hours % _COARSE_H == 0))
    return np.asarray(hours[fit])


def fit(hours: Hours, flow: Floats, end: int) -> Usual:
    """Learn from hourly means without gaps marked NaN: at least a few days of them."""
    scale = max(float(np.median(np.abs(flow))), 1e-9)
    values = flow / scale
    clock = hours % 24
    overall = float(np.median(values))
    day = np.array([np.median(values[clock == h]) if (clock == h).any() else overall for h in range(24)])
    day = np.maximum(np.abs(day), _LEAST_SHARE)
    kinds = _kinds(hours, day)
    precision = np.diag(1 / _priors() ** 2)
    share = max(_MAD * float(np.median(np.abs(values / day[clock] - np.median(values / day[clock])))), 1e-3)
    sigma, residual, inverse = share * day, values, precision
    grows = day[clock]  # the use that the trend multiplies: the common day at first, then what was fitted
    trust = np.ones(len(values))
    for _ in range(4):
        design = _with_trend(kinds, hours, end, grows)
        by_row = trust / sigma[clock] ** 2
        inverse = np.linalg.inv(design.T @ (design * by_row[:, None]) + precision)
        weights = inverse @ (design.T @ (by_row * values))
        residual = values - design @ weights
        grows = kinds @ weights[:-1]
        freedom = float(np.einsum("ij,jk,ik,i->", design, inverse, design, by_row))
        sigma = _noise(residual, clock, day, max(1 - freedom / len(values), 0.25))
        trust = np.minimum(1.0, _HUBER / np.maximum(np.abs(residual) / sigma[clock], 1e-9))
    return Usual(
        scale, day, weights, inverse, sigma, _persistence(hours, residual / sigma[clock]),
        _day_level(hours, residual, sigma[clock], day[clock]), end,
    )  # fmt: skip


def _kinds(hours: Hours, day: Floats) -> Floats:
    """[n, 79] of hour and kind of day, each column in shares of the hour's common flow."""
    clock = np.eye(24)[hours % 24]
    # Hour 0 is a Thursday's (1970-01-01): Monday is 0.
    weekday = (hours // 24 + 3) % 7
    rest, sunday = ((weekday >= 5) | _holiday(hours // 24))[:, None], (weekday == 6)[:, None]
    parts = [clock, clock * rest, clock * sunday, np.eye(7)[weekday]]
    return np.asarray(np.concatenate(parts, axis=1) * day[hours % 24][:, None])


def _holiday(days: Hours) -> NDArray[np.bool_]:
    """Whether each of these days since 1970 is a public holiday of Japan."""
    years = np.unique(days.astype("datetime64[D]").astype("datetime64[Y]")).astype(np.int64) + 1970
    return np.isin(days, np.concatenate([holidays_of(year) for year in years.tolist()]))


def _with_trend(kinds: Floats, hours: Hours, end: int, grows: Floats) -> Floats:
    """[n, 80]: a last column by which the use `grows` [n] in proportion to itself, a share a day, around `end`."""
    return np.column_stack([kinds, (hours - end) / 24 * grows])


def _priors() -> Floats:
    counts = (24, 24, 24, 7, 1)
    return np.repeat([_PRIOR_COMMON, _PRIOR_REST_DAY, _PRIOR_SUNDAY, _PRIOR_WEEKDAY, _PRIOR_TREND_DAY], counts)


def _noise(residual: Floats, clock: Hours, day: Floats, freedom: float) -> Floats:
    """Standard deviation by hour of day: its own and its neighbours', drawn towards the day's common share."""
    relative = np.abs(residual) / day[clock]
    typical = max(_MAD * float(np.median(relative)), 1e-3)
    sigma = np.empty(24)
    for h in range(24):
        near = np.minimum((clock - h) % 24, (h - clock) % 24) <= 1
        own = _MAD * float(np.median(relative[near])) if near.any() else typical
        count = int(near.sum())
        sigma[h] = day[h] * np.sqrt((count * max(own, 1e-3) ** 2 + _DRAWN * typical**2) / (count + _DRAWN))
    return np.asarray(sigma / np.sqrt(freedom))


def _persistence(hours: Hours, z: Floats) -> float:
    """Correlation of neighbouring hours' residuals, drawn towards none."""
    neighbours = np.diff(hours) == 1
    z = np.clip(z, -3, 3)
    together = float(np.sum(z[1:][neighbours] * z[:-1][neighbours]))
    return float(np.clip(together / (float(np.sum(z**2)) + 50), 0.0, 0.9))


def _day_level(hours: Hours, residual: Floats, sigma: Floats, level: Floats) -> float:
    """How the whole day's level varies beyond what the hours' noise makes of it (method of moments)."""
    days = np.unique(hours // 24)
    beyond = []
    for one in days.tolist():
        rows = hours // 24 == one
        information = float(np.sum((level[rows] / sigma[rows]) ** 2))
        mean = float(np.sum(level[rows] * residual[rows] / sigma[rows] ** 2)) / information
        beyond.append(min(mean**2, 9 / information) - 1 / information)
    return float(np.sqrt(max(float(np.mean(beyond)), 0.0) + _DAY_LEVEL**2))
