"""What each class of assets is told at which value: the worked values of the guides, from the series to the level."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pytest

from satomori_analytics import indicators
from satomori_analytics.derive import derive
from satomori_analytics.episodes import Floats
from satomori_analytics.limits import judge_limits
from satomori_analytics.playbook import LEVELS
from satomori_analytics.playbook_files import load_playbooks
from satomori_analytics.sentences import Place
from satomori_analytics.views import Quantity, View
from satomori_analytics.world import WatchedAsset
from satomori_core.clock import DAY_US, HOUR_US, SECOND_US
from satomori_core.vocabulary import Level
from support.analytics_region import NOON_US, Region

PLAYBOOKS = load_playbooks().general
Own = Mapping[str, float]
NONE: Own = MappingProxyType({})
APRIL_US, JANUARY_US = NOON_US - 90 * DAY_US, NOON_US - 180 * DAY_US


def told(
    class_: str, series: Mapping[str, Sequence[float] | Floats], step_s: int, at_us: int = NOON_US, own: Own = NONE
) -> dict[str, str]:
    """What stands at the last row: quantity -> level, as this class's playbook judges series of its metrics."""
    playbook = PLAYBOOKS[class_]
    asset = WatchedAsset("a", class_, "town", Place("甲", "A", "乙", "B", "Asia/Tokyo"), dict(own))
    seen = {}
    for metric, values in series.items():
        seen[metric] = (at_us + np.arange(len(values), dtype=np.int64) * step_s * SECOND_US, np.array(values, float))
    for name, derived in playbook.derived.items():
        if set(derived.inputs.values()) <= set(series):
            seen[name] = derive(derived, {m: (*seen[m], float(step_s)) for m in derived.inputs.values()})
    levels = {}
    for name, (times, values) in seen.items():
        for episode in judge_limits(View(asset, Quantity(name, "1", "量", "amount"), times, values), playbook):
            if episode.until_us is None:
                levels[name] = episode.level.name.lower()
    return levels


def held(class_: str, values: Mapping[str, float], at_us: int = NOON_US, own: Own = NONE) -> dict[str, str]:
    """What is told where these values have stood for days."""
    return told(class_, {metric: [value] * 400 for metric, value in values.items()}, 3600, at_us, own)


def ramp(per_h: float, hours: float, step_s: int) -> Floats:
    return per_h * np.arange(0, hours * 3600, step_s) / 3600


@pytest.mark.parametrize(
    ("t_c", "rh", "level"),
    [(32, 22, "watch"), (30, 55.12, "watch"), (30, 55.13, "warning"), (35, 70, "warning"), (35, 71, "danger"),
     (25, 50, None)],
)  # fmt: skip
def test_cattle_in_the_heat(t_c: float, rh: float, level: str | None) -> None:
    """THI 75.9 (Mader) is the first level; 79 and 89 are the next two, a limit belonging to what is above it."""
    assert held("cattle_barn", {"air_temperature": t_c, "relative_humidity": rh}).get("thi") == level


@pytest.mark.parametrize(("class_"), ["slope", "levee"])
@pytest.mark.parametrize(
    ("rate", "level"), [(0.009, None), (0.0101, "warning"), (0.099, "warning"), (0.1001, "danger")]
)
def test_a_slope_that_tilts(class_: str, rate: float, level: str | None) -> None:
    """Uchimura's two stages, precaution at 0.01 and warning at 0.1 °/h, are our warning and danger."""
    assert told(class_, {"tilt": ramp(rate, 4, 300)}, 300).get("tilt_rate") == level


@pytest.mark.parametrize(
    ("mm_d", "days", "level"),
    [(0.9, 13, None), (1.01, 13, "watch"), (1.01, 9, None), (10.1, 5, "warning"), (9.9, 5, None)],
)
def test_a_landslide_by_its_extensometer(mm_d: float, days: float, level: str | None) -> None:
    """Active: 1 mm a day for ten days, or 10 mm a day for two, once the rate of a day is known."""
    assert told("slope", {"displacement": ramp(mm_d / 24, days * 24, 3600)}, 3600).get("displacement_rate_day") == level


def test_entry_is_banned_at_two_millimetres_an_hour() -> None:
    assert told("slope", {"displacement": ramp(2.01, 8, 600)}, 600)["displacement_rate"] == "danger"
    assert "displacement_rate" not in told("slope", {"displacement": ramp(1.9, 8, 600)}, 600)


def test_soil_water_after_three_hours_of_rain() -> None:
    """30 mm/h for three hours fill the tanks to 84.51 mm, below the first level of 120 mm; for six, above."""
    assert told("slope", {"rain": [30, 30, 30]}, 3600) == {}
    assert told("slope", {"rain": [30] * 6}, 3600) == {"soil_water_index": "watch"}


def test_tea_is_fanned_from_four_degrees_to_eight() -> None:
    """At sprouting the fan goes on at 4 °C, and off again not before 8 °C; frost is worse than that."""
    falling, rising = [9, 6, 4, 5, 7.9], [9, 6, 4, 5, 8]
    assert told("tea_field", {"air_temperature": falling}, 1800, APRIL_US) == {"frost_fan": "watch"}
    assert told("tea_field", {"air_temperature": rising}, 1800, APRIL_US) == {}
    assert held("tea_field", {"air_temperature": 2}, APRIL_US)["air_temperature"] == "warning"
    assert held("tea_field", {"air_temperature": -2}, APRIL_US)["air_temperature"] == "danger"
    assert held("tea_field", {"air_temperature": -2}, JANUARY_US) == {}


def test_the_least_hour_of_the_night_tells_of_a_leak() -> None:
    """A day of tens with an hour of 2, 3, 2, 1: a night flow of 2.0, against what the area may lose."""
    day = [10.0] * 12 + [2, 3, 2, 1] + [10.0] * 80
    assert told("district_meter_area", {"flow": day}, 900, own={"night_flow_watch_m3_h": 2.0}) == {
        "night_flow": "watch"
    }
    assert told("district_meter_area", {"flow": day}, 900, own={"night_flow_watch_m3_h": 2.01}) == {}
    assert told("district_meter_area", {"flow": day}, 900) == {}
    too_few = [*day[:12], *[np.nan] * 5, *day[17:]]
    assert told("district_meter_area", {"flow": too_few}, 900, own={"night_flow_watch_m3_h": 2.0}) == {}


def test_a_river_rises_through_its_own_levels() -> None:
    own = {"level_watch_m": 2.0, "level_warning_m": 3.0, "level_danger_m": 3.5}
    found = [held("river_gauge", {"water_level": m}, own=own).get("water_level") for m in (1.9, 2, 3, 3.5)]
    assert found == [None, "watch", "warning", "danger"]
    assert held("river_gauge", {"water_level": 3.5}) == {}
    assert told("river_gauge", {"water_level": ramp(0.51, 4, 300)}, 300) == {"level_rate": "watch"}


@pytest.mark.parametrize(
    ("class_", "values", "level"),
    [
        ("paddy", {"water_level": 0.25}, "warning"),
        ("paddy", {"water_level": 0.14}, None),
        ("upland_field", {"soil_ec": 0.3}, "watch"),
        ("upland_field", {"soil_ec": 0.31}, None),
        ("upland_field", {"soil_ec": 1.0}, "watch"),
        ("upland_field", {"soil_suction": 1.4}, "watch"),
        ("orchard", {"air_temperature": 35}, "watch"),
        ("greenhouse", {"soil_suction": 2.5}, "watch"),
        ("greenhouse", {"soil_suction": 2.4}, None),
        ("greenhouse", {"air_temperature": 25, "relative_humidity": 75}, None),
        ("bridge", {"crack_width": 0.3}, "watch"),
        ("tunnel", {"crack_width": 3}, "watch"),
        ("tunnel", {"carbon_monoxide": 100}, "warning"),
        ("tunnel", {"smoke_transmittance": 39}, "watch"),
        ("road_surface", {"water_level": 0.2}, "danger"),
        ("sewer_manhole", {"oxygen": 17.9}, "warning"),
        ("sewer_manhole", {"oxygen": 18.0}, None),
        ("sewer_manhole", {"hydrogen_sulfide": 9.9}, None),
        ("water_main", {"pressure": 151}, None),
        ("water_main", {"pressure": 150}, "warning"),
        ("water_main", {"pressure": 10}, "danger"),
        ("water_main", {"pressure": 750}, "watch"),
        ("water_main", {"residual_chlorine": 0.1}, "watch"),
        ("water_main", {"residual_chlorine": 0.09}, "warning"),
        ("water_main", {"turbidity": 2.0}, None),
        ("water_main", {"turbidity": 2.1}, "warning"),
        ("septic_tank", {"bod": 20}, None),
        ("gateway", {"outbox_oldest_age": 1800}, "watch"),
    ],
)  # fmt: skip
def test_what_stands_for_days(class_: str, values: dict[str, float], level: str | None) -> None:
    assert list(held(class_, values).values()) == ([level] if level else [])


@pytest.mark.parametrize(
    ("class_", "attribute", "metric", "level"),
    [
        ("irrigation_pond", "level_warning_m", "water_level", "warning"),
        ("irrigation_pond", "level_danger_m", "water_level", "danger"),
        ("bridge", "tilt_danger_deg", "tilt", "danger"),
        ("tunnel", "displacement_warning_mm", "displacement", "warning"),
        ("road_surface", "settlement_danger_mm", "displacement", "danger"),
        ("sewer_span", "level_danger_m", "water_level", "danger"),
        ("sewer_span", "settlement_danger_mm", "displacement", "danger"),
        ("levee", "pore_pressure_warning_kpa", "pore_pressure", "warning"),
        ("levee", "level_danger_m", "water_level", "danger"),
        ("septic_tank", "level_warning_m", "water_level", "warning"),
        ("pump_station", "level_danger_m", "water_level", "danger"),
    ],
)
def test_an_assets_own_limit_speaks(class_: str, attribute: str, metric: str, level: str) -> None:
    assert held(class_, {metric: 2.5}, own={attribute: 2.5}) == {metric: level}
    assert held(class_, {metric: 2.4}, own={attribute: 2.5}) == {}


# class, metric, the indicator that classifies its value, further arguments, and which level each class is.
AGREEMENTS = [
    ("septic_tank", "dissolved_oxygen", "septic_tank", {"item": "do"}, {"fair": "watch", "ng": "warning"}),
    ("septic_tank", "transparency", "septic_tank", {"item": "clarity"}, {"fair": "watch", "ng": "warning"}),
    ("upland_field", "soil_suction", "soil_suction_class", {},
     {"wet": "watch", "dry": "watch", "wilting": "warning", "permanent_wilt": "danger"}),
    ("sewer_span", "hydrogen_sulfide", "sewer_h2s_class", {}, {"II": "watch", "I": "warning"}),
    ("pump_station", "vibration", "vibration_zone", {}, {"C": "warning", "D": "danger"}),
    ("paddy", "air_temperature", "paddy_cold_spell", {},
     {"consider": "watch", "deep_water": "warning", "deep_water_severe": "danger"}),
    ("road_surface", "crack_ratio", "pavement_class", {"rut_mm": 0, "iri": 0},
     {"II": "watch", "III": "warning"}),
    ("road_surface", "rut_depth", "pavement_class", {"crack_pct": 0, "iri": 0},
     {"II": "watch", "III": "warning"}),
    ("road_surface", "iri", "pavement_class", {"crack_pct": 0, "rut_mm": 0},
     {"II": "watch", "III": "warning"}),
]  # fmt: skip
POINTS = {
    "dissolved_oxygen": (0, 0.1, 0.5, 0.9, 1.0, 4), "transparency": (5, 14.9, 15, 19.9, 20, 30),
    "soil_suction": (1, 1.4, 1.6, 2.6, 2.71, 3.7, 3.8, 4.1, 4.2, 5), "hydrogen_sulfide": (0, 9.9, 10, 49, 50, 90),
    "vibration": (1, 2.7, 2.8, 4.4, 4.5, 9), "air_temperature": (14, 16.9, 17.1, 19.9, 20.1, 21.9, 22.1, 25),
    "crack_ratio": (0, 19, 20, 39, 40, 90), "rut_depth": (0, 19, 20, 39, 40, 90), "iri": (1, 2.9, 3, 7.9, 8, 20),
}  # fmt: skip


@pytest.mark.parametrize(("class_", "metric", "name", "more", "levels"), AGREEMENTS)
def test_levels_are_the_classes_of_the_indicator_that_the_guide_gave(
    class_: str, metric: str, name: str, more: dict[str, object], levels: dict[str, str]
) -> None:
    """Just below, at and above each limit, the playbook and the indicator say the same."""
    indicator = indicators.find(name)
    (argument,) = sorted(indicator.required - set(more))
    found = []
    for value in POINTS[metric]:
        kind = indicators.call(indicator, {argument: value, **more})
        standing = held(class_, {metric: value})
        names = {metric, *(k for k, d in PLAYBOOKS[class_].derived.items() if metric in d.inputs.values())}
        said = max((standing[n] for n in names if n in standing), default=None, key=lambda each: LEVELS[each])
        assert said == levels.get(kind), (value, kind)
        found.append(said)
    assert any(one != other for one, other in pairwise(found)), "these points tell nothing apart"


def test_frost_is_told_where_the_advisory_would_be() -> None:
    """Tokyo's 2 °C in its season; none in summer."""
    for value in (1.9, 2.0, 2.1, 5):
        advised = indicators.find("frost_advisory").function(value, "2026-04-16", "tokyo")
        assert ("air_temperature" in held("orchard", {"air_temperature": value}, APRIL_US)) == bool(advised)
    assert held("upland_field", {"air_temperature": 1}, NOON_US - 30 * 24 * HOUR_US) == {}


def test_blast_infects_where_leaves_stay_wet_long_enough() -> None:
    """11 hours at 20 °C after five days of 20 °C; ten are too few, and neither a dry leaf sensor nor a gale counts."""
    hours = 132

    def seen(wet_h: int, wind_ms: float = 1.0) -> dict[str, str]:
        wetness = [0.0] * (hours - wet_h) + [100.0] * wet_h
        weather = {"rain": [0.0] * hours, "wind_speed": [wind_ms] * hours, "air_temperature": [20.0] * hours}
        return told("paddy", {"leaf_wetness": wetness, **weather}, 3600)

    assert seen(11)["blast"] == "watch"
    assert "blast" not in seen(10)
    assert "blast" not in seen(11, wind_ms=3.1)


def test_a_levee_that_tilts_back_is_told_too() -> None:
    assert told("levee", {"tilt": ramp(-0.0101, 4, 300)}, 300)["tilt_rate"] == "warning"
    assert told("levee", {"tilt": ramp(-0.101, 4, 300)}, 300)["tilt_rate"] == "danger"


# How the name of an asset's attribute ends, and in which unit its value is therefore meant.
ENDINGS = {
    "_mm_s": "mm/s", "_deg_h": "deg/h", "_m_h": "m/h", "_m3_h": "m3/h", "_mm": "mm", "_deg": "deg", "_kpa": "kPa",
    "_pf": "{pF}", "_c": "Cel", "_v": "V", "_m": "m",
}  # fmt: skip


@pytest.mark.parametrize("class_", PLAYBOOKS)
def test_an_attributes_name_tells_its_unit(class_: str) -> None:
    """So that who fills in the ledger writes metres where metres are read."""
    for name, limit in PLAYBOOKS[class_].limit.items():
        if limit.attribute:
            assert ENDINGS[next(end for end in ENDINGS if limit.attribute.endswith(end))] == limit.unit, name


def test_rain_is_summed_to_the_hour_where_the_rest_is_averaged(region: Region) -> None:
    """In the real store, every ten minutes: 0.6 mm is 3.6 mm/h and lets blast infect, 0.7 mm, 4.2 mm/h, does not."""
    start_us, rows = NOON_US - 6 * DAY_US, 6 * 144
    for name, drop_mm in (("drizzle", 0.6), ("rain", 0.7)):
        region.add_asset(name, "paddy", ["leaf_wetness", "rain", "wind_speed", "air_temperature"], interval_s=600)
        wet = np.arange(rows) >= rows - 12 * 6
        series = {
            "leaf_wetness": 100.0 * wet, "rain": drop_mm * wet, "wind_speed": np.full(rows, 1.0),
            "air_temperature": 20.5 + 0.3 * np.sin(np.arange(rows)),
        }  # fmt: skip
        for metric, values in series.items():
            region.put(name, metric, [(start_us + i * 600 * SECOND_US, v) for i, v in enumerate(values.tolist())])
    region.digest(NOON_US)
    (found,) = region.findings("limit")
    assert (found.asset_id, found.level, found.until_us) == ("drizzle", Level.WATCH, None)
    assert "葉いもち" in found.text_ja


def test_a_leak_is_found_by_the_night_flow_of_the_store(region: Region) -> None:
    """A quiet night's 2 m³/h rises to 5: the watch that the area sets at 4 speaks once, when the night is over."""
    region.add_asset("dma", "district_meter_area", ["flow"], interval_s=900, attributes={"night_flow_watch_m3_h": 4.0})
    hours = np.arange(4 * 96) / 4
    usual = 12 - 10 * np.exp(-((((hours + 12) % 24) - 3) ** 2) / 4) + 0.01 * np.sin(7 * hours)
    leak = np.where(hours >= 48, 3.0, 0.0)
    start_us = NOON_US - 4 * DAY_US
    region.put("dma", "flow", [(start_us + int(h * HOUR_US), f) for h, f in zip(hours, usual + leak, strict=True)])
    region.digest(NOON_US)
    (found,) = region.findings("limit")
    assert (found.asset_id, found.level, found.until_us) == ("dma", Level.WATCH, None)
    assert start_us + 2 * DAY_US < found.since_us < start_us + 3 * DAY_US
