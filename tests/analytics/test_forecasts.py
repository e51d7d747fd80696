"""Forecasts: none knows what comes later, each says what it lacks, and each is held against what came, seeded."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satomori_analytics.forecasts import KINDS, Forecast, Hours, Known, Spot, Weather, forecast, rice
from satomori_analytics.forecasts.base import band_of, date_of, sun
from satomori_analytics.forecasts.weather import load_weather, stale_reason
from satomori_analytics.indicators.air import thi
from satomori_analytics.indicators.crops import rice_harvest_day
from satomori_analytics.indicators.evapotranspiration import et0_daily
from satomori_analytics.indicators.running import blast_favourable
from satomori_analytics.playbook import FORECASTS, Outlook
from satomori_analytics.playbook_files import load_playbooks
from satomori_core.clock import DAY_US, HOUR_US, from_iso
from satomori_core.errors import SettingsError
from satomori_core.vocabulary import Level
from support.farm_weather import at, hours, spot, told

BOOKS = load_playbooks()
SOIL = {"field_capacity": 0.32, "wilting_point": 0.14, "root_depth_m": 0.4}
NORMALS = [5.5, 6.4, 10.1, 15.1, 20.5, 24.7, 26.9, 26.4, 23.0, 17.5, 11.9, 7.3]
RICE = {
    "transplanting_date": "06-01", "variety": "コシヒカリ", "heading_degree_days": 950, "normal_temperature_c": NORMALS,
}  # fmt: skip
OF = {
    "frost": ("orchard", {}), "irrigation": ("upland_field", {**SOIL, "crop": "大豆", "planting_date": "06-10"}),
    "blast": ("paddy", {}), "heat": ("cattle_barn", {}), "heading": ("paddy", RICE), "harvest": ("paddy", RICE),
}  # fmt: skip
FIRST = "2025-05-20"


def outlook(kind: str) -> Outlook:
    found = BOOKS.of(OF[kind][0], "")
    assert found is not None
    return found.forecast[kind]


def made(kind: str, known: Hours, now_us: int, weather: Weather | None = None, **attributes: object) -> Forecast:
    class_, usual = OF[kind]
    place = spot(class_, **{**usual, **attributes})
    return forecast(kind, outlook(kind), Known(place, known, weather), now_us)  # type: ignore[arg-type]


def with_moisture(known: Hours, percent: float = 27.0) -> Hours:
    return replace(known, columns={**known.columns, "soil_moisture": np.full(known.count, percent)})


def test_every_kind_is_made_and_speaks_in_both_languages() -> None:
    known, now_us = with_moisture(hours(1, FIRST, 120)), at(FIRST, 80, 18)
    assert set(OF) == set(FORECASTS) == set(KINDS)
    for kind in KINDS:
        found = made(kind, known, now_us)
        if kind == "heading":  # at the beginning of August it is over
            found = made(kind, known, at(FIRST, 60, 18))
        assert found.status == "made", (kind, found.text_en)
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high
        assert found.text_ja != found.text_en
        assert found.source
        assert found.for_from_us < found.for_until_us
        assert found.for_until_us > found.made_us


def fan(found: Forecast) -> tuple[np.ndarray, ...]:
    """(times, observed, low, middle, high) of what is drawn; NaN where there is nothing."""
    assert found.picture is not None
    (line,) = found.picture["channels"]
    columns = (line[name] for name in ("at_us", "observed", "low", "middle", "high"))
    return tuple(np.array(column, dtype=float) for column in columns)


@pytest.mark.parametrize("kind", ["frost", "heat"])
def test_it_is_drawn_from_what_was_measured_into_what_may_come(kind: str) -> None:
    """Measured until now, then the band, to the value that is told with its own band; small enough to be kept."""
    now_us = at(FIRST, 80, 21)
    found = made(kind, hours(1, FIRST, 120), now_us)
    times, observed, low, middle, high = fan(found)
    seen, ahead = np.isfinite(observed), np.isfinite(middle)
    assert (seen != ahead).all()
    assert times[seen][-1] < now_us <= times[ahead][-1] < found.for_until_us + HOUR_US / 2
    assert (np.diff(times) >= 0).all()
    assert (low[ahead] <= middle[ahead]).all()
    assert (middle[ahead] <= high[ahead]).all()
    assert len(json.dumps(found.picture)) < 6000
    told = np.array([found.low, found.value, found.high])
    # Each way has its lowest or highest at another hour, so that no hour has all of them.
    if kind == "frost":  # it begins at the last value
        assert middle[ahead][0] == pytest.approx(observed[seen][-1])
        lowest = np.array([np.nanmin(line) for line in (low, middle, high)])
        assert (lowest >= told - 0.01).all()
        assert (lowest < told + 1).all()
    else:
        assert told[1] - 2 < np.nanmax(middle) <= told[1] + 0.01
        assert np.nanmax(high) <= told[2] + 0.01


@pytest.mark.parametrize("kind", ["irrigation", "heading", "harvest"])
def test_what_falls_due_is_drawn_to_where_it_does(kind: str) -> None:
    """The middle meets the line on the day that is told, the ends of the band on its first and last day."""
    now_us = at(FIRST, 40, 18)
    found = made(kind, with_moisture(hours(1, FIRST, 120)), now_us)
    times, observed, low, middle, high = fan(found)
    assert found.picture is not None
    (limit,) = found.picture["limits"]
    ahead = np.isfinite(middle)
    assert len(json.dumps(found.picture)) < 6000
    assert (found.low, found.high) == pytest.approx(
        tuple((found.picture[end] - now_us) / DAY_US for end in ("from_us", "until_us"))
    )
    away = -1 if kind == "irrigation" else 1  # water falls, what grows rises
    sooner, later = (low, high) if kind == "irrigation" else (high, low)
    for line, days in ((sooner, found.low), (middle, found.value), (later, found.high)):
        met_us = times[ahead][np.flatnonzero(away * (line[ahead] - limit) >= 0)[0]]
        step_d = np.diff(times[ahead]).max() / DAY_US
        assert days is not None
        assert -1 <= (met_us - now_us) / DAY_US - days <= step_d + 1
    if kind != "harvest":  # it has not headed: nothing is measured of it
        assert observed[np.isfinite(observed)][-1] == pytest.approx(middle[ahead][0], rel=0.02)
    assert len(found.picture["channels"][0]["at_us"]) <= 60


def test_what_is_not_due_for_long_has_no_day_marked() -> None:
    """Nearly no evaporation in winter: the line ends above the limit, whose day is not within the 30 that are seen."""
    winter = with_moisture(hours(1, "2025-12-01", 80), 32.0)
    found = made("irrigation", winter, at("2025-12-01", 70, 18), planting_date="12-10", root_depth_m=1.0)
    assert found.low == 30
    assert found.picture is not None
    assert not {"from_us", "until_us"} & set(found.picture)


def test_a_weather_files_hours_are_drawn() -> None:
    known = hours(1, FIRST, 120)
    now_us = at(FIRST, 80, 21)
    _, _, low, middle, high = fan(made("heat", known, now_us, told(known, now_us, 60)))
    ahead = np.isfinite(middle)
    assert ahead.sum() == 24
    assert high[ahead] - low[ahead] == pytest.approx((high - low)[ahead][0], abs=0.02)
    assert np.nanmax(middle) == pytest.approx(made("heat", known, now_us, told(known, now_us, 60)).value, abs=0.05)


@given(kind=st.sampled_from(KINDS), day=st.integers(61, 75), hour=st.floats(0, 23.9), junk=st.floats(-30, 60))
@settings(max_examples=60, deadline=None)
def test_what_comes_later_changes_nothing(kind: str, day: int, hour: float, junk: float) -> None:
    """Made at a time, with the hours after it as they were, as nonsense, or not there at all: the same."""
    known, now_us = with_moisture(hours(2, FIRST, 100)), at(FIRST, day, hour)
    cut = known.place(now_us)  # the hour that goes on is not over either
    nonsense = {n: np.concatenate([v[:cut], np.full(known.count - cut, junk)]) for n, v in known.columns.items()}
    short = {n: v[:cut] for n, v in known.columns.items()}
    found = made(kind, known, now_us)
    assert (
        found
        == made(kind, replace(known, columns=nonsense), now_us)
        == made(kind, replace(known, columns=short), now_us)
    )


@pytest.mark.parametrize(
    ("kind", "without", "attributes", "needs"),
    [
        ("frost", "relative_humidity", {}, "needs a sensor of relative_humidity"),
        ("heat", "air_temperature", {}, "needs a sensor of air_temperature"),
        ("blast", "rain", {}, "needs a sensor of rain"),
        ("irrigation", "", {"root_depth_m": None}, "needs the attribute root_depth_m"),
        ("irrigation", "", {"field_capacity": 32}, "outside of 0.01 to 0.9"),
        ("irrigation", "", {"crop": "バオバブ"}, "knows no crop 'バオバブ'"),
        ("irrigation", "", {"planting_date": ""}, "needs the attribute planting_date"),
        ("irrigation", "", {"planting_date": "June"}, "has to be like 2026-05-20"),
        ("irrigation", "rain", {}, "needs a sensor of soil_moisture"),
        ("heading", "", {"transplanting_date": ""}, "needs the attribute transplanting_date"),
        ("heading", "", {"heading_degree_days": None}, "needs the attribute heading_degree_days"),
        ("heading", "", {"heading_degree_days": "多い"}, "is no number"),
        ("heading", "", {"normal_temperature_c": "5 6 7"}, "twelve temperatures"),
        ("heading", "", {"normal_temperature_c": None}, "or a year of own temperatures"),
        ("harvest", "", {"variety": "ヒノヒカリ"}, "needs the attribute harvest_degree_days"),
    ],
)
def test_what_is_missing_is_told(kind: str, without: str, attributes: dict[str, object], needs: str) -> None:
    known = hours(1, FIRST, 120)
    columns = {name: values for name, values in known.columns.items() if name != without}
    found = made(kind, replace(known, columns=columns), at(FIRST, 60, 18), None, **attributes)
    assert (found.status, found.level, found.value) == ("missing", Level.GOOD, None)
    assert needs in found.text_en
    assert found.text_ja


def test_few_nights_are_not_enough_unless_a_file_tells() -> None:
    known, now_us = hours(1, "2025-03-20", 20), at("2025-03-20", 8, 20)
    found = made("frost", known, now_us)
    assert (found.status, found.text_en) == ("missing", "needs temperature and humidity of 4 more nights")
    by_file = made("frost", known, now_us, told(known, now_us, 48))
    night = slice(known.place(by_file.for_from_us), known.place(by_file.for_until_us))
    assert by_file.inputs["from"] == "weather file"
    assert by_file.value == pytest.approx(known.columns["air_temperature"][night].min(), abs=0.5)


def test_out_of_season_is_no_lack() -> None:
    """Before transplanting, after heading, after harvest, before blast's months: nothing is missing, nothing said."""
    known = hours(1, FIRST, 180)
    assert made("heading", known, at(FIRST, 5, 9)).status == "off"
    assert made("heading", known, at(FIRST, 110, 9)).status == "off"
    assert made("harvest", known, at(FIRST, 175, 9)).status == "off"
    rainless = replace(known, columns={n: v for n, v in known.columns.items() if n != "rain"})
    assert made("blast", rainless, at(FIRST, 5, 9)).status == "off"
    assert made("blast", rainless, at(FIRST, 15, 9)).status == "missing"
    seen = made("heading", known, at(FIRST, 70, 9), heading_date="2025-07-25")
    assert (seen.status, seen.text_en) == ("off", "it has headed")
    after = made("harvest", known, at(FIRST, 70, 9), heading_date="2025-07-25")
    assert after.status == "made"


def test_levels_follow_the_playbook_and_the_assets_own_limits() -> None:
    """A cold night is told at the chance that the playbook asks for; in a month without danger nothing is."""
    cold, now_us = hours(3, "2025-01-10", 100), at("2025-01-10", 62, 19)  # 13 March
    for limit, level in ((-40.0, Level.GOOD), (40.0, Level.WARNING)):
        found = made("frost", cold, now_us, frost_watch_c=limit, frost_warning_c=limit)
        assert found.level == level
        assert bool(found.advice_ja and found.advice_en) == (level > Level.GOOD)
        assert found.chances == {"watch": float(limit > 0), "warning": float(limit > 0)}
    winter = made("frost", cold, at("2025-01-10", 40, 19), frost_watch_c=40)
    assert (winter.status, winter.level, winter.chances["watch"]) == ("made", Level.GOOD, 1.0)


def test_the_sun_rises_and_sets_as_almanacs_have_it() -> None:
    """Tokyo, 21 March 2025: 5:45 and 17:53 by the National Observatory (recalled); FAO-56's sun has no refraction."""
    rise, set_ = sun(Spot("a", "paddy", "s", 35.66, 139.74, "Asia/Tokyo"), from_iso("2025-03-21T00:00Z") // DAY_US)
    assert abs(rise - from_iso("2025-03-21T05:45+09:00")) < 10 * HOUR_US / 60
    assert abs(set_ - from_iso("2025-03-21T17:53+09:00")) < 10 * HOUR_US / 60


def test_a_varietys_own_formula_and_its_heading() -> None:
    """Each day's rate written a second time; with full light and 25 °C it is 1/g over 1 + exp(-a (25 - th))."""
    known_until = 20
    law = {"g": 51.4, "a": 0.365, "th": 17.0, "b": 0.5, "lc": 15.6, "dvi_light": 0.2, "initial": 0.15}
    warm = Hours(at(FIRST, 0, 0), {"air_temperature": np.full(known_until * 24, 25.0)})
    attributes = {**RICE, "heading_degree_days": None, "variety": "甲", "normal_temperature_c": [25.0] * 12}
    table = replace(outlook("heading"), varieties={"甲": law}, options={"model_error_d": 0.0})
    place = spot("paddy", **{**attributes, "transplanting_date": "2025-05-25"})
    found = forecast("heading", table, Known(place, warm), at(FIRST, known_until, 8))
    index, days = 0.15, 0
    while index <= 1:
        length_h = (sun(place, from_iso("2025-05-25T00:00Z") // DAY_US + days)[1] - sun(
            place, from_iso("2025-05-25T00:00Z") // DAY_US + days)[0]) / HOUR_US  # fmt: skip
        slow = 1.0 if index < 0.2 else 1 - np.exp(0.5 * min(length_h - 15.6, 0))
        index += slow / (51.4 * (1 + np.exp(-0.365 * 8.0)))
        days += 1
    assert found.value == pytest.approx(5 + days - 1 - known_until, abs=1.5)
    assert date_of(0).year == 1970


# ------------------------------------------------------------------ the weather file

HEAD = "issued_at,time,site,air_temperature,precipitation\n"


def write(folder: Path, text: str, name: str = "w.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_file_is_read_hour_by_hour(tmp_path: Path) -> None:
    """Between rows straight lines and the rain evenly; a JSON file says the same."""
    rows = [("2025-06-01T18:00+09:00", "site", 20, 3), ("2025-06-01T21:00+09:00", "site", 14, 0)]
    text = HEAD + "".join(f"2025-06-01T17:00+09:00,{t},{s},{c},{p}\n" for t, s, c, p in rows)
    document = {"issued_at": "2025-06-01T08:00Z", "rows": [
        {"time": t, "site": s, "air_temperature": c, "precipitation": p} for t, s, c, p in rows]}  # fmt: skip
    for path in (write(tmp_path, text), write(tmp_path, json.dumps(document), "w.json")):
        file = load_weather(path)
        weather = file.at(spot())
        assert weather is not None
        found = weather.over(from_iso("2025-06-01T17:00+09:00"), from_iso("2025-06-01T23:00+09:00"))
        np.testing.assert_allclose(found["air_temperature"], [np.nan, 20, 18, 16, 14, np.nan])
        np.testing.assert_allclose(found["precipitation"], [np.nan, 1, 1, 1, 0, np.nan])
        assert np.isnan(found["wind_speed"]).all()
        assert file.at(replace(spot(), site="elsewhere")) is None
        assert not stale_reason(file, from_iso("2025-06-02T07:00Z"), 86400)
        assert "fetch a newer one" in stale_reason(file, from_iso("2025-06-03T07:00Z"), 86400)
        assert "still to come" in stale_reason(file, from_iso("2025-06-01T07:00Z"), 86400)


def test_the_nearest_place_serves_within_25_km(tmp_path: Path) -> None:
    head = "issued_at,time,latitude,longitude,air_temperature\n"
    row = "2025-06-01T08:00Z,2025-06-01T09:00Z,{},133.7,{}\n"
    file = load_weather(write(tmp_path, head + row.format(34.3, 20) + row.format(34.2, 21) + row.format(36, 22)))
    weather = file.at(spot())
    assert weather is not None
    assert weather.columns["air_temperature"].tolist() == [21]
    assert file.at(replace(spot(), latitude=35.2)) is None


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("", ["0 rows"]),
        ("issued_at,time,site,temperature\n", ["line 1: unknown column 'temperature'; did you mean 'air_temper"]),
        (HEAD + "2025-06-01T08:00Z,noon,site,20,0\n", ["line 2: time 'noon' is no time"]),
        (HEAD + ",2025-06-01T08:00Z,site,20,0\n", ["line 2: issued_at is missing"]),
        (HEAD + "2025-06-01T08:00Z,2025-06-01T08:00Z,,20,0\n", ["line 2: neither a site nor latitude and longitude"]),
        (HEAD + "2025-06-01T08:00Z,2025-06-01T08:00Z,site,warm,-1\n", ["air_temperature 'warm'", "precipitation '-1'"]),
        (HEAD + 2 * "2025-06-01T08:00Z,2025-06-01T08:00Z,site,20,0\n", ["line 3: 2025-06-01T08:00:00Z is told of"]),
        (
            HEAD + "2025-06-01T08:00Z,2025-06-01T08:00Z,site,20,0\n2025-06-01T08:00Z,2025-06-01T18:00Z,site,20,0\n",
            ["line 3: 10 h after the row before"],
        ),
        (HEAD + "2025-06-01T08:00Z,2025-06-01T08:00Z,site,20,0,9\n", ["line 2: more columns"]),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, text: str, complaints: Sequence[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_weather(write(tmp_path, text))
    assert all(complaint in str(caught.value) for complaint in [str(tmp_path), *complaints]), str(caught.value)


@given(text=st.text(max_size=200))
@settings(max_examples=40)
def test_any_text_is_read_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("w", numbered=True)
    for name, whole in (("w.csv", text), ("w.csv", HEAD + text), ("w.json", text)):
        (folder / name).write_bytes(whole.encode("utf-8", "surrogatepass"))
        try:
            load_weather(folder / name)
        except SettingsError as error:
            assert str(folder) in str(error)  # noqa: PT017 - any text may as well be a file


# ------------------------------------------------------------------ hindcasts: the figures stand in docs/forecasts.md


def rms(errors: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


@pytest.mark.parametrize(("hour", "share"), [(16, 0.97), (21, 0.8)])
def test_frost_beats_last_nights_minimum_and_the_months_mean(hour: int, share: float) -> None:
    """Spring nights of three seeds: the error against persistence and climatology, and how often the band held."""
    first, errors, persistence, climatology, inside = (
        "2025-01-10",
        list[float](),
        list[float](),
        list[float](),
        list[bool](),
    )
    for seed in (10, 11, 12):
        known = hours(seed, first, 130)
        lows = known.columns["air_temperature_low"]
        for day in range(64, 128, 2):
            found = made("frost", known, at(first, day, hour))
            a, b = known.place(found.for_from_us), known.place(found.for_until_us)
            truth, past = lows[a:b].min(), [lows[a - 24 * k : b - 24 * k].min() for k in range(1, 31)]
            assert found.value is not None
            assert found.low is not None
            assert found.high is not None
            errors.append(found.value - truth)
            persistence.append(past[0] - truth)
            climatology.append(float(np.mean(past)) - truth)
            inside.append(bool(found.low <= truth <= found.high))
    print(f"frost at {hour}: {rms(errors):.2f} {rms(persistence):.2f} {rms(climatology):.2f} {np.mean(inside):.3f}")
    assert rms(errors) < share * rms(persistence)
    assert rms(errors) < 0.7 * rms(climatology)
    assert 0.7 <= np.mean(inside) <= 0.9


def test_heat_beats_todays_and_the_months_mean() -> None:
    errors, persistence, climatology, inside = list[float](), list[float](), list[float](), list[bool]()
    with_file = list[float]()
    for seed in range(10, 16):
        known = hours(seed, FIRST, 130)
        index = thi(known.columns["air_temperature"], known.columns["relative_humidity"])
        for day in range(40, 127, 2):
            now_us = at(FIRST, day, 18)
            found, told_of = (
                made("heat", known, now_us),
                made("heat", known, now_us, told(known, now_us, 48, (1.0, -1.0))),
            )
            a = known.place(found.for_from_us)
            truth, past = index[a : a + 24].max(), [index[a - 24 * k : a - 24 * k + 24].max() for k in range(1, 31)]
            assert found.value is not None
            assert found.low is not None
            assert found.high is not None
            assert told_of.value is not None
            errors.append(found.value - truth)
            with_file.append(told_of.value - truth)
            persistence.append(past[0] - truth)
            climatology.append(float(np.mean(past)) - truth)
            inside.append(bool(found.low <= truth <= found.high))
    scores = [rms(each) for each in (errors, persistence, climatology, with_file)]
    print("heat:", np.round(scores, 2), np.mean(inside))
    assert rms(errors) < rms(persistence)
    assert rms(errors) < rms(climatology)
    assert rms(with_file) < 0.7 * rms(errors)
    assert 0.7 <= np.mean(inside) <= 0.9


@pytest.mark.parametrize(("moisture", "root_depth_m"), [(27.5, 0.4), (31.0, 0.8)], ids=["in days", "in two weeks"])
def test_irrigation_falls_due_within_its_band(moisture: float, root_depth_m: float) -> None:
    """Against the water balance with the ET0 that came, without rain; yesterday's ET0 going on is what it beats."""
    errors, persistence, inside = list[float](), list[float](), list[bool]()
    for seed in range(10, 16):
        known = hours(seed, FIRST, 130)
        rows = {name: values.reshape(-1, 24) for name, values in known.columns.items()}
        t, rh = rows["air_temperature"], rows["relative_humidity"]
        doy = np.arange(len(t)) + 140
        et0 = et0_daily(
            34.15, 0.0, doy, tmax_c=t.max(axis=1), tmin_c=t.min(axis=1), rhmax=rh.max(axis=1), rhmin=rh.min(axis=1),
            rs_mj=rows["solar_radiation"].mean(axis=1) * 0.0864,
        )["eto"]  # fmt: skip
        for day in range(50, 96, 3):
            now_us = at(FIRST, day, 6)
            found = made("irrigation", with_moisture(known, moisture), now_us, root_depth_m=root_depth_m)
            left, kc = found.inputs["raw_mm"] - found.inputs["depletion_mm"], found.inputs["kc"]
            gone = np.concatenate([[0.0], np.cumsum(kc * et0[day:])])
            truth = float(np.interp(left, gone, np.arange(len(gone))))
            assert found.value is not None
            assert found.low is not None
            assert found.high is not None
            errors.append(found.value - truth)
            persistence.append(left / (kc * et0[day - 1]) - truth)
            inside.append(bool(found.low <= truth <= found.high))
    print(f"irrigation: {rms(errors):.2f} {rms(persistence):.2f} {np.mean(inside):.3f}")
    assert rms(errors) < 0.8 * rms(persistence)
    assert 0.7 <= np.mean(inside) <= 0.9


def test_rain_in_the_file_puts_irrigation_off() -> None:
    known, now_us = with_moisture(hours(10, FIRST, 130)), at(FIRST, 60, 6)
    dry = told(known, now_us, 96)
    wet = replace(dry, columns={**dry.columns, "precipitation": np.full(len(dry.columns["precipitation"]), 1.0)})
    without = replace(dry, columns={**dry.columns, "precipitation": np.zeros(len(dry.columns["precipitation"]))})
    days = [made("irrigation", known, now_us, weather).value for weather in (without, wet)]
    assert days[0] is not None
    assert days[1] is not None
    assert days[1] > days[0] + 2


def test_blast_foretells_better_than_its_frequency_when_a_file_tells() -> None:
    """With a moister rule for wet leaves (80 %), since the simulated air is seldom saturated. Brier scores."""
    scores: dict[str, list[float]] = {"own": [], "file": []}
    came = list[float]()
    moist = replace(outlook("blast"), options={"wet_from_rh": 80.0})
    for seed in (10, 11, 12):
        known = hours(seed, FIRST, 100)
        columns = known.columns
        wet = 100.0 * ((columns["relative_humidity"] >= 80) | (columns["rain"] > 0))
        at_us = known.start_us + np.arange(known.count) * HOUR_US
        verdict = blast_favourable(at_us, wet, columns["rain"], np.zeros(known.count), columns["air_temperature"])
        for day in range(24, 60):
            now_us = at(FIRST, day, 18)
            until_us = at(FIRST, day + 1, 9)
            truth = float(np.nanmax(verdict[known.place(now_us) : known.place(until_us)]))
            came.append(truth)
            for name, weather in (("own", None), ("file", told(known, now_us, 15))):
                found = forecast("blast", moist, Known(spot("paddy"), known, weather), now_us)
                assert found.status == "made", found.text_en
                assert found.value is not None
                scores[name].append((found.value / 100 - truth) ** 2)
    rate = float(np.mean(came))
    print(f"blast: {rate:.3f} {np.mean(scores['own']):.3f} {np.mean(scores['file']):.3f} {rate * (1 - rate):.3f}")
    assert rate > 0.02
    assert np.mean(scores["file"]) < rate * (1 - rate)


@pytest.mark.parametrize("lead", [10, 35])
def test_heading_and_harvest_come_within_their_bands(lead: int) -> None:
    """The temperature's part of the band, on a crop that grows by the same law; its model's error is added to it."""
    inside: dict[str, list[bool]] = {"heading": [], "harvest": []}
    errors: dict[str, list[float]] = {"heading": [], "harvest": []}
    for seed in range(10, 24):
        known = hours(seed, FIRST, 180)
        t = known.columns["air_temperature"].reshape(-1, 24).mean(axis=1)[12:]
        headed = int(np.argmax(np.cumsum(np.maximum(t - 10, 0) / 950) > 1))
        truths = {"heading": float(headed), "harvest": headed + rice_harvest_day(t[headed + 1 :])}
        for kind, truth in truths.items():
            exact = replace(outlook(kind), options={"model_error_d": 0.0})
            found = forecast(kind, exact, Known(spot("paddy", **RICE), known), at(FIRST, 12 + lead, 7))  # type: ignore[arg-type]
            assert found.value is not None
            assert found.low is not None
            assert found.high is not None
            errors[kind].append(found.value - (truth - lead))
            inside[kind].append(bool(found.low <= truth - lead <= found.high))
    print(lead, {kind: (round(rms(errors[kind]), 2), round(float(np.mean(inside[kind])), 2)) for kind in errors})
    both = [*inside["heading"], *inside["harvest"]]
    assert np.mean(both) >= 0.7  # bands of whole days hold a little more than they promise
    assert rms(errors["heading"]) < 3
    assert rms(errors["harvest"]) < 5


def test_a_model_error_widens_the_band_as_it_says() -> None:
    known = hours(10, FIRST, 180)
    ends = []
    for error_d in (0.0, 3.0):
        wide = replace(outlook("heading"), options={"model_error_d": error_d})
        found = forecast("heading", wide, Known(spot("paddy", **RICE), known), at(FIRST, 60, 7))
        assert found.low is not None
        assert found.high is not None
        ends.append(found.high - found.low)
    assert ends[1] >= 2 * 1.28 * 3 * 0.8 > ends[0]


def test_the_band_keeps_its_promise_for_few_values() -> None:
    """Of 19 outcomes the next one lies in the band in 80 % of all cases, whatever their distribution."""
    rng = np.random.default_rng(4)
    draws = rng.exponential(size=(4000, 20))
    held = [low <= row[-1] <= high for row in draws for _, low, high in [band_of(row[:-1])]]
    assert np.mean(held) == pytest.approx(0.8, abs=0.02)
    assert rice.MEMBERS >= 99
