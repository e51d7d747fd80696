"""Every indicator against a worked example: published ones where there are, else computed by hand from the rule."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satomori_analytics import indicators
from satomori_analytics.cli import indicator as indicator_command
from satomori_analytics.indicators.inputs import read_document
from satomori_analytics.playbook import Derived
from satomori_core.errors import NotFoundError, SettingsError

HOUR_US = 3_600_000_000
CASES = json.loads((Path(__file__).parents[1] / "cases" / "analytics" / "indicators.json").read_text(encoding="utf-8"))


def agrees(value: Any, expected: Any, tolerance: float) -> bool:
    """Texts are the same, numbers are within the tolerance, null is missing; of an object the keys that are given."""
    if isinstance(expected, dict):
        return all(agrees(value[key], inner, tolerance) for key, inner in expected.items())
    if isinstance(expected, list):
        return len(value) == len(expected) and all(
            agrees(v, e, tolerance) for v, e in zip(value, expected, strict=True)
        )
    if expected is None or isinstance(expected, str):
        return bool(value == expected)
    return value is not None and abs(value - expected) <= tolerance * (1 + 1e-9)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['indicator']}: {case['source']}")
def test_worked_example(case: dict[str, Any]) -> None:
    """Published where there is a publication, else by hand from the rule; from an object of JSON to one of JSON."""
    value = indicators.call(indicators.find(case["indicator"]), case["inputs"])
    assert agrees(value, case["expected"], case["tolerance"]), value


def test_every_indicator_has_a_worked_example() -> None:
    assert {each.name for each in indicators.ALL} == {case["indicator"] for case in CASES}


def test_names_are_unique_and_described() -> None:
    assert len({each.name for each in indicators.ALL}) == len(indicators.ALL)
    for each in indicators.ALL:
        assert all((each.unit, each.source, each.ja, each.en, each.describe()["about"])), each.name
        assert each.status in {"C", "R", "X", "REC"}


@pytest.mark.parametrize("name", [each.name for each in indicators.ALL if each.over_time])
def test_indicators_over_time_are_causal(name: str) -> None:
    """The value at a time does not change when later observations are cut off."""
    found = indicators.find(name)
    rng = np.random.default_rng(0)
    at_us = np.cumsum(rng.integers(600, 7200, 400)).astype(np.int64) * 1_000_000
    values = rng.gamma(0.3, 5, 400)
    series = {name: values for name, unit in found.inputs.items() if name != "at_us" and unit.endswith("list")}
    more = {"window_s": 40_000.0} if "window_s" in found.required else {}
    whole = found.function(at_us, **series, **more)
    for cut in (2, 57, 300):
        part = found.function(at_us[:cut], **dict.fromkeys(series, values[:cut]), **more)
        np.testing.assert_allclose(part, whole[:cut], rtol=1e-9, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "document", "message"),
    [
        ("thi", {"t_c": 3}, "missing input 'rh'; it takes t_c \\[Cel\\], rh \\[%\\]"),
        ("thi", {"t_c": 3, "rh": 4, "wind": 2}, "unknown input 'wind'"),
        ("thi", 5, "expected a JSON object"),
        ("minimum_night_flow", {"flow": [1, 2]}, "96 values"),
        ("septic_tank", {"item": "smell", "value": 1}, "one of do, clarity"),
        ("thi", {"t_c": "warm", "rh": 4}, r"indicator thi: t_c: expected numbers \[Cel\], not 'warm'"),
        ("thi", {"t_c": 20, "rh": [50, 101]}, r"rh\[1\]: 101 is outside 0 to 100 \[%\]"),
        ("thi", {"t_c": [1, 2], "rh": [1, 2, 3]}, "lists whose lengths do not fit: t_c 2, rh 3"),
        ("thi_level", {"thi": 70, "limits": [72, 70, 89]}, "limits: 3 rising numbers between none, mild"),
        ("bridge_health", {"rank": 3}, "rank: expected text, not 3"),
        ("sewer_urgency", {"ranks": ["A", "D"]}, "A, B or C each, not 'D'"),
        ("frost_advisory", {"tmin": 1, "date": "2024-04-10", "region": "nagano"}, "one of tokyo, osaka, oshima"),
        ("frost_advisory", {"tmin": 1, "date": "tomorrow"}, "isoformat"),
        ("et0_daily", {"lat_deg": 36, "elevation_m": 1, "doy": 1, "tmax_c": 1, "tmin_c": 2}, "tmax_c: below tmin_c"),
        ("markov_deterioration", {"p": [[0.5, 0.4], [0, 1]], "n0": [1, 0], "years": 1}, "rows sum to 1, not to 0.9"),
        ("markov_deterioration", {"p": [[1]], "n0": [1], "years": 1.5}, "years: expected a whole number"),
        ("soil_water_index", {"at_us": [0, 9e18], "rain_mm": [0, 0]}, "more than 200000 steps"),
        ("soil_water_index", {"at_us": [1, None], "rain_mm": [0, 0]}, "at_us: a time is missing"),
        ("rolling_mean", {"at_us": [2, 1], "values": [0, 0], "window_s": 1}, "at_us: times have to rise"),
        ("thi", {"t_c": [[1], [2]], "rh": [1, 2]}, "t_c: expected a number or a list"),
        ("hazard_transition", {"theta": [1] * 20, "years": 1}, "at most 20 states"),
    ],
)
def test_wrong_inputs_are_said(name: str, document: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        indicators.call(indicators.find(name), document)


NUMBERS = st.one_of(
    st.none(), st.integers(-5, 100), st.floats(-50, 150), st.sampled_from([0, -1, 1e30, -1e300, 1e18, True])
)
ANYTHING = st.one_of(
    NUMBERS,
    st.lists(NUMBERS, max_size=5),
    st.lists(st.lists(NUMBERS, max_size=3), max_size=3),
    st.sampled_from(["", "do", "A", "tokyo", "2024-04-10", "\0"]),
    st.lists(st.sampled_from(["A", "B", 1]), max_size=3),
    st.just({}),
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("indicator", indicators.ALL, ids=lambda found: found.name)
@given(data=st.data())
def test_whatever_is_sent_is_answered_or_refused(indicator: indicators.Indicator, data: st.DataObject) -> None:
    """JSON comes back, without NaN, or a SettingsError; never another exception, which over HTTP would be our fault."""
    names = [name for name in indicator.inputs if name in indicator.required or data.draw(st.booleans())]
    document = {name: data.draw(ANYTHING if data.draw(st.booleans()) else NUMBERS, label=name) for name in names}
    with suppress(SettingsError):
        json.dumps(indicators.call(indicator, document), allow_nan=False)


def test_a_playbook_derives_only_from_what_gives_numbers() -> None:
    """A class or an object can't be held against a limit, so it is refused when the playbook is loaded."""
    for name, inputs in (("thi_level", {"thi": "air_temperature"}), ("alarm_target", {"name": "air_temperature"})):
        with pytest.raises(ValueError, match=f"{name} does not give a series"):
            Derived(indicator=name, inputs=inputs, unit="1", ja="あ", en="a")


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(NotFoundError, match="did you mean 'humidity_deficit'"):
        indicators.find("humidity_deficits")


def test_command_reads_json_and_lists(tmp_path: Path) -> None:
    """From --input as text or file, or standard input; the list has units and sources, as a table or JSON."""
    runner = CliRunner()
    document = '{"t_C": 32, "rh": 22}'
    (tmp_path / "in.json").write_text(document, encoding="utf-8")
    by_text = runner.invoke(indicator_command, ["thi", "--input", document])
    by_file = runner.invoke(indicator_command, ["thi", "--input", str(tmp_path / "in.json")])
    by_stdin = runner.invoke(indicator_command, ["thi"], input=document)
    assert by_text.output == by_file.output == by_stdin.output
    answer = json.loads(by_text.output)
    assert answer["value"] == pytest.approx(75.9, abs=0.05)
    assert answer["unit"] == "1"
    listed = json.loads(runner.invoke(indicator_command, ["--list", "--json"]).output)
    assert len(listed) == len(indicators.ALL)
    assert {"name", "unit", "inputs", "source", "status", "ja", "en"} <= set(listed[0])
    assert "FAO" in runner.invoke(indicator_command, ["--list"]).output


def test_help_and_list_go_by_domain() -> None:
    """In Japanese and English: all names in the help; the list by a word of a name or, else, of a domain."""
    runner = CliRunner()
    told = runner.invoke(indicator_command, ["--help"]).output
    for domain in indicators.DOMAINS:
        assert f"{domain.ja} / {domain.en}:" in told
    assert set(re.findall(r"[a-z][a-z0-9_]+", told)) >= {each.name for each in indicators.ALL}
    listed = runner.invoke(indicator_command, ["--list", "防霜"]).output
    assert listed.startswith("空気・霜・家畜の暑さ / Air, frost")
    assert re.findall(r"^  ([a-z_]+) \[", listed, re.MULTILINE) == ["tea_frost_fan", "tea_frost_fan_running"]
    by_domain = json.loads(runner.invoke(indicator_command, ["--list", "蒸発散", "--json"]).output)
    assert "et0_daily" in {each["name"] for each in by_domain}
    with pytest.raises(SettingsError, match="has 'yeti' in its names"):
        runner.invoke(indicator_command, ["--list", "yeti"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("name", "table", "expected"),
    [
        ("thi", "time,T_C,rh\n2024-05-01,30,50\n2024-05-02,,50\n\n2024-05-03,30\n", [78.2, None, None]),
        ("sewer_h2s_class", "h2s_ppm\n0\n200\n", ["III", "I"]),
        ("rolling_mean", "at_us,values,window_s\n0,1,60\n1000000,3,60\n", [1, 2]),
    ],
)
def test_a_tables_columns_are_inputs(tmp_path: Path, name: str, table: str, expected: list[Any]) -> None:
    """A value for each row, an empty cell is missing, further columns are not read, one value may stand in all rows."""
    path = tmp_path / "in.csv"
    path.write_text("\ufeff" + table, encoding="utf-8")
    document = read_document(indicators.find(name), str(path))
    assert agrees(indicators.call(indicators.find(name), document), expected, 1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rh,t_c\n50,warm\n", "t_c: expected numbers"),
        ("rh,t_c\n50,1000\n", r"t_c\[0\]: 1000 is outside"),
        ("rh\n50\n", "missing input 't_c'"),
        ("", "a header line with some of t_c, rh"),
        ("time\n2024\n", "a header line with some of t_c, rh"),
        ("rh,t_c\n", "a row for each value"),
    ],
)
def test_a_wrong_table_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        indicators.call(indicators.find("thi"), read_document(indicators.find("thi"), str(path)))


def test_a_tables_single_value_must_not_differ(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("at_us,values,window_s\n0,1,60\n1000000,3,90\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="window_s is one value for the whole table"):
        read_document(indicators.find("rolling_mean"), str(path))


def test_at_a_terminal_it_says_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of waiting for JSON that nobody types."""
    monkeypatch.setattr("satomori_analytics.cli._is_terminal", lambda: True)
    told = CliRunner().invoke(indicator_command, ["thi"]).output
    assert "温湿度指数" in told
    assert "t_c [Cel], rh [%]" in told


@pytest.mark.parametrize("text", ["", "thi", "{bad"])
def test_what_is_no_json_is_said_with_its_place(text: str) -> None:
    result = CliRunner().invoke(indicator_command, ["thi"], input=text)
    assert str(result.exception).startswith("standard input: not JSON")


def test_missing_values_pass_through_as_null() -> None:
    assert indicators.call(indicators.find("thi"), {"t_c": [30, None], "rh": [50, 50]}) == [pytest.approx(78.2), None]


def whole(inputs: Any) -> Any:
    return inputs


def as_(name: str, **more: Any) -> Callable[[Any], dict[str, Any]]:
    return lambda values: {name: values, **more}


def each(name: str, **more: Any) -> Callable[[Any], list[dict[str, Any]]]:
    return lambda values: [{name: value, **more} for value in values]


def columns(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    return {key: [row[key] for row in rows] for key in rows[0]}


def renamed(names: dict[str, str | None], **more: Any) -> Callable[[Any], dict[str, Any]]:
    """Other names for some inputs; None leaves one out."""
    return lambda given: {names.get(k, k): v for k, v in given.items() if names.get(k, k) is not None} | more


@dataclass(frozen=True)
class Shared:
    """How an example that lies beside the project is put to an indicator, and its answer and ours made comparable."""

    indicator: str
    inputs: Callable[[Any], Any] = whole
    answer: Callable[[Any], Any] = whole
    expected: Callable[[Any], Any] = whole


def of_wmo(variable: str, key: str) -> Shared:
    return Shared("wmo_step_limit", renamed({}, variable=variable), expected=lambda e: e[key])


SHARED: dict[str, list[Shared]] = {
    "fao56_ex2_pressure_kPa": [Shared("air_pressure")],
    "fao56_ex2_psychrometric_kPa_per_C": [Shared("psychrometric_constant")],
    "fao56_ex3_mean_saturation_vp_kPa": [Shared("mean_saturation_vapour_pressure")],
    "fao56_ex5_ea_kPa": [Shared("actual_vapour_pressure")],
    "fao56_ex6_vpd_kPa": [Shared("vapour_pressure_deficit")],
    "fao56_ex8_9_Ra_MJ_and_daylight_h": [
        Shared("extraterrestrial_radiation", expected=lambda e: e[0]), Shared("daylight_hours", expected=lambda e: e[1])
    ],
    "fao56_ex14_wind_2m": [Shared("wind_at_2m")],
    "fao56_ex18_eto_uccle_daily": [
        Shared(
            "et0_daily",
            lambda i: renamed({"wind_10m_kmh": None}, u2_ms=i["wind_10m_kmh"] / 3.6, wind_height_m=10)(i),
            expected=lambda e: {{"eto_mm_d": "eto"}.get(k, k): v for k, v in e.items()},
        )
    ],
    "fao56_ex20_eto_missing_data_lyon": [
        Shared("et0_daily", renamed({"u2_default": None, "tdew": None}), expected=lambda e: {"eto": e})
    ],
    "fao56_ex35_dual_kc_10_days": [
        Shared(
            "dual_crop_coefficient",
            lambda i: renamed(
                {"days": None, "De_before_day1_mm": "depletion_mm"},
                **renamed({"p_minus_ro": "rain_less_runoff", "fw": None})(columns(i["days"])),
            )(i),
            expected=lambda rows: {key.lower(): values for key, values in columns(rows).items()},
        )
    ],
    "fao56_eq72_kcmax": [Shared("kc_max")],
    "fao56_ex36_taw_raw": [
        Shared("total_available_water", lambda i: columns(i) | {"zr_m": 0.8}, expected=lambda e: [t for t, _ in e]),
        Shared(
            "readily_available_water",
            lambda i: columns(i) | {"zr_m": 0.8, "p": 0.4},
            lambda raw: [round(r) for r in raw],  # as the table prints it
            lambda e: [r for _, r in e],
        ),
    ],
    "wet_bulb_stull_C": [Shared("wet_bulb")],
    "dew_point_C": [Shared("dew_point")],
    "greenhouse_hd_g_m3": [Shared("humidity_deficit")],
    "thi_mader": [Shared("thi")],
    "thi_level_rakuso": [Shared("thi_level", as_("thi"))],
    "cattle_sensible_temperature": [Shared("cattle_sensible_temperature")],
    "rice_dvr_heading_rule": [
        Shared("rice_development", renamed({"note": None, "dvr_day0": "dvr"}), lambda dvi: dvi[0])
    ],
    "rice_harvest_gdd_koshihikari": [Shared("rice_harvest_degree_days", as_("mean_5_24_c"))],
    "paddy_cold_7day_mean": [Shared("paddy_cold_spell", as_("mean_7d_c"))],
    "paddy_booting_depth_cm": [Shared("paddy_water_depth")],
    "rice_high_temp_risk_27C": [Shared("rice_heat_risk", as_("mean_20d_c"))],
    "blastam_required_wet_hours": [Shared("blast_wet_hours", as_("t_c"))],
    "blastam_judgement": [Shared("blast_judgement")],
    "late_blight_smith": [
        Shared("late_blight_smith", columns, lambda days: [i for i, holds in enumerate(days) if holds])
    ],
    "blitecast_spray_matrix": [Shared("blitecast_spray")],
    "flabs_danger_day": [Shared("flabs_danger_day")],
    "fao_frost_regression_two_step": [
        Shared(
            "frost_minimum",
            lambda i: renamed({"predict": None}, predict_t0=i["predict"]["t0"], predict_td=i["predict"]["td"])(i),
        )
    ],
    "frost_advisory_jma": [Shared("frost_advisory")],
    "tea_frost_fan_on_off_C": [
        Shared("tea_frost_fan", each("stage"), lambda fans: [[f["on_c"], f["off_c"]] for f in fans])
    ],
    "soil_pf_class": [Shared("soil_suction_class", as_("pf"))],
    "irrigation_start_pf": [
        Shared("irrigation_start_pf", each("crop"), lambda found: [[f["low"], f["high"]] for f in found])
    ],
    "soil_ec_mS_cm": [Shared("soil_ec_advice", as_("ec_ms_cm"))],
    "swi_hourly_explicit": [
        Shared(
            "soil_water_index",
            lambda i: {
                "at_us": [HOUR_US * k for k in range(len(i["rain_mm_h"]))],
                "rain_mm": i["rain_mm_h"],
                "initial_mm": i["initial"],
            },
        )
    ],
    "slope_tilt_rate_deg_h": [Shared("tilt_rate_class", as_("rate_deg_h"))],
    "landslide_active_tiltmeter": [Shared("landslide_tiltmeter_active")],
    "sewer_priority_survey_scope": [Shared("sewer_special_survey")],
    "sewer_h2s_environment_class": [Shared("sewer_h2s_class", as_("h2s_ppm"))],
    "manhole_entry_allowed": [Shared("manhole_entry_allowed")],
    "h2s_henry_dimensionless": [Shared("h2s_henry", as_("t_k"))],
    "sewer_ebod": [Shared("effective_bod")],
    "mnf_nightline": [Shared("minimum_night_flow", lambda _: {"flow": [10] * 8 + [2, 3, 2, 1] + [10] * 84})],
    "joukowsky_head_m": [Shared("joukowsky_head")],
    "pump_efficiency": [Shared("pump_efficiency")],
    "johkasou_legal_inspection": [Shared("septic_tank")],
    "pavement_diagnosis": [Shared("pavement_class")],
    "bridge_health_labels": [Shared("bridge_health", each("rank"))],
    "bridge_deck_markov_2018_2022": [Shared("markov_deterioration")],
    "crisis_water_gauge_mode": [Shared("river_gauge_mode")],
    "qartod_gross_range": [Shared("qartod_gross_range")],
    "qartod_spike_average": [Shared("qartod_spike")],
    "qartod_spike_differential": [Shared("qartod_spike")],
    "qartod_rate_of_change": [Shared("qartod_rate_of_change")],
    "qartod_flat_line": [Shared("qartod_flat_line")],
    "qartod_attenuated_range": [Shared("qartod_attenuated_signal", renamed({"check": None}))],
    "qartod_attenuated_window": [Shared("qartod_attenuated_signal", renamed({"check": None}))],
    "wmo_time_consistency_tolerance": [
        of_wmo("air_temperature", "ta_C"), of_wmo("dew_point", "td_C"), of_wmo("air_pressure_hpa", "p_hPa")
    ],
    "eemua_targets": [Shared("alarm_target", each("name"))],
    "alarm_rate_class_per_h": [Shared("alarm_rate_class", as_("per_h"))],
}  # fmt: skip
# What others of the project answer for: bundles, NGSI, units.
ELSEWHERE = {"gunmane_gunma_jr_overbridges", "ngsi_agriparcelrecord_units", "ngsi_alert_enums", "ucum_codes_parse"}


def test_shared_examples_where_present() -> None:
    """A larger set of worked examples may lie beside the project: each is put to its indicator, none is left out."""
    path = Path(__file__).parents[3] / "shared" / "vectors.json"
    examples = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    assert {example["name"] for example in examples} - set(SHARED) <= ELSEWHERE
    for example in examples:
        for way in SHARED.get(example["name"], ()):
            value = way.answer(indicators.call(indicators.find(way.indicator), way.inputs(example["inputs"])))
            expected = way.expected(example["expected"])
            assert agrees(value, expected, example["tolerance"]), (example["name"], value)
