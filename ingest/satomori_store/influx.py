"""Observations in InfluxDB 1.8+, 2.x or 3.x; their ledger in SQL, written after the points.

Where anything happens in between, the points come again and overwrite themselves, so the order loses and doubles
nothing. Queries are InfluxQL, SELECT only, since that is what all three versions answer.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from satomori_core.clock import now_us
from satomori_core.vocabulary import Quality
from satomori_store.databases import writing
from satomori_store.influx_http import InfluxHttp, RefusedError
from satomori_store.ledger import Ledger
from satomori_store.lines import LEVEL_FIELDS, Identity, encode_mark, encode_rows, encode_statuses, head_of
from satomori_store.port import (
    Aggregate,
    AlertEvent,
    AssetStatus,
    Batch,
    Columns,
    GroupStatus,
    QcMark,
    Row,
    Rows,
    StatusKind,
    StatusPoint,
    WriteOutcome,
)
from satomori_store.settings import InfluxSettings

ROWS_PER_REQUEST = 10_000
POINTS_PER_SERIES = 20_000  # in one answer; what lies beyond is asked for next
_SERIES_PER_QUERY = 40
_MARKS_PER_REQUEST = 5000
_ALERTS_MAX = 1000
# InfluxDB keeps nanoseconds in 64 bits: about 1678 to 2262.
_TIME_MAX_US = 9_200_000_000_000_000
_FUNCTIONS: dict[Aggregate, str] = {
    "mean": "MEAN", "min": "MIN", "max": "MAX", "last": "LAST", "count": "COUNT", "sum": "SUM",
}  # fmt: skip
_REDUCERS: dict[Aggregate, Callable[[NDArray[np.float64]], float]] = {
    "mean": lambda values: float(values.mean()),
    "min": lambda values: float(values.min()),
    "max": lambda values: float(values.max()),
    "last": lambda values: float(values[-1]),
    "count": lambda values: float(len(values)),
    "sum": lambda values: float(values.sum()),
}


class InfluxStore:
    """`identities` loads every datastream's identity from the registry; asked again for a new id."""

    def __init__(
        self, settings: InfluxSettings, ledger: Ledger, identities: Callable[[], Mapping[int, Identity]]
    ) -> None:
        self._http = InfluxHttp(settings)
        self._ledger = ledger
        self._load = identities
        self._identities: Mapping[int, Identity] = {}
        self._heads: dict[int, bytes] = {}

    # ------------------------------------------------------------------ writing

    def write(self, batch: Batch) -> WriteOutcome:
        rows = batch.rows.ordered()  # not every version keeps the last of a point that comes twice in a request
        datastreams = set(np.unique(rows.datastream).tolist())
        self._know(datastreams)
        rejected: list[tuple[Row, str]] = []
        if not (self._heads.keys() >= datastreams and self._are_possible(rows)):
            rejected = [(row, reason) for row in rows if (reason := self._flaw(row)) is not None]
            rows = Rows.of(row for row in rows if self._flaw(row) is None)
        for start in range(0, len(rows), ROWS_PER_REQUEST):
            rejected += self._post(rows.take(slice(start, start + ROWS_PER_REQUEST)))
        if rejected:
            bad = {row[:2] for row, _ in rejected}
            return WriteOutcome(0, rejected, Rows.of(row for row in rows if row[:2] not in bad))
        with writing(self._ledger.engine) as connection:
            self._ledger.record(connection, replace(batch, rows=rows), now_us())
        return WriteOutcome(len(batch.rows))

    @staticmethod
    def _are_possible(rows: Rows) -> bool:
        """The question of `_flaw`, of values and times, asked of all at once: the answer is nearly always yes."""
        return bool(np.isfinite(rows.value).all() and (np.abs(rows.observed_at_us) < _TIME_MAX_US).all())

    def _flaw(self, row: Row) -> str | None:
        if not math.isfinite(row[2]):
            return f"{row[2]} is not a finite number"
        if row[0] not in self._heads:
            return f"datastream {row[0]} is not in the registry"
        if not -_TIME_MAX_US < row[1] < _TIME_MAX_US:
            return f"{row[1]} µs is beyond the times that InfluxDB can hold"
        return None

    def _post(self, rows: Rows) -> list[tuple[Row, str]]:
        """What the server refuses, found by halves: the good ones are then stored, some of them more than once."""
        try:
            self._http.write(encode_rows(rows, self._heads))
        except RefusedError as error:
            told = str(error)
            dropped = re.search(r"dropped=(\d+)", told)
            if len(rows) == 1 or (dropped is not None and int(dropped[1]) == len(rows)):
                return [(row, told) for row in rows]
            middle = len(rows) // 2
            return self._post(rows.take(slice(middle))) + self._post(rows.take(slice(middle, None)))
        return []

    def write_qc(self, marks: Sequence[QcMark]) -> None:
        self._know({mark.datastream for mark in marks})
        lines = [encode_mark(m, self._identities[m.datastream]) for m in marks if m.datastream in self._identities]
        self._write_lines(lines)

    def write_status(self, points: Sequence[StatusPoint]) -> None:
        self._write_lines(encode_statuses(points))

    def _write_lines(self, lines: Sequence[str]) -> None:
        for part in _parts(lines, _MARKS_PER_REQUEST):
            self._http.write("\n".join(part).encode())

    def _know(self, datastreams: set[int]) -> None:
        if datastreams <= self._heads.keys():
            return
        self._identities = self._load()
        self._heads = {datastream: head_of(datastream, identity) for datastream, identity in self._identities.items()}

    # ------------------------------------------------------------------ reading

    def read(
        self,
        datastreams: Sequence[int],
        from_us: int,
        until_us: int,
        every_us: int | None = None,
        aggregate: Aggregate = "mean",
    ) -> Columns:
        pieces: list[Columns] = []
        for metric, ids in self._by_metric(datastreams):
            if every_us is None:
                pieces += self._read_raw(metric, ids, from_us, until_us)
            else:
                pieces += self._read_aggregated(metric, ids, (from_us, until_us), every_us, aggregate)
        return _joined(pieces)

    def _read_raw(self, metric: str, ids: Sequence[int], from_us: int, until_us: int) -> list[Columns]:
        pieces: list[Columns] = []
        waiting = [(from_us, list(ids))]
        while waiting:
            start_us, wanted = waiting.pop()
            where = f"{_of(wanted)} AND {_within(start_us, until_us)}"
            query = _select("value, quality, qc", metric, where, f"GROUP BY datastream LIMIT {POINTS_PER_SERIES}")
            found = self._http.query(query)
            for series in found:
                datastream = int(series.tags["datastream"])
                pieces.append(_to_columns(datastream, series.values))
                if len(series.values) == POINTS_PER_SERIES:
                    waiting.append((series.values[-1][0] + 1, [datastream]))
        return pieces

    def _read_aggregated(
        self, metric: str, ids: Sequence[int], span: tuple[int, int], every_us: int, aggregate: Aggregate
    ) -> list[Columns]:
        """The server's aggregates; an interval that holds a failed value is reckoned here, without it."""
        fields = (
            f"{_FUNCTIONS[aggregate]}(value) AS value, MAX(quality) AS quality, MAX(qc) AS qc, "
            "COUNT(value) AS observations, COUNT(qc) AS marks"
        )
        where = f"{_of(ids)} AND {_within(*span)}"
        query = _select(fields, metric, where, f"GROUP BY time({every_us}u), datastream FILL(none)")
        found = self._http.query(query)
        pieces: list[Columns] = []
        for series in found:
            piece = _to_columns(int(series.tags["datastream"]), series.values)
            pieces.append(piece)
            unmarked = np.array([(row[5] or 0) < row[4] for row in series.values if row[1] is not None], np.bool_)
            piece.qc[unmarked] = np.maximum(piece.qc[unmarked], Quality.UNKNOWN)
            failed = np.flatnonzero((piece.quality >= Quality.FAIL) | (piece.qc >= Quality.FAIL))
            if len(failed) == 0:
                continue
            starts = piece.observed_at_us[failed]
            first, last = max(int(starts[0]), span[0]), min(int(starts[-1]) + every_us, span[1])
            raw = _joined(self._read_raw(metric, [int(piece.datastream[0])], first, last))
            piece.value[failed] = _without_failed(raw, starts, every_us, _REDUCERS[aggregate])
        return pieces

    def latest(self, datastreams: Sequence[int]) -> Columns:
        pieces: list[Columns] = []
        for metric, ids in self._by_metric(datastreams):
            query = _select("LAST(value) AS value, quality, qc", metric, _of(ids), "GROUP BY datastream")
            found = self._http.query(query)
            pieces += [_to_columns(int(series.tags["datastream"]), series.values) for series in found]
        return _joined(pieces)

    def count(self, datastreams: Sequence[int]) -> dict[int, int]:
        counts = dict.fromkeys((int(d) for d in datastreams), 0)
        for metric, ids in self._by_metric(datastreams):
            found = self._http.query(_select("COUNT(value)", metric, _of(ids), "GROUP BY datastream"))
            for series in found:
                counts[int(series.tags["datastream"])] += int(series.values[0][1])
        return counts

    def read_status(self, kind: StatusKind) -> list[StatusPoint]:
        tags = {
            "asset_status": "asset, class, municipality",
            "group_status": '"group", class, municipality',
            "alert": "asset, class, municipality, priority",
        }[kind]
        limit = _ALERTS_MAX if kind == "alert" else 1
        found = self._http.query(_select("*", kind, "", f"GROUP BY {tags} ORDER BY time DESC LIMIT {limit}"))
        rows = [
            dict(zip(series.columns, values, strict=True)) | series.tags for series in found for values in series.values
        ]
        if kind == "asset_status":
            return [_to_asset_status(row) for row in sorted(rows, key=lambda row: str(row["asset"]))]
        if kind == "group_status":
            return [_to_group_status(row) for row in rows]
        newest: dict[int, AlertEvent] = {}
        for row in sorted(rows, key=lambda row: int(row["time"])):
            newest[row["alert"]] = _to_alert_event(row)
        return [newest[alert] for alert in sorted(newest)]

    def close(self) -> None:
        self._http.close()
        self._ledger.close()

    def _by_metric(self, datastreams: Sequence[int]) -> Iterable[tuple[str, list[int]]]:
        """The wanted datastreams that exist, by measurement, so many in one query."""
        wanted = {int(d) for d in datastreams}
        self._know(wanted)
        metrics: dict[str, list[int]] = {}
        for datastream in sorted(wanted & self._identities.keys()):
            metrics.setdefault(self._identities[datastream].metric, []).append(datastream)
        return [(metric, list(part)) for metric, ids in metrics.items() for part in _parts(ids, _SERIES_PER_QUERY)]


def _parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _select(fields: str, measurement: str, where: str, tail: str) -> str:
    condition = f" WHERE {where}" if where else ""
    return f"SELECT {fields} FROM {_quoted(measurement)}{condition} {tail}"  # noqa: S608 - names quoted, ids numbers


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _of(datastreams: Iterable[int]) -> str:
    return "(" + " OR ".join(f"datastream = '{datastream}'" for datastream in datastreams) + ")"


def _within(from_us: int, until_us: int) -> str:
    first, last = (max(-_TIME_MAX_US, min(_TIME_MAX_US, at_us)) * 1000 for at_us in (from_us, until_us))
    return f"time >= {first} AND time < {last}"


def _to_columns(datastream: int, values: list[list[Any]]) -> Columns:
    """Of rows [time, value, quality, qc, …]; a row without a value is a mark of qc without an observation."""
    rows = [row for row in values if row[1] is not None]
    return Columns(
        np.full(len(rows), datastream, np.int64),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float64),
        np.array([Quality.UNKNOWN if row[2] is None else row[2] for row in rows], np.int8),
        np.array([Quality.UNKNOWN if row[3] is None else row[3] for row in rows], np.int8),
    )


def _joined(pieces: list[Columns]) -> Columns:
    """In order of datastream, then time: the pieces of one datastream are in order of time already."""
    pieces = sorted((p for p in pieces if len(p.datastream)), key=lambda p: (p.datastream[0], p.observed_at_us[0]))
    if not pieces:
        return _to_columns(0, [])
    return Columns(
        np.concatenate([p.datastream for p in pieces]),
        np.concatenate([p.observed_at_us for p in pieces]),
        np.concatenate([p.value for p in pieces]),
        np.concatenate([p.quality for p in pieces]),
        np.concatenate([p.qc for p in pieces]),
    )


def _without_failed(
    raw: Columns, starts: NDArray[np.int64], every_us: int, reduce: Callable[[NDArray[np.float64]], float]
) -> NDArray[np.float64]:
    """One value for each interval: of its values that did not fail, or of all where all did."""
    low = np.searchsorted(raw.observed_at_us, starts)
    high = np.searchsorted(raw.observed_at_us, starts + every_us)
    good = (raw.quality < Quality.FAIL) & (raw.qc < Quality.FAIL)
    result = np.empty(len(starts))
    for index, (first, last) in enumerate(zip(low, high, strict=True)):
        values, mask = raw.value[first:last], good[first:last]
        result[index] = reduce(values[mask] if mask.any() else values)
    return result


def _to_asset_status(row: Mapping[str, Any]) -> AssetStatus:
    return AssetStatus(
        row["time"], row["asset"], row["class"], row["municipality"], int(row["level"]), row["reason"],
        int(row["since"]) * 1000, float(row["latitude"]), float(row["longitude"]),
    )  # fmt: skip


def _to_group_status(row: Mapping[str, Any]) -> GroupStatus:
    good, unknown, watch, warning, danger = (int(row[name]) for name in LEVEL_FIELDS)
    counts = (good, unknown, watch, warning, danger)
    return GroupStatus(row["time"], row["group"], row["municipality"], row["class"], int(row["level"]), counts)


def _to_alert_event(row: Mapping[str, Any]) -> AlertEvent:
    return AlertEvent(
        row["time"], int(row["alert"]), row["asset"], row["class"], row["municipality"], row["priority"],
        int(row["level"]), row["event"], row["text_ja"], row["text_en"],
    )  # fmt: skip
