"""The script of faults: what each kind does to what a sensor says, and when it happens."""

import numpy as np
import pytest

from satomori_sample.faults import (
    HISTORY,
    LIVE,
    LIVE_REPEAT_S,
    Fault,
    Kind,
    Scripted,
    disturb,
    history_faults,
    live_faults,
)
from satomori_sample.region import build_region
from satomori_sample.world import World

AT = np.arange(0.0, 1000.0, 10.0)
CALM = np.full(len(AT), 5.0)
NOW_S = 1_795_464_000.0


def disturbed(kind: Kind, size: float = 3.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return disturb(CALM, AT, Fault("x", "m", kind, 200.0, 600.0, size, 50.0), 4.5)


def outside() -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((AT < 200) | (AT >= 600))


@pytest.mark.parametrize("kind", ["rise", "stuck", "spikes", "drift", "dead"])
def test_before_and_after_a_fault_all_is_as_it_was(kind: Kind) -> None:
    assert np.array_equal(disturbed(kind)[outside()], CALM[outside()])


def test_each_kind_does_what_it_says() -> None:
    inside = ~outside()
    assert disturbed("rise").max() == 8.0
    assert disturbed("rise")[AT == 220] == pytest.approx(5 + 3 * 20 / 50)
    assert (disturbed("stuck")[inside] == 4.5).all()
    spikes = disturbed("spikes")[inside]
    assert 0 < (spikes == 8.0).sum() < len(spikes) / 2
    assert set(spikes) == {5.0, 8.0}
    assert disturbed("drift")[AT == 590] == pytest.approx(5 + 3 * 390 / 400)
    assert np.isnan(disturbed("dead")[inside]).all()
    assert disturbed("creep", 9.0)[-1] == pytest.approx(5 + 9 * 400 / 3600)


def test_the_first_live_fault_comes_soon_and_takes_a_pond_beyond_danger_for_minutes() -> None:
    region = build_region()
    faults = list(live_faults(LIVE, LIVE_REPEAT_S, NOW_S, NOW_S + 60))
    assert [fault.target for fault in faults] == ["oike"]
    assert 15 <= faults[0].from_s - NOW_S <= 30
    place = next(i for i, s in enumerate(region.streams) if (s.asset, s.metric) == ("oike", "water_level"))
    at = NOW_S + np.arange(0.0, 600.0, 10.0)
    level = World(1, region, 10.0).values(at, faults)[place]
    danger = float(region.assets["oike"].attributes["level_danger_m"])
    assert level[0] < float(region.assets["oike"].attributes["level_warning_m"])
    assert (level > danger).sum() >= 30


def test_the_live_script_comes_again_and_what_crept_is_levelled_later() -> None:
    faults = list(live_faults(LIVE, LIVE_REPEAT_S, NOW_S, NOW_S + 3 * LIVE_REPEAT_S - 1))
    assert sum(fault.kind == "creep" for fault in faults) == 2
    newest = [fault for fault in faults if fault.covers(NOW_S + 2 * LIVE_REPEAT_S + 100)]
    assert [fault.target for fault in newest] == ["oike"]


def test_the_script_of_a_year_stays_short() -> None:
    faults = list(live_faults(LIVE, LIVE_REPEAT_S, NOW_S, NOW_S + 365 * 86_400))
    assert len(faults) <= 3 * len(LIVE)


def test_the_faults_of_history_have_ended() -> None:
    faults = history_faults(HISTORY, NOW_S)
    assert 2 <= len(faults) <= 5
    assert all(NOW_S - 30 * 86_400 < fault.from_s < fault.until_s < NOW_S - 86_400 for fault in faults)


def test_the_script_names_assets_and_metrics_that_there_are() -> None:
    region = build_region()
    measured = {(stream.asset, stream.metric) for stream in region.streams}
    gateways = {stream.gateway for stream in region.streams}
    line: Scripted
    for line in (*HISTORY, *LIVE):
        if line.kind == "silent":
            assert line.target in gateways
        elif line.metric:
            assert (line.target, line.metric) in measured
        else:
            assert line.target in region.assets
