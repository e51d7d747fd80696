"""Findings and alerts as rows of the registry database: reads what the pure modules need, stores what they decide.

All functions work inside the caller's session and transaction; none commits.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from satomori_core.clock import SECOND_US
from satomori_core.vocabulary import Cause, Level, Priority
from satomori_maintenance.alert import AlertState, Event, FindingState, follow
from satomori_maintenance.inhibit import Candidate, explanations
from satomori_store.models import Alert, Asset, Cursor, Datastream, Finding, Placement

CURSOR = "maintenance.findings"
# `updated_us` is set before its transaction commits, so a reader looks back this far for what committed late.
OVERLAP_US = 60 * SECOND_US
# How many findings one transaction follows; a region's history brings thousands at once.
FINDINGS_MAX = 500


@dataclass(frozen=True, slots=True)
class Happened:
    """Something happened to an alert; `alert` is its row."""

    alert: Alert
    event: Event


@dataclass(slots=True)
class FindingReader:
    """How far findings were followed. `seen` (finding → its updated_us) only saves work: a restart may forget it."""

    seen: dict[int, int] = field(default_factory=dict)

    def follow(self, session: Session, now_us: int, hold_us: int) -> tuple[list[Happened], bool]:
        """Bring the alerts up to date with findings that changed; and whether there are more to follow."""
        cursor = session.get(Cursor, CURSOR)
        start_us = cursor.change_id if cursor else 0
        query = (
            select(Finding.id, Finding.updated_us)
            .where(or_(Finding.updated_us >= start_us - OVERLAP_US, Finding.until_us.is_(None)))
            .order_by(Finding.updated_us, Finding.id)
        )
        there = session.execute(query).all()
        changed = [(number, at) for number, at in there if self.seen.get(number) != at]
        taken = changed[:FINDINGS_MAX]
        happened = _follow(session, [number for number, _ in taken], now_us, hold_us)
        reached_us = max([start_us, *(at for _, at in taken)])
        if cursor is None:
            session.add(Cursor(name=CURSOR, change_id=reached_us))
        elif cursor.change_id != reached_us:
            cursor.change_id = reached_us
        done = {number for number, _ in there} - {number for number, _ in changed[FINDINGS_MAX:]}
        self.seen = {number: at for number, at in there if number in done}
        return happened, len(changed) > len(taken)


def _follow(session: Session, finding_ids: Collection[int], now_us: int, hold_us: int) -> list[Happened]:
    if not finding_ids:
        return []
    findings = session.execute(
        select(Finding, Asset.organisation_id)
        .join(Asset, Asset.id == Finding.asset_id)
        .where(Finding.id.in_(finding_ids))
        .order_by(Finding.id)
    ).all()
    fingerprints = {finding.fingerprint for finding, _ in findings}
    rows = session.scalars(select(Alert).where(Alert.fingerprint.in_(fingerprints)).order_by(Alert.since_us))
    by_finding: dict[int, Alert] = {}
    newest: dict[str, Alert] = {}
    for row in rows:
        by_finding[row.finding_id] = newest[row.fingerprint] = row
    happened: list[Happened] = []
    for finding, organisation_id in findings:
        known = by_finding.get(finding.id) or newest.get(finding.fingerprint)
        state = alert_state(known) if known is not None else None
        after, event = follow(state, _finding_state(finding, organisation_id), now_us, hold_us)
        if after is None:
            continue
        row = _store(session, known if state is not None and after.id == state.id else None, after)
        by_finding[finding.id] = row
        if newest.get(row.fingerprint) is None or newest[row.fingerprint].since_us <= row.since_us:
            newest[row.fingerprint] = row
        if event is not None:
            happened.append(Happened(row, event))
    session.flush()
    return happened


def _store(session: Session, row: Alert | None, state: AlertState) -> Alert:
    values = {f.name: getattr(state, f.name) for f in fields(state) if f.name != "id"}
    values |= {"level": int(state.level), "priority": str(state.priority), "cause": str(state.cause)}
    if row is None:
        row = Alert(**values)
        session.add(row)
        session.flush()  # its id is what tells it from a new one
        return row
    for name, value in values.items():
        setattr(row, name, value)
    return row


def alert_state(row: Alert) -> AlertState:
    values = {f.name: getattr(row, f.name) for f in fields(AlertState)}
    values |= {"level": Level(row.level), "priority": Priority(row.priority), "cause": Cause(row.cause)}
    return AlertState(**values)


def _finding_state(row: Finding, organisation_id: str) -> FindingState:
    values = {f.name: getattr(row, f.name) for f in fields(FindingState) if f.name != "organisation_id"}
    values |= {"level": Level(row.level), "cause": Cause(row.cause), "organisation_id": organisation_id}
    return FindingState(**values)


def explain(session: Session, now_us: int, hold_us: int) -> list[Alert]:
    """Set `inhibited_by` of the alerts that stand; return those for which it changed."""
    candidates, standing = _candidates(session, now_us, hold_us)
    by = explanations(candidates, now_us, hold_us)
    changed = [row for row in standing if row.inhibited_by != by.get(row.id)]
    for row in changed:
        row.inhibited_by = by.get(row.id)
        row.updated_us = now_us
    session.flush()
    return changed


def _candidates(session: Session, now_us: int, hold_us: int) -> tuple[list[Candidate], list[Alert]]:
    """Alerts that stand or ended within the hold time; and the rows of those that stand."""
    rows = session.execute(
        select(Alert, Finding.kind, Finding.gateway_id, Finding.evidence, Datastream)
        .join(Finding, Finding.id == Alert.finding_id)
        .outerjoin(Datastream, Datastream.id == Finding.datastream_id)
        .where(Alert.historical.is_(False))
        .where(or_(Alert.resolved_us.is_(None), Alert.resolved_us > now_us - hold_us))
    ).all()
    devices = {datastream.device_id for *_, datastream in rows if datastream is not None}
    behind = _gateways_of(session, devices, now_us)
    candidates = [
        Candidate(
            alert_id=alert.id,
            cause=Cause(alert.cause),
            kind=kind,
            since_us=alert.since_us,
            resolved_us=alert.resolved_us,
            datastream=datastream.id if datastream is not None else None,
            gateway=_gateway(alert, gateway_id, behind.get(datastream.device_id) if datastream is not None else None),
            interval_us=datastream.interval_s * SECOND_US if datastream is not None else 0,
            inputs=frozenset(evidence.get("inputs", ())),
        )
        for alert, kind, gateway_id, evidence, datastream in rows
    ]
    return candidates, [alert for alert, *_ in rows if alert.resolved_us is None]


def _gateway(alert: Alert, named: str | None, behind: str | None) -> str | None:
    """The gateway in question; a gateway's own asset has its id."""
    if named is None and alert.cause == Cause.GATEWAY:
        return alert.asset_id
    return named or behind


def _gateways_of(session: Session, devices: Iterable[str], now_us: int) -> dict[str, str]:
    query = (
        select(Placement.device_id, Placement.gateway_id)
        .where(Placement.device_id.in_(list(devices)))
        .where(Placement.from_us <= now_us)
        .where(or_(Placement.until_us.is_(None), Placement.until_us > now_us))
    )
    return dict(session.execute(query).all())
