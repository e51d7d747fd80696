"""Air: vapour pressures, dew point, wet bulb, humidity deficit, heat stress of cattle, frost."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.base import Floats, Indicator, Texts, aligned, array, choose, when

FAO56 = "FAO Irrigation and Drainage Paper 56 (Allen et al. 1998)"


# 霜注意報: limit in °C, and the season as (month, day) from and until; None: read without an end.
# District criteria of the JMA as printed in the press; other districts: give limit_c, season_from and season_until.
FROST_DISTRICTS: Mapping[str, tuple[float, str, str]] = {
    "tokyo": (2.0, "04-10", "05-15"),
    "osaka": (4.0, "04-15", "12-31"),  # no end of the season was read
    "oshima": (3.0, "01-01", "12-31"),  # "early and late frost", no days were read
}


def saturation_vapour_pressure(t_c: ArrayLike) -> Floats:
    """e°(T) = 0.6108 exp(17.27 T / (T + 237.3)), kPa of °C."""
    return array(0.6108 * np.exp(17.27 * array(t_c) / (array(t_c) + 237.3)))


def mean_saturation_vapour_pressure(tmax_c: ArrayLike, tmin_c: ArrayLike) -> Floats:
    """Mean of e° at a day's extremes, kPa: e° of the mean temperature would be too low."""
    return (saturation_vapour_pressure(tmax_c) + saturation_vapour_pressure(tmin_c)) / 2


def actual_vapour_pressure(tmax_c: ArrayLike, tmin_c: ArrayLike, rhmax: ArrayLike, rhmin: ArrayLike) -> Floats:
    """(e°(Tmin) RHmax + e°(Tmax) RHmin) / 200, kPa of °C and %."""
    high = saturation_vapour_pressure(tmax_c) * array(rhmin)
    return (saturation_vapour_pressure(tmin_c) * array(rhmax) + high) / 200


def vapour_pressure_deficit(tmax_c: ArrayLike, tmin_c: ArrayLike, rhmax: ArrayLike, rhmin: ArrayLike) -> Floats:
    """Of a day: es - ea, kPa."""
    return mean_saturation_vapour_pressure(tmax_c, tmin_c) - actual_vapour_pressure(tmax_c, tmin_c, rhmax, rhmin)


def dew_point(t_c: ArrayLike, rh: ArrayLike) -> Floats:
    """Inverse of the Magnus form with Alduchov and Eskridge's constants, °C; over water, in frost too. None at 0 %."""
    t, rh = array(t_c), array(rh)
    gamma = np.log(np.where(rh > 0, rh, np.nan) / 100) + 17.625 * t / (243.04 + t)
    return array(243.04 * gamma / (17.625 - gamma))


def wet_bulb(t_c: ArrayLike, rh: ArrayLike) -> Floats:
    """Stull's fit, °C: for sea level, 5 to 99 % and -20 to 50 °C."""
    t, rh = array(t_c), array(rh)
    return array(
        t * np.arctan(0.151977 * np.sqrt(rh + 8.313659))
        + np.arctan(t + rh)
        - np.arctan(rh - 1.676331)
        + 0.00391838 * rh**1.5 * np.arctan(0.023101 * rh)
        - 4.686035
    )


def humidity_deficit(t_c: ArrayLike, rh: ArrayLike) -> Floats:
    """飽差: what the air could still take up, g/m3. Tetens over water, 217 e/T."""
    t = array(t_c)
    vapour_hpa = 6.1078 * 10 ** (7.5 * t / (t + 237.3))
    return array((1 - array(rh) / 100) * 217 * vapour_hpa / (t + 273.15))


def humidity_deficit_class(deficit_g_m3: ArrayLike, limits: ArrayLike = (3, 6)) -> Texts:
    """too_humid, good (3 to 6 g/m3, both inside) or too_dry."""
    low, high = array(limits)
    return choose(deficit_g_m3, (low, np.nextafter(high, np.inf)), ("too_humid", "good", "too_dry"))


def thi(t_c: ArrayLike, rh: ArrayLike) -> Floats:
    """0.8 T + RH (T - 14.4) + 46.4 with RH as a fraction; T in °C."""
    t = array(t_c)
    return array(0.8 * t + array(rh) / 100 * (t - 14.4) + 46.4)


def thi_level(thi: ArrayLike, limits: ArrayLike = (72, 79, 89)) -> Texts:
    """none, mild, severe or very_severe; a limit belongs to the class above it."""
    return choose(thi, limits, ("none", "mild", "severe", "very_severe"))


def cattle_sensible_temperature(db_c: ArrayLike, wb_c: ArrayLike) -> Floats:
    """0.35 dry bulb + 0.65 wet bulb, °C; caution from a daily mean of 19 °C."""
    return 0.35 * array(db_c) + 0.65 * array(wb_c)


def frost_minimum(
    t0: ArrayLike, td: ArrayLike, tn: ArrayLike, predict_t0: float, predict_td: float
) -> dict[str, float]:
    """Tonight's minimum in °C from past clear nights: Tn on T0 first, then the residual on the dew point.

    t0, td: temperature and dew point two hours after sunset; tn: the nights' minima. A joint fit gives another number.
    """
    t0, td, tn = array(t0), array(td), array(tn)
    if not t0.shape == td.shape == tn.shape or t0.ndim != 1 or len(t0) < 3:
        raise ValueError("t0, td and tn are lists of one length, three nights or more")
    whole = np.isfinite(t0 + td + tn)
    t0, td, tn = t0[whole], td[whole], tn[whole]
    if len(np.unique(t0)) < 2 or len(np.unique(td)) < 2 or len(t0) < 3:
        raise ValueError("t0 and td: three whole nights or more that differ, else there is no slope")
    a, c1 = np.polyfit(t0, tn, 1)
    b, c2 = np.polyfit(td, tn - (a * t0 + c1), 1)
    c = c1 + c2
    return {"a": float(a), "b": float(b), "c": float(c), "tmin": float(a * predict_t0 + b * predict_td + c)}


def frost_advisory(
    tmin: ArrayLike,
    date: str,
    region: str = "tokyo",
    *,
    limit_c: float | None = None,
    season_from: str = "",
    season_until: str = "",
) -> Floats:
    """1 where a frost advisory (霜注意報) would stand: forecast minimum [°C] at or below the limit, in the season.

    Limit and season are the region's unless given; seasons as MM-DD, both days inside, over the new year too.
    """
    if region not in FROST_DISTRICTS and (limit_c is None or not season_from or not season_until):
        raise ValueError(
            f"region {region!r}: one of {', '.join(FROST_DISTRICTS)}, or give limit_c, season_from and season_until"
        )
    limit, first, last = FROST_DISTRICTS.get(region, (0.0, "", ""))
    first, last = season_from or first, season_until or last
    day = dt.date.fromisoformat(date).strftime("%m-%d")
    inside = first <= day <= last if first <= last else not last < day < first
    return when(inside & (array(tmin) <= (limit if limit_c is None else limit_c)), tmin)


def tea_frost_fan(stage: str) -> dict[str, float]:
    """On and off temperature in °C of a tea field's frost fan, by the stage before and after sprouting."""
    if stage not in _FAN:
        raise ValueError(f"stage {stage!r}: one of {', '.join(_FAN)}")
    on, off = _FAN[stage]
    return {"on_c": on, "off_c": off}


def tea_frost_fan_running(at_us: ArrayLike, t_c: ArrayLike, on_c: float = 4.0, off_c: float = 8.0) -> Floats:
    """1 while the fan should run: on at or below on_c, off again at or above off_c; a missing value changes nothing.

    The default is the stage of sprouting. Off before the first value that decides.
    """
    if not on_c < off_c:
        raise ValueError("on_c: below off_c, else the fan would start and stop all the time")
    _, t = aligned(at_us=at_us, t_c=t_c)
    decides = np.where(t <= on_c, 1.0, np.where(t >= off_c, 0.0, np.nan))
    last = np.maximum.accumulate(np.where(np.isnan(decides), 0, np.arange(len(t))))
    return np.nan_to_num(decides[last])


_FAN = {"-14d": (3.0, 6.0), "sprout": (4.0, 8.0), "+14d": (5.0, 8.0), "pluck-10d": (6.0, 8.0)}
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
    Indicator("humidity_deficit_class", humidity_deficit_class, "class",
              {"deficit_g_m3": "g/m3", "limits": "g/m3, two"}, "growers' table: good 3-6 g/m3", "R",
              "飽差の区分", "Humidity deficit class"),
    Indicator("thi_level", thi_level, "class", {"thi": "1", "limits": "1, three"}, "酪農総研 72/79/89, half-open", "R",
              "暑熱ストレス区分", "Cattle heat-stress class"),
    Indicator("cattle_sensible_temperature", cattle_sensible_temperature, "Cel", {"db_c": "Cel", "wb_c": "Cel"},
              "酪農学園大学: 0.35 DB + 0.65 WB", "X", "牛の体感温度", "Cattle sensible temperature"),
    Indicator("frost_minimum", frost_minimum, "Cel",
              {"t0": "Cel, list", "td": "Cel, list", "tn": "Cel, list", "predict_t0": "Cel", "predict_td": "Cel"},
              "FAO Frost Protection vol. 1 ch. 5 (Snyder 2005), two steps", "C",
              "今夜の最低気温（放射霜）", "Minimum temperature tonight"),
    Indicator("frost_advisory", frost_advisory, "{bool}",
              {"tmin": "Cel", "date": "YYYY-MM-DD", "region": "tokyo, osaka, oshima", "limit_c": "Cel",
               "season_from": "MM-DD", "season_until": "MM-DD"},
              "JMA 霜注意報 criteria, as in the press (they differ by district)", "R", "霜注意報の目安",
              "Frost advisory"),
    Indicator("tea_frost_fan", tea_frost_fan, "Cel", {"stage": "-14d, sprout, +14d or pluck-10d"},
              "防霜ファン makers' guide (相良)", "R", "防霜ファンの設定温度", "Tea frost fan settings"),
    Indicator("tea_frost_fan_running", tea_frost_fan_running, "{bool}",
              {"at_us": "us, list", "t_c": "Cel, list", "on_c": "Cel", "off_c": "Cel"},
              "防霜ファン makers' guide (相良)", "R", "防霜ファンの運転", "Tea frost fan, running", over_time=True),
)  # fmt: skip
