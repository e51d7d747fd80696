"""How hard an earthquake shook a place, estimated from its magnitude, depth and distance; JMA intensities. Pure.

A median: single sites differ by about ±0.4 (the relation's scatter of 0.23 in log10 PGV), and soft ground adds to it.
An observed intensity always stands before this estimate.
"""

import math
import unicodedata

from satomori_core.errors import RejectedError

EARTH_KM = 6371.0
_NEAREST_KM = 3.0
# Vs 600 m/s, which the relation is for, to Vs 400 m/s, as JMA's early warning has it (read in public code)
_TO_ENGINEERING_BEDROCK = 1.31

# 気象庁震度階級 (JMA): from this instrumental intensity on, its name in Japanese and English
SCALE = (
    (-math.inf, "0", "0"), (0.5, "1", "1"), (1.5, "2", "2"), (2.5, "3", "3"), (3.5, "4", "4"),
    (4.5, "5弱", "5-lower"), (5.0, "5強", "5-upper"), (5.5, "6弱", "6-lower"), (6.0, "6強", "6-upper"), (6.5, "7", "7"),
)  # fmt: skip
# A class without its decimal is taken at its middle.
_MIDDLES = {"5弱": 4.75, "5強": 5.25, "6弱": 5.75, "6強": 6.25}
_INTENSITY_MAX = 7.5


def distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Along the earth's surface."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    across = math.radians(other_longitude - longitude)
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(across / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(half, 1.0)))


def intensity(magnitude: float, depth_km: float, epicentral_km: float, amplification: float = 1.0) -> float:
    """JMA instrumental intensity on ground that amplifies PGV so many times over engineering bedrock (Vs 400 m/s).

    PGV: Si & Midorikawa 1999 (shortest distance, crustal: d = 0). The fault is a sphere about the hypocentre, half as
    wide as the fault is long (Utsu 1977), never nearer than 3 km; Mw = Mj - 0.171 (Utsu 1982). Intensity: Midorikawa
    et al. 1999, made for 4 to 7. Formulas read in a public article and in code of early-warning clients, not in the
    papers.
    """
    mw = magnitude - 0.171
    fault_km = 10 ** (0.5 * mw - 1.85)
    shortest_km = max(math.hypot(epicentral_km, depth_km) - fault_km / 2, _NEAREST_KM)
    near_km = 0.0028 * 10 ** (0.5 * mw)
    log_pgv = 0.58 * mw + 0.0038 * depth_km - 1.29 - math.log10(shortest_km + near_km) - 0.002 * shortest_km
    value = 2.68 + 1.72 * (log_pgv + math.log10(_TO_ENGINEERING_BEDROCK * amplification))
    return min(max(value, 0.0), _INTENSITY_MAX)


def name_of(value: float) -> tuple[str, str]:
    """The class of an instrumental intensity in Japanese and English."""
    return next((ja, en) for least, ja, en in reversed(SCALE) if value >= least)


def parse_intensity(text: str) -> float:
    """An instrumental intensity (`5.6`) or a class (`6弱`, `6-lower`, `震度6弱`). Raise RejectedError."""
    word = unicodedata.normalize("NFKC", text).strip().removeprefix("震度")
    named = next((ja for _, ja, en in SCALE if word in {ja, en}), word)
    try:
        value = _MIDDLES[named] if named in _MIDDLES else float(named)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _INTENSITY_MAX:
        raise RejectedError("intensity", f"{text!r} is no JMA intensity: 0 to {_INTENSITY_MAX}, or a class like 6弱")
    return value
