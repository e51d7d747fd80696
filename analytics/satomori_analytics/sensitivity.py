"""What lowered sensitivity means for each kind of finding, in figures and in words. Pure.

People say "false" of an alert, and its cause (the finding's fingerprint) has its sensitivity halved; how often is
`satomori_store.feedback`'s to say. A factor of 1, 2, 4 or 8 comes in here. What a factor turns is our own choice, by
one rule: what has a budget of false alarms has it divided, since that is what people complain of; what waits for a
time has to last so many times as long, since what is told falsely is mostly short. A danger is never told later.
"""

import inspect
from collections.abc import Mapping
from dataclasses import replace

from satomori_analytics import detectors
from satomori_analytics.checks import Flat
from satomori_analytics.episodes import Episode
from satomori_analytics.playbook import Limit, Playbook, Sensor
from satomori_core.clock import DAY_US
from satomori_core.vocabulary import Level

# What tells at the first row is taken to wait for so long, or doubling it would change nothing. Our own choice.
_LEAST_S = 300.0
# A factor never adds more than this to a time: a fault that lasts a day more is no false alarm. Our own choice.
_ADDED_MOST_S = 86_400.0
# Kinds that are told by a rule, and by a comparison.
_PLAIN = frozenset({"limit", "stuck", "spike", "silent", "peers"})
# Kinds that rest on days of hourly figures.
_DAILY = frozenset({"drift", "noise", "clock", "swapped", "battery", "divergence"})


def longer_s(time_s: float, factor: int) -> float:
    """`factor` times as long, at most a day more."""
    return time_s if factor == 1 else time_s + min((factor - 1) * max(time_s, _LEAST_S), _ADDED_MOST_S)


def lasting(limit: Limit, factor: int) -> Limit:
    """The limit that has to be left for longer; one of the level danger is as it was."""
    return limit if factor == 1 or limit.level == "danger" else replace(limit, for_s=longer_s(limit.for_s, factor))


def unmoving(flat: Flat, factor: int) -> Flat:
    """What has to stay flat for longer before its sensor counts as stuck."""
    return replace(flat, fail_s=longer_s(flat.fail_s, factor))


def spiky(rule: Sensor, factor: int) -> Sensor:
    """As many spikes in a time, for so many times as long."""
    return replace(rule, spikes=rule.spikes * factor, spikes_within_s=rule.spikes_within_s * factor)


def detector_options(kind: detectors.DetectorKind, options: Mapping[str, float], factor: int) -> dict[str, float]:
    """The options of a detector that learns: its budget divided, or what has no budget waiting for longer."""
    known = inspect.signature(kind.make).parameters
    changed = dict(options)
    if factor > 1 and kind.budgeted:
        changed["false_alarms_per_month"] = changed.get("false_alarms_per_month", _default(kind)) / factor
    elif factor > 1 and "for_s" in known:
        changed["for_s"] = longer_s(changed.get("for_s", float(known["for_s"].default)), factor)
    return changed


def _default(kind: detectors.DetectorKind) -> float:
    return float(inspect.signature(kind.make).parameters["false_alarms_per_month"].default)


def added_us(factor: int) -> int:
    """What rests on days has to last so much longer: nothing, a day, three or seven."""
    return (factor - 1) * DAY_US


def has_lasted(episode: Episode, factor: int) -> bool:
    """Whether what rests on days has gone on for long enough after it was certain."""
    if factor == 1:
        return True
    end_us = episode.seen_us if episode.until_us is None else episode.until_us
    return end_us - int(episode.evidence.get("spoke_us", episode.since_us)) >= added_us(factor)


def more_lookback_s(playbook: Playbook, interval_s: float, factor: int) -> float:
    """How much more of a series has to be read, where the highest factor of its asset is this."""
    return 0.0 if factor == 1 else _ADDED_MOST_S + (factor - 1) * playbook.sensor.spikes_us(interval_s) / 1e6


def effect(kind: str, detector: str, level: int, factor: int) -> tuple[str, str]:
    """(Japanese, English): what a factor does to findings of this kind and level, as people are told."""
    learned = detectors.BY_NAME.get(kind)
    learns = learned is not None and detector.startswith(f"{kind}:") and (learned.budgeted or learned.learns_rows)
    if not learns and kind not in _PLAIN | _DAILY:
        return (
            "この種類の警報には調整できる感度がありません。判定は記録に残ります。",
            "This kind of alert has no sensitivity to lower; the judgement is kept on record.",
        )
    if learns and level >= Level.DANGER:
        return ("危険の警報なので、感度は下げません。", "It tells of a danger, so its sensitivity is not lowered.")
    if factor == 1:
        return ("感度は標準のままです。", "Sensitivity is as the playbook says.")
    return _lowered(kind, factor, budgeted=kind == "peers" or (learned is not None and learned.budgeted))


def _lowered(kind: str, factor: int, *, budgeted: bool) -> tuple[str, str]:
    if budgeted:
        return (
            f"誤報の許容回数を1/{factor}にしています。警報は減り、遅くなることがあります。",
            f"Its budget of false alarms is 1/{factor}: fewer alarms, and later ones.",
        )
    if kind == "limit":
        return (
            f"危険より下の基準は、{factor}倍長く（延長は最大1日）超え続けるまで知らせません。危険の基準は変わりません。",
            f"Below danger it has to last {factor} times as long (a day more at most). The danger limit is unchanged.",
        )
    if kind in _DAILY:
        return (
            f"判定が{factor - 1}日長く続くまで知らせません。",
            f"It has to last {factor - 1} day(s) longer before it is told.",
        )
    return (f"{factor}倍長く続くまで知らせません。", f"It has to last {factor} times as long before it is told.")
