"""Messages as rows of the Notification table: planned, tried, sent or given up. The table is all that is remembered.

`Notification.alert_ids` holds pairs [alert id, level told]; level 0 stands for "told that it is over".

Told once: a message is sent, then recorded as sent. Killed in the short time between the two, we can't know whether
it arrived, so it is sent again after IN_DOUBT_US with the same notification number in its text: nobody is left untold,
and who gets it twice can see that it is the same. That is at-least-once; no mail or webhook offers more.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, aliased

from satomori_core.clock import SECOND_US
from satomori_core.vocabulary import Cause, Level, Priority
from satomori_maintenance.dispatch import Plan, Standing, plan
from satomori_maintenance.notify import Reason, Told, retry_after_us
from satomori_maintenance.settings import MaintenanceSettings, ReceiverSettings
from satomori_maintenance.texts import AlertText, body, number_line, title
from satomori_store.feedback import load_known
from satomori_store.models import Alert, Asset, Finding, Notification, Organisation, Site

IN_DOUBT_US = 60 * SECOND_US
ERROR_CHARS_MAX = 500

Visible = Callable[[Session, ReceiverSettings], Collection[str] | None]


@dataclass(slots=True)
class _Group:
    """What one receiver is told together: the alerts of one owner in one municipality."""

    last: Told | None = None
    pending: Notification | None = None
    alerts: list[Standing] = field(default_factory=list)


def plan_messages(session: Session, settings: MaintenanceSettings, visible: Visible, now_us: int) -> list[Notification]:
    """Plan, refresh or withdraw the messages of every receiver; return those that are new."""
    if not settings.receiver:
        return []
    groups = _told(session)
    told = {alert for group in groups.values() if group.last for alert in group.last.firing}
    rows = _alerts(session, told)
    weights, known = _weights(alert for alert, _ in rows), load_known(session)
    planned: list[Notification] = []
    for receiver in settings.receiver:
        eyes = visible(session, receiver)
        mine = {key: group for key, group in groups.items() if key[0] == receiver.name}
        for alert, municipality_id in rows:
            if eyes is None or alert.asset_id in eyes:
                key = (receiver.name, f"{receiver.name}|{alert.organisation_id}|{municipality_id}")
                mine.setdefault(key, _Group()).alerts.append(_standing(alert, weights, known))
        for (_, group_key), group in mine.items():
            decision = plan(group.last, group.alerts, receiver.least_level, settings.timing, now_us)
            message = _carry_out(
                session, receiver, group_key, group, decision, console_url=settings.console_url, now_us=now_us
            )
            if message is not None:
                planned.append(message)
    return planned


def _told(session: Session) -> dict[tuple[str, str], _Group]:
    """What each group was last told, and the message that is still on its way."""
    groups: dict[tuple[str, str], _Group] = {}
    last_sent = select(func.max(Notification.id)).where(Notification.sent_us.is_not(None))
    query = select(Notification).where(
        Notification.reason != Reason.EVENT,
        or_(
            Notification.id.in_(last_sent.group_by(Notification.group_key)),
            Notification.sent_us.is_(None) & Notification.gave_up_us.is_(None),
        ),
    )
    for row in session.scalars(query):
        group = groups.setdefault((row.receiver, row.group_key), _Group())
        if row.sent_us is None:
            group.pending = row
        else:
            firing = {int(alert): int(level) for alert, level in row.alert_ids if level > 0}
            over = [int(alert) for alert, level in row.alert_ids if level == 0]
            group.last = Told(row.sent_us, firing, over)
    return groups


def _alerts(session: Session, told: Collection[int]) -> Sequence[tuple[Alert, str]]:
    """Alerts that stand, and those that someone was told of as standing; with their municipality."""
    query = (
        select(Alert, Asset.municipality_id)
        .join(Asset, Asset.id == Alert.asset_id)
        .where(Alert.historical.is_(False))
        .where(or_(Alert.resolved_us.is_(None), Alert.id.in_(told)))
        .order_by(Alert.id)
    )
    return session.execute(query).all()


def _weights(alerts: Iterable[Alert]) -> dict[int, int]:
    """Alert → the worst level among those that it explains."""
    weights: dict[int, int] = {}
    for alert in alerts:
        if alert.inhibited_by is not None and alert.resolved_us is None:
            weights[alert.inhibited_by] = max(alert.level, weights.get(alert.inhibited_by, 0))
    return weights


def _standing(alert: Alert, weights: Mapping[int, int], known: Mapping[int, int]) -> Standing:
    weight = max(alert.level, weights.get(alert.id, 0))
    return Standing(
        alert_id=alert.id,
        level=alert.level,
        weight=weight,
        opened_us=alert.opened_us,
        changed_us=alert.updated_us,
        resolved=alert.resolved_us is not None,
        explained=alert.inhibited_by is not None,
        acknowledged=alert.acknowledged_us is not None,
        # Known at the level that somebody has seen; what is worse, it or what it hides, has to be told.
        known=weight <= known.get(alert.id, -1),
    )


def _carry_out(
    session: Session,
    receiver: ReceiverSettings,
    group_key: str,
    group: _Group,
    decision: Plan | None,
    *,
    console_url: str,
    now_us: int,
) -> Notification | None:
    """Make the row that the decision asks for. A message still on its way is brought up to date or withdrawn."""
    row = group.pending
    if decision is None:
        if row is not None:
            row.gave_up_us = now_us
            row.error = "withdrawn: it was over before it could be told"
        return None
    pairs = [[alert, level] for alert, level in decision.firing.items()] + [[a, 0] for a in decision.resolved]
    if row is not None and row.alert_ids == pairs:
        return None
    is_new = row is None
    if row is None:
        row = Notification(receiver=receiver.name, group_key=group_key, planned_us=now_us, next_attempt_us=now_us)
        session.add(row)
    row.reason, row.alert_ids, row.title, row.body = str(decision.reason), pairs, "", ""
    session.flush()
    _write(session, row, receiver, group, decision, console_url=console_url)
    return row if is_new else None


def _write(
    session: Session,
    row: Notification,
    receiver: ReceiverSettings,
    group: _Group,
    decision: Plan,
    *,
    console_url: str,
) -> None:
    language = receiver.language
    texts = alert_texts(session, [*decision.firing, *decision.resolved])
    firing = [texts[alert] for alert in decision.firing]
    resolved = [texts[alert] for alert in decision.resolved]
    before = group.last.firing if group.last else {}
    new = frozenset(alert for alert, level in decision.firing.items() if level > before.get(alert, 0))
    row.title = title(Reason(row.reason), firing, resolved, new, language)
    row.body = body(firing, resolved, new, language, console_url) + number_line(row.id, language)
    session.flush()


def alert_texts(session: Session, alert_ids: Collection[int]) -> dict[int, AlertText]:
    """All that a message says of these alerts."""
    owner, town = aliased(Organisation), aliased(Organisation)
    query = (
        select(Alert, Finding, Asset, Site, owner, town)
        .join(Finding, Finding.id == Alert.finding_id)
        .join(Asset, Asset.id == Alert.asset_id)
        .join(Site, Site.id == Asset.site_id)
        .join(owner, owner.id == Alert.organisation_id)
        .join(town, town.id == Asset.municipality_id)
        .where(Alert.id.in_(alert_ids))
    )
    explained = select(Alert.inhibited_by, func.count()).where(Alert.inhibited_by.in_(alert_ids))
    explains = dict(session.execute(explained.where(Alert.resolved_us.is_(None)).group_by(Alert.inhibited_by)).all())
    return {
        alert.id: AlertText(
            alert_id=alert.id,
            asset_id=asset.id,
            asset=(asset.name, asset.name_en),
            class_=asset.class_,
            site=(site.name, site.name_en),
            municipality=(municipality.name, municipality.name_en),
            organisation=(organisation.name, organisation.name_en),
            time_zone=site.time_zone,
            level=Level(alert.level),
            priority=Priority(alert.priority),
            cause=Cause(alert.cause),
            since_us=alert.since_us,
            until_us=alert.resolved_us,
            what=(alert.text_ja, alert.text_en),
            action=(alert.advice_ja, alert.advice_en),
            confidence=finding.confidence,
            evidence=finding.evidence,
            explains=explains.get(alert.id, 0),
            pictured=finding.id if "picture" in finding.evidence else None,
        )
        for alert, finding, asset, site, organisation, municipality in session.execute(query)
    }


# ------------------------------------------------------------------ the way of one message


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message as it is being sent: what it says now is what will have been told."""

    id: int
    attempts: int
    planned_us: int
    alert_ids: list[list[int]]
    title: str
    body: str


def claim_next(session: Session, receiver: str, now_us: int) -> Claimed | None:
    """Take the receiver's oldest message that is due, and count the attempt before it is made."""
    row = session.scalars(
        select(Notification)
        .where(Notification.receiver == receiver, Notification.sent_us.is_(None), Notification.gave_up_us.is_(None))
        .where(Notification.next_attempt_us <= now_us)
        .order_by(Notification.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    row.attempts += 1
    row.next_attempt_us = now_us + IN_DOUBT_US
    session.flush()
    return Claimed(row.id, row.attempts, row.planned_us, row.alert_ids, row.title, row.body)


def record_sent(session: Session, message: Claimed, now_us: int) -> None:
    """What was sent stands, even where the row was brought up to date or withdrawn meanwhile."""
    session.execute(
        update(Notification)
        .where(Notification.id == message.id)
        .values(
            sent_us=now_us,
            next_attempt_us=None,
            gave_up_us=None,
            error=None,
            alert_ids=message.alert_ids,
            title=message.title,
            body=message.body,
        )
    )


def record_failed(session: Session, message: Claimed, error: str, give_up_after_us: int, now_us: int) -> bool:
    """Plan the next attempt, or give up what is too old, so that a fresh message takes its place. Return whether."""
    given_up = now_us - message.planned_us >= give_up_after_us
    session.execute(
        update(Notification)
        .where(Notification.id == message.id)
        .values(
            error=error[:ERROR_CHARS_MAX],
            next_attempt_us=None if given_up else now_us + retry_after_us(message.attempts),
            **({"gave_up_us": now_us} if given_up else {}),
        )
    )
    return given_up
