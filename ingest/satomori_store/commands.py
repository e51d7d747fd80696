"""Commands and actuators as rows of the registry: issued, sent, answered, each step written down before it is taken."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from satomori_core import commands as wire
from satomori_core.clock import SECOND_US
from satomori_core.commands import Action, Outcome
from satomori_core.errors import ConflictError, NotFoundError, RejectedError
from satomori_store.commanding import GRACE_US, OPEN, Allowed, Course, State, answered, check, from_json, next_step
from satomori_store.databases import advisory_lock, reading
from satomori_store.models import Actuator, Command, Gateway, Placement, holds
from satomori_store.transactions import transaction

STEPS_AT_ONCE = 200
_LOCK = 5_326_004
_COURSE = tuple(field.name for field in fields(Course))


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants an asset's actuator to do. `key`: that person's own name for it."""

    key: str
    user_id: str
    asset_id: str
    actuator: str
    action: Action
    value: float | None
    run_s: float | None
    expires_in_us: int
    why: str

    def args(self) -> dict[str, str | float]:
        given = {"value": self.value, "run_s": self.run_s}
        return {"actuator": self.actuator} | {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SamplingOrder:
    """How often somebody wants a device to be asked, until the next start of its gateway. `key` as in `Order`."""

    key: str
    user_id: str
    device_id: str
    interval_s: float
    expires_in_us: int
    why: str

    def args(self) -> dict[str, str | float]:
        return {"device": self.device_id, "interval_s": self.interval_s}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """To be sent to `gateway` now."""

    gateway: str
    command: wire.Command


def issue(session: Session, order: Order | SamplingOrder, at_us: int) -> tuple[Command, bool]:
    """The command of this order, and whether it is new: the same key means the same one.

    Raise ConflictError where the key stands for another order, NotFoundError and RejectedError for an actuator that
    is not the asset's or does not take this, or a device that no gateway asks.
    """
    advisory_lock(session.connection(), _LOCK)  # of two with one key, the second finds the first one's
    query = select(Command).where(Command.user_id == order.user_id, Command.idempotency_key == order.key)
    if (there := session.scalar(query)) is not None:
        if _order_of(there) != order:
            raise ConflictError(f"the key {order.key!r} stands for another command of yours, {there.id}")
        return there, False
    expires_us = at_us + order.expires_in_us
    row = Command(
        id=uuid.uuid4().hex, idempotency_key=order.key, user_id=order.user_id, why=order.why, args=order.args(),
        issued_us=at_us, expires_us=expires_us, give_up_us=expires_us + GRACE_US, updated_us=at_us,
        **_columns(Course()),
    )  # fmt: skip
    if isinstance(order, Order):
        actuator, allowed = _actuator(session, order)
        row.asset_id, row.gateway_id, row.actuator = order.asset_id, actuator.gateway_id, actuator.name
        row.action = order.action.value
        row.give_up_us += round(allowed.settle_s * SECOND_US)
    else:
        row.device_id, row.gateway_id = order.device_id, _asking_gateway(session, order.device_id, at_us)
        row.action = Action.INTERVAL.value
    session.add(row)
    session.flush()
    return row, True


def take_steps(registry: Engine, at_us: int, *, can_send: bool, can_hear: bool) -> list[Outgoing]:
    """Write down what is due (see `next_step`), and say what is to be sent. Of several workers one takes each step."""
    is_open = Command.state.in_([state.value for state in OPEN])
    with reading(registry) as connection, Session(connection) as session:
        rows = session.scalars(select(Command).where(is_open).order_by(Command.issued_us).limit(STEPS_AT_ONCE)).all()
        steps = []
        for row in rows:
            limits = (row.expires_us, row.give_up_us)
            step = next_step(course_of(row), *limits, at_us, can_send=can_send, can_hear=can_hear)
            if step is not None:
                steps.append((row, step))
    if not steps:
        return []
    outgoing: list[Outgoing] = []
    with transaction(registry) as session:
        for row, step in steps:
            same = (Command.id == row.id, Command.state == row.state, Command.sent_count == row.sent_count)
            taken = session.execute(update(Command).where(*same).values(**_columns(step), updated_us=at_us))
            if taken.rowcount and step.sent_count > row.sent_count:  # type: ignore[attr-defined]
                outgoing.append(Outgoing(row.gateway_id, to_wire(row)))
    return outgoing


def take_reply(session: Session, gateway: str, reply: wire.Reply, at_us: int) -> Command:
    """Write a reply down. Raise RejectedError for one to a command that this gateway was never sent."""
    row = session.scalar(select(Command).where(Command.id == reply.id).with_for_update())
    if row is None or row.gateway_id != gateway:
        raise RejectedError("unknown_command", f"gateway {gateway!r} was never sent a command {reply.id!r}")
    for name, value in _columns(answered(course_of(row), reply, at_us)).items():
        setattr(row, name, value)
    row.updated_us = at_us
    return row


def write_actuators(session: Session, gateway: str, said: Sequence[Allowed]) -> bool:
    """What the gateway says it has now. False for a gateway that the registry does not know, of which none are kept."""
    if session.get(Gateway, gateway) is None:
        return False
    there = {row.name: row for row in session.scalars(select(Actuator).where(Actuator.gateway_id == gateway))}
    for allowed in said:
        row = there.pop(allowed.name, None)
        if row is None:
            row = Actuator(gateway_id=gateway, name=allowed.name)
            session.add(row)
        row.allows = allowed.to_json()
    for row in there.values():
        row.allows = None
    return True


def course_of(row: Command) -> Course:
    values = {name: getattr(row, name) for name in _COURSE}
    outcome = None if row.outcome is None else Outcome(row.outcome)
    return Course(**values | {"state": State(row.state), "outcome": outcome})


def to_wire(row: Command) -> wire.Command:
    return wire.Command(row.id, row.issued_us, row.expires_us, Action(row.action), row.args)


def _columns(course: Course) -> dict[str, Any]:
    outcome = None if course.outcome is None else course.outcome.value
    return asdict(course) | {"state": course.state.value, "outcome": outcome}


def _order_of(row: Command) -> Order | SamplingOrder:
    args: Mapping[str, Any] = row.args
    expires_in_us = row.expires_us - row.issued_us
    if row.asset_id is not None and row.actuator is not None:
        return Order(
            row.idempotency_key, row.user_id, row.asset_id, row.actuator, Action(row.action), args.get("value"),
            args.get("run_s"), expires_in_us, row.why,
        )  # fmt: skip
    return SamplingOrder(
        row.idempotency_key, row.user_id, args["device"], args["interval_s"], expires_in_us, row.why
    )  # fmt: skip


def _actuator(session: Session, order: Order) -> tuple[Actuator, Allowed]:
    """The one that is meant, and what it allows, to which the order keeps."""
    query = select(Actuator).where(Actuator.asset_id == order.asset_id, Actuator.name == order.actuator)
    found = session.scalars(query.order_by(Actuator.gateway_id)).first()
    if found is None:
        raise NotFoundError(f"asset {order.asset_id!r} has no actuator {order.actuator!r}")
    if found.allows is None:
        raise RejectedError("actuator", f"gateway {found.gateway_id!r} does not offer {order.actuator!r} now")
    allowed = from_json(found.allows)
    check(allowed, order.action, order.value, order.run_s)
    return found, allowed


def _asking_gateway(session: Session, device: str, at_us: int) -> str:
    """The gateway that the device stands behind now; one that speaks for itself is asked by nobody."""
    query = select(Gateway.id).join(Placement, Placement.gateway_id == Gateway.id)
    here = (Placement.device_id == device, *holds(Placement, at_us))
    found = session.scalar(query.where(Gateway.kind == "edge", Gateway.id != device, *here))
    if found is None:
        raise RejectedError("device", f"device {device!r} stands behind no gateway that would ask it")
    return found
