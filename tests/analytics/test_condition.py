"""How structures stand: trends with honest intervals, temperature allowed for, ratings beside what is measured."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from satomori_analytics.condition.ageing import rating_of
from satomori_analytics.condition.cli import condition
from satomori_analytics.condition.measured import Days, Measured, measure
from satomori_analytics.condition.reach import reaches
from satomori_analytics.condition.region import by_urgency, conditions, load_structures, members_of
from satomori_analytics.condition.telling import ageing_text, measured_text, reach_text, sewer_text
from satomori_analytics.condition.trend import interval, theil_sen
from satomori_analytics.condition.urgency import sewer_urgency_of
from satomori_analytics.playbook_files import load_playbooks
from satomori_core.clock import DAY_US, HOUR_US, now_us
from satomori_core.errors import SettingsError
from support.analytics_region import NOON_US, Region

MIDNIGHT_US = NOON_US // DAY_US * DAY_US


def ar(rng: np.random.Generator, count: int, r: float, scale: float) -> np.ndarray:
    values = np.empty(count)
    values[0] = rng.normal(0, scale)
    for i in range(1, count):
        values[i] = r * values[i - 1] + rng.normal(0, scale * np.sqrt(1 - r * r))
    return values


def test_the_slope_is_not_moved_by_outliers_and_gaps() -> None:
    rng = np.random.default_rng(1)
    days = np.arange(200.0)
    values = 0.01 * days + rng.normal(0, 0.1, 200)
    values[::17] += 50
    values[30:60] = np.nan
    found = theil_sen(days, values)
    assert found is not None
    assert found.rate == pytest.approx(3.65, rel=0.1)
    assert found.low < 3.65 < found.high


@pytest.mark.parametrize("r", [0.0, 0.5])
def test_the_interval_holds_the_truth_about_nine_times_of_ten(r: float) -> None:
    rng = np.random.default_rng(3)
    days, held = np.arange(100.0), 0
    for _ in range(200):
        found = theil_sen(days, 0.02 * days + ar(rng, 100, r, 1.0))
        assert found is not None
        held += found.low <= 0.02 * 365.25 <= found.high
    assert 0.8 <= held / 200 <= 0.98


@pytest.mark.parametrize(("a_year", "least", "most"), [(0.0, 0, 9), (1.0, 33, 40)])
def test_the_season_of_a_year_is_no_trend(a_year: float, least: int, most: int) -> None:
    """A yearly wave of ten times the noise, begun anywhere in it: a sure trend one time of ten, or where there is one.

    Without the wave's being taken out it was sure half of the time where there was none.
    """
    days, sure = np.arange(400.0), 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        wave = 2 * np.sin(2 * np.pi * (days / 365.25 + rng.random()))
        found = theil_sen(days, wave + a_year * days / 365.25 + ar(rng, 400, 0.3, 0.2))
        assert found is not None
        assert found.freed
        sure += found.low > 0 or found.high < 0
    assert least <= sure <= most


def test_outliers_and_a_summers_gap_leave_the_wave_apart() -> None:
    rng, days = np.random.default_rng(2), np.arange(400.0)
    values = 2 * np.sin(2 * np.pi * days / 365.25) + days / 365.25 + rng.normal(0, 0.1, 400)
    values[::23] += 30
    values[150:200] = np.nan
    found = theil_sen(days, values)
    assert found is not None
    assert found.rate == pytest.approx(1, abs=0.1)
    assert found.low < 1 < found.high


def test_a_short_slope_says_that_the_season_is_in_it() -> None:
    short, long = (one(measure("bridge", crack(days, 0.02))) for days in (200, 400))
    assert "季節の変化を含む" in measured_text(short)[0]
    assert "the season's change is in it" in measured_text(short)[1]
    assert "季節" not in measured_text(long)[0]


def test_few_values_have_no_trend() -> None:
    assert theil_sen(np.arange(9.0), np.arange(9.0)) is None
    assert interval(np.array([np.nan, 2.0]))[0] == 2.0


def bridge(shift: float, days: int = 200) -> Days:
    """A frequency that follows temperature on two slopes, and moves by `shift` over the last 60 days."""
    rng = np.random.default_rng(4)
    warm = 10 + 15 * np.sin(np.arange(days) / 30) + rng.normal(0, 1, days)
    frequency = 4 - 0.03 * np.minimum(warm, 0) - 0.005 * np.maximum(warm, 0) + rng.normal(0, 0.002, days)
    frequency[-60:] += shift * np.minimum(np.arange(60) / 30, 1)
    return Days(0, {"natural_frequency": frequency, "structure_temperature": warm}, {})


def one(found: list[Measured]) -> Measured:
    (only,) = found
    return only


def test_a_frequency_is_freed_of_temperature() -> None:
    """Winter and summer move nothing; a loss of 1 % is told within its interval."""
    sound, lost = one(measure("bridge", bridge(0.0))), one(measure("bridge", bridge(-0.04)))
    assert abs(sound.value) < 0.1
    assert lost.value == pytest.approx(-1.0, abs=0.1)
    assert lost.high < sound.low


def test_later_days_change_nothing(region: Region) -> None:
    """Asked as of a day, the answer is the same whatever was measured after it."""
    region.add_asset("slope", "slope", ["tilt"], interval_s=3600)
    values = [(MIDNIGHT_US - (40 - i) * DAY_US, 0.01 * i) for i in range(40)]
    region.put("slope", "tilt", values)
    structures = load_structures(region.registry)
    before = conditions(region.registry, region.store, structures, NOON_US)
    region.put("slope", "tilt", [(MIDNIGHT_US + i * HOUR_US, 50.0) for i in range(1, 100)])
    assert conditions(region.registry, region.store, structures, NOON_US) == before


@pytest.mark.parametrize(("level", "zone"), [(2.0, "A"), (3.0, "B"), (5.0, "C"), (7.0, "D")])
def test_a_pumps_vibration_has_its_zone(level: float, zone: str) -> None:
    found = one(measure("pump_station", Days(0, {"vibration": np.full(30, level)}, {})))
    assert found.grade == zone


def test_a_pump_without_its_power_factor_has_no_efficiency() -> None:
    columns = {"flow": np.full(20, 180.0), "pressure": np.full(20, 50 * 9.80665),
               "motor_current": np.full(20, 60.0), "motor_voltage": np.full(20, 400.0)}  # fmt: skip
    assert measure("pump_station", Days(0, columns, {})) == []
    known = {"power_factor": 36000 / (np.sqrt(3) * 400 * 60)}
    found = one(measure("pump_station", Days(0, columns, known)))
    assert found.value == pytest.approx(68.1, abs=0.1)
    # 24.5 kW of water by 36 kW: 68.1 %, of 80 % at acceptance so much is kept; a share above 1 is no efficiency.
    whole, kept = measure("pump_station", Days(0, columns, {**known, "reference_efficiency": 0.8}))
    assert (whole, kept.kind) == (found, "efficiency_kept")
    assert kept.value == pytest.approx(85.1, abs=0.1)
    assert "台帳の基準効率" in measured_text(kept)[0]
    assert measure("pump_station", Days(0, columns, {**known, "reference_efficiency": 80})) == [found]


@pytest.mark.parametrize(
    ("attributes", "rating"),
    [({"健全度": " ii "}, "II"), ({"判定区分": "Ⅲ"}, "III"), ({"判定区分": "Ⅴ"}, None), ({}, None)],
)
def test_the_rating_is_the_ledgers(attributes: dict[str, str], rating: str | None) -> None:
    assert rating_of(attributes) == rating


def test_the_region_from_the_store(region: Region) -> None:
    """A slope that creeps, a district's nights; the rating stands beside what is measured, in both languages."""
    rng = np.random.default_rng(6)
    hours = np.arange(0, 40 * 24)
    at_us = (MIDNIGHT_US - 40 * DAY_US + hours * HOUR_US).tolist()
    region.add_asset("slope", "slope", ["tilt"], interval_s=3600, attributes={"健全度": "II"})
    tilt = 0.001 * hours / 24 + rng.normal(0, 0.002, len(hours))
    region.put("slope", "tilt", zip(at_us, tilt.tolist(), strict=True))
    region.add_asset("dma", "district_meter_area", ["flow"], interval_s=3600)
    flow = 20 + 10 * np.sin(hours / 24 * 2 * np.pi) + rng.normal(0, 0.3, len(hours))
    region.put("dma", "flow", zip(at_us, flow.tolist(), strict=True))
    found = {c.asset: c for c in conditions(region.registry, region.store, load_structures(region.registry), NOON_US)}
    assert set(found) == {"slope", "dma"}
    slope = found["slope"]
    assert (slope.rating, len(slope.ageing)) == ("II", 3)
    assert slope.measured[0].rate is not None
    assert slope.measured[0].rate.rate == pytest.approx(0.365, rel=0.3)
    night = found["dma"].measured[0]
    assert night.value == pytest.approx(9.6, abs=0.6)
    assert "夜間最小流量" in measured_text(night)[0]
    assert "a year" in measured_text(slope.measured[0])[1]
    assert "健全度III" in ageing_text(slope.ageing[0])[0]


@pytest.mark.parametrize(
    ("ranks", "urgency"),
    [("AAC", "I"), ("ABC", "II"), ("BBC", "II"), ("BCC", "III"), ("--C", "III"), ("AA", None), ("AAx", None)],
)  # fmt: skip
def test_a_spans_urgency_is_that_of_its_ranks(ranks: str, urgency: str | None) -> None:
    """Two A or more I; one A, or two B, II; else III. With a rank missing or unreadable nothing is said."""
    names = ("corrosion_rank", "たるみ", "crack_rank")
    assert sewer_urgency_of(dict(zip(names, ranks, strict=False))) == urgency


def test_the_most_urgent_of_all_municipalities_comes_first(region: Region) -> None:
    region.add_asset("calm", "bridge", ["tilt"], interval_s=3600, attributes={"健全度": "I"})
    region.add_asset("bad", "bridge", ["tilt"], interval_s=3600, attributes={"健全度": "III"})
    ranks = {"corrosion_rank": "A", "sag_rank": "a", "crack_rank": "Ｃ"}
    region.add_asset("span", "sewer_span", ["hydrogen_sulfide"], interval_s=3600, attributes=ranks)
    region.add_asset("pump", "pump_station", ["vibration"], interval_s=3600)
    region.put("pump", "vibration", [(MIDNIGHT_US - day * DAY_US, 5.0) for day in range(1, 20)])
    found = by_urgency(conditions(region.registry, region.store, load_structures(region.registry), NOON_US))
    assert [(each.asset, each.urgency) for each in found] == [("span", 3), ("bad", 2), ("pump", 2), ("calm", 0)]
    assert found[0].sewer_urgency == "I"
    assert "緊急度I" in sewer_text("I")[0]
    (shaking,) = found[2].measured
    assert (shaking.days, shaking.series, shaking.grade) == (19, (), "C")
    assert members_of(region.registry, "no such group") == []


def crack(days: int, a_year: float, start: float = 0.1) -> Days:
    rng = np.random.default_rng(8)
    width = start + a_year * np.arange(days) / 365.25 + rng.normal(0, 0.002, days)
    return Days(0, {"crack_width": width}, {})


@pytest.mark.parametrize(("days", "a_year", "told"), [(400, 0.02, True), (400, 0.0, False), (200, 0.02, False)])
def test_a_sure_trend_says_when_the_playbooks_limit_is_reached(days: int, a_year: float, told: bool) -> None:
    """From 0.1 mm by 0.02 mm a year 0.3 mm are reached ten years after the first day; half a year says nothing."""
    found = one(measure("bridge", crack(days, a_year)))
    made = reaches(found, load_playbooks().of("bridge", ""), {})
    assert bool(made) == told
    for reach in made:
        assert reach.years == pytest.approx(10 - 397 / 365.25, rel=0.05)
        assert reach.low < reach.years < reach.high
        assert "0.3 mm" in reach_text(reach)[0]
        assert "years (90 % interval" in reach_text(reach)[1]


def test_the_assets_own_limit_stands_first_and_may_be_passed() -> None:
    tilt = Days(0, {"tilt": np.full(30, 0.5) + np.arange(30) * 1e-6}, {})
    found = one(measure("bridge", tilt))
    playbook = load_playbooks().of("bridge", "")
    assert reaches(found, playbook, {}) == []  # without an own value there is none
    (passed,) = reaches(found, playbook, {"tilt_danger_deg": "０.４"})
    assert (passed.bound, passed.years) == (0.4, 0.0)
    assert "is passed" in reach_text(passed)[1]


def test_the_command_lists_one_class_and_refuses_what_there_is_not(region: Region) -> None:
    region.add_asset("old", "bridge", ["tilt"], interval_s=3600, attributes={"健全度": "III"})
    region.add_asset("slope", "slope", ["tilt"], interval_s=3600)
    state = ["--state", str(region.state)]
    shown = CliRunner().invoke(condition, [*state, "--class", "bridge", "--language", "en"])
    assert shown.exit_code == 0
    assert "old" in shown.output
    assert "IV or worse" in shown.output
    assert "slope" not in shown.output
    region.put("slope", "tilt", [(now_us() - DAY_US, 1.0)])
    told = CliRunner().invoke(condition, [*state, "--class", "slope", "--json"])
    ((tilt,),) = (each["measured"] for each in json.loads(told.output, parse_constant=str))
    assert tilt["low"] is None  # NaN is no JSON
    for wrong in (["--class", "bridg"], ["--group", "nobody"]):
        refused = CliRunner().invoke(condition, [*state, *wrong])
        assert isinstance(refused.exception, SettingsError)
