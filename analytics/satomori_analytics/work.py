"""One asset's piece of work: all that it needs in, marks and episodes out. Pure and picklable: for any process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from satomori_analytics import limits, sensors
from satomori_analytics.derive import derive
from satomori_analytics.episodes import Episode, Floats, Times
from satomori_analytics.findings import Judged, Standing, carried_at
from satomori_analytics.judge import judge_series
from satomori_analytics.playbook import Derived, Playbook
from satomori_analytics.views import Quantity, Series, View, key_of, quantity_of, usable
from satomori_analytics.world import Stream, WatchedAsset
from satomori_store.port import QcMark


@dataclass(frozen=True, slots=True)
class Task:
    """`touched`: datastream -> first µs that was stored anew. `series` reaches back further, and on to `until_us`."""

    asset: WatchedAsset
    playbook: Playbook
    touched: Mapping[int, int]
    series: Mapping[int, Series]
    until_us: int
    standing: tuple[Standing, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    marks: list[QcMark] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    # What a detector that goes on learning has learned by now; the service keeps it.
    rolled: dict[str, Any] | None = None


def do(task: Task) -> Outcome:
    """Judge each touched datastream, then what is derived of any of them."""
    outcome = Outcome()
    fresh_qc: dict[int, Floats] = {}
    for stream in task.asset.streams:
        if stream.id in task.touched and stream.id in task.series and len(task.series[stream.id].at_us):
            fresh_qc[stream.id] = _one_stream(task, stream, outcome)
    metrics = {stream.metric for stream in task.asset.streams if stream.id in task.touched}
    for name, derived in task.playbook.derived.items():
        if not derived.every_s and metrics & set(derived.inputs.values()):
            _one_derived(task, name, derived, fresh_qc, outcome)
    return outcome


def _one_stream(task: Task, stream: Stream, outcome: Outcome) -> Floats:
    series, from_us = task.series[stream.id], task.touched[stream.id]
    carried = carried_at(task.standing, int(series.at_us[0]))
    verdict = judge_series(task.asset, task.playbook, stream, series, carried)
    # The value before the first new one has a neighbour now, so its verdict may change too.
    first = max(int(np.searchsorted(series.at_us, from_us)) - 1, 0)
    changed = first + np.flatnonzero(verdict.qc[first:] != series.qc[first:])
    times, flags = series.at_us[changed].tolist(), verdict.qc[changed].tolist()
    outcome.marks.extend(QcMark(stream.id, at, flag) for at, flag in zip(times, flags, strict=True))
    values = usable(series, verdict.qc)
    key = key_of(task.asset, quantity_of(stream))
    # Without any value that may speak, what stood before stands.
    names = sensors.fingerprints(key) | (limits.fingerprints(key) if np.isfinite(values).any() else frozenset())
    outcome.judged.append(Judged(names, from_us, task.until_us, verdict.episodes))
    return values


def _one_derived(task: Task, name: str, derived: Derived, fresh_qc: Mapping[int, Floats], outcome: Outcome) -> None:
    inputs: dict[str, tuple[Times, Floats, float]] = {}
    from_us = task.until_us
    for metric in derived.inputs.values():
        stream = stream_of(task.asset, metric)
        if stream is None or stream.id not in task.series:
            return
        series = task.series[stream.id]
        values = fresh_qc[stream.id] if stream.id in fresh_qc else usable(series)
        inputs[metric] = (series.at_us, values, float(stream.interval_s))
        from_us = min(from_us, task.touched.get(stream.id, from_us))
    times, values = derive(derived, inputs)
    if len(times):
        outcome.judged.append(judge_derived(task, name, derived, (times, values), from_us))


def judge_derived(task: Task, name: str, derived: Derived, series: tuple[Times, Floats], from_us: int) -> Judged:
    """`series`: (times, values) of the derived quantity, at least one."""
    view = View(task.asset, Quantity(name, derived.unit, derived.ja, derived.en), *series)
    episodes = limits.judge_limits(view, task.playbook, carried_at(task.standing, int(view.at_us[0])))
    streams = [stream_of(task.asset, metric) for metric in derived.inputs.values()]
    episodes = [resting_on(episode, [stream for stream in streams if stream]) for episode in episodes]
    return Judged(limits.fingerprints(view.key), from_us, task.until_us, episodes)


def resting_on(episode: Episode, streams: Sequence[Stream]) -> Episode:
    """With the datastreams that it is made of: a fault of one of their sensors explains it."""
    return replace(episode, evidence={**episode.evidence, "inputs": [stream.id for stream in streams]})


def stream_of(asset: WatchedAsset, metric: str) -> Stream | None:
    """The datastream that stands for a metric of an asset: the newest, since a swapped probe makes a new one."""
    found = [stream for stream in asset.streams if stream.metric == metric]
    return found[-1] if found else None
