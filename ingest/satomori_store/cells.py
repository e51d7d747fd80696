"""What may stand in a cell of a registry file: parsers from what was written to a value. Pure.

A parser raises ValueError whose text says what is wrong and what to write instead. Cells of a CSV are texts, those of
a TOML file have a type; full-width digits, 和暦 years and Japanese class names are understood.
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from satomori_core.classes import GATEWAY, classes
from satomori_core.errors import RejectedError
from satomori_core.metrics import catalogue
from satomori_core.topics import is_name
from satomori_core.units import to_ucum

Parser = Callable[[object], object]

CLASSES = tuple(name for name in classes() if name != GATEWAY)
_CLASS_NAMES = {name: kind.id for kind in classes().values() if kind.id != GATEWAY for name in (kind.ja, *kind.also)}
# First years less one: 昭和45年 is 1925 + 45.
_ERAS = {
    "明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018,
    "M": 1867, "T": 1911, "S": 1925, "H": 1988, "R": 2018,
}  # fmt: skip
_YEAR_MIN, _YEAR_MAX = 1500, 2200


def text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is not text; write a text that is not empty")
    return value.strip()


def identifier(value: object) -> str:
    """An id as `topics.is_name` allows; a CSV's number cell is a text already."""
    written = unicodedata.normalize("NFKC", text(value))
    if not is_name(written):
        raise ValueError(f"{value!r} is not an id; write 1 to 64 of A-Z a-z 0-9 . _ - without spaces")
    return written


def truth(value: object) -> bool:
    if value is True or value is False:
        return value is True
    raise ValueError(f"{value!r} is neither true nor false; write one of them, without quotes")


def number(value: object) -> float:
    if isinstance(value, str):
        try:
            value = float(unicodedata.normalize("NFKC", value).replace(",", ""))
        except ValueError:
            raise ValueError(f"{value!r} is not a number; write one like 35.12") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number; write one like 35.12")
    return float(value)


def nonzero(value: object) -> float:
    scale = number(value)
    if scale == 0:
        raise ValueError("0 would make every value the same; write the factor, 1 for none")
    return scale


def latitude(value: object) -> float:
    degrees = number(value)
    if not -90 <= degrees <= 90:
        raise ValueError(
            f"{degrees:g} is not a latitude (-90 to 90 degrees); are latitude and longitude exchanged, "
            "or is it degrees, minutes and seconds?"
        )
    return degrees


def longitude(value: object) -> float:
    degrees = number(value)
    if not -180 <= degrees <= 180:
        raise ValueError(f"{degrees:g} is not a longitude (-180 to 180 degrees); write decimal degrees")
    return degrees


def seconds(value: object) -> int:
    """A whole number of seconds, at least 1."""
    whole = number(value)
    if whole != int(whole) or not 1 <= whole <= 10**9:
        raise ValueError(f"{value!r} is not a time in seconds; write a whole number from 1")
    return int(whole)


def year(value: object) -> int:
    """1970, 1970年, 昭和45年 or S45."""
    written = (
        unicodedata.normalize("NFKC", str(value)).strip().replace("元年", "1").removesuffix("度").removesuffix("年")
    )
    match = re.fullmatch(r"(明治|大正|昭和|平成|令和|[MTSHR])?\.?\s*(\d{1,4})", written, re.IGNORECASE)
    if isinstance(value, bool) or match is None:
        raise ValueError(f"{value!r} is not a year; write one like 1970 or 昭和45年")
    found = int(match[2]) + (_ERAS[match[1].upper()] if match[1] else 0)
    if not _YEAR_MIN <= found <= _YEAR_MAX:
        raise ValueError(f"{found} is not a year of building; write one like 1970 or 昭和45年")
    return found


def asset_class(value: object) -> str:
    written = text(value)
    found = _CLASS_NAMES.get(written, written)
    if found not in CLASSES:
        raise ValueError(f"unknown class {written!r}{suggestion(written, [*CLASSES, *_CLASS_NAMES], shown=CLASSES)}")
    return found


def metric(value: object) -> str:
    written = text(value)
    if written not in catalogue():
        raise ValueError(f"unknown metric {written!r}{suggestion(written, catalogue())}")
    return written


def unit(value: object) -> str:
    written = text(value)
    try:
        to_ucum(written)
    except RejectedError as error:
        raise ValueError(f"{error}; write its UCUM code, such as Cel, %, m, kPa or m3/h") from None
    return written


def time_zone(value: object) -> str:
    written = text(value)
    try:
        ZoneInfo(written)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {written!r}; write one like Asia/Tokyo") from None
    return written


def choice(*allowed: str) -> Parser:
    def parse(value: object) -> str:
        written = text(value)
        if written not in allowed:
            raise ValueError(f"{written!r} is none of {', '.join(allowed)}")
        return written

    return parse


def names(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f'{value!r} is not a list; write ["id", "id", …]')  # noqa: TRY004 - all parsers raise this one
    return [identifier(item) for item in value]


def attributes(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a table; write {{ key = value, … }}")  # noqa: TRY004 - same
    for key, item in value.items():
        if not isinstance(item, str | int | float | bool | list):
            raise ValueError(f"{key} is {item!r}; write a text, a number, true, false or a list of them")  # noqa: TRY004 - same
    return value


def suggestion(written: str, known: Iterable[str], shown: Iterable[str] | None = None) -> str:
    known = list(known)
    close = difflib.get_close_matches(written, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    listed = sorted(known if shown is None else shown)
    return f"; known are {', '.join(listed[:12])}{' …' if len(listed) > 12 else ''}" if listed else ""
