"""Heading and harvest of rice: the sum of daily rates of development (DVR) passes 1, then degree-days after heading.

What grew up to now follows from the place's own daily means since transplanting; the rest from a weather file as far as
it reaches, then from normals (attribute `normal_temperature_c`, twelve monthly means; or the place's own past year)
with the site's own distance from them, and from weather that departs from them as it did so far (a first-order
autoregression, always the same seeded series, so that a forecast does not jump about by chance).

Attributes: `transplanting_date`, `variety`; for the DVR `heading_degree_days` (above `base_c`, 10 °C, from
transplanting to heading: a guide's or your own past year's), unless the playbook's `varieties` have the variety's
own formula: DVR = (1 - exp(b min(day length - lc, 0))) / (g (1 + exp(-a (T - th)))), without its numerator below the
index `dvi_light`, and `initial`, the index at transplanting (Horie and Nakagawa 1990; as in SIMRIW).
`heading_date` once it is seen; `harvest_degree_days` for other kinds than Koshihikari, for which Niigata's rule holds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from satomori_analytics.forecasts.base import (
    Course,
    Hours,
    MissingError,
    Outcome,
    Spot,
    band_of,
    date_of,
    day_of_year,
    offset_of,
    spread,
)
from satomori_analytics.forecasts.weather import Weather
from satomori_analytics.indicators.base import Floats, array
from satomori_analytics.indicators.crops import rice_harvest_day
from satomori_analytics.indicators.evapotranspiration import daylight_hours
from satomori_analytics.playbook import Outlook
from satomori_core.clock import DAY_US, HOUR_US

HISTORY_DAYS = 400
MEMBERS = 99
SEASON_DAYS = 240
KOSHIHIKARI = {"コシヒカリ", "こしひかり", "koshihikari"}
_SEED = 20240601
_KNOWN_LEAST = 0.9
# Departures from normal where too few own days are known: standard deviation in °C and correlation of a day with the
# next (our choice, round numbers).
_USUAL = (2.0, 0.7)


@dataclass(frozen=True, slots=True)
class Season:
    """Daily means of each member from transplanting on, °C: columns are days; the first `known` are measured.

    `offset_us`: of the place's clock.
    """

    planted: int
    today: int
    known: int
    means: Floats
    offset_us: int


def heading(spot: Spot, outlook: Outlook, hours: Hours, weather: Weather | None, now_us: int) -> Outcome:
    """Days from today until heading. Raise MissingError; `off` once it has headed."""
    today = (now_us + offset_of(spot, now_us)) // DAY_US
    seen = spot.day("heading_date", today)
    planted = _planted(spot, today)
    if seen is not None and seen >= planted:
        raise MissingError("すでに出穂しています", "it has headed", off=True)
    season = _season(spot, outlook, hours, weather, now_us)
    grown = _grown(spot, outlook, season)
    days = grown.days
    if np.all(days <= season.today):
        day = date_of(int(np.median(days)))
        raise MissingError(
            f"{day.month}月{day.day}日ごろに出穂した見込みです", f"it headed about {day.day} {day:%b}", off=True
        )
    found = _outcome(season, np.maximum(days, season.today), ("出穂", "heading"), outlook, now_us)
    return replace(found, course=_towards_heading(spot, season, grown))


def harvest(spot: Spot, outlook: Outlook, hours: Hours, weather: Weather | None, now_us: int) -> Outcome:
    """Days from today until the degree-days of harvest. Raise MissingError; `off` long after it."""
    season = _season(spot, outlook, hours, weather, now_us)
    rule = _harvest_rule(spot)
    seen = spot.day("heading_date", season.today)
    if seen is not None and seen >= season.planted:
        days = np.full(len(season.means), float(seen))
    else:
        days = _grown(spot, outlook, season).days
    # Day 1 is the day after heading.
    after = [season.means[i, max(round(day) - season.planted + 1, 0) :] for i, day in enumerate(days)]
    ripe = np.array([day + rule(means) for day, means in zip(days, after, strict=True)])
    if not np.isfinite(ripe).all():
        raise MissingError(
            "積算気温が収穫適期に届かない見込みです", "the degree-days of harvest are not reached this season"
        )
    if np.all(ripe < season.today - 14):
        raise MissingError("収穫適期は過ぎています", "the time of harvest is over", off=True)
    course = _towards_harvest(season, days, after, ripe)
    return replace(_outcome(season, ripe, ("収穫適期", "harvest"), outlook, now_us), course=course)


def _outcome(season: Season, days: Floats, what: tuple[str, str], outlook: Outlook, now_us: int) -> Outcome:
    values = days - season.today
    value, low, high = band_of(values)
    middle, first, last = (date_of(season.today + round(each)) for each in (value, low, high))
    inputs = {
        "transplanted": str(date_of(season.planted)), "days_known": season.known,
        "mean_so_far_c": round(float(season.means[0, : season.known].mean()), 1) if season.known else None,
        "model_error_d": outlook.options.get("model_error_d", 2.0),
    }  # fmt: skip
    return Outcome(
        now_us, now_us + max(round(high), 1) * DAY_US, values, "d",
        f"{what[0]}は{middle.month}月{middle.day}日ごろ（{first.month}月{first.day}日〜{last.month}月{last.day}日）の見込みです",
        f"{what[1]} is about {middle.day} {middle:%b} ({first.day} {first:%b} to {last.day} {last:%b})",
        inputs, value, low, high,
    )  # fmt: skip


# ------------------------------------------------------------------ development


def _planted(spot: Spot, today: int) -> int:
    planted = spot.day("transplanting_date", today)
    if planted is None:
        raise MissingError(
            "台帳の属性 transplanting_date が必要です", "needs the attribute transplanting_date in the registry"
        )
    if planted > today or today - planted > SEASON_DAYS - 90:
        raise MissingError("いまは稲の生育期間の外です", "no rice grows there now", off=True)
    return planted


@dataclass(frozen=True, slots=True)
class _Grown:
    """Of each member: its index after each day since transplanting, the day on which that passes 1, and the one told.

    Between the two is the error of the model itself.
    """

    index: Floats
    reached: Floats
    days: Floats


def _grown(spot: Spot, outlook: Outlook, season: Season) -> _Grown:
    rate = _rate(spot, outlook, season.planted)
    index = np.full(len(season.means), rate.initial)
    after = np.empty_like(season.means)
    for day in range(season.means.shape[1]):
        index = index + rate.function(day, season.means[:, day], index)
        after[:, day] = index
    if (after[:, -1] <= 1).any():
        raise MissingError("この気温では出穂に届かない見込みです", "heading is not reached with such temperatures")
    reached = season.planted + np.argmax(after > 1, axis=1)
    error_d = outlook.options.get("model_error_d", 2.0) * spread(len(after))
    # Which member gets which error is drawn once: members and errors are independent.
    days = array(reached + np.random.default_rng(_SEED + 1).permutation(error_d))
    return _Grown(after, array(reached), days)


def _towards_heading(spot: Spot, season: Season, grown: _Grown) -> Course:
    """The index of each member, in its own time from today on, so that it passes 1 on the day that is foretold."""
    total, now = spot.optional("heading_degree_days"), season.today - 1
    x = season.planted + np.arange(season.means.shape[1], dtype=np.float64)
    pace = np.maximum(grown.reached - now, 0) / np.maximum(grown.days - now, 1)
    values = np.array([
        np.interp(np.where(x > now, now + (x - now) * each, x), x, row)
        for each, row in zip(pace, grown.index, strict=True)
    ])  # fmt: skip
    if total is not None:
        head, scale = ("移植からの有効積算気温", "Degree-days since transplanting", "Cel.d"), total
    else:
        head, scale = ("出穂までの発育", "Development towards heading", "%"), 100.0
    window = season.planted, float(band_of(np.maximum(grown.days, season.today))[2])
    return _course(season, head, scale * values, window, {scale: ("出穂", "heading")})


def _towards_harvest(season: Season, headed: Floats, after: list[Floats], ripe: Floats) -> Course:
    """The degree-days of each member since it headed, in % of those on the day that is foretold."""
    values = np.zeros(season.means.shape)
    for row, means, days in zip(values, after, ripe - headed, strict=True):
        sums = np.cumsum(means)
        row[len(row) - len(means) :] = 100 * sums / sums[round(days) - 1]
    head = ("出穂からの積算気温（適期の%）", "Degree-days since heading, % of harvest's", "%")
    # Where it was seen heading, all members have had the same.
    first = int(headed[0]) if (headed == headed[0]).all() else season.today - 1
    window = first, float(band_of(ripe)[2])
    return _course(season, head, values, window, {100.0: ("収穫適期", "harvest")})


def _course(
    season: Season, head: tuple[str, str, str], values: Floats, window: tuple[int, float],
    limits: Mapping[float, tuple[str, str]],
) -> Course:  # fmt: skip
    """`values`: of each member at the end of each day since transplanting; `window`: from a day to some after another.

    Up to yesterday they are one, since the days were measured.
    """
    first, last = max(window[0], season.planted), min(math.ceil(window[1]) + 3, season.planted + values.shape[1] - 1)
    days = np.arange(first, last + 1)
    ends_us = (days + 1) * DAY_US - season.offset_us
    seen, ahead = days < season.today, days >= season.today - 1
    columns = values[:, days - season.planted]
    return Course(*head, ends_us[seen], columns[0, seen], ends_us[ahead], columns[:, ahead], limits)


@dataclass(frozen=True, slots=True)
class _Rate:
    """`function`: (day from transplanting, means of the members, their index) → DVR of each."""

    initial: float
    function: Callable[[int, Floats, Floats], Floats]


def _rate(spot: Spot, outlook: Outlook, planted: int) -> _Rate:
    variety = str(spot.attributes.get("variety") or "").strip()
    own = outlook.varieties.get(variety)
    if own is not None and spot.optional("heading_degree_days") is None:
        light_h = [float(daylight_hours(spot.latitude, day_of_year(planted + i))) for i in range(SEASON_DAYS)]

        def by_light(day: int, t: Floats, index: Floats) -> Floats:
            slow = 1 - np.exp(own["b"] * min(light_h[day] - own["lc"], 0.0))
            warm = own["g"] * (1 + np.exp(-own["a"] * (t - own["th"])))
            return np.asarray(np.where(index < own["dvi_light"], 1.0, slow) / warm)

        return _Rate(own["initial"], by_light)
    needed, base_c = spot.optional("heading_degree_days"), outlook.options.get("base_c", 10.0)
    if needed is None:
        raise MissingError(
            "台帳の属性 heading_degree_days（移植から出穂までの10℃以上の有効積算気温）が必要です",
            "needs the attribute heading_degree_days (degree-days above 10 °C from transplanting to heading)",
        )
    total = spot.number("heading_degree_days", 100, 3000)
    return _Rate(0.0, lambda _day, t, _index: np.maximum(t - base_c, 0) / total)


def _harvest_rule(spot: Spot) -> Callable[[Floats], float]:
    total = spot.optional("harvest_degree_days")
    if total is not None:
        total = spot.number("harvest_degree_days", 300, 2000)
        return lambda means: rice_harvest_day(means, degree_days=(total, total, total))
    variety = str(spot.attributes.get("variety") or "").strip()
    if variety.casefold() in KOSHIHIKARI:
        return rice_harvest_day
    raise MissingError(
        "台帳の属性 harvest_degree_days（出穂から収穫適期までの積算気温）が必要です",
        "needs the attribute harvest_degree_days (degree-days from heading to harvest)",
    )


# ------------------------------------------------------------------ temperatures


def _season(spot: Spot, outlook: Outlook, hours: Hours, weather: Weather | None, now_us: int) -> Season:
    offset_us = offset_of(spot, now_us)
    today = (now_us + offset_us) // DAY_US
    planted = _planted(spot, today)
    [t] = hours.need("air_temperature")
    first = (hours.start_us + offset_us) // DAY_US
    own = _daily(hours, t, first, today, offset_us)
    normal = _normals(spot, own, first)
    so_far = np.array([own[day - first] if 0 <= day - first < len(own) else np.nan for day in range(planted, today)])
    if len(so_far) and np.isfinite(so_far).mean() < _KNOWN_LEAST:
        raise MissingError(
            "移植日からの気温の記録が足りません", "too little is known of the temperatures since transplanting"
        )
    usual = np.array([normal(planted + i) for i in range(SEASON_DAYS)])
    apart = so_far - usual[: len(so_far)]
    known = apart[np.isfinite(apart)]
    # Few days say little of the site, so its distance is drawn towards none.
    distance = float(known.sum() / (len(known) + 20))
    means = np.tile(usual + distance, (MEMBERS, 1))
    ahead = SEASON_DAYS - len(so_far)
    last = float(known[-1]) - distance if len(known) else 0.0
    weather_paths = _departures(known - distance, last, ahead)
    means[:, len(so_far) :] += weather_paths
    if weather is not None:
        told = weather.over(today * DAY_US - offset_us, (today + ahead) * DAY_US - offset_us)["air_temperature"]
        days = told.reshape(ahead, 24)
        for i in np.flatnonzero(np.isfinite(days).sum(axis=1) >= 18).tolist():
            damped = outlook.options.get("weather_spread", 0.5) * weather_paths[:, i]
            means[:, len(so_far) + i] = np.nanmean(days[i]) + damped - np.median(damped)
    means[:, : len(so_far)] = np.where(np.isfinite(so_far), so_far, usual[: len(so_far)] + distance)
    return Season(planted, today, len(so_far), means, offset_us)


def _daily(hours: Hours, t: Floats, first: int, today: int, offset_us: int) -> Floats:
    """Mean of each whole local day before today, from the first on; NaN where less than 18 hours are known."""
    before = (hours.start_us + offset_us - first * DAY_US) // HOUR_US
    days = max(today - first, 0)
    grid = np.full(days * 24, np.nan)
    part = t[: max(days * 24 - before, 0)]
    grid[before : before + len(part)] = part
    rows = grid.reshape(days, 24)
    known = np.isfinite(rows).sum(axis=1)
    sums = np.nansum(rows, axis=1)
    return np.where(known >= 18, sums / np.maximum(known, 1), np.nan)


def _normals(spot: Spot, own: Floats, first: int) -> Callable[[int], float]:
    """Day → its normal mean: by the attribute, else by two waves through the place's own past year."""
    given = spot.attributes.get("normal_temperature_c")
    if given:
        months = _months(given)
        around = np.array([*months[-1:], *months, *months[:1]])
        middles = (np.arange(-1, 13) + 0.5) * 365.25 / 12
        return lambda day: float(np.interp(day_of_year(day), middles, around))
    there = np.flatnonzero(np.isfinite(own))
    if len(there) < 330:
        raise MissingError(
            "台帳の属性 normal_temperature_c（月別平年気温12個）か、1年ぶんの気温が必要です",
            "needs the attribute normal_temperature_c (twelve monthly means), or a year of own temperatures",
        )

    def waves(days: Floats) -> Floats:
        angle = 2 * np.pi * days / 365.25
        columns = [np.ones(len(days)), np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
        return np.stack(columns, axis=1)

    factors, *_ = np.linalg.lstsq(waves(array(there + first)), own[there])
    return lambda day: float((waves(np.array([float(day)])) @ factors)[0])


def _months(given: object) -> list[float]:
    """Twelve numbers, as a list or as text between spaces, commas or semicolons."""
    parts = given if isinstance(given, list) else str(given).replace(",", " ").replace(";", " ").split()
    try:
        months = [float(part) for part in parts]
    except (TypeError, ValueError):
        months = []
    if len(months) != 12 or not all(-40 <= month <= 45 for month in months):
        raise MissingError(
            "台帳の属性 normal_temperature_c は12個の気温で書いてください",
            "the attribute normal_temperature_c has to be twelve temperatures in °C",
        )
    return months


def _departures(known: Floats, last: float, days: int) -> Floats:
    """How the weather of each member departs from what is usual, day by day from today on."""
    sigma, memory = _USUAL
    if len(known) >= 30:
        sigma = float(known.std())
        memory = float(np.clip(np.corrcoef(known[:-1], known[1:])[0, 1], 0, 0.95)) if sigma > 0 else 0.0
    shocks = np.random.default_rng(_SEED).standard_normal((MEMBERS, days)) * sigma * np.sqrt(1 - memory**2)
    paths = np.empty((MEMBERS, days))
    state = np.full(MEMBERS, last)
    for day in range(days):
        state = memory * state + shocks[:, day]
        paths[:, day] = state
    return paths
