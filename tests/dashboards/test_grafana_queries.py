"""Every panel's query against a real InfluxDB that our own store wrote, in the request shape that Grafana sends.

`/query?db=&epoch=ms&q=` with macros and variables expanded as Grafana's InfluxQL data source does it.
"""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_core.clock import MINUTE_US, now_us
from satomori_dashboards.grafana import queries
from satomori_dashboards.grafana.boards import build_boards
from satomori_store.models import Asset, Datastream
from satomori_store.opening import open_registry, open_store
from satomori_store.port import AlertEvent, AssetStatus, Batch, GroupStatus
from satomori_store.registry import import_registry
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
TARGETS = {
    f"{name}-{panel['title']}-{target['refId']}": (panel, target)
    for name, board in build_boards({}).items()
    for panel in json.loads(json.dumps(board, default=lambda o: o.to_json()))["panels"]
    for target in panel["targets"]
}
BY_TEXT = {
    query.text: query
    for query in [
        *(value for value in vars(queries).values() if isinstance(value, queries.Query)),
        *(queries.count_now(level) for level in range(5)),
        *(
            queries.edge_health(metric)
            for metric in ("outbox_readings", "outbox_oldest_age", "bus_errors", "clock_offset", "battery", "signal")
        ),
    ]
}
ASSETS = {"bridge-1", "gw-1", "pond-1", "slope-1", "slope-2"}
VARIABLES = {"municipality": "(aoba|hikari)", "class": "(bridge|irrigation_pond|slope|gateway)", "asset": "pond-1"}


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
    assert store.write(Batch(rows=rows, received_at_us=now)).accepted == len(rows)
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


def _ask(influx: Influx, text: str) -> list[dict[str, Any]]:
    """What Grafana sends; the rows of all series with their tags, as its table format has them."""
    now_ms = now_us() // 1000
    since = f"time >= {now_ms - 86_400_000}ms and time <= {now_ms}ms"
    expanded = text.replace("$timeFilter", since).replace("$__interval", "10m")
    for name, value in {**VARIABLES, "metric": "water_level"}.items():
        expanded = re.sub(rf"\${name}\b", value, expanded)
    words = urllib.parse.urlencode({"db": influx.database, "epoch": "ms", "q": expanded})
    with urllib.request.urlopen(f"{influx.url}/query?{words}", timeout=10) as answer:
        [result] = json.loads(answer.read())["results"]
    assert "error" not in result, (expanded, result)
    return [
        {**series.get("tags", {}), **dict(zip(series["columns"], values, strict=True))}
        for series in result.get("series", [])
        for values in series["values"]
    ]


@pytest.mark.parametrize("name", TARGETS)
def test_a_panels_query_returns_its_columns(influx: Influx, name: str) -> None:
    _, target = TARGETS[name]
    rows = _ask(influx, target["query"])
    assert rows, target["query"]
    for column in BY_TEXT[target["query"]].columns:
        assert any(row.get(column) is not None for row in rows), (column, rows[:3])


def test_what_the_panels_show_is_what_was_written(influx: Influx) -> None:
    matrix = [row for row in _ask(influx, queries.MATRIX_NOW.text) if row["municipality"] == "aoba"]
    assert [(row["class"], row["level"], row["danger"]) for row in matrix] == [("irrigation_pond", 4, 1)]
    [group] = _ask(influx, queries.GROUPS_NOW.text)
    assert (group["group"], group["good"]) == ("bridges", 1)
    [event] = _ask(influx, queries.ALERT_EVENTS.text)
    assert (event["event"], event["text_ja"]) == ("opened", "水位が高い")
    assert len(_ask(influx, queries.DOUBTFUL.text)) == 1
    assert {row["asset"] for row in _ask(influx, queries.ASSETS_NOW.text)} == ASSETS


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
    rows = _ask(influx, text)
    assert {row.get("value") or row.get("name") for row in rows} == expected
