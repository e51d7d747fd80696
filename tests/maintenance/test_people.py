"""What people do with alerts: acknowledge, judge, take it back; each is recorded."""

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_core.clock import HOUR_US
from satomori_core.errors import ConflictError, NotFoundError
from satomori_maintenance.alerts import acknowledge, judge, unacknowledge, unjudge
from satomori_maintenance.rows import FindingReader
from satomori_store.databases import writing
from satomori_store.feedback import load_known, load_steps
from satomori_store.models import Alert, AuditEntry, Feedback, Version
from support.region import BRIDGE_STRAIN, finding, make_region

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


def test_a_judgement_names_the_knob_and_who_said_it(session: Session) -> None:
    row = judge(session, 1, "false", "yamada", note="清掃中", now_us=NOW + 5)
    alert = session.get_one(Alert, 1)
    assert (row.fingerprint, row.kind, row.asset_id, row.datastream_id) == (
        alert.fingerprint, "limit", "bridge-1", BRIDGE_STRAIN,
    )  # fmt: skip
    assert (row.verdict, row.level, row.note, row.given_by, row.given_us) == ("false", 3, "清掃中", "yamada", NOW + 5)
    assert load_steps(session) == {"bridge-1": {alert.fingerprint: 1}}
    assert alert.updated_us == NOW + 5
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.user_id, entry.action, entry.detail["verdict"]) == ("yamada", "alert.feedback", "false")


def test_an_undone_judgement_stays_in_the_history_and_counts_no_more(session: Session) -> None:
    judge(session, 1, "false", "yamada", note=None, now_us=NOW)
    row = unjudge(session, 1, "suzuki", NOW + 9)
    assert (row.undone_by, row.undone_us) == ("suzuki", NOW + 9)
    assert load_steps(session) == {}
    assert len(session.scalars(select(Feedback)).all()) == 1
    assert [e.action for e in session.scalars(select(AuditEntry))] == ["alert.feedback", "alert.feedback_undone"]
    with pytest.raises(ConflictError):
        unjudge(session, 1, "suzuki", NOW + 9)


def test_another_word_takes_the_place_of_the_one_before(session: Session) -> None:
    judge(session, 1, "false", "yamada", note=None, now_us=NOW)
    with pytest.raises(ConflictError, match="yamada"):
        judge(session, 1, "false", "suzuki", note=None, now_us=NOW + 1)
    judge(session, 1, "known", "suzuki", note=None, now_us=NOW + 2)
    assert load_steps(session) == {}
    assert load_known(session) == {1: 3}
    assert [(row.verdict, row.undone_by) for row in session.scalars(select(Feedback))] == [
        ("false", "suzuki"), ("known", None),
    ]  # fmt: skip


def test_what_is_known_can_be_known_again_once_it_is_worse(session: Session) -> None:
    judge(session, 1, "known", "yamada", note=None, now_us=NOW)
    with pytest.raises(ConflictError, match="yamada"):
        judge(session, 1, "known", "suzuki", note=None, now_us=NOW + 1)
    session.get_one(Alert, 1).level = 4
    judge(session, 1, "known", "suzuki", note=None, now_us=NOW + 2)
    assert load_known(session) == {1: 4}
    session.get_one(Alert, 1).resolved_us = NOW + 3
    assert load_known(session) == {}


def test_each_word_and_each_undoing_raises_the_version_that_analytics_looks_at(session: Session) -> None:
    def said() -> int:
        return session.execute(select(Version.feedback)).scalar() or 0

    seen = [said()]
    judge(session, 1, "false", "yamada", note=None, now_us=NOW)
    seen.append(said())
    unjudge(session, 1, "yamada", NOW + 1)
    seen.append(said())
    assert seen == [seen[0], seen[0] + 1, seen[0] + 2]


def test_what_is_over_can_be_true_or_false_but_not_known(session: Session) -> None:
    session.get_one(Alert, 1).resolved_us = NOW
    with pytest.raises(ConflictError, match="over"):
        judge(session, 1, "known", "yamada", note=None, now_us=NOW)
    assert judge(session, 1, "true", "yamada", note=None, now_us=NOW).verdict == "true"
    with pytest.raises(NotFoundError):
        judge(session, 99, "true", "yamada", note=None, now_us=NOW)
