"""Authorised queries: everything that a person may see goes through here, for the REST routes and the console alike.

Each method takes the viewer first, asks `satomori_store.access` what that viewer may see, and answers with frozen
records (`views.py`). Synchronous: call them from a thread, never on an event loop. What does not exist and what the
viewer may not know of raise the same NotFoundError.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any, Literal

from sqlalchemy import Engine, func, select

from satomori_analytics.condition.rates import Ratebook, load_rates
from satomori_analytics.condition.region import Condition, by_urgency, conditions, load_structures
from satomori_analytics.forecasts.base import NAMES
from satomori_analytics.peers.region import Comparison, compare_all, load_region
from satomori_analytics.playbook import Playbooks
from satomori_analytics.trend_picture import trend
from satomori_analytics.triage.order import Event, Ranked, Subject, order
from satomori_analytics.triage.region import NONE_OPEN, load_open
from satomori_analytics.triage.rules import Rulebook
from satomori_api import picture
from satomori_api.formatting import Language
from satomori_api.judging import Judging
from satomori_api.looking import Looking
from satomori_api.observing import Observing, auto_step_us
from satomori_api.operating import Operating
from satomori_api.rows import alert_view, audit_view, device_view, forecast_view, quarantine_view
from satomori_api.sight import Sight, alert_query, in_state, is_open, is_recent, of_asset
from satomori_api.standing import counts_of, worst_of
from satomori_api.views import (
    AlertView,
    AssetDetail,
    AssetView,
    AuditView,
    DatastreamView,
    DeviceView,
    FindingView,
    ForecastView,
    GatewayView,
    GroupView,
    LatestView,
    Measured,
    Observations,
    OrganisationView,
    QuarantineView,
    SiteView,
    StatusCell,
)
from satomori_core.clock import now_us as clock_now_us
from satomori_core.errors import NotFoundError, RejectedError
from satomori_maintenance import alerts as maintenance_alerts
from satomori_store import access, models
from satomori_store.access import Viewer
from satomori_store.ledger import Ledger
from satomori_store.port import Aggregate, ObservationStore
from satomori_store.transactions import transaction

AlertState = Literal["open", "acknowledged", "resolved", "unresolved", "all"]
ROWS_MAX = 1000  # of findings and alerts in one answer


class Queries:
    """Safe to use from many threads. `more_stores`: of the same content, to read from at once; `clock`: µs now.

    `ratebook`: how fast ratings worsen; the package's where none is given.
    """

    def __init__(
        self,
        engine: Engine,
        store: ObservationStore,
        ledger: Ledger,
        *,
        more_stores: Sequence[ObservationStore] = (),
        observations_max: int = 100_000,
        clock: Callable[[], int] = clock_now_us,
        ratebook: Ratebook | None = None,
    ) -> None:
        self._engine = engine
        self._ratebook = ratebook or load_rates()
        self.observing = Observing((store, *more_stores), observations_max)
        self._sight = Sight(engine, self.observing, clock)
        self.operating = Operating(engine, self._sight, clock)
        self.judging = Judging(engine, self._sight, clock)
        self.looking = Looking(engine, self._sight, self.observing, clock)
        self._ledger = ledger
        self._clock = clock

    # -------------------------------------------------------------- who and where

    def organisations(self, viewer: Viewer) -> list[OrganisationView]:
        """The viewer's own, and those that own or host an asset that the viewer sees."""
        with self._sight.session() as session:
            assets = self._sight.assets(session, viewer)
            ids = {viewer.organisation_id, *(a.organisation_id for a in assets), *(a.municipality_id for a in assets)}
            rows = session.scalars(select(models.Organisation).order_by(models.Organisation.id)).all()
            everything = viewer.role == "admin"
            return [OrganisationView(r.id, r.kind, r.name, r.name_en) for r in rows if everything or r.id in ids]

    def sites(self, viewer: Viewer) -> list[SiteView]:
        """The viewer's organisation's, and those where an asset lies that the viewer sees."""
        with self._sight.session() as session:
            ids = {asset.site_id for asset in self._sight.assets(session, viewer)}
            rows = session.scalars(select(models.Site).order_by(models.Site.id)).all()
            return [
                SiteView(r.id, r.organisation_id, r.name, r.name_en, r.latitude, r.longitude, r.time_zone)
                for r in rows
                if r.id in ids or r.organisation_id == viewer.organisation_id or viewer.role == "admin"
            ]

    def assets(
        self,
        viewer: Viewer,
        *,
        class_: str | None = None,
        municipality: str | None = None,
        group: str | None = None,
        level: int | None = None,
        search: str | None = None,
    ) -> list[AssetView]:
        """Worst first, then by id. `level`: exactly that one; `search`: in id and names, width and case ignored."""
        with self._sight.session() as session:
            rows = self._sight.assets(session, viewer)
            if class_ is not None:
                rows = [row for row in rows if row.class_ == class_]
            if municipality is not None:
                rows = [row for row in rows if row.municipality_id == municipality]
            if search:
                rows = [row for row in rows if _contains(search, row.id, row.name, row.name_en)]
            views = self._sight.asset_views(session, rows, viewer)
        if group is not None:
            views = [view for view in views if group in view.groups]
        if level is not None:
            views = [view for view in views if view.level == level]
        return sorted(views, key=lambda view: (-view.level, view.id))

    def asset(self, viewer: Viewer, asset_id: str) -> AssetDetail:
        """One asset with all that its page shows. Raise NotFoundError."""
        with self._sight.session() as session:
            row = self._sight.asset(session, viewer, asset_id)
            view = self._sight.asset_views(session, [row], viewer)[0]
            findings = self._sight.findings(
                session, select(models.Finding).where(is_open(), of_asset(asset_id), is_recent()), viewer
            )
            query = alert_query().where(models.Alert.asset_id == asset_id, models.Alert.resolved_us.is_(None))
            alerts = [alert_view(*found, viewer) for found in session.execute(query.limit(ROWS_MAX))]
            streams = self._sight.datastream_views(session, [asset_id])
        common = {field.name: getattr(view, field.name) for field in fields(AssetView)}
        alerts.sort(key=lambda alert: (-alert.level, -alert.opened_us))
        return AssetDetail(**common, datastreams=tuple(streams), findings=tuple(findings), alerts=tuple(alerts))

    def triage(self, viewer: Viewer, event: Event, rulebook: Rulebook) -> list[Ranked]:
        """The viewer's assets by what to look at first. Raise RejectedError where none lies in a place of the event."""
        with self._sight.session() as session:
            views = self._sight.asset_views(session, self._sight.assets(session, viewer), viewer)
            found = load_open(session)
        subjects = [
            Subject(
                view.id, view.class_, view.municipality_id, view.name, view.name_en, view.latitude, view.longitude,
                view.built_year, view.attributes, view.level, found.get(view.id, NONE_OPEN).count,
            )
            for view in views
        ]  # fmt: skip
        return order(event, subjects, rulebook)

    def condition(self, viewer: Viewer, asset_id: str, playbooks: Playbooks | None = None) -> list[Condition]:
        """How a structure stands, by these limits; none where its class has no condition. Raise NotFoundError."""
        with self._sight.session() as session:
            self._sight.asset(session, viewer, asset_id)
        with self.observing.store() as store:
            structures = load_structures(self._engine, [asset_id])
            return conditions(
                self._engine, store, structures, self._clock(), playbooks=playbooks, ratebook=self._ratebook
            )

    def trend(self, viewer: Viewer, asset_id: str, metric: str, playbooks: Playbooks) -> str:
        """What was measured of a structure's metric with its trend, SVG, in the viewer's language.

        Raise NotFoundError.
        """
        asset, language = self.asset(viewer, asset_id), _language(viewer)
        limits = playbooks.of(asset.class_, asset.municipality_id)
        drawn = [
            trend(measured, limits, found.reaches, asset.attributes)
            for found in self.condition(viewer, asset_id, playbooks)
            for measured in found.measured
            if measured.metric == metric
        ]
        name = asset.name_en if language == "en" else asset.name
        svg = picture.stacked(language, drawn, name, asset.time_zone, self._clock())
        if svg is None:
            raise NotFoundError(f"nothing is measured of the condition of asset {asset_id!r} by {metric!r}")
        return svg

    def conditions(
        self,
        viewer: Viewer,
        playbooks: Playbooks | None = None,
        *,
        class_: str | None = None,
        municipality: str | None = None,
        group: str | None = None,
    ) -> list[Condition]:
        """How the viewer's structures stand, the most urgent first, without what is drawn of each.

        Of the days that the last midnights' looks kept, where there was one.
        """
        ids = [view.id for view in self.assets(viewer, class_=class_, municipality=municipality, group=group)]
        with self.observing.store() as store:
            structures = load_structures(self._engine, ids)
            return by_urgency(
                conditions(
                    self._engine,
                    store,
                    structures,
                    self._clock(),
                    playbooks=playbooks,
                    ratebook=self._ratebook,
                    drawn=False,
                )
            )

    def peers(self, viewer: Viewer, asset_id: str) -> list[Comparison]:
        """The asset against its like; of those, statistics only, whoever owns them. Raise NotFoundError."""
        with self._sight.session() as session:
            self._sight.asset(session, viewer, asset_id)
        now_us = self._clock()
        with self.observing.store() as store:
            return compare_all(load_region(self._engine, now_us), store, now_us, [asset_id])

    def groups(self, viewer: Viewer) -> list[GroupView]:
        """Groups with a member that the viewer sees; worst first."""
        with self._sight.session() as session:
            views = self._sight.asset_views(session, self._sight.assets(session, viewer), viewer)
            rows = session.scalars(select(models.Group).order_by(models.Group.id)).all()
        found = []
        for row in rows:
            members = [view for view in views if row.id in view.groups]
            if members:
                levels = [member.level for member in members]
                ids = tuple(sorted(member.id for member in members))
                found.append(GroupView(row.id, row.name, row.name_en, ids, worst_of(levels), counts_of(levels)))
        return sorted(found, key=lambda group: (-group.level, group.id))

    def group_status(self, viewer: Viewer) -> list[StatusCell]:
        """How the viewer's assets stand, by municipality and class; worst first."""
        names = {organisation.id: organisation for organisation in self.organisations(viewer)}
        cells: dict[tuple[str, str], list[AssetView]] = {}
        for view in self.assets(viewer):
            cells.setdefault((view.municipality_id, view.class_), []).append(view)
        found = []
        for (municipality, class_), members in cells.items():
            worst = worst_of(member.level for member in members)
            name = names.get(municipality)
            found.append(
                StatusCell(
                    municipality_id=municipality,
                    municipality_name=name.name if name else municipality,
                    municipality_name_en=name.name_en if name else municipality,
                    class_=class_,
                    level=worst,
                    counts=counts_of(member.level for member in members),
                    total=len(members),
                    worst_asset_ids=tuple(m.id for m in members if m.level == worst)[:10],
                )
            )
        return sorted(
            found, key=lambda cell: (-cell.level, -cell.counts[cell.level], cell.municipality_id, cell.class_)
        )

    # -------------------------------------------------------------- what measures

    def gateways(self, viewer: Viewer) -> list[GatewayView]:
        with self._sight.session() as session:
            return self._sight.gateway_views(session, viewer)

    def devices(self, viewer: Viewer) -> list[DeviceView]:
        """Devices that measure at an asset that the viewer sees, or stand behind a gateway of the viewer's."""
        own = self._sight.own_gateways(viewer)
        with self._sight.session() as session:
            gateways = {gateway.id: gateway for gateway in self._sight.gateway_views(session, viewer)}
            behind = self._sight.placements(session)
            streams = self._sight.datastream_views(session, self._sight.visible(session, viewer))
            rows = session.scalars(select(models.Device).order_by(models.Device.id)).all()
        of_device: dict[str, list[DatastreamView]] = {}
        for stream in streams:
            of_device.setdefault(stream.device_id, []).append(stream)
        readings, quarantined = self._ledger.reading_counts(), self._quarantined()
        found = []
        for row in rows:
            gateway = behind.get(row.id)
            if row.id in of_device or own is None or gateway in own:
                measured = of_device.get(row.id, [])
                counts = [readings[stream.id] for stream in measured if stream.id in readings]
                shown = gateways.get(gateway) if gateway is not None else None
                found.append(device_view(row, shown, measured, counts, quarantined[row.id]))
        return found

    def datastreams(self, viewer: Viewer, asset: str | None = None) -> list[DatastreamView]:
        """Those of one asset (NotFoundError where it may not be seen), or all."""
        with self._sight.session() as session:
            if asset is None:
                return self._sight.datastream_views(session, self._sight.visible(session, viewer))
            return self._sight.datastream_views(session, [self._sight.asset(session, viewer, asset).id])

    def measured(self, viewer: Viewer) -> dict[int, Measured]:
        """All datastreams that the viewer sees, without their values: for the live stream."""
        with self._sight.session() as session:
            visible = access.visible_assets(viewer)
            columns = models.Datastream
            query = select(columns.id, columns.asset_id, columns.metric, columns.unit)
            rows = session.execute(query.where(columns.asset_id.in_(visible)))
            return {id_: Measured(asset, metric, unit) for id_, asset, metric, unit in rows}

    # -------------------------------------------------------------- observations

    def observations(
        self,
        viewer: Viewer,
        datastream_ids: Sequence[int],
        from_us: int,
        until_us: int,
        every_us: int | Literal["auto"] | None = None,
        *,
        aggregate: Aggregate = "mean",
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Observations:
        """Observations with from ≤ observed_at < until: raw (in pages), one per `every_us`, or as a chart needs them.

        Raise NotFoundError where one of the datastreams may not be seen, RejectedError for a senseless range.
        """
        if until_us <= from_us:
            raise RejectedError("range", "`until` must lie after `from`")
        with self._sight.session() as session:
            streams = self._sight.streams(session, viewer, datastream_ids)
        ids = [stream.id for stream in streams]
        every = auto_step_us(from_us, until_us) if every_us == "auto" else every_us
        if every is not None:
            if every <= 0:
                raise RejectedError("range", "`every` must be longer than nothing")
            return self.observing.aggregated(ids, from_us, until_us, every, aggregate)
        return self.observing.raw(ids, from_us, until_us, limit or self.observing.rows_max, cursor)

    def latest(self, viewer: Viewer, asset_ids: Sequence[str]) -> dict[int, LatestView]:
        """Datastream id → its newest observation, for those of the assets that have any."""
        with self._sight.session() as session:
            hidden = set(asset_ids) - self._sight.visible(session, viewer)
            if hidden:
                raise NotFoundError(f"there is no asset {min(hidden)!r}")
            streams = self._sight.datastream_views(session, asset_ids)
        return {stream.id: stream.latest for stream in streams if stream.latest is not None}

    # -------------------------------------------------------------- findings and alerts

    def findings(
        self,
        viewer: Viewer,
        *,
        asset: str | None = None,
        kind: str | None = None,
        open_only: bool = True,
        since_us: int | None = None,
        limit: int = 200,
        offset: int = 0,
    ) -> list[FindingView]:
        """The last changed first. `since_us`: changed since then."""
        query = select(models.Finding)
        if open_only:
            query = query.where(is_open())
        if kind is not None:
            query = query.where(models.Finding.kind == kind)
        if since_us is not None:
            query = query.where(models.Finding.updated_us >= since_us)
        with self._sight.session() as session:
            if asset is not None:
                query = query.where(of_asset(self._sight.asset(session, viewer, asset).id))
            else:
                query = query.where(models.Finding.asset_id.in_(access.visible_assets(viewer)))
            query = query.order_by(models.Finding.updated_us.desc(), models.Finding.id.desc())
            return self._sight.findings(session, query.limit(min(limit, ROWS_MAX)).offset(offset), viewer)

    def finding(self, viewer: Viewer, finding_id: int) -> FindingView:
        """Raise NotFoundError."""
        with self._sight.session() as session:
            query = select(models.Finding).where(models.Finding.id == finding_id)
            found = self._sight.findings(
                session, query.where(models.Finding.asset_id.in_(access.visible_assets(viewer))), viewer
            )
        if not found:
            raise NotFoundError(f"there is no finding {finding_id}")
        return found[0]

    def evidence(self, viewer: Viewer, finding_ids: Collection[int]) -> dict[int, dict[str, Any]]:
        """Finding id → its evidence, for those of at most 1000 that the viewer sees."""
        row = models.Finding
        query = select(row.id, row.evidence).where(row.id.in_(finding_ids))
        with self._sight.session() as session:
            return dict(session.execute(query.where(row.asset_id.in_(access.visible_assets(viewer)))).all())

    def picture(self, viewer: Viewer, finding_id: int, *, small: bool = False) -> str:
        """A finding's evidence drawn, SVG, in the viewer's language. Raise NotFoundError where there is none."""
        found, language = self.finding(viewer, finding_id), _language(viewer)
        if small:
            drawn = picture.small(language, found.evidence, self._clock())
        else:
            zone = self.asset(viewer, found.asset_id).time_zone
            drawn = picture.whole(language, found.evidence, found.text, zone, self._clock())
        if drawn is None:
            raise NotFoundError(f"finding {finding_id} kept no picture")
        return drawn

    def forecast_picture(self, viewer: Viewer, forecast_id: int) -> str:
        """What is foretold drawn, SVG, in the viewer's language. Raise NotFoundError where none is kept."""
        row = models.Forecast
        with self._sight.session() as session:
            query = select(row.asset_id, row.kind).where(row.id == forecast_id)
            found = session.execute(query.where(row.asset_id.in_(access.visible_assets(viewer)))).one_or_none()
        kept = self.forecast_pictures(viewer, [forecast_id]).get(forecast_id)
        if found is None or kept is None:
            raise NotFoundError(f"there is no picture of a forecast {forecast_id}: only the newest ones are drawn")
        asset, language = self.asset(viewer, found.asset_id), _language(viewer)
        name = f"{asset.name_en if language == 'en' else asset.name}: {NAMES[found.kind][language == 'en']}"
        return picture.stacked(language, [kept], name, asset.time_zone, self._clock()) or ""

    def forecast_pictures(self, viewer: Viewer, forecast_ids: Collection[int]) -> dict[int, dict[str, Any]]:
        """Forecast id → what is drawn of it, for those of at most 1000 that the viewer sees and that keep it."""
        row = models.Forecast
        query = select(row.id, row.picture).where(row.id.in_(forecast_ids), row.picture.is_not(None))
        with self._sight.session() as session:
            return dict(session.execute(query.where(row.asset_id.in_(access.visible_assets(viewer)))).all())

    def forecasts(
        self,
        viewer: Viewer,
        *,
        asset: str | None = None,
        kind: str | None = None,
        latest: bool = True,
        limit: int = 200,
        offset: int = 0,
    ) -> list[ForecastView]:
        """The newest of each asset and kind, by asset and the time that they tell of; or all that are kept."""
        row = models.Forecast
        query = select(row)
        if latest:
            newest = select(row.asset_id, row.kind, func.max(row.made_us).label("made_us")).group_by(
                row.asset_id, row.kind
            )
            last = newest.subquery()
            query = query.join(
                last, (row.asset_id == last.c.asset_id) & (row.kind == last.c.kind) & (row.made_us == last.c.made_us)
            )
        if kind is not None:
            query = query.where(row.kind == kind)
        query = query.order_by(row.asset_id, row.for_from_us, row.kind, row.made_us)
        with self._sight.session() as session:
            if asset is not None:
                query = query.where(row.asset_id == self._sight.asset(session, viewer, asset).id)
            else:
                query = query.where(row.asset_id.in_(access.visible_assets(viewer)))
            rows = session.scalars(query.limit(min(limit, ROWS_MAX)).offset(offset))
            return [forecast_view(found, viewer) for found in rows]

    def alerts(
        self,
        viewer: Viewer,
        state: AlertState = "unresolved",
        *,
        asset: str | None = None,
        priority: str | None = None,
        since_us: int | None = None,
        historical: bool = True,
        limit: int = 200,
        offset: int = 0,
    ) -> list[AlertView]:
        """Worst first, then the newest; resolved and all: the newest first. `since_us`: changed since then.

        `unresolved`: open and acknowledged ones. `historical` False leaves out what was found in old data.
        """
        query = alert_query().where(*in_state(state))
        if priority is not None:
            query = query.where(models.Alert.priority == priority)
        if since_us is not None:
            query = query.where(models.Alert.updated_us >= since_us)
        if not historical:
            query = query.where(models.Alert.historical.is_(False))
        if state not in {"resolved", "all"}:
            query = query.order_by(models.Alert.level.desc())
        query = query.order_by(models.Alert.opened_us.desc(), models.Alert.id.desc())
        with self._sight.session() as session:
            if asset is not None:
                query = query.where(models.Alert.asset_id == self._sight.asset(session, viewer, asset).id)
            else:
                query = query.where(models.Alert.asset_id.in_(access.visible_assets(viewer)))
            rows = session.execute(query.limit(min(limit, ROWS_MAX)).offset(offset)).all()
            return [alert_view(*row, viewer) for row in rows]

    def alerts_changed_us(self) -> int:
        """When any alert changed last, 0 for never: so that nobody has to ask for alerts when there is no news."""
        with self._sight.session() as session:
            return session.scalar(select(func.max(models.Alert.updated_us))) or 0

    def alert(self, viewer: Viewer, alert_id: int) -> AlertView:
        """Raise NotFoundError."""
        with self._sight.session() as session:
            return self._sight.alert(session, viewer, alert_id)

    def acknowledge(self, viewer: Viewer, alert_id: int, note: str | None = None) -> AlertView:
        """Record that the viewer takes care of it. Raise NotFoundError, ConflictError, ForbiddenError."""
        with transaction(self._engine) as session:
            asset_id = self._sight.alert(session, viewer, alert_id).asset_id
            access.require(viewer, "acknowledge", session, asset_id=asset_id)
            maintenance_alerts.acknowledge(session, alert_id, viewer.user_id, note or None, self._clock())
            session.flush()
            return self._sight.alert(session, viewer, alert_id)

    def unacknowledge(self, viewer: Viewer, alert_id: int) -> AlertView:
        """Take an acknowledgement back. Raise as `acknowledge` does."""
        with transaction(self._engine) as session:
            asset_id = self._sight.alert(session, viewer, alert_id).asset_id
            access.require(viewer, "acknowledge", session, asset_id=asset_id)
            maintenance_alerts.unacknowledge(session, alert_id, viewer.user_id, self._clock())
            session.flush()
            return self._sight.alert(session, viewer, alert_id)

    # -------------------------------------------------------------- the ledger

    def audit(self, viewer: Viewer, gateway: str | None = None) -> list[AuditView]:
        """What became of every sequence number, a row per stream, of the gateways that are the viewer's."""
        own = self._sight.own_gateways(viewer)
        if gateway is not None and own is not None and gateway not in own:
            raise NotFoundError(f"there is no gateway {gateway!r}")
        return [audit_view(row) for row in self._ledger.audit(gateway) if own is None or row.gateway in own]

    def quarantine(
        self,
        viewer: Viewer,
        *,
        reason: str | None = None,
        gateway: str | None = None,
        replayed: bool | None = False,
        limit: int = 100,
        offset: int = 0,
    ) -> list[QuarantineView]:
        """What was set aside, newest first. What comes from unknown gateways is for administrators only."""
        own = self._sight.own_gateways(viewer)
        if gateway is not None and own is not None and gateway not in own:
            raise NotFoundError(f"there is no gateway {gateway!r}")
        limit = min(limit, ROWS_MAX)
        sources: Iterable[str | None] = [gateway] if gateway is not None or own is None else sorted(own)
        entries = [
            entry
            for source in sources
            for entry in self._ledger.quarantine(limit + offset, 0, reason, gateway=source, replayed=replayed)
        ]
        entries.sort(key=lambda entry: -entry.id)
        return [quarantine_view(entry) for entry in entries[offset : offset + limit]]

    def _quarantined(self) -> Counter[str]:
        """Device → how many of its messages and records wait in quarantine."""
        waiting: Counter[str] = Counter()
        for row in self._ledger.quarantine_summary():
            waiting[row.device] += row.count
        return waiting


def _contains(search: str, *texts: str) -> bool:
    """Whether one of the texts has it; full and half width and case are the same (NFKC)."""
    wanted = unicodedata.normalize("NFKC", search).casefold()
    return any(wanted in unicodedata.normalize("NFKC", text).casefold() for text in texts)


def _language(viewer: Viewer) -> Language:
    return "en" if viewer.language == "en" else "ja"
