"""What to look at first, over HTTP; the access matrix has whose assets."""

import pytest

from support.api_world import World


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
