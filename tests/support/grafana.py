"""Asks InfluxDB as Grafana's InfluxQL data source does, for every panel of our dashboards.

`/query?db=&epoch=ms&q=` with macros and variables expanded.
"""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from satomori_core.clock import now_us
from satomori_dashboards.grafana import queries
from satomori_dashboards.grafana.boards import build_boards
from support.influx import Influx

TARGETS = {
    f"{name}-{panel['title']}-{target['refId']}": target
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


def ask(influx: Influx, text: str, variables: Mapping[str, str]) -> list[dict[str, Any]]:
    """What Grafana sends for the last day; the rows of all series with their tags, as its table format has them."""
    now_ms = now_us() // 1000
    since = f"time >= {now_ms - 86_400_000}ms and time <= {now_ms}ms"
    expanded = text.replace("$timeFilter", since).replace("$__interval", "10m")
    for name, value in variables.items():
        expanded = re.sub(rf"\${name}\b", value, expanded)
    words = urllib.parse.urlencode({"db": influx.database, "epoch": "ms", "q": expanded})
    with urllib.request.urlopen(f"{influx.url}/query?{words}", timeout=30) as answer:
        [result] = json.loads(answer.read())["results"]
    assert "error" not in result, (expanded, result)
    return [
        {**series.get("tags", {}), **dict(zip(series["columns"], values, strict=True))}
        for series in result.get("series", [])
        for values in series["values"]
    ]


def check_columns(influx: Influx, target: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    """The panel's query returns rows, with something in every column that the panel needs."""
    rows = ask(influx, target["query"], variables)
    assert rows, target["query"]
    for column in BY_TEXT[target["query"]].columns:
        assert any(row.get(column) is not None for row in rows), (column, rows[:3])
