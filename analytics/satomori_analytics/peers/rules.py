"""What is compared among its like, and who is alike: `rules.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from satomori_analytics.peers.grouping import Likeness
from satomori_core.settings import structure

Aspect = Literal["level", "change"]


@dataclass(frozen=True, slots=True)
class Compared:
    """`scale` log: shares are compared, for what differs by a factor. `compare`: which aspects of the series."""

    compare: tuple[Aspect, ...]
    scale: Literal["plain", "log"] = "plain"


@dataclass(frozen=True, slots=True)
class Rule:
    alike: tuple[Likeness, ...]
    metrics: Mapping[str, Compared]


@cache
def rules() -> Mapping[str, Rule]:
    """By asset class."""
    document = tomllib.loads(files(__package__).joinpath("rules.toml").read_text(encoding="utf-8"))
    return {name: structure(table, Rule, where=f"rules of peers: {name}") for name, table in document.items()}
