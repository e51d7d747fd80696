"""Commands end to end: a real edge, a real Mosquitto, a Modbus slave at the end of a serial cable."""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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
from support.patience import PATIENCE_S
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
        hears = threading.Event()
        self._client.on_subscribe = lambda *_: hears.set()
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert hears.wait(PATIENCE_S)

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
        self._client.publish(f"{self._topic}command", payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def open(self, value: float = 1.0, run_s: float = 30, **more: Any) -> str:
        return self.send(Action.SET, actuator="gate", value=value, run_s=run_s, **more)

    def reply(self, id_: str, count: int = 1) -> Reply:
        """The newest, when so many came."""
        found = wait_for(
            f"reply {count} to {id_}", lambda: [r for r in self.replies if r.id == id_][count - 1 :], every_s=0.02
        )
        return found[-1]

    def ended(self, id_: str) -> Reply:
        """What says that its run is over. An end that comes before the first reply is sent is told in its place."""
        found = wait_for(
            f"the end of {id_}", lambda: [r for r in self.replies if r.id == id_ and r.ended_why], every_s=0.02
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
        opens = gate.slave.writes.index((5, 0, [1]))
        assert gate.slave.writes[opens - 1] == (6, 10, [2])
        assert done.until_us is not None
        ended = town.ended(id_)
        assert not gate.slave.coil
        assert gate.slave.writes[-1] == (5, 0, [0])
        assert (ended.outcome, ended.ended_why) == (Outcome.DONE, Ended.RUN_TIME)
        assert ended.ended_us is not None
        assert ended.ended_us - began_us >= 1.5 * SECOND_US


def test_a_repeated_command_is_answered_again_and_not_done_again(tmp_path: Path, broker: Mosquitto) -> None:
    with office(broker) as town, field(tmp_path, broker.url) as gate:
        id_ = town.open()
        first = town.reply(id_)
        writes = len(gate.slave.writes)
        town.open(id_=id_)
        assert town.reply(id_, 2) == replace(first, repeated=True)
        town.open(id_=id_, valid_s=-1)  # also when it has expired by now
        assert town.reply(id_, 3) == replace(first, repeated=True)
        assert len(gate.slave.writes) == writes


def test_what_may_not_be_done_is_refused_and_nothing_moves(tmp_path: Path, broker: Mosquitto) -> None:
    """By the gateway's own settings, whatever the server asks; what is too late expires."""
    with office(broker) as town, field(tmp_path, broker.url) as gate:
        writes = len(gate.slave.writes)
        assert_refused(town.reply(town.open(value=2)), Reason.VALUE)
        assert_refused(town.reply(town.open(run_s=61)), Reason.RUN_TIME)
        assert_refused(town.reply(town.send(Action.SET, actuator="sluice", value=1)), Reason.UNKNOWN)
        assert_refused(town.reply(town.open(valid_s=-1)), Reason.LATE, Outcome.EXPIRED)
        town.send_bytes(b'{"id": "odd", "action": "explode"}')
        assert_refused(town.reply("odd"), Reason.NOT_COMMAND)
        town.send_bytes(b"noise")
        assert_refused(town.reply(town.open(value=3)), Reason.VALUE)
        assert len(gate.slave.writes) == writes


def test_a_command_that_the_broker_had_kept_is_refused(tmp_path: Path, broker: Mosquitto) -> None:
    """An old "open the sluice" never opens it, also where a sender asked the broker to keep it."""
    with office(broker) as town:
        id_ = town.open(retain=True)
        with field(tmp_path, broker.url) as gate:
            assert_refused(town.reply(id_), Reason.RETAINED)
            assert not gate.slave.coil


def test_a_command_sent_while_the_edge_is_away_never_arrives(tmp_path: Path, broker: Mosquitto) -> None:
    """Its session is clean: what comes after is carried out, what came before is not."""
    with office(broker) as town, field(tmp_path, broker.url) as gate:
        gate.kill()
        early = town.open()
        gate.start()
        late = town.send(Action.STOP, actuator="gate")
        assert town.reply(late).outcome is Outcome.DONE
        assert not [reply for reply in town.replies if reply.id == early]
        assert not gate.slave.coil


def test_stop_and_replace_end_a_run_and_say_so(tmp_path: Path, broker: Mosquitto) -> None:
    with office(broker) as town, field(tmp_path, broker.url) as gate:
        first = town.open()
        town.reply(first)
        second = town.open(run_s=20)
        assert town.ended(first).ended_why == Ended.REPLACED
        assert town.reply(second).outcome is Outcome.DONE
        assert gate.slave.timer_s == 20
        stop = town.send(Action.STOP, actuator="gate")
        stopped = town.reply(stop)
        assert (stopped.outcome, stopped.read_back) == (Outcome.DONE, 0.0)
        assert town.ended(second).ended_why == Ended.STOPPED
        assert not gate.slave.coil


def test_a_lost_link_ends_a_timed_run(tmp_path: Path) -> None:
    """The gate closes while the broker is away; the reply that says so comes when it is back."""
    with (
        mosquitto(tmp_path, persistence=True) as broker,
        office(broker) as town,
        field(tmp_path, broker.url, remote="link_lost_after_s = 1") as gate,
    ):
        id_ = town.open()
        town.reply(id_)
        broker.stop()
        wait_for("the gate closed", lambda: not gate.slave.coil, every_s=0.05)
        broker.start()
        assert town.ended(id_).ended_why == Ended.LINK_LOST


def test_killed_in_a_run_the_next_start_closes_the_gate_first(tmp_path: Path, broker: Mosquitto) -> None:
    with office(broker) as town, field(tmp_path, broker.url) as gate:
        id_ = town.open()
        town.reply(id_)
        gate.kill()
        assert gate.slave.coil  # this one has a timer in the device, which would have closed it in time
        gate.start()
        assert not gate.slave.coil
        ended = town.ended(id_)
        assert (ended.outcome, ended.ended_why) == (Outcome.DONE, Ended.RESTART)
        assert town.reply(town.open()).outcome is Outcome.DONE


def test_an_edge_that_is_stopped_ends_its_run_before(tmp_path: Path, broker: Mosquitto) -> None:
    with office(broker) as town, field(tmp_path, broker.url) as gate:
        town.reply(town.open())
        assert gate.edge.stop() == 0
        assert not gate.slave.coil


def test_what_does_not_follow_has_failed_and_is_brought_home(tmp_path: Path, broker: Mosquitto) -> None:
    """Stuck: what is read back is told. Dead: no answer, and again and again until the fail-safe is read back."""
    with office(broker) as town, field(tmp_path, broker.url) as gate:
        gate.slave.is_stuck = True
        reply = town.reply(town.open())
        assert_refused(reply, Reason.READ_BACK, Outcome.FAILED)
        assert reply.read_back == 0.0
        assert town.ended(reply.id).ended_why == Ended.FAILED
        gate.slave.is_stuck = False
        gate.slave.is_dead = True
        id_ = town.open()
        assert_refused(town.reply(id_), Reason.NO_ANSWER, Outcome.FAILED)
        assert_refused(town.reply(town.open()), Reason.NOT_SAFE)
        gate.slave.is_dead = False
        assert town.ended(id_).ended_why == Ended.FAILED
        assert not gate.slave.coil


def test_a_slow_gate_is_waited_for_within_its_tolerance(tmp_path: Path, broker: Mosquitto) -> None:
    """An opening in % in a holding register; a stop while it moves overtakes it."""
    slow = (
        'name = "gate"\ndevice = "gate-1"\nunit = "%"\nmin = 0\nmax = 100\ntolerance = 2\nfail_safe = 0\n'
        "settle_s = 30\nregisters = { write = { address = 0 } }"
    )
    with office(broker) as town, field(tmp_path, broker.url, actuator=slow) as gate:
        wait_for("what there is to operate", lambda: town.status.get("actuators"), every_s=0.02)
        assert (
            town.status["actuators"][0] | {"max": 100.0, "unit": "%", "settle_s": 30.0} == town.status["actuators"][0]
        )
        id_ = town.send(Action.SET, actuator="gate", value=42.0)
        assert town.reply(id_).read_back == 42.0
        assert gate.slave.opening == 42
        gate.slave.is_stuck = True
        moving = town.send(Action.SET, actuator="gate", value=80.0)
        wait_for("told to move", lambda: (6, 0, [80]) in gate.slave.writes, every_s=0.02)
        gate.slave.is_stuck = False
        stop = town.send(Action.STOP, actuator="gate")
        assert_refused(town.reply(moving), Reason.OVERTAKEN, Outcome.FAILED)
        assert town.reply(stop).outcome is Outcome.DONE
        assert gate.slave.opening == 0


def test_a_device_is_sampled_as_often_as_is_asked_within_bounds(tmp_path: Path, broker: Mosquitto) -> None:
    """Set to once an hour, it is read twenty times in a few seconds once it is told to."""
    remote = "interval_s_min = 0.05, interval_s_max = 3600"
    with office(broker) as town, field(tmp_path, broker.url, remote=remote, interval_s=3600) as gate:
        reply = town.reply(town.send(Action.INTERVAL, device="gate-1", interval_s=0.05))
        assert (reply.outcome, reply.read_back) == (Outcome.DONE, 0.05)
        reads = gate.slave.reads
        wait_for("20 reads", lambda: gate.slave.reads >= reads + 20, every_s=0.05)
        assert_refused(town.reply(town.send(Action.INTERVAL, device="gate-1", interval_s=0.01)), Reason.INTERVAL)
        assert_refused(town.reply(town.send(Action.INTERVAL, device="moon", interval_s=1)), Reason.UNKNOWN)


def test_a_clock_that_was_never_set_refuses_to_move_and_still_stops(tmp_path: Path, broker: Mosquitto) -> None:
    """The agent's process lives in 1970, as a gateway without a battery and without NTP."""
    # Not the command `faketime`: it would stand between us and what we kill.
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("faketime is not installed (apt-get install faketime)")
    past = ("env", f"LD_PRELOAD={library}", "FAKETIME=@1970-01-02 00:00:00", "FAKETIME_DONT_FAKE_MONOTONIC=1")
    with office(broker) as town, field(tmp_path, broker.url) as gate:
        gate.kill()
        gate.start(under=past)
        assert_refused(town.reply(town.open()), Reason.CLOCK)
        assert not gate.slave.coil
        assert town.reply(town.send(Action.STOP, actuator="gate")).outcome is Outcome.DONE


def test_where_remote_operation_is_off_nothing_is_touched(tmp_path: Path, broker: Mosquitto) -> None:
    """Not even at the start: somebody may be working there. Only what a run had left is brought home."""
    with office(broker) as town, field(tmp_path, broker.url) as gate:
        run = town.open()
        town.reply(run)
        gate.kill()
        gate.config.write_text(gate.config.read_text("utf-8").replace("enabled = true", "enabled = false"), "utf-8")
        gate.start()
        assert town.ended(run).ended_why == Ended.RESTART
        gate.kill()
        writes = len(gate.slave.writes)
        gate.start(goes_home=False)
        assert_refused(town.reply(town.open()), Reason.REMOTE_OFF)
        assert town.status["actuators"] == []
        assert len(gate.slave.writes) == writes


def test_what_stands_open_at_the_first_start_is_shut(tmp_path: Path, broker: Mosquitto) -> None:
    """Before anything else, whoever had opened it."""
    with field(tmp_path, broker.url, is_open=True) as gate:
        assert gate.slave.writes == [(5, 0, [0])]
        assert not gate.slave.coil
