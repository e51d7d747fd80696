"""From where on assets are looked at, by class and kind of event: `rules.toml`, and what a municipality lays over it.

Loading connects to nothing.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

from satomori_analytics.overlays import Layer, read_layers
from satomori_core.settings import structure

Hazard = Literal["earthquake", "rain", "wind", "flood", "river"]
HAZARDS: tuple[Hazard, ...] = get_args(Hazard)


@dataclass(frozen=True, slots=True)
class Scale:
    """How a kind of event is measured. `step`: what makes one point; below `least` nobody is sent out."""

    step: float
    least: float
    source: str

    def __post_init__(self) -> None:
        if self.step <= 0:
            raise ValueError("step must be more than 0")


@dataclass(frozen=True, slots=True)
class Look:
    """From `look_from` on assets of a class are looked at; `ja`, `en`: at what of them first.

    `attribute`: an asset's own value of this name stands before `look_from`. `old_before`: what was built before that
    year bears less of such an event.
    """

    look_from: float
    source: str
    ja: str
    en: str
    attribute: str | None = None
    old_before: int | None = None


@dataclass(frozen=True, slots=True)
class ClassRules:
    """`rated`: inspections give it a health rating I to IV."""

    after: dict[str, Look] = field(default_factory=dict)
    rated: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """How many points an asset's state counts for; `importance` by the word in its ledger entry."""

    source: str
    rating_ii: float
    rating_iii: float
    rating_iv: float
    unrated: float
    watch: float
    warning: float
    danger: float
    finding: float
    findings_most: int
    old: float
    year_unknown: float
    importance: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.rating_ii <= self.rating_iii <= self.rating_iv:
            raise ValueError("a worse rating can't count for less: 0 <= rating_ii <= rating_iii <= rating_iv")
        if not 0 <= self.watch <= self.warning <= self.danger:
            raise ValueError("a worse level can't count for less: 0 <= watch <= warning <= danger")
        rest = (self.unrated, self.finding, self.findings_most, self.old, self.year_unknown, *self.importance.values())
        if min(rest) < 0:
            raise ValueError("points can't be negative")


@dataclass(frozen=True, slots=True)
class Rules:
    hazard: dict[str, Scale]
    condition: Condition
    assets: dict[str, ClassRules]

    def __post_init__(self) -> None:
        named = set(self.hazard).union(*(each.after for each in self.assets.values()))
        if named != set(HAZARDS):
            raise ValueError(f"kinds of event are {', '.join(HAZARDS)}, not {', '.join(sorted(named ^ set(HAZARDS)))}")


@dataclass(frozen=True, slots=True)
class Rulebook:
    """By municipality where it has its own."""

    general: Rules
    own: Mapping[str, Rules]

    def of(self, municipality: str) -> Rules:
        return self.own.get(municipality, self.general)


def load_rules(folder: Path | None = None) -> Rulebook:
    """The package's rules, with those of `folder` laid over them. Raise SettingsError.

    `folder/all.toml` is for everybody, `folder/<municipality>.toml` for one; a file needs only the keys that differ.
    """
    text = files(__package__).joinpath("rules.toml").read_text(encoding="utf-8")
    general, own = read_layers(Layer(tomllib.loads(text), "rules of Satomori"), folder, "triage_dir")
    return Rulebook(_rules(general), {name: _rules(layer) for name, layer in own.items()})


def _rules(layer: Layer) -> Rules:
    return structure(layer.document, Rules, where=layer.where)
