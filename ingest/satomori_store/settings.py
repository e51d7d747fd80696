"""The [store] table: which databases hold the registry, the ledger and the observations. Connects to nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from satomori_core.errors import SettingsError
from satomori_core.settings import Secret, load_settings

OBSERVATIONS_FILE = "observations.sqlite"


@dataclass(frozen=True, slots=True)
class InfluxSettings:
    """`database`: the database on 1.x, the bucket on 2.x, the database on 3.x. `token`: on 1.x `user:password`.

    `gzip`: compress what is sent; worth its time on a slow line only.
    """

    url: str
    database: str = "satomori"
    org: str = "satomori"
    token: Secret | None = None
    ca_file: Path | None = None
    timeout_s: float = 15.0
    gzip: bool = False


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The [store] table.

    `registry_url`, `ledger_url`: `postgresql://user@host/database`; without them SQLite files in the state folder.
    The ledger lies beside the observations with the SQLite backend, else with the registry unless told otherwise.
    """

    backend: Literal["sqlite", "influxdb"] = "sqlite"
    registry_url: str | None = None
    ledger_url: str | None = None
    database_password: Secret | None = None
    influxdb: InfluxSettings | None = None


def load_store(config: Path | None) -> StoreSettings:
    """Raise SettingsError for what contradicts itself. Connects to nothing."""
    settings = load_settings(config, "store", StoreSettings)
    if settings.backend == "influxdb" and settings.influxdb is None:
        raise SettingsError(f'{config}: [store] backend is "influxdb", so [store.influxdb] with its url is needed')
    if settings.backend == "sqlite" and settings.ledger_url is not None:
        raise SettingsError(
            f"{config}: [store] ledger_url stands only with the influxdb backend; with sqlite the ledger lies in "
            f"{OBSERVATIONS_FILE}, so that a batch and its ledger entry commit together"
        )
    return settings
