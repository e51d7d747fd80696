"""Commands through a real `satomori ingest` and real brokers, to a gateway that speaks the wire by hand."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session as Rows

from satomori_core.broker import BrokerAddress
from satomori_core.clock import SECOND_US, now_us
from satomori_core.commands import Action
from satomori_core.topics import EVENT, subscription
from satomori_ingest.broker_session import Subscription
from satomori_ingest.commander import Commander
from satomori_ingest.protocol import Identity
from satomori_ingest.session import Session
from satomori_ingest.stores import open_stores
from satomori_sample.broker import end
from satomori_store.commands import Order, issue
from satomori_store.models import Actuator, Command, HazardEvent
from satomori_store.registry import transaction
from support.broker import embedded_broker
from support.edge import until
from support.field_hand import done, field_hand
from support.ingest_process import IngestProcess, ingest_process
from support.ingesting import registry_text, write_registry
from support.mosquitto import mosquitto

pytestmark = pytest.mark.servers
ACTUATOR = '\n[[actuator]]\ngateway = "gw-1"\nname = "gate"\nasset = "paddy-1"\n'


@pytest.fixture(params=["mosquitto", "embedded"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, bool, IngestProcess]]:
    """A broker's port, whether it speaks MQTT 5 there, and ingest."""
    registry = registry_text(ACTUATOR)
    if request.param == "mosquitto":
        with mosquitto(tmp_path) as broker:
            settings = f'[broker]\nurl = "{broker.url}"\n'
            with ingest_process(tmp_path, settings, registry) as ingest:
                yield broker.port, True, ingest
    else:
        with embedded_broker(tmp_path) as embedded, ingest_process(tmp_path, embedded.table, registry) as ingest:
            yield embedded.port, False, ingest


def order(ingest: IngestProcess, key: str = "key-1") -> str:
    wanted = Order(key, "ito", "paddy-1", "gate", Action.SET, 1.0, 60.0, 30 * SECOND_US, "田植え")
    with transaction(ingest.stores.registry) as session:
        return issue(session, wanted, now_us())[0].id


def shown(ingest: IngestProcess, id_: str) -> Command:
    with Rows(ingest.stores.registry) as session:
        return session.get_one(Command, id_)


def offered(ingest: IngestProcess) -> list[str]:
    with Rows(ingest.stores.registry) as session:
        return list(session.scalars(select(Actuator.name).where(Actuator.allows.is_not(None))))


async def test_a_command_goes_down_and_what_became_of_it_comes_up(running: tuple[int, bool, IngestProcess]) -> None:
    """The gateway hears nothing of the first, so it comes again with the same id; then it is done, and the run ends."""
    port, mqtt5, ingest = running

    def answer(command: dict[str, Any], times: int) -> list[dict[str, Any]]:
        end = command["issued_at"] + 60
        told = done(command, until=end)
        return [told, {**told, "read_back": 0, "ended_at": end, "ended_why": "run_time"}] if times > 1 else []

    async with field_hand(port, mqtt5=mqtt5, answer=answer) as hand:
        await hand.status()
        await until("the actuator", lambda: offered(ingest) == ["gate"])
        id_ = order(ingest)
        await until("the end", lambda: shown(ingest, id_).ended_us is not None)
        row = shown(ingest, id_)
        assert (row.state, row.outcome, row.late, row.sent_count, row.replies) == ("done", "done", False, 2, 2)
        assert (row.read_back, row.until_us, row.ended_why) == (0.0, row.issued_us + 60 * SECOND_US, "run_time")
        [first, second] = hand.commands
        assert first == second
        assert first["id"] == id_
        assert (first["action"], first["args"]) == ("set", {"actuator": "gate", "value": 1, "run_s": 60})
        assert first["expires_at"] - first["issued_at"] == pytest.approx(30)
        for message in hand.messages:
            assert not message.retain
            assert message.qos == 1
            if mqtt5:
                assert 20 < getattr(message.properties, "MessageExpiryInterval", 0) <= 30
        await hand.status(actuators=[])
        await until("no actuator", lambda: offered(ingest) == [])


async def test_a_reply_that_comes_while_ingest_is_dead_is_not_lost(tmp_path: Path) -> None:
    """The broker keeps it for the session, and it is not late, though its time is over when ingest is back.

    What could not be understood is set aside, each with its reason.
    """
    with mosquitto(tmp_path, persistence=True) as broker:
        settings = f'[broker]\nurl = "{broker.url}"\n'
        with ingest_process(tmp_path, settings, registry_text(ACTUATOR)) as ingest:
            async with field_hand(broker.port, answer=lambda *_: []) as hand:
                await hand.status()
                await until("the actuator", lambda: offered(ingest) == ["gate"])
                id_ = order(ingest)
                await until("a command", lambda: hand.commands)
                ingest.kill()
                for bad in (b"\xff", b'{"id": "x"}', b"x" * 5000):
                    await hand.reply(bad)
                await hand.reply(done({"id": "nobodys", "args": {}}))
                await hand.client.publish("satomori/v1/no name/reply", b"{}", qos=1)
                await hand.reply(done(hand.commands[0]))
                with transaction(ingest.stores.registry) as session:
                    row = session.get_one(Command, id_)
                    row.expires_us = row.give_up_us = now_us()
                await asyncio.to_thread(ingest.start)
                await until("the outcome", lambda: shown(ingest, id_).state == "done")
                assert not shown(ingest, id_).late
            wanted = {"not_json", "not_command", "too_large", "unknown_command", "topic"}
            quarantine = ingest.stores.ledger.quarantine
            await until("each set aside", lambda: {entry.row.reason for entry in quarantine()} == wanted)


async def test_a_told_event_is_kept_once(running: tuple[int, bool, IngestProcess]) -> None:
    """What can't be read, and another event under the same id, are set aside with their reason."""
    port, mqtt5, ingest = running

    def told() -> dict[str, tuple[dict[str, Any], str, str]]:
        with Rows(ingest.stores.registry) as session:
            return {row.id: (row.told, row.told_by, row.state) for row in session.scalars(select(HazardEvent))}

    quake = {"id": "eq-1", "kind": "earthquake", "intensity": {"town": "6弱"}}
    other = {**quake, "intensity": {"town": "7"}}
    async with field_hand(port, mqtt5=mqtt5) as hand:
        payloads: tuple[Any, ...] = (quake, b"{", [], quake, other)
        for payload in payloads:
            body = payload if isinstance(payload, bytes) else json.dumps(payload)
            await hand.client.publish(EVENT, body, qos=1)
        await until("the event", lambda: told() == {"eq-1": (quake, "mqtt", "waiting")})
        quarantine = ingest.stores.ledger.quarantine
        await until("what is set aside", lambda: [entry.row.reason for entry in quarantine()] == ["event"] * 3)


async def test_two_workers_send_a_command_once(tmp_path: Path) -> None:
    """Each of twenty comes once to the gateway, and each reply is taken by one of them."""
    with mosquitto(tmp_path) as broker:
        stores = open_stores(tmp_path, None)
        write_registry(stores, tmp_path, ACTUATOR)
        async with field_hand(broker.port) as hand, asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[None]] = []
            for worker in "12":
                commander = Commander(stores.registry, stores.ledger, expiring=True)
                session = Session(
                    BrokerAddress("127.0.0.1", broker.port),
                    Identity(f"worker-{worker}"),
                    Subscription([subscription("reply", "g")]),
                    commander.take,
                )
                tasks += [group.create_task(session.run()), group.create_task(commander.run(session))]
            with transaction(stores.registry) as session_:
                session_.get_one(Actuator, ("gw-1", "gate")).allows = {"name": "gate", "values": [0, 1]}
                for number in range(20):
                    wanted = Order(
                        f"k{number}", "ito", "paddy-1", "gate", Action.SET, 1.0, None, 30 * SECOND_US, "試験"
                    )
                    issue(session_, wanted, now_us())

            def states() -> set[tuple[str, int]]:
                with Rows(stores.registry) as rows:
                    return {(row.state, row.replies) for row in rows.scalars(select(Command))}

            await until("all done", lambda: states() == {("done", 1)})
            assert len(hand.commands) == len({command["id"] for command in hand.commands}) == 20
            await end(tasks)
        stores.observations.close()
        stores.registry.dispose()
