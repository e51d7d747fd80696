"""Soil water and crops: water balance, degree days, rice, blast and blight, what a paddy needs in a cold spell."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.air import FAO56
from satomori_analytics.indicators.base import Floats, Indicator, Texts, array, choose
from satomori_analytics.indicators.series import rolling_mean

_BLAST_FROM_C = 15
_BLAST_HOURS = np.array([17, 15, 14, 13, 12, 11, 11, 10, 10, 10, 10])  # wet hours needed at 15…25 °C


def total_available_water(fc: ArrayLike, wp: ArrayLike, zr_m: ArrayLike) -> Floats:
    return 1000 * (array(fc) - array(wp)) * array(zr_m)


def readily_available_water(fc: ArrayLike, wp: ArrayLike, zr_m: ArrayLike, p: ArrayLike) -> Floats:
    return array(p) * total_available_water(fc, wp, zr_m)


def soil_water_balance(
    taw_mm: float, p: float, depletion_mm: float, *, etc: ArrayLike, rain: ArrayLike, irrigation: ArrayLike
) -> dict[str, Floats]:
    """Root zone depletion day by day (eq. 85), stress coefficient Ks (eq. 84), and whether to irrigate (Dr > RAW)."""
    need, rain, water = np.broadcast_arrays(array(etc), array(rain), array(irrigation))
    depletion, ks = np.empty(len(need)), np.empty(len(need))
    now, raw = depletion_mm, p * taw_mm
    for i in range(len(need)):
        now = max(now - rain[i] - water[i], 0.0)
        ks[i] = 1.0 if now <= raw else max((taw_mm - now) / (taw_mm - raw), 0.0)
        now = depletion[i] = min(now + ks[i] * need[i], taw_mm)
    return {"depletion": depletion, "ks": ks, "irrigate": (depletion > raw).astype(float)}


def growing_degree_days(tmax_c: ArrayLike, tmin_c: ArrayLike, base_c: ArrayLike = 10.0) -> Floats:
    return array(np.maximum((array(tmax_c) + array(tmin_c)) / 2 - array(base_c), 0))


def rice_development(initial_dvi: float, dvr: ArrayLike) -> Floats:
    """Development index after each day; heading is where it passes 1."""
    return array(initial_dvi + np.cumsum(np.atleast_1d(array(dvr))))


def rice_harvest_degree_days(mean_5_24_c: ArrayLike) -> Floats:
    """Degree-days after heading at which Koshihikari is cut, by the mean of days 5 to 24 after heading."""
    mean = array(mean_5_24_c)
    return np.where(mean >= 27, 900.0, np.where(mean >= 26, 950.0, 1000.0))


def rice_heat_risk(mean_20d_c: ArrayLike) -> Floats:
    return (array(mean_20d_c) >= 27).astype(float)


def paddy_cold_spell(mean_7d_c: ArrayLike) -> Texts:
    return choose(mean_7d_c, (17, 20, 22), ("deep_water_severe", "deep_water", "consider", "none"))


def paddy_water_depth(forecast_min_c: ArrayLike) -> Floats:
    """Depth in cm to hold at the booting stage."""
    return np.where(array(forecast_min_c) <= 17, 15.0, 10.0)


def mean_7d(at_us: ArrayLike, t_c: ArrayLike) -> Floats:
    """Mean of the past seven days; none before six of them are there."""
    return rolling_mean(at_us, t_c, window_s=7 * 86400, covered_s=6 * 86400)


def blast_wet_hours(t_c: ArrayLike) -> Floats:
    """Hours of wet leaves that blast needs at a wet spell's mean temperature (floored); none outside 15 to 25 °C."""
    index = np.floor(array(t_c)) - _BLAST_FROM_C
    inside = (index >= 0) & (index < len(_BLAST_HOURS))
    return np.where(inside, _BLAST_HOURS[np.clip(index, 0, 10).astype(int)], np.nan)


def blast_judgement(wet_h: ArrayLike, t_wet_c: ArrayLike, t5_c: ArrayLike) -> Texts:
    """BLASTAM: `favourable`, semi-favourable 1 to 4 by which condition fails, or `-`."""
    wet, spell, past = np.broadcast_arrays(array(wet_h), array(t_wet_c), array(t5_c))
    needed = blast_wet_hours(spell)
    conditions = [wet < 10, past < 20, past > 25, np.isnan(needed), wet < needed]
    return np.select(conditions, ["-", "semi1", "semi2", "semi3", "semi4"], "favourable")


def late_blight_smith(tmin: ArrayLike, h90: ArrayLike, hours: float = 11.0) -> Floats:
    """1 on each day that ends two days with Tmin >= 10 °C and `hours` or more at RH >= 90 % (Hutton: 6 h)."""
    suits = (array(tmin) >= 10) & (array(h90) >= hours)
    return np.append(False, suits[1:] & suits[:-1])[: len(suits)].astype(float)


def soil_suction_class(pf: ArrayLike) -> Texts:
    """By pF; up to and with 2.7 is still ok."""
    limits = (1.5, np.nextafter(2.7, 3), 3.8, 4.2)
    return choose(pf, limits, ("wet", "ok", "dry", "wilting", "permanent_wilt"))


def soil_ec_advice(ec_ms_cm: ArrayLike) -> Texts:
    return choose(ec_ms_cm, (np.nextafter(0.3, 1), 1.0), ("increase_fertiliser", "normal", "reduce_fertiliser"))


_RICE = "新潟県 農総研 成果情報 令和6年"
_FIELD = {"fc": "m3/m3", "wp": "m3/m3", "zr_m": "m"}
INDICATORS = (
    Indicator("total_available_water", total_available_water, "mm", _FIELD, f"{FAO56} eq. 82", "C",
              "全有効水分量（TAW）", "Total available water"),
    Indicator("readily_available_water", readily_available_water, "mm", {**_FIELD, "p": "1"}, f"{FAO56} eq. 83", "C",
              "易有効水分量（RAW）", "Readily available water"),
    Indicator("soil_water_balance", soil_water_balance, "mm",
              {"taw_mm": "mm", "p": "1", "depletion_mm": "mm", "etc": "mm/d, list", "rain": "mm, list",
               "irrigation": "mm, list"}, f"{FAO56} ch. 8", "X", "根群域の水収支", "Root-zone water balance"),
    Indicator("growing_degree_days", growing_degree_days, "Cel.d", {"tmax_c": "Cel", "tmin_c": "Cel", "base_c": "Cel"},
              "FAO; Wilson and Barnett: mean - base, floored at 0", "C", "有効積算温度", "Growing degree days"),
    Indicator("rice_development", rice_development, "1", {"initial_dvi": "1", "dvr": "1/d, list"}, _RICE, "C",
              "水稲発育指数（DVI）", "Rice development index"),
    Indicator("rice_harvest_degree_days", rice_harvest_degree_days, "Cel.d", {"mean_5_24_c": "Cel"}, _RICE, "R",
              "収穫適期の積算気温（コシヒカリ）", "Degree-days to harvest, Koshihikari"),
    Indicator("rice_heat_risk", rice_heat_risk, "{bool}", {"mean_20d_c": "Cel"}, "town guides: >= 27 °C", "R",
              "高温登熟障害のおそれ", "Rice heat damage risk"),
    Indicator("paddy_cold_spell", paddy_cold_spell, "class", {"mean_7d_c": "Cel"},
              "農研機構 東北農研: 17/20/22 °C", "R",
              "冷害時の深水管理", "Paddy deep-water rule"),
    Indicator("paddy_water_depth", paddy_water_depth, "cm", {"forecast_min_c": "Cel"}, "NARO: <= 17 °C, 15 cm", "R",
              "穂ばらみ期の水深", "Water depth at booting"),
    Indicator("mean_7d", mean_7d, "Cel", {"at_us": "us, list", "t_c": "Cel, list"}, "7-day running mean", "X",
              "7日平均", "Seven-day mean", over_time=True),
    Indicator("blast_wet_hours", blast_wet_hours, "h", {"t_c": "Cel"}, "三重県病害虫防除所 表2", "R",
              "いもち感染に必要な湿潤時間", "Wet hours that rice blast needs"),
    Indicator("blast_judgement", blast_judgement, "class", {"wet_h": "h", "t_wet_c": "Cel", "t5_c": "Cel"},
              "BLASTAM as used in 三重, 大分, 宮崎", "R", "葉いもち感染好適条件", "Rice blast (BLASTAM)"),
    Indicator("late_blight_smith", late_blight_smith, "{bool}", {"tmin": "Cel, list", "h90": "h, list", "hours": "h"},
              "Smith 1956 (11 h); AHDB Hutton (6 h)", "R", "ジャガイモ疫病", "Potato late blight"),
    Indicator("soil_suction_class", soil_suction_class, "class", {"pf": "{pF}"}, "makers' guides 1.5/2.7/3.8/4.2", "R",
              "土壌水分区分（pF）", "Soil suction class"),
    Indicator("soil_ec_advice", soil_ec_advice, "class", {"ec_ms_cm": "mS/cm"}, "maker's guide 0.3/1.0", "R",
              "土壌ECと施肥", "Soil EC advice"),
)  # fmt: skip
