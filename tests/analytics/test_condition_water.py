"""Pumps' starts and duty, districts' night flow and leakage: a day's figures and what is told of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from satomori_analytics.condition.daily import night_flow, starts, while_running
from satomori_analytics.condition.measured import Days, Measured, measure
from satomori_analytics.condition.region import conditions, load_structures
from satomori_analytics.condition.telling import measured_text
from satomori_analytics.condition.wanted import missing
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US
from support.analytics_region import NOON_US, Region

MIDNIGHT_US = NOON_US // DAY_US * DAY_US
MAINS = {"mains_km": 20, "connections": 1000, "private_pipe_km": 5, "night_use_m3_h": 2}


def told(found: list[Measured], kind: str) -> Measured:
    (only,) = (each for each in found if each.kind == kind)
    return only


def test_night_flow_is_the_least_of_an_hours_running_mean() -> None:
    """The worked example: 96 values, 10 except four of 2, 3, 2, 1, which begin on no full hour: 2.0."""
    day = np.full((1, 96), 10.0)
    day[0, 14:18] = 2, 3, 2, 1
    assert night_flow(day, None, 1.0)["night_flow"].tolist() == [2.0]
    day[0, 50:54] = np.nan  # 92 of 96 are enough
    assert night_flow(day, None, 1.0)["night_flow"].tolist() == [2.0]
    day[0, 54] = np.nan
    assert np.isnan(night_flow(day, None, 1.0)["night_flow"][0])


def test_of_hourly_values_the_least_one_counts() -> None:
    day = np.full((1, 96), np.nan)
    day[0, ::4] = 10
    day[0, 12] = 3
    assert night_flow(day, None, 1.0)["night_flow"].tolist() == [3.0]
    day[0, [40, 44]] = np.nan
    assert np.isnan(night_flow(day, None, 1.0)["night_flow"][0])


@pytest.mark.parametrize(("n1", "hours"), [(0.5, 12 + 12 * 0.5**0.5), (1.0, 18.0), (1.5, 12 + 12 * 0.5**1.5)])
def test_a_days_leakage_follows_its_pressures(n1: float, hours: float) -> None:
    """400 kPa while it is night, half of that by day: FAVAD's night-day factor for background and bursts."""
    flow, pressure = np.full((1, 96), 10.0), np.full((1, 96), 400.0)
    flow[0, 8:12], pressure[0, 48:] = 4, 200
    found = night_flow(flow, pressure, n1)
    assert found["night_day"][0] == pytest.approx(hours)
    assert found["pressure_mean"][0] == 300
    pressure[0, 60:68] = np.nan
    assert np.isnan(night_flow(flow, pressure, n1)["night_day"][0])


def test_a_districts_leakage_is_held_against_the_unavoidable() -> None:
    """5 m3/h at night, 2 of them used, at even pressure of 40 m: 72 m3/d by (18·20 + .8·1000 + 25·5)·40 L = 51.4 m3."""
    pressure = np.full(20, 40 * 9.80665)
    columns = {"night_flow": np.full(20, 5.0), "night_day": np.full(20, 24.0), "pressure_mean": pressure}
    found = measure("district_meter_area", Days(0, columns, MAINS))
    assert told(found, "leakage").value == pytest.approx(72)
    index = told(found, "leakage_index")
    assert index.value == pytest.approx(72 / 51.4)
    assert index.grade == "A"
    assert "漏水指標（ILI） 1.4" in measured_text(index)[0]
    without = {name: value for name, value in MAINS.items() if name != "connections"}
    assert [each.kind for each in measure("district_meter_area", Days(0, columns, without))] == [
        "night_flow",
        "leakage",
    ]
    ((ja, en),) = missing("district_meter_area", columns, without)
    assert "connections" in ja
    assert en == "not told for want of connections in the ledger: the leakage index (ILI)"
    assert missing("district_meter_area", columns, MAINS) == []
    assert missing("district_meter_area", ["night_flow"], {}) == []  # without pressures the ledger would not help


def test_starts_are_counted_a_day() -> None:
    """Ten minutes on, twenty off: 48 starts a day; a day of half its hours has no count; what ran on is no start."""
    at_us = np.arange(0, 2 * DAY_US + DAY_US // 2, 10 * MINUTE_US)
    running = (np.arange(len(at_us)) % 3 == 1).astype(np.float64)
    assert np.array_equal(starts(at_us, running, 0, 3), [48, 48, np.nan], equal_nan=True)
    assert starts(at_us, np.ones(len(at_us)), 0, 2).tolist() == [0, 0]
    assert starts(at_us - HOUR_US, running, 0, 1).tolist() == [48]


@pytest.mark.parametrize(("most", "grade", "ja"), [(40, "above", "上限を超える"), (60, "within", "上限以内")])
def test_starts_are_held_against_the_makers_limit(most: int, grade: str, ja: str) -> None:
    days = Days(0, {"starts": np.full(20, 48.0)}, {"starts_per_day_max": most})
    found = told(measure("pump_station", days), "starts_of_limit")
    assert found.value == pytest.approx(4800 / most)
    assert found.grade == grade
    assert ja in measured_text(found)[0]
    alone = Days(0, days.columns, {})
    assert [each.kind for each in measure("pump_station", alone)] == ["starts"]
    assert "starts_per_day_max" in missing("pump_station", alone.columns, {})[0][0]


def test_vibration_counts_while_the_pump_runs() -> None:
    """Half of the day at rest does not make 5 mm/s to 2.5."""
    running = np.zeros((1, 96))
    running[0, :48], running[0, 48] = 1, 0.5
    vibration = np.where(running == 1, 5.0, 0.1)
    assert while_running({"pump_running": running, "vibration": vibration})["vibration"].tolist() == [5.0]
    assert np.isnan(while_running({"pump_running": 0 * running, "vibration": vibration})["vibration"][0])


def test_a_pump_and_a_district_from_the_store(region: Region) -> None:
    """A pump that runs every other half hour, on whatever part of the year; a district whose pressure falls by day."""
    quarters = np.arange(90 * 96)
    at_us = (MIDNIGHT_US - 90 * DAY_US + quarters * 15 * MINUTE_US).tolist()
    region.add_asset("pump", "pump_station", ["pump_running", "vibration"], interval_s=900)
    on = quarters % 4 < 2
    region.put("pump", "pump_running", zip(at_us, on.astype(float).tolist(), strict=True))
    region.put("pump", "vibration", zip(at_us, np.where(on, 5.0, 0.1).tolist(), strict=True))
    region.add_asset("dma", "district_meter_area", ["flow", "pressure"], interval_s=900, attributes={**MAINS, "n1": 1})
    night = quarters % 96 < 24
    region.put("dma", "flow", zip(at_us, np.where(night, 5.0, 20.0).tolist(), strict=True))
    region.put("dma", "pressure", zip(at_us, np.where(night, 400.0, 200.0).tolist(), strict=True))
    found = {c.asset: c for c in conditions(region.registry, region.store, load_structures(region.registry), NOON_US)}
    pump = found["pump"]
    assert told(list(pump.measured), "starts").series == (23, *[24] * 89)  # on the first day it ran already
    assert (told(list(pump.measured), "vibration").value, told(list(pump.measured), "running").value) == (5, 12)
    assert [en for _, en in pump.wanting] == [
        "not told for want of starts_per_day_max in the ledger: starts against the maker's limit"
    ]
    assert told(list(found["dma"].measured), "leakage").value == pytest.approx(3 * (6 + 18 / 2))
    assert told(list(found["dma"].measured), "leakage_index").grade == "A"


def test_the_figures_agree_with_the_worked_examples_of_the_indicators() -> None:
    """What a condition tells of a night is what the indicator of the same name answers."""
    cases = json.loads((Path(__file__).parent.parent / "cases/analytics/indicators.json").read_text(encoding="utf-8"))
    nights = [case for case in cases if case["indicator"] == "minimum_night_flow" and case["expected"] is not None]
    assert nights
    for case in nights:
        day = np.array([case["inputs"]["flow"]], dtype=np.float64)
        assert night_flow(day, None, 1.0)["night_flow"][0] == pytest.approx(case["expected"])
