"""Structures: bridges, slopes, sewer spans, pavements, machines; how they stand and how they age."""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from satomori_analytics.indicators.base import Floats, Indicator, Texts, aligned, array, choose, texts, when
from satomori_analytics.indicators.series import run_length

BRIDGE_HEALTH = {"I": "健全", "II": "予防保全段階", "III": "早期措置段階", "IV": "緊急措置段階"}
# Zone limits A/B, B/C, C/D in mm/s RMS: ISO 10816-3 groups 1 (> 300 kW) and 2 (15-300 kW), rigid and flexible.
_ZONES = {
    (1, "rigid"): (2.3, 4.5, 7.1),
    (1, "flexible"): (3.5, 7.1, 11.0),
    (2, "rigid"): (1.4, 2.8, 4.5),
    (2, "flexible"): (2.3, 4.5, 7.1),
}
# ISO 10816-7, pumps: by category (I critical, II others) and whether above 200 kW. Recalled, not checked.
_PUMP_ZONES = {
    ("I", False): (2.5, 4.0, 6.6),
    ("I", True): (3.5, 5.0, 7.6),
    ("II", False): (3.2, 5.1, 8.5),
    ("II", True): (4.2, 6.1, 9.5),
}
_ABCD = ("A", "B", "C", "D")
_ROMAN = ("I", "II", "III")
# Bounds on work.
STATES_MAX, DRAWS_MAX, RANKS_MAX, SPANS_MAX = 20, 5_000, 6, 60


def bridge_health(rank: str) -> str:
    """Name of the health rank that an inspection every five years gives a bridge or tunnel."""
    if rank not in BRIDGE_HEALTH:
        raise ValueError(f"rank {rank!r}: one of I, II, III, IV")
    return BRIDGE_HEALTH[rank]


def markov_deterioration(p: ArrayLike, n0: ArrayLike, years: int) -> Floats:
    """Expected number in each state after whole `years`: n P^k; P's rows sum to 1."""
    matrix, start = array(p), array(n0)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or start.shape != matrix.shape[:1]:
        raise ValueError("p: a square matrix with a row for each number of n0")
    if not np.allclose(matrix.sum(axis=1), 1):
        raise ValueError(f"p: rows sum to 1, not to {', '.join(f'{row:g}' for row in matrix.sum(axis=1))}")
    return array(start @ np.linalg.matrix_power(matrix, years))


def hazard_transition(theta: ArrayLike, years: float) -> Floats:
    """Transition matrix over `years` where state i is left for i+1 at rate theta[i] per year; the last state stays."""
    return _transitions(np.atleast_1d(array(theta)), years)


def _transitions(rates: Floats, years: float) -> Floats:
    """exp(Q years) for rates of shape (…, states - 1), by its series, halved until the series is short."""
    count = rates.shape[-1]
    if count >= STATES_MAX:
        raise ValueError(f"at most {STATES_MAX} states")
    generator = np.zeros((*rates.shape[:-1], count + 1, count + 1))
    place = np.arange(count)
    generator[..., place, place], generator[..., place, place + 1] = -rates, rates
    largest = float(np.max(np.abs(rates), initial=0.0)) * years
    halvings = max(int(np.ceil(np.log2(max(largest, 1e-9)))) + 4, 0)
    step = generator * years / 2**halvings
    result = term = np.broadcast_to(np.eye(count + 1), step.shape)
    for k in range(1, 13):
        term = term @ step / k
        result = result + term
    return array(np.linalg.matrix_power(result, 2**halvings))


def hazard_rate(left: ArrayLike, years_at_risk: ArrayLike) -> dict[str, Floats]:
    """Rates per year of leaving each state, theta = left / years_at_risk, with their standard error.

    `left`: how many structures were seen to leave the state; `years_at_risk`: years spent in it by all together. For
    structures looked at so often that a state's end is known, to within a cycle that is short against 1/theta.
    """
    number, exposure = aligned(left=left, years_at_risk=years_at_risk)
    years = np.where(exposure > 0, exposure, np.nan)
    return {"theta": number / years, "standard_error": np.sqrt(number) / years}


def hazard_fit(
    rank_from: ArrayLike, rank_to: ArrayLike, years: ArrayLike, confidence: float = 0.9
) -> dict[str, Floats]:
    """Rates per year of leaving each rank, by maximum likelihood from pairs of inspections some years apart.

    A pair says only that the rank (1 is the best) was this and then that; what happened between is summed over, as in
    Tsuda 2005 without covariates. Leave out what was repaired between. Answers theta, and the band (low, high) of a
    normal log theta.
    """
    before, after, span = aligned(rank_from=rank_from, rank_to=rank_to, years=years)
    if not np.all((before >= 1) & (after >= before) & (span > 0)):
        raise ValueError("rank_to: not better than rank_from (leave out repairs), both from 1 up, years above 0")
    states = int(after.max())
    lengths, place = np.unique(np.round(span, 1), return_inverse=True)
    if not 1 < states <= RANKS_MAX or len(lengths) > SPANS_MAX:
        raise ValueError(f"rank_to: 2 to {RANKS_MAX} ranks; years: at most {SPANS_MAX} different tenths of a year")
    exits = np.array([np.sum((before <= i) & (after > i)) for i in range(1, states)])
    if not np.all(exits):
        raise ValueError(f"rank_to: nothing was seen to leave rank {np.argmin(exits) + 1}")
    pairs = (place, before.astype(int) - 1, after.astype(int) - 1)

    def log_likelihood(log_theta: Floats) -> Floats:
        chances = _transitions(np.exp(log_theta)[:, None] * np.maximum(lengths, 0.1)[:, None], 1.0)
        return array(np.log(np.maximum(chances[:, *pairs], 1e-300)).sum(axis=1))

    start = np.log(exits / np.array([span[before <= i].sum() for i in range(1, states)]))
    log_theta, curvature = _climb(log_likelihood, start)
    error = np.sqrt(np.diag(np.linalg.inv(curvature))) * NormalDist().inv_cdf((1 + confidence) / 2)
    return {"theta": np.exp(log_theta), "low": np.exp(log_theta - error), "high": np.exp(log_theta + error)}


def _climb(height: Callable[[Floats], Floats], start: Floats) -> tuple[Floats, Floats]:
    """The top of a smooth hill by Newton's steps, halved while they lead down; and the curvature there.

    `height` answers for many points at once: (points, dimensions) -> (points,).
    """
    at, count, small = start, len(start), 1e-3
    unit = np.eye(count) * small
    one, other = unit[:, None, :], unit[None, :, :]
    steps = np.stack([one + other, one - other, other - one, -one - other]).reshape(-1, count)
    for _ in range(30):
        ahead, behind = height(at + unit), height(at - unit)
        gradient = (ahead - behind) / (2 * small)
        corners = height(at + steps).reshape(4, count, count)
        curvature = -(corners[0] - corners[1] - corners[2] + corners[3]) / (4 * small * small)
        try:
            np.linalg.cholesky(curvature)
            step = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:
            step = gradient / np.maximum(np.linalg.norm(gradient), 1)
        step = np.clip(step, -2, 2)
        while np.max(np.abs(step)) > 1e-7 and height((at + step)[None])[0] < height(at[None])[0]:
            step = step / 2
        at = at + step
        if np.max(np.abs(step)) < 1e-6:
            return at, curvature
    raise ValueError("rank_to: these pairs do not say how fast each rank is left")


def hazard_forecast(
    left: ArrayLike,
    years_at_risk: ArrayLike,
    start: ArrayLike,
    years: float,
    *,
    confidence: float = 0.9,
    draws: int = 2000,
    seed: int = 0,
) -> dict[str, Floats]:
    """Expected numbers in each state after `years`, with the band that the uncertainty of the rates leaves.

    The rates are drawn from their gamma posteriors (Jeffreys' prior: shape left + 1/2, rate years_at_risk); low and
    high are the band's ends, mean its middle. `start`: numbers now, one state more than rates. The same seed gives the
    same answer. The chance of a single structure's fate is not in the band.
    """
    number, exposure = aligned(left=left, years_at_risk=years_at_risk)
    now = np.atleast_1d(array(start))
    if len(now) != len(number) + 1 or np.any(exposure <= 0):
        raise ValueError("start: one state more than left; years_at_risk: above 0")
    rates = np.random.default_rng(seed).gamma(number + 0.5, 1 / exposure, size=(draws, len(number)))
    later = now @ _transitions(rates, years)
    low, high = np.quantile(later, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return {"low": array(low), "mean": array(later.mean(axis=0)), "high": array(high)}


def hazard_posterior(
    rank_from: ArrayLike, rank_to: ArrayLike, years: ArrayLike, prior_theta: ArrayLike, prior_years: float
) -> tuple[Floats, Floats]:
    """Mode and covariance of log theta, by pairs of inspections as in `hazard_fit` and a prior for what they lack.

    The prior is the gamma of the mean `prior_theta`, worth `prior_years` of watching each rank (Gamma-Poisson: so many
    years, prior_theta prior_years seen to leave). Near its mode the posterior of log theta is taken as normal
    (Laplace), so without pairs the mode is the prior's mean. Years count by quarters.
    """
    before, after, span = aligned(rank_from=rank_from, rank_to=rank_to, years=years)
    prior = np.atleast_1d(array(prior_theta))
    if not np.all((before >= 1) & (after >= before) & (after <= len(prior) + 1) & (span > 0)):
        raise ValueError("rank_to: not better than rank_from, both from 1 to one more than prior_theta; years above 0")
    kinds, counts = np.unique(
        np.stack([before - 1, after - 1, np.maximum(np.round(span * 4) / 4, 0.25)]), axis=1, return_counts=True
    )
    lengths, place = np.unique(kinds[2], return_inverse=True)
    pairs = (place, kinds[0].astype(int), kinds[1].astype(int))

    def log_posterior(log_theta: Floats) -> Floats:
        theta = np.exp(log_theta)
        chances = _transitions(theta[:, None] * lengths[:, None], 1.0)[:, *pairs]
        known = prior_years * np.sum(prior * log_theta - theta, axis=1)
        return array(known + np.log(np.maximum(chances, 1e-300)) @ counts)

    log_theta, curvature = _climb(log_posterior, np.log(prior))
    return log_theta, array(np.linalg.inv(curvature))


def hazard_reached(
    log_theta: ArrayLike,
    covariance: ArrayLike,
    start: int,
    reached: int,
    years: float,
    *,
    confidence: float = 0.9,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """(chance, low, high) that state `reached` or a worse one is reached from `start` within `years`.

    The chance is that of the rates exp(log_theta); the band is theirs, drawn from a normal log theta. The same seed
    gives the same answer.
    """
    middle = array(log_theta)
    drawn = np.random.default_rng(seed).multivariate_normal(middle, array(covariance), draws)
    chances = _transitions(np.exp(np.vstack([middle, drawn]))[:, start:reached], years)[:, 0, -1]
    low, high = np.quantile(chances[1:], [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(chances[0]), float(low), float(high)


def frequency_residual(
    frequency_hz: ArrayLike, t_c: ArrayLike, learn_frequency_hz: ArrayLike, learn_t_c: ArrayLike
) -> Floats:
    """Frequency less what its temperature explains, in Hz: a line with one slope below 0 °C and one above."""
    known, explained = aligned(learn_frequency_hz=learn_frequency_hz, learn_t_c=learn_t_c)
    whole = np.isfinite(known + explained)
    if whole.sum() < 4:
        raise ValueError("learn_frequency_hz: four whole pairs or more")
    coefficients, *_ = np.linalg.lstsq(_two_slopes(explained[whole]), known[whole], rcond=None)
    return array(array(frequency_hz) - _two_slopes(array(t_c)) @ coefficients)


def _two_slopes(t_c: Floats) -> Floats:
    return np.stack([np.ones_like(t_c), np.minimum(t_c, 0), np.maximum(t_c, 0)], axis=-1)


def tilt_rate_class(rate_deg_h: ArrayLike, limits: ArrayLike = (0.01, 0.1)) -> Texts:
    """normal, precaution or warning by the rate's size, whichever way it tilts, °/h."""
    return choose(np.abs(array(rate_deg_h)), limits, ("normal", "precaution", "warning"))


def extensometer_active(
    daily_mm: ArrayLike,
    *,
    slow_mm: float = 1.0,
    slow_days: float = 10.0,
    fast_mm: float = 10.0,
    fast_days: float = 2.0,
) -> Floats:
    """1 on each day that ends ten days of 1 mm/d or more, or two days of 10 mm/d or more; opening counts."""
    daily = np.atleast_1d(array(daily_mm))
    slow, fast = run_length(daily >= slow_mm) >= slow_days, run_length(daily >= fast_mm) >= fast_days
    return when(slow | fast, daily)


def extensometer_entry_ban(hourly_mm: ArrayLike, limit_mm: float = 2.0, hours: float = 2.0) -> Floats:
    """1 on each hour that ends two hours of 2 mm/h or more."""
    hourly = np.atleast_1d(array(hourly_mm))
    return when(run_length(hourly >= limit_mm) >= hours, hourly)


def landslide_tiltmeter_active(
    week_cum_s: ArrayLike = 0.0,
    week_mean_s_day: ArrayLike = 0.0,
    cum_limit_s: ArrayLike = 100.0,
    mean_limit_s: ArrayLike = 30.0,
) -> Floats:
    """1 where a week's tilt sums up to 100 arc seconds, or its mean is 30 arc seconds a day, or more."""
    active = (array(week_cum_s) >= array(cum_limit_s)) | (array(week_mean_s_day) >= array(mean_limit_s))
    return when(active, week_cum_s, week_mean_s_day)


def landslide_tiltmeter_entry_ban(day_max_s: ArrayLike, accumulates: bool, limit_s: ArrayLike = 100.0) -> Floats:
    """1 where a day's largest tilt is 100 arc seconds or more, and tilt goes on accumulating one way."""
    return when((array(day_max_s) >= array(limit_s)) & accumulates, day_max_s)


def sewer_span_rank(
    a_pct: float,
    b_pct: float,
    c_pct: float,
    forced: bool = False,
    *,
    a_limit_pct: float = 20.0,
    ab_limit_pct: float = 40.0,
    abc_limit_pct: float = 60.0,
) -> str:
    """Rank of a span by the share [%] of its pipes with defects of class a, b, c.

    `forced`: a collapse or an open joint of class a. Only rank A was read in the guide; B and C are recalled.
    """
    if forced or a_pct >= a_limit_pct or a_pct + b_pct >= ab_limit_pct:
        return "A"
    if a_pct > 0 or b_pct > 0 or a_pct + b_pct + c_pct >= abc_limit_pct:
        return "B"
    return "C"


def sewer_urgency(ranks: list[str]) -> str:
    """Urgency from the ranks A, B, C of corrosion, sagging and pipe defects: I is within a year or so."""
    if not set(ranks) <= {"A", "B", "C"}:
        raise ValueError(f"ranks: A, B or C each, not {', '.join(map(repr, sorted(set(ranks) - {'A', 'B', 'C'})))}")
    if ranks.count("A") >= 2:
        return "I"
    return "II" if "A" in ranks or ranks.count("B") >= 2 else "III"


def sewer_special_survey(
    d_m: ArrayLike, fy: ArrayLike, least_m: ArrayLike = 2.0, until_fy: ArrayLike = 1994.0
) -> Floats:
    """1 where the survey of 2025 asks for it: inner diameter of 2 m or more, laid or rebuilt in FY1994 or before."""
    return when((array(d_m) >= array(least_m)) & (array(fy) <= array(until_fy)), d_m, fy)


def pavement_class(
    crack_pct: ArrayLike,
    rut_mm: ArrayLike,
    iri: ArrayLike,
    *,
    crack_limits: ArrayLike = (20, 40),
    rut_limits: ArrayLike = (20, 40),
    iri_limits: ArrayLike = (3, 8),
) -> Texts:
    """I, II or III by cracking, rut depth and IRI; the worst of the three governs (our reading)."""
    pairs = ((crack_pct, crack_limits), (rut_mm, rut_limits), (iri, iri_limits))
    places = np.broadcast_arrays(*(np.searchsorted(array(limits), array(v), side="right") for v, limits in pairs))
    return texts(np.asarray(_ROMAN)[np.max(places, axis=0)], crack_pct, rut_mm, iri)


def vibration_zone(
    v_mm_s: ArrayLike, group: int = 2, mounting: str = "rigid", limits: ArrayLike | None = None
) -> Texts:
    """Zone A to D of the velocity's RMS, mm/s. Group 1 is above 300 kW, group 2 from 15 kW; pumps have their own.

    `limits` stand before the standard's: A/B, B/C, C/D.
    """
    if limits is not None:
        return choose(v_mm_s, limits, _ABCD)
    if (group, mounting) not in _ZONES:
        raise ValueError("group is 1 (> 300 kW) or 2 (15-300 kW), mounting is rigid or flexible")
    return choose(v_mm_s, _ZONES[group, mounting], _ABCD)


def pump_vibration_zone(
    v_mm_s: ArrayLike, category: str = "I", above_200_kw: bool = False, limits: ArrayLike | None = None
) -> Texts:
    """Zone A to D of a rotodynamic pump's velocity RMS, mm/s. Category I: critical or dangerous duty.

    `limits` stand before the standard's: A/B, B/C, C/D.
    """
    if limits is not None:
        return choose(v_mm_s, limits, _ABCD)
    if (category, above_200_kw) not in _PUMP_ZONES:
        raise ValueError("category is I or II")
    return choose(v_mm_s, _PUMP_ZONES[category, above_200_kw], _ABCD)


def rebar_corrosion(chloride_kg_m3: ArrayLike, limit_kg_m3: ArrayLike = 1.2) -> Floats:
    """1 where chloride at the bar has reached the amount from which it corrodes."""
    return when(array(chloride_kg_m3) >= array(limit_kg_m3), chloride_kg_m3)


_GUIDE = "国土交通省 下水道管路施設ストックマネジメントの手引き"
_EARTHWORK = "道路土工 切土工・斜面安定工指針 2009"
INDICATORS = (
    Indicator("bridge_health", bridge_health, "class", {"rank": "I to IV"}, "国土交通省 道路橋定期点検要領", "R",
              "橋梁の健全性", "Bridge health"),
    Indicator("markov_deterioration", markov_deterioration, "{count}",
              {"p": "1, matrix", "n0": "{count}, list", "years": "a"}, "textbook: n P^k", "C",
              "マルコフ劣化予測", "Markov deterioration",
              ranges={"p": (0, 1), "years": (0, 1000)}),
    Indicator("hazard_transition", hazard_transition, "1", {"theta": "1/a, list", "years": "a"},
              "Tsuda et al. 2005", "X",
              "劣化ハザードの推移確率", "Transition by hazard rates",
              ranges={"theta": (0, 1000), "years": (0, 1000)}),
    Indicator("hazard_rate", hazard_rate, "1/a", {"left": "{count}, list", "years_at_risk": "a, list"},
              "maximum likelihood of a constant rate (Tsuda 2005's hazard without covariates)", "X",
              "劣化ハザード率", "Deterioration hazard rates"),
    Indicator("hazard_fit", hazard_fit, "1/a",
              {"rank_from": "1 is the best, list", "rank_to": "1 is the best, list", "years": "a, list",
               "confidence": "1"},
              "Tsuda et al. 2005 (exponential hazards, no covariates)", "X",
              "点検結果からの劣化ハザード率", "Hazard rates from pairs of inspections",
              ranges={"rank_from": (1, 6), "rank_to": (1, 6), "years": (0.1, 100), "confidence": (0.01, 0.999)}),
    Indicator("hazard_forecast", hazard_forecast, "{count}",
              {"left": "{count}, list", "years_at_risk": "a, list", "start": "{count}, list", "years": "a",
               "confidence": "1", "draws": "{count}", "seed": "whole number"},
              "Tsuda et al. 2005; gamma posterior of the rates (Jeffreys)", "X",
              "劣化予測とその幅", "Deterioration forecast with its band",
              ranges={"years": (0, 1000), "confidence": (0.01, 0.999), "draws": (100, DRAWS_MAX), "seed": (0, 2**31)}),
    Indicator("frequency_residual", frequency_residual, "Hz",
              {"frequency_hz": "Hz, list", "t_c": "Cel, list", "learn_frequency_hz": "Hz, list",
              "learn_t_c": "Cel, list"},
              "two slopes around 0 °C, as for the Z24 bridge (recalled, not checked)", "REC",
              "温度の影響を除いた固有振動数", "Natural frequency freed of temperature"),
    Indicator("tilt_rate_class", tilt_rate_class, "class", {"rate_deg_h": "deg/h", "limits": "deg/h, two"},
              "Uchimura et al.: 0.01/0.1 °/h", "R",
              "傾斜速度の区分", "Slope tilt rate class"),
    Indicator("extensometer_active", extensometer_active, "{bool}",
              {"daily_mm": "mm/d, list", "slow_mm": "mm/d", "slow_days": "d", "fast_mm": "mm/d", "fast_days": "d"},
              _EARTHWORK, "R",
              "地すべり活動（伸縮計）", "Landslide active by extensometer",
              ranges={"daily_mm": (-1e4, 1e4)}),
    Indicator("extensometer_entry_ban", extensometer_entry_ban, "{bool}",
              {"hourly_mm": "mm/h, list", "limit_mm": "mm/h", "hours": "h"}, _EARTHWORK, "R",
              "立入禁止（伸縮計）", "Entry ban by extensometer",
              ranges={"hourly_mm": (-1e4, 1e4)}),
    Indicator("landslide_tiltmeter_active", landslide_tiltmeter_active, "{bool}",
              {"week_cum_s": "arc second", "week_mean_s_day": "arc second/d", "cum_limit_s": "arc second",
               "mean_limit_s": "arc second/d"}, _EARTHWORK, "R",
              "地すべり活動（傾斜計）", "Landslide active by tiltmeter"),
    Indicator("landslide_tiltmeter_entry_ban", landslide_tiltmeter_entry_ban, "{bool}",
              {"day_max_s": "arc second", "accumulates": "true/false", "limit_s": "arc second"}, _EARTHWORK, "R",
              "立入禁止（傾斜計）", "Entry ban by tiltmeter"),
    Indicator("sewer_span_rank", sewer_span_rank, "class", {"a_pct": "%", "b_pct": "%", "c_pct": "%",
              "forced": "true/false", "a_limit_pct": "%", "ab_limit_pct": "%", "abc_limit_pct": "%"},
              f"{_GUIDE} (rank A read; B and C recalled)", "R", "スパン全体の評価", "Sewer span rank"),
    Indicator("sewer_urgency", sewer_urgency, "class", {"ranks": "A, B, C, list"}, _GUIDE, "R", "緊急度",
              "Sewer urgency"),
    Indicator("sewer_special_survey", sewer_special_survey, "{bool}",
              {"d_m": "m", "fy": "fiscal year", "least_m": "m", "until_fy": "fiscal year"},
              "国土交通省 2025 全国特別重点調査", "R", "特別重点調査の対象", "Sewer special survey",
              ranges={"d_m": (0, 20), "fy": (1870, 2100)}),
    Indicator("pavement_class", pavement_class, "class",
              {"crack_pct": "%", "rut_mm": "mm", "iri": "mm/m", "crack_limits": "%, two", "rut_limits": "mm, two",
               "iri_limits": "mm/m, two"},
              "舗装点検要領 2016; the worst governs (our reading)", "R", "舗装の診断区分", "Pavement class"),
    Indicator("vibration_zone", vibration_zone, "class", {"v_mm_s": "mm/s", "group": "1 or 2",
              "mounting": "rigid/flexible", "limits": "mm/s, three"},
              "ISO 10816-3", "R", "振動の評価域", "Machine vibration zone"),
    Indicator("pump_vibration_zone", pump_vibration_zone, "class",
              {"v_mm_s": "mm/s", "category": "I or II", "above_200_kw": "true/false",
              "limits": "mm/s, three"},
              "ISO 10816-7 (recalled, not checked)", "REC", "ポンプ振動の評価域", "Pump vibration zone"),
    Indicator("rebar_corrosion", rebar_corrosion, "{bool}", {"chloride_kg_m3": "kg/m3", "limit_kg_m3": "kg/m3"},
              "コンクリート標準示方書 1.2 kg/m3", "R",
              "鉄筋腐食の発生限界", "Rebar corrosion onset"),
)  # fmt: skip
