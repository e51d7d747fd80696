"""Which message goes to which receiver now. Pure: alerts and what was last told in, plans out.

Alerts are grouped by organisation × municipality × receiver. As in Alertmanager, a group's first message waits
`group_wait` for companions, later ones keep `group_interval` apart, and what stands is told again each
`repeat_interval`. Two things differ: an end is told only when it has lasted for `hold`, so that what flickers is told
once; and a danger never waits for `group_interval`, only `group_wait` since the last message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from satomori_core.vocabulary import Level
from satomori_maintenance.notify import Reason, Told, reason_to_notify


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert of one group, as far as telling goes.

    `weight`: the worst level among it and what it explains, so that a faulty sensor that hides a danger is as loud as
    the danger. `changed_us`: when we learned of its last change, its end included. `known`: somebody knows it as it is,
    so it is kept quiet.
    """

    alert_id: int
    level: int
    weight: int
    opened_us: int
    changed_us: int
    resolved: bool = False
    explained: bool = False
    acknowledged: bool = False
    known: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait; see the module's text. `repeat_interval_us` None: never repeat."""

    group_wait_us: int
    group_interval_us: int
    repeat_interval_us: int | None
    hold_us: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One message: why, what stands (alert → level) and what is over."""

    reason: Reason
    firing: Mapping[int, int]
    resolved: Sequence[int]


def plan(last: Told | None, alerts: Sequence[Standing], min_level: int, timing: Timing, now_us: int) -> Plan | None:
    """What to tell one receiver about one group now, or None."""
    told = dict(last.firing) if last else {}
    firing: dict[int, int] = {}
    resolved: list[int] = []
    waiting: list[Standing] = []
    for alert in alerts:
        heard = alert.alert_id in told
        if alert.resolved:
            if heard and now_us - alert.changed_us >= timing.hold_us:
                resolved.append(alert.alert_id)
            elif heard:
                firing[alert.alert_id] = told[alert.alert_id]
        elif alert.explained or alert.known:
            if heard:
                firing[alert.alert_id] = told[alert.alert_id]
        elif heard or alert.weight >= min_level:
            firing[alert.alert_id] = max(alert.weight, told.get(alert.alert_id, 0))
            if alert.weight > told.get(alert.alert_id, -1):
                waiting.append(alert)
    unseen = any(not (a.resolved or a.explained or a.known or a.acknowledged) and a.alert_id in firing for a in alerts)
    repeat_us = timing.repeat_interval_us if unseen else None
    reason = reason_to_notify(last, firing, resolved, repeat_us, now_us)
    if reason is None or now_us < _due_us(reason, last, waiting, timing):
        return None
    return Plan(reason, firing, resolved)


def _due_us(reason: Reason, last: Told | None, waiting: Sequence[Standing], timing: Timing) -> int:
    """From when on the message may go out."""
    if reason is Reason.REPEAT:
        return 0
    after_wait = min((a.opened_us for a in waiting), default=0) + timing.group_wait_us
    if reason is Reason.FIRST or last is None:
        return after_wait
    urgent = any(a.weight >= Level.DANGER for a in waiting)
    return last.at_us + (timing.group_wait_us if urgent else timing.group_interval_us)
