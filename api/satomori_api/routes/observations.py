"""What was measured: datastreams, observations raw and in intervals, newest values; as JSON or CSV."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from satomori_api.auth import Context, TheViewer
from satomori_api.observing import rows_of, worse_flag
from satomori_api.routes.inputs import RowId, Word, parse_span, to_us
from satomori_api.routes.paging import Page
from satomori_api.views import DatastreamView, LatestView, Observations
from satomori_api.wire import model_of, page_of, to_wire
from satomori_core.clock import DAY_US, SECOND_US, now_us, to_iso
from satomori_store.port import Aggregate

router = APIRouter(tags=["observations / 観測値"])
DATASTREAMS_MOST = 50
Ids = Annotated[
    list[RowId], Query(alias="datastream", min_length=1, max_length=DATASTREAMS_MOST, description="Repeat for several.")
]


class ObservationColumns(BaseModel):
    """Parallel columns of one length, ordered by datastream, then time. Quality and qc are QARTOD flags."""

    datastream: list[int]
    observed_at_us: list[int] = Field(description="Whole µs since 1970 (UTC); the start of the interval if aggregated.")
    value: list[float | None]
    quality: list[int] = Field(description="From the single reading.")
    qc: list[int] = Field(description="From the checks that need neighbours; 2 where none has run.")
    every_s: float | None = Field(description="Length of the intervals; null: raw.")
    aggregate: str | None
    next: str | None = Field(description="Path of the next page (raw values only).")


@router.get("/datastreams", response_model=page_of(DatastreamView), summary="Datastreams / データ系列")
def datastreams(
    viewer: TheViewer,
    context: Context,
    page: Page,
    asset: Annotated[Word | None, Query(description="Id of an asset; without it, all that you see.")] = None,
) -> dict[str, Any]:
    """One metric of one asset from one device, with its newest value."""
    return page.of(context.queries.datastreams(viewer, asset))


@router.get("/latest", response_model=list[model_of(LatestView)], summary="Newest values / 最新値")  # type: ignore[misc]
def latest(
    viewer: TheViewer,
    context: Context,
    asset: Annotated[list[Word], Query(min_length=1, max_length=DATASTREAMS_MOST, description="Repeat for several.")],
) -> Any:  # noqa: ANN401 - made by model_of
    """The newest observation of each datastream of these assets."""
    found = context.queries.latest(viewer, asset)
    return to_wire([found[datastream] for datastream in sorted(found)])


@router.get(
    "/observations",
    response_model=ObservationColumns,
    summary="Observations / 観測値",
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def observations(
    *,
    request: Request,
    viewer: TheViewer,
    context: Context,
    datastream: Ids,
    from_: Annotated[datetime | None, Query(alias="from", description="Inclusive. Default: a day before.")] = None,
    until: Annotated[datetime | None, Query(description="Exclusive. Default: now.")] = None,
    every: Annotated[str, Query(description="`raw`, `auto`, or a span: `30s`, `10m`, `1h`, `1d`.")] = "raw",
    aggregate: Annotated[Aggregate, Query(description="Without fail (4) values where others exist.")] = "mean",
    limit: Annotated[int, Query(ge=1, le=100_000, description="Raw values in one page.")] = 10_000,
    cursor: Annotated[str | None, Query(max_length=50, description="From `next` of the former page.")] = None,
    format_: Annotated[Literal["json", "csv"] | None, Query(alias="format", description="Or by Accept.")] = None,
) -> Response:
    """From ≤ observed_at < until, raw in pages or aggregated. CSV by `format=csv` or `Accept: text/csv`."""
    until_us = to_us(until) or now_us()
    from_us = to_us(from_)
    if from_us is None:
        from_us = until_us - DAY_US
    found = context.queries.observations(
        viewer, datastream, from_us, until_us, parse_span(every), aggregate=aggregate, limit=limit, cursor=cursor
    )
    following = None
    if found.next_cursor is not None:
        # The range is spelled out, since "now" moves on between pages.
        url = request.url.include_query_params(
            cursor=found.next_cursor, **{"from": to_iso(from_us), "until": to_iso(until_us)}
        )
        following = f"{url.path}?{url.query}"
    if format_ == "csv" or (format_ is None and _prefers_csv(request)):
        headers = {"Content-Disposition": 'attachment; filename="observations.csv"'}
        if following is not None:
            headers["Link"] = f'<{following}>; rel="next"'
        return StreamingResponse(_csv_lines(found), media_type="text/csv; charset=utf-8", headers=headers)
    return _JsonBytes(_to_json(found, following))


class _JsonBytes(Response):
    media_type = "application/json"


def _to_json(found: Observations, following: str | None) -> bytes:
    columns = found.columns
    body = ObservationColumns.model_construct(
        datastream=columns.datastream.tolist(),
        observed_at_us=columns.observed_at_us.tolist(),
        value=finite(columns.value.tolist()),
        quality=columns.quality.tolist(),
        qc=columns.qc.tolist(),
        every_s=found.every_us / SECOND_US if found.every_us is not None else None,
        aggregate=found.aggregate if found.every_us is not None else None,
        next=following,
    )
    return body.model_dump_json().encode()


def finite(values: Sequence[float]) -> list[float | None]:
    """JSON knows neither NaN nor infinity."""
    return [value if math.isfinite(value) else None for value in values]


def _prefers_csv(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "text/csv" in accept and "application/json" not in accept


def _csv_lines(found: Observations) -> Iterator[str]:
    """A header, then a line per observation; `flag` is the worse of quality and qc."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(("datastream", "observed_at", "value", "quality", "qc", "flag"))
    for number, (datastream, at_us, value, quality, qc) in enumerate(rows_of(found.columns)):
        moment = to_iso(at_us)
        writer.writerow((datastream, moment, repr(value), quality, qc, worse_flag(quality, qc)))
        if number % 1000 == 999:
            yield _emptied(buffer)
    yield _emptied(buffer)


def _emptied(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
