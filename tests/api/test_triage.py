"""What to look at first, over HTTP; the access matrix has whose assets."""

from typing import Any

import pytest

from satomori_analytics.triage.events import AGAIN_US, Looker
from satomori_core.clock import now_us
from satomori_store.events import record_event
from satomori_store.transactions import transaction
from support.api_world import World
from support.region import finding


async def test_what_is_told_of_a_municipality_orders_its_assets(world: World) -> None:
    """An intensity class in the query; elsewhere nobody knows. The reasons are there in both languages."""
    answer = await world.ask("root", "GET", "/api/v1/triage/earthquake?intensity=ueno=6弱&limit=999")
    items = {item["asset_id"]: item for item in answer.json()["items"]}
    assert (items["ueno-bridge"]["verdict"], items["kawabe-bridge"]["verdict"]) == ("look", "unknown")
    assert items["ueno-bridge"]["class"] == "bridge"
    assert (items["ueno-bridge"]["reasons_ja"][0], items["ueno-bridge"]["reasons_en"][0]) == (
        "震度6弱", "JMA intensity 6-lower",
    )  # fmt: skip
    storm = await world.ask("u-viewer", "GET", "/api/v1/triage/storm?rain=ueno=120&wind=ueno=8")
    assert [item["verdict"] for item in storm.json()["items"] if item["asset_id"] == "ueno-sewer"] == ["look"]


@pytest.mark.parametrize(
    "path",
    [
        "earthquake",
        "storm",
        "earthquake?latitude=36",
        "earthquake?latitude=36&longitude=138&magnitude=99",
        "earthquake?intensity=ueno=8",
        "storm?rain=ueno",
        "storm?rain=ueno=nan",
    ],
)
async def test_what_is_wrong_is_told(world: World, path: str) -> None:
    assert (await world.ask("root", "GET", f"/api/v1/triage/{path}")).status_code == 422


async def test_a_municipality_where_one_sees_nothing_and_none_at_all_look_alike(world: World) -> None:
    answers = [await world.ask("d-crew", "GET", f"/api/v1/triage/storm?rain={p}=120") for p in ("kawabe", "nowhere")]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json()["detail"].replace("kawabe", "nowhere") == answers[1].json()["detail"]


async def test_a_told_event_is_kept_once_ordered_and_checked_off(world: World) -> None:
    """Who sees an asset finds it in the order, counted from 1; the first who has looked is named to the second."""
    told = {"id": "eq-1", "kind": "earthquake", "intensity": {"ueno": "6弱"}}
    answers = [await world.ask("u-crew", "POST", "/api/v1/triage/events", json=told) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    again = await world.ask("u-crew", "POST", "/api/v1/triage/events", json={**told, "intensity": {"ueno": "7"}})
    assert again.status_code == 422
    assert Looker(world.context.engine, world.context.store, None).round(now_us()) == 1
    items = (await world.ask("u-viewer", "GET", "/api/v1/triage/events")).json()["items"]
    assert [(item["id"], item["state"], item["said_ja"], item["looked"]) for item in items] == [
        ("eq-1", "ordered", "震度6弱（ueno 町）", 0)
    ]
    path = "/api/v1/triage/events/eq-1/looks"
    looks = (await world.ask("u-crew", "GET", f"{path}?limit=999")).json()["items"]
    assert [look["rank"] for look in looks] == list(range(1, len(looks) + 1))
    assert looks[0]["verdict"] == "look"
    assert items[0]["to_look"] == sum(look["verdict"] == "look" for look in looks)
    bridge = f"{path}/ueno-bridge"
    done = {"result": "needs_work", "note": "支承にひび"}
    assert (await world.ask("u-viewer", "POST", bridge, json=done)).status_code == 403
    assert (await world.ask("s-viewer", "POST", bridge, json=done)).status_code == 404
    answer = (await world.ask("u-crew", "POST", bridge, json=done)).json()
    assert (answer["looked_by"], answer["result"], answer["note"]) == ("u-crew", "needs_work", "支承にひび")
    assert answer["rank"] == next(look["rank"] for look in looks if look["asset_id"] == "ueno-bridge")
    second = await world.ask("u-engineer", "POST", bridge, json=done)
    assert second.status_code == 409
    assert "u-crew" in second.json()["detail"]
    assert (await world.ask("u-engineer", "DELETE", bridge)).json()["looked_by"] is None


async def test_what_moves_an_asset_is_told_in_the_order_that_one_sees(world: World) -> None:
    """A danger opens at the last asset that a viewer is to look at: it moves up, and why. The others only shift."""
    told = {"id": "eq-1", "kind": "earthquake", "intensity": {"ueno": "6弱"}}
    await world.ask("u-crew", "POST", "/api/v1/triage/events", json=told)
    looker = Looker(world.context.engine, world.context.store, None)
    looker.round(now_us())
    path = "/api/v1/triage/events/eq-1/looks?limit=999"
    looks = [each for each in (await world.ask("u-viewer", "GET", path)).json()["items"] if each["verdict"] == "look"]
    assert {each["rank_before"] for each in looks} == {None}
    with transaction(world.context.engine) as session:
        session.add(finding(at_us=world.at_us, asset_id=looks[-1]["asset_id"], datastream_id=None, level=4))
    looker.round(now_us() + AGAIN_US)
    items = (await world.ask("u-viewer", "GET", path)).json()["items"]
    [moved] = [each for each in items if each["rank_before"] is not None]
    assert (moved["asset_id"], moved["rank_before"]) == (looks[-1]["asset_id"], looks[-1]["rank"])
    assert moved["rank"] < moved["rank_before"]
    assert "状態: 危険" in moved["gained_ja"]
    assert moved["changed"]


async def test_a_storm_that_is_told_again_when_the_gauges_are_dry_is_the_same_one(world: World) -> None:
    told = {"id": "typhoon-21", "kind": "storm", "gauges": True}
    with transaction(world.context.engine) as session:
        record_event(session, told, "mqtt", world.at_us)
    answer = await world.ask("u-crew", "POST", "/api/v1/triage/events", json=told)
    assert (answer.status_code, answer.json()["told_by"]) == (201, "mqtt")


@pytest.mark.parametrize("user", ["u-viewer", "s-viewer"])
async def test_only_crews_and_above_tell_events(world: World, user: str) -> None:
    told = {"id": "eq-1", "kind": "earthquake", "latitude": 36.1, "longitude": 138.2, "magnitude": 6.5}
    assert (await world.ask(user, "POST", "/api/v1/triage/events", json=told)).status_code == 403


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "earthquake"},
        {"kind": "earthquake", "latitude": 36.1, "longitude": 138.2},
        {"kind": "earthquake", "intensity": {"kawabe": "6弱"}},  # where the viewer sees nothing
        {"kind": "storm", "gauges": True},  # which have nothing to say
        {"kind": "storm", "intensity": {"ueno": "6弱"}},
        {"kind": "storm", "rain": {"ueno": -1}},
        {"kind": "tsunami"},
    ],
)
async def test_a_told_event_that_is_wrong_is_not_kept(world: World, told: dict[str, Any]) -> None:
    answer = await world.ask("u-crew", "POST", "/api/v1/triage/events", json={"id": "x-1", **told})
    assert answer.status_code == 422
    assert (await world.ask("u-crew", "GET", "/api/v1/triage/events/x-1")).status_code == 404
