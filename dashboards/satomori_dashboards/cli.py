"""`satomori dashboards build|push`: the Grafana dashboards as files, or sent to a running Grafana."""

from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_core.cli import Invocation, common_options, print_rows
from satomori_core.errors import SettingsError
from satomori_core.settings import Secret, load_settings
from satomori_dashboards.grafana.files import write_provisioning
from satomori_dashboards.grafana.push import push_boards
from satomori_store.models import Asset, Device, Group, Organisation
from satomori_store.opening import open_registry


@dataclass(frozen=True, slots=True)
class GrafanaSettings:
    """`influxdb_url`, `database`: as Grafana itself reaches them. `dashboards_path`: on Grafana's machine."""

    url: str | None = None
    token: Secret | None = None
    influxdb_url: str = "http://influxdb:8086"
    database: str = "satomori"
    dashboards_path: str = "/var/lib/grafana/dashboards"


@click.group()
def dashboards() -> None:
    """Grafana dashboards as code."""


@dashboards.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("grafana"))
@common_options
def build(invocation: Invocation, folder: Path) -> None:
    """Write Grafana's provisioning files and the dashboards into FOLDER (default ./grafana)."""
    settings = load_settings(invocation.config, "grafana", GrafanaSettings)
    written = write_provisioning(
        folder,
        _names(invocation),
        url=settings.influxdb_url,
        database=settings.database,
        path=settings.dashboards_path,
    )
    print_rows([{"file": str(path)} for path in written], as_json=invocation.json)


@dashboards.command()
@common_options
def push(invocation: Invocation) -> None:
    """Send the dashboards to the Grafana of [grafana] url."""
    settings = load_settings(invocation.config, "grafana", GrafanaSettings)
    if settings.url is None or settings.token is None:
        raise SettingsError('[grafana] needs url = "http://…:3000" and token = { file = "…" } to push')
    addresses = push_boards(settings.url, settings.token.reveal(), _names(invocation))
    print_rows([{"dashboard": address} for address in addresses], as_json=invocation.json)


def _names(invocation: Invocation) -> dict[str, str]:
    """Japanese and English name of whatever has an id in a tag."""
    engine = open_registry(invocation.state, invocation.config)
    with Session(engine) as session:
        return {
            row.id: f"{row.name} {row.name_en}" if row.name_en != row.name else row.name
            for table in (Device, Group, Organisation, Asset)
            for row in session.execute(select(table.id, table.name, table.name_en))
        }
