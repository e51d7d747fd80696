"""What a viewer may see, as rows and as views. `queries.py` stands on this; nobody else asks the registry.

Sessions are short and read-only; each statement sees what is committed when it starts.
"""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import ColumnElement, Engine, Select, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from satomori_api.observing import Observing
from satomori_api.rows import alert_view, asset_view, datastream_view, finding_view, gateway_view
from satomori_api.standing import standing_of, worst_by_asset
from satomori_api.views import AlertView, AssetView, DatastreamView, FindingView, GatewayView, Standing
from satomori_core.errors import NotFoundError
from satomori_core.vocabulary import Level
from satomori_store import access, models
from satomori_store.access import Viewer
from satomori_store.databases import reading

IDS_IN_SQL = 1000


class Sight:
    """`clock`: the present in µs."""

    def __init__(self, engine: Engine, observing: Observing, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._observing = observing
        self._clock = clock

    @contextmanager
    def session(self) -> Generator[Session]:
        """For reading; rows stay readable after its end."""
        with reading(self._engine) as connection, Session(connection, expire_on_commit=False) as session:
            yield session

    def visible(self, session: Session, viewer: Viewer) -> set[str]:
        return access.visible_asset_ids(session, viewer)

    def assets(self, session: Session, viewer: Viewer) -> list[models.Asset]:
        visible = self.visible(session, viewer)
        rows = session.scalars(select(models.Asset).order_by(models.Asset.id))
        return [row for row in rows if row.id in visible]

    def asset(self, session: Session, viewer: Viewer, asset_id: str) -> models.Asset:
        row = session.get(models.Asset, asset_id)
        if row is None or row.id not in self.visible(session, viewer):
            raise NotFoundError(f"there is no asset {asset_id!r}")
        return row

    def alert(self, session: Session, viewer: Viewer, alert_id: int) -> AlertView:
        row = session.execute(alert_query().where(models.Alert.id == alert_id)).first()
        if row is None or row[0].asset_id not in self.visible(session, viewer):
            raise NotFoundError(f"there is no alert {alert_id}")
        return alert_view(*row, viewer)

    def streams(self, session: Session, viewer: Viewer, ids: Collection[int]) -> list[models.Datastream]:
        visible = self.visible(session, viewer)
        rows = session.scalars(select(models.Datastream).where(models.Datastream.id.in_(set(ids)))).all()
        found = [row for row in rows if row.asset_id in visible]
        if hidden := set(ids) - {row.id for row in found}:
            raise NotFoundError(f"there is no datastream {min(hidden)}")
        return found

    def own_gateways(self, viewer: Viewer) -> set[str] | None:
        """Those whose whole traffic the viewer may see; None: everything, unknown gateways included."""
        if viewer.role == "admin":
            return None
        with self.session() as session:
            visible = self.visible(session, viewer)
            return {row.id for row in session.scalars(select(models.Gateway)) if is_own(row, visible, viewer)}

    # -------------------------------------------------------------- rows to views

    def asset_views(self, session: Session, rows: Sequence[models.Asset], viewer: Viewer) -> list[AssetView]:
        standings = self._standings(session, rows, viewer)
        zones = dict(session.execute(select(models.Site.id, models.Site.time_zone)).all())
        groups: dict[str, list[str]] = {}
        for member in session.scalars(select(models.GroupMember).order_by(models.GroupMember.group_id)):
            groups.setdefault(member.asset_id, []).append(member.group_id)
        return [
            asset_view(row, standings[row.id], zones.get(row.site_id, "Asia/Tokyo"), groups.get(row.id, ()))
            for row in rows
        ]

    def _standings(self, session: Session, rows: Sequence[models.Asset], viewer: Viewer) -> Mapping[str, Standing]:
        """How each stands, by maintenance's word; where it has not spoken yet, by open findings and fresh data."""
        now_us = self._clock()
        statuses = self._observing.asset_statuses()
        unjudged = [row.id for row in rows if row.id not in statuses]
        worst: Mapping[str, models.Finding] = {}
        newest: dict[str, int] = {}
        if unjudged:
            query = select(models.Finding).where(is_open(), is_recent(), _among(models.Finding.asset_id, unjudged))
            worst = worst_by_asset(session.scalars(query))
            for stream in self.datastream_views(session, unjudged):
                if stream.latest is not None:
                    held = newest.get(stream.asset_id, 0)
                    newest[stream.asset_id] = max(held, stream.latest.observed_at_us)
        return {
            row.id: standing_of(statuses.get(row.id), worst.get(row.id), newest.get(row.id), viewer, now_us)
            for row in rows
        }

    def datastream_views(self, session: Session, asset_ids: Collection[str]) -> list[DatastreamView]:
        """Of these assets, which the caller has found visible."""
        wanted = set(asset_ids)
        query = select(models.Datastream).order_by(models.Datastream.asset_id, models.Datastream.id)
        found = session.scalars(query.where(_among(models.Datastream.asset_id, wanted)))
        rows = [row for row in found if row.asset_id in wanted]
        latest = self._observing.latest({row.id: row.interval_s for row in rows}, self._clock())
        worst = session.execute(
            select(models.Finding.datastream_id, func.max(models.Finding.level))
            .where(is_open(), is_recent(), _among(models.Finding.asset_id, wanted))
            .group_by(models.Finding.datastream_id)
        )
        levels = dict(worst.all())
        return [datastream_view(row, latest.get(row.id), Level(levels.get(row.id, Level.GOOD))) for row in rows]

    def gateway_views(self, session: Session, viewer: Viewer) -> list[GatewayView]:
        """The viewer's own, and those through which a visible asset speaks; only visible devices are counted."""
        visible = self.visible(session, viewer)
        streams = select(models.Datastream.device_id).distinct()
        measured = models.Datastream.asset_id.in_(access.visible_assets(viewer))
        measuring = set(session.scalars(streams.where(measured)))
        behind: dict[str, set[str]] = {}
        for device, gateway in self.placements(session).items():
            behind.setdefault(gateway, set()).add(device)
        now_us = self._clock()
        views = []
        for row in session.scalars(select(models.Gateway).order_by(models.Gateway.id)):
            own = is_own(row, visible, viewer)
            devices = behind.get(row.id, set()) if own else behind.get(row.id, set()) & measuring
            if own or devices:
                views.append(gateway_view(row, len(devices - {row.id}) if row.kind == "edge" else len(devices), now_us))
        return views

    def placements(self, session: Session) -> Mapping[str, str]:
        """Device → the gateway that it is behind now."""
        columns = models.Placement
        query = select(columns.device_id, columns.gateway_id).where(*models.holds(columns, self._clock()))
        return dict(session.execute(query).all())

    def findings(self, session: Session, query: Select[models.Finding], viewer: Viewer) -> list[FindingView]:
        return [finding_view(row, viewer) for row in session.scalars(query)]


def is_own(gateway: models.Gateway, visible: Collection[str], viewer: Viewer) -> bool:
    """Whether all of its traffic is the viewer's: by its owner, or because its own asset may be seen."""
    return viewer.role == "admin" or gateway.organisation_id == viewer.organisation_id or gateway.id in visible


def alert_query() -> Select[models.Alert, models.Asset, int | None, models.Feedback | None]:
    """Alerts with their asset, their finding's datastream, and the judgement that stands."""
    return (
        select(models.Alert, models.Asset, models.Finding.datastream_id, models.Feedback)
        .join(models.Asset, models.Asset.id == models.Alert.asset_id)
        .join(models.Finding, models.Finding.id == models.Alert.finding_id)
        .outerjoin(models.Feedback, (models.Feedback.alert_id == models.Alert.id) & models.Feedback.undone_us.is_(None))
    )


def is_open() -> ColumnElement[bool]:
    return models.Finding.until_us.is_(None)


def _among(column: InstrumentedAttribute[str], ids: Collection[str]) -> ColumnElement[bool]:
    """Narrows where that is worth it: databases bound the parameters of a statement. The caller looks again."""
    return column.in_(ids) if len(ids) <= IDS_IN_SQL else true()


def is_recent() -> ColumnElement[bool]:
    """Not judged from data that were old when they came."""
    return models.Finding.historical.is_(False)


def of_asset(asset_id: str) -> ColumnElement[bool]:
    return models.Finding.asset_id == asset_id


def in_state(state: str) -> Sequence[ColumnElement[bool]]:
    """The conditions on an alert for the words of `AlertState`."""
    over, acknowledged = models.Alert.resolved_us.is_not(None), models.Alert.acknowledged_us.is_not(None)
    return {
        "open": (~over, ~acknowledged),
        "acknowledged": (~over, acknowledged),
        "unresolved": (~over,),
        "resolved": (over,),
        "all": (),
    }[state]
