"""What a few hours of one series say against its sensor: it is stuck, or it keeps jumping. Pure.

What takes days or other witnesses is in `redundancy`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from satomori_analytics.detectors.base import Marks
from satomori_analytics.detectors.plain import Stuck
from satomori_analytics.episodes import Episode, Floats, Stretch, Subject, stretches
from satomori_analytics.pictures import channel, picture
from satomori_analytics.playbook import Metric, Sensor
from satomori_analytics.sentences import amount, duration_en, duration_ja
from satomori_analytics.views import View
from satomori_core.vocabulary import Cause, Level


@dataclass(frozen=True, slots=True)
class SensorFault:
    """A kind of sensor fault in both languages."""

    kind: str
    wrong: tuple[str, str]
    advice: tuple[str, str]
    source: str


_STUCK = SensorFault(
    "stuck",
    ("の値が動きません（センサー固着の疑い）", " does not move (stuck sensor?)"),
    ("センサーの目詰まり・凍結・断線を点検してください。復旧まで現地の目視を優先してください。",
     "Check the sensor for fouling, ice or a broken wire. Until then trust your eyes on site."),
    "QARTOD flat line test",
)  # fmt: skip
_SPIKY = SensorFault(
    "spike",
    ("に異常な跳びが続いています（接触不良・ノイズの疑い）", " keeps jumping (loose contact or noise?)"),
    ("配線・コネクター・接地を点検してください。", "Check wiring, connectors and grounding."),
    "QARTOD spike test",
)


def judge_sensor(view: View, metric: Metric, rule: Sensor) -> list[Episode]:
    """`view` holds all values that ingest did not fail: here it is the sensor that is judged."""
    return _stuck(view, metric) + _spiky(view, metric, rule)


def fingerprints(key: str) -> frozenset[str]:
    """The causes that `judge_sensor` can name for a view of this key."""
    return frozenset({f"stuck:{key}", f"spike:{key}"})


def _stuck(view: View, metric: Metric) -> list[Episode]:
    if metric.flat is None or not len(view.at_us):
        return []
    detector = Stuck(stuck_s=metric.flat.fail_s, tolerance=metric.flat.tolerance, quiet=metric.quiet)
    on = _held(detector.score(view.at_us, view.values[:, None]).alarm[:, 0], np.isfinite(view.values))
    found = []
    for stretch in stretches(on):
        value = float(view.values[: stretch.last + 1][np.isfinite(view.values[: stretch.last + 1])][-1])
        shown = amount(value, view.quantity.unit)
        since_us = int(view.at_us[stretch.first] - detector.lasted_us[stretch.first, 0])
        evidence = {"value": value, "tolerance": metric.flat.tolerance, "stuck_s": metric.flat.fail_s}
        figures = (f"値 {shown} のまま", f"it stays at {shown}")
        found.append(sensor_episode(view, _STUCK, stretch, since_us, figures=figures, evidence=evidence))
    return found


def _spiky(view: View, metric: Metric, rule: Sensor) -> list[Episode]:
    """Many spikes in a short time: a loose contact or interference, rather than the asset."""
    if metric.spike is None or len(view.at_us) < 3:
        return []
    turns = np.concatenate([[0], np.cumsum(_turns(view.values, metric.spike.suspect))])
    within_us = rule.spikes_us(view.quantity.stream.interval_s if view.quantity.stream else 0.0)
    first = np.searchsorted(view.at_us, view.at_us - within_us, side="right")
    # There and back is one spike, however many values it lasted.
    count = (turns[1:] - turns[first] + 1) // 2
    count[_restless(view.values, metric.spike.suspect, first)] = 0
    found = []
    for stretch in stretches(count >= rule.spikes):
        most = int(count[stretch.first : stretch.last + 1].max())
        evidence = {"spikes": most, "within_s": rule.spikes_within_s, "suspect": metric.spike.suspect}
        figures = (f"{duration_ja(within_us)}に{most}回", f"{most} times within {duration_en(within_us)}")
        found.append(
            sensor_episode(view, _SPIKY, stretch, int(view.at_us[stretch.first]), figures=figures, evidence=evidence)
        )
    return found


def _turns(values: Floats, jump: float) -> Marks:
    """Rows whose step is larger than `jump` and goes against the large step before it."""
    known = np.flatnonzero(np.isfinite(values))
    steps = np.diff(values[known])
    large = np.flatnonzero(np.abs(steps) > jump)
    against = np.sign(steps[large][1:]) != np.sign(steps[large][:-1])
    turns = np.zeros(len(values), bool)
    turns[known[large[1:][against] + 1]] = True
    return turns


def _restless(values: Floats, jump: float, first: NDArray[np.intp]) -> Marks:
    """Rows since `first` of which half of the steps are larger than a quarter of `jump`: noise, not spikes."""
    step = np.abs(np.diff(values, prepend=values[:1]))
    large = np.concatenate([[0], np.cumsum(step > jump / 4)])
    known = np.concatenate([[0], np.cumsum(np.isfinite(step))])
    return np.asarray(large[1:] - large[first] > 0.5 * (known[1:] - known[first]))


def _held(alarm: Marks, known: Marks) -> Marks:
    """A row without a value says nothing: it stays as the row before it."""
    place = np.maximum.accumulate(np.where(known, np.arange(len(alarm)), 0))
    return np.asarray(alarm[place] & known[place])


def sensor_episode(
    view: View, fault: SensorFault, stretch: Stretch, since_us: int, *, figures: tuple[str, str],
    evidence: dict[str, Any], band: tuple[Floats, Floats] | None = None, limits: Sequence[float] = (),
    drawn: Callable[[Stretch], list[dict[str, Any]]] | None = None,
) -> Episode:  # fmt: skip
    """What is held against the sensor of a view, on the rows of a stretch.

    Its picture: the view with `band` and `limits`, or the channels `drawn` of the rows since it may have begun.
    """
    stream, quantity = view.quantity.stream, view.quantity
    if stream is None:
        raise AssertionError
    # What is held against it may have begun before that became certain.
    began = min(int(np.searchsorted(view.at_us, since_us)), stretch.first)
    whole = Stretch(began, stretch.last, stretch.ended)
    shown = drawn(whole) if drawn else [channel(quantity, view.at_us, view.values, whole, band)]
    subject = Subject(
        fingerprint=f"{fault.kind}:{view.key}",
        kind=fault.kind,
        cause=Cause.SENSOR,
        asset=view.asset.id,
        place=view.asset.place,
        detector=fault.kind,
        wrong={Level.WATCH: (f"{stream.device_name}の{quantity.ja}{fault.wrong[0]}",
                             f"{stream.device_name_en}: {quantity.en}{fault.wrong[1]}")},
        advice={Level.WATCH: fault.advice},
        datastream=stream.id,
        gateway=stream.gateway,
    )  # fmt: skip
    return Episode(
        subject=subject,
        level=Level.WATCH,
        since_us=since_us,
        until_us=int(view.at_us[stretch.last + 1]) if stretch.ended else None,
        seen_us=int(view.at_us[stretch.last]),
        confidence=0.9,
        figures=figures,
        evidence={
            "metric": quantity.name,
            "unit": quantity.unit,
            "source": fault.source,
            "spoke_us": int(view.at_us[stretch.first]),
            "picture": picture(view.at_us, whole, shown, list(limits)),
            **evidence,
        },
    )
