"""What may be wrong with an entry of the [edge] table, in words; and one row of what would be read. Pure."""

import math
from dataclasses import dataclass

from satomori_core.errors import RejectedError
from satomori_core.metrics import catalogue
from satomori_core.topics import is_name
from satomori_core.units import conversion


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing that the edge would read: a row of `--check`. `owner` tells two devices with one name apart."""

    source: str
    line: str
    item: str
    device: str
    metric: str
    unit: str
    every_s: float | None
    owner: str


def found(*faults: str | None) -> list[str]:
    return [fault for fault in faults if fault]


def between(key: str, value: float | None, low: float, high: float) -> str | None:
    if value is None or low <= value <= high:
        return None
    return f"{key} = {value} is not between {low} and {high}"


def name_fault(key: str, name: str | None) -> str | None:
    if name is None or is_name(name):
        return None
    return f"{key} {name!r} is not a name: 1 to 64 of A–Z a–z 0–9 . _ -, beginning with a letter or digit"


def metric_fault(metric: str, unit: str | None) -> str | None:
    known = catalogue().get(metric)
    if known is None:
        return f"metric {metric!r} is not in the catalogue (core/satomori_core/metrics.toml)"
    if unit is None:
        return None
    try:
        conversion(unit, known.unit)
    except RejectedError as error:
        return f"metric {metric!r}: {error}"
    return None


def scale_fault(scale: float, offset: float) -> str | None:
    if scale and math.isfinite(scale) and math.isfinite(offset):
        return None
    return f"scale = {scale}, offset = {offset} make no measurement"


def unit_words(unit: str | None) -> str:
    return unit or "(as registered)"
