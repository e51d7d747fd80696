"""An alert's life, as pure functions: opened by a finding, changed by it, resolved by its end, taken up again.

One alert stands for one cause (the finding's fingerprint). A cause that returns within the hold time after its end
is the same alert again, so that what flickers is one line in the inbox. Whether an alert is resolved is its
finding's end and nothing else. What was found in old data is recorded as historical and closed from the start.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from satomori_core.vocabulary import PRIORITY_OF_LEVEL, Cause, Level, Priority


class Event(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    REOPENED = "reopened"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class FindingState:
    """A finding as alerts see it; names and meaning are those of `satomori_store.models.Finding`."""

    id: int
    fingerprint: str
    cause: Cause
    asset_id: str
    organisation_id: str
    level: Level
    since_us: int
    until_us: int | None
    historical: bool
    text_ja: str = ""
    text_en: str = ""
    advice_ja: str = ""
    advice_en: str = ""


@dataclass(frozen=True, slots=True)
class AlertState:
    """An alert as it stands; names and meaning are those of `satomori_store.models.Alert`. `id` None: not stored."""

    id: int | None
    fingerprint: str
    finding_id: int
    cause: Cause
    asset_id: str
    organisation_id: str
    level: Level
    priority: Priority
    since_us: int
    opened_us: int
    updated_us: int
    resolved_us: int | None = None
    acknowledged_us: int | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    historical: bool = False
    text_ja: str = ""
    text_en: str = ""
    advice_ja: str = ""
    advice_en: str = ""


def priority_of(level: int) -> Priority:
    """The alarm priority of a level; what is below WATCH is low."""
    return PRIORITY_OF_LEVEL.get(Level(level), Priority.LOW)


def follow(
    alert: AlertState | None, finding: FindingState, now_us: int, hold_us: int
) -> tuple[AlertState | None, Event | None]:
    """The alert after `finding` was seen, and what that means for it; None where nothing has to be stored.

    `alert` is the one that stands for this very finding, else the newest of the same fingerprint, else None.
    """
    if alert is None:
        return _open(finding, now_us)
    if alert.finding_id == finding.id:
        return _update(alert, finding, now_us)
    if finding.id < alert.finding_id and finding.since_us >= alert.since_us:
        return None, None  # an earlier spell of the same alert, seen again
    if _is_same_again(alert, finding, hold_us):
        merged, event = _update(replace(alert, finding_id=finding.id), finding, now_us)
        return merged or replace(alert, finding_id=finding.id, updated_us=now_us), event
    return _open(finding, now_us)


def _is_same_again(alert: AlertState, finding: FindingState, hold_us: int) -> bool:
    """Whether the new finding continues the alert: it is still open, or ended less than the hold time before."""
    if alert.historical != finding.historical or finding.since_us < alert.since_us:
        return False
    return alert.resolved_us is None or finding.since_us - alert.resolved_us < hold_us


def _end_of(finding: FindingState) -> int | None:
    """When it ended. A historical finding counts as ended even where its data end with the trouble still there."""
    if finding.until_us is None and finding.historical:
        return finding.since_us
    return finding.until_us


def _open(finding: FindingState, now_us: int) -> tuple[AlertState, Event]:
    opened_us = finding.since_us if finding.historical else now_us
    alert = AlertState(
        id=None,
        fingerprint=finding.fingerprint,
        finding_id=finding.id,
        cause=finding.cause,
        asset_id=finding.asset_id,
        organisation_id=finding.organisation_id,
        level=finding.level,
        priority=priority_of(finding.level),
        since_us=finding.since_us,
        opened_us=opened_us,
        updated_us=now_us,
        resolved_us=_end_of(finding),
        historical=finding.historical,
        text_ja=finding.text_ja,
        text_en=finding.text_en,
        advice_ja=finding.advice_ja,
        advice_en=finding.advice_en,
    )
    return alert, Event.OPENED


def _update(alert: AlertState, finding: FindingState, now_us: int) -> tuple[AlertState | None, Event | None]:
    changed = replace(
        alert,
        level=finding.level,
        priority=priority_of(finding.level),
        organisation_id=finding.organisation_id,
        since_us=min(alert.since_us, finding.since_us),
        resolved_us=_end_of(finding),
        historical=alert.historical and finding.historical,
        text_ja=finding.text_ja,
        text_en=finding.text_en,
        advice_ja=finding.advice_ja,
        advice_en=finding.advice_en,
    )
    if changed == alert:
        return None, None
    changed = replace(changed, updated_us=now_us)
    if alert.historical and not changed.historical:
        # What old data began has been met in fresh ones: from now on people are told.
        return replace(changed, opened_us=now_us), Event.OPENED
    if changed.resolved_us is not None:
        return changed, Event.RESOLVED if alert.resolved_us is None else None
    if changed.level > alert.level:
        # An acknowledgement holds for what was seen; a worse level has to be seen again (ISA-18.2, recalled).
        return replace(changed, acknowledged_us=None, acknowledged_by=None, note=None), Event.ESCALATED
    return changed, Event.REOPENED if alert.resolved_us is not None else None
