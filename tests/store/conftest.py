"""Stores, registries and ledgers for tests: SQLite in a folder, and the real servers, started once."""

from collections.abc import Generator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from satomori_store.databases import engine_of, sqlite_engine
from satomori_store.influx import InfluxStore
from satomori_store.ledger import Ledger
from satomori_store.schema import upgrade
from satomori_store.sqlite import SqliteStore
from support.influx import Influx, influx_server
from support.postgres import Postgres, postgres_server
from support.stores import IDENTITIES, StoreUnderTest

_numbers = count(1)


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Generator[Influx]:
    with influx_server(tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Generator[Postgres]:
    with postgres_server() as server:
        yield server


KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)]


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Engine]:
    """An empty database of either kind."""
    yield from _database(request, tmp_path)


@pytest.fixture(scope="module", params=KINDS)
def module_registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Engine]:
    """An empty registry of either kind for all tests of a module."""
    for engine in _database(request, tmp_path_factory.mktemp("registry")):
        upgrade(engine, "registry")
        yield engine


def _database(request: pytest.FixtureRequest, folder: Path) -> Generator[Engine]:
    if request.param == "sqlite":
        engine = sqlite_engine(folder / "database.sqlite")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        engine = engine_of(server.create(f"test{next(_numbers)}"))
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(database: Engine) -> Ledger:
    upgrade(database, "ledger")
    return Ledger(database)


@pytest.fixture
def registry(database: Engine) -> Engine:
    upgrade(database, "registry")
    return database


@pytest.fixture(params=["sqlite", pytest.param("influxdb", marks=pytest.mark.servers)])
def tested(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[StoreUnderTest]:
    """A store of either kind that holds nothing, with its ledger."""
    engine = sqlite_engine(tmp_path / "observations.sqlite")
    upgrade(engine, "ledger", "observations")
    ledger = Ledger(engine)
    if request.param == "sqlite":
        result = StoreUnderTest(SqliteStore(ledger), ledger)
    else:
        server: Influx = request.getfixturevalue("influx")
        database = f"test{next(_numbers)}"
        fresh = Influx(server.url, server.server_url, database, server.folder, server.process)
        fresh.query(f'CREATE DATABASE "{database}"')
        result = StoreUnderTest(InfluxStore(fresh.settings(), ledger, lambda: IDENTITIES), ledger, fresh)
    yield result
    result.store.close()
