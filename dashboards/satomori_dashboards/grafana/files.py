"""Provisioning files for Grafana: one data source, one folder of dashboards. See Grafana's "Provision Grafana"."""

import json
from collections.abc import Mapping
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from satomori_dashboards.grafana.boards import DATASOURCE, build_boards

# Grafana reads $NAME from its own environment: no secret stands in the files.
DATASOURCE_YAML = """\
apiVersion: 1
datasources:
  - name: Satomori
    uid: {uid}
    type: influxdb
    access: proxy
    isDefault: true
    url: {url}
    jsonData:
      dbName: {database}
      httpMode: GET
      # InfluxDB 2 and 3 take the token as a header; 1.x ignores it.
      httpHeaderName1: Authorization
    secureJsonData:
      httpHeaderValue1: Token $SATOMORI_INFLUXDB_TOKEN
"""
PROVIDER_YAML = """\
apiVersion: 1
providers:
  - name: satomori
    folder: 里守 Satomori
    folderUid: satomori
    type: file
    allowUiUpdates: false
    options:
      path: {path}
"""


def encode_boards(names: Mapping[str, str]) -> dict[str, str]:
    """The dashboards' JSON texts by name."""
    return {
        name: json.dumps(board, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        for name, board in build_boards(names).items()
    }


def write_provisioning(folder: Path, names: Mapping[str, str], *, url: str, database: str, path: str) -> list[Path]:
    """Write the files and say which. `path`: where Grafana will find the dashboards' folder."""
    texts = {
        "provisioning/datasources/satomori.yaml": DATASOURCE_YAML.format(
            uid=DATASOURCE.uid, url=url, database=database
        ),
        "provisioning/dashboards/satomori.yaml": PROVIDER_YAML.format(path=path),
    }
    texts |= {f"dashboards/{name}.json": text for name, text in encode_boards(names).items()}
    written = []
    for name, text in texts.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        written.append(file)
    return written
