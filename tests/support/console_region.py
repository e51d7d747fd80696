"""A region as the console's tests and pictures need it: three municipalities, a month of values, faults of every level.

Everything goes in by the real ways: a registry file through the importer, observations and status through the store,
findings and alerts as the rows that analytics and maintenance write. Values come from one seed and end at `now_us`.
"""

import math
import random
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_analytics.episodes import Stretch
from satomori_analytics.pictures import channel, picture
from satomori_analytics.views import Quantity
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from satomori_core.metrics import catalogue
from satomori_core.vocabulary import Level, SequenceState
from satomori_store.commanding import parse_allowed
from satomori_store.commands import write_actuators
from satomori_store.databases import writing
from satomori_store.models import Alert, Asset, Datastream, Finding, Gateway
from satomori_store.opening import open_ledger, open_registry, open_store
from satomori_store.port import AssetStatus, Batch, LedgerEntry, QcMark, QuarantineRow, Row, Rows
from satomori_store.registry import import_registry, transaction

STREAM = "5f0e3c1a9b7d4e62"
GATE = {"name": "gate", "values": [0, 1], "fail_safe": 0, "run_s_max": 3600, "settle_s": 1}  # of pond-oike
REGISTRY = Path(__file__).with_name("console_region.toml")
FAULTS = Path(__file__).with_name("console_faults.toml")


# ------------------------------------------------------------------ a month of values

Curve = Callable[[float, random.Random], float]  # hours before now (negative) → value


def _daily(mean: float, swing: float, noise: float, peak_h: float = 14.0) -> Curve:
    def at(hour: float, chance: random.Random) -> float:
        slow = math.sin(hour / 61.0) * swing * 0.4
        return mean + slow + swing * math.cos((hour - peak_h) / 24 * 2 * math.pi) + chance.gauss(0, noise)

    return at


def _rain(hour: float, chance: random.Random) -> float:
    wet = math.sin(hour / 37.0) + math.sin(hour / 11.0) > 1.3
    return round(chance.expovariate(0.8), 1) if wet else 0.0


def _pump(hour: float, _: random.Random) -> float:
    return 1.0 if hour % 24 % 6 < 2.5 else 0.0


CURVES: dict[str, Curve] = {
    "water_level": _daily(0.062, 0.006, 0.001, 6), "water_temperature": _daily(19.5, 2.6, 0.1),
    "soil_temperature": _daily(18.0, 1.4, 0.05, 17), "air_temperature": _daily(21.0, 5.5, 0.3),
    "relative_humidity": _daily(74, -14, 1.2), "co2": _daily(520, -120, 12), "soil_moisture": _daily(31, 1.8, 0.2),
    "ammonia": _daily(6.5, 1.5, 0.3), "rain": _rain, "natural_frequency": _daily(3.42, -0.03, 0.004),
    "structure_temperature": _daily(16.0, 6.5, 0.2), "strain": _daily(210, 38, 4), "pump_running": _pump,
    "hydrogen_sulfide": _daily(4.2, 1.8, 0.4, 7), "pressure": _daily(412, 9, 3), "flow": _daily(148, 22, 4),
    "vibration": _daily(1.6, 0.2, 0.08), "tilt": _daily(0.31, 0.01, 0.002), "pore_pressure": _daily(14, 1.2, 0.2),
}  # fmt: skip
OFFSETS = {"pond-oike": 1.86, "pond-kami": 2.3, "sewer-aoba": 0.22, "sewer-mitsu": 0.27}


def _faulty(asset: str, metric: str, hour: float, value: float) -> float:
    """The faults that the alerts below speak of."""
    if asset == "slope-mitsu" and metric == "tilt" and hour > -5:
        return value + (hour + 5) * 0.16
    if asset == "bridge-aoba" and metric == "strain" and hour > -9:
        return value + min(hour + 9, 4) * 38
    if asset == "green-1" and metric == "air_temperature" and hour > -3:
        return value + (hour + 3) * 4.2
    if asset == "pump-sei" and metric == "vibration" and hour > -30:
        return value + (hour + 30) * 0.045
    if asset == "paddy-nishi" and metric == "water_level" and hour > -14:
        return max(0.004, value - (hour + 14) * 0.0042)
    return value


def _rows(stream: Datastream, now_us: int) -> list[Row]:
    chance = random.Random(f"{stream.asset_id}/{stream.metric}")
    curve, offset = CURVES[stream.metric], OFFSETS.get(stream.asset_id, 0.0) if stream.metric == "water_level" else 0.0
    last_us = now_us - 40 * SECOND_US - (3 * DAY_US if stream.asset_id == "sewer-mitsu" else 0)
    rows: list[Row] = []
    for step in range(288 + 28 * 48):
        at_us = _at(last_us, step)
        hour = -(now_us - at_us) / HOUR_US
        if stream.asset_id == "bridge-sei" and -60 < hour < -52:
            continue
        wall_hour = (at_us / HOUR_US + 9) % 24 + int(hour // 24) * 24
        value = _faulty(stream.asset_id, stream.metric, hour, curve(wall_hour, chance) + offset)
        spike = stream.metric == "strain" and step in {27, 90, 91, 400}
        quality = 1
        if spike:
            value, quality = value + 140, 3
        if stream.metric == "relative_humidity" and step in {36, 37}:
            value, quality = value + 30, 4
        rows.append((stream.id, at_us, round(value, 4), quality))
    return rows


def _at(last_us: int, step: int) -> int:
    """Every 10 minutes in the last two days, every 30 before."""
    return last_us - (step if step < 288 else 288 + 3 * (step - 288)) * 10 * MINUTE_US


# ------------------------------------------------------------------ what was found


@dataclass(frozen=True)
class Fault:
    """It began `hours` ago; `limit` is what its finding was judged by."""

    asset: str
    level: int
    hours: float
    text_ja: str
    text_en: str
    advice_ja: str
    advice_en: str
    metric: str | None = None
    limit: float | None = None
    cause: str = "asset"
    acknowledged: str | None = None
    resolved_hours: float | None = None


def faults() -> list[Fault]:
    return [Fault(**row) for row in tomllib.loads(FAULTS.read_text(encoding="utf-8"))["fault"]]


PRIORITIES = {Level.DANGER: "high", Level.WARNING: "medium", Level.WATCH: "low", Level.UNKNOWN: "low"}


def _evidence(fault: Fault, stream: Datastream | None, since_us: int, now_us: int) -> dict[str, Any]:
    """What a limit was judged by, with its picture; the band is what the curve says without the fault."""
    evidence: dict[str, Any] = {} if fault.limit is None else {"limit": fault.limit}
    if stream is None or stream.metric not in CURVES:
        return evidence
    rows = _rows(stream, now_us)[::-1]
    at_us, values = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    stretch = Stretch(int(np.searchsorted(at_us, since_us)), len(rows) - 1, ended=False)
    before = values[: stretch.first]
    middle, side = float(np.median(before)), 2.0 * float(np.std(before))
    band = np.full(len(rows), middle - side), np.full(len(rows), middle + side)
    metric = catalogue()[stream.metric]
    quantity = Quantity(stream.metric, stream.unit, metric.ja, metric.en)
    limits = [] if fault.limit is None else [fault.limit]
    return evidence | {"picture": picture(at_us, stretch, [channel(quantity, at_us, values, stretch, band)], limits)}


def _fault_rows(engine: Engine, now_us: int) -> None:
    with writing(engine) as connection, Session(connection) as session:
        streams = {(s.asset_id, s.metric): s for s in session.scalars(select(Datastream))}
        for fault in faults():
            since = now_us - int(fault.hours * HOUR_US)
            until = None if fault.resolved_hours is None else now_us - int(fault.resolved_hours * HOUR_US)
            stream = streams.get((fault.asset, fault.metric or ""))
            finding = Finding(
                fingerprint=f"limit/{fault.asset}/{fault.metric}", kind="limit" if fault.metric else "silent",
                cause=fault.cause, asset_id=fault.asset, datastream_id=stream.id if stream else None,
                gateway_id=None, detector="limit", level=fault.level, confidence=0.9, since_us=since, until_us=until,
                found_us=since, updated_us=now_us, historical=False,
                evidence=_evidence(fault, stream, since, now_us),
                text_ja=fault.text_ja, text_en=fault.text_en, advice_ja=fault.advice_ja, advice_en=fault.advice_en,
            )  # fmt: skip
            session.add(finding)
            session.flush()
            owner = session.get(Asset, fault.asset)
            assert owner is not None
            session.add(Alert(
                fingerprint=finding.fingerprint, asset_id=fault.asset, organisation_id=owner.organisation_id,
                finding_id=finding.id, level=fault.level, priority=PRIORITIES[Level(fault.level)], cause=fault.cause,
                since_us=since, opened_us=since + 2 * MINUTE_US, updated_us=now_us,
                acknowledged_us=since + HOUR_US if fault.acknowledged else None,
                acknowledged_by="admin" if fault.acknowledged else None, note=fault.acknowledged, resolved_us=until,
                inhibited_by=None, text_ja=fault.text_ja, text_en=fault.text_en, advice_ja=fault.advice_ja,
                advice_en=fault.advice_en,
            ))  # fmt: skip
        for gateway in session.scalars(select(Gateway)):
            silent = gateway.id == "gw-mitsumine"
            gateway.online = True
            gateway.seen_us = now_us - (50 * MINUTE_US if silent else 12 * SECOND_US)
        session.flush()


def write_statuses(state: Path, engine: Engine, now_us: int) -> None:
    """What maintenance would say at `now_us`."""
    open_faults = {fault.asset: fault for fault in reversed(faults()) if fault.resolved_hours is None}
    silent = Fault("gw-mitsumine", int(Level.WATCH), 0.8, "50分間通信がありません", "", "", "")
    open_faults[silent.asset] = silent
    with Session(engine) as session:
        assets = session.scalars(select(Asset)).all()
    store = open_store(state, None)
    store.write_status([_status(asset, open_faults.get(asset.id), now_us) for asset in assets])
    store.close()


def _status(asset: Asset, fault: Fault | None, now_us: int) -> AssetStatus:
    return AssetStatus(
        now_us,
        asset.id,
        asset.class_,
        asset.municipality_id,
        level=int(Level.GOOD) if fault is None else fault.level,
        reason="" if fault is None else fault.text_ja,
        since_us=now_us - (9 * DAY_US if fault is None else int(fault.hours * HOUR_US)),
        latitude=asset.latitude,
        longitude=asset.longitude,
    )


def seed(state: Path, now_us: int) -> None:
    """Fill a new state folder."""
    engine = open_registry(state, None)
    import_registry(engine, REGISTRY)
    with Session(engine) as session:
        streams = [s for s in session.scalars(select(Datastream)) if s.metric in CURVES]
        spikes = [s.id for s in streams if s.metric == "strain"]
    open_ledger(state, None).close()
    store = open_store(state, None)
    number = 0
    for stream in streams:
        rows = _rows(stream, now_us)
        entry = LedgerEntry(STREAM, "gw-aoba", number + 1, number + len(rows), SequenceState.STORED)
        number += len(rows)
        counts = {(STREAM, stream.id): len(rows)}
        store.write(Batch(rows=Rows.of(rows), received_at_us=now_us, ledger=[entry], counts=counts))
    store.write(_pipeline_batch(number, now_us))
    store.write_qc([QcMark(id_, _at(now_us - 40 * SECOND_US, 60), 3) for id_ in spikes])
    store.close()
    _fault_rows(engine, now_us)
    with transaction(engine) as session:
        write_actuators(session, "gw-aoba", [parse_allowed(GATE)])
    write_statuses(state, engine, now_us)
    engine.dispose()


def _pipeline_batch(number: int, now_us: int) -> Batch:
    """A lost range, a gap, and what was set aside: an unknown device, and noise."""
    stored, lost = SequenceState.STORED, SequenceState.LOST
    unknown = [
        QuarantineRow(
            now_us - i * MINUTE_US, "satomori/v1/gw-aoba/telemetry", "gw-aoba", "unknown_device",
            "device 'soil-7' is not in the registry", b"[]", device="soil-7", metric="soil_moisture",
        )
        for i in range(14)
    ]  # fmt: skip
    noise = QuarantineRow(
        now_us - 3 * HOUR_US, "satomori/v1/gw-seiryu/telemetry", "gw-seiryu", "not_json", "line 1: not JSON", b"\xff"
    )
    return Batch(
        received_at_us=now_us,
        ledger=[
            LedgerEntry("a81c77d2e4f09b35", "gw-seiryu", 1, 88_214, stored),
            LedgerEntry("a81c77d2e4f09b35", "gw-seiryu", 88_219, 90_442, stored),
            LedgerEntry("c3d9e0b1f2a44876", "gw-mitsumine", 1, 41_900, stored),
            LedgerEntry("c3d9e0b1f2a44876", "gw-mitsumine", 41_901, 41_960, lost, "thinned"),
            LedgerEntry(STREAM, "gw-aoba", number + 1, number + 14, SequenceState.SET_ASIDE, "unknown_device"),
        ],
        resent={"a81c77d2e4f09b35": 37},
        quarantine=[*unknown, noise],
    )
