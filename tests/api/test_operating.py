"""Ordering an operation over HTTP: one key is one command, what can't be is said early, who and why is kept."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from satomori_core.commands import Ended, Outcome, Reply
from satomori_store.commands import take_reply
from satomori_store.models import Actuator
from satomori_store.transactions import transaction
from support.api_world import World

PATH = "/api/v1/assets/ueno-sewer/commands"
DEVICE_PATH = "/api/v1/devices/dev-ueno-sewer/commands"
BODY: dict[str, Any] = {"actuator": "gate-ueno-sewer", "value": 1, "run_s": 60, "why": " 大雨の前 "}


async def order(world: World, key: str | None = "key-1", user: str = "u-crew", **more: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await world.ask(user, "POST", PATH, json={**BODY, **more}, headers=headers)


async def order_interval(
    world: World, key: str = "key-1", device: str = "dev-ueno-sewer", **more: Any
) -> httpx.Response:
    body = {"interval_s": 60, "why": "大雨の間", **more}
    path = f"/api/v1/devices/{device}/commands"
    return await world.ask("u-crew", "POST", path, json=body, headers={"Idempotency-Key": key})


async def test_an_order_is_taken_and_its_record_tells_who_and_why(world: World) -> None:
    answer = await order(world)
    assert answer.status_code == 202
    command = answer.json()
    assert command.items() >= {
        "asset_id": "ueno-sewer", "gateway_id": "gw-ueno-sewer", "actuator": "gate-ueno-sewer", "action": "set",
        "value": 1.0, "run_s": 60.0, "user_id": "u-crew", "why": "大雨の前", "state": "waiting", "sent_count": 0,
        "read_back": None, "late": False,
    }.items()  # fmt: skip
    assert answer.headers["location"] == f"/api/v1/commands/{command['id']}"
    assert (await world.ask("u-viewer", "GET", answer.headers["location"])).json() == command
    await order(world, "key-2", user="u-engineer", action="stop", value=None, run_s=None)
    listed = (await world.ask("u-viewer", "GET", f"{PATH}?limit=1")).json()
    assert [(row["user_id"], row["action"]) for row in listed["items"]] == [("u-engineer", "stop")]
    assert (await world.ask("u-viewer", "GET", listed["next"])).json()["items"] == [command]


async def test_the_same_key_is_the_same_command(world: World) -> None:
    """Also of eight at once; with another order it is a conflict; another person's key is another's."""
    answers = await asyncio.gather(*(order(world) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await order(world, None, idempotency_key="key-1")).status_code == 200
    for more in ({"value": 0}, {"run_s": 61}, {"why": "別の理由"}, {"expires_in_s": 31}):
        answer = await order(world, **more)
        assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert (await order(world, user="u-engineer")).status_code == 202


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"value": 0.5}, "takes 0, 1"),
        ({"value": None}, "needs a value"),
        ({"run_s": 601}, "at most 600 s"),
        ({"run_s": 0}, "run_s"),
        ({"action": "stop"}, "neither value nor run_s"),
        ({"action": "explode"}, "action"),
        ({"why": "  "}, "why"),
        ({"why": "a\0b"}, "why"),
        ({"expires_in_s": 3600}, "expires_in_s"),
        ({"idempotency_key": "another"}, "Idempotency-Key"),
        ({"force": True}, "force"),
    ],
)
async def test_what_can_not_be_is_said_at_once(still_world: World, more: dict[str, Any], told: str) -> None:
    answer = await order(still_world, **more)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.json()["detail"]
    assert (await still_world.ask("u-crew", "GET", PATH)).json()["items"] == []


async def test_without_a_key_nothing_is_ordered(still_world: World) -> None:
    answer = await order(still_world, None)
    assert (answer.status_code, answer.json()["reason"]) == (422, "idempotency_key")


async def test_an_actuator_of_another_asset_is_not_found(still_world: World) -> None:
    """It is another asset's, though of the same owner."""
    assert (await order(still_world, actuator="gate-ueno-bridge")).status_code == 404


async def test_an_interval_is_ordered_of_a_device_and_one_key_is_one_order(world: World) -> None:
    """The key counts among all of a person's orders, those to actuators too."""
    answer = await order_interval(world)
    assert answer.status_code == 202
    command = answer.json()
    assert command.items() >= {
        "asset_id": None, "device_id": "dev-ueno-sewer", "gateway_id": "gw-ueno-sewer", "actuator": None,
        "action": "interval", "value": None, "run_s": None, "interval_s": 60.0, "user_id": "u-crew",
        "why": "大雨の間", "state": "waiting",
    }.items()  # fmt: skip
    assert (await world.ask("u-viewer", "GET", answer.headers["location"])).json() == command
    assert (await order_interval(world)).status_code == 200
    for more in ({"interval_s": 61}, {"why": "別の理由"}, {"expires_in_s": 31}):
        assert (await order_interval(world, **more)).status_code == 409
    assert (await order(world)).status_code == 409
    newer = (await order_interval(world, "key-2")).json()
    listed = (await world.ask("u-viewer", "GET", f"{DEVICE_PATH}?limit=1")).json()
    assert listed["items"] == [newer]
    assert (await world.ask("u-viewer", "GET", listed["next"])).json()["items"] == [command]
    assert (await world.ask("u-viewer", "GET", PATH)).json()["items"] == []


@pytest.mark.parametrize(
    "more",
    [
        {"interval_s": 0}, {"interval_s": -1}, {"interval_s": 86401}, {"interval_s": "soon"}, {"interval_s": None},
        {"why": ""}, {"expires_in_s": 0}, {"idempotency_key": "another"}, {"actuator": "gate-ueno-sewer"},
    ],
)  # fmt: skip
async def test_an_interval_that_can_not_be_is_said_at_once(still_world: World, more: dict[str, Any]) -> None:
    answer = await order_interval(still_world, **more)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (await still_world.ask("u-crew", "GET", DEVICE_PATH)).json()["items"] == []


async def test_what_no_gateway_asks_has_no_interval(still_world: World) -> None:
    """A gateway as a device of its own health, and a device that is not there."""
    answer = await order_interval(still_world, device="gw-ueno-sewer")
    assert (answer.status_code, answer.json()["reason"]) == (422, "device")
    assert (await order_interval(still_world, device="dev-nowhere")).status_code == 404


async def test_actuators_show_what_their_gateway_takes_and_what_was_read_back(world: World) -> None:
    """One that its gateway does not name now can't be ordered to do anything."""
    command = (await order(world)).json()
    reply = Reply(command["id"], world.at_us, Outcome.DONE, read_back=1.0)
    with transaction(world.context.engine) as session:
        take_reply(session, "gw-ueno-sewer", reply, world.at_us)
        session.get_one(Actuator, ("gw-ueno-bridge", "gate-ueno-bridge")).allows = None
    [gate] = (await world.ask("u-viewer", "GET", "/api/v1/assets/ueno-sewer/actuators")).json()["items"]
    expected = {"offered": True, "values": [0.0, 1.0], "fail_safe": 0.0, "run_s_max": 600.0, "position": 1.0}
    assert {key: gate[key] for key in expected} == expected
    assert gate["read_at"] is not None
    [gone] = (await world.ask("u-viewer", "GET", "/api/v1/assets/ueno-bridge/actuators")).json()["items"]
    assert (gone["offered"], gone["values"], gone["position"]) == (False, [], None)
    body = {**BODY, "actuator": "gate-ueno-bridge", "idempotency_key": "2"}
    answer = await world.ask("u-crew", "POST", "/api/v1/assets/ueno-bridge/commands", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "actuator")


@pytest.mark.parametrize(
    ("ends", "position"),
    [
        ([], 1.0),
        ([(0, Ended.RUN_TIME)], 0.0),
        ([(0, Ended.REPLACED)], 1.0),
        ([(0, Ended.REPLACED), (1, Ended.LINK_LOST)], 0.0),
    ],
)
async def test_a_run_that_ended_has_left_its_actuator_at_its_fail_safe_position(
    world: World, ends: list[tuple[int, Ended]], position: float
) -> None:
    """Unless another run took its place: the first of two runs is told as ended when the second one stands already."""
    runs = [(await order(world, f"key-{number}")).json()["id"] for number in range(2 if len(ends) > 1 else 1)]
    with transaction(world.context.engine) as session:
        for number, id_ in enumerate(runs):
            told = Reply(id_, world.at_us + 10 * number, Outcome.DONE, read_back=1.0)
            take_reply(session, "gw-ueno-sewer", told, world.at_us)
        for number, why in ends:
            told = Reply(runs[number], world.at_us + 10 * number, Outcome.DONE, read_back=1.0)
            told = replace(told, ended_us=world.at_us + 20 + number, ended_why=why.value)
            take_reply(session, "gw-ueno-sewer", told, world.at_us)
    [gate] = (await world.ask("u-viewer", "GET", "/api/v1/assets/ueno-sewer/actuators")).json()["items"]
    assert gate["position"] == position


@pytest.mark.parametrize("path", ["/api/v1/assets/{asset_id}/commands", "/api/v1/devices/{device_id}/commands"])
async def test_the_schema_says_how_to_order(still_world: World, path: str) -> None:
    """The header, the 200 of a repeated order and the conflict are documented."""
    schema = (await still_world.ask(None, "GET", "/api/v1/openapi.json")).json()
    documented = schema["paths"][path]["post"]
    assert "idempotency-key" in {parameter["name"].lower() for parameter in documented["parameters"]}
    assert {"200", "202", "409"} <= documented["responses"].keys()
