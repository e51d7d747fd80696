"""Water: leakage, transients, pumps, sewers' air, septic tanks, river gauges."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.base import Floats, Indicator, Texts, array, choose, texts, when
from satomori_analytics.indicators.series import HOUR_S, rolling_mean, rolling_sum

GRAVITY = 9.80665  # m/s2


def unavoidable_real_losses(lm_km: ArrayLike, nc: ArrayLike, lp_km: ArrayLike, p_m: ArrayLike) -> Floats:
    """UARL in litres a day: mains [km], service connections, private pipe [km], mean pressure [m]."""
    return (18 * array(lm_km) + 0.8 * array(nc) + 25 * array(lp_km)) * array(p_m)


def infrastructure_leakage_index(
    real_losses_l_d: ArrayLike, lm_km: ArrayLike, nc: ArrayLike, lp_km: ArrayLike, p_m: ArrayLike
) -> Floats:
    """ILI: real losses by the unavoidable ones; 1 is as tight as can be."""
    least = unavoidable_real_losses(lm_km, nc, lp_km, p_m)
    return array(real_losses_l_d) / np.where(least > 0, least, np.nan)


def minimum_night_flow(flow: ArrayLike, least_points: int = 92) -> float:
    """Least mean of four neighbouring quarter hours of a day of 96, in the flow's unit; none with fewer values."""
    day = np.atleast_1d(array(flow))
    if day.shape != (96,):
        raise ValueError(f"flow: 96 values of 15 minutes each are a day, not {day.size}")
    if np.isfinite(day).sum() < least_points:
        return float("nan")
    means = np.lib.stride_tricks.sliding_window_view(day, 4).mean(axis=1)
    return float(np.nanmin(means))


def minimum_night_flow_running(at_us: ArrayLike, flow: ArrayLike, least_points: int = 92) -> Floats:
    """Of the past 24 hours the least mean of an hour of four values or more; none with fewer values in the day."""
    time = array(np.asarray(at_us, dtype=np.int64)) / 1e6
    known = array(np.isfinite(array(flow)))
    means = rolling_mean(at_us, flow, HOUR_S)
    whole = np.where(rolling_sum(at_us, known, HOUR_S) >= 4, means, np.inf)
    # The first hour that lies whole within the day ends an hour after the day began.
    first = np.searchsorted(time, time - 23 * HOUR_S, side="left")
    least = array([whole[start : end + 1].min() for end, start in enumerate(first)])
    enough = (rolling_sum(at_us, known, 24 * HOUR_S) >= least_points) & np.isfinite(least)
    return np.where(enough, least, np.nan)


def leakage_at_pressure(
    leakage: ArrayLike, pressure_m: ArrayLike, new_pressure_m: ArrayLike, n1: ArrayLike = 1.5
) -> Floats:
    """FAVAD: leakage goes with pressure^N1; N1 0.5 for bursts, 1.5 for background."""
    before = array(pressure_m)
    ratio = array(new_pressure_m) / np.where(before > 0, before, np.nan)
    return array(array(leakage) * ratio ** array(n1))


def leakage_of_day(
    night_leakage_h: ArrayLike, night_pressure_m: float, pressure_m: ArrayLike, n1: float = 1.5
) -> float:
    """A day's leakage from an hour's at night and the day's 24 hourly pressures (FAVAD, night-day factor), per day."""
    hours = np.atleast_1d(array(pressure_m))
    if hours.shape != (24,):
        raise ValueError(f"pressure_m: 24 hourly values, not {hours.size}")
    return float(np.sum(leakage_at_pressure(night_leakage_h, night_pressure_m, hours, n1)))


def joukowsky_head(a: ArrayLike, dv: ArrayLike) -> Floats:
    """Head rise in m of a wave of celerity a [m/s] when the flow changes by dv [m/s] at once."""
    return array(a) * array(dv) / GRAVITY


def pump_efficiency(q_m3h: ArrayLike, h_m: ArrayLike, p_kw: ArrayLike) -> Floats:
    """Share of the power [kW] that lifts the water [m3/h] by the head [m]; none at rest."""
    power = array(p_kw)
    return 1000 * GRAVITY * array(q_m3h) / 3600 * array(h_m) / np.where(power > 0, power * 1000, np.nan)


def sewer_h2s_class(h2s_ppm: ArrayLike, limits: ArrayLike = (10, 50)) -> Texts:
    """III, II or I (the worst) by the mean H2S in the air, ppm; a limit belongs to the class above it."""
    return choose(h2s_ppm, limits, ("III", "II", "I"))


def manhole_entry_allowed(
    o2: ArrayLike, h2s: ArrayLike, o2_least: ArrayLike = 18.0, h2s_most: ArrayLike = 10.0
) -> Floats:
    """1 where the air lets a person in: O2 18 % or more, H2S 10 ppm or less. A meter at the hole has the last word."""
    return when((array(o2) >= array(o2_least)) & (array(h2s) <= array(h2s_most)), o2, h2s)


def h2s_henry(t_k: ArrayLike) -> Floats:
    """Dimensionless gas-to-water ratio of H2S."""
    t = array(t_k)
    solubility = 1.0e-3 * np.exp(2100 * (1 / t - 1 / 298.15))  # mol/(m3.Pa); R as the source rounds it
    return array(1 / (solubility * 8.314 * t))


def effective_bod(bod: ArrayLike, t_c: ArrayLike) -> Floats:
    """EBOD = BOD5 1.07^(T - 20), mg/L: what the slime under water makes sulphide of."""
    return array(array(bod) * 1.07 ** (array(t_c) - 20))


_TANK = {
    "do": ((np.nextafter(0, 1), 1.0), ("ng", "fair", "ok")),
    "clarity": ((15.0, 20.0), ("ng", "fair", "ok")),
    "cl": ((np.nextafter(0, 1),), ("ng", "ok")),
    "bod": ((np.nextafter(20, 21), np.nextafter(30, 31)), ("ok", "fair", "ng")),
    "ph": ((5.0, 5.8, np.nextafter(8.6, 9), np.nextafter(10.0, 11)), ("ng", "fair", "ok", "fair", "ng")),
}


def septic_tank(item: str, value: ArrayLike) -> Texts:
    """ok, fair or ng for do [mg/L], clarity [cm], ph, bod [mg/L] or cl [mg/L].

    The outer limits of pH (5, 10) are recalled, not checked.
    """
    if item not in _TANK:
        raise ValueError(f"item {item!r}: one of {', '.join(_TANK)}")
    return choose(value, *_TANK[item])


def river_gauge_mode(
    level_m: float,
    start_m: float,
    minutes_since_tx: float,
    *,
    below_min: float = 10.0,
    above_min: float = 5.0,
    send_least_min: float = 1440.0,
) -> dict[str, float | bool]:
    """Longest interval between measurements in minutes, and whether to send now: above the start level always."""
    if not np.isfinite(level_m):
        raise ValueError("level_m: missing, so neither above nor below")
    above = level_m >= start_m
    return {
        "measure_interval_max_min": above_min if above else below_min,
        "transmit": bool(above or minutes_since_tx >= send_least_min),
    }


def pond_crossing(level_m: ArrayLike, previous_m: ArrayLike, warning_m: float, danger_m: float) -> Texts:
    """Which of a pond's four messages a pair of levels calls for: danger or warning, up or down, or `-`.

    Where both are crossed at once the danger speaks when it rises, the warning when it falls.
    """
    if not warning_m < danger_m:
        raise ValueError("warning_m: below danger_m")
    now, before = np.broadcast_arrays(array(level_m), array(previous_m))
    crossings = [
        (now >= danger_m) & (before < danger_m),
        (now >= warning_m) & (before < warning_m),
        (now < warning_m) & (before >= warning_m),
        (now < danger_m) & (before >= danger_m),
    ]
    return texts(np.select(crossings, ["danger_up", "warning_up", "warning_down", "danger_down"], "-"), now, before)


def pond_interval(
    level_m: ArrayLike, warning_m: ArrayLike, calm_min: ArrayLike = 60.0, above_min: ArrayLike = 3.0
) -> Floats:
    """Minutes to the next measurement: hourly, every 3 minutes above the warning level."""
    above = when(array(level_m) >= array(warning_m), level_m, warning_m)
    return array(above * array(above_min) + (1 - above) * array(calm_min))


_TANK_SOURCE = "浄化槽法定検査判定ガイドライン（合併処理, BOD 20）"
INDICATORS = (
    Indicator("unavoidable_real_losses", unavoidable_real_losses, "L/d",
              {"lm_km": "km", "nc": "{count}", "lp_km": "km", "p_m": "m[H2O]"},
              "IWA: (18 Lm + 0.8 Nc + 25 Lp) P", "C", "不可避漏水量（UARL）", "Unavoidable annual real losses"),
    Indicator("infrastructure_leakage_index", infrastructure_leakage_index, "1",
              {"real_losses_l_d": "L/d", "lm_km": "km", "nc": "{count}", "lp_km": "km", "p_m": "m[H2O]"},
              "IWA: real losses / UARL", "X", "漏水指標（ILI）", "Infrastructure leakage index",
              ranges={"real_losses_l_d": (0, np.inf)}),
    Indicator("minimum_night_flow", minimum_night_flow, "as given",
              {"flow": "96 values of 15 min", "least_points": "{count}"},
              "IWA practice: least 1-h running mean, >= 92 of 96 points", "R", "夜間最小流量", "Minimum night flow"),
    Indicator("minimum_night_flow_running", minimum_night_flow_running, "as given",
              {"at_us": "us, list", "flow": "any, list", "least_points": "{count}"},
              "IWA practice: least 1-h running mean, >= 92 of 96 points", "R", "夜間最小流量（過去24時間）",
              "Minimum night flow of the past 24 hours", over_time=True),
    Indicator("leakage_at_pressure", leakage_at_pressure, "as given",
              {"leakage": "any", "pressure_m": "m[H2O]", "new_pressure_m": "m[H2O]", "n1": "1"},
              "FAVAD, IWA practice", "R", "水圧と漏水量", "Leakage at another pressure", ranges={"n1": (0, 3)}),
    Indicator("leakage_of_day", leakage_of_day, "as given, per day",
              {"night_leakage_h": "per hour", "night_pressure_m": "m[H2O]", "pressure_m": "m[H2O], 24", "n1": "1"},
              "FAVAD, IWA practice: night-day factor", "X", "夜間漏水量から求める1日の漏水量",
              "Day's leakage from the night's", ranges={"n1": (0, 3)}),
    Indicator("joukowsky_head", joukowsky_head, "m", {"a": "m/s", "dv": "m/s"}, "Joukowsky: a dv / g", "X",
              "水撃圧（水頭）", "Water hammer head", ranges={"a": (0, 1500), "dv": (-30, 30)}),
    Indicator("pump_efficiency", pump_efficiency, "1", {"q_m3h": "m3/h", "h_m": "m", "p_kw": "kW"},
              "rho g Q H / P", "X",
              "ポンプ効率", "Pump efficiency"),
    Indicator("sewer_h2s_class", sewer_h2s_class, "class", {"h2s_ppm": "[ppm]", "limits": "[ppm], two"},
              "下水道 防食の手引き: 10/50 ppm", "R",
              "硫化水素による腐食環境", "Sewer H2S environment class"),
    Indicator("manhole_entry_allowed", manhole_entry_allowed, "{bool}",
              {"o2": "%", "h2s": "[ppm]", "o2_least": "%", "h2s_most": "[ppm]"},
              "酸素欠乏症等防止規則: O2 < 18 %, H2S > 10 ppm", "R", "マンホール立入の可否", "Manhole entry"),
    Indicator("h2s_henry", h2s_henry, "1", {"t_k": "K"}, "Sander 2023", "C", "硫化水素のヘンリー定数",
              "Henry constant of H2S", ranges={"t_k": (273, 374)}),
    Indicator("effective_bod", effective_bod, "mg/L", {"bod": "mg/L", "t_c": "Cel"}, "Pomeroy-Parkhurst", "X",
              "有効BOD", "Effective BOD"),
    Indicator("septic_tank", septic_tank, "class", {"item": "do, clarity, ph, bod or cl", "value": "mg/L, cm or [pH]"},
              _TANK_SOURCE, "R", "浄化槽の判定", "Septic tank judgement", ranges={"value": (0, 1e5)}),
    Indicator("river_gauge_mode", river_gauge_mode, "min",
              {"level_m": "m", "start_m": "m", "minutes_since_tx": "min", "below_min": "min", "above_min": "min",
               "send_least_min": "min"},
              "国土交通省 危機管理型水位計 2017 (draft)", "R",
              "危機管理型水位計の動作", "River gauge mode"),
    Indicator("pond_crossing", pond_crossing, "class",
              {"level_m": "m", "previous_m": "m", "warning_m": "m", "danger_m": "m"}, "明石市のため池監視", "R",
              "ため池水位の通知", "Pond crossing message"),
    Indicator("pond_interval", pond_interval, "min",
              {"level_m": "m", "warning_m": "m", "calm_min": "min", "above_min": "min"}, "明石市のため池監視", "R",
              "ため池の測定間隔", "Pond measuring interval"),
)  # fmt: skip
