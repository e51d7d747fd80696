"""Forecasts from a real store to the registry: made each hour and once, findings opened and closed, the command."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from satomori_analytics.forecasts import region as forecasts_region
from satomori_analytics.forecasts.cli import forecast
from satomori_analytics.forecasts.keeping import Forecaster, close_passed
from satomori_analytics.settings import AnalyticsSettings
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, to_iso
from satomori_core.vocabulary import Level
from satomori_store.models import Asset, Forecast
from satomori_store.transactions import changing
from support.analytics_region import Region
from support.farm_weather import at, hours

FIRST = "2025-01-20"
EVENING = at(FIRST, 62, 20) + 5 * MINUTE_US  # 23 March


def fill(region: Region, asset: str, days: int = 64) -> None:
    known = hours(5, FIRST, 80)
    for metric in ("air_temperature", "relative_humidity"):
        values = known.columns[metric][: days * 24].tolist()
        region.put(asset, metric, [(known.start_us + i * HOUR_US, value) for i, value in enumerate(values)])


@pytest.fixture
def farm(region: Region) -> Region:
    region.add_asset(
        "orchard",
        "orchard",
        ["air_temperature", "relative_humidity"],
        attributes={"frost_watch_c": 30.0},
        interval_s=3600,
    )
    fill(region, "orchard")
    return region


def forecaster(region: Region, **settings: Any) -> Forecaster:
    return Forecaster(region.registry, region.store, region.playbooks, AnalyticsSettings(**settings))


def finish(maker: Forecaster, now_us: int) -> int:
    kept = maker.round(now_us)
    while maker.waiting:
        kept += maker.round(now_us)
    return kept


def rows(region: Region, kind: str = "frost") -> list[Forecast]:
    with Session(region.registry) as session:
        query = select(Forecast).where(Forecast.kind == kind).order_by(Forecast.made_us)
        return list(session.scalars(query))


def test_each_hour_is_made_once_whatever_is_killed(farm: Region) -> None:
    """Two in one hour, a fresh process in it, and the same hour's work written again: one row and one finding."""
    maker = forecaster(farm)
    assert finish(maker, EVENING) == 2
    assert finish(maker, EVENING + MINUTE_US) == 0
    assert finish(forecaster(farm), EVENING + 2 * MINUTE_US) == 0
    [row] = rows(farm)
    assert (row.status, row.level, row.made_us) == ("made", Level.WATCH, EVENING // HOUR_US * HOUR_US)
    assert finish(maker, EVENING + HOUR_US) == 2
    assert [each.made_us for each in rows(farm)] == [row.made_us, row.made_us + HOUR_US]
    [finding] = farm.findings("forecast")
    assert (finding.until_us, finding.level, finding.historical, finding.cause) == (None, Level.WATCH, False, "asset")
    assert finding.text_ja.startswith("【注意】orchardの名: 今夜の最低気温は")
    assert "chance of 30 °C or less: 100 %" in finding.text_en
    assert finding.advice_ja
    assert finding.evidence["low"] < finding.evidence["high"]
    # Drawn are the newest of each kind alone, with the limits that were asked for.
    older, newest = rows(farm)
    assert older.picture is None
    picture = finding.evidence["picture"]
    assert picture == newest.picture
    assert picture["limit_words"][picture["limits"].index(30.0)] == ["注意", "watch"]
    assert "30 °C or less" in picture["channels"][0]["words"]["en"][1]


def test_a_clock_that_was_set_back(farm: Region) -> None:
    """What was made by a clock two days ahead is dropped, and forecasts are made by the right time again."""
    maker = forecaster(farm)
    finish(maker, EVENING + 2 * DAY_US)
    assert rows(farm)
    assert finish(maker, EVENING) == 2
    assert [row.made_us for row in rows(farm)] == [EVENING // HOUR_US * HOUR_US]


def test_what_is_missing_is_kept_once_with_what_it_needs(farm: Region) -> None:
    maker = forecaster(farm)
    for hour in range(3):
        finish(maker, EVENING + hour * HOUR_US)
    [row] = rows(farm, "irrigation")
    assert (row.status, row.value, row.level) == ("missing", None, Level.GOOD)
    assert "field_capacity" in row.text_en
    assert len(farm.findings("forecast")) == 1


def test_what_could_not_be_made_is_tried_again_within_the_hour(region: Region) -> None:
    """At first nothing is stored; once it is, the same hour's forecast is made, and stands alone."""
    region.add_asset("orchard", "orchard", ["air_temperature", "relative_humidity"], interval_s=3600)
    maker = forecaster(region)
    for quarters in (0, 1, 3, 7, 15, 31):  # of a minute: the pauses double up to five minutes
        finish(maker, EVENING + quarters * MINUTE_US // 4)
    assert [row.status for row in rows(region)] == ["missing"]
    fill(region, "orchard")
    assert finish(maker, EVENING + 8 * MINUTE_US) == 0
    assert finish(maker, EVENING + 14 * MINUTE_US) == 1
    assert [row.status for row in rows(region)] == ["made"]


def test_the_first_forecast_comes_soon_after_the_history(region: Region) -> None:
    """At a place's start it is tried again after seconds, then ever more seldom, at last each five minutes."""
    region.add_asset("orchard", "orchard", ["air_temperature", "relative_humidity"], interval_s=3600)
    maker = forecaster(region)
    finish(maker, EVENING)
    fill(region, "orchard")
    assert finish(maker, EVENING + MINUTE_US // 4) == 1
    assert [row.status for row in rows(region)] == ["made"]


def test_history_is_bounded(farm: Region) -> None:
    maker = forecaster(farm)
    finish(maker, EVENING)
    with changing(farm.registry) as session:
        session.execute(update(Forecast).values(made_us=Forecast.made_us - 8 * DAY_US))
    finish(maker, EVENING + HOUR_US)
    assert [row.made_us for row in rows(farm)] == [(EVENING + HOUR_US) // HOUR_US * HOUR_US]


def test_a_finding_closes_when_the_danger_is_gone_or_its_time_has_passed(farm: Region) -> None:
    finish(forecaster(farm), EVENING)
    [finding] = farm.findings("forecast")
    assert close_passed(farm.registry, finding.evidence["for_until_us"] - 1) == 0
    with changing(farm.registry) as session:
        session.execute(update(Asset).where(Asset.id == "orchard").values(attributes={"frost_watch_c": -50.0}))
    finish(forecaster(farm), EVENING + HOUR_US)
    [finding] = farm.findings("forecast")
    assert finding.until_us == (EVENING + HOUR_US) // HOUR_US * HOUR_US
    with changing(farm.registry) as session:
        session.execute(update(Asset).where(Asset.id == "orchard").values(attributes={"frost_watch_c": 30.0}))
    finish(forecaster(farm), EVENING + 2 * HOUR_US)
    assert close_passed(farm.registry, EVENING + DAY_US) == 1
    ends = [each.until_us for each in farm.findings("forecast")]
    assert ends[1] == farm.findings("forecast")[1].evidence["for_until_us"]


def test_a_chance_that_wavers_about_its_limit_is_told_once(farm: Region) -> None:
    """What was told stays until the chance is well below what the playbook asks for (30 %)."""
    finish(forecaster(farm), EVENING)
    [row] = rows(farm)
    assert row.low is not None
    for hour, limit in enumerate((row.low + 0.6, 30.0), 1):  # about 20 % of the nights are as cold, then all again
        with changing(farm.registry) as session:
            session.execute(update(Asset).where(Asset.id == "orchard").values(attributes={"frost_watch_c": limit}))
        finish(forecaster(farm), EVENING + hour * HOUR_US)
    chances = [each.chances["watch"] for each in rows(farm)]
    assert 0.18 <= chances[1] < 0.3
    assert [(f.until_us, f.found_us) for f in farm.findings("forecast")] == [(None, EVENING)]


def test_a_wrong_or_old_weather_file_is_done_without(farm: Region, tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    for text in ("nonsense\n", f"issued_at,time,site\n{to_iso(EVENING - 2 * DAY_US)},{to_iso(EVENING)},site\n"):
        path.write_text(text)
        assert finish(forecaster(farm, weather_file=path), EVENING) >= 0
    assert rows(farm)[0].status == "made"


@pytest.mark.parametrize(("foreseen_c", "level"), [(-4.0, Level.WARNING), (9.0, None), (None, None)])
def test_with_too_few_own_nights_a_weather_file_warns_of_frost(
    region: Region, tmp_path: Path, foreseen_c: float | None, level: Level | None
) -> None:
    """Three mild days are too few to fit: a cold night in the file is told, a mild one is not, without a file none."""
    region.add_asset("orchard", "orchard", ["air_temperature", "relative_humidity"], interval_s=3600)
    made_us = EVENING // HOUR_US * HOUR_US
    for metric, value in (("air_temperature", 12.0), ("relative_humidity", 60.0)):
        region.put("orchard", metric, [(made_us - hour * HOUR_US, value) for hour in range(72, 0, -1)])
    path = None
    if foreseen_c is not None:
        path = tmp_path / "weather.csv"
        lines = [f"{to_iso(made_us)},{to_iso(made_us + hour * HOUR_US)},site,{foreseen_c}" for hour in range(16)]
        path.write_text("\n".join(["issued_at,time,site,air_temperature", *lines]) + "\n")
    finish(forecaster(region, weather_file=path), EVENING)
    [row] = rows(region)
    found = region.findings("forecast")
    assert row.status == ("missing" if foreseen_c is None else "made")
    assert [finding.level for finding in found] == ([] if level is None else [level])
    if level is not None:
        assert found[0].evidence["inputs"] == {
            "hours_after_sunset": 1, "from": "weather file", "weather_file_minimum_c": foreseen_c,
        }  # fmt: skip
        assert found[0].evidence["value"] == pytest.approx(foreseen_c, abs=0.1)


def test_a_fields_neighbours_lend_their_air_and_a_barn_does_not(farm: Region) -> None:
    """A paddy without a thermometer takes the orchard's of its site, a barn inside takes none."""
    farm.add_asset("paddy", "paddy", ["water_level"])
    farm.add_asset("barn", "cattle_barn", ["ammonia"])
    places = {p.spot.id: p for p in forecasts_region.load_places(farm.registry, farm.playbooks, EVENING)}
    assert set(places) == {"orchard", "paddy", "barn"}
    assert places["paddy"].streams["air_temperature"] == farm.streams["orchard", "air_temperature"]
    assert set(places["barn"].streams) == {"ammonia"}


def run(farm: Region, *arguments: str) -> Any:
    return CliRunner().invoke(forecast, [*arguments, "--state", str(farm.state)])


def test_the_command_tells_what_was_known_at_a_time(farm: Region) -> None:
    """As it would have been: without the hours after it; nothing is written."""
    done = run(farm, "--asset", "orchard", "--kind", "frost", "--at", to_iso(EVENING), "--json")
    [row] = json.loads(done.output)
    assert (row["kind"], row["status"], row["level"], row["unit"]) == ("frost", "made", "watch", "Cel")
    assert row["low"] < row["value"] < row["high"]
    assert not rows(farm)
    finish(forecaster(farm), EVENING)
    assert rows(farm)[0].value == pytest.approx(row["value"])
    table = run(farm, "--at", to_iso(EVENING), "--language", "en").output
    assert "needs the attribute field_capacity" in table
    assert "今夜の最低気温は" in run(farm, "--at", to_iso(EVENING)).output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--asset", "orchad"), "no farm asset 'orchad'; did you mean 'orchard'?"),
        (("--at", "noon"), "--at 'noon' is no time"),
        (("--weather", "/nowhere.csv"), "/nowhere.csv: No such file"),
        (("--kind", "snow"), "snow"),
    ],
)
def test_the_command_says_what_is_wrong(farm: Region, arguments: tuple[str, ...], complaint: str) -> None:
    done = run(farm, *arguments)
    assert done.exit_code
    assert complaint in f"{done.output}{done.exception}"
