"""What each class of assets would show under the sky: pure, vectorised functions of time, one per metric.

Every function takes the Sky at some times and the Spot (whose sensor it is) and returns the true value in the metric's
stored unit, with the sensor's own noise. Plausible in shape and size; coefficients are ours, in round numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from satomori_sample.noise import Floats, gauss, key_of, uniform
from satomori_sample.weather import DAY_S, YEAR_DAYS, Sky, day_of_year, season_of

TIP_MM = 0.5  # of a tipping-bucket rain gauge
PADDY_SEASON = (128.0, 250.0)  # flooded from early May to early September
IRRIGATION_SEASON = (110.0, 260.0)


@dataclass(frozen=True, slots=True)
class Spot:
    """One asset's own circumstances. `character`: 0 to 1, what makes it differ from others of its class."""

    seed: int
    asset: str
    character: float
    warmer_cel: float = 0.0
    interval_s: float = 600.0

    def key(self, name: str) -> int:
        return key_of(self.seed, self.asset, name)

    def noise(self, name: str, sky: Sky) -> Floats:
        """Of each single measurement: white, standard deviation 1."""
        return gauss(self.key(name), sky.at_s.astype(np.int64))

    def slow(self, name: str, sky: Sky, hours: float) -> Floats:
        """Smooth and bounded by ±1: two incommensurable waves with this asset's own phases."""
        a, b = uniform(self.key(name), np.arange(2, dtype=np.int64)) * 2 * np.pi
        phase = sky.at_s * (2 * np.pi / (hours * 3600.0))
        return np.asarray(0.6 * np.sin(phase + a) + 0.4 * np.sin(phase * 2.3971 + b))

    def air(self, sky: Sky) -> Floats:
        return sky.air_cel + self.warmer_cel


Law = Callable[[Sky, Spot], Floats]


def damped_air(sky: Sky, spot: Spot, lag_h: float, share: float) -> Floats:
    """Air temperature as ground, water or concrete follows it: the day's wave later and smaller."""
    day = np.cos((sky.hour - 14.5 - lag_h) * (2 * np.pi / 24))
    wave = np.cos((sky.hour - 14.5) * (2 * np.pi / 24))
    return spot.air(sky) - 3.4 * wave + 3.4 * share * day


def _sun_share(sky: Sky) -> Floats:
    return np.clip(sky.solar_w_m2 / 800.0, 0.0, 1.0)


def rain_gauge(sky: Sky, spot: Spot) -> Floats:
    """Whole tips of the bucket in the interval; what is less than a tip comes as chance."""
    tips = sky.rain_mm_h * spot.interval_s / 3600.0 / TIP_MM
    return np.floor(tips + uniform(spot.key("rain"), sky.at_s.astype(np.int64))) * TIP_MM


# ------------------------------------------------------------------ paddy


def paddy_level(sky: Sky, spot: Spot) -> Floats:
    """Flooded 4 to 7 cm by intermittent irrigation; outside the season the water table under the field."""
    season = season_of(sky.at_s, *PADDY_SEASON)
    days = (3.0 + 2.0 * spot.character) * DAY_S
    cycle = np.abs(2.0 * (sky.at_s / days % 1.0) - 1.0)
    flooded = 0.045 + 0.018 * cycle + 0.0004 * np.minimum(sky.wet_mm[1], 30.0)
    table = -0.28 + 0.04 * spot.character + 0.0025 * np.minimum(sky.wet_mm[2], 40.0)
    return season * flooded + (1.0 - season) * table + 0.0003 * spot.noise("level", sky)


def paddy_water_temperature(sky: Sky, spot: Spot) -> Floats:
    sun = 1.5 * np.sin(np.clip(sky.solar_w_m2 / 900.0, 0, 1) * np.pi / 2)
    return np.clip(damped_air(sky, spot, 1.5, 0.6) + 0.8 + sun, 0.6, 33.5) + 0.005 * spot.noise("water", sky)


def soil_temperature(sky: Sky, spot: Spot) -> Floats:
    """Each probe at its own depth, in its own shade."""
    return np.maximum(damped_air(sky, spot, 4.0, 0.25) + 0.5 + spot.character, 0.8) + 0.005 * spot.noise("soil", sky)


def paddy_soil_moisture(sky: Sky, spot: Spot) -> Floats:
    season = season_of(sky.at_s, *PADDY_SEASON)
    dry = 34.0 + 4.0 * spot.character + 0.28 * np.minimum(sky.wet_mm[2], 40.0)
    return season * 56.0 + (1.0 - season) * dry + 0.15 * spot.noise("moisture", sky)


# ------------------------------------------------------------------ weather station


def open_air(sky: Sky, spot: Spot) -> Floats:
    return spot.air(sky) + 0.02 * spot.noise("air", sky)


def open_humidity(sky: Sky, spot: Spot) -> Floats:
    return np.clip(sky.humidity, 35.0, 98.0) + 0.4 * spot.noise("humidity", sky)


def open_solar(sky: Sky, spot: Spot) -> Floats:
    lit = np.where(sky.solar_w_m2 > 1.0, 1.5 * spot.noise("solar", sky), 0.0)
    return np.maximum(sky.solar_w_m2 + lit, 0.0)


def wind_speed(sky: Sky, spot: Spot) -> Floats:
    """A breeze that the sun wakes, and weather that comes and goes over days; gusts by chance."""
    mean = 1.3 + 1.4 * _sun_share(sky) + 0.5 * spot.slow("weather", sky, 60.0) + 0.4 * spot.slow("breeze", sky, 3.0)
    return np.maximum(mean * (1.0 + 0.2 * spot.noise("gust", sky)), 0.0)


FIELD_WATERED_DAYS = 4.0  # between two turns of the sprinklers


def field_moisture(sky: Sky, spot: Spot) -> Floats:
    """Near field capacity after each turn of the sprinklers, drawn down by 0.3 to 1.1 % a day by the season's sun."""
    since_days = (sky.at_s / DAY_S + FIELD_WATERED_DAYS * spot.character) % FIELD_WATERED_DAYS
    summer = 0.5 - 0.5 * np.cos((day_of_year(sky.at_s) + 10.0) * (2 * np.pi / YEAR_DAYS))
    rain = 0.12 * np.minimum(sky.wet_mm[2], 30.0)
    return 30.5 - (0.3 + 0.8 * summer) * since_days + rain + 0.12 * spot.noise("moisture", sky)


STATION: Mapping[str, Law] = MappingProxyType(
    {
        "air_temperature": open_air,
        "relative_humidity": open_humidity,
        "rain": rain_gauge,
        "wind_speed": wind_speed,
        "solar_radiation": open_solar,
        "soil_moisture": field_moisture,
    }
)


# ------------------------------------------------------------------ greenhouse


def greenhouse_temperature(sky: Sky, spot: Spot) -> Floats:
    """Heated to 14 °C at night, vented and shaded towards 26 °C by day."""
    wished = 14.0 + 1.5 * spot.character + 8.5 * np.sqrt(_sun_share(sky))
    outside = np.clip(spot.air(sky) - wished, -12.0, 12.0)
    return wished + 0.22 * outside + 0.3 * spot.slow("vents", sky, 5.0) + 0.006 * spot.noise("air", sky)


def saturation_g_m3(air_cel: Floats) -> Floats:
    """Water that air can hold: 217·e/T with Tetens' e in hPa."""
    pressure = 6.1078 * 10.0 ** (7.5 * air_cel / (air_cel + 237.3))
    return np.asarray(217.0 * pressure / (air_cel + 273.15))


def greenhouse_humidity(sky: Sky, spot: Spot) -> Floats:
    """Kept by vents and fog where the humidity deficit is 3 to 6 g/m³."""
    deficit = 3.4 + 1.6 * np.sqrt(_sun_share(sky)) + 0.25 * spot.slow("fog", sky, 7.0)
    held = saturation_g_m3(greenhouse_temperature(sky, spot))
    return np.clip(100.0 * (1.0 - deficit / held), 30.0, 98.0) + 0.4 * spot.noise("humidity", sky)


def greenhouse_co2(sky: Sky, spot: Spot) -> Floats:
    """The crop breathes out at night; by day it is fed to a little above the outside."""
    sun = np.sqrt(_sun_share(sky))
    return 600.0 - 170.0 * sun + 25.0 * spot.slow("co2", sky, 6.0) + 6.0 * spot.noise("co2", sky)


def greenhouse_solar(sky: Sky, spot: Spot) -> Floats:
    inside = 0.68 * sky.solar_w_m2
    return np.maximum(inside + np.where(inside > 1.0, 1.5 * spot.noise("solar", sky), 0.0), 0.0)


def greenhouse_moisture(sky: Sky, spot: Spot) -> Floats:
    """Drip irrigation each morning, drawn down by the plants until the next one."""
    since = (sky.hour - 6.5 - spot.character) % 24.0 / 24.0
    return 31.0 + 4.0 * spot.character - 3.0 * since + 0.12 * spot.noise("moisture", sky)


# ------------------------------------------------------------------ cattle barn


def barn_temperature(sky: Sky, spot: Spot) -> Floats:
    """The herd warms it, tunnel fans and cooling pads hold it below the herd's stress in summer."""
    free = damped_air(sky, spot, 1.0, 0.7) + 3.0
    return 20.5 - np.log1p(np.exp((20.5 - free) / 2.0)) * 2.0 + 0.006 * spot.noise("air", sky)


def barn_humidity(sky: Sky, spot: Spot) -> Floats:
    return np.clip(0.4 * sky.humidity + 40.0, 40.0, 82.0) + 0.4 * spot.noise("humidity", sky)


def barn_ammonia(sky: Sky, spot: Spot) -> Floats:
    """Highest before the morning's mucking out."""
    since = (sky.hour - 7.0) % 24.0 / 24.0
    return 3.0 + 1.5 * spot.character + 2.0 * since + 0.12 * spot.noise("ammonia", sky)


# ------------------------------------------------------------------ irrigation pond


def pond_level(sky: Sky, spot: Spot) -> Floats:
    """Full before the season, drawn down by irrigation, filled again by autumn's and winter's rain."""
    day = day_of_year(sky.at_s)
    drawn = np.interp(day, [0, 100, 130, 240, 262, 366], [0.25, 0.0, 0.1, 1.1, 0.9, 0.25])
    level = 2.9 + 0.4 * spot.character - drawn + 0.004 * np.minimum(sky.wet_mm[2], 80.0)
    return level + 0.0007 * spot.noise("level", sky)


def pond_inflow(sky: Sky, spot: Spot) -> Floats:
    base = 4.0 + 3.0 * spot.character
    return base + 1.2 * sky.wet_mm[0] + 0.5 * np.minimum(sky.wet_mm[2], 60.0) + 0.12 * spot.noise("inflow", sky)


# ------------------------------------------------------------------ bridge


def bridge_temperature(sky: Sky, spot: Spot) -> Floats:
    sun = 3.0 * np.clip(sky.solar_w_m2 / 900.0, 0.0, 1.0)
    return damped_air(sky, spot, 2.0, 0.7) + sun + 0.006 * spot.noise("steel", sky)


def bridge_frequency(sky: Sky, spot: Spot) -> Floats:
    """Softer when warm; below freezing the pavement stiffens it much more (as seen on the Z24 bridge)."""
    warm = bridge_temperature(sky, spot)
    stiffer = -0.0018 * (warm - 15.0) + 0.006 * np.clip(-warm, 0.0, 10.0)
    return (2.6 + 3.2 * spot.character) * (1.0 + stiffer + 0.0012 * spot.noise("mode", sky))


def bridge_strain(sky: Sky, spot: Spot) -> Floats:
    """Temperature held back by the bearings, and the traffic of the hour."""
    traffic = 6.0 * _working(sky) * np.abs(spot.noise("traffic", sky)) / 2.0
    warm = 4.5 * (bridge_temperature(sky, spot) - 15.0)
    return 60.0 + 50.0 * spot.character + warm + traffic + 0.6 * spot.noise("gauge", sky)


def bridge_displacement(sky: Sky, spot: Spot) -> Floats:
    """A bearing's way by the deck's length: steel and concrete grow about 0.011 mm per m and °C."""
    length_m = 25.0 + 60.0 * spot.character
    return 0.011 * length_m * (bridge_temperature(sky, spot) - 15.0) + 0.02 * spot.noise("bearing", sky)


def _working(sky: Sky) -> Floats:
    """Traffic by the hour, 0 to 1."""
    morning = np.exp(-(((sky.hour - 8.0) / 1.6) ** 2))
    evening = np.exp(-(((sky.hour - 17.5) / 2.0) ** 2))
    return np.asarray(0.1 + 0.45 * np.exp(-(((sky.hour - 13.0) / 4.0) ** 2)) + 0.4 * (morning + evening))


# ------------------------------------------------------------------ sewer manhole


def household_water(sky: Sky) -> Floats:
    """Waste water by the hour, 0 to 1: a morning's and an evening's peak."""
    morning = np.exp(-(((sky.hour - 8.0) / 1.7) ** 2))
    evening = np.exp(-(((sky.hour - 20.5) / 2.3) ** 2))
    return np.asarray(np.clip(0.18 + 0.7 * morning + 0.62 * evening, 0.0, 1.0))


def sewer_level(sky: Sky, spot: Spot) -> Floats:
    sewage = 0.13 + 0.16 * (0.7 + 0.6 * spot.character) * household_water(sky)
    sewage += 0.025 * spot.slow("households", sky, 5.3)
    return sewage + 0.003 * np.minimum(sky.wet_mm[0], 25.0) + 0.003 * spot.noise("level", sky)


def sewer_hydrogen_sulfide(sky: Sky, spot: Spot) -> Floats:
    """It gathers where the water stands: at night, and more when it is warm; rain flushes it."""
    warm = np.exp((spot.air(sky) - 20.0) / 25.0)
    standing = 1.0 - 0.7 * household_water(sky)
    flushed = 1.0 / (1.0 + 0.15 * sky.wet_mm[0])
    return (0.8 + 1.4 * spot.character) * warm * standing * flushed + 0.3 + 0.04 * spot.noise("gas", sky)


def lithium_battery(sky: Sky, spot: Spot) -> Floats:
    return 3.58 + 0.0008 * (spot.air(sky) - 15.0) + 0.004 * spot.noise("battery", sky)


# ------------------------------------------------------------------ pump station


def pump_on(at_s: Floats, spot: Spot) -> Floats:
    """1 while the pump runs: about hourly, longer when much water is used."""
    period_s = 3000.0 + 1800.0 * spot.character
    cycle = at_s / period_s
    hour = (at_s + 9 * 3600) % DAY_S / 3600.0
    use = 0.42 + 0.16 * np.cos((hour - 9.0) * (2 * np.pi / 12)) * np.where((hour > 5) & (hour < 23), 1.0, 0.3)
    use += 0.06 * (uniform(spot.key("duty"), np.floor(cycle).astype(np.int64)) - 0.5)
    return np.where(cycle % 1.0 < use, 1.0, 0.0)


def pump_running(sky: Sky, spot: Spot) -> Floats:
    return pump_on(sky.at_s, spot)


def _pumping(sky: Sky, spot: Spot, name: str, *, running: float, stopped: float, spread: float) -> Floats:
    on = pump_on(sky.at_s, spot)
    return on * running + (1.0 - on) * stopped + (0.15 + 0.85 * on) * spread * spot.noise(name, sky)


def pump_vibration(sky: Sky, spot: Spot) -> Floats:
    return np.maximum(
        _pumping(sky, spot, "vibration", running=0.85 + 0.2 * spot.character, stopped=0.06, spread=0.05), 0.0
    )


def pump_current(sky: Sky, spot: Spot) -> Floats:
    return np.maximum(
        _pumping(sky, spot, "current", running=38.0 + 20.0 * spot.character, stopped=0.12, spread=0.5), 0.0
    )


def pump_flow(sky: Sky, spot: Spot) -> Floats:
    return np.maximum(_pumping(sky, spot, "flow", running=160.0 + 80.0 * spot.character, stopped=0.1, spread=1.6), 0.0)


def pump_pressure(sky: Sky, spot: Spot) -> Floats:
    return _pumping(sky, spot, "pressure", running=330.0 + 60.0 * spot.character, stopped=265.0, spread=2.0)


def bearing_temperature(sky: Sky, spot: Spot) -> Floats:
    """Warmed by running with a time constant of 30 minutes."""
    weights = np.exp(-np.arange(0, 90, 3) / 30.0)
    ran = np.stack([pump_on(sky.at_s - 180.0 * k, spot) for k in range(len(weights))], axis=1)
    recent = np.average(ran, axis=1, weights=weights)
    return 0.6 * spot.air(sky) + 12.0 + 22.0 * np.asarray(recent) + 0.12 * spot.noise("bearing", sky)


# ------------------------------------------------------------------ slope


def slope_tilt(sky: Sky, spot: Spot) -> Floats:
    """Still but for the warmth of the day; a rate of 0.01 °/h would be a precaution."""
    warm = 0.0004 * (damped_air(sky, spot, 3.0, 0.4) - 15.0)
    return 0.5 * spot.character + warm + 0.0003 * spot.noise("tilt", sky)


def slope_pore_pressure(sky: Sky, spot: Spot) -> Floats:
    return (
        3.0
        + 4.0 * spot.character
        + 0.09 * np.minimum(sky.wet_mm[1] + sky.wet_mm[2], 80.0)
        + 0.04 * spot.noise("pore", sky)
    )


def slope_moisture(sky: Sky, spot: Spot) -> Floats:
    return 24.0 + 5.0 * spot.character + 0.22 * np.minimum(sky.wet_mm[2], 60.0) + 0.1 * spot.noise("moisture", sky)


def gate_at_rest(sky: Sky, _: Spot) -> Floats:
    """Shut, while nobody moves it: live, `gates.py` says where it is."""
    return np.zeros_like(sky.at_s)


LAWS: Mapping[str, Mapping[str, Law]] = MappingProxyType(
    {
        "paddy": {
            "water_level": paddy_level,
            "water_temperature": paddy_water_temperature,
            "soil_temperature": soil_temperature,
            "soil_moisture": paddy_soil_moisture,
            "gate_opening": gate_at_rest,
            "gate_moving": gate_at_rest,
        },
        "upland_field": STATION,
        "orchard": STATION,
        "greenhouse": {
            "air_temperature": greenhouse_temperature,
            "relative_humidity": greenhouse_humidity,
            "co2": greenhouse_co2,
            "solar_radiation": greenhouse_solar,
            "soil_moisture": greenhouse_moisture,
        },
        "cattle_barn": {
            "air_temperature": barn_temperature,
            "relative_humidity": barn_humidity,
            "ammonia": barn_ammonia,
        },
        "irrigation_pond": {"water_level": pond_level, "inflow": pond_inflow, "rain": rain_gauge},
        "bridge": {
            "natural_frequency": bridge_frequency,
            "structure_temperature": bridge_temperature,
            "strain": bridge_strain,
            "displacement": bridge_displacement,
        },
        "sewer_manhole": {
            "water_level": sewer_level,
            "hydrogen_sulfide": sewer_hydrogen_sulfide,
            "battery": lithium_battery,
        },
        "pump_station": {
            "pump_running": pump_running,
            "vibration": pump_vibration,
            "motor_current": pump_current,
            "flow": pump_flow,
            "pressure": pump_pressure,
            "bearing_temperature": bearing_temperature,
        },
        "slope": {
            "tilt": slope_tilt,
            "pore_pressure": slope_pore_pressure,
            "soil_moisture": slope_moisture,
            "rain": rain_gauge,
        },
    }
)
