"""Told earthquakes and storms, what to look at first after each, and who has looked. A part of the queries."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from satomori_analytics.triage.events import parse_event, places_of
from satomori_analytics.triage.order import check_places
from satomori_analytics.triage.region import gauged_rain
from satomori_api.observing import Observing
from satomori_api.rows import event_view, look_view
from satomori_api.sight import Sight
from satomori_api.views import EventView, LookView
from satomori_core.errors import NotFoundError
from satomori_store import access
from satomori_store.access import ForbiddenError, Viewer
from satomori_store.events import Result, check_off, record_event
from satomori_store.models import Asset, FirstLook, HazardEvent
from satomori_store.transactions import transaction


class Looking:
    """`clock`: the present in µs."""

    def __init__(self, engine: Engine, sight: Sight, observing: Observing, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._sight = sight
        self._observing = observing
        self._clock = clock

    def tell(self, viewer: Viewer, told: Mapping[str, Any]) -> EventView:
        """Record an event; told again with the same words it is the same one. Raise ForbiddenError, RejectedError.

        Only of municipalities where the viewer sees an asset, or by an epicentre.
        """
        if not access.may(viewer, "acknowledge"):
            raise ForbiddenError("events are told by crews, engineers and administrators")
        with self._sight.session() as session:  # by now the gauges may say otherwise, and the first time was right
            known = session.get(HazardEvent, told["id"])
            if known is not None and known.told == dict(told):
                return self._views(session, viewer, [known])[0]
        gauged: Mapping[str, float] = {}
        if told.get("gauges") is True:
            with self._observing.store() as store:
                gauged = gauged_rain(self._engine, store, self._clock())
        parse_event(told, gauged)
        with self._sight.session() as session:
            check_places(places_of(told), {asset.municipality_id for asset in self._sight.assets(session, viewer)})
        with transaction(self._engine) as session:
            record_event(session, told, viewer.user_id, self._clock())
            return self._views(session, viewer, [session.get_one(HazardEvent, told["id"])])[0]

    def events(self, viewer: Viewer, limit: int, offset: int = 0) -> list[EventView]:
        """The last told first."""
        with self._sight.session() as session:
            query = select(HazardEvent).order_by(HazardEvent.told_us.desc(), HazardEvent.id)
            rows = session.scalars(query.limit(limit).offset(offset)).all()
            return self._views(session, viewer, rows)

    def event(self, viewer: Viewer, event_id: str) -> EventView:
        """Raise NotFoundError."""
        with self._sight.session() as session:
            return self._views(session, viewer, [_event(session, event_id)])[0]

    def looks(self, viewer: Viewer, event_id: str) -> list[LookView]:
        """The viewer's assets in the event's order, counted from 1. Raise NotFoundError."""
        with self._sight.session() as session:
            _event(session, event_id)
            visible = self._sight.visible(session, viewer)
            query = select(FirstLook, Asset).join(Asset, Asset.id == FirstLook.asset_id)
            query = query.where(FirstLook.event_id == event_id).order_by(FirstLook.rank)
            seen = [(look, asset) for look, asset in session.execute(query) if asset.id in visible]
            views = [look_view(look, asset, viewer) for look, asset in seen]
            before = sorted(look.rank_before or look.rank for look, _ in seen)
        return [_placed(view, rank, before) for rank, view in enumerate(views, 1)]

    def looked(
        self, viewer: Viewer, event_id: str, asset_id: str, result: Result | None, note: str | None = None
    ) -> LookView:
        """Check an asset off, or with None take it back. Raise NotFoundError, ForbiddenError, ConflictError."""
        with transaction(self._engine) as session:
            self._sight.asset(session, viewer, asset_id)
            access.require(viewer, "acknowledge", session, asset_id=asset_id)
            _event(session, event_id)
            check_off(
                session, event_id, asset_id, viewer.user_id, result=result, note=note or None, at_us=self._clock()
            )
        return next(look for look in self.looks(viewer, event_id) if look.asset_id == asset_id)

    def _views(self, session: Session, viewer: Viewer, rows: Sequence[HazardEvent]) -> list[EventView]:
        query = select(FirstLook.event_id, func.count(), func.count(FirstLook.result)).where(
            FirstLook.event_id.in_([row.id for row in rows]), FirstLook.verdict == "look",
            FirstLook.asset_id.in_(access.visible_assets(viewer)),
        )  # fmt: skip
        counts = {id_: (most, looked) for id_, most, looked in session.execute(query.group_by(FirstLook.event_id))}
        return [event_view(row, *counts.get(row.id, (0, 0)), viewer) for row in rows]


def _placed(view: LookView, rank: int, before: Sequence[int]) -> LookView:
    """`rank`: its place among what the viewer sees; `before`: sorted, the places of all these before."""
    was = None if view.rank_before is None else bisect_left(before, view.rank_before) + 1
    moved = was != rank and bool(view.gained_en or view.lost_en)
    return replace(view, rank=rank, rank_before=was if moved else None)


def _event(session: Session, event_id: str) -> HazardEvent:
    row = session.get(HazardEvent, event_id)
    if row is None:
        raise NotFoundError(f"there is no event {event_id!r}")
    return row
