"""Sensor or asset? The figures: a series against what else shows the same, and against its own past. Pure and causal.

Columns are datastreams, rows are hours or steps of six hours; NaN is missing. The row of a step is its end, and depends
on nothing later. What a step says rests on the day before it, against reference days before that. Rows that were found
faulty are no reference. Our own choice of methods: pair regressions and a median of witnesses (a voting of redundant
sensors), ranges of an hour for the noise, the phase of the daily wave for the clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from satomori_analytics.detectors.base import Marks
from satomori_analytics.episodes import Floats, Times
from satomori_core.clock import DAY_US, HOUR_US

STEP_H = 6
STEPS_A_DAY = 24 // STEP_H
# The reference: so many days, ending so many days before what is judged, that a slow drift does not teach itself.
REFERENCE_DAYS, GAP_DAYS, LEAST_DAYS = 28, 7, 10
HISTORY_DAYS = REFERENCE_DAYS + GAP_DAYS + 4
_MAD = 1.4826  # standard deviations in a median absolute deviation of normal noise
# Beyond so many robust deviations of the reference; five is common for alarms that must be rare (our choice).
SIGMAS = 5.0
# Below this share of the limit a row still teaches.
_TEACHES = 0.6


@dataclass(frozen=True, slots=True)
class Hours:
    """Aggregates of whole hours: `mean`, and `spread` = max - min within the hour, both [hours, columns].

    `start_us` is the first hour's beginning; hours without values are NaN.
    """

    start_us: int
    mean: Floats
    spread: Floats

    @property
    def steps(self) -> int:
        return len(self.mean) // STEP_H

    @property
    def at_us(self) -> Times:
        """The end of each step."""
        return self.start_us + np.arange(1, self.steps + 1, dtype=np.int64) * (STEP_H * HOUR_US)


@dataclass(frozen=True, slots=True)
class Course:
    """How one judgement went, a value for each step: how far off, beyond which limit, and whether that is an alarm."""

    off: Floats
    limit: Floats
    alarm: Marks

    def since(self, first: int, window_steps: int) -> int:
        """The step at which it may have begun: where it was last less than half off, and the window before that."""
        calm = np.flatnonzero(~(np.abs(self.off[:first]) >= 0.5 * self.limit[:first]))
        return max((int(calm[-1]) + 1 if len(calm) else 0) - window_steps, 0)


def grid(columns: list[tuple[Times, Floats, Floats]], from_us: int, until_us: int) -> Hours:
    """Hourly aggregates (hour's beginning, mean, spread) of several datastreams on one grid of whole steps."""
    step_us = STEP_H * HOUR_US
    start_us = from_us // step_us * step_us
    rows = max((until_us - start_us) // step_us, 0) * STEP_H
    mean, spread = np.full((rows, len(columns)), np.nan), np.full((rows, len(columns)), np.nan)
    for column, (at_us, means, spreads) in enumerate(columns):
        row = (at_us - start_us) // HOUR_US
        inside = (row >= 0) & (row < rows)
        mean[row[inside], column], spread[row[inside], column] = means[inside], spreads[inside]
    # What has stood still for half a day is the flat line test's, and nobody's witness.
    still = (spread <= 0) & (np.diff(mean, axis=0, prepend=np.nan) == 0)
    run = _trailing_sum(still.astype(float), 12)
    frozen = (run >= 12) & still
    return Hours(start_us, np.where(frozen, np.nan, mean), np.where(frozen, np.nan, spread))


def daily(hours: Floats) -> Floats:
    """The mean of the 24 hours before each step's end; NaN where fewer than 16 of them were observed."""
    known = np.isfinite(hours)
    total, count = _trailing_sum(np.where(known, hours, 0.0), 24), _trailing_sum(known.astype(float), 24)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count >= 16, total / count, np.nan)[STEP_H - 1 :: STEP_H]


def _trailing_sum(values: Floats, width: int) -> Floats:
    total = np.cumsum(np.concatenate([np.zeros((1, *values.shape[1:])), values]), axis=0)
    first = np.maximum(np.arange(1, len(values) + 1) - width, 0)
    return np.asarray(total[1:] - total[first])


def divergence(
    own: Floats, witnesses: Floats, *, least: float, alike: Marks, hold_steps: int = 2 * STEPS_A_DAY
) -> Course:
    """How far daily means leave what the witnesses [steps, k] say, each by its own regression on reference days.

    `alike` [k]: those that measure the same quantity, so that their slope is one until shown otherwise. The verdict is
    the witnesses' median, so that a faulty one among three changes nothing; two must agree; one is none.
    """
    count = len(own)
    off, limit = np.full(count, np.nan), np.full(count, np.nan)
    teaches = np.isfinite(own)
    for step in range(count):
        if not np.isfinite(own[step]):
            continue
        rows = _reference(step, teaches)
        if len(rows) < LEAST_DAYS * STEPS_A_DAY:
            continue
        past, said = _from_witnesses(own, witnesses, step, rows, least=least, alike=alike)
        if not np.isfinite(said):
            continue
        known = past[np.isfinite(past)]
        if len(known) < LEAST_DAYS * STEPS_A_DAY // 2:
            continue
        middle = np.median(known)
        sigma = _MAD * float(np.median(np.abs(known - middle)))
        off[step], limit[step] = said - middle, max(least, SIGMAS * sigma)
        teaches[step] = abs(off[step]) < _TEACHES * limit[step]
    return Course(off, limit, held(off, limit, hold_steps))


def _reference(step: int, teaches: Marks) -> NDArray[np.intp]:
    """The newest rows that may teach, before the gap, as far back as there are any: a long fault forgets nothing."""
    last = step - GAP_DAYS * STEPS_A_DAY
    return np.flatnonzero(teaches[: max(last, 0)])[-REFERENCE_DAYS * STEPS_A_DAY :]


def _from_witnesses(
    own: Floats, witnesses: Floats, step: int, rows: NDArray[np.intp], *, least: float, alike: Marks
) -> tuple[Floats, float]:
    """(residuals on the reference rows, the residual now), each by the witnesses' consensus."""
    x, y, now = witnesses[rows], own[rows], witnesses[step]
    heard = np.isfinite(x)
    use = np.isfinite(now) & (heard.sum(axis=0) >= len(rows) // 2)
    if use.sum() < 2:
        return np.empty(0), float("nan")
    x, now, heard, alike = x[:, use], now[use], heard[:, use], alike[use]
    x_mean = np.nanmean(x, axis=0)
    y_mean = (np.where(heard, y[:, None], 0.0)).sum(axis=0) / heard.sum(axis=0)
    dx, dy = np.where(heard, x - x_mean, 0.0), np.where(heard, y[:, None] - y_mean, 0.0)
    # A slope that the reference hardly shows is that of like sensors, 1, or none.
    prior = np.where(alike, len(rows) * (2.0 * least) ** 2, 1e-3 * (dx**2).sum(axis=0) + 1e-12)
    slope = ((dx * dy).sum(axis=0) + np.where(alike, prior, 0.0)) / ((dx**2).sum(axis=0) + prior)
    residual = y[:, None] - y_mean - slope * (x - x_mean)
    here = own[step] - y_mean - slope * (now - x_mean)
    if use.sum() >= 3:
        return _median(residual), float(np.median(here))
    return _agreed(residual), float(_agreed(here[None])[0])


def _agreed(pair: Floats) -> Floats:
    """Of two witnesses the milder, where they say the same side, else nothing is off."""
    milder = np.where(np.abs(pair[:, 0]) <= np.abs(pair[:, 1]), pair[:, 0], pair[:, 1])
    return np.where(np.isnan(pair).any(axis=1), np.nan, np.where(pair[:, 0] * pair[:, 1] > 0, milder, 0.0))


def held(off: Floats, limit: Floats, hold_steps: int) -> Marks:
    """On after `hold_steps` steps beyond the limit on one side, off below half of it; NaN changes nothing."""
    alarm, on, run, side = np.zeros(len(off), bool), False, 0, 0.0
    for step, (value, most) in enumerate(zip(off.tolist(), limit.tolist(), strict=True)):
        if value == value:  # noqa: PLR0124 - not NaN
            beyond = abs(value) >= most
            run = run + 1 if beyond and np.sign(value) == side else int(beyond)
            side = float(np.sign(value)) if beyond else side
            on = run >= hold_steps or (on and abs(value) >= 0.5 * most)
        alarm[step] = on
    return alarm


@dataclass(frozen=True, slots=True)
class Scatter:
    """`wobble`: the typical range within an hour, freed of the trend; `usual`: up to which it went in the past weeks.

    `course`: their ratio less one. `isolated`: at which steps the wide hours are. Noise widens every hour, but where
    three of the past twelve are not half as wide as what alarms, single values jump away and return.
    """

    wobble: Floats
    usual: Floats
    course: Course
    isolated: Marks


def noise(
    hours: Hours, column: int, others: Sequence[int] = (), *, factor: float = 3.0, hold_steps: int = 2
) -> Scatter:  # fmt: skip
    """It alarms where the wobble reaches `factor` times the usual one while the level stays where it was.

    A machine that shakes more, or a larger wave, is another level and no noise.
    """
    hourly, isolated = _ranges(hours, column), np.zeros(hours.steps, bool)
    wobble, level = _wobble(hours, column), daily(hours.mean[:, [column]])[:, 0]
    around = np.stack([_wobble(hours, other) for other in others], axis=1) if len(others) >= 2 else None
    count = hours.steps
    off, limit, most = np.full(count, np.nan), np.full(count, factor - 1.0), np.full(count, np.nan)
    teaches = np.isfinite(wobble) & np.isfinite(level)
    for step in range(count):
        if not (np.isfinite(wobble[step]) and np.isfinite(level[step])):
            continue
        rows = np.flatnonzero(teaches[: max(step - STEPS_A_DAY, 0)])[-REFERENCE_DAYS * STEPS_A_DAY :]
        if len(rows) < LEAST_DAYS * STEPS_A_DAY:
            continue
        usual = float(np.quantile(wobble[rows], 0.9))
        if usual <= 0:  # it never moves within an hour: what it does now has no measure
            continue
        slack = wobble[step] / 3 + 0.5 * (level[rows].max() - level[rows].min())
        moved = level[step] > level[rows].max() + slack or level[step] < level[rows].min() - slack
        if around is not None:  # restless weather is no sensor's fault: that the others wobble more is allowed for
            with np.errstate(invalid="ignore", divide="ignore"):
                times = _median((around[step] / _median(around[rows].T))[None])[0]
            usual *= max(float(np.nan_to_num(times)), 1.0)
        most[step] = usual
        off[step] = 0.0 if moved else max(wobble[step] / usual - 1.0, 0.0)
        end = (step + 1) * STEP_H
        isolated[step] = np.count_nonzero(hourly[end - 12 : end] < factor / 2 * usual) >= 3
        teaches[step] = wobble[step] < (1 + _TEACHES * (factor - 1)) * usual
    return Scatter(wobble, most, Course(off, limit, held(off, limit, hold_steps)), isolated)


def _wobble(hours: Hours, column: int) -> Floats:
    return _trailing_median(_ranges(hours, column))


def _ranges(hours: Hours, column: int) -> Floats:
    """Of each hour, freed of the trend."""
    mean, spread = hours.mean[:, column], hours.spread[:, column]
    before = np.concatenate([[np.nan], mean[:-1]])
    return np.asarray(np.maximum(spread - np.where(np.isfinite(before), np.abs(mean - before), 0.0), 0.0))


def _trailing_median(values: Floats) -> Floats:
    """Of the 24 hours before each step's end; NaN where fewer than 16 are known."""
    padded = np.concatenate([np.full(24 - STEP_H, np.nan), values[: len(values) // STEP_H * STEP_H]])
    if len(padded) < 24:
        return np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 24)[::STEP_H]
    whole = np.isfinite(windows).sum(axis=1) >= 16
    medians = np.full(len(windows), np.nan)
    medians[whole] = _median(windows[whole])
    return medians


def phase_h(hours: Floats, days: int = 3) -> Floats:
    """When the daily wave of each column peaks, in hours of the UTC day, by its first harmonic over the past days.

    NaN where the wave is less than a third of what varies, or a fifth of the hours is missing: no clock to read.
    """
    width = days * 24
    hour = np.arange(len(hours)) % 24
    known = np.isfinite(hours)
    filled = np.where(known, hours, 0.0)
    turn = np.exp(-2j * np.pi * hour / 24)[:, None]
    sums = [_trailing_sum(each, width) for each in (known.astype(float), filled, filled**2)]
    count, total, square = (each[STEP_H - 1 :: STEP_H] for each in sums)
    wave = _complex_sum(filled * turn, width)[STEP_H - 1 :: STEP_H]
    tilt = _complex_sum(known * turn, width)[STEP_H - 1 :: STEP_H]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        first = (wave - mean * tilt) / count  # half of the amplitude, and the phase
        share = 2 * np.abs(first) ** 2 / (square / count - mean**2)
        readable = (count >= 0.8 * width) & (share > 1 / 3)
    return np.where(readable, (-np.angle(first) * 24 / (2 * np.pi)) % 24, np.nan)


def _complex_sum(values: NDArray[np.complex128], width: int) -> NDArray[np.complex128]:
    return np.asarray(_trailing_sum(values.real, width) + 1j * _trailing_sum(values.imag, width))


def wrapped_h(hours: Floats) -> Floats:
    """Hours as -12 to 12."""
    return np.asarray((hours + 12.0) % 24.0 - 12.0)


def clock(
    phases: Floats, witnesses: Sequence[Floats], *, least_h: float = 2.0, hold_steps: int = STEPS_A_DAY
) -> Course:
    """How many hours the daily waves of one device [steps, its columns] have moved, beyond what their witnesses' have.

    `witnesses`: of each column its like [steps, k]. Their median stands for the weather, so that one whose own clock is
    wrong changes nothing; of two the milder, where they moved the same way. Where the device's own waves have moved
    less than that leaves, so much counts: when several witnesses' clocks are wrong, its own still keeps its place. All
    columns that can be read must agree to within an hour and a half: an asset moves its own wave, a clock all of them.
    """
    count = len(phases)
    off, limit = np.full(count, np.nan), np.full(count, np.nan)
    teaches = np.asarray(np.isfinite(phases).any(axis=1))
    for step in range(count):
        if not teaches[step]:
            continue
        rows = _reference(step, teaches)
        if len(rows) < LEAST_DAYS * STEPS_A_DAY:
            continue
        moved, loose = _moved(phases, step, rows)
        readable = np.flatnonzero(np.isfinite(moved))
        if not len(readable):
            continue
        shared = np.array([_shared_h(_moved(witnesses[column], step, rows)[0]) for column in readable.tolist()])
        own, alone = moved[readable], wrapped_h(moved[readable] - shared)
        agree = np.ptp(wrapped_h(alone - alone[0])) <= 1.5
        off[step] = min(_middle_h(own), _middle_h(alone), key=abs) if agree else 0.0
        limit[step] = max(least_h, SIGMAS * float(np.nanmin(loose)))
        teaches[step] = abs(off[step]) < _TEACHES * limit[step]
    # A wave that could not be read for three days says nothing any more: else an alarm would stand until it can be.
    unread = _trailing_sum(np.isnan(off).astype(float), 3 * STEPS_A_DAY) >= 3 * STEPS_A_DAY
    return Course(off, limit, held(np.where(unread, 0.0, off), np.where(unread, least_h, limit), hold_steps))


def _middle_h(hours: Floats) -> float:
    """The median on the clock's face, of hours that lie together there."""
    return float(wrapped_h(np.array([np.median(wrapped_h(hours - hours[0])) + hours[0]]))[0])


def _shared_h(moved: Floats) -> float:
    """How many hours the witnesses have moved together; 0 where fewer than two can be read."""
    known = moved[np.isfinite(moved)]
    if len(known) >= 3:
        return float(np.median(known))
    return float(_agreed(known[None])[0]) if len(known) == 2 else 0.0


def _moved(phases: Floats, step: int, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """(hours that each column's peak is later than in the reference, how loosely it sits there)."""
    past = phases[rows]
    enough = np.isfinite(past).sum(axis=0) >= len(rows) // 2
    moved, loose = np.full(phases.shape[1], np.nan), np.full(phases.shape[1], np.nan)
    if enough.any():
        turn = np.exp(2j * np.pi * past[:, enough] / 24)
        usual = np.angle(np.nansum(turn, axis=0)) * 24 / (2 * np.pi)
        loose[enough] = _MAD * _median(np.abs(wrapped_h(past[:, enough] - usual)).T)
        moved[enough] = np.where(loose[enough] <= 1.0, wrapped_h(phases[step, enough] - usual), np.nan)
    return moved, loose


def swapped(hours: Floats, first: int, second: int, others: list[int], *, hold_steps: int = 2) -> Course:
    """Whether two columns say what the other one should: `off` is by how much better that explains the past day.

    What lies between them, free of all that moves both, has changed its sign, while their mean, freed of how the others
    have moved, stays: a single one that goes wrong, or empties, moves it too. Where that is less than
    four times what each scatters of it, an exchange can't be told, and harms nobody.
    """
    count = len(hours) // STEP_H
    off, limit = np.full(count, np.nan), np.full(count, 5.0)
    apart, pair, around = hours[:, first] - hours[:, second], daily(hours[:, [first, second]]), daily(hours[:, others])
    taught, usual, scatter, before = apart.copy(), np.full(24, np.nan), np.nan, -count
    for step in range(9 * STEPS_A_DAY - 1, count):
        end = (step + 1) * STEP_H
        # A fortnight of whole days, but for the day before this one, which may be half exchanged.
        past = taught[max(end - 48 - 14 * 24, end % 24) : end - 48].reshape(-1, 24)
        known = np.isfinite(past).sum(axis=0)
        if known.min() >= 5:  # else what was usual before a long exchange stands
            usual = np.nansum(past, axis=0) / known
            scatter = float(np.sqrt(np.nanmean((past - usual) ** 2) / 2))
        now = apart[end - 24 : end]
        between = float(np.sqrt(np.mean(usual**2)))
        if np.isfinite(now).sum() < 16 or not np.isfinite(scatter):
            continue
        if not between > 4.0 * scatter:
            off[step] = 0.0  # also where they have become alike since
            continue
        straight, crossed = (float(np.nanmean((now - each) ** 2)) for each in (usual, -usual))
        off[step] = straight / max(crossed, 1e-12 + 0.01 * scatter**2)
        if off[step] <= 1 / limit[step]:  # they are as usual: so was the day before
            before = step - STEPS_A_DAY
        if not off[step - 1] >= limit[step]:
            # An exchange is sharp. One alone would have to move by 0.76 of what lies between them, and their mean by
            # half of that; where the others do not agree either, nobody knows what it should have done.
            sharp = step - before <= 3 * STEPS_A_DAY
            if not (sharp and max(np.abs(_alone(pair, around, before, step))) < between / 3):
                off[step] = min(off[step], 1.0)
        if off[step] >= limit[step]:
            taught[end - 24 : end] = np.nan
    return Course(off, limit, held(off, limit, hold_steps))


def _alone(pair: Floats, others: Floats, before: int, step: int) -> tuple[float, float]:
    """How far the pair's mean has moved since `before`, less the others' median; and how far they scatter about it."""
    moved, around = float(pair[step].mean() - pair[before].mean()), others[step] - others[before]
    heard = around[np.isfinite(around)]
    if len(heard) < 2:
        return moved, 0.0
    middle = float(np.median(heard))
    return moved - middle, float(np.median(np.abs(heard - middle)))


def _median(values: Floats) -> Floats:
    """Of each row's finite values (numpy's nanmedian is ten times slower on so few)."""
    ordered, count = np.sort(values, axis=1), np.isfinite(values).sum(axis=1)
    row, last = np.arange(len(values)), np.maximum(count - 1, 0)
    middle = (ordered[row, last // 2] + ordered[row, (last + 1) // 2]) / 2
    return np.asarray(np.where(count > 0, middle, np.nan))


def battery_days(at_us: Times, volts: Floats, low_v: float) -> Floats:
    """Days until the voltage reaches `low_v`, for each row, by the past fortnight's daily means; inf where it holds.

    The trend counts where it is five times as large as what the days scatter round it (our choice).
    """
    left = np.full(len(volts), np.inf)
    for row in range(len(volts)):
        past = slice(int(np.searchsorted(at_us, at_us[row] - 14 * DAY_US)), row + 1)
        known = np.isfinite(volts[past])
        if not known[-1]:
            left[row] = np.nan
            continue
        t, v = (at_us[past][known] - at_us[row]) / DAY_US, volts[past][known]
        if v[-1] <= low_v:
            left[row] = 0.0
        elif len(v) >= 7 * STEPS_A_DAY:
            slope, level = np.polyfit(t, v, 1)
            scatter = float(np.std(v - level - slope * t))
            if slope < 0 and -slope * (t[-1] - t[0]) > 5 * scatter:
                left[row] = max((level - low_v) / -slope, 0.0)
    return left
