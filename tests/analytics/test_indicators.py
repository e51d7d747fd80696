"""Every indicator against a worked example: published ones where there are, else computed by hand from the rule."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from satomori_analytics import indicators
from satomori_analytics.cli import indicator as indicator_command
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
    argument = next(n for n in found.inputs if n not in {"at_us", "window_s", "covered_s", "initial_mm"})
    more = {"window_s": 40_000.0} if "window_s" in found.required else {}
    whole = found.function(at_us, **{argument: values}, **more)
    for cut in (2, 57, 300):
        part = found.function(at_us[:cut], **{argument: values[:cut]}, **more)
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
        ("soil_water_index", {"at_us": [0, 9e18], "rain_mm": [0, 0]}, "more than 1000000 steps"),
        ("hazard_transition", {"theta": [1] * 20, "years": 1}, "at most 20 states"),
    ],
)
def test_wrong_inputs_are_said(name: str, document: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        indicators.call(indicators.find(name), document)


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


def test_missing_values_pass_through_as_null() -> None:
    assert indicators.call(indicators.find("thi"), {"t_c": [30, None], "rh": [50, 50]}) == [pytest.approx(78.2), None]


def test_shared_examples_where_present() -> None:
    """A larger set of worked examples may lie beside the project; those of a like name are compared."""
    path = Path(__file__).parents[3] / "shared" / "vectors.json"
    examples = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    names = {
        "fao56_ex2_pressure_kPa": "air_pressure",
        "fao56_ex2_psychrometric_kPa_per_C": "psychrometric_constant",
        "fao56_ex3_mean_saturation_vp_kPa": "mean_saturation_vapour_pressure",
        "fao56_ex5_ea_kPa": "actual_vapour_pressure",
        "fao56_ex6_vpd_kPa": "vapour_pressure_deficit",
        "fao56_ex14_wind_2m": "wind_at_2m",
        "fao56_eq72_kcmax": "kc_max",
        "dew_point_C": "dew_point",
        "wet_bulb_stull_C": "wet_bulb",
        "greenhouse_hd_g_m3": "humidity_deficit",
        "thi_mader": "thi",
        "cattle_sensible_temperature": "cattle_sensible_temperature",
        "blastam_judgement": "blast_judgement",
        "joukowsky_head_m": "joukowsky_head",
        "pump_efficiency": "pump_efficiency",
        "johkasou_legal_inspection": "septic_tank",
        "pavement_diagnosis": "pavement_class",
        "sewer_priority_survey_scope": "sewer_special_survey",
        "manhole_entry_allowed": "manhole_entry_allowed",
        "landslide_active_tiltmeter": "landslide_tiltmeter_active",
    }
    for example in examples:
        if example["name"] in names:
            value = indicators.call(indicators.find(names[example["name"]]), example["inputs"])
            expected = np.asarray(example["expected"])
            if expected.dtype.kind == "U":
                assert value == example["expected"]
            else:
                np.testing.assert_allclose(np.array(value, float), expected.astype(float), atol=example["tolerance"])
