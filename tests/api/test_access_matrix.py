"""Who sees what, over every route of the app: a route without a rule here fails.

The region's things carry their asset's id in all that belongs to them, so an answer is searched for foreign ids.
"""

import re
from collections.abc import Iterator
from typing import Literal

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import delete, update

from satomori_core.clock import now_us
from satomori_store.models import Datastream, Share
from satomori_store.registry import changing
from support.api_world import ASSETS, USERS, World

Rule = Literal["open", "own", "shown", "admin", "acknowledge", "operate"]
# open: without a login. own: only about oneself. shown: what the viewer sees. The others: by role too.
RULES: dict[tuple[str, str], Rule] = {
    ("GET", "/health/live"): "open",
    ("GET", "/health/ready"): "open",
    ("GET", "/metrics"): "open",
    ("GET", "/login"): "open",
    ("POST", "/login"): "open",
    ("POST", "/logout"): "open",
    ("GET", "/api/v1/openapi.json"): "open",
    ("POST", "/api/v1/session"): "open",
    ("DELETE", "/api/v1/session"): "own",
    ("GET", "/api/v1/me"): "own",
    ("PATCH", "/api/v1/me"): "own",
    ("GET", "/api/v1/users"): "admin",
    ("POST", "/api/v1/users"): "admin",
    ("POST", "/api/v1/users/{user_id}/link"): "admin",
    ("DELETE", "/api/v1/users/{user_id}"): "admin",
    ("GET", "/api/v1/organisations"): "shown",
    ("GET", "/api/v1/sites"): "shown",
    ("GET", "/api/v1/assets"): "shown",
    ("GET", "/api/v1/assets/{asset_id}"): "shown",
    ("GET", "/api/v1/groups"): "shown",
    ("GET", "/api/v1/group-status"): "shown",
    ("GET", "/api/v1/gateways"): "shown",
    ("GET", "/api/v1/devices"): "shown",
    ("GET", "/api/v1/datastreams"): "shown",
    ("GET", "/api/v1/observations"): "shown",
    ("GET", "/api/v1/latest"): "shown",
    ("GET", "/api/v1/findings"): "shown",
    ("GET", "/api/v1/findings/{finding_id}/picture.svg"): "shown",
    ("GET", "/api/v1/forecasts"): "shown",
    ("GET", "/api/v1/assets/{asset_id}/forecasts"): "shown",
    ("GET", "/api/v1/forecasts/{forecast_id}/picture.svg"): "shown",
    ("GET", "/api/v1/condition"): "shown",
    ("GET", "/api/v1/assets/{asset_id}/condition"): "shown",
    ("GET", "/api/v1/assets/{asset_id}/condition/{metric}.svg"): "shown",
    ("GET", "/api/v1/assets/{asset_id}/peers"): "shown",  # statistics of others, see test_peers.py
    ("GET", "/api/v1/alerts"): "shown",
    ("GET", "/api/v1/alerts/{alert_id}"): "shown",
    ("POST", "/api/v1/alerts/{alert_id}/acknowledge"): "acknowledge",
    ("DELETE", "/api/v1/alerts/{alert_id}/acknowledge"): "acknowledge",
    ("GET", "/api/v1/alerts/{alert_id}/feedback"): "shown",
    ("POST", "/api/v1/alerts/{alert_id}/feedback"): "acknowledge",
    ("DELETE", "/api/v1/alerts/{alert_id}/feedback"): "acknowledge",
    ("GET", "/api/v1/assets/{asset_id}/sensitivity"): "shown",
    ("GET", "/api/v1/assets/{asset_id}/actuators"): "shown",
    ("GET", "/api/v1/assets/{asset_id}/commands"): "shown",
    ("POST", "/api/v1/assets/{asset_id}/commands"): "operate",
    ("GET", "/api/v1/devices/{device_id}/commands"): "shown",
    ("POST", "/api/v1/devices/{device_id}/commands"): "operate",
    ("GET", "/api/v1/commands/{command_id}"): "shown",
    ("GET", "/api/v1/ledger"): "shown",
    ("GET", "/api/v1/quarantine"): "shown",
    ("GET", "/api/v1/indicators"): "shown",  # formulas, the same for everybody
    ("GET", "/api/v1/indicators/{name}"): "shown",
    ("POST", "/api/v1/indicators/{name}"): "shown",
    ("GET", "/api/v1/triage/earthquake"): "shown",  # of an event, see below
    ("GET", "/api/v1/triage/storm"): "shown",
    ("POST", "/api/v1/triage/events"): "acknowledge",
    ("GET", "/api/v1/triage/events"): "shown",
    ("GET", "/api/v1/triage/events/{event_id}"): "shown",
    ("GET", "/api/v1/triage/events/{event_id}/looks"): "shown",
    ("POST", "/api/v1/triage/events/{event_id}/looks/{asset_id}"): "acknowledge",
    ("DELETE", "/api/v1/triage/events/{event_id}/looks/{asset_id}"): "acknowledge",
    ("GET", "/api/v1/stream"): "shown",  # what it shows: test_stream.py
}
SEEN: dict[str, set[str]] = {
    "u-viewer": {"ueno-bridge", "ueno-sewer"},
    "u-crew": {"ueno-bridge", "ueno-sewer"},
    "u-engineer": {"ueno-bridge", "ueno-sewer"},
    "k-crew": {"kawabe-bridge", "sato-paddy"},  # the farm shares all with the municipality
    "s-viewer": {"sato-paddy"},
    "m-viewer": {"mori-barn"},
    "d-crew": {"ueno-bridge"},  # of the group "bridges" only what its giver owns
    "root": set(ASSETS),
}
LISTS = [path for (_, path), rule in RULES.items() if rule == "shown" and not re.search(r"\{|stream|triage", path)]
LISTS.remove("/api/v1/observations")
LISTS.remove("/api/v1/latest")


def every_route(app: FastAPI) -> Iterator[tuple[str, str]]:
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            if method not in {"HEAD", "OPTIONS"} and route.path != "/api/{path:path}":
                yield method, str(route.path)


def ids_in(text: str) -> set[str]:
    return set(re.findall("|".join(ASSETS), text))


def test_every_route_has_a_rule_and_every_rule_a_route(world: World) -> None:
    assert set(every_route(world.app)) == set(RULES)


@pytest.mark.parametrize(("method", "path"), [key for key, rule in RULES.items() if rule != "open"])
async def test_without_a_login_nothing_but_401(world: World, method: str, path: str) -> None:
    filled = (
        path.replace("{alert_id}", "1")
        .replace("{finding_id}", "1")
        .replace("{asset_id}", "ueno-bridge")
        .replace("{user_id}", "u-crew")
        .replace("{device_id}", "dev-ueno-bridge")
        .replace("{command_id}", "1")
        .replace("{event_id}", "eq-1")
    )
    answer = await world.ask(None, method, filled)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert not ids_in(answer.text)


@pytest.mark.parametrize("user", USERS)
async def test_lists_show_what_is_seen_and_nothing_else(world: World, user: str) -> None:
    """Organisations, sites and groups may name nothing foreign; the lists of things show exactly what is seen."""
    async with world.client(user) as client:
        for path in LISTS:
            answer = await client.get(path)
            assert answer.status_code == 200, (path, answer.text)
            assert ids_in(answer.text) <= SEEN[user], path
            if path.rsplit("/", 1)[1] in {
                "assets", "datastreams", "devices", "findings", "alerts", "group-status", "forecasts",
            }:  # fmt: skip
                assert ids_in(answer.text) == SEEN[user], path


@pytest.mark.parametrize("user", USERS)
async def test_what_to_look_at_first_is_of_what_is_seen(world: World, user: str) -> None:
    """An event that reaches everything orders exactly what the viewer sees, counted from 1."""
    event = "latitude=36.1&longitude=138.2&magnitude=6.5&limit=999"
    answer = await world.ask(user, "GET", f"/api/v1/triage/earthquake?{event}")
    assert answer.status_code == 200
    assert ids_in(answer.text) == SEEN[user]
    items = answer.json()["items"]
    assert [item["rank"] for item in items] == list(range(1, len(items) + 1))


@pytest.mark.parametrize("user", USERS)
async def test_one_thing_is_shown_or_not_found(world: World, user: str) -> None:
    async with world.client(user) as client:
        for asset in ASSETS:
            expected = 200 if asset in SEEN[user] else 404
            stream, alert = world.streams[asset], world.alerts[asset]
            finding = (await world.ask("root", "GET", f"/api/v1/alerts/{alert}")).json()["finding_id"]
            newest = await world.ask("root", "GET", f"/api/v1/forecasts?asset={asset}")
            forecast = newest.json()["items"][0]["id"]
            for path in (
                f"/api/v1/assets/{asset}",
                f"/api/v1/alerts/{alert}",
                f"/api/v1/findings/{finding}/picture.svg",
                f"/api/v1/findings/{finding}/picture.svg?small=true",
                f"/api/v1/latest?asset={asset}",
                f"/api/v1/observations?datastream={stream}",
                f"/api/v1/observations?datastream={stream}&every=auto",
                f"/api/v1/observations?datastream={stream}&format=csv",
                f"/api/v1/datastreams?asset={asset}",
                f"/api/v1/alerts?asset={asset}",
                f"/api/v1/findings?asset={asset}",
                f"/api/v1/assets/{asset}/actuators",
                f"/api/v1/assets/{asset}/commands",
                f"/api/v1/assets/{asset}/forecasts",
                f"/api/v1/forecasts/{forecast}/picture.svg",
                f"/api/v1/assets/{asset}/condition",
                f"/api/v1/assets/{asset}/peers",
                f"/api/v1/assets/{asset}/sensitivity",
                f"/api/v1/alerts/{alert}/feedback",
                f"/api/v1/forecasts?asset={asset}&latest=false",
                f"/api/v1/devices/dev-{asset}/commands",
            ):
                answer = await client.get(path)
                assert answer.status_code == expected, (path, answer.text)
                assert ids_in(answer.text) <= {asset}, path


async def test_one_foreign_datastream_among_own_ones_hides_them_all(world: World) -> None:
    own, foreign = world.streams["sato-paddy"], world.streams["ueno-bridge"]
    answer = await world.ask("s-viewer", "GET", f"/api/v1/observations?datastream={own}&datastream={foreign}")
    assert answer.status_code == 404
    answer = await world.ask("s-viewer", "GET", "/api/v1/latest?asset=sato-paddy&asset=ueno-bridge")
    assert answer.status_code == 404


async def test_what_is_foreign_and_what_does_not_exist_look_alike(world: World) -> None:
    async with world.client("s-viewer") as client:
        foreign, nothing = await client.get("/api/v1/assets/ueno-bridge"), await client.get("/api/v1/assets/no-bridge")
        assert foreign.status_code == nothing.status_code == 404
        assert foreign.json()["detail"].replace("ueno", "no") == nothing.json()["detail"]
        known, unknown = (
            await client.get(f"/api/v1/alerts/{world.alerts['ueno-bridge']}"),
            await client.get("/api/v1/alerts/999"),
        )
        assert known.json()["detail"].replace(str(world.alerts["ueno-bridge"]), "999") == unknown.json()["detail"]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("asset", ASSETS)
async def test_acknowledging_takes_sight_and_a_role(world: World, user: str, asset: str) -> None:
    role = USERS[user][1]
    expected = 404 if asset not in SEEN[user] else 403 if role == "viewer" else 200
    path = f"/api/v1/alerts/{world.alerts[asset]}/acknowledge"
    assert (await world.ask(user, "POST", path, json={"note": "行きます"})).status_code == expected
    shown = (await world.ask("root", "GET", f"/api/v1/alerts/{world.alerts[asset]}")).json()
    assert shown["acknowledged_by"] == (user if expected == 200 else None)
    assert (await world.ask(user, "DELETE", path)).status_code == expected


@pytest.mark.parametrize("user", USERS)
async def test_judging_takes_sight_and_a_role(world: World, user: str) -> None:
    """And what was said is shown to those who see the asset, with nothing foreign in it."""
    for asset in ASSETS:
        expected = 404 if asset not in SEEN[user] else 403 if USERS[user][1] == "viewer" else 200
        path = f"/api/v1/alerts/{world.alerts[asset]}/feedback"
        assert (await world.ask(user, "POST", path, json={"verdict": "false"})).status_code == expected
        said = (await world.ask("root", "GET", path)).json()["items"]
        assert [each["given_by"] for each in said] == ([user] if expected == 200 else [])
        assert (await world.ask("root", "POST", path, json={"verdict": "known"})).status_code == 200
        shown = await world.ask(user, "GET", f"/api/v1/assets/{asset}/sensitivity")
        assert shown.status_code == (200 if asset in SEEN[user] else 404)
        assert ids_in(shown.text) == {asset}  # also where it is not found
        assert (await world.ask(user, "DELETE", path)).status_code == expected


@pytest.mark.parametrize("kind", ["actuator", "device"])
@pytest.mark.parametrize("user", USERS)
async def test_operating_takes_ownership_and_a_role(world: World, user: str, kind: str) -> None:
    """What is only shared is seen and not operated, until its share says so; a command is seen where its asset is."""
    organisation, role = USERS[user]

    async def order(asker: str, asset: str) -> httpx.Response:
        if kind == "actuator":
            body = {"actuator": f"gate-{asset}", "action": "stop", "why": "試験", "idempotency_key": asset}
            return await world.ask(asker, "POST", f"/api/v1/assets/{asset}/commands", json=body)
        wanted = {"interval_s": 60, "why": "試験", "idempotency_key": asset}
        return await world.ask(asker, "POST", f"/api/v1/devices/dev-{asset}/commands", json=wanted)

    allowed = {asset for asset in SEEN[user] if role != "viewer"}
    own = {asset for asset in allowed if role == "admin" or ASSETS[asset][1] == organisation}
    for asset in ASSETS:
        expected = 202 if asset in own else 403 if asset in SEEN[user] else 404
        assert (await order(user, asset)).status_code == expected, asset
    with changing(world.context.engine) as session:
        session.execute(update(Share).values(operate=True))
    for asset in ASSETS:
        expected = 200 if asset in own else 202 if asset in allowed else 403 if asset in SEEN[user] else 404
        assert (await order(user, asset)).status_code == expected, asset
        command = (await order("root", asset)).json()["id"]
        shown = await world.ask(user, "GET", f"/api/v1/commands/{command}")
        assert shown.status_code == (200 if asset in SEEN[user] else 404)
        assert ids_in(shown.text) == ({asset} if asset in SEEN[user] else set())


async def test_a_device_of_two_owners_is_seen_by_both_and_asked_otherwise_by_none(world: World) -> None:
    """Its interval would change for the other one too; an administrator may, and both read what became of it.

    Once it measures for one of them no more, it is the other's alone.
    """
    with changing(world.context.engine) as session:
        session.add(Datastream(asset_id="sato-paddy", device_id="dev-ueno-bridge", metric="water_level", unit="m"))
    path, body = "/api/v1/devices/dev-ueno-bridge/commands", {"interval_s": 60, "why": "試験", "idempotency_key": "1"}
    for user in ("u-crew", "k-crew"):
        assert (await world.ask(user, "POST", path, json=body)).status_code == 403
    assert (await world.ask("m-viewer", "POST", path, json=body)).status_code == 404
    ordered = (await world.ask("root", "POST", path, json=body)).json()
    for user in ("u-viewer", "s-viewer"):
        assert (await world.ask(user, "GET", path)).json()["items"] == [ordered]
        assert (await world.ask(user, "GET", f"/api/v1/commands/{ordered['id']}")).json() == ordered
    assert (await world.ask("m-viewer", "GET", f"/api/v1/commands/{ordered['id']}")).status_code == 404
    with changing(world.context.engine) as session:
        session.execute(update(Datastream).where(Datastream.asset_id == "sato-paddy").values(until_us=now_us()))
    assert (await world.ask("k-crew", "GET", path)).status_code == 404
    assert (await world.ask("k-crew", "GET", f"/api/v1/commands/{ordered['id']}")).status_code == 404
    assert (await world.ask("u-crew", "POST", path, json=body)).status_code == 202


@pytest.mark.parametrize("user", USERS)
async def test_users_are_an_administrators_business(world: World, user: str) -> None:
    new = {"id": "somebody", "name": "誰か", "organisation": "ueno"}
    statuses = [
        (await world.ask(user, "GET", "/api/v1/users")).status_code,
        (await world.ask(user, "POST", "/api/v1/users", json=new)).status_code,
        (await world.ask(user, "POST", "/api/v1/users/s-viewer/link")).status_code,
        (await world.ask(user, "DELETE", "/api/v1/users/m-viewer")).status_code,
    ]
    if USERS[user][1] == "admin":
        assert statuses == [200, 201, 201, 204]
    elif user == "m-viewer":
        assert statuses == [403] * 4
        assert (await world.ask(user, "GET", "/api/v1/me")).status_code == 200
    else:
        assert statuses == [403] * 4


async def test_quarantine_and_ledger_follow_the_gateway(world: World) -> None:
    """A contractor who sees a bridge through a share does not see the raw traffic of its owner's gateway."""
    for user, gateways in {
        "u-viewer": {"gw-ueno-bridge", "gw-ueno-sewer"},
        "s-viewer": {"gw-sato-paddy"},
        "d-crew": set(),
    }.items():
        for path, key in (("/api/v1/quarantine", "gateway_id"), ("/api/v1/ledger", "gateway_id")):
            items = (await world.ask(user, "GET", path)).json()["items"]
            assert {item[key] for item in items} == gateways, (user, path)
            answer = await world.ask(user, "GET", f"{path}?gateway=gw-mori-barn")
            assert answer.status_code == 404
    everything = (await world.ask("root", "GET", "/api/v1/quarantine")).json()["items"]
    assert "stranger" in {item["gateway_id"] for item in everything}


async def test_metrics_and_readiness_name_no_asset(world: World) -> None:
    async with world.client(None) as client:
        for path in ("/metrics", "/health/ready", "/health/live", "/api/v1/openapi.json"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert not ids_in(answer.text)


async def test_a_share_that_ends_hides_at_once(world: World) -> None:
    assert (await world.ask("d-crew", "GET", "/api/v1/assets/ueno-bridge")).status_code == 200
    with changing(world.context.engine) as session:
        session.execute(delete(Share))
    assert (await world.ask("d-crew", "GET", "/api/v1/assets/ueno-bridge")).status_code == 404
    assert (await world.ask("d-crew", "GET", "/api/v1/alerts")).json() == {"items": [], "next": None}
