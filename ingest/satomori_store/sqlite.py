"""Observations in one SQLite file, beside their ledger: a batch, its ledger entry and its changes commit together."""

import itertools
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np
from sqlalchemy import Connection

from satomori_core.clock import now_us
from satomori_store.databases import ROWS_PER_STATEMENT, reading, writing
from satomori_store.ledger import Ledger
from satomori_store.port import (
    Aggregate,
    AlertEvent,
    AssetStatus,
    Batch,
    Columns,
    GroupStatus,
    QcMark,
    Rows,
    StatusKind,
    StatusPoint,
    WriteOutcome,
)

# A write of qc is cut into transactions of so many marks, so that ingest never waits long for its turn.
_MARKS_PER_TRANSACTION = 5000

# qc is not ingest's: an observation stored anew keeps the verdict until it is judged again.
_UPSERT = """
INSERT INTO observation (datastream, observed_at_us, value, quality, received_at_us) VALUES {rows}
ON CONFLICT (datastream, observed_at_us) DO UPDATE
SET value = excluded.value, quality = excluded.quality, received_at_us = excluded.received_at_us
"""
_RAW = """
SELECT datastream, observed_at_us, value, quality, qc FROM observation
WHERE datastream IN (SELECT value FROM json_each(?)) AND observed_at_us >= ? AND observed_at_us < ?
ORDER BY datastream, observed_at_us
"""
_LATEST = """
SELECT o.datastream, o.observed_at_us, o.value, o.quality, o.qc
FROM (SELECT DISTINCT value AS id FROM json_each(?)) wanted
JOIN observation o ON o.datastream = wanted.id
  AND o.observed_at_us = (SELECT MAX(observed_at_us) FROM observation WHERE datastream = wanted.id)
ORDER BY o.datastream
"""
_COUNT = """
SELECT datastream, COUNT(*) FROM observation WHERE datastream IN (SELECT value FROM json_each(?)) GROUP BY datastream
"""
_GOOD = "CASE WHEN quality < 4 AND qc < 4 THEN value END"
_AGGREGATES: dict[Aggregate, str] = {
    "mean": f"COALESCE(AVG({_GOOD}), AVG(value))",
    "min": f"COALESCE(MIN({_GOOD}), MIN(value))",
    "max": f"COALESCE(MAX({_GOOD}), MAX(value))",
    "sum": f"COALESCE(SUM({_GOOD}), SUM(value))",
    "count": f"COALESCE(NULLIF(COUNT({_GOOD}), 0), COUNT(*))",
    # The last good one's time, or, lowered by more than any time, the last bad one's.
    "last": "MAX(CASE WHEN quality < 4 AND qc < 4 THEN observed_at_us ELSE observed_at_us - (1 << 61) END)",
}
_BUCKET = "observed_at_us - ((observed_at_us % :every) + :every) % :every"
_STATUS = """
INSERT INTO status (kind, key, at_us, point) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, key) DO UPDATE SET at_us = excluded.at_us, point = excluded.point
WHERE excluded.at_us >= status.at_us
"""
_ROW = np.dtype([("datastream", "i8"), ("observed_at_us", "i8"), ("value", "f8"), ("quality", "i1"), ("qc", "i1")])
_KINDS: dict[StatusKind, type[StatusPoint]] = {
    "asset_status": AssetStatus,
    "group_status": GroupStatus,
    "alert": AlertEvent,
}


class SqliteStore:
    """The ObservationStore of `ledger`'s file. One process writes batches; qc and status come in between."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._engine = ledger.engine

    def write(self, batch: Batch) -> WriteOutcome:
        finite = np.isfinite(batch.rows.value)
        if not finite.all():
            rejected = [(row, f"{row[2]} is not a finite number") for row in batch.rows.take(~finite)]
            return WriteOutcome(0, rejected, batch.rows.take(finite))
        ordered = replace(batch, rows=batch.rows.ordered())  # neighbours in the file one after another
        stored_at_us = now_us()
        with writing(self._engine) as connection:
            _insert(_driver(connection), ordered.rows, batch.received_at_us)
            self._ledger.record(connection, ordered, stored_at_us)
        return WriteOutcome(len(batch.rows))

    def read(
        self,
        datastreams: Sequence[int],
        from_us: int,
        until_us: int,
        every_us: int | None = None,
        aggregate: Aggregate = "mean",
    ) -> Columns:
        wanted = json.dumps([int(d) for d in datastreams])
        with reading(self._engine) as connection:
            if every_us is None:
                return _columns(_driver(connection).execute(_RAW, (wanted, from_us, until_us)))
            parameters = {"ids": wanted, "from": from_us, "until": until_us, "every": every_us}
            return _columns(_driver(connection).execute(_aggregated(aggregate), parameters))

    def latest(self, datastreams: Sequence[int]) -> Columns:
        with reading(self._engine) as connection:
            return _columns(_driver(connection).execute(_LATEST, (json.dumps([int(d) for d in datastreams]),)))

    def count(self, datastreams: Sequence[int]) -> dict[int, int]:
        wanted = [int(d) for d in datastreams]
        with reading(self._engine) as connection:
            found = dict(_driver(connection).execute(_COUNT, (json.dumps(wanted),)).fetchall())
        return {datastream: found.get(datastream, 0) for datastream in wanted}

    def write_qc(self, marks: Sequence[QcMark]) -> None:
        rows = ((mark.qc, mark.datastream, mark.observed_at_us) for mark in marks)
        while part := list(itertools.islice(rows, _MARKS_PER_TRANSACTION)):
            with writing(self._engine) as connection:
                _driver(connection).executemany(
                    "UPDATE observation SET qc = ? WHERE datastream = ? AND observed_at_us = ?", part
                )

    def write_status(self, points: Sequence[StatusPoint]) -> None:
        """Keeps the newest of each asset, group and alert: what stood when is in the registry's alerts and findings."""
        rows = [(*_status_key(point), point.at_us, json.dumps(asdict(point), ensure_ascii=False)) for point in points]
        if rows:
            with writing(self._engine) as connection:
                _driver(connection).executemany(_STATUS, rows)

    def read_status(self, kind: StatusKind) -> list[StatusPoint]:
        with reading(self._engine) as connection:
            rows = (
                _driver(connection).execute("SELECT point FROM status WHERE kind = ? ORDER BY key", (kind,)).fetchall()
            )
        return [_to_point(kind, json.loads(text)) for (text,) in rows]

    def close(self) -> None:
        self._ledger.close()


def _insert(driver: sqlite3.Connection, rows: Rows, received_at_us: int) -> None:
    flat: list[int | float] = [0] * (4 * len(rows))
    flat[0::4], flat[1::4], flat[2::4], flat[3::4] = rows.lists()
    one, step = f"(?, ?, ?, ?, {received_at_us:d})", 4 * ROWS_PER_STATEMENT
    for start in range(0, len(flat), step):
        some = flat[start : start + step]
        driver.execute(_UPSERT.format(rows=", ".join([one] * (len(some) // 4))), some)


def _driver(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection: a tenth of the work per row."""
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _aggregated(aggregate: Aggregate) -> str:
    grouped = f"""
        SELECT datastream, {_BUCKET} AS start, {_AGGREGATES[aggregate]} AS value, MAX(quality) AS quality, MAX(qc) AS qc
        FROM observation
        WHERE datastream IN (SELECT value FROM json_each(:ids)) AND observed_at_us >= :from AND observed_at_us < :until
        GROUP BY 1, 2
    """  # noqa: S608 - only our own constants
    if aggregate != "last":
        return f"{grouped} ORDER BY 1, 2"
    return f"""
        SELECT g.datastream, g.start, o.value, g.quality, g.qc FROM ({grouped}) g
        JOIN observation o ON o.datastream = g.datastream
          AND o.observed_at_us = CASE WHEN g.value < -(1 << 60) THEN g.value + (1 << 61) ELSE g.value END
        ORDER BY 1, 2
    """  # noqa: S608 - only our own constants


def _columns(cursor: sqlite3.Cursor) -> Columns:
    rows = np.fromiter(cursor, _ROW)
    return Columns(*(np.ascontiguousarray(rows[name]) for name in _ROW.names or ()))


def _status_key(point: StatusPoint) -> tuple[StatusKind, str]:
    match point:
        case AssetStatus():
            return "asset_status", point.asset
        case GroupStatus():
            return "group_status", f"{point.group}|{point.municipality}|{point.class_}"
        case AlertEvent():
            return "alert", f"{point.alert:012d}"


def _to_point(kind: StatusKind, document: dict[str, Any]) -> StatusPoint:
    if "counts" in document:
        document["counts"] = tuple(document["counts"])
    return _KINDS[kind](**document)
