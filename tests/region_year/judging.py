"""The production judgement over the region's readings, week by week in event time, and what maintenance makes of it.

Readings go into a real SQLite store; the real `Analyst` judges them in rounds, as the service does. All judgements are
causal, so a week at once says what hour by hour would; a finding's time is that of the reading at which it spoke. Who
is silent is a matter of the clock on the wall and is not judged here.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from region_year.faults import DAY_S
from region_year.readings import STEP_S, Readings
from satomori_core.clock import SECOND_US
from satomori_core.vocabulary import Cause, Level
from satomori_maintenance.alert import AlertState, FindingState, follow
from satomori_maintenance.inhibit import Candidate, explanations
from satomori_maintenance.settings import MaintenanceSettings
from satomori_sample.region import Region as Sample
from satomori_store.models import Asset, Datastream, Device, Finding, Gateway, Organisation, Placement, Site
from satomori_store.port import Batch, Rows
from satomori_store.transactions import changing
from support.analytics_region import Region, open_region

# Judged at once; what is a week old then is still live, as if it had been judged when it came.
SPAN_DAYS = 7


@dataclass(frozen=True, slots=True)
class Told:
    """A finding as it stood at the end; `spoke_us`: the reading at which it was first known. `inputs`: datastreams."""

    id: int
    fingerprint: str
    kind: str
    cause: Cause
    asset: str
    metric: str
    datastream: int | None
    level: int
    since_us: int
    spoke_us: int
    until_us: int | None
    inputs: frozenset[int]


def judge(
    state: Path, readings: Readings, from_s: float, days: int, progress: Callable[[int], None] = lambda _: None
) -> list[Told]:
    """All findings of `days` days from `from_s`. `state` is made and deleted."""
    region = open_region(state)
    try:
        _fill(region, readings.region)
        analyst = region.analyst(
            historical_after_s=5 * SPAN_DAYS * int(DAY_S), silence_grace_s=1e12, changes_per_round=1_000_000
        )
        spoke: dict[int, int] = {}
        for day in range(0, days, SPAN_DAYS):
            until_s = from_s + min(day + SPAN_DAYS, days) * DAY_S
            _write(region, *readings.between(from_s + day * DAY_S, until_s))
            now_us = int(until_s * SECOND_US)
            region.digest(now_us, analyst)
            with Session(region.registry) as session:
                query = select(Finding).where(Finding.updated_us >= now_us)
                for row in session.scalars(query):
                    spoke.setdefault(row.id, min(_spoke(row), now_us))
            progress(min(day + SPAN_DAYS, days))
        return [_told(row, spoke[row.id]) for row in region.findings()]
    finally:
        region.close()
        shutil.rmtree(state)


def _spoke(row: Finding) -> int:
    return int(row.evidence.get("spoke_us", row.since_us))


def _told(row: Finding, spoke_us: int) -> Told:
    return Told(
        row.id, row.fingerprint, row.kind, Cause(row.cause), row.asset_id, str(row.evidence.get("metric", "")),
        row.datastream_id, row.level, row.since_us, spoke_us, row.until_us, frozenset(row.evidence.get("inputs", ())),
    )  # fmt: skip


def _write(region: Region, at_s: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> None:
    rows = [
        (stream + 1, int(at * SECOND_US), float(value), 1)
        for stream in range(len(values))
        for at, value in zip(at_s.tolist(), values[stream].tolist(), strict=True)
        if np.isfinite(value)
    ]
    region.store.write(Batch(rows=Rows.of(rows), received_at_us=int(at_s[-1] * SECOND_US)))


def _fill(region: Region, sample: Sample) -> None:
    """The registry: each asset with its own municipality, devices behind their gateways, datastreams in order."""
    owners = {asset.municipality for asset in sample.assets.values()}
    devices = list(sample.devices.values())
    with changing(region.registry) as session:
        session.add_all(Organisation(id=o, kind="municipality", name=o, name_en=o) for o in sorted(owners))
        session.flush()
        session.add_all(
            Site(id=f"{o}-site", organisation_id=o, name=o, name_en=o, latitude=34.1, longitude=133.7) for o in owners
        )
        session.flush()
        for gateway in sorted({device.gateway for device in devices}):
            session.add(Gateway(id=gateway, organisation_id="town", site_id="site", kind="direct", name=gateway,
                                name_en=gateway, silent_after_s=900, online=None, seen_us=None))  # fmt: skip
        for a in sample.assets.values():
            session.add(Asset(
                id=a.id, site_id=f"{a.municipality}-site", organisation_id=a.municipality,
                municipality_id=a.municipality, class_=a.class_, name=a.name, name_en=a.name_en, latitude=a.latitude,
                longitude=a.longitude, built_year=a.built_year, attributes=dict(a.attributes),
            ))  # fmt: skip
        session.add_all(Device(id=d.id, name=d.name, name_en=d.name_en, model=d.model) for d in devices)
        session.flush()
        session.add_all(Placement(device_id=d.id, gateway_id=d.gateway, until_us=None) for d in devices)
        for number, s in enumerate(sample.streams, 1):
            session.add(Datastream(
                id=number, asset_id=s.asset, device_id=s.device, metric=s.metric, unit=s.unit, interval_s=STEP_S,
                low=None, high=None, suspect_low=None, suspect_high=None, until_us=None,
            ))  # fmt: skip
        session.flush()


@dataclass(frozen=True, slots=True)
class Heard:
    """An alert as a person gets it: `told_us` None where another alert explained it as long as it stood."""

    told: Told
    told_us: int | None


def as_people_hear(findings: Sequence[Told]) -> list[Heard]:
    """Maintenance's own rules at event times: spells of one cause joined, what is explained held back."""
    settings = MaintenanceSettings()
    hold_us, wait_us = settings.hold_us, round(settings.group_wait_s * SECOND_US)
    alerts: dict[int, AlertState] = {}
    first: dict[int, Told] = {}
    told_us: dict[int, int] = {}
    newest: dict[str, int] = {}
    for at_us, what in _events(findings, wait_us):
        if isinstance(what, FindingState):
            number = newest.get(what.fingerprint)
            after, _ = follow(alerts.get(number) if number is not None else None, what, at_us, hold_us)
            if after is not None:
                number = after.id if after.id is not None else len(alerts) + 1
                newest[what.fingerprint], alerts[number] = number, replace(after, id=number)
                first.setdefault(number, next(f for f in findings if f.id == what.id))
            continue
        standing = {n: a for n, a in alerts.items() if a.resolved_us is None or at_us - a.resolved_us < hold_us}
        by = explanations([_candidate(n, a, first[n]) for n, a in standing.items()], at_us, hold_us)
        for number, alert in standing.items():
            if alert.resolved_us is None and number not in by:
                told_us.setdefault(number, at_us)
    return [Heard(first[number], told_us.get(number)) for number in alerts]


def _candidate(number: int, alert: AlertState, of: Told) -> Candidate:
    return Candidate(
        number, alert.cause, of.kind, alert.since_us, alert.resolved_us, of.datastream, None, STEP_S * SECOND_US,
        of.inputs,
    )  # fmt: skip


def _events(findings: Sequence[Told], wait_us: int) -> Iterator[tuple[int, FindingState | None]]:
    """In order of time: a finding begins or ends; and (None) the moments at which people are told what stands then."""
    events: list[tuple[int, int, FindingState | None]] = []
    for f in findings:
        begun = FindingState(f.id, f.fingerprint, f.cause, f.asset, "", Level(f.level), f.since_us, None, False)
        events += [(f.spoke_us, 0, begun), (f.spoke_us + wait_us, 1, None)]
        if f.until_us is not None:
            end_us = max(f.until_us, f.spoke_us)
            events += [(end_us, 0, replace(begun, until_us=end_us)), (end_us + 600 * SECOND_US + 1, 1, None)]
    events.sort(key=lambda event: event[:2])
    for at_us, _, what in events:
        yield at_us, what
