"""What the last midnight's look at each structure left in the registry: what was measured, and old references."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_analytics.condition.measured import Measured
from satomori_analytics.condition.reference import Reference
from satomori_analytics.condition.trend import Trend
from satomori_analytics.indicators.base import to_json
from satomori_store.databases import reading
from satomori_store.models import KeptCondition
from satomori_store.transactions import transaction


@dataclass(frozen=True, slots=True)
class Kept:
    """Days until `until_us` with values in these `columns`; `measured` without what is drawn."""

    until_us: int
    measured: tuple[Measured, ...]
    columns: tuple[str, ...]
    reference: Reference | None


def undrawn(measured: Iterable[Measured]) -> tuple[Measured, ...]:
    return tuple(replace(each, at_us=(), series=()) for each in measured)


def load_kept(engine: Engine, assets: Iterable[str]) -> dict[str, Kept]:
    """By asset, of those that have been looked at."""
    row = KeptCondition
    query = select(row.asset_id, row.until_us, row.measured, row.columns, row.reference)
    with reading(engine) as connection:
        rows = connection.execute(query.where(row.asset_id.in_(list(assets)))).all()
    return {
        asset: Kept(until_us, tuple(map(_measured, measured)), tuple(columns), _reference(reference))
        for asset, until_us, measured, columns, reference in rows
    }


def keep(engine: Engine, asset: str, kept: Kept) -> None:
    """In the place of what was kept of it before."""
    with transaction(engine) as session:
        _put(session, asset, kept)


def _put(session: Session, asset: str, kept: Kept) -> None:
    row = session.get(KeptCondition, asset) or KeptCondition(asset_id=asset)
    row.until_us, row.columns = kept.until_us, list(kept.columns)
    row.measured = to_json([asdict(each) for each in undrawn(kept.measured)])
    row.reference = None if kept.reference is None else to_json(asdict(kept.reference))
    session.add(row)


def _reference(document: Mapping[str, Any] | None) -> Reference | None:
    return None if document is None else Reference(**{**document, "streams": tuple(document["streams"])})


def _measured(document: Mapping[str, Any]) -> Measured:
    """JSON has no NaN: an interval that is not known comes as null."""
    low, high = (math.nan if document[side] is None else document[side] for side in ("low", "high"))
    rate = None if document["rate"] is None else Trend(**document["rate"])
    return Measured(**{**document, "low": low, "high": high, "rate": rate, "at_us": (), "series": ()})
