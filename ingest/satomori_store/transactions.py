"""Transactions on the registry database: one for each change, with a version that running parts poll."""

import contextlib
from collections.abc import Generator

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from satomori_store.databases import is_sqlite, reading, translated
from satomori_store.models import Version


@contextlib.contextmanager
def transaction(engine: Engine) -> Generator[Session]:
    """A write transaction from the start, for findings, alerts and the like: committed at the end."""
    with translated(engine), Session(engine, expire_on_commit=False) as session, session.begin():
        if is_sqlite(engine):
            session.connection().exec_driver_sql("BEGIN IMMEDIATE")
        yield session


@contextlib.contextmanager
def changing(engine: Engine) -> Generator[Session]:
    """A write transaction that changes who, where or what: it also raises the version that running parts poll."""
    with transaction(engine) as session:
        raise_version(session)
        yield session


def raise_version(session: Session) -> None:
    """Also the lock of registry changes: on PostgreSQL the second one waits at this row for the first."""
    _raise(session, "version")


def raise_feedback(session: Session) -> None:
    """Something was said of an alert, or taken back."""
    _raise(session, "feedback")


def _raise(session: Session, name: str) -> None:
    column = getattr(Version, name)
    changed = session.execute(update(Version).where(Version.id == 1).values({column: column + 1}))
    if changed.rowcount == 0:  # type: ignore[attr-defined]
        session.add(Version(**{"id": 1, "version": 0, "feedback": 0, name: 1}))
        session.flush()


def registry_version(engine: Engine) -> int:
    """Rises with every change of the registry; 0 for one that was never changed."""
    with reading(engine) as connection:
        return connection.execute(select(Version.version)).scalar() or 0


def feedback_version(engine: Engine) -> int:
    """Rises with everything that is said of an alert or taken back."""
    with reading(engine) as connection:
        return connection.execute(select(Version.feedback)).scalar() or 0
