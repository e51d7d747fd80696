"""What carries the readings, and what became of them: gateways, devices, ledger, quarantine."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from satomori_api.auth import Context, TheViewer
from satomori_api.routes.inputs import Word
from satomori_api.routes.paging import Page
from satomori_api.views import AuditView, DeviceView, GatewayView, QuarantineView
from satomori_api.wire import page_of

router = APIRouter(tags=["pipeline / 収集"])
OfGateway = Annotated[Word | None, Query(description="Id of a gateway.")]


@router.get("/gateways", response_model=page_of(GatewayView), summary="Gateways / ゲートウェイ")
def gateways(viewer: TheViewer, context: Context, page: Page) -> dict[str, Any]:
    """`state`: online, offline, silent (no word for too long) or never."""
    return page.of(context.queries.gateways(viewer))


@router.get("/devices", response_model=page_of(DeviceView), summary="Devices / 機器")
def devices(viewer: TheViewer, context: Context, page: Page) -> dict[str, Any]:
    """With their gateway, newest observation, and how many of their readings are stored."""
    return page.of(context.queries.devices(viewer))


@router.get("/ledger", response_model=page_of(AuditView), summary="Ledger / 台帳（受信記録）")
def ledger(viewer: TheViewer, context: Context, page: Page, gateway: OfGateway = None) -> dict[str, Any]:
    """What became of every sequence number of your gateways: stored, set aside, lost at the edge, or missing."""
    return page.of(context.queries.audit(viewer, gateway))


@router.get("/quarantine", response_model=page_of(QuarantineView), summary="Quarantine / 隔離")
def quarantine(
    *,
    viewer: TheViewer,
    context: Context,
    page: Page,
    reason: Word | None = None,
    gateway: OfGateway = None,
    state: Annotated[Literal["waiting", "replayed", "all"], Query(description="Waiting, or sent again.")] = "waiting",
) -> dict[str, Any]:
    """What could not be accepted, newest first, each with its reason. Of unknown gateways: administrators only."""
    replayed = {"waiting": False, "replayed": True, "all": None}[state]
    return page.of_query(
        lambda limit, offset: context.queries.quarantine(
            viewer, reason=reason, gateway=gateway, replayed=replayed, limit=limit, offset=offset
        )
    )
