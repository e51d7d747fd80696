"""The region as the order needs it: assets from the registry, how they stand, what its own rain gauges measured."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from satomori_analytics.triage.order import Subject
from satomori_core.clock import DAY_US, MINUTE_US
from satomori_core.vocabulary import Cause, Level, Quality
from satomori_store.databases import reading
from satomori_store.models import Asset, Datastream, Finding
from satomori_store.port import AssetStatus, ObservationStore

STATUS_STALE_AFTER_US = 15 * MINUTE_US  # maintenance writes each one anew every 5 minutes


@dataclass(frozen=True, slots=True)
class Open:
    """Findings that are open on an asset itself, not on its sensors."""

    count: int = 0
    worst: Level = Level.UNKNOWN


NONE_OPEN = Open()


def load_open(session: Session) -> Mapping[str, Open]:
    """By asset; without what was found in old data."""
    query = select(Finding.asset_id, func.count(), func.max(Finding.level)).group_by(Finding.asset_id)
    wanted = (Finding.until_us.is_(None), Finding.historical.is_(False), Finding.cause == Cause.ASSET)
    return {asset: Open(count, Level(worst)) for asset, count, worst in session.execute(query.where(*wanted))}


def load_subjects(engine: Engine, store: ObservationStore, now_us: int) -> list[Subject]:
    """All assets. One stands at its last status, or worse where a finding is; an old status says nothing."""
    fresh = {
        status.asset: Level(status.level)
        for status in store.read_status("asset_status")
        if isinstance(status, AssetStatus) and now_us - status.at_us <= STATUS_STALE_AFTER_US
    }
    with reading(engine) as connection, Session(connection) as session:
        found = load_open(session)
        return [
            Subject(
                row.id, row.class_, row.municipality_id, row.name, row.name_en, row.latitude, row.longitude,
                row.built_year, row.attributes,
                max(fresh.get(row.id, Level.UNKNOWN), found.get(row.id, NONE_OPEN).worst),
                found.get(row.id, NONE_OPEN).count,
            )
            for row in session.scalars(select(Asset).order_by(Asset.id))
        ]  # fmt: skip


def gauged_rain(engine: Engine, store: ObservationStore, now_us: int) -> dict[str, float]:
    """Municipality → mm in the last 24 hours by that of its gauges which has most; those without any are left out.

    Gaps count as no rain, and what quality or qc calls failed is left out.
    """
    with reading(engine) as connection, Session(connection) as session:
        query = select(Datastream.id, Asset.municipality_id).join(Asset, Asset.id == Datastream.asset_id)
        gauges = dict(session.execute(query.where(Datastream.metric == "rain")).all())
    columns = store.read(sorted(gauges), now_us - DAY_US, now_us)
    usable = np.maximum(columns.quality, columns.qc) < Quality.FAIL
    rain: dict[str, float] = {}
    for gauge, municipality in gauges.items():
        values = columns.value[usable & (columns.datastream == gauge)]
        if len(values):
            rain[municipality] = max(rain.get(municipality, 0.0), round(float(values.sum()), 1))
    return rain
