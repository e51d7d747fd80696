"""What is forecast in the sample region: with 35 days behind it, no place lacks a sensor or an entry of the ledger."""

from collections.abc import Sequence

import numpy as np
import pytest

from satomori_analytics.forecasts import Hours, Known, forecast
from satomori_analytics.forecasts.region import Place, load_places, outlooks_of
from satomori_analytics.playbook_files import load_playbooks
from satomori_core.clock import DAY_US, from_iso
from satomori_sample.prepare import registry_text
from satomori_sample.region import build_region
from satomori_sample.world import World
from satomori_store.opening import open_registry
from satomori_store.registry import import_registry, load_lookup

REGION = build_region()
BOOKS = load_playbooks()
STEPS = 6  # of 10 minutes in an hour
SEED = 11


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sequence[Place], dict[int, int]]:
    """Places, and of each datastream's number its place among the region's streams."""
    state = tmp_path_factory.mktemp("region") / "state"
    file = state.parent / "region.toml"
    file.write_text(registry_text(REGION, 600), encoding="utf-8")
    engine = open_registry(state, None)
    assert import_registry(engine, file).ok
    lookup, now_us = load_lookup(engine), from_iso("2027-01-01T00:00+09:00")
    numbers = {
        lookup.route(s.gateway, s.device, s.metric, now_us).datastream_id: row for row, s in enumerate(REGION.streams)
    }
    places = load_places(engine, BOOKS, now_us)
    engine.dispose()
    return places, numbers


@pytest.mark.parametrize(
    ("day", "made", "off"),
    [
        ("2026-04-20", {"frost", "irrigation", "heat"}, {"blast"}),
        ("2026-07-05", {"frost", "irrigation", "heat", "blast", "heading", "harvest"}, {"irrigation"}),
        ("2026-11-28", {"frost", "irrigation", "heat"}, {"blast", "heading", "harvest"}),
    ],
)
def test_every_forecast_is_made_or_out_of_season(
    there: tuple[Sequence[Place], dict[int, int]], day: str, made: set[str], off: set[str]
) -> None:
    places, numbers = there
    now_us = from_iso(f"{day}T18:00+09:00")
    start_us = now_us - 35 * DAY_US
    at_s = np.asarray(start_us / 1e6 + 300 + 600.0 * np.arange(35 * 24 * STEPS), dtype=np.float64)
    values = World(SEED, REGION, 600.0).values(at_s).reshape(len(REGION.streams), -1, STEPS)
    found = []
    for place in places:
        rows = {metric: values[numbers[number]] for metric, number in place.streams.items()}
        columns = {name: row.sum(axis=1) if name == "rain" else row.mean(axis=1) for name, row in rows.items()}
        if "air_temperature" in rows:
            columns["air_temperature_low"] = rows["air_temperature"].min(axis=1)
        known = Known(place.spot, Hours(start_us, columns))
        outlooks = outlooks_of(BOOKS, place.spot.class_, place.municipality)
        found += [forecast(kind, outlook, known, now_us) for kind, outlook in outlooks.items()]
    assert [(one.asset, one.kind, one.text_en) for one in found if one.status == "missing"] == []
    assert {one.kind for one in found if one.status == "made"} == made
    assert {one.kind for one in found if one.status == "off"} >= off
