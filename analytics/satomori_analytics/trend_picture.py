"""A structure's days with the trend through them, on to the next limit that it meets; as `pictures` are drawn. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from satomori_analytics.condition.measured import Kind, Measured
from satomori_analytics.condition.reach import Reach, limits_of
from satomori_analytics.condition.trend import Trend
from satomori_analytics.indicators.base import Floats
from satomori_analytics.pictures import short
from satomori_analytics.playbook import LEVELS, Playbook
from satomori_analytics.sentences import LEVEL_EN, LEVEL_JA, amount
from satomori_core.clock import DAY_US
from satomori_core.metrics import catalogue

# Short, for there is little room; of what is the metric itself, the metric's own name.
_NAMES: Mapping[Kind, tuple[str, str]] = {
    "frequency": ("固有振動数の変化", "Shift of natural frequency"),
    "efficiency": ("ポンプ効率", "Pump efficiency"),
    "efficiency_kept": ("ポンプ効率（基準比）", "Pump efficiency, of its reference"),
    "running": ("1日の運転時間", "Running hours a day"),
    "starts": ("1日の始動回数", "Starts a day"),
    "starts_of_limit": ("1日の始動回数（上限比）", "Starts a day, of their limit"),
    "leakage": ("1日の漏水量", "Leakage a day"),
    "leakage_index": ("漏水指標（ILI）", "Leakage index (ILI)"),
    "night_flow": ("夜間最小流量", "Minimum night flow"),
}
_YEAR_US = 365.25 * DAY_US
# What was measured takes up at least a fifth of the width: a limit that is further ahead is told, not drawn to.
_AHEAD_MOST = 4.0
_AHEAD_USUAL = 0.25
_AHEAD_POINTS = 12


def trend(
    found: Measured, playbook: Playbook | None, reaches: Sequence[Reach], attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """`found` with its series. From the newest value on the trend goes as `reaches` are reckoned, with its interval."""
    at = np.array(found.at_us, dtype=np.float64)
    metric = catalogue()[found.metric]
    ja, en = _NAMES.get(found.kind, (metric.ja, metric.en))
    names = {name for name, _, _ in limits_of(found, playbook, attributes)}
    near = sorted((r for r in reaches if r.metric == found.metric and r.name in names), key=lambda r: r.years or np.inf)
    shown: dict[str, Any] = {
        "ja": ja, "en": en, "unit": found.unit, "words": _words((ja, en), found, near),
        "at_us": list(found.at_us), "observed": short(np.array(found.series)),
    }  # fmt: skip
    drawn: dict[str, Any] = {"channels": [shown], **_limits(found, playbook, attributes)}
    if found.rate is None:
        return drawn
    ahead_us = _ahead_us(at[-1] - at[0], [each.years for each in near if each.years > 0])
    years = np.linspace(0, ahead_us / _YEAR_US, _AHEAD_POINTS)
    middle, low, high = _fan(found, found.rate, years)
    fitted = found.rate.rate * at / _YEAR_US
    fitted += np.median(np.array(found.series) - fitted)
    nothing = [None] * len(at)
    ahead_at_us = found.at_us[-1] + np.round(years * _YEAR_US).astype(np.int64)
    shown |= {
        "at_us": [*found.at_us, *ahead_at_us.tolist()], "observed": [*shown["observed"], *([None] * len(years))],
        "middle": short(np.concatenate([fitted, middle])),
        "low": [*nothing, *short(low)], "high": [*nothing, *short(high)],
    }  # fmt: skip
    return drawn | {"now_us": found.at_us[-1]}


def _fan(found: Measured, rate: Trend, years: Floats) -> tuple[Floats, Floats, Floats]:
    """(middle, low, high): the newest value's interval and the rate's, as if independent, as `reaches` reckons."""
    half = (found.high - found.low) / 2 if np.isfinite(found.high - found.low) else 0.0
    middle = found.value + rate.rate * years
    below, above = (np.hypot(half, side * years) for side in (rate.rate - rate.low, rate.high - rate.rate))
    return middle, middle - below, middle + above


def _ahead_us(seen_us: float, years: Sequence[float]) -> float:
    """To the nearest limit that is met ahead; some way where none is, or only after too long to be drawn."""
    near = [at * _YEAR_US for at in years if at * _YEAR_US <= _AHEAD_MOST * seen_us]
    return min(near) if near else _AHEAD_USUAL * seen_us


def _words(name: tuple[str, str], found: Measured, near: Sequence[Reach]) -> dict[str, list[str]]:
    value, low, high = (amount(one, found.unit) for one in (found.value, found.low, found.high))
    known = found.low == found.low  # not a single day, which has no interval
    ja = [f"{name[0]} {value}" + (f"（{low}〜{high}）" if known else "")]
    en = [f"{name[1]} {value}" + (f" ({low} to {high})" if known else "")]
    if found.rate is not None:
        rate, slow, fast = (f"{one:+.3g}" for one in (found.rate.rate, found.rate.low, found.rate.high))
        sure = found.rate.low > 0 or found.rate.high < 0
        ja.append(f"1年あたり {rate}（{slow}〜{fast}）" + ("" if sure else "：傾向は確かでない"))
        en.append(f"{rate} a year ({slow} to {fast})" + ("" if sure else ": no sure trend"))
    for each in near[:1]:
        bound, level = amount(each.bound, each.unit), LEVELS[each.level]
        years, low, high = (f"{one:.2g}" for one in (each.years, each.low, each.high))
        ja.append(
            f"{LEVEL_JA[level]}の基準 {bound} " + (f"まで約{years}年（{low}〜{high}年）" if each.years else "を超過")
        )
        en.append(
            f"limit {bound} ({LEVEL_EN[level]})"
            + (f" in about {years} years ({low} to {high})" if each.years else " is passed")
        )
    return {"ja": ja, "en": en}


def _limits(found: Measured, playbook: Playbook | None, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The metric's limits with their levels' words."""
    words = {
        bound: (LEVEL_JA[LEVELS[limit.level]], LEVEL_EN[LEVELS[limit.level]])
        for _, limit, bound in limits_of(found, playbook, attributes)
        if np.isfinite(bound)
    }
    ordered = sorted(words)
    return {"limits": ordered, "limit_words": [list(words[bound]) for bound in ordered]}
