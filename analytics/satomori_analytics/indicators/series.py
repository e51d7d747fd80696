"""Over time, at irregular times and causally: running means and sums, rates, the soil water index."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.base import Bools, Floats, Indicator, array

HOUR_S = 3600.0
SWI_STEPS_MAX = 200_000  # a bound on work: 22 years by the hour


def _seconds(at_us: ArrayLike) -> Floats:
    return array(np.asarray(at_us, dtype=np.int64)) / 1e6


def _prefix(values: Floats) -> tuple[Floats, Floats]:
    """Running sums and counts of the finite values, led by 0."""
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    return total, np.concatenate([[0.0], np.cumsum(known)])


def run_length(holds: Bools) -> Floats:
    """How many times in a row it has held, up to and with each place."""
    place = np.arange(1, len(holds) + 1)
    return array(place - np.maximum.accumulate(np.where(holds, 0, place)))


def rolling_sum(at_us: ArrayLike, values: ArrayLike, window_s: float) -> Floats:
    """Sum over (t - window, t]."""
    time = _seconds(at_us)
    total, _ = _prefix(array(values))
    return array(total[1:] - total[np.searchsorted(time, time - window_s, side="right")])


def rolling_mean(at_us: ArrayLike, values: ArrayLike, window_s: float, covered_s: float = 0.0) -> Floats:
    """Mean over (t - window, t]; none until the series has run for `covered_s`."""
    time = _seconds(at_us)
    total, count = _prefix(array(values))
    first = np.searchsorted(time, time - window_s, side="right")
    number = count[1:] - count[first]
    mean = (total[1:] - total[first]) / np.where(number > 0, number, np.nan)
    return np.where(time - time[:1] >= covered_s, mean, np.nan)


def rate_per_hour(at_us: ArrayLike, values: ArrayLike, window_s: float = HOUR_S) -> Floats:
    """Change per hour from the mean of the half window that began 1.5 windows ago to the mean of the last quarter.

    Means at both ends, so that a noisy sensor does not move by its noise; each stands at the mean of its times.
    """
    time, series = _seconds(at_us), array(values)
    elapsed = time - time[:1]
    total, count = _prefix(series)
    moments, _ = _prefix(np.where(np.isfinite(series), elapsed, np.nan))

    def mean(until: Floats, span: float) -> tuple[Floats, Floats]:
        low = np.searchsorted(time, until - span, side="right")
        high = np.searchsorted(time, until, side="right")
        number = np.where(count[high] > count[low], count[high] - count[low], np.nan)
        return (total[high] - total[low]) / number, (moments[high] - moments[low]) / number

    now, now_s = mean(time, window_s / 4)
    before, before_s = mean(time - window_s, window_s / 2)
    return array((now - before) / (now_s - before_s) * HOUR_S)


def soil_water_index(
    at_us: ArrayLike, rain_mm: ArrayLike, initial_mm: ArrayLike = (0, 0, 0), step_s: float = HOUR_S
) -> Floats:
    """土壌雨量指数 in mm: three tanks in series, explicit. Its value depends on the step, so state it with the value.

    `rain_mm` fell evenly in the interval that ends at its time; the first interval is taken as long as the second.
    Intervals longer than `step_s` are cut into equal steps: an hour by default, 10 minutes as JMA's maps have it; each
    step takes up its rain whole, then lets flow what stood there before. A missing value is no rain.
    """
    time, rain = _seconds(at_us), np.nan_to_num(array(rain_mm))
    start = array(initial_mm)
    if start.shape != (3,) or len(time) != len(rain):
        raise ValueError("initial_mm has three values, and rain_mm one for each of at_us")
    intervals = np.diff(time, prepend=time[:1])
    if len(intervals) > 1:
        intervals[0] = intervals[1]
    counts = np.maximum(np.ceil(intervals / step_s), 1)
    if counts.sum() > SWI_STEPS_MAX:
        raise ValueError(f"at_us: more than {SWI_STEPS_MAX} steps of {step_s:g} s")
    s1, s2, s3 = start.tolist()
    result = np.empty(len(time))
    for i, (span_s, steps, fallen) in enumerate(zip(intervals.tolist(), counts.tolist(), rain.tolist(), strict=True)):
        h = span_s / steps / HOUR_S
        for _ in range(int(steps)):
            q1 = 0.1 * max(s1 - 15, 0) + 0.15 * max(s1 - 60, 0)
            q2, q3 = 0.05 * max(s2 - 15, 0), 0.01 * max(s3 - 15, 0)
            down1, down2, down3 = 0.12 * s1, 0.05 * s2, 0.01 * s3
            s1 += fallen / steps - (q1 + down1) * h
            s2 += (down1 - q2 - down2) * h
            s3 += (down2 - q3 - down3) * h
        result[i] = s1 + s2 + s3
    return result


_TIMED = {"at_us": "us, list", "values": "any, list"}
INDICATORS = (
    Indicator("rolling_sum", rolling_sum, "as given", {**_TIMED, "window_s": "s"}, "definition", "X",
              "移動合計", "Running sum", over_time=True),
    Indicator("rolling_mean", rolling_mean, "as given", {**_TIMED, "window_s": "s", "covered_s": "s"},
              "definition", "X",
              "移動平均", "Running mean", over_time=True),
    Indicator("rate_per_hour", rate_per_hour, "per hour", {**_TIMED, "window_s": "s"}, "definition", "X",
              "1時間あたりの変化", "Change per hour", over_time=True),
    Indicator("soil_water_index", soil_water_index, "mm",
              {"at_us": "us, list", "rain_mm": "mm, list", "initial_mm": "mm, three", "step_s": "s"},
              "JMA 土壌雨量指数: L 15,60,15,15; a .1,.15,.05,.01; b .12,.05,.01 per hour (public code)",
              "X",
              "土壌雨量指数", "Soil water index", over_time=True, ranges={"step_s": (1, 3600)}),
)  # fmt: skip
