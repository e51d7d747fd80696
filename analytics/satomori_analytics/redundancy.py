"""Sensor or asset? An asset's sensors by what else shows the same and by their past: clock, swap, noise, drift. Pure.

The figures are `evidence`'s. A kind that explains the values stands before a less specific one: the clock, then an
exchange, then noise, then drift. What can't be told apart is held against the asset: nothing is explained away.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from satomori_analytics import evidence
from satomori_analytics.detectors.base import Marks
from satomori_analytics.episodes import Episode, Floats, Stretch, Subject, stretches
from satomori_analytics.evidence import Course, Hours, Scatter
from satomori_analytics.limits import number
from satomori_analytics.pictures import ahead, channel
from satomori_analytics.playbook import Evidence, Playbook
from satomori_analytics.sensitivity import has_lasted
from satomori_analytics.sensors import SensorFault, sensor_episode
from satomori_analytics.sentences import amount
from satomori_analytics.triage.shaking import distance_km
from satomori_analytics.views import Quantity, View, key_of, quantity_of
from satomori_analytics.world import Stream, WatchedAsset, World
from satomori_core.clock import DAY_US, HOUR_US
from satomori_core.vocabulary import Cause, Level

PEERS_MAX = 8
# So much of a daily wave is drawn: two days and a half, an hour a point.
_WAVE_H = 60


@dataclass(frozen=True, slots=True)
class Redundancy:
    """Judged each step, over so much of the past."""

    every_s: int = evidence.STEP_H * 3600
    history_s: int = evidence.HISTORY_DAYS * 86_400


DRIFT = SensorFault(
    "drift",
    ("の値が周囲の同種の計測から徐々に外れています（校正ずれ・汚れの疑い）",
     " drifts away from what others measure (calibration or fouling?)"),
    ("センサーの校正・汚れ・取付を点検してください。資産そのものの異常を示す他の計測はありません。",
     "Check its calibration, fouling and mounting. No other measurement says that the asset has changed."),
    "median of redundant witnesses, each by its own regression; 5 robust deviations of four weeks (our choice)",
)  # fmt: skip
NOISE = SensorFault(
    "noise",
    ("の値のばらつきが平常より大きくなっています（ノイズ・接触不良の疑い）",
     " scatters much more than it used to (interference, a bad contact?)"),
    ("シールド・接地・電源・コネクターを点検してください。", "Check shielding, grounding, supply and connectors."),
    "range within the hour against the past four weeks', level unchanged: three times (our choice)",
)  # fmt: skip
JUMPS = SensorFault(
    "spike",
    ("の値が平常に戻りながら何度も跳んでいます（接触不良の疑い）",
     " keeps jumping away and back (a bad contact?)"),
    ("配線・コネクター・接地を点検してください。", "Check wiring, connectors and grounding."),
    "as noise, while three of the past twelve hours are not half as wide (our choice)",
)  # fmt: skip
CLOCK = SensorFault(
    "clock",
    ("の時刻がずれています（時計の遅れ・時差設定の誤りの疑い）", "'s times are off (clock or time zone set wrong?)"),
    ("機器の時計と時差の設定を確認してください。この期間の値は時刻がずれて記録されています。",
     "Set its clock and time zone right. What it has sent meanwhile stands at wrong times."),
    "phase of the daily wave of all its channels, against the past weeks and its neighbours (our choice)",
)  # fmt: skip
SWAPPED = SensorFault(
    "swapped",
    ("の値が別のセンサーと入れ替わっています（配線・設定の取り違えの疑い）",
     " has changed places with another sensor (wiring or addresses mixed up?)"),
    ("配線・アドレス・登録の対応を確認してください。", "Compare wiring, addresses and the registry."),
    "each explains the other's past five times better than its own (our choice)",
)  # fmt: skip
BATTERY = SensorFault(
    "battery",
    ("が下がり、まもなく停止します", " is running down and will stop soon"),
    ("電池を交換してください。", "Replace the battery."),
    "trend of a fortnight to the voltage at which the device stops",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """An asset and the peers of its datastreams. `column`: each one's place in `hours`; `until_us`: the newest row."""

    asset: WatchedAsset
    playbook: Playbook
    peers: Mapping[int, Sequence[Stream]]
    hours: Hours
    column: Mapping[int, int]
    until_us: int = 0

    def mean(self, streams: Sequence[Stream]) -> Floats:
        return self.hours.mean[:, [self.column[stream.id] for stream in streams]]

    def view(self, stream: Stream) -> View:
        return View(self.asset, quantity_of(stream), self.hours.at_us, evidence.daily(self.mean([stream]))[:, 0])


def by_class(world: World) -> dict[str, list[WatchedAsset]]:
    """Assets of each class, by id."""
    found: dict[str, list[WatchedAsset]] = {}
    for _, asset in sorted(world.assets.items()):
        found.setdefault(asset.class_, []).append(asset)
    return found


def peers_of(
    like: Sequence[WatchedAsset], asset: WatchedAsset, within_km: float = math.inf
) -> dict[int, tuple[Stream, ...]]:  # fmt: skip
    """The same metric of others of its class (`like`), the first few: those of the same municipality, then the rest."""

    def is_near(other: WatchedAsset) -> bool:
        return other.id != asset.id and (
            within_km == math.inf
            or distance_km(asset.latitude, asset.longitude, other.latitude, other.longitude) <= within_km
        )

    of_municipality = (other for other in like if other.municipality == asset.municipality)
    rest = (other for other in like if other.municipality != asset.municipality)
    metrics = {stream.metric for stream in asset.streams}
    found: dict[str, list[Stream]] = {metric: [] for metric in metrics}
    for other in filter(is_near, chain(of_municipality, rest)):
        for metric, newest in {stream.metric: stream for stream in other.streams if stream.metric in metrics}.items():
            found[metric].append(newest)
        if all(len(streams) >= PEERS_MAX for streams in found.values()):
            break
    return {stream.id: tuple(found[stream.metric][:PEERS_MAX]) for stream in asset.streams}


def fingerprints(asset: WatchedAsset) -> frozenset[str]:
    """The causes that `judge_redundancy` can name."""
    keys = [key_of(asset, quantity_of(stream)) for stream in asset.streams]
    kinds = ("drift", "noise", "jumps", "swapped", "battery", "divergence")
    return frozenset(
        [f"{kind}:{key}" for kind in kinds for key in keys] + [f"clock:{stream.device}" for stream in asset.streams]
    )


def judge_redundancy(near: Neighbourhood) -> list[Episode]:
    """All that the hours say against this asset's sensors; and against the asset, what they can't blame on a sensor."""
    if not near.hours.steps:
        return []
    streams = near.asset.streams
    explained = {stream.id: np.zeros(near.hours.steps, bool) for stream in streams}
    found: list[Episode] = []
    for judge in (_clocks, _swaps, _noises):
        found += judge(near, explained)
    found += _divergences(near, explained) + _batteries(near)
    # What stands at the last whole step stands until the newest row.
    newer_us = max(near.until_us - int(near.hours.at_us[-1]), 0)
    seen = [e if e.until_us is not None else replace(e, seen_us=e.seen_us + newer_us) for e in found]
    return [e for e in seen if has_lasted(e, near.asset.factor(e.subject.fingerprint))]


def _clocks(near: Neighbourhood, explained: dict[int, Marks]) -> list[Episode]:
    found = []
    for device in dict.fromkeys(stream.device for stream in near.asset.streams):
        own = [stream for stream in near.asset.streams if stream.device == device]
        witnesses = [evidence.phase_h(near.mean(near.peers[stream.id])) for stream in own]
        course = evidence.clock(evidence.phase_h(near.mean(own)), witnesses)
        for stream in own:
            explained[stream.id] |= course.alarm
        view = near.view(own[0])
        for stretch in stretches(course.alarm):
            hours = float(course.off[stretch.last]) if np.isfinite(course.off[stretch.last]) else 0.0
            figures = (f"日変化の位相が{hours:+.1f}時間", f"its daily wave is {hours:+.1f} h off")
            facts = {"hours": hours, "inputs": [stream.id for stream in own]}
            since_us = _since(near, course, stretch, 3)
            found.append(
                _of_device(
                    sensor_episode(
                        view, CLOCK, stretch, since_us, figures=figures, evidence=facts,
                        drawn=partial(_waves, near, own[0]),
                    ),
                    own[0],
                )
            )  # fmt: skip
    return found


def _waves(near: Neighbourhood, stream: Stream, rows: Stretch) -> list[dict[str, Any]]:
    """The last hours of its daily wave, in the band of its neighbours' waves, each moved to its own mean."""
    until = (rows.last + 1) * evidence.STEP_H
    hours = slice(max(until - _WAVE_H, 0), until)
    own, others = near.mean([stream])[hours, 0], near.mean(near.peers[stream.id])[hours]
    at_us = near.hours.start_us + np.arange(hours.start, hours.stop, dtype=np.int64) * HOUR_US
    whole, known = Stretch(0, len(own) - 1, ended=False), np.isfinite(others)
    if not np.isfinite(own).any() or not known.any():
        return [channel(quantity_of(stream), at_us, own, whole)]
    heard = others[:, known.any(axis=0)]
    waves = heard - np.nanmean(heard, axis=0) + np.nanmean(own)
    low, high = (
        edge(np.where(np.isfinite(waves), waves, empty), axis=1)
        for edge, empty in ((np.min, np.inf), (np.max, -np.inf))
    )
    there = np.isfinite(low)
    band = np.where(there, low, np.nan), np.where(there, high, np.nan)
    return [channel(quantity_of(stream), at_us, own, whole, band)]


def _of_device(episode: Episode, stream: Stream) -> Episode:
    """It is the device's, not one datastream's."""
    subject = episode.subject
    wrong = {Level.WATCH: (f"{stream.device_name}{CLOCK.wrong[0]}", f"{stream.device_name_en}{CLOCK.wrong[1]}")}
    named = replace(subject, fingerprint=f"clock:{stream.device}", wrong=wrong, datastream=None)
    # Its newest row was seen when it really was, or a slow clock would make its own finding history.
    return replace(episode, subject=named, seen_us=episode.seen_us - int(episode.evidence["hours"] * HOUR_US))


def _since(near: Neighbourhood, course: Course, stretch: Stretch, days: int) -> int:
    return int(near.hours.at_us[course.since(stretch.first, days * evidence.STEPS_A_DAY)])


def _swaps(near: Neighbourhood, explained: dict[int, Marks]) -> list[Episode]:
    """With a sensor of the same kind behind the same gateway: that is where wires and addresses get mixed up."""
    found = []
    for stream in near.asset.streams:
        peers = near.peers[stream.id]
        for other in (peer for peer in peers if peer.gateway == stream.gateway and stream.gateway is not None):
            rest = [near.column[peer.id] for peer in peers if peer.id != other.id]
            course = evidence.swapped(near.hours.mean, near.column[stream.id], near.column[other.id], rest)
            alarm = course.alarm & ~explained[stream.id]
            explained[stream.id] |= alarm
            for stretch in stretches(alarm):
                figures = (
                    f"{other.device_name}の平常の値を示しています",
                    f"It shows what {other.device_name_en} usually shows",
                )
                facts = {
                    "with": other.id,
                    "times_better": float(np.nanmax(course.off[stretch.first : stretch.last + 1])),
                }
                since_us = _since(near, course, stretch, 1)
                both = [near.view(stream), near.view(other)]
                found.append(
                    sensor_episode(
                        both[0], SWAPPED, stretch, since_us, figures=figures, evidence=facts,
                        drawn=partial(_side_by_side, both),
                    )
                )  # fmt: skip
    return found


def _side_by_side(views: Sequence[View], rows: Stretch) -> list[dict[str, Any]]:
    """Of the same quantity, so that each is named by its device."""
    return [
        channel(_named(view.quantity), view.at_us, view.values, rows)
        for view in views
        if view.quantity.stream is not None
    ]


def _named(quantity: Quantity) -> Quantity:
    stream = quantity.stream
    if stream is None:
        return quantity
    return replace(quantity, ja=f"{stream.device_name} {quantity.ja}", en=f"{stream.device_name_en} {quantity.en}")


def _noises(near: Neighbourhood, explained: dict[int, Marks]) -> list[Episode]:
    """Two channels of an asset that grow restless together are no sensor's fault."""
    streams = near.asset.streams
    scatters = {
        stream.id: evidence.noise(
            near.hours, near.column[stream.id], [near.column[peer.id] for peer in near.peers[stream.id]]
        )
        for stream in streams
    }
    restless = np.sum(
        [course.off >= 0.5 * course.limit for course in (scatter.course for scatter in scatters.values())], axis=0
    )
    found = []
    for stream in streams:
        scatter, view = scatters[stream.id], near.view(stream)
        course = scatter.course
        alarm = course.alarm & (restless <= 1) & ~explained[stream.id]
        explained[stream.id] |= course.alarm
        for stretch in stretches(alarm):
            times = 1.0 + float(np.nanmax(course.off[stretch.first : stretch.last + 1]))
            figures = (f"ばらつきが平常の{times:.1f}倍", f"{times:.1f} times the usual scatter")
            since_us = _since(near, course, stretch, 1)
            fault = JUMPS if scatter.isolated[stretch.first] else NOISE
            episode = sensor_episode(
                view, fault, stretch, since_us, figures=figures, evidence={"times": times},
                drawn=partial(_scattered, view, scatter),
            )  # fmt: skip
            if fault is JUMPS:  # `sensors` has a cause of its own for spikes
                episode = replace(episode, subject=replace(episode.subject, fingerprint=f"jumps:{view.key}"))
            found.append(episode)
    return found


def _scattered(view: View, scatter: Scatter, rows: Stretch) -> list[dict[str, Any]]:
    """How wide its hours are, in the band of how wide they used to be: a day's mean does not show it."""
    of = replace(view.quantity, ja=f"{view.quantity.ja}の1時間の幅", en=f"range of {view.quantity.en} within the hour")
    return [channel(of, view.at_us, scatter.wobble, rows, (np.where(scatter.usual > 0, 0.0, np.nan), scatter.usual))]


def _divergences(near: Neighbourhood, explained: Mapping[int, Marks]) -> list[Episode]:
    by_metric = {stream.metric: stream for stream in near.asset.streams}
    courses: dict[str, Course] = {}
    for metric, rule in near.playbook.evidence.items():
        if metric in by_metric:
            stream = by_metric[metric]
            said_by = _witnesses(near, stream, rule)
            own, witnesses = (evidence.daily(near.mean(streams)) for streams in ([stream], said_by))
            alike = np.array([witness.metric == metric for witness in said_by], bool)
            courses[metric] = evidence.divergence(own[:, 0], witnesses, least=rule.least, alike=alike)
    found = []
    for metric, course in courses.items():
        rule, stream = near.playbook.evidence[metric], by_metric[metric]
        company = np.zeros(near.hours.steps, bool)
        for other in rule.together:
            if other in courses:
                company |= ~(np.abs(courses[other].off) < 0.6 * courses[other].limit) & np.isfinite(courses[other].off)
        for stretch in stretches(course.alarm & ~explained[stream.id]):
            joint = bool(company[stretch.first])
            found.append(_diverges(near, stream, course, stretch, rule, joint=joint))
    return found


def _witnesses(near: Neighbourhood, stream: Stream, rule: Evidence) -> list[Stream]:
    partners = [own for own in near.asset.streams if own.metric in rule.partners]
    return [*partners, *(near.peers[stream.id] if rule.alike else ())]


def _diverges(
    near: Neighbourhood, stream: Stream, course: Course, stretch: Stretch, rule: Evidence, *, joint: bool
) -> Episode:  # fmt: skip
    view = near.view(stream)
    off, limit = (
        float(each[stretch.first : stretch.last + 1][_last(course, stretch)]) for each in (course.off, course.limit)
    )
    shown, most = amount(off, stream.unit), amount(limit, stream.unit)
    figures = (
        f"{view.quantity.ja}の食い違い {shown}（許容 {most}）",
        f"{view.quantity.en} is off by {shown} (limit {most})",
    )
    facts = {"off": off, "limit": limit, "together": joint, "source": rule.source}
    said = view.values - course.off  # by the witnesses
    episode = sensor_episode(
        view, DRIFT, stretch, _since(near, course, stretch, 1), figures=figures, evidence=facts,
        band=(said - course.limit, said + course.limit),
    )  # fmt: skip
    if rule.alone == "sensor" and not joint:
        return episode
    return replace(episode, subject=_of_asset(view, stream, joint=joint))


def _last(course: Course, stretch: Stretch) -> int:
    """Within the stretch: its last row with a figure."""
    return int(np.flatnonzero(np.isfinite(course.off[stretch.first : stretch.last + 1]))[-1])


def _of_asset(view: View, stream: Stream, *, joint: bool) -> Subject:
    advice = (
        ("関連する計測も同時に外れているため、計器でなく資産の変化と考えられます。現地を点検してください。",
         "Related channels have left their usual together, so the asset has changed, not a sensor. Inspect it.")
        if joint else
        ("現地で資産の状態を確認してください。計器の狂いとは、この計測だけでは区別できません。",
         "Look at the asset on site. This measurement alone can't tell it from a sensor that is off.")
    )  # fmt: skip
    return Subject(
        fingerprint=f"divergence:{view.key}", kind="divergence", cause=Cause.ASSET, asset=view.asset.id,
        place=view.asset.place, detector="divergence",
        wrong={Level.WATCH: (f"{view.quantity.ja}が、同種の資産や関連する計測の示す値から外れています",
                             f"{view.quantity.en} has left what like assets or related channels show")},
        advice={Level.WATCH: advice}, datastream=stream.id, gateway=stream.gateway,
    )  # fmt: skip


def _down_to(view: View, empty_us: int | None, low_v: float, rows: Stretch) -> list[dict[str, Any]]:
    """The voltage, and its trend to where the device stops; `empty_us` None: it is there."""
    shown = channel(view.quantity, view.at_us, view.values, rows)
    return [shown if empty_us is None else ahead(shown, empty_us, (low_v, low_v))]


def _batteries(near: Neighbourhood) -> list[Episode]:
    found = []
    rule = near.playbook.sensor
    for stream in near.asset.streams:
        if stream.metric != "battery":
            continue
        view = near.view(stream)
        own = number(near.asset.attributes.get("battery_low_v"))
        low_v = rule.battery_low_v if own is None else own
        days = evidence.battery_days(view.at_us, view.values, low_v)
        for stretch in stretches(days <= rule.battery_ahead_d):
            left, volts = float(days[stretch.last]), float(view.values[stretch.last])
            empty_us = int(view.at_us[stretch.last] + left * DAY_US)
            figures = (
                f"電圧 {amount(volts, 'V')}、あと約{left:.0f}日で{amount(low_v, 'V')}",
                f"{amount(volts, 'V')}, {amount(low_v, 'V')} in about {left:.0f} days",
            )
            facts = {"value": volts, "low_v": low_v, "days_left": left, "empty_us": empty_us}
            since_us = int(view.at_us[stretch.first])
            found.append(
                sensor_episode(
                    view, BATTERY, stretch, since_us, figures=figures, evidence=facts, limits=[low_v],
                    drawn=partial(_down_to, view, empty_us if left > 0 else None, low_v),
                )
            )  # fmt: skip
    return found
