"""After an earthquake or a storm each receiver is told once what to look at first: one message, not one an asset."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from satomori_core.clock import DAY_US
from satomori_maintenance.notify import Reason
from satomori_maintenance.outgoing import Visible
from satomori_maintenance.settings import MaintenanceSettings, ReceiverSettings
from satomori_maintenance.texts import LookText, looks_body, looks_title, number_line
from satomori_store.models import Asset, FirstLook, HazardEvent, Notification, Organisation

# What was told longer ago is told no more: who comes back after days finds it on the console's page.
TOLD_WITHIN_US = DAY_US


class FirstLooks:
    """`plan` is for each round. What it remembers only spares work: an order in which nobody else has to be told."""

    def __init__(self) -> None:
        self._done: set[tuple[str, int | None]] = set()  # event, when it was ordered

    def plan(
        self, session: Session, settings: MaintenanceSettings, visible: Visible, now_us: int
    ) -> list[Notification]:  # fmt: skip
        """A message for each receiver that sees an asset to look at and was not told of the event; those are returned.

        It is told by its id, so a restart or a new order of the assets tells nobody again.
        """
        fresh = (HazardEvent.state == "ordered", HazardEvent.told_us > now_us - TOLD_WITHIN_US)
        events = session.scalars(select(HazardEvent).where(*fresh).order_by(HazardEvent.told_us)).all()
        self._done &= {(event.id, event.ordered_us) for event in events}
        planned: list[Notification] = []
        for event in events:
            if (event.id, event.ordered_us) in self._done:
                continue
            made = _messages(session, event, settings, visible, now_us)
            if not made:
                self._done.add((event.id, event.ordered_us))
            planned += made
        return planned


def _messages(
    session: Session, event: HazardEvent, settings: MaintenanceSettings, visible: Visible, now_us: int
) -> list[Notification]:
    keys = {f"event|{event.id}|{receiver.name}": receiver for receiver in settings.receiver}
    told = set(session.scalars(select(Notification.group_key).where(Notification.group_key.in_(keys))))
    waiting = {key: receiver for key, receiver in keys.items() if key not in told}
    looks = _looks(session, event.id) if waiting else []
    made: list[Notification] = []
    for key, receiver in waiting.items():
        eyes = visible(session, receiver)
        mine = [look for look in looks if eyes is None or look.asset_id in eyes]
        if any(look.verdict == "look" for look in mine):
            message = _message(event, receiver, mine, settings.console_url)
            message.group_key, message.planned_us, message.next_attempt_us = key, now_us, now_us
            session.add(message)
            session.flush()
            message.body += number_line(message.id, receiver.language)
            made.append(message)
    session.flush()
    return made


def _looks(session: Session, event_id: str) -> list[LookText]:
    town = aliased(Organisation)
    query = (
        select(FirstLook, Asset, town)
        .join(Asset, Asset.id == FirstLook.asset_id)
        .join(town, town.id == Asset.municipality_id)
        .where(FirstLook.event_id == event_id, FirstLook.verdict != "wait", FirstLook.result.is_(None))
        .order_by(FirstLook.rank)
    )
    return [
        LookText(
            asset.id, look.verdict, (asset.name, asset.name_en), (place.name, place.name_en),
            (" · ".join(look.reasons_ja), " · ".join(look.reasons_en)), (look.look_ja, look.look_en),
        )
        for look, asset, place in session.execute(query)
    ]  # fmt: skip


def _message(
    event: HazardEvent, receiver: ReceiverSettings, looks: Sequence[LookText], console_url: str
) -> Notification:
    said, language = (event.said_ja, event.said_en), receiver.language
    return Notification(
        receiver=receiver.name,
        reason=str(Reason.EVENT),
        alert_ids=[],
        title=looks_title(said, looks, language),
        body=looks_body(looks, language, console_url, event.id, event.told.get("note", "")),
    )
