"""The chance that the coming night lets rice leaf blast infect (BLASTAM), and with a weather file the next days.

Leaves count as wet by a sensor, else by the rule that the playbook's options set: humidity from `wet_from_rh` on, or
rain. What the coming hours may be: those of each of the past nights, or the weather file's, by turns a little moister,
drier, warmer and cooler.
"""

import numpy as np

from satomori_analytics.forecasts.base import (
    Hours,
    MissingError,
    Outcome,
    Spot,
    in_season,
    local,
    offset_of,
    percent,
)
from satomori_analytics.forecasts.weather import Weather
from satomori_analytics.indicators.base import Floats
from satomori_analytics.indicators.running import blast_favourable
from satomori_analytics.playbook import Outlook
from satomori_core.clock import DAY_US, HOUR_US

NIGHTS, NIGHTS_LEAST = 14, 5
HISTORY_DAYS = NIGHTS + 8
AHEAD_H = 72
MORNING_H = 9  # leaves are dry by then
_Z80 = 1.2816
Scene = dict[str, Floats]  # wet (1 or 0), rain, wind and temperature, hour by hour


def foretell(spot: Spot, outlook: Outlook, hours: Hours, weather: Weather | None, now_us: int) -> Outcome:
    """Chance in % of a favourable hour, with the 80 % interval of a share of so many nights. Raise MissingError."""
    if not in_season(outlook, spot, now_us):
        raise MissingError("いまは葉いもちの時期の外です", "leaf blast has no season now", off=True)
    past, rule = _past(outlook, hours)
    offset_us = offset_of(spot, now_us)
    until_us = (now_us + offset_us + DAY_US - MORNING_H * HOUR_US) // DAY_US * DAY_US + MORNING_H * HOUR_US - offset_us
    ahead = hours.place(until_us) - hours.count
    scenes = _from_file(outlook, hours, weather) if weather else []
    source = "weather file" if scenes else "own past nights"
    scenes = scenes or _past_nights(past, hours.count, ahead)
    if len(scenes) < NIGHTS_LEAST:
        raise MissingError(
            f"気温・湿度・雨量の記録があと{NIGHTS_LEAST - len(scenes)}夜ぶん必要です",
            f"needs {NIGHTS_LEAST - len(scenes)} more nights of temperature, humidity and rain",
        )
    hits = np.array([_favourable(past, scene, hours) for scene in scenes])
    if not np.isfinite(hits).all():
        raise MissingError("直前5日間の気温が必要です", "needs the temperature of the five days before")
    until_us = hours.end_us + len(scenes[0]["t"]) * HOUR_US
    share, low, high = _share(hits)
    end = local(spot, until_us)
    inputs = {"from": source, "scenes": len(scenes), "leaf_wetness": rule, "wind": "wind_speed" in hours.columns}
    return Outcome(
        now_us, until_us, hits, "%",
        f"{end.month}月{end.day}日{end:%H}時までに葉いもちの感染に好適になる見込みは{percent(share)}％"
        f"（{percent(low)}〜{percent(high)}％）です",
        f"the chance that leaf blast can infect by {end:%H:%M} on {end.day} {end:%b} is {percent(share)} % "
        f"({percent(low)} to {percent(high)} %)",
        inputs, 100 * share, 100 * low, 100 * high,
    )  # fmt: skip


def _past(outlook: Outlook, hours: Hours) -> tuple[Scene, str]:
    """What was, and by what rule leaves were wet. Without a wind sensor the air counts as calm, which dries nothing."""
    t, rain = hours.need("air_temperature", "rain")
    if "leaf_wetness" in hours.columns:
        wetness, limit = hours.columns["leaf_wetness"], outlook.options.get("wet_from", 50.0)
        wet = np.where(np.isfinite(wetness), wetness >= limit, np.nan)
        rule = f"sensor >= {limit:g} %"
    else:
        [rh] = hours.need("relative_humidity")
        wet, rule = _wet(outlook, rh, rain), f"RH >= {outlook.options.get('wet_from_rh', 90.0):g} % or rain"
    wind = hours.columns.get("wind_speed", np.zeros(len(t)))
    return {"wet": wet, "rain": rain, "wind": wind, "t": t}, rule


def _wet(outlook: Outlook, rh: Floats, rain: Floats) -> Floats:
    wet = (rh >= outlook.options.get("wet_from_rh", 90.0)) | (rain > 0)
    return np.where(np.isfinite(rh), wet, np.nan)


def _past_nights(past: Scene, count: int, ahead: int) -> list[Scene]:
    """The same hours of each of the past days, as far as nearly all of them are known."""
    scenes = []
    for back in range(1, NIGHTS + 1):
        start = count - back * 24
        scene = {name: values[start : start + ahead] for name, values in past.items()}
        if start >= 0 and np.isfinite(scene["wet"] + scene["t"]).mean() >= 0.9:
            scenes.append(scene)
    return scenes


def _from_file(outlook: Outlook, hours: Hours, weather: Weather) -> list[Scene]:
    """Variants of what the file tells, as far as it reaches without a gap; none where it reaches less than 12 hours."""
    told = weather.over(hours.end_us, hours.end_us + AHEAD_H * HOUR_US)
    whole = np.isfinite(told["air_temperature"] + told["relative_humidity"] + told["precipitation"])
    reach = int(np.argmin(np.append(whole, False)))
    if reach < 12:
        return []
    t, rh, rain = (told[name][:reach] for name in ("air_temperature", "relative_humidity", "precipitation"))
    wind = np.nan_to_num(told["wind_speed"][:reach])
    error_c, error_rh = outlook.options.get("weather_error_c", 1.7), outlook.options.get("weather_error_rh", 8.0)
    return [
        {"wet": _wet(outlook, rh + more * error_rh, rain), "rain": rain, "wind": wind, "t": t + warmer * error_c}
        for more in (-1.0, -0.5, 0.0, 0.5, 1.0)
        for warmer in (-1.0, 0.0, 1.0)
    ]


def _favourable(past: Scene, scene: Scene, hours: Hours) -> float:
    """1 where one of the scene's hours lets blast infect, 0 where none, NaN where nothing is known."""
    whole = {name: np.concatenate([past[name], scene[name]]) for name in scene}
    at_us = hours.start_us + np.arange(len(whole["t"])) * HOUR_US
    verdict = blast_favourable(at_us, 100 * whole["wet"], whole["rain"], whole["wind"], whole["t"])[hours.count :]
    return float(np.nanmax(verdict)) if np.isfinite(verdict).any() else np.nan


def _share(hits: Floats) -> tuple[float, float, float]:
    """The share, and Wilson's 80 % interval of it."""
    n, p, z = len(hits), float(hits.mean()), _Z80
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    whole = 1 + z * z / n
    return p, max(float(middle - half) / whole, 0.0), min(float(middle + half) / whole, 1.0)
