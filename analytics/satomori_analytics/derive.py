"""Series that indicators make of others: values joined in event time, never from later ones. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np

from satomori_analytics import indicators
from satomori_analytics.episodes import Floats, Times
from satomori_analytics.playbook import Derived

# An input may be so many of its intervals old when it is joined, or a quarter of an hour.
STALE_INTERVALS, STALE_LEAST_S = 3, 900.0


def join(series: Sequence[tuple[Times, Floats, float]]) -> tuple[Times, list[Floats]]:
    """All times at which any of them was observed, and the newest value of each then; NaN where it is stale.

    Each series is (times, values, interval in s); a NaN value is as if it had not been observed.
    """
    known = [(at[np.isfinite(v)], v[np.isfinite(v)], every) for at, v, every in series]
    times = np.unique(np.concatenate([at for at, _, _ in known])) if known else np.empty(0, np.int64)
    columns = []
    for at, values, every in known:
        if not len(at):
            columns.append(np.full(len(times), np.nan))
            continue
        place = np.searchsorted(at, times, side="right") - 1
        longest_us = int(max(every * STALE_INTERVALS, STALE_LEAST_S) * 1e6)
        fresh = (place >= 0) & (times - at[np.maximum(place, 0)] <= longest_us)
        columns.append(np.where(fresh, values[np.maximum(place, 0)], np.nan))
    return times, columns


def derive(derived: Derived, inputs: Mapping[str, tuple[Times, Floats, float]]) -> tuple[Times, Floats]:
    """The indicator's series from its inputs by metric; empty where one of them has no values."""
    names = list(derived.inputs)
    times, columns = join([inputs[derived.inputs[name]] for name in names])
    whole = np.all(np.isfinite(columns), axis=0) if columns else np.zeros(0, bool)
    times, columns = times[whole], [column[whole] for column in columns]
    if not len(times):
        return times, np.empty(0)
    indicator = indicators.find(derived.indicator)
    leading = {"at_us": times} if indicator.over_time else {}
    with np.errstate(all="ignore"):
        values = indicator.function(**leading, **dict(zip(names, columns, strict=True)), **derived.options)
    return times, np.asarray(values, dtype=np.float64)
