"""Alarm load and priority: what EEMUA 191 and ISA-18.2 count, and risk as likelihood times consequence."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.base import Floats, Indicator, Texts, array, choose, when

TARGETS: Mapping[str, float | tuple[float, ...]] = {
    "steady_per_10min": 1.0,
    "flood_per_10min": 10.0,
    "avg_per_h": 5.0,
    "peak_per_h": 15.0,
    "peak_per_min": 2.0,
    "priority_pct": (5.0, 15.0, 80.0),  # high, medium, low
}


def alarm_target(name: str) -> float | list[float]:
    """What one operator can bear, by EEMUA 191; of priority_pct the shares high, medium, low."""
    if name not in TARGETS:
        raise ValueError(f"name {name!r}: one of {', '.join(TARGETS)}")
    target = TARGETS[name]
    return list(target) if isinstance(target, tuple) else target


def alarm_rate_class(per_h: ArrayLike, limits: ArrayLike = (6, 12, 30)) -> Texts:
    """Ok up to 6 an hour, manageable up to 12, over, and flood from 30 on."""
    steps = np.array(limits, dtype=np.float64)
    steps[:2] = np.nextafter(steps[:2], np.inf)
    return choose(per_h, steps, ("ok", "manageable", "over", "flood"))


def alarm_load(
    at_us: ArrayLike, from_us: float, until_us: float, *, flood_per_span: float = 10.0, span_s: float = 600.0
) -> dict[str, float]:
    """Of alarms at these times in [from, until): how many, their mean and peak in 10 minutes, the share in flood.

    The spans lie end to end from `from_us`; in flood is a span with more than `flood_per_span` alarms.
    """
    times = np.sort(np.atleast_1d(array(at_us)))
    spans = (until_us - from_us) / (span_s * 1e6)
    if not 0 < spans <= 1e6:
        raise ValueError("until_us: after from_us, by a million spans at most")
    inside = times[(times >= from_us) & (times < until_us)]
    counts = np.bincount(((inside - from_us) // (span_s * 1e6)).astype(int), minlength=int(np.ceil(spans)))
    return {
        "alarms": float(len(inside)),
        "mean_per_span": len(inside) / spans,
        "peak_per_span": float(counts.max()),
        "flood_share": float(np.mean(counts > flood_per_span)),
    }


def alarm_chatter(at_us: ArrayLike, transitions: float = 3.0, window_s: float = 60.0) -> Floats:
    """1 at each of an alarm's transitions that is the third or a later one within the minute that ends with it."""
    times = np.atleast_1d(array(at_us))
    if np.any(np.diff(times) < 0):
        raise ValueError("at_us: times in order")
    first = np.searchsorted(times, times - window_s * 1e6, side="right")
    return when(np.arange(len(times)) - first + 1 >= transitions, times)


def alarm_standing(hours: ArrayLike, limit_h: ArrayLike = 24.0) -> Floats:
    """1 where an alarm has stood for longer than a day: it tells nobody anything any more."""
    return when(array(hours) > array(limit_h), hours)


def alarm_priority_share(
    low: float, medium: float, high: float, medium_most_pct: float = 15.0, high_most_pct: float = 5.0
) -> dict[str, float]:
    """Shares of the priorities in %, and `fits`: 1 where high is at most 5 % and medium at most 15 %; none of none."""
    total = low + medium + high
    shares = np.array([low, medium, high]) * 100 / (total or np.nan)
    fits = when(shares[2] <= high_most_pct and shares[1] <= medium_most_pct, shares[0])
    return {"low": float(shares[0]), "medium": float(shares[1]), "high": float(shares[2]), "fits": float(fits)}


def risk(likelihood: ArrayLike, consequence: ArrayLike, matrix: ArrayLike | None = None) -> Floats:
    """Likelihood times consequence, in the consequence's unit (points or yen).

    With a matrix both are classes from 1 up: likelihood its row, consequence its column. No published numeric matrix
    was found, so it is each municipality's own.
    """
    if matrix is None:
        return array(likelihood) * array(consequence)
    table, row, column = array(matrix), array(likelihood), array(consequence)
    sides = zip((row, column), table.shape, strict=True) if table.ndim == 2 else ()
    if table.ndim != 2 or any(np.any((place < 1) | (place > side)) for place, side in sides):
        raise ValueError("likelihood and consequence: classes from 1 up to the matrix's rows and columns")
    return array(table[row.astype(int) - 1, column.astype(int) - 1])


_EEMUA = "EEMUA 191, ISA-18.2"
INDICATORS = (
    Indicator("alarm_target", alarm_target, "{count} or %", {"name": ", ".join(TARGETS)}, "EEMUA 191 KPI grid", "R",
              "警報負荷の目標値", "Alarm load target"),
    Indicator("alarm_rate_class", alarm_rate_class, "class", {"per_h": "1/h", "limits": "1/h, three"},
              "industrial-aiops: 6/12/30 an hour", "R", "警報頻度の区分", "Alarm rate class",
              ranges={"per_h": (0, np.inf)}),
    Indicator("alarm_load", alarm_load, "{count}",
              {"at_us": "us, list", "from_us": "us", "until_us": "us", "flood_per_span": "{count}", "span_s": "s"},
              f"{_EEMUA}: at most 1 in 10 min, flood above 10", "R", "警報負荷", "Alarm load",
              ranges={"span_s": (1, 1e7)}),
    Indicator("alarm_chatter", alarm_chatter, "{bool}",
              {"at_us": "us, list", "transitions": "{count}", "window_s": "s"},
              f"{_EEMUA}: 3 transitions a minute", "R", "警報のばたつき", "Chattering alarm"),
    Indicator("alarm_standing", alarm_standing, "{bool}", {"hours": "h", "limit_h": "h"}, f"{_EEMUA}: 24 h", "R",
              "長期継続警報", "Standing alarm"),
    Indicator("alarm_priority_share", alarm_priority_share, "%",
              {"low": "{count}", "medium": "{count}", "high": "{count}", "medium_most_pct": "%", "high_most_pct": "%"},
              f"{_EEMUA}: 80/15/5 %", "R", "警報の優先度配分", "Shares of alarm priorities"),
    Indicator("risk", risk, "as the consequence",
              {"likelihood": "1 or 1/a, or class", "consequence": "points, yen or class",
               "matrix": "points or yen, matrix"},
              "ISO 55000 practice: likelihood x consequence", "R", "リスク", "Risk",
              ranges={"likelihood": (0, np.inf)}),
)  # fmt: skip
