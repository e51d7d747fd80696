"""Commands as rows, on SQLite and PostgreSQL: one order is one command, one step is one worker's, replies are kept."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from satomori_core.clock import SECOND_US, now_us
from satomori_core.commands import Action, Outcome, Reply
from satomori_core.errors import ConflictError, NotFoundError, RejectedError
from satomori_store.commanding import GRACE_US, NOT_SENT, State, parse_allowed
from satomori_store.commands import Order, Outgoing, SamplingOrder, issue, take_reply, take_steps, write_actuators
from satomori_store.models import Actuator, Command, Gateway
from satomori_store.registry import import_registry, transaction
from support.ingesting import registry_text

ACTUATOR = '\n[[actuator]]\ngateway = "gw-1"\nname = "gate"\nasset = "paddy-1"\nlabel = "水門"\n'
GATE = parse_allowed({"name": "gate", "values": [0, 1], "fail_safe": 0, "run_s_max": 600, "settle_s": 5})
ORDER = Order("key-1", "ito", "paddy-1", "gate", Action.SET, 1.0, 60.0, 30 * SECOND_US, "田植え")
EACH_MINUTE = SamplingOrder("key-1", "ito", "dev-1", 60.0, 30 * SECOND_US, "大雨の間")
T0 = now_us()


@pytest.fixture(scope="module")
def imported(module_registry: Engine, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    path = tmp_path_factory.mktemp("region") / "region.toml"
    path.write_text(registry_text(ACTUATOR), encoding="utf-8")
    assert import_registry(module_registry, path).ok
    return module_registry


@pytest.fixture
def region(imported: Engine) -> Engine:
    """A paddy with a gate behind gw-1, which has said what it takes, and no commands."""
    with transaction(imported) as session:
        session.execute(delete(Command))
        session.execute(delete(Actuator).where(Actuator.asset_id.is_(None)))
        write_actuators(session, "gw-1", [GATE])
    return imported


def ordered(engine: Engine, order: Order | SamplingOrder = ORDER, at_us: int = T0) -> Command:
    with transaction(engine) as session:
        return issue(session, order, at_us)[0]


def shown(engine: Engine, id_: str) -> Command:
    with Session(engine) as session:
        return session.get_one(Command, id_)


def steps(engine: Engine, after_s: float, *, can_send: bool = True) -> Sequence[Outgoing]:
    return take_steps(engine, T0 + round(after_s * SECOND_US), can_send=can_send, can_hear=True)


def test_the_same_key_is_the_same_command_and_another_order_with_it_a_conflict(region: Engine) -> None:
    """Another person's key of the same text is another command."""
    first = ordered(region)
    with transaction(region) as session:
        again, new = issue(session, ORDER, T0 + SECOND_US)
        assert (again.id, new, again.issued_us) == (first.id, False, T0)
        for other in (replace(ORDER, value=0.0), replace(ORDER, why="別"), replace(ORDER, expires_in_us=1)):
            with pytest.raises(ConflictError, match=first.id):
                issue(session, other, T0)
        assert issue(session, replace(ORDER, user_id="sato"), T0)[1]


def test_of_two_at_once_with_one_key_one_is_new(region: Engine) -> None:
    """The other finds it, however close they are."""
    barrier = threading.Barrier(6)
    found: list[tuple[str, bool]] = []

    def work() -> None:
        barrier.wait()
        with transaction(region) as session:
            row, new = issue(session, ORDER, T0)
            found.append((row.id, new))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({id_ for id_, _ in found}) == 1
    assert sorted(new for _, new in found) == [False] * 5 + [True]


def test_only_what_the_assets_own_actuator_takes_is_issued(region: Engine) -> None:
    with transaction(region) as session:
        with pytest.raises(NotFoundError):
            issue(session, replace(ORDER, actuator="pump"), T0)
        with pytest.raises(RejectedError, match="0, 1"):
            issue(session, replace(ORDER, value=0.5), T0)
        write_actuators(session, "gw-1", [])
        with pytest.raises(RejectedError, match="does not offer"):
            issue(session, ORDER, T0)


def test_an_interval_goes_to_the_gateway_that_the_device_is_behind(region: Engine) -> None:
    """The same key is the same command here too; a device that speaks for itself is asked by nobody."""
    command = ordered(region, EACH_MINUTE)
    assert (command.asset_id, command.actuator, command.device_id, command.gateway_id) == (None, None, "dev-1", "gw-1")
    assert command.give_up_us == T0 + 30 * SECOND_US + GRACE_US
    [outgoing] = steps(region, 0)
    assert (outgoing.gateway, outgoing.command.action) == ("gw-1", Action.INTERVAL)
    assert outgoing.command.args == {"device": "dev-1", "interval_s": 60.0}
    with transaction(region) as session:
        assert not issue(session, EACH_MINUTE, T0)[1]
        for other in (replace(EACH_MINUTE, interval_s=61.0), ORDER):
            with pytest.raises(ConflictError, match=command.id):
                issue(session, other, T0)
        session.execute(update(Gateway).where(Gateway.id == "gw-1").values(kind="direct"))
        for nobody_asks in ("dev-1", "gw-1", "dev-9"):
            with pytest.raises(RejectedError, match="behind no gateway"):
                issue(session, replace(EACH_MINUTE, key="2", device_id=nobody_asks), T0)
        session.rollback()


@pytest.mark.parametrize("change", [{"device_id": None}, {"asset_id": "paddy-1"}])
def test_a_command_is_to_one_thing(region: Engine, change: dict[str, str | None]) -> None:
    """The database itself keeps none that is to nothing or to two."""
    ordered(region, EACH_MINUTE)
    with pytest.raises(IntegrityError), transaction(region) as session:
        session.execute(update(Command).values(**change))


def test_what_the_gateway_says_is_kept_beside_what_the_registry_says(region: Engine) -> None:
    """An actuator that nobody has linked is kept too; an unknown gateway's is passed over."""
    other = replace(GATE, name="pump")
    with transaction(region) as session:
        write_actuators(session, "gw-1", [GATE, other])
        write_actuators(session, "gw-9", [GATE])
    with Session(region) as session:
        rows = {row.name: row for row in session.query(Actuator)}
    assert rows.keys() == {"gate", "pump"}
    assert (rows["gate"].label, rows["gate"].asset_id, rows["pump"].asset_id) == ("水門", "paddy-1", None)


def test_it_is_written_down_as_sent_before_it_is_sent_and_again_each_two_seconds(region: Engine) -> None:
    command = ordered(region)
    [outgoing] = steps(region, 0)
    assert (outgoing.gateway, outgoing.command.id, outgoing.command.action) == ("gw-1", command.id, Action.SET)
    assert outgoing.command.args == {"actuator": "gate", "value": 1.0, "run_s": 60.0}
    assert (outgoing.command.issued_at_us, outgoing.command.expires_at_us) == (T0, T0 + 30 * SECOND_US)
    assert (shown(region, command.id).state, shown(region, command.id).sent_count) == ("sent", 1)
    assert steps(region, 1.9) == []
    assert steps(region, 2, can_send=False) == []
    assert len(steps(region, 2)) == 1
    assert shown(region, command.id).sent_count == 2


def test_of_many_workers_one_takes_a_step(region: Engine) -> None:
    """Eight at once with twenty commands: each is sent once."""
    for number in range(20):
        ordered(region, replace(ORDER, key=f"key-{number}"))
    taken: list[str] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        taken.extend(outgoing.command.id for outgoing in steps(region, 0))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == len(set(taken)) == 20


def test_without_a_reply_it_is_lost_once_the_actuator_could_have_settled(region: Engine) -> None:
    """Expiry, the five seconds that this gate needs, and the grace; then a reply is late and no other gateway's."""
    command = ordered(region)
    steps(region, 0)
    assert steps(region, 30 + 5 + GRACE_US / SECOND_US - 0.1) == []
    assert shown(region, command.id).state == "sent"
    steps(region, 30 + 5 + GRACE_US / SECOND_US)
    assert shown(region, command.id).state == "lost"
    said = Reply(command.id, T0 + 31 * SECOND_US, Outcome.DONE, read_back=1.0)
    with transaction(region) as session:
        with pytest.raises(RejectedError, match="never sent"):
            take_reply(session, "gw-2", said, T0)
        with pytest.raises(RejectedError, match="never sent"):
            take_reply(session, "gw-1", replace(said, id="other"), T0)
        take_reply(session, "gw-1", said, T0 + 60 * SECOND_US)
    row = shown(region, command.id)
    assert (row.state, row.outcome, row.late, row.read_back) == ("done", "done", True, 1.0)
    assert (row.user_id, row.why, row.updated_us) == ("ito", "田植え", T0 + 60 * SECOND_US)


def test_what_could_not_be_sent_ends_as_expired(region: Engine) -> None:
    command = ordered(region)
    assert steps(region, 29, can_send=False) == steps(region, 30, can_send=False) == []
    row = shown(region, command.id)
    assert (State(row.state), row.reason, row.sent_count) == (State.EXPIRED, NOT_SENT, 0)
