"""Air: vapour pressures, dew point, wet bulb, humidity deficit, heat stress of cattle, frost."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.base import Floats, Indicator, Texts, array, choose

FAO56 = "FAO Irrigation and Drainage Paper 56 (Allen et al. 1998)"


def saturation_vapour_pressure(t_c: ArrayLike) -> Floats:
    return array(0.6108 * np.exp(17.27 * array(t_c) / (array(t_c) + 237.3)))


def mean_saturation_vapour_pressure(tmax_c: ArrayLike, tmin_c: ArrayLike) -> Floats:
    return (saturation_vapour_pressure(tmax_c) + saturation_vapour_pressure(tmin_c)) / 2


def actual_vapour_pressure(tmax_c: ArrayLike, tmin_c: ArrayLike, rhmax: ArrayLike, rhmin: ArrayLike) -> Floats:
    high = saturation_vapour_pressure(tmax_c) * array(rhmin)
    return (saturation_vapour_pressure(tmin_c) * array(rhmax) + high) / 200


def vapour_pressure_deficit(tmax_c: ArrayLike, tmin_c: ArrayLike, rhmax: ArrayLike, rhmin: ArrayLike) -> Floats:
    return mean_saturation_vapour_pressure(tmax_c, tmin_c) - actual_vapour_pressure(tmax_c, tmin_c, rhmax, rhmin)


def dew_point(t_c: ArrayLike, rh: ArrayLike) -> Floats:
    """Inverse of the Magnus form with Alduchov and Eskridge's constants; no value at 0 % humidity."""
    t, rh = array(t_c), array(rh)
    gamma = np.log(np.where(rh > 0, rh, np.nan) / 100) + 17.625 * t / (243.04 + t)
    return array(243.04 * gamma / (17.625 - gamma))


def wet_bulb(t_c: ArrayLike, rh: ArrayLike) -> Floats:
    t, rh = array(t_c), array(rh)
    return array(
        t * np.arctan(0.151977 * np.sqrt(rh + 8.313659))
        + np.arctan(t + rh)
        - np.arctan(rh - 1.676331)
        + 0.00391838 * rh**1.5 * np.arctan(0.023101 * rh)
        - 4.686035
    )


def humidity_deficit(t_c: ArrayLike, rh: ArrayLike) -> Floats:
    """飽差: what the air could still take up. Tetens over water, 217 e/T."""
    t = array(t_c)
    vapour_hpa = 6.1078 * 10 ** (7.5 * t / (t + 237.3))
    return array((1 - array(rh) / 100) * 217 * vapour_hpa / (t + 273.15))


def thi(t_c: ArrayLike, rh: ArrayLike) -> Floats:
    t = array(t_c)
    return array(0.8 * t + array(rh) / 100 * (t - 14.4) + 46.4)


def thi_level(thi: ArrayLike) -> Texts:
    return choose(thi, (72, 79, 89), ("none", "mild", "severe", "very_severe"))


def cattle_sensible_temperature(db_c: ArrayLike, wb_c: ArrayLike) -> Floats:
    return 0.35 * array(db_c) + 0.65 * array(wb_c)


def frost_minimum(
    t0: ArrayLike, td: ArrayLike, tn: ArrayLike, predict_t0: float, predict_td: float
) -> dict[str, float]:
    """Tonight's minimum from past clear nights: Tn on T0 first, then the residual on the dew point.

    t0, td: temperature and dew point two hours after sunset; tn: the nights' minima. A joint fit gives another number.
    """
    t0, td, tn = array(t0), array(td), array(tn)
    if not len(t0) == len(td) == len(tn) or len(t0) < 3:
        raise ValueError("t0, td and tn are lists of one length, three nights or more")
    a, c1 = np.polyfit(t0, tn, 1)
    b, c2 = np.polyfit(td, tn - (a * t0 + c1), 1)
    c = c1 + c2
    return {"a": float(a), "b": float(b), "c": float(c), "tmin": float(a * predict_t0 + b * predict_td + c)}


def frost_advisory(tmin_c: ArrayLike, limit_c: ArrayLike, in_season: bool) -> Floats:
    """1 where a frost advisory would stand: the forecast minimum is at or below the district's limit in its season."""
    return np.where(in_season, array(tmin_c) <= array(limit_c), False).astype(float)


_RH = "%"
INDICATORS = (
    Indicator("saturation_vapour_pressure", saturation_vapour_pressure, "kPa", {"t_c": "Cel"}, f"{FAO56} eq. 11", "C",
              "飽和水蒸気圧", "Saturation vapour pressure"),
    Indicator("mean_saturation_vapour_pressure", mean_saturation_vapour_pressure, "kPa",
              {"tmax_c": "Cel", "tmin_c": "Cel"}, f"{FAO56} eq. 12", "C",
              "日平均飽和水蒸気圧", "Mean saturation vapour pressure"),
    Indicator("actual_vapour_pressure", actual_vapour_pressure, "kPa",
              {"tmax_c": "Cel", "tmin_c": "Cel", "rhmax": _RH, "rhmin": _RH}, f"{FAO56} eq. 17", "C",
              "実水蒸気圧", "Actual vapour pressure"),
    Indicator("vapour_pressure_deficit", vapour_pressure_deficit, "kPa",
              {"tmax_c": "Cel", "tmin_c": "Cel", "rhmax": _RH, "rhmin": _RH}, f"{FAO56} ch. 3", "C",
              "飽差（水蒸気圧）", "Vapour pressure deficit"),
    Indicator("dew_point", dew_point, "Cel", {"t_c": "Cel", "rh": _RH},
              "Magnus form, constants of Alduchov and Eskridge 1996 (recalled, not checked)", "X", "露点温度",
              "Dew point"),
    Indicator("wet_bulb", wet_bulb, "Cel", {"t_c": "Cel", "rh": _RH}, "Stull 2011", "X", "湿球温度",
              "Wet-bulb temperature"),
    Indicator("humidity_deficit", humidity_deficit, "g/m3", {"t_c": "Cel", "rh": _RH},
              "Tetens, 217 e/T; growers' table (good 3-6 g/m3)", "X", "飽差", "Humidity deficit"),
    Indicator("thi", thi, "1", {"t_c": "Cel", "rh": _RH}, "Mader et al. 2006: 0.8 T + RH (T - 14.4) + 46.4", "C",
              "温湿度指数（THI）", "Temperature-humidity index"),
    Indicator("thi_level", thi_level, "class", {"thi": "1"}, "酪農総研 72/79/89, half-open", "R",
              "暑熱ストレス区分", "Cattle heat-stress class"),
    Indicator("cattle_sensible_temperature", cattle_sensible_temperature, "Cel", {"db_c": "Cel", "wb_c": "Cel"},
              "酪農学園大学: 0.35 DB + 0.65 WB", "X", "牛の体感温度", "Cattle sensible temperature"),
    Indicator("frost_minimum", frost_minimum, "Cel",
              {"t0": "Cel, list", "td": "Cel, list", "tn": "Cel, list", "predict_t0": "Cel", "predict_td": "Cel"},
              "FAO Frost Protection vol. 1 ch. 5 (Snyder 2005), two steps", "C",
              "今夜の最低気温（放射霜）", "Minimum temperature tonight"),
    Indicator("frost_advisory", frost_advisory, "{bool}", {"tmin_c": "Cel", "limit_c": "Cel",
              "in_season": "true/false"},
              "JMA 霜注意報 (district limits and seasons differ)", "R", "霜注意報の目安", "Frost advisory"),
)  # fmt: skip
