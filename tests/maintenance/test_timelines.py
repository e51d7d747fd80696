"""Timelines: at 2.2 a finding, between 3 and 3.5 a message. The real service on a real registry, with a set clock.

Times are minutes. Waits are Alertmanager's, made small: group_wait 0.5, group_interval 5, hold 10, repeat a day.
"""

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_core.clock import HOUR_US, MINUTE_US, SECOND_US
from satomori_core.errors import UnavailableError
from satomori_core.settings import Secret
from satomori_maintenance.alerts import acknowledge, judge, unjudge
from satomori_maintenance.service import Maintenance
from satomori_maintenance.settings import MaintenanceSettings, ReceiverSettings
from satomori_store.databases import engine_of, reading, writing
from satomori_store.models import Alert, Base, Finding, Notification, Share, Version
from support.postgres import postgres_server
from support.region import BRIDGE_STRAIN, BRIDGE_TILT, PADDY_LEVEL, fill_region, finding, make_region
from support.status_sink import StatusSink

T0 = 500_000 * HOUR_US
CREW = ReceiverSettings(name="crew", url=Secret(env="NONE"))
SETTINGS = MaintenanceSettings(receiver=(CREW,))


class Heard:
    """A receiver that writes down when it heard what, and can be out of reach."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.messages: list[tuple[float, str, str]] = []
        self.away = False
        self.attempts = 0
        self._clock = clock

    def deliver(self, title: str, body: str) -> None:
        self.attempts += 1
        if self.away:
            raise UnavailableError("the mail server is away")
        self.messages.append(((self._clock() - T0) / MINUTE_US, title, body))


class Timeline:
    """A service whose clock is moved by `until`, in rounds of six seconds."""

    def __init__(self, engine: Engine, settings: MaintenanceSettings = SETTINGS) -> None:
        self.now_us = T0
        self.engine = engine
        self.store = StatusSink()
        self.settings = settings
        self.heard = {r.name: Heard(self.clock) for r in settings.receiver}
        self.start()

    def clock(self) -> int:
        return self.now_us

    def start(self) -> None:
        """Start the service afresh, as after a kill: only the database is remembered."""
        self.service = Maintenance(self.engine, self.store, self.settings, self.heard, self.clock)

    def until(self, minute: float, *, step_s: float = 6.0) -> None:
        """Run until that minute."""
        end_us = T0 + round(minute * MINUTE_US)
        while self.now_us < end_us:
            self.now_us = min(self.now_us + round(step_s * SECOND_US), end_us)
            self.service.look()
            for courier in self.service.couriers:
                while courier.deliver_next():
                    pass

    def find(self, fingerprint: str = "limit/bridge-1/strain", **changed: object) -> int:
        """Write a finding now."""
        with writing(self.engine) as connection, Session(connection) as session:
            row = finding(fingerprint, at_us=self.now_us, **changed)
            session.add(row)
            session.flush()
            return row.id

    def change(self, finding_id: int, **changed: object) -> None:
        with writing(self.engine) as connection, Session(connection) as session:
            row = session.get_one(Finding, finding_id)
            for name, value in {"updated_us": self.now_us, **changed}.items():
                setattr(row, name, value)
            session.flush()

    def end(self, finding_id: int) -> None:
        self.change(finding_id, until_us=self.now_us)

    def alerts(self) -> list[Alert]:
        with reading(self.engine) as connection, Session(connection, expire_on_commit=False) as session:
            return list(session.scalars(select(Alert).order_by(Alert.id)))

    def times(self, receiver: str = "crew") -> list[float]:
        return [round(at, 2) for at, _, _ in self.heard[receiver].messages]


@pytest.fixture
def line(tmp_path: Path) -> Generator[Timeline]:
    timeline = Timeline(make_region(tmp_path / "registry.sqlite"))
    yield timeline
    timeline.engine.dispose()


def test_told_once_after_the_wait_then_silence(line: Timeline) -> None:
    """At 2.2 a finding; told between 2.7 and 2.9; nothing more for an hour."""
    line.until(2.2)
    line.find()
    line.until(2.6)
    assert line.times() == []
    line.until(60)
    assert len(line.times()) == 1
    assert 2.7 <= line.times()[0] <= 2.91


def test_companions_within_the_wait_share_a_message(line: Timeline) -> None:
    line.until(1)
    line.find()
    line.until(1.3)
    line.find("limit/bridge-1/tilt", datastream_id=BRIDGE_TILT)
    line.until(30)
    assert len(line.times()) == 1
    assert "新しい警報 2件" in line.heard["crew"].messages[0][2]


def test_the_next_alert_of_a_group_waits_for_the_interval(line: Timeline) -> None:
    """Told at 1.5; the next trouble at 2 is told at 6.5, five minutes after the first message."""
    line.until(1)
    line.find()
    line.until(2)
    line.find("limit/bridge-1/tilt", datastream_id=BRIDGE_TILT)
    line.until(30)
    assert line.times() == [pytest.approx(1.53, abs=0.15), pytest.approx(6.53, abs=0.15)]


def test_a_danger_does_not_wait_for_the_interval(line: Timeline) -> None:
    line.until(1)
    line.find()
    line.until(3)
    line.find("limit/bridge-1/tilt", datastream_id=BRIDGE_TILT, level=4)
    line.until(30)
    assert len(line.times()) == 2
    assert 3 <= line.times()[1] <= 3.21


def test_each_owner_and_municipality_gets_a_message_of_its_own(line: Timeline) -> None:
    line.until(1)
    line.find()
    line.find("limit/paddy-1/level", asset_id="paddy-1", datastream_id=PADDY_LEVEL)
    line.until(10)
    assert len(line.times()) == 2


def test_worse_is_told_again_milder_is_not(line: Timeline) -> None:
    line.until(1)
    number = line.find()
    line.until(10)
    line.change(number, level=4)
    line.until(11)
    assert len(line.times()) == 2
    assert "危険" in line.heard["crew"].messages[1][1]
    line.change(number, level=3)
    line.until(30)
    assert len(line.times()) == 2


def test_an_end_is_told_when_it_has_lasted(line: Timeline) -> None:
    """Over at 20, told at 30: ten minutes of hold time."""
    line.until(1)
    number = line.find()
    line.until(20)
    line.end(number)
    line.until(29.8)
    assert len(line.times()) == 1
    line.until(31)
    assert len(line.times()) == 2
    assert "おさまりました" in line.heard["crew"].messages[1][1]
    line.until(120)
    assert len(line.times()) == 2


def test_what_flickers_is_told_once(line: Timeline) -> None:
    """Three spells with five minutes between them are one alert and one message."""
    for start in (1, 10, 19):
        line.until(start)
        number = line.find()
        line.until(start + 4)
        line.end(number)
    line.until(32)
    assert len(line.alerts()) == 1
    assert len(line.times()) == 1
    line.until(40)
    assert len(line.times()) == 2


def test_a_blip_shorter_than_the_wait_is_recorded_and_not_told(line: Timeline) -> None:
    line.until(1)
    number = line.find()
    line.until(1.2)
    line.end(number)
    line.until(60)
    assert line.times() == []
    assert [a.resolved_us is not None for a in line.alerts()] == [True]


def test_what_stands_is_told_again_after_a_day_unless_acknowledged(line: Timeline) -> None:
    line.until(1)
    line.find()
    line.find("limit/paddy-1/level", asset_id="paddy-1", datastream_id=PADDY_LEVEL)
    line.until(5)
    bridge, _ = line.alerts()
    with writing(line.engine) as connection, Session(connection) as session:
        acknowledge(session, bridge.id, "yamada", "点検へ", line.now_us)
    line.until(26 * 60, step_s=300)
    assert len(line.times()) == 3
    assert "南の田" in line.heard["crew"].messages[2][1]


def test_what_is_known_is_kept_quiet_until_it_gets_worse(line: Timeline) -> None:
    """Said before the first message went out: none at 3, nor after a day; a warning that becomes a danger is told."""
    line.until(1)
    number = line.find(level=3)
    line.until(1.2)
    (alert,) = line.alerts()
    with writing(line.engine) as connection, Session(connection) as session:
        judge(session, alert.id, "known", "yamada", note="補修は来月", now_us=line.now_us)
    line.until(26 * 60, step_s=300)
    assert line.times() == []
    assert [a.resolved_us for a in line.alerts()] == [None]  # still listed
    line.change(number, level=4)
    line.until(26 * 60 + 10)
    assert len(line.times()) == 1


def test_what_was_told_and_is_known_is_told_each_time_it_gets_worse_than_is_known(line: Timeline) -> None:
    """A watch is told, then known: a warning is told. Known too, it is quiet, down and up again; a danger is told."""

    def known() -> None:
        with writing(line.engine) as connection, Session(connection) as session:
            judge(session, alert.id, "known", "yamada", note=None, now_us=line.now_us)

    line.until(1)
    number = line.find(level=2)
    line.until(5)
    (alert,) = line.alerts()
    known()
    line.change(number, level=3)
    line.until(20)
    assert len(line.times()) == 2
    known()
    for minute, level in ((21, 2), (22, 3)):
        line.change(number, level=level)
        line.until(minute)
    line.until(26 * 60, step_s=300)
    assert len(line.times()) == 2
    line.change(number, level=4)
    line.until(26 * 60 + 10)
    assert len(line.times()) == 3


def test_what_is_known_is_not_told_again_each_day_and_once_undone_is(line: Timeline) -> None:
    """Told at 1.5, known at 5: no word after a day. Undone: the day's reminder comes. Its end is told."""
    line.until(1)
    number = line.find(level=3)
    line.until(5)
    (alert,) = line.alerts()
    with writing(line.engine) as connection, Session(connection) as session:
        judge(session, alert.id, "known", "yamada", note=None, now_us=line.now_us)
    line.until(26 * 60, step_s=300)
    assert len(line.times()) == 1
    with writing(line.engine) as connection, Session(connection) as session:
        unjudge(session, alert.id, "yamada", line.now_us)
    line.until(26 * 60 + 10)
    assert len(line.times()) == 2
    line.end(number)
    line.until(26 * 60 + 40)
    assert len(line.times()) == 3


def test_a_known_sensor_fault_that_hides_something_worse_is_told(line: Timeline) -> None:
    """Its alert stands for what it explains: a danger behind it is louder than what was known."""
    line.until(1)
    line.find("stuck/strain", kind="stuck", cause="sensor", level=2)
    line.until(1.1)
    (alert,) = line.alerts()
    with writing(line.engine) as connection, Session(connection) as session:
        judge(session, alert.id, "known", "yamada", note=None, now_us=line.now_us)
    line.until(20)
    assert line.times() == []
    line.find(level=4)
    line.until(25)
    assert len(line.times()) == 1


def test_a_silent_gateway_explains_its_sensors_and_is_told_alone(line: Timeline) -> None:
    line.until(1)
    for number, name in ((BRIDGE_STRAIN, "strain"), (BRIDGE_TILT, "tilt")):
        line.find(f"silent/{name}", kind="silent", cause="sensor", level=2, datastream_id=number)
    line.until(1.2)
    line.find("silent/gw-1", kind="silent", cause="gateway", asset_id="gw-1", datastream_id=None, gateway_id="gw-1")
    line.until(60)
    assert len(line.times()) == 1
    _, title, body = line.heard["crew"].messages[0]
    assert "川の中継機" in title
    assert "2 件の警報をまとめました" in body


def test_a_sensor_that_stays_silent_after_its_gateway_is_back_is_told_then(line: Timeline) -> None:
    line.until(1)
    line.find("silent/strain", kind="silent", cause="sensor", level=2)
    number = line.find(
        "silent/gw-1", kind="silent", cause="gateway", asset_id="gw-1", datastream_id=None, gateway_id="gw-1"
    )
    line.until(20)
    line.end(number)
    line.until(29.9)
    assert len(line.times()) == 1
    line.until(40)
    assert any("一番橋" in body for _, _, body in line.heard["crew"].messages[1:])


def test_a_faulty_sensor_gates_the_trouble_it_reports(line: Timeline) -> None:
    line.until(1)
    line.find("stuck/strain", kind="stuck", cause="sensor", level=2)
    line.until(1.2)
    line.find(level=4)
    line.until(30)
    assert len(line.times()) == 1
    assert line.alerts()[1].inhibited_by == line.alerts()[0].id


def test_a_faulty_sensor_that_hides_a_danger_reaches_those_who_hear_of_dangers_only(tmp_path: Path) -> None:
    line = Timeline(
        make_region(tmp_path / "registry.sqlite"), replace(SETTINGS, receiver=(replace(CREW, min_level="danger"),))
    )
    line.until(1)
    line.find("stuck/strain", kind="stuck", cause="sensor", level=2)
    line.until(3)
    assert line.times() == []
    line.find(level=4)
    line.until(5)
    assert len(line.times()) == 1


def test_historical_findings_are_recorded_closed_and_tell_nobody(line: Timeline) -> None:
    line.until(1)
    for day in range(30):
        line.find(since_us=T0 - day * 24 * HOUR_US, until_us=T0 - day * 24 * HOUR_US + HOUR_US, historical=True)
    line.find("old/open", since_us=T0 - HOUR_US, historical=True)
    line.until(60)
    assert line.times() == []
    alerts = line.alerts()
    assert len(alerts) == 31
    assert all(a.historical and a.resolved_us is not None for a in alerts)


def test_a_receiver_that_is_away_is_tried_again_and_told_once_of_the_present_state(line: Timeline) -> None:
    line.heard["crew"].away = True
    line.until(1)
    line.find()
    line.until(4)
    line.find("limit/bridge-1/tilt", datastream_id=BRIDGE_TILT)
    line.until(10)
    assert 4 <= line.heard["crew"].attempts <= 10
    line.heard["crew"].away = False
    line.until(40)
    assert len(line.times()) == 1
    assert "新しい警報 2件" in line.heard["crew"].messages[0][2]


def test_what_was_over_before_the_receiver_came_back_is_withdrawn(line: Timeline) -> None:
    line.heard["crew"].away = True
    line.until(1)
    number = line.find()
    line.until(5)
    line.end(number)
    line.until(20)
    line.heard["crew"].away = False
    line.until(120)
    assert line.times() == []


def test_a_restart_at_any_time_tells_nothing_twice(tmp_path: Path) -> None:
    """The service is started afresh every round; the same is told as without."""
    line = Timeline(make_region(tmp_path / "registry.sqlite"))
    for minute in range(1, 60):
        if minute == 2:
            number = line.find()
        if minute == 20:
            line.end(number)
        line.start()
        line.until(minute)
    assert len(line.times()) == 2


def test_killed_between_sending_and_recording_it_is_sent_again_with_the_same_number(line: Timeline) -> None:
    """The honest limit of at-least-once: the second copy comes after a minute and bears the same number."""
    line.until(1)
    line.find()
    heard, deliver = line.heard["crew"], line.heard["crew"].deliver

    def deliver_and_die(title: str, body: str) -> None:
        deliver(title, body)
        raise KeyboardInterrupt

    heard.deliver = deliver_and_die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        line.until(2)
    heard.deliver = deliver  # type: ignore[method-assign]
    line.start()
    line.until(60)
    assert len(line.times()) == 2
    assert 0.9 <= line.times()[1] - line.times()[0] <= 1.2
    assert heard.messages[0][2] == heard.messages[1][2]
    assert "通知番号 1" in heard.messages[0][2]


@pytest.mark.servers
def test_the_same_on_postgresql() -> None:
    """Gated, told, receiver away and back, acknowledged, over: on a real PostgreSQL."""
    with postgres_server() as server:
        engine = engine_of(server.create("satomori"))
        Base.metadata.create_all(engine)
        fill_region(engine)
        line = Timeline(engine)
        line.until(1)
        line.find("stuck/strain", kind="stuck", cause="sensor", level=2)
        number = line.find(level=4)
        line.heard["crew"].away = True
        line.until(3)
        line.heard["crew"].away = False
        line.until(5)
        assert len(line.times()) == 1
        tilt = line.find("limit/bridge-1/tilt", datastream_id=BRIDGE_TILT)
        line.until(12)
        with writing(engine) as connection, Session(connection) as session:
            acknowledge(session, line.alerts()[2].id, "yamada", None, line.now_us)
        line.end(tilt)
        line.end(number)
        line.until(30)
        assert len(line.times()) == 3
        assert [a.resolved_us is not None for a in line.alerts()] == [False, True, True]
        engine.dispose()


def test_every_message_is_recorded(line: Timeline) -> None:
    line.until(1)
    line.find()
    line.until(5)
    with reading(line.engine) as connection, Session(connection) as session:
        row = session.scalars(select(Notification)).one()
        assert (row.receiver, row.reason, row.attempts, row.error) == ("crew", "first", 1, None)
        assert row.alert_ids == [[line.alerts()[0].id, 3]]
        assert row.sent_us is not None
        assert row.planned_us <= row.sent_us


def test_a_receiver_hears_only_of_what_its_organisations_see(tmp_path: Path) -> None:
    """Decided by the same rule as the console: one's own, and what is shared."""
    kawabe = ReceiverSettings(name="kawabe", url=Secret(env="NONE"), organisations=("kawabe",))
    line = Timeline(make_region(tmp_path / "registry.sqlite"), replace(SETTINGS, receiver=(CREW, kawabe)))
    line.until(1)
    number = line.find()
    line.until(5)
    assert (len(line.times()), line.times("kawabe")) == (1, [])
    with writing(line.engine) as connection, Session(connection) as session:
        session.add(Share(organisation_id="ueno", with_id="kawabe"))
        session.get_one(Version, 1).version += 1
        session.flush()
    line.until(6)
    assert len(line.times("kawabe")) == 1
    line.end(number)
    line.until(20)
    assert (len(line.times()), len(line.times("kawabe"))) == (2, 2)
