"""The region as forecasts need it: which are made of what, and an asset's hours from the store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_analytics.forecasts import METHODS, Forecast, Hours, Kind, Known, forecast
from satomori_analytics.forecasts.base import KINDS, Spot
from satomori_analytics.forecasts.weather import WeatherFile
from satomori_analytics.indicators.base import Floats
from satomori_analytics.playbook import Outlook, Playbooks
from satomori_core.clock import DAY_US, HOUR_US
from satomori_core.vocabulary import Quality
from satomori_store.databases import reading
from satomori_store.models import Asset, Datastream, Site
from satomori_store.port import Aggregate, ObservationStore

# Classes whose air is not that of the fields around them.
INDOORS = frozenset({"cattle_barn", "greenhouse"})
# What stands in from another open-air asset of the same site; soil is each field's own.
_SHARED = frozenset({"air_temperature", "relative_humidity", "rain", "wind_speed", "solar_radiation"})


@dataclass(frozen=True, slots=True)
class Place:
    """An asset of which something is forecast. `streams`: metric → datastream, its own or its site's."""

    spot: Spot
    name: str
    name_en: str
    municipality: str
    streams: Mapping[str, int]


def load_places(engine: Engine, playbooks: Playbooks, now_us: int) -> list[Place]:
    """All assets whose class has forecasts, in the order of their ids."""
    with reading(engine) as connection, Session(connection) as session:
        zones = {site.id: site.time_zone for site in session.scalars(select(Site))}
        assets = list(session.scalars(select(Asset).order_by(Asset.id)))
        streams = [
            row
            for row in session.scalars(select(Datastream).order_by(Datastream.id))
            if row.until_us is None or row.until_us > now_us
        ]
        class_of = {asset.id: (asset.class_, asset.site_id) for asset in assets}
        own: dict[str, dict[str, int]] = {}
        shared: dict[str, dict[str, int]] = {}
        for row in streams:
            own.setdefault(row.asset_id, {})[row.metric] = row.id
            class_, site = class_of[row.asset_id]
            if row.metric in _SHARED and class_ not in INDOORS:
                shared.setdefault(site, {})[row.metric] = row.id
        return [
            Place(
                Spot(a.id, a.class_, a.site_id, a.latitude, a.longitude, zones[a.site_id], a.attributes),
                a.name,
                a.name_en,
                a.municipality_id,
                ({} if a.class_ in INDOORS else shared.get(a.site_id, {})) | own.get(a.id, {}),
            )
            for a in assets
            if outlooks_of(playbooks, a.class_, a.municipality_id)
        ]


def outlooks_of(playbooks: Playbooks, class_: str, municipality: str) -> dict[Kind, Outlook]:
    playbook = playbooks.of(class_, municipality)
    found = playbook.forecast if playbook else {}
    return {kind: found[kind] for kind in KINDS if kind in found and found[kind].enabled}


def read_hours(store: ObservationStore, place: Place, kinds: Iterable[Kind], now_us: int) -> Hours:
    """What these forecasts look at, in whole hours up to now; means, sums of rain and minima of the temperature."""
    kinds = list(kinds)
    methods = [METHODS[kind] for kind in kinds]
    metrics = sorted({m for method in methods for m in method.metrics} & set(place.streams))
    until_us = now_us // HOUR_US * HOUR_US
    start_us = until_us - max((method.history_days for method in methods), default=0) * DAY_US
    columns = dict[str, Floats]()
    reads: tuple[tuple[list[str], Aggregate], ...] = (
        ([m for m in metrics if m != "rain"], "mean"),
        ([m for m in metrics if m == "rain"], "sum"),
        ([m for m in metrics if m == "air_temperature" and "frost" in kinds], "min"),
    )
    for metrics_read, aggregate in reads:
        named = {place.streams[m]: f"{m}_low" if aggregate == "min" else m for m in metrics_read}
        columns |= _read(store, named, (start_us, until_us), aggregate)
    return Hours(start_us, columns)


def _read(
    store: ObservationStore, named: Mapping[int, str], span: tuple[int, int], aggregate: Aggregate
) -> dict[str, Floats]:
    if not named:
        return {}
    found = store.read(sorted(named), *span, HOUR_US, aggregate)
    good = np.maximum(found.quality, found.qc) < Quality.FAIL
    columns = {}
    for stream, name in named.items():
        mine = good & (found.datastream == stream)
        column = np.full((span[1] - span[0]) // HOUR_US, np.nan)
        column[(found.observed_at_us[mine] - span[0]) // HOUR_US] = found.value[mine]
        columns[name] = column
    return columns


def make(
    store: ObservationStore,
    place: Place,
    outlooks: Mapping[Kind, Outlook],
    weather: WeatherFile | None,
    now_us: int,
) -> Sequence[Forecast]:
    """Each of an asset's forecasts, made or told why not."""
    known = Known(
        place.spot, read_hours(store, place, list(outlooks), now_us), weather.at(place.spot) if weather else None
    )
    return [forecast(kind, outlook, known, now_us) for kind, outlook in outlooks.items()]
