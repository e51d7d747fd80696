"""Every error as problem+json (RFC 9457): type, title, status, detail and, where they apply, more."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from satomori_api.refusals import CrossSiteError, RefusedError, TooManyAttemptsError
from satomori_core.errors import ConflictError, NotFoundError, RejectedError, SatomoriError, UnavailableError
from satomori_core.logs import get_logger
from satomori_store.access import ForbiddenError

log = get_logger("api")

# The first that fits: a ForbiddenError is a NotFoundError too.
STATUS_OF: tuple[tuple[type[SatomoriError], int], ...] = (
    (ForbiddenError, 403),
    (CrossSiteError, 403),
    (RefusedError, 401),
    (TooManyAttemptsError, 429),
    (NotFoundError, 404),
    (ConflictError, 409),
    (RejectedError, 422),
    (UnavailableError, 503),
)


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow")
    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:  # noqa: ANN401 - what JSON can hold
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def problem_of(error: SatomoriError) -> JSONResponse:
    status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), 500)
    headers: dict[str, str] = {}
    more: dict[str, Any] = {}
    if isinstance(error, UnavailableError | TooManyAttemptsError):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="satomori"'
    if isinstance(error, RejectedError):
        more["reason"] = error.reason
    return problem(status, str(error), headers, **more)


def add_problems(app: FastAPI) -> None:
    @app.exception_handler(SatomoriError)
    async def _(_request: Request, error: SatomoriError) -> JSONResponse:
        return problem_of(error)

    @app.exception_handler(HTTPException)
    async def _(_request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        # Without `input`: what was sent may be a password.
        faults = [{"at": [str(p) for p in fault["loc"]], "detail": fault["msg"]} for fault in error.errors()]
        told = "; ".join(f"{'.'.join(fault['at'])}: {fault['detail']}" for fault in faults)
        return problem(422, told, errors=faults)

    @app.exception_handler(Exception)
    async def _(request: Request, error: Exception) -> JSONResponse:
        # A bug. The asker learns nothing of it; the server's log has the traceback (Starlette raises it again).
        log.error("request failed by a bug", path=request.url.path, error=repr(error))
        return problem(500, "this is our fault; the server's log has the particulars")


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "An error, as RFC 9457 problem details.",
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    },
}
