"""Water: leakage, transients, pumps, sewers' air, septic tanks, river gauges."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.base import Floats, Indicator, Texts, array, choose

GRAVITY = 9.80665  # m/s2
_NIGHT_POINTS = 92  # of the day's 96 quarter hours


def unavoidable_real_losses(lm_km: ArrayLike, nc: ArrayLike, lp_km: ArrayLike, p_m: ArrayLike) -> Floats:
    """UARL in litres a day: mains [km], service connections, private pipe [km], mean pressure [m]."""
    return (18 * array(lm_km) + 0.8 * array(nc) + 25 * array(lp_km)) * array(p_m)


def minimum_night_flow(flow: ArrayLike) -> float:
    """Least mean of four neighbouring quarter hours of a day of 96; none with fewer than 92 values."""
    day = np.atleast_1d(array(flow))
    if len(day) != 96:
        raise ValueError(f"flow: 96 values of 15 minutes each are a day, not {len(day)}")
    if np.isfinite(day).sum() < _NIGHT_POINTS:
        return float("nan")
    means = np.lib.stride_tricks.sliding_window_view(day, 4).mean(axis=1)
    return float(np.nanmin(means))


def leakage_at_pressure(
    leakage: ArrayLike, pressure_m: ArrayLike, new_pressure_m: ArrayLike, n1: ArrayLike = 1.5
) -> Floats:
    """FAVAD: leakage goes with pressure^N1; N1 0.5 for bursts, 1.5 for background."""
    return array(array(leakage) * (array(new_pressure_m) / array(pressure_m)) ** array(n1))


def joukowsky_head(a: ArrayLike, dv: ArrayLike) -> Floats:
    """Head rise in m of a wave of celerity a [m/s] when the flow changes by dv [m/s] at once."""
    return array(a) * array(dv) / GRAVITY


def pump_efficiency(q_m3h: ArrayLike, h_m: ArrayLike, p_kw: ArrayLike) -> Floats:
    power = array(p_kw)
    return 1000 * GRAVITY * array(q_m3h) / 3600 * array(h_m) / np.where(power > 0, power * 1000, np.nan)


def sewer_h2s_class(h2s_ppm: ArrayLike) -> Texts:
    return choose(h2s_ppm, (10, 50), ("III", "II", "I"))


def manhole_entry_allowed(o2: ArrayLike, h2s: ArrayLike) -> Floats:
    """1 where the air lets a person in: O2 18 % or more, H2S 10 ppm or less. A meter at the hole has the last word."""
    return ((array(o2) >= 18) & (array(h2s) <= 10)).astype(float)


def h2s_henry(t_k: ArrayLike) -> Floats:
    """Dimensionless gas-to-water ratio of H2S."""
    t = array(t_k)
    solubility = 1.0e-3 * np.exp(2100 * (1 / t - 1 / 298.15))  # mol/(m3.Pa); R as the source rounds it
    return array(1 / (solubility * 8.314 * t))


def effective_bod(bod: ArrayLike, t_c: ArrayLike) -> Floats:
    return array(array(bod) * 1.07 ** (array(t_c) - 20))


_TANK = {
    "do": ((np.nextafter(0, 1), 1.0), ("ng", "fair", "ok")),
    "clarity": ((15.0, 20.0), ("ng", "fair", "ok")),
    "cl": ((np.nextafter(0, 1),), ("ng", "ok")),
    "bod": ((np.nextafter(20, 21), np.nextafter(30, 31)), ("ok", "fair", "ng")),
    "ph": ((5.0, 5.8, np.nextafter(8.6, 9), np.nextafter(10.0, 11)), ("ng", "fair", "ok", "fair", "ng")),
}


def septic_tank(item: str, value: ArrayLike) -> Texts:
    """ok, fair or ng for do, clarity, ph, bod or cl. The outer limits of pH (5, 10) are recalled, not checked."""
    if item not in _TANK:
        raise ValueError(f"item {item!r}: one of {', '.join(_TANK)}")
    return choose(value, *_TANK[item])


def river_gauge_mode(level_m: float, start_m: float, minutes_since_tx: float) -> dict[str, float | bool]:
    above = level_m >= start_m
    return {"measure_interval_max_min": 5 if above else 10, "transmit": above or minutes_since_tx >= 1440}


def pond_crossing(level_m: ArrayLike, previous_m: ArrayLike, warning_m: float, danger_m: float) -> Texts:
    """Which of a pond's four messages a pair of levels calls for: danger or warning, up or down, or `-`."""
    now, before = np.broadcast_arrays(array(level_m), array(previous_m))
    crossings = [
        (now >= danger_m) & (before < danger_m),
        (now >= warning_m) & (before < warning_m),
        (now < warning_m) & (before >= warning_m),
        (now < danger_m) & (before >= danger_m),
    ]
    return np.select(crossings, ["danger_up", "warning_up", "warning_down", "danger_down"], "-")


_TANK_SOURCE = "浄化槽法定検査判定ガイドライン（合併処理, BOD 20）"
INDICATORS = (
    Indicator("unavoidable_real_losses", unavoidable_real_losses, "L/d",
              {"lm_km": "km", "nc": "{count}", "lp_km": "km", "p_m": "m[H2O]"},
              "IWA: (18 Lm + 0.8 Nc + 25 Lp) P", "C", "不可避漏水量（UARL）", "Unavoidable annual real losses"),
    Indicator("minimum_night_flow", minimum_night_flow, "as given", {"flow": "96 values of 15 min"},
              "IWA practice: least 1-h running mean, >= 92 of 96 points", "R", "夜間最小流量", "Minimum night flow"),
    Indicator("leakage_at_pressure", leakage_at_pressure, "as given",
              {"leakage": "any", "pressure_m": "m[H2O]", "new_pressure_m": "m[H2O]", "n1": "1"},
              "FAVAD, IWA practice", "R", "水圧と漏水量", "Leakage at another pressure"),
    Indicator("joukowsky_head", joukowsky_head, "m", {"a": "m/s", "dv": "m/s"}, "Joukowsky: a dv / g", "X",
              "水撃圧（水頭）", "Water hammer head"),
    Indicator("pump_efficiency", pump_efficiency, "1", {"q_m3h": "m3/h", "h_m": "m", "p_kw": "kW"},
              "rho g Q H / P", "X",
              "ポンプ効率", "Pump efficiency"),
    Indicator("sewer_h2s_class", sewer_h2s_class, "class", {"h2s_ppm": "[ppm]"}, "下水道 防食の手引き: 10/50 ppm", "R",
              "硫化水素による腐食環境", "Sewer H2S environment class"),
    Indicator("manhole_entry_allowed", manhole_entry_allowed, "{bool}", {"o2": "%", "h2s": "[ppm]"},
              "酸素欠乏症等防止規則: O2 < 18 %, H2S > 10 ppm", "R", "マンホール立入の可否", "Manhole entry"),
    Indicator("h2s_henry", h2s_henry, "1", {"t_k": "K"}, "Sander 2023", "C", "硫化水素のヘンリー定数",
              "Henry constant of H2S"),
    Indicator("effective_bod", effective_bod, "mg/L", {"bod": "mg/L", "t_c": "Cel"}, "Pomeroy-Parkhurst", "X",
              "有効BOD", "Effective BOD"),
    Indicator("septic_tank", septic_tank, "class", {"item": "do, clarity, ph, bod or cl", "value": "mg/L, cm or [pH]"},
              _TANK_SOURCE, "R", "浄化槽の判定", "Septic tank judgement"),
    Indicator("river_gauge_mode", river_gauge_mode, "min",
              {"level_m": "m", "start_m": "m", "minutes_since_tx": "min"},
              "国土交通省 危機管理型水位計 2017 (draft)", "R",
              "危機管理型水位計の動作", "River gauge mode"),
    Indicator("pond_crossing", pond_crossing, "class",
              {"level_m": "m", "previous_m": "m", "warning_m": "m", "danger_m": "m"}, "明石市のため池監視", "R",
              "ため池水位の通知", "Pond crossing message"),
)  # fmt: skip
