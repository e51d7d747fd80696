"""Is it alive, is it ready, and its figures for Prometheus."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from satomori_api.auth import Context, viewer_of_request
from satomori_api.figures import Figures
from satomori_api.refusals import RefusedError
from satomori_core.errors import SatomoriError

router = APIRouter(tags=["health / 稼働"])


class Readiness(BaseModel):
    """`ready` or what is wrong, for each part. `lag`: changes that a reader of the ledger has yet to see."""

    ready: bool
    registry: str
    store: str
    ledger: str
    lag: dict[str, int]


@router.get("/health/live", summary="Alive / 生存確認")
async def live() -> dict[str, bool]:
    """The process answers. Asks nothing else."""
    return {"live": True}


@router.get("/health/ready", response_model=Readiness, responses={503: {"model": Readiness}}, summary="Ready / 準備")
def ready(context: Context) -> Response:
    """Registry, store and ledger can be read; else 503."""
    figures = Figures(context)
    told: dict[str, str] = {}
    for name, check in (("registry", figures.registry), ("store", figures.store), ("ledger", figures.ledger)):
        try:
            check()
        except SatomoriError:
            told[name] = "away"  # no particulars: they name hosts, and anybody may ask
        else:
            told[name] = "ready"
    fine = set(told.values()) == {"ready"}
    lag = figures.lag() if fine else {}
    return JSONResponse({"ready": fine, **told, "lag": lag}, 200 if fine else 503)


def _may_read_metrics(request: Request, context: Context) -> None:
    if not context.settings.metrics_public and viewer_of_request(request, context) is None:
        raise RefusedError("log in first, or send `Authorization: Bearer …`")


@router.get("/metrics", summary="Prometheus metrics", dependencies=[Depends(_may_read_metrics)])
def metrics(request: Request, context: Context) -> Response:
    """Totals of the whole installation, nothing of single assets. `[api] metrics_public = false` asks for a login."""
    registry = Figures(context).prometheus(listeners=request.app.state.feed.listeners)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
