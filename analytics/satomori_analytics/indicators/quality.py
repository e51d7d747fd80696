"""Data quality: QARTOD's tests and WMO's limits, one flag for each value; the checks themselves are `checks`'."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics import checks
from satomori_analytics.checks import Flags, Flat, Times
from satomori_analytics.indicators.base import Floats, Indicator, array
from satomori_core.vocabulary import Quality


def _values(inp: ArrayLike) -> Floats:
    values = np.atleast_1d(array(inp))
    if values.ndim != 1:
        raise ValueError("inp: one list of values")
    return values


def _times(count: int, at_us: ArrayLike | None, step_s: float) -> Times:
    """The times that are given, or so many at equal steps."""
    if at_us is None:
        return (np.arange(count) * round(step_s * 1e6)).astype(np.int64)
    times = np.asarray(at_us, dtype=np.int64)
    if times.shape != (count,) or not np.all(np.diff(times) > 0):
        raise ValueError("at_us: one rising time for each value of inp")
    return times


def _span(span: ArrayLike, name: str) -> tuple[float, float]:
    ends = array(span)
    if ends.shape != (2,) or not ends[0] <= ends[1]:
        raise ValueError(f"{name}: low and high")
    return float(ends[0]), float(ends[1])


def qartod_gross_range(inp: ArrayLike, fail_span: ArrayLike, suspect_span: ArrayLike | None = None) -> Flags:
    """4 outside what the sensor can measure, 3 outside what is likely, else 1; the ends are inside."""
    suspect = None if suspect_span is None else _span(suspect_span, "suspect_span")
    return checks.gross_range(_values(inp), _span(fail_span, "fail_span"), suspect)


def qartod_spike(inp: ArrayLike, suspect: float, fail: float, method: str = "average") -> Flags:
    """3 and 4 where a value stands out from both neighbours by more than the limits; 2 where one of them is missing.

    `average`: from their mean. `differential`: by the smaller of two opposite steps.
    """
    if method not in {"average", "differential"}:
        raise ValueError(f"method {method!r}: average or differential")
    return checks.spike(_values(inp), suspect, fail, method)


def qartod_rate_of_change(
    inp: ArrayLike, threshold_per_s: float, at_us: ArrayLike | None = None, step_s: float = 60.0
) -> Flags:
    """3 where the change from the value before is faster than the threshold, per second."""
    values = _values(inp)
    return checks.rate_of_change(_times(len(values), at_us, step_s), values, threshold_per_s)


def qartod_flat_line(
    inp: ArrayLike,
    suspect_s: float,
    fail_s: float,
    tolerance: float,
    *,
    at_us: ArrayLike | None = None,
    step_s: float = 60.0,
) -> Flags:
    """3 and 4 where no value was further than `tolerance` from the others for so long."""
    values = _values(inp)
    return checks.flat_line(_times(len(values), at_us, step_s), values, Flat(suspect_s, fail_s, tolerance))


def qartod_attenuated_signal(
    inp: ArrayLike,
    suspect: float,
    fail: float,
    *,
    test_period_s: float | None = None,
    min_obs: int = 1,
    at_us: ArrayLike | None = None,
    step_s: float = 60.0,
) -> Flags:
    """3 and 4 where the range of the past period is below the limits; without a period, of the whole series."""
    values = _values(inp)
    times = _times(len(values), at_us, step_s)
    return checks.attenuated(times, values, suspect, fail, period_s=test_period_s, min_obs=min_obs)


def qartod_climatology(
    inp: ArrayLike,
    month: ArrayLike,
    *,
    suspect_low: ArrayLike,
    suspect_high: ArrayLike,
    fail_low: ArrayLike = -np.inf,
    fail_high: ArrayLike = np.inf,
) -> Flags:
    """4 and 3 outside a month's spans, twelve ends each (or one for all); 2 where the month has none (null)."""
    values = _values(inp)
    if np.isnan(array(month)).any():
        raise ValueError("month: one is missing")
    place = np.broadcast_to(np.asarray(month, dtype=np.int64) - 1, values.shape)
    low, high, least, most = (
        np.broadcast_to(array(ends), 12)[place] for ends in (suspect_low, suspect_high, fail_low, fail_high)
    )
    flags = np.select(
        [np.isnan(values), np.isnan(low + high), (values < least) | (values > most), (values < low) | (values > high)],
        [Quality.MISSING, Quality.UNKNOWN, Quality.FAIL, Quality.SUSPECT],
        Quality.GOOD,
    )
    return flags.astype(np.int8)


def qartod_gap(at_us: ArrayLike, interval_s: float, factor: float = 5.0) -> Flags:
    """2 for the first value after a pause of more than `factor` intervals, else 1."""
    times = np.atleast_1d(np.asarray(at_us, dtype=np.int64))
    return checks.gap(times, factor, interval_s)


def wmo_step_limit(variable: str, dt_h: ArrayLike) -> Floats:
    """How far a value may be from the one 1, 2, 3, 6 or 12 hours before, in °C or hPa; none for other spans."""
    if variable not in checks.WMO_STEPS:
        raise ValueError(f"variable {variable!r}: one of {', '.join(checks.WMO_STEPS)}")
    hours = array(dt_h)
    matches = [hours == known for known in checks.WMO_HOURS]
    return array(np.select(matches, checks.WMO_STEPS[variable], np.nan))


_QARTOD = "IOOS QARTOD, flags as ioos_qc 3.0: 1 good, 2 unknown, 3 suspect, 4 fail, 9 missing"
_EVERY = {"at_us": "us, list", "step_s": "s"}
INDICATORS = (
    Indicator("qartod_gross_range", qartod_gross_range, "flag",
              {"inp": "any, list", "fail_span": "as inp, two", "suspect_span": "as inp, two"}, _QARTOD, "C",
              "総範囲検査", "Gross range test"),
    Indicator("qartod_spike", qartod_spike, "flag",
              {"inp": "any, list", "suspect": "as inp", "fail": "as inp", "method": "average or differential"}, _QARTOD,
              "C", "スパイク検査", "Spike test", ranges={"suspect": (0, np.inf), "fail": (0, np.inf)}),
    Indicator("qartod_rate_of_change", qartod_rate_of_change, "flag",
              {"inp": "any, list", "threshold_per_s": "as inp/s", **_EVERY}, _QARTOD, "C", "変化率検査",
              "Rate of change test", ranges={"threshold_per_s": (0, np.inf)}),
    Indicator("qartod_flat_line", qartod_flat_line, "flag",
              {"inp": "any, list", "suspect_s": "s", "fail_s": "s", "tolerance": "as inp", **_EVERY}, _QARTOD, "C",
              "固着検査", "Flat line test", ranges={"tolerance": (0, np.inf)}),
    Indicator("qartod_attenuated_signal", qartod_attenuated_signal, "flag",
              {"inp": "any, list", "suspect": "as inp", "fail": "as inp", "test_period_s": "s", "min_obs": "{count}",
               **_EVERY}, _QARTOD, "C", "減衰検査", "Attenuated signal test"),
    Indicator("qartod_climatology", qartod_climatology, "flag",
              {"inp": "any, list", "month": "1 to 12, list", "suspect_low": "as inp, twelve",
               "suspect_high": "as inp, twelve", "fail_low": "as inp, twelve", "fail_high": "as inp, twelve"},
              "IOOS QARTOD climatology test", "X",
              "気候値検査", "Climatology test", ranges={"month": (1, 12)}),
    Indicator("qartod_gap", qartod_gap, "flag", {"at_us": "us, list", "interval_s": "s", "factor": "1"},
              "IOOS QARTOD gap test; 2 for what follows a pause (ours)", "X", "欠測検査", "Gap test"),
    Indicator("wmo_step_limit", wmo_step_limit, "Cel or hPa",
              {"variable": "air_temperature, dew_point or air_pressure_hpa", "dt_h": "h"},
              "WMO-No. 305 (1993) VI.21", "R", "時間変化の許容幅（WMO）", "Step limit of the WMO"),
)  # fmt: skip
