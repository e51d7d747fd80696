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
# How much of a rest day a public holiday on a working day is, before any was seen: mean and deviation (our choice).
_HOLIDAY, _HOLIDAY_SPREAD = 0.8, 0.4
# Two weeks' residuals of the same hour of the week must go together so surely before each such hour has its own usual.
_WEEK_Z = 2.5
# The level's own unrest from day to day: at least so much, and a random walk (our choice).
_DAY_LEVEL, _WALK = 0.002, 0.002
_MAD = 1.4826
_WINSORISED = 0.9776  # mean of min(x^2, 2.5^2) of normal x
_LEAST_SHARE = 0.2  # of the typical flow: what an hour counts for at least, where priors are shares of it
_HUBER = 2.0
_DRAWN = 10  # residuals that the common share of noise counts for beside an hour's own
_CLIP = 4.0
_ROUNDS = 6
# First and last column of rest days, Sundays and weekdays, and the deviation that is thought possible of each.
_KINDS = ((24, 48, 0.05, 0.5), (48, 72, 0.015, 0.3), (72, 79, 0.007, 0.3))
_LIKELY_SIZE = 0.15  # of the typical flow: deviation of what a leak may be, before anything has come (our choice)
_WEEK = 79  # the first column of the hours of the week, where they have any
_FAR_H = 8  # hours of a day so far apart share nothing but its level
_PAIRS = 20  # neighbours that no persistence counts for
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
    """Fitted to hours before `end`. Everything but `scale` is in units of it; `day` [24] is the common day.

    `holiday`: how much of a rest day a holiday is; `weekly`: whether each hour of the week has its own usual.
    """

    scale: float
    day: Floats
    weights: Floats
    spread: Floats
    sigma: Floats
    phi: float
    day_level: float
    end: int
    holiday: float = _HOLIDAY
    weekly: bool = False

    def expected(self, hours: Hours) -> Floats:
        """[n] usual flow, in the flow's unit."""
        return self.scale * (self.design(hours) @ self.weights)

    def deviation(self, hours: Hours) -> Floats:
        """[n] standard deviation of the flow from `expected`, in the flow's unit."""
        design, since = self.design(hours), np.maximum(hours - self.end, 0) / 24
        unlearned = np.einsum("ij,jk,ik->i", design, self.spread, design)
        unrest = self.day[hours % 24] ** 2 * (self.day_level**2 + _WALK**2 * since) + self._of_rest(hours) ** 2
        return np.asarray(self.scale * np.sqrt(self.sigma[hours % 24] ** 2 + unlearned + unrest))

    def design(self, hours: Hours) -> Floats:
        """[n, columns] whose product with the weights is what is expected."""
        kinds = _kinds(hours, self.day, _rest(hours, self.holiday), weekly=self.weekly)
        return _with_trend(kinds, hours, self.end, kinds @ self.weights[:-1])

    def _of_rest(self, hours: Hours) -> Floats:
        """[n] deviation of what is expected, since a holiday may be more or less of a rest day; 0 on other days."""
        clock = hours % 24
        return np.asarray(_HOLIDAY_SPREAD * _holidays(hours) * self.day[clock] * self.weights[24 + clock])

    def apart(self, hours: Hours, others: Hours) -> Floats:
        """[n, m] covariance of the residuals, in units of `scale`, but for what was not learned: noise, unrest."""
        level, other_level = self.day[hours % 24][:, None], self.day[others % 24]
        apart = np.abs(hours[:, None] - others)
        persists = (self.phi ** np.arange(int(apart.max(initial=0)) + 1))[apart]
        noise = self.sigma[hours % 24][:, None] * self.sigma[others % 24] * persists
        since, other_since = np.maximum(hours - self.end, 0)[:, None] / 24, np.maximum(others - self.end, 0) / 24
        same = hours[:, None] // 24 == others // 24
        unrest = self.day_level**2 * same + _WALK**2 * np.minimum(since, other_since)
        rest = self._of_rest(hours)[:, None] * self._of_rest(others) * same
        return np.asarray(noise + level * other_level * unrest + rest)


class Evidence:
    """For a step at each hour so far, and for a rise that has grown since each midnight; brought up to date by hours.

    The residuals are freed of their correlation by the inverse Cholesky root of their covariance, row by row. An hour
    then adds its square and its product to the sums of each possible beginning (generalised least squares).
    """

    def __init__(self, usual: Usual) -> None:
        self.usual, self.hours = usual, np.empty(0, np.int64)
        self._design = np.empty((0, len(usual.weights)))
        self._root = np.empty((0, 0))  # the inverse of the covariance's lower Cholesky root
        self._residuals = np.empty((0, 2))  # as they are, and clipped
        self._sums = np.empty((2, 3, 0))  # of steps and of ramps: squares, products, clipped products

    def add(self, hours: Hours, flow: Floats) -> None:
        """Hours later than all before; none is no trouble."""
        if not len(hours):
            return
        usual, before, root = self.usual, self.hours, self._root
        design = usual.design(hours)
        learned = design @ usual.spread
        own = usual.apart(hours, hours) + learned @ design.T
        across = (usual.apart(hours, before) + learned @ self._design.T) @ root.T
        inverse = np.linalg.inv(np.linalg.cholesky(own - across @ across.T))
        rows = np.concatenate([-inverse @ across @ root, inverse], axis=1)
        residual, reach = flow / usual.scale - design @ usual.weights, _CLIP * np.sqrt(np.diag(own))
        both = np.stack([residual, np.clip(residual, -reach, reach)], axis=1)
        self._residuals = np.concatenate([self._residuals, both])
        self.hours, self._design = np.concatenate([before, hours]), np.concatenate([self._design, design])
        self._root = np.concatenate([np.pad(root, ((0, 0), (0, len(hours)))), rows])
        self._sums = np.pad(self._sums, ((0, 0), (0, 0), (0, len(hours))))
        told = (rows @ self._residuals).T
        midnights = np.flatnonzero(self.hours % 24 == 0)
        steps = np.cumsum(rows[:, ::-1], axis=1)[:, ::-1]
        ramps = rows @ np.maximum(self.hours[:, None] - self.hours[midnights], 0)
        self._sums[0] += np.concatenate([(steps**2).sum(axis=0)[None], told @ steps])
        self._sums[1][:, midnights] += np.concatenate([(ramps**2).sum(axis=0)[None], told @ ramps])

    def step(self, starts: Hours) -> Step:
        """The likeliest step among those that began at `starts` (hours that were added) and last."""
        return self._likeliest(0, starts, np.ones(len(starts)))

    def ramp(self, starts: Hours) -> Step:
        """The likeliest even rise since one of `starts` (midnights); its size is what it has grown to."""
        return self._likeliest(1, starts, np.maximum(self.hours[-1] - starts, 1).astype(np.float64))

    def size(self, starts: Hours) -> Step:
        """The step in the mean over all `starts`, each as likely as what has come since makes it.

        A size is the less likely the larger it is (normal around 0): short evidence does not tell of a huge leak.
        """
        squares, products, clipped = self._sums[0][:, np.searchsorted(self.hours, starts)]
        squares = np.maximum(squares, 1e-12)
        z, surer = clipped / np.sqrt(squares), squares + 1 / _LIKELY_SIZE**2
        gain = z**2 * squares / surer / 2 - np.log(surer) / 2
        likely = np.exp(gain - gain.max()) * (z > 0)
        likely /= max(float(likely.sum()), 1e-300)
        each, scale = products / surer, self.usual.scale
        size = float(likely @ each)
        error = float(np.sqrt(likely @ (1 / surer + (each - size) ** 2)))
        return Step(int(starts[np.argmax(likely)]), scale * size, scale * error, float(z.max()))

    def proportion(self, since: int) -> float:
        """Logarithm of how much better a rise in proportion to the use explains what came since than a constant one."""
        later = (self.hours >= since).astype(np.float64)
        told = []
        for shape in (later * (self._design @ self.usual.weights), later):
            freed = self._root @ shape
            told.append(max(float(freed @ (self._root @ self._residuals[:, 0])), 0.0) ** 2 / float(freed @ freed))
        return (told[0] - told[1]) / 2

    def _likeliest(self, kind: int, starts: Hours, grown: Floats) -> Step:
        squares, products, clipped = self._sums[kind][:, np.searchsorted(self.hours, starts)]
        squares = np.maximum(squares, 1e-12)
        z = clipped / np.sqrt(squares)
        best, scale = int(np.argmax(z)), self.usual.scale
        size, error = products / squares * grown * scale, grown / np.sqrt(squares) * scale
        return Step(int(starts[best]), float(size[best]), float(error[best]), float(z[best]))


def candidates(hours: Hours, least_h: int) -> Hours:
    """Hours at which a step may have begun: each of the last three days, every sixth before; `least_h` hours ago."""
    last = hours[-1]
    fit = (last - hours >= least_h - 1) & ((last - hours < _RECENT_H) | (hours % _COARSE_H == 0))
    return np.asarray(hours[fit])


def fit(hours: Hours, flow: Floats, end: int) -> Usual:
    """Learn from hourly means without gaps marked NaN: at least a few days of them."""
    usual, residual = _fit(hours, flow, end, weekly=0.0)
    own = _weekly(hours, residual / usual.sigma[hours % 24])
    if own > 0:
        share = float(np.median(usual.sigma / usual.day))
        usual, _ = _fit(hours, flow, end, weekly=np.sqrt(own) * share)
    return usual


def _fit(hours: Hours, flow: Floats, end: int, *, weekly: float) -> tuple[Usual, Floats]:
    """And the residuals, in units of the scale. `weekly`: deviation of an hour of the week from the common pattern."""
    scale = max(float(np.median(np.abs(flow))), 1e-9)
    values = flow / scale
    clock = hours % 24
    overall = float(np.median(values))
    day = np.array([np.median(values[clock == h]) if (clock == h).any() else overall for h in range(24)])
    day = np.maximum(np.abs(day), _LEAST_SHARE)
    rest, holiday = _rest(hours, _HOLIDAY), _HOLIDAY
    days, at = np.unique(hours // 24, return_inverse=True)
    own_level = np.eye(len(days))[at] * day[clock][:, None]  # of each day, beside the weekday's
    priors = _priors(weekly)
    share = max(_MAD * float(np.median(np.abs(values / day[clock] - np.median(values / day[clock])))), 1e-3)
    sigma, phi, level = share * day, 0.0, _DAY_LEVEL
    grows = day[clock]  # the use that the trend multiplies: the common day at first, then what was fitted
    trust = np.ones(len(values))
    for _ in range(_ROUNDS):
        kinds = _kinds(hours, day, rest, weekly=weekly > 0)
        design = _with_trend(kinds, hours, end, grows)
        wide = sigma[clock] / np.sqrt(trust)
        whole = np.concatenate([design, own_level], axis=1)
        freed = _freed(np.column_stack([whole, values]), hours, wide, phi)
        known = freed[:, :-1]
        precision = 1 / np.concatenate([priors, np.full(len(days), level)]) ** 2
        inverse = np.asarray(np.linalg.inv(known.T @ known + np.diag(precision)), np.float64)
        fitted = inverse @ (known.T @ freed[:, -1])
        weights, spread = fitted[: len(priors)], inverse[: len(priors), : len(priors)]
        residual, within = values - design @ weights, values - whole @ fitted
        unsure = np.einsum("ij,ij->i", whole @ inverse, whole) / sigma[clock] ** 2
        sigma = _noise(within / np.sqrt(np.maximum(1 - unsure, 0.25)), clock, day)
        shown = (design / sigma[clock][:, None], spread)
        phi, level = _correlation(at, residual / sigma[clock], shown, day[clock] / sigma[clock], level)
        for start, stop, least, most in _KINDS:  # how far such days differ at all follows from how far they do
            differ = float(np.mean(weights[start:stop] ** 2 + np.diag(spread)[start:stop]))
            priors[start:stop] = np.clip(np.sqrt(differ), least, most)
        if weekly > 0:  # which hours of the week have their own usual, and how far, follows from them
            own = slice(_WEEK, _WEEK + 168)
            priors[own] = np.sqrt(np.maximum(weights[own] ** 2 + np.diag(spread)[own], weekly**2))
        rest, holiday = _rested(hours, residual, rest, day[clock] * weights[24 + clock], sigma[clock])
        grows = kinds @ weights[:-1]
        trust = np.minimum(1.0, _HUBER / np.maximum(np.abs(within) / sigma[clock], 1e-9))
    return Usual(scale, day, weights, spread, sigma, phi, level, end, holiday, weekly > 0), residual


def _freed(columns: Floats, hours: Hours, sigma: Floats, phi: float) -> Floats:
    """Columns [n, k] freed of noise of these deviations that persists from one hour to the next: now white, of 1."""
    own = columns / sigma[:, None]
    follows = np.concatenate([[False], np.diff(hours) == 1])
    freed = own.copy()
    freed[follows] = (own[1:] - phi * own[:-1])[follows[1:]] / np.sqrt(1 - phi**2)
    return np.asarray(freed)


def _correlation(
    day: Hours, z: Floats, learned: tuple[Floats, Floats], share: Floats, level: float
) -> tuple[float, float]:
    """How much of an hour's noise persists to the next, and the level's deviation from day to day.

    By moments of pairs of hours of the same day, what the fit took from them added back (expectation-maximisation):
    far apart only the level goes together, in proportion to each hour's `share` of it. `z`: residuals in deviations;
    `level`: as thought so far.
    """
    reach = 3 * np.sqrt(1 + (level * share) ** 2)
    z, (design, spread) = np.clip(z, -reach, reach), learned
    far, far_all, near, near_all = 0.0, 1.0, 0.0, 0.0
    pairs = []
    for rows in np.split(np.arange(len(day)), np.flatnonzero(np.diff(day)) + 1):
        both = np.outer(z[rows], z[rows]) + design[rows] @ spread @ design[rows].T
        shares = np.outer(share[rows], share[rows])
        apart = np.abs(rows[:, None] - rows)
        far += float(np.sum((both * shares)[apart >= _FAR_H]))
        far_all += float(np.sum((shares**2)[apart >= _FAR_H]))
        pairs.append((both, shares, apart))
    variance = max(far / far_all, _DAY_LEVEL**2)
    for both, shares, apart in pairs:
        beyond = both - variance * shares
        near += float(np.sum(beyond[apart == 1])) / 2
        near_all += float(np.sum(beyond[apart == 0]))
    return float(np.clip(near / (near_all + _PAIRS), 0.0, 0.9)), float(np.sqrt(variance))


def _kinds(hours: Hours, day: Floats, rest: Floats, *, weekly: bool) -> Floats:
    """[n, 79 or 247] of hour and kind of day, and of hour of week, each column in shares of the hour's common flow."""
    clock = np.eye(24)[hours % 24]
    weekday = _weekday(hours)
    sunday = (weekday == 6)[:, None]
    parts = [clock, clock * rest[:, None], clock * sunday, np.eye(7)[weekday]]
    if weekly:
        parts.append(np.eye(168)[hours % 168])
    return np.asarray(np.concatenate(parts, axis=1) * day[hours % 24][:, None])


def _weekday(hours: Hours) -> Hours:
    """Hour 0 is a Thursday's (1970-01-01): Monday is 0."""
    return (hours // 24 + 3) % 7


def _rest(hours: Hours, holiday: float) -> Floats:
    """[n] how much of a rest day each hour's day is."""
    return np.where(_weekday(hours) >= 5, 1.0, holiday * _holidays(hours))


def _holidays(hours: Hours) -> NDArray[np.bool_]:
    """Whether each of these hours is of a public holiday of Japan on a working day."""
    days = hours // 24
    years = np.unique(days.astype("datetime64[D]").astype("datetime64[Y]")).astype(np.int64) + 1970
    listed = np.concatenate([np.empty(0, np.int64), *(holidays_of(year) for year in years.tolist())])
    return (_weekday(hours) < 5) & np.isin(days, listed)


def _rested(hours: Hours, residual: Floats, rest: Floats, of_rest: Floats, sigma: Floats) -> tuple[Floats, float]:
    """How much of a rest day each holiday was, by its own hours, and what the next is therefore expected to be."""
    holidays, rest, shares = _holidays(hours), rest.copy(), [_HOLIDAY]
    for one in np.unique(hours[holidays] // 24).tolist():
        rows = holidays & (hours // 24 == one)
        told = float(np.sum(of_rest[rows] * (residual[rows] + rest[rows] * of_rest[rows]) / sigma[rows] ** 2))
        precision = float(np.sum((of_rest[rows] / sigma[rows]) ** 2))
        share = (told + _HOLIDAY / _HOLIDAY_SPREAD**2) / (precision + 1 / _HOLIDAY_SPREAD**2)
        rest[rows] = np.clip(share, 0.0, 1.2)
        shares.append(float(np.clip(share, 0.0, 1.2)))
    return rest, float(np.mean(shares))


def _weekly(hours: Hours, z: Floats) -> float:
    """Variance that residuals of the same hour of the week share, in units of their own; 0 where it is not sure.

    Three hours together, since a pattern's difference lasts; against what white noise would show.
    """
    at = hours - hours[0]
    rows = np.full(int(at[-1]) + 3, np.nan)
    rows[at] = np.clip(z, -6, 6)
    near = (rows[:-2] + rows[1:-1] + rows[2:]) / np.sqrt(3)
    pairs = near[168:] * near[:-168]
    known = np.isfinite(pairs)
    if known.sum() < 100:
        return 0.0
    together = float(np.mean(pairs[known]))
    return together / 3 if together > _WEEK_Z * np.sqrt(19 / 9 / known.sum()) else 0.0


def _with_trend(kinds: Floats, hours: Hours, end: int, grows: Floats) -> Floats:
    """A last column by which the use `grows` [n] in proportion to itself, a share a day, around `end`."""
    return np.column_stack([kinds, (hours - end) / 24 * grows])


def _priors(weekly: float) -> Floats:
    counts = (24, 24, 24, 7, 168 if weekly > 0 else 0, 1)
    deviations = [_PRIOR_COMMON, _PRIOR_REST_DAY, _PRIOR_SUNDAY, _PRIOR_WEEKDAY, max(weekly, 1e-3), _PRIOR_TREND_DAY]
    return np.repeat(deviations, counts)


def _noise(residual: Floats, clock: Hours, day: Floats) -> Floats:
    """Standard deviation by hour of day: its own and its neighbours', drawn towards the day's common share."""
    relative = np.abs(residual) / day[clock]
    typical = _deviation(relative)
    sigma = np.empty(24)
    for h in range(24):
        near = np.minimum((clock - h) % 24, (h - clock) % 24) <= 1
        own, count = _deviation(relative[near]) if near.any() else typical, int(near.sum())
        sigma[h] = day[h] * np.sqrt((count * own**2 + _DRAWN * typical**2) / (count + _DRAWN))
    return sigma


def _deviation(sizes: Floats) -> float:
    """Standard deviation of residuals of these sizes, those beyond 2.5 of it counted as 2.5: it wastes few of them."""
    most = 2.5 * max(_MAD * float(np.median(sizes)), 1e-3)
    return max(float(np.sqrt(np.mean(np.minimum(sizes, most) ** 2) / _WINSORISED)), 1e-3)
