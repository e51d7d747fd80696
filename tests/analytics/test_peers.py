"""An asset against its like: who is alike, what weather explains, what is far off, and what stays between owners."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_analytics.peers.comparing import Difference, antecedent, compare, normalise, two_sided
from satomori_analytics.peers.grouping import Likeness, Member, group_of
from satomori_analytics.peers.keeping import Comparer
from satomori_analytics.peers.region import DAYS, compare_all, load_region
from satomori_analytics.peers.rules import rules
from satomori_analytics.peers.telling import sentence
from satomori_analytics.settings import AnalyticsSettings
from satomori_core.classes import classes
from satomori_core.clock import DAY_US, HOUR_US
from satomori_core.metrics import catalogue
from support.analytics_region import NOON_US, Region

MIDNIGHT_US = NOON_US // DAY_US * DAY_US
BRIDGES = [Likeness("material"), Likeness("span_m", times=2.0), Likeness("built_year", within=20)]


def bridge(name: str, owner: str = "town", year: float = 1980, span: float = 30, material: str = "steel") -> Member:
    return Member(name, "bridge", owner, {"built_year": year, "span_m": span}, {"material": material})


def test_the_rules_name_classes_and_metrics_that_there_are() -> None:
    assert set(rules()) <= set(classes())
    assert {metric for rule in rules().values() for metric in rule.metrics} <= set(catalogue())


def test_like_is_compared_with_like() -> None:
    near = [bridge(f"near{i}", year=1980 + i) for i in range(3)]
    far = [bridge("long", span=90), bridge("new", year=2015), bridge("concrete", material="concrete")]
    group = group_of(bridge("own"), [*near, *far, bridge("own")], BRIDGES)
    assert group is not None
    assert [member.asset for member in group.members] == ["near0", "near1", "near2"]
    assert group.alike == ("material", "span_m", "built_year")


def test_few_alike_are_made_more_by_giving_up_the_last_condition() -> None:
    others = [bridge("a", year=1981), bridge("b", year=2015), bridge("c", year=1930), bridge("d", material="concrete")]
    group = group_of(bridge("own"), others, BRIDGES)
    assert group is not None
    assert group.alike == ("material", "span_m")
    assert [member.asset for member in group.members] == ["a", "b", "c"]


def test_below_three_there_is_no_group() -> None:
    assert group_of(bridge("own"), [bridge("a"), bridge("b")], BRIDGES) is None


def test_what_is_not_known_tells_nobody_apart() -> None:
    blank = [Member(f"m{i}", "bridge", "town", {}, {}) for i in range(3)]
    group = group_of(bridge("own"), blank, BRIDGES)
    assert group is not None
    assert len(group.alike) == 3


@pytest.mark.parametrize(("freedom", "t"), [(2, 4.303), (5, 2.571), (10, 2.228), (30, 2.042)])
def test_the_chance_is_that_of_the_printed_table(freedom: int, t: float) -> None:
    """Two-sided 5 % points of Student's t, as any table has them."""
    assert two_sided(t, freedom) == pytest.approx(0.05, abs=2e-4)
    assert two_sided(-t, freedom) == two_sided(t, freedom)


@pytest.mark.parametrize("members", [3, 5, 12])
def test_the_chance_of_a_false_alarm_is_what_it_says(members: int) -> None:
    """Of many groups without a difference, the share below p is p, however few members there are."""
    rng = np.random.default_rng(members)
    draws = rng.normal(5, 2, (4000, members + 1))
    found = [compare(row[0], row[1:]) for row in draws]
    share = np.mean([f is not None and f.p < 0.05 for f in found])
    assert share == pytest.approx(0.05, abs=0.015)


def test_weather_is_allowed_for() -> None:
    """Members that react differently to warmth and rain have the level and slope that they were given."""
    rng = np.random.default_rng(5)
    days = 90
    warm = 15 + 10 * np.sin(np.arange(days) / 20) + rng.normal(0, 1, days)
    rain = antecedent(np.where(rng.random(days) < 0.2, rng.gamma(1, 20, days), 0))
    level, slope = np.array([10.0, 12.0, 9.0]), np.array([0.0, 0.02, -0.01])
    values = level + np.outer(np.arange(days) - 44.5, slope)
    values += np.outer(warm - warm.mean(), [0.5, -0.2, 0.0]) + np.outer(rain - rain.mean(), [0.01, 0.03, 0.0])
    values += rng.normal(0, 0.05, values.shape)
    values[10:20, 1] = np.nan
    found = normalise(values, np.column_stack([warm, rain]))
    assert found.level == pytest.approx(level, abs=0.1)
    assert found.slope == pytest.approx(slope, abs=0.003)


@given(st.integers(15, 60), st.integers(0, 2))
def test_missing_days_and_missing_weather_are_no_trouble(days: int, drivers: int) -> None:
    rng = np.random.default_rng(days)
    values = np.where(rng.random((days, 4)) < 0.3, np.nan, rng.normal(0, 1, (days, 4)))
    values[:, 3] = np.nan
    found = normalise(values, rng.normal(0, 1, (days, drivers)))
    assert np.isnan(found.level[3])
    assert found.freed.shape == values.shape


def fill(region: Region, odd_per_day: float) -> None:
    """Six bridges of three owners under one sky; the first loses frequency by `odd_per_day` Hz."""
    rng = np.random.default_rng(7)
    hours = np.arange(0, DAYS * 24, 6)
    warm = 15 + 8 * np.sin(hours / 24 / 15) + 5 * np.sin(hours / 24 * 2 * np.pi) + rng.normal(0, 0.5, len(hours))
    at_us = (MIDNIGHT_US - DAYS * DAY_US + hours * HOUR_US).tolist()
    for number in range(6):
        name = f"bridge{number}"
        region.add_asset(name, "bridge", ["natural_frequency"], interval_s=3600, attributes={"material": "鋼"})
        base = 3.0 + 0.4 * number
        drift = odd_per_day * hours / 24 if number == 0 else 0.0
        values = base * (1 - 0.0015 * (warm - 15)) + drift + rng.normal(0, 0.004, len(hours))
        region.put(name, "natural_frequency", zip(at_us, values.tolist(), strict=True))
    region.add_asset("field", "upland_field", ["air_temperature"], interval_s=3600)
    region.put("field", "air_temperature", zip(at_us, warm.tolist(), strict=True))


def test_a_bridge_that_ages_faster_than_its_like_is_found(region: Region) -> None:
    fill(region, -0.0008)
    comparer = Comparer(region.registry, region.store, AnalyticsSettings())
    assert comparer.round(MIDNIGHT_US + HOUR_US) == 1
    (found,) = region.findings("peers")
    assert found.asset_id == "bridge0"
    assert found.evidence["members"] == 5
    assert found.evidence["value"] < found.evidence["expected_low"]
    (line,) = found.evidence["picture"]["channels"]
    assert line["value"] < line["low"] < line["high"]
    assert line["unit"] == "%"
    assert "似た" in found.text_ja
    assert "alike" in found.text_en
    assert comparer.round(MIDNIGHT_US + 2 * HOUR_US) == 0
    again = Comparer(region.registry, region.store, AnalyticsSettings())
    again.round(MIDNIGHT_US + 3 * HOUR_US)
    assert len(region.findings("peers")) == 1


def test_what_all_share_is_nobodys_fault(region: Region) -> None:
    """Six that do the same, warm months and all: none is unlike."""
    fill(region, 0.0)
    strict = AnalyticsSettings(false_alarms_per_asset_month=0.1)  # by chance alone one of them may be a little off
    assert Comparer(region.registry, region.store, strict).round(MIDNIGHT_US) == 0


def ponds(region: Region, days: int) -> None:
    """Six ponds of one level each; over the last six hours the first rises by a metre."""
    rng = np.random.default_rng(11)
    hours = np.arange(0, days * 24, 6)
    at_us = (MIDNIGHT_US - days * DAY_US + hours * HOUR_US).tolist()
    for number in range(6):
        region.add_asset(f"pond{number}", "irrigation_pond", ["water_level"], interval_s=3600)
        level = 2.0 + 0.1 * number + rng.normal(0, 0.01, len(hours))
        if number == 0:
            level[-1] += 1.0
        region.put(f"pond{number}", "water_level", zip(at_us, level.tolist(), strict=True))


@pytest.mark.parametrize("days", [30, 70])
def test_a_few_hours_rise_is_no_change_over_months(region: Region, days: int) -> None:
    ponds(region, days)
    strict = AnalyticsSettings(false_alarms_per_asset_month=0.1)  # by chance alone one of them may be a little off
    assert Comparer(region.registry, region.store, strict).round(MIDNIGHT_US) == 0
    (found,) = compare_all(load_region(region.registry, MIDNIGHT_US), region.store, MIDNIGHT_US, ["pond0"])
    assert (found.difference is None) == (days < 60)
    assert ("60日分の値が要ります" in sentence(found)[0]) == (days < 60)
    assert (f"has {days}" in sentence(found)[1]) == (days < 60)


def test_far_days_move_neither_slope_nor_level() -> None:
    """One day of ten far off, at the end, where it would tilt a line of least squares most."""
    rng = np.random.default_rng(12)
    warm = 15 + 10 * np.sin(np.arange(90) / 20)
    values = 5 + 0.01 * (np.arange(90.0) - 44.5) + 0.2 * (warm - warm.mean()) + rng.normal(0, 0.05, 90)
    values[-9:] += 10
    found = normalise(values[:, np.newaxis], warm[:, np.newaxis])
    assert found.slope[0] == pytest.approx(0.01, abs=0.004)
    assert found.level[0] == pytest.approx(5.0, abs=0.2)


def test_only_statistics_of_the_others_are_told(region: Region) -> None:
    fill(region, 0.0)
    (found,) = compare_all(load_region(region.registry, MIDNIGHT_US), region.store, MIDNIGHT_US, ["bridge2"])
    assert isinstance(found.difference, Difference)
    assert (found.members, found.asset) == (5, "bridge2")
    assert not any("bridge" in text.replace("bridge2", "") for text in sentence(found))


def test_later_days_change_nothing(region: Region) -> None:
    fill(region, 0.0)
    before_us = MIDNIGHT_US - 20 * DAY_US
    early = compare_all(load_region(region.registry, before_us), region.store, before_us)
    region.put("bridge1", "natural_frequency", [(MIDNIGHT_US - 5 * DAY_US + 1, 99.0)])
    assert compare_all(load_region(region.registry, before_us), region.store, before_us) == early
