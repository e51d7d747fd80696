"""The alarm report: how much people were asked to look at, against EEMUA 191 and ISA-18.2. Pure.

The figures (recalled from the standards through secondary texts, not checked in them): at most 1 new alarm per 10
minutes and operator in steady state; a flood is more than 10 in 10 minutes; priorities about 80/15/5 % low/medium/high;
an alarm chatters at 3 or more transitions within a minute; one that stands for more than 24 h is standing (stale).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from satomori_core.clock import DAY_US, MINUTE_US
from satomori_core.vocabulary import Priority

WINDOW_US = 10 * MINUTE_US
RATE_MAX = 1.0
FLOOD_ABOVE = 10
CHATTER_TRANSITIONS = 3
STANDING_US = DAY_US
SHARES = {Priority.LOW: 0.80, Priority.MEDIUM: 0.15, Priority.HIGH: 0.05}
# The 80/15/5 split is a guide, not a limit: as many points off it still count as kept.
SHARE_TOLERANCE = 0.10
BAD_ACTORS_MAX = 10


@dataclass(frozen=True, slots=True)
class Told:
    """An alert that people were shown: opened, over (or not yet), how urgent."""

    fingerprint: str
    asset_id: str
    priority: Priority
    opened_us: int
    resolved_us: int | None


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the report; `met` None: there is no target."""

    name: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None
    detail: str = ""


def alarm_report(
    alerts: Iterable[Told], spells: Iterable[tuple[str, int, int | None]], from_us: int, until_us: int, crews: int
) -> list[dict[str, object]]:
    """Rows of name, value, unit, target, met, detail. `spells`: (fingerprint, since, until) of findings."""
    alerts = [a for a in alerts if from_us <= a.opened_us < until_us]
    measures = [
        *_rates([a.opened_us for a in alerts], from_us, until_us, crews),
        *_priorities(alerts),
        _chattering(spells, from_us, until_us),
        _standing(alerts, until_us),
        *_bad_actors(alerts),
    ]
    return [asdict(measure) for measure in measures]


def _rates(opened_us: Sequence[int], from_us: int, until_us: int, crews: int) -> list[Measure]:
    windows = max(1, -(-(until_us - from_us) // WINDOW_US))
    counts = Counter((at - from_us) // WINDOW_US for at in opened_us)
    rate = len(opened_us) / windows / crews
    peak = max(counts.values(), default=0)
    floods = sum(1 for count in counts.values() if count > FLOOD_ABOVE * crews)
    return [
        Measure("alerts", len(opened_us), "1"),
        Measure("rate", round(rate, 4), "1/10min/crew", f"≤ {RATE_MAX:g}", rate <= RATE_MAX),
        Measure("peak", peak, "1/10min", f"≤ {FLOOD_ABOVE * crews}", peak <= FLOOD_ABOVE * crews),
        Measure("flood", round(floods / windows, 4), "share of time", "≤ 0.01", floods / windows <= 0.01),
    ]


def _priorities(alerts: Sequence[Told]) -> list[Measure]:
    counts = Counter(a.priority for a in alerts)
    measures = []
    for priority, share in SHARES.items():
        found = counts[priority] / len(alerts) if alerts else share
        met = abs(found - share) <= SHARE_TOLERANCE if alerts else None
        value = round(found, 4) if alerts else 0.0
        target = f"about {share:.0%}"
        measures.append(
            Measure(f"priority {priority}", value, "share", target, met, detail=f"{counts[priority]} alerts")
        )
    return measures


def _chattering(spells: Iterable[tuple[str, int, int | None]], from_us: int, until_us: int) -> Measure:
    """Causes whose findings came and went three times or more within some minute."""
    transitions: dict[str, list[int]] = {}
    for fingerprint, since_us, ended_us in spells:
        for at_us in (since_us, ended_us):
            if at_us is not None and from_us <= at_us < until_us:
                transitions.setdefault(fingerprint, []).append(at_us)
    chattering = sorted(name for name, times in transitions.items() if _chatters(sorted(times)))
    return Measure("chattering", len(chattering), "causes", "0", not chattering, ", ".join(chattering[:BAD_ACTORS_MAX]))


def _chatters(times: Sequence[int]) -> bool:
    step = CHATTER_TRANSITIONS - 1
    return any(times[i + step] - times[i] < MINUTE_US for i in range(len(times) - step))


def _standing(alerts: Sequence[Told], until_us: int) -> Measure:
    long = [a for a in alerts if min(a.resolved_us or until_us, until_us) - a.opened_us > STANDING_US]
    assets = sorted({a.asset_id for a in long})
    return Measure("standing over 24 h", len(long), "alerts", detail=", ".join(assets[:BAD_ACTORS_MAX]))


def _bad_actors(alerts: Sequence[Told]) -> list[Measure]:
    """The causes that alert most, with their share of all: where to work first."""
    counts = Counter(a.fingerprint for a in alerts)
    return [
        Measure("most frequent", count, "alerts", detail=f"{fingerprint} ({count / len(alerts):.0%})")
        for fingerprint, count in counts.most_common(BAD_ACTORS_MAX)
        if count > 1
    ]
