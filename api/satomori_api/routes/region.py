"""Who and where: organisations, sites, assets, groups, and how they stand."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from satomori_analytics.condition.region import Condition
from satomori_analytics.peers.region import Comparison
from satomori_api.auth import Context, TheViewer
from satomori_api.routes.inputs import Word
from satomori_api.routes.paging import Page
from satomori_api.views import AssetDetail, AssetView, GroupView, OrganisationView, SiteView, StatusCell
from satomori_api.wire import LevelWord, level_of, model_of, page_of, to_wire

router = APIRouter(tags=["region / 地域"])


@router.get("/organisations", response_model=page_of(OrganisationView), summary="Organisations / 組織")
def organisations(viewer: TheViewer, context: Context, page: Page) -> dict[str, Any]:
    """Your own organisation, and those that own or host an asset that you see."""
    return page.of(context.queries.organisations(viewer))


@router.get("/sites", response_model=page_of(SiteView), summary="Sites / 現場")
def sites(viewer: TheViewer, context: Context, page: Page) -> dict[str, Any]:
    """Where assets stand."""
    return page.of(context.queries.sites(viewer))


@router.get("/assets", response_model=page_of(AssetView), summary="Assets with their level / 資産と状態")
def assets(
    *,
    viewer: TheViewer,
    context: Context,
    page: Page,
    class_: Annotated[Word | None, Query(alias="class", description="Asset class, e.g. `bridge`.")] = None,
    municipality: Annotated[Word | None, Query(description="Id of the municipality where it lies.")] = None,
    group: Annotated[Word | None, Query(description="Id of a group (群) that it belongs to.")] = None,
    level: Annotated[LevelWord | None, Query(description="Exactly this level.")] = None,
    search: Annotated[str | None, Query(max_length=100, description="In id and names; width and case ignored.")] = None,
) -> dict[str, Any]:
    """Worst first. `level_reason` is in your language."""
    wanted = level_of(level) if level is not None else None
    found = context.queries.assets(
        viewer, class_=class_, municipality=municipality, group=group, level=wanted, search=search
    )
    return page.of(found)


@router.get("/assets/{asset_id}", response_model=model_of(AssetDetail), summary="One asset / 資産の詳細")
def asset(viewer: TheViewer, context: Context, asset_id: str) -> Any:  # noqa: ANN401 - made by model_of
    """Its datastreams with their newest values, open findings, and unresolved alerts with advice."""
    return to_wire(context.queries.asset(viewer, asset_id))


@router.get("/assets/{asset_id}/condition", response_model=page_of(Condition), summary="Condition / 施設の状態")
def condition(*, viewer: TheViewer, context: Context, page: Page, asset_id: str) -> dict[str, Any]:
    """What a structure measures, its legal rating beside it, and the chance of a worse one; one item, or none."""
    return page.of(context.queries.condition(viewer, asset_id, context.playbooks()))


@router.get(
    "/assets/{asset_id}/condition/{metric}.svg", response_class=Response, summary="Its trend drawn / 状態の推移の図"
)
def trend(viewer: TheViewer, context: Context, asset_id: str, metric: str) -> Response:
    """SVG: a year of days, the trend and its interval on to the next limit; 404 where its condition has no such."""
    drawn = context.queries.trend(viewer, asset_id, metric, context.playbooks())
    return Response(drawn, media_type="image/svg+xml", headers={"Cache-Control": "private, max-age=60"})


@router.get("/condition", response_model=page_of(Condition), summary="Condition of structures / 施設の状態の一覧")
def conditions(
    *,
    viewer: TheViewer,
    context: Context,
    page: Page,
    class_: Annotated[Word | None, Query(alias="class", description="Asset class, e.g. `bridge`.")] = None,
    municipality: Annotated[Word | None, Query(description="Id of the municipality where it lies.")] = None,
    group: Annotated[Word | None, Query(description="Id of a group (群) that it belongs to.")] = None,
) -> dict[str, Any]:
    """Structures of all municipalities that you see, the most urgent first; the series are with each asset alone."""
    found = context.queries.conditions(
        viewer, context.playbooks(), class_=class_, municipality=municipality, group=group
    )
    return page.of(found)


@router.get(
    "/assets/{asset_id}/peers", response_model=page_of(Comparison), summary="Against its like / 似た資産との比較"
)
def peers(*, viewer: TheViewer, context: Context, page: Page, asset_id: str) -> dict[str, Any]:
    """Its level and change beside those of assets of its class, age, size and climate; of those statistics only."""
    return page.of(context.queries.peers(viewer, asset_id))


@router.get("/groups", response_model=page_of(GroupView), summary="Groups / 群")
def groups(viewer: TheViewer, context: Context, page: Page) -> dict[str, Any]:
    """Assets of several owners that are watched and repaired together; members you do not see are left out."""
    return page.of(context.queries.groups(viewer))


@router.get("/group-status", response_model=page_of(StatusCell), summary="Status by municipality and class / 群の状態")
def group_status(viewer: TheViewer, context: Context, page: Page) -> dict[str, Any]:
    """Worst first. `counts`: how many stand at good, unknown, watch, warning, danger."""
    return page.of(context.queries.group_status(viewer))
