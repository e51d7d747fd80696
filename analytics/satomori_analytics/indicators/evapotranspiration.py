"""Reference evapotranspiration and the dual crop coefficient, after FAO-56."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.air import FAO56, actual_vapour_pressure, saturation_vapour_pressure
from satomori_analytics.indicators.base import Floats, Indicator, array

_SOLAR = 0.0820  # MJ/(m2.min), eq. 21
_STEFAN = 4.903e-9  # MJ/(K4.m2.d), eq. 39


def air_pressure(elevation_m: ArrayLike) -> Floats:
    return array(101.3 * ((293 - 0.0065 * array(elevation_m)) / 293) ** 5.26)


def psychrometric_constant(elevation_m: ArrayLike) -> Floats:
    return 0.000665 * air_pressure(elevation_m)


def wind_at_2m(u_ms: ArrayLike, height_m: ArrayLike) -> Floats:
    return array(array(u_ms) * 4.87 / np.log(67.8 * array(height_m) - 5.42))


def _sunset_angle(latitude: Floats, declination: Floats) -> Floats:
    return array(np.arccos(np.clip(-np.tan(latitude) * np.tan(declination), -1, 1)))


def _declination(doy: Floats) -> Floats:
    return array(0.409 * np.sin(2 * np.pi * doy / 365 - 1.39))


def extraterrestrial_radiation(lat_deg: ArrayLike, doy: ArrayLike) -> Floats:
    """Ra of a day, MJ/(m2.d)."""
    phi, doy = np.radians(array(lat_deg)), array(doy)
    delta, distance = _declination(doy), 1 + 0.033 * np.cos(2 * np.pi * doy / 365)
    omega = _sunset_angle(phi, delta)
    height = omega * np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.sin(omega)
    return array(24 * 60 / np.pi * _SOLAR * distance * height)


def daylight_hours(lat_deg: ArrayLike, doy: ArrayLike) -> Floats:
    return 24 / np.pi * _sunset_angle(np.radians(array(lat_deg)), _declination(array(doy)))


def _shortwave(ra: Floats, daylight: Floats, sunshine_h: ArrayLike | None, krs: ArrayLike, span_c: Floats) -> Floats:
    """Rs from sunshine (eq. 35) or, without it, from the span of temperature (eq. 50)."""
    if sunshine_h is not None:
        return (0.25 + 0.5 * array(sunshine_h) / daylight) * ra
    return array(array(krs) * np.sqrt(np.maximum(span_c, 0)) * ra)


def et0_daily(
    lat_deg: ArrayLike,
    elevation_m: ArrayLike,
    doy: ArrayLike,
    *,
    tmax_c: ArrayLike,
    tmin_c: ArrayLike,
    rhmax: ArrayLike | None = None,
    rhmin: ArrayLike | None = None,
    u2_ms: ArrayLike = 2.0,
    rs_mj: ArrayLike | None = None,
    sunshine_h: ArrayLike | None = None,
    krs: ArrayLike = 0.16,
) -> dict[str, Floats]:
    """Penman-Monteith for grass (eq. 6). What is missing is estimated as FAO-56 does it.

    Without humidity the dew point is Tmin; without wind it is 2 m/s; without radiation and sunshine, krs times the
    root of the temperature span (0.16 inland, 0.19 at the coast). Answers eto [mm/d], rn and rs [MJ/(m2.d)], ea [kPa].
    """
    tmax, tmin = array(tmax_c), array(tmin_c)
    mean = (tmax + tmin) / 2
    saturated = (saturation_vapour_pressure(tmax) + saturation_vapour_pressure(tmin)) / 2
    if rhmax is None or rhmin is None:
        actual = saturation_vapour_pressure(tmin)
    else:
        actual = actual_vapour_pressure(tmax, tmin, rhmax, rhmin)
    ra = extraterrestrial_radiation(lat_deg, doy)
    rs = array(rs_mj) if rs_mj is not None else _shortwave(
        ra, daylight_hours(lat_deg, doy), sunshine_h, krs, tmax - tmin
    )  # fmt: skip
    clear = np.maximum((0.75 + 2e-5 * array(elevation_m)) * ra, 1e-9)
    longwave = (
        _STEFAN * ((tmax + 273.16) ** 4 + (tmin + 273.16) ** 4) / 2
        * (0.34 - 0.14 * np.sqrt(actual)) * (1.35 * np.minimum(rs / clear, 1) - 0.35)
    )  # fmt: skip
    rn = 0.77 * rs - longwave
    slope = 4098 * saturation_vapour_pressure(mean) / (mean + 237.3) ** 2
    gamma, u2 = psychrometric_constant(elevation_m), array(u2_ms)
    wind_term = gamma * 900 / (mean + 273) * u2 * (saturated - actual)
    eto = (0.408 * slope * rn + wind_term) / (slope + gamma * (1 + 0.34 * u2))
    return {"eto": array(eto), "rn": array(rn), "rs": array(rs), "ea": actual}


def kc_max(u2: ArrayLike, rhmin: ArrayLike, kcb: ArrayLike, h: ArrayLike) -> Floats:
    climate = 0.04 * (array(u2) - 2) - 0.004 * (array(rhmin) - 45)
    return array(np.maximum(1.2 + climate * (array(h) / 3) ** 0.3, array(kcb) + 0.05))


def dual_crop_coefficient(
    tew_mm: float,
    rew_mm: float,
    kc_max: float,
    *,
    depletion_mm: float,
    et0: ArrayLike,
    rain_less_runoff: ArrayLike,
    irrigation_over_fw: ArrayLike,
    few: ArrayLike,
    kcb: ArrayLike,
) -> dict[str, Floats]:
    """Day by day: kr, ke, kc and the surface layer's depletion at the day's end. Water comes early in the day."""
    days = np.broadcast_arrays(*map(array, (et0, rain_less_runoff, irrigation_over_fw, few, kcb)))
    kr, ke, end = (np.empty(len(days[0])) for _ in range(3))
    depletion = depletion_mm
    for i, (et, rain, water, wet, basal) in enumerate(zip(*days, strict=True)):
        start = min(max(depletion - rain - water, 0.0), tew_mm)
        kr[i] = 1.0 if start <= rew_mm else max((tew_mm - start) / (tew_mm - rew_mm), 0.0)
        ke[i] = max(min(kr[i] * (kc_max - basal), wet * kc_max), 0.0)
        depletion = end[i] = min(start + ke[i] * et / wet, tew_mm)
    return {"kr": kr, "ke": ke, "kc": ke + days[4], "depletion": end}


INDICATORS = (
    Indicator("air_pressure", air_pressure, "kPa", {"elevation_m": "m"}, f"{FAO56} eq. 7", "C", "気圧", "Air pressure"),
    Indicator("psychrometric_constant", psychrometric_constant, "kPa/Cel", {"elevation_m": "m"}, f"{FAO56} eq. 8", "C",
              "乾湿計定数", "Psychrometric constant"),
    Indicator("wind_at_2m", wind_at_2m, "m/s", {"u_ms": "m/s", "height_m": "m"}, f"{FAO56} eq. 47", "C",
              "2 m 高の風速", "Wind speed at 2 m"),
    Indicator("extraterrestrial_radiation", extraterrestrial_radiation, "MJ/m2", {"lat_deg": "deg",
              "doy": "day of year"},
              f"{FAO56} eq. 21", "C", "大気外日射量", "Extraterrestrial radiation of a day"),
    Indicator("daylight_hours", daylight_hours, "h", {"lat_deg": "deg", "doy": "day of year"}, f"{FAO56} eq. 34", "C",
              "可照時間", "Daylight hours"),
    Indicator("et0_daily", et0_daily, "mm/d",
              {"lat_deg": "deg", "elevation_m": "m", "doy": "day of year", "tmax_c": "Cel", "tmin_c": "Cel",
               "rhmax": "%", "rhmin": "%", "u2_ms": "m/s", "rs_mj": "MJ/m2", "sunshine_h": "h", "krs": "1"},
              f"{FAO56} eq. 6, ex. 18 and 20", "C", "基準蒸発散量（日）", "Reference evapotranspiration, daily"),
    Indicator("kc_max", kc_max, "1", {"u2": "m/s", "rhmin": "%", "kcb": "1", "h": "m"}, f"{FAO56} eq. 72", "C",
              "作物係数の上限", "Upper limit of the crop coefficient"),
    Indicator("dual_crop_coefficient", dual_crop_coefficient, "1",
              {"tew_mm": "mm", "rew_mm": "mm", "kc_max": "1", "depletion_mm": "mm", "et0": "mm/d, list",
               "rain_less_runoff": "mm, list", "irrigation_over_fw": "mm, list", "few": "1, list", "kcb": "1, list"},
              f"{FAO56} ch. 7, ex. 35", "C", "二重作物係数", "Dual crop coefficient"),
)  # fmt: skip
