"""Playbooks: what a class of assets is watched for, as TOML files that a municipality overrides key by key.

A threshold is a setting with its source, never a constant in code. Loading connects to nothing.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from satomori_analytics import detectors, indicators
from satomori_analytics.checks import WMO_STEPS, Checks, Flat, Spike
from satomori_core.errors import NotFoundError, SettingsError
from satomori_core.metrics import catalogue
from satomori_core.settings import read_toml, structure
from satomori_core.vocabulary import Level

CLASSES = (
    "paddy", "greenhouse", "cattle_barn", "irrigation_pond", "bridge", "sewer_manhole", "pump_station", "slope",
    "gateway",
)  # fmt: skip
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
    sentence says it. `months`: the months in which it holds.
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
    hysteresis: float = 0.0
    for_s: float = 0.0
    attribute: str | None = None
    months: tuple[int, ...] = ()
    enabled: bool = True

    def __post_init__(self) -> None:
        if (self.high is None) == (self.low is None):
            raise ValueError("exactly one of high and low is needed")
        if self.hysteresis < 0 or self.for_s < 0:
            raise ValueError("hysteresis and for_s can't be negative")

    @property
    def side(self) -> str:
        return "high" if self.high is not None else "low"


@dataclass(frozen=True, slots=True)
class Derived:
    """A series that an indicator makes of others. `inputs`: argument -> metric; `options`: argument -> a fixed value.

    `every_s` 0: at each observation; else from values aggregated to so long, over the past `history_s`.
    """

    indicator: str
    inputs: dict[str, str]
    unit: str
    ja: str
    en: str
    options: dict[str, float] = field(default_factory=dict)
    every_s: int = 0
    history_s: int = 7200
    aggregate: Literal["mean", "sum", "max", "min"] = "mean"

    def __post_init__(self) -> None:
        known = _find_indicator(self.indicator)
        given, needed = (
            set(self.inputs) | set(self.options),
            set(known.required) - ({"at_us"} if known.over_time else set()),
        )
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
    learns from its first rows keeps them as its reference.
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
    enabled: bool = True

    def __post_init__(self) -> None:
        try:
            detectors.find(self.detector).build(self.options, where="options")
        except (NotFoundError, SettingsError) as error:
            raise ValueError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Sensor:
    """When a sensor of this class is called silent (so many intervals), or spiky (so many spikes in a time)."""

    silent_factor: float = 6.0
    silent_least_s: float = 120.0
    spikes: int = 3
    spikes_within_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Playbook:
    """Keys of the tables are names that an overriding file uses to change one entry."""

    ja: str
    en: str
    metric: dict[str, Metric] = field(default_factory=dict)
    derived: dict[str, Derived] = field(default_factory=dict)
    limit: dict[str, Limit] = field(default_factory=dict)
    watch: dict[str, Watch] = field(default_factory=dict)
    sensor: Sensor = field(default_factory=Sensor)

    def __post_init__(self) -> None:
        known = set(catalogue())
        named = {
            **{f"[metric.{m}]": {m} for m in self.metric},
            **{f"[derived.{k}] inputs": set(d.inputs.values()) for k, d in self.derived.items()},
            **{f"[limit.{k}] on": {limit.on} - set(self.derived) for k, limit in self.limit.items()},
            **{f"[watch.{k}] on": set(w.on) for k, w in self.watch.items()},
        }
        faults = [f"{where}: unknown metric {', '.join(sorted(n - known))}" for where, n in named.items() if n - known]
        if faults:
            raise ValueError("; ".join(faults))

    def lookback_s(self, name: str) -> float:
        """How much of a series' past has to be read to judge its next value."""
        metric = self.metric.get(name, Metric())
        flat_s = metric.flat.fail_s if metric.flat else 0.0
        step_s = 12 * 3600.0 if metric.wmo_step else 0.0
        limits_s = max((limit.for_s for limit in self.limit.values() if limit.on == name), default=0.0)
        return max(flat_s, step_s, limits_s, self.sensor.spikes_within_s) + 600


@dataclass(frozen=True, slots=True)
class Playbooks:
    """By class, and by (municipality, class) where a municipality has its own."""

    general: Mapping[str, Playbook]
    own: Mapping[tuple[str, str], Playbook]

    def of(self, class_: str, municipality: str) -> Playbook | None:
        return self.own.get((municipality, class_)) or self.general.get(class_)


def load_playbooks(folder: Path | None = None) -> Playbooks:
    """The package's playbooks, with those of `folder` laid over them. Raise SettingsError.

    `folder/<class>.toml` changes the class for everybody, `folder/<municipality>/<class>.toml` for one municipality.
    A file needs only the keys that differ; a class that we do not know is new and must be whole.
    """
    shipped = files(__package__).joinpath("playbooks")
    documents = {name: tomllib.loads(shipped.joinpath(f"{name}.toml").read_text(encoding="utf-8")) for name in CLASSES}
    places = dict.fromkeys(documents, "playbook of Satomori")
    own: dict[tuple[str, str], Playbook] = {}
    if folder is not None:
        if not folder.is_dir():
            raise SettingsError(f"[analytics] playbooks_dir {folder}: no such folder")
        for path in sorted(folder.glob("*.toml")):
            documents[path.stem] = _overlaid(documents.get(path.stem, {}), read_toml(path))
            places[path.stem] = str(path)
        for path in sorted(folder.glob("*/*.toml")):
            document = _overlaid(documents.get(path.stem, {}), read_toml(path))
            own[path.parent.name, path.stem] = structure(document, Playbook, where=str(path))
    general = {
        name: structure(document, Playbook, where=f"{places[name]}, {name}.toml")
        for name, document in documents.items()
    }
    return Playbooks(general, own)


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, everything else replaced."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = _overlaid(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _find_indicator(name: str) -> indicators.Indicator:
    try:
        return indicators.find(name)
    except NotFoundError as error:
        raise ValueError(str(error)) from None
