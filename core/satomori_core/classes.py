"""The catalogue of asset classes: what kinds of things are watched, and what people call them."""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

# Gateways stand in the ledger as gateways; what they say of themselves is watched like an asset.
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class AssetClass:
    """`also`: other Japanese names that a ledger may use."""

    id: str
    ja: str
    en: str
    also: tuple[str, ...]


@functools.cache
def classes() -> Mapping[str, AssetClass]:
    """All classes by their id, in the order of tables and boards."""
    document = tomllib.loads(files(__package__).joinpath("classes.toml").read_text(encoding="utf-8"))
    return {name: AssetClass(name, row["ja"], row["en"], tuple(row["also"])) for name, row in document.items()}
