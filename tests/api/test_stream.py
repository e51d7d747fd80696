"""The live stream of a real server: who gets what, going on after a break, its bounds, and its end."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from satomori_api.live import Feed, Missed, Position, Ready, Stored
from satomori_core.clock import DAY_US, SECOND_US, now_us
from satomori_core.commands import Outcome, Reply
from satomori_store.access import Viewer
from satomori_store.commands import take_reply
from satomori_store.port import Batch, Rows
from satomori_store.transactions import transaction
from support.api_server import ApiServer, Event, Listener, api_server
from support.api_world import World
from support.patience import PATIENCE_S


@pytest.fixture
def server(world: World, tmp_path: Path) -> Iterator[ApiServer]:
    (tmp_path / "satomori.toml").write_text("[api]\nstreams_max = 2\n", encoding="utf-8")
    with api_server(world.context.state, "--no-console", "--config", str(tmp_path / "satomori.toml")) as running:
        yield running


def store(world: World, asset: str, value: float, at_us: int | None = None) -> None:
    at_us = world.at_us + SECOND_US if at_us is None else at_us
    world.writer.write(Batch(rows=Rows.of([(world.streams[asset], at_us, value, 1)]), received_at_us=at_us))


def test_what_is_stored_comes_to_those_who_may_see_it(world: World, server: ApiServer) -> None:
    """The farm gets its own value and nothing of the bridge that was stored before."""
    with Listener(server.url, world.tokens["s-viewer"]) as farm, Listener(server.url, world.tokens["u-crew"]) as town:
        assert farm.next().name == town.next().name == "ready"
        store(world, "ueno-bridge", 7.25)
        store(world, "sato-paddy", 8.5)
        event = farm.next()
        assert event.name == "observations"
        assert event.content == {
            "datastream": world.streams["sato-paddy"],
            "asset": "sato-paddy",
            "metric": "water_level",
            "unit": "m",
            "observed_at_us": [world.at_us + SECOND_US],
            "value": [8.5],
            "quality": [1],
            "qc": [2],
        }
        assert town.next().content["value"] == [7.25]


def test_what_becomes_of_a_command_is_told_to_those_who_see_its_asset(world: World, server: ApiServer) -> None:
    """Ordered, then done; the farm's next news is its own value and nothing of the town's command."""
    with Listener(server.url, world.tokens["u-viewer"]) as town, Listener(server.url, world.tokens["s-viewer"]) as farm:
        assert town.next().name == farm.next().name == "ready"
        path = f"{server.url}/api/v1/assets/ueno-sewer/commands"
        headers = {"Authorization": f"Bearer {world.tokens['u-crew']}", "Idempotency-Key": "1"}
        body = {"actuator": "gate-ueno-sewer", "action": "stop", "why": "試験"}
        ordered = httpx.post(path, headers=headers, json=body)
        event = town.next()
        assert (event.name, event.content) == ("command", ordered.json())
        reply = Reply(ordered.json()["id"], world.at_us, Outcome.DONE, read_back=1.0)
        with transaction(world.context.engine) as session:
            take_reply(session, "gw-ueno-sewer", reply, now_us())
        event = town.next()
        assert (event.name, event.content["state"], event.content["read_back"]) == ("command", "done", 1.0)
        store(world, "sato-paddy", 8.5)
        assert farm.next().name == "observations"


def test_an_acknowledged_alert_is_told(world: World, server: ApiServer) -> None:
    with Listener(server.url, world.tokens["u-viewer"]) as listener:
        listener.next()
        path = f"{server.url}/api/v1/alerts/{world.alerts['ueno-sewer']}/acknowledge"
        httpx.post(path, headers={"Authorization": f"Bearer {world.tokens['u-crew']}"}, json={"note": "行く"})
        event = listener.next()
        assert (event.name, event.content["asset_id"], event.content["state"]) == (
            "alert",
            "ueno-sewer",
            "acknowledged",
        )
        assert event.content["note"] == "行く"


def test_after_a_break_the_stream_goes_on_where_it_was(world: World, server: ApiServer) -> None:
    """Nothing that was stored meanwhile is missed, and nothing comes twice; a bare change id serves as well."""
    with Listener(server.url, world.tokens["root"]) as listener:
        listener.next()
        store(world, "ueno-bridge", 1.0)
        seen = listener.until("observations")
    for value in (2.0, 3.0):
        store(world, "ueno-bridge", value, world.at_us + int(value) * SECOND_US)
    for last_id in (seen.id, seen.id.split(".")[0]):
        with Listener(server.url, world.tokens["root"], last_id) as listener:
            assert listener.next().name == "ready"
            assert [listener.until("observations").content["value"] for _ in range(2)] == [[2.0], [3.0]]


def test_old_data_that_come_in_are_announced_without_their_values(world: World, server: ApiServer) -> None:
    with Listener(server.url, world.tokens["root"]) as listener:
        listener.next()
        stream = world.streams["ueno-bridge"]
        rows = [(stream, world.at_us - DAY_US + i * 600 * SECOND_US, 1.0, 1) for i in range(100)]
        world.writer.write(Batch(rows=Rows.of(rows), received_at_us=world.at_us))
        event = listener.until("stored")
        assert set(event.content) == {"datastream", "asset", "metric", "unit", "from", "until"}


def test_more_streams_than_allowed_are_refused(world: World, server: ApiServer) -> None:
    bearer = {"Authorization": f"Bearer {world.tokens['root']}"}
    with Listener(server.url, world.tokens["root"]) as one, Listener(server.url, world.tokens["root"]) as two:
        assert one.next().name == two.next().name == "ready"
        third = httpx.get(f"{server.url}/api/v1/stream", headers=bearer)
        assert third.status_code == 503
        assert third.headers["content-type"] == "application/problem+json"
        assert int(third.headers["retry-after"]) > 0
        assert "satomori_live_streams 2.0" in httpx.get(f"{server.url}/metrics").text
    assert _freed(server, world)


def _freed(server: ApiServer, world: World) -> bool:
    """A listener that went away makes room again, at the latest when the server next writes to it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with Listener(server.url, world.tokens["root"]) as listener:
            if listener.answer.status_code == 200:
                return True
        time.sleep(0.5)
    return False


def test_it_stops_with_streams_open(world: World, server: ApiServer) -> None:
    """They would go on for ever."""
    with Listener(server.url, world.tokens["root"]) as listener:
        assert listener.next().name == "ready"
        assert server.stop() == 0
        with pytest.raises(EOFError):
            listener.next()


# ------------------------------------------------------------------ the feed by itself

ROOT = Viewer("root", None, "admin")


async def first(feed: Feed, last_event_id: str | None) -> object:
    stream = feed.listen(ROOT, last_event_id)
    try:
        return await anext(stream)
    finally:
        await stream.aclose()


@pytest.mark.parametrize("text", ["", "x", "1e3", "-1.0", "9" * 40, "9" * 18, "٣.1", "1.x", "..", "5;drop"])
def test_an_id_that_is_none_of_ours_means_from_now_on(text: str) -> None:
    start = Position(10, 20)
    parsed = Position.parse(text, start)
    assert parsed.change_id in {1, 10}
    assert parsed.updated_us == 20


def test_ids_are_read_back() -> None:
    assert Position.parse(Position(7, 12).encode(), Position(10, 20)) == Position(7, 12)


async def test_what_is_no_longer_kept_is_said_to_be_missed(world: World) -> None:
    """A client whose place in the ledger was pruned away has to read anew, and is told so."""
    feed = Feed(world.context.queries, world.context.ledger, streams_max=5)
    assert isinstance(await first(feed, "1.0"), Ready)
    with world.context.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM change WHERE change_id < (SELECT MAX(change_id) FROM change)")
    missed = await first(feed, "1.0")
    assert isinstance(missed, Missed)
    assert missed.position.change_id == world.context.ledger.last_change_id()
    assert feed.listeners == 0


async def test_many_listeners_cost_one_reading(world: World) -> None:
    """Those that stand at the same place share what is read after it."""
    feed = Feed(world.context.queries, world.context.ledger, streams_max=20)
    read = feed._read_after
    calls: list[int] = []
    feed._read_after = lambda change_id: (calls.append(change_id), read(change_id))[1]  # type: ignore[method-assign,func-returns-value]
    streams = [feed.listen(ROOT, "1.0") for _ in range(10)]
    for stream in streams:
        assert isinstance(await anext(stream), Ready)
        assert isinstance(await anext(stream), Stored)
    assert len(calls) == len(set(calls))
    for stream in streams:
        await stream.aclose()
    assert feed.listeners == 0


def test_events_have_ids_that_grow(world: World, server: ApiServer) -> None:
    with Listener(server.url, world.tokens["root"]) as listener:
        events: list[Event] = [listener.next()]
        for value in (1.0, 2.0):
            store(world, "ueno-bridge", value, world.at_us + int(value) * SECOND_US)
            events.append(listener.until("observations"))
    ids = [int(event.id.split(".")[0]) for event in events]
    assert ids == sorted(set(ids))
