"""The sample region's weather as an asset's hours, for hindcasts of the forecasts: seeded, of any length."""

import functools
from collections.abc import Sequence

import numpy as np

from satomori_analytics.forecasts import Hours, Spot
from satomori_analytics.forecasts.weather import Weather
from satomori_analytics.indicators.base import Floats
from satomori_core.clock import DAY_US, HOUR_US, from_iso
from satomori_sample import weather as sample

STEPS = 6  # of 10 minutes in an hour


def spot(class_: str = "orchard", **attributes: object) -> Spot:
    return Spot("a", class_, "site", 34.15, 133.7, "Asia/Tokyo", attributes)


@functools.cache
def hours(seed: int, first: str, days: int) -> Hours:
    """All that a weather station measures from the local midnight of `first` on; leaf wetness is left out."""
    start_us = from_iso(f"{first}T00:00+09:00")
    at_s = np.asarray(start_us / 1e6 + 300 + 600.0 * np.arange(days * 24 * STEPS), dtype=np.float64)
    sky = sample.Weather(seed, float(at_s[0]), float(at_s[-1])).at(at_s)

    def hourly(values: Floats) -> Floats:
        return np.asarray(values.reshape(-1, STEPS))

    return Hours(
        start_us,
        {
            "air_temperature": hourly(sky.air_cel).mean(axis=1),
            "air_temperature_low": hourly(sky.air_cel).min(axis=1),
            "relative_humidity": hourly(sky.humidity).mean(axis=1),
            "solar_radiation": hourly(sky.solar_w_m2).mean(axis=1),
            "rain": hourly(sky.rain_mm_h).mean(axis=1),
        },
    )


def at(first: str, day: int, hour: float) -> int:
    """A local time so many days after the midnight of `first`."""
    return from_iso(f"{first}T00:00+09:00") + day * DAY_US + round(hour * HOUR_US)


def told(known: Hours, from_us: int, hours_ahead: int, error_c: Sequence[float] = (0.0,)) -> Weather:
    """A weather file that tells what will be (and the two days before), off by `error_c` (repeated)."""
    start = known.place(from_us) - 48
    part = slice(start, start + 48 + hours_ahead)
    t = known.columns["air_temperature"][part]
    columns = {
        "air_temperature": t + np.resize(np.asarray(error_c), len(t)),
        "relative_humidity": known.columns["relative_humidity"][part],
        "precipitation": known.columns["rain"][part],
        "wind_speed": np.full(len(t), 1.0),
        "solar_radiation": known.columns["solar_radiation"][part],
        "cloud_cover": np.full(len(t), np.nan),
    }
    return Weather(known.start_us + start * HOUR_US, columns)
