"""Opens what the settings name: the registry, the ledger and the store of observations.

Everything is local by default: `registry.sqlite` and `observations.sqlite` (observations, ledger, changes and
quarantine together) in the state folder.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from satomori_core.errors import SettingsError
from satomori_store.databases import engine_of, is_sqlite, sqlite_engine
from satomori_store.ledger import Ledger
from satomori_store.lines import Identity
from satomori_store.lookup import load_identities
from satomori_store.port import ObservationStore
from satomori_store.schema import upgrade
from satomori_store.settings import OBSERVATIONS_FILE, StoreSettings, load_store

REGISTRY_FILE = "registry.sqlite"


def open_registry(state: Path, config: Path | None) -> Engine:
    """The registry's engine, its schema brought up to date."""
    engine = _registry_engine(state, load_store(config))
    upgrade(engine, "registry")
    return engine


def open_ledger(state: Path, config: Path | None) -> Ledger:
    """Also for those who only read what happened: it opens no observations."""
    return Ledger(_ledger_engine(state, load_store(config)))


def open_store(state: Path, config: Path | None, ledger: Ledger | None = None) -> ObservationStore:
    """Raise SettingsError. An InfluxDB that is away shows only when it is used.

    Who writes batches and asks the ledger what is known gives the one `ledger` that does both: it remembers.
    """
    settings = load_store(config)
    ledger = ledger or Ledger(_ledger_engine(state, settings))
    if settings.influxdb is not None and settings.backend == "influxdb":
        # Imported where it is wanted: the client takes long to import.
        from satomori_store.influx import InfluxStore  # noqa: PLC0415

        registry = _registry_engine(state, settings)
        upgrade(registry, "registry")
        registry.dispose()
        return InfluxStore(settings.influxdb, ledger, functools.partial(_identities, state, settings))
    from satomori_store.sqlite import SqliteStore  # noqa: PLC0415

    return SqliteStore(ledger)


def _identities(state: Path, settings: StoreSettings) -> Mapping[int, Identity]:
    """Asked for so rarely that no connection is kept for it."""
    registry = _registry_engine(state, settings)
    try:
        return load_identities(registry)
    finally:
        registry.dispose()


def _registry_engine(state: Path, settings: StoreSettings) -> Engine:
    return _engine(settings.registry_url, state / REGISTRY_FILE, settings)


def _ledger_engine(state: Path, settings: StoreSettings) -> Engine:
    if settings.backend == "sqlite":
        engine = sqlite_engine(state / OBSERVATIONS_FILE)
        upgrade(engine, "ledger", "observations")
        return engine
    engine = _engine(settings.ledger_url or settings.registry_url, state / REGISTRY_FILE, settings)
    upgrade(engine, "ledger")
    return engine


def _engine(url: str | None, file: Path, settings: StoreSettings) -> Engine:
    if url is None:
        return sqlite_engine(file)
    engine = engine_of(url, settings.database_password.reveal() if settings.database_password else None)
    if is_sqlite(engine) and settings.database_password is not None:
        raise SettingsError("[store] database_password has no meaning for SQLite; take it out")
    return engine
