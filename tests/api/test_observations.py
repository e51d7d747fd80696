"""Observations over HTTP: pages, intervals, CSV, newest values, and how an asset stands."""

import csv
import io

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from satomori_api.observing import AUTO_POINTS, auto_step_us, worse_flag
from satomori_api.queries import Queries
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, to_iso
from satomori_core.errors import RejectedError
from satomori_core.vocabulary import Level
from satomori_dashboards.console.asset import condition_of
from satomori_store.access import Viewer
from satomori_store.models import Datastream, Finding
from satomori_store.port import Batch, QcMark, Rows
from satomori_store.registry import transaction
from support.api_world import World, status_of

ROOT = Viewer("root", None, "admin")


def store_rows(world: World, asset: str, rows: list[tuple[int, float]]) -> int:
    stream = world.streams[asset]
    world.writer.write(Batch(rows=Rows.of([(stream, at, value, 1) for at, value in rows]), received_at_us=world.at_us))
    return stream


async def test_pages_of_raw_values_are_whole_and_in_order(world: World) -> None:
    """Pages of 100 over two datastreams of very different density bring each value exactly once."""
    dense = store_rows(world, "ueno-bridge", [(i * SECOND_US, float(i)) for i in range(950)])
    sparse = store_rows(world, "ueno-sewer", [(i * DAY_US, float(i)) for i in range(20)])
    path: str | None = (
        f"/api/v1/observations?datastream={sparse}&datastream={dense}&limit=100"
        f"&from=1970-01-01T00:00:00Z&until={to_iso(21 * DAY_US)}"
    )
    values: list[tuple[int, int, float]] = []
    pages = 0
    async with world.client("u-viewer") as client:
        while path is not None:
            page = (await client.get(path)).json()
            assert len(page["value"]) <= 100
            values += zip(page["datastream"], page["observed_at_us"], page["value"], strict=True)
            path, pages = page["next"], pages + 1
            assert pages < 20
    expected = [(dense, i * SECOND_US, float(i)) for i in range(950)]
    expected += [(sparse, i * DAY_US, float(i)) for i in range(20)]
    assert values == sorted(expected)


async def test_intervals_aggregate_without_failed_values(world: World) -> None:
    stream = world.streams["ueno-bridge"]
    rows = [(stream, i * MINUTE_US, value, quality) for i, value, quality in ((0, 1, 1), (1, 3, 1), (2, 900, 4))]
    world.writer.write(Batch(rows=Rows.of(rows), received_at_us=world.at_us))
    path = f"/api/v1/observations?datastream={stream}&every=10m&from=1970-01-01T00:00:00Z&until=1970-01-01T01:00:00Z"
    for aggregate, value in (("mean", 2.0), ("max", 3.0), ("sum", 4.0), ("count", 2.0)):
        answer = (await world.ask("u-viewer", "GET", f"{path}&aggregate={aggregate}")).json()
        assert (answer["value"], answer["quality"], answer["every_s"]) == ([value], [4], 600.0)
        assert answer["observed_at_us"] == [0]


async def test_csv_says_the_same_as_json(world: World) -> None:
    stream = world.streams["ueno-bridge"]
    world.writer.write_qc([QcMark(stream, world.at_us, 3)])
    path = f"/api/v1/observations?datastream={stream}&until={to_iso(world.at_us + SECOND_US)}"
    columns = (await world.ask("u-viewer", "GET", path)).json()
    for headers, more in (({"Accept": "text/csv"}, ""), ({}, "&format=csv")):
        answer = await world.ask("u-viewer", "GET", path + more, headers=headers)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [float(row["value"]) for row in rows] == columns["value"]
        assert [row["observed_at"] for row in rows] == [to_iso(at) for at in columns["observed_at_us"]]
        assert [int(row["flag"]) for row in rows] == [1, 1, 3]


async def test_a_csv_of_several_pages_links_to_the_next(world: World) -> None:
    stream = world.streams["ueno-bridge"]
    path = f"/api/v1/observations?datastream={stream}&format=csv&limit=2&until={to_iso(world.at_us + SECOND_US)}"
    first = await world.ask("u-viewer", "GET", path)
    following = first.headers["link"].split(">")[0].removeprefix("<")
    second = await world.ask("u-viewer", "GET", following)
    assert [len(list(csv.DictReader(io.StringIO(page.text)))) for page in (first, second)] == [2, 1]
    assert "link" not in second.headers


async def test_the_newest_values_say_whether_they_are_stale(world: World) -> None:
    fresh = (await world.ask("u-viewer", "GET", "/api/v1/latest?asset=ueno-bridge")).json()
    assert [(row["value"], row["stale"]) for row in fresh] == [(1.5, False)]
    late = Queries(
        world.context.engine, world.writer, world.context.ledger, clock=lambda: world.at_us + HOUR_US
    ).datastreams(ROOT, "ueno-bridge")
    assert late[0].latest is not None
    assert late[0].latest.stale


def test_a_range_of_too_many_values_is_refused(world: World) -> None:
    """Before anything is read."""
    with pytest.raises(RejectedError, match="longer `every`"):
        world.context.queries.observations(ROOT, [world.streams["ueno-bridge"]], 0, 365 * DAY_US, SECOND_US)


@pytest.mark.parametrize("days", [1, 7, 30, 365, 3650])
def test_a_chart_of_any_range_has_enough_and_not_too_many_points(days: int) -> None:
    step = auto_step_us(0, days * DAY_US)
    assert step is not None
    assert AUTO_POINTS / 4 <= days * DAY_US / step <= AUTO_POINTS


def test_a_chart_of_an_hour_is_raw() -> None:
    assert auto_step_us(0, HOUR_US) is None


@pytest.mark.parametrize(("quality", "qc", "flag"), [(1, 2, 1), (1, 1, 1), (1, 3, 3), (3, 1, 3), (4, 2, 4), (2, 2, 2)])
def test_the_flag_is_the_worse_of_two(quality: int, qc: int, flag: int) -> None:
    assert worse_flag(quality, qc) == flag


# ------------------------------------------------------------------ how assets stand


def level_of(queries: Queries, asset: str) -> Level:
    return queries.asset(ROOT, asset).level


def test_an_asset_stands_as_maintenance_wrote(world: World) -> None:
    world.writer.write_status([status_of("ueno-bridge", Level.GOOD, world.at_us)])
    assert level_of(world.context.queries, "ueno-bridge") == Level.GOOD


def test_an_old_status_is_unknown_whatever_it_said(world: World) -> None:
    world.writer.write_status([status_of("ueno-bridge", Level.GOOD, world.at_us)])
    for minutes, level in ((14, Level.GOOD), (16, Level.UNKNOWN)):
        now_us = world.at_us + minutes * MINUTE_US
        queries = Queries(world.context.engine, world.writer, world.context.ledger, clock=lambda now=now_us: now)  # type: ignore[misc]
        assert level_of(queries, "ueno-bridge") == level


def test_without_a_status_the_worst_open_finding_tells(world: World) -> None:
    view = world.context.queries.asset(ROOT, "ueno-bridge")
    assert (view.level, view.level_reason) == (Level.WARNING, "ueno-bridge 異常")


def test_without_status_and_finding_fresh_data_are_good_and_old_ones_unknown(world: World) -> None:
    with transaction(world.context.engine) as session:
        session.execute(update(Finding).values(until_us=world.at_us))
    assert level_of(world.context.queries, "ueno-bridge") == Level.GOOD
    assert level_of(world.context.queries, "gw-ueno-bridge") == Level.UNKNOWN
    late = Queries(world.context.engine, world.writer, world.context.ledger, clock=lambda: world.at_us + 16 * MINUTE_US)
    assert level_of(late, "ueno-bridge") == Level.UNKNOWN


def test_the_matrix_counts_and_sorts_by_the_worst(world: World) -> None:
    levels = {"ueno-bridge": 4, "ueno-sewer": 2, "kawabe-bridge": 0, "sato-paddy": 3, "mori-barn": 1}
    world.writer.write_status([status_of(asset, level, world.at_us) for asset, level in levels.items()])
    cells = [cell for cell in world.context.queries.group_status(ROOT) if cell.class_ != "gateway"]
    assert [(cell.municipality_id, cell.class_, cell.level) for cell in cells] == [
        ("ueno", "bridge", 4),
        ("kawabe", "paddy", 3),
        ("ueno", "sewer_manhole", 2),
        ("ueno", "cattle_barn", 1),
        ("kawabe", "bridge", 0),
    ]
    assert cells[0].counts == (0, 0, 0, 0, 1)


@pytest.mark.parametrize(("search", "found"), [("BRIDGE", 4), ("ｕｅｎｏ－ｂ", 2), ("橋", 0), ("の名", 10)])
def test_search_ignores_width_and_case(world: World, search: str, found: int) -> None:
    assert len(world.context.queries.assets(ROOT, search=search)) == found


def test_filters_of_assets_narrow(world: World) -> None:
    queries = world.context.queries
    assert {a.id for a in queries.assets(ROOT, class_="bridge", municipality="kawabe")} == {"kawabe-bridge"}
    assert {a.id for a in queries.assets(ROOT, group="bridges")} == {"ueno-bridge", "kawabe-bridge"}
    assert {a.id for a in queries.assets(ROOT, level=Level.WARNING)} == set(world.streams)


def test_alerts_move_through_their_states(world: World) -> None:
    queries, alert = world.context.queries, world.alerts["ueno-bridge"]
    assert len(queries.alerts(ROOT, "open")) == 5
    queries.acknowledge(ROOT, alert, "見に行く")
    assert [row.id for row in queries.alerts(ROOT, "acknowledged")] == [alert]
    assert len(queries.alerts(ROOT, "open")) == 4
    assert len(queries.alerts(ROOT)) == 5
    assert queries.alerts(ROOT, "resolved") == []
    with Session(world.context.engine) as session:
        assert session.query(Finding).count() == 5


async def test_a_structures_trend_is_drawn_for_those_who_see_it(world: World) -> None:
    """Its days and the playbook's limit, in the reader's language; to others, and of what is not measured, 404."""
    with transaction(world.context.engine) as session:
        session.execute(update(Datastream).where(Datastream.asset_id == "ueno-bridge").values(metric="crack_width"))
    start_us = world.at_us // DAY_US * DAY_US - 40 * DAY_US
    store_rows(world, "ueno-bridge", [(start_us + i * DAY_US, 0.2 + 0.002 * i) for i in range(40)])
    path = "/api/v1/assets/ueno-bridge/condition/crack_width.svg"
    for user, language in (("u-viewer", "ja"), ("d-crew", "en")):
        await world.ask(user, "PATCH", "/api/v1/me", json={"language": language})
        answer = await world.ask(user, "GET", path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/svg+xml"
        assert {"ja": "注意 0.3 mm", "en": "watch 0.3 mm"}[language] in answer.text
        assert 'class="middle"' in answer.text
    for user, other in (("s-viewer", path), ("u-viewer", path.replace("crack_width", "tilt"))):
        assert (await world.ask(user, "GET", other)).status_code == 404
    detail = world.context.queries.asset(ROOT, "ueno-bridge")
    playbooks = world.context.playbooks()
    found, limits = world.context.queries.condition(ROOT, "ueno-bridge", playbooks), playbooks.of("bridge", "ueno")
    told = condition_of("ja", found, limits, detail, world.at_us)
    drawn = {metric: drawing for _, drawing, metric in told if drawing}
    assert set(drawn) == {"crack_width"}  # the console's card draws it too
    assert "注意 0.3 mm" in drawn["crack_width"]
