"""The map element: Leaflet, as NiceGUI bundles it, with markers that tell the level by shape and colour."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nicegui.element import Element
from nicegui.elements import leaflet

from satomori_api.formatting import Language
from satomori_core.vocabulary import Level
from satomori_dashboards.console.kit import glyph_svg
from satomori_dashboards.console.settings import ConsoleSettings
from satomori_dashboards.console.texts import text


@dataclass(frozen=True, slots=True)
class Marker:
    """`label` is what a screen reader says."""

    id: str
    name: str
    detail: str
    label: str
    href: str
    level: int
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Place:
    name: str
    latitude: float
    longitude: float


class RegionMap(Element, component="static/region_map.js"):
    def __init__(self, settings: ConsoleSettings, language: Language) -> None:
        super().__init__()
        # The bundled style sheet and images of Leaflet itself.
        self.add_resource(Path(leaflet.__file__).parent / "dist")
        self.props["markers"] = []
        self.props["places"] = []
        self.props["glyphs"] = [glyph_svg(level) for level in Level]
        self.props["tiles"] = {"url": settings.tiles_url, "attribution": settings.tiles_attribution}
        self.props["words"] = {
            "open": text(language, "region.map_open"),
            "tilesAway": text(language, "region.tiles_away"),
        }

    def show(self, markers: Sequence[Marker], places: Sequence[Place]) -> None:
        """Move to what is given; the view stays where the reader left it."""
        drawn = [asdict(marker) for marker in markers]
        if drawn == self.props["markers"]:
            return
        self.props["places"] = [asdict(place) for place in places]
        self.props["markers"] = drawn
