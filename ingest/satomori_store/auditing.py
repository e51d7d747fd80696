"""The audit: what the ledger says against what the store itself holds, so that no gap and no double stays unseen."""

from collections.abc import Sequence
from dataclasses import dataclass

from satomori_store.ledger import AuditRow, Ledger
from satomori_store.lookup import Lookup
from satomori_store.port import ObservationStore


@dataclass(frozen=True, slots=True)
class DatastreamAudit:
    """One datastream's readings by the ledger and its points by the store.

    `excess`: points beyond what the ledger knows of. `missing`: readings without a point of their own, be it gone or
    overwritten by another of the same time. Where readings came without numbers (`countable` False) they may have come
    twice, and nothing can be told.
    """

    datastream: int
    gateway: str
    device: str
    metric: str
    asset: str
    readings: int
    unnumbered: int
    points: int
    excess: int
    missing: int
    countable: bool


@dataclass(frozen=True, slots=True)
class Audit:
    streams: Sequence[AuditRow]
    datastreams: Sequence[DatastreamAudit]

    @property
    def clean(self) -> bool:
        return not any(row.gaps for row in self.streams) and not any(d.excess or d.missing for d in self.datastreams)


def audit(store: ObservationStore, ledger: Ledger, lookup: Lookup, now_us: int, *, device: str | None = None) -> Audit:
    """Of everything, or of one device and the streams of its gateway.

    The ledger is asked before and after the store: what is stored in between is neither missing nor in excess.
    """
    routes = [r for r in lookup.datastreams.values() if device is None or r.device_id == device]
    before = ledger.reading_counts()
    points = store.count([route.datastream_id for route in routes])
    after = ledger.reading_counts()
    datastreams: list[DatastreamAudit] = []
    for route in sorted(routes, key=lambda r: (r.device_id, r.metric, r.datastream_id)):
        number = route.datastream_id
        first, last = before.get(number), after.get(number)
        least, most = (first.numbered if first else 0), (last.numbered if last else 0)
        unnumbered = last.unnumbered if last else 0
        countable = unnumbered == 0
        datastreams.append(
            DatastreamAudit(
                number,
                lookup.gateway_of(route.device_id, now_us) or "",
                route.device_id,
                route.metric,
                route.asset_id,
                most,
                unnumbered,
                points[number],
                max(0, points[number] - most) if countable else 0,
                max(0, least - points[number]) if countable else 0,
                countable,
            )
        )
    gateway = None if device is None else lookup.gateway_of(device, now_us) or ""
    return Audit(ledger.audit(gateway), datastreams)
