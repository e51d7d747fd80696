"""What to look at first after an earthquake or a storm, of the assets that the viewer sees.

Asked by GET nothing is stored. An event that is told is kept with its order, and what was looked at is checked off.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from satomori_analytics.settings import load_analytics
from satomori_analytics.triage.events import NOTE_MOST
from satomori_analytics.triage.order import Event, Quake, Ranked, parse_told
from satomori_analytics.triage.rules import Hazard, Rulebook, load_rules
from satomori_api.auth import Context, TheViewer
from satomori_api.context import ApiContext
from satomori_api.routes.inputs import Word, Words
from satomori_api.routes.paging import Page
from satomori_api.views import EventView, LookView
from satomori_api.wire import model_of, page_of, to_wire
from satomori_core.errors import RejectedError
from satomori_store.events import Result

router = APIRouter(prefix="/triage", tags=["triage / まず見る所"])
ByPlace = Annotated[
    list[Word], Query(default_factory=list, max_length=1000, description="`MUNICIPALITY=VALUE`; may be repeated.")
]


class Told(BaseModel):
    """An `earthquake` by intensity in municipalities, by its epicentre, or both; a `storm` by rain, wind, flood, river.

    The id is yours to give: told again with it, the event is the same one. `gauges`: rain of the last 24 hours by the
    region's own gauges, where it is not told. `note`: what those who go out should know.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    kind: Literal["earthquake", "storm"]
    latitude: float | None = None
    longitude: float | None = None
    magnitude: Annotated[float | None, Field(description="JMA's.")] = None
    depth: Annotated[float | None, Field(description="km; 10 where not told.")] = None
    amplification: Annotated[float | None, Field(description="Of PGV by the ground; 1 where not told.")] = None
    intensity: Annotated[dict[Word, float | Word] | None, Field(description="By municipality: 5.6, or 6弱.")] = None
    rain: Annotated[dict[Word, float] | None, Field(description="By municipality, mm in 24 h.")] = None
    wind: Annotated[dict[Word, float] | None, Field(description="By municipality, m/s, 10-minute mean.")] = None
    flood: Annotated[dict[Word, float] | None, Field(description="By municipality, m.")] = None
    river: Annotated[
        dict[Word, float] | None, Field(description="By municipality, level 1 to 5 of the flood forecast.")
    ] = None
    gauges: bool | None = None
    note: Annotated[str | None, Field(max_length=NOTE_MOST)] = None


class Looked(BaseModel):
    """`fine`: nothing wrong; `needs_work`."""

    model_config = ConfigDict(extra="forbid")
    result: Result
    note: Words | None = None


@router.get("/earthquake", response_model=page_of(Ranked), summary="After an earthquake / 地震のあと")
def earthquake(
    *, viewer: TheViewer, context: Context, page: Page, latitude: float | None = None, longitude: float | None = None,
    magnitude: float | None = None, depth: float = 10, amplification: float = 1, intensity: ByPlace,
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
def storm(
    *, viewer: TheViewer, context: Context, page: Page, rain: ByPlace, wind: ByPlace, flood: ByPlace, river: ByPlace
) -> dict[str, Any]:
    """By rain (mm in 24 h), wind (m/s, 10-minute mean), flood (m) and river level (1 to 5) told for municipalities."""
    told: dict[Hazard, dict[str, float]] = {
        "rain": parse_told("rain", rain),
        "wind": parse_told("wind", wind),
        "flood": parse_told("flood", flood),
        "river": parse_told("river", river),
    }
    return page.of(context.queries.triage(viewer, Event(told), _rules(context)))


@router.post("/events", status_code=201, response_model=model_of(EventView), summary="Tell an event / 災害を知らせる")
def tell(viewer: TheViewer, context: Context, body: Told) -> Any:  # noqa: ANN401 - made by model_of
    """All assets are ordered by what to look at first. Told again with the same id it is the same one. Crew and above.

    全資産を「まず見る所」の順に並べます。同じ id で同じ内容を送っても二重にはなりません。
    """
    return to_wire(context.queries.looking.tell(viewer, body.model_dump(exclude_none=True)))


@router.get("/events", response_model=page_of(EventView), summary="Told events / 知らされた災害")
def events(viewer: TheViewer, context: Context, page: Page) -> dict[str, Any]:
    """The last told first."""
    return page.of_query(lambda limit, offset: context.queries.looking.events(viewer, limit, offset))


@router.get("/events/{event_id}", response_model=model_of(EventView), summary="One event / 災害の詳細")
def event(viewer: TheViewer, context: Context, event_id: str) -> Any:  # noqa: ANN401 - made by model_of
    return to_wire(context.queries.looking.event(viewer, event_id))


@router.get("/events/{event_id}/looks", response_model=page_of(LookView), summary="What to look at first / まず見る所")
def looks(*, viewer: TheViewer, context: Context, page: Page, event_id: str) -> dict[str, Any]:
    """In order, as it stands now: it follows what is measured and found for three days."""
    return page.of(context.queries.looking.looks(viewer, event_id))


@router.post(
    "/events/{event_id}/looks/{asset_id}", response_model=model_of(LookView), summary="Check it off / 見たことを記録"
)
def looked(viewer: TheViewer, context: Context, event_id: str, asset_id: str, body: Looked) -> Any:  # noqa: ANN401 - made by model_of
    """You have looked, so nobody else need drive there. Roles crew and above."""
    return to_wire(context.queries.looking.looked(viewer, event_id, asset_id, body.result, body.note))


@router.delete(
    "/events/{event_id}/looks/{asset_id}", response_model=model_of(LookView), summary="Take it back / 記録を取り消す"
)
def not_looked(viewer: TheViewer, context: Context, event_id: str, asset_id: str) -> Any:  # noqa: ANN401 - made by model_of
    return to_wire(context.queries.looking.looked(viewer, event_id, asset_id, None))


def _rules(context: ApiContext) -> Rulebook:
    """Read anew each time: it is asked for rarely, and an edited rule holds at once."""
    return load_rules(load_analytics(context.config).triage_dir)
