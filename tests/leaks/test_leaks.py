"""A few districts of a small network: scenarios are what they say; bursts are found, told and sized."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from click.testing import CliRunner

from leaks import oracle
from leaks.evaluate import judge
from leaks.scenarios import Recording, Scenario, simulate
from satomori_analytics.cli import detect
from satomori_analytics.detectors.leak import find_leaks
from satomori_core.clock import DAY_US, HOUR_US, from_iso
from support.analytics_region import Region, open_region


@pytest.fixture(scope="module")
def burst() -> Recording:
    return simulate(Scenario("Net2", 41, "burst", share=0.15, at_day=16.3, days=17.6))


def test_a_burst_is_what_the_simulation_let_out(burst: Recording) -> None:
    """Nothing before, about the share that was asked for after, and the inflow rises by it; the seed decides all."""
    before, after = burst.at_us < burst.fault_us, burst.at_us >= burst.fault_us + HOUR_US
    assert np.abs(burst.leak_m3h[before]).max() < 1e-3
    mean = burst.flow_m3h[before].mean()
    assert 0.1 * mean < burst.leak_m3h[after].mean() < 0.2 * mean
    again = simulate(burst.scenario)
    np.testing.assert_array_equal(again.flow_m3h, burst.flow_m3h)
    np.testing.assert_array_equal(again.pressure_kpa, burst.pressure_kpa)


@pytest.mark.parametrize("held", ["hour", "step"])
def test_without_gauges_the_inflow_is_that_of_the_hydraulics(held: Literal["hour", "step"]) -> None:
    """A burst that is added demand: what EPANET makes of it and the plain sum differ by the meter's noise alone."""
    asked = Scenario("Net2", 42, "burst", share=0.1, at_day=1.3, days=2, held=held, added=True, sensors=1)
    run, summed = simulate(asked), simulate(replace(asked, sensors=0))
    assert np.abs(summed.flow_m3h / run.flow_m3h - 1).max() < 6 * np.hypot(0.005, 0.005)
    assert summed.leak_of_day() == pytest.approx(run.leak_of_day(), rel=0.02)


def test_the_oracle_finds_and_sizes_the_burst(burst: Recording) -> None:
    hours, size = oracle.found(burst)
    assert hours is not None
    assert 0 < hours <= 24
    assert size == pytest.approx(burst.leak_of_day(), rel=0.15)


def test_bursts_are_found_within_a_day_and_sized(burst: Recording) -> None:
    one = judge(burst)
    assert one.found_in_a_day
    assert abs(one.ratio - 1) < 0.3
    assert abs(one.started_off_h) <= 6
    assert one.false_alarms == 0


def test_a_leak_is_told_through_the_store(burst: Recording, region: Region) -> None:
    """Where, since when, how large with its band, what the gauges say, what to do: in both languages."""
    region.add_asset("dma", "district_meter_area", ["flow", "pressure"], interval_s=900)
    times = burst.at_us.tolist()
    region.put("dma", "flow", zip(times, burst.flow_m3h.tolist(), strict=True))
    region.put("dma", "pressure", zip(times, burst.pressure_kpa[:, 0].tolist(), strict=True))
    region.digest(times[-1])
    (finding,) = region.findings("leak")
    assert abs(finding.since_us - burst.fault_us) <= 6 * HOUR_US
    assert finding.until_us is None
    assert finding.level >= 2
    assert finding.evidence["size_low"] <= finding.evidence["size"] <= finding.evidence["size_high"]
    assert finding.evidence["size"] == pytest.approx(burst.leak_of_day(), rel=0.3)
    seen = finding.evidence["picture"]
    (shown,) = seen["channels"]
    assert abs(seen["from_us"] - finding.since_us) <= HOUR_US
    above = np.array(shown["observed"]) > np.array(shown["high"])
    leaking = np.array(shown["at_us"]) >= burst.fault_us
    assert above[leaking].mean() > 0.5
    assert above[~leaking].mean() < 0.3
    for word in ("dmaの名", "漏水の疑い", "m³/h", "夜間最小流量"):
        assert word in finding.text_ja
    for word in ("The dma", "leak", "m³/h", "% of the usual night flow", "since"):
        assert word in finding.text_en
    assert "漏水調査班" in finding.advice_ja
    assert "leak survey" in finding.advice_en


def test_a_file_the_library_and_the_service_say_the_same(burst: Recording, region: Region, tmp_path: Path) -> None:
    """Whichever way an inflow and its pressures come in: the same alarm, beginning and size."""
    flow, gauges = burst.flow_m3h, burst.pressure_kpa[:, :1]
    (told,) = find_leaks(burst.at_us, flow, gauges)
    # Pressures first: the inflow is known by its name; times as Japan's clocks show them.
    local = burst.at_us.astype("datetime64[us]") + np.timedelta64(9, "h")
    lines = [f"{t},{p!r},{f!r}" for t, p, f in zip(local.tolist(), gauges[:, 0].tolist(), flow.tolist(), strict=True)]
    (source := tmp_path / "dma.csv").write_text("\n".join(["time,pressure_1,inflow", *lines]), encoding="utf-8")
    arguments = ["--input", str(source), "--output", str(tmp_path / "out.csv"), "--detector", "leak"]
    result = CliRunner().invoke(detect, arguments, catch_exceptions=False)
    assert "inflow, pressure_1" in result.output
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["alarm"] for row in rows].index("1") == int(np.searchsorted(burst.at_us, told.alarm_us))
    assert float(rows[-1]["size"]) == pytest.approx(told.leak.size, rel=1e-5)
    assert from_iso(rows[-1]["began"]) - 9 * HOUR_US == told.leak.since_us
    assert rows[-1]["pressures"] == told.leak.verdict
    assert rows[0]["size"] == ""
    region.add_asset("dma", "district_meter_area", ["flow", "pressure"], interval_s=900)
    times = burst.at_us.tolist()
    region.put("dma", "flow", zip(times, flow.tolist(), strict=True))
    region.put("dma", "pressure", zip(times, gauges[:, 0].tolist(), strict=True))
    region.digest(times[-1])
    (finding,) = region.findings("leak")
    assert finding.evidence["began_us"] == told.leak.since_us
    assert finding.evidence["size"] == pytest.approx(told.leak.size, rel=1e-3)


def test_a_repair_ends_the_finding(burst: Recording, region: Region) -> None:
    """Two days after the inflow is back to normal nothing is said to go on, though it was."""
    region.add_asset("dma", "district_meter_area", ["flow"], interval_s=900)
    flow = burst.flow_m3h - burst.leak_m3h
    week = flow[: 7 * 96]
    times = burst.at_us.tolist()
    region.put("dma", "flow", zip(times, burst.flow_m3h.tolist(), strict=True))
    later = (burst.at_us[-1] + 900_000_000 * np.arange(1, 193)).tolist()
    # The week's pattern goes on where the recording ends.
    region.put("dma", "flow", ((at, float(week[(len(times) + i) % len(week)])) for i, at in enumerate(later)))
    region.digest(later[-1])
    (finding,) = region.findings("leak")
    assert finding.until_us is not None
    assert finding.until_us - burst.at_us[-1] <= DAY_US + 6 * HOUR_US


def test_a_district_that_is_learned_anew_says_so(burst: Recording, region: Region) -> None:
    """Ten days, nothing for 43, two more days: no leak is told, but that none can be, and what to do meanwhile."""
    region.add_asset("dma", "district_meter_area", ["flow"], interval_s=900)
    flow, times = burst.flow_m3h[: 12 * 96].tolist(), burst.at_us[: 12 * 96].copy()
    times[10 * 96 :] += 43 * DAY_US
    region.put("dma", "flow", zip(times.tolist(), flow, strict=True))
    region.digest(int(times[-1]))
    (finding,) = region.findings("leak")
    assert finding.until_us is None
    assert abs(finding.since_us - times[10 * 96]) <= HOUR_US
    for text, words in ((finding.text_ja, ("学習し直して", "14日")), (finding.text_en, ("learned anew", "14 days"))):
        assert all(word in text for word in words)
    assert "流量計の交換" in finding.advice_ja
    assert "meter was changed" in finding.advice_en


@pytest.fixture
def region(tmp_path_factory: pytest.TempPathFactory) -> "Region":
    return open_region(tmp_path_factory.mktemp("region"))
