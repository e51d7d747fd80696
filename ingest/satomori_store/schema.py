"""Brings a database's schema to what this version needs, by Alembic, safely when several processes start at once.

Three chains of migrations, each with its own version table, since ledger and observations lie in one SQLite file and
registry and ledger may lie in one PostgreSQL: registry, ledger, observations (SQLite only).
"""

from importlib.resources import as_file, files
from typing import Literal

from sqlalchemy import Connection, Engine, inspect, text

from satomori_core.errors import SettingsError
from satomori_store.databases import advisory_lock, reading, writing

Chain = Literal["registry", "ledger", "observations"]

# The newest migration of each chain. A test holds them to the folders.
HEADS: dict[Chain, str] = {"registry": "0009", "ledger": "0001", "observations": "0001"}
_LOCK = 5_326_001  # any number that nobody else takes an advisory lock by


def version_table(chain: Chain) -> str:
    return f"{chain}_schema"


def upgrade(engine: Engine, *chains: Chain) -> None:
    """Make or bring up to date the tables of `chains`. Raise SettingsError where a newer Satomori made them."""
    with reading(engine) as connection:
        missing = [chain for chain in chains if _version(connection, chain) != HEADS[chain]]
    if not missing:
        return
    with writing(engine) as connection:
        advisory_lock(connection, _LOCK)
        for chain in missing:
            found = _version(connection, chain)
            if found is not None and found > HEADS[chain]:
                raise SettingsError(
                    f"{engine.url.render_as_string()}: its {chain} schema is {found}, made by a newer Satomori "
                    f"than this one, which knows {HEADS[chain]}; install that version"
                )
            if found != HEADS[chain]:
                _run(connection, chain)


def _version(connection: Connection, chain: Chain) -> str | None:
    table = version_table(chain)
    if not inspect(connection).has_table(table):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {table}")).scalar()  # noqa: S608 - our own constant
    return None if found is None else str(found)


def _run(connection: Connection, chain: Chain) -> None:
    # Imported when there is something to do: Alembic takes long to import, and a start is rarely the first one.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    with as_file(files(__package__) / "migrations") as folder:
        config = Config()
        config.set_main_option("path_separator", "newline")
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.set_main_option("version_locations", str(folder / chain).replace("%", "%%"))
        config.attributes["connection"] = connection
        config.attributes["version_table"] = version_table(chain)
        command.upgrade(config, "head")
