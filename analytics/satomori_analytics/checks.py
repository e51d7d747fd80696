"""The QARTOD checks that need neighbours, in event time: spike, rate of change, flat line, gap, attenuated signal.

Names and flags are QARTOD's (IOOS Manual for Real-Time Quality Control, as in ioos_qc): 1 good, 2 not evaluated,
3 suspect, 4 fail, 9 missing. Pure and vectorised; times are µs, strictly increasing, at any spacing. NaN is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from satomori_core.vocabulary import Quality

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Flags = NDArray[np.int8]

_HOUR_S = 3600
# WMO-No. 305 (1993) VI.21: how far a value may be from the one 1, 2, 3, 6 and 12 hours before.
WMO_HOURS = (1, 2, 3, 6, 12)
WMO_STEPS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "air_temperature": (4, 7, 9, 15, 25),
        "dew_point": (4, 6, 8, 12, 20),
        "air_pressure_hpa": (3, 6, 9, 18, 36),
    }
)


@dataclass(frozen=True, slots=True)
class Spike:
    """Against both neighbours, in the metric's unit. `suspect` < `fail`."""

    suspect: float
    fail: float


@dataclass(frozen=True, slots=True)
class Flat:
    """No value further than `tolerance` from the others for so long."""

    suspect_s: float
    fail_s: float
    tolerance: float = 1e-6


# Playbooks state rates an hour, meant for values some minutes apart (our choice, not from a source).
RATE_LEAST_S = 600.0


@dataclass(frozen=True, slots=True)
class Checks:
    """What one metric is checked for; what is None is not. `rate_per_s`: in the metric's unit a second.

    `wmo_step` names a row of WMO_STEPS. `gap_factor`: after a pause of so many intervals, neighbours tell nothing.
    `quiet`: a value that may stand for ever without being stuck (no rain, pump off).
    """

    spike: Spike | None = None
    rate_per_s: float | None = None
    flat: Flat | None = None
    wmo_step: str | None = None
    gap_factor: float = 5.0
    quiet: float | None = None


def run_checks(at_us: Times, values: Floats, checks: Checks, interval_s: float) -> Flags:
    """The worst flag of all checks for each observation; 2 where none could judge it."""
    known = np.isfinite(values)
    times, present = at_us[known], values[known]
    tests = []
    calm = present
    if checks.spike is not None:
        spikes = spike(present, checks.spike.suspect, checks.spike.fail, method="differential")
        tests.append(spikes)
        # A spike's way back must not be held against the value after it.
        calm = np.where(spikes == Quality.FAIL, np.nan, present)
    if checks.rate_per_s is not None:
        tests.append(_unless_missing(rate_of_change(times, calm, checks.rate_per_s, RATE_LEAST_S)))
    if checks.wmo_step is not None:
        tests.append(_unless_missing(step_limit(times, calm, WMO_STEPS[checks.wmo_step])))
    after_gap = gap(times, checks.gap_factor, interval_s) == Quality.UNKNOWN
    alone = after_gap | np.append(after_gap[1:], False)
    for flags in tests:
        flags[alone] = Quality.UNKNOWN
    if checks.flat is not None:
        flat = flat_line(times, present, checks.flat)
        if checks.quiet is not None:
            flat[np.abs(present - checks.quiet) <= checks.flat.tolerance] = Quality.GOOD
        tests.append(flat)
    result = np.full(len(values), Quality.MISSING, np.int8)
    result[known] = worst(tests, len(present))
    return result


def worst(tests: Sequence[Flags], count: int) -> Flags:
    """The worst of several checks; a check that could not judge (2) gives way to one that could, as in ioos_qc."""
    if not tests:
        return np.full(count, Quality.UNKNOWN, np.int8)
    rank = np.max([np.where(flags == Quality.UNKNOWN, 0, flags) for flags in tests], axis=0)
    return np.where(rank == 0, Quality.UNKNOWN, rank).astype(np.int8)


def gross_range(
    values: Floats, fail_span: tuple[float, float], suspect_span: tuple[float, float] | None = None
) -> Flags:
    """Outside `fail_span` fail, outside `suspect_span` suspect; the ends belong inside."""
    flags = np.full(len(values), Quality.GOOD, np.int8)
    if suspect_span is not None:
        flags[(values < suspect_span[0]) | (values > suspect_span[1])] = Quality.SUSPECT
    flags[(values < fail_span[0]) | (values > fail_span[1])] = Quality.FAIL
    return _missing(flags, values)


def spike(values: Floats, suspect: float, fail: float, method: str = "average") -> Flags:
    """A value far from both neighbours. The ends and the neighbours of what is missing can't be judged.

    `average`: distance from the neighbours' mean, which blames the neighbours too. `differential`: the smaller of
    the two steps, where they go opposite ways, which does not.
    """
    flags = np.full(len(values), Quality.UNKNOWN, np.int8)
    if len(values) >= 3:
        before, here, after = values[:-2], values[1:-1], values[2:]
        if method == "average":
            height = np.abs(here - (before + after) / 2)
        else:
            up, down = here - before, here - after
            height = np.where(np.isnan(up + down), np.nan, np.where(up * down > 0, np.fmin(abs(up), abs(down)), 0.0))
        inner = np.where(height > fail, Quality.FAIL, np.where(height > suspect, Quality.SUSPECT, Quality.GOOD))
        flags[1:-1] = np.where(np.isnan(height), Quality.UNKNOWN, inner)
    return _missing(flags, values)


def rate_of_change(at_us: Times, values: Floats, threshold_per_s: float, least_s: float = 0.0) -> Flags:
    """Suspect where the change from the value before is faster than `threshold_per_s`.

    Neighbours closer than `least_s` are judged as if so far apart: between two values a few seconds apart, one step
    of a sensor's resolution would else be a fast change.
    """
    flags = np.full(len(values), Quality.GOOD, np.int8)
    known = np.flatnonzero(np.isfinite(values))
    apart_s = np.maximum(np.diff(at_us[known]) / 1e6, least_s)
    flags[known[1:][np.abs(np.diff(values[known])) > threshold_per_s * apart_s]] = Quality.SUSPECT
    return _missing(flags, values)


def step_limit(at_us: Times, values: Floats, limits: Sequence[float], hours: Sequence[float] = WMO_HOURS) -> Flags:
    """Suspect where a value is further than limits[k] from the oldest one of the past hours[k]."""
    flags = np.full(len(values), Quality.GOOD, np.int8)
    known = np.flatnonzero(np.isfinite(values))
    time, present = at_us[known], values[known]
    for limit, span in zip(limits, hours, strict=True):
        oldest = np.searchsorted(time, time - int(span * _HOUR_S * 1e6), side="left")
        flags[known[np.abs(present - present[oldest]) > limit]] = Quality.SUSPECT
    return _missing(flags, values)


def flat_line(at_us: Times, values: Floats, flat: Flat) -> Flags:
    """Suspect and fail where all values of the past `…_s` lie within `tolerance`.

    A value stands for the interval until its successor, as ioos_qc counts; three values are the least.
    """
    flags = np.full(len(values), Quality.GOOD, np.int8)
    known = np.flatnonzero(np.isfinite(values))
    time, present = at_us[known], values[known]
    if len(present) >= 3:
        step = np.diff(time, prepend=time[0])
        step = np.minimum(step, np.append(step[:1], step[:-1]))
        for duration_s, flag in ((flat.suspect_s, Quality.SUSPECT), (flat.fail_s, Quality.FAIL)):
            first = np.searchsorted(time, time + step - int(duration_s * 1e6), side="left") - 1
            covered = (first >= 0) & (first <= np.arange(len(time)) - 2)
            spread = _spread(present, np.maximum(first, 0))
            flags[known[covered & (spread < flat.tolerance)]] = flag
    return _missing(flags, values)


def gap(at_us: Times, factor: float, interval_s: float) -> Flags:
    """2 (neighbours tell nothing) for the first observation after a pause, else 1.

    A pause is longer than `factor` times the interval, or than the step before it: a series that was recorded more
    slowly in the past has no pauses for that.
    """
    step_s = np.diff(at_us, prepend=at_us[:1]) / 1e6
    usual_s = np.maximum(np.append(step_s[1:2], step_s[:-1]), interval_s)
    if len(usual_s) > 1:
        usual_s[1] = max(step_s[1], interval_s)
    return np.where(step_s > factor * usual_s, Quality.UNKNOWN, Quality.GOOD).astype(np.int8)


def attenuated(
    at_us: Times, values: Floats, suspect: float, fail: float, *, period_s: float | None = None, min_obs: int = 1
) -> Flags:
    """Suspect and fail where the range of the past `period_s` (None: of the whole series) is below the limits."""
    if period_s is None:
        judged = np.isfinite(values)
        spread = np.full(len(values), np.ptp(values[judged]) if judged.any() else np.nan)
    else:
        first = np.searchsorted(at_us, at_us - int(period_s * 1e6), side="right")
        spread = _spread(values, first)
        judged = np.arange(len(values)) - first + 1 >= min_obs
    flags = np.where(spread < fail, Quality.FAIL, np.where(spread < suspect, Quality.SUSPECT, Quality.GOOD))
    return _missing(np.where(judged, flags, Quality.UNKNOWN).astype(np.int8), values)


def _spread(values: Floats, first: NDArray[np.intp]) -> Floats:
    """Max - min of values[first[i]..i] for each i, by a sparse table: log n passes, whatever the windows."""
    count = np.arange(len(values)) - first + 1
    level = np.floor(np.log2(np.maximum(count, 1))).astype(int)
    high, low = values.copy(), values.copy()
    top, bottom = np.empty(len(values)), np.empty(len(values))
    for k in range(int(level.max(initial=0)) + 1):
        if k:
            half = 1 << (k - 1)
            high[half:], low[half:] = np.fmax(high[half:], high[:-half]), np.fmin(low[half:], low[:-half])
        here = np.flatnonzero(level == k)
        left = first[here] + (1 << k) - 1
        top[here], bottom[here] = np.fmax(high[here], high[left]), np.fmin(low[here], low[left])
    return top - bottom


def _unless_missing(flags: Flags) -> Flags:
    """What was left out of a check was not judged by it."""
    flags[flags == Quality.MISSING] = Quality.UNKNOWN
    return flags


def _missing(flags: Flags, values: Floats) -> Flags:
    flags[~np.isfinite(values)] = Quality.MISSING
    return flags
