"""A frequency's old reference, probes that were swapped, and limits met ahead: what is counted from, and how surely."""

import numpy as np
import pytest

from satomori_analytics.condition.daily import chosen_probe
from satomori_analytics.condition.measured import Days, Measured, measure
from satomori_analytics.condition.reach import reaches
from satomori_analytics.condition.reference import LEVEL_DAYS, Reference, learn
from satomori_analytics.condition.region import conditions, load_structures
from satomori_analytics.condition.telling import measured_text
from satomori_analytics.condition.trend import Trend
from satomori_analytics.indicators.structures import frequency_residual
from satomori_analytics.playbook_files import load_playbooks
from satomori_core.clock import DAY_US, HOUR_US
from support.analytics_region import NOON_US, Region

MIDNIGHT_US = NOON_US // DAY_US * DAY_US
COLD, WARM = -0.03, -0.005
PLAYBOOK = load_playbooks().of("bridge", "")


def weather(days: int, first: int = 0) -> np.ndarray:
    """A year's seasons, from -5 to 25 °C, with days' own weather."""
    rng = np.random.default_rng(first + 1)
    seasons = 15 * np.cos((np.arange(days) + first) * 2 * np.pi / 365)
    return np.asarray(10 - seasons + rng.normal(0, 2, days))


def frequencies(warm: np.ndarray, lost_a_year: float, first: int = 0) -> np.ndarray:
    rng = np.random.default_rng(first + 2)
    sound = 4 + COLD * np.minimum(warm, 0) + WARM * np.maximum(warm, 0)
    return np.asarray(sound - lost_a_year * (np.arange(len(warm)) + first) / 365 + rng.normal(0, 0.003, len(warm)))


def test_the_first_days_model_is_that_of_the_indicator() -> None:
    """Before a year is whole the reference is the two slopes of the first 60 days, as `frequency_residual` has them."""
    warm = weather(100)
    frequency = frequencies(warm, 0.0)
    found = learn(0, frequency, warm)
    assert found is not None
    assert not found.whole
    residual = frequency_residual(frequency, warm, frequency[:LEVEL_DAYS], warm[:LEVEL_DAYS])
    told = frequency - found.cold * np.minimum(warm, 0) - found.warm * np.maximum(warm, 0) - found.level
    np.testing.assert_allclose(told, residual, atol=1e-9)
    assert learn(0, frequency[: LEVEL_DAYS - 1], warm[: LEVEL_DAYS - 1]) is None


@pytest.mark.parametrize("lost_a_year", [0.0, 0.04])
def test_a_whole_years_slopes_take_no_loss_for_the_season(lost_a_year: float) -> None:
    warm = weather(365)
    found = learn(0, frequencies(warm, lost_a_year), warm)
    assert found is not None
    assert found.whole
    assert found.cold == pytest.approx(COLD, abs=0.002)
    assert found.warm == pytest.approx(WARM, abs=0.0005)
    assert found.level == pytest.approx(4 - lost_a_year * 30 / 365, abs=0.004)


def test_a_slow_loss_of_years_shows_against_a_kept_reference() -> None:
    """1 % a year for four years: the last 400 days alone show about one, the reference of the first days all four."""
    first = learn(0, frequencies(weather(365), 0.04), weather(365))
    assert first is not None
    warm = weather(400, first=3 * 365)
    columns = {"natural_frequency": frequencies(warm, 0.04, first=3 * 365), "structure_temperature": warm}
    start_us = 3 * 365 * DAY_US
    (short,) = measure("bridge", Days(start_us, columns, {}))
    (long,) = measure("bridge", Days(start_us, columns, {}, reference=first))
    assert short.value == pytest.approx(-1, abs=0.2)
    assert long.value == pytest.approx(-4, abs=0.2)
    assert long.low < -4 < long.high
    assert "1970年1月と比べて" in measured_text(long)[0]
    assert "against January 1970" in measured_text(long)[1]


def test_how_well_the_reference_is_known_is_in_the_interval() -> None:
    warm = weather(30)
    columns = {"natural_frequency": frequencies(warm, 0.0), "structure_temperature": warm}
    sure, unsure = (
        measure("bridge", Days(0, columns, {}, reference=Reference(0, DAY_US, 4.0, half, COLD, WARM, whole=True)))[0]
        for half in (0.0, 0.04)
    )
    assert unsure.value == sure.value
    assert unsure.high - unsure.value == pytest.approx(np.hypot(sure.high - sure.value, 1.0))


def test_the_probe_that_measured_last_counts() -> None:
    nothing = np.full(100, np.nan)
    old, new = nothing.copy(), nothing.copy()
    old[:50], new[45:] = 1, 2
    assert chosen_probe({3: old, 7: new}) == (7, 45)  # beside each other for five days
    assert chosen_probe({3: old, 7: nothing}) == (3, None)  # registered, but not there yet
    old[:] = 1
    assert chosen_probe({3: old, 7: new}) == (7, None)  # two that both go on
    assert chosen_probe({3: nothing, 7: nothing}) == (7, None)
    assert chosen_probe({7: new}) == (7, None)


def test_a_swapped_probe_begins_anew_and_says_so(region: Region) -> None:
    """A new tiltmeter that stands at another angle is no movement of two degrees."""
    region.add_asset("slope", "slope", ["tilt"], interval_s=3600)
    rng = np.random.default_rng(3)
    at_us = [MIDNIGHT_US - (80 - i) * DAY_US + HOUR_US for i in range(80)]
    values = 0.001 * np.arange(80) + rng.normal(0, 0.001, 80)
    region.put("slope", "tilt", zip(at_us[:40], values[:40].tolist(), strict=True))
    region.replace_probe("slope", "tilt")
    region.put("slope", "tilt", zip(at_us[40:], (values[40:] + 2).tolist(), strict=True))
    (found,) = conditions(region.registry, region.store, load_structures(region.registry), NOON_US)
    (tilt,) = found.measured
    assert (tilt.days, tilt.anew_us) == (40, MIDNIGHT_US - 40 * DAY_US)
    assert tilt.rate is not None
    assert tilt.rate.rate == pytest.approx(0.365, rel=0.3)
    assert "新しい計器だけの値" in measured_text(tilt)[0]
    assert "the new probe's alone" in measured_text(tilt)[1]


def test_a_swapped_thermometer_begins_the_frequency_anew() -> None:
    warm = weather(200)
    columns = {"natural_frequency": frequencies(warm, 0.0), "structure_temperature": warm}
    anew = {"structure_temperature": 100 * DAY_US}
    (found,) = measure("bridge", Days(0, columns, {}, anew))
    assert (found.days, found.anew_us) == (100, 100 * DAY_US)


def creeping(value: tuple[float, float, float], rate: Trend) -> Measured:
    return Measured("movement", "tilt", "deg", *value, rate, None, 400, (), (), "", 0, 400 * DAY_US)


def test_the_interval_of_a_reach_counts_todays_uncertainty() -> None:
    """0.5 ± h of 1° by 0.1 ± 0.02 a year: with h 0 the rate's bounds; with h the whole of Fieller's interval."""
    own, rate = {"tilt_danger_deg": "1.0"}, Trend(0.1, 0.08, 0.12)
    exact, vague, near = (
        reaches(creeping((0.5, 0.5 - half, 0.5 + half), rate), PLAYBOOK, own)[0] for half in (0.0, 0.1, 0.6)
    )
    assert (exact.years, exact.low, exact.high) == pytest.approx((5, 0.5 / 0.12, 0.5 / 0.08))
    assert vague.years == exact.years
    for years in (vague.low, vague.high):
        assert (0.5 - 0.1 * years) ** 2 == pytest.approx(0.1**2 + (0.02 * years) ** 2)
    assert vague.low < exact.low < exact.high < vague.high
    assert near.low == 0


def test_the_interval_of_a_reach_holds_the_truth_about_nine_times_of_ten() -> None:
    rng, held = np.random.default_rng(9), 0
    for _ in range(500):
        value, rate = 0.5 + rng.normal(0, 0.05), 0.1 + rng.normal(0, 0.01)
        measured = creeping((value, value - 0.05 * 1.645, value + 0.05 * 1.645),
                            Trend(rate, rate - 0.01 * 1.645, rate + 0.01 * 1.645))  # fmt: skip
        (found,) = reaches(measured, PLAYBOOK, {"tilt_danger_deg": "1.0"})
        held += found.low <= 5 <= found.high
    assert 0.86 <= held / 500 <= 0.94, held
