"""What lies under /api but is no route is a problem+json, whatever else is mounted on the app."""

from fastapi import APIRouter

from satomori_core.errors import NotFoundError

router = APIRouter(include_in_schema=False)


@router.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def unknown(path: str) -> None:
    raise NotFoundError(f"there is no /api/{path[:200]}; /api/v1/openapi.json lists what there is")
