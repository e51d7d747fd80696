"""The whole sample region on a real InfluxDB: 30 days of history over MQTT, a live fault, and every Grafana panel."""

from collections.abc import Iterator

import pytest

from satomori_dashboards.grafana import queries
from support.grafana import TARGETS, ask, check_columns
from support.influx import Influx, influx_server
from support.running import Up, running, wait_for

pytestmark = pytest.mark.servers
# No row means nought here: assets at a level, doubtful values; and no device of the sample region tells its signal.
# The queries must be understood all the same.
MAY_BE_EMPTY = ("危険 Danger", "警戒 Warning", "注意 Watch", "不明 Unknown", "疑わしい値", "$metric-B", "受信強度")

# An asset with an alert of what happens now, and a water level of which panels have something to show.
FLOODED = (
    "SELECT alert.asset_id FROM alert JOIN datastream ON datastream.asset_id = alert.asset_id"
    " WHERE NOT alert.historical AND datastream.metric = 'water_level' ORDER BY alert.id LIMIT 1"
)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Influx, Up]]:
    folder = tmp_path_factory.mktemp("influx-region")
    with influx_server(folder / "influxdb") as influx, running(folder, "--sample", settings=influx.toml()) as up:
        yield influx, up


def test_the_history_goes_in_and_a_fault_becomes_an_alert(region: tuple[Influx, Up]) -> None:
    influx, up = region
    wait_for("ready", lambda: up.said_with("ready"), 240, every_s=0.5)
    wait_for("an alert", lambda: up.registry(FLOODED), 240, every_s=0.5)
    everywhere = {"municipality": ".*", "class": ".*"}
    wait_for("its event in InfluxDB", lambda: ask(influx, queries.ALERT_EVENTS.text, everywhere), every_s=0.5)


def test_nothing_is_missing_or_double(region: tuple[Influx, Up]) -> None:
    """The ledger against InfluxDB's own count of points."""
    _, up = region
    rows = [row for row in up.audit() if row["kind"] == "datastream"]
    assert sum(row["points"] for row in rows) > 600_000
    wait_for("an audit without gaps, excess or missing", lambda: not up.faults_of_audit(), 120, every_s=2)


@pytest.mark.parametrize("name", TARGETS)
def test_every_panel_has_what_it_needs(region: tuple[Influx, Up], name: str) -> None:
    influx, up = region
    [(asset,)] = up.registry(FLOODED)
    variables = {"municipality": ".*", "class": ".*", "asset": asset, "metric": "water_level"}
    if any(word in name for word in MAY_BE_EMPTY):
        ask(influx, TARGETS[name]["query"], variables)
    else:
        # What gateways tell of themselves, and each status, comes once in a while.
        wait_for("the panel's first values", lambda: ask(influx, TARGETS[name]["query"], variables), 120)
        check_columns(influx, TARGETS[name], variables)
