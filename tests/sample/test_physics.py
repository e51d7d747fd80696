"""What the sensors say is a function of seed and time alone, physically possible, and calm without faults."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from satomori_analytics.playbook_files import load_playbooks
from satomori_core.metrics import catalogue
from satomori_sample.noise import Floats
from satomori_sample.region import Stream, build_region
from satomori_sample.weather import STEP_S, Weather
from satomori_sample.world import World

REGION = build_region()
NOVEMBER_S = 1_795_392_000.0  # 2026-11-23T00:00:00Z
DAY_S = 86_400.0
SEED = 7


def times(count: int, step_s: float = 600.0, from_s: float = NOVEMBER_S) -> Floats:
    return from_s + step_s * np.arange(count, dtype=np.float64)


@pytest.fixture(scope="module")
def year() -> Floats:
    """A year of every datastream, hourly."""
    return World(SEED, REGION, 600.0).values(times(365 * 24, 3600.0))


def rows(values: Floats, class_: str, metric: str) -> Iterator[tuple[Stream, NDArray[np.float64]]]:
    for stream, row in zip(REGION.streams, values, strict=True):
        if REGION.assets[stream.asset].class_ == class_ and stream.metric == metric:
            yield stream, row


def test_one_seed_gives_one_region_and_another_seed_another() -> None:
    at = times(288)
    first = World(SEED, REGION, 600.0).values(at)
    assert np.array_equal(first, World(SEED, REGION, 600.0).values(at))
    assert not np.array_equal(first, World(SEED + 1, REGION, 600.0).values(at))


def test_the_weather_at_a_time_does_not_depend_on_what_was_asked_before() -> None:
    """Two windows agree where they overlap: so live data go on where history ends, also after a restart."""
    long = Weather(SEED, NOVEMBER_S - 30 * DAY_S, NOVEMBER_S + DAY_S)
    short = Weather(SEED, NOVEMBER_S, NOVEMBER_S + 3600)
    at = times(6, STEP_S)
    for name in ("air_cel", "humidity", "solar_w_m2", "rain_mm_h"):
        assert np.allclose(getattr(long.at(at), name), getattr(short.at(at), name), atol=1e-9), name
    for a, b in zip(long.at(at).wet_mm, short.at(at).wet_mm, strict=True):
        assert np.allclose(a, b, atol=1e-9)


def test_every_value_is_one_that_its_instrument_can_say(year: Floats) -> None:
    for stream, row in zip(REGION.streams, year, strict=True):
        metric = catalogue()[stream.metric]
        assert np.isfinite(row).all()
        assert row.min() >= metric.low, stream
        assert row.max() <= metric.high, stream


def test_values_are_whole_steps_of_the_resolution_and_short_decimals() -> None:
    for stream, row in zip(REGION.streams, World(SEED, REGION, 600.0).values(times(50)), strict=True):
        steps = row / stream.resolution
        assert np.allclose(steps, np.round(steps), atol=1e-6), stream
        assert max(len(repr(value)) for value in row.tolist()) <= 9, stream


def test_no_sensor_looks_stuck_in_a_quarter_of_a_day() -> None:
    """Rain, a pump's switch and a gate that nobody moves may stand still; so may the sun at night."""
    still = {"rain", "pump_running", "solar_radiation", "gate_opening", "gate_moving"}
    values = World(SEED, REGION, 10.0).values(times(360, 60.0))
    for stream, row in zip(REGION.streams, values, strict=True):
        if stream.metric not in still:
            assert len(np.unique(row)) > 3, stream


def test_day_and_season_show(year: Floats) -> None:
    hour = (times(365 * 24, 3600.0) + 9 * 3600) % DAY_S // 3600
    [(_, barn), *_] = rows(year, "cattle_barn", "air_temperature")
    assert barn[hour == 15].mean() > barn[hour == 5].mean() + 1
    day = times(365 * 24, 3600.0)
    winter, summer = (day < NOVEMBER_S + 90 * DAY_S), abs(day - NOVEMBER_S - 250 * DAY_S) < 30 * DAY_S
    [(_, soil), *_] = rows(year, "paddy", "soil_temperature")
    assert soil[summer].mean() > soil[winter].mean() + 12
    [(_, flooded), *_] = rows(year, "paddy", "water_level")
    assert flooded[winter].max() < 0 < flooded[summer].min()
    [(_, sun), *_] = rows(year, "greenhouse", "solar_radiation")
    assert sun[(hour == 0)].max() == 0


def test_a_bridge_softens_as_it_warms(year: Floats) -> None:
    frequencies = dict((s.asset, row) for s, row in rows(year, "bridge", "natural_frequency"))  # noqa: C402 - reads as the next
    for stream, warm in rows(year, "bridge", "structure_temperature"):
        assert np.corrcoef(frequencies[stream.asset], warm)[0, 1] < -0.9


def test_rain_raises_ponds_and_sewers() -> None:
    at = times(120 * 144)
    values = World(SEED, REGION, 600.0).values(at)
    wet = Weather(SEED, at[0], at[-1]).at(at).wet_mm
    [(_, pore), *_] = rows(values, "slope", "pore_pressure")
    assert np.corrcoef(pore, wet[1] + wet[2])[0, 1] > 0.9
    [(_, rain), *_] = rows(values, "slope", "rain")
    total_mm, fell_mm = rain.sum(), (Weather(SEED, at[0], at[-1]).at(at).rain_mm_h / 6).sum()
    assert total_mm == pytest.approx(fell_mm, rel=0.2)


@pytest.mark.parametrize(
    "class_", ["paddy", "upland_field", "orchard", "cattle_barn", "greenhouse", "irrigation_pond", "pump_station"]
)
def test_a_year_without_faults_crosses_no_limit_of_the_playbooks(year: Floats, class_: str) -> None:
    """Limits on what is measured itself; the asset's own attribute stands before the playbook's number."""
    playbook = load_playbooks().general[class_]
    seen = 0
    for limit in playbook.limit.values():
        for stream, row in rows(year, class_, limit.on):
            own = REGION.assets[stream.asset].attributes.get(limit.attribute or "")
            high, low = (limit.high, limit.low) if own is None else (own, own)
            if limit.side == "high":
                assert row.max() < float(high or 0), (stream.asset, limit.on)
            elif not limit.months:
                assert row.min() > float(low or 0), (stream.asset, limit.on)
            seen += 1
    assert seen


def test_a_barn_without_faults_is_never_too_hot_for_the_herd(year: Floats) -> None:
    """THI below 72, its first level, in any season."""
    humidity = {s.asset: row for s, row in rows(year, "cattle_barn", "relative_humidity")}
    for stream, air in rows(year, "cattle_barn", "air_temperature"):
        thi = 0.8 * air + humidity[stream.asset] / 100 * (air - 14.4) + 46.4
        assert thi.max() < 72


def test_neighbouring_values_of_live_data_pass_the_rate_checks() -> None:
    """Read every 10 s, nothing that is well changes faster than the playbooks call possible."""
    values = World(SEED, REGION, 10.0).values(times(4320, 10.0))
    playbooks = load_playbooks().general
    for stream, row in zip(REGION.streams, values, strict=True):
        metric = playbooks[REGION.assets[stream.asset].class_].metric.get(stream.metric)
        if metric is not None and metric.rate_per_h is not None:
            suspect = np.abs(np.diff(row)) > metric.rate_per_h / 360
            assert suspect.mean() < 0.002, stream
