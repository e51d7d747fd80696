"""What the sensors say of a structure's condition: a value, its rate, a class where a standard has one. Pure.

`Days` are daily means before now, so what is measured later changes nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from satomori_analytics.condition.reference import LEVEL_DAYS, Reference, explained, learn
from satomori_analytics.condition.trend import Trend, interval, theil_sen
from satomori_analytics.condition.wanted import CONNECTIONS, MAINS_KM, NIGHT_USE, PRIVATE_KM, STARTS_MAX, number_of
from satomori_analytics.indicators.base import Floats
from satomori_analytics.indicators.structures import pump_vibration_zone
from satomori_analytics.indicators.water import infrastructure_leakage_index, pump_efficiency, sewer_h2s_class
from satomori_core.clock import DAY_US

Kind = Literal[
    "frequency", "movement", "vibration", "efficiency", "efficiency_kept", "running", "starts", "starts_of_limit",
    "hydrogen_sulfide", "night_flow", "leakage", "leakage_index",
]  # fmt: skip
_RECENT_DAYS, _MONTH = 14, 30
FREQUENCY = ("natural_frequency", "structure_temperature")
# Of what is made of several metrics; of others their own.
_INPUTS: Mapping[Kind, tuple[str, ...]] = {
    "frequency": FREQUENCY,
    "efficiency": ("flow", "pressure", "motor_current", "motor_voltage"),
    "efficiency_kept": ("flow", "pressure", "motor_current", "motor_voltage"),
    "leakage": ("flow", "pressure"),
    "leakage_index": ("flow", "pressure"),
}
_KPA_PER_M = 9.80665  # of water


@dataclass(frozen=True, slots=True)
class Days:
    """Columns by metric, a value a day from `start_us` on, NaN where there was none; `attributes` of the ledger.

    `anew`: when a metric's probe took the place of another, which its column leaves out. `streams`: the datastream of
    each metric. `reference`: a frequency's, where an older one was kept.
    """

    start_us: int
    columns: Mapping[str, Floats]
    attributes: Mapping[str, Any]
    anew: Mapping[str, int] = field(default_factory=dict)
    streams: Mapping[str, int] = field(default_factory=dict)
    reference: Reference | None = None

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the columns with any value."""
        return tuple(sorted(name for name, column in self.columns.items() if np.isfinite(column).any()))


@dataclass(frozen=True, slots=True)
class Measured:
    """`value` with its 90 % interval, as of the newest days; `rate` a year with its own. `grade`: a standard's class.

    From so many `days`, the first of them at `first_us`, the last at `last_us`. `at_us`, `series`: what to draw, one a
    day; empty in lists of many assets. `anew_us`: when its probe took the place of another, whose values are left
    out. `since_us`: for a shift, the middle of the days that it is counted from.
    """

    kind: Kind
    metric: str
    unit: str
    value: float
    low: float
    high: float
    rate: Trend | None
    grade: str | None
    days: int
    at_us: tuple[int, ...]
    series: tuple[float, ...]
    source: str
    first_us: int = 0
    last_us: int = 0
    anew_us: int | None = None
    since_us: int | None = None


def measure(class_: str, days: Days) -> list[Measured]:
    """All that can be said of an asset of this class from what it measures."""
    return [found for maker in _OF_CLASS.get(class_, ()) if (found := maker(days)) is not None]


def _frequency(days: Days) -> Measured | None:
    """Shift in % of the natural frequency against its reference, temperature allowed for.

    Without a kept one the reference is learned from these days, so a loss that is older than they are is in it.
    """
    if not set(FREQUENCY) <= set(days.columns):
        return None
    frequency, warm = (days.columns[metric] for metric in FREQUENCY)
    known = np.isfinite(frequency + warm)
    anew = _anew_us(days, FREQUENCY)
    if anew is not None:
        known &= days.start_us + np.arange(len(known)) * DAY_US >= anew
    frequency = np.where(known, frequency, np.nan)
    reference = days.reference or learn(days.start_us, frequency, warm)
    if reference is None or (days.reference is None and known.sum() < LEVEL_DAYS + _RECENT_DAYS):
        return None
    shift = frequency - explained(warm, reference.cold, reference.warm) - reference.level
    found = _told(days, ("frequency", "natural_frequency", "%"), 100 * shift / reference.level, _RECENT_DAYS,
                  source="two slopes of temperature around 0 °C, as for the Z24 bridge (recalled)")  # fmt: skip
    if found is None:
        return None
    # How well the reference is known, beside how well the newest days are.
    half = float(np.hypot(found.high - found.value, 100 * reference.half / reference.level))
    since_us = (reference.from_us + reference.until_us) // 2
    return replace(found, low=found.value - half, high=found.value + half, since_us=since_us)


def _movement(metric: str, unit: str) -> Callable[[Days], Measured | None]:
    def made(days: Days) -> Measured | None:
        if metric not in days.columns:
            return None
        return _told(days, ("movement", metric, unit), days.columns[metric], 7, source="Theil-Sen slope (Sen 1968)")

    return made


def _vibration(days: Days) -> Measured | None:
    if "vibration" not in days.columns:
        return None
    power = days.attributes.get("power_kw")
    above = isinstance(power, int | float) and power > 200

    def zone(value: float) -> str:
        return str(pump_vibration_zone(value, above_200_kw=above))

    return _told(days, ("vibration", "vibration", "mm/s"), days.columns["vibration"], 7, grade=zone,
                 source="ISO 10816-7 category I zones (recalled, not checked)")  # fmt: skip


def _efficiency(days: Days) -> Measured | None:
    share = _efficiencies(days)
    if share is None:
        return None
    return _told(
        days, ("efficiency", "flow", "%"), share, 7, source="ρgQH/P of daily means while running, suction head left out"
    )


def _efficiency_kept(days: Days) -> Measured | None:
    """Efficiency in % of the ledger's `reference_efficiency` (0 to 1: at acceptance, suction head left out too)."""
    share, reference = _efficiencies(days), days.attributes.get("reference_efficiency")
    if share is None or not isinstance(reference, int | float) or not 0 < reference <= 1:
        return None
    return _told(days, ("efficiency_kept", "flow", "%"), share / float(reference), 7,
                 source="ρgQH/P of daily means over reference_efficiency of the ledger")  # fmt: skip


def _efficiencies(days: Days) -> Floats | None:
    """Water power in % of electrical power, a day each; needs the motor's power factor from the ledger."""
    factor = days.attributes.get("power_factor")
    if not {"flow", "pressure", "motor_current", "motor_voltage"} <= set(days.columns):
        return None
    if not isinstance(factor, int | float):
        return None
    c = days.columns
    power_kw = np.sqrt(3) * c["motor_voltage"] * c["motor_current"] * float(factor) / 1000
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 100 * pump_efficiency(c["flow"], c["pressure"] / _KPA_PER_M, power_kw)
    return np.where((share > 0) & (share <= 100), share, np.nan)


def _running(days: Days) -> Measured | None:
    if "pump_running" not in days.columns:
        return None
    return _told(days, ("running", "pump_running", "h/d"), 24 * days.columns["pump_running"], 7,
                 source="share of the day that the pump reported running")  # fmt: skip


def _starts(days: Days) -> Measured | None:
    if "starts" not in days.columns:
        return None
    return _told(days, ("starts", "pump_running", "1/d"), days.columns["starts"], 7,
                 source="stopped, then running, as readings show; more may lie between two of them")  # fmt: skip


def _starts_of_limit(days: Days) -> Measured | None:
    most = number_of(days.attributes, STARTS_MAX)
    if "starts" not in days.columns or not most:
        return None
    return _told(days, ("starts_of_limit", "pump_running", "%"), 100 * days.columns["starts"] / most, 7,
                 grade=lambda share: "above" if share > 100 else "within",
                 source="starts a day over starts_per_day_max of the ledger (the maker's)")  # fmt: skip


def _hydrogen_sulfide(days: Days) -> Measured | None:
    if "hydrogen_sulfide" not in days.columns:
        return None

    def class_(value: float) -> str:
        return str(sewer_h2s_class(value))

    return _told(days, ("hydrogen_sulfide", "hydrogen_sulfide", "[ppm]"), days.columns["hydrogen_sulfide"], _MONTH,
                 grade=class_, source="sewer corrosion guide: mean ≥ 50 ppm I, 10 to 50 II, below III")  # fmt: skip


def _night_flow(days: Days) -> Measured | None:
    if "night_flow" not in days.columns:
        return None
    return _told(days, ("night_flow", "flow", "m3/h"), days.columns["night_flow"], 7,
                 source="least mean of an hour of a day, 92 of 96 quarters known (IWA practice)")  # fmt: skip


def _leakage(days: Days) -> Measured | None:
    leaked = _leaked(days)
    if leaked is None:
        return None
    return _told(days, ("leakage", "flow", "m3/d"), leaked, 7,
                 source="night flow less night_use_m3_h of the ledger, by FAVAD to the day's pressures")  # fmt: skip


def _leakage_index(days: Days) -> Measured | None:
    """ILI: leakage by the unavoidable at the day's mean pressure; bands of the World Bank Institute."""
    leaked = _leaked(days)
    mains, pipes, private = (number_of(days.attributes, names) for names in (MAINS_KM, CONNECTIONS, PRIVATE_KM))
    if leaked is None or mains is None or pipes is None or private is None:
        return None
    index = infrastructure_leakage_index(
        1000 * leaked, mains, pipes, private, np.maximum(days.columns["pressure_mean"] / _KPA_PER_M, 0)
    )
    return _told(days, ("leakage_index", "flow", "1"), index, 7,
                 grade=lambda value: "ABCD"[int(np.searchsorted((2, 4, 8), value, side="right"))],
                 source="leakage over (18 Lm + .8 Nc + 25 Lp) P (IWA); bands A to D of the World Bank Institute at 2, "
                 "4, 8 for well-to-do countries (recalled, not checked)")  # fmt: skip


def _leaked(days: Days) -> Floats | None:
    """m3 a day: what flows at night beyond what is used, as its pressure grows to the day's."""
    used = number_of(days.attributes, NIGHT_USE)
    if used is None or not {"night_flow", "night_day"} <= set(days.columns):
        return None
    return np.maximum(days.columns["night_flow"] - used, 0) * days.columns["night_day"]


def _told(
    days: Days, what: tuple[Kind, str, str], series: Floats, recent: int, *, source: str,
    grade: Callable[[float], str] | None = None,
) -> Measured | None:  # fmt: skip
    kind, metric, unit = what
    known = np.flatnonzero(np.isfinite(series))
    if not len(known):
        return None
    value, low, high = interval(series[known[-recent:]])
    place = np.arange(len(series), dtype=np.float64)
    at_us = (days.start_us + known * DAY_US).tolist()
    return Measured(
        kind, metric, unit, value, low, high, theil_sen(place, series), grade(value) if grade else None,
        len(known), tuple(at_us), tuple(series[known].tolist()), source, at_us[0], at_us[-1],
        _anew_us(days, _INPUTS.get(kind, (metric,))),
    )  # fmt: skip


def _anew_us(days: Days, metrics: Iterable[str]) -> int | None:
    return max((days.anew[metric] for metric in metrics if metric in days.anew), default=None)


_TILT = (_movement("tilt", "deg"), _movement("displacement", "mm"), _movement("crack_width", "mm"))
_OF_CLASS: Mapping[str, tuple[Callable[[Days], Measured | None], ...]] = {
    "bridge": (_frequency, *_TILT),
    "slope": _TILT,
    "levee": _TILT,
    "tunnel": _TILT,
    "pump_station": (_vibration, _efficiency, _efficiency_kept, _running, _starts, _starts_of_limit),
    "sewer_manhole": (_hydrogen_sulfide,),
    "sewer_span": (_hydrogen_sulfide,),
    "district_meter_area": (_night_flow, _leakage, _leakage_index),
    "water_main": (_night_flow,),
}
CLASSES = frozenset(_OF_CLASS)
