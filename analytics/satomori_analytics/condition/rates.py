"""How fast ratings worsen, by class: `rates.toml`, and what a municipality lays over it.

Loading connects to nothing.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from satomori_analytics.condition.measured import CLASSES
from satomori_analytics.overlays import Layer, overlaid, read_layers
from satomori_core.errors import SettingsError
from satomori_core.settings import read_toml, structure, suggest

_SAID = ("source", "ja", "en")  # what a municipality says anew with rates of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """`leaving`: rates a year of leaving I, II and III; `ja`, `en`: what they are, as the middle of a sentence.

    They count as `prior_years` of watching one structure in each rating.
    """

    leaving: tuple[float, float, float]
    source: str
    ja: str
    en: str
    prior_years: float = 100.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(rate) and 0 < rate <= 10 for rate in self.leaving):
            raise ValueError("leaving: three rates a year above 0, such as 0.05 for 5 % a year")
        if not 0 < self.prior_years < math.inf:
            raise ValueError("prior_years must be more than 0")
        if not all((self.source.strip(), self.ja.strip(), self.en.strip())):
            raise ValueError("source, ja and en: say where the rates are from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where(Rates):
    """Rates of those whose `attribute` in the ledger has one of these `values`."""

    attribute: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRates(Rates):
    # Rates of others, so no part of what these are.
    where: dict[str, Where] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Book:
    general: Rates
    assets: dict[str, ClassRates]

    def __post_init__(self) -> None:
        for name in self.assets:
            if name not in CLASSES:
                raise ValueError(f"assets: no class {name!r} with a condition{suggest(name, CLASSES)}")


@dataclass(frozen=True, slots=True)
class Ratebook:
    """By municipality where it has its own."""

    general: Book
    own: Mapping[str, Book]

    def of(self, municipality: str, class_: str, attributes: Mapping[str, Any]) -> tuple[str, Rates]:
        """The rates, and the name of the table that they are in."""
        book = self.own.get(municipality, self.general)
        found = book.assets.get(class_)
        if found is None:
            return "general", book.general
        for name, where in found.where.items():
            if str(attributes.get(where.attribute, "")).strip() in where.values:
                return f"assets.{class_}.where.{name}", where
        return f"assets.{class_}", found


def load_rates(folder: Path | None = None) -> Ratebook:
    """The package's rates, with those of `folder` laid over them. Raise SettingsError.

    `folder/all.toml` is for everybody, `folder/<municipality>.toml` for one; a file needs only the tables that differ.
    """
    text = files(__package__).joinpath("rates.toml").read_text(encoding="utf-8")
    general, own = read_layers(Layer(tomllib.loads(text), "rates of Satomori"), folder, "rates_dir", _laid)
    return Ratebook(_book(general), {name: _book(layer) for name, layer in own.items()})


def _book(layer: Layer) -> Book:
    return structure(layer.document, Book, where=layer.where)


def _laid(below: Mapping[str, Any], path: Path) -> dict[str, Any]:
    own = read_toml(path)
    faults = [
        f"{path}: [{table}]: leaving is changed without {', '.join(missing)}: say where these rates are from"
        for table, content in _tables(own, "")
        if "leaving" in content and (missing := [key for key in _SAID if key not in content])
    ]
    if faults:
        raise SettingsError("\n".join(faults))
    return overlaid(below, own)


def _tables(document: Mapping[str, Any], above: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield f"{above}{key}", value
            yield from _tables(value, f"{above}{key}.")
