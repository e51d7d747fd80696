"""Playbooks: what a class of assets is watched for. A threshold is a setting with its source, never one in code.

`playbook_files` reads the files and lays them over each other, `playbook_faults` says what is wrong with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from satomori_analytics import detectors, indicators
from satomori_analytics.checks import WMO_STEPS, Checks, Flat, Spike
from satomori_core.errors import NotFoundError, SettingsError
from satomori_core.vocabulary import Level

Aggregate = Literal["mean", "sum", "max", "min"]
HISTORY_S = 7200
# Kinds of forecasts, and on which side of their limits they call for action.
FORECASTS: Mapping[str, Literal["low", "high"]] = {
    "frost": "low", "irrigation": "low", "blast": "high", "heat": "high", "heading": "low", "harvest": "low",
}  # fmt: skip
# The options that each takes.
FORECAST_OPTIONS: Mapping[str, frozenset[str]] = {
    "frost": frozenset({"weather_error_c"}),
    "irrigation": frozenset({"weather_spread"}),
    "blast": frozenset({"wet_from", "wet_from_rh", "weather_error_c", "weather_error_rh"}),
    "heat": frozenset({"weather_error_thi"}),
    **dict.fromkeys(("heading", "harvest"), frozenset({"base_c", "model_error_d", "weather_spread"})),
}
LEVELS = {"watch": Level.WATCH, "warning": Level.WARNING, "danger": Level.DANGER}


@dataclass(frozen=True, slots=True)
class Metric:
    """How the values of one metric are checked; see `checks.Checks`. What is left out is not checked."""

    spike: Spike | None = None
    rate_per_h: float | None = None
    flat: Flat | None = None
    wmo_step: str | None = None
    gap_factor: float = 5.0
    quiet: float | None = None

    def __post_init__(self) -> None:
        if self.wmo_step is not None and self.wmo_step not in WMO_STEPS:
            raise ValueError(f"wmo_step {self.wmo_step!r}: one of {', '.join(WMO_STEPS)}")

    def checks(self) -> Checks:
        rate_per_s = None if self.rate_per_h is None else self.rate_per_h / 3600
        return Checks(self.spike, rate_per_s, self.flat, self.wmo_step, self.gap_factor, self.quiet)


@dataclass(frozen=True, slots=True)
class Limit:
    """Beyond `high` or `low` for `for_s`, until back by `hysteresis`. `on`: a metric or a derived series.

    `attribute`: an asset's own value of this name stands before the playbook's. `ja`, `en`: what is wrong, as the
    sentence says it. `months`: the months in which it holds. `unit`: that of the threshold, which has to be that of
    the quantity: nothing is converted.
    """

    on: str
    level: Literal["watch", "warning", "danger"]
    source: str
    ja: str
    en: str
    advice_ja: str
    advice_en: str
    high: float | None = None
    low: float | None = None
    unit: str | None = None
    hysteresis: float = 0.0
    for_s: float = 0.0
    attribute: str | None = None
    months: tuple[int, ...] = ()
    enabled: bool = True

    def __post_init__(self) -> None:
        if (self.high is None) == (self.low is None):
            raise ValueError("exactly one of high and low is needed; to turn a limit round, disable it and add another")

    @property
    def side(self) -> str:
        return "high" if self.high is not None else "low"


@dataclass(frozen=True, slots=True)
class Derived:
    """A series that an indicator makes of others. `inputs`: argument -> metric; `options`: argument -> a fixed value.

    `every_s` 0: at each observation; else from values aggregated to so long, over the past `history_s`; `aggregates`
    where an argument is not aggregated as the others are.
    """

    indicator: str
    inputs: dict[str, str]
    unit: str
    ja: str
    en: str
    options: dict[str, float] = field(default_factory=dict)
    every_s: int = 0
    history_s: int = HISTORY_S
    aggregate: Aggregate = "mean"
    aggregates: dict[str, Aggregate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = _find_indicator(self.indicator)
        given, needed = (
            set(self.inputs) | set(self.options),
            set(known.required) - ({"at_us"} if known.over_time else set()),
        )
        if set(self.aggregates) - set(self.inputs):
            raise ValueError(f"aggregates: arguments of inputs, not {', '.join(sorted(self.aggregates))}")
        if not known.is_series:
            raise ValueError(f"indicator {self.indicator} does not give a series of numbers")
        if given - set(known.inputs) or needed - given:
            raise ValueError(
                f"indicator {self.indicator} takes {', '.join(known.inputs)}, not {', '.join(sorted(given))}"
            )


@dataclass(frozen=True, slots=True)
class Watch:
    """A detector that learns. `on`: metrics; a joint detector takes all of them as its channels, others each alone.

    `least`: a joint detector needs so many of its channels. `every_s` and `history_s` as in Derived; a detector that
    learns from its first rows keeps them as its reference. `shared_within_km`: what two or more of the class's other
    assets so near show at the same time is the weather's, and not told; 0: each is judged by itself.
    """

    detector: str
    on: tuple[str, ...]
    level: Literal["watch", "warning", "danger"]
    source: str
    ja: str
    en: str
    advice_ja: str
    advice_en: str
    options: dict[str, float] = field(default_factory=dict)
    least: int = 1
    every_s: int = 0
    history_s: int = 7200
    shared_within_km: float = 0.0
    enabled: bool = True

    def __post_init__(self) -> None:
        try:
            kind = detectors.find(self.detector)
            kind.build(self.options, where="options")
        except (NotFoundError, SettingsError) as error:
            raise ValueError(str(error)) from None
        if self.shared_within_km and (kind.joint or self.level == "danger" or not self.every_s):
            raise ValueError("shared_within_km is for single series below danger that are judged every_s")


@dataclass(frozen=True, slots=True)
class Call:
    """A forecast calls for action where the chance that it comes to `limit`, or beyond it, is `chance` or more.

    `attribute`: an asset's own value of this name stands before `limit`.
    """

    limit: float
    chance: float
    advice_ja: str
    advice_en: str
    attribute: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.chance <= 1:
            raise ValueError("chance is more than 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast that is made of such assets; its table is named after its kind, one of FORECASTS.

    `months`: those in which it calls for action. `options`: what the forecast's module takes. `varieties`: a rice's
    development by its name, see `forecasts/rice.py`.
    """

    source: str
    watch: Call | None = None
    warning: Call | None = None
    months: tuple[int, ...] = ()
    options: dict[str, float] = field(default_factory=dict)
    varieties: dict[str, dict[str, float]] = field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """What else shows what a metric shows, so that a slow divergence can be told; without an entry it can't be.

    Witnesses: the same metric of the class's other assets (`alike`), and the asset's own `partners`. `least`: the
    smallest divergence worth a visit, in the metric's unit. `alone`: who is to blame where it diverges alone: the
    sensor of what all share (weather) or what partners fix by physics; the asset where it is its own state. Where one
    of `together` has left its own witnesses too, it is the asset.
    """

    least: float
    source: str
    alone: Literal["sensor", "asset"] = "sensor"
    alike: bool = True
    partners: tuple[str, ...] = ()
    together: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.alike and len(self.partners) < 2:
            raise ValueError("two partners are the least that can tell, or alike = true")


@dataclass(frozen=True, slots=True)
class Sensor:
    """When a sensor of this class is called silent (so many intervals), or spiky (so many spikes in a time).

    The time of the spikes is at least twelve intervals for each of them. A battery is told of `battery_ahead_d` before
    it reaches `battery_low_v`; an asset's attribute `battery_low_v` stands before that.
    """

    silent_factor: float = 6.0
    silent_least_s: float = 120.0
    spikes: int = 3
    spikes_within_s: float = 1800.0
    battery_low_v: float = 3.0
    battery_ahead_d: float = 30.0

    def spikes_us(self, interval_s: float) -> int:
        return int(max(self.spikes_within_s, 12 * self.spikes * interval_s) * 1e6)


@dataclass(frozen=True, slots=True)
class Playbook:
    """Keys of the tables are names that an overriding file uses to change one entry.

    `people_ja`, `people_en`: who cares for such an asset, and is told.
    """

    people_ja: str
    people_en: str
    metric: dict[str, Metric] = field(default_factory=dict)
    derived: dict[str, Derived] = field(default_factory=dict)
    limit: dict[str, Limit] = field(default_factory=dict)
    watch: dict[str, Watch] = field(default_factory=dict)
    forecast: dict[str, Outlook] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    sensor: Sensor = field(default_factory=Sensor)

    def lookback_s(self, name: str, interval_s: float = 0.0) -> float:
        """How much of a series' past has to be read to judge its next value."""
        metric = self.metric.get(name, Metric())
        flat_s = metric.flat.fail_s if metric.flat else 0.0
        step_s = 12 * 3600.0 if metric.wmo_step else 0.0
        limits_s = max((limit.for_s for limit in self.limit.values() if limit.on == name), default=0.0)
        return max(flat_s, step_s, limits_s, self.sensor.spikes_us(interval_s) / 1e6) + 600


@dataclass(frozen=True, slots=True)
class Playbooks:
    """By class, and by (municipality, class) where a municipality has its own."""

    general: Mapping[str, Playbook]
    own: Mapping[tuple[str, str], Playbook]

    def of(self, class_: str, municipality: str) -> Playbook | None:
        return self.own.get((municipality, class_)) or self.general.get(class_)


def _find_indicator(name: str) -> indicators.Indicator:
    try:
        return indicators.find(name)
    except NotFoundError as error:
        raise ValueError(str(error)) from None
