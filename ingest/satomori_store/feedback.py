"""What people's words about alerts add up to: how far the sensitivity to a cause is lowered, and what is known already.

A cause is a finding's fingerprint: one detector, limit or check on one series of one asset. All follows from the
judgements that stand, so an undone one leaves no trace but its row.
"""

from collections.abc import Iterable
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_store.models import Alert, Feedback

Verdict = Literal["true", "false", "known"]
# Our own choice. Halving is the least step that people notice: with a budget of one false alarm a month it is one in
# two months. Three steps at most, since with an eighth of it a fault that lasts is still found, only later.
STEPS_MOST = 3


def steps_of(verdicts: Iterable[str]) -> int:
    """How often sensitivity is halved after these, in order of time: false one more, true one less, 0 to STEPS_MOST."""
    steps = 0
    for verdict in verdicts:
        if verdict == "false":
            steps = min(steps + 1, STEPS_MOST)
        elif verdict == "true":
            steps = max(steps - 1, 0)
    return steps


def standing(session: Session, asset_id: str | None = None) -> list[Feedback]:
    """Judgements that are not undone, in order of time; of one asset, or all."""
    query = select(Feedback).where(Feedback.undone_us.is_(None))
    if asset_id is not None:
        query = query.where(Feedback.asset_id == asset_id)
    return list(session.scalars(query.order_by(Feedback.given_us, Feedback.id)))


def by_cause(rows: Iterable[Feedback]) -> dict[str, list[Feedback]]:
    """Fingerprint → its rows, in the same order."""
    found: dict[str, list[Feedback]] = {}
    for row in rows:
        found.setdefault(row.fingerprint, []).append(row)
    return found


def load_steps(session: Session) -> dict[str, dict[str, int]]:
    """Asset → fingerprint → how often its sensitivity is halved; without what is as the playbook says."""
    found: dict[str, dict[str, int]] = {}
    for fingerprint, rows in by_cause(standing(session)).items():
        steps = steps_of(row.verdict for row in rows)
        if steps:
            found.setdefault(rows[0].asset_id, {})[fingerprint] = steps
    return found


def load_known(session: Session) -> dict[int, int]:
    """Alert that stands → the level at which somebody said that it is known already."""
    query = select(Feedback.alert_id, Feedback.level).join(Alert, Alert.id == Feedback.alert_id)
    known = (Alert.resolved_us.is_(None), Feedback.verdict == "known", Feedback.undone_us.is_(None))
    return dict(session.execute(query.where(*known)).all())
