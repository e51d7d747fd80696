"""Every panel's query against a real InfluxDB that our own store wrote, in the request shape that Grafana sends.

`/query?db=&epoch=ms&q=` with macros and variables expanded as Grafana's InfluxQL data source does it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_core.clock import MINUTE_US, now_us
from satomori_dashboards.grafana import queries
from satomori_store.models import Asset, Datastream
from satomori_store.opening import open_registry, open_store
from satomori_store.port import AlertEvent, AssetStatus, Batch, GroupStatus, Rows
from satomori_store.registry import import_registry
from support.grafana import TARGETS, ask, check_columns
from support.influx import Influx, influx_server

pytestmark = pytest.mark.servers
REGION = """
organisation = [
  { id = "aoba", kind = "municipality", name = "青葉町", name_en = "Aoba" },
  { id = "hikari", kind = "municipality", name = "ひかり村", name_en = "Hikari" },
]
site = [{ id = "s", organisation = "aoba", name = "拠点", name_en = "Site", latitude = 36.5, longitude = 138.2 }]
asset = [
  { id = "pond-1", site = "s", municipality = "aoba", class = "irrigation_pond", name = "大池", name_en = "Pond" },
  { id = "bridge-1", site = "s", municipality = "hikari", class = "bridge", name = "橋", name_en = "Bridge" },
  { id = "slope-1", site = "s", municipality = "hikari", class = "slope", name = "斜面1", name_en = "Slope 1" },
  { id = "slope-2", site = "s", municipality = "hikari", class = "slope", name = "斜面2", name_en = "Slope 2" },
]
group = [{ id = "bridges", name = "橋の群", name_en = "Bridges", members = ["bridge-1"] }]
gateway = [{ id = "gw-1", site = "s", kind = "edge", name = "通信機", name_en = "Gateway" }]
device = [
  { id = "gauge-1", gateway = "gw-1", name = "水位計", name_en = "Gauge" },
  { id = "node-1", gateway = "gw-1", name = "節点", name_en = "Node" },
]
datastream = [
  { asset = "pond-1", device = "gauge-1", metric = "water_level" },
  { asset = "pond-1", device = "gauge-1", metric = "battery" },
  { asset = "pond-1", device = "gauge-1", metric = "signal" },
  { asset = "bridge-1", device = "node-1", metric = "natural_frequency" },
]
"""
ASSETS = {"bridge-1", "gw-1", "pond-1", "slope-1", "slope-2"}
VARIABLES = {
    "municipality": "(aoba|hikari)",
    "class": "(bridge|irrigation_pond|slope|gateway)",
    "asset": "pond-1",
    "metric": "water_level",
}


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    folder = tmp_path_factory.mktemp("grafana")
    with influx_server(folder / "influxdb") as server:
        config = folder / "satomori.toml"
        config.write_text(server.toml(), encoding="utf-8")
        _fill(folder, config)
        yield server


def _fill(folder: Path, config: Path) -> None:
    """Two hours of all datastreams, some of it doubtful, and the status that maintenance would have written."""
    (folder / "region.toml").write_text(REGION, encoding="utf-8")
    engine = open_registry(folder, config)
    import_registry(engine, folder / "region.toml")
    store = open_store(folder, config)
    now = now_us()
    with Session(engine) as session:
        ids = session.scalars(select(Datastream.id)).all()
        assets = session.scalars(select(Asset)).all()
    rows = [(id_, now - i * 10 * MINUTE_US, 1.0 + i / 10, 3 if i == 5 else 1) for id_ in ids for i in range(12)]
    assert store.write(Batch(rows=Rows.of(rows), received_at_us=now)).accepted == len(rows)
    store.write_status(
        [
            *(
                AssetStatus(now, asset.id, asset.class_, asset.municipality_id, level, "水位 / level", now, 36.5, 138.2)
                for level, asset in enumerate(sorted(assets, key=lambda a: a.id))
            ),
            GroupStatus(now, "", "aoba", "irrigation_pond", 4, (0, 0, 0, 0, 1)),
            GroupStatus(now, "bridges", "", "", 0, (1, 0, 0, 0, 0)),
            AlertEvent(now, 1, "pond-1", "irrigation_pond", "aoba", "high", 4, "opened", "水位が高い", "High water"),
        ]
    )
    store.close()


@pytest.mark.parametrize("name", TARGETS)
def test_a_panels_query_returns_its_columns(influx: Influx, name: str) -> None:
    check_columns(influx, TARGETS[name], VARIABLES)


def test_what_the_panels_show_is_what_was_written(influx: Influx) -> None:
    matrix = [row for row in ask(influx, queries.MATRIX_NOW.text, VARIABLES) if row["municipality"] == "aoba"]
    assert [(row["class"], row["level"], row["danger"]) for row in matrix] == [("irrigation_pond", 4, 1)]
    [group] = ask(influx, queries.GROUPS_NOW.text, VARIABLES)
    assert (group["group"], group["good"]) == ("bridges", 1)
    [event] = ask(influx, queries.ALERT_EVENTS.text, VARIABLES)
    assert (event["event"], event["text_ja"]) == ("opened", "水位が高い")
    assert len(ask(influx, queries.DOUBTFUL.text, VARIABLES)) == 1
    assert {row["asset"] for row in ask(influx, queries.ASSETS_NOW.text, VARIABLES)} == ASSETS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (queries.MUNICIPALITIES, {"aoba", "hikari"}),
        (queries.CLASSES, {"bridge", "irrigation_pond", "slope", "gateway"}),
        (queries.ASSETS, ASSETS),
        (queries.METRICS, {"water_level", "battery", "signal"}),
    ],
)
def test_variables_list_what_there_is(influx: Influx, text: str, expected: set[str]) -> None:
    rows = ask(influx, text, VARIABLES)
    assert {row.get("value") or row.get("name") for row in rows} == expected
