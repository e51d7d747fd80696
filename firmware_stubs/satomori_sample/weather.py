"""The sample region's weather on a 10-minute grid, and the sky at any time: sun, cloud, rain, air.

The figures are those of a mild inland sea climate at 34°N, in round numbers of our own; nothing here is a forecast.
"""

import math
from dataclasses import dataclass

import numpy as np

from satomori_sample.noise import Floats, Index, decaying, gauss, key_of, uniform, wandering

STEP_S = 600
DAY_S = 86_400
HOUR_STEPS = 6
YEAR_DAYS = 365.2425
UTC_OFFSET_S = 9 * 3600  # Asia/Tokyo
LATITUDE_DEG = 34.15
RAIN_CELL_STEPS = 72  # at most one rain begins in 12 hours
RAIN_HOURS_MAX = 10.0
WET_DAYS = (0.1, 0.5, 3.0)  # how long gutters, soil and ponds remember rain

Y2000_S = 946_684_800


def hour_of(at_s: Floats) -> Floats:
    """Local hour of the day, 0 to 24."""
    return (at_s + UTC_OFFSET_S) % DAY_S / 3600.0


def day_of_year(at_s: Floats) -> Floats:
    return (at_s - Y2000_S) / DAY_S % YEAR_DAYS


def season_of(at_s: Floats, first_day: float, last_day: float, edge_days: float = 3.0) -> Floats:
    """0 outside and 1 within a season of the year, with soft edges."""
    day = day_of_year(at_s)
    rise = 1.0 / (1.0 + np.exp(-np.clip((day - first_day) / edge_days, -50, 50)))
    fall = 1.0 / (1.0 + np.exp(-np.clip((day - last_day) / edge_days, -50, 50)))
    return np.asarray(rise - fall)


@dataclass(frozen=True, slots=True)
class Sky:
    """What the weather is at each of some times. `wet_mm`: rain held in stores of WET_DAYS."""

    at_s: Floats
    air_cel: Floats
    humidity: Floats  # %
    solar_w_m2: Floats
    rain_mm_h: Floats
    wet_mm: tuple[Floats, ...]

    @property
    def hour(self) -> Floats:
        return hour_of(self.at_s)


class Weather:
    """The weather between two times; two of them agree wherever they overlap."""

    def __init__(self, seed: int, from_s: float, until_s: float) -> None:
        self.from_s, self.until_s = from_s, until_s
        index = np.arange(math.floor(from_s / STEP_S) - 1, math.ceil(until_s / STEP_S) + 2, dtype=np.int64)
        at_s = index.astype(np.float64) * STEP_S
        self._grid_s = at_s
        self._rain_key = key_of(seed, "rain")
        rain = self._rain(index)
        dull = np.clip(0.35 + 0.28 * wandering(key_of(seed, "cloud"), index, 10 * HOUR_STEPS), 0.0, 1.0)
        cloud = np.maximum(dull, np.clip(rain, 0.0, 1.0))
        self._solar = _clear_sky(at_s) * (1.0 - 0.75 * cloud**2)
        self._air = (
            _seasonal_air(at_s)
            + 1.6 * wandering(key_of(seed, "air mass"), index, 36 * HOUR_STEPS)
            + 0.3 * wandering(key_of(seed, "breeze"), index, 2 * HOUR_STEPS)
            + 4.0 * (1.0 - 0.6 * cloud) * np.cos((hour_of(at_s) - 14.5) * (2 * np.pi / 24))
            - 0.8 * np.clip(rain, 0.0, 2.0)
        )
        damp = 74.0 - 13.0 * (1.0 - 0.7 * cloud) * np.cos((hour_of(at_s) - 14.5) * (2 * np.pi / 24))
        damp += 5.0 * wandering(key_of(seed, "damp"), index, 8 * HOUR_STEPS) + 16.0 * np.clip(rain, 0.0, 1.0)
        self._humidity = np.clip(damp, 35.0, 98.0)
        self._rain_mm_h = rain
        self._wet = tuple(decaying(self._rain, index, days * 24 * HOUR_STEPS) * (STEP_S / 3600.0) for days in WET_DAYS)

    def at(self, at_s: Floats) -> Sky:
        """Times must lie within the weather's own."""

        def there(grid: Floats) -> Floats:
            return np.asarray(np.interp(at_s, self._grid_s, grid))

        return Sky(
            at_s, there(self._air), there(self._humidity), there(self._solar), there(self._rain_mm_h),
            tuple(there(wet) for wet in self._wet),
        )  # fmt: skip

    def _rain(self, index: Index) -> Floats:
        """mm/h at each step: single rains that swell and fade, more of them in the rainy seasons."""
        rain = np.zeros(len(index))
        cells = np.arange(index[0] // RAIN_CELL_STEPS - 2, index[-1] // RAIN_CELL_STEPS + 1, dtype=np.int64)
        chance = 0.16 + 0.12 * season_of(cells * float(RAIN_CELL_STEPS * STEP_S), 158, 198)
        chance += 0.08 * season_of(cells * float(RAIN_CELL_STEPS * STEP_S), 245, 285)
        begins = uniform(self._rain_key ^ 1, cells) < chance
        depth_mm = np.minimum(1.0 + np.exp(1.5 + 0.8 * gauss(self._rain_key ^ 2, cells)), 25.0)
        hours = np.clip(depth_mm / 4.0 + 3.0 * uniform(self._rain_key ^ 3, cells), 1.0, RAIN_HOURS_MAX)
        offset = uniform(self._rain_key ^ 4, cells) * RAIN_CELL_STEPS
        for i in np.flatnonzero(begins):
            first = cells[i] * RAIN_CELL_STEPS + offset[i]
            within = (index - first) / (hours[i] * HOUR_STEPS)
            here = (within > 0) & (within < 1)
            rain[here] += 2.0 * depth_mm[i] / hours[i] * np.sin(np.pi * within[here]) ** 2
        return rain


def monthly_air(warmer_cel: float) -> list[float]:
    """The twelve months' normal means, °C, of a place so much warmer than by the sea."""
    middles_s = Y2000_S + (np.arange(12) + 0.5) / 12 * YEAR_DAYS * DAY_S
    return [float(mean) + warmer_cel for mean in _seasonal_air(middles_s)]


def _seasonal_air(at_s: Floats) -> Floats:
    """Coldest about 28 January; 5 to 27 °C as a daily mean."""
    return 16.0 - 11.0 * np.cos((day_of_year(at_s) - 27.0) * (2 * np.pi / YEAR_DAYS))


def _clear_sky(at_s: Floats) -> Floats:
    """W/m² on the ground by the sun's height (Haurwitz' form with round numbers), noon at 12 o'clock."""
    tilt = np.radians(23.44) * np.sin((day_of_year(at_s) - 80.0) * (2 * np.pi / YEAR_DAYS))
    hour_angle = (hour_of(at_s) - 12.0) * (np.pi / 12)
    latitude = math.radians(LATITUDE_DEG)
    height = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(hour_angle)
    up = np.clip(height, 1e-3, 1.0)
    return np.where(height > 0, 1098.0 * up * np.exp(-0.057 / up), 0.0)
