"""Soil water and crops: water balance, degree days, rice, blast and blight, what a paddy needs in a cold spell."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.air import FAO56
from satomori_analytics.indicators.base import Bools, Floats, Indicator, Texts, aligned, array, choose, texts, when
from satomori_analytics.indicators.series import rolling_mean, run_length

# Irrigation start points in pF (五島, table in Daiki's guide).
_START_PF = {
    "tomato_early": (2.0, 2.5), "tomato_late": (1.8, 2.3), "cucumber_early": (2.0, 2.5), "cucumber_late": (1.7, 2.3),
    "strawberry": (1.5, 2.0), "eggplant": (1.5, 2.0), "pepper": (1.5, 2.0),
}  # fmt: skip
_BLAST_FROM_C = 15
_BLAST_HOURS = (17, 15, 14, 13, 12, 11, 11, 10, 10, 10, 10)  # wet hours needed at 15…25 °C, 三重県 表2
# Wallin's severity values: from (°C), and the wet hours from which it is 1, 2, 3, 4.
_WALLIN = ((7.2, (16, 19, 22, 25)), (11.7, (13, 16, 19, 22)), (15.1, (10, 13, 16, 19)))
_WALLIN_UNTIL_C = 26.6
# Blitecast's advice by the week's severity values <3, 3, 4, 5, 6, >6; first with less than 5 rain-favourable days.
_BLITECAST = np.array([[-1, -1, 0, 1, 1, 2], [-1, 0, 1, 2, 2, 2]])


def total_available_water(fc: ArrayLike, wp: ArrayLike, zr_m: ArrayLike) -> Floats:
    """TAW = 1000 (FC - WP) Zr, mm: what the root zone holds between field capacity and wilting point."""
    if np.any(array(fc) < array(wp)):
        raise ValueError("fc: below wp")
    return 1000 * (array(fc) - array(wp)) * array(zr_m)


def readily_available_water(fc: ArrayLike, wp: ArrayLike, zr_m: ArrayLike, p: ArrayLike) -> Floats:
    """RAW = p TAW, mm: what goes before the crop suffers."""
    return array(p) * total_available_water(fc, wp, zr_m)


def depletion_fraction(p_table: ArrayLike, etc: ArrayLike) -> Floats:
    """Of the table, corrected: p_table + 0.04 (5 - ETc), kept within 0.1 and 0.8; ETc in mm/d."""
    return array(np.clip(array(p_table) + 0.04 * (5 - array(etc)), 0.1, 0.8))


def water_stress_coefficient(taw_mm: ArrayLike, p: ArrayLike, depletion_mm: ArrayLike) -> Floats:
    """Ks = (TAW - Dr) / ((1 - p) TAW): 1 down to RAW, 0 where all is gone."""
    taw = array(taw_mm)
    return array(np.clip((taw - array(depletion_mm)) / ((1 - array(p)) * taw), 0, 1))


def soil_water_balance(
    taw_mm: float,
    p: float,
    depletion_mm: float,
    *,
    etc: ArrayLike,
    rain: ArrayLike,
    irrigation: ArrayLike,
    runoff: ArrayLike = 0.0,
) -> dict[str, Floats]:
    """Root zone depletion in mm at each day's end (eq. 85), Ks (eq. 84), deep percolation, and whether to irrigate.

    Water comes early in the day; what the soil can't hold percolates. `irrigate` is 1 where Dr > RAW. After a missing
    day nothing is known.
    """
    days = aligned(etc=etc, rain=rain, irrigation=irrigation, runoff=runoff)
    depletion, ks, deep = (np.empty(len(days[0])) for _ in range(3))
    now, raw = depletion_mm, p * taw_mm
    for i, (need, fallen, given, ran_off) in enumerate(zip(*days, strict=True)):
        wet = now - (fallen - ran_off) - given
        deep[i] = np.clip(-wet, 0, None)
        start = np.clip(wet, 0, taw_mm)
        ks[i] = water_stress_coefficient(taw_mm, p, start)
        now = depletion[i] = np.clip(start + ks[i] * need, 0, taw_mm)
    return {"depletion": depletion, "ks": ks, "deep_percolation": deep, "irrigate": when(depletion > raw, depletion)}


def growing_degree_days(
    tmax_c: ArrayLike, tmin_c: ArrayLike, base_c: ArrayLike = 10.0, upper_c: ArrayLike = np.inf
) -> Floats:
    """Of each day, °C d: the mean of the extremes, at most upper_c, less the base, floored at 0."""
    mean = np.minimum((array(tmax_c) + array(tmin_c)) / 2, array(upper_c))
    return array(np.maximum(mean - array(base_c), 0))


def growing_degree_sum(tmax_c: ArrayLike, tmin_c: ArrayLike, base_c: float = 10.0, upper_c: float = np.inf) -> Floats:
    """Degree days since the first day, at each day's end; after a missing day there is none."""
    tmax, tmin = aligned(tmax_c=tmax_c, tmin_c=tmin_c)
    return array(np.cumsum(growing_degree_days(tmax, tmin, base_c, upper_c)))


def rice_development(initial_dvi: float, dvr: ArrayLike) -> Floats:
    """Development index (DVI) after each day: the sum of the daily rates; heading is where it passes 1."""
    return array(initial_dvi + np.cumsum(np.atleast_1d(array(dvr))))


def rice_heading_day(initial_dvi: float, dvr: ArrayLike) -> float:
    """First day (1 is the first of the list) whose development index is above 1; none while it is not reached."""
    return _first_day(rice_development(initial_dvi, dvr) > 1)


def _first_day(holds: Bools) -> float:
    return float(np.argmax(holds) + 1) if np.any(holds) else float("nan")


def rice_harvest_degree_days(
    mean_5_24_c: ArrayLike, limits: ArrayLike = (26, 27), degree_days: ArrayLike = (1000, 950, 900)
) -> Floats:
    """Degree-days [°C d] after heading at which Koshihikari is cut, by the mean of days 5 to 24 after heading."""
    mean, steps, sums = array(mean_5_24_c), np.atleast_1d(array(limits)), np.atleast_1d(array(degree_days))
    if len(sums) != len(steps) + 1:
        raise ValueError("degree_days: one more than limits")
    return np.where(np.isnan(mean), np.nan, sums[np.searchsorted(steps, mean, side="right").clip(0, len(steps))])


def rice_harvest_day(
    mean_c: ArrayLike, limits: ArrayLike = (26, 27), degree_days: ArrayLike = (1000, 950, 900)
) -> float:
    """Day after heading on which Koshihikari's degree-days are reached, from the daily means of day 1, 2, … on.

    None before day 24, since the days 5 to 24 say how many degree-days it takes.
    """
    mean = np.atleast_1d(array(mean_c))
    if len(mean) < 24:
        return float("nan")
    target = rice_harvest_degree_days(mean[4:24].mean(), limits, degree_days)
    return _first_day((np.cumsum(mean) >= target) & (np.arange(len(mean)) >= 23))


def rice_heat_risk(mean_20d_c: ArrayLike, limit_c: ArrayLike = 27.0) -> Floats:
    """1 where the mean of the 20 days after heading lets heat damage (高温登熟障害) be expected."""
    return when(array(mean_20d_c) >= array(limit_c), mean_20d_c)


def paddy_cold_spell(mean_7d_c: ArrayLike, limits: ArrayLike = (17, 20, 22)) -> Texts:
    """What the 7-day mean asks for: deep_water_severe, deep_water, consider or none."""
    return choose(mean_7d_c, limits, ("deep_water_severe", "deep_water", "consider", "none"))


def paddy_water_depth(
    forecast_min_c: ArrayLike, limit_c: ArrayLike = 17.0, deep_cm: ArrayLike = 15.0, normal_cm: ArrayLike = 10.0
) -> Floats:
    """Depth in cm to hold at the booting stage: the deep one where the forecast minimum is at the limit or below."""
    cold = when(array(forecast_min_c) <= array(limit_c), forecast_min_c)
    return array(cold * array(deep_cm) + (1 - cold) * array(normal_cm))


def mid_season_drainage(
    tillers: ArrayLike,
    target: ArrayLike,
    days_after_transplanting: ArrayLike,
    share: ArrayLike = 0.8,
    days: ArrayLike = (30, 40),
) -> Texts:
    """中干し: `start` once the tillers reach the share of their target from the first of the days on, else `wait`.

    `overdue` after the last of the days, whatever the tillers; it lasts 5 to 7 days.
    """
    first, last = array(days)
    day, enough = array(days_after_transplanting), array(tillers) >= array(share) * array(target)
    chosen = np.select([day > last, (day >= first) & enough], ["overdue", "start"], "wait")
    return texts(chosen, tillers, target, day)


def mean_7d(at_us: ArrayLike, t_c: ArrayLike) -> Floats:
    """Mean of the past seven days, °C; none before six of them are there."""
    return rolling_mean(at_us, t_c, window_s=7 * 86400, covered_s=6 * 86400)


def blast_wet_hours(t_c: ArrayLike, hours: ArrayLike = _BLAST_HOURS, from_c: float = _BLAST_FROM_C) -> Floats:
    """Hours of wet leaves that blast needs at a wet spell's mean temperature, floored; none outside the table.

    `hours`: for from_c, from_c + 1, … °C; prefectures differ.
    """
    table = np.atleast_1d(array(hours))
    index = np.floor(array(t_c)) - from_c
    inside = (index >= 0) & (index < len(table))
    place = np.where(inside, index, 0).astype(int)
    return np.where(inside, table[place], np.nan)


def blast_judgement(
    wet_h: ArrayLike,
    t_wet_c: ArrayLike,
    t5_c: ArrayLike,
    *,
    hours: ArrayLike = _BLAST_HOURS,
    t5_range_c: ArrayLike = (20, 25),
    least_h: ArrayLike = 10.0,
) -> Texts:
    """BLASTAM of a wet spell: `favourable`, semi-favourable 1 to 4 by which condition fails, or `-`.

    wet_h, t_wet_c: the spell's hours and mean temperature; t5_c: the mean of the five days before. The order of the
    conditions is our reading of the prefectures' pages.
    """
    wet, spell, past = np.broadcast_arrays(array(wet_h), array(t_wet_c), array(t5_c))
    low, high = array(t5_range_c)
    needed = blast_wet_hours(spell, hours)
    conditions = [wet < least_h, past < low, past > high, np.isnan(needed), wet < needed]
    return texts(np.select(conditions, ["-", "semi1", "semi2", "semi3", "semi4"], "favourable"), wet, spell, past)


def blast_wet_spell(
    wet: ArrayLike,
    rain_mm_h: ArrayLike,
    wind_ms: ArrayLike,
    t_c: ArrayLike,
    *,
    rain_end_mm_h: float = 4.0,
    wind_end_ms: float = 3.0,
) -> dict[str, Floats]:
    """Hour by hour: how long leaves have been wet without a break, and that spell's mean temperature in °C.

    `wet`: 1 where leaves are wet. Rain of 4 mm/h or more, or wind above 3 m/s, washes or dries spores off and ends the
    spell; so does an hour of which something is missing.
    """
    leaf, rain, wind, t = aligned(wet=wet, rain_mm_h=rain_mm_h, wind_ms=wind_ms, t_c=t_c)
    holds = (leaf > 0) & (rain < rain_end_mm_h) & (wind <= wind_end_ms) & np.isfinite(t)
    hours = run_length(holds)
    total = np.concatenate([[0.0], np.cumsum(np.where(holds, t, 0.0))])
    place = np.arange(1, len(t) + 1)
    mean = (total[place] - total[place - hours.astype(int)]) / np.where(hours > 0, hours, np.nan)
    return {"wet_h": hours, "t_wet_c": mean}


def late_blight_smith(
    tmin: ArrayLike, h90: ArrayLike, hours: float = 11.0, hours_before: float = 10.0, tmin_least_c: float = 10.0
) -> Floats:
    """1 on each day that ends a Smith period: two days with Tmin >= 10 °C, RH >= 90 % for 10 h, then for 11 h.

    Smith's own rule of 1956 has 11 h on both (recalled, not checked): hours_before 11.
    """
    low, wet = aligned(tmin=tmin, h90=h90)
    warm = low >= tmin_least_c
    today, before = warm & (wet >= hours), warm & (wet >= hours_before)
    day_before = np.concatenate([[False], before[:-1]])
    return when(today & day_before, low + wet + np.concatenate([[0.0], low[:-1] + wet[:-1]]))


def late_blight_hutton(tmin: ArrayLike, h90: ArrayLike, hours: float = 6.0, tmin_least_c: float = 10.0) -> Floats:
    """1 on each day that ends a Hutton period: two days with Tmin >= 10 °C and RH >= 90 % for 6 h."""
    return late_blight_smith(tmin, h90, hours, hours, tmin_least_c)


def blitecast_severity(wet_h: ArrayLike, t_c: ArrayLike) -> Floats:
    """Severity value 0 to 4 of a spell of RH >= 90 % by its hours and mean temperature; 0 outside 7.2 to 26.6 °C."""
    hours, t = np.broadcast_arrays(array(wet_h), array(t_c))
    bands = [np.searchsorted(limits, hours, side="right") for _, limits in _WALLIN]
    conditions = [np.isnan(hours + t), t > _WALLIN_UNTIL_C, *(t >= start for start, _ in reversed(_WALLIN))]
    return array(np.select(conditions, [np.nan, 0, *reversed(bands)], 0))


def blitecast_rain_favourable(
    t5_c: ArrayLike, rain10_mm: ArrayLike, t_most_c: ArrayLike = 25.5, rain_least_mm: ArrayLike = 30.0
) -> Floats:
    """1 on a rain-favourable day: the mean of 5 days at most 25.5 °C, the rain of 10 days 30 mm or more."""
    return when((array(t5_c) <= array(t_most_c)) & (array(rain10_mm) >= array(rain_least_mm)), t5_c, rain10_mm)


def blitecast_spray(rain_days: ArrayLike, sev: ArrayLike) -> Floats:
    """-1 no spray, 0 late blight warning, 1 spray every 7 days, 2 every 5 days.

    By the past week's rain-favourable days and severity values. The corners of the table were read, the rest is
    recalled.
    """
    days, severity = np.broadcast_arrays(array(rain_days), array(sev))
    column = np.clip(np.nan_to_num(severity) - 2, 0, 5).astype(int)
    return np.where(np.isnan(days + severity), np.nan, _BLITECAST[(days > 4).astype(int), column])


def blitecast_first_spray(
    severity: ArrayLike, rain_favourable: ArrayLike, sev_sum: float = 18.0, rain_days: float = 10.0
) -> float:
    """Day from emergence (1 is the first) of the first spray: 18 severity values or 10 rain-favourable days."""
    values, rain = aligned(severity=severity, rain_favourable=rain_favourable)
    return _first_day((np.cumsum(values) >= sev_sum) | (np.cumsum(rain) >= rain_days))


def flabs_danger_day(daily_index: ArrayLike, limit: float = 21.0) -> float:
    """FLABS: day from emergence (1 is the first) on which the summed daily index reaches 21; late blight 14 d later."""
    return _first_day(np.cumsum(np.atleast_1d(array(daily_index))) >= limit)


def soil_suction_class(pf: ArrayLike, limits: ArrayLike = (1.5, 2.7, 3.8, 4.2)) -> Texts:
    """wet, ok, dry, wilting or permanent_wilt by pF; up to and with the second limit is still ok."""
    steps = np.array(limits, dtype=np.float64)
    if len(steps) == 4:
        steps[1] = np.nextafter(steps[1], np.inf)
    return choose(pf, steps, ("wet", "ok", "dry", "wilting", "permanent_wilt"))


def pf_of_suction(suction_kpa: ArrayLike) -> Floats:
    """Log10 of the suction in cm of water (1 kPa is 10.197 cm); no value without suction."""
    suction = array(suction_kpa)
    return array(np.log10(np.where(suction > 0, suction, np.nan) * 10.197))


def irrigation_start_pf(crop: str) -> dict[str, float]:
    """Between which pF a greenhouse crop's irrigation begins."""
    if crop not in _START_PF:
        raise ValueError(f"crop {crop!r}: one of {', '.join(_START_PF)}")
    low, high = _START_PF[crop]
    return {"low": low, "high": high}


def soil_ec_advice(ec_ms_cm: ArrayLike, limits: ArrayLike = (0.3, 1.0)) -> Texts:
    """increase_fertiliser (up to and with the first limit), normal, or reduce_fertiliser (from the second on)."""
    low, high = array(limits)
    names = ("increase_fertiliser", "normal", "reduce_fertiliser")
    return choose(ec_ms_cm, (np.nextafter(low, np.inf), high), names)


_RICE = "新潟県 農総研 成果情報 令和6年"
_FIELD = {"fc": "m3/m3", "wp": "m3/m3", "zr_m": "m"}
_SOIL = {"fc": (0.0, 1.0), "wp": (0.0, 1.0), "zr_m": (0.0, 10.0)}
_FRACTION = {"p": (0.0, 0.99)}
_LB = {"tmin": "Cel, list", "h90": "h, list"}
INDICATORS = (
    Indicator("total_available_water", total_available_water, "mm", _FIELD, f"{FAO56} eq. 82, ex. 36", "C",
              "全有効水分量（TAW）", "Total available water", ranges=_SOIL),
    Indicator("readily_available_water", readily_available_water, "mm", {**_FIELD, "p": "1"},
              f"{FAO56} eq. 83, ex. 36", "C", "易有効水分量（RAW）", "Readily available water",
              ranges={**_SOIL, **_FRACTION}),
    Indicator("depletion_fraction", depletion_fraction, "1", {"p_table": "1", "etc": "mm/d"}, f"{FAO56} table 22", "X",
              "許容減水率 p の補正", "Depletion fraction for no stress", ranges={"p_table": (0, 1)}),
    Indicator("water_stress_coefficient", water_stress_coefficient, "1",
              {"taw_mm": "mm", "p": "1", "depletion_mm": "mm"}, f"{FAO56} eq. 84", "X", "水ストレス係数 Ks",
              "Water stress coefficient", ranges={**_FRACTION, "taw_mm": (1e-6, 1e4)}),
    Indicator("soil_water_balance", soil_water_balance, "mm",
              {"taw_mm": "mm", "p": "1", "depletion_mm": "mm", "etc": "mm/d, list", "rain": "mm, list",
               "irrigation": "mm, list", "runoff": "mm, list"}, f"{FAO56} ch. 8, eq. 84 to 88", "X",
              "根群域の水収支", "Root-zone water balance", ranges={**_FRACTION, "taw_mm": (1e-6, 1e4)}),
    Indicator("growing_degree_days", growing_degree_days, "Cel.d",
              {"tmax_c": "Cel", "tmin_c": "Cel", "base_c": "Cel", "upper_c": "Cel"},
              "FAO; Wilson and Barnett: mean - base, floored at 0", "C", "有効積算温度（日）", "Growing degree days"),
    Indicator("growing_degree_sum", growing_degree_sum, "Cel.d",
              {"tmax_c": "Cel, list", "tmin_c": "Cel, list", "base_c": "Cel", "upper_c": "Cel"},
              "FAO; Wilson and Barnett: mean - base, floored at 0", "X", "有効積算温度（累計）",
              "Growing degree days, summed"),
    Indicator("rice_development", rice_development, "1", {"initial_dvi": "1", "dvr": "1/d, list"}, _RICE, "C",
              "水稲発育指数（DVI）", "Rice development index", ranges={"dvr": (0, 1)}),
    Indicator("rice_heading_day", rice_heading_day, "d", {"initial_dvi": "1", "dvr": "1/d, list"}, _RICE, "R",
              "出穂日", "Rice heading day", ranges={"dvr": (0, 1)}),
    Indicator("rice_harvest_degree_days", rice_harvest_degree_days, "Cel.d",
              {"mean_5_24_c": "Cel", "limits": "Cel, two", "degree_days": "Cel.d, three"}, _RICE, "R",
              "収穫適期の積算気温（コシヒカリ）", "Degree-days to harvest, Koshihikari"),
    Indicator("rice_harvest_day", rice_harvest_day, "d",
              {"mean_c": "Cel, list", "limits": "Cel, two", "degree_days": "Cel.d, three"}, _RICE, "R",
              "収穫適期（出穂後日数）", "Rice harvest day, Koshihikari"),
    Indicator("rice_heat_risk", rice_heat_risk, "{bool}", {"mean_20d_c": "Cel", "limit_c": "Cel"},
              "town guides (山元町): >= 27 °C", "R", "高温登熟障害のおそれ", "Rice heat damage risk"),
    Indicator("paddy_cold_spell", paddy_cold_spell, "class", {"mean_7d_c": "Cel", "limits": "Cel, three"},
              "農研機構 東北農研: 17/20/22 °C", "R", "冷害時の深水管理", "Paddy deep-water rule"),
    Indicator("paddy_water_depth", paddy_water_depth, "cm",
              {"forecast_min_c": "Cel", "limit_c": "Cel", "deep_cm": "cm", "normal_cm": "cm"},
              "NARO: <= 17 °C, 15 cm; normal 10 cm (i-agri.net)", "R", "穂ばらみ期の水深", "Water depth at booting"),
    Indicator("mid_season_drainage", mid_season_drainage, "class",
              {"tillers": "{count}", "target": "{count}", "days_after_transplanting": "d", "share": "1",
               "days": "d, two"}, "growers' guide: 80 % of the tillers, 30-40 d, for 5-7 d", "R",
              "中干しの時期", "Mid-season drainage", ranges={"share": (0, 1)}),
    Indicator("mean_7d", mean_7d, "Cel", {"at_us": "us, list", "t_c": "Cel, list"}, "7-day running mean", "X",
              "7日平均", "Seven-day mean", over_time=True),
    Indicator("blast_wet_hours", blast_wet_hours, "h", {"t_c": "Cel", "hours": "h, list", "from_c": "Cel"},
              "三重県病害虫防除所 表2", "R", "いもち感染に必要な湿潤時間", "Wet hours that rice blast needs"),
    Indicator("blast_judgement", blast_judgement, "class",
              {"wet_h": "h", "t_wet_c": "Cel", "t5_c": "Cel", "hours": "h, list", "t5_range_c": "Cel, two",
               "least_h": "h"},
              "BLASTAM as used in 三重, 大分, 宮崎", "R", "葉いもち感染好適条件", "Rice blast (BLASTAM)"),
    Indicator("blast_wet_spell", blast_wet_spell, "h",
              {"wet": "1 or 0 by the hour, list", "rain_mm_h": "mm/h, list", "wind_ms": "m/s, list",
               "t_c": "Cel, list", "rain_end_mm_h": "mm/h", "wind_end_ms": "m/s"},
              "BLASTAM as used in 三重, 大分, 宮崎", "R", "葉面の湿潤継続時間", "Leaf wet spell for rice blast",
              ranges={"wet": (0, 1)}),
    Indicator("late_blight_smith", late_blight_smith, "{bool}",
              {**_LB, "hours": "h", "hours_before": "h", "tmin_least_c": "Cel"},
              "Smith period: 10 h, then 11 h (docs.metos.at)", "R", "ジャガイモ疫病（Smith）",
              "Potato late blight (Smith)", ranges={"h90": (0, 24)}),
    Indicator("late_blight_hutton", late_blight_hutton, "{bool}", {**_LB, "hours": "h", "tmin_least_c": "Cel"},
              "AHDB Hutton criteria: 6 h on two days", "R", "ジャガイモ疫病（Hutton）", "Potato late blight (Hutton)",
              ranges={"h90": (0, 24)}),
    Indicator("blitecast_severity", blitecast_severity, "1", {"wet_h": "h", "t_c": "Cel"},
              "Wallin's severity values (recalled, not checked)", "REC", "疫病の感染危険度（Wallin）",
              "Blitecast severity value"),
    Indicator("blitecast_rain_favourable", blitecast_rain_favourable, "{bool}",
              {"t5_c": "Cel", "rain10_mm": "mm", "t_most_c": "Cel", "rain_least_mm": "mm"},
              "Hyre's rain-favourable days (recalled, not checked)", "REC", "降雨好適日（Blitecast）",
              "Blitecast rain-favourable day"),
    Indicator("blitecast_spray", blitecast_spray, "1", {"rain_days": "d", "sev": "1"},
              "BliteCast (docs.metos.at; in part recalled)", "R", "疫病の散布判定（Blitecast）",
              "Blitecast spray advice", ranges={"rain_days": (0, 7), "sev": (0, 28)}),
    Indicator("blitecast_first_spray", blitecast_first_spray, "d",
              {"severity": "1, list", "rain_favourable": "1 or 0 by the day, list", "sev_sum": "1", "rain_days": "d"},
              "BliteCast, MSU: 18 severity values or 10 rain-favourable days", "R", "疫病の初回散布日（Blitecast）",
              "Blitecast first spray", ranges={"severity": (0, 4), "rain_favourable": (0, 1)}),
    Indicator("flabs_danger_day", flabs_danger_day, "d", {"daily_index": "1, list", "limit": "1"},
              "北海道病害虫防除所 FLABS: 21", "R", "疫病の危険期到達日（FLABS）", "FLABS danger day",
              ranges={"daily_index": (0, 10)}),
    Indicator("soil_suction_class", soil_suction_class, "class", {"pf": "{pF}", "limits": "{pF}, four"},
              "makers' guides 1.5/2.7/3.8/4.2", "R", "土壌水分区分（pF）", "Soil suction class"),
    Indicator("pf_of_suction", pf_of_suction, "{pF}", {"suction_kpa": "kPa"}, "definition: log10 of cm of water", "X",
              "テンシオメータ値の pF 換算", "pF of a suction", ranges={"suction_kpa": (0, 1e6)}),
    Indicator("irrigation_start_pf", irrigation_start_pf, "{pF}",
              {"crop": "tomato_early, tomato_late, cucumber_early, cucumber_late, strawberry, eggplant or pepper"},
              "五島, table in Daiki's pF guide", "R", "かん水開始点（pF）", "Irrigation start point"),
    Indicator("soil_ec_advice", soil_ec_advice, "class", {"ec_ms_cm": "mS/cm", "limits": "mS/cm, two"},
              "maker's guide (sensprout) 0.3/1.0", "R", "土壌ECと施肥", "Soil EC advice"),
)  # fmt: skip
