"""What can be operated, orders to do it, and what became of them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from satomori_api.auth import Context, TheViewer
from satomori_api.routes.inputs import Word
from satomori_api.routes.paging import Page
from satomori_api.views import ActuatorView, CommandView
from satomori_api.wire import model_of, page_of, to_wire
from satomori_core.clock import SECOND_US
from satomori_core.commands import Action
from satomori_core.errors import RejectedError
from satomori_store.commands import Order

router = APIRouter(tags=["operation / 操作"])
EXPIRES_IN_S_MAX = 600.0
RUN_S_MAX = 7 * 86_400.0
Key = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Why = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")
]  # fmt: skip
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Wanted(BaseModel):
    """An order to one actuator of the asset."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"actuator": "gate", "value": 1, "run_s": 1800, "why": "田植え前の入水 / filling the paddy"}]
        },
    )
    actuator: Annotated[Word, Field(description="Its name, as in /assets/{asset_id}/actuators.")]
    action: Annotated[
        Literal["set", "stop"], Field(description="set: to `value`; stop: to its fail-safe position.")
    ] = "set"
    value: Annotated[Finite | None, Field(description="Where it is to go; required with set.")] = None
    run_s: Annotated[
        float | None,
        Field(
            gt=0,
            le=RUN_S_MAX,
            description="Then back to its fail-safe position by itself; required where it has a longest run.",
        ),
    ] = None
    expires_in_s: Annotated[
        float, Field(ge=1, le=EXPIRES_IN_S_MAX, description="Not begun by then, it is not carried out at all.")
    ] = 30.0
    why: Annotated[Why, Field(description="For the record, and for those who come after you.")]
    idempotency_key: Annotated[Key | None, Field(description="Where the header can't be set.")] = None


@router.get(
    "/assets/{asset_id}/actuators",
    response_model=page_of(ActuatorView),
    summary="What can be operated / 操作できるもの",
)
def actuators(viewer: TheViewer, context: Context, page: Page, asset_id: str) -> dict[str, Any]:
    """What the asset's gateway says that it takes, and the position that was read back last."""
    return page.of(context.queries.operating.actuators(viewer, asset_id))


@router.post(
    "/assets/{asset_id}/commands",
    status_code=202,
    response_model=model_of(CommandView),
    summary="Order an operation / 操作を指示",
    response_description="It is new and on its way.",
    responses={
        200: {"model": model_of(CommandView), "description": "You have ordered it before, with the same key."},
        409: {"description": "The key stands for another order of yours."},
    },
)
def order(
    *,
    viewer: TheViewer,
    context: Context,
    response: Response,
    asset_id: str,
    body: Wanted,
    idempotency_key: Annotated[
        Key | None, Header(description="Your own name for this order; asking again with it changes nothing.")
    ] = None,
) -> Any:  # noqa: ANN401 - made by model_of
    """Roles crew and above of the asset's own organisation, or where a share lets yours operate it.

    The answer says that the order is taken, not that it is carried out: follow the command's `state` at its
    `Location`, or in the live stream. The gateway has the last word. An order that it has not begun by its expiry it
    never begins.
    """
    key = idempotency_key or body.idempotency_key
    if key is None or (body.idempotency_key or key) != key:
        raise RejectedError("idempotency_key", "send one Idempotency-Key: your own name for this order, new for each")
    wanted = Order(
        key=key,
        user_id=viewer.user_id,
        asset_id=asset_id,
        actuator=body.actuator,
        action=Action(body.action),
        value=body.value,
        run_s=body.run_s,
        expires_in_us=round(body.expires_in_s * SECOND_US),
        why=body.why,
    )
    command, new = context.queries.operating.operate(viewer, wanted)
    response.status_code = 202 if new else 200
    response.headers["Location"] = f"/api/v1/commands/{command.id}"
    return to_wire(command)


@router.get(
    "/assets/{asset_id}/commands", response_model=page_of(CommandView), summary="An asset's commands / 操作の履歴"
)
def commands(viewer: TheViewer, context: Context, page: Page, asset_id: str) -> dict[str, Any]:
    """Who ordered what and why, and what became of it; the newest first. Nothing is ever taken out."""
    return page.of_query(
        lambda limit, offset: context.queries.operating.commands(viewer, asset_id, limit=limit, offset=offset)
    )


@router.get("/commands/{command_id}", response_model=model_of(CommandView), summary="One command / 操作の詳細")
def command(viewer: TheViewer, context: Context, command_id: str) -> Any:  # noqa: ANN401 - made by model_of
    return to_wire(context.queries.operating.command(viewer, command_id))
