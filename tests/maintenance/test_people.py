"""What people do with alerts: acknowledge, take it back; each is recorded."""

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_core.clock import HOUR_US
from satomori_core.errors import ConflictError, NotFoundError
from satomori_maintenance.alerts import acknowledge, unacknowledge
from satomori_maintenance.rows import FindingReader
from satomori_store.databases import writing
from satomori_store.models import Alert, AuditEntry
from support.region import finding, make_region

NOW = 500_000 * HOUR_US


@pytest.fixture
def session(tmp_path: Path) -> Generator[Session]:
    """A session on a registry with one standing alert, number 1."""
    engine = make_region(tmp_path / "registry.sqlite")
    with writing(engine) as connection, Session(connection) as opened:
        opened.add(finding(at_us=NOW))
        opened.flush()
        FindingReader().follow(opened, NOW, 0)
        yield opened
    engine.dispose()


def test_an_acknowledgement_says_who_when_and_what_for(session: Session) -> None:
    alert = acknowledge(session, 1, "yamada", "現地へ向かう", NOW + 5)
    assert (alert.acknowledged_by, alert.acknowledged_us, alert.note) == ("yamada", NOW + 5, "現地へ向かう")
    assert alert.updated_us == NOW + 5
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.user_id, entry.action, entry.subject, entry.at_us) == (
        "yamada",
        "alert.acknowledge",
        "alert/1",
        NOW + 5,
    )
    assert entry.detail == {"note": "現地へ向かう", "level": 3}


def test_twice_is_a_conflict_that_names_the_first(session: Session) -> None:
    acknowledge(session, 1, "yamada", None, NOW)
    with pytest.raises(ConflictError, match="yamada"):
        acknowledge(session, 1, "suzuki", None, NOW)


def test_it_can_be_taken_back_once(session: Session) -> None:
    acknowledge(session, 1, "yamada", "x", NOW)
    alert = unacknowledge(session, 1, "suzuki", NOW + 9)
    assert (alert.acknowledged_us, alert.acknowledged_by, alert.note) == (None, None, None)
    assert [e.action for e in session.scalars(select(AuditEntry))] == ["alert.acknowledge", "alert.unacknowledge"]
    with pytest.raises(ConflictError):
        unacknowledge(session, 1, "suzuki", NOW + 9)


def test_what_is_not_there_is_not_found(session: Session) -> None:
    with pytest.raises(NotFoundError):
        acknowledge(session, 99, "yamada", None, NOW)


def test_what_is_over_needs_no_acknowledgement(session: Session) -> None:
    session.get_one(Alert, 1).resolved_us = NOW
    with pytest.raises(ConflictError, match="over"):
        acknowledge(session, 1, "yamada", None, NOW)
