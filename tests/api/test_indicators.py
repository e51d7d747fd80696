"""Domain formulas over HTTP: the list, one, and their values; the access matrix has who may ask."""

import pytest

from satomori_analytics import indicators
from support.api_world import World


async def test_every_formula_is_listed_with_units_and_source(world: World) -> None:
    """The same as `satomori indicator --list --json`."""
    answer = (await world.ask("s-viewer", "GET", "/api/v1/indicators?limit=999")).json()
    assert [item["name"] for item in answer["items"]] == [each.name for each in indicators.ALL]
    one = (await world.ask("s-viewer", "GET", "/api/v1/indicators/thi")).json()
    assert one in answer["items"]
    assert (one["inputs"], one["ranges"]["rh"], one["status"]) == ({"t_c": "Cel", "rh": "%"}, [0, 100], "C")


async def test_a_value_is_computed_for_numbers_and_lists(world: World) -> None:
    async with world.client("m-viewer") as client:
        one = (await client.post("/api/v1/indicators/thi", json={"t_c": 32, "rh": 22})).json()
        many = (await client.post("/api/v1/indicators/thi_level", json={"thi": [71.9, None, 72]})).json()
    assert one["value"] == pytest.approx(75.9, abs=0.05)
    assert "Mader" in one["source"]
    assert many["value"] == ["none", None, "mild"]


@pytest.mark.parametrize(
    ("name", "body", "status", "told"),
    [
        ("thi", {"t_c": 32, "rh": 122}, 422, "rh: 122 is outside 0 to 100 [%]"),
        ("thi", {"t_c": 32}, 422, "missing input 'rh'"),
        ("thi", [], 422, "body"),
        ("tih", {"t_c": 32, "rh": 22}, 404, "did you mean 'thi'"),
        ("hazard_transition", {"theta": [0.1] * 1000, "years": 5}, 422, "states"),
        ("soil_water_index", {"at_us": [0, 9e18], "rain_mm": [1, 1]}, 422, "steps"),
    ],
)
async def test_what_is_wrong_is_told(world: World, name: str, body: object, status: int, told: str) -> None:
    """Also what would take more work than one request may ask for."""
    answer = await world.ask("root", "POST", f"/api/v1/indicators/{name}", json=body)
    assert answer.status_code == status, answer.text
    assert told in answer.json()["detail"]
