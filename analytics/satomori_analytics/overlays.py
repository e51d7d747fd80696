"""TOML of ours, and what a folder lays over it key by key: for everybody, for one municipality. Connects to nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from satomori_core.errors import SettingsError
from satomori_core.settings import read_toml

EVERYBODY = "all"


@dataclass(frozen=True, slots=True)
class Layer:
    """What it says with all that is below it, and where the topmost of it stands."""

    document: Mapping[str, Any]
    where: str


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, everything else replaced."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = overlaid(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def lay(below: Mapping[str, Any], path: Path) -> dict[str, Any]:
    return overlaid(below, read_toml(path))


def read_layers(
    ours: Layer,
    folder: Path | None,
    setting: str,
    lay: Callable[[Mapping[str, Any], Path], Mapping[str, Any]] = lay,
) -> tuple[Layer, dict[str, Layer]]:
    """`ours` with `folder/all.toml` over it, and that with each `folder/<municipality>.toml`. Raise SettingsError."""
    if folder is None:
        return ours, {}
    if not folder.is_dir():
        raise SettingsError(f"[analytics] {setting} {folder}: no such folder")
    found = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if (everybody := found.pop(EVERYBODY, None)) is not None:
        ours = Layer(lay(ours.document, everybody), str(everybody))
    return ours, {name: Layer(lay(ours.document, path), str(path)) for name, path in found.items()}
