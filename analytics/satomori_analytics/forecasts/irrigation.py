"""In how many days irrigation is due: when FAO-56's root zone depletion passes the readily available water.

Depletion now is what the soil moisture sensor shows to lack from field capacity; without one it is the water balance
since the last rain that surely filled the root zone. The coming days evaporate as the past ones did: the mean of the
last two weeks, as the sun rises or sinks with the season, with spells of the last month as ways in which it may go; a
weather file's days stand before them, and only then does rain count. What was irrigated is not known: a sensor sees
it, the balance does not.

Attributes: `field_capacity` and `wilting_point` (m3/m3), `root_depth_m`, and either `crop` (see crops.toml) with
`planting_date` for what is sown each year, or `crop_coefficient` and `depletion_fraction`; `elevation_m` (0 without).
"""

import functools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from satomori_analytics.forecasts.base import (
    Course,
    Hours,
    MissingError,
    Outcome,
    Spot,
    Times,
    band_of,
    by_day,
    date_of,
    day_of_year,
    offset_of,
)
from satomori_analytics.forecasts.weather import Weather
from satomori_analytics.indicators.base import Floats
from satomori_analytics.indicators.crops import (
    depletion_fraction,
    readily_available_water,
    soil_water_balance,
    total_available_water,
)
from satomori_analytics.indicators.evapotranspiration import et0_daily, extraterrestrial_radiation
from satomori_analytics.playbook import Outlook
from satomori_core.clock import DAY_US, HOUR_US

HISTORY_DAYS = 62
AHEAD_DAYS = 30
_SPELLS, _RECENT, _RECENT_LEAST = 30, 14, 5
_WHOLE_DAY_H = 20
_SEEN_H = 7 * 24
_WAYS, _SEED = 99, 20240601
_SPELL_D = 5  # about as long as weather holds (our choice)
_W_TO_MJ = 0.0864  # W/m2 over a day in MJ/m2


@dataclass(frozen=True, slots=True)
class Crop:
    """Crop coefficient on a day of its growth, and the table's p."""

    kc: float
    p: float


def foretell(spot: Spot, outlook: Outlook, hours: Hours, weather: Weather | None, now_us: int) -> Outcome:
    """Days from now until irrigation is due, at most 30. Raise MissingError."""
    fc, wp = spot.number("field_capacity", 0.01, 0.9), spot.number("wilting_point", 0.0, 0.9)
    depth_m = spot.number("root_depth_m", 0.05, 5)
    if wp >= fc:
        raise MissingError(
            "台帳の wilting_point は field_capacity より小さい必要があります",
            "wilting_point has to be below field_capacity",
        )
    offset_us = offset_of(spot, now_us)
    today = (now_us + offset_us) // DAY_US
    crop = _crop(spot, today)
    first, et0 = _past_et0(spot, hours, offset_us)
    known = et0[np.isfinite(et0)]
    if len(known) < _RECENT_LEAST or not np.isfinite(et0[-1 - _RECENT :]).any():
        raise MissingError(
            f"気温の記録があと{max(_RECENT_LEAST - len(known), 1)}日ぶん必要です",
            f"needs {max(_RECENT_LEAST - len(known), 1)} more days of temperature",
        )
    taw = float(total_available_water(fc, wp, depth_m))
    recent = float(known[-_RECENT:].mean())
    p = float(depletion_fraction(crop.p, crop.kc * recent))
    raw = float(readily_available_water(fc, wp, depth_m, p))
    depletion, how = _depletion(hours, (first, et0, offset_us), (fc, depth_m, taw, p), crop)
    paths, rain, file_days = _ahead(
        spot, outlook, weather, (known, recent, (raw - depletion) / (crop.kc * recent)), today * DAY_US - offset_us
    )
    gone = np.clip((now_us + offset_us - today * DAY_US) / HOUR_US - 6, 0, 12) / 12  # of today's evaporation, 6 to 18 h
    values = np.array([_due(crop.kc * path, rain, (depletion, taw, p, raw), float(gone)) for path in paths])
    value, low, high = band_of(values)
    inputs = {
        "depletion_mm": round(depletion, 1), "raw_mm": round(raw, 1), "taw_mm": round(taw, 1), "p": round(p, 2),
        "kc": round(crop.kc, 2), "et0_mm_d": round(recent, 2), "depletion_by": how, "weather_file_days": file_days,
        "rain_ahead_mm": round(float(rain.sum()), 1),
    }  # fmt: skip
    ends = np.array([_ends(crop.kc * path, rain, (depletion, taw, p), float(gone)) for path in paths])
    left = taw - np.concatenate([np.full((len(ends), 1), depletion), ends], axis=1)
    days_us = (today + 1 + np.arange(AHEAD_DAYS)) * DAY_US - offset_us
    drawn = min(math.ceil(high) + 2, AHEAD_DAYS) + 1
    seen = _left(hours, wp, depth_m, taw) if how == "soil_moisture" else (np.empty(0, np.int64), np.empty(0))
    course = Course(
        "根域に残る水", "Water left in the root zone", "mm", *seen, np.array([now_us, *days_us])[:drawn],
        left[:, :drawn], {taw - raw: ("かん水の目安", "irrigate")},
    )  # fmt: skip
    until_us = now_us + round(max(value, 1) * DAY_US)
    return Outcome(
        now_us, until_us, values, "d", *_sentences(value, low, high, file_days), inputs, value, low, high, course
    )


def _left(hours: Hours, wp: float, depth_m: float, taw: float) -> tuple[Times, Floats]:
    """Times, and the water that the sensor showed to be left in the root zone, mm."""
    seen_us, moisture = hours.measured(hours.columns["soil_moisture"], _SEEN_H)
    return seen_us, np.clip(1000 * (moisture / 100 - wp) * depth_m, 0, taw)


def _sentences(value: float, low: float, high: float, file_days: int) -> tuple[str, str]:
    ja_rain, en_rain = (
        ("予報の雨を含む", "with the rain that is forecast") if file_days else ("雨がなければ", "without rain")
    )
    if low >= AHEAD_DAYS:
        return (
            f"{ja_rain}: {AHEAD_DAYS}日以内のかん水は要らない見込みです",
            f"no irrigation is due within {AHEAD_DAYS} days, {en_rain}",
        )
    if value < 0.5:
        return f"土の水が減り、今日のうちにかん水が必要です（{ja_rain}）", f"irrigation is due today, {en_rain}"
    end_ja, end_en = (f"{high:.0f}日", f"{high:.0f}") if high < AHEAD_DAYS else ("30日以上", "30 or more")
    if value >= AHEAD_DAYS:
        return (
            f"かん水が必要になるのは{low:.0f}日後以降の見込みです（{ja_rain}）",
            f"irrigation is due in {low:.0f} days or later, {en_rain}",
        )
    return (
        f"あと約{value:.0f}日（{low:.0f}〜{end_ja}）でかん水が必要になる見込みです（{ja_rain}）",
        f"irrigation is due in about {value:.0f} days ({low:.0f} to {end_en}), {en_rain}",
    )


# ------------------------------------------------------------------ crop and soil


@functools.cache
def crops() -> Mapping[str, Mapping[str, object]]:
    """crops.toml, by each of the crops' names."""
    document = tomllib.loads(files(__package__).joinpath("crops.toml").read_text(encoding="utf-8"))
    return {name.casefold(): entry for entry in document.values() for name in entry["names"]}


def _crop(spot: Spot, today: int) -> Crop:
    kc, p = spot.optional("crop_coefficient"), spot.optional("depletion_fraction")
    if kc is not None and p is not None:
        return Crop(spot.number("crop_coefficient", 0.05, 1.5), spot.number("depletion_fraction", 0.1, 0.8))
    name = str(spot.attributes.get("crop") or "").strip()
    entry = crops().get(name.casefold())
    if entry is None:
        told = (f"作物「{name}」の係数がありません: ", f"knows no crop {name!r}: ") if name else ("", "")
        raise MissingError(
            f"{told[0]}台帳の属性 crop か、crop_coefficient と depletion_fraction が必要です",
            f"{told[1]}needs the attribute crop, or crop_coefficient and depletion_fraction",
        )
    factors, stages, fraction = entry["kc"], entry.get("days"), entry["p"]
    if not isinstance(factors, list) or not isinstance(fraction, float):
        raise TypeError(name)
    if not isinstance(stages, list):
        months = date_of(today).month
        return Crop(float(factors[1] if 5 <= months <= 9 else factors[2]), fraction)
    planted = spot.day("planting_date", today)
    if planted is None:
        raise MissingError("台帳の属性 planting_date が必要です", "needs the attribute planting_date in the registry")
    grown, ends = today - planted, np.cumsum(stages)
    if grown < 0 or grown > ends[-1]:
        raise MissingError("いまは作付けされていない時期です", "nothing grows there now", off=True)
    return Crop(float(np.interp(grown, ends, [factors[0], factors[1], factors[1], factors[2]])), fraction)


def _past_et0(spot: Spot, hours: Hours, offset_us: int) -> tuple[int, Floats]:
    """First day, and ET0 of each day up to today, mm; NaN where the day is not whole."""
    hours.need("air_temperature")
    first, t = by_day(hours, "air_temperature", offset_us)
    columns = {name: by_day(hours, name, offset_us)[1] for name in hours.columns}
    return first, _et0(spot, first, columns, t)


def _et0(spot: Spot, first: int, columns: Mapping[str, Floats], t: Floats) -> Floats:
    """By FAO-56 with what is measured; what is missing on most days is estimated as FAO-56 does it."""
    whole = np.isfinite(t).sum(axis=1) >= _WHOLE_DAY_H
    doy = np.array([day_of_year(first + i) for i in range(len(t))])

    def of(name: str, reduce: str) -> Floats | None:
        values = columns.get(name)
        if values is None:
            return None
        there = np.isfinite(values).sum(axis=1) >= _WHOLE_DAY_H
        if not whole.any() or there[whole].mean() < 0.8:
            return None
        days = [getattr(np, reduce)(row) if ok else np.nan for row, ok in zip(values, there, strict=True)]
        return np.array(days)

    rows = [(np.nanmax(row), np.nanmin(row)) if ok else (np.nan, np.nan) for row, ok in zip(t, whole, strict=True)]
    tmax, tmin = np.array(rows).reshape(-1, 2).T
    rhmax, rhmin = of("relative_humidity", "nanmax"), of("relative_humidity", "nanmin")
    wind, sun = of("wind_speed", "nanmean"), of("solar_radiation", "nanmean")
    return np.asarray(
        et0_daily(
            spot.latitude, spot.optional("elevation_m") or 0.0, doy,
            tmax_c=tmax, tmin_c=tmin, rhmax=rhmax, rhmin=rhmin,
            u2_ms=2.0 if wind is None else wind, rs_mj=None if sun is None else sun * _W_TO_MJ,
        )["eto"]
    )  # fmt: skip


def _depletion(
    hours: Hours, past: tuple[int, Floats, int], soil: tuple[float, float, float, float], crop: Crop
) -> tuple[float, str]:
    """Root zone depletion now, mm, and how it is known."""
    fc, depth_m, taw, p = soil
    moisture = hours.columns.get("soil_moisture", np.empty(0))[-24:]
    if np.isfinite(moisture).any():
        latest = float(moisture[np.flatnonzero(np.isfinite(moisture))[-1]])
        return float(np.clip(1000 * (fc - latest / 100) * depth_m, 0, taw)), "soil_moisture"
    missing = MissingError(
        "土壌水分のセンサー、または雨量計と根域を満たした雨の記録が必要です",
        "needs a sensor of soil_moisture, or of rain with a rain that filled the root zone",
    )
    if not np.isfinite(hours.columns.get("rain", np.empty(0))).any():
        raise missing
    first, et0, offset_us = past
    rain = np.nansum(by_day(hours, "rain", offset_us)[1], axis=1)
    two_days = rain + np.concatenate([[0.0], rain[:-1]])
    filled = np.flatnonzero(two_days >= taw)
    if not len(filled):
        raise missing
    start = int(filled[-1])
    need = np.where(np.isfinite(et0), et0, np.nanmean(et0))[start + 1 :] * crop.kc
    if not len(need):
        return 0.0, "rain"
    balance = soil_water_balance(taw, p, 0.0, etc=need, rain=rain[start + 1 :], irrigation=np.zeros(len(need)))
    return float(balance["depletion"][-1]), f"balance since {date_of(first + start)}"


# ------------------------------------------------------------------ the coming days


def _ahead(
    spot: Spot, outlook: Outlook, weather: Weather | None, past: tuple[Floats, float, float], today_us: int
) -> tuple[list[Floats], Floats, int]:
    """Ways in which ET0 may go from today on, the rain that the file tells of, and how many days it reaches."""
    known, recent, days = past
    spells = known[-_SPELLS:]
    # The recent mean is itself a mean of so few days: its error adds to that of a spell of `days`.
    apart = (spells - spells.mean()) * np.sqrt(1 + np.clip(days, 1, AHEAD_DAYS) / _RECENT)
    today = (today_us + DAY_US // 2) // DAY_US
    et0, rain, reach = recent * _season(spot, today), np.zeros(AHEAD_DAYS), 0
    damping = np.ones(AHEAD_DAYS)
    if weather is not None:
        told = weather.over(today_us, today_us + AHEAD_DAYS * DAY_US)
        columns = {n: v.reshape(AHEAD_DAYS, 24) for n, v in told.items()}
        foreseen = _et0(spot, today, columns, columns["air_temperature"])
        whole = np.isfinite(foreseen)
        whole[0] = True  # of today the rest is told of
        reach = int(np.argmin(np.append(whole, False))) if np.isfinite(foreseen[1:]).any() else 0
        et0[:reach] = np.where(np.isfinite(foreseen), foreseen, et0)[:reach]
        rain[:reach] = np.nansum(columns["precipitation"], axis=1)[:reach]
        damping[:reach] = outlook.options.get("weather_spread", 0.5)
    return [np.maximum(et0 + damping * way, 0) for way in _ways(apart)], rain, reach


def _season(spot: Spot, today: int) -> Floats:
    """The sun of the coming days against that of the recent ones: ET0 goes as Ra (Hargreaves, FAO-56 eq. 52)."""
    days = np.array([day_of_year(today + day) for day in range(-_RECENT, AHEAD_DAYS)])
    sun = extraterrestrial_radiation(spot.latitude, days)
    return np.asarray(sun[_RECENT:] / sun[:_RECENT].mean())


def _ways(apart: Floats) -> Floats:
    """Departures of the coming days: spells of the past month, drawn with repetition, one after another.

    Whole spells, since a day is like the one before it; each way its own, since a month that is gone through once more
    would come out as dry in the end on every way. Always the same draw, so that nothing jumps about by chance.
    """
    starts = np.random.default_rng(_SEED).integers(len(apart), size=(_WAYS, math.ceil(AHEAD_DAYS / _SPELL_D)))
    days = (starts[:, :, None] + np.arange(_SPELL_D)) % len(apart)
    return np.asarray(apart[days.reshape(_WAYS, -1)[:, :AHEAD_DAYS]])


def _due(etc: Floats, rain: Floats, soil: tuple[float, float, float, float], gone: float) -> float:
    """Days until depletion passes RAW on this way; `gone`: the share of today's evaporation that has been."""
    depletion, taw, p, raw = soil
    if depletion > raw and not rain.any():
        return 0.0
    ends = _ends(etc, rain, (depletion, taw, p), gone)
    over = np.flatnonzero(ends > raw)
    if not len(over):
        return float(AHEAD_DAYS)
    day = int(over[0])
    start = float(np.clip((depletion if day == 0 else ends[day - 1]) - rain[day], 0, taw))
    share = np.clip((raw - start) / max(float(ends[day]) - start, 1e-9), 0, 1)
    # Today counts from now on.
    return float(share * (1 - gone) if day == 0 else day - gone + share)


def _ends(etc: Floats, rain: Floats, soil: tuple[float, float, float], gone: float) -> Floats:
    """Depletion at the end of each day from today on."""
    depletion, taw, p = soil
    need = np.concatenate([[etc[0] * (1 - gone)], etc[1:]])
    return np.asarray(
        soil_water_balance(taw, p, depletion, etc=need, rain=rain, irrigation=np.zeros(len(need)))["depletion"]
    )
