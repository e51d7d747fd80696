"""What only the SQLite store has: one transaction, a full disk, a lock that others hold."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text

from satomori_core.errors import SettingsError, UnavailableError
from satomori_core.vocabulary import SequenceState
from satomori_store import databases
from satomori_store.databases import reading, sqlite_engine, writing
from satomori_store.ledger import Ledger
from satomori_store.opening import open_ledger, open_registry, open_store
from satomori_store.port import Batch, LedgerEntry, QcMark, Rows
from satomori_store.schema import upgrade
from satomori_store.sqlite import SqliteStore

BATCH = Batch(
    Rows.of([(1, n, float(n), 1) for n in range(1000)]),
    5,
    [LedgerEntry("s", "gw", 1, 1000, SequenceState.STORED)],
    {("s", 1): 1000},
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_S", 0.05)
    engine = sqlite_engine(tmp_path / "observations.sqlite")
    upgrade(engine, "ledger", "observations")
    return SqliteStore(Ledger(engine))


def test_a_full_disk_keeps_the_batch_and_it_is_stored_when_there_is_room(store: SqliteStore) -> None:
    """The whole batch or nothing of it: no row without its ledger entry."""
    ledger = store._ledger

    @event.listens_for(ledger.engine, "checkout")
    def _(driver: sqlite3.Connection, *_: object) -> None:
        driver.execute(f"PRAGMA max_page_count = {pages}")

    pages = 20
    with pytest.raises(UnavailableError, match="full") as caught:
        store.write(BATCH)
    assert caught.value.retry_after_s > 1
    assert store.count([1]) == {1: 0}
    assert ledger.known("s", [(1, 1000)]) == []
    pages = 2**30
    assert store.write(BATCH).accepted == 1000
    assert store.count([1]) == {1: 1000}
    assert ledger.known("s", [(1, 1000)]) == [(1, 1000)]


def test_a_lock_that_another_process_holds_is_waited_for_then_told(store: SqliteStore, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "observations.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for attempt in (lambda: store.write(BATCH), lambda: store.write_qc([QcMark(1, 1, 4)])):
        with pytest.raises(UnavailableError, match="locked"):
            attempt()
    assert store.count([1]) == {1: 0}
    other.execute("ROLLBACK")
    assert store.write(BATCH).accepted == 1000
    other.close()


def test_a_reader_holds_no_transaction(store: SqliteStore) -> None:
    """A connection that has read, and is kept, keeps nobody from writing and sees what is new."""
    with reading(store._ledger.engine) as connection:
        count = text("SELECT COUNT(*) FROM observation")
        assert connection.execute(count).scalar() == 0
        store.write(BATCH)
        assert connection.execute(count).scalar() == 1000
        connection.execute(text("DELETE FROM observation"))
        connection.rollback()
    assert store.count([1]) == {1: 1000}


def test_a_write_transaction_is_whole(store: SqliteStore) -> None:
    engine: Engine = store._ledger.engine

    def break_off() -> None:
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO status VALUES ('alert', '1', 1, '{}')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM status")).scalar() == 0
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite").write_bytes(b"not a database at all, but long enough to look like one" * 100)
    with pytest.raises(SettingsError, match=r"registry\.sqlite.*restore"):
        open_registry(tmp_path, None)


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(SettingsError, match="--state"):
        open_registry(tmp_path / "file" / "state", None)


def test_what_is_opened_twice_is_one(tmp_path: Path) -> None:
    store, ledger = open_store(tmp_path, None), open_ledger(tmp_path, None)
    store.write(BATCH)
    assert ledger.known("s", [(1, 2000)]) == [(1, 1000)]
    store.close()
    ledger.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('backend = "influxdb"', r"\[store.influxdb\]"),
        ('backend = "mysql"', "backend"),
        ('ledger_url = "sqlite:///x.sqlite"', "ledger_url stands only with"),
        ('registry_url = "mysql://x"', "expected sqlite:///"),
        ('registry_url = "nonsense"', "expected sqlite:///"),
        ('influxdb = { urll = "x" }', "did you mean 'url'"),
    ],
)
def test_settings_that_can_not_be_are_told(tmp_path: Path, settings: str, words: str) -> None:
    config = tmp_path / "satomori.toml"
    config.write_text(f"[store]\n{settings}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=words):
        open_registry(tmp_path / "state", config)


def test_a_database_server_that_is_away_is_told(tmp_path: Path) -> None:
    config = tmp_path / "satomori.toml"
    config.write_text('[store]\nregistry_url = "postgresql://u@127.0.0.1:1/x"\n', encoding="utf-8")
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
        open_registry(tmp_path / "state", config)
