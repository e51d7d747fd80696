"""Judges by the detectors that learn: one series against its own past, or channels against their first rows. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from satomori_analytics import detectors
from satomori_analytics.detectors.base import Scores
from satomori_analytics.detectors.joint import Learned
from satomori_analytics.episodes import Episode, Floats, Stretch, Subject, Times, stretches
from satomori_analytics.pictures import channel, picture
from satomori_analytics.playbook import LEVELS, Watch
from satomori_analytics.sensitivity import detector_options
from satomori_analytics.sentences import amount
from satomori_analytics.sharing import Around
from satomori_analytics.views import Quantity, View
from satomori_analytics.world import WatchedAsset
from satomori_core.vocabulary import Cause


@dataclass(frozen=True, slots=True)
class Rows:
    """Channels observed together, a row each interval at most; NaN where a channel was not."""

    at_us: Times
    values: Floats


@dataclass(frozen=True, slots=True)
class Watched:
    """An entry `name` of an asset's playbook, and what its fingerprint ends with.

    `false_alarms_per_month`: its share of the asset's budget, where the detector keeps one.
    """

    asset: WatchedAsset
    name: str
    watch: Watch
    key: str
    false_alarms_per_month: float | None = None

    @property
    def fingerprint(self) -> str:
        return f"{self.name}:{self.key}"

    def build(self) -> detectors.Detector:
        options = dict(self.watch.options)
        if self.false_alarms_per_month is not None:
            options.setdefault("false_alarms_per_month", self.false_alarms_per_month)
        kind = detectors.find(self.watch.detector)
        factor = 1 if self.watch.level == "danger" else self.asset.factor(self.fingerprint)
        return kind.build(detector_options(kind, options, factor), where=self.name)

    def build_learned(self) -> Learned:
        detector = self.build()
        if not isinstance(detector, Learned):
            raise TypeError(f"{self.watch.detector} does not learn from its first rows")
        return detector


def to_rows(channels: Sequence[tuple[Times, Floats]], interval_s: float) -> Rows:
    """Observations of several datastreams as rows: what falls into one interval is one row, at its latest time."""
    every_us = max(int(interval_s * 1e6), 1)
    slots = np.unique(np.concatenate([at // every_us for at, _ in channels])) if channels else np.empty(0, np.int64)
    values = np.full((len(slots), len(channels)), np.nan)
    times = slots * every_us
    for column, (at, value) in enumerate(channels):
        row = np.searchsorted(slots, at // every_us)
        values[row, column] = value  # in order of time, so the last one of an interval stands
        np.maximum.at(times, row, at)
    return Rows(times, values)


def judge_alone(
    watched: Watched, view: View, known: Mapping[str, Any] | None = None, *, near: Around | None = None
) -> list[Episode]:
    """A detector over one series, from as much of its past as was read; `known`: what it knew just before.

    What the series `near` share is not told.
    """
    if not len(view.at_us):
        return []
    detector = watched.build()
    if known is not None:
        detector.restore(known["state"])
    scores = detector.score(view.at_us, view.values[:, None])
    datastream = view.quantity.stream.id if view.quantity.stream else None
    found = []
    alarm = scores.alarm[:, 0]
    for stretch in stretches(alarm & ~near.shared(view.at_us) if near is not None and alarm.any() else alarm):
        value, unit = float(view.values[stretch.last]), view.quantity.unit
        figures = (f"{view.quantity.ja} {amount(value, unit)}", f"{view.quantity.en} {amount(value, unit)}")
        evidence: dict[str, Any] = {"metric": view.quantity.name, "unit": unit, "value": value}
        shown = channel(view.quantity, view.at_us, view.values, stretch, _band(scores, 0))
        evidence["picture"] = picture(view.at_us, stretch, [shown], [])
        if scores.low is not None and scores.high is not None and np.isfinite(scores.low[stretch.last, 0]):
            low, high = float(scores.low[stretch.last, 0]), float(scores.high[stretch.last, 0])
            evidence["expected"] = (low + high) / 2
            evidence |= {"expected_low": low, "expected_high": high}
            from_, to = amount(low, unit), amount(high, unit)
            figures = (f"{figures[0]}（この時刻の平常値 {from_}〜{to}）", f"{figures[1]} (usual now {from_} to {to})")
        found.append(
            _episode(watched, view.at_us, scores, stretch, figures=figures, evidence=evidence, datastream=datastream)
        )
    return found


def learn(watched: Watched, rows: Rows) -> dict[str, Any] | None:
    """The reference of a detector that learns from its first rows; None while there are too few."""
    detector = watched.build_learned()
    detector.score(rows.at_us[: detector.learn_rows], rows.values[: detector.learn_rows])
    if not detector.learned:
        return None
    return {"until_us": int(rows.at_us[detector.learn_rows - 1]), "state": detector.state()}


def roll(watched: Watched, known: Mapping[str, Any] | None, rows: Rows, until_us: int) -> dict[str, Any]:
    """What the detector knows once it has seen the next `rows` too, all there are up to `until_us`."""
    detector, later = watched.build(), np.ones(len(rows.at_us), bool)
    if known is not None:
        detector.restore(dict(known["state"]))
        later = rows.at_us > known["until_us"]
    detector.score(rows.at_us[later], rows.values[later])
    return {"until_us": until_us, "state": detector.state()}


@dataclass(frozen=True, slots=True)
class Gap:
    """Between what a reference has seen and the rows to judge; the alarm is on since `on_since_us`, if so, by then."""

    on_since_us: int | None


def judge_joint(
    watched: Watched, channels: Sequence[Quantity], rows: Rows, gap: Gap | None, reference: Mapping[str, Any]
) -> list[Episode]:
    """Rows after those that the reference has seen.

    `gap`: not all rows in between are here, so the first few only fill the running mean; None: these are the next ones.
    """
    detector = watched.build_learned()
    detector.restore(dict(reference["state"]))
    later = rows.at_us > reference["until_us"]
    at_us, values = rows.at_us[later], rows.values[later]
    if gap is not None:
        warm = detector.window - 1
        detector.warm(at_us[:warm], values[:warm])
        detector.hold(gap.on_since_us)
        at_us, values = at_us[warm:], values[warm:]
    if not len(at_us):
        return []
    scores = detector.score(at_us, values)
    found = []
    for stretch in stretches(scores.alarm[:, 0]):
        worst = _furthest(detector.deviation[stretch.last])
        figures, evidence = _channels_told(
            [(channels[i], z, float(values[stretch.last, i]), _ends(scores, stretch.last, i)) for i, z in worst]
        )
        if scores.low is not None and scores.high is not None:
            ends = np.stack([scores.low[stretch.last], scores.high[stretch.last]], axis=1).tolist()
            evidence["usual"] = {channels[i].name: ends[i] for i, _ in worst if np.isfinite(ends[i]).all()}
        now = zip(channels, values[stretch.last].tolist(), strict=True)
        evidence["values"] = {quantity.name: value for quantity, value in now if np.isfinite(value)}
        shown = [channel(channels[i], at_us, values[:, i], stretch, _band(scores, i)) for i, _ in worst]
        evidence["picture"] = picture(at_us, stretch, shown, [])
        found.append(_episode(watched, at_us, scores, stretch, figures=figures, evidence=evidence))
    return found


def _band(scores: Scores, place: int) -> tuple[Floats, Floats] | None:
    """What the column would have been expected to be, row by row."""
    if scores.low is None or scores.high is None:
        return None
    return scores.low[:, place], scores.high[:, place]


def _furthest(deviation: Floats) -> list[tuple[int, float]]:
    """The three channels, by place, that are furthest off normal, with their deviations."""
    order = np.argsort(-np.abs(np.nan_to_num(deviation)))[:3]
    return [(int(i), float(deviation[i])) for i in order if np.isfinite(deviation[i])]


def _ends(scores: Scores, row: int, place: int) -> tuple[float, float] | None:
    band = _band(scores, place)
    return None if band is None or np.isnan(band[0][row]) else (float(band[0][row]), float(band[1][row]))


def _channels_told(
    told: Sequence[tuple[Quantity, float, float, tuple[float, float] | None]],
) -> tuple[tuple[str, str], dict[str, Any]]:
    """(sentence parts, evidence) of channels with their deviations (σ), values and what is usual."""
    ja, en = [], []
    for quantity, sigma, value, usual in told:
        if np.isnan(value) or usual is None:
            ja.append(f"{quantity.ja} {sigma:+.1f}σ")
            en.append(f"{quantity.en} {sigma:+.1f}σ")
            continue
        now, low, high = (amount(each, quantity.unit) for each in (value, *usual))
        ja.append(f"{quantity.ja} {now}（平常 {low}〜{high}、{sigma:+.1f}σ）")
        en.append(f"{quantity.en} {now} (usual {low} to {high}, {sigma:+.1f}σ)")
    figures = "平常との差: " + "、".join(ja), "Off normal: " + ", ".join(en)
    return figures, {"deviations": {quantity.name: round(sigma, 2) for quantity, sigma, *_ in told}}


def _episode(
    watched: Watched, at_us: Times, scores: Scores, stretch: Stretch, *, figures: tuple[str, str],
    evidence: dict[str, Any], datastream: int | None = None,
) -> Episode:  # fmt: skip
    watch, level = watched.watch, LEVELS[watched.watch.level]
    subject = Subject(
        fingerprint=watched.fingerprint,
        kind=watch.detector,
        cause=Cause.ASSET,
        asset=watched.asset.id,
        place=watched.asset.place,
        detector=f"{watch.detector}:{watched.name}",
        wrong={level: (watch.ja, watch.en)},
        advice={level: (watch.advice_ja, watch.advice_en)},
        datastream=datastream,
    )
    highest = float(scores.score[stretch.first : stretch.last + 1, 0].max())
    since_us = int(at_us[stretch.first])
    return Episode(
        subject=subject,
        level=level,
        since_us=since_us,
        until_us=int(at_us[stretch.last + 1]) if stretch.ended else None,
        seen_us=int(at_us[stretch.last]),
        confidence=round(highest, 3),
        figures=figures,
        evidence={**evidence, "score": round(highest, 4), "source": watch.source, "on": {"score": since_us}},
    )
