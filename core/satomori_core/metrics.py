"""The catalogue of metrics: what is measured, in which UCUM unit it is stored, and what its instruments can say."""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

# The metrics that every edge reports of itself, as device = its gateway's id.
EDGE_HEALTH = ("outbox_readings", "outbox_oldest_age", "bus_errors", "clock_offset")


@dataclass(frozen=True, slots=True)
class Metric:
    """`low` and `high`: the gross range in `unit`, inclusive."""

    id: str
    unit: str
    low: float
    high: float
    ja: str
    en: str


@functools.cache
def catalogue() -> Mapping[str, Metric]:
    """All metrics by their id."""
    document = tomllib.loads(files(__package__).joinpath("metrics.toml").read_text(encoding="utf-8"))
    return {
        name: Metric(name, row["unit"], float(row["range"][0]), float(row["range"][1]), row["ja"], row["en"])
        for name, row in document.items()
    }
