"""Told events: read what was told, order the assets after it, keep the order up to date for some days.

    {"id": "eq-2026-11-28", "kind": "earthquake", "latitude": 34.1, "longitude": 133.7, "magnitude": 6.5,
     "depth": 10, "amplification": 1, "intensity": {"minato": "6弱"}}
    {"id": "typhoon-21", "kind": "storm", "rain": {"minato": 120}, "wind": {}, "flood": {}, "river": {"minato": 3},
     "gauges": true, "note": "県道12号は通行止め"}

An earthquake needs an epicentre or an intensity, a storm one of its values or `gauges`: the region's own rain gauges.
`river`: the level 1 to 5 of the flood forecast. `note`: what those who go out should know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, or_, select
from sqlalchemy.orm import Session

from satomori_analytics.triage.order import Event, Quake, Ranked, order, parse_told, strength_words
from satomori_analytics.triage.region import gauged_rain, load_subjects
from satomori_analytics.triage.rules import Hazard, load_rules
from satomori_core.clock import DAY_US, MINUTE_US
from satomori_core.errors import RejectedError, SettingsError
from satomori_core.logs import get_logger
from satomori_store.databases import reading
from satomori_store.events import settle
from satomori_store.models import FirstLook, HazardEvent, Organisation
from satomori_store.port import ObservationStore
from satomori_store.transactions import transaction

# For so long a told event's order follows what is measured and found since.
FOLLOWED_US = 3 * DAY_US
AGAIN_US = 10 * MINUTE_US
GAUGED_FOR_US = DAY_US
_QUAKE = ("latitude", "longitude", "magnitude", "depth", "amplification")
_KEYS = {"earthquake": {*_QUAKE, "intensity"}, "storm": {"rain", "wind", "flood", "river", "gauges"}}
_STORM: tuple[Hazard, ...] = ("rain", "wind", "flood", "river")
NOTE_MOST = 500

log = get_logger("analytics")


def parse_event(told: Mapping[str, Any], gauged: Mapping[str, float]) -> Event:
    """What was told, and rain (mm in 24 h) by gauges where it was not. Raise RejectedError, which names the key."""
    kind = told.get("kind")
    if kind not in _KEYS:
        raise RejectedError("kind", f"kind {kind!r}: earthquake or storm is expected")
    if strange := sorted(set(told) - _KEYS[kind] - {"id", "kind", "note"}):
        raise RejectedError(
            strange[0], f"{', '.join(strange)}: not known of a {kind}; {', '.join(sorted(_KEYS[kind]))}"
        )
    note = told.get("note", "")
    if not isinstance(note, str) or len(note) > NOTE_MOST:
        raise RejectedError("note", f"note: a text of at most {NOTE_MOST} characters is expected")
    if kind == "earthquake":
        return Event({"earthquake": _places(told, "earthquake", "intensity")}, _quake(told))
    if not isinstance(told.get("gauges", False), bool):
        raise RejectedError("gauges", "gauges: true or false is expected")
    found: dict[Hazard, dict[str, float]] = {hazard: _places(told, hazard, hazard) for hazard in _STORM}
    return Event({**found, "rain": {**gauged, **found["rain"]}})


def _quake(told: Mapping[str, Any]) -> Quake | None:
    numbers = {key: told[key] for key in _QUAKE if told.get(key) is not None}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RejectedError(key, f"{key}: {value!r} is not a number")
    if not numbers:
        return None
    if missing := [key for key in _QUAKE[:3] if key not in numbers]:
        raise RejectedError(missing[0], "latitude, longitude and magnitude go together")
    return Quake(
        numbers["latitude"], numbers["longitude"], numbers["magnitude"],
        numbers.get("depth", 10.0), numbers.get("amplification", 1.0),
    )  # fmt: skip


def _places(told: Mapping[str, Any], hazard: Hazard, key: str) -> dict[str, float]:
    places = told.get(key) or {}
    if not isinstance(places, dict):
        raise RejectedError(key, f'{key}: an object {{"municipality": value}} is expected')
    for place, value in places.items():
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise RejectedError(key, f"{key} of {place}: {value!r} is not a number")
    return parse_told(hazard, [f"{place}={value}" for place, value in places.items()])


def places_of(told: Mapping[str, Any]) -> set[str]:
    """The municipalities that are named in it."""
    return set[str]().union(*(told.get(key) or {} for key in ("intensity", *_STORM)))


def say(event: Event, names: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """One line in Japanese and English; `names`: municipality → its names. Only the strongest place is named.

    A dry gauge is no news beside a river in flood: what is 0 everywhere is named only where there is nothing else.
    """
    parts: list[tuple[str, str]] = []
    if event.quake is not None:
        parts.append((f"地震 M{event.quake.magnitude:g}", f"earthquake M{event.quake.magnitude:g}"))
    told = {hazard: places for hazard, places in event.told.items() if places}
    felt = {hazard: places for hazard, places in told.items() if any(places.values())}
    for hazard, places in (felt or told).items():
        place, value = max(places.items(), key=lambda item: (item[1], item[0]))
        (said_ja, said_en), (ja, en) = strength_words(hazard, value), names.get(place, (place, place))
        parts.append((f"{said_ja}（{ja}）", f"{said_en} in {en}"))
    return "・".join(ja for ja, _ in parts), ", ".join(en for _, en in parts)


@dataclass(frozen=True, slots=True)
class Ordered:
    event: Event
    gauged: Mapping[str, float]
    ranked: Sequence[Ranked]


def order_event(
    engine: Engine, store: ObservationStore, rules: Path | None, told: Mapping[str, Any], now_us: int, *,
    gauged: Mapping[str, float] | None = None, at_gauges: bool = True,
) -> Ordered:  # fmt: skip
    """All assets after a told event. Raise RejectedError or SettingsError.

    `gauged`: what gauges had before, which a rain that is over does not fall below; `at_gauges`: look at them now.
    """
    rain = dict(gauged or {})
    if told.get("gauges") is True and at_gauges:
        for place, value in gauged_rain(engine, store, now_us).items():
            rain[place] = max(value, rain.get(place, 0.0))
    event = parse_event(told, rain)
    return Ordered(event, rain, order(event, load_subjects(engine, store, now_us), load_rules(rules)))


class Looker:
    """`round` orders what is waiting, and again every ten minutes what was told in the last three days."""

    def __init__(self, registry: Engine, store: ObservationStore, rules: Path | None) -> None:
        self._registry, self._store, self._rules = registry, store, rules

    def round(self, now_us: int) -> int:
        """How many events were ordered or refused."""
        followed = (HazardEvent.state == "ordered") & (HazardEvent.told_us > now_us - FOLLOWED_US)
        # Ordered later than now: the clock was set back.
        old = (HazardEvent.ordered_us <= now_us - AGAIN_US) | (HazardEvent.ordered_us > now_us)
        due = or_(HazardEvent.state == "waiting", followed & old)
        with reading(self._registry) as connection, Session(connection) as session:
            rows = session.scalars(select(HazardEvent).where(due).order_by(HazardEvent.told_us)).all()
            names = {o.id: (o.name, o.name_en) for o in session.scalars(select(Organisation))} if rows else {}
            session.expunge_all()
        for row in rows:
            self._order(row, names, now_us)
        return len(rows)

    def _order(self, told: HazardEvent, names: Mapping[str, tuple[str, str]], now_us: int) -> None:
        try:
            found = order_event(
                self._registry, self._store, self._rules, told.told, now_us,
                gauged=told.gauged, at_gauges=now_us - told.told_us < GAUGED_FOR_US,
            )  # fmt: skip
        except (RejectedError, SettingsError) as error:
            log.warning("an event can't be ordered", id=told.id, reason=str(error))
            self._refuse(told.id, str(error), now_us)
            return
        with transaction(self._registry) as session:
            row = session.get_one(HazardEvent, told.id)
            row.state, row.error, row.ordered_us, row.gauged = "ordered", None, now_us, dict(found.gauged)
            row.said_ja, row.said_en = say(found.event, names)
            keep(session, told.id, found.ranked, now_us)

    def _refuse(self, id_: str, error: str, now_us: int) -> None:
        """What was ordered once stays as it was: rules that somebody is editing take nothing away."""
        with transaction(self._registry) as session:
            row = session.get_one(HazardEvent, id_)
            row.error, row.ordered_us = error, now_us
            if row.state == "waiting":
                row.state = "refused"


def keep(session: Session, event_id: str, ranked: Sequence[Ranked], now_us: int) -> None:
    """Write the order over the last one; who has looked at what stays, and how it stood before.

    An asset that only makes room for another has not changed: its reasons are what they were.
    """
    there = {row.asset_id: row for row in session.scalars(select(FirstLook).where(FirstLook.event_id == event_id))}
    for each in ranked:
        row = there.get(each.asset_id)
        if row is None:
            row = FirstLook(event_id=event_id, asset_id=each.asset_id)
            session.add(row)
        for name in ("rank", "verdict", "score", "look_ja", "look_en"):
            setattr(row, name, getattr(each, name))
        was, row.reasons_en = row.reasons_en, list(each.reasons_en)
        row.reasons_ja = list(each.reasons_ja)
        if row.rank_before is None:
            settle(row)
        elif row.reasons_en != was:
            row.changed_us = now_us
