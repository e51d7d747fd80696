"""What the neighbours show at the same time is the weather's: not told; what one does alone is told as before."""

import numpy as np
import pytest

from satomori_analytics.episodes import Floats
from satomori_analytics.sharing import around, unusual
from satomori_core.clock import DAY_US
from support.analytics_region import NOON_US, Region

EVERY_US = 600_000_000
A_DAY = 144
DAYS = 20
ROW = np.arange(DAYS * A_DAY)
START_US = NOON_US // DAY_US * DAY_US
# Two hours of rain in the last day, and how it runs off.
RAIN = np.where(ROW >= 19 * A_DAY, 0.2 * np.exp(-np.maximum(ROW - 19 * A_DAY - 12, 0) / 18.0), 0.0)


def levels(count: int, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    wander = [np.convolve(rng.normal(0, 0.02, len(ROW) + 35), np.ones(36) / 6, "valid") for _ in range(count)]
    return np.stack(wander, axis=1) + 0.3 + 0.1 * np.cos(ROW * 2 * np.pi / A_DAY)[:, None]


def shared(values: Floats) -> Floats:
    at_us = START_US + ROW * EVERY_US
    columns = [(at_us, values[:, column]) for column in range(values.shape[1])]
    near = around(EVERY_US, columns, START_US, START_US + DAYS * DAY_US)
    return near.shared(at_us + EVERY_US).astype(float)


@pytest.mark.parametrize("seed", range(3))
def test_a_rise_of_all_is_shared_until_it_has_run_off(seed: int) -> None:
    share = shared(levels(5, seed) + RAIN[:, None])
    assert share[19 * A_DAY + 3 :].mean() > 0.9
    assert share[8 * A_DAY : 19 * A_DAY].mean() < 0.1


def test_a_rise_of_one_is_its_own_even_in_the_rain() -> None:
    alone = levels(5)
    alone[:, 0] += RAIN
    assert shared(alone)[19 * A_DAY : 19 * A_DAY + 24].max() == 0
    blocked = levels(5) + RAIN[:, None]
    blocked[:, 0] += 3 * RAIN
    assert shared(blocked)[19 * A_DAY + 3 : 19 * A_DAY + 18].max() == 0


def test_one_neighbour_is_no_witness() -> None:
    assert shared(levels(2) + RAIN[:, None]).max() == 0


def test_nothing_rests_on_what_comes_later() -> None:
    values = levels(4) + RAIN[:, None]
    values[500:560, 1] = np.nan
    whole, cut = unusual(values, EVERY_US), unusual(values[: 19 * A_DAY + 40], EVERY_US)
    assert np.isfinite(cut).any()
    np.testing.assert_array_equal(whole[: len(cut)], cut)
    assert np.isnan(unusual(np.ones((len(ROW), 1)), EVERY_US)).all()


def test_on_a_real_store(region: Region) -> None:
    """A rain that lifts all manholes calls nobody; the same rise of one, three days later, does."""
    days, rng = 30, np.random.default_rng(2)
    row = np.arange(days * A_DAY)
    rise = 0.25 * np.exp(-np.abs(np.arange(-72, 72)) / 12.0)
    for name in "abc":
        region.add_asset(name, "sewer_manhole", ["water_level"], interval_s=600)
        values = 0.3 + 0.1 * np.cos(row * 2 * np.pi / A_DAY) + rng.normal(0, 0.005, len(row))
        values[26 * A_DAY : 27 * A_DAY] += rise
        if name == "a":
            values[29 * A_DAY :] += rise
        at_us = (START_US + row * EVERY_US).tolist()
        region.put(name, "water_level", list(zip(at_us, values.tolist(), strict=True)))
    region.digest(START_US + days * DAY_US)
    late = {(row.asset_id, (row.since_us - START_US) // DAY_US) for row in region.findings("univariate")}
    assert {each for each in late if each[1] > 20} == {("a", 29)}
