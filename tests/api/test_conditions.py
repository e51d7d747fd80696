"""Condition of structures over HTTP: what is measured, in an asset's own answer and in the list of all."""

from datetime import UTC, datetime

import pytest

from satomori_core.clock import DAY_US
from satomori_store.models import Datastream
from satomori_store.port import Batch, Rows
from satomori_store.transactions import changing
from support.api_world import World


def put(world: World, days: int) -> int:
    """Daily widths of a crack until yesterday; the midnight that they end at."""
    midnight_us = world.at_us // DAY_US * DAY_US
    with changing(world.context.engine) as session:
        row = Datastream(asset_id="ueno-bridge", device_id="dev-ueno-bridge", metric="crack_width", unit="mm")
        session.add(row)
        session.flush()
        number = row.id
    rows = [(number, midnight_us - (days - i) * DAY_US, 0.1 + 0.001 * i, 1) for i in range(days)]
    world.writer.write(Batch(rows=Rows.of(rows), received_at_us=midnight_us))
    return midnight_us


@pytest.mark.parametrize("days", [40, 1])
async def test_what_is_measured_is_told_of_one_and_in_the_list(world: World, days: int) -> None:
    """With its times as texts and its series for one; of a single day the interval is null."""
    midnight_us = put(world, days)
    one = (await world.ask("u-viewer", "GET", "/api/v1/assets/ueno-bridge/condition")).json()["items"][0]
    (crack,) = one["measured"]
    assert (crack["metric"], crack["days"], len(crack["series"]), len(crack["at"])) == ("crack_width", days, days, days)
    last = datetime.fromtimestamp((midnight_us - DAY_US) / 1e6, UTC)
    assert datetime.fromisoformat(crack["at"][-1]) == datetime.fromisoformat(crack["last"]) == last
    assert (crack["low"] is None) == (days == 1)
    assert datetime.fromisoformat(one["until"]).timestamp() * 1e6 == midnight_us
    listed = (await world.ask("u-viewer", "GET", "/api/v1/condition?class=bridge")).json()["items"]
    (told,) = (each for each in listed if each["asset"] == "ueno-bridge")
    assert told["measured"] == [{**crack, "at": [], "series": []}]
