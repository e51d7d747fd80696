"""Thinning: of each datastream and interval the minimum, maximum and last stay, however often it happens."""

import random
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satomori_core.clock import SECOND_US
from satomori_core.ranges import numbers
from satomori_core.readings import Reading
from satomori_edge.outbox import Outbox
from satomori_edge.thinning import WIDTH_MAX_US, Row, surplus, thin

spoken = st.tuples(st.integers(1, 3), st.integers(0, 5_000_000_000), st.floats(-1e6, 1e6))
rows_of_readings = st.lists(spoken, max_size=60, unique_by=lambda row: row[:2]).map(
    lambda rows: [(seq, *row) for seq, row in enumerate(rows, 1)]
)


def extremes(rows: Iterable[Row], width_us: int) -> dict[tuple[int, int], tuple[float, float, float]]:
    """Of each datastream and interval: minimum, maximum and last value, found in another way than by the code."""
    groups: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row[1], row[2] // width_us), []).append(row)
    return {
        key: (min(r[3] for r in group), max(r[3] for r in group), max(group, key=lambda r: r[2])[3])
        for key, group in groups.items()
    }


@given(rows_of_readings, st.integers(0, 12))
def test_minimum_maximum_and_last_of_each_interval_stay_and_no_more_than_three(rows: list[Row], doublings: int) -> None:
    width_us = SECOND_US << doublings
    gone = set(surplus(rows, width_us))
    kept = [row for row in rows if row[0] not in gone]
    assert extremes(kept, width_us) == extremes(rows, width_us)
    assert len(kept) <= 3 * len(extremes(rows, width_us))


@given(rows_of_readings, st.integers(1, 60))
def test_the_interval_doubles_until_enough_can_go(rows: list[Row], wanted: int) -> None:
    gone, width_us = thin(rows, wanted)
    assert gone == surplus(rows, width_us)
    assert len(gone) >= wanted or width_us >= WIDTH_MAX_US
    assert width_us == SECOND_US or len(surplus(rows, width_us // 2)) < wanted


def rows_in(outbox: Outbox) -> list[Row]:
    names = {"a": 0, "b": 1, "c": 2}
    return [
        (row.seq, names[row.reading.device], row.reading.observed_at_us, row.reading.value)
        for row in outbox.peek(0, None, 10**6)
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(100, 400), st.integers(1, 30))
def test_a_full_outbox_keeps_the_extremes_of_every_interval(seed: int, bound: int, per_round: int) -> None:
    """Of all that was ever put, in the widest interval that was used; and what is kept and told is everything.

    Three datastreams at different rates, some readings late.
    """
    chance = random.Random(seed)
    outbox = Outbox(None, readings_max=bound, bytes_max=10**9)
    put: list[Row] = []
    at_us = widest_us = 0
    while len(put) < 3000:
        batch: list[Row] = []
        for _ in range(per_round):
            at_us += chance.randrange(1, 3 * SECOND_US)
            late_us = chance.choice([0, 0, 0, 60 * SECOND_US])
            device = chance.choice([0, 0, 0, 1, 2])
            batch.append((len(put) + len(batch) + 1, device, max(0, at_us - late_us), chance.gauss(0, 10)))
        outbox.put([Reading("abc"[device], "rain", time_us, value) for _, device, time_us, value in batch])
        put += batch
        widest_us = max(widest_us, outbox.width_us)
    kept = rows_in(outbox)
    gone = [number for one in outbox.losses(10**6) for number in numbers([(one.loss.first, one.loss.last)])]
    assert {one.loss.reason for one in outbox.losses(10**6)} == {"thinned"}
    assert sorted([row[0] for row in kept] + gone) == [row[0] for row in put]
    assert len(kept) <= bound
    assert widest_us > SECOND_US
    assert extremes(kept, widest_us) == extremes(put, widest_us)
    outbox.close()


@pytest.mark.parametrize("kind", ["readings", "bytes"])
def test_thinning_takes_little_memory_and_works_in_small_steps(tmp_path: Path, kind: str) -> None:
    """A full outbox of 60,000 readings takes 20,000 more: at most 3 MB of Python's memory, a short transaction each."""
    bounds = {"readings": (60_000, 10**9), "bytes": (10**9, 2_500_000)}[kind]
    outbox = Outbox(tmp_path / "o.sqlite", readings_max=bounds[0], bytes_max=bounds[1])
    changed: list[int] = []

    def put(start: int, count: int) -> None:
        before = outbox._connection.total_changes
        outbox.put([Reading(f"d{i % 10}", "rain", (start + i) // 10 * SECOND_US, float(i % 7)) for i in range(count)])
        changed.append(outbox._connection.total_changes - before)

    for start in range(0, 60_000, 2000):
        put(start, 2000)
    changed.clear()
    tracemalloc.start()
    for start in range(60_000, 80_000, 100):
        put(start, 100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000
    assert max(changed) < 20_000
    assert {one.loss.reason for one in outbox.losses(10**6)} == {"thinned"}
    outbox.close()
