"""An alert's life: opened, worse, over, taken up again, historical."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from satomori_core.clock import HOUR_US, MINUTE_US, SECOND_US
from satomori_core.vocabulary import Cause, Level, Priority
from satomori_maintenance.alert import AlertState, Event, FindingState, follow

HOLD = 10 * MINUTE_US
NOW = 1_000 * HOUR_US

FINDING = FindingState(
    id=1,
    fingerprint="limit/bridge-1/strain",
    cause=Cause.ASSET,
    asset_id="bridge-1",
    organisation_id="town-a",
    level=Level.WARNING,
    since_us=NOW - MINUTE_US,
    until_us=None,
    historical=False,
    text_ja="たわみ",
    text_en="deflection",
)


def opened(finding: FindingState = FINDING, now_us: int = NOW) -> AlertState:
    alert, event = follow(None, finding, now_us, HOLD)
    assert alert is not None
    assert event is Event.OPENED
    return replace(alert, id=7)


def test_a_finding_opens_an_alert_with_its_priority() -> None:
    alert = opened()
    assert (alert.priority, alert.level, alert.opened_us, alert.resolved_us) == (
        Priority.MEDIUM,
        Level.WARNING,
        NOW,
        None,
    )


def test_the_same_finding_again_changes_nothing() -> None:
    assert follow(opened(), FINDING, NOW + SECOND_US, HOLD) == (None, None)


def test_worse_is_an_escalation_and_takes_the_acknowledgement_back() -> None:
    seen = replace(opened(), acknowledged_us=NOW, acknowledged_by="yamada", note="見に行く")
    alert, event = follow(seen, replace(FINDING, level=Level.DANGER), NOW + MINUTE_US, HOLD)
    assert event is Event.ESCALATED
    assert alert is not None
    assert (alert.level, alert.priority, alert.acknowledged_us, alert.note) == (Level.DANGER, Priority.HIGH, None, None)


def test_milder_keeps_the_acknowledgement_and_is_no_event() -> None:
    seen = replace(opened(), acknowledged_us=NOW, acknowledged_by="yamada")
    alert, event = follow(seen, replace(FINDING, level=Level.WATCH), NOW + MINUTE_US, HOLD)
    assert event is None
    assert alert is not None
    assert (alert.level, alert.acknowledged_by) == (Level.WATCH, "yamada")


def test_it_is_over_when_its_finding_ends() -> None:
    alert, event = follow(opened(), replace(FINDING, until_us=NOW + MINUTE_US), NOW + 2 * MINUTE_US, HOLD)
    assert event is Event.RESOLVED
    assert alert is not None
    assert alert.resolved_us == NOW + MINUTE_US


def test_a_finding_that_is_open_again_after_late_data_reopens_the_alert() -> None:
    over = replace(opened(), resolved_us=NOW + MINUTE_US)
    alert, event = follow(over, FINDING, NOW + 2 * MINUTE_US, HOLD)
    assert event is Event.REOPENED
    assert alert is not None
    assert alert.resolved_us is None


def test_the_cause_back_within_the_hold_time_is_the_same_alert() -> None:
    over = replace(opened(), resolved_us=NOW + MINUTE_US)
    again = replace(FINDING, id=2, since_us=NOW + MINUTE_US + HOLD - 1)
    alert, event = follow(over, again, again.since_us, HOLD)
    assert event is Event.REOPENED
    assert alert is not None
    assert (alert.id, alert.finding_id, alert.since_us, alert.resolved_us) == (7, 2, FINDING.since_us, None)


def test_the_cause_back_after_the_hold_time_is_a_new_alert() -> None:
    over = replace(opened(), resolved_us=NOW + MINUTE_US)
    again = replace(FINDING, id=2, since_us=NOW + MINUTE_US + HOLD)
    alert, event = follow(over, again, again.since_us, HOLD)
    assert event is Event.OPENED
    assert alert is not None
    assert alert.id is None


def test_an_earlier_spell_of_a_merged_alert_seen_again_changes_nothing() -> None:
    """A restart reads findings again; the first spell must not end what the second one holds open."""
    merged = replace(opened(), finding_id=2)
    assert follow(merged, replace(FINDING, until_us=NOW), NOW + HOUR_US, HOLD) == (None, None)


def test_what_old_data_show_is_historical_and_closed_from_the_start() -> None:
    old = replace(FINDING, since_us=NOW - 500 * HOUR_US, historical=True)
    for finding in (old, replace(old, until_us=NOW - 400 * HOUR_US)):
        alert = opened(finding)
        assert alert.historical
        assert alert.resolved_us is not None
        assert alert.opened_us == old.since_us


def test_what_old_data_began_and_fresh_data_show_is_opened_now() -> None:
    old = opened(replace(FINDING, since_us=NOW - 50 * HOUR_US, historical=True))
    alert, event = follow(old, replace(FINDING, since_us=NOW - 50 * HOUR_US), NOW, HOLD)
    assert event is Event.OPENED
    assert alert is not None
    assert (alert.id, alert.historical, alert.resolved_us, alert.opened_us) == (7, False, None, NOW)


def test_late_data_never_close_a_live_alert() -> None:
    """A historical finding of the same cause is a record of its own."""
    old = replace(FINDING, id=9, since_us=NOW - 500 * HOUR_US, until_us=NOW - 499 * HOUR_US, historical=True)
    alert, event = follow(opened(), old, NOW, HOLD)
    assert event is Event.OPENED
    assert alert is not None
    assert (alert.id, alert.historical) == (None, True)


findings = st.builds(
    FindingState,
    id=st.integers(1, 4),
    fingerprint=st.just("f"),
    cause=st.just(Cause.ASSET),
    asset_id=st.just("a"),
    organisation_id=st.just("o"),
    level=st.sampled_from([Level.WATCH, Level.WARNING, Level.DANGER]),
    since_us=st.integers(NOW, NOW + 3 * HOLD),
    until_us=st.none() | st.integers(NOW + 3 * HOLD, NOW + 4 * HOLD),
    historical=st.booleans(),
)


@given(st.lists(findings, max_size=12))
def test_following_is_idempotent_and_never_resolves_by_itself(seen: list[FindingState]) -> None:
    """Seen twice is seen once; an alert is over exactly when its finding is; a historical one is never open."""
    alert: AlertState | None = None
    for number, finding in enumerate(seen):
        after, _ = follow(alert, finding, NOW + number, HOLD)
        if after is None:
            continue
        alert = replace(after, id=after.id or number + 1)
        assert follow(alert, finding, NOW + number + 1, HOLD) == (None, None)
        assert alert.finding_id == finding.id
        assert (alert.resolved_us is None) == (finding.until_us is None and not finding.historical)
        assert not (alert.historical and alert.resolved_us is None)
