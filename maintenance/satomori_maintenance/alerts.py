"""What people do with alerts: acknowledge them, or take that back. For the API and the console.

The caller has already decided by `satomori_store.access` that the user may; these functions record who did it.
"""

from typing import Any

from sqlalchemy.orm import Session

from satomori_core.errors import ConflictError, NotFoundError
from satomori_store.models import Alert, AuditEntry


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


def _standing(session: Session, alert_id: int) -> Alert:
    alert = session.get(Alert, alert_id, with_for_update=True)
    if alert is None:
        raise NotFoundError(f"there is no alert {alert_id}")
    if alert.resolved_us is not None:
        raise ConflictError(f"alert {alert_id} is already over")
    return alert


def _entry(alert: Alert, user_id: str, action: str, detail: dict[str, Any], now_us: int) -> AuditEntry:
    return AuditEntry(at_us=now_us, user_id=user_id, action=action, subject=f"alert/{alert.id}", detail=detail)
