"""Operating assets' actuators and how often devices are asked: orders, and what became of them. A part of the queries.

The gateway decides with its own settings; what it has said that it takes is only asked here to say no early.
"""

from collections.abc import Callable

from sqlalchemy import ColumnElement, Engine, Select, case, func, or_, select
from sqlalchemy.orm import Session

from satomori_api.sight import Sight
from satomori_api.views import ActuatorView, CommandView
from satomori_core.commands import Ended
from satomori_core.errors import NotFoundError
from satomori_store import access
from satomori_store.access import ForbiddenError, Viewer
from satomori_store.commanding import Allowed, from_json
from satomori_store.commands import Order, SamplingOrder, issue
from satomori_store.models import Actuator, Asset, Command, Device, Gateway
from satomori_store.transactions import transaction

ROWS_MAX = 1000


class Operating:
    """`clock`: the present in µs."""

    def __init__(self, engine: Engine, sight: Sight, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._sight = sight
        self._clock = clock

    def actuators(self, viewer: Viewer, asset_id: str) -> list[ActuatorView]:
        """By name. Raise NotFoundError."""
        with self._sight.session() as session:
            self._sight.asset(session, viewer, asset_id)
            query = select(Actuator, Gateway.online).join(Gateway, Gateway.id == Actuator.gateway_id)
            rows = session.execute(query.where(Actuator.asset_id == asset_id).order_by(Actuator.name)).all()
            return [_actuator_view(row, online, *_position(session, row)) for row, online in rows]

    def may_operate(self, viewer: Viewer, asset_id: str) -> bool:
        with self._sight.session() as session:
            mine = select(Asset.id).where(Asset.id == asset_id, Asset.id.in_(access.operable_assets(viewer)))
            return session.scalar(mine) is not None

    def operate(self, viewer: Viewer, order: Order) -> tuple[CommandView, bool]:
        """The command of this order, and whether it is new. It is on its way within a moment.

        Raise NotFoundError, ForbiddenError, ConflictError for a key that stands for another order, RejectedError.
        """
        with transaction(self._engine) as session:
            self._sight.asset(session, viewer, order.asset_id)
            access.require(viewer, "operate", session, asset_id=order.asset_id)
            row, new = issue(session, order, self._clock())
            return command_view(row), new

    def samplable(self, viewer: Viewer) -> frozenset[str]:
        """The devices whose interval the viewer may change."""
        with self._sight.session() as session:
            return frozenset(session.scalars(access.operable_devices(viewer, self._clock())))

    def sample(self, viewer: Viewer, order: SamplingOrder) -> tuple[CommandView, bool]:
        """As `operate`."""
        at_us = self._clock()
        with transaction(self._engine) as session:
            self._require_seen(session, viewer, order.device_id)
            mine = access.operable_devices(viewer, at_us).where(Device.id == order.device_id)
            if session.scalar(mine) is None:
                raise ForbiddenError(f"device {order.device_id!r} measures what you may not operate")
            row, new = issue(session, order, at_us)
            return command_view(row), new

    def commands(self, viewer: Viewer, asset_id: str, *, limit: int = 50, offset: int = 0) -> list[CommandView]:
        """Of one asset, the newest first. Raise NotFoundError."""
        with self._sight.session() as session:
            self._sight.asset(session, viewer, asset_id)
            query = select(Command).where(Command.asset_id == asset_id)
            query = query.order_by(Command.issued_us.desc(), Command.id).limit(min(limit, ROWS_MAX)).offset(offset)
            return _views(session, query)

    def sampling_commands(
        self, viewer: Viewer, device_id: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> list[CommandView]:
        """Of one device or all that are seen, the newest first. Raise NotFoundError."""
        with self._sight.session() as session:
            query = select(Command).where(Command.device_id.is_not(None), self._seen_by(viewer))
            if device_id is not None:
                self._require_seen(session, viewer, device_id)
                query = query.where(Command.device_id == device_id)
            query = query.order_by(Command.issued_us.desc(), Command.id).limit(min(limit, ROWS_MAX)).offset(offset)
            return _views(session, query)

    def command(self, viewer: Viewer, command_id: str) -> CommandView:
        """Raise NotFoundError."""
        with self._sight.session() as session:
            found = _views(session, select(Command).where(Command.id == command_id, self._seen_by(viewer)))
        if not found:
            raise NotFoundError(f"there is no command {command_id!r}")
        return found[0]

    def changed(self, viewer: Viewer, since_us: int) -> list[CommandView]:
        """What has changed since then, for the live stream."""
        with self._sight.session() as session:
            query = select(Command).where(Command.updated_us >= since_us, self._seen_by(viewer))
            return _views(session, query.order_by(Command.updated_us.desc()).limit(ROWS_MAX))

    def changed_us(self) -> int:
        """When any command changed last, 0 for never."""
        with self._sight.session() as session:
            return session.scalar(select(func.max(Command.updated_us))) or 0

    def _seen_by(self, viewer: Viewer) -> ColumnElement[bool]:
        devices = access.visible_devices(viewer, self._clock())
        return or_(Command.asset_id.in_(access.visible_assets(viewer)), Command.device_id.in_(devices))

    def _require_seen(self, session: Session, viewer: Viewer, device_id: str) -> None:
        if session.scalar(access.visible_devices(viewer, self._clock()).where(Device.id == device_id)) is None:
            raise NotFoundError(f"there is no device {device_id!r}")


def _views(session: Session, query: Select[Command]) -> list[CommandView]:
    return [command_view(row) for row in session.scalars(query)]


def _position(session: Session, row: Actuator) -> tuple[float | None, int | None]:
    """Where it was read to be last, and when: after a run its fail-safe position, unless another took its place."""
    is_home = Command.ended_us.is_not(None) & (Command.ended_why != Ended.REPLACED.value)
    read_us = case((is_home, Command.ended_us), else_=Command.read_back_us)
    safe = None if row.allows is None else from_json(row.allows).fail_safe
    query = select(case((is_home, safe), else_=Command.read_back), read_us).where(
        Command.gateway_id == row.gateway_id, Command.actuator == row.name, read_us.is_not(None)
    )
    found = session.execute(query.order_by(read_us.desc()).limit(1)).first()
    return (None, None) if found is None else (found[0], found[1])


def _actuator_view(row: Actuator, online: bool | None, position: float | None, read_at_us: int | None) -> ActuatorView:
    said = Allowed(row.name) if row.allows is None else from_json(row.allows)
    label = row.label or said.label or row.name
    return ActuatorView(
        gateway_id=row.gateway_id,
        name=row.name,
        label=label,
        label_en=row.label_en or label,
        online=online,
        offered=row.allows is not None,
        device=said.device,
        unit=said.unit,
        values=said.values,
        min=said.min,
        max=said.max,
        fail_safe=said.fail_safe,
        run_s_max=said.run_s_max,
        settle_s=said.settle_s,
        position=position,
        read_at_us=read_at_us,
    )


def command_view(row: Command) -> CommandView:
    return CommandView(
        id=row.id,
        asset_id=row.asset_id,
        device_id=row.device_id,
        gateway_id=row.gateway_id,
        actuator=row.actuator,
        action=row.action,
        value=row.args.get("value"),
        run_s=row.args.get("run_s"),
        interval_s=row.args.get("interval_s"),
        user_id=row.user_id,
        why=row.why,
        state=row.state,
        reason=row.reason,
        late=row.late,
        read_back=row.read_back,
        read_at_us=row.read_back_us,
        until_us=row.until_us,
        ended_us=row.ended_us,
        ended_why=row.ended_why,
        issued_us=row.issued_us,
        expires_us=row.expires_us,
        sent_count=row.sent_count,
        sent_us=row.sent_us,
        replies=row.replies,
        replied_us=row.replied_us,
        updated_us=row.updated_us,
    )
