"""Tonight's minimum temperature by FAO's two-step regression, fitted on the place's own past nights.

FAO's manual takes temperature and dew point two hours after sunset. Here they are taken at the last whole hour that is
known, up to then, and the past nights at the same hour before or after sunset: so there is a forecast all day, whose
band narrows towards the evening. FAO fits clear, calm nights alone; we fit all of the last nights, since few places
measure clouds, so that the band holds cloudy nights too. The band is the nights' own errors, each foretold by the
others.
"""

import numpy as np

from satomori_analytics.forecasts.base import (
    Course,
    Hours,
    MissingError,
    Outcome,
    Spot,
    Times,
    band_of,
    offset_of,
    spread,
    sun,
)
from satomori_analytics.forecasts.weather import Weather
from satomori_analytics.indicators.air import dew_point, frost_minimum
from satomori_analytics.indicators.base import Floats
from satomori_analytics.playbook import Outlook
from satomori_core.clock import DAY_US, HOUR_US

NIGHTS, NIGHTS_LEAST = 60, 12
AFTER_SUNSET_H = 2
HISTORY_DAYS = NIGHTS + 2
_SEEN_H = 24


def foretell(spot: Spot, outlook: Outlook, hours: Hours, weather: Weather | None, now_us: int) -> Outcome:
    """Of the coming or current night, °C. Raise MissingError."""
    t, rh = hours.need("air_temperature", "relative_humidity")
    lows = hours.columns.get("air_temperature_low", t)
    today = (now_us + offset_of(spot, now_us)) // DAY_US
    night = today - 1 if now_us < _end_us(spot, today - 1) else today
    lead_h = _lead(spot, hours, night)
    inputs: dict[str, object] = {"hours_after_sunset": lead_h}
    from_us, until_us = sun(spot, night)[1], _end_us(spot, night)
    past = np.arange(night - NIGHTS, night)
    nights = np.array([_night(spot, hours, (t, rh, lows), n, lead_h) for n in past.tolist()])
    known = np.isfinite(nights).all(axis=1)
    nights, past = nights[known], past[known]
    t0, td = _evening(spot, hours, (t, rh), night, lead_h)
    # The hours before are measured (`so_far`): a file that was issued after sunset need not tell of them.
    foreseen = weather.minimum(max(from_us, hours.end_us), until_us) if weather else None
    shapes: Floats | None = None
    if len(nights) >= NIGHTS_LEAST and np.isfinite(t0 + td):
        fit = _fit(nights, t0, td)
        values = fit["tmin"] + _errors(nights)
        shapes = _shapes(hours, t, until_us, 24 * (night - past)) - nights[:, 2:]
        inputs |= {"t0_c": round(t0, 1), "dew_point_c": round(td, 1), "nights": len(nights)}
        inputs |= {"a": round(fit["a"], 3), "b": round(fit["b"], 3), "c": round(fit["c"], 2)}
    elif foreseen is not None:
        values = foreseen + outlook.options.get("weather_error_c", 1.7) * spread(99)
        if weather is not None:
            told = weather.over(hours.end_us - HOUR_US, until_us)["air_temperature"]
            shapes = np.tile(told - foreseen, (len(values), 1))
        inputs["from"] = "weather file"
    else:
        count = len(nights)
        raise MissingError(
            f"過去の夜の気温と湿度があと{max(NIGHTS_LEAST - count, 1)}夜ぶん必要です"
            if count < NIGHTS_LEAST
            else "直近の気温と湿度が届いていません",
            f"needs temperature and humidity of {max(NIGHTS_LEAST - count, 1)} more nights"
            if count < NIGHTS_LEAST
            else "the latest temperature and humidity have not come",
        )
    if foreseen is not None:
        inputs["weather_file_minimum_c"] = round(foreseen, 1)
    so_far = lows[max(hours.place(from_us), 0) : hours.place(until_us)]
    if np.isfinite(so_far).any():
        values = np.minimum(values, np.nanmin(so_far))
    value, low, high = band_of(values)
    return Outcome(
        from_us, until_us, values, "Cel",
        f"今夜の最低気温は{value:.1f}℃（{low:.1f}〜{high:.1f}℃）の見込みです",
        f"tonight's minimum is about {value:.1f} °C ({low:.1f} to {high:.1f} °C)",
        inputs, value, low, high, _course(hours, t, shapes, values),
    )  # fmt: skip


def _shapes(hours: Hours, t: Floats, until_us: int, back: Times) -> Floats:
    """Temperatures so many hours back, a row each, from the last known hour to the end of the night; NaN if unknown."""
    ahead = np.arange(hours.count - 1, hours.place(until_us - 1) + 1)
    places = ahead[None, :] - back[:, None]
    return np.where(places >= 0, t[np.clip(places, 0, hours.count - 1)], np.nan)


def _course(hours: Hours, t: Floats, shapes: Floats | None, values: Floats) -> Course | None:
    """Each way has the shape of its past night, above a minimum that is one of `values`.

    It begins at what is measured: what the night was off by then fades evenly until its end. None where the last hour
    is not known.
    """
    if shapes is None or shapes.shape[1] < 2 or not np.isfinite(t[-1]):
        return None
    whole = np.isfinite(shapes).all(axis=1)
    ways = (shapes + values[:, None])[whole]
    if len(ways) < NIGHTS_LEAST:
        return None
    ways += (t[-1] - ways[:, :1]) * np.linspace(1, 0, ways.shape[1])
    seen_us, seen = hours.measured(t, _SEEN_H)
    ahead_us = hours.end_us - HOUR_US // 2 + np.arange(ways.shape[1]) * HOUR_US
    return Course("気温", "Air temperature", "Cel", seen_us, seen, ahead_us, ways)


def _end_us(spot: Spot, night: int) -> int:
    """The minimum comes about sunrise."""
    return sun(spot, night + 1)[0] + HOUR_US


def _lead(spot: Spot, hours: Hours, night: int) -> int:
    """How many hours after sunset the last known hour is; negative before it."""
    sunset_us = sun(spot, night)[1]
    return min((hours.end_us - HOUR_US - sunset_us) // HOUR_US, AFTER_SUNSET_H)


def _evening(spot: Spot, hours: Hours, columns: tuple[Floats, Floats], night: int, lead_h: int) -> tuple[float, float]:
    """(T0, dew point) of a night's evening; NaN where it is not known."""
    place = hours.place(sun(spot, night)[1] + lead_h * HOUR_US)
    if not 0 <= place < hours.count:
        return np.nan, np.nan
    t, rh = (float(column[place]) for column in columns)
    return t, float(dew_point(t, rh))


def _night(
    spot: Spot, hours: Hours, columns: tuple[Floats, Floats, Floats], night: int, lead_h: int
) -> tuple[float, float, float]:
    """(T0, dew point, minimum) of a past night; NaN where more than a fifth of it is missing."""
    lows = columns[2][max(hours.place(sun(spot, night)[1]), 0) : max(hours.place(_end_us(spot, night)), 0)]
    known = np.isfinite(lows)
    least = float(np.nanmin(lows)) if len(lows) and known.mean() >= 0.8 else np.nan
    return (*_evening(spot, hours, columns[:2], night, lead_h), least)


def _fit(nights: Floats, t0: float, td: float) -> dict[str, float]:
    try:
        return frost_minimum(nights[:, 0], nights[:, 1], nights[:, 2], t0, td)
    except ValueError as error:
        raise MissingError("過去の夜の値がみな同じで、予測式を作れません", str(error)) from None


def _errors(nights: Floats) -> Floats:
    """Of each night, what it was less what the others foretell of it."""
    every = np.arange(len(nights))
    return np.array(
        [nights[i, 2] - _fit(nights[every != i], nights[i, 0], nights[i, 1])["tmin"] for i in every.tolist()]
    )
