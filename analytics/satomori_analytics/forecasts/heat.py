"""The highest temperature-humidity index (THI) of tomorrow, in a barn or a greenhouse.

Without a weather file: from the highest of the last 24 hours, by how the next day's highest followed from such ones on
past days: a straight line, which is persistence with the place's own diurnal profile, drawn towards what is usual as
far as the past asks for it. The band is the past days' own errors, each foretold by the others.

With a file that tells of the past day or more too: its temperatures and humidities, with what is measured inside less
what it tells, hour of the day by hour.
"""

import numpy as np

from satomori_analytics.forecasts.base import Course, Hours, MissingError, Outcome, Spot, band_of, offset_of, spread
from satomori_analytics.forecasts.weather import Weather
from satomori_analytics.indicators.air import thi
from satomori_analytics.indicators.base import Floats
from satomori_analytics.playbook import Outlook
from satomori_core.clock import DAY_US, HOUR_US

DAYS, DAYS_LEAST = 30, 7
HISTORY_DAYS = DAYS + 3
_KNOWN_H = 18
_SEEN_H = 36


def foretell(spot: Spot, outlook: Outlook, hours: Hours, weather: Weather | None, now_us: int) -> Outcome:
    """THI of tomorrow's hottest hour. Raise MissingError."""
    index = thi(*hours.need("air_temperature", "relative_humidity"))
    offset_us = offset_of(spot, now_us)
    tomorrow = (now_us + offset_us) // DAY_US + 1
    from_us = tomorrow * DAY_US - offset_us
    found = _by_file(outlook, hours, index, weather, from_us) if weather else None
    inputs: dict[str, object] = {"from": "weather file" if found is not None else "own past days"}
    values, days = found or _by_past_days(hours, index, from_us)
    if found is None:
        inputs["days"] = len(values)
    value, low, high = band_of(values)
    return Outcome(
        from_us, from_us + DAY_US, values, "1",
        f"明日の温湿度指数（THI）は最高{value:.0f}（{low:.0f}〜{high:.0f}）の見込みです",
        f"tomorrow's temperature-humidity index reaches about {value:.0f} ({low:.0f} to {high:.0f})",
        inputs, value, low, high, _course(hours, index, from_us, values, days),
    )  # fmt: skip


def _course(hours: Hours, index: Floats, from_us: int, values: Floats, days: Floats) -> Course | None:
    """Tomorrow's hours, shaped as `days` were, each up to one of `values`; what is left of today is not foretold."""
    whole = np.isfinite(days).all(axis=1)
    if whole.sum() < DAYS_LEAST:
        return None
    ways = (days - days.max(axis=1, keepdims=True) + values[:, None])[whole]
    ahead_us = from_us + HOUR_US // 2 + np.arange(24) * HOUR_US
    return Course("温湿度指数（THI）", "THI", "1", *hours.measured(index, _SEEN_H), ahead_us, ways)


def _by_past_days(hours: Hours, index: Floats, from_us: int) -> tuple[Floats, Floats]:
    """From the highest of the past 24 hours and what followed such ones on earlier days; and these days, a row each."""
    latest, start = hours.count, hours.place(from_us)  # start of tomorrow, as if the hours went on
    pairs, days = [], []
    for back in range(2, DAYS + 2):
        first = start - back * 24
        day = index[max(first, 0) : max(first + 24, 0)]
        if first >= 0 and np.isfinite(day).sum() >= _KNOWN_H:
            pairs.append((_highest(index, latest - back * 24), float(np.nanmax(day))))
            days.append(day)
    past = np.array(pairs).reshape(-1, 2)
    known, latest_highest = np.isfinite(past).all(axis=1), _highest(index, latest)
    past = past[known]
    if len(past) < DAYS_LEAST:
        lacking = DAYS_LEAST - len(past)
        raise MissingError(
            f"気温と湿度の記録があと{lacking}日ぶん必要です", f"needs {lacking} more days of temperature and humidity"
        )
    if not np.isfinite(latest_highest):
        raise MissingError("直近の気温と湿度が届いていません", "the latest temperature and humidity have not come")
    every = np.arange(len(past))
    errors = [past[i, 1] - _line(past[every != i], past[i, 0]) for i in every.tolist()]
    return _line(past, latest_highest) + np.array(errors), np.array(days)[known]


def _line(past: Floats, highest: float) -> float:
    """What follows from a highest value, by least squares; the usual where all were the same."""
    x, y = past[:, 0], past[:, 1]
    apart = x - x.mean()
    square = float(apart @ apart)
    slope = float(apart @ y) / square if square > 0 else 0.0
    return float(y.mean()) + slope * (highest - float(x.mean()))


def _highest(index: Floats, end: int) -> float:
    """Of the 24 hours before; NaN where too few are known."""
    day = index[max(end - 24, 0) : max(end, 0)]
    return float(np.nanmax(day)) if np.isfinite(day).sum() >= _KNOWN_H else np.nan


def _by_file(
    outlook: Outlook, hours: Hours, index: Floats, weather: Weather, from_us: int
) -> tuple[Floats, Floats] | None:  # fmt: skip
    """The highest, and the day's hours for each.

    None where the file does not reach over tomorrow, or tells too little of the past to compare with.
    """
    told = weather.over(from_us, from_us + DAY_US)
    past = weather.over(hours.start_us, hours.end_us)
    ahead = thi(told["air_temperature"], told["relative_humidity"])
    apart = index - thi(past["air_temperature"], past["relative_humidity"])
    if np.isfinite(ahead).sum() < _KNOWN_H or np.isfinite(apart).sum() < 24:
        return None
    hour_of = (hours.start_us // HOUR_US + np.arange(hours.count) - from_us // HOUR_US) % 24
    usual = np.array([np.nanmean(apart[hour_of == h]) if np.isfinite(apart[hour_of == h]).any() else np.nan
                      for h in range(24)])  # fmt: skip
    usual = np.where(np.isfinite(usual), usual, np.nanmean(apart))
    values = float(np.nanmax(ahead + usual)) + outlook.options.get("weather_error_thi", 2.0) * spread(99)
    return values, np.tile(ahead + usual, (len(values), 1))
