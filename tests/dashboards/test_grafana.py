"""The Grafana dashboards as code: what is built, what is written, and what a Grafana is asked to do.

Grafana itself runs nowhere in the tests: `push` speaks to a small server that answers as Grafana's HTTP API documents.
"""

import json
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from satomori_core.errors import SettingsError, UnavailableError
from satomori_core.settings import load_settings
from satomori_dashboards.cli import GrafanaSettings
from satomori_dashboards.grafana.files import encode_boards, write_provisioning
from satomori_dashboards.grafana.push import push_boards

NAMES = {"bridge-1": "青葉橋 Aoba Bridge", "aoba": "青葉町 Aoba"}
BOARDS = {name: json.loads(text) for name, text in encode_boards(NAMES).items()}
TARGETS = [
    pytest.param(panel, target, id=f"{name}-{panel['id']}-{target['refId']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    for target in panel["targets"]
]


def test_there_are_three_dashboards_with_links_between_them() -> None:
    assert set(BOARDS) == {"region", "field", "pipeline"}
    assert len({board["uid"] for board in BOARDS.values()}) == 3
    links = [panel for panel in BOARDS["region"]["panels"] if "/d/satomori-field" in json.dumps(panel)]
    assert links


@pytest.mark.parametrize(("panel", "target"), TARGETS)
def test_every_target_is_influxql_that_all_versions_answer(panel: dict[str, Any], target: dict[str, Any]) -> None:
    """SELECT only, raw, and without what Go's regular expressions or InfluxDB 3 lack."""
    assert target["query"].startswith("SELECT ")
    assert target["rawQuery"] is True
    assert target["datasource"] == {"type": "influxdb", "uid": "satomori"}
    assert "(?" not in target["query"]
    assert " INTO " not in target["query"]
    assert target["resultFormat"] == ("time_series" if panel["type"] in {"timeseries", "state-timeline"} else "table")


def test_panels_do_not_overlap_and_fill_at_most_24_columns() -> None:
    for board in BOARDS.values():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            grid = panel["gridPos"]
            assert grid["x"] + grid["w"] <= 24
            cells = {(grid["x"] + i, grid["y"] + j) for i in range(grid["w"]) for j in range(grid["h"])}
            assert not cells & taken
            taken |= cells


def test_names_from_the_registry_stand_for_ids() -> None:
    assert "青葉橋 Aoba Bridge" in json.dumps(BOARDS["region"], ensure_ascii=False)


def test_files_are_written_where_grafana_looks_for_them(tmp_path: Path) -> None:
    written = write_provisioning(tmp_path, NAMES, url="http://influxdb:8086", database="satomori", path="/boards")
    assert {str(p.relative_to(tmp_path)) for p in written} == {
        "provisioning/datasources/satomori.yaml",
        "provisioning/dashboards/satomori.yaml",
        "dashboards/region.json",
        "dashboards/field.json",
        "dashboards/pipeline.json",
    }
    source = (tmp_path / "provisioning/datasources/satomori.yaml").read_text(encoding="utf-8")
    assert "url: http://influxdb:8086" in source
    assert "Token $SATOMORI_INFLUXDB_TOKEN" in source
    assert json.loads((tmp_path / "dashboards/region.json").read_text(encoding="utf-8")) == BOARDS["region"]


class _Grafana(ThreadingHTTPServer):
    """Grafana's HTTP API as far as `push` needs it: folders, and dashboards by POST /api/dashboards/db."""

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token = token
        self.folders: list[dict[str, object]] = []
        self.dashboards: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: _Grafana

    @override
    def log_message(self, *_args: object) -> None:
        """Quiet."""

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refused(self) -> bool:
        if self.headers["Authorization"] == f"Bearer {self.server.token}":
            return False
        self._answer(401, {"message": "Invalid API key"})
        return True

    def do_GET(self) -> None:
        if not self._refused():
            self._answer(200, self.server.folders)

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._refused():
            return
        if self.path == "/api/folders":
            self.server.folders.append(document)
            self._answer(200, document)
        else:
            uid = document["dashboard"]["uid"]
            self.server.dashboards[uid] = document
            self._answer(200, {"uid": uid, "url": f"/d/{uid}/x", "status": "success"})


@pytest.fixture
def grafana() -> Iterator[_Grafana]:
    server = _Grafana("t0ken")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_push_makes_the_folder_once_and_replaces_the_dashboards(grafana: _Grafana) -> None:
    for _ in range(2):
        addresses = push_boards(grafana.url, "t0ken", NAMES)
    assert len(grafana.folders) == 1
    assert len(addresses) == 3
    assert {d["dashboard"]["uid"] for d in grafana.dashboards.values()} == {b["uid"] for b in BOARDS.values()}
    assert all(d["overwrite"] and d["folderUid"] == "satomori" for d in grafana.dashboards.values())


def test_a_refused_token_and_an_absent_grafana_are_told(grafana: _Grafana) -> None:
    with pytest.raises(SettingsError, match="Editor"):
        push_boards(grafana.url, "wrong", NAMES)
    with pytest.raises(UnavailableError):
        push_boards("http://127.0.0.1:9", "t0ken", NAMES)


def test_the_sample_settings_load() -> None:
    sample = Path(__file__).parents[2] / "dashboards" / "sample.toml"
    load_settings(sample, "grafana", GrafanaSettings)
    assert "grafana" in tomllib.loads(sample.read_text(encoding="utf-8"))
