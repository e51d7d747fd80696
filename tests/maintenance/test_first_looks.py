"""What to look at first after an event, to each receiver once: rows in, rows out."""

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_core.clock import HOUR_US
from satomori_core.settings import Secret
from satomori_maintenance.first_looks import FirstLooks
from satomori_maintenance.outgoing import plan_messages
from satomori_maintenance.settings import MaintenanceSettings, ReceiverSettings
from satomori_store.databases import writing
from satomori_store.events import record_event
from satomori_store.models import FirstLook, HazardEvent, Notification
from support.region import make_region

NOW = 500_000 * HOUR_US
SEEN = {"ueno": {"bridge-1"}, "farm": {"paddy-1"}}


def visible(_session: Session, receiver: ReceiverSettings) -> set[str]:
    return SEEN[receiver.name]


def test_who_sees_something_to_look_at_is_told_and_keeps_the_message_until_it_can_be_sent(tmp_path: Path) -> None:
    """Who sees nothing to look at is told when a new order says so; nothing withdraws what waits for its receiver."""
    engine = make_region(tmp_path / "registry.sqlite")
    receivers = tuple(ReceiverSettings(name=name, url=Secret(env="NONE")) for name in SEEN)
    settings = MaintenanceSettings(receiver=receivers)
    looks = FirstLooks()
    with writing(engine) as connection, Session(connection) as session:
        record_event(session, {"id": "eq-1", "kind": "earthquake"}, "mqtt", NOW)
        event = session.get_one(HazardEvent, "eq-1")
        event.state, event.ordered_us = "ordered", NOW
        for rank, (asset, verdict) in enumerate((("bridge-1", "look"), ("paddy-1", "unknown")), 1):
            session.add(FirstLook(
                event_id="eq-1", asset_id=asset, rank=rank, verdict=verdict, reasons_ja=[], reasons_en=[],
                look_ja="", look_en="",
            ))  # fmt: skip
        session.flush()
        assert [row.receiver for row in looks.plan(session, settings, visible, NOW)] == ["ueno"]
        assert looks.plan(session, settings, visible, NOW + 1) == []
        session.get_one(FirstLook, ("eq-1", "paddy-1")).verdict = "look"
        event.ordered_us = NOW + 2
        session.flush()
        assert [row.receiver for row in looks.plan(session, settings, visible, NOW + 2)] == ["farm"]
        assert FirstLooks().plan(session, settings, visible, NOW + 3) == []
        assert plan_messages(session, settings, visible, NOW + 3) == []
        waiting = session.scalars(select(Notification).where(Notification.gave_up_us.is_(None))).all()
        assert {row.receiver for row in waiting} == set(SEEN)
        session.flush()
    engine.dispose()
