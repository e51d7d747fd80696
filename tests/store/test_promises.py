"""What every store promises, whatever holds it. Runs against SQLite and a real InfluxDB."""

import itertools
import math
import random
from collections.abc import Sequence

import numpy as np
import pytest

from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US
from satomori_core.vocabulary import SequenceState
from satomori_store.port import (
    Aggregate,
    AlertEvent,
    AssetStatus,
    Batch,
    Columns,
    GroupStatus,
    LedgerEntry,
    QcMark,
    QuarantineRow,
    Row,
    Rows,
)
from support.stores import StoreUnderTest

# A whole number of days, so that intervals of an hour and of a day begin here.
T0 = 1_790_035_200_000_000
EVER_US = 2**60


def _rows(columns: Columns) -> list[tuple[int, int, float, int, int]]:
    parts = (columns.datastream, columns.observed_at_us, columns.value, columns.quality, columns.qc)
    return list(zip(*(part.tolist() for part in parts), strict=True))


def _all(tested: StoreUnderTest, *datastreams: int) -> list[tuple[int, int, float, int, int]]:
    return _rows(tested.store.read(datastreams, -EVER_US, EVER_US))


def _store(tested: StoreUnderTest, rows: Sequence[Row]) -> None:
    outcome = tested.store.write(Batch(Rows.of(rows), T0))
    assert (outcome.accepted, list(outcome.rejected), list(outcome.kept)) == (len(rows), [], [])


# ------------------------------------------------------------------ writing and reading


def test_what_is_written_is_read_value_for_value(tested: StoreUnderTest) -> None:
    """Every double comes back as it is, ordered by datastream, then time, whatever the order of writing."""
    values = [0.1, -0.0, 1e-300, -1.7976931348623157e308, 5e-324, 1e16, 123456789.123456789, 2 / 3, 7]
    rows: list[Row] = [(d, T0 + i, value, 1 + i % 4) for d in (3, 1) for i, value in enumerate(values)]
    _store(tested, random.Random(1).sample(rows, len(rows)))
    assert _all(tested, 1, 3) == [(*row, 2) for row in sorted(rows)]
    assert _all(tested, 2) == []


def test_an_empty_store_answers_empty(tested: StoreUnderTest) -> None:
    for columns in (tested.store.read([1], 0, EVER_US), tested.store.latest([1]), tested.store.read([], 0, 9, 3)):
        assert [a.dtype for a in (columns.datastream, columns.observed_at_us, columns.value)] == [
            np.int64, np.int64, np.float64,
        ]  # fmt: skip
        assert columns.quality.dtype == columns.qc.dtype == np.int8
        assert _rows(columns) == []
    assert tested.store.count([1]) == {1: 0}
    assert tested.store.read_status("alert") == []


def test_times_are_half_open_and_exact_to_the_microsecond(tested: StoreUnderTest) -> None:
    _store(tested, [(1, T0 + i, float(i), 1) for i in range(4)])
    assert [row[1] for row in _rows(tested.store.read([1], T0 + 1, T0 + 3))] == [T0 + 1, T0 + 2]


def test_times_before_1970_and_far_ahead_are_kept(tested: StoreUnderTest) -> None:
    """The check of times is ingest's; the store holds what it is given."""
    _store(tested, [(1, -5, 1.0, 4), (1, 0, 2.0, 4), (1, 9_000_000_000_000_000, 3.0, 4)])
    assert [row[:3] for row in _all(tested, 1)] == [(1, -5, 1.0), (1, 0, 2.0), (1, 9_000_000_000_000_000, 3.0)]


def test_a_write_is_safe_to_repeat_and_the_last_value_stands(tested: StoreUnderTest) -> None:
    _store(tested, [(1, T0, 1.0, 1), (1, T0 + 1, 2.0, 1)])
    _store(tested, [(1, T0, 1.0, 1), (1, T0 + 1, 2.0, 1)])
    _store(tested, [(1, T0, 5.0, 3), (1, T0, 6.0, 4)])
    assert _all(tested, 1) == [(1, T0, 6.0, 4, 2), (1, T0 + 1, 2.0, 1, 2)]
    assert tested.store.count([1]) == {1: 2}


def test_many_series_and_many_points_come_back_whole(tested: StoreUnderTest) -> None:
    """More series than one query asks for, more points than one answer holds."""
    rows: list[Row] = [(d, T0 + d, 1.0, 1) for d in range(1, 101)]
    rows += [(1, T0 + DAY_US + i, float(i), 1) for i in range(20_005)]
    for start in range(0, len(rows), 5000):
        _store(tested, rows[start : start + 5000])
    assert [row[:4] for row in _all(tested, *range(1, 101))] == sorted(rows)
    assert sum(tested.store.count(range(1, 101)).values()) == len(rows)


def test_a_number_that_is_none_never_gets_in(tested: StoreUnderTest) -> None:
    """The batch is recorded whole or not at all; without the bad rows it is then stored."""
    good: list[Row] = [(1, T0, 1.0, 1), (1, T0 + 9, 2.0, 1)]
    bad: list[Row] = [(1, T0 + 1, math.nan, 1), (1, T0 + 2, math.inf, 1), (1, T0 + 3, -math.inf, 1)]
    entry = LedgerEntry("s", "gw", 1, 5, SequenceState.STORED)
    outcome = tested.store.write(Batch(Rows.of([good[0], *bad, good[1]]), T0, [entry], {("s", 1): 5}))
    assert outcome.accepted == 0
    assert [row[:2] for row, _ in outcome.rejected] == [row[:2] for row in bad]
    assert all("not a finite number" in reason for _, reason in outcome.rejected)
    assert list(outcome.kept) == good
    assert tested.ledger.known("s", [(1, 5)]) == []
    assert tested.store.write(Batch(outcome.kept, T0)).accepted == 2
    assert [row[2] for row in _all(tested, 1)] == [1.0, 2.0]


# ------------------------------------------------------------------ aggregates


@pytest.mark.parametrize("aggregate", ["mean", "min", "max", "last", "count", "sum"])
def test_aggregates_leave_failed_values_out_where_others_exist(tested: StoreUnderTest, aggregate: Aggregate) -> None:
    """Intervals begin at whole multiples since 1970; quality and qc are the worst; an empty interval is absent."""
    _store(
        tested,
        [
            (1, T0 + 1 * MINUTE_US, 1.0, 1),
            (1, T0 + 2 * MINUTE_US, 3.0, 3),
            (1, T0 + 3 * MINUTE_US, 1000.0, 4),  # failed at ingest
            (1, T0 + HOUR_US, 500.0, 1),  # will fail by its neighbours
            (1, T0 + HOUR_US + 1, 2.0, 1),
            (1, T0 + 3 * HOUR_US, 7.0, 4),  # only failed ones
            (1, T0 + 3 * HOUR_US + 5, 9.0, 9),
            (2, T0 + 3 * HOUR_US, 4.0, 2),
        ],
    )
    tested.store.write_qc([QcMark(1, T0 + HOUR_US, 4), QcMark(1, T0 + HOUR_US + 1, 1)])
    expected = {
        "mean": (2.0, 2.0, 8.0, 4.0),
        "min": (1.0, 2.0, 7.0, 4.0),
        "max": (3.0, 2.0, 9.0, 4.0),
        "last": (3.0, 2.0, 9.0, 4.0),
        "count": (2.0, 1.0, 2.0, 1.0),
        "sum": (4.0, 2.0, 16.0, 4.0),
    }[aggregate]
    found = _rows(tested.store.read([2, 1], T0, T0 + DAY_US, HOUR_US, aggregate))
    assert found == [
        (1, T0, expected[0], 4, 2),
        (1, T0 + HOUR_US, expected[1], 1, 4),
        (1, T0 + 3 * HOUR_US, expected[2], 9, 2),
        (2, T0 + 3 * HOUR_US, expected[3], 2, 2),
    ]


def test_an_aggregate_takes_only_what_lies_between(tested: StoreUnderTest) -> None:
    """Also where the interval begins before `from` and holds a failed value."""
    _store(tested, [(1, T0 + i * MINUTE_US, float(i), 4 if i == 30 else 1) for i in range(60)])
    found = _rows(tested.store.read([1], T0 + 29 * MINUTE_US, T0 + 32 * MINUTE_US, HOUR_US))
    assert found == [(1, T0, 30.0, 4, 2)]


# ------------------------------------------------------------------ latest, qc, count


def test_the_latest_is_by_observed_at_not_by_arrival(tested: StoreUnderTest) -> None:
    _store(tested, [(1, T0 + 5, 1.0, 1), (2, T0, 2.0, 3)])
    _store(tested, [(1, T0 + 2, 9.0, 1)])
    tested.store.write_qc([QcMark(1, T0 + 5, 3)])
    assert _rows(tested.store.latest([2, 1, 3])) == [(1, T0 + 5, 1.0, 1, 3), (2, T0, 2.0, 3, 2)]


def test_qc_is_never_touched_by_ingest(tested: StoreUnderTest) -> None:
    """It stays when the observation is stored anew; a mark for what is not stored makes no observation."""
    _store(tested, [(1, T0, 1.0, 1)])
    tested.store.write_qc([QcMark(1, T0, 4), QcMark(1, T0 + 1, 4), QcMark(999, T0, 4)])
    _store(tested, [(1, T0, 2.0, 3)])
    assert _all(tested, 1) == [(1, T0, 2.0, 3, 4)]
    assert tested.store.count([1]) == {1: 1}
    assert _rows(tested.store.latest([1])) == [(1, T0, 2.0, 3, 4)]


# ------------------------------------------------------------------ ledger, changes, quarantine


def test_a_batch_records_ledger_counts_changes_and_quarantine(tested: StoreUnderTest) -> None:
    quarantined = QuarantineRow(T0, "satomori/v1/gw/telemetry", "gw", "unit", "no such unit", b"[1]", "n", "m", "s", 4)
    tested.store.write(
        Batch(
            Rows.of([(1, T0, 1.0, 1), (1, T0 + 7, 2.0, 1), (2, T0 + 3, 2.0, 1)]),
            T0,
            [
                LedgerEntry("s", "gw", 1, 3, SequenceState.STORED),
                LedgerEntry("s", "gw", 4, 4, SequenceState.SET_ASIDE, "unit"),
            ],
            {("s", 1): 2, ("s", 2): 1},
            {},
            [quarantined],
        )
    )
    assert tested.ledger.known("s", [(1, 10)]) == [(1, 4)]
    changes = tested.ledger.changes_after(0)
    assert {(c.datastream, c.from_us, c.until_us) for c in changes} == {(1, T0, T0 + 7), (2, T0 + 3, T0 + 3)}
    assert [entry.row for entry in tested.ledger.quarantine()] == [quarantined]
    assert {d: c.numbered for d, c in tested.ledger.reading_counts().items()} == {1: 2, 2: 1}


def test_qc_and_status_append_no_change(tested: StoreUnderTest) -> None:
    _store(tested, [(1, T0, 1.0, 1)])
    before = tested.ledger.last_change_id()
    tested.store.write_qc([QcMark(1, T0, 1)])
    tested.store.write_status([_asset_status("a", T0, 1)])
    assert tested.ledger.last_change_id() == before


def test_a_batch_without_rows_still_records(tested: StoreUnderTest) -> None:
    """Losses, and packs of which everything was set aside."""
    outcome = tested.store.write(Batch(Rows.of(()), T0, [LedgerEntry("s", "gw", 5, 9, SequenceState.LOST, "thinned")]))
    assert outcome.accepted == 0
    assert tested.ledger.known("s", [(1, 9)]) == [(5, 9)]


# ------------------------------------------------------------------ status


def _asset_status(asset: str, at_us: int, level: int, reason: str = "") -> AssetStatus:
    return AssetStatus(at_us, asset, "paddy", "town", level, reason, T0, 35.5, 138.25)


def test_the_newest_status_of_each_is_read_back(tested: StoreUnderTest) -> None:
    """With whatever the reason says; an older one that comes late changes nothing."""
    words = '水位 "低" \\ 0.5, x=1\n二行目'
    newest = [_asset_status("a", T0 + 10, 3, words), _asset_status("b", T0 + 5, 0)]
    tested.store.write_status([_asset_status("a", T0, 1), *newest])
    tested.store.write_status([_asset_status("a", T0 + 1, 4)])
    assert tested.store.read_status("asset_status") == newest


def test_group_status_is_of_a_group_or_of_a_municipality_and_class(tested: StoreUnderTest) -> None:
    points = [
        GroupStatus(T0, "g1", "", "", 4, (1, 0, 2, 0, 1)),
        GroupStatus(T0, "", "town", "paddy", 1, (5, 1, 0, 0, 0)),
    ]
    tested.store.write_status(points)
    assert sorted(tested.store.read_status("group_status"), key=repr) == sorted(points, key=repr)


def test_alert_events_of_one_moment_are_all_kept(tested: StoreUnderTest) -> None:
    """The newest event of each alert is read back, also of two of one asset at one time."""

    def event(alert: int, at_us: int, what: str) -> AlertEvent:
        return AlertEvent(at_us, alert, "a", "paddy", "town", "high", 4, what, f"水位{alert}", "level")

    tested.store.write_status([event(1, T0, "opened"), event(2, T0, "opened")])
    tested.store.write_status([event(1, T0 + HOUR_US, "resolved")])
    found = tested.store.read_status("alert")
    assert [(p.alert, p.event, p.text_ja) for p in found if isinstance(p, AlertEvent)] == [
        (1, "resolved", "水位1"), (2, "opened", "水位2"),
    ]  # fmt: skip


# ------------------------------------------------------------------ at random, against a model


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_of_writes_reads_like_a_dictionary(tested: StoreUnderTest, seed: int) -> None:
    """Batches with repeated points, late ones and marks, in any order, are what a dictionary would hold."""
    rng = random.Random(seed)
    held: dict[tuple[int, int], tuple[float, int, int]] = {}
    for _ in range(20):
        rows: list[Row] = [
            (
                rng.randint(1, 4),
                T0 + rng.randint(0, 40) * MINUTE_US,
                round(rng.gauss(0, 10), 3),
                rng.choice([1, 2, 3, 4]),
            )
            for _ in range(rng.randint(0, 12))
        ]
        _store(tested, rows)
        for datastream, at_us, value, quality in rows:
            held[datastream, at_us] = (value, quality, held.get((datastream, at_us), (0, 0, 2))[2])
        marks = [QcMark(*rng.choice(list(held)), rng.choice([1, 3, 4])) for _ in range(3) if held]
        tested.store.write_qc(marks)
        for mark in marks:
            key = (mark.datastream, mark.observed_at_us)
            held[key] = (*held[key][:2], mark.qc)
    assert _all(tested, 1, 2, 3, 4) == [(*key, *held[key]) for key in sorted(held)]
    every = 10 * MINUTE_US
    found = _rows(tested.store.read([1, 2, 3, 4], T0, T0 + DAY_US, every, "sum"))
    assert [row[:2] for row in found] == sorted({(d, at - at % every) for d, at in held})
    for datastream, start, value, quality, qc in found:
        inside = [v for (d, at), v in held.items() if d == datastream and start <= at < start + every]
        good = [v[0] for v in inside if v[1] < 4 and v[2] < 4] or [v[0] for v in inside]
        assert math.isclose(value, math.fsum(good), abs_tol=1e-9)
        assert (quality, qc) == (max(v[1] for v in inside), max(v[2] for v in inside))


def test_change_ids_ascend_over_batches(tested: StoreUnderTest) -> None:
    for i in range(5):
        _store(tested, [(1, T0 + i, 1.0, 1)])
    ids = [change.change_id for change in tested.ledger.changes_after(0)]
    assert all(a < b for a, b in itertools.pairwise(ids))
    assert [c.from_us for c in tested.ledger.changes_after(ids[2])] == [T0 + 3, T0 + 4]
    assert tested.ledger.last_change_id() == ids[-1]
