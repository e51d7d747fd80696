"""Judging alerts over the API: what it does is said, seen and undone."""

from typing import Any

from support.api_world import World


async def sensitivity(world: World, asset: str = "ueno-bridge") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.ask("u-viewer", "GET", f"/api/v1/assets/{asset}/sensitivity")).json()[
        "items"
    ]
    return found


async def test_a_false_alarm_is_said_seen_and_undone(world: World) -> None:
    alert = f"/api/v1/alerts/{world.alerts['ueno-bridge']}"
    before = (await world.ask("u-crew", "GET", alert)).json()
    assert await sensitivity(world) == []
    answer = (await world.ask("u-crew", "POST", f"{alert}/feedback", json={"verdict": "false", "note": "清掃"})).json()
    assert (answer["verdict"], answer["given_by"], answer["note"]) == ("false", "u-crew", "清掃")
    assert "危険の基準は変わりません" in answer["effect"]
    assert "The danger limit is unchanged" in answer["effect_en"]
    (lowered,) = await sensitivity(world)
    assert (lowered["share"], lowered["known"], lowered["since"]) == (0.5, False, answer["given"])
    assert [each["given_by"] for each in lowered["judgements"]] == ["u-crew"]
    shown = (await world.ask("u-crew", "GET", alert)).json()
    assert (shown["verdict"], shown["judged_by"], shown["quiet"]) == ("false", "u-crew", False)
    undone = (await world.ask("u-engineer", "DELETE", f"{alert}/feedback")).json()
    assert undone["undone_by"] == "u-engineer"
    assert "標準のまま" in undone["effect"]
    assert await sensitivity(world) == []
    after = (await world.ask("u-crew", "GET", alert)).json()
    assert {**after, "updated": None} == {**before, "updated": None}
    history = (await world.ask("u-crew", "GET", f"{alert}/feedback")).json()["items"]
    assert [(each["verdict"], each["undone_by"]) for each in history] == [("false", "u-engineer")]


async def test_what_is_known_is_quiet_and_seen(world: World) -> None:
    alert = f"/api/v1/alerts/{world.alerts['ueno-bridge']}"
    await world.ask("u-crew", "POST", f"{alert}/feedback", json={"verdict": "known"})
    assert (await world.ask("u-crew", "GET", alert)).json()["quiet"] is True
    (known,) = await sensitivity(world)
    assert (known["known"], known["share"]) == (True, 1.0)
    assert "悪化するまで通知しません" in known["effect_ja"]


async def test_the_same_word_twice_is_a_conflict_and_another_takes_its_place(world: World) -> None:
    path = f"/api/v1/alerts/{world.alerts['ueno-bridge']}/feedback"
    assert (await world.ask("u-crew", "DELETE", path)).status_code == 409
    assert (await world.ask("u-crew", "POST", path, json={"verdict": "true"})).status_code == 200
    answer = await world.ask("u-crew", "POST", path, json={"verdict": "true"})
    assert answer.status_code == 409
    assert "u-crew" in answer.json()["detail"]
    assert (await world.ask("u-crew", "POST", path, json={"verdict": "known"})).status_code == 200
    assert (await world.ask("u-crew", "POST", path, json={"verdict": "maybe"})).status_code == 422
