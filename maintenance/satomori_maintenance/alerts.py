"""What people do with alerts: acknowledge and judge them, or take that back. For the API and the console.

The caller has already decided by `satomori_store.access` that the user may; these functions record who did it.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_core.errors import ConflictError, NotFoundError
from satomori_store.feedback import Verdict
from satomori_store.models import Alert, AuditEntry, Feedback, Finding
from satomori_store.transactions import raise_feedback


def acknowledge(session: Session, alert_id: int, user_id: str, note: str | None, now_us: int) -> Alert:
    """Record that `user_id` has seen the alert and takes care of it; it is not told again unless it gets worse.

    Raise NotFoundError for no such alert, ConflictError for one that is over or already acknowledged. Does not commit.
    """
    alert = _standing(session, alert_id)
    if alert.acknowledged_us is not None:
        raise ConflictError(f"alert {alert_id} has already been acknowledged by {alert.acknowledged_by}")
    alert.acknowledged_us = alert.updated_us = now_us
    alert.acknowledged_by = user_id
    alert.note = note
    session.add(_entry(alert, user_id, "alert.acknowledge", {"note": note, "level": alert.level}, now_us))
    session.flush()
    return alert


def unacknowledge(session: Session, alert_id: int, user_id: str, now_us: int) -> Alert:
    """Take an acknowledgement back. Raise as `acknowledge` does; ConflictError where there is none."""
    alert = _standing(session, alert_id)
    if alert.acknowledged_us is None:
        raise ConflictError(f"alert {alert_id} has not been acknowledged")
    detail = {"acknowledged_by": alert.acknowledged_by, "note": alert.note}
    alert.acknowledged_us = alert.acknowledged_by = alert.note = None
    alert.updated_us = now_us
    session.add(_entry(alert, user_id, "alert.unacknowledge", detail, now_us))
    session.flush()
    return alert


def judge(
    session: Session, alert_id: int, verdict: Verdict, user_id: str, *, note: str | None, now_us: int
) -> Feedback:
    """Record what `user_id` says of the alert; it takes the place of what was said before.

    `false` and `true` may be said of an alert that is over too. Raise NotFoundError for no such alert, ConflictError
    where the same has been said already (`known` may be said again of what got worse), and for `known` of one that is
    over. Does not commit.
    """
    alert = _existing(session, alert_id) if verdict != "known" else _standing(session, alert_id)
    before = _judged(session, alert_id)
    worse = verdict == "known" and before is not None and alert.level > before.level
    if before is not None and before.verdict == verdict and not worse:
        raise ConflictError(f"alert {alert_id} has already been judged {verdict!r} by {before.given_by}")
    if before is not None:
        before.undone_by, before.undone_us = user_id, now_us
    finding = session.get_one(Finding, alert.finding_id)
    row = Feedback(
        alert_id=alert.id, asset_id=alert.asset_id, fingerprint=alert.fingerprint, kind=finding.kind,
        detector=finding.detector, datastream_id=finding.datastream_id, level=alert.level, verdict=verdict, note=note,
        given_by=user_id, given_us=now_us,
    )  # fmt: skip
    session.add(row)
    raise_feedback(session)
    alert.updated_us = now_us
    detail = {"verdict": verdict, "note": note, "fingerprint": alert.fingerprint, "level": alert.level}
    session.add(_entry(alert, user_id, "alert.feedback", detail, now_us))
    session.flush()
    return row


def unjudge(session: Session, alert_id: int, user_id: str, now_us: int) -> Feedback:
    """Undo what was said of the alert; the row stays as history. Raise NotFoundError, ConflictError where nothing was.

    Does not commit.
    """
    alert, row = _existing(session, alert_id), _judged(session, alert_id)
    if row is None:
        raise ConflictError(f"alert {alert_id} has not been judged")
    row.undone_by, row.undone_us = user_id, now_us
    raise_feedback(session)
    alert.updated_us = now_us
    detail = {"verdict": row.verdict, "given_by": row.given_by, "fingerprint": row.fingerprint}
    session.add(_entry(alert, user_id, "alert.feedback_undone", detail, now_us))
    session.flush()
    return row


def _judged(session: Session, alert_id: int) -> Feedback | None:
    return session.scalar(select(Feedback).where(Feedback.alert_id == alert_id, Feedback.undone_us.is_(None)))


def _existing(session: Session, alert_id: int) -> Alert:
    alert = session.get(Alert, alert_id, with_for_update=True)
    if alert is None:
        raise NotFoundError(f"there is no alert {alert_id}")
    return alert


def _standing(session: Session, alert_id: int) -> Alert:
    alert = _existing(session, alert_id)
    if alert.resolved_us is not None:
        raise ConflictError(f"alert {alert_id} is already over")
    return alert


def _entry(alert: Alert, user_id: str, action: str, detail: dict[str, Any], now_us: int) -> AuditEntry:
    return AuditEntry(at_us=now_us, user_id=user_id, action=action, subject=f"alert/{alert.id}", detail=detail)
