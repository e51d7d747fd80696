"""Numbers, units and times as people read them. Pure; times are µs since the epoch, shown in a named zone."""

import math
from datetime import datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from satomori_core.clock import to_datetime

Language = Literal["ja", "en"]
# UCUM codes whose spelling is not what people write. UCUM 2.2 for the codes.
SYMBOLS = {
    "Cel": "°C", "Cel.d": "°C·d", "[ppm]": "ppm", "m3/h": "m³/h", "m3/s": "m³/s", "m3": "m³", "W/m2": "W/m²",
    "u{strain}": "µε", "{strain}": "ε", "deg": "°", "[g]": "g", "dB[mW]": "dBm", "{pF}": "pF",
    "{NTU}": "NTU", "{count}": "", "{bool}": "", "1": "", "[pH]": "pH", "m/s2": "m/s²", "g/m3": "g/m³", "deg/h": "°/h",
    "V.A": "VA", "{state}": "",
}  # fmt: skip
DEFAULT_ZONE = "Asia/Tokyo"


def unit_symbol(unit: str) -> str:
    return SYMBOLS.get(unit, unit)


def number(value: float) -> str:
    """About four significant digits, never more decimals than an instrument gives, no scientific notation below 1e7."""
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1e7:
        return f"{value:.3g}"
    decimals = 0 if size >= 1000 else 1 if size >= 10 else 2 if size >= 1 or size == 0 else 3
    shown = f"{value:,.{decimals}f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown == "-0" else shown.replace("-", "−")


def with_unit(value: float, unit: str) -> str:
    """`unit` is UCUM. Per cent and degrees stand close to the number."""
    symbol = unit_symbol(unit)
    space = "" if symbol in {"", "%", "°"} else " "
    return f"{number(value)}{space}{symbol}"


def zone(name: str) -> tzinfo:
    """The zone called `name`; Japan's where the registry names one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(DEFAULT_ZONE)


def moment(language: Language, at_us: int, zone_name: str, now_us: int) -> str:
    """Clock time for today, month and day for this year, the whole date before that."""
    at, now = (to_datetime(t).astimezone(zone(zone_name)) for t in (at_us, now_us))
    clock = f"{at:%H:%M}"
    return clock if at.date() == now.date() else f"{_day(language, at, now)} {clock}"


def day(language: Language, at_us: int, zone_name: str, now_us: int) -> str:
    """Month and day for this year, with the year for others."""
    at, now = (to_datetime(t).astimezone(zone(zone_name)) for t in (at_us, now_us))
    return _day(language, at, now)


def _day(language: Language, at: datetime, now: datetime) -> str:
    told = f"{at.month}月{at.day}日" if language == "ja" else f"{at:%b} {at.day}"
    if at.year != now.year:
        told = f"{at.year}年{told}" if language == "ja" else f"{told}, {at.year}"
    return told


def clock_time(at_us: int, zone_name: str) -> str:
    return f"{to_datetime(at_us).astimezone(zone(zone_name)):%H:%M}"
