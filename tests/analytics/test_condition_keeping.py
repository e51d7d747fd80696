"""What each midnight's look keeps of structures: lists that read no days, and what a frequency was first."""

import numpy as np
import pytest

from satomori_analytics.condition.keeping import Keeper
from satomori_analytics.condition.kept import Kept, keep, load_kept
from satomori_analytics.condition.measured import Measured
from satomori_analytics.condition.region import Condition, by_urgency, conditions, load_structures
from satomori_analytics.playbook_files import load_playbooks
from satomori_core.clock import DAY_US, HOUR_US
from support.analytics_region import NOON_US, Region

MIDNIGHT_US = NOON_US // DAY_US * DAY_US
PLAYBOOKS = load_playbooks()


def look(region: Region, now_us: int) -> int:
    """Until nothing is due."""
    keeper = Keeper(region.registry, region.store)
    done = keeper.round(now_us)
    while keeper.waiting:
        done += keeper.round(now_us)
    return done


def listed(region: Region, now_us: int, *, drawn: bool = False) -> list[Condition]:
    structures = load_structures(region.registry)
    return by_urgency(conditions(region.registry, region.store, structures, now_us, playbooks=PLAYBOOKS, drawn=drawn))


def creeping(region: Region, days: int = 400) -> None:
    """A crack that grows towards its limit, and a pump that has measured once."""
    rng = np.random.default_rng(2)
    region.add_asset("bridge", "bridge", ["crack_width"], interval_s=3600, attributes={"健全度": "II"})
    at_us = [MIDNIGHT_US - (days - i) * DAY_US + HOUR_US for i in range(days)]
    width = 0.1 + 0.02 * np.arange(days) / 365.25 + rng.normal(0, 0.002, days)
    region.put("bridge", "crack_width", zip(at_us, width.tolist(), strict=True))
    region.add_asset("pump", "pump_station", ["vibration"], interval_s=3600)
    region.put("pump", "vibration", [(MIDNIGHT_US - DAY_US, 5.0)])


def test_a_list_of_what_is_kept_says_what_a_reading_of_all_days_says(region: Region) -> None:
    """Measured values and their classes, limits that are reached, urgency, an interval that is not known."""
    creeping(region)
    read = listed(region, NOON_US, drawn=True)
    assert look(region, NOON_US) == 2
    kept = listed(region, NOON_US)
    assert repr(kept) == repr(read)  # repr, since NaN is no equal of itself
    assert {each.asset: len(each.reaches) for each in kept} == {"bridge": 1, "pump": 2}


def test_what_was_kept_is_taken_for_a_day_and_late_values_count_at_the_next_look(region: Region) -> None:
    creeping(region, 40)
    look(region, NOON_US)
    before = listed(region, NOON_US)
    region.put("bridge", "crack_width", [(MIDNIGHT_US - i * DAY_US + 2 * HOUR_US, 3.0) for i in range(1, 9)])
    assert repr(listed(region, NOON_US)) == repr(before)
    assert repr(listed(region, NOON_US + DAY_US)) == repr(before)  # today's look is still to come
    assert repr(listed(region, NOON_US, drawn=True)) != repr(before)
    assert look(region, NOON_US + DAY_US) == 2
    after = next(each for each in listed(region, NOON_US + DAY_US) if each.asset == "bridge")
    assert after.measured[0].value > 1
    assert after.until_us == MIDNIGHT_US + DAY_US
    old = listed(region, NOON_US + 5 * DAY_US)  # nobody has looked for days: the days are read
    assert {each.until_us for each in old} == {MIDNIGHT_US + 5 * DAY_US}


def test_a_history_that_came_after_the_first_look_is_in_the_list_at_once(region: Region) -> None:
    """As in a new region: the service is up, and looks, before the years that loggers have kept are sent."""
    region.add_asset("pump", "pump_station", ["vibration"], interval_s=3600)
    look(region, NOON_US)
    region.put("pump", "vibration", [(MIDNIGHT_US - i * DAY_US, 5.0) for i in range(9, 0, -1)])
    assert [each.value for each in listed(region, NOON_US)[0].measured if each.kind == "vibration"] == [5.0]


def test_a_day_is_looked_at_once(region: Region) -> None:
    """Again, as after a restart, there is nothing to do; ten minutes after midnight there is."""
    creeping(region, 20)
    assert look(region, NOON_US) == 2
    assert look(region, NOON_US) == 0
    assert look(region, MIDNIGHT_US + DAY_US + HOUR_US // 12) == 0
    assert look(region, MIDNIGHT_US + DAY_US + HOUR_US // 4) == 2


def test_a_clock_that_was_ahead_is_followed_back(region: Region) -> None:
    """A look of next month, by a wrong clock, stands in the way of none of today's."""
    creeping(region, 20)
    before = look(region, NOON_US), repr(listed(region, NOON_US))
    assert look(region, NOON_US + 30 * DAY_US) == 2
    assert (look(region, NOON_US), repr(listed(region, NOON_US))) == before


def test_what_is_kept_comes_back_as_it_was(region: Region) -> None:
    region.add_asset("pump", "pump_station", ["vibration"])
    single = Measured(
        "vibration", "vibration", "mm/s", 5.0, float("nan"), float("nan"), None, "C", 1, (), (), "x", 3, 3
    )
    keep(region.registry, "pump", Kept(7, (single,), ("vibration",), None))
    (found,) = load_kept(region.registry, ["pump"]).values()
    assert repr(found) == repr(Kept(7, (single,), ("vibration",), None))


def bridge(region: Region, first_us: int, days: int, lost_a_year: float) -> None:
    """Daily frequency and temperature of a bridge that has lost since `first_us`."""
    rng = np.random.default_rng(7)
    warm = 10 - 15 * np.cos(np.arange(days) * 2 * np.pi / 365) + rng.normal(0, 2, days)
    frequency = 4 - 0.005 * np.maximum(warm, 0) - 0.03 * np.minimum(warm, 0)
    frequency += rng.normal(0, 0.003, days) - lost_a_year * np.arange(days) / 365
    at_us = (first_us + np.arange(days) * DAY_US + HOUR_US).tolist()
    region.put("bridge", "natural_frequency", zip(at_us, frequency.tolist(), strict=True))
    region.put("bridge", "structure_temperature", zip(at_us, warm.tolist(), strict=True))


def shift(region: Region, now_us: int, *, drawn: bool) -> Measured:
    ((only,),) = (found.measured for found in listed(region, now_us, drawn=drawn))
    return only


def test_a_loss_of_years_is_seen_though_days_are_read_for_one(region: Region) -> None:
    """1 % a year from the first day on: three years later 3 %, in the list and with its days drawn."""
    region.add_asset("bridge", "bridge", ["natural_frequency", "structure_temperature"], interval_s=86400)
    first_us = MIDNIGHT_US - 3 * 365 * DAY_US
    bridge(region, first_us, 3 * 365, 0.04)
    early_us = first_us + 100 * DAY_US + HOUR_US
    look(region, early_us)
    (young,) = load_kept(region.registry, ["bridge"]).values()
    assert young.reference is not None
    assert not young.reference.whole
    look(region, NOON_US)
    (kept,) = load_kept(region.registry, ["bridge"]).values()
    assert kept.reference is not None
    assert (kept.reference.whole, kept.reference.from_us) == (True, first_us)
    for drawn in (False, True):
        found = shift(region, NOON_US, drawn=drawn)
        assert found.value == pytest.approx(-3, abs=0.2)
        assert found.since_us is not None
        assert abs(found.since_us - (first_us + 30 * DAY_US)) <= DAY_US


def test_a_new_probe_has_a_new_reference(region: Region) -> None:
    """An accelerometer at another place of the deck measures another mode: no loss of 25 %."""
    region.add_asset("bridge", "bridge", ["natural_frequency", "structure_temperature"], interval_s=86400)
    bridge(region, MIDNIGHT_US - 200 * DAY_US, 100, 0.0)
    look(region, MIDNIGHT_US - 100 * DAY_US + HOUR_US)
    region.replace_probe("bridge", "natural_frequency")
    rng = np.random.default_rng(1)
    at_us = [MIDNIGHT_US - (100 - i) * DAY_US + HOUR_US for i in range(100)]
    region.put("bridge", "natural_frequency", zip(at_us, (3 + rng.normal(0, 0.003, 100)).tolist(), strict=True))
    region.put("bridge", "structure_temperature", zip(at_us, rng.normal(10, 5, 100).tolist(), strict=True))
    look(region, NOON_US)
    found = shift(region, NOON_US, drawn=False)
    assert abs(found.value) < 0.2
    assert found.anew_us == MIDNIGHT_US - 100 * DAY_US
