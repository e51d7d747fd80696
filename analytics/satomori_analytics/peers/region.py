"""The region as comparisons need it: members and what is known of them, their days and weather from the store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_analytics.detectors.base import Floats
from satomori_analytics.peers.comparing import (
    LEAST_DAYS,
    LEAST_DAYS_CHANGE,
    Difference,
    Normalised,
    antecedent,
    compare,
    normalise,
)
from satomori_analytics.peers.grouping import Group, Member, group_of
from satomori_analytics.peers.rules import Aspect, rules
from satomori_analytics.sentences import Place
from satomori_core.clock import DAY_US
from satomori_core.vocabulary import Quality
from satomori_store.databases import reading
from satomori_store.models import Asset, Datastream, Site
from satomori_store.port import Aggregate, ObservationStore

# So many past days are looked at.
DAYS = 90
# Before the logarithm, so that a dry or clean day is not minus infinity; in the metric's own unit.
_LEAST_VALUE = 1e-3


@dataclass(frozen=True, slots=True)
class Peer:
    """An asset whose class has rules. `streams`: metric → datastream."""

    member: Member
    municipality: str
    place: Place
    streams: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One aspect of one metric of an asset. `days` of its own are known; below `days_least` they are too few.

    `difference` None with too few days, or fewer than three that can be compared with.

    Of the others there are statistics only: how many, of how many owners, alike in what.
    """

    asset: str
    metric: str
    aspect: Aspect
    scale: str
    members: int
    owners: int
    alike: tuple[str, ...]
    days: int
    days_least: int
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Region:
    peers: Sequence[Peer]
    weather: Mapping[str, int]
    """Of the whole region: air_temperature and rain → a datastream in the open air each, where there is one."""


def load_region(engine: Engine, now_us: int) -> Region:
    with reading(engine) as connection, Session(connection) as session:
        sites = {site.id: site for site in session.scalars(select(Site))}
        assets = list(session.scalars(select(Asset).order_by(Asset.id)))
        class_of = {asset.id: asset.class_ for asset in assets}
        streams: dict[str, dict[str, int]] = {}
        weather: dict[str, int] = {}
        for row in session.scalars(select(Datastream).order_by(Datastream.id)):
            if row.until_us is None or row.until_us > now_us:
                streams.setdefault(row.asset_id, {})[row.metric] = row.id
                if row.metric in ("air_temperature", "rain") and class_of[row.asset_id] not in _INDOORS:
                    weather.setdefault(row.metric, row.id)
        peers = [
            Peer(
                _member(asset), asset.municipality_id,
                Place(asset.name, asset.name_en, sites[asset.site_id].name, sites[asset.site_id].name_en,
                      sites[asset.site_id].time_zone),
                streams.get(asset.id, {}),
            )
            for asset in assets
            if asset.class_ in rules()
        ]  # fmt: skip
    return Region(peers, weather)


_INDOORS = frozenset({"cattle_barn", "greenhouse", "gateway", "sewer_manhole", "tunnel"})


def _member(asset: Asset) -> Member:
    numbers = {} if asset.built_year is None else {"built_year": float(asset.built_year)}
    words = {}
    for name, value in asset.attributes.items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError):
            words[name] = str(value).strip().casefold()
    return Member(asset.id, asset.class_, asset.organisation_id, numbers, words)


def compare_all(
    region: Region, store: ObservationStore, now_us: int, wanted: Iterable[str] | None = None
) -> list[Comparison]:
    """Every asset (or those wanted) in all that its class compares, by the whole days before now."""
    names = None if wanted is None else set(wanted)
    until_us = now_us // DAY_US * DAY_US
    span = (until_us - DAYS * DAY_US, until_us)
    weather = _weather(region, store, span)
    found: list[Comparison] = []
    for class_, rule in rules().items():
        peers = [peer for peer in region.peers if peer.member.class_ == class_]
        for metric, compared in rule.metrics.items():
            having = [peer for peer in peers if metric in peer.streams]
            subjects = [peer.member for peer in having if names is None or peer.member.asset in names]
            if subjects:
                streams = {peer.streams[metric]: column for column, peer in enumerate(having)}
                days = _days(store, streams, span, "mean")
                normal = normalise(np.log(np.maximum(days, _LEAST_VALUE)) if compared.scale == "log" else days, weather)
                members = [peer.member for peer in having]
                for subject in subjects:
                    group = group_of(subject, members, rule.alike)
                    found += [_one(subject, (metric, aspect), group, members, normal) for aspect in compared.compare]
    return found


def _one(
    subject: Member, what: tuple[str, Aspect], group: Group | None, members: Sequence[Member], normal: Normalised
) -> Comparison:  # fmt: skip
    """`members`: in the order of the columns of `normal`."""
    metric, aspect = what
    scale = rules()[subject.class_].metrics[metric].scale
    values, least = (normal.level, LEAST_DAYS) if aspect == "level" else (normal.slope * DAYS, LEAST_DAYS_CHANGE)
    place = {member.asset: column for column, member in enumerate(members)}
    own = place[subject.asset]
    days = int(normal.days[own])
    if group is None:
        return Comparison(subject.asset, metric, aspect, scale, 0, 0, (), days, least, None)
    others = values[[place[member.asset] for member in group.members]]
    return Comparison(subject.asset, metric, aspect, scale, len(group.members), group.owners, group.alike, days, least,
                      compare(float(values[own]), others))  # fmt: skip


def _weather(region: Region, store: ObservationStore, span: tuple[int, int]) -> Floats:
    """[days, 0 to 2]: temperature, rain that the ground still holds."""
    columns = []
    for metric, aggregate in (("air_temperature", "mean"), ("rain", "sum")):
        if metric in region.weather:
            column = _days(store, {region.weather[metric]: 0}, span, "mean" if aggregate == "mean" else "sum")[:, 0]
            columns.append(antecedent(column) if metric == "rain" else column)
    return np.column_stack(columns) if columns else np.empty(((span[1] - span[0]) // DAY_US, 0))


def _days(store: ObservationStore, streams: Mapping[int, int], span: tuple[int, int], aggregate: Aggregate) -> Floats:
    """[days, columns of `streams`]; NaN where a day has nothing that may speak."""
    days = np.full(((span[1] - span[0]) // DAY_US, len(streams)), np.nan)
    found = store.read(sorted(streams), *span, DAY_US, aggregate)
    good = np.maximum(found.quality, found.qc) < Quality.FAIL
    column = np.array([streams[number] for number in found.datastream.tolist()], np.int64)
    days[(found.observed_at_us[good] - span[0]) // DAY_US, column[good]] = found.value[good]
    return days
