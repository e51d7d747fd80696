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
    """`label` is what a screen reader says. `pin`: what stands in it in place of the level's sign; `done`: dimmed."""

    id: str
    name: str
    detail: str
    label: str
    href: str
    level: int
    latitude: float
    longitude: float
    pin: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    name: str
    latitude: float
    longitude: float


class RegionMap(Element, component="static/region_map.js"):
    """With `picking` a touch is an event `pick` with `latitude` and `longitude`, and these places are in view."""

    def __init__(
        self, settings: ConsoleSettings, language: Language, *, picking: Sequence[Place] | None = None
    ) -> None:
        super().__init__()
        # The bundled style sheet and images of Leaflet itself.
        self.add_resource(Path(leaflet.__file__).parent / "dist")
        self.props["markers"] = []
        self.props["places"] = [asdict(place) for place in picking or ()]
        self.props["picking"] = picking is not None
        self.props["glyphs"] = [glyph_svg(level) for level in Level]
        self.props["tiles"] = {"url": settings.tiles_url, "attribution": settings.tiles_attribution}
        self.props["words"] = {
            "open": text(language, "region.map_open"),
            "tilesAway": text(language, "region.tiles_away"),
        }

    def show_picked(self, latitude: float | None, longitude: float | None) -> None:
        """Show what was picked; nothing while one of the two is not known."""
        known = latitude is not None and longitude is not None
        self.props["picked"] = {"latitude": latitude, "longitude": longitude} if known else None

    def show(self, markers: Sequence[Marker], places: Sequence[Place]) -> None:
        """Move to what is given; the view stays where the reader left it."""
        drawn = [asdict(marker) for marker in markers]
        if drawn == self.props["markers"]:
            return
        self.props["places"] = [asdict(place) for place in places]
        self.props["markers"] = drawn
