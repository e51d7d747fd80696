"""What to look at first after an earthquake or a storm, of the assets that the viewer sees. Nothing is stored."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from satomori_analytics.settings import load_analytics
from satomori_analytics.triage.order import Event, Quake, Ranked, parse_told
from satomori_analytics.triage.rules import Hazard, Rulebook, load_rules
from satomori_api.auth import Context, TheViewer
from satomori_api.context import ApiContext
from satomori_api.routes.inputs import Word
from satomori_api.routes.paging import Page
from satomori_api.wire import page_of
from satomori_core.errors import RejectedError

router = APIRouter(prefix="/triage", tags=["triage / まず見る所"])
Told = Annotated[
    list[Word], Query(default_factory=list, max_length=1000, description="`MUNICIPALITY=VALUE`; may be repeated.")
]


@router.get("/earthquake", response_model=page_of(Ranked), summary="After an earthquake / 地震のあと")
def earthquake(
    *, viewer: TheViewer, context: Context, page: Page, latitude: float | None = None, longitude: float | None = None,
    magnitude: float | None = None, depth: float = 10, amplification: float = 1, intensity: Told,
) -> dict[str, Any]:  # fmt: skip
    """By the intensity (5.6, or 6弱) observed in a municipality, elsewhere by what the epicentre lets expect."""
    quake = None
    if latitude is not None and longitude is not None and magnitude is not None:
        quake = Quake(latitude, longitude, magnitude, depth, amplification)
    elif (latitude, longitude, magnitude) != (None, None, None):
        raise RejectedError("event", "latitude, longitude and magnitude go together")
    event = Event({"earthquake": parse_told("earthquake", intensity)}, quake)
    return page.of(context.queries.triage(viewer, event, _rules(context)))


@router.get("/storm", response_model=page_of(Ranked), summary="After a storm / 大雨・台風のあと")
def storm(*, viewer: TheViewer, context: Context, page: Page, rain: Told, wind: Told, flood: Told) -> dict[str, Any]:
    """By rain (mm in 24 h), wind (m/s, 10-minute mean) and flood (m) as told for municipalities."""
    told: dict[Hazard, dict[str, float]] = {
        "rain": parse_told("rain", rain),
        "wind": parse_told("wind", wind),
        "flood": parse_told("flood", flood),
    }
    return page.of(context.queries.triage(viewer, Event(told), _rules(context)))


def _rules(context: ApiContext) -> Rulebook:
    """Read anew each time: it is asked for rarely, and an edited rule holds at once."""
    return load_rules(load_analytics(context.config).triage_dir)
