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
from satomori_store.commanding import INTERVAL_S_MAX, INTERVAL_S_MIN
from satomori_store.commands import Order, SamplingOrder

router = APIRouter(tags=["operation / 操作"])
EXPIRES_IN_S_MAX = 600.0
RUN_S_MAX = 7 * 86_400.0
Key = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Why = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")
]  # fmt: skip
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Ordered(BaseModel):
    """What every order says."""

    model_config = ConfigDict(extra="forbid")
    expires_in_s: Annotated[
        float, Field(ge=1, le=EXPIRES_IN_S_MAX, description="Not begun by then, it is not carried out at all.")
    ] = 30.0
    why: Annotated[Why, Field(description="For the record, and for those who come after you.")]
    idempotency_key: Annotated[Key | None, Field(description="Where the header can't be set.")] = None

    def key(self, header: str | None) -> str:
        """Raise RejectedError for none or two."""
        key = header or self.idempotency_key
        if key is None or (self.idempotency_key or key) != key:
            told = "send one Idempotency-Key: your own name for this order, new for each"
            raise RejectedError("idempotency_key", told)
        return key


class Sampling(Ordered):
    """An order of how often a device is to be asked."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"interval_s": 60, "why": "大雨の間 / while it pours"}]},
    )
    interval_s: Annotated[
        float,
        Field(
            ge=INTERVAL_S_MIN,
            le=INTERVAL_S_MAX,
            description="Until its gateway's next start. The gateway's own bounds may be narrower.",
        ),
    ]


class Wanted(Ordered):
    """An order to one actuator of the asset."""

    model_config = ConfigDict(
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


KeyHeader = Annotated[
    Key | None, Header(description="Your own name for this order; asking again with it changes nothing.")
]
TAKEN_BEFORE: dict[int | str, dict[str, Any]] = {
    200: {"model": model_of(CommandView), "description": "You have ordered it before, with the same key."},
    409: {"description": "The key stands for another order of yours."},
}


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
    responses=TAKEN_BEFORE,
)
def order(
    *,
    viewer: TheViewer,
    context: Context,
    response: Response,
    asset_id: str,
    body: Wanted,
    idempotency_key: KeyHeader = None,
) -> Any:  # noqa: ANN401 - made by model_of
    """Roles crew and above of the asset's own organisation, or where a share lets yours operate it.

    The answer says that the order is taken, not that it is carried out: follow the command's `state` at its
    `Location`, or in the live stream. The gateway has the last word. An order that it has not begun by its expiry it
    never begins.
    """
    wanted = Order(
        key=body.key(idempotency_key),
        user_id=viewer.user_id,
        asset_id=asset_id,
        actuator=body.actuator,
        action=Action(body.action),
        value=body.value,
        run_s=body.run_s,
        expires_in_us=round(body.expires_in_s * SECOND_US),
        why=body.why,
    )
    return _taken(response, *context.queries.operating.operate(viewer, wanted))


@router.get(
    "/assets/{asset_id}/commands", response_model=page_of(CommandView), summary="An asset's commands / 操作の履歴"
)
def commands(viewer: TheViewer, context: Context, page: Page, asset_id: str) -> dict[str, Any]:
    """Who ordered what and why, and what became of it; the newest first. Nothing is ever taken out."""
    return page.of_query(
        lambda limit, offset: context.queries.operating.commands(viewer, asset_id, limit=limit, offset=offset)
    )


@router.post(
    "/devices/{device_id}/commands",
    status_code=202,
    response_model=model_of(CommandView),
    summary="Order a sampling interval / 測定間隔を指示",
    response_description="It is new and on its way.",
    responses=TAKEN_BEFORE,
)
def order_sampling(
    *,
    viewer: TheViewer,
    context: Context,
    response: Response,
    device_id: str,
    body: Sampling,
    idempotency_key: KeyHeader = None,
) -> Any:  # noqa: ANN401 - made by model_of
    """Takes the right to operate every asset that the device measures; otherwise as an order to an asset's actuator.

    The interval holds until the device's gateway starts again, and then what its own settings say.
    """
    wanted = SamplingOrder(
        key=body.key(idempotency_key),
        user_id=viewer.user_id,
        device_id=device_id,
        interval_s=body.interval_s,
        expires_in_us=round(body.expires_in_s * SECOND_US),
        why=body.why,
    )
    return _taken(response, *context.queries.operating.sample(viewer, wanted))


@router.get(
    "/devices/{device_id}/commands",
    response_model=page_of(CommandView),
    summary="A device's commands / 測定間隔の指示の履歴",
)
def device_commands(viewer: TheViewer, context: Context, page: Page, device_id: str) -> dict[str, Any]:
    """As an asset's commands."""
    return page.of_query(
        lambda limit, offset: context.queries.operating.sampling_commands(viewer, device_id, limit=limit, offset=offset)
    )


@router.get("/commands/{command_id}", response_model=model_of(CommandView), summary="One command / 操作の詳細")
def command(viewer: TheViewer, context: Context, command_id: str) -> Any:  # noqa: ANN401 - made by model_of
    return to_wire(context.queries.operating.command(viewer, command_id))


def _taken(response: Response, command: CommandView, new: bool) -> Any:  # noqa: ANN401 - made by model_of
    response.status_code = 202 if new else 200
    response.headers["Location"] = f"/api/v1/commands/{command.id}"
    return to_wire(command)
