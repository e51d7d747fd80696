"""A forecast to be drawn: its course from what was measured into what may come, else its value on a scale. Pure."""

from typing import Any

import numpy as np

from satomori_analytics.forecasts.base import BAND, NAMES, Course, Forecast, Outcome, Spot, limit_of
from satomori_analytics.indicators.base import Floats
from satomori_analytics.pictures import scale, short
from satomori_analytics.playbook import LEVELS, Outlook
from satomori_analytics.sentences import LEVEL_EN, LEVEL_JA
from satomori_core.clock import DAY_US

# Points of each part, so that a kept forecast is small.
_POINTS = 30


def drawn(forecast: Forecast, outcome: Outcome, outlook: Outlook, spot: Spot) -> dict[str, Any]:
    """As `pictures` are; the limits of levels have their words."""
    limits = {
        limit_of(call, spot): (LEVEL_JA[LEVELS[name]], LEVEL_EN[LEVELS[name]])
        for name, call in (("warning", outlook.warning), ("watch", outlook.watch))
        # The chance of an infection is in per cent; its limit is not.
        if call is not None and forecast.kind != "blast"
    }
    span = {"from_us": forecast.for_from_us, "until_us": forecast.for_until_us}
    if outcome.course is None:
        line = scale(
            (*NAMES[forecast.kind], outcome.unit), outcome.value, (outcome.low, outcome.high),
            ("10のうち8は", "8 in 10 within"), sorted(limits),
        )  # fmt: skip
        return {**span, "channels": [line], "limits": sorted(limits)}
    if outcome.unit == "d":  # when it falls due, rather than the time until then; unless that is further ahead
        first_us, last_us = (forecast.made_us + round(max(days, 0) * DAY_US) for days in (outcome.low, outcome.high))
        span = {"from_us": first_us, "until_us": last_us} if first_us < outcome.course.ahead_us[-1] else {}
    named = limits if outcome.course.limits is None else outcome.course.limits
    line = _fan(outcome.course) | {
        "head_ja": f"{outcome.course.ja}（帯は10のうち8）", "head_en": f"{outcome.course.en} (band: 8 in 10)",
        "words": {"ja": forecast.text_ja.split("。"), "en": forecast.text_en.split("; ")},
    }  # fmt: skip
    ordered = sorted(named)
    words = [list(named[limit]) for limit in ordered]
    return {**span, "now_us": forecast.made_us, "channels": [line], "limits": ordered, "limit_words": words}


def _fan(course: Course) -> dict[str, Any]:
    """The values measured, then the middle and the central 80 % of the ways ahead."""
    seen, ahead = _some(len(course.seen)), _some(len(course.ahead_us))
    low, middle, high = np.quantile(course.ways[:, ahead], (BAND[0], 0.5, BAND[1]), axis=0, method="weibull")
    before, after = [None] * len(seen), [None] * len(ahead)
    return {
        "ja": course.ja, "en": course.en, "unit": course.unit,
        "at_us": [*course.seen_us[seen].tolist(), *course.ahead_us[ahead].tolist()],
        "observed": [*short(course.seen[seen]), *after], "middle": [*before, *short(middle)],
        "low": [*before, *short(low)], "high": [*before, *short(high)],
    }  # fmt: skip


def _some(count: int) -> Floats:
    """Places of at most so many of them, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int))
