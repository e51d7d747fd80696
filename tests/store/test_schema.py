"""Migrations make what the models say, on both databases, also when several processes start at once."""

import multiprocessing
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from satomori_core.errors import SettingsError
from satomori_store import ledger_tables, models, schema
from satomori_store.databases import reading, writing
from satomori_store.registry import registry_version
from satomori_store.schema import HEADS, Chain, upgrade
from support.stores import open_all


@pytest.mark.parametrize("chain", list(HEADS))
def test_the_newest_migration_is_the_one_that_is_asked_for(chain: Chain) -> None:
    folder = files(schema.__package__) / "migrations" / chain
    assert max(file.name for file in folder.iterdir() if file.name.startswith("v")) == f"v{HEADS[chain]}.py"


@pytest.mark.parametrize("chain", ["registry", "ledger"])
def test_migrations_make_what_the_models_say(database: Engine, chain: Chain) -> None:
    upgrade(database, chain)
    metadata = {"registry": models.Base.metadata, "ledger": ledger_tables.metadata}[chain]
    with reading(database) as connection:
        options = {"compare_type": True, "version_table": schema.version_table(chain)}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_registry_and_ledger_share_a_database(database: Engine) -> None:
    upgrade(database, "registry")
    upgrade(database, "ledger")
    upgrade(database, "registry", "ledger")
    assert registry_version(database) == 0


def test_a_newer_schema_is_left_alone(database: Engine) -> None:
    upgrade(database, "ledger")
    with writing(database) as connection:
        connection.execute(text("UPDATE ledger_schema SET version_num = '9999'"))
    with pytest.raises(SettingsError, match=r"9999.*newer Satomori"):
        upgrade(database, "ledger")


def test_several_processes_may_open_new_state_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=open_all, args=(str(tmp_path / "state"),)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
