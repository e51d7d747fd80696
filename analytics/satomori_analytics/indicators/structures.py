"""Structures: bridges, slopes, sewer spans, pavements, machines; how they stand and how they age."""

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.base import Floats, Indicator, Texts, array, choose

BRIDGE_HEALTH = {"I": "健全", "II": "予防保全段階", "III": "早期措置段階", "IV": "緊急措置段階"}
# Zone limits A/B, B/C, C/D in mm/s RMS: ISO 10816-3 groups 1 and 2, rigid and flexible.
_ZONES = {
    (1, "rigid"): (2.3, 4.5, 7.1),
    (1, "flexible"): (3.5, 7.1, 11.0),
    (2, "rigid"): (1.4, 2.8, 4.5),
    (2, "flexible"): (2.3, 4.5, 7.1),
}
_ROMAN = ("I", "II", "III")


def bridge_health(rank: str) -> str:
    if rank not in BRIDGE_HEALTH:
        raise ValueError(f"rank {rank!r}: one of I, II, III, IV")
    return BRIDGE_HEALTH[rank]


def markov_deterioration(p: ArrayLike, n0: ArrayLike, years: int) -> Floats:
    """Expected number in each state after whole `years`: n P^k; P's rows sum to 1."""
    matrix = array(p)
    if matrix.ndim != 2 or not np.allclose(matrix.sum(axis=1), 1):
        raise ValueError("p: a square matrix whose rows sum to 1")
    return array(array(n0) @ np.linalg.matrix_power(matrix, int(years)))


def hazard_transition(theta: ArrayLike, years: float) -> Floats:
    """Transition matrix over `years` where state i is left for i+1 at rate theta[i] per year."""
    rates = np.atleast_1d(array(theta))
    generator = np.diag(np.append(-rates, 0.0)) + np.diag(rates, 1)
    # The exponential by its series, halved until the series is short.
    halvings = max(int(np.ceil(np.log2(max(np.abs(generator).sum() * years, 1e-9)))) + 4, 0)
    step, result = generator * years / 2**halvings, np.eye(len(generator))
    term = result
    for k in range(1, 13):
        term = term @ step / k
        result = result + term
    return array(np.linalg.matrix_power(result, 2**halvings))


def frequency_residual(
    frequency_hz: ArrayLike, t_c: ArrayLike, learn_frequency_hz: ArrayLike, learn_t_c: ArrayLike
) -> Floats:
    """Frequency less what its temperature explains, in Hz: a line with one slope below 0 °C and one above."""
    coefficients, *_ = np.linalg.lstsq(_two_slopes(array(learn_t_c)), array(learn_frequency_hz), rcond=None)
    return array(array(frequency_hz) - _two_slopes(array(t_c)) @ coefficients)


def _two_slopes(t_c: Floats) -> Floats:
    return np.stack([np.ones_like(t_c), np.minimum(t_c, 0), np.maximum(t_c, 0)], axis=-1)


def tilt_rate_class(rate_deg_h: ArrayLike) -> Texts:
    return choose(np.abs(array(rate_deg_h)), (0.01, 0.1), ("normal", "precaution", "warning"))


def extensometer_active(daily_mm: ArrayLike) -> Floats:
    """1 on each day that ends ten days of 1 mm/d or more, or two days of 10 mm/d or more."""
    daily = np.atleast_1d(array(daily_mm))
    return ((_run(daily >= 1) >= 10) | (_run(daily >= 10) >= 2)).astype(float)


def extensometer_entry_ban(hourly_mm: ArrayLike) -> Floats:
    """1 on each hour that ends two hours of 2 mm/h or more."""
    return (_run(np.atleast_1d(array(hourly_mm)) >= 2) >= 2).astype(float)


def _run(holds: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """How many times in a row it has held, up to and with each place."""
    place = np.arange(1, len(holds) + 1)
    return array(place - np.maximum.accumulate(np.where(holds, 0, place)))


def landslide_tiltmeter_active(week_cum_s: ArrayLike = 0.0, week_mean_s_day: ArrayLike = 0.0) -> Floats:
    return ((array(week_cum_s) >= 100) | (array(week_mean_s_day) >= 30)).astype(float)


def sewer_span_rank(a_pct: float, b_pct: float, c_pct: float, forced: bool = False) -> str:
    """Rank of a span by the share of its pipes with defects of class a, b, c.

    `forced`: a collapse or an open joint of class a. Only rank A was read in the guide; B and C are recalled.
    """
    if forced or a_pct >= 20 or a_pct + b_pct >= 40:
        return "A"
    if a_pct > 0 or b_pct > 0 or a_pct + b_pct + c_pct >= 60:
        return "B"
    return "C"


def sewer_urgency(ranks: list[str]) -> str:
    """Urgency from the ranks A, B, C of corrosion, sagging and pipe defects."""
    if ranks.count("A") >= 2:
        return "I"
    return "II" if "A" in ranks or ranks.count("B") >= 2 else "III"


def sewer_special_survey(d_m: ArrayLike, fy: ArrayLike) -> Floats:
    return ((array(d_m) >= 2.0) & (array(fy) <= 1994)).astype(float)


def pavement_class(crack_pct: ArrayLike, rut_mm: ArrayLike, iri: ArrayLike) -> Texts:
    """I, II or III; the worst of the three governs."""
    pairs = ((crack_pct, (20, 40)), (rut_mm, (20, 40)), (iri, (3, 8)))
    worst = np.max([np.searchsorted(limits, array(v), side="right") for v, limits in pairs], axis=0)
    return np.asarray(np.asarray(_ROMAN)[worst], dtype=np.str_)


def vibration_zone(v_mm_s: ArrayLike, group: int = 2, mounting: str = "rigid") -> Texts:
    if (group, mounting) not in _ZONES:
        raise ValueError("group is 1 (> 300 kW) or 2 (15-300 kW), mounting is rigid or flexible")
    return choose(v_mm_s, _ZONES[group, mounting], ("A", "B", "C", "D"))


def rebar_corrosion(chloride_kg_m3: ArrayLike) -> Floats:
    return (array(chloride_kg_m3) >= 1.2).astype(float)


_GUIDE = "国土交通省 下水道管路施設ストックマネジメントの手引き"
_EARTHWORK = "道路土工 切土工・斜面安定工指針 2009"
INDICATORS = (
    Indicator("bridge_health", bridge_health, "class", {"rank": "I to IV"}, "国土交通省 道路橋定期点検要領", "R",
              "橋梁の健全性", "Bridge health"),
    Indicator("markov_deterioration", markov_deterioration, "{count}",
              {"p": "1, matrix", "n0": "{count}, list", "years": "a"}, "textbook: n P^k", "X",
              "マルコフ劣化予測", "Markov deterioration"),
    Indicator("hazard_transition", hazard_transition, "1", {"theta": "1/a, list", "years": "a"},
              "Tsuda et al. 2005", "X",
              "劣化ハザードの推移確率", "Transition by hazard rates"),
    Indicator("frequency_residual", frequency_residual, "Hz",
              {"frequency_hz": "Hz, list", "t_c": "Cel, list", "learn_frequency_hz": "Hz, list",
              "learn_t_c": "Cel, list"},
              "two slopes around 0 °C, as for the Z24 bridge (recalled, not checked)", "REC",
              "温度の影響を除いた固有振動数", "Natural frequency freed of temperature"),
    Indicator("tilt_rate_class", tilt_rate_class, "class", {"rate_deg_h": "deg/h"},
              "Uchimura et al.: 0.01/0.1 °/h", "R",
              "傾斜速度の区分", "Slope tilt rate class"),
    Indicator("extensometer_active", extensometer_active, "{bool}", {"daily_mm": "mm/d, list"}, _EARTHWORK, "R",
              "地すべり活動（伸縮計）", "Landslide active by extensometer"),
    Indicator("extensometer_entry_ban", extensometer_entry_ban, "{bool}", {"hourly_mm": "mm/h, list"}, _EARTHWORK, "R",
              "立入禁止（伸縮計）", "Entry ban by extensometer"),
    Indicator("landslide_tiltmeter_active", landslide_tiltmeter_active, "{bool}",
              {"week_cum_s": "arc second", "week_mean_s_day": "arc second/d"}, _EARTHWORK, "R",
              "地すべり活動（傾斜計）", "Landslide active by tiltmeter"),
    Indicator("sewer_span_rank", sewer_span_rank, "class", {"a_pct": "%", "b_pct": "%", "c_pct": "%",
              "forced": "true/false"},
              f"{_GUIDE} (rank A read; B and C recalled)", "R", "スパン全体の評価", "Sewer span rank"),
    Indicator("sewer_urgency", sewer_urgency, "class", {"ranks": "A, B, C, list"}, _GUIDE, "R", "緊急度",
              "Sewer urgency"),
    Indicator("sewer_special_survey", sewer_special_survey, "{bool}", {"d_m": "m", "fy": "fiscal year"},
              "国土交通省 2025 全国特別重点調査", "R", "特別重点調査の対象", "Sewer special survey"),
    Indicator("pavement_class", pavement_class, "class", {"crack_pct": "%", "rut_mm": "mm", "iri": "mm/m"},
              "舗装点検要領 2016; the worst governs (our reading)", "R", "舗装の診断区分", "Pavement class"),
    Indicator("vibration_zone", vibration_zone, "class", {"v_mm_s": "mm/s", "group": "1 or 2",
              "mounting": "rigid/flexible"},
              "ISO 10816-3", "R", "振動の評価域", "Machine vibration zone"),
    Indicator("rebar_corrosion", rebar_corrosion, "{bool}", {"chloride_kg_m3": "kg/m3"},
              "コンクリート標準示方書 1.2 kg/m3", "R",
              "鉄筋腐食の発生限界", "Rebar corrosion onset"),
)  # fmt: skip
