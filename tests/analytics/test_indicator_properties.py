"""What holds for whatever goes in: lists as single numbers, missing stays missing, no row looks ahead, sums balance."""

import inspect
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from satomori_analytics import indicators
from satomori_analytics.indicators import Indicator
from satomori_analytics.indicators.air import (
    dew_point,
    frost_minimum,
    humidity_deficit,
    saturation_vapour_pressure,
    thi,
)
from satomori_analytics.indicators.alarms import alarm_load
from satomori_analytics.indicators.crops import (
    blast_judgement,
    blast_wet_spell,
    blitecast_severity,
    late_blight_hutton,
    soil_water_balance,
    water_stress_coefficient,
)
from satomori_analytics.indicators.evapotranspiration import (
    dual_crop_coefficient,
    extraterrestrial_radiation,
    extraterrestrial_radiation_hourly,
)
from satomori_analytics.indicators.running import blast_favourable, hutton_period
from satomori_analytics.indicators.series import soil_water_index
from satomori_analytics.indicators.structures import (
    hazard_fit,
    hazard_forecast,
    hazard_transition,
    markov_deterioration,
)
from satomori_analytics.indicators.water import (
    leakage_at_pressure,
    minimum_night_flow,
    minimum_night_flow_running,
)

HOUR_US = 3_600_000_000
ROWS = 24
# Where the units' ranges leave open what fits together, or are wider than the formula is meant for.
SENSIBLE: dict[str, tuple[float, float]] = {
    "tmax_c": (20, 40), "tmin_c": (-5, 19), "fc": (0.25, 0.4), "wp": (0.05, 0.2), "p": (0.2, 0.7), "rh": (20, 95),
    "level_m": (0, 5), "previous_m": (0, 5), "fy": (1980, 2010), "likelihood": (0, 1), "t_k": (275, 310),
}  # fmt: skip

# What they can do without, but not without all of it.
ALSO = {"solar_radiation": ("tmax_c", "tmin_c"), "et0_daily": ("rhmax", "rhmin", "sunshine_h", "u2_ms")}


def is_elementwise(indicator: Indicator) -> bool:
    """Takes a number or a list for all that it needs, with no list among it that stands for one thing."""
    parameters = inspect.signature(indicator.function).parameters
    needed = [name for name in indicator.inputs if name in indicator.required]
    return any(parameters[name].annotation is ArrayLike for name in needed) and not any(
        "list" in indicator.inputs[name] or ", two" in indicator.inputs[name] or "values of" in indicator.inputs[name]
        or ", 24" in indicator.inputs[name] for name in needed
    )  # fmt: skip


def draw(indicator: Indicator, rng: np.random.Generator) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """Rows for the inputs that may be lists, and one value for each other input that is needed."""
    rows, single = {}, dict[str, Any]()
    words = {"item": "do", "date": "2024-04-20", "variable": "dew_point", "accumulates": True}
    for name in sorted(indicator.required | set(ALSO.get(indicator.name, ()))):
        low, high = SENSIBLE.get(name) or np.clip(indicator.range_of(name), -100, 300)
        values = rng.uniform(low, high, ROWS)
        if inspect.signature(indicator.function).parameters[name].annotation in {ArrayLike, ArrayLike | None}:
            rows[name] = values
        else:
            single[name] = words.get(name, {"warning_m": 2.0, "danger_m": 3.0}.get(name, float(values[0])))
    return rows, single


def outputs(value: Any) -> dict[str, np.ndarray[Any, Any]]:
    return {key: np.asarray(values) for key, values in (value if isinstance(value, dict) else {"": value}).items()}


def is_blank(value: Any) -> bool:
    return bool(value == "" if isinstance(value, str) else np.isnan(value))


ELEMENTWISE = [each for each in indicators.ALL if is_elementwise(each)]


@pytest.mark.parametrize("indicator", ELEMENTWISE, ids=lambda each: each.name)
def test_a_list_gives_what_its_numbers_give_one_by_one(indicator: Indicator) -> None:
    rows, single = draw(indicator, np.random.default_rng(zlib.crc32(indicator.name.encode())))
    with np.errstate(all="ignore"):
        together = outputs(indicator.function(**rows, **single))
        for i in range(ROWS):
            alone = outputs(indicator.function(**{n: float(v[i]) for n, v in rows.items()}, **single))
            for key, values in together.items():
                assert np.shape(values) == (ROWS,)
                if values.dtype.kind == "U":
                    assert values[i] == alone[key]
                else:
                    np.testing.assert_allclose(values[i], alone[key], rtol=1e-12, equal_nan=True)


@pytest.mark.parametrize("indicator", ELEMENTWISE, ids=lambda each: each.name)
def test_what_is_missing_stays_missing(indicator: Indicator) -> None:
    """A missing input leaves no value (and no class) in its row, and changes none of the other rows."""
    rows, single = draw(indicator, np.random.default_rng(1))
    with np.errstate(all="ignore"):
        known = outputs(indicator.function(**rows, **single))
        for name in rows:
            holed = {n: np.where((np.arange(ROWS) == 3) & (n == name), np.nan, v) for n, v in rows.items()}
            found = outputs(indicator.function(**holed, **single))
            others = np.arange(ROWS) != 3
            for key, values in found.items():
                assert is_blank(values[3]) or values[3] == known[key][3], (name, key)
                np.testing.assert_array_equal(values[others], known[key][others])
            assert any(is_blank(values[3]) for values in found.values()), name


def rain_of(rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    return rng.gamma(0.3, 4, count)


def series_inputs(name: str, rng: np.random.Generator, count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs that run row by row, and those that stay: of the indicators that carry a state from row to row."""
    t = rng.normal(15, 6, count)
    rows: dict[str, dict[str, Any]] = {
        "soil_water_balance": {
            "etc": rng.uniform(0, 7, count), "rain": 2 * rain_of(rng, count), "irrigation": np.zeros(count)
        },
        "dual_crop_coefficient": {
            "et0": rng.uniform(0, 7, count), "rain_less_runoff": rain_of(rng, count),
            "irrigation_over_fw": rain_of(rng, count), "few": rng.uniform(0.3, 1, count),
            "kcb": rng.uniform(0.2, 1.1, count),
        },
        "growing_degree_sum": {"tmax_c": t + 5, "tmin_c": t - 5},
        "rice_development": {"dvr": rng.uniform(0, 0.02, count)},
        "blast_wet_spell": {
            "wet": rng.integers(0, 6, count) > 0, "rain_mm_h": rain_of(rng, count) / 3,
            "wind_ms": rng.uniform(0, 3.2, count), "t_c": t,
        },
        "late_blight_smith": {"tmin": t, "h90": rng.uniform(5, 24, count)},
        "late_blight_hutton": {"tmin": t, "h90": rng.uniform(5, 24, count)},
        "extensometer_active": {"daily_mm": rng.uniform(0.8, 11, count)},
        "extensometer_entry_ban": {"hourly_mm": rng.uniform(1, 4, count)},
        "alarm_chatter": {"at_us": np.sort(rng.integers(0, 20 * count, count)) * 1_000_000},
        "qartod_rate_of_change": {"inp": t},
        "qartod_flat_line": {"inp": np.round(t / 8)},
        "rice_heading_day": {"dvr": rng.uniform(0, 0.02, count)},
        "rice_harvest_day": {"mean_c": rng.normal(25, 3, count)},
        "blitecast_first_spray": {"severity": rng.integers(0, 4, count), "rain_favourable": rng.integers(0, 2, count)},
        "flabs_danger_day": {"daily_index": rng.integers(0, 3, count)},
    }  # fmt: skip
    stay: dict[str, dict[str, Any]] = {
        "soil_water_balance": {"taw_mm": 72.0, "p": 0.4, "depletion_mm": 20.0},
        "dual_crop_coefficient": {"tew_mm": 18.0, "rew_mm": 8.0, "kc_max": 1.21, "depletion_mm": 18.0},
        "rice_development": {"initial_dvi": 0.2187},
        "rice_heading_day": {"initial_dvi": 0.2187},
        "qartod_rate_of_change": {"threshold_per_s": 0.1},
        "qartod_flat_line": {"suspect_s": 180.0, "fail_s": 300.0, "tolerance": 0.5},
    }
    return rows[name], stay.get(name, {})


ROW_BY_ROW = (
    "soil_water_balance", "dual_crop_coefficient", "growing_degree_sum", "rice_development", "blast_wet_spell",
    "late_blight_smith", "late_blight_hutton", "extensometer_active", "extensometer_entry_ban", "alarm_chatter",
    "qartod_rate_of_change", "qartod_flat_line",
)  # fmt: skip
FIRST_DAYS = ("rice_heading_day", "rice_harvest_day", "blitecast_first_spray", "flabs_danger_day")


@pytest.mark.parametrize("name", ROW_BY_ROW)
def test_no_row_changes_when_later_rows_are_cut(name: str) -> None:
    function: Callable[..., Any] = indicators.find(name).function
    rows, stay = series_inputs(name, np.random.default_rng(5), 120)
    whole = outputs(function(**rows, **stay))
    assert all(len(np.unique(values)) > 1 for values in whole.values()), "the series shows nothing"
    for cut in (1, 2, 17, 60, 119):
        part = outputs(function(**{n: v[:cut] for n, v in rows.items()}, **stay))
        for key, values in part.items():
            np.testing.assert_allclose(values, whole[key][:cut], rtol=1e-12, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("name", FIRST_DAYS)
def test_a_day_once_reached_stays_where_it_is(name: str) -> None:
    """None while it is not reached, then the same however much follows."""
    function: Callable[..., float] = indicators.find(name).function
    rows, stay = series_inputs(name, np.random.default_rng(5), 120)
    day = function(**rows, **stay)
    assert 1 < day < 120
    for cut in range(1, 120):
        found = function(**{n: v[:cut] for n, v in rows.items()}, **stay)
        assert found == day if cut >= day else np.isnan(found)


@given(st.floats(-40, 50), st.floats(0.01, 20), st.floats(1, 99), st.floats(0.1, 1))
def test_air_moves_the_way_it_should(t: float, warmer: float, rh: float, moister: float) -> None:
    """Warmer air holds more; moister air has less deficit; the dew point is never above the temperature."""
    assert saturation_vapour_pressure(t + warmer) > saturation_vapour_pressure(t)
    assert humidity_deficit(t, rh + moister) < humidity_deficit(t, rh)
    assert dew_point(t, rh) < dew_point(t, rh + moister) <= t + 1e-9
    assert (thi(t, rh + moister) > thi(t, rh)) == (t > 14.4) or abs(t - 14.4) < 1e-6


@given(st.floats(-65, 65), st.integers(1, 365))
def test_a_days_radiation_is_the_sum_of_its_hours(latitude: float, day: int) -> None:
    """Eq. 28 over the 24 hours is eq. 21, but for the hours of sunrise and sunset, and the length of a day."""
    hours = extraterrestrial_radiation_hourly(latitude, 0.0, day, np.arange(240) / 10 + 0.05, 0.1)
    assert np.all(hours >= 0)
    np.testing.assert_allclose(hours.sum(), extraterrestrial_radiation(latitude, day), rtol=0.01, atol=0.05)


@given(st.integers(0, 10**6), st.floats(10, 200), st.floats(0.1, 0.9))
def test_root_zone_water_is_neither_made_nor_lost(seed: int, taw_mm: float, p: float) -> None:
    """What comes in is what the crop takes, what percolates and what stays; depletion lies between 0 and TAW."""
    rng = np.random.default_rng(seed)
    etc, rain, irrigation = rng.uniform(0, 9, 60), rain_of(rng, 60), rain_of(rng, 60)
    found = soil_water_balance(taw_mm, p, 0.3 * taw_mm, etc=etc, rain=rain, irrigation=irrigation)
    depletion, ks = found["depletion"], found["ks"]
    before = np.concatenate([[0.3 * taw_mm], depletion[:-1]])
    expected = before - rain - irrigation + ks * etc + found["deep_percolation"]
    np.testing.assert_allclose(np.where(depletion < taw_mm, expected, taw_mm), depletion, atol=1e-9)
    assert np.all((depletion >= 0) & (depletion <= taw_mm))
    assert np.all((ks >= 0) & (ks <= 1))
    assert np.all(np.diff(water_stress_coefficient(taw_mm, p, np.linspace(0, taw_mm, 50))) <= 1e-12)


@given(st.integers(0, 10**6))
def test_surface_water_stays_within_its_layer(seed: int) -> None:
    rows, stay = series_inputs("dual_crop_coefficient", np.random.default_rng(seed), 60)
    found = dual_crop_coefficient(**stay, **rows)
    assert np.all((found["kr"] >= 0) & (found["kr"] <= 1))
    assert np.all((found["ke"] >= 0) & (found["kc"] <= np.maximum(1.21, rows["kcb"]) + 1e-12))
    assert np.all((found["depletion"] >= 0) & (found["depletion"] <= 18))


def test_after_a_missing_day_the_soil_is_not_known() -> None:
    found = soil_water_balance(72, 0.4, 20, etc=[5, np.nan, 5], rain=0, irrigation=0)
    assert found["depletion"].tolist() == pytest.approx([25, np.nan, np.nan], nan_ok=True)
    assert found["irrigate"].tolist() == pytest.approx([0, np.nan, np.nan], nan_ok=True)


@given(st.lists(st.floats(0, 80), min_size=1, max_size=48), st.data())
def test_more_rain_never_lowers_the_soil_water_index(rain: list[float], data: st.DataObject) -> None:
    """At any step; and it never falls below nought."""
    step_s = data.draw(st.sampled_from([600.0, 1800.0, 3600.0]))
    at_us = np.arange(len(rain)) * HOUR_US
    place = data.draw(st.integers(0, len(rain) - 1))
    more = np.array(rain)
    more[place] += 10
    less_mm, more_mm = (soil_water_index(at_us, r, step_s=step_s) for r in (rain, more))
    assert np.all(less_mm >= 0)
    assert np.all(more_mm >= less_mm - 1e-9)
    np.testing.assert_array_equal(more_mm[:place], less_mm[:place])


@given(st.integers(0, 10**6))
def test_a_wet_spell_is_no_longer_than_it_has_been_wet(seed: int) -> None:
    rows, _ = series_inputs("blast_wet_spell", np.random.default_rng(seed), 100)
    found = blast_wet_spell(**rows)
    for i, hours in enumerate(found["wet_h"].astype(int)):
        assert rows["wet"][i - hours + 1 : i + 1].all()
        if hours:
            assert found["t_wet_c"][i] == pytest.approx(rows["t_c"][i - hours + 1 : i + 1].mean())
        else:
            assert np.isnan(found["t_wet_c"][i])


def test_severity_rises_with_the_hours_of_wetness() -> None:
    hours = np.arange(0, 30)
    for t_c in (7.2, 11.7, 15.1, 26.6):
        values = blitecast_severity(hours, t_c)
        assert (values.min(), values.max()) == (0, 4)
        assert np.all(np.diff(values) >= 0)


@given(st.lists(st.floats(0.001, 2), min_size=1, max_size=6), st.floats(0, 60), st.floats(0, 60))
def test_transitions_are_probabilities_and_years_add_up(theta: list[float], first: float, then: float) -> None:
    matrix = hazard_transition(theta, first)
    assert np.all((matrix >= -1e-9) & (matrix <= 1 + 1e-9))
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(
        matrix @ hazard_transition(theta, then), hazard_transition(theta, first + then), atol=1e-8
    )
    np.testing.assert_allclose(markov_deterioration(hazard_transition(theta, 1), matrix[0], 3).sum(), 1, atol=1e-8)


def test_the_band_of_a_forecast_narrows_with_what_was_seen() -> None:
    """Ten times the structures, the same rates: about a third of the width; no structure is lost, the seed decides."""
    few = hazard_forecast([8, 4, 2], [100, 100, 100], [50, 30, 15, 5], 10)
    many = hazard_forecast([80, 40, 20], [1000, 1000, 1000], [50, 30, 15, 5], 10)
    width_few, width_many = few["high"] - few["low"], many["high"] - many["low"]
    assert np.all((width_many > 0) & (width_many < 0.5 * width_few))
    assert few["mean"].sum() == pytest.approx(100)
    assert np.all((few["low"] <= few["mean"]) & (few["mean"] <= few["high"]))
    again = hazard_forecast([8, 4, 2], [100, 100, 100], [50, 30, 15, 5], 10)
    other = hazard_forecast([8, 4, 2], [100, 100, 100], [50, 30, 15, 5], 10, seed=1)
    assert again["low"].tolist() == few["low"].tolist() != other["low"].tolist()


def test_a_forecasts_band_holds_what_comes_as_often_as_it_says() -> None:
    """Rates seen in a cohort, forecast, and the truth's expectation: inside the 90 % band about nine times of ten."""
    rng, theta, exposure = np.random.default_rng(7), np.array([0.1, 0.05]), 150.0
    truth = np.array([100.0, 0, 0]) @ hazard_transition(theta, 8)
    inside = 0
    for _ in range(200):
        found = hazard_forecast(rng.poisson(theta * exposure), exposure, [100, 0, 0], 8, draws=400)
        inside += bool(found["low"][0] <= truth[0] <= found["high"][0])
    assert 170 <= inside <= 192, inside


def test_rates_come_back_from_pairs_of_inspections() -> None:
    """Three ranks, inspected 3 to 7 years apart: each rate within its band nine times of ten, and near when many."""
    theta, inside = np.array([0.12, 0.05]), 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        before, years = rng.integers(1, 3, 150), rng.integers(3, 8, 150).astype(float)
        chances = np.array([hazard_transition(theta, y)[b - 1] for b, y in zip(before, years, strict=True)])
        after = 1 + (rng.random((150, 1)) > np.cumsum(chances, axis=1)).sum(axis=1)
        found = hazard_fit(before, np.minimum(after, 3), years)
        inside += int(np.sum((found["low"] <= theta) & (theta <= found["high"])))
        assert np.all((found["theta"] > theta / 3) & (found["theta"] < theta * 3))
    assert 64 <= inside <= 78, inside


@pytest.mark.parametrize(
    ("rank_from", "rank_to", "told"),
    [([2, 1], [1, 2], "leave out repairs"), ([1, 1], [1, 1], "2 to 6 ranks"), ([1, 2], [1, 3], "to leave rank 1")],
)
def test_pairs_that_say_nothing_are_refused(rank_from: list[int], rank_to: list[int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        hazard_fit(rank_from, rank_to, 5)


@given(st.lists(st.floats(0.1, 100), min_size=96, max_size=96), st.floats(0.5, 1.5))
def test_night_flow_and_leakage_stay_within_their_bounds(flow: list[float], n1: float) -> None:
    least = minimum_night_flow(flow)
    assert min(flow) - 1e-9 <= least <= np.mean(flow) + 1e-9
    assert leakage_at_pressure(least, 40, 20, n1) <= least * 0.5**0.5 + 1e-9


@given(st.lists(st.integers(0, 86_399), max_size=60))
def test_alarms_are_counted_once(seconds: list[int]) -> None:
    load = alarm_load([s * 1e6 for s in seconds], 0, 86_400e6)
    assert load["alarms"] == len(seconds)
    assert load["mean_per_span"] * 144 == pytest.approx(len(seconds))
    assert load["peak_per_span"] <= len(seconds)
    assert (load["flood_share"] > 0) == (load["peak_per_span"] > 10)


def test_nights_have_no_order() -> None:
    nights = np.random.default_rng(2).normal([[3.0], [-4.0], [-5.0]], 2, (3, 12))
    t0, td, tn = nights
    turned = frost_minimum(t0[::-1], td[::-1], tn[::-1], 5, -2)
    assert frost_minimum(t0, td, tn, 5, -2) == pytest.approx(turned)


@given(st.integers(0, 10**6))
def test_a_running_rule_says_what_the_rule_of_whole_days_says(seed: int) -> None:
    """The least hour of a day, and a Hutton period, at each day's last value; holes are holes in both."""
    rng = np.random.default_rng(seed)
    flow = np.where(rng.random(96 * 3) < 0.02, np.nan, rng.gamma(2, 3, 96 * 3))
    running = minimum_night_flow_running(np.arange(len(flow)) * HOUR_US // 4, flow)
    whole = [minimum_night_flow(day) for day in flow.reshape(3, 96)]
    np.testing.assert_allclose(running[95::96], whole, rtol=1e-9, equal_nan=True)

    t, rh = rng.normal(14, 2, (6, 24)), rng.choice([70.0, 95.0], (6, 24), p=[0.72, 0.28])
    hourly = hutton_period(np.arange(6 * 24) * HOUR_US, t.ravel(), rh.ravel())
    daily = late_blight_hutton(t.min(axis=1), (rh >= 90).sum(axis=1))
    assert np.isnan(hourly[:24]).all()
    np.testing.assert_array_equal(hourly[47::24], daily[1:])


@given(st.integers(0, 10**6))
def test_running_blast_is_blastam_of_the_spell_so_far(seed: int) -> None:
    """Hour by hour the judgement of the wet spell, its mean temperature and the five days before; none looks ahead."""
    rng = np.random.default_rng(seed)
    count = 300
    at_us, t = np.arange(count) * HOUR_US, rng.normal(21, 0.6, count)
    wetness = np.repeat(rng.choice([0.0, 100.0], count // 15), 15)
    rain, wind = rng.choice([0.0, 5.0], count, p=[0.97, 0.03]), rng.uniform(0, 3.05, count)
    found = blast_favourable(at_us, wetness, rain, wind, t)
    spell = blast_wet_spell(wetness > 0, rain, wind, t)
    for i in range(125, count):
        hours = int(spell["wet_h"][i])
        before_c = t[i - hours - 119 : i - hours + 1].mean() if i - hours >= 119 else np.nan
        if np.isfinite(before_c):
            said = blast_judgement(hours, np.nan_to_num(spell["t_wet_c"][i]), before_c)
            assert found[i] == (said == "favourable")
    for cut in (1, 110, 200):
        part = blast_favourable(at_us[:cut], wetness[:cut], rain[:cut], wind[:cut], t[:cut])
        np.testing.assert_array_equal(part, found[:cut])


def test_an_hour_that_is_missing_ends_a_wet_spell() -> None:
    """Eleven wet hours at 20 °C infect; with the sixth of them not there they don't."""
    at_us = np.arange(131) * HOUR_US
    wetness = np.where(np.arange(131) >= 120, 100.0, 0.0)
    there = np.arange(131) != 125
    assert blast_favourable(at_us, wetness, 0 * wetness, 0 * wetness, 20 + 0 * wetness)[-1] == 1
    holed = [series[there] for series in (at_us, wetness, 0 * wetness, 0 * wetness, 20 + 0 * wetness)]
    assert blast_favourable(*holed)[-1] == 0
