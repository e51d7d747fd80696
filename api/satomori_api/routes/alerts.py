"""What was found, and what people do about it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from satomori_api.auth import Context, TheViewer
from satomori_api.queries import AlertState
from satomori_api.routes.inputs import RowId, Word, Words, to_us
from satomori_api.routes.paging import Page
from satomori_api.views import AlertView, FeedbackView, FindingView, SensitivityView
from satomori_api.wire import model_of, page_of, to_wire
from satomori_core.vocabulary import Priority
from satomori_store.feedback import Verdict

router = APIRouter(tags=["alerts / 警報"])
Since = Annotated[datetime | None, Query(description="Changed since then, RFC 3339.")]
OfAsset = Annotated[Word | None, Query(description="Id of an asset.")]


class Acknowledgement(BaseModel):
    """What you want to say about it, for the others."""

    model_config = ConfigDict(extra="forbid")
    note: Words | None = None


class Judgement(BaseModel):
    """`true`: it was; `false`: a false alarm; `known`: you know of it and want no messages."""

    model_config = ConfigDict(extra="forbid")
    verdict: Verdict
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


@router.get("/findings/{finding_id}/picture.svg", response_class=Response, summary="Its evidence drawn / 根拠の図")
def picture(
    viewer: TheViewer,
    context: Context,
    finding_id: RowId,
    *,
    small: Annotated[bool, Query(description="Only the first quantity, without words.")] = False,
) -> Response:
    """SVG: what was observed, the band that would be normal, limits, what was found; 404 where none was kept."""
    drawn = context.queries.picture(viewer, finding_id, small=small)
    return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": "private, max-age=60"})


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


@router.post(
    "/alerts/{alert_id}/feedback", response_model=model_of(FeedbackView), summary="Judge an alert / 警報を判定"
)
def judge(viewer: TheViewer, context: Context, alert_id: RowId, body: Judgement) -> Any:  # noqa: ANN401 - made by model_of
    """Say whether it was true. `effect` tells what that does. Roles crew and above; what was said before is undone.

    `false` halves the sensitivity to this cause at this asset, down to an eighth, and `true` takes one halving back: a
    detector that learns gets less of the budget of false alarms, a limit below danger or a check of a sensor has to
    last longer. A danger limit is never weakened. `known`: nobody is told until it ends or gets worse.

    本当だったかを記録します。`false`（誤報）はこの資産のこの原因への感度を半分にし（下限1/8）、`true`（本当）は1段戻します。
    危険の基準は変わりません。`known`（把握済み）は、収まるか悪化するまで通知しません。
    """
    return to_wire(context.queries.judging.judge(viewer, alert_id, body.verdict, body.note))


@router.delete(
    "/alerts/{alert_id}/feedback", response_model=model_of(FeedbackView), summary="Undo a judgement / 判定を取り消す"
)
def unjudge(viewer: TheViewer, context: Context, alert_id: RowId) -> Any:  # noqa: ANN401 - made by model_of
    """Sensitivity is as if it had never been said; the judgement stays in the history."""
    return to_wire(context.queries.judging.unjudge(viewer, alert_id))


@router.get(
    "/alerts/{alert_id}/feedback", response_model=page_of(FeedbackView), summary="What was said of it / 判定の履歴"
)
def said(*, viewer: TheViewer, context: Context, page: Page, alert_id: RowId) -> dict[str, Any]:
    """The newest first, what was undone too."""
    return page.of(context.queries.judging.said(viewer, alert_id))


@router.get(
    "/assets/{asset_id}/sensitivity", response_model=page_of(SensitivityView), summary="Sensitivity / 感度の変更"
)
def sensitivity(*, viewer: TheViewer, context: Context, page: Page, asset_id: str) -> dict[str, Any]:
    """Where people's judgements have changed it: the effect in force, why, by whom, since when."""
    return page.of(context.queries.judging.sensitivity(viewer, asset_id))
