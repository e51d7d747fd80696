"""What the ledger lacks for a figure that could be told otherwise: said, not guessed. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

# What ledgers call them; the first that is there holds.
MAINS_KM = ("mains_km", "lm_km")
CONNECTIONS = ("connections", "nc")
PRIVATE_KM = ("private_pipe_km", "lp_km")
NIGHT_USE = ("night_use_m3_h",)
STARTS_MAX = ("starts_per_day_max",)


@dataclass(frozen=True, slots=True)
class Figure:
    """What `metrics` and the ledger's numbers of these names would tell."""

    metrics: frozenset[str]
    names: tuple[tuple[str, ...], ...]
    ja: str
    en: str


_WATER = frozenset({"night_flow", "night_day"})
LEAKAGE = Figure(_WATER, (NIGHT_USE,), "1日の漏水量", "a day's leakage")
INDEX = Figure(_WATER, (MAINS_KM, CONNECTIONS, PRIVATE_KM, NIGHT_USE), "漏水指標（ILI）", "the leakage index (ILI)")
STARTS = Figure(frozenset({"starts"}), (STARTS_MAX,), "始動回数の余裕", "starts against the maker's limit")
EFFICIENCY = Figure(
    frozenset({"flow", "pressure", "motor_current", "motor_voltage"}), (("power_factor",),), "ポンプ効率", "efficiency"
)
_OF_CLASS: Mapping[str, tuple[Figure, ...]] = {
    "pump_station": (STARTS, EFFICIENCY), "district_meter_area": (LEAKAGE, INDEX), "water_main": (),
}  # fmt: skip


def number_of(attributes: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    """The ledger's number of one of these names, 0 or more."""
    for name in names:
        try:
            value = float(attributes[name])
        except (KeyError, TypeError, ValueError):
            continue
        if 0 <= value < float("inf"):
            return value
    return None


def missing(class_: str, metrics: Collection[str], attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(Japanese, English), a sentence for each figure that its metrics would allow and the ledger does not."""
    told = []
    for figure in _OF_CLASS.get(class_, ()):
        lacks = ", ".join(names[0] for names in figure.names if number_of(attributes, names) is None)
        if lacks and figure.metrics <= set(metrics):
            told.append(
                (
                    f"{figure.ja}は台帳に {lacks} がないため示せない",
                    f"not told for want of {lacks} in the ledger: {figure.en}",
                )
            )
    return told
