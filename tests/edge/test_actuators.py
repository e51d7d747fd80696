"""Commands end to end: a real edge, a real Mosquitto, a Modbus slave at the end of a serial cable."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from satomori_core.clock import SECOND_US, now_us
from satomori_core.commands import (
    Action,
    Command,
    Ended,
    Outcome,
    Reason,
    Reply,
    decode_reply,
    encode_command,
    reason_of,
)
from support.field import field
from support.mosquitto import Mosquitto, mosquitto
from support.running import wait_for

pytestmark = pytest.mark.servers
IDS = itertools.count()


class Office:
    """Who sends commands and hears replies, as the server does."""

    def __init__(self, broker: Mosquitto, gateway: str = "gw-field") -> None:
        self.replies: list[Reply] = []
        self.status: dict[str, Any] = {}
        self._topic = f"satomori/v1/{gateway}/"
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "office", clean_session=False)
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(f"{self._topic}{c}", 1) for c in ("reply", "status")]
        )
        self._client.on_message = self._take
        self._client.reconnect_delay_set(1, 1)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def _take(self, _client: object, _userdata: object, message: paho.MQTTMessage) -> None:
        if message.topic.endswith("/reply"):
            self.replies.append(decode_reply(bytes(message.payload)))
        else:
            self.status = json.loads(message.payload)

    def send(
        self, action: Action, *, id_: str = "", valid_s: float = 30, retain: bool = False, **args: str | float
    ) -> str:
        """The command's id."""
        command = Command(id_ or f"c-{next(IDS)}", now_us(), now_us() + round(valid_s * SECOND_US), action, args)
        self.send_bytes(encode_command(command), retain=retain)
        return command.id

    def send_bytes(self, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(f"{self._topic}command", payload, qos=1, retain=retain).wait_for_publish(10)

    def open(self, value: float = 1.0, run_s: float = 30, **more: Any) -> str:
        return self.send(Action.SET, actuator="gate", value=value, run_s=run_s, **more)

    def reply(self, id_: str, count: int = 1) -> Reply:
        """The newest, when so many came."""
        found = wait_for(
            f"reply {count} to {id_}", lambda: [r for r in self.replies if r.id == id_][count - 1 :], 20, 0.02
        )
        return found[-1]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as one:
        yield one


@contextmanager
def office(broker: Mosquitto) -> Iterator[Office]:
    one = Office(broker)
    try:
        yield one
    finally:
        one.close()


def assert_refused(reply: Reply, reason: Reason, outcome: Outcome = Outcome.REFUSED) -> None:
    assert (reply.outcome, reason_of(reply.reason)) == (outcome, reason), reply


def test_a_gate_opens_is_read_back_and_closes_in_time(tmp_path: Path, broker: Mosquitto) -> None:
    """The device has its timer before it moves; the run's end is a second reply to the same command."""
    with office(broker) as town, field(tmp_path, broker.url) as gate:
        began_us = now_us()
        id_ = town.open(run_s=1.5)
        done = town.reply(id_)
        assert (done.outcome, done.read_back, done.repeated) == (Outcome.DONE, 1.0, False)
        assert gate.slave.coil
        assert gate.slave.writes[-2:] == [(6, 10, [2]), (5, 0, [1])]
        assert done.until_us is not None
        ended = town.reply(id_, 2)
        assert not gate.slave.coil
        assert (ended.outcome, ended.ended_why) == (Outcome.DONE, Ended.RUN_TIME)
        assert ended.ended_us is not None
        assert ended.ended_us - began_us >= 1.5 * SECOND_US
