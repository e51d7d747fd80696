"""What is to come for farms: frost, irrigation, blast, heat, heading and harvest."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from satomori_analytics.forecasts.base import Kind
from satomori_api.auth import Context, TheViewer
from satomori_api.routes.inputs import RowId, Word
from satomori_api.routes.paging import Page
from satomori_api.views import ForecastView
from satomori_api.wire import page_of

router = APIRouter(tags=["forecasts / 予測"])
OfKind = Annotated[Kind | None, Query(description="Only this kind.")]
Latest = Annotated[bool, Query(description="The newest of each asset and kind; else all of the last days.")]


@router.get("/forecasts", response_model=page_of(ForecastView), summary="Forecasts / 予測")
def forecasts(
    *,
    viewer: TheViewer,
    context: Context,
    page: Page,
    asset: Annotated[Word | None, Query(description="Id of an asset.")] = None,
    kind: OfKind = None,
    latest: Latest = True,
) -> dict[str, Any]:
    """With the band in which the outcome lies in 80 % of cases. `missing` ones say what they need."""
    return page.of_query(
        lambda limit, offset: context.queries.forecasts(
            viewer, asset=asset, kind=kind, latest=latest, limit=limit, offset=offset
        )
    )


@router.get("/forecasts/{forecast_id}/picture.svg", response_class=Response, summary="A forecast drawn / 予測の図")
def picture(viewer: TheViewer, context: Context, forecast_id: RowId) -> Response:
    """SVG: what was measured, what may come with its band, the limits; 404 for all but the newest of a kind."""
    drawn = context.queries.forecast_picture(viewer, forecast_id)
    return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": "private, max-age=60"})


@router.get("/assets/{asset_id}/forecasts", response_model=page_of(ForecastView), summary="Of one asset / 資産の予測")
def forecasts_of(
    *, viewer: TheViewer, context: Context, page: Page, asset_id: str, kind: OfKind = None, latest: Latest = True
) -> dict[str, Any]:
    return page.of_query(
        lambda limit, offset: context.queries.forecasts(
            viewer, asset=asset_id, kind=kind, latest=latest, limit=limit, offset=offset
        )
    )
