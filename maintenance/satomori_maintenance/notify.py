"""Whether a receiver has to be told something about its group of alerts, and why: the hardest decision, pure.

After Alertmanager's `needsUpdate`. `Told` is what the last message to the receiver said, so the answer depends on
nothing that a restart forgets.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SECOND_US = 1_000_000


class Reason(StrEnum):
    """Why a message goes out."""

    FIRST = "first"
    NEW = "new"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    REPEAT = "repeat"
    EVENT = "event"  # what to look at first after one: see `first_looks`


@dataclass(frozen=True, slots=True)
class Told:
    """What a message said: the alerts that stood, with their levels, and those that were over."""

    at_us: int
    firing: Mapping[int, int] = field(default_factory=dict)
    resolved: Collection[int] = ()


def reason_to_notify(
    last: Told | None, firing: Mapping[int, int], resolved: Collection[int], repeat_us: int | None, now_us: int
) -> Reason | None:
    """Why to tell `firing` (alert → level) and `resolved` now, after `last` was told; None: nothing new.

    Only what was told as standing is told as resolved. `repeat_us`: tell again what still stands after so long;
    None: never.
    """
    if last is None or not last.firing:
        return Reason.FIRST if firing else None
    if any(alert not in last.firing for alert in firing):
        return Reason.NEW
    if any(level > last.firing[alert] for alert, level in firing.items()):
        return Reason.ESCALATED
    if any(alert in last.firing for alert in resolved):
        return Reason.RESOLVED
    if firing and repeat_us is not None and now_us - last.at_us >= repeat_us:
        return Reason.REPEAT
    return None


def retry_after_us(attempts: int, first_us: int = 10 * SECOND_US, most_us: int = 1800 * SECOND_US) -> int:
    """How long to wait after the n-th failed attempt: doubling, from 10 s to half an hour."""
    return min(first_us << min(max(attempts - 1, 0), 30), most_us)
