"""Sends the dashboards to a running Grafana through its HTTP API (grafana-client)."""

import json
from collections.abc import Mapping

import niquests
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException

from satomori_core.errors import SettingsError, UnavailableError
from satomori_dashboards.grafana.boards import FOLDER_UID
from satomori_dashboards.grafana.files import encode_boards

FOLDER_TITLE = "里守 Satomori"


def push_boards(url: str, token: str, names: Mapping[str, str]) -> list[str]:
    """Create or replace the dashboards in their folder; return their addresses.

    Raise SettingsError where Grafana refuses us, UnavailableError where it is away.
    """
    grafana = GrafanaApi.from_url(url, credential=token)
    try:
        if all(folder.get("uid") != FOLDER_UID for folder in grafana.folder.get_all_folders()):
            grafana.folder.create_folder(FOLDER_TITLE, FOLDER_UID)
        addresses = []
        for text in encode_boards(names).values():
            answer = grafana.dashboard.update_dashboard(
                {"dashboard": json.loads(text), "folderUid": FOLDER_UID, "overwrite": True}
            )
            addresses.append(url.rstrip("/") + str(answer["url"]))
    except GrafanaClientError as error:
        raise SettingsError(
            f"[grafana] {url} refuses: {error.message}; the token needs the role Editor or more"
        ) from error
    except (GrafanaException, niquests.RequestException) as error:
        raise UnavailableError(f"[grafana] {url} does not answer: {error}") from error
    return addresses
