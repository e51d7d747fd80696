"""What people say of alerts, and what that does to an asset's sensitivity. A part of the queries."""

from collections.abc import Callable, Sequence

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_api.rows import feedback_view, is_quiet, sensitivity_view
from satomori_api.sight import Sight
from satomori_api.views import FeedbackView, SensitivityView
from satomori_maintenance import alerts as maintenance_alerts
from satomori_store import access, feedback
from satomori_store.access import Viewer
from satomori_store.feedback import Verdict
from satomori_store.models import Alert, Feedback
from satomori_store.transactions import transaction


class Judging:
    """`clock`: the present in µs."""

    def __init__(self, engine: Engine, sight: Sight, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._sight = sight
        self._clock = clock

    def judge(self, viewer: Viewer, alert_id: int, verdict: Verdict, note: str | None = None) -> FeedbackView:
        """Record what the viewer says of an alert. Raise NotFoundError, ConflictError, ForbiddenError."""
        with transaction(self._engine) as session:
            self._require(session, viewer, alert_id)
            row = maintenance_alerts.judge(
                session, alert_id, verdict, viewer.user_id, note=note or None, now_us=self._clock()
            )
            return feedback_view(row, _factor(session, row), viewer)

    def unjudge(self, viewer: Viewer, alert_id: int) -> FeedbackView:
        """Undo what was said of an alert. Raise as `judge` does."""
        with transaction(self._engine) as session:
            self._require(session, viewer, alert_id)
            row = maintenance_alerts.unjudge(session, alert_id, viewer.user_id, self._clock())
            return feedback_view(row, _factor(session, row), viewer)

    def _require(self, session: Session, viewer: Viewer, alert_id: int) -> None:
        asset_id = self._sight.alert(session, viewer, alert_id).asset_id
        access.require(viewer, "acknowledge", session, asset_id=asset_id)

    def said(self, viewer: Viewer, alert_id: int) -> list[FeedbackView]:
        """All that was said of an alert, undone or not, the newest first. Raise NotFoundError."""
        with self._sight.session() as session:
            self._sight.alert(session, viewer, alert_id)
            query = select(Feedback).where(Feedback.alert_id == alert_id)
            rows = session.scalars(query.order_by(Feedback.given_us.desc(), Feedback.id.desc())).all()
            factor = _factor(session, rows[0]) if rows else 1  # an alert has one cause
            return [feedback_view(row, factor, viewer) for row in rows]

    def sensitivity(self, viewer: Viewer, asset_id: str) -> list[SensitivityView]:
        """Where an asset's sensitivity is lowered, or a trouble of it known; the last changed first.

        Raise NotFoundError.
        """
        with self._sight.session() as session:
            self._sight.asset(session, viewer, asset_id)
            found = []
            for rows in feedback.by_cause(feedback.standing(session, asset_id)).values():
                steps = feedback.steps_of(row.verdict for row in rows)
                alert, quiet = _newest(session, rows)
                if steps or quiet is not None:
                    found.append(sensitivity_view(rows, 1 << steps, alert, quiet, viewer))
        return sorted(found, key=lambda each: -each.since_us)


def _factor(session: Session, row: Feedback) -> int:
    rows = feedback.standing(session, row.asset_id)
    return 1 << feedback.steps_of(each.verdict for each in rows if each.fingerprint == row.fingerprint)


def _newest(session: Session, rows: Sequence[Feedback]) -> tuple[Alert, Feedback | None]:
    """The newest alert of a cause that was judged, and what makes it quiet."""
    alert = session.get_one(Alert, max(row.alert_id for row in rows))
    return alert, next((row for row in rows if row.alert_id == alert.id and is_quiet(row, alert)), None)
