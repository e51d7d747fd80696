"""SQLAlchemy engines for SQLite and PostgreSQL, with transactions that do what they should.

On SQLite a connection begins no transaction until its first write, and that one is BEGIN IMMEDIATE: a reader never
holds a transaction, and none is ever upgraded from read to write, which SQLite refuses at once whatever the timeout.
What reads first and writes what follows from it asks for its transaction at the start, with `writing`.
"""

import contextlib
import re
import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from satomori_core.errors import SettingsError, UnavailableError

BUSY_TIMEOUT_S = 10.0
ROWS_PER_STATEMENT = 200  # SQLite takes at most 32,766 parameters in a statement
# A server that is gone without a word (a cut cable, a firewall that forgot us) is an error after 20 s or so, not after
# the hours that the system's own settings make of it. Keepalives see it where we wait for an answer.
_POSTGRES: dict[str, Any] = {
    "connect_timeout": 10,
    "tcp_user_timeout": 20_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
_READ = re.compile(
    r"\s*(SELECT|VALUES|PRAGMA|EXPLAIN|BEGIN|COMMIT|ROLLBACK|RELEASE|WITH(?!.*\b(INSERT|UPDATE|DELETE)\b))\b",
    re.IGNORECASE | re.DOTALL,
)

_DAMAGED = ("malformed", "not a database", "unsupported file format")
_BUGS = ("no such", "syntax error", "has no column", "incomplete input")
_FORBIDDEN = ("readonly database", "unable to open database", "password authentication", "does not exist")


def sqlite_engine(path: Path) -> Engine:
    """The engine of one SQLite file, whose folder is made. Raise SettingsError where that can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{path.parent}: {error.strerror}; name a folder that we may write with --state") from None
    return _with_immediate(create_engine(URL.create("sqlite", database=str(path)), connect_args=_sqlite_arguments()))


def engine_of(url: str, password: str | None = None) -> Engine:
    """The engine of `sqlite:///path` or `postgresql://user@host/database`. Connects to nothing."""
    try:
        parsed = make_url(url)
        name = parsed.get_backend_name()
        if name == "sqlite" and parsed.database:
            return sqlite_engine(Path(parsed.database))
        if name != "postgresql":
            raise SettingsError(f"[store] url {_hidden(parsed)!r}: expected sqlite:///… or postgresql://…")
        parsed = parsed.set(drivername="postgresql+psycopg", password=password or parsed.password)
        return create_engine(parsed, pool_pre_ping=True, connect_args=_POSTGRES)
    except (ArgumentError, NoSuchModuleError):
        raise SettingsError("[store] a database URL is not one: expected sqlite:///… or postgresql://…") from None


def is_sqlite(engine: Engine | Connection) -> bool:
    return engine.dialect.name == "sqlite"


@contextlib.contextmanager
def writing(engine: Engine) -> Generator[Connection]:
    """A write transaction from its first statement on: committed at the end, rolled back on any error."""
    with translated(engine), engine.connect() as connection, connection.begin():
        if is_sqlite(connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


@contextlib.contextmanager
def reading(engine: Engine) -> Generator[Connection]:
    """A connection for reading: each statement sees what is committed when it starts."""
    with translated(engine), engine.connect() as connection:
        yield connection


@contextlib.contextmanager
def translated(engine: Engine) -> Generator[None]:
    """Say UnavailableError or SettingsError for what the database's driver raises about itself."""
    try:
        yield
    except (DBAPIError, sqlite3.DatabaseError) as error:
        raise _to_ours(error, engine) from error


def _to_ours(error: DBAPIError | sqlite3.DatabaseError, engine: Engine) -> Exception:
    """Our error for the driver's, or the driver's own where it tells of a bug of ours."""
    told = str(error.orig if isinstance(error, DBAPIError) else error).strip().split("\n")[0]
    where = _hidden(engine.url)
    lower = told.lower()
    if any(word in lower for word in _DAMAGED):
        return SettingsError(f"{where}: {told}; restore this database from a copy or move it away")
    if not isinstance(error, OperationalError | InterfaceError | sqlite3.OperationalError):
        return error
    if any(word in lower for word in _FORBIDDEN):
        return SettingsError(f"{where}: {told}; check that it exists and that we may write it")
    if any(word in lower for word in _BUGS):
        return error
    return UnavailableError(f"{where}: {told}", retry_after_s=5.0 if "full" in lower else 1.0)


def insert_many(connection: Connection, statement: str, rows: Sequence[tuple[int | str, ...]]) -> None:
    """`statement` with `{rows}` after VALUES for all rows, by the driver: SQLAlchemy's own way costs ten times as much.

    On SQLite by statements of many rows: those take two thirds of the time of as many statements, and hold the
    interpreter's lock once for all rows instead of once for each.
    """
    one = f"({', '.join('?' * len(rows[0]))})"
    if not is_sqlite(connection):
        connection.exec_driver_sql(statement.format(rows=one).replace("?", "%s"), list(rows))
        return
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        some = rows[start : start + ROWS_PER_STATEMENT]
        values = tuple(value for row in some for value in row)
        connection.exec_driver_sql(statement.format(rows=", ".join([one] * len(some))), values)


def execute_many(connection: Connection, statement: str, rows: Sequence[tuple[int | str, ...]]) -> None:
    """`statement` with `?` for each row, by the driver."""
    connection.exec_driver_sql(statement if is_sqlite(connection) else statement.replace("?", "%s"), list(rows))


def advisory_lock(connection: Connection, number: int) -> None:
    """Until this transaction ends, no other one that asks for `number` passes. SQLite has one writer anyway."""
    if not is_sqlite(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def _hidden(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _sqlite_arguments() -> dict[str, Any]:
    # isolation_level=None: the driver begins nothing on its own; see _with_immediate.
    return {"timeout": BUSY_TIMEOUT_S, "isolation_level": None, "cached_statements": 256}


def _with_immediate(engine: Engine) -> Engine:
    @event.listens_for(engine, "connect")
    def _(driver: sqlite3.Connection, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            driver.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "before_cursor_execute")
    def _(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection) and not driver.in_transaction and not _READ.match(statement):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
