"""What was found, and what people do about it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from satomori_api.auth import Context, TheViewer
from satomori_api.queries import AlertState
from satomori_api.routes.inputs import RowId, Word, Words, to_us
from satomori_api.routes.paging import Page
from satomori_api.views import AlertView, FindingView
from satomori_api.wire import model_of, page_of, to_wire
from satomori_core.vocabulary import Priority

router = APIRouter(tags=["alerts / 警報"])
Since = Annotated[datetime | None, Query(description="Changed since then, RFC 3339.")]
OfAsset = Annotated[Word | None, Query(description="Id of an asset.")]


class Acknowledgement(BaseModel):
    """What you want to say about it, for the others."""

    model_config = ConfigDict(extra="forbid")
    note: Words | None = None


@router.get("/findings", response_model=page_of(FindingView), summary="Findings / 検知結果")
def findings(
    *,
    viewer: TheViewer,
    context: Context,
    page: Page,
    asset: OfAsset = None,
    kind: Annotated[Word | None, Query(description="limit, silent, stuck, spike, univariate …")] = None,
    state: Annotated[Literal["open", "all"], Query(description="Open ones, or closed ones too.")] = "open",
    since: Since = None,
) -> dict[str, Any]:
    """What the jobs saw, the last changed first, with the evidence."""
    return page.of_query(
        lambda limit, offset: context.queries.findings(
            viewer, asset=asset, kind=kind, open_only=state == "open", since_us=to_us(since), limit=limit, offset=offset
        )
    )


@router.get("/alerts", response_model=page_of(AlertView), summary="Alerts / 警報")
def alerts(
    *,
    viewer: TheViewer,
    context: Context,
    page: Page,
    state: Annotated[AlertState, Query(description="unresolved = open and acknowledged.")] = "unresolved",
    asset: OfAsset = None,
    priority: Priority | None = None,
    since: Since = None,
    historical: Annotated[bool, Query(description="With those found in data that were old when they came.")] = True,
) -> dict[str, Any]:
    """Worst first, then the newest; for resolved and all the newest first."""
    return page.of_query(
        lambda limit, offset: context.queries.alerts(
            viewer,
            state,
            asset=asset,
            priority=priority,
            since_us=to_us(since),
            historical=historical,
            limit=limit,
            offset=offset,
        )
    )


@router.get("/alerts/{alert_id}", response_model=model_of(AlertView), summary="One alert / 警報の詳細")
def alert(viewer: TheViewer, context: Context, alert_id: RowId) -> Any:  # noqa: ANN401 - made by model_of
    return to_wire(context.queries.alert(viewer, alert_id))


@router.post(
    "/alerts/{alert_id}/acknowledge", response_model=model_of(AlertView), summary="Acknowledge an alert / 警報を確認"
)
def acknowledge(viewer: TheViewer, context: Context, alert_id: RowId, body: Acknowledgement | None = None) -> Any:  # noqa: ANN401 - made by model_of
    """You have seen it and take care of it: nobody is told again unless it gets worse. Roles crew and above."""
    return to_wire(context.queries.acknowledge(viewer, alert_id, body.note if body else None))


@router.delete(
    "/alerts/{alert_id}/acknowledge", response_model=model_of(AlertView), summary="Take it back / 確認を取り消す"
)
def unacknowledge(viewer: TheViewer, context: Context, alert_id: RowId) -> Any:  # noqa: ANN401 - made by model_of
    return to_wire(context.queries.unacknowledge(viewer, alert_id))
