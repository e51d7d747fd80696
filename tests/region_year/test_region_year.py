"""A short stretch of a few assets: what is put in is found and named; and faults and score are what they say."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from region_year.__main__ import NEW_YEAR_S
from region_year.faults import DAY_S, EXCLUDED, LEARNING_DAYS, Injected, draw, excluded
from region_year.judging import Heard, Told, as_people_hear, judge
from region_year.readings import Readings, exchangeable
from region_year.score import Score, score, table
from satomori_core.clock import SECOND_US
from satomori_core.vocabulary import Cause
from satomori_sample.region import Region, build_region

FROM_S = NEW_YEAR_S + 100 * DAY_S
FAULT_S = FROM_S + 30 * DAY_S


def only(*names: str) -> Region:
    whole = build_region()
    return replace(
        whole,
        assets={name: whole.assets[name] for name in names},
        devices={name: device for name, device in whole.devices.items() if device.asset in names},
        streams=tuple(stream for stream in whole.streams if stream.asset in names),
    )


def of_asset(kind: str, asset: str, metric: str, days: float, size: float) -> Injected:
    return Injected(
        "asset", kind, asset, build_region().assets[asset].class_, metric, FAULT_S, FAULT_S + days * DAY_S, size
    )


def sensor(kind: str, asset: str, metric: str, days: float, size: float) -> Injected:
    return Injected("sensor", kind, asset, "bridge", metric, FAULT_S, FAULT_S + days * DAY_S, size)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Injected], Score]:
    region = only("minato-bridge-1", "minato-bridge-2", "aoba-bridge-1", "hikari-slope-1")
    faults = [
        sensor("stuck", "minato-bridge-1", "strain", 3, 0),
        sensor("noise", "minato-bridge-2", "structure_temperature", 4, 2.0),
        of_asset("softening", "aoba-bridge-1", "natural_frequency", 6, 0.05),
        of_asset("creep", "hikari-slope-1", "tilt", 0.5, 0.05),
    ]
    state = tmp_path_factory.mktemp("year") / "state"
    findings = judge(state, Readings(5, region, faults, FROM_S), FROM_S, 38)
    assert not state.exists()
    return faults, score(faults, as_people_hear(findings), FROM_S, 38, list(region.assets))


def test_what_was_put_in_is_found_and_named(judged: tuple[Sequence[Injected], Score]) -> None:
    faults, scored = judged
    assert [result.fault for result in scored.results] == faults
    for result in scored.results:
        assert result.delay_s is not None, result
        assert 0 <= result.delay_s <= result.fault.until_s - result.fault.from_s, result
        assert result.cause_named, result
        assert result.kind_named, result


def test_nobody_is_called_without_need(judged: tuple[Sequence[Injected], Score]) -> None:
    _, scored = judged
    assert scored.false == []
    assert 0 < scored.asset_years < 4 * 38 / 365.25


def test_the_table_tells_each_kind_and_what_was_missed(judged: tuple[Sequence[Injected], Score]) -> None:
    _, scored = judged
    missed = replace(scored, results=[replace(scored.results[0], delay_s=None, said=()), *scored.results[1:]])
    assert "| asset | creep | slope | 1 | 1 | 1 | 1 |" in table(scored)
    assert "missed" not in table(scored)
    assert "found 3 of 4, strictly" in table(missed)
    assert "missed: stuck minato-bridge-1 strain" in table(missed)


def test_the_seed_decides_the_faults_and_none_is_drawn_that_cant_be_told() -> None:
    region = build_region()
    pairs = exchangeable(1, region, NEW_YEAR_S)
    drawn = [fault for seed in range(3) for fault in draw(seed, region, NEW_YEAR_S, 365, pairs)]
    assert draw(1, region, NEW_YEAR_S, 365, pairs) == draw(1, region, NEW_YEAR_S, 365, pairs)
    assert draw(1, region, NEW_YEAR_S, 365, pairs) != draw(2, region, NEW_YEAR_S, 365, pairs)
    assert {f.kind for f in drawn if f.cause == "sensor"} == {
        "stuck", "drift", "noise", "spike", "clock", "swapped", "battery",
    }  # fmt: skip
    assert EXCLUDED
    for fault in drawn:
        assert fault.from_s >= NEW_YEAR_S + LEARNING_DAYS * DAY_S
        assert fault.until_s <= NEW_YEAR_S + (LEARNING_DAYS + 365) * DAY_S
        if fault.cause == "sensor":
            assert excluded(fault.kind, fault.class_, fault.metric) is None, fault


def test_faults_of_an_asset_do_not_overlap() -> None:
    region = build_region()
    drawn = draw(1, region, NEW_YEAR_S, 365, exchangeable(1, region, NEW_YEAR_S))
    for asset in region.assets:
        mine = sorted((fault.from_s, fault.until_s) for fault in drawn if asset in fault.assets)
        assert all(after[0] > before[1] for before, after in pairwise(mine)), asset


def test_readings_are_the_same_in_pieces_and_disturbed_only_while_the_fault_lasts() -> None:
    region = only("minato-bridge-1", "minato-bridge-2")
    faults = [sensor("stuck", "minato-bridge-1", "strain", 3, 0), sensor("clock", "minato-bridge-2", "", 3, 6.0)]
    whole = Readings(1, region, faults, FROM_S).between(FAULT_S - DAY_S, FAULT_S + 4 * DAY_S)[1]
    pieces = Readings(1, region, faults, FROM_S)
    days = [pieces.between(FAULT_S + day * DAY_S, FAULT_S + (day + 1) * DAY_S)[1] for day in range(-1, 4)]
    np.testing.assert_array_equal(np.concatenate(days, axis=1), whole)
    calm = Readings(1, region, [], FROM_S).between(FAULT_S - DAY_S, FAULT_S + 4 * DAY_S)[1]
    np.testing.assert_array_equal(whole[:, :144], calm[:, :144])
    np.testing.assert_array_equal(whole[:, 4 * 144 :], calm[:, 4 * 144 :])
    assert not np.array_equal(whole[:, 144 : 4 * 144], calm[:, 144 : 4 * 144], equal_nan=True)


def test_a_finding_that_a_faulty_sensor_explains_is_told_to_nobody() -> None:
    hour = 3600 * SECOND_US
    stuck = Told(1, "stuck:x", "stuck", Cause.SENSOR, "a", "strain", 7, 2, 0, 6 * hour, 40 * hour, frozenset())
    limit = replace(stuck, id=2, fingerprint="limit:x", kind="limit", cause=Cause.ASSET, since_us=8 * hour,
                    spoke_us=8 * hour, until_us=9 * hour)  # fmt: skip
    elsewhere = replace(limit, id=3, fingerprint="limit:y", datastream=8)
    told = {heard.told.id: heard.told_us for heard in as_people_hear([stuck, limit, elsewhere])}
    assert told[1] is not None
    assert told[2] is None
    assert told[3] is not None


def test_what_comes_outside_of_faults_is_false() -> None:
    fault = sensor("stuck", "minato-bridge-1", "strain", 3, 0)
    at_us = int((FAULT_S + 30 * DAY_S) * SECOND_US)
    told = Told(1, "stuck:x", "stuck", Cause.SENSOR, "minato-bridge-1", "strain", 7, 2, at_us, at_us, None, frozenset())
    scored = score([fault], [Heard(told, at_us), Heard(replace(told, id=2), None)], FROM_S, 90, ["minato-bridge-1"])
    assert [heard.told.id for heard in scored.false] == [1]
    assert scored.results[0].delay_s is None
