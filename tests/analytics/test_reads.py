"""No job reads more than it needs: what a round reads grows with what is new, not with what lies in the store."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from satomori_analytics.slow import Aggregates
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from satomori_store.port import Aggregate, Batch, Columns, QcMark, Rows
from satomori_store.sqlite import SqliteStore
from support.analytics_region import NOON_US, Region, open_region

STEP_US = 600 * SECOND_US


class Recording(SqliteStore):
    """A store that counts the rows within what it is asked for, aggregated or not."""

    def __init__(self, region: Region) -> None:
        super().__init__(region.ledger)
        self.rows = 0
        self.asked: list[tuple[int, int]] = []
        region.store = self

    @override
    def read(
        self, datastreams: Sequence[int], from_us: int, until_us: int, every_us: int | None = None,
        aggregate: Aggregate = "mean",
    ) -> Columns:  # fmt: skip
        self.rows += len(super().read(datastreams, from_us, until_us).value)
        self.asked.append((from_us, until_us))
        return super().read(datastreams, from_us, until_us, every_us, aggregate)


def fill(region: Region, assets: int, days: int) -> int:
    """Manholes: derived hours, a detector of single series, neighbours. The time of the next row."""
    for number in range(assets):
        region.add_asset(f"manhole{number}", "sewer_manhole", ["water_level", "hydrogen_sulfide"], interval_s=600)
    put(region, NOON_US, days * 144)
    return NOON_US + days * DAY_US


def put(region: Region, start_us: int, count: int) -> None:
    place = (start_us - NOON_US) // STEP_US + np.arange(count)
    wave = np.sin(place / 144 * 2 * np.pi)
    for stream in region.streams.values():
        values = 0.3 + 0.05 * wave + 0.01 * np.sin(place * 1.7 + stream)
        rows = Rows(
            np.full(count, stream), NOON_US + place * STEP_US, values, np.ones(count, np.int8)
        )  # fmt: skip
        region.store.write(Batch(rows=rows, received_at_us=start_us))


def read_in_a_day(state: Path, assets: int, days: int) -> int:
    """Rows read in four rounds of six hours each, which follow `days` of history and two more such rounds."""
    region = open_region(state)
    start_us = fill(region, assets, days)
    recording = Recording(region)
    analyst = region.digest(start_us)
    for part in range(6):
        if part == 2:
            recording.rows = 0
        put(region, start_us + part * 6 * HOUR_US, 36)
        region.digest(start_us + (part + 1) * 6 * HOUR_US, analyst)
    region.close()
    return recording.rows


def test_a_round_reads_no_more_where_more_is_stored(tmp_path: Path) -> None:
    """Four days or seven in the store: the same. Twice the manholes: at most twice as much, neighbours and all."""
    little = read_in_a_day(tmp_path / "little", 3, 4)
    assert little == read_in_a_day(tmp_path / "long", 3, 7)
    assert read_in_a_day(tmp_path / "many", 6, 4) <= 2 * little


def test_a_reference_is_learned_from_the_hours_that_it_needs(region: Region) -> None:
    """400 rows of a pump, ten seconds apart, with eight hours of them in the store: two hours are read."""
    metrics = ["acceleration_1", "acceleration_2", "motor_current", "pressure", "motor_temperature", "flow"]
    region.add_asset("pumps", "pump_station", metrics, interval_s=10)
    rng = np.random.default_rng(4)
    for metric in metrics:
        values = 5 + rng.normal(0, 0.1, 8 * 360)
        region.put("pumps", metric, [(NOON_US + i * 10 * SECOND_US, v) for i, v in enumerate(values.tolist())])
    region.digest(NOON_US + 8 * HOUR_US)  # all of it
    (kept,) = (region.state / "analytics").glob("pumps.*.json")
    kept.unlink()
    recording = Recording(region)
    analyst = region.analyst()
    now_us = NOON_US + 8 * HOUR_US
    region.put("pumps", "pressure", [(now_us, 5.0)])
    region.digest(now_us, analyst)
    assert kept.exists()
    # Counted it was once, over all that there is; what is judged lies at the end of the eight hours.
    early = [(a, b) for a, b in recording.asked if NOON_US - HOUR_US <= a < NOON_US + HOUR_US]
    assert early
    assert all(b <= NOON_US + 2 * HOUR_US for _, b in early)


@pytest.fixture
def watched(region: Region) -> tuple[Region, Aggregates]:
    region.add_asset("pond", "irrigation_pond", ["water_level"])
    return region, Aggregates(region.store)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_held_is_what_is_stored(watched: tuple[Region, Aggregates], seed: int) -> None:
    """Whatever comes late, fails its checks or is asked for in whatever window: as read from the store just now."""
    region, held = watched
    stream, rng = region.streams["pond", "water_level"], np.random.default_rng(seed)
    aggregates: list[Aggregate] = ["mean", "max"]
    for _ in range(60):
        at_us = NOON_US + int(rng.integers(0, 5000)) * MINUTE_US
        if rng.random() < 0.7:
            region.put("pond", "water_level", [(at_us + i * MINUTE_US, rng.normal()) for i in range(30)])
        else:
            region.store.write_qc([QcMark(stream, at_us + i * MINUTE_US, 4) for i in range(90)])
        held.forget(stream, at_us)
        for _ in range(int(rng.integers(0, 4))):
            from_us = NOON_US + int(rng.integers(-1000, 5000)) * MINUTE_US
            until_us = from_us + int(rng.integers(0, 3000)) * MINUTE_US
            aggregate = aggregates[int(rng.integers(2))]
            whole = from_us // HOUR_US * HOUR_US, until_us // HOUR_US * HOUR_US
            stored = region.store.read([stream], *whole, HOUR_US, aggregate)
            times, values = held.read(stream, HOUR_US, aggregate, (from_us, until_us))
            assert times.tolist() == stored.observed_at_us.tolist()
            assert values.tolist() == stored.value.tolist()
