"""Over time, at irregular times and causally: running means and sums, rates, the soil water index."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.base import Floats, Indicator, array

HOUR_S = 3600.0


def _seconds(at_us: ArrayLike) -> Floats:
    return array(np.asarray(at_us, dtype=np.int64)) / 1e6


def _prefix(values: Floats) -> tuple[Floats, Floats]:
    """Running sums and counts of the finite values, led by 0."""
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    return total, np.concatenate([[0.0], np.cumsum(known)])


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
    at_us: ArrayLike, rain_mm: ArrayLike, initial_mm: tuple[float, float, float] = (0, 0, 0)
) -> Floats:
    """土壌雨量指数: three tanks in series, explicit, one step per observation; its value depends on the step.

    `rain_mm` fell in the interval that ends at its time; the first interval is taken as long as the second.
    """
    time, rain = _seconds(at_us), np.nan_to_num(array(rain_mm))
    hours = np.diff(time, prepend=time[:1]) / HOUR_S
    if len(hours) > 1:
        hours[0] = hours[1]
    s1, s2, s3 = (float(s) for s in initial_mm)
    result = np.empty(len(time))
    for i, (dt, fallen) in enumerate(zip(hours.tolist(), rain.tolist(), strict=True)):
        # A long silence is stepped over hour by hour: one explicit step of many hours would overshoot.
        steps = max(int(np.ceil(dt)), 1)
        for step in range(steps):
            h = dt / steps
            q1 = 0.1 * max(s1 - 15, 0) + 0.15 * max(s1 - 60, 0)
            q2, q3 = 0.05 * max(s2 - 15, 0), 0.01 * max(s3 - 15, 0)
            down1, down2, down3 = 0.12 * s1, 0.05 * s2, 0.01 * s3
            s1 += (fallen if step == steps - 1 else 0.0) - (q1 + down1) * h
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
              {"at_us": "us, list", "rain_mm": "mm, list", "initial_mm": "mm, three"},
              "JMA 土壌雨量指数: L 15,60,15,15; a .1,.15,.05,.01; b .12,.05,.01 per hour (public code)",
              "X",
              "土壌雨量指数", "Soil water index", over_time=True),
)  # fmt: skip
