"""Status as data: how each asset and group stands, and what happened to alerts, written to the store for dashboards.

Status is written on change and every few minutes. Alert events are written once; their times are the alert's own, so
that writing one again, after a crash, changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Engine, or_, select
from sqlalchemy.orm import Session

from satomori_core.clock import SECOND_US
from satomori_core.vocabulary import Cause, Level
from satomori_maintenance.alert import Event
from satomori_maintenance.rows import OVERLAP_US
from satomori_maintenance.settings import MaintenanceSettings
from satomori_maintenance.status import Trouble, Watched, asset_statuses, group_statuses
from satomori_store.databases import reading, writing
from satomori_store.models import Alert, Asset, Cursor, Datastream, Finding, GroupMember, Placement, Version
from satomori_store.port import AlertEvent, AssetStatus, Columns, GroupStatus, StatusPoint


class StatusStore(Protocol):
    """What of the store is needed here."""

    def latest(self, datastreams: Sequence[int]) -> Columns: ...

    def write_status(self, points: Sequence[StatusPoint]) -> None: ...


CURSOR = "maintenance.alert_events"
# How many alerts' events one write carries.
ALERTS_MAX = 500


def read_watched(session: Session, settings: MaintenanceSettings, now_us: int) -> list[Watched]:
    """Every asset with the datastreams that are in use. A gateway is also watched by what comes through it."""
    least_us = round(settings.stale_after_least_s * SECOND_US)
    streams = session.execute(
        select(Datastream.id, Datastream.asset_id, Datastream.device_id, Datastream.interval_s).where(
            or_(Datastream.until_us.is_(None), Datastream.until_us > now_us)
        )
    )
    placements = session.execute(
        select(Placement.device_id, Placement.gateway_id).where(
            or_(Placement.until_us.is_(None), Placement.until_us > now_us)
        )
    )
    gateway_of = dict(placements.all())
    watching: dict[str, dict[int, int]] = {}
    for number, asset_id, device_id, interval_s in streams:
        stale_after_us = max(round(settings.stale_after_intervals * interval_s * SECOND_US), least_us)
        for watched_id in {asset_id, gateway_of.get(device_id, asset_id)}:
            watching.setdefault(watched_id, {})[number] = stale_after_us
    groups: dict[str, list[str]] = {}
    for member in session.scalars(select(GroupMember).order_by(GroupMember.group_id)):
        groups.setdefault(member.asset_id, []).append(member.group_id)
    return [
        Watched(
            asset=asset.id,
            class_=asset.class_,
            municipality=asset.municipality_id,
            latitude=asset.latitude,
            longitude=asset.longitude,
            groups=tuple(groups.get(asset.id, ())),
            stale_after_us=watching.get(asset.id, {}),
        )
        for asset in session.scalars(select(Asset).order_by(Asset.id))
    ]


def read_troubles(session: Session) -> dict[str, list[Trouble]]:
    """Asset → its open findings."""
    query = (
        select(Finding, Alert.inhibited_by)
        .outerjoin(Alert, Alert.finding_id == Finding.id)
        .where(Finding.until_us.is_(None))
    )
    troubles: dict[str, list[Trouble]] = {}
    for finding, inhibited_by in session.execute(query):
        trouble = Trouble(
            level=Level(finding.level),
            cause=Cause(finding.cause),
            since_us=finding.since_us,
            text_ja=finding.text_ja,
            text_en=finding.text_en,
            explained=inhibited_by is not None,
        )
        troubles.setdefault(finding.asset_id, []).append(trouble)
    return troubles


def _states(statuses: Sequence[AssetStatus | GroupStatus]) -> dict[tuple[str, ...], tuple[object, ...]]:
    """What of a status counts as a change of it."""
    states: dict[tuple[str, ...], tuple[object, ...]] = {}
    for status in statuses:
        if isinstance(status, AssetStatus):
            states["asset", status.asset] = (status.level, status.reason, status.class_, status.municipality)
        else:
            states["group", status.group, status.municipality, status.class_] = (status.level, status.counts)
    return states


@dataclass(slots=True)
class StatusWriter:
    """Writes statuses when they change and all of them every `status_every_s`. One thread uses it."""

    engine: Engine
    store: StatusStore
    settings: MaintenanceSettings
    _version: int | None = None
    _watched: list[Watched] = field(default_factory=list)
    _latest_us: dict[int, int] = field(default_factory=dict)
    _latest_read_us: int | None = None
    _before: dict[str, AssetStatus] = field(default_factory=dict)
    _written: dict[tuple[str, ...], tuple[object, ...]] = field(default_factory=dict)
    _all_written_us: int | None = None

    def write(self, now_us: int) -> int:
        """Write what has to be; return how many points. Raise UnavailableError where registry or store is away."""
        with reading(self.engine) as connection, Session(connection) as session:
            version = session.scalars(select(Version.version)).first()
            if version != self._version:
                self._watched, self._version = read_watched(session, self.settings, now_us), version
                self._latest_read_us = None
            troubles = read_troubles(session)
        self._read_latest(now_us)
        assets = asset_statuses(self._watched, troubles, self._latest_us, self._before, now_us)
        groups = group_statuses(self._watched, assets, now_us)
        both: list[AssetStatus | GroupStatus] = [*assets, *groups]
        states = _states(both)
        every_us = round(self.settings.status_every_s * SECOND_US)
        all_of_them = self._all_written_us is None or now_us - self._all_written_us >= every_us
        points: list[StatusPoint] = [
            status
            for status in both
            if all_of_them or any(self._written.get(key) != state for key, state in _states([status]).items())
        ]
        if points:
            self.store.write_status(points)
        self._written = states
        self._before = {status.asset: status for status in assets}
        if all_of_them:
            self._all_written_us = now_us
        return len(points)

    def _read_latest(self, now_us: int) -> None:
        every_us = round(self.settings.freshness_every_s * SECOND_US)
        if self._latest_read_us is not None and now_us - self._latest_read_us < every_us:
            return
        wanted = sorted({number for watched in self._watched for number in watched.stale_after_us})
        columns = self.store.latest(wanted)
        pairs = zip(columns.datastream.tolist(), columns.observed_at_us.tolist(), strict=True)
        self._latest_us = dict(pairs)
        self._latest_read_us = now_us


# ------------------------------------------------------------------ alert events


def events_of(alert: Alert, asset: Asset) -> list[AlertEvent]:
    """What has happened to the alert so far, each at its own time."""
    times: Mapping[Event, int | None] = {
        Event.OPENED: alert.opened_us,
        Event.ACKNOWLEDGED: alert.acknowledged_us,
        Event.RESOLVED: alert.resolved_us,
    }
    return [
        AlertEvent(
            # Two alerts of an asset may open in the same moment, and a series holds one point for each time.
            at_us=at_us + alert.id % 1000,
            alert=alert.id,
            asset=asset.id,
            class_=asset.class_,
            municipality=asset.municipality_id,
            priority=alert.priority,
            level=alert.level,
            event=str(event),
            text_ja=alert.text_ja,
            text_en=alert.text_en,
        )
        for event, at_us in times.items()
        if at_us is not None
    ]


@dataclass(slots=True)
class EventWriter:
    """Writes events of alerts that changed; an explained alert has none, since nobody is told of it."""

    engine: Engine
    store: StatusStore
    _seen: dict[int, int] = field(default_factory=dict)

    def write(self) -> int:
        """Write the events of up to ALERTS_MAX alerts; return how many alerts. Raise UnavailableError."""
        with reading(self.engine) as connection, Session(connection) as session:
            cursor = session.get(Cursor, CURSOR)
            reached_us = cursor.change_id if cursor else 0
            there = session.execute(
                select(Alert.id, Alert.updated_us)
                .where(Alert.updated_us >= reached_us - OVERLAP_US)
                .order_by(Alert.updated_us, Alert.id)
            )
            updated = dict(there.all())
            wanted = [number for number, at in updated.items() if self._seen.get(number) != at][:ALERTS_MAX]
            if not wanted:
                return 0
            query = select(Alert, Asset).join(Asset, Asset.id == Alert.asset_id).where(Alert.id.in_(wanted))
            rows = session.execute(query).all()
            points = [p for alert, asset in rows if alert.inhibited_by is None for p in events_of(alert, asset)]
        if points:
            self.store.write_status(points)
        with writing(self.engine) as connection, Session(connection) as session:
            session.merge(Cursor(name=CURSOR, change_id=max(reached_us, *(updated[n] for n in wanted))))
            session.flush()
        self._seen = {n: at for n, at in (self._seen | {n: updated[n] for n in wanted}).items() if n in updated}
        return len(wanted)
