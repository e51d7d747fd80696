"""Reference evapotranspiration and the dual crop coefficient, after FAO-56."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.air import FAO56, actual_vapour_pressure, saturation_vapour_pressure
from satomori_analytics.indicators.base import Floats, Indicator, aligned, array

_SOLAR = 0.0820  # MJ/(m2.min), eq. 21
_CLOUDY = 0.3  # least Rs/Rso, as ASCE-EWRI 2005 and its libraries bound it; FAO-56 names only the upper bound, 1
_STEFAN = 4.903e-9  # MJ/(K4.m2.d), eq. 39


def air_pressure(elevation_m: ArrayLike) -> Floats:
    """Of the standard atmosphere at an elevation, kPa."""
    return array(101.3 * ((293 - 0.0065 * array(elevation_m)) / 293) ** 5.26)


def psychrometric_constant(elevation_m: ArrayLike) -> Floats:
    """0.665e-3 P, kPa/°C."""
    return 0.000665 * air_pressure(elevation_m)


def wind_at_2m(u_ms: ArrayLike, height_m: ArrayLike) -> Floats:
    """Wind speed [m/s] measured at a height over short grass, brought to 2 m by the logarithmic profile."""
    return array(array(u_ms) * 4.87 / np.log(67.8 * array(height_m) - 5.42))


def _sunset_angle(latitude: Floats, declination: Floats) -> Floats:
    return array(np.arccos(np.clip(-np.tan(latitude) * np.tan(declination), -1, 1)))


def _declination(doy: Floats) -> Floats:
    return array(0.409 * np.sin(2 * np.pi * doy / 365 - 1.39))


def _distance(doy: Floats) -> Floats:
    """Inverse relative distance of earth and sun, eq. 23."""
    return array(1 + 0.033 * np.cos(2 * np.pi * doy / 365))


def extraterrestrial_radiation(lat_deg: ArrayLike, doy: ArrayLike) -> Floats:
    """Ra of a day, MJ/m2."""
    phi, doy = np.radians(array(lat_deg)), array(doy)
    delta = _declination(doy)
    omega = _sunset_angle(phi, delta)
    height = omega * np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.sin(omega)
    return array(24 * 60 / np.pi * _SOLAR * _distance(doy) * height)


def extraterrestrial_radiation_hourly(
    lat_deg: ArrayLike, lon_deg: ArrayLike, doy: ArrayLike, hour_utc: ArrayLike, span_h: ArrayLike = 1.0
) -> Floats:
    """Ra of a span (an hour or less) whose middle is hour_utc, MJ/m2 in that span. Longitude east of Greenwich."""
    phi, doy = np.radians(array(lat_deg)), array(doy)
    delta, omega_sunset = _declination(doy), _sunset_angle(phi, _declination(doy))
    solar_h = array(hour_utc) + array(lon_deg) / 15 + seasonal_correction(doy)
    omega = (np.pi / 12 * (solar_h - 12) + np.pi) % (2 * np.pi) - np.pi
    half = np.pi * array(span_h) / 24
    start, end = (np.clip(omega + side, -omega_sunset, omega_sunset) for side in (-half, half))
    height = (end - start) * np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * (np.sin(end) - np.sin(start))
    return array(np.maximum(12 * 60 / np.pi * _SOLAR * _distance(doy) * height, 0))


def seasonal_correction(doy: ArrayLike) -> Floats:
    """By how much the sun is ahead of the clock, h, eq. 32 and 33."""
    b = 2 * np.pi * (array(doy) - 81) / 364
    return array(0.1645 * np.sin(2 * b) - 0.1255 * np.cos(b) - 0.025 * np.sin(b))


def daylight_hours(lat_deg: ArrayLike, doy: ArrayLike) -> Floats:
    """24/π times the sunset hour angle, h."""
    return 24 / np.pi * _sunset_angle(np.radians(array(lat_deg)), _declination(array(doy)))


def solar_radiation(
    ra_mj: ArrayLike,
    *,
    sunshine_h: ArrayLike | None = None,
    daylight_h: ArrayLike | None = None,
    tmax_c: ArrayLike | None = None,
    tmin_c: ArrayLike | None = None,
    krs: ArrayLike = 0.16,
) -> Floats:
    """Rs of a day in MJ/m2 from Ra: from sunshine and daylight (eq. 35), or else from the span of temperature (eq. 50).

    krs is 0.16 inland, 0.19 at the coast.
    """
    if sunshine_h is not None and daylight_h is not None:
        return (0.25 + 0.5 * array(sunshine_h) / array(daylight_h)) * array(ra_mj)
    if tmax_c is None or tmin_c is None:
        raise ValueError("sunshine_h with daylight_h, or tmax_c with tmin_c, is needed")
    return array(array(krs) * np.sqrt(np.maximum(array(tmax_c) - array(tmin_c), 0)) * array(ra_mj))


def soil_heat_flux_monthly(t_month_c: ArrayLike, t_before_c: ArrayLike, t_after_c: ArrayLike | None = None) -> Floats:
    """G of a month, MJ/(m2.d): 0.07 (next - before) where the next month is known, else 0.14 (month - before)."""
    if t_after_c is None:
        return 0.14 * (array(t_month_c) - array(t_before_c))
    return 0.07 * (array(t_after_c) - array(t_before_c)) + 0 * array(t_month_c)


def _slope(t_c: Floats) -> Floats:
    """Of the saturation vapour pressure curve, kPa/°C, eq. 13."""
    return array(4098 * saturation_vapour_pressure(t_c) / (t_c + 237.3) ** 2)


def et0_daily(
    lat_deg: ArrayLike,
    elevation_m: ArrayLike,
    doy: ArrayLike,
    *,
    tmax_c: ArrayLike,
    tmin_c: ArrayLike,
    rhmax: ArrayLike | None = None,
    rhmin: ArrayLike | None = None,
    ea_kpa: ArrayLike | None = None,
    u2_ms: ArrayLike = 2.0,
    wind_height_m: ArrayLike = 2.0,
    rs_mj: ArrayLike | None = None,
    sunshine_h: ArrayLike | None = None,
    krs: ArrayLike = 0.16,
    g_mj: ArrayLike = 0.0,
) -> dict[str, Floats]:
    """Penman-Monteith for grass (eq. 6). What is missing is estimated as FAO-56 does it.

    Without humidity (rhmax and rhmin, or ea_kpa) the dew point is Tmin; without wind it is 2 m/s; without radiation and
    sunshine, krs times the root of the temperature span (0.16 inland, 0.19 at the coast). A month: its means, the day
    of year of its middle, and g_mj of `soil_heat_flux_monthly`. u2_ms is the wind at wind_height_m. Answers
    eto [mm/d], rn and rs [MJ/(m2.d)], ea [kPa], u2 [m/s].
    """
    tmax, tmin = array(tmax_c), array(tmin_c)
    if np.any(tmax < tmin):
        raise ValueError("tmax_c: below tmin_c")
    mean = (tmax + tmin) / 2
    saturated = (saturation_vapour_pressure(tmax) + saturation_vapour_pressure(tmin)) / 2
    if ea_kpa is not None:
        actual = array(ea_kpa)
    elif rhmax is None or rhmin is None:
        actual = saturation_vapour_pressure(tmin)
    else:
        actual = actual_vapour_pressure(tmax, tmin, rhmax, rhmin)
    ra = extraterrestrial_radiation(lat_deg, doy)
    rs = array(rs_mj) if rs_mj is not None else solar_radiation(
        ra, sunshine_h=sunshine_h, daylight_h=daylight_hours(lat_deg, doy), tmax_c=tmax, tmin_c=tmin, krs=krs
    )  # fmt: skip
    clear = np.maximum((0.75 + 2e-5 * array(elevation_m)) * ra, 1e-9)
    longwave = (
        _STEFAN * ((tmax + 273.16) ** 4 + (tmin + 273.16) ** 4) / 2
        * (0.34 - 0.14 * np.sqrt(actual)) * (1.35 * np.clip(rs / clear, _CLOUDY, 1) - 0.35)
    )  # fmt: skip
    rn = 0.77 * rs - longwave
    gamma, slope = psychrometric_constant(elevation_m), _slope(mean)
    u2 = _at_2m(u2_ms, wind_height_m)
    wind_term = gamma * 900 / (mean + 273) * u2 * (saturated - actual)
    eto = (0.408 * slope * (rn - array(g_mj)) + wind_term) / (slope + gamma * (1 + 0.34 * u2))
    return {"eto": array(eto), "rn": array(rn), "rs": array(rs), "ea": actual, "u2": u2}


def _at_2m(u_ms: ArrayLike, height_m: ArrayLike) -> Floats:
    """As measured where that was at 2 m: the profile gives 1.0002 there."""
    height = array(height_m)
    return np.where(height == 2, array(u_ms), wind_at_2m(u_ms, np.maximum(height, 0.1)))


def et0_hourly(
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    elevation_m: ArrayLike,
    doy: ArrayLike,
    hour_utc: ArrayLike,
    *,
    t_c: ArrayLike,
    rh: ArrayLike,
    u2_ms: ArrayLike,
    rs_mj: ArrayLike,
    night_rs_rso: ArrayLike = 0.8,
) -> dict[str, Floats]:
    """Penman-Monteith of one hour (eq. 53); hour_utc is the hour's middle, longitude counts east.

    As in FAO-56 the wind's factor is 0.34 by day and night (ASCE-EWRI 2005: 0.24 and 0.96, so it evaporates more by
    day). G is 0.1 Rn by day and 0.5 Rn by night (eq. 45, 46). night_rs_rso: cloudiness Rs/Rso two to three hours before
    sunset, which stands in where the sun is down; FAO-56 takes 0.4 to 0.6 in humid and 0.7 to 0.8 in arid climates.
    Answers eto [mm/h], rn and g [MJ/(m2.h)].
    """
    t, rs = array(t_c), array(rs_mj)
    ra = extraterrestrial_radiation_hourly(lat_deg, lon_deg, doy, hour_utc)
    clear = (0.75 + 2e-5 * array(elevation_m)) * ra
    # A sun this low says nothing about the clouds.
    ratio = np.where(clear <= 0.1, array(night_rs_rso), np.clip(rs / np.maximum(clear, 1e-9), _CLOUDY, 1))
    saturated = saturation_vapour_pressure(t)
    actual = saturated * array(rh) / 100
    longwave = _STEFAN / 24 * (t + 273.16) ** 4 * (0.34 - 0.14 * np.sqrt(actual)) * (1.35 * ratio - 0.35)
    rn = 0.77 * rs - longwave
    g = np.where(rn > 0, 0.1, 0.5) * rn
    gamma, slope, u2 = psychrometric_constant(elevation_m), _slope(t), array(u2_ms)
    eto = (0.408 * slope * (rn - g) + gamma * 37 / (t + 273) * u2 * (saturated - actual)) / (
        slope + gamma * (1 + 0.34 * u2)
    )
    return {"eto": array(eto), "rn": array(rn), "g": array(g)}


def et0_hargreaves(lat_deg: ArrayLike, doy: ArrayLike, tmax_c: ArrayLike, tmin_c: ArrayLike) -> Floats:
    """0.0023 (Tmean + 17.8) (Tmax - Tmin)^0.5 Ra in mm/d: for where only temperatures are known."""
    tmax, tmin = array(tmax_c), array(tmin_c)
    ra_mm = 0.408 * extraterrestrial_radiation(lat_deg, doy)
    return array(0.0023 * ((tmax + tmin) / 2 + 17.8) * np.sqrt(np.maximum(tmax - tmin, 0)) * ra_mm)


def crop_evapotranspiration(et0: ArrayLike, kc: ArrayLike, ks: ArrayLike = 1.0) -> Floats:
    """Ks Kc ET0, mm/d."""
    return array(ks) * array(kc) * array(et0)


def total_evaporable_water(fc: ArrayLike, wp: ArrayLike, ze_m: ArrayLike = 0.10) -> Floats:
    """1000 (FC - 0.5 WP) Ze, mm: what can evaporate from the surface layer, 0.10 to 0.15 m deep."""
    return 1000 * (array(fc) - 0.5 * array(wp)) * array(ze_m)


def kc_max(u2: ArrayLike, rhmin: ArrayLike, kcb: ArrayLike, h: ArrayLike) -> Floats:
    """Most that the crop coefficient can be just after rain; wind at 2 m [m/s], RHmin [%], crop height h [m]."""
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
    if not rew_mm < tew_mm:
        raise ValueError("rew_mm: less than tew_mm")
    days = aligned(et0=et0, rain_less_runoff=rain_less_runoff, irrigation_over_fw=irrigation_over_fw, few=few, kcb=kcb)
    kr, ke, end = (np.empty(len(days[0])) for _ in range(3))
    depletion = depletion_mm
    for i, (et, rain, water, wet, basal) in enumerate(zip(*days, strict=True)):
        # np.clip, unlike min and max, hands a missing day on to all that follow.
        start = np.clip(depletion - rain - water, 0.0, tew_mm)
        kr[i] = np.clip((tew_mm - start) / (tew_mm - rew_mm), 0.0, 1.0)
        ke[i] = np.clip(kr[i] * (kc_max - basal), 0.0, wet * kc_max)
        depletion = end[i] = np.clip(start + ke[i] * et / wet, 0.0, tew_mm)
    return {"kr": kr, "ke": ke, "kc": ke + days[4], "depletion": end}


_LAT = {"lat_deg": (-90.0, 90.0)}
_PLACE = {**_LAT, "elevation_m": (-500.0, 9000.0)}
_CLOCK = {"lon_deg": (-180.0, 180.0), "hour_utc": (-24.0, 48.0)}
INDICATORS = (
    Indicator("air_pressure", air_pressure, "kPa", {"elevation_m": "m"}, f"{FAO56} eq. 7", "C", "気圧", "Air pressure",
              ranges={"elevation_m": _PLACE["elevation_m"]}),
    Indicator("psychrometric_constant", psychrometric_constant, "kPa/Cel", {"elevation_m": "m"}, f"{FAO56} eq. 8", "C",
              "乾湿計定数", "Psychrometric constant", ranges={"elevation_m": _PLACE["elevation_m"]}),
    Indicator("wind_at_2m", wind_at_2m, "m/s", {"u_ms": "m/s", "height_m": "m"}, f"{FAO56} eq. 47", "C",
              "2 m 高の風速", "Wind speed at 2 m", ranges={"height_m": (0.1, 300)}),
    Indicator("extraterrestrial_radiation", extraterrestrial_radiation, "MJ/m2", {"lat_deg": "deg",
              "doy": "day of year"},
              f"{FAO56} eq. 21", "C", "大気外日射量", "Extraterrestrial radiation of a day",
              ranges=_LAT),
    Indicator("daylight_hours", daylight_hours, "h", {"lat_deg": "deg", "doy": "day of year"}, f"{FAO56} eq. 34", "C",
              "可照時間", "Daylight hours", ranges=_LAT),
    Indicator("extraterrestrial_radiation_hourly", extraterrestrial_radiation_hourly, "MJ/m2",
              {"lat_deg": "deg", "lon_deg": "deg", "doy": "day of year", "hour_utc": "h", "span_h": "h"},
              f"{FAO56} eq. 28", "C", "大気外日射量（時）", "Extraterrestrial radiation of an hour",
              ranges={**_LAT, **_CLOCK, "span_h": (0, 1)}),
    Indicator("solar_radiation", solar_radiation, "MJ/m2",
              {"ra_mj": "MJ/m2", "sunshine_h": "h", "daylight_h": "h", "tmax_c": "Cel", "tmin_c": "Cel", "krs": "1"},
              f"{FAO56} eq. 35 and 50, ex. 10 and 15 (recalled)", "C", "日射量の推定", "Solar radiation, estimated",
              ranges={"sunshine_h": (0, 24), "daylight_h": (0, 24), "krs": (0.1, 0.25)}),
    Indicator("soil_heat_flux_monthly", soil_heat_flux_monthly, "MJ/(m2.d)",
              {"t_month_c": "Cel", "t_before_c": "Cel", "t_after_c": "Cel"}, f"{FAO56} eq. 43 and 44, ex. 13", "C",
              "地中熱流量（月）", "Soil heat flux of a month"),
    Indicator("et0_daily", et0_daily, "mm/d",
              {"lat_deg": "deg", "elevation_m": "m", "doy": "day of year", "tmax_c": "Cel", "tmin_c": "Cel",
               "rhmax": "%", "rhmin": "%", "ea_kpa": "kPa", "u2_ms": "m/s", "wind_height_m": "m", "rs_mj": "MJ/m2",
               "sunshine_h": "h", "krs": "1", "g_mj": "MJ/(m2.d)"},
              f"{FAO56} eq. 6, ex. 17, 18 and 20", "C", "基準蒸発散量（日・月平均）",
              "Reference evapotranspiration, daily",
              ranges={**_PLACE, "wind_height_m": (0.1, 100), "sunshine_h": (0, 24), "krs": (0.1, 0.25)}),
    Indicator("et0_hourly", et0_hourly, "mm/h",
              {"lat_deg": "deg", "lon_deg": "deg", "elevation_m": "m", "doy": "day of year", "hour_utc": "h",
               "t_c": "Cel", "rh": "%", "u2_ms": "m/s", "rs_mj": "MJ/m2", "night_rs_rso": "1"},
              f"{FAO56} eq. 53, ex. 19", "C", "基準蒸発散量（時）", "Reference evapotranspiration, hourly",
              ranges={**_PLACE, **_CLOCK, "rs_mj": (0, 6), "night_rs_rso": (0.3, 1)}),
    Indicator("et0_hargreaves", et0_hargreaves, "mm/d",
              {"lat_deg": "deg", "doy": "day of year", "tmax_c": "Cel", "tmin_c": "Cel"}, f"{FAO56} eq. 52, ex. 20",
              "C", "基準蒸発散量（ハーグリーブス）", "Reference evapotranspiration, Hargreaves", ranges=_LAT),
    Indicator("crop_evapotranspiration", crop_evapotranspiration, "mm/d", {"et0": "mm/d", "kc": "1", "ks": "1"},
              f"{FAO56} eq. 58 and 81", "X", "作物蒸発散量", "Crop evapotranspiration",
              ranges={"kc": (0, 2), "ks": (0, 1)}),
    Indicator("total_evaporable_water", total_evaporable_water, "mm", {"fc": "m3/m3", "wp": "m3/m3", "ze_m": "m"},
              f"{FAO56} eq. 73", "C", "表層の可蒸発水分量（TEW）", "Total evaporable water",
              ranges={"fc": (0, 1), "wp": (0, 1), "ze_m": (0, 1)}),
    Indicator("kc_max", kc_max, "1", {"u2": "m/s", "rhmin": "%", "kcb": "1", "h": "m"}, f"{FAO56} eq. 72", "C",
              "作物係数の上限", "Upper limit of the crop coefficient", ranges={"kcb": (0, 2), "h": (0, 40)}),
    Indicator("dual_crop_coefficient", dual_crop_coefficient, "1",
              {"tew_mm": "mm", "rew_mm": "mm", "kc_max": "1", "depletion_mm": "mm", "et0": "mm/d, list",
               "rain_less_runoff": "mm, list", "irrigation_over_fw": "mm, list", "few": "1, list", "kcb": "1, list"},
              f"{FAO56} ch. 7, ex. 35", "C", "二重作物係数", "Dual crop coefficient",
              ranges={"kc_max": (0, 2), "few": (0.01, 1), "kcb": (0, 2)}),
)  # fmt: skip
