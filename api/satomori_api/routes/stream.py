"""The live stream: what is stored and what alerts and commands do, as it happens (Server-Sent Events)."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, TypeAdapter
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from satomori_api.auth import TheViewer, context_of, viewer_of_request
from satomori_api.live import AlertChanged, CommandChanged, Feed, Missed, News, Ready, Stored
from satomori_api.routes.observations import finite
from satomori_api.views import AlertView, CommandView
from satomori_api.wire import model_of, to_wire
from satomori_core.clock import to_iso
from satomori_core.errors import SatomoriError
from satomori_store.access import Viewer

router = APIRouter(tags=["live / 配信"])
PING_S = 15
SEND_TIMEOUT_S = 30.0
SHUTDOWN_S = 1.5  # the feed ends its streams itself; this is for what would not end
RETRY_MS = 3000
_ALERT = TypeAdapter(model_of(AlertView))
_COMMAND = TypeAdapter(model_of(CommandView))


@router.get(
    "/stream",
    summary="Live stream / ライブ配信",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events."}},
)
async def stream(
    request: Request,
    viewer: TheViewer,
    last_event_id: Annotated[str | None, Header(description="The last event's id, to go on from there.")] = None,
) -> EventSourceResponse:
    """Server-Sent Events, from now on or from `Last-Event-ID` on; only what you may see.

    * `ready`: at the start, with the id of the present
    * `observations`: `{datastream, asset, metric, unit, observed_at_us: [], value: [], quality: [], qc: []}`
    * `stored`: `{datastream, asset, metric, unit, from, until}`: a long span (old data came in); ask /observations
    * `alert`: an alert as in /alerts, whenever it changes
    * `command`: a command as in /commands/{id}, whenever it changes
    * `missed`: what you asked to go on from is no longer kept; read anew what you show
    """
    feed: Feed = request.app.state.feed
    news = feed.listen(viewer, last_event_id)
    first = await anext(news)  # so that "too many streams" is an answer and not a broken stream
    if first is None:
        raise AssertionError
    return EventSourceResponse(
        _events(request, viewer, news, first),
        ping=PING_S,
        send_timeout=SEND_TIMEOUT_S,
        shutdown_grace_period=SHUTDOWN_S,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    request: Request, viewer: Viewer, news: AsyncGenerator[News | None], first: News
) -> AsyncGenerator[ServerSentEvent]:
    clock = asyncio.get_running_loop().time
    checked_s = clock()
    try:
        yield _event(first)
        async for item in news:
            if clock() - checked_s > PING_S:
                if await run_in_threadpool(viewer_of_request, request, context_of(request)) != viewer:
                    return  # logged out, or another role or organisation by now
                checked_s = clock()
            if item is not None:
                yield _event(item)
    except SatomoriError:
        return  # the client comes back by itself, with its last id
    finally:
        await news.aclose()


def _event(item: News) -> ServerSentEvent:
    return ServerSentEvent(_body(item), event=_name(item), id=item.position.encode(), retry=RETRY_MS)


def _name(item: News) -> str:
    match item:
        case Stored():
            return "observations" if item.columns is not None else "stored"
        case AlertChanged():
            return "alert"
        case CommandChanged():
            return "command"
        case Missed():
            return "missed"
        case Ready():
            return "ready"


def _body(item: News) -> str:
    match item:
        case AlertChanged():
            return _as_json(_ALERT, item.alert)
        case CommandChanged():
            return _as_json(_COMMAND, item.command)
        case Stored():
            return json.dumps(_stored(item), ensure_ascii=False)
        case Ready() | Missed():
            return "{}"


def _as_json(adapter: TypeAdapter[BaseModel], view: AlertView | CommandView) -> str:
    return adapter.dump_json(adapter.validate_python(to_wire(view)), by_alias=True).decode()


def _stored(item: Stored) -> dict[str, object]:
    told = {
        "datastream": item.change.datastream,
        "asset": item.measured.asset_id,
        "metric": item.measured.metric,
        "unit": item.measured.unit,
    }
    columns = item.columns
    if columns is None:
        return {**told, "from": to_iso(item.change.from_us), "until": to_iso(item.change.until_us)}
    return {
        **told,
        "observed_at_us": columns.observed_at_us.tolist(),
        "value": finite(columns.value.tolist()),
        "quality": columns.quality.tolist(),
        "qc": columns.qc.tolist(),
    }
