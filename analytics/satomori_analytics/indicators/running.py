"""Farm rules hour by hour, as a playbook asks them: what the past hours and days say at each hour."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from satomori_analytics.indicators.base import Floats, Indicator, array, when
from satomori_analytics.indicators.crops import blast_judgement, blast_wet_spell
from satomori_analytics.indicators.series import HOUR_S, SWI_STEPS_MAX, rolling_mean
from satomori_core.clock import HOUR_US

Hours = NDArray[np.int64]
_DAY_H = 24


def blast_favourable(
    at_us: ArrayLike,
    wetness: ArrayLike,
    rain_mm_h: ArrayLike,
    wind_ms: ArrayLike,
    t_c: ArrayLike,
    *,
    wet_from: float = 50.0,
) -> Floats:
    """1 at each hour whose wet spell, up to then, lets leaf blast infect (BLASTAM's `favourable`), else 0.

    Values of whole hours. Leaves are wet from `wet_from` % on (our choice: sensors differ). None until four of the five
    days before the spell are there; a missing hour ends a spell.
    """
    wet, t = array(wetness), array(t_c)
    place, hours = _hours(at_us)
    spell = blast_wet_spell(
        _on_hours(np.where(np.isnan(wet), np.nan, wet >= wet_from), place, hours),
        _on_hours(array(rain_mm_h), place, hours),
        _on_hours(array(wind_ms), place, hours),
        _on_hours(t, place, hours),
    )
    wet_h, spell_c = spell["wet_h"][place], np.nan_to_num(spell["t_wet_c"][place])
    means = rolling_mean(np.arange(hours) * HOUR_US, _on_hours(t, place, hours), 120 * HOUR_S, covered_s=96 * HOUR_S)
    before_c = means[np.maximum(place - wet_h.astype(np.int64), 0)]
    return when(blast_judgement(wet_h, spell_c, before_c) == "favourable", before_c)


def hutton_period(
    at_us: ArrayLike, t_c: ArrayLike, rh: ArrayLike, *, hours: float = 6.0, tmin_least_c: float = 10.0
) -> Floats:
    """1 at each hour that ends two days of Tmin >= 10 °C and RH >= 90 % for 6 hours each (potato late blight), else 0.

    Values of whole hours, days of 24 of them; none where more than two hours of a day are missing.
    """
    place, count = _hours(at_us)
    t, humidity = _on_hours(array(t_c), place, count), _on_hours(array(rh), place, count)
    cold, humid, whole = t < tmin_least_c, humidity >= 90, np.isfinite(t + humidity)
    cold_h, humid_h, known_h = (np.convolve(each, np.ones(_DAY_H))[:count] for each in (cold, humid, whole))
    holds, known = (cold_h < 1) & (humid_h > hours - 0.5), known_h > _DAY_H - 2.5
    hour = np.arange(count)
    before = np.maximum(hour - _DAY_H, 0)
    there = (hour >= _DAY_H) & known & known[before]
    return np.where(there, holds & holds[before], np.nan)[place]


def _hours(at_us: ArrayLike) -> tuple[Hours, int]:
    """Each time's hour since the first, and how many hours there are. Raise ValueError for too many."""
    time = np.asarray(at_us, dtype=np.int64) // HOUR_US
    place = time - time[:1]
    count = int(place[-1]) + 1 if len(place) else 0
    if count > SWI_STEPS_MAX:
        raise ValueError(f"at_us: more than {SWI_STEPS_MAX} hours")
    return place, count


def _on_hours(values: Floats, place: Hours, count: int) -> Floats:
    """The values at their hours, NaN between; of two in one hour the earlier, which knew nothing of the other."""
    hours = np.full(count, np.nan)
    hours[place[::-1]] = values[::-1]
    return hours


_HOURLY = "us, list"
INDICATORS = (
    Indicator("blast_favourable", blast_favourable, "{bool}",
              {"at_us": _HOURLY, "wetness": "%, list", "rain_mm_h": "mm, list", "wind_ms": "m/s, list",
               "t_c": "Cel, list", "wet_from": "%"},
              "BLASTAM as used in 三重, 大分, 宮崎", "R", "葉いもち感染好適（毎時）", "Leaf blast favourable, hourly",
              over_time=True),
    Indicator("hutton_period", hutton_period, "{bool}",
              {"at_us": _HOURLY, "t_c": "Cel, list", "rh": "%, list", "hours": "h", "tmin_least_c": "Cel"},
              "AHDB Hutton criteria: 6 h on two days", "R", "ジャガイモ疫病（Hutton、毎時）",
              "Potato late blight (Hutton), hourly", over_time=True),
)  # fmt: skip
